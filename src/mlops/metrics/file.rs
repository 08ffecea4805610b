//! A file that is whole whenever somebody reads it.

use std::fs;
use std::path::Path;

use crate::error::{Error, Result};

/// Puts `text` in the place of the file, by way of a temporary one beside it.
#[expect(clippy::disallowed_methods, reason = "a file of the user's, which is no part of a store")]
pub(super) fn replace(path: &Path, text: &str) -> Result<()> {
    let failed = |error| Error::io("write the metrics", path.display().to_string(), error);
    let mut temporary = path.as_os_str().to_owned();
    // Two processes that write the same file must not write one temporary.
    temporary.push(format!(".{}.part", std::process::id()));
    let done = fs::write(&temporary, text).and_then(|()| fs::rename(&temporary, path));
    if done.is_err() {
        // What was begun is in nobody's way; the error is what matters.
        let _ = fs::remove_file(&temporary);
    }
    done.map_err(failed)
}
