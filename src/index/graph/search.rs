//! Searching a graph for the nearest rows.

use super::super::comparison::Comparison;
use super::super::{Effort, Found, IndexFacts, Query, Scope, VectorIndex, Vectors, flat};
use super::Graph;
use super::beam::{Aim, Beam};
use super::fused::lookup::Lookup;
use super::fused::nodes::FusedNodes;
use super::hubs::CodedPoint;
use super::rows::StoredRows;
use super::walk::{Walk, Walked};
use crate::error::Result;
use crate::ids::RowId;
use crate::pool::Pool;
use crate::vector::kernel::scan::NEIGHBOURS;
use crate::vector::kernel::{self, Kernels, Task};
use crate::vector::top_k::TopK;

/// Queries that one piece of work takes.
const QUERIES: usize = 8;

/// Neighbours kept beside those that are wanted, so that whole vectors can correct what codes get wrong.
const SPARE: usize = 4;

/// What a step costs beside reading its row, in bytes that could be read in that time.
const HOP_BYTES: usize = 512;

/// The same for a row that is compared by its codes.
const ROW_BYTES: usize = 64;

/// Room for what codes get wrong of a distance.
const ROOM: f32 = 1.05;

/// Bytes of a vector that are asked for before any is compared; the processor foresees the rest.
const ASKED_BYTES: usize = 1024;

/// Memory that is kept for later searches, one for each that ran at the same time.
const MAX_IDLE: usize = 64;

/// The memory of one search.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) beam: Beam,
    lookup: Lookup,
    lifted: Vec<f32>,
    point: Vec<f32>,
    dots: Vec<i32>,
}

impl VectorIndex for Graph {
    fn search(&self, vectors: &dyn Vectors, query: &Query<'_>, scope: &Scope<'_>, pool: &Pool) -> Result<Found> {
        let exactly = || flat().search(vectors, query, scope, pool);
        let Some(plan) = self.plan(vectors, query, scope) else { return exactly() };
        let comparison = Comparison::new(vectors.shape(), query)?;
        let mut memory = self.take_memory();
        let found = self.walk(&mut memory, &comparison, plan, None, scope).and_then(|walked| {
            let found = self.settle(&memory, vectors, &comparison, query, scope, walked)?;
            Ok((walked, found))
        });
        self.give_back(memory);
        let (walked, found) = found?;
        if walked.spent && plan.guarded {
            let mut exact = exactly()?;
            exact.visited += found.visited;
            exact.code_distances += found.code_distances;
            exact.bytes += found.bytes;
            return Ok(exact);
        }
        Ok(found)
    }

    fn search_many(
        &self,
        vectors: &dyn Vectors,
        queries: &[Query<'_>],
        scope: &Scope<'_>,
        pool: &Pool,
    ) -> Result<Vec<Found>> {
        if let [query] = queries {
            return Ok(vec![self.search(vectors, query, scope, pool)?]);
        }
        let pieces = pool.map(queries.len().div_ceil(QUERIES), |piece| {
            let queries = &queries[piece * QUERIES..queries.len().min((piece + 1) * QUERIES)];
            queries.iter().map(|query| self.search(vectors, query, scope, &Pool::inline())).collect::<Result<Vec<_>>>()
        })?;
        Ok(pieces.into_iter().flatten().collect())
    }

    fn facts(&self) -> IndexFacts {
        self.describe()
    }
}

/// How a query is answered by walking.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) aim: Aim,
    /// When the walk has taken all the steps it may, comparing with every row is cheaper than going on.
    guarded: bool,
}

impl Plan {
    /// Walks to their end.
    pub(super) fn unbounded(k: usize, reach: f32) -> Plan {
        let keep = k + (k / 8).max(SPARE);
        Plan { aim: Aim { k, keep, reach, ceiling: f32::INFINITY, hops: usize::MAX }, guarded: false }
    }
}

impl Graph {
    /// How to walk; `None` where comparing with every row that is left is cheaper.
    fn plan(&self, vectors: &dyn Vectors, query: &Query<'_>, scope: &Scope<'_>) -> Option<Plan> {
        let rows = self.head.rows as usize;
        let live = scope.count.map_or(rows, |count| (count as usize).min(rows));
        let (point, most) = match query.effort {
            Effort::Exact => return None,
            Effort::Recall(recall) => (self.curves.at(query.k, recall), usize::MAX),
            Effort::Ef(hops) => (self.curves.furthest(query.k), hops.max(1)),
        };
        // A page begins anywhere; a walk begins at the query.
        if query.floor.is_some() || live <= 2 * query.k {
            return None;
        }
        let hop = self.layout.stride() + HOP_BYTES;
        let exact = live * (vectors.shape().row_bytes() / 4 + ROW_BYTES) + rows / 8;
        let guard = (exact / hop).max(1);
        let share = live as f32 / rows as f32;
        if point.hops / share > guard as f32 {
            return None;
        }
        let ceiling = self.ceiling(query);
        let aim = Aim { reach: point.reach, ceiling, hops: most.min(guard), ..Plan::unbounded(query.k, 1.0).aim };
        Some(Plan { aim, guarded: guard < most })
    }

    /// The squared distance beyond which nothing is wanted, with some room for what codes get wrong.
    fn ceiling(&self, query: &Query<'_>) -> f32 {
        match query.vector.as_f32() {
            Some(vector) if query.bound < f32::INFINITY => self.space.squared(query.bound, vector).max(0.0) * ROOM,
            _ => f32::INFINITY,
        }
    }

    /// Walks from the nearest hubs, as if the row `without` were not there; the beam has what was found.
    pub(super) fn walk(
        &self,
        memory: &mut Memory,
        comparison: &Comparison<'_>,
        plan: Plan,
        without: Option<u32>,
        scope: &Scope<'_>,
    ) -> Result<Walked> {
        memory.beam.begin(plan.aim);
        without.iter().for_each(|row| memory.beam.avoid(*row));
        kernel::with(Whole { graph: self, memory, comparison, scope })
    }

    /// Compares whole vectors of the rows that the walk ended with.
    pub(super) fn settle(
        &self,
        memory: &Memory,
        vectors: &dyn Vectors,
        comparison: &Comparison<'_>,
        query: &Query<'_>,
        scope: &Scope<'_>,
        walked: Walked,
    ) -> Result<Found> {
        let near = memory.beam.nearest();
        let mut nearest = TopK::new(query.k).within(query.bound);
        kernel::with(Settle { near, vectors, comparison, scope, nearest: &mut nearest })?;
        let distances = near.len() as u64;
        Ok(Found {
            hits: nearest.into_sorted(scope.order),
            distances,
            code_distances: (walked.hops * (1 + NEIGHBOURS) + self.hubs.len()) as u64,
            visited: walked.hops as u64,
            bytes: (walked.hops * self.layout.stride()) as u64 + distances * vectors.shape().row_bytes() as u64,
            cut: walked.cut,
        })
    }

    pub(super) fn take_memory(&self) -> Memory {
        self.idle.lock().pop().unwrap_or_else(|| Memory {
            beam: Beam::new(self.head.rows as usize),
            lookup: Lookup::default(),
            lifted: Vec::new(),
            point: vec![0.0; self.space.padded()],
            dots: Vec::new(),
        })
    }

    pub(super) fn give_back(&self, memory: Memory) {
        let mut idle = self.idle.lock();
        if idle.len() < MAX_IDLE {
            idle.push(memory);
        }
    }
}

/// A query from its vector to the end of the walk.
struct Whole<'a> {
    graph: &'a Graph,
    memory: &'a mut Memory,
    comparison: &'a Comparison<'a>,
    scope: &'a Scope<'a>,
}

impl Task for Whole<'_> {
    type Output = Result<Walked>;

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) -> Result<Walked> {
        let Whole { graph, memory, comparison, scope } = self;
        let Memory { beam, lookup, lifted, point, dots } = memory;
        let Comparison::F32 { query, .. } = comparison else { return Ok(Walked::default()) };
        let apart = graph.space.place_query(query, lifted, point);
        lookup.prepare(point, apart);
        let coded = CodedPoint { codes: &lookup.codes, step: lookup.step, norm: lookup.norm };
        for (distance, row) in graph.hubs.nearest(kernels, coded, dots).iter() {
            beam.push(distance, row);
        }
        let nodes =
            FusedNodes { layout: graph.layout, rows: StoredRows::new(&*graph.rows, graph.layout.stride()), lookup };
        Walk { nodes: &nodes, beam, live: scope.live, stop: scope.stop }.run(kernels)
    }
}

/// Comparing whole vectors.
struct Settle<'a> {
    near: &'a [(f32, u32)],
    vectors: &'a dyn Vectors,
    comparison: &'a Comparison<'a>,
    scope: &'a Scope<'a>,
    nearest: &'a mut TopK,
}

impl Task for Settle<'_> {
    type Output = Result<()>;

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) -> Result<()> {
        let Settle { near, vectors, comparison, scope, nearest } = self;
        for (_, row) in near {
            let bytes = vectors.row(RowId(*row))?.as_bytes();
            kernels.prefetch(bytemuck::cast_slice(&bytes[..bytes.len().min(ASKED_BYTES)]));
        }
        for (_, row) in near {
            let row = RowId(*row);
            let inverse_norm = if comparison.is_cosine() { vectors.inverse_norm(row)? } else { 1.0 };
            let distance = comparison.distance(kernels, vectors.row(row)?, inverse_norm);
            nearest.offer(distance, row, scope.order);
        }
        Ok(())
    }
}
