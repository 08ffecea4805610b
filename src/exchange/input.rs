//! One source opened: the file, and what stands beside it, joined row by row into records.

use std::path::Path;

use super::beside::{Beside, join};
use super::column::Column;
use super::file::{Meter, Reading, refuse};
use super::format::Format;
use super::open::open_rows;
use super::options::{ImportOptions, Keys, Origin, Source};
use super::rows::Rows;
use crate::collection::record::Record;
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use crate::payload::Value;
use crate::schema::Schema;
use crate::vector::Vector;
use crate::vector::metric::Metric;

const KEY_ALL: &str = "give every row one, or key them by row number";

/// An opened source: its records, one after the other. Each error names the file and the row; after one, reading on is of
/// no use.
///
/// ```
/// use driftline::exchange::{Format, ImportOptions, Input, Source};
///
/// let text = "id,x,y,kind\n1,0.5,1,tea\n2,1,0.5,coffee\n".as_bytes();
/// let options = ImportOptions::new().format(Format::Csv).vector("x..y".parse()?);
/// let records: Vec<_> = Input::open(Source::stream("drinks", text), &options)?.collect::<Result<_, _>>()?;
/// assert_eq!(records[1].vector, Some([1.0, 0.5].into()));
/// # Ok::<(), driftline::Error>(())
/// ```
pub struct Input {
    name: String,
    format: Format,
    rows: Box<dyn Rows>,
    meter: Meter,
    beside: Option<Beside>,
    keys: KeyFrom,
    labels: Option<(String, Column)>,
    /// The number of the next row of the file.
    row: u64,
    left: Option<u64>,
    /// A record that was looked at before its turn.
    peeked: Option<Record>,
}

/// Where keys come from.
enum KeyFrom {
    /// The rows, or their numbers where they have none; unless it is known, the first row decides.
    Rows {
        keyed: Option<bool>,
    },
    Number {
        first: u64,
    },
    File(Column),
}

impl Input {
    /// Opens the source, and the files beside it.
    pub fn open(source: Source, options: &ImportOptions) -> Result<Input> {
        let (file, format) = match source.0 {
            Origin::File(path) => {
                let format = options.format.map_or_else(|| Format::of_name(&path.display().to_string()), Ok)?;
                (Reading::open(&path)?, format)
            }
            Origin::Stream { name, reader } => {
                let format = options
                    .format
                    .ok_or_else(|| refuse("a stream has no name to tell its format", &name, "name the format"))?;
                (Reading::stream(&name, reader)?, format)
            }
        };
        let (name, meter) = (file.name.clone(), file.meter());
        let (rows, has_keys) = open_rows(file, format, options)?;
        let keys = match &options.keys {
            Keys::Auto if format == Format::Jsonl => KeyFrom::Rows { keyed: Some(true) },
            Keys::Auto if has_keys || options.payload.is_some() => KeyFrom::Rows { keyed: has_keys.then_some(true) },
            Keys::Auto => KeyFrom::Number { first: 0 },
            Keys::Rows { first } => KeyFrom::Number { first: *first },
            Keys::Field(_) => KeyFrom::Rows { keyed: Some(true) },
            Keys::File(path) => KeyFrom::File(Column::open(Reading::open(path)?)?),
        };
        let beside = options.payload.as_deref().map(|path| Beside::open(path, options)).transpose()?;
        let labels = match &options.labels {
            Some(path) => Some((options.label_field.clone(), Column::open(Reading::open(path)?)?)),
            None => None,
        };
        let mut input = Input { name, format, rows, meter, beside, keys, labels, row: 0, left: None, peeked: None };
        input.check_totals()?;
        input.pass_over(options.skip)?;
        input.left = options.limit;
        Ok(input)
    }

    /// The format that is read.
    pub fn format(&self) -> Format {
        self.format
    }

    /// What errors call the source.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many records there are, where the file begins by saying so.
    pub fn total(&self) -> Option<u64> {
        let rest = self.rows.total().map(|total| total.saturating_sub(self.row));
        match (rest, self.left) {
            (Some(rest), Some(left)) => Some(rest.min(left)),
            (rest, _) => rest,
        }
    }

    /// Whether the file's numbers may not all fit `f32`, so that they are rounded.
    pub fn rounds(&self) -> bool {
        self.rows.rounds()
    }

    /// Takes rows of bytes as packed bits, or as numbers; by default as numbers.
    pub fn set_bits(&mut self, bits: bool) -> Result<()> {
        self.rows.set_bits(bits)
    }

    /// Where the record returned last stands, such as `x.npy, row 3`.
    pub fn place(&self) -> String {
        self.rows.place()
    }

    /// The schema of a collection that can hold this; for vectors of numbers the metric must be given. Where the file does
    /// not begin with its dimension, the first record is looked at.
    pub fn schema(&mut self, metric: Option<Metric>) -> Result<Schema> {
        let name = self.name.clone();
        let needed = || {
            let mend = "name it: l2, cosine, dot, l1 or hamming";
            metric.ok_or_else(|| refuse("the metric of the new collection is not known", &name, mend))
        };
        if let Some(width) = self.rows.width() {
            return match needed()? {
                Metric::Hamming => Ok(Schema::bits(width.saturating_mul(8))),
                metric => Ok(Schema::vector(width, metric)),
            };
        }
        if self.peeked.is_none() {
            self.peeked = self.advance()?;
        }
        let Some(record) = &self.peeked else {
            return Err(refuse(
                "there is no record to take the dimension from",
                &self.name,
                "create the collection first",
            ));
        };
        match &record.vector {
            None => Ok(Schema::payload_only()),
            Some(Vector::Bits(bytes)) => Ok(Schema::bits(bytes.len().saturating_mul(8))),
            Some(vector) => Ok(Schema::vector(vector.dimension(), needed()?)),
        }
    }

    pub(super) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Passes over records that were imported before.
    pub(super) fn resume_after(&mut self, records: u64) -> Result<()> {
        let looked_at = u64::from(records > 0 && self.peeked.take().is_some());
        self.pass_over(records - looked_at)?;
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(records - looked_at);
        }
        Ok(())
    }

    fn pass_over(&mut self, count: u64) -> Result<()> {
        self.row += self.rows.skip(count)?;
        if let Some(beside) = &mut self.beside {
            beside.skip(count)?;
        }
        if let KeyFrom::File(column) = &mut self.keys {
            column.skip(count)?;
        }
        self.labels.as_mut().map_or(Ok(()), |(_, column)| column.skip(count))
    }

    /// Refuses files of different lengths, where they say so themselves.
    fn check_totals(&self) -> Result<()> {
        let Some(rows) = self.rows.total() else { return Ok(()) };
        let differs = |what: &str, name: &str, total: Option<u64>| match total {
            Some(total) if total != rows => Err(refuse(
                format!("there are {total} {what} for {rows} rows"),
                name,
                &format!("give the {what} of these rows"),
            )),
            _ => Ok(()),
        };
        if let KeyFrom::File(column) = &self.keys {
            differs("keys", column.name(), column.total())?;
        }
        if let Some(beside) = &self.beside {
            differs("payloads", beside.name(), beside.total())?;
        }
        self.labels.as_ref().map_or(Ok(()), |(_, column)| differs("labels", column.name(), column.total()))
    }

    fn advance(&mut self) -> Result<Option<Record>> {
        if self.left == Some(0) {
            return Ok(None);
        }
        let Some(mut row) = self.rows.next()? else { return self.check_ends().map(|()| None) };
        if let Some(beside) = &mut self.beside {
            let more = beside.next()?.ok_or_else(|| too_short("payloads", beside.name(), &self.rows.place()))?;
            join(&mut row, more).map_err(|error| error.at(beside.place()))?;
        }
        if let Some((name, column)) = &mut self.labels {
            let label = column.next()?.ok_or_else(|| too_short("labels", column.name(), &self.rows.place()))?;
            set_label(&mut row.payload, name, label).map_err(|error| error.at(self.rows.place()))?;
        }
        let key = self.key(row.key.take())?;
        self.row += 1;
        self.left = self.left.map(|left| left - 1);
        let mut record = Record::new(key).payload(row.payload);
        (record.vector, record.created, record.expires) = (row.vector, row.created, row.expires);
        Ok(Some(record))
    }

    fn key(&mut self, own: Option<Key>) -> Result<Key> {
        let (place, has_own) = (self.rows.place(), own.is_some());
        match &mut self.keys {
            KeyFrom::Number { first } => first
                .checked_add(self.row)
                .map(Key::from)
                .ok_or_else(|| refuse("the keys run past the highest number", &place, "begin with a lower number")),
            KeyFrom::File(column) => {
                let value = column.next()?.ok_or_else(|| too_short("keys", column.name(), &place))?;
                Key::try_from(value).map_err(|error| error.at(column.place()))
            }
            KeyFrom::Rows { keyed } => match (own, *keyed.get_or_insert(has_own)) {
                (Some(key), true) => Ok(key),
                (None, false) => Ok(Key::from(self.row)),
                (None, true) => Err(refuse("there is no key", &place, KEY_ALL)),
                (Some(_), false) => {
                    let place = self.beside.as_ref().map_or(place, Beside::place);
                    Err(refuse("there is a key, and rows before have none", &place, KEY_ALL))
                }
            },
        }
    }

    /// The rows have ended, and so must all that stands beside them.
    fn check_ends(&mut self) -> Result<()> {
        let rows = self.row;
        let goes_on = |what: &str, place: String| {
            Err(refuse(
                format!("there are more {what} than the {rows} rows of the vectors"),
                &place,
                "give those of these rows",
            ))
        };
        if let Some(beside) = &mut self.beside
            && beside.next()?.is_some()
        {
            return goes_on("payloads", beside.place());
        }
        if let KeyFrom::File(column) = &mut self.keys
            && column.next()?.is_some()
        {
            return goes_on("keys", column.place());
        }
        if let Some((_, column)) = &mut self.labels
            && column.next()?.is_some()
        {
            return goes_on("labels", column.place());
        }
        Ok(())
    }
}

impl Iterator for Input {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        match self.peeked.take() {
            Some(record) => Some(Ok(record)),
            None => self.advance().transpose(),
        }
    }
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input").field("name", &self.name).field("format", &self.format).finish_non_exhaustive()
    }
}

fn set_label(payload: &mut Value, name: &str, label: Value) -> Result<()> {
    match payload {
        Value::Null => *payload = Value::object([(name, label)]),
        Value::Object(fields) => drop(fields.insert(name.to_owned(), label)),
        _ => {
            return Err(
                Error::invalid("the payload is no object that a label could be put in").mend("leave the labels out")
            );
        }
    }
    Ok(())
}

fn too_short(what: &str, name: &str, place: &str) -> Error {
    refuse(format!("the {what} end before {place}"), name, &format!("give {what} for all rows"))
}

/// One vector of a file of vectors, by its row, counted from 0. `NotFound` when there are fewer rows. Costs reading the
/// file up to there.
pub fn vector_at(path: &Path, row: u64, bits: bool) -> Result<Vector> {
    let mut input = Input::open(Source::file(path), &ImportOptions::new().skip(row))?;
    input.set_bits(bits)?;
    let count = input.row;
    let found = input.next().transpose()?.and_then(|record| record.vector);
    found.ok_or_else(|| {
        Error::new(ErrorKind::NotFound, format!("there is no row {row}, only {count} counted from 0"))
            .at(path.display().to_string())
            .mend("name one of its rows")
    })
}
