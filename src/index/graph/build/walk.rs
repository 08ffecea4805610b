//! Walking a graph that stands still, towards one of its own or a new row.

use super::lists::{Link, Lists};
use crate::index::graph::points::Points;
use crate::vector::kernel::Kernels;

/// Candidates beyond this many times the steps are thrown away, the furthest first.
const SLACK: usize = 2;

/// Lanes that the compiler turns into one register.
const LANES: usize = 8;

/// Memory for a walk, used again and again.
///
/// Candidates stand in no order: putting each where it belongs takes longer than looking for the nearest at every step.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// A bit for each row that has been compared.
    seen: Vec<u64>,
    /// Those rows, to clear the bits by.
    compared: Vec<u32>,
    rows: Vec<u32>,
    distances: Vec<f32>,
    /// The same distances, infinite where a row's links have been followed.
    open: Vec<f32>,
    fresh: Vec<u32>,
    fresh_distances: Vec<f32>,
    keys: Vec<u64>,
    /// Nothing this far or further is taken any more.
    limit: f32,
}

impl Walk {
    /// Follows the links of the `steps` rows nearest to `from` that a best-first search meets, and leaves the nearest rows
    /// it has compared in `found`, at most `most`, sorted, without `from` itself.
    #[inline(always)]
    #[expect(clippy::too_many_arguments, reason = "a loop that is inlined into two callers")]
    pub(super) fn towards<P: Points, K: Kernels>(
        &mut self,
        points: &P,
        kernels: K,
        lists: &Lists,
        from: u32,
        entries: &[u32],
        steps: usize,
        most: usize,
        found: &mut Vec<Link>,
    ) {
        self.begin(points.len(), from);
        self.compare(points, kernels, from, entries, steps);
        for _ in 0..steps {
            let Some(next) = self.nearest_open() else { break };
            self.open[next] = f32::INFINITY;
            let row = self.rows[next];
            self.compare(points, kernels, from, lists.of(row), steps);
        }
        self.end(from, most, found);
    }

    fn begin(&mut self, rows: usize, from: u32) {
        self.seen.resize(rows.div_ceil(64), 0);
        self.limit = f32::INFINITY;
        self.compared.push(from);
        self.seen[from as usize / 64] |= 1 << (from % 64);
    }

    /// Compares those of `rows` that have not been, and keeps what is near enough.
    #[inline(always)]
    fn compare<P: Points, K: Kernels>(&mut self, points: &P, kernels: K, from: u32, rows: &[u32], steps: usize) {
        self.fresh.resize(rows.len().max(self.fresh.len()), 0);
        let mut count = 0;
        for row in rows {
            let (word, bit) = (&mut self.seen[*row as usize / 64], 1u64 << (row % 64));
            // No branch: which rows have been seen is not to be foreseen.
            self.fresh[count] = *row;
            count += usize::from(*word & bit == 0);
            *word |= bit;
        }
        let fresh = &self.fresh[..count];
        self.compared.extend_from_slice(fresh);
        for row in fresh {
            points.prefetch(kernels, *row);
        }
        self.fresh_distances.resize(count, 0.0);
        points.distances(kernels, from, fresh, &mut self.fresh_distances);
        for (row, distance) in fresh.iter().zip(&self.fresh_distances) {
            if *distance < self.limit {
                self.rows.push(*row);
                self.distances.push(*distance);
                self.open.push(*distance);
            }
        }
        if self.rows.len() > SLACK * steps {
            self.shrink(steps);
        }
    }

    /// The place of the nearest row whose links have not been followed.
    #[inline(always)]
    fn nearest_open(&self) -> Option<usize> {
        let (lanes, rest) = self.open.as_chunks::<LANES>();
        let mut least = [f32::INFINITY; LANES];
        for lane in lanes {
            for (least, value) in least.iter_mut().zip(lane) {
                *least = if *value < *least { *value } else { *least };
            }
        }
        let least =
            least.iter().chain(rest).fold(f32::INFINITY, |least, value| if *value < least { *value } else { least });
        if least == f32::INFINITY {
            return None;
        }
        let hit = |lane: &[f32; LANES]| lane.iter().fold(false, |hit, value| hit | (*value == least));
        let lane = lanes.iter().position(hit).unwrap_or(lanes.len());
        let first = lane * LANES;
        self.open[first..].iter().position(|value| *value == least).map(|place| first + place)
    }

    /// Keeps the nearest `count`.
    fn shrink(&mut self, count: usize) {
        self.sort_keys(count);
        let mut kept: Vec<u32> = self.keys.iter().map(|key| *key as u32).collect();
        kept.sort_unstable();
        self.limit = self.keys.iter().fold(0.0, |most: f32, key| most.max(f32::from_bits((key >> 32) as u32)));
        for (to, from) in kept.iter().enumerate() {
            let from = *from as usize;
            (self.rows[to], self.distances[to], self.open[to]) =
                (self.rows[from], self.distances[from], self.open[from]);
        }
        self.rows.truncate(kept.len());
        self.distances.truncate(kept.len());
        self.open.truncate(kept.len());
    }

    /// Distances and places of the nearest `count`, in no order.
    fn sort_keys(&mut self, count: usize) {
        self.keys.clear();
        let keys = self.distances.iter().enumerate();
        self.keys.extend(keys.map(|(place, distance)| u64::from(distance.to_bits()) << 32 | place as u64));
        if self.keys.len() > count {
            self.keys.select_nth_unstable(count);
            self.keys.truncate(count);
        }
    }

    fn end(&mut self, from: u32, most: usize, found: &mut Vec<Link>) {
        self.sort_keys(most);
        found.clear();
        let links = self.keys.iter().map(|key| *key as u32 as usize);
        found.extend(links.map(|place| Link { row: self.rows[place], distance: self.distances[place] }));
        found.sort_unstable_by_key(Link::key);
        debug_assert!(found.iter().all(|link| link.row != from));
        for row in self.compared.drain(..) {
            self.seen[row as usize / 64] = 0;
        }
        self.rows.clear();
        self.distances.clear();
        self.open.clear();
    }
}
