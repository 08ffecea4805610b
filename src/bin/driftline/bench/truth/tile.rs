//! Distances of a few queries from many rows, in double precision: the plain sum over the numbers in their order, several
//! pairs side by side so that the compiler can use wide registers. No code of the engine's takes part.

use driftline::Metric;

use crate::bench::matrix::Matrix;

/// Queries and rows of a tile: their sums fit the registers of any x86-64.
const QUERIES: usize = 4;
const ROWS: usize = 4;

/// Rows in double precision, four side by side, padded with zeros to a multiple of four.
#[derive(Debug, Default)]
pub(super) struct Packed {
    numbers: Vec<f64>,
    /// The inner product of each with itself.
    squares: Vec<f64>,
    count: usize,
    dimension: usize,
}

impl Packed {
    pub(super) fn fill(&mut self, rows: &[f32], dimension: usize) {
        self.dimension = dimension;
        self.count = rows.len() / dimension;
        self.numbers.clear();
        self.numbers.resize(self.count.next_multiple_of(ROWS) * dimension, 0.0);
        self.squares.clear();
        for (number, row) in rows.chunks_exact(dimension).enumerate() {
            let start = number / ROWS * ROWS * dimension + number % ROWS;
            for (place, value) in row.iter().enumerate() {
                self.numbers[start + place * ROWS] = f64::from(*value);
            }
            self.squares.push(row.iter().map(|value| f64::from(*value) * f64::from(*value)).sum());
        }
    }

    fn group(&self, group: usize) -> &[f64] {
        &self.numbers[group * ROWS * self.dimension..][..ROWS * self.dimension]
    }
}

/// Tells the distance of each query from each row, by their numbers, query by query in groups.
pub(super) fn distances(metric: Metric, queries: &Packed, rows: &Packed, mut tell: impl FnMut(usize, usize, f64)) {
    for row_group in 0..rows.count.div_ceil(ROWS) {
        for query_group in 0..queries.count.div_ceil(QUERIES) {
            let (q, r) = (queries.group(query_group), rows.group(row_group));
            let sums = match metric {
                Metric::L2 => tile(q, r, |a, b| (a - b) * (a - b)),
                Metric::L1 => tile(q, r, |a, b| (a - b).abs()),
                _ => tile(q, r, |a, b| a * b),
            };
            for (query, sums) in sums.iter().enumerate() {
                for (row, sum) in sums.iter().enumerate() {
                    let (query, row) = (query_group * QUERIES + query, row_group * ROWS + row);
                    if query < queries.count && row < rows.count {
                        let distance = finish(metric, *sum, queries.squares[query], rows.squares[row]);
                        tell(query, row, distance);
                    }
                }
            }
        }
    }
}

/// The distance of a sum. The cosine of a vector without a length is 0.
fn finish(metric: Metric, sum: f64, query: f64, row: f64) -> f64 {
    match metric {
        Metric::Cosine if query > 0.0 && row > 0.0 => 1.0 - sum / (query.sqrt() * row.sqrt()),
        Metric::Cosine => 1.0,
        Metric::Dot => -sum,
        _ => sum,
    }
}

#[inline(always)]
fn tile(queries: &[f64], rows: &[f64], term: impl Fn(f64, f64) -> f64) -> [[f64; ROWS]; QUERIES] {
    let mut sums = [[0.0; ROWS]; QUERIES];
    for (q, r) in queries.as_chunks::<QUERIES>().0.iter().zip(rows.as_chunks::<ROWS>().0) {
        for (sums, q) in sums.iter_mut().zip(q) {
            for (sum, r) in sums.iter_mut().zip(r) {
                *sum += term(*q, *r);
            }
        }
    }
    sums
}

/// The distance of one pair, number by number: what the tiles are tested against.
pub(crate) fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let pairs = || a.iter().zip(b).map(|(a, b)| (f64::from(*a), f64::from(*b)));
    let square = |v: &[f32]| v.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>();
    match metric {
        Metric::L2 => pairs().map(|(a, b)| (a - b) * (a - b)).sum(),
        Metric::L1 => pairs().map(|(a, b)| (a - b).abs()).sum(),
        _ => finish(metric, pairs().map(|(a, b)| a * b).sum(), square(a), square(b)),
    }
}

/// The queries of `matrix` from `first` on, packed.
pub(super) fn packed(matrix: &Matrix, first: usize, count: usize) -> Packed {
    let mut packed = Packed::default();
    packed.fill(matrix.range(first, count), matrix.dimension());
    packed
}
