//! The time that a statement may take.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use driftline::CancelToken;

/// Cancels a statement when its time is up.
pub(super) struct Timer {
    done: Sender<()>,
    thread: JoinHandle<bool>,
}

impl Timer {
    pub(super) fn start(time: Duration, token: &CancelToken) -> Timer {
        let (done, waiting) = mpsc::channel::<()>();
        let token = token.clone();
        let thread = thread::spawn(move || {
            let late = waiting.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
            if late {
                token.cancel();
            }
            late
        });
        Timer { done, thread }
    }

    /// Tells whether the statement was cancelled.
    pub(super) fn stop(self) -> bool {
        drop(self.done);
        self.thread.join().unwrap_or(false)
    }
}
