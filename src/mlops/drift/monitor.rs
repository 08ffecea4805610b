//! A monitor: window after window of a subject, judged once each, and incidents that open and close.

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

use super::check::DriftCheck;
use super::course::Course;
use super::detector::DriftDetector;
use super::incident::{Change, DriftIncident, Levels, Seen, Track};
use super::method::Method;
use super::monitor_options::MonitorOptions;
use super::report::DriftReport;
use super::stored;
use super::subject::Subject;
use super::verdict::Verdict;
use crate::clock::Timestamp;
use crate::database::batch::Batch;
use crate::database::handle::Database;
use crate::database::request::Precondition;
use crate::error::{Error, Result};
use crate::mlops::alerts::{MAX_SUBJECT_BYTES, Observation, Severity, metric};
use crate::mlops::table::Row;
use crate::mlops::times::{TimeRange, before};

/// Windows without rows that one call passes over, at most: each costs a look at the collection.
const MOST_GAPS: u64 = 64;
/// The longest name of a monitor: `model` and the longest name of one.
const MAX_NAME_BYTES: usize = 256;

/// What a call of [`DriftMonitor::tick`] did.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct MonitorTick {
    /// The windows that were judged, the earliest first.
    pub reports: Vec<DriftReport>,
    /// Windows that had no rows: gaps of the series.
    pub gaps: u64,
    /// Incidents that opened or closed.
    pub incidents: Vec<DriftIncident>,
    /// Windows that are due and wait for the next call.
    pub left: u64,
    /// How far the clock went back since an earlier call; nothing is judged again.
    pub clock_went_back: Option<Duration>,
}

impl Database {
    /// A monitor of a subject. It judges nothing before it is told the time.
    ///
    /// # Errors
    /// `Invalid` for an option outside its range, or a name of more than 256 bytes.
    pub fn drift_monitor(&self, subject: impl Into<Subject>, options: MonitorOptions) -> Result<DriftMonitor> {
        options.check()?;
        let subject = subject.into();
        let given = options.name.is_some();
        let name = options.name.clone().unwrap_or_else(|| subject.to_string());
        let fits = (1..=MAX_NAME_BYTES).contains(&name.len()) && !name.chars().any(char::is_control);
        if !fits || (given && name.contains('/')) {
            return Err(Error::invalid(format!("{name:?}, of {} bytes, cannot be the name of a monitor", name.len()))
                .mend(format!("use 1 to {MAX_NAME_BYTES} bytes without `/` and control characters")));
        }
        Ok(DriftMonitor { db: self.clone(), name, subject, options })
    }
}

/// Watches a subject: judges every window once, keeps the reports, and opens and closes incidents.
///
/// Windows follow each other from 1970 on. A window's report, where the monitor stands, what happened to incidents and the
/// alerts that follow are written in one batch, so a kill in the middle judges a window again and never counts it twice. What is found
/// follows from the rows alone.
///
/// Where a window has no rows there is a gap, which counts neither as quiet nor as an alarm.
///
/// ```
/// # fn main() -> driftline::Result<()> {
/// use std::time::Duration;
///
/// use driftline::mlops::drift::{MonitorOptions, Reference};
/// use driftline::{Database, Record, Schema, Timestamp, json};
///
/// let db = Database::in_memory()?;
/// let docs = db.create_collection("docs", Schema::payload_only())?;
/// let hour = 3_600_000_000;
/// docs.put_all((0..600u64).map(|n| {
///     let words = if n < 400 { n % 90 } else { 300 };
///     Record::new(n).payload(json!({"words": words})).created_at(Timestamp(n as i64 * hour / 100))
/// }))?;
///
/// let options = MonitorOptions::default()
///     .interval(Duration::from_secs(3_600))
///     .reference(Reference::Before(Duration::from_secs(2 * 3_600)))
///     .begin(Timestamp(2 * hour));
/// let monitor = db.drift_monitor("docs", options)?;
/// let tick = monitor.tick(Timestamp(6 * hour))?;
/// assert_eq!(tick.reports.iter().map(|report| report.alarm).collect::<Vec<_>>(), [false, false, true, true]);
/// assert!(monitor.incidents()?[0].is_open());
/// assert!(monitor.tick(Timestamp(6 * hour))?.reports.is_empty(), "a window is judged once");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct DriftMonitor {
    db: Database,
    name: String,
    subject: Subject,
    options: MonitorOptions,
}

impl DriftMonitor {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it watches.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The time of its store.
    pub(super) fn now(&self) -> Timestamp {
        self.db.now()
    }

    /// How long its windows are.
    pub fn interval(&self) -> Duration {
        self.options.interval
    }

    /// The level that one window is judged at, which follows from the expected run time.
    pub fn level(&self) -> f64 {
        self.levels().window
    }

    /// Judges the windows that have ended by `now` and were not judged yet, at most so many as the options say.
    ///
    /// Where another handle judged the same window meanwhile, this call fails with `Conflict` and may be made again.
    pub fn tick(&self, now: Timestamp) -> Result<MonitorTick> {
        let tracks = stored::tracks(&self.db);
        let mut done =
            MonitorTick { reports: Vec::new(), gaps: 0, incidents: Vec::new(), left: 0, clock_went_back: None };
        let mut course = Course::default();
        let mut row = tracks.get(self.name.as_str())?;
        let mut track = row.as_ref().map_or_else(Track::default, |row| row.value.clone());
        track.subject = Some(self.subject.clone());
        if let Some(told) = track.told.filter(|told| *told > now) {
            done.clock_went_back = Some(told.since(now));
            return Ok(done);
        }
        let begin = track.next.or(self.options.from).unwrap_or(now);
        let mut next = TimeRange::window(begin, self.options.interval);
        if track.next.is_some_and(|judged| next.from < judged) {
            // The interval has changed since: no row is judged twice, and no report gives way to another.
            next = TimeRange::window(next.to, self.options.interval);
        }
        let until = before(now, self.options.lateness);
        while next.to <= until && done.reports.len() < self.options.most_windows as usize && done.gaps < MOST_GAPS {
            let report = self.check(next).run_unless_empty()?;
            (track.next, track.told) = (Some(next.to), Some(now));
            done.gaps += u64::from(report.is_none());
            let (incident, changed) = self.step(&mut track, next, report.as_ref())?;
            // A long gap is walked over in memory, and written with the next window that has rows.
            if let Some(report) = &report {
                let severe = incident.as_ref().is_some_and(|incident| incident.severe);
                let told = self.observations(&track, report, severe, &mut course)?;
                row = Some(self.write(row, &track, Some(report), incident.as_ref(), &told)?);
            }
            done.reports.extend(report);
            done.incidents.extend(incident.filter(|_| changed));
            next = TimeRange::window(next.to, self.options.interval);
        }
        done.left = windows_between(next.from, until, self.options.interval);
        if track.told != Some(now) || done.gaps > 0 {
            (track.next, track.told) = (Some(next.from), Some(now));
            self.write(row, &track, None, None, &[])?;
        }
        Ok(done)
    }

    /// Reports of windows in a time, the earliest first.
    pub fn reports(&self, range: TimeRange) -> Result<Vec<DriftReport>> {
        let rows = stored::reports(&self.db).range(stored::within(&self.name, range))?;
        Ok(rows.into_iter().map(|row| row.value).collect())
    }

    /// All incidents, the earliest first.
    pub fn incidents(&self) -> Result<Vec<DriftIncident>> {
        let rows = stored::incidents(&self.db).prefix(stored::prefix(&self.name))?;
        Ok(rows.into_iter().map(|row| row.value).collect())
    }

    fn levels(&self) -> Levels {
        Levels::of(self.options.expected_run_time.as_secs_f64() / self.options.interval.as_secs_f64())
    }

    fn check(&self, window: TimeRange) -> DriftCheck {
        let level = self.levels().window;
        let detector = DriftDetector::new(Method::Auto).threshold(level);
        let check = self.db.drift(self.subject.clone()).current(window).detector(detector);
        check.against(self.options.reference.clone()).fields(self.options.fields.clone())
    }

    /// What a window does to the incident that is open or opens, and whether it opened or closed it.
    fn step(
        &self,
        track: &mut Track,
        window: TimeRange,
        report: Option<&DriftReport>,
    ) -> Result<(Option<DriftIncident>, bool)> {
        let Some(report) = report.filter(|report| report.verdict != Verdict::Insufficient) else {
            return Ok((None, false));
        };
        let alarm = report.alarm || report.drift && report.reaches(self.options.drift_threshold);
        let seen = Seen { p: report.p.unwrap_or(1.0), alarm, matters: report.matters() };
        let change = track.step(seen, self.levels());
        let mut incident = match change {
            Change::Opened(cause) => DriftIncident {
                number: track.newest,
                monitor: self.name.clone(),
                subject: self.subject.clone(),
                opened: window,
                closed: None,
                cause,
                alarms: 0,
                least_p: None,
                features: Vec::new(),
                severe: false,
            },
            Change::None if !track.open => return Ok((None, false)),
            Change::None | Change::Closed => {
                let key = stored::numbered(&self.name, track.newest);
                match stored::incidents(&self.db).get(key)? {
                    Some(row) => row.value,
                    None => return Ok((None, false)),
                }
            }
        };
        incident.closed = (change == Change::Closed).then_some(window);
        incident.add(report, alarm, report.drift && report.reaches(self.options.alert_threshold));
        Ok((Some(incident), change != Change::None))
    }

    /// What alert rules are told of a window: how many features alarm and the score while an incident is open, else
    /// nothing of either, so that alerts follow incidents and not windows; and how far it stands out. The number of features
    /// of a severe incident is critical. Nothing of a window without a verdict.
    fn observations(
        &self,
        track: &Track,
        report: &DriftReport,
        severe: bool,
        course: &mut Course,
    ) -> Result<Vec<Observation>> {
        if !self.options.alerts || report.verdict == Verdict::Insufficient {
            return Ok(Vec::new());
        }
        let alarms = report.results.iter().filter(|result| result.alarm).count().max(1);
        let open = if track.open { 1.0 } else { 0.0 };
        let subject = self.told_of();
        let told = |metric: &str, value: f64| {
            let observation = Observation::new(subject.clone(), metric, value * open).at(report.current.to);
            match track.newest {
                0 => observation,
                number => observation.correlation(format!("drift/{}/{number}", self.name)),
            }
        };
        let features = told(metric::FEATURE_DRIFT, alarms as f64);
        let features = if severe { features.at_least(Severity::Critical) } else { features };
        let stands_out = course.stands_out(&self.db, &self.name, report)?;
        let anomaly = Observation::new(subject.clone(), metric::ANOMALY, stands_out).at(report.current.to);
        Ok(vec![features, told(metric::DRIFT_SCORE, report.score), anomaly])
    }

    /// What alert rules are told that it is about: the subject, and behind that the monitor's own name if it has one, so that
    /// monitors of one subject do not end each other's alerts.
    fn told_of(&self) -> String {
        let subject = match &self.subject {
            Subject::Collection(name) => name.clone(),
            Subject::Model(model) => model.to_string(),
        };
        if self.name == self.subject.to_string() {
            return subject;
        }
        let whole = format!("{subject}/{}", self.name);
        // Only the longest names have no room.
        if whole.len() <= MAX_SUBJECT_BYTES {
            whole
        } else {
            format!("{subject}/#{:016x}", xxh3_64(self.name.as_bytes()))
        }
    }

    /// Writes where the monitor stands and what a window did, together.
    fn write(
        &self,
        was: Option<Row<Track>>,
        track: &Track,
        report: Option<&DriftReport>,
        incident: Option<&DriftIncident>,
        told: &[Observation],
    ) -> Result<Row<Track>> {
        let tracks = stored::tracks(&self.db);
        let as_it_was = was.map_or(Precondition::Absent, |row| Precondition::AtLsn(row.lsn));
        let mut batch: Batch = self.db.batch().require(&tracks.collection()?, self.name.as_str(), as_it_was);
        batch = tracks.put_in(batch, self.name.as_str(), track)?;
        if let Some(report) = report {
            batch = stored::reports(&self.db).put_in(batch, stored::at(&self.name, report.current.from), report)?;
        }
        if let Some(incident) = incident {
            let key = stored::numbered(&self.name, incident.number);
            batch = stored::incidents(&self.db).put_in(batch, key, incident)?;
        }
        if !told.is_empty() {
            batch = self.db.alerts().observe_in(batch, told)?.0;
        }
        let lsn = batch.commit()?.lsn;
        Ok(Row { key: self.name.as_str().into(), value: track.clone(), lsn, expires: None })
    }
}

/// Whole windows from one moment to another.
fn windows_between(from: Timestamp, to: Timestamp, length: Duration) -> u64 {
    (to.since(from).as_micros() / length.as_micros().max(1)) as u64
}
