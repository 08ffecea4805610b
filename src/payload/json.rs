//! JSON in and out of payloads.
//!
//! JSON has no bytes and no blobs. They are written as objects of one field, `{"$bytes": "<base64>"}` and
//! `{"$blob": "<hex>"}`, and such objects are read back as what they stand for. An object whose only field has one of
//! these names and something else in it cannot be stored (see `encode`), so what can be stored survives the way
//! through JSON unchanged.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error as _;
use serde::ser::{Error as _, SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;

use super::{BLOB_FIELD, BYTES_FIELD, MAX_DEPTH, Value, too_deep};
use crate::error::{Error, Result};

impl Value {
    /// Reads JSON text. Of two fields with one name the later counts.
    ///
    /// Whole numbers become `Int`, or `UInt` above [`i64::MAX`]; numbers with a fraction or an exponent, and whole
    /// ones that fit neither, become `Float`.
    pub fn from_json(text: &str) -> Result<Value> {
        let json = serde_json::from_str(text).map_err(|error| {
            Error::invalid(format!("not readable as JSON: {error}"))
                .mend(format!("mend the text; numbers must fit 64 bits, nesting at most {MAX_DEPTH} levels"))
        })?;
        let mut conversion = Conversion { cut: false };
        let value = conversion.value(json, 0);
        if conversion.cut { Err(too_deep()) } else { Ok(value) }
    }

    /// The value as JSON. `Null` stands for what cannot be stored: a whole tree nested deeper than [`MAX_DEPTH`], a
    /// number that is not finite.
    pub fn to_json(&self) -> Json {
        serde_json::to_value(self).unwrap_or(Json::Null)
    }
}

/// Never fails and never exhausts the stack: a tree nested deeper than [`MAX_DEPTH`] is cut one level below that, so
/// that it is still too deep and is refused when it is put.
impl From<Json> for Value {
    fn from(json: Json) -> Value {
        Conversion { cut: false }.value(json, 0)
    }
}

/// As from JSON text; fails when the tree nests deeper than [`MAX_DEPTH`].
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        let mut conversion = Conversion { cut: false };
        let value = conversion.value(Json::deserialize(deserializer)?, 0);
        if conversion.cut { Err(D::Error::custom(too_deep())) } else { Ok(value) }
    }
}

/// Remembers whether something had to be cut off.
struct Conversion {
    cut: bool,
}

impl Conversion {
    /// Converts what stands inside `depth` arrays and objects.
    fn value(&mut self, json: Json, depth: usize) -> Value {
        match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(value),
            Json::Number(number) => from_number(&number),
            Json::String(text) => Value::Text(text),
            Json::Object(fields) if let Some(value) = stand_in(&fields) => value,
            too_deep if depth == MAX_DEPTH => {
                self.cut = true;
                dismantle(too_deep);
                Value::Array(Vec::new())
            }
            Json::Array(values) => Value::Array(values.into_iter().map(|value| self.value(value, depth + 1)).collect()),
            Json::Object(fields) => {
                Value::Object(fields.into_iter().map(|(name, value)| (name, self.value(value, depth + 1))).collect())
            }
        }
    }
}

fn from_number(number: &serde_json::Number) -> Value {
    match (number.as_i64(), number.as_u64()) {
        (Some(value), _) => Value::Int(value),
        (None, Some(value)) => Value::UInt(value),
        // Another crate may switch on `serde_json`'s numbers of any size; what f64 cannot hold is refused when put.
        (None, None) => Value::Float(number.as_f64().unwrap_or(f64::INFINITY)),
    }
}

/// The bytes or the blob an object of one field stands for.
fn stand_in(fields: &serde_json::Map<String, Json>) -> Option<Value> {
    if fields.len() != 1 {
        return None;
    }
    match fields.iter().next()? {
        (name, Json::String(text)) if name == BYTES_FIELD => STANDARD.decode(text).ok().map(Value::Bytes),
        (name, Json::String(text)) if name == BLOB_FIELD => text.parse().ok().map(Value::Blob),
        _ => None,
    }
}

/// Drops a tree without recursion.
fn dismantle(json: Json) {
    let mut pending = vec![json];
    while let Some(json) = pending.pop() {
        match json {
            Json::Array(values) => pending.extend(values),
            Json::Object(fields) => pending.extend(fields.into_iter().map(|(_, value)| value)),
            _ => {}
        }
    }
}

/// As in JSON; fails when the tree nests deeper than [`MAX_DEPTH`].
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Nested { value: self, depth: 0 }.serialize(serializer)
    }
}

/// A value inside `depth` arrays and objects.
struct Nested<'a> {
    value: &'a Value,
    depth: usize,
}

impl Serialize for Nested<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let inner = |value| Nested { value, depth: self.depth + 1 };
        match self.value {
            Value::Array(_) | Value::Object(_) if self.depth == MAX_DEPTH => Err(S::Error::custom(too_deep())),
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Int(value) => serializer.serialize_i64(*value),
            Value::UInt(value) => serializer.serialize_u64(*value),
            Value::Float(value) => serializer.serialize_f64(*value),
            Value::Text(value) => serializer.serialize_str(value),
            Value::Bytes(value) => one_field(serializer, BYTES_FIELD, &STANDARD.encode(value)),
            Value::Blob(value) => one_field(serializer, BLOB_FIELD, value),
            Value::Array(values) => {
                let mut sequence = serializer.serialize_seq(Some(values.len()))?;
                values.iter().try_for_each(|value| sequence.serialize_element(&inner(value)))?;
                sequence.end()
            }
            Value::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                fields.iter().try_for_each(|(name, value)| map.serialize_entry(name, &inner(value)))?;
                map.end()
            }
        }
    }
}

fn one_field<S: Serializer>(serializer: S, name: &str, value: &impl Serialize) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(name, value)?;
    map.end()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{dismantle as dismantle_value, nested_objects, storable};
    use super::super::{BlobId, encode};
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    proptest! {
        #[test]
        fn what_can_be_stored_survives_json(value in storable()) {
            prop_assume!(encode(&value).is_ok());
            prop_assert_eq!(&Value::from_json(&value.to_string()).unwrap(), &value);
            prop_assert_eq!(Value::from(value.to_json()), value);
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,60}") {
            let _ = Value::from_json(&text);
        }
    }

    #[test]
    fn numbers_keep_their_kind() {
        let cases = [
            ("0", Value::Int(0)),
            ("-9223372036854775808", Value::Int(i64::MIN)),
            ("9223372036854775807", Value::Int(i64::MAX)),
            ("9223372036854775808", Value::UInt(1 << 63)),
            ("18446744073709551615", Value::UInt(u64::MAX)),
            ("18446744073709551616", Value::Float(18446744073709551616.0)),
            ("1.0", Value::Float(1.0)),
            ("1e2", Value::Float(100.0)),
            ("5e-324", Value::Float(5e-324)),
            ("4.923544375639076e-57", Value::Float(4.923544375639076e-57)),
        ];
        for (text, value) in cases {
            assert_eq!(Value::from_json(text).unwrap(), value, "{text}");
        }
    }

    #[test]
    fn bytes_and_blobs_are_objects_of_exactly_one_field() {
        let blob = BlobId([0xAB; 32]);
        assert_eq!(Value::Bytes(vec![104, 105]).to_json(), json!({"$bytes": "aGk="}));
        assert_eq!(Value::Blob(blob).to_json(), json!({"$blob": "ab".repeat(32)}));
        assert_eq!(Value::from(json!({"$bytes": ""})), Value::Bytes(Vec::new()));
        let two = json!({"$bytes": "aGk=", "b": 1});
        assert_eq!(Value::from(two.clone()).to_json(), two);
        for not_one in [json!({"$bytes": "aGk"}), json!({"$bytes": 5}), json!({"$blob": "ab"}), json!({"$blob": null})]
        {
            let value = Value::from(not_one.clone());
            assert_eq!(value.to_json(), not_one);
            assert!(encode(&value).unwrap_err().to_string().contains("$b"), "{not_one}");
        }
    }

    #[test]
    fn errors_name_the_place() {
        let error = Value::from_json("{\"a\":\n  oops}").unwrap_err().to_string();
        assert!(error.contains("line 2 column"), "{error}");
        let error = Value::from_json("1e400").unwrap_err().to_string();
        assert!(error.contains("out of range at line 1"), "{error}");
        let error = Value::from_json(&"[".repeat(1_000_000)).unwrap_err().to_string();
        assert!(error.contains("column 128") && error.contains("64 levels"), "{error}");
    }

    #[test]
    fn the_depth_limit_is_exact() {
        let text = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        let deepest = Value::from_json(&text(MAX_DEPTH)).unwrap();
        assert!(encode(&deepest).is_ok());
        assert_eq!(deepest.to_string(), text(MAX_DEPTH));
        let error = Value::from_json(&text(MAX_DEPTH + 1)).unwrap_err().to_string();
        assert!(error.contains("64 levels"), "{error}");
    }

    #[test]
    fn json_of_any_depth_is_refused_when_put_and_never_overflows() {
        for levels in [MAX_DEPTH + 1, 10_000, 1_000_000] {
            let arrays = (0..levels).fold(json!(1), |inner, _| Json::Array(vec![inner]));
            let objects =
                (0..levels).fold(json!(1), |inner, _| Json::Object([("a".to_string(), inner)].into_iter().collect()));
            for json in [arrays, objects] {
                let value = Value::from(json);
                let error = encode(&value).unwrap_err().to_string();
                assert!(error.contains("64 levels"), "{error}");
            }
        }
    }

    #[test]
    fn a_value_of_any_depth_prints_without_overflow() {
        let value = nested_objects(100_000);
        assert_eq!(value.to_string(), "null");
        assert!(serde_json::to_string(&value).is_err());
        dismantle_value(value);
    }
}
