//! What a file says, whatever its format: names and values, with their lines.

use crate::error::Error;
use crate::payload::Value;

/// The most levels that a file may nest.
pub(super) const MAX_LEVELS: usize = 16;

/// A name, and what stands under it.
#[derive(PartialEq)]
pub(super) struct Entry {
    pub(super) name: String,
    /// The line of the name, counted from 1.
    pub(super) line: u32,
    pub(super) node: Node,
}

/// What stands under a name.
#[derive(PartialEq)]
pub(super) enum Node {
    Value(Value),
    /// In the order of lines.
    Section(Vec<Entry>),
}

impl Node {
    /// As a value, inside of lists.
    pub(super) fn into_value(self) -> Value {
        match self {
            Node::Value(value) => value,
            Node::Section(entries) => {
                Value::object(entries.into_iter().map(|entry| (entry.name, entry.node.into_value())))
            }
        }
    }
}

/// A file that cannot be read as what it is.
pub(super) fn unreadable(file: &str, line: u32, why: impl Into<String>) -> Error {
    Error::invalid(why).at(place(file, line))
}

/// A place for people.
pub(super) fn place(file: &str, line: u32) -> String {
    format!("{file}, line {line}")
}
