//! What codes say of a distance: never more than is true of the very number that a search over the rows would compute.
//!
//! Let q be the query, x a row, x' what its codes stand for, e ≥ |x - x'| its stored error; q' the query in whole
//! numbers, r ≥ |q - q'|. The inner product of q' and x' is computed exactly, in whole numbers. So, in real numbers:
//!
//! - L2: |q' - x'| - r - e ≤ |q - x| ≤ |q' - x'| + r + e, by the triangle inequality, and
//!   |q' - x'|² = |q'|² + |x'|² - 2⟨q', x'⟩.
//! - Dot: ⟨q, x⟩ - ⟨q', x'⟩ = ⟨q - q', x'⟩ + ⟨q, x - x'⟩, which by Cauchy-Schwarz is at most r|x'| + |q|e either way.
//! - Cosine: as dot, of the query and the row both scaled to length 1; the distance is one minus it.
//! - L1: Σ|q - x'| - e ≤ Σ|q - x| ≤ Σ|q - x'| + e. The query stays as it is.
//!
//! What a search over the rows computes is not the real number but a sum of `f32`. Whatever the order of the additions,
//! and with or without fused multiplications, a sum of n terms that are each rounded a few times is off by at most γ
//! times the sum of the absolute terms, γ = mu / (1 - mu), with u = 2⁻²⁴ and m the roundings a term passes through: at
//! most n additions and a handful more (Higham, Accuracy and Stability of Numerical Algorithms, §3.1 and §4.2). What
//! underflows adds at most 2⁻¹⁴⁹ a term. The sums stay far from overflow, since rows and queries beyond 1e18 get no
//! bound. Lower and upper bounds are moved apart by that, and by the roundings of computing the bounds themselves.
//!
//! So a row whose lower bound is above the k-th smallest upper bound is not among the k nearest *as the search over the
//! rows would have computed them*, ties included: leaving it out changes neither a hit nor a bit of a distance.

use super::int8::{Columns, Factors, MAX_LENGTH, SLACK};
use crate::vector::metric::Metric;

/// Half the distance between 1 and the next `f32`.
const UNIT: f64 = 1.0 / (1 << 24) as f64;
/// The smallest `f32` above 0.
const TINY: f64 = f32::from_bits(1) as f64;
/// Added where numbers may be so small that `f32` loses them.
const LEAST: f64 = f32::MIN_POSITIVE as f64;

/// Of queries in smaller steps, `f32` could lose what is multiplied with them.
const MIN_STEP: f64 = 1e-30;

/// A query made ready to be compared with codes.
#[derive(Debug)]
pub(crate) struct CodedQuery {
    metric: Metric,
    /// The query in whole numbers, as long as a row of codes.
    pub(crate) whole: Vec<i16>,
    /// The query as it is, zeros at the end.
    pub(crate) floats: Vec<f32>,
    /// What a step of `whole` is worth.
    step: f64,
    /// |q'|².
    square: f64,
    /// At least |q|.
    length: f64,
    /// At least |q - q'|.
    error: f64,
    /// How far off, relative to the sum of its absolute terms, a sum in `f32` can be.
    gamma: f64,
    /// How far off it can be by underflow.
    lost: f64,
}

/// Between which numbers the distance of a row lies, were it computed from the row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bounds {
    pub(crate) lower: f32,
    pub(crate) upper: f32,
}

/// Nothing is known.
const UNBOUNDED: Bounds = Bounds { lower: f32::NEG_INFINITY, upper: f32::INFINITY };

impl CodedQuery {
    /// Readies `query`, which under cosine has length 1, for rows of `stride` codes. `None` where no bound holds.
    pub(crate) fn new(metric: Metric, query: &[f32], stride: usize) -> Option<CodedQuery> {
        let length = query.iter().map(|value| f64::from(*value) * f64::from(*value)).sum::<f64>().sqrt();
        let spread = query.iter().map(|value| f64::from(value.abs())).sum::<f64>();
        if metric == Metric::Hamming || query.len() > stride || spread > MAX_LENGTH || spread.is_nan() {
            return None;
        }
        // So that no inner product of codes leaves i32, even with codes that nobody should have written.
        let most = (f64::from(i32::MAX) / (128.0 * stride as f64)).floor().min(32_767.0);
        let largest = query.iter().fold(0f32, |largest, value| largest.max(value.abs()));
        let step = f64::from(largest) / most;
        if step > 0.0 && step < MIN_STEP {
            return None;
        }
        let mut whole: Vec<i16> = query.iter().map(|value| (f64::from(*value) / step).round() as i16).collect();
        whole.resize(stride, 0);
        let mut floats = query.to_vec();
        floats.resize(stride, 0.0);
        let missed = query.iter().zip(&whole).map(|(value, whole)| f64::from(*value) - step * f64::from(*whole));
        let error = missed.map(|missed| missed * missed).sum::<f64>().sqrt();
        let square = whole.iter().map(|whole| f64::from(*whole) * f64::from(*whole)).sum::<f64>() * step * step;
        let roundings = (query.len() + 8) as f64 * UNIT;
        Some(CodedQuery {
            metric,
            whole,
            floats,
            step,
            square,
            length: length * (1.0 + 1e-9),
            error: error * (1.0 + 1e-9),
            gamma: roundings / (1.0 - roundings),
            lost: query.len() as f64 * TINY,
        })
    }

    /// Between which numbers the distance of a row lies, from the inner product of its codes with the query's. Under L1
    /// from `CodedQuery::l1_bounds`.
    pub(crate) fn bounds(&self, dot: i32, row: Factors) -> Bounds {
        if !row.error.is_finite() {
            return UNBOUNDED;
        }
        let product = self.step * f64::from(row.scale) * f64::from(dot);
        let (length, error) = (f64::from(row.length), f64::from(row.error));
        match self.metric {
            Metric::L2 => self.l2_bounds(product, length, error),
            Metric::Cosine => {
                let slack = self.dot_slack(length, error) + 3.0 * UNIT;
                Bounds::of(clamp(1.0 - product - slack), clamp(1.0 - product + slack))
            }
            _ => {
                let slack = self.dot_slack(length, error);
                Bounds::of(-product - slack, -product + slack)
            }
        }
    }

    fn l2_bounds(&self, product: f64, length: f64, error: f64) -> Bounds {
        let (square, apart) = (length * length, self.error + error);
        let slack = square * 4.0 * UNIT + (self.square + square) * 1e-13;
        let estimate = self.square + square - 2.0 * product;
        let near = ((estimate - slack).max(0.0).sqrt() - apart).max(0.0);
        let far = (estimate + slack).max(0.0).sqrt() + apart;
        Bounds::of(near * near * (1.0 - self.gamma) - self.lost, far * far * (1.0 + self.gamma) + self.lost)
    }

    /// How far an inner product may be from that of the codes.
    fn dot_slack(&self, length: f64, error: f64) -> f64 {
        let length = length * (1.0 + 4.0 * UNIT);
        let (by_codes, by_sums) = (self.error * length + self.length * error, self.length * (length + error));
        by_codes + self.gamma * by_sums + self.lost + by_sums * 1e-13
    }

    /// Between which numbers the L1 distance of a row lies, from the sum of the absolute differences of query and codes.
    pub(crate) fn l1_bounds(&self, sum: f32, row: Factors) -> Bounds {
        if !row.error.is_finite() || !sum.is_finite() {
            return UNBOUNDED;
        }
        // A kernel may round the scaled code before it takes it from the query.
        let rounded = f64::from(row.length) * 4.0 * UNIT + self.lost;
        let (sum, error) = (f64::from(sum), f64::from(row.error));
        let near = (sum - rounded) / (1.0 + self.gamma) - error;
        let far = (sum + rounded) / (1.0 - self.gamma) + error;
        Bounds::of(near * (1.0 - self.gamma) - self.lost, far * (1.0 + self.gamma) + self.lost)
    }

    /// What tells quickly which rows cannot have a distance of `most` or less.
    pub(crate) fn limit(&self, most: f32) -> Limit {
        let most = f64::from(most);
        match self.metric {
            Metric::L2 => Limit::L2 {
                base: down(self.square * (1.0 - MARGIN) - LEAST),
                step: (2.0 * self.step) as f32,
                reach: up((((most + self.lost) / (1.0 - self.gamma)).max(0.0).sqrt() + self.error) * SLACK),
            },
            metric => {
                let most = match metric {
                    Metric::Cosine if most >= 2.0 => f64::INFINITY,
                    Metric::Cosine => most - 1.0 + 4.0 * UNIT,
                    _ => most,
                };
                Limit::Dot {
                    step: self.step as f32,
                    most: up(most + most.abs() * 1e-6 + self.lost + LEAST),
                    by_length: up(self.error + (self.gamma + 4.0 * MARGIN) * self.length),
                    by_error: up(self.length * (1.0 + self.gamma) * SLACK),
                }
            }
        }
    }
}

impl Bounds {
    fn of(lower: f64, upper: f64) -> Bounds {
        Bounds { lower: down(lower), upper: up(upper) }
    }
}

/// Beside this the roundings of comparing in `f32`, a dozen of 2⁻²⁴ at most, are small.
const MARGIN: f64 = 1.0 / (1 << 18) as f64;

/// A test for rows whose lower bound is above some distance, in `f32`, so that it runs for many rows at once. It errs on
/// one side only: who passes need not be near, who fails is not; what is no number passes.
///
/// For L2 the test is |q'|² + |x'|² - 2⟨q', x'⟩ > (t + r + e)², where t² is the distance. The roundings of the left side
/// are below 2⁻²⁰(|q'|² + |x'|²), because 2⟨q', x'⟩ ≤ |q'|² + |x'|²; a margin of 2⁻¹⁸ of it is taken off. Those of the
/// right side are made up for by `SLACK`, which is in t + r and in the stored e. For dot, -⟨q', x'⟩ > d + r|x'| + |q|e
/// and what sums may be off by; the margin is in the coefficient of |x'|.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Limit {
    L2 { base: f32, step: f32, reach: f32 },
    Dot { step: f32, most: f32, by_length: f32, by_error: f32 },
}

impl Limit {
    /// Whether any of the rows passes: not all are too far for sure. As many inner products as rows.
    #[inline(always)]
    pub(crate) fn any_passes(&self, dots: &[i32], rows: Columns<'_>) -> bool {
        let rows = dots.iter().zip(rows.scales).zip(rows.lengths).zip(rows.errors);
        let mut passes = false;
        match *self {
            Limit::L2 { base, step, reach } => {
                for (((dot, scale), length), error) in rows {
                    let estimate = base + length * length * (1.0 - MARGIN as f32) - step * (scale * *dot as f32);
                    let beyond = estimate > (reach + error) * (reach + error);
                    passes |= !beyond;
                }
            }
            Limit::Dot { step, most, by_length, by_error } => {
                for (((dot, scale), length), error) in rows {
                    let beyond = -step * (scale * *dot as f32) > most + by_length * length + by_error * error;
                    passes |= !beyond;
                }
            }
        }
        passes
    }
}

fn clamp(distance: f64) -> f64 {
    distance.clamp(0.0, 2.0)
}

fn down(value: f64) -> f32 {
    (value as f32).next_down()
}

fn up(value: f64) -> f32 {
    (value as f32).next_up()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantization::int8::{encode, stride};
    use crate::random::Random;
    use crate::vector::kernel::{self, Kernels, Task};
    use crate::vector::metric::{cosine_distance, dot_distance};
    use crate::vector::{inverse_norm, normalize};

    struct Distance<'a>(Metric, &'a [f32], &'a [f32], f32);

    impl Task for Distance<'_> {
        type Output = f32;
        fn run<K: Kernels>(self, k: K) -> f32 {
            let Distance(metric, query, row, inverse_norm) = self;
            match metric {
                Metric::L2 => k.l2(query, row),
                Metric::L1 => k.l1(query, row),
                Metric::Cosine => cosine_distance(k.dot(query, row), inverse_norm),
                _ => dot_distance(k.dot(query, row)),
            }
        }
    }

    struct Sum<'a>(&'a [f32], &'a [i8], f32);

    impl Task for Sum<'_> {
        type Output = f32;
        fn run<K: Kernels>(self, k: K) -> f32 {
            k.code_l1(self.0, self.1, self.2)
        }
    }

    /// A vector of one of several kinds: spread evenly, sparse, of one sign, with one number above all others.
    fn vector(random: &mut Random, dimension: usize, scale: f64) -> Vec<f32> {
        let kind = random.below(5);
        let mut vector: Vec<f32> = (0..dimension)
            .map(|_| match (random.unit(), kind) {
                (draw, 0) => ((draw - 0.5) * scale) as f32,
                (draw, 1) if draw < 0.9 => 0.0,
                (draw, 2) => (draw * 4.0).floor() as f32 * scale as f32,
                (draw, _) => (draw * scale) as f32,
            })
            .collect();
        vector[0] += (if kind == 3 { 40.0 } else { 0.5 } * scale) as f32;
        vector
    }

    #[test]
    fn bounds_hold_for_the_distances_that_every_kernel_computes() {
        let mut random = Random::seeded(5, 0);
        let mut held = 0;
        for metric in [Metric::L2, Metric::Dot, Metric::L1, Metric::Cosine] {
            for round in 0..1500 {
                let dimension = [32, 33, 100, 128, 784][round % 5];
                let scales = [1.0, 255.0, 1e-15, 1e12, 1e-24, 1e-36];
                let scale = scales[round / 5 % 6];
                let row = vector(&mut random, dimension, scale);
                let mut query = match round % 3 {
                    0 => row.clone(),
                    1 => row.iter().map(|value| value + (random.unit() * 0.02 * scale) as f32).collect(),
                    _ => vector(&mut random, dimension, scales[round / 30 % 6]),
                };
                let n = if metric == Metric::Cosine { inverse_norm(&row) } else { 1.0 };
                if metric == Metric::Cosine {
                    normalize(&mut query).unwrap();
                }
                let mut codes = vec![0; stride(metric, dimension).unwrap()];
                let factors = encode(metric, &row, n, &mut codes);
                // Queries of tiny numbers have none.
                let Some(coded) = CodedQuery::new(metric, &query, codes.len()) else { continue };
                held += 1;
                let dot: i32 = coded.whole.iter().zip(&codes).map(|(q, c)| i32::from(*q) * i32::from(*c)).sum();
                let sums = kernel::with_each(|| Sum(&coded.floats, &codes, factors.scale));
                for (name, distance) in kernel::with_each(|| Distance(metric, &query, &row, n)) {
                    let what = format!("{name} {metric} {dimension} {round}: {distance} {factors:?}");
                    for sum in &sums {
                        let bounds = match metric {
                            Metric::L1 => coded.l1_bounds(sum.1, factors),
                            _ => coded.bounds(dot, factors),
                        };
                        assert!(bounds.lower <= distance && distance <= bounds.upper, "{what} {bounds:?}");
                    }
                    if metric != Metric::L1 {
                        let passes = coded.limit(distance).any_passes(&[dot], columns(&factors));
                        assert!(passes, "{what} is ruled out");
                    }
                }
            }
        }
        assert!(held > 4000, "{held}");
    }

    fn columns(row: &Factors) -> Columns<'_> {
        let one = std::slice::from_ref;
        Columns { scales: one(&row.scale), lengths: one(&row.length), errors: one(&row.error) }
    }

    #[test]
    fn far_rows_are_ruled_out() {
        let mut random = Random::seeded(6, 0);
        for metric in [Metric::L2, Metric::Dot, Metric::Cosine] {
            let near: Vec<f32> = (0..128).map(|_| random.unit() as f32).collect();
            let far: Vec<f32> = near.iter().map(|value| 0.5 - value).collect();
            let mut query = near.clone();
            normalize(&mut query).unwrap();
            let code = |row: &[f32]| {
                let mut codes = vec![0; 128];
                let factors = encode(metric, row, inverse_norm(row), &mut codes);
                (codes, factors)
            };
            let coded = CodedQuery::new(metric, &query, 128).unwrap();
            let dot = |codes: &[i8]| coded.whole.iter().zip(codes).map(|(q, c)| i32::from(*q) * i32::from(*c)).sum();
            let ((near, near_factors), (far, far_factors)) = (code(&query), code(&far));
            let upper = coded.bounds(dot(&near), near_factors).upper;
            assert!(coded.bounds(dot(&far), far_factors).lower > upper, "{metric}");
            let far_columns = columns(&far_factors);
            assert!(!coded.limit(upper).any_passes(&[dot(&far)], far_columns), "{metric}");
            assert!(coded.limit(f32::INFINITY).any_passes(&[dot(&far)], far_columns), "{metric}");
        }
    }

    #[test]
    fn what_no_bound_holds_for_gets_none() {
        assert!(CodedQuery::new(Metric::L2, &[1e18; 32], 32).is_none());
        assert!(CodedQuery::new(Metric::Hamming, &[1.0; 32], 32).is_none());
        assert!(CodedQuery::new(Metric::L2, &[1.0; 33], 32).is_none());
        let zero = CodedQuery::new(Metric::Dot, &[0.0; 32], 32).unwrap();
        let bounds = zero.bounds(0, Factors { scale: 1.0, length: 3.0, error: 0.1 });
        assert!(bounds.lower <= 0.0 && 0.0 <= bounds.upper);
        assert_eq!(zero.bounds(0, Factors { scale: 1.0, length: 3.0, error: f32::INFINITY }), UNBOUNDED);
    }
}
