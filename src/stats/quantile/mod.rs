//! Quantiles: of numbers at hand, and of streams through sketches that merge.

mod buckets;
mod kll;

pub use buckets::Buckets;
pub use kll::Kll;

use super::check;
use crate::error::Result;

/// The value below which the share `rank` of `values` lies, with straight lines between neighbours (numpy's `linear`).
///
/// # Errors
/// An empty sample, a value that is not finite, or a rank outside 0 ..= 1. Costs a sort.
pub fn percentile(values: &[f64], rank: f64) -> Result<f64> {
    Ok(percentiles(values, &[rank])?[0])
}

/// Several at the cost of one.
pub fn percentiles(values: &[f64], ranks: &[f64]) -> Result<Vec<f64>> {
    check::sample("the sample", values)?;
    for &rank in ranks {
        check::within("a rank", rank, 0.0, 1.0)?;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    Ok(ranks.iter().map(|&rank| percentile_of_sorted(&sorted, rank)).collect())
}

/// The middle value, or the mean of the middle two.
pub fn median(values: &[f64]) -> Result<f64> {
    percentile(values, 0.5)
}

/// The same of values that are sorted, not empty, and a rank within 0 ..= 1.
pub(super) fn percentile_of_sorted(sorted: &[f64], rank: f64) -> f64 {
    let place = rank * (sorted.len() - 1) as f64;
    let (low, share) = (place.floor() as usize, place.fract());
    let (from, to) = (sorted[low], sorted[(low + 1).min(sorted.len() - 1)]);
    // From the nearer end, as numpy does, so that share 1 gives `to` itself.
    if share >= 0.5 { to - (to - from) * (1.0 - share) } else { from + (to - from) * share }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn straight_between_neighbours() {
        assert_eq!(percentiles(&[4.0, 1.0, 2.0], &[0.0, 0.25, 0.5, 1.0]).unwrap(), [1.0, 1.5, 2.0, 4.0]);
        assert!(percentile(&[], 0.5).is_err() && percentile(&[1.0], 1.5).is_err());
    }
}
