//! How a subject is monitored.

use std::time::Duration;

use super::check::Reference;
use crate::clock::Timestamp;
use crate::error::{Error, Result};

/// How a subject is monitored.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MonitorOptions {
    /// The name under which reports and incidents are kept. Default the subject's. Alerts of a monitor with another name are
    /// about the subject, a `/` and that name.
    pub name: Option<String>,
    /// How long a window is, and how often one is judged. Default 300 s.
    pub interval: Duration,
    /// How long a quiet subject should be left in peace: sets the level of a window. Default 30 days.
    pub expected_run_time: Duration,
    /// What windows are held against. Default the day before each.
    pub reference: Reference,
    /// The fields that are judged; those that can be where none are named.
    pub fields: Vec<String>,
    /// Where the first window begins. Default the one in which the monitor is first told the time.
    pub from: Option<Timestamp>,
    /// How long rows may come late: a window is judged so long after its end. Default 0.
    pub lateness: Duration,
    /// Windows that one call judges, at most. Default 32.
    pub most_windows: u32,
    /// The cosine distance of mean vectors from which on drift matters, beside other effects. Default 0.15.
    pub drift_threshold: f64,
    /// The same, from which on an incident is severe, and its alert of the rule `feature_drift` critical. Default 0.20.
    pub alert_threshold: f64,
    /// Whether [`Alerts`](crate::mlops::Alerts) hear of incidents. Default yes.
    pub alerts: bool,
}

impl Default for MonitorOptions {
    fn default() -> MonitorOptions {
        MonitorOptions {
            name: None,
            interval: Duration::from_secs(300),
            expected_run_time: Duration::from_secs(30 * 86_400),
            reference: Reference::Before(Duration::from_secs(86_400)),
            fields: Vec::new(),
            from: None,
            lateness: Duration::ZERO,
            most_windows: 32,
            drift_threshold: 0.15,
            alert_threshold: 0.20,
            alerts: true,
        }
    }
}

impl MonitorOptions {
    /// Keeps reports and incidents under this name.
    #[must_use]
    pub fn name(self, name: impl Into<String>) -> MonitorOptions {
        MonitorOptions { name: Some(name.into()), ..self }
    }

    /// Sets how long a window is, and how often one is judged.
    #[must_use]
    pub fn interval(self, interval: Duration) -> MonitorOptions {
        MonitorOptions { interval, ..self }
    }

    /// Sets how long a quiet subject should be left in peace.
    #[must_use]
    pub fn expected_run_time(self, time: Duration) -> MonitorOptions {
        MonitorOptions { expected_run_time: time, ..self }
    }

    /// Sets what windows are held against.
    #[must_use]
    pub fn reference(self, reference: Reference) -> MonitorOptions {
        MonitorOptions { reference, ..self }
    }

    /// Sets which fields are judged.
    #[must_use]
    pub fn fields<T: Into<String>>(self, fields: impl IntoIterator<Item = T>) -> MonitorOptions {
        MonitorOptions { fields: fields.into_iter().map(Into::into).collect(), ..self }
    }

    /// Begins with the window of this time.
    #[must_use]
    pub fn begin(self, time: Timestamp) -> MonitorOptions {
        MonitorOptions { from: Some(time), ..self }
    }

    /// Sets how many windows one call judges at most.
    #[must_use]
    pub fn most_windows(self, most_windows: u32) -> MonitorOptions {
        MonitorOptions { most_windows, ..self }
    }

    /// Has no alerts raised.
    #[must_use]
    pub fn without_alerts(self) -> MonitorOptions {
        MonitorOptions { alerts: false, ..self }
    }

    /// Fails with `Invalid` where an option is outside its range.
    pub(in crate::mlops) fn check(&self) -> Result<()> {
        if self.interval < Duration::from_secs(1) || self.interval > Duration::from_secs(366 * 86_400) {
            return Err(Error::invalid("the interval of a monitor is below a second or above a year")
                .mend("take one such as 300 s"));
        }
        if self.expected_run_time < self.interval {
            return Err(Error::invalid("the expected run time of a monitor is below its interval")
                .mend("take one such as 30 days"));
        }
        let rising = 0.0 <= self.drift_threshold && self.drift_threshold <= self.alert_threshold;
        if !rising || self.alert_threshold > 2.0 {
            return Err(Error::invalid(format!(
                "the thresholds of a cosine distance are {} and {}",
                self.drift_threshold, self.alert_threshold
            ))
            .mend("take two from 0 to 2, the second no smaller"));
        }
        if self.most_windows == 0 {
            return Err(Error::invalid("a monitor is to judge no windows").mend("take at least one a call"));
        }
        Ok(())
    }
}
