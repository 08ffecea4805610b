//! Statistics: pure functions over numbers, which the monitors and experiments of the crate stand on.
//!
//! - **Do two samples differ?** One column: [`ks`], [`psi`], [`chi_square`], [`wasserstein`], [`divergence`]. Whole rows:
//!   [`two_sample`], [`classifier`]. Several questions at once: [`multiple`].
//! - **How does a series go?** [`seasonal`], [`trend`], [`outlier`], [`change`], [`sigma`].
//! - **What does a sample look like?** [`moments`], [`quantile`], [`pca`], [`performance`].
//! - **Is B better than A?** [`ab`], [`sequential`].
//! - **How good is a ranking?** [`ranking`], [`bm25`].
//! - **What do weights lose in four bits?** [`nf4`].
//!
//! Nothing here reads a clock, a file or a global, or starts a thread; what is random takes a seed or a
//! [`Random`](crate::random::Random), so equal input gives equal output on every machine. Input that has no answer (empty,
//! `NaN`, lengths that differ) is an error of kind [`Invalid`](crate::error::ErrorKind::Invalid) that says so; input whose
//! answer deserves a doubt (constant, few, degenerate) is flagged in the result. No function returns `NaN`.

pub mod ab;
pub mod bm25;
pub mod change;
pub mod chi_square;
pub mod classifier;
pub mod divergence;
pub mod harmonic;
pub mod ks;
pub mod linear;
pub mod moments;
pub mod multiple;
pub mod nf4;
pub mod normal;
pub mod outlier;
pub mod pca;
pub mod performance;
pub mod psi;
pub mod quantile;
pub mod ranking;
pub mod rows;
pub mod seasonal;
pub mod sequential;
pub mod sigma;
pub mod softmax;
pub mod trend;
pub mod two_sample;
pub mod wasserstein;

mod check;
mod ranks;
mod special;

#[cfg(test)]
mod oracles;
#[cfg(test)]
mod real;
#[cfg(test)]
mod simulation;
