//! Records as lines of JSON.
//!
//! A line is `{"key": ..., "vector": [...], "payload": {...}}`, which is what `scan` and `get` print. A key is a number,
//! a text, or `{"$bytes": "<base64>"}`; a vector a list of numbers, or a text of hexadecimal digits for bits. Lines
//! of another shape can be read when the fields of key or vector are named: all other fields are the payload then.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead, Read};

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::file::{MAX_TEXT_BYTES, Reading, refuse, unreadable};
use super::options::{ImportOptions, Keys, VectorIn};
use super::rows::{Row, Rows};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::key::Key;
use crate::payload::Value;
use crate::vector::Vector;

/// Where the parts of a record stand in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Layout {
    /// In `key`, `vector` and `payload`.
    Record,
    /// In these fields, and all others are the payload.
    Flat { key: Option<String>, vector: String },
}

/// The records of a text. Lines are counted from 1; empty ones are passed over.
pub(super) struct Lines {
    file: Reading,
    layout: Layout,
    number: u64,
    line: Vec<u8>,
}

impl Lines {
    pub(super) fn open(mut file: Reading, options: &ImportOptions) -> Result<Lines> {
        let key = match &options.keys {
            Keys::Field(name) => Some(name.clone()),
            _ => None,
        };
        let layout = match (&options.vector, key) {
            (VectorIn::Auto, None) => Layout::Record,
            (VectorIn::Auto, key) => Layout::Flat { key, vector: "vector".into() },
            (VectorIn::Field(vector), key) => Layout::Flat { key, vector: vector.clone() },
            (VectorIn::Fields { .. }, _) => {
                let mend = "name the field that holds the list of numbers";
                return Err(refuse("in jsonl a vector stands in one field", &file.name, mend));
            }
        };
        file.pass_mark()?;
        Ok(Lines { file, layout, number: 0, line: Vec::new() })
    }
}

impl Rows for Lines {
    fn next(&mut self) -> Result<Option<Row>> {
        loop {
            self.line.clear();
            self.number += 1;
            let mut limited = (&mut *self.file.reader).take(MAX_TEXT_BYTES);
            let read = limited.read_until(b'\n', &mut self.line);
            let read = read.map_err(|error| unreadable(&self.place(), &error))?;
            if read == 0 {
                return Ok(None);
            }
            if read as u64 == MAX_TEXT_BYTES {
                return Err(refuse("the line is too long", &self.place(), "check that the file is one of lines"));
            }
            if !self.line.trim_ascii().is_empty() {
                return self.layout.row(&self.line).map(Some).map_err(|error| error.at(self.place()));
            }
        }
    }

    fn place(&self) -> String {
        format!("{}, line {}", self.file.name, self.number)
    }
}

/// A line as `scan` prints it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    key: Option<Key>,
    vector: Option<Vector>,
    #[serde(default)]
    payload: Value,
    created: Option<Timestamp>,
    expires: Option<Timestamp>,
    /// Given by the store that it came from; this one gives its own.
    #[serde(rename = "lsn")]
    _lsn: Option<IgnoredAny>,
}

impl Layout {
    fn row(&self, line: &[u8]) -> Result<Row> {
        match self {
            Layout::Record => {
                let line: Line = serde_json::from_slice(line).map_err(|error| unparsed(&error))?;
                let Line { key, vector, payload, created, expires, _lsn: _ } = line;
                Ok(Row { key, vector, payload, created, expires })
            }
            Layout::Flat { key, vector } => flat(line, key.as_deref(), vector),
        }
    }
}

fn flat(line: &[u8], key: Option<&str>, vector: &str) -> Result<Row> {
    let mut parser = serde_json::Deserializer::from_slice(line);
    let row = parser.deserialize_map(Fields { key, vector }).map_err(|error| unparsed(&error))?;
    parser.end().map_err(|error| unparsed(&error))?;
    match key {
        Some(key) if row.key.is_none() => {
            Err(Error::invalid(format!("there is no field {key:?} to take the key from"))
                .mend("name the field that every line has"))
        }
        _ => Ok(row),
    }
}

/// Reads the named fields as what they are, so that numbers of a vector are parsed once, as `f32`.
struct Fields<'a> {
    key: Option<&'a str>,
    vector: &'a str,
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = Row;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Row, A::Error> {
        let mut row = Row::default();
        let mut fields = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            if self.key == Some(name.as_str()) {
                row.key = Some(map.next_value()?);
            } else if name == self.vector {
                row.vector = map.next_value()?;
            } else {
                fields.insert(name, map.next_value()?);
            }
        }
        row.payload = Value::Object(fields);
        Ok(row)
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
    Error::invalid(message)
        .mend("a line is {\"key\": ..., \"vector\": [...], \"payload\": {...}}; name the fields of key and vector where they differ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Row> {
        Layout::Record.row(line.as_bytes())
    }

    #[test]
    fn a_printed_record_is_read_back() {
        let row = read(r#"{"key":{"$bytes":"AP8="},"vector":[0.1,-2],"payload":{"a":1},"lsn":9,"created":5}"#).unwrap();
        assert_eq!(row.key, Some(Key::from(vec![0u8, 255])));
        assert_eq!(row.vector, Some(Vector::F32(vec![0.1, -2.0])));
        assert_eq!(row.created, Some(Timestamp(5)));
        assert_eq!(read(r#"{"key":7,"vector":"ff00"}"#).unwrap().vector, Some(Vector::Bits(vec![255, 0])));
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for wrong in ["7", "[]", r#"{"key":1.5}"#, r#"{"key":-1}"#, r#"{"key":1,"vectors":[1]}"#, r#"{"key":[]}"#] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn other_shapes_name_their_fields() {
        let line = br#"{"id":"x","embedding":[1],"title":"t","year":1999}"#;
        let row = flat(line, Some("id"), "embedding").unwrap();
        assert_eq!((row.key, row.vector), (Some(Key::from("x")), Some(Vector::F32(vec![1.0]))));
        assert_eq!(row.payload.get("year"), Some(&Value::Int(1999)));
        assert_eq!(row.payload.get("embedding"), None);
        assert!(flat(line, Some("key"), "embedding").is_err() && flat(b"{} x", None, "v").is_err());
    }
}
