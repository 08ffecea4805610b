//! What must hold for any bytes that claim to be something of ours: no panic, and what is accepted means the same
//! after being written and read again.
//!
//! The fuzz targets under `fuzz/` and the tests that replay `fuzz/corpus/` call the same functions. This is no part of
//! the public face: it may change with any release.

mod payloads;

pub use payloads::payload;

/// One kind of input.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The fuzz target, and its folder under `fuzz/corpus/`.
    pub name: &'static str,
    /// Panics when an input shows a fault of ours.
    pub check: fn(&[u8]),
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
pub const TARGETS: &[Target] = &[Target { name: "payload", check: payload, seeds: payloads::seeds }];
