//! Stopping a call that another thread runs, and calls that run out of time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};
use crate::sync::{AtomicBool, Ordering};

/// Tells a running query or scan to stop. Clones tell the same; it cannot be taken back.
///
/// A call that is stopped returns an error of kind [`ErrorKind::Cancelled`]. It looks between pieces of work that take
/// about a millisecond each; the first search of a file after opening also verifies checksums, and does that to the end.
///
/// ```
/// # fn main() -> driftline::Result<()> {
/// use driftline::{CancelToken, Database, ErrorKind, Metric, Record, Schema};
/// let db = Database::in_memory()?;
/// let points = db.create_collection("points", Schema::vector(1, Metric::L2))?;
/// points.put(Record::new(1u64).vector([1.0]))?;
///
/// let cancel = CancelToken::new();
/// cancel.cancel();
/// let stopped = points.query().nearest([0.0]).cancel(&cancel).run();
/// assert_eq!(stopped.unwrap_err().kind(), ErrorKind::Cancelled);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// A token that nobody has cancelled.
    pub fn new() -> CancelToken {
        CancelToken::default()
    }

    /// Stops the calls that were given this token, those that begin later too.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.is_cancelled() {
            return Err(Error::new(ErrorKind::Cancelled, "the caller cancelled it").mend("run it again to have it all"));
        }
        Ok(())
    }
}

/// What ends a call before it is done.
#[derive(Debug, Clone, Default)]
pub(crate) struct Limit {
    pub(crate) cancel: CancelToken,
    until: Option<Instant>,
}

impl Limit {
    /// From now on at most `time`; a time too long to count is none.
    pub(crate) fn new(cancel: CancelToken, time: Option<Duration>) -> Limit {
        Limit { cancel, until: time.and_then(|time| Instant::now().checked_add(time)) }
    }

    /// Whether to stop now. Asks the clock only where there is a deadline.
    pub(crate) fn is_reached(&self) -> bool {
        self.cancel.is_cancelled() || self.until.is_some_and(|until| Instant::now() >= until)
    }
}
