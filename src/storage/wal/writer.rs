//! Appends groups to a log, so that a failure leaves either the log as it was or a log that says it is broken.

use std::io;
use std::sync::Arc;

use super::format::{ALIGNMENT, BLOCK_BYTES, GROUP_HEADER_BYTES, GROUPS_AT, GroupHeader, encode_header};
use super::{Group, MAX_GROUP_BYTES, STEP_BYTES, Tail, WalRef};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{Lsn, StoreId};
use crate::storage::checksum::crc32;
use crate::storage::fs::{File, FileSystem};
use crate::storage::names;

/// How much of the preallocated zeros ordinary groups leave, so that there is room to delete when the disk is full.
pub(super) const RESERVE_BYTES: u64 = 64 << 10;

/// A group of this size gets its room set aside rather than filled with zeros first.
pub(super) const LARGE_GROUP_BYTES: u64 = 256 << 10;
/// Where groups are large, this much is set aside at a time; a multiple of the step.
pub(super) const LARGE_STEP_BYTES: u64 = 16 << 20;

/// A buffer that grew larger for one group is given back after it.
const KEPT_BUFFER_BYTES: usize = 4 << 20;

/// Which zeros a group may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// Those before the last [`RESERVE_BYTES`].
    Ordinary,
    /// All of them, where the disk has no more: for what frees room.
    Reserve,
}

/// Why a group was not appended.
#[derive(Debug)]
pub(crate) enum AppendError {
    /// Nothing of it is in the log or ever will be; the log goes on.
    Refused(Error),
    /// It may come back after a crash, or not; nothing more may be written.
    Broken(Error),
}

/// A log being written. One thread at a time appends.
#[derive(Debug)]
pub(crate) struct WalWriter {
    file: Arc<dyn File>,
    name: String,
    reference: WalRef,
    state: State,
    /// Where the next group goes.
    position: u64,
    /// Where the zeros end that are known to be on disk.
    allocated: u64,
    next_number: u32,
    tail: Tail,
    durable: Lsn,
    unsynced: bool,
    buffer: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Sealed,
    /// A failure left it unknown what is on disk.
    Broken,
}

impl WalWriter {
    /// Creates the log, durably. `previous` is where the log before ended, which must be durable up to there: sealed
    /// or synced.
    pub(crate) fn create(
        fs: &dyn FileSystem,
        reference: WalRef,
        store: StoreId,
        previous: Option<Tail>,
    ) -> Result<WalWriter> {
        let name = names::wal(reference.file);
        if previous.is_some_and(|previous| previous.lsn >= reference.first_lsn) {
            return Err(Error::internal("a log begins before the one before it ended").at(name));
        }
        let (mut header, crc) = encode_header(reference, store, previous);
        header.resize(STEP_BYTES as usize, 0);
        let failed = |error| Error::io("create a log", &name, error);
        let file = fs.create_new(&name).map_err(failed)?;
        let written = file.write_at(&header, 0).and_then(|()| file.sync_all()).and_then(|()| fs.sync_dir());
        if let Err(error) = written {
            _ = fs.remove(&name);
            return Err(failed(error));
        }
        let tail = reference.empty_tail(crc);
        Ok(WalWriter {
            file,
            name,
            reference,
            state: State::Open,
            position: GROUPS_AT,
            allocated: STEP_BYTES,
            next_number: 1,
            tail,
            durable: tail.lsn,
            unsynced: false,
            buffer: Vec::new(),
        })
    }

    /// Hands the group to the operating system: killing the program no longer loses it, a power cut may until
    /// [`WalWriter::sync`].
    pub(crate) fn append(&mut self, group: &Group, room: Room) -> Result<(), AppendError> {
        self.check_open()?;
        self.check_group(group).map_err(AppendError::Refused)?;
        let ends = (group.first, group.last);
        self.put(ends, group.batches, &group.payload, room)
    }

    /// Makes all groups durable. After a failure nobody knows which of them are: the caller must stop writing.
    pub(crate) fn sync(&mut self) -> Result<()> {
        if self.state == State::Broken {
            return Err(self.broken());
        }
        if self.unsynced {
            self.file.sync_data().map_err(|error| {
                self.state = State::Broken;
                Error::io("make the log durable", &self.name, error)
            })?;
            self.synced();
        }
        Ok(())
    }

    /// Ends the log in good order, durably; nothing can be appended after.
    pub(crate) fn seal(&mut self) -> Result<()> {
        // The groups are made durable first, so that the seal can vouch for them.
        self.sync()?;
        if self.state == State::Sealed {
            return Ok(());
        }
        let last = self.tail.lsn;
        match self.put((last, last), 0, &[], Room::Reserve) {
            Ok(()) => self.sync()?,
            Err(AppendError::Refused(error) | AppendError::Broken(error)) => return Err(error),
        }
        self.state = State::Sealed;
        Ok(())
    }

    /// Up to here the log is known to be durable.
    pub(crate) fn durable(&self) -> Lsn {
        self.durable
    }

    /// Where the log ends now; the next log names it.
    pub(crate) fn last(&self) -> Tail {
        self.tail
    }

    /// Bytes used, header and gaps included.
    pub(crate) fn bytes(&self) -> u64 {
        self.position
    }

    fn check_open(&self) -> Result<(), AppendError> {
        match self.state {
            State::Open => Ok(()),
            State::Sealed => Err(AppendError::Refused(Error::internal("the log is sealed").at(&self.name))),
            State::Broken => Err(AppendError::Broken(self.broken())),
        }
    }

    fn check_group(&self, group: &Group) -> Result<()> {
        if group.payload.len() > MAX_GROUP_BYTES {
            let bytes = group.payload.len();
            return Err(Error::invalid(format!("a group of {bytes} bytes is over the limit of {MAX_GROUP_BYTES}"))
                .mend("write fewer or smaller records at once"));
        }
        if group.is_empty() || group.disordered || group.first <= self.tail.lsn || self.next_number == u32::MAX {
            let (first, last, tail) = (group.first, group.last, self.tail.lsn);
            return Err(Error::internal(format!("the batches {first} to {last} cannot follow {tail}")).at(&self.name));
        }
        Ok(())
    }

    /// Writes one group, sealing when it holds no batch.
    fn put(&mut self, (first, last): (Lsn, Lsn), batches: u32, payload: &[u8], room: Room) -> Result<(), AppendError> {
        let end = (self.position + (GROUP_HEADER_BYTES + payload.len()) as u64).next_multiple_of(ALIGNMENT);
        self.make_room(end, room)?;
        let header = GroupHeader {
            number: self.next_number,
            salt: self.reference.salt,
            first,
            last,
            durable: self.durable,
            batches,
            sealed: batches == 0,
            payload_bytes: payload.len() as u32,
            previous_crc: self.tail.crc,
            payload_crc: crc32(&[payload]),
        };
        let (encoded, crc) = header.encode();
        self.buffer.clear();
        self.buffer.extend_from_slice(&encoded);
        self.buffer.extend_from_slice(payload);
        self.buffer.resize((end - self.position) as usize, 0);
        let written = self.file.write_at(&self.buffer, self.position);
        self.buffer.shrink_to(KEPT_BUFFER_BYTES);
        written.map_err(|error| self.withdraw(error))?;
        self.unsynced = true;
        self.tail = Tail { lsn: last, crc };
        self.next_number += 1;
        self.position = end;
        Ok(())
    }

    /// Sees to it that the zeros reach `end`, and as a rule beyond, before anything is written into them: so a full
    /// disk is noticed while the log is whole.
    fn make_room(&mut self, end: u64, room: Room) -> Result<(), AppendError> {
        let wanted = end + RESERVE_BYTES;
        if wanted <= self.allocated {
            return Ok(());
        }
        let group_bytes = end - self.position;
        if group_bytes >= LARGE_GROUP_BYTES {
            match self.reserve(wanted.next_multiple_of(LARGE_STEP_BYTES)) {
                // Room for less may be left.
                Err(AppendError::Refused(_)) => {}
                result => return result,
            }
        }
        match self.extend(wanted.next_multiple_of(STEP_BYTES)) {
            Err(AppendError::Refused(error))
                if room == Room::Reserve && end <= self.allocated && error.kind() == ErrorKind::DiskFull =>
            {
                Ok(())
            }
            result => result,
        }
    }

    /// Writes zeros, so that syncing a small group later has no metadata to write.
    fn extend(&mut self, end: u64) -> Result<(), AppendError> {
        let zeros = vec![0; STEP_BYTES as usize];
        let mut written = (self.allocated..end).step_by(zeros.len()).map(|at| self.file.write_at(&zeros, at));
        written.try_for_each(|result| result).map_err(|error| self.not_longer(error))?;
        self.sync_longer(end)
    }

    /// Sets room aside, so that large groups are not written twice.
    fn reserve(&mut self, end: u64) -> Result<(), AppendError> {
        self.file.reserve(self.allocated, end).map_err(|error| self.not_longer(error))?;
        self.sync_longer(end)
    }

    fn not_longer(&self, error: io::Error) -> AppendError {
        AppendError::Refused(Error::io("make the log longer", &self.name, error))
    }

    fn sync_longer(&mut self, end: u64) -> Result<(), AppendError> {
        // This also is a sync of the groups before: when it fails, they may be gone from memory and disk alike.
        self.file.sync_all().map_err(|error| {
            self.state = State::Broken;
            AppendError::Broken(Error::io("make a longer log durable", &self.name, error))
        })?;
        self.allocated = end;
        Ok(())
    }

    /// After a failed write: makes sure that no part of the group is ever read as a group.
    fn withdraw(&mut self, error: io::Error) -> AppendError {
        let error = Error::io("write to the log", &self.name, error);
        let zeros = [0; GROUP_HEADER_BYTES];
        match self.file.write_at(&zeros, self.position).and_then(|()| self.file.sync_data()) {
            Ok(()) => {
                self.synced();
                AppendError::Refused(error)
            }
            Err(_) => {
                self.state = State::Broken;
                AppendError::Broken(error)
            }
        }
    }

    fn synced(&mut self) {
        self.unsynced = false;
        self.durable = self.tail.lsn;
        self.position = self.position.next_multiple_of(BLOCK_BYTES);
    }

    fn broken(&self) -> Error {
        Error::new(ErrorKind::Poisoned, "an earlier failure left it unknown what the log holds")
            .at(&self.name)
            .mend("reopen the store")
    }
}
