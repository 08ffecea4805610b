//! Caches of values by name, behind one trait.

use std::sync::Arc;
use std::time::Duration;

use crate::collection::record::Record;
use crate::database::handle::Database;
use crate::error::{Error, Result};
use crate::key::{Key, MAX_KEY_BYTES};
use crate::mlops::cache::lru::{CacheLimits, CacheStats, LruCache};
use crate::mlops::cache::stored::StoredCache;
use crate::payload::{self, Value};
use crate::schema::Schema;

/// The collection of the persistent cache.
pub(super) const ENTRIES: &str = "_cache";
/// How long an entry of it is kept that says nothing else.
const TTL: Duration = Duration::from_secs(3_600);
/// What its keys begin with unless told, and the longest it may be told.
const PREFIX: &str = "cache:";
const MAX_PREFIX_BYTES: usize = 128;

/// A cache of values by name.
pub trait Cache: Send + Sync {
    /// What is kept under a name; counts as its use.
    fn get(&self, name: &str) -> Result<Option<Value>>;
    /// Keeps a value, for so long, or as long as the cache's limits say.
    fn set(&self, name: &str, value: Value, ttl: Option<Duration>) -> Result<()>;
    /// Forgets what is kept under a name; tells whether there was anything.
    fn delete(&self, name: &str) -> Result<bool>;
    /// Whether something is kept under a name; this is no use of it.
    fn exists(&self, name: &str) -> Result<bool>;
    /// What the cache has done.
    fn stats(&self) -> Result<CacheStats>;
}

/// A cache in memory, gone with the process. An entry weighs its name and its value as stored.
#[derive(Debug, Clone)]
pub struct MemoryCache(Arc<LruCache<String, Value>>);

/// A cache in a store: its entries are there again after it was closed and opened. A crash may take those of the last
/// moments.
///
/// Names have a prefix, `cache:` unless told, so that several users do not meet; both have at most 512 bytes together.
/// Entries are kept for an hour unless told, and 100,000 of them at most unless told, over all prefixes of the store. Costs a
/// look-up by key to read, and a batch that waits for no disk to write.
///
/// ```
/// use driftline::Database;
/// use driftline::mlops::Cache;
///
/// let db = Database::in_memory()?;
/// let cache = db.cache()?;
/// cache.set("answer", 42.into(), None)?;
/// assert_eq!(cache.get("answer")?, Some(42.into()));
/// assert_eq!(cache.stats()?.hits, 1);
/// # Ok::<(), driftline::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct PersistentCache {
    stored: StoredCache,
    prefix: String,
}

impl Database {
    /// A cache in this store, of 100,000 entries that are kept for an hour.
    pub fn cache(&self) -> Result<PersistentCache> {
        self.cache_with(PREFIX, CacheLimits::new().max_entries(100_000).ttl(TTL))
    }

    /// The same with a prefix of at most 128 bytes, and limits of its own. Fails with `Invalid` when the prefix is longer, or
    /// when the limits ask for bytes, or for no entry.
    pub fn cache_with(&self, prefix: &str, limits: CacheLimits) -> Result<PersistentCache> {
        if prefix.len() > MAX_PREFIX_BYTES {
            return Err(Error::invalid(format!("the prefix of a cache has {} bytes", prefix.len()))
                .mend(format!("use at most {MAX_PREFIX_BYTES}")));
        }
        let collection = self.system_collection(ENTRIES, || Schema::payload_only().ephemeral())?;
        Ok(PersistentCache { stored: StoredCache::open(self, collection, limits)?, prefix: prefix.into() })
    }

    /// A cache in memory that lives by this store's clock.
    pub fn memory_cache(&self, limits: CacheLimits) -> MemoryCache {
        let weigh = |name: &String, value: &Value| {
            // What cannot be stored cannot be weighed either, and is not kept where bytes are limited.
            let bytes = payload::encode(value).map_or(u64::MAX, |bytes| bytes.len() as u64);
            bytes.saturating_add(name.len() as u64)
        };
        MemoryCache(Arc::new(LruCache::with(limits, self.clock(), weigh)))
    }
}

impl Cache for MemoryCache {
    fn get(&self, name: &str) -> Result<Option<Value>> {
        Ok(self.0.get(name))
    }

    fn set(&self, name: &str, value: Value, ttl: Option<Duration>) -> Result<()> {
        match ttl {
            Some(ttl) => self.0.set_for(name.to_owned(), value, ttl),
            None => self.0.set(name.to_owned(), value),
        }
        Ok(())
    }

    fn delete(&self, name: &str) -> Result<bool> {
        Ok(self.0.delete(name))
    }

    fn exists(&self, name: &str) -> Result<bool> {
        Ok(self.0.exists(name))
    }

    fn stats(&self) -> Result<CacheStats> {
        Ok(self.0.stats())
    }
}

impl PersistentCache {
    fn key(&self, name: &str) -> Result<Key> {
        let most = MAX_KEY_BYTES - self.prefix.len();
        if name.len() > most {
            return Err(Error::invalid(format!("the name of a cached value has {} bytes", name.len()))
                .mend(format!("use at most {most}, or a hash of it")));
        }
        Ok(Key::from(format!("{}{name}", self.prefix)))
    }
}

impl Cache for PersistentCache {
    fn get(&self, name: &str) -> Result<Option<Value>> {
        Ok(self.stored.get(&self.key(name)?)?.map(|record| record.payload))
    }

    fn set(&self, name: &str, value: Value, ttl: Option<Duration>) -> Result<()> {
        self.stored.keep(vec![Record::new(self.key(name)?).payload(value)], ttl)
    }

    fn delete(&self, name: &str) -> Result<bool> {
        self.stored.delete(&self.key(name)?)
    }

    fn exists(&self, name: &str) -> Result<bool> {
        self.stored.exists(&self.key(name)?)
    }

    fn stats(&self) -> Result<CacheStats> {
        self.stored.stats()
    }
}
