//! A directory that fails on command: power cuts at any call, refused and torn writes, syncs that lie.

mod handle;
mod state;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::sync::Arc;

use handle::Handle;
use state::{Call, State, power_is_off};

use super::crash::Luck;
use super::fault::Fault;
use super::locks::Locks;
use super::pages::Pages;
use super::unsynced::{Contents, Directory, Name, Node};
use super::{File, FileSystem, LockGuard, LockMode, Mapping, PublishError, ReadMode, check_name, rename_failed};
use crate::random::Random;
use crate::sync::{Mutex, MutexGuard};

/// The longest file: enough for tests, and a slip of the pen does not take the machine's memory.
const MAX_FILE_BYTES: usize = 16 << 30;

/// A directory in memory that forgets what was not synced when its power is cut.
///
/// Every call that changes something has an index, counted from 0: `create_new`, `write_at`, `sync_data`, `sync_all`,
/// `remove`, `sync_dir`, the two steps of `publish_new` (renaming, syncing the directory), and `lock` where it creates
/// its file. A [`Fault`] names the call it strikes. What follows is decided by the seed alone, so a failure is repeated
/// by its seed and its call.
///
/// Content is durable once its file is synced, a name once the directory is synced; neither stands in for the other.
/// Clones are the same directory; [`SimulatedFs::reboot`] makes another one, and leaves this one to those who hold it.
///
/// ```
/// use driftline::fs::{Fault, FileSystem, SimulatedFs};
///
/// let fs = SimulatedFs::new(1);
/// let file = fs.create_new("kept")?;
/// file.write_at(b"synced", 0)?;
/// file.sync_data()?;
/// fs.sync_dir()?;
/// fs.inject(Fault::PowerCut { at_call: fs.calls() });
/// file.write_at(b"SYNCED", 0).unwrap_err();
///
/// let after = fs.reboot_losing_all();
/// assert_eq!(&*after.map("kept", 6, Default::default())?, b"synced");
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct SimulatedFs(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    locks: Locks,
}

impl SimulatedFs {
    /// An empty directory whose misfortunes follow from `seed`.
    pub fn new(seed: u64) -> SimulatedFs {
        SimulatedFs::with(Directory::default(), Random::seeded(seed, 0))
    }

    /// Plans a fault, beside those planned already.
    pub fn inject(&self, fault: Fault) {
        let mut state = self.0.state.lock();
        match fault {
            Fault::DiskFull { after_bytes } => state.capacity = Some(state.used.saturating_add(after_bytes)),
            _ => state.plan.push(fault),
        }
    }

    /// Forgets the planned faults and the limit on room. Does not bring back power, nor what a failed sync dropped.
    pub fn heal(&self) {
        let mut state = self.0.state.lock();
        state.plan.clear();
        state.capacity = None;
    }

    /// How many calls there were that change something; also the index of the next one.
    pub fn calls(&self) -> u64 {
        self.0.state.lock().history.len() as u64
    }

    /// How many calls of `read_at` and `map` there were.
    pub fn reads(&self) -> u64 {
        self.0.state.lock().reads
    }

    /// The calls so far, by their index, in words.
    pub fn history(&self) -> Vec<String> {
        self.0.state.lock().history.iter().map(Call::to_string).collect()
    }

    /// Whether the power is gone.
    pub fn is_off(&self) -> bool {
        self.0.state.lock().off
    }

    /// The directory as it may be found after a power cut at this moment, or at the one that was planned: each unsynced
    /// write and each unsynced change of a name survives or not as `seed` has it, some writes in part, some growth as
    /// zeros or garbage. The faults, the counts and the locks are gone.
    pub fn reboot(&self, seed: u64) -> SimulatedFs {
        self.after_power_cut(Some(Luck::seeded(seed)), seed)
    }

    /// The directory after a power cut that loses all that was not synced.
    pub fn reboot_losing_all(&self) -> SimulatedFs {
        self.after_power_cut(None, 0)
    }

    /// The directory after the program was killed and started again: all writes are there, and what was not synced
    /// still may be lost in a later power cut.
    pub fn reboot_keeping_all(&self) -> SimulatedFs {
        let state = self.0.state.lock();
        SimulatedFs::with(state.directory.after_kill(), state.random.clone())
    }

    /// Flips the bits of `mask` in byte number `byte` of `name`, durably and behind everyone's back.
    pub fn flip_bits(&self, name: &str, byte: u64, mask: u8) -> io::Result<()> {
        let node = self.0.state.lock().node(name)?;
        let contents = &mut *node.lock();
        let byte = usize::try_from(byte).unwrap_or(usize::MAX);
        if byte >= contents.current.length() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        contents.current.flip(byte, mask);
        if byte < contents.durable.length() {
            contents.durable.flip(byte, mask);
        }
        Ok(())
    }

    /// Changes the content of `name` in any other way, durably and behind everyone's back.
    pub fn tamper(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let mut state = self.0.state.lock();
        let node = state.node(name)?;
        let contents = &mut *node.lock();
        let mut bytes = vec![0; contents.current.length()];
        contents.current.read(&mut bytes, 0);
        state.used = state.used.saturating_sub(bytes.len() as u64);
        change(&mut bytes);
        state.used += bytes.len() as u64;
        let mut pages = Pages::default();
        pages.write(&bytes, 0);
        *contents = Contents { links: contents.links, ..Contents::durably(pages) };
        Ok(())
    }

    fn with(directory: Directory, random: Random) -> SimulatedFs {
        let used = directory.used_bytes();
        let state = State {
            random,
            directory,
            history: Vec::new(),
            reads: 0,
            plan: Vec::new(),
            used,
            capacity: None,
            off: false,
        };
        SimulatedFs(Arc::new(Shared { state: Mutex::new(state), locks: Locks::default() }))
    }

    fn after_power_cut(&self, luck: Option<Luck>, seed: u64) -> SimulatedFs {
        let directory = self.0.state.lock().directory.after_power_cut(luck);
        SimulatedFs::with(directory, Random::seeded(seed, 0))
    }

    /// The state, unless the power is gone.
    fn powered(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.0.state.lock();
        if state.off { Err(power_is_off()) } else { Ok(state) }
    }

    fn handle(&self, name: Name, node: Node, writable: bool) -> Arc<dyn File> {
        Arc::new(Handle { fs: self.clone(), name, node, writable })
    }
}

impl FileSystem for SimulatedFs {
    fn location(&self) -> String {
        "simulated".to_owned()
    }

    fn create_new(&self, name: &str) -> io::Result<Arc<dyn File>> {
        check_name(name)?;
        let mut state = self.powered()?;
        if state.directory.current.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let name = Name::from(name);
        let node = state.create(&name)?;
        Ok(self.handle(name, node, true))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let node = self.powered()?.node(name)?;
        Ok(self.handle(Name::from(name), node, false))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.powered()?.directory.current.keys().map(|name| name.to_string()).collect())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.powered()?;
        state.node(name)?;
        let name = Name::from(name);
        state.change("remove", Some(&name), |state| {
            let freed = state.directory.remove(&name);
            state.used = state.used.saturating_sub(freed);
        })
    }

    fn publish_new(&self, temporary: &str, name: &str) -> Result<(), PublishError> {
        let mut state = self.powered().map_err(PublishError::NotPublished)?;
        state.check_publishing(temporary, name).map_err(PublishError::NotPublished)?;
        let (from, to) = (Name::from(temporary), Name::from(name));
        state.change("rename to", Some(&to), |state| state.directory.rename(&from, &to)).map_err(rename_failed)?;
        state.sync_directory().map_err(PublishError::Uncertain)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.powered()?.sync_directory()
    }

    fn lock(&self, name: &str, mode: LockMode) -> io::Result<Box<dyn LockGuard>> {
        check_name(name)?;
        let mut state = self.powered()?;
        if !state.directory.current.contains_key(name) {
            match mode {
                LockMode::Exclusive => _ = state.create(&Name::from(name))?,
                LockMode::Shared => return Err(io::ErrorKind::NotFound.into()),
            }
        }
        self.0.locks.take(name, mode)
    }

    fn map(&self, name: &str, length: u64, _mode: ReadMode) -> io::Result<Mapping> {
        let mut state = self.powered()?;
        let node = state.node(name)?;
        let present = node.lock().current.length();
        match usize::try_from(length) {
            Ok(length) if length <= present => {
                Mapping::filled(length, |buffer| state.read_into(&node, buffer, 0).map(drop))
            }
            _ => {
                state.read()?;
                Err(io::ErrorKind::UnexpectedEof.into())
            }
        }
    }

    fn free_bytes(&self) -> io::Result<Option<u64>> {
        let state = self.powered()?;
        Ok(state.capacity.map(|capacity| capacity.saturating_sub(state.used)))
    }
}

impl fmt::Debug for SimulatedFs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.state.lock();
        f.debug_struct("SimulatedFs")
            .field("calls", &state.history.len())
            .field("off", &state.off)
            .field("names", &state.directory.current.keys())
            .finish_non_exhaustive()
    }
}
