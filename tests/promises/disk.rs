//! What is said to take room on the disk adds up to what the files take, and who keeps a file is named.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use driftline::{
    Collection, Database, DiskUsage, Lsn, Maintenance, ManualClock, Metric, Options, Random, Record, Schema, Timestamp,
    json,
};

fn options() -> Options {
    Options::new().maintenance(Maintenance::Manual).index_min_rows(1).seed(2)
}

fn put(collection: &Collection, keys: std::ops::Range<u64>) {
    let row = |key: u64| Record::new(key).vector([key as f32, 1.0]).payload(json!({"text": "x".repeat(200)}));
    collection.put_all(keys.map(row)).unwrap();
}

/// The usage, which must add up to the files of the directory.
#[track_caller]
fn usage(db: &Database, dir: &Path) -> DiskUsage {
    let usage = db.disk_usage().unwrap();
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let ours = entries.filter(|entry| entry.file_name() != "notes.txt");
    let bytes: u64 = ours.map(|entry| entry.metadata().unwrap().len()).sum();
    let parts = [
        usage.live_bytes,
        usage.dead_bytes,
        usage.index_bytes,
        usage.import_bytes,
        usage.blob_bytes,
        usage.log_bytes,
        usage.root_bytes,
        usage.reserve_bytes,
        usage.temporary_bytes,
        usage.pinned_bytes,
    ];
    assert_eq!((usage.bytes, parts.iter().sum::<u64>()), (bytes, bytes), "{usage:?}");
    let of = |part: fn(&driftline::CollectionUsage) -> u64| usage.collections.iter().map(part).sum::<u64>();
    assert_eq!(of(|it| it.live_bytes), usage.live_bytes);
    assert_eq!(of(|it| it.dead_bytes + it.index_bytes), usage.dead_bytes + usage.index_bytes);
    usage
}

#[test]
fn the_parts_add_up_to_the_files_at_every_step() {
    let dir = tempfile::tempdir().unwrap();
    let db = options().open(dir.path()).unwrap();
    std::fs::write(dir.path().join("notes.txt"), "somebody else's").unwrap();
    assert_eq!(usage(&db, dir.path()).live_bytes, 0);
    let schema = Schema::vector(2, Metric::L2).index("lsh(tables=2)".parse().unwrap());
    let docs = db.create_collection("docs", schema).unwrap();
    db.create_collection("empty", Schema::payload_only()).unwrap();
    put(&docs, 0..1_000);
    assert!(usage(&db, dir.path()).log_bytes > 0);
    db.flush().unwrap();
    assert!(docs.wait_indexed(Duration::from_secs(60)).unwrap());
    db.put_blob(&[7u8; 10_000][..]).unwrap();
    let whole = usage(&db, dir.path());
    assert!(whole.index_bytes > 0 && whole.blob_bytes > 10_000 && whole.dead_bytes == 0, "{whole:?}");

    docs.delete_all(0..250u64).unwrap();
    db.flush().unwrap();
    let quarter = usage(&db, dir.path());
    let rows = whole.live_bytes;
    assert_eq!(quarter.live_bytes, rows * 750 / 1000);
    assert!(quarter.dead_bytes >= rows - quarter.live_bytes);
    docs.compact().unwrap();
    let compact = usage(&db, dir.path());
    assert!(compact.dead_bytes == 0 && compact.live_bytes < rows * 4 / 5, "{compact:?}");
    assert_eq!((compact.pinned_bytes, compact.temporary_bytes, compact.pins.len()), (0, 0, 0));

    let mut import = docs.resume_import("more", "v1").unwrap();
    (5_000..5_100u64).for_each(|key| import.put(Record::new(key).vector([0.0, 1.0])).unwrap());
    import.checkpoint().unwrap();
    drop(import);
    assert!(usage(&db, dir.path()).import_bytes > 0);
    db.drop_collection("docs").unwrap();
    let dropped = usage(&db, dir.path());
    assert_eq!((dropped.live_bytes, dropped.index_bytes, dropped.import_bytes), (0, 0, 0));
}

/// Of each file at most a fifth is gone, and of each size there are at most three, or they would be merged.
#[test]
fn once_maintenance_is_done_little_is_on_the_disk_but_what_lives() {
    const LOG_FILE: u64 = 256 << 10;
    /// The log is made longer in steps of so much, and a batch may come on top.
    const LOG_STEP: u64 = 1 << 20;
    const BATCH: u64 = 128 << 10;
    /// A file of deletions, beside a bit for each row.
    const DELETIONS: u64 = 8 << 10;
    for seed in 0..6 {
        let dir = tempfile::tempdir().unwrap();
        let db = options().log_file_bytes(LOG_FILE).open(dir.path()).unwrap();
        let docs = db.create_collection("docs", Schema::vector(2, Metric::L2).index("flat".parse().unwrap())).unwrap();
        let mut random = Random::seeded(seed, 0);
        for _ in 0..30 {
            let (put_from, delete_from) = (random.below(2_000), random.below(2_000));
            put(&docs, put_from..put_from + random.below(400));
            docs.delete_all(delete_from..delete_from + random.below(500)).unwrap();
            db.flush().unwrap();
            while random.one_in(2) && db.tick().unwrap().is_some() {}
        }
        while db.tick().unwrap().is_some() {}
        let (usage, segments) = (usage(&db, dir.path()), db.stats().unwrap().collections[0].segments);
        assert!(segments <= 6, "seed {seed}: {segments} segments of two sizes");
        let deletions = segments * DELETIONS;
        assert!(usage.dead_bytes <= usage.live_bytes / 4 + deletions, "seed {seed}: {usage:?}");
        let log = LOG_FILE + LOG_STEP + BATCH;
        assert!(usage.log_bytes <= log, "seed {seed}: {usage:?}");
        assert_eq!((usage.pinned_bytes, usage.temporary_bytes), (0, 0), "seed {seed}");
        let caps = log + deletions + usage.root_bytes + usage.reserve_bytes;
        assert!(usage.bytes <= 2 * usage.live_bytes + caps, "seed {seed}: {usage:?}");
    }
}

#[test]
fn a_snapshot_that_keeps_files_is_named_with_its_time_and_their_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp(5_000)));
    let db = options().clock(clock.clone()).open(dir.path()).unwrap();
    let docs = db.create_collection("docs", Schema::vector(2, Metric::L2)).unwrap();
    put(&docs, 0..100);
    db.flush().unwrap();
    let first = usage(&db, dir.path()).live_bytes;
    let early = db.snapshot().unwrap();
    clock.advance(Duration::from_secs(1));
    put(&docs, 100..200);
    db.flush().unwrap();
    let late = db.snapshot().unwrap();
    let both = usage(&db, dir.path());
    assert_eq!((both.pinned_bytes, both.pins.len()), (0, 0), "what is in use is kept by nobody alone");
    docs.compact().unwrap();

    let kept = usage(&db, dir.path());
    assert_eq!(kept.pinned_bytes, both.live_bytes);
    let told: Vec<_> = kept.pins.iter().map(|pin| (pin.snapshot, pin.since, pin.files, pin.bytes)).collect();
    let expected = [
        (Some(Lsn(1)), Some(Timestamp(5_000)), 1, first),
        (Some(Lsn(2)), Some(Timestamp(1_005_000)), 2, both.live_bytes),
    ];
    assert_eq!(told, expected);

    // A collection of a snapshot keeps the snapshot; a scan that runs keeps files, too.
    let old = late.collection("docs").unwrap();
    drop(late);
    assert_eq!(usage(&db, dir.path()).pins.len(), 2);
    let mut scan = old.scan();
    scan.next().unwrap().unwrap();
    drop((early, old));
    let kept = usage(&db, dir.path());
    assert_eq!((kept.pins.len(), kept.pins[0].snapshot, kept.pins[0].files), (1, None, 2));
    drop(scan);
    assert_eq!(usage(&db, dir.path()).pinned_bytes, 0);
}
