//! Concept drift: a model errs more at what comes in. It needs labels; without them nothing here can be told.

use super::embedding::MIN_ROWS;
use super::method::{Method, Scale, Test};
use super::result::{DriftKind, DriftResult, Effect};
use super::scalar;
use super::verdict::{Counts, Note, Verdict};
use crate::error::{Error, Result};
use crate::stats::ab::{self, Arm};
use crate::stats::change::PageHinkley;
use crate::stats::moments::Moments;

/// The level of both tests.
const LEVEL: f64 = 0.05;
/// How much the rate of errors must move to matter: five points of a hundred.
const RATE_FLOOR: f64 = 0.05;
/// Page and Hinkley's test in standard deviations of the baseline: half of one is let pass, and what is summed beyond that
/// by chance reaches 10 once in some ten thousand rows.
const TOLERANCE: f64 = 0.5;
const THRESHOLD: f64 = 10.0;
/// How much the mean error must move to matter, in standard deviations.
const SHIFT_FLOOR: f64 = 0.2;

/// Holds mistakes (true where the model was wrong) of a window against those of a baseline, both in the order of time.
///
/// Two rates by z; the effect is their difference, which matters from 0.05 on. Where the rate moved, Page and Hinkley's
/// test tells from which row on ([`Note::ChangedAt`]).
///
/// ```
/// use driftline::mlops::drift::{DriftKind, concept};
///
/// let mistakes = |every: usize| (0..400).map(|row| row % every == 0).collect::<Vec<_>>();
/// let result = concept::mistakes(&mistakes(10), &mistakes(3))?;
/// assert!(result.alarm && result.kind == DriftKind::Concept);
/// # Ok::<(), driftline::Error>(())
/// ```
///
/// # Errors
/// No rows on a side.
pub fn mistakes(baseline: &[bool], current: &[bool]) -> Result<DriftResult> {
    let arm = |rows: &[bool]| Arm {
        successes: rows.iter().filter(|wrong| **wrong).count() as u64,
        trials: rows.len() as u64,
    };
    let (before, now) = (arm(baseline), arm(current));
    check(baseline.len(), current.len())?;
    let test = ab::proportions(before, now)?;
    let effect = Effect { name: "error rate".into(), value: Some(test.difference.abs()), floor: RATE_FLOOR };
    let steps: Vec<f64> = current.iter().map(|wrong| f64::from(u8::from(*wrong))).collect();
    let rows = [baseline.len(), current.len()];
    finish(
        Test::TwoProportions,
        Some(test.z),
        Some(test.p),
        effect,
        rows,
        (test.rate_a, deviation_of(test.rate_a), &steps),
    )
}

/// Holds errors (how far the model was off, as squared or absolute errors) of a window against those of a baseline.
///
/// Two means by Welch; the effect is the shift in standard deviations of the baseline, which matters from 0.2 on.
///
/// # Errors
/// No rows on a side, or a number that is not finite.
pub fn errors(baseline: &[f64], current: &[f64]) -> Result<DriftResult> {
    check(baseline.len(), current.len())?;
    let (before, now) = (Moments::of(baseline)?, Moments::of(current)?);
    let deviation = before.population_deviation();
    let shift = (deviation > 0.0).then(|| (now.mean() - before.mean()).abs() / deviation);
    let effect = Effect { name: "sigmas".into(), value: shift, floor: SHIFT_FLOOR };
    let rows = [baseline.len(), current.len()];
    let p = scalar::welch_p(baseline, current)?;
    finish(Test::Welch, shift, Some(p), effect, rows, (before.mean(), deviation, current))
}

fn check(baseline: usize, current: usize) -> Result<()> {
    if baseline.min(current) > 0 {
        return Ok(());
    }
    let side = if baseline == 0 { "the baseline" } else { "the window" };
    Err(Error::invalid(format!("{side} has no errors of labelled predictions")).mend("wait until labels have come"))
}

fn deviation_of(rate: f64) -> f64 {
    (rate * (1.0 - rate)).sqrt()
}

fn finish(
    test: Test,
    statistic: Option<f64>,
    p: Option<f64>,
    effect: Effect,
    [before, now]: [usize; 2],
    (mean, deviation, steps): (f64, f64, &[f64]),
) -> Result<DriftResult> {
    let enough = before.min(now) >= MIN_ROWS;
    let drift = enough && p.is_some_and(|p| p <= LEVEL);
    let alarm = drift && effect.matters();
    let mut notes: Vec<Note> = (!enough).then_some(Note::FewRows).into_iter().collect();
    if drift {
        notes.extend(changed_at(mean, deviation, steps)?.map(Note::ChangedAt));
    }
    let counts = |rows: usize| Counts { rows: rows as u64, ..Counts::default() };
    Ok(DriftResult {
        feature: "error".into(),
        kind: DriftKind::Concept,
        method: Method::Auto,
        test,
        scale: Scale::PValue,
        threshold: LEVEL,
        level: LEVEL,
        statistic,
        p,
        adjusted_p: p,
        effect,
        reference: counts(before),
        current: counts(now),
        drift,
        alarm,
        verdict: Verdict::of(enough, drift, alarm),
        notes,
        baseline: None,
        embedding: None,
    })
}

/// From which row on the errors left the mean of the baseline, by Page and Hinkley in standard deviations of it.
fn changed_at(mean: f64, deviation: f64, steps: &[f64]) -> Result<Option<u64>> {
    let unit = if deviation > 0.0 { deviation } else { 1.0 };
    let mut test = PageHinkley::default();
    (test.tolerance, test.threshold) = (TOLERANCE, THRESHOLD);
    // The baseline's mean comes first, so that a window that is high from its first row on shows it.
    for _ in 0..test.least {
        test.add(0.0)?;
    }
    for (row, step) in steps.iter().enumerate() {
        if test.add((step - mean) / unit)?.is_some() {
            return Ok(Some(row as u64));
        }
    }
    Ok(None)
}
