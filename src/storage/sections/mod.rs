//! Containers: files that are written once, in sections, and then only read.
//!
//! A container is a page of header, sections of plain bytes, a table of contents and a footer. Every 64 KiB of a
//! section have a checksum in the table, the table and the header have theirs in the footer, and the footer's is kept
//! by the manifest. So the manifest alone vouches for every byte: a flip, a file in another's place and a file cut
//! short are all found. What is read is checked when it is first touched, so opening costs nothing per byte of data.

mod checked;
mod container;
mod format;
mod wreck;
mod writer;

pub(crate) use container::{Container, Section, Watch};
pub(crate) use wreck::{Wreck, WreckSection};
pub(crate) use writer::Writer;

use crate::ids::FileId;

// Arrays are read where they lie, so the machine must keep numbers as the files do.
#[cfg(target_endian = "big")]
compile_error!("driftline reads little-endian numbers in place and does not run on big-endian machines");

/// The most bytes of [`Container::meta`].
pub(crate) const MAX_META_BYTES: usize = 2048;

/// What a container holds. The codes and letters are frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// The rows of a segment.
    Segment = 1,
    /// The deleted rows of a segment.
    Deletions = 2,
    /// A blob.
    Blob = 3,
    /// The index of a segment.
    Index = 4,
}

impl FileKind {
    fn code(self) -> u8 {
        self as u8
    }

    /// The letter in the file's first bytes.
    fn letter(self) -> u8 {
        match self {
            FileKind::Segment => b'S',
            FileKind::Deletions => b'D',
            FileKind::Blob => b'B',
            FileKind::Index => b'I',
        }
    }
}

/// A container as the manifest knows it: enough to notice any other bytes in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileRef {
    /// The number in its header.
    pub(crate) id: FileId,
    /// Its length in bytes.
    pub(crate) length: u64,
    /// The checksum of its footer.
    pub(crate) footer_crc: u32,
}

/// A section's name inside its container; what each means is up to the file's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SectionId(pub(crate) u16);

#[cfg(test)]
mod tests;
