//! Values that stand out from the rest of theirs.

use super::check;
use super::quantile::median;
use crate::error::Result;

/// The cut-off of Iglewicz and Hoaglin (1993).
pub const CUT: f64 = 3.5;

/// The modified z-score of every value: 0.67449·(value - median) / MAD, MAD the median distance from the median.
///
/// Where more than half of the values are equal, MAD is 0: the score is then 0 for the median and infinite, with the
/// sign of the difference, for all others. Costs two sorts.
///
/// # Errors
/// An empty sample, or a value that is not finite.
pub fn modified_z(values: &[f64]) -> Result<Vec<f64>> {
    check::sample("the sample", values)?;
    let center = median(values)?;
    let spread = median(&values.iter().map(|value| (value - center).abs()).collect::<Vec<_>>())?;
    let score = |step: f64| if step == 0.0 { 0.0 } else { 0.67449 * step / spread };
    Ok(values.iter().map(|value| score(value - center)).collect())
}

/// The places of values whose |modified z| is greater than `cut`.
pub fn anomalies(values: &[f64], cut: f64) -> Result<Vec<usize>> {
    check::positive("the cut", cut)?;
    let scores = modified_z(values)?;
    Ok((0..values.len()).filter(|&place| scores[place].abs() > cut).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_stands_out() {
        assert_eq!(anomalies(&[1.0, 1.2, 0.9, 1.1, 40.0], CUT).unwrap(), [4]);
        assert_eq!(anomalies(&[2.0, 2.0, 2.0, 3.0], CUT).unwrap(), [3]);
        assert_eq!(anomalies(&[2.0; 4], CUT).unwrap(), Vec::<usize>::new());
    }
}
