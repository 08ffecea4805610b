//! An open store as a thread sees it that must not keep it open.

use std::ops::Bound;
use std::sync::{Arc, Weak};

use crate::clock::Timestamp;
use crate::collection::record::Record;
use crate::collection::scan::{KeyRange, Walk};
use crate::database::calls::closing;
use crate::database::draft::Draft;
use crate::database::engine::Engine;
use crate::database::options::Maintenance;
use crate::error::{ErrorKind, Result};
use crate::key::Key;

/// Reads and writes a store while it is open, and does not keep it open: when the last handle goes the store closes, after
/// waiting for the call that runs, and every later call fails with `Closed`.
#[derive(Debug, Clone)]
pub(crate) struct Bystander(Weak<Engine>);

impl Bystander {
    pub(crate) fn new(engine: &Arc<Engine>) -> Bystander {
        Bystander(Arc::downgrade(engine))
    }

    fn engine(&self) -> Result<Arc<Engine>> {
        self.0.upgrade().ok_or_else(closing)
    }

    /// Whether the store has threads of its own.
    pub(crate) fn may_start_threads(&self) -> bool {
        self.0.upgrade().is_some_and(|engine| engine.options.maintenance == Maintenance::Automatic)
    }

    /// The time now, as the store tells it.
    pub(crate) fn now(&self) -> Result<Timestamp> {
        Ok(self.engine()?.now())
    }

    /// The record of that key; none where there is no such collection either.
    pub(crate) fn get(&self, collection: &str, key: &Key) -> Result<Option<Record>> {
        let engine = self.engine()?;
        engine.call(|| {
            let current = engine.current();
            let Some(view) = found(current.view.by_name(collection))? else { return Ok(None) };
            view.check_usable()?;
            view.get(&key.encode(), engine.moment(&current))
        })
    }

    /// Up to `limit` records whose keys lie behind `after`; none where there is no such collection.
    pub(crate) fn records_after(&self, collection: &str, after: &Key, limit: usize) -> Result<Vec<Record>> {
        let range = KeyRange { from: Bound::Excluded(after.encode()), to: Bound::Unbounded, reverse: false };
        self.walk(collection, &range, limit)
    }

    /// The last key, where there is a collection of that name and it holds anything.
    pub(crate) fn last_key(&self, collection: &str) -> Result<Option<Key>> {
        let range = KeyRange { from: Bound::Unbounded, to: Bound::Unbounded, reverse: true };
        Ok(self.walk(collection, &range, 1)?.pop().map(|record| record.key))
    }

    fn walk(&self, collection: &str, range: &KeyRange, limit: usize) -> Result<Vec<Record>> {
        let engine = self.engine()?;
        engine.call(|| {
            let current = engine.current();
            let Some(view) = found(current.view.by_name(collection))? else { return Ok(Vec::new()) };
            view.check_usable()?;
            let mut walk = Walk::new(Arc::clone(view), engine.moment(&current), range, None)?;
            let mut records = Vec::new();
            while records.len() < limit {
                let Some(record) = walk.next(|| Ok(()))? else { break };
                records.push(record);
            }
            Ok(records)
        })
    }

    /// Puts a record into a collection that is there.
    pub(crate) fn put(&self, collection: &str, record: &Record) -> Result<()> {
        let engine = self.engine()?;
        let current = engine.current();
        let mut draft = Draft::new(&engine);
        draft.put(current.view.by_name(collection)?, record)?;
        draft.commit().map(drop)
    }
}

fn found<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::handle::Database;
    use crate::schema::Schema;

    #[test]
    fn it_sees_the_store_and_does_not_keep_it_open() {
        let db = Database::in_memory().unwrap();
        let it = db.bystander();
        assert!(
            it.get("_x", &1u64.into()).unwrap().is_none()
                && it.records_after("_x", &0u64.into(), 9).unwrap().is_empty()
        );
        db.system_collection("_x", Schema::payload_only).unwrap();
        (0..5u64).for_each(|key| it.put("_x", &Record::new(key)).unwrap());
        let keys: Vec<_> = it.records_after("_x", &1u64.into(), 2).unwrap().into_iter().map(|it| it.key).collect();
        assert_eq!(keys, [2u64.into(), 3u64.into()]);
        assert_eq!((it.last_key("_x").unwrap(), it.last_key("_y").unwrap()), (Some(4u64.into()), None));
        drop(db);
        assert_eq!(it.put("_x", &Record::new(9u64)).unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(it.get("_x", &1u64.into()).unwrap_err().kind(), ErrorKind::Closed);
    }
}
