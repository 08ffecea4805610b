//! What a statement says, once it has been read: a tree without text.
//!
//! Names and vectors keep the span they were read from, so that what fails later can still be shown under a caret.

use std::ops::Range;
use std::time::Duration;

use super::configuration_tree::Configuration;
use super::drift_tree::{Baseline, Drift};
use super::monitoring_tree::{Alerts, Monitor};
pub use super::name::Name;
use super::pipelines_tree::Pipelines;
use super::serving::{
    AliasStatement, AuditStatement, Author, CacheStatement, ExperimentStatement, ModelStatement, RetrainStatement,
};
use crate::clock::Timestamp;
use crate::database::gate::Mode;
use crate::filter::Filter;
use crate::index::IndexSpec;
use crate::key::Key;
use crate::payload::Value;
use crate::schema::Schema;
use crate::vector::Vector;
use crate::vector::metric::Metric;

/// One statement.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each verb is described once, in the table of verbs")]
pub enum Statement {
    Alerts(Alerts),
    Alias(AliasStatement),
    Audit(AuditStatement),
    Backup(Backup),
    Baseline(Baseline),
    Cache(CacheStatement),
    Collections,
    Compact { collection: Option<Name> },
    Config(Configuration),
    Count { collection: Name, filter: Option<Filter> },
    Create { collection: Name, schema: Schema },
    Dashboard { model: Option<String>, last: Option<Duration> },
    Delete { collection: Name, which: Which },
    Disk,
    Drift(Drift),
    Drop { collection: Name },
    Experiment(ExperimentStatement),
    Explain(Find),
    Export(Export),
    Find(Find),
    Flush,
    Get { collection: Name, key: Key },
    Health,
    Import(Import),
    Log(Log),
    Logs { model: Option<Name>, from: Option<Timestamp>, to: Option<Timestamp> },
    Metrics { file: Option<String> },
    Monitor(Monitor),
    Mode { set: Option<(Mode, Author)> },
    Model(ModelStatement),
    Pipeline(Pipelines),
    Patch { collection: Name, which: Which, change: Change },
    Put(Put),
    PutLines { collection: Name, if_absent: bool },
    Recall(Recall),
    RebuildIndex { collection: Name },
    Reindex { collection: Name, index: IndexSpec },
    Retrain(RetrainStatement),
    Scan(Scan),
    Scrub { rate_mib: Option<u64> },
    Stats { collection: Option<Name> },
    Verify { quick: bool },
}

/// Records a change is meant for.
#[derive(Debug, Clone, PartialEq)]
pub enum Which {
    /// Those of these keys.
    Keys(Vec<Key>),
    /// Those that match.
    Where(Filter),
    /// All.
    All,
}

/// A vector, and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorText {
    /// Where the vector comes from.
    pub source: VectorSource,
    /// Bytes of the text it was read from.
    pub span: Range<usize>,
}

/// Where a vector comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum VectorSource {
    /// It was written out.
    Given(Vector),
    /// That of the record of this key.
    Stored(Key),
    /// A file: its only vector, or the one of this row, counted from 0.
    File(String, Option<u64>),
}

/// A payload, or the file that holds it.
#[derive(Debug, Clone, PartialEq)]
pub enum PayloadSource {
    /// It was written out.
    Given(Value),
    /// A file of JSON.
    File(String),
}

/// A record to be put.
#[derive(Debug, Clone, PartialEq)]
pub struct Put {
    /// Into which collection.
    pub collection: Name,
    /// Under which key.
    pub key: Key,
    /// With which vector.
    pub vector: Option<VectorText>,
    /// With which payload.
    pub payload: Option<PayloadSource>,
    /// For how long from now.
    pub ttl: Option<Duration>,
    /// Only if there is none of that key.
    pub if_absent: bool,
}

/// A vector to be logged.
#[derive(Debug, Clone, PartialEq)]
pub struct Log {
    /// The model that made it.
    pub model: Name,
    /// The vector.
    pub vector: VectorText,
    /// With which payload.
    pub payload: Option<PayloadSource>,
    /// When it was made.
    pub at: Option<Timestamp>,
    /// What was embedded.
    pub input: Option<String>,
}

/// What a patch does.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Change {
    /// Merged into the payload by the rules of JSON Merge Patch.
    pub merge: Option<Value>,
    /// Replaces the vector.
    pub vector: Option<VectorText>,
}

/// What of each record is shown.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Columns {
    /// Of a hit the payload, of a scanned record everything.
    #[default]
    Usual,
    /// The key alone.
    Key,
    /// Everything, the vector too.
    All,
    /// These fields of the payload, with dots into objects.
    Fields(Vec<String>),
}

/// A search for near vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct Find {
    /// In which collection, or, where the name has an `@`, in which model's space of the embedding log.
    pub collection: Name,
    /// Near what.
    pub near: VectorText,
    /// Among which records.
    pub filter: Option<Filter>,
    /// How many at most.
    pub limit: Option<u64>,
    /// How far away at most.
    pub within: Option<f32>,
    /// Which share of the nearest is to be found on average.
    pub recall: Option<f32>,
    /// How many candidates an index looks at.
    pub ef: Option<u64>,
    /// Whether to compare with every vector.
    pub exact: bool,
    /// What of each is shown.
    pub columns: Columns,
    /// Where an earlier answer ended: the text of a cursor.
    pub after: Option<String>,
    /// The model that the vector comes from.
    pub model: Option<String>,
}

/// A measurement of how many of the nearest are found.
#[derive(Debug, Clone, PartialEq)]
pub struct Recall {
    /// In which collection.
    pub collection: Name,
    /// How many queries at most.
    pub sample: Option<u64>,
    /// A file of queries, in place of stored records.
    pub queries: Option<String>,
    /// How many neighbours each asks for.
    pub k: Option<u64>,
    /// Which share of the nearest is to be found on average.
    pub recall: Option<f32>,
    /// How many candidates an index looks at.
    pub ef: Option<u64>,
    /// Among which records.
    pub filter: Option<Filter>,
    /// Where chance begins.
    pub seed: Option<u64>,
}

/// Records in key order.
#[derive(Debug, Clone, PartialEq)]
pub struct Scan {
    /// Of which collection.
    pub collection: Name,
    /// Only those that match.
    pub filter: Option<Filter>,
    /// Only keys that begin so.
    pub prefix: Option<Key>,
    /// From this key on.
    pub from: Option<Key>,
    /// Up to this key, without it.
    pub to: Option<Key>,
    /// Only keys that come after this one in the direction of the scan.
    pub after: Option<Key>,
    /// From the highest key to the lowest.
    pub reverse: bool,
    /// How many at most.
    pub limit: Option<u64>,
    /// What of each is shown.
    pub columns: Columns,
}

/// A file to be brought in.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    /// Which file; `-` is the standard input.
    pub file: String,
    /// Into which collection.
    pub collection: Name,
    /// Whether the collection is to be made.
    pub create: Create,
    /// The format, where the file's name does not tell it.
    pub format: Option<String>,
    /// Where the keys are.
    pub keys: KeysFrom,
    /// The field that holds the vector, or the columns, as `first..last`.
    pub vector: Option<String>,
    /// A file with a label for each row, and the field it goes to.
    pub labels: Option<(String, Option<String>)>,
    /// A file with a payload for each row.
    pub payload: Option<String>,
    /// Rows to be left out at the beginning.
    pub skip: Option<u64>,
    /// How many rows at most.
    pub limit: Option<u64>,
}

/// Whether an import makes the collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Create {
    /// It must be there.
    No,
    /// It is made; the file tells the dimension, and this how vectors are compared, where there are any.
    With(Option<Metric>),
}

/// Where the keys of imported records are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeysFrom {
    /// Where the format has them, or else the number of the row.
    Format,
    /// The number of the row, counted from this.
    Rows(u64),
    /// In this field or column.
    Field(String),
    /// In another file.
    File(String),
}

/// A backup to be made of the whole store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Where: an archive if it ends in `.tar`, else a directory.
    pub path: String,
    /// Whether every file is copied, where hard links would do.
    pub copy: bool,
    /// Whether every byte is read again and checked.
    pub verify: bool,
}

/// A collection to be written to a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Export {
    /// Which collection.
    pub collection: Name,
    /// To which file.
    pub file: String,
    /// The format, where the file's name does not tell it.
    pub format: Option<String>,
    /// Only records that match.
    pub filter: Option<Filter>,
    /// Whether a file of that name may be replaced.
    pub replace: bool,
}
