//! Types of fields, as a schema declares them.

use std::fmt;
use std::str::FromStr;

use super::{Malformed, Scalar, View};
use crate::error::{Error, Result};

/// The type of a field that a schema declares. A record may leave the field out or set it to null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FieldType {
    /// True or false.
    Bool,
    /// A whole number of 64 bits, with or without a sign.
    Int,
    /// A number, whole or not.
    Float,
    /// A text.
    Text,
}

impl FieldType {
    /// Every type.
    pub const ALL: [FieldType; 4] = [FieldType::Bool, FieldType::Int, FieldType::Float, FieldType::Text];

    /// Its name: `bool`, `int`, `float` or `text`.
    pub fn name(self) -> &'static str {
        match self {
            FieldType::Bool => "bool",
            FieldType::Int => "int",
            FieldType::Float => "float",
            FieldType::Text => "text",
        }
    }

    /// Refuses a stored payload in which the field at `path` is of another type; `field` names it in the error.
    pub(crate) fn check(self, field: &str, path: &[String], payload: &[u8]) -> Result<()> {
        let found = match View::new(payload).at(path)? {
            Some(view) => view.scalar()?,
            None => return Ok(()),
        };
        let fits = match self {
            FieldType::Bool => matches!(found, Scalar::Bool(_)),
            FieldType::Int => matches!(found, Scalar::Int(_) | Scalar::UInt(_)),
            FieldType::Float => matches!(found, Scalar::Int(_) | Scalar::UInt(_) | Scalar::Float(_)),
            FieldType::Text => matches!(found, Scalar::Text(_)),
        };
        if fits || found == Scalar::Null {
            return Ok(());
        }
        Err(Error::invalid(format!("the field {field} is {}, and the schema declares it as {self}", found.kind()))
            .mend("mend the value, or leave it out"))
    }
}

impl Scalar<'_> {
    /// What it is, with an article.
    fn kind(&self) -> &'static str {
        match self {
            Scalar::Null => "null",
            Scalar::Bool(_) => "a truth value",
            Scalar::Int(_) | Scalar::UInt(_) => "a whole number",
            Scalar::Float(_) => "a number with a fraction",
            Scalar::Text(_) => "a text",
            Scalar::Bytes(_) => "bytes",
            Scalar::Blob => "a blob",
            Scalar::Array => "an array",
            Scalar::Object => "an object",
        }
    }
}

impl<'a> View<'a> {
    /// What stands at the end of `path`, from here inward.
    pub(crate) fn at(self, path: &[String]) -> Result<Option<View<'a>>, Malformed> {
        let mut view = self;
        for name in path {
            match view.field(name)? {
                Some(inner) => view = inner,
                None => return Ok(None),
            }
        }
        Ok(Some(view))
    }
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for FieldType {
    type Err = Error;

    fn from_str(text: &str) -> Result<FieldType> {
        let named = |kind: &FieldType| kind.name().eq_ignore_ascii_case(text);
        FieldType::ALL.into_iter().find(named).ok_or_else(|| {
            Error::invalid(format!("{text:?} is no type of a field")).mend("use bool, int, float or text")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Value, encode};
    use super::*;

    #[test]
    fn a_declared_field_takes_its_type_null_or_nothing() {
        let values = [Value::from(true), Value::from(7), Value::from(u64::MAX), Value::from(1.5), Value::from("x")];
        for (kind, fits) in [
            (FieldType::Bool, [true, false, false, false, false]),
            (FieldType::Int, [false, true, true, false, false]),
            (FieldType::Float, [false, true, true, true, false]),
            (FieldType::Text, [false, false, false, false, true]),
        ] {
            let path = ["a".to_owned(), "b".to_owned()];
            let check = |value: Value| kind.check("a.b", &path, &encode(&value).unwrap());
            let inside = |value: Value| Value::object([("a", Value::object([("b", value)]))]);
            for (value, fits) in values.iter().zip(fits) {
                assert_eq!(check(inside(value.clone())).is_ok(), fits, "{kind} {value}");
            }
            assert!(check(inside(Value::Null)).is_ok());
            assert!(check(Value::object([("a", 1.into())])).is_ok());
            let error = check(inside(Value::Array(Vec::new()))).unwrap_err();
            assert!(error.to_string().contains(&format!("a.b is an array, and the schema declares it as {kind}")));
            assert_eq!(kind.to_string().to_uppercase().parse::<FieldType>().unwrap(), kind);
        }
        assert!("date".parse::<FieldType>().is_err());
    }
}
