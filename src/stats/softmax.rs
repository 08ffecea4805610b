//! Exponentials that neither overflow nor vanish.

use super::check;
use crate::error::Result;

/// ln Σ exp(x).
pub fn log_sum_exp(x: &[f64]) -> Result<f64> {
    check::sample("the list of scores", x)?;
    let most = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Ok(most + x.iter().map(|x| (x - most).exp()).sum::<f64>().ln())
}

/// x - ln Σ exp(x): the logarithms of [`softmax`].
pub fn log_softmax(x: &[f64]) -> Result<Vec<f64>> {
    let sum = log_sum_exp(x)?;
    Ok(x.iter().map(|x| x - sum).collect())
}

/// exp(x) / Σ exp(x): shares that sum to 1.
pub fn softmax(x: &[f64]) -> Result<Vec<f64>> {
    let mut shares = log_softmax(x)?;
    shares.iter_mut().for_each(|share| *share = share.exp());
    Ok(shares)
}
