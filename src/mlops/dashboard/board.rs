//! What is known of one version of a model.

use std::time::Duration;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::database::handle::Database;
use crate::error::Result;
use crate::mlops::alerts::Incident;
use crate::mlops::drift::{DriftIncident, DriftResult};
use crate::mlops::model::ModelId;
use crate::mlops::performance::{DataQuality, Latency, Measure, Monitor, MonitoringSummary};
use crate::mlops::registry::PRODUCTION;
use crate::mlops::retraining::RetrainEvent;
use crate::mlops::times::TimeRange;

/// Steps into which the time is cut for the course of figures.
const STEPS: u32 = 24;
/// The last training is looked for so many days back: a hundred years.
const DAYS: u32 = 36_500;

/// How one version of a model is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ModelBoard {
    /// How it did over the time.
    #[serde(flatten)]
    pub summary: MonitoringSummary,
    /// Predictions whose truth is known.
    pub labelled: u64,
    /// The accuracy of its baseline.
    pub baseline_accuracy: Option<f64>,
    /// How long predictions took.
    pub latency: Option<Latency>,
    /// The quality of the features.
    pub quality: Option<DataQuality>,
    /// How figures went.
    pub course: Course,
    /// Incidents of alerts about it that last.
    pub open_incidents: Vec<Incident>,
    /// The score of the newest check of what it logged: the share of judged features that drifted.
    pub drift_score: Option<f64>,
    /// The incident of drift of what it logged that is open.
    pub drift_incident: Option<DriftIncident>,
    /// Whether it errs more than its baseline, as was found last.
    pub concept_drift: Option<DriftResult>,
    /// Whether it says something else than in its baseline, as was found last.
    pub prediction_drift: Option<DriftResult>,
    /// Vectors of it that are kept in the embedding log.
    pub logged: u64,
    /// Aliases that point to it.
    pub aliases: Vec<String>,
    /// The version of this model that is in production.
    pub production: Option<String>,
    /// Experiments on this model that run.
    pub experiments: Vec<RunningExperiment>,
    /// The last time that this model was trained again, or is to be.
    pub last_retrain: Option<RetrainEvent>,
}

/// Figures over 24 equal steps of the time; none where nothing is known of a step.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Course {
    /// Predictions.
    pub predictions: Vec<Option<f64>>,
    /// The share that was right.
    pub accuracy: Vec<Option<f64>>,
    /// What 95 of 100 predictions kept within, in milliseconds.
    pub latency_p95: Vec<Option<f64>>,
    /// The share that failed.
    pub error_rate: Vec<Option<f64>>,
    /// The score of data quality.
    pub data_quality: Vec<Option<f64>>,
}

/// An experiment that runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RunningExperiment {
    /// Its name.
    pub name: String,
    /// The version that is in use.
    pub version_a: String,
    /// The version that is tried.
    pub version_b: String,
    /// The share of users that get the latter.
    pub split: f64,
    /// Since when it runs.
    pub started: Option<Timestamp>,
}

impl ModelBoard {
    pub(super) fn of(db: &Database, id: &ModelId, range: TimeRange) -> Result<ModelBoard> {
        let monitor = db.monitor(id);
        let figures = monitor.figures(range)?;
        let model = db.model(id.name())?;
        let pointing = |alias: &str| alias == id.version();
        let aliases = model.aliases()?;
        let drift = db.drift_report(id.clone(), range)?;
        let of_model = db.experiments().active()?.into_iter().filter(|it| it.config.model == id.name());
        Ok(ModelBoard {
            summary: monitor.summary(range)?,
            labelled: figures.classification.as_ref().map(|it| it.labelled).unwrap_or_default()
                + figures.regression.map(|it| it.labelled).unwrap_or_default(),
            baseline_accuracy: monitor.baseline()?.and_then(|baseline| baseline.accuracy),
            latency: figures.latency,
            quality: figures.quality,
            course: Course::of(&monitor, range)?,
            open_incidents: monitor.open_incidents()?,
            drift_score: drift.drift_score,
            drift_incident: drift.open,
            concept_drift: monitor.concept_drift()?.and_then(|report| report.results.into_iter().next()),
            prediction_drift: monitor.prediction_drift()?.and_then(|report| report.results.into_iter().next()),
            logged: db.embedding_log().rows(id)?,
            production: aliases.iter().find(|alias| alias.name == PRODUCTION).and_then(|alias| alias.version.clone()),
            aliases: aliases
                .into_iter()
                .filter(|alias| alias.version.as_deref().is_some_and(pointing))
                .map(|alias| alias.name)
                .collect(),
            experiments: of_model
                .map(|it| RunningExperiment {
                    split: it.split_at(db.now()),
                    started: it.started,
                    name: it.config.name,
                    version_a: it.config.version_a,
                    version_b: it.config.version_b,
                })
                .collect(),
            last_retrain: db.retraining().history(id.name(), DAYS)?.pop(),
        })
    }
}

impl Course {
    fn of(monitor: &Monitor, range: TimeRange) -> Result<Course> {
        let mut course = Course::default();
        let micros = (range.length().as_micros() / u128::from(STEPS)).max(1);
        let step = Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX));
        for step in range.steps(step).take(STEPS as usize) {
            let figures = monitor.figures(step)?;
            let there = |measure: Measure| measure.of(&figures).filter(|_| figures.predictions > 0);
            course.predictions.push(there(Measure::Predictions));
            course.accuracy.push(there(Measure::Accuracy));
            course.latency_p95.push(there(Measure::LatencyP95));
            course.error_rate.push(there(Measure::ErrorRate));
            course.data_quality.push(there(Measure::DataQuality));
        }
        Ok(course)
    }
}
