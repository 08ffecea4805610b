//! The rows of a damaged segment, as far as they can be read.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{Lsn, RowId, StoreId};
use crate::key::Key;
use crate::payload;
use crate::rows::RowSet;
use crate::schema::{Schema, VectorKind};
use crate::segment::columns::{SegmentMeta, section};
use crate::segment::{RowMeta, RowSource};
use crate::storage::fs::FileSystem;
use crate::storage::manifest::{DeletionsEntry, SegmentEntry};
use crate::storage::names;
use crate::storage::sections::{FileKind, SectionId, Wreck, WreckSection};
use crate::vector;

/// A segment that may be damaged. What it gives out is what was written.
pub(super) struct WreckedSegment {
    pub(super) name: String,
    rows: u32,
    kind: VectorKind,
    key_offsets: WreckSection,
    key_bytes: WreckSection,
    vectors: Option<WreckSection>,
    payload_offsets: WreckSection,
    payload_bytes: WreckSection,
    lsns: Option<WreckSection>,
    created: Option<WreckSection>,
    expires: Option<WreckSection>,
    /// What stands for positions and times that are lost.
    fallback: RowMeta,
    /// Payloads in place of those that name a lost blob.
    pub(super) cut: BTreeMap<RowId, Vec<u8>>,
}

impl WreckedSegment {
    /// Opens the segment that a manifest lists. Fails when no row of it can be read.
    pub(super) fn open(
        fs: &Arc<dyn FileSystem>,
        store: StoreId,
        entry: &SegmentEntry,
        schema: &Schema,
        flushed: Lsn,
    ) -> Result<WreckedSegment> {
        let name = names::segment(entry.file.id);
        let wreck = Wreck::open(fs, &name, FileKind::Segment, store, entry.file.id, Some(entry.file.footer_crc))?;
        let (rows, kind) = (entry.rows as usize, schema.vector_kind());
        let gone = || Error::corrupt("a section that every row needs is gone", &*name);
        let sized = |id, length: Option<usize>| wreck.find(id).filter(|section| length == Some(section.len()));
        let needed = |id, length| sized(id, length).ok_or_else(gone);
        let column = |id| sized(id, rows.checked_mul(8));
        let offsets = |id| needed(id, (rows + 1).checked_mul(8));
        let any = |id: SectionId| wreck.find(id).ok_or_else(gone);
        let meta = wreck.meta().and_then(|meta| SegmentMeta::decode(meta, &name).ok());
        let vectors = || needed(section::VECTORS, rows.checked_mul(kind.bytes()));
        Ok(WreckedSegment {
            rows: entry.rows,
            kind,
            key_offsets: offsets(section::KEY_OFFSETS)?,
            key_bytes: any(section::KEY_BYTES)?,
            vectors: (kind.bytes() > 0).then(vectors).transpose()?,
            payload_offsets: offsets(section::PAYLOAD_OFFSETS)?,
            payload_bytes: any(section::PAYLOAD_BYTES)?,
            lsns: column(section::LSNS),
            created: column(section::CREATED),
            expires: wreck.find(section::EXPIRES),
            fallback: RowMeta {
                lsn: meta.map_or(flushed, |meta| meta.last_lsn),
                created: meta.map_or(Timestamp(0), |meta| meta.first_created),
                expires: Timestamp::NEVER,
            },
            cut: BTreeMap::new(),
            name,
        })
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = RowId> + use<> {
        (0..self.rows).map(RowId)
    }

    /// The key of a row, if all that a record needs can be read.
    pub(super) fn readable(&self, row: RowId) -> Option<&[u8]> {
        let key = self.stored_key(row)?;
        let whole = Key::decode(key).is_some()
            && self.stored_vector(row).is_some()
            && payload::decode(self.stored_payload(row)?).is_ok();
        whole.then_some(key)
    }

    /// Whether the key of a row can be read and is one of these.
    pub(super) fn key_is_in(&self, row: RowId, keys: Option<&BTreeSet<Vec<u8>>>) -> bool {
        keys.zip(self.stored_key(row)).is_some_and(|(keys, key)| keys.contains(key))
    }

    /// Position and times of a row, as far as they can be read, and whether all of them can.
    pub(super) fn times(&self, row: RowId) -> (RowMeta, bool) {
        let value = |section: &Option<WreckSection>| section.as_ref().and_then(|it| it.value::<i64>(row.index()));
        let (lsn, created) = (value(&self.lsns), value(&self.created));
        let expires = if self.expires.is_some() { value(&self.expires) } else { Some(Timestamp::NEVER.0) };
        let known = lsn.is_some() && created.is_some() && expires.is_some();
        let meta = RowMeta {
            lsn: lsn.map_or(self.fallback.lsn, |lsn| Lsn(lsn as u64)),
            created: created.map_or(self.fallback.created, Timestamp),
            expires: expires.map_or(self.fallback.expires, Timestamp),
        };
        (meta, known)
    }

    /// The blobs that a readable row names.
    pub(super) fn stored_payload(&self, row: RowId) -> Option<&[u8]> {
        block(&self.payload_offsets, &self.payload_bytes, row)
    }

    fn stored_key(&self, row: RowId) -> Option<&[u8]> {
        block(&self.key_offsets, &self.key_bytes, row)
    }

    fn stored_vector(&self, row: RowId) -> Option<&[u8]> {
        let width = self.kind.bytes();
        match &self.vectors {
            Some(section) => section.bytes(row.index() * width..(row.index() + 1) * width),
            None => Some(&[]),
        }
    }

    fn lost(&self, row: RowId) -> Error {
        Error::internal(format!("row {} is written although it cannot be read", row.0)).at(&*self.name)
    }
}

/// One block of a pair of sections: where each begins, and all of them.
fn block<'a>(offsets: &WreckSection, bytes: &'a WreckSection, row: RowId) -> Option<&'a [u8]> {
    let (start, end) = (offsets.value::<u64>(row.index())?, offsets.value::<u64>(row.index() + 1)?);
    bytes.bytes(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
}

impl RowSource for WreckedSegment {
    fn key(&self, row: RowId) -> Result<&[u8]> {
        self.stored_key(row).ok_or_else(|| self.lost(row))
    }

    fn meta(&self, row: RowId) -> Result<RowMeta> {
        Ok(self.times(row).0)
    }

    fn vector_bytes(&self, row: RowId) -> Result<&[u8]> {
        self.stored_vector(row).ok_or_else(|| self.lost(row))
    }

    fn inverse_norm(&self, row: RowId) -> Result<f32> {
        let bytes = self.vector_bytes(row)?;
        let values: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect();
        Ok(vector::inverse_norm(&values))
    }

    fn payload(&self, row: RowId) -> Result<&[u8]> {
        match self.cut.get(&row) {
            Some(cut) => Ok(cut),
            None => self.stored_payload(row).ok_or_else(|| self.lost(row)),
        }
    }
}

/// The rows of a segment that a file says are gone, and how many more there may be.
pub(super) fn read_deletions(
    fs: &Arc<dyn FileSystem>,
    store: StoreId,
    rows: u32,
    entry: &DeletionsEntry,
) -> (RowSet, Result<u32>) {
    let name = names::deletions(entry.file.id, entry.generation);
    let mut gone = RowSet::empty(rows);
    let opened = Wreck::open(fs, &name, FileKind::Deletions, store, entry.file.id, Some(entry.file.footer_crc));
    let section = opened
        .and_then(|wreck| wreck.find(section::DELETED).ok_or_else(|| Error::corrupt("the deletions are gone", &*name)));
    let section = match section {
        Ok(section) => section,
        Err(error) => return (gone, Err(error)),
    };
    for row in 0..rows {
        let byte = section.value::<u8>(row as usize / 8);
        if byte.is_some_and(|byte| byte >> (row % 8) & 1 == 1) {
            gone.insert(RowId(row));
        }
    }
    let unknown = entry.count.saturating_sub(gone.count());
    (gone, Ok(unknown))
}

/// Rows as ranges, for people: `3..5, 9`.
pub(super) fn ranges(rows: &BTreeSet<RowId>) -> String {
    let mut ranges: Vec<Range<u32>> = Vec::new();
    for RowId(row) in rows {
        match ranges.last_mut().filter(|range| range.end == *row) {
            Some(range) => range.end += 1,
            None => ranges.push(*row..row + 1),
        }
    }
    const MOST: usize = 8;
    let told = |range: &Range<u32>| match range.len() {
        1 => range.start.to_string(),
        _ => format!("{}..{}", range.start, range.end),
    };
    let more = ranges.len().saturating_sub(MOST);
    let told: Vec<String> = ranges.iter().take(MOST).map(told).collect();
    if more > 0 { format!("{} and {more} more ranges", told.join(", ")) } else { told.join(", ") }
}
