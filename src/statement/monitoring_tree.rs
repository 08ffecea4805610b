//! What statements about models in use say, once they have been read.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::payload::Value;

/// What an `alerts` statement asks for.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Alerts {
    /// The incidents.
    List,
    /// The alerts of the last while, at most so many.
    History {
        /// How far back; all unless told.
        last: Option<Duration>,
        /// How many; 50 unless told.
        limit: Option<u64>,
    },
    /// One alert.
    Show(u64),
    /// Somebody takes an incident on.
    Acknowledge {
        /// The number of the incident.
        incident: u64,
        /// Who.
        by: Option<String>,
    },
    /// Somebody ends an incident.
    Resolve {
        /// The number of the incident.
        incident: u64,
        /// Who.
        by: Option<String>,
    },
    /// Handlers are not to hear of some alerts for a while.
    Silence {
        /// Which types.
        alert_type: String,
        /// Which subjects; all unless told.
        subject: Option<String>,
        /// For how long.
        time: Duration,
        /// Who asks for it.
        by: Option<String>,
        /// Why.
        reason: Option<String>,
    },
    /// The silences.
    Silences,
    /// A silence ends.
    Unsilence(u64),
    /// The rules.
    Rules,
    /// A rule is stored.
    SetRule(Value),
    /// A stored rule is removed.
    RemoveRule {
        /// Its name.
        name: String,
        /// The model whose rule it is; the store's unless told.
        model: Option<String>,
    },
    /// An alert is raised by hand.
    Raise {
        /// How bad it is.
        severity: String,
        /// What happened.
        message: String,
    },
}

/// What a `monitor` statement asks for.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Monitor {
    /// The models.
    List,
    /// How a model does.
    Show {
        /// The model.
        model: String,
        /// Over which time; a day unless told.
        last: Option<Duration>,
    },
    /// How a figure of a model went.
    Trend {
        /// The model.
        model: String,
        /// The figure.
        measure: String,
        /// Over which time; a week unless told.
        last: Option<Duration>,
        /// In which steps; a day unless told.
        step: Option<Duration>,
    },
    /// A prediction is recorded.
    Record {
        /// The model.
        model: String,
        /// Its fields.
        prediction: Value,
        /// When it was made; now unless told.
        at: Option<Timestamp>,
    },
    /// The truth about a prediction is recorded.
    Label {
        /// The model.
        model: String,
        /// The prediction.
        id: String,
        /// What was true.
        truth: Value,
        /// When that was found out; now unless told.
        at: Option<Timestamp>,
    },
    /// Windows that are over are closed and judged.
    Tick {
        /// The model; all unless told.
        model: Option<String>,
    },
    /// The newest predictions become the baseline.
    Baseline {
        /// The model.
        model: String,
        /// Why.
        reason: Option<String>,
    },
}
