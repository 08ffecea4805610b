//! A simulated directory that remembers, beside what programs see, what is durable and what lies between the two.

use std::collections::BTreeMap;
use std::mem;
use std::ops::Range;
use std::sync::Arc;

use super::pages::{Pages, are_zeros};
use crate::sync::Mutex;

pub(super) type Name = Arc<str>;

/// A file apart from its names, as an inode is.
pub(super) type Node = Arc<Mutex<Contents>>;

pub(super) type Entries = BTreeMap<Name, Node>;

/// The names, and what happened to them since the last sync.
#[derive(Default)]
pub(super) struct Directory {
    pub(super) durable: Entries,
    pub(super) current: Entries,
    pub(super) unsynced: Vec<Change>,
}

/// One change of a name.
#[derive(Clone)]
pub(super) enum Change {
    Create(Name, Node),
    Remove(Name),
    Rename { from: Name, to: Name, node: Node },
}

impl Directory {
    pub(super) fn create(&mut self, name: &Name) -> Node {
        let node = Node::default();
        node.lock().links = 1;
        self.change(Change::Create(name.clone(), node.clone()));
        node
    }

    /// Forgets a name, which must exist, and gives the bytes that nobody names any more.
    pub(super) fn remove(&mut self, name: &Name) -> u64 {
        let freed = self.current.get(name).map_or(0, |node| {
            let mut contents = node.lock();
            contents.links -= 1;
            if contents.links == 0 { contents.current.length() as u64 } else { 0 }
        });
        self.change(Change::Remove(name.clone()));
        freed
    }

    pub(super) fn rename(&mut self, from: &Name, to: &Name) {
        if let Some(node) = self.current.get(from).cloned() {
            self.change(Change::Rename { from: from.clone(), to: to.clone(), node });
        }
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.current);
        self.unsynced.push(change);
    }

    /// Makes durable what has changed, and only that: what [`Directory::forget_unsynced`] forgot stays lost.
    pub(super) fn sync(&mut self) {
        for change in mem::take(&mut self.unsynced) {
            change.apply(&mut self.durable);
        }
    }

    /// What a failed sync does: the changes stay visible and will never be durable.
    pub(super) fn forget_unsynced(&mut self) {
        self.unsynced.clear();
    }

    /// The bytes in all files.
    pub(super) fn used_bytes(&self) -> u64 {
        // A file with two names counts for each name, which only a rename that a crash left half done can bring about.
        self.current.values().map(|node| node.lock().current.length() as u64).sum()
    }
}

impl Change {
    pub(super) fn apply(&self, entries: &mut Entries) {
        match self {
            Change::Create(name, node) => _ = entries.insert(name.clone(), node.clone()),
            Change::Remove(name) => _ = entries.remove(name),
            Change::Rename { from, to, node } => {
                entries.remove(from);
                entries.insert(to.clone(), node.clone());
            }
        }
    }
}

/// What a file holds, and what was written since the last sync.
#[derive(Clone, Default)]
pub(super) struct Contents {
    pub(super) durable: Pages,
    pub(super) current: Pages,
    pub(super) unsynced: Vec<Write>,
    /// A failed sync dropped writes, so `current` holds bytes that must not become durable.
    pub(super) dropped: bool,
    /// How many names lead here.
    pub(super) links: usize,
}

impl Contents {
    /// A file that holds `pages`, durably.
    pub(super) fn durably(pages: Pages) -> Contents {
        Contents { durable: pages.clone(), current: pages, links: 1, ..Contents::default() }
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: usize) {
        if bytes.is_empty() {
            return;
        }
        let data = match are_zeros(bytes) {
            true => Data::Zeros(bytes.len()),
            false => Data::Bytes(bytes.into()),
        };
        let write = Write { offset, data };
        write.apply(0..bytes.len(), &mut self.current);
        self.unsynced.push(write);
    }

    pub(super) fn sync(&mut self) {
        for write in mem::take(&mut self.unsynced) {
            match self.dropped {
                // Pages are shared between what was dropped and what was not, so only the write itself will do.
                true => write.apply(0..write.data.len(), &mut self.durable),
                false => self.durable.share(&self.current, write.range()),
            }
        }
    }

    /// What a failed sync does: the bytes stay readable, count as clean, and will never be durable.
    pub(super) fn forget_unsynced(&mut self) {
        self.dropped |= !self.unsynced.is_empty();
        self.unsynced.clear();
    }
}

/// Bytes that were written and not synced.
#[derive(Clone)]
pub(super) struct Write {
    offset: usize,
    data: Data,
}

#[derive(Clone)]
enum Data {
    Zeros(usize),
    Bytes(Arc<[u8]>),
}

impl Write {
    pub(super) fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.data.len()
    }

    /// Writes a part of it, counted from its start.
    pub(super) fn apply(&self, part: Range<usize>, pages: &mut Pages) {
        let at = self.offset + part.start;
        match &self.data {
            Data::Zeros(_) => pages.zero(at..at + part.len()),
            Data::Bytes(bytes) => pages.write(&bytes[part], at),
        }
    }
}

impl Data {
    fn len(&self) -> usize {
        match self {
            Data::Zeros(count) => *count,
            Data::Bytes(bytes) => bytes.len(),
        }
    }
}
