//! What is imported, and how it is to be read.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::format::Format;
use crate::error::{Error, Result};

/// What is imported: a file, or a stream such as stdin.
pub struct Source(pub(super) Origin);

pub(super) enum Origin {
    File(PathBuf),
    Stream { name: String, reader: Box<dyn Read + Send> },
}

impl Source {
    /// A file. Its name says its format, unless [`ImportOptions::format`] does, and whether it is gzip'd.
    pub fn file(path: impl Into<PathBuf>) -> Source {
        Source(Origin::File(path.into()))
    }

    /// A stream, called `name` in errors. Its format must be given; it is unpacked when it begins as a gzip'd file does.
    /// It cannot be read twice, so an import of it cannot be resumed.
    pub fn stream(name: impl Into<String>, reader: impl Read + Send + 'static) -> Source {
        Source(Origin::Stream { name: name.into(), reader: Box::new(reader) })
    }
}

impl Source {
    /// The file, where it is one.
    pub(super) fn path(&self) -> Option<&Path> {
        match &self.0 {
            Origin::File(path) => Some(path),
            Origin::Stream { .. } => None,
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Origin::File(path) => path.fmt(f),
            Origin::Stream { name, .. } => name.fmt(f),
        }
    }
}

/// Where the keys of records come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Keys {
    /// From the file: the field `key` of jsonl, the column `@key` or `key` of csv, the keys of a payload file. Files that
    /// have none are keyed by row number from 0. Lines of jsonl must have one.
    #[default]
    Auto,
    /// The row number, counted from `first`.
    Rows {
        /// The key of the first row of the file, also where rows are skipped.
        first: u64,
    },
    /// A field of jsonl or a column of csv. The other fields of a line of jsonl, but for the vector, are the payload.
    Field(String),
    /// A file of one key for each row: lines of text, an npy or idx of one dimension, or ivecs of one number. A line that
    /// is a whole number is a number, any other a text.
    File(PathBuf),
}

/// Where the vectors of jsonl and csv come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum VectorIn {
    /// From the field `vector`; in csv also `@vector`.
    #[default]
    Auto,
    /// From this field or column: a list of numbers, or hexadecimal digits for bits. The other fields of a line of jsonl,
    /// but for the key, are the payload.
    Field(String),
    /// From these columns of csv, one number each, and all that stand between them.
    Fields {
        /// The column of the first number.
        first: String,
        /// The column of the last number.
        last: String,
    },
}

impl FromStr for VectorIn {
    type Err = Error;

    /// Reads `embedding`, or `v0..v767` for several columns.
    fn from_str(text: &str) -> Result<VectorIn> {
        let wrong = || Error::invalid(format!("{text:?} names no field")).mend("write a field, or first..last");
        match text.split_once("..") {
            Some((first, last)) if !first.is_empty() && !last.is_empty() => {
                Ok(VectorIn::Fields { first: first.into(), last: last.into() })
            }
            None if !text.is_empty() => Ok(VectorIn::Field(text.into())),
            _ => Err(wrong()),
        }
    }
}

/// How a file is imported.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct ImportOptions {
    pub(super) format: Option<Format>,
    pub(super) keys: Keys,
    pub(super) vector: VectorIn,
    pub(super) labels: Option<PathBuf>,
    pub(super) label_field: String,
    pub(super) payload: Option<PathBuf>,
    pub(super) skip: u64,
    pub(super) limit: Option<u64>,
    pub(super) resumable: bool,
}

impl Default for ImportOptions {
    fn default() -> ImportOptions {
        ImportOptions {
            format: None,
            keys: Keys::Auto,
            vector: VectorIn::Auto,
            labels: None,
            label_field: "label".into(),
            payload: None,
            skip: 0,
            limit: None,
            resumable: true,
        }
    }
}

impl ImportOptions {
    /// Everything as the file's name and content say.
    pub fn new() -> ImportOptions {
        ImportOptions::default()
    }

    /// The format, whatever the name says. Default: [`Format::of_name`].
    pub fn format(self, format: Format) -> ImportOptions {
        ImportOptions { format: Some(format), ..self }
    }

    /// Where keys come from. Default [`Keys::Auto`].
    pub fn keys(self, keys: Keys) -> ImportOptions {
        ImportOptions { keys, ..self }
    }

    /// Where the vectors of jsonl and csv come from. Default [`VectorIn::Auto`].
    pub fn vector(self, vector: VectorIn) -> ImportOptions {
        ImportOptions { vector, ..self }
    }

    /// A file of one label for each row: an npy or idx of one dimension, ivecs of one number, or lines of text. Each is
    /// put into the payload. Default: none.
    pub fn labels(self, path: impl Into<PathBuf>) -> ImportOptions {
        ImportOptions { labels: Some(path.into()), ..self }
    }

    /// The name of the labels in the payloads. Default `label`.
    pub fn label_field(self, name: impl Into<String>) -> ImportOptions {
        ImportOptions { label_field: name.into(), ..self }
    }

    /// A file beside one of vectors that holds the payloads, row by row: jsonl, csv, or an npy of one dimension, whose
    /// values get the file's name. Where jsonl and csv have keys and times, these count too. Default: none.
    pub fn payload(self, path: impl Into<PathBuf>) -> ImportOptions {
        ImportOptions { payload: Some(path.into()), ..self }
    }

    /// So many rows are passed over first. Default 0.
    pub fn skip(self, rows: u64) -> ImportOptions {
        ImportOptions { skip: rows, ..self }
    }

    /// At most so many rows are imported. Default: all.
    pub fn limit(self, rows: u64) -> ImportOptions {
        ImportOptions { limit: Some(rows), ..self }
    }

    /// Whether an import of a file that was cut off, by a kill or a cancel, keeps what it had sealed, so that the same
    /// import goes on from there, unless options or files differ: their lengths and first and last 64 KiB tell. Default
    /// true. Nothing of it shows in between. What cannot be read twice, a stream or a pipe, is never resumed.
    pub fn resumable(self, resumable: bool) -> ImportOptions {
        ImportOptions { resumable, ..self }
    }
}
