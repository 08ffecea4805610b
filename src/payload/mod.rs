//! Payloads: what a record carries beside its vector, a tree of values like JSON with bytes and blobs added.
//!
//! `stored` holds the stored layout and reads it back, `json` the text form, `field` the types that a schema declares.

mod field;
mod json;
mod stored;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::error::{Error, Result};

pub use field::FieldType;
pub(crate) use stored::{Malformed, Scalar, View, blobs, decode, encode};

/// How many arrays and objects may stand inside one another in a payload.
pub const MAX_DEPTH: usize = 64;

/// The most bytes a payload may take when stored. Larger things are kept as blobs, and the payload names them.
pub const MAX_PAYLOAD_BYTES: usize = 16 * 1024 * 1024;

/// The only field of an object that stands for bytes in JSON.
const BYTES_FIELD: &str = "$bytes";
/// The only field of an object that stands for a blob in JSON.
const BLOB_FIELD: &str = "$blob";

/// A payload, or a part of one: JSON's values, and beside them bytes and blobs.
///
/// Build one with [`json!`](crate::json), with [`Value::object`], or from JSON text with [`Value::from_json`]. Where a
/// method takes `impl Into<Value>`, plain Rust values and `serde_json` values do as well.
///
/// Two values are equal when they are stored alike, so `Int(1)` is not `Float(1.0)`. A payload nests at most
/// [`MAX_DEPTH`] deep and takes at most [`MAX_PAYLOAD_BYTES`] when stored; what is over a limit is refused when it is
/// put, and so is a `Float` that is not finite. Values converted from JSON never nest much deeper than the limit,
/// whatever the JSON does. Like any tree in Rust, one that was nested by hand many thousand levels deep can exhaust the
/// stack when it is cloned, compared or dropped.
///
/// ```
/// use driftline::{Value, json};
///
/// let payload = Value::from(json!({ "lang": "en", "price": 12 }));
/// assert_eq!(payload.get("price"), Some(&Value::Int(12)));
/// assert_eq!(payload, Value::object([("lang", "en".into()), ("price", 12.into())]));
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// An integer above [`i64::MAX`]; a smaller one is stored as, and comes back as, `Int`.
    UInt(u64),
    /// A finite number.
    Float(f64),
    /// A text.
    Text(String),
    /// Bytes; in JSON `{"$bytes": "<base64>"}`.
    Bytes(Vec<u8>),
    /// Values in order.
    Array(Vec<Value>),
    /// Values by name.
    Object(BTreeMap<String, Value>),
    /// The name of a blob in the same store; in JSON `{"$blob": "<64 hexadecimal digits>"}`.
    Blob(BlobId),
}

impl Value {
    /// An object of these fields; of two fields with one name the later counts.
    pub fn object<N: Into<String>>(fields: impl IntoIterator<Item = (N, Value)>) -> Value {
        Value::Object(fields.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }

    /// The field `name`, when this is an object that has it.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.as_object()?.get(name)
    }

    /// Whether this is `Null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The truth value, when this is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The integer, when this is one that fits.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Int(value) => Some(*value),
            Value::UInt(value) => i64::try_from(*value).ok(),
            _ => None,
        }
    }

    /// The integer, when this is one that is not negative.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Value::Int(value) => u64::try_from(*value).ok(),
            Value::UInt(value) => Some(*value),
            _ => None,
        }
    }

    /// The number, when this is one; integers beyond 2^53 are rounded.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Int(value) => Some(*value as f64),
            Value::UInt(value) => Some(*value as f64),
            Value::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// The text, when this is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(value) => Some(value),
            _ => None,
        }
    }

    /// The bytes, when these are bytes.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Bytes(value) => Some(value),
            _ => None,
        }
    }

    /// The elements, when this is an array.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Value::Array(values) => Some(values),
            _ => None,
        }
    }

    /// The fields, when this is an object.
    pub fn as_object(&self) -> Option<&BTreeMap<String, Value>> {
        match self {
            Value::Object(fields) => Some(fields),
            _ => None,
        }
    }

    /// The blob named here, when this names one.
    pub fn as_blob(&self) -> Option<BlobId> {
        match self {
            Value::Blob(blob) => Some(*blob),
            _ => None,
        }
    }

    /// Changes this value as `patch` says, by the rules of JSON Merge Patch (RFC 7396).
    ///
    /// An object changes the fields it names and leaves the others; a field of `Null` removes the field of that name.
    /// Anything else, arrays included, replaces what was there. So a patch cannot store a `Null` inside an object,
    /// and cannot change one element of an array.
    ///
    /// ```
    /// use driftline::{Value, json};
    ///
    /// let mut payload = Value::from(json!({ "lang": "en", "price": { "net": 10, "gross": 12 } }));
    /// payload.merge(json!({ "lang": null, "price": { "gross": 13 } }).into());
    /// assert_eq!(payload, json!({ "price": { "net": 10, "gross": 13 } }).into());
    /// ```
    pub fn merge(&mut self, patch: Value) {
        // A list of what is left to do instead of recursion, since a patch may be nested deeper than the stack is.
        let mut pending = vec![(self, patch)];
        while let Some((target, patch)) = pending.pop() {
            match patch {
                Value::Object(changes) => pending.extend(merge_fields(target, changes)),
                other => *target = other,
            }
        }
    }
}

/// Makes `target` an object with the fields `changes` leaves it, and returns what remains to be merged into them.
fn merge_fields(target: &mut Value, mut changes: BTreeMap<String, Value>) -> Vec<(&mut Value, Value)> {
    if !matches!(target, Value::Object(_)) {
        *target = Value::Object(BTreeMap::new());
    }
    let Value::Object(fields) = target else { return Vec::new() };
    changes.retain(|name, change| {
        if change.is_null() {
            fields.remove(name);
        } else if !fields.contains_key(name) {
            fields.insert(name.clone(), Value::Null);
        }
        !change.is_null()
    });
    fields.iter_mut().filter_map(|(name, field)| Some((field, changes.remove(name)?))).collect()
}

/// The error for a payload that is nested too deeply.
fn too_deep() -> Error {
    Error::invalid(format!("the payload nests deeper than {MAX_DEPTH} levels"))
        .mend("flatten it, or store the inner part as text")
}

/// As JSON; `{:#}` breaks it into lines.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_json().fmt(f)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Int(value)
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Value {
        Value::Int(value.into())
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Value {
        Value::Int(value.into())
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Value {
        i64::try_from(value).map_or(Value::UInt(value), Value::Int)
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Value {
        Value::from(value as u64)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Value {
        Value::Float(value)
    }
}

impl From<f32> for Value {
    fn from(value: f32) -> Value {
        Value::Float(value.into())
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Value {
        Value::Text(value.into())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Value {
        Value::Text(value)
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Value {
        Value::Bytes(value.into())
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Value {
        Value::Bytes(value)
    }
}

impl From<Vec<Value>> for Value {
    fn from(values: Vec<Value>) -> Value {
        Value::Array(values)
    }
}

impl From<BTreeMap<String, Value>> for Value {
    fn from(fields: BTreeMap<String, Value>) -> Value {
        Value::Object(fields)
    }
}

impl From<BlobId> for Value {
    fn from(blob: BlobId) -> Value {
        Value::Blob(blob)
    }
}

/// `None` is `Null`.
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

/// The name of a blob: the SHA-256 of its content, so equal contents have one name and are stored once.
///
/// `Display` writes 64 hexadecimal digits and `FromStr` reads them, in either case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId(pub [u8; 32]);

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobId({self})")
    }
}

impl FromStr for BlobId {
    type Err = Error;

    fn from_str(text: &str) -> Result<BlobId> {
        let refuse = || Error::invalid(format!("{text:?} names no blob")).mend("give its 64 hexadecimal digits");
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return Err(refuse());
        }
        let mut id = [0; 32];
        for (byte, [high, low]) in id.iter_mut().zip(pairs) {
            let digit = |digit: u8| char::from(digit).to_digit(16).ok_or_else(refuse);
            *byte = (digit(*high)? * 16 + digit(*low)?) as u8;
        }
        Ok(BlobId(id))
    }
}

/// As its hexadecimal digits.
impl Serialize for BlobId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// Values that can be stored: finite, not too deep, `UInt` only where `Int` cannot hold it.
    pub(crate) fn storable() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            prop::num::f64::NORMAL.prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
            prop::collection::vec(any::<u8>(), 0..8).prop_map(Value::from),
            any::<[u8; 32]>().prop_map(|id| Value::Blob(BlobId(id))),
        ];
        scalar.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(".{0,5}", inner, 0..6).prop_map(Value::from),
            ]
        })
    }

    /// `levels` objects inside one another, each with the one field `a`.
    pub(crate) fn nested_objects(levels: usize) -> Value {
        (0..levels).fold(Value::Null, |inner, _| Value::object([("a", inner)]))
    }

    /// Drops a tree too deep for recursion.
    pub(crate) fn dismantle(value: Value) {
        let mut pending = vec![value];
        while let Some(value) = pending.pop() {
            match value {
                Value::Array(values) => pending.extend(values),
                Value::Object(fields) => pending.extend(fields.into_values()),
                _ => {}
            }
        }
    }

    fn merged(target: serde_json::Value, patch: serde_json::Value) -> serde_json::Value {
        let mut target = Value::from(target);
        target.merge(patch.into());
        target.to_json()
    }

    #[test]
    fn merging_follows_the_examples_of_rfc_7396() {
        // Appendix A of the RFC: target, patch, result.
        let cases = [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ];
        for (target, patch, result) in cases {
            assert_eq!(merged(target.clone(), patch.clone()), result, "{target} changed by {patch}");
        }
    }

    #[test]
    fn merging_survives_any_depth() {
        let mut target = nested_objects(100_000);
        let mut patch = Value::Int(7);
        for _ in 0..100_000 {
            patch = Value::object([("a", patch)]);
        }
        target.merge(patch);
        let mut inner = &target;
        while let Some(next) = inner.get("a") {
            inner = next;
        }
        assert_eq!(inner, &Value::Int(7));
        dismantle(target);
    }

    proptest! {
        #[test]
        fn merging_a_value_without_nulls_into_nothing_gives_that_value(value in storable()) {
            fn without_nulls(value: Value) -> Value {
                match value {
                    Value::Object(fields) => Value::Object(
                        fields.into_iter().filter(|(_, v)| !v.is_null()).map(|(n, v)| (n, without_nulls(v))).collect(),
                    ),
                    other => other,
                }
            }
            let mut target = Value::Null;
            target.merge(value.clone());
            prop_assert_eq!(target, without_nulls(value));
        }
    }

    #[test]
    fn numbers_go_where_they_fit() {
        assert_eq!(Value::from(7u64), Value::Int(7));
        assert_eq!(Value::from(u64::MAX), Value::UInt(u64::MAX));
        assert_eq!(Value::from(u64::MAX).as_i64(), None);
        assert_eq!(Value::from(-1).as_u64(), None);
        assert_eq!(Value::from(3).as_f64(), Some(3.0));
        assert_ne!(Value::Int(1), Value::Float(1.0));
        assert_eq!(Value::from(None::<i64>), Value::Null);
    }

    #[test]
    fn a_blob_is_read_from_its_digits_only() {
        let id = BlobId(std::array::from_fn(|index| (index * 7) as u8));
        assert_eq!(id.to_string().parse::<BlobId>().unwrap(), id);
        assert_eq!(id.to_string().to_uppercase().parse::<BlobId>().unwrap(), id);
        for text in ["", "00", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64), &"+1".repeat(32), &"é".repeat(32)] {
            assert!(text.parse::<BlobId>().is_err(), "{text}");
        }
    }
}
