//! Concept drift of a model in use: whether it errs more than its baseline did.
//!
//! The truth comes late and out of order, so nothing is streamed: whenever a window was counted, the newest truths are held
//! against the baseline as sums. What is found follows from the records alone.

use serde_json::json;

use super::baseline::{Baseline, Signal};
use super::monitor::Monitor;
use super::prediction::PredictionRecord;
use super::records::Records;
use super::tail::{Part, Tail};
use crate::clock::Timestamp;
use crate::database::batch::Batch;
use crate::error::Result;
use crate::filter::print_time;
use crate::mlops::alerts::{Observation, metric};
use crate::mlops::drift::concept::{self, Evidence};
use crate::mlops::drift::embedding::MIN_ROWS;
use crate::mlops::drift::{BaselineRef, DriftReport, DriftResult, Note, Verdict};
use crate::mlops::times::TimeRange;
use crate::stats::ab::Arm;
use crate::stats::moments::Moments;

/// The level of one look. Looks follow each other and share most of their truths.
const LEVEL: f64 = 0.001;
/// Where there are more truths, it is not told at which it shows that errors have risen: each would be read.
const MOST_READ: u64 = 10_000;

impl Monitor {
    /// What was found last of concept drift: whether the model errs more at what comes in than it did in its baseline.
    ///
    /// Judged by [`Monitor::tick`] over the newest windows that together have as many truths as the settings' window, and kept
    /// among the [reports of drift](crate::Database::drift_history) with the kind
    /// [`Concept`](crate::mlops::drift::DriftKind::Concept), apart from drift of features and predictions. Rates of mistakes
    /// are compared by z, absolute errors of numbers by Welch, both at a level of 0.001, since they are looked at again and
    /// again. An alarm asks for an effect beside that: five points more mistakes of a hundred, or errors that are larger by 0.2
    /// standard deviations of the baseline. A model that errs less does not alarm.
    ///
    /// None before there is a baseline of 50 predictions whose truth was known, and as many truths since.
    pub fn concept_drift(&self) -> Result<Option<DriftReport>> {
        concept::newest(&self.db, self.model())
    }

    /// The same over a time: what was found whenever windows were counted, the earliest first.
    pub fn concept_history(&self, range: TimeRange) -> Result<Vec<DriftReport>> {
        concept::reports(&self.db, self.model(), range)
    }

    /// Judges the newest truths, as of the end of a window: adds a report to the batch, and returns what rules are told.
    pub(super) fn judge_concept(
        &self,
        batch: Batch,
        records: &Records,
        tail: &Tail,
        at: Timestamp,
    ) -> Result<(Batch, Option<Observation>)> {
        let Some(baseline) = records.baseline()? else { return Ok((batch, None)) };
        let Some((evidence, from)) = evidence(&baseline, tail)? else { return Ok((batch, None)) };
        let mut result = evidence.judge(LEVEL)?;
        if result.verdict == Verdict::Insufficient {
            return Ok((batch, None));
        }
        let range = TimeRange { from, to: at };
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
        let of = BaselineRef { name: format!("performance of {}", self.model()), version: baseline.version };
        let report = concept::report(self.model(), range, of, result, self.db.now());
        Ok((concept::put_in(&self.db, batch, &report)?, Some(observation)))
    }
}

/// What there is of mistakes, or else of errors, on both sides, and since when.
fn evidence(baseline: &Baseline, tail: &Tail) -> Result<Option<(Evidence, Timestamp)>> {
    let values = |signal| baseline.signals.get(&signal).filter(|values| !values.is_empty());
    let newest = |truths: fn(&Part) -> u64| tail.newest(MIN_ROWS as u64, truths).filter(|part| truths(part) > 0);
    if let (Some(right), Some(part)) = (values(Signal::Correct), newest(|part| part.labelled)) {
        let wrong = right.iter().filter(|right| **right < 0.5).count() as u64;
        let before = Arm { successes: wrong, trials: right.len() as u64 };
        let now = Arm { successes: part.labelled.saturating_sub(part.right), trials: part.labelled };
        return Ok(Some((Evidence::Mistakes { before, now }, part.from)));
    }
    let (Some(errors), Some(part)) = (values(Signal::Error), newest(|part| part.residuals.errors.count())) else {
        return Ok(None);
    };
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
