//! Tables of hashes that near vectors tend to share: quick to build, small, and the same for a seed on any machine.
//!
//! A row stands in one bucket of each table. A query looks into the buckets where its neighbours likely are, those of its
//! own hashes first, then those of near ones, over all tables in one order (`probes`); rows that turn up often enough are
//! compared, by their codes first (`scan`). How many probes a recall takes was measured on rows of the index when it was
//! built (`trial`, `curve`), as was which functions serve these rows best (`build`). Where hashing would not spare enough
//! comparisons, few live rows for example, flat search answers instead, and always when an exact answer is asked for or
//! fewer rows than wanted turned up; so no answer is short.
//!
//! Vectors are hashed by the nearest corner of a cross-polytope, after the mean of the rows was subtracted, also where the
//! textbook has functions made for the metric: measured, it compares a third of the rows at equal recall. Those functions
//! are tried at each build and taken where they are better.

mod build;
mod curve;
mod hash;
mod plan;
mod probes;
mod scan;
mod seen;
mod tables;
mod trial;

use build::{CENTER, PLAN};
use curve::Curve;
use hash::{Hasher, Room, directions};
use plan::{Plan, corrupt};
use probes::Probes;
use scan::{Ask, Limits, Scan, Tally};
use seen::Seen;
use tables::Stored;
use trial::MOST_PROBES;

use super::comparison::Comparison;
use super::spec::{IndexSpec, LshSpec};
use super::stored::Source;
use super::{Effort, Found, IndexFacts, Query, Scope, Stop, VectorIndex, Vectors, flat};
use crate::bytes::Reader;
use crate::error::{Error, Result};
use crate::pool::Pool;
use crate::sync::Mutex;
use crate::vector::matrix::Shape;
use crate::vector::metric::Metric;

pub(super) use build::build;

/// How much longer it takes to compare a row that lies alone in memory than one of a stream.
const ALONE: f32 = 3.5;
/// The same for looking at a row without comparing it.
const LOOK: f32 = 0.1;

/// Where so much smaller a share of the near rows is live than of all, live rows are somewhere else, and the curve says
/// nothing of how far away.
const AVOIDED: f32 = 0.5;

/// How often a search may find out that it has to go further.
const ROUNDS: usize = 3;

/// An opened index. Rooms for the rows a query has seen are lent to one query at a time.
#[derive(Debug)]
struct Lsh {
    hasher: Hasher,
    tables: Stored,
    curve: Curve,
    rows: u32,
    recall_percent: u8,
    rooms: Mutex<Vec<Seen>>,
}

/// Opens what [`build`] built and wrote. Reads the plan, the curve and the center; tables are read as they are used.
pub(super) fn open(source: &dyn Source, rows: u32, shape: Shape, metric: Metric) -> Result<Box<dyn VectorIndex>> {
    let section = source.section(PLAN)?;
    let mut reader = Reader::new(section.get(0..section.len())?);
    let plan = Plan::read(&mut reader, shape, metric)?;
    let recall_percent = reader.u8().map_err(|_| corrupt("the plan ends early"))?;
    let curve = Curve::read(&mut reader)?;
    let center = source.section(CENTER)?;
    if center.len() != 0 && center.len() != 4 * plan.inputs() {
        return Err(corrupt("the center has another size than the plan says"));
    }
    let center = center.get(0..center.len())?.as_chunks().0.iter().map(|number| f32::from_le_bytes(*number)).collect();
    let tables = Stored::open(source, &plan, rows)?;
    let hasher = Hasher::new(plan, center, directions(&plan));
    Ok(Box::new(Lsh { hasher, tables, curve, rows, recall_percent, rooms: Mutex::new(Vec::new()) }))
}

impl VectorIndex for Lsh {
    fn search(&self, vectors: &dyn Vectors, query: &Query<'_>, scope: &Scope<'_>, pool: &Pool) -> Result<Found> {
        if vectors.len() != self.rows as usize {
            return Err(Error::internal(format!("tables of {} rows met {} rows", self.rows, vectors.len())));
        }
        let Some(limits) = self.limits(query, scope, &Tally::default()) else {
            return flat().search(vectors, query, scope, pool);
        };
        let (found, tally) = self.scan(vectors, query, scope, pool, limits)?;
        let short = found.hits.len() < query.k && (query.bound == f32::INFINITY || tally.others() < query.k as u64);
        if found.cut || !(short || tally.hopeless) {
            return Ok(found);
        }
        let all = flat().search(vectors, query, scope, pool)?;
        Ok(Found {
            distances: found.distances + all.distances,
            code_distances: found.code_distances + all.code_distances,
            visited: found.visited + all.visited,
            bytes: found.bytes + all.bytes,
            plan: super::Plan::Fallback,
            ..all
        })
    }

    fn search_many(
        &self,
        vectors: &dyn Vectors,
        queries: &[Query<'_>],
        scope: &Scope<'_>,
        pool: &Pool,
    ) -> Result<Vec<Found>> {
        let plain: Option<Vec<_>> = queries.iter().map(|query| self.limits(query, scope, &Tally::default())).collect();
        match plain {
            // Many queries that look at all rows do so best together.
            None => flat().search_many(vectors, queries, scope, pool),
            Some(_) => pool.map(queries.len(), |query| self.search(vectors, &queries[query], scope, &Pool::inline())),
        }
    }

    fn check(&self, stop: &Stop<'_>) -> Result<()> {
        (0..usize::from(self.hasher.plan().tables)).try_for_each(|table| match stop() {
            true => Err(super::stopped()),
            false => self.tables.check(table),
        })
    }

    fn facts(&self) -> IndexFacts {
        let spec = LshSpec { recall_percent: self.recall_percent, seed: self.hasher.plan().seed, ..LshSpec::default() };
        IndexFacts {
            kind: IndexSpec::Lsh(spec.tables(self.hasher.plan().tables)).to_string(),
            rows: self.rows,
            bytes: self.tables.bytes() + 4 * self.hasher.center().len() as u64,
            curve: self.curve.steps().iter().map(|step| (step.recall[0], step.candidates)).collect(),
            ..IndexFacts::default()
        }
    }
}

impl Lsh {
    /// How far to go for a query, given what was found out so far; `None` where comparing with all live rows takes no
    /// longer.
    fn limits(&self, query: &Query<'_>, scope: &Scope<'_>, tally: &Tally) -> Option<Limits> {
        let live = scope.count.unwrap_or(self.rows).min(self.rows).max(1) as f32;
        let everywhere = live / self.rows.max(1) as f32;
        // Of the rows that are near, a filter may leave fewer than of all.
        let share = tally.live_share().unwrap_or(1.0).min(everywhere);
        if share < AVOIDED * everywhere {
            return None;
        }
        match query.effort {
            Effort::Exact => None,
            Effort::Ef(count) => {
                let compared = (count.max(query.k) as u64).saturating_add(tally.behind);
                let few = ALONE * (compared as f32) < live;
                few.then_some(Limits { probes: MOST_PROBES, compared })
            }
            Effort::Recall(recall) => {
                let probes = self.curve.probes(recall, (query.k as f32 + tally.behind as f32) / share)?;
                let (candidates, looks) = self.curve.cost(probes)?;
                let few = ALONE * candidates * share + LOOK * looks < live;
                few.then_some(Limits { probes, compared: u64::MAX })
            }
        }
    }

    /// Looks into buckets as far as the limits say, and further where rows of earlier pages are in the way or few of the
    /// near rows are live.
    fn scan(
        &self,
        vectors: &dyn Vectors,
        query: &Query<'_>,
        scope: &Scope<'_>,
        pool: &Pool,
        limits: Limits,
    ) -> Result<(Found, Tally)> {
        let comparison = Comparison::new(vectors.shape(), query)?;
        let codes = vectors.codes(pool)?;
        let probes = Probes::new(self.hasher.hash_query(query.vector, &mut Room::default()));
        let mut seen = self.rooms.lock().pop().unwrap_or_default();
        seen.ready(self.rows as usize);
        let ask = Ask { query, scope, vectors, comparison: &comparison, codes };
        let mut scan = Scan::new(&ask, &self.tables, self.hasher.plan().hits, probes, seen);
        let mut tally = scan.run(limits)?;
        for _ in 0..ROUNDS {
            let Some(further) = self.limits(query, scope, &tally) else {
                tally.hopeless = true;
                break;
            };
            let before = tally.probes;
            tally = scan.run(further)?;
            if tally.probes == before {
                break;
            }
        }
        let (found, seen) = scan.finish()?;
        self.rooms.lock().push(seen);
        Ok((found, tally))
    }
}

#[cfg(test)]
mod tests;
