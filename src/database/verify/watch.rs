//! Telling how far a check has come, and hearing whether to go on.

use crate::database::cancel::CancelToken;
use crate::database::engine::{DatabaseView, Engine};
use crate::error::Result;
use crate::sync::Mutex;

/// How far a check has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct VerifyProgress {
    /// Bytes of files read.
    pub bytes: u64,
    /// Bytes of files in all, as far as they are known before.
    pub of_bytes: u64,
    /// Rows looked up by their keys and through their indexes.
    pub rows: u64,
    /// Rows of all files.
    pub of_rows: u64,
}

/// Who is told how far a check has come.
pub(crate) type Tell<'a> = dyn FnMut(&VerifyProgress) + Send + 'a;

/// What was told last, and to whom.
struct Told<'a> {
    progress: VerifyProgress,
    tell: &'a mut Tell<'a>,
}

/// Who is told, and who may stop it. Shared by the threads that check.
pub(crate) struct Watching<'a> {
    engine: &'a Engine,
    cancel: &'a CancelToken,
    told: Mutex<Told<'a>>,
}

impl<'a> Watching<'a> {
    pub(crate) fn new(
        engine: &'a Engine,
        cancel: &'a CancelToken,
        tell: &'a mut Tell<'a>,
        view: &DatabaseView,
    ) -> Watching<'a> {
        let mut progress = VerifyProgress::default();
        for segment in view.collections.values().flat_map(|collection| &collection.sealed) {
            let entry = segment.entry();
            let beside = entry.deletions.map_or(0, |it| it.file.length) + entry.index.map_or(0, |it| it.file.length);
            progress.of_bytes += entry.file.length + beside;
            progress.of_rows += u64::from(entry.rows);
        }
        progress.of_bytes += view.blobs.values().map(|blob| blob.entry.file.length).sum::<u64>();
        Watching { engine, cancel, told: Mutex::new(Told { progress, tell }) }
    }

    /// Fails when the check is to end.
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_stopped() {
            self.cancel.check()?;
            return self.engine.check_going_on();
        }
        Ok(())
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.cancel.is_cancelled() || self.engine.is_stopping()
    }

    /// So many more bytes were read.
    pub(crate) fn read(&self, bytes: u64) -> Result<()> {
        self.tell(bytes, 0)
    }

    /// So many more rows were looked up.
    pub(crate) fn looked_up(&self, rows: u64) -> Result<()> {
        self.tell(0, rows)
    }

    fn tell(&self, bytes: u64, rows: u64) -> Result<()> {
        if bytes + rows > 0 {
            let told = &mut *self.told.lock();
            told.progress.bytes += bytes;
            told.progress.rows += rows;
            (told.tell)(&told.progress);
        }
        self.check()
    }
}
