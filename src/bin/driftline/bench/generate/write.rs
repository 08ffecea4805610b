//! Writing rows as npy or fvecs, as they come.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use driftline::{Error, ErrorKind, Result};

use crate::files;

/// A format that generated sets are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Form {
    /// NumPy's arrays
    Npy,
    /// Each row behind its dimension
    Fvecs,
}

/// A file that is being written.
pub(super) struct Rows {
    path: PathBuf,
    form: Form,
    dimension: usize,
    file: BufWriter<File>,
}

impl Rows {
    /// Begins a file `name` of `rows` × `dimension` numbers of four bytes: `f32`, or `i32` in the other kind.
    pub(super) fn create(folder: &Path, name: &str, form: Form, shape: (u64, usize), kind: &str) -> Result<Rows> {
        let ending = match form {
            Form::Npy => "npy",
            Form::Fvecs if kind == "i4" => "ivecs",
            Form::Fvecs => "fvecs",
        };
        let path = folder.join(format!("{name}.{ending}"));
        let file = BufWriter::with_capacity(1 << 20, files::create(&path.display().to_string())?);
        let mut rows = Rows { path, form, dimension: shape.1, file };
        if form == Form::Npy {
            let written = rows.file.write_all(&header(shape, kind));
            written.map_err(|error| rows.failed(&error))?;
        }
        Ok(rows)
    }

    /// Appends whole rows.
    pub(super) fn write<T: bytemuck::NoUninit>(&mut self, numbers: &[T]) -> Result<()> {
        let written = match self.form {
            Form::Npy => self.file.write_all(bytemuck::cast_slice(numbers)),
            Form::Fvecs => numbers.chunks(self.dimension).try_for_each(|row| {
                self.file.write_all(&(self.dimension as u32).to_le_bytes())?;
                self.file.write_all(bytemuck::cast_slice(row))
            }),
        };
        written.map_err(|error| self.failed(&error))
    }

    pub(super) fn finish(mut self) -> Result<()> {
        let flushed = self.file.flush();
        flushed.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &io::Error) -> Error {
        let kind = if error.kind() == io::ErrorKind::StorageFull { ErrorKind::DiskFull } else { ErrorKind::Io };
        Error::new(kind, format!("could not write the file: {error}")).at(self.path.display().to_string())
    }
}

/// The header of an npy file of little-endian numbers, padded so that they begin at a multiple of 64 bytes.
fn header((rows, dimension): (u64, usize), kind: &str) -> Vec<u8> {
    let text = format!("{{'descr': '<{kind}', 'fortran_order': False, 'shape': ({rows}, {dimension}), }}");
    let length = (10 + text.len() + 1).next_multiple_of(64) - 10;
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&(length as u16).to_le_bytes());
    bytes.extend_from_slice(format!("{text:<width$}\n", width = length - 1).as_bytes());
    bytes
}
