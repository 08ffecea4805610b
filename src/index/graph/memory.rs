//! Sections of an index that are still in memory.

use std::ops::Range;

use super::super::stored::Bytes;
use crate::error::{Error, Result};

/// One line of the cache, where rows begin.
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Line([u8; LINE]);

const LINE: usize = 64;

/// Bytes that begin at a multiple of 64, as those of sections do.
#[derive(Debug)]
pub(super) struct AlignedBytes {
    lines: Vec<Line>,
    len: usize,
}

impl AlignedBytes {
    pub(super) fn zeros(len: usize) -> AlignedBytes {
        AlignedBytes { lines: vec![Line([0; LINE]); len.div_ceil(LINE)], len }
    }

    pub(super) fn copy(bytes: &[u8]) -> AlignedBytes {
        let mut copy = AlignedBytes::zeros(bytes.len());
        copy.as_mut().copy_from_slice(bytes);
        copy
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }

    pub(super) fn as_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

impl Bytes for AlignedBytes {
    fn len(&self) -> usize {
        self.len
    }

    fn get(&self, range: Range<usize>) -> Result<&[u8]> {
        self.as_slice().get(range).ok_or_else(|| Error::internal("bytes behind the end of an index in memory"))
    }

    fn known(&self) -> Option<&[u8]> {
        Some(self.as_slice())
    }
}
