//! Everything the engine asks of a file system, as one trait, so that tests can cut the power at any call.
//!
//! A file system here is one flat directory: names are plain file names, never paths.

#[cfg(test)]
mod conformance;
mod crash;
mod disk;
mod fault;
mod fresh;
mod locks;
mod memory;
mod mmap;
mod pages;
mod simulated;
mod unsynced;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub use disk::DiskFs;
pub use fault::{Fault, Lasting};
pub(crate) use fresh::FreshDir;
pub use memory::MemoryFs;
pub use mmap::{Access, Mapping};
pub use simulated::SimulatedFs;

/// One directory of a store.
///
/// Calls may come from many threads. Every error is the operating system's own; callers add what was attempted.
pub trait FileSystem: Send + Sync + fmt::Debug {
    /// Where this directory is, for messages.
    fn location(&self) -> String;

    /// Creates `name` for reading and writing; `AlreadyExists` when there is anything of that name.
    fn create_new(&self, name: &str) -> io::Result<Arc<dyn File>>;

    /// Opens the regular file `name` for reading.
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>>;

    /// The names in the directory, sorted; folders, links and names that are not UTF-8 are left out.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Removes `name`. Durable only after [`FileSystem::sync_dir`].
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes the synced file `temporary` appear as `name`, durably, in one step: the only commit point of a store.
    fn publish_new(&self, temporary: &str, name: &str) -> Result<(), PublishError>;

    /// Makes creations and removals durable.
    fn sync_dir(&self) -> io::Result<()>;

    /// Takes the lock file `name`, creating it for [`LockMode::Exclusive`]; `WouldBlock` when another holds it in a
    /// way that excludes this one. Dropping the guard gives the lock back.
    fn lock(&self, name: &str, mode: LockMode) -> io::Result<Box<dyn LockGuard>>;

    /// The first `length` bytes of `name`, which must not change while the mapping lives. `UnexpectedEof` when the
    /// file is shorter. With [`ReadMode::Heap`], and where mapping is not possible, the bytes are read into memory.
    fn map(&self, name: &str, length: u64, mode: ReadMode) -> io::Result<Mapping>;

    /// Bytes this user may still write, where that is known.
    fn free_bytes(&self) -> io::Result<Option<u64>>;

    /// Where this directory is in the tree of the operating system, if it is there.
    fn path(&self) -> Option<&Path> {
        None
    }

    /// Makes the file `name` of `other` appear here under the same name, without copying: both names are one content from
    /// then on. `Unsupported` where two directories cannot share a file. Durable only after [`FileSystem::sync_dir`].
    fn link_from(&self, other: &dyn FileSystem, name: &str) -> io::Result<()> {
        let _ = (other, name);
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// An open file. Reading and writing name their offset, so threads do not share a cursor.
pub trait File: Send + Sync + fmt::Debug {
    /// Reads into `buffer`; fewer bytes than asked mean the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes`, growing the file where needed. After an error any part may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Grows the file from `start`, where it ends, with zeros up to `end`, so that writing into them cannot fail for
    /// lack of room once this is synced. Where the disk can, it sets the room aside without writing.
    fn reserve(&self, start: u64, end: u64) -> io::Result<()> {
        write_zeros(&|zeros, at| self.write_at(zeros, at), start, end)
    }

    /// The length in bytes.
    fn length(&self) -> io::Result<u64>;

    /// Makes the content durable, and the length as far as reading the content needs it.
    fn sync_data(&self) -> io::Result<()>;

    /// Makes content and metadata durable.
    fn sync_all(&self) -> io::Result<()>;
}

/// Writes zeros a piece at a time.
fn write_zeros(write: &dyn Fn(&[u8], u64) -> io::Result<()>, start: u64, end: u64) -> io::Result<()> {
    const PIECE_BYTES: usize = 1 << 20;
    let zeros = vec![0; PIECE_BYTES.min(end.saturating_sub(start) as usize)];
    let mut at = start;
    while at < end {
        let count = zeros.len().min((end - at) as usize);
        write(&zeros[..count], at)?;
        at += count as u64;
    }
    Ok(())
}

impl dyn File + '_ {
    /// Fills `buffer` or fails with `UnexpectedEof`.
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match self.read_at(buffer, offset)? {
            read if read == buffer.len() => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// A lock that is held until it is dropped.
pub trait LockGuard: Send + Sync + fmt::Debug {}

/// Who else may hold a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// Nobody: for writing.
    Exclusive,
    /// Other readers.
    Shared,
}

/// How sealed files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadMode {
    /// Mapped into memory: opens at once, the operating system keeps what is used. Changing or truncating the files of
    /// an open store from outside is then undefined behaviour; the store's directory should be its own. A sector that
    /// the disk cannot read ends the process with a signal (`SIGBUS`) where a query or a look-up touches it; what is
    /// read to be checked, as by opening files, merging, scrubbing and verifying, is read by calls first, and there it
    /// is an error.
    #[default]
    Mmap,
    /// Read into memory: needs room for all vectors, and nothing outside can change what was read. A sector that the disk
    /// cannot read is an error, and makes its collection unusable when the store is opened.
    Heap,
}

/// Why [`FileSystem::publish_new`] failed.
#[derive(Debug)]
pub enum PublishError {
    /// Nothing was published, now or after a crash.
    NotPublished(io::Error),
    /// The new name may or may not be there after a crash.
    Uncertain(io::Error),
}

/// Refuses what is not a plain file name, so that no name ever leaves the directory.
fn check_name(name: &str) -> io::Result<()> {
    let plain =
        !name.is_empty() && name.len() <= 255 && !name.contains(['/', '\\', '\0']) && name != "." && name != "..";
    match plain {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} is not a plain file name"))),
    }
}

/// Where `bytes` end that are written at `offset`; `FileTooLarge` when no file can be that long.
fn end_of(offset: u64, bytes: &[u8]) -> io::Result<usize> {
    usize::try_from(offset)
        .ok()
        .and_then(|offset| offset.checked_add(bytes.len()))
        .filter(|&end| isize::try_from(end).is_ok())
        .ok_or_else(|| io::ErrorKind::FileTooLarge.into())
}

/// What a failed rename means. Some refusals come before anything is changed; after any other, the operating system
/// may have told its disk already.
fn rename_failed(error: io::Error) -> PublishError {
    match error.kind() {
        io::ErrorKind::NotFound
        | io::ErrorKind::AlreadyExists
        | io::ErrorKind::PermissionDenied
        | io::ErrorKind::ReadOnlyFilesystem
        | io::ErrorKind::StorageFull
        | io::ErrorKind::QuotaExceeded => PublishError::NotPublished(error),
        _ => PublishError::Uncertain(error),
    }
}
