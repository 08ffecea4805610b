//! The bytes of a log: the page it begins with, and the header before each group. Frozen.

use super::{Tail, WalRef};
use crate::bytes::{Reader, Truncated, Write};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{FileId, Lsn, MAX_NUMBER, StoreId};
use crate::storage::checksum::crc32;
use crate::storage::header::{PAGE_BYTES, decode_page, encode_page, page_crc};
use crate::storage::names;

const LETTER: u8 = b'W';

/// The first bytes of a group.
const GROUP_MAGIC: [u8; 4] = *b"DLgr";

pub(super) const GROUP_HEADER_BYTES: usize = 64;
const GROUP_CRC_AT: usize = GROUP_HEADER_BYTES - 4;

/// What a group begins at a multiple of.
pub(super) const ALIGNMENT: u64 = 8;

/// What the first group after a sync begins at a multiple of, so that no sector that was promised is written again.
pub(super) const BLOCK_BYTES: u64 = 4096;

/// Where the first group begins.
pub(super) const GROUPS_AT: u64 = PAGE_BYTES as u64;

/// Position and length before each batch.
pub(super) const BATCH_HEADER_BYTES: usize = 12;

/// The flag of the group that ends a log in good order.
const SEAL: u32 = 1;

/// The page a log begins with, and its checksum, which the first group names.
pub(super) fn encode_header(log: WalRef, store: StoreId, previous: Option<Tail>) -> (Vec<u8>, u32) {
    let mut fields = Vec::with_capacity(32);
    fields.put_u64(log.salt);
    fields.put_u64(log.first_lsn.0);
    fields.put_u32(u32::from(previous.is_some()));
    fields.put_u32(previous.map_or(0, |tail| tail.crc));
    fields.put_u64(previous.map_or(0, |tail| tail.lsn.0));
    let page = encode_page(LETTER, store, log.file, &fields);
    let crc = page_crc(&page).unwrap_or_default();
    (page, crc)
}

/// What the page says besides what the manifest knows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    /// The end of the log before, where there was one.
    pub(super) previous: Option<Tail>,
    pub(super) crc: u32,
}

/// Reads the page of the file `name`, which must be that of `log`.
pub(super) fn decode_header(page: &[u8], log: WalRef, store: StoreId, name: &str) -> Result<Header> {
    let fields = decode_page(page, LETTER, store, log.file, name)?;
    let damaged = |what: &str| Error::corrupt(what, format!("{name} at 0"));
    let (found, previous) =
        read_fields(&mut Reader::new(fields), log.file).map_err(|_: Truncated| damaged("the header is too short"))?;
    if found != log {
        return Err(damaged("the log is not the one the manifest lists"));
    }
    if log.first_lsn.0 >= MAX_NUMBER || previous.is_some_and(|tail| tail.lsn.0 >= MAX_NUMBER) {
        return Err(damaged("the header speaks of a position no store gets to"));
    }
    Ok(Header { previous, crc: page_crc(page).unwrap_or_default() })
}

fn read_fields(reader: &mut Reader<'_>, file: FileId) -> Result<(WalRef, Option<Tail>), Truncated> {
    let (salt, first_lsn) = (reader.u64()?, Lsn(reader.u64()?));
    let (has_previous, crc, lsn) = (reader.u32()?, reader.u32()?, Lsn(reader.u64()?));
    let previous = (has_previous == 1).then_some(Tail { lsn, crc });
    Ok((WalRef { file, salt, first_lsn }, previous))
}

/// The log that this page begins, for whoever has no manifest to compare it with; `None` when it is damaged.
pub(super) fn decode_any_header(page: &[u8], file: FileId, store: StoreId) -> Option<WalRef> {
    let fields = decode_page(page, LETTER, store, file, &names::wal(file)).ok()?;
    read_fields(&mut Reader::new(fields), file).ok().map(|(log, _)| log)
}

/// What stands before a group's batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GroupHeader {
    /// Counted from 1 within the file.
    pub(super) number: u32,
    pub(super) salt: u64,
    pub(super) first: Lsn,
    pub(super) last: Lsn,
    /// Up to here the log was known to be durable when this was written.
    pub(super) durable: Lsn,
    pub(super) batches: u32,
    pub(super) sealed: bool,
    pub(super) payload_bytes: u32,
    /// The checksum of the header before: of the group before, or of the page.
    pub(super) previous_crc: u32,
    pub(super) payload_crc: u32,
}

impl GroupHeader {
    /// The bytes, and the checksum they end with, which the next group names.
    pub(super) fn encode(&self) -> ([u8; GROUP_HEADER_BYTES], u32) {
        let mut out = Vec::with_capacity(GROUP_HEADER_BYTES);
        out.extend_from_slice(&GROUP_MAGIC);
        out.put_u32(self.number);
        out.put_u64(self.salt);
        out.put_u64(self.first.0);
        out.put_u64(self.last.0);
        out.put_u64(self.durable.0);
        out.put_u32(self.batches);
        out.put_u32(if self.sealed { SEAL } else { 0 });
        out.put_u32(self.payload_bytes);
        out.put_u32(self.previous_crc);
        out.put_u32(self.payload_crc);
        let crc = crc32(&[&out]);
        out.put_u32(crc);
        let mut header = [0; GROUP_HEADER_BYTES];
        header.copy_from_slice(&out);
        (header, crc)
    }

    /// Reads a header of the log with this salt; `None` when there is none. A header with flags we do not know is
    /// one of another version.
    pub(super) fn decode(bytes: &[u8; GROUP_HEADER_BYTES], salt: u64) -> Result<Option<(GroupHeader, u32)>> {
        if !may_begin(bytes, salt) {
            return Ok(None);
        }
        let Ok((header, flags, crc)) = GroupHeader::read(&mut Reader::new(bytes)) else { return Ok(None) };
        if crc32(&[&bytes[..GROUP_CRC_AT]]) != crc {
            return Ok(None);
        }
        match flags & !SEAL {
            0 => Ok(Some((header, crc))),
            unknown => Err(Error::new(ErrorKind::Version, format!("a group has flags unknown here ({unknown:#x})"))
                .mend("open the store with the program that wrote it, or with a newer one")),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<(GroupHeader, u32, u32), Truncated> {
        reader.take(GROUP_MAGIC.len())?;
        let (number, salt) = (reader.u32()?, reader.u64()?);
        let (first, last, durable) = (Lsn(reader.u64()?), Lsn(reader.u64()?), Lsn(reader.u64()?));
        let (batches, flags, payload_bytes) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let (previous_crc, payload_crc, crc) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let sealed = flags & SEAL != 0;
        let header = GroupHeader {
            number,
            salt,
            first,
            last,
            durable,
            batches,
            sealed,
            payload_bytes,
            previous_crc,
            payload_crc,
        };
        Ok((header, flags, crc))
    }
}

/// Whether `bytes` begin like a group of the log with this salt; cheap enough to ask at every place.
pub(super) fn may_begin(bytes: &[u8], salt: u64) -> bool {
    bytes.starts_with(&GROUP_MAGIC) && bytes.get(8..16) == Some(&salt.to_le_bytes())
}

/// The batches of a payload, in order, as far as it is made of batches.
pub(super) fn batches(payload: &[u8]) -> impl Iterator<Item = (Lsn, &[u8])> {
    let mut reader = Reader::new(payload);
    std::iter::from_fn(move || Some((Lsn(reader.u64().ok()?), reader.block().ok()?)))
}

/// Whether a payload is made of the batches its header speaks of.
pub(super) fn holds_batches(payload: &[u8], header: &GroupHeader) -> bool {
    let (mut bytes, mut count, mut before) = (0, 0, None);
    for (lsn, batch) in batches(payload) {
        if before.is_some_and(|before| before >= lsn) || (count == 0 && lsn != header.first) {
            return false;
        }
        bytes += BATCH_HEADER_BYTES + batch.len();
        count += 1;
        before = Some(lsn);
    }
    bytes == payload.len() && count == header.batches && before == Some(header.last)
}
