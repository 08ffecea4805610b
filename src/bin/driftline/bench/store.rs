//! A store to measure: rows keyed by their numbers, in one segment, and one index over it.

use std::path::Path;
use std::time::{Duration, Instant};

use driftline::{
    Collection, Create, Database, Error, ErrorKind, IndexSpec, IndexStats, Options, Record, Result, Schema,
};

const COLLECTION: &str = "base";
/// How often it is looked whether building an index goes wrong.
const LOOK: Duration = Duration::from_secs(2);

/// How long building took.
#[derive(Debug, Clone)]
pub(super) struct Built {
    /// Writing the rows, and merging them into one segment.
    pub(super) rows: Duration,
    /// Indexing it.
    pub(super) index: Duration,
    /// Bytes of all files.
    pub(super) bytes: u64,
    /// The index, unless there is none.
    pub(super) made: Option<IndexStats>,
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
    let spec = schema.index_spec().clone();
    // Indexed once all rows are together, so that what is timed is building one index.
    let base = db.create_collection(COLLECTION, schema.index(IndexSpec::Flat))?;
    let mut import = base.import()?;
    for record in records {
        import.put(record?)?;
    }
    import.finish()?;
    base.compact()?;
    let rows = start.elapsed();
    let start = Instant::now();
    base.reindex(spec)?;
    while !base.wait_indexed(LOOK)? {
        if let Some(failure) = db.stats()?.maintenance_failure {
            return Err(Error::new(ErrorKind::Io, format!("the index could not be built: {failure}")));
        }
    }
    let index = start.elapsed();
    let made = db.stats()?.collections.into_iter().flat_map(|it| it.indexes).next();
    db.close()?;
    Ok(Built { rows, index, bytes: bytes_under(dir)?, made })
}

/// Opens a store for searching with so many threads.
pub(super) fn open(dir: &Path, threads: usize) -> Result<(Database, Collection)> {
    let db = Options::new().threads(threads).open(dir)?;
    let base = db.collection(COLLECTION)?;
    // Until the index has been copied into memory: what is measured is how it is once it has been open for a while.
    while !base.wait_indexed(LOOK)? {}
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
