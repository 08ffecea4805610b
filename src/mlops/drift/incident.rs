//! Incidents: when windows in alarm become one thing that somebody should look at, and when it is over.
//!
//! A window every five minutes at a level of 0.01 would cry wolf three times a day. So an incident opens on two windows in
//! alarm in a row, or when evidence has gathered: the running product of e-values κ·p^(κ-1), κ = 0.5, each a bet against
//! "no drift" that does not pay on average (Vovk and Wang 2021), never below 1 (Shin, Ramdas and Rinaldo 2024). Both
//! thresholds follow from how long a quiet subject should be left in peace, [`Levels::of`]. It closes after two windows
//! without alarm. Windows without a verdict count for neither.

use serde::{Deserialize, Serialize};

use super::report::DriftReport;
use super::subject::Subject;
use crate::clock::Timestamp;
use crate::mlops::times::TimeRange;

/// Windows in alarm that open an incident, and windows without that close it.
const IN_A_ROW: u32 = 2;
/// The exponent of the calibrator.
const KAPPA: f64 = 0.5;
/// Features that an incident names, at most.
const MOST_FEATURES: usize = 100;
/// No level is above this, however seldom windows are judged.
const MOST_LEVEL: f64 = 0.05;

/// Something that somebody should look at: windows in alarm that belong together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DriftIncident {
    /// Its number, counted from 1 for each monitor.
    pub number: u64,
    /// The monitor.
    pub monitor: String,
    /// What is monitored.
    pub subject: Subject,
    /// The window that opened it.
    pub opened: TimeRange,
    /// The window that closed it; none while it is open.
    pub closed: Option<TimeRange>,
    /// Why it opened.
    pub cause: IncidentCause,
    /// Windows in alarm so far.
    pub alarms: u64,
    /// The smallest p so far.
    pub least_p: Option<f64>,
    /// The features that were in alarm.
    pub features: Vec<String>,
    /// Whether the cosine distance of the mean vectors reached the monitor's `alert_threshold`.
    pub severe: bool,
}

impl DriftIncident {
    /// Whether it is not over.
    pub fn is_open(&self) -> bool {
        self.closed.is_none()
    }

    /// Takes what a window of it showed.
    pub(super) fn add(&mut self, report: &DriftReport, alarm: bool, severe: bool) {
        self.alarms += u64::from(alarm);
        self.severe |= severe;
        self.least_p = [self.least_p, report.p].into_iter().flatten().reduce(f64::min);
        for result in report.results.iter().filter(|result| result.alarm) {
            if self.features.len() < MOST_FEATURES && !self.features.contains(&result.feature) {
                self.features.push(result.feature.clone());
            }
        }
    }
}

/// Why an incident opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IncidentCause {
    /// Two windows in a row were in alarm.
    AlarmsInARow,
    /// Evidence gathered over many windows, of which none alone was sure.
    Evidence,
}

/// What must be reached for an incident.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Levels {
    /// The level of one window.
    pub(super) window: f64,
    /// The logarithm of what the running e-value must reach.
    pub(super) ln_evidence: f64,
}

impl Levels {
    /// Those that leave a quiet subject in peace for about `run` windows: each of the two ways is given twice that long.
    /// Two windows in a row at level q come once in about 1/q², a running e-value reaches A once in A windows at most.
    pub(super) fn of(run: f64) -> Levels {
        let run = 2.0 * run.max(1.0);
        Levels { window: run.sqrt().recip().min(MOST_LEVEL), ln_evidence: run.ln() }
    }
}

/// Where a monitor stands between windows.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Track {
    /// What is monitored; none where an earlier version wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) subject: Option<Subject>,
    /// The beginning of the next window to be judged.
    pub(super) next: Option<Timestamp>,
    /// The latest time that it was told.
    pub(super) told: Option<Timestamp>,
    /// Windows in alarm up to now.
    alarms: u32,
    /// Windows without alarm up to now, while an incident is open.
    quiet: u32,
    /// The logarithm of the running e-value.
    ln_evidence: f64,
    /// The number of the newest incident.
    pub(super) newest: u64,
    /// Whether that is open.
    pub(super) open: bool,
}

/// What a window did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    None,
    Opened(IncidentCause),
    Closed,
}

/// What a window showed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seen {
    pub(super) p: f64,
    pub(super) alarm: bool,
    /// Whether an effect is large enough to matter, whatever its p.
    pub(super) matters: bool,
}

impl Track {
    /// Takes a window with a verdict.
    pub(super) fn step(&mut self, seen: Seen, levels: Levels) -> Change {
        self.alarms = if seen.alarm { self.alarms.saturating_add(1) } else { 0 };
        self.quiet = if seen.alarm { 0 } else { self.quiet.saturating_add(1) };
        if self.open {
            if self.quiet < IN_A_ROW {
                return Change::None;
            }
            (self.open, self.ln_evidence) = (false, 0.0);
            return Change::Closed;
        }
        let bet = KAPPA.ln() + (KAPPA - 1.0) * seen.p.clamp(f64::MIN_POSITIVE, 1.0).ln();
        // However sure a window is, it does not open an incident alone: half of what is needed is what it may bring.
        self.ln_evidence = self.ln_evidence.max(0.0) + bet.min(levels.ln_evidence / 2.0);
        let cause = if self.alarms >= IN_A_ROW {
            IncidentCause::AlarmsInARow
        } else if self.ln_evidence >= levels.ln_evidence && seen.matters {
            IncidentCause::Evidence
        } else {
            return Change::None;
        };
        (self.open, self.quiet) = (true, 0);
        self.newest += 1;
        Change::Opened(cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::stats::ks;
    use crate::stats::normal::draw;

    fn seen(p: f64) -> Seen {
        Seen { p, alarm: p <= 0.01, matters: true }
    }

    /// Feeds windows and tells after which of them something changed.
    fn changes(windows: &[f64]) -> Vec<(usize, Change)> {
        let (mut track, levels) = (Track::default(), Levels::of(1_000.0));
        let steps = windows.iter().enumerate().map(|(place, &p)| (place, track.step(seen(p), levels)));
        steps.filter(|(_, change)| *change != Change::None).collect()
    }

    #[test]
    fn two_alarms_in_a_row_open_and_two_quiet_windows_close() {
        let opened = Change::Opened(IncidentCause::AlarmsInARow);
        assert_eq!(changes(&[0.5, 0.004, 0.5, 0.004, 0.5]), []);
        assert_eq!(changes(&[0.004, 0.004, 0.5, 0.004, 0.5, 0.5, 0.5]), [(1, opened), (5, Change::Closed)]);
        let again = changes(&[0.004, 0.004, 0.5, 0.5, 0.004, 0.004, 0.004]);
        assert_eq!(again, [(1, opened), (3, Change::Closed), (5, opened)]);
    }

    #[test]
    fn evidence_gathers_over_windows_that_are_not_sure_alone() {
        let found = changes(&[0.02; 12]);
        assert_eq!(found[0].1, Change::Opened(IncidentCause::Evidence), "{found:?}");
        assert!((4..=9).contains(&found[0].0), "{found:?}");
        assert_eq!(changes(&[0.5, 1e-200, 0.5, 0.5]), [], "one window is not enough, however sure");
        let (mut track, levels) = (Track::default(), Levels::of(1_000.0));
        let small = Seen { matters: false, ..seen(0.02) };
        assert!((0..100).all(|_| track.step(small, levels) == Change::None), "what is small wakes nobody");
    }

    #[test]
    fn peace_saves_nothing_up_and_an_incident_leaves_nothing_behind() {
        let found = changes(&[0.02; 40]);
        let (first, closed, second) = (found[0].0, found[1].0, found[2].0);
        assert_eq!(second - closed, first + 1, "evidence gathers from nothing again: {found:?}");
        assert_eq!(changes(&[vec![0.9; 100], vec![0.02; 12]].concat())[0].0, 100 + first);
    }

    #[test]
    fn levels_follow_from_how_long_there_should_be_peace() {
        let month = Levels::of(30.0 * 86_400.0 / 300.0);
        assert!((month.window - 0.0076).abs() < 1e-4 && (month.ln_evidence.exp() - 17_280.0).abs() < 1e-6);
        assert_eq!(Levels::of(1.0).window, MOST_LEVEL);
    }

    /// Windows of one reference are not independent: their run time is found by simulation. A run time of just what was
    /// asked for would have 63 of 100 quiet monitors open an incident in it.
    #[test]
    fn most_quiet_monitors_are_left_in_peace_for_their_run_time() {
        let (run, monitors, rows) = (100, 80, 60);
        let levels = Levels::of(f64::from(run));
        let mut opened = 0;
        for monitor in 0..monitors {
            let mut random = Random::seeded(71, monitor);
            let mut sample = || (0..rows).map(|_| draw(&mut random)).collect::<Vec<f64>>();
            let (reference, mut track) = (sample(), Track::default());
            let incident = (0..run).any(|_| {
                let test = ks::test(&reference, &sample(), ks::Alternative::TwoSided, ks::Method::Auto);
                let p = test.unwrap().p;
                track.step(Seen { p, alarm: p <= levels.window, matters: true }, levels) != Change::None
            });
            opened += u32::from(incident);
        }
        assert!(opened <= 40, "{opened} of {monitors}");
    }
}
