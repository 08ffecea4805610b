//! Observations: a metric of something had a value.

use super::rule::{check_name, check_subject};
use super::severity::Severity;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::payload::Value;

/// The longest cause: what the audit log takes for a correlation.
const MAX_CAUSE_BYTES: usize = 512;

/// A metric of a subject had a value at a time. Rules judge it; see [`Alerts::observe`](super::Alerts::observe).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Observation {
    /// What it is about, such as a model: 1 to 440 bytes without control characters.
    pub subject: String,
    /// The metric, such as those of [`metric`](super::metric).
    pub metric: String,
    /// Its value; finite.
    pub value: f64,
    /// When; the store's time where it is not set.
    pub at: Option<Timestamp>,
    /// What else is to be known, kept with the alert.
    pub detail: Value,
    /// What caused it, such as a window or a batch: 1 to 512 bytes.
    pub correlation: Option<String>,
    /// How bad it is at least, where a rule finds it bad at all. None unless told: the bands of the rule say it alone.
    pub at_least: Option<Severity>,
}

impl Observation {
    /// A metric of a subject had a value now.
    pub fn new(subject: impl Into<String>, metric: impl Into<String>, value: f64) -> Observation {
        Observation {
            subject: subject.into(),
            metric: metric.into(),
            value,
            at: None,
            detail: Value::Null,
            correlation: None,
            at_least: None,
        }
    }

    /// Sets when.
    #[must_use]
    pub fn at(mut self, time: Timestamp) -> Observation {
        self.at = Some(time);
        self
    }

    /// Sets what else is to be known, an object such as [`json!`](crate::json) makes.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Value>) -> Observation {
        self.detail = detail.into();
        self
    }

    /// Sets what caused it.
    #[must_use]
    pub fn correlation(mut self, cause: impl Into<String>) -> Observation {
        self.correlation = Some(cause.into());
        self
    }

    /// Sets how bad it is at least, where a rule finds it bad at all.
    #[must_use]
    pub fn at_least(mut self, severity: Severity) -> Observation {
        self.at_least = Some(severity);
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        check_subject("a subject", &self.subject)?;
        check_name("a metric", &self.metric)?;
        if self.correlation.as_ref().is_some_and(|cause| !(1..=MAX_CAUSE_BYTES).contains(&cause.len())) {
            return Err(Error::invalid(format!("the cause of an observation is not of 1 to {MAX_CAUSE_BYTES} bytes"))
                .mend("name it shortly, and put the rest into the detail"));
        }
        if self.value.is_finite() {
            return Ok(());
        }
        Err(Error::invalid(format!("{} of {} is {}, which no rule can judge", self.metric, self.subject, self.value))
            .mend("leave out what could not be measured"))
    }
}
