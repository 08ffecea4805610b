//! `driftline bench run`: builds a store for each index, asks it all queries at each setting, and writes a line for each.

mod filters;
mod measure;
mod session;
mod sweep;

use driftline::{Error, ErrorKind, IndexSpec, Result};

use self::session::Session;
use super::args::Run;
use super::folder::Folder;
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
        let folder = Folder::make(asked.work.as_deref())?;
        sweep::index(&session, spec, folder.path(), listener)?;
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
