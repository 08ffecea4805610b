//! What a schema takes and refuses, and the form in which it is kept.

use proptest::prelude::*;

use super::*;
use crate::error::ErrorKind;
use crate::vector::{MAX_DIMENSION, VectorRef};

const DAY: Duration = Duration::from_secs(86_400);

fn full() -> Schema {
    Schema::vector(384, Metric::Cosine).model("x").ttl(90 * DAY)
}

fn valid() -> impl Strategy<Value = Schema> {
    let metric = prop::sample::select(vec![Metric::L2, Metric::Cosine, Metric::Dot, Metric::L1]);
    let vectors = prop_oneof![
        Just(Schema::payload_only()),
        (1..=MAX_DIMENSION, metric).prop_map(|(dimension, metric)| Schema::vector(dimension, metric)),
        (1..=MAX_BITS / 8).prop_map(|bytes| Schema::bits(bytes * 8)),
    ];
    let ttl = prop::option::of((1..=i64::MAX as u64).prop_map(Duration::from_micros));
    let model = prop::option::of("[a-zé'@ 0-9]{1,128}");
    let kind = prop::sample::select(FieldType::ALL.to_vec());
    let fields = prop::collection::vec(("[a-c]|`[a-c .é]{1,3}`\\.x", kind), 0..4);
    (vectors, ttl, model, any::<[bool; 2]>(), fields).prop_map(|(schema, ttl, model, [ephemeral, indexed], fields)| {
        let schema = fields.into_iter().fold(schema, |schema, (name, kind)| schema.field(name, kind));
        let schema = if indexed { schema } else { schema.field_indexing(FieldIndexing::None) };
        let schema = ttl.into_iter().fold(schema, Schema::ttl);
        let schema = if ephemeral { schema.ephemeral() } else { schema };
        model.into_iter().fold(schema, Schema::model)
    })
}

#[test]
fn display_is_what_the_shell_prints() {
    let cases = [
        (full(), "f32[384] cosine index flat model 'x' ttl 90d"),
        (Schema::bits(256), "bits[256] hamming index flat"),
        (Schema::payload_only().ttl(Duration::from_secs(5400)), "payload only ttl 90m"),
        (Schema::payload_only().ttl(Duration::from_micros(1_500)), "payload only ttl 1500us"),
        (Schema::vector(3, Metric::L2).model("it's"), "f32[3] l2 index flat model 'it''s'"),
        (Schema::payload_only().ephemeral(), "payload only ephemeral"),
        (
            Schema::payload_only().field("year", FieldType::Int).field("`my-field`", FieldType::Text),
            "payload only fields `my-field` text, year int",
        ),
        (Schema::payload_only().field_indexing(FieldIndexing::None), "payload only field indexing none"),
    ];
    for (schema, text) in cases {
        assert_eq!(schema.to_string(), text);
    }
    let json = r#"{"vectors":"bits","dimension":8,"metric":"hamming","index":"flat","ttl_us":null,"model":null,"ephemeral":true,
        "fields":{"lang":"text"},"field_indexing":"auto"}"#;
    let json: String = json.split_whitespace().collect();
    assert_eq!(serde_json::to_string(&Schema::bits(8).ephemeral().field("lang", FieldType::Text)).unwrap(), json);
}

#[test]
fn rules_are_checked_at_their_edges() {
    for schema in [
        full(),
        Schema::vector(1, Metric::L1),
        Schema::vector(MAX_DIMENSION, Metric::Dot),
        Schema::bits(8),
        Schema::bits(MAX_BITS),
        Schema::payload_only().ttl(Duration::from_micros(1)),
        Schema::payload_only().model("é".repeat(125)),
    ] {
        assert!(schema.check().is_ok(), "{schema}");
    }
    for (schema, named) in [
        (Schema::vector(0, Metric::L2), "dimension 0 "),
        (Schema::vector(MAX_DIMENSION + 1, Metric::L2), "dimension 16385 "),
        (Schema::vector(8, Metric::Hamming), "hamming"),
        (Schema::bits(0), "0 bits"),
        (Schema::bits(12), "12 bits"),
        (Schema::bits(MAX_BITS + 8), "131080 bits"),
        (Schema::payload_only().ttl(Duration::ZERO), "0ns"),
        (Schema::payload_only().ttl(Duration::from_nanos(999)), "0ns"),
        (Schema::payload_only().ttl(Duration::MAX), "time to live"),
        (Schema::payload_only().model(""), "empty"),
        (Schema::payload_only().model("é".repeat(126)), "252 bytes"),
        (Schema::payload_only().model("a\nb"), "'\\n'"),
        (Schema::payload_only().field("my-field", FieldType::Int), "name of a field"),
    ] {
        let error = schema.check().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(named), "{error}");
    }
}

#[test]
fn schemas_that_differ_do_not_agree_and_say_why() {
    assert!(full().agrees(&full()).is_ok());
    let none = Schema::payload_only();
    assert!(none.agrees(&none).is_ok());
    for (wanted, kind, named) in [
        (Schema { vectors: Vectors::Bits { bits: 384 }, ..full() }, ErrorKind::Exists, "bits[384]"),
        (none, ErrorKind::Exists, "payload only"),
        (Schema::vector(3, Metric::Cosine).model("y"), ErrorKind::Dimension, "384, and dimension 3"),
        (Schema::vector(384, Metric::L2).model("x").ttl(90 * DAY), ErrorKind::Exists, "f32[384] l2"),
        (full().model("y"), ErrorKind::ModelMismatch, "'x', and model 'y'"),
        (Schema { model: None, ..full() }, ErrorKind::ModelMismatch, "model none"),
        (full().ttl(DAY), ErrorKind::Exists, "90d, and time to live 1d"),
        (full().field("lang", FieldType::Text), ErrorKind::Exists, "fields none, and fields lang text"),
        (full().field_indexing(FieldIndexing::None), ErrorKind::Exists, "auto, and field indexing none"),
    ] {
        let error = full().agrees(&wanted).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(named), "{error}");
    }
}

#[test]
fn vectors_are_checked_at_the_door() {
    let cosine = Schema::vector(3, Metric::Cosine);
    let l2 = Schema::vector(3, Metric::L2);
    let check = |schema: &Schema, values: &[f32]| schema.check_vector(Some(values.into()));
    assert!(check(&cosine, &[1.0, 0.0, 0.0]).is_ok());
    assert!(check(&l2, &[0.0; 3]).is_ok());
    assert!(Schema::bits(16).check_vector(Some(VectorRef::Bits(&[0, 0]))).is_ok());
    assert!(Schema::payload_only().check_vector(None).is_ok());
    let error = check(&l2, &[1.0, 2.0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Dimension);
    assert!(error.to_string().contains("dimension 2; this collection holds 3"), "{error}");
    for (result, named) in [
        (check(&l2, &[1.0, f32::NAN, 2.0]), "NaN at position 1"),
        (check(&l2, &[1.0, 2.0, f32::INFINITY]), "inf at position 2"),
        (check(&cosine, &[0.0, -0.0, 0.0]), "no direction"),
        (l2.check_vector(None), "a vector is missing"),
        (check(&Schema::payload_only(), &[1.0]), "no vectors"),
        (l2.check_vector(Some(VectorRef::Bits(&[1, 2, 3]))), "made of bits"),
        (check(&Schema::bits(8), &[1.0; 8]), "made of numbers"),
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains(named), "{error}");
    }
    let error = Schema::bits(16).check_vector(Some(VectorRef::Bits(&[0]))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Dimension);
}

#[test]
fn golden_bytes() {
    #[rustfmt::skip]
    let golden: &[u8] = &[
        1, 0, 1, 0x80, 1, 0, 0, 2,
        4, 0, 0, 0, 0, 0, 0, 0, b'f', b'l', b'a', b't',
        1, 0x00, 0xE0, 0x34, 0x95, 0x64, 0x00, 0x00, 0x00,
        1, 1, 0, 0, 0, 0, 0, 0, 0, b'x',
        1,
        1, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, b'l', b'a', b'n', b'g', 4,
        0,
    ];
    let schema = Schema::vector(384, Metric::Cosine).model("x").ttl(5 * DAY).ephemeral();
    let schema = schema.field("lang", FieldType::Text).field_indexing(FieldIndexing::None);
    assert_eq!(schema.encode().unwrap(), golden);
    assert_eq!(Schema::decode(golden, "it").unwrap(), schema);
    let none = [&[1, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0][..], b"flat", &[0, 0, 0], &[0; 8], &[1]].concat();
    assert_eq!(Schema::payload_only().encode().unwrap(), none);
}

#[test]
fn a_newer_form_asks_for_a_newer_program() {
    let mut bytes = full().encode().unwrap();
    bytes[0] = 2;
    assert_eq!(Schema::decode(&bytes, "it").unwrap_err().kind(), ErrorKind::Version);
    for bytes in [&[][..], &[1], &[0, 0], &[1, 0]] {
        assert_eq!(Schema::decode(bytes, "it").unwrap_err().kind(), ErrorKind::Corrupt);
    }
}

proptest! {
    #[test]
    fn what_is_stored_is_read_back(schema in valid()) {
        schema.check().unwrap();
        prop_assert_eq!(Schema::decode(&schema.encode().unwrap(), "it").unwrap(), schema);
    }

    #[test]
    fn damage_is_refused_or_gives_a_valid_schema(
        schema in valid(),
        place in any::<prop::sample::Index>(),
        bit in 0..8u32,
    ) {
        let mut bytes = schema.encode().unwrap();
        let place = place.index(bytes.len());
        prop_assert!(Schema::decode(&bytes[..place], "it").is_err());
        bytes[place] ^= 1u8 << bit;
        if let Ok(schema) = Schema::decode(&bytes, "it") {
            schema.check().unwrap();
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = Schema::decode(&[&[1, 0][..], &bytes].concat(), "it");
    }
}
