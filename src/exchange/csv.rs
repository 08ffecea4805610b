//! Tables of text: a record in each row, under a line of headings.
//!
//! Columns whose heading begins with `@` are parts of the record, as an export names them: `@key`, `@vector`, `@payload`,
//! `@created` and `@expires`. All others are fields of the payload, but those that key and vector are taken from. An empty
//! cell is a field that is not there.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, Read};
use std::ops::RangeInclusive;
use std::sync::Arc;

use ::csv::{ErrorKind, Reader, ReaderBuilder, StringRecord};

use super::cell;
use super::file::{MAX_TEXT_BYTES, Reading, refuse, unreadable};
use super::options::{ImportOptions, Keys, VectorIn};
use super::rows::{Row, Rows};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::payload::Value;
use crate::sync::{AtomicU64, Ordering};
use crate::vector::Vector;

/// Within so many bytes the headings tell what is between cells.
const MAX_HEADINGS_BYTES: u64 = 1 << 20;

/// The rows of a table.
pub(super) struct Table {
    name: String,
    reader: Reader<Capped>,
    left: Arc<AtomicU64>,
    columns: Columns,
    record: StringRecord,
    line: u64,
}

/// What each column is.
#[derive(Debug, Default)]
struct Columns {
    key: Option<usize>,
    vector: Option<RangeInclusive<usize>>,
    /// Whether the vector stands in one cell.
    whole: bool,
    payload: Option<usize>,
    created: Option<usize>,
    expires: Option<usize>,
    fields: Vec<(usize, String)>,
}

impl Table {
    /// Reads the headings.
    pub(super) fn open(mut file: Reading, options: &ImportOptions) -> Result<Table> {
        let name = file.name.clone();
        file.pass_mark()?;
        let delimiter = delimiter(&file.peek(MAX_HEADINGS_BYTES, Some(b'\n'))?);
        let left = Arc::new(AtomicU64::new(MAX_TEXT_BYTES));
        let capped = Capped { reader: file.reader, left: Arc::clone(&left) };
        let mut reader = ReaderBuilder::new().delimiter(delimiter).buffer_capacity(64 << 10).from_reader(capped);
        let place = format!("{name}, line 1");
        let headings = reader.headers().map_err(|error| unparsed(error, &place))?.clone();
        let columns = Columns::new(&headings, options).map_err(|error| error.at(place))?;
        Ok(Table { name, reader, left, columns, record: StringRecord::new(), line: 1 })
    }

    /// Whether the table has a column of keys.
    pub(super) fn has_keys(&self) -> bool {
        self.columns.key.is_some()
    }
}

impl Rows for Table {
    fn next(&mut self) -> Result<Option<Row>> {
        self.left.store(MAX_TEXT_BYTES, Ordering::Relaxed);
        let found = self.reader.read_record(&mut self.record);
        self.line = self.record.position().map_or(self.reader.position().line(), |position| position.line());
        let place = self.place();
        match found.map_err(|error| unparsed(error, &place))? {
            true => self.columns.row(&self.record).map(Some).map_err(|error| error.at(place)),
            false => Ok(None),
        }
    }

    fn place(&self) -> String {
        format!("{}, line {}", self.name, self.line)
    }

    fn width(&self) -> Option<usize> {
        self.columns.vector.clone().filter(|_| !self.columns.whole).map(Iterator::count)
    }
}

impl Columns {
    fn new(headings: &StringRecord, options: &ImportOptions) -> Result<Columns> {
        let names: Vec<&str> = headings.iter().map(str::trim).collect();
        let mut seen = BTreeSet::new();
        if let Some(twice) = names.iter().find(|name| !seen.insert(**name)) {
            return Err(Error::invalid(format!("two columns are called {twice:?}")).mend("give each its own heading"));
        }
        let find = |name: &str| names.iter().position(|known| *known == name);
        let named = |name: &str| find(name).ok_or_else(|| no_column(name, &names));
        let key = match &options.keys {
            Keys::Auto => find("@key").or(find("key")),
            Keys::Field(name) => Some(named(name)?),
            Keys::Rows { .. } | Keys::File(_) => find("@key"),
        };
        let vector = match &options.vector {
            VectorIn::Auto => find("@vector").or(find("vector")).map(|one| one..=one),
            VectorIn::Field(name) => Some(named(name)?).map(|one| one..=one),
            VectorIn::Fields { first, last } => Some(named(first)?..=named(last)?),
        };
        if let Some(vector) = vector.clone().filter(RangeInclusive::is_empty) {
            let (first, last) = (names[*vector.start()], names[*vector.end()]);
            return Err(Error::invalid(format!("the column {first:?} comes after {last:?}"))
                .mend("name them the other way round"));
        }
        let whole = !matches!(options.vector, VectorIn::Fields { .. });
        let (payload, created, expires) = (find("@payload"), find("@created"), find("@expires"));
        let taken = |at: &usize| {
            [key, payload, created, expires].contains(&Some(*at)) || vector.as_ref().is_some_and(|it| it.contains(at))
        };
        let fields = (0..names.len()).filter(|at| !taken(at)).map(|at| (at, names[at].to_owned())).collect();
        Ok(Columns { key, vector, whole, payload, created, expires, fields })
    }

    fn row(&self, record: &StringRecord) -> Result<Row> {
        let cell = |at: Option<usize>| at.and_then(|at| record.get(at)).filter(|cell| !cell.is_empty());
        let time = |at| cell(at).map(|text| text.trim().parse().map(Timestamp).map_err(|_| no_time(text))).transpose();
        if self.key.is_some() && cell(self.key).is_none() {
            return Err(Error::invalid("the row has no key").mend("give every row one, or key them by row number"));
        }
        Ok(Row {
            key: cell(self.key).map(cell::key),
            vector: self.vector(record)?,
            payload: self.payload(record, cell(self.payload))?,
            created: time(self.created)?,
            expires: time(self.expires)?,
        })
    }

    fn vector(&self, record: &StringRecord) -> Result<Option<Vector>> {
        let Some(range) = &self.vector else { return Ok(None) };
        let mut cells = range.clone().filter_map(|at| record.get(at));
        if self.whole {
            return cells.next().filter(|cell| !cell.trim().is_empty()).map(str::parse).transpose();
        }
        let number = |cell: &str| {
            cell.trim().parse::<f32>().map_err(|_| {
                Error::invalid(format!("{cell:?} is no number of a vector"))
                    .mend("name the columns of the vector alone")
            })
        };
        cells.map(number).collect::<Result<Vec<f32>>>().map(|numbers| Some(Vector::F32(numbers)))
    }

    fn payload(&self, record: &StringRecord, whole: Option<&str>) -> Result<Value> {
        if let Some(whole) = whole {
            return Value::from_json(whole);
        }
        let filled = self.fields.iter().filter_map(|(at, name)| Some((name, record.get(*at)?)));
        let fields: BTreeMap<String, Value> =
            filled.filter(|(_, cell)| !cell.is_empty()).map(|(name, cell)| (name.clone(), cell::read(cell))).collect();
        Ok(if fields.is_empty() { Value::Null } else { Value::Object(fields) })
    }
}

fn no_column(name: &str, names: &[&str]) -> Error {
    let known: Vec<&str> = names.iter().take(20).copied().collect();
    Error::invalid(format!("there is no column {name:?}")).mend(format!("name one of: {}", known.join(", ")))
}

fn no_time(text: &str) -> Error {
    Error::invalid(format!("{text:?} is no time")).mend("times are microseconds since 1970-01-01")
}

/// A tab where the headings have one and no comma.
fn delimiter(headings: &[u8]) -> u8 {
    if headings.contains(&b'\t') && !headings.contains(&b',') { b'\t' } else { b',' }
}

fn unparsed(error: ::csv::Error, place: &str) -> Error {
    match error.into_kind() {
        ErrorKind::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            refuse("the row is too long: it takes more than 64 MiB", place, "check that every quote is closed")
        }
        ErrorKind::Io(error) => unreadable(place, &error),
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            let message = format!("the row has {len} cells, and the headings {expected_len}");
            refuse(message, place, "give every row as many cells; quote those that hold commas or line ends")
        }
        ErrorKind::Utf8 { err, .. } => {
            refuse(format!("cell {} is not UTF-8", err.field() + 1), place, "save the file as UTF-8")
        }
        other => refuse(format!("the row cannot be read: {other:?}"), place, "check the file"),
    }
}

/// Ends a row that never ends: the parser would keep all of it.
struct Capped {
    reader: Box<dyn BufRead + Send>,
    left: Arc<AtomicU64>,
}

impl Read for Capped {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        let left = self.left.load(Ordering::Relaxed);
        if count as u64 > left {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.left.store(left - count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
