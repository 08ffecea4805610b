//! Flushing: what collections hold in memory becomes files, and the log before it can go.

use std::sync::Arc;

use crate::collection::seal::{Sealing, seal};
use crate::collection::view::CollectionView;
use crate::database::engine::{DatabaseView, Engine, LogState};
use crate::database::publish::{LogFloor, split_logs};
use crate::database::stats::unsealed_bytes;
use crate::error::{Error, Result};
use crate::ids::{CollectionId, Lsn};
use crate::segment::mutable::Mutable;
use crate::storage::wal::WalRef;

/// Whether writing goes on after a flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    GoOn,
    Close,
}

/// What was frozen: the view that shows it, up to where, and from where on the log is still needed afterwards.
struct Frozen {
    view: Arc<DatabaseView>,
    at: Lsn,
    floor: LogFloor,
}

/// The commit lock: held by the caller throughout, or taken for the moments that need it.
struct CommitLock<'a> {
    engine: &'a Engine,
    held: Option<&'a mut LogState>,
}

impl CommitLock<'_> {
    fn with<T>(&mut self, act: impl FnOnce(&mut LogState) -> T) -> T {
        match &mut self.held {
            Some(log) => act(log),
            None => act(&mut self.engine.log.lock()),
        }
    }
}

impl Engine {
    /// Brings everything that `collections` hold in memory into files.
    pub(crate) fn flush(&self, collections: &[CollectionId]) -> Result<()> {
        let _structure = self.structure.lock();
        self.flush_beside_writers(collections).map(drop)
    }

    /// The same for a caller that holds `structure`. Returns the position up to which everything is in files now.
    pub(crate) fn flush_beside_writers(&self, collections: &[CollectionId]) -> Result<Lsn> {
        self.flush_and(collections, After::GoOn, CommitLock { engine: self, held: None })
    }

    /// The same for a caller that holds `structure` and the commit lock.
    pub(crate) fn flush_before_writers(&self, collections: &[CollectionId], log: &mut LogState) -> Result<Lsn> {
        self.flush_and(collections, After::GoOn, CommitLock { engine: self, held: Some(log) })
    }

    /// Brings everything into files and lets all of the log go. The caller has stopped writing.
    pub(crate) fn flush_all_and_close_log(&self) -> Result<()> {
        let _structure = self.structure.lock();
        let view = self.current().view;
        let usable = view.collections.values().filter(|collection| collection.damage.is_none());
        let ids: Vec<CollectionId> = usable.map(|collection| collection.id).collect();
        self.flush_and(&ids, After::Close, CommitLock { engine: self, held: None }).map(drop)
    }

    /// Flushing frees the log, so it may take what was set aside, if that can be enough: deletions need it, too.
    fn flush_and(&self, collections: &[CollectionId], after: After, mut lock: CommitLock<'_>) -> Result<Lsn> {
        let fits = self.may_fit(self.rows_in_memory(collections));
        let mut flush = || self.flush_once(collections, after, &mut lock);
        let flushed = if fits { self.with_last_room(flush)? } else { flush()? };
        self.refill_reserve();
        Ok(flushed)
    }

    /// Bytes that rows of collections take in memory.
    fn rows_in_memory(&self, collections: &[CollectionId]) -> u64 {
        let view = self.current().view;
        collections.iter().filter_map(|id| view.collections.get(id)).map(|it| unsealed_bytes(it)).sum()
    }

    fn flush_once(&self, collections: &[CollectionId], after: After, lock: &mut CommitLock<'_>) -> Result<Lsn> {
        self.poison.check()?;
        let frozen = lock.with(|log| self.freeze(collections, log));
        let mut sealings = Vec::new();
        let published = self.seal_all(&frozen, collections, &mut sealings).and_then(|()| {
            let idle = sealings.is_empty() && (after == After::GoOn || self.manifest.lock().logs.is_empty());
            if idle { Ok(None) } else { self.publish_sealed(&frozen, &sealings, after, lock).map(Some) }
        });
        match published {
            Ok(Some(gone)) => {
                // Before the view is shown, which has writers look again whether they still have to wait.
                self.remove_logs(&gone, &frozen.floor);
                let old = lock.with(|_| self.install_sealed(sealings));
                drop(old);
                self.waker.wake_merger();
                self.waker.wake_indexer();
                Ok(frozen.at)
            }
            Ok(None) => Ok(frozen.at),
            Err(error) => {
                // After an unknown outcome the files may be part of the store.
                if self.poison.check().is_ok() {
                    sealings.iter().for_each(|(_, sealing)| sealing.discard());
                }
                Err(error)
            }
        }
    }

    /// Sets the mutable segments aside, under the commit lock, so that the cut falls between batches.
    fn freeze(&self, collections: &[CollectionId], log: &LogState) -> Frozen {
        let current = self.current();
        let mut view = (*current.view).clone();
        for id in collections {
            if let Some(collection) = view.collections.get(id)
                && collection.damage.is_none()
                && collection.mutable.first_lsn().is_some()
            {
                let mut next = CollectionView::clone(collection);
                let fresh = Arc::new(Mutable::new(&next.schema));
                next.frozen.push(std::mem::replace(&mut next.mutable, fresh));
                view.insert(next);
            }
        }
        drop(self.show(view));
        let floor = self.log_floor(|id| collections.contains(&id), log.next_lsn);
        Frozen { at: current.visible, floor, view: self.current().view }
    }

    fn seal_all(
        &self,
        frozen: &Frozen,
        collections: &[CollectionId],
        sealings: &mut Vec<(CollectionId, Sealing)>,
    ) -> Result<()> {
        let now = self.now();
        self.note_time(now);
        for id in collections {
            let Some(collection) = frozen.view.collections.get(id) else { continue };
            if !collection.frozen.is_empty() {
                let sealing = seal(&self.opener, collection, frozen.at, now, || self.next_file())?;
                sealings.push((*id, sealing));
            }
        }
        if sealings.is_empty() {
            return Ok(());
        }
        self.opener.fs.sync_dir().map_err(|error| Error::io("sync the directory", self.location(), error))
    }

    /// Publishes the sealed segments; returns the logs that are not needed any more.
    ///
    /// The log is synced first, up to what was sealed: a batch that spans collections must not be half in files and
    /// half in a log that a power cut takes away.
    fn publish_sealed(
        &self,
        frozen: &Frozen,
        sealings: &[(CollectionId, Sealing)],
        after: After,
        lock: &mut CommitLock<'_>,
    ) -> Result<Vec<WalRef>> {
        if self.durable() < frozen.at {
            lock.with(|log| self.sync_log(log))?;
        }
        let mut gone = Vec::new();
        self.publish(|manifest| {
            for (id, sealing) in sealings {
                if let Some(entry) = manifest.collections.iter_mut().find(|entry| entry.id == *id) {
                    entry.segments = sealing.entries(&entry.segments);
                    entry.flushed = sealing.at;
                }
            }
            let (kept, old) = split_logs(&manifest.logs, frozen.floor.at, after == After::Close, frozen.floor.next);
            manifest.logs = kept;
            gone = old;
        })?;
        Ok(gone)
    }

    /// Shows what was sealed in place of what was frozen. The caller holds the commit lock.
    fn install_sealed(&self, sealings: Vec<(CollectionId, Sealing)>) -> Arc<DatabaseView> {
        let mut view = (*self.current().view).clone();
        for (id, sealing) in sealings {
            if let Some(collection) = view.collections.get(&id) {
                let next = sealing.install(collection);
                view.insert(next);
            }
        }
        self.show(view)
    }
}
