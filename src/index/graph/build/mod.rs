//! Building a flat graph: every row is linked to `degree` others, and there are no layers above it.
//!
//! Rows are added in waves, in random order. All rows of a wave walk the graph as it stood before the wave, which needs
//! no locks; then the links back to those they chose are grouped by row and added, each group by one thread. So a graph
//! depends on the seed and not on how many threads built it. The waves are short next to what is there already, so
//! that missing one's own wave costs nothing to speak of (ParlayANN calls it prefix doubling). A last pass makes sure
//! that a search can get from the entries to every row.

mod entries;
mod lists;
mod reach;
mod select;
#[cfg(test)]
mod tests;
mod walk;
mod wave;

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
    /// Where a search begins. From them it can get to every row.
    pub(crate) entries: Vec<u32>,
    /// Rows that could not be got to before links to them were added.
    pub(crate) unreachable_before_repair: u32,
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
    /// be for the further one to be left out. More than 1 keeps fewer long links out.
    pub(crate) alpha: f32,
    /// The order in which rows are added follows from it.
    pub(crate) seed: u64,
}

/// Builds a graph over all of `points`; `None` when it was stopped.
pub(crate) fn build<P: Points>(
    points: &P,
    parameters: &GraphParameters,
    pool: &Pool,
    stop: &Stop<'_>,
) -> Result<Option<Graph>> {
    let Some(lists) = wave::grow(points, parameters, pool, stop)? else { return Ok(None) };
    let entries = entries::choose(points, parameters.seed);
    let degree = parameters.degree;
    let mut graph = Graph { degree, links: lists.into_links(), entries, unreachable_before_repair: 0 };
    reach::repair(points, &mut graph);
    Ok(Some(graph))
}
