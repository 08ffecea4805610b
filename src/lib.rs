//! An embedded vector database: collections of embeddings with payloads, durable and searchable in your own process.
//!
//! An application opens a directory, puts records into collections and asks for the nearest. There is no server and no
//! async runtime; a store is used from any number of threads of one process.
//!
//! **It is not** SQL, a server or a cluster. One process opens a store for writing, or many for reading, not both at
//! once. Nothing on disk is encrypted.
//!
//! ```
//! use driftline::{Database, Metric, Record, Schema, json};
//!
//! fn main() -> driftline::Result<()> {
//! #     let dir = tempfile::tempdir().expect("a directory");
//! #     std::env::set_current_dir(dir.path()).expect("it is there");
//!     // A store is a directory. It is made the first time.
//!     let db = Database::open("shop.drift")?;
//!     let items = db.create_collection("items", Schema::vector(3, Metric::Cosine))?;
//!
//!     // Durable when it returns.
//!     items.put(Record::new("sku-1").vector([0.1, 0.9, 0.0]).payload(json!({"lang": "en", "price": 12})))?;
//!     items.put(Record::new("sku-2").vector([0.9, 0.1, 0.0]).payload(json!({"lang": "de", "price": 8})))?;
//!
//!     // The nearest first; lower distances are closer, whatever the metric.
//!     for hit in &items.query().nearest([0.0, 1.0, 0.0]).k(10).run()? {
//!         println!("{} is {:.4} away", hit.key, hit.distance);
//!     }
//!     // Only those that pass a filter.
//!     let cheap = items.query().nearest([0.0, 1.0, 0.0]).filter("price < 10 AND lang = 'de'")?.run()?;
//!     assert_eq!(cheap.keys().collect::<Vec<_>>(), [&"sku-2".into()]);
//!     db.close()?;
//!
//!     // Open it again: everything is there.
//!     let db = Database::open("shop.drift")?;
//!     let record = db.collection("items")?.get("sku-1")?.expect("it was put");
//!     assert_eq!(record.vector, Some([0.1, 0.9, 0.0].into()));
//!     Ok(())
//! }
//! ```
//!
//! # Eight names
//!
//! [`Database`] is an open store, made by [`Options`]. A [`Schema`] says what a collection holds, a [`Metric`] how its
//! vectors are compared. A [`Collection`] holds each [`Record`] under its key and answers a [`Query`]. An [`Error`]
//! says what went wrong, where, and how to mend it; its [`ErrorKind`] is cut by what the caller can do.
//!
//! Beside these: [`Filter`] and [`field`] to say which records are meant, [`Explain`] to see what a query did,
//! [`Recall`] to see how many of the nearest an index finds,
//! [`CancelToken`] to stop one, [`Batch`] for changes that happen together, [`Snapshot`] for reading the store as it was, [`Scan`] for
//! records in key order, [`Import`] for many records at once, [`Database::put_blob`] for what is too large for a
//! payload, [`Database::verify`] and [`Database::stats`] for looking after a store, [`Database::backup`] and [`restore`],
//! [`salvage`] and [`migrate`] for saving one, and [`fs`] for stores that live elsewhere than in a directory.
//!
//! What watches models stands on the same store, in [`mlops`]: an embedding log, drift, performance, alerts, a registry with
//! aliases and modes, caches, experiments, retraining triggers and an audit log.
//!
//! # What holds
//!
//! - A write is durable when it returns, unless its [`Durability`] says less. At every level a killed process loses
//!   nothing, a batch is whole or not there, and a crash leaves everything up to some moment.
//! - A read sees every batch that had returned before it began, and no batch in part.
//! - A vector is returned as it was put, bit for bit. Distances are lower for what is closer, under every metric; equal
//!   distances come in key order.
//! - Bytes from disk are checked before they are used: damage is an error of kind [`ErrorKind::Corrupt`], never a wrong
//!   answer. Checksums find accidents, not intent.
//! - After a failed sync the store refuses writes until it is opened again; reading goes on.
//!
//! # Limits
//!
//! | | |
//! |---|---|
//! | key | a `u64`, or text or bytes up to [`MAX_KEY_BYTES`] (512) |
//! | vector of numbers | 1 to [`MAX_DIMENSION`] (16,384) finite `f32` |
//! | vector of bits | 8 to [`MAX_BITS`] (131,072), a multiple of 8 |
//! | payload | [`MAX_PAYLOAD_BYTES`] (16 MiB) as stored, [`MAX_DEPTH`] (64) levels deep |
//! | batch | 64 MiB less 64 KiB in the log |
//! | k of a query | 1 to [`MAX_K`] (100,000) |
//! | filter | [`MAX_FILTER_BYTES`] (64 KiB) of text, [`MAX_FILTER_DEPTH`] (64) levels, [`MAX_FILTER_NODES`] (4,096) predicates |
//! | collections | 10,000 a store; names of 1 to 64 letters, digits, `_`, `.` or `-` |
//! | model | `name@version` of at most 250 bytes |
//!
//! Without an index a query compares with each live row that its filter lets through, by codes of a byte a number before
//! vectors. Linux on x86-64 is tested; other Unix systems are not; big-endian machines are refused when compiling.
//!
//! # Features
//!
//! `cli`, on by default, builds the program `driftline`. Library users set `default-features = false`; the library is
//! the same either way. `exchange`, a part of `cli`, adds the module of that name: files of others, imported and exported.
//! `config`, too, a part of `cli`, reads configurations from files.
//!
//! # Threads and events
//!
//! Under [`Maintenance::Automatic`] a store has four threads that sync, flush, merge and build indexes, one
//! more where queries are audited ([`Options::audit_queries`]) and one where files are scrubbed ([`Options::scrub`]), and a
//! pool for searching; all end when it is closed. Under [`Maintenance::Manual`] it has none. A check that was added to
//! [`Database::health`] runs on a thread of its own under either. What happens outside of calls is reported as
//! [`tracing`](https://docs.rs/tracing) events; the library installs no subscriber and no signal handler.

#[doc(hidden)]
pub mod bench;
mod bytes;
mod clock;
mod collection;
mod database;
mod error;
#[cfg(feature = "exchange")]
pub mod exchange;
mod filter;
#[doc(hidden)]
pub mod fuzzing;
mod ids;
mod index;
mod key;
pub mod mlops;
mod payload;
mod pool;
mod quantization;
mod random;
mod rescue;
mod rows;
mod schema;
mod segment;
pub mod statement;
pub mod stats;

mod storage;
mod sync;
mod vector;

pub use collection::record::Record;
pub use database::collection::Collection;
pub use database::handle::Database;
pub use database::options::Options;
pub use database::query::Query;
pub use error::Error;
pub use schema::Schema;
pub use vector::metric::Metric;

pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use collection::cursor::Cursor;
pub use collection::explain::{ExactCost, Explain, SegmentExplain};
pub use collection::hits::{Completeness, Hit, Hits, QueryStats};
pub use collection::recall::{Coverage, QueryCost, QuerySource, RecallFigures, RecallReport};
pub use collection::record::Patch;
pub use collection::select::Select;
pub use database::background::Work;
pub use database::batch::Batch;
pub use database::blob::BlobReader;
pub use database::cancel::CancelToken;
pub use database::handle::CollectionInfo;
pub use database::health::{CheckResult, CheckStatus, HealthReport, HealthStatus, Severity};
pub use database::import::{Import, ImportStart};
pub use database::options::{Create, Durability, Maintenance};
pub use database::pending::PendingImport;
pub use database::recall::Recall;
pub use database::recovery::RecoveryReport;
pub use database::request::{Commit, Precondition};
pub use database::scan::{Page, Scan};
pub use database::scrub::{ScrubOptions, ScrubReport, ScrubStats};
pub use database::scrubbing::ScrubRound;
pub use database::snapshot::{Snapshot, SnapshotCollection};
pub use database::stats::{CollectionStats, IndexStats, Stats};
pub use database::usage::{CollectionUsage, DiskUsage, Pin};
pub use database::verify::{Problem, Verification, VerifiedCollection, VerifyLevel, VerifyProgress, VerifyReport};
pub use error::{ErrorKind, Result};
pub use filter::{Field, Filter, IntoFilter, Params, field, key, time};
pub use filter::{MAX_FILTER_BYTES, MAX_FILTER_DEPTH, MAX_FILTER_NODES, MAX_FILTER_VALUES};
pub use ids::Lsn;
pub use index::{HnswSpec, IndexSpec, Layout, LshSpec, MAX_K};
pub use key::{Key, MAX_KEY_BYTES};
pub use payload::{BlobId, FieldType, MAX_DEPTH, MAX_PAYLOAD_BYTES, Value};
pub use random::Random;
pub use rescue::backup::{Backup, BackupReport};
pub use rescue::migrate::{MigrateOptions, MigrateReport, migrate, migrate_on};
pub use rescue::progress::{RescuePhase, RescueProgress};
pub use rescue::restore::{RestoreOptions, RestoreReport, restore, restore_from};
pub use rescue::salvage::report::{SalvageReport, SalvagedCollection};
pub use rescue::salvage::{SalvageOptions, salvage, salvage_on};
pub use schema::{FieldIndexing, MAX_BITS};
pub use serde_json::json;
pub use vector::{MAX_DIMENSION, Vector, VectorRef, magnitude, normalize};

/// The file systems a store can live in: a directory, memory, and a simulation that loses power when told to.
pub mod fs {
    pub use crate::storage::fs::{
        Access, DiskFs, Fault, File, FileSystem, Lasting, LockGuard, LockMode, Mapping, MemoryFs, PublishError,
        ReadMode, SimulatedFs,
    };
}

/// The README's code is compiled as this crate's own examples are.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
