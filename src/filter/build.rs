//! The typed builder: `field("year").ge(2020)`.

use super::parse;
use super::tree::{Check, Comparison, Filter, Literal, Quantifier, Subject, Test};
use crate::error::Result;
use crate::payload::Value;

/// A part of a record, to say something of; made by [`field`], [`key`] and [`time`].
///
/// Each method makes a filter of one predicate. A predicate is false for a record that lacks the part, or has
/// something of another kind there; `is_missing` and `is_present` alone look at whether it is there.
#[derive(Debug, Clone)]
pub struct Field(Result<Subject>);

/// A field of the payload: `price`, an inner one as `size.width`, an unusual name in back quotes.
pub fn field(path: &str) -> Field {
    Field(parse::subject(path))
}

/// The key of a record; in text `@key`.
pub fn key() -> Field {
    Field(Ok(Subject::Key))
}

/// When a record was created; in text `@time`. Compares with RFC 3339 text or microseconds since 1970.
pub fn time() -> Field {
    Field(Ok(Subject::Time))
}

impl Field {
    /// Equal to `value`; numbers are equal by value, not by how they are stored.
    pub fn eq(self, value: impl Into<Value>) -> Filter {
        self.compare(Comparison::Equal, value.into())
    }

    /// Of the same kind as `value` and not equal to it.
    pub fn ne(self, value: impl Into<Value>) -> Filter {
        self.compare(Comparison::Unequal, value.into())
    }

    /// Less than `value`: numbers by value, texts and bytes byte by byte, false before true.
    pub fn lt(self, value: impl Into<Value>) -> Filter {
        self.compare(Comparison::Less, value.into())
    }

    /// Less than `value` or equal to it.
    pub fn le(self, value: impl Into<Value>) -> Filter {
        self.compare(Comparison::LessOrEqual, value.into())
    }

    /// Greater than `value`.
    pub fn gt(self, value: impl Into<Value>) -> Filter {
        self.compare(Comparison::Greater, value.into())
    }

    /// Greater than `value` or equal to it.
    pub fn ge(self, value: impl Into<Value>) -> Filter {
        self.compare(Comparison::GreaterOrEqual, value.into())
    }

    /// From `low` to `high`, both included.
    pub fn between(self, low: impl Into<Value>, high: impl Into<Value>) -> Filter {
        let (low, high) = (low.into(), high.into());
        self.test(|subject| Ok(Check::Between(subject.literal(low)?, subject.literal(high)?)))
    }

    /// Equal to one of `values`.
    pub fn is_in<V: Into<Value>>(self, values: impl IntoIterator<Item = V>) -> Filter {
        self.test(|subject| Ok(Check::In(literals(subject, values)?)))
    }

    /// Of the kind of one of `values` and equal to none of them; of any kind but null where there are none.
    pub fn not_in<V: Into<Value>>(self, values: impl IntoIterator<Item = V>) -> Filter {
        self.test(|subject| Ok(Check::NotIn(literals(subject, values)?)))
    }

    /// A text like `pattern`, in which `%` stands for any text and `_` for one character; `\` before one of the three
    /// takes its meaning away. Cases are told apart.
    pub fn like(self, pattern: &str) -> Filter {
        self.test(|_| Ok(Check::Like(pattern.into())))
    }

    /// A text that is not like `pattern`.
    pub fn not_like(self, pattern: &str) -> Filter {
        self.test(|_| Ok(Check::NotLike(pattern.into())))
    }

    /// An array that holds at least one of `values`.
    pub fn contains_any<V: Into<Value>>(self, values: impl IntoIterator<Item = V>) -> Filter {
        self.test(|subject| Ok(Check::Contains(Quantifier::Any, literals(subject, values)?)))
    }

    /// An array that holds each of `values`.
    pub fn contains_all<V: Into<Value>>(self, values: impl IntoIterator<Item = V>) -> Filter {
        self.test(|subject| Ok(Check::Contains(Quantifier::All, literals(subject, values)?)))
    }

    /// An array that holds none of `values`.
    pub fn contains_none<V: Into<Value>>(self, values: impl IntoIterator<Item = V>) -> Filter {
        self.test(|subject| Ok(Check::Contains(Quantifier::None, literals(subject, values)?)))
    }

    /// There, and null.
    pub fn is_null(self) -> Filter {
        self.test(|_| Ok(Check::IsNull))
    }

    /// There, and not null.
    pub fn is_not_null(self) -> Filter {
        self.test(|_| Ok(Check::IsNotNull))
    }

    /// Not there.
    pub fn is_missing(self) -> Filter {
        self.test(|_| Ok(Check::IsMissing))
    }

    /// There, perhaps null.
    pub fn is_present(self) -> Filter {
        self.test(|_| Ok(Check::IsPresent))
    }

    fn compare(self, comparison: Comparison, value: Value) -> Filter {
        self.test(|subject| Ok(Check::Compare(comparison, subject.literal(value)?)))
    }

    fn test(self, check: impl FnOnce(&Subject) -> Result<Check>) -> Filter {
        Filter::test(self.0.and_then(|subject| {
            let check = check(&subject)?;
            Test::new(subject, check)
        }))
    }
}

fn literals<V: Into<Value>>(subject: &Subject, values: impl IntoIterator<Item = V>) -> Result<Vec<Literal>> {
    values.into_iter().map(|value| subject.literal(value.into())).collect()
}
