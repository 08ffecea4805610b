//! The handle of a collection.

use std::sync::Arc;
use std::time::Duration;

use crate::collection::filtered::Passing;
use crate::collection::record::{Patch, Record};
use crate::collection::view::CollectionView;
use crate::database::catalog::is_system_name;
use crate::database::draft::Draft;
use crate::database::engine::Engine;
use crate::database::import::Import;
use crate::database::pending::{PendingImport, Running};
use crate::database::query::Query;
use crate::database::reader::Reader;
use crate::database::recall::Recall;
use crate::database::request::Commit;
use crate::database::scan::Scan;
#[cfg(feature = "exchange")]
use crate::database::snapshot::SnapshotCollection;
use crate::database::store::Store;
use crate::error::{Error, Result};
use crate::filter::{Filter, IntoFilter};
use crate::ids::CollectionId;
use crate::index::IndexSpec;
use crate::key::Key;
use crate::schema::Schema;

/// How many records one batch of a change by filter takes at most, and how much of them.
const CHANGED_ROWS: usize = 100_000;
const CHANGED_BYTES: usize = 16 << 20;

/// A collection of an open store: records in key order, under one schema.
///
/// Cheap to clone, may be used from any thread. A handle outlives neither its collection nor its store: after a drop
/// every call fails with `NotFound`, after closing with `Closed`.
#[derive(Debug, Clone)]
pub struct Collection {
    store: Arc<Store>,
    id: CollectionId,
    name: Arc<str>,
    writer: Writer,
}

/// Who writes through a handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writer {
    /// The application: records of system collections are not its to change.
    Application,
    /// A part of this crate that keeps its records in a system collection.
    System,
}

impl Collection {
    pub(crate) fn new(store: &Arc<Store>, id: CollectionId, name: &str) -> Collection {
        Collection { store: Arc::clone(store), id, name: name.into(), writer: Writer::Application }
    }

    /// The same collection, and records of a system collection may be written.
    pub(crate) fn for_system(self) -> Collection {
        Collection { writer: Writer::System, ..self }
    }

    /// Refuses the application's writes to system collections.
    fn check_writer(&self) -> Result<()> {
        if self.writer == Writer::Application && is_system_name(&self.name) {
            return Err(Error::invalid("this is a system collection, which can be read and not written")
                .at(format!("collection {}", self.name))
                .mend("change it by the calls and statements of what keeps its records there"));
        }
        Ok(())
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        self.store.engine()
    }

    /// The collection as it stands.
    pub(crate) fn view(&self) -> Result<Arc<CollectionView>> {
        Ok(self.reader()?.view)
    }

    pub(super) fn reader(&self) -> Result<Reader> {
        let engine = self.engine();
        engine.check_open()?;
        let current = engine.current();
        let view = current.view.by_id(self.id).map_err(|error| error.at(format!("collection {}", self.name)))?;
        view.check_usable()?;
        Ok(Reader { store: Arc::clone(&self.store), view: Arc::clone(view), moment: engine.moment(&current) })
    }

    /// Adds a step to a batch, checked against the collection as it stands.
    pub(crate) fn edit(
        &self,
        draft: &mut Draft,
        add: impl FnOnce(&mut Draft, &CollectionView) -> Result<()>,
    ) -> Result<()> {
        let view = self.view()?;
        self.check_writer()?;
        let place = |error: Error| match error.place() {
            Some(_) => error,
            None => error.at(format!("collection {}", self.name)),
        };
        add(draft, &view).map_err(place)
    }

    fn commit(&self, add: impl FnOnce(&mut Draft, &CollectionView) -> Result<()>) -> Result<Commit> {
        let mut draft = Draft::new(self.engine());
        self.edit(&mut draft, add)?;
        draft.commit()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its schema.
    pub fn schema(&self) -> Result<Schema> {
        Ok((*self.view()?.schema).clone())
    }

    /// The same handle, if the collection holds vectors of `model`; otherwise `ModelMismatch`. Ask before searching
    /// with, or putting, vectors of a model that is named elsewhere, so that spaces are never mixed.
    pub fn for_model(&self, model: &str) -> Result<Collection> {
        let fits = self.view()?.schema.check_model_is(model);
        fits.map(|()| self.clone()).map_err(|error| error.at(format!("collection {}", self.name)))
    }

    /// Puts a record: inserts it, or replaces the one of that key. See [`Batch::commit`](crate::Batch::commit) for
    /// what holds when it returns, and for its errors.
    pub fn put(&self, record: Record) -> Result<Commit> {
        self.commit(|draft, view| draft.put(view, &record))
    }

    /// Puts records in one batch: all or none.
    pub fn put_all(&self, records: impl IntoIterator<Item = Record>) -> Result<Commit> {
        self.commit(|draft, view| records.into_iter().try_for_each(|record| draft.put(view, &record)))
    }

    /// Changes parts of a record. Fails with `NotFound` when there is none of that key.
    pub fn patch(&self, key: impl Into<Key>, patch: Patch) -> Result<Commit> {
        let key = key.into();
        self.commit(|draft, view| draft.patch(view, &key, patch))
    }

    /// Deletes a record; tells whether there was one.
    pub fn delete(&self, key: impl Into<Key>) -> Result<bool> {
        let key = key.into();
        Ok(self.commit(|draft, view| draft.delete(view, &key))?.existed > 0)
    }

    /// Deletes records in one batch; tells how many there were.
    pub fn delete_all<K: Into<Key>>(&self, keys: impl IntoIterator<Item = K>) -> Result<u64> {
        let mut keys = keys.into_iter();
        Ok(self.commit(|draft, view| keys.try_for_each(|key| draft.delete(view, &key.into())))?.existed)
    }

    /// The record of that key, if there is one.
    pub fn get(&self, key: impl Into<Key>) -> Result<Option<Record>> {
        self.reader()?.get(&key.into())
    }

    /// How many records there are. Costs a walk over the rows in memory, and over the expiry of all rows where some
    /// expire.
    pub fn count(&self) -> Result<u64> {
        self.reader()?.count()
    }

    /// How many records pass the filter. A field index answers what it can; for the rest payloads are read.
    pub fn count_where(&self, filter: impl IntoFilter) -> Result<u64> {
        self.reader()?.count_where(&filter.into_filter()?)
    }

    /// Deletes the records that pass the filter at the moment of this call; tells how many.
    ///
    /// One that is changed by somebody else meanwhile stays as it then is. Many records are deleted in several batches
    /// of some 100,000, each of them whole or not at all.
    pub fn delete_where(&self, filter: impl IntoFilter) -> Result<u64> {
        let bytes = |found: &Passing| found.key.len();
        self.change_where(&filter.into_filter()?, bytes, |draft, view, found| draft.delete_found(view, found))
    }

    /// Changes parts of the records that pass the filter at the moment of this call; tells how many.
    ///
    /// One that is changed by somebody else meanwhile stays as it then is. Many records are changed in several batches
    /// of some 16 MiB, each of them whole or not at all.
    pub fn patch_where(&self, filter: impl IntoFilter, patch: Patch) -> Result<u64> {
        if let Some(vector) = &patch.vector {
            let checked = self.view()?.schema.check_vector(Some(vector.view()));
            checked.map_err(|error| error.at(format!("collection {}", self.name)))?;
        }
        let adds = patch.bytes()?;
        let bytes = |found: &Passing| found.bytes + adds;
        self.change_where(&filter.into_filter()?, bytes, |draft, view, found| {
            draft.patch_found(view, found, patch.clone());
        })
    }

    /// Changes what passes, in batches; a change takes about so many `bytes` of one.
    fn change_where(
        &self,
        filter: &Filter,
        bytes: impl Fn(&Passing) -> usize,
        change: impl Fn(&mut Draft, &CollectionView, Passing),
    ) -> Result<u64> {
        let reader = self.reader()?;
        self.check_writer()?;
        self.engine().check_writable()?;
        let mut found = reader.passing(filter)?.into_iter().peekable();
        let mut changed = 0;
        while found.peek().is_some() {
            let mut draft = Draft::new(self.engine());
            let (mut rows, mut taken) = (0, 0);
            while let Some(next) = found.next_if(|next| rows == 0 || taken + bytes(next) <= CHANGED_BYTES) {
                taken += bytes(&next);
                rows += 1;
                change(&mut draft, &reader.view, next);
                if rows == CHANGED_ROWS {
                    break;
                }
            }
            changed += draft.commit()?.existed;
        }
        Ok(changed)
    }

    /// Walks the records in key order, forward or backward, all or a range, at the moment of this call.
    pub fn scan(&self) -> Scan {
        Scan::new(self.reader())
    }

    /// Searches for near vectors, at the moment of this call.
    pub fn query(&self) -> Query {
        Query::new(self.reader())
    }

    /// Measures how many of the nearest searches find, beside the exact answers, at the moment of this call.
    pub fn recall(&self) -> Recall {
        Recall::new(self.reader())
    }

    /// Begins an import: many records that bypass the log and appear together when it is finished.
    pub fn import(&self) -> Result<Import> {
        self.check_writer()?;
        Import::new(&self.store, self.view()?)
    }

    /// Begins the import called `name`, or goes on with it where an earlier run was cut off, by a kill or otherwise: what
    /// that run had sealed is kept until the import is finished or discarded. [`Import::start`] says from where to go on.
    ///
    /// `identity` tells what is imported, in at most 1024 bytes, such as a hash of the source. Where it is not that of the
    /// earlier run, or where a file of that run is damaged, the import starts anew. Refused with
    /// [`ErrorKind::Busy`](crate::ErrorKind::Busy) while an import of that name is running. Taking up an earlier run costs
    /// reading what it had sealed.
    ///
    /// ```
    /// # fn main() -> driftline::Result<()> {
    /// use driftline::{Database, ImportStart, Record, Schema};
    /// let db = Database::in_memory()?;
    /// let notes = db.create_collection("notes", Schema::payload_only())?;
    /// let mut import = notes.resume_import("notes.txt", "v1")?;
    /// (0..10u64).try_for_each(|key| import.put(Record::new(key)))?;
    /// import.checkpoint()?;
    /// drop(import);
    ///
    /// let mut import = notes.resume_import("notes.txt", "v1")?;
    /// assert_eq!(import.start(), &ImportStart::Resumed { rows: 10 });
    /// (10..20u64).try_for_each(|key| import.put(Record::new(key)))?;
    /// import.finish()?;
    /// assert_eq!(notes.count()?, 20);
    /// # Ok(())
    /// # }
    /// ```
    pub fn resume_import(&self, name: &str, identity: &str) -> Result<Import> {
        self.check_writer()?;
        Import::resume(&self.store, self.view()?, name, identity)
    }

    /// The imports that were begun under a name and neither finished nor discarded, by name.
    pub fn pending_imports(&self) -> Result<Vec<PendingImport>> {
        Ok(self.engine().pending_imports(self.view()?.id))
    }

    /// Removes what an import had sealed that was begun under `name`; tells whether there was one. Refused with
    /// [`ErrorKind::Busy`](crate::ErrorKind::Busy) while it is running.
    pub fn discard_import(&self, name: &str) -> Result<bool> {
        let _busy = self.engine().begin()?;
        let running = Running::begin(self.engine(), &*self.view()?, name)?;
        self.engine().forget_pending(self.id, running.name())
    }

    /// The collection as it is now, to be read more than once.
    #[cfg(feature = "exchange")]
    pub(crate) fn as_it_is(&self) -> Result<SnapshotCollection> {
        self.reader().map(SnapshotCollection::new)
    }

    /// Changes which index the collection has, durably. Its files get it one after the other, in the background; until
    /// a file has it, queries go through the index it had, or compare with every vector. What is as it should be already
    /// is left alone. Fails with `Invalid` when `index` is outside its ranges, and without vectors, and with `ReadOnly`
    /// while the store is in [`Mode::Inference`](crate::mlops::Mode).
    ///
    /// ```
    /// # fn main() -> driftline::Result<()> {
    /// use driftline::{Database, IndexSpec, Metric, Schema};
    /// let db = Database::in_memory()?;
    /// let docs = db.create_collection("docs", Schema::vector(4, Metric::L2))?;
    /// docs.reindex("hnsw(m=24)".parse()?)?;
    /// assert_eq!(docs.schema()?.index_spec().to_string(), "hnsw(m=24)");
    /// # Ok(())
    /// # }
    /// ```
    pub fn reindex(&self, index: IndexSpec) -> Result<()> {
        self.engine().reindex(self.id, index).map_err(|error| error.at(format!("collection {}", self.name)))
    }

    /// Has the index of each file of the collection thrown away and built anew, in the background; tells how many files
    /// that are. Queries go through the old one meanwhile, unless it is damaged; [`Collection::wait_indexed`] waits for
    /// the new ones. Indexes that are damaged are built anew without this; it is for when one is not trusted, or finds
    /// less than it should. What is not done when the store is closed is forgotten. It is allowed in every
    /// [`Mode`](crate::mlops::Mode): the new one follows from the same rows and the same specification. Fails with
    /// `Invalid` without vectors.
    ///
    /// ```
    /// # fn main() -> driftline::Result<()> {
    /// use driftline::{Database, Metric, Schema};
    /// let db = Database::in_memory()?;
    /// let docs = db.create_collection("docs", Schema::vector(4, Metric::L2).index("hnsw".parse()?))?;
    /// docs.rebuild_index()?;
    /// assert!(docs.wait_indexed(std::time::Duration::from_secs(10))?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn rebuild_index(&self) -> Result<u64> {
        self.engine().rebuild_index(self.id).map_err(|error| error.at(format!("collection {}", self.name)))
    }

    /// Waits until each file of the collection has the index it is to have; false when that takes longer than `timeout`,
    /// and at once where the store is open for reading only. Rows in memory do not count, whether they are indexed yet or
    /// not: [`Database::flush`](crate::Database::flush) brings them into files. Under
    /// [`Maintenance::Manual`](crate::Maintenance::Manual) the indexes are built here, on the calling thread.
    pub fn wait_indexed(&self, timeout: Duration) -> Result<bool> {
        self.engine().wait_indexed(self.id, timeout)
    }

    /// Merges all files of the collection into one, without what was deleted or has expired. Needs its size free on
    /// the disk.
    pub fn compact(&self) -> Result<()> {
        let _busy = self.engine().begin()?;
        self.engine().compact(self.id)
    }
}
