//! Records as lines of JSON.
//!
//! A line is `{"key": ..., "vector": [...], "payload": {...}}`, which is what `scan` and `get` print. A key is a number,
//! a text, or `{"$bytes": "<base64>"}`; a vector a list of numbers, or a text of hexadecimal digits for bits. Lines
//! of another shape can be read when the fields of key and vector are named: all other fields are the payload then.

use std::fmt;
use std::io::{BufRead, Read};

use driftline::{Error, ErrorKind, Key, Lsn, Record, Result, Timestamp, Value};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::files::{MAX_TEXT_BYTES, unreadable};
use crate::vectors::VectorText;

/// Where the parts of a record stand in a line.
#[derive(Debug, Clone)]
pub(crate) enum Layout {
    /// In `key`, `vector` and `payload`.
    Record,
    /// In these fields, and all others are the payload.
    Flat { key: String, vector: String },
}

/// The records of a text, each with the number of its line, counted from 1. Empty lines are passed over.
pub(crate) struct Lines<R> {
    reader: R,
    name: String,
    layout: Layout,
    number: u64,
    line: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(reader: R, name: &str, layout: Layout) -> Lines<R> {
        let name = if name == "-" { "stdin" } else { name };
        Lines { reader, name: name.into(), layout, number: 0, line: Vec::new() }
    }

    /// Where the record read last stands.
    fn place(&self) -> String {
        format!("{}, line {}", self.name, self.number)
    }

    /// The next line that is not empty; `None` at the end.
    fn advance(&mut self) -> Result<Option<Record>> {
        loop {
            self.line.clear();
            self.number += 1;
            let mut limited = self.reader.by_ref().take(MAX_TEXT_BYTES);
            let read = limited.read_until(b'\n', &mut self.line).map_err(|error| unreadable(&self.name, &error))?;
            if read == 0 {
                return Ok(None);
            }
            if read as u64 == MAX_TEXT_BYTES {
                return Err(Error::new(ErrorKind::Invalid, "the line is too long").at(self.place()));
            }
            if !self.line.trim_ascii().is_empty() {
                return self.layout.record(&self.line).map(Some).map_err(|error| error.at(self.place()));
            }
        }
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = (u64, Result<Record>);

    fn next(&mut self) -> Option<(u64, Result<Record>)> {
        let next = self.advance().transpose()?;
        Some((self.number, next))
    }
}

/// A line as `scan` prints it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    key: Json,
    vector: Option<VectorText>,
    #[serde(default)]
    payload: Json,
    created: Option<i64>,
    expires: Option<i64>,
    /// Given by the store that it came from; this one gives its own.
    #[serde(rename = "lsn")]
    _lsn: Option<Lsn>,
}

impl Layout {
    fn record(&self, line: &[u8]) -> Result<Record> {
        match self {
            Layout::Record => {
                let line: Line = serde_json::from_slice(line).map_err(|error| unparsed(&error))?;
                let mut record = Record::new(key(line.key)?).payload(line.payload);
                record.vector = line.vector.map(|vector| vector.0);
                record.created = line.created.map(Timestamp);
                record.expires = line.expires.map(Timestamp);
                Ok(record)
            }
            Layout::Flat { key: key_field, vector } => {
                let mut fields: serde_json::Map<String, Json> =
                    serde_json::from_slice(line).map_err(|error| unparsed(&error))?;
                let found = fields.remove(key_field).ok_or_else(|| {
                    Error::new(ErrorKind::Invalid, format!("there is no field {key_field:?} to take the key from"))
                })?;
                let vector = fields.remove(vector).map(serde_json::from_value::<VectorText>).transpose();
                let vector = vector.map_err(|error| unparsed(&error))?;
                let mut record = Record::new(key(found)?).payload(Json::Object(fields));
                record.vector = vector.map(|vector| vector.0);
                Ok(record)
            }
        }
    }
}

fn unparsed(error: &serde_json::Error) -> Error {
    // The parser counts lines too, but it sees one at a time; the column is worth keeping.
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default();
    let message = match error.column() {
        0 => format!("this is not a record: {message}"),
        column => format!("this is not a record: {message} at column {column}"),
    };
    Error::new(ErrorKind::Invalid, message).mend("a line is {\"key\": ..., \"vector\": [...], \"payload\": {...}}")
}

fn key(json: Json) -> Result<Key> {
    let refuse = |json: &dyn fmt::Display| {
        Error::new(ErrorKind::Invalid, format!("{json} cannot be a key"))
            .mend("a key is a whole number, a text, or {\"$bytes\": \"<base64>\"}")
    };
    match json {
        Json::String(text) => Ok(text.into()),
        Json::Number(number) => number.as_u64().map(Key::from).ok_or_else(|| refuse(&number)),
        other => match Value::from(other) {
            Value::Bytes(bytes) => Ok(bytes.into()),
            other => Err(refuse(&other)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use driftline::Vector;

    fn read(line: &str) -> Result<Record> {
        Layout::Record.record(line.as_bytes())
    }

    #[test]
    fn a_printed_record_is_read_back() {
        let record =
            read(r#"{"key":{"$bytes":"AP8="},"vector":[0.1,-2],"payload":{"a":1},"lsn":9,"created":5}"#).unwrap();
        assert_eq!(record.key, Key::from(vec![0u8, 255]));
        assert_eq!(record.vector, Some(Vector::F32(vec![0.1, -2.0])));
        assert_eq!(record.created, Some(Timestamp(5)));
        assert_eq!(read(r#"{"key":7,"vector":"ff00"}"#).unwrap().vector, Some(Vector::Bits(vec![255, 0])));
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for wrong in ["7", "{}", r#"{"key":1.5}"#, r#"{"key":-1}"#, r#"{"key":1,"vectors":[1]}"#, r#"{"key":null}"#] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn other_shapes_name_their_fields() {
        let layout = Layout::Flat { key: "id".into(), vector: "embedding".into() };
        let record = layout.record(br#"{"id":"x","embedding":[1],"title":"t","year":1999}"#).unwrap();
        assert_eq!(record.key, Key::from("x"));
        assert_eq!(record.payload.get("year"), Some(&Value::Int(1999)));
        assert_eq!(record.payload.get("embedding"), None);
    }
}
