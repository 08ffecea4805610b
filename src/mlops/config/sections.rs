//! The sections that have no type of their own elsewhere, and what they become there.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Config;
use crate::mlops::drift::MonitorOptions;
use crate::mlops::experiments::ExperimentConfig;
use crate::mlops::performance::MonitorSettings;
use crate::mlops::times::seconds;

const DAY: Duration = Duration::from_secs(86_400);

/// What is looked at, and how often.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct MonitoringConfig {
    /// How long a window of drift is, and how often one is judged; 300 s.
    #[serde(with = "seconds")]
    pub check_interval: Duration,
    /// How many of the newest predictions are looked at together; 1,000.
    pub window: u64,
    /// Rules judge no window with fewer predictions; 30.
    pub min_samples: u64,
    /// How long predictions are kept one by one; 30 days.
    #[serde(with = "seconds")]
    pub retention: Duration,
    /// Above how many standard deviations of the baseline the sigma rule reports drift; 2.
    pub sigma_threshold: f64,
    /// From which cosine distance of mean vectors on drift that was found matters; 0.15. It decides alone on nothing: the
    /// tests do.
    pub drift_threshold: f64,
    /// How long a model that does not drift should be left in peace; 30 days.
    #[serde(with = "seconds")]
    pub expected_run_time: Duration,
}

impl Default for MonitoringConfig {
    fn default() -> MonitoringConfig {
        MonitoringConfig {
            check_interval: Duration::from_secs(300),
            window: 1_000,
            min_samples: 30,
            retention: 30 * DAY,
            sigma_threshold: 2.0,
            drift_threshold: 0.15,
            expected_run_time: 30 * DAY,
        }
    }
}

/// From where on drift is severe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct AlertingConfig {
    /// From which cosine distance of mean vectors on an incident is severe; 0.20. Not below
    /// [`MonitoringConfig::drift_threshold`].
    pub alert_threshold: f64,
}

impl Default for AlertingConfig {
    fn default() -> AlertingConfig {
        AlertingConfig { alert_threshold: 0.20 }
    }
}

/// What experiments have that say nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ExperimentDefaults {
    /// The share of users who get B, above 0 and below 1; 0.3.
    pub traffic_split: f64,
    /// How long an experiment runs; 14 days.
    #[serde(with = "seconds")]
    pub duration: Duration,
    /// Users with an outcome that each variant must have before anything is decided; 1,000.
    pub min_samples_per_variant: u64,
    /// How often a winner is declared where there is no difference, at most; 0.05.
    pub significance_level: f64,
}

impl Default for ExperimentDefaults {
    fn default() -> ExperimentDefaults {
        ExperimentDefaults {
            traffic_split: 0.3,
            duration: 14 * DAY,
            min_samples_per_variant: 1_000,
            significance_level: 0.05,
        }
    }
}

impl ExperimentDefaults {
    /// An experiment with these values, which can be changed like any other's.
    ///
    /// ```
    /// use driftline::mlops::Config;
    ///
    /// let mut config = Config::default();
    /// config.experiments.traffic_split = 0.1;
    /// let careful = config.experiments.experiment("ranker-2", "ranker", "1.0.0", "2.0.0");
    /// assert_eq!(careful.traffic_split, 0.1);
    /// assert_eq!(careful.traffic_split(0.5).traffic_split, 0.5);
    /// ```
    pub fn experiment(
        &self,
        name: impl Into<String>,
        model: impl Into<String>,
        a: impl Into<String>,
        b: impl Into<String>,
    ) -> ExperimentConfig {
        ExperimentConfig::new(name, model, a, b)
            .traffic_split(self.traffic_split)
            .duration(self.duration)
            .min_samples_per_variant(self.min_samples_per_variant)
            .significance_level(self.significance_level)
    }
}

impl Config {
    /// How a monitor of performance works by this configuration; what that does not name stays as it is in `settings`.
    pub fn monitor_settings(&self, settings: MonitorSettings) -> MonitorSettings {
        let MonitoringConfig { window, min_samples, retention, sigma_threshold, expected_run_time, .. } =
            self.monitoring;
        let summary_retention = settings.summary_retention.max(retention);
        MonitorSettings {
            window,
            min_samples,
            retention,
            summary_retention,
            drift_threshold: sigma_threshold,
            expected_run_time,
            ..settings
        }
    }

    /// How a monitor of drift works by this configuration.
    pub fn drift_options(&self) -> MonitorOptions {
        let MonitoringConfig { check_interval, drift_threshold, expected_run_time, .. } = self.monitoring;
        MonitorOptions {
            interval: check_interval,
            expected_run_time,
            drift_threshold,
            alert_threshold: self.alerting.alert_threshold,
            ..MonitorOptions::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Central defaults are those of the parts, so a model is watched alike with and without a configuration.
    #[test]
    fn defaults_are_those_of_the_parts() {
        let config = Config::default();
        config.check().unwrap();
        assert_eq!(config.monitor_settings(MonitorSettings::default()), MonitorSettings::default());
        assert_eq!(format!("{:?}", config.drift_options()), format!("{:?}", MonitorOptions::default()));
        let named = |defaults: &ExperimentDefaults| defaults.experiment("e", "m", "1", "2");
        assert_eq!(named(&config.experiments), ExperimentConfig::new("e", "m", "1", "2"));
    }

    #[test]
    fn values_reach_the_parts() {
        let mut config = Config::default();
        config.monitoring.window = 50;
        config.monitoring.sigma_threshold = 3.0;
        config.monitoring.retention = 500 * DAY;
        config.monitoring.check_interval = Duration::from_secs(60);
        config.monitoring.drift_threshold = 0.01;
        config.alerting.alert_threshold = 0.02;
        config.experiments.traffic_split = 0.1;
        config.check().unwrap();
        let settings = config.monitor_settings(MonitorSettings::default());
        assert_eq!((settings.window, settings.drift_threshold, settings.retention), (50, 3.0, 500 * DAY));
        assert_eq!(settings.summary_retention, 500 * DAY, "never below what it sums up");
        let options = config.drift_options();
        assert_eq!((options.interval.as_secs(), options.drift_threshold, options.alert_threshold), (60, 0.01, 0.02));
        assert_eq!(config.experiments.experiment("e", "m", "1", "2").traffic_split, 0.1);
    }

    #[test]
    fn what_is_stored_is_read_back() {
        let mut config = Config::default();
        config.monitoring.check_interval = Duration::from_secs(60);
        let json = serde_json::to_value(&config).unwrap();
        assert_eq!(json["monitoring"]["check_interval"], 60.0);
        assert_eq!(serde_json::from_value::<Config>(json).unwrap(), config);
        assert_eq!(serde_json::from_str::<Config>("{}").unwrap(), Config::default());
    }
}
