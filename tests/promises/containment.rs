//! A part that is damaged, slow or late harms no other part.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use driftline::{
    Clock, Collection, Database, Durability, ErrorKind, Maintenance, ManualClock, Metric, Options, Record, Schema,
    Timestamp, Value, Work, json,
};

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

const HOUR: Duration = Duration::from_secs(3600);

/// A store with a clock wound by hand.
fn with_clock(dir: &Path) -> (Database, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(Timestamp(1_000_000)));
    (manual().clock(clock.clone()).open(dir).unwrap(), clock)
}

/// Damages the times at which the records of a segment expire, of which the last is now.
fn damage_times(dir: &Path, clock: &ManualClock, ttl: Duration) {
    let last = clock.now().after(ttl).0.to_le_bytes();
    let segment = segments(dir).remove(0);
    let content = std::fs::read(dir.join(&segment)).unwrap();
    // The header says it too, before the sections.
    let at = 4096 + content[4096..].windows(8).position(|window| window == last).unwrap();
    flip(dir, &segment, at);
}

#[test]
fn damaged_times_keep_no_other_collection_from_merging_and_writing() {
    let dir = tempfile::tempdir().unwrap();
    let (db, clock) = with_clock(dir.path());
    let bad = db.create_collection("bad", Schema::payload_only().ttl(HOUR)).unwrap();
    let good = db.create_collection("good", Schema::payload_only()).unwrap();
    for key in 0..64u64 {
        bad.put(Record::new(key)).unwrap();
        db.flush().unwrap();
    }
    damage_times(dir.path(), &clock, HOUR);
    assert_eq!(good.put(Record::new(0u64)).unwrap_err().kind(), ErrorKind::Busy);
    let mut steps = 0;
    while !matches!(db.tick(), Ok(None)) {
        steps += 1;
        assert!(steps < 100, "the damage is found once");
    }
    good.put(Record::new(0u64)).unwrap();
    assert!(segments(dir.path()).len() < 8, "the whole segments of the collection are merged");
    assert_eq!(bad.compact().unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn damaged_times_of_one_collection_leave_the_numbers_of_all() {
    let dir = tempfile::tempdir().unwrap();
    let (db, clock) = with_clock(dir.path());
    let bad = db.create_collection("bad", Schema::payload_only().ttl(2 * HOUR)).unwrap();
    let good = db.create_collection("good", Schema::payload_only().ttl(2 * HOUR)).unwrap();
    let put_both = |key: u64| [&bad, &good].map(|it| it.put(Record::new(key)).unwrap());
    put_both(1);
    clock.advance(HOUR);
    put_both(2);
    db.flush().unwrap();
    damage_times(dir.path(), &clock, 2 * HOUR);
    clock.advance(HOUR + HOUR / 2);
    assert_eq!(bad.count().unwrap_err().kind(), ErrorKind::Corrupt);
    let stats = db.stats().unwrap();
    let records: Vec<_> = stats.collections.iter().map(|it| (&*it.name, it.records)).collect();
    assert_eq!(records, [("bad", 2), ("good", 1)], "it cannot be read that one has expired");
}

fn fill_the_log(collection: &Collection) {
    let full = (0..200u64).find_map(|key| collection.put(Record::new(key).payload("x".repeat(2048))).err());
    assert_eq!(full.unwrap().kind(), ErrorKind::Busy);
}

#[test]
fn the_log_of_a_dropped_collection_keeps_nobody_from_writing() {
    let small = || manual().log_file_bytes(4 << 10).log_budget_bytes(64 << 10);
    let (dir, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let db = small().open(dir.path()).unwrap();
    let bad = db.create_collection("bad", Schema::payload_only()).unwrap();
    let large = db.create_collection("large", Schema::payload_only()).unwrap();
    let other = db.create_collection("other", Schema::payload_only()).unwrap();
    fill_the_log(&large);
    db.drop_collection("large").unwrap();
    other.put(Record::new(1u64)).unwrap();

    // The same where a damaged collection keeps the files of the log.
    db.create_collection("large", Schema::payload_only()).unwrap();
    bad.put(Record::new(1u64)).unwrap();
    db.flush().unwrap();
    bad.put(Record::new(2u64)).unwrap();
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), crashed.path().join(entry.file_name())).unwrap();
    }
    // That of `bad` was written first.
    flip(crashed.path(), &segments(crashed.path())[0], 100);
    let db = small().open(crashed.path()).unwrap();
    assert_eq!(db.recovery_report().damaged.len(), 1);
    fill_the_log(&db.collection("large").unwrap());
    db.drop_collection("large").unwrap();
    db.collection("other").unwrap().put(Record::new(2u64)).unwrap();
}

#[test]
fn a_step_of_maintenance_that_fails_keeps_no_other_from_its_turn() {
    let dir = tempfile::tempdir().unwrap();
    let db = manual().index_min_rows(1).open(dir.path()).unwrap();
    let models = db.create_collection("models", Schema::payload_only()).unwrap();
    let blob = db.put_blob(&b"weights"[..]).unwrap();
    models.put(Record::new(1u64).payload(Value::Blob(blob))).unwrap();
    db.flush().unwrap();
    let segment = segments(dir.path()).remove(0);
    let content = std::fs::read(dir.path().join(&segment)).unwrap();
    // The payload says it, and after it the list of what the segment names.
    let at = content.windows(32).rposition(|window| window == blob.0).unwrap();
    flip(dir.path(), &segment, at);
    let docs =
        db.create_collection("docs", Schema::vector(2, Metric::L2).index("lsh(tables=1)".parse().unwrap())).unwrap();
    docs.put_all((0..100u64).map(|key| Record::new(key).vector([key as f32, 1.0]))).unwrap();
    db.flush().unwrap();
    assert_eq!(db.tick().unwrap(), Some(Work::Indexed));
    assert_eq!(db.tick().unwrap(), Some(Work::KeptResident));
    assert_eq!(db.tick().unwrap_err().kind(), ErrorKind::Corrupt, "what failed is said when nothing else is left");
}

#[test]
fn an_index_that_cannot_be_written_keeps_no_other_from_memory() {
    let fs = GatedFs::new();
    let db = manual().index_min_rows(1).open_on(fs.clone()).unwrap();
    let fill = |name: &str| {
        let docs =
            db.create_collection(name, Schema::vector(2, Metric::L2).index("lsh(tables=1)".parse().unwrap())).unwrap();
        docs.put_all((0..100u64).map(|key| Record::new(key).vector([key as f32, 1.0]))).unwrap();
        db.flush().unwrap();
    };
    fill("first");
    assert_eq!(db.tick().unwrap(), Some(Work::Indexed));
    fs.at_create(|name| if name.starts_with("idx-") { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) });
    fill("second");
    assert_eq!(db.tick().unwrap(), Some(Work::KeptResident), "the index of the first");
    assert_eq!(db.tick().unwrap_err().kind(), ErrorKind::DiskFull);
}
