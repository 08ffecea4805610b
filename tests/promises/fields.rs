//! A field that the schema declares holds what was declared, or nothing.

use driftline::{Database, ErrorKind, FieldType, Patch, Record, Schema, json};

fn schema() -> Schema {
    Schema::payload_only().field("lang", FieldType::Text).field("size.width", FieldType::Float)
}

#[test]
fn a_declared_field_of_another_type_is_refused_when_it_is_put_or_patched() {
    let db = Database::in_memory().unwrap();
    let items = db.create_collection("items", schema()).unwrap();
    items.put(Record::new(1u64).payload(json!({"lang": "en", "size": {"width": 2}, "other": [1]}))).unwrap();
    items.put(Record::new(2u64).payload(json!({"lang": null, "size": 7}))).unwrap();
    items.put(Record::new(3u64)).unwrap();

    let refused = [
        items.put(Record::new(4u64).payload(json!({"lang": 7}))).map(drop),
        items.put(Record::new(4u64).payload(json!({"size": {"width": "wide"}}))).map(drop),
        items.patch(1u64, Patch::new().merge(json!({"lang": ["en"]}))).map(drop),
    ];
    for (result, named) in
        refused.into_iter().zip(["lang is a whole number", "size.width is a text", "lang is an array"])
    {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains(named) && error.place().unwrap().contains("items"), "{error}");
    }
    assert_eq!(items.count().unwrap(), 3);
    assert_eq!(items.get(1u64).unwrap().unwrap().payload.get("lang").unwrap().as_text(), Some("en"));
}

#[test]
fn a_filter_that_compares_a_declared_field_with_another_type_is_refused() {
    let db = Database::in_memory().unwrap();
    let items = db.create_collection("items", schema()).unwrap();
    items.put(Record::new(1u64).payload(json!({"lang": "en", "free": 7}))).unwrap();
    assert_eq!(items.count_where("lang = 'en' AND free = 7").unwrap(), 1);
    assert_eq!(items.count_where("free = 'text'").unwrap(), 0);
    let error = items.count_where("free = 7 AND lang = 7").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Filter);
    assert!(error.to_string().contains("lang = 7 never holds, because the schema declares lang as text"), "{error}");
}

#[test]
fn declared_fields_are_the_same_after_the_store_was_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let db = Database::open(&path).unwrap();
    db.create_collection("items", schema()).unwrap();
    db.close().unwrap();
    let db = Database::open(&path).unwrap();
    let items = db.create_collection("items", schema()).unwrap_err();
    assert_eq!(items.kind(), ErrorKind::Exists);
    let items = db.collection("items").unwrap();
    assert_eq!(
        items.schema().unwrap().declared_fields().collect::<Vec<_>>(),
        [("lang", FieldType::Text), ("size.width", FieldType::Float)]
    );
    assert!(items.put(Record::new(1u64).payload(json!({"lang": 1}))).is_err());
}
