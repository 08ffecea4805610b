//! A cache in memory that lets the least recently used go.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::{Clock, SystemClock, Timestamp};
use crate::mlops::times::maybe_seconds;
use crate::sync::Mutex;

/// How much a cache keeps, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CacheLimits {
    /// Entries at most; 1,000. With 0 a cache in memory keeps nothing, and one in a store is refused.
    pub max_entries: usize,
    /// Bytes at most, as entries are weighed; no limit. Entries in a store are not weighed: a cache there refuses it.
    pub max_bytes: Option<u64>,
    /// How long an entry is kept that says nothing else; for ever.
    #[serde(with = "maybe_seconds", rename = "ttl_seconds", alias = "ttl")]
    pub ttl: Option<Duration>,
}

impl Default for CacheLimits {
    fn default() -> CacheLimits {
        CacheLimits { max_entries: 1_000, max_bytes: None, ttl: None }
    }
}

impl CacheLimits {
    /// The defaults.
    pub fn new() -> CacheLimits {
        CacheLimits::default()
    }

    /// Entries at most.
    #[must_use]
    pub fn max_entries(mut self, count: usize) -> CacheLimits {
        self.max_entries = count;
        self
    }

    /// Bytes at most.
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> CacheLimits {
        self.max_bytes = Some(bytes);
        self
    }

    /// How long an entry is kept.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> CacheLimits {
        self.ttl = Some(ttl);
        self
    }
}

/// What a cache has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct CacheStats {
    /// Look-ups that found something.
    pub hits: u64,
    /// Look-ups that found nothing.
    pub misses: u64,
    /// Entries that had to make room.
    pub evictions: u64,
    /// Entries that were found to have expired.
    pub expired: u64,
    /// Entries there are.
    pub entries: u64,
    /// What they weigh.
    pub bytes: u64,
}

impl CacheStats {
    /// The share of look-ups that found something; none before the first.
    pub fn hit_ratio(&self) -> Option<f64> {
        let asked = self.hits + self.misses;
        (asked > 0).then(|| self.hits as f64 / asked as f64)
    }
}

/// A cache in memory, of at most so many entries and bytes, that lets the least recently used entry go.
///
/// May be used from any thread; each call locks it for a moment. Values are cloned out: put large ones into an [`Arc`]. An
/// entry that weighs more than the cache may is not kept. Time is that of the clock it was made with.
///
/// ```
/// use driftline::mlops::{CacheLimits, LruCache};
///
/// let cache = LruCache::new(CacheLimits::new().max_entries(2));
/// cache.set("a", 1);
/// cache.set("b", 2);
/// assert_eq!(cache.get("a"), Some(1));
/// cache.set("c", 3);
/// assert!(cache.exists("a") && !cache.exists("b"), "b was used least recently");
/// assert_eq!(cache.stats().evictions, 1);
/// ```
pub struct LruCache<K, V> {
    state: Mutex<State<K, V>>,
    limits: CacheLimits,
    weigh: fn(&K, &V) -> u64,
    clock: Arc<dyn Clock>,
}

impl<K, V> fmt::Debug for LruCache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LruCache").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// Entries in a ring, from the most recently used to the least, and where each key's is.
struct State<K, V> {
    places: HashMap<K, usize>,
    entries: Vec<Entry<K, V>>,
    free: Vec<usize>,
    newest: Option<usize>,
    stats: CacheStats,
}

struct Entry<K, V> {
    key: K,
    /// None in a place that is free.
    value: Option<V>,
    expires: Timestamp,
    weight: u64,
    newer: usize,
    older: usize,
}

impl<K: Hash + Eq + Clone, V: Clone> LruCache<K, V> {
    /// An empty cache that lives by the system's clock and in which an entry weighs the size of its key and value.
    pub fn new(limits: CacheLimits) -> LruCache<K, V> {
        LruCache::with(limits, Arc::new(SystemClock), |_, _| (size_of::<K>() + size_of::<V>()) as u64)
    }

    /// An empty cache with a clock and with what an entry weighs.
    pub fn with(limits: CacheLimits, clock: Arc<dyn Clock>, weigh: fn(&K, &V) -> u64) -> LruCache<K, V> {
        let state = State {
            places: HashMap::new(),
            entries: Vec::new(),
            free: Vec::new(),
            newest: None,
            stats: CacheStats::default(),
        };
        LruCache { state: Mutex::new(state), limits, weigh, clock }
    }

    /// What is kept under a key; it is the most recently used from now on.
    pub fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let mut state = self.state.lock();
        let found = state.live(key, || self.clock.now());
        match found {
            Some(place) => {
                state.stats.hits += 1;
                state.touch(place);
                state.entries[place].value.clone()
            }
            None => {
                state.stats.misses += 1;
                None
            }
        }
    }

    /// Whether something is kept under a key; this is no use of it, and counts neither as hit nor as miss.
    pub fn exists<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.state.lock().live(key, || self.clock.now()).is_some()
    }

    /// Keeps a value for as long as the cache's limits say.
    pub fn set(&self, key: K, value: V) {
        self.keep(key, value, self.limits.ttl);
    }

    /// Keeps a value for so long.
    pub fn set_for(&self, key: K, value: V, ttl: Duration) {
        self.keep(key, value, Some(ttl));
    }

    fn keep(&self, key: K, value: V, ttl: Option<Duration>) {
        let weight = (self.weigh)(&key, &value);
        let expires = ttl.map_or(Timestamp::NEVER, |ttl| self.clock.now().after(ttl));
        let mut state = self.state.lock();
        state.remove(&key);
        if self.limits.max_entries == 0 || self.limits.max_bytes.is_some_and(|most| weight > most) {
            return;
        }
        let over = |stats: &CacheStats| {
            stats.entries + 1 > self.limits.max_entries as u64
                || self.limits.max_bytes.is_some_and(|most| stats.bytes + weight > most)
        };
        while over(&state.stats) && state.evict().is_some() {}
        state.insert(key, value, expires, weight);
    }

    /// Forgets what is kept under a key; tells whether there was anything.
    pub fn delete<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.state.lock().remove(key)
    }

    /// Forgets everything but the counters.
    pub fn clear(&self) {
        let mut state = self.state.lock();
        state.places.clear();
        state.entries.clear();
        state.free.clear();
        state.newest = None;
        (state.stats.entries, state.stats.bytes) = (0, 0);
    }

    /// What it has done so far.
    pub fn stats(&self) -> CacheStats {
        self.state.lock().stats
    }

    /// Counts a look-up that was done elsewhere, as the use of a key or as a miss. Tells whether a key was missed that is
    /// known here.
    pub(super) fn note(&self, key: &K, found: bool) -> bool {
        let mut state = self.state.lock();
        let place = state.places.get(key).copied();
        if found {
            state.stats.hits += 1;
            place.into_iter().for_each(|place| state.touch(place));
        } else {
            state.stats.misses += 1;
        }
        !found && place.is_some()
    }

    /// Counts a look-up elsewhere that found no key at all.
    pub(super) fn count_miss(&self) {
        self.state.lock().stats.misses += 1;
    }

    /// Forgets a key that was found elsewhere to have expired.
    pub(super) fn forget_expired(&self, key: &K) {
        let mut state = self.state.lock();
        state.stats.expired += u64::from(state.remove(key));
    }

    /// Lets the entry go that was used least recently, and returns its key.
    pub(super) fn evict_oldest(&self) -> Option<K> {
        self.state.lock().evict()
    }
}

impl<K: Hash + Eq + Clone, V> State<K, V> {
    /// Where the entry of a key is, unless it has expired, in which case it goes.
    fn live<Q: Hash + Eq + ?Sized>(&mut self, key: &Q, now: impl FnOnce() -> Timestamp) -> Option<usize>
    where
        K: Borrow<Q>,
    {
        let place = *self.places.get(key)?;
        let expires = self.entries[place].expires;
        if expires == Timestamp::NEVER || now() < expires {
            return Some(place);
        }
        self.remove(key);
        self.stats.expired += 1;
        None
    }

    /// Takes an entry out of the ring.
    fn unlink(&mut self, place: usize) {
        let (newer, older) = (self.entries[place].newer, self.entries[place].older);
        self.entries[newer].older = older;
        self.entries[older].newer = newer;
        if self.newest == Some(place) {
            self.newest = (older != place).then_some(older);
        }
    }

    /// Puts an entry at the beginning of the ring, before the newest and behind the oldest.
    fn link(&mut self, place: usize) {
        let (newer, older) = match self.newest {
            None => (place, place),
            Some(newest) => (self.entries[newest].newer, newest),
        };
        self.entries[place].newer = newer;
        self.entries[place].older = older;
        self.entries[newer].older = place;
        self.entries[older].newer = place;
        self.newest = Some(place);
    }

    fn touch(&mut self, place: usize) {
        if self.newest != Some(place) {
            self.unlink(place);
            self.link(place);
        }
    }

    fn insert(&mut self, key: K, value: V, expires: Timestamp, weight: u64) {
        let place = self.free.pop().unwrap_or(self.entries.len());
        let entry = Entry { key: key.clone(), value: Some(value), expires, weight, newer: place, older: place };
        if place == self.entries.len() {
            self.entries.push(entry);
        } else {
            self.entries[place] = entry;
        }
        self.places.insert(key, place);
        self.link(place);
        self.stats.entries += 1;
        self.stats.bytes += weight;
    }

    fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        let Some(place) = self.places.remove(key) else { return false };
        self.unlink(place);
        self.entries[place].value = None;
        self.free.push(place);
        self.stats.entries -= 1;
        self.stats.bytes -= self.entries[place].weight;
        true
    }

    /// Lets the least recently used entry go, and returns its key.
    fn evict(&mut self) -> Option<K> {
        let oldest = self.entries[self.newest?].newer;
        let key = self.entries[oldest].key.clone();
        self.stats.evictions += 1;
        self.remove(&key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;
    use crate::clock::ManualClock;

    #[derive(Debug, Clone)]
    enum Step {
        Get(u8),
        Set(u8, u8),
        SetFor(u8, u8, u8),
        Delete(u8),
        Exists(u8),
        Wait(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        let key = 0u8..12;
        prop_oneof![
            key.clone().prop_map(Step::Get),
            (key.clone(), any::<u8>()).prop_map(|(key, value)| Step::Set(key, value)),
            (key.clone(), any::<u8>(), 1u8..5).prop_map(|(key, value, ttl)| Step::SetFor(key, value, ttl)),
            key.clone().prop_map(Step::Delete),
            key.prop_map(Step::Exists),
            (1u8..4).prop_map(Step::Wait),
        ]
    }

    /// The same, the slow way: a list from the least recently used on.
    #[derive(Default)]
    struct Model {
        list: VecDeque<(u8, u8, i64)>,
        now: i64,
    }

    impl Model {
        fn find(&mut self, key: u8) -> Option<usize> {
            let place = self.list.iter().position(|entry| entry.0 == key)?;
            if self.list[place].2 <= self.now {
                self.list.remove(place);
                return None;
            }
            Some(place)
        }

        fn set(&mut self, key: u8, value: u8, expires: i64) {
            self.list.retain(|entry| entry.0 != key);
            let weight = |entry: &(u8, u8, i64)| u64::from(entry.1);
            if u64::from(value) > 300 {
                return;
            }
            while self.list.len() + 1 > 5 || self.list.iter().map(weight).sum::<u64>() + u64::from(value) > 300 {
                self.list.pop_front();
            }
            self.list.push_back((key, value, expires));
        }
    }

    proptest! {
        #[test]
        fn it_does_what_a_list_does(steps in proptest::collection::vec(step(), 0..200)) {
            let clock = Arc::new(ManualClock::new(Timestamp(0)));
            let limits = CacheLimits::new().max_entries(5).max_bytes(300);
            let cache = LruCache::with(limits, clock.clone(), |_, value: &u8| u64::from(*value));
            let mut model = Model::default();
            for step in steps {
                match step {
                    Step::Get(key) => {
                        let found = model.find(key).and_then(|place| model.list.remove(place));
                        model.list.extend(found);
                        prop_assert_eq!(cache.get(&key), found.map(|entry| entry.1));
                    }
                    Step::Exists(key) => prop_assert_eq!(cache.exists(&key), model.find(key).is_some()),
                    Step::Set(key, value) => {
                        cache.set(key, value);
                        model.set(key, value, i64::MAX);
                    }
                    Step::SetFor(key, value, ttl) => {
                        cache.set_for(key, value, Duration::from_micros(ttl.into()));
                        let expires = model.now + i64::from(ttl);
                        model.set(key, value, expires);
                    }
                    Step::Delete(key) => {
                        let there = model.list.iter().any(|entry| entry.0 == key);
                        model.list.retain(|entry| entry.0 != key);
                        prop_assert_eq!(cache.delete(&key), there);
                    }
                    Step::Wait(micros) => {
                        clock.advance(Duration::from_micros(micros.into()));
                        model.now += i64::from(micros);
                    }
                }
                let stats = cache.stats();
                prop_assert_eq!(stats.entries, model.list.len() as u64);
                prop_assert_eq!(stats.bytes, model.list.iter().map(|entry| u64::from(entry.1)).sum::<u64>());
            }
        }
    }

    #[test]
    fn eight_threads_never_exceed_the_bound() {
        let cache =
            LruCache::with(CacheLimits::new().max_entries(100).max_bytes(800), Arc::new(SystemClock), |_, _| 10);
        std::thread::scope(|scope| {
            for thread in 0..8u64 {
                let cache = &cache;
                scope.spawn(move || {
                    for number in 0..100_000u64 {
                        let key = (number * 7 + thread * 13) % 300;
                        match number % 3 {
                            0 => cache.set(key, number),
                            1 => drop(cache.get(&key)),
                            _ => drop(cache.delete(&((key + 1) % 300))),
                        }
                        if number % 64 == 0 {
                            let stats = cache.stats();
                            assert!(stats.entries <= 80 && stats.bytes <= 800, "{stats:?}");
                        }
                    }
                });
            }
        });
        let stats = cache.stats();
        assert_eq!(stats.hits + stats.misses, 8 * 33_333);
    }

    #[test]
    fn what_is_too_heavy_is_not_kept_and_clearing_keeps_the_counters() {
        let cache = LruCache::with(CacheLimits::new().max_bytes(10), Arc::new(SystemClock), |_, value: &u64| *value);
        cache.set("a", 11);
        cache.set("b", 10);
        assert!(!cache.exists("a") && cache.get("b") == Some(10));
        cache.clear();
        assert_eq!((cache.stats().entries, cache.stats().bytes, cache.stats().hits), (0, 0, 1));
        cache.set("b", 10);
        assert_eq!(cache.stats().entries, 1);
        assert_eq!(LruCache::<u8, u8>::new(CacheLimits::new().max_entries(0)).get(&1), None);
    }
}
