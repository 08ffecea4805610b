//! Room on the disk: rows are refused while there is still enough left to delete, flush and merge with.

use crate::database::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::sync::Ordering;

/// After this many bytes of rows the free space is looked up again.
const LOOK_AGAIN_BYTES: u64 = 1 << 20;
/// A batch counts for at least this much: of patches it is not known yet how much they will write.
const LEAST_BYTES: u64 = 4 << 10;

impl Engine {
    /// Refuses `bytes` of new rows with `DiskFull` when less than the reserve would be left on the disk. Costs a call
    /// of the operating system once a MiB, and each time while room is short.
    pub(crate) fn admit(&self, bytes: u64) -> Result<()> {
        let bytes = bytes.max(LEAST_BYTES);
        let reserve = self.options.free_disk_reserve();
        let take = |left: u64| left.checked_sub(bytes);
        let left = &self.pressure.admitted_bytes;
        if reserve == 0 || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
            return Ok(());
        }
        let free = self.opener.fs.free_bytes().map_err(|error| Error::io("ask for room", self.location(), error))?;
        let spare = free.unwrap_or(u64::MAX).checked_sub(reserve).and_then(|spare| spare.checked_sub(bytes));
        match spare {
            Some(spare) => {
                left.store(spare.min(LOOK_AGAIN_BYTES), Ordering::Relaxed);
                Ok(())
            }
            None => Err(Error::new(
                ErrorKind::DiskFull,
                format!(
                    "{bytes} bytes were to be stored, {} are free and {reserve} are kept for deleting and merging",
                    free.unwrap_or(0)
                ),
            )
            .at(self.location())
            .mend(
                "free some space, or delete records and compact; Options::free_disk_reserve_bytes sets what is kept",
            )),
        }
    }
}
