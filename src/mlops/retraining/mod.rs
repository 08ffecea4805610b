//! Triggers: when a model is to be trained anew, who may say so, and what came of it.

mod config;
mod event;
mod handler;
mod request;
mod rules;
mod run;
#[cfg(feature = "watch")]
mod watch;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::clock::Timestamp;
use crate::database::batch::Batch;
use crate::database::handle::Database;
use crate::database::request::Precondition;
use crate::error::{Error, ErrorKind, Result};
use crate::filter;
use crate::mlops::audit::AuditEntry;
use crate::mlops::change::Change;
use crate::mlops::model::ModelId;
use crate::mlops::table::{Row, Table};
use crate::mlops::times;
use crate::sync::Mutex;

pub use config::RetrainConfig;
pub use event::{RetrainEvent, RetrainReason, RetrainState, Trigger};
pub use handler::RetrainCommand;
pub use rules::Signals;
pub(crate) use run::Job;

/// The collections of what is configured and of what happened.
const TRIGGERS: &str = "_retrain_triggers";
const EVENTS: &str = "_retrain_events";

impl Database {
    /// The retraining triggers of this store.
    pub fn retraining(&self) -> Retraining {
        Retraining {
            db: self.clone(),
            triggers: Table::new(self, TRIGGERS),
            events: Table::new(self, EVENTS),
            hooks: self.companion(),
        }
    }
}

/// The retraining triggers of a store: one for each model that is configured.
///
/// [`Retraining::tick`] looks at the signals of each model and begins a run where a rule asks for it and no limit stands
/// against it; a handler of the application, a closure or a command, does the training. A model has one open run at a
/// time. A run that fails does not count as training: what asked for it asks again, within the limits. Runs are written
/// down before they begin, so one that a crash cuts off is known as failed. Every step is in the audit log.
///
/// Handlers and sources of signals live as long as the store is open, and must not hold a handle of it.
///
/// ```
/// use driftline::Database;
/// use driftline::mlops::{Change, RetrainConfig, RetrainState, Signals};
///
/// let db = Database::in_memory()?;
/// let retraining = db.retraining();
/// retraining.configure("ranker", RetrainConfig::new(), Change::by("kim"))?;
/// retraining.on_retrain("ranker", |run| Ok(format!("trained because {}", run.reasons[0].text)));
///
/// let runs = retraining.tick_with("ranker", &Signals::new().drift_score(0.3))?;
/// assert_eq!(runs.expect("drift asks for it").state, RetrainState::Done);
/// # Ok::<(), driftline::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Retraining {
    db: Database,
    triggers: Table<Configured>,
    events: Table<RetrainEvent>,
    hooks: Arc<Hooks>,
}

/// What is stored of a model's trigger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Configured {
    config: RetrainConfig,
    since: Timestamp,
}

/// Trains a model; returns what came of it.
type Trainer = Arc<dyn Fn(&RetrainEvent) -> Result<String> + Send + Sync>;
/// Knows the signals of a model.
type Source = Arc<dyn Fn(&str) -> Result<Signals> + Send + Sync>;

/// What the application has registered, by model, and the runs that are under way in this process.
#[derive(Default)]
struct Hooks {
    trainers: Mutex<BTreeMap<String, Trainer>>,
    sources: Mutex<BTreeMap<String, Source>>,
    running: Mutex<BTreeMap<String, u64>>,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").field("running", &self.running).finish_non_exhaustive()
    }
}

/// What a look at a model's trigger came to, and why a signal could not be had, if one could not.
#[derive(Debug)]
pub(crate) struct Looked {
    pub(crate) look: Look,
    pub(crate) failure: Option<Error>,
}

/// What a look at a model's trigger came to.
#[derive(Debug)]
pub(crate) enum Look {
    /// There is nothing to be done, or to be done by somebody else.
    Nothing,
    /// A run waits for approval now, or was found to have been cut off.
    Changed(RetrainEvent),
    /// The run of this number is to begin.
    Due(u64),
}

/// How often a model was trained, and how often that succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct RetrainSummary {
    /// Runs that began.
    pub begun: u64,
    /// Runs that succeeded.
    pub done: u64,
    /// Runs that failed.
    pub failed: u64,
    /// Runs that were rejected.
    pub rejected: u64,
}

impl Retraining {
    /// Configures the trigger of a model, or changes how it is configured. Fails with `Invalid`, naming the field, when a
    /// value is out of its range.
    pub fn configure(&self, model: &str, config: RetrainConfig, change: Change) -> Result<()> {
        let done = self.db.audit().commit_built(|db| {
            let (batch, entry) = self.configure_in(db.batch(), model, &config, &change)?;
            Ok(Some((batch, vec![entry])))
        });
        done.map(drop)
    }

    /// What configuring a trigger would commit, for a batch that does more.
    pub(crate) fn configure_in(
        &self,
        batch: Batch,
        model: &str,
        config: &RetrainConfig,
        change: &Change,
    ) -> Result<(Batch, AuditEntry)> {
        ModelId::new(model, "1")?;
        config.check()?;
        let since = self.triggers.get(model)?.map_or(self.db.now(), |row| row.value.since);
        let batch = self.triggers.put_in(batch, model, &Configured { config: config.clone(), since })?;
        Ok((batch, change.audited("retrain.configure", model.to_owned(), json!({ "config": config }))))
    }

    /// How the trigger of a model is configured. Fails with `NotFound` when it is not.
    pub fn config(&self, model: &str) -> Result<RetrainConfig> {
        Ok(self.configured(model)?.config)
    }

    fn configured(&self, model: &str) -> Result<Configured> {
        let found = self.triggers.get(model)?.map(|row| row.value);
        found.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("no retraining is configured for model `{model}`"))
                .mend("configure it first")
        })
    }

    /// The models whose triggers are configured, by name.
    pub fn models(&self) -> Result<Vec<String>> {
        let rows = self.triggers.walk(|scan| scan)?;
        Ok(rows.into_iter().filter_map(|row| row.key.as_text().map(str::to_owned)).collect())
    }

    /// Has `train` called for each run of a model, on the thread that ticks. What it returns is kept as the outcome; an error
    /// or a panic makes the run a failure.
    pub fn on_retrain(&self, model: &str, train: impl Fn(&RetrainEvent) -> Result<String> + Send + Sync + 'static) {
        self.hooks.trainers.lock().insert(model.to_owned(), Arc::new(train));
    }

    /// Whether somebody trains the model in this process.
    pub(crate) fn is_handled(&self, model: &str) -> bool {
        self.hooks.trainers.lock().contains_key(model)
    }

    /// Has a command run for each run of a model, on the thread that ticks.
    pub fn on_retrain_command(&self, model: &str, command: RetrainCommand) {
        self.on_retrain(model, move |run| command.run(run));
    }

    /// Has `source` asked for the signals of a model at each tick. New samples are counted without it.
    pub fn signals_from(&self, model: &str, source: impl Fn(&str) -> Result<Signals> + Send + Sync + 'static) {
        self.hooks.sources.lock().insert(model.to_owned(), Arc::new(source));
    }

    /// Looks at every model whose trigger is configured, and begins what is due and approved. To be called now and then, by
    /// a timer of the application; returns the runs that were asked for or ended. One model's failure keeps nobody from the
    /// others, and a signal that cannot be had keeps no rule about another one from asking; the first failure is returned when
    /// all has been looked at.
    pub fn tick(&self) -> Result<Vec<RetrainEvent>> {
        let (mut runs, mut failure) = (Vec::new(), None);
        for model in self.models()? {
            let source = self.hooks.sources.lock().get(&model).cloned();
            let (signals, unknown) = match source.map(|source| source(&model)) {
                Some(Err(error)) => (Signals::new(), Some(error)),
                Some(Ok(signals)) => (signals, None),
                None => (Signals::new(), None),
            };
            let ticked = self.tick_with(&model, &signals);
            for error in unknown.into_iter().chain(ticked.map(|run| runs.extend(run)).err()) {
                failure.get_or_insert(error);
            }
        }
        failure.map_or(Ok(runs), Err)
    }

    /// The same for one model, with signals of the caller's; new samples are counted where they tell none. Where they cannot
    /// be counted the other rules are judged, and a run that one of them asks for begins, before that failure is returned.
    pub fn tick_with(&self, model: &str, signals: &Signals) -> Result<Option<RetrainEvent>> {
        let (run, failure) = self.tick_finding(model, signals)?;
        failure.map_or(Ok(run), Err)
    }

    /// The same, with the run that was asked for, began or ended beside the failure.
    pub(crate) fn tick_finding(&self, model: &str, signals: &Signals) -> Result<(Option<RetrainEvent>, Option<Error>)> {
        let Looked { look, failure } = self.look(model, signals)?;
        let run = match look {
            Look::Nothing => None,
            Look::Changed(event) => Some(event),
            Look::Due(number) => Some(self.run(model, number)?),
        };
        Ok((run, failure))
    }

    /// Looks at a model's trigger and asks for a run where a rule does and no limit stands against it; begins none.
    pub(crate) fn look(&self, model: &str, signals: &Signals) -> Result<Looked> {
        let configured = self.configured(model)?;
        let events = self.events_of(model)?;
        if let Some(open) = events.iter().find(|event| event.state.is_open()) {
            return Ok(Looked { look: self.look_at_open(open)?, failure: None });
        }
        let since = rules::trained(&events, configured.since);
        let (signals, failure) = match self.with_samples(&configured.config, *signals, since) {
            Ok(signals) => (signals, None),
            // A store that fails as a whole judges nothing.
            Err(error) if error.is_of_the_store() => return Err(error),
            Err(error) => (*signals, Some(error)),
        };
        Ok(Looked { look: self.look_for_reasons(model, &configured.config, &signals, &events, since)?, failure })
    }

    fn look_at_open(&self, open: &RetrainEvent) -> Result<Look> {
        match open.state {
            RetrainState::Approved => Ok(Look::Due(open.number)),
            RetrainState::Running => self.end_if_cut_off(open),
            _ => Ok(Look::Nothing),
        }
    }

    fn look_for_reasons(
        &self,
        model: &str,
        config: &RetrainConfig,
        signals: &Signals,
        events: &[RetrainEvent],
        since: Timestamp,
    ) -> Result<Look> {
        let now = self.db.now();
        let reasons = rules::reasons(config, signals, since, now);
        if reasons.is_empty() || rules::limit(config, events, now).is_some() {
            return Ok(Look::Nothing);
        }
        match self.request(model, &reasons, config.first_state(), events)? {
            Some(event) if event.state == RetrainState::Approved => Ok(Look::Due(event.number)),
            Some(event) => Ok(Look::Changed(event)),
            None => Ok(Look::Nothing),
        }
    }

    /// Lets a run begin that waits for it; it does with the next tick.
    pub fn approve(&self, model: &str, number: u64, change: Change) -> Result<RetrainEvent> {
        self.step(model, number, "approve", &[RetrainState::Requested], &change, |event, _| {
            event.state = RetrainState::Approved;
            event.actor = change.actor.clone();
        })
    }

    /// Keeps a run from taking place that waits for approval, or that was approved or forced and has not begun.
    pub fn reject(&self, model: &str, number: u64, change: Change) -> Result<RetrainEvent> {
        let waiting = [RetrainState::Requested, RetrainState::Approved];
        self.step(model, number, "reject", &waiting, &change, |event, now| {
            event.state = RetrainState::Rejected;
            event.finished_at = Some(now);
            event.actor = change.actor.clone();
            event.outcome = (!change.reason.is_empty()).then(|| change.reason.clone());
        })
    }

    /// The runs of a model of the last days, the first one first; one that was asked for exactly so many days ago is among
    /// them.
    #[doc(alias = "get_trigger_history")]
    pub fn history(&self, model: &str, days: u32) -> Result<Vec<RetrainEvent>> {
        let from = times::before(self.db.now(), days * Duration::from_secs(86_400));
        Ok(self.events_of(model)?.into_iter().filter(|event| event.requested_at >= from).collect())
    }

    /// How often a model was trained within the last days, and what came of it.
    pub fn summary(&self, model: &str, days: u32) -> Result<RetrainSummary> {
        let mut summary = RetrainSummary::default();
        for event in self.history(model, days)? {
            summary.begun += u64::from(event.started_at.is_some());
            summary.done += u64::from(event.state == RetrainState::Done);
            summary.failed += u64::from(event.state == RetrainState::Failed);
            summary.rejected += u64::from(event.state == RetrainState::Rejected);
        }
        Ok(summary)
    }

    /// The newest run of a model.
    pub(crate) fn newest(&self, model: &str) -> Result<Option<RetrainEvent>> {
        let newest = self.events.walk(|scan| scan.prefix(format!("{model}@")).reverse().limit(1))?;
        Ok(newest.into_iter().next().map(|row| row.value))
    }

    fn events_of(&self, model: &str) -> Result<Vec<RetrainEvent>> {
        Ok(self.events.prefix(format!("{model}@"))?.into_iter().map(|row| row.value).collect())
    }

    /// Counts the rows that were created since, and files that are new, where the caller has told no samples.
    fn with_samples(&self, config: &RetrainConfig, mut signals: Signals, since: Timestamp) -> Result<Signals> {
        if signals.new_samples.is_some() {
            return Ok(signals);
        }
        if let Some(collection) = &config.samples_in {
            let newer = filter::time().gt(since.0);
            signals.new_samples = Some(self.db.collection(collection)?.count_where(newer)?);
        }
        #[cfg(feature = "watch")]
        if !config.data_directories.is_empty() {
            // A new file is enough: how many samples it has is for whoever reads it to say.
            let files = watch::new_files(&config.data_directories, &config.watch_file_patterns, since)?;
            let enough = (files > 0).then(|| config.min_new_samples.unwrap_or(files).max(files));
            signals.new_samples = signals.new_samples.max(enough);
        }
        Ok(signals)
    }

    /// The run of this number.
    pub fn event(&self, model: &str, number: u64) -> Result<RetrainEvent> {
        Ok(self.row(model, number)?.value)
    }

    fn row(&self, model: &str, number: u64) -> Result<Row<RetrainEvent>> {
        self.events.get(key(model, number))?.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("model `{model}` has no run {number}")).mend("look at its history")
        })
    }

    /// Brings a run from one of some states to the next, with its audit entry.
    fn step(
        &self,
        model: &str,
        number: u64,
        action: &str,
        from: &[RetrainState],
        change: &Change,
        apply: impl FnOnce(&mut RetrainEvent, Timestamp),
    ) -> Result<RetrainEvent> {
        let mut stepped = None;
        self.db.audit().commit_built(|db| {
            let Row { key, mut value, lsn, .. } = self.row(model, number)?;
            value.check_state(action, from)?;
            apply(&mut value, db.now());
            let details = json!({"run": number, "outcome": value.outcome});
            let change =
                Change { correlation: change.correlation.clone().or(value.correlation.clone()), ..change.clone() };
            let entry = change.audited(&format!("retrain.{action}"), model.to_owned(), details);
            let batch = db.batch().require(&self.events.collection()?, key.clone(), Precondition::AtLsn(lsn));
            let batch = self.events.put_in(batch, key, &value)?;
            stepped = Some(value);
            Ok(Some((batch, vec![entry])))
        })?;
        stepped.ok_or_else(|| Error::internal("a run was changed and is not there"))
    }
}

/// Runs of a model sort by their numbers.
fn key(model: &str, number: u64) -> String {
    format!("{model}@{number:012}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trained() -> Retraining {
        let retraining = Database::in_memory().unwrap().retraining();
        for model in ["ranker", "ranker2"] {
            retraining.configure(model, RetrainConfig::new(), Change::by("kim")).unwrap();
            retraining.on_retrain(model, |_| Ok("trained".into()));
        }
        retraining
    }

    #[test]
    fn nothing_is_asked_for_on_the_strength_of_what_has_changed_since() {
        let retraining = trained();
        let before = retraining.events_of("ranker").unwrap();
        let run = retraining.tick_with("ranker", &Signals::new().drift_score(0.3)).unwrap().unwrap();
        assert_eq!(run.state, RetrainState::Done);
        // Another ticker had looked before that run, when no limit stood against it.
        assert_eq!(retraining.request("ranker", &run.reasons, RetrainState::Approved, &before).unwrap(), None);
        assert_eq!(retraining.events_of("ranker").unwrap().len(), 1);
        let now = retraining.events_of("ranker").unwrap();
        let asked = retraining.request("ranker", &run.reasons, RetrainState::Approved, &now).unwrap().unwrap();
        assert_eq!(asked.number, 2);
    }

    #[test]
    fn the_newest_run_is_that_of_the_highest_number() {
        let retraining = trained();
        assert_eq!(retraining.newest("ranker").unwrap(), None);
        for (model, runs) in [("ranker", 11), ("ranker2", 1)] {
            (0..runs).for_each(|_| drop(retraining.force_retrain(model, Change::by("kim")).unwrap()));
        }
        assert_eq!(retraining.newest("ranker").unwrap().unwrap().number, 11);
    }
}
