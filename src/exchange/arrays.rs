//! Writing vectors as arrays: npy, fvecs, bvecs and fbin.

use std::path::Path;

use npyz::{DType, WriteOptions, WriterBuilder};

use super::file::refuse;
use super::format::Format;
use super::target::{Target, unwritable};
use crate::collection::record::Record;
use crate::error::{Error, Result};
use crate::schema::Schema;
use crate::vector::metric::Metric;

/// An array being written.
pub(super) struct ArrayWriter {
    target: Target,
    /// What stands before each row.
    before: Vec<u8>,
}

impl ArrayWriter {
    /// Writes the header of an array of so many rows.
    pub(super) fn create(
        path: &Path,
        format: Format,
        schema: &Schema,
        replace: bool,
        rows: u64,
    ) -> Result<ArrayWriter> {
        let name = path.display().to_string();
        let bits = schema.metric() == Some(Metric::Hamming);
        let Some(dimension) = schema.dimension() else {
            return Err(refuse("the collection has no vectors", &name, "export it as jsonl or csv"));
        };
        let width = if bits { dimension / 8 } else { dimension };
        let allowed = match format {
            Format::Npy => true,
            Format::Fvecs | Format::Fbin => !bits,
            Format::Bvecs => bits,
            _ => false,
        };
        if !allowed {
            let what = if bits { "bits" } else { "numbers" };
            let mend = "export numbers as npy, fvecs or fbin, bits as npy or bvecs, anything as jsonl or csv";
            return Err(refuse(format!("vectors of {what} are not exported as {format}"), &name, mend));
        }
        let mut target = Target::create(path, replace)?;
        match format {
            Format::Npy => npy_header(&mut target, rows, width, bits)?,
            Format::Fbin => {
                let rows =
                    u32::try_from(rows).map_err(|_| refuse("fbin cannot hold so many rows", &name, "use npy"))?;
                target.put(&rows.to_le_bytes())?;
                target.put(&(width as u32).to_le_bytes())?;
            }
            _ => {}
        }
        let behind_length = matches!(format, Format::Fvecs | Format::Bvecs);
        let before = if behind_length { (width as u32).to_le_bytes().to_vec() } else { Vec::new() };
        Ok(ArrayWriter { target, before })
    }

    pub(super) fn path(&self) -> &Path {
        self.target.path()
    }

    pub(super) fn write(&mut self, record: &Record) -> Result<()> {
        let vector = record.vector.as_ref().ok_or_else(|| Error::internal("a record without its vector"))?;
        self.target.put(&self.before)?;
        self.target.put(vector.view().as_bytes())
    }

    pub(super) fn finish(self) -> Result<u64> {
        self.target.finish()
    }
}

fn npy_header(target: &mut Target, rows: u64, width: usize, bits: bool) -> Result<()> {
    let name = if bits { "|u1" } else { "<f4" };
    let element = name.parse().map_err(|_| Error::internal("a type that npy does not know"))?;
    let options = WriteOptions::new_header_only().dtype(DType::new_scalar(element)).shape(&[rows, width as u64]);
    let path = target.path().to_owned();
    options.writer(target).write_header_only().map(drop).map_err(|error| unwritable(&path, error))
}
