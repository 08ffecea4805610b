//! Which rows of a sealed segment are gone, and since when.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ids::{Lsn, RowId};
use crate::rows::RowSet;
use crate::sync::RwLock;

/// Deletions of one sealed segment: those on disk, and those since the last flush.
///
/// `base` never changes; a flush makes a new `Deletions`. `recent` grows under the commit lock and is read by anyone:
/// an entry at LSN y is seen by reads at y and later, so a reader that began earlier is not disturbed.
#[derive(Debug)]
pub(crate) struct Deletions {
    base: Arc<RowSet>,
    recent: RwLock<BTreeMap<RowId, Lsn>>,
}

impl Deletions {
    pub(crate) fn new(base: RowSet, recent: BTreeMap<RowId, Lsn>) -> Deletions {
        Deletions { base: Arc::new(base), recent: RwLock::new(recent) }
    }

    /// Nothing deleted of a segment of `rows` rows.
    pub(crate) fn none(rows: u32) -> Deletions {
        Deletions::new(RowSet::empty(rows), BTreeMap::new())
    }

    pub(crate) fn base(&self) -> &RowSet {
        &self.base
    }

    /// Marks a row as gone since `lsn`. A row is deleted once; a second mark changes nothing.
    pub(crate) fn delete(&self, row: RowId, lsn: Lsn) {
        if !self.base.contains(row) {
            self.recent.write().entry(row).or_insert(lsn);
        }
    }

    /// The rows that are gone for a reader at `lsn`.
    pub(crate) fn at(&self, lsn: Lsn) -> Arc<RowSet> {
        let recent = self.recent.read();
        if recent.values().all(|deleted| *deleted > lsn) {
            return Arc::clone(&self.base);
        }
        let mut rows = (*self.base).clone();
        for (row, _) in recent.iter().filter(|(_, deleted)| **deleted <= lsn) {
            rows.insert(*row);
        }
        Arc::new(rows)
    }

    /// Whether one row is gone for a reader at `lsn`.
    pub(crate) fn contains(&self, row: RowId, lsn: Lsn) -> bool {
        self.base.contains(row) || self.recent.read().get(&row).is_some_and(|deleted| *deleted <= lsn)
    }

    /// Entries since the last flush.
    pub(crate) fn recent(&self) -> BTreeMap<RowId, Lsn> {
        self.recent.read().clone()
    }

    /// Rows gone, whenever they went.
    pub(crate) fn count(&self) -> u32 {
        self.base.count() + self.recent.read().len() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deletion_is_seen_from_its_lsn_on() {
        let deletions = Deletions::none(10);
        deletions.delete(RowId(3), Lsn(5));
        deletions.delete(RowId(3), Lsn(9));
        assert!(!deletions.contains(RowId(3), Lsn(4)));
        assert!(deletions.contains(RowId(3), Lsn(5)));
        assert_eq!(deletions.at(Lsn(4)).count(), 0);
        assert_eq!(deletions.at(Lsn(5)).count(), 1);
        assert_eq!(deletions.recent(), BTreeMap::from([(RowId(3), Lsn(5))]));
    }

    #[test]
    fn what_is_on_disk_is_not_recorded_again() {
        let mut base = RowSet::empty(10);
        base.insert(RowId(1));
        let deletions = Deletions::new(base, BTreeMap::new());
        deletions.delete(RowId(1), Lsn(5));
        assert_eq!((deletions.count(), deletions.recent().len()), (1, 0));
    }
}
