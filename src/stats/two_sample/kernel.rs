//! The squared maximum mean discrepancy of a Gaussian kernel (Gretton and others 2012).

use super::distances::{Distances, Pairs};
use super::permutation::Statistic;
use crate::error::{Error, Result};
use crate::stats::check;

/// Which pairs of a sample with itself count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum Form {
    /// All pairs: never below 0, and above 0 without drift.
    Biased,
    /// Without a row with itself: about 0 without drift.
    #[default]
    Unbiased,
}

/// E k(X, X') + E k(Y, Y') - 2·E k(X, Y), k = exp(-distance² / (2·bandwidth²)).
#[derive(Debug, Clone)]
pub struct Mmd {
    x_len: usize,
    form: Form,
    bandwidth: f64,
    pairs: Pairs,
}

impl Mmd {
    /// With the median of all pooled distances as bandwidth, which stays the same under every permutation.
    ///
    /// # Errors
    /// More than half of all pairs are equal rows: give a bandwidth.
    pub fn new(distances: &Distances, form: Form) -> Result<Mmd> {
        let bandwidth = distances.median();
        if bandwidth == 0.0 {
            return Err(Error::invalid("the median distance of the rows is 0").mend("give a bandwidth of your own"));
        }
        Mmd::with_bandwidth(distances, form, bandwidth)
    }

    /// With a bandwidth above 0. A permutation costs min(n, m)²/2 additions.
    pub fn with_bandwidth(distances: &Distances, form: Form, bandwidth: f64) -> Result<Mmd> {
        check::positive("the bandwidth", bandwidth)?;
        let pairs = distances.pairs(|distance| (-0.5 * (distance / bandwidth).powi(2)).exp());
        Ok(Mmd { x_len: distances.x_len(), form, bandwidth, pairs })
    }

    /// The bandwidth, in units of the distance.
    pub fn bandwidth(&self) -> f64 {
        self.bandwidth
    }
}

impl Statistic for Mmd {
    fn pooled(&self) -> usize {
        self.pairs.len()
    }

    fn x_len(&self) -> usize {
        self.x_len
    }

    fn value(&self, x: &[usize]) -> f64 {
        let (n, m) = (x.len() as f64, (self.pairs.len() - x.len()) as f64);
        let sums = self.pairs.sums(x);
        let between = 2.0 * sums.xy / (n * m);
        match self.form {
            Form::Biased => (2.0 * sums.xx + n) / (n * n) + (2.0 * sums.yy + m) / (m * m) - between,
            Form::Unbiased => 2.0 * sums.xx / (n * (n - 1.0)) + 2.0 * sums.yy / (m * (m - 1.0)) - between,
        }
    }
}
