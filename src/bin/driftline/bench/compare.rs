//! `driftline bench compare`: two files of results, at equal recall.

use driftline::{Error, ErrorKind, Result};
use serde::Serialize;

use super::line::Line;
use super::report::curve::rate_at;
use crate::render::{Look, Row};

/// One index on one set, before and after.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Ratio {
    dataset: String,
    index: String,
    threads: usize,
    call: &'static str,
    recall: f64,
    before_qps: Option<f64>,
    after_qps: Option<f64>,
    /// Above 1 is faster now.
    ratio: Option<f64>,
}

pub(super) const HEADINGS: [&str; 8] = ["set", "index", "threads", "call", "recall", "before", "after", "ratio"];

impl Row for Ratio {
    fn cells(&self, _look: Look) -> Vec<String> {
        let rate =
            |rate: Option<f64>, digits: usize| rate.map_or("not reached".into(), |rate| format!("{rate:.digits$}"));
        vec![
            self.dataset.clone(),
            self.index.clone(),
            self.threads.to_string(),
            self.call.into(),
            self.recall.to_string(),
            rate(self.before_qps, 0),
            rate(self.after_qps, 0),
            self.ratio.map_or(String::new(), |ratio| format!("{ratio:.2}")),
        ]
    }
}

/// What both files have measured: the same set, index, number of neighbours and threads.
pub(super) fn compare(before: &[Line], after: &[Line], recalls: &[f64]) -> Result<Vec<Ratio>> {
    let mut seen = Vec::new();
    let mut ratios = Vec::new();
    for line in after.iter().filter(|line| line.query.filter.is_none()) {
        if seen.contains(&key(line)) || !before.iter().any(|other| key(other) == key(line)) {
            continue;
        }
        seen.push(key(line));
        for (call, rate) in [("one", single as fn(&Line) -> Option<f64>), ("batch", batch)] {
            ratios.extend(recalls.iter().map(|recall| {
                let at = |lines: &[Line]| rate_at(&points(lines, line, rate), *recall);
                let (before_qps, after_qps) = (at(before), at(after));
                Ratio {
                    dataset: line.dataset.name.clone(),
                    index: line.index.spec.clone(),
                    threads: line.query.threads,
                    call,
                    recall: *recall,
                    before_qps,
                    after_qps,
                    ratio: before_qps.zip(after_qps).map(|(before, after)| after / before),
                }
            }));
        }
    }
    if ratios.is_empty() {
        let error = Error::new(ErrorKind::NotFound, "the files have no set, index and number of threads in common");
        return Err(error.mend("compare runs over the same data, with the same --index, -k and --threads"));
    }
    Ok(ratios)
}

fn single(line: &Line) -> Option<f64> {
    Some(line.qps.single)
}

fn batch(line: &Line) -> Option<f64> {
    line.qps.batch
}

fn key(line: &Line) -> (&str, &str, &str, usize, usize) {
    let set = &line.dataset;
    (&set.sha256, &set.metric, &line.index.spec, line.query.k, line.query.threads)
}

fn points(lines: &[Line], like: &Line, rate: fn(&Line) -> Option<f64>) -> Vec<(f64, f64)> {
    let own = lines.iter().filter(|line| line.query.filter.is_none() && key(line) == key(like));
    own.filter_map(|line| Some((line.recall.mean, rate(line)?))).collect()
}
