//! What is looked at.

use std::fmt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::database::handle::Database;
use crate::error::{ErrorKind, Result};
use crate::mlops::model::ModelId;
use crate::mlops::times::TimeRange;

/// Something whose records have times: a collection, or what a model logged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Subject {
    /// A collection: its vectors and the fields of its payloads, by when records were created.
    Collection(String),
    /// The vectors that this version of a model logged.
    Model(ModelId),
}

impl Subject {
    /// Where chance begins for what is drawn from a time: the same for the same subject and time, on any machine.
    pub(super) fn seed(&self, range: TimeRange) -> u64 {
        xxh3_64(format!("{self}/{}/{}", range.from.0, range.to.0).as_bytes())
    }

    /// The model that its vectors come from, where that is known: of a collection as its schema says.
    pub(super) fn model(&self, db: &Database) -> Result<Option<String>> {
        match self {
            Subject::Model(model) => Ok(Some(model.to_string())),
            Subject::Collection(name) => match db.collection(name) {
                Ok(collection) => Ok(collection.schema()?.model_name().map(str::to_owned)),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            },
        }
    }
}

/// A collection by its name, `model` and the name of a model otherwise; no two are written alike.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Collection(name) => f.write_str(name),
            Subject::Model(model) => write!(f, "model {model}"),
        }
    }
}

impl From<ModelId> for Subject {
    fn from(model: ModelId) -> Subject {
        Subject::Model(model)
    }
}

impl From<&str> for Subject {
    fn from(collection: &str) -> Subject {
        Subject::Collection(collection.into())
    }
}
