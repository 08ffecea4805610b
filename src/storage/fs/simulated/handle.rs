//! Files of a simulated directory that are open.

use std::fmt;
use std::io;

use super::super::fault::Verdict;
use super::super::unsynced::{Name, Node};
use super::super::{File, end_of};
use super::state::{Call, power_is_off};
use super::{MAX_FILE_BYTES, SimulatedFs};

/// An open file of a simulated directory.
pub(super) struct Handle {
    pub(super) fs: SimulatedFs,
    /// As it was called when it was opened.
    pub(super) name: Name,
    pub(super) node: Node,
    pub(super) writable: bool,
}

impl Handle {
    fn sync(&self, what: &'static str) -> io::Result<()> {
        let mut state = self.fs.powered()?;
        let verdict = state.begin(Call { what, name: Some(self.name.clone()), range: None })?;
        let mut contents = self.node.lock();
        match verdict {
            Verdict::LosesFile => {
                contents.forget_unsynced();
                return Err(io::Error::other("simulated failure of syncing a file"));
            }
            Verdict::LosesPower if state.random.one_in(2) => contents.sync(),
            Verdict::LosesPower => {}
            _ => contents.sync(),
        }
        if state.off { Err(power_is_off()) } else { Ok(()) }
    }
}

impl File for Handle {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.fs.powered()?.read_into(&self.node, buffer, usize::try_from(offset).unwrap_or(usize::MAX))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let end = end_of(offset, bytes)?;
        if end > MAX_FILE_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut state = self.fs.powered()?;
        let range = Some((offset, end as u64));
        let verdict = state.begin(Call { what: "write", name: Some(self.name.clone()), range })?;
        let random = &mut state.random;
        let (wanted, outcome) = match verdict {
            Verdict::LosesPower => (random.below(bytes.len() as u64 + 1) as usize, Err(power_is_off())),
            Verdict::StopsShort => {
                let count = random.below(bytes.len().max(1) as u64) as usize;
                (count, Err(io::Error::other("simulated short write")))
            }
            _ => (bytes.len(), Ok(())),
        };
        let mut contents = self.node.lock();
        let (offset, length) = (end - bytes.len(), contents.current.length());
        let room = state.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(state.used));
        let largest = length.saturating_add(usize::try_from(room).unwrap_or(usize::MAX));
        let count = wanted.min(largest.saturating_sub(offset));
        contents.write(&bytes[..count], offset);
        if contents.links > 0 {
            state.used += (contents.current.length() - length) as u64;
        }
        if count < wanted && !state.off { Err(io::ErrorKind::StorageFull.into()) } else { outcome }
    }

    fn length(&self) -> io::Result<u64> {
        let _powered = self.fs.powered()?;
        Ok(self.node.lock().current.length() as u64)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync("sync data of")
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync("sync all of")
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("name", &self.name).field("writable", &self.writable).finish_non_exhaustive()
    }
}
