//! What is known of the drift of a subject: the figures of a dashboard.

use serde::Serialize;

use super::course::{self, Step};
use super::incident::DriftIncident;
use super::report::DriftReport;
use super::result::DriftKind;
use super::series::{DriftSeries, evenly};
use super::stored;
use super::subject::Subject;
use super::verdict::Verdict;
use crate::clock::Timestamp;
use crate::database::handle::Database;
use crate::error::Result;
use crate::mlops::times::TimeRange;

/// The drift of a subject over a time.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DriftSummary {
    /// Of what.
    pub subject: Subject,
    /// Over which time.
    pub range: TimeRange,
    /// Windows, or checks, that were recorded and had a verdict.
    pub judged: u64,
    /// How many of them drifted.
    pub drifted: u64,
    /// How many of them were in alarm.
    pub alarms: u64,
    /// Incidents that were open at some moment of the time, of monitors with names of their own, too: episodes, not windows.
    pub drift_incidents: u64,
    /// The incident that is open now, the newest of several.
    pub open: Option<DriftIncident>,
    /// The score of the newest report: the share of its features that drifted.
    pub drift_score: Option<f64>,
    /// The newest report.
    pub newest: Option<DriftReport>,
    /// The cosine distance of the mean vectors, window by window; of the score where there are no vectors.
    pub series: DriftSeries,
    /// Its monitors with names of their own, whose windows are not among the others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub monitors: Vec<NamedMonitor>,
}

/// What a monitor with a name of its own has judged in a time.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct NamedMonitor {
    /// Its name.
    pub name: String,
    /// Windows that had a verdict.
    pub judged: u64,
    /// How many of them drifted.
    pub drifted: u64,
    /// How many of them were in alarm.
    pub alarms: u64,
    /// Its incident that is open now.
    pub open: Option<DriftIncident>,
}

impl Database {
    /// What was recorded of the drift of a subject in a time: by the monitor that has its name or, where there is none, by
    /// checks; and in short what its monitors with names of their own found. Reads the records of that time.
    pub fn drift_report(&self, subject: impl Into<Subject>, range: TimeRange) -> Result<DriftSummary> {
        let subject = subject.into();
        let windows = read(self, &subject.to_string(), range)?;
        let reports = if windows.is_empty() { read(self, &stored::checks_of(&subject), range)? } else { windows };
        let incidents = self.drift_incidents(subject.clone(), range)?;
        let (judged, drifted, alarms) = counted(&reports);
        Ok(DriftSummary {
            range,
            judged,
            drifted,
            alarms,
            drift_incidents: incidents.len() as u64,
            open: incidents.iter().rfind(|incident| incident.is_open()).cloned(),
            drift_score: reports.last().map(|report| report.score),
            newest: reports.last().cloned(),
            series: series(&reports)?,
            monitors: self.named_monitors(&subject, range, &incidents)?,
            subject,
        })
    }

    /// The monitors of a subject that have names of their own, by name.
    fn named_monitors(
        &self,
        subject: &Subject,
        range: TimeRange,
        incidents: &[DriftIncident],
    ) -> Result<Vec<NamedMonitor>> {
        let mut monitors = Vec::new();
        for row in stored::tracks(self).walk(|scan| scan)? {
            let name = row.key.to_string();
            if row.value.subject.as_ref() != Some(subject) || name == subject.to_string() {
                continue;
            }
            let (judged, drifted, alarms) = counted(&read(self, &name, range)?);
            let open = incidents.iter().rfind(|incident| incident.monitor == name && incident.is_open()).cloned();
            monitors.push(NamedMonitor { name, judged, drifted, alarms, open });
        }
        Ok(monitors)
    }

    /// The reports that were recorded of a subject in a time, by the monitor that has its name, by checks and, of a model, by the
    /// monitor of its predictions, in the order in which what they judged begins.
    pub fn drift_history(&self, subject: impl Into<Subject>, range: TimeRange) -> Result<Vec<DriftReport>> {
        let subject = subject.into();
        let mut reports = read(self, &subject.to_string(), range)?;
        reports.extend(read(self, &stored::checks_of(&subject), range)?);
        for kind in [DriftKind::Concept, DriftKind::Prediction] {
            reports.extend(read(self, &stored::findings_of(kind, &subject), range)?);
        }
        reports.sort_by_key(|report| (report.current, report.judged));
        Ok(reports)
    }

    /// The newest reports before a time, at most so many, of those that were recorded by the monitor that has the name of the
    /// subject and by checks, the earliest first. Reads no others.
    pub fn newest_drift(
        &self,
        subject: impl Into<Subject>,
        before: Timestamp,
        most: usize,
    ) -> Result<Vec<DriftReport>> {
        let subject = subject.into();
        let range = TimeRange { from: Timestamp(i64::MIN), to: before };
        let mut newest = Vec::new();
        for name in [subject.to_string(), stored::checks_of(&subject)] {
            let within = stored::within(&name, range);
            newest.extend(stored::reports(self).walk(|scan| scan.range(within).reverse().limit(most as u64))?);
        }
        let mut reports: Vec<DriftReport> = newest.into_iter().map(|row| row.value).collect();
        reports.sort_by_key(|report| (report.current, report.judged));
        Ok(reports.split_off(reports.len().saturating_sub(most)))
    }

    /// The incidents of a subject that were open at some moment of a time, the earliest first; each names its monitor. Reads
    /// the incidents of all monitors.
    pub fn drift_incidents(&self, subject: impl Into<Subject>, range: TimeRange) -> Result<Vec<DriftIncident>> {
        let (subject, rows) = (subject.into(), stored::incidents(self).walk(|scan| scan)?);
        let meets = |it: &DriftIncident| it.opened.from < range.to && it.closed.is_none_or(|end| end.to > range.from);
        let all = rows.into_iter().map(|row| row.value);
        let mut incidents: Vec<DriftIncident> = all.filter(|it| it.subject == subject && meets(it)).collect();
        incidents.sort_by(|a, b| (a.opened, &a.monitor).cmp(&(b.opened, &b.monitor)));
        Ok(incidents)
    }
}

/// How many reports had a verdict, and of them drifted and were in alarm.
fn counted(reports: &[DriftReport]) -> (u64, u64, u64) {
    let judged = || reports.iter().filter(|report| report.verdict != Verdict::Insufficient);
    let drifted = judged().filter(|report| report.drift).count();
    (judged().count() as u64, drifted as u64, judged().filter(|report| report.alarm).count() as u64)
}

fn series(reports: &[DriftReport]) -> Result<DriftSeries> {
    let steps: Vec<Step> = reports.iter().map(Step::of).collect();
    let (times, values) = evenly(course::values(&steps));
    DriftSeries::of(times, values, None)
}

fn read(db: &Database, name: &str, range: TimeRange) -> Result<Vec<DriftReport>> {
    let rows = stored::reports(db).range(stored::within(name, range))?;
    Ok(rows.into_iter().map(|row| row.value).collect())
}
