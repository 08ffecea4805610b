//! Snapshots: a store as it was at one moment.

use std::ops::Bound;
use std::sync::Arc;

use crate::collection::record::Record;
use crate::database::engine::Current;
use crate::database::query::Query;
use crate::database::reader::Reader;
use crate::database::scan::Scan;
use crate::database::store::Store;
use crate::error::Result;
use crate::filter::IntoFilter;
use crate::ids::Lsn;
use crate::key::Key;
use crate::segment::Moment;

/// A store at one moment: what was committed by then, judged by the clock of then.
///
/// Cheap to clone, may be used from any thread. Later writes, merges and drops do not show; their files stay on disk
/// until the snapshot is dropped.
#[derive(Debug, Clone)]
pub struct Snapshot(Arc<Held>);

/// A snapshot as long as somebody holds it, written down so that `disk_usage` can tell who keeps files.
#[derive(Debug)]
struct Held {
    number: u64,
    store: Arc<Store>,
    current: Current,
    moment: Moment,
}

impl Held {
    fn new(store: &Arc<Store>) -> Held {
        let engine = store.engine();
        let current = engine.current();
        let moment = engine.moment(&current);
        let mut snapshots = engine.snapshots.lock();
        let number = snapshots.next;
        snapshots.next += 1;
        snapshots.held.insert(number, (current.clone(), moment));
        drop(snapshots);
        Held { number, store: Arc::clone(store), current, moment }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Files may go with it, outside the lock.
        let gone = self.store.engine().snapshots.lock().held.remove(&self.number);
        drop(gone);
    }
}

impl Snapshot {
    pub(crate) fn new(store: &Arc<Store>) -> Snapshot {
        Snapshot(Arc::new(Held::new(store)))
    }

    /// The position of the newest batch it shows.
    pub fn lsn(&self) -> Lsn {
        self.0.moment.lsn
    }

    /// The names of the collections it shows.
    pub fn collections(&self) -> Vec<String> {
        self.0.current.view.names.keys().map(ToString::to_string).collect()
    }

    /// The names it shows that begin with `prefix`, in their order.
    pub(crate) fn names(&self, prefix: &str) -> Vec<Arc<str>> {
        let from = self.0.current.view.names.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        from.map(|(name, _)| Arc::clone(name)).take_while(|name| name.starts_with(prefix)).collect()
    }

    /// A collection as it was. Fails with `NotFound` when there was none of that name.
    pub fn collection(&self, name: &str) -> Result<SnapshotCollection> {
        let Held { store, current, moment, .. } = &*self.0;
        let view = current.view.by_name(name)?;
        view.check_usable()?;
        let reader = Reader { store: Arc::clone(store), view: Arc::clone(view), moment: *moment };
        Ok(SnapshotCollection { reader, _held: Some(Arc::clone(&self.0)) })
    }
}

/// A collection as it was at the moment of a [`Snapshot`].
#[derive(Debug, Clone)]
pub struct SnapshotCollection {
    reader: Reader,
    _held: Option<Arc<Held>>,
}

impl SnapshotCollection {
    #[cfg(feature = "exchange")]
    pub(crate) fn new(reader: Reader) -> SnapshotCollection {
        SnapshotCollection { reader, _held: None }
    }

    /// The record of that key, if there was one.
    pub fn get(&self, key: impl Into<Key>) -> Result<Option<Record>> {
        self.reader.get(&key.into())
    }

    /// How many records there were.
    pub fn count(&self) -> Result<u64> {
        self.reader.count()
    }

    /// How many records passed the filter.
    pub fn count_where(&self, filter: impl IntoFilter) -> Result<u64> {
        self.reader.count_where(&filter.into_filter()?)
    }

    /// Walks the records in key order.
    pub fn scan(&self) -> Scan {
        Scan::new(Ok(self.reader.clone()))
    }

    /// Searches for near vectors.
    pub fn query(&self) -> Query {
        Query::new(Ok(self.reader.clone()))
    }
}
