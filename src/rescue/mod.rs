//! What saves a store: backups of it, bringing them back, and salvaging what is damaged.
//!
//! All of it makes a store in a new directory (`new_store`) and leaves the one it comes from as it was. `backup` and
//! `restore` copy files as they are (`copy`), into a directory or as one file (`archive`, `unpack`). `migrate` writes rows
//! anew (`rewrite`), and so does `salvage`, with those that it can read.

mod archive;
pub(crate) mod backup;
mod copy;
pub(crate) mod migrate;
mod new_store;
pub(crate) mod progress;
pub(crate) mod restore;
mod rewrite;
pub(crate) mod salvage;
mod stream;
mod unpack;
