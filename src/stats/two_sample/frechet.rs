//! The Fréchet distance of two normal laws: how far means and covariances are apart.

use crate::error::Result;
use crate::stats::linear::{self, symmetric_eigen};
use crate::stats::rows::{Real, Rows, same_dimension};

/// |difference of means|² + tr(A + B - 2·√(√A·B·√A)), A and B the covariances; in squared units of the rows.
///
/// From 0; biased upwards for few rows. Costs (n + m)·d²/2 and about 100·d³ steps: project rows of many numbers first.
///
/// # Errors
/// Dimensions that differ, or a sample of fewer than two rows.
pub fn frechet<T: Real>(x: Rows<'_, T>, y: Rows<'_, T>) -> Result<f64> {
    same_dimension(&x, &y)?;
    let d = x.dimension();
    let (a, b) = (x.covariance()?, y.covariance()?);
    let root = square_root(&a, d)?;
    let middle = linear::product(&linear::product(&root, &b, d), &root, d);
    let cross: f64 = symmetric_eigen(&middle, d)?.values.iter().map(|value| value.max(0.0).sqrt()).sum();
    let means: f64 = x.mean().iter().zip(y.mean()).map(|(a, b)| (a - b).powi(2)).sum();
    let trace: f64 = (0..d).map(|i| a[i * d + i] + b[i * d + i]).sum();
    Ok((means + trace - 2.0 * cross).max(0.0))
}

fn square_root(matrix: &[f64], d: usize) -> Result<Vec<f64>> {
    let eigen = symmetric_eigen(matrix, d)?;
    let mut scaled = eigen.vectors.clone();
    for (row, value) in scaled.chunks_exact_mut(d).zip(&eigen.values) {
        let root = value.max(0.0).sqrt();
        row.iter_mut().for_each(|part| *part *= root);
    }
    Ok(linear::product(&linear::transposed(&eigen.vectors, d, d), &scaled, d))
}
