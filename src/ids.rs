//! Names for places: newtypes, so that a row of one segment is never taken for a file or a position in the log.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A position in the history of a store: every committed batch has one, and later batches have higher ones.
///
/// `Lsn(0)` is before the first batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lsn(pub u64);

impl Lsn {
    /// The position that follows this one.
    pub fn next(self) -> Lsn {
        Lsn(self.0 + 1)
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What positions and numbers in files stay below, so that counting on from one never overflows. At a million a second
/// it takes 146,000 years to get here.
pub(crate) const MAX_NUMBER: u64 = 1 << 62;

/// The same for numbers of four bytes, those of collections.
pub(crate) const MAX_SMALL_NUMBER: u32 = 1 << 31;

/// A file of a store. Numbers are given once and never again, so a name on disk means one content for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FileId(pub(crate) u64);

/// A collection of a store, from the manifest; its name may be reused after a drop, its number never is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CollectionId(pub(crate) u32);

/// A row inside one segment, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RowId(pub(crate) u32);

impl RowId {
    /// The row as an index into an array.
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Sixteen random bytes drawn when a store is created; every file repeats them, so files of two stores never mix.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct StoreId(pub(crate) [u8; 16]);

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreId({self})")
    }
}
