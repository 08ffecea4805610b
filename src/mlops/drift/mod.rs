//! Has what a model sees, says, or gets wrong changed?
//!
//! - [`DriftDetector`] compares columns of numbers, categories or vectors with those of a reference; [`embedding::judge`]
//!   compares vectors alone. Both are pure: they read no store and no clock.
//!
//! A [`DriftResult`] tells drift, which chance does not explain, from an alarm, which is drift that is also large enough
//! to matter.

mod column;
mod detector;
pub mod embedding;
mod method;
mod permuted;
mod result;
mod scalar;
mod vectors;
mod verdict;

pub use column::{Column, Columns};
pub use detector::DriftDetector;
pub use method::{Method, Scale, Test};
pub use result::{BaselineRef, DriftKind, DriftResult, Effect};
pub use verdict::{Counts, Note, Verdict};
