//! What is known of a user in an experiment: one record, from the first exposure on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::key::Key;
use crate::mlops::experiments::assignment::Variant;

/// The most characters a user's id may have.
const MAX_USER_CHARS: usize = 100;

/// A user of an experiment, as first exposed, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Exposure {
    /// The user's id.
    pub user: String,
    /// What the user gets, from the first exposure on.
    pub variant: Variant,
    /// The version of the model that is.
    pub version: String,
    /// When the user was exposed first.
    pub exposed_at: Timestamp,
    /// The share of users who got B then.
    pub split: f64,
    /// What was predicted last, where that was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prediction: Option<Json>,
    /// What came of it, by metric; of several outcomes of one metric the last that was told stands.
    #[serde(default)]
    pub outcomes: BTreeMap<String, f64>,
}

/// The key of a user's record: the experiment's number, then the user's id (frozen).
pub(super) fn key(experiment: u64, user: &str) -> Result<Key> {
    let chars = user.chars().count();
    if !(1..=MAX_USER_CHARS).contains(&chars) {
        return Err(Error::invalid(format!("a user id has {chars} characters"))
            .mend(format!("use 1 to {MAX_USER_CHARS}, or a hash of it")));
    }
    Ok(prefix_with(experiment, user.as_bytes()))
}

/// What the keys of all users of an experiment begin with.
pub(super) fn prefix(experiment: u64) -> Key {
    prefix_with(experiment, &[])
}

#[expect(clippy::big_endian_bytes, reason = "so that keys sort by the experiment's number")]
fn prefix_with(experiment: u64, user: &[u8]) -> Key {
    Key::from([&experiment.to_be_bytes(), user].concat())
}
