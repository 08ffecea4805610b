//! Whether values fit together.

use super::Config;
use crate::error::Result;
use crate::mlops::experiments::check_share;
use crate::mlops::performance::MonitorSettings;

impl Config {
    /// Fails with `Invalid` where a value is outside its range or two do not fit together, as the parts do that take them.
    pub fn check(&self) -> Result<()> {
        self.alerts.rules().iter().try_for_each(|rule| rule.check())?;
        self.monitor_settings(MonitorSettings::default()).check()?;
        self.drift_options().check()?;
        self.retraining.check()?;
        check_share("traffic_split", self.experiments.traffic_split)?;
        check_share("significance_level", self.experiments.significance_level)
    }
}
