//! Giving rows their links, wave after wave.

use super::GraphParameters;
use super::leaves::Nearest;
use super::lists::{Held, Link, List, Lists, SHARD, insert};
use super::select::{Rule, Space};
use super::walk::Walk;
use crate::error::Result;
use crate::ids::RowId;
use crate::index::graph::points::Points;
use crate::pool::Pool;
use crate::rows::RowSet;
use crate::sync::Mutex;
use crate::vector::kernel::{self, Kernels, Task};

/// Rows that one piece of work gives links.
const PIECE: usize = 16;

/// Links are chosen among this many times as many candidates.
const CANDIDATES: usize = 2;

/// Where the rows of a wave find candidates, besides the links they have.
#[derive(Clone, Copy)]
pub(super) enum From<'a> {
    /// Among all others of the wave.
    Each,
    /// In what is known of all rows.
    Known(&'a Nearest),
    /// By a walk of so many steps from these rows.
    Walk(&'a [u32], usize),
}

/// A graph that grows.
pub(super) struct Growth<'a, P> {
    points: &'a P,
    rule: Rule,
    pool: &'a Pool,
    lists: Lists,
    /// Rows that nothing is linked to yet.
    held: RowSet,
    /// Whether rows offer themselves to all that they are linked to, or to the diverse ones alone.
    eager: bool,
    /// Memory of pieces of work that are done, for the next ones. Which gets which does not matter.
    memory: Mutex<Vec<Memory>>,
}

/// What a piece of work needs.
#[derive(Debug, Default)]
struct Memory {
    walk: Walk,
    space: Space,
    found: Vec<Link>,
    distances: Vec<f32>,
    list: List,
}

/// A link back, from a row to one that chose it.
#[derive(Debug, Clone, Copy, Default)]
struct Offer {
    to: u32,
    link: Link,
}

impl<'a, P: Points> Growth<'a, P> {
    /// `held` are rows that nothing is linked to until they are released.
    pub(super) fn new(points: &'a P, parameters: &GraphParameters, held: RowSet, pool: &'a Pool) -> Growth<'a, P> {
        let rule = Rule { degree: parameters.degree, alpha: parameters.alpha };
        let lists = Lists::new(points.len(), parameters.degree);
        Growth { points, rule, pool, lists, held, eager: false, memory: Mutex::default() }
    }

    pub(super) fn lists(&self) -> &Lists {
        &self.lists
    }

    /// Lets rows be linked to all others from now on. Those that were there choose no more, and would take the new ones
    /// for the diverse part of their lists only: so these offer themselves to whoever they fill their own lists with, too.
    pub(super) fn release(&mut self) {
        self.held = RowSet::empty(self.points.len() as u32);
        self.eager = true;
    }

    /// Candidates that are looked for.
    pub(super) fn candidates(degree: usize) -> usize {
        CANDIDATES * degree
    }

    fn take_memory(&self) -> Memory {
        self.memory.lock().pop().unwrap_or_default()
    }

    /// Chooses links for the rows of a wave, none of which is twice there, and links the chosen ones back. All see the graph
    /// as it was before.
    pub(super) fn add(&mut self, wave: &[u32], from: From<'_>) -> Result<()> {
        let lists = self.pool.map(wave.len().div_ceil(PIECE), |piece| {
            let rows = &wave[piece * PIECE..wave.len().min((piece + 1) * PIECE)];
            let mut memory = self.take_memory();
            let lists = kernel::with(Choose { growth: self, rows, wave, from, memory: &mut memory });
            self.memory.lock().push(memory);
            Ok(lists)
        })?;
        let lists: Vec<List> = lists.into_iter().flatten().collect();
        self.install(wave, &lists)
    }

    /// Writes the lists of the rows of a wave, and the links back.
    fn install(&mut self, wave: &[u32], lists: &[List]) -> Result<()> {
        let (bounds, offers) = by_shard(wave, lists, self.eager, self.points.len().div_ceil(SHARD));
        let mut written: Vec<Vec<usize>> = vec![Vec::new(); bounds.len() - 1];
        for (place, row) in wave.iter().enumerate() {
            written[*row as usize / SHARD].push(place);
        }
        let Growth { points, rule, lists: all, memory, pool, .. } = self;
        let shards = all.shards();
        let touched = |shard: &usize| bounds[*shard] < bounds[shard + 1] || !written[*shard].is_empty();
        let touched: Vec<usize> = (0..shards.len()).filter(touched).collect();
        pool.map(touched.len(), |piece| {
            let number = touched[piece];
            let mut shard = shards[number].lock();
            for place in &written[number] {
                shard.write(wave[*place] as usize % SHARD, &lists[*place]);
            }
            let mut mine = offers[bounds[number]..bounds[number + 1]].to_vec();
            mine.sort_unstable_by_key(|offer| (offer.to, offer.link.key()));
            let mut own = memory.lock().pop().unwrap_or_default();
            kernel::with(LinkBack { points: *points, rule, offers: &mine, shard, memory: &mut own });
            memory.lock().push(own);
            Ok(())
        })?;
        Ok(())
    }
}

/// The links back of a wave, those to one shard together, and where each shard's begin and end: of the diverse links, and
/// of all where rows are `eager`.
fn by_shard(wave: &[u32], lists: &[List], eager: bool, shards: usize) -> (Vec<usize>, Vec<Offer>) {
    let mut bounds = vec![0; shards + 1];
    for link in lists.iter().flat_map(|list| list.answered(eager)) {
        bounds[link.row as usize / SHARD + 1] += 1;
    }
    for shard in 0..shards {
        bounds[shard + 1] += bounds[shard];
    }
    let mut next = bounds.clone();
    let mut offers = vec![Offer::default(); bounds[shards]];
    for (row, list) in wave.iter().zip(lists) {
        for link in list.answered(eager) {
            let place = &mut next[link.row as usize / SHARD];
            offers[*place] = Offer { to: link.row, link: Link { row: *row, distance: link.distance } };
            *place += 1;
        }
    }
    (bounds, offers)
}

/// Chooses links for some rows of a wave.
struct Choose<'a, P> {
    growth: &'a Growth<'a, P>,
    rows: &'a [u32],
    wave: &'a [u32],
    from: From<'a>,
    memory: &'a mut Memory,
}

impl<P: Points> Task for Choose<'_, P> {
    type Output = Vec<List>;
    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) -> Vec<List> {
        let Choose { growth, rows, wave, from, memory } = self;
        let (points, rule, graph) = (growth.points, growth.rule, &growth.lists);
        let most = CANDIDATES * rule.degree;
        let Memory { walk, space, found, distances, .. } = memory;
        let mut lists = vec![List::default(); rows.len()];
        for (row, list) in rows.iter().zip(&mut lists) {
            match from {
                From::Each => among(points, kernels, *row, wave, most, distances, found),
                From::Known(nearest) => {
                    found.clear();
                    let links = nearest[*row as usize].lock();
                    let links = links.iter().map(|key| Link::of(*key));
                    found.extend(links.filter(|link| !growth.held.contains(RowId(link.row))));
                }
                From::Walk(entries, steps) => {
                    walk.towards(points, kernels, graph, *row, entries, steps, most, found);
                }
            }
            for link in graph.links(*row) {
                insert(found, link);
            }
            rule.choose(points, kernels, found, space, list);
        }
        lists
    }
}

/// The rows of `others` nearest to `row`, without itself.
#[inline(always)]
fn among<P: Points, K: Kernels>(
    points: &P,
    kernels: K,
    row: u32,
    others: &[u32],
    most: usize,
    distances: &mut Vec<f32>,
    found: &mut Vec<Link>,
) {
    distances.resize(others.len(), 0.0);
    points.distances(kernels, row, others, distances);
    found.clear();
    let links = others.iter().zip(distances.iter()).map(|(row, distance)| Link { row: *row, distance: *distance });
    found.extend(links.filter(|link| link.row != row));
    if found.len() > most {
        found.select_nth_unstable_by_key(most, Link::key);
        found.truncate(most);
    }
    found.sort_unstable_by_key(Link::key);
}

/// Adds links back to the rows of one shard.
struct LinkBack<'a, 'b, P> {
    points: &'a P,
    rule: &'a Rule,
    /// Sorted by the row they are for, the nearest first.
    offers: &'a [Offer],
    shard: Held<'a, 'b>,
    memory: &'a mut Memory,
}

impl<P: Points> Task for LinkBack<'_, '_, P> {
    type Output = ();
    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) {
        let LinkBack { points, rule, offers, mut shard, memory } = self;
        let Memory { space, list, .. } = memory;
        for offers in offers.chunk_by(|a, b| a.to == b.to) {
            let place = offers[0].to as usize % SHARD;
            shard.read(place, list);
            let mut changed = false;
            for offer in offers {
                changed |= rule.offer(points, kernels, offer.link, space, list);
            }
            if changed {
                shard.write(place, list);
            }
        }
    }
}
