//! The life of experiments: created, started, paused, stopped.

use serde_json::json;

use crate::clock::Timestamp;
use crate::database::batch::Batch;
use crate::database::request::Precondition;
use crate::error::{Error, ErrorKind, Result};
use crate::mlops::audit::AuditEntry;
use crate::mlops::change::Change;
use crate::mlops::experiments::config::{self, ExperimentConfig};
use crate::mlops::experiments::{Experiment, ExperimentState, Experiments};
use crate::mlops::table::Row;

impl Experiments {
    /// Creates an experiment, which does not run yet. Fails with `Exists` when there is one of its name, and with
    /// `Invalid` or `Filter`, naming the field, when the configuration is not usable.
    pub fn create(&self, config: ExperimentConfig, change: Change) -> Result<Experiment> {
        config.check()?;
        let mut created = None;
        let done = self.db.audit().commit_built(|db| {
            let number = self.table.walk(|scan| scan)?.len() as u64 + 1;
            let experiment = Experiment::created(config.clone(), number, db.now());
            let batch = db.batch().require(&self.table.collection()?, &*config.name, Precondition::Absent);
            let batch = self.table.put_in(batch, &*config.name, &experiment)?;
            created = Some(experiment);
            Ok(Some((batch, vec![change.audited("experiment.create", config.name.clone(), json!({"config": config}))])))
        });
        match done {
            Err(error) if error.kind() == ErrorKind::Conflict => {
                Err(Error::new(ErrorKind::Exists, format!("there is an experiment `{}` already", config.name))
                    .mend("give this one another name; an experiment is kept after its end"))
            }
            other => {
                other.and_then(|_| created.ok_or_else(|| Error::internal("an experiment was made and is not there")))
            }
        }
    }

    /// Starts an experiment that was created, or goes on with one that was paused.
    pub fn start(&self, name: &str, change: Change) -> Result<Experiment> {
        use ExperimentState::{Created, Paused, Running};
        self.change_state(name, "start", &[Created, Paused], change, |experiment, now| {
            experiment.state = Running;
            experiment.started.get_or_insert(now);
            Ok(())
        })
    }

    /// Assigns nobody new until it is started again.
    pub fn pause(&self, name: &str, change: Change) -> Result<Experiment> {
        self.change_state(name, "pause", &[ExperimentState::Running], change, |experiment, _| {
            experiment.state = ExperimentState::Paused;
            Ok(())
        })
    }

    /// Pauses every experiment of a model that runs; returns their names.
    pub fn pause_all(&self, model: &str, change: &Change) -> Result<Vec<String>> {
        let running = self.active()?.into_iter().filter(|it| it.config.model == model);
        running.map(|it| Ok(self.pause(&it.config.name, change.clone())?.config.name)).collect()
    }

    /// Ends an experiment and keeps its analysis as the result.
    pub fn stop(&self, name: &str, change: Change) -> Result<Experiment> {
        use ExperimentState::{Paused, Running, Stopped};
        self.change_state(name, "stop", &[Running, Paused], change, |experiment, now| {
            let analysis = self.analysis_of(experiment, now)?;
            experiment.state = Stopped;
            experiment.ended = Some(now);
            experiment.result = Some(analysis);
            Ok(())
        })
    }

    /// Sets the share of users who get B from now on, overruling the plan. Who was exposed before keeps what they have.
    pub fn set_split(&self, name: &str, share: f64, change: Change) -> Result<Experiment> {
        use ExperimentState::{Created, Paused, Running};
        config::check_share("the split", share)?;
        self.change_state(name, "split", &[Created, Running, Paused], change, |experiment, _| {
            experiment.split_set = Some(share);
            Ok(())
        })
    }

    /// Stops the experiments whose time is over, and notes how the others stand. To be called now and then, for example
    /// every day; returns the names of those that were stopped.
    pub fn tick(&self) -> Result<Vec<String>> {
        self.tick_those(|_| true)
    }

    /// The same for the experiments of one model.
    pub(crate) fn tick_of(&self, model: &str) -> Result<Vec<String>> {
        self.tick_those(|experiment| experiment.config.model == model)
    }

    fn tick_those(&self, those: impl Fn(&Experiment) -> bool) -> Result<Vec<String>> {
        let now = self.db.now();
        let mut stopped = Vec::new();
        for experiment in self.active()?.into_iter().filter(those) {
            let name = &experiment.config.name;
            if experiment.is_over(now) {
                self.stop(name, Change::default().because("its time is over"))?;
                stopped.push(name.clone());
                continue;
            }
            let analysis = self.analysis_of(&experiment, now)?;
            let p = analysis.p_always_valid.unwrap_or(1.0);
            let ratio_p = analysis.sample_ratio.map_or(1.0, |check| check.p_always_valid);
            if p < experiment.smallest_p || ratio_p < experiment.smallest_ratio_p {
                self.amend(name, |it| {
                    it.smallest_p = it.smallest_p.min(p);
                    it.smallest_ratio_p = it.smallest_ratio_p.min(ratio_p);
                })?;
            }
        }
        Ok(stopped)
    }

    fn amend(&self, name: &str, amend: impl Fn(&mut Experiment)) -> Result<()> {
        self.retry(|| {
            let Row { mut value, lsn, .. } = self.row(name)?;
            amend(&mut value);
            let batch = self.db.batch().require(&self.table.collection()?, name, Precondition::AtLsn(lsn));
            self.table.put_in(batch, name, &value)?.commit().map(drop)
        })
    }

    /// What pausing an experiment would commit, for a batch that does more.
    pub(crate) fn pause_in(&self, batch: Batch, name: &str, change: &Change) -> Result<(Batch, AuditEntry)> {
        let (batch, _, entry) = self.stepped(batch, name, "pause", &[ExperimentState::Running], change, |it, _| {
            it.state = ExperimentState::Paused;
            Ok(())
        })?;
        Ok((batch, entry))
    }

    fn change_state(
        &self,
        name: &str,
        action: &str,
        from: &[ExperimentState],
        change: Change,
        apply: impl Fn(&mut Experiment, Timestamp) -> Result<()>,
    ) -> Result<Experiment> {
        let mut changed = None;
        self.retry(|| {
            let done = self.db.audit().commit_built(|db| {
                let (batch, experiment, entry) = self.stepped(db.batch(), name, action, from, &change, &apply)?;
                changed = Some(experiment);
                Ok(Some((batch, vec![entry])))
            });
            done.map(drop)
        })?;
        changed.ok_or_else(|| Error::internal("an experiment was changed and is not there"))
    }

    /// An experiment in its next state, in a batch that fails where somebody else has changed it since.
    fn stepped(
        &self,
        batch: Batch,
        name: &str,
        action: &str,
        from: &[ExperimentState],
        change: &Change,
        apply: impl FnOnce(&mut Experiment, Timestamp) -> Result<()>,
    ) -> Result<(Batch, Experiment, AuditEntry)> {
        let Row { mut value, lsn, .. } = self.row(name)?;
        value.check_state(action, from)?;
        apply(&mut value, self.db.now())?;
        let batch = batch.require(&self.table.collection()?, name, Precondition::AtLsn(lsn));
        let batch = self.table.put_in(batch, name, &value)?;
        let details = json!({"state": value.state, "split": value.split_set});
        let entry = change.audited(&format!("experiment.{action}"), name.to_owned(), details);
        Ok((batch, value, entry))
    }
}
