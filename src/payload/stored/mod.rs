//! The stored layout of payloads (frozen), written and read by hand so that one field is found without reading others.
//!
//! Numbers are little-endian. A value is a tag byte and what the tag asks for:
//!
//! | tag | value  | after the tag |
//! |----:|--------|---------------|
//! | 0   | null   | nothing |
//! | 1   | false  | nothing |
//! | 2   | true   | nothing |
//! | 3   | int    | i64 |
//! | 4   | uint   | u64, above the largest i64 |
//! | 5   | float  | f64, finite |
//! | 6   | text   | u32 length in bytes, UTF-8 |
//! | 7   | bytes  | u32 length, bytes |
//! | 8   | array  | u32 count, that many u32 offsets, that many values |
//! | 9   | object | u32 count, that many u32 offsets, that many fields: u32 length of the name, name in UTF-8, value |
//! | 10  | blob   | 32 bytes, SHA-256 |
//!
//! An offset says where its value or field begins, counted from the tag of its array or object. Fields ascend by the
//! bytes of their names, no name twice. Values and fields follow the offsets and one another without gaps, and a
//! payload ends where its value ends: one value has one layout. The reader insists on all of this, which also bounds
//! its work by the length of the input, since no byte can be reached twice.

mod encode;
mod malformed;
mod read;
mod view;

pub(crate) use encode::encode;
pub(crate) use malformed::Malformed;
pub(crate) use read::blobs;
pub(crate) use view::{Scalar, View, decode};

/// Frozen: tags on disk.
mod tag {
    pub(super) const NULL: u8 = 0;
    pub(super) const FALSE: u8 = 1;
    pub(super) const TRUE: u8 = 2;
    pub(super) const INT: u8 = 3;
    pub(super) const UINT: u8 = 4;
    pub(super) const FLOAT: u8 = 5;
    pub(super) const TEXT: u8 = 6;
    pub(super) const BYTES: u8 = 7;
    pub(super) const ARRAY: u8 = 8;
    pub(super) const OBJECT: u8 = 9;
    pub(super) const BLOB: u8 = 10;
}

#[cfg(test)]
mod tests;
