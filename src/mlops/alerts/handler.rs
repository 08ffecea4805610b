//! Handlers: who is told of alerts.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::alert::Alert;
use crate::error::{Error, Result};

/// A file of alerts is begun anew when it is larger than this, unless told otherwise.
const FILE_BYTES: u64 = 16 << 20;

/// An alert on its way to a handler.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Delivery {
    /// Names this delivery, `HANDLER/NUMBER`: the same when it is repeated, so that a receiver can tell.
    pub id: String,
    /// What happened.
    pub alert: Alert,
    /// The first time is 1.
    pub attempt: u32,
    /// How many alerts were passed over before this one because the handler was too far behind.
    pub missed: u64,
}

/// Somebody who is told of alerts: a pager, a chat, a file.
///
/// A handler hears of each alert at least once, in the order of their numbers, on a thread of its own (under
/// [`Maintenance::Manual`](crate::Maintenance::Manual) on that of [`Alerts::deliver`](super::Alerts::deliver)). It may
/// block, fail and panic: nobody else waits for it, and no write does. A handler that holds a handle of the store keeps the
/// store open.
///
/// Closures are handlers.
pub trait Handler: Send {
    /// Tells somebody. An error, or a panic, is tried again twice, a second apart, and then given up.
    fn handle(&mut self, delivery: &Delivery) -> std::result::Result<(), String>;
}

impl<F: FnMut(&Delivery) -> std::result::Result<(), String> + Send> Handler for F {
    fn handle(&mut self, delivery: &Delivery) -> std::result::Result<(), String> {
        self(delivery)
    }
}

/// Prints each alert to the standard output: one line of JSON, as [`Alert::webhook_body`] gives it.
#[derive(Debug, Clone, Copy, Default)]
pub struct StdoutHandler;

impl Handler for StdoutHandler {
    fn handle(&mut self, delivery: &Delivery) -> std::result::Result<(), String> {
        io::stdout().write_all(&line(delivery)).map_err(|error| error.to_string())
    }
}

/// Appends each alert to a file: one line of JSON, as [`Alert::webhook_body`] gives it.
///
/// When the file would get larger than 16 MiB, or what [`FileHandler::max_bytes`] says, it is renamed to its name with
/// `.1` behind it, over an older one of that name, and begun anew: so both together take at most twice that.
#[derive(Debug, Clone)]
pub struct FileHandler {
    path: PathBuf,
    max_bytes: u64,
}

impl FileHandler {
    /// Appends to the file of this path, made where there is none. Fails when it cannot be written.
    pub fn new(path: impl AsRef<Path>) -> Result<FileHandler> {
        let handler = FileHandler { path: path.as_ref().to_owned(), max_bytes: FILE_BYTES };
        let place = handler.path.display().to_string();
        handler.open().map_err(|error| Error::io("write the file of alerts", place, error))?;
        Ok(handler)
    }

    /// Sets how large the file may get, in bytes.
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> FileHandler {
        self.max_bytes = bytes;
        self
    }

    #[expect(clippy::disallowed_methods, reason = "a file of the user's, which is no part of a store")]
    fn open(&self) -> io::Result<fs::File> {
        OpenOptions::new().append(true).create(true).open(&self.path)
    }

    #[expect(clippy::disallowed_methods, reason = "a file of the user's, which is no part of a store")]
    fn append(&self, line: &[u8]) -> io::Result<()> {
        let length = self.open()?.metadata()?.len();
        if length > 0 && length + line.len() as u64 > self.max_bytes {
            let mut old = self.path.clone().into_os_string();
            old.push(".1");
            fs::rename(&self.path, old)?;
        }
        self.open()?.write_all(line)
    }
}

impl Handler for FileHandler {
    fn handle(&mut self, delivery: &Delivery) -> std::result::Result<(), String> {
        self.append(&line(delivery)).map_err(|error| format!("{}: {error}", self.path.display()))
    }
}

fn line(delivery: &Delivery) -> Vec<u8> {
    let mut line = delivery.alert.webhook_body().to_string().into_bytes();
    line.push(b'\n');
    line
}
