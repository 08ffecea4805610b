//! Rows as they are, for graphs under metrics that have no codes of their own.

use super::points::Points;
use crate::ids::RowId;
use crate::vector::VectorRef;
use crate::vector::kernel::Kernels;
use crate::vector::matrix::Rows;

/// Rows that are compared whole: numbers by the sum of absolute differences, bits by how many differ.
#[derive(Debug)]
pub(super) struct RawPoints<'a>(pub(super) Rows<'a>);

impl Points for RawPoints<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    #[inline(always)]
    fn distances<K: Kernels>(&self, kernels: K, from: u32, to: &[u32], out: &mut [f32]) {
        let own = self.0.row(RowId(from));
        for (row, out) in to.iter().zip(out) {
            *out = match (own, self.0.row(RowId(*row))) {
                (VectorRef::F32(a), VectorRef::F32(b)) => kernels.l1(a, b),
                (VectorRef::Bits(a), VectorRef::Bits(b)) => kernels.hamming(a, b) as f32,
                _ => f32::INFINITY,
            };
        }
    }

    #[inline(always)]
    fn prefetch<K: Kernels>(&self, kernels: K, row: u32) {
        kernels.prefetch(bytemuck::cast_slice(self.0.row(RowId(row)).as_bytes()));
    }
}
