//! Kolmogorov's law for one sample of n values, and its limit.
//!
//! Follows Simard and L'Ecuyer, "Computing the two-sided Kolmogorov-Smirnov distribution" (2011): twice the one-sided law
//! in the tail, Durbin's matrix in the body, the series of Pelz and Good where n is large.

use crate::stats::special::ln_choose;
use std::f64::consts::PI;

/// Up to so many values the body of the law always comes from the matrix, and above [`MOST_BY_MATRIX`] never.
const ALWAYS_BY_MATRIX: u64 = 140;
const MOST_BY_MATRIX: u64 = 100_000;

/// P(sup |F_n - F| >= d), for a sample of `n` values: right to 1e-12 up to n = 140, to a share of 2e-6 of itself above.
///
/// Costs at most (2nd)³·log n steps where nd is small, few elsewhere.
pub fn one_sample_tail(n: u64, d: f64) -> f64 {
    let size = n as f64;
    let (steps, square) = (size * d, size * d * d);
    if n == 0 || steps <= 0.5 {
        return 1.0;
    }
    if d >= 1.0 {
        return 0.0;
    }
    // From here on both sides are reached together with a share of the chance below exp(-6nd²).
    if d >= 0.5 || square > if n <= ALWAYS_BY_MATRIX { 4.0 } else { 2.2 } {
        return (2.0 * one_sided_tail(size, d)).min(1.0);
    }
    let matrix = n <= ALWAYS_BY_MATRIX || n <= MOST_BY_MATRIX && size * d.powf(1.5) <= 1.4;
    let body = if matrix { by_matrix(n, d) } else { by_series(size, d) };
    (1.0 - body).clamp(0.0, 1.0)
}

/// The limit of the law: P(sup |B| >= z) of a Brownian bridge, for z = d·sqrt(n).
pub fn limit_tail(z: f64) -> f64 {
    if z <= 0.0 {
        return 1.0;
    }
    if z < 1.0 {
        let sum: f64 = (1..20).map(|k| (-f64::from(2 * k - 1).powi(2) * PI * PI / (8.0 * z * z)).exp()).sum();
        return (1.0 - (2.0 * PI).sqrt() / z * sum).clamp(0.0, 1.0);
    }
    let term = |k: i32| if k % 2 == 1 { 1.0 } else { -1.0 } * (-2.0 * f64::from(k * k) * z * z).exp();
    (2.0 * (1..20).map(term).sum::<f64>()).clamp(0.0, 1.0)
}

/// P(sup (F_n - F) >= d), by Birnbaum and Tingey's sum of positive terms.
fn one_sided_tail(n: f64, d: f64) -> f64 {
    let last = (n * (1.0 - d)).floor() as u64;
    let term = |j: u64| {
        let j = j as f64;
        let rest = 1.0 - d - j / n;
        if rest <= 0.0 {
            return 0.0;
        }
        (ln_choose(n, j) + (j - 1.0) * (d + j / n).ln() + (n - j) * rest.ln()).exp()
    };
    d * (0..=last).map(term).sum::<f64>()
}

/// Durbin's matrix, raised to the n-th power by squaring (Marsaglia, Tsang and Wang 2003).
fn by_matrix(n: u64, d: f64) -> f64 {
    let steps = n as f64 * d;
    let k = steps.ceil() as usize;
    let (size, h) = (2 * k - 1, k as f64 - steps);
    let base = durbin(size, h);
    let (mut power, mut exponent) = (identity(size), 0);
    let (mut square, mut square_exponent) = (base, 0);
    let mut left = n;
    while left > 0 {
        if left & 1 == 1 {
            power = product(&power, &square, size);
            exponent += square_exponent + rescale(&mut power, k - 1, size);
        }
        left >>= 1;
        if left > 0 {
            square = product(&square, &square, size);
            square_exponent = 2 * square_exponent + rescale(&mut square, k - 1, size);
        }
    }
    // Times n! / n^n, in between brought back to the scale of one.
    let mut share = power[(k - 1) * size + k - 1];
    for i in 1..=n {
        share *= i as f64 / n as f64;
        if share < 1e-140 {
            share *= 1e140;
            exponent -= 140;
        }
    }
    share * 10f64.powi(exponent)
}

fn durbin(size: usize, h: f64) -> Vec<f64> {
    let mut matrix = vec![0.0; size * size];
    for i in 0..size {
        for j in 0..size.min(i + 2) {
            matrix[i * size + j] = 1.0;
        }
    }
    for i in 0..size {
        matrix[i * size] -= h.powi(i as i32 + 1);
        matrix[(size - 1) * size + i] -= h.powi((size - i) as i32);
    }
    matrix[(size - 1) * size] += if 2.0 * h > 1.0 { (2.0 * h - 1.0).powi(size as i32) } else { 0.0 };
    for i in 0..size {
        for j in 0..size.min(i + 1) {
            (1..=i - j + 1).for_each(|divisor| matrix[i * size + j] /= divisor as f64);
        }
    }
    matrix
}

fn identity(size: usize) -> Vec<f64> {
    let mut matrix = vec![0.0; size * size];
    (0..size).for_each(|i| matrix[i * size + i] = 1.0);
    matrix
}

fn product(left: &[f64], right: &[f64], size: usize) -> Vec<f64> {
    let mut result = vec![0.0; size * size];
    for (line, out) in left.chunks_exact(size).zip(result.chunks_exact_mut(size)) {
        for (&factor, row) in line.iter().zip(right.chunks_exact(size)) {
            out.iter_mut().zip(row).for_each(|(sum, &value)| *sum += factor * value);
        }
    }
    result
}

/// Divides a matrix whose center has grown beyond 1e140 by that; returns the power of ten that was taken out.
fn rescale(matrix: &mut [f64], center: usize, size: usize) -> i32 {
    if matrix[center * size + center] <= 1e140 {
        return 0;
    }
    matrix.iter_mut().for_each(|value| *value *= 1e-140);
    140
}

/// The series of Pelz and Good (1976), four terms.
fn by_series(n: f64, d: f64) -> f64 {
    let z = n.sqrt() * d;
    let (z2, z4, z6, z8) = (z.powi(2), z.powi(4), z.powi(6), z.powi(8));
    let (p2, p4, p6) = (PI.powi(2), PI.powi(4), PI.powi(6));
    let (mut terms, mut extra) = ([0.0f64; 4], [0.0f64; 2]);
    for k in (1..=(16.0 * z / PI).ceil() as u32).rev() {
        let (whole, odd) = (f64::from(k), f64::from(2 * k - 1));
        let (o2, o4, o6) = (odd.powi(2), odd.powi(4), odd.powi(6));
        let weight = (-p2 * o2 / (8.0 * z2)).exp();
        terms[0] += weight;
        terms[1] += weight * (-z2 + p2 / 4.0 * o2);
        terms[2] +=
            weight * (6.0 * z6 + 2.0 * z4 + (2.0 * z4 - 5.0 * z2) * p2 / 4.0 * o2 + p4 * (1.0 - 2.0 * z2) / 16.0 * o4);
        terms[3] += weight
            * (-30.0 * z6 - 90.0 * z8
                + p2 * (135.0 * z4 - 96.0 * z6) / 4.0 * o2
                + p4 * (-60.0 * z2 + 212.0 * z4) / 16.0 * o4
                + p6 * (5.0 - 30.0 * z2) / 64.0 * o6);
        let even = (-p2 * whole * whole / (2.0 * z2)).exp() * whole * whole;
        extra[0] += even;
        extra[1] += even * (3.0 * z2 - p2 * whole * whole);
    }
    let root = (2.0 * PI).sqrt();
    let k0 = root * terms[0] / z;
    let k1 = root * terms[1] / (6.0 * z4);
    let k2 = root * terms[2] / (72.0 * z.powi(7)) - extra[0] * p2 * root / (36.0 * z.powi(3));
    let k3 = root * terms[3] / (6480.0 * z.powi(10)) + extra[1] * p2 * root / (216.0 * z6);
    k0 + k1 / n.sqrt() + k2 / n + k3 / n.powf(1.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_samples_by_hand() {
        // One value: sup is max(u, 1 - u). Two values: P(D < d) = 2·(2d - 1/2)² for d from 1/4 to 1/2.
        assert!((one_sample_tail(1, 0.75) - 0.5).abs() < 1e-12);
        for d in [0.3, 0.4, 0.45] {
            let body = 2.0 * (2.0 * d - 0.5f64).powi(2);
            assert!((one_sample_tail(2, d) - (1.0 - body)).abs() < 1e-12, "{d}");
        }
    }

    #[test]
    fn the_ways_agree_where_they_meet() {
        for n in [500u64, 2_000] {
            for z in [0.5, 0.8, 1.0, 1.3] {
                let d = z / (n as f64).sqrt();
                let (matrix, series) = (by_matrix(n, d), by_series(n as f64, d));
                assert!((matrix - series).abs() < 2e-7 * (500.0 / n as f64).powi(2), "{n} {z}: {matrix} {series}");
            }
        }
        let d = (4.0f64 / 1_000.0).sqrt();
        let (tail, body) = (2.0 * one_sided_tail(1_000.0, d), 1.0 - by_matrix(1_000, d));
        assert!((tail - body).abs() < 1e-9 * tail, "{tail} {body}");
    }

    #[test]
    fn the_limit_is_the_limit() {
        for z in [0.5, 0.9999, 1.0, 1.5] {
            let n = 4_000_000u64;
            assert!((one_sample_tail(n, z / (n as f64).sqrt()) - limit_tail(z)).abs() < 2e-3, "{z}");
        }
        assert_eq!((limit_tail(0.0), limit_tail(50.0)), (1.0, 0.0));
    }
}
