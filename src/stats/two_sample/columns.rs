//! Every dimension for itself: finds the broken or noisy ones.

use crate::error::Result;
use crate::stats::ks::{self, Alternative, Ks, Method};
use crate::stats::multiple::{Correction, adjust};
use crate::stats::rows::{Real, Rows, same_dimension};

/// The test of one dimension.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Column {
    /// Its Kolmogorov-Smirnov test.
    pub ks: Ks,
    /// Its p-value, adjusted over all dimensions.
    pub adjusted_p: f64,
}

/// Tests every dimension by Kolmogorov-Smirnov, two-sided, adjusted by `correction`. Costs d tests.
pub fn columns<T: Real>(x: Rows<'_, T>, y: Rows<'_, T>, method: Method, correction: Correction) -> Result<Vec<Column>> {
    same_dimension(&x, &y)?;
    let tests: Vec<Ks> = (0..x.dimension())
        .map(|place| ks::test(&x.column(place), &y.column(place), Alternative::TwoSided, method))
        .collect::<Result<_>>()?;
    let adjusted = adjust(&tests.iter().map(|test| test.p).collect::<Vec<_>>(), correction)?;
    Ok(tests.into_iter().zip(adjusted).map(|(ks, adjusted_p)| Column { ks, adjusted_p }).collect())
}
