//! The k nearest records over all segments of a collection.

use std::sync::Arc;

use crate::collection::hits::QueryStats;
use crate::collection::view::CollectionView;
use crate::error::{Error, Result};
use crate::ids::RowId;
use crate::index::{self, Found, Query, VectorIndex};
use crate::pool::Pool;
use crate::segment::mutable::{Block, LiveInBlock, Mutable};
use crate::segment::sealed::Sealed;
use crate::segment::{Moment, RowSource};
use crate::vector::VectorRef;

/// A stored key and its distance.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Neighbour {
    pub(crate) distance: f32,
    pub(crate) key: Vec<u8>,
}

/// The `k` records nearest to `vector` that are live at `moment`, nearest first, equal distances in key order.
/// The vector has been checked against the schema.
pub(crate) fn nearest(
    view: &CollectionView,
    vector: VectorRef<'_>,
    k: usize,
    moment: Moment,
    pool: &Pool,
) -> Result<(Vec<Neighbour>, QueryStats)> {
    let metric = view.schema.metric().ok_or_else(|| {
        Error::invalid("this collection has no vectors to search").at(format!("collection {}", view.name))
    })?;
    let mut search = Search {
        index: index::create(view.schema.index_spec()),
        query: Query { vector, metric, k, bound: f32::INFINITY },
        moment,
        pool,
        best: Vec::new(),
        stats: QueryStats::default(),
    };
    let mut sealed: Vec<&Arc<Sealed>> = view.sealed.iter().collect();
    sealed.sort_by_key(|segment| std::cmp::Reverse(segment.file().rows()));
    for segment in sealed {
        search.sealed(segment)?;
    }
    for segment in view.in_memory() {
        search.mutable(segment)?;
    }
    Ok((search.best, search.stats))
}

/// A search in progress: the best so far bounds what later segments need to return.
struct Search<'a> {
    index: Box<dyn VectorIndex>,
    query: Query<'a>,
    moment: Moment,
    pool: &'a Pool,
    best: Vec<Neighbour>,
    stats: QueryStats,
}

impl Search<'_> {
    fn sealed(&mut self, segment: &Sealed) -> Result<()> {
        let Some(rows) = segment.file().vectors(self.pool)? else { return Ok(()) };
        let live = segment.live_at(self.moment)?;
        let ties = |a, b| keys_before(&**segment.file(), a, b);
        let found = self.index.search(&rows, &self.query, &live, &ties, self.pool)?;
        self.stats.segments += 1;
        self.take(found, |row| segment.file().key(row).map(<[u8]>::to_vec))?;
        self.settle();
        Ok(())
    }

    fn mutable(&mut self, segment: &Mutable) -> Result<()> {
        if segment.rows() == 0 {
            return Ok(());
        }
        self.stats.segments += 1;
        let blocks = segment.full_blocks();
        let found = self.pool.map(blocks.len(), |number| self.block(&blocks[number]))?;
        for (block, found) in blocks.iter().zip(found) {
            self.take(found, |row| block.key(row).map(<[u8]>::to_vec))?;
        }
        let rest = segment.rest(blocks.len(), |block| {
            let found = self.block(block)?;
            let keys = found.hits.iter().map(|(_, row)| block.key(*row).map(<[u8]>::to_vec));
            let keys = keys.collect::<Result<Vec<_>>>()?;
            Ok((found, keys))
        })?;
        for (found, keys) in rest {
            let mut keys = keys.into_iter();
            self.take(found, |_| keys.next().ok_or_else(|| Error::internal("a hit without a key")))?;
        }
        self.settle();
        Ok(())
    }

    fn block(&self, block: &Block) -> Result<Found> {
        let Some(rows) = block.vectors() else { return Ok(Found::default()) };
        let live = LiveInBlock { block, moment: self.moment };
        self.index.search(&rows, &self.query, &live, &|a, b| keys_before(block, a, b), &Pool::inline())
    }

    /// Adds what one segment or block found.
    fn take(&mut self, found: Found, mut key: impl FnMut(RowId) -> Result<Vec<u8>>) -> Result<()> {
        self.stats.visited += found.visited;
        self.stats.distances += found.distances;
        for (distance, row) in found.hits {
            self.best.push(Neighbour { distance, key: key(row)? });
        }
        Ok(())
    }

    /// Keeps the best so far and tightens the bound.
    fn settle(&mut self) {
        self.best.sort_by(|a, b| a.distance.total_cmp(&b.distance).then_with(|| a.key.cmp(&b.key)));
        self.best.truncate(self.query.k);
        if self.best.len() == self.query.k
            && let Some(last) = self.best.last()
        {
            self.query.bound = last.distance;
        }
    }
}

/// A key that cannot be read orders by row; the damage is reported when the hit's key is fetched.
fn keys_before(source: &dyn RowSource, a: RowId, b: RowId) -> bool {
    match (source.key(a), source.key(b)) {
        (Ok(first), Ok(second)) => first < second,
        _ => a < b,
    }
}
