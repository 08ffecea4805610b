//! The kernels of the SimSIMD library, which looks at the processor itself and has code for many.
//!
//! It has no sum of absolute differences and nothing for codes, so those are the plain loops.

use ::simsimd::{BinarySimilarity, SpatialSimilarity};

use super::scalar::Scalar;
use super::{Kernels, TileDots};

/// SimSIMD's kernels.
#[derive(Debug, Clone, Copy)]
pub(super) struct SimSimd;

/// It answers `None` to slices of different lengths, which callers never pass; the plain loop then stands in.
impl Kernels for SimSimd {
    #[inline(always)]
    fn dot(self, a: &[f32], b: &[f32]) -> f32 {
        f32::dot(a, b).map_or_else(|| Scalar.dot(a, b), |dot| dot as f32)
    }

    #[inline(always)]
    fn l2(self, a: &[f32], b: &[f32]) -> f32 {
        f32::l2sq(a, b).map_or_else(|| Scalar.l2(a, b), |distance| distance as f32)
    }

    #[inline(always)]
    fn l1(self, a: &[f32], b: &[f32]) -> f32 {
        Scalar.l1(a, b)
    }

    #[inline(always)]
    fn hamming(self, a: &[u8], b: &[u8]) -> u32 {
        u8::hamming(a, b).map_or_else(|| Scalar.hamming(a, b), |distance| distance as u32)
    }

    #[inline(always)]
    fn code_dots(self, query: &[i16], codes: &[i8], dots: &mut [i32]) {
        Scalar.code_dots(query, codes, dots);
    }

    #[inline(always)]
    fn codes_by_four(self, codes: &[i8], others: [&[i8]; 4]) -> [i32; 4] {
        Scalar.codes_by_four(codes, others)
    }

    #[inline(always)]
    fn code_l1(self, query: &[f32], codes: &[i8], scale: f32) -> f32 {
        Scalar.code_l1(query, codes, scale)
    }

    #[inline(always)]
    fn tile(self, queries: &[i16], rows: &[i16], dots: &mut TileDots) {
        Scalar.tile(queries, rows, dots);
    }
}
