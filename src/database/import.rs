//! Imports: many records that bypass the log and appear together.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::collection::record::Record;
use crate::collection::seal::{with_base, write_deletions_file};
use crate::collection::view::CollectionView;
use crate::database::commit::{check_blob, check_blobs};
use crate::database::engine::{DatabaseView, Engine};
use crate::database::pending::{Running, open_whole};
use crate::database::request::{Commit, EncodedRow};
use crate::database::store::Store;
use crate::error::{Error, Result};
use crate::ids::{FileId, Lsn, RowId};
use crate::payload::BlobId;
use crate::rows::RowSet;
use crate::segment::RowSource;
use crate::segment::blocks::Blocks;
use crate::segment::deletions::Deletions;
use crate::segment::file::SealedFile;
use crate::segment::mutable::Mutable;
use crate::segment::seal::{Part, write_and_open};
use crate::segment::sealed::{DeletionsFile, Sealed};
use crate::storage::manifest::{ImportEntry, ImportedFile, MAX_IMPORT_NAME_BYTES, SegmentEntry};
use crate::sync::Ordering;

/// An import in progress: records go straight into files and appear together, durably, when it is finished.
///
/// Faster than batches for many records, because nothing is written twice. Until [`Import::finish`] returns, nobody
/// sees any of them; an import that is dropped, fails or is cut off by a crash leaves nothing, unless it has a name and
/// can be resumed ([`Collection::resume_import`](crate::Collection::resume_import)). Its records carry a position of its own, given when it began; they appear at a later one, which [`Import::finish`] returns. A key that the
/// collection holds already is replaced, also when it was written after the import began; of two records with one key
/// the later stands. While it finishes, writers wait for as long as it takes to flush the collection and to look the
/// new keys up.
///
/// ```
/// # fn main() -> driftline::Result<()> {
/// use driftline::{Database, Metric, Record, Schema};
/// let db = Database::in_memory()?;
/// let points = db.create_collection("points", Schema::vector(2, Metric::L2))?;
/// let mut import = points.import()?;
/// for x in 0..1000u64 {
///     import.put(Record::new(x).vector([x as f32, 1.0]))?;
/// }
/// assert_eq!(points.count()?, 0);
/// import.finish()?;
/// assert_eq!(points.count()?, 1000);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "an import shows nothing until it is finished"]
pub struct Import {
    store: Arc<Store>,
    view: Arc<CollectionView>,
    lsn: Lsn,
    now: Timestamp,
    building: Mutable,
    files: Vec<Imported>,
    /// Records put, those of the runs that this one goes on from included.
    rows: u64,
    start: ImportStart,
    named: Option<Named>,
    /// Why records are missing, once some could not be written: such an import cannot be finished.
    failure: Option<Error>,
    finished: bool,
}

/// How an import that has a name began.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImportStart {
    /// With nothing.
    New,
    /// Where an earlier run had come to: so many records are in it already, and are not to be put again.
    Resumed {
        /// Records sealed by earlier runs.
        rows: u64,
    },
    /// With nothing, after what an earlier run had sealed was removed.
    Restarted {
        /// Why it could not be resumed.
        why: String,
    },
}

/// What an import with a name has beyond one without.
#[derive(Debug)]
struct Named {
    running: Running,
    identity: String,
    /// Of the files, so many are listed in the manifest.
    listed: usize,
}

/// A file of an import and the rows in it that a later record of the same import replaced.
#[derive(Debug)]
struct Imported {
    file: Arc<SealedFile>,
    replaced: RowSet,
}

impl Import {
    pub(crate) fn new(store: &Arc<Store>, view: Arc<CollectionView>) -> Result<Import> {
        let engine = store.engine();
        engine.check_writable()?;
        let lsn = {
            let mut log = engine.log.lock();
            let lsn = log.next_lsn;
            log.next_lsn = lsn.next();
            lsn
        };
        let building = Mutable::new(&view.schema);
        Ok(Import {
            store: Arc::clone(store),
            lsn,
            now: engine.now(),
            building,
            view,
            files: Vec::new(),
            rows: 0,
            start: ImportStart::New,
            named: None,
            failure: None,
            finished: false,
        })
    }

    /// Begins the import of that name, or goes on with it.
    pub(crate) fn resume(store: &Arc<Store>, view: Arc<CollectionView>, name: &str, identity: &str) -> Result<Import> {
        let engine = store.engine();
        let _busy = engine.begin()?;
        if identity.len() > MAX_IMPORT_NAME_BYTES {
            return Err(Error::invalid(format!("an import's identity has {} bytes", identity.len()))
                .mend(format!("use at most {MAX_IMPORT_NAME_BYTES}, such as a hash")));
        }
        let running = Running::begin(engine, &view, name)?;
        let id = view.id;
        let mut import = Import::new(store, view)?;
        let named = Named { running, identity: identity.to_owned(), listed: 0 };
        let why = match engine.pending_import(id, name) {
            None => None,
            Some(entry) if entry.identity != identity => Some("what is imported has changed".to_owned()),
            Some(entry) => match import.take_up(engine, &entry) {
                Ok(()) => None,
                Err(error) => {
                    // The manifest lists them, so dropping this import must not remove them.
                    import.files.clear();
                    Some(if error.is_damage() { error.to_string() } else { return Err(error) })
                }
            },
        };
        if let Some(why) = why {
            engine.forget_pending(id, name)?;
            import.start = ImportStart::Restarted { why };
        }
        import.named = Some(Named { listed: import.files.len(), ..named });
        Ok(import)
    }

    /// Goes on from what an earlier run had sealed.
    fn take_up(&mut self, engine: &Engine, entry: &ImportEntry) -> Result<()> {
        for file in open_whole(engine, &self.view.schema, entry)? {
            self.mark_replaced((0..file.rows()).map(|row| file.key(RowId(row))))?;
            self.files.push(Imported { replaced: RowSet::empty(file.rows()), file });
        }
        self.lsn = entry.lsn;
        self.now = Timestamp(entry.began);
        self.rows = entry.rows;
        self.start = ImportStart::Resumed { rows: entry.rows };
        Ok(())
    }

    /// How it began; always [`ImportStart::New`] for an import without a name.
    pub fn start(&self) -> &ImportStart {
        &self.start
    }

    /// Records put so far, those of the runs that this one goes on from included.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The position that its records carry.
    pub fn lsn(&self) -> Lsn {
        self.lsn
    }

    /// Adds a record. A record that is refused leaves the import as it was. When records cannot be written, on a full
    /// disk for example, the import has failed for good: this call and all later ones return why.
    pub fn put(&mut self, record: Record) -> Result<()> {
        let engine = Arc::clone(self.store.engine());
        engine.check_writable()?;
        self.check_whole()?;
        let row = EncodedRow::new(&self.view, &record, self.now)?;
        let row = row.as_row(&record);
        engine.admit(row.bytes())?;
        check_blobs(&engine.current().view, row.payload)?;
        self.building.put(self.lsn, row);
        self.rows += 1;
        if self.building.bytes() >= engine.options.memory_budget_bytes / 2 {
            let _busy = engine.begin()?;
            self.write_file(&engine)?;
        }
        Ok(())
    }

    /// Seals what was put so far. Where the import has a name, that stays for a later run of it, also when this process is
    /// killed. It happens by itself whenever half of the memory budget is full.
    pub fn checkpoint(&mut self) -> Result<()> {
        let engine = Arc::clone(self.store.engine());
        let _busy = engine.begin()?;
        self.check_whole()?;
        if self.building.rows() > 0 { self.write_file(&engine) } else { Ok(()) }
    }

    /// Makes the records appear, durably. Of the answer, `lsn` is the position from which on they show, above that of
    /// every batch committed before, and `existed` counts the records they replaced.
    ///
    /// The records themselves carry [`Import::lsn`], which no batch has, and that is what
    /// [`Precondition::AtLsn`](crate::Precondition::AtLsn) wants of them. Fails with `NotFound` when a blob they name was removed meanwhile.
    pub fn finish(mut self) -> Result<Commit> {
        let engine = Arc::clone(self.store.engine());
        let _busy = engine.begin()?;
        self.check_whole()?;
        if self.building.rows() > 0 {
            self.seal_building(&engine)?;
        }
        engine.note_time(self.now);
        let name = self.named.as_ref().map(|named| named.running.name());
        let commit = engine.publish_import(&self.view, &self.files, name)?;
        engine.waker.wake_merger();
        engine.waker.wake_indexer();
        self.finished = true;
        Ok(commit)
    }

    /// Gives the import up: nothing of it stays, whatever its earlier runs had sealed.
    pub fn discard(self) -> Result<()> {
        let engine = Arc::clone(self.store.engine());
        let _busy = engine.begin()?;
        match &self.named {
            Some(Named { running, .. }) => engine.forget_pending(running.collection(), running.name()).map(drop),
            None => Ok(()),
        }
    }

    /// Refuses an import some of whose records were lost.
    fn check_whole(&self) -> Result<()> {
        self.failure.clone().map_or(Ok(()), Err)
    }

    /// Writes what was put since the last file. When that fails, those records are gone, and this run with them.
    fn write_file(&mut self, engine: &Engine) -> Result<()> {
        let written = self.seal_building(engine).and_then(|()| self.list_files(engine));
        self.failure = written.as_ref().err().cloned();
        written
    }

    /// Has the manifest list what was sealed, where the import has a name.
    fn list_files(&mut self, engine: &Engine) -> Result<()> {
        let Some(named) = &mut self.named else { return Ok(()) };
        let listed = |imported: &Imported| ImportedFile { file: imported.file.reference(), rows: imported.file.rows() };
        engine.note_time(self.now);
        engine.publish_pending(ImportEntry {
            collection: self.view.id,
            name: named.running.name().to_owned(),
            identity: named.identity.clone(),
            lsn: self.lsn,
            began: self.now.0,
            rows: self.rows,
            files: self.files.iter().map(listed).collect(),
        })?;
        named.listed = self.files.len();
        Ok(())
    }

    fn seal_building(&mut self, engine: &Engine) -> Result<()> {
        let building = std::mem::replace(&mut self.building, Mutable::new(&self.view.schema));
        let rows: Blocks = building.freeze();
        let live = rows.live_rows(self.lsn);
        let parts = [Part { source: &rows, rows: &live }];
        let file = write_and_open(&engine.opener, engine.next_file(), &self.view.schema, &parts)?;
        let replaced = RowSet::empty(file.rows());
        let marked = self.mark_replaced(live.iter().map(|row| rows.key(*row)));
        self.files.push(Imported { file, replaced });
        marked
    }

    /// Marks the rows of the files so far whose keys come again.
    fn mark_replaced<'a>(&mut self, keys: impl Iterator<Item = Result<&'a [u8]>>) -> Result<()> {
        for key in keys {
            let key = key?;
            for imported in &mut self.files {
                if let Some(old) = imported.file.row_of(key)? {
                    imported.replaced.insert(old);
                }
            }
        }
        Ok(())
    }
}

impl Drop for Import {
    fn drop(&mut self) {
        // After an unknown outcome the files may be part of the store.
        if !self.finished && self.store.engine().poison.check().is_ok() {
            let listed = self.named.as_ref().map_or(0, |named| named.listed);
            self.files[listed..].iter().for_each(|imported| imported.file.stored().condemn());
        }
    }
}

/// New deletions of one segment, by its number.
type Renewals = BTreeMap<FileId, (RowSet, Arc<DeletionsFile>)>;

impl Engine {
    /// Adds the files of an import to a collection and marks the rows they replace.
    ///
    /// Everything that was committed before is brought into files first, under the commit lock, so that no replay of
    /// the log can put an older record over an imported one. What shows changes, so it does at a position of its own;
    /// no log holds that one, so it is remembered as what the collection is flushed up to.
    fn publish_import(&self, collection: &CollectionView, files: &[Imported], name: Option<&str>) -> Result<Commit> {
        let id = collection.id;
        let _structure = self.structure.lock();
        self.flush_beside_writers(&[id])?;
        let mut log = self.log.lock();
        self.flush_before_writers(&[id], &mut log)?;
        self.sync_log(&mut log)?;
        let view = self.current().view;
        let present = view.by_id(id)?;
        check_named_blobs(&view, files)?;
        let lsn = log.next_lsn;
        let (replaced, existed) = self.replaced_rows(present, files)?;
        let renewals = self.write_renewals(files, replaced);
        let published = renewals.as_ref().map_err(Error::clone).and_then(|renewals| {
            let fs = &self.opener.fs;
            fs.sync_dir().map_err(|error| Error::io("sync the directory", self.location(), error))?;
            self.publish(|manifest| {
                manifest.imports.retain(|entry| entry.collection != id || Some(&*entry.name) != name);
                if let Some(entry) = manifest.collections.iter_mut().find(|entry| entry.id == id) {
                    entry.segments = listed(&entry.segments, files, renewals);
                    entry.flushed = lsn;
                }
            })
        });
        if let Err(error) = published {
            if let (Ok(renewals), Ok(())) = (&renewals, self.poison.check()) {
                renewals.values().for_each(|(_, file)| file.stored.condemn());
            }
            return Err(error);
        }
        let mut next = (*view).clone();
        next.insert(CollectionView { flushed: lsn, ..with_import(present, files, &renewals?) });
        log.next_lsn = lsn.next();
        self.durable.fetch_max(lsn.0, Ordering::AcqRel);
        drop(self.show_at(next, lsn));
        Ok(Commit { lsn, existed })
    }

    /// The rows of present segments that imported keys replace, and how many of them were live.
    fn replaced_rows(
        &self,
        collection: &CollectionView,
        files: &[Imported],
    ) -> Result<(BTreeMap<FileId, RowSet>, u64)> {
        let mut bases = BTreeMap::new();
        let mut existed = 0;
        let moment = self.moment(&self.current());
        for segment in &collection.sealed {
            let deletions = segment.deletions();
            let mut base = (*deletions.at(Lsn(u64::MAX))).clone();
            for imported in files {
                for row in 0..imported.file.rows() {
                    let key = imported.file.key(RowId(row))?;
                    if let Some(old) = segment.file().row_of(key)? {
                        existed += u64::from(segment.is_live(old, moment)? && !base.contains(old));
                        base.insert(old);
                    }
                }
            }
            if base.count() > deletions.base().count() {
                bases.insert(segment.file().id(), base);
            }
        }
        Ok((bases, existed))
    }

    fn write_renewals(&self, files: &[Imported], replaced: BTreeMap<FileId, RowSet>) -> Result<Renewals> {
        let mut renewals = Renewals::new();
        let imported = files.iter().filter(|imported| imported.replaced.count() > 0);
        let imported = imported.map(|imported| (imported.file.id(), imported.replaced.clone()));
        for (id, base) in replaced.into_iter().chain(imported) {
            match write_deletions_file(&self.opener, id, self.next_file(), &base) {
                Ok(file) => drop(renewals.insert(id, (base, file))),
                Err(error) => {
                    renewals.values().for_each(|(_, file)| file.stored.condemn());
                    return Err(error);
                }
            }
        }
        Ok(renewals)
    }
}

/// Refuses files that name a blob which was removed since the record was put.
fn check_named_blobs(view: &DatabaseView, files: &[Imported]) -> Result<()> {
    for imported in files {
        for (_, digest) in imported.file.blobs()? {
            check_blob(view, BlobId(digest))?;
        }
    }
    Ok(())
}

/// What the manifest lists after an import, given what it lists now.
fn listed(present: &[SegmentEntry], files: &[Imported], renewals: &Renewals) -> Vec<SegmentEntry> {
    let imported = files.iter().map(|imported| SegmentEntry {
        file: imported.file.reference(),
        rows: imported.file.rows(),
        deletions: None,
        index: None,
    });
    let mut entries: Vec<SegmentEntry> = present.iter().cloned().chain(imported).collect();
    for entry in &mut entries {
        if let Some((_, file)) = renewals.get(&entry.file.id) {
            entry.deletions = Some(file.entry);
        }
    }
    entries
}

/// The collection with the imported segments and the new deletions.
fn with_import(collection: &CollectionView, files: &[Imported], renewals: &Renewals) -> CollectionView {
    let mut next = collection.clone();
    for imported in files {
        let deletions = Deletions::none(imported.file.rows());
        next.sealed.push(Arc::new(Sealed::new(Arc::clone(&imported.file), deletions, None)));
    }
    for segment in &mut next.sealed {
        if let Some((base, file)) = renewals.get(&segment.file().id()) {
            *segment = Arc::new(with_base(segment, base, file));
        }
    }
    next
}
