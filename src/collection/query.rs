//! The k nearest records over all segments of a collection.

use std::sync::Arc;

use crate::collection::hits::QueryStats;
use crate::collection::view::CollectionView;
use crate::error::{Error, Result};
use crate::ids::RowId;
use crate::index::{self, Found, Query, Scope, Stop, VectorIndex};
use crate::pool::Pool;
use crate::segment::mutable::{Block, LiveInBlock, Mutable};
use crate::segment::sealed::Sealed;
use crate::segment::{Moment, RowSource};
use crate::vector::VectorRef;
use crate::vector::metric::Metric;
use crate::vector::top_k::Order;

/// A stored key and its distance.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Neighbour {
    pub(crate) distance: f32,
    pub(crate) key: Vec<u8>,
}

/// Which of the nearest records are wanted.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// How many at most.
    pub(crate) k: usize,
    /// None further away than this.
    pub(crate) within: f32,
    /// Only those that come after this distance and stored key, in the order of the answer.
    pub(crate) after: Option<(f32, &'a [u8])>,
    /// Whether to stop before the end.
    pub(crate) stop: &'a Stop,
}

impl Wanted<'_> {
    /// The `k` nearest.
    pub(crate) fn nearest(k: usize) -> Wanted<'static> {
        Wanted { k, within: f32::INFINITY, after: None, stop: &|| false }
    }
}

/// The answer for one vector.
#[derive(Debug, Clone, Default)]
pub(crate) struct Nearest {
    /// Nearest first, equal distances in key order.
    pub(crate) neighbours: Vec<Neighbour>,
    pub(crate) stats: QueryStats,
    /// The search was stopped: nearer records may be missing.
    pub(crate) cut: bool,
}

/// For each of `vectors` the wanted records that are live at `moment`. The vectors have been checked against the schema.
///
/// Many vectors at once cost less than one after the other, and their answers are the same.
pub(crate) fn nearest_many(
    view: &CollectionView,
    vectors: &[VectorRef<'_>],
    wanted: &Wanted<'_>,
    moment: Moment,
    pool: &Pool,
) -> Result<Vec<Nearest>> {
    let metric = view.schema.metric().ok_or_else(|| {
        Error::invalid("this collection has no vectors to search").at(format!("collection {}", view.name))
    })?;
    let index = index::create(view.schema.index_spec());
    let mut search = Search::new(index, vectors, metric, wanted, moment, pool);
    let mut sealed: Vec<&Arc<Sealed>> = view.sealed.iter().collect();
    sealed.sort_by_key(|segment| std::cmp::Reverse(segment.file().rows()));
    for segment in sealed {
        search.sealed(segment)?;
    }
    for segment in view.in_memory() {
        search.mutable(segment)?;
    }
    Ok(search.answers)
}

/// A search in progress: the best so far bounds what later segments need to return.
struct Search<'a> {
    index: Box<dyn VectorIndex>,
    queries: Vec<Query<'a>>,
    answers: Vec<Nearest>,
    wanted: &'a Wanted<'a>,
    moment: Moment,
    pool: &'a Pool,
}

impl<'a> Search<'a> {
    fn new(
        index: Box<dyn VectorIndex>,
        vectors: &[VectorRef<'a>],
        metric: Metric,
        wanted: &'a Wanted<'a>,
        moment: Moment,
        pool: &'a Pool,
    ) -> Search<'a> {
        let floor = wanted.after.map(|(distance, _)| distance);
        let query =
            |vector: &VectorRef<'a>| Query { vector: *vector, metric, k: wanted.k, bound: wanted.within, floor };
        let queries: Vec<Query<'a>> = vectors.iter().map(query).collect();
        Search { index, answers: vec![Nearest::default(); queries.len()], queries, wanted, moment, pool }
    }

    fn sealed(&mut self, segment: &Sealed) -> Result<()> {
        let Some(vectors) = segment.file().vectors() else { return Ok(()) };
        let live = segment.live_at(self.moment)?;
        let order = self.key_order(&**segment.file());
        let scope = Scope { live: &live, order: &order, stop: self.wanted.stop };
        let found = self.index.search_many(&vectors, &self.queries, &scope, self.pool)?;
        self.count_segment();
        self.take(found, |row| segment.file().key(row).map(<[u8]>::to_vec))?;
        self.settle();
        Ok(())
    }

    fn mutable(&mut self, segment: &Mutable) -> Result<()> {
        if segment.rows() == 0 {
            return Ok(());
        }
        self.count_segment();
        let blocks = segment.full_blocks();
        let found = self.pool.map(blocks.len(), |number| self.block(&blocks[number]))?;
        for (block, found) in blocks.iter().zip(found) {
            self.take(found, |row| block.key(row).map(<[u8]>::to_vec))?;
        }
        let rest = segment.rest(blocks.len(), |block| {
            let found = self.block(block)?;
            let hits = found.iter().flat_map(|found| &found.hits);
            let keys = hits.map(|(_, row)| block.key(*row).map(<[u8]>::to_vec));
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

    fn block(&self, block: &Block) -> Result<Vec<Found>> {
        let Some(rows) = block.vectors() else { return Ok(Vec::new()) };
        let live = LiveInBlock { block, moment: self.moment };
        let order = self.key_order(block);
        let scope = Scope { live: &live, order: &order, stop: self.wanted.stop };
        self.index.search_many(&rows, &self.queries, &scope, &Pool::inline())
    }

    fn key_order<'b>(&self, source: &'b dyn RowSource) -> KeyOrder<'b>
    where
        'a: 'b,
    {
        KeyOrder { source, after: self.wanted.after.map(|(_, key)| key) }
    }

    fn count_segment(&mut self) {
        self.answers.iter_mut().for_each(|answer| answer.stats.segments += 1);
    }

    /// Adds what one segment or block found for each query.
    fn take(&mut self, found: Vec<Found>, mut key: impl FnMut(RowId) -> Result<Vec<u8>>) -> Result<()> {
        for (answer, found) in self.answers.iter_mut().zip(found) {
            answer.stats.visited += found.visited;
            answer.stats.distances += found.distances;
            answer.stats.code_distances += found.code_distances;
            answer.stats.bytes += found.bytes;
            answer.cut |= found.cut;
            for (distance, row) in found.hits {
                answer.neighbours.push(Neighbour { distance, key: key(row)? });
            }
        }
        Ok(())
    }

    /// Keeps the best so far and tightens the bounds.
    fn settle(&mut self) {
        for (answer, query) in self.answers.iter_mut().zip(&mut self.queries) {
            let best = &mut answer.neighbours;
            best.sort_by(|a, b| a.distance.total_cmp(&b.distance).then_with(|| a.key.cmp(&b.key)));
            best.truncate(query.k);
            if best.len() == query.k
                && let Some(last) = best.last()
            {
                query.bound = last.distance;
            }
        }
    }
}

/// Rows in the order of their keys, and those that a page before had.
struct KeyOrder<'a> {
    source: &'a dyn RowSource,
    /// The last key of the page before.
    after: Option<&'a [u8]>,
}

/// A key that cannot be read orders by row; the damage is reported when the hit's key is fetched.
impl Order for KeyOrder<'_> {
    fn before(&self, a: RowId, b: RowId) -> bool {
        match (self.source.key(a), self.source.key(b)) {
            (Ok(first), Ok(second)) => first < second,
            _ => a < b,
        }
    }

    fn passed(&self, row: RowId) -> bool {
        let key = self.after.zip(self.source.key(row).ok());
        key.is_some_and(|(after, key)| key <= after)
    }
}
