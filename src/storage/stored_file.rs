//! A file that goes when the last reader of it goes.

use std::sync::Arc;

use crate::storage::fs::FileSystem;
use crate::sync::{AtomicBool, Ordering};

/// Owns the name of an immutable file. Once no manifest names it any more it is condemned, and removed when the last
/// view or snapshot that reads it is dropped. A removal that fails is left to the sweep at the next opening.
#[derive(Debug)]
pub(crate) struct StoredFile {
    fs: Arc<dyn FileSystem>,
    name: String,
    condemned: AtomicBool,
}

impl StoredFile {
    pub(crate) fn new(fs: &Arc<dyn FileSystem>, name: String) -> StoredFile {
        StoredFile { fs: Arc::clone(fs), name, condemned: AtomicBool::new(false) }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// To be called only after a manifest without this file was published durably.
    pub(crate) fn condemn(&self) {
        self.condemned.store(true, Ordering::Release);
    }
}

impl Drop for StoredFile {
    fn drop(&mut self) {
        if self.condemned.load(Ordering::Acquire)
            && let Err(error) = self.fs.remove(&self.name)
        {
            tracing::debug!(file = self.name, %error, "could not remove an obsolete file; the next opening will");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::fs::MemoryFs;

    #[test]
    fn only_a_condemned_file_goes_and_only_with_its_last_reader() {
        let fs: Arc<dyn FileSystem> = Arc::new(MemoryFs::new());
        for name in ["seg-1", "seg-2"] {
            fs.create_new(name).unwrap();
        }
        drop(StoredFile::new(&fs, "seg-1".into()));
        let file = Arc::new(StoredFile::new(&fs, "seg-2".into()));
        let reader = Arc::clone(&file);
        file.condemn();
        drop(file);
        assert_eq!(fs.list().unwrap(), ["seg-1", "seg-2"]);
        drop(reader);
        assert_eq!(fs.list().unwrap(), ["seg-1"]);
    }
}
