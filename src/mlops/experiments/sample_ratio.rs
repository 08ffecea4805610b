//! Whether users were divided as planned.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::stats::chi_square;
use crate::stats::sequential::SampleRatio;
use crate::stats::softmax::log_sum_exp;

/// A split of users this unlikely shows that they were not divided as planned.
const LEVEL: f64 = 0.001;
/// How close to the plan a wrong split may be, as users that a prior counts: from some that are far off, which few users
/// show, to some that are off by half a percent.
const CONCENTRATIONS: [f64; 3] = [100.0, 1_000.0, 10_000.0];

/// Whether users were divided as planned.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SampleRatioCheck {
    /// Users of A who were to be expected.
    pub expected_a: f64,
    /// Users of B who were to be expected.
    pub expected_b: f64,
    /// The p of chi-square, for one look at a fixed end; shown beside the other.
    pub p: f64,
    /// The always-valid p, the smallest so far (Lindon and Malek, "Anytime-valid inference for multinomial count data",
    /// 2022): it may be looked at every day.
    pub p_always_valid: f64,
    /// Whether the always-valid p is below 0.001, so that nobody can win.
    pub mismatch: bool,
}

/// Users by the share of them who were to get B, as bits of that number, and variant.
pub(super) type Divided = BTreeMap<u64, [u64; 2]>;

/// Checks how users were divided; none without users. `smallest_p` is the smallest always-valid p that was seen before.
pub(super) fn check(divided: &Divided, smallest_p: f64) -> Result<Option<SampleRatioCheck>> {
    let [a, b] = divided.values().fold([0, 0], |[a, b], counts| [a + counts[0], b + counts[1]]);
    if a + b == 0 {
        return Ok(None);
    }
    let expected = |(share, counts): (&u64, &[u64; 2])| f64::from_bits(*share) * (counts[0] + counts[1]) as f64;
    let expected_b: f64 = divided.iter().map(expected).sum();
    let expected_a = (a + b) as f64 - expected_b;
    let p = chi_square::goodness_of_fit(&[a, b], &[expected_a, expected_b])?.p;
    let p_always_valid = always_valid(divided)?.min(smallest_p);
    Ok(Some(SampleRatioCheck { expected_a, expected_b, p, p_always_valid, mismatch: p_always_valid < LEVEL }))
}

/// One over the Bayes factor against the plan, at most 1.
///
/// Where the plan is kept, the factor is a martingale that begins at 1: that of users with one share, so the product over
/// the shares of a ramp, since each user changes one of them, and so the mean over the concentrations. Ville's inequality
/// bounds how often it ever gets above 1 / p.
fn always_valid(divided: &Divided) -> Result<f64> {
    let ln_factor = |concentration: &f64| -> Result<f64> {
        let of_share = |(share, counts): (&u64, &[u64; 2])| {
            let share = f64::from_bits(*share);
            let mut test = SampleRatio::new(&[1.0 - share, share], *concentration)?;
            test.add(counts)?;
            Ok(test.ln_factor())
        };
        divided.iter().map(of_share).sum()
    };
    let factors = CONCENTRATIONS.iter().map(ln_factor).collect::<Result<Vec<f64>>>()?;
    let ln_mean = log_sum_exp(&factors)? - (CONCENTRATIONS.len() as f64).ln();
    Ok((-ln_mean).exp().min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn divided(groups: &[(f64, [u64; 2])]) -> Divided {
        groups.iter().map(|(share, counts)| (share.to_bits(), *counts)).collect()
    }

    fn checked(groups: &[(f64, [u64; 2])]) -> SampleRatioCheck {
        check(&divided(groups), 1.0).unwrap().unwrap()
    }

    #[test]
    fn wrong_splits_of_every_size_are_seen_and_right_ones_are_not() {
        assert!(check(&Divided::new(), 1.0).unwrap().is_none());
        for wrong in [[50, 0], [500, 350], [5_300, 4_700], [101_200, 98_800]] {
            assert!(checked(&[(0.5, wrong)]).mismatch, "{wrong:?}");
        }
        for right in [[1, 0], [12, 5], [500, 480], [100_000, 99_800]] {
            assert!(!checked(&[(0.5, right)]).mismatch, "{right:?}");
        }
    }

    #[test]
    fn every_part_of_a_ramp_counts_with_its_own_share() {
        let right = [(0.1, [900, 100]), (0.5, [500, 500])];
        let check = checked(&right);
        assert_eq!((check.expected_a, check.expected_b, check.mismatch), (1_400.0, 600.0, false));
        // The sums are as planned, neither part is.
        let wrong = checked(&[(0.1, [750, 250]), (0.5, [650, 350])]);
        assert!(wrong.p > 0.9 && wrong.mismatch);
    }

    #[test]
    fn what_was_seen_once_stays_seen() {
        let even = divided(&[(0.5, [500, 500])]);
        assert!(check(&even, 0.0009).unwrap().unwrap().mismatch);
        assert!(!check(&even, 0.001).unwrap().unwrap().mismatch, "the level itself blocks nobody");
    }

    /// 300 splits as planned, looked at every 100 of 2,000 users, at the level and at one that can be counted.
    #[test]
    fn looking_often_blocks_no_experiment_that_was_divided_as_planned() {
        let (mut blocked, mut small, mut fooled) = (0, 0, 0);
        for seed in 0..300 {
            let (mut random, mut counts, mut smallest, mut smallest_fixed) =
                (Random::seeded(seed, 8), [0, 0], 1.0, 1f64);
            for user in 1..=2_000 {
                counts[usize::from(random.unit() < 0.5)] += 1;
                if user % 100 == 0 {
                    let found = check(&divided(&[(0.5, counts)]), smallest).unwrap().unwrap();
                    (smallest, smallest_fixed) = (found.p_always_valid, smallest_fixed.min(found.p));
                }
            }
            blocked += u32::from(smallest < LEVEL);
            small += u32::from(smallest < 0.05);
            fooled += u32::from(smallest_fixed < 0.05);
        }
        assert_eq!(blocked, 0, "of 300, a level of 0.001 allows for 0.3");
        assert!(small * 20 <= 300, "{small} of 300 below 0.05");
        assert!(fooled * 20 > 300 * 3, "chi-square is for one look: {fooled}");
    }
}
