//! The database: one log, one manifest and the collections above them; batches, snapshots, maintenance, recovery.
//!
//! State is in `engine`, built from `options`, `queue`, `request`, `waker`, `view_cell`, `poison`, `audit`, `scrub`, `meters` and `blob_file`. On it act `publish`,
//! `room`, `commit`, `flush`, `capture`, `merge`, `catalog`, `blob`, `verify`, `stats`, `usage`, `background` and `recovery`; `ledger` is the audit log as it is stored. `store` holds it open
//! with its threads. Users hold what stands above: `handle`, `collection`, `batch`, `snapshot`, `query`, `recall`, `scan`,
//! `import`, which share `reader`, `draw` and `draft`.

mod audit;
mod auditing;
pub(crate) mod background;
pub(crate) mod batch;
pub(crate) mod blob;
pub(crate) mod blob_file;
pub(crate) mod bystander;
mod calls;
pub(crate) mod cancel;
pub(crate) mod capture;
mod catalog;
pub(crate) mod collection;
mod commit;
mod companions;
mod damage;
pub(crate) mod draft;
mod draw;
mod due;
mod engine;
mod flush;
pub(crate) mod gate;
pub(crate) mod gating;
pub(crate) mod handle;
pub(crate) mod health;
pub(crate) mod import;
pub(crate) mod indexing;
pub(crate) mod ledger;
mod merge;
pub(crate) mod meters;
pub(crate) mod options;
pub(crate) mod pending;
mod poison;
mod publish;
pub(crate) mod query;
mod queue;
mod reader;
pub(crate) mod recall;
pub(crate) mod recovery;
pub(crate) mod request;
mod reserve;
mod room;
pub(crate) mod scan;
pub(crate) mod scrub;
pub(crate) mod scrubbing;
pub(crate) mod snapshot;
pub(crate) mod stats;
mod store;
pub(crate) mod usage;
pub(crate) mod verify;
mod view_cell;
mod waker;
