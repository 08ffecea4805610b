//! When a model is to be trained anew, and how often at most.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// When a model is to be trained anew, and how often at most. Each rule may be left out; the defaults are those of the
/// fields.
///
/// ```
/// use driftline::mlops::RetrainConfig;
///
/// let config = RetrainConfig::new().rows_of("labelled").min_new_samples(500).needs_approval();
/// assert_eq!(config.max_retrains_per_day, 4);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RetrainConfig {
    /// Asks for training from so many new samples on, since the last one that succeeded; 1,000.
    pub min_new_samples: Option<u64>,
    /// Asks for training once the last one that succeeded is so long ago, or the trigger was configured so long ago; 7 days.
    #[serde(rename = "max_days_without_retrain", with = "days")]
    pub max_time_without_retrain: Option<Duration>,
    /// Asks for training when accuracy has dropped by more than this; 0.05.
    pub accuracy_degradation_threshold: Option<f64>,
    /// Asks for training when the drift score is above this; 0.1.
    pub drift_score_threshold: Option<f64>,
    /// Asks for training when the error rate is above this; 0.02.
    pub error_rate_threshold: Option<f64>,
    /// Refuses to train sooner than this after the last run began; 6 hours.
    #[serde(rename = "min_hours_between_retrains", with = "hours")]
    pub min_time_between_retrains: Duration,
    /// Refuses to begin more runs than this within 24 hours; 4.
    pub max_retrains_per_day: u64,
    /// Whether somebody has to approve a run before it begins; no.
    pub approval: bool,
    /// The collection whose rows are the samples: those count that were created since the last run that succeeded. None.
    pub samples_in: Option<String>,
    /// Directories in which new data arrives as files; none. They are looked at with the feature `watch`. A new file in one of
    /// them is enough, whatever `samples_in` counts beside it.
    pub data_directories: Vec<String>,
    /// The endings of names of files that are data; `.csv` and `.parquet`.
    pub watch_file_patterns: Vec<String>,
}

/// Durations as numbers of days, for people.
mod days {
    use super::{DAY, Duration};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[expect(clippy::ref_option, reason = "what serde calls")]
    pub(super) fn serialize<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => serializer.serialize_some(&(time.as_secs_f64() / DAY.as_secs_f64())),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        let days = Option::<f64>::deserialize(deserializer)?;
        let time = |days: f64| Duration::try_from_secs_f64(days * DAY.as_secs_f64());
        days.map(|days| time(days).map_err(|_| D::Error::custom(format!("{days} is no number of days")))).transpose()
    }
}

/// Durations as numbers of hours, for people.
mod hours {
    use super::{Duration, HOUR};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(time.as_secs_f64() / HOUR.as_secs_f64())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let hours = f64::deserialize(deserializer)?;
        Duration::try_from_secs_f64(hours * HOUR.as_secs_f64())
            .map_err(|_| D::Error::custom(format!("{hours} is no number of hours")))
    }
}

impl Default for RetrainConfig {
    fn default() -> RetrainConfig {
        RetrainConfig {
            min_new_samples: Some(1_000),
            max_time_without_retrain: Some(7 * DAY),
            accuracy_degradation_threshold: Some(0.05),
            drift_score_threshold: Some(0.1),
            error_rate_threshold: Some(0.02),
            min_time_between_retrains: 6 * HOUR,
            max_retrains_per_day: 4,
            approval: false,
            samples_in: None,
            data_directories: Vec::new(),
            watch_file_patterns: vec![".csv".into(), ".parquet".into()],
        }
    }
}

impl RetrainConfig {
    /// The defaults.
    pub fn new() -> RetrainConfig {
        RetrainConfig::default()
    }

    /// Counts the new rows of a collection as samples.
    #[must_use]
    pub fn rows_of(mut self, collection: impl Into<String>) -> RetrainConfig {
        self.samples_in = Some(collection.into());
        self
    }

    /// Asks for training from so many new samples on.
    #[must_use]
    pub fn min_new_samples(mut self, count: u64) -> RetrainConfig {
        self.min_new_samples = Some(count);
        self
    }

    /// Asks for training once the last one is so many days ago.
    #[must_use]
    pub fn max_days_without_retrain(mut self, days: u32) -> RetrainConfig {
        self.max_time_without_retrain = Some(days * DAY);
        self
    }

    /// Refuses to train sooner than so many hours after the last run began.
    #[must_use]
    pub fn min_hours_between_retrains(mut self, hours: u32) -> RetrainConfig {
        self.min_time_between_retrains = hours * HOUR;
        self
    }

    /// Refuses to begin more runs than this within 24 hours.
    #[must_use]
    pub fn max_retrains_per_day(mut self, runs: u64) -> RetrainConfig {
        self.max_retrains_per_day = runs;
        self
    }

    /// Has somebody approve each run before it begins.
    #[must_use]
    pub fn needs_approval(mut self) -> RetrainConfig {
        self.approval = true;
        self
    }

    /// Looks for new data in a directory.
    #[must_use]
    pub fn watch(mut self, directory: impl Into<String>) -> RetrainConfig {
        self.data_directories.push(directory.into());
        self
    }

    pub(in crate::mlops) fn check(&self) -> Result<()> {
        let thresholds = [
            ("accuracy_degradation_threshold", self.accuracy_degradation_threshold),
            ("drift_score_threshold", self.drift_score_threshold),
            ("error_rate_threshold", self.error_rate_threshold),
        ];
        for (name, threshold) in thresholds {
            if threshold.is_some_and(|threshold| !(threshold.is_finite() && threshold >= 0.0)) {
                return Err(
                    Error::invalid(format!("{name} is no number of at least 0")).mend("leave it out, or give one")
                );
            }
        }
        if self.min_new_samples == Some(0) || self.max_retrains_per_day == 0 {
            return Err(Error::invalid("min_new_samples and max_retrains_per_day must be at least 1")
                .mend("leave a rule out to switch it off"));
        }
        if !self.data_directories.is_empty() && !cfg!(feature = "watch") {
            return Err(Error::invalid("directories are looked at with the feature `watch` only")
                .mend("build with it, or count the rows of a collection with rows_of"));
        }
        Ok(())
    }
}
