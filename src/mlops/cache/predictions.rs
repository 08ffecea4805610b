//! Predictions that need not be made again.

use std::time::Duration;

use serde_json::Value as Json;

use crate::collection::record::Record;
use crate::database::handle::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use crate::mlops::cache::lru::{CacheLimits, CacheStats};
use crate::mlops::cache::stored::StoredCache;
use crate::mlops::canonical;
use crate::mlops::model::ModelId;
use crate::mlops::registry::{Model, PRODUCTION};
use crate::payload::Value;
use crate::schema::Schema;

/// The collection of predictions of all models.
pub(super) const PREDICTIONS: &str = "_cached_predictions";

/// Predictions of a model, kept in a collection of the store.
///
/// A key is made of the model's name, the version, and the canonical text of the features: sorted by name, and numbers that
/// are equal written alike, so `{"a": 1, "b": 2}` and `{"b": 2.0, "a": 1}` are one input. The version is the one that is in
/// production when a prediction is looked up, and an answer is kept under the version that whoever computed it was told or
/// names, so a promotion can never serve an old answer. May be used from any thread.
///
/// ```
/// use driftline::{Database, json};
/// use driftline::mlops::{CacheLimits, ModelId};
///
/// let db = Database::in_memory()?;
/// let model = ModelId::new("ranker", "1.0.0")?;
/// let cache = db.prediction_cache_of(&model, CacheLimits::new())?;
/// let inputs = [json!({"age": 30}), json!({"age": 30.0})];
/// let answers = cache.get_or_compute(&inputs, |version, misses| {
///     assert_eq!(version, &model);
///     Ok(misses.iter().map(|_| json!("yes")).collect())
/// })?;
/// assert_eq!(answers, [json!("yes"), json!("yes")]);
/// assert_eq!(cache.get(&json!({"age": 30}))?, Some(json!("yes")));
/// # Ok::<(), driftline::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct PredictionCache {
    serving: Serving,
    stored: StoredCache,
}

/// Which version's predictions are looked up.
#[derive(Debug, Clone)]
enum Serving {
    Always(ModelId),
    /// The one in production.
    Production(Box<Model>),
}

impl Database {
    /// The predictions of whichever version of a model is in production. Fails with `Invalid` when the limits ask for bytes,
    /// or for no entry.
    pub fn prediction_cache(&self, model: &str, limits: CacheLimits) -> Result<PredictionCache> {
        let serving = Serving::Production(Box::new(self.model(model)?));
        self.predictions_of(serving, limits)
    }

    /// The predictions of one version of a model, with limits as in [`Database::prediction_cache`].
    pub fn prediction_cache_of(&self, model: &ModelId, limits: CacheLimits) -> Result<PredictionCache> {
        self.predictions_of(Serving::Always(model.clone()), limits)
    }

    fn predictions_of(&self, serving: Serving, limits: CacheLimits) -> Result<PredictionCache> {
        let collection = self.system_collection(PREDICTIONS, || Schema::payload_only().ephemeral())?;
        Ok(PredictionCache { serving, stored: StoredCache::open(self, collection, limits)? })
    }
}

impl PredictionCache {
    /// The version whose predictions are looked up now. Fails with `NotFound` while none is in production.
    pub fn version(&self) -> Result<ModelId> {
        let model = match &self.serving {
            Serving::Always(model) => return Ok(model.clone()),
            Serving::Production(model) => model,
        };
        let version = model.alias(PRODUCTION)?.and_then(|alias| alias.version).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("no version of `{}` is in production", model.name()))
                .mend("promote one first, or name the version whose predictions are meant")
        })?;
        ModelId::new(model.name(), version)
    }

    /// The prediction for these features, if it is there.
    pub fn get(&self, features: &Json) -> Result<Option<Json>> {
        let key = key(&self.version()?, features);
        Ok(self.stored.get(&key)?.map(|record| record.payload.to_json()))
    }

    /// Keeps a prediction of the version that made it, for so long, or as long as the limits say. That may be another one
    /// than serves now: it is served again when that version is.
    ///
    /// Fails with `Invalid` when the version is not one whose predictions are looked up here.
    pub fn set(&self, version: &ModelId, features: &Json, prediction: &Json, ttl: Option<Duration>) -> Result<()> {
        self.check_made_by(version)?;
        self.stored.keep(vec![Record::new(key(version, features)).payload(Value::from(prediction.clone()))], ttl)
    }

    /// Refuses a version whose predictions nobody looks up here.
    fn check_made_by(&self, version: &ModelId) -> Result<()> {
        let (fits, wanted) = match &self.serving {
            Serving::Always(model) => (version == model, model.to_string()),
            Serving::Production(model) => (version.name() == model.name(), format!("a version of {}", model.name())),
        };
        if fits {
            return Ok(());
        }
        Err(Error::invalid(format!("a prediction of {version} is no answer here"))
            .mend(format!("give those of {wanted}")))
    }

    /// Forgets the prediction for these features; tells whether there was one.
    pub fn delete(&self, features: &Json) -> Result<bool> {
        self.stored.delete(&key(&self.version()?, features))
    }

    /// The predictions for inputs, in their order, all of the version whose predictions are looked up when this is called.
    /// `compute` gets that version, which is to make the predictions and under which they are kept, and the distinct inputs
    /// whose predictions are not there, in the order of their first places; it is not called where there are none. What
    /// another thread is computing is waited for and not computed twice; where that fails, this one computes it.
    pub fn get_or_compute(
        &self,
        inputs: &[Json],
        mut compute: impl FnMut(&ModelId, &[&Json]) -> Result<Vec<Json>>,
    ) -> Result<Vec<Json>> {
        let version = self.version()?;
        let keys: Vec<Key> = inputs.iter().map(|features| key(&version, features)).collect();
        let read = |record: Record| Some(record.payload.to_json());
        self.stored.get_or_compute(&keys, read, |misses| {
            let wanted: Vec<&Json> = misses.iter().map(|place| &inputs[*place]).collect();
            let computed = compute(&version, &wanted)?;
            let record =
                |place: &usize, answer: &Json| Record::new(keys[*place].clone()).payload(Value::from(answer.clone()));
            Ok(misses.iter().zip(computed).map(|(place, answer)| (record(place, &answer), answer)).collect())
        })
    }

    /// What the caches of all models' predictions have done since the store was opened.
    pub fn stats(&self) -> Result<CacheStats> {
        self.stored.stats()
    }
}

fn key(model: &ModelId, features: &Json) -> Key {
    canonical::key(model, &canonical::text(features))
}
