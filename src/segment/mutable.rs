//! The mutable segment: rows in memory, newest last, until they are sealed.
//!
//! Rows are appended by one writer at a time (the commit lock) and read by anyone. They stand in blocks: full blocks
//! never change and are searched without a lock; the open block is searched under the read lock, which is why it is
//! kept small. Nothing is ever removed: a newer version or a deletion marks a row with the LSN from which it is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{Lsn, RowId};
use crate::index::Live;
use crate::payload;
use crate::schema::{Schema, VectorKind};
use crate::segment::{Moment, RowMeta, RowSource};
use crate::sync::{AtomicU64, Ordering, RwLock};
use crate::vector::inverse_norm;
use crate::vector::matrix::Rows;
use crate::vector::metric::Metric;

/// A block is closed at this many vector bytes, so that searching the open one under its lock takes microseconds.
const BLOCK_VECTOR_BYTES: usize = 256 << 10;
const MAX_BLOCK_ROWS: usize = 1024;
/// What a row costs in memory beside its key, vector and payload: columns, map entry, headers of allocations.
const ROW_OVERHEAD_BYTES: usize = 160;
const NOT_DELETED: u64 = u64::MAX;
const NO_ROW: u32 = u32::MAX;

/// A row on its way in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewRow<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) created: Timestamp,
    pub(crate) expires: Timestamp,
    /// Little-endian f32, packed bits, or nothing.
    pub(crate) vector: &'a [u8],
    pub(crate) payload: &'a [u8],
}

impl NewRow<'_> {
    /// About what it takes in a file.
    pub(crate) fn bytes(&self) -> u64 {
        (self.key.len() + self.vector.len() + self.payload.len()) as u64
    }
}

/// Rows of one collection that are not in a file yet.
#[derive(Debug)]
pub(crate) struct Mutable {
    block_rows: usize,
    shape: Shape,
    bytes: AtomicU64,
    inner: RwLock<Inner>,
}

#[derive(Debug)]
struct Inner {
    full: Arc<Vec<Arc<Block>>>,
    open: Block,
    newest: BTreeMap<Arc<[u8]>, RowId>,
    first_lsn: Option<Lsn>,
    /// Blobs that rows name, in any version.
    blobs: BTreeSet<[u8; 32]>,
}

/// What kind of vector the rows carry.
#[derive(Debug, Clone, Copy)]
struct Shape {
    kind: VectorKind,
    metric: Option<Metric>,
}

/// Consecutive rows, column by column. Row numbers of its methods count from the block's first row.
#[derive(Debug)]
pub(crate) struct Block {
    shape: Shape,
    keys: Vec<Arc<[u8]>>,
    metas: Vec<RowMeta>,
    /// The row, in the whole segment, that held this key before; `NO_ROW` when none did.
    previous: Vec<u32>,
    deleted_at: Vec<AtomicU64>,
    values: Vec<f32>,
    bits: Vec<u8>,
    inverse_norms: Vec<f32>,
    payloads: Vec<Arc<[u8]>>,
}

impl Mutable {
    pub(crate) fn new(schema: &Schema) -> Mutable {
        let shape = Shape { kind: schema.vector_kind(), metric: schema.metric() };
        let per_row = shape.kind.bytes().max(1);
        Mutable {
            block_rows: (BLOCK_VECTOR_BYTES / per_row).clamp(16, MAX_BLOCK_ROWS),
            shape,
            bytes: AtomicU64::new(0),
            inner: RwLock::new(Inner {
                full: Arc::new(Vec::new()),
                open: Block::new(shape),
                newest: BTreeMap::new(),
                first_lsn: None,
                blobs: BTreeSet::new(),
            }),
        }
    }

    /// Appends a row; the version before it, if it stands here, is gone from `lsn` on.
    pub(crate) fn put(&self, lsn: Lsn, row: NewRow<'_>) {
        let mut inner = self.inner.write();
        inner.first_lsn.get_or_insert(lsn);
        if inner.open.len() == self.block_rows {
            inner.close_block(self.shape);
        }
        let id = RowId((inner.full.len() * self.block_rows + inner.open.len()) as u32);
        let known = inner.newest.get_key_value(row.key).map(|(key, row)| (Arc::clone(key), *row));
        let (key, previous) = match known {
            Some((key, previous)) => {
                self.block_of(&inner, previous, |block, local| block.delete(local, lsn));
                (key, previous.0)
            }
            None => (Arc::from(row.key), NO_ROW),
        };
        inner.newest.insert(Arc::clone(&key), id);
        inner.blobs.extend(payload::blobs(row.payload).into_iter().flatten().map(|blob| blob.0));
        inner.open.push(key, lsn, previous, row);
        let size = ROW_OVERHEAD_BYTES + row.key.len() + row.vector.len() + row.payload.len();
        self.bytes.fetch_add(size as u64, Ordering::Relaxed);
    }

    /// Marks the newest version of `key`, if it stands here, as gone from `lsn` on.
    pub(crate) fn delete(&self, key: &[u8], lsn: Lsn) {
        let inner = self.inner.read();
        if let Some(row) = inner.newest.get(key) {
            self.block_of(&inner, *row, |block, local| block.delete(local, lsn));
        }
    }

    /// Remembers that the log holds something of this collection from `lsn` on, even where no row came of it.
    pub(crate) fn note(&self, lsn: Lsn) {
        self.inner.write().first_lsn.get_or_insert(lsn);
    }

    /// The first position of the log that is needed while these rows are not in a file.
    pub(crate) fn first_lsn(&self) -> Option<Lsn> {
        self.inner.read().first_lsn
    }

    /// Whether any version of `key` stands here.
    pub(crate) fn knows(&self, key: &[u8]) -> bool {
        self.inner.read().newest.contains_key(key)
    }

    /// Reads the version of `key` that is live at `moment`.
    pub(crate) fn find<T>(
        &self,
        key: &[u8],
        moment: Moment,
        read: impl FnOnce(&Block, RowId) -> Result<T>,
    ) -> Result<Option<T>> {
        let inner = self.inner.read();
        let Some(mut row) = inner.newest.get(key).copied() else { return Ok(None) };
        loop {
            let (block, local) = self.locate(&inner, row);
            if block.metas[local.index()].lsn <= moment.lsn {
                return if block.is_live(local, moment) { read(block, local).map(Some) } else { Ok(None) };
            }
            match block.previous[local.index()] {
                NO_ROW => return Ok(None),
                previous => row = RowId(previous),
            }
        }
    }

    /// Up to `limit` keys within the bounds that stand here in any version, in key order or against it.
    pub(crate) fn keys(&self, from: Bound<&[u8]>, to: Bound<&[u8]>, reverse: bool, limit: usize) -> Vec<Arc<[u8]>> {
        let inner = self.inner.read();
        let range = inner.newest.range::<[u8], _>((from, to)).map(|(key, _)| Arc::clone(key));
        if reverse { range.rev().take(limit).collect() } else { range.take(limit).collect() }
    }

    /// Full blocks, each with the segment's number of its first row; they may be read without a lock.
    pub(crate) fn full_blocks(&self) -> Arc<Vec<Arc<Block>>> {
        Arc::clone(&self.inner.read().full)
    }

    /// All blocks, the open one as a copy that shares keys and payloads: for work that takes too long to hold the lock.
    pub(crate) fn blocks(&self) -> Vec<Arc<Block>> {
        let inner = self.inner.read();
        let open = (inner.open.len() > 0).then(|| Arc::new(inner.open.copy()));
        inner.full.iter().cloned().chain(open).collect()
    }

    /// Reads what [`Mutable::full_blocks`] left out, given how many blocks it returned. More blocks may have filled
    /// since: they are all shown, the open one last, under the lock.
    pub(crate) fn rest<T>(&self, after: usize, mut read: impl FnMut(&Block) -> Result<T>) -> Result<Vec<T>> {
        let inner = self.inner.read();
        let later = inner.full.iter().skip(after).map(|block| &**block);
        later.chain(std::iter::once(&inner.open)).map(&mut read).collect()
    }

    /// The blobs that its rows name, in any version.
    pub(crate) fn blobs(&self) -> Vec<[u8; 32]> {
        self.inner.read().blobs.iter().copied().collect()
    }

    /// Rows, in every version.
    pub(crate) fn rows(&self) -> u32 {
        let inner = self.inner.read();
        (inner.full.len() * self.block_rows + inner.open.len()) as u32
    }

    /// Memory taken, estimated.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Closes the open block, so that all rows can be read without a lock. For a segment that gets no more rows.
    pub(crate) fn freeze(&self) -> Frozen {
        let mut inner = self.inner.write();
        if inner.open.len() > 0 {
            inner.close_block(self.shape);
        }
        Frozen { blocks: Arc::clone(&inner.full), block_rows: self.block_rows }
    }

    fn locate<'a>(&self, inner: &'a Inner, row: RowId) -> (&'a Block, RowId) {
        let (block, local) = (row.index() / self.block_rows, row.index() % self.block_rows);
        (inner.full.get(block).map_or(&inner.open, |block| &**block), RowId(local as u32))
    }

    fn block_of(&self, inner: &Inner, row: RowId, act: impl FnOnce(&Block, RowId)) {
        let (block, local) = self.locate(inner, row);
        act(block, local);
    }
}

impl Inner {
    fn close_block(&mut self, shape: Shape) {
        let block = std::mem::replace(&mut self.open, Block::new(shape));
        let mut full = Vec::with_capacity(self.full.len() + 1);
        full.extend(self.full.iter().cloned());
        full.push(Arc::new(block));
        self.full = Arc::new(full);
    }
}

impl Block {
    fn new(shape: Shape) -> Block {
        Block {
            shape,
            keys: Vec::new(),
            metas: Vec::new(),
            previous: Vec::new(),
            deleted_at: Vec::new(),
            values: Vec::new(),
            bits: Vec::new(),
            inverse_norms: Vec::new(),
            payloads: Vec::new(),
        }
    }

    fn push(&mut self, key: Arc<[u8]>, lsn: Lsn, previous: u32, row: NewRow<'_>) {
        self.keys.push(key);
        self.metas.push(RowMeta { lsn, created: row.created, expires: row.expires });
        self.previous.push(previous);
        self.deleted_at.push(AtomicU64::new(NOT_DELETED));
        self.payloads.push(row.payload.into());
        match self.shape.kind {
            VectorKind::None => {}
            VectorKind::Bits { .. } => self.bits.extend_from_slice(row.vector),
            VectorKind::F32 { .. } => {
                let start = self.values.len();
                self.values.extend(row.vector.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)));
                if self.shape.metric == Some(Metric::Cosine) {
                    self.inverse_norms.push(inverse_norm(&self.values[start..]));
                }
            }
        }
    }

    fn copy(&self) -> Block {
        let deleted_at = self.deleted_at.iter().map(|lsn| AtomicU64::new(lsn.load(Ordering::Acquire)));
        Block {
            shape: self.shape,
            keys: self.keys.clone(),
            metas: self.metas.clone(),
            previous: self.previous.clone(),
            deleted_at: deleted_at.collect(),
            values: self.values.clone(),
            bits: self.bits.clone(),
            inverse_norms: self.inverse_norms.clone(),
            payloads: self.payloads.clone(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    fn delete(&self, row: RowId, lsn: Lsn) {
        let slot = &self.deleted_at[row.index()];
        let _ = slot.compare_exchange(NOT_DELETED, lsn.0, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Since when the row is gone, if it is.
    pub(crate) fn deleted_at(&self, row: RowId) -> Option<Lsn> {
        match self.deleted_at[row.index()].load(Ordering::Acquire) {
            NOT_DELETED => None,
            lsn => Some(Lsn(lsn)),
        }
    }

    pub(crate) fn is_live(&self, row: RowId, moment: Moment) -> bool {
        let meta = self.metas[row.index()];
        meta.lsn <= moment.lsn
            && meta.expires > moment.now
            && self.deleted_at(row).is_none_or(|deleted| deleted > moment.lsn)
    }

    /// The vectors, as an index searches them; `None` without vectors.
    pub(crate) fn vectors(&self) -> Option<Rows<'_>> {
        match self.shape.kind {
            VectorKind::None => None,
            VectorKind::Bits { bytes } => Some(Rows::Bits { bytes: &self.bits, stride: bytes }),
            VectorKind::F32 { dimension } => Some(Rows::F32 {
                values: &self.values,
                dimension,
                inverse_norms: (self.shape.metric == Some(Metric::Cosine)).then_some(&self.inverse_norms[..]),
            }),
        }
    }
}

impl RowSource for Block {
    fn key(&self, row: RowId) -> Result<&[u8]> {
        Ok(&self.keys[row.index()])
    }

    fn meta(&self, row: RowId) -> Result<RowMeta> {
        Ok(self.metas[row.index()])
    }

    fn vector_bytes(&self, row: RowId) -> Result<&[u8]> {
        let at = row.index();
        Ok(match self.shape.kind {
            VectorKind::None => &[],
            VectorKind::Bits { bytes } => &self.bits[at * bytes..][..bytes],
            VectorKind::F32 { dimension } => bytemuck::cast_slice(&self.values[at * dimension..][..dimension]),
        })
    }

    fn inverse_norm(&self, row: RowId) -> Result<f32> {
        let norm = self.inverse_norms.get(row.index()).copied();
        norm.ok_or_else(|| Error::internal("a row without a norm under cosine"))
    }

    fn payload(&self, row: RowId) -> Result<&[u8]> {
        Ok(&self.payloads[row.index()])
    }
}

/// All rows of a mutable segment that gets no more of them.
#[derive(Debug, Clone)]
pub(crate) struct Frozen {
    blocks: Arc<Vec<Arc<Block>>>,
    block_rows: usize,
}

impl Frozen {
    fn locate(&self, row: RowId) -> (&Block, RowId) {
        (&self.blocks[row.index() / self.block_rows], RowId((row.index() % self.block_rows) as u32))
    }

    fn rows(&self) -> impl Iterator<Item = (RowId, &Block, RowId)> {
        self.blocks.iter().enumerate().flat_map(move |(number, block)| {
            let first = number * self.block_rows;
            (0..block.len()).map(move |local| (RowId((first + local) as u32), &**block, RowId(local as u32)))
        })
    }

    /// The rows that a reader at `lsn` finds, whether expired or not, in order of arrival.
    pub(crate) fn live_rows(&self, lsn: Lsn) -> Vec<RowId> {
        let live = |block: &Block, local: RowId| {
            block.metas[local.index()].lsn <= lsn && block.deleted_at(local).is_none_or(|deleted| deleted > lsn)
        };
        self.rows().filter(|(_, block, local)| live(block, *local)).map(|(row, ..)| row).collect()
    }

    /// Rows that went after `lsn`, and when.
    pub(crate) fn deleted_after(&self, lsn: Lsn) -> impl Iterator<Item = (RowId, Lsn)> {
        self.rows().filter_map(move |(row, block, local)| {
            block.deleted_at(local).filter(|deleted| *deleted > lsn).map(|deleted| (row, deleted))
        })
    }
}

impl RowSource for Frozen {
    fn key(&self, row: RowId) -> Result<&[u8]> {
        let (block, local) = self.locate(row);
        block.key(local)
    }

    fn meta(&self, row: RowId) -> Result<RowMeta> {
        let (block, local) = self.locate(row);
        block.meta(local)
    }

    fn vector_bytes(&self, row: RowId) -> Result<&[u8]> {
        let (block, local) = self.locate(row);
        block.vector_bytes(local)
    }

    fn inverse_norm(&self, row: RowId) -> Result<f32> {
        let (block, local) = self.locate(row);
        block.inverse_norm(local)
    }

    fn payload(&self, row: RowId) -> Result<&[u8]> {
        let (block, local) = self.locate(row);
        block.payload(local)
    }
}

/// Rows a search may return: those of a block that are live at a moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LiveInBlock<'a> {
    pub(crate) block: &'a Block,
    pub(crate) moment: Moment,
}

impl Live for LiveInBlock<'_> {
    fn word(&self, number: usize) -> u64 {
        let rows = number * 64..self.block.len().min(number * 64 + 64);
        let live = |row: usize| u64::from(self.block.is_live(RowId(row as u32), self.moment)) << (row % 64);
        rows.fold(0, |word, row| word | live(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(segment: &Mutable, key: &str, lsn: u64, payload: &[u8]) {
        let row =
            NewRow { key: key.as_bytes(), created: Timestamp(0), expires: Timestamp::NEVER, vector: &[], payload };
        segment.put(Lsn(lsn), row);
    }

    fn get(segment: &Mutable, key: &str, lsn: u64) -> Option<Vec<u8>> {
        let moment = Moment { lsn: Lsn(lsn), now: Timestamp(0) };
        segment.find(key.as_bytes(), moment, |block, row| Ok(block.payload(row)?.to_vec())).unwrap()
    }

    #[test]
    fn each_reader_sees_the_version_of_its_moment() {
        let segment = Mutable::new(&Schema::payload_only());
        put(&segment, "a", 2, b"old");
        put(&segment, "a", 4, b"new");
        segment.delete(b"a", Lsn(6));
        put(&segment, "a", 8, b"again");
        let seen: Vec<Option<Vec<u8>>> = (1..=8).map(|lsn| get(&segment, "a", lsn)).collect();
        let [old, new, again] = [b"old".to_vec(), b"new".to_vec(), b"again".to_vec()].map(Some);
        assert_eq!(seen, [None, old.clone(), old, new.clone(), new, None, None, again]);
    }

    #[test]
    fn rows_survive_the_closing_of_blocks() {
        let segment = Mutable::new(&Schema::payload_only());
        for number in 0..3000u32 {
            put(&segment, &format!("{number:05}"), 1 + u64::from(number), &number.to_le_bytes());
        }
        assert_eq!(segment.rows(), 3000);
        assert_eq!(segment.full_blocks().len(), 2);
        assert_eq!(segment.rest(1, |block| Ok(block.len())).unwrap(), [1024, 952]);
        assert_eq!(get(&segment, "02999", 9999), Some(2999u32.to_le_bytes().to_vec()));
        assert_eq!(get(&segment, "00007", 9999), Some(7u32.to_le_bytes().to_vec()));
        let last = segment.keys(Bound::Unbounded, Bound::Excluded(b"00003"), true, 2);
        assert_eq!(last.iter().map(|key| &**key).collect::<Vec<_>>(), [b"00002", b"00001"]);
    }

    #[test]
    fn a_frozen_segment_tells_what_was_live_and_what_went_later() {
        let segment = Mutable::new(&Schema::payload_only());
        put(&segment, "a", 1, b"");
        put(&segment, "b", 2, b"");
        put(&segment, "a", 3, b"");
        let frozen = segment.freeze();
        segment.delete(b"b", Lsn(5));
        assert_eq!(frozen.live_rows(Lsn(1)), [RowId(0)]);
        assert_eq!(frozen.live_rows(Lsn(2)), [RowId(0), RowId(1)]);
        assert_eq!(frozen.live_rows(Lsn(3)), [RowId(1), RowId(2)]);
        assert_eq!(frozen.deleted_after(Lsn(3)).collect::<Vec<_>>(), [(RowId(1), Lsn(5))]);
    }

    #[test]
    fn expired_rows_are_not_found() {
        let segment = Mutable::new(&Schema::payload_only());
        let row = NewRow { key: b"a", created: Timestamp(0), expires: Timestamp(10), vector: &[], payload: b"" };
        segment.put(Lsn(1), row);
        let found = |now| segment.find(b"a", Moment { lsn: Lsn(1), now: Timestamp(now) }, |_, _| Ok(())).unwrap();
        assert_eq!((found(9), found(10)), (Some(()), None));
    }
}
