//! Prediction drift of a model in use: whether what it says is spread otherwise than in its baseline. It asks for no truth.

use serde_json::json;
use xxhash_rust::xxh3::xxh3_64;

use super::baseline::{Baseline, Signal};
use super::monitor::Monitor;
use super::prediction::{Output, PredictionRecord};
use super::records::Records;
use super::settings::MonitorSettings;
use super::signals;
use super::tail::Tail;
use crate::clock::Timestamp;
use crate::database::batch::Batch;
use crate::error::Result;
use crate::mlops::alerts::{Observation, metric};
use crate::mlops::drift::embedding::MIN_ROWS;
use crate::mlops::drift::{Column, DriftDetector, DriftKind, DriftReport, Method, findings};
use crate::mlops::times::TimeRange;

/// The feature that is judged.
const OUTPUT: &str = "output";
/// Predictions a side that are judged, the newest: they are read whenever a window was closed.
const MOST_ROWS: u64 = 1_000;
/// Classes of a baseline are counted; counts from a disk are not trusted.
const MOST_BASELINE: usize = 10_000;

impl Monitor {
    /// What was found last of prediction drift: whether the model says something else than it did in its baseline. It asks
    /// for no truth, so it is known before [`Monitor::concept_drift`] is; that the world has changed may be right.
    ///
    /// Judged by [`Monitor::tick`] whenever a window was closed, over the newest predictions before its end, as many as the
    /// settings' window and 1,000 at most, and kept among the [reports of drift](crate::Database::drift_history) with the kind
    /// [`Prediction`](DriftKind::Prediction). Classes are compared as [`Method::Auto`] compares categories, numbers by
    /// Kolmogorov and Smirnov. The level of one look follows from the settings' expected run time, as that of concept drift
    /// does; an alarm asks for an effect of 0.1 beside that (Cramér's V, or Wasserstein over the standard deviation).
    ///
    /// None before there is a baseline of 50 predictions, and as many since.
    pub fn prediction_drift(&self) -> Result<Option<DriftReport>> {
        findings::newest(&self.db, DriftKind::Prediction, self.model())
    }

    /// The same over a time: what was found whenever windows were closed, the earliest first.
    pub fn prediction_history(&self, range: TimeRange) -> Result<Vec<DriftReport>> {
        findings::reports(&self.db, DriftKind::Prediction, self.model(), range)
    }

    /// Judges the newest predictions, as of the end of a window: adds a report to the batch, and returns what rules are told.
    pub(super) fn judge_outputs(
        &self,
        batch: Batch,
        records: &Records,
        tail: &Tail,
        at: Timestamp,
        settings: &MonitorSettings,
    ) -> Result<(Batch, Option<Observation>)> {
        let Some(baseline) = records.baseline()? else { return Ok((batch, None)) };
        let moved = signals::moved(&baseline, tail, settings)?;
        let report = self.spread(records, &baseline, at, settings)?;
        let from = report.iter().map(|report| report.current.from).chain(moved.from).min();
        let Some(from) = from else { return Ok((batch, None)) };
        let result = report.as_ref().and_then(|report| report.results.first());
        let detail = json!({
            "baseline": baseline.version,
            "predictions": result.map(|result| result.current.rows),
            "effect": result.map(|result| &result.effect.name),
            "value": result.and_then(|result| result.effect.value),
            "p": result.and_then(|result| result.p),
            "signals": moved.reports,
        });
        let value = moved.count + u32::from(result.is_some_and(|result| result.alarm));
        let observation = self.observation(metric::PREDICTION_DRIFT, value.into(), from, at).detail(detail);
        let batch = match &report {
            Some(report) => findings::put_in(&self.db, batch, DriftKind::Prediction, report)?,
            None => batch,
        };
        Ok((batch, Some(observation)))
    }

    /// How what the newest predictions say is spread beside the baseline, where there is enough of both.
    fn spread(
        &self,
        records: &Records,
        baseline: &Baseline,
        at: Timestamp,
        settings: &MonitorSettings,
    ) -> Result<Option<DriftReport>> {
        let Some(before) = said(baseline) else { return Ok(None) };
        let newest = newest(records, at, settings.window.min(MOST_ROWS))?;
        let now = like(&before, &newest);
        let Some(from) = newest.last().and_then(|record| record.at).filter(|_| now.len() >= MIN_ROWS) else {
            return Ok(None);
        };
        let (range, of) = (TimeRange { from, to: at }, baseline.named(self.model()));
        let mut detector = DriftDetector::new(Method::Auto)
            .kind(DriftKind::Prediction)
            // Other than errors, outputs alarm on either side.
            .threshold(settings.level(range) / 2.0)
            .baseline(of.clone())
            .seed(xxh3_64(format!("{}/{}", self.model(), at.0).as_bytes()));
        detector.set_reference([(OUTPUT, before)])?;
        let Some(result) = detector.detect([(OUTPUT, now)])?.pop() else { return Ok(None) };
        Ok(Some(findings::report(self.model(), range, of, result, self.db.now())))
    }
}

/// The newest predictions before a moment, the newest first; failed ones said nothing.
fn newest(records: &Records, before: Timestamp, count: u64) -> Result<Vec<PredictionRecord>> {
    let keys = records.keys(TimeRange { from: TimeRange::ALL.from, to: before });
    let rows = records.predictions.walk(|scan| scan.range(keys).reverse().limit(count))?;
    Ok(rows.into_iter().map(|row| row.value).filter(|record| record.output.is_some()).collect())
}

/// What the model said when all was well, if there is enough of it: classes, or else numbers.
fn said(baseline: &Baseline) -> Option<Column> {
    let classes = baseline
        .outputs
        .iter()
        .flat_map(|(label, count)| std::iter::repeat_n(label.clone(), usize::try_from(*count).unwrap_or(usize::MAX)));
    let column = match baseline.signals.get(&Signal::Number) {
        _ if !baseline.outputs.is_empty() => Column::categories(classes.take(MOST_BASELINE)),
        Some(numbers) => Column::numbers(numbers[numbers.len().saturating_sub(MOST_ROWS as usize)..].iter().copied()),
        None => return None,
    };
    (column.len() >= MIN_ROWS).then_some(column)
}

/// Those of the predictions that are classes, or numbers, as the others are.
fn like(others: &Column, records: &[PredictionRecord]) -> Column {
    let outputs = records.iter().filter_map(|record| record.output.as_ref());
    match others {
        Column::Numbers(_) => Column::numbers(outputs.filter_map(Output::number)),
        _ => Column::categories(outputs.filter_map(|output| Some(output.label()?.to_owned()))),
    }
}
