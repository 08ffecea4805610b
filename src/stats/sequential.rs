//! Tests that may be looked at after every user: their error holds over all looks together.

use super::ab::fewest_users;
use super::{check, special};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// The mixture sequential probability ratio test of two rates (Johari, Koomen, Pekelis and Walsh 2017).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Msprt {
    tau: f64,
    alpha: f64,
    p: f64,
}

/// One look at a running test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// Rate of B less that of A.
    pub difference: f64,
    /// Its variance, each rate moved a little towards a half: r = (successes + 1)/(n + 2).
    pub variance: f64,
    /// The logarithm of the likelihood ratio of the mixture.
    pub ln_ratio: f64,
    /// The always-valid p: the smallest of all looks so far.
    pub p: f64,
    /// The difference is within this of its estimate, at every look together, with confidence 1 - alpha.
    pub half_width: f64,
}

impl Msprt {
    /// `tau` is the difference of rates that is hoped for, as a standard deviation; `alpha` the level.
    pub fn new(tau: f64, alpha: f64) -> Result<Msprt> {
        check::positive("tau", tau)?;
        check::open_unit("the level", alpha)?;
        Ok(Msprt { tau, alpha, p: 1.0 })
    }

    /// Looks at the counts so far: (successes, users) of A and of B.
    ///
    /// # Errors
    /// An arm without users, or with more successes than users; nothing changes then.
    pub fn look(&mut self, a: (u64, u64), b: (u64, u64)) -> Result<Look> {
        let (rate_a, part_a) = arm(a)?;
        let (rate_b, part_b) = arm(b)?;
        self.look_at(rate_b - rate_a, part_a + part_b)
    }

    /// Looks at a difference of means or of anything else that is about normal, and at its variance as estimated so far.
    ///
    /// # Errors
    /// A difference that is not finite, or a variance that is not above 0; nothing changes then.
    pub fn look_at(&mut self, difference: f64, variance: f64) -> Result<Look> {
        check::finite("the difference", &[difference])?;
        check::positive("the variance", variance)?;
        let (v, t) = (variance, self.tau * self.tau);
        let ln_ratio = 0.5 * (v / (v + t)).ln() + t * difference * difference / (2.0 * v * (v + t));
        self.p = self.p.min((-ln_ratio).exp());
        Ok(Look { difference, variance: v, ln_ratio, p: self.p, half_width: self.half_width(v) })
    }

    /// The `tau` with which the interval of [`Look::half_width`] is narrowest when the difference has this variance: where
    /// its derivative is 0, tau² = k · variance with k = ln((1 + k) / alpha²).
    ///
    /// # Errors
    /// A variance that is not above 0, or a level outside 0 .. 1.
    pub fn tightest_tau(variance: f64, alpha: f64) -> Result<f64> {
        check::positive("the variance", variance)?;
        check::open_unit("the level", alpha)?;
        // The map is a contraction: its slope is 1 / (1 + k).
        let k = (0..64).fold(1.0f64, |k, _| ((1.0 + k) / (alpha * alpha)).ln());
        Ok((k * variance).sqrt())
    }

    /// Users, not rounded, after whom a test with `tau` of a true difference has found it with chance `power` at least; the
    /// difference has the variance `spread / users`. Only the look at that user is counted, so looking before finds it
    /// sooner.
    ///
    /// # Errors
    /// A difference of 0 or too small for 10^15 users, a spread that is not above 0, or a level and power not in 0 .. 1.
    pub fn users_to_find(difference: f64, spread: f64, alpha: f64, power: f64) -> Result<f64> {
        check::positive("the difference", difference.abs())?;
        check::positive("the spread", spread)?;
        check::open_unit("the power", power)?;
        let test = Msprt::new(difference.abs(), alpha)?;
        let missing = |users: f64| {
            let variance = spread / users;
            power - special::normal_tail((test.half_width(variance) - difference.abs()) / variance.sqrt())
        };
        fewest_users(missing)
    }

    fn half_width(&self, v: f64) -> f64 {
        let t = self.tau * self.tau;
        (v * (v + t) / t * ((v + t) / (self.alpha * self.alpha * v)).ln()).sqrt()
    }

    /// The always-valid p so far.
    pub fn p(&self) -> f64 {
        self.p
    }
}

/// The rate of an arm, and its part of the variance.
fn arm((successes, users): (u64, u64)) -> Result<(f64, f64)> {
    check::at_least("an arm", users.min(1) as usize, 1)?;
    check::within("the successes of an arm", successes as f64, 0.0, users as f64)?;
    let n = users as f64;
    let rate = (successes as f64 + 1.0) / (n + 2.0);
    Ok((successes as f64 / n, rate * (1.0 - rate) / n))
}

/// A check of the split of users that may be looked at every day (Lindon and Malek 2022).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SampleRatio {
    shares: Vec<f64>,
    prior: Vec<f64>,
    ln_factor: f64,
    p: f64,
}

impl SampleRatio {
    /// `weights` (any scale) as planned; `concentration` says how close to them a wrong split is thought to be: 10,000 by
    /// habit.
    ///
    /// # Errors
    /// Fewer than two weights, or one that is not above 0.
    pub fn new(weights: &[f64], concentration: f64) -> Result<SampleRatio> {
        check::at_least("the weights", weights.len(), 2)?;
        check::positive("the concentration", concentration)?;
        let sum = check::weights("the weights", weights)?;
        for &weight in weights {
            check::positive("a weight", weight)?;
        }
        let shares: Vec<f64> = weights.iter().map(|weight| weight / sum).collect();
        let prior = shares.iter().map(|share| share * concentration).collect();
        Ok(SampleRatio { shares, prior, ln_factor: 0.0, p: 1.0 })
    }

    /// Adds the users since the last look, per arm; returns the always-valid p.
    ///
    /// # Errors
    /// A list of another length; nothing changes then.
    pub fn add(&mut self, counts: &[u64]) -> Result<f64> {
        if counts.len() != self.shares.len() {
            let message = format!("{} counts for {} arms", counts.len(), self.shares.len());
            return Err(Error::invalid(message).mend("give one count per arm, 0 where none came"));
        }
        let users = counts.iter().map(|&count| count as f64).sum::<f64>();
        let before: f64 = self.prior.iter().sum();
        self.ln_factor += special::ln_gamma(before) - special::ln_gamma(before + users);
        for ((prior, share), &count) in self.prior.iter_mut().zip(&self.shares).zip(counts) {
            let count = count as f64;
            self.ln_factor += special::ln_gamma(*prior + count) - special::ln_gamma(*prior) - count * share.ln();
            *prior += count;
        }
        self.p = self.p.min((-self.ln_factor).exp());
        Ok(self.p)
    }

    /// The logarithm of the Bayes factor against the planned split.
    pub fn ln_factor(&self) -> f64 {
        self.ln_factor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_other_tau_has_a_narrower_interval() {
        let (variance, alpha) = (0.002, 0.05);
        let tau = Msprt::tightest_tau(variance, alpha).unwrap();
        let width = |tau: f64| Msprt::new(tau, alpha).unwrap().look_at(0.0, variance).unwrap().half_width;
        assert!(width(tau) < width(tau * 1.05) && width(tau) < width(tau / 1.05));
        assert!(Msprt::tightest_tau(0.0, alpha).is_err() && Msprt::new(1.0, alpha).unwrap().look_at(0.1, 0.0).is_err());
    }

    #[test]
    fn as_many_users_as_are_said_find_a_difference() {
        // 85 % against 88 %, 30 % of users in B: 600 simulated runs of 10,000 users found it in 86 %.
        let spread = 0.85 * 0.15 / 0.7 + 0.88 * 0.12 / 0.3;
        let users = |power| Msprt::users_to_find(0.03, spread, 0.05, power).unwrap();
        assert!((9_000.0..11_000.0).contains(&users(0.86)), "{}", users(0.86));
        assert!(users(0.8) < users(0.9) && users(0.8) == Msprt::users_to_find(-0.03, spread, 0.05, 0.8).unwrap());
        for (difference, spread, alpha, power) in
            [(0.0, 1.0, 0.05, 0.8), (0.1, 0.0, 0.05, 0.8), (0.1, 1.0, 1.0, 0.8), (0.1, 1.0, 0.05, f64::NAN)]
        {
            assert!(Msprt::users_to_find(difference, spread, alpha, power).is_err());
        }
    }

    #[test]
    fn bad_counts_change_nothing() {
        let mut test = Msprt::new(0.05, 0.05).unwrap();
        assert!(test.look((3, 2), (1, 2)).is_err() && test.look((0, 0), (1, 2)).is_err());
        assert_eq!(test.p(), 1.0);
        let mut split = SampleRatio::new(&[1.0, 1.0], 10_000.0).unwrap();
        assert!(split.add(&[5]).is_err());
        assert_eq!(split.ln_factor(), 0.0);
        assert!(split.add(&[9_000, 1_000]).unwrap() < 1e-6);
    }
}
