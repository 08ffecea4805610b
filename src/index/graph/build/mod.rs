//! Building a flat graph: every row is linked to `degree` others, and there are no layers above it.
//!
//! Near rows are found by splitting all rows into small leaves several times (`leaves`); links are chosen among them
//! (`select`); then every row walks the graph it is part of and chooses again (`walk`). Links are written in waves. The
//! rows of a wave all see the graph as it was before, which needs no locks; then the links back to those they chose are
//! grouped by row and added, each group by one thread. So a graph depends on the seed and not on how many threads built
//! it. A last pass makes sure that a search can get from the entries to every row (`reach`).

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
use self::lists::Lists;
use crate::error::Result;
use crate::index::Stop;
use crate::index::graph::points::Points;
use crate::pool::Pool;

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

/// Builds a graph over all of `points`; `None` when it was stopped.
pub(crate) fn build<P: Points>(
    points: &P,
    parameters: &GraphParameters,
    pool: &Pool,
    stop: &Stop<'_>,
) -> Result<Option<Graph>> {
    let entries = entries::choose(points, parameters.seed);
    let lists = Lists::new(points.len(), parameters.degree);
    let mut growth = Growth::new(points, parameters, pool, lists);
    let done = if points.len() <= FEW {
        let all: Vec<u32> = (0..points.len() as u32).collect();
        growth.add(&all, From::Each)?;
        !stop()
    } else {
        link_all(&mut growth, points, &entries, parameters, pool, stop)?
    };
    Ok(if done { Some(finish(points, parameters, entries, growth.into_lists())) } else { None })
}

/// Links all rows to near ones, first to those they share leaves with and then to those that a walk from the entries
/// meets: from there it finds the way between groups of rows that share no leaf, which the links of a row may not lead to
/// (mnist, 60,000 rows: 39 steps of a query for a recall of 0.99 and not 40; for 0.995, 51 and not 54). False when it was
/// stopped.
fn link_all<P: Points>(
    growth: &mut Growth<'_, P>,
    points: &P,
    entries: &[u32],
    parameters: &GraphParameters,
    pool: &Pool,
    stop: &Stop<'_>,
) -> Result<bool> {
    let rounds = (parameters.ef_construction / ROUND).clamp(3, 32);
    let most = Growth::<P>::candidates(parameters.degree);
    let Some((nearest, order)) = leaves::nearest(points, rounds, most, parameters.seed, pool, stop)? else {
        return Ok(false);
    };
    for wave in order.chunks(WAVE) {
        if stop() {
            return Ok(false);
        }
        growth.add(wave, From::Known(&nearest))?;
    }
    drop(nearest);
    let steps = parameters.ef_construction.div_ceil(STEP);
    for wave in order.chunks(WAVE) {
        if stop() {
            return Ok(false);
        }
        growth.add(wave, From::Walk(entries, steps))?;
    }
    Ok(!stop())
}

/// The graph of these lists.
fn finish<P: Points>(points: &P, parameters: &GraphParameters, entries: Vec<u32>, lists: Lists) -> Graph {
    let degree = parameters.degree;
    let links = lists.into_links();
    let mut graph = Graph { degree, links, entries, unreachable_before_repair: 0, unreachable: 0 };
    reach::repair(points, &mut graph);
    graph.unreachable = reach::unreachable(&graph, points.len());
    graph
}
