//! Locks between the handles of one process, for the file systems that live in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;

use super::{LockGuard, LockMode};
use crate::sync::Mutex;

/// Who holds which lock: the number of readers, or [`WRITER`].
#[derive(Clone, Default)]
pub(super) struct Locks(Arc<Mutex<BTreeMap<String, usize>>>);

const WRITER: usize = usize::MAX;

impl Locks {
    pub(super) fn take(&self, name: &str, mode: LockMode) -> io::Result<Box<dyn LockGuard>> {
        let mut holders = self.0.lock();
        let after = match (holders.get(name), mode) {
            (None, LockMode::Exclusive) => WRITER,
            (None, LockMode::Shared) => 1,
            (Some(&readers), LockMode::Shared) if readers != WRITER => readers + 1,
            _ => return Err(io::ErrorKind::WouldBlock.into()),
        };
        holders.insert(name.to_owned(), after);
        Ok(Box::new(Held { locks: self.clone(), name: name.to_owned() }))
    }

    fn give(&self, name: &str) {
        let mut holders = self.0.lock();
        match holders.get_mut(name) {
            Some(readers) if *readers != WRITER && *readers > 1 => *readers -= 1,
            _ => drop(holders.remove(name)),
        }
    }
}

struct Held {
    locks: Locks,
    name: String,
}

impl LockGuard for Held {}

impl Drop for Held {
    fn drop(&mut self) {
        self.locks.give(&self.name);
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("name", &self.name).finish_non_exhaustive()
    }
}
