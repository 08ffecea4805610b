//! Importing a source into a collection: all of its records appear together, or none.

use std::ops::ControlFlow;

use serde::Serialize;

use super::input::Input;
use super::options::{ImportOptions, Source};
use crate::database::collection::Collection;
use crate::database::handle::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::Lsn;
use crate::vector::metric::Metric;

/// How often progress is told, in rows.
const ROWS_PER_STEP: u64 = 256;

/// How far an import or export has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Rows done.
    pub rows: u64,
    /// Rows in all, where that is known.
    pub of: Option<u64>,
    /// Bytes of the file done, packed where it is gzip'd.
    pub bytes: u64,
    /// Bytes of the file in all, where that is known.
    pub of_bytes: Option<u64>,
}

/// What an import or export is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Reading rows and writing them.
    Rows,
    /// Making all of them visible; this cannot be cancelled.
    Finishing,
}

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ImportReport {
    /// Records imported, those of an earlier run that was resumed included.
    pub rows: u64,
    /// Records that were there before and were replaced.
    pub replaced: u64,
    /// From which position on they show.
    pub lsn: Lsn,
    /// Whether numbers were rounded to `f32`, where they did not fit.
    pub rounded: bool,
}

/// Imports a source. Its records appear together, durably, when this returns; when it fails, none does, and nothing of
/// them is kept.
///
/// `progress` is told every 256 rows and before the end; when it breaks, the import fails with
/// [`ErrorKind::Cancelled`]. Costs memory for half of [`Options::memory_budget_bytes`](crate::Options::memory_budget_bytes).
pub fn import(
    collection: &Collection,
    source: Source,
    options: &ImportOptions,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<ImportReport> {
    run(collection, Input::open(source, options)?, progress)
}

/// Imports a source into a new collection, whose schema follows from the file; `metric` is needed where it holds vectors
/// of numbers. When the import fails the collection is dropped again.
pub fn import_new(
    db: &Database,
    name: &str,
    metric: Option<Metric>,
    source: Source,
    options: &ImportOptions,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<ImportReport> {
    let mut input = Input::open(source, options)?;
    let collection = db.create_collection(name, input.schema(metric)?)?;
    run(&collection, input, progress).or_else(|error| db.drop_collection(name).and(Err(error)))
}

fn run(
    collection: &Collection,
    mut input: Input,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<ImportReport> {
    input.set_bits(collection.schema()?.metric() == Some(Metric::Hamming))?;
    let of = input.total();
    let told = |input: &Input, phase, rows| Progress {
        phase,
        rows,
        of,
        bytes: input.meter().bytes(),
        of_bytes: input.meter().length(),
    };
    let mut import = collection.import()?;
    let mut rows = 0;
    while let Some(record) = input.next() {
        import.put(record?).map_err(|error| error.at(input.place()))?;
        rows += 1;
        if rows % ROWS_PER_STEP == 0 && progress(told(&input, Phase::Rows, rows)).is_break() {
            return Err(cancelled(rows));
        }
    }
    if progress(told(&input, Phase::Finishing, rows)).is_break() {
        return Err(cancelled(rows));
    }
    let commit = import.finish()?;
    Ok(ImportReport { rows, replaced: commit.existed, lsn: commit.lsn, rounded: input.rounds() })
}

fn cancelled(rows: u64) -> Error {
    Error::new(ErrorKind::Cancelled, format!("cancelled after {rows} rows; nothing was imported"))
}
