//! Filters: which records are meant, said of their keys, times and payloads.
//!
//! A filter is one tree, made by the typed builder (`build`), read from text (`lex`, `cursor`, `parse`) or from JSON
//! (`json`), and printed in one canonical form (`display`). Logic has two values: a predicate over a field that is
//! missing, or of another kind than what it is compared with, is false, and `NOT` then makes it true. Before it is used
//! a filter is held against the schema (`types`) and bound to a moment (`bound`); then it looks at rows (`matches`).
//!
//! A tree is bounded where it is made (`tree`), so nothing that walks one can exhaust the stack.

mod bound;
mod build;
mod cursor;
mod display;
mod fields;
mod json;
mod lex;
mod like;
mod matches;
mod number;
mod parse;
mod share;
mod suggest;
mod time;
mod tree;
mod types;

use std::collections::BTreeMap;

use crate::error::{Error, ErrorKind, Result};
use crate::payload::{MAX_DEPTH, Value};

pub(crate) use bound::{Bound, Condition, Predicate, order, rank};
pub use build::{Field, field, key, time};
pub(crate) use fields::Fields;
pub(crate) use matches::Row;
pub(crate) use number::Number;
pub(crate) use parse::parse_prefix;
pub(crate) use share::Share;
pub(crate) use suggest::nearest as suggest;
pub(crate) use time::{duration, parse as moment, print as print_time, print_duration};
pub use tree::Filter;
pub(crate) use tree::{Comparison, Literal, Subject};

/// The most bytes of a filter's text.
pub const MAX_FILTER_BYTES: usize = 64 << 10;

/// How many parentheses and `NOT`s may stand inside one another in a filter.
pub const MAX_FILTER_DEPTH: usize = 64;

/// The most predicates and connectives in one filter.
pub const MAX_FILTER_NODES: usize = 4096;

/// The most values in one list of a filter.
pub const MAX_FILTER_VALUES: usize = 65_536;

/// Values for the parameters of a filter's text, by name without `$`. An array stands for a list.
pub type Params = BTreeMap<String, Value>;

/// What can be used as a filter: a [`Filter`], or text that is read as one.
pub trait IntoFilter {
    /// The filter, or why there is none: an error of kind [`ErrorKind::Filter`].
    fn into_filter(self) -> Result<Filter>;
}

impl IntoFilter for Filter {
    fn into_filter(self) -> Result<Filter> {
        self.check_made().map(|()| self)
    }
}

impl IntoFilter for &Filter {
    fn into_filter(self) -> Result<Filter> {
        self.clone().into_filter()
    }
}

impl IntoFilter for &str {
    fn into_filter(self) -> Result<Filter> {
        Filter::parse(self)
    }
}

impl IntoFilter for String {
    fn into_filter(self) -> Result<Filter> {
        Filter::parse(&self)
    }
}

impl IntoFilter for &String {
    fn into_filter(self) -> Result<Filter> {
        Filter::parse(self)
    }
}

#[cfg(test)]
pub(crate) mod tests;

/// The names on the way to a field of the payload, from text such as `size.width`; at most [`MAX_DEPTH`], none empty.
pub(crate) fn path(text: &str) -> Result<Vec<String>> {
    match parse::subject(text)? {
        tree::Subject::Field(names) if names.len() > MAX_DEPTH => {
            Err(refuse(format!("a path of {} names is over the limit of {MAX_DEPTH}", names.len()))
                .mend("payloads nest no deeper"))
        }
        tree::Subject::Field(names) if names.iter().any(String::is_empty) => {
            Err(refuse(format!("{text:?} has an empty name")).mend("give every field on the way its name"))
        }
        tree::Subject::Field(names) => Ok(names),
        part => Err(refuse(format!("{part} is no field of the payload")).mend("name a field, such as size.width")),
    }
}

/// An error in a filter.
fn refuse(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Filter, message)
}
