//! Filters whose selectivity is known, and the rows they let through.
//!
//! Each row gets two numbers of 0 to 9,999: `share`, drawn at random, and `near`, its place by distance from one row of
//! the set. A filter on the first has nothing to do with a query; one on the second lets the neighbourhood of that row
//! through, which is where some queries look and others do not.

use driftline::{FieldType, Filter, IntoFilter, Metric, Random, Result, Schema, Value};

use crate::bench::matrix::Matrix;
use crate::bench::truth::{Truth, distance, exact};

const PARTS: u64 = 10_000;
/// Queries with each filter.
const QUERIES: usize = 200;
/// The share of the rows that the filters by distance let through, and of the queries asked with them.
const NEAR: f64 = 0.1;

/// The two numbers of each row, and the distances of the queries from the row in the middle.
#[derive(Debug)]
pub(super) struct Fields {
    share: Vec<u16>,
    near: Vec<u16>,
    /// The queries, the nearest to the middle first.
    order: Vec<u32>,
}

/// A filter and the queries it is asked with.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) filter: Filter,
    pub(super) kind: &'static str,
    pub(super) selectivity: f64,
    pub(super) queries: Matrix,
    pub(super) truth: Truth,
}

impl Fields {
    pub(super) fn of(base: &Matrix, queries: &Matrix, metric: Metric, seed: u64) -> Fields {
        let mut random = Random::seeded(seed, 1);
        let rows = base.rows();
        let middle = base.row(random.below(rows as u64) as usize).to_vec();
        let share = (0..rows).map(|_| random.below(PARTS) as u16).collect();
        let mut near = vec![0; rows];
        for (place, row) in by_distance(base, &middle, metric).into_iter().enumerate() {
            near[row as usize] = (place as u64 * PARTS / rows as u64) as u16;
        }
        Fields { share, near, order: by_distance(queries, &middle, metric) }
    }

    /// Declares the numbers, so that an index answers the filters.
    pub(super) fn declare(schema: Schema) -> Schema {
        schema.field("share", FieldType::Int).field("near", FieldType::Int)
    }

    /// The payload of a row.
    pub(super) fn payload(&self, row: usize) -> Value {
        Value::object([
            ("share", Value::from(i64::from(self.share[row]))),
            ("near", Value::from(i64::from(self.near[row]))),
        ])
    }

    /// The filters of these shares, and two by distance; with the truth for each.
    pub(super) fn cases(
        &self,
        base: &Matrix,
        queries: &Matrix,
        metric: Metric,
        shares: &[f64],
        depth: usize,
    ) -> Result<Vec<Case>> {
        let some: Vec<u32> = (0..queries.rows().min(QUERIES) as u32).collect();
        let at_the_end = ((queries.rows() as f64 * NEAR).ceil() as usize).clamp(1, QUERIES).min(queries.rows());
        let mut wanted: Vec<(&str, &[u16], f64, &[u32])> =
            shares.iter().map(|share| ("random", &self.share[..], *share, &some[..])).collect();
        if !shares.is_empty() {
            wanted.push(("near", &self.near, NEAR, &self.order[..at_the_end]));
            wanted.push(("far", &self.near, NEAR, &self.order[self.order.len() - at_the_end..]));
        }
        let mut cases = Vec::new();
        for (kind, parts, share, asked) in wanted {
            let below = ((share * PARTS as f64).round() as u16).max(1);
            let passing: Vec<u32> = (0..).zip(parts).filter(|(_, part)| **part < below).map(|(row, _)| row).collect();
            if passing.is_empty() {
                continue;
            }
            let queries = queries.select(asked);
            let field = if kind == "random" { "share" } else { "near" };
            cases.push(Case {
                filter: format!("{field} < {below}").into_filter()?,
                kind,
                selectivity: passing.len() as f64 / base.rows() as f64,
                truth: exact(metric, base, Some(&passing), &queries, depth),
                queries,
            });
        }
        Ok(cases)
    }
}

/// The rows by their distance from one vector, the nearest first.
fn by_distance(rows: &Matrix, middle: &[f32], metric: Metric) -> Vec<u32> {
    let far: Vec<f64> = (0..rows.rows()).map(|row| distance(metric, rows.row(row), middle)).collect();
    let mut order: Vec<u32> = (0..rows.rows() as u32).collect();
    order.sort_by(|a, b| far[*a as usize].total_cmp(&far[*b as usize]).then(a.cmp(b)));
    order
}
