//! A run of training, from the request to its end.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};

/// A run of training that was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RetrainEvent {
    /// Its number among those of its model, counted from 1.
    pub number: u64,
    /// The model.
    pub model: String,
    /// Why.
    pub reasons: Vec<RetrainReason>,
    /// Whether somebody asked for it, whatever rules and limits say.
    pub forced: bool,
    /// Whether it was forced although a limit stood against it.
    pub over_limit: bool,
    /// Where it stands.
    pub state: RetrainState,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Who asked for it, approved or rejected it last.
    pub actor: String,
    /// What came of it, such as the exit status of a command or why it failed.
    pub outcome: Option<String>,
    /// What it belongs to, as in the audit log.
    pub correlation: Option<String>,
}

/// Why a run is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RetrainReason {
    /// The trigger.
    pub trigger: Trigger,
    /// What was seen; days of [`Trigger::Age`].
    pub value: f64,
    /// What it was held against.
    pub threshold: f64,
    /// In words.
    pub text: String,
}

/// What asks for training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Trigger {
    /// There are enough new samples.
    NewData,
    /// The last training is long ago.
    Age,
    /// Accuracy has dropped.
    AccuracyDrop,
    /// Data has drifted.
    Drift,
    /// Errors are frequent.
    ErrorRate,
    /// Somebody wants it.
    Forced,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetrainState {
    /// It waits for somebody to approve or reject it.
    Requested,
    /// It will begin with the next tick.
    Approved,
    /// It will not take place.
    Rejected,
    /// It is under way.
    Running,
    /// It has succeeded.
    Done,
    /// It has failed, or was cut off by the end of the process.
    Failed,
}

impl RetrainState {
    /// Whether a run that stands here is still to come to its end.
    pub fn is_open(self) -> bool {
        matches!(self, RetrainState::Requested | RetrainState::Approved | RetrainState::Running)
    }
}

impl RetrainEvent {
    pub(super) fn check_state(&self, action: &str, wanted: &[RetrainState]) -> Result<()> {
        if wanted.contains(&self.state) {
            return Ok(());
        }
        let told = |state: RetrainState| format!("{state:?}").to_lowercase();
        let message = format!("cannot {action} run {} of `{}`: it is {}", self.number, self.model, told(self.state));
        let wanted: Vec<String> = wanted.iter().copied().map(told).collect();
        Err(Error::new(ErrorKind::Conflict, message).mend(format!("it must be {}", wanted.join(" or "))))
    }
}
