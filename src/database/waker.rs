//! How writers wake the maintenance threads.

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};

/// Wakes the maintenance threads, where there are any.
#[derive(Debug)]
pub(crate) struct Waker {
    flusher: Sender<()>,
    merger: Sender<()>,
}

/// The other ends of a [`Waker`].
#[derive(Debug)]
pub(crate) struct Wakes {
    pub(crate) flusher: Receiver<()>,
    pub(crate) merger: Receiver<()>,
}

impl Waker {
    pub(crate) fn new() -> (Waker, Wakes) {
        let (flush, flush_wakes) = bounded(1);
        let (merge, merge_wakes) = bounded(1);
        (Waker { flusher: flush, merger: merge }, Wakes { flusher: flush_wakes, merger: merge_wakes })
    }

    pub(crate) fn wake(&self) {
        for sender in [&self.flusher, &self.merger] {
            match sender.try_send(()) {
                // A wake that was not heard yet serves as well; without threads nobody listens.
                Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
            }
        }
    }
}
