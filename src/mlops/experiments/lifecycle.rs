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
    /// Creates an experiment, which does not run yet. Fails with `Exists` when there is one of its name, with
    /// `Invalid` or `Filter`, naming the field, when the configuration is not usable, and with `NotFound` when the registry
    /// has the model and not these versions of it. A model that is not in the registry may be tried as well.
    pub fn create(&self, config: ExperimentConfig, change: Change) -> Result<Experiment> {
        config.check()?;
        self.check_registered(&config)?;
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

    fn check_registered(&self, config: &ExperimentConfig) -> Result<()> {
        let model = self.db.model(&config.model)?;
        if model.latest()?.is_none() {
            return Ok(());
        }
        [&config.version_a, &config.version_b].into_iter().try_for_each(|version| model.version(version).map(drop))
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

    /// Pauses every experiment of a model that runs; returns their names. One experiment's failure keeps nobody from the
    /// others; the first is returned when all have been tried.
    pub fn pause_all(&self, model: &str, change: &Change) -> Result<Vec<String>> {
        self.pause_each(self.active()?.into_iter().filter(|it| it.config.model == model), change)
    }

    fn pause_each(&self, running: impl Iterator<Item = Experiment>, change: &Change) -> Result<Vec<String>> {
        let (mut paused, mut failure) = (Vec::new(), None);
        for name in running.map(|it| it.config.name) {
            match self.pause(&name, change.clone()) {
                Ok(_) => paused.push(name),
                // Somebody else has paused or stopped it since it was looked up.
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => drop(failure.get_or_insert(error)),
            }
        }
        failure.map_or(Ok(paused), Err)
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

    /// Stops the experiments whose time is over, those that are paused as well, and notes how the others stand. To be called
    /// now and then, for example every day; returns the names of those that were stopped. One experiment's failure keeps
    /// nobody from the others; the first is returned when all have been looked at.
    pub fn tick(&self) -> Result<Vec<String>> {
        let (mut stopped, mut failure) = (Vec::new(), None);
        for experiment in self.list()?.into_iter().filter(Experiment::lasts) {
            match self.look_at(&experiment) {
                Ok(over) => stopped.extend(over.then_some(experiment.config.name)),
                Err(error) => drop(failure.get_or_insert(error)),
            }
        }
        failure.map_or(Ok(stopped), Err)
    }

    /// Stops an experiment whose time is over, and tells so; else notes how it stands.
    pub(crate) fn look_at(&self, experiment: &Experiment) -> Result<bool> {
        let (name, now) = (&experiment.config.name, self.db.now());
        if experiment.is_over(now) {
            return match self.stop(name, Change::default().because("its time is over")) {
                Ok(_) => Ok(true),
                // Somebody else has stopped it since it was looked up.
                Err(error) if error.kind() == ErrorKind::Conflict => Ok(false),
                Err(error) => Err(error),
            };
        }
        let analysis = self.analysis_of(experiment, now)?;
        let p = analysis.p_always_valid.unwrap_or(1.0);
        let ratio_p = analysis.sample_ratio.map_or(1.0, |check| check.p_always_valid);
        if p < experiment.smallest_p || ratio_p < experiment.smallest_ratio_p {
            self.amend(name, |it| {
                it.smallest_p = it.smallest_p.min(p);
                it.smallest_ratio_p = it.smallest_ratio_p.min(ratio_p);
            })?;
        }
        Ok(false)
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::clock::ManualClock;
    use crate::collection::record::Record;
    use crate::database::handle::Database;
    use crate::database::options::Options;
    use crate::mlops::experiments::users::{self, Exposure};
    use crate::payload::Value;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn one_that_cannot_be_read_or_was_stopped_keeps_nobody_from_the_others() {
        let clock = Arc::new(ManualClock::new(Timestamp(0)));
        let db = Options::new().clock(clock.clone()).in_memory().unwrap();
        let (experiments, by_kim) = (db.experiments(), || Change::by("kim"));
        for name in ["a", "b", "c"] {
            experiments.create(ExperimentConfig::new(name, "ranker", "1", "2"), by_kim()).unwrap();
            experiments.start(name, by_kim()).unwrap();
        }
        let before = experiments.get("b").unwrap();
        let unreadable = Record::new(users::key(1, "kim").unwrap()).payload(Value::from("no user"));
        experiments.users.collection().unwrap().put(unreadable).unwrap();
        experiments.pause("c", by_kim()).unwrap();
        let states = || ["a", "b", "c"].map(|name| experiments.get(name).unwrap().state);
        assert_eq!(experiments.tick().unwrap_err().kind(), ErrorKind::Corrupt);
        clock.advance(Duration::from_secs(14 * 86_400));
        assert_eq!(experiments.tick().unwrap_err().kind(), ErrorKind::Corrupt, "it is said");
        use ExperimentState::{Running, Stopped};
        assert_eq!(states(), [Running, Stopped, Stopped]);
        assert!(!experiments.look_at(&before).unwrap(), "somebody was first");
    }

    #[test]
    fn pausing_all_passes_over_what_was_stopped_and_goes_on_after_a_failure() {
        let db = Database::in_memory().unwrap();
        let (experiments, by_kim) = (db.experiments(), || Change::by("kim"));
        for name in ["a", "b", "c", "d"] {
            experiments.create(ExperimentConfig::new(name, "ranker", "1", "2"), by_kim()).unwrap();
            experiments.start(name, by_kim()).unwrap();
        }
        let running = experiments.active().unwrap();
        experiments.stop("a", by_kim()).unwrap();
        assert_eq!(experiments.pause_each(running[..2].iter().cloned(), &by_kim()).unwrap(), ["b"]);
        let unreadable = Record::new("c").payload(Value::from("no experiment"));
        experiments.table.collection().unwrap().put(unreadable).unwrap();
        let failed = experiments.pause_each(running[2..].iter().cloned(), &by_kim()).unwrap_err();
        assert_eq!(failed.kind(), ErrorKind::Corrupt);
        assert_eq!(experiments.get("d").unwrap().state, ExperimentState::Paused);
    }

    #[test]
    fn who_was_exposed_after_the_end_does_not_count() {
        let clock = Arc::new(ManualClock::new(Timestamp(0)));
        let db = Options::new().clock(clock.clone()).in_memory().unwrap();
        let experiments = db.experiments();
        experiments.create(ExperimentConfig::new("a", "ranker", "1", "2"), Change::by("kim")).unwrap();
        let end = experiments.start("a", Change::by("kim")).unwrap().started.unwrap().after(14 * DAY);
        clock.set(Timestamp(end.0 - 1));
        assert!(experiments.assign("a", "before", ()).unwrap().counted);
        clock.set(end);
        assert!(!experiments.assign("a", "at", ()).unwrap().counted, "nobody has stopped it, and it is over");
        let known = experiments.assign("a", "before", ()).unwrap();
        assert!(known.counted, "who takes part keeps what they have");
        // As an earlier version had written it down.
        let exposure = experiments.exposures("a").unwrap().remove(0);
        let late = Exposure { user: "late".into(), exposed_at: end, ..exposure };
        experiments.users.put(users::key(1, "late").unwrap(), &late).unwrap();
        let analysis = experiments.analyze("a").unwrap();
        assert_eq!(analysis.users_a + analysis.users_b, 1);
    }
}
