//! Stored payloads: one value has one layout, and every way of reading it tells the same.

use super::Seed;
use crate::payload::{self, BlobId, Value, View};

/// Reads `data` as a stored payload.
pub fn payload(data: &[u8]) {
    let fields = ["", "name", "price", "tags", "\u{e9}"];
    // One field is found without the rest being checked; here it only must not panic.
    for name in fields {
        let _ = View::new(data).field(name).map(|field| field.map(|field| field.value()));
    }
    let blobs = payload::blobs(data);
    let Ok(value) = payload::decode(data) else { return };

    assert_eq!(payload::encode(&value).as_deref().ok(), Some(data), "a value has one layout");
    assert_eq!(Value::from(value.to_json()), value, "JSON carries every value");
    assert_eq!(blobs, Ok(blobs_in(&value)), "blobs are found without decoding");
    let known = value.as_object().into_iter().flat_map(|object| object.keys().map(String::as_str));
    for name in fields.into_iter().chain(known) {
        let found = View::new(data).field(name).map(|field| field.map(|field| field.value()));
        assert_eq!(found, Ok(value.get(name).cloned().map(Ok)), "field {name:?} is the one that decoding finds");
    }
}

fn blobs_in(value: &Value) -> Vec<BlobId> {
    match value {
        Value::Blob(blob) => vec![*blob],
        Value::Array(values) => values.iter().flat_map(blobs_in).collect(),
        Value::Object(fields) => fields.values().flat_map(blobs_in).collect(),
        _ => Vec::new(),
    }
}

pub(super) fn seeds() -> Vec<Seed> {
    let nested = (0..payload::MAX_DEPTH).fold(Value::Null, |inside, _| Value::from(vec![inside]));
    let record = Value::object([
        ("name", Value::from("cup, blue")),
        ("price", Value::from(12.5)),
        ("stock", Value::from(-3)),
        ("views", Value::from(u64::MAX)),
        ("sold", Value::from(false)),
        ("note", Value::Null),
        ("tags", Value::from(vec![Value::from("kitchen"), Value::from(true), Value::from(Vec::<Value>::new())])),
        ("raw", Value::from(vec![0u8, 255, 1])),
        ("picture", Value::from(BlobId([7; 32]))),
        ("size", Value::object([("\u{e9}", Value::from(1)), ("", Value::from(2))])),
    ]);
    let values = [("null", Value::Null), ("text", Value::from("caf\u{e9}")), ("record", record), ("deepest", nested)];
    let seed = |(name, value)| payload::encode(&value).ok().map(|bytes| Seed { name, bytes });
    values.into_iter().filter_map(seed).collect()
}
