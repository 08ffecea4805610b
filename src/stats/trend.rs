//! Does a series rise or fall?

use super::quantile::percentile_of_sorted;
use super::{check, ranks, special};
use crate::error::Result;

/// Values of a series that is compared pair by pair, at most: the pairs then take 100 MB.
const MOST: usize = 5_000;

/// Mann and Kendall's test and Theil and Sen's slope: neither minds outliers.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct MannKendall {
    /// Kendall's tau-b against time, from -1 to 1; 0 for a constant series.
    pub tau: f64,
    /// Two-sided p: exact without ties up to 33 values or where one pair or less is out of order, else normal.
    pub p: f64,
    /// The median slope over all pairs, per step.
    pub slope: f64,
    /// Its interval at 95 % (Sen 1968).
    pub slope_ci95: (f64, f64),
}

/// Tests a series at even steps. Costs n² log n.
///
/// # Errors
/// Fewer than three values or more than 5,000, or one that is not finite.
pub fn mann_kendall(series: &[f64]) -> Result<MannKendall> {
    check::at_least("the series", series.len(), 3)?;
    check::at_most("the series", series.len(), MOST)?;
    check::finite("the series", series)?;
    let n = series.len();
    let (mut slopes, mut score) = (Vec::with_capacity(n * (n - 1) / 2), 0i64);
    for i in 0..n {
        for j in i + 1..n {
            let step = series[j] - series[i];
            slopes.push(step / (j - i) as f64);
            score += i64::from(step > 0.0) - i64::from(step < 0.0);
        }
    }
    slopes.sort_by(f64::total_cmp);
    let size = n as f64;
    let pairs = size * (size - 1.0) / 2.0;
    let (tied, adjust) = ties(series);
    let untied = pairs - tied;
    let tau = if untied > 0.0 { score as f64 / (pairs * untied).sqrt() } else { 0.0 };
    let variance = (size * (size - 1.0) * (2.0 * size + 5.0) - adjust) / 18.0;
    Ok(MannKendall {
        tau,
        p: kendall_p(score, n, tied, variance),
        slope: percentile_of_sorted(&slopes, 0.5),
        slope_ci95: interval(&slopes, variance.sqrt()),
    })
}

/// Pairs of equal values, and Σ t·(t - 1)·(2t + 5) over groups of t of them.
fn ties(series: &[f64]) -> (f64, f64) {
    let (ranks, _) = ranks::ranks(series);
    let mut sorted = ranks;
    sorted.sort_by(f64::total_cmp);
    sorted.chunk_by(|a, b| a == b).fold((0.0, 0.0), |(pairs, adjust), group| {
        let t = group.len() as f64;
        (pairs + t * (t - 1.0) / 2.0, adjust + t * (t - 1.0) * (2.0 * t + 5.0))
    })
}

fn kendall_p(score: i64, n: usize, tied: f64, variance: f64) -> f64 {
    let pairs = (n * (n - 1) / 2) as i64;
    let out_of_order = (pairs - score.abs()) / 2;
    if tied == 0.0 && (n <= 33 || out_of_order <= 1) {
        return exact(n, out_of_order as usize);
    }
    if variance <= 0.0 { 1.0 } else { special::normal_two_sided(score as f64 / variance.sqrt()) }
}

/// Twice the share of orders of n values with at most so many pairs out of order, which is the smaller side.
fn exact(n: usize, most: usize) -> f64 {
    let mut share = vec![0.0; most + 1];
    share[0] = 1.0;
    for size in 2..=n {
        // A value more can be put out of order with 0 .. size of the others.
        let before = share.clone();
        for (count, share) in share.iter_mut().enumerate() {
            let from = (count + 1).saturating_sub(size);
            *share = before[from..=count].iter().sum::<f64>() / size as f64;
        }
    }
    (2.0 * share.iter().sum::<f64>()).min(1.0)
}

fn interval(slopes: &[f64], deviation: f64) -> (f64, f64) {
    let z = special::normal_quantile_upper(0.025) * deviation;
    let count = slopes.len() as f64;
    let upper = ((count + z) / 2.0).round_ties_even().min(count - 1.0).max(0.0) as usize;
    let lower = (((count - z) / 2.0).round_ties_even() - 1.0).max(0.0) as usize;
    (slopes[lower.min(slopes.len() - 1)], slopes[upper])
}

/// A straight line by least squares.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Line {
    /// Per step.
    pub slope: f64,
    /// The value at the first step.
    pub intercept: f64,
    /// The standard error of the slope.
    pub slope_error: f64,
    /// Two-sided p of a slope of 0, by Student's law: trust it where the steps are independent.
    pub slope_p: f64,
}

/// Fits a line to a series at the steps 0, 1, 2 … Costs one pass.
///
/// # Errors
/// Fewer than three values, or one that is not finite.
pub fn line(series: &[f64]) -> Result<Line> {
    check::at_least("the series", series.len(), 3)?;
    check::finite("the series", series)?;
    let n = series.len() as f64;
    let (mid, mean) = ((n - 1.0) / 2.0, series.iter().sum::<f64>() / n);
    let steps = || series.iter().enumerate().map(|(step, value)| (step as f64 - mid, value - mean));
    let square: f64 = steps().map(|(step, _)| step * step).sum();
    let slope = steps().map(|(step, value)| step * value).sum::<f64>() / square;
    let rest: f64 = steps().map(|(step, value)| (value - slope * step).powi(2)).sum();
    let slope_error = (rest / (n - 2.0) / square).sqrt();
    let slope_p = if slope == 0.0 { 1.0 } else { special::student_two_sided(slope / slope_error, n - 2.0) };
    Ok(Line { slope, intercept: mean - slope * mid, slope_error, slope_p })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rising_series_rises() {
        let test = mann_kendall(&[1.0, 2.0, 3.0, 4.0]).unwrap();
        // Of 24 orders one rises and one falls.
        assert!((test.p - 2.0 / 24.0).abs() < 1e-15);
        assert_eq!((test.tau, test.slope), (1.0, 1.0));
        let flat = mann_kendall(&[5.0; 6]).unwrap();
        assert_eq!((flat.tau, flat.p, flat.slope), (0.0, 1.0, 0.0));
        assert!(
            mann_kendall(&[1.0, 2.0]).is_err()
                && mann_kendall(&[0.0; 5_001]).is_err()
                && line(&[1.0, f64::NAN, 2.0]).is_err()
        );
        assert_eq!(line(&[5.0; 6]).unwrap().slope_p, 1.0);
    }
}
