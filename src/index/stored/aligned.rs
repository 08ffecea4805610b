//! Bytes in memory that begin where sections of files begin.

use std::ops::Range;
use std::sync::Arc;

use super::Bytes;
use crate::error::{Error, Result};

/// One line of the cache, where rows begin.
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Line([u8; LINE]);

const LINE: usize = 64;

/// Bytes that begin at a multiple of 64, as those of sections do.
#[derive(Debug)]
pub(crate) struct AlignedBytes {
    lines: Vec<Line>,
    len: usize,
}

impl AlignedBytes {
    pub(crate) fn zeros(len: usize) -> AlignedBytes {
        AlignedBytes { lines: vec![Line([0; LINE]); len.div_ceil(LINE)], len }
    }

    pub(crate) fn copy(bytes: &[u8]) -> AlignedBytes {
        let mut copy = AlignedBytes::zeros(bytes.len());
        copy.as_mut().copy_from_slice(bytes);
        copy
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }

    pub(crate) fn as_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

/// Bytes that are read while who wrote them waits to write again.
impl Bytes for Arc<AlignedBytes> {
    fn len(&self) -> usize {
        AlignedBytes::len(self)
    }

    fn get(&self, range: Range<usize>) -> Result<&[u8]> {
        AlignedBytes::get(self, range)
    }

    fn known(&self) -> Option<&[u8]> {
        AlignedBytes::known(self)
    }
}

impl Bytes for AlignedBytes {
    fn len(&self) -> usize {
        self.len
    }

    fn get(&self, range: Range<usize>) -> Result<&[u8]> {
        self.as_slice()
            .get(range)
            .ok_or_else(|| Error::corrupt("bytes behind the end of a section", "an index in memory"))
    }

    fn known(&self) -> Option<&[u8]> {
        Some(self.as_slice())
    }
}
