//! Whether values fit together.

use super::Config;
use super::keys;
use crate::error::{Error, Result};
use crate::mlops::alerts::AlertRule;
use crate::mlops::experiments::check_share;
use crate::mlops::performance::MonitorSettings;

impl Config {
    /// Fails with `Invalid` where a value is outside its range or two do not fit together, naming the keys and where their
    /// values came from. What is read has been checked.
    pub fn check(&self) -> Result<()> {
        Config::keys().try_for_each(|key| key.check(self))?;
        if self.monitoring.drift_threshold > self.alerting.alert_threshold {
            return Err(self.clash("monitoring.drift_threshold", "alerting.alert_threshold"));
        }
        if self.monitoring.check_interval > self.monitoring.expected_run_time {
            return Err(self.clash("monitoring.check_interval", "monitoring.expected_run_days"));
        }
        self.check_parts()
    }

    /// As the parts check that take the values, which know best.
    fn check_parts(&self) -> Result<()> {
        self.alerts.rules().iter().try_for_each(AlertRule::check)?;
        self.monitor_settings(MonitorSettings::default()).check()?;
        self.drift_options().check()?;
        self.retraining.check()?;
        check_share("traffic_split", self.experiments.traffic_split)?;
        check_share("significance_level", self.experiments.significance_level)
    }

    /// What was read, if it fits together; tells once what does not apply.
    pub(super) fn finish(self) -> Result<Config> {
        self.check()?;
        if !self.told.not_applied.is_empty() {
            let keys: Vec<&str> = self.told.not_applied.iter().map(|it| &*it.key).collect();
            tracing::warn!(keys = keys.join(", "), "parts of a configuration do not apply");
        }
        Ok(self)
    }

    fn clash(&self, lower: &str, upper: &str) -> Error {
        let told = |name: &str| {
            let key = keys::find(name)?;
            Some(format!("`{name}` is {} ({})", key.value(self), self.origin(key)))
        };
        let (lower_told, upper_told) = (told(lower).unwrap_or_default(), told(upper).unwrap_or_default());
        Error::invalid(format!("{lower_told} and {upper_told}"))
            .mend(format!("have `{upper}` no smaller than `{lower}`"))
    }
}
