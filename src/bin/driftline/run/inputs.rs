//! The vectors and payloads that a statement names: written out, stored, or in files.

use std::io;
use std::path::Path;

use driftline::exchange::{self, Format, ImportOptions, Input, Source};
use driftline::statement::{PayloadSource, VectorSource, VectorText};
use driftline::{Collection, Error, ErrorKind, Key, Metric, Result, Value, Vector};

use crate::failure::{Failure, Outcome};
use crate::files;
use crate::session::Session;

/// The vector, for a collection.
pub(super) fn vector(session: &mut Session, collection: &Collection, text: &VectorText) -> Outcome<Vector> {
    read_vector(session, collection, &text.source).map_err(|failure| failure.about(text.span.clone()))
}

fn read_vector(session: &mut Session, collection: &Collection, source: &VectorSource) -> Outcome<Vector> {
    let bits = || Ok::<bool, Error>(collection.schema()?.metric() == Some(Metric::Hamming));
    match source {
        VectorSource::Given(vector) => Ok(vector.clone()),
        VectorSource::Stored(key) => {
            let record = collection.get(key)?.ok_or_else(|| no_record(key, collection.name()))?;
            record.vector.ok_or_else(|| Failure::failed("the records of this collection have no vectors"))
        }
        VectorSource::File(file, row) => file_vector(session, file, *row, bits()?),
    }
}

/// The vector of a file: of a row, or the only one.
pub(super) fn file_vector(session: &mut Session, file: &str, row: Option<u64>, bits: bool) -> Outcome<Vector> {
    match row {
        Some(row) => Ok(exchange::vector_at(Path::new(file), row, bits)?),
        None => {
            if Format::of_name(file).is_ok() {
                let message = format!("{file} holds many vectors");
                let mend = format!("say which, counted from 0: file('{file}')[3]");
                return Err(Error::new(ErrorKind::Invalid, message).mend(mend).into());
            }
            let text = text_of(session, file)?;
            Ok(text.trim().parse().map_err(|error: Error| error.at(file))?)
        }
    }
}

/// The vectors of a file, `most` of them.
pub(super) fn vectors(file: &str, most: u64, bits: bool) -> Outcome<Vec<Vector>> {
    let mut input = Input::open(Source::file(file), &ImportOptions::new().limit(most))?;
    input.set_bits(bits)?;
    let mut vectors = Vec::new();
    while let Some(record) = input.next().transpose()? {
        let lacks = || Error::new(ErrorKind::Invalid, "a row has no vector").at(input.place());
        vectors.push(record.vector.ok_or_else(lacks)?);
    }
    Ok(vectors)
}

/// The payload.
pub(super) fn payload(session: &mut Session, source: &PayloadSource) -> Outcome<Value> {
    match source {
        PayloadSource::Given(value) => Ok(value.clone()),
        PayloadSource::File(file) => {
            let text = text_of(session, file)?;
            Ok(Value::from_json(&text).map_err(|error| error.at(file.clone()))?)
        }
    }
}

fn text_of(session: &mut Session, file: &str) -> Outcome<String> {
    if file == "-" {
        claim_stdin(session)?;
    }
    Ok(files::text(file)?)
}

/// Makes sure that the standard input is not what statements are read from.
pub(super) fn claim_stdin(session: &mut Session) -> Outcome {
    if session.stdin_is_free && !session.interactive {
        return Ok(());
    }
    let message = "the standard input is where the statements come from";
    Err(Error::new(ErrorKind::Invalid, message).mend("name a file, or give the statement on the command line").into())
}

/// The value of a parameter: as a statement writes it, or a row of a file.
pub(crate) fn parameter(text: &str) -> Outcome<Value> {
    let text = text.trim();
    let Some((file, row)) = file_row(text) else { return Ok(driftline::statement::parse_value(text)?) };
    Ok(match exchange::vector_at(Path::new(file), row, false)? {
        Vector::F32(numbers) => {
            Value::from(numbers.into_iter().map(|it| Value::from(f64::from(it))).collect::<Vec<_>>())
        }
        Vector::Bits(bytes) => Value::from(bytes),
    })
}

/// Splits `file('name')[row]`, or `@name[row]`.
fn file_row(text: &str) -> Option<(&str, u64)> {
    let (name, row) = text.strip_suffix(']')?.rsplit_once('[')?;
    let quoted = name.strip_prefix("file(").and_then(|name| name.strip_suffix(')'));
    let name = quoted.map(|name| name.trim().trim_matches('\'')).or_else(|| name.strip_prefix('@'))?;
    Some((name, row.parse().ok()?))
}

/// The records of the standard input, one a line.
pub(super) fn lines() -> Result<Input> {
    Input::open(Source::stream("stdin", io::stdin()), &ImportOptions::new().format(Format::Jsonl))
}

/// The error for a key that no record has.
pub(super) fn no_record(key: &Key, collection: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no record {key:?}"))
        .at(format!("collection {}", collection))
        .mend("`scan` prints the keys there are; quotes make a number a text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_a_file_is_named_in_brackets() {
        assert_eq!(file_row("file('a[1].npy')[12]"), Some(("a[1].npy", 12)));
        assert_eq!(file_row("@q.npy[3]"), Some(("q.npy", 3)));
        assert_eq!(file_row("[1, 2]"), None);
    }
}
