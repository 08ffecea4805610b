//! Figures: how predictions did, as numbers to be read.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::quality::DataQuality;
use super::tally::{ErrorPattern, SKETCH_ERROR, Spread, Tally};
use crate::error::Result;
use crate::stats::performance::{Average, Class};
use crate::stats::quantile::percentiles;

/// So many patterns of errors are listed.
const TOP_PATTERNS: usize = 10;
/// So many classes are listed one by one.
const TOP_CLASSES: usize = 100;

/// How some predictions did. What nothing is known of, is none.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Figures {
    /// Predictions, failed ones included.
    pub predictions: u64,
    /// Failed ones.
    pub errors: u64,
    /// The share that failed.
    pub error_rate: Option<f64>,
    /// Predictions in a second, where a length of time was asked for.
    pub throughput: Option<f64>,
    /// How long they took.
    pub latency: Option<Latency>,
    /// How sure the model was.
    pub confidence: Option<Distribution>,
    /// How classes did, where the truth is known.
    pub classification: Option<Classification>,
    /// How numbers did, where the truth is known.
    pub regression: Option<RegressionFigures>,
    /// The ten most frequent kinds of errors, the most frequent first.
    pub error_patterns: Vec<ErrorPattern>,
    /// The quality of the features, where there were any.
    pub quality: Option<DataQuality>,
}

/// Mean, population standard deviation, least and greatest.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Distribution {
    /// The mean.
    pub mean: f64,
    /// The standard deviation, divided by n.
    pub std: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

/// Times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Latency {
    /// Mean, deviation and range, which are exact.
    #[serde(flatten)]
    pub distribution: Distribution,
    /// The median.
    pub p50: f64,
    /// 95 of 100 took no longer.
    pub p95: f64,
    /// 99 of 100 took no longer.
    pub p99: f64,
    /// By which share of itself a percentile may be wrong: 0 where they come from the values, with straight lines between
    /// them as numpy has it; 0.01 where they come from sketches, which have none.
    pub relative_error: f64,
}

/// How classes did. What is 0/0 is 0, and flagged in [`Class::undefined`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Classification {
    /// Predictions whose truth is known.
    pub labelled: u64,
    /// The share of them that was right.
    pub accuracy: f64,
    /// Precision, recall and F1 as the mean over the classes.
    pub macro_average: Class,
    /// The mean over the classes by how frequent they truly are.
    pub weighted_average: Class,
    /// Over all predictions alike, which for one class each is accuracy.
    pub micro_average: Class,
    /// Each class by itself, the first hundred by name.
    pub classes: BTreeMap<String, Class>,
    /// The mean distance between confidence and accuracy over 15 bins (Guo et al. 2017, section 2), by their sizes.
    pub calibration_error: Option<f64>,
    /// Whether pairs of truth and prediction were too many to be kept, so that averages leave the rarest out. Accuracy does not.
    pub truncated: bool,
}

impl Classification {
    /// Precision, recall and F1 of one class against all others: the binary average.
    pub fn binary(&self, positive: &str) -> Option<&Class> {
        self.classes.get(positive)
    }
}

/// How numbers did.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RegressionFigures {
    /// Predictions whose truth is known.
    pub labelled: u64,
    /// Mean squared error.
    pub mse: f64,
    /// Its square root, in units of the truth.
    pub rmse: f64,
    /// Mean absolute error.
    pub mae: f64,
    /// 1 - squared error over that of the mean; none where the truth is constant.
    pub r2: Option<f64>,
}

impl Tally {
    /// The figures; the throughput needs the time in which this was counted.
    pub(super) fn figures(&self, time: Option<Duration>) -> Result<Figures> {
        let rows = self.rows as f64;
        Ok(Figures {
            predictions: self.rows,
            errors: self.errors,
            error_rate: (self.rows > 0).then(|| self.errors as f64 / rows),
            throughput: time.filter(|time| !time.is_zero()).map(|time| rows / time.as_secs_f64()),
            latency: self.latency()?,
            confidence: distribution(&self.confidence),
            classification: self.classification(),
            regression: self.regression(),
            error_patterns: self.patterns(),
            quality: self.quality.report(),
        })
    }

    fn latency(&self) -> Result<Option<Latency>> {
        let Some(distribution) = distribution(&self.latency) else { return Ok(None) };
        let ranks = [0.5, 0.95, 0.99];
        let (values, relative_error) = if self.is_exact() {
            (percentiles(&self.exact, &ranks)?, 0.0)
        } else {
            let of = |rank| Ok(self.buckets.quantile(rank)?.unwrap_or_default());
            (ranks.into_iter().map(of).collect::<Result<_>>()?, SKETCH_ERROR)
        };
        Ok(Some(Latency { distribution, p50: values[0], p95: values[1], p99: values[2], relative_error }))
    }

    /// The share of classes that was right.
    pub(super) fn accuracy(&self) -> Option<f64> {
        (self.labelled > 0).then(|| self.right as f64 / self.labelled as f64)
    }

    fn classification(&self) -> Option<Classification> {
        let accuracy = self.accuracy()?;
        let labels = self.confusion.labels().into_iter().take(TOP_CLASSES);
        Some(Classification {
            labelled: self.labelled,
            accuracy,
            macro_average: self.confusion.average(Average::Macro),
            weighted_average: self.confusion.average(Average::Weighted),
            micro_average: self.confusion.average(Average::Micro),
            classes: labels
                .map(|label| {
                    let class = self.confusion.class(&label);
                    (label, class)
                })
                .collect(),
            calibration_error: self.calibration_error(),
            truncated: self.confusion.total() < self.labelled,
        })
    }

    fn calibration_error(&self) -> Option<f64> {
        let all: u64 = self.calibration.iter().map(|bin| bin.count).sum();
        let gap = |bin: &super::tally::Bin| (bin.right as f64 - bin.confidence).abs() / all as f64;
        (all > 0).then(|| self.calibration.iter().map(gap).sum())
    }

    fn regression(&self) -> Option<RegressionFigures> {
        let residuals = &self.residuals;
        let (labelled, spread) = (residuals.truth.count(), residuals.truth.population_variance());
        let n = labelled as f64;
        let mse = residuals.squared / n;
        (labelled > 0).then(|| RegressionFigures {
            labelled,
            mse,
            rmse: mse.sqrt(),
            mae: residuals.absolute / n,
            r2: (spread > 0.0).then(|| 1.0 - mse / spread),
        })
    }

    fn patterns(&self) -> Vec<ErrorPattern> {
        let mut patterns: Vec<ErrorPattern> = self.kinds.values().cloned().collect();
        patterns.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.kind.cmp(&b.kind)));
        patterns.truncate(TOP_PATTERNS);
        patterns
    }
}

fn distribution(spread: &Spread) -> Option<Distribution> {
    let (min, max) = spread.range?;
    Some(Distribution { mean: spread.moments.mean(), std: spread.moments.population_deviation(), min, max })
}
