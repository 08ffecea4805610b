//! Reading a collection at one moment: what snapshots, queries and scans share.

use std::sync::Arc;

use crate::collection::record::Record;
use crate::collection::view::CollectionView;
use crate::database::engine::Engine;
use crate::database::store::Store;
use crate::error::Result;
use crate::key::Key;
use crate::segment::Moment;

/// Everything needed to read a collection at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    pub(crate) store: Arc<Store>,
    pub(crate) view: Arc<CollectionView>,
    pub(crate) moment: Moment,
}

impl Reader {
    pub(crate) fn engine(&self) -> &Engine {
        self.store.engine()
    }

    pub(crate) fn get(&self, key: &Key) -> Result<Option<Record>> {
        self.engine().check_open()?;
        key.check()?;
        self.view.get(&key.encode(), self.moment)
    }

    pub(crate) fn count(&self) -> Result<u64> {
        self.engine().check_open()?;
        self.view.count(self.moment)
    }
}
