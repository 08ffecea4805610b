//! Indexes on behalf of the database: which segments want one, building it beside everything else, publishing it.
//!
//! A segment is searched without its index until that is there, so nothing waits for one. What is built is thrown away
//! when its segment went meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::collection::view::CollectionView;
use crate::database::engine::{Access, Engine, Unindexed};
use crate::database::gate::Protected;
use crate::database::options::Maintenance;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{CollectionId, FileId};
use crate::index::IndexSpec;
use crate::pool::Pool;
use crate::segment::indexed::{IndexJob, SegmentIndex};
use crate::segment::sealed::Sealed;
use crate::segment::waves::Wave;

/// Room left on the disk beside an index, for the log and a manifest.
const RESERVE_BYTES: u64 = 4 << 20;
/// How often somebody who waits for indexes looks, at the least.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Rows in memory get an index when there are so many times the rows from which a file gets one: until then, comparing
/// each takes less time than a writer would lose to the indexing beside it.
const WAVE: u32 = 4;

/// A segment whose index is to be built, replaced or dropped.
struct Task {
    collection: Arc<CollectionView>,
    segment: Arc<Sealed>,
    spec: IndexSpec,
}

impl Engine {
    /// What the index of a segment is to become; none where it is as it is to be. [`IndexSpec::Flat`] drops it.
    fn wanted(&self, collection: &CollectionView, segment: &Sealed) -> Option<IndexSpec> {
        let rows = segment.file().rows();
        let spec = match segment.file().vectors() {
            Some(_) => collection.schema.index_spec().for_rows(rows),
            None => IndexSpec::Flat,
        };
        let enough = rows >= self.options.index_min_rows;
        let rebuild = self.rebuilding.lock().contains(&segment.file().id());
        match segment.index() {
            None => (enough && spec != IndexSpec::Flat).then_some(spec),
            Some(index) if !rebuild && index.usable().is_some() && index.entry().spec == spec.to_string() => None,
            Some(_) => Some(if enough || rebuild { spec } else { IndexSpec::Flat }),
        }
    }

    /// The same, but for what was tried in vain.
    fn missing(&self, collection: &CollectionView, segment: &Sealed) -> Option<IndexSpec> {
        let spec = self.wanted(collection, segment)?;
        let tried = self.unindexed.lock().get(&segment.file().id()).is_some_and(|tried| tried.spec == spec);
        (!tried).then_some(spec)
    }

    /// The index that a segment is to have and has not, or another; not what its kind keeps none of.
    pub(crate) fn awaited(&self, collection: &CollectionView, segment: &Sealed) -> Option<IndexSpec> {
        let spec = self.wanted(collection, segment).filter(|spec| *spec != IndexSpec::Flat)?;
        let unindexed = self.unindexed.lock();
        let tried = unindexed.get(&segment.file().id()).filter(|tried| tried.spec == spec);
        tried.is_none_or(|tried| tried.damage.is_some()).then_some(spec)
    }

    /// Rows in segments that await an index.
    pub(crate) fn index_lag(&self, collection: &CollectionView) -> u64 {
        let lagging = collection.sealed.iter().filter(|segment| self.awaited(collection, segment).is_some());
        lagging.map(|segment| u64::from(segment.file().rows())).sum()
    }

    /// Builds the index of the largest segment that lacks one; tells whether there was any. Where one cannot be built,
    /// the next is tried; the first failure is returned when none could.
    pub(crate) fn index_next(&self) -> Result<bool> {
        let _indexing = self.indexing.lock();
        let mut failure = None;
        for task in self.tasks() {
            match self.run_task(&task) {
                Ok(()) => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Closed => return Err(error),
                Err(error) => drop(failure.get_or_insert(error)),
            }
        }
        failure.map_or(Ok(false), Err)
    }

    /// Copies the smallest index that is not in memory yet, if there is room for it; tells whether it did.
    pub(crate) fn keep_next_resident(&self) -> Result<bool> {
        let Some(segment) = self.next_resident() else { return Ok(false) };
        // Who searches an index reads a few vectors, too; these stay the system's to keep or to drop.
        segment.file().bring_in_vectors(self.options.resident_index_bytes);
        segment.index().map_or(Ok(()), |index| index.keep_resident(&self.pool))?;
        Ok(true)
    }

    /// The segment whose index is to be copied into memory next.
    fn next_resident(&self) -> Option<Arc<Sealed>> {
        let view = self.current().view;
        let segments = || view.collections.values().flat_map(|collection| &collection.sealed);
        let taken: u64 = segments().filter_map(|segment| segment.index()).map(|index| index.resident_bytes()).sum();
        let to_be_kept = segments().filter_map(|segment| Some((segment.index()?.to_be_kept()?, segment)));
        let (bytes, segment) = to_be_kept.min_by_key(|(bytes, _)| *bytes)?;
        (taken.saturating_add(bytes) <= self.options.resident_index_bytes).then(|| Arc::clone(segment))
    }

    /// Indexes the rows in memory that came since the last time, of the collection that has most of them; tells whether
    /// there were enough.
    pub(crate) fn index_next_wave(&self) -> Result<bool> {
        let _indexing = self.indexing.lock();
        let view = self.current().view;
        let lacking = view.collections.values().filter(|collection| self.lacks_wave(collection));
        let Some(collection) =
            lacking.max_by_key(|collection| collection.mutable.unindexed(collection.schema.index_spec()))
        else {
            return Ok(false);
        };
        let Some(metric) = collection.schema.metric() else { return Ok(false) };
        let spec = collection.schema.index_spec();
        let (blocks, first) = collection.mutable.next_wave(spec);
        let pool = Pool::new(self.options.pool_threads())?;
        let stop = || self.is_stopping();
        let wave = Wave::build(blocks, first, (spec, metric), &pool, &stop)?;
        Ok(wave.map(|wave| collection.mutable.add_wave(wave)).is_some())
    }

    /// Whether enough rows of a collection have come into memory for the next wave of indexes.
    pub(crate) fn lacks_wave(&self, collection: &CollectionView) -> bool {
        let spec = collection.schema.index_spec();
        let Ok(rows) = u32::try_from(collection.mutable.unindexed(spec)) else { return false };
        rows >= self.options.index_min_rows.saturating_mul(WAVE) && spec.for_rows(rows) != IndexSpec::Flat
    }

    fn tasks(&self) -> Vec<Task> {
        let view = self.current().view;
        let mut tasks = Vec::new();
        for collection in view.collections.values().filter(|collection| collection.damage.is_none()) {
            for segment in &collection.sealed {
                if let Some(spec) = self.missing(collection, segment) {
                    tasks.push(Task { collection: Arc::clone(collection), segment: Arc::clone(segment), spec });
                }
            }
        }
        tasks.sort_by_key(|task| std::cmp::Reverse(task.segment.file().rows()));
        tasks
    }

    fn run_task(&self, task: &Task) -> Result<()> {
        let Task { collection, segment, spec } = task;
        if *spec == IndexSpec::Flat {
            return self.publish_index(task, None);
        }
        self.check_index_room(collection, segment)?;
        // Its own threads, so that queries do not queue behind it in the engine's.
        let pool = Pool::new(self.options.pool_threads())?;
        let id = segment.file().id();
        let stop = || self.is_stopping() || self.segment(collection.id, id).is_none();
        let job = IndexJob { spec, pool: &pool, stop: &stop, budget: self.options.index_memory_bytes };
        match job.run(&self.opener, &collection.schema, segment.file(), || self.next_file()) {
            Ok(Some(index)) => self.publish_index(task, Some(Arc::new(index))),
            Ok(None) => {
                self.remember(task, None);
                if segment.index().is_some() { self.publish_index(task, None) } else { Ok(()) }
            }
            // It was stopped: by closing, or because the segment went.
            Err(error) if error.kind() == ErrorKind::Cancelled => self.check_going_on(),
            Err(error) => {
                if error.kind() == ErrorKind::Corrupt {
                    self.remember(task, Some(error.clone()));
                }
                Err(error)
            }
        }
    }

    /// A segment as it is now, unless it went.
    fn segment(&self, collection: CollectionId, id: FileId) -> Option<Arc<Sealed>> {
        let view = self.current().view;
        let sealed = &view.collections.get(&collection)?.sealed;
        sealed.iter().find(|segment| segment.file().id() == id).cloned()
    }

    fn remember(&self, task: &Task, damage: Option<Error>) {
        let (unindexed, id) = (Unindexed { spec: task.spec.clone(), damage }, task.segment.file().id());
        self.unindexed.lock().insert(id, unindexed);
        self.rebuilding.lock().remove(&id);
    }

    /// Lists an index for its segment, or none, and shows it. One whose segment went meanwhile is removed.
    fn publish_index(&self, task: &Task, index: Option<Arc<SegmentIndex>>) -> Result<()> {
        let discard = |index: &Option<Arc<SegmentIndex>>| index.iter().for_each(|index| index.stored().condemn());
        let structure = self.structure.lock();
        let (collection, id) = (task.collection.id, task.segment.file().id());
        let wanted = self.current().view.collections.get(&collection).is_some_and(|collection| {
            let segment = collection.sealed.iter().find(|segment| segment.file().id() == id);
            segment.is_some_and(|segment| self.wanted(collection, segment).as_ref() == Some(&task.spec))
        });
        if !wanted {
            discard(&index);
            return Ok(());
        }
        if let Err(error) = self.list_index(task, index.as_deref()) {
            // After an unknown outcome the file may be part of the store.
            if self.poison.check().is_ok() {
                discard(&index);
            }
            return Err(error);
        }
        self.rebuilding.lock().remove(&id);
        let log = self.log.lock();
        let mut view = (*self.current().view).clone();
        if let Some(present) = view.collections.get(&collection) {
            let mut next = CollectionView::clone(present);
            for segment in next.sealed.iter_mut().filter(|segment| segment.file().id() == id) {
                segment.index().iter().for_each(|old| old.stored().condemn());
                *segment = Arc::new(segment.with_index(index.clone()));
            }
            view.insert(next);
        }
        let old = self.show(view);
        drop((log, structure));
        drop(old);
        Ok(())
    }

    fn list_index(&self, task: &Task, index: Option<&SegmentIndex>) -> Result<()> {
        self.opener.fs.sync_dir().map_err(|error| Error::io("sync the directory", self.location(), error))?;
        let (collection, id) = (task.collection.id, task.segment.file().id());
        self.publish(|manifest| {
            let entries = manifest.collections.iter_mut().filter(|entry| entry.id == collection);
            for entry in entries.flat_map(|entry| &mut entry.segments).filter(|entry| entry.file.id == id) {
                entry.index = index.map(|index| index.entry().clone());
            }
        })
    }

    /// An index takes about as much as the rows it is over; the log needs some room beside it.
    fn check_index_room(&self, collection: &CollectionView, segment: &Sealed) -> Result<()> {
        let bytes = segment.file().reference().length;
        let free = self.opener.fs.free_bytes().map_err(|error| Error::io("ask for room", self.location(), error))?;
        match free {
            Some(free) if free < bytes.saturating_add(RESERVE_BYTES) => Err(Error::new(
                ErrorKind::DiskFull,
                format!("an index may need {bytes} bytes and {RESERVE_BYTES} to spare, and {free} are free"),
            )
            .at(format!("collection {}", collection.name))
            .mend("free some space; the index will be built then")),
            _ => Ok(()),
        }
    }

    /// Changes which index a collection wants, durably.
    pub(crate) fn reindex(&self, id: CollectionId, spec: IndexSpec) -> Result<()> {
        let _busy = self.begin()?;
        spec.check()?;
        self.check_gate(Protected::Indexes)?;
        let structure = self.structure.lock();
        let collection = self.indexable(id)?;
        if *collection.schema.index_spec() == spec {
            return Ok(());
        }
        let schema = (*collection.schema).clone().index(spec);
        let stored = schema.encode()?;
        self.sync_before_publishing()?;
        self.publish(|manifest| {
            manifest.collections.iter_mut().filter(|entry| entry.id == id).for_each(|entry| {
                entry.schema.clone_from(&stored);
            });
        })?;
        let log = self.log.lock();
        let mut view = (*self.current().view).clone();
        if let Some(present) = view.collections.get(&id) {
            view.insert(CollectionView { schema: Arc::new(schema), ..CollectionView::clone(present) });
        }
        let old = self.show(view);
        drop((log, structure));
        drop(old);
        self.waker.wake_indexer();
        Ok(())
    }

    /// A collection that may have an index.
    fn indexable(&self, id: CollectionId) -> Result<Arc<CollectionView>> {
        let collection = Arc::clone(self.current().view.by_id(id)?);
        collection.check_usable()?;
        match collection.schema.metric() {
            Some(_) => Ok(collection),
            None => Err(Error::invalid("a collection without vectors has no index")
                .at(format!("collection {}", collection.name))),
        }
    }

    /// Has the index of every segment of a collection built anew, whatever became of earlier attempts; tells of how many.
    /// Each old one answers until the new one is there, unless it is damaged.
    pub(crate) fn rebuild_index(&self, id: CollectionId) -> Result<u64> {
        let _busy = self.begin()?;
        let collection = self.indexable(id)?;
        let segments: BTreeSet<FileId> = collection.sealed.iter().map(|segment| segment.file().id()).collect();
        let view = self.current().view;
        let present = |id: &FileId| view.collections.values().flat_map(|it| &it.sealed).any(|it| it.file().id() == *id);
        self.unindexed.lock().retain(|file, _| !segments.contains(file));
        let mut rebuilding = self.rebuilding.lock();
        rebuilding.retain(present);
        rebuilding.extend(&segments);
        drop(rebuilding);
        let wanted = collection.sealed.iter().filter(|segment| self.wanted(&collection, segment).is_some());
        let count = wanted.count() as u64;
        self.waker.wake_indexer();
        Ok(count)
    }

    /// Waits until each sealed segment of a collection has the index it is to have, and indexes have been copied into memory
    /// as far as they are to be; false when that took too long.
    pub(crate) fn wait_indexed(&self, id: CollectionId, timeout: Duration) -> Result<bool> {
        let start = Instant::now();
        loop {
            self.check_open()?;
            let lags = self.index_lag(&**self.current().view.by_id(id)?) > 0;
            let done = !lags && (self.access == Access::ReadOnly || self.next_resident().is_none());
            let left = timeout.saturating_sub(start.elapsed());
            if done || left.is_zero() || self.access == Access::ReadOnly {
                return Ok(done);
            }
            match self.options.maintenance {
                Maintenance::Manual => {
                    let _busy = self.begin()?;
                    if self.index_step()?.is_none() {
                        return Ok(self.index_lag(&**self.current().view.by_id(id)?) == 0);
                    }
                }
                Maintenance::Automatic => {
                    self.waker.wake_indexer();
                    let mut failure = self.pressure.flush_failure.lock();
                    self.pressure.relieved.wait_for(&mut failure, left.min(LOOK_AGAIN));
                }
            }
        }
    }
}
