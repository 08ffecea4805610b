//! What must hold for any bytes that claim to be something of ours: no panic, and what is accepted means the same
//! after being written and read again.
//!
//! The fuzz targets under `fuzz/` and the tests that replay `fuzz/corpus/` call the same functions. This is no part of
//! the public face: it may change with any release.

#[cfg(feature = "config")]
mod configurations;
mod containers;
mod deletions;
mod filters;
#[cfg(feature = "exchange")]
mod importers;
mod indexes;
mod logs;
mod manifests;
mod metadata;
mod payloads;
mod requests;
mod rows;
mod statements;

#[cfg(feature = "config")]
pub use configurations::config;
pub use containers::segment;
pub use deletions::deletions;
pub use filters::filter;
#[cfg(feature = "exchange")]
pub use importers::importers;
pub use indexes::{hnsw, lsh};
pub use logs::wal;
pub use manifests::manifest;
pub use metadata::codec;
pub use payloads::payload;
pub use requests::drive;
pub use rows::rows;
pub use statements::statement;

use crate::ids::StoreId;

/// One kind of input.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The fuzz target, and its folder under `fuzz/corpus/`.
    pub name: &'static str,
    /// Panics when an input shows a fault of ours.
    pub check: fn(&[u8]),
    /// How many places of an input the tests change: fewer where reading takes long.
    pub places: usize,
    /// Small valid inputs, to start from.
    pub seeds: fn() -> Vec<Seed>,
}

/// A valid input.
#[derive(Debug, Clone)]
pub struct Seed {
    /// What it is, fit for a file name.
    pub name: &'static str,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Every kind of input.
pub const TARGETS: &[Target] = &[
    Target { name: "codec", check: codec, places: 1_000, seeds: metadata::seeds },
    #[cfg(feature = "config")]
    Target { name: "config", check: config, places: 300, seeds: configurations::seeds },
    Target { name: "deletions", check: deletions, places: 1_000, seeds: deletions::seeds },
    Target { name: "drive", check: drive, places: 1_000, seeds: requests::seeds },
    Target { name: "filter", check: filter, places: 1_000, seeds: filters::seeds },
    Target { name: "hnsw", check: hnsw, places: 300, seeds: indexes::graph_seeds },
    #[cfg(feature = "exchange")]
    Target { name: "importers", check: importers, places: 300, seeds: importers::seeds },
    Target { name: "lsh", check: lsh, places: 300, seeds: indexes::hash_seeds },
    Target { name: "manifest", check: manifest, places: 1_000, seeds: manifests::seeds },
    Target { name: "payload", check: payload, places: 1_000, seeds: payloads::seeds },
    Target { name: "rows", check: rows, places: 1_000, seeds: rows::seeds },
    Target { name: "segment", check: segment, places: 1_000, seeds: containers::seeds },
    Target { name: "statement", check: statement, places: 1_000, seeds: statements::seeds },
    Target { name: "wal", check: wal, places: 150, seeds: logs::seeds },
];

/// The store that all seeds belong to.
fn store() -> StoreId {
    StoreId(*b"driftline-fuzzer")
}
