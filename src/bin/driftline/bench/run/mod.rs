//! `driftline bench run`: builds a store for each index, asks it all queries at each setting, and writes a line for each.

mod filters;
mod machine;
mod measure;
mod session;
mod sweep;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use driftline::{Error, ErrorKind, IndexSpec, Result};

use self::session::Session;
use super::args::Run;
use super::line::Line;

/// Whom a run tells how it goes.
pub(super) trait Listener {
    /// What begins now.
    fn step(&mut self, what: &str);
    /// A setting was measured.
    fn line(&mut self, line: &Line) -> Result<()>;
}

/// Measures everything that was asked for.
pub(super) fn run(asked: &Run, listener: &mut dyn Listener) -> Result<()> {
    check(asked)?;
    let session = Session::open(asked, listener)?;
    let specs = if asked.index.is_empty() { every_kind() } else { asked.index.clone() };
    for spec in &specs {
        let work = Work::make(asked.work.as_deref())?;
        sweep::index(&session, spec, &work.0, listener)?;
    }
    Ok(())
}

fn every_kind() -> Vec<IndexSpec> {
    ["flat", "hnsw", "lsh"].iter().filter_map(|kind| kind.parse().ok()).collect()
}

fn check(asked: &Run) -> Result<()> {
    let refuse = |message: String| Err(Error::new(ErrorKind::Invalid, message));
    if asked.k == 0 || asked.k > driftline::MAX_K {
        return refuse(format!("-k is {}; it must be 1 to {}", asked.k, driftline::MAX_K));
    }
    if let Some(recall) = asked.recall.iter().find(|recall| !(**recall > 0.0 && **recall <= 1.0)) {
        return refuse(format!("--recall is {recall}; it must be above 0 and at most 1"));
    }
    if let Some(threads) = asked.threads.iter().find(|threads| **threads == 0 || **threads > 1024) {
        return refuse(format!("--threads is {threads}; it must be 1 to 1024"));
    }
    Ok(())
}

/// A directory for one store, removed with this.
struct Work(PathBuf);

impl Work {
    fn make(within: Option<&Path>) -> Result<Work> {
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
        Ok(Work(path))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // What cannot be removed is left to who owns the directory.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Appends lines to a file.
pub(super) struct Sink(pub(super) File, pub(super) String);

impl Sink {
    pub(super) fn write(&mut self, line: &Line) -> Result<()> {
        let failed = |error: std::io::Error| {
            Error::new(ErrorKind::Io, format!("could not write the result: {error}")).at(&self.1)
        };
        let text = serde_json::to_string(line).map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))?;
        writeln!(self.0, "{text}").map_err(failed)
    }
}
