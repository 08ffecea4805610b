//! Counting what is done while it is done: fixed buckets and atomics, so that counting takes no lock and no memory.
//!
//! Counts begin at 0 when the store is opened. They are read one by one, so those of a moment may differ by what is going
//! on at that moment.

use std::time::Duration;

use crate::index::{Effort, IndexSpec};
use crate::sync::{AtomicU64, Ordering};

/// Where buckets end, in microseconds; the last bucket has no end.
const ENDS_US: [u64; 16] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    10_000_000,
];

/// How long something took, in buckets.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    counts: [AtomicU64; ENDS_US.len() + 1],
    sum_ns: AtomicU64,
}

/// What a histogram holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Durations {
    /// Where each bucket ends, in seconds, and how many took no longer than that.
    pub(crate) up_to: Vec<(f64, u64)>,
    pub(crate) count: u64,
    pub(crate) sum_seconds: f64,
}

impl Histogram {
    /// Counts something that took so long.
    pub(crate) fn observe(&self, took: Duration) {
        self.observe_each(took, 1);
    }

    /// Counts so many that took so long together, as if each had taken its share.
    pub(crate) fn observe_each(&self, took: Duration, count: u64) {
        if count == 0 {
            return;
        }
        let mean_ns = took.as_nanos() as u64 / count;
        let bucket = ENDS_US.partition_point(|end_us| end_us * 1_000 < mean_ns);
        self.counts[bucket].fetch_add(count, Ordering::Relaxed);
        self.sum_ns.fetch_add(took.as_nanos() as u64, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Durations {
        let mut count = 0;
        let mut up_to = Vec::with_capacity(ENDS_US.len());
        for (bucket, end_us) in self.counts.iter().zip(ENDS_US) {
            count += bucket.load(Ordering::Relaxed);
            up_to.push((end_us as f64 / 1e6, count));
        }
        count += self.counts[ENDS_US.len()].load(Ordering::Relaxed);
        Durations { up_to, count, sum_seconds: self.sum_ns.load(Ordering::Relaxed) as f64 / 1e9 }
    }
}

impl Durations {
    /// Nothing that was counted.
    pub(crate) fn none() -> Durations {
        Histogram::default().read()
    }

    /// Both together.
    pub(crate) fn add(&mut self, other: &Durations) {
        self.up_to.iter_mut().zip(&other.up_to).for_each(|(own, other)| own.1 += other.1);
        self.count += other.count;
        self.sum_seconds += other.sum_seconds;
    }
}

/// Ways to find what is near, by the names they have in metrics.
pub(crate) const WAYS: [&str; 4] = ["flat", "hnsw", "lsh", "auto"];

/// How long the searches of a collection took, by the way in which it was to be searched.
#[derive(Debug, Default)]
pub(crate) struct SearchMeters([Histogram; WAYS.len()]);

impl SearchMeters {
    /// Counts queries that took so long together, asked of a collection with this index. Comparing with all is `flat`,
    /// whatever index there is.
    pub(crate) fn observe(&self, index: &IndexSpec, effort: Effort, took: Duration, queries: u64) {
        let way = match index {
            _ if effort == Effort::Exact => 0,
            IndexSpec::Flat => 0,
            IndexSpec::Hnsw(_) => 1,
            IndexSpec::Lsh(_) => 2,
            IndexSpec::Auto => 3,
        };
        self.0[way].observe_each(took, queries);
    }

    /// The ways that were gone, each with its durations.
    pub(crate) fn read(&self) -> Vec<(&'static str, Durations)> {
        let read = WAYS.into_iter().zip(&self.0).map(|(way, histogram)| (way, histogram.read()));
        read.filter(|(_, durations)| durations.count > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_falls_into_the_bucket_that_ends_with_it() {
        let histogram = Histogram::default();
        for us in [50, 51, 100, 20_000_000] {
            histogram.observe(Duration::from_micros(us));
        }
        histogram.observe_each(Duration::from_micros(300), 2);
        let read = histogram.read();
        assert_eq!(&read.up_to[..4], [(0.000_05, 1), (0.000_1, 3), (0.000_25, 5), (0.000_5, 5)]);
        assert_eq!((read.up_to[15], read.count), ((10.0, 5), 6));
        assert!((read.sum_seconds - 20.000_501).abs() < 1e-9);
        let mut twice = Durations::none();
        twice.add(&read);
        twice.add(&read);
        assert_eq!((twice.up_to[1], twice.count), ((0.000_1, 6), 12));
    }

    #[test]
    fn searches_are_told_apart_by_their_way() {
        let meters = SearchMeters::default();
        meters.observe(&IndexSpec::Auto, Effort::Exact, Duration::from_micros(10), 1);
        meters.observe(&IndexSpec::Auto, Effort::default(), Duration::from_micros(10), 3);
        let counts: Vec<_> = meters.read().into_iter().map(|(way, it)| (way, it.count)).collect();
        assert_eq!(counts, [("flat", 1), ("auto", 3)]);
    }
}
