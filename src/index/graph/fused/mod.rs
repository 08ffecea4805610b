//! The layout in which a graph is searched fastest: all that one step reads stands in one row.
//!
//! A row holds its own point in eight bits a number and, of each of its 32 neighbours, one bit a number: the sign of what
//! leads from the point to the neighbour. Two factors beside it turn what a query's tables say of the signs into an
//! estimate of the neighbour's distance (RaBitQ: Gao and Long, SIGMOD 2024; neighbours beside their row: SymphonyQG, Gou
//! et al., SIGMOD 2025). A step of a search reads one row from beginning to end, in place of 32 elsewhere.

pub(super) mod encode;
pub(super) mod lookup;
pub(super) mod nodes;

use std::ops::Range;

use super::hubs::Hubs;
use super::space::Space;
use crate::index::stored::Bytes;
use crate::vector::kernel::scan::{Block, CODE_BYTES, NEIGHBOURS};

/// The rows of a graph, and what a query needs to be compared with them.
#[derive(Debug)]
pub(super) struct Fused {
    pub(super) space: Space,
    pub(super) hubs: Hubs,
    pub(super) layout: Layout,
    pub(super) rows: Box<dyn Bytes>,
}

/// Where things are in a row of which the point has `padded` numbers, a multiple of 64 (frozen).
///
/// The point's codes, the codes of the neighbours, what to add for each (32 half-precision floats), what to multiply with
/// (32 more), their rows (32 `u32`), and four floats: [`Head`]. Zeros fill the last line of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    padded: usize,
}

/// What one line of the cache holds.
const LINE: usize = 64;
const HALVES: usize = 2 * NEIGHBOURS;
const ROWS: usize = 4 * NEIGHBOURS;
const HEAD: usize = 16;

/// What a row says of itself.
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(super) struct Head {
    /// What one step of the point's codes is worth.
    pub(super) scale: f32,
    /// The squared length of the point that the codes stand for.
    pub(super) norm: f32,
    /// What the neighbours' factors are multiplied with.
    pub(super) unit: f32,
    /// Nothing: 0.
    pub(super) reserved: f32,
}

impl Layout {
    pub(super) fn new(padded: usize) -> Layout {
        Layout { padded }
    }

    /// Numbers of a point.
    pub(super) fn padded(self) -> usize {
        self.padded
    }

    /// Bytes of a row.
    #[inline(always)]
    pub(super) fn stride(self) -> usize {
        (self.factors_at() + 2 * HALVES + ROWS + HEAD).next_multiple_of(LINE)
    }

    #[inline(always)]
    fn codes(self) -> Range<usize> {
        self.padded..self.factors_at()
    }

    #[inline(always)]
    pub(super) fn factors_at(self) -> usize {
        self.padded + self.padded * CODE_BYTES
    }

    /// The parts of a row, which has this layout's stride and begins where a float may; `None` otherwise.
    #[inline(always)]
    pub(super) fn read(self, bytes: &[u8]) -> Option<Row<'_>> {
        if bytes.len() != self.stride() {
            return None;
        }
        let rest = &bytes[self.factors_at()..];
        let adds: &[u16; NEIGHBOURS] = bytemuck::try_from_bytes(&rest[..HALVES]).ok()?;
        let scales: &[u16; NEIGHBOURS] = bytemuck::try_from_bytes(&rest[HALVES..2 * HALVES]).ok()?;
        let rows: &[u32; NEIGHBOURS] = bytemuck::try_from_bytes(&rest[2 * HALVES..2 * HALVES + ROWS]).ok()?;
        let head: &Head = bytemuck::try_from_bytes(&rest[2 * HALVES + ROWS..2 * HALVES + ROWS + HEAD]).ok()?;
        let block = Block { codes: &bytes[self.codes()], adds, scales, rows, unit: head.unit };
        Some(Row { own: bytemuck::cast_slice(&bytes[..self.padded]), head, block })
    }
}

/// A row of this layout.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    /// The codes of its point.
    pub(super) own: &'a [i8],
    pub(super) head: &'a Head,
    /// Its neighbours.
    pub(super) block: Block<'a>,
}
