//! Telling how far an import or export has come, and hearing whether to go on.

use std::ops::ControlFlow;

/// How often progress is told, in rows.
pub(super) const ROWS_PER_STEP: u64 = 256;

/// How far an import or export has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Rows done.
    pub rows: u64,
    /// Rows in all, where that is known.
    pub of: Option<u64>,
    /// Bytes of the file done, packed where it is gzip'd; 0 for an export.
    pub bytes: u64,
    /// Bytes of the file in all, where that is known.
    pub of_bytes: Option<u64>,
}

/// What an import or export is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Reading rows and writing them.
    Rows,
    /// Making all of them visible. It is told before that begins, and can be cancelled then, but not any later.
    Finishing,
}

/// Who is told, and answers whether to go on.
pub(super) type Tell<'a> = dyn FnMut(Progress) -> ControlFlow<()> + 'a;
