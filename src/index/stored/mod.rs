//! How an index is written and read back: numbered sections of bytes, whoever keeps them.
//!
//! An index knows no files. What stores one gives it a [`Sink`] to write to and a [`Source`] to read from; bytes are
//! checked when they are first touched, so that opening costs nothing for each row.

pub(crate) mod aligned;
mod memory;

use std::fmt;
use std::ops::Range;

use crate::error::Result;
use crate::pool::Pool;

pub(crate) use memory::Memory;

/// Takes the sections of an index, one after the other.
pub(crate) trait Sink {
    /// Ends the section before and begins section `number`, which was not written yet.
    fn section(&mut self, number: u16) -> Result<()>;

    /// Appends to the section.
    fn write(&mut self, bytes: &[u8]) -> Result<()>;
}

/// Gives the sections of an index back.
pub(crate) trait Source {
    /// The section `number`; fails with `Corrupt` where there is none.
    fn section(&self, number: u16) -> Result<Box<dyn Bytes>>;
}

/// The bytes of a section, which begins at a multiple of 64 in memory.
///
/// What is in them was checked against damage, not against malice: offsets and row numbers are looked at where they are
/// used.
pub(crate) trait Bytes: Send + Sync + fmt::Debug {
    /// How many there are.
    fn len(&self) -> usize;

    /// Those of `range`. Fails with `Corrupt` when one of the chunks of 64 KiB it lies in is damaged, and when it ends
    /// behind the section.
    fn get(&self, range: Range<usize>) -> Result<&[u8]>;

    /// All of them, where every one is known to be good already.
    fn known(&self) -> Option<&[u8]> {
        None
    }

    /// Checks all of them and keeps them in memory, so that reading here and there costs less. Takes as much memory as there
    /// are bytes.
    fn keep_resident(&self, _: &Pool) -> Result<()> {
        Ok(())
    }
}
