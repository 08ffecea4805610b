//! Trying an index on some of its own rows: how many probes, and how many rows, it takes to find how many of the nearest.

use super::hash::{Hasher, Room};
use super::probes::Probes;
use super::tables::Buckets;
use crate::error::Result;
use crate::ids::RowId;
use crate::index::{Building, Effort, Query, Scope, flat};
use crate::rows::RowSet;

/// Probes of a query, at most: what a curve that is read may ask for, too.
pub(super) const MOST_PROBES: u32 = 1 << 15;

/// Neighbours that a query of a trial has, at most.
pub(super) const NEIGHBOURS: usize = 100;

/// Rows that stand for queries, and which rows are nearest to each.
#[derive(Debug)]
pub(super) struct Sample {
    /// The rows that are searched; all others are as if they were not there.
    pub(super) rows: Vec<u32>,
    /// Places in `rows`.
    pub(super) queries: Vec<u32>,
    /// For each query the places in `rows` of its nearest, without itself.
    pub(super) nearest: Vec<Vec<u32>>,
}

impl Sample {
    /// `queries` and `rows` drawn evenly, or all rows where there are no more; the nearest come from comparing with all.
    pub(super) fn new(building: &Building<'_>, row_count: usize, query_count: usize) -> Result<Sample> {
        let rows = evenly(building.vectors.len(), row_count);
        let queries = evenly(rows.len(), query_count);
        let all = building.vectors.all(building.pool)?;
        let mut live = RowSet::empty(building.vectors.len() as u32);
        rows.iter().for_each(|row| {
            live.insert(RowId(*row));
        });
        let k = NEIGHBOURS.min(rows.len().saturating_sub(1)) + 1;
        let wanted: Vec<Query<'_>> = queries
            .iter()
            .map(|query| Query {
                vector: all.row(RowId(rows[*query as usize])),
                metric: building.metric,
                k,
                bound: f32::INFINITY,
                floor: None,
                without: None,
                effort: Effort::Exact,
            })
            .collect();
        let order = |a: RowId, b: RowId| a < b;
        let scope = Scope { live: &live, count: Some(live.count()), order: &order, stop: building.stop };
        let found = flat().search_many(building.vectors, &wanted, &scope, building.pool)?;
        let nearest = found.iter().zip(&queries).map(|(found, query)| {
            let places = found.hits.iter().filter_map(|hit| rows.binary_search(&hit.1.0).ok());
            places.map(|place| place as u32).filter(|place| place != query).take(k - 1).collect()
        });
        let nearest = nearest.collect();
        Ok(Sample { rows, queries, nearest })
    }
}

/// `count` of the numbers below `all`, evenly apart, or all of them.
fn evenly(all: usize, count: usize) -> Vec<u32> {
    let count = count.min(all);
    (0..count).map(|place| (place * all / count.max(1)) as u32).collect()
}

/// What queries found and took after some number of probes, on average.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Step {
    pub(super) probes: u32,
    /// Shares of the ten, and of all [`NEIGHBOURS`], nearest.
    pub(super) recall: [f32; 2],
    /// Rows compared.
    pub(super) candidates: f32,
    /// Rows looked at, as often as they were.
    pub(super) looks: f32,
}

/// Neighbours that the two recalls of a [`Step`] are of.
pub(super) const KS: [usize; 2] = [10, NEIGHBOURS];

/// What one query did.
struct Trace {
    /// After how many probes each neighbour was found.
    found: Vec<u32>,
    /// After each step of the ladder, the rows compared and looked at.
    costs: Vec<(u32, u32)>,
}

/// The numbers of probes after which queries are looked at: each a fifth more than the one before.
fn ladder() -> impl Iterator<Item = u32> {
    std::iter::successors(Some(1u32), |probes| Some(probes + (probes / 5).max(1)))
        .take_while(|probes| *probes < MOST_PROBES)
}

/// When a query of a trial has found a row, and when it ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    /// How often a row must be seen.
    pub(super) hits: u8,
    /// Queries that are run, at most.
    pub(super) queries: usize,
    /// Rows that a query looks at, and probes it makes, before it is not followed further.
    pub(super) looks: u32,
    pub(super) probes: u32,
}

/// Runs queries of a sample, first to last.
pub(super) fn run(
    sample: &Sample,
    hasher: &Hasher,
    tables: &dyn Buckets,
    ends: &Ends,
    building: &Building<'_>,
) -> Result<Vec<Step>> {
    let all = building.vectors.all(building.pool)?;
    let count = ends.queries.min(sample.queries.len());
    let traces = building.pool.map(count, |query| {
        let row = sample.rows[sample.queries[query] as usize];
        let hashes = hasher.hash_query(all.row(RowId(row)), &mut Room::default());
        trace(Probes::new(hashes), tables, sample, query, ends)
    })?;
    Ok(average(&traces))
}

fn trace(mut probes: Probes, tables: &dyn Buckets, sample: &Sample, query: usize, ends: &Ends) -> Result<Trace> {
    let nearest = &sample.nearest[query];
    let mut seen = vec![0u8; sample.rows.len()];
    let (mut found, mut costs) = (vec![u32::MAX; nearest.len()], Vec::new());
    let (mut candidates, mut looks, mut done, mut bucket) = (0, 0, 0, Vec::new());
    'ladder: for step in ladder() {
        while done < step {
            let Some((table, hash)) = probes.next().filter(|_| looks < ends.looks && done < ends.probes) else {
                break 'ladder;
            };
            done += 1;
            tables.bucket(table, hash, &mut bucket)?;
            looks += bucket.len() as u32;
            for row in &bucket {
                let times = &mut seen[*row as usize];
                *times = times.saturating_add(1);
                candidates += u32::from(*times == ends.hits);
            }
            for (found, row) in found.iter_mut().zip(nearest) {
                if seen[*row as usize] >= ends.hits && *found == u32::MAX {
                    *found = done;
                }
            }
        }
        costs.push((candidates, looks));
    }
    Ok(Trace { found, costs })
}

/// The steps that at least nineteen in twenty queries got to. The others count with what they took in the end.
fn average(traces: &[Trace]) -> Vec<Step> {
    let mut lengths: Vec<usize> = traces.iter().map(|trace| trace.costs.len()).collect();
    lengths.sort_unstable();
    let length = lengths.get(lengths.len() / 20).copied().unwrap_or(0);
    let share = 1.0 / traces.len().max(1) as f32;
    let recall = |probes: u32, k: usize| {
        let wanted: usize = traces.iter().map(|trace| trace.found.len().min(k)).sum();
        let found = |trace: &Trace| trace.found.iter().take(k).filter(|found| **found <= probes).count();
        traces.iter().map(found).sum::<usize>() as f32 / wanted.max(1) as f32
    };
    let step = |(place, probes): (usize, u32)| {
        let costs = || traces.iter().filter_map(|trace| trace.costs.get(place).or(trace.costs.last()));
        Step {
            probes,
            recall: KS.map(|k| recall(probes, k)),
            candidates: costs().map(|cost| cost.0 as f32).sum::<f32>() * share,
            looks: costs().map(|cost| cost.1 as f32).sum::<f32>() * share,
        }
    };
    ladder().enumerate().take(length).map(step).collect()
}
