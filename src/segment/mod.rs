//! Segments: the rows of a collection, first in memory (mutable), then in one immutable file (sealed).

pub(crate) mod block;
pub(crate) mod blocks;
pub(crate) mod bloom;
pub(crate) mod columns;
pub(crate) mod deletions;
pub(crate) mod fields;
pub(crate) mod file;
pub(crate) mod indexed;
pub(crate) mod matching;
pub(crate) mod mutable;
pub(crate) mod seal;
pub(crate) mod sealed;
pub(crate) mod waves;

use crate::clock::Timestamp;
use crate::error::Result;
use crate::ids::{Lsn, RowId};

/// A moment to read at: what was committed up to `lsn` and has not expired at `now`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) lsn: Lsn,
    pub(crate) now: Timestamp,
}

/// The parts of a row that are not its key, vector or payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowMeta {
    pub(crate) lsn: Lsn,
    pub(crate) created: Timestamp,
    pub(crate) expires: Timestamp,
}

/// Where sealing and merging read rows from. Vectors are their stored bytes: little-endian f32, or packed bits.
pub(crate) trait RowSource: Sync {
    fn key(&self, row: RowId) -> Result<&[u8]>;
    fn meta(&self, row: RowId) -> Result<RowMeta>;
    fn vector_bytes(&self, row: RowId) -> Result<&[u8]>;
    fn inverse_norm(&self, row: RowId) -> Result<f32>;
    fn payload(&self, row: RowId) -> Result<&[u8]>;
}
