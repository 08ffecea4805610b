//! Opening the files that are imported: unpacked where they are gzip'd, and counted as they are read.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::mem;
use std::path::Path;
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, ErrorKind, Result};
use crate::sync::{AtomicU64, Ordering};

/// The most bytes of one line, or one row of a table.
pub(super) const MAX_TEXT_BYTES: u64 = 64 << 20;

const BUFFER_BYTES: usize = 1 << 20;

/// A file being read. What it yields is unpacked; what it counts are the bytes on disk.
pub(super) struct Reading {
    pub(super) name: String,
    pub(super) reader: Box<dyn BufRead + Send>,
    bytes: Arc<AtomicU64>,
    /// Bytes on disk, where that is known.
    length: Option<u64>,
}

/// How far a file has been read.
#[derive(Debug, Clone, Default)]
pub(super) struct Meter {
    bytes: Arc<AtomicU64>,
    length: Option<u64>,
}

impl Meter {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn length(&self) -> Option<u64> {
        self.length
    }
}

impl Reading {
    /// Opens a file of the user's. One whose name ends in `.gz` is unpacked.
    pub(super) fn open(path: &Path) -> Result<Reading> {
        let name = path.display().to_string();
        let failed = |error: io::Error| unreadable(&name, &error);
        #[expect(clippy::disallowed_methods, reason = "files of the user's, which are no part of a store")]
        let file = File::open(path).map_err(failed)?;
        let meta = file.metadata().map_err(failed)?;
        if meta.is_dir() {
            return Err(refuse("this is a directory", &name, "name one of its files"));
        }
        let packed = name.to_ascii_lowercase().ends_with(".gz");
        // A pipe has no length.
        let file = Reading::new(name, Box::new(file), meta.is_file().then_some(meta.len()));
        Ok(if packed { file.unpacked() } else { file })
    }

    /// Reads what comes from elsewhere; it is unpacked when it begins as a gzip'd file does.
    pub(super) fn stream(name: &str, reader: Box<dyn Read + Send>) -> Result<Reading> {
        let mut stream = Reading::new(name.to_owned(), reader, None);
        let packed = stream.peek(3, None)? == [0x1F, 0x8B, 0x08];
        Ok(if packed { stream.unpacked() } else { stream })
    }

    fn new(name: String, reader: Box<dyn Read + Send>, length: Option<u64>) -> Reading {
        let bytes = Arc::new(AtomicU64::new(0));
        let counting = Counting { reader, bytes: Arc::clone(&bytes) };
        Reading { name, reader: Box::new(BufReader::with_capacity(BUFFER_BYTES, counting)), bytes, length }
    }

    fn unpacked(self) -> Reading {
        let unpacked = BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(self.reader));
        Reading { reader: Box::new(unpacked), ..self }
    }

    /// What is read next: `most` bytes, or fewer where the file ends or `last` comes. One reading may give fewer yet, as
    /// from a pipe, so what was read is put in front again.
    pub(super) fn peek(&mut self, most: u64, last: Option<u8>) -> Result<Vec<u8>> {
        let mut start = Vec::new();
        let mut limited = (&mut *self.reader).take(most);
        let read = match last {
            Some(last) => limited.read_until(last, &mut start),
            None => limited.read_to_end(&mut start),
        };
        read.map_err(|error| unreadable(&self.name, &error))?;
        let rest = mem::replace(&mut self.reader, Box::new(io::empty()));
        self.reader = Box::new(Cursor::new(start.clone()).chain(rest));
        Ok(start)
    }

    /// Passes over the mark that some programs begin UTF-8 with.
    pub(super) fn pass_mark(&mut self) -> Result<()> {
        if self.peek(3, None)? == b"\xEF\xBB\xBF" {
            self.reader.consume(3);
        }
        Ok(())
    }

    pub(super) fn meter(&self) -> Meter {
        Meter { bytes: Arc::clone(&self.bytes), length: self.length }
    }
}

/// Counts the bytes that come from below.
struct Counting {
    reader: Box<dyn Read + Send>,
    bytes: Arc<AtomicU64>,
}

impl Read for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// What a file holds cannot be imported.
pub(super) fn refuse(message: impl Into<String>, place: &str, mend: &str) -> Error {
    Error::invalid(message).at(place).mend(mend)
}

/// The operating system, or the file's own content, does not let it be read.
pub(super) fn unreadable(name: &str, error: &io::Error) -> Error {
    let (kind, mend) = match error.kind() {
        io::ErrorKind::NotFound => (ErrorKind::NotFound, "check the path"),
        io::ErrorKind::InvalidData => (ErrorKind::Invalid, "check the file; text must be UTF-8"),
        io::ErrorKind::InvalidInput => (ErrorKind::Invalid, "a name that ends in .gz must be that of a gzip'd file"),
        io::ErrorKind::UnexpectedEof => (ErrorKind::Invalid, "the file is cut short: copy or save it again"),
        _ => (ErrorKind::Io, "check that it is a file that this user may read"),
    };
    Error::new(kind, format!("could not read the input: {error}")).at(name).mend(mend)
}
