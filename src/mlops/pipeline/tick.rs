//! Doing what is due.

use serde::Serialize;

use super::Pipeline;
use super::finding::{Concern, Finding, step};
use super::serving::about;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::mlops::alerts::{Alert, Incident, metric};
use crate::mlops::model::ModelId;
use crate::mlops::performance::TickReport;
use crate::mlops::registry::PRODUCTION;
use crate::mlops::retraining::{Look, Looked, RetrainEvent, RetrainState, Signals};
use crate::mlops::times::{TimeRange, before};

/// What a tick did.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PipelineTick {
    /// Windows of predictions that were closed, and counted again.
    pub windows: u64,
    /// Windows of drift that were judged.
    pub drift_windows: u64,
    /// What rules had to say of predictions.
    pub alerts: Vec<Alert>,
    /// Incidents that were ended because their version serves no more.
    pub ended: Vec<Incident>,
    /// Experiments that were stopped because their time is over.
    pub stopped: Vec<String>,
    /// The run of training that was asked for, began or ended.
    pub run: Option<RetrainEvent>,
    /// What could not be done, and kept nobody from the rest.
    pub findings: Vec<Finding>,
}

impl Pipeline {
    /// Does what is due at a time; to be called every few minutes, by a timer of the application or by
    /// [`Pipeline::start`]. In this order:
    ///
    /// 1. the monitors of the versions that serve are set up as the configuration says;
    /// 2. windows of predictions that are over are closed and judged;
    /// 3. so are windows of what these versions logged, for drift;
    /// 4. alerts are written down in the audit log; what they ask for is done, and they are brought to handlers (on this
    ///    thread under [`Maintenance::Manual`](crate::Maintenance::Manual), else on threads of their own);
    /// 5. incidents end that are about versions which have been out of production, in no experiment that runs, and without a
    ///    prediction, for a whole window;
    /// 6. experiments of the model whose time is over stop;
    /// 7. the trigger is looked at, and a run of training that is due begins, and trains on this thread.
    ///
    /// The signals of the trigger are the values of the incidents of the version in production, while they last, and its newest
    /// drift score, whether or not a rule finds that bad; a score asks once, and again only where the run has failed.
    ///
    /// What fails is a finding, and the next step goes on. Fails where the store itself does: closed, out of room, or to be
    /// opened again. A tick that was cut off is made up for by the next one; nothing is done twice.
    pub fn tick(&self, now: Timestamp) -> Result<PipelineTick> {
        let mut tick = self.watch(now)?;
        let (retraining, model) = (self.db.retraining(), &self.model);
        let (run, failure) =
            step(&mut tick.findings, Concern::Retraining, || retraining.tick_finding(model, &self.signals()?))?;
        tick.run = run;
        tick.findings.extend(failure.map(|error| Finding::new(Concern::Retraining, error.to_string())));
        // What failed on the way may have taken the store with it.
        self.db.engine().check_writable()?;
        Ok(tick)
    }

    /// All of it but training.
    pub(super) fn watch(&self, now: Timestamp) -> Result<PipelineTick> {
        use Concern::{Alerts, Drift, Experiments, Performance};
        self.register()?;
        let mut findings = Vec::new();
        let found = &mut findings;
        for version in step(found, Performance, || self.serving())? {
            step(found, Performance, || self.prepare_version(&version))?;
        }
        let mut tick = PipelineTick::default();
        for monitor in step(found, Performance, || self.monitors())? {
            let TickReport { closed, recounted, alerts, clock_went_back, .. } =
                step(found, Performance, || monitor.tick(now))?;
            tick.windows += closed + recounted;
            tick.alerts.extend(alerts);
            let told = |by| format!("the clock went back by {by:?}: no window is closed before it has caught up");
            found.extend(clock_went_back.map(|by| Finding::new(Performance, told(by))));
        }
        for model in step(found, Drift, || self.logged())? {
            tick.drift_windows += step(found, Drift, || self.judge_drift(model, now))?;
        }
        step(found, Alerts, || self.write_down())?;
        let undone = step(found, Alerts, || self.db.alerts().act())?;
        found.extend(undone.map(|why| Finding::new(Alerts, format!("what alerts ask for waits: {why}"))));
        step(found, Alerts, || self.db.alerts().deliver())?;
        tick.ended = step(found, Alerts, || self.end_incidents(now))?;
        step(found, Alerts, || self.write_down())?;
        for experiment in step(found, Experiments, || self.experiments())? {
            let stopped = step(found, Experiments, || self.db.experiments().look_at(&experiment))?;
            tick.stopped.extend(stopped.then_some(experiment.config.name));
        }
        tick.findings = findings;
        Ok(tick)
    }

    /// Asks the trigger what is due: the number of a run that is to begin, and why a signal could not be had.
    pub(super) fn look_at_trigger(&self) -> Result<(Option<u64>, Option<Error>)> {
        let Looked { look, failure } = self.db.retraining().look(&self.model, &self.signals()?)?;
        match look {
            Look::Due(number) => Ok((Some(number), failure)),
            Look::Nothing | Look::Changed(_) => Ok((None, failure)),
        }
    }

    /// The versions that serve and log vectors.
    fn logged(&self) -> Result<Vec<ModelId>> {
        let serving = self.serving()?;
        let logged = self.db.embedding_log().models()?.into_iter();
        Ok(logged.filter(|model| serving.contains(model)).collect())
    }

    /// Judges what a version has logged; tells how many windows.
    fn judge_drift(&self, model: ModelId, now: Timestamp) -> Result<u64> {
        let monitor = self.db.drift_monitor(model, self.config()?.drift_options())?;
        Ok(monitor.tick(now)?.reports.len() as u64)
    }

    /// Ends the incidents of versions that are out of production, in no experiment that runs, and quiet: what does not serve
    /// cannot fail. What was in production until a moment ago may still be on its way.
    fn end_incidents(&self, now: Timestamp) -> Result<Vec<Incident>> {
        let alias = self.db.model(&self.model)?.alias(PRODUCTION)?;
        let Some((since, production)) = alias.and_then(|alias| Some((alias.since, alias.version?))) else {
            return Ok(Vec::new());
        };
        let experiments = self.db.experiments().active()?;
        let mut ended = Vec::new();
        for (version, incident) in self.incidents()? {
            let monitor = self.db.monitor(&version);
            let quiet = TimeRange { from: before(now, monitor.settings()?.step), to: Timestamp::NEVER };
            let tried = experiments.iter().any(|it| it.config.compares(&version));
            let serves = version.version() == production || since > quiet.from;
            if serves || tried || monitor.figures(quiet)?.predictions > 0 {
                continue;
            }
            let told = |it: &Incident| format!("{} of {} is over: {version} serves no more", it.metric, it.subject);
            ended.push(self.db.alerts().resolve_because(incident.id, told)?);
        }
        Ok(ended)
    }

    /// What the trigger is told of the version in production, or of any where none is: the values of its incidents, and its
    /// newest drift score.
    fn signals(&self) -> Result<Signals> {
        let production = self.production()?;
        let concerns = |version: &ModelId| production.as_deref().is_none_or(|it| it == version.version());
        let worst = |known: Option<f64>, value: f64| Some(known.map_or(value, |known| known.max(value)));
        let mut signals = Signals::new();
        for (_, incident) in self.incidents()?.into_iter().filter(|(version, _)| concerns(version)) {
            let signal = match &*incident.metric {
                metric::ACCURACY_DROP => &mut signals.accuracy_drop,
                metric::ERROR_RATE => &mut signals.error_rate,
                _ => continue,
            };
            *signal = worst(*signal, incident.value);
        }
        for (_, score) in self.scores()?.into_iter().filter(|(version, _)| concerns(version)) {
            signals.drift_score = worst(signals.drift_score, score);
        }
        Ok(signals)
    }

    /// The newest drift scores, each with its version, but for those that a run of training answers for: it was asked for
    /// since. One that failed answers for nothing.
    fn scores(&self) -> Result<Vec<(ModelId, f64)>> {
        let runs = self.db.retraining().history(&self.model, u32::MAX)?;
        let answered = runs.iter().filter(|run| run.state != RetrainState::Failed).map(|run| run.requested_at).max();
        let mut found = Vec::new();
        for (subject, score) in self.db.alerts().scores(&format!("{}@", self.model))? {
            if answered.is_none_or(|answered| score.told > answered)
                && let Some(version) = about(&self.db, &subject)?
            {
                found.push((version, score.value));
            }
        }
        Ok(found)
    }
}
