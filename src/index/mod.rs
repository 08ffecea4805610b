//! Finding the nearest rows of one segment.
//!
//! An index owns what it adds to the rows (links, hash tables) and is handed the rows themselves at every search, so the
//! vectors are stored once, where the segment keeps them. It knows no files, keys or records: rows are numbers, the
//! caller says which of them are alive and which of two comes first. Flat search is the truth the others are held to.

mod flat;
mod spec;

use std::fmt;

use crate::error::Result;
use crate::ids::RowId;
use crate::pool::Pool;
use crate::vector::VectorRef;
use crate::vector::matrix::Rows;
use crate::vector::metric::Metric;
use crate::vector::top_k::Ties;

pub use spec::IndexSpec;

/// The most neighbours one query may ask for.
pub const MAX_K: usize = 100_000;

/// An index over the rows of one segment.
pub(crate) trait VectorIndex: Send + Sync + fmt::Debug {
    /// The nearest live rows. `rows` are those the index was built over, in the same order, and fit `query`.
    ///
    /// What is found does not depend on how many threads `pool` has.
    fn search(
        &self,
        rows: &Rows<'_>,
        query: &Query<'_>,
        live: &dyn Live,
        ties: &dyn Ties,
        pool: &Pool,
    ) -> Result<Found>;
}

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Query<'a> {
    pub(crate) vector: VectorRef<'a>,
    pub(crate) metric: Metric,
    /// How many are wanted at most.
    pub(crate) k: usize,
    /// Nothing further away than this is wanted: a radius, or the k-th distance that other segments gave.
    /// What is exactly as far is wanted still, since it may win by its key.
    pub(crate) bound: f32,
}

/// What was found, and what it took.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Found {
    /// Distances and rows, the nearest first, ties as the caller's order has them.
    pub(crate) hits: Vec<(f32, RowId)>,
    /// Distances computed.
    pub(crate) distances: u64,
    /// Rows looked at, those that were not alive included.
    pub(crate) visited: u64,
}

/// Which rows may be found: not deleted, not newer than the snapshot, let through by the filter.
pub(crate) trait Live: Sync {
    fn is_live(&self, row: RowId) -> bool;

    /// Whether every row is known to be alive, so that asking for each can be left out.
    fn all(&self) -> bool;
}

/// The index that `spec` asks for, without rows in it yet.
pub(crate) fn create(spec: &IndexSpec) -> Box<dyn VectorIndex> {
    match spec {
        IndexSpec::Flat => Box::new(flat::Flat),
    }
}
