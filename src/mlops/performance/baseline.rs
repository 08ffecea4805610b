//! Baselines: what was normal, versioned, and the sigma rule that compares with it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::prediction::PredictionRecord;
use super::quality::FeatureProfile;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::filter::suggest;
use crate::mlops::drift::BaselineRef;
use crate::mlops::drift::pieces::Kept;
use crate::mlops::model::ModelId;
use crate::stats::moments::Moments;
use crate::stats::sigma;

/// So many values of a signal are kept with a baseline, the newest.
const MOST_VALUES: usize = 10_000;

/// A number that predictions have, and that the sigma rule may watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Signal {
    /// How sure the model was.
    Confidence,
    /// How long it took, in milliseconds.
    LatencyMs,
    /// 1 where it was right, 0 where not, of those whose truth is known.
    Correct,
    /// The number that was predicted.
    Number,
    /// How far that was from the truth, of those whose truth is known.
    Error,
}

impl Signal {
    /// All of them.
    pub const ALL: [Signal; 5] =
        [Signal::Confidence, Signal::LatencyMs, Signal::Correct, Signal::Number, Signal::Error];

    /// Its name, which never changes.
    pub fn name(self) -> &'static str {
        match self {
            Signal::Confidence => "confidence",
            Signal::LatencyMs => "latency_ms",
            Signal::Correct => "correct",
            Signal::Number => "number",
            Signal::Error => "error",
        }
    }

    fn of(self, record: &PredictionRecord) -> Option<f64> {
        match self {
            Signal::Confidence => record.confidence,
            Signal::LatencyMs => record.latency_ms,
            Signal::Correct => record.is_right().map(|right| f64::from(u8::from(right))),
            Signal::Number => record.output.as_ref()?.number(),
            Signal::Error => record.off_by(),
        }
    }

    /// Its values, in the order of the records.
    pub(super) fn values(self, records: &[PredictionRecord]) -> Vec<f64> {
        records.iter().filter_map(|record| self.of(record)).collect()
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Signal {
    type Err = Error;

    fn from_str(text: &str) -> Result<Signal> {
        Signal::ALL.into_iter().find(|signal| signal.name().eq_ignore_ascii_case(text)).ok_or_else(|| {
            let error = Error::invalid(format!("predictions have no {text:?}"));
            match suggest(text, Signal::ALL.iter().map(|signal| signal.name())) {
                Some(near) => error.mend(format!("did you mean `{near}`?")),
                None => error.mend("use confidence, latency_ms, correct, number or error"),
            }
        })
    }
}

/// What was normal once. The newest of a model holds; the earlier ones are kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Baseline {
    /// Its number: baselines of a model are counted from 1.
    pub version: u64,
    /// When it was set.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// How many predictions it was taken from.
    pub samples: u64,
    /// The accuracy, where truths were known.
    pub accuracy: Option<f64>,
    /// What features look like.
    pub profile: FeatureProfile,
    /// Which share of the truths each class has.
    pub labels: BTreeMap<String, f64>,
    /// How often the model said each class, of the newest 10,000 that it said; baselines of earlier releases are without.
    #[serde(default)]
    pub outputs: BTreeMap<String, u64>,
    /// Values of signals.
    pub signals: BTreeMap<Signal, Vec<f64>>,
    /// See [`Baseline::since`]; baselines of earlier releases are without.
    #[serde(default)]
    pub(super) since: Option<Timestamp>,
    /// The rows of features that batches are held against; baselines of earlier releases are without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rows: Option<Kept>,
    /// Of one that was given to the builder, the hash of all that was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) given: Option<String>,
}

impl Baseline {
    /// What predictions look like, the oldest first.
    pub(super) fn of(records: &[PredictionRecord]) -> Baseline {
        let truths: Vec<&str> = records.iter().filter_map(|record| record.truth.as_ref()?.label()).collect();
        let mut labels = BTreeMap::new();
        for label in &truths {
            *labels.entry((*label).to_owned()).or_insert(0.0) += 1.0 / truths.len() as f64;
        }
        let mut outputs = BTreeMap::new();
        let said = records.iter().rev().filter_map(|record| record.output.as_ref()?.label());
        for label in said.take(MOST_VALUES) {
            *outputs.entry(label.to_owned()).or_insert(0) += 1;
        }
        let correct = Signal::Correct.values(records);
        let newest = |signal: Signal| {
            let values = signal.values(records);
            (signal, values[values.len().saturating_sub(MOST_VALUES)..].to_vec())
        };
        let features = records.iter().map(|record| &record.features).filter(|features| !features.is_null());
        Baseline {
            samples: records.len() as u64,
            accuracy: (!correct.is_empty()).then(|| correct.iter().sum::<f64>() / correct.len() as f64),
            profile: FeatureProfile::of(features),
            labels,
            outputs,
            signals: Signal::ALL.into_iter().map(newest).filter(|(_, values)| !values.is_empty()).collect(),
            ..Baseline::default()
        }
    }

    /// Predictions from then on are held against it: from the newest on that there was when it was set, and all where there was
    /// none; of an accuracy that a version was registered with, all.
    pub fn since(&self) -> Timestamp {
        self.since.unwrap_or(self.at)
    }

    /// The accuracy, if it was given, or counted over so many truths.
    pub(super) fn accuracy_of(&self, least: u64) -> Option<f64> {
        let counted = self.signals.contains_key(&Signal::Correct);
        self.accuracy.filter(|_| !counted || self.enough(Signal::Correct, least).is_some())
    }

    /// The values of a signal, if there are so many, or all that are kept.
    pub(super) fn enough(&self, signal: Signal, least: u64) -> Option<&[f64]> {
        let values = self.signals.get(&signal)?;
        (values.len() as u64 >= least.clamp(1, MOST_VALUES as u64)).then_some(values)
    }

    /// How results name it that were held against it.
    pub(super) fn named(&self, model: &ModelId) -> BaselineRef {
        BaselineRef { name: format!("performance of {model}"), version: self.version }
    }
}

/// What the sigma rule says: whether the mean has moved by more than so many standard deviations of the baseline.
///
/// The score is |current mean - baseline mean| / baseline std, with population standard deviations; where a constant
/// baseline was left, there is no such number, and it is the greatest there is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SigmaReport {
    /// Whether the score is greater than the threshold.
    pub drift_detected: bool,
    /// The distance of the means, in standard deviations of the baseline.
    pub drift_score: f64,
    /// What the score is held against.
    pub threshold: f64,
    /// Mean of the baseline.
    pub baseline_mean: f64,
    /// Mean of the current values.
    pub current_mean: f64,
    /// Standard deviation of the baseline.
    pub baseline_std: f64,
    /// Standard deviation of the current values.
    pub current_std: f64,
    /// Current values.
    pub sample_count: u64,
}

impl SigmaReport {
    pub(super) fn of(baseline: &[f64], current: &[f64], threshold: f64) -> Result<SigmaReport> {
        SigmaReport::of_moments(&Moments::of(baseline)?, &Moments::of(current)?, threshold)
    }

    pub(super) fn of_moments(baseline: &Moments, current: &Moments, threshold: f64) -> Result<SigmaReport> {
        let sigma = sigma::rule_of(baseline, current, threshold)?;
        Ok(SigmaReport {
            drift_detected: sigma.drift,
            // JSON has no infinity.
            drift_score: sigma.score.min(f64::MAX),
            threshold: sigma.threshold,
            baseline_mean: sigma.baseline_mean,
            current_mean: sigma.current_mean,
            baseline_std: sigma.baseline_deviation,
            current_std: sigma.current_deviation,
            sample_count: sigma.sample_count,
        })
    }
}
