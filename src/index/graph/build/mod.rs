//! Building a flat graph: every row is linked to `degree` others, and there are no layers above it.
//!
//! Near rows are found by splitting all rows into small leaves several times (`leaves`); links are chosen among them
//! (`select`); then every row walks the graph it is part of and chooses again (`walk`). Links are written in waves. The
//! rows of a wave all see the graph as it was before, which needs no locks; then the links back to those they chose are
//! grouped by row and added, each group by one thread. So a graph depends on the seed and not on how many threads built
//! it. A last pass makes sure that a search can get from the entries to every row (`reach`).
//!
//! Some rows are held back until the end: asked for from a graph that they are not in, they tell what new vectors will
//! find in it.

mod entries;
mod growth;
mod leaves;
mod lists;
mod reach;
mod select;
#[cfg(test)]
mod tests;
mod walk;

use self::growth::{From, Growth};
use crate::error::Result;
use crate::ids::RowId;
use crate::index::Stop;
use crate::index::graph::points::Points;
use crate::pool::Pool;
use crate::rows::RowSet;

/// A graph over the rows of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Graph {
    /// Links of each row.
    pub(crate) degree: usize,
    /// Row after row; a list that is short is filled up with the row's own number.
    pub(crate) links: Vec<u32>,
    /// Where a search begins. From each of them it can get to every row.
    pub(crate) entries: Vec<u32>,
    /// Rows that could not be got to before links to them were added.
    pub(crate) unreachable_before_repair: u32,
    /// Rows that still cannot be got to from every entry.
    pub(crate) unreachable: u32,
}

/// How a graph is built.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GraphParameters {
    /// Links of each row, from 2 to 128.
    pub(crate) degree: usize,
    /// Rows whose links are followed to find those that a new row may be linked to. More give a better graph, and
    /// building takes as much longer.
    pub(crate) ef_construction: usize,
    /// How many times closer to each other than to a row (by the distance, which for L2 is squared) two of its links must
    /// be for the further one to be left out. The more, the longer ways are kept. For a recall of 0.95, 0.99 and 0.995 a
    /// query follows the links of 15, 38 and 47 rows with 1.05, and of 17, 38 and 48 with 1.0 (mnist, 60,000 rows); of 38,
    /// 95 and 125, and of 42, 99 and 139 (SIFT, 200,000 rows). Vectors of text are known to suffer from 1.15.
    pub(crate) alpha: f32,
    /// The order in which rows are added follows from it.
    pub(crate) seed: u64,
}

/// Rows that are all compared with each other when there are no more.
const FEW: usize = 1024;

/// Rows of a wave.
const WAVE: usize = 8192;

/// Times that the rows are split into leaves, for so much of `ef_construction` each.
const ROUND: usize = 20;

/// Steps of the walk of each row, for so much of `ef_construction` each.
const STEP: usize = 3;

/// A graph of which some rows are held back: they are linked to nothing, as if they were not there.
pub(crate) struct Unfinished<'a, P> {
    points: &'a P,
    parameters: GraphParameters,
    entries: Vec<u32>,
    held: Vec<u32>,
    growth: Growth<'a, P>,
}

/// Builds a graph over all of `points` but those of `held` that are no entries; `None` when it was stopped.
pub(crate) fn build<'a, P: Points>(
    points: &'a P,
    parameters: &GraphParameters,
    held: &[u32],
    pool: &'a Pool,
    stop: &Stop<'_>,
) -> Result<Option<Unfinished<'a, P>>> {
    let entries = entries::choose(points, parameters.seed);
    let mut held: Vec<u32> = held.iter().copied().filter(|row| entries.binary_search(row).is_err()).collect();
    held.sort_unstable();
    held.dedup();
    let rows = points.len() as u32;
    let mut set = RowSet::empty(rows);
    held.iter().for_each(|row| _ = set.insert(RowId(*row)));
    let mut growth = Growth::new(points, parameters, set.clone(), pool);
    let done = if points.len() <= FEW {
        let all: Vec<u32> = (0..rows).filter(|row| !set.contains(RowId(*row))).collect();
        growth.add(&all, From::Each)?;
        !stop()
    } else {
        link_all(&mut growth, points, (&entries::few(&entries), &set), parameters, pool, stop)?
    };
    let parameters = *parameters;
    Ok(done.then_some(Unfinished { points, parameters, entries, held, growth }))
}

impl<P: Points> Unfinished<'_, P> {
    /// The rows that are held back, ascending.
    pub(crate) fn held(&self) -> &[u32] {
        &self.held
    }

    /// The graph as it is.
    pub(crate) fn so_far(&self) -> Graph {
        let degree = self.parameters.degree;
        let (links, entries) = (self.growth.lists().to_links(), self.entries.clone());
        Graph { degree, links, entries, unreachable_before_repair: 0, unreachable: 0 }
    }

    /// The graph over all rows; `None` when it was stopped.
    pub(crate) fn finish(mut self, stop: &Stop<'_>) -> Result<Option<Graph>> {
        self.growth.release();
        // The first time they find the others, the second time each other.
        let entries = entries::few(&self.entries);
        for _ in 0..2 {
            if stop() {
                return Ok(None);
            }
            self.growth.add(&self.held, From::Walk(&entries, steps(&self.parameters)))?;
        }
        let mut graph = self.so_far();
        if !reach::repair(self.points, &mut graph, stop) {
            return Ok(None);
        }
        let unreachable = reach::unreachable(&graph, self.points.len(), stop);
        Ok(unreachable.map(|unreachable| Graph { unreachable, ..graph }))
    }
}

/// How many rows a walk follows the links of.
fn steps(parameters: &GraphParameters) -> usize {
    parameters.ef_construction.div_ceil(STEP)
}

/// Links all rows to near ones, first to those they share leaves with and then to those that a walk from the entries
/// meets: from there it finds the way between groups of rows that share no leaf, which the links of a row may not lead to
/// (mnist, 60,000 rows: 39 steps of a query for a recall of 0.99 and not 40; for 0.995, 51 and not 54). False when it was
/// stopped.
fn link_all<P: Points>(
    growth: &mut Growth<'_, P>,
    points: &P,
    (entries, held): (&[u32], &RowSet),
    parameters: &GraphParameters,
    pool: &Pool,
    stop: &Stop<'_>,
) -> Result<bool> {
    let rounds = (parameters.ef_construction / ROUND).clamp(3, 32);
    let most = Growth::<P>::candidates(parameters.degree);
    let Some((nearest, mut order)) = leaves::nearest(points, rounds, most, parameters.seed, pool, stop)? else {
        return Ok(false);
    };
    order.retain(|row| !held.contains(RowId(*row)));
    for wave in order.chunks(WAVE) {
        if stop() {
            return Ok(false);
        }
        growth.add(wave, From::Known(&nearest))?;
    }
    drop(nearest);
    for wave in order.chunks(WAVE) {
        if stop() {
            return Ok(false);
        }
        growth.add(wave, From::Walk(entries, steps(parameters)))?;
    }
    Ok(!stop())
}
