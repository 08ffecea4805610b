//! Ctrl-C: cancels the statement that runs. A second one while it still runs ends the program, and so does one while
//! nothing runs, unless there is a conversation: there the line editor hears it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use driftline::CancelToken;

use crate::failure::{CANCELLED, Failure, Outcome};

/// What Ctrl-C cancels now.
#[derive(Clone, Default)]
pub(crate) struct Interrupt {
    /// What runs, the outermost first.
    running: Arc<Mutex<Vec<CancelToken>>>,
    conversation: Arc<AtomicBool>,
}

impl Interrupt {
    /// Has Ctrl-C cancel what runs.
    pub(crate) fn listen() -> Outcome<Interrupt> {
        let interrupt = Interrupt::default();
        let heard = interrupt.clone();
        ctrlc::set_handler(move || heard.interrupted())
            .map_err(|error| Failure::failed(format!("cannot listen to Ctrl-C: {error}")))?;
        Ok(interrupt)
    }

    fn interrupted(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let again = running.iter().all(CancelToken::is_cancelled);
        if again && (!running.is_empty() || !self.conversation.load(Ordering::Relaxed)) {
            std::process::exit(CANCELLED.into());
        }
        running.iter().for_each(CancelToken::cancel);
    }

    /// Does not end the program while nothing runs, from now on.
    pub(crate) fn begin_conversation(&self) {
        self.conversation.store(true, Ordering::Relaxed);
    }

    /// A token for what begins now; it is forgotten with the guard.
    pub(crate) fn begin(&self) -> Running {
        let token = CancelToken::new();
        self.running.lock().unwrap_or_else(PoisonError::into_inner).push(token.clone());
        Running { interrupt: self.clone(), token }
    }
}

/// Something that runs and can be cancelled. What began later ends earlier.
pub(crate) struct Running {
    interrupt: Interrupt,
    pub(crate) token: CancelToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.interrupt.running.lock().unwrap_or_else(PoisonError::into_inner).pop();
    }
}
