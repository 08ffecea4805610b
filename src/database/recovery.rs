//! Opening a store: lock, manifest, segments, log; after a crash, everything the log holds is brought into files
//! before anything else is written.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::collection::operation::{Effect, effects};
use crate::collection::view::CollectionView;
use crate::database::audit::Audit;
use crate::database::blob_file::BlobFile;
use crate::database::calls::Calls;
use crate::database::companions::Companions;
use crate::database::damage::{self, as_damage};
use crate::database::engine::{Access, Current, DatabaseView, Engine, LogState, Pressure};
use crate::database::gate::Gate;
use crate::database::meters::Meters;
use crate::database::options::{Create, Options};
use crate::database::poison::Poison;
use crate::database::queue::CommitQueue;
use crate::database::reserve::Reserve;
use crate::database::scrub::Scrub;
use crate::database::view_cell::ViewCell;
use crate::database::waker::{Waker, Wakes};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{CollectionId, Lsn, StoreId};
use crate::key::Key;
use crate::payload;
use crate::pool::Pool;
use crate::random::Random;
use crate::schema::Schema;
use crate::segment::block::NewRow;
use crate::segment::file::Opener;
use crate::segment::mutable::Mutable;
use crate::segment::sealed::Sealed;
use crate::storage::fs::{FileSystem, LockGuard, LockMode};
use crate::storage::manifest::{CollectionEntry, Manifest, PublishFailure};
use crate::storage::names::{self, Name};
use crate::storage::wal::{self, Replay};
use crate::sync::{AtomicBool, AtomicU64, Mutex, Ordering, RwLock};

/// A read-only opening replays at most this much of the log into memory.
const MAX_READ_ONLY_LOG_BYTES: u64 = 256 << 20;

/// What opening a store found and did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// Whether the store was made by this opening.
    pub created: bool,
    /// Whether the store had been closed, so that nothing had to be replayed.
    pub clean: bool,
    /// Log files that were replayed.
    pub logs: u64,
    /// Batches read from the log, including those that were in files already.
    pub batches: u64,
    /// Bytes at the end of the log that a crash left unfinished and that were dropped. None of it was ever
    /// acknowledged as durable, unless the disk itself was damaged there.
    pub discarded_bytes: u64,
    /// Why they were dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discarded_why: Option<String>,
    /// Files that no manifest named, left by unfinished work and removed.
    pub swept_files: u64,
    /// Collections whose files are damaged, or cannot be read, and what is wrong. The others are usable.
    pub damaged: Vec<(String, String)>,
    /// Unfinished imports whose files are damaged, or cannot be read, and what is wrong. They begin anew when they are
    /// resumed; one that the disk cannot read goes on when it can.
    pub damaged_imports: Vec<(String, String)>,
    /// Collections in which an index is missing or damaged, and what is wrong. Their answers are right all the same: they
    /// come slower until it is built anew, which is begun at once where the store is open for writing.
    pub damaged_indexes: Vec<(String, String)>,
    /// How long opening took.
    #[serde(skip)]
    pub elapsed: Duration,
}

/// An open store and what goes with it.
pub(crate) struct Opened {
    pub(crate) engine: Arc<Engine>,
    pub(crate) wakes: Wakes,
    pub(crate) report: RecoveryReport,
}

/// Opens the store on `fs`.
pub(crate) fn open(fs: Arc<dyn FileSystem>, options: Options, access: Access) -> Result<Opened> {
    let start = Instant::now();
    let lock = take_lock(&*fs, access)?;
    let mut random = Random::seeded(options.seed.unwrap_or_else(Random::system_seed), 0);
    let (manifest, created) = match Manifest::load(&*fs)? {
        Some(manifest) => (manifest, false),
        None => (create(&*fs, &options, access, &mut random)?, true),
    };
    let mut report = RecoveryReport { created, clean: manifest.logs.is_empty(), ..RecoveryReport::default() };
    let (engine, wakes) = engine(fs, options, access, manifest, random, lock)?;
    engine.next_file.fetch_max(first_free_file(&*engine.opener.fs)?, Ordering::Relaxed);
    if access == Access::ReadWrite {
        engine.adopt_reserve();
    }
    recover(&engine, &mut report)?;
    if access == Access::ReadWrite {
        if !report.clean {
            bring_into_files(&engine)?;
            engine.durable.store(engine.current().visible.0, Ordering::Release);
        }
        report.swept_files = sweep(&engine)?;
    }
    report.damaged = damage::collections(&engine);
    report.damaged_imports = damage::imports(&engine)?;
    report.damaged_indexes = damage::indexes(&engine);
    report.elapsed = start.elapsed();
    tracing::info!(store = engine.location(), batches = report.batches, "opened");
    Ok(Opened { engine: Arc::new(engine), wakes, report })
}

/// Brings what was replayed into files. Where the disk has no room for that, the store opens with its rows in memory
/// and the log kept, so that something can be deleted.
fn bring_into_files(engine: &Engine) -> Result<()> {
    match engine.flush_all_and_close_log() {
        Err(error) if error.kind() == ErrorKind::DiskFull => {
            tracing::warn!(%error, "what was replayed stays in memory until there is room");
            let logs = engine.manifest.lock().logs.clone();
            sync_logs(engine, &logs)
        }
        done => done,
    }
}

fn take_lock(fs: &dyn FileSystem, access: Access) -> Result<Box<dyn LockGuard>> {
    let (mode, held) = match access {
        Access::ReadWrite => (LockMode::Exclusive, "another process or handle has it open"),
        Access::ReadOnly => (LockMode::Shared, "another process or handle has it open for writing"),
    };
    fs.lock(names::LOCK, mode).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => {
            Error::new(ErrorKind::Locked, format!("the store is locked by its file {}: {held}", names::LOCK))
                .at(fs.location())
                .mend("close it there, or open it read-only beside other readers")
        }
        io::ErrorKind::NotFound => no_store(fs),
        _ => Error::io("take the lock", format!("{}/{}", fs.location(), names::LOCK), error),
    })
}

fn no_store(fs: &dyn FileSystem) -> Error {
    Error::new(ErrorKind::NotFound, "there is no store here")
        .at(fs.location())
        .mend("check the path, or open it for writing to make one")
}

/// Publishes the first manifest of a new store.
fn create(fs: &dyn FileSystem, options: &Options, access: Access, random: &mut Random) -> Result<Manifest> {
    let listed = fs.list().map_err(|error| Error::io("list the directory", fs.location(), error))?;
    let orphan = listed.iter().find(|name| {
        !matches!(names::parse(name), None | Some(Name::Lock | Name::Reserve | Name::Manifest(_) | Name::Temporary))
    });
    if let Some(name) = orphan {
        return Err(Error::corrupt("the directory holds files of a store and no manifest", name));
    }
    if access == Access::ReadOnly || options.create == Create::Never {
        return Err(no_store(fs));
    }
    let mut store = [0; 16];
    random.fill(&mut store);
    let manifest = Manifest::new(StoreId(store));
    manifest.publish(fs).map_err(PublishFailure::into_error)?;
    Ok(manifest)
}

fn engine(
    fs: Arc<dyn FileSystem>,
    options: Options,
    access: Access,
    manifest: Manifest,
    random: Random,
    lock: Box<dyn LockGuard>,
) -> Result<(Engine, Wakes)> {
    let opener = Opener { fs, store: manifest.store, mode: options.read_mode, condemned: Arc::default() };
    let mut view = DatabaseView::default();
    for entry in &manifest.collections {
        view.insert(open_collection(&opener, entry)?);
    }
    let blobs = manifest.blobs.iter().map(|entry| (entry.digest, Arc::new(BlobFile::listed(&opener, *entry))));
    view.blobs = Arc::new(blobs.collect());
    let visible = newest_position(&manifest, &view);
    let (waker, wakes) = Waker::new();
    let engine = Engine {
        pool: Pool::new(options.pool_threads())?,
        current: ViewCell::new(Current { view: Arc::new(view), visible }),
        indexing: Mutex::new(()),
        merging: Mutex::new(()),
        structure: Mutex::new(()),
        log: Mutex::new(LogState {
            writer: None,
            recovered_tail: None,
            next_lsn: imported_position(&manifest).max(visible).next(),
            sync_due: None,
            closed: false,
        }),
        queue: CommitQueue::default(),
        poison: Poison::default(),
        audit: audit(&options, access),
        scrub: Scrub::new(options.scrub),
        own_checks: Mutex::default(),
        companions: Companions::default(),
        gate: Gate::default(),
        meters: Meters::default(),
        opened_at: options.clock.now(),
        random: Mutex::new(random),
        waker,
        pressure: Pressure::default(),
        reserve: Reserve::default(),
        next_file: AtomicU64::new(manifest.next_file),
        full_logs: Mutex::default(),
        unmergeable: Mutex::default(),
        unindexed: Mutex::default(),
        rebuilding: Mutex::default(),
        snapshots: Mutex::default(),
        running_imports: Mutex::default(),
        activity: RwLock::default(),
        durable: AtomicU64::new(manifest.last_lsn.0),
        logged: AtomicU64::new(manifest.last_lsn.0),
        newest_time: AtomicI64::new(manifest.newest_time),
        access,
        calls: Calls::default(),
        closed: AtomicBool::new(false),
        process: std::process::id(),
        lock: Mutex::new(Some(lock)),
        manifest: Mutex::new(manifest),
        options,
        opener,
    };
    Ok((engine, wakes))
}

/// The sample of queries that are to be asked again; none where nothing can be written down.
fn audit(options: &Options, access: Access) -> Audit {
    let share = if access == Access::ReadWrite { options.audited_share } else { 0.0 };
    Audit::new(share, options.seed.unwrap_or_else(Random::system_seed))
}

/// A number above those of all files on disk: recovery writes files beside those that unfinished work left, which are
/// swept only after it.
fn first_free_file(fs: &dyn FileSystem) -> Result<u64> {
    let listed = fs.list().map_err(|error| Error::io("list the directory", fs.location(), error))?;
    let number = |name: &String| match names::parse(name)? {
        Name::Wal(file) | Name::Segment(file) | Name::Blob(file) | Name::Index(file) => Some(file.0),
        Name::Deletions(_, generation) => Some(generation),
        Name::Lock | Name::Reserve | Name::Manifest(_) | Name::Temporary => None,
    };
    // Numbers are given one by one; one near the end of all numbers is no file of ours.
    let given = listed.iter().filter_map(number).filter(|number| *number < u64::MAX / 2);
    Ok(given.max().map_or(0, |highest| highest + 1))
}

/// The newest position that the files know of.
fn newest_position(manifest: &Manifest, view: &DatabaseView) -> Lsn {
    let collections = view.collections.values();
    let sealed = collections.flat_map(|collection| collection.sealed.iter().map(|it| it.file().header().last_lsn));
    let flushed = manifest.collections.iter().map(|entry| entry.flushed);
    sealed.chain(flushed).max().unwrap_or_default().max(manifest.last_lsn)
}

/// The newest position that rows of an unfinished import carry.
fn imported_position(manifest: &Manifest) -> Lsn {
    manifest.imports.iter().map(|import| import.lsn).max().unwrap_or_default()
}

/// Opens the files of a collection. One whose files are damaged, or cannot be read, is listed as such and keeps no other
/// from opening.
fn open_collection(opener: &Opener, entry: &CollectionEntry) -> Result<CollectionView> {
    let decoded = Schema::decode(&entry.schema, &format!("the schema of collection {}", entry.name));
    let (schema, damage) = match decoded {
        Ok(schema) => (schema, None),
        Err(error) => (Schema::payload_only(), Some(error)),
    };
    let mut view = CollectionView::new(entry.id, &entry.name, schema);
    view.flushed = entry.flushed;
    view.damage = damage;
    if view.damage.is_some() {
        return Ok(view);
    }
    for segment in &entry.segments {
        match Sealed::open(opener, &view.schema, segment) {
            Ok(segment) => view.sealed.push(Arc::new(segment)),
            Err(error) if error.is_damage() || error.is_unreadable() => {
                tracing::error!(collection = entry.name, %error, "the collection is damaged");
                view.damage = Some(as_damage(error));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(view)
}

/// Replays the log into memory.
fn recover(engine: &Engine, report: &mut RecoveryReport) -> Result<()> {
    let (logs, last_lsn) = {
        let manifest = engine.manifest.lock();
        (manifest.logs.clone(), manifest.last_lsn)
    };
    if logs.is_empty() {
        return Ok(());
    }
    let fs = &engine.opener.fs;
    if engine.access == Access::ReadOnly {
        check_log_size(&**fs, &logs)?;
    }
    let mut replaying = Replaying { engine, damaged: BTreeMap::new() };
    let replay = wal::replay(&**fs, engine.opener.store, &logs, &mut |lsn, batch| replaying.batch(lsn, batch))?;
    if replay.last < last_lsn {
        return Err(Error::corrupt(
            format!("the log ends at LSN {}, but LSN {last_lsn} was acknowledged", replay.last),
            fs.location(),
        ));
    }
    replaying.mark_damaged();
    if engine.access == Access::ReadWrite {
        persist_retained_logs(engine, &logs)?;
    }
    let mut log = engine.log.lock();
    engine.current.advance(replay.last);
    log.next_lsn = log.next_lsn.max(replay.last.next());
    log.recovered_tail = replay.tail;
    note(report, &replay, logs.len());
    Ok(())
}

fn note(report: &mut RecoveryReport, replay: &Replay, logs: usize) {
    report.logs = logs as u64;
    report.batches = replay.batches;
    report.discarded_bytes = replay.discarded_bytes;
    report.discarded_why = replay.discarded_why.clone();
}

fn check_log_size(fs: &dyn FileSystem, logs: &[wal::WalRef]) -> Result<()> {
    let mut bytes = 0;
    for log in logs {
        let name = names::wal(log.file);
        let file = fs.open(&name).map_err(|error| as_damage(Error::io("open the log", &name, error)))?;
        bytes += file.length().map_err(|error| Error::io("open the log", &name, error))?;
    }
    if bytes <= MAX_READ_ONLY_LOG_BYTES {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::ReadOnly,
        format!("the log holds {bytes} bytes; reading replays at most {MAX_READ_ONLY_LOG_BYTES} into memory"),
    )
    .at(fs.location())
    .mend("open the store for writing once and close it"))
}

/// A log that stays listed, because a damaged collection still needs it, was read from the page cache; what was read
/// may not be on disk yet.
fn persist_retained_logs(engine: &Engine, logs: &[wal::WalRef]) -> Result<()> {
    if engine.current().view.collections.values().all(|collection| collection.damage.is_none()) {
        return Ok(());
    }
    sync_logs(engine, logs)
}

fn sync_logs(engine: &Engine, logs: &[wal::WalRef]) -> Result<()> {
    for log in logs {
        let name = names::wal(log.file);
        let file = engine.opener.fs.open(&name).and_then(|file| file.sync_data());
        file.map_err(|error| Error::io("sync the log", name, error))?;
    }
    Ok(())
}

/// Applies logged batches to the collections they name.
struct Replaying<'a> {
    engine: &'a Engine,
    /// Collections whose damage showed while their records were looked up.
    damaged: BTreeMap<CollectionId, (Error, Lsn)>,
}

impl Replaying<'_> {
    fn batch(&mut self, lsn: Lsn, batch: &[u8]) -> Result<()> {
        let view = self.engine.current().view;
        for effect in effects(batch) {
            let effect =
                effect.map_err(|_| Error::corrupt(format!("the batch at LSN {lsn} cannot be read"), "the log"))?;
            let id = effect.collection();
            let Some(collection) = view.collections.get(&id) else {
                self.check_dropped(id, lsn)?;
                continue;
            };
            if lsn <= collection.flushed {
                continue;
            }
            if collection.damage.is_some() || self.damaged.contains_key(&id) {
                collection.mutable.note(lsn);
                continue;
            }
            check_row(&effect, collection, lsn)?;
            match collection.stale(effect.key()) {
                Ok(stale) => drop(collection.apply(&effect, stale, lsn, self.engine.now())),
                Err(error) => {
                    let first = collection.mutable.first_lsn().unwrap_or(lsn);
                    self.damaged.insert(id, (error, first));
                }
            }
        }
        Ok(())
    }

    fn check_dropped(&self, id: CollectionId, lsn: Lsn) -> Result<()> {
        if id.0 < self.engine.manifest.lock().next_collection {
            return Ok(());
        }
        Err(Error::corrupt(format!("the batch at LSN {lsn} names a collection that never was"), "the log"))
    }

    /// Gives up what was replayed of damaged collections; the log keeps it.
    fn mark_damaged(self) {
        if self.damaged.is_empty() {
            return;
        }
        let mut view = (*self.engine.current().view).clone();
        for (id, (error, first)) in self.damaged {
            if let Some(collection) = view.collections.get(&id) {
                let mut next = CollectionView::clone(collection);
                next.mutable = Arc::new(Mutable::new(&next.schema));
                next.mutable.note(first);
                next.damage = Some(error);
                view.insert(next);
            }
        }
        drop(self.engine.show(view));
    }
}

/// Refuses a row that no put can have logged.
fn check_row(effect: &Effect<'_>, collection: &CollectionView, lsn: Lsn) -> Result<()> {
    let fits = |row: &NewRow<'_>| {
        row.vector.len() == collection.schema.vector_kind().bytes() && payload::decode(row.payload).is_ok()
    };
    let key = Key::decode(effect.key()).is_some();
    let row = match effect {
        Effect::Put(_, row) => fits(row),
        Effect::Delete(..) => true,
    };
    if key && row {
        return Ok(());
    }
    Err(Error::corrupt(format!("the batch at LSN {lsn} does not fit collection {}", collection.name), "the log"))
}

/// Removes files of ours that the manifest does not name: what unfinished work left.
///
/// The manifest that was found may have been published by a process that died before it could make that durable. So
/// it is published anew first: otherwise a power cut could bring back an older one whose files are gone.
fn sweep(engine: &Engine) -> Result<u64> {
    let orphans = orphans(engine)?;
    if orphans.is_empty() {
        return Ok(0);
    }
    match engine.publish_freeing(|_| {}) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::OutcomeUnknown => return Err(error),
        // A full disk keeps nobody from opening, but what is shown must stay.
        Err(error) => {
            tracing::warn!(%error, "unfinished work of an earlier process stays for now");
            let fs = &engine.opener.fs;
            fs.sync_dir().map_err(|error| Error::io("sync the directory", fs.location(), error))?;
            return Ok(0);
        }
    }
    // A file that cannot be removed now is tried again at the next opening.
    Ok(orphans.iter().filter(|name| engine.opener.fs.remove(name).is_ok()).count() as u64)
}

fn orphans(engine: &Engine) -> Result<Vec<String>> {
    let fs = &engine.opener.fs;
    let mut listed = fs.list().map_err(|error| Error::io("list the directory", fs.location(), error))?;
    let manifest = engine.manifest.lock();
    let named = named_files(&manifest);
    listed.retain(|name| match names::parse(name) {
        None | Some(Name::Lock | Name::Reserve) => false,
        Some(Name::Temporary) => true,
        Some(Name::Manifest(number)) => number != manifest.number,
        Some(Name::Wal(_) | Name::Segment(_) | Name::Deletions(..) | Name::Blob(_) | Name::Index(_)) => {
            !named.contains(name)
        }
    });
    Ok(listed)
}

fn named_files(manifest: &Manifest) -> BTreeSet<String> {
    let logs = manifest.logs.iter().map(|log| names::wal(log.file));
    logs.chain(manifest.files().into_iter().map(|listed| listed.name)).collect()
}
