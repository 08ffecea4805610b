//! Calls in flight: counted, refused once the store closes, and waited for.

use std::time::Instant;

use crate::error::{Error, ErrorKind};
use crate::sync::{AtomicBool, AtomicU64, Condvar, Mutex, Ordering};

/// The calls of a store.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    begun: AtomicU64,
    failed: AtomicU64,
    running: AtomicU64,
    /// No call begins any more, and long work ends early. Taken back where closing gives up.
    closing: AtomicBool,
    /// For whoever waits until none is running.
    waiting: Mutex<()>,
    idle: Condvar,
}

impl Calls {
    /// How many were begun, and how many of them failed.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.begun.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }

    /// A call has failed.
    pub(crate) fn note_failure(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// Begins a call; none when the store closes. Either the closing thread sees that it runs, or it sees the closing.
    pub(crate) fn begin(&self, count: Count) -> Option<Running<'_>> {
        self.begun.fetch_add(u64::from(count == Count::Whole), Ordering::Relaxed);
        self.running.fetch_add(1, Ordering::SeqCst);
        let running = Running(self);
        (!self.is_closing()).then_some(running)
    }

    /// Lets no call begin from now on.
    pub(crate) fn refuse(&self) {
        self.closing.store(true, Ordering::SeqCst);
    }

    /// Lets calls begin again.
    pub(crate) fn admit(&self) {
        self.closing.store(false, Ordering::SeqCst);
    }

    /// Waits until none runs; false when that takes longer than until then.
    pub(crate) fn drain(&self, until: Option<Instant>) -> bool {
        let mut waiting = self.waiting.lock();
        while self.running.load(Ordering::SeqCst) > 0 {
            match until {
                None => self.idle.wait(&mut waiting),
                Some(until) => {
                    if self.idle.wait_until(&mut waiting, until).timed_out() {
                        return self.running.load(Ordering::SeqCst) == 0;
                    }
                }
            }
        }
        true
    }
}

/// How a call counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    Whole,
    /// Not at all: its beginning has.
    Piece,
}

/// A call that runs.
pub(crate) struct Running<'a>(&'a Calls);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let last = self.0.running.fetch_sub(1, Ordering::SeqCst) == 1;
        if last && self.0.is_closing() {
            // Taken so that who waits has either not looked yet or hears this.
            drop(self.0.waiting.lock());
            self.0.idle.notify_all();
        }
    }
}

/// What a call fails with that comes after closing began, or is cut short by it.
pub(crate) fn closing() -> Error {
    Error::new(ErrorKind::Closed, "the store is closing").mend("open it again")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_drains_waits_for_the_calls_that_run_and_no_others_begin() {
        let calls = Arc::new(Calls::default());
        let running = calls.begin(Count::Whole).unwrap();
        calls.refuse();
        assert!(calls.begin(Count::Whole).is_none());
        assert!(!calls.drain(Instant::now().checked_add(Duration::from_millis(1))), "one is running");
        std::thread::scope(|scope| {
            let drained = scope.spawn(|| calls.drain(None));
            drop(running);
            assert!(drained.join().unwrap());
        });
        calls.admit();
        assert!(calls.begin(Count::Piece).is_some());
        assert_eq!(calls.counts(), (2, 0));
    }
}
