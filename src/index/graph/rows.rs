//! Rows of one length in a section of an index.

use super::super::stored::Bytes;
use crate::error::{Error, Result};

/// Rows of one length. Those of a section that was checked whole are read without asking again.
#[derive(Debug, Clone, Copy)]
pub(super) struct StoredRows<'a> {
    bytes: &'a dyn Bytes,
    known: Option<&'a [u8]>,
    stride: usize,
}

impl<'a> StoredRows<'a> {
    pub(super) fn new(bytes: &'a dyn Bytes, stride: usize) -> StoredRows<'a> {
        StoredRows { bytes, known: bytes.known(), stride }
    }

    /// The bytes of a row.
    #[inline(always)]
    pub(super) fn get(&self, row: u32) -> Result<&'a [u8]> {
        match self.if_known(row) {
            Some(bytes) => Ok(bytes),
            None => self.bytes.get(row as usize * self.stride..(row as usize + 1) * self.stride),
        }
    }

    /// The bytes of a row, if they can be had without checking them.
    #[inline(always)]
    pub(super) fn if_known(&self, row: u32) -> Option<&'a [u8]> {
        self.known?.get(row as usize * self.stride..(row as usize + 1) * self.stride)
    }

    pub(super) fn damaged(&self, what: &str) -> Error {
        Error::corrupt(what, "an index")
    }
}
