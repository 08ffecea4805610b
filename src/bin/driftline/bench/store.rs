//! A store to measure: rows keyed by their numbers, in one segment, indexed.

use std::path::Path;
use std::time::{Duration, Instant};

use driftline::{Collection, Create, Database, Error, ErrorKind, Options, Record, Result, Schema};

const COLLECTION: &str = "base";

/// How long building took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Built {
    /// Writing the rows.
    pub(super) rows: Duration,
    /// Merging them into one segment and indexing it.
    pub(super) index: Duration,
    /// Bytes of all files.
    pub(super) bytes: u64,
}

/// Makes a store in an empty directory.
pub(super) fn build(
    dir: &Path,
    threads: usize,
    schema: Schema,
    records: impl Iterator<Item = Result<Record>>,
) -> Result<Built> {
    let start = Instant::now();
    let db = Options::new().create(Create::IfMissing).threads(threads).open(dir)?;
    let base = db.create_collection(COLLECTION, schema)?;
    let mut import = base.import()?;
    for record in records {
        import.put(record?)?;
    }
    import.finish()?;
    let rows = start.elapsed();
    let start = Instant::now();
    base.compact()?;
    let index = start.elapsed();
    db.close()?;
    Ok(Built { rows, index, bytes: bytes_under(dir)? })
}

/// Opens a store for searching with so many threads.
pub(super) fn open(dir: &Path, threads: usize) -> Result<(Database, Collection)> {
    let db = Options::new().threads(threads).open_read_only(dir)?;
    let base = db.collection(COLLECTION)?;
    Ok((db, base))
}

/// Bytes of all files of a directory.
fn bytes_under(path: &Path) -> Result<u64> {
    let failed =
        |error| Error::new(ErrorKind::Io, format!("could not list it: {error}")).at(path.display().to_string());
    #[expect(clippy::disallowed_methods, reason = "counts bytes as du does, without the engine")]
    let entries = std::fs::read_dir(path).map_err(failed)?;
    let lengths = entries.map(|entry| entry.and_then(|entry| entry.metadata()).map(|data| data.len()));
    lengths.sum::<std::io::Result<u64>>().map_err(failed)
}
