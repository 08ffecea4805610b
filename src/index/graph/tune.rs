//! Measuring what a graph finds, so that a recall can be asked for.
//!
//! The queries are rows that the graph was first built without: what is measured is how vectors like the others, but new,
//! are found. So it is an estimate for queries that come from where the rows come from.

use super::super::comparison::Comparison;
use super::super::{Building, Effort, Found, Query, Scope, flat};
use super::Graph;
use super::curve::{Curve, Curves, Point};
use super::plan::{Course, USUAL, USUAL_RECALL};
use super::search::Asked;
use crate::error::Result;
use crate::ids::RowId;
use crate::random::Random;
use crate::rows::RowSet;

/// Queries that one piece of work takes.
const PIECE: usize = 16;

/// Rows that are asked for: at most so many.
const QUERIES: usize = 1024;

/// Numbers of neighbours that are asked for, rising, and of how many of the queries. What is exact for the last of them is
/// for the others.
const NEIGHBOURS: [(&[usize], usize); 2] = [(&[1, 10], QUERIES), (&[100], QUERIES / 8)];

/// The first reach, and how each grows from the one before.
const FIRST_REACH: f32 = 0.7;
const GROWTH: f32 = 1.03;

/// Where a curve ends: at this recall, when walks look at one row in so many, or when twice the steps find no more.
const ENOUGH: f32 = 0.9985;
const TOO_MANY: f32 = 8.0;
const MAX_POINTS: usize = 64;

/// One row in so many is held back, where that is fewer.
const SHARE: usize = 16;

/// The stream of randomness that samples are drawn from.
const STREAM: u64 = 0x7475_6e65;

/// Rows to hold back, each once, in the order of the drawing.
pub(super) fn sample(rows: usize, seed: u64) -> Vec<u32> {
    let mut random = Random::seeded(seed, STREAM);
    let mut drawn: Vec<u32> = Vec::new();
    let count = QUERIES.min(rows / SHARE);
    while drawn.len() < count {
        let row = random.below(rows as u64) as u32;
        if !drawn.contains(&row) {
            drawn.push(row);
        }
    }
    drawn
}

/// Rows that graphs were built without, and what is to be found for them.
pub(super) struct Trials<'a> {
    building: &'a Building<'a>,
    /// The rows that graphs were built with.
    others: RowSet,
    /// Of each number of neighbours, where they end.
    truths: Vec<(usize, Vec<Truth>)>,
}

/// A row and how far its k-th neighbour is.
struct Truth {
    row: u32,
    furthest: f32,
}

impl<'a> Trials<'a> {
    /// Trials of graphs over the rows of `building` but those that were `held` back, which are asked for.
    pub(super) fn new(building: &'a Building<'a>, held: &[u32]) -> Result<Trials<'a>> {
        let rows = building.vectors.len();
        let mut without = RowSet::empty(rows as u32);
        held.iter().for_each(|row| _ = without.insert(RowId(*row)));
        let mut trials = Trials { building, others: without.complement(), truths: Vec::new() };
        for (neighbours, count) in NEIGHBOURS {
            let few = neighbours.iter().filter(|k| **k * 4 < rows && !held.is_empty()).count();
            if let [.., most] = neighbours[..few] {
                // Those held back ascend; each in so many of them is as good a sample.
                let queries: Vec<u32> = held.iter().copied().step_by(held.len().div_ceil(count)).collect();
                let found = trials.nearest(&queries, most)?;
                let truths = neighbours[..few].iter().map(|k| (*k, truth(&queries, &found, *k)));
                trials.truths.extend(truths);
            }
        }
        Ok(trials)
    }

    /// The curves of a graph.
    pub(super) fn curves(&self, graph: &Graph) -> Result<Curves> {
        let curve = |(k, truth): &(usize, Vec<Truth>)| Ask { graph, trials: self }.curve(truth, *k, ENOUGH);
        Ok(Curves(self.truths.iter().map(curve).collect::<Result<_>>()?))
    }

    /// The beginning of the curve that says what a usual query costs.
    pub(super) fn usual(&self, graph: &Graph) -> Result<Curves> {
        let usual = self.truths.iter().filter(|truth| truth.0 == USUAL);
        let curve = |(k, truth): &(usize, Vec<Truth>)| Ask { graph, trials: self }.curve(truth, *k, USUAL_RECALL);
        Ok(Curves(usual.map(curve).collect::<Result<_>>()?))
    }

    /// The `k` nearest others of each row.
    fn nearest(&self, rows: &[u32], k: usize) -> Result<Vec<Found>> {
        let queries = rows.iter().map(|row| self.query(*row, k)).collect::<Result<Vec<_>>>()?;
        flat().search_many(self.building.vectors, &queries, &self.scope(), self.building.pool)
    }

    fn query(&self, row: u32, k: usize) -> Result<Query<'_>> {
        let vector = self.building.vectors.row(RowId(row))?;
        let (metric, bound, effort) = (self.building.metric, f32::INFINITY, Effort::Exact);
        Ok(Query { vector, metric, k, bound, floor: None, without: None, effort })
    }

    fn scope(&self) -> Scope<'_> {
        Scope { live: &self.others, count: None, order: &by_number, stop: self.building.stop }
    }
}

/// Where the `k` nearest of those found for each row end.
fn truth(rows: &[u32], found: &[Found], k: usize) -> Vec<Truth> {
    let end = |hits: &[(f32, RowId)]| hits.get(k - 1).or(hits.last()).map_or(f32::INFINITY, |hit| hit.0);
    rows.iter().zip(found).map(|(row, found)| Truth { row: *row, furthest: end(&found.hits) }).collect()
}

/// Asking a graph for the neighbours of rows it was built without.
#[derive(Clone, Copy)]
struct Ask<'a> {
    graph: &'a Graph,
    trials: &'a Trials<'a>,
}

impl Ask<'_> {
    /// The curve up to this recall.
    fn curve(self, truth: &[Truth], k: usize, enough: f32) -> Result<Curve> {
        let mut curve = Curve { k: k as u32, points: Vec::new() };
        let mut reach = FIRST_REACH;
        while curve.points.len() < MAX_POINTS {
            let mut point = self.try_reach(truth, k, reach)?;
            point.recall = point.recall.max(curve.points.last().map_or(0.0, |last| last.recall));
            curve.points.push(point);
            let enough = point.recall >= enough || gains_nothing(&curve);
            if enough || point.hops * TOO_MANY > self.graph.head.rows as f32 || (self.trials.building.stop)() {
                break;
            }
            reach *= GROWTH;
        }
        Ok(curve)
    }

    fn try_reach(self, truth: &[Truth], k: usize, reach: f32) -> Result<Point> {
        let pieces = self.trials.building.pool.map(truth.len().div_ceil(PIECE), |piece| {
            let truth = &truth[piece * PIECE..truth.len().min((piece + 1) * PIECE)];
            let mut sums = (0, 0);
            for truth in truth {
                let (found, hops) = self.try_one(truth, k, reach)?;
                sums = (sums.0 + found, sums.1 + hops);
            }
            Ok(sums)
        })?;
        let (found, hops) = pieces.into_iter().fold((0, 0), |sum, piece| (sum.0 + piece.0, sum.1 + piece.1));
        let count = truth.len().max(1) as f32;
        Ok(Point { reach, recall: (found as f32 / (count * k as f32)).min(1.0), hops: hops as f32 / count })
    }

    /// How many of a row's `k` nearest others are found, and in how many steps.
    fn try_one(self, truth: &Truth, k: usize, reach: f32) -> Result<(usize, usize)> {
        let Ask { graph, trials } = self;
        let (vectors, scope) = (trials.building.vectors, trials.scope());
        let query = trials.query(truth.row, k)?;
        let comparison = Comparison::new(vectors.shape(), &query)?;
        let asked = Asked { query: &query, comparison: &comparison };
        let mut memory = graph.take_memory();
        let walked = graph.walk(&mut memory, vectors, &asked, Course::unbounded(k, reach), None, &scope);
        let found = walked
            .and_then(|walked| Ok((graph.settle(&memory, vectors, &comparison, &query, &scope, walked)?, walked.hops)));
        graph.give_back(memory);
        let (found, hops) = found?;
        Ok((found.hits.iter().filter(|hit| hit.0 <= truth.furthest).count(), hops))
    }
}

fn by_number(a: RowId, b: RowId) -> bool {
    a < b
}

/// Whether twice the steps have found no more: what is missed then is missed by codes, and not for want of steps.
fn gains_nothing(curve: &Curve) -> bool {
    let Some(last) = curve.points.last() else { return false };
    let first = curve.points.iter().find(|point| point.recall >= last.recall);
    first.is_some_and(|first| last.hops > 2.0 * first.hops)
}
