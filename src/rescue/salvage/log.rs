//! What the logs of a damaged store hold, as far as they can be read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::blobs::Saved;
use super::report::SalvageReport;
use super::root::{Root, guess};
use crate::collection::operation::{Effect, effects};
use crate::error::Result;
use crate::ids::{CollectionId, Lsn};
use crate::key::Key;
use crate::payload;
use crate::schema::Schema;
use crate::segment::block::NewRow;
use crate::segment::mutable::Mutable;
use crate::storage::fs::FileSystem;
use crate::storage::names;
use crate::storage::wal::{self, Scanned, WalRef};

/// What the logs hold, by collection.
#[derive(Debug, Default)]
pub(super) struct Logged {
    pub(super) collections: BTreeMap<CollectionId, LoggedRows>,
    /// The newest position that was read.
    pub(super) last: Lsn,
}

/// What the logs hold of one collection.
#[derive(Debug)]
pub(super) struct LoggedRows {
    pub(super) schema: Arc<Schema>,
    pub(super) rows: Mutable,
    /// Keys that were put or deleted: whatever the files hold of them is older.
    pub(super) touched: BTreeSet<Vec<u8>>,
    /// Records of which a blob was lost.
    pub(super) blobs_cut: u64,
    /// Records that do not fit the schema.
    pub(super) lost: u64,
    flushed: Lsn,
}

/// Reads every log. `schemas` has those of the collections that are known.
pub(super) fn read(
    fs: &Arc<dyn FileSystem>,
    root: &Root,
    schemas: &BTreeMap<CollectionId, (Arc<Schema>, Lsn)>,
    saved: &Saved,
    report: &mut SalvageReport,
) -> Result<Logged> {
    let known = |(id, (schema, flushed)): (&CollectionId, &(Arc<Schema>, Lsn))| {
        (*id, LoggedRows::new(Arc::clone(schema), *flushed))
    };
    let mut logged = Logged { collections: schemas.iter().map(known).collect(), last: Lsn(0) };
    let mut promised = if root.manifest.logs.is_empty() { Lsn(0) } else { root.manifest.last_lsn };
    for log in &root.manifest.logs {
        let visit = &mut |lsn, batch: &[u8]| {
            logged.batch(lsn, batch, root, saved);
            Ok(())
        };
        match wal::scan(fs, root.manifest.store, *log, visit) {
            Ok(scanned) => {
                promised = promised.max(scanned.durable);
                logged.last = logged.last.max(scanned.last);
                tell_gaps(log, &scanned, report);
            }
            Err(error) => report
                .losses
                .push(format!("what was written from LSN {} on and is in no other file: {error}", log.first_lsn)),
        }
    }
    // What was written before the first log begins is in files.
    let begins = root.manifest.logs.first().map_or(Lsn(0), |log| Lsn(log.first_lsn.0.saturating_sub(1)));
    let last = logged.last.max(begins);
    if promised > last {
        report.losses.push(format!("the log was durable up to LSN {promised}, and can be read up to LSN {last}"));
    }
    Ok(logged)
}

fn tell_gaps(log: &WalRef, scanned: &Scanned, report: &mut SalvageReport) {
    for (before, after) in &scanned.gaps {
        let name = names::wal(log.file);
        report.losses.push(format!("of {name} what stood between LSN {before} and LSN {after} cannot be read"));
    }
}

impl Logged {
    /// Takes in a batch. Good checksums make it what was written.
    fn batch(&mut self, lsn: Lsn, batch: &[u8], root: &Root, saved: &Saved) {
        for effect in effects(batch).map_while(|effect| effect.ok()) {
            let id = effect.collection();
            if let Effect::Put(_, row) = &effect
                && !root.is_newest
            {
                // A collection that no manifest tells of begins with its first record: what was deleted before is not
                // here.
                let found = || {
                    let schema = guess(row.vector.len(), false, false, Some(row.vector));
                    LoggedRows::new(Arc::new(schema), Lsn(0))
                };
                self.collections.entry(id).or_insert_with(found);
            }
            if let Some(collection) = self.collections.get_mut(&id).filter(|it| lsn > it.flushed) {
                collection.apply(lsn, &effect, saved);
            }
        }
    }
}

impl LoggedRows {
    fn new(schema: Arc<Schema>, flushed: Lsn) -> LoggedRows {
        let (rows, touched) = (Mutable::new(&schema), BTreeSet::new());
        LoggedRows { schema, rows, touched, blobs_cut: 0, lost: 0, flushed }
    }

    fn apply(&mut self, lsn: Lsn, effect: &Effect<'_>, saved: &Saved) {
        if !self.fits(effect) {
            self.lost += u64::from(matches!(effect, Effect::Put(..)));
            return;
        }
        match effect {
            Effect::Delete(..) => self.rows.delete(effect.key(), lsn),
            Effect::Put(_, row) => {
                let cut = saved.cut(row.payload);
                self.blobs_cut += u64::from(cut.is_some());
                let payload = cut.as_deref().unwrap_or(row.payload);
                self.rows.put(lsn, NewRow { payload, ..*row });
            }
        }
        self.touched.insert(effect.key().to_vec());
    }

    /// Whether it can be of this collection, whose schema may have been guessed.
    fn fits(&self, effect: &Effect<'_>) -> bool {
        let row = match effect {
            Effect::Delete(..) => true,
            Effect::Put(_, row) => {
                row.vector.len() == self.schema.vector_kind().bytes() && payload::decode(row.payload).is_ok()
            }
        };
        row && Key::decode(effect.key()).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::payload::Value;
    use crate::vector::metric::Metric;

    #[test]
    fn a_record_that_does_not_fit_is_counted() {
        let mut logged = LoggedRows::new(Arc::new(Schema::vector(2, Metric::L2)), Lsn(0));
        let payload = payload::encode(&Value::Null).unwrap();
        let key = Key::from(1u64).encode();
        for (lsn, bytes) in [(1, 8), (2, 12), (3, 0)] {
            let row = NewRow {
                key: &key,
                created: Timestamp(0),
                expires: Timestamp::NEVER,
                vector: &vec![0; bytes],
                payload: &payload,
            };
            logged.apply(Lsn(lsn), &Effect::Put(CollectionId(1), row), &Saved::default());
        }
        logged.apply(Lsn(4), &Effect::Delete(CollectionId(1), b""), &Saved::default());
        assert_eq!((logged.lost, logged.touched.len()), (2, 1));
    }
}
