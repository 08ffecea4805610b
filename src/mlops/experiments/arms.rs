//! The outcomes of both arms, metric by metric.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::mlops::experiments::assignment::Variant;
use crate::mlops::experiments::config::{ExperimentConfig, MetricKind};
use crate::mlops::experiments::sample_ratio::Divided;
use crate::mlops::experiments::users::Exposure;
use crate::stats::ab::{self, Arm};
use crate::stats::moments::Moments;

/// One arm of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ArmSummary {
    /// Users with an outcome.
    pub samples: u64,
    /// The rate, or the mean; 0 without users.
    pub value: f64,
    /// Where it lies with 95 % confidence: Wilson's interval of a rate, none for a mean and without users.
    pub interval: Option<(f64, f64)>,
    /// The sample variance of the values.
    pub variance: f64,
}

/// All outcomes of an experiment.
#[derive(Debug)]
pub(super) struct Collected {
    /// Users who were exposed, by the share of B of their time.
    pub(super) divided: Divided,
    /// Values by metric, in the order of the configuration, and arm.
    pub(super) values: Vec<[Vec<f64>; 2]>,
    names: Vec<String>,
}

impl Collected {
    pub(super) fn new(config: &ExperimentConfig) -> Collected {
        let names: Vec<String> = config.metrics().map(|metric| metric.name.clone()).collect();
        let values = names.iter().map(|_| [Vec::new(), Vec::new()]).collect();
        Collected { divided: Divided::new(), values, names }
    }

    pub(super) fn add(&mut self, exposure: &Exposure) -> Result<()> {
        let arm = match exposure.variant {
            Variant::A => 0,
            Variant::B => 1,
        };
        self.divided.entry(exposure.split.to_bits()).or_default()[arm] += 1;
        for (name, values) in self.names.iter().zip(&mut self.values) {
            values[arm].extend(exposure.outcomes.get(name).filter(|value| value.is_finite()));
        }
        Ok(())
    }
}

/// Successes among trials of zeros and ones.
pub(super) fn rate_arm(values: &[f64]) -> Arm {
    Arm { successes: values.iter().filter(|value| **value > 0.5).count() as u64, trials: values.len() as u64 }
}

pub(super) fn summary(values: &[f64], kind: MetricKind) -> Result<ArmSummary> {
    let samples = values.len() as u64;
    if samples == 0 {
        return Ok(ArmSummary { samples, value: 0.0, interval: None, variance: 0.0 });
    }
    let moments = Moments::of(values)?;
    let interval = match kind {
        MetricKind::Rate => Some(ab::wilson(rate_arm(values), 0.95)?),
        MetricKind::Mean => None,
    };
    Ok(ArmSummary { samples, value: moments.mean(), interval, variance: moments.sample_variance().unwrap_or(0.0) })
}
