//! The things that statements speak of: names, keys, vectors, payloads and times.

use std::time::Duration;

use super::reader::Reader;
use super::tree::{Columns, Name, PayloadSource, VectorSource, VectorText};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::key::Key;
use crate::payload::Value;
use crate::vector::Vector;

/// The name of a collection.
pub(super) fn name(reader: &mut Reader<'_>) -> Result<Name> {
    let begin = reader.at();
    let text = reader.text("the name of a collection")?;
    Ok(Name { text, span: reader.span_from(begin) })
}

/// A key: a number, `0x` and hexadecimal digits for bytes, or a text, which needs quotes where it could be taken for
/// something else.
pub(super) fn key(reader: &mut Reader<'_>) -> Result<Key> {
    let begin = reader.at();
    if let Some(value) = reader.parameter()? {
        return key_of(&value).ok_or_else(|| reader.refuse(reader.span_from(begin), "the parameter is not a key"));
    }
    if let Some(text) = reader.quoted()? {
        return Ok(text.into());
    }
    let word = reader.word("a key")?;
    if word.eq_ignore_ascii_case("where") || word.starts_with(['<', '>', '!', '~']) {
        let message = format!("`{word}` belongs to a filter and is no key without quotes");
        return Err(reader.refuse(reader.span_from(begin), &message));
    }
    if let Some(number) = number(word) {
        return Ok(number.into());
    }
    match word.strip_prefix("0x") {
        None => Ok(word.into()),
        Some(digits) => hex(digits).map(Key::from).ok_or_else(|| {
            let message = "this is not a whole number of hexadecimal bytes";
            reader.refuse(reader.span_from(begin), message).mend("put a text into quotes")
        }),
    }
}

/// Keys with commas between them. A filter behind a key is not taken for more keys.
pub(super) fn keys(reader: &mut Reader<'_>) -> Result<Vec<Key>> {
    let mut keys = vec![key(reader)?];
    while reader.symbol(',') {
        keys.push(key(reader)?);
    }
    match reader.peek_word() {
        _ if reader.is_at_end() => Ok(keys),
        word if word.eq_ignore_ascii_case("where") => Err(reader.expected("either keys or `where`, not both")),
        _ => Err(reader.expected("a comma and another key, or the end of the statement")),
    }
}

/// The number that is written just so. A text such as `007` stays what it is.
fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

fn key_of(value: &Value) -> Option<Key> {
    match value {
        Value::Text(text) => Some(text.as_str().into()),
        Value::Bytes(bytes) => Some(bytes.as_slice().into()),
        other => other.as_u64().map(Key::from),
    }
}

/// Whether a vector comes next.
pub(super) fn is_vector(reader: &mut Reader<'_>) -> bool {
    if reader.is_object_parameter() {
        return false;
    }
    let word = reader.peek_word();
    matches!(reader.peek(), Some('[' | '@' | '\'' | '$')) || word.starts_with("0x") || word.eq_ignore_ascii_case("file")
}

/// A vector: `[0.1, -2]`, `0xff00` or `'ff00'` for bits, `@key`, `file('name')[row]` or `$name`.
pub(super) fn vector(reader: &mut Reader<'_>) -> Result<VectorText> {
    let begin = reader.at();
    let source = vector_source(reader)?;
    Ok(VectorText { source, span: reader.span_from(begin) })
}

fn vector_source(reader: &mut Reader<'_>) -> Result<VectorSource> {
    let begin = reader.at();
    if let Some(value) = reader.parameter()? {
        return vector_of(&value)
            .ok_or_else(|| reader.refuse(reader.span_from(begin), "the parameter is not a vector"));
    }
    if reader.symbol('@') {
        return Ok(VectorSource::Stored(key(reader)?));
    }
    if reader.peek() == Some('[') {
        return Ok(VectorSource::Given(Vector::F32(reader.json("a list of numbers")?)));
    }
    if reader.keyword("file") {
        let (file, row) = file(reader)?;
        return Ok(VectorSource::File(file, row));
    }
    let digits = match reader.quoted()? {
        Some(digits) => digits,
        None if reader.peek_word().starts_with("0x") => reader.word("a vector")?.to_owned(),
        None => return Err(reader.expected("a vector: [0.1, ...], @KEY, file('NAME')[ROW], 0xHEX or $NAME")),
    };
    bits(&digits).ok_or_else(|| {
        let message = "this is not a whole number of hexadecimal bytes";
        reader.refuse(reader.span_from(begin), message).mend("the vector of a record is written @'its key'")
    })
}

fn vector_of(value: &Value) -> Option<VectorSource> {
    match value {
        Value::Text(digits) => bits(digits),
        Value::Bytes(bytes) => Some(VectorSource::Given(Vector::Bits(bytes.clone()))),
        list => {
            let numbers: Option<Vec<f32>> = list.as_array()?.iter().map(|it| Some(it.as_f64()? as f32)).collect();
            Some(VectorSource::Given(Vector::F32(numbers?)))
        }
    }
}

fn bits(digits: &str) -> Option<VectorSource> {
    let bytes = hex(digits.strip_prefix("0x").unwrap_or(digits)).filter(|bytes| !bytes.is_empty())?;
    Some(VectorSource::Given(Vector::Bits(bytes)))
}

/// What follows `file`: `('name')`, and a row in brackets or none.
fn file(reader: &mut Reader<'_>) -> Result<(String, Option<u64>)> {
    reader.expect_symbol('(')?;
    let name = reader.text("the name of a file")?;
    reader.expect_symbol(')')?;
    if !reader.symbol('[') {
        return Ok((name, None));
    }
    let row = reader.number("the number of a row, counted from 0")?;
    reader.expect_symbol(']')?;
    Ok((name, Some(row)))
}

/// A payload: JSON, `file('name')` or `$name`.
pub(super) fn payload(reader: &mut Reader<'_>) -> Result<PayloadSource> {
    if let Some(value) = reader.parameter()? {
        return Ok(PayloadSource::Given(value));
    }
    if reader.keyword("file") {
        return Ok(PayloadSource::File(file(reader)?.0));
    }
    let json: serde_json::Value = reader.json("a payload: JSON, or file('NAME')")?;
    Ok(PayloadSource::Given(json.into()))
}

/// A value that a field is set to: a text in single quotes, or JSON.
pub(super) fn literal(reader: &mut Reader<'_>) -> Result<Value> {
    if let Some(value) = reader.parameter()? {
        return Ok(value);
    }
    match reader.peek() {
        Some('\'') => Ok(reader.quoted()?.unwrap_or_default().into()),
        _ => {
            let json: serde_json::Value = reader.json("a value")?;
            Ok(json.into())
        }
    }
}

/// The names of a path, from the payload inward.
pub(super) fn path(reader: &mut Reader<'_>) -> Result<Vec<String>> {
    let begin = reader.at();
    let path = reader.path()?;
    crate::filter::path(path).map_err(|error| error.with_span(reader.span_from(begin)))
}

/// What is shown of each record: `*`, `key`, or fields with commas between them.
pub(super) fn columns(reader: &mut Reader<'_>) -> Result<Columns> {
    if reader.symbol('*') {
        return Ok(Columns::All);
    }
    if reader.keyword("@key") {
        return Ok(Columns::Key);
    }
    let mut fields = Vec::new();
    loop {
        fields.push(reader.path()?.to_owned());
        if !reader.symbol(',') {
            return Ok(Columns::Fields(fields));
        }
    }
}

/// A time such as `90d`, or quoted, `'1h 30m'`.
pub(super) fn duration(reader: &mut Reader<'_>) -> Result<Duration> {
    let begin = reader.at();
    let text = reader.text("a time such as 90d")?;
    crate::filter::duration(&text).map_err(|error| error.with_span(reader.span_from(begin)))
}

/// A moment such as 2026-01-31, or quoted, `'2026-01-31 12:00:00'`; UTC unless it says otherwise.
pub(super) fn moment(reader: &mut Reader<'_>) -> Result<Timestamp> {
    let begin = reader.at();
    let text = reader.text("a time such as '2026-01-31T12:00:00Z'")?;
    crate::filter::moment(&text).map_err(|error| error.with_span(reader.span_from(begin)))
}

/// Reads hexadecimal digits, two to a byte.
fn hex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |[high, low]: &[u8; 2]| Some((digit(*high)? * 16 + digit(*low)?) as u8);
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

/// Puts `value` at `path` inside `object`, making the objects on the way.
pub(super) fn set(object: &mut Value, path: &[String], value: Value) -> Result<(), Error> {
    let mut place = object;
    for name in path {
        if !matches!(place, Value::Object(_)) {
            *place = Value::Object(std::collections::BTreeMap::new());
        }
        let Value::Object(fields) = place else { return Err(Error::internal("an object was just made")) };
        place = fields.entry(name.clone()).or_default();
    }
    *place = value;
    Ok(())
}
