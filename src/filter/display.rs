//! The canonical text of a filter, which is read back as an equal tree.

use std::fmt::{self, Display};

use super::lex;
use super::number::Number;
use super::parse::RESERVED;
use super::time;
use super::tree::{Check, Filter, Literal, Node, Quantifier, Subject, Test};

/// Canonical text; of a filter that could not be made, why.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.node() {
            Ok(node) => node.fmt(f),
            Err(error) => write!(f, "<{error}>"),
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::Constant(true) => f.write_str("TRUE"),
            Node::Constant(false) => f.write_str("FALSE"),
            Node::Test(test) => test.fmt(f),
            Node::Not(node) => {
                f.write_str("NOT ")?;
                enclosed(node, matches!(**node, Node::And(_) | Node::Or(_)), f)
            }
            Node::And(nodes) => separated(nodes, " AND ", f, |node, f| enclosed(node, matches!(node, Node::Or(_)), f)),
            Node::Or(nodes) => separated(nodes, " OR ", f, |node, f| node.fmt(f)),
        }
    }
}

fn enclosed(node: &Node, in_parentheses: bool, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if in_parentheses { write!(f, "({node})") } else { node.fmt(f) }
}

fn separated<T>(
    items: &[T],
    by: &str,
    f: &mut fmt::Formatter<'_>,
    write: impl Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_str(by)?;
        }
        write(item, f)?;
    }
    Ok(())
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.subject, self.check)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Field(names) => separated(names, ".", f, |name, f| match is_plain(name) {
                true => f.write_str(name),
                false => write!(f, "`{}`", name.replace('`', "``")),
            }),
            Subject::Key => f.write_str("@key"),
            Subject::Time => f.write_str("@time"),
        }
    }
}

/// Whether a name needs no quotes.
fn is_plain(name: &str) -> bool {
    lex::is_name(name) && !RESERVED.iter().any(|word| word.eq_ignore_ascii_case(name))
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Check::Compare(comparison, value) => write!(f, "{} {value}", comparison.names().0),
            Check::Between(low, high) => write!(f, "BETWEEN {low} AND {high}"),
            Check::In(values) => list("IN", values, f),
            Check::NotIn(values) => list("NOT IN", values, f),
            Check::Like(pattern) => write!(f, "LIKE {}", Quoted(pattern)),
            Check::NotLike(pattern) => write!(f, "NOT LIKE {}", Quoted(pattern)),
            Check::Contains(Quantifier::Any, values) => list("CONTAINS ANY", values, f),
            Check::Contains(Quantifier::All, values) => list("CONTAINS ALL", values, f),
            Check::Contains(Quantifier::None, values) => list("CONTAINS NONE", values, f),
            Check::IsNull => f.write_str("IS NULL"),
            Check::IsNotNull => f.write_str("IS NOT NULL"),
            Check::IsMissing => f.write_str("IS MISSING"),
            Check::IsPresent => f.write_str("IS NOT MISSING"),
        }
    }
}

fn list(operator: &str, values: &[Literal], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{operator} [")?;
    separated(values, ", ", f, |value, f| value.fmt(f))?;
    f.write_str("]")
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Bool(value) => value.fmt(f),
            Literal::Number(Number::Int(number)) => number.fmt(f),
            Literal::Number(Number::UInt(number)) => number.fmt(f),
            // With a point or an exponent, so that it is read back as a float.
            Literal::Number(Number::Float(number)) => write!(f, "{number:?}"),
            Literal::Text(text) => Quoted(text).fmt(f),
            Literal::Bytes(bytes) => {
                f.write_str("x'")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
                f.write_str("'")
            }
            Literal::Time(time) => match time::print(*time) {
                Some(text) => write!(f, "'{text}'"),
                None => time.0.fmt(f),
            },
            Literal::Now(0) => f.write_str("now()"),
            Literal::Now(micros) if *micros < 0 => {
                write!(f, "now() - '{}'", time::print_duration(micros.unsigned_abs()))
            }
            Literal::Now(micros) => write!(f, "now() + '{}'", time::print_duration(micros.unsigned_abs())),
        }
    }
}

/// A text in quotes.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.0.replace('\'', "''"))
    }
}
