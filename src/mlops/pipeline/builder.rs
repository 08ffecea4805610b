//! Setting a pipeline up.

use std::fmt;

use serde_json::json;

use super::Pipeline;
use super::stored::{self, Stored};
use crate::database::handle::Database;
use crate::error::Result;
use crate::mlops::change::Change;
use crate::mlops::config::Config;
use crate::mlops::model::ModelId;
use crate::mlops::performance::{Monitor, MonitorBuilder};
use crate::mlops::retraining::{RetrainCommand, RetrainEvent};

/// Trains a model; returns what came of it.
type Trainer = Box<dyn Fn(&RetrainEvent) -> Result<String> + Send + Sync>;
/// Sets up the baseline of a version.
type Baseline = Box<dyn FnOnce(MonitorBuilder) -> MonitorBuilder>;

/// Sets up a pipeline: a configuration, and what a file cannot hold.
///
/// ```
/// use driftline::Database;
/// use driftline::mlops::{Change, Config, Pipeline};
///
/// let db = Database::in_memory()?;
/// let mut config = Config::default();
/// config.monitoring.window = 500;
/// let pipeline = Pipeline::builder(&db, "ranker")
///     .config(&config)
///     .baseline("1.0.0", |monitor| monitor.baseline_accuracy(0.92))
///     .on_retrain(|run| Ok(format!("trained because {}", run.reasons[0].text)))
///     .by(Change::by("kim").because("the ranker goes live"))
///     .open()?;
/// assert_eq!(pipeline.config()?, config);
/// # Ok::<(), driftline::Error>(())
/// ```
#[must_use = "nothing is set up before open"]
pub struct PipelineBuilder {
    db: Database,
    model: String,
    config: Config,
    change: Change,
    trainer: Option<Trainer>,
    baselines: Vec<(String, Baseline)>,
}

impl fmt::Debug for PipelineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipelineBuilder")
            .field("model", &self.model)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Pipeline {
    /// Begins to set up the pipeline of a model, with the default configuration.
    pub fn builder(db: &Database, model: &str) -> PipelineBuilder {
        PipelineBuilder {
            db: db.clone(),
            model: model.to_owned(),
            config: Config::default(),
            change: Change::default(),
            trainer: None,
            baselines: Vec::new(),
        }
    }
}

impl PipelineBuilder {
    /// Sets the configuration.
    pub fn config(mut self, config: &Config) -> PipelineBuilder {
        self.config = config.clone();
        self
    }

    /// Sets who sets it up, and why, for the audit log.
    pub fn by(mut self, change: Change) -> PipelineBuilder {
        self.change = change;
        self
    }

    /// Has `train` called for each run of training, on the thread that ticks, or on one of its own where the pipeline was
    /// [started](Pipeline::start). It must not hold a handle of the store.
    pub fn on_retrain(
        mut self,
        train: impl Fn(&RetrainEvent) -> Result<String> + Send + Sync + 'static,
    ) -> PipelineBuilder {
        self.trainer = Some(Box::new(train));
        self
    }

    /// Has a command train.
    pub fn retrain_command(self, command: RetrainCommand) -> PipelineBuilder {
        self.on_retrain(move |run| command.run(run))
    }

    /// Gives a version what is normal for it, with the calls of [`MonitorBuilder`] for baselines. Nothing is changed where it
    /// has a baseline. Without one, a version is held against the metric `accuracy` that it was registered with.
    pub fn baseline(
        mut self,
        version: &str,
        give: impl FnOnce(MonitorBuilder) -> MonitorBuilder + 'static,
    ) -> PipelineBuilder {
        self.baselines.push((version.to_owned(), Box::new(give)));
        self
    }

    /// Stores what is set up, and returns the pipeline. The configuration, the rules for alerts that differ from what
    /// held, and the trigger are one batch with its entry in the audit log; where the same is set up already nothing is
    /// written.
    ///
    /// What a configuration changes in the rules for alerts holds for this model alone; all others are the store's.
    ///
    /// # Errors
    /// `Invalid` for a name that no model can have, and for a value outside its range; `ReadOnly` for a new baseline while
    /// the store is in inference mode.
    pub fn open(self) -> Result<Pipeline> {
        ModelId::new(&*self.model, "1")?;
        self.config.check()?;
        for (version, give) in self.baselines {
            let id = ModelId::new(&*self.model, version)?;
            if self.db.monitor(&id).baseline()?.is_none() {
                let settings = self.config.monitor_settings(self.db.monitor(&id).settings()?);
                give(Monitor::builder(&self.db, &id)?.settings(settings)).open()?;
            }
        }
        store(&self.db, &self.model, &self.config, &self.change)?;
        if let Some(train) = self.trainer {
            self.db.retraining().on_retrain(&self.model, train);
        }
        let pipeline = Pipeline { db: self.db, model: self.model };
        pipeline.register()?;
        pipeline.prepare()?;
        Ok(pipeline)
    }
}

/// Stores a configuration, and all that follows from it, unless it is stored already.
fn store(db: &Database, model: &str, config: &Config, change: &Change) -> Result<()> {
    let table = stored::table(db);
    db.audit().commit_built(|db| {
        let known = table.get(model)?.map(|row| row.value);
        if known.as_ref().is_some_and(|known| known.config == *config) {
            return Ok(None);
        }
        let told = match &known {
            Some(known) => json!({"changes": stored::changes(&known.config, config)}),
            None => json!({"config": stored::values(config)}),
        };
        let before = known.as_ref().map(|known| known.config.alerts.clone()).unwrap_or_default().rules();
        let changed: Vec<_> = config.alerts.rules().into_iter().filter(|rule| !before.contains(rule)).collect();
        let written = known.map_or_else(|| db.alerts().newest(), |known| Ok(known.written))?;
        let batch = db.alerts().set_model_rules_in(db.batch(), model, changed)?;
        let (batch, trigger) = db.retraining().configure_in(batch, model, &config.retraining, change)?;
        let batch = table.put_in(batch, model, &Stored { config: config.clone(), since: db.now(), written })?;
        Ok(Some((batch, vec![change.audited("pipeline.configure", model.to_owned(), told), trigger])))
    })?;
    Ok(())
}
