//! Actions: what alerts ask for, done by whoever has registered for it, and recorded.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::alert::Alert;
use super::handler::{Delivery, Handler};
use super::severity::Action;
use crate::clock::Timestamp;
use crate::collection::record::Record;
use crate::database::bystander::Bystander;
use crate::error::{Error, caught};
use crate::payload::Value;
use crate::schema::Schema;
use crate::sync::Mutex;

/// The collection of what was done.
pub(super) const RUNS: &str = "_alert_actions";
/// How long it is kept what was done.
const KEPT: Duration = Duration::from_secs(90 * 86_400);

/// Does an action for an alert, or says why it was not done.
pub(super) type Performer = Arc<dyn Fn(&Alert) -> std::result::Result<Performed, String> + Send + Sync>;
pub(super) type Performers = Arc<Mutex<BTreeMap<Action, Performer>>>;

/// What a performer says when it is through.
pub(super) enum Performed {
    /// What was done, which is to be written down.
    Told(String),
    /// It was written down in the batch that did it.
    Noted,
    /// The store could not take it now, and this is why.
    Later(String),
}

/// An action that an alert has asked for, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ActionRun {
    /// The number of the alert.
    pub alert: u64,
    /// Its type.
    pub alert_type: String,
    /// What it is about.
    pub subject: Option<String>,
    /// What caused the alert.
    pub correlation: Option<String>,
    /// What was asked for.
    pub action: Action,
    /// When it ended.
    pub at: Timestamp,
    /// What became of it.
    pub outcome: ActionOutcome,
}

/// What became of an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ActionOutcome {
    /// It was done, and this is what was done.
    Done(String),
    /// There was nothing to be done, and this is why.
    Nothing(String),
    /// It failed, or panicked, and this is why. It is not tried again.
    Failed(String),
    /// Nobody has registered for it.
    Unclaimed,
}

impl std::fmt::Display for ActionOutcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ActionOutcome::Done(what) => write!(f, "{what}"),
            ActionOutcome::Nothing(why) => write!(f, "nothing to be done, {why}"),
            ActionOutcome::Failed(why) => write!(f, "failed, {why}"),
            ActionOutcome::Unclaimed => f.write_str("nobody has registered for it"),
        }
    }
}

pub(super) fn schema() -> Schema {
    Schema::payload_only().ttl(KEPT)
}

pub(super) fn run_key(alert: u64, action: Action) -> String {
    format!("{alert:020}/{action}")
}

/// The handler that has actions done.
pub(super) struct Doer {
    pub(super) store: Bystander,
    pub(super) performers: Performers,
    /// What was done and could not be written down yet.
    pub(super) unwritten: Option<ActionRun>,
}

impl Handler for Doer {
    /// Fails only where the store does; then it is called again, and does nothing twice.
    fn handle(&mut self, delivery: &Delivery) -> std::result::Result<(), String> {
        let told = |error: Error| error.to_string();
        for action in &delivery.alert.actions {
            let key = run_key(delivery.alert.id, *action);
            // Done before the process was killed, or before recording another action failed.
            if self.store.get(RUNS, &key.as_str().into()).map_err(told)?.is_some() {
                continue;
            }
            let known = self.unwritten.take_if(|run| (run.alert, run.action) == (delivery.alert.id, *action));
            let run = match known {
                Some(run) => run,
                None => {
                    let Some(outcome) = self.perform(&delivery.alert, *action)? else { continue };
                    ActionRun::of(&delivery.alert, *action, outcome, self.store.now().map_err(told)?)
                }
            };
            let payload = serde_json::to_value(&run).map_err(|error| error.to_string())?;
            let record = Record::new(key).payload(Value::from(payload));
            if let Err(error) = self.store.put(RUNS, &record) {
                self.unwritten = Some(run);
                return Err(told(error));
            }
        }
        Ok(())
    }
}

impl Doer {
    /// What became of an action; none where that is written down already.
    fn perform(&self, alert: &Alert, action: Action) -> std::result::Result<Option<ActionOutcome>, String> {
        let performer = self.performers.lock().get(&action).cloned();
        let Some(perform) = performer else { return Ok(Some(ActionOutcome::Unclaimed)) };
        match caught(|| perform(alert)).and_then(|done| done) {
            Ok(Performed::Told(done)) => Ok(Some(ActionOutcome::Done(done))),
            Ok(Performed::Noted) => Ok(None),
            Ok(Performed::Later(why)) => Err(why),
            Err(why) => Ok(Some(ActionOutcome::Failed(why))),
        }
    }
}

impl ActionRun {
    pub(super) fn of(alert: &Alert, action: Action, outcome: ActionOutcome, at: Timestamp) -> ActionRun {
        ActionRun {
            alert: alert.id,
            alert_type: alert.alert_type.clone(),
            subject: alert.subject.clone(),
            correlation: alert.correlation.clone(),
            action,
            at,
            outcome,
        }
    }
}
