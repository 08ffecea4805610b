//! Finding the nearest rows of one segment.
//!
//! An index owns what it adds to the rows (links, hash tables) and is handed the rows themselves at every search, so the
//! vectors are stored once, where the segment keeps them. It knows no files, keys or records: rows are numbers, the
//! caller says which of them are alive and which of two comes first. Flat search is the truth the others are held to.

mod comparison;
mod flat;
mod graph;
mod lsh;
mod spec;
pub(crate) mod stored;

use std::fmt;

use stored::{Sink, Source};

use crate::bytes::Reader;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::RowId;
use crate::pool::Pool;
use crate::quantization::int8::Codes;
use crate::rows::RowSet;
use crate::vector::matrix::{Rows, Shape};
use crate::vector::metric::Metric;
use crate::vector::top_k::Order;
use crate::vector::{VectorRef, inverse_norm};

pub use spec::{HnswSpec, IndexSpec, Layout, LshSpec};

/// The most neighbours one query may ask for.
pub const MAX_K: usize = 100_000;

/// An index over the rows of one segment.
pub(crate) trait VectorIndex: Send + Sync + fmt::Debug {
    /// The nearest live rows. `vectors` are those the index was built over, in the same order, and fit `query`.
    ///
    /// What is found does not depend on how many threads `pool` has.
    fn search(&self, vectors: &dyn Vectors, query: &Query<'_>, scope: &Scope<'_>, pool: &Pool) -> Result<Found>;

    /// What [`VectorIndex::search`] finds for each of `queries`, which have one metric; many cost less than one by one.
    fn search_many(
        &self,
        vectors: &dyn Vectors,
        queries: &[Query<'_>],
        scope: &Scope<'_>,
        pool: &Pool,
    ) -> Result<Vec<Found>>;

    /// Checks that every row can be got to, reading all there is; fails with `Corrupt` where one cannot, and with
    /// `Cancelled` when it was stopped.
    fn check(&self, _: &Stop<'_>) -> Result<()> {
        Ok(())
    }

    /// What it is, for `stats` and `explain`.
    fn facts(&self) -> IndexFacts;

    /// Keeps in memory what every search reads here and there, in [`IndexFacts::bytes`] at most.
    fn keep_resident(&self, _: &Pool) -> Result<()> {
        Ok(())
    }
}

/// What an index is.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct IndexFacts {
    /// Its kind as text: what it was built with.
    pub(crate) kind: String,
    /// How it lies in its file, where there is a choice.
    pub(crate) layout: Option<&'static str>,
    pub(crate) rows: u32,
    /// What its sections hold.
    pub(crate) bytes: u64,
    /// Rows that no search gets to.
    pub(crate) unreachable: u32,
    /// Recall and what a query costs for it in distances, as measured when it was built; ascending.
    pub(crate) curve: Vec<(f32, f32)>,
}

/// How hard a search tries to find all of the nearest. Only an index that is not exact asks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Effort {
    /// So that it finds about this share of them, as far as that was measured.
    Recall(f32),
    /// By looking at so many candidates.
    Ef(usize),
    /// By comparing with every row.
    Exact,
}

impl Default for Effort {
    fn default() -> Effort {
        Effort::Recall(0.95)
    }
}

/// As the shell writes it.
impl fmt::Display for Effort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Effort::Recall(recall) => write!(f, "recall {recall}"),
            Effort::Ef(ef) => write!(f, "ef {ef}"),
            Effort::Exact => f.write_str("exact"),
        }
    }
}

/// The vectors of one segment, read as far as a search needs them.
pub(crate) trait Vectors: Sync {
    /// How many rows there are.
    fn len(&self) -> usize;

    /// What kind of rows they are.
    fn shape(&self) -> Shape;

    /// All rows. The first call may read every one of them, to check it.
    fn all(&self, pool: &Pool) -> Result<Rows<'_>>;

    /// One row, which is there; others stay unread.
    fn row(&self, row: RowId) -> Result<VectorRef<'_>>;

    /// One over the length of a row, under cosine.
    fn inverse_norm(&self, row: RowId) -> Result<f32>;

    /// Codes of all rows, where there are any.
    fn codes(&self, pool: &Pool) -> Result<Option<Codes<'_>>>;

    /// Bytes that the codes of one row take, where there are any. Reads nothing.
    fn code_row_bytes(&self) -> Option<usize> {
        None
    }
}

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Query<'a> {
    pub(crate) vector: VectorRef<'a>,
    pub(crate) metric: Metric,
    /// How many are wanted at most.
    pub(crate) k: usize,
    /// Nothing further away than this is wanted: a radius, or the k-th distance that other segments gave.
    /// What is exactly as far is wanted still, since it may win by its key.
    pub(crate) bound: f32,
    /// Nothing nearer than this is wanted: where the page before ended. Of what is exactly as far, [`Order::passed`]
    /// says which rows that page had.
    pub(crate) floor: Option<f32>,
    /// A row that an index goes around as if it were not there, where it is a stored row that asks: its own links would
    /// make finding its neighbours too easy. It may be found all the same, by those that compare with every row.
    pub(crate) without: Option<RowId>,
    pub(crate) effort: Effort,
}

impl Query<'_> {
    /// Whether a row at this distance is not on an earlier page.
    #[inline(always)]
    pub(crate) fn reaches(&self, distance: f32, row: RowId, order: &dyn Order) -> bool {
        self.floor.is_none_or(|floor| distance > floor || (distance == floor && !order.passed(row)))
    }
}

/// What a search runs under.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) live: &'a dyn Live,
    /// How many rows are live, where that was counted.
    pub(crate) count: Option<u32>,
    pub(crate) order: &'a dyn Order,
    pub(crate) stop: &'a Stop<'a>,
}

/// Whether to stop before the end: a deadline has passed, or the caller has cancelled. Asked between pieces of work, from
/// any thread; a piece is a chunk of rows times the queries that are compared with it.
pub(crate) type Stop<'a> = dyn Fn() -> bool + Sync + 'a;

/// What was found, and what it took.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Found {
    /// Distances and rows, the nearest first, ties as the caller's order has them.
    pub(crate) hits: Vec<(f32, RowId)>,
    /// Distances computed of whole rows.
    pub(crate) distances: u64,
    /// Rows that were compared by their codes.
    pub(crate) code_distances: u64,
    /// Rows looked at, those that were not alive included.
    pub(crate) visited: u64,
    /// Bytes of rows and codes that were read for it.
    pub(crate) bytes: u64,
    /// It was stopped: rows may be missing.
    pub(crate) cut: bool,
    pub(crate) plan: Plan,
}

/// How a segment was searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Plan {
    /// Every row that may be found was compared with the query.
    #[default]
    Exact,
    /// By a walk through the graph.
    Graph,
    /// By tables of hashes.
    Hashes,
    /// As `Exact`, after a walk or the hashes had taken as long without coming to an end.
    Fallback,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Plan::Exact => "exact",
            Plan::Graph => "in graph",
            Plan::Hashes => "in hash tables",
            Plan::Fallback => "in index, then exact",
        })
    }
}

/// Which rows may be found: not deleted, not newer than the snapshot, let through by the filter.
pub(crate) trait Live: Sync {
    /// Rows 64 × `number` to 64 × `number` + 63, the first the lowest bit. Bits of rows that are not there mean nothing.
    fn word(&self, number: usize) -> u64;

    /// Whether a row that is there may be found.
    #[inline]
    fn has(&self, row: usize) -> bool {
        self.word(row / 64) >> (row % 64) & 1 == 1
    }
}

impl Live for RowSet {
    fn word(&self, number: usize) -> u64 {
        RowSet::word(self, number)
    }
}

/// The bits of a word of [`Live`] that are of rows below `rows`.
#[inline(always)]
fn live_word(live: &dyn Live, number: usize, rows: usize) -> u64 {
    let here = rows.saturating_sub(number * 64);
    let word = live.word(number);
    if here < 64 { word & ((1 << here) - 1) } else { word }
}

/// The rows of a word.
#[inline(always)]
fn rows_of(number: usize, mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (word != 0).then(|| word.trailing_zeros() as usize)?;
        word &= word - 1;
        Some(number * 64 + bit)
    })
}

/// Rows in memory, without codes.
impl Vectors for Rows<'_> {
    fn len(&self) -> usize {
        Rows::len(self)
    }

    fn shape(&self) -> Shape {
        Rows::shape(self)
    }

    fn all(&self, _: &Pool) -> Result<Rows<'_>> {
        Ok(*self)
    }

    fn row(&self, row: RowId) -> Result<VectorRef<'_>> {
        Ok(Rows::row(self, row))
    }

    fn inverse_norm(&self, row: RowId) -> Result<f32> {
        Ok(match self {
            Rows::F32 { inverse_norms: Some(norms), .. } => norms[row.index()],
            _ => Rows::row(self, row).as_f32().map_or(1.0, inverse_norm),
        })
    }

    fn codes(&self, _: &Pool) -> Result<Option<Codes<'_>>> {
        Ok(None)
    }
}

/// What a stopped check fails with.
fn stopped() -> Error {
    Error::new(ErrorKind::Cancelled, "the check of an index was stopped")
}

/// Comparing with every row, which works on any rows.
pub(crate) fn flat() -> &'static dyn VectorIndex {
    &flat::Flat
}

/// What [`flat`] would take for a query with so many live rows, as it counts that. Where codes come first, as many whole
/// vectors as neighbours are wanted are read at the least.
pub(crate) fn flat_cost(vectors: &dyn Vectors, query: &Query<'_>, live: u64) -> Found {
    flat::cost(vectors, query, live)
}

/// What an index is built from, and under what.
#[derive(Clone, Copy)]
pub(crate) struct Building<'a> {
    pub(crate) vectors: &'a dyn Vectors,
    pub(crate) metric: Metric,
    pub(crate) pool: &'a Pool,
    /// Whether to give up, with an error.
    pub(crate) stop: &'a Stop<'a>,
    /// Bytes of memory it may take.
    pub(crate) budget: u64,
}

/// An index that was built and is not stored yet.
pub(crate) trait Built {
    /// Writes all of its sections. The first is number 1 and begins with the kind and the version of its form.
    fn write(&self, sink: &mut dyn Sink) -> Result<()>;
}

/// Kinds of stored indexes, the first byte of section 1. Frozen.
pub(crate) mod kind {
    pub(crate) const GRAPH: u8 = 1;
    pub(crate) const LSH: u8 = 2;
}

/// Builds what `spec` asks for; none where it keeps no file for such rows, because it is flat or there are too few.
///
/// Fails with `Cancelled` when it was stopped.
pub(crate) fn build<'a>(spec: &IndexSpec, building: &Building<'a>) -> Result<Option<Box<dyn Built + 'a>>> {
    match spec.for_rows(building.vectors.len() as u32) {
        IndexSpec::Hnsw(spec) => graph::build(&spec, building).map(Some),
        IndexSpec::Lsh(spec) => lsh::build(&spec, building).map(Some),
        IndexSpec::Flat | IndexSpec::Auto => Ok(None),
    }
}

/// Opens an index over `rows` rows that [`Built::write`] wrote. Reads little: sections are checked as they are used.
pub(crate) fn open(source: &dyn Source, rows: u32, shape: Shape, metric: Metric) -> Result<Box<dyn VectorIndex>> {
    let first = source.section(1)?;
    let found = Reader::new(first.get(0..first.len().min(1))?).u8();
    match found {
        Ok(kind::GRAPH) => Ok(Box::new(graph::open(source, rows, shape, metric)?)),
        Ok(kind::LSH) => lsh::open(source, rows, shape, metric),
        Err(_) => Err(Error::corrupt("the index says no kind", "section 1")),
        Ok(kind) => Err(Error::new(ErrorKind::Version, format!("there is no index of kind {kind} in this version"))
            .mend("use a program of the version that wrote it")),
    }
}
