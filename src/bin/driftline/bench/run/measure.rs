//! Running queries against the clock, and counting what they found.

use std::time::{Duration, Instant};

use driftline::{Collection, Filter, Hits, Result, Vector};

use crate::bench::effort::Effort;
use crate::bench::line::{Latency, Rate, Recall};
use crate::bench::truth::Truth;

/// No more rounds are begun after so long; a round in progress is finished.
const ENOUGH: Duration = Duration::from_secs(10);
/// Steps of the histogram in one doubling of the time.
const STEPS: i32 = 4;

/// What is asked, of every query alike.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asking<'a> {
    pub(super) k: usize,
    pub(super) effort: Effort,
    pub(super) filter: Option<&'a Filter>,
    pub(super) rounds: usize,
}

/// What came of it.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    pub(super) recall: Recall,
    pub(super) qps: Rate,
    pub(super) latency: Latency,
    /// Averages of distances of vectors and of codes, rows looked at, payloads read, bytes read.
    pub(super) counts: [f64; 5],
    pub(super) short: usize,
}

/// Measures single queries and, where it is told to, a batch of them.
pub(super) fn measure(
    base: &Collection,
    queries: &[Vector],
    truth: &Truth,
    asking: Asking<'_>,
    batch: bool,
) -> Result<Measured> {
    let (answers, mut times) = singles(base, queries, asking)?;
    let whole: Duration = times.iter().sum();
    let batch = if batch { Some(queries.len() as f64 / batches(base, queries, asking)?.as_secs_f64()) } else { None };
    times.sort_unstable();
    let wanted = asking.k.min(truth.depth);
    let average = |count: fn(&Hits) -> u64| answers.iter().map(count).sum::<u64>() as f64 / answers.len() as f64;
    Ok(Measured {
        recall: recall(&answers, truth, asking.k),
        qps: Rate { single: queries.len() as f64 / whole.as_secs_f64(), batch },
        latency: latency(&times),
        counts: [
            average(|hits| hits.stats.distances),
            average(|hits| hits.stats.code_distances),
            average(|hits| hits.stats.visited),
            average(|hits| hits.stats.evaluated),
            average(|hits| hits.stats.bytes),
        ],
        short: answers.iter().filter(|hits| hits.len() < wanted).count(),
    })
}

/// One query as it is asked.
pub(super) fn one(base: &Collection, query: &Vector, asking: Asking<'_>) -> Result<Hits> {
    prepared(base, asking)?.nearest(query).run()
}

fn prepared(base: &Collection, asking: Asking<'_>) -> Result<driftline::Query> {
    let query = Effort::tell(Some(asking.effort), base.query().k(asking.k));
    match asking.filter {
        Some(filter) => query.filter(filter.clone()),
        None => Ok(query),
    }
}

/// Each query in a call of its own; the times of the best round.
fn singles(base: &Collection, queries: &[Vector], asking: Asking<'_>) -> Result<(Vec<Hits>, Vec<Duration>)> {
    let start = Instant::now();
    let mut best: Option<(Vec<Hits>, Vec<Duration>)> = None;
    for _ in 0..asking.rounds.max(1) {
        let mut times = Vec::with_capacity(queries.len());
        let answers = queries.iter().map(|query| {
            let start = Instant::now();
            let hits = one(base, query, asking);
            times.push(start.elapsed());
            hits
        });
        let answers = answers.collect::<Result<Vec<_>>>()?;
        let whole: Duration = times.iter().sum();
        if best.as_ref().is_none_or(|(_, best)| whole < best.iter().sum()) {
            best = Some((answers, times));
        }
        if start.elapsed() > ENOUGH {
            break;
        }
    }
    Ok(best.unwrap_or_default())
}

/// All queries in one call; the time of the best round.
fn batches(base: &Collection, queries: &[Vector], asking: Asking<'_>) -> Result<Duration> {
    let start = Instant::now();
    let mut best = Duration::MAX;
    for _ in 0..asking.rounds.max(1) {
        let queries = queries.to_vec();
        let batch = prepared(base, asking)?;
        let begin = Instant::now();
        batch.run_many(queries)?;
        best = best.min(begin.elapsed());
        if start.elapsed() > ENOUGH {
            break;
        }
    }
    Ok(best)
}

fn recall(answers: &[Hits], truth: &Truth, k: usize) -> Recall {
    let number = |hits: &Hits| hits.keys().filter_map(|key| key.as_number()?.try_into().ok()).collect::<Vec<u32>>();
    let each = answers.iter().enumerate().map(|(query, hits)| truth.recall(query, k, number(hits).into_iter()));
    summary(each.collect())
}

/// The mean and the low end of recalls, of which there is at least one.
pub(super) fn summary(mut each: Vec<f64>) -> Recall {
    each.sort_by(f64::total_cmp);
    let count = each.len().max(1) as f64;
    let mean = each.iter().sum::<f64>() / count;
    let variance = each.iter().map(|recall| (recall - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
    let width = 1.96 * (variance / count).sqrt();
    Recall {
        mean,
        p05: each.get((count * 0.05) as usize).copied().unwrap_or(0.0),
        min: each.first().copied().unwrap_or(0.0),
        ci95: [(mean - width).max(0.0), (mean + width).min(1.0)],
    }
}

/// Percentiles of sorted times, and how many lie between each step and the next.
fn latency(sorted: &[Duration]) -> Latency {
    let micros: Vec<f64> = sorted.iter().map(|time| time.as_secs_f64() * 1e6).collect();
    let at = |share: f64| {
        let place = (micros.len() as f64 * share) as usize;
        micros.get(place.min(micros.len().saturating_sub(1))).copied().unwrap_or(0.0)
    };
    Latency {
        p50: at(0.5),
        p90: at(0.9),
        p95: at(0.95),
        p99: at(0.99),
        p999: at(0.999),
        max: at(1.0),
        histogram: histogram(&micros),
    }
}

fn histogram(sorted: &[f64]) -> Vec<(f64, u64)> {
    let mut steps: Vec<(f64, u64)> = Vec::new();
    for time in sorted {
        let step = (f64::from(STEPS) * time.max(0.01).log2()).ceil() as i32;
        let upper = 2f64.powf(f64::from(step) / f64::from(STEPS));
        match steps.last_mut().filter(|(last, _)| *last == upper) {
            Some((_, count)) => *count += 1,
            None => steps.push((upper, 1)),
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_and_steps_hold_every_time() {
        let times: Vec<Duration> = (1..=1000).map(Duration::from_micros).collect();
        let latency = latency(&times);
        assert_eq!((latency.p50.round(), latency.p99.round(), latency.max.round()), (501.0, 991.0, 1000.0));
        assert_eq!(latency.histogram.iter().map(|(_, count)| count).sum::<u64>(), 1000);
        assert!(latency.histogram.is_sorted_by(|a, b| a.0 < b.0));
        assert!(latency.histogram.last().unwrap().0 >= 1000.0);
    }

    #[test]
    fn the_interval_narrows_with_queries_and_the_minimum_is_told() {
        let of = |count: usize| summary((0..count).map(|n| if n % 10 == 0 { 0.5 } else { 1.0 }).collect());
        let (few, many) = (of(100), of(10_000));
        assert_eq!((few.min, few.p05), (0.5, 0.5));
        assert!((few.mean - 0.95).abs() < 1e-12 && (many.mean - 0.95).abs() < 1e-12);
        let width = |it: Recall| it.ci95[1] - it.ci95[0];
        assert!((width(few) / width(many) - 10.0).abs() < 0.1);
        // By hand: the standard deviation of 0 and 1 in 1 to 9 is 0.3, of half as far 0.15; 2 × 1.96 × 0.15 / √10,000.
        assert!((width(many) - 0.00588).abs() < 1e-4);
    }
}
