//! Files of others: importing vectors and records from them, and exporting to them.
//!
//! [`export`] writes a collection to a file, [`export_store`] a whole store to a directory; what comes back from there is
//! equal, vectors bit for bit. [`import`] reads one file, and what may stand beside it (keys, labels, payloads), into a collection; [`Input`] gives
//! its records one by one. Files are read as streams: memory is taken for a row, never for what a header promises. An
//! error names the file and the row, counted from 0, or the line, counted from 1.
//!
//! | format | names | holds |
//! |---|---|---|
//! | [`Format::Npy`] | `.npy` | an array of NumPy's: rows of numbers, or of packed bits |
//! | [`Format::Fvecs`], [`Format::Bvecs`], [`Format::Ivecs`] | `.fvecs`, `.bvecs`, `.ivecs` | rows, each behind its length |
//! | [`Format::Fbin`] | `.fbin` | how many rows and columns, then `f32` |
//! | [`Format::Idx`] | `.idx`, `*-idx3-ubyte` | the files of MNIST |
//! | [`Format::Jsonl`] | `.jsonl`, `.ndjson` | a record in each line |
//! | [`Format::Csv`] | `.csv`, `.tsv` | a record in each row, its fields in columns |
//!
//! Each may be gzip'd, with `.gz` behind its name. Whole numbers become `f32`, and are rounded where they do not fit.

mod array;
mod arrays;
mod beside;
mod cell;
mod column;
mod csv;
mod element;
mod export;
mod file;
mod format;
mod identity;
mod import;
mod input;
mod jsonl;
mod lines;
mod npy;
mod open;
mod options;
mod progress;
mod rows;
mod store;
mod table;
mod target;
mod vecs;

pub(crate) use column::values;
pub use export::{ExportOptions, ExportReport, export, export_records};
pub use format::Format;
pub use import::{ImportReport, import, import_new};
pub use input::{Input, vector_at};
pub use lines::Records;
pub use options::{ImportOptions, Keys, Source, VectorIn};
pub use progress::{Phase, Progress};
pub use store::{export_store, import_store};
