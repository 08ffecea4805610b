//! Exporting records to a file.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::arrays::ArrayWriter;
use super::format::Format;
use super::lines::{Never, Part, Records, write_line};
use super::progress::{Phase, Progress, ROWS_PER_STEP};
use super::table::TableWriter;
use super::target::Target;
use crate::collection::record::Record;
use crate::database::collection::Collection;
use crate::error::{Error, ErrorKind, Result};
use crate::schema::Schema;

/// How records are exported.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
#[must_use]
pub struct ExportOptions {
    format: Option<Format>,
    replace: bool,
}

impl ExportOptions {
    /// The format as the file's name says; a file that is there already is not replaced.
    pub fn new() -> ExportOptions {
        ExportOptions::default()
    }

    /// The format, whatever the name says. Default: [`Format::of_name`].
    pub fn format(self, format: Format) -> ExportOptions {
        ExportOptions { format: Some(format), ..self }
    }

    /// Whether a file of that name is replaced. Default false: it is refused with [`ErrorKind::Exists`].
    pub fn replace(self, replace: bool) -> ExportOptions {
        ExportOptions { replace, ..self }
    }
}

/// What an export wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ExportReport {
    /// Records written.
    pub rows: u64,
    /// The files, the one that was named first.
    pub files: Vec<PathBuf>,
    /// Their bytes.
    pub bytes: u64,
}

/// Exports a collection as it stands at this moment, in key order.
///
/// jsonl and csv hold all of a record; npy, fvecs, bvecs (bits) and fbin hold its vector, and a file beside them, with
/// `.jsonl` behind the whole name, its key, payload and times. [`import`](super::import) of the file, with
/// [`ImportOptions::payload`](super::ImportOptions::payload) naming the one beside, gives records equal to these, vectors
/// bit for bit. Blobs are exported by name. Files are written under a temporary name and appear when they are whole.
pub fn export(
    collection: &Collection,
    path: &Path,
    options: &ExportOptions,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<ExportReport> {
    let (schema, now) = (collection.schema()?, collection.as_it_is()?);
    let scan = || Ok(Box::new(now.scan()) as Records<'_>);
    run(&scan, &schema, now.count()?, path, options, progress)
}

/// Exports the records that `scan` returns, such as those of a filter over a snapshot. It is called two or three times, and
/// must return the same records each time.
pub fn export_records<'a>(
    scan: &'a dyn Fn() -> Result<Records<'a>>,
    schema: &Schema,
    path: &Path,
    options: &ExportOptions,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<ExportReport> {
    let count = scan()?.try_fold(0, |count, record| record.map(|_| count + 1))?;
    run(scan, schema, count, path, options, progress)
}

fn run<'a>(
    scan: &'a dyn Fn() -> Result<Records<'a>>,
    schema: &Schema,
    of: u64,
    path: &Path,
    options: &ExportOptions,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<ExportReport> {
    let format = options.format.map_or_else(|| Format::of_name(&path.display().to_string()), Ok)?;
    let mut sink = Sink::create(path, format, schema, options.replace, scan, of)?;
    let mut rows = 0;
    for record in scan()? {
        sink.write(&record?)?;
        rows += 1;
        if rows % ROWS_PER_STEP == 0
            && progress(Progress { phase: Phase::Rows, rows, of: Some(of), bytes: 0, of_bytes: None }).is_break()
        {
            return Err(Error::new(ErrorKind::Cancelled, format!("cancelled after {rows} rows; no file was written")));
        }
    }
    if rows != of {
        return Err(Error::new(ErrorKind::Conflict, format!("{rows} records came where {of} were counted"))
            .at(path.display().to_string())
            .mend("export from a snapshot"));
    }
    sink.finish(rows)
}

/// What records are written to.
enum Sink {
    Lines(Target, Never),
    Table(Box<TableWriter>),
    Arrays(ArrayWriter, Target, Never),
}

impl Sink {
    fn create<'a>(
        path: &Path,
        format: Format,
        schema: &Schema,
        replace: bool,
        scan: &dyn Fn() -> Result<Records<'a>>,
        rows: u64,
    ) -> Result<Sink> {
        match format {
            Format::Jsonl => Ok(Sink::Lines(Target::create(path, replace)?, Never::of(schema))),
            Format::Csv => Ok(Sink::Table(Box::new(TableWriter::create(path, replace, schema, scan()?)?))),
            _ => {
                let vectors = ArrayWriter::create(path, format, schema, replace, rows)?;
                let mut beside = path.as_os_str().to_owned();
                beside.push(".jsonl");
                Ok(Sink::Arrays(vectors, Target::create(Path::new(&beside), replace)?, Never::of(schema)))
            }
        }
    }

    fn write(&mut self, record: &Record) -> Result<()> {
        match self {
            Sink::Lines(target, never) => write_line(target, record, Part::Whole, *never),
            Sink::Table(table) => table.write(record),
            Sink::Arrays(vectors, beside, never) => {
                vectors.write(record)?;
                write_line(beside, record, Part::WithoutVector, *never)
            }
        }
    }

    fn finish(self, rows: u64) -> Result<ExportReport> {
        let (files, bytes) = match self {
            Sink::Lines(target, _) => (vec![target.path().to_owned()], target.finish()?),
            Sink::Table(table) => (vec![table.path().to_owned()], table.finish()?),
            Sink::Arrays(vectors, beside, _) => {
                let files = vec![vectors.path().to_owned(), beside.path().to_owned()];
                // The one beside first: whoever sees the vectors finds their keys.
                let bytes = beside.finish()?;
                (files, bytes + vectors.finish()?)
            }
        };
        Ok(ExportReport { rows, files, bytes })
    }
}
