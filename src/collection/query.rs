//! The k nearest records over all segments of a collection.

use std::sync::Arc;
use std::time::Instant;

use crate::collection::explain::{ExactCost, MEMORY, SegmentExplain};
use crate::collection::filtered::{in_block, in_sealed};
use crate::collection::hits::QueryStats;
use crate::collection::view::CollectionView;
use crate::error::{Error, ErrorKind, Result};
use crate::filter::Bound;
use crate::ids::RowId;
use crate::index::{self, Effort, Found, IndexSpec, Live, Plan, Query, Scope, Stop, VectorIndex, Vectors};
use crate::pool::Pool;
use crate::rows::RowSet;
use crate::segment::block::{Block, LiveInBlock};
use crate::segment::indexed::SegmentIndex;
use crate::segment::matching::Matches;
use crate::segment::mutable::Mutable;
use crate::segment::sealed::Sealed;
use crate::segment::waves::Wave;
use crate::segment::{Moment, RowSource};
use crate::storage::names;
use crate::sync::Mutex;
use crate::vector::VectorRef;
use crate::vector::metric::Metric;
use crate::vector::top_k::Order;

/// So few rows are compared in less time than it takes to hand them to other threads.
const FEW_ROWS: u32 = 2048;
/// A segment of so few rows is compared whole, exactly, sooner than its index finds the nearest.
const TINY_SEGMENT: u32 = 256;

/// An index over rows in memory serves where it has so many for each neighbour that is wanted.
const ROWS_PER_NEIGHBOUR: usize = 16;

/// Of so many queries a thread reads the keys of what was found, or makes the answers.
pub(crate) const QUERIES_PER_PIECE: usize = 32;

/// Blocks that a thread searches before their answers are brought together.
const BLOCKS_PER_THREAD: usize = 4;

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
    /// Only those that pass.
    pub(crate) filter: Option<&'a Bound>,
    /// How hard to try, where a segment has an index that is not exact.
    pub(crate) effort: Effort,
    /// Of each query the stored key of the record that asks, for indexes to go around; empty where none does.
    pub(crate) without: &'a [Option<&'a [u8]>],
    /// Whether to stop before the end.
    pub(crate) stop: &'a Stop<'a>,
    /// Whether to tell what was done in each segment.
    pub(crate) explain: bool,
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

/// The answers for several vectors.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    pub(crate) of_each: Vec<Nearest>,
    /// What was done in each segment for all of them, when that was asked for.
    pub(crate) segments: Vec<SegmentExplain>,
    /// An index was found damaged on the way, and is to be built anew.
    pub(crate) quarantined: bool,
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
) -> Result<Answers> {
    let metric = view.schema.metric().ok_or_else(|| {
        Error::invalid("this collection has no vectors to search").at(format!("collection {}", view.name))
    })?;
    let mut search = Search::new(vectors, metric, wanted, moment, pool);
    let mut sealed: Vec<&Arc<Sealed>> = view.sealed.iter().collect();
    sealed.sort_by_key(|segment| std::cmp::Reverse(segment.file().rows()));
    for segment in sealed {
        search.sealed(segment)?;
    }
    for segment in view.in_memory() {
        search.mutable(segment, view.schema.index_spec())?;
    }
    Ok(Answers { of_each: search.answers, segments: search.segments, quarantined: search.quarantined })
}

/// A search in progress: the best so far bounds what later segments need to return.
struct Search<'a> {
    flat: &'static dyn VectorIndex,
    queries: Vec<Query<'a>>,
    answers: Vec<Nearest>,
    segments: Vec<SegmentExplain>,
    quarantined: bool,
    wanted: &'a Wanted<'a>,
    moment: Moment,
    pool: &'a Pool,
}

impl<'a> Search<'a> {
    fn new(
        vectors: &[VectorRef<'a>],
        metric: Metric,
        wanted: &'a Wanted<'a>,
        moment: Moment,
        pool: &'a Pool,
    ) -> Search<'a> {
        let floor = wanted.after.map(|(distance, _)| distance);
        let (k, bound, effort) = (wanted.k, wanted.within, wanted.effort);
        let query = |vector: &VectorRef<'a>| Query { vector: *vector, metric, k, bound, floor, without: None, effort };
        let queries: Vec<Query<'a>> = vectors.iter().map(query).collect();
        let answers = vec![Nearest::default(); queries.len()];
        Search { flat: index::flat(), answers, segments: Vec::new(), quarantined: false, queries, wanted, moment, pool }
    }

    fn sealed(&mut self, segment: &Sealed) -> Result<()> {
        let start = Instant::now();
        let file = segment.file();
        let Some(vectors) = file.vectors() else { return Ok(()) };
        for (query, key) in self.queries.iter_mut().zip(self.wanted.without) {
            query.without = key.map(|key| file.row_of(key)).transpose()?.flatten();
        }
        let stop = self.wanted.stop;
        let passing = |filter| in_sealed(segment, filter, self.moment, stop, self.pool);
        let matches = self.wanted.filter.map(passing).transpose()?;
        let few = matches.as_ref().is_some_and(|matches| matches.rows.count() <= FEW_ROWS);
        let through = !few && file.rows() > TINY_SEGMENT && self.wanted.effort != Effort::Exact;
        let index = segment.index().filter(|_| through);
        let (mut found, quarantined) = {
            let unfiltered = segment.live_at(self.moment)?;
            let live: &dyn Live = matches.as_ref().map_or(&unfiltered, |matches| &matches.rows);
            let order = self.key_order(&**file);
            let count = matches.as_ref().map_or_else(|| unfiltered.count(), |matches| Some(matches.rows.count()));
            let scope = Scope { live, count, order: &order, stop };
            let pool = if few { &Pool::inline() } else { self.pool };
            let found = match index {
                Some(index) => {
                    let live = || count.map_or_else(|| segment.count(self.moment), |count| Ok(count.into()));
                    self.through_index(index, &vectors, &scope, pool, &live)?
                }
                None => (self.flat.search_many(&vectors, &self.queries, &scope, pool)?, false),
            };
            order.failure()?;
            found
        };
        self.quarantined |= quarantined;
        self.cut_if(matches.as_ref().is_some_and(|matches| matches.cut));
        self.count_segment(matches.as_ref().map_or(0, |matches| matches.evaluated));
        if self.wanted.explain {
            let explained = self.explained(segment, &vectors, matches, report(&found, start))?;
            self.segments.push(explained);
        }
        let keys_of_some = |found: &[Found]| {
            let rows: Vec<RowId> = found.iter().flat_map(|found| &found.hits).map(|hit| hit.1).collect();
            file.keys(&rows)
        };
        let mut keys = self.pool.map_pieces(&found, QUERIES_PER_PIECE, keys_of_some)?.into_iter();
        self.take(&mut found, || keys.next())?;
        self.settle();
        Ok(())
    }

    /// What there is to tell of a segment beside what searching it took.
    fn explained(
        &self,
        segment: &Sealed,
        vectors: &dyn Vectors,
        matches: Option<Matches>,
        took: SegmentExplain,
    ) -> Result<SegmentExplain> {
        let candidates = match &matches {
            Some(matches) => u64::from(matches.rows.count()),
            None => segment.count(self.moment)?,
        };
        let usable = segment.index().and_then(|index| Some((index, index.usable()?)));
        let reached = |curve: &[(f32, f32)]| curve.iter().map(|(recall, _)| *recall).reduce(f32::max);
        let exact = self.queries.iter().map(|query| index::flat_cost(vectors, query, candidates));
        let evaluated = matches.as_ref().map_or(0, |matches| matches.evaluated);
        let (by_index, by_payload) = matches.map(|it| (it.by_index, it.by_payload)).unwrap_or_default();
        Ok(SegmentExplain {
            name: names::segment(segment.file().id()),
            rows: u64::from(segment.file().rows()),
            candidates,
            index: usable.map(|(index, _)| index.entry().spec.clone()),
            damage: segment.index().and_then(|index| index.damage().map(ToString::to_string)),
            reaches: usable.and_then(|(_, index)| reached(&index.facts().curve)),
            exact: exact.map(|found| ExactCost::of(&found)).fold(ExactCost::default(), ExactCost::and),
            evaluated,
            by_index,
            by_payload,
            ..took
        })
    }

    /// What the index of a segment finds; what it does not, every row is asked for. Tells whether the index turned out
    /// to be damaged. `live` says how many rows there are to choose from.
    fn through_index(
        &self,
        index: &SegmentIndex,
        vectors: &dyn Vectors,
        scope: &Scope<'_>,
        pool: &Pool,
        live: &dyn Fn() -> Result<u64>,
    ) -> Result<(Vec<Found>, bool)> {
        let all = |queries: &[Query<'a>]| self.flat.search_many(vectors, queries, scope, pool);
        let Some(usable) = index.usable() else { return Ok((all(&self.queries)?, false)) };
        match usable.search_many(vectors, &self.queries, scope, pool) {
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                // When it is the vectors that are damaged, the index is not to blame.
                let found = all(&self.queries)?;
                index.quarantine(error);
                Ok((found, true))
            }
            found => Ok((self.completed(found?, live, all)?, false)),
        }
    }

    /// What an index found, and what `all` finds where it found fewer than there are. `live` says how many there are.
    fn completed(
        &self,
        mut found: Vec<Found>,
        live: &dyn Fn() -> Result<u64>,
        all: impl FnOnce(&[Query<'a>]) -> Result<Vec<Found>>,
    ) -> Result<Vec<Found>> {
        let short: Vec<usize> = (0..found.len()).filter(|at| self.is_short(*at, &found[*at])).collect();
        if short.is_empty() {
            return Ok(found);
        }
        let live = usize::try_from(live()?).unwrap_or(usize::MAX);
        let short = short.into_iter().filter(|at| self.queries[*at].floor.is_some() || found[*at].hits.len() < live);
        let short: Vec<usize> = short.collect();
        let queries: Vec<Query<'a>> = short.iter().map(|at| self.queries[*at]).collect();
        for (at, whole) in short.into_iter().zip(all(&queries)?) {
            found[at] = with_cost_of(whole, &found[at]);
        }
        Ok(found)
    }

    /// Whether an index found fewer than are wanted, with nothing to say that there are no more.
    fn is_short(&self, at: usize, found: &Found) -> bool {
        let query = &self.queries[at];
        found.hits.len() < query.k && query.bound == f32::INFINITY && !found.cut
    }

    fn mutable(&mut self, segment: &Mutable, asked: &IndexSpec) -> Result<()> {
        if segment.rows() == 0 {
            return Ok(());
        }
        let start = Instant::now();
        self.queries.iter_mut().for_each(|query| query.without = None);
        let waves: Vec<Arc<Wave>> = segment.waves(asked).into_iter().take_while(|wave| self.serves(wave)).collect();
        let indexed = waves.last().map_or(0, |wave| wave.blocks().end);
        let mut searched = Vec::new();
        for wave in &waves {
            let mut part = [self.wave(wave)?];
            self.take_searched(&mut part)?;
            searched.extend(part);
        }
        if self.is_brief() {
            let full = segment.full_blocks();
            let mut rest = self.pool.map(full.len() - indexed, |number| self.block(&full[indexed + number]))?;
            rest.extend(segment.rest(full.len(), |block| self.block(block))?);
            self.take_searched(&mut rest)?;
            searched.extend(rest);
        } else {
            // The lock is not held meanwhile: writers must not wait for a filter, or for many queries.
            for blocks in segment.blocks()[indexed..].chunks(self.pool.threads().max(1) * BLOCKS_PER_THREAD) {
                let mut part = self.pool.map(blocks.len(), |number| self.block(&blocks[number]))?;
                self.take_searched(&mut part)?;
                searched.extend(part);
            }
        }
        self.count_segment(searched.iter().map(|block| block.evaluated).sum());
        if self.wanted.explain {
            let mut report = self.explained_in_memory(segment, &searched, start);
            report.index = waves.first().map(|wave| wave.spec().to_string());
            self.segments.push(report);
        }
        Ok(())
    }

    /// What was done in the blocks of a segment in memory.
    fn explained_in_memory(&self, segment: &Mutable, searched: &[Searched], start: Instant) -> SegmentExplain {
        let found: Vec<Found> = searched.iter().flat_map(|block| &block.found).cloned().collect();
        let candidates: u64 = searched.iter().map(|block| block.candidates).sum();
        let vectors: u64 = self.queries.iter().map(|query| query.vector.as_bytes().len() as u64).sum();
        let distances = candidates * self.queries.len() as u64;
        SegmentExplain {
            name: MEMORY.into(),
            rows: segment.rows().into(),
            candidates,
            evaluated: searched.iter().map(|block| block.evaluated).sum(),
            exact: ExactCost { distances, code_distances: 0, bytes: candidates * vectors },
            ..report(&found, start)
        }
    }

    /// Whether the rows of a wave are searched through its index. A filter reads their payloads one by one anyway.
    fn serves(&self, wave: &Wave) -> bool {
        let Wanted { k, after, filter, effort, .. } = self.wanted;
        let many = wave.rows().len() / ROWS_PER_NEIGHBOUR >= *k;
        many && filter.is_none() && after.is_none() && *effort != Effort::Exact
    }

    fn wave(&self, wave: &Wave) -> Result<Searched> {
        let rows = wave.rows();
        let live = rows.live_at(self.moment);
        let order = self.key_order(rows.source());
        let scope = Scope { live: &live, count: None, order: &order, stop: self.wanted.stop };
        let present = || RowSet::from_words(rows.len() as u32, |word| live.word(word)).count();
        let found = wave.index().search_many(rows, &self.queries, &scope, self.pool)?;
        let all = |queries: &[Query<'a>]| self.flat.search_many(rows, queries, &scope, self.pool);
        let found = self.completed(found, &|| Ok(present().into()), all)?;
        let keys = keys_of(&found, rows.source())?;
        let candidates = if self.wanted.explain { present() } else { 0 };
        Ok(Searched { found, keys, candidates: candidates.into(), ..Searched::default() })
    }

    /// Whether a block is searched in less time than copying it takes.
    fn is_brief(&self) -> bool {
        self.wanted.filter.is_none() && self.queries.len() == 1
    }

    fn block(&self, block: &Block) -> Result<Searched> {
        let Some(rows) = block.vectors() else { return Ok(Searched::default()) };
        let Wanted { filter, stop, explain, .. } = *self.wanted;
        let all = LiveInBlock { block, moment: self.moment };
        let passing = filter.map(|filter| in_block(block, filter, self.moment, stop)).transpose()?;
        let live: &dyn Live = passing.as_ref().map_or(&all, |(rows, _)| rows);
        let order = self.key_order(block);
        let count = passing.as_ref().map(|(rows, _)| rows.count());
        let scope = Scope { live, count, order: &order, stop };
        let found = self.flat.search_many(&rows, &self.queries, &scope, &Pool::inline())?;
        let keys = keys_of(&found, block)?;
        let present = || RowSet::from_words(block.len() as u32, |word| all.word(word)).count();
        let (candidates, evaluated) = match &passing {
            Some((rows, _)) => (rows.count(), present()),
            None if explain => (present(), 0),
            None => (0, 0),
        };
        let cut = passing.is_some_and(|(_, cut)| cut);
        Ok(Searched { found, keys, candidates: candidates.into(), evaluated: evaluated.into(), cut })
    }

    /// Adds what blocks gave to the answers; what is only told stays with them.
    fn take_searched(&mut self, searched: &mut [Searched]) -> Result<()> {
        for block in searched {
            let mut keys = std::mem::take(&mut block.keys).into_iter();
            self.cut_if(block.cut);
            self.take(&mut block.found, || keys.next())?;
        }
        self.settle();
        Ok(())
    }

    fn cut_if(&mut self, cut: bool) {
        self.answers.iter_mut().for_each(|answer| answer.cut |= cut);
    }

    fn key_order<'b>(&self, source: &'b dyn RowSource) -> KeyOrder<'b>
    where
        'a: 'b,
    {
        KeyOrder { source, after: self.wanted.after.map(|(_, key)| key), failure: Mutex::new(None) }
    }

    fn count_segment(&mut self, evaluated: u64) {
        for answer in &mut self.answers {
            answer.stats.segments += 1;
            answer.stats.evaluated += evaluated;
        }
    }

    /// Adds what one segment or block found for each query. `key` gives the keys of all hits, query by query.
    fn take(&mut self, found: &mut [Found], mut key: impl FnMut() -> Option<Vec<u8>>) -> Result<()> {
        for (answer, found) in self.answers.iter_mut().zip(found) {
            answer.stats.visited += found.visited;
            answer.stats.distances += found.distances;
            answer.stats.code_distances += found.code_distances;
            answer.stats.bytes += found.bytes;
            answer.cut |= found.cut;
            for (distance, _) in std::mem::take(&mut found.hits) {
                let key = key().ok_or_else(|| Error::internal("a hit without a key"))?;
                answer.neighbours.push(Neighbour { distance, key });
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

/// An answer that took another one's cost beside its own.
fn with_cost_of(found: Found, other: &Found) -> Found {
    Found {
        distances: found.distances + other.distances,
        code_distances: found.code_distances + other.code_distances,
        visited: found.visited + other.visited,
        bytes: found.bytes + other.bytes,
        ..found
    }
}

/// The keys of all hits, query by query.
fn keys_of(found: &[Found], source: &dyn RowSource) -> Result<Vec<Vec<u8>>> {
    let hits = found.iter().flat_map(|found| &found.hits);
    hits.map(|(_, row)| source.key(*row).map(<[u8]>::to_vec)).collect()
}

/// What searching one block, or one wave, of a mutable segment gave.
#[derive(Default)]
struct Searched {
    found: Vec<Found>,
    /// The keys of all hits, query by query.
    keys: Vec<Vec<u8>>,
    /// Rows that were live and passed.
    candidates: u64,
    /// Rows that the filter was asked about.
    evaluated: u64,
    /// The filter was stopped.
    cut: bool,
}

/// What searching a segment took, for all queries together.
fn report(found: &[Found], start: Instant) -> SegmentExplain {
    let sum = |of: fn(&Found) -> u64| found.iter().map(of).sum();
    let plan = found.iter().map(|found| found.plan).find(|plan| *plan != Plan::Exact).unwrap_or_default();
    SegmentExplain {
        plan: plan.to_string(),
        approximate: matches!(plan, Plan::Graph | Plan::Hashes),
        visited: sum(|found| found.visited),
        distances: sum(|found| found.distances),
        code_distances: sum(|found| found.code_distances),
        bytes: sum(|found| found.bytes),
        elapsed: start.elapsed(),
        ..SegmentExplain::default()
    }
}

/// Rows in the order of their keys, and those that a page before had.
///
/// A key that cannot be read comes before all others, so that there is an order still, and its error is kept: who
/// searches asks for it when it is done, since a row that lost a tie for it would be missed by nobody.
struct KeyOrder<'a> {
    source: &'a dyn RowSource,
    /// The last key of the page before.
    after: Option<&'a [u8]>,
    failure: Mutex<Option<Error>>,
}

impl<'a> KeyOrder<'a> {
    fn key(&self, row: RowId) -> Option<&'a [u8]> {
        self.source.key(row).map_err(|error| _ = self.failure.lock().get_or_insert(error)).ok()
    }

    /// Fails when a key was asked for that cannot be read.
    fn failure(self) -> Result<()> {
        self.failure.into_inner().map_or(Ok(()), Err)
    }
}

impl Order for KeyOrder<'_> {
    fn before(&self, a: RowId, b: RowId) -> bool {
        (self.key(a), a) < (self.key(b), b)
    }

    fn passed(&self, row: RowId) -> bool {
        self.after.zip(self.key(row)).is_some_and(|(after, key)| key <= after)
    }
}
