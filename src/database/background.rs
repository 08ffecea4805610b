//! Maintenance: what is due, one small step at a time, run by two threads or by the caller.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError};

use crate::collection::view::CollectionView;
use crate::database::engine::Engine;
use crate::database::waker::Wakes;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::CollectionId;
use crate::sync::Ordering;

/// A collection is sealed at this many rows in memory, whatever they weigh.
const SEAL_ROWS: u32 = 65_536;
/// How long a thread rests after a failure before it tries again.
const BACK_OFF: Duration = Duration::from_secs(1);
/// How long a thread sleeps when nothing is due; it is woken when something is.
const IDLE: Duration = Duration::from_secs(3600);

/// A step of maintenance that was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Work {
    /// The log was synced, as [`Durability::Interval`](crate::Durability::Interval) promises.
    SyncedLog,
    /// Rows in memory were brought into files.
    Flushed,
    /// Files were merged.
    Merged,
}

/// The maintenance threads of a store.
#[derive(Debug)]
pub(crate) struct Threads(Vec<JoinHandle<()>>);

impl Threads {
    pub(crate) fn start(engine: &Arc<Engine>, wakes: Wakes) -> Result<Threads> {
        let flusher = spawn(engine, "driftline-flush", wakes.flusher, Engine::flush_step)?;
        let merger = spawn(engine, "driftline-merge", wakes.merger, Engine::merge_step)?;
        Ok(Threads(vec![flusher, merger]))
    }

    /// Waits for the threads to end; the engine has been marked closed and woken.
    pub(crate) fn join(self) {
        for thread in self.0 {
            // A panic has poisoned the store; there is nothing to add here.
            let _ = thread.join();
        }
    }
}

fn spawn(
    engine: &Arc<Engine>,
    name: &str,
    wakes: Receiver<()>,
    step: fn(&Engine) -> Result<Option<Work>>,
) -> Result<JoinHandle<()>> {
    let engine = Arc::clone(engine);
    let run = move || {
        let _guard = PoisonOnPanic(&engine);
        let mut rest = Duration::ZERO;
        while !matches!(wakes.recv_timeout(rest), Err(RecvTimeoutError::Disconnected)) {
            if engine.closed.load(Ordering::Acquire) {
                return;
            }
            rest = engine.run_steps(step);
        }
    };
    std::thread::Builder::new()
        .name(name.into())
        .spawn(run)
        .map_err(|error| Error::io("start a maintenance thread", name, error))
}

struct PoisonOnPanic<'a>(&'a Engine);

impl Drop for PoisonOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.poison.set(&Error::internal("a maintenance thread panicked"));
            self.0.pressure.relieved.notify_all();
        }
    }
}

impl Engine {
    /// Runs steps until none is due or one fails; returns how long to rest.
    fn run_steps(&self, step: fn(&Engine) -> Result<Option<Work>>) -> Duration {
        loop {
            let done = step(self);
            let failure = done.as_ref().err().cloned();
            *self.pressure.failure.lock() = failure.clone();
            self.pressure.relieved.notify_all();
            match done {
                Ok(Some(_)) if !self.closed.load(Ordering::Acquire) => {}
                Ok(_) => return self.until_sync_due().unwrap_or(IDLE),
                Err(error) => {
                    tracing::warn!(%error, "maintenance failed and will be tried again");
                    let again = error.kind() != ErrorKind::Poisoned;
                    return if again { BACK_OFF } else { IDLE };
                }
            }
        }
    }

    fn until_sync_due(&self) -> Option<Duration> {
        let due = self.log.lock().sync_due?;
        Some(due.since(self.options.clock.now()).max(Duration::from_millis(1)))
    }

    /// One step of whatever is due, on the calling thread.
    pub(crate) fn tick(&self) -> Result<Option<Work>> {
        self.check_writable()?;
        match self.flush_step()? {
            Some(work) => Ok(Some(work)),
            None => self.merge_step(),
        }
    }

    /// Syncs the log or flushes, if either is due.
    fn flush_step(&self) -> Result<Option<Work>> {
        self.poison.check()?;
        if self.sync_if_due()? {
            return Ok(Some(Work::SyncedLog));
        }
        let due = self.due_collections();
        if due.is_empty() {
            return Ok(None);
        }
        self.flush(&due)?;
        self.waker.wake();
        Ok(Some(Work::Flushed))
    }

    fn merge_step(&self) -> Result<Option<Work>> {
        self.poison.check()?;
        Ok(self.merge_next()?.then_some(Work::Merged))
    }

    fn sync_if_due(&self) -> Result<bool> {
        let mut log = self.log.lock();
        if log.sync_due.is_none_or(|due| due > self.options.clock.now()) {
            return Ok(false);
        }
        self.sync_log(&mut log)?;
        Ok(true)
    }

    /// Whether the rows of a collection in memory are to be sealed.
    pub(crate) fn is_large(&self, collection: &CollectionView) -> bool {
        collection.mutable.rows() >= SEAL_ROWS || collection.mutable.bytes() >= self.options.seal_bytes()
    }

    /// Whether the rows of all collections in memory take half the budget.
    pub(crate) fn is_half_full(&self) -> bool {
        self.pressure.unsealed_bytes.load(Ordering::Relaxed) >= self.options.memory_budget_bytes / 2
    }

    /// The collections that should be flushed now: those that are large, those whose last flush failed, the largest
    /// when all together take half the budget, and those that hold back too long a log.
    fn due_collections(&self) -> Vec<CollectionId> {
        let view = self.current().view;
        let usable = || view.collections.values().filter(|collection| collection.damage.is_none());
        let mut due: Vec<CollectionId> = usable()
            .filter(|collection| !collection.frozen.is_empty() || self.is_large(collection))
            .map(|collection| collection.id)
            .collect();
        if due.is_empty() && self.is_half_full() {
            due.extend(usable().max_by_key(|collection| collection.mutable.bytes()).map(|collection| collection.id));
        }
        let logs = self.logs_listed.load(Ordering::Relaxed).saturating_sub(1);
        if due.is_empty() && logs * self.options.log_file_bytes >= self.options.log_budget_bytes {
            let first = |id: &CollectionId| view.collections.get(id).and_then(|it| it.mutable.first_lsn());
            let dirty = usable().map(|collection| collection.id).filter(|id| first(id).is_some());
            due.extend(dirty.min_by_key(first));
        }
        due
    }
}
