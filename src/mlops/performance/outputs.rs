//! Prediction drift of a model in use: whether what it says is spread otherwise than in its baseline. It asks for no truth.

use std::collections::BTreeMap;

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
/// So many are read to find them among those that failed.
const MOST_READ: u64 = 10_000;
/// Classes of a baseline are counted; counts from a disk are not trusted.
const MOST_BASELINE: usize = 10_000;

impl Monitor {
    /// What was found last of prediction drift: whether the model says something else than it did in its baseline. It asks
    /// for no truth, so it is known before [`Monitor::concept_drift`] is; that the world has changed may be right.
    ///
    /// Judged by [`Monitor::tick`] whenever a window was closed, over the newest predictions before its end that did not fail,
    /// as many as the settings' window, 50 at least and 1,000 at most, of the newest 10,000, and kept among the
    /// [reports of drift](crate::Database::drift_history) with the kind [`Prediction`](DriftKind::Prediction). Classes are compared as [`Method::Auto`] compares categories, numbers by
    /// Kolmogorov and Smirnov. The level of one look follows from the settings' expected run time, as that of concept drift
    /// does; an alarm asks for an effect of 0.1 beside that (Cramér's V, or Wasserstein over the standard deviation).
    ///
    /// None before there is a baseline of 50 predictions, and as many since.
    pub fn prediction_drift(&self) -> Result<Option<DriftReport>> {
        self.found(DriftKind::Prediction)
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
        let Some(baseline) = &tail.baseline else { return Ok((batch, None)) };
        let moved = signals::moved(baseline, tail, settings)?;
        let report = self.spread(records, baseline, at, settings)?;
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
        // A window that was over before there was the baseline says nothing about it.
        let Some(before) = said(baseline).filter(|_| baseline.since() < at) else { return Ok(None) };
        let since = TimeRange { from: baseline.since(), to: at };
        let Some((now, from)) = newest(records, since, &before, settings.window)? else { return Ok(None) };
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

/// What the newest predictions of a time said, of what the others are, classes or numbers, and when the first of them did;
/// none where there are too few. Failed ones said nothing.
fn newest(records: &Records, time: TimeRange, others: &Column, window: u64) -> Result<Option<(Column, Timestamp)>> {
    let wanted = (window.min(MOST_ROWS) as usize).max(MIN_ROWS);
    let (mut said, mut from) = (Vec::with_capacity(wanted), time.to);
    for row in records.predictions.iter(|scan| scan.range(records.keys(time)).reverse().limit(MOST_READ))? {
        let PredictionRecord { output: Some(output), at: Some(at), .. } = row?.value else { continue };
        if output.number().is_some() == matches!(others, Column::Numbers(_)) {
            said.push(output);
            from = at;
        }
        if said.len() == wanted {
            break;
        }
    }
    let column = match others {
        Column::Numbers(_) => Column::numbers(said.iter().filter_map(Output::number)),
        _ => Column::categories(said.iter().filter_map(Output::label)),
    };
    Ok((column.len() >= MIN_ROWS).then_some((column, from)))
}

/// What the model said when all was well, if there is enough of it: classes or numbers, whichever it said more.
fn said(baseline: &Baseline) -> Option<Column> {
    let numbers = baseline.signals.get(&Signal::Number).map_or(&[][..], Vec::as_slice);
    let classes = baseline.outputs.values().fold(0, |sum: u64, count| sum.saturating_add(*count));
    let column = if classes >= numbers.len() as u64 {
        Column::categories(thinned(&baseline.outputs))
    } else {
        Column::numbers(numbers[numbers.len().saturating_sub(MOST_ROWS as usize)..].iter().copied())
    };
    (column.len() >= MIN_ROWS).then_some(column)
}

/// Classes by how often they were said, in all [`MOST_ROWS`] at most: of more, those at equal distances, sorted by class, so
/// that each keeps its share.
fn thinned(counts: &BTreeMap<String, u64>) -> Vec<&str> {
    let count = |count: &u64| usize::try_from(*count).unwrap_or(usize::MAX).min(MOST_BASELINE);
    let said = counts.iter().flat_map(|(class, times)| std::iter::repeat_n(class.as_str(), count(times)));
    let said: Vec<&str> = said.take(MOST_BASELINE).collect();
    let kept = said.len().min(MOST_ROWS as usize);
    (0..kept).map(|place| said[place * said.len() / kept]).collect()
}
