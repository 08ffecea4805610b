//! Adding rows in waves.

use super::GraphParameters;
use super::lists::{Held, Link, List, Lists, SHARD};
use super::select::{Rule, Space};
use super::walk::Walk;
use crate::error::Result;
use crate::index::Stop;
use crate::index::graph::points::Points;
use crate::pool::Pool;
use crate::random::Random;
use crate::sync::Mutex;
use crate::vector::kernel::{self, Kernels, Task};

/// Rows of the first wave, each of which is compared with every other.
const FIRST: usize = 1024;

/// A wave has at most one row for so many that are there.
const SHARE: usize = 50;

/// Rows of a wave at most.
const LONGEST: usize = 4096;

/// Rows that one piece of work adds.
const PIECE: usize = 16;

/// Rows that walks begin at while the graph grows: the first of a random order are a fair sample of all.
const ENTRIES: usize = 64;

/// Candidates that links are chosen among.
const CANDIDATES: usize = 128;

/// Of the random numbers that follow from the seed: the order of the rows.
const ORDER_STREAM: u64 = 1;

/// Lists of all rows, `None` when it was stopped.
pub(super) fn grow<P: Points>(
    points: &P,
    parameters: &GraphParameters,
    pool: &Pool,
    stop: &Stop<'_>,
) -> Result<Option<Lists>> {
    let order = shuffled(points.len(), parameters.seed);
    let rule = Rule { degree: parameters.degree, alpha: parameters.alpha };
    let lists = Lists::new(points.len(), rule.degree);
    let mut growth = Growth { points, rule, steps: parameters.ef_construction, pool, lists, memory: Mutex::default() };
    let (first, rest) = order.split_at(order.len().min(FIRST));
    if stop() {
        return Ok(None);
    }
    growth.add(first, From::Each)?;
    let entries = &first[..first.len().min(ENTRIES)];
    let (mut rest, mut done) = (rest, first.len());
    while !rest.is_empty() {
        if stop() {
            return Ok(None);
        }
        let (wave, later) = rest.split_at(rest.len().min((done / SHARE).clamp(1, LONGEST)));
        growth.add(wave, From::Walk(entries))?;
        (rest, done) = (later, done + wave.len());
    }
    Ok(Some(growth.lists))
}

/// All rows in random order.
fn shuffled(rows: usize, seed: u64) -> Vec<u32> {
    let mut random = Random::seeded(seed, ORDER_STREAM);
    let mut order: Vec<u32> = (0..rows as u32).collect();
    for last in (1..rows).rev() {
        order.swap(last, random.below(last as u64 + 1) as usize);
    }
    order
}

/// Where the rows of a wave find candidates.
#[derive(Clone, Copy)]
enum From<'a> {
    /// Among all others of the wave.
    Each,
    /// By a walk from these rows.
    Walk(&'a [u32]),
}

/// A graph that grows.
struct Growth<'a, P> {
    points: &'a P,
    rule: Rule,
    steps: usize,
    pool: &'a Pool,
    lists: Lists,
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
    row: u32,
    distance: f32,
}

impl<P: Points> Growth<'_, P> {
    fn with_memory<T>(&self, work: impl FnOnce(&mut Memory) -> T) -> T {
        let mut memory = self.memory.lock().pop().unwrap_or_default();
        let result = work(&mut memory);
        self.memory.lock().push(memory);
        result
    }

    /// Adds the rows of a wave.
    fn add(&mut self, wave: &[u32], from: From<'_>) -> Result<()> {
        let lists = self.pool.map(wave.len().div_ceil(PIECE), |piece| {
            let rows = &wave[piece * PIECE..wave.len().min((piece + 1) * PIECE)];
            Ok(self.with_memory(|memory| kernel::with(Choose { growth: self, rows, wave, from, memory })))
        })?;
        let lists: Vec<List> = lists.into_iter().flatten().collect();
        let (bounds, offers) = by_shard(wave, &lists, self.points.len().div_ceil(SHARD));
        let mut written: Vec<Vec<usize>> = vec![Vec::new(); bounds.len() - 1];
        for (place, row) in wave.iter().enumerate() {
            written[*row as usize / SHARD].push(place);
        }
        let Growth { points, rule, lists: all, memory, .. } = self;
        let shards = all.shards();
        let work: Vec<usize> = (0..shards.len())
            .filter(|shard| bounds[*shard] < bounds[shard + 1] || !written[*shard].is_empty())
            .collect();
        self.pool.map(work.len(), |piece| {
            let number = work[piece];
            let mut shard = shards[number].lock();
            for place in &written[number] {
                shard.write(wave[*place] as usize % SHARD, &lists[*place]);
            }
            let mut mine = offers[bounds[number]..bounds[number + 1]].to_vec();
            mine.sort_unstable_by_key(|offer| (offer.to, Link { row: offer.row, distance: offer.distance }.key()));
            let mut own = memory.lock().pop().unwrap_or_default();
            kernel::with(LinkBack { points: *points, rule, offers: &mine, shard, memory: &mut own });
            memory.lock().push(own);
            Ok(())
        })?;
        Ok(())
    }
}

/// The links back of a wave, those to one shard together, and where each shard's begin and end.
fn by_shard(wave: &[u32], lists: &[List], shards: usize) -> (Vec<usize>, Vec<Offer>) {
    let mut bounds = vec![0; shards + 1];
    for link in lists.iter().flat_map(|list| &list.diverse) {
        bounds[link.row as usize / SHARD + 1] += 1;
    }
    for shard in 0..shards {
        bounds[shard + 1] += bounds[shard];
    }
    let mut next = bounds.clone();
    let mut offers = vec![Offer::default(); bounds[shards]];
    for (row, list) in wave.iter().zip(lists) {
        for link in &list.diverse {
            let place = &mut next[link.row as usize / SHARD];
            offers[*place] = Offer { to: link.row, row: *row, distance: link.distance };
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
        let (points, rule, steps) = (growth.points, growth.rule, growth.steps);
        let most = CANDIDATES.max(rule.degree);
        let Memory { walk, space, found, distances, .. } = memory;
        let mut lists = vec![List::default(); rows.len()];
        for (row, list) in rows.iter().zip(&mut lists) {
            match from {
                From::Each => among(points, kernels, *row, wave, most, distances, found),
                From::Walk(entries) => walk.towards(points, kernels, &growth.lists, *row, entries, steps, most, found),
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
                let link = Link { row: offer.row, distance: offer.distance };
                changed |= rule.offer(points, kernels, link, space, list);
            }
            if changed {
                shard.write(place, list);
            }
        }
    }
}
