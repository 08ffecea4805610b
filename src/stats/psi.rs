//! The population stability index: how far the shares of bins have moved, with the p-value that it comes without.
//!
//! PSI = Σ (q - p)·ln(q/p), p the shares of the reference and q those of the current sample. Without drift it is not 0 but
//! close to (bins - 1)·(1/n + 1/m), so a fixed cut-off alarms on small samples; PSI/(1/n + 1/m) follows the chi-square law
//! with bins - 1 degrees of freedom, which gives [`Psi::p`].

use super::quantile::percentile_of_sorted;
use super::{check, special};
use crate::error::{Error, Result};

/// Shares below this become this; the usual choice, and the default of the monitors.
pub const FLOOR: f64 = 1e-4;

/// How values fall into bins: by the inner edges, of which each belongs to the bin above it.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Bins {
    edges: Vec<f64>,
    degenerate: bool,
}

impl Bins {
    /// `count` bins of equal share of `reference` (linear quantiles), equal edges collapsed.
    pub fn quantile(reference: &[f64], count: usize) -> Result<Bins> {
        check::sample("the reference", reference)?;
        check::at_least("the binning", count, 2)?;
        let mut sorted = reference.to_vec();
        sorted.sort_by(f64::total_cmp);
        let mut edges: Vec<f64> = (0..=count).map(|k| percentile_of_sorted(&sorted, k as f64 / count as f64)).collect();
        edges.dedup();
        let kept = edges.len().saturating_sub(1);
        Ok(Bins { degenerate: kept < count, edges: edges.get(1..kept).unwrap_or_default().to_vec() })
    }

    /// `count` bins of equal width over the range of `reference`.
    pub fn width(reference: &[f64], count: usize) -> Result<Bins> {
        check::sample("the reference", reference)?;
        check::at_least("the binning", count, 2)?;
        let low = reference.iter().copied().fold(f64::INFINITY, f64::min);
        let high = reference.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let step = (high - low) / count as f64;
        let edges = (1..count).map(|k| low + step * k as f64).collect();
        Ok(Bins { edges, degenerate: low == high })
    }

    /// Bins by their inner edges, rising.
    pub fn at(edges: Vec<f64>) -> Result<Bins> {
        check::finite("the list of edges", &edges)?;
        if !edges.is_sorted_by(|a, b| a < b) {
            return Err(Error::invalid("the edges of bins do not rise").mend("sort them and drop equal ones"));
        }
        Ok(Bins { degenerate: edges.is_empty(), edges })
    }

    /// The edges between bins, one fewer than there are bins.
    pub fn edges(&self) -> &[f64] {
        &self.edges
    }

    /// Whether the reference gave fewer bins than were asked for, because its values repeat.
    pub fn degenerate(&self) -> bool {
        self.degenerate
    }

    /// How many of `values` fall into each bin.
    pub fn counts(&self, values: &[f64]) -> Result<Vec<u64>> {
        check::finite("the sample", values)?;
        let mut counts = vec![0; self.edges.len() + 1];
        values.iter().for_each(|value| counts[self.edges.partition_point(|edge| edge <= value)] += 1);
        Ok(counts)
    }
}

/// The index and what to think of it.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Psi {
    /// The index, from 0 without a bound.
    pub psi: f64,
    /// The chance of such an index or a larger one without drift; 1 where there is one bin. Trust it where
    /// [`Psi::share_below_5`] is small.
    pub p: f64,
    /// What the index is on average without drift, at these sample sizes.
    pub noise: f64,
    /// The number of bins that either sample reached.
    pub bins: usize,
    /// Whether shares had to be lifted to the floor: the floor then decides part of the index.
    pub floored: bool,
    /// Whether the binning cannot see a change: one bin, or fewer than asked for.
    pub degenerate: bool,
    /// The share of cells with an expected count below 5, where the p-value is shaky.
    pub share_below_5: f64,
}

/// The index of `current` against `reference`, both numbers. Costs n·log(bins).
pub fn of_values(reference: &[f64], current: &[f64], bins: &Bins, floor: f64) -> Result<Psi> {
    check::at_least("the reference", reference.len(), 1)?;
    check::at_least("the current sample", current.len(), 1)?;
    let psi = of_counts(&bins.counts(reference)?, &bins.counts(current)?, floor)?;
    Ok(Psi { degenerate: psi.degenerate || bins.degenerate(), ..psi })
}

/// The index of counts per bin or category; both lists in the same order, 0 where a category is missing.
///
/// Shares below `floor` become `floor`, without renormalising.
pub fn of_counts(reference: &[u64], current: &[u64], floor: f64) -> Result<Psi> {
    check::same_length("the counts", reference.len(), current.len())?;
    check::open_unit("the floor", floor)?;
    let (n, m) = (total("the reference", reference)?, total("the current sample", current)?);
    let mut psi = 0.0;
    let (mut reached, mut below, mut floored) = (0, 0, false);
    for (&a, &b) in reference.iter().zip(current) {
        let (p, q) = (a as f64 / n, b as f64 / m);
        if a > 0 || b > 0 {
            reached += 1;
            let pooled = (a as f64 + b as f64) / (n + m);
            below += usize::from(pooled * n < 5.0) + usize::from(pooled * m < 5.0);
            floored |= p < floor || q < floor;
        }
        let (p, q) = (p.max(floor), q.max(floor));
        psi += (q - p) * (q / p).ln();
    }
    let (spread, free) = (1.0 / n + 1.0 / m, reached as f64 - 1.0);
    Ok(Psi {
        psi,
        p: special::chi_square_tail(psi / spread, free),
        noise: free * spread,
        bins: reached,
        floored,
        degenerate: reached < 2,
        share_below_5: below as f64 / (2 * reached) as f64,
    })
}

fn total(what: &str, counts: &[u64]) -> Result<f64> {
    let sum = counts.iter().map(|&count| count as f64).sum();
    check::positive(&format!("the sum over {what}"), sum)?;
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_shares_give_nothing() {
        let psi = of_counts(&[10, 20, 30], &[1, 2, 3], FLOOR).unwrap();
        assert_eq!((psi.psi, psi.p, psi.floored, psi.degenerate), (0.0, 1.0, false, false));
        assert!(psi.share_below_5 > 0.0);
    }

    #[test]
    fn a_constant_reference_is_told() {
        let bins = Bins::quantile(&[2.0; 9], 10).unwrap();
        let psi = of_values(&[2.0; 9], &[5.0; 9], &bins, FLOOR).unwrap();
        assert_eq!((psi.psi, psi.degenerate), (0.0, true));
        assert!(of_values(&[2.0; 9], &[], &bins, FLOOR).is_err());
    }

    #[test]
    fn edges_belong_to_the_bin_above() {
        let bins = Bins::at(vec![1.0, 2.0]).unwrap();
        assert_eq!(bins.counts(&[0.9, 1.0, 1.9, 2.0, 9.0]).unwrap(), [1, 2, 2]);
        assert!(Bins::at(vec![2.0, 2.0]).is_err());
    }
}
