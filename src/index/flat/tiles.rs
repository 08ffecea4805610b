//! Many queries by codes: each block of rows is brought into the cache once and compared with all of them.
//!
//! Live rows are gathered into blocks that fit the second-level cache, as pairs of 16-bit numbers, sixteen rows side by
//! side; queries stand six side by side. A tile is then one sum a pair of vectors without a step in between, as in a
//! product of matrices, and twice as fast as one of `f32`, because an instruction takes twice as many codes.

use super::super::comparison::Comparison;
use super::super::{Found, Query, Scope, Vectors, live_word, rows_of};
use super::shortlist::Shortlist;
use crate::error::Result;
use crate::ids::RowId;
use crate::pool::Pool;
use crate::quantization::bounds::{CodedQuery, Limit};
use crate::quantization::int8::{Codes, Columns};
use crate::vector::kernel::{self, Kernels, TILE_QUERIES, TILE_ROWS, Task, TileDots};
use crate::vector::metric::Metric;

/// Bytes of a block of rows: a part of the second-level cache.
const BLOCK_BYTES: usize = 256 * 1024;

/// What [`super::coded::search`] finds for each of the queries, on this thread.
pub(super) fn search(
    vectors: &dyn Vectors,
    codes: &Codes<'_>,
    comparisons: &[Comparison<'_>],
    queries: &[Query<'_>],
    scope: &Scope<'_>,
) -> Result<Vec<Found>> {
    let coded: Option<Vec<CodedQuery>> = comparisons.iter().map(|it| it.coded(codes.stride())).collect();
    let by_tiles = queries.iter().all(|query| query.metric != Metric::L1);
    let Some(coded) = coded.filter(|_| by_tiles) else {
        let one = |query: &Query<'_>| super::VectorIndex::search(&super::Flat, vectors, query, scope, &Pool::inline());
        return queries.iter().map(one).collect();
    };
    let groups = coded.chunks(TILE_QUERIES).map(pair_queries).collect();
    let lists: Vec<Shortlist> = queries.iter().map(Shortlist::new).collect();
    let limits = coded.iter().zip(&lists).map(|(coded, list)| coded.limit(list.most())).collect();
    let (state, read) = kernel::with(Tiles { codes, scope, state: State { coded, groups, lists, limits } });
    let settled = state.lists.into_iter().zip(comparisons).zip(queries);
    let settled = settled.map(|((list, comparison), query)| {
        let found = list.settle(vectors, comparison, query, scope)?;
        let bytes = found.bytes + read.code_distances * codes.row_bytes() as u64;
        Ok(Found { hits: found.hits, distances: found.distances, bytes, ..read.clone() })
    });
    settled.collect()
}

/// Queries side by side, in pairs of positions; where there are fewer than a tile takes, the last stand in.
fn pair_queries(queries: &[CodedQuery]) -> Vec<i16> {
    let length = queries.first().map_or(0, |query| query.whole.len());
    let mut pairs = Vec::with_capacity(length * TILE_QUERIES);
    for at in (0..length).step_by(2) {
        for place in 0..TILE_QUERIES {
            pairs.extend_from_slice(&queries[place.min(queries.len() - 1)].whole[at..at + 2]);
        }
    }
    pairs
}

/// All queries, and what was found for each so far.
struct State {
    coded: Vec<CodedQuery>,
    groups: Vec<Vec<i16>>,
    lists: Vec<Shortlist>,
    limits: Vec<Limit>,
}

/// Comparing all live rows with all queries; what was read.
struct Tiles<'a> {
    codes: &'a Codes<'a>,
    scope: &'a Scope<'a>,
    state: State,
}

impl Task for Tiles<'_> {
    type Output = (State, Found);

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) -> (State, Found) {
        let Tiles { codes, scope, mut state } = self;
        let mut block = Block::new(codes);
        let mut read = Found::default();
        for number in 0..codes.len().div_ceil(64) {
            block.gather(codes, number, live_word(scope.live, number, codes.len()));
            read.visited += (codes.len() - number * 64).min(64) as u64;
            let last = (number + 1) * 64 >= codes.len();
            if block.is_full() || last {
                read.code_distances += block.rows.len() as u64;
                state.compare(kernels, &block);
                block.clear();
                if !last && (scope.stop)() {
                    read.cut = true;
                    break;
                }
            }
        }
        (state, read)
    }
}

impl State {
    /// Compares a block with all queries. The queries of a tile stay in the first-level cache for the whole block.
    #[inline(always)]
    fn compare<K: Kernels>(&mut self, kernels: K, block: &Block) {
        let mut dots = TileDots::default();
        for (group, queries) in self.groups.iter().enumerate() {
            let first_query = group * TILE_QUERIES;
            let count = (self.coded.len() - first_query).min(TILE_QUERIES);
            let strips = block.rows.len().div_ceil(TILE_ROWS);
            for (strip, rows) in block.pairs.chunks_exact(block.stride * TILE_ROWS).take(strips).enumerate() {
                kernels.tile(queries, rows, &mut dots);
                let first = strip * TILE_ROWS;
                let columns = block.columns(first, (block.rows.len() - first).min(TILE_ROWS));
                for (place, dots) in dots[..count].iter().enumerate() {
                    let query = first_query + place;
                    let dots = &dots[..columns.scales.len()];
                    if self.limits[query].any_passes(dots, columns) {
                        offer(
                            &self.coded[query],
                            &mut self.lists[query],
                            &mut self.limits[query],
                            dots,
                            columns,
                            &block.rows[first..],
                        );
                    }
                }
            }
        }
    }
}

/// Offers those rows of a strip to a query that pass.
#[inline(never)]
fn offer(
    coded: &CodedQuery,
    list: &mut Shortlist,
    limit: &mut Limit,
    dots: &[i32],
    columns: Columns<'_>,
    rows: &[RowId],
) {
    let most = list.most();
    for (place, dot) in dots.iter().enumerate() {
        if limit.any_passes(&[*dot], columns.of(place, 1)) {
            list.offer(coded.bounds(*dot, columns.row(place)), rows[place]);
        }
    }
    if list.most() != most {
        *limit = coded.limit(list.most());
    }
}

/// Live rows, gathered and in pairs of positions, sixteen rows to a strip.
struct Block {
    stride: usize,
    most_rows: usize,
    rows: Vec<RowId>,
    pairs: Vec<i16>,
    scales: Vec<f32>,
    lengths: Vec<f32>,
    errors: Vec<f32>,
}

impl Block {
    fn new(codes: &Codes<'_>) -> Block {
        Block {
            stride: codes.stride(),
            most_rows: (BLOCK_BYTES / (2 * codes.stride())).max(64),
            rows: Vec::new(),
            pairs: Vec::new(),
            scales: Vec::new(),
            lengths: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// Whether another word of rows may be too many.
    fn is_full(&self) -> bool {
        self.rows.len() + 64 > self.most_rows
    }

    fn clear(&mut self) {
        self.rows.clear();
        self.scales.clear();
        self.lengths.clear();
        self.errors.clear();
    }

    fn gather(&mut self, codes: &Codes<'_>, number: usize, word: u64) {
        for row in rows_of(number, word) {
            let (strip, lane) = (self.rows.len() / TILE_ROWS, self.rows.len() % TILE_ROWS);
            let strip_length = self.stride * TILE_ROWS;
            // Rows of a strip that is not filled up again are those of an earlier block; nobody looks at what they give.
            if self.pairs.len() < (strip + 1) * strip_length {
                self.pairs.resize((strip + 1) * strip_length, 0);
            }
            let strip = &mut self.pairs[strip * strip_length..][..strip_length];
            let pairs = strip.as_chunks_mut::<{ 2 * TILE_ROWS }>().0.iter_mut();
            for (pairs, codes) in pairs.zip(codes.of(row, 1).as_chunks::<2>().0) {
                pairs[2 * lane] = codes[0].into();
                pairs[2 * lane + 1] = codes[1].into();
            }
            let factors = codes.columns().row(row);
            self.rows.push(RowId(row as u32));
            self.scales.push(factors.scale);
            self.lengths.push(factors.length);
            self.errors.push(factors.error);
        }
    }

    #[inline(always)]
    fn columns(&self, first: usize, count: usize) -> Columns<'_> {
        Columns { scales: &self.scales, lengths: &self.lengths, errors: &self.errors }.of(first, count)
    }
}
