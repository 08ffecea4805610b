//! The bytes of a container while they are checked.

use std::ops::Range;
use std::sync::Arc;

use super::format::CHUNK_BYTES;
use crate::error::{Error, Result};
use crate::storage::fs::{File, Mapping};

/// The bytes of a file that are to be checked.
///
/// A sector that the disk cannot read ends the process with a signal where it is touched through a mapping. So what is
/// mapped is read from the file first, which makes that an error.
pub(super) struct Checked<'a> {
    name: &'a str,
    bytes: &'a Mapping,
    /// None where the bytes are in memory, so that they have been read.
    file: Option<Arc<dyn File>>,
}

impl<'a> Checked<'a> {
    /// The bytes of the file `name`, which `open` opens where it is mapped.
    pub(super) fn new(
        name: &'a str,
        bytes: &'a Mapping,
        open: impl FnOnce() -> Result<Arc<dyn File>>,
    ) -> Result<Checked<'a>> {
        let file = bytes.is_mapped().then(open).transpose()?;
        Ok(Checked { name, bytes, file })
    }

    pub(super) fn name(&self) -> &'a str {
        self.name
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// All bytes, read or not.
    pub(super) fn all(&self) -> &'a [u8] {
        self.bytes
    }

    /// The bytes of `range`, all of which the disk could read; none where the file does not have them.
    pub(super) fn get(&self, range: Range<usize>) -> Result<Option<&'a [u8]>> {
        let Some(bytes) = self.bytes.get(range.clone()) else { return Ok(None) };
        if let Some(file) = &self.file {
            let mut read = vec![0; bytes.len().min(CHUNK_BYTES)];
            for at in range.clone().step_by(CHUNK_BYTES) {
                let count = read.len().min(range.end - at);
                file.read_exact_at(&mut read[..count], at as u64)
                    .map_err(|error| Error::io("read a file", format!("{} at {at}", self.name), error))?;
            }
        }
        Ok(Some(bytes))
    }
}
