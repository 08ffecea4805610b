//! Where things are in a row of the fused layout.

use std::ops::Range;

use crate::vector::kernel::scan::{Block, CODE_BYTES, NEIGHBOURS};

/// Where things are in a row of which the point has `padded` numbers, a multiple of 64 (frozen).
///
/// The point's codes, the codes of the neighbours, what to add for each (32 half-precision floats), what to multiply with
/// (32 more), their rows (32 `u32`), and four floats: [`Head`]. Zeros fill the last line of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Layout {
    padded: usize,
}

/// What one line of the cache holds.
pub(super) const LINE: usize = 64;
pub(super) const HALVES: usize = 2 * NEIGHBOURS;
pub(super) const ROWS: usize = 4 * NEIGHBOURS;
pub(super) const HEAD: usize = 16;

/// What a row says of itself.
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(in super::super) struct Head {
    /// What one step of the point's codes is worth.
    pub(in super::super) scale: f32,
    /// The squared length of the point that the codes stand for.
    pub(in super::super) norm: f32,
    /// What the neighbours' factors are multiplied with.
    pub(in super::super) unit: f32,
    /// Nothing: 0.
    pub(in super::super) reserved: f32,
}

impl Layout {
    pub(in super::super) fn new(padded: usize) -> Layout {
        Layout { padded }
    }

    /// Numbers of a point.
    pub(in super::super) fn padded(self) -> usize {
        self.padded
    }

    /// Bytes of a row.
    #[inline(always)]
    pub(in super::super) fn stride(self) -> usize {
        (self.factors_at() + 2 * HALVES + ROWS + HEAD).next_multiple_of(LINE)
    }

    #[inline(always)]
    pub(super) fn codes(self) -> Range<usize> {
        self.padded..self.factors_at()
    }

    #[inline(always)]
    pub(in super::super) fn factors_at(self) -> usize {
        self.padded + self.padded * CODE_BYTES
    }

    /// The parts of a row, which has this layout's stride and begins where a float may; `None` otherwise.
    #[inline(always)]
    pub(in super::super) fn read(self, bytes: &[u8]) -> Option<Row<'_>> {
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
pub(in super::super) struct Row<'a> {
    /// The codes of its point.
    pub(in super::super) own: &'a [i8],
    pub(in super::super) head: &'a Head,
    /// Its neighbours.
    pub(in super::super) block: Block<'a>,
}
