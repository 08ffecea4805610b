//! Means and variances that are kept as values arrive and merged over parts (Welford 1962; Chan, Golub and LeVeque 1979).

use super::check;
use super::rows::Real;
use crate::error::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

/// Count, mean and variance of numbers. Three words; adding costs one division.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Moments {
    count: u64,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Those of a sample. Two passes: the mean first, as the sums of squares are then exact to rounding.
    ///
    /// # Errors
    /// An empty sample, or a value that is not finite.
    pub fn of(values: &[f64]) -> Result<Moments> {
        check::sample("the sample", values)?;
        if values.iter().all(|&value| value == values[0]) {
            // Their mean could be rounded, and a constant sample then seem to vary.
            return Ok(Moments { count: values.len() as u64, mean: values[0], squares: 0.0 });
        }
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let squares = values.iter().map(|value| (value - mean).powi(2)).sum();
        Ok(Moments { count: values.len() as u64, mean, squares })
    }

    /// Adds one value.
    ///
    /// # Errors
    /// One that is not finite; nothing changes then.
    pub fn add(&mut self, value: f64) -> Result<()> {
        check::finite("the stream", &[value])?;
        self.count += 1;
        let step = value - self.mean;
        self.mean += step / self.count as f64;
        self.squares += step * (value - self.mean);
        Ok(())
    }

    /// Adds all values of another part.
    pub fn merge(&mut self, other: &Moments) {
        if other.count == 0 {
            return;
        }
        let (a, b) = (self.count as f64, other.count as f64);
        let step = other.mean - self.mean;
        self.count += other.count;
        self.mean += step * (b / (a + b));
        self.squares += other.squares + step * step * (a * b / (a + b));
    }

    /// Whether adding values could have made it; for one that was read from a disk.
    pub(crate) fn is_sound(&self) -> bool {
        self.mean.is_finite() && self.squares.is_finite() && self.squares >= 0.0 && self.count < 1 << 40
    }

    /// Values so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The mean; 0 before the first value.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// The variance of the values as a whole (divided by n); 0 before the first.
    pub fn population_variance(&self) -> f64 {
        self.squares / self.count.max(1) as f64
    }

    /// The variance as a sample (divided by n - 1); none below two values.
    pub fn sample_variance(&self) -> Option<f64> {
        (self.count > 1).then(|| self.squares / (self.count - 1) as f64)
    }

    /// The square root of [`Moments::population_variance`].
    pub fn population_deviation(&self) -> f64 {
        self.population_variance().sqrt()
    }
}

/// Count, mean and variance of every dimension of rows: 2·d words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RowMoments {
    count: u64,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

impl RowMoments {
    /// No rows yet, of `dimension` numbers each.
    pub fn new(dimension: usize) -> RowMoments {
        RowMoments { count: 0, mean: vec![0.0; dimension], squares: vec![0.0; dimension] }
    }

    /// Adds one row.
    ///
    /// # Errors
    /// A row of another dimension, or with a number that is not finite; nothing changes then.
    pub fn add<T: Real>(&mut self, row: &[T]) -> Result<()> {
        self.fits(row.len())?;
        if row.iter().any(|&value| !value.into().is_finite()) {
            return Err(Error::invalid("a row holds a number that is not finite").mend("leave it out"));
        }
        self.count += 1;
        let count = self.count as f64;
        for ((mean, squares), &value) in self.mean.iter_mut().zip(&mut self.squares).zip(row) {
            let step = value.into() - *mean;
            *mean += step / count;
            *squares += step * (value.into() - *mean);
        }
        Ok(())
    }

    /// Adds all rows of another part.
    ///
    /// # Errors
    /// A part of another dimension.
    pub fn merge(&mut self, other: &RowMoments) -> Result<()> {
        self.fits(other.mean.len())?;
        for place in 0..self.mean.len() {
            let mut part = Moments { count: self.count, mean: self.mean[place], squares: self.squares[place] };
            part.merge(&Moments { count: other.count, mean: other.mean[place], squares: other.squares[place] });
            (self.mean[place], self.squares[place]) = (part.mean, part.squares);
        }
        self.count += other.count;
        Ok(())
    }

    /// Whether these are moments of rows of `dimension` that the calls above can make; what was read from a disk may be
    /// anything.
    pub(crate) fn is_sound(&self, dimension: usize) -> bool {
        let lengths = [self.mean.len(), self.squares.len()];
        lengths == [dimension; 2]
            && self.mean.iter().all(|mean| mean.is_finite())
            && self.squares.iter().all(|squares| squares.is_finite() && *squares >= 0.0)
    }

    fn fits(&self, dimension: usize) -> Result<()> {
        if dimension == self.mean.len() {
            return Ok(());
        }
        let message = format!("a row of {dimension} numbers where {} are kept", self.mean.len());
        Err(Error::new(ErrorKind::Dimension, message).mend("keep apart what different models made"))
    }

    /// Rows so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The mean row; zeros before the first.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The variance of every dimension (divided by n); zeros before the first row.
    pub fn population_variance(&self) -> Vec<f64> {
        self.squares.iter().map(|squares| squares / self.count.max(1) as f64).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_merge_to_the_whole() {
        let values: Vec<f64> = (0..100).map(|k| 1e9 + f64::from(k * k % 37)).collect();
        let whole = Moments::of(&values).unwrap();
        for cut in [0, 1, 50, 100] {
            let (mut left, mut right) = (Moments::default(), Moments::default());
            values[..cut].iter().for_each(|&value| left.add(value).unwrap());
            values[cut..].iter().for_each(|&value| right.add(value).unwrap());
            left.merge(&right);
            assert_eq!(left.count(), 100);
            assert!((left.mean() - whole.mean()).abs() < 1e-6);
            assert!((left.population_variance() / whole.population_variance() - 1.0).abs() < 1e-7);
        }
        assert_eq!(Moments::default().sample_variance(), None);
        assert_eq!(Moments::of(&[0.1; 1_001]).unwrap().population_variance(), 0.0);
    }

    #[test]
    fn rows_are_dimension_by_dimension() {
        let (mut left, mut right) = (RowMoments::new(2), RowMoments::new(2));
        left.add(&[1.0f32, 5.0]).unwrap();
        right.add(&[3.0f32, 5.0]).unwrap();
        left.merge(&right).unwrap();
        assert_eq!((left.mean(), left.population_variance()), (&[2.0, 5.0][..], vec![1.0, 0.0]));
        assert!(left.add(&[1.0f64]).is_err() && left.add(&[f64::NAN, 0.0]).is_err());
        assert_eq!(left.count(), 2);
        assert!(left.is_sound(2) && !left.is_sound(3));
        left.squares.pop();
        assert!(!left.is_sound(2));
    }
}
