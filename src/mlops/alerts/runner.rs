//! Bringing alerts to one handler: what it has not heard yet is read from the store, and how far it is, is stored.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::alert::Alert;
use super::handler::{Delivery, Handler};
use super::records::{ALERTS, KEPT_ALERTS};
use crate::collection::record::Record;
use crate::database::bystander::Bystander;
use crate::error::{Error, ErrorKind, Result, caught};
use crate::key::Key;
use crate::mlops::table;
use crate::payload::Value;
use crate::sync::{Condvar, Mutex};

/// The collection of how far each handler is, by its name.
pub(super) const HANDLERS: &str = "_alert_handlers";
/// A handler that is further behind than this passes over what is older. Actions wait for as long as their alert is kept.
const QUEUE: u64 = 1_000;
/// So often an alert is brought to a handler that fails.
const ATTEMPTS: u32 = 3;
/// A thread looks so often on its own, for alerts whose batch the caller has committed.
const POLL: Duration = Duration::from_secs(1);
/// Whoever wants alerts delivered waits so long for a thread that delivers them; a handler may hang.
const PATIENCE: Duration = Duration::from_secs(10);
/// Alerts read at a time.
const PAGE: usize = 64;

/// How far a handler is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HandlerStatus {
    /// Its name.
    pub name: String,
    /// The number of the last alert it is done with.
    pub last: u64,
    /// Alerts it was told of.
    pub delivered: u64,
    /// Alerts that were given up because it failed three times.
    pub failed: u64,
    /// Alerts that were passed over because it was more than 1,000 behind; of `actions`, 10,000, as many as are kept.
    pub missed: u64,
    /// Why it failed last.
    pub last_error: Option<String>,
}

/// A handler and how far it is.
pub(super) struct Runner {
    store: Bystander,
    handler: Mutex<Box<dyn Handler>>,
    progress: Mutex<Progress>,
    signal: Signal,
    /// Whether an alert is passed over after some attempts, or when it is too far behind.
    gives_up: bool,
}

struct Progress {
    status: HandlerStatus,
    /// Failed attempts at the alert that comes next.
    attempts: u32,
    /// What was passed over since the last alert it was told of.
    missed: u64,
}

/// Wakes a thread, or ends it.
#[derive(Default)]
struct Signal {
    state: Mutex<Woken>,
    changed: Condvar,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Woken {
    #[default]
    No,
    Yes,
    End,
}

impl Runner {
    pub(super) fn new(store: Bystander, handler: Box<dyn Handler>, status: HandlerStatus, gives_up: bool) -> Runner {
        let progress = Mutex::new(Progress { status, attempts: 0, missed: 0 });
        Runner { store, handler: Mutex::new(handler), progress, signal: Signal::default(), gives_up }
    }

    pub(super) fn status(&self) -> HandlerStatus {
        self.progress.lock().status.clone()
    }

    /// Begins a thread that brings alerts until it is ended, or the store is closed.
    pub(super) fn start(self: &Arc<Runner>) -> Result<()> {
        let runner = Arc::clone(self);
        let run = move || {
            loop {
                match runner.deliver() {
                    Err(error) if error.kind() == ErrorKind::Closed => return,
                    Err(error) => tracing::warn!(%error, "alerts could not be delivered and will be tried again"),
                    Ok(_) => {}
                }
                if runner.signal.wait() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("driftline-alert".into()).spawn(run);
        thread.map(drop).map_err(|error| Error::io("start a thread for alerts", "driftline-alert", error))
    }

    pub(super) fn wake(&self) {
        self.signal.set(Woken::Yes);
    }

    pub(super) fn end(&self) {
        self.signal.set(Woken::End);
    }

    /// Brings what the handler has not heard yet, until it fails; tells how many deliveries were made. Does nothing while
    /// another thread does it.
    pub(super) fn deliver(&self) -> Result<u64> {
        let Some(mut handler) = self.handler.try_lock() else { return Ok(0) };
        self.bring(handler.as_mut())
    }

    /// The same, after waiting a while for the thread that does it. Tells why the handler stands still, if it does.
    pub(super) fn deliver_patiently(&self) -> Result<Option<String>> {
        let Some(mut handler) = self.handler.try_lock_for(PATIENCE) else {
            return Ok(Some(format!("it has not ended for {PATIENCE:?}")));
        };
        self.bring(handler.as_mut())?;
        let progress = self.progress.lock();
        Ok(progress.status.last_error.clone().filter(|_| progress.attempts > 0))
    }

    fn bring(&self, handler: &mut dyn Handler) -> Result<u64> {
        let mut made = 0;
        loop {
            self.pass_over()?;
            let page = self.next_page()?;
            if page.is_empty() {
                return Ok(made);
            }
            for alert in page {
                // It may have been removed while it worked, and added again: then another one goes on from where this stood.
                if self.signal.is_end() {
                    return Ok(made);
                } else if !alert.told {
                    self.progress.lock().status.last = alert.id;
                } else if self.tell(handler, alert)? {
                    made += 1;
                } else {
                    return Ok(made);
                }
            }
        }
    }

    fn next_page(&self) -> Result<Vec<Alert>> {
        let after = Key::from(self.progress.lock().status.last);
        let records = self.store.records_after(ALERTS, &after, PAGE)?;
        records.into_iter().map(|record| Ok(table::read(ALERTS, record)?.value)).collect()
    }

    /// Passes over what is older than the queue is long.
    fn pass_over(&self) -> Result<()> {
        let queue = if self.gives_up { QUEUE } else { KEPT_ALERTS };
        let newest = self.store.last_key(ALERTS)?.and_then(|key| key.as_number()).unwrap_or(0);
        let mut progress = self.progress.lock();
        let missed = newest.saturating_sub(queue).saturating_sub(progress.status.last);
        if missed > 0 {
            progress.status.last += missed;
            progress.status.missed += missed;
            progress.missed += missed;
            progress.attempts = 0;
            tracing::warn!(handler = %progress.status.name, missed, "a handler of alerts is too far behind");
        }
        Ok(())
    }

    /// Tells the handler of an alert and stores that it was told; false where it is to be told again later. No lock but
    /// the handler's own is held while it works.
    fn tell(&self, handler: &mut dyn Handler, alert: Alert) -> Result<bool> {
        let number = alert.id;
        let delivery = {
            let progress = self.progress.lock();
            let id = format!("{}/{number}", progress.status.name);
            Delivery { id, alert, attempt: progress.attempts + 1, missed: progress.missed }
        };
        let outcome = caught(|| handler.handle(&delivery)).and_then(|answer| answer);
        let mut progress = self.progress.lock();
        match outcome {
            Ok(()) => progress.status.delivered += 1,
            Err(why) => {
                tracing::warn!(handler = %progress.status.name, alert = number, error = %why, "a handler of alerts failed");
                progress.status.last_error = Some(why);
                progress.attempts = progress.attempts.saturating_add(1);
                if !self.gives_up || progress.attempts < ATTEMPTS {
                    return Ok(false);
                }
                progress.status.failed += 1;
            }
        }
        progress.status.last = number;
        (progress.attempts, progress.missed) = (0, 0);
        let status = progress.status.clone();
        drop(progress);
        // Where that fails, alerts are told again after the next opening, and not before.
        self.store(&status)?;
        Ok(true)
    }

    fn store(&self, status: &HandlerStatus) -> Result<()> {
        let payload = serde_json::to_value(status).map_err(|error| Error::internal(error.to_string()))?;
        self.store.put(HANDLERS, &Record::new(status.name.as_str()).payload(Value::from(payload)))
    }
}

impl Signal {
    fn set(&self, to: Woken) {
        let mut state = self.state.lock();
        if *state != Woken::End {
            *state = to;
        }
        self.changed.notify_all();
    }

    fn is_end(&self) -> bool {
        *self.state.lock() == Woken::End
    }

    /// Waits until it is set, or a while; tells whether to end.
    fn wait(&self) -> bool {
        let mut state = self.state.lock();
        if *state == Woken::No {
            self.changed.wait_for(&mut state, POLL);
        }
        let end = *state == Woken::End;
        if !end {
            *state = Woken::No;
        }
        end
    }
}
