//! How a store is opened.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::database::scrub::ScrubOptions;
use crate::error::{Error, Result};
use crate::storage::fs::ReadMode;

/// What a returned write has survived, per batch; a store has a default.
///
/// At every level the bytes have reached the operating system before the call returns, so a killed process loses
/// nothing; batches are all or nothing; and what is found after a crash is everything up to some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Power loss too: the log was synced before the call returned. Concurrent batches share one sync.
    #[default]
    Commit,
    /// A crash of the machine loses at most this long. The maintenance threads sync; under [`Maintenance::Manual`],
    /// [`Database::tick`](crate::Database::tick) does when it is called.
    Interval(Duration),
    /// A crash of the machine loses what was written since the log was last synced: by a flush, by
    /// [`Database::sync`](crate::Database::sync), or for another batch that asked for it.
    None,
}

/// Who does the work behind the writes: flushing, merging, building indexes, auditing queries, syncing at intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Maintenance {
    /// Four named threads, one more where queries are audited and one where files are scrubbed, joined when the store is
    /// closed.
    #[default]
    Automatic,
    /// Nobody but [`Database::tick`](crate::Database::tick): the library starts no thread. Deletes are never refused for
    /// what waits to be flushed, and each row they mark takes some memory until then, so whoever deletes much has to tick
    /// or flush, too.
    Manual,
}

/// Whether opening a directory that holds no store makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Create {
    /// Make one.
    #[default]
    IfMissing,
    /// Refuse with [`ErrorKind::NotFound`](crate::ErrorKind::NotFound).
    Never,
}

/// How a store is opened. The defaults suit most applications: every write durable, all cores, 256 MiB of memory for
/// rows that are not in files yet.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[must_use]
pub struct Options {
    pub(crate) durability: Durability,
    pub(crate) threads: usize,
    pub(crate) memory_budget_bytes: u64,
    pub(crate) log_budget_bytes: u64,
    pub(crate) log_file_bytes: u64,
    pub(crate) free_disk_reserve_bytes: Option<u64>,
    pub(crate) index_memory_bytes: u64,
    pub(crate) index_min_rows: u32,
    pub(crate) resident_index_bytes: u64,
    pub(crate) audited_share: f64,
    pub(crate) scrub: Option<ScrubOptions>,
    pub(crate) maintenance: Maintenance,
    pub(crate) read_mode: ReadMode,
    pub(crate) create: Create,
    pub(crate) busy_timeout: Duration,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) seed: Option<u64>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            durability: Durability::Commit,
            threads: 0,
            memory_budget_bytes: 256 << 20,
            log_budget_bytes: 256 << 20,
            log_file_bytes: 64 << 20,
            free_disk_reserve_bytes: None,
            index_memory_bytes: 2 << 30,
            index_min_rows: 1024,
            resident_index_bytes: 2 << 30,
            audited_share: 0.0,
            scrub: None,
            maintenance: Maintenance::Automatic,
            read_mode: ReadMode::Mmap,
            create: Create::IfMissing,
            busy_timeout: Duration::from_secs(30),
            clock: Arc::new(SystemClock),
            seed: None,
        }
    }
}

/// The least memory budget that makes sense: one row of the largest kind must fit.
const MIN_MEMORY_BUDGET_BYTES: u64 = 1 << 20;
/// Kept free on the disk at the least, unless the caller says otherwise.
const MIN_FREE_DISK_BYTES: u64 = 64 << 20;
const MAX_THREADS: usize = 1024;

impl Options {
    /// The defaults.
    pub fn new() -> Options {
        Options::default()
    }

    /// What a write has survived when it returns, unless its batch says otherwise. Default [`Durability::Commit`].
    /// Changes speed and what a crash may lose, never answers.
    pub fn durability(mut self, durability: Durability) -> Options {
        self.durability = durability;
        self
    }

    /// Threads that search and verify in parallel. Default 0: one for each core. Under [`Maintenance::Manual`] work
    /// runs on the calling thread, whatever this says. Changes speed, never answers.
    pub fn threads(mut self, threads: usize) -> Options {
        self.threads = threads;
        self
    }

    /// Memory for rows that are not in files yet, over all collections, in bytes; at least 1 MiB, default 256 MiB. A
    /// collection is sealed at a quarter of it, or at 65,536 rows; at all of it writers wait. Larger means fewer,
    /// larger segments and a longer recovery after a crash.
    pub fn memory_budget_bytes(mut self, bytes: u64) -> Options {
        self.memory_budget_bytes = bytes;
        self
    }

    /// The log is kept below this by flushing the collections that hold it back, in bytes; default 256 MiB.
    pub fn log_budget_bytes(mut self, bytes: u64) -> Options {
        self.log_budget_bytes = bytes;
        self
    }

    /// A log file ends at about this size and the next begins; default 64 MiB.
    pub fn log_file_bytes(mut self, bytes: u64) -> Options {
        self.log_file_bytes = bytes;
        self
    }

    /// Rows, imports and blobs are refused with [`ErrorKind::DiskFull`](crate::ErrorKind::DiskFull) when they would
    /// leave less than this free on the disk, in bytes; deleting, dropping, flushing and merging go on. Default: the
    /// larger of 64 MiB and what a collection holds in memory before it is sealed.
    ///
    /// Up to 4 MiB of it are not only left free, which binds nobody else, but set aside in a file, `RESERVE`, when the store
    /// is first written to. Where others fill the disk to its last byte, deleting, dropping and compacting go on in that
    /// room; rows are refused until it could be set aside again. With 0 nothing is left free or set aside: writing
    /// goes on until the disk itself refuses, which loses nothing either, but may leave no room to delete or merge.
    pub fn free_disk_reserve_bytes(mut self, bytes: u64) -> Options {
        self.free_disk_reserve_bytes = Some(bytes);
        self
    }

    /// Memory that building an index may take beside the rows, in bytes; at least 1 MiB, default 2 GiB. With less than
    /// an index would like it is built more slowly, or in a form that takes less.
    pub fn index_memory_bytes(mut self, bytes: u64) -> Options {
        self.index_memory_bytes = bytes;
        self
    }

    /// Files of fewer rows than this get no index, since comparing with all of them takes no longer; rows in memory get one
    /// once four times as many have come. Default 1024. An index that is there already is kept.
    pub fn index_min_rows(mut self, rows: u32) -> Options {
        self.index_min_rows = rows;
        self
    }

    /// Memory that copies of indexes may take, in bytes; 0 for none, default 2 GiB. A graph is read here and there, which
    /// in memory of large pages takes two thirds of the time it takes in a mapped file. Vectors beside an index are brought in
    /// with it, if they take no more than this; they stay in their file. Copies are made in the
    /// background, the smallest first; what finds no room is read from its file.
    pub fn resident_index_bytes(mut self, bytes: u64) -> Options {
        self.resident_index_bytes = bytes;
        self
    }

    /// Which share of the queries that an index answers is asked again in the background, as it was and exactly, to see
    /// how many of the nearest it finds: 0 to 1, default 0, none. At most 64 are a minute, drawn from those of that minute; what
    /// they find is written to the collection `_recall`, one record for those of a collection, k, effort and
    /// order of selectivity. A query pays for a copy of itself, if it is drawn, and waits for nothing; an audit takes one
    /// thread the time of an exact search for each. Changes no answers.
    pub fn audit_queries(mut self, share: f64) -> Options {
        self.audited_share = share;
        self
    }

    /// Reads all files again and again at a low rate, in the background, so that damage is found while there still is a
    /// backup to mend it from. Default: not at all. The first round begins when the store is opened, at a file drawn by
    /// chance; what was found is in [`Database::stats`](crate::Database::stats) and
    /// [`Database::health`](crate::Database::health). Costs a thread and the bytes a second that `scrub` says; under
    /// [`ReadMode::Heap`] one file at a time stands in memory. Changes no answers.
    pub fn scrub(mut self, scrub: ScrubOptions) -> Options {
        self.scrub = Some(scrub);
        self
    }

    /// Who flushes, merges and builds indexes. Default [`Maintenance::Automatic`].
    pub fn maintenance(mut self, maintenance: Maintenance) -> Options {
        self.maintenance = maintenance;
        self
    }

    /// How sealed files are read. Default [`ReadMode::Mmap`]. Under [`ReadMode::Heap`] opening takes as long as reading all of
    /// them, and no sector that the disk cannot read ends the process.
    pub fn read_mode(mut self, mode: ReadMode) -> Options {
        self.read_mode = mode;
        self
    }

    /// Whether a missing store is made. Default [`Create::IfMissing`].
    pub fn create(mut self, create: Create) -> Options {
        self.create = create;
        self
    }

    /// How long a write waits while rows cannot be brought into files fast enough, before it fails with
    /// [`ErrorKind::Busy`](crate::ErrorKind::Busy). Default 30 s. Under [`Maintenance::Manual`] it fails at once.
    pub fn busy_timeout(mut self, timeout: Duration) -> Options {
        self.busy_timeout = timeout;
        self
    }

    /// Where the time comes from. Default: the operating system.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Options {
        self.clock = clock;
        self
    }

    /// Fixes the random numbers that go into files, so that equal calls write equal bytes. Default: drawn from the
    /// operating system. Two stores of one seed cannot tell each other's files apart: for tests.
    pub fn seed(mut self, seed: u64) -> Options {
        self.seed = Some(seed);
        self
    }

    /// Refuses values outside their rules.
    pub(crate) fn check(&self) -> Result<()> {
        let refuse = |message: String| Err(Error::invalid(message));
        if self.memory_budget_bytes < MIN_MEMORY_BUDGET_BYTES {
            return refuse(format!(
                "memory_budget_bytes is {}; it must be at least {MIN_MEMORY_BUDGET_BYTES}",
                self.memory_budget_bytes
            ));
        }
        if self.index_memory_bytes < MIN_MEMORY_BUDGET_BYTES {
            return refuse(format!(
                "index_memory_bytes is {}; it must be at least {MIN_MEMORY_BUDGET_BYTES}",
                self.index_memory_bytes
            ));
        }
        if !(0.0..=1.0).contains(&self.audited_share) {
            return refuse(format!("audit_queries is {}; it must be a share, 0 to 1", self.audited_share));
        }
        self.scrub.map_or(Ok(()), |scrub| scrub.check())?;
        if self.threads > MAX_THREADS {
            return refuse(format!("threads is {}; it must be at most {MAX_THREADS}", self.threads));
        }
        if self.log_file_bytes == 0 || self.log_budget_bytes < self.log_file_bytes {
            return refuse(format!(
                "log_file_bytes is {} and log_budget_bytes {}; the first must be above 0 and not above the second",
                self.log_file_bytes, self.log_budget_bytes
            ));
        }
        if matches!(self.durability, Durability::Interval(interval) if interval.is_zero()) {
            return refuse("Durability::Interval needs a time above 0; Durability::Commit syncs at once".into());
        }
        Ok(())
    }

    /// Threads of the engine's pool; 1 means none.
    pub(crate) fn pool_threads(&self) -> usize {
        match (self.maintenance, self.threads) {
            (Maintenance::Manual, _) => 1,
            (Maintenance::Automatic, 0) => std::thread::available_parallelism().map_or(1, usize::from),
            (Maintenance::Automatic, threads) => threads,
        }
    }

    /// What is kept free on the disk.
    pub(crate) fn free_disk_reserve(&self) -> u64 {
        self.free_disk_reserve_bytes.unwrap_or_else(|| self.seal_bytes().max(MIN_FREE_DISK_BYTES))
    }

    /// A collection is sealed when its rows in memory take this much.
    pub(crate) fn seal_bytes(&self) -> u64 {
        self.memory_budget_bytes / 4
    }
}
