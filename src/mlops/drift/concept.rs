//! Concept drift: a model errs more at what comes in. It needs labels; without them nothing here can be told.
//!
//! [`mistakes`] and [`errors`] hold samples beside each other. The monitor of a model does the same from what it has counted,
//! at a level that bears being asked again and again (`Evidence`).

use super::embedding::MIN_ROWS;
use super::method::{Method, Scale, Test};
use super::result::{DriftKind, DriftResult, Effect};
use super::verdict::{Counts, Note, Verdict};
use crate::error::{Error, Result};
use crate::stats::ab::{self, Arm};
use crate::stats::change::{PageHinkley, Side};
use crate::stats::moments::Moments;
use crate::stats::sigma;

/// The level of both tests.
const LEVEL: f64 = 0.05;
/// How much the rate of errors must rise to matter: five points of a hundred.
const RATE_FLOOR: f64 = 0.05;
/// Page and Hinkley's test in standard deviations of the baseline: half of one is let pass, and what is summed beyond that
/// by chance reaches 10 once in some ten thousand rows.
const TOLERANCE: f64 = 0.5;
const THRESHOLD: f64 = 10.0;
/// How much the mean error must rise to matter, in standard deviations.
const SHIFT_FLOOR: f64 = 0.2;

/// Holds mistakes (true where the model was wrong) of a window against those of a baseline, both in the order of time.
///
/// Two rates by z; the effect is how much the rate has risen, which matters from 0.05 on: a model that errs less may have
/// drifted, and alarms nobody. Where the rate moved, Page and Hinkley's test tells at which row that shows ([`Note::ChangedAt`]).
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
    let steps: Vec<f64> = current.iter().map(|wrong| f64::from(u8::from(*wrong))).collect();
    let evidence = Evidence::Mistakes { before: arm(baseline), now: arm(current) };
    evidence.judge(LEVEL)?.with_change(&evidence, &steps)
}

/// Holds errors (how far the model was off, as squared or absolute errors) of a window against those of a baseline.
///
/// Two means by Welch; the effect is how much the mean has risen, in standard deviations of the baseline, which matters from
/// 0.2 on.
///
/// # Errors
/// No rows on a side, or a number that is not finite.
pub fn errors(baseline: &[f64], current: &[f64]) -> Result<DriftResult> {
    check(baseline.len() as u64, current.len() as u64)?;
    let evidence = Evidence::Errors { before: Moments::of(baseline)?, now: Moments::of(current)? };
    evidence.judge(LEVEL)?.with_change(&evidence, current)
}

/// What was counted of the errors of a baseline and of a window.
#[derive(Debug, Clone, Copy)]
pub(in crate::mlops) enum Evidence {
    /// Predictions that were wrong, among those whose truth is known.
    Mistakes { before: Arm, now: Arm },
    /// How far predictions were off.
    Errors { before: Moments, now: Moments },
}

impl Evidence {
    /// What follows, at a level.
    pub(in crate::mlops) fn judge(&self, level: f64) -> Result<DriftResult> {
        let [before, now] = self.rows();
        check(before, now)?;
        Ok(match self {
            Evidence::Mistakes { before, now } => {
                let test = ab::proportions(*before, *now)?;
                self.finish(Test::TwoProportions, Some(test.z), test.p, level)
            }
            Evidence::Errors { before, now } => self.finish(Test::Welch, self.shift(), p_of_means(before, now)?, level),
        })
    }

    fn rows(&self) -> [u64; 2] {
        match self {
            Evidence::Mistakes { before, now } => [before.trials, now.trials],
            Evidence::Errors { before, now } => [before.count(), now.count()],
        }
    }

    /// Mean and standard deviation of the baseline.
    fn normal(&self) -> (f64, f64) {
        match self {
            Evidence::Mistakes { before, .. } => {
                let rate = before.successes as f64 / before.trials.max(1) as f64;
                (rate, (rate * (1.0 - rate)).sqrt())
            }
            Evidence::Errors { before, .. } => (before.mean(), before.population_deviation()),
        }
    }

    /// How much the errors have risen: as a share, or in standard deviations of the baseline where it has any.
    fn shift(&self) -> Option<f64> {
        let (mean, deviation) = self.normal();
        match self {
            Evidence::Mistakes { now, .. } => Some(now.successes as f64 / now.trials.max(1) as f64 - mean),
            Evidence::Errors { now, .. } if now.mean() == mean => Some(0.0),
            Evidence::Errors { now, .. } => (deviation > 0.0).then(|| (now.mean() - mean) / deviation),
        }
    }

    fn has_risen(&self) -> bool {
        match self {
            Evidence::Mistakes { .. } => self.shift().is_some_and(|shift| shift > 0.0),
            Evidence::Errors { before, now } => now.mean() > before.mean(),
        }
    }

    fn effect(&self) -> Effect {
        let (name, floor) = match self {
            Evidence::Mistakes { .. } => ("error rate", RATE_FLOOR),
            Evidence::Errors { .. } => ("sigmas", SHIFT_FLOOR),
        };
        Effect { name: name.into(), value: self.shift(), floor }
    }

    /// At which row it shows that the errors left the mean of the baseline to the side where they are now, by Page and Hinkley
    /// in standard deviations of it.
    pub(in crate::mlops) fn changed_at(&self, steps: &[f64]) -> Result<Option<u64>> {
        let (mean, deviation) = self.normal();
        let unit = if deviation > 0.0 { deviation } else { 1.0 };
        let mut test = PageHinkley::default();
        (test.tolerance, test.threshold) = (TOLERANCE, THRESHOLD);
        // The baseline's mean comes first, so that a window that is high from its first row on shows it.
        for _ in 0..test.least {
            test.add(0.0)?;
        }
        let side = if self.shift().is_some_and(|shift| shift < 0.0) { Side::Down } else { Side::Up };
        for (row, step) in steps.iter().enumerate() {
            if test.add((step - mean) / unit)? == Some(side) {
                return Ok(Some(row as u64));
            }
        }
        Ok(None)
    }

    fn finish(&self, test: Test, statistic: Option<f64>, p: f64, level: f64) -> DriftResult {
        let ([before, now], effect) = (self.rows(), self.effect());
        let enough = before.min(now) >= MIN_ROWS as u64;
        let drift = enough && p <= level;
        let alarm = drift && effect.matters() && self.has_risen();
        let counts = |rows: u64| Counts { rows, ..Counts::default() };
        DriftResult {
            feature: "error".into(),
            kind: DriftKind::Concept,
            method: Method::Auto,
            test,
            scale: Scale::PValue,
            threshold: level,
            level,
            statistic,
            p: Some(p),
            adjusted_p: Some(p),
            effect,
            reference: counts(before),
            current: counts(now),
            drift,
            alarm,
            verdict: Verdict::of(enough, drift, alarm),
            notes: (!enough).then_some(Note::FewRows).into_iter().collect(),
            baseline: None,
            embedding: None,
        }
    }
}

impl DriftResult {
    /// The same, with the row at which the errors changed, where there is drift.
    fn with_change(mut self, evidence: &Evidence, steps: &[f64]) -> Result<DriftResult> {
        if self.drift {
            self.notes.extend(evidence.changed_at(steps)?.map(Note::ChangedAt));
        }
        Ok(self)
    }
}

/// Welch's p of two means. Two constants have no standard error: they are as far apart as two categories.
fn p_of_means(before: &Moments, now: &Moments) -> Result<f64> {
    if let Some(p) = sigma::welch_p(before, now) {
        return Ok(p);
    }
    let others = if before.mean() == now.mean() { 0 } else { now.count() };
    let (before, now) = (Arm { successes: 0, trials: before.count() }, Arm { successes: others, trials: now.count() });
    Ok(ab::proportions(before, now)?.p)
}

fn check(baseline: u64, current: u64) -> Result<()> {
    if baseline.min(current) > 0 {
        return Ok(());
    }
    let side = if baseline == 0 { "the baseline" } else { "the window" };
    Err(Error::invalid(format!("{side} has no errors of labelled predictions")).mend("wait until labels have come"))
}
