//! What is stored of a pipeline, and what differs between two configurations.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::clock::Timestamp;
use crate::database::handle::Database;
use crate::mlops::config::Config;
use crate::mlops::table::Table;

/// The collection of pipelines, by model.
const PIPELINES: &str = "_pipelines";

/// A pipeline as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) config: Config,
    pub(super) since: Timestamp,
    /// The number of the last alert that was looked at for the audit log.
    pub(super) written: u64,
}

pub(super) fn table(db: &Database) -> Table<Stored> {
    Table::new(db, PIPELINES)
}

/// What holds, by the keys of files.
pub(super) fn values(config: &Config) -> Json {
    let told = config.settings().into_iter().map(|it| (it.key.to_owned(), it.value.to_json()));
    Json::Object(told.collect())
}

/// The keys whose values differ, with both.
pub(super) fn changes(from: &Config, to: &Config) -> Json {
    let both = from.settings().into_iter().zip(to.settings());
    let told = both
        .filter(|(from, to)| from.value != to.value)
        .map(|(from, to)| (to.key.to_owned(), json!({"from": from.value.to_json(), "to": to.value.to_json()})));
    Json::Object(told.collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_differs_is_named_with_both_values() {
        let mut config = Config::default();
        assert_eq!(changes(&config, &config), json!({}));
        config.monitoring.window = 500;
        config.alerts.cool_down = Duration::from_secs(60);
        config.retraining.min_new_samples = None;
        let told = changes(&Config::default(), &config);
        assert_eq!(
            told,
            json!({
                "monitoring.window": {"from": 1000, "to": 500},
                "monitoring.alert_config.cool_down_seconds": {"from": 3600, "to": 60},
                "retraining.min_new_samples": {"from": 1000, "to": null},
            })
        );
        assert_eq!(values(&config)["monitoring.alert_config.cool_down_seconds"], 60);
        assert_eq!(values(&config)["monitoring.retention_days"], 30);
    }
}
