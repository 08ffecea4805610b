//! A series taken apart: trend, what repeats every period, and the rest.

mod classical;
mod loess;
mod stl;

pub use classical::{Classical, Model, classical};
pub use stl::{Stl, StlOptions, stl};

use super::check;
use super::moments::Moments;
use crate::error::Result;

/// How much of what is left without the other component this one explains: 1 - var(rest)/var(component + rest), at least
/// 0 (Wang, Smith and Hyndman 2006). 0 where nothing varies.
pub fn strength(component: &[f64], rest: &[f64]) -> Result<f64> {
    check::same_length("component and rest", component.len(), rest.len())?;
    let both: Vec<f64> = component.iter().zip(rest).map(|(a, b)| a + b).collect();
    let (rest, both) = (Moments::of(rest)?.population_variance(), Moments::of(&both)?.population_variance());
    Ok(if both > 0.0 { (1.0 - rest / both).max(0.0) } else { 0.0 })
}

/// Refuses a period below 2 and a series of less than two of them.
fn two_periods(series: &[f64], period: usize) -> Result<()> {
    check::at_least("the period", period, 2)?;
    check::at_least("the series of two periods", series.len(), period.saturating_mul(2))?;
    check::finite("the series", series)
}
