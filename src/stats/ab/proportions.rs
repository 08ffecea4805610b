//! Two rates.

use super::Arm;
use crate::error::Result;
use crate::stats::special;

/// Tests of two rates at a fixed end: not to be looked at while they run; see [`sequential`](crate::stats::sequential).
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Proportions {
    /// Rate of A.
    pub rate_a: f64,
    /// Rate of B.
    pub rate_b: f64,
    /// Rate of B less that of A.
    pub difference: f64,
    /// The difference over the rate of A; none where that is 0.
    pub relative_lift: Option<f64>,
    /// The difference in standard errors of the pooled rate; 0 where all or none succeed.
    pub z: f64,
    /// Two-sided p of [`Proportions::z`], the same as of chi-square without correction.
    pub p: f64,
    /// P(Z > z): small where B is larger.
    pub p_b_larger: f64,
    /// The standard error of the difference, unpooled; 0 where both arms are of one kind.
    pub standard_error: f64,
    /// The difference over it; none where it is 0.
    pub z_unpooled: Option<f64>,
    /// Wald's interval at 95 %: for comparison only, [`newcombe`](super::newcombe) is closer to its level.
    pub wald_ci95: (f64, f64),
}

/// Compares two rates. Costs nothing.
///
/// # Errors
/// An arm without trials, or with more successes than trials.
pub fn proportions(a: Arm, b: Arm) -> Result<Proportions> {
    a.check()?;
    b.check()?;
    let (rate_a, rate_b, n, m) = (a.rate(), b.rate(), a.trials as f64, b.trials as f64);
    let pooled = (a.successes + b.successes) as f64 / (n + m);
    let pooled_error = (pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m)).sqrt();
    let standard_error = (rate_a * (1.0 - rate_a) / n + rate_b * (1.0 - rate_b) / m).sqrt();
    let difference = rate_b - rate_a;
    let z = if difference == 0.0 { 0.0 } else { difference / pooled_error };
    let half = special::normal_quantile_upper(0.025) * standard_error;
    Ok(Proportions {
        rate_a,
        rate_b,
        difference,
        relative_lift: (a.successes > 0).then(|| difference / rate_a),
        z,
        p: special::normal_two_sided(z),
        p_b_larger: special::normal_tail(z),
        standard_error,
        z_unpooled: (standard_error > 0.0).then(|| difference / standard_error),
        wald_ci95: (difference - half, difference + half),
    })
}
