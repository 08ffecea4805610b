//! Which format a file has, by its name or by what is asked for.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// A format that files are read and written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// NumPy's array file. Numbers of any size become `f32`; in a collection of bits, bytes are packed bits.
    Npy,
    /// Vectors of `f32`, each behind its dimension.
    Fvecs,
    /// Vectors of bytes, each behind its dimension.
    Bvecs,
    /// Vectors of `i32`, each behind its dimension.
    Ivecs,
    /// The number of vectors, their dimension, and their `f32`.
    Fbin,
    /// The files of MNIST: an array of any shape behind its dimensions, big-endian.
    Idx,
    /// A record as JSON in each line.
    Jsonl,
    /// A table of text with a line of headings. A tab separates the columns where the headings have one and no comma.
    Csv,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 8] = [
        Format::Npy,
        Format::Fvecs,
        Format::Bvecs,
        Format::Ivecs,
        Format::Fbin,
        Format::Idx,
        Format::Jsonl,
        Format::Csv,
    ];

    /// The format that a name says; `.gz` at its end is passed over.
    pub fn of_name(name: &str) -> Result<Format> {
        let lower = name.to_ascii_lowercase();
        let inner = lower.strip_suffix(".gz").unwrap_or(&lower);
        let file = inner.rsplit(['/', '\\']).next().unwrap_or(inner);
        // The files of MNIST have names such as train-images-idx3-ubyte, with a dot in some copies.
        if ["-idx", ".idx"].iter().any(|sign| file.contains(sign)) {
            return Ok(Format::Idx);
        }
        let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension);
        extension.parse().map_err(|_| {
            let names = Format::ALL.map(|format| format!(".{format}")).join(", ");
            Error::invalid("the name does not say what the file holds")
                .at(name)
                .mend(format!("name the format, or use one of {names}, each with or without .gz"))
        })
    }

    /// Whether an export in this format keeps all of a record in one file. The others hold vectors alone, and keep keys,
    /// payloads and times in a `.jsonl` beside them.
    pub fn holds_records(self) -> bool {
        matches!(self, Format::Jsonl | Format::Csv)
    }

    /// Its name, as in `Display`.
    pub fn name(self) -> &'static str {
        match self {
            Format::Npy => "npy",
            Format::Fvecs => "fvecs",
            Format::Bvecs => "bvecs",
            Format::Ivecs => "ivecs",
            Format::Fbin => "fbin",
            Format::Idx => "idx",
            Format::Jsonl => "jsonl",
            Format::Csv => "csv",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Format {
    type Err = Error;

    /// Reads a name, in either case.
    fn from_str(text: &str) -> Result<Format> {
        let lower = text.trim().to_ascii_lowercase();
        let name = match lower.as_str() {
            "ndjson" => "jsonl",
            "tsv" => "csv",
            name => name,
        };
        Format::ALL.into_iter().find(|format| format.name() == name).ok_or_else(|| {
            let names = Format::ALL.map(Format::name).join(", ");
            Error::invalid(format!("there is no format {text:?}")).mend(format!("use one of {names}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_a_file_holds() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse::<Format>().unwrap(), format);
            assert_eq!(Format::of_name(&format!("a.b/x.{format}")).unwrap(), format);
            assert_eq!(Format::of_name(&format!("X.{format}.GZ").to_uppercase()).unwrap(), format);
        }
        for name in ["train-images-idx3-ubyte.gz", "t10k-labels.idx1-ubyte", "d/x.idx"] {
            assert_eq!(Format::of_name(name).unwrap(), Format::Idx);
        }
        assert_eq!(Format::of_name("x.ndjson").unwrap(), Format::Jsonl);
        for name in ["x", "npy", "x.gz", "a.npy/x", ".", "x.parquet"] {
            assert!(Format::of_name(name).is_err(), "{name}");
        }
    }
}
