//! Caches whose entries survive closing: a collection of its own, kept out of the log.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::collection::record::Record;
use crate::database::collection::Collection;
use crate::database::handle::Database;
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::key::Key;
use crate::mlops::cache::flight::Flights;
use crate::mlops::cache::lru::{CacheLimits, CacheStats, LruCache};
use crate::sync::Mutex;

/// A collection that keeps at most so many records, and lets go the one that was used least recently in this session.
///
/// Reading never writes: which record was used when is remembered in memory, and after an opening the order of keys stands
/// in for it. Records expire by the store's clock. The collection is ephemeral, so a crash may take what came after the
/// last flush, which a cache can bear.
#[derive(Debug, Clone)]
pub(super) struct StoredCache {
    db: Database,
    collection: Collection,
    uses: Arc<Uses>,
    limits: CacheLimits,
}

/// When keys were used, and by whom they are being computed: the same for all handles of a store.
#[derive(Debug)]
struct Uses {
    /// The keys of the collection; nothing of it goes by itself.
    recent: LruCache<Key, ()>,
    /// Held by whoever writes or forgets a key, so that the bound holds; whether `recent` is what the collection holds.
    known: Mutex<bool>,
    flights: Flights<Key>,
    /// The limits of the handle that was opened last, to be told.
    limits: Mutex<Option<CacheLimits>>,
}

/// The uses of each collection that is a cache.
#[derive(Debug, Default)]
struct Opened(Mutex<BTreeMap<String, Arc<Uses>>>);

impl Uses {
    /// Those of the cache in the collection of this name.
    fn of(db: &Database, collection: &str) -> Arc<Uses> {
        let opened = db.companion::<Opened>();
        let mut opened = opened.0.lock();
        let uses = opened.entry(collection.to_owned()).or_insert_with(|| {
            let unbounded = CacheLimits::new().max_entries(usize::MAX);
            let recent = LruCache::with(unbounded, db.clock(), |_, ()| 1);
            Arc::new(Uses { recent, known: Mutex::new(false), flights: Flights::default(), limits: Mutex::default() })
        });
        Arc::clone(uses)
    }
}

impl StoredCache {
    pub(super) fn open(db: &Database, collection: Collection, limits: CacheLimits) -> Result<StoredCache> {
        check(&limits)?;
        let uses = Uses::of(db, collection.name());
        *uses.limits.lock() = Some(limits);
        Ok(StoredCache { db: db.clone(), collection, uses, limits })
    }

    /// What the cache in the collection of this name has done since the store was opened, and its limits, once it has been
    /// opened; entries are not counted.
    pub(super) fn used(db: &Database, collection: &str) -> (CacheStats, Option<CacheLimits>) {
        let uses = Uses::of(db, collection);
        let limits = *uses.limits.lock();
        (uses.recent.stats(), limits)
    }

    /// Forgets all entries of the cache in this collection; tells how many there were.
    pub(super) fn clear(db: &Database, collection: &Collection) -> Result<u64> {
        let uses = Uses::of(db, collection.name());
        let mut known = uses.known.lock();
        *known = false;
        let deleted = collection.delete_where(Filter::all())?;
        uses.recent.clear();
        *known = true;
        Ok(deleted)
    }

    /// The record under a key; counts as its use.
    pub(super) fn get(&self, key: &Key) -> Result<Option<Record>> {
        let found = self.collection.get(key.clone())?;
        if self.uses.recent.note(key, found.is_some()) {
            self.forget_if_gone(key)?;
        }
        Ok(found)
    }

    /// Forgets a key under which nothing was found, unless there is something by now: whoever writes remembers a key first
    /// and commits then, so a row that one look does not see may yet come, and has to be let go of some day.
    fn forget_if_gone(&self, key: &Key) -> Result<()> {
        let _writing = self.uses.known.lock();
        if !self.exists(key)? {
            self.uses.recent.forget_expired(key);
        }
        Ok(())
    }

    /// What is kept under keys, in their order. `compute` gets the first places of the distinct keys under which there is
    /// nothing, and gives a record and its answer for each; it is not called where there are none. What another thread is
    /// computing is waited for, and computed here only where that came to nothing.
    pub(super) fn get_or_compute<T: Clone>(
        &self,
        keys: &[Key],
        read: impl Fn(Record) -> Option<T>,
        mut compute: impl FnMut(&[usize]) -> Result<Vec<(Record, T)>>,
    ) -> Result<Vec<T>> {
        let first = first_places(keys);
        let mut found: BTreeMap<usize, T> = BTreeMap::new();
        let mut missing: Vec<usize> = Vec::new();
        for place in first.iter().enumerate().filter(|(place, first)| place == *first).map(|(place, _)| place) {
            match self.get(&keys[place])?.and_then(&read) {
                Some(answer) => drop(found.insert(place, answer)),
                None => missing.push(place),
            }
        }
        while !missing.is_empty() {
            let own = self.uses.flights.take(missing.iter().map(|place| &keys[*place]));
            // Somebody may have kept it between looking and taking.
            for place in &missing {
                found.extend(self.collection.get(keys[*place].clone())?.and_then(&read).map(|answer| (*place, answer)));
            }
            missing.retain(|place| !found.contains_key(place));
            let mine: Vec<usize> = missing.iter().copied().filter(|place| own.has(&keys[*place])).collect();
            if !mine.is_empty() {
                let (records, answers): (Vec<_>, Vec<_>) = compute(&mine)?.into_iter().unzip();
                check_count(mine.len(), answers.len())?;
                self.keep(records, None)?;
                found.extend(mine.into_iter().zip(answers));
                missing.retain(|place| !found.contains_key(place));
            }
        }
        Ok(first.into_iter().filter_map(|place| found.get(&place).cloned()).collect())
    }

    /// Whether there is a record under a key; this is no use of it.
    pub(super) fn exists(&self, key: &Key) -> Result<bool> {
        Ok(self.collection.get(key.clone())?.is_some())
    }

    /// Keeps records, in one batch with the deletions that make room for them.
    pub(super) fn keep(&self, records: Vec<Record>, ttl: Option<Duration>) -> Result<()> {
        let mut known = self.uses.known.lock();
        if !*known {
            self.read_keys()?;
        }
        // Until the batch is committed, what is remembered may not be what is stored.
        *known = false;
        let mut batch = self.db.batch();
        for record in records {
            let record = match ttl.or(self.limits.ttl) {
                Some(ttl) => record.expires_in(ttl),
                None => record,
            };
            while !self.uses.recent.exists(&record.key) && self.is_full() {
                let Some(oldest) = self.uses.recent.evict_oldest() else { break };
                batch = batch.delete(&self.collection, oldest);
            }
            self.uses.recent.set(record.key.clone(), ());
            batch = batch.put(&self.collection, record);
        }
        batch.commit()?;
        *known = true;
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.uses.recent.stats().entries >= self.limits.max_entries as u64
    }

    /// Remembers the keys of the collection. Costs a walk over it.
    fn read_keys(&self) -> Result<()> {
        self.uses.recent.clear();
        for record in self.collection.scan() {
            self.uses.recent.set(record?.key, ());
        }
        Ok(())
    }

    pub(super) fn delete(&self, key: &Key) -> Result<bool> {
        let _writing = self.uses.known.lock();
        // A key whose row stays where this fails has to be known still, so that the row is let go of some day.
        let deleted = self.collection.delete(key.clone())?;
        self.uses.recent.delete(key);
        Ok(deleted)
    }

    /// Counts a look-up that found no key at all.
    pub(super) fn count_miss(&self) {
        self.uses.recent.count_miss();
    }

    /// What it has done since the store was opened, and how many records there are; they are not weighed.
    pub(super) fn stats(&self) -> Result<CacheStats> {
        Ok(CacheStats { entries: self.collection.count()?, bytes: 0, ..self.uses.recent.stats() })
    }

    pub(super) fn collection(&self) -> &Collection {
        &self.collection
    }
}

/// Refuses limits that a collection does not keep to.
fn check(limits: &CacheLimits) -> Result<()> {
    let told = if limits.max_entries == 0 {
        "a cache in a store of no entry"
    } else if limits.max_bytes.is_some() {
        "a limit of bytes for a cache in a store, whose entries are not weighed"
    } else {
        return Ok(());
    };
    Err(Error::invalid(told).mend("limit its entries, to at least 1"))
}

/// For each place, the first one that has the same key.
fn first_places(keys: &[Key]) -> Vec<usize> {
    let mut known = HashMap::new();
    keys.iter().enumerate().map(|(place, key)| *known.entry(key).or_insert(place)).collect()
}

fn check_count(wanted: usize, computed: usize) -> Result<()> {
    if wanted == computed {
        return Ok(());
    }
    Err(Error::invalid(format!("{computed} answers were computed for {wanted} inputs"))
        .mend("give one for each input, in their order"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Schema;

    #[test]
    fn a_row_that_could_not_be_deleted_still_counts_for_the_bound() {
        let db = Database::in_memory().unwrap();
        let collection = db.system_collection("_kept", || Schema::payload_only().ephemeral()).unwrap();
        let limits = CacheLimits::new().max_entries(2);
        let cache = StoredCache::open(&db, collection, limits).unwrap();
        let set = |name: &str| cache.keep(vec![Record::new(name)], None).unwrap();
        ["a", "b"].into_iter().for_each(set);
        // This handle may not write.
        let refused = StoredCache::open(&db, db.collection("_kept").unwrap(), limits).unwrap();
        refused.delete(&"a".into()).unwrap_err();
        set("c");
        assert_eq!(cache.stats().unwrap().entries, 2);
        assert!(cache.delete(&"b".into()).unwrap());
        set("d");
        assert!(cache.exists(&"c".into()).unwrap(), "what was deleted takes no room");
    }
}
