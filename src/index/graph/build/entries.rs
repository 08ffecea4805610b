//! Where searches begin.

use crate::index::graph::points::Points;
use crate::random::Random;

/// Entries at most.
const ENTRIES: u64 = 128;

/// Of the random numbers that follow from the seed: the entries.
const STREAM: u64 = 2;

/// Some rows spread over all of `points`, at least one where there are any.
pub(super) fn choose<P: Points>(points: &P, seed: u64) -> Vec<u32> {
    let mut random = Random::seeded(seed, STREAM);
    let rows = points.len() as u64;
    let count = rows.div_ceil(16).min(ENTRIES);
    let mut entries: Vec<u32> = (0..count).map(|_| random.below(rows) as u32).collect();
    entries.sort_unstable();
    entries.dedup();
    entries
}
