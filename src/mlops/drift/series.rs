//! A series of drift over time: its trend, its season, what stands out, and where it changed.

use serde::{Deserialize, Serialize};

use super::report::DriftReport;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::mlops::times::TimeRange;
use crate::stats::change::{Adwin, PageHinkley};
use crate::stats::moments::Moments;
use crate::stats::outlier;
use crate::stats::seasonal::{self, StlOptions, stl};
use crate::stats::trend::{self, MannKendall};

/// Values that are looked at, the newest of more: a day of windows of 300 s takes 288.
const MOST_VALUES: usize = 5_000;
/// Values below which nothing is said.
const LEAST_VALUES: usize = 8;
/// The share of steps without a value up to which gaps are bridged by lines, to take a season out.
const MOST_GAPS: f64 = 0.2;
/// How much of the variance a season that was found, not given, must explain.
const LEAST_STRENGTH: f64 = 0.4;
/// What Page and Hinkley's sum must exceed, in standard deviations of the series.
const HINKLEY_THRESHOLD: f64 = 10.0;
/// The chance of a false cut that ADWIN takes.
const ADWIN_DELTA: f64 = 0.002;

/// A series with a value for each step, or none where there is a gap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DriftSeries {
    /// Where each step begins.
    pub times: Vec<Timestamp>,
    /// The value of each step; none in a gap.
    pub values: Vec<Option<f64>>,
    /// Steps without a value.
    pub gaps: u64,
    /// Does it rise or fall? Of the values that are there, one after the other; none of fewer than 8.
    pub trend: Option<MannKendall>,
    /// What repeats, where a period was given or found, and gaps are few enough to be bridged.
    pub season: Option<Season>,
    /// Steps whose value stands out from the rest: modified z above 3.5, of what trend and season leave.
    pub anomalies: Vec<Anomaly>,
    /// Steps at which the level changed.
    pub changes: Vec<ChangePoint>,
}

/// A season of a series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Season {
    /// Steps after which it repeats.
    pub period: u64,
    /// How much of the variance it explains beside the trend, from 0 to 1.
    pub strength: f64,
    /// What it adds at each step.
    pub seasonal: Vec<f64>,
    /// The slow part.
    pub trend: Vec<f64>,
}

/// A value that stands out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Anomaly {
    /// Its step, counted from 0.
    pub step: u64,
    /// Its modified z; none where more than half of the rest are equal, and it differs.
    pub z: Option<f64>,
}

/// Where a series changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChangePoint {
    /// The step at which it was seen, counted from 0.
    pub step: u64,
    /// What saw it.
    pub by: ChangeTest,
}

/// A test for changes of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChangeTest {
    /// Page and Hinkley's, in standard deviations of the series.
    PageHinkley,
    /// ADWIN at 0.002.
    Adwin,
}

impl DriftSeries {
    /// Looks at a series of evenly spaced steps. `period` is what it repeats after, in steps; where none is given it is
    /// looked for.
    ///
    /// Gaps are left out of the trend, the anomalies and the changes. Only to take a season out they are bridged by
    /// straight lines, up to a fifth of all steps; what was bridged is never an anomaly.
    ///
    /// # Errors
    /// Times and values of different length, a value that is not finite, or a period below 2 or above half the series.
    pub fn of(times: Vec<Timestamp>, values: Vec<Option<f64>>, period: Option<usize>) -> Result<DriftSeries> {
        if times.len() != values.len() {
            let message = format!("a series has {} times and {} values", times.len(), values.len());
            return Err(Error::invalid(message).mend("give one for each of the other"));
        }
        if let Some(period) = period.filter(|period| *period < 2 || period * 2 > values.len()) {
            let message = format!("the period of a series of {} steps is {period}", values.len());
            return Err(Error::invalid(message).mend("take one from 2 to half of the series"));
        }
        let skipped = values.len().saturating_sub(MOST_VALUES);
        let (times, values) = (times[skipped..].to_vec(), values[skipped..].to_vec());
        let there = there(&values);
        let plain: Vec<f64> = there.iter().map(|(_, value)| *value).collect();
        let enough = plain.len() >= LEAST_VALUES;
        let season = if enough { season(&values, period)? } else { None };
        let series = DriftSeries {
            gaps: (values.len() - plain.len()) as u64,
            trend: if enough { Some(trend::mann_kendall(&plain)?) } else { None },
            anomalies: if enough { anomalies(&values, season.as_ref())? } else { Vec::new() },
            changes: changes(&there)?,
            season,
            times,
            values,
        };
        Ok(series)
    }

    /// The series of what reports say, at the windows they judged; steps between them without a report are gaps. `value` picks what is looked at,
    /// such as `|report| report.centroid_cosine`.
    pub fn of_reports(
        reports: &[DriftReport],
        value: impl Fn(&DriftReport) -> Option<f64>,
        period: Option<usize>,
    ) -> Result<DriftSeries> {
        let (times, values) = evenly(reports.iter().map(|report| (report.current, value(report))));
        DriftSeries::of(times, values, period)
    }
}

/// Where windows begin and what they show, with a step without a value for each that is missing between them.
pub(super) fn evenly(
    windows: impl IntoIterator<Item = (TimeRange, Option<f64>)>,
) -> (Vec<Timestamp>, Vec<Option<f64>>) {
    let (mut times, mut values) = (Vec::new(), Vec::new());
    for (window, value) in windows {
        let step = window.to.0.saturating_sub(window.from.0).max(1);
        while let Some(next) = times.last().map(|last: &Timestamp| Timestamp(last.0.saturating_add(step))) {
            if next >= window.from || values.len() >= 2 * MOST_VALUES {
                break;
            }
            times.push(next);
            values.push(None);
        }
        times.push(window.from);
        values.push(value);
    }
    (times, values)
}

/// The values with gaps bridged, where they are few and not at an end.
fn bridged(values: &[Option<f64>]) -> Option<Vec<f64>> {
    let gaps = values.iter().filter(|value| value.is_none()).count();
    if gaps as f64 > MOST_GAPS * values.len() as f64 || values.first()?.is_none() || values.last()?.is_none() {
        return None;
    }
    let mut whole: Vec<f64> = Vec::with_capacity(values.len());
    for (step, value) in values.iter().enumerate() {
        if let Some(value) = value {
            whole.push(*value);
            continue;
        }
        let (ahead, next) = values[step..].iter().enumerate().find_map(|(ahead, value)| Some((ahead, (*value)?)))?;
        let last = *whole.last()?;
        whole.push(last + (next - last) / (ahead + 1) as f64);
    }
    Some(whole)
}

/// What repeats after `period`, or after the period that explains most, if one explains enough.
pub(super) fn season(values: &[Option<f64>], period: Option<usize>) -> Result<Option<Season>> {
    let Some(whole) = bridged(values) else { return Ok(None) };
    let given = period.is_some();
    let Some(period) = period.or_else(|| likely_period(&whole)) else { return Ok(None) };
    let parts = stl(&whole, StlOptions { robust: true, ..StlOptions::new(period) })?;
    let strength = seasonal::strength(&parts.seasonal, &parts.residual)?;
    let season = Season { period: period as u64, strength, seasonal: parts.seasonal, trend: parts.trend };
    Ok((given || strength >= LEAST_STRENGTH).then_some(season))
}

/// The lag, from 2 to a third of the series, at which the differences of neighbours resemble themselves most.
fn likely_period(values: &[f64]) -> Option<usize> {
    let steps: Vec<f64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let power: f64 = steps.iter().map(|step| step * step).sum();
    let likeness = |lag: usize| steps.iter().zip(&steps[lag..]).map(|(a, b)| a * b).sum::<f64>() / power;
    if power.is_nan() || power <= 0.0 {
        return None;
    }
    let lags = 2..=(values.len() / 3).min(400);
    let best = lags.map(|lag| (lag, likeness(lag))).max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))?;
    (best.1 > 0.2).then_some(best.0)
}

/// The values that are there, with their steps.
fn there(values: &[Option<f64>]) -> Vec<(usize, f64)> {
    values.iter().enumerate().filter_map(|(step, value)| Some((step, (*value)?))).collect()
}

/// The steps that stand out of what trend and season leave, above or below.
pub(super) fn anomalies(values: &[Option<f64>], season: Option<&Season>) -> Result<Vec<Anomaly>> {
    let there = there(values);
    let rest: Vec<f64> = there
        .iter()
        .map(|(step, value)| season.map_or(*value, |it| value - it.trend[*step] - it.seasonal[*step]))
        .collect();
    let told = |(place, z): (usize, f64)| Anomaly { step: there[place].0 as u64, z: Some(z).filter(|z| z.is_finite()) };
    let scores = outlier::modified_z(&rest)?.into_iter().enumerate();
    Ok(scores.filter(|(_, z)| z.abs() > outlier::CUT).map(told).collect())
}

/// Where Page and Hinkley, in standard deviations, and ADWIN, over the range of the series, see another level.
fn changes(there: &[(usize, f64)]) -> Result<Vec<ChangePoint>> {
    let values: Vec<f64> = there.iter().map(|(_, value)| *value).collect();
    if values.len() < LEAST_VALUES {
        return Ok(Vec::new());
    }
    let deviation = Moments::of(&values)?.population_deviation();
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let range = high - low;
    if !(deviation > 0.0 && range.is_finite()) {
        return Ok(Vec::new());
    }
    let (mut hinkley, mut adwin) = (PageHinkley::default(), Adwin::new(ADWIN_DELTA)?);
    hinkley.threshold = HINKLEY_THRESHOLD;
    let mut found = Vec::new();
    for (step, value) in there {
        let mut seen = |by| found.push(ChangePoint { step: *step as u64, by });
        if hinkley.add((value - low) / deviation)?.is_some() {
            seen(ChangeTest::PageHinkley);
        }
        if adwin.add((value - low) / range)? {
            seen(ChangeTest::Adwin);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::stats::normal::draw;

    fn noise(count: usize, seed: u64) -> Vec<f64> {
        let mut random = Random::seeded(seed, 4);
        (0..count).map(|_| 0.01 * draw(&mut random)).collect()
    }

    fn of(values: Vec<Option<f64>>, period: Option<usize>) -> DriftSeries {
        let times = (0..values.len()).map(|step| Timestamp(step as i64)).collect();
        DriftSeries::of(times, values, period).unwrap()
    }

    fn some(values: Vec<f64>) -> Vec<Option<f64>> {
        values.into_iter().map(Some).collect()
    }

    #[test]
    fn a_slow_rise_is_a_trend_and_noise_is_none() {
        let rising = noise(60, 1).iter().enumerate().map(|(step, noise)| step as f64 * 0.001 + noise).collect();
        let trend = of(some(rising), None).trend.unwrap();
        assert!(trend.p < 1e-6 && (trend.slope - 0.001).abs() < 0.0005, "{trend:?}");
        assert!(of(some(noise(60, 2)), None).trend.unwrap().p > 0.01);
    }

    #[test]
    fn a_season_is_found_taken_out_and_what_stands_out_of_it_is_seen() {
        let mut values: Vec<f64> = noise(96, 3)
            .iter()
            .enumerate()
            .map(|(step, noise)| 0.1 * (step as f64 / 12.0 * std::f64::consts::TAU).sin() + noise)
            .collect();
        // Nothing special as a value; but not at this hour.
        values[51] -= 0.12;
        let series = of(some(values.clone()), None);
        let season = series.season.unwrap();
        assert!(season.period == 12 && season.strength > 0.8, "{} {}", season.period, season.strength);
        let far = |it: &&Anomaly| it.z.is_none_or(|z| z.abs() > 8.0);
        let far: Vec<u64> = series.anomalies.iter().filter(far).map(|it| it.step).collect();
        assert_eq!(far, [51], "{:?}", series.anomalies);
        assert!(of(some(noise(96, 4)), None).season.is_none());
        assert_eq!(of(some(values), Some(12)).season.unwrap().period, 12);
    }

    #[test]
    fn gaps_are_bridged_for_the_season_only_and_never_stand_out() {
        let wave = |step: usize| 0.1 * (step as f64 / 8.0 * std::f64::consts::TAU).sin();
        let mut values: Vec<Option<f64>> = some(noise(64, 5).iter().enumerate().map(|(n, it)| it + wave(n)).collect());
        values[20..24].fill(None);
        let series = of(values.clone(), Some(8));
        assert_eq!(series.gaps, 4);
        assert!(series.season.is_some() && series.anomalies.iter().all(|it| !(20..24).contains(&it.step)));
        values[20..40].fill(None);
        let holed = of(values, Some(8));
        assert!(holed.season.is_none() && holed.trend.is_some());
    }

    #[test]
    fn gaps_are_bridged_by_straight_lines() {
        let line: Vec<f64> = (0..10).map(f64::from).collect();
        let mut values = some(line.clone());
        values[4..6].fill(None);
        assert_eq!(bridged(&values), Some(line));
        values[6] = None;
        assert_eq!(bridged(&values), None, "three of ten are too many");
    }

    #[test]
    fn a_new_level_is_a_change() {
        let values: Vec<f64> =
            noise(200, 6).iter().enumerate().map(|(step, noise)| noise + if step < 100 { 0.0 } else { 0.2 }).collect();
        let changes = of(some(values), None).changes;
        for by in [ChangeTest::PageHinkley, ChangeTest::Adwin] {
            assert!(changes.iter().any(|it| it.by == by && (100..=135).contains(&it.step)), "{by:?}: {changes:?}");
        }
        assert!(of(some(vec![0.5; 40]), None).changes.is_empty());
    }

    #[test]
    fn series_that_make_no_sense_are_refused_and_short_ones_say_nothing() {
        assert!(DriftSeries::of(vec![Timestamp(0)], vec![], None).is_err());
        assert!(DriftSeries::of(vec![Timestamp(0); 9], vec![Some(1.0); 9], Some(5)).is_err());
        assert!(DriftSeries::of(vec![Timestamp(0); 9], vec![Some(f64::NAN); 9], None).is_err());
        let short = of(some(vec![1.0; 5]), None);
        assert!(short.trend.is_none() && short.anomalies.is_empty());
        assert_eq!(of(Vec::new(), None).gaps, 0);
    }
}
