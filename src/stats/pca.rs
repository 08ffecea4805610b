//! Principal components: the directions in which rows vary most.

use super::linear;
use super::rows::{Real, Rows};
use super::{check, linear::dot};
use crate::error::{Error, ErrorKind, Result};

/// Directions found in a sample, with what they explain.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Pca {
    /// The mean row, taken away before anything else.
    pub mean: Vec<f64>,
    /// One row per component, of length 1, largest variance first. The largest part of each is positive, which settles
    /// the sign.
    pub components: Vec<f64>,
    /// The variance along each (divided by n - 1).
    pub explained_variance: Vec<f64>,
    /// Its share of the variance of all directions; 0 where rows do not vary.
    pub explained_variance_ratio: Vec<f64>,
    /// The singular values of the centred rows.
    pub singular_values: Vec<f64>,
}

impl Pca {
    /// The first `count` components of `rows`. Costs about 30·n·d² steps, or 30·d·n² where rows are fewer than numbers.
    ///
    /// # Errors
    /// Fewer than two rows, or a count of 0 or more than the smaller of rows and dimension.
    pub fn of<T: Real>(rows: Rows<'_, T>, count: usize) -> Result<Pca> {
        let (n, d) = (rows.len(), rows.dimension());
        check::at_least("the sample of rows", n, 2)?;
        check::within("the number of components", count as f64, 1.0, n.min(d) as f64)?;
        let mean = rows.mean();
        let centred: Vec<f64> =
            rows.iter().flat_map(|row| row.iter().zip(&mean).map(|(&value, mean)| value.into() - mean)).collect();
        let svd = linear::svd(&centred, n, d)?;
        let variance: Vec<f64> = svd.values.iter().map(|value| value * value / (n - 1) as f64).collect();
        let total: f64 = variance.iter().sum();
        let mut components = svd.right[..count * d].to_vec();
        components.chunks_exact_mut(d).for_each(settle_sign);
        Ok(Pca {
            mean,
            components,
            explained_variance_ratio: variance[..count]
                .iter()
                .map(|part| part / total.max(f64::MIN_POSITIVE))
                .collect(),
            explained_variance: variance[..count].to_vec(),
            singular_values: svd.values[..count].to_vec(),
        })
    }

    /// Where a row lies along the components.
    ///
    /// # Errors
    /// A row of another dimension.
    pub fn project<T: Real>(&self, row: &[T]) -> Result<Vec<f64>> {
        let centred = self.centred(row)?;
        Ok(self.components.chunks_exact(self.mean.len()).map(|component| dot(component, &centred)).collect())
    }

    /// The squared distance of a row from what its projection says: large for rows unlike the sample.
    ///
    /// # Errors
    /// A row of another dimension.
    pub fn reconstruction_error<T: Real>(&self, row: &[T]) -> Result<f64> {
        let (mut rest, along) = (self.centred(row)?, self.project(row)?);
        for (component, along) in self.components.chunks_exact(self.mean.len()).zip(along) {
            rest.iter_mut().zip(component).for_each(|(rest, part)| *rest -= along * part);
        }
        Ok(dot(&rest, &rest))
    }

    fn centred<T: Real>(&self, row: &[T]) -> Result<Vec<f64>> {
        if row.len() != self.mean.len() {
            let message = format!("a row of {} numbers, components of {}", row.len(), self.mean.len());
            return Err(Error::new(ErrorKind::Dimension, message).mend("project rows of the same model"));
        }
        Ok(row.iter().zip(&self.mean).map(|(&value, mean)| value.into() - mean).collect())
    }
}

fn settle_sign(component: &mut [f64]) {
    let largest =
        component.iter().copied().fold(0.0, |best: f64, part| if part.abs() > best.abs() { part } else { best });
    if largest < 0.0 {
        component.iter_mut().for_each(|part| *part = -*part);
    }
}
