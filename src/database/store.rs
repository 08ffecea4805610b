//! An open store with its threads: what all handles share, and what closes when the last of them goes.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::database::background::Threads;
use crate::database::engine::{Access, Engine};
use crate::database::options::{Maintenance, Options};
use crate::database::recovery::{self, RecoveryReport};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::fs::FileSystem;
use crate::sync::{Mutex, Ordering};

/// An open store. Dropping it closes it.
pub(crate) struct Store {
    engine: Arc<Engine>,
    threads: Mutex<Option<Threads>>,
    report: RecoveryReport,
    on_close: Mutex<Vec<CloseCallback>>,
    closing: Mutex<()>,
}

/// Something to be done when the store closes.
pub(crate) struct CloseCallback(pub(crate) Box<dyn FnOnce() + Send>);

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.engine.location()).finish()
    }
}

impl fmt::Debug for CloseCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CloseCallback")
    }
}

impl Store {
    /// Opens the store on `fs` and starts its threads, if it is to have any.
    pub(crate) fn open(fs: Arc<dyn FileSystem>, options: Options, access: Access) -> Result<Arc<Store>> {
        options.check()?;
        let automatic = options.maintenance == Maintenance::Automatic && access == Access::ReadWrite;
        let opened = recovery::open(fs, options, access)?;
        let threads = if automatic { Some(Threads::start(&opened.engine, opened.wakes)?) } else { None };
        Ok(Arc::new(Store {
            engine: opened.engine,
            threads: Mutex::new(threads),
            report: opened.report,
            on_close: Mutex::default(),
            closing: Mutex::default(),
        }))
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    pub(crate) fn report(&self) -> &RecoveryReport {
        &self.report
    }

    pub(crate) fn on_close(&self, callback: CloseCallback) {
        self.on_close.lock().push(callback);
    }
}

impl Store {
    /// Closes the store; see [`Database::close`](crate::Database::close).
    pub(crate) fn close(&self, timeout: Option<Duration>) -> Result<()> {
        // A second call waits for the first.
        let _closing = self.closing.lock();
        let engine = &self.engine;
        if engine.closed.load(Ordering::Acquire) {
            return Ok(());
        }
        if let Err(busy) = self.stop_calls(timeout) {
            engine.calls.admit();
            // What was cut short is done after all.
            engine.waker.wake_all();
            return Err(busy);
        }
        engine.waker.wake_all();
        engine.pressure.relieved.notify_all();
        if let Some(threads) = self.threads.lock().take() {
            threads.join();
        }
        let flushed = match engine.access {
            Access::ReadOnly => Ok(()),
            Access::ReadWrite => self.flush_or_seal(),
        };
        self.run_callbacks();
        // A publishing that has begun comes first; later ones are refused.
        let manifest = engine.manifest.lock();
        *engine.lock.lock() = None;
        drop(manifest);
        flushed
    }

    /// Refuses new calls, has merges and builds of indexes end, and waits for the calls in flight.
    fn stop_calls(&self, timeout: Option<Duration>) -> Result<()> {
        let engine = &self.engine;
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        engine.calls.refuse();
        engine.pressure.relieved.notify_all();
        let busy = || {
            let waited = timeout.unwrap_or_default();
            Error::new(ErrorKind::Busy, format!("calls were still in flight after {waited:.1?}"))
                .mend("the store is still open; close it again")
        };
        if !engine.calls.drain(until) {
            return Err(busy());
        }
        let (_activity, mut log) = match until {
            None => (engine.activity.write(), engine.log.lock()),
            Some(until) => {
                let activity = engine.activity.try_write_until(until).ok_or_else(busy)?;
                (activity, engine.log.try_lock_until(until).ok_or_else(busy)?)
            }
        };
        log.closed = true;
        engine.closed.store(true, Ordering::Release);
        Ok(())
    }

    /// Brings everything into files; where that fails, makes the log durable and marks its end, so that the next
    /// opening knows that it is whole.
    fn flush_or_seal(&self) -> Result<()> {
        let flushed = self.engine.flush_all_and_close_log();
        if flushed.is_err() && self.engine.poison.check().is_ok() {
            let mut log = self.engine.log.lock();
            if let Some(writer) = &mut log.writer {
                writer.seal()?;
            }
        }
        flushed
    }

    fn run_callbacks(&self) {
        let callbacks = std::mem::take(&mut *self.on_close.lock());
        for callback in callbacks.into_iter().rev() {
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(callback.0)).is_err() {
                tracing::error!("a callback panicked while the store was closed");
            }
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Err(error) = self.close(None) {
            tracing::error!(%error, "closing the store failed; the log keeps what was acknowledged");
        }
    }
}
