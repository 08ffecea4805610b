//! How writers wake the maintenance threads.

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};

/// Wakes the maintenance threads, where there are any.
#[derive(Debug)]
pub(crate) struct Waker {
    syncer: Sender<()>,
    flusher: Sender<()>,
    merger: Sender<()>,
    indexer: Sender<()>,
    auditor: Sender<()>,
    scrubber: Sender<()>,
}

/// The other ends of a [`Waker`].
#[derive(Debug)]
pub(crate) struct Wakes {
    pub(crate) syncer: Receiver<()>,
    pub(crate) flusher: Receiver<()>,
    pub(crate) merger: Receiver<()>,
    pub(crate) indexer: Receiver<()>,
    pub(crate) auditor: Receiver<()>,
    pub(crate) scrubber: Receiver<()>,
}

impl Waker {
    pub(crate) fn new() -> (Waker, Wakes) {
        let (syncer, syncer_wakes) = bounded(1);
        let (flusher, flusher_wakes) = bounded(1);
        let (merger, merger_wakes) = bounded(1);
        let (indexer, indexer_wakes) = bounded(1);
        let (auditor, auditor_wakes) = bounded(1);
        let (scrubber, scrubber_wakes) = bounded(1);
        let wakes = Wakes {
            syncer: syncer_wakes,
            flusher: flusher_wakes,
            merger: merger_wakes,
            indexer: indexer_wakes,
            auditor: auditor_wakes,
            scrubber: scrubber_wakes,
        };
        (Waker { syncer, flusher, merger, indexer, auditor, scrubber }, wakes)
    }

    /// There is something to sync, later.
    pub(crate) fn wake_syncer(&self) {
        wake(&self.syncer);
    }

    /// There may be something to flush.
    pub(crate) fn wake_flusher(&self) {
        wake(&self.flusher);
    }

    /// There may be something to merge.
    pub(crate) fn wake_merger(&self) {
        wake(&self.merger);
    }

    /// There may be an index to build.
    pub(crate) fn wake_indexer(&self) {
        wake(&self.indexer);
    }

    /// There are queries to be asked again, or will be.
    pub(crate) fn wake_auditor(&self) {
        wake(&self.auditor);
    }

    /// The store closes.
    pub(crate) fn wake_all(&self) {
        let threads = [&self.syncer, &self.flusher, &self.merger, &self.indexer, &self.auditor, &self.scrubber];
        threads.into_iter().for_each(wake);
    }
}

fn wake(thread: &Sender<()>) {
    match thread.try_send(()) {
        // A wake that was not heard yet serves as well; without threads nobody listens.
        Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
    }
}
