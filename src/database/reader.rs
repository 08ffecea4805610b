//! Reading a collection at one moment: what snapshots, queries and scans share.

use std::sync::Arc;

use crate::collection::filtered::{self, Passing};
use crate::collection::record::Record;
use crate::collection::view::CollectionView;
use crate::database::engine::Engine;
use crate::database::store::Store;
use crate::error::Result;
use crate::filter::{Bound, Filter};
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
        self.engine().call(|| {
            key.check()?;
            self.view.get(&key.encode(), self.moment)
        })
    }

    pub(crate) fn count(&self) -> Result<u64> {
        self.engine().call(|| self.view.count(self.moment))
    }

    /// How many records pass.
    pub(crate) fn count_where(&self, filter: &Filter) -> Result<u64> {
        self.engine().call(|| {
            let filter = self.bind(filter)?;
            filtered::count(&self.view, &filter, self.moment, &self.engine().pool)
        })
    }

    /// The records that pass.
    pub(crate) fn passing(&self, filter: &Filter) -> Result<Vec<Passing>> {
        let filter = self.bind(filter)?;
        filtered::passing(&self.view, &filter, self.moment, &self.engine().pool)
    }

    /// The filter as it is asked here and now, unless it compares a declared field with another type.
    pub(crate) fn bind(&self, filter: &Filter) -> Result<Bound> {
        self.engine().check_open()?;
        let bound = filter.check(self.view.schema.fields()).and_then(|()| filter.bind(self.moment.now));
        bound.map_err(|error| error.at(self.place()))
    }

    /// Where this reads, for messages.
    pub(crate) fn place(&self) -> String {
        format!("collection {}", self.view.name)
    }
}
