//! A sector that the disk cannot read costs what stands there: no other collection, no end of a scrub, no process. An
//! error that passes costs nothing.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use driftline::fs::{DiskFs, FileSystem, SimulatedFs};
use driftline::{
    Collection, Database, ErrorKind, Maintenance, Metric, Options, Record, Result, Schema, ScrubOptions, Value,
    VerifyLevel,
};

use super::support::gated::GatedFs;

/// What the operating system answers for a bad sector.
const EIO: i32 = 5;
/// And what passes: too many open files of the system and of the process, too little memory, no permission.
const PASSING: [i32; 4] = [23, 24, 12, 13];

const SECTOR: u64 = 4096;

fn open(fs: &Arc<GatedFs>) -> Result<Database> {
    let scrub = ScrubOptions::new().bytes_per_second(1 << 40);
    Options::new().maintenance(Maintenance::Manual).index_min_rows(1).scrub(scrub).open_on(fs.clone())
}

/// No file whose name begins so can be opened.
fn fail(fs: &GatedFs, prefix: &str, code: i32) {
    let prefix = prefix.to_owned();
    fs.at_open(move |name| match name.starts_with(&prefix) {
        true => Err(io::Error::from_raw_os_error(code)),
        false => Ok(()),
    });
}

fn heal(fs: &GatedFs) {
    fs.at_open(|_| Ok(()));
    fs.at_read(|_, _| Ok(()));
}

/// The sector of that file that begins at `at` cannot be read.
fn spoil(fs: &GatedFs, name: &str, at: u64) {
    let bad = name.to_owned();
    fs.at_read(move |name, range| match name == bad && range.start < at + SECTOR && at < range.end {
        true => Err(io::Error::from_raw_os_error(EIO)),
        false => Ok(()),
    });
}

fn record(key: u64) -> Record {
    Record::new(key).vector([key as f32, 1.0]).payload("x".repeat(1000))
}

/// Rows in a file of which one is deleted, and an index over them.
fn fill(db: &Database, name: &str) -> Collection {
    let schema = Schema::vector(2, Metric::L2).index("lsh(tables=1)".parse().unwrap());
    let collection = db.create_collection(name, schema).unwrap();
    collection.put_all((0..300).map(record)).unwrap();
    db.flush().unwrap();
    assert!(collection.wait_indexed(Duration::MAX).unwrap());
    collection.delete(0u64).unwrap();
    db.flush().unwrap();
    collection
}

/// A store that was killed, with one row more of each collection in its log, and the files of the collection `bad`.
fn killed() -> (Arc<GatedFs>, Vec<String>) {
    let fs = SimulatedFs::new(1);
    let db = open(&GatedFs::over(fs.clone())).unwrap();
    let good = fill(&db, "good");
    let before = fs.list().unwrap();
    let bad = fill(&db, "bad");
    let files = fs.list().unwrap().into_iter().filter(|name| !before.contains(name)).collect();
    good.put(record(300)).unwrap();
    bad.put(record(300)).unwrap();
    (GatedFs::over(fs.reboot_keeping_all()), files)
}

fn file<'a>(files: &'a [String], kind: &str) -> &'a str {
    files.iter().find(|name| name.starts_with(kind)).unwrap_or_else(|| panic!("no {kind} in {files:?}"))
}

#[track_caller]
fn answers(db: &Database, name: &str) {
    let collection = db.collection(name).unwrap();
    assert_eq!(collection.count().unwrap(), 300);
    assert!(collection.get(0u64).unwrap().is_none() && collection.get(300u64).unwrap().is_some());
    let hits = collection.query().nearest([41.1, 1.0]).k(1).run().unwrap();
    assert!(hits.keys().eq([&41u64.into()]), "{hits:?}");
}

#[test]
fn a_file_that_cannot_be_read_costs_its_own_collection_until_it_can() {
    for kind in ["seg-", "del-"] {
        let (fs, files) = killed();
        let name = file(&files, kind);
        fail(&fs, name, EIO);
        for session in 0..2 {
            let db = open(&fs).unwrap_or_else(|error| panic!("{name}: {error}"));
            let damaged = &db.recovery_report().damaged;
            assert!(damaged.len() == 1 && damaged[0].0 == "bad", "{name}: {damaged:?}");
            let error = db.collection("bad").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{name}: {error}");
            assert!(error.to_string().contains(name) && error.remedy().unwrap().contains("backup"), "{error}");
            answers(&db, "good");
            let good = db.collection("good").unwrap();
            good.put(record(500 + session)).unwrap();
            good.delete(500 + session).unwrap();
            db.close().unwrap();
        }
        heal(&fs);
        let db = open(&fs).unwrap();
        assert!(db.recovery_report().damaged.is_empty(), "{name}");
        answers(&db, "bad");
        answers(&db, "good");
        assert!(db.verify(VerifyLevel::Full).unwrap().is_clean());
    }
}

#[test]
fn an_index_that_cannot_be_read_costs_time_and_no_answer() {
    let (fs, files) = killed();
    let name = file(&files, "idx-");
    fail(&fs, name, EIO);
    let db = open(&fs).unwrap();
    let report = db.recovery_report();
    assert!(report.damaged.is_empty() && report.damaged_indexes[0].0 == "bad", "{report:?}");
    answers(&db, "bad");
    assert!(db.collection("bad").unwrap().wait_indexed(Duration::MAX).unwrap());
    assert!(!fs.list().unwrap().iter().any(|there| there == name), "another took its place");
}

#[test]
fn what_fails_once_or_for_another_reason_is_no_damage() {
    for kind in ["seg-", "del-", "idx-"] {
        let (fs, files) = killed();
        let name = file(&files, kind).to_owned();
        for code in PASSING {
            fail(&fs, &name, code);
            assert_eq!(open(&fs).unwrap_err().kind(), ErrorKind::Io, "{name}, error {code}");
        }
        let first = AtomicBool::new(true);
        fs.at_open(move |opened| match opened == name && first.swap(false, Ordering::Relaxed) {
            true => Err(io::Error::from_raw_os_error(EIO)),
            false => Ok(()),
        });
        let db = open(&fs).unwrap();
        let report = db.recovery_report();
        assert!(report.damaged.is_empty() && report.damaged_indexes.is_empty(), "{report:?}");
        answers(&db, "bad");
    }
}

#[test]
fn an_import_that_cannot_be_read_goes_on_when_it_can() {
    let fs = GatedFs::new();
    let db = open(&fs).unwrap();
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    let mut import = notes.resume_import("nightly", "1").unwrap();
    import.put(Record::new(1u64)).unwrap();
    import.checkpoint().unwrap();
    drop(import);
    db.close().unwrap();
    fail(&fs, "seg-", EIO);
    let db = open(&fs).unwrap();
    assert_eq!(db.recovery_report().damaged_imports.len(), 1);
    let resume = || db.collection("notes").unwrap().resume_import("nightly", "1");
    assert_eq!(resume().unwrap_err().kind(), ErrorKind::Io, "nothing is given up");
    heal(&fs);
    assert_eq!(resume().unwrap().rows(), 1);
}

#[test]
fn what_the_disk_cannot_read_keeps_no_round_of_scrubbing_from_its_end() {
    let fs = GatedFs::new();
    let db = open(&fs).unwrap();
    let docs = fill(&db, "docs");
    let blob = db.put_blob(&[7u8; 9_000][..]).unwrap();
    docs.put(record(300).payload(Value::Blob(blob))).unwrap();
    let stats = || db.stats().unwrap().scrub.unwrap();
    while stats().rounds == 0 {
        db.tick().unwrap();
    }
    for (kind, part) in [
        ("wal-", "log"),
        ("MANIFEST-", "manifest"),
        ("seg-", "collection docs"),
        ("del-", "collection docs"),
        ("blob-", "blobs"),
    ] {
        fail(&fs, kind, EIO);
        let report = db.scrub().run().unwrap();
        let [problem] = &report.problems[..] else { panic!("{kind}: {report:?}") };
        assert!(problem.part == part && problem.message.contains(kind), "{problem}");
        assert_eq!(stats().problems, report.problems);
        heal(&fs);
        assert_eq!((db.scrub().run().unwrap().problems, stats().problems), (vec![], vec![]), "{kind}");
    }
    fail(&fs, "idx-", EIO);
    assert_eq!(db.scrub().run().unwrap().problems.len(), 1);
    heal(&fs);
    assert!(db.collection("docs").unwrap().wait_indexed(Duration::MAX).unwrap());
    assert_eq!(db.scrub().run().unwrap().problems, []);
}

#[test]
fn a_round_in_the_background_ends_beside_a_log_that_cannot_be_read() {
    let fs = GatedFs::new();
    let db = open(&fs).unwrap();
    db.create_collection("notes", Schema::payload_only()).unwrap().put(Record::new(1u64)).unwrap();
    fail(&fs, "wal-", EIO);
    let stats = || db.stats().unwrap().scrub.unwrap();
    for _ in 0..20 {
        _ = db.tick();
    }
    assert_eq!((stats().rounds, stats().problems.len()), (1, 1));
}

/// Only what is read by calls fails here: touching the mapping would end the process.
#[test]
fn what_is_mapped_is_read_before_it_is_checked() {
    let dir = tempfile::tempdir().unwrap();
    let fs = GatedFs::over(DiskFs::open(dir.path()).unwrap());
    let db = open(&fs).unwrap();
    fill(&db, "good");
    let before = fs.list().unwrap();
    let bad = fill(&db, "bad");
    let name = fs.list().unwrap().into_iter().find(|it| it.starts_with("seg-") && !before.contains(it)).unwrap();
    let length = std::fs::metadata(dir.path().join(&name)).unwrap().len();
    let told = |text: &str| text.contains(&name) && text.contains("os error 5");
    for at in [0, length / 2 / SECTOR * SECTOR, length - 1] {
        spoil(&fs, &name, at);
        let problems = db.verify(VerifyLevel::Full).unwrap().problems;
        assert!(problems.iter().any(|problem| told(&problem.message)), "{at}: {problems:?}");
        let problems = db.scrub().run().unwrap().problems;
        assert!(problems.len() == 1 && told(&problems[0].message), "{at}: {problems:?}");
        let error = bad.compact().unwrap_err();
        assert!(error.kind() == ErrorKind::Io && told(&error.to_string()), "{at}: {error}");
    }
    heal(&fs);
    db.close().unwrap();
    for at in [0, length - 1] {
        spoil(&fs, &name, at);
        let db = open(&fs).unwrap();
        let damaged = &db.recovery_report().damaged;
        assert!(damaged.len() == 1 && damaged[0].0 == "bad" && told(&damaged[0].1), "{at}: {damaged:?}");
        assert_eq!(db.collection("good").unwrap().count().unwrap(), 299);
    }
    heal(&fs);
    assert_eq!(open(&fs).unwrap().collection("bad").unwrap().count().unwrap(), 299);
}

#[test]
fn a_sector_of_one_copy_of_the_root_may_be_bad_and_not_of_both() {
    let (fs, _) = killed();
    let root = fs.list().unwrap().into_iter().find(|name| name.starts_with("MANIFEST-")).unwrap();
    let second = fs.open(&root).unwrap().length().unwrap().next_multiple_of(2 * SECTOR) / 2;
    for at in [0, second] {
        spoil(&fs, &root, at);
        let db = Options::new().open_read_only_on(fs.clone()).unwrap();
        answers(&db, "bad");
        let warnings = db.verify(VerifyLevel::Quick).unwrap().warnings;
        assert!(warnings.len() == 1 && warnings[0].message.contains(&root), "{warnings:?}");
    }
    fs.at_read(move |name, _| match name == root {
        true => Err(io::Error::from_raw_os_error(EIO)),
        false => Ok(()),
    });
    assert_eq!(open(&fs).unwrap_err().kind(), ErrorKind::Io);
}
