//! How everything is, at one look: the store, and each version of a model that is known of.
//!
//! Nothing is kept here; `board` gathers what the other parts tell of one version.

mod board;

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use crate::database::handle::Database;
use crate::database::health::HealthStatus;
use crate::error::{Error, ErrorKind, Result};
use crate::filter::suggest;
use crate::mlops::alerts::Severity;
use crate::mlops::cache::CacheOverview;
use crate::mlops::model::ModelId;
use crate::mlops::performance::AlertCounts;
use crate::mlops::registry::PRODUCTION;
use crate::mlops::times::TimeRange;

pub use board::{Course, ModelBoard, RunningExperiment};

/// Checks of the store's health are waited for so long, together.
const HEALTH_WITHIN: Duration = Duration::from_secs(1);
/// Versions of models that are looked at, at most: each costs reading its predictions of the time.
const MOST_MODELS: usize = 100;

/// How a store and its models are.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Dashboard {
    /// The time that figures of models are about.
    pub range: TimeRange,
    /// The store.
    pub store: StoreBoard,
    /// The models, by name and version.
    pub models: Vec<ModelBoard>,
    /// Models beyond the first hundred, which are left out.
    pub left_out: u64,
}

/// How a store is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct StoreBoard {
    /// Where it is.
    pub location: String,
    /// Whether it can do its work, as [`Database::health`] says.
    pub health: HealthStatus,
    /// Collections of the application.
    pub collections: u64,
    /// Their live records.
    pub records: u64,
    /// Bytes of all files, those of the system included.
    pub file_bytes: u64,
    /// Incidents of alerts that last, by how bad they are.
    pub incidents: AlertCounts,
    /// The names of experiments that run.
    pub experiments: Vec<String>,
    /// The caches, with what was found in them since the store was opened.
    pub caches: Vec<CacheOverview>,
}

impl Database {
    /// How the store and its models are: performance over a time with its course, drift, alerts, the version in production,
    /// experiments and the last training of each.
    ///
    /// A model is told of when it has predictions, logged vectors or registered versions; of those that are only registered, the
    /// version in production or the newest. `model` asks for one of them: `ranker` for all its versions, `ranker@2` for one. It
    /// costs what [`Monitor::figures`](super::Monitor::figures) costs for the range, three times for each model.
    ///
    /// ```
    /// # fn main() -> driftline::Result<()> {
    /// use driftline::Database;
    /// use driftline::mlops::{PredictionRecord, TimeRange};
    /// let db = Database::in_memory()?;
    /// db.monitor(&"spam@3".parse()?).record_prediction(PredictionRecord::new("ham").truth("ham"))?;
    /// let hour = std::time::Duration::from_secs(3_600);
    /// let board = db.dashboard(Some("spam"), TimeRange::last(24 * hour, db.now().after(hour))?)?;
    /// assert_eq!(board.models[0].summary.avg_accuracy, Some(1.0));
    /// assert!(db.dashboard(Some("spqm"), board.range).unwrap_err().to_string().contains("did you mean spam@3?"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `NotFound` when nothing is known of the model.
    pub fn dashboard(&self, model: Option<&str>, range: TimeRange) -> Result<Dashboard> {
        let known = self.known_models()?;
        let is_asked = |id: &&ModelId| model.is_none_or(|asked| id.name() == asked || id.to_string() == asked);
        let asked: Vec<&ModelId> = known.iter().filter(is_asked).collect();
        if let Some(model) = model.filter(|_| asked.is_empty()) {
            return Err(unknown(model, &known));
        }
        let models = asked.iter().take(MOST_MODELS).map(|id| ModelBoard::of(self, id, range));
        Ok(Dashboard {
            range,
            store: StoreBoard::of(self)?,
            models: models.collect::<Result<_>>()?,
            left_out: asked.len().saturating_sub(MOST_MODELS) as u64,
        })
    }

    /// The versions of models that something is known of.
    fn known_models(&self) -> Result<BTreeSet<ModelId>> {
        let mut known = BTreeSet::new();
        for name in self.monitored_models()? {
            known.insert(name.parse()?);
        }
        known.extend(self.embedding_log().models()?);
        for name in self.models()? {
            let model = self.model(&name)?;
            let version = model.production()?.map_or_else(|| model.latest(), |version| Ok(Some(version)))?;
            known.extend(version.map(|version| version.model));
        }
        Ok(known)
    }
}

impl StoreBoard {
    fn of(db: &Database) -> Result<StoreBoard> {
        let stats = db.stats()?;
        let own = || stats.collections.iter().filter(|collection| !collection.name.starts_with('_'));
        let mut incidents = AlertCounts::default();
        for incident in db.alerts().incidents()?.iter().filter(|incident| incident.is_open()) {
            match incident.severity {
                Severity::Critical => incidents.critical += 1,
                Severity::Warning => incidents.warning += 1,
                Severity::Info => incidents.info += 1,
            }
        }
        let running = db.experiments().active()?;
        Ok(StoreBoard {
            health: db.health_within(HEALTH_WITHIN).status,
            collections: own().count() as u64,
            records: own().map(|collection| collection.records).sum(),
            file_bytes: stats.file_bytes + stats.log_bytes,
            incidents,
            experiments: running.into_iter().map(|it| it.config.name).collect(),
            caches: db.caches()?,
            location: stats.location,
        })
    }
}

fn unknown(model: &str, known: &BTreeSet<ModelId>) -> Error {
    let error = Error::new(ErrorKind::NotFound, format!("nothing is known of the model {model}"));
    let names: Vec<String> = known.iter().map(ModelId::to_string).collect();
    let bare = known.iter().find(|id| suggest(model, [id.name()]).is_some()).map(ModelId::to_string);
    match suggest(model, names.iter().map(String::as_str)).map(str::to_owned).or(bare) {
        Some(near) => error.mend(format!("did you mean {near}?")),
        None if names.is_empty() => error
            .mend(format!("record predictions, log vectors or register a version; {PRODUCTION} is an alias of one")),
        None => error.mend(format!("name one of: {}", names[..names.len().min(20)].join(", "))),
    }
}
