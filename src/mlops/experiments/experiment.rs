//! What users get of an experiment, and what it takes of them.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value as Json;

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::filter::{IntoFilter, Row as FilterRow};
use crate::key::Key;
use crate::mlops::experiments::assignment::Variant;
use crate::mlops::experiments::config::{ExperimentConfig, MetricKind};
use crate::mlops::experiments::{Experiment, ExperimentState, unsuspicious};
use crate::payload::{self, Value};

/// What a user gets.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Assignment {
    /// The variant.
    pub variant: Variant,
    /// The version of the model.
    pub version: String,
    /// Whether the user is part of the experiment. Who is outside its segment, or comes while it does not run or after its
    /// planned end, gets the control and is not counted.
    pub counted: bool,
}

impl Experiment {
    pub(super) fn created(config: ExperimentConfig, number: u64, now: Timestamp) -> Experiment {
        Experiment {
            config,
            number,
            state: ExperimentState::Created,
            created: now,
            started: None,
            ended: None,
            split_set: None,
            smallest_p: 1.0,
            smallest_ratio_p: unsuspicious(),
            result: None,
        }
    }

    /// The share of users who get B at this time.
    pub fn split_at(&self, now: Timestamp) -> f64 {
        let since = self.started.map_or(Duration::ZERO, |started| now.since(started));
        self.split_set.unwrap_or_else(|| self.config.split_after(since))
    }

    /// Whether it was started and not stopped.
    pub(crate) fn lasts(&self) -> bool {
        matches!(self.state, ExperimentState::Running | ExperimentState::Paused)
    }

    /// Whether users who come at this time become part of it.
    pub(super) fn takes_users(&self, now: Timestamp) -> bool {
        self.state == ExperimentState::Running && !self.is_over(now)
    }

    /// Whether its time is over.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.started.is_some_and(|started| now.since(started) >= self.config.duration)
    }

    pub(super) fn version(&self, variant: Variant) -> &str {
        match variant {
            Variant::A => &self.config.version_a,
            Variant::B => &self.config.version_b,
        }
    }

    pub(super) fn control(&self) -> Assignment {
        Assignment { variant: Variant::A, version: self.config.version_a.clone(), counted: false }
    }

    pub(super) fn includes(&self, key: &Key, attributes: Attributes, now: Timestamp) -> Result<bool> {
        let Some(segment) = &self.config.segment else { return Ok(true) };
        let payload = payload::encode(&attributes.0)?;
        let row = FilterRow { key: &key.encode(), created: now, payload: &payload };
        segment.as_str().into_filter()?.bind(now)?.matches(&row)
    }

    pub(super) fn check_state(&self, action: &str, allowed: &[ExperimentState]) -> Result<()> {
        if allowed.contains(&self.state) {
            return Ok(());
        }
        let name = |state: &ExperimentState| format!("{state:?}").to_lowercase();
        let allowed: Vec<String> = allowed.iter().map(name).collect();
        let told = format!("cannot {action} experiment `{}`: it is {}", self.config.name, name(&self.state));
        Err(Error::new(ErrorKind::Conflict, told).mend(format!("it must be {}", allowed.join(" or "))))
    }

    pub(super) fn check_outcome(&self, metric: &str, value: f64) -> Result<()> {
        let Some(known) = self.config.metrics().find(|it| it.name == metric) else {
            let names: Vec<&str> = self.config.metrics().map(|it| &*it.name).collect();
            return Err(Error::invalid(format!("experiment `{}` has no metric `{metric}`", self.config.name))
                .mend(format!("name one of: {}", names.join(", "))));
        };
        let fits = match known.kind {
            MetricKind::Rate => value == 0.0 || value == 1.0,
            MetricKind::Mean => value.is_finite(),
        };
        if fits {
            return Ok(());
        }
        let wanted = if known.kind == MetricKind::Rate { "0 or 1" } else { "a finite number" };
        Err(Error::invalid(format!("an outcome of `{metric}` is {value}")).mend(format!("give {wanted}")))
    }
}

/// What is known of a user, for the filter of a segment: a payload, or nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Attributes(Value);

impl From<()> for Attributes {
    fn from((): ()) -> Attributes {
        Attributes::default()
    }
}

impl From<Value> for Attributes {
    fn from(value: Value) -> Attributes {
        Attributes(value)
    }
}

impl From<Json> for Attributes {
    fn from(value: Json) -> Attributes {
        Attributes(value.into())
    }
}
