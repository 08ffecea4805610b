//! Files being written: under a temporary name, and under their own only when they are whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::error::{Error, ErrorKind, Result};

/// What stands behind the name of a file that is not whole yet.
const TEMPORARY: &str = ".part";

/// A file being written. Dropped before [`Target::finish`], it is removed.
pub(super) struct Target {
    path: PathBuf,
    temporary: PathBuf,
    writer: Option<Writer>,
}

enum Writer {
    Plain(BufWriter<File>),
    Packed(Box<GzEncoder<BufWriter<File>>>),
}

impl Target {
    /// Begins a file; it is gzip'd where its name ends in `.gz`. Refuses a name that is taken, unless it may be replaced.
    pub(super) fn create(path: &Path, replace: bool) -> Result<Target> {
        if !replace && path.exists() {
            return Err(Error::new(ErrorKind::Exists, "there is a file of that name already")
                .at(path.display().to_string())
                .mend("name another, or say that it may be replaced"));
        }
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(TEMPORARY);
        let temporary = PathBuf::from(temporary);
        #[expect(clippy::disallowed_methods, reason = "files of the user's, which are no part of a store")]
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&temporary);
        let file = BufWriter::with_capacity(1 << 20, file.map_err(|error| unwritable(path, error))?);
        let packed = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
        let writer = match packed {
            true => Writer::Packed(Box::new(GzEncoder::new(file, Compression::default()))),
            false => Writer::Plain(file),
        };
        Ok(Target { path: path.to_owned(), temporary, writer: Some(writer) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends bytes.
    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.write_all(bytes).map_err(|error| unwritable(&self.path, error))
    }

    /// Syncs the file and makes it appear under its own name. Returns its length.
    pub(super) fn finish(mut self) -> Result<u64> {
        let failed = |error: io::Error| unwritable(&self.path, error);
        let finish = |writer: Option<Writer>| -> io::Result<u64> {
            let file = match writer {
                Some(Writer::Plain(file)) => file,
                Some(Writer::Packed(encoder)) => encoder.finish()?,
                None => return Err(io::ErrorKind::BrokenPipe.into()),
            };
            let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.sync_all()?;
            Ok(file.metadata()?.len())
        };
        let length = finish(self.writer.take()).map_err(failed)?;
        #[expect(clippy::disallowed_methods, reason = "files of the user's, which are no part of a store")]
        fs::rename(&self.temporary, &self.path).map_err(failed)?;
        Ok(length)
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.writer {
            Some(Writer::Plain(file)) => file.write(bytes),
            Some(Writer::Packed(encoder)) => encoder.write(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.writer = None;
        // After it was renamed there is none.
        #[expect(clippy::disallowed_methods, reason = "files of the user's, which are no part of a store")]
        let _ = fs::remove_file(&self.temporary);
    }
}

pub(super) fn unwritable(path: &Path, error: io::Error) -> Error {
    Error::io("write the export", path.display().to_string(), error)
}
