//! The fields that a schema declares, named as filters name them.

use std::collections::BTreeMap;
use std::fmt;

use super::parse;
use super::tree::Subject;
use crate::error::{Error, Result};
use crate::payload::FieldType;

/// The most fields one schema may declare.
const MAX_FIELDS: usize = 64;
/// The most bytes the name of one may have.
const MAX_NAME_BYTES: usize = 512;

/// Types by name, and the way from the payload to each field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Fields(BTreeMap<String, Declared>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Declared {
    /// Empty when the name is none; [`Fields::check`] tells.
    path: Vec<String>,
    kind: FieldType,
}

impl Fields {
    /// Declares a field, or another type for one; `name` is written as in a filter.
    pub(crate) fn declare(&mut self, name: String, kind: FieldType) {
        let (name, path) = match parse::subject(&name) {
            Ok(subject @ Subject::Field(_)) => (subject.to_string(), subject.path().to_vec()),
            _ => (name, Vec::new()),
        };
        self.0.insert(name, Declared { path, kind });
    }

    /// Refuses names that are none, and too many fields.
    pub(crate) fn check(&self) -> Result<()> {
        if self.0.len() > MAX_FIELDS {
            return Err(Error::invalid(format!("{} fields are over the limit of {MAX_FIELDS}", self.0.len()))
                .mend("declare those that are filtered by; records may have others"));
        }
        self.0.iter().try_for_each(|(name, field)| match field.path.is_empty() {
            false if name.len() <= MAX_NAME_BYTES => Ok(()),
            _ => Err(Error::invalid(format!("{name:?} cannot be the name of a field"))
                .mend("use a name such as price, size.width or, in back quotes, `my-field`")),
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The type of a field, by its name in canonical form.
    pub(crate) fn kind(&self, name: &str) -> Option<FieldType> {
        self.0.get(name).map(|field| field.kind)
    }

    /// Names in canonical form and types, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, FieldType)> {
        self.0.iter().map(|(name, field)| (name.as_str(), field.kind))
    }

    /// The way from the payload to each field.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &[String]> {
        self.0.values().map(|field| field.path.as_slice())
    }

    /// Refuses a stored payload in which a field is of another type than it was declared.
    pub(crate) fn check_payload(&self, payload: &[u8]) -> Result<()> {
        self.0.iter().try_for_each(|(name, field)| field.kind.check(name, &field.path, payload))
    }
}

/// `none`, or names and types.
impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        for (index, (name, kind)) in self.iter().enumerate() {
            write!(f, "{}{name} {kind}", if index > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_in_canonical_form_and_bad_ones_told() {
        let mut fields = Fields::default();
        for name in ["`lang`", "lang", "size . width", "`my-field`", "`a.b`"] {
            fields.declare(name.into(), FieldType::Text);
        }
        fields.check().unwrap();
        assert_eq!(fields.to_string(), "`a.b` text, `my-field` text, lang text, size.width text");
        assert_eq!(fields.paths().map(<[String]>::len).collect::<Vec<_>>(), [1, 1, 1, 2]);
        assert_eq!(fields.kind("lang"), Some(FieldType::Text));
        for name in ["", "my-field", "@key", "a.", &"a".repeat(MAX_NAME_BYTES + 1)] {
            let mut fields = Fields::default();
            fields.declare(name.into(), FieldType::Int);
            assert!(fields.check().is_err(), "{name}");
        }
        (0..=MAX_FIELDS).for_each(|number| fields.declare(format!("f{number}"), FieldType::Int));
        assert!(fields.check().unwrap_err().to_string().contains("limit of 64"));
    }
}
