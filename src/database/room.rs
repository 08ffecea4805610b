//! Room on the disk: rows are refused while there is still enough left to delete, flush and merge with, and these may take
//! the last of it.

use crate::database::engine::Engine;
use crate::database::reserve::MOST_BYTES;
use crate::error::{Error, ErrorKind, Result};
use crate::sync::Ordering;

/// After this many bytes of rows the free space is looked up again.
const LOOK_AGAIN_BYTES: u64 = 1 << 20;
/// A batch counts for at least this much: of patches it is not known yet how much they will write.
const LEAST_BYTES: u64 = 4 << 10;

impl Engine {
    /// Does what frees room. Where the disk is full, gives up what was set aside and does it again.
    pub(crate) fn with_last_room<T>(&self, mut act: impl FnMut() -> Result<T>) -> Result<T> {
        let times = self.reserve.times();
        match act() {
            Err(error) if error.kind() == ErrorKind::DiskFull && self.reserve.give_up(&*self.opener.fs, times) => {
                tracing::warn!(
                    store = self.location(),
                    "the disk is full: what was set aside is used, rows are refused"
                );
                let again = act();
                if again.is_err() {
                    self.refill_reserve();
                }
                again
            }
            done => done,
        }
    }

    /// Sees to it that room is set aside; false where there is too little for that.
    pub(crate) fn set_room_aside(&self) -> bool {
        self.reserve.set_aside(&*self.opener.fs, self.reserve_bytes())
    }

    /// Sets the room aside again where it was given up and there is enough now. To be called where room may have come.
    /// False where it is still missing.
    pub(crate) fn refill_reserve(&self) -> bool {
        !self.reserve.is_spent() || self.set_room_aside()
    }

    /// Takes over what an earlier process has set aside.
    pub(crate) fn adopt_reserve(&self) {
        self.reserve.adopt(&*self.opener.fs, self.reserve_bytes());
    }

    /// The bytes that giving up what is set aside would free.
    pub(crate) fn reserve_held_bytes(&self) -> u64 {
        if self.reserve.is_held() { self.reserve_bytes() } else { 0 }
    }

    /// Whether rows that take so many bytes in memory may fit on the disk, with what is set aside. Small rows take less
    /// there: half of it has to be free.
    pub(crate) fn may_fit(&self, bytes: u64) -> bool {
        let free = self.opener.fs.free_bytes().ok().flatten().unwrap_or(u64::MAX);
        free.saturating_add(self.reserve_held_bytes()) >= bytes / 2
    }

    fn reserve_bytes(&self) -> u64 {
        MOST_BYTES.min(self.options.free_disk_reserve())
    }

    /// Refuses `bytes` of new rows with `DiskFull` when less than the reserve would be left on the disk. Costs a call
    /// of the operating system once a MiB, and each time while room is short.
    pub(crate) fn admit(&self, bytes: u64) -> Result<()> {
        if !self.refill_reserve() {
            return Err(Error::new(ErrorKind::DiskFull, "what was set aside for deleting on a full disk is in use")
                .at(self.location())
                .mend("free some space, or delete records and compact"));
        }
        let bytes = bytes.max(LEAST_BYTES);
        let reserve = self.options.free_disk_reserve();
        let take = |left: u64| left.checked_sub(bytes);
        let left = &self.pressure.admitted_bytes;
        if reserve == 0 || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
            return Ok(());
        }
        let free = self.opener.fs.free_bytes().map_err(|error| Error::io("ask for room", self.location(), error))?;
        let free = free.unwrap_or(u64::MAX).saturating_add(self.reserve_held_bytes());
        let spare = free.checked_sub(reserve).and_then(|spare| spare.checked_sub(bytes));
        match spare {
            Some(spare) => {
                left.store(spare.min(LOOK_AGAIN_BYTES), Ordering::Relaxed);
                Ok(())
            }
            None => Err(Error::new(
                ErrorKind::DiskFull,
                format!(
                    "{bytes} bytes were to be stored, {free} are free and {reserve} are kept for deleting and merging"
                ),
            )
            .at(self.location())
            .mend(
                "free some space, or delete records and compact; Options::free_disk_reserve_bytes sets what is kept",
            )),
        }
    }
}
