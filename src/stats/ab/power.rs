//! How many users a test takes, and what it can see.

use crate::error::{Error, Result};
use crate::stats::{check, special};

/// Most users per arm that are looked for.
const MOST: f64 = 1e15;
/// Intervals of the integral over the deviation.
const STEPS: usize = 2_000;

/// Cohen's h: 2·asin √b - 2·asin √a, a difference of rates that takes as many users wherever it lies.
pub fn cohens_h(rate_a: f64, rate_b: f64) -> Result<f64> {
    check::within("a rate", rate_a, 0.0, 1.0)?;
    check::within("a rate", rate_b, 0.0, 1.0)?;
    Ok(2.0 * (rate_b.sqrt().asin() - rate_a.sqrt().asin()))
}

/// Users of A, not rounded, for a two-sided test at level `alpha` to find the rates different with chance `power`;
/// B has `ratio` times as many.
///
/// # Errors
/// Rates that are equal or outside 0 ..= 1, a ratio not above 0, or a level and power with alpha < power not in 0 .. 1.
pub fn sample_size(rate_a: f64, rate_b: f64, alpha: f64, power: f64, ratio: f64) -> Result<f64> {
    sample_size_of(cohens_h(rate_a, rate_b)?, alpha, power, ratio)
}

/// The same for a standardized effect: Cohen's h of rates, or of means Cohen's d, for which it is right to a user or two.
///
/// # Errors
/// An effect of 0, too small for 10^15 users or not finite, and what [`sample_size`] refuses.
pub fn sample_size_of(effect: f64, alpha: f64, power: f64, ratio: f64) -> Result<f64> {
    check::finite("the effect", &[effect])?;
    let effect = effect.abs();
    check::open_unit("the level", alpha)?;
    check::open_unit("the power", power)?;
    check::positive("the ratio", ratio)?;
    if effect == 0.0 || power <= alpha {
        return Err(
            Error::invalid("no number of users gives this power").mend("ask for rates that differ and power > level")
        );
    }
    let cut = special::normal_quantile_upper(alpha / 2.0);
    let missing = |n: f64| {
        let shift = effect * (n * ratio / (1.0 + ratio)).sqrt();
        power - special::normal_tail(cut - shift) - special::normal_tail(cut + shift)
    };
    fewest_users(missing)
}

/// The fewest users for whom nothing is missing of the power; what is missing falls with their number.
pub(in crate::stats) fn fewest_users(missing: impl Fn(f64) -> f64) -> Result<f64> {
    if missing(MOST) > 0.0 {
        return Err(
            Error::invalid("more than 10^15 users would be needed").mend("ask for a larger difference or less power")
        );
    }
    Ok(special::root_of_falling(0.0, MOST, missing))
}

/// The chance that a two-sided t-test at level `alpha` finds means `cohens_d` apart, with `per_arm` values each.
///
/// Integrates the normal law over that of the pooled deviation; right to about 1e-10.
pub fn power_of_means(cohens_d: f64, per_arm: u64, alpha: f64) -> Result<f64> {
    check::finite("the effect", &[cohens_d])?;
    check::open_unit("the level", alpha)?;
    check::at_least("an arm", per_arm.min(2) as usize, 2)?;
    let (dof, shift) = (2.0 * (per_arm - 1) as f64, cohens_d * (per_arm as f64 / 2.0).sqrt());
    let cut = special::student_quantile_upper(alpha / 2.0, dof);
    let ln_constant = 2f64.ln() + dof / 2.0 * (dof / 2.0).ln() - special::ln_gamma(dof / 2.0);
    let density = |s: f64| if s > 0.0 { (ln_constant + (dof - 1.0) * s.ln() - dof * s * s / 2.0).exp() } else { 0.0 };
    let beyond = |s: f64| special::normal_tail(cut * s - shift) + special::normal_tail(cut * s + shift);
    let width = 12.0 / (2.0 * dof).sqrt();
    let (low, high) = ((1.0 - width).max(0.0), 1.0 + width);
    let step = (high - low) / STEPS as f64;
    // Simpson's rule.
    let weight = |k: usize| {
        if k == 0 || k == STEPS {
            1.0
        } else if k % 2 == 1 {
            4.0
        } else {
            2.0
        }
    };
    let sum: f64 =
        (0..=STEPS).map(|k| low + step * k as f64).enumerate().map(|(k, s)| weight(k) * density(s) * beyond(s)).sum();
    Ok((sum * step / 3.0).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_effect_is_found_at_the_level() {
        for per_arm in [2, 3, 10, 1_000] {
            assert!((power_of_means(0.0, per_arm, 0.05).unwrap() - 0.05).abs() < 1e-6, "{per_arm}");
        }
        assert!(sample_size(0.5, 0.5, 0.05, 0.8, 1.0).is_err());
        assert!(power_of_means(f64::NAN, 5, 0.05).is_err());
    }
}
