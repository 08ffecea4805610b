//! Concept drift of a model in use: whether it errs more than its baseline did.
//!
//! The truth comes late and out of order, so nothing is streamed: whenever a window was counted, the newest truths are held
//! against the baseline as sums. What is found follows from the records alone.

use serde_json::json;

use super::baseline::{Baseline, Signal};
use super::monitor::Monitor;
use super::prediction::PredictionRecord;
use super::records::Records;
use super::settings::MonitorSettings;
use super::tail::{Part, Tail};
use crate::clock::Timestamp;
use crate::database::batch::Batch;
use crate::error::Result;
use crate::filter::print_time;
use crate::mlops::alerts::{Observation, metric};
use crate::mlops::drift::concept::Evidence;
use crate::mlops::drift::embedding::MIN_ROWS;
use crate::mlops::drift::{DriftKind, DriftReport, DriftResult, Note, Verdict, findings};
use crate::mlops::times::TimeRange;
use crate::stats::ab::Arm;
use crate::stats::moments::Moments;

/// Where there are more truths, it is not told at which it shows that errors have risen: each would be read.
const MOST_READ: u64 = 10_000;

impl Monitor {
    /// What was found last of concept drift: whether the model errs more at what comes in than it did in its baseline.
    ///
    /// Judged by [`Monitor::tick`] over the newest windows that together have as many truths as the settings' window, and kept
    /// among the [reports of drift](crate::Database::drift_history) with the kind
    /// [`Concept`](crate::mlops::drift::DriftKind::Concept), apart from drift of features and predictions. Rates of mistakes
    /// are compared by z, absolute errors of numbers by Welch. They are looked at again and again, so the level of one look
    /// follows from the settings' expected run time and is at most 0.01. An alarm asks for an effect beside that: five points
    /// more mistakes of a hundred, or errors that are larger by 0.2 standard deviations of the baseline. A model that errs less
    /// does not alarm.
    ///
    /// None before there is a baseline of 50 predictions whose truth was known, and as many truths of predictions since.
    pub fn concept_drift(&self) -> Result<Option<DriftReport>> {
        self.found(DriftKind::Concept)
    }

    /// What was found last of a kind against the baseline that holds.
    pub(super) fn found(&self, kind: DriftKind) -> Result<Option<DriftReport>> {
        let Some(baseline) = self.baseline()? else { return Ok(None) };
        let holds = Some(baseline.named(self.model()));
        let newest = findings::newest(&self.db, kind, self.model())?;
        Ok(newest.filter(|report| report.results.iter().all(|result| result.baseline == holds)))
    }

    /// The same over a time: what was found whenever windows were counted, the earliest first.
    pub fn concept_history(&self, range: TimeRange) -> Result<Vec<DriftReport>> {
        findings::reports(&self.db, DriftKind::Concept, self.model(), range)
    }

    /// Judges the newest truths, as of the end of a window: adds a report to the batch, and returns what rules are told.
    pub(super) fn judge_concept(
        &self,
        batch: Batch,
        records: &Records,
        tail: &Tail,
        at: Timestamp,
        settings: &MonitorSettings,
    ) -> Result<(Batch, Option<Observation>)> {
        let Some(baseline) = &tail.baseline else { return Ok((batch, None)) };
        let Some((evidence, from)) = evidence(baseline, tail)? else { return Ok((batch, None)) };
        let range = TimeRange { from, to: at };
        let mut result = evidence.judge(settings.level(range))?;
        if result.verdict == Verdict::Insufficient {
            return Ok((batch, None));
        }
        let changed = if result.alarm { changed(records, &evidence, range, &result)? } else { None };
        result.notes.extend(changed.map(|(row, _)| Note::ChangedAt(row)));
        let detail = json!({
            "baseline": baseline.version,
            "truths": result.current.rows,
            "effect": result.effect.name,
            "value": result.effect.value,
            "p": result.p,
            "changed": changed.and_then(|(_, time)| print_time(time)),
        });
        let alarm = if result.alarm { 1.0 } else { 0.0 };
        let observation = self.observation(metric::CONCEPT_DRIFT, alarm, from, at).detail(detail);
        let report = findings::report(self.model(), range, baseline.named(self.model()), result, self.db.now());
        Ok((findings::put_in(&self.db, batch, DriftKind::Concept, &report)?, Some(observation)))
    }
}

/// What there is of mistakes or of errors on both sides, whichever the baseline has more of, and since when.
fn evidence(baseline: &Baseline, tail: &Tail) -> Result<Option<(Evidence, Timestamp)>> {
    let values = |signal| baseline.signals.get(&signal).map_or(&[][..], Vec::as_slice);
    let newest = |truths: fn(&Part) -> u64| tail.newest(MIN_ROWS as u64, truths).filter(|part| truths(part) > 0);
    let (right, errors) = (values(Signal::Correct), values(Signal::Error));
    if right.is_empty() && errors.is_empty() {
        return Ok(None);
    }
    if right.len() >= errors.len() {
        let Some(part) = newest(|part| part.labelled) else { return Ok(None) };
        let wrong = right.iter().filter(|right| **right < 0.5).count() as u64;
        let before = Arm { successes: wrong, trials: right.len() as u64 };
        let now = Arm { successes: part.labelled.saturating_sub(part.right), trials: part.labelled };
        return Ok(Some((Evidence::Mistakes { before, now }, part.from)));
    }
    let Some(part) = newest(|part| part.residuals.errors.count()) else { return Ok(None) };
    Ok(Some((Evidence::Errors { before: Moments::of(errors)?, now: part.residuals.errors }, part.from)))
}

/// At which truth it shows that errors have risen, counted from 0, and when that prediction was made; none where some of the
/// predictions have gone.
fn changed(
    records: &Records,
    evidence: &Evidence,
    range: TimeRange,
    result: &DriftResult,
) -> Result<Option<(u64, Timestamp)>> {
    if result.current.rows > MOST_READ {
        return Ok(None);
    }
    let step = |record: &PredictionRecord| match evidence {
        Evidence::Mistakes { .. } => record.is_right().map(|right| f64::from(u8::from(!right))),
        Evidence::Errors { .. } => record.off_by(),
    };
    let (mut steps, mut times) = (Vec::new(), Vec::new());
    for row in records.predictions.iter(|scan| scan.range(records.keys(range)))? {
        let record = row?.value;
        if let (Some(value), Some(at)) = (step(&record), record.at) {
            steps.push(value);
            times.push(at);
        }
    }
    if steps.len() as u64 != result.current.rows {
        return Ok(None);
    }
    Ok(evidence.changed_at(&steps)?.map(|row| (row, times[row as usize])))
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::random::Random;

    /// A model that never changes: how often it errs, of how many truths its baseline is, and how they come.
    struct Quiet {
        rate: f64,
        baseline: u64,
        settings: MonitorSettings,
        truths_of_a_window: u64,
    }

    /// How many of so many that are tried are right, by the inverse of the binomial law.
    struct Binomial(Vec<f64>);

    impl Binomial {
        fn new(tried: u64, rate: f64) -> Binomial {
            let (mut chance, mut sum) = ((1.0 - rate).powf(tried as f64), 0.0);
            let step = |of: u64| (tried - of) as f64 / (of + 1) as f64 * rate / (1.0 - rate);
            Binomial(
                (0..tried)
                    .map(|of| {
                        sum += chance;
                        chance *= step(of);
                        sum
                    })
                    .collect(),
            )
        }

        fn draw(&self, random: &mut Random) -> u64 {
            let at = random.unit();
            self.0.partition_point(|sum| *sum < at) as u64
        }
    }

    impl Quiet {
        /// Of so many such models, how many raise an alarm within their expected run time.
        fn alarms(&self, models: u64) -> u64 {
            let (of_baseline, of_window) =
                (Binomial::new(self.baseline, self.rate), Binomial::new(self.truths_of_a_window, self.rate));
            let looks = self.settings.expected_run_time.as_micros() / self.settings.step.as_micros();
            let kept = self.settings.window.div_ceil(self.truths_of_a_window) as usize;
            let alarm = |model: &u64| {
                let mut random = Random::seeded(311, *model);
                let before = Arm { successes: of_baseline.draw(&mut random), trials: self.baseline };
                let (mut windows, mut wrong) = (VecDeque::new(), 0);
                (0..looks).any(|_| {
                    windows.push_back(of_window.draw(&mut random));
                    wrong += windows.back().unwrap();
                    if windows.len() > kept {
                        wrong -= windows.pop_front().unwrap();
                    }
                    let now = Arm { successes: wrong, trials: windows.len() as u64 * self.truths_of_a_window };
                    let to = Timestamp(0).after(self.settings.step * windows.len() as u32);
                    let level = self.settings.level(TimeRange { from: Timestamp(0), to });
                    Evidence::Mistakes { before, now }.judge(level).unwrap().alarm
                })
            };
            (0..models).filter(alarm).count() as u64
        }
    }

    /// Looks share most of their truths, and all of them the baseline: how often they err together is found by simulation.
    /// An expected run time of just what was asked for would have 63 of 100 models alarm in it.
    #[test]
    fn most_models_that_do_not_change_are_left_in_peace_for_their_run_time() {
        for (rate, truths_of_a_window) in [(0.1, 10), (0.4, 10), (0.4, 100)] {
            let settings = MonitorSettings { window: 100, ..MonitorSettings::default() };
            let settings = MonitorSettings { expected_run_time: settings.step * 500, ..settings };
            let quiet = Quiet { rate, baseline: 200, settings, truths_of_a_window };
            let alarms = quiet.alarms(60);
            assert!(alarms <= 30, "{alarms} of 60 models that err in {rate}, {truths_of_a_window} truths a window");
        }
    }
}
