//! Looking back: figures of any time, from what was counted where that suffices, and from predictions where not.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;

use super::figures::{Distribution, Figures, Latency};
use super::monitor::Monitor;
use super::records::{Records, Window};
use super::tally::Tally;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::filter::suggest;
use crate::mlops::alerts::{Alert, AlertKind, Incident, Severity, metric};
use crate::mlops::times::TimeRange;

/// The most points of a trend.
const MOST_POINTS: usize = 10_000;

/// How a model does, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MonitorStatus {
    /// No prediction was made.
    NoData,
    /// No incident lasts that is worse than info.
    Healthy,
    /// An incident lasts that is a warning.
    Warning,
    /// An incident lasts that is critical.
    Critical,
}

impl fmt::Display for MonitorStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            MonitorStatus::NoData => "no data",
            MonitorStatus::Healthy => "healthy",
            MonitorStatus::Warning => "warning",
            MonitorStatus::Critical => "critical",
        })
    }
}

/// How many alerts there were of each severity: incidents that were opened, got worse or came back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct AlertCounts {
    /// Critical ones.
    #[serde(rename = "CRITICAL")]
    pub critical: u64,
    /// Warnings.
    #[serde(rename = "WARNING")]
    pub warning: u64,
    /// For information.
    #[serde(rename = "INFO")]
    pub info: u64,
}

/// How a model did over some time.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MonitoringSummary {
    /// The model.
    pub model: String,
    /// The time that was asked for. Of a window whose predictions have gone, all counts where it begins.
    pub range: TimeRange,
    /// How the model does now.
    pub status: MonitorStatus,
    /// Predictions, failed ones included.
    pub total_predictions: u64,
    /// The share that was right, of those whose truth is known.
    pub avg_accuracy: Option<f64>,
    /// The mean time that a prediction took, in milliseconds.
    pub avg_latency_ms: Option<f64>,
    /// The share that failed.
    pub avg_error_rate: Option<f64>,
    /// Incidents of drift that were opened, of data, predictions and concept: episodes, not windows.
    pub drift_incidents: u64,
    /// The score of data quality over all features.
    pub avg_data_quality: Option<f64>,
    /// Alerts by severity.
    pub alerts: AlertCounts,
}

/// What a monitor counts, in short.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MonitorStatistics {
    /// Predictions, failed ones included: those of all windows that were closed, also of those that are kept no more, and the
    /// ones since.
    pub total_predictions: u64,
    /// Failed ones.
    pub error_count: u64,
    /// The share that failed; 0 where there are none.
    pub error_rate: f64,
    /// How many predictions are in the window.
    pub window_size: u64,
    /// How long those of the window took, in milliseconds.
    pub prediction_time: Option<PredictionTime>,
    /// How sure the model was of those of the window.
    pub confidence: Option<Distribution>,
}

/// How long predictions took, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PredictionTime {
    /// Mean, deviation and range.
    #[serde(flatten)]
    pub distribution: Distribution,
    /// 95 of 100 took no longer.
    pub p95: f64,
}

/// A figure whose course can be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[allow(missing_docs, reason = "they are the figures of these names, and described there")]
pub enum Measure {
    Predictions,
    Throughput,
    ErrorRate,
    LatencyMean,
    LatencyP50,
    LatencyP95,
    LatencyP99,
    Confidence,
    Accuracy,
    Precision,
    Recall,
    F1,
    CalibrationError,
    Mse,
    Rmse,
    Mae,
    R2,
    DataQuality,
}

impl Measure {
    /// All of them, by the names they are asked for by. Precision, recall and F1 are the means over the classes.
    pub const ALL: [(&'static str, Measure); 18] = [
        ("predictions", Measure::Predictions),
        ("throughput", Measure::Throughput),
        ("error_rate", Measure::ErrorRate),
        ("latency_mean", Measure::LatencyMean),
        ("latency_p50", Measure::LatencyP50),
        ("latency_p95", Measure::LatencyP95),
        ("latency_p99", Measure::LatencyP99),
        ("confidence", Measure::Confidence),
        ("accuracy", Measure::Accuracy),
        ("precision", Measure::Precision),
        ("recall", Measure::Recall),
        ("f1", Measure::F1),
        ("calibration_error", Measure::CalibrationError),
        ("mse", Measure::Mse),
        ("rmse", Measure::Rmse),
        ("mae", Measure::Mae),
        ("r2", Measure::R2),
        ("data_quality", Measure::DataQuality),
    ];

    /// Its value among these figures, where there is one.
    pub fn of(self, figures: &Figures) -> Option<f64> {
        let latency = |of: fn(&Latency) -> f64| figures.latency.as_ref().map(of);
        let classes = figures.classification.as_ref();
        let numbers = figures.regression.as_ref();
        match self {
            Measure::Predictions => Some(figures.predictions as f64),
            Measure::Throughput => figures.throughput,
            Measure::ErrorRate => figures.error_rate,
            Measure::LatencyMean => latency(|it| it.distribution.mean),
            Measure::LatencyP50 => latency(|it| it.p50),
            Measure::LatencyP95 => latency(|it| it.p95),
            Measure::LatencyP99 => latency(|it| it.p99),
            Measure::Confidence => figures.confidence.map(|it| it.mean),
            Measure::Accuracy => classes.map(|it| it.accuracy),
            Measure::Precision => classes.map(|it| it.macro_average.precision),
            Measure::Recall => classes.map(|it| it.macro_average.recall),
            Measure::F1 => classes.map(|it| it.macro_average.f1),
            Measure::CalibrationError => classes.and_then(|it| it.calibration_error),
            Measure::Mse => numbers.map(|it| it.mse),
            Measure::Rmse => numbers.map(|it| it.rmse),
            Measure::Mae => numbers.map(|it| it.mae),
            Measure::R2 => numbers.and_then(|it| it.r2),
            Measure::DataQuality => figures.quality.map(|it| it.score),
        }
    }
}

impl FromStr for Measure {
    type Err = Error;

    fn from_str(text: &str) -> Result<Measure> {
        let known = Measure::ALL.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        known.map(|(_, measure)| measure).ok_or_else(|| {
            let names = Measure::ALL.map(|(name, _)| name);
            let error = Error::invalid(format!("a monitor measures no {text:?}"));
            match suggest(text, names) {
                Some(near) => error.mend(format!("did you mean `{near}`?")),
                None => error.mend(format!("use one of: {}", names.join(", "))),
            }
        })
    }
}

/// A figure over one step of a trend.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TrendPoint {
    /// The step.
    pub range: TimeRange,
    /// Predictions in it.
    pub predictions: u64,
    /// The figure; none where nothing is known of it.
    pub value: Option<f64>,
}

impl Monitor {
    /// The figures of the newest predictions, as many as the window is long. Costs reading these.
    pub fn metrics(&self) -> Result<Figures> {
        self.newest()?.figures(None)
    }

    fn newest(&self) -> Result<Tally> {
        let records = self.records();
        let profile = records.baseline()?.map(|baseline| baseline.profile).unwrap_or_default();
        let mut tally = Tally::new()?;
        for record in records.newest(records.stored()?.0.settings.window)? {
            tally.add(&record, &profile)?;
        }
        tally.close(&profile);
        Ok(tally)
    }

    /// The figures of a time. Windows that are closed are added up from what was counted; only what is cut by the ends, open,
    /// or changed since is read one by one.
    pub fn figures(&self, range: TimeRange) -> Result<Figures> {
        self.tally(range)?.figures((range != TimeRange::ALL).then(|| range.length()))
    }

    /// How the model did over a time.
    pub fn summary(&self, range: TimeRange) -> Result<MonitoringSummary> {
        let figures = self.figures(range)?;
        let of_this = self.alerts_in(range)?;
        Ok(MonitoringSummary {
            model: self.model().to_string(),
            range,
            status: self.status(figures.predictions)?,
            total_predictions: figures.predictions,
            avg_accuracy: figures.classification.as_ref().map(|it| it.accuracy),
            avg_latency_ms: figures.latency.map(|it| it.distribution.mean),
            avg_error_rate: figures.error_rate,
            drift_incidents: drift_incidents(&of_this),
            avg_data_quality: figures.quality.map(|it| it.score),
            alerts: counts(&of_this),
        })
    }

    /// The alerts about this model, or a part of it, which is written behind its name and a `/`.
    fn alerts_in(&self, range: TimeRange) -> Result<Vec<Alert>> {
        let (own, mut alerts) = (self.own()?, self.db.alerts().history(range, usize::MAX)?);
        alerts.retain(|alert| alert.subject.as_deref().is_some_and(|subject| own.covers(subject)));
        Ok(alerts)
    }

    fn own(&self) -> Result<Own> {
        let model = self.model().to_string();
        let is_longer = |other: &String| is_or_begins(&model, other) && *other != model;
        let others = self.db.monitored_models()?.into_iter().filter(is_longer).collect();
        Ok(Own { model, others })
    }

    /// The incidents of alerts about this model, or a part of it, that last.
    pub fn open_incidents(&self) -> Result<Vec<Incident>> {
        let (own, mut incidents) = (self.own()?, self.db.alerts().incidents()?);
        incidents.retain(|it| it.is_open() && own.covers(&it.subject));
        Ok(incidents)
    }

    fn status(&self, predictions: u64) -> Result<MonitorStatus> {
        Ok(match self.open_incidents()?.iter().map(|it| it.severity).max() {
            Some(Severity::Critical) => MonitorStatus::Critical,
            Some(Severity::Warning) => MonitorStatus::Warning,
            _ if predictions == 0 => MonitorStatus::NoData,
            _ => MonitorStatus::Healthy,
        })
    }

    /// A figure step by step, from the beginning of a time to its end; the last step may be shorter. Fails with `Invalid`
    /// when that would be more than 10,000 steps.
    pub fn trend(&self, measure: Measure, range: TimeRange, step: Duration) -> Result<Vec<TrendPoint>> {
        let steps: Vec<TimeRange> = range.steps(step).take(MOST_POINTS + 1).collect();
        if steps.len() > MOST_POINTS {
            return Err(Error::invalid(format!("the trend would have more than {MOST_POINTS} steps"))
                .mend("take longer steps, or a shorter time"));
        }
        let point = |range: TimeRange| {
            let figures = self.figures(range)?;
            let known = figures.predictions > 0 || measure == Measure::Predictions;
            let value = measure.of(&figures).filter(|_| known);
            Ok(TrendPoint { range, predictions: figures.predictions, value })
        };
        steps.into_iter().map(point).collect()
    }

    /// What is counted, in short: totals over all that was ever counted, times and confidence of the window. Costs reading
    /// what no window was closed over yet; what came late to one that was closed is in the totals from the next tick on.
    pub fn statistics(&self) -> Result<MonitorStatistics> {
        let (records, window) = (self.records(), self.newest()?.figures(None)?);
        let (stored, _) = records.stored()?;
        let open = TimeRange { from: stored.closed_until.unwrap_or(TimeRange::ALL.from), to: Timestamp::NEVER };
        let mut all = records.totals(&stored)?;
        all.count(None, &records.count(open)?);
        Ok(MonitorStatistics {
            total_predictions: all.predictions,
            error_count: all.errors,
            error_rate: if all.predictions == 0 { 0.0 } else { all.errors as f64 / all.predictions as f64 },
            window_size: window.predictions,
            prediction_time: window.latency.map(|it| PredictionTime { distribution: it.distribution, p95: it.p95 }),
            confidence: window.confidence,
        })
    }

    /// What is counted of a time.
    fn tally(&self, range: TimeRange) -> Result<Tally> {
        let records = self.records();
        let step = records.stored()?.0.settings.step;
        let stale: BTreeSet<Timestamp> =
            records.stale.walk(|scan| scan.prefix(records.prefix()))?.iter().map(|row| row.value.window.from).collect();
        let mut whole = Tally::new()?;
        let mut read_to = range.from;
        for window in records.windows(range, step)? {
            let part = TimeRange { from: window.range.from.max(read_to), to: window.range.to.min(range.to) };
            whole.merge(&gap(&records, read_to, part.from)?)?;
            whole.merge(&counted(&records, &window, part, stale.contains(&window.range.from))?)?;
            read_to = part.to;
        }
        whole.merge(&gap(&records, read_to, range.to)?)?;
        Ok(whole)
    }
}

/// Which subjects are a model or a part of it: its name, and what is written behind that and a `/`. Versions may have one,
/// too, so what belongs to another model is left out.
struct Own {
    model: String,
    others: Vec<String>,
}

impl Own {
    fn covers(&self, subject: &str) -> bool {
        is_or_begins(&self.model, subject) && !self.others.iter().any(|other| is_or_begins(other, subject))
    }
}

/// Whether a subject is of this name, or a part of what has it.
fn is_or_begins(name: &str, subject: &str) -> bool {
    subject.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What is counted of the time between two windows.
fn gap(records: &Records, from: Timestamp, to: Timestamp) -> Result<Tally> {
    if from < to { records.count(TimeRange { from, to }) } else { Tally::new() }
}

/// What is counted of a part of a window: as it was stored where that is all of it, else from the predictions, unless some
/// of them have gone.
fn counted(records: &Records, window: &Window, part: TimeRange, is_stale: bool) -> Result<Tally> {
    if part == window.range && !is_stale {
        return Ok(window.tally.clone());
    }
    let all = records.count(window.range)?;
    if all.rows >= window.tally.rows {
        return if part == window.range { Ok(all) } else { records.count(part) };
    }
    if part.from == window.range.from { Ok(window.tally.clone()) } else { Tally::new() }
}

/// Incidents of drift that were opened. Drift of data is told by two metrics, of which one is enough.
fn drift_incidents(alerts: &[Alert]) -> u64 {
    let opened = |metric| {
        let is = |alert: &&Alert| alert.kind == AlertKind::Fired && alert.metric.as_deref() == Some(metric);
        alerts.iter().filter(is).count() as u64
    };
    let of_data = opened(metric::FEATURE_DRIFT).max(opened(metric::DRIFT_SCORE));
    of_data + opened(metric::PREDICTION_DRIFT) + opened(metric::CONCEPT_DRIFT)
}

fn counts(alerts: &[Alert]) -> AlertCounts {
    let mut counts = AlertCounts::default();
    let counted = [AlertKind::Fired, AlertKind::Rose, AlertKind::Reopened];
    for alert in alerts.iter().filter(|alert| counted.contains(&alert.kind)) {
        match alert.severity {
            Severity::Critical => counts.critical += 1,
            Severity::Warning => counts.warning += 1,
            Severity::Info => counts.info += 1,
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_model_is_no_other_model() {
        let own = Own { model: "m@1".to_owned(), others: vec!["m@1/2".to_owned()] };
        for (subject, covered) in [
            ("m@1", true),
            ("m@1/price", true),
            ("m@1/2", false),
            ("m@1/2/price", false),
            ("m@1/23", true),
            ("m@12", false),
        ] {
            assert_eq!(own.covers(subject), covered, "{subject}");
        }
    }
}
