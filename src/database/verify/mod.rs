//! Checking a store: that its files are what the manifest says, that every live record is found by its key, and through
//! its index.
//!
//! `report` is what is found, `watch` who is told and may stop it; `root` checks manifest and log, `segments` the files of
//! collections, `records` what is in them.

mod records;
pub(crate) mod report;
mod root;
mod segments;
#[cfg(test)]
mod tests;
mod watch;

use std::fmt;
use std::sync::Arc;

use crate::collection::record::Record;
use crate::database::cancel::CancelToken;
use crate::database::engine::Engine;
use crate::database::ledger;
use crate::database::store::Store;
use crate::error::Result;

pub use report::{Problem, VerifiedCollection, VerifyReport};
pub use watch::VerifyProgress;
use watch::{Tell, Watching};

/// How much of a store to check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VerifyLevel {
    /// Both copies of the manifest, and of each file its header, footer, table of contents and length. Costs little.
    Quick,
    /// Every byte of segments, deletions, indexes and blobs, the log up to now, every row, every live record by its key,
    /// every live row of a file that has an index through it, and the chain of the audit log. Costs reading the store once and a search for each row
    /// that is indexed.
    #[default]
    Full,
}

/// A check of a store, built step by step, then run.
///
/// Writers and readers go on meanwhile; it sees the store as it was when it began. A damaged part keeps no other from
/// being checked.
///
/// ```
/// # fn main() -> driftline::Result<()> {
/// use driftline::{CancelToken, Database, VerifyLevel};
/// let db = Database::in_memory()?;
/// let cancel = CancelToken::new();
/// let report = db
///     .verification()
///     .level(VerifyLevel::Full)
///     .cancel(&cancel)
///     .on_progress(|progress| eprintln!("{} of {} bytes", progress.bytes, progress.of_bytes))
///     .run()?;
/// assert!(report.is_clean());
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is checked until it is run"]
pub struct Verification {
    store: Arc<Store>,
    level: VerifyLevel,
    cancel: CancelToken,
    tell: Option<Box<Tell<'static>>>,
    audit: Entries,
}

/// Reads the audit log from its first entry on; none where there is no such log.
type Entries = Box<dyn FnOnce() -> Result<Option<Box<dyn Iterator<Item = Result<Record>>>>> + Send>;

impl fmt::Debug for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verification").field("level", &self.level).finish_non_exhaustive()
    }
}

impl Verification {
    pub(crate) fn new(store: &Arc<Store>, audit: Entries) -> Verification {
        let (level, cancel) = (VerifyLevel::Full, CancelToken::new());
        Verification { store: Arc::clone(store), level, cancel, tell: None, audit }
    }

    /// How much to check. Default [`VerifyLevel::Full`].
    pub fn level(mut self, level: VerifyLevel) -> Verification {
        self.level = level;
        self
    }

    /// Lets `token` stop it; it then fails with `Cancelled`.
    pub fn cancel(mut self, token: &CancelToken) -> Verification {
        self.cancel = token.clone();
        self
    }

    /// Has `tell` called after each piece of about 1 MiB, or of some thousand rows, from one thread at a time. It must not
    /// close the store.
    pub fn on_progress(mut self, tell: impl FnMut(&VerifyProgress) + Send + 'static) -> Verification {
        self.tell = Some(Box::new(tell));
        self
    }

    /// Checks the store. Damage is in the report; an error means that checking failed, was cancelled, or that the store
    /// was closed meanwhile.
    pub fn run(mut self) -> Result<VerifyReport> {
        let mut tell = |progress: &VerifyProgress| self.tell.iter_mut().for_each(|tell| tell(progress));
        let mut report = self.store.engine().verify(self.level, &self.cancel, &mut tell)?;
        if self.level == VerifyLevel::Full {
            let followed = follow(self.audit, &self.cancel);
            report.audit = report.note("audit log", followed)?.flatten();
        }
        Ok(report)
    }
}

fn follow(entries: Entries, cancel: &CancelToken) -> Result<Option<ledger::AuditVerdict>> {
    let Some(entries) = entries()? else { return Ok(None) };
    let mut uncancelled = entries.map(|entry| cancel.check().and(entry));
    ledger::follow(&mut uncancelled, None).map(Some)
}

/// One run of checking.
struct Checking<'a> {
    engine: &'a Engine,
    level: VerifyLevel,
    watch: Watching<'a>,
    report: VerifyReport,
}

impl Engine {
    pub(crate) fn verify(&self, level: VerifyLevel, cancel: &CancelToken, tell: &mut Tell<'_>) -> Result<VerifyReport> {
        self.check_open()?;
        let current = self.current();
        let moment = self.moment(&current);
        let watch = Watching::new(self, cancel, tell, &current.view);
        let mut checking = Checking { engine: self, level, watch, report: VerifyReport::default() };
        checking.root()?;
        for collection in current.view.collections.values() {
            checking.collection(collection, &current.view, moment)?;
        }
        checking.imports(&current.view)?;
        for blob in current.view.blobs.values() {
            checking.blob(blob)?;
        }
        Ok(checking.report)
    }
}
