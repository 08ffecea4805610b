//! The model of what stands on the database: versions, aliases and gates of models, modes, the chain of audits, alerts with
//! their rules, silences and handlers, the embedding log and the embedders that it knows, experiments, baselines, triggers,
//! and a model that is watched.
//!
//! Everything in it is counted, and what the n-th thing must hold follows from n. So a state is a few numbers, and
//! reading it from a store checks every record on the way.

mod alerts;
mod canaries;
mod gates;
mod handlers;
mod models;
mod watched;

use driftline::mlops::drift::Column;
use driftline::mlops::{
    AuditEntry, AuditRecord, Cache, Change, Entry, ExperimentConfig, ExperimentState, ModelId, RetrainConfig, TimeRange,
};
use driftline::{Database, ErrorKind, Random, Result, Timestamp, json};

use alerts::Alerts;
use handlers::Handler;
pub(crate) use handlers::Heard;
use models::{MODEL, Models};
use watched::Watched;

const EXPERIMENT: &str = "ranker-2";
/// A model that is not in the registry: versions of one that is have to be registered first.
const TRIED: &str = "tried";
const BASELINE: &str = "prices";
const ALL: usize = 10_000;
/// Later than everything that the clock of a history shows.
const LATER: Timestamp = Timestamp(1 << 50);

/// What a store holds beside the collections of its users.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Typed {
    models: Models,
    notes: u64,
    alerts: Alerts,
    handler: Handler,
    logged: u64,
    /// Embedders that were attached.
    canaries: u64,
    /// Whether the experiment was made and started, and how many users are in it.
    experiment: (bool, bool, u64),
    baselines: u64,
    /// How often the trigger was configured.
    triggers: u64,
    watched: Watched,
}

/// A change of it. Closing windows, judging drift and telling a handler may be several batches, the others are one.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Act {
    Register,
    PointAlias,
    RollBack,
    ChangeMode,
    Note,
    Alert,
    Log,
    Experiment,
    Baseline,
    Trigger,
    Serve,
    Label,
    CloseWindows,
    JudgeDrift,
    SetRule,
    RemoveRule,
    Observe,
    Silence,
    Unsilence,
    TellHandler,
    SetGate,
    Approve,
    Attach,
}

impl Act {
    /// What a model does as it is used.
    const USE: [Act; 14] = [
        Act::Register,
        Act::PointAlias,
        Act::RollBack,
        Act::ChangeMode,
        Act::Note,
        Act::Alert,
        Act::Log,
        Act::Experiment,
        Act::Baseline,
        Act::Trigger,
        Act::Serve,
        Act::Label,
        Act::CloseWindows,
        Act::JudgeDrift,
    ];
    /// What people set up around it, and who is told.
    const CARE: [Act; 11] = [
        Act::SetRule,
        Act::RemoveRule,
        Act::Observe,
        Act::Observe,
        Act::Silence,
        Act::Unsilence,
        Act::TellHandler,
        Act::TellHandler,
        Act::SetGate,
        Act::Approve,
        Act::Attach,
    ];

    /// One of them; most are what a model does, which takes several in a row to come to anything.
    pub(crate) fn any(random: &mut Random) -> Act {
        let acts: &[Act] = if random.one_in(4) { &Act::CARE } else { &Act::USE };
        acts[random.below(acts.len() as u64) as usize]
    }

    /// Whether it may fail although some batches of it, or all of them, are there.
    pub(crate) fn goes_on_reading(self) -> bool {
        matches!(self, Act::CloseWindows | Act::JudgeDrift | Act::TellHandler)
    }
}

fn change() -> Change {
    Change::by("kim")
}

fn logged_model() -> ModelId {
    ModelId::new("minilm", "1").expect("a name and a version")
}

impl Typed {
    /// Whether the mode of the store does not allow it.
    fn refuses(&self, act: Act) -> bool {
        let is_protected = match act {
            Act::Register | Act::Baseline | Act::SetGate => true,
            Act::PointAlias => self.models.versions > 0,
            Act::Serve | Act::Label => self.watched.wants_baseline(),
            _ => false,
        };
        is_protected && self.models.are_serving()
    }

    /// Whether models serve, so that indexes stay as they are, too.
    pub(crate) fn is_serving(&self) -> bool {
        self.models.are_serving()
    }

    /// What comes of an act: the state after each batch of it, the last of which is the end. None where nothing changes.
    /// Of which alerts a handler is told, `db` says.
    pub(crate) fn path(&self, db: &Database, act: Act) -> Vec<Typed> {
        if self.refuses(act) {
            return Vec::new();
        }
        let watched = |path: Vec<Watched>| path.into_iter().map(|watched| Typed { watched, ..self.clone() }).collect();
        match act {
            Act::CloseWindows => watched(self.watched.closed()),
            Act::JudgeDrift => watched(self.watched.judged()),
            Act::TellHandler => {
                let path = self.handler.told(db).expect("an open store can be read").into_iter();
                path.map(|handler| Typed { handler, ..self.clone() }).collect()
            }
            _ => vec![self.after(act)],
        }
    }

    /// What comes of an act that is one batch.
    fn after(&self, act: Act) -> Typed {
        let mut after = self.clone();
        match act {
            Act::Register => after.models.versions += 1,
            Act::PointAlias => after.models.point(),
            Act::RollBack => after.models.roll_back(),
            Act::ChangeMode => after.models.change_mode(),
            Act::Note => after.notes += 1,
            Act::Alert => after.alerts.raise(),
            // Several at once, which are there together or not at all.
            Act::Log => after.logged += 3,
            Act::Experiment => match self.experiment {
                (false, ..) => after.experiment.0 = true,
                (_, false, _) => after.experiment.1 = true,
                _ => after.experiment.2 += 1,
            },
            Act::Baseline => after.baselines += 1,
            Act::Trigger => after.triggers += 1,
            Act::Serve => after.watched.serve(),
            Act::Label => after.watched.label(),
            Act::SetRule => after.alerts.set_rule(),
            Act::RemoveRule => after.alerts.remove_rule(),
            Act::Observe => after.alerts.observe(),
            Act::Silence => after.alerts.silence(),
            Act::Unsilence => after.alerts.unsilence(),
            Act::SetGate => after.models.set_gate(),
            Act::Approve => after.models.approve(),
            Act::Attach => after.canaries += 1,
            Act::CloseWindows | Act::JudgeDrift | Act::TellHandler => unreachable!("they may be several batches"),
        }
        after
    }

    /// Does it. What the mode does not allow is refused. What a handler hears is added to what it has heard.
    pub(crate) fn perform(&self, db: &Database, act: Act, heard: &mut Heard) -> Result<()> {
        match (self.attempt(db, act, heard), self.refuses(act)) {
            (Err(error), true) if error.kind() == ErrorKind::ReadOnly => Ok(()),
            (Ok(()), true) => panic!("{act:?} while models serve"),
            (outcome, _) => outcome,
        }
    }

    fn attempt(&self, db: &Database, act: Act, heard: &mut Heard) -> Result<()> {
        match act {
            Act::Register => self.models.perform_register(db),
            Act::PointAlias => self.models.perform_point(db),
            Act::RollBack => self.models.perform_roll_back(db),
            Act::ChangeMode => self.models.perform_change_mode(db),
            Act::Note => db.audit().append(AuditEntry::new("note", self.notes.to_string())).map(drop),
            Act::Alert => self.alerts.perform_raise(db),
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
            Act::Serve => self.watched.perform_serve(db),
            Act::Label => self.watched.perform_label(db),
            Act::CloseWindows => self.watched.perform_close(db),
            Act::JudgeDrift => self.watched.perform_judge(db),
            Act::SetRule => self.alerts.perform_set_rule(db),
            Act::RemoveRule => self.alerts.perform_remove_rule(db),
            Act::Observe => self.alerts.perform_observe(db),
            Act::Silence => self.alerts.perform_silence(db),
            Act::Unsilence => self.alerts.perform_unsilence(db),
            Act::TellHandler => Handler::perform(db, heard),
            Act::SetGate => self.models.perform_set_gate(db),
            Act::Approve => self.models.perform_approve(db),
            Act::Attach => canaries::perform(db, self.canaries),
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
        let entries = audited(db)?;
        let watched = Watched::of(db)?;
        let trigger = match db.retraining().config(MODEL) {
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            config => config?.min_new_samples.expect("it was configured so"),
        };
        Ok(Typed {
            models: Models::of(db, &entries)?,
            notes: notes(&entries),
            alerts: Alerts::of(db, &alerts::recorded(db)?, &watched)?,
            handler: Handler::of(db)?,
            logged: logged(db)?,
            canaries: canaries::of(db)?,
            experiment: experiment(db)?,
            baselines: baselines(db)?,
            triggers: trigger,
            watched,
        })
    }
}

/// The audit log, the first entry first: a chain without a gap.
fn audited(db: &Database) -> Result<Vec<AuditRecord>> {
    let verdict = db.audit().verify()?;
    assert!(verdict.is_whole(), "{verdict:?}");
    let mut entries = db.audit().newest(ALL, |_| true)?;
    entries.reverse();
    Ok(entries)
}

fn notes(entries: &[AuditRecord]) -> u64 {
    from_zero(entries.iter().filter(|it| it.action == "note").map(|it| &*it.subject))
}

/// How many texts there are, which are the numbers from 0 on.
fn from_zero<'a>(texts: impl Iterator<Item = &'a str>) -> u64 {
    let numbers: Vec<u64> = texts.map(|text| text.parse().expect("a number")).collect();
    assert!(numbers.iter().copied().eq(0..numbers.len() as u64), "{numbers:?}");
    numbers.len() as u64
}

/// Baselines under versions without gaps, the newest of which has its rows.
fn baselines(db: &Database) -> Result<u64> {
    let baselines = db.baselines().history(BASELINE)?;
    let count = baselines.len() as u64;
    assert!(baselines.iter().map(|it| it.version).eq(1..=count), "{baselines:?}");
    if let Some(newest) = baselines.last() {
        let columns = db.baselines().columns(newest)?;
        assert_eq!(columns["price"], Column::numbers([(count - 1) as f64; 3]), "a baseline has other rows");
    }
    Ok(count)
}

/// Whether the experiment is there and runs, and how many users are in it.
fn experiment(db: &Database) -> Result<(bool, bool, u64)> {
    let experiments = db.experiments();
    let Some(experiment) = experiments.list()?.into_iter().find(|it| it.config.name == EXPERIMENT) else {
        return Ok((false, false, 0));
    };
    let users = experiments.exposures(EXPERIMENT)?;
    let named = |user: &str| user.parse::<u64>().expect("a user that was exposed") < users.len() as u64;
    assert!(users.iter().all(|it| named(&it.user)), "{users:?}");
    Ok((true, experiment.state == ExperimentState::Running, users.len() as u64))
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
