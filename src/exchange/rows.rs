//! What every format is read as: rows that know where they stand.

use crate::clock::Timestamp;
use crate::error::Result;
use crate::key::Key;
use crate::payload::Value;
use crate::vector::Vector;

/// One row of a file: what it says of a record.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Row {
    pub(super) key: Option<Key>,
    pub(super) vector: Option<Vector>,
    pub(super) payload: Value,
    pub(super) created: Option<Timestamp>,
    pub(super) expires: Option<Timestamp>,
}

/// The rows of a file, read one after the other.
pub(super) trait Rows: Send {
    /// The next row; `None` at the end. An error names its place.
    fn next(&mut self) -> Result<Option<Row>>;

    /// Where the row read last stands, such as `x.npy, row 3`.
    fn place(&self) -> String;

    /// How many rows there are, where the file begins by saying so.
    fn total(&self) -> Option<u64> {
        None
    }

    /// Numbers in a row, where the file begins by saying so.
    fn width(&self) -> Option<usize> {
        None
    }

    /// Whether the file's numbers may not all fit `f32`, so that they are rounded.
    fn rounds(&self) -> bool {
        false
    }

    /// Takes bytes as packed bits from here on, or as numbers. Refused where there are no bytes.
    fn set_bits(&mut self, _bits: bool) -> Result<()> {
        Ok(())
    }

    /// Passes over rows; tells how many there were, which is fewer at the end.
    fn skip(&mut self, count: u64) -> Result<u64> {
        for skipped in 0..count {
            if self.next()?.is_none() {
                return Ok(skipped);
            }
        }
        Ok(count)
    }
}
