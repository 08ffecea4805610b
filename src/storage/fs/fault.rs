//! What can go wrong in a simulated directory, and when.

use std::io;

/// Something that goes wrong. Where the call named is of another kind than the fault strikes, nothing happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The power goes during this call, which is carried out wholly, partly or not at all. It and all later calls,
    /// reading too, fail until [`SimulatedFs::reboot`](super::SimulatedFs::reboot).
    PowerCut {
        /// The index of the call.
        at_call: u64,
    },
    /// This call does nothing and fails.
    Fail {
        /// The index of the call.
        at_call: u64,
        /// What it fails with.
        error: io::ErrorKind,
        /// Whether this call alone fails or all later ones too. Reading goes on.
        lasting: Lasting,
    },
    /// This write stops short of its end and fails.
    ShortWrite {
        /// The index of the call.
        at_call: u64,
    },
    /// This sync of a file fails and drops what it should have written: it still reads back, later syncs succeed, and
    /// a power cut loses it.
    SyncFails {
        /// The index of the call.
        at_call: u64,
    },
    /// This sync of the directory fails and drops the creations, removals and renames it should have written, in the
    /// same way.
    DirSyncFails {
        /// The index of the call.
        at_call: u64,
    },
    /// From now on the files may grow by so many bytes in all. A write beyond is carried out as far as it fits and
    /// fails with `StorageFull`; removing files makes room.
    DiskFull {
        /// Bytes from now on.
        after_bytes: u64,
    },
    /// This read or mapping gives, for one page of it, what stands elsewhere: at another place of the file or in another
    /// file. Nothing tells of it.
    ReadMisdirected {
        /// Its index among the calls of `read_at` and `map`, counted from 0.
        at_read: u64,
        /// Decides which page it is, and from where it comes.
        seed: u64,
    },
    /// This read or mapping fails.
    ReadFails {
        /// Its index among the calls of `read_at` and `map`, counted from 0.
        at_read: u64,
    },
}

/// How long a [`Fault::Fail`] goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasting {
    /// For one call.
    Once,
    /// For all calls that follow.
    Always,
}

/// What happens to a call that was not refused outright.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Proceeds,
    LosesPower,
    StopsShort,
    LosesFile,
    LosesDirectory,
}

/// What becomes of read number `index` under these faults: an error, or the seed of a misdirection.
pub(super) fn read_verdict(plan: &[Fault], index: u64) -> io::Result<Option<u64>> {
    let mut misdirected = None;
    for fault in plan {
        match *fault {
            Fault::ReadFails { at_read } if at_read == index => {
                return Err(io::Error::other(format!("simulated failure of read {index}")));
            }
            Fault::ReadMisdirected { at_read, seed } if at_read == index => misdirected = Some(seed),
            _ => {}
        }
    }
    Ok(misdirected)
}

/// What becomes of call number `index` under these faults: the first that refuses it or cuts the power decides.
pub(super) fn verdict(plan: &[Fault], index: u64) -> io::Result<Verdict> {
    let mut verdict = Verdict::Proceeds;
    for fault in plan {
        match *fault {
            Fault::Fail { at_call, error, lasting }
                if at_call == index || (at_call < index && lasting == Lasting::Always) =>
            {
                return Err(io::Error::new(error, format!("simulated failure of call {index}")));
            }
            Fault::PowerCut { at_call } if at_call == index => return Ok(Verdict::LosesPower),
            Fault::ShortWrite { at_call } if at_call == index => verdict = Verdict::StopsShort,
            Fault::SyncFails { at_call } if at_call == index => verdict = Verdict::LosesFile,
            Fault::DirSyncFails { at_call } if at_call == index => verdict = Verdict::LosesDirectory,
            _ => {}
        }
    }
    Ok(verdict)
}
