//! One value has one layout, and no bytes whatever break the reader.

use super::super::tests::{dismantle, nested_objects, storable};
use super::encode::is_reserved;
use super::*;
use crate::error::{Error, ErrorKind};
use crate::payload::{BlobId, MAX_DEPTH, MAX_PAYLOAD_BYTES, Value};
use proptest::prelude::*;
use serde_json::json;

fn sample() -> Value {
    let mut value = Value::from(json!({
        "lang": "en", "price": 12, "tags": ["a", null, true, {"deep": [1.5, -2]}], "": {}, "ü": "ö", "list": [],
    }));
    value.merge(Value::object([("raw", vec![0u8, 255].into()), ("file", BlobId([7; 32]).into())]));
    value.merge(Value::object([("huge", u64::MAX.into())]));
    value
}

/// Every blob in a value, in stored order.
fn blobs_of(value: &Value) -> Vec<BlobId> {
    match value {
        Value::Blob(blob) => vec![*blob],
        Value::Array(values) => values.iter().flat_map(blobs_of).collect(),
        Value::Object(fields) => fields.values().flat_map(blobs_of).collect(),
        _ => Vec::new(),
    }
}

/// Reads damaged or invented bytes every way there is: no panic, and what is accepted has this one layout.
fn read_hostile(bytes: &[u8]) {
    let decoded = decode(bytes);
    let found = blobs(bytes);
    if let Ok(value) = &decoded {
        assert_eq!(encode(value).unwrap(), bytes);
        assert_eq!(found.unwrap(), blobs_of(value));
    }
    for name in ["", "lang", "tags", "zz"] {
        let field = View::new(bytes).field(name);
        if let Ok(value) = &decoded {
            let field = field.unwrap().map(|field| field.value().unwrap());
            assert_eq!(field.as_ref(), value.get(name));
        } else if let Ok(Some(field)) = field {
            let _ = (field.value(), field.field("deep"));
        }
    }
}

proptest! {
    #[test]
    fn what_is_stored_is_read_back(value in storable()) {
        prop_assume!(!matches!(&value, Value::Object(fields) if fields.keys().any(|name| is_reserved(name))));
        let bytes = encode(&value).unwrap();
        prop_assert_eq!(&decode(&bytes).unwrap(), &value);
        prop_assert_eq!(blobs(&bytes).unwrap(), blobs_of(&value));
        let view = View::new(&bytes);
        prop_assert!(view.field("a name that is not there").unwrap().is_none());
        for (name, field) in value.as_object().into_iter().flatten() {
            prop_assert_eq!(&view.field(name).unwrap().unwrap().value().unwrap(), field);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_hostile(&bytes);
    }

    #[test]
    fn any_small_bytes_are_read_or_refused(bytes in prop::collection::vec(0u8..12, 0..200)) {
        read_hostile(&bytes);
    }

    #[test]
    fn damage_is_survived(value in storable(), place in any::<prop::sample::Index>(), bit in 0..8u32) {
        let mut bytes = encode(&value).unwrap();
        let place = place.index(bytes.len());
        bytes[place] ^= 1u8 << bit;
        read_hostile(&bytes);
        read_hostile(&bytes[..place]);
    }
}

#[test]
fn every_flip_and_every_cut_of_the_sample_is_survived() {
    let bytes = encode(&sample()).unwrap();
    for place in 0..bytes.len() {
        assert!(decode(&bytes[..place]).is_err());
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1 << bit;
            read_hostile(&damaged);
        }
    }
}

#[test]
fn golden_bytes() {
    let value = Value::object([
        ("b", Value::Array(vec![Value::Null, true.into(), Value::Int(-2)])),
        ("a", "hé".into()),
        ("c", 0.5.into()),
    ]);
    #[rustfmt::skip]
    let golden: &[u8] = &[
        9, 3, 0, 0, 0, 17, 0, 0, 0, 30, 0, 0, 0, 63, 0, 0, 0,
        1, 0, 0, 0, b'a', 6, 3, 0, 0, 0, b'h', 0xC3, 0xA9,
        1, 0, 0, 0, b'b', 8, 3, 0, 0, 0, 17, 0, 0, 0, 18, 0, 0, 0, 19, 0, 0, 0,
            0, 2, 3, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
        1, 0, 0, 0, b'c', 5, 0, 0, 0, 0, 0, 0, 0xE0, 0x3F,
    ];
    // The offset of "a" is 17, of "b" 17 + 13, of "c" 30 + 33.
    assert_eq!(encode(&value).unwrap(), golden);
    assert_eq!(decode(golden).unwrap(), value);
    let scalars = [
        (Value::Null, vec![0]),
        (Value::Bool(false), vec![1]),
        (Value::UInt(1 << 63), vec![4, 0, 0, 0, 0, 0, 0, 0, 0x80]),
        (Value::Bytes(vec![9]), vec![7, 1, 0, 0, 0, 9]),
        (Value::Blob(BlobId([5; 32])), [vec![10], vec![5; 32]].concat()),
    ];
    for (value, golden) in scalars {
        assert_eq!(encode(&value).unwrap(), golden);
        assert_eq!(decode(&golden).unwrap(), value);
    }
}

#[test]
fn a_small_unsigned_number_is_stored_signed() {
    assert_eq!(decode(&encode(&Value::UInt(5)).unwrap()).unwrap(), Value::Int(5));
    assert!(decode(&[4, 5, 0, 0, 0, 0, 0, 0, 0]).is_err());
}

#[test]
fn what_cannot_be_stored_is_refused_where_it_stands() {
    let value = Value::object([("a", Value::Array(vec![Value::Null, Value::object([("b", f64::NAN.into())])]))]);
    let error = encode(&value).unwrap_err();
    assert_eq!((error.kind(), error.place()), (ErrorKind::Invalid, Some("payload.a[1].b")));
    assert!(encode(&f64::NEG_INFINITY.into()).is_err());
    assert!(encode(&Value::object([("$bytes", Value::Null)])).is_err());
    assert!(encode(&Value::object([("$bytes", Value::Null), ("b", Value::Null)])).is_ok());
}

#[test]
fn depth_is_limited_on_the_way_in_and_out() {
    for levels in [1, MAX_DEPTH] {
        let value = nested_objects(levels);
        assert_eq!(decode(&encode(&value).unwrap()).unwrap(), value);
    }
    for levels in [MAX_DEPTH + 1, 10_000, 1_000_000] {
        let value = nested_objects(levels);
        assert!(encode(&value).unwrap_err().to_string().contains("64 levels"));
        dismantle(value);
    }
    // Arrays of one element: count 1, offset 9.
    let nested = |levels: usize| [[8, 1, 0, 0, 0, 9, 0, 0, 0].repeat(levels), vec![0]].concat();
    assert!(decode(&nested(MAX_DEPTH)).is_ok() && blobs(&nested(MAX_DEPTH)).is_ok());
    assert!(decode(&nested(MAX_DEPTH + 1)).is_err() && blobs(&nested(MAX_DEPTH + 1)).is_err());
    assert!(decode(&nested(1_000_000)).is_err() && blobs(&nested(1_000_000)).is_err());
}

#[test]
fn size_is_limited_exactly() {
    let text = |bytes: usize| Value::Text("x".repeat(bytes));
    assert_eq!(encode(&text(MAX_PAYLOAD_BYTES - 5)).unwrap().len(), MAX_PAYLOAD_BYTES);
    let error = encode(&text(MAX_PAYLOAD_BYTES - 4)).unwrap_err();
    assert!(error.to_string().contains("16 MiB"), "{error}");
    assert!(encode(&Value::Array(vec![Value::Null; MAX_PAYLOAD_BYTES / 5])).is_err());
    assert!(encode(&Value::Array(vec![Value::Null; MAX_PAYLOAD_BYTES / 5 - 1])).is_ok());
}

#[test]
fn shared_and_gapped_values_are_refused() {
    let good = [8, 2, 0, 0, 0, 13, 0, 0, 0, 14, 0, 0, 0, 0, 0];
    assert!(decode(&good).is_ok());
    for (place, byte) in [(9, 13), (5, 14), (1, 1), (1, 3)] {
        let mut bad = good;
        bad[place] = byte;
        assert!(decode(&bad).is_err(), "{place} {byte}");
    }
    assert_eq!(decode(&[&good[..], &[0]].concat()).unwrap_err().offset, good.len());
}

#[test]
fn names_out_of_order_are_refused() {
    let object = |first: u8, second: u8| {
        let mut bytes = vec![9, 2, 0, 0, 0, 13, 0, 0, 0, 19, 0, 0, 0];
        for name in [first, second] {
            bytes.extend([1, 0, 0, 0, name, 0]);
        }
        decode(&bytes)
    };
    assert!(object(b'a', b'b').is_ok());
    assert!(object(b'b', b'a').is_err());
    assert!(object(b'a', b'a').is_err());
}

#[test]
fn damage_names_its_offset() {
    let mut bytes = encode(&json!({"a": {"b": 1}}).into()).unwrap();
    let place = bytes.len() - 9;
    bytes[place] = 99;
    let inner = View::new(&bytes).field("a").unwrap().unwrap().field("b").unwrap().unwrap();
    assert_eq!(inner.value().unwrap_err().offset, place);
    let error = Error::from(decode(&bytes).unwrap_err());
    assert_eq!((error.kind(), error.place()), (ErrorKind::Corrupt, Some(&*format!("payload, byte {place}"))));
}
