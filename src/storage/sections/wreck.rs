//! Reads a container that is damaged, as far as it can be read.
//!
//! Whatever is wrong with what surrounds the sections, each chunk is judged by its own checksum: what is given out is
//! what was written. Only the table of contents is needed, and that is found by what it must say where the footer does
//! not lead to it.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::format::{CHUNK_BYTES, Entry, decode_fields, find_contents, whole_footer_crc};
use super::{FileKind, FileRef, SectionId};
use crate::error::{Error, Result};
use crate::ids::{FileId, StoreId};
use crate::storage::checksum::crc32;
use crate::storage::fs::{FileSystem, Mapping};
use crate::storage::header::{PAGE_BYTES, decode_page, is_whole};
use crate::storage::holes;

/// A container as far as it can be read.
pub(crate) struct Wreck {
    name: String,
    bytes: Mapping,
    entries: Vec<Entry>,
    /// Where the meta bytes are, if the header is whole.
    meta: Option<Range<usize>>,
}

impl Wreck {
    /// Opens the file `name`. Fails when it is missing, belongs to another store or has another number or footer, was
    /// written in a newer format, or has lost its table of contents.
    pub(crate) fn open(
        fs: &Arc<dyn FileSystem>,
        name: &str,
        kind: FileKind,
        store: StoreId,
        id: FileId,
        footer_crc: Option<u32>,
    ) -> Result<Arc<Wreck>> {
        let bytes = holes::read(&**fs, name)?;
        let meta = match bytes.get(..PAGE_BYTES).filter(|page| is_whole(page)) {
            Some(page) => decode_fields(decode_page(page, kind.letter(), store, id, name)?, kind),
            None => None,
        };
        if footer_crc.is_some() && whole_footer_crc(&bytes).is_some_and(|crc| Some(crc) != footer_crc) {
            return Err(Error::corrupt("this is another file than the one that the manifest knows", name));
        }
        let entries = find_contents(&bytes)
            .ok_or_else(|| Error::corrupt("the table of contents is gone, and with it all checksums", name))?;
        Ok(Arc::new(Wreck { name: name.to_owned(), meta, entries, bytes }))
    }

    /// The file as a manifest would list it.
    pub(crate) fn reference(&self, id: FileId) -> FileRef {
        FileRef { id, length: self.bytes.len() as u64, footer_crc: whole_footer_crc(&self.bytes).unwrap_or_default() }
    }

    /// What the writer said about the file as a whole, where the header is whole.
    pub(crate) fn meta(&self) -> Option<&[u8]> {
        self.meta.clone().and_then(|range| self.bytes.get(range))
    }

    /// The section `id`, where the file has it.
    pub(crate) fn find(self: &Arc<Self>, id: SectionId) -> Option<WreckSection> {
        let entry = *self.entries.iter().find(|entry| entry.id == id)?;
        let judged = (0..(entry.length as usize).div_ceil(CHUNK_BYTES)).map(|_| OnceLock::new()).collect();
        Some(WreckSection { wreck: Arc::clone(self), entry, judged })
    }
}

/// A section of a container that is damaged.
pub(crate) struct WreckSection {
    wreck: Arc<Wreck>,
    entry: Entry,
    /// Whether each chunk is what was written, once that was looked at.
    judged: Vec<OnceLock<bool>>,
}

impl WreckSection {
    /// The length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.entry.length as usize
    }

    /// The bytes of `range`, if every chunk of it is what was written.
    pub(crate) fn bytes(&self, range: Range<usize>) -> Option<&[u8]> {
        if range.start > range.end || range.end > self.len() {
            return None;
        }
        let mut chunks = range.start / CHUNK_BYTES..range.end.div_ceil(CHUNK_BYTES);
        let start = self.entry.offset as usize;
        let whole = range.is_empty() || chunks.all(|chunk| *self.judged[chunk].get_or_init(|| self.judge(chunk)));
        whole.then(|| self.wreck.bytes.get(start + range.start..start + range.end)).flatten()
    }

    /// The value at `index` of the section as an array.
    pub(crate) fn value<T: bytemuck::AnyBitPattern>(&self, index: usize) -> Option<T> {
        let start = index.checked_mul(size_of::<T>())?;
        self.bytes(start..start.checked_add(size_of::<T>())?).map(bytemuck::pod_read_unaligned)
    }

    fn judge(&self, chunk: usize) -> bool {
        let start = self.entry.offset as usize + chunk * CHUNK_BYTES;
        let end = (self.entry.offset as usize + self.len()).min(start + CHUNK_BYTES);
        let stored_at = self.entry.checksums_at as usize + 4 * chunk;
        let (bytes, stored) = (self.wreck.bytes.get(start..end), self.wreck.bytes.get(stored_at..stored_at + 4));
        bytes.zip(stored).is_some_and(|(bytes, stored)| crc32(&[bytes]).to_le_bytes() == stored)
    }
}

impl fmt::Debug for Wreck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wreck").field("name", &self.name).finish_non_exhaustive()
    }
}
