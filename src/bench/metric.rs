//! The names of metrics.

use crate::error::Result;
use crate::vector::metric::Metric;

/// A metric, by our names or by those that harnesses give it.
pub fn named(text: &str) -> Result<Metric> {
    match text.to_ascii_lowercase().as_str() {
        "ip" => Ok(Metric::Dot),
        "euclidean" => Ok(Metric::L2),
        "angular" => Ok(Metric::Cosine),
        name => name.parse(),
    }
}
