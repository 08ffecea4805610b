//! Setting a monitor up.

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_128;

use super::baseline::Baseline;
use super::monitor::Monitor;
use super::prediction::{Output, PredictionRecord, check_truth};
use super::quality::FeatureProfile;
use super::settings::{MonitorSettings, Orphans};
use crate::database::handle::Database;
use crate::error::{Error, Result};
use crate::mlops::alerts::AlertConfig;
use crate::mlops::model::ModelId;
use crate::payload::Value;

impl Monitor {
    /// Begins to set up the monitor of a model, from the settings that are stored, or the defaults.
    ///
    /// ```
    /// # fn main() -> driftline::Result<()> {
    /// use driftline::Database;
    /// use driftline::mlops::{AlertConfig, ModelId, Monitor};
    /// let db = Database::in_memory()?;
    /// let model = ModelId::new("spam", "3")?;
    /// let monitor = Monitor::builder(&db, &model)?
    ///     .baseline_labels(["spam".into(), "ham".into()])
    ///     .baseline_predictions(["spam".into(), "ham".into()])
    ///     .alert_config(AlertConfig { critical_latency_ms: 100.0, ..AlertConfig::default() })
    ///     .window(500)
    ///     .open()?;
    /// assert_eq!(monitor.baseline()?.and_then(|baseline| baseline.accuracy), Some(1.0));
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(db: &Database, model: &ModelId) -> Result<MonitorBuilder> {
        MonitorBuilder::new(db, model)
    }
}

/// Sets up a monitor: see [`Monitor::builder`].
#[derive(Debug, Clone)]
#[must_use = "nothing is stored before open"]
pub struct MonitorBuilder {
    db: Database,
    model: ModelId,
    settings: MonitorSettings,
    alerts: Option<AlertConfig>,
    baseline: Baseline,
    given: bool,
    features: Vec<Value>,
    labels: Option<Vec<Output>>,
    predictions: Vec<Output>,
}

impl MonitorBuilder {
    pub(super) fn new(db: &Database, model: &ModelId) -> Result<MonitorBuilder> {
        Ok(MonitorBuilder {
            settings: db.monitor(model).settings()?,
            db: db.clone(),
            model: model.clone(),
            alerts: None,
            baseline: Baseline::default(),
            given: false,
            features: Vec::new(),
            labels: None,
            predictions: Vec::new(),
        })
    }

    /// Sets everything at once.
    pub fn settings(mut self, settings: MonitorSettings) -> MonitorBuilder {
        self.settings = settings;
        self
    }

    /// Sets how many of the newest predictions are looked at together.
    pub fn window(mut self, predictions: u64) -> MonitorBuilder {
        self.settings.window = predictions;
        self
    }

    /// Sets how long windows by time are.
    pub fn step(mut self, length: Duration) -> MonitorBuilder {
        self.settings.step = length;
        self
    }

    /// Sets how long predictions are kept one by one.
    pub fn retention(mut self, time: Duration) -> MonitorBuilder {
        self.settings.retention = time;
        self
    }

    /// Has the truth about unknown predictions wait for them.
    pub fn keep_orphans(mut self) -> MonitorBuilder {
        self.settings.orphans = Orphans::Keep;
        self
    }

    /// Sets how few predictions no rule judges.
    pub fn min_samples(mut self, predictions: u64) -> MonitorBuilder {
        self.settings.min_samples = predictions;
        self
    }

    /// Sets the threshold of the sigma rule.
    pub fn drift_threshold(mut self, deviations: f64) -> MonitorBuilder {
        self.settings.drift_threshold = deviations;
        self
    }

    /// Learns from rows of features what good data look like, and holds batches that are logged against them.
    pub fn baseline_data<'a>(mut self, rows: impl IntoIterator<Item = &'a Value>) -> MonitorBuilder {
        self.features = rows.into_iter().cloned().collect();
        self.baseline.profile = FeatureProfile::of(&self.features);
        self.given = true;
        self
    }

    /// What is true of the rows of the baseline. With [`MonitorBuilder::baseline_predictions`] it gives the accuracy, or the
    /// errors of numbers, that later ones are compared with.
    pub fn baseline_labels(mut self, labels: impl IntoIterator<Item = Output>) -> MonitorBuilder {
        self.labels = Some(labels.into_iter().collect());
        self.given = true;
        self
    }

    /// What the model says of the rows of the baseline: later predictions are compared with it, also where no truth is
    /// known.
    pub fn baseline_predictions(mut self, predictions: impl IntoIterator<Item = Output>) -> MonitorBuilder {
        self.predictions = predictions.into_iter().collect();
        self.given = true;
        self
    }

    /// The accuracy that later ones are compared with, from 0 to 1, where it is known.
    pub fn baseline_accuracy(mut self, accuracy: f64) -> MonitorBuilder {
        self.baseline.accuracy = Some(accuracy);
        self.given = true;
        self
    }

    /// Stores the rules of this configuration, for all versions of the model.
    pub fn alert_config(mut self, config: AlertConfig) -> MonitorBuilder {
        self.alerts = Some(config);
        self
    }

    /// Stores the settings, the rules and the baseline, where they were given, and returns the monitor. The baseline that was
    /// given last is not given again, so a process sets up what it needs whenever it starts, in every mode, and a baseline that
    /// was taken since goes on to hold. Fails with `Invalid` when a value is outside its range or the step of windows would
    /// change, and with `ReadOnly` for another baseline in inference mode; then nothing is stored.
    pub fn open(mut self) -> Result<Monitor> {
        self.settings.check()?;
        self.baseline.given = if self.given { Some(self.fingerprint()?) } else { None };
        if !self.predictions.is_empty() {
            let of = Baseline::of(&pairs(self.labels.as_deref(), &self.predictions)?);
            self.baseline.accuracy = of.accuracy.or(self.baseline.accuracy);
            (self.baseline.signals, self.baseline.samples, self.baseline.outputs) =
                (of.signals, of.samples, of.outputs);
        }
        if self.baseline.accuracy.is_some_and(|it| !(0.0..=1.0).contains(&it)) {
            return Err(Error::invalid("the accuracy of the baseline is not from 0 to 1").mend("give a share"));
        }
        let monitor = self.db.monitor(&self.model);
        if self.given {
            self.baseline.labels = shares(self.labels.as_deref().unwrap_or_default());
            if !monitor.was_given(&self.baseline)? {
                monitor.may_add_baselines()?;
            }
        }
        monitor.store_settings(&self.settings)?;
        if let Some(config) = &self.alerts {
            self.db.alerts().configure_model(self.model.name(), config)?;
        }
        if self.given {
            monitor.give_baseline(self.baseline, &self.features)?;
        }
        Ok(monitor)
    }

    /// A hash of what was given of the baseline.
    fn fingerprint(&self) -> Result<String> {
        let features: Vec<serde_json::Value> = self.features.iter().map(Value::to_json).collect();
        let given = serde_json::to_vec(&(features, &self.labels, &self.predictions, self.baseline.accuracy))
            .map_err(|error| Error::internal(format!("a baseline cannot be written: {error}")))?;
        Ok(format!("{:032x}", xxh3_128(&given)))
    }
}

/// Predictions as records, each with its truth where truths were given.
fn pairs(labels: Option<&[Output]>, predictions: &[Output]) -> Result<Vec<PredictionRecord>> {
    predictions.iter().try_for_each(check_truth)?;
    let Some(labels) = labels else {
        return Ok(predictions.iter().cloned().map(PredictionRecord::new).collect());
    };
    if labels.len() != predictions.len() {
        let (labels, predictions) = (labels.len(), predictions.len());
        return Err(Error::invalid(format!("{labels} labels for {predictions} predictions of the baseline"))
            .mend("give as many of both, in the same order"));
    }
    labels.iter().try_for_each(check_truth)?;
    let pair = |(truth, said): (&Output, &Output)| PredictionRecord::new(said.clone()).truth(truth.clone());
    Ok(labels.iter().zip(predictions).map(pair).collect())
}

/// Which share of labels each class has.
fn shares(labels: &[Output]) -> std::collections::BTreeMap<String, f64> {
    let mut shares = std::collections::BTreeMap::new();
    for label in labels.iter().filter_map(Output::label) {
        *shares.entry(label.to_owned()).or_insert(0.0) += 1.0 / labels.len() as f64;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_what_was_given_never_changes() {
        let db = Database::in_memory().unwrap();
        let rows = [serde_json::json!({"lang": "en", "age": 30, "size": 1.5}).into(), Value::Null];
        let builder = MonitorBuilder::new(&db, &"spam@3".parse().unwrap()).unwrap();
        let builder = builder.baseline_data(&rows).baseline_labels(["spam".into()]).baseline_predictions([1.0.into()]);
        assert_eq!(builder.baseline_accuracy(0.9).fingerprint().unwrap(), "8fc3483c098f760bf2de23ae59b84afb");
    }
}
