//! Page and Hinkley's test (Page 1954), with a memory that fades.

use super::Side;
use crate::error::Result;
use crate::stats::check;
use serde::{Deserialize, Serialize};

/// Sees the mean of a stream rise or fall by more than a tolerance; starts anew after each change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PageHinkley {
    /// Values before the first verdict. Default 30.
    pub least: u64,
    /// Changes smaller than this are let pass, in units of the values. Default 0.005.
    pub tolerance: f64,
    /// What the summed deviation must exceed. Default 50; raised, false alarms and delay change places.
    pub threshold: f64,
    /// What is left of the sum after each value. Default 0.9999.
    pub memory: f64,
    count: u64,
    mean: f64,
    up: f64,
    lowest: f64,
    down: f64,
    highest: f64,
}

impl Default for PageHinkley {
    fn default() -> Self {
        PageHinkley {
            least: 30,
            tolerance: 0.005,
            threshold: 50.0,
            memory: 0.9999,
            count: 0,
            mean: 0.0,
            up: 0.0,
            lowest: 0.0,
            down: 0.0,
            highest: 0.0,
        }
    }
}

impl PageHinkley {
    /// Takes one value; tells where the stream went, if it did.
    ///
    /// # Errors
    /// A value that is not finite; nothing changes then.
    pub fn add(&mut self, value: f64) -> Result<Option<Side>> {
        check::finite("the stream", &[value])?;
        self.count += 1;
        self.mean += (value - self.mean) / self.count as f64;
        let step = value - self.mean;
        self.up = self.memory * self.up + step - self.tolerance;
        self.down = self.memory * self.down + step + self.tolerance;
        self.lowest = self.lowest.min(self.up);
        self.highest = self.highest.max(self.down);
        if self.count < self.least {
            return Ok(None);
        }
        let side = if self.up - self.lowest > self.threshold {
            Side::Up
        } else if self.highest - self.down > self.threshold {
            Side::Down
        } else {
            return Ok(None);
        };
        let &mut PageHinkley { least, tolerance, threshold, memory, .. } = self;
        *self = PageHinkley { least, tolerance, threshold, memory, ..PageHinkley::default() };
        Ok(Some(side))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_seen_on_its_side() {
        for (step, side) in [(3.0, Side::Up), (-3.0, Side::Down)] {
            let mut test = PageHinkley::default();
            for place in 0..400u32 {
                let noise = f64::from(place % 7) / 7.0;
                assert_eq!(test.add(noise).unwrap(), None);
            }
            let seen = (0..100u32).find_map(|place| test.add(step + f64::from(place % 7) / 7.0).unwrap());
            assert_eq!(seen, Some(side));
        }
        assert!(PageHinkley::default().add(f64::NAN).is_err());
    }
}
