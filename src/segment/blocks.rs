//! Some blocks of a mutable segment that get no more rows, read as one.

use std::ops::Range;
use std::sync::Arc;

use crate::error::Result;
use crate::ids::{Lsn, RowId};
use crate::segment::block::Block;
use crate::segment::{Moment, RowMeta, RowSource};
use crate::vector::VectorRef;
use crate::vector::matrix::Rows;

/// Consecutive blocks, all full but the last. Row numbers count from the first row of the first.
#[derive(Debug, Clone)]
pub(crate) struct Blocks {
    blocks: Arc<Vec<Arc<Block>>>,
    block_rows: usize,
}

impl Blocks {
    pub(crate) fn new(blocks: Arc<Vec<Arc<Block>>>, block_rows: usize) -> Blocks {
        Blocks { blocks, block_rows }
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        let last = self.blocks.last().map_or(0, |block| block.len());
        self.blocks.len().saturating_sub(1) * self.block_rows + last
    }

    /// How many blocks there are.
    pub(crate) fn count(&self) -> usize {
        self.blocks.len()
    }

    /// Some of the blocks.
    pub(crate) fn of(&self, range: Range<usize>) -> Blocks {
        Blocks { blocks: Arc::new(self.blocks[range].to_vec()), block_rows: self.block_rows }
    }

    /// The vectors of each block; none without vectors.
    pub(crate) fn vectors(&self) -> impl Iterator<Item = Rows<'_>> {
        self.blocks.iter().filter_map(|block| block.vectors())
    }

    /// The vector of a row; `None` without vectors.
    pub(crate) fn vector(&self, row: RowId) -> Option<VectorRef<'_>> {
        let (block, local) = self.locate(row);
        Some(block.vectors()?.row(local))
    }

    /// Whether a reader finds the row at `moment`.
    pub(crate) fn is_live(&self, row: RowId, moment: Moment) -> bool {
        let (block, local) = self.locate(row);
        block.is_live(local, moment)
    }

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
            block.written_at(local) <= lsn && block.deleted_at(local).is_none_or(|deleted| deleted > lsn)
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

impl RowSource for Blocks {
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
