//! The log: what was committed since the last flush, in groups that are whole or not there.
//!
//! A log is one file, preallocated with zeros and written from start to end. Each group names the group before by its
//! checksum and says up to where the log was known to be durable when it was written: that is how the reader tells a
//! group that was being written when the power went from damage to something that was promised.

mod format;
mod reader;
mod scan;
mod writer;

pub(crate) use reader::{Replay, check, replay};
pub(crate) use scan::{Scanned, identify, scan};
pub(crate) use writer::{AppendError, Room, WalWriter};

use crate::bytes::Write;
use crate::ids::{FileId, Lsn};

/// The most bytes one group may hold: its batches and the twelve bytes before each.
pub(crate) const MAX_GROUP_BYTES: usize = 64 << 20;

/// Logs grow by this much at once (frozen: a log is never shorter than one step).
const STEP_BYTES: u64 = 1 << 20;

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

impl WalRef {
    /// Where a log without groups ends: just before its first batch. `crc` is that of its header.
    fn empty_tail(&self, crc: u32) -> Tail {
        Tail { lsn: Lsn(self.first_lsn.0.saturating_sub(1)), crc }
    }
}

/// The end of a log: the last position in it, and the checksum of the header of its last group, or of the file's own
/// header where it has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tail {
    pub(crate) lsn: Lsn,
    pub(crate) crc: u32,
}

/// Batches that are appended together: after a crash all of them are there or none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Group {
    payload: Vec<u8>,
    batches: u32,
    first: Lsn,
    last: Lsn,
    disordered: bool,
}

impl Group {
    pub(crate) fn new() -> Group {
        Group::default()
    }

    /// Adds a batch, whose position must be above those before.
    pub(crate) fn push(&mut self, lsn: Lsn, batch: &[u8]) {
        if self.batches == 0 {
            self.first = lsn;
        } else {
            self.disordered |= lsn <= self.last;
        }
        self.last = lsn;
        self.batches += 1;
        self.payload.put_u64(lsn.0);
        self.payload.put_block(batch);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.batches == 0
    }
}

#[cfg(test)]
mod tests;
