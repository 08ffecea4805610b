//! A block of a mutable segment: consecutive rows, column by column.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{Lsn, RowId};
use crate::index::Live;
use crate::schema::{Schema, VectorKind};
use crate::segment::{Moment, RowMeta, RowSource};
use crate::sync::{AtomicU64, Ordering};
use crate::vector::inverse_norm;
use crate::vector::matrix::Rows;
use crate::vector::metric::Metric;

const NOT_DELETED: u64 = u64::MAX;
/// What stands where no row held a key before.
pub(super) const NO_ROW: u32 = u32::MAX;

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

/// What kind of vector the rows carry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    kind: VectorKind,
    metric: Option<Metric>,
}

impl Shape {
    pub(super) fn of(schema: &Schema) -> Shape {
        Shape { kind: schema.vector_kind(), metric: schema.metric() }
    }

    /// Bytes of a vector.
    pub(super) fn bytes(self) -> usize {
        self.kind.bytes()
    }
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

impl Block {
    pub(super) fn new(shape: Shape) -> Block {
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

    pub(super) fn push(&mut self, key: Arc<[u8]>, lsn: Lsn, previous: u32, row: NewRow<'_>) {
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

    pub(super) fn copy(&self) -> Block {
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

    pub(super) fn delete(&self, row: RowId, lsn: Lsn) {
        let slot = &self.deleted_at[row.index()];
        let _ = slot.compare_exchange(NOT_DELETED, lsn.0, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Since when the row is there.
    pub(crate) fn written_at(&self, row: RowId) -> Lsn {
        self.metas[row.index()].lsn
    }

    /// The row, in the whole segment, that held the key before; `NO_ROW` when none did.
    pub(super) fn previous(&self, row: RowId) -> u32 {
        self.previous[row.index()]
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

    fn has(&self, row: usize) -> bool {
        self.block.is_live(RowId(row as u32), self.moment)
    }
}
