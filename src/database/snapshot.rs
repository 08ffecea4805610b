//! Snapshots: a store as it was at one moment.

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
pub struct Snapshot {
    store: Arc<Store>,
    current: Current,
    moment: Moment,
}

impl Snapshot {
    pub(crate) fn new(store: &Arc<Store>) -> Snapshot {
        let current = store.engine().current();
        let moment = store.engine().moment(&current);
        Snapshot { store: Arc::clone(store), current, moment }
    }

    /// The position of the newest batch it shows.
    pub fn lsn(&self) -> Lsn {
        self.moment.lsn
    }

    /// The names of the collections it shows.
    pub fn collections(&self) -> Vec<String> {
        self.current.view.names.keys().map(ToString::to_string).collect()
    }

    /// A collection as it was. Fails with `NotFound` when there was none of that name.
    pub fn collection(&self, name: &str) -> Result<SnapshotCollection> {
        let view = self.current.view.by_name(name)?;
        view.check_usable()?;
        Ok(SnapshotCollection(Reader { store: Arc::clone(&self.store), view: Arc::clone(view), moment: self.moment }))
    }
}

/// A collection as it was at the moment of a [`Snapshot`].
#[derive(Debug, Clone)]
pub struct SnapshotCollection(Reader);

impl SnapshotCollection {
    #[cfg(feature = "exchange")]
    pub(crate) fn new(reader: Reader) -> SnapshotCollection {
        SnapshotCollection(reader)
    }

    /// The record of that key, if there was one.
    pub fn get(&self, key: impl Into<Key>) -> Result<Option<Record>> {
        self.0.get(&key.into())
    }

    /// How many records there were.
    pub fn count(&self) -> Result<u64> {
        self.0.count()
    }

    /// How many records passed the filter.
    pub fn count_where(&self, filter: impl IntoFilter) -> Result<u64> {
        self.0.count_where(&filter.into_filter()?)
    }

    /// Walks the records in key order.
    pub fn scan(&self) -> Scan {
        Scan::new(Ok(self.0.clone()))
    }

    /// Searches for near vectors.
    pub fn query(&self) -> Query {
        Query::new(Ok(self.0.clone()))
    }
}
