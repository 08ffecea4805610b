//! Room that is set aside in a file, so that what frees room still works on a disk that others have filled.
//!
//! Deleting needs a log, dropping a manifest, compacting both and what it keeps. So up to 4 MiB of what rows leave free
//! are not only left free, which binds nobody else, but taken, by a file of zeros. Where a call that frees room finds
//! the disk full, the file is given up and the call is made again; from then on rows are refused until the room is
//! there again (docs/decisions/0048).

use std::io;

use crate::storage::fs::FileSystem;
use crate::storage::names;
use crate::sync::{AtomicBool, AtomicU64, Mutex, Ordering};

/// The most that is set aside: a new log, some manifests, and a small merge.
pub(crate) const MOST_BYTES: u64 = 4 << 20;

/// What is known of the file.
#[derive(Debug, Default)]
pub(crate) struct Reserve {
    /// Whether it is there. Locked while it is made or removed.
    held: Mutex<bool>,
    /// It was given up and is not back yet.
    spent: AtomicBool,
    /// How often it was given up.
    times: AtomicU64,
}

impl Reserve {
    /// Whether it was given up and is not back yet.
    pub(crate) fn is_spent(&self) -> bool {
        self.spent.load(Ordering::Acquire)
    }

    pub(crate) fn is_held(&self) -> bool {
        *self.held.lock()
    }

    /// How often it was given up.
    pub(crate) fn times(&self) -> u64 {
        self.times.load(Ordering::Acquire)
    }

    /// Takes over the file that an earlier process left, if it is what would be made now.
    pub(crate) fn adopt(&self, fs: &dyn FileSystem, bytes: u64) {
        match fs.open(names::RESERVE).and_then(|file| file.length()) {
            Ok(length) if length == bytes && bytes > 0 => *self.held.lock() = true,
            // What cannot be removed is tried again when it is made anew.
            Ok(_) => _ = fs.remove(names::RESERVE),
            Err(_) => {}
        }
    }

    /// Sees to it that so many bytes are set aside; false where there is too little for that.
    pub(crate) fn set_aside(&self, fs: &dyn FileSystem, bytes: u64) -> bool {
        let mut held = self.held.lock();
        if !*held && bytes > 0 {
            *held = make(fs, bytes).is_ok();
        }
        let whole = *held || bytes == 0;
        if whole {
            self.spent.store(false, Ordering::Release);
        }
        whole
    }

    /// Gives up the file. False where there is none, unless somebody gave it up since that had been done `times` times.
    pub(crate) fn give_up(&self, fs: &dyn FileSystem, times: u64) -> bool {
        let mut held = self.held.lock();
        if *held && fs.remove(names::RESERVE).is_ok() {
            *held = false;
            self.spent.store(true, Ordering::Release);
            self.times.fetch_add(1, Ordering::AcqRel);
        }
        self.times() != times
    }
}

/// Makes the file. Its name need not be durable: where it is missing, it is made again.
fn make(fs: &dyn FileSystem, bytes: u64) -> io::Result<()> {
    match fs.remove(names::RESERVE) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = fs.create_new(names::RESERVE)?;
    let made = file.reserve(0, bytes).and_then(|()| file.sync_all());
    if made.is_err() {
        _ = fs.remove(names::RESERVE);
    }
    made
}
