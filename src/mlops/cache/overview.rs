//! The caches of a store beside each other, as people and metrics ask for them.

use serde::Serialize;

use crate::database::collection::Collection;
use crate::database::handle::Database;
use crate::database::stats::CollectionStats;
use crate::error::{Error, ErrorKind, Result};
use crate::mlops::cache::lru::CacheStats;
use crate::mlops::cache::stored::StoredCache;
use crate::mlops::cache::{backend, embeddings, predictions};

/// A cache that is kept in a store, and what it has done since the store was opened in this process.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CacheOverview {
    /// `values`, `predictions`, or the model whose embeddings it holds, as `minilm@1`.
    pub name: String,
    /// What it has done, how many entries it holds, and what those take on the disk and in memory.
    #[serde(flatten)]
    pub stats: CacheStats,
    /// The share of look-ups that found something; none before the first.
    pub hit_ratio: Option<f64>,
    /// Entries at most, as the handle says that was opened last; none while there is no handle.
    pub max_entries: Option<u64>,
    /// How long an entry is kept that says nothing else, as that handle says; none where that is for ever.
    pub ttl_ms: Option<u64>,
}

impl Database {
    /// The caches that are kept in this store: those of [`Database::cache`], of all predictions, and of the embeddings of
    /// each model. Caches in memory alone are the application's; their [`stats`](crate::mlops::Cache::stats) tell the same.
    ///
    /// Costs what [`Database::stats`] costs.
    ///
    /// ```
    /// use driftline::Database;
    /// use driftline::mlops::Cache;
    ///
    /// let db = Database::in_memory()?;
    /// db.cache()?.set("answer", 42.into(), None)?;
    /// db.cache()?.get("answer")?;
    /// let caches = db.caches()?;
    /// assert_eq!((&*caches[0].name, caches[0].stats.entries, caches[0].hit_ratio), ("values", 1, Some(1.0)));
    /// assert_eq!(db.clear_cache("values")?, 1);
    /// # Ok::<(), driftline::Error>(())
    /// ```
    pub fn caches(&self) -> Result<Vec<CacheOverview>> {
        let mut caches = Vec::new();
        for stats in self.stats()?.collections {
            if let Some((name, collection)) = self.cache_in(&stats)? {
                caches.push(overview(self, name, &collection, &stats));
            }
        }
        caches.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(caches)
    }

    /// Forgets all entries of a cache that [`Database::caches`] names; tells how many there were. Its counters go on.
    ///
    /// Fails with `NotFound`, naming what there is.
    pub fn clear_cache(&self, name: &str) -> Result<u64> {
        let mut known = Vec::new();
        for stats in self.stats()?.collections {
            match self.cache_in(&stats)? {
                Some((found, collection)) if found == name => {
                    return StoredCache::clear(self, &collection.for_system());
                }
                Some((other, _)) => known.push(other),
                None => {}
            }
        }
        known.sort();
        let mend = if known.is_empty() {
            "there is none yet".to_owned()
        } else {
            format!("name one of: {}", known.join(", "))
        };
        Err(Error::new(ErrorKind::NotFound, format!("there is no cache `{name}`")).mend(mend))
    }

    /// The name of the cache that a collection is, if it is one and can be read.
    fn cache_in(&self, stats: &CollectionStats) -> Result<Option<(String, Collection)>> {
        let fixed = match stats.name.as_str() {
            backend::ENTRIES => Some("values"),
            predictions::PREDICTIONS => Some("predictions"),
            _ => None,
        };
        if stats.damage.is_some() || (fixed.is_none() && !stats.name.starts_with(embeddings::PREFIX)) {
            return Ok(None);
        }
        let collection = match self.collection(&stats.name) {
            // It was dropped meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let name = match fixed {
            Some(name) => name.to_owned(),
            None => collection.schema()?.model_name().unwrap_or(&stats.name).to_owned(),
        };
        Ok(Some((name, collection)))
    }
}

fn overview(db: &Database, name: String, collection: &Collection, stats: &CollectionStats) -> CacheOverview {
    let (counted, limits) = StoredCache::used(db, collection.name());
    let bytes = stats.file_bytes + stats.unsealed_bytes;
    CacheOverview {
        name,
        stats: CacheStats { entries: stats.records, bytes, ..counted },
        hit_ratio: counted.hit_ratio(),
        max_entries: limits.map(|limits| limits.max_entries as u64),
        ttl_ms: limits.and_then(|limits| limits.ttl).map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)),
    }
}
