//! A sketch of durations and sizes with a bound on the relative error (DDSketch: Masson, Rim and Lee 2019).

use crate::error::{Error, Result};
use crate::stats::check;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Below this a value counts as 0.
const LEAST: f64 = 1e-9;

/// Counts of values from 0 in buckets whose width grows with the value: a quantile is right to a share of itself.
///
/// At an error of 0.01, values from a nanosecond to a day need at most 1,600 buckets. Merging is exact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Buckets {
    error: f64,
    zeros: u64,
    count: u64,
    sum: f64,
    counts: BTreeMap<i32, u64>,
}

impl Buckets {
    /// Empty; `error` is relative and from 0.0001 to 0.5.
    pub fn new(error: f64) -> Result<Buckets> {
        check::within("the relative error", error, 1e-4, 0.5)?;
        Ok(Buckets { error, zeros: 0, count: 0, sum: 0.0, counts: BTreeMap::new() })
    }

    fn ln_base(&self) -> f64 {
        ((1.0 + self.error) / (1.0 - self.error)).ln()
    }

    /// Adds one value.
    ///
    /// # Errors
    /// One below 0 or not finite; nothing changes then.
    pub fn add(&mut self, value: f64) -> Result<()> {
        check::within("the value", value, 0.0, f64::MAX)?;
        self.count += 1;
        self.sum += value;
        if value < LEAST {
            self.zeros += 1;
        } else {
            *self.counts.entry((value.ln() / self.ln_base()).ceil() as i32).or_default() += 1;
        }
        Ok(())
    }

    /// Adds the values of another.
    ///
    /// # Errors
    /// One of another error.
    pub fn merge(&mut self, other: &Buckets) -> Result<()> {
        if self.error != other.error {
            let message = format!("sketches of error {} and {} do not merge", self.error, other.error);
            return Err(Error::invalid(message).mend("make all sketches with one error"));
        }
        self.zeros += other.zeros;
        self.count += other.count;
        self.sum += other.sum;
        for (&bucket, count) in &other.counts {
            *self.counts.entry(bucket).or_default() += count;
        }
        Ok(())
    }

    /// The sketch, if it is one that adding could have made; for one that was read from a disk.
    pub(crate) fn checked(self) -> Result<Buckets> {
        let counted = self.counts.values().try_fold(self.zeros, |sum, count| sum.checked_add(*count));
        let sound = (1e-4..=0.5).contains(&self.error) && self.sum >= 0.0 && self.sum.is_finite();
        if sound && counted == Some(self.count) && self.count < 1 << 40 {
            return Ok(self);
        }
        Err(Error::invalid("a sketch of durations is damaged"))
    }

    /// Values so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their sum.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// About the value of rank `rank`·(count - 1), rounded down; none before the first.
    ///
    /// # Errors
    /// A rank outside 0 ..= 1.
    pub fn quantile(&self, rank: f64) -> Result<Option<f64>> {
        check::within("a rank", rank, 0.0, 1.0)?;
        if self.count == 0 {
            return Ok(None);
        }
        let wanted = (rank * (self.count - 1) as f64).floor() as u64;
        if wanted < self.zeros {
            return Ok(Some(0.0));
        }
        let mut below = self.zeros;
        Ok(self.counts.iter().find_map(|(&bucket, count)| {
            below += count;
            (below > wanted).then(|| (f64::from(bucket) * self.ln_base()).exp() * (1.0 - self.error))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_their_share() {
        let (mut left, mut right) = (Buckets::new(0.01).unwrap(), Buckets::new(0.01).unwrap());
        for k in 1..=10_000u32 {
            if k % 3 == 0 { &mut left } else { &mut right }.add(f64::from(k).powi(2)).unwrap();
        }
        left.merge(&right).unwrap();
        for percent in 0..=100 {
            let rank = f64::from(percent) / 100.0;
            let want = ((rank * 9_999.0).floor() + 1.0).powi(2);
            let got = left.quantile(rank).unwrap().unwrap();
            assert!((got - want).abs() <= 0.0100001 * want, "{rank}: {got} {want}");
        }
        assert!(left.add(-1.0).is_err() && left.add(f64::NAN).is_err());
        assert_eq!(left.count(), 10_000);
    }
}
