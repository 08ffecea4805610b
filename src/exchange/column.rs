//! Columns: one value for each row, from a file of its own. Labels and keys come so.

use std::io::{BufRead, Read};

use super::array::{Array, check_end, failed};
use super::file::{MAX_TEXT_BYTES, Reading, refuse, unreadable};
use super::format::Format;
use super::npy::{self, Npy, Text};
use super::vecs::VecsRows;
use super::{cell, element::Element};
use crate::error::Result;
use crate::payload::Value;

/// Values, read one after the other.
pub(super) struct Column {
    source: Source,
    /// How many values there are, where the file begins by saying so.
    total: Option<u64>,
    /// The number of the next value.
    next: u64,
    bytes: Vec<u8>,
}

enum Source {
    Numbers(Element, Reading),
    Texts(Text, Reading),
    /// ivecs of one number each.
    Vecs(VecsRows),
    Lines(Reading),
}

impl Column {
    /// Opens a file of values: npy and idx of one dimension, ivecs of one number, and lines of text for all others.
    pub(super) fn open(mut file: Reading) -> Result<Column> {
        let of = |source, total| Column { source, total, next: 0, bytes: Vec::new() };
        match Format::of_name(&file.name).ok() {
            Some(Format::Npy) => match npy::open(file)? {
                Npy::Numbers(array) => Ok(of_array(array)?),
                Npy::Texts { rows, text, file } => Ok(of(Source::Texts(text, file), Some(rows))),
            },
            Some(Format::Idx) => of_array(super::array::open_idx(file)?),
            Some(Format::Ivecs) => Ok(of(Source::Vecs(VecsRows::open(file, Element::I32)?), None)),
            _ => {
                file.pass_mark()?;
                Ok(of(Source::Lines(file), None))
            }
        }
    }

    pub(super) fn name(&self) -> &str {
        match &self.source {
            Source::Numbers(_, file) | Source::Texts(_, file) | Source::Lines(file) => &file.name,
            Source::Vecs(rows) => rows.name(),
        }
    }

    pub(super) fn total(&self) -> Option<u64> {
        self.total
    }

    /// Where the value read last stands.
    pub(super) fn place(&self) -> String {
        match &self.source {
            Source::Lines(file) => format!("{}, line {}", file.name, self.next),
            _ => format!("{}, row {}", self.name(), self.next.saturating_sub(1)),
        }
    }

    /// The next value; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Value>> {
        let value = match &mut self.source {
            Source::Numbers(_, file) | Source::Texts(_, file) if Some(self.next) == self.total => {
                check_end(file, self.next)?;
                None
            }
            Source::Numbers(element, file) => {
                fill(&mut self.bytes, element.bytes, file, self.next, self.total)?;
                Some(element.value(&self.bytes))
            }
            Source::Texts(text, file) => {
                fill(&mut self.bytes, text.bytes, file, self.next, self.total)?;
                Some(Value::from(text.read(&self.bytes).ok_or_else(|| {
                    let place = format!("{}, row {}", file.name, self.next);
                    refuse("the text is not Unicode", &place, "save it as an array of str")
                })?))
            }
            Source::Vecs(rows) => rows.integer()?.map(Value::from),
            Source::Lines(file) => line(file, &mut self.bytes, self.next + 1)?,
        };
        self.next += u64::from(value.is_some());
        Ok(value)
    }

    /// Passes over values.
    pub(super) fn skip(&mut self, count: u64) -> Result<()> {
        for _ in 0..count {
            if self.next()?.is_none() {
                break;
            }
        }
        Ok(())
    }
}

fn of_array(Array { shape, file }: Array) -> Result<Column> {
    if !shape.inner.is_empty() {
        let message = format!("the array has {} dimensions", shape.inner.len() + 1);
        return Err(refuse(message, &file.name, "one value for each row is needed"));
    }
    Ok(Column { source: Source::Numbers(shape.element, file), total: Some(shape.rows), next: 0, bytes: Vec::new() })
}

fn fill(bytes: &mut Vec<u8>, length: usize, file: &mut Reading, row: u64, total: Option<u64>) -> Result<()> {
    bytes.resize(length, 0);
    file.reader.read_exact(bytes).map_err(|error| failed(&error, &file.name, row, total.unwrap_or_default()))
}

/// A line of text without its end.
fn line(file: &mut Reading, bytes: &mut Vec<u8>, number: u64) -> Result<Option<Value>> {
    bytes.clear();
    let place = format!("{}, line {number}", file.name);
    let mut limited = (&mut *file.reader).take(MAX_TEXT_BYTES);
    let read = limited.read_until(b'\n', bytes).map_err(|error| unreadable(&place, &error))?;
    if read as u64 == MAX_TEXT_BYTES {
        return Err(refuse("the line is too long", &place, "check that the file is one of text"));
    }
    if read == 0 {
        return Ok(None);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| refuse("the line is not UTF-8", &place, "save it as UTF-8"))?;
    Ok(Some(cell::read(text.trim_end_matches(['\n', '\r']))))
}

/// The values of a file of this name and content, for the fuzzer.
pub(crate) fn values(name: &str, bytes: Vec<u8>) -> Result<Vec<Value>> {
    let mut column = Column::open(Reading::stream(name, Box::new(std::io::Cursor::new(bytes)))?)?;
    std::iter::from_fn(|| column.next().transpose()).collect()
}
