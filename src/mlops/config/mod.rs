//! How models are watched, in one value: from files, profiles and the environment, over defaults.

mod check;
mod environment;
mod field;
#[cfg(feature = "config")]
mod file;
mod key;
mod keys;
mod kind;
#[cfg(feature = "config")]
mod loader;
mod origin;
mod plain;
mod sections;
mod settings;
#[cfg(feature = "config")]
mod toml;
#[cfg(feature = "config")]
mod tree;
#[cfg(feature = "config")]
mod yaml;

use serde::{Deserialize, Serialize};

pub use self::key::ConfigKey;
#[cfg(feature = "config")]
pub use self::loader::ConfigLoader;
use self::origin::Told;
pub use self::origin::{NotApplied, Origin};
pub use self::sections::{AlertingConfig, ExperimentDefaults, MonitoringConfig};
pub use self::settings::Setting;
use crate::mlops::alerts::AlertConfig;
use crate::mlops::cache::CacheLimits;
use crate::mlops::retraining::RetrainConfig;

/// How models are watched: every threshold, window and limit, each with a default.
///
/// It is plain data. Fields may be set one by one; [`Config::check`] then says whether they fit together.
///
/// Three keys are called `drift_threshold` or nearly so, and mean three things on three scales:
///
/// | key | default | what is measured | what happens |
/// |---|---|---|---|
/// | `monitoring.drift_threshold` | 0.15 | cosine distance of mean vectors | from it on, drift that was found matters: an alarm |
/// | `alerting.alert_threshold` | 0.20 | the same | from it on, the incident is severe, its alert critical |
/// | `monitoring.alert_config.drift_threshold` | 0.1 | the score that a detector reports | above it, an alert: warning |
/// | `monitoring.sigma_threshold` | 2.0 | standard deviations of the baseline | above it, the sigma rule reports drift |
/// | `retraining.drift_score_threshold` | 0.1 | the score that a detector reports | above it, training is asked for |
///
/// Equal configurations have equal values; where the values came from does not matter.
///
/// ```
/// use driftline::mlops::Config;
///
/// let mut config = Config::default();
/// assert_eq!((config.monitoring.window, config.monitoring.drift_threshold), (1_000, 0.15));
/// config.monitoring.window = 500;
/// config.check()?;
/// # Ok::<(), driftline::Error>(())
/// ```
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Config {
    /// What is looked at, and how often: section `monitoring`.
    pub monitoring: MonitoringConfig,
    /// From where on drift is severe: section `alerting`.
    pub alerting: AlertingConfig,
    /// The thresholds of the rules for alerts: section `monitoring.alert_config`.
    pub alerts: AlertConfig,
    /// When a model is trained anew: section `retraining`.
    pub retraining: RetrainConfig,
    /// What experiments have that say nothing else: section `ab_testing`.
    pub experiments: ExperimentDefaults,
    /// How much the caches keep that an application makes: section `cache`. For [`LruCache::new`](super::LruCache::new) and
    /// its kin; nothing here makes a cache.
    pub cache: CacheLimits,
    #[serde(skip)]
    told: Told,
}

impl Config {
    /// The defaults.
    pub fn new() -> Config {
        Config::default()
    }

    /// What was said and does not apply here, such as the address of a server. Values are not kept.
    pub fn not_applied(&self) -> &[NotApplied] {
        &self.told.not_applied
    }

    /// The profile that was read, if one was.
    pub fn profile(&self) -> Option<&str> {
        self.told.profile.as_deref()
    }
}

impl PartialEq for Config {
    fn eq(&self, other: &Config) -> bool {
        let Config { monitoring, alerting, alerts, retraining, experiments, cache, told: _ } = self;
        (monitoring, alerting, alerts) == (&other.monitoring, &other.alerting, &other.alerts)
            && (retraining, experiments, cache) == (&other.retraining, &other.experiments, &other.cache)
    }
}
