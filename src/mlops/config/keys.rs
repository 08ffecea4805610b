//! Every key that a configuration may have. Files, the environment, help and tests stand on this table.

use std::ops::Bound::{Excluded, Included, Unbounded};
use std::time::Duration;

use super::key::ConfigKey;
use super::kind::Kind::{self, Count, Flag, List, Text};
use super::kind::Unit;

const SERVER: &str = "Driftline is a library and answers no requests; the server that uses it has its own settings";
const DATABASE: &str = "Driftline is the database; there is none to connect to";
const NETWORK: &str = "Driftline opens no network connection; add a handler for alerts that tells others";
const WATCH: &str = "this program was built without the feature `watch`, which looks at directories";

const SHARE: Kind = Kind::Number(Included(0.0), Included(1.0));
const INNER_SHARE: Kind = Kind::Number(Excluded(0.0), Excluded(1.0));
const NOT_NEGATIVE: Kind = Kind::Number(Included(0.0), Unbounded);
const POSITIVE: Kind = Kind::Number(Excluded(0.0), Unbounded);
/// Cosine distances.
const COSINE: Kind = Kind::Number(Included(0.0), Included(2.0));

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);
const YEAR: Duration = Duration::from_secs(366 * 86_400);
const CENTURY: Duration = Duration::from_secs(36_500 * 86_400);

const fn seconds(least: Duration, most: Duration) -> Kind {
    Kind::Time(Unit::Seconds, least, most)
}

const fn days(least: Duration) -> Kind {
    Kind::Time(Unit::Days, least, CENTURY)
}

/// The key of this name.
pub(super) fn find(name: &str) -> Option<&'static ConfigKey> {
    KEYS.iter().find(|key| key.name() == name)
}

/// All keys, section by section.
pub(super) static KEYS: &[ConfigKey] = &[
    // What is looked at, and how often.
    ConfigKey::of(
        "monitoring.check_interval",
        seconds(SECOND, YEAR),
        |config| &mut config.monitoring.check_interval,
        "how long a window of drift is, and how often one is judged; seconds",
    ),
    ConfigKey::of(
        "monitoring.window",
        Count(1, 1_000_000),
        |config| &mut config.monitoring.window,
        "how many of the newest predictions are looked at together",
    ),
    ConfigKey::of(
        "monitoring.min_samples",
        Count(1, u64::MAX),
        |config| &mut config.monitoring.min_samples,
        "rules judge no window with fewer predictions",
    ),
    ConfigKey::of(
        "monitoring.retention_days",
        days(DAY),
        |config| &mut config.monitoring.retention,
        "how long predictions are kept one by one",
    ),
    ConfigKey::of(
        "monitoring.sigma_threshold",
        POSITIVE,
        |config| &mut config.monitoring.sigma_threshold,
        "standard deviations of the baseline above which the sigma rule reports drift",
    ),
    ConfigKey::of(
        "monitoring.drift_threshold",
        COSINE,
        |config| &mut config.monitoring.drift_threshold,
        "cosine distance of mean vectors from which on drift that was found matters",
    ),
    ConfigKey::of(
        "monitoring.expected_run_days",
        days(DAY),
        |config| &mut config.monitoring.expected_run_time,
        "how long a model that does not drift should be left in peace",
    ),
    // The thresholds of the rules for alerts.
    ConfigKey::of(
        "monitoring.alert_config.critical_accuracy_drop",
        SHARE,
        |config| &mut config.alerts.critical_accuracy_drop,
        "a drop of accuracy above this is critical",
    ),
    ConfigKey::of(
        "monitoring.alert_config.warning_accuracy_drop",
        SHARE,
        |config| &mut config.alerts.warning_accuracy_drop,
        "a drop of accuracy of at least this is a warning",
    ),
    ConfigKey::of(
        "monitoring.alert_config.critical_error_rate",
        SHARE,
        |config| &mut config.alerts.critical_error_rate,
        "an error rate above this is critical",
    ),
    ConfigKey::of(
        "monitoring.alert_config.warning_error_rate",
        SHARE,
        |config| &mut config.alerts.warning_error_rate,
        "an error rate of at least this is a warning",
    ),
    ConfigKey::of(
        "monitoring.alert_config.critical_latency_ms",
        NOT_NEGATIVE,
        |config| &mut config.alerts.critical_latency_ms,
        "a 95th percentile of latency above this is critical; milliseconds",
    ),
    ConfigKey::of(
        "monitoring.alert_config.warning_latency_ms",
        NOT_NEGATIVE,
        |config| &mut config.alerts.warning_latency_ms,
        "a 95th percentile of latency of at least this is a warning; milliseconds",
    ),
    ConfigKey::of(
        "monitoring.alert_config.drift_threshold",
        NOT_NEGATIVE,
        |config| &mut config.alerts.drift_threshold,
        "a drift score above this is a warning, on the scale of the detector",
    ),
    ConfigKey::of(
        "monitoring.alert_config.anomaly_threshold",
        NOT_NEGATIVE,
        |config| &mut config.alerts.anomaly_threshold,
        "an anomaly of a series above this is a warning; a modified z",
    ),
    ConfigKey::of(
        "monitoring.alert_config.min_data_quality",
        SHARE,
        |config| &mut config.alerts.min_data_quality,
        "data quality below this is told as info",
    ),
    ConfigKey::of(
        "monitoring.alert_config.hold_seconds",
        seconds(Duration::ZERO, YEAR),
        |config| &mut config.alerts.hold,
        "how long a value must be bad before an alert fires",
    ),
    ConfigKey::of(
        "monitoring.alert_config.cool_down_seconds",
        seconds(Duration::ZERO, YEAR),
        |config| &mut config.alerts.cool_down,
        "how long after a recovery a relapse belongs to the same incident",
    ),
    ConfigKey::of(
        "monitoring.alert_config.hysteresis",
        Kind::Number(Included(0.0), Excluded(1.0)),
        |config| &mut config.alerts.hysteresis,
        "by which share of its edge a band is wider for what is in it",
    ),
    // From where on drift is severe.
    ConfigKey::of(
        "alerting.alert_threshold",
        COSINE,
        |config| &mut config.alerting.alert_threshold,
        "cosine distance of mean vectors from which on an incident is severe; not below monitoring.drift_threshold",
    ),
    ConfigKey::unapplied("alerting.slack_webhook", Text, NETWORK),
    // When a model is trained anew.
    ConfigKey::of(
        "retraining.min_new_samples",
        Count(1, u64::MAX),
        |config| &mut config.retraining.min_new_samples,
        "asks for training from so many new samples on",
    )
    .or_off(),
    ConfigKey::of(
        "retraining.max_days_without_retrain",
        days(Duration::ZERO),
        |config| &mut config.retraining.max_time_without_retrain,
        "asks for training so long after the last one",
    )
    .or_off(),
    ConfigKey::of(
        "retraining.accuracy_degradation_threshold",
        SHARE,
        |config| &mut config.retraining.accuracy_degradation_threshold,
        "asks for training when accuracy dropped by more than this",
    )
    .or_off(),
    ConfigKey::of(
        "retraining.drift_score_threshold",
        NOT_NEGATIVE,
        |config| &mut config.retraining.drift_score_threshold,
        "asks for training when the drift score is above this",
    )
    .or_off(),
    ConfigKey::of(
        "retraining.error_rate_threshold",
        SHARE,
        |config| &mut config.retraining.error_rate_threshold,
        "asks for training when the error rate is above this",
    )
    .or_off(),
    ConfigKey::of(
        "retraining.min_hours_between_retrains",
        Kind::Time(Unit::Hours, Duration::ZERO, CENTURY),
        |config| &mut config.retraining.min_time_between_retrains,
        "refuses to train sooner after the last run began",
    ),
    ConfigKey::of(
        "retraining.max_retrains_per_day",
        Count(1, u64::MAX),
        |config| &mut config.retraining.max_retrains_per_day,
        "refuses to begin more runs within 24 hours",
    ),
    ConfigKey::of(
        "retraining.approval",
        Flag,
        |config| &mut config.retraining.approval,
        "whether somebody has to approve a run before it begins",
    ),
    ConfigKey::of(
        "retraining.samples_in",
        Text,
        |config| &mut config.retraining.samples_in,
        "the collection whose new rows are the new samples",
    )
    .or_off(),
    ConfigKey::of(
        "retraining.data_directories",
        List,
        |config| &mut config.retraining.data_directories,
        "directories in which new data arrives as files; looked at with the feature `watch`",
    )
    .where_built(cfg!(feature = "watch"), WATCH),
    ConfigKey::of(
        "retraining.watch_file_patterns",
        List,
        |config| &mut config.retraining.watch_file_patterns,
        "endings of names of files that are data; looked at with the feature `watch`",
    )
    .where_built(cfg!(feature = "watch"), WATCH),
    // What experiments have that say nothing else.
    ConfigKey::of(
        "ab_testing.default_traffic_split",
        INNER_SHARE,
        |config| &mut config.experiments.traffic_split,
        "the share of users who get what is tried",
    ),
    ConfigKey::of(
        "ab_testing.duration_days",
        days(Duration::from_secs(3_600)),
        |config| &mut config.experiments.duration,
        "how long an experiment runs",
    ),
    ConfigKey::of(
        "ab_testing.min_samples_per_variant",
        Count(1, u64::MAX),
        |config| &mut config.experiments.min_samples_per_variant,
        "users with an outcome that each variant must have before anything is decided",
    ),
    ConfigKey::of(
        "ab_testing.significance_level",
        INNER_SHARE,
        |config| &mut config.experiments.significance_level,
        "how often a winner is declared where there is no difference, at most; p must be below it",
    ),
    // How much the caches keep that an application makes.
    ConfigKey::of(
        "cache.max_entries",
        Count(1, u64::MAX),
        |config| &mut config.cache.max_entries,
        "entries of a cache at most",
    ),
    ConfigKey::of(
        "cache.max_bytes",
        Count(1, u64::MAX),
        |config| &mut config.cache.max_bytes,
        "bytes of a cache in memory at most; a cache in a store refuses it",
    )
    .or_off(),
    ConfigKey::of(
        "cache.ttl_seconds",
        seconds(Duration::from_millis(1), CENTURY),
        |config| &mut config.cache.ttl,
        "how long a cache keeps an entry",
    )
    .or_off(),
    // What other programs have in the same files.
    ConfigKey::unapplied("serving.host", Text, SERVER),
    ConfigKey::unapplied("serving.port", Count(1, 65_535), SERVER),
    ConfigKey::unapplied("serving.enable_monitoring", Flag, SERVER),
    ConfigKey::unapplied("serving.enable_ab_testing", Flag, SERVER),
    ConfigKey::unapplied("database.connection_string", Text, DATABASE),
    ConfigKey::unapplied("database.pool_size", Count(1, u64::MAX), DATABASE),
];
