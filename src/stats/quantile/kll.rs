//! A sketch of the ranks of a stream (Karnin, Lang and Liberty 2016): a few hundred of its values, in levels of which
//! each stands for twice as many as the one below.

use crate::error::{Error, Result};
use crate::random::Random;
use crate::stats::check;
use serde::{Deserialize, Serialize};

/// A level shrinks by this factor from the top down, and never below [`LEAST`].
const SHRINK: f64 = 2.0 / 3.0;
const LEAST: usize = 8;
/// With more levels there were more values than can be counted.
const MAX_LEVELS: usize = 44;

/// Quantiles of a stream in about 3·k values. With k = 200 a rank is right to 0.017 of the count in 99 of 100 queries.
///
/// Two sketches merge to one of both streams. Which of two neighbours is kept is drawn from the seed and the number of
/// draws before, so equal calls give equal sketches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kll {
    k: u32,
    seed: u64,
    compactions: u64,
    count: u64,
    least: Option<f64>,
    most: Option<f64>,
    levels: Vec<Vec<f64>>,
}

impl Kll {
    /// An empty sketch; `k` from 8 to 65,535, 200 by habit. The error falls as 1/k, room grows with it.
    pub fn new(k: u32, seed: u64) -> Result<Kll> {
        check::within("k of the sketch", f64::from(k), 8.0, 65_535.0)?;
        Ok(Kll { k, seed, compactions: 0, count: 0, least: None, most: None, levels: vec![Vec::new()] })
    }

    /// Adds one value; about ten comparisons on average.
    ///
    /// # Errors
    /// One that is not finite; nothing changes then.
    pub fn add(&mut self, value: f64) -> Result<()> {
        check::finite("the stream", &[value])?;
        self.count += 1;
        self.reach(value, value);
        self.levels[0].push(value);
        self.compress();
        Ok(())
    }

    /// Adds the stream of another sketch.
    ///
    /// # Errors
    /// One of another `k`.
    pub fn merge(&mut self, other: &Kll) -> Result<()> {
        if self.k != other.k {
            let message = format!("sketches of k {} and {} do not merge", self.k, other.k);
            return Err(Error::invalid(message).mend("make all sketches with one k"));
        }
        if let (Some(least), Some(most)) = (other.least, other.most) {
            self.reach(least, most);
        }
        self.count += other.count;
        self.levels.resize(self.levels.len().max(other.levels.len()), Vec::new());
        for (to, from) in self.levels.iter_mut().zip(&other.levels) {
            to.extend_from_slice(from);
        }
        self.compress();
        Ok(())
    }

    /// Values of the stream.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Values that are kept.
    pub fn kept(&self) -> usize {
        self.levels.iter().map(Vec::len).sum()
    }

    /// The smallest and the largest value, which are exact.
    pub fn range(&self) -> Option<(f64, f64)> {
        self.least.zip(self.most)
    }

    /// The largest error of a rank, as a share of the count, in 99 of 100 queries; the same for all ranks.
    pub fn rank_error(&self) -> f64 {
        3.3 / f64::from(self.k)
    }

    /// About the value below which the share `rank` lies; none before the first value.
    ///
    /// # Errors
    /// A rank outside 0 ..= 1. Costs a sort of what is kept.
    pub fn quantile(&self, rank: f64) -> Result<Option<f64>> {
        check::within("a rank", rank, 0.0, 1.0)?;
        if rank == 0.0 {
            return Ok(self.least);
        }
        if rank == 1.0 {
            return Ok(self.most);
        }
        let (mut below, wanted) = (0, rank * self.count as f64);
        Ok(self.weighted().into_iter().find_map(|(value, weight)| {
            below += weight;
            (below as f64 >= wanted).then_some(value)
        }))
    }

    /// About the share of the stream that is at most `value`; none before the first value.
    pub fn rank(&self, value: f64) -> Option<f64> {
        let below: u64 = self.weighted().iter().filter(|kept| kept.0 <= value).map(|kept| kept.1).sum();
        (self.count > 0).then(|| below as f64 / self.count as f64)
    }

    /// The kept values, rising, each with how many it stands for; the weights sum to the count.
    pub fn weighted(&self) -> Vec<(f64, u64)> {
        let mut all: Vec<(f64, u64)> = Vec::with_capacity(self.kept());
        for (height, level) in self.levels.iter().enumerate() {
            all.extend(level.iter().map(|&value| (value, 1u64 << height)));
        }
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        all
    }

    /// Whether this is a sketch that the calls above can make; one that was read from a disk may be anything.
    pub(crate) fn is_sound(&self) -> bool {
        let weight = |(height, level): (usize, &Vec<f64>)| (level.len() as u64).checked_shl(height as u32);
        (8..=65_535).contains(&self.k)
            && (1..=MAX_LEVELS).contains(&self.levels.len())
            && (0..self.levels.len()).all(|height| self.levels[height].len() <= self.capacity(height))
            && self.levels.iter().enumerate().filter_map(weight).sum::<u64>() == self.count
            && self.levels.iter().flatten().chain(&self.least).chain(&self.most).all(|value| value.is_finite())
            && self.least.is_some() == (self.count > 0)
            && self.most.is_some() == (self.count > 0)
    }

    fn reach(&mut self, least: f64, most: f64) {
        self.least = Some(self.least.map_or(least, |old| old.min(least)));
        self.most = Some(self.most.map_or(most, |old| old.max(most)));
    }

    fn capacity(&self, height: usize) -> usize {
        let depth = (self.levels.len() - 1 - height) as i32;
        ((f64::from(self.k) * SHRINK.powi(depth)).ceil() as usize).max(LEAST)
    }

    /// Halves the lowest level that is too full until none is.
    fn compress(&mut self) {
        while let Some(height) =
            (0..self.levels.len()).find(|&height| self.levels[height].len() > self.capacity(height))
        {
            if height + 1 == self.levels.len() {
                self.levels.push(Vec::new());
            }
            let mut level = std::mem::take(&mut self.levels[height]);
            level.sort_by(f64::total_cmp);
            // An odd one stays behind, so that weights keep their sum.
            if level.len() % 2 == 1 {
                self.levels[height].extend(level.pop());
            }
            let offset = (Random::seeded(self.seed, self.compactions).draw() & 1) as usize;
            self.compactions += 1;
            self.levels[height + 1].extend(level.into_iter().skip(offset).step_by(2));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(from: u64, to: u64) -> Kll {
        let mut sketch = Kll::new(200, 7).unwrap();
        // A permutation of 0 .. 100,003, which is prime.
        (from..to).for_each(|k| sketch.add((k * 7_919 % 100_003) as f64).unwrap());
        sketch
    }

    #[test]
    fn ranks_are_within_their_error() {
        let whole = stream(0, 100_003);
        let mut merged = stream(0, 30_000);
        merged.merge(&stream(30_000, 100_003)).unwrap();
        for sketch in [whole, merged] {
            assert_eq!(sketch.count(), 100_003);
            assert_eq!(sketch.weighted().iter().map(|kept| kept.1).sum::<u64>(), 100_003);
            assert!(sketch.kept() < 800, "{}", sketch.kept());
            for percent in 1..100 {
                let rank = f64::from(percent) / 100.0;
                let value = sketch.quantile(rank).unwrap().unwrap();
                assert!((value / 100_003.0 - rank).abs() < sketch.rank_error(), "{rank} {value}");
                assert!((sketch.rank(rank * 100_003.0).unwrap() - rank).abs() < sketch.rank_error());
            }
            assert_eq!(sketch.range(), Some((0.0, 100_002.0)));
        }
    }

    #[test]
    fn what_no_call_makes_is_not_sound() {
        let sketch = stream(0, 10_000);
        assert!(sketch.is_sound() && Kll::new(8, 0).unwrap().is_sound());
        let spoiled: [fn(&mut Kll); 6] = [
            |sketch| sketch.count += 1,
            |sketch| sketch.levels.clear(),
            |sketch| sketch.levels.resize(65, Vec::new()),
            |sketch| sketch.levels[0].resize(1_000, 0.0),
            |sketch| sketch.least = None,
            |sketch| sketch.most = Some(f64::NAN),
        ];
        for spoil in spoiled {
            let mut sketch = sketch.clone();
            spoil(&mut sketch);
            assert!(!sketch.is_sound());
        }
    }

    #[test]
    fn few_values_are_exact() {
        let mut sketch = Kll::new(200, 0).unwrap();
        assert_eq!((sketch.quantile(0.5).unwrap(), sketch.rank(1.0)), (None, None));
        [3.0, 1.0, 2.0].into_iter().for_each(|value| sketch.add(value).unwrap());
        assert_eq!(sketch.quantile(0.5).unwrap(), Some(2.0));
        assert!(sketch.add(f64::NAN).is_err() && sketch.merge(&Kll::new(100, 0).unwrap()).is_err());
        assert_eq!(sketch.count(), 3);
    }
}
