//! A part that is damaged, slow or late harms no other part.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use driftline::{Database, Durability, ErrorKind, Maintenance, Options, Record, Schema, Value, json};

use super::support::gated::{GatedFs, stop_once};

fn manual() -> Options {
    Options::new().maintenance(Maintenance::Manual)
}

fn flip(dir: &Path, name: &str, at: usize) {
    let path = dir.join(name);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();
}

fn segments(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("seg-")).collect();
    names.sort_by_key(|name| name[4..].parse::<u64>().unwrap());
    names
}

#[test]
fn a_damaged_collection_keeps_its_blobs() {
    let dir = tempfile::tempdir().unwrap();
    let db = manual().open(dir.path()).unwrap();
    let models = db.create_collection("models", Schema::payload_only()).unwrap();
    let blob = db.put_blob(&b"weights"[..]).unwrap();
    models.put(Record::new(1u64).payload(Value::Blob(blob))).unwrap();
    db.close().unwrap();
    let segment = segments(dir.path()).pop().unwrap();
    flip(dir.path(), &segment, 100);
    let db = manual().open(dir.path()).unwrap();
    assert_eq!(db.recovery_report().damaged.len(), 1);
    while db.tick().unwrap().is_some() {}
    db.close().unwrap();
    // The file comes back from a backup.
    flip(dir.path(), &segment, 100);
    let db = manual().open(dir.path()).unwrap();
    assert!(db.collection("models").unwrap().get(1u64).unwrap().is_some());
    assert!(db.get_blob(blob).is_ok());
}

#[test]
fn a_damaged_segment_keeps_no_other_collection_from_merging_and_writing() {
    let dir = tempfile::tempdir().unwrap();
    let db = manual().open(dir.path()).unwrap();
    let bad = db.create_collection("bad", Schema::payload_only()).unwrap();
    let good = db.create_collection("good", Schema::payload_only()).unwrap();
    for key in 0..4u64 {
        bad.put(Record::new(key)).unwrap();
        db.flush().unwrap();
    }
    flip(dir.path(), &segments(dir.path())[0], 4096);
    for key in 0..64u64 {
        good.put(Record::new(key)).unwrap();
        db.flush().unwrap();
    }
    assert_eq!(good.put(Record::new(64u64)).unwrap_err().kind(), ErrorKind::Busy);
    let mut steps = 0;
    while !matches!(db.tick(), Ok(None)) {
        steps += 1;
        assert!(steps < 100, "the damage is found once");
    }
    good.put(Record::new(64u64)).unwrap();
    assert_eq!(good.count().unwrap(), 65);
}

#[test]
fn what_a_damaged_collection_holds_of_the_log_keeps_nobody_from_writing() {
    let (dir, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let db = manual().open(dir.path()).unwrap();
    let bad = db.create_collection("bad", Schema::payload_only()).unwrap();
    db.create_collection("good", Schema::payload_only()).unwrap();
    bad.put(Record::new(1u64)).unwrap();
    db.flush().unwrap();
    bad.put(Record::new(2u64).payload(json!("in the log only"))).unwrap();
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), crashed.path().join(entry.file_name())).unwrap();
    }
    let segment = segments(crashed.path()).remove(0);
    flip(crashed.path(), &segment, 100);
    for session in 0..12u64 {
        let db = manual().open(crashed.path()).unwrap();
        db.collection("good").unwrap().put(Record::new(session)).unwrap();
        db.close().unwrap();
    }
    // With the file back, what the log kept is there too.
    flip(crashed.path(), &segment, 100);
    let db = manual().open(crashed.path()).unwrap();
    assert_eq!(db.collection("bad").unwrap().count().unwrap(), 2);
    assert_eq!(db.collection("good").unwrap().count().unwrap(), 12);
}

#[test]
fn the_log_is_synced_in_time_while_a_flush_takes_long() {
    let fs = GatedFs::new();
    let options = Options::new().durability(Durability::Interval(Duration::from_millis(10)));
    let db = options.memory_budget_bytes(1 << 20).open_on(fs.clone()).unwrap();
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    let (gate, reached, go) = stop_once("seg-");
    fs.at_create(gate);
    notes.put(Record::new(0u64).payload("x".repeat(400 << 10))).unwrap();
    reached.recv().unwrap();
    let late = notes.put(Record::new(1u64)).unwrap();
    let start = Instant::now();
    while db.stats().unwrap().durable_lsn < late.lsn {
        assert!(start.elapsed() < Duration::from_secs(20), "nothing was synced while the flush stood still");
        std::thread::sleep(Duration::from_millis(5));
    }
    go.send(()).unwrap();
    db.close().unwrap();
}

#[test]
fn a_store_that_crashed_on_a_full_disk_opens_and_loses_nothing() {
    let fs = GatedFs::new();
    let db = manual().open_on(fs.clone()).unwrap();
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    notes.put(Record::new(1u64)).unwrap();
    fs.at_create(|name| if name.starts_with("seg-") { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) });
    assert_eq!(db.close().unwrap_err().kind(), ErrorKind::DiskFull);
    for _ in 0..3 {
        let db = manual().open_on(fs.clone()).unwrap();
        assert_eq!(db.collection("notes").unwrap().count().unwrap(), 1);
        db.collection("notes").unwrap().delete(7u64).unwrap();
        assert_eq!(db.close().unwrap_err().kind(), ErrorKind::DiskFull);
    }
    fs.at_create(|_| Ok(()));
    manual().open_on(fs.clone()).unwrap().close().unwrap();
    let db = manual().open_on(fs).unwrap();
    assert!(db.recovery_report().clean);
    assert_eq!(db.collection("notes").unwrap().count().unwrap(), 1);
}

#[test]
fn readers_do_not_wait_for_the_files_of_a_dropped_collection() {
    let fs = GatedFs::new();
    let db = manual().open_on(fs.clone()).unwrap();
    let large = db.create_collection("large", Schema::payload_only()).unwrap();
    let other = db.create_collection("other", Schema::payload_only()).unwrap();
    other.put(Record::new(1u64)).unwrap();
    large.put(Record::new(1u64)).unwrap();
    db.flush().unwrap();
    let (gate, reached, go) = stop_once("seg-");
    fs.at_remove(gate);
    let dropping = {
        let db: Database = db.clone();
        std::thread::spawn(move || db.drop_collection("large"))
    };
    reached.recv().unwrap();
    // The removal stands still; reading and writing go on.
    assert!(other.get(1u64).unwrap().is_some());
    other.put(Record::new(2u64)).unwrap();
    go.send(()).unwrap();
    dropping.join().unwrap().unwrap();
}
