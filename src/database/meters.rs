//! What the engine counts of its writing; searches are counted in their collection.

use std::sync::Arc;

use crate::collection::meters::{Durations, Histogram};
use crate::sync::{AtomicU64, Ordering};

/// Counts since the store was opened.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    /// From the call that commits a batch to its answer, refusals left out.
    pub(crate) commit: Histogram,
    /// Syncs of the log that made batches durable.
    pub(crate) log_sync: Histogram,
    pub(crate) batches: AtomicU64,
    pub(crate) puts: AtomicU64,
    pub(crate) deletes: AtomicU64,
}

/// What was counted since the store was opened.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) calls: u64,
    pub(crate) failed_calls: u64,
    pub(crate) batches: u64,
    pub(crate) puts: u64,
    pub(crate) deletes: u64,
    pub(crate) commit: Durations,
    pub(crate) log_sync: Durations,
    /// By the name of the collection and the way in which it was searched.
    pub(crate) searches: Vec<(Arc<str>, &'static str, Durations)>,
}

impl Meters {
    /// A batch was applied that put and deleted so many records.
    pub(crate) fn note_batch(&self, puts: u64, deletes: u64) {
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.puts.fetch_add(puts, Ordering::Relaxed);
        self.deletes.fetch_add(deletes, Ordering::Relaxed);
    }
}
