//! P-values by permuting labels: valid at any size and dimension, whatever the law of the rows.

use crate::error::Result;
use crate::random::Random;
use crate::stats::check;
use serde::{Deserialize, Serialize};

/// Statistics that differ by less than this are equal: they are sums in another order.
const SLACK: f64 = 1e-12;

/// A statistic that grows as two samples differ, of pooled rows of which some carry the label x.
pub trait Statistic {
    /// Rows of both samples.
    fn pooled(&self) -> usize;
    /// Rows of x; the first so many are those of the sample as it was seen.
    fn x_len(&self) -> usize;
    /// Its value where the rows at the places `x` (rising) carry the label x.
    fn value(&self, x: &[usize]) -> f64;

    /// Its value for the samples as they were seen.
    fn observed(&self) -> f64 {
        self.value(&(0..self.x_len()).collect::<Vec<_>>())
    }
}

/// How many permutations are drawn, and when no more are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permutations {
    /// At most so many; the smallest p is 1 / (1 + most). Default 999.
    pub most: u32,
    /// Stops once so many reached the observed statistic (Besag and Clifford 1991); none never stops. Default 20.
    ///
    /// Only p-values that are large anyway lose digits: p below 20 / most is the same as without.
    pub stop_after: Option<u32>,
    /// Seeds the permutations.
    pub seed: u64,
}

impl Default for Permutations {
    fn default() -> Self {
        Permutations { most: 999, stop_after: Some(20), seed: 0 }
    }
}

/// The outcome of a permutation test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PermutationTest {
    /// The observed statistic.
    pub statistic: f64,
    /// The p-value: never 0.
    pub p: f64,
    /// Permutations that were drawn.
    pub permutations: u32,
    /// How many of them reached the observed statistic.
    pub reached: u32,
}

/// Tests by random permutations. Costs up to `most` times the statistic and a shuffle.
///
/// # Errors
/// No permutations, or a stop after none.
pub fn permute(statistic: &impl Statistic, permutations: Permutations) -> Result<PermutationTest> {
    let Permutations { most, stop_after, seed } = permutations;
    check::at_least("the permutations", most as usize, 1)?;
    check::at_least("the permutations to stop after", stop_after.unwrap_or(1) as usize, 1)?;
    let mut random = Random::seeded(seed, 0);
    let mut places: Vec<usize> = (0..statistic.pooled()).collect();
    let (observed, count) = (statistic.observed(), statistic.x_len());
    let mut reached = 0;
    for drawn in 1..=most {
        // The first of a shuffle are drawn without return, whatever order the list was in.
        for place in 0..count {
            let other = place + random.below((statistic.pooled() - place) as u64) as usize;
            places.swap(place, other);
        }
        reached += u32::from(statistic.value(&sorted(&places[..count])) >= observed - SLACK);
        if stop_after == Some(reached) {
            let p = f64::from(reached) / f64::from(drawn);
            return Ok(PermutationTest { statistic: observed, p, permutations: drawn, reached });
        }
    }
    let p = (1.0 + f64::from(reached)) / (1.0 + f64::from(most));
    Ok(PermutationTest { statistic: observed, p, permutations: most, reached })
}

/// Tests by permutations that are given: each holds every pooled place once, and its first become x.
///
/// # Errors
/// No permutations, or one of another length or with a place that is missing.
pub fn permute_with(statistic: &impl Statistic, permutations: &[Vec<usize>]) -> Result<PermutationTest> {
    check::at_least("the permutations", permutations.len(), 1)?;
    let (observed, mut reached) = (statistic.observed(), 0);
    for permutation in permutations {
        check::same_length("a permutation and the pooled rows", permutation.len(), statistic.pooled())?;
        let whole = sorted(permutation).into_iter().enumerate().all(|(want, place)| want == place);
        if !whole {
            return Err(crate::error::Error::invalid("a permutation misses a place").mend("hold every place once"));
        }
        reached += u32::from(statistic.value(&sorted(&permutation[..statistic.x_len()])) >= observed - SLACK);
    }
    let count = permutations.len() as u32;
    let p = (1.0 + f64::from(reached)) / (1.0 + f64::from(count));
    Ok(PermutationTest { statistic: observed, p, permutations: count, reached })
}

fn sorted(places: &[usize]) -> Vec<usize> {
    let mut places = places.to_vec();
    places.sort_unstable();
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mean place of x: large where x are the last.
    struct Place(usize);

    impl Statistic for Place {
        fn pooled(&self) -> usize {
            12
        }
        fn x_len(&self) -> usize {
            self.0
        }
        fn value(&self, x: &[usize]) -> f64 {
            -(x.iter().sum::<usize>() as f64)
        }
    }

    #[test]
    fn p_is_the_share_of_labellings() {
        // One of 12·11/2 pairs of places is as early as the first two.
        let all = Permutations { most: 20_000, stop_after: None, seed: 4 };
        let test = permute(&Place(2), all).unwrap();
        assert!((test.p - 1.0 / 66.0).abs() < 0.003, "{}", test.p);
    }

    #[test]
    fn early_stopping_ends_where_nothing_is_to_be_found() {
        let test = permute(&Place(12), Permutations::default()).unwrap();
        assert_eq!((test.p, test.permutations, test.reached), (1.0, 20, 20));
        assert!(permute(&Place(2), Permutations { most: 0, ..Permutations::default() }).is_err());
        assert!(permute_with(&Place(2), &[vec![0; 12]]).is_err());
    }
}
