//! A directory in which a store is being made.

use std::path::Path;
use std::sync::Arc;

use crate::database::cancel::CancelToken;
use crate::database::options::{Create, Maintenance, Options};
use crate::database::verify::{VerifyLevel, VerifyReport};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::fs::{FileSystem, FreshDir, LockGuard, LockMode};
use crate::storage::manifest::{Manifest, PublishFailure};
use crate::storage::names::{self, Name};

/// A directory in which a store is being made, locked meanwhile. Its manifest comes last: before that nobody takes it for
/// a store, however far it came. Dropped before [`NewStore::finish`], everything in it is removed.
#[derive(Debug)]
pub(super) struct NewStore {
    fs: Arc<dyn FileSystem>,
    directory: Option<FreshDir>,
    lock: Option<Box<dyn LockGuard>>,
    finished: bool,
}

impl NewStore {
    /// In the directory `path`, which must be empty or not there.
    pub(super) fn in_directory(path: &Path) -> Result<NewStore> {
        let place = path.display().to_string();
        let directory = FreshDir::create(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::DirectoryNotEmpty => not_empty(place.clone()),
            _ => Error::io("make the directory", place.clone(), error),
        })?;
        NewStore::begin(directory.fs(), Some(directory))
    }

    /// On a file system without any file.
    pub(super) fn on(fs: Arc<dyn FileSystem>) -> Result<NewStore> {
        let names = fs.list().map_err(|error| Error::io("list the directory", fs.location(), error))?;
        if !names.is_empty() {
            return Err(not_empty(fs.location()));
        }
        NewStore::begin(fs, None)
    }

    fn begin(fs: Arc<dyn FileSystem>, directory: Option<FreshDir>) -> Result<NewStore> {
        let lock = fs.lock(names::LOCK, LockMode::Exclusive);
        let lock = lock.map_err(|error| match error.kind() {
            std::io::ErrorKind::WouldBlock => not_empty(fs.location()),
            _ => Error::io("take the lock", fs.location(), error),
        })?;
        Ok(NewStore { fs, directory, lock: Some(lock), finished: false })
    }

    pub(super) fn fs(&self) -> &Arc<dyn FileSystem> {
        &self.fs
    }

    /// Makes it a store, once all files that `manifest` lists are written and synced.
    pub(super) fn publish(&self, manifest: &Manifest) -> Result<()> {
        self.fs.sync_dir().map_err(|error| Error::io("sync the directory", self.fs.location(), error))?;
        manifest.publish(&*self.fs).map_err(PublishFailure::into_error)
    }

    /// Opens what was published and checks it; damage is an error.
    pub(super) fn check(
        &mut self,
        options: &Options,
        level: VerifyLevel,
        cancel: &CancelToken,
    ) -> Result<VerifyReport> {
        self.lock = None;
        let options = options.clone().create(Create::Never).maintenance(Maintenance::Manual);
        let db = options.open_read_only_on(Arc::clone(&self.fs))?;
        let report = db.verification().level(level).cancel(cancel).run()?;
        db.close()?;
        match report.problems.first() {
            None => Ok(report),
            Some(problem) => {
                Err(Error::corrupt(format!("what was written does not verify: {problem}"), self.fs.location())
                    .mend("check the disk, and run `driftline PATH verify` on the store it came from"))
            }
        }
    }

    /// Keeps what was made.
    pub(super) fn finish(mut self) {
        self.finished = true;
    }

    /// Removes all of it, the manifest first, so that what a power cut leaves is no store.
    fn remove(&self) {
        let Ok(listed) = self.fs.list() else { return };
        let (roots, rest): (Vec<_>, Vec<_>) = listed
            .iter()
            .filter(|name| names::parse(name).is_some())
            .partition(|name| matches!(names::parse(name), Some(Name::Manifest(_))));
        for names in [roots, rest] {
            // What cannot be removed stays, without a manifest.
            names.iter().for_each(|name| _ = self.fs.remove(name));
            let _ = self.fs.sync_dir();
        }
        self.directory.iter().for_each(FreshDir::remove);
    }
}

impl Drop for NewStore {
    fn drop(&mut self) {
        if !self.finished {
            self.remove();
        }
    }
}

fn not_empty(place: String) -> Error {
    Error::new(ErrorKind::Exists, "the directory is not empty, and a store is made in an empty one only")
        .at(place)
        .mend("name a directory that does not exist yet; what a killed run left behind can be removed")
}
