//! What saves a store: backups of it, and bringing them back.
//!
//! All of it makes a store in a new directory (`new_store`) and leaves the one it comes from as it was. `backup` and
//! `restore` copy files as they are (`copy`), into a directory or as one file (`archive`, `unpack`). `migrate` writes rows
//! anew (`rewrite`).

mod archive;
pub(crate) mod backup;
mod copy;
pub(crate) mod migrate;
mod new_store;
pub(crate) mod progress;
pub(crate) mod restore;
mod rewrite;
mod stream;
mod unpack;
