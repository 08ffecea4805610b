//! How a pipeline stands.

use std::time::Duration;

use serde::Serialize;

use super::Pipeline;
use super::finding::{Concern, Finding};
use crate::clock::Timestamp;
use crate::database::health::Severity as HealthSeverity;
use crate::error::Result;
use crate::mlops::alerts::{ActionOutcome, ActionRun, AlertRule, Incident, model_of};
use crate::mlops::experiments::ExperimentState;
use crate::mlops::registry::PRODUCTION;
use crate::mlops::retraining::{RetrainEvent, RetrainState};

/// So many of the newest actions are told.
const MOST_ACTIONS: usize = 10;
/// So many of all models are looked through for them.
const ACTIONS_READ: u64 = 1_000;
/// A version is rolled back from within so long before now is worth a word.
const DAY: Duration = Duration::from_secs(86_400);

/// How a pipeline stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PipelineStatus {
    /// The model.
    pub model: String,
    /// When it was set up as it is.
    pub since: Timestamp,
    /// The version in production.
    pub production: Option<String>,
    /// The versions that are watched: those that serve, and those about which an incident lasts.
    pub watched: Vec<String>,
    /// The incidents that last.
    pub incidents: Vec<Incident>,
    /// The experiments that run.
    pub experiments: Vec<String>,
    /// The newest run of training.
    pub run: Option<RetrainEvent>,
    /// The newest actions, at most ten.
    pub actions: Vec<ActionRun>,
    /// What is not as it should be.
    pub findings: Vec<Finding>,
}

impl Pipeline {
    /// How it stands, and what is not as it should be. Reads, and changes nothing.
    pub fn status(&self) -> Result<PipelineStatus> {
        let incidents: Vec<Incident> = self.incidents()?.into_iter().map(|(_, incident)| incident).collect();
        let run = self.db.retraining().newest(&self.model)?;
        let actions = self.actions()?;
        let running = self.experiments()?.into_iter().filter(|it| it.state == ExperimentState::Running);
        let mut findings = self.unregistered()?;
        findings.extend(self.foreign_rules()?);
        findings.extend(actions.iter().filter_map(|run| self.failed(run)));
        findings.extend(run.iter().filter_map(|run| self.stuck(run).transpose()).collect::<Result<Vec<_>>>()?);
        Ok(PipelineStatus {
            model: self.model.clone(),
            since: self.since()?,
            production: self.production()?,
            watched: self.watched()?.iter().map(|id| id.version().to_owned()).collect(),
            experiments: running.map(|it| it.config.name).collect(),
            incidents,
            run,
            actions,
            findings,
        })
    }

    fn actions(&self) -> Result<Vec<ActionRun>> {
        let mut runs = self.db.alerts().action_runs(ACTIONS_READ)?;
        runs.retain(|run| run.subject.as_deref().and_then(model_of) == Some(&*self.model));
        runs.truncate(MOST_ACTIONS);
        Ok(runs)
    }

    /// What the registry lacks.
    fn unregistered(&self) -> Result<Vec<Finding>> {
        let model = self.db.model(&self.model)?;
        let Some(production) = self.production()? else {
            let lacks = if model.latest()?.is_none() {
                format!("model `{}` has no versions: register one, or nothing can be rolled back", self.model)
            } else {
                format!("no version of `{}` is in production: promote one, or nothing can be rolled back", self.model)
            };
            return Ok(vec![Finding::new(Concern::Registry, lacks)]);
        };
        let mut found = Vec::new();
        if model.alias(PRODUCTION)?.is_some_and(|alias| alias.behind.iter().all(|it| *it == production)) {
            let lacks = format!("no version was in production before {production}, so nothing can be rolled back to");
            found.push(Finding::new(Concern::Registry, lacks));
        }
        for version in self.serving()? {
            // One that was not looked at yet gets the accuracy that it was registered with.
            let known = match self.db.monitor(&version).baseline()? {
                Some(baseline) => baseline.accuracy,
                None => self.registered_accuracy(&version)?,
            };
            if known.is_none() {
                let lacks = format!(
                    "what accuracy {version} should have is not known, so a drop is not seen: register versions with the \
                     metric `accuracy`, or give a baseline"
                );
                found.push(Finding::new(Concern::Performance, lacks));
            }
        }
        Ok(found)
    }

    /// Whether the rules for alerts about the model are others than the configuration says.
    fn foreign_rules(&self) -> Result<Option<Finding>> {
        let held = self.db.alerts().rules_of(&self.model)?;
        let held: Vec<AlertRule> = held.into_iter().map(|rule| AlertRule { model: None, ..rule }).collect();
        let others: Vec<String> = self
            .config()?
            .alerts
            .rules()
            .into_iter()
            .filter(|rule| !held.contains(rule))
            .map(|rule| rule.name)
            .collect();
        let told = format!("these rules are others than the configuration says: {}", others.join(", "));
        Ok((!others.is_empty()).then(|| Finding::new(Concern::Alerts, told)))
    }

    fn failed(&self, run: &ActionRun) -> Option<Finding> {
        let ActionOutcome::Failed(why) = &run.outcome else { return None };
        let recent = self.db.now().since(run.at) < DAY;
        recent.then(|| Finding::new(Concern::Alerts, format!("{} for alert {} failed: {why}", run.action, run.alert)))
    }

    /// What is wrong with a run of training, if anything.
    fn stuck(&self, run: &RetrainEvent) -> Result<Option<Finding>> {
        let now = self.db.now();
        let long = self.config()?.retraining.min_time_between_retrains;
        let told = match run.state {
            RetrainState::Approved if !self.db.retraining().is_handled(&self.model) => {
                format!("run {} waits, and nobody trains in this process: register with on_retrain", run.number)
            }
            RetrainState::Running if run.started_at.is_some_and(|begun| now.since(begun) >= long) => {
                let begun = now.since(run.started_at.unwrap_or(now));
                format!("run {} has not ended for {:.1} hours", run.number, begun.as_secs_f64() / 3_600.0)
            }
            RetrainState::Requested => format!("run {} waits to be approved", run.number),
            RetrainState::Failed => {
                format!("run {} failed: {}", run.number, run.outcome.as_deref().unwrap_or("nobody knows why"))
            }
            _ => return Ok(None),
        };
        Ok(Some(Finding::new(Concern::Retraining, told)))
    }
}

/// Adds a check of health that tells of findings. It is asked on a thread of its own, so a store that has gone is none.
pub(super) fn add_check(pipeline: &Pipeline) -> Result<()> {
    let (store, model) = (pipeline.db.downgrade(), pipeline.model.clone());
    let check = move || {
        let db = store.upgrade().map_err(|error| error.to_string())?;
        let pipeline = Pipeline { db, model: model.clone() };
        let status = pipeline.status().map_err(|error| error.to_string())?;
        if status.findings.is_empty() {
            return Ok(format!("{} versions are watched", status.watched.len()));
        }
        let told: Vec<String> = status.findings.iter().map(ToString::to_string).collect();
        Err(told.join("; "))
    };
    pipeline.db.add_check(&check_name(&pipeline.model), HealthSeverity::Minor, check)
}

/// The name of a pipeline's check of health.
pub(super) fn check_name(model: &str) -> String {
    format!("pipeline {model}")
}
