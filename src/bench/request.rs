//! What a harness may ask for: one JSON object a line.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::metric;
use crate::error::Result;
use crate::index::IndexSpec;
use crate::payload::FieldType;
use crate::vector::metric::Metric;

/// One line of stdin. Fields that are not known are passed over, so that a harness may say more.
#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Request {
    /// To make a store.
    Build(Build),
    /// To search it.
    Search(Search),
    /// To end.
    Quit,
}

/// Makes a store of an array's rows, keyed by their numbers.
#[derive(Debug, Deserialize)]
pub struct Build {
    /// A `.npy` file of `n` × `dim` numbers.
    pub base: PathBuf,
    /// How many rows it has.
    pub n: u64,
    /// How many numbers a row has.
    pub dim: usize,
    metric: String,
    /// Threads of the store; 0 means one for each core.
    #[serde(default)]
    pub threads: usize,
    /// An empty directory.
    pub dir: PathBuf,
    #[serde(default)]
    index: Option<String>,
    /// A file of payloads, row by row, and the types of fields in them that are to be declared.
    #[serde(default)]
    pub payload: Option<PathBuf>,
    #[serde(default)]
    fields: BTreeMap<String, String>,
}

/// Searches the store for the rows of an array.
#[derive(Debug, Deserialize)]
pub struct Search {
    /// A `.npy` file of `nq` vectors.
    pub queries: PathBuf,
    /// How many rows it has.
    pub nq: u64,
    /// How many neighbours are wanted of each.
    pub k: usize,
    /// Threads of the store; 0 means one for each core.
    #[serde(default)]
    pub threads: usize,
    /// All queries in one call, or one call for each, timed each.
    #[serde(default)]
    pub batch: bool,
    /// How hard to look; an exact index has nothing to be told, and passes it over.
    #[serde(default)]
    pub params: Map<String, Value>,
    /// Which rows to look among, as text.
    #[serde(default)]
    pub filter: Option<String>,
    /// Where to put the keys of the neighbours: `nq` × `k` little-endian `i32`, -1 where there are fewer.
    pub out: PathBuf,
}

impl Request {
    /// Reads one line; an error is a sentence for the one who sent it.
    pub fn read(line: &str) -> Result<Request, String> {
        serde_json::from_str(line).map_err(|error| format!("the request cannot be read: {error}"))
    }
}

impl Build {
    /// How far apart its rows are.
    pub fn metric(&self) -> Result<Metric> {
        metric::named(&self.metric)
    }

    /// The index it is to have.
    pub fn index(&self) -> Result<IndexSpec> {
        self.index.as_deref().map_or(Ok(IndexSpec::default()), str::parse)
    }

    /// The fields of payloads that are to be declared.
    pub fn fields(&self) -> Result<Vec<(&str, FieldType)>> {
        self.fields.iter().map(|(name, kind)| Ok((name.as_str(), kind.parse()?))).collect()
    }
}
