//! Who is told of alerts while the store is open: the handlers and those who do actions.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::actions::{self, Doer, Performers, RUNS};
use super::handler::Handler;
use super::records::Records;
use super::rule::check_name;
use super::runner::{HANDLERS, HandlerStatus, Runner};
use crate::database::handle::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::mlops::table::Table;
use crate::sync::Mutex;

/// The name under which it is kept how far actions are.
const ACTIONS: &str = "actions";

/// The same for all handles of a store.
#[derive(Default)]
pub(super) struct Desk {
    runners: Mutex<BTreeMap<String, Arc<Runner>>>,
    pub(super) performers: Performers,
}

impl Desk {
    /// Adds a handler, which hears of what it has not heard yet under this name, or of what comes from now on.
    pub(super) fn add(&self, db: &Database, name: &str, handler: Box<dyn Handler>) -> Result<()> {
        check_name("the name of a handler", name)?;
        if name == ACTIONS {
            return Err(Error::invalid("the handler `actions` is that of the store").mend("use another name"));
        }
        self.begin(db, name, handler)
    }

    /// Begins to have actions done, if that was not begun yet.
    pub(super) fn do_actions(&self, db: &Database) -> Result<()> {
        db.system_collection(RUNS, actions::schema)?;
        let doer = Doer { store: db.bystander(), performers: Arc::clone(&self.performers), unwritten: None };
        match self.begin(db, ACTIONS, Box::new(doer)) {
            Err(error) if error.kind() == ErrorKind::Exists => Ok(()),
            other => other,
        }
    }

    fn begin(&self, db: &Database, name: &str, handler: Box<dyn Handler>) -> Result<()> {
        let mut runners = self.runners.lock();
        if runners.contains_key(name) {
            return Err(Error::new(ErrorKind::Exists, format!("there is a handler `{name}` already"))
                .mend("remove it first, or use another name"));
        }
        let table = Table::<HandlerStatus>::new(db, HANDLERS);
        let status = match table.get(name)? {
            Some(row) => row.value,
            None => {
                let last = Records::new(db).last_alert()?;
                let status = HandlerStatus { name: name.into(), last, ..HandlerStatus::default() };
                table.put(name, &status)?;
                status
            }
        };
        let runner = Arc::new(Runner::new(db.bystander(), handler, status, name != ACTIONS));
        if db.bystander().may_start_threads() {
            runner.start()?;
            let ended = Arc::downgrade(&runner);
            db.on_close(move || ended.upgrade().iter().for_each(|runner| runner.end()));
        }
        runners.insert(name.into(), runner);
        Ok(())
    }

    /// Removes a handler; tells whether there was one. It keeps its place, and goes on from there when it is added again.
    pub(super) fn remove(&self, name: &str) -> bool {
        let removed = self.runners.lock().remove(name);
        removed.iter().for_each(|runner| runner.end());
        removed.is_some()
    }

    pub(super) fn statuses(&self) -> Vec<HandlerStatus> {
        self.all().iter().map(|runner| runner.status()).collect()
    }

    /// Has the threads look for alerts.
    pub(super) fn wake(&self) {
        self.all().iter().for_each(|runner| runner.wake());
    }

    /// Brings alerts to all handlers on this thread, unless they have threads.
    pub(super) fn deliver(&self, db: &Database) -> Result<u64> {
        if db.bystander().may_start_threads() {
            self.wake();
            return Ok(0);
        }
        self.all().iter().try_fold(0, |made, runner| Ok(made + runner.deliver()?))
    }

    /// Has what alerts ask for done on this thread, or waits a while for the thread that is at it. Tells why some of it could
    /// not be done yet, where that is so.
    pub(super) fn act(&self) -> Result<Option<String>> {
        let Some(runner) = self.runners.lock().get(ACTIONS).cloned() else { return Ok(None) };
        runner.deliver_patiently()
    }

    fn all(&self) -> Vec<Arc<Runner>> {
        self.runners.lock().values().cloned().collect()
    }
}
