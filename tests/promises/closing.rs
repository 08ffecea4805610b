//! Closing stops new calls, waits for those in flight, cuts long work short, brings everything into files, and runs the
//! callbacks, in this order.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use driftline::fs::FileSystem;
use driftline::{Collection, Database, ErrorKind, Maintenance, Metric, Options, Record, Schema, VerifyLevel, Work};

use super::support::gated::{GatedFs, stop_once};

fn manual() -> Options {
    Options::new().maintenance(Maintenance::Manual).index_min_rows(1).seed(4)
}

/// Waits until closing has begun: calls are refused then.
fn wait_until_closing(notes: &Collection) {
    while !matches!(notes.get(0u64), Err(error) if error.kind() == ErrorKind::Closed) {
        std::thread::yield_now();
    }
}

fn names(fs: &GatedFs, prefix: &str) -> Vec<String> {
    fs.list().unwrap().into_iter().filter(|name| name.starts_with(prefix)).collect()
}

#[test]
fn a_write_in_flight_is_waited_for_and_new_calls_are_refused() {
    let fs = GatedFs::new();
    let db = manual().open_on(fs.clone()).unwrap();
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    let (gate, reached, go) = stop_once("wal-");
    fs.at_create(gate);
    let writing = {
        let notes = notes.clone();
        std::thread::spawn(move || notes.put(Record::new(1u64)))
    };
    reached.recv().unwrap();
    let busy = db.close_within(Duration::from_millis(20)).unwrap_err();
    assert_eq!(busy.kind(), ErrorKind::Busy);
    // The store is as open as before.
    assert_eq!(notes.get(7u64).unwrap(), None);
    let closing = {
        let db = db.clone();
        std::thread::spawn(move || db.close_within(Duration::from_secs(60)))
    };
    wait_until_closing(&notes);
    assert_eq!(notes.put(Record::new(2u64)).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(notes.scan().next().unwrap().unwrap_err().kind(), ErrorKind::Closed);
    go.send(()).unwrap();
    writing.join().unwrap().unwrap();
    closing.join().unwrap().unwrap();
    let db = manual().open_on(fs).unwrap();
    assert!(db.recovery_report().clean);
    assert_eq!(db.collection("notes").unwrap().count().unwrap(), 1);
}

#[test]
fn a_compaction_is_cut_short_and_leaves_nothing() {
    let fs = GatedFs::new();
    let db = manual().open_on(fs.clone()).unwrap();
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    for key in 0..2u64 {
        notes.put(Record::new(key)).unwrap();
        db.flush().unwrap();
    }
    let segments = names(&fs, "seg-");
    let (gate, reached, go) = stop_once("seg-");
    fs.at_create(gate);
    let compacting = {
        let notes = notes.clone();
        std::thread::spawn(move || notes.compact())
    };
    reached.recv().unwrap();
    assert_eq!(db.close_within(Duration::from_millis(20)).unwrap_err().kind(), ErrorKind::Busy);
    // While the compaction writes, nobody else can have the store.
    assert_eq!(manual().open_on(fs.clone()).unwrap_err().kind(), ErrorKind::Locked);
    let closing = std::thread::spawn(move || db.close());
    wait_until_closing(&notes);
    go.send(()).unwrap();
    assert_eq!(compacting.join().unwrap().unwrap_err().kind(), ErrorKind::Closed);
    closing.join().unwrap().unwrap();
    assert_eq!(names(&fs, "seg-"), segments);
    let db = manual().open_on(fs).unwrap();
    assert_eq!((db.recovery_report().damaged.len(), db.recovery_report().swept_files), (0, 0));
    assert_eq!(db.collection("notes").unwrap().count().unwrap(), 2);
    assert!(db.verify(VerifyLevel::Full).unwrap().is_clean());
}

#[test]
fn the_build_of_an_index_is_cut_short() {
    let fs = GatedFs::new();
    let db = manual().open_on(fs.clone()).unwrap();
    let docs = db.create_collection("docs", Schema::vector(4, Metric::L2).index("hnsw".parse().unwrap())).unwrap();
    docs.put_all((0..3_000u64).map(|key| Record::new(key).vector([key as f32, 1.0, 2.0, 3.0]))).unwrap();
    db.flush().unwrap();
    // It asks for room before it begins.
    let (gate, reached, go) = stop_once("");
    fs.at_free(gate);
    let building = {
        let db = db.clone();
        std::thread::spawn(move || db.tick())
    };
    reached.recv().unwrap();
    let closing = std::thread::spawn(move || db.close());
    wait_until_closing(&docs);
    go.send(()).unwrap();
    assert_eq!(building.join().unwrap().unwrap_err().kind(), ErrorKind::Closed);
    closing.join().unwrap().unwrap();
    assert_eq!(names(&fs, "idx-"), [""; 0]);
    let db = manual().open_on(fs).unwrap();
    assert_eq!(db.tick().unwrap(), Some(Work::Indexed));
}

#[test]
fn callbacks_run_last_after_everything_is_in_files_the_newest_first() {
    let fs = GatedFs::new();
    let db = Options::new().open_on(fs.clone()).unwrap();
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    notes.put(Record::new(1u64)).unwrap();
    assert_eq!((names(&fs, "wal-").len(), names(&fs, "seg-").len()), (1, 0));
    let told: Arc<Mutex<Vec<(u32, usize, usize)>>> = Arc::default();
    for number in 0..2 {
        let (told, fs) = (Arc::clone(&told), Arc::clone(&fs));
        db.on_close(move || {
            told.lock().unwrap().push((number, names(&fs, "wal-").len(), names(&fs, "seg-").len()));
            // The lock is still ours.
            assert_eq!(Options::new().open_on(fs).unwrap_err().kind(), ErrorKind::Locked);
        });
    }
    db.on_close(|| panic!("one that panics keeps no other from running"));
    db.close_within(Duration::from_secs(60)).unwrap();
    assert_eq!(*told.lock().unwrap(), [(1, 0, 1), (0, 0, 1)]);
}

#[test]
fn a_writer_that_waits_for_room_is_let_go_with_the_store() {
    let fs = GatedFs::new();
    let db = Options::new().memory_budget_bytes(1 << 20).open_on(fs.clone()).unwrap();
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    fs.at_create(|name| if name.starts_with("seg-") { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) });
    let writing = {
        let notes = notes.clone();
        std::thread::spawn(move || {
            (0..1_000u64).find_map(|key| notes.put(Record::new(key).payload("x".repeat(10 << 10))).err())
        })
    };
    let full = |db: &Database| db.stats().unwrap().unsealed_bytes >= 1 << 20;
    while !full(&db) {
        std::thread::yield_now();
    }
    // What is in memory cannot be brought into files, but the log has it.
    assert_eq!(db.close().unwrap_err().kind(), ErrorKind::DiskFull);
    assert_eq!(writing.join().unwrap().unwrap().kind(), ErrorKind::Closed);
    fs.at_create(|_| Ok(()));
    let db = manual().open_on(fs).unwrap();
    assert!(db.collection("notes").unwrap().count().unwrap() > 90);
}

#[test]
fn calls_and_their_errors_are_counted() {
    let db = manual().in_memory().unwrap();
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    let counts = |db: &Database| (db.health().calls, db.health().errors);
    assert_eq!(counts(&db), (0, 0));
    notes.put(Record::new(1u64)).unwrap();
    assert!(notes.get(1u64).unwrap().is_some() && notes.get(2u64).unwrap().is_none());
    assert_eq!(notes.scan().count(), 1);
    assert_eq!(counts(&db), (4, 0));
    assert!(notes.query().nearest([1.0]).run().is_err());
    assert_eq!(counts(&db), (5, 1));
}
