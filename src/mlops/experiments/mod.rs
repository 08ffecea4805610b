//! Experiments: two versions of a model on users who are divided by chance.

mod analysis;
mod arms;
mod assignment;
mod comparison;
mod config;
mod decision;
mod experiment;
mod lifecycle;
mod power;
mod recording;
mod sample_ratio;
mod users;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::database::handle::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::mlops::table::{Row, Table};

pub use analysis::Analysis;
pub use arms::ArmSummary;
pub use assignment::{Variant, user_position};
pub use comparison::{MetricResult, Role};
pub(in crate::mlops) use config::check_share;
pub use config::{ExperimentConfig, ExperimentMetric, Goal, MetricKind, RampStep};
pub use decision::{Recommendation, Winner};
pub use experiment::{Assignment, Attributes};
pub use power::{ExperimentSize, PowerCalculator};
pub use recording::{ExperimentPrediction, OutcomeCounts};
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
    /// Users are assigned, until its planned end.
    Running,
    /// Nobody new is assigned; outcomes are taken.
    Paused,
    /// It is over; outcomes are refused.
    Stopped,
}

impl Experiments {
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

    /// The users of an experiment, by their ids.
    pub fn exposures(&self, name: &str) -> Result<Vec<Exposure>> {
        let experiment = self.get(name)?;
        Ok(self.users.prefix(users::prefix(experiment.number))?.into_iter().map(|row| row.value).collect())
    }

    /// How an experiment stands; of one that was stopped, how it stood then. Reads the records of all its users; who was
    /// exposed after its planned end does not count.
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
            let exposure = row?.value;
            if !experiment.is_over(exposure.exposed_at) {
                collected.add(&exposure)?;
            }
        }
        analysis::analyze(experiment, &collected, now)
    }
}

/// The p of what nobody looked at.
fn unsuspicious() -> f64 {
    1.0
}
