//! Modes: what may be changed in a store, and for how long.

use std::fmt;
use std::sync::Arc;

use serde_json::json;

use crate::collection::record::Record;
use crate::database::batch::Batch;
use crate::database::gate::Mode;
use crate::database::gating::{MODE_KEY, MODES};
use crate::database::handle::Database;
use crate::error::{Error, ErrorKind, Result, caught};
use crate::mlops::audit::AuditEntry;
use crate::mlops::change::Change;
use crate::schema::Schema;
use crate::sync::Mutex;

impl Database {
    /// The mode that this store is in.
    pub fn modes(&self) -> Modes {
        Modes { db: self.clone() }
    }
}

/// The mode of a store: [`Mode::Inference`] from the first version in production on, and [`Mode::Training`] before, unless
/// told otherwise. That first promotion sets the mode where nobody has: it is written down and told like any other change.
///
/// [`Modes::set`] changes it for good, [`Modes::enter`] for as long as a guard lives. What is entered stands in memory only:
/// after a crash the store is in the mode that was set. Every change of mode is in the audit log. May be used from any
/// thread; the mode is that of the store, not of a thread.
///
/// ```
/// use driftline::Database;
/// use driftline::mlops::{Change, Mode};
///
/// let db = Database::in_memory()?;
/// let modes = db.modes();
/// modes.set(Mode::Inference, Change::by("kim"))?;
/// {
///     let _training = modes.enter(Mode::Training, Change::by("kim").because("new data"))?;
///     assert_eq!(modes.current()?, Mode::Training);
///     assert!(modes.require(Mode::Inference).is_err());
/// }
/// assert!(modes.is_inference()?);
/// # Ok::<(), driftline::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Modes {
    db: Database,
}

/// Holds a store in a mode; when the last guard goes, the store is in the mode again that was set.
#[derive(Debug)]
#[must_use = "the mode is left when the guard is dropped"]
pub struct ModeGuard {
    db: Database,
    mode: Mode,
    change: Change,
}

/// What is told of a change of mode.
type Callback = Arc<dyn Fn(Mode, Mode) + Send + Sync>;

/// Who is told of changes of mode.
#[derive(Default)]
struct Callbacks(Mutex<Vec<Callback>>);

impl fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Callbacks")
    }
}

impl Modes {
    /// The mode the store is in.
    pub fn current(&self) -> Result<Mode> {
        self.db.engine().mode()
    }

    /// Whether that is [`Mode::Inference`].
    pub fn is_inference(&self) -> Result<bool> {
        Ok(self.current()? == Mode::Inference)
    }

    /// Changes the mode for good. Fails with `Busy` while a guard holds another one.
    pub fn set(&self, mode: Mode, change: Change) -> Result<()> {
        let engine = self.db.engine();
        let mut before = mode;
        self.db.audit().commit_built(|db| {
            before = engine.mode()?;
            if engine.gate.held().is_some_and(|held| held != mode) {
                return Err(Error::new(ErrorKind::Busy, format!("the store is held in {before} mode"))
                    .mend("wait until those who hold it are done"));
            }
            if engine.mode_set()? == Some(mode) {
                return Ok(None);
            }
            let entry = change.audited("mode.set", "store".into(), json!({"from": before, "to": mode}));
            Ok(Some((put_mode(db, db.batch(), mode)?, vec![entry])))
        })?;
        self.tell(before, mode);
        Ok(())
    }

    /// Brings the store into a mode for as long as the guard lives. Fails with `Busy` while guards hold another one.
    pub fn enter(&self, mode: Mode, change: Change) -> Result<ModeGuard> {
        let mut before = mode;
        let engine = self.db.engine();
        let mut entered = false;
        let done = self.db.audit().commit_built(|db| {
            before = engine.mode()?;
            engine.gate.hold(mode)?;
            entered = true;
            if before == mode {
                return Ok(None);
            }
            let entry = change.audited("mode.enter", "store".into(), json!({"from": before, "to": mode}));
            Ok(Some((db.batch(), vec![entry])))
        });
        if done.is_err() && entered {
            engine.gate.release();
        }
        done?;
        self.tell(before, mode);
        Ok(ModeGuard { db: self.db.clone(), mode, change })
    }

    /// Holds the store in the mode it is in, if it is this one; else fails with `ReadOnly`. For code that may run in
    /// that mode only.
    pub fn require(&self, mode: Mode) -> Result<ModeGuard> {
        let engine = self.db.engine();
        self.db.audit().commit_built(|_| {
            let current = engine.mode()?;
            if current != mode {
                return Err(Error::new(
                    ErrorKind::ReadOnly,
                    format!("the store is in {current} mode, not in {mode} mode"),
                )
                .mend(format!("enter {mode} mode first")));
            }
            engine.gate.hold(mode)?;
            Ok(None)
        })?;
        Ok(ModeGuard { db: self.db.clone(), mode, change: Change::default() })
    }

    /// Has `callback` called with the old and the new mode after each change, on the thread that makes it, in the order of
    /// registering. One that panics is told of in the log and keeps nobody from anything. It is forgotten when the store is
    /// closed.
    pub fn on_change(&self, callback: impl Fn(Mode, Mode) + Send + Sync + 'static) {
        self.db.companion::<Callbacks>().0.lock().push(Arc::new(callback));
    }

    pub(super) fn tell(&self, from: Mode, to: Mode) {
        if from == to {
            return;
        }
        let callbacks = self.db.companion::<Callbacks>().0.lock().clone();
        for callback in callbacks {
            if let Err(why) = caught(|| callback(from, to)) {
                tracing::error!(%from, %to, %why, "a callback failed after a change of mode");
            }
        }
    }
}

impl ModeGuard {
    /// The mode that is held.
    pub fn mode(&self) -> Mode {
        self.mode
    }
}

impl Drop for ModeGuard {
    fn drop(&mut self) {
        let engine = self.db.engine();
        let mut after = self.mode;
        let mut released = false;
        let done = self.db.audit().commit_built(|db| {
            let last = engine.gate.release();
            released = true;
            after = engine.mode()?;
            if !last || after == self.mode {
                return Ok(None);
            }
            let entry = self.change.audited("mode.leave", "store".into(), json!({"from": self.mode, "to": after}));
            Ok(Some((db.batch(), vec![entry])))
        });
        if let Err(error) = done {
            tracing::warn!(%error, "leaving a mode could not be written down");
        }
        debug_assert!(released, "a guard always lets go");
        self.db.modes().tell(self.mode, after);
    }
}

/// That a first version in production sets the mode, where none was ever set.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) entry: AuditEntry,
    /// The mode before and after, to be told of when it is committed; the same where a guard holds it.
    pub(super) from: Mode,
    pub(super) to: Mode,
}

/// Sets the mode in a batch that brings a first version into production, where none was ever set.
pub(super) fn begin_inference(db: &Database, batch: Batch, change: &Change) -> Result<(Batch, Option<Begun>)> {
    let engine = db.engine();
    if engine.mode_set()?.is_some() {
        return Ok((batch, None));
    }
    let (from, to) = (engine.mode()?, engine.gate.held().unwrap_or(Mode::Inference));
    let entry = change.audited("mode.set", "store".into(), json!({"from": from, "to": Mode::Inference}));
    Ok((put_mode(db, batch, Mode::Inference)?, Some(Begun { entry, from, to })))
}

fn put_mode(db: &Database, batch: Batch, mode: Mode) -> Result<Batch> {
    let modes = db.system_collection(MODES, Schema::payload_only)?;
    Ok(batch.put(&modes, Record::new(MODE_KEY).payload(json!({ "mode": mode }))))
}
