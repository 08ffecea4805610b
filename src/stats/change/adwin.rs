//! ADWIN: a window that drops its old end once that differs from the new one (Bifet and Gavaldà 2007).

use crate::error::Result;
use crate::stats::check;
use crate::stats::moments::Moments;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Buckets of one size before the oldest two are merged.
const PER_SIZE: usize = 5;
/// Values on either side of a cut, at least.
const LEAST: u64 = 5;
/// Cuts are looked for after every so many values.
const CLOCK: u64 = 32;

/// The part of a stream since its last change, in buckets of 1, 2, 4 … values: about 5·log2(n) of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Adwin {
    delta: f64,
    seen: u64,
    whole: Moments,
    // The newest first; sizes rise.
    buckets: VecDeque<Moments>,
}

impl Adwin {
    /// `delta` bounds the chance of a false cut at one look: 0.002 by habit.
    pub fn new(delta: f64) -> Result<Adwin> {
        check::open_unit("delta", delta)?;
        Ok(Adwin { delta, seen: 0, whole: Moments::default(), buckets: VecDeque::new() })
    }

    /// Takes one value; true where older ones were dropped, as the mean had changed.
    ///
    /// # Errors
    /// A value that is not finite; nothing changes then.
    pub fn add(&mut self, value: f64) -> Result<bool> {
        let mut one = Moments::default();
        one.add(value)?;
        self.seen += 1;
        self.buckets.push_front(one);
        self.whole.merge(&one);
        self.compress();
        Ok(self.seen.is_multiple_of(CLOCK) && self.cut())
    }

    /// Values in the window.
    pub fn width(&self) -> u64 {
        self.whole.count()
    }

    /// Their mean.
    pub fn mean(&self) -> f64 {
        self.whole.mean()
    }

    fn compress(&mut self) {
        let mut from = 0;
        while from < self.buckets.len() {
            let size = self.buckets[from].count();
            let same = self.buckets.iter().skip(from).take_while(|bucket| bucket.count() == size).count();
            if same <= PER_SIZE {
                from += same;
                continue;
            }
            if let Some(oldest) = self.buckets.remove(from + same - 1) {
                self.buckets[from + same - 2].merge(&oldest);
            }
            from += same - 2;
        }
    }

    /// Drops the oldest bucket while some cut of the window shows two means.
    fn cut(&mut self) -> bool {
        let mut dropped = false;
        while self.differs() {
            self.buckets.pop_back();
            self.whole = Moments::default();
            self.buckets.iter().for_each(|bucket| self.whole.merge(bucket));
            dropped = true;
        }
        dropped
    }

    fn differs(&self) -> bool {
        let mut new = Moments::default();
        let (n, variance) = (self.whole.count() as f64, self.whole.population_variance());
        let log = (2.0 * n.max(2.0).ln() / self.delta).ln();
        self.buckets.iter().any(|bucket| {
            new.merge(bucket);
            let old = self.whole.count() - new.count();
            if new.count() < LEAST || old < LEAST {
                return false;
            }
            let old_mean = (self.whole.mean() * n - new.mean() * new.count() as f64) / old as f64;
            let inverse = 1.0 / new.count() as f64 + 1.0 / old as f64;
            let bound = (2.0 * inverse * variance * log).sqrt() + 2.0 / 3.0 * inverse * log;
            (new.mean() - old_mean).abs() > bound
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn a_step_is_seen_and_the_old_forgotten() {
        let (mut window, mut random) = (Adwin::new(0.002).unwrap(), Random::seeded(1, 0));
        let quiet = (0..2_000).filter(|_| window.add(random.unit()).unwrap()).count();
        assert_eq!((quiet, window.width()), (0, 2_000));
        assert!(window.buckets.len() < 60);
        let seen = (0..1_000).filter(|_| window.add(0.5 + random.unit()).unwrap()).count();
        assert!(seen >= 1 && window.mean() > 0.9, "{}", window.mean());
        assert!(window.add(f64::NAN).is_err() && Adwin::new(0.0).is_err());
    }
}
