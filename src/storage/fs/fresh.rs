//! A directory that a new store is to be made in.
#![expect(clippy::disallowed_methods, reason = "looks whether a directory of the operating system is empty")]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::DiskFs;

/// A directory that was not there, or was empty.
#[derive(Debug)]
pub(crate) struct FreshDir {
    fs: Arc<DiskFs>,
    /// Where it is, when it was made here.
    made: Option<PathBuf>,
}

impl FreshDir {
    /// Makes the directory `path`, durably and for this user alone, or takes it when it is empty; `DirectoryNotEmpty`
    /// when there is anything in it.
    pub(crate) fn create(path: &Path) -> io::Result<FreshDir> {
        let missing = fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        let directory = DiskFs::open_or_create(path)?;
        if fs::read_dir(path)?.next().is_some() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        let made = missing.then(|| fs::canonicalize(path)).transpose()?;
        Ok(FreshDir { fs: Arc::new(directory), made })
    }

    pub(crate) fn fs(&self) -> Arc<DiskFs> {
        Arc::clone(&self.fs)
    }

    /// Removes the directory again, if it was made here and is empty.
    pub(crate) fn remove(&self) {
        if let Some(path) = &self.made {
            // One that stays is empty, and can be taken for the next attempt.
            let _ = fs::remove_dir(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::fs::FileSystem;

    #[test]
    fn only_what_is_missing_or_empty_is_fresh() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        let fresh = FreshDir::create(&path).unwrap();
        fresh.fs().create_new("seg-1").unwrap();
        assert_eq!(FreshDir::create(&path).unwrap_err().kind(), io::ErrorKind::DirectoryNotEmpty);
        fresh.remove();
        assert!(path.exists(), "it is not empty");
        fresh.fs().remove("seg-1").unwrap();
        fresh.remove();
        assert!(!path.exists());
    }

    #[test]
    fn a_directory_that_was_there_stays() {
        let dir = tempfile::tempdir().unwrap();
        FreshDir::create(dir.path()).unwrap().remove();
        assert!(dir.path().exists());
        fs::create_dir(dir.path().join("folder")).unwrap();
        assert_eq!(FreshDir::create(dir.path()).unwrap_err().kind(), io::ErrorKind::DirectoryNotEmpty);
    }
}
