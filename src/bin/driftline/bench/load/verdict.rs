//! Whether anything grew: the last quarter of a load beside its second quarter, when the store had found its size.

use serde::Serialize;

use super::gauge::{Interval, Taken};

/// A figure of what is taken.
type Figure = fn(&Taken) -> u64;

/// What must not grow, and how much of it the last quarter may take beyond a tenth more than the second.
const WATCHED: [(&str, Figure, u64); 5] = [
    ("memory", |taken| taken.memory, 32 << 20),
    ("descriptors", |taken| taken.descriptors, 8),
    ("threads", |taken| taken.threads, 1),
    ("files", |taken| taken.files, 8),
    ("disk", |taken| taken.disk, 64 << 20),
];

/// Intervals that a load must have before its quarters say anything.
const ENOUGH: usize = 8;

/// One thing that was watched.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(in super::super) struct Judged {
    pub(in super::super) what: &'static str,
    /// Medians of the quarters.
    pub(in super::super) second_quarter: u64,
    pub(in super::super) last_quarter: u64,
    pub(in super::super) most: u64,
    pub(in super::super) grew: bool,
}

/// Judges a load; nothing of one that was too short.
pub(in super::super) fn judge(intervals: &[Interval]) -> Vec<Judged> {
    if intervals.len() < ENOUGH {
        return Vec::new();
    }
    let quarter = intervals.len() / 4;
    let (second, last) = (&intervals[quarter..2 * quarter], &intervals[intervals.len() - quarter..]);
    let judged = |(what, of, slack): (&'static str, Figure, u64)| {
        let (before, after) = (median(second, of), median(last, of));
        let most = intervals.iter().map(|it| of(&it.taken)).max().unwrap_or(0);
        let grew = after > before + before / 10 + slack;
        Judged { what, second_quarter: before, last_quarter: after, most, grew }
    };
    WATCHED.into_iter().map(judged).collect()
}

fn median(intervals: &[Interval], of: Figure) -> u64 {
    let mut values: Vec<u64> = intervals.iter().map(|it| of(&it.taken)).collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intervals(descriptors: impl Fn(u64) -> u64) -> Vec<Interval> {
        let taken = |n| Taken { memory: 1 << 30, descriptors: descriptors(n), threads: 9, files: 20, disk: 1 << 30 };
        let at = |n: u64| Interval {
            at: n as f64,
            calls: Vec::new(),
            taken: taken(n),
            unsealed: n,
            segments: 3,
            unindexed_rows: n,
        };
        (0..40).map(at).collect()
    }

    #[test]
    fn only_what_keeps_growing_grew() {
        let grew = |descriptors: &dyn Fn(u64) -> u64| {
            let judged = judge(&intervals(descriptors));
            judged.into_iter().filter(|it| it.grew).map(|it| it.what).collect::<Vec<_>>()
        };
        assert_eq!(grew(&|n| 50 + n), ["descriptors"]);
        // As it warms up, or for a moment.
        assert_eq!(grew(&|n| 50 + n.min(8) * 10), [""; 0]);
        assert_eq!(grew(&|n| if n == 35 { 500 } else { 50 }), [""; 0]);
        assert_eq!(judge(&intervals(|_| 1)[..7]), []);
    }
}
