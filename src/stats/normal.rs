//! The normal law: draws of it, and its density in several dimensions.

use super::{check, linear};
use crate::error::{Error, Result};
use crate::random::Random;
use std::f64::consts::TAU;

/// One draw of the standard normal law (Box and Muller 1958); takes two numbers of `random`.
pub fn draw(random: &mut Random) -> f64 {
    // 1 - u is above 0.
    let radius = (-2.0 * (1.0 - random.unit()).ln()).sqrt();
    radius * (TAU * random.unit()).cos()
}

/// Where a point lies under a normal law.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Density {
    /// The logarithm of the density.
    pub ln: f64,
    /// The distance from the mean in standard deviations along the way.
    pub mahalanobis: f64,
}

/// The density of the normal law of `mean` and `covariance` (row by row) at `x`. Costs d³/6 multiplications.
///
/// # Errors
/// Lengths that do not fit, or a covariance that is not positive definite.
pub fn density(mean: &[f64], covariance: &[f64], x: &[f64]) -> Result<Density> {
    let d = mean.len();
    check::sample("the mean", mean)?;
    check::sample("the point", x)?;
    check::same_length("mean and point", d, x.len())?;
    check::same_length("the covariance and the square of the mean", covariance.len(), d * d)?;
    check::finite("the covariance", covariance)?;
    let factor = linear::cholesky(covariance, d).ok_or_else(|| {
        Error::invalid("the covariance is not positive definite").mend("add a little to its diagonal")
    })?;
    let step: Vec<f64> = x.iter().zip(mean).map(|(x, mean)| x - mean).collect();
    let scaled = linear::forward(&factor, &step);
    let square: f64 = scaled.iter().map(|part| part * part).sum();
    let ln_root: f64 = (0..d).map(|place| factor[place * d + place].ln()).sum();
    Ok(Density { ln: -0.5 * (square + d as f64 * TAU.ln()) - ln_root, mahalanobis: square.sqrt() })
}
