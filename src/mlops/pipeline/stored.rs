//! What is stored of a pipeline, and what differs between two configurations.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::clock::Timestamp;
use crate::database::handle::Database;
use crate::error::{Error, Result};
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

/// The keys whose values differ, with both.
pub(super) fn changes(from: &Config, to: &Config) -> Result<Json> {
    let tree = |config: &Config| {
        let tree = serde_json::to_value(config).map_err(|error| Error::internal(error.to_string()))?;
        let mut leaves = BTreeMap::new();
        flatten(String::new(), tree, &mut leaves);
        Ok::<_, Error>(leaves)
    };
    let (from, to) = (tree(from)?, tree(to)?);
    let differs = to.iter().filter(|(key, value)| from.get(*key) != Some(value));
    let told = differs.map(|(key, value)| (key.clone(), json!({"from": from.get(key), "to": value})));
    Ok(Json::Object(told.collect()))
}

/// Values by their keys from the top, with dots between.
fn flatten(key: String, value: Json, leaves: &mut BTreeMap<String, Json>) {
    match value {
        Json::Object(fields) => {
            for (name, value) in fields {
                flatten(if key.is_empty() { name } else { format!("{key}.{name}") }, value, leaves);
            }
        }
        leaf => drop(leaves.insert(key, leaf)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named_with_both_values() {
        let mut config = Config::default();
        assert_eq!(changes(&config, &config).unwrap(), json!({}));
        config.monitoring.window = 500;
        config.retraining.min_new_samples = None;
        let told = changes(&Config::default(), &config).unwrap();
        assert_eq!(
            told,
            json!({
                "monitoring.window": {"from": 1000, "to": 500},
                "retraining.min_new_samples": {"from": 1000, "to": null},
            })
        );
    }
}
