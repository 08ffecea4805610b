//! Embeddings that need not be computed again.

use std::time::Duration;

use serde_json::json;

use crate::collection::record::Record;
use crate::database::handle::Database;
use crate::error::Result;
use crate::index::IndexSpec;
use crate::key::Key;
use crate::mlops::cache::lru::{CacheLimits, CacheStats};
use crate::mlops::cache::stored::StoredCache;
use crate::mlops::canonical;
use crate::mlops::model::ModelId;
use crate::payload::Value;
use crate::schema::Schema;
use crate::vector::Vector;
use crate::vector::metric::Metric;

/// What the names of collections of embeddings begin with; digits of the hash of the model follow.
pub(super) const PREFIX: &str = "_embeddings-";
/// The field of a record's payload that holds the text.
const TEXT: &str = "text";

/// Embeddings of texts by one version of one model, kept in a collection of the store.
///
/// The model's name and version are part of every key and of the collection's name, so another version never gets what this
/// one computed. Embeddings are found by the hash of their text, and by nearness: what is kept is a collection of vectors
/// like any other. May be used from any thread.
///
/// ```
/// use driftline::Database;
/// use driftline::mlops::{CacheLimits, ModelId};
///
/// let db = Database::in_memory()?;
/// let cache = db.embedding_cache(&ModelId::new("minilm", "1")?, 2, CacheLimits::new())?;
/// let embed = |texts: &[&str]| Ok(texts.iter().map(|text| vec![text.len() as f32, 1.0]).collect());
/// let first = cache.get_or_compute(&["a", "bb", "a"], embed)?;
/// assert_eq!(first, [[1.0, 1.0], [2.0, 1.0], [1.0, 1.0]]);
/// let again = cache.get_or_compute(&["bb"], |_| panic!("it is there"))?;
/// assert_eq!(again, [[2.0, 1.0]]);
/// # Ok::<(), driftline::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct EmbeddingCache {
    model: ModelId,
    dimension: usize,
    stored: StoredCache,
}

/// An embedding that is near another one.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SimilarEmbedding {
    /// The text it belongs to.
    pub text: String,
    /// The embedding.
    pub vector: Vec<f32>,
    /// How far it is, by the cosine distance.
    pub distance: f32,
}

impl Database {
    /// The embeddings of a version of a model, of vectors of `dimension` numbers.
    ///
    /// Fails with `Dimension` when there are some of another dimension, and with `Invalid` when the limits ask for bytes, or for
    /// no entry.
    pub fn embedding_cache(&self, model: &ModelId, dimension: usize, limits: CacheLimits) -> Result<EmbeddingCache> {
        let digest = canonical::key(model, "").to_string();
        let digits: String = digest.chars().filter(char::is_ascii_hexdigit).take(32).collect();
        let name = format!("{PREFIX}{digits}");
        let schema =
            Schema::vector(dimension, Metric::Cosine).index(IndexSpec::Flat).model(model.to_string()).ephemeral();
        let collection = self.system_collection(&name, || schema.clone())?;
        collection.schema()?.agrees(&schema).map_err(|error| error.at(format!("embeddings of {model}")))?;
        Ok(EmbeddingCache { model: model.clone(), dimension, stored: StoredCache::open(self, collection, limits)? })
    }
}

impl EmbeddingCache {
    /// The embedding of a text, if it is there.
    pub fn get(&self, text: &str) -> Result<Option<Vec<f32>>> {
        Ok(self.stored.get(&self.key(text))?.and_then(into_numbers))
    }

    /// Keeps an embedding, for so long, or as long as the limits say.
    pub fn set(&self, text: &str, embedding: Vec<f32>, ttl: Option<Duration>) -> Result<()> {
        self.stored.keep(vec![self.record(text, embedding)], ttl)
    }

    /// Forgets the embedding of a text; tells whether there was one.
    pub fn delete(&self, text: &str) -> Result<bool> {
        self.stored.delete(&self.key(text))
    }

    /// The embeddings of texts, in their order. `compute` gets the distinct texts whose embeddings are not there, in the
    /// order of their first places, and is not called where there are none. What another thread is computing is waited for
    /// and not computed twice; where that fails, this one computes it.
    ///
    /// Fails with `Dimension` or `Invalid` when `compute` gives vectors of another number or length, or that are not finite;
    /// nothing is kept then.
    pub fn get_or_compute(
        &self,
        texts: &[&str],
        mut compute: impl FnMut(&[&str]) -> Result<Vec<Vec<f32>>>,
    ) -> Result<Vec<Vec<f32>>> {
        let keys: Vec<Key> = texts.iter().map(|text| self.key(text)).collect();
        self.stored.get_or_compute(&keys, into_numbers, |misses| {
            let wanted: Vec<&str> = misses.iter().map(|place| texts[*place]).collect();
            let computed = compute(&wanted)?;
            Ok(wanted.iter().zip(computed).map(|(text, vector)| (self.record(text, vector.clone()), vector)).collect())
        })
    }

    /// The embedding nearest to a vector, if one is within `max_distance` by the cosine distance; one at exactly that distance
    /// is. Counts as a hit or a miss like any look-up.
    pub fn get_similar(&self, vector: &[f32], max_distance: f32) -> Result<Option<SimilarEmbedding>> {
        let hits = self.stored.collection().query().nearest(vector).k(1).within(max_distance).run()?;
        let Some((key, distance)) = hits.iter().next().map(|hit| (hit.key.clone(), hit.distance)) else {
            self.stored.count_miss();
            return Ok(None);
        };
        let Some(record) = self.stored.get(&key)? else { return Ok(None) };
        let text = match record.payload.get(TEXT) {
            Some(Value::Text(text)) => text.clone(),
            _ => String::new(),
        };
        Ok(into_numbers(record).map(|vector| SimilarEmbedding { text, vector, distance }))
    }

    /// What the cache has done since the store was opened.
    pub fn stats(&self) -> Result<CacheStats> {
        self.stored.stats()
    }

    /// Numbers of an embedding.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    fn key(&self, text: &str) -> Key {
        canonical::key(&self.model, text)
    }

    fn record(&self, text: &str, embedding: Vec<f32>) -> Record {
        Record::new(self.key(text)).vector(embedding).payload(json!({ TEXT: text }))
    }
}

fn into_numbers(record: Record) -> Option<Vec<f32>> {
    match record.vector? {
        Vector::F32(numbers) => Some(numbers),
        Vector::Bits(_) => None,
    }
}
