//! Ctrl-C: cancels the statement that runs. A second one while it still runs ends the program, and so does one while
//! nothing runs, unless there is a conversation: there the line editor hears it. SIGTERM closes the store and ends the
//! program, whatever it does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

#[cfg(unix)]
use std::time::Duration;

use driftline::{CancelToken, Database};

use crate::failure::{CANCELLED, Failure, Outcome};

/// What Ctrl-C cancels now.
#[derive(Clone, Default)]
pub(crate) struct Interrupt {
    /// What runs, the outermost first.
    running: Arc<Mutex<Vec<CancelToken>>>,
    conversation: Arc<AtomicBool>,
    /// What a request to end closes.
    store: Arc<Mutex<Option<Database>>>,
}

/// How long a program that was asked to end waits for what is in flight.
#[cfg(unix)]
const CLOSE_WITHIN: Duration = Duration::from_secs(30);
/// Ended by SIGTERM, as a shell says it.
#[cfg(unix)]
const TERMINATED: i32 = 143;

impl Interrupt {
    /// Has Ctrl-C cancel what runs.
    pub(crate) fn listen() -> Outcome<Interrupt> {
        let interrupt = Interrupt::default();
        let heard = interrupt.clone();
        ctrlc::set_handler(move || heard.interrupted())
            .map_err(|error| Failure::failed(format!("cannot listen to Ctrl-C: {error}")))?;
        interrupt.listen_to_termination()?;
        Ok(interrupt)
    }

    /// Has SIGTERM close the store and end the program.
    #[cfg(unix)]
    fn listen_to_termination(&self) -> Outcome {
        let failed = |error| Failure::failed(format!("cannot listen to SIGTERM: {error}"));
        let mut signals = signal_hook::iterator::Signals::new([signal_hook::consts::SIGTERM]).map_err(failed)?;
        let interrupt = self.clone();
        let listen = move || {
            if signals.forever().next().is_some() {
                interrupt.terminate();
            }
        };
        std::thread::Builder::new().name("termination".into()).spawn(listen).map_err(failed)?;
        Ok(())
    }

    #[cfg(not(unix))]
    fn listen_to_termination(&self) -> Outcome {
        Ok(())
    }

    /// Cancels what runs, closes the store, and ends the program; what cannot be written in time is in the log.
    #[cfg(unix)]
    fn terminate(&self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(CancelToken::cancel);
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(Err(error)) = store.map(|store| store.close_within(CLOSE_WITHIN)) {
            eprintln!("error: the store could not be closed: {error}");
        }
        std::process::exit(TERMINATED);
    }

    /// Which store is open now.
    pub(crate) fn watch(&self, store: Option<&Database>) {
        *self.store.lock().unwrap_or_else(PoisonError::into_inner) = store.cloned();
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

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_to_end_waits_for_half_a_minute() {
        assert_eq!(CLOSE_WITHIN, Duration::from_secs(30), "as docs/guide/care.md says");
    }
}
