//! Finding near rows for all rows at once: rows are split into small leaves again and again, each time along other
//! borders, and within a leaf each is compared with every other.
//!
//! That compares more rows than walks do, but rows of a leaf stay in the cache, where a comparison takes a tenth of the
//! time it takes to fetch a row. (PiPNN, "Pick-in-Partitions Nearest Neighbors", builds graphs this way.)

use super::lists::Link;
use crate::error::Result;
use crate::index::Stop;
use crate::index::graph::points::Points;
use crate::pool::Pool;
use crate::random::Random;
use crate::sync::Mutex;
use crate::vector::kernel::{self, Kernels, Task};

/// Rows of a leaf at most.
const LEAF: usize = 512;

/// Rows that others are assigned to, of a group that is split.
const LEADERS: usize = 32;

/// Rows that one piece of work assigns.
const PIECE: usize = 1024;

/// Groups with fewer rows are split to the end by one piece of work.
const ALONE: usize = 16 * 1024;

/// Groups that were split so often are cut as they come: their rows lie in a way that leaders do not divide.
const DEPTH: u32 = 24;

/// Of the random numbers that follow from the seed: which rows lead.
const STREAM: u64 = 1 << 40;

/// The nearest rows found for each row, as [`Link::key`], sorted. Every row is in one leaf at a time, so no lock is ever
/// waited for.
pub(super) type Nearest = Vec<Mutex<Vec<u64>>>;

/// Splits all rows `rounds` times, and keeps the nearest `most` of each. `None` when it was stopped. With it come the
/// rows in the order of the last leaves: near ones stand together.
pub(super) fn nearest<P: Points>(
    points: &P,
    rounds: usize,
    most: usize,
    seed: u64,
    pool: &Pool,
    stop: &Stop<'_>,
) -> Result<Option<(Nearest, Vec<u32>)>> {
    let nearest: Nearest = (0..points.len()).map(|_| Mutex::new(Vec::with_capacity(most))).collect();
    let mut order: Vec<u32> = (0..points.len() as u32).collect();
    for round in 0..rounds {
        if stop() {
            return Ok(None);
        }
        let leaves = split(points, order, seed, STREAM * (1 + round as u64), pool)?;
        let memory = Mutex::new(Vec::<Space>::new());
        pool.map(leaves.len(), |leaf| {
            if stop() {
                return Ok(());
            }
            let mut own = memory.lock().pop().unwrap_or_default();
            kernel::with(Compare { points, leaf: &leaves[leaf], most, nearest: &nearest, space: &mut own });
            memory.lock().push(own);
            Ok(())
        })?;
        order = leaves.concat();
    }
    Ok(Some((nearest, order)))
}

/// Leaves of all of `rows`.
fn split<P: Points>(points: &P, rows: Vec<u32>, seed: u64, stream: u64, pool: &Pool) -> Result<Vec<Vec<u32>>> {
    let (mut large, mut small) = (vec![(rows, 0)], Vec::new());
    while let Some((rows, depth)) = large.pop() {
        if rows.len() <= ALONE || depth == DEPTH {
            small.push(rows);
            continue;
        }
        let leaders = lead(&rows, seed, stream);
        let assigned = pool.map(rows.len().div_ceil(PIECE), |piece| {
            let rows = &rows[piece * PIECE..rows.len().min((piece + 1) * PIECE)];
            Ok(kernel::with(Assign { points, rows, leaders: &leaders }))
        })?;
        let groups = group(&rows, &assigned.concat(), leaders.len());
        large.extend(groups.into_iter().map(|rows| (rows, depth + 1)));
    }
    let leaves = pool.map(small.len(), |group| {
        let mut leaves = Vec::new();
        split_alone(points, &small[group], 0, (seed, stream), &mut leaves);
        Ok(leaves)
    })?;
    Ok(leaves.concat())
}

fn split_alone<P: Points>(points: &P, rows: &[u32], depth: u32, random: (u64, u64), leaves: &mut Vec<Vec<u32>>) {
    if rows.len() <= LEAF || depth == DEPTH {
        leaves.extend(rows.chunks(LEAF).map(<[u32]>::to_vec));
        return;
    }
    let leaders = lead(rows, random.0, random.1);
    let assigned = kernel::with(Assign { points, rows, leaders: &leaders });
    for group in group(rows, &assigned, leaders.len()) {
        split_alone(points, &group, depth + 1, random, leaves);
    }
}

/// Some of `rows`, at random.
fn lead(rows: &[u32], seed: u64, stream: u64) -> Vec<u32> {
    let mut random = Random::seeded(seed, stream + (u64::from(rows[0]) << 8 | (rows.len() as u64).ilog2() as u64));
    let count = rows.len().div_ceil(LEAF / 2).clamp(2, LEADERS);
    (0..count).map(|_| rows[random.below(rows.len() as u64) as usize]).collect()
}

/// The rows by the leader they were assigned to. Where one has them all, which rows that are the same do, they are cut
/// into halves.
fn group(rows: &[u32], assigned: &[u32], leaders: usize) -> Vec<Vec<u32>> {
    let mut groups = vec![Vec::new(); leaders];
    for (row, leader) in rows.iter().zip(assigned) {
        groups[*leader as usize].push(*row);
    }
    groups.retain(|group| !group.is_empty());
    if groups.len() == 1 {
        let (first, second) = rows.split_at(rows.len() / 2);
        return vec![first.to_vec(), second.to_vec()];
    }
    groups
}

/// Finds the nearest leader of each row.
struct Assign<'a, P> {
    points: &'a P,
    rows: &'a [u32],
    leaders: &'a [u32],
}

impl<P: Points> Task for Assign<'_, P> {
    type Output = Vec<u32>;
    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) -> Vec<u32> {
        let mut distances = vec![0.0; self.leaders.len()];
        let nearest = self.rows.iter().map(|row| {
            self.points.distances(kernels, *row, self.leaders, &mut distances);
            let least = |best: (f32, u32), (at, distance): (usize, &f32)| {
                if *distance < best.0 { (*distance, at as u32) } else { best }
            };
            distances.iter().enumerate().fold((f32::INFINITY, 0), least).1
        });
        nearest.collect()
    }
}

/// Memory for comparing a leaf.
#[derive(Debug, Default)]
struct Space {
    distances: Vec<f32>,
    keys: Vec<u64>,
    merged: Vec<u64>,
}

/// Compares all rows of a leaf with each other.
struct Compare<'a, P> {
    points: &'a P,
    leaf: &'a [u32],
    most: usize,
    nearest: &'a Nearest,
    space: &'a mut Space,
}

impl<P: Points> Task for Compare<'_, P> {
    type Output = ();
    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) {
        let Compare { points, leaf, most, nearest, space } = self;
        let width = leaf.len();
        space.distances.resize(width * width, 0.0);
        for (at, row) in leaf.iter().enumerate() {
            points.distances(
                kernels,
                *row,
                &leaf[at + 1..],
                &mut space.distances[at * width + at + 1..(at + 1) * width],
            );
        }
        for at in 0..width {
            space.distances[at * width + at] = f32::INFINITY;
            for other in 0..at {
                space.distances[at * width + other] = space.distances[other * width + at];
            }
        }
        for (row, distances) in leaf.iter().zip(space.distances.chunks_exact(width)) {
            let mut known = nearest[*row as usize].lock();
            let last = known.last().filter(|_| known.len() == most).map_or(Link::NONE, |key| Link::of(*key));
            space.keys.resize(width, 0);
            let mut count = 0;
            for (other, distance) in leaf.iter().zip(distances) {
                // No branch: which are near enough is not to be foreseen.
                space.keys[count] = Link { row: *other, distance: *distance }.key();
                count += usize::from(*distance < last.distance);
            }
            let keys = &mut space.keys[..count];
            let keys = if count > most { keys.select_nth_unstable(most).0 } else { keys };
            keys.sort_unstable();
            merge(&known, keys, most, &mut space.merged);
            // The memory of a row stays as large as it was made.
            known.clear();
            known.extend_from_slice(&space.merged);
        }
    }
}

/// The least `most` of two sorted lists, each once.
fn merge(a: &[u64], b: &[u64], most: usize, into: &mut Vec<u64>) {
    into.clear();
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    while into.len() < most {
        let next = match (a.peek(), b.peek()) {
            (Some(x), Some(y)) if x < y => a.next(),
            (Some(x), Some(y)) if x == y => {
                a.next();
                b.next()
            }
            (_, Some(_)) => b.next(),
            (Some(_), None) => a.next(),
            (None, None) => break,
        };
        into.extend(next);
    }
}
