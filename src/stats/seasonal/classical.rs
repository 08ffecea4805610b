//! Decomposition by a centred moving average.

use super::two_periods;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// How the parts make up the series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Model {
    /// By their sum.
    #[default]
    Additive,
    /// By their product; asks for a series above 0.
    Multiplicative,
}

/// The parts of a series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Classical {
    /// The moving average over one period; none for the half period at both ends.
    pub trend: Vec<Option<f64>>,
    /// What each step of a period adds, with sum 0 (or multiplies by, with mean 1).
    pub seasonal: Vec<f64>,
    /// The rest; none where the trend is.
    pub residual: Vec<Option<f64>>,
}

/// Takes a series of at least two periods apart. Costs n·period additions.
///
/// # Errors
/// A period below 2, too few values, one that is not finite, or one not above 0 in a multiplicative model.
pub fn classical(series: &[f64], period: usize, model: Model) -> Result<Classical> {
    two_periods(series, period)?;
    if model == Model::Multiplicative && series.iter().any(|&value| value <= 0.0) {
        return Err(
            Error::invalid("a multiplicative series holds a value of 0 or below").mend("use the additive model")
        );
    }
    let without = |value: f64, part: f64| match model {
        Model::Additive => value - part,
        Model::Multiplicative => value / part,
    };
    let trend = moving_average(series, period);
    let detrended: Vec<Option<f64>> =
        trend.iter().zip(series).map(|(trend, &value)| trend.map(|trend| without(value, trend))).collect();
    let mut seasonal: Vec<f64> = (0..period).map(|step| mean(detrended.iter().skip(step).step_by(period))).collect();
    let center = seasonal.iter().sum::<f64>() / period as f64;
    seasonal.iter_mut().for_each(|part| *part = without(*part, center));
    let residual = detrended.iter().enumerate();
    let residual = residual.map(|(step, value)| value.map(|value| without(value, seasonal[step % period]))).collect();
    Ok(Classical { trend, seasonal, residual })
}

/// The mean over one period around each value; over one more, the outer two by half, where the period is even.
fn moving_average(series: &[f64], period: usize) -> Vec<Option<f64>> {
    let half = period / 2;
    let average = |place: usize| {
        let window = series.get(place.checked_sub(half)?..=place + half)?;
        let ends = if period.is_multiple_of(2) { 0.5 * (window[0] + window[2 * half]) } else { 0.0 };
        Some((window.iter().sum::<f64>() - ends) / period as f64)
    };
    (0..series.len()).map(average).collect()
}

fn mean<'a>(values: impl Iterator<Item = &'a Option<f64>>) -> f64 {
    let (sum, count) = values.flatten().fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    sum / f64::from(count.max(1))
}
