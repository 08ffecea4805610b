//! TOML as a tree.

use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};

use super::tree::{Entry, MAX_LEVELS, Node, unreadable};
use crate::error::Result;
use crate::payload::Value;

/// The entries of a file.
pub(super) fn read(text: &str, file: &str) -> Result<Vec<Entry>> {
    let lines = Lines::of(text);
    let table = DeTable::parse(text).map_err(|error| {
        // The error prints the line, which may hold a password; its message does not.
        let line = error.span().map_or(1, |span| lines.line(span.start));
        unreadable(file, line, format!("this is no TOML: {}", error.message())).mend("mend the line")
    })?;
    section(table.get_ref(), &lines, file, 1)
}

fn section(table: &DeTable<'_>, lines: &Lines, file: &str, level: usize) -> Result<Vec<Entry>> {
    let entry = |(name, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let line = lines.line(name.span().start);
        if level > MAX_LEVELS {
            return Err(unreadable(file, line, format!("sections nest deeper than {MAX_LEVELS} levels")));
        }
        let name = AsRef::<str>::as_ref(name.get_ref()).to_owned();
        Ok(Entry { name, line, node: node(value.get_ref(), lines, file, level)? })
    };
    let mut entries = table.iter().map(entry).collect::<Result<Vec<_>>>()?;
    entries.sort_by_key(|entry| entry.line);
    Ok(entries)
}

fn node(value: &DeValue<'_>, lines: &Lines, file: &str, level: usize) -> Result<Node> {
    Ok(Node::Value(match value {
        DeValue::Table(table) => return section(table, lines, file, level + 1).map(Node::Section),
        DeValue::Array(values) => {
            let value = |value: &Spanned<_>| node(value.get_ref(), lines, file, level + 1).map(Node::into_value);
            Value::Array(values.iter().map(value).collect::<Result<_>>()?)
        }
        DeValue::String(text) => Value::from(&**text),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Int(number),
            Err(_) => Value::from(number.to_string()),
        },
        DeValue::Float(number) => number.as_str().parse().map_or_else(|_| Value::from(number.as_str()), Value::Float),
        DeValue::Datetime(time) => Value::from(time.to_string()),
    }))
}

/// Where the lines of a text begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Lines {
        Lines(text.match_indices('\n').map(|(at, _)| at + 1).collect())
    }

    /// The line of a byte, counted from 1.
    fn line(&self, at: usize) -> u32 {
        u32::try_from(self.0.partition_point(|begin| *begin <= at) + 1).unwrap_or(u32::MAX)
    }
}
