//! Whether a filter fits the fields that a schema declares.

use super::fields::Fields;
use super::refuse;
use super::tree::{Check, Filter, Literal, Node, Subject, Test};
use crate::error::Result;
use crate::payload::FieldType;

impl Filter {
    /// Refuses a filter that compares a declared field with a value of another type: it could never be true.
    pub(crate) fn check(&self, fields: &Fields) -> Result<()> {
        if fields.is_empty() { self.check_made() } else { check(self.node()?, fields) }
    }
}

fn check(node: &Node, fields: &Fields) -> Result<()> {
    match node {
        Node::Constant(_) => Ok(()),
        Node::And(nodes) | Node::Or(nodes) => nodes.iter().try_for_each(|node| check(node, fields)),
        Node::Not(node) => check(node, fields),
        Node::Test(test) => match (&test.subject, fields.kind(&test.subject.to_string())) {
            (Subject::Field(_), Some(kind)) => check_test(test, kind),
            _ => Ok(()),
        },
    }
}

fn check_test(test: &Test, kind: FieldType) -> Result<()> {
    let fits = match &test.check {
        Check::Compare(_, value) => fits(kind, value),
        Check::Between(low, high) => fits(kind, low) && fits(kind, high),
        Check::In(values) | Check::NotIn(values) => values.iter().all(|value| fits(kind, value)),
        Check::Like(_) | Check::NotLike(_) => kind == FieldType::Text,
        Check::Contains(..) => false,
        Check::IsNull | Check::IsNotNull | Check::IsMissing | Check::IsPresent => true,
    };
    if fits {
        return Ok(());
    }
    let mend = match kind {
        FieldType::Bool => "compare it with true or false",
        FieldType::Int | FieldType::Float => "compare it with numbers",
        FieldType::Text => "compare it with texts in quotes",
    };
    Err(refuse(format!("{test} never holds, because the schema declares {} as {kind}", test.subject)).mend(mend))
}

/// Whether a field of this type can be compared with `value`.
fn fits(kind: FieldType, value: &Literal) -> bool {
    match kind {
        FieldType::Bool => matches!(value, Literal::Bool(_)),
        FieldType::Int | FieldType::Float => {
            matches!(value, Literal::Number(_))
        }
        FieldType::Text => matches!(value, Literal::Text(_)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declared_field_is_compared_with_its_type_only() {
        let mut fields = Fields::default();
        for (name, kind) in [
            ("lang", FieldType::Text),
            ("year", FieldType::Int),
            ("size.width", FieldType::Float),
            ("sold", FieldType::Bool),
        ] {
            fields.declare(name.into(), kind);
        }
        let check = |text: &str| Filter::parse(text).unwrap().check(&fields);
        for text in [
            "lang = 'en' and year > 2000.5 and size.width in [1, 2.5] and sold = true",
            "lang like 'e%' and year is null and sold is missing",
            "other = 1 or other = 'x' or other contains 'x'",
        ] {
            assert!(check(text).is_ok(), "{text}");
        }
        for (text, named) in [
            ("other = 1 and not (lang = 7)", "lang = 7 never holds, because the schema declares lang as text"),
            ("year in [1, 'x']", "year IN [1, 'x'] never"),
            ("year like '2%'", "numbers"),
            ("size.width between 1 and '2'", "size.width as float"),
            ("sold = 'yes'", "true or false"),
            ("lang contains 'en'", "lang as text"),
        ] {
            let error = check(text).unwrap_err();
            assert_eq!(error.kind(), crate::error::ErrorKind::Filter);
            assert!(error.to_string().contains(named), "{text}: {error}");
        }
    }
}
