//! Writes a container from start to end, through one buffer.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::format::{
    ALIGNMENT, CHUNK_BYTES, DATA_AT, Entry, FOOTER_BYTES, Footer, MAX_SECTIONS, encode_fields, footer_crc, put_entry,
};
use super::{FileKind, FileRef, MAX_META_BYTES, SectionId};
use crate::bytes::Write;
use crate::error::{Error, Result};
use crate::ids::{FileId, StoreId};
use crate::storage::checksum::{Crc32, crc32};
use crate::storage::fs::{File, FileSystem};
use crate::storage::header::{encode_page, page_crc};

const BUFFER_BYTES: usize = 1 << 20;

/// A container being written.
///
/// Holds one buffer and four bytes per 64 KiB written. Dropped before [`Writer::finish`], or after an error, it removes
/// the file again as well as it can; a file that stays behind is swept at the next opening, since nothing names it.
pub(crate) struct Writer {
    fs: Arc<dyn FileSystem>,
    name: String,
    kind: FileKind,
    store: StoreId,
    id: FileId,
    /// `None` once the file is finished or given up.
    file: Option<Arc<dyn File>>,
    buffer: Vec<u8>,
    /// Where in the file the buffer's first byte belongs.
    buffer_at: u64,
    sections: Vec<Written>,
    chunk: Crc32,
    chunk_bytes: usize,
}

/// A section as far as it is written.
struct Written {
    id: SectionId,
    offset: u64,
    length: u64,
    checksums: Vec<u32>,
}

impl Writer {
    /// Creates the file `name`, which must not exist.
    pub(crate) fn create(
        fs: &Arc<dyn FileSystem>,
        name: &str,
        kind: FileKind,
        store: StoreId,
        id: FileId,
    ) -> Result<Writer> {
        let file = fs.create_new(name).map_err(|error| Error::io("create a file", name, error))?;
        Ok(Writer {
            fs: fs.clone(),
            name: name.to_owned(),
            kind,
            store,
            id,
            file: Some(file),
            buffer: Vec::new(),
            buffer_at: DATA_AT,
            sections: Vec::new(),
            chunk: Crc32::new(),
            chunk_bytes: 0,
        })
    }

    /// Ends the section before and begins section `id`, aligned to 64 bytes.
    pub(crate) fn section(&mut self, id: SectionId) -> Result<()> {
        self.end_section();
        if self.sections.len() == MAX_SECTIONS || self.sections.iter().any(|section| section.id == id) {
            return Err(Error::internal(format!("section {} is one too many", id.0)).at(&self.name));
        }
        self.align()?;
        self.sections.push(Written { id, offset: self.position(), length: 0, checksums: Vec::new() });
        Ok(())
    }

    /// Appends to the current section.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(section) = self.sections.last_mut() else {
            return Err(Error::internal("bytes were written before the first section").at(&self.name));
        };
        section.length += bytes.len() as u64;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(CHUNK_BYTES - self.chunk_bytes));
            self.chunk.update(now);
            self.chunk_bytes += now.len();
            if self.chunk_bytes == CHUNK_BYTES {
                self.end_chunk();
            }
            rest = later;
        }
        self.put(bytes)
    }

    /// Writes what describes the sections, makes the file durable and returns what the manifest keeps of it. The
    /// directory is left to the caller, who may have more files to make durable.
    pub(crate) fn finish(mut self, meta: &[u8]) -> Result<FileRef> {
        if meta.len() > MAX_META_BYTES {
            let length = meta.len();
            return Err(Error::internal(format!("{length} bytes of meta are over {MAX_META_BYTES}")).at(&self.name));
        }
        self.end_section();
        self.align()?;
        let header = encode_page(self.kind.letter(), self.store, self.id, &encode_fields(self.kind, meta));
        let footer = self.put_index(page_crc(&header).unwrap_or_default())?;
        self.put(&footer)?;
        self.flush()?;
        let length = self.position();
        self.file()?.write_at(&header, 0).map_err(|error| self.failed("write a file's header", error))?;
        self.file()?.sync_all().map_err(|error| self.failed("make a file durable", error))?;
        self.file = None;
        Ok(FileRef { id: self.id, length, footer_crc: footer_crc(&footer).unwrap_or_default() })
    }

    /// Writes the checksums and the table of contents; returns the footer that belongs to them.
    fn put_index(&mut self, header_crc: u32) -> Result<Vec<u8>> {
        let index_at = self.position();
        let mut index = Vec::new();
        let mut entries = Vec::with_capacity(self.sections.len());
        for section in &self.sections {
            let checksums_at = index_at + index.len() as u64;
            section.checksums.iter().for_each(|checksum| index.put_u32(*checksum));
            entries.push(Entry { id: section.id, offset: section.offset, length: section.length, checksums_at });
        }
        index.resize(index.len().next_multiple_of(8), 0);
        let contents_at = index_at + index.len() as u64;
        entries.iter().for_each(|entry| put_entry(&mut index, entry));
        let contents_bytes = (index_at + index.len() as u64 - contents_at) as u32;
        index.resize(index.len().next_multiple_of(ALIGNMENT as usize), 0);
        self.put(&index)?;
        let length = self.position() + FOOTER_BYTES as u64;
        let index_crc = crc32(&[&index]);
        let footer = Footer { index_at, contents_at, contents_bytes, index_crc, header_crc, length, file: self.id };
        Ok(footer.encode(self.kind))
    }

    fn end_section(&mut self) {
        if self.chunk_bytes > 0 {
            self.end_chunk();
        }
    }

    fn end_chunk(&mut self) {
        let checksum = std::mem::take(&mut self.chunk).finalize();
        self.chunk_bytes = 0;
        if let Some(section) = self.sections.last_mut() {
            section.checksums.push(checksum);
        }
    }

    fn position(&self) -> u64 {
        self.buffer_at + self.buffer.len() as u64
    }

    /// Zeros up to the next place something may begin.
    fn align(&mut self) -> Result<()> {
        let padding = self.position().wrapping_neg() % ALIGNMENT;
        self.put(&[0; ALIGNMENT as usize][..padding as usize])
    }

    fn put(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BUFFER_BYTES - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            if self.buffer.len() == BUFFER_BYTES {
                self.flush()?;
            }
            bytes = later;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.file()?.write_at(&self.buffer, self.buffer_at).map_err(|error| self.failed("write a file", error))?;
        self.buffer_at += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn file(&self) -> Result<Arc<dyn File>> {
        let gone = || Error::internal("a file was written to after it was given up").at(&self.name);
        self.file.clone().ok_or_else(gone)
    }

    fn failed(&mut self, action: &str, error: io::Error) -> Error {
        self.discard();
        Error::io(action, &self.name, error)
    }

    fn discard(&mut self) {
        if self.file.take().is_some() {
            _ = self.fs.remove(&self.name);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.discard();
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("name", &self.name).field("position", &self.position()).finish_non_exhaustive()
    }
}
