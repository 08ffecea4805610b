//! Where stores are built that are measured.

use std::path::{Path, PathBuf};

use driftline::{Error, ErrorKind, Result};

/// A directory for stores, removed with this.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes one, within the system's directory for temporary files unless told.
    pub(super) fn make(within: Option<&Path>) -> Result<Folder> {
        let within = within.map_or_else(std::env::temp_dir, Path::to_owned);
        let path = within.join(format!(
            "driftline-bench-{}-{:08x}",
            std::process::id(),
            driftline::Random::system_seed() as u32
        ));
        #[expect(clippy::disallowed_methods, reason = "a directory that the store is then made in")]
        let made = std::fs::create_dir_all(&path);
        let failed =
            |error| Error::new(ErrorKind::Io, format!("could not make it: {error}")).at(path.display().to_string());
        made.map_err(failed)?;
        Ok(Folder(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is left to who owns the directory.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
