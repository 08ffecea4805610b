//! Cumulative sums against a known target (Page 1954; Montgomery, Statistical Quality Control, 9.1).

use crate::error::Result;
use crate::stats::check;
use serde::{Deserialize, Serialize};

/// Where a stream went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Side {
    /// It rose.
    Up,
    /// It fell.
    Down,
}

/// Sees small lasting shifts from a target; starts anew after each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cusum {
    target: f64,
    deviation: f64,
    slack: f64,
    threshold: f64,
    up: f64,
    down: f64,
}

impl Cusum {
    /// A stream of this mean and standard deviation when all is well. `slack` and `threshold` are in standard deviations:
    /// 0.5 and 5 by habit, which sees a shift of one in about 10 values and errs once in about 465.
    pub fn new(target: f64, deviation: f64, slack: f64, threshold: f64) -> Result<Cusum> {
        check::finite("the target", &[target])?;
        check::positive("the deviation", deviation)?;
        check::within("the slack", slack, 0.0, f64::MAX)?;
        check::positive("the threshold", threshold)?;
        Ok(Cusum { target, deviation, slack, threshold, up: 0.0, down: 0.0 })
    }

    /// Takes one value; tells where the stream went, if it did.
    ///
    /// # Errors
    /// A value that is not finite; nothing changes then.
    pub fn add(&mut self, value: f64) -> Result<Option<Side>> {
        check::finite("the stream", &[value])?;
        let step = (value - self.target) / self.deviation;
        self.up = (self.up + step - self.slack).max(0.0);
        self.down = (self.down - step - self.slack).max(0.0);
        let side = if self.up > self.threshold {
            Side::Up
        } else if self.down > self.threshold {
            Side::Down
        } else {
            return Ok(None);
        };
        (self.up, self.down) = (0.0, 0.0);
        Ok(Some(side))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_of_one_is_summed() {
        let mut test = Cusum::new(10.0, 2.0, 0.5, 5.0).unwrap();
        // Each value of 12 adds a half: the eleventh exceeds five.
        assert_eq!((0..20).position(|_| test.add(12.0).unwrap() == Some(Side::Up)), Some(10));
        assert_eq!((0..20).position(|_| test.add(8.0).unwrap() == Some(Side::Down)), Some(10));
        assert!(Cusum::new(0.0, 0.0, 0.5, 5.0).is_err() && test.add(f64::INFINITY).is_err());
    }
}
