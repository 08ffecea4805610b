//! The model of what stands on the database: versions and aliases of models, the chain of audits, alerts, the embedding
//! log, experiments, baselines and triggers.
//!
//! Everything in it is counted, and what the n-th thing must hold follows from n. So a state is a few numbers, and
//! reading it from a store checks every record on the way.

use driftline::mlops::drift::Column;
use driftline::mlops::{
    AuditEntry, Cache, Change, Entry, ExperimentConfig, ExperimentState, Model, ModelId, NewVersion, RetrainConfig,
    Severity, TimeRange,
};
use driftline::{Database, ErrorKind, Result, json};

const MODEL: &str = "ranker";
const ALIAS: &str = "live";
const EXPERIMENT: &str = "ranker-2";
/// A model that is not in the registry: versions of one that is have to be registered first.
const TRIED: &str = "tried";
const BASELINE: &str = "prices";
const ALL: usize = 10_000;

/// What a store holds beside the collections of its users.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Typed {
    versions: u64,
    /// The versions that the alias was pointed to.
    moves: Vec<u64>,
    notes: u64,
    alerts: u64,
    logged: u64,
    /// Whether the experiment was made and started, and how many users are in it.
    experiment: (bool, bool, u64),
    baselines: u64,
    /// How often the trigger was configured.
    triggers: u64,
}

/// A change of it: one batch each.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Act {
    Register,
    PointAlias,
    Note,
    Alert,
    Log,
    Experiment,
    Baseline,
    Trigger,
}

impl Act {
    pub(crate) const ALL: [Act; 8] =
        [Act::Register, Act::PointAlias, Act::Note, Act::Alert, Act::Log, Act::Experiment, Act::Baseline, Act::Trigger];
}

fn change() -> Change {
    Change::by("kim")
}

fn logged_model() -> ModelId {
    ModelId::new("minilm", "1").expect("a name and a version")
}

impl Typed {
    /// Where the alias goes next; to the first version only while there is no other.
    fn target(&self) -> u64 {
        (self.moves.len() as u64) % self.versions.max(1)
    }

    /// What comes of an act.
    pub(crate) fn after(&self, act: Act) -> Typed {
        let mut after = self.clone();
        match act {
            Act::Register => after.versions += 1,
            Act::PointAlias if self.moves.last() == Some(&self.target()) || self.versions == 0 => {}
            Act::PointAlias => after.moves.push(self.target()),
            Act::Note => after.notes += 1,
            Act::Alert => after.alerts += 1,
            // Several at once, which are there together or not at all.
            Act::Log => after.logged += 3,
            Act::Experiment => match self.experiment {
                (false, ..) => after.experiment.0 = true,
                (_, false, _) => after.experiment.1 = true,
                _ => after.experiment.2 += 1,
            },
            Act::Baseline => after.baselines += 1,
            Act::Trigger => after.triggers += 1,
        }
        after
    }

    pub(crate) fn perform(&self, db: &Database, act: Act) -> Result<()> {
        match act {
            Act::Register => {
                let number = self.versions.to_string();
                let version = NewVersion::new(&*number).metric("number", self.versions as f64);
                db.model(MODEL)?.register(version, number.as_bytes()).map(drop)
            }
            Act::PointAlias if self.versions == 0 => Ok(()),
            Act::PointAlias => db.model(MODEL)?.set_alias(ALIAS, &self.target().to_string(), change()).map(drop),
            Act::Note => db.audit().append(AuditEntry::new("note", self.notes.to_string())).map(drop),
            Act::Alert => db.alerts().alert(Severity::Info, &self.alerts.to_string(), driftline::Value::Null).map(drop),
            Act::Log => {
                let entries = (self.logged..self.logged + 3).map(|number| Entry::new([number as f32, 1.0]));
                db.embedding_log().log_all(&logged_model(), entries).map(drop)
            }
            Act::Experiment => self.experiment(db),
            Act::Baseline => {
                let numbers = Column::numbers([self.baselines as f64; 3]);
                db.baselines().set_columns(BASELINE, [("price", numbers)]).map(drop)
            }
            Act::Trigger => {
                let config = RetrainConfig::new().min_new_samples(self.triggers + 1);
                db.retraining().configure(MODEL, config, change())
            }
        }
    }

    fn experiment(&self, db: &Database) -> Result<()> {
        let experiments = db.experiments();
        match self.experiment {
            (false, ..) => {
                let config = ExperimentConfig::new(EXPERIMENT, TRIED, "0", "1");
                experiments.create(config, change()).map(drop)
            }
            (_, false, _) => experiments.start(EXPERIMENT, change()).map(drop),
            (.., users) => experiments.assign(EXPERIMENT, &users.to_string(), ()).map(drop),
        }
    }

    /// What the store holds. Panics where something is not as it was written, or two places tell different things.
    pub(crate) fn of(db: &Database) -> Result<Typed> {
        let model = db.model(MODEL)?;
        let experiments = db.experiments();
        let experiment = experiments.list()?.into_iter().find(|it| it.config.name == EXPERIMENT);
        let running = experiment.as_ref().is_some_and(|it| it.state == ExperimentState::Running);
        let users = if experiment.is_some() { experiments.exposures(EXPERIMENT)? } else { Vec::new() };
        let named = |user: &str| user.parse::<u64>().expect("a user that was exposed") < users.len() as u64;
        assert!(users.iter().all(|it| named(&it.user)), "{users:?}");
        let baselines = db.baselines().history(BASELINE)?;
        assert!(baselines.iter().map(|it| it.version).eq(1..=baselines.len() as u64), "{baselines:?}");
        let trigger = match db.retraining().config(MODEL) {
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            config => config?.min_new_samples.expect("it was configured so"),
        };
        Ok(Typed {
            versions: versions(&model)?,
            moves: moves(db, &model)?,
            notes: notes(db)?,
            alerts: alerts(db)?,
            logged: logged(db)?,
            experiment: (experiment.is_some(), running, users.len() as u64),
            baselines: baselines.len() as u64,
            triggers: trigger,
        })
    }
}

/// Versions, each of which has its artifact.
fn versions(model: &Model) -> Result<u64> {
    let versions = model.list()?;
    for number in 0..versions.len() {
        let number = number.to_string();
        assert_eq!(model.load(&number)?.read_all(100)?, number.as_bytes(), "a version has another artifact");
    }
    Ok(versions.len() as u64)
}

/// An alias stands where its history ends, and each of its moves has an entry in the chain.
fn moves(db: &Database, model: &Model) -> Result<Vec<u64>> {
    let history = model.history(ALIAS)?;
    let moves: Vec<u64> = history.iter().map(|it| it.to.as_ref().expect("never none").parse().unwrap()).collect();
    let stands = model.alias(ALIAS)?.and_then(|alias| alias.version).map(|version| version.parse().unwrap());
    assert_eq!(stands, moves.last().copied(), "an alias and its history are one");
    let entries = db.audit().newest(ALL, |it| it.action.starts_with("alias."))?;
    assert_eq!(entries.len(), moves.len(), "each move has its entry");
    Ok(moves)
}

/// Notes in a chain without a gap.
fn notes(db: &Database) -> Result<u64> {
    let verdict = db.audit().verify()?;
    assert!(verdict.is_whole(), "{verdict:?}");
    let mut notes = db.audit().newest(ALL, |it| it.action == "note")?;
    notes.reverse();
    let count = notes.len() as u64;
    assert!(notes.iter().map(|it| it.subject.clone()).eq((0..count).map(|number| number.to_string())), "{notes:?}");
    Ok(count)
}

/// Alerts under numbers without gaps.
fn alerts(db: &Database) -> Result<u64> {
    let mut alerts = db.alerts().history(TimeRange::ALL, ALL)?;
    alerts.sort_by_key(|alert| alert.id);
    let count = alerts.len() as u64;
    assert!(alerts.iter().map(|it| it.id).eq(1..=count), "{alerts:?}");
    assert!(alerts.iter().map(|it| it.message.clone()).eq((0..count).map(|number| number.to_string())), "{alerts:?}");
    Ok(count)
}

fn logged(db: &Database) -> Result<u64> {
    let rows = match db.embedding_log().scan(&logged_model(), TimeRange::ALL) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        rows => rows?,
    };
    let mut numbers: Vec<f32> = rows.map(|row| row.map(|row| row.vector[0])).collect::<Result<_>>()?;
    // Where the clock was set back, times do not say which came first.
    numbers.sort_by(f32::total_cmp);
    assert!(numbers.iter().copied().eq((0..numbers.len()).map(|number| number as f32)), "{numbers:?}");
    Ok(numbers.len() as u64)
}

/// Keeps something in a cache, which is no promise: what is found later is what was kept, or nothing.
pub(crate) fn use_cache(db: &Database, name: u64) -> Result<()> {
    let (cache, name) = (db.cache()?, name.to_string());
    let found = cache.get(&name)?;
    assert!(found.is_none_or(|value| value == json!({"is": &*name}).into()), "a cache holds something else");
    cache.set(&name, json!({"is": &*name}).into(), None)
}
