//! What a walk through a graph holds: where it may go next, where it was, and the nearest rows so far.
//!
//! Where to go next is kept unsorted: putting every candidate in its place costs more than finding the nearest of some
//! hundreds by looking at all of them, many at a time.

use super::super::Live;
use crate::ids::RowId;
use crate::vector::kernel::Kernels;
use crate::vector::kernel::scan::{Room, SLACK};

/// Candidates that there is room for at first.
const ROOM: usize = 512;

/// The most candidates that are held while nothing limits where to go: so many, or so many for each row that is kept.
/// Where few rows may be found there would be many times as many, and each step looks at all of them.
const MAX_ROOM: usize = 1024;
const ROOM_PER_KEPT: usize = 8;

/// Of the candidates one in so many tells where their middle is.
const SAMPLED: usize = 8;

/// What a walk is after.
#[derive(Debug, Clone, Copy)]
pub(super) struct Aim {
    /// Which of the nearest so far limits where to go, counted from 1.
    pub(super) rank: usize,
    /// How many of the nearest to keep, `rank` at least.
    pub(super) keep: usize,
    /// Go only where it is nearer than this times the one of that rank, in squared distance.
    pub(super) reach: f32,
    /// A row that may not be found only leads to others, and is taken to be so much further than it is: 1 or more, in
    /// squared distance.
    pub(super) detour: f32,
    /// Nothing further than this is wanted, in squared distance.
    pub(super) ceiling: f32,
    /// The most rows to look at from within.
    pub(super) hops: usize,
}

/// The memory of one walk, to be used again by the next.
#[derive(Debug)]
pub(super) struct Beam {
    pub(super) aim: Aim,
    /// Estimated distances of candidates and their rows; the first `len` of each mean something.
    estimates: Vec<f32>,
    rows: Vec<u32>,
    len: usize,
    /// How many candidates there is room for now.
    room: usize,
    /// The nearest rows that may be found, the nearest first.
    nearest: Vec<(f32, u32)>,
    below: f32,
    seen: Seen,
}

impl Beam {
    /// For walks through a graph of so many rows.
    pub(super) fn new(rows: usize) -> Beam {
        let aim = Aim { rank: 1, keep: 1, reach: 1.0, detour: 1.0, ceiling: f32::INFINITY, hops: usize::MAX };
        Beam {
            aim,
            estimates: vec![0.0; ROOM],
            rows: vec![0; ROOM],
            len: 0,
            room: ROOM,
            nearest: Vec::new(),
            below: f32::INFINITY,
            seen: Seen::new(rows),
        }
    }

    /// Begins another walk.
    pub(super) fn begin(&mut self, aim: Aim) {
        self.aim = aim;
        self.len = 0;
        self.room = self.estimates.len().min(self.most_room());
        self.nearest.clear();
        self.below = f32::INFINITY;
        self.seen.clear();
    }

    /// Leaves a row out of the walk, as if it were not there.
    pub(super) fn avoid(&mut self, row: u32) {
        self.seen.insert(row);
    }

    /// Tells that so many rows are known to be at most so far away, which limits where to go.
    pub(super) fn expect(&mut self, rank: usize, distance: f32) {
        if rank >= self.aim.rank {
            // Not nearer than they are, or a walk could end before it has found as many.
            self.below = self.below.min(self.aim.reach.max(1.0) * distance);
        }
    }

    /// Whether to end after so many steps: there may be no more, or a third of them have led past rows that may not be
    /// found and hardly to others, which are elsewhere then.
    #[inline(always)]
    pub(super) fn gives_up(&self, hops: usize) -> bool {
        let Aim { hops: most, rank, .. } = self.aim;
        hops >= most || (hops == most / 3 && self.nearest.len() < rank)
    }

    fn most_room(&self) -> usize {
        MAX_ROOM.max(ROOM_PER_KEPT.saturating_mul(self.aim.keep))
    }

    pub(super) fn nearest(&self) -> &[(f32, u32)] {
        &self.nearest
    }

    /// How many rows were taken or found.
    pub(super) fn seen(&self) -> usize {
        self.seen.members.len()
    }

    /// Notes that a row was found; tells whether that is new.
    #[inline(always)]
    pub(super) fn see(&mut self, row: u32) -> bool {
        self.seen.insert(row)
    }

    /// Adds a place to go to.
    #[inline(always)]
    pub(super) fn push(&mut self, estimate: f32, row: u32) {
        self.make_room();
        self.estimates[self.len] = estimate;
        self.rows[self.len] = row;
        self.len += 1;
    }

    /// Adds a place to go to, if it is worth going to.
    #[inline(always)]
    pub(super) fn consider(&mut self, distance: f32, row: u32, live: &dyn Live) {
        let weighed = self.weighed(distance, row, live);
        if weighed < self.below {
            self.push(weighed, row);
        }
    }

    /// How far a row of the graph is taken to be as a place to go to.
    #[inline(always)]
    fn weighed(&self, distance: f32, row: u32, live: &dyn Live) -> f32 {
        match self.aim.detour == 1.0 || live.has(row as usize) {
            true => distance,
            false => distance.max(0.0) * self.aim.detour,
        }
    }

    /// The nearest place to go to, which is then gone; `None` when none is worth going to.
    #[inline(always)]
    pub(super) fn pop<K: Kernels>(&mut self, kernels: K) -> Option<u32> {
        let place = kernels.smallest(&self.estimates[..self.len]);
        if self.len == 0 || self.estimates[place] >= self.below {
            self.len = 0;
            return None;
        }
        let row = self.rows[place];
        self.len -= 1;
        self.estimates[place] = self.estimates[self.len];
        self.rows[place] = self.rows[self.len];
        Some(row)
    }

    /// Lets `scan` put candidates behind those there are and say how many; keeps those that were not seen and are worth
    /// going to.
    #[inline(always)]
    pub(super) fn extend(&mut self, live: &dyn Live, scan: impl FnOnce(&mut Room<'_>) -> usize) {
        self.make_room();
        let first = self.len;
        let (estimates, rows) = (&mut self.estimates[first..], &mut self.rows[first..]);
        let count = scan(&mut Room { below: self.below, estimates, rows });
        for place in first..first + count {
            let (mut estimate, row) = (self.estimates[place], self.rows[place]);
            let fresh = !self.seen.contains(row);
            if self.aim.detour > 1.0 && fresh {
                estimate = self.weighed(estimate, row, live);
            }
            self.estimates[self.len] = estimate;
            self.rows[self.len] = row;
            self.len += usize::from(fresh && estimate < self.below);
        }
    }

    /// Takes a row into account that may be among the nearest.
    #[inline(always)]
    pub(super) fn offer(&mut self, distance: f32, row: u32, live: &dyn Live) {
        let full = self.nearest.len() == self.aim.keep;
        if full && self.nearest.last().is_some_and(|last| distance >= last.0) {
            return;
        }
        if !live.has(RowId(row).index()) {
            return;
        }
        if full {
            self.nearest.pop();
        }
        self.nearest.push((distance, row));
        // A loop, because so few are moved that calling for it takes longer.
        let mut place = self.nearest.len() - 1;
        while place > 0 && self.nearest[place - 1].0 > distance {
            self.nearest[place] = self.nearest[place - 1];
            place -= 1;
        }
        self.nearest[place] = (distance, row);
        self.tighten();
    }

    /// Limits where to go by what was found.
    #[inline(always)]
    fn tighten(&mut self) {
        let Aim { rank, reach, ceiling, .. } = self.aim;
        if let Some(last) = self.nearest.get(rank - 1) {
            self.below = self.below.min(reach * last.0);
        }
        // Not before the walk has come where rows are wanted: the way there leads past rows that are not.
        if self.nearest.first().is_some_and(|first| first.0 <= ceiling) {
            self.below = self.below.min(reach.max(1.0) * ceiling);
        }
    }

    /// Sees to it that the candidates of one row fit.
    #[inline(always)]
    fn make_room(&mut self) {
        if self.len + SLACK > self.room {
            self.grow();
        }
    }

    /// Drops what is not worth going to any more; where that does not help, takes more memory, or drops the further half
    /// while nothing limits where to go.
    #[cold]
    fn grow(&mut self) {
        self.keep_below(self.below);
        if self.len <= self.room / 2 {
            return;
        }
        if self.below == f32::INFINITY && self.room >= self.most_room() {
            return self.halve();
        }
        self.room *= 2;
        if self.room > self.estimates.len() {
            self.estimates.resize(self.room, 0.0);
            self.rows.resize(self.room, 0);
        }
    }

    /// Keeps about the nearer half of the candidates: those no further than the middle one of some of them.
    fn halve(&mut self) {
        let mut some: Vec<f32> = self.estimates[..self.len].iter().copied().step_by(SAMPLED).collect();
        let middle = some.len() / 2;
        let (_, middle, _) = some.select_nth_unstable_by(middle, f32::total_cmp);
        self.keep_below(middle.next_up());
        // Where many are as far as that one, any of them do.
        self.len = self.len.min(self.room * 3 / 4);
    }

    fn keep_below(&mut self, limit: f32) {
        let mut kept = 0;
        for place in 0..self.len {
            (self.estimates[kept], self.rows[kept]) = (self.estimates[place], self.rows[place]);
            kept += usize::from(self.estimates[place] < limit);
        }
        self.len = kept;
    }
}

/// A set of rows that is emptied in as many steps as it has members.
#[derive(Debug)]
struct Seen {
    words: Vec<u64>,
    rows: usize,
    members: Vec<u32>,
}

impl Seen {
    fn new(rows: usize) -> Seen {
        Seen { words: vec![0; rows.div_ceil(64)], rows, members: Vec::new() }
    }

    fn clear(&mut self) {
        for member in self.members.drain(..) {
            self.words[member as usize / 64] = 0;
        }
    }

    /// Whether the row is a member; what is no row of the graph counts as one, so that nobody goes there.
    #[inline(always)]
    fn contains(&self, row: u32) -> bool {
        let word = self.words.get(row as usize / 64).copied().unwrap_or(u64::MAX);
        word >> (row % 64) & 1 == 1 || row as usize >= self.rows
    }

    #[inline(always)]
    fn insert(&mut self, row: u32) -> bool {
        if self.contains(row) {
            return false;
        }
        self.words[row as usize / 64] |= 1 << (row % 64);
        self.members.push(row);
        true
    }
}
