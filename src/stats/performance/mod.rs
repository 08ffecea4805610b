//! How well predictions did, once the truth is known.

mod classes;
mod regression;
mod scores;

pub use classes::{Average, Class, Confusion};
pub use regression::{Regression, regression};
pub use scores::{Calibration, Scores, calibration, scores};
