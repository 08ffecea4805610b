//! Search over a graph: each row is linked to rows near it, and a search walks the links towards the query.

pub(crate) mod build;
pub(crate) mod points;
