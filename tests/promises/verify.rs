//! Checking a store finds what is wrong with any part of it, names it, and goes on with the others.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use driftline::mlops::AuditEntry;
use driftline::{
    CancelToken, Database, ErrorKind, Maintenance, Metric, Options, Random, Record, Schema, VerifyLevel,
    VerifyProgress, VerifyReport, json,
};

const DIMENSION: usize = 16;

fn manual() -> Options {
    Options::new().maintenance(Maintenance::Manual).index_min_rows(1).seed(5)
}

fn record(number: u64) -> Record {
    let mut random = Random::seeded(number, 4);
    let vector: Vec<f32> = (0..DIMENSION).map(|_| random.unit() as f32).collect();
    Record::new(number).vector(vector).payload(json!({"n": number}))
}

/// A store of some collections with an index of each kind, closed.
fn store(dir: &Path, rows: u64) {
    let db = manual().open(dir).unwrap();
    for (name, index) in [("graph", "hnsw(m=8)"), ("tables", "lsh(tables=4)"), ("plain", "flat")] {
        let schema = Schema::vector(DIMENSION, Metric::L2).index(index.parse().unwrap());
        let collection = db.create_collection(name, schema).unwrap();
        collection.put_all((0..rows).map(record)).unwrap();
        db.flush().unwrap();
        assert!(collection.wait_indexed(Duration::from_secs(60)).unwrap());
    }
    db.put_blob(&b"weights"[..]).unwrap();
    db.close().unwrap();
}

fn files(dir: &Path, prefix: &str) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(prefix)).collect();
    paths.sort_by_key(|path| path.to_str().unwrap().rsplit('-').next().unwrap().parse::<u64>().unwrap());
    paths
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

fn full(db: &Database) -> VerifyReport {
    db.verify(VerifyLevel::Full).unwrap()
}

#[test]
fn a_whole_store_is_clean_and_everything_in_it_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    store(dir.path(), 700);
    let db = manual().open(dir.path()).unwrap();
    let report = full(&db);
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.rows, report.records, report.collections.len()), (2_100, 2_100, 3));
    let on_disk = ["seg-", "idx-", "blob-", "MANIFEST-"].map(|kind| files(dir.path(), kind)).concat();
    let bytes: u64 = on_disk.iter().map(|path| path.metadata().unwrap().len()).sum();
    assert_eq!((report.files, report.bytes), (on_disk.len() as u64, bytes));
    for collection in &report.collections {
        let asked = if collection.name == "plain" { 0 } else { 700 };
        assert_eq!(collection.asked_rows, asked, "{}", collection.name);
        assert!(collection.found_rows * 100 >= asked * 99, "{collection:?}");
    }
    let quick = db.verify(VerifyLevel::Quick).unwrap();
    assert!(quick.is_clean() && quick.records == 0 && quick.collections.iter().all(|it| it.asked_rows == 0));
}

#[test]
fn a_manifest_of_which_one_copy_is_damaged_is_read_and_told_of() {
    let dir = tempfile::tempdir().unwrap();
    store(dir.path(), 20);
    let manifest = files(dir.path(), "MANIFEST-").pop().unwrap();
    let length = manifest.metadata().unwrap().len() as usize;
    for (at, copy) in [(40, "first"), (length - 1, "second")] {
        flip(&manifest, at);
        let db = manual().open_read_only(dir.path()).unwrap();
        for level in [VerifyLevel::Quick, VerifyLevel::Full] {
            let report = db.verify(level).unwrap();
            assert_eq!((report.problems.len(), report.warnings.len()), (0, 1), "{report:?}");
            let message = &report.warnings[0].message;
            assert!(message.contains(copy) && message.contains("MANIFEST-"), "{message}");
            assert!(!report.is_clean());
        }
        drop(db);
        flip(&manifest, at);
    }
    assert!(full(&manual().open_read_only(dir.path()).unwrap()).is_clean());
}

#[test]
fn a_damaged_collection_keeps_no_other_from_being_checked() {
    let dir = tempfile::tempdir().unwrap();
    store(dir.path(), 300);
    let segments = files(dir.path(), "seg-");
    // The first does not open; of the second one chunk is damaged.
    flip(&segments[0], 100);
    flip(&segments[1], 4096);
    flip(&files(dir.path(), "blob-")[0], 4096);
    let db = manual().open(dir.path()).unwrap();
    let report = full(&db);
    let problems: Vec<u64> = report.collections.iter().map(|it| it.problems).collect();
    assert!(problems[0] > 0 && problems[1] > 0 && problems[2] == 0, "{report:?}");
    assert_eq!(report.collections[2].records, 300);
    let parts: Vec<&str> = report.problems.iter().map(|it| &*it.part).collect();
    assert!(parts.contains(&"collection graph") && parts.contains(&"collection tables") && parts.contains(&"blobs"));
}

#[test]
fn damage_to_an_unfinished_import_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let db = manual().open(dir.path()).unwrap();
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    let mut import = notes.resume_import("more", "it").unwrap();
    (0..300u64).for_each(|key| import.put(Record::new(key).payload("x".repeat(300))).unwrap());
    import.checkpoint().unwrap();
    drop(import);
    let segment = files(dir.path(), "seg-").pop().unwrap();
    let middle = segment.metadata().unwrap().len() as usize / 2;
    assert!(full(&db).is_clean());
    for (at, quick) in [(middle, 0), (100, 1)] {
        flip(&segment, at);
        let problems = full(&db).problems;
        assert!(problems.len() == 1 && problems[0].part == "import more into collection notes", "{problems:?}");
        assert_eq!(db.verify(VerifyLevel::Quick).unwrap().problems.len(), quick, "quick reads what frames a file");
        flip(&segment, at);
    }
}

#[test]
fn damage_to_the_log_of_an_open_store_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let db = manual().open(dir.path()).unwrap();
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    for key in 0..20u64 {
        notes.put(Record::new(key).payload(json!("in the log alone"))).unwrap();
    }
    let report = full(&db);
    assert!(report.is_clean() && report.batches == 20, "{report:?}");
    let log = files(dir.path(), "wal-").pop().unwrap();
    for at in [4, 4096 + 70, 8192 + 40] {
        flip(&log, at);
        let report = full(&db);
        assert_eq!(report.problems.len(), 1, "byte {at}: {report:?}");
        assert_eq!(report.problems[0].part, "log");
        flip(&log, at);
    }
    assert!(full(&db).is_clean());
}

#[test]
fn the_log_is_clean_while_others_write_and_flush() {
    let db = Options::new().log_file_bytes(64 << 10).in_memory().unwrap();
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for key in 0..600u64 {
                notes.put(Record::new(key).payload("x".repeat(400))).unwrap();
                if key % 50 == 49 {
                    db.flush().unwrap();
                }
            }
        });
        for _ in 0..20 {
            let report = full(&db);
            assert!(report.is_clean(), "{report:?}");
        }
    });
}

#[test]
fn progress_comes_to_all_there_is_and_a_cancelled_check_ends() {
    let dir = tempfile::tempdir().unwrap();
    store(dir.path(), 500);
    let db = manual().open(dir.path()).unwrap();
    let told: Arc<Mutex<Vec<VerifyProgress>>> = Arc::default();
    let tell = Arc::clone(&told);
    db.verification().on_progress(move |progress| tell.lock().unwrap().push(*progress)).run().unwrap();
    let told = std::mem::take(&mut *told.lock().unwrap());
    let last = told.last().unwrap();
    assert_eq!((last.bytes, last.rows), (last.of_bytes, last.of_rows));
    assert!(told.windows(2).all(|pair| pair[0].bytes <= pair[1].bytes && pair[0].rows <= pair[1].rows));

    let cancel = CancelToken::new();
    let stop = cancel.clone();
    let stopped = db.verification().cancel(&cancel).on_progress(move |_| stop.cancel()).run();
    assert_eq!(stopped.unwrap_err().kind(), ErrorKind::Cancelled);
}

#[test]
fn checking_follows_the_audit_log() {
    let dir = tempfile::tempdir().unwrap();
    let db = manual().open(dir.path()).unwrap();
    assert_eq!(full(&db).audit, None, "there is no log yet");
    for number in 1..=3u64 {
        db.audit().append(AuditEntry::new("promote", format!("m-{number}"))).unwrap();
    }
    let whole = full(&db).audit.unwrap();
    assert_eq!((whole.records, whole.head.map(|head| head.position), whole.broken), (3, Some(3), None));
    assert_eq!(db.verify(VerifyLevel::Quick).unwrap().audit, None);
    let json = serde_json::to_value(full(&db)).unwrap();
    assert_eq!((json["audit"]["records"].as_u64(), json["audit"]["broken"].is_null()), (Some(3), true));
}
