//! Rates as beta laws that counts sharpen.

use super::Arm;
use crate::error::Result;
use crate::stats::{check, special};
use serde::{Deserialize, Serialize};

/// Intervals of the integral.
const STEPS: usize = 4_000;

/// A beta law over a rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Beta {
    /// Above 0; successes add to it.
    pub alpha: f64,
    /// Above 0; failures add to it.
    pub beta: f64,
}

impl Beta {
    /// A law; (1, 1) knows nothing.
    pub fn new(alpha: f64, beta: f64) -> Result<Beta> {
        check::positive("alpha", alpha)?;
        check::positive("beta", beta)?;
        Ok(Beta { alpha, beta })
    }

    /// After the trials of an arm.
    pub fn after(self, arm: Arm) -> Result<Beta> {
        arm.check()?;
        Beta::new(self.alpha + arm.successes as f64, self.beta + (arm.trials - arm.successes) as f64)
    }

    /// The mean rate.
    pub fn mean(self) -> f64 {
        self.alpha / (self.alpha + self.beta)
    }

    /// The interval with equal tails that holds the rate with chance `confidence`.
    pub fn interval(self, confidence: f64) -> Result<(f64, f64)> {
        check::open_unit("the confidence", confidence)?;
        let tail = (1.0 - confidence) / 2.0;
        let at = |share| special::beta_quantile(share, self.alpha, self.beta);
        Ok((at(tail), at(1.0 - tail)))
    }
}

/// P(rate of B > rate of A), right to about 1e-6. Costs 4,000 values of the beta function.
pub fn chance_of_larger(a: Beta, b: Beta) -> Result<f64> {
    // Over equal shares of B: the mean of P(A < b), which is smooth and within 0 ..= 1.
    let (low, high) = b.interval(1.0 - 1e-12)?;
    let step = (high - low) / STEPS as f64;
    let mut chance = 0.0;
    let mut before = special::beta_below(low, b.alpha, b.beta);
    for k in 0..STEPS {
        let to = low + step * (k + 1) as f64;
        let after = special::beta_below(to, b.alpha, b.beta);
        chance += (after - before) * special::beta_below(to - 0.5 * step, a.alpha, a.beta);
        before = after;
    }
    Ok(chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_sum_to_one() {
        let know = |successes, trials| Beta::new(1.0, 1.0).unwrap().after(Arm { successes, trials }).unwrap();
        let (a, b) = (know(80, 100), know(90, 100));
        let (there, back) = (chance_of_larger(a, b).unwrap(), chance_of_larger(b, a).unwrap());
        assert!((there + back - 1.0).abs() < 1e-6 && there > 0.95);
        // Beta(1, 1) against Beta(2, 1): 2/3.
        let chance = chance_of_larger(Beta::new(1.0, 1.0).unwrap(), Beta::new(2.0, 1.0).unwrap()).unwrap();
        assert!((chance - 2.0 / 3.0).abs() < 1e-6);
    }
}
