//! The flag that stops writing.

use crate::error::{Error, ErrorKind, Result};
use crate::sync::{AtomicBool, Mutex, Ordering};

/// Set once, when the content of the disk became unknown; writes are refused from then on.
#[derive(Debug, Default)]
pub(crate) struct Poison {
    set: AtomicBool,
    why: Mutex<Option<String>>,
}

impl Poison {
    pub(crate) fn set(&self, why: &Error) {
        let mut first = self.why.lock();
        first.get_or_insert_with(|| why.to_string());
        self.set.store(true, Ordering::Release);
        tracing::error!(error = %why, "the store refuses writes until it is reopened");
    }

    pub(crate) fn check(&self) -> Result<()> {
        if !self.set.load(Ordering::Acquire) {
            return Ok(());
        }
        let why = self.why.lock().clone().unwrap_or_default();
        Err(Error::new(ErrorKind::Poisoned, format!("writing stopped after an earlier failure: {why}"))
            .mend("reading goes on; close the store and open it again to write"))
    }
}
