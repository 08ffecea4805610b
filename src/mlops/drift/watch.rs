//! A thread that tells monitors the time, for those who ask for one.

use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam::channel::{RecvTimeoutError, Sender, bounded};

use super::monitor::DriftMonitor;
use crate::error::{Error, ErrorKind, Result};

/// A thread that judges the windows of a monitor as they end; it stops when this is dropped.
///
/// It holds the store open. What fails, such as a collection that is not there yet, is logged and tried again after the
/// next interval.
#[derive(Debug)]
#[must_use = "the thread stops when this is dropped"]
pub struct MonitorThread {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl DriftMonitor {
    /// Starts a thread that judges windows as they end, by the clock of the store. No thread is started unless this is
    /// called.
    pub fn watch(self) -> Result<MonitorThread> {
        let (stop, stopped) = bounded::<()>(1);
        let thread = std::thread::Builder::new()
            .name("driftline-drift".into())
            .spawn(move || {
                let wait = self.interval().min(Duration::from_secs(60));
                while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(wait) {
                    if !self.go_on() {
                        return;
                    }
                }
            })
            .map_err(|error| Error::internal(format!("could not start a thread: {error}")))?;
        Ok(MonitorThread { stop: Some(stop), thread: Some(thread) })
    }

    /// Judges what is due; false where the store is closed.
    fn go_on(&self) -> bool {
        match self.tick(self.now()) {
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::Closed => false,
            Err(error) => {
                tracing::warn!(monitor = self.name(), %error, "a window could not be judged");
                true
            }
        }
    }
}

impl Drop for MonitorThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in it has been printed already, and there is nobody to hand it to.
            let _ = thread.join();
        }
    }
}
