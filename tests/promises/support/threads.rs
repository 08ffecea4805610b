//! Many cases on all cores.

use std::sync::atomic::{AtomicU64, Ordering};

/// Runs every case of `0..count`, spread over the cores. The first that panics ends the test; it has printed its case.
pub(crate) fn for_each_case(count: u64, case: impl Fn(u64) + Sync) {
    let next = AtomicU64::new(0);
    let failed = AtomicU64::new(0);
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count || failed.load(Ordering::Relaxed) > 0 {
                        return;
                    }
                    let flag = RaiseOnPanic(&failed);
                    case(number);
                    drop(flag);
                }
            });
        }
    });
}

struct RaiseOnPanic<'a>(&'a AtomicU64);

impl Drop for RaiseOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(1, Ordering::Relaxed);
        }
    }
}

/// Counts what a test did.
#[derive(Debug, Default)]
pub(crate) struct Tally(AtomicU64);

impl Tally {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
