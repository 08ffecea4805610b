//! A load as tables: how long calls took, and what was taken.

use driftline::Result;

use super::gauge::{Calls, Interval};
use super::verdict::Judged;
use crate::failure::Outcome;
use crate::render::{Look, Output, Row, size};

const CALLS: [&str; 6] = ["calls", "count", "per s", "p50 us", "p99 us", "max us"];
const TAKEN: [&str; 5] = ["taken", "second quarter", "last quarter", "most", "verdict"];

impl Row for Calls {
    fn cells(&self, _look: Look) -> Vec<String> {
        let figures = [self.rate.round() as u64, self.p50, self.p99, self.max].map(|figure| figure.to_string());
        [self.what.to_owned(), self.count.to_string()].into_iter().chain(figures).collect()
    }
}

impl Row for Judged {
    fn cells(&self, _look: Look) -> Vec<String> {
        let bytes = matches!(self.what, "memory" | "disk");
        let shown = |figure: u64| if bytes { size(figure) } else { figure.to_string() };
        let figures = [self.second_quarter, self.last_quarter, self.most].map(shown);
        let verdict = if self.grew { "grew" } else { "steady" };
        std::iter::once(self.what.to_owned()).chain(figures).chain([verdict.to_owned()]).collect()
    }
}

/// Prints both tables.
pub(in super::super) fn show(intervals: &[Interval], judged: &[Judged], output: &mut Output) -> Outcome {
    output.many(&CALLS, totals(intervals).into_iter().map(Result::Ok))?;
    output.many(&TAKEN, judged.iter().cloned().map(Result::Ok))
}

/// Of each kind all calls: percentiles are the medians of those of the intervals.
fn totals(intervals: &[Interval]) -> Vec<Calls> {
    let Some(last) = intervals.last() else { return Vec::new() };
    let total = |(kind, calls): (usize, &Calls)| {
        let all = || intervals.iter().filter_map(move |interval| interval.calls.get(kind));
        let median = |of: fn(&Calls) -> u64| {
            let mut values: Vec<u64> = all().map(of).collect();
            values.sort_unstable();
            values.get(values.len() / 2).copied().unwrap_or(0)
        };
        let count: usize = all().map(|calls| calls.count).sum();
        let max = all().map(|calls| calls.max).max().unwrap_or(0);
        let (p50, p99) = (median(|calls| calls.p50), median(|calls| calls.p99));
        Calls { what: calls.what, count, rate: count as f64 / last.at, p50, p99, max }
    };
    last.calls.iter().enumerate().map(total).collect()
}
