//! A file that goes when the last reader of it goes.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::storage::fs::FileSystem;
use crate::sync::{AtomicBool, Mutex, Ordering};

/// The names of files that no manifest names any more, as long as somebody reads them.
#[derive(Debug, Default)]
pub(crate) struct Condemned(Mutex<BTreeSet<String>>);

impl Condemned {
    /// Those there are now.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        self.0.lock().clone()
    }
}

/// Owns the name of an immutable file. Once no manifest names it any more it is condemned, and removed when the last
/// view or snapshot that reads it is dropped. A removal that fails is left to the sweep at the next opening.
#[derive(Debug)]
pub(crate) struct StoredFile {
    fs: Arc<dyn FileSystem>,
    ledger: Arc<Condemned>,
    name: String,
    condemned: AtomicBool,
}

impl StoredFile {
    pub(crate) fn new(fs: &Arc<dyn FileSystem>, ledger: &Arc<Condemned>, name: String) -> StoredFile {
        StoredFile { fs: Arc::clone(fs), ledger: Arc::clone(ledger), name, condemned: AtomicBool::new(false) }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// To be called only after a manifest without this file was published durably.
    pub(crate) fn condemn(&self) {
        self.ledger.0.lock().insert(self.name.clone());
        self.condemned.store(true, Ordering::Release);
    }
}

impl Drop for StoredFile {
    fn drop(&mut self) {
        if !self.condemned.load(Ordering::Acquire) {
            return;
        }
        if let Err(error) = self.fs.remove(&self.name) {
            tracing::debug!(file = self.name, %error, "could not remove an obsolete file; the next opening will");
        }
        self.ledger.0.lock().remove(&self.name);
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
        let ledger = Arc::default();
        drop(StoredFile::new(&fs, &ledger, "seg-1".into()));
        let file = Arc::new(StoredFile::new(&fs, &ledger, "seg-2".into()));
        let reader = Arc::clone(&file);
        file.condemn();
        drop(file);
        assert_eq!(fs.list().unwrap(), ["seg-1", "seg-2"]);
        assert_eq!(ledger.names().into_iter().collect::<Vec<_>>(), ["seg-2"]);
        drop(reader);
        assert_eq!(fs.list().unwrap(), ["seg-1"]);
        assert!(ledger.names().is_empty());
    }
}
