//! A snapshot shows one moment, whatever is written, flushed, merged, dropped or imported after it.

use std::sync::Arc;
use std::time::Duration;

use driftline::fs::{FileSystem, MemoryFs};
use driftline::{Database, Maintenance, ManualClock, Metric, Options, Record, Schema, Snapshot, Timestamp};

use super::support::reading::{read, read_snapshot};
use super::support::world::World;

fn open(fs: &MemoryFs, clock: &Arc<ManualClock>) -> Database {
    let options = Options::new().maintenance(Maintenance::Manual).clock(clock.clone()).seed(1);
    options.open_on(Arc::new(fs.clone())).unwrap()
}

fn record(number: u64) -> Record {
    Record::new(number).vector([number as f32, 1.0])
}

#[track_caller]
fn assert_shows(snapshot: &Snapshot, expected: &World) {
    // Twice: what is read once must not change what is read again.
    for _ in 0..2 {
        assert_eq!(&read_snapshot(snapshot, expected).unwrap(), expected);
    }
}

#[test]
fn nothing_that_follows_changes_what_a_snapshot_shows() {
    let (fs, clock) = (MemoryFs::new(), Arc::new(ManualClock::new(Timestamp(1_000))));
    let db = open(&fs, &clock);
    let points = db.create_collection("points", Schema::vector(2, Metric::L2)).unwrap();
    points.put_all((0..50).map(record)).unwrap();
    db.flush().unwrap();
    points.put(record(50).expires_in(Duration::from_micros(10))).unwrap();
    points.delete(7u64).unwrap();
    let snapshot = db.snapshot().unwrap();
    let before = read(&db).unwrap();
    let lsn = snapshot.lsn();

    points.put_all((40..60).map(|number| record(number).payload("changed"))).unwrap();
    points.delete_all(0..20u64).unwrap();
    assert_shows(&snapshot, &before);
    db.flush().unwrap();
    assert_shows(&snapshot, &before);
    clock.advance(Duration::from_secs(1));
    points.compact().unwrap();
    assert_shows(&snapshot, &before);
    let mut import = points.import().unwrap();
    (0..100).for_each(|number| import.put(record(number).payload("imported")).unwrap());
    import.finish().unwrap();
    assert_shows(&snapshot, &before);
    while db.tick().unwrap().is_some() {}
    assert_shows(&snapshot, &before);
    db.create_collection("later", Schema::payload_only()).unwrap();
    db.drop_collection("points").unwrap();
    assert_shows(&snapshot, &before);
    assert_eq!((snapshot.lsn(), snapshot.collections()), (lsn, vec!["points".to_owned()]));
    assert_eq!(read(&db).unwrap().tables.keys().collect::<Vec<_>>(), ["later"]);
}

#[test]
fn files_go_when_the_last_snapshot_that_reads_them_goes() {
    let (fs, clock) = (MemoryFs::new(), Arc::new(ManualClock::new(Timestamp(1_000))));
    let db = open(&fs, &clock);
    let points = db.create_collection("points", Schema::vector(2, Metric::L2)).unwrap();
    for round in 0..3 {
        points.put_all((round * 10..round * 10 + 10).map(record)).unwrap();
        db.flush().unwrap();
    }
    let segments = || fs.list().unwrap().iter().filter(|name| name.starts_with("seg-")).count();
    let (first, second) = (db.snapshot().unwrap(), db.snapshot().unwrap());
    assert_eq!(segments(), 3);
    points.compact().unwrap();
    assert_eq!(segments(), 4);
    drop(first);
    assert_eq!(segments(), 4, "a file went although a snapshot reads it");
    assert_eq!(second.collection("points").unwrap().count().unwrap(), 30);
    drop(second);
    assert_eq!(segments(), 1, "files stay although nobody reads them");
    let scan = points.scan();
    db.drop_collection("points").unwrap();
    drop(points);
    assert_eq!(scan.count(), 30, "a scan that was begun before the drop");
    assert_eq!(segments(), 0);
}

#[test]
fn scans_and_queries_see_the_moment_they_were_begun_at() {
    let (fs, clock) = (MemoryFs::new(), Arc::new(ManualClock::new(Timestamp(1_000))));
    let db = open(&fs, &clock);
    let points = db.create_collection("points", Schema::vector(2, Metric::L2)).unwrap();
    points.put_all((0..300).map(record)).unwrap();
    let mut scan = points.scan();
    let query = points.query().nearest([0.0, 1.0]).k(1000);
    assert_eq!(scan.next().unwrap().unwrap().key, 0u64.into());
    points.delete_all(0..300u64).unwrap();
    points.put_all((300..400).map(record)).unwrap();
    db.flush().unwrap();
    assert_eq!(scan.count(), 299);
    assert_eq!(query.run().unwrap().len(), 300);
    assert_eq!(points.count().unwrap(), 100);
}
