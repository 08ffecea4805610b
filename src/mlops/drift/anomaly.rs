//! Windows that stand out from those before them.

use super::report::DriftReport;
use super::stored;
use crate::clock::Timestamp;
use crate::database::handle::Database;
use crate::error::Result;
use crate::stats::outlier;

/// So many windows are looked at, the newest: a day of windows of 300 s.
const WINDOWS: usize = 288;
/// Windows below which none stands out.
const LEAST: usize = 24;
/// What is told of a value beside values that are nearly all equal, where z has no end.
const MOST_Z: f64 = 1_000.0;

/// How far the newest window of a monitor and the one before it stand out from the day before, as the size of the smaller
/// modified z; 0 where one of them does not, or there is a gap between them. By chance one of them alone does so about every
/// day. No season is taken out: none that is worth it repeats within a day.
pub(super) fn standing_out(db: &Database, monitor: &str, newest: &DriftReport) -> Result<f64> {
    let before = stored::at(monitor, Timestamp(i64::MIN))..stored::at(monitor, newest.current.from);
    let earlier = stored::reports(db).walk(|scan| scan.range(before).reverse().limit(WINDOWS as u64 - 1))?;
    let mut reports: Vec<DriftReport> = earlier.into_iter().rev().map(|row| row.value).collect();
    reports.push(newest.clone());
    let value = course(&reports);
    let there = |report: &DriftReport| Some((report.current, value(report).filter(|value| value.is_finite())?));
    let course: Vec<_> = reports.iter().filter_map(there).collect();
    let [.., (previous, _), (last, _)] = course[..] else { return Ok(0.0) };
    if course.len() < LEAST || last != newest.current || previous.to != last.from {
        return Ok(0.0);
    }
    let z = outlier::modified_z(&course.iter().map(|(_, value)| *value).collect::<Vec<_>>())?;
    let newest = z.iter().rev().take(2).map(|z| z.abs().min(MOST_Z));
    Ok(newest.reduce(f64::min).filter(|z| *z > outlier::CUT).unwrap_or(0.0))
}

/// What is followed over windows: the cosine distance of the mean vectors, or the score where there are no vectors.
pub(super) fn course(reports: &[DriftReport]) -> fn(&DriftReport) -> Option<f64> {
    match reports.iter().any(|report| report.centroid_cosine.is_some()) {
        true => |report: &DriftReport| report.centroid_cosine,
        false => |report: &DriftReport| Some(report.score),
    }
}
