//! Every kind of file may be damaged, and what is lost is stated: its own collection, one answer, some time, or nothing.
//! Only the root and a log that lost what it promised keep a store from opening.

use std::sync::Arc;
use std::time::Duration;

use driftline::fs::{FileSystem, SimulatedFs};
use driftline::{
    BlobId, Database, ErrorKind, Filter, Maintenance, Metric, Options, Record, Result, Schema, Value, VerifyLevel, json,
};

use super::support::reading::{blob, check_verifies};

/// What is done to a file.
#[derive(Debug, Clone, Copy)]
enum Harm {
    Header,
    Half,
    Emptied,
    Gone,
}

const HARMS: [Harm; 4] = [Harm::Header, Harm::Half, Harm::Emptied, Harm::Gone];

impl Harm {
    fn strike(self, fs: &SimulatedFs, name: &str) {
        match self {
            Harm::Header => fs.flip_bits(name, 100, 0x40).unwrap(),
            Harm::Half => fs.tamper(name, |bytes| bytes.truncate(bytes.len() / 2)).unwrap(),
            Harm::Emptied => fs.tamper(name, Vec::clear).unwrap(),
            Harm::Gone => fs.remove(name).unwrap(),
        }
    }
}

fn open(fs: &SimulatedFs) -> Result<Database> {
    let options = Options::new().maintenance(Maintenance::Manual).index_min_rows(1).seed(1);
    options.open_on(Arc::new(fs.clone()))
}

/// A closed store with files of every kind, and those of the collection `bad`.
fn store() -> (SimulatedFs, Vec<String>, BlobId) {
    let fs = SimulatedFs::new(1);
    let db = open(&fs).unwrap();
    fill(&db, "good");
    let before = fs.list().unwrap();
    let named = fill(&db, "bad");
    let mut import = db.collection("bad").unwrap().resume_import("more", "it").unwrap();
    import.put(record(500, named)).unwrap();
    import.checkpoint().unwrap();
    drop(import);
    db.close().unwrap();
    let mut files: Vec<String> = fs.list().unwrap().into_iter().filter(|name| !before.contains(name)).collect();
    // In the order of their numbers.
    files.sort_by_key(|name| name.len());
    (fs, files, named)
}

fn record(key: u64, named: BlobId) -> Record {
    let payload = Value::object([("blob", Value::Blob(named)), ("text", "x".repeat(200).into())]);
    Record::new(key).vector([key as f32, 1.0, 2.0]).payload(payload)
}

/// Rows in a file, some of them deleted, an index, and a blob.
fn fill(db: &Database, name: &str) -> BlobId {
    let schema = Schema::vector(3, Metric::L2).index("hnsw(m=4)".parse().unwrap());
    let collection = db.create_collection(name, schema).unwrap();
    let named = db.put_blob(format!("the blob of {name}").repeat(600).as_bytes()).unwrap();
    collection.put_all((0..300).map(|key| record(key, named))).unwrap();
    db.flush().unwrap();
    assert!(collection.wait_indexed(Duration::MAX).unwrap());
    collection.delete_all(0..10u64).unwrap();
    db.flush().unwrap();
    named
}

/// The file of `bad` of this kind that was written first: its segment, before that of its import.
fn file<'a>(files: &'a [String], kind: &str) -> &'a str {
    files.iter().find(|name| name.starts_with(kind)).unwrap_or_else(|| panic!("no {kind} in {files:?}"))
}

/// A collection answers as if nothing had happened.
#[track_caller]
fn answers(db: &Database, name: &str) {
    let collection = db.collection(name).unwrap();
    assert_eq!(collection.count().unwrap(), 290);
    assert_eq!(collection.scan().collect::<Result<Vec<_>>>().unwrap().len(), 290);
    assert!(collection.get(7u64).unwrap().is_none() && collection.get(70u64).unwrap().is_some());
    let hits = collection.query().nearest([41.1, 1.0, 2.0]).k(2).run().unwrap();
    assert!(hits.keys().eq([&41u64.into(), &42u64.into()]), "{hits:?}");
}

/// And can be written, flushed, merged and dropped.
#[track_caller]
fn works(db: &Database, name: &str) {
    answers(db, name);
    let collection = db.collection(name).unwrap();
    collection.put(Record::new(900u64).vector([0.5, 0.5, 0.5])).unwrap();
    db.flush().unwrap();
    assert_eq!(collection.delete_where(Filter::parse("@key = 900").unwrap()).unwrap(), 1);
    collection.compact().unwrap();
    answers(db, name);
}

#[test]
fn rows_or_deletions_that_do_not_open_cost_their_collection_until_it_is_dropped() {
    for kind in ["seg-", "del-"] {
        for harm in HARMS {
            let (fs, files, _) = store();
            let name = file(&files, kind);
            harm.strike(&fs, name);
            let db = open(&fs).unwrap_or_else(|error| panic!("{name} {harm:?}: {error}"));
            let damaged = &db.recovery_report().damaged;
            assert!(damaged.len() == 1 && damaged[0].0 == "bad", "{name} {harm:?}: {damaged:?}");
            let error = db.collection("bad").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{name} {harm:?}: {error}");
            assert!(error.to_string().contains(name), "{name} {harm:?}: {error}");
            assert!(!db.health().check("collections").is_some_and(|check| check.passed()), "{:?}", db.health());
            works(&db, "good");
            db.drop_collection("bad").unwrap();
            let left: Vec<String> = fs.list().unwrap().into_iter().filter(|it| files.contains(it)).collect();
            assert!(left.iter().all(|it| it.starts_with("blob-")), "{name} {harm:?}: {left:?}");
            db.close().unwrap();
            let db = open(&fs).unwrap();
            assert!(db.recovery_report().damaged.is_empty(), "{name} {harm:?}");
            works(&db, "good");
            check_verifies(&db);
        }
    }
}

#[test]
fn a_damaged_chunk_fails_the_calls_that_read_it() {
    let (fs, files, _) = store();
    let name = file(&files, "seg-");
    let length = fs.open(name).unwrap().length().unwrap();
    // Among the payloads, which take most of the file.
    fs.flip_bits(name, length / 2, 1).unwrap();
    let db = open(&fs).unwrap();
    assert!(db.recovery_report().damaged.is_empty(), "nobody has read it yet");
    let error = db.collection("bad").unwrap().scan().find_map(Result::err).unwrap();
    assert!(error.kind() == ErrorKind::Corrupt && error.to_string().contains(name), "{error}");
    let problems = db.verify(VerifyLevel::Full).unwrap().problems;
    assert!(problems.iter().any(|problem| problem.to_string().contains(name)), "{problems:?}");
    assert!(db.backup().to_fs(Arc::new(SimulatedFs::new(2))).is_ok(), "copying does not look into files");
    let verified = db.backup().verify().to_fs(Arc::new(SimulatedFs::new(2)));
    assert_eq!(verified.unwrap_err().kind(), ErrorKind::Corrupt);
    works(&db, "good");
}

#[test]
fn a_damaged_index_costs_time_and_no_answer() {
    for harm in HARMS {
        let (fs, files, _) = store();
        harm.strike(&fs, file(&files, "idx-"));
        let db = open(&fs).unwrap();
        let report = db.recovery_report();
        assert!(report.damaged.is_empty() && report.damaged_indexes[0].0 == "bad", "{harm:?}: {report:?}");
        answers(&db, "bad");
        assert!(db.collection("bad").unwrap().wait_indexed(Duration::MAX).unwrap(), "{harm:?}");
        works(&db, "bad");
        works(&db, "good");
        check_verifies(&db);
    }
}

#[test]
fn a_damaged_blob_costs_its_content_alone() {
    for harm in HARMS {
        let (fs, files, named) = store();
        harm.strike(&fs, file(&files, "blob-"));
        let db = open(&fs).unwrap_or_else(|error| panic!("{harm:?}: {error}"));
        assert!(db.recovery_report().damaged.is_empty(), "{harm:?}");
        assert_eq!(blob(&db, named).unwrap_err().kind(), ErrorKind::Corrupt, "{harm:?}");
        answers(&db, "bad");
        works(&db, "good");
    }
}

#[test]
fn a_damaged_import_begins_anew() {
    for harm in HARMS {
        let (fs, files, named) = store();
        let segments: Vec<&String> = files.iter().filter(|name| name.starts_with("seg-")).collect();
        harm.strike(&fs, segments[1]);
        let db = open(&fs).unwrap();
        let report = db.recovery_report();
        assert!(report.damaged.is_empty() && report.damaged_imports.len() == 1, "{harm:?}: {report:?}");
        works(&db, "good");
        works(&db, "bad");
        let mut import = db.collection("bad").unwrap().resume_import("more", "it").unwrap();
        import.put(record(501, named)).unwrap();
        import.finish().unwrap();
        assert_eq!(db.collection("bad").unwrap().count().unwrap(), 291, "{harm:?}");
    }
}

#[test]
fn one_copy_of_the_root_may_be_damaged_and_not_both() {
    let (fs, ..) = store();
    let root = fs.list().unwrap().into_iter().find(|name| name.starts_with("MANIFEST-")).unwrap();
    let length = fs.open(&root).unwrap().length().unwrap();
    // The second copy begins at a multiple of 4,096 and ends the file.
    for at in [100, length - 10] {
        let fs = fs.reboot_keeping_all();
        fs.flip_bits(&root, at, 1).unwrap();
        let db = open(&fs).unwrap();
        assert_eq!(db.verify(VerifyLevel::Quick).unwrap().warnings.len(), 1, "the damage is told of");
        works(&db, "good");
        works(&db, "bad");
        check_verifies(&db);
    }
    for at in [100, length - 10] {
        fs.flip_bits(&root, at, 1).unwrap();
    }
    let error = open(&fs).unwrap_err();
    assert!(error.kind() == ErrorKind::Corrupt && error.to_string().contains(&root), "{error}");
}

#[test]
fn a_log_that_lost_what_it_promised_keeps_the_store_shut_and_its_torn_end_does_not() {
    let (fs, ..) = store();
    let db = open(&fs).unwrap();
    let good = db.collection("good").unwrap();
    for key in 600..603u64 {
        good.put(Record::new(key).vector([1.0, 1.0, 1.0]).payload(json!("in the log"))).unwrap();
    }
    let fs = fs.reboot_keeping_all();
    drop(db);
    let log = fs.list().unwrap().into_iter().find(|name| name.starts_with("wal-")).unwrap();
    let groups = 4096;
    for harm in ["first group", "gone"] {
        let fs = fs.reboot_keeping_all();
        match harm {
            "gone" => fs.remove(&log).unwrap(),
            _ => fs.flip_bits(&log, groups + 80, 1).unwrap(),
        }
        let error = open(&fs).unwrap_err();
        assert!(error.kind() == ErrorKind::Corrupt && error.to_string().contains(&log), "{harm}: {error}");
    }
    fs.flip_bits(&log, 3 * groups + 80, 1).unwrap();
    let db = open(&fs).unwrap();
    assert!(db.recovery_report().discarded_bytes > 0);
    assert_eq!(db.collection("good").unwrap().count().unwrap(), 292, "two of three");
    works_after_a_crash(&db);
}

#[track_caller]
fn works_after_a_crash(db: &Database) {
    answers(db, "bad");
    check_verifies(db);
}

#[test]
fn a_lock_or_reserve_that_is_damaged_is_made_anew() {
    for name in ["LOCK", "RESERVE"] {
        for harm in [Harm::Emptied, Harm::Gone] {
            let (fs, ..) = store();
            harm.strike(&fs, name);
            let db = open(&fs).unwrap_or_else(|error| panic!("{name} {harm:?}: {error}"));
            works(&db, "good");
            works(&db, "bad");
            assert!(fs.list().unwrap().iter().any(|there| there == name), "{name} {harm:?}");
        }
    }
}
