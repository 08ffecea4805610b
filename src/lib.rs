//! An embedded vector database: collections of embeddings with payloads, durable and searchable in your own process.

mod bytes;
mod clock;
mod collection;
mod database;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod ids;
mod index;
mod key;
mod payload;
mod pool;
mod random;
mod rows;
mod schema;
mod segment;
mod storage;
mod sync;
mod vector;

pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use collection::hits::{Completeness, Hit, Hits, QueryStats, Select};
pub use collection::record::{Patch, Record};
pub use database::background::Work;
pub use database::batch::Batch;
pub use database::blob::BlobReader;
pub use database::collection::Collection;
pub use database::handle::{CollectionInfo, Database};
pub use database::import::Import;
pub use database::options::{Create, Durability, Maintenance, Options};
pub use database::query::Query;
pub use database::recovery::RecoveryReport;
pub use database::request::{Commit, Precondition};
pub use database::scan::{Page, Scan};
pub use database::snapshot::{Snapshot, SnapshotCollection};
pub use database::stats::{CollectionStats, Stats};
pub use database::verify::{Problem, VerifyLevel, VerifyReport};
pub use error::{Error, ErrorKind, Result};
pub use ids::Lsn;
pub use index::{IndexSpec, MAX_K};
pub use key::{Key, MAX_KEY_BYTES};
pub use payload::{BlobId, MAX_DEPTH, MAX_PAYLOAD_BYTES, Value};
pub use random::Random;
pub use schema::{MAX_BITS, Schema};
pub use serde_json::json;
pub use vector::metric::Metric;
pub use vector::{MAX_DIMENSION, Vector, VectorRef, magnitude, normalize};

/// The file systems a store can live in: a directory, memory, and a simulation that loses power when told to.
pub mod fs {
    pub use crate::storage::fs::{
        Access, DiskFs, Fault, File, FileSystem, Lasting, LockGuard, LockMode, Mapping, MemoryFs, PublishError,
        ReadMode, SimulatedFs,
    };
}
