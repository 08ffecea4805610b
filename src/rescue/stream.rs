//! Files of ours as streams, for the library that packs and unpacks.

use std::io::{self, Read, Write};
use std::sync::Arc;

use crate::error::Error;
use crate::storage::fs::File;

/// An error of the archive's reader or writer; one of ours that passed through it comes out as it was.
pub(super) fn failed(action: &str, error: io::Error) -> Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(ours) => ours.clone(),
        None => Error::io(action, "the archive", error),
    }
}

/// A file being written from start to end.
pub(super) struct FileWriter<'a> {
    file: &'a dyn File,
    at: u64,
}

impl<'a> FileWriter<'a> {
    pub(super) fn new(file: &'a dyn File) -> FileWriter<'a> {
        FileWriter { file, at: 0 }
    }
}

impl Write for FileWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(bytes, self.at)?;
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The content of a file, from start to end.
pub(super) struct FileReader {
    file: Arc<dyn File>,
    at: u64,
}

impl FileReader {
    pub(super) fn new(file: Arc<dyn File>) -> FileReader {
        FileReader { file, at: 0 }
    }
}

impl Read for FileReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}
