//! The mutable segment: rows in memory, newest last, until they are sealed.
//!
//! Rows are appended by one writer at a time (the commit lock) and read by anyone. They stand in blocks: full blocks
//! never change and are searched without a lock; the open block is searched under the read lock, which is why it is
//! kept small. Nothing is ever removed: a newer version or a deletion marks a row with the LSN from which it is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use crate::error::Result;
use crate::ids::{Lsn, RowId};
use crate::index::IndexSpec;
use crate::payload;
use crate::quantization::int8::FACTOR_BYTES;
use crate::schema::Schema;
use crate::segment::Moment;
use crate::segment::block::{Block, NO_ROW, NewRow, Shape};
use crate::segment::blocks::Blocks;
use crate::segment::waves::{self, Wave};
use crate::sync::{AtomicU64, Ordering, RwLock};

/// A block is closed at this many vector bytes, so that searching the open one under its lock takes microseconds.
const BLOCK_VECTOR_BYTES: usize = 256 << 10;
const MAX_BLOCK_ROWS: usize = 1024;
/// What a row costs in memory beside its key, vector and payload: columns, map entry, headers of allocations.
const ROW_OVERHEAD_BYTES: usize = 160;
/// Links of a row, of an index with the usual number of them.
const LINK_BYTES: usize = 128;

/// Rows of one collection that are not in a file yet.
#[derive(Debug)]
pub(crate) struct Mutable {
    block_rows: usize,
    shape: Shape,
    /// What a row takes beside its key, vector and payload.
    row_overhead: usize,
    bytes: AtomicU64,
    inner: RwLock<Inner>,
    /// Indexes over its first blocks, in order and without gaps.
    waves: RwLock<Arc<Vec<Arc<Wave>>>>,
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

impl Mutable {
    pub(crate) fn new(schema: &Schema) -> Mutable {
        let shape = Shape::of(schema);
        let per_row = shape.bytes().max(1);
        Mutable {
            block_rows: (BLOCK_VECTOR_BYTES / per_row).clamp(16, MAX_BLOCK_ROWS),
            shape,
            row_overhead: ROW_OVERHEAD_BYTES + index_bytes(schema),
            bytes: AtomicU64::new(0),
            inner: RwLock::new(Inner {
                full: Arc::new(Vec::new()),
                open: Block::new(shape),
                newest: BTreeMap::new(),
                first_lsn: None,
                blobs: BTreeSet::new(),
            }),
            waves: RwLock::default(),
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
        let size = self.row_overhead + row.key.len() + row.vector.len() + row.payload.len();
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
            if block.written_at(local) <= moment.lsn {
                return if block.is_live(local, moment) { read(block, local).map(Some) } else { Ok(None) };
            }
            match block.previous(local) {
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

    /// Full blocks, in the order of their rows; they may be read without a lock.
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
    pub(crate) fn freeze(&self) -> Blocks {
        let mut inner = self.inner.write();
        if inner.open.len() > 0 {
            inner.close_block(self.shape);
        }
        Blocks::new(Arc::clone(&inner.full), self.block_rows)
    }

    /// Indexes over its first blocks, in order and without gaps, as a collection asks for them now.
    pub(crate) fn waves(&self, asked: &IndexSpec) -> Vec<Arc<Wave>> {
        self.waves.read().iter().take_while(|wave| wave.is_for(asked)).cloned().collect()
    }

    /// Rows of full blocks that no wave of this kind has indexed.
    pub(crate) fn unindexed(&self, asked: &IndexSpec) -> usize {
        let covered = self.waves(asked).last().map_or(0, |wave| wave.blocks().end);
        (self.full_blocks().len() - covered) * self.block_rows
    }

    /// The blocks that the next wave takes, and the place of the first of them.
    pub(crate) fn next_wave(&self, asked: &IndexSpec) -> (Blocks, usize) {
        let full = Blocks::new(self.full_blocks(), self.block_rows);
        let waves: Vec<_> = self.waves(asked).iter().map(|wave| wave.blocks()).collect();
        let next = waves::next(&waves, full.count());
        (full.of(next.clone()), next.start)
    }

    /// Takes in a wave in place of those whose blocks it has. Waves are built by one thread at a time.
    pub(crate) fn add_wave(&self, wave: Wave) {
        let mut waves = self.waves.write();
        let first = wave.blocks().start;
        let before = waves.iter().filter(|earlier| earlier.blocks().start < first);
        *waves = Arc::new(before.cloned().chain([Arc::new(wave)]).collect());
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

/// What an index over rows in memory takes of each: a code, and links.
fn index_bytes(schema: &Schema) -> usize {
    let vector = schema.vector_kind().bytes();
    if vector == 0 || *schema.index_spec() == IndexSpec::Flat { 0 } else { vector / 4 + FACTOR_BYTES + LINK_BYTES }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::segment::RowSource;
    use crate::segment::block::NewRow;

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
