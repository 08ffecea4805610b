//! A filter made ready to look at rows: times resolved, patterns taken apart, lists sorted.

use std::cmp::Ordering;

use super::like::Pattern;
use super::number::Number;
use super::share::Share;
use super::tree::{Check, Comparison, Filter, Literal, Node, Quantifier, Subject, Test};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::payload::Scalar;

/// A filter at one moment.
#[derive(Debug, Clone)]
pub(crate) enum Bound {
    Constant(bool),
    And(Vec<Bound>),
    Or(Vec<Bound>),
    Not(Box<Bound>),
    Test(Predicate),
    Share(Share),
}

/// Something said of one part of a record.
#[derive(Debug, Clone)]
pub(crate) struct Predicate {
    pub(crate) subject: Subject,
    pub(crate) condition: Condition,
}

/// What is said of it. Times are numbers here: microseconds since 1970.
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    Compare(Comparison, Literal),
    Between(Literal, Literal),
    In(Values),
    NotIn(Values),
    Like(Pattern),
    NotLike(Pattern),
    Contains(Quantifier, Values),
    IsNull,
    IsNotNull,
    IsMissing,
    IsPresent,
}

/// Values of a list, ascending, each once.
#[derive(Debug, Clone)]
pub(crate) struct Values {
    list: Vec<Literal>,
    /// A bit for the [`rank`] of each kind that is among them.
    kinds: u8,
}

impl Filter {
    /// The filter as it is at `now`.
    pub(crate) fn bind(&self, now: Timestamp) -> Result<Bound> {
        self.node().map(|node| Bound::new(node, now))
    }
}

impl Bound {
    /// Whether it asks for this part of a record.
    pub(crate) fn asks(&self, subject: &Subject) -> bool {
        match self {
            Bound::Constant(_) => false,
            Bound::And(parts) | Bound::Or(parts) => parts.iter().any(|part| part.asks(subject)),
            Bound::Not(inner) => inner.asks(subject),
            Bound::Test(predicate) => predicate.subject == *subject,
            Bound::Share(_) => *subject == Subject::Key,
        }
    }

    fn new(node: &Node, now: Timestamp) -> Bound {
        let all = |nodes: &[Node]| nodes.iter().map(|node| Bound::new(node, now)).collect();
        match node {
            Node::Constant(value) => Bound::Constant(*value),
            Node::And(nodes) => Bound::And(all(nodes)),
            Node::Or(nodes) => Bound::Or(all(nodes)),
            Node::Not(node) => Bound::Not(Box::new(Bound::new(node, now))),
            Node::Test(test) => Bound::Test(Predicate::new(test, now)),
        }
    }
}

impl Predicate {
    fn new(test: &Test, now: Timestamp) -> Predicate {
        let one = |literal: &Literal| literal.at(now);
        let list = |literals: &[Literal]| Values::new(literals.iter().map(one).collect());
        let condition = match &test.check {
            Check::Compare(comparison, value) => Condition::Compare(*comparison, one(value)),
            Check::Between(low, high) => Condition::Between(one(low), one(high)),
            Check::In(values) => Condition::In(list(values)),
            Check::NotIn(values) => Condition::NotIn(list(values)),
            Check::Like(pattern) => Condition::Like(Pattern::new(pattern)),
            Check::NotLike(pattern) => Condition::NotLike(Pattern::new(pattern)),
            Check::Contains(quantifier, values) => Condition::Contains(*quantifier, list(values)),
            Check::IsNull => Condition::IsNull,
            Check::IsNotNull => Condition::IsNotNull,
            Check::IsMissing => Condition::IsMissing,
            Check::IsPresent => Condition::IsPresent,
        };
        Predicate { subject: test.subject.clone(), condition }
    }
}

impl Values {
    fn new(mut values: Vec<Literal>) -> Values {
        let order = |a: &Literal, b: &Literal| a.compare(&b.as_scalar());
        values.sort_by(order);
        values.dedup_by(|b, a| order(a, b).is_eq());
        let kinds = values.iter().fold(0, |kinds, value| kinds | 1 << rank(&value.as_scalar()));
        Values { list: values, kinds }
    }

    pub(crate) fn as_slice(&self) -> &[Literal] {
        &self.list
    }

    /// Which of the values `found` is.
    pub(crate) fn position(&self, found: &Scalar<'_>) -> Option<usize> {
        if !self.have_kind_of(found) {
            return None;
        }
        self.list.binary_search_by(|value| value.compare(found)).ok()
    }

    /// Whether one of the values is of the kind of `found`, or there are none.
    pub(crate) fn include_kind_of(&self, found: &Scalar<'_>) -> bool {
        self.list.is_empty() || self.have_kind_of(found)
    }

    fn have_kind_of(&self, found: &Scalar<'_>) -> bool {
        self.kinds & 1 << rank(found) != 0
    }
}

impl Literal {
    /// The value at `now`: of times, their microseconds.
    fn at(&self, now: Timestamp) -> Literal {
        match self {
            Literal::Time(time) => Literal::Number(Number::Int(time.0)),
            Literal::Now(micros) => Literal::Number(Number::Int(now.0.saturating_add(*micros))),
            value => value.clone(),
        }
    }

    /// The value, as it would be found in a payload.
    pub(crate) fn as_scalar(&self) -> Scalar<'_> {
        match self {
            Literal::Bool(value) => Scalar::Bool(*value),
            Literal::Number(Number::Int(number)) => Scalar::Int(*number),
            Literal::Number(Number::UInt(number)) => Scalar::UInt(*number),
            Literal::Number(Number::Float(number)) => Scalar::Float(*number),
            Literal::Text(text) => Scalar::Text(text),
            Literal::Bytes(bytes) => Scalar::Bytes(bytes),
            Literal::Time(time) => Scalar::Int(time.0),
            Literal::Now(micros) => Scalar::Int(*micros),
        }
    }

    /// Its place before or behind `found` in an order of all values: by kind, then by value.
    fn compare(&self, found: &Scalar<'_>) -> Ordering {
        order(&self.as_scalar(), found)
    }

    /// How `found` compares with it; `None` for another kind.
    pub(crate) fn order_of(&self, found: &Scalar<'_>) -> Option<Ordering> {
        compare(found, &self.as_scalar())
    }
}

/// The order of two values of one kind; `None` for values of two kinds.
fn compare(a: &Scalar<'_>, b: &Scalar<'_>) -> Option<Ordering> {
    match (a, b) {
        (Scalar::Bool(a), Scalar::Bool(b)) => Some(a.cmp(b)),
        (Scalar::Text(a), Scalar::Text(b)) => Some(a.cmp(b)),
        (Scalar::Bytes(a), Scalar::Bytes(b)) => Some(a.cmp(b)),
        _ => Some(Number::of(a)?.compare(Number::of(b)?)),
    }
}

/// An order of all values: by kind, then by value.
pub(crate) fn order(a: &Scalar<'_>, b: &Scalar<'_>) -> Ordering {
    rank(a).cmp(&rank(b)).then_with(|| compare(a, b).unwrap_or(Ordering::Equal))
}

/// A number for each kind; what cannot be compared is of a kind of its own.
pub(crate) fn rank(value: &Scalar<'_>) -> u8 {
    match value {
        Scalar::Bool(_) => 0,
        Scalar::Int(_) | Scalar::UInt(_) | Scalar::Float(_) => 1,
        Scalar::Text(_) => 2,
        Scalar::Bytes(_) => 3,
        Scalar::Null | Scalar::Blob | Scalar::Array | Scalar::Object => 4,
    }
}
