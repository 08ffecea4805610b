//! STL: seasonal and trend decomposition by loess (Cleveland, Cleveland, McRae and Terpenning 1990).

use super::loess::Points;
use super::two_periods;
use crate::error::{Error, Result};
use crate::stats::check;
use serde::{Deserialize, Serialize};

/// How a series is taken apart. All lines have degree 1; windows of trend and low-pass follow from the other two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StlOptions {
    /// Steps after which the series repeats; at least 2.
    pub period: usize,
    /// Periods that a season is smoothed over; odd, at least 3, default 7. Raised, seasons change more slowly.
    pub seasonal_window: usize,
    /// Whether outliers are weighed down: 15 outer rounds of 2 inner ones instead of 5 inner ones. Default no.
    pub robust: bool,
}

impl StlOptions {
    /// The defaults for `period`.
    pub fn new(period: usize) -> StlOptions {
        StlOptions { period, seasonal_window: 7, robust: false }
    }

    fn trend_window(&self) -> usize {
        let window = (1.5 * self.period as f64 / (1.0 - 1.5 / self.seasonal_window as f64)).ceil() as usize;
        window | 1
    }
}

/// The parts of a series, which sum to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stl {
    /// The slow part.
    pub trend: Vec<f64>,
    /// The part that repeats.
    pub seasonal: Vec<f64>,
    /// The rest.
    pub residual: Vec<f64>,
    /// How much each value counted in the end: 1, or less for outliers where robust.
    pub weights: Vec<f64>,
}

/// Takes a series of at least two periods apart. Costs about 5·n·(windows) steps, six times that where robust.
///
/// # Errors
/// Too few values, one that is not finite, or options outside their rules.
pub fn stl(series: &[f64], options: StlOptions) -> Result<Stl> {
    two_periods(series, options.period)?;
    check::at_least("the seasonal window", options.seasonal_window, 3)?;
    if options.seasonal_window.is_multiple_of(2) {
        let message = format!("the seasonal window is {}", options.seasonal_window);
        return Err(Error::invalid(message).mend("take an odd number"));
    }
    let (outer, inner) = if options.robust { (15, 2) } else { (0, 5) };
    let n = series.len();
    let (mut trend, mut seasonal, mut weights) = (vec![0.0; n], vec![0.0; n], None);
    for round in 0..=outer {
        for _ in 0..inner {
            seasonal = season(series, &trend, weights.as_deref(), &options);
            let rest: Vec<f64> = series.iter().zip(&seasonal).map(|(value, part)| value - part).collect();
            trend = Points { values: &rest, weights: weights.as_deref() }.smooth(options.trend_window());
        }
        if round < outer {
            weights = Some(bisquare(&residual(series, &trend, &seasonal)));
        }
    }
    let residual = residual(series, &trend, &seasonal);
    Ok(Stl { trend, seasonal, residual, weights: weights.unwrap_or_else(|| vec![1.0; n]) })
}

fn residual(series: &[f64], trend: &[f64], seasonal: &[f64]) -> Vec<f64> {
    series.iter().zip(trend).zip(seasonal).map(|((value, trend), seasonal)| value - trend - seasonal).collect()
}

/// One inner round: seasons smoothed one by one, less what they hold of the trend.
fn season(series: &[f64], trend: &[f64], weights: Option<&[f64]>, options: &StlOptions) -> Vec<f64> {
    let period = options.period;
    let detrended: Vec<f64> = series.iter().zip(trend).map(|(value, trend)| value - trend).collect();
    let cycles = cycles(&detrended, weights, options);
    let low = moving_average(&moving_average(&moving_average(&cycles, period), period), 3);
    let low = Points { values: &low, weights: None }.smooth((period + 1) | 1);
    cycles[period..].iter().zip(&low).map(|(cycle, low)| cycle - low).collect()
}

/// Every step of the period smoothed over the periods, and one period more at both ends.
fn cycles(detrended: &[f64], weights: Option<&[f64]>, options: &StlOptions) -> Vec<f64> {
    let (period, window) = (options.period, options.seasonal_window);
    let mut cycles = vec![0.0; detrended.len() + 2 * period];
    for step in 0..period {
        let every = |list: &[f64]| list.iter().skip(step).step_by(period).copied().collect::<Vec<_>>();
        let (values, weights) = (every(detrended), weights.map(every));
        let points = Points { values: &values, weights: weights.as_deref() };
        let (count, smooth) = (values.len(), points.smooth(window));
        let before = points.at(0.0, window, 0, window.min(count)).unwrap_or(smooth[0]);
        let after =
            points.at((count + 1) as f64, window, count.saturating_sub(window), count).unwrap_or(smooth[count - 1]);
        let all = std::iter::once(before).chain(smooth).chain(std::iter::once(after));
        cycles.iter_mut().skip(step).step_by(period).zip(all).for_each(|(cycle, value)| *cycle = value);
    }
    cycles
}

fn moving_average(values: &[f64], window: usize) -> Vec<f64> {
    values.windows(window).map(|part| part.iter().sum::<f64>() / window as f64).collect()
}

/// Weights against outliers: 0 beyond six median residuals.
fn bisquare(residual: &[f64]) -> Vec<f64> {
    let sizes: Vec<f64> = residual.iter().map(|value| value.abs()).collect();
    let mut sorted = sizes.clone();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let reach = 3.0 * (sorted[middle] + sorted[sorted.len() - middle - 1]);
    let weight = |&size: &f64| match size {
        _ if size <= 0.001 * reach => 1.0,
        _ if size <= 0.999 * reach => (1.0 - (size / reach).powi(2)).powi(2),
        _ => 0.0,
    };
    sizes.iter().map(weight).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_sum_to_the_series() {
        let series: Vec<f64> = (0..50).map(|step| f64::from(step % 5) + 0.1 * f64::from(step)).collect();
        for robust in [false, true] {
            let parts = stl(&series, StlOptions { robust, ..StlOptions::new(5) }).unwrap();
            for (step, value) in series.iter().enumerate() {
                assert!((parts.trend[step] + parts.seasonal[step] + parts.residual[step] - value).abs() < 1e-12);
                assert!(
                    robust || parts.residual[step].abs() < 0.05,
                    "a line and a season leave {}",
                    parts.residual[step]
                );
            }
        }
        assert!(stl(&series[..9], StlOptions::new(5)).is_err() && stl(&series, StlOptions::new(1)).is_err());
        assert!(stl(&series, StlOptions { seasonal_window: 4, ..StlOptions::new(5) }).is_err());
        assert!(stl(&[3.0; 20], StlOptions { robust: true, ..StlOptions::new(5) }).unwrap().trend[0].is_finite());
    }
}
