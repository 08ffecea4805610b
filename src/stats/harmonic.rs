//! One p-value for several tests of one question, by their harmonic mean (Wilson 2019).
//!
//! The smallest of L p-values has to be held against a part of the level (Bonferroni, Holm) because it ignores all others.
//! The harmonic mean listens to those that are nearly as small, and holds its level whether tests depend on each other or
//! not, as far as its law is known: that of the mean of 1/p tends to Landau's.

use std::f64::consts::{FRAC_PI_2, PI};

use super::check;
use crate::error::Result;

/// Smaller ones are taken for this: a p-value of 0 would have no reciprocal.
const LEAST: f64 = 1e-300;
/// Where the law of L values lies, beside ln L (Wilson 2019, equation 4): 1 + ψ(1) - ln(2/π).
const SHIFT: f64 = 0.874_367_040_387_922;
/// Steps of the integral.
const STEPS: u32 = 4_000;
/// Below this, nearly everything lies beyond: all but a millionth. The integral serves above it only.
const LEAST_PLACE: f64 = -3.4;

/// The p-value of the question whether any of the tests has something to report: small where one is very small, or several
/// are small. Exact for many tests, and for few within some hundredths of itself; of one it is that one. Costs some 4,000
/// exponentials.
///
/// ```
/// use driftline::stats::harmonic;
///
/// let alone = harmonic::combine(&[0.02, 0.9, 0.6, 0.5])?;
/// let together = harmonic::combine(&[0.02, 0.03, 0.02, 0.04])?;
/// assert!(alone > 0.05 && together < 0.05);
/// # Ok::<(), driftline::Error>(())
/// ```
///
/// # Errors
/// No value, or one outside 0 ..= 1.
pub fn combine(p: &[f64]) -> Result<f64> {
    check::at_least("the list of p-values", p.len(), 1)?;
    for &p in p {
        check::within("a p-value", p, 0.0, 1.0)?;
    }
    if let [only] = p {
        return Ok(*only);
    }
    let mean = p.iter().map(|p| p.max(LEAST).recip()).sum::<f64>() / p.len() as f64;
    // In units in which Landau's law has its usual form.
    let place = mean - (p.len() as f64).ln() - SHIFT + FRAC_PI_2.ln();
    Ok(if place < LEAST_PLACE { 1.0 } else { landau_tail(place).clamp(0.0, 1.0) })
}

/// The chance of more than `x` under Landau's law: ∫ exp(-t ln t - x t) sin(π t) / (π t) dt over all t > 0, here for x ≥ -3.4.
fn landau_tail(x: f64) -> f64 {
    // Beyond this, nothing is left that counts. With t = s² the logarithm at 0 does no harm.
    let end = if x > 1.5 { 60.0 / x } else { 40.0 };
    let step = end.sqrt() / f64::from(STEPS);
    let value = |s: f64| {
        let t = s * s;
        (-t * t.ln() - x * t).exp() * (PI * t).sin() / (PI * t) * 2.0 * s
    };
    (0..STEPS).map(|place| value((f64::from(place) + 0.5) * step)).sum::<f64>() * step
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn of_equal(p: f64, count: usize) -> f64 {
        combine(&vec![p; count]).unwrap()
    }

    #[test]
    fn critical_means_are_those_of_the_paper() {
        // Wilson 2019, table 1: what a harmonic mean may be at most for a level.
        for (count, mean, level) in [(10, 0.040, 0.05), (100, 0.036, 0.05), (1_000, 0.034, 0.05), (10, 0.0094, 0.01)] {
            let p = of_equal(mean, count);
            assert!((p / level - 1.0).abs() < 0.02, "{count} {mean}: {p}");
        }
    }

    #[test]
    fn tails_reach_from_one_to_the_smallest_numbers() {
        for (mean, wanted) in [(1e-4, 1.001_06e-4), (1e-9, 1e-9), (1e-200, 1e-200)] {
            assert!((of_equal(mean, 4) / wanted - 1.0).abs() < 1e-3, "{mean}: {}", of_equal(mean, 4));
        }
        assert!(of_equal(0.0, 4) > 0.0 && of_equal(1.0, 4) < 1.0);
        let rising: Vec<f64> = (1..=1_000).map(|n| of_equal(f64::from(n) / 1_000.0, 4)).collect();
        assert!(rising.is_sorted());
        assert_eq!(combine(&[0.3]).unwrap(), 0.3);
        for count in [5, 20, 70, 100, 1_000] {
            assert!(
                of_equal(1.0, count) > 0.85 && of_equal(1.0, count) >= of_equal(0.5, count),
                "{count} p-values of 1"
            );
        }
        assert_eq!(of_equal(0.5, 500), 1.0);
        for refused in [&[][..], &[0.1, 1.1], &[f64::NAN, 0.5]] {
            assert!(combine(refused).is_err(), "{refused:?}");
        }
    }

    #[test]
    fn the_level_is_kept_by_tests_that_know_nothing_of_each_other_and_by_such_that_agree() {
        let mut random = Random::seeded(5, 0);
        let (mut apart, mut alike) = (0, 0);
        for _ in 0..4_000 {
            let p: [f64; 4] = std::array::from_fn(|_| random.unit());
            apart += u32::from(combine(&p).unwrap() <= 0.05);
            alike += u32::from(combine(&[p[0]; 4]).unwrap() <= 0.05);
        }
        // 200 are right; 27 is two standard deviations.
        assert!((160..=227).contains(&apart), "{apart}");
        assert!(alike <= 227, "{alike}");
    }
}
