//! Reading keys, vectors, payloads and times as they are typed.

use std::path::Path;
use std::time::Duration;

use driftline::{Durability, Error, Key, Metric, Schema, Value, Vector, exchange};

use crate::failure::{Failure, Outcome};
use crate::files;

/// Reads a key: a decimal number without leading zeros is a number, `0x` and hexadecimal digits are bytes, the rest is
/// text; `as_text` makes everything text.
pub(crate) fn key(text: &str, as_text: bool) -> Outcome<Key> {
    if as_text {
        return Ok(text.into());
    }
    text.parse().map_err(|error: Error| Failure::usage(format!("{error}; for text add --text-key")))
}

/// Reads a prefix of keys: a number is no prefix, so digits are text here.
pub(crate) fn prefix(text: &str, as_text: bool) -> Outcome<Key> {
    if number(text).is_some() { Ok(text.into()) } else { key(text, as_text) }
}

/// The number that is written just so. A text such as `007` stays what it is.
pub(crate) fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

/// Reads a vector for a collection: a JSON list, hexadecimal digits where it holds bits, `@file.json`,
/// `@file.npy[row]`, or `-` for either text from stdin.
pub(crate) fn vector(text: &str, schema: &Schema) -> Outcome<Vector> {
    let Some(name) = text.strip_prefix('@') else {
        return if text == "-" { vector_text(&files::text("-")?) } else { vector_text(text) };
    };
    match row_of_file(name) {
        Some((file, row)) => Ok(exchange::vector_at(Path::new(file), row, schema.metric() == Some(Metric::Hamming))?),
        None if is_npy(name) => {
            Err(Failure::usage(format!("{name} holds many vectors; say which, counted from 0: @{name}[3]")))
        }
        None => vector_text(&files::text(name)?),
    }
}

fn vector_text(text: &str) -> Outcome<Vector> {
    text.parse().map_err(|error: Error| Failure::usage(error.to_string()))
}

/// Splits `file.npy[3]`.
fn row_of_file(name: &str) -> Option<(&str, u64)> {
    let (file, row) = name.strip_suffix(']')?.rsplit_once('[')?;
    Some((file, row.parse().ok()?))
}

fn is_npy(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npy"))
}

/// Reads a payload: JSON, or `@file.json`.
pub(crate) fn payload(text: &str) -> Outcome<Value> {
    match text.strip_prefix('@') {
        Some(name) => Ok(Value::from_json(&files::text(name)?).map_err(|error| error.at(name))?),
        None => Value::from_json(text)
            .map_err(|error| Failure::usage(format!("the payload is {error}; write it as '{{\"lang\": \"en\"}}'"))),
    }
}

/// Reads a time such as `90d` or `1h 30min`.
pub(crate) fn duration(text: &str) -> std::result::Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write it as 90d, 12h or 1h 30min"))
}

/// A [`Durability`] as clap reads it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DurabilityText(pub(crate) Durability);

impl std::str::FromStr for DurabilityText {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<DurabilityText, String> {
        match text {
            "commit" => Ok(DurabilityText(Durability::Commit)),
            "none" => Ok(DurabilityText(Durability::None)),
            interval => match humantime::parse_duration(interval) {
                Ok(interval) if !interval.is_zero() => Ok(DurabilityText(Durability::Interval(interval))),
                _ => Err("write commit, none, or a time such as 50ms".into()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_apart_by_how_they_are_written() {
        let read = |text| key(text, false).unwrap();
        assert_eq!(read("42"), Key::from(42u64));
        assert_eq!(read("007"), Key::from("007"));
        assert_eq!(read("+7"), Key::from("+7"));
        assert_eq!(read("18446744073709551616"), Key::from("18446744073709551616"));
        assert_eq!(read("0x00ff"), Key::from(vec![0u8, 255]));
        assert_eq!(key("42", true).unwrap(), Key::from("42"));
        assert!(key("0xabc", false).is_err() && key("0xabc", true).is_ok());
        assert_eq!(prefix("20", false).unwrap(), Key::from("20"));
    }

    #[test]
    fn vectors_are_lists_or_digits() {
        assert_eq!(vector_text("[1, -0.5]").unwrap(), Vector::F32(vec![1.0, -0.5]));
        assert_eq!(vector_text("0xff00").unwrap(), Vector::Bits(vec![255, 0]));
        assert_eq!(vector_text("\"a0\"").unwrap(), Vector::Bits(vec![160]));
        for wrong in ["", "[1,", "[null]", "{}", "fff", "[[1]]"] {
            assert!(vector_text(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_row_of_a_file_is_named_in_brackets() {
        assert_eq!(row_of_file("a[1].npy[12]"), Some(("a[1].npy", 12)));
        assert_eq!(row_of_file("a.npy"), None);
        assert_eq!(row_of_file("a.npy[x]"), None);
    }
}
