//! Opening the store that a command names.

use std::path::Path;

use driftline::{Create, Database, Options};

use crate::args::Global;
use crate::failure::{Failure, Outcome};

/// Opens for reading, beside other readers.
pub(crate) fn read(path: &Path) -> Outcome<Database> {
    Options::new().open_read_only(path).map_err(|error| Failure::opening(&error))
}

/// Opens for writing a store that must be there.
pub(crate) fn write(path: &Path, global: &Global) -> Outcome<Database> {
    open(path, Create::Never, global)
}

/// Opens for writing, making the store if there is none.
pub(crate) fn write_or_create(path: &Path, global: &Global) -> Outcome<Database> {
    open(path, Create::IfMissing, global)
}

fn open(path: &Path, create: Create, global: &Global) -> Outcome<Database> {
    let options = Options::new().create(create).durability(global.durability());
    options.open(path).map_err(|error| Failure::opening(&error))
}
