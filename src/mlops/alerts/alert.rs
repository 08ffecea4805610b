//! Alerts: what is recorded, and told.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::incident::AlertKind;
use super::rule::{Edge, figure};
use super::severity::{Action, Severity};
use crate::clock::Timestamp;
use crate::filter::print_time;
use crate::payload::Value;

/// The type of alerts that are raised by hand.
pub(super) const BY_HAND: &str = "manual";

/// Something that happened and was recorded: an incident was opened, changed or ended, or somebody raised an alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Alert {
    /// Its number. Numbers rise by one in the order in which alerts were committed.
    pub id: u64,
    /// When it happened, as whoever observed it said.
    pub at: Timestamp,
    /// What happened.
    pub kind: AlertKind,
    /// The name of the rule, or `manual`.
    pub alert_type: String,
    /// How bad it is. Of a recovery, how bad it was.
    pub severity: Severity,
    /// What it is about, such as a model.
    pub subject: Option<String>,
    /// The metric that the rule looks at.
    pub metric: Option<String>,
    /// Its value.
    pub value: Option<f64>,
    /// The edge that it passed; none of a recovery.
    pub edge: Option<Edge>,
    /// What happened, in a sentence.
    pub message: String,
    /// Whatever else whoever observed it said.
    pub metadata: Value,
    /// The incident it belongs to: the number of the alert that opened it.
    pub incident: Option<u64>,
    /// What it belongs to: what caused the incident, such as a window or a batch, or `incident NUMBER` where that was not
    /// told. An incident that begins while another of its subject lasts belongs to what that one does. So all that
    /// happens to a subject until it is well again, and all that is done about it, has one.
    pub correlation: Option<String>,
    /// Whether handlers hear of it: not while it is silenced or cools down.
    pub told: bool,
    /// What it asks to be done.
    pub actions: Vec<Action>,
}

impl Alert {
    /// Its numbers by name: the metric and its value, and what the metadata say.
    pub fn metrics(&self) -> Value {
        let mut metrics = match &self.metadata {
            Value::Object(fields) => fields.clone(),
            _ => std::collections::BTreeMap::new(),
        };
        if let (Some(metric), Some(value)) = (&self.metric, self.value) {
            metrics.insert(metric.clone(), Value::Float(value));
        }
        Value::Object(metrics)
    }

    /// `firing`, `resolved`, or `raised` when it was raised by hand.
    pub fn status(&self) -> &'static str {
        match self.kind {
            AlertKind::Raised => "raised",
            AlertKind::Resolved => "resolved",
            _ => "firing",
        }
    }

    /// The alert as JSON for a webhook. Its fields and their types never change; new ones may be added.
    ///
    /// `version` is 1. `text` is one line for people, under the name that chat services read it from; `dedup_key` is the
    /// same for all alerts of one incident. Times are RFC 3339 in UTC. What there is not is null. The guide to monitoring
    /// lists all fields.
    pub fn webhook_body(&self) -> Json {
        json!({
            "version": 1,
            "id": self.id,
            "dedup_key": format!("driftline-{}", self.incident.unwrap_or(self.id)),
            "status": self.status(),
            "kind": self.kind,
            "alert_type": self.alert_type,
            "severity": self.severity,
            "subject": self.subject,
            "metric": self.metric,
            "value": self.value,
            "threshold": self.edge.map(|edge| edge.to_string()),
            "message": self.message,
            "text": self.to_string(),
            "at": print_time(self.at),
            "incident": self.incident,
            "correlation": self.correlation,
            "actions": self.actions,
            "metadata": self.metadata.to_json(),
        })
    }
}

/// One line for people: `[CRITICAL] accuracy_drop: accuracy_drop of minilm@2 is 0.06, above 0.05`.
impl std::fmt::Display for Alert {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mark = if self.kind == AlertKind::Resolved { "resolved" } else { self.severity.name() };
        write!(f, "[{}] {}: {}", mark.to_uppercase(), self.alert_type, self.message)
    }
}

/// The sentence of an alert that a rule has made.
pub(super) fn sentence(metric: &str, subject: &str, value: f64, edge: Option<Edge>) -> String {
    match edge {
        Some(edge) => format!("{metric} of {subject} is {}, {edge}", figure(value)),
        None => format!("{metric} of {subject} is {} again", figure(value)),
    }
}
