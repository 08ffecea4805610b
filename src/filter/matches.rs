//! Whether a row passes, found by reading only the fields that are asked for.

use super::bound::{Bound, Condition, Predicate, Values};
use super::tree::{Quantifier, Subject};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::key::KeyView;
use crate::payload::{Malformed, Scalar, View};

/// The parts of a row that a filter may ask for, as they are stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) created: Timestamp,
    pub(crate) payload: &'a [u8],
}

impl Bound {
    /// Whether `row` passes; an error means that its stored bytes are damaged.
    pub(crate) fn matches(&self, row: &Row<'_>) -> Result<bool> {
        match self {
            Bound::Constant(value) => Ok(*value),
            Bound::Not(inner) => inner.matches(row).map(|passes| !passes),
            Bound::Test(predicate) => predicate.matches(row),
            Bound::Share(share) => Ok(share.holds(row.key)),
            Bound::And(parts) => Ok(!one_of(parts, |part| part.matches(row).map(|passes| !passes))?),
            Bound::Or(parts) => one_of(parts, |part| part.matches(row)),
        }
    }
}

/// Whether `holds` says yes to one of `parts`, without asking on behind it.
fn one_of(parts: &[Bound], holds: impl Fn(&Bound) -> Result<bool>) -> Result<bool> {
    for part in parts {
        if holds(part)? {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Predicate {
    fn matches(&self, row: &Row<'_>) -> Result<bool> {
        match &self.subject {
            Subject::Key => Ok(self.condition.holds(&key_of(row.key)?)),
            Subject::Time => Ok(self.condition.holds(&Scalar::Int(row.created.0))),
            Subject::Field(path) => Ok(self.matches_field(View::new(row.payload).at(path)?)?),
        }
    }

    /// Whether the predicate holds of a field; `None` is one that is missing.
    pub(crate) fn matches_field(&self, field: Option<View<'_>>) -> Result<bool, Malformed> {
        let Some(view) = field else { return Ok(matches!(self.condition, Condition::IsMissing)) };
        match (view.scalar()?, &self.condition) {
            (Scalar::Array, Condition::Contains(quantifier, values)) => quantifier.holds(values, view),
            (scalar, condition) => Ok(condition.holds(&scalar)),
        }
    }
}

fn key_of(stored: &[u8]) -> Result<Scalar<'_>> {
    match KeyView::decode(stored) {
        Some(KeyView::Number(number)) => Ok(i64::try_from(number).map_or(Scalar::UInt(number), Scalar::Int)),
        Some(KeyView::Text(text)) => Ok(Scalar::Text(text)),
        Some(KeyView::Bytes(bytes)) => Ok(Scalar::Bytes(bytes)),
        None => Err(Error::corrupt("a stored key is damaged", "a row that was filtered")),
    }
}

impl Condition {
    /// Whether it holds of what is there.
    pub(crate) fn holds(&self, found: &Scalar<'_>) -> bool {
        match self {
            Condition::Compare(comparison, value) => value.order_of(found).is_some_and(|order| comparison.holds(order)),
            Condition::Between(low, high) => {
                low.order_of(found).is_some_and(|order| order.is_ge())
                    && high.order_of(found).is_some_and(|order| order.is_le())
            }
            Condition::In(values) => values.position(found).is_some(),
            Condition::NotIn(values) => {
                *found != Scalar::Null && values.include_kind_of(found) && values.position(found).is_none()
            }
            Condition::Like(pattern) => matches!(found, Scalar::Text(text) if pattern.matches(text)),
            Condition::NotLike(pattern) => matches!(found, Scalar::Text(text) if !pattern.matches(text)),
            Condition::Contains(..) | Condition::IsMissing => false,
            Condition::IsNull => *found == Scalar::Null,
            Condition::IsNotNull => *found != Scalar::Null,
            Condition::IsPresent => true,
        }
    }
}

impl Quantifier {
    /// Whether so many of `values` are in `array`.
    fn holds(self, values: &Values, array: View<'_>) -> Result<bool, Malformed> {
        // Only of what is in the array, which may be much shorter than the list.
        let mut seen = Vec::new();
        for element in array.elements()? {
            let Some(place) = values.position(&element?.scalar()?) else { continue };
            if self != Quantifier::All {
                return Ok(self == Quantifier::Any);
            }
            seen.push(place);
        }
        seen.sort_unstable();
        seen.dedup();
        Ok(match self {
            Quantifier::Any => false,
            Quantifier::All => seen.len() == values.as_slice().len(),
            Quantifier::None => true,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use proptest::prelude::*;

    use super::super::number::Number;
    use super::super::tests::{filters, keys, payloads};
    use super::super::tree::{Check, Filter, Literal, Node, Test};
    use super::super::{field, like, time};
    use super::*;
    use crate::key::Key;
    use crate::payload::{Value, encode};

    const NOW: Timestamp = Timestamp(1_769_860_800_000_000);

    /// What a filter means, said once more over decoded values and without any preparation.
    fn naive(node: &Node, key: &Key, created: Timestamp, payload: &Value) -> bool {
        match node {
            Node::Constant(value) => *value,
            Node::And(nodes) => nodes.iter().all(|node| naive(node, key, created, payload)),
            Node::Or(nodes) => nodes.iter().any(|node| naive(node, key, created, payload)),
            Node::Not(node) => !naive(node, key, created, payload),
            Node::Test(Test { subject, check }) => {
                let found = match subject {
                    Subject::Key => match (key.as_number(), key.as_text(), key.as_bytes()) {
                        (Some(number), ..) => Some(Value::from(number)),
                        (_, Some(text), _) => Some(Value::from(text)),
                        (.., bytes) => bytes.map(Value::from),
                    },
                    Subject::Time => Some(Value::Int(created.0)),
                    Subject::Field(path) => path.iter().try_fold(payload, |value, name| value.get(name)).cloned(),
                };
                naive_check(check, found.as_ref())
            }
        }
    }

    fn naive_check(check: &Check, found: Option<&Value>) -> bool {
        let Some(found) = found else { return *check == Check::IsMissing };
        let order = |literal: &Literal| naive_order(found, literal);
        let equal = |value: &Value, literal: &Literal| naive_order(value, literal) == Some(Ordering::Equal);
        let is_in = |list: &[Literal]| list.iter().any(|literal| equal(found, literal));
        match check {
            Check::Compare(comparison, value) => order(value).is_some_and(|order| comparison.holds(order)),
            Check::Between(low, high) => {
                order(low).is_some_and(Ordering::is_ge) && order(high).is_some_and(Ordering::is_le)
            }
            Check::In(list) => is_in(list),
            Check::NotIn(list) => {
                let comparable = list.is_empty() || list.iter().any(|literal| order(literal).is_some());
                !found.is_null() && comparable && !is_in(list)
            }
            Check::Like(pattern) => found.as_text().is_some_and(|text| like::Pattern::new(pattern).matches(text)),
            Check::NotLike(pattern) => found.as_text().is_some_and(|text| !like::Pattern::new(pattern).matches(text)),
            Check::Contains(quantifier, list) => found.as_array().is_some_and(|array| {
                let mut held = list.iter().map(|literal| array.iter().any(|element| equal(element, literal)));
                match quantifier {
                    Quantifier::Any => held.any(|held| held),
                    Quantifier::All => held.all(|held| held),
                    Quantifier::None => !held.any(|held| held),
                }
            }),
            Check::IsNull => found.is_null(),
            Check::IsNotNull => !found.is_null(),
            Check::IsMissing => false,
            Check::IsPresent => true,
        }
    }

    fn naive_order(found: &Value, literal: &Literal) -> Option<Ordering> {
        match (found, literal) {
            (Value::Bool(a), Literal::Bool(b)) => Some(a.cmp(b)),
            (Value::Text(a), Literal::Text(b)) => Some(a.cmp(b)),
            (Value::Bytes(a), Literal::Bytes(b)) => Some(a.cmp(b)),
            (Value::Int(a), Literal::Time(b)) => Some(a.cmp(&b.0)),
            (Value::Int(a), Literal::Now(b)) => Some(a.cmp(&(NOW.0 + b))),
            (Value::Int(a), Literal::Number(b)) => Some(Number::Int(*a).compare(*b)),
            (Value::UInt(a), Literal::Number(b)) => Some(Number::UInt(*a).compare(*b)),
            (Value::Float(a), Literal::Number(b)) => Some(Number::Float(*a).compare(*b)),
            _ => None,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]
        #[test]
        fn a_filter_means_over_stored_bytes_what_it_means_over_values(
            filter in filters(),
            payload in payloads(),
            key in keys(),
            created in prop_oneof![Just(NOW.0), any::<i64>(), NOW.0 - 800_000_000_000..NOW.0],
        ) {
            let created = Timestamp(created);
            let (stored_key, stored) = (key.encode(), encode(&payload).unwrap());
            let row = Row { key: &stored_key, created, payload: &stored };
            let expected = naive(filter.node().unwrap(), &key, created, &payload);
            prop_assert_eq!(filter.bind(NOW).unwrap().matches(&row).unwrap(), expected, "{} of {}", filter, payload);
        }

        #[test]
        fn damaged_bytes_pass_fail_or_are_an_error(filter in filters(), bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let row = Row { key: &bytes, created: NOW, payload: &bytes };
            let _ = filter.bind(NOW).unwrap().matches(&row);
        }
    }

    fn passes(filter: &str, payload: serde_json::Value) -> bool {
        let stored = encode(&Value::from(payload)).unwrap();
        let key = Key::from("sku-1").encode();
        let row = Row { key: &key, created: NOW, payload: &stored };
        Filter::parse(filter).unwrap().bind(NOW).unwrap().matches(&row).unwrap()
    }

    #[test]
    fn logic_has_two_values() {
        use serde_json::json;
        for (filter, payload, expected) in [
            ("a = 1", json!({}), false),
            ("a != 1", json!({}), false),
            ("not a = 1", json!({}), true),
            ("not a != 1", json!({}), true),
            ("a != 1", json!({"a": "x"}), false),
            ("a not in [1]", json!({"a": 2}), true),
            ("a not in [1]", json!({"a": null}), false),
            ("a not in []", json!({"a": "x"}), true),
            ("a not in []", json!({}), false),
            ("a is null", json!({"a": null}), true),
            ("a is null", json!({}), false),
            ("a is not null", json!({}), false),
            ("a is missing", json!({}), true),
            ("a is not missing", json!({"a": null}), true),
            ("a.b = 1", json!({"a": {"b": 1.0}}), true),
            ("a.b = 1", json!({"a": [{"b": 1}]}), false),
            ("a = 9007199254740993", json!({"a": 9007199254740992.0}), false),
            ("a < 18446744073709551615", json!({"a": 18446744073709551614u64}), true),
            ("a contains all [1, 2]", json!({"a": [2, 3, 1.0]}), true),
            ("a contains all [1, 2]", json!({"a": [2, 2]}), false),
            ("a contains all []", json!({"a": []}), true),
            ("a contains none [1]", json!({"a": 1}), false),
            ("a contains none [1]", json!({"a": [2]}), true),
            ("a between 2 and 1", json!({"a": 1}), false),
            ("a like '%b_d%'", json!({"a": "a bid"}), true),
            ("a not like 'x%'", json!({"a": 7}), false),
            ("@key like 'sku%' and @time <= now() and @time > now() - '1s'", json!({}), true),
        ] {
            assert_eq!(passes(filter, payload.clone()), expected, "{filter} of {payload}");
        }
    }

    #[test]
    fn now_is_when_the_filter_is_bound_and_saturates() {
        let filter = time().lt(i64::MAX).and(field("a").is_missing());
        let key = Key::from(1u64).encode();
        let stored = encode(&Value::Null).unwrap();
        let row = Row { key: &key, created: Timestamp(5), payload: &stored };
        assert!(filter.bind(NOW).unwrap().matches(&row).unwrap());
        let early = Filter::parse("@time < now() - '1d'").unwrap().bind(Timestamp(i64::MIN)).unwrap();
        assert!(!early.matches(&row).unwrap());
    }
}
