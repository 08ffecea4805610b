//! Measuring what a graph finds, so that a recall can be asked for.
//!
//! Some of its own rows are the queries, each kept out of its own walk: what is measured is how vectors like these, but
//! new, are found. So it is an estimate for queries that come from where the rows come from.

use super::super::comparison::Comparison;
use super::super::{Building, Effort, Live, Query, Scope, flat};
use super::Graph;
use super::curve::{Curve, Curves, Point};
use super::search::{Asked, Course};
use crate::error::Result;
use crate::ids::RowId;
use crate::random::Random;

/// Rows that are asked for: at most so many.
const QUERIES: usize = 512;

/// Numbers of neighbours that are asked for, and for how many of the queries.
const NEIGHBOURS: [(usize, usize); 3] = [(1, QUERIES), (10, QUERIES), (100, QUERIES / 8)];

/// The first reach, and how each grows from the one before.
const FIRST_REACH: f32 = 0.7;
const GROWTH: f32 = 1.03;

/// Where a curve ends: at this recall, when walks look at one row in so many, or when twice the steps find no more.
const ENOUGH: f32 = 0.9985;
const TOO_MANY: f32 = 8.0;
const MAX_POINTS: usize = 64;

/// The curves of a graph over the rows of `building`.
pub(super) fn measure(graph: &Graph, building: &Building<'_>) -> Result<Curves> {
    let rows = graph.head.rows;
    let queries = sample(rows, graph.head.seed);
    let mut curves = Curves::default();
    for (k, count) in NEIGHBOURS {
        if k * 4 < rows as usize {
            let truth = truth(building, &queries[..count.min(queries.len())], k)?;
            curves.0.push(curve(graph, building, &truth, k)?);
        }
    }
    Ok(curves)
}

fn sample(rows: u32, seed: u64) -> Vec<u32> {
    let mut random = Random::seeded(seed, STREAM);
    let count = QUERIES.min(rows as usize);
    (0..count).map(|_| random.below(u64::from(rows)) as u32).collect()
}

/// The stream of randomness that samples are drawn from.
const STREAM: u64 = 0x7475_6e65;

/// A row and how far its k-th neighbour is.
struct Truth {
    row: u32,
    furthest: f32,
}

/// Where the `k` nearest others of each row end.
fn truth(building: &Building<'_>, rows: &[u32], k: usize) -> Result<Vec<Truth>> {
    let vectors = building.vectors;
    let query = |row: &u32| {
        let vector = vectors.row(RowId(*row))?;
        let (metric, bound, floor, effort) = (building.metric, f32::INFINITY, None, Effort::Exact);
        Ok(Query { vector, metric, k: k + 1, bound, floor, without: None, effort })
    };
    let queries = rows.iter().map(query).collect::<Result<Vec<_>>>()?;
    let order = |a: RowId, b: RowId| a < b;
    let scope = Scope { live: &All, count: None, order: &order, stop: building.stop };
    let found = flat().search_many(vectors, &queries, &scope, building.pool)?;
    let end = |(row, found): (&u32, &super::super::Found)| {
        let others = found.hits.iter().filter(|hit| hit.1.0 != *row).take(k);
        Truth { row: *row, furthest: others.last().map_or(f32::INFINITY, |hit| hit.0) }
    };
    Ok(rows.iter().zip(&found).map(end).collect())
}

fn curve(graph: &Graph, building: &Building<'_>, truth: &[Truth], k: usize) -> Result<Curve> {
    let mut curve = Curve { k: k as u32, points: Vec::new() };
    let mut reach = FIRST_REACH;
    while curve.points.len() < MAX_POINTS {
        let mut point = try_reach(graph, building, truth, k, reach)?;
        point.recall = point.recall.max(curve.points.last().map_or(0.0, |last| last.recall));
        curve.points.push(point);
        let enough = point.recall >= ENOUGH || gains_nothing(&curve);
        if enough || point.hops * TOO_MANY > graph.head.rows as f32 || (building.stop)() {
            break;
        }
        reach *= GROWTH;
    }
    Ok(curve)
}

/// Whether twice the steps have found no more: what is missed then is missed by codes, and not for want of steps.
fn gains_nothing(curve: &Curve) -> bool {
    let Some(last) = curve.points.last() else { return false };
    let first = curve.points.iter().find(|point| point.recall >= last.recall);
    first.is_some_and(|first| last.hops > 2.0 * first.hops)
}

/// Queries that one piece of work takes.
const PIECE: usize = 16;

fn try_reach(graph: &Graph, building: &Building<'_>, truth: &[Truth], k: usize, reach: f32) -> Result<Point> {
    let pieces = building.pool.map(truth.len().div_ceil(PIECE), |piece| {
        let truth = &truth[piece * PIECE..truth.len().min((piece + 1) * PIECE)];
        let mut sums = (0, 0);
        for truth in truth {
            let (found, hops) = try_one(graph, building, truth, k, reach)?;
            sums = (sums.0 + found, sums.1 + hops);
        }
        Ok(sums)
    })?;
    let (found, hops) = pieces.into_iter().fold((0, 0), |sum, piece| (sum.0 + piece.0, sum.1 + piece.1));
    let count = truth.len().max(1) as f32;
    Ok(Point { reach, recall: (found as f32 / (count * k as f32)).min(1.0), hops: hops as f32 / count })
}

/// How many of a row's `k` nearest others are found, and in how many steps.
fn try_one(graph: &Graph, building: &Building<'_>, truth: &Truth, k: usize, reach: f32) -> Result<(usize, usize)> {
    let vector = building.vectors.row(RowId(truth.row))?;
    let (metric, bound, floor, effort) = (building.metric, f32::INFINITY, None, Effort::Exact);
    let query = Query { vector, metric, k, bound, floor, without: None, effort };
    let order = |a: RowId, b: RowId| a < b;
    let scope = Scope { live: &All, count: None, order: &order, stop: building.stop };
    let comparison = Comparison::new(building.vectors.shape(), &query)?;
    let asked = Asked { query: &query, comparison: &comparison };
    let course = Course::unbounded(k, reach);
    let mut memory = graph.take_memory();
    let walked = graph.walk(&mut memory, building.vectors, &asked, course, Some(RowId(truth.row)), &scope);
    let found = walked.and_then(|walked| {
        Ok((graph.settle(&memory, building.vectors, &comparison, &query, &scope, walked)?, walked.hops))
    });
    graph.give_back(memory);
    let (found, hops) = found?;
    Ok((found.hits.iter().filter(|hit| hit.0 <= truth.furthest).count(), hops))
}

/// Every row.
struct All;

impl Live for All {
    fn word(&self, _: usize) -> u64 {
        u64::MAX
    }
}
