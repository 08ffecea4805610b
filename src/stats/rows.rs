//! A sample of rows: many vectors of one dimension in one slice, as they lie in a segment.

use super::check;
use crate::error::{Error, Result};

/// A number a sample may be made of: `f32` or `f64`. All sums are in `f64`.
pub trait Real: Copy + Into<f64> {}
impl Real for f32 {}
impl Real for f64 {}

/// Rows of finite numbers, one after the other. A view: copying it copies no numbers.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a, T> {
    values: &'a [T],
    dimension: usize,
}

impl<'a, T: Real> Rows<'a, T> {
    /// Rows of `dimension` numbers each.
    ///
    /// # Errors
    /// No rows, a dimension of 0, a last row that is cut short, or a number that is not finite. Reads every number once.
    pub fn new(values: &'a [T], dimension: usize) -> Result<Rows<'a, T>> {
        if dimension == 0 || !values.len().is_multiple_of(dimension) {
            let message = format!("{} numbers are not rows of {dimension}", values.len());
            return Err(Error::invalid(message).mend("give the dimension of the rows, and whole rows"));
        }
        check::at_least("the sample of rows", values.len() / dimension, 1)?;
        if let Some(place) = values.iter().position(|&value| !value.into().is_finite()) {
            let message =
                format!("row {} holds {} at place {}", place / dimension, values[place].into(), place % dimension);
            return Err(Error::invalid(message).mend("leave out rows with numbers that are not finite"));
        }
        Ok(Rows { values, dimension })
    }

    /// The number of rows, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.values.len() / self.dimension
    }

    /// Numbers of a row.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// One row after the other.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [T]> + Clone + use<'a, T> {
        self.values.chunks_exact(self.dimension)
    }

    /// Row `place`; panics where there is none.
    pub fn row(&self, place: usize) -> &'a [T] {
        &self.values[place * self.dimension..][..self.dimension]
    }

    /// The numbers at `place` of every row.
    pub fn column(&self, place: usize) -> Vec<f64> {
        self.iter().map(|row| row[place].into()).collect()
    }

    /// All numbers, as they lie.
    pub fn to_f64(&self) -> Vec<f64> {
        self.values.iter().map(|&value| value.into()).collect()
    }

    /// The mean row.
    pub fn mean(&self) -> Vec<f64> {
        let mut mean = vec![0.0; self.dimension];
        for row in self.iter() {
            for (sum, &value) in mean.iter_mut().zip(row) {
                *sum += value.into();
            }
        }
        let count = self.len() as f64;
        mean.iter_mut().for_each(|sum| *sum /= count);
        mean
    }

    /// The covariance matrix, row by row, divided by the number of rows less one. Costs n·d²/2 multiplications.
    ///
    /// # Errors
    /// Fewer than two rows.
    pub fn covariance(&self) -> Result<Vec<f64>> {
        check::at_least("the sample of rows", self.len(), 2)?;
        let (mean, d) = (self.mean(), self.dimension);
        let mut sums = vec![0.0; d * d];
        let mut centred = vec![0.0; d];
        for row in self.iter() {
            for place in 0..d {
                centred[place] = row[place].into() - mean[place];
            }
            for i in 0..d {
                let (factor, line) = (centred[i], &mut sums[i * d + i..(i + 1) * d]);
                line.iter_mut().zip(&centred[i..]).for_each(|(sum, &value)| *sum += factor * value);
            }
        }
        let divisor = (self.len() - 1) as f64;
        for i in 0..d {
            for j in i..d {
                let value = sums[i * d + j] / divisor;
                (sums[i * d + j], sums[j * d + i]) = (value, value);
            }
        }
        Ok(sums)
    }
}

/// Refuses two samples of different dimension.
pub(super) fn same_dimension<T: Real>(left: &Rows<'_, T>, right: &Rows<'_, T>) -> Result<()> {
    if left.dimension() == right.dimension() {
        return Ok(());
    }
    let message = format!("rows of {} and of {} numbers cannot be compared", left.dimension(), right.dimension());
    Err(Error::new(crate::error::ErrorKind::Dimension, message).mend("compare samples of one model"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_rows_are_refused() {
        assert!(Rows::new(&[1.0, 2.0, 3.0], 2).is_err());
        assert!(Rows::<f64>::new(&[], 2).is_err());
        assert!(Rows::new(&[1.0], 0).is_err());
        let error = Rows::new(&[1.0, 2.0, 3.0, f64::INFINITY], 2).unwrap_err();
        assert!(error.to_string().contains("row 1 holds inf at place 1"), "{error}");
    }

    #[test]
    fn covariance_by_hand() {
        let rows = Rows::new(&[1.0, 2.0, 3.0, 6.0], 2).unwrap();
        assert_eq!(rows.mean(), [2.0, 4.0]);
        assert_eq!(rows.covariance().unwrap(), [2.0, 4.0, 4.0, 8.0]);
    }
}
