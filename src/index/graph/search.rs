//! Searching a graph for the nearest rows.

use super::super::comparison::Comparison;
use super::super::{Found, IndexFacts, Plan, Query, Scope, Stop, VectorIndex, Vectors, flat};
use super::beam::{Aim, Beam};
use super::compact::{Compact, CompactNodes, Measure};
use super::fused::Fused;
use super::fused::hubs::HubMemory;
use super::fused::lookup::Lookup;
use super::fused::nodes::FusedNodes;
use super::plan::{Course, kept};
use super::rows::StoredRows;
use super::walk::{Walk, Walked};
use super::{Form, Graph};
use crate::error::Result;
use crate::ids::RowId;
use crate::pool::Pool;
use crate::vector::kernel::scan::NEIGHBOURS;
use crate::vector::kernel::{self, Kernels, Task};
use crate::vector::top_k::TopK;

/// Queries that one piece of work takes.
const QUERIES: usize = 8;

/// Room for what codes get wrong of a distance.
const ROOM: f32 = 1.05;

/// Bytes of each vector that are asked for before any is compared; the rest follows so many vectors ahead, so that the
/// requests do not crowd each other out.
const FIRST_BYTES: usize = 1024;
const AHEAD: usize = 2;

/// Memory that is kept for later searches, one for each that ran at the same time.
const MAX_IDLE: usize = 64;

/// The memory of one search.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) beam: Beam,
    lookup: Lookup,
    lifted: Vec<f32>,
    point: Vec<f32>,
    hubs: HubMemory,
}

impl Memory {
    fn begin(&mut self, aim: Aim, without: Option<RowId>) {
        self.beam.begin(aim);
        without.iter().for_each(|row| self.beam.avoid(row.0));
    }
}

impl VectorIndex for Graph {
    fn search(&self, vectors: &dyn Vectors, query: &Query<'_>, scope: &Scope<'_>, pool: &Pool) -> Result<Found> {
        let exactly = || flat().search(vectors, query, scope, pool);
        let Some(course) = self.course(vectors.shape(), query, scope) else { return exactly() };
        let comparison = Comparison::new(vectors.shape(), query)?;
        let mut memory = self.take_memory();
        let found = self
            .walk(&mut memory, vectors, &Asked { query, comparison: &comparison }, course, query.without, scope)
            .and_then(|walked| {
                let found = self.settle(&memory, vectors, &comparison, query, scope, walked)?;
                Ok((walked, found))
            });
        self.give_back(memory);
        let (walked, found) = found?;
        if course.guarded && (walked.spent || is_short(&found, query, scope)) {
            let mut exact = exactly()?;
            exact.visited += found.visited;
            exact.code_distances += found.code_distances;
            exact.bytes += found.bytes;
            exact.plan = Plan::Fallback;
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
        // Queries that are compared with every row cost less together.
        if queries.iter().all(|query| self.course(vectors.shape(), query, scope).is_none()) {
            return flat().search_many(vectors, queries, scope, pool);
        }
        pool.map_pieces(queries, QUERIES, |queries| {
            queries.iter().map(|query| self.search(vectors, query, scope, &Pool::inline())).collect()
        })
    }

    fn check(&self, stop: &Stop<'_>) -> Result<()> {
        self.check_reach(stop)
    }

    fn facts(&self) -> IndexFacts {
        self.describe()
    }

    fn keep_resident(&self, pool: &Pool) -> Result<()> {
        match &self.form {
            Form::Fused(fused) => fused.rows.keep_resident(pool),
            Form::Compact(compact) => compact.links.keep_resident(pool),
        }
    }
}

impl Graph {
    /// Walks from the nearest entries, as if the row `without` were not there; the beam has what was found.
    pub(super) fn walk(
        &self,
        memory: &mut Memory,
        vectors: &dyn Vectors,
        asked: &Asked<'_>,
        course: Course,
        without: Option<RowId>,
        scope: &Scope<'_>,
    ) -> Result<Walked> {
        let Asked { query, comparison } = asked;
        let mut aim = course.aim;
        match &self.form {
            Form::Fused(fused) => {
                if let Some(vector) = query.vector.as_f32().filter(|_| query.bound < f32::INFINITY) {
                    aim.ceiling = fused.space.squared(query.bound, vector).max(0.0) * ROOM;
                }
                memory.begin(aim, without);
                kernel::with(ThroughFused { fused, memory, comparison, scope })
            }
            Form::Compact(compact) => {
                let measure = Measure::new(vectors, comparison, query, compact.radius, &Pool::inline())?;
                if query.bound < f32::INFINITY {
                    aim.ceiling = measure.shifted(query.bound) * ROOM;
                }
                memory.begin(aim, without);
                kernel::with(ThroughLinks { compact, measure: &measure, count: self.head.rows, memory, scope })
            }
        }
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
        let near = &near[..near.len().min(kept(query.k))];
        let mut nearest = TopK::new(query.k).within(query.bound);
        kernel::with(Settle { near, vectors, comparison, scope, nearest: &mut nearest })?;
        let distances = near.len() as u64;
        let (code_distances, hop) = match &self.form {
            Form::Fused(fused) => (walked.hops * (1 + NEIGHBOURS) + fused.hubs.len(), fused.layout.stride()),
            Form::Compact(compact) => (memory.beam.seen(), compact.degree * size_of::<u32>()),
        };
        let row = vectors.shape().row_bytes();
        let looked_up = if matches!(self.form, Form::Compact(_)) { code_distances * row / 4 } else { 0 };
        Ok(Found {
            hits: nearest.into_sorted(scope.order),
            distances,
            code_distances: code_distances as u64,
            visited: walked.hops as u64,
            bytes: (walked.hops * hop + looked_up) as u64 + distances * row as u64,
            cut: walked.cut,
            plan: Plan::Graph,
        })
    }

    pub(super) fn take_memory(&self) -> Memory {
        self.idle.lock().pop().unwrap_or_else(|| Memory {
            beam: Beam::new(self.head.rows as usize),
            lookup: Lookup::default(),
            lifted: Vec::new(),
            point: Vec::new(),
            hubs: HubMemory::default(),
        })
    }

    pub(super) fn give_back(&self, memory: Memory) {
        let mut idle = self.idle.lock();
        if idle.len() < MAX_IDLE {
            idle.push(memory);
        }
    }
}

/// Whether a walk found fewer than are wanted, where there may be more.
fn is_short(found: &Found, query: &Query<'_>, scope: &Scope<'_>) -> bool {
    let wanted = scope.count.map_or(query.k, |count| query.k.min(count as usize));
    found.hits.len() < wanted && query.bound == f32::INFINITY && !found.cut
}

/// A query, and how it is compared with whole vectors.
pub(super) struct Asked<'a> {
    pub(super) query: &'a Query<'a>,
    pub(super) comparison: &'a Comparison<'a>,
}

/// A query of the fused layout, from its vector to the end of the walk.
struct ThroughFused<'a> {
    fused: &'a Fused,
    memory: &'a mut Memory,
    comparison: &'a Comparison<'a>,
    scope: &'a Scope<'a>,
}

impl Task for ThroughFused<'_> {
    type Output = Result<Walked>;

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) -> Result<Walked> {
        let ThroughFused { fused, memory, comparison, scope } = self;
        let Memory { beam, lookup, lifted, point, hubs } = memory;
        let Comparison::F32 { query, .. } = comparison else { return Ok(Walked::default()) };
        point.resize(fused.space.padded(), 0.0);
        let apart = fused.space.place_query(query, lifted, point);
        lookup.prepare(kernels, point, apart);
        let starts = fused.hubs.nearest(kernels, lookup, hubs);
        starts.first().for_each(|(distance, row)| beam.push(distance, row));
        // Hubs are rows, so the nearest rows are no further than the nearest hubs.
        beam.expect(beam.aim.rank, starts.distance(beam.aim.rank, |row| scope.live.has(row as usize)));
        let rows = StoredRows::new(&*fused.rows, fused.layout.stride());
        let mut nodes = FusedNodes { layout: fused.layout, rows, lookup };
        Walk { nodes: &mut nodes, beam, live: scope.live, stop: scope.stop }.run(kernels)
    }
}

/// The same for links alone.
struct ThroughLinks<'a> {
    compact: &'a Compact,
    measure: &'a Measure<'a>,
    count: u32,
    memory: &'a mut Memory,
    scope: &'a Scope<'a>,
}

impl Task for ThroughLinks<'_> {
    type Output = Result<Walked>;

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) -> Result<Walked> {
        let ThroughLinks { compact, measure, count, memory, scope } = self;
        let beam = &mut memory.beam;
        for row in compact.entries.iter().copied().filter(|row| *row < count) {
            if beam.see(row) {
                let distance = measure.of(kernels, row)?;
                beam.offer(distance, row, scope.live);
                beam.push(distance, row);
            }
        }
        let mut nodes = CompactNodes { rows: compact.rows(), measure, fresh: Vec::new() };
        Walk { nodes: &mut nodes, beam, live: scope.live, stop: scope.stop }.run(kernels)
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
        let mut rows = Vec::with_capacity(near.len());
        for (_, row) in near {
            let vector = vectors.row(RowId(*row))?;
            let bytes = vector.as_bytes();
            kernels.prefetch(bytemuck::cast_slice(&bytes[..bytes.len().min(FIRST_BYTES)]));
            rows.push(vector);
        }
        for (at, (_, row)) in near.iter().enumerate() {
            let rest = rows.get(at + AHEAD).map_or(&[][..], |row| row.as_bytes());
            kernels.prefetch(bytemuck::cast_slice(&rest[rest.len().min(FIRST_BYTES)..]));
            let row = RowId(*row);
            let inverse_norm = if comparison.is_cosine() { vectors.inverse_norm(row)? } else { 1.0 };
            let distance = comparison.distance(kernels, rows[at], inverse_norm);
            nearest.offer(distance, row, scope.order);
        }
        Ok(())
    }
}
