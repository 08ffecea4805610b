//! Reads a log that is damaged, as far as it can be read.

use std::sync::Arc;

use super::WalRef;
use super::format::{
    ALIGNMENT, GROUP_HEADER_BYTES, GROUPS_AT, GroupHeader, batches, decode_any_header, decode_header, holds_batches,
    may_begin,
};
use super::{MAX_GROUP_BYTES, Tail};
use crate::error::Result;
use crate::ids::{FileId, Lsn, MAX_NUMBER, StoreId};
use crate::storage::checksum::crc32;
use crate::storage::fs::FileSystem;
use crate::storage::header::{PAGE_BYTES, is_whole};
use crate::storage::holes;
use crate::storage::names;

/// What of a log could be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Scanned {
    pub(crate) batches: u64,
    /// The last position that was read; 0 where there was none.
    pub(crate) last: Lsn,
    /// Up to where some group says that the log was durable.
    pub(crate) durable: Lsn,
    /// Between these positions there are groups that cannot be read: the first is read, and so is the last.
    pub(crate) gaps: Vec<(Lsn, Lsn)>,
}

/// Shows `visit` the batches of every group of a log that is whole, in order, whatever stands between them.
///
/// A group is whole when its header and its batches have the checksums they were written with. It is of this log because
/// it carries its salt, and newer than the one before because its number and its positions are higher. Fails when the
/// file is missing, or is another one.
pub(crate) fn scan(
    fs: &Arc<dyn FileSystem>,
    store: StoreId,
    log: WalRef,
    visit: &mut dyn FnMut(Lsn, &[u8]) -> Result<()>,
) -> Result<Scanned> {
    let name = names::wal(log.file);
    let bytes = holes::read(&**fs, &name)?;
    if let Some(page) = bytes.get(..PAGE_BYTES).filter(|page| is_whole(page)) {
        decode_header(page, log, store, &name)?;
    }
    let mut scan = Scan { log, bytes: &bytes, last: None, found: Scanned::default() };
    let mut at = GROUPS_AT as usize;
    while at + GROUP_HEADER_BYTES <= bytes.len() {
        at = match scan.group(at) {
            Some((header, payload)) => {
                batches(payload).try_for_each(|(lsn, batch)| visit(lsn, batch))?;
                scan.note(&header);
                at + GROUP_HEADER_BYTES + payload.len().next_multiple_of(ALIGNMENT as usize)
            }
            None => at + ALIGNMENT as usize,
        };
    }
    Ok(scan.found)
}

/// What the header of a log says of it, for whoever has no manifest to ask; `None` when it is damaged.
pub(crate) fn identify(fs: &Arc<dyn FileSystem>, store: StoreId, file: FileId) -> Option<WalRef> {
    let bytes = holes::read(&**fs, &names::wal(file)).ok()?;
    decode_any_header(bytes.get(..PAGE_BYTES)?, file, store)
}

struct Scan<'a> {
    log: WalRef,
    bytes: &'a [u8],
    /// The group before: its number, and where it ended.
    last: Option<(u32, Tail)>,
    found: Scanned,
}

impl<'a> Scan<'a> {
    /// The group that begins at `at`, if a whole one does that comes after the one before.
    fn group(&self, at: usize) -> Option<(Group, &'a [u8])> {
        let header = self.bytes.get(at..at + GROUP_HEADER_BYTES).filter(|bytes| may_begin(bytes, self.log.salt))?;
        let (header, crc) = GroupHeader::decode(header.try_into().ok()?, self.log.salt).ok()??;
        let length = header.payload_bytes as usize;
        let start = at + GROUP_HEADER_BYTES;
        let payload = self.bytes.get(start..start.checked_add(length)?).filter(|_| length <= MAX_GROUP_BYTES)?;
        let whole = crc32(&[payload]) == header.payload_crc && (header.sealed || holds_batches(payload, &header));
        (whole && self.follows(&header)).then_some((Group { header, crc }, payload))
    }

    fn follows(&self, header: &GroupHeader) -> bool {
        let in_range = header.last.0.max(header.durable.0) < MAX_NUMBER;
        in_range
            && match self.last {
                None => header.first >= self.log.first_lsn || header.sealed,
                Some((number, tail)) if header.number == number.saturating_add(1) => {
                    header.previous_crc == tail.crc && (header.sealed || header.first > tail.lsn)
                }
                Some((number, tail)) => header.number > number && header.first >= tail.lsn,
            }
    }

    fn note(&mut self, Group { header, crc }: &Group) {
        let expected = self.last.map_or(1, |(number, _)| number.saturating_add(1));
        if header.number != expected {
            let before = self.last.map_or(Lsn(self.log.first_lsn.0.saturating_sub(1)), |(_, tail)| tail.lsn);
            self.found.gaps.push((before, header.first));
        }
        self.last = Some((header.number, Tail { lsn: header.last, crc: *crc }));
        self.found.batches += u64::from(header.batches);
        self.found.last = self.found.last.max(header.last);
        self.found.durable = self.found.durable.max(header.durable);
    }
}

struct Group {
    header: GroupHeader,
    crc: u32,
}
