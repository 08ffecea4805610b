//! The way through a graph: always on to the nearest row not yet looked at, until none is near enough.
//!
//! Rows lie scattered in memory, so the walk asks for the next ones before it looks at the current one: it runs one or
//! two steps behind its own choices.

use super::super::{Live, Stop};
use super::beam::Beam;
use crate::error::Result;
use crate::vector::kernel::{Kernels, Task};

/// Steps between two looks at whether to stop.
const STEPS_PER_LOOK: usize = 64;

/// The most rows that are asked for ahead.
const MAX_AHEAD: usize = 4;

/// How the rows of a graph lie, and a query that is compared with them.
pub(super) trait Nodes {
    /// Rows to ask for ahead of the one that is looked at: below [`MAX_AHEAD`].
    fn ahead(&self) -> usize;

    /// Whether the walk has to note rows when it goes there; otherwise looking at a row's neighbours does.
    const MARKS_STEPS: bool;

    /// Asks memory for a row.
    fn ask<K: Kernels>(&self, kernels: K, row: u32);

    /// Looks at a row and its neighbours. `next` is asked for meanwhile.
    fn look<K: Kernels>(
        &mut self,
        kernels: K,
        row: u32,
        next: Option<u32>,
        live: &dyn Live,
        beam: &mut Beam,
    ) -> Result<()>;
}

/// A walk from where the beam says, to its end.
pub(super) struct Walk<'a, N> {
    pub(super) nodes: &'a mut N,
    pub(super) beam: &'a mut Beam,
    pub(super) live: &'a dyn Live,
    pub(super) stop: &'a Stop<'a>,
}

/// What a walk took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Walked {
    /// Rows looked at from within.
    pub(super) hops: usize,
    /// It was stopped.
    pub(super) cut: bool,
    /// It gave up: it had taken as many steps as it may, or a third of them without finding as many rows as are wanted.
    pub(super) spent: bool,
}

impl<N: Nodes> Task for Walk<'_, N> {
    type Output = Result<Walked>;

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) -> Result<Walked> {
        let Walk { nodes, beam, live, stop } = self;
        let ahead = nodes.ahead().min(MAX_AHEAD - 1);
        let mut queue = [0; MAX_AHEAD];
        let mut queued = 0;
        let mut walked = Walked::default();
        loop {
            while queued <= ahead
                && let Some(row) = beam.pop(kernels)
            {
                if N::MARKS_STEPS && !beam.see(row) {
                    continue;
                }
                nodes.ask(kernels, row);
                queue[queued] = row;
                queued += 1;
            }
            if queued == 0 {
                return Ok(walked);
            }
            if beam.gives_up(walked.hops) {
                walked.spent = true;
                return Ok(walked);
            }
            if walked.hops % STEPS_PER_LOOK == STEPS_PER_LOOK - 1 && stop() {
                walked.cut = true;
                return Ok(walked);
            }
            let row = queue[0];
            queued -= 1;
            for place in 0..MAX_AHEAD - 1 {
                queue[place] = queue[place + 1];
            }
            let next = queued.checked_sub(1).map(|last| queue[last]);
            nodes.look(kernels, row, next, live, beam)?;
            walked.hops += 1;
        }
    }
}
