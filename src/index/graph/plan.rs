//! Whether a query walks through the graph, how, and for how long at most.
//!
//! A walk goes through rows that may not be found, because they lead to others; the fewer may be found, the more of them
//! it passes. So it is weighed against comparing with every row that may be, and ends when it has taken as long as that:
//! then these rows are compared, and the query took twice the time at most. Decision 31 has the measurements.

use super::super::{Effort, Query, Scope};
use super::beam::Aim;
use super::{Form, Graph};
use crate::quantization::int8::{self, FACTOR_BYTES};
use crate::vector::matrix::Shape;
use crate::vector::metric::Metric;

/// What work costs, in nanoseconds on the machine of docs/BENCHMARKS.md, beyond its caches. Only ratios count.
mod cost {
    /// A step of a walk, and each byte of the row that it reads.
    pub(super) const STEP: f32 = 270.0;
    pub(super) const STEP_BYTE: f32 = 0.29;
    /// Comparing with a row by itself, somewhere, and each of its bytes.
    pub(super) const ROW: f32 = 22.0;
    pub(super) const ROW_BYTE: f32 = 0.15;
    /// What more it takes when nobody could ask for the row in time.
    pub(super) const MISS: f32 = 80.0;
    /// A byte of rows that are read one after the other.
    pub(super) const STREAM_BYTE: f32 = 0.045;
    /// A byte of the blocks that hubs stand in.
    pub(super) const HUB_BYTE: f32 = 0.09;
}

/// A usual query asks for so many neighbours and for this recall.
pub(super) const USUAL: usize = 10;
pub(super) const USUAL_RECALL: f32 = 0.95;

/// Of a row's neighbours so many have been met before, when links are all that is stored: one in this many.
const MET_BEFORE: f32 = 2.0;

/// How walks of a layout deal with rows that may not be found: each number is for when next to none may be, and falls
/// with the share that may not.
struct Filtered {
    /// How much further than it is a row that may not be found is taken to be.
    detour: f32,
    /// What a walk has to reach further then, for the recall of one without a filter.
    widening: f32,
    /// What share of its steps it saves, against one that goes to all rows alike.
    saved: f32,
}

const FUSED: Filtered = Filtered { detour: 0.3, widening: 0.11, saved: 0.5 };

/// Every neighbour is compared, whether the walk goes there or not, so there is little to save.
const COMPACT: Filtered = Filtered { detour: 0.1, widening: 0.02, saved: 0.0 };

/// How much cheaper a walk has to look: some queries take longer than most, and give up in the end.
const MARGIN: f32 = 1.5;

/// When fewer rows than this share are out, a walk need not look which they are.
const FEW_OUT: f32 = 0.1;

/// Neighbours kept beside those that are wanted, so that whole vectors can correct what codes get wrong.
const SPARE: usize = 4;

/// Queries are seldom quite like the rows that the curves were measured with, and find a little less: so many of the
/// neighbours that may be missed are.
const MISSES: f32 = 0.95;

/// Words of 64 rows that tell about how many may be found, where nobody has counted them.
const SAMPLE_WORDS: usize = 32;

/// How a query is answered by walking.
#[derive(Debug, Clone, Copy)]
pub(super) struct Course {
    pub(super) aim: Aim,
    /// When the walk has taken all the steps it may, comparing with every row is cheaper than going on.
    pub(super) guarded: bool,
}

/// The recall of rows on the curves that serves for queries of which this one is wanted.
pub(super) fn aimed_at(recall: f32) -> f32 {
    1.0 - MISSES * (1.0 - recall)
}

/// How many of the nearest by their codes have their whole vectors compared, so that these can correct the order.
pub(super) fn kept(k: usize) -> usize {
    k + (k / 8).max(SPARE)
}

impl Course {
    /// Walks to their end.
    pub(super) fn unbounded(k: usize, reach: f32) -> Course {
        let aim = Aim { rank: k, keep: kept(k), reach, detour: 1.0, ceiling: f32::INFINITY, hops: usize::MAX };
        Course { aim, guarded: false }
    }
}

impl Graph {
    /// How to walk; `None` where comparing with every row that may be found is cheaper.
    pub(super) fn course(&self, shape: Shape, query: &Query<'_>, scope: &Scope<'_>) -> Option<Course> {
        let rows = self.head.rows as usize;
        let share = share_live(scope, rows);
        let live = share * rows as f32;
        // A page begins anywhere; a walk begins at the query.
        if query.floor.is_some() || live <= (2 * query.k) as f32 {
            return None;
        }
        // The k nearest that may be found are among so many of all.
        let among = |k: usize| (k as f32 / share) as usize;
        let (rank, reach, hops) = match query.effort {
            Effort::Exact => return None,
            Effort::Recall(recall) => {
                let recall = aimed_at(recall);
                (query.k, self.curves.at(query.k, recall).reach, self.curves.at(among(query.k), recall).hops)
            }
            // What a search with a list of that length looks at.
            Effort::Ef(ef) => (ef.max(query.k), 1.0, among(ef.max(query.k)) as f32),
        };
        let out = if 1.0 - share < FEW_OUT { 0.0 } else { 1.0 - share };
        let Filtered { detour, widening, saved } = self.filtered();
        let one_by_one = live * row_cost(compared_bytes(shape, self.metric));
        // Without a filter the index is used wherever it does not cost clearly more: that is what was asked for.
        let (exact, margin) = match out > 0.0 {
            true => (one_by_one.min(stream_cost(shape, self.metric, rows as f32)), MARGIN),
            false => (one_by_one, 1.0),
        };
        let guard = exact / self.step_cost(shape);
        if hops * (1.0 - saved * out) * margin > guard {
            return None;
        }
        let (reach, detour) = (reach * (1.0 + widening * out), 1.0 + detour * out);
        let (keep, hops) = (rank.max(kept(query.k)), (guard as usize).max(1));
        Some(Course { aim: Aim { rank, keep, reach, detour, ceiling: f32::INFINITY, hops }, guarded: true })
    }

    /// What a usual query is expected to cost.
    pub(super) fn usual_cost(&self, shape: Shape) -> f32 {
        let hubs = match &self.form {
            Form::Fused(fused) => cost::HUB_BYTE * (fused.hubs.blocks() * fused.layout.stride()) as f32,
            Form::Compact(_) => 0.0,
        };
        self.curves.at(USUAL, USUAL_RECALL).hops * self.step_cost(shape) + hubs
    }

    fn filtered(&self) -> Filtered {
        match &self.form {
            Form::Fused(_) => FUSED,
            Form::Compact(_) => COMPACT,
        }
    }

    fn step_cost(&self, shape: Shape) -> f32 {
        match &self.form {
            Form::Fused(fused) => cost::STEP + cost::STEP_BYTE * fused.layout.stride() as f32,
            Form::Compact(compact) => {
                let compared = compact.degree as f32 / MET_BEFORE;
                cost::STEP + compared * (cost::MISS + row_cost(compared_bytes(shape, self.metric)))
            }
        }
    }
}

/// What comparing with all rows as they stand takes.
fn stream_cost(shape: Shape, metric: Metric, rows: f32) -> f32 {
    rows * compared_bytes(shape, metric) * cost::STREAM_BYTE
}

fn row_cost(bytes: f32) -> f32 {
    cost::ROW + cost::ROW_BYTE * bytes
}

/// Bytes that are read of a row to compare with it: of its codes, where rows have some.
fn compared_bytes(shape: Shape, metric: Metric) -> f32 {
    let codes = match shape {
        Shape::F32(dimension) => int8::stride(metric, dimension),
        Shape::Bits(_) => None,
    };
    codes.map_or(shape.row_bytes(), |stride| stride + FACTOR_BYTES) as f32
}

/// The share of the rows that may be found: counted, or as some of them have it, spread evenly.
fn share_live(scope: &Scope<'_>, rows: usize) -> f32 {
    if let Some(count) = scope.count {
        return (count as f32 / rows.max(1) as f32).min(1.0);
    }
    let words = rows / 64;
    let numbers = (0..words).step_by(words.div_ceil(SAMPLE_WORDS).max(1));
    let (sampled, live) =
        numbers.fold((0, 0), |(sampled, live), number| (sampled + 64, live + scope.live.word(number).count_ones()));
    if sampled == 0 { 1.0 } else { live as f32 / sampled as f32 }
}
