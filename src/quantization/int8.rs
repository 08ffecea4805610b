//! Rows as codes of eight bits: a quarter of the bytes, and a stored bound on how far each is from its row.
//!
//! A row x becomes whole numbers c from -127 to 127 and a scale s, and is taken to be x' = s·c. What was lost is not
//! estimated but measured: beside the codes stands e, at least the norm of x - x' in the norm of the metric (the
//! Euclidean one; under L1 the sum of absolute values). Under cosine the row is the one scaled to length 1, so that a
//! code knows nothing of lengths. Nothing else is promised of a code: any codes with a true e give exact answers, better
//! codes only faster ones. `bounds` says how.
//!
//! Codes are made of the rows when a segment is written, and nothing but a segment file holds them.

use crate::vector::kernel::CODES;
use crate::vector::metric::Metric;

/// Vectors of fewer numbers are read as fast as their codes.
const MIN_DIMENSION: usize = 32;

/// Rows and queries whose length is beyond this get no bound: their squares leave the range of `f32`.
pub(super) const MAX_LENGTH: f64 = 1e18;

/// What errors are stored too large by (frozen: readers rely on it), so that the few roundings of a comparison in `f32`
/// cannot make a bound untrue.
pub(super) const SLACK: f64 = 1.0 + 1.0 / (1 << 19) as f64;

/// Bytes of the factors of one row: scale, length and error.
pub(crate) const FACTOR_BYTES: usize = 12;

/// How many codes a row of this dimension has, zeros at the end included; `None` where rows get no codes.
pub(crate) fn stride(metric: Metric, dimension: usize) -> Option<usize> {
    let coded = metric != Metric::Hamming && dimension >= MIN_DIMENSION;
    coded.then(|| dimension.next_multiple_of(CODES))
}

/// What stands beside the codes of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Factors {
    /// What one step of a code is worth.
    pub(crate) scale: f32,
    /// The norm of the codes times the scale.
    pub(crate) length: f32,
    /// At least the norm of what the codes miss.
    pub(crate) error: f32,
}

/// Factors of some rows, column by column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns<'a> {
    pub(crate) scales: &'a [f32],
    pub(crate) lengths: &'a [f32],
    pub(crate) errors: &'a [f32],
}

impl<'a> Columns<'a> {
    #[inline(always)]
    pub(crate) fn of(&self, first: usize, count: usize) -> Columns<'a> {
        let part = |column: &'a [f32]| &column[first..first + count];
        Columns { scales: part(self.scales), lengths: part(self.lengths), errors: part(self.errors) }
    }

    #[inline(always)]
    pub(crate) fn row(&self, row: usize) -> Factors {
        Factors { scale: self.scales[row], length: self.lengths[row], error: self.errors[row] }
    }
}

/// Codes of the rows of a segment. Row `i` of the segment is row `i` here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Codes<'a> {
    codes: &'a [i8],
    stride: usize,
    columns: Columns<'a>,
}

impl<'a> Codes<'a> {
    /// Codes and the three columns of factors, one behind the other; `None` when they do not fit each other.
    pub(crate) fn new(codes: &'a [i8], stride: usize, factors: &'a [f32]) -> Option<Codes<'a>> {
        let rows = factors.len() / 3;
        let fits = factors.len() == 3 * rows && rows.checked_mul(stride) == Some(codes.len());
        let (scales, rest) = factors.split_at(rows);
        let (lengths, errors) = rest.split_at(rows);
        let whole = stride > 0 && stride.is_multiple_of(CODES);
        (fits && whole).then_some(Codes { codes, stride, columns: Columns { scales, lengths, errors } })
    }

    pub(crate) fn len(&self) -> usize {
        self.columns.scales.len()
    }

    /// Codes of a row.
    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    /// The codes of some rows, which must be there.
    #[inline(always)]
    pub(crate) fn of(&self, first: usize, count: usize) -> &'a [i8] {
        &self.codes[first * self.stride..(first + count) * self.stride]
    }

    #[inline(always)]
    pub(crate) fn columns(&self) -> Columns<'a> {
        self.columns
    }

    /// Bytes read of a row.
    pub(crate) fn row_bytes(&self) -> usize {
        self.stride + FACTOR_BYTES
    }
}

/// Adding and taking away this leaves the nearest whole number of an `f32` of this size, without a call per number.
const ROUND: f32 = 12_582_912.0;

/// Codes a row into `codes`, which has the row's stride. `inverse_norm` is what a search multiplies inner products with
/// under cosine, and not looked at otherwise.
pub(crate) fn encode(metric: Metric, row: &[f32], inverse_norm: f32, codes: &mut [i8]) -> Factors {
    let largest = row.iter().fold(0f32, |largest, value| largest.max(value.abs()));
    let step = largest / 127.0;
    let inverse = 1.0 / step;
    for (code, value) in codes.iter_mut().zip(row) {
        *code = ((value * inverse + ROUND) - ROUND) as i8;
    }
    codes[row.len()..].fill(0);
    let factor = if metric == Metric::Cosine { inverse_norm } else { 1.0 };
    let scale = step * factor;
    let pairs = || row.iter().zip(codes.iter()).map(|(value, code)| (f64::from(*value), f64::from(*code)));
    let missed = |(value, code): (f64, f64)| value * f64::from(factor) - f64::from(scale) * code;
    let (length, error) = match metric {
        Metric::L1 => (pairs().map(|pair| pair.1.abs()).sum::<f64>(), pairs().map(|pair| missed(pair).abs()).sum()),
        _ => (
            pairs().map(|pair| pair.1 * pair.1).sum::<f64>().sqrt(),
            pairs().map(|pair| missed(pair) * missed(pair)).sum::<f64>().sqrt(),
        ),
    };
    let lost = match metric {
        // Products of tiny numbers may vanish before they are multiplied with a huge inverse norm.
        Metric::Cosine => row.len() as f64 * f64::from(inverse_norm) * 2f64.powi(-149),
        _ => 0.0,
    };
    Factors { scale, length: (length * f64::from(scale)) as f32, error: stored_error(row, error + lost) }
}

/// The error as it is stored: never below the true one, and infinite for rows that no bound is computed for.
fn stored_error(row: &[f32], error: f64) -> f32 {
    let length = row.iter().map(|value| f64::from(*value).abs()).sum::<f64>();
    match () {
        () if length > MAX_LENGTH => f32::INFINITY,
        () if error == 0.0 => 0.0,
        () => ((error * SLACK) as f32).next_up(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::vector::inverse_norm;

    #[test]
    fn the_stored_error_is_never_below_the_true_one_and_seldom_far_above() {
        let mut random = Random::seeded(1, 0);
        for metric in [Metric::L2, Metric::Dot, Metric::L1, Metric::Cosine] {
            for dimension in [32, 33, 100, 128, 784] {
                for scale in [1e-44, 1e-37, 1e-20, 1.0, 1e10, 1e36] {
                    let row: Vec<f32> = (0..dimension).map(|_| ((random.unit() - 0.5) * scale) as f32).collect();
                    if metric == Metric::Cosine && scale < 1e-37 {
                        // Too short to have a direction.
                        continue;
                    }
                    let n = if metric == Metric::Cosine { inverse_norm(&row) } else { 1.0 };
                    let mut codes = vec![1; stride(metric, dimension).unwrap()];
                    let found = encode(metric, &row, n, &mut codes);
                    assert!(codes[dimension..].iter().all(|code| *code == 0));
                    if scale > 1e17 {
                        assert_eq!(found.error, f32::INFINITY);
                        continue;
                    }
                    let missed = row.iter().zip(&codes).map(|(value, code)| {
                        f64::from(*value) * f64::from(n) - f64::from(found.scale) * f64::from(*code)
                    });
                    let truth = match metric {
                        Metric::L1 => missed.map(f64::abs).sum::<f64>(),
                        _ => missed.map(|value| value * value).sum::<f64>().sqrt(),
                    };
                    assert!(f64::from(found.error) >= truth, "{metric} {dimension} {scale}: {found:?} {truth}");
                    if scale == 1.0 {
                        assert!(f64::from(found.error) <= 1.00001 * truth, "{metric} {dimension}: {found:?} {truth}");
                        assert!(found.error < found.length * 0.02, "{metric} {dimension}: {found:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn zeros_are_coded_without_error_and_short_vectors_not_at_all() {
        let mut codes = [1; 32];
        let found = encode(Metric::L2, &[0.0; 32], 1.0, &mut codes);
        assert_eq!((found, codes), (Factors { scale: 0.0, length: 0.0, error: 0.0 }, [0; 32]));
        assert_eq!((stride(Metric::L2, 31), stride(Metric::L2, 33)), (None, Some(48)));
        assert_eq!(stride(Metric::Hamming, 1024), None);
    }

    #[test]
    fn columns_that_do_not_fit_are_no_codes() {
        assert!(Codes::new(&[0; 64], 32, &[0.0; 6]).is_some());
        for (codes, stride, factors) in [(64, 32, 5), (63, 32, 6), (0, 0, 6), (64, 32, 9), (40, 20, 6), (0, 32, 1)] {
            assert!(Codes::new(&vec![0; codes], stride, &vec![0.0; factors]).is_none(), "{codes} {stride} {factors}");
        }
    }
}
