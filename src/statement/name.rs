//! Names in statements, which all trees hold.

use std::ops::Range;

/// The name of a collection, or of a model with its version, and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Name {
    /// The name, not checked against what names may be.
    pub text: String,
    /// Bytes of the text it was read from.
    pub span: Range<usize>,
}
