//! Which reader reads which format.

use super::array::{self, ArrayRows};
use super::csv::Table;
use super::element::Element;
use super::file::{Reading, refuse};
use super::format::Format;
use super::jsonl::Lines;
use super::npy::{self, Npy};
use super::options::{ImportOptions, Keys};
use super::rows::Rows;
use super::vecs::VecsRows;
use crate::error::Result;

/// Opens the rows of a file; also tells whether they are known to have keys.
pub(super) fn open_rows(file: Reading, format: Format, options: &ImportOptions) -> Result<(Box<dyn Rows>, bool)> {
    let named = matches!(options.keys, Keys::Field(_)) && options.payload.is_none();
    if named && !format.holds_records() {
        return Err(refuse(format!("{format} has no fields to take keys from"), &file.name, "give a file of keys"));
    }
    Ok(match format {
        Format::Npy => (Box::new(npy_rows(file)?), false),
        Format::Idx => (Box::new(array::open_idx(file)?.into_rows()?), false),
        Format::Fbin => (Box::new(array::open_fbin(file)?.into_rows()?), false),
        Format::Fvecs => (Box::new(VecsRows::open(file, Element::F32)?), false),
        Format::Bvecs => (Box::new(VecsRows::open(file, Element::U8)?), false),
        Format::Ivecs => (Box::new(VecsRows::open(file, Element::I32)?), false),
        Format::Jsonl => (Box::new(Lines::open(file, options)?), true),
        Format::Csv => {
            let table = Table::open(file, options)?;
            let has_keys = table.has_keys();
            (Box::new(table), has_keys)
        }
    })
}

fn npy_rows(file: Reading) -> Result<ArrayRows> {
    match npy::open(file)? {
        Npy::Numbers(array) => array.into_rows(),
        Npy::Texts { file, .. } => {
            Err(refuse("the array is one of texts", &file.name, "vectors are rows of numbers; texts can be labels"))
        }
    }
}
