//! What tells one import of files from another, so that one that was cut off goes on only where nothing has changed.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use xxhash_rust::xxh3::Xxh3;

use super::file::unreadable;
use super::options::{ImportOptions, Keys};
use crate::error::Result;

/// So much of the start and of the end of each file is looked at.
const SAMPLE_BYTES: u64 = 64 << 10;
/// A path that is longer names its import by a hash.
const MAX_NAME_BYTES: usize = 1000;

/// The name of an import, and what its source looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) name: String,
    pub(super) content: String,
}

/// The identity of an import of `path`: the options, and of each file its length, its start and its end. A change in the
/// middle of a file that leaves its length is not noticed. `None` where a file cannot be read twice, such as a pipe.
pub(super) fn of(path: &Path, options: &ImportOptions) -> Result<Option<Identity>> {
    let mut hash = Xxh3::new();
    hash.update(format!("{options:?}").as_bytes());
    let keys = match &options.keys {
        Keys::File(path) => Some(path),
        _ => None,
    };
    let beside = [&options.labels, &options.payload].into_iter().flatten().chain(keys);
    for path in std::iter::once(path).chain(beside.map(|path| path.as_path())) {
        let sampled = sample(path, &mut hash).map_err(|error| unreadable(&path.display().to_string(), &error))?;
        if !sampled {
            return Ok(None);
        }
    }
    let whole = std::fs::canonicalize(path).map_err(|error| unreadable(&path.display().to_string(), &error))?;
    let name = whole.display().to_string();
    let name = if name.len() > MAX_NAME_BYTES { format!("{:032x}", xxhash(&name)) } else { name };
    Ok(Some(Identity { name, content: format!("{:032x}", hash.digest128()) }))
}

fn xxhash(text: &str) -> u128 {
    xxhash_rust::xxh3::xxh3_128(text.as_bytes())
}

/// Adds length, start and end of a file; false where it is no file.
fn sample(path: &Path, hash: &mut Xxh3) -> io::Result<bool> {
    #[expect(clippy::disallowed_methods, reason = "files of the user's, which are no part of a store")]
    let mut file = File::open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Ok(false);
    }
    hash.update(&meta.len().to_le_bytes());
    for start in [0, meta.len().saturating_sub(SAMPLE_BYTES)] {
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        (&mut file).take(SAMPLE_BYTES).read_to_end(&mut bytes)?;
        hash.update(&bytes);
    }
    Ok(true)
}
