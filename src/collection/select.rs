//! Which parts of a record an answer carries.

use crate::collection::record::Record;
use crate::error::Result;
use crate::filter;
use crate::payload::Value;

/// What of a record a hit carries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Select {
    /// The key and the distance.
    #[default]
    Key,
    /// The whole record.
    Record,
    /// The record without its vector, and of its payload only these fields: names, or paths such as `size.width`, as
    /// filters name them. The payload is an object of those that the record has, under the names asked for.
    Fields(Vec<String>),
}

impl Select {
    /// [`Select::Fields`] of anything that gives names.
    pub fn fields<F: Into<String>>(fields: impl IntoIterator<Item = F>) -> Select {
        Select::Fields(fields.into_iter().map(Into::into).collect())
    }
}

/// The record without its vector, and of its payload only the fields asked for.
pub(crate) fn project(record: Record, fields: &[(String, Vec<String>)]) -> Record {
    let found = fields.iter().filter_map(|(name, path)| {
        let value = path.iter().try_fold(&record.payload, |value, name| value.get(name))?;
        Some((name.clone(), value.clone()))
    });
    let payload = Value::object(found);
    Record { payload, vector: None, ..record }
}

/// The fields of a selection with the way to each; refuses names that are none.
pub(crate) fn paths(fields: &[String]) -> Result<Vec<(String, Vec<String>)>> {
    fields.iter().map(|field| Ok((field.clone(), filter::path(field)?))).collect()
}
