//! All distances between pooled rows, compiled for the processor they run on.
//!
//! Every sum adds its terms in the order of the dimensions, in `f64` and without fused steps, so that all processors give
//! the same bits: p-values and verdicts may not depend on the machine.

use crate::error::{Error, Result};
use crate::stats::rows::Rows;
use crate::stats::two_sample::{Distances, MOST_ROWS};
use crate::vector::kernel::{self, Kernels, Task};

/// Rows that are compared at once with [`WIDE`] others: 32 sums fill eight registers of four numbers.
const TALL: usize = 4;
const WIDE: usize = 8;

/// Euclidean distances between all rows of both samples.
pub(super) fn between(x: Rows<'_, f32>, y: Rows<'_, f32>) -> Result<Distances> {
    let len = x.len() + y.len();
    if len > MOST_ROWS {
        return Err(Error::invalid(format!(
            "{len} rows are compared with each other where at most {MOST_ROWS} can be"
        ))
        .mend("draw a sample first"));
    }
    let pooled: Vec<&[f32]> = x.iter().chain(y.iter()).collect();
    let tiles = Tiles { len, tall: interleaved::<TALL>(&pooled), wide: interleaved::<WIDE>(&pooled) };
    Distances::from_triangle(x.len(), y.len(), kernel::with(&tiles))
}

/// Rows in groups of `N`, the numbers of a group dimension by dimension; the last group is filled up with zeros.
fn interleaved<const N: usize>(rows: &[&[f32]]) -> Vec<Vec<[f64; N]>> {
    let group = |rows: &[&[f32]]| {
        let mut group = vec![[0.0; N]; rows[0].len()];
        for (lane, row) in rows.iter().enumerate() {
            group.iter_mut().zip(*row).for_each(|(column, value)| column[lane] = f64::from(*value));
        }
        group
    };
    rows.chunks(N).map(group).collect()
}

struct Tiles {
    len: usize,
    tall: Vec<Vec<[f64; TALL]>>,
    wide: Vec<Vec<[f64; WIDE]>>,
}

impl Task for &Tiles {
    type Output = Vec<f64>;

    #[inline(always)]
    fn run<K: Kernels>(self, _: K) -> Vec<f64> {
        let len = self.len;
        let mut triangle = vec![0.0; len * (len - 1) / 2];
        for (right, wide) in self.wide.iter().enumerate() {
            for (left, tall) in self.tall.iter().enumerate().take_while(|(left, _)| left * TALL < (right + 1) * WIDE) {
                for (i, line) in (left * TALL..).zip(squares(tall, wide)) {
                    let pairs = (right * WIDE..len).zip(line).filter(|(j, _)| *j > i);
                    pairs.for_each(|(j, square)| triangle[i * (2 * len - i - 1) / 2 + j - i - 1] = square.sqrt());
                }
            }
        }
        triangle
    }
}

#[inline(always)]
fn squares(tall: &[[f64; TALL]], wide: &[[f64; WIDE]]) -> [[f64; WIDE]; TALL] {
    let mut sums = [[0.0; WIDE]; TALL];
    for (left, right) in tall.iter().zip(wide) {
        for (value, sums) in left.iter().zip(&mut sums) {
            for (other, sum) in right.iter().zip(sums) {
                let step = value - other;
                *sum += step * step;
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn values(count: usize) -> Vec<f32> {
        let mut random = Random::seeded(3, 0);
        (0..count).map(|_| random.unit() as f32).collect()
    }

    #[test]
    fn distances_are_those_of_the_plain_loop() {
        for (n, m, d) in [(2, 2, 1), (5, 9, 7), (13, 20, 33)] {
            let (x, y) = (values(n * d), values(m * d + d)[d..].to_vec());
            let (x, y) = (Rows::new(&x, d).unwrap(), Rows::new(&y, d).unwrap());
            let (fast, plain) = (between(x, y).unwrap(), Distances::between(x, y).unwrap());
            for i in 0..n + m {
                (0..n + m).for_each(|j| assert!((fast.get(i, j) - plain.get(i, j)).abs() < 1e-12, "{i} {j}"));
            }
        }
    }

    #[test]
    fn every_kernel_gives_the_same_bits() {
        let values = values(31 * 17);
        let rows: Vec<&[f32]> = values.chunks(17).collect();
        let tiles = Tiles { len: 31, tall: interleaved(&rows), wide: interleaved(&rows) };
        let each = kernel::with_each(|| &tiles);
        assert!(each.iter().all(|(_, triangle)| *triangle == each[0].1));
    }

    #[test]
    fn equal_rows_are_at_distance_zero_and_too_many_are_refused() {
        let rows = Rows::new(&[0.1f32, 0.2, 0.1, 0.2], 2).unwrap();
        assert_eq!(between(rows, rows).unwrap().get(0, 3), 0.0);
        let many = vec![0.0f32; MOST_ROWS];
        assert!(between(Rows::new(&many, 1).unwrap(), rows_of_one()).is_err());
    }

    fn rows_of_one() -> Rows<'static, f32> {
        Rows::new(&[1.0f32, 2.0], 1).unwrap()
    }
}
