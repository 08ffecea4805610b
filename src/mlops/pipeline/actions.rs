//! What is done when an alert asks for it: rolling back, training anew, pausing experiments.
//!
//! What an action does, the note that it was done and the entries in the audit log are one batch, made while no other
//! audited change can be committed. So an action is done and known to be done, or neither; whoever calls here has looked
//! it up, after a kill, too.

use serde_json::json;

use super::chronicle::ACTOR;
use super::serving::about;
use super::{Pipeline, stored};
use crate::database::batch::Batch;
use crate::database::handle::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::mlops::alerts::{Action, ActionOutcome, Alert};
use crate::mlops::audit::AuditEntry;
use crate::mlops::change::Change;
use crate::mlops::model::ModelId;
use crate::mlops::registry::PRODUCTION;
use crate::mlops::retraining::RetrainState;

/// The tag of versions that are gone back to first.
const STABLE: &str = "stable";
/// So often an action is tried that somebody else's change came between.
const ATTEMPTS: u32 = 10;

/// What an action comes to, before it is committed.
struct Deed {
    batch: Batch,
    entries: Vec<AuditEntry>,
    outcome: ActionOutcome,
}

/// What an alert is about, and who answers for it.
struct Case<'a> {
    db: &'a Database,
    alert: &'a Alert,
    version: ModelId,
    change: Change,
}

/// Registers for the actions, but for those that the application has registered for.
pub(super) fn register(db: &Database) -> Result<()> {
    for action in [Action::RollBack, Action::ForceRetrain, Action::PauseExperiments] {
        let store = db.downgrade();
        db.alerts().perform_noting(action, move |alert| perform(&store.upgrade()?, alert, action))?;
    }
    Ok(())
}

/// Does an action that was not done yet.
fn perform(db: &Database, alert: &Alert, action: Action) -> Result<()> {
    let watched = watched(db, alert)?;
    if let Some(version) = &watched {
        // The story begins with the alert.
        Pipeline { db: db.clone(), model: version.name().to_owned() }.write_down()?;
    }
    let mut left = ATTEMPTS;
    loop {
        match commit(db, alert, action, watched.clone()) {
            Err(error) if error.kind() == ErrorKind::Conflict && left > 0 => left -= 1,
            done => return done,
        }
    }
}

/// The version that an alert is about, where its model has a pipeline.
fn watched(db: &Database, alert: &Alert) -> Result<Option<ModelId>> {
    let version = alert.subject.as_deref().map(|subject| about(db, subject)).transpose()?.flatten();
    let Some(version) = version else { return Ok(None) };
    Ok(stored::table(db).get(version.name())?.is_some().then_some(version))
}

fn commit(db: &Database, alert: &Alert, action: Action, version: Option<ModelId>) -> Result<()> {
    let change = Change { correlation: alert.correlation.clone(), ..Change::by(ACTOR).because(&*alert.message) };
    db.audit().commit_built(|db| {
        let deed = match version {
            None => {
                let subject = alert.subject.as_deref().unwrap_or("the alert");
                Deed::nothing(db, format!("{subject} belongs to no pipeline"))
            }
            Some(version) => Case { db, alert, version, change: change.clone() }.decide(action)?,
        };
        let mut entries = deed.entries;
        entries.extend(left_undone(alert, action, &deed.outcome));
        Ok(Some((db.alerts().note_in(deed.batch, alert, action, deed.outcome)?, entries)))
    })?;
    Ok(())
}

/// The entry about an action that was not done.
fn left_undone(alert: &Alert, action: Action, outcome: &ActionOutcome) -> Option<AuditEntry> {
    let (what, why) = match outcome {
        ActionOutcome::Nothing(why) => ("action.nothing", why),
        ActionOutcome::Failed(why) => ("action.failed", why),
        ActionOutcome::Done(_) | ActionOutcome::Unclaimed => return None,
    };
    let subject = alert.subject.clone().unwrap_or_else(|| alert.alert_type.clone());
    let details = json!({"action": action, "alert": alert.id, "why": why});
    Some(AuditEntry::new(what, subject).actor(ACTOR).details(details).correlation(alert.correlation.clone()))
}

impl Deed {
    fn done(batch: Batch, entries: Vec<AuditEntry>, told: String) -> Deed {
        Deed { batch, entries, outcome: ActionOutcome::Done(told) }
    }

    fn nothing(db: &Database, why: String) -> Deed {
        Deed { batch: db.batch(), entries: Vec::new(), outcome: ActionOutcome::Nothing(why) }
    }

    fn failed(db: &Database, why: &Error) -> Deed {
        Deed { batch: db.batch(), entries: Vec::new(), outcome: ActionOutcome::Failed(why.to_string()) }
    }
}

impl Case<'_> {
    fn decide(&self, action: Action) -> Result<Deed> {
        if self.db.alerts().lasting(self.alert)?.is_none() {
            return Ok(self.nothing("the incident is over".into()));
        }
        match action {
            Action::RollBack => self.roll_back(),
            Action::ForceRetrain => self.force_retrain(),
            Action::PauseExperiments => self.pause_experiments(),
            Action::Notify => Ok(self.nothing("a pipeline notifies nobody".into())),
        }
    }

    fn nothing(&self, why: String) -> Deed {
        Deed::nothing(self.db, why)
    }

    fn production(&self) -> Result<Option<String>> {
        let alias = self.db.model(self.version.name())?.alias(PRODUCTION)?;
        Ok(alias.and_then(|alias| alias.version))
    }

    fn roll_back(&self) -> Result<Deed> {
        if self.production()?.as_deref() != Some(self.version.version()) {
            return Ok(self.nothing(format!("{} is not in production", self.version)));
        }
        let model = self.db.model(self.version.name())?;
        match model.rollback_in(self.db.batch(), PRODUCTION, STABLE, &self.change) {
            Ok((batch, alias, entry)) => {
                let to = alias.version.unwrap_or_default();
                Ok(Deed::done(batch, vec![entry], format!("{} went back to {to}", self.version)))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Deed::failed(self.db, &error)),
            Err(error) => Err(error),
        }
    }

    fn force_retrain(&self) -> Result<Deed> {
        let name = self.version.name();
        let serves = self.production()?.is_none_or(|production| production == self.version.version());
        if !serves && !self.was_rolled_back()? {
            return Ok(self.nothing(format!("{} is not in production", self.version)));
        }
        let retraining = self.db.retraining();
        let runs = retraining.history(name, u32::MAX)?;
        let answers = |state: RetrainState, since: bool| state.is_open() || (since && state == RetrainState::Done);
        let answer = runs.iter().find(|run| answers(run.state, run.requested_at >= self.alert.at));
        if let Some(run) = answer {
            return Ok(self.nothing(format!("run {} of {name} answers for it", run.number)));
        }
        let (batch, run, entry) = retraining.force_in(self.db.batch(), name, &self.change)?;
        Ok(Deed::done(batch, vec![entry], format!("run {} of {name} was asked for", run.number)))
    }

    /// Whether the version was taken out of production because of this alert.
    fn was_rolled_back(&self) -> Result<bool> {
        let run = self.db.alerts().action_run(self.alert.id, Action::RollBack)?;
        Ok(run.is_some_and(|run| matches!(run.outcome, ActionOutcome::Done(_))))
    }

    fn pause_experiments(&self) -> Result<Deed> {
        let experiments = self.db.experiments();
        let mut running = experiments.active()?;
        running.retain(|it| it.config.compares(&self.version));
        let (mut batch, mut entries, mut names) = (self.db.batch(), Vec::new(), Vec::new());
        for experiment in running {
            let entry;
            (batch, entry) = experiments.pause_in(batch, &experiment.config.name, &self.change)?;
            entries.push(entry);
            names.push(experiment.config.name);
        }
        if names.is_empty() {
            return Ok(self.nothing(format!("no experiment with {} runs", self.version)));
        }
        Ok(Deed::done(batch, entries, format!("paused: {}", names.join(", "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::record::Record;
    use crate::database::options::{Maintenance, Options};
    use crate::mlops::alerts::{Observation, metric};
    use crate::mlops::config::Config;
    use crate::payload::Value;

    #[test]
    fn a_pipeline_that_cannot_be_read_is_not_taken_for_none() {
        let db = Options::new().maintenance(Maintenance::Manual).in_memory().unwrap();
        Pipeline::from_config(&db, &Config::default(), "ranker").unwrap();
        let pipelines = stored::table(&db).collection().unwrap();
        pipelines.put(Record::new("ranker").payload(Value::from("not a pipeline"))).unwrap();
        db.alerts().observe(&Observation::new("ranker@1", metric::ACCURACY_DROP, 0.3)).unwrap();
        db.alerts().deliver().unwrap();
        let runs = db.alerts().action_runs(9).unwrap();
        assert!(!runs.is_empty());
        for run in runs {
            let ActionOutcome::Failed(why) = &run.outcome else { panic!("{run:?}") };
            assert!(why.contains("cannot be read"), "{why}");
        }
    }
}
