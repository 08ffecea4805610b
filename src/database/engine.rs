//! The state of an open store, and the small cells that its threads share.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use crate::clock::Timestamp;
use crate::collection::view::CollectionView;
use crate::database::audit::Audit;
use crate::database::blob_file::BlobFile;
use crate::database::calls::{Calls, Count, closing};
use crate::database::companions::Companions;
use crate::database::due::Due;
use crate::database::gate::Gate;
use crate::database::health::own::OwnChecks;
use crate::database::meters::Meters;
use crate::database::options::Options;
use crate::database::poison::Poison;
use crate::database::queue::CommitQueue;
use crate::database::request::{Commit, Request};
use crate::database::reserve::Reserve;
use crate::database::scrub::Scrub;
use crate::database::view_cell::{self, ViewCell};
use crate::database::waker::Waker;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{CollectionId, FileId, Lsn};
use crate::index::IndexSpec;
use crate::pool::Pool;
use crate::random::Random;
use crate::segment::Moment;
use crate::segment::file::Opener;
use crate::storage::fs::LockGuard;
use crate::storage::manifest::Manifest;
use crate::storage::wal::{Tail, WalWriter};
use crate::sync::{AtomicBool, AtomicU64, Condvar, Mutex, Ordering, RwLock, RwLockReadGuard};

/// All collections at one time. Never changes; a new one replaces it.
#[derive(Debug, Clone, Default)]
pub(crate) struct DatabaseView {
    pub(crate) collections: BTreeMap<CollectionId, Arc<CollectionView>>,
    pub(crate) names: BTreeMap<Arc<str>, CollectionId>,
    pub(crate) blobs: Arc<BTreeMap<[u8; 32], Arc<BlobFile>>>,
}

impl DatabaseView {
    pub(crate) fn by_id(&self, id: CollectionId) -> Result<&Arc<CollectionView>> {
        self.collections.get(&id).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "the collection was dropped").mend("create it again, or drop this handle")
        })
    }

    pub(crate) fn by_name(&self, name: &str) -> Result<&Arc<CollectionView>> {
        let found = self.names.get(name).and_then(|id| self.collections.get(id));
        found.ok_or_else(|| {
            let known: Vec<&str> = self.names.keys().map(|name| &**name).take(20).collect();
            let mend = match known[..] {
                [] => "create it first; the store has no collections yet".into(),
                _ => format!("create it first, or name one of: {}", known.join(", ")),
            };
            Error::new(ErrorKind::NotFound, format!("there is no collection `{name}`")).mend(mend)
        })
    }

    pub(crate) fn insert(&mut self, view: CollectionView) {
        self.names.insert(Arc::clone(&view.name), view.id);
        self.collections.insert(view.id, Arc::new(view));
    }
}

/// What readers of this store see.
pub(crate) type Current = view_cell::Current<DatabaseView>;

/// The log as the committer sees it.
#[derive(Debug)]
pub(crate) struct LogState {
    /// None until the first write after opening: an old log is never appended to.
    pub(crate) writer: Option<WalWriter>,
    /// The end of the log that was found at opening, when it is still listed.
    pub(crate) recovered_tail: Option<Tail>,
    pub(crate) next_lsn: Lsn,
    /// When written batches have to be synced at the latest; none when all are.
    pub(crate) sync_due: Option<Due>,
    pub(crate) closed: bool,
}

/// The state of an open store.
///
/// Shared by all handles and threads. Locks, outermost first: `indexing`, `merging`, `structure`, `log`, `manifest`, then the
/// cells (see `sync.rs`).
pub(crate) struct Engine {
    pub(crate) options: Options,
    pub(crate) opener: Opener,
    pub(crate) pool: Pool,
    pub(crate) current: ViewCell<DatabaseView>,
    /// Held while an index is built for a segment that has none yet, so that one is built at a time.
    pub(crate) indexing: Mutex<()>,
    /// Held by a merge from choosing to publishing.
    pub(crate) merging: Mutex<()>,
    /// Held while the set of segments changes: flush, end of a merge or import, create, drop.
    pub(crate) structure: Mutex<()>,
    /// The commit lock.
    pub(crate) log: Mutex<LogState>,
    /// The manifest as last published.
    pub(crate) manifest: Mutex<Manifest>,
    pub(crate) queue: CommitQueue<Request, Result<Commit>>,
    pub(crate) poison: Poison,
    pub(crate) random: Mutex<Random>,
    /// Queries that are to be asked again.
    pub(crate) audit: Audit,
    pub(crate) scrub: Scrub,
    /// What the application wants to be looked at with the store's own health.
    pub(crate) own_checks: Mutex<OwnChecks>,
    /// What stands on the database keeps its state here.
    pub(crate) companions: Companions,
    /// The mode that is entered for a while.
    pub(crate) gate: Gate,
    pub(crate) meters: Meters,
    pub(crate) opened_at: Timestamp,
    pub(crate) waker: Waker,
    pub(crate) pressure: Pressure,
    pub(crate) reserve: Reserve,
    /// Files get ascending numbers from here; the manifest remembers the next one.
    pub(crate) next_file: AtomicU64,
    /// The full log files of this session and their sizes, as far as they count against the budget.
    pub(crate) full_logs: Mutex<BTreeMap<FileId, u64>>,
    /// Segments in which damage was found when they were to be merged, or that the disk could not read. They are left
    /// alone.
    pub(crate) unmergeable: Mutex<BTreeSet<FileId>>,
    /// Segments that were not given the index that they are to have, and why.
    pub(crate) unindexed: Mutex<BTreeMap<FileId, Unindexed>>,
    /// Segments whose index is to be built anew although it may be whole.
    pub(crate) rebuilding: Mutex<BTreeSet<FileId>>,
    /// The snapshots that are held, in the order in which they were made.
    pub(crate) snapshots: Mutex<Snapshots>,
    /// Imports under a name that are running; no two run under one.
    pub(crate) running_imports: Mutex<BTreeSet<(CollectionId, String)>>,
    /// Held shared by every call that changes files outside the log, and whole by closing, which so waits for them.
    pub(crate) activity: RwLock<()>,
    /// The highest position known to be on disk.
    pub(crate) durable: AtomicU64,
    /// The highest position known to be on disk in a log. Imports have positions that no log holds.
    pub(crate) logged: AtomicU64,
    /// The newest time that was written or used to drop something, so that a clock set back revives nothing.
    pub(crate) newest_time: AtomicI64,
    pub(crate) access: Access,
    pub(crate) calls: Calls,
    pub(crate) closed: AtomicBool,
    pub(crate) process: u32,
    pub(crate) lock: Mutex<Option<Box<dyn LockGuard>>>,
}

/// What snapshots show, by numbers given once.
#[derive(Debug, Default)]
pub(crate) struct Snapshots {
    pub(crate) next: u64,
    pub(crate) held: BTreeMap<u64, (Current, Moment)>,
}

/// Why a segment has not the index that it is to have, although that was tried.
#[derive(Debug, Clone)]
pub(crate) struct Unindexed {
    pub(crate) spec: IndexSpec,
    /// None when its kind keeps no index of such rows.
    pub(crate) damage: Option<Error>,
}

/// What this handle may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    ReadWrite,
    ReadOnly,
}

/// What holds writers back, where they wait meanwhile, and why the last maintenance failed, if it did.
#[derive(Debug, Default)]
pub(crate) struct Pressure {
    /// Bytes of rows that are not in files yet.
    pub(crate) unsealed_bytes: AtomicU64,
    /// Sealed segments of the collection that has most.
    pub(crate) most_segments: AtomicU64,
    /// Bytes of full log files that flushing would let go. What only a damaged collection holds back does not count.
    pub(crate) log_bytes: AtomicU64,
    /// Bytes of rows that may come in before the free space of the disk is looked up again.
    pub(crate) admitted_bytes: AtomicU64,
    pub(crate) flush_failure: Mutex<Option<Error>>,
    pub(crate) merge_failure: Mutex<Option<Error>>,
    pub(crate) index_failure: Mutex<Option<Error>>,
    pub(crate) scrub_failure: Mutex<Option<Error>>,
    pub(crate) relieved: Condvar,
}

/// Poisons the store when it is dropped by a panic.
pub(crate) struct PoisonOnPanic<'a>(pub(crate) &'a Engine, pub(crate) &'static str);

impl Drop for PoisonOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.poison.set(&Error::internal(self.1));
            self.0.pressure.relieved.notify_all();
        }
    }
}

/// Only where the store is: handles of all kinds hold an engine, and what is in it may be as large as the store.
impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Engine").field(&self.location()).finish()
    }
}

impl Engine {
    /// The view and position to read at now.
    pub(crate) fn current(&self) -> Current {
        self.current.get()
    }

    /// The moment that `current` shows, judged by the clock now.
    pub(crate) fn moment(&self, current: &Current) -> Moment {
        Moment { lsn: current.visible, now: self.now() }
    }

    /// The time now, never behind the newest time the store has persisted.
    pub(crate) fn now(&self) -> Timestamp {
        let now = self.options.clock.now();
        Timestamp(now.0.max(self.newest_time.load(Ordering::Relaxed)))
    }

    /// Remembers that `time` was used for something that lasts.
    pub(crate) fn note_time(&self, time: Timestamp) {
        self.newest_time.fetch_max(time.0, Ordering::Relaxed);
    }

    pub(crate) fn next_file(&self) -> FileId {
        FileId(self.next_file.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn durable(&self) -> Lsn {
        Lsn(self.durable.load(Ordering::Acquire))
    }

    /// Refuses a closed store.
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, "the store is closed").mend("open it again"));
        }
        if self.calls.is_closing() { Err(closing()) } else { Ok(()) }
    }

    /// Does the work of a call: closing waits for its end, and it counts, with its failure.
    pub(crate) fn call<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let done = self.while_open(Count::Whole, work);
        if done.is_err() {
            self.calls.note_failure();
        }
        done
    }

    /// Does a piece of the work of a call that has counted already; closing waits for it.
    pub(crate) fn go_on<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.while_open(Count::Piece, work)
    }

    fn while_open<T>(&self, count: Count, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let refused = || self.check_open().err().unwrap_or_else(closing);
        let running = self.calls.begin(count).ok_or_else(refused)?;
        let done = work();
        drop(running);
        done
    }

    /// Whether long work is to end before it is done, because the store closes.
    pub(crate) fn is_stopping(&self) -> bool {
        self.calls.is_closing() || self.closed.load(Ordering::Acquire)
    }

    /// Fails where long work is to end.
    pub(crate) fn check_going_on(&self) -> Result<()> {
        if self.is_stopping() { Err(closing()) } else { Ok(()) }
    }

    /// Refuses a store whose lock was given back: what was begun before closing can get here after it, when the
    /// directory may be another's. The caller holds the manifest.
    pub(crate) fn check_locked(&self) -> Result<()> {
        if self.lock.lock().is_none() { self.check_open() } else { Ok(()) }
    }

    /// Begins a call that changes files outside the log; closing waits until the guard is dropped.
    pub(crate) fn begin(&self) -> Result<RwLockReadGuard<'_, ()>> {
        let guard = self.activity.read();
        self.check_writable()?;
        Ok(guard)
    }

    /// Refuses a store that cannot be written: closed, read-only, poisoned, or inherited through a fork.
    pub(crate) fn check_writable(&self) -> Result<()> {
        self.check_open()?;
        if self.access == Access::ReadOnly {
            return Err(Error::new(ErrorKind::ReadOnly, "the store is open for reading only")
                .mend("open it with Database::open to write"));
        }
        if self.process != std::process::id() {
            return Err(Error::invalid("this handle was made before a fork and belongs to the parent process")
                .mend("open the store in this process after the parent closed it"));
        }
        self.poison.check()
    }

    /// Shows readers another set of segments, and measures what holds writers back. The caller holds the commit lock,
    /// and drops the old view, which is returned, after it: files may go with that.
    pub(crate) fn show(&self, view: DatabaseView) -> Arc<DatabaseView> {
        self.show_at(view, Lsn(0))
    }

    /// The same, and lets them see up to `lsn`.
    pub(crate) fn show_at(&self, view: DatabaseView, lsn: Lsn) -> Arc<DatabaseView> {
        let in_memory = |collection: &Arc<CollectionView>| collection.in_memory().map(|it| it.bytes()).sum::<u64>();
        let unsealed = view.collections.values().map(in_memory).sum();
        let most_segments = {
            let unmergeable = self.unmergeable.lock();
            let mergeable = |collection: &Arc<CollectionView>| {
                collection.sealed.iter().filter(|segment| !unmergeable.contains(&segment.file().id())).count()
            };
            view.collections.values().map(mergeable).max()
        };
        self.pressure.unsealed_bytes.store(unsealed, Ordering::Relaxed);
        self.pressure.most_segments.store(most_segments.unwrap_or(0) as u64, Ordering::Relaxed);
        self.pressure.relieved.notify_all();
        self.current.install(view, lsn)
    }

    /// Where the store is, for messages.
    pub(crate) fn location(&self) -> String {
        self.opener.fs.location()
    }
}
