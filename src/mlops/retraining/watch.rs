//! Directories in which new data arrives as files. They belong to others: nothing here writes.

use std::time::UNIX_EPOCH;
use std::{fs, io};

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};

/// The most entries of a directory that are looked at.
const MAX_ENTRIES: usize = 100_000;

/// How many files with one of these endings were changed after `since`. Directories inside are not entered.
#[expect(
    clippy::disallowed_methods,
    reason = "these directories are no store's, so they are behind no file system of ours"
)]
pub(super) fn new_files(directories: &[String], endings: &[String], since: Timestamp) -> Result<u64> {
    let mut found = 0;
    for directory in directories {
        let failed = |error| unreadable(directory, error);
        for entry in fs::read_dir(directory).map_err(failed)?.take(MAX_ENTRIES) {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !endings.iter().any(|ending| name.ends_with(ending.trim_start_matches('*'))) {
                continue;
            }
            let about = entry.metadata().map_err(failed)?;
            let changed = about.modified().map_err(failed)?.duration_since(UNIX_EPOCH).unwrap_or_default();
            let changed = i64::try_from(changed.as_micros()).unwrap_or(i64::MAX);
            found += u64::from(about.is_file() && changed > since.0);
        }
    }
    Ok(found)
}

/// It is not the store that the operating system refuses.
fn unreadable(directory: &str, error: io::Error) -> Error {
    let error = Error::io("look for new data", directory, error);
    if error.kind() == ErrorKind::NotFound { error } else { error.into_kind(ErrorKind::Invalid) }
}
