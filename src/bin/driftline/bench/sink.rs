//! Where results go that are kept.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use driftline::{Error, ErrorKind, Result};
use serde::Serialize;

/// Appends lines of JSON to a file.
pub(super) struct Sink {
    file: File,
    name: String,
}

impl Sink {
    /// Opens a file of the user's to add lines to.
    pub(super) fn open(path: &Path) -> Result<Sink> {
        let name = path.display().to_string();
        #[expect(clippy::disallowed_methods, reason = "files of the user's, which are no part of a store")]
        let file = OpenOptions::new().create(true).append(true).open(path);
        let failed =
            |error| Error::new(ErrorKind::Io, format!("could not open the file for results: {error}")).at(&name);
        Ok(Sink { file: file.map_err(failed)?, name })
    }

    /// Writes one line.
    pub(super) fn write(&mut self, line: &impl Serialize) -> Result<()> {
        let failed = |error: std::io::Error| {
            Error::new(ErrorKind::Io, format!("could not write the result: {error}")).at(&self.name)
        };
        let text = serde_json::to_string(line).map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))?;
        writeln!(self.file, "{text}").map_err(failed)
    }
}
