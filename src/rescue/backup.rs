//! Backups: a consistent copy of an open store, in a directory or an archive.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::archive;
use super::copy::{Copied, Sharing, bring, total_bytes};
use super::new_store::NewStore;
use super::progress::{RescuePhase, RescueProgress, Watch};
use crate::database::cancel::CancelToken;
use crate::database::capture::Captured;
use crate::database::handle::Database;
use crate::database::verify::VerifyLevel;
use crate::error::{Error, Result};
use crate::ids::Lsn;
use crate::storage::fs::FileSystem;

/// A backup about to be made: a copy of the whole store as it is at one moment, while reading and writing go on.
///
/// Everything is brought into files first; what is copied are those files, which never change. They are kept until the
/// backup ends, whatever is deleted or merged meanwhile. The backup is a store: it can be opened where it is, or brought
/// elsewhere with [`restore`](crate::restore). The manifest is written last, so one that failed or was killed half-way is
/// not taken for a whole one; one that fails removes what it wrote.
///
/// **Links are not a second copy.** In a directory of the same file system, files are shared by hard links: the backup
/// takes no time and no room, outlives deletions, drops and the store itself, and is lost with the disk, or with a
/// damaged sector, like the store. A backup that is to outlive the disk is `backup().copy().verify()` on another one, or
/// an archive.
///
/// It holds every record, also of ephemeral collections, blobs and indexes. Unfinished imports and damaged indexes are
/// left out: both can be made again. A store with a damaged collection is refused with `Corrupt`: salvage it.
///
/// ```
/// # fn main() -> driftline::Result<()> {
/// use driftline::{Database, Record, RestoreOptions, Schema, restore};
/// let dir = tempfile::tempdir().expect("a directory");
/// let db = Database::open(dir.path().join("notes.drift"))?;
/// db.create_collection("notes", Schema::payload_only())?.put(Record::new("a"))?;
///
/// db.backup().copy().verify().to_dir(dir.path().join("monday"))?;
/// db.backup().verify().to_archive(dir.path().join("monday.tar"))?;
///
/// restore(dir.path().join("monday.tar"), dir.path().join("again.drift"), RestoreOptions::new())?;
/// let again = Database::open(dir.path().join("again.drift"))?;
/// assert_eq!(again.collection("notes")?.count()?, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a backup is made by one of its to_ methods"]
pub struct Backup<'a> {
    db: Database,
    sharing: Sharing,
    verify: Verify,
    watch: Watch<'a>,
}

/// Whether what was written is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verify {
    No,
    Yes,
}

/// What a backup did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BackupReport {
    /// It holds every batch up to this position and none after it.
    pub lsn: Lsn,
    /// Files, the manifest not counted.
    pub files: u64,
    /// Bytes of those that are shared with the store by hard links.
    pub linked_bytes: u64,
    /// Bytes of those that were copied.
    pub copied_bytes: u64,
    /// Whether every byte was read again and checked.
    pub verified: bool,
    /// How long it took.
    #[serde(skip)]
    pub elapsed: Duration,
}

impl Database {
    /// Begins a backup of the whole store as it is when the backup is made; see [`Backup`].
    pub fn backup<'a>(&self) -> Backup<'a> {
        Backup { db: self.clone(), sharing: Sharing::HardLinks, verify: Verify::No, watch: Watch::default() }
    }
}

impl<'a> Backup<'a> {
    /// Copies every file, where it would share them by hard links otherwise. Archives are always copies.
    pub fn copy(mut self) -> Backup<'a> {
        self.sharing = Sharing::Never;
        self
    }

    /// Reads every byte of the backup again and checks it: a directory is opened and verified in full; the files of an
    /// archive are checked against their checksums, and then the archive against the files. Costs reading the backup
    /// once more.
    pub fn verify(mut self) -> Backup<'a> {
        self.verify = Verify::Yes;
        self
    }

    /// Ends the backup with `Cancelled` when the token says so; what was written is removed.
    pub fn cancel(mut self, token: &CancelToken) -> Backup<'a> {
        self.watch.cancel = token.clone();
        self
    }

    /// Tells `tell` how far it is, about every MiB.
    pub fn progress(mut self, tell: impl FnMut(RescueProgress) + 'a) -> Backup<'a> {
        self.watch.tell = Some(Box::new(tell));
        self
    }

    /// Makes the backup in the directory `path`, which must be empty or not there; it becomes a store.
    pub fn to_dir(self, path: impl AsRef<Path>) -> Result<BackupReport> {
        let target = NewStore::in_directory(path.as_ref())?;
        self.into_store(target)
    }

    /// Makes the backup on a file system of any kind, which must be empty.
    pub fn to_fs(self, fs: Arc<dyn FileSystem>) -> Result<BackupReport> {
        let target = NewStore::on(fs)?;
        self.into_store(target)
    }

    /// Makes the backup as one file, a tar archive, which must not exist yet. It has its name when it is whole and
    /// durable; until then it ends in `.part`.
    pub fn to_archive(mut self, path: impl AsRef<Path>) -> Result<BackupReport> {
        let start = Instant::now();
        let target = archive::Target::create(path.as_ref())?;
        let captured = self.db.engine().capture()?;
        let copied_bytes = self.write_archive(&captured, &mut target.writer())?;
        if self.verify == Verify::Yes {
            let fs = &self.db.engine().opener.fs;
            archive::compare(&target, &captured.manifest, fs, &mut self.watch)?;
        }
        target.publish()?;
        Ok(self.report(&captured, Copied { copied_bytes, linked_bytes: 0 }, start))
    }

    /// Writes the backup as a tar archive, to a pipe for example. What was written is a whole backup only when this
    /// returns a report. Fails with `Invalid` when it is to be verified: what was given away cannot be read again.
    pub fn to_writer(mut self, mut writer: impl Write) -> Result<BackupReport> {
        if self.verify == Verify::Yes {
            return Err(Error::invalid("a backup that is given to a writer cannot be verified")
                .mend("write it to a file with to_archive, or restore it somewhere, which verifies it"));
        }
        let start = Instant::now();
        let captured = self.db.engine().capture()?;
        let copied_bytes = self.write_archive(&captured, &mut writer)?;
        Ok(self.report(&captured, Copied { copied_bytes, linked_bytes: 0 }, start))
    }

    fn write_archive(&mut self, captured: &Captured, writer: &mut dyn Write) -> Result<u64> {
        let engine = self.db.engine();
        let check = || engine.check_open();
        archive::write(&captured.manifest, &*engine.opener.fs, engine.now(), writer, &check, &mut self.watch)
    }

    fn into_store(mut self, mut target: NewStore) -> Result<BackupReport> {
        let start = Instant::now();
        let engine = self.db.engine();
        let captured = engine.capture()?;
        let files = captured.manifest.files();
        let mut copied = Copied::default();
        let mut steps = self.watch.begin(RescuePhase::Copying, Some(total_bytes(&files)));
        for listed in &files {
            engine.check_open()?;
            bring(listed, &*engine.opener.fs, &**target.fs(), self.sharing, &mut copied, &mut steps)?;
        }
        target.publish(&captured.manifest)?;
        if self.verify == Verify::Yes {
            self.watch.begin(RescuePhase::Verifying, None).advance(0)?;
            target.check(&engine.options, VerifyLevel::Full, &self.watch.cancel)?;
        }
        target.finish();
        Ok(self.report(&captured, copied, start))
    }

    fn report(&self, captured: &Captured, copied: Copied, start: Instant) -> BackupReport {
        BackupReport {
            lsn: captured.manifest.last_lsn,
            files: captured.manifest.files().len() as u64,
            linked_bytes: copied.linked_bytes,
            copied_bytes: copied.copied_bytes,
            verified: self.verify == Verify::Yes,
            elapsed: start.elapsed(),
        }
    }
}
