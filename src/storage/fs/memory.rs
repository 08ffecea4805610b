//! A directory in memory, where everything is durable at once: for caches, examples and tests.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;

use super::locks::Locks;
use super::{File, FileSystem, LockGuard, LockMode, Mapping, PublishError, ReadMode, check_name, end_of};
use crate::sync::{AtomicU64, Mutex, Ordering, RwLock};

/// A directory in memory.
///
/// Clones share their content and their locks, so a store can be closed and opened again. A file that is removed while
/// it is open stays readable through its handle, as on disk.
#[derive(Clone, Default)]
pub struct MemoryFs(Arc<Shared>);

#[derive(Default)]
struct Shared {
    entries: Mutex<BTreeMap<String, Arc<Content>>>,
    locks: Locks,
    space: Arc<Space>,
}

impl MemoryFs {
    /// An empty directory, as large as the memory.
    pub fn new() -> MemoryFs {
        MemoryFs::default()
    }

    /// An empty directory whose files may hold `capacity` bytes together; more is refused with `StorageFull`.
    pub fn with_capacity_bytes(capacity: u64) -> MemoryFs {
        let space = Arc::new(Space { used: AtomicU64::new(0), capacity });
        MemoryFs(Arc::new(Shared { space, ..Shared::default() }))
    }

    fn content(&self, name: &str) -> io::Result<Arc<Content>> {
        check_name(name)?;
        self.0.entries.lock().get(name).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl FileSystem for MemoryFs {
    fn location(&self) -> String {
        "memory".to_owned()
    }

    fn create_new(&self, name: &str) -> io::Result<Arc<dyn File>> {
        check_name(name)?;
        let mut entries = self.0.entries.lock();
        if entries.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let content = Arc::new(Content::empty(&self.0.space));
        entries.insert(name.to_owned(), content.clone());
        Ok(Arc::new(Handle { content, writable: true }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(Handle { content: self.content(name)?, writable: false }))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.0.entries.lock().keys().cloned().collect())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        check_name(name)?;
        self.0.entries.lock().remove(name).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn publish_new(&self, temporary: &str, name: &str) -> Result<(), PublishError> {
        check_name(name).map_err(PublishError::NotPublished)?;
        let mut entries = self.0.entries.lock();
        if entries.contains_key(name) {
            return Err(PublishError::NotPublished(io::ErrorKind::AlreadyExists.into()));
        }
        let content =
            entries.remove(temporary).ok_or_else(|| PublishError::NotPublished(io::ErrorKind::NotFound.into()))?;
        entries.insert(name.to_owned(), content);
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, name: &str, mode: LockMode) -> io::Result<Box<dyn LockGuard>> {
        check_name(name)?;
        {
            let mut entries = self.0.entries.lock();
            match mode {
                LockMode::Exclusive => {
                    entries.entry(name.to_owned()).or_insert_with(|| Arc::new(Content::empty(&self.0.space)));
                }
                LockMode::Shared if !entries.contains_key(name) => return Err(io::ErrorKind::NotFound.into()),
                LockMode::Shared => {}
            }
        }
        self.0.locks.take(name, mode)
    }

    fn map(&self, name: &str, length: u64, _mode: ReadMode) -> io::Result<Mapping> {
        let content = self.content(name)?;
        let bytes = content.bytes.read();
        let wanted = usize::try_from(length).ok().and_then(|length| bytes.get(..length));
        Mapping::copy_of(wanted.ok_or(io::ErrorKind::UnexpectedEof)?)
    }

    fn free_bytes(&self) -> io::Result<Option<u64>> {
        let Space { used, capacity } = &*self.0.space;
        Ok((*capacity != u64::MAX).then(|| capacity.saturating_sub(used.load(Ordering::Relaxed))))
    }
}

impl fmt::Debug for MemoryFs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MemoryFs").field(&self.0.entries.lock().keys()).finish()
    }
}

/// What a file holds. It counts against the capacity until its last handle is gone.
struct Content {
    bytes: RwLock<Vec<u8>>,
    space: Arc<Space>,
}

impl Content {
    fn empty(space: &Arc<Space>) -> Content {
        Content { bytes: RwLock::default(), space: space.clone() }
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        self.space.give(self.bytes.get_mut().len() as u64);
    }
}

struct Handle {
    content: Arc<Content>,
    writable: bool,
}

impl File for Handle {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let bytes = self.content.bytes.read();
        let from = usize::try_from(offset).map_or(bytes.len(), |offset| offset.min(bytes.len()));
        let count = buffer.len().min(bytes.len() - from);
        buffer[..count].copy_from_slice(&bytes[from..from + count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let end = end_of(offset, bytes)?;
        let mut content = self.content.bytes.write();
        if end > content.len() && !bytes.is_empty() {
            let growth = end - content.len();
            content.try_reserve(growth).map_err(|_| io::ErrorKind::OutOfMemory)?;
            self.content.space.take(growth as u64)?;
            content.resize(end, 0);
        }
        if !bytes.is_empty() {
            content[end - bytes.len()..end].copy_from_slice(bytes);
        }
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.content.bytes.read().len() as u64)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("writable", &self.writable).finish_non_exhaustive()
    }
}

/// The bytes in use and how many there may be.
struct Space {
    used: AtomicU64,
    capacity: u64,
}

impl Default for Space {
    fn default() -> Space {
        Space { used: AtomicU64::new(0), capacity: u64::MAX }
    }
}

impl Space {
    fn take(&self, count: u64) -> io::Result<()> {
        let fits = |used: u64| used.checked_add(count).filter(|&used| used <= self.capacity);
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits) {
            Ok(_) => Ok(()),
            Err(_) => Err(io::ErrorKind::StorageFull.into()),
        }
    }

    fn give(&self, count: u64) {
        self.used.fetch_sub(count, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behaves_as_every_file_system() {
        super::super::conformance::check(&|| Arc::new(MemoryFs::new()));
    }

    #[test]
    fn clones_share_content_and_locks() {
        let fs = MemoryFs::new();
        fs.create_new("a").unwrap().write_at(b"kept", 0).unwrap();
        let again = fs.clone();
        assert_eq!(&*again.map("a", 4, ReadMode::Heap).unwrap(), b"kept");
        let held = fs.lock("LOCK", LockMode::Exclusive).unwrap();
        assert_eq!(again.lock("LOCK", LockMode::Exclusive).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(held);
        again.lock("LOCK", LockMode::Exclusive).unwrap();
    }

    #[test]
    fn a_full_directory_refuses_and_removing_makes_room() {
        let fs = MemoryFs::with_capacity_bytes(10);
        let file = fs.create_new("a").unwrap();
        file.write_at(&[1; 8], 0).unwrap();
        assert_eq!(fs.free_bytes().unwrap(), Some(2));
        assert_eq!(file.write_at(&[1; 3], 8).unwrap_err().kind(), io::ErrorKind::StorageFull);
        file.write_at(&[2; 8], 2).unwrap();
        drop(file);
        fs.remove("a").unwrap();
        assert_eq!(fs.free_bytes().unwrap(), Some(10));
    }
}
