//! The bytes around the sections: the kind's fields of the header, the table of contents and the footer. Frozen.

use std::ops::Range;

use super::{FileKind, MAX_META_BYTES, SectionId};
use crate::bytes::{Reader, Truncated, Write};
use crate::ids::FileId;
use crate::storage::checksum::crc32;
use crate::storage::header::{FIELDS_AT, PAGE_BYTES, magic};

/// Bytes of a section that share one checksum.
pub(super) const CHUNK_BYTES: usize = 64 << 10;

/// What sections, tables and the footer are aligned to: a cache line, and the widest vector register.
pub(super) const ALIGNMENT: u64 = 64;

/// Where the meta bytes begin.
pub(super) const META_AT: usize = 64;

/// Where the first section begins.
pub(super) const DATA_AT: u64 = PAGE_BYTES as u64;

pub(super) const FOOTER_BYTES: usize = 64;
const FOOTER_CRC_AT: usize = FOOTER_BYTES - 4;

/// More sections than any kind of file has.
pub(super) const MAX_SECTIONS: usize = 256;

const ENTRY_BYTES: usize = 32;

/// `at`, moved up to the next place something may begin.
pub(super) fn aligned(at: u64) -> Option<u64> {
    at.checked_next_multiple_of(ALIGNMENT)
}

/// How many checksums a section of `length` bytes has.
pub(super) fn chunk_count(length: u64) -> u64 {
    length.div_ceil(CHUNK_BYTES as u64)
}

/// The header's fields: the kind again, and the meta bytes.
pub(super) fn encode_fields(kind: FileKind, meta: &[u8]) -> Vec<u8> {
    debug_assert!(meta.len() <= MAX_META_BYTES);
    let mut fields = Vec::with_capacity(16 + meta.len());
    fields.put_u8(kind.code());
    fields.put_u8(0);
    fields.put_u16(meta.len() as u16);
    fields.resize(META_AT - FIELDS_AT, 0);
    fields.extend_from_slice(meta);
    fields
}

/// Where in the file the meta bytes are; `None` when the header's fields cannot be those of `kind`.
pub(super) fn decode_fields(fields: &[u8], kind: FileKind) -> Option<Range<usize>> {
    let mut reader = Reader::new(fields);
    let (code, _, length) = (reader.u8().ok()?, reader.u8().ok()?, usize::from(reader.u16().ok()?));
    (code == kind.code() && length <= MAX_META_BYTES).then_some(META_AT..META_AT + length)
}

/// One section in the table of contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: SectionId,
    pub(super) offset: u64,
    pub(super) length: u64,
    /// Where the checksums of its chunks are.
    pub(super) checksums_at: u64,
}

pub(super) fn put_entry(out: &mut Vec<u8>, entry: &Entry) {
    out.put_u16(entry.id.0);
    out.put_u16(0);
    out.put_u32(0);
    out.put_u64(entry.offset);
    out.put_u64(entry.length);
    out.put_u64(entry.checksums_at);
}

fn read_entry(reader: &mut Reader<'_>) -> Result<Entry, Truncated> {
    let id = SectionId(reader.u16()?);
    reader.take(6)?;
    Ok(Entry { id, offset: reader.u64()?, length: reader.u64()?, checksums_at: reader.u64()? })
}

/// The last bytes of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Footer {
    /// Where the checksums of the sections begin; the table of contents follows them.
    pub(super) index_at: u64,
    pub(super) contents_at: u64,
    pub(super) contents_bytes: u32,
    /// Of everything from `index_at` to the footer.
    pub(super) index_crc: u32,
    pub(super) header_crc: u32,
    /// The length of the file.
    pub(super) length: u64,
    pub(super) file: FileId,
}

impl Footer {
    pub(super) fn encode(&self, kind: FileKind) -> Vec<u8> {
        let mut out = Vec::with_capacity(FOOTER_BYTES);
        out.put_u64(self.index_at);
        out.put_u64(self.contents_at);
        out.put_u32(self.contents_bytes);
        out.put_u32(self.index_crc);
        out.put_u32(self.header_crc);
        out.put_u32(0);
        out.put_u64(self.length);
        out.put_u64(self.file.0);
        out.extend_from_slice(&magic(kind.letter()));
        out.put_u32(0);
        out.put_u32(crc32(&[&out]));
        debug_assert_eq!(out.len(), FOOTER_BYTES);
        out
    }

    /// Reads the last bytes of a file, which must carry the checksum `expected_crc`.
    pub(super) fn decode(bytes: &[u8], kind: FileKind, expected_crc: u32) -> Option<Footer> {
        if bytes.len() != FOOTER_BYTES || crc32(&[&bytes[..FOOTER_CRC_AT]]) != expected_crc {
            return None;
        }
        Footer::read(&mut Reader::new(bytes), kind, expected_crc).ok().flatten()
    }

    fn read(reader: &mut Reader<'_>, kind: FileKind, expected_crc: u32) -> Result<Option<Footer>, Truncated> {
        let (index_at, contents_at, contents_bytes) = (reader.u64()?, reader.u64()?, reader.u32()?);
        let (index_crc, header_crc, _) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let (length, file) = (reader.u64()?, FileId(reader.u64()?));
        let (found_magic, _, crc) = (reader.array::<8>()?, reader.u32()?, reader.u32()?);
        let footer = Footer { index_at, contents_at, contents_bytes, index_crc, header_crc, length, file };
        Ok((found_magic == magic(kind.letter()) && crc == expected_crc).then_some(footer))
    }
}

/// The checksum an encoded footer ends with.
pub(super) fn footer_crc(footer: &[u8]) -> Option<u32> {
    Reader::new(footer.get(FOOTER_CRC_AT..)?).u32().ok()
}

/// Reads the table of contents of `file`, whose footer is `footer`; `None` when it cannot be right.
///
/// There is one right place for everything: each section begins where the one before ended, aligned, and so do the
/// checksums and the table. So sections cannot overlap, nor be anywhere but inside the file.
pub(super) fn decode_contents(file: &[u8], footer: &Footer) -> Option<Vec<Entry>> {
    let contents_at = usize::try_from(footer.contents_at).ok()?;
    let contents_bytes = footer.contents_bytes as usize;
    let contents = file.get(contents_at..contents_at.checked_add(contents_bytes)?)?;
    if !contents_bytes.is_multiple_of(ENTRY_BYTES) || contents_bytes / ENTRY_BYTES > MAX_SECTIONS {
        return None;
    }
    let mut reader = Reader::new(contents);
    let mut entries: Vec<Entry> = Vec::with_capacity(contents_bytes / ENTRY_BYTES);
    let (mut data_end, mut checksums_end) = (DATA_AT, footer.index_at);
    while !reader.is_empty() {
        let entry = read_entry(&mut reader).ok()?;
        let unique = entries.iter().all(|other| other.id != entry.id);
        if !unique || entry.offset != aligned(data_end)? || entry.checksums_at != checksums_end {
            return None;
        }
        data_end = entry.offset.checked_add(entry.length)?;
        checksums_end = checksums_end.checked_add(chunk_count(entry.length).checked_mul(4)?)?;
        entries.push(entry);
    }
    let contents_end = footer.contents_at.checked_add(contents_bytes as u64)?;
    let footer_at = (file.len() as u64).checked_sub(FOOTER_BYTES as u64)?;
    let in_order = footer.index_at == aligned(data_end)?
        && footer.contents_at == checksums_end.checked_next_multiple_of(8)?
        && footer_at == aligned(contents_end)?;
    in_order.then_some(entries)
}

/// The checksum of the footer that a file ends with, if there is a whole one, whoever wrote it.
pub(super) fn whole_footer_crc(file: &[u8]) -> Option<u32> {
    let footer = file.get(file.len().checked_sub(FOOTER_BYTES)?..)?;
    footer_crc(footer).filter(|crc| crc32(&[&footer[..FOOTER_CRC_AT]]) == *crc)
}

/// How much of the end of a damaged file is searched for a table of contents; those of our largest files are far smaller.
const SEARCHED_BYTES: usize = 1 << 20;

/// The table of contents of a file that may be damaged anywhere: wherever the end of the file reads like one, and fits
/// the file. Its checksum is not asked, since that covers the checksums of the sections, too.
pub(super) fn find_contents(file: &[u8]) -> Option<Vec<Entry>> {
    let from = file.len().saturating_sub(SEARCHED_BYTES).next_multiple_of(8);
    (from..file.len()).step_by(8).rev().find_map(|at| contents_at(file, at))
}

/// The table of contents that begins at `at`, if one does: entries that follow on one another, whose sections end where
/// the checksums begin, and whose checksums end where the table does.
fn contents_at(file: &[u8], at: usize) -> Option<Vec<Entry>> {
    let mut reader = Reader::new(&file[at..]);
    let index_at = read_entry(&mut reader.clone()).ok().filter(|first| first.offset == DATA_AT)?.checksums_at;
    let mut entries: Vec<Entry> = Vec::new();
    let (mut data_end, mut checksums_end) = (DATA_AT, index_at);
    while let Ok(entry) = read_entry(&mut reader) {
        let follows = Some(entry.offset) == aligned(data_end) && entry.checksums_at == checksums_end;
        if !follows || entries.len() == MAX_SECTIONS || entries.iter().any(|other| other.id == entry.id) {
            break;
        }
        data_end = entry.offset.checked_add(entry.length)?;
        checksums_end = checksums_end.checked_add(chunk_count(entry.length).checked_mul(4)?)?;
        entries.push(entry);
    }
    let fits = Some(index_at) == aligned(data_end) && checksums_end.checked_next_multiple_of(8) == Some(at as u64);
    fits.then_some(entries)
}
