//! What a harness may ask for: one JSON object a line.

use std::collections::BTreeMap;
use std::path::PathBuf;

use driftline::{FieldType, IndexSpec, Metric};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::metric;

/// One line of stdin. Fields that are not known are passed over, so that a harness may say more.
#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub(super) enum Request {
    Build(Build),
    Search(Search),
    Quit,
}

/// Makes a store of an array's rows, keyed by their numbers.
#[derive(Debug, Deserialize)]
pub(super) struct Build {
    /// A `.npy` file of `n` × `dim` numbers.
    pub(super) base: PathBuf,
    pub(super) n: u64,
    pub(super) dim: usize,
    pub(super) metric: String,
    #[serde(default)]
    pub(super) threads: usize,
    /// An empty directory.
    pub(super) dir: PathBuf,
    #[serde(default)]
    index: Option<String>,
    /// A file of payloads, row by row, and the types of fields in them that are to be declared.
    #[serde(default)]
    pub(super) payload: Option<PathBuf>,
    #[serde(default)]
    fields: BTreeMap<String, String>,
}

/// Searches the store for the rows of an array.
#[derive(Debug, Deserialize)]
pub(super) struct Search {
    /// A `.npy` file of `nq` vectors.
    pub(super) queries: PathBuf,
    pub(super) nq: u64,
    pub(super) k: usize,
    #[serde(default)]
    pub(super) threads: usize,
    /// All queries in one call, or one call for each, timed each.
    #[serde(default)]
    pub(super) batch: bool,
    /// How hard to look; an exact index has nothing to be told, and passes it over.
    #[serde(default)]
    pub(super) params: Map<String, Value>,
    /// Which rows to look among, as text.
    #[serde(default)]
    pub(super) filter: Option<String>,
    /// Where to put the keys of the neighbours: `nq` × `k` little-endian `i32`, -1 where there are fewer.
    pub(super) out: PathBuf,
}

impl Request {
    pub(super) fn read(line: &str) -> Result<Request, String> {
        serde_json::from_str(line).map_err(|error| format!("the request cannot be read: {error}"))
    }
}

impl Build {
    pub(super) fn metric(&self) -> driftline::Result<Metric> {
        metric::named(&self.metric)
    }

    pub(super) fn index(&self) -> driftline::Result<IndexSpec> {
        self.index.as_deref().map_or(Ok(IndexSpec::default()), str::parse)
    }

    pub(super) fn fields(&self) -> driftline::Result<Vec<(&str, FieldType)>> {
        self.fields.iter().map(|(name, kind)| Ok((name.as_str(), kind.parse()?))).collect()
    }
}
