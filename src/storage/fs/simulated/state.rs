//! A simulated directory at one moment: what it holds, the calls so far, and what will go wrong with the next.

use std::fmt;
use std::io;

use super::super::check_name;
use super::super::fault::{self, Fault, Verdict};
use super::super::pages::PAGE_BYTES;
use super::super::unsynced::{Directory, Name, Node};
use crate::random::Random;

/// What a simulated directory holds and what is planned for it.
pub(super) struct State {
    pub(super) random: Random,
    pub(super) directory: Directory,
    pub(super) history: Vec<Call>,
    pub(super) reads: u64,
    pub(super) plan: Vec<Fault>,
    /// Bytes in all files.
    pub(super) used: u64,
    /// Bytes there may be in all files.
    pub(super) capacity: Option<u64>,
    pub(super) off: bool,
}

impl State {
    pub(super) fn node(&self, name: &str) -> io::Result<Node> {
        check_name(name)?;
        self.directory.current.get(name).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Counts a call and decides what becomes of it.
    pub(super) fn begin(&mut self, call: Call) -> io::Result<Verdict> {
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
    pub(super) fn change<T>(
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

    pub(super) fn create(&mut self, name: &Name) -> io::Result<Node> {
        self.change("create", Some(name), |state| state.directory.create(name))
    }

    pub(super) fn check_publishing(&self, temporary: &str, name: &str) -> io::Result<()> {
        check_name(name)?;
        self.node(temporary)?;
        match self.directory.current.contains_key(name) {
            true => Err(io::ErrorKind::AlreadyExists.into()),
            false => Ok(()),
        }
    }

    pub(super) fn sync_directory(&mut self) -> io::Result<()> {
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

    /// Counts a read and decides what becomes of it: the seed of a misdirection, if it is to be misdirected.
    pub(super) fn read(&mut self) -> io::Result<Option<u64>> {
        let index = self.reads;
        self.reads += 1;
        fault::read_verdict(&self.plan, index)
    }

    /// Fills `buffer` from `offset` on as far as the file reaches, and says how far, as the plan has it.
    pub(super) fn read_into(&mut self, node: &Node, buffer: &mut [u8], offset: usize) -> io::Result<usize> {
        let misdirected = self.read()?;
        let count = node.lock().current.read(buffer, offset);
        if let Some(seed) = misdirected {
            self.misdirect(node, &mut buffer[..count], offset, &mut Random::seeded(seed, 2));
        }
        Ok(count)
    }

    /// Puts into one page of what was read from `offset` on what stands elsewhere.
    fn misdirect(&self, node: &Node, read: &mut [u8], offset: usize, random: &mut Random) {
        if read.is_empty() {
            return;
        }
        let pages = (offset + read.len()).div_ceil(PAGE_BYTES) - offset / PAGE_BYTES;
        let page = offset / PAGE_BYTES + random.below(pages as u64) as usize;
        let start = (page * PAGE_BYTES).max(offset);
        let end = ((page + 1) * PAGE_BYTES).min(offset + read.len());
        let others: Vec<&Node> = self.directory.current.values().collect();
        let from = match random.one_in(2) {
            true => node,
            false => others[random.below(others.len() as u64) as usize],
        };
        let contents = from.lock();
        let elsewhere = random.below(contents.current.length().div_ceil(PAGE_BYTES).max(1) as u64) as usize;
        let part = &mut read[start - offset..end - offset];
        // What lies behind the end of a file is anything; here, zeros.
        part.fill(0);
        contents.current.read(part, elsewhere * PAGE_BYTES + start % PAGE_BYTES);
    }
}

/// What was called, for those who read a failed test.
pub(super) struct Call {
    pub(super) what: &'static str,
    pub(super) name: Option<Name>,
    pub(super) range: Option<(u64, u64)>,
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

pub(super) fn power_is_off() -> io::Error {
    io::Error::other("the power is off")
}
