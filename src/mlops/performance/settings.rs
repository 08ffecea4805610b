//! What a monitor is told: how long its windows are, what it keeps, and what is normal.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::mlops::times::{TimeRange, seconds};

const DAY: Duration = Duration::from_secs(86_400);
/// The longest window by count: its rows are read into memory.
const MAX_WINDOW: u64 = 1_000_000;
/// Looks of which a time has so many are as good as independent.
const INDEPENDENT: u32 = 8;
/// No look is made at a level above this, however seldom there is one.
const MOST_LEVEL: f64 = 0.01;

/// How a monitor works. Stored in `_monitors`, so all handles of one model agree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct MonitorSettings {
    /// How many of the newest predictions are looked at together; 1,000. At most a million.
    pub window: u64,
    /// How long windows by time are, counted from 1970; 5 minutes. It cannot be changed once one is closed.
    #[serde(with = "seconds", rename = "step_seconds")]
    pub step: Duration,
    /// How long predictions are kept one by one; 30 days. The truth can come as long.
    #[serde(with = "seconds", rename = "retention_seconds")]
    pub retention: Duration,
    /// How long what was counted of windows is kept; 400 days.
    #[serde(with = "seconds", rename = "summary_retention_seconds")]
    pub summary_retention: Duration,
    /// Rules judge no window with fewer predictions, and no accuracy over fewer truths; 30.
    pub min_samples: u64,
    /// The threshold of the sigma rule, which reports drift above it, in standard deviations of the baseline; 2.
    pub drift_threshold: f64,
    /// How long a model that does not change is left in peace by what judges concept and prediction drift; 30 days. The
    /// level of one look follows from it.
    #[serde(with = "seconds", rename = "expected_run_seconds")]
    pub expected_run_time: Duration,
    /// Whether a truth that comes before its prediction waits for it, or is refused.
    pub orphans: Orphans,
}

/// What becomes of the truth about an unknown prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Orphans {
    /// It is refused with `NotFound`.
    #[default]
    Refuse,
    /// It is kept as long as predictions are, and joined by a later tick.
    Keep,
}

impl Default for MonitorSettings {
    fn default() -> MonitorSettings {
        MonitorSettings {
            window: 1_000,
            step: Duration::from_secs(300),
            retention: 30 * DAY,
            summary_retention: 400 * DAY,
            min_samples: 30,
            drift_threshold: 2.0,
            expected_run_time: 30 * DAY,
            orphans: Orphans::Refuse,
        }
    }
}

impl MonitorSettings {
    /// The level of one look at predictions of a time, so that a model that does not change alarms about once in the
    /// expected run time at most.
    ///
    /// Windows follow each other, and what is looked at reaches over many, so looks share most of what they see. Those that
    /// are an eighth of that time apart are as good as independent for what lies far out: a mean over a moving window goes
    /// beyond z about z² times as often as separate windows do (Aldous 1989, chapter D), and one of two sides alarms.
    pub(super) fn level(&self, looked_at: TimeRange) -> f64 {
        let apart = (looked_at.length() / INDEPENDENT).max(self.step);
        (apart.as_secs_f64() / self.expected_run_time.as_secs_f64()).min(MOST_LEVEL)
    }

    pub(in crate::mlops) fn check(&self) -> Result<()> {
        let refused = if !(1..=MAX_WINDOW).contains(&self.window) {
            format!("its window of {} predictions", self.window)
        } else if self.step < Duration::from_secs(1) || self.step > DAY {
            format!("its windows of {:?}", self.step)
        } else if self.retention < self.step || self.summary_retention < self.retention {
            "what it keeps is shorter than what it needs".into()
        } else if !(self.drift_threshold > 0.0 && self.drift_threshold.is_finite()) {
            format!("its threshold of {} deviations", self.drift_threshold)
        } else if self.expected_run_time < self.step {
            "an expected run time below one of its windows".into()
        } else {
            return Ok(());
        };
        Err(Error::invalid(format!("a monitor cannot work with {refused}")).mend(
            "use a window of 1 to 1,000,000 predictions, a step of 1 second to 1 day, no retention and no run time below it, and a positive threshold",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn the_level_of_a_look_follows_from_how_seldom_looks_are_independent() {
        let settings = MonitorSettings::default();
        let level = |seconds: u64| {
            let to = Timestamp(0).after(Duration::from_secs(seconds));
            settings.level(TimeRange { from: Timestamp(0), to })
        };
        let month = 30.0 * 86_400.0;
        assert_eq!(level(300), 300.0 / month, "no two looks come within one window");
        assert_eq!(level(2_400), 300.0 / month);
        assert_eq!(level(24_000), 3_000.0 / month, "an eighth of what is looked at");
        assert_eq!(level(90 * 86_400), MOST_LEVEL);
        let refused = MonitorSettings { expected_run_time: Duration::from_secs(299), ..settings.clone() };
        assert!(settings.check().is_ok() && refused.check().is_err());
    }
}
