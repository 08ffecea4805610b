//! Importing a source into a collection: all of its records appear together, or none.

use std::ops::ControlFlow;

use serde::Serialize;

use super::identity::{self, Identity};
use super::input::Input;
use super::options::{ImportOptions, Source};
use super::progress::{Phase, Progress, ROWS_PER_STEP};
use crate::database::collection::Collection;
use crate::database::handle::Database;
use crate::database::import::{Import, ImportStart};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::Lsn;
use crate::vector::metric::Metric;

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
    /// The records that were sealed by an earlier run, where one was cut off and this one went on from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resumed_at: Option<u64>,
    /// Why an earlier run that was cut off could not be resumed, so that all was imported anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restarted: Option<String>,
    /// Whether numbers were rounded to `f32`, where they did not fit.
    pub rounded: bool,
}

/// Imports a source. Its records appear together, durably, when this returns; until then, and when it fails, none does.
///
/// `progress` is told every 256 rows and before the end; when it breaks, the import fails with [`ErrorKind::Cancelled`].
/// An import of a file that was cancelled, killed, or cut off by a full disk keeps what it had sealed, and the same import
/// goes on from there, unless the file or the options have changed ([`ImportOptions::resumable`]). One that fails because
/// of what is in the file keeps nothing. Costs memory for half of
/// [`Options::memory_budget_bytes`](crate::Options::memory_budget_bytes).
pub fn import(
    collection: &Collection,
    source: Source,
    options: &ImportOptions,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<ImportReport> {
    let identity = identity(&source, options)?;
    run(collection, Input::open(source, options)?, identity, progress)
}

/// Imports a source into a new collection, whose schema follows from the file; `metric` is needed where it holds vectors
/// of numbers. When the import fails the collection is dropped again, unless the import can be resumed.
///
/// A collection of that name that is there already must be empty and of that schema, as an import leaves it that was
/// killed; otherwise the error is [`ErrorKind::Exists`].
pub fn import_new(
    db: &Database,
    name: &str,
    metric: Option<Metric>,
    source: Source,
    options: &ImportOptions,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<ImportReport> {
    let identity = identity(&source, options)?;
    let mut input = Input::open(source, options)?;
    let schema = input.schema(metric)?;
    let (collection, created) = match db.create_collection(name, schema.clone()) {
        Err(error) if error.kind() == ErrorKind::Exists => match db.ensure_collection(name, schema) {
            Ok(collection) if collection.count()? == 0 => (collection, false),
            _ => return Err(error),
        },
        made => (made?, true),
    };
    run(&collection, input, identity, progress).or_else(|error| {
        if created && collection.pending_imports().is_ok_and(|pending| pending.is_empty()) {
            db.drop_collection(name)?;
        }
        Err(error)
    })
}

fn identity(source: &Source, options: &ImportOptions) -> Result<Option<Identity>> {
    match source.path().filter(|_| options.resumable) {
        Some(path) => identity::of(path, options),
        None => Ok(None),
    }
}

fn run(
    collection: &Collection,
    mut input: Input,
    identity: Option<Identity>,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<ImportReport> {
    input.set_bits(collection.schema()?.metric() == Some(Metric::Hamming))?;
    let of = input.total();
    let mut import = match &identity {
        Some(Identity { name, content }) => collection.resume_import(name, content)?,
        None => collection.import()?,
    };
    let start = import.start().clone();
    let filled = input.resume_after(import.rows()).and_then(|()| fill(&mut import, &mut input, of, progress));
    if let Err(error) = filled {
        return Err(give_up(import, error, identity.is_some()));
    }
    let rows = import.rows();
    let commit = import.finish()?;
    let (mut resumed_at, mut restarted) = (None, None);
    match start {
        ImportStart::New => {}
        ImportStart::Resumed { rows } => resumed_at = Some(rows),
        ImportStart::Restarted { why } => restarted = Some(why),
    }
    let (replaced, lsn) = (commit.existed, commit.lsn);
    Ok(ImportReport { rows, replaced, lsn, resumed_at, restarted, rounded: input.rounds() })
}

/// Puts all records.
fn fill(
    import: &mut Import,
    input: &mut Input,
    of: Option<u64>,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<()> {
    let mut tell = |phase, rows, input: &Input| {
        let (bytes, of_bytes) = (input.meter().bytes(), input.meter().length());
        match progress(Progress { phase, rows, of, bytes, of_bytes }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::new(ErrorKind::Cancelled, format!("cancelled after {rows} rows"))),
        }
    };
    while let Some(record) = input.next() {
        import.put(record?).map_err(|error| error.at(input.place()))?;
        if import.rows().is_multiple_of(ROWS_PER_STEP) {
            tell(Phase::Rows, import.rows(), input)?;
        }
    }
    tell(Phase::Finishing, import.rows(), input)
}

/// Keeps what was sealed, where the same import may yet succeed; discards it where the file is bad.
fn give_up(mut import: Import, error: Error, named: bool) -> Error {
    match error.kind() {
        ErrorKind::Cancelled if !named => error.mend("nothing was imported"),
        ErrorKind::Cancelled => match import.checkpoint() {
            Ok(()) => error.mend("nothing of it shows; the same import goes on from there"),
            Err(_) => error.mend("nothing of it shows"),
        },
        ErrorKind::Invalid | ErrorKind::Dimension | ErrorKind::ModelMismatch | ErrorKind::NotFound => {
            // What cannot be removed now is offered for resuming, and fails in the same place again.
            drop(import.discard());
            error
        }
        _ => error,
    }
}
