//! Reading the files that a command names; stdin is `-`.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use driftline::{Error, ErrorKind, Result};

/// The most bytes of a text that is taken whole: a vector, a payload, or one line.
pub(crate) const MAX_TEXT_BYTES: u64 = 64 << 20;

/// Opens a file of the user's for reading.
pub(crate) fn open(path: &Path) -> Result<BufReader<File>> {
    #[expect(clippy::disallowed_methods, reason = "files of the user's, which are no part of a store")]
    let file = File::open(path).map_err(|error| unreadable(&path.display().to_string(), &error))?;
    Ok(BufReader::with_capacity(1 << 20, file))
}

/// Makes a file of the user's, or empties the one that is there.
pub(crate) fn create(name: &str) -> Result<File> {
    #[expect(clippy::disallowed_methods, reason = "files of the user's, which are no part of a store")]
    let file = File::create(name);
    file.map_err(|error| Error::new(ErrorKind::Io, format!("could not write the file: {error}")).at(name))
}

/// The text of a file, or of stdin.
pub(crate) fn text(name: &str) -> Result<String> {
    let mut text = String::new();
    let reader: Box<dyn Read> = if name == "-" { Box::new(io::stdin()) } else { Box::new(open(Path::new(name))?) };
    let read = reader.take(MAX_TEXT_BYTES + 1).read_to_string(&mut text);
    read.map_err(|error| unreadable(name, &error))?;
    if text.len() as u64 > MAX_TEXT_BYTES {
        let message = format!("the text is longer than {} MiB", MAX_TEXT_BYTES >> 20);
        return Err(Error::new(ErrorKind::Invalid, message).at(name));
    }
    Ok(text)
}

/// The operating system, or the file's own content, does not let it be read.
pub(crate) fn unreadable(name: &str, error: &io::Error) -> Error {
    let (kind, mend) = match error.kind() {
        io::ErrorKind::NotFound => (ErrorKind::NotFound, "check the path"),
        io::ErrorKind::InvalidData => (ErrorKind::Invalid, "the text must be UTF-8"),
        _ => (ErrorKind::Io, "check that it is a file that this user may read"),
    };
    let name = if name == "-" { "stdin" } else { name };
    Error::new(kind, format!("could not read the input: {error}")).at(name).mend(mend)
}
