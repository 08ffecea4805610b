//! Merging on behalf of the database: choose, merge beside the writers, publish, install.

use std::sync::Arc;

use crate::collection::merge::{Merging, choose, kept_bytes, merge};
use crate::collection::view::CollectionView;
use crate::database::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{CollectionId, FileId};
use crate::index::IndexSpec;
use crate::pool::Pool;
use crate::segment::indexed::IndexJob;

/// Room left on the disk beside a merge's output, for a manifest and what is deleted meanwhile. Much less than what rows
/// leave free, so that merging goes on when they are refused, and less than what is set aside in a file.
const SPARE_BYTES: u64 = 1 << 20;

/// When a merge builds the index of what it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Indexing {
    /// When one of the sources had one.
    Inherited,
    Always,
}

impl Engine {
    /// Merges what should be merged next, if anything; tells whether it did. Where one collection cannot be merged,
    /// the next is tried; the first failure is returned when none could.
    pub(crate) fn merge_next(&self) -> Result<bool> {
        let _merging = self.merging.lock();
        let (view, now) = (self.current().view, self.now());
        let mut failure = None;
        for collection in view.collections.values().filter(|collection| collection.damage.is_none()) {
            let unmergeable = self.unmergeable.lock().clone();
            let Some(ids) = choose(collection, now, &unmergeable) else { continue };
            match self.merge_segments(collection, &ids, Indexing::Inherited) {
                Ok(()) => return Ok(true),
                Err(error) => drop(failure.get_or_insert(error)),
            }
        }
        match failure {
            Some(error) => Err(error),
            None => self.collect_blobs(),
        }
    }

    /// Merges all segments of a collection into one. Where the disk has no room for that, segments that lost rows are
    /// written anew one by one first, each of which makes room for the next.
    pub(crate) fn compact(&self, id: CollectionId) -> Result<()> {
        self.current().view.by_id(id)?.check_usable()?;
        let _merging = self.merging.lock();
        self.flush(&[id])?;
        let merged = match self.merge_all(id) {
            Err(full) if full.kind() == ErrorKind::DiskFull => {
                self.rewrite_those_with_gone_rows(id).and_then(|some| if some { self.merge_all(id) } else { Err(full) })
            }
            done => done,
        };
        // The files of what was merged have gone only now.
        self.refill_reserve();
        merged
    }

    fn merge_all(&self, id: CollectionId) -> Result<()> {
        let view = self.current().view;
        let collection = view.by_id(id)?;
        let ids: Vec<FileId> = collection.sealed.iter().map(|segment| segment.file().id()).collect();
        let clean = self.with_gone_rows(collection).is_empty();
        if ids.len() <= 1 && clean { Ok(()) } else { self.merge_segments(collection, &ids, Indexing::Always) }
    }

    /// The segments that lost rows. One that is too damaged to tell is among them: merging it says so.
    fn with_gone_rows(&self, collection: &CollectionView) -> Vec<FileId> {
        let now = self.now();
        let gone = collection.sealed.iter().filter(|segment| segment.has_gone_rows(now).unwrap_or(true));
        gone.map(|segment| segment.file().id()).collect()
    }

    /// Writes segments that lost rows anew, those with the fewest left first, as long as there is room. Tells whether it
    /// did any.
    fn rewrite_those_with_gone_rows(&self, id: CollectionId) -> Result<bool> {
        let view = self.current().view;
        let collection = view.by_id(id)?;
        let kept = |id: FileId| (kept_bytes(collection, &[id], self.now()), id);
        let mut by_size: Vec<_> = self.with_gone_rows(collection).into_iter().map(kept).collect();
        by_size.sort_unstable();
        // Files go with the last view that shows them.
        drop(view);
        let mut some = false;
        for (_, segment) in by_size {
            let collection = Arc::clone(self.current().view.by_id(id)?);
            match self.merge_segments(&collection, &[segment], Indexing::Inherited) {
                Ok(()) => some = true,
                Err(error) if error.kind() == ErrorKind::DiskFull => break,
                Err(error) => return Err(error),
            }
        }
        Ok(some)
    }

    /// Checks every byte of the segments to be merged, and remembers those in which damage is found, or that the disk
    /// cannot read.
    fn check_sources(&self, collection: &CollectionView, ids: &[FileId]) -> Result<()> {
        for segment in collection.sealed.iter().filter(|segment| ids.contains(&segment.file().id())) {
            if let Err(error) = segment.file().verify_watched(&self.pool, &|_| self.check_going_on()) {
                if error.kind() == ErrorKind::Corrupt || error.is_unreadable() {
                    self.unmergeable.lock().insert(segment.file().id());
                }
                return Err(error);
            }
        }
        Ok(())
    }

    fn merge_segments(&self, collection: &Arc<CollectionView>, ids: &[FileId], indexing: Indexing) -> Result<()> {
        self.check_room(collection, ids)?;
        self.check_sources(collection, ids)?;
        // What it keeps is never more than what it frees, once no snapshot shows its sources any more; so it may take what
        // was set aside.
        self.with_last_room(|| self.merge_once(collection, ids, indexing))?;
        self.refill_reserve();
        Ok(())
    }

    fn merge_once(&self, collection: &Arc<CollectionView>, ids: &[FileId], indexing: Indexing) -> Result<()> {
        let now = self.now();
        self.note_time(now);
        let going_on = || self.check_going_on();
        let mut merging = merge(&self.opener, collection, ids, now, || self.next_file(), &going_on)?;
        if let Err(error) = self.index_merged(collection, &mut merging, indexing) {
            merging.discard();
            return Err(error);
        }
        let structure = self.structure.lock();
        if self.current().view.by_id(collection.id).is_err() {
            // Dropped meanwhile.
            merging.discard();
            return Ok(());
        }
        if let Err(error) = self.publish_merged(collection.id, &mut merging) {
            // After an unknown outcome the files may be part of the store.
            if self.poison.check().is_ok() {
                merging.discard();
            }
            return Err(error);
        }
        let log = self.log.lock();
        let mut view = (*self.current().view).clone();
        if let Some(collection) = view.collections.get(&collection.id) {
            let next = merging.install(collection)?;
            view.insert(next);
        }
        let old = self.show(view);
        drop((log, structure));
        drop(old);
        Ok(())
    }

    /// Builds the index of what was merged before anybody searches it, so that no query gets slower by a merge. Where
    /// the sources had none that waits: building takes long, and merging must keep up with writers.
    fn index_merged(&self, collection: &CollectionView, merging: &mut Merging, indexing: Indexing) -> Result<()> {
        let spec = collection.schema.index_spec().for_rows(merging.rows());
        let few = merging.rows() < self.options.index_min_rows;
        if few || spec == IndexSpec::Flat || !(indexing == Indexing::Always || merging.inherits()) {
            return Ok(());
        }
        let pool = Pool::new(self.options.pool_threads())?;
        let stop = || self.is_stopping();
        let job = IndexJob { spec: &spec, pool: &pool, stop: &stop, budget: self.options.index_memory_bytes };
        match merging.build_index(&self.opener, &collection.schema, &job, || self.next_file()) {
            Err(error) if error.kind() == ErrorKind::Cancelled => self.check_going_on().and(Err(error)),
            // On a full disk, the index is built when there is room for it.
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Internal | ErrorKind::DiskFull) => {
                tracing::warn!(collection = &*collection.name, %error, "merged without an index");
                Ok(())
            }
            done => done,
        }
    }

    fn publish_merged(&self, id: CollectionId, merging: &mut Merging) -> Result<()> {
        let view = self.current().view;
        let collection = view.by_id(id)?;
        merging.settle(&self.opener, collection, || self.next_file())?;
        self.opener.fs.sync_dir().map_err(|error| Error::io("sync the directory", self.location(), error))?;
        self.publish(|manifest| {
            if let Some(entry) = manifest.collections.iter_mut().find(|entry| entry.id == id) {
                entry.segments = merging.entries(&entry.segments);
            }
        })
    }

    /// A merge needs its output's size free, and a little to spare; what is set aside counts, as the merge gives back
    /// more. One that keeps no row writes nothing but a manifest, and may take the last bytes for that.
    fn check_room(&self, collection: &CollectionView, ids: &[FileId]) -> Result<()> {
        let bytes = kept_bytes(collection, ids, self.now());
        if bytes == 0 {
            return Ok(());
        }
        let free = self.opener.fs.free_bytes().map_err(|error| Error::io("ask for room", self.location(), error))?;
        match free.map(|free| free.saturating_add(self.reserve_held_bytes())) {
            Some(free) if free < bytes.saturating_add(SPARE_BYTES) => Err(Error::new(
                ErrorKind::DiskFull,
                format!("merging needs {bytes} bytes and {SPARE_BYTES} to spare, and {free} are free"),
            )
            .at(format!("collection {}", collection.name))
            .mend("free some space; merging will be tried again")),
            _ => Ok(()),
        }
    }
}
