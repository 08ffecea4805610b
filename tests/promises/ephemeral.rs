//! Ephemeral collections keep out of the log: their writes cost no sync, and a crash takes them back to their last
//! flush, without harm to the rest.

use std::sync::Arc;

use driftline::fs::SimulatedFs;
use driftline::{Database, ErrorKind, Maintenance, Options, Record, Schema, json};

fn open(fs: &SimulatedFs) -> Database {
    Options::new().maintenance(Maintenance::Manual).open_on(Arc::new(fs.clone())).unwrap()
}

fn cache() -> Schema {
    Schema::payload_only().ephemeral()
}

#[test]
fn writing_to_one_touches_no_file() {
    let fs = SimulatedFs::new(1);
    let db = open(&fs);
    let cache = db.create_collection("cache", cache()).unwrap();
    let calls = fs.calls();
    cache.put_all((0..100u64).map(|key| Record::new(key).payload(json!({"n": key})))).unwrap();
    cache.delete(3u64).unwrap();
    assert_eq!(fs.calls(), calls);
    assert_eq!(cache.count().unwrap(), 99);
    assert_eq!(db.stats().unwrap().log_files, 0);
}

#[test]
fn after_a_crash_one_stands_as_its_last_flush_left_it() {
    let fs = SimulatedFs::new(1);
    let db = open(&fs);
    let cache = db.create_collection("cache", cache()).unwrap();
    cache.put_all((0..10u64).map(|key| Record::new(key).payload("old"))).unwrap();
    db.flush().unwrap();
    cache.put(Record::new(1u64).payload("new")).unwrap();
    cache.delete(2u64).unwrap();
    cache.put(Record::new(10u64)).unwrap();
    // Merging keeps the rows that only an unlogged write replaced.
    cache.compact().unwrap();
    cache.put(Record::new(3u64).payload("newer")).unwrap();
    cache.delete(4u64).unwrap();

    let db = open(&fs.reboot_keeping_all());
    let cache = db.collection("cache").unwrap();
    assert_eq!(cache.get(1u64).unwrap().unwrap().payload, "new".into());
    assert_eq!(cache.get(3u64).unwrap().unwrap().payload, "old".into());
    assert!(cache.get(2u64).unwrap().is_none());
    assert!(cache.get(4u64).unwrap().is_some());
    assert_eq!(cache.count().unwrap(), 10);
}

#[test]
fn closing_loses_nothing_of_one() {
    let fs = SimulatedFs::new(1);
    let db = open(&fs);
    db.create_collection("cache", cache()).unwrap().put(Record::new(1u64)).unwrap();
    db.close().unwrap();
    let db = open(&fs.reboot_losing_all());
    assert_eq!(db.collection("cache").unwrap().count().unwrap(), 1);
    assert_eq!(db.collection("cache").unwrap().schema().unwrap(), cache());
}

#[test]
fn of_a_batch_across_kinds_a_crash_takes_the_ephemeral_part_whole_and_the_rest_never() {
    let fs = SimulatedFs::new(1);
    let db = open(&fs);
    let cache = db.create_collection("cache", cache()).unwrap();
    let facts = db.create_collection("facts", Schema::payload_only()).unwrap();
    let before = db.snapshot().unwrap();
    let batch = db.batch().put(&cache, Record::new(1u64)).put(&facts, Record::new(1u64)).put(&cache, Record::new(2u64));
    batch.commit().unwrap();
    // Readers see all of it, or nothing.
    assert_eq!((cache.count().unwrap(), facts.count().unwrap()), (2, 1));
    let count = |name: &str| before.collection(name).unwrap().count().unwrap();
    assert_eq!((count("cache"), count("facts")), (0, 0));

    let db = open(&fs.reboot_losing_all());
    let count = |name: &str| db.collection(name).unwrap().count().unwrap();
    assert_eq!((count("cache"), count("facts")), (0, 1));
    assert_eq!(db.recovery_report().batches, 1);
}

#[test]
fn one_holds_back_no_log() {
    let fs = SimulatedFs::new(1);
    let options = Options::new().maintenance(Maintenance::Manual).log_file_bytes(4 << 10).log_budget_bytes(8 << 10);
    let db = options.open_on(Arc::new(fs.clone())).unwrap();
    let cache = db.create_collection("cache", cache()).unwrap();
    let facts = db.create_collection("facts", Schema::payload_only()).unwrap();
    cache.put(Record::new(1u64)).unwrap();
    for key in 0..200u64 {
        facts.put(Record::new(key).payload("x".repeat(200))).unwrap();
        while db.tick().unwrap().is_some() {}
    }
    assert!(db.stats().unwrap().log_files <= 4, "{} logs are kept", db.stats().unwrap().log_files);
    assert_eq!(db.stats().unwrap().collections.iter().find(|it| it.name == "cache").unwrap().segments, 0);
}

#[test]
fn whether_one_is_logged_does_not_change() {
    let db = Database::in_memory().unwrap();
    db.create_collection("cache", cache()).unwrap();
    let error = db.ensure_collection("cache", Schema::payload_only()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exists);
    assert!(error.to_string().contains("ephemeral"), "{error}");
}
