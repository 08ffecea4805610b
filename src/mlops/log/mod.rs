//! The embedding log: the vectors that models made, with time, payload and what they were made of.
//!
//! Every model has a *space* of its own (`space`, made as `options` say and listed in `catalog`), so vectors of two models
//! never meet. Its rows lie in a system collection for each slice of time (`rows`) under numbers that ascend (`keys`). What
//! reports need of them is kept while they come: a `sketch` for each window, with samples (`bottom`), as a `fold` over the
//! rows in the order of their numbers. `write`, `read`, `query` and `retain` are the calls; `canary` and `reembed` are for
//! who has the model itself, an `embedder`.

mod bottom;
mod canary;
mod catalog;
mod embedder;
mod entry;
mod fold;
mod keys;
mod options;
mod profile;
mod query;
mod read;
mod reembed;
mod retain;
mod rows;
mod sketch;
mod space;
mod write;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use crate::database::handle::Database;
use crate::error::{Error, Result};

pub use canary::{Attached, Canary, CanaryPolicy};
pub use catalog::SpaceInfo;
pub use embedder::Embedder;
pub use entry::{Entry, INPUT_FIELD, Logged};
pub use options::{Retention, SpaceOptions};
pub use profile::{EmbeddingQuality, Profile, Sample};
pub use query::{LogHit, LogHits, LogQuery};
pub use read::LogScan;
pub use reembed::{Reembed, ReembedReport};
pub use retain::LogTick;

impl Database {
    /// The embedding log of this store.
    pub fn embedding_log(&self) -> EmbeddingLog {
        self.before_close("embedding log", catalog::save_all);
        EmbeddingLog { db: self.clone(), spaces: self.companion(), writes: None }
    }
}

/// The embedding log of a store: vectors by model, in the order in which they came, searched within a model and a time.
///
/// Cheap to clone, may be used from any thread. Entries are only added, and go whole slices of time at once when they are
/// kept no longer ([`EmbeddingLog::tick`]). A vector of another dimension than its model's is refused, and so is searching
/// with one. Everything is as durable as other writes of the store, and may be part of a batch ([`EmbeddingLog::log_in`]).
///
/// For every model and window, an hour unless told, the count, the mean and variance of each dimension, quantiles of lengths and a
/// uniform sample are kept as vectors come, so that [`EmbeddingLog::profile`] and [`EmbeddingLog::sample`] read no more than
/// they return. They follow from the vectors and the order in which they were logged alone: not from threads, reopening or crashes.
///
/// ```
/// # fn main() -> driftline::Result<()> {
/// use driftline::mlops::{Entry, ModelId, TimeRange};
/// use driftline::{Database, json};
///
/// let db = Database::in_memory()?;
/// let log = db.embedding_log();
/// let model: ModelId = "minilm@1".parse()?;
/// log.log(&model, Entry::new([0.1, 0.9, 0.0]).payload(json!({"lang": "en"})).input("A red bicycle"))?;
/// log.log_all(&model, [Entry::new([0.9, 0.1, 0.0]), Entry::new([0.8, 0.2, 0.1])])?;
///
/// let hits = log.query(&model).nearest([0.0, 1.0, 0.0]).k(1).filter("lang = 'en'")?.run()?;
/// assert_eq!((hits.hits[0].logged.key, hits.hits[0].logged.model.name()), (0, "minilm"));
/// assert_eq!(log.profile(&model, TimeRange::ALL)?.count(), 3);
/// assert!(log.log(&model, Entry::new([0.1, 0.9])).is_err(), "two numbers are of another model");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct EmbeddingLog {
    db: Database,
    spaces: Arc<catalog::Spaces>,
    /// Why this handle only reads, if it does.
    writes: Option<Error>,
}

impl fmt::Debug for EmbeddingLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddingLog").field("db", &self.db).field("reads_only", &self.writes.is_some()).finish()
    }
}

impl EmbeddingLog {
    /// Refuses to write through a handle that only reads.
    fn check_writes(&self) -> Result<()> {
        self.writes.clone().map_or(Ok(()), Err)
    }
}
