//! A disk without one free byte: reading, deleting, dropping and compacting go on, nothing is lost, and with room
//! everything works again.

use std::sync::Arc;

use driftline::fs::{Fault, FileSystem, SimulatedFs};
use driftline::{Collection, Database, ErrorKind, Filter, Maintenance, Metric, Options, Record, Result, Schema, Value};

use super::support::reading::{check_files, check_verifies, read};
use super::support::threads::for_each_case;

/// What is set aside: all that rows leave free.
const ASIDE: u64 = 4 << 20;

fn options() -> Options {
    Options::new().maintenance(Maintenance::Manual).seed(1).free_disk_reserve_bytes(ASIDE)
}

fn open(fs: &SimulatedFs) -> Result<Database> {
    options().open_on(Arc::new(fs.clone()))
}

/// Others have taken all that was free.
fn fill(fs: &SimulatedFs) {
    fs.inject(Fault::DiskFull { after_bytes: 0 });
}

fn record(key: u64) -> Record {
    Record::new(key).vector([key as f32, 1.0]).payload(Value::Bytes(vec![key as u8; 3_000]))
}

/// Two collections, with rows in files, in the log, and in both.
fn store(fs: &SimulatedFs) -> Database {
    let db = open(fs).unwrap();
    let (docs, other) = collections(&db);
    docs.put_all((0..200).map(record)).unwrap();
    other.put_all((0..600).map(record)).unwrap();
    db.flush().unwrap();
    docs.put_all((200..300).map(record)).unwrap();
    db
}

fn collections(db: &Database) -> (Collection, Collection) {
    let of = |name| db.ensure_collection(name, Schema::vector(2, Metric::L2)).unwrap();
    (of("docs"), of("other"))
}

#[track_caller]
fn assert_full<T: std::fmt::Debug>(outcome: Result<T>) {
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DiskFull, "{error:?}");
    assert!(error.to_string().contains("free some"), "{error}");
}

/// The ways in which a store may come to be on a full disk.
#[derive(Debug, Clone, Copy)]
enum Before {
    Written,
    Closed,
    Killed,
    /// Rows that were put alone, so that the zeros of the log are used up.
    LogUsedUp,
}

fn on_a_full_disk(before: Before) -> (SimulatedFs, Database) {
    let fs = SimulatedFs::new(1);
    let db = store(&fs);
    let fs = match before {
        Before::Written => fs,
        Before::Closed => {
            db.clone().close().unwrap();
            fs
        }
        Before::Killed => fs.reboot_keeping_all(),
        Before::LogUsedUp => {
            let (docs, _) = collections(&db);
            (0..400).for_each(|key| _ = docs.put(record(key % 300)).unwrap());
            fs
        }
    };
    fill(&fs);
    match before {
        Before::Written | Before::LogUsedUp => (fs, db),
        Before::Closed | Before::Killed => {
            let db = open(&fs).unwrap_or_else(|error| panic!("{before:?}: {error:?}"));
            (fs, db)
        }
    }
}

#[test]
fn reading_deleting_dropping_and_compacting_go_on_without_a_free_byte() {
    for before in [Before::Written, Before::Closed, Before::Killed, Before::LogUsedUp] {
        let (fs, db) = on_a_full_disk(before);
        let (docs, other) = collections(&db);
        let count = || docs.count().unwrap();
        assert_eq!((count(), other.count().unwrap()), (300, 600), "{before:?}");
        assert_eq!(docs.get(7u64).unwrap().unwrap().payload, record(7).payload);
        assert_eq!(docs.query().nearest([8.2, 1.0]).k(1).run().unwrap().keys().next(), Some(&8u64.into()));

        assert!(docs.delete(0u64).unwrap(), "{before:?}");
        assert_eq!(docs.delete_all(1..20u64).unwrap(), 19, "{before:?}");
        assert_eq!(docs.delete_where(Filter::parse("@key < 60").unwrap()).unwrap(), 40, "{before:?}");
        db.drop_collection("other").unwrap_or_else(|error| panic!("{before:?}: {error:?}"));
        docs.compact().unwrap_or_else(|error| panic!("{before:?}: {error:?}"));
        assert_eq!(count(), 240, "{before:?}");
        check_verifies(&db);

        // What was dropped and deleted has made room.
        docs.put(record(1_000)).unwrap_or_else(|error| panic!("{before:?}: {error:?}"));
        assert!(fs.list().unwrap().contains(&"RESERVE".to_owned()), "{before:?}");
        let world = read(&db).unwrap();
        for after in [fs.reboot_losing_all(), fs.reboot_keeping_all()] {
            fill(&after);
            let db = open(&after).unwrap_or_else(|error| panic!("{before:?}: {error:?}"));
            assert_eq!(world.difference(&read(&db).unwrap(), driftline::Timestamp(0)), None, "{before:?}");
            check_verifies(&db);
        }
    }
}

/// What was set aside is given up and not back yet, and others take it before the store is opened again.
#[test]
fn a_store_that_was_killed_without_what_was_set_aside_can_be_read() {
    let (fs, db) = on_a_full_disk(Before::Closed);
    collections(&db).0.delete(7u64).unwrap();
    let fs = fs.reboot_keeping_all();
    assert!(!fs.list().unwrap().contains(&"RESERVE".to_owned()), "it was given up");
    fill(&fs);
    let db = open(&fs).unwrap();
    let docs = db.collection("docs").unwrap();
    assert_eq!((docs.count().unwrap(), db.collection("other").unwrap().count().unwrap()), (299, 600));
    assert!(docs.get(7u64).unwrap().is_none() && docs.get(8u64).unwrap().is_some());
    assert_full(docs.put(record(7)));
    check_verifies(&db);
    fs.heal();
    docs.put(record(7)).unwrap();
}

/// Each is synced alone, and takes a block of the log.
#[test]
fn hundreds_of_records_are_deleted_one_by_one() {
    for before in [Before::Written, Before::Closed] {
        let (fs, db) = on_a_full_disk(before);
        let (docs, _) = collections(&db);
        (0..300u64).for_each(|key| assert!(docs.delete(key).unwrap_or_else(|error| panic!("{key}: {error:?}"))));
        let db = open(&fs.reboot_losing_all()).unwrap();
        assert_eq!(collections(&db).0.count().unwrap(), 0);
    }
}

#[test]
fn what_takes_room_is_refused_until_the_room_that_was_set_aside_is_back() {
    let (fs, db) = on_a_full_disk(Before::Closed);
    let (docs, _) = collections(&db);
    assert!(fs.list().unwrap().contains(&"RESERVE".to_owned()), "opening alone needs nothing of it");
    assert_full(docs.put(record(1)));
    assert_full(db.create_collection("more", Schema::payload_only()));
    assert!(fs.list().unwrap().contains(&"RESERVE".to_owned()), "what takes room has used it");
    docs.delete(1u64).unwrap();
    assert!(fs.free_bytes().unwrap().unwrap() > ASIDE / 2, "it was given up");
    // There would be room for this row, and it is not for rows.
    assert_full(docs.put(record(1)));
    assert_full(db.batch().put(&docs, record(1)).delete(&docs, 2u64).commit());
    let health = db.health();
    let disk = health.check("disk_space").unwrap();
    assert!(!disk.passed() && disk.message.contains("set aside"), "{disk:?}");

    fs.heal();
    docs.put(record(1)).unwrap();
    check_files(&db, &fs);
    assert_eq!(db.disk_usage().unwrap().reserve_bytes, ASIDE);
    assert!(db.health().check("disk_space").unwrap().passed());
}

/// Many more rows wait in memory than would fit there.
#[test]
fn a_flush_that_cannot_fit_leaves_to_deletions_what_is_set_aside() {
    let fs = SimulatedFs::new(1);
    let db = store(&fs);
    let (docs, _) = collections(&db);
    docs.put_all((300..4_300).map(record)).unwrap();
    fill(&fs);
    assert_full(db.flush());
    assert!(fs.list().unwrap().contains(&"RESERVE".to_owned()), "it would not have been enough");
    (0..20u64).for_each(|key| assert!(docs.delete(key).unwrap()));
    fs.heal();
    db.flush().unwrap();
    assert_eq!(docs.count().unwrap(), 4_280);
}

/// Half of each segment is gone; all of what is left does not fit beside it, that of one segment does.
#[test]
fn a_collection_that_is_larger_than_the_room_is_compacted_segment_by_segment() {
    let fs = SimulatedFs::new(1);
    let db = open(&fs).unwrap();
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    let note = |key: u64| Record::new(key).payload(Value::Bytes(vec![key as u8; 1 << 20]));
    for key in 0..12u64 {
        notes.put(note(key)).unwrap();
        if key % 4 == 3 {
            db.flush().unwrap();
        }
    }
    fill(&fs);
    notes.delete_all((0..12u64).filter(|key| key % 2 == 0)).unwrap();
    // It keeps six MiB.
    notes.compact().unwrap();
    assert_eq!(db.stats().unwrap().collections[0].segments, 1);
    let left: Vec<u64> = notes.scan().map(|note| note.unwrap().key.as_number().unwrap()).collect();
    assert_eq!(left, [1, 3, 5, 7, 9, 11]);
    check_verifies(&db);
    check_files(&db, &fs);
}

/// What is to be kept is too much for any room, and nothing changes.
#[test]
fn a_compaction_that_cannot_be_done_says_what_it_needs() {
    let fs = SimulatedFs::new(1);
    let db = open(&fs).unwrap();
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    let note = |key: u64| Record::new(key).payload(Value::Bytes(vec![key as u8; 1 << 20]));
    notes.put_all((0..8).map(note)).unwrap();
    db.flush().unwrap();
    notes.delete(0u64).unwrap();
    fill(&fs);
    assert_full(notes.compact());
    assert_eq!(notes.count().unwrap(), 7);
    // What was given up for it is there for deleting, which makes enough room.
    assert_eq!(notes.delete_all(1..6u64).unwrap(), 5);
    notes.compact().unwrap();
    notes.put(note(9)).unwrap();
    assert_eq!(notes.count().unwrap(), 3);
}

/// There is less than a merge that keeps something asks for beside its output.
#[test]
fn a_compaction_that_keeps_nothing_takes_the_last_bytes() {
    let fs = SimulatedFs::new(1);
    let db = options().free_disk_reserve_bytes(0).open_on(Arc::new(fs.clone())).unwrap();
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    notes.put_all((0..100u64).map(Record::new)).unwrap();
    db.flush().unwrap();
    assert_eq!(notes.delete_all(0..100u64).unwrap(), 100);
    fs.inject(Fault::DiskFull { after_bytes: 256 << 10 });
    notes.compact().unwrap();
    assert_eq!(db.stats().unwrap().collections[0].segments, 0);
}

#[test]
fn what_is_set_aside_follows_the_options() {
    let fs = SimulatedFs::new(1);
    let length = |fs: &SimulatedFs| fs.open("RESERVE").ok().map(|file| file.length().unwrap());
    drop(open(&fs).unwrap());
    assert_eq!(length(&fs), None, "a store that was never written to needs none");
    for (kept, aside) in [(1 << 30, Some(ASIDE)), (1 << 20, Some(1 << 20)), (0, None), (64 << 20, Some(ASIDE))] {
        let db = options().free_disk_reserve_bytes(kept).open_on(Arc::new(fs.clone())).unwrap();
        db.ensure_collection("docs", Schema::payload_only()).unwrap().put(Record::new(1u64)).unwrap();
        assert_eq!(length(&fs), aside, "of {kept}");
        assert_eq!(db.disk_usage().unwrap().reserve_bytes, aside.unwrap_or(0));
        db.close().unwrap();
        assert_eq!(length(&fs), aside, "after closing");
    }
    let before = fs.calls();
    assert_eq!(options().open_on(Arc::new(fs.clone())).unwrap().disk_usage().unwrap().reserve_bytes, ASIDE);
    assert_eq!(fs.calls(), before, "what is there is taken over as it is");
    assert_eq!(Database::in_memory().unwrap().disk_usage().unwrap().reserve_bytes, 0);
}

/// Deletes, drops and compacts on a full disk until the power goes; tells what was acknowledged.
fn free_room(db: &Database, fs: &SimulatedFs) -> (u64, bool) {
    let Ok((docs, other)) = db.collection("docs").and_then(|docs| Ok((docs, db.collection("other")?))) else {
        return (0, false);
    };
    drop(other);
    let mut deleted = 0;
    for key in 0..20u64 {
        if let Err(error) = docs.delete(key) {
            assert!(fs.is_off(), "{error:?}");
            return (deleted, false);
        }
        deleted += 1;
    }
    if db.drop_collection("other").is_err() {
        return (deleted, false);
    }
    _ = docs.compact();
    (deleted, true)
}

#[test]
fn the_power_may_go_at_every_call_on_a_full_disk() {
    let used = |fs: &SimulatedFs| -> u64 {
        fs.list().unwrap().iter().map(|name| fs.open(name).unwrap().length().unwrap()).sum()
    };
    let fs = SimulatedFs::new(1);
    store(&fs).close().unwrap();
    // What was removed stays so, and its room is taken by others.
    fs.sync_dir().unwrap();
    let capacity = used(&fs);
    let start = |call: Option<u64>| {
        let fs = fs.reboot_keeping_all();
        fill(&fs);
        call.iter().for_each(|call| fs.inject(Fault::PowerCut { at_call: *call }));
        let done = open(&fs).map(|db| free_room(&db, &fs));
        (fs, done.unwrap_or((0, false)))
    };
    let (whole, done) = start(None);
    assert_eq!(done, (20, true));
    let calls = whole.calls();
    assert!(calls > 60, "freeing room is {calls} calls");
    for_each_case(calls, |call| {
        let (fs, (deleted, dropped)) = start(Some(call));
        assert!(fs.is_off(), "call {call} was never made");
        for after in [fs.reboot_losing_all(), fs.reboot_keeping_all(), fs.reboot(call)] {
            // Nobody else has taken what was freed.
            after.inject(Fault::DiskFull { after_bytes: capacity.saturating_sub(used(&after)) });
            let db = open(&after).unwrap_or_else(|error| panic!("call {call}: {error:?}"));
            let there = db.collection("docs").unwrap().count().unwrap();
            // The one that was under way may be gone or not.
            assert!((280..=300 - deleted).contains(&there), "call {call}: {there} after {deleted} were deleted");
            assert!(there == 300 - deleted || there == 299 - deleted, "call {call}: {there} of {deleted}");
            assert!(!dropped || db.collection("other").is_err(), "call {call}: what was dropped is back");
            check_verifies(&db);
            let deleted = db.collection("docs").unwrap().delete(250u64);
            assert!(deleted.unwrap_or_else(|error| panic!("call {call}: {error:?}")));
        }
    });
    println!("{calls} calls");
}
