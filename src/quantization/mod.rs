//! Vectors in fewer bits, each with a bound on what was lost, so that rows can be ruled out without reading them whole.

pub(crate) mod bounds;
pub(crate) mod int8;
pub(crate) mod rotation;
