//! What measuring needs of the library: single loops, and what a harness asks for. No part of the public face: it may
//! change with any release.

pub mod metric;
pub mod request;

use crate::vector::kernel::{self, Kernels, TILE_QUERIES, TILE_ROWS, Task, TileDots};
use crate::vector::metric::Metric;

/// The names of the kernels.
pub const KERNELS: [&str; 3] = kernel::NAMES;

/// The sum of the distances of `query` from rows that lie one behind the other, by the kernels of this name; `None`
/// where the processor cannot run them. Under cosine the sum of the inner products.
pub fn distances(kernels: &str, metric: Metric, query: &[f32], rows: &[f32]) -> Option<f32> {
    struct Sum<'a>(Metric, &'a [f32], &'a [f32]);
    impl Task for Sum<'_> {
        type Output = f32;
        #[inline(always)]
        fn run<K: Kernels>(self, k: K) -> f32 {
            let Sum(metric, query, rows) = self;
            let rows = rows.chunks_exact(query.len());
            match metric {
                Metric::L2 => rows.map(|row| k.l2(query, row)).sum(),
                Metric::L1 => rows.map(|row| k.l1(query, row)).sum(),
                _ => rows.map(|row| k.dot(query, row)).sum(),
            }
        }
    }
    kernel::with_named(kernels, Sum(metric, query, rows))
}

/// The sum of the Hamming distances, like [`distances`].
pub fn hamming(kernels: &str, query: &[u8], rows: &[u8]) -> Option<u64> {
    struct Sum<'a>(&'a [u8], &'a [u8]);
    impl Task for Sum<'_> {
        type Output = u64;
        #[inline(always)]
        fn run<K: Kernels>(self, k: K) -> u64 {
            self.1.chunks_exact(self.0.len()).map(|row| u64::from(k.hamming(self.0, row))).sum()
        }
    }
    kernel::with_named(kernels, Sum(query, rows))
}

/// The inner products of a query with rows of codes, as many as `dots`; `None` as in [`distances`].
pub fn code_dots(kernels: &str, query: &[i16], codes: &[i8], dots: &mut [i32]) -> Option<()> {
    struct Dots<'a>(&'a [i16], &'a [i8], &'a mut [i32]);
    impl Task for Dots<'_> {
        type Output = ();
        #[inline(always)]
        fn run<K: Kernels>(self, k: K) {
            k.code_dots(self.0, self.1, self.2);
        }
    }
    kernel::with_named(kernels, Dots(query, codes, dots))
}

/// The sum of the L1 distances of `query` from rows of codes that count in steps of `scale`; `None` as in
/// [`distances`].
pub fn code_l1(kernels: &str, query: &[f32], codes: &[i8], scale: f32) -> Option<f32> {
    struct Sum<'a>(&'a [f32], &'a [i8], f32);
    impl Task for Sum<'_> {
        type Output = f32;
        #[inline(always)]
        fn run<K: Kernels>(self, k: K) -> f32 {
            self.1.chunks_exact(self.0.len()).map(|row| k.code_l1(self.0, row, self.2)).sum()
        }
    }
    kernel::with_named(kernels, Sum(query, codes, scale))
}

/// One tile of 6 queries and 16 rows, both of `length` numbers, that many times; the last inner product of it.
pub fn tiles(kernels: &str, length: usize, times: usize) -> Option<i32> {
    struct Tiles(usize, usize);
    impl Task for Tiles {
        type Output = i32;
        #[inline(always)]
        fn run<K: Kernels>(self, k: K) -> i32 {
            let (queries, rows) = (vec![3; self.0 * TILE_QUERIES], vec![5; self.0 * TILE_ROWS]);
            let mut dots = TileDots::default();
            for _ in 0..self.1 {
                k.tile(std::hint::black_box(&queries), &rows, &mut dots);
            }
            dots[TILE_QUERIES - 1][TILE_ROWS - 1]
        }
    }
    kernel::with_named(kernels, Tiles(length, times))
}
