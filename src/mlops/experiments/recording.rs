//! Users of experiments: what they get, and what came of it.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value as Json;

use crate::database::request::Precondition;
use crate::error::{Error, ErrorKind, Result};
use crate::mlops::canonical;
use crate::mlops::experiments::assignment::{self, user_position};
use crate::mlops::experiments::config::MetricKind;
use crate::mlops::experiments::experiment::{Assignment, Attributes};
use crate::mlops::experiments::users::{self, Exposure};
use crate::mlops::experiments::{ExperimentState, Experiments};
use crate::mlops::table::Row;

/// A prediction that was made for a user.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ExperimentPrediction<T> {
    /// What the user got.
    pub assignment: Assignment,
    /// The prediction.
    pub value: T,
    /// How long it took, by the store's clock.
    pub latency: Duration,
}

/// What became of outcomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct OutcomeCounts {
    /// Users whose first outcome this was.
    pub recorded: u64,
    /// Users whose earlier outcome it replaced.
    pub replaced: u64,
    /// Users who are no part of the experiment; nothing is kept of them.
    pub unknown: u64,
    /// Users for whom no prediction was told, so that a label says nothing.
    pub without_prediction: u64,
}

impl Experiments {
    /// What a user gets, and that the user was exposed to it, which is written down the first time. `attributes` are what
    /// the segment's filter looks at; `()` where there is none. Who comes first after the planned end gets the control and is
    /// not counted, also while nobody has stopped the experiment.
    pub fn assign(&self, name: &str, user: &str, attributes: impl Into<Attributes>) -> Result<Assignment> {
        let experiment = self.get(name)?;
        let key = users::key(experiment.number, user)?;
        if let Some(known) = self.users.get(key.clone())? {
            let Exposure { variant, version, .. } = known.value;
            return Ok(Assignment { variant, version, counted: true });
        }
        let now = self.db.now();
        if !experiment.takes_users(now) || !experiment.includes(&key, attributes.into(), now)? {
            return Ok(experiment.control());
        }
        let split = experiment.split_at(now);
        let variant = assignment::variant(user_position(name, &experiment.config.salt, user), split);
        let version = experiment.version(variant).to_owned();
        let exposure = Exposure {
            user: user.to_owned(),
            variant,
            version: version.clone(),
            exposed_at: now,
            split,
            prediction: None,
            outcomes: Default::default(),
        };
        let batch = self.db.batch().require(&self.users.collection()?, key.clone(), Precondition::Absent);
        match self.users.put_in(batch, key.clone(), &exposure)?.commit() {
            Ok(_) => Ok(Assignment { variant, version, counted: true }),
            // Somebody exposed the same user meanwhile: the first stands.
            Err(error) if error.kind() == ErrorKind::Conflict => {
                let known = self.users.get(key)?.ok_or(error)?.value;
                Ok(Assignment { variant: known.variant, version: known.version, counted: true })
            }
            Err(error) => Err(error),
        }
    }

    /// Assigns a user and has the version make a prediction, which is timed.
    pub fn make_prediction<T>(
        &self,
        name: &str,
        user: &str,
        attributes: impl Into<Attributes>,
        predict: impl FnOnce(&str) -> Result<T>,
    ) -> Result<ExperimentPrediction<T>> {
        let assignment = self.assign(name, user, attributes)?;
        let begun = self.db.now();
        let value = predict(&assignment.version)?;
        Ok(ExperimentPrediction { assignment, value, latency: self.db.now().since(begun) })
    }

    /// Notes what was predicted for a user, so that a label tells whether it was right. False when the user is no part of
    /// the experiment.
    pub fn record_prediction(&self, name: &str, user: &str, prediction: impl Into<Json>) -> Result<bool> {
        let prediction = prediction.into();
        self.change_user(name, user, |it| {
            it.prediction = Some(prediction.clone());
            Ok(())
        })
    }

    /// Notes an outcome of a metric for a user. Fails with `NotFound` when the user is no part of the experiment, and with
    /// `Invalid` when the experiment has no such metric, or when its values cannot be this one.
    pub fn record_outcome(&self, name: &str, user: &str, metric: &str, value: f64) -> Result<()> {
        let experiment = self.get(name)?;
        experiment.check_outcome(metric, value)?;
        let known = self.change_user(name, user, |it| {
            it.outcomes.insert(metric.to_owned(), value);
            Ok(())
        })?;
        if known {
            return Ok(());
        }
        Err(Error::new(ErrorKind::NotFound, format!("user {user:?} is no part of experiment `{name}`"))
            .mend("assign the user first"))
    }

    /// Notes true labels of users for whom predictions were noted: the outcome of the primary metric is 1 where they are
    /// equal, else 0. Numbers are equal by value, 1 and 1.0 too. Fails with `Invalid` when the primary metric is a mean, which
    /// is no answer to right or wrong.
    #[doc(alias = "update_prediction_outcomes")]
    pub fn update_outcomes(
        &self,
        name: &str,
        labels: impl IntoIterator<Item = (impl AsRef<str>, impl Into<Json>)>,
    ) -> Result<OutcomeCounts> {
        let primary = self.get(name)?.config.primary;
        if primary.kind == MetricKind::Mean {
            return Err(Error::invalid(format!("labels say right or wrong, and `{}` is a mean", primary.name))
                .mend("record its outcomes one by one, or make a rate the primary metric"));
        }
        let primary = primary.name;
        let mut counts = OutcomeCounts::default();
        for (user, label) in labels {
            let label = canonical::text(&label.into());
            let mut seen = (false, true);
            let known = self.change_user(name, user.as_ref(), |it| {
                seen = (it.outcomes.contains_key(&primary), it.prediction.is_some());
                if let Some(prediction) = &it.prediction {
                    let right = canonical::text(prediction) == label;
                    it.outcomes.insert(primary.clone(), f64::from(u8::from(right)));
                }
                Ok(())
            })?;
            let count = match (known, seen) {
                (false, _) => &mut counts.unknown,
                (true, (_, false)) => &mut counts.without_prediction,
                (true, (true, _)) => &mut counts.replaced,
                (true, (false, _)) => &mut counts.recorded,
            };
            *count += 1;
        }
        Ok(counts)
    }

    /// Changes a user's record; false when there is none.
    fn change_user(&self, name: &str, user: &str, mut change: impl FnMut(&mut Exposure) -> Result<()>) -> Result<bool> {
        let experiment = self.get(name)?;
        experiment.check_state("record an outcome of", &[ExperimentState::Running, ExperimentState::Paused])?;
        let key = users::key(experiment.number, user)?;
        self.retry(|| {
            let Some(Row { mut value, lsn, .. }) = self.users.get(key.clone())? else { return Ok(false) };
            change(&mut value)?;
            let batch = self.db.batch().require(&self.users.collection()?, key.clone(), Precondition::AtLsn(lsn));
            self.users.put_in(batch, key.clone(), &value)?.commit().map(|_| true)
        })
    }
}
