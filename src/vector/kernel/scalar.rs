//! Plain loops, the truth for every other kernel and the fallback on any processor.
//!
//! Each sum runs in independent lanes, which the compiler turns into vector instructions, since it may not reorder one
//! running sum of floats itself. The lanes also keep the rounding error small: it grows with the length of a lane.

use super::{Kernels, TILE_QUERIES, TILE_ROWS, TileDots};

/// Independent sums: enough to fill two registers of eight and to hide the latency of an addition.
const LANES: usize = 16;

/// The plain kernels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scalar;

impl Kernels for Scalar {
    #[inline(always)]
    fn dot(self, a: &[f32], b: &[f32]) -> f32 {
        sum(a, b, |a, b| a * b)
    }

    #[inline(always)]
    fn l2(self, a: &[f32], b: &[f32]) -> f32 {
        sum(a, b, |a, b| (a - b) * (a - b))
    }

    #[inline(always)]
    fn l1(self, a: &[f32], b: &[f32]) -> f32 {
        sum(a, b, |a, b| (a - b).abs())
    }

    #[inline(always)]
    fn hamming(self, a: &[u8], b: &[u8]) -> u32 {
        debug_assert_eq!(a.len(), b.len());
        let (a_words, a_rest) = a.as_chunks::<8>();
        let (b_words, b_rest) = b.as_chunks::<8>();
        let differing = |a: &[u8; 8], b: &[u8; 8]| (u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b)).count_ones();
        let words: u32 = a_words.iter().zip(b_words).map(|(a, b)| differing(a, b)).sum();
        let rest: u32 = a_rest.iter().zip(b_rest).map(|(a, b)| (a ^ b).count_ones()).sum();
        words + rest
    }

    #[inline(always)]
    fn code_dots(self, query: &[i16], codes: &[i8], dots: &mut [i32]) {
        debug_assert_eq!(codes.len(), query.len() * dots.len());
        for (dot, row) in dots.iter_mut().zip(codes.chunks_exact(query.len().max(1))) {
            *dot = query.iter().zip(row).map(|(query, code)| i32::from(*query) * i32::from(*code)).sum();
        }
    }

    #[inline(always)]
    fn codes_by_four(self, codes: &[i8], others: [&[i8]; 4]) -> [i32; 4] {
        others.map(|other| {
            debug_assert_eq!(codes.len(), other.len());
            codes.iter().zip(other).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum()
        })
    }

    #[inline(always)]
    fn code_l1(self, query: &[f32], codes: &[i8], scale: f32) -> f32 {
        debug_assert_eq!(query.len(), codes.len());
        let mut sums = [0f32; LANES];
        for (query, codes) in query.as_chunks::<LANES>().0.iter().zip(codes.as_chunks::<LANES>().0) {
            for lane in 0..LANES {
                sums[lane] += (query[lane] - scale * f32::from(codes[lane])).abs();
            }
        }
        total(sums)
    }

    #[inline(always)]
    fn tile(self, queries: &[i16], rows: &[i16], dots: &mut TileDots) {
        *dots = TileDots::default();
        let pairs = queries.as_chunks::<{ 2 * TILE_QUERIES }>().0.iter().zip(rows.as_chunks::<{ 2 * TILE_ROWS }>().0);
        for (queries, rows) in pairs {
            for (dots, query) in dots.iter_mut().zip(queries.as_chunks::<2>().0) {
                let query = query.map(i32::from);
                for (dot, row) in dots.iter_mut().zip(rows.as_chunks::<2>().0) {
                    *dot += query[0] * i32::from(row[0]) + query[1] * i32::from(row[1]);
                }
            }
        }
    }
}

/// The sum of `term` over two slices of one length.
#[inline(always)]
fn sum(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    debug_assert_eq!(a.len(), b.len());
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0f32; LANES];
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..LANES {
            sums[lane] += term(a[lane], b[lane]);
        }
    }
    for ((sum, a), b) in sums.iter_mut().zip(a_rest).zip(b_rest) {
        *sum += term(*a, *b);
    }
    total(sums)
}

/// The sum of all lanes, added in pairs.
#[inline(always)]
fn total(mut sums: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}
