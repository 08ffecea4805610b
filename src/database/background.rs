//! Maintenance: what is due, one small step at a time, run by threads of its own or by the caller.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError};

use crate::collection::view::CollectionView;
use crate::database::engine::{Engine, PoisonOnPanic};
use crate::database::waker::Wakes;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::CollectionId;
use crate::sync::Ordering;

/// A collection is sealed at this many rows in memory, whatever they weigh.
const SEAL_ROWS: u32 = 65_536;
/// How long a thread rests after a failure before it tries again.
const BACK_OFF: Duration = Duration::from_secs(1);
/// How long a thread sleeps when nothing is due; it is woken when something is.
pub(crate) const IDLE: Duration = Duration::from_secs(3600);

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
    /// The index of a file was built, or dropped.
    Indexed,
    /// An index was copied into memory.
    KeptResident,
    /// Queries were asked again, and what they find was recorded.
    Audited,
    /// Rows in memory were indexed.
    IndexedMemory,
    /// A piece of a file was read to see whether it is damaged.
    Scrubbed,
}

/// The maintenance threads of a store.
#[derive(Debug)]
pub(crate) struct Threads(Vec<JoinHandle<()>>);

impl Threads {
    pub(crate) fn start(engine: &Arc<Engine>, wakes: Wakes) -> Result<Threads> {
        let mut plan: Vec<(&str, Receiver<()>, Step, Idle)> = vec![
            ("driftline-sync", wakes.syncer, Engine::sync_step, Engine::until_sync_due),
            ("driftline-flush", wakes.flusher, Engine::flush_step, |_| IDLE),
            ("driftline-merge", wakes.merger, Engine::merge_step, |_| IDLE),
            ("driftline-index", wakes.indexer, Engine::index_step, |_| IDLE),
        ];
        if engine.audit.is_on() {
            plan.push(("driftline-audit", wakes.auditor, Engine::audit_step, Engine::until_audit_due));
        }
        if engine.scrub.options.is_some() {
            plan.push(("driftline-scrub", wakes.scrubber, Engine::scrub_step, Engine::until_scrub_due));
        }
        let mut threads = Threads(Vec::new());
        for (name, wakes, step, idle) in plan {
            match spawn(engine, name, wakes, step, idle) {
                Ok(thread) => threads.0.push(thread),
                Err(error) => {
                    engine.closed.store(true, Ordering::Release);
                    engine.waker.wake_all();
                    threads.join();
                    return Err(error);
                }
            }
        }
        Ok(threads)
    }

    /// Waits for the threads to end; the engine has been marked closed and woken.
    pub(crate) fn join(self) {
        for thread in self.0 {
            // A panic has poisoned the store; there is nothing to add here.
            let _ = thread.join();
        }
    }
}

/// What a thread does over and over: one step, or nothing when none is due.
type Step = fn(&Engine) -> Result<Option<Work>>;
/// How long it may sleep when nothing is due.
type Idle = fn(&Engine) -> Duration;

fn spawn(engine: &Arc<Engine>, name: &str, wakes: Receiver<()>, step: Step, idle: Idle) -> Result<JoinHandle<()>> {
    let engine = Arc::clone(engine);
    let run = move || {
        let _guard = PoisonOnPanic(&engine, "a maintenance thread panicked");
        let mut rest = Rest::UntilWoken(Duration::ZERO);
        while rest.take(&wakes, &engine) {
            rest = engine.run_steps(step, idle);
        }
    };
    std::thread::Builder::new()
        .name(name.into())
        .spawn(run)
        .map_err(|error| Error::io("start a maintenance thread", name, error))
}

/// How a thread rests between its steps.
enum Rest {
    /// Until it is woken, or this long.
    UntilWoken(Duration),
    /// This long, whoever wakes it, after a failure.
    BackOff,
}

impl Rest {
    /// Rests; false when the thread shall end.
    fn take(&self, wakes: &Receiver<()>, engine: &Engine) -> bool {
        let start = Instant::now();
        let time = match self {
            Rest::UntilWoken(time) => *time,
            Rest::BackOff => BACK_OFF,
        };
        loop {
            let left = time.saturating_sub(start.elapsed());
            let woken = wakes.recv_timeout(left);
            if engine.closed.load(Ordering::Acquire) || matches!(woken, Err(RecvTimeoutError::Disconnected)) {
                return false;
            }
            if woken.is_err() || matches!(self, Rest::UntilWoken(_)) {
                return true;
            }
        }
    }
}

impl Engine {
    /// Runs steps until none is due or one fails; returns how to rest.
    fn run_steps(&self, step: Step, idle: Idle) -> Rest {
        loop {
            if self.is_stopping() {
                return Rest::UntilWoken(IDLE);
            }
            match step(self) {
                Ok(Some(_)) if !self.is_stopping() => {}
                Ok(_) => return Rest::UntilWoken(idle(self)),
                Err(error) if error.kind() == ErrorKind::Poisoned => return Rest::UntilWoken(IDLE),
                // Closing has cut it short.
                Err(_) if self.is_stopping() => return Rest::UntilWoken(IDLE),
                Err(error) => {
                    tracing::warn!(%error, "maintenance failed and will be tried again");
                    return Rest::BackOff;
                }
            }
        }
    }

    fn until_sync_due(&self) -> Duration {
        let due = self.log.lock().sync_due;
        due.map_or(IDLE, |due| due.wait(self.options.clock.now()).max(Duration::from_millis(1)))
    }

    /// One step of whatever is due, on the calling thread.
    pub(crate) fn tick(&self) -> Result<Option<Work>> {
        let _busy = self.begin()?;
        self.first_due(&[
            Engine::sync_step,
            Engine::flush_step,
            Engine::merge_step,
            Engine::index_step,
            Engine::audit_step,
            Engine::scrub_step,
        ])
    }

    /// Runs the first of `steps` that is due. One that fails keeps no later one from its turn; the first failure is
    /// returned when none did anything, and at once when nothing can be written any more.
    fn first_due(&self, steps: &[Step]) -> Result<Option<Work>> {
        let mut failure = None;
        for step in steps {
            match step(self) {
                Ok(None) => {}
                Ok(done) => return Ok(done),
                Err(error) if self.poison.check().is_err() => return Err(failure.unwrap_or(error)),
                Err(error) => drop(failure.get_or_insert(error)),
            }
        }
        failure.map_or(Ok(None), Err)
    }

    /// Syncs the log if it is due.
    fn sync_step(&self) -> Result<Option<Work>> {
        self.poison.check()?;
        let mut log = self.log.lock();
        if log.sync_due.is_none_or(|due| !due.wait(self.options.clock.now()).is_zero()) {
            return Ok(None);
        }
        self.sync_log(&mut log)?;
        Ok(Some(Work::SyncedLog))
    }

    /// Flushes the collections that are due.
    fn flush_step(&self) -> Result<Option<Work>> {
        self.poison.check()?;
        let due = self.due_collections();
        if due.is_empty() {
            return Ok(None);
        }
        let flushed = self.flush(&due);
        *self.pressure.flush_failure.lock() = flushed.as_ref().err().cloned();
        self.pressure.relieved.notify_all();
        flushed?;
        Ok(Some(Work::Flushed))
    }

    /// Merges what should be merged next.
    fn merge_step(&self) -> Result<Option<Work>> {
        self.poison.check()?;
        let merged = self.merge_next();
        *self.pressure.merge_failure.lock() = failure_of(&merged);
        if merged? {
            self.waker.wake_indexer();
            return Ok(Some(Work::Merged));
        }
        Ok(None)
    }

    /// Builds the index that is missed most.
    pub(crate) fn index_step(&self) -> Result<Option<Work>> {
        self.poison.check()?;
        self.first_due(&[
            |engine| {
                let indexed = engine.index_next();
                *engine.pressure.index_failure.lock() = failure_of(&indexed);
                Ok(indexed?.then_some(Work::Indexed))
            },
            |engine| Ok(engine.keep_next_resident()?.then_some(Work::KeptResident)),
            |engine| Ok(engine.index_next_wave()?.then_some(Work::IndexedMemory)),
        ])
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
        if due.is_empty() && self.pressure.log_bytes.load(Ordering::Relaxed) >= self.options.log_budget_bytes {
            let first = |id: &CollectionId| view.collections.get(id).and_then(|it| it.mutable.first_lsn());
            let logged = usable().filter(|collection| !collection.schema.is_ephemeral());
            let dirty = logged.map(|collection| collection.id).filter(|id| first(id).is_some());
            due.extend(dirty.min_by_key(first));
        }
        due
    }
}

/// Why maintenance failed, unless it was cut short because the store closes.
pub(crate) fn failure_of<T>(done: &Result<T>) -> Option<Error> {
    done.as_ref().err().filter(|error| error.kind() != ErrorKind::Closed).cloned()
}
