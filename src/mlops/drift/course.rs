//! The course of a monitor: its windows in a few figures, and how far the newest of them stand out.

use serde::{Deserialize, Serialize};

use super::report::DriftReport;
use super::series;
use super::stored;
use super::verdict::Verdict;
use crate::clock::Timestamp;
use crate::database::handle::Database;
use crate::error::Result;
use crate::mlops::times::TimeRange;
use crate::stats::quantile::median;

/// So many windows are looked at, the newest: four days of windows of 300 s.
const WINDOWS: usize = 1_200;
/// None stands out before there are so many, and so many days of them, of which what repeats every day is known.
const LEAST: i64 = 24;
const LEAST_DAYS: i64 = 3;
/// How far a window must lie above the median: a cosine distance, and a share of features.
const LEAST_RISE: f64 = 0.005;
const LEAST_RISE_OF_SCORES: f64 = 0.1;
/// What is told of a value beside values that are nearly all equal, where z has no end.
const MOST_Z: f64 = 1_000.0;

/// What of a report is followed over windows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Step {
    current: TimeRange,
    verdict: Verdict,
    score: f64,
    centroid_cosine: Option<f64>,
}

impl Step {
    pub(super) fn of(report: &DriftReport) -> Step {
        let DriftReport { current, verdict, score, centroid_cosine, .. } = *report;
        Step { current, verdict, score, centroid_cosine }
    }
}

/// Windows in their order, and what of them is followed: the cosine distance of the mean vectors, or the score where there
/// are no vectors. A window without a verdict has neither.
pub(super) fn values(steps: &[Step]) -> Vec<(TimeRange, Option<f64>)> {
    let vectors = has_vectors(steps);
    let value = |step: &Step| match vectors {
        _ if step.verdict == Verdict::Insufficient => None,
        true => step.centroid_cosine.filter(|distance| distance.is_finite()),
        false => Some(step.score),
    };
    steps.iter().map(|step| (step.current, value(step))).collect()
}

fn has_vectors(steps: &[Step]) -> bool {
    steps.iter().any(|step| step.centroid_cosine.is_some())
}

/// The newest windows of a monitor; none before they are asked for.
#[derive(Debug, Default)]
pub(super) struct Course(Option<Vec<Step>>);

impl Course {
    /// How far the newest window of a monitor and the one before it stand out: the smaller modified z of what trend and season
    /// leave of them. 0 where one of them does not stand out upwards or rises too little to matter, or where there is a gap
    /// between them. By chance one of them alone stands out about every day.
    pub(super) fn stands_out(&mut self, db: &Database, monitor: &str, newest: &DriftReport) -> Result<f64> {
        let mut steps = match self.0.take() {
            Some(steps) => steps,
            // The store need not be asked of a window that matters to nobody.
            None if !newest.matters() => return Ok(0.0),
            None => earlier(db, monitor, newest)?,
        };
        steps.push(Step::of(newest));
        let z = if newest.matters() { standing_out(&steps)? } else { 0.0 };
        self.0 = Some(steps);
        Ok(z)
    }
}

fn earlier(db: &Database, monitor: &str, newest: &DriftReport) -> Result<Vec<Step>> {
    let before = stored::at(monitor, Timestamp(i64::MIN))..stored::at(monitor, newest.current.from);
    let reports = stored::reports_as::<Step>(db);
    let rows = reports.walk(|scan| scan.range(before).reverse().limit(WINDOWS as u64 - 1))?;
    Ok(rows.into_iter().rev().map(|row| row.value).collect())
}

fn standing_out(steps: &[Step]) -> Result<f64> {
    let windows = values(&steps[steps.len().saturating_sub(WINDOWS)..]);
    let there: Vec<f64> = windows.iter().filter_map(|(_, value)| *value).collect();
    let [.., (before, Some(previous)), (newest, Some(last))] = windows[..] else { return Ok(0.0) };
    let of_days = LEAST_DAYS * 86_400_000_000 / newest.length().as_micros().max(1) as i64;
    let least = of_days.clamp(LEAST, WINDOWS as i64) as usize;
    let rise = if has_vectors(steps) { LEAST_RISE } else { LEAST_RISE_OF_SCORES };
    if there.len() < least || before.to != newest.from || previous.min(last) - median(&there)? < rise {
        return Ok(0.0);
    }
    // A season is known only of a series that begins and ends with a value.
    let (_, values) = series::evenly(windows.into_iter().skip_while(|(_, value)| value.is_none()));
    let found = series::anomalies(&values, series::season(&values, None)?.as_ref())?;
    let z = |step: usize| {
        let found = found.iter().find(|it| it.step == step as u64);
        found.map_or(0.0, |it| it.z.unwrap_or(MOST_Z).clamp(0.0, MOST_Z))
    };
    Ok(z(values.len() - 1).min(z(values.len() - 2)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::stats::normal::draw;

    const MINUTE: i64 = 60_000_000;
    const NONE: [usize; 0] = [];

    /// Windows of so many minutes, with their cosine distances.
    fn steps(minutes: i64, values: impl IntoIterator<Item = f64>) -> Vec<Step> {
        let window = |(place, value): (i64, f64)| Step {
            current: TimeRange {
                from: Timestamp(place * minutes * MINUTE),
                to: Timestamp((place + 1) * minutes * MINUTE),
            },
            verdict: Verdict::Stable,
            score: 0.0,
            centroid_cosine: Some(value),
        };
        (0..).zip(values).map(window).collect()
    }

    /// The places at which it is told that windows stand out.
    fn told(steps: &[Step]) -> Vec<usize> {
        (2..=steps.len()).filter(|end| standing_out(&steps[..*end]).unwrap() > 0.0).map(|end| end - 1).collect()
    }

    /// Days of 24 windows, of which eight are nights with another value.
    fn nights(days: usize) -> Vec<f64> {
        let mut random = Random::seeded(7, 1);
        let value = |hour: usize| 0.003 * draw(&mut random) + if hour % 24 >= 16 { 0.05 } else { 0.01 };
        (0..24 * days).map(value).collect()
    }

    #[test]
    fn what_comes_every_night_does_not_stand_out_and_what_comes_once_does() {
        let mut values = nights(8);
        assert_eq!(told(&steps(60, values.clone())), NONE);
        // No more than a night has; but at noon.
        values[150..153].iter_mut().for_each(|value| *value += 0.04);
        assert_eq!(told(&steps(60, values)), [151, 152]);
    }

    #[test]
    fn what_stands_out_is_above_and_not_below() {
        let mut random = Random::seeded(8, 1);
        let mut values: Vec<f64> = (0..100).map(|_| 0.05 + 0.003 * draw(&mut random)).collect();
        values[80..83].fill(0.15);
        values[90..93].fill(0.0);
        assert_eq!(told(&steps(60, values)), [81, 82]);
    }

    #[test]
    fn what_rises_too_little_does_not_stand_out_however_quiet_it_is_else() {
        let mut random = Random::seeded(9, 1);
        let mut values: Vec<f64> = (0..100).map(|_| 1e-6 * draw(&mut random).abs()).collect();
        values[80..83].fill(0.004);
        assert_eq!(told(&steps(60, values.clone())), NONE);
        values[90..93].fill(0.006);
        assert_eq!(told(&steps(60, values)), [91, 92]);
    }

    #[test]
    fn windows_without_a_verdict_are_no_data() {
        let mut scores = steps(60, [0.0; 100]);
        scores.iter_mut().for_each(|step| (step.centroid_cosine, step.score) = (None, 1.0));
        for step in &mut scores[..70] {
            (step.verdict, step.score) = (Verdict::Insufficient, 0.0);
        }
        assert_eq!(told(&scores), NONE, "they are no quiet windows either");
        let mut short = steps(60, [0.0; 73]);
        short[71..].iter_mut().for_each(|step| step.centroid_cosine = Some(0.1));
        assert_eq!(told(&short), [72]);
        assert_eq!(told(&short[2..]), NONE, "three days are 72 windows");
    }
}
