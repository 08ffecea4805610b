//! What is looked at now and then: how long calls took, and how much the process, the files and the store take.

use std::path::Path;
use std::time::Duration;

use driftline::{Error, ErrorKind, Result, Stats};
use serde::Serialize;

use super::work::{Load, STEPS};
use crate::bench::machine;

/// What was seen at the end of an interval. Sizes in bytes.
#[derive(Debug, Clone, Serialize)]
pub(in super::super) struct Interval {
    /// Seconds since the beginning.
    pub(in super::super) at: f64,
    pub(in super::super) calls: Vec<Calls>,
    pub(in super::super) taken: Taken,
    /// Rows in memory.
    pub(in super::super) unsealed: u64,
    pub(in super::super) segments: u64,
    pub(in super::super) unindexed_rows: u64,
}

/// Calls of one kind within an interval, and how long they took in microseconds.
#[derive(Debug, Clone, Serialize)]
pub(in super::super) struct Calls {
    pub(in super::super) what: &'static str,
    pub(in super::super) count: usize,
    /// Calls a second.
    pub(in super::super) rate: f64,
    pub(in super::super) p50: u64,
    pub(in super::super) p99: u64,
    pub(in super::super) max: u64,
}

/// What must not grow.
#[derive(Debug, Clone, Copy, Serialize)]
pub(in super::super) struct Taken {
    /// Memory of the process that is no file.
    pub(in super::super) memory: u64,
    /// Open descriptors, where the system tells.
    pub(in super::super) descriptors: u64,
    pub(in super::super) threads: u64,
    /// Files of the store, and their bytes.
    pub(in super::super) files: u64,
    pub(in super::super) disk: u64,
}

/// Looks, `since` after the look before.
pub(super) fn look(at: Duration, since: Duration, load: &Load, store: &Path) -> Result<Interval> {
    let stats = load.db().stats()?;
    let (files, disk) = files_of(store)?;
    let (descriptors, threads) = (machine::entries("/proc/self/fd"), machine::entries("/proc/self/task"));
    let memory = machine::memory().anon;
    let docs = |count: fn(&driftline::CollectionStats) -> u64| stats_sum(&stats, count);
    Ok(Interval {
        at: at.as_secs_f64(),
        calls: load
            .take_times()
            .into_iter()
            .zip(STEPS)
            .map(|(times, (what, _))| calls(what, times, since.as_secs_f64()))
            .collect(),
        taken: Taken { memory, descriptors, threads, files, disk },
        unsealed: stats.unsealed_bytes,
        segments: docs(|it| it.segments),
        unindexed_rows: docs(|it| it.unindexed_rows),
    })
}

fn stats_sum(stats: &Stats, count: fn(&driftline::CollectionStats) -> u64) -> u64 {
    stats.collections.iter().map(count).sum()
}

fn calls(what: &'static str, mut times: Vec<u64>, seconds: f64) -> Calls {
    times.sort_unstable();
    let at = |share: f64| {
        let place = (times.len() as f64 * share) as usize;
        times.get(place.min(times.len().saturating_sub(1))).copied().unwrap_or(0)
    };
    let rate = times.len() as f64 / seconds;
    Calls { what, count: times.len(), rate, p50: at(0.5), p99: at(0.99), max: at(1.0) }
}

/// How many files there are, and their bytes. One that goes while it is looked at is none.
fn files_of(store: &Path) -> Result<(u64, u64)> {
    let failed =
        |error| Error::new(ErrorKind::Io, format!("could not list it: {error}")).at(store.display().to_string());
    #[expect(clippy::disallowed_methods, reason = "counts bytes as du does, without the engine")]
    let entries = std::fs::read_dir(store).map_err(failed)?;
    let lengths = entries.filter_map(|entry| entry.and_then(|entry| entry.metadata()).ok()).map(|data| data.len());
    Ok(lengths.fold((0, 0), |(files, bytes), length| (files + 1, bytes + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let calls = calls("it", (1..=200).rev().collect(), 4.0);
        assert_eq!(calls.rate, 50.0);
        assert_eq!((calls.count, calls.p50, calls.p99, calls.max), (200, 101, 199, 200));
        let none = super::calls("none", Vec::new(), 1.0);
        assert_eq!((none.count, none.p50, none.max), (0, 0, 0));
    }
}
