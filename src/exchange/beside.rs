//! Payloads that stand beside a file of vectors, row by row.

use std::path::Path;

use super::column::Column;
use super::file::{Reading, refuse};
use super::format::Format;
use super::open::open_rows;
use super::options::ImportOptions;
use super::rows::{Row, Rows};
use crate::error::{Error, Result};
use crate::payload::Value;

/// The file beside.
pub(super) enum Beside {
    /// Records without vectors.
    Rows(Box<dyn Rows>, String),
    /// Values, each of which is this one field.
    Field(String, Column),
}

impl Beside {
    pub(super) fn open(path: &Path, options: &ImportOptions) -> Result<Beside> {
        let file = Reading::open(path)?;
        let name = file.name.clone();
        match Format::of_name(&name)? {
            format @ (Format::Jsonl | Format::Csv) => {
                let options = ImportOptions { payload: None, ..options.clone() };
                Ok(Beside::Rows(open_rows(file, format, &options)?.0, name))
            }
            Format::Npy => {
                let stem = path.file_name().unwrap_or_default().to_string_lossy();
                let stem = stem.split('.').next().unwrap_or_default().to_owned();
                Ok(Beside::Field(stem, Column::open(file)?))
            }
            format => {
                Err(refuse(format!("{format} holds no payloads"), &name, "give jsonl, csv, or npy of one dimension"))
            }
        }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Beside::Rows(_, name) => name,
            Beside::Field(_, column) => column.name(),
        }
    }

    /// How many there are, where the file begins by saying so.
    pub(super) fn total(&self) -> Option<u64> {
        match self {
            Beside::Rows(rows, _) => rows.total(),
            Beside::Field(_, column) => column.total(),
        }
    }

    /// Where what was read last stands.
    pub(super) fn place(&self) -> String {
        match self {
            Beside::Rows(rows, _) => rows.place(),
            Beside::Field(_, column) => column.place(),
        }
    }

    pub(super) fn next(&mut self) -> Result<Option<Row>> {
        match self {
            Beside::Rows(rows, _) => rows.next(),
            Beside::Field(name, column) => {
                let of = |value| Row { payload: Value::object([(name.as_str(), value)]), ..Row::default() };
                Ok(column.next()?.map(of))
            }
        }
    }

    pub(super) fn skip(&mut self, count: u64) -> Result<()> {
        match self {
            Beside::Rows(rows, _) => rows.skip(count).map(drop),
            Beside::Field(_, column) => column.skip(count),
        }
    }
}

/// Adds what stands beside a vector to its row.
pub(super) fn join(row: &mut Row, beside: Row) -> Result<()> {
    if beside.vector.is_some() && row.vector.is_some() {
        return Err(Error::invalid("there is a vector here too").mend("take it out, or import this file alone"));
    }
    let vector = row.vector.take().or(beside.vector);
    *row = Row { vector, key: beside.key.or(row.key.take()), ..beside };
    Ok(())
}
