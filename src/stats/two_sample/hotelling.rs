//! Hotelling's T²: have the means moved, measured by the spread both samples share?

use crate::error::{Error, Result};
use crate::stats::rows::{Real, Rows, same_dimension};
use crate::stats::{linear, special};

/// The outcome of the test.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Hotelling {
    /// n·m/(n + m) times the squared Mahalanobis distance of the means.
    pub t2: f64,
    /// T² as a value of Fisher's law.
    pub f: f64,
    /// Its degrees of freedom: d, and n + m - d - 1.
    pub dof: (u64, u64),
    /// P(F > f), exact for normal rows.
    pub p: f64,
}

/// Tests means by the pooled covariance. Blind to changes of spread. Costs (n + m)·d²/2 + d³/6 multiplications.
///
/// # Errors
/// n + m of less than d + 2, a sample of fewer than two rows, or a covariance that is singular.
pub fn hotelling<T: Real>(x: Rows<'_, T>, y: Rows<'_, T>) -> Result<Hotelling> {
    same_dimension(&x, &y)?;
    let (d, n, m) = (x.dimension(), x.len() as f64, y.len() as f64);
    if x.len() + y.len() < d + 2 {
        let message = format!("{} rows are too few for the covariance of {d} numbers", x.len() + y.len());
        return Err(Error::invalid(message).mend("use a permutation test, or project the rows first"));
    }
    let free = n + m - 2.0;
    let pooled: Vec<f64> =
        x.covariance()?.iter().zip(y.covariance()?).map(|(a, b)| ((n - 1.0) * a + (m - 1.0) * b) / free).collect();
    let factor = linear::cholesky(&pooled, d).ok_or_else(|| {
        Error::invalid("the covariance of the rows is singular").mend("drop dimensions that are constant or repeated")
    })?;
    let step: Vec<f64> = x.mean().iter().zip(y.mean()).map(|(a, b)| a - b).collect();
    let scaled = linear::forward(&factor, &step);
    let t2 = n * m / (n + m) * linear::dot(&scaled, &scaled);
    let dof = (d as u64, (x.len() + y.len() - d - 1) as u64);
    let f = t2 * dof.1 as f64 / (d as f64 * free);
    Ok(Hotelling { t2, f, dof, p: special::f_tail(f, d as f64, dof.1 as f64) })
}
