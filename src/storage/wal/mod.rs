//! The log: what was committed since the last flush, in groups that are whole or not there.
//!
//! A log is one file, preallocated with zeros and written from start to end. Each group names the group before by its
//! checksum and says up to where the log was known to be durable when it was written: that is how the reader tells a
//! group that was being written when the power went from damage to something that was promised.

use crate::ids::{FileId, Lsn};

/// The most bytes of batches one group may hold.
pub(crate) const MAX_GROUP_BYTES: usize = 64 << 20;

/// A log as the manifest knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WalRef {
    /// The number in its name and its header.
    pub(crate) file: FileId,
    /// Random bytes every group repeats, so that bytes of another log are never taken for this one's.
    pub(crate) salt: u64,
    /// No group holds a batch below.
    pub(crate) first_lsn: Lsn,
}

/// The end of a log: the last position in it, and the checksum of the header of its last group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tail {
    pub(crate) lsn: Lsn,
    pub(crate) crc: u32,
}
