//! An import appears as a whole, at a moment of its own, or not at all.

use std::sync::Arc;

use driftline::fs::{Fault, FileSystem, SimulatedFs};
use driftline::{
    Collection, Database, ErrorKind, Import, ImportStart, Maintenance, Options, Precondition, Record, Schema, Value,
    VerifyLevel,
};

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

/// Puts records `from` to `to`; every third comes under the key of the one before.
fn fill(import: &mut Import, from: u64, to: u64) {
    for number in from..to {
        import.put(Record::new(number - u64::from(number % 3 == 1)).payload(number)).unwrap();
    }
}

fn payloads(notes: &Collection) -> Vec<Record> {
    notes.scan().map(|record| record.unwrap()).collect()
}

#[test]
fn an_import_with_a_name_goes_on_after_a_crash_and_ends_as_if_there_had_been_none() {
    let fs = SimulatedFs::new(1);
    let db = open(&fs);
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    let mut import = notes.resume_import("file", "v1").unwrap();
    assert_eq!(import.start(), &ImportStart::New);
    let lsn = import.lsn();
    fill(&mut import, 0, 40);
    import.checkpoint().unwrap();
    fill(&mut import, 40, 60);
    drop(import);

    // Nothing shows, and flushing, merging and checking leave alone what was sealed.
    notes.put(Record::new(6u64).payload("put")).unwrap();
    notes.compact().unwrap();
    assert_eq!((notes.count().unwrap(), segments(&fs).len()), (1, 2));
    let stats = db.stats().unwrap();
    let pending = &stats.collections[0].imports[0];
    assert_eq!((&*pending.name, pending.rows, pending.files, pending.lsn), ("file", 40, 1, lsn));
    // The segment, what the import has sealed, the manifest and the log.
    assert_eq!(db.verify(VerifyLevel::Full).unwrap().files, 4);

    let crashed = fs.reboot_losing_all();
    let db = open(&crashed);
    let notes = db.collection("notes").unwrap();
    assert_eq!(notes.pending_imports().unwrap()[0].rows, 40);
    // No batch gets the position of its rows.
    assert!(notes.put(Record::new(8u64).payload("put")).unwrap().lsn > lsn);
    let mut import = notes.resume_import("file", "v1").unwrap();
    assert_eq!((import.start(), import.lsn()), (&ImportStart::Resumed { rows: 40 }, lsn));
    fill(&mut import, 40, 90);
    let finished = import.finish().unwrap();
    assert_eq!(finished.existed, 2);
    assert_eq!(notes.pending_imports().unwrap(), []);

    let whole = db.create_collection("whole", Schema::payload_only()).unwrap();
    let mut import = whole.import().unwrap();
    fill(&mut import, 0, 90);
    import.finish().unwrap();
    let of = |notes| payloads(notes).into_iter().map(|record| (record.key, record.payload)).collect::<Vec<_>>();
    assert_eq!(of(&notes), of(&whole));
    assert!(db.verify(VerifyLevel::Full).unwrap().is_clean());
    let before = payloads(&notes);
    drop((notes, whole, db));
    assert_eq!(payloads(&open(&crashed.reboot_losing_all()).collection("notes").unwrap()), before);
}

#[test]
fn imports_under_several_names_run_beside_one_another_and_one_name_runs_once() {
    let fs = SimulatedFs::new(1);
    let db = open(&fs);
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    let other = db.create_collection("other", Schema::payload_only()).unwrap();
    let mut a = notes.resume_import("a", "").unwrap();
    let mut b = notes.resume_import("b", "").unwrap();
    let mut c = other.resume_import("a", "").unwrap();
    assert_eq!(notes.resume_import("a", "").unwrap_err().kind(), ErrorKind::Busy);
    assert_eq!(notes.discard_import("a").unwrap_err().kind(), ErrorKind::Busy);
    for import in [&mut a, &mut b, &mut c] {
        fill(import, 0, 10);
        import.checkpoint().unwrap();
    }
    a.finish().unwrap();
    drop((b, c));
    assert!(notes.discard_import("b").unwrap() && !notes.discard_import("b").unwrap());
    // The one finished, and the one into the other collection.
    assert_eq!((notes.count().unwrap(), segments(&fs).len()), (7, 2));
    db.drop_collection("other").unwrap();
    assert_eq!(segments(&fs).len(), 1);
    assert!(db.verify(VerifyLevel::Full).unwrap().is_clean());
    for wrong in ["", &"n".repeat(1025)] {
        assert_eq!(notes.resume_import(wrong, "").unwrap_err().kind(), ErrorKind::Invalid);
    }
    assert_eq!(notes.resume_import("x", &"i".repeat(1025)).unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn an_import_does_not_go_on_where_something_else_is_imported() {
    let fs = SimulatedFs::new(1);
    let db = open(&fs);
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    let mut import = notes.resume_import("file", "v1").unwrap();
    fill(&mut import, 0, 10);
    import.checkpoint().unwrap();
    drop(import);
    let import = notes.resume_import("file", "v2").unwrap();
    assert!(matches!(import.start(), ImportStart::Restarted { why } if why.contains("changed")));
    assert_eq!((import.rows(), segments(&fs).len()), (0, 0));
    import.discard().unwrap();
    assert_eq!(notes.pending_imports().unwrap(), []);
}

#[test]
fn a_damaged_file_of_an_import_is_told_and_costs_that_import_alone() {
    for place in [100, 4200] {
        let fs = SimulatedFs::new(1);
        let db = open(&fs);
        let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
        let mut import = notes.resume_import("file", "v1").unwrap();
        fill(&mut import, 0, 10);
        import.checkpoint().unwrap();
        drop(import);
        notes.put(Record::new(1u64)).unwrap();
        db.close().unwrap();
        fs.flip_bits(&segments(&fs)[0], place, 8).unwrap();
        let db = open(&fs);
        let notes = db.collection("notes").unwrap();
        assert_eq!(notes.count().unwrap(), 1);
        // The header is read at opening, the rest when it is needed.
        assert_eq!(db.recovery_report().damaged_imports.len(), usize::from(place == 100));
        let problems = db.verify(VerifyLevel::Full).unwrap().problems;
        assert!(problems.len() == 1 && problems[0].part.contains("import file"), "{problems:?}");
        let import = notes.resume_import("file", "v1").unwrap();
        assert!(matches!(import.start(), ImportStart::Restarted { .. }));
        assert!(db.verify(VerifyLevel::Full).unwrap().is_clean());
    }
}

#[test]
fn a_blob_that_an_unfinished_import_names_is_kept() {
    let fs = SimulatedFs::new(1);
    let db = open(&fs);
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    let blob = db.put_blob(&b"weights"[..]).unwrap();
    let mut import = notes.resume_import("file", "v1").unwrap();
    import.put(Record::new("model").payload(Value::Blob(blob))).unwrap();
    import.checkpoint().unwrap();
    drop((import, notes));
    db.close().unwrap();
    let db = open(&fs);
    while db.tick().unwrap().is_some() {}
    db.collection("notes").unwrap().resume_import("file", "v1").unwrap().finish().unwrap();
    assert!(db.get_blob(blob).is_ok() && db.verify(VerifyLevel::Full).unwrap().is_clean());
}
