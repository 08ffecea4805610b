//! A directory that fails on command: power cuts at any call, refused and torn writes, syncs that lie.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::crash::Luck;
use super::fault::{self, Fault, Verdict};
use super::locks::Locks;
use super::pages::Pages;
use super::unsynced::{Contents, Directory, Name, Node};
use super::{
    File, FileSystem, LockGuard, LockMode, Mapping, PublishError, ReadMode, check_name, end_of, rename_failed,
};
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
        state.read()?;
        let contents = node.lock();
        match usize::try_from(length) {
            Ok(length) if length <= contents.current.length() => Mapping::filled(length, |buffer| {
                contents.current.read(buffer, 0);
                Ok(())
            }),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
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

struct State {
    random: Random,
    directory: Directory,
    history: Vec<Call>,
    reads: u64,
    plan: Vec<Fault>,
    /// Bytes in all files.
    used: u64,
    /// Bytes there may be in all files.
    capacity: Option<u64>,
    off: bool,
}

impl State {
    fn node(&self, name: &str) -> io::Result<Node> {
        check_name(name)?;
        self.directory.current.get(name).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Counts a call and decides what becomes of it.
    fn begin(&mut self, call: Call) -> io::Result<Verdict> {
        if self.off {
            return Err(power_is_off());
        }
        let index = self.history.len() as u64;
        self.history.push(call);
        let verdict = fault::verdict(&self.plan, index)?;
        self.off = verdict == Verdict::LosesPower;
        Ok(verdict)
    }

    /// Carries out a call that happens as a whole or not at all.
    fn change<T>(
        &mut self,
        what: &'static str,
        name: Option<&Name>,
        change: impl FnOnce(&mut State) -> T,
    ) -> io::Result<T> {
        match self.begin(Call { what, name: name.cloned(), range: None })? {
            Verdict::LosesPower => {
                if self.random.one_in(2) {
                    change(self);
                }
                Err(power_is_off())
            }
            _ => Ok(change(self)),
        }
    }

    fn create(&mut self, name: &Name) -> io::Result<Node> {
        self.change("create", Some(name), |state| state.directory.create(name))
    }

    fn check_publishing(&self, temporary: &str, name: &str) -> io::Result<()> {
        check_name(name)?;
        self.node(temporary)?;
        match self.directory.current.contains_key(name) {
            true => Err(io::ErrorKind::AlreadyExists.into()),
            false => Ok(()),
        }
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        match self.begin(Call { what: "sync directory", name: None, range: None })? {
            Verdict::LosesDirectory => {
                self.directory.forget_unsynced();
                return Err(io::Error::other("simulated failure of syncing the directory"));
            }
            Verdict::LosesPower if self.random.one_in(2) => self.directory.sync(),
            Verdict::LosesPower => {}
            _ => self.directory.sync(),
        }
        if self.off { Err(power_is_off()) } else { Ok(()) }
    }

    fn read(&mut self) -> io::Result<()> {
        let index = self.reads;
        self.reads += 1;
        match self.plan.contains(&Fault::ReadFails { at_read: index }) {
            true => Err(io::Error::other(format!("simulated failure of read {index}"))),
            false => Ok(()),
        }
    }
}

struct Handle {
    fs: SimulatedFs,
    /// As it was called when it was opened.
    name: Name,
    node: Node,
    writable: bool,
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
        self.fs.powered()?.read()?;
        Ok(self.node.lock().current.read(buffer, usize::try_from(offset).unwrap_or(usize::MAX)))
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

/// What was called, for those who read a failed test.
struct Call {
    what: &'static str,
    name: Option<Name>,
    range: Option<(u64, u64)>,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)?;
        if let Some(name) = &self.name {
            write!(f, " {name}")?;
        }
        if let Some((start, end)) = self.range {
            write!(f, " bytes {start}..{end}")?;
        }
        Ok(())
    }
}

fn power_is_off() -> io::Error {
    io::Error::other("the power is off")
}

#[cfg(test)]
mod tests {
    use super::super::Lasting;
    use super::*;

    const PAST: u64 = u64::MAX;

    fn contents(fs: &SimulatedFs, name: &str) -> Vec<u8> {
        let length = fs.open(name).unwrap().length().unwrap();
        fs.map(name, length, ReadMode::Heap).unwrap().to_vec()
    }

    fn durable(fs: &SimulatedFs, name: &str, bytes: &[u8]) -> Arc<dyn File> {
        let file = fs.create_new(name).unwrap();
        file.write_at(bytes, 0).unwrap();
        file.sync_all().unwrap();
        fs.sync_dir().unwrap();
        file
    }

    /// One call of each kind.
    fn all_calls(fs: &SimulatedFs) -> io::Result<()> {
        let _held = fs.lock("LOCK", LockMode::Exclusive)?;
        let file = fs.create_new("m.tmp")?;
        file.write_at(b"manifest", 0)?;
        file.sync_data()?;
        file.sync_all()?;
        fs.publish_new("m.tmp", "m").map_err(|error| match error {
            PublishError::NotPublished(error) | PublishError::Uncertain(error) => error,
        })?;
        fs.remove("m")?;
        fs.sync_dir()
    }

    const ALL_CALLS: u64 = 9;

    #[test]
    fn behaves_as_every_file_system() {
        super::super::conformance::check(&|| Arc::new(SimulatedFs::new(1)));
    }

    #[test]
    fn every_change_is_counted_and_told() {
        let fs = SimulatedFs::new(1);
        all_calls(&fs).unwrap();
        let told = [
            "create LOCK",
            "create m.tmp",
            "write m.tmp bytes 0..8",
            "sync data of m.tmp",
            "sync all of m.tmp",
            "rename to m",
            "sync directory",
            "remove m",
            "sync directory",
        ];
        assert_eq!(fs.history(), told);
        assert_eq!(fs.calls(), ALL_CALLS);
        fs.list().unwrap();
        fs.open("m").unwrap_err();
        assert_eq!((fs.calls(), fs.reads()), (ALL_CALLS, 0));
    }

    #[test]
    fn after_a_power_cut_nothing_works_until_the_reboot() {
        for at_call in 0..ALL_CALLS {
            let fs = SimulatedFs::new(at_call);
            durable(&fs, "old", b"old");
            let open = fs.open("old").unwrap();
            fs.inject(Fault::PowerCut { at_call: 4 + at_call });
            all_calls(&fs).unwrap_err();
            assert!(fs.is_off());
            assert_eq!(fs.calls(), 4 + at_call + 1);
            let mut buffer = [0; 3];
            open.read_at(&mut buffer, 0).unwrap_err();
            open.length().unwrap_err();
            fs.list().unwrap_err();
            fs.open("old").unwrap_err();
            fs.map("old", 3, ReadMode::Heap).unwrap_err();
            fs.lock("LOCK", LockMode::Exclusive).unwrap_err();
            fs.create_new("new").unwrap_err();
            fs.heal();
            fs.list().unwrap_err();
            let after = fs.reboot(at_call);
            assert_eq!(after.calls(), 0);
            assert_eq!(contents(&after, "old"), b"old");
            after.lock("LOCK", LockMode::Exclusive).unwrap();
        }
    }

    #[test]
    fn a_failing_call_does_nothing_once_or_for_good() {
        for at_call in 0..ALL_CALLS {
            let fs = SimulatedFs::new(1);
            let error = io::ErrorKind::PermissionDenied;
            fs.inject(Fault::Fail { at_call, error, lasting: Lasting::Once });
            assert_eq!(all_calls(&fs).unwrap_err().kind(), error);
            fs.create_new("again").unwrap();

            let fs = SimulatedFs::new(1);
            fs.inject(Fault::Fail { at_call, error, lasting: Lasting::Always });
            assert_eq!(all_calls(&fs).unwrap_err().kind(), error);
            assert_eq!(fs.create_new("again").unwrap_err().kind(), error);
            fs.list().unwrap();
            fs.heal();
            fs.create_new("again").unwrap();
        }
    }

    #[test]
    fn a_failed_rename_publishes_nothing_and_a_failed_directory_sync_leaves_it_open() {
        let publish = |at_call| {
            let fs = SimulatedFs::new(1);
            durable(&fs, "m.tmp", b"new");
            let error = io::ErrorKind::PermissionDenied;
            fs.inject(Fault::Fail { at_call: fs.calls() + at_call, error, lasting: Lasting::Once });
            let published = fs.publish_new("m.tmp", "m");
            (published, fs)
        };
        let (published, fs) = publish(0);
        assert!(matches!(published, Err(PublishError::NotPublished(_))));
        assert_eq!(fs.list().unwrap(), ["m.tmp"]);
        let (published, fs) = publish(1);
        assert!(matches!(published, Err(PublishError::Uncertain(_))));
        let published = |seed| fs.reboot(seed).list().unwrap().contains(&"m".to_owned());
        assert!((0..50).any(published) && !(0..50).all(published));
    }

    #[test]
    fn a_short_write_leaves_its_beginning() {
        for seed in 0..20 {
            let fs = SimulatedFs::new(seed);
            let file = fs.create_new("a").unwrap();
            fs.inject(Fault::ShortWrite { at_call: 1 });
            file.write_at(b"0123456789", 0).unwrap_err();
            let bytes = contents(&fs, "a");
            assert!(bytes.len() < 10 && b"0123456789".starts_with(&bytes));
            file.write_at(b"0123456789", 0).unwrap();
        }
    }

    #[test]
    fn a_lying_sync_reads_back_and_is_lost() {
        let fs = SimulatedFs::new(1);
        let file = durable(&fs, "a", &[1; 8192]);
        fs.inject(Fault::SyncFails { at_call: fs.calls() + 1 });
        file.write_at(&[2; 100], 0).unwrap();
        file.sync_data().unwrap_err();
        file.sync_data().unwrap();
        // Written to the same page and synced: durable, and what was dropped beside it is not.
        file.write_at(&[3; 100], 200).unwrap();
        file.sync_all().unwrap();
        let wanted = |dropped: u8| {
            let mut bytes = vec![1; 8192];
            bytes[..100].fill(dropped);
            bytes[200..300].fill(3);
            bytes
        };
        assert_eq!(contents(&fs, "a"), wanted(2));
        assert_eq!(contents(&fs.reboot_keeping_all(), "a"), wanted(2));
        for seed in 0..20 {
            assert_eq!(contents(&fs.reboot(seed), "a"), wanted(1));
        }
    }

    #[test]
    fn a_lying_directory_sync_shows_names_and_loses_them() {
        let fs = SimulatedFs::new(1);
        durable(&fs, "old", b"old");
        fs.create_new("new").unwrap();
        fs.remove("old").unwrap();
        fs.inject(Fault::DirSyncFails { at_call: fs.calls() });
        fs.sync_dir().unwrap_err();
        fs.create_new("newer").unwrap();
        fs.sync_dir().unwrap();
        assert_eq!(fs.list().unwrap(), ["new", "newer"]);
        assert_eq!(fs.reboot(3).list().unwrap(), ["newer", "old"]);
    }

    #[test]
    fn a_full_disk_takes_what_fits_and_removing_makes_room() {
        let fs = SimulatedFs::new(1);
        let other = durable(&fs, "other", &[1; 50]);
        let file = fs.create_new("a").unwrap();
        fs.inject(Fault::DiskFull { after_bytes: 10 });
        assert_eq!(fs.free_bytes().unwrap(), Some(10));
        file.write_at(&[7; 8], 0).unwrap();
        assert_eq!(file.write_at(&[8; 8], 8).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(contents(&fs, "a"), [7, 7, 7, 7, 7, 7, 7, 7, 8, 8]);
        assert_eq!(fs.free_bytes().unwrap(), Some(0));
        other.write_at(&[2; 50], 0).unwrap();
        assert_eq!(other.write_at(&[2; 1], 99).unwrap_err().kind(), io::ErrorKind::StorageFull);
        fs.remove("other").unwrap();
        assert_eq!(fs.free_bytes().unwrap(), Some(50));
        file.write_at(&[9; 50], 10).unwrap();
        fs.heal();
        file.write_at(&[9; 50], 100).unwrap();
    }

    #[test]
    fn damage_from_outside_is_durable() {
        let fs = SimulatedFs::new(1);
        durable(&fs, "a", &[0; 5000]);
        fs.flip_bits("a", 4999, 0x81).unwrap();
        assert_eq!(fs.flip_bits("a", 5000, 1).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(fs.flip_bits("b", 0, 1).unwrap_err().kind(), io::ErrorKind::NotFound);
        for fs in [&fs, &fs.reboot_losing_all()] {
            assert_eq!(contents(fs, "a")[4999], 0x81);
        }
        fs.tamper("a", |bytes| bytes.truncate(7)).unwrap();
        assert_eq!(contents(&fs.reboot_losing_all(), "a"), [0; 7]);
    }

    #[test]
    fn a_read_fails_by_its_number() {
        let fs = SimulatedFs::new(1);
        let file = durable(&fs, "a", b"abc");
        fs.inject(Fault::ReadFails { at_read: 1 });
        fs.inject(Fault::ReadFails { at_read: 2 });
        let mut buffer = [0; 3];
        assert_eq!(file.read_at(&mut buffer, 0).unwrap(), 3);
        file.read_at(&mut buffer, 0).unwrap_err();
        fs.map("a", 3, ReadMode::Mmap).unwrap_err();
        fs.map("a", 3, ReadMode::Mmap).unwrap();
        assert_eq!(fs.reads(), 4);
    }

    #[test]
    fn a_fault_for_another_kind_of_call_does_nothing() {
        let fs = SimulatedFs::new(1);
        fs.inject(Fault::ShortWrite { at_call: 3 });
        fs.inject(Fault::SyncFails { at_call: 2 });
        fs.inject(Fault::DirSyncFails { at_call: 4 });
        fs.inject(Fault::PowerCut { at_call: PAST });
        all_calls(&fs).unwrap();
    }
}
