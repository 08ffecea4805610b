//! One computation for each input, however many threads want it.

use std::collections::HashSet;
use std::hash::Hash;

use crate::sync::{Condvar, Mutex};

/// What is being computed at the moment.
#[derive(Debug)]
pub(super) struct Flights<K> {
    flying: Mutex<HashSet<K>>,
    landed: Condvar,
}

impl<K> Default for Flights<K> {
    fn default() -> Flights<K> {
        Flights { flying: Mutex::default(), landed: Condvar::new() }
    }
}

/// The inputs that this thread computes. Others wait for them until this goes, whatever came of it.
#[derive(Debug)]
pub(super) struct Own<'a, K: Hash + Eq> {
    flights: &'a Flights<K>,
    keys: HashSet<K>,
}

impl<K: Hash + Eq + Clone> Flights<K> {
    /// Takes those of `wanted` that nobody computes. Where somebody computes all of them, waits until one of them may be
    /// there, and takes none.
    pub(super) fn take<'k>(&self, wanted: impl Iterator<Item = &'k K>) -> Own<'_, K>
    where
        K: 'k,
    {
        let mut flying = self.flying.lock();
        let keys: HashSet<K> = wanted.filter(|key| !flying.contains(*key)).cloned().collect();
        if keys.is_empty() {
            self.landed.wait(&mut flying);
        }
        flying.extend(keys.iter().cloned());
        Own { flights: self, keys }
    }
}

impl<K: Hash + Eq> Own<'_, K> {
    /// Whether this thread computes it.
    pub(super) fn has(&self, key: &K) -> bool {
        self.keys.contains(key)
    }
}

impl<K: Hash + Eq> Drop for Own<'_, K> {
    fn drop(&mut self) {
        let mut flying = self.flights.flying.lock();
        flying.retain(|key| !self.keys.contains(key));
        drop(flying);
        self.flights.landed.notify_all();
    }
}
