//! The audit log as it is stored: entries, each with the hash of the one before, in a collection of their own.
//!
//! `record` is an entry and its hash, `chain` follows all of them and tells where they break. The entries are written by what
//! watches models; they are known here so that checking a store checks them too.

mod chain;
mod record;

pub(crate) use chain::follow;
pub use chain::{AuditBreak, AuditVerdict};
pub use record::{AuditEntry, AuditHead, AuditRecord};

/// The collection of the entries, by their places.
pub(crate) const ENTRIES: &str = "_audit";
