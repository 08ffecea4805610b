//! Experiments: two versions of a model on users who are divided by chance.

mod analysis;
mod arms;
mod assignment;
mod comparison;
mod config;
mod decision;
mod power;
mod sample_ratio;
mod users;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::clock::Timestamp;
use crate::database::handle::Database;
use crate::database::request::Precondition;
use crate::error::{Error, ErrorKind, Result};
use crate::filter::{IntoFilter, Row as FilterRow};
use crate::key::Key;
use crate::mlops::change::Change;
use crate::mlops::table::{Row, Table};
use crate::payload::{self, Value};

pub use analysis::Analysis;
pub use arms::ArmSummary;
pub use assignment::{Variant, user_position};
pub use comparison::{MetricResult, Role};
pub(in crate::mlops) use config::check_share;
pub use config::{ExperimentConfig, ExperimentMetric, Goal, MetricKind, RampStep};
pub use decision::{Recommendation, Winner};
pub use power::{ExperimentSize, PowerCalculator};
pub use sample_ratio::SampleRatioCheck;
pub use users::Exposure;

/// The collections of experiments and of their users.
const EXPERIMENTS: &str = "_experiments";
const USERS: &str = "_experiment_users";
/// How often a user's record is tried again that somebody else changed meanwhile.
const ATTEMPTS: u32 = 100;

impl Database {
    /// The experiments of this store.
    pub fn experiments(&self) -> Experiments {
        Experiments { db: self.clone(), table: Table::new(self, EXPERIMENTS), users: Table::new(self, USERS) }
    }
}

/// The experiments of a store.
///
/// A user is assigned by a hash ([`user_position`]); the first exposure is written down and stands, whatever happens to the
/// split. Outcomes may come late and twice: the last stands. Every change of an experiment is in the audit log. May be used
/// from any thread.
///
/// The decision is that of an *always-valid* test (the mixture sequential probability ratio test of Johari, Koomen,
/// Pekelis and Walsh 2017), so an experiment may be looked at as often as one likes.
///
/// ```
/// use driftline::Database;
/// use driftline::mlops::{Change, ExperimentConfig, Recommendation};
///
/// let db = Database::in_memory()?;
/// let experiments = db.experiments();
/// experiments.create(ExperimentConfig::new("ranker-2", "ranker", "1.0.0", "2.0.0"), Change::by("kim"))?;
/// experiments.start("ranker-2", Change::by("kim"))?;
/// for user in 0..100 {
///     let user = format!("user-{user}");
///     let assigned = experiments.assign("ranker-2", &user, ())?;
///     let right = if assigned.version == "2.0.0" { 1.0 } else { 0.0 };
///     experiments.record_outcome("ranker-2", &user, "accuracy", right)?;
/// }
/// let analysis = experiments.analyze("ranker-2")?;
/// assert_eq!(analysis.recommendation, Recommendation::Continue, "100 users are too few");
/// # Ok::<(), driftline::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Experiments {
    db: Database,
    table: Table<Experiment>,
    users: Table<Exposure>,
}

/// An experiment and where it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Experiment {
    /// What it compares.
    pub config: ExperimentConfig,
    /// Its number in this store.
    pub number: u64,
    /// Where it stands.
    pub state: ExperimentState,
    /// When it was created.
    pub created: Timestamp,
    /// When it was started first.
    pub started: Option<Timestamp>,
    /// When it was stopped.
    pub ended: Option<Timestamp>,
    /// The share of B that was set by hand and overrules the plan.
    pub split_set: Option<f64>,
    /// The smallest always-valid p of the primary metric that was seen by a tick.
    pub smallest_p: f64,
    /// The smallest always-valid p of the split of users that was seen by a tick.
    #[serde(default = "unsuspicious")]
    pub smallest_ratio_p: f64,
    /// The analysis at its end.
    pub result: Option<Analysis>,
}

/// Where an experiment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExperimentState {
    /// It was created and not started.
    Created,
    /// Users are assigned.
    Running,
    /// Nobody new is assigned; outcomes are taken.
    Paused,
    /// It is over; outcomes are refused.
    Stopped,
}

/// What a user gets.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Assignment {
    /// The variant.
    pub variant: Variant,
    /// The version of the model.
    pub version: String,
    /// Whether the user is part of the experiment. Who is outside its segment, or comes while it does not run, gets the
    /// control and is not counted.
    pub counted: bool,
}

/// A prediction that was made for a user.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ExperimentPrediction<T> {
    /// What the user got.
    pub assignment: Assignment,
    /// The prediction.
    pub value: T,
    /// How long it took, by the store's clock.
    pub latency: Duration,
}

/// What became of outcomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct OutcomeCounts {
    /// Users whose first outcome this was.
    pub recorded: u64,
    /// Users whose earlier outcome it replaced.
    pub replaced: u64,
    /// Users who are no part of the experiment; nothing is kept of them.
    pub unknown: u64,
    /// Users for whom no prediction was told, so that a label says nothing.
    pub without_prediction: u64,
}

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

    /// The experiment of this name. Fails with `NotFound`, naming what there is.
    pub fn get(&self, name: &str) -> Result<Experiment> {
        Ok(self.row(name)?.value)
    }

    fn row(&self, name: &str) -> Result<Row<Experiment>> {
        if let Some(row) = self.table.get(name)? {
            return Ok(row);
        }
        let known: Vec<String> = self.list()?.into_iter().take(20).map(|it| it.config.name).collect();
        let mend =
            if known.is_empty() { "create it first".to_owned() } else { format!("name one of: {}", known.join(", ")) };
        Err(Error::new(ErrorKind::NotFound, format!("there is no experiment `{name}`")).mend(mend))
    }

    /// All experiments, by name.
    pub fn list(&self) -> Result<Vec<Experiment>> {
        Ok(self.table.walk(|scan| scan)?.into_iter().map(|row| row.value).collect())
    }

    /// Those that run, by name.
    pub fn active(&self) -> Result<Vec<Experiment>> {
        Ok(self.list()?.into_iter().filter(|it| it.state == ExperimentState::Running).collect())
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
        let now = self.db.now();
        let mut stopped = Vec::new();
        for experiment in self.active()? {
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
                let Row { mut value, lsn, .. } = self.row(name)?;
                value.check_state(action, from)?;
                apply(&mut value, db.now())?;
                let batch = db.batch().require(&self.table.collection()?, name, Precondition::AtLsn(lsn));
                let batch = self.table.put_in(batch, name, &value)?;
                let details = json!({"state": value.state, "split": value.split_set});
                changed = Some(value);
                Ok(Some((batch, vec![change.audited(&format!("experiment.{action}"), name.to_owned(), details)])))
            });
            done.map(drop)
        })?;
        changed.ok_or_else(|| Error::internal("an experiment was changed and is not there"))
    }

    /// Does something again that somebody else's change came between.
    fn retry<T>(&self, mut step: impl FnMut() -> Result<T>) -> Result<T> {
        let mut left = ATTEMPTS;
        loop {
            match step() {
                Err(error) if error.kind() == ErrorKind::Conflict && left > 0 => left -= 1,
                other => return other,
            }
        }
    }

    /// What a user gets, and that the user was exposed to it, which is written down the first time. `attributes` are what
    /// the segment's filter looks at; `()` where there is none.
    pub fn assign(&self, name: &str, user: &str, attributes: impl Into<Attributes>) -> Result<Assignment> {
        let experiment = self.get(name)?;
        let key = users::key(experiment.number, user)?;
        if let Some(known) = self.users.get(key.clone())? {
            let Exposure { variant, version, .. } = known.value;
            return Ok(Assignment { variant, version, counted: true });
        }
        let now = self.db.now();
        if experiment.state != ExperimentState::Running || !experiment.includes(&key, attributes.into(), now)? {
            return Ok(experiment.control());
        }
        let split = experiment.split_at(now);
        let variant = assignment::variant(user_position(name, &experiment.config.salt, user), split);
        let version = experiment.version(variant).to_owned();
        let exposure = Exposure {
            user: user.to_owned(),
            variant,
            version: version.clone(),
            exposed_at: now,
            split,
            prediction: None,
            outcomes: Default::default(),
        };
        let batch = self.db.batch().require(&self.users.collection()?, key.clone(), Precondition::Absent);
        match self.users.put_in(batch, key.clone(), &exposure)?.commit() {
            Ok(_) => Ok(Assignment { variant, version, counted: true }),
            // Somebody exposed the same user meanwhile: the first stands.
            Err(error) if error.kind() == ErrorKind::Conflict => {
                let known = self.users.get(key)?.ok_or(error)?.value;
                Ok(Assignment { variant: known.variant, version: known.version, counted: true })
            }
            Err(error) => Err(error),
        }
    }

    /// Assigns a user and has the version make a prediction, which is timed.
    pub fn make_prediction<T>(
        &self,
        name: &str,
        user: &str,
        attributes: impl Into<Attributes>,
        predict: impl FnOnce(&str) -> Result<T>,
    ) -> Result<ExperimentPrediction<T>> {
        let assignment = self.assign(name, user, attributes)?;
        let begun = self.db.now();
        let value = predict(&assignment.version)?;
        Ok(ExperimentPrediction { assignment, value, latency: self.db.now().since(begun) })
    }

    /// Notes what was predicted for a user, so that a label tells whether it was right. False when the user is no part of
    /// the experiment.
    pub fn record_prediction(&self, name: &str, user: &str, prediction: impl Into<Json>) -> Result<bool> {
        let prediction = prediction.into();
        self.change_user(name, user, |it| {
            it.prediction = Some(prediction.clone());
            Ok(())
        })
    }

    /// Notes an outcome of a metric for a user. Fails with `NotFound` when the user is no part of the experiment, and with
    /// `Invalid` when the experiment has no such metric, or when its values cannot be this one.
    pub fn record_outcome(&self, name: &str, user: &str, metric: &str, value: f64) -> Result<()> {
        let experiment = self.get(name)?;
        experiment.check_outcome(metric, value)?;
        let known = self.change_user(name, user, |it| {
            it.outcomes.insert(metric.to_owned(), value);
            Ok(())
        })?;
        if known {
            return Ok(());
        }
        Err(Error::new(ErrorKind::NotFound, format!("user {user:?} is no part of experiment `{name}`"))
            .mend("assign the user first"))
    }

    /// Notes true labels of users for whom predictions were noted: the outcome of the primary metric is 1 where they are
    /// equal, else 0.
    #[doc(alias = "update_prediction_outcomes")]
    pub fn update_outcomes(
        &self,
        name: &str,
        labels: impl IntoIterator<Item = (impl AsRef<str>, impl Into<Json>)>,
    ) -> Result<OutcomeCounts> {
        let primary = self.get(name)?.config.primary.name;
        let mut counts = OutcomeCounts::default();
        for (user, label) in labels {
            let label = label.into();
            let mut seen = (false, true);
            let known = self.change_user(name, user.as_ref(), |it| {
                seen = (it.outcomes.contains_key(&primary), it.prediction.is_some());
                if let Some(prediction) = &it.prediction {
                    let right = *prediction == label;
                    it.outcomes.insert(primary.clone(), f64::from(u8::from(right)));
                }
                Ok(())
            })?;
            let count = match (known, seen) {
                (false, _) => &mut counts.unknown,
                (true, (_, false)) => &mut counts.without_prediction,
                (true, (true, _)) => &mut counts.replaced,
                (true, (false, _)) => &mut counts.recorded,
            };
            *count += 1;
        }
        Ok(counts)
    }

    /// Changes a user's record; false when there is none.
    fn change_user(&self, name: &str, user: &str, mut change: impl FnMut(&mut Exposure) -> Result<()>) -> Result<bool> {
        let experiment = self.get(name)?;
        experiment.check_state("record an outcome of", &[ExperimentState::Running, ExperimentState::Paused])?;
        let key = users::key(experiment.number, user)?;
        self.retry(|| {
            let Some(Row { mut value, lsn, .. }) = self.users.get(key.clone())? else { return Ok(false) };
            change(&mut value)?;
            let batch = self.db.batch().require(&self.users.collection()?, key.clone(), Precondition::AtLsn(lsn));
            self.users.put_in(batch, key.clone(), &value)?.commit().map(|_| true)
        })
    }

    /// The users of an experiment, by their ids.
    pub fn exposures(&self, name: &str) -> Result<Vec<Exposure>> {
        let experiment = self.get(name)?;
        Ok(self.users.prefix(users::prefix(experiment.number))?.into_iter().map(|row| row.value).collect())
    }

    /// How an experiment stands; of one that was stopped, how it stood then. Reads the records of all its users.
    pub fn analyze(&self, name: &str) -> Result<Analysis> {
        let experiment = self.get(name)?;
        match &experiment.result {
            Some(result) => Ok(result.clone()),
            None => self.analysis_of(&experiment, self.db.now()),
        }
    }

    fn analysis_of(&self, experiment: &Experiment, now: Timestamp) -> Result<Analysis> {
        let mut collected = arms::Collected::new(&experiment.config);
        for row in self.users.iter(|scan| scan.prefix(users::prefix(experiment.number)))? {
            collected.add(&row?.value)?;
        }
        analysis::analyze(experiment, &collected, now)
    }
}

/// The p of what nobody looked at.
fn unsuspicious() -> f64 {
    1.0
}

impl Experiment {
    fn created(config: ExperimentConfig, number: u64, now: Timestamp) -> Experiment {
        Experiment {
            config,
            number,
            state: ExperimentState::Created,
            created: now,
            started: None,
            ended: None,
            split_set: None,
            smallest_p: 1.0,
            smallest_ratio_p: unsuspicious(),
            result: None,
        }
    }

    /// The share of users who get B at this time.
    pub fn split_at(&self, now: Timestamp) -> f64 {
        let since = self.started.map_or(Duration::ZERO, |started| now.since(started));
        self.split_set.unwrap_or_else(|| self.config.split_after(since))
    }

    /// Whether its time is over.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.started.is_some_and(|started| now.since(started) >= self.config.duration)
    }

    fn version(&self, variant: Variant) -> &str {
        match variant {
            Variant::A => &self.config.version_a,
            Variant::B => &self.config.version_b,
        }
    }

    fn control(&self) -> Assignment {
        Assignment { variant: Variant::A, version: self.config.version_a.clone(), counted: false }
    }

    fn includes(&self, key: &Key, attributes: Attributes, now: Timestamp) -> Result<bool> {
        let Some(segment) = &self.config.segment else { return Ok(true) };
        let payload = payload::encode(&attributes.0)?;
        let row = FilterRow { key: &key.encode(), created: now, payload: &payload };
        segment.as_str().into_filter()?.bind(now)?.matches(&row)
    }

    fn check_state(&self, action: &str, allowed: &[ExperimentState]) -> Result<()> {
        if allowed.contains(&self.state) {
            return Ok(());
        }
        let name = |state: &ExperimentState| format!("{state:?}").to_lowercase();
        let allowed: Vec<String> = allowed.iter().map(name).collect();
        let told = format!("cannot {action} experiment `{}`: it is {}", self.config.name, name(&self.state));
        Err(Error::new(ErrorKind::Conflict, told).mend(format!("it must be {}", allowed.join(" or "))))
    }

    fn check_outcome(&self, metric: &str, value: f64) -> Result<()> {
        let Some(known) = self.config.metrics().find(|it| it.name == metric) else {
            let names: Vec<&str> = self.config.metrics().map(|it| &*it.name).collect();
            return Err(Error::invalid(format!("experiment `{}` has no metric `{metric}`", self.config.name))
                .mend(format!("name one of: {}", names.join(", "))));
        };
        let fits = match known.kind {
            MetricKind::Rate => value == 0.0 || value == 1.0,
            MetricKind::Mean => value.is_finite(),
        };
        if fits {
            return Ok(());
        }
        let wanted = if known.kind == MetricKind::Rate { "0 or 1" } else { "a finite number" };
        Err(Error::invalid(format!("an outcome of `{metric}` is {value}")).mend(format!("give {wanted}")))
    }
}

/// What is known of a user, for the filter of a segment: a payload, or nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Attributes(Value);

impl From<()> for Attributes {
    fn from((): ()) -> Attributes {
        Attributes::default()
    }
}

impl From<Value> for Attributes {
    fn from(value: Value) -> Attributes {
        Attributes(value)
    }
}

impl From<Json> for Attributes {
    fn from(value: Json) -> Attributes {
        Attributes(value.into())
    }
}
