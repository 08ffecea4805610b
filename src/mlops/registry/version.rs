//! What is known of a version of a model, and how versions are named and ordered.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::mlops::model::ModelId;
use crate::payload::BlobId;

/// The most tags a version may have, and the most characters of each.
const MAX_TAGS: usize = 64;
const MAX_TAG_CHARS: usize = 64;

/// A version of a model, as it was registered. Only its tags and its description change later; one that was imported without
/// its artifact may get it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ModelVersion {
    /// Its model and its name.
    pub model: ModelId,
    /// When it was registered.
    pub created_at: Timestamp,
    /// How many versions of the model were registered before it.
    pub number: u64,
    /// The SHA-256 of the artifact, in hexadecimal digits, or what an imported registry gave as hash.
    pub model_hash: String,
    /// Where the artifact is in this store; none while only what is known of it was imported.
    pub artifact: Option<Artifact>,
    /// Figures by name, such as `accuracy`.
    pub metrics: BTreeMap<String, f64>,
    /// How the model is made.
    pub config: Json,
    /// How it was trained.
    pub training_info: Json,
    /// Where the artifact came from; nothing is read from there.
    pub file_path: Option<String>,
    /// Bytes of the artifact.
    pub file_size: u64,
    /// What the artifact's bytes are, such as `onnx`; they are kept as they are and never executed.
    pub format: String,
    /// What it is, for people.
    pub description: String,
    /// Words to find it by, such as `stable`.
    pub tags: Vec<String>,
    /// What it was made from.
    pub lineage: Lineage,
}

impl ModelVersion {
    /// Its name, such as `1.2.0`.
    pub fn version(&self) -> &str {
        self.model.version()
    }
}

/// The bytes of a model in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// The blob that holds them; a record that names it keeps it.
    #[serde(rename = "$blob", with = "blob_name")]
    pub blob: BlobId,
}

mod blob_name {
    use super::BlobId;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(id: &BlobId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BlobId, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// What a version was made from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Lineage {
    /// The version of the same model that it goes on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The data it was trained on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// The code it was trained with, such as a commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The run that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

/// A version to be registered; built step by step.
///
/// ```
/// use driftline::json;
/// use driftline::mlops::NewVersion;
///
/// let version = NewVersion::new("1.2.0").metric("accuracy", 0.92).tag("stable").config(json!({"hidden_size": 256}));
/// ```
#[derive(Debug, Clone)]
pub struct NewVersion {
    pub(super) version: String,
    pub(super) metrics: BTreeMap<String, f64>,
    pub(super) config: Json,
    pub(super) training_info: Json,
    pub(super) file_path: Option<String>,
    pub(super) format: String,
    pub(super) description: String,
    pub(super) tags: Vec<String>,
    pub(super) lineage: Lineage,
    pub(super) actor: String,
}

impl NewVersion {
    /// A version of this name: a semantic version, a time such as `20241221-143022`, or any other.
    pub fn new(version: impl Into<String>) -> NewVersion {
        NewVersion {
            version: version.into(),
            metrics: BTreeMap::new(),
            config: Json::Object(Default::default()),
            training_info: Json::Object(Default::default()),
            file_path: None,
            format: "bytes".into(),
            description: String::new(),
            tags: Vec::new(),
            lineage: Lineage::default(),
            actor: "system".into(),
        }
    }

    /// A figure of the model.
    #[must_use]
    pub fn metric(mut self, name: impl Into<String>, value: f64) -> NewVersion {
        self.metrics.insert(name.into(), value);
        self
    }

    /// How the model is made.
    #[must_use]
    pub fn config(mut self, config: impl Into<Json>) -> NewVersion {
        self.config = config.into();
        self
    }

    /// How it was trained.
    #[must_use]
    pub fn training_info(mut self, info: impl Into<Json>) -> NewVersion {
        self.training_info = info.into();
        self
    }

    /// Where the artifact came from, to be remembered.
    #[must_use]
    pub fn file_path(mut self, path: impl Into<String>) -> NewVersion {
        self.file_path = Some(path.into());
        self
    }

    /// What the artifact's bytes are, such as `onnx`, `joblib`, `pickle` or `pytorch`; `bytes` unless told.
    #[must_use]
    pub fn format(mut self, format: impl Into<String>) -> NewVersion {
        self.format = format.into();
        self
    }

    /// What it is, for people.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> NewVersion {
        self.description = description.into();
        self
    }

    /// Adds a word to find it by.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> NewVersion {
        self.tags.push(tag.into());
        self
    }

    /// What it was made from.
    #[must_use]
    pub fn lineage(mut self, lineage: Lineage) -> NewVersion {
        self.lineage = lineage;
        self
    }

    /// Who registers it; `system` unless told.
    #[must_use]
    pub fn actor(mut self, actor: impl Into<String>) -> NewVersion {
        self.actor = actor.into();
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        if let Some((name, value)) = self.metrics.iter().find(|(_, value)| !value.is_finite()) {
            return Err(Error::invalid(format!("the metric `{name}` of version {} is {value}", self.version))
                .mend("leave out what was not measured"));
        }
        check_tags(&self.tags)
    }
}

/// Refuses tags that nobody could type or read.
pub(super) fn check_tags(tags: &[String]) -> Result<()> {
    if tags.len() > MAX_TAGS {
        return Err(Error::invalid(format!("a version has {} tags; at most {MAX_TAGS} are kept", tags.len())));
    }
    let bad = |tag: &&String| {
        tag.is_empty() || tag.trim() != *tag || tag.chars().count() > MAX_TAG_CHARS || tag.chars().any(char::is_control)
    };
    match tags.iter().find(bad) {
        None => Ok(()),
        Some(tag) => Err(Error::invalid(format!("{tag:?} cannot be a tag"))
            .mend(format!("use 1 to {MAX_TAG_CHARS} characters, none of them a control character"))),
    }
}

/// The version as a semantic one, with or without a `v` before it; none where it is another name.
pub(super) fn semantic(version: &str) -> Option<semver::Version> {
    semver::Version::parse(version.strip_prefix('v').unwrap_or(version)).ok()
}

/// A name made of the time, in UTC: `20241221-143022`, with `prefix-` before it if there is one; with a number after it
/// where there is such a version already.
pub(super) fn timestamped(
    prefix: Option<&str>,
    now: Timestamp,
    taken: impl Fn(&str) -> Result<bool>,
) -> Result<String> {
    let time = jiff::Timestamp::from_microsecond(now.0)
        .map_err(|_| Error::invalid("the clock shows a time that no calendar has").mend("set the clock"))?;
    let base = time.strftime("%Y%m%d-%H%M%S").to_string();
    let base = prefix.map_or_else(|| base.clone(), |prefix| format!("{prefix}-{base}"));
    let names = std::iter::once(base.clone()).chain((2u64..).map(|number| format!("{base}-{number}")));
    for name in names {
        if !taken(&name)? {
            return Ok(name);
        }
    }
    Err(Error::internal("all numbers are taken"))
}
