//! Pipelines: one model watched, and what follows when it fails, set up from one configuration.

mod actions;
mod builder;
mod chronicle;
mod finding;
mod serving;
mod status;
mod stored;
mod thread;
mod tick;

pub use builder::PipelineBuilder;
pub use finding::{Concern, Finding};
pub use status::PipelineStatus;
pub use thread::PipelineThread;
pub use tick::PipelineTick;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::database::handle::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::filter::suggest;
use crate::mlops::change::Change;
use crate::mlops::config::Config;
use crate::mlops::experiments::ExperimentConfig;
use crate::sync::Mutex;
use stored::Stored;

impl Database {
    /// The models that have a pipeline, by name.
    pub fn pipelines(&self) -> Result<Vec<String>> {
        let rows = stored::table(self).walk(|scan| scan)?;
        Ok(rows.into_iter().filter_map(|row| row.key.as_text().map(str::to_owned)).collect())
    }

    /// The pipeline of a model, as it was set up. Nothing is done for it before it ticks or is started. Fails with `NotFound`
    /// when there is none.
    pub fn pipeline(&self, model: &str) -> Result<Pipeline> {
        if stored::table(self).get(model)?.is_none() {
            let known = self.pipelines()?;
            let error = Error::new(ErrorKind::NotFound, format!("there is no pipeline of model `{model}`"));
            return Err(match suggest(model, known.iter().map(String::as_str)) {
                Some(near) => error.mend(format!("did you mean `{near}`?")),
                None => error.mend("set one up with a configuration"),
            });
        }
        Ok(Pipeline { db: self.clone(), model: model.to_owned() })
    }
}

/// A model that is watched, and what is done when it fails.
///
/// It joins the parts that stand on the store: monitors of performance and drift of the versions that serve, rules for
/// alerts, the trigger for retraining, the alias `production`, and experiments. [`Pipeline::tick`] does what is due;
/// [`Pipeline::start`] has a thread do so. What a pipeline was set up with is stored: a store that is opened again has it, and
/// setting it up again with the same changes nothing.
///
/// Three actions that alerts ask for are done, each in one batch with the note that it was done, so once, whatever the
/// machine does in between, and while their incident lasts:
///
/// - `roll_back`: where the version that fails is in production, `production` goes back to the latest earlier version with the
///   tag `stable`, or to the one before where none has it;
/// - `force_retrain`: a run of training is asked for, where the version that fails is in production or was rolled back for
///   the same alert, and no run has answered for it;
/// - `pause_experiments`: running experiments that have the version assign nobody any more.
///
/// An action that the application has registered for with [`Alerts::perform`](super::Alerts::perform) is its own. Each
/// alert about the model, and each action that could not be done, is in the audit log, under the correlation of the
/// incident: [`AuditLog::correlated`](super::AuditLog::correlated) tells the story.
///
/// Cheap to clone, may be used from any thread.
///
/// ```
/// use driftline::Database;
/// use driftline::mlops::{Change, Config, Mode, NewVersion, Observation, Pipeline, metric};
///
/// let db = Database::in_memory()?;
/// let ranker = db.model("ranker")?;
/// ranker.register(NewVersion::new("1.0.0").metric("accuracy", 0.90).tag("stable"), &b"the first"[..])?;
/// ranker.register(NewVersion::new("1.1.0").metric("accuracy", 0.92), &b"the second"[..])?;
/// let pipeline = Pipeline::from_config(&db, &Config::default(), "ranker")?;
/// for version in ["1.0.0", "1.1.0"] {
///     let _training = db.modes().enter(Mode::Training, Change::by("kim"))?;
///     ranker.promote_to_production(version, Change::by("kim"))?;
/// }
///
/// // Predictions are recorded and labels come; here somebody tells what they would.
/// db.alerts().observe(&Observation::new("ranker@1.1.0", metric::ACCURACY_DROP, 0.3))?;
/// pipeline.tick(db.now())?;
/// assert_eq!(ranker.production()?.expect("one serves").version(), "1.0.0");
/// # Ok::<(), driftline::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Pipeline {
    db: Database,
    model: String,
}

/// What is done once for each open store, the same for all handles: that actions are registered for, and the checks of
/// health that were added.
#[derive(Debug, Default)]
struct Registered(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    actions: bool,
    /// The models whose check of health was added.
    checks: BTreeSet<String>,
}

impl Pipeline {
    /// Sets up the pipeline of a model from a configuration; see [`PipelineBuilder`] for what a file cannot hold.
    pub fn from_config(db: &Database, config: &Config, model: &str) -> Result<Pipeline> {
        Pipeline::builder(db, model).config(config).open()
    }

    /// Registers for what alerts ask for, and adds the check of health, once for each open store. Fails with `NotFound` where
    /// the pipeline was removed.
    fn register(&self) -> Result<()> {
        let registered: Arc<Registered> = self.db.companion();
        let mut known = registered.0.lock();
        // Looked at under the lock, so that one that is being removed is not registered anew.
        self.stored()?;
        if !known.actions {
            actions::register(&self.db)?;
            known.actions = true;
        }
        if !known.checks.contains(&self.model) {
            status::add_check(self)?;
            known.checks.insert(self.model.clone());
        }
        Ok(())
    }

    /// Takes the check of health away.
    fn unregister(&self) {
        let registered: Arc<Registered> = self.db.companion();
        let mut known = registered.0.lock();
        if known.checks.remove(&self.model) {
            self.db.remove_check(&status::check_name(&self.model));
        }
    }

    /// The model.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// What it was set up with.
    pub fn config(&self) -> Result<Config> {
        Ok(self.stored()?.config)
    }

    /// When it was set up so.
    pub fn since(&self) -> Result<Timestamp> {
        Ok(self.stored()?.since)
    }

    fn stored(&self) -> Result<Stored> {
        let row = stored::table(&self.db).get(self.model.as_str())?;
        row.map(|row| row.value).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("the pipeline of model `{}` was removed", self.model))
                .mend("set it up again")
        })
    }

    /// An experiment between two versions of the model, with what the configuration says of experiments.
    pub fn experiment(&self, name: &str, a: &str, b: &str) -> Result<ExperimentConfig> {
        Ok(self.config()?.experiments.experiment(name, &*self.model, a, b))
    }

    /// Takes the pipeline away: nothing is done for the model any more. Rules, the trigger and all records stay as they are.
    pub fn remove(self, change: Change) -> Result<()> {
        let table = stored::table(&self.db);
        self.db.audit().commit_built(|db| {
            if table.get(self.model.as_str())?.is_none() {
                return Ok(None);
            }
            let batch = db.batch().delete(&table.collection()?, self.model.as_str());
            let entry = change.audited("pipeline.remove", self.model.clone(), serde_json::json!({}));
            Ok(Some((batch, vec![entry])))
        })?;
        self.unregister();
        Ok(())
    }
}
