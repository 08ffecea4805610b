//! Distribution functions and their inverses; the one place that sees the crate of special functions.
//!
//! Tails are computed as such, never as one minus the body, so a p-value of 1e-200 is as exact as one of 0.1.

use statrs::function::{beta, erf, gamma};
use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

/// ln Γ(x), for x above 0.
pub(super) fn ln_gamma(x: f64) -> f64 {
    gamma::ln_gamma(x)
}

/// ln of the binomial coefficient of `n` over `k`.
pub(super) fn ln_choose(n: f64, k: f64) -> f64 {
    ln_gamma(n + 1.0) - ln_gamma(k + 1.0) - ln_gamma(n - k + 1.0)
}

/// P(Z > z) of the standard normal law.
pub(super) fn normal_tail(z: f64) -> f64 {
    0.5 * erf::erfc(z * FRAC_1_SQRT_2)
}

/// P(|Z| > |z|) of the standard normal law.
pub(super) fn normal_two_sided(z: f64) -> f64 {
    erf::erfc(z.abs() * FRAC_1_SQRT_2)
}

/// The z that a standard normal exceeds with probability `p`, for p strictly between 0 and 1.
pub(super) fn normal_quantile_upper(p: f64) -> f64 {
    SQRT_2 * erf::erfc_inv(2.0 * p)
}

/// P(X > x) of the chi-square law with `dof` degrees of freedom; 1 for none.
pub(super) fn chi_square_tail(x: f64, dof: f64) -> f64 {
    if x <= 0.0 || dof <= 0.0 {
        return 1.0;
    }
    if x == f64::INFINITY {
        return 0.0;
    }
    gamma::checked_gamma_ur(0.5 * dof, 0.5 * x).unwrap_or(0.0).clamp(0.0, 1.0)
}

/// P(|T| > |t|) of Student's law with `dof` degrees of freedom.
pub(super) fn student_two_sided(t: f64, dof: f64) -> f64 {
    if t.is_infinite() {
        return 0.0;
    }
    if dof > 1e6 {
        // The logarithms of gamma would cancel; this is right to 1/dof² (Abramowitz and Stegun, 26.7.8).
        return normal_two_sided(t * (1.0 - 0.25 / dof) / (1.0 + t * t / (2.0 * dof)).sqrt());
    }
    beta_below(dof / (dof + t * t), 0.5 * dof, 0.5)
}

/// The t that Student's law exceeds with probability `p`, for p in 0 .. 0.5.
pub(super) fn student_quantile_upper(p: f64, dof: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while 0.5 * student_two_sided(high, dof) > p && high < 1e300 {
        high *= 2.0;
    }
    bisect(&mut low, &mut high, |t| 0.5 * student_two_sided(t, dof) > p)
}

/// P(F > f) of Fisher's law with `d1` and `d2` degrees of freedom.
pub(super) fn f_tail(f: f64, d1: f64, d2: f64) -> f64 {
    if f <= 0.0 {
        return 1.0;
    }
    if f.is_infinite() {
        return 0.0;
    }
    beta_below(d2 / (d2 + d1 * f), 0.5 * d2, 0.5 * d1)
}

/// P(B < x) of the beta law: the regularised incomplete beta function.
pub(super) fn beta_below(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    beta::checked_beta_reg(a, b, x).unwrap_or(0.0).clamp(0.0, 1.0)
}

/// P(X >= least), X the marked ones among `drawn` of `marked` and `others`. Costs as many steps as X can have values.
pub(super) fn hypergeometric_tail(least: u64, drawn: u64, marked: u64, others: u64) -> f64 {
    let all = ln_choose((marked + others) as f64, drawn as f64);
    let of = |k: u64| ln_choose(marked as f64, k as f64) + ln_choose(others as f64, (drawn - k) as f64) - all;
    (least.max(drawn.saturating_sub(others))..=drawn.min(marked)).map(|k| of(k).exp()).sum::<f64>().min(1.0)
}

/// The x below which the beta law has the share `p`.
pub(super) fn beta_quantile(p: f64, a: f64, b: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    bisect(&mut low, &mut high, |x| beta_below(x, a, b) < p)
}

/// Halves `low .. high` until no number lies between, keeping `rises` true at `low` and false at `high`.
fn bisect(low: &mut f64, high: &mut f64, rises: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..2_000 {
        let middle = 0.5 * (*low + *high);
        if middle <= *low || middle >= *high {
            break;
        }
        if rises(middle) {
            *low = middle;
        } else {
            *high = middle;
        }
    }
    0.5 * (*low + *high)
}

/// A root of the falling function `f` in `low .. high`.
pub(super) fn root_of_falling(mut low: f64, mut high: f64, f: impl Fn(f64) -> f64) -> f64 {
    bisect(&mut low, &mut high, |x| f(x) > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, want: f64) {
        assert!((got - want).abs() <= 1e-10 * want.abs(), "{got} {want}");
    }

    #[test]
    fn tails_keep_their_relative_accuracy() {
        // By scipy 1.17: norm.sf(30), chi2.sf(800, 3), t.sf(40, 12) * 2, f.sf(300, 3, 50).
        close(normal_tail(30.0), 4.906713927148187e-198);
        assert!(chi_square_tail(800.0, 3.0) < 1e-170 && chi_square_tail(800.0, 3.0) > 0.0);
        close(chi_square_tail(3.841458820694124, 1.0), 0.05);
        assert!((student_two_sided(2.0, 1e6) - student_two_sided(2.0, 1.000001e6)).abs() < 1e-10);
        assert!((student_two_sided(2.0, 1e12) - normal_two_sided(2.0)).abs() < 1e-10);
    }

    #[test]
    fn quantiles_invert() {
        close(normal_quantile_upper(0.025), 1.959963984540054);
        for (p, dof) in [(0.025, 3.0), (0.001, 117.9), (0.4, 1.0)] {
            close(0.5 * student_two_sided(student_quantile_upper(p, dof), dof), p);
        }
        for (p, a, b) in [(0.025, 2.0, 9.0), (0.5, 300.0, 50.0)] {
            close(beta_below(beta_quantile(p, a, b), a, b), p);
        }
    }

    #[test]
    fn a_tail_of_the_hypergeometric_law() {
        // By sums of whole numbers.
        close(hypergeometric_tail(3, 12, 7, 13), 0.9478844169246646);
        close(hypergeometric_tail(29, 38, 1000, 1000), 0.0007498538317996926);
        close(hypergeometric_tail(0, 5, 3, 9), 1.0);
        assert_eq!(hypergeometric_tail(4, 5, 3, 9), 0.0);
    }

    #[test]
    fn a_tail_of_the_beta_law_is_a_sum_of_the_binomial() {
        let tail: f64 = (3..=10).map(|k| ln_choose(10.0, k as f64).exp() * 0.3f64.powi(k) * 0.7f64.powi(10 - k)).sum();
        close(beta_below(0.3, 3.0, 8.0), tail);
    }
}
