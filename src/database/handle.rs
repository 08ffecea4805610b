//! The handle of an open store.

use std::any::Any;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::clock::{Clock, Timestamp};
use crate::collection::view::CollectionView;
use crate::database::background::Work;
use crate::database::batch::Batch;
use crate::database::blob::BlobReader;
use crate::database::bystander::Bystander;
use crate::database::calls::closing;
use crate::database::catalog::{check_not_system, is_system_name};
use crate::database::collection::Collection;
use crate::database::draft::Draft;
use crate::database::engine::{Access, Engine};
use crate::database::gate::Protected;
use crate::database::health::{self, CheckResult, HealthReport, OwnCheck, Scope, Severity};
use crate::database::ledger;
use crate::database::meters::Measured;
use crate::database::options::{Create, Options};
use crate::database::recovery::RecoveryReport;
use crate::database::scrubbing::ScrubRound;
use crate::database::snapshot::Snapshot;
use crate::database::stats::Stats;
use crate::database::store::{CloseCallback, Store};
use crate::database::usage::DiskUsage;
use crate::database::verify::{Verification, VerifyLevel, VerifyReport};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::Lsn;
use crate::payload::BlobId;
use crate::schema::Schema;
use crate::storage::fs::{DiskFs, FileSystem, MemoryFs};
use crate::sync::Mutex;

/// An open store: one directory of collections, or one in memory.
///
/// A handle is cheap to clone and may be used from any thread; all handles show one store. Reads see each batch whole
/// or not at all, and never wait for a write to reach the disk: what they share with writers is locked for moments in
/// memory. One process opens a store for writing, or many for reading.
///
/// Close the store with [`Database::close`], which reports what could not be written; dropping the last handle closes
/// it too, and can only log a failure. Nothing that was acknowledged depends on closing.
///
/// ```
/// # fn main() -> driftline::Result<()> {
/// use driftline::{Database, Metric, Record, Schema, json};
/// let dir = tempfile::tempdir().expect("a directory");
/// let db = Database::open(dir.path().join("shop.drift"))?;
/// let items = db.create_collection("items", Schema::vector(3, Metric::Cosine))?;
/// items.put(Record::new("sku-1").vector([0.1, 0.9, 0.0]).payload(json!({"lang": "en"})))?;
/// db.close()?;
///
/// let db = Database::open(dir.path().join("shop.drift"))?;
/// let hits = db.collection("items")?.query().nearest([0.0, 1.0, 0.0]).k(10).run()?;
/// assert_eq!(hits.iter().next().expect("one hit").key, "sku-1".into());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Database(Arc<Store>);

impl Database {
    /// Opens the store in directory `path`, making it if there is none, with the default [`Options`].
    pub fn open(path: impl AsRef<Path>) -> Result<Database> {
        Options::new().open(path)
    }

    /// A store in memory, gone with its last handle. It does all that one on disk does.
    pub fn in_memory() -> Result<Database> {
        Options::new().in_memory()
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        self.0.engine()
    }

    /// Creates a collection, durably. Fails with `Exists` when there is one of that name. A name is 1 to 64 letters,
    /// digits, `_`, `.` or `-`; those that begin with `_` belong to the system.
    pub fn create_collection(&self, name: &str, schema: Schema) -> Result<Collection> {
        let id = self.engine().create_collection(name, schema)?;
        Ok(Collection::new(&self.0, id, name))
    }

    /// Opens a collection. Fails with `NotFound` when there is none of that name, and with `Corrupt` when its files
    /// are damaged.
    pub fn collection(&self, name: &str) -> Result<Collection> {
        self.engine().check_open()?;
        let view = self.engine().current().view;
        let collection = view.by_name(name)?;
        collection.check_usable()?;
        Ok(Collection::new(&self.0, collection.id, name))
    }

    /// Opens a collection, creating it if there is none. Fails with `Dimension` or `ModelMismatch`, or with `Exists`,
    /// when there is one whose schema does not agree with this.
    pub fn ensure_collection(&self, name: &str, schema: Schema) -> Result<Collection> {
        match self.create_collection(name, schema.clone()) {
            Err(error) if error.kind() == ErrorKind::Exists => {}
            other => return other,
        }
        let collection = self.collection(name)?;
        collection.schema()?.agrees(&schema).map_err(|error| error.at(format!("collection {name}")))?;
        Ok(collection)
    }

    /// Drops a collection with all its records, durably. Snapshots that read it keep it; its files go with them. Fails
    /// with `Invalid` for a system collection, whose name begins with `_`.
    pub fn drop_collection(&self, name: &str) -> Result<()> {
        check_not_system(name)?;
        self.engine().drop_collection(name)
    }

    /// A collection of the system's own, created if there is none.
    pub(crate) fn system_collection(&self, name: &str, schema: impl FnOnce() -> Schema) -> Result<Collection> {
        debug_assert!(is_system_name(name), "system collections begin with an underscore");
        if self.engine().current().view.by_name(name).is_err() {
            let created =
                self.engine().begin().and_then(|_busy| self.engine().create_system_collection(name, schema()));
            match created {
                Err(error) if error.kind() == ErrorKind::Exists => {}
                other => other.map(drop)?,
            }
        }
        Ok(self.collection(name)?.for_system())
    }

    /// Drops a collection of the system's own, durably.
    pub(crate) fn drop_system_collection(&self, name: &str) -> Result<()> {
        debug_assert!(is_system_name(name), "system collections begin with an underscore");
        self.engine().drop_collection(name)
    }

    /// Whether the store can be written: it is open for that and no failure has stopped it.
    pub(crate) fn is_writable(&self) -> bool {
        self.engine().check_writable().is_ok()
    }

    /// The time now, as the store's clock tells it, and never before the newest that was written.
    pub fn now(&self) -> Timestamp {
        self.engine().now()
    }

    /// What tells this store the time.
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.engine().options.clock)
    }

    /// Refuses to change what the store's mode protects.
    pub(crate) fn check_gate(&self, protected: Protected) -> Result<()> {
        self.engine().check_gate(protected)
    }

    /// What was counted since the store was opened.
    pub(crate) fn measured(&self) -> Measured {
        self.engine().measured()
    }

    /// What a part of this crate that stands on the database remembers of this store, the same for all its handles; made
    /// the first time. It must not hold a handle, which would keep the store open.
    pub(crate) fn companion<T: Any + Send + Sync + Default>(&self) -> Arc<T> {
        self.engine().companions.of()
    }

    /// The store as a thread sees it that must not keep it open.
    pub(crate) fn bystander(&self) -> Bystander {
        Bystander::new(self.engine())
    }

    /// A handle that does not keep the store open.
    pub(crate) fn downgrade(&self) -> WeakDatabase {
        WeakDatabase(Arc::downgrade(&self.0))
    }

    /// The collections, by name; damaged ones too.
    pub fn collections(&self) -> Result<Vec<CollectionInfo>> {
        self.engine().check_open()?;
        let view = self.engine().current().view;
        let collections = view.names.values().filter_map(|id| view.collections.get(id));
        let info = |collection: &Arc<CollectionView>| CollectionInfo {
            name: collection.name.to_string(),
            schema: (*collection.schema).clone(),
            damage: collection.damage.as_ref().map(Error::to_string),
        };
        Ok(collections.map(info).collect())
    }

    /// Begins a batch: changes that happen together or not at all, in any collections.
    pub fn batch(&self) -> Batch {
        Batch::new(Draft::new(self.engine()))
    }

    /// A point in time to read from, for as long as it is held. It costs nothing to make; the files and rows it reads
    /// are kept until it is dropped.
    pub fn snapshot(&self) -> Result<Snapshot> {
        self.engine().check_open()?;
        Ok(Snapshot::new(&self.0))
    }

    /// Stores what `reader` gives under its SHA-256, durably, and returns the name to put into payloads. Equal
    /// contents are stored once. A blob is kept while a record names it, and until this store is closed in any case.
    pub fn put_blob(&self, mut reader: impl Read) -> Result<BlobId> {
        self.engine().put_blob(&mut reader)
    }

    /// Opens a blob for reading. Fails with `NotFound` when there is none of that name.
    pub fn get_blob(&self, id: BlobId) -> Result<BlobReader> {
        self.engine().open_blob(id)
    }

    /// Brings all rows into files, so that the next opening has nothing to replay. Writes go on meanwhile.
    pub fn flush(&self) -> Result<()> {
        let _busy = self.engine().begin()?;
        let view = self.engine().current().view;
        let usable = view.collections.values().filter(|collection| collection.damage.is_none());
        let ids: Vec<_> = usable.map(|collection| collection.id).collect();
        self.engine().flush(&ids)
    }

    /// Makes everything written so far durable, whatever the durability of its batches.
    pub fn sync(&self) -> Result<()> {
        self.engine().check_writable()?;
        self.engine().sync_log(&mut self.engine().log.lock())
    }

    /// Does one step of maintenance that is due, on the calling thread, and tells which; `None` when nothing is due. A
    /// step that fails keeps no other from its turn; its error is returned when nothing else was due. For
    /// [`Maintenance::Manual`](crate::Maintenance::Manual); harmless beside the threads of `Automatic`.
    pub fn tick(&self) -> Result<Option<Work>> {
        self.engine().tick()
    }

    /// Checks the store. `Quick` checks structure: manifest, headers, tables of contents. `Full` reads every byte, looks
    /// every live record up by its key and through its index, and follows the chain of the audit log. Problems are in the
    /// report; an error means that checking failed. [`Database::verification`] tells how far it is and can be cancelled.
    pub fn verify(&self, level: VerifyLevel) -> Result<VerifyReport> {
        self.verification().level(level).run()
    }

    /// Begins a check of the store that tells how far it is and can be cancelled.
    pub fn verification(&self) -> Verification {
        let db = self.clone();
        let entries = move || match db.collection(ledger::ENTRIES) {
            Ok(entries) => Ok(Some(Box::new(entries.scan()) as Box<dyn Iterator<Item = _>>)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        Verification::new(&self.0, Box::new(entries))
    }

    /// Begins a round of scrubbing: reading every file of the store once, at a low rate, to find damage. It finds less
    /// than [`Database::verify`] and leaves the disk to others; [`Options::scrub`] does it in the background.
    pub fn scrub(&self) -> ScrubRound {
        ScrubRound::new(&self.0)
    }

    /// Sizes, counts and positions, now.
    pub fn stats(&self) -> Result<Stats> {
        self.engine().stats()
    }

    /// Runs all checks, those of the engine and those that were added, and tells how the store is. Answers within 5 s, as
    /// far as the operating system does, and for a closed store, too.
    ///
    /// | check | fails when | |
    /// |---|---|---|
    /// | `responding` | the locks that every write takes are held for 5 s | critical |
    /// | `directory` | the directory or its manifest is not there, or a copy of the manifest is damaged | critical |
    /// | `writable` | a failed sync has stopped writing, or the store is closed | critical |
    /// | `collections` | a collection cannot be used | critical |
    /// | `disk_space` | less is free than is kept for deleting and merging | |
    /// | `log` | the log is over its budget | |
    /// | `indexes` | an index is damaged | |
    /// | `index_lag` | rows wait for an index that could not be built | |
    /// | `maintenance` | flushing, merging or indexing failed and has not succeeded since | |
    /// | `segments` | a collection has so many segments that writers wait | |
    /// | `checksums` | scrubbing found damage | |
    ///
    /// ```
    /// # fn main() -> driftline::Result<()> {
    /// use driftline::{Database, HealthStatus, Severity};
    /// let db = Database::in_memory()?;
    /// db.add_check("model.onnx", Severity::Critical, || match std::path::Path::new("model.onnx").exists() {
    ///     true => Ok("it is there".into()),
    ///     false => Err("there is no such file".into()),
    /// })?;
    /// let health = db.health();
    /// assert_eq!(health.status, HealthStatus::Unhealthy);
    /// assert!(!health.check("model.onnx").expect("it was added").passed());
    /// # Ok(())
    /// # }
    /// ```
    pub fn health(&self) -> HealthReport {
        self.engine().health(Scope::All, health::DEADLINE)
    }

    /// Runs all checks, waiting at most `deadline` for their answers together.
    pub fn health_within(&self, deadline: Duration) -> HealthReport {
        self.engine().health(Scope::All, deadline)
    }

    /// Whether the process can answer: the check `responding` alone. Where it fails, only a restart helps.
    pub fn liveness(&self) -> CheckResult {
        self.engine().responding(Instant::now().checked_add(health::DEADLINE))
    }

    /// Whether the store can do its work: the critical checks alone.
    pub fn readiness(&self) -> HealthReport {
        self.engine().health(Scope::Critical, health::DEADLINE)
    }

    /// Whether what the application depends on is there: the checks that were added alone.
    pub fn dependencies(&self) -> HealthReport {
        self.engine().health(Scope::Own, health::DEADLINE)
    }

    /// Adds a check to [`Database::health`], such as for a file that must be there. `check` tells what is well, or what is
    /// not. Each run has a thread of its own, under [`Maintenance::Manual`](crate::Maintenance::Manual) too: one that
    /// panics or does not answer in time has failed, and is not begun again before it ends. Fails with `Exists` when
    /// there is one of that name.
    pub fn add_check(
        &self,
        name: &str,
        severity: Severity,
        check: impl Fn() -> std::result::Result<String, String> + Send + Sync + 'static,
    ) -> Result<()> {
        self.engine().add_check(OwnCheck::new(name, severity, check))
    }

    /// Removes a check that was added; tells whether there was one.
    pub fn remove_check(&self, name: &str) -> bool {
        self.engine().own_checks.lock().remove(name)
    }

    /// What takes how much room on the disk, and who keeps files that are not needed any more. Costs a look at every
    /// file's length.
    pub fn disk_usage(&self) -> Result<DiskUsage> {
        self.engine().disk_usage()
    }

    /// What opening this store found and did.
    pub fn recovery_report(&self) -> &RecoveryReport {
        self.0.report()
    }

    /// The position of the newest batch that readers see.
    pub fn lsn(&self) -> Lsn {
        self.engine().current().visible
    }

    /// Where the store is.
    pub fn location(&self) -> String {
        self.engine().location()
    }

    /// Has `callback` called when the store is closed, after the last write and before the lock is given back, the
    /// newest first. A callback must not use the store; a panic in one is logged and the others still run.
    pub fn on_close(&self, callback: impl FnOnce() + Send + 'static) {
        self.0.on_close(CloseCallback(Box::new(callback)));
    }

    /// Closes the store: refuses new writes, waits for those in flight, brings everything into files, runs the
    /// callbacks and gives the lock back. All handles are closed with it. Closing again does nothing. Parts that stand on the
    /// store write first what saves work at the next opening; dropping the last handle leaves that out.
    ///
    /// An error says what could not be written; what was acknowledged as durable is in the log all the same, and the
    /// next opening replays it.
    pub fn close(self) -> Result<()> {
        self.say_goodbye();
        self.0.close(None)
    }

    /// Closes like [`Database::close`], but waits at most `timeout` for writes in flight; then fails with `Busy`, and
    /// the store stays open.
    pub fn close_within(&self, timeout: Duration) -> Result<()> {
        self.say_goodbye();
        self.0.close(Some(timeout))
    }

    /// Has `farewell` called before this store is closed by a call, while it can still be written; once for each name. It must
    /// be short, wait for nobody, and be right to leave out: a kill does.
    pub(crate) fn before_close(&self, name: &'static str, farewell: Farewell) {
        self.companion::<Farewells>().0.lock().insert(name, farewell);
    }

    fn say_goodbye(&self) {
        if self.is_writable() {
            let farewells: Vec<Farewell> = self.companion::<Farewells>().0.lock().values().copied().collect();
            farewells.into_iter().for_each(|farewell| farewell(self));
        }
    }
}

/// What is to be done before a store is closed.
type Farewell = fn(&Database);

/// The same, by name.
#[derive(Default)]
struct Farewells(Mutex<BTreeMap<&'static str, Farewell>>);

/// A handle that does not keep the store open, for closures and threads that live as long as it is.
#[derive(Debug, Clone)]
pub(crate) struct WeakDatabase(Weak<Store>);

impl WeakDatabase {
    /// A handle, while there is another one. Fails with `Closed` after the last has gone.
    pub(crate) fn upgrade(&self) -> Result<Database> {
        self.0.upgrade().map(Database).ok_or_else(closing)
    }
}

impl Options {
    /// Opens the store in directory `path` for reading and writing.
    ///
    /// The directory should belong to the store alone. Fails with `Locked` while another process or handle has it
    /// open, with `Corrupt` when its root is damaged, with `Version` when a newer program wrote it.
    pub fn open(self, path: impl AsRef<Path>) -> Result<Database> {
        let path = path.as_ref();
        let fs = match self.create {
            Create::IfMissing => DiskFs::open_or_create(path),
            Create::Never => DiskFs::open(path),
        };
        let fs = fs.map_err(|error| Error::io("open the directory", path.display().to_string(), error))?;
        self.open_on(Arc::new(fs))
    }

    /// Opens the store in directory `path` for reading, beside other readers. Nothing is written; what the log holds
    /// is replayed into memory, at most 256 MiB of it.
    pub fn open_read_only(self, path: impl AsRef<Path>) -> Result<Database> {
        let path = path.as_ref();
        let fs = DiskFs::open_read_only(path)
            .map_err(|error| Error::io("open the directory", path.display().to_string(), error))?;
        self.open_read_only_on(Arc::new(fs))
    }

    /// A store in memory, gone with its last handle.
    pub fn in_memory(self) -> Result<Database> {
        // Memory is no disk that others may fill.
        self.free_disk_reserve_bytes(0).open_on(Arc::new(MemoryFs::new()))
    }

    /// Opens the store on any file system, for reading and writing.
    pub fn open_on(self, fs: Arc<dyn FileSystem>) -> Result<Database> {
        Store::open(fs, self, Access::ReadWrite).map(Database)
    }

    /// Opens the store on any file system, for reading.
    pub fn open_read_only_on(self, fs: Arc<dyn FileSystem>) -> Result<Database> {
        Store::open(fs, self, Access::ReadOnly).map(Database)
    }
}

/// A collection of the store, in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CollectionInfo {
    /// Its name.
    pub name: String,
    /// Its schema.
    pub schema: Schema,
    /// Why it cannot be used, when its files are damaged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
}
