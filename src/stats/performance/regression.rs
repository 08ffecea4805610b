//! Predictions of a number.

use crate::error::Result;
use crate::stats::check;
use crate::stats::moments::Moments;
use crate::stats::quantile::median;

/// Measures of regression.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Regression {
    /// Mean squared error.
    pub mse: f64,
    /// Its square root, in units of the truth.
    pub rmse: f64,
    /// Mean absolute error.
    pub mae: f64,
    /// Median absolute error.
    pub median_error: f64,
    /// 1 - squared error over that of the mean, at most 1; none where the truth is constant.
    pub r2: Option<f64>,
    /// The same of the variance of the errors: a constant offset does not count; none where the truth is constant.
    pub explained_variance: Option<f64>,
}

/// Measures predictions against the truth. Costs two passes and a sort.
///
/// # Errors
/// Empty lists, lists that differ in length, or a value that is not finite.
pub fn regression(truth: &[f64], predicted: &[f64]) -> Result<Regression> {
    check::same_length("truth and predictions", truth.len(), predicted.len())?;
    check::sample("the truth", truth)?;
    check::sample("the list of predictions", predicted)?;
    let errors: Vec<f64> = truth.iter().zip(predicted).map(|(truth, predicted)| truth - predicted).collect();
    let sizes: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
    let n = truth.len() as f64;
    let mse = errors.iter().map(|error| error * error).sum::<f64>() / n;
    let spread = Moments::of(truth)?.population_variance();
    let explained = |left: f64| (spread > 0.0).then(|| 1.0 - left / spread);
    Ok(Regression {
        mse,
        rmse: mse.sqrt(),
        mae: sizes.iter().sum::<f64>() / n,
        median_error: median(&sizes)?,
        r2: explained(mse),
        explained_variance: explained(Moments::of(&errors)?.population_variance()),
    })
}
