//! How far the mean rows are apart: a line to watch, not a test. Blind to changes of spread.

use crate::error::Result;
use crate::stats::linear::dot;
use crate::stats::rows::{Real, Rows, same_dimension};

/// Distances between the mean rows of two samples.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Centroids {
    /// 1 - cosine, from 0 to 2; none where a mean is 0 and has no direction.
    pub cosine_distance: Option<f64>,
    /// The length of their difference.
    pub euclidean: f64,
}

/// Compares the mean rows. Costs one pass.
pub fn centroids<T: Real>(x: Rows<'_, T>, y: Rows<'_, T>) -> Result<Centroids> {
    same_dimension(&x, &y)?;
    let (a, b) = (x.mean(), y.mean());
    let norms = (dot(&a, &a) * dot(&b, &b)).sqrt();
    let cosine_distance = (norms > 0.0).then(|| (1.0 - dot(&a, &b) / norms).clamp(0.0, 2.0));
    Ok(Centroids { cosine_distance, euclidean: a.iter().zip(&b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt() })
}
