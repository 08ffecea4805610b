//! An import appears as a whole, at a moment of its own, or not at all.

use std::sync::Arc;

use driftline::fs::{Fault, FileSystem, SimulatedFs};
use driftline::{Database, ErrorKind, Maintenance, Options, Precondition, Record, Schema, Value, VerifyLevel};

fn open(fs: &SimulatedFs) -> Database {
    let options =
        Options::new().maintenance(Maintenance::Manual).memory_budget_bytes(1 << 20).free_disk_reserve_bytes(0);
    options.open_on(Arc::new(fs.clone())).unwrap()
}

fn segments(fs: &SimulatedFs) -> Vec<String> {
    fs.list().unwrap().into_iter().filter(|name| name.starts_with("seg-")).collect()
}

#[test]
fn an_import_that_lost_records_cannot_be_finished() {
    let fs = SimulatedFs::new(1);
    let db = open(&fs);
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    let mut import = notes.import().unwrap();
    let record = |key: u64| Record::new(key).payload("x".repeat(100 << 10));
    // The first file is written, the second does not fit.
    (0..8).for_each(|key| import.put(record(key)).unwrap());
    assert_eq!(segments(&fs).len(), 1);
    fs.inject(Fault::DiskFull { after_bytes: 1 << 10 });
    let refused = (8..20).find_map(|key| import.put(record(key)).err()).unwrap();
    assert_eq!(refused.kind(), ErrorKind::DiskFull);
    fs.heal();
    assert_eq!(import.put(record(20)).unwrap_err().kind(), ErrorKind::DiskFull);
    assert_eq!(import.finish().unwrap_err().kind(), ErrorKind::DiskFull);
    assert_eq!((notes.count().unwrap(), segments(&fs)), (0, Vec::new()));
}

#[test]
fn an_import_names_no_blob_that_was_removed_while_it_ran() {
    let fs = SimulatedFs::new(1);
    let db = open(&fs);
    db.create_collection("notes", Schema::payload_only()).unwrap();
    let blob = db.put_blob(&b"weights"[..]).unwrap();
    db.close().unwrap();
    let db = open(&fs);
    let notes = db.collection("notes").unwrap();
    let mut import = notes.import().unwrap();
    import.put(Record::new("model").payload(Value::Blob(blob))).unwrap();
    while db.tick().unwrap().is_some() {}
    assert_eq!(db.get_blob(blob).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(import.finish().unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!((notes.count().unwrap(), segments(&fs)), (0, Vec::new()));
    assert!(db.verify(VerifyLevel::Full).unwrap().problems.is_empty());
}

#[test]
fn an_import_appears_at_a_position_of_its_own() {
    let fs = SimulatedFs::new(1);
    let db = open(&fs);
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    let mut import = notes.import().unwrap();
    import.put(Record::new(1u64).payload("imported")).unwrap();
    let begun = import.lsn();
    let put = notes.put(Record::new(1u64).payload("put")).unwrap();
    let before = db.snapshot().unwrap();
    let finished = import.finish().unwrap();
    let after = db.snapshot().unwrap();

    assert!(begun < put.lsn && put.lsn < finished.lsn);
    assert_eq!((before.lsn(), after.lsn()), (put.lsn, finished.lsn));
    assert_eq!(db.stats().unwrap().durable_lsn, finished.lsn);
    let payload =
        |snapshot: &driftline::Snapshot| snapshot.collection("notes").unwrap().get(1u64).unwrap().unwrap().payload;
    assert_eq!((payload(&before), payload(&after)), ("put".into(), "imported".into()));

    // The position is not given again, and the one that records carry can be required.
    drop((before, after, db));
    let db = open(&fs.reboot_losing_all());
    let notes = db.collection("notes").unwrap();
    assert_eq!(notes.get(1u64).unwrap().unwrap().lsn, begun);
    assert_eq!(db.snapshot().unwrap().lsn(), finished.lsn);
    let batch = db.batch().require(&notes, 1u64, Precondition::AtLsn(begun)).delete(&notes, 1u64);
    assert!(batch.commit().unwrap().lsn > finished.lsn);
}
