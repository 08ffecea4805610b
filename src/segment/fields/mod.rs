//! Field indexes of a sealed segment: for a field of the payload, which rows hold which value.
//!
//! They are built when the segment is written (`build`, of the fields that `choose` names) and read in place (`read`).
//! An index is a shortcut, never the truth: rows whose value it does not hold are told apart, and whoever asks reads
//! their payloads, as he does for the whole segment when an index is damaged. The stored form (frozen) is described in
//! docs/FORMAT.md.

mod bitmap;
mod build;
mod choose;
mod directory;
mod read;

use crate::error::Result;
use crate::schema::Schema;
use crate::segment::columns::section;
use crate::storage::sections::Writer;

pub(crate) use directory::find;
pub(crate) use read::{Answer, FieldIndex};

/// A text or bytes longer than this are not held by an index.
const MAX_VALUE_BYTES: usize = 256;

/// Bitmaps say which rows hold a value when this many rows hold each, on average; else rows are listed.
const ROWS_PER_BITMAP: usize = 16;

/// The numbers that an index begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    form: Form,
    /// Different values.
    values: u32,
    /// Bytes of the bitmap of rows in which the field is there.
    present_bytes: u32,
    /// Bytes of the bitmap of rows in which it is null.
    null_bytes: u32,
    /// Bytes of the bitmap of rows whose value the index does not hold.
    other_bytes: u32,
    /// Bytes of the values.
    value_bytes: u32,
    /// Bytes of what says which rows hold each value.
    row_bytes: u32,
}

/// How an index says which rows hold a value. The codes are frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As one bitmap for each value.
    Bitmaps = 1,
    /// As row numbers, grouped by value.
    Lists = 2,
}

/// Bytes of a stored head.
const HEAD_BYTES: usize = 28;

/// Writes the indexes of a segment with these payloads, in row order.
pub(crate) fn write(writer: &mut Writer, schema: &Schema, payloads: &[&[u8]]) -> Result<()> {
    if !schema.indexes_fields() {
        return Ok(());
    }
    let mut directory = Vec::new();
    let mut indexes = Vec::new();
    for chosen in choose::fields(schema, payloads)? {
        let Some(index) = build::index(&chosen, payloads)? else { continue };
        let start = indexes.len() as u64;
        indexes.extend_from_slice(&index);
        directory.push((chosen.path, start..indexes.len() as u64));
    }
    if directory.is_empty() {
        return Ok(());
    }
    writer.section(section::FIELD_DIRECTORY)?;
    writer.write(&directory::encode(&directory))?;
    writer.section(section::FIELD_INDEXES)?;
    writer.write(&indexes)
}

#[cfg(test)]
mod tests;
