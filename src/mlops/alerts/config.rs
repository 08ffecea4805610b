//! The rules that hold unless they are changed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::rule::{AlertRule, Edge};
use super::severity::{Action, Severity};
use crate::mlops::times::seconds;

/// Names of the metrics that the parts of this crate report, but for `new_data`, which is for the application to report. A
/// rule may look at any other name, too.
pub mod metric {
    /// Accuracy of the baseline less that of the window, as a share: 0.05 is five points of a hundred.
    pub const ACCURACY_DROP: &str = "accuracy_drop";
    /// The share of predictions that failed.
    pub const ERROR_RATE: &str = "error_rate";
    /// The 95th percentile of the times that predictions took, in milliseconds.
    pub const LATENCY_MS: &str = "latency_ms";
    /// 1 where a model errs more than its baseline, else 0.
    pub const CONCEPT_DRIFT: &str = "concept_drift";
    /// How many features are in alarm while an incident of drift is open, else 0.
    pub const FEATURE_DRIFT: &str = "feature_drift";
    /// How much a model says something else than in its baseline: 1 where it is spread otherwise, and 1 more for each of
    /// confidence and predicted numbers that has moved by the sigma rule.
    pub const PREDICTION_DRIFT: &str = "prediction_drift";
    /// The share of judged features that drifted while an incident of drift is open, else 0.
    pub const DRIFT_SCORE: &str = "drift_score";
    /// The score of data quality, from 0 to 1.
    pub const DATA_QUALITY: &str = "data_quality";
    /// By which modified z two windows of drift in a row stand out from a day of windows, the smaller of both; 0 where they
    /// do not.
    pub const ANOMALY: &str = "anomaly";
    /// New rows that came, as the application counts them.
    pub const NEW_DATA: &str = "new_data";
}

/// The thresholds of the rules that hold unless others are set.
///
/// | rule | metric | critical | warning | info | asks for, when critical |
/// |---|---|---|---|---|---|
/// | `accuracy_drop` | `accuracy_drop` | above 0.05 | 0.02 and more | above 0 | `roll_back`, `force_retrain` |
/// | `high_error_rate` | `error_rate` | above 0.02 | 0.01 and more | above 0 | `pause_experiments` |
/// | `high_latency` | `latency_ms` | above 500 | 200 and more | | |
/// | `concept_drift` | `concept_drift` | above 0 | | | `force_retrain`, `notify` |
/// | `feature_drift` | `feature_drift` | of a severe incident | above 0 | | |
/// | `prediction_drift` | `prediction_drift` | | above 0 | | |
/// | `drift_score` | `drift_score` | | above 0.1 | | |
/// | `anomaly` | `anomaly` | | above 3.5 | | |
/// | `low_data_quality` | `data_quality` | | | below 0.95 | |
/// | `new_data` | `new_data` | | | 1 and more | |
///
/// So a drop of exactly 5 %, an error rate of exactly 2 % and a latency of exactly 500 ms are warnings, and exactly 2 %,
/// 1 % and 200 ms are, too.
///
/// ```
/// use driftline::mlops::{AlertConfig, Severity};
/// let rules = AlertConfig::default().rules();
/// let drop = rules.iter().find(|rule| rule.name == "accuracy_drop").expect("it is one of them");
/// assert_eq!(drop.severity(0.051), Some(Severity::Critical));
/// assert_eq!(drop.severity(0.05), Some(Severity::Warning));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AlertConfig {
    /// A drop of accuracy above this is critical; 0.05.
    pub critical_accuracy_drop: f64,
    /// A drop of at least this is a warning, a smaller one info; 0.02.
    pub warning_accuracy_drop: f64,
    /// An error rate above this is critical; 0.02.
    pub critical_error_rate: f64,
    /// An error rate of at least this is a warning, a smaller one info; 0.01.
    pub warning_error_rate: f64,
    /// A latency above this is critical; 500 ms.
    pub critical_latency_ms: f64,
    /// A latency of at least this is a warning; 200 ms.
    pub warning_latency_ms: f64,
    /// A drift score above this is a warning; 0.1.
    pub drift_threshold: f64,
    /// An anomaly above this is a warning; 3.5.
    pub anomaly_threshold: f64,
    /// Data quality below this is info; 0.95.
    pub min_data_quality: f64,
    /// How long values must stay in a band before the alert fires; zero.
    #[serde(with = "seconds", rename = "hold_seconds", alias = "hold")]
    pub hold: Duration,
    /// How long after a recovery a relapse belongs to the same incident; one hour.
    #[serde(with = "seconds", rename = "cool_down_seconds", alias = "cool_down")]
    pub cool_down: Duration,
    /// By which share of its edge a band is wider for what is in it; 0.1.
    pub hysteresis: f64,
}

impl Default for AlertConfig {
    fn default() -> AlertConfig {
        AlertConfig {
            critical_accuracy_drop: 0.05,
            warning_accuracy_drop: 0.02,
            critical_error_rate: 0.02,
            warning_error_rate: 0.01,
            critical_latency_ms: 500.0,
            warning_latency_ms: 200.0,
            drift_threshold: 0.1,
            anomaly_threshold: 3.5,
            min_data_quality: 0.95,
            hold: Duration::ZERO,
            cool_down: Duration::from_secs(3600),
            hysteresis: 0.1,
        }
    }
}

impl AlertConfig {
    /// The rules with these thresholds.
    pub fn rules(&self) -> Vec<AlertRule> {
        use Edge::{Above, AtLeast, Below};
        use Severity::{Critical, Info, Warning};
        let rule = |name: &str, metric: &str| {
            let rule = AlertRule::new(name, metric);
            rule.hold(self.hold).cool_down(self.cool_down).hysteresis(self.hysteresis)
        };
        vec![
            rule("accuracy_drop", metric::ACCURACY_DROP)
                .band(Critical, Above(self.critical_accuracy_drop))
                .band(Warning, AtLeast(self.warning_accuracy_drop))
                .band(Info, Above(0.0))
                .action(Critical, Action::RollBack)
                .action(Critical, Action::ForceRetrain),
            rule("high_error_rate", metric::ERROR_RATE)
                .band(Critical, Above(self.critical_error_rate))
                .band(Warning, AtLeast(self.warning_error_rate))
                .band(Info, Above(0.0))
                .action(Critical, Action::PauseExperiments),
            rule("high_latency", metric::LATENCY_MS)
                .band(Critical, Above(self.critical_latency_ms))
                .band(Warning, AtLeast(self.warning_latency_ms)),
            rule("concept_drift", metric::CONCEPT_DRIFT)
                .band(Critical, Above(0.0))
                .action(Critical, Action::ForceRetrain)
                .action(Critical, Action::Notify),
            rule("feature_drift", metric::FEATURE_DRIFT).band(Warning, Above(0.0)),
            rule("prediction_drift", metric::PREDICTION_DRIFT).band(Warning, Above(0.0)),
            rule("drift_score", metric::DRIFT_SCORE).band(Warning, Above(self.drift_threshold)),
            rule("anomaly", metric::ANOMALY).band(Warning, Above(self.anomaly_threshold)),
            rule("low_data_quality", metric::DATA_QUALITY).band(Info, Below(self.min_data_quality)),
            rule("new_data", metric::NEW_DATA).band(Info, AtLeast(1.0)),
        ]
    }
}
