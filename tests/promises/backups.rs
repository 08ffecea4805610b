//! A backup is the whole store at one moment, made while the store is used; one that is not whole is not taken for one,
//! and nothing that goes wrong with it harms the store.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use driftline::fs::{Fault, FileSystem, Lasting, MemoryFs, SimulatedFs};
use driftline::{
    CancelToken, Create, Database, ErrorKind, Options, Record, RestoreOptions, Result, Schema, VerifyLevel, json,
    restore, restore_from,
};

use super::support::reading::check_verifies;
use super::support::sample::{Held, closed, fill, open, options};
use super::support::threads::for_each_case;

/// What the store in `fs` holds; it must be whole, and must not be made anew.
fn held(fs: &(impl FileSystem + Clone + 'static)) -> Result<Held> {
    let db = options().create(Create::Never).open_on(Arc::new(fs.clone()))?;
    check_verifies(&db);
    Held::of(&db)
}

fn held_at(path: &Path) -> Result<Held> {
    let db = options().create(Create::Never).open(path)?;
    check_verifies(&db);
    Held::of(&db)
}

#[test]
fn a_backup_of_any_form_is_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let db = options().open(at("store")).unwrap();
    fill(&db);
    let expected = Held::of(&db).unwrap();

    let linked = db.backup().verify().to_dir(at("linked")).unwrap();
    assert_eq!((linked.lsn, linked.copied_bytes, linked.verified), (db.lsn(), 0, true));
    let copied = db.backup().copy().verify().to_dir(at("copied")).unwrap();
    assert_eq!((copied.linked_bytes, copied.copied_bytes), (0, linked.linked_bytes));
    let packed = db.backup().verify().to_archive(at("packed.tar")).unwrap();
    assert_eq!((packed.lsn, packed.files, packed.copied_bytes), (db.lsn(), copied.files, copied.copied_bytes));
    let mut piped = Vec::new();
    db.backup().to_writer(&mut piped).unwrap();
    assert_eq!(db.backup().verify().to_writer(io::sink()).unwrap_err().kind(), ErrorKind::Invalid);
    db.close().unwrap();

    assert_eq!(held_at(&at("linked")).unwrap(), expected);
    assert_eq!(held_at(&at("copied")).unwrap(), expected);
    let restored = restore(at("packed.tar"), at("restored"), RestoreOptions::new()).unwrap();
    assert_eq!((restored.lsn, restored.bytes), (packed.lsn, packed.copied_bytes));
    assert_eq!(held_at(&at("restored")).unwrap(), expected);
    restore(at("copied"), at("restored again"), RestoreOptions::new()).unwrap();
    assert_eq!(held_at(&at("restored again")).unwrap(), expected);
    let memory = MemoryFs::new();
    restore_from(&piped[..], Arc::new(memory.clone()), RestoreOptions::new()).unwrap();
    assert_eq!(held(&memory).unwrap(), expected);
}

#[test]
fn files_are_shared_only_where_that_was_not_forbidden_and_never_by_restoring() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let db = options().open(at("store")).unwrap();
    fill(&db);
    db.backup().to_dir(at("linked")).unwrap();
    db.backup().copy().to_dir(at("copied")).unwrap();
    db.close().unwrap();
    restore(at("linked"), at("restored"), RestoreOptions::new()).unwrap();
    let links = |name: &str| {
        let entries = fs::read_dir(at(name)).unwrap().map(|entry| entry.unwrap());
        let sealed = entries.filter(|entry| entry.file_name().to_str().unwrap().starts_with("seg-"));
        sealed.map(|entry| entry.metadata().unwrap().nlink()).collect::<BTreeSet<_>>()
    };
    assert_eq!([links("linked"), links("copied"), links("restored")], [[2].into(), [1].into(), [1].into()]);
}

#[test]
fn what_is_restored_belongs_to_this_user_alone() {
    let dir = tempfile::tempdir().unwrap();
    let db = Database::in_memory().unwrap();
    fill_one(&db);
    db.backup().to_archive(dir.path().join("a.tar")).unwrap();
    restore(dir.path().join("a.tar"), dir.path().join("again"), RestoreOptions::new()).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&dir.path().join("again")), 0o700);
    for entry in fs::read_dir(dir.path().join("again")).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
    assert_eq!(mode(&dir.path().join("a.tar")), 0o600);
}

fn fill_one(db: &Database) {
    db.create_collection("notes", Schema::payload_only()).unwrap().put(Record::new("a")).unwrap();
}

#[test]
fn a_backup_beside_writers_shows_one_moment() {
    let db = Options::new().memory_budget_bytes(1 << 20).open_on(Arc::new(MemoryFs::new())).unwrap();
    let (left, right) = (
        db.create_collection("left", Schema::payload_only()).unwrap(),
        db.create_collection("right", Schema::payload_only()).unwrap(),
    );
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..2u64 {
            let (db, left, right, stop) = (&db, &left, &right, &stop);
            scope.spawn(move || {
                for number in 0.. {
                    // What is put on the left goes from the right in the same batch, and the other way round.
                    let (here, there) = if number % 2 == 0 { (left, right) } else { (right, left) };
                    let record = Record::new(writer).payload(json!({"number": number, "fill": "x".repeat(500)}));
                    let mut batch = db.batch().put(here, record).delete(there, writer);
                    batch = batch.put(left, Record::new(1_000 + writer * 100_000 + number));
                    batch.commit().unwrap();
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                }
            });
        }
        let _stop = Stop(&stop);
        for _ in 0..12 {
            let target = MemoryFs::new();
            let before = db.lsn();
            let report = db.backup().verify().to_fs(Arc::new(target.clone())).unwrap();
            assert!(before <= report.lsn && report.lsn <= db.lsn());
            check_moment(&target, report.lsn.0);
        }
    });
}

/// Ends the writers, however the scope ends.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Both writers stand on one side each, with as many batches as one history allows.
fn check_moment(target: &MemoryFs, lsn: u64) {
    let backup = Options::new().open_on(Arc::new(target.clone())).unwrap();
    assert_eq!((backup.lsn().0, backup.recovery_report().clean), (lsn, true));
    let side = |name: &str, writer: u64| {
        let record = backup.collection(name).unwrap().get(writer).unwrap();
        record.map(|record| record.payload.get("number").unwrap().as_u64().unwrap())
    };
    let mut batches = 0;
    for writer in 0..2 {
        let newest = match (side("left", writer), side("right", writer)) {
            (None, None) => continue,
            (Some(even), None) => even,
            (None, Some(odd)) => odd,
            (Some(_), Some(_)) => panic!("a batch is there in part"),
        };
        assert_eq!(newest % 2 == 0, side("left", writer).is_some());
        batches += newest + 1;
    }
    // Every batch is a position, and each left a record of its own.
    assert_eq!(batches, lsn);
    let marks = backup.collection("left").unwrap().scan().range(driftline::Key::from(1_000u64)..).count() as u64;
    assert_eq!(marks, batches);
}

#[test]
fn the_power_may_go_at_any_call_of_the_target() {
    let source = SimulatedFs::new(1);
    closed(&source);
    let calls = {
        let target = SimulatedFs::new(1);
        backup(&source, &target, &[]).1.unwrap();
        target.calls()
    };
    assert!(calls > 40, "{calls}");
    for_each_case(calls, |at_call| {
        let (source, target) = (source.reboot_keeping_all(), SimulatedFs::new(at_call));
        let (expected, outcome) = backup(&source, &target, &[Fault::PowerCut { at_call }]);
        outcome.unwrap_err();
        for luck in 0..6 {
            match held(&target.reboot(luck)) {
                Ok(found) => {
                    assert_eq!(found, expected, "call {at_call}, luck {luck}");
                    assert!(at_call + 3 >= calls, "a whole backup after {at_call} of {calls} calls");
                }
                Err(error) => assert!(
                    matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::NotFound),
                    "call {at_call}, luck {luck}: {error:?}"
                ),
            }
        }
        assert_eq!(held(&source).unwrap(), expected, "the store after call {at_call}");
    });
}

/// Opens the store, backs it up and closes it. What it held, and how the backup ended.
fn backup(source: &SimulatedFs, target: &SimulatedFs, faults: &[Fault]) -> (Held, Result<()>) {
    let db = open(source).unwrap();
    let expected = Held::of(&db).unwrap();
    faults.iter().for_each(|fault| target.inject(*fault));
    let outcome = db.backup().to_fs(Arc::new(target.clone())).map(drop);
    db.close().unwrap();
    (expected, outcome)
}

#[test]
fn a_failed_call_of_the_target_fails_the_backup_and_leaves_nothing() {
    let source = SimulatedFs::new(1);
    closed(&source);
    let calls = {
        let target = SimulatedFs::new(1);
        backup(&source, &target, &[]).1.unwrap();
        target.calls()
    };
    for_each_case(calls, |at_call| {
        for error in [io::ErrorKind::StorageFull, io::ErrorKind::PermissionDenied] {
            let (source, target) = (source.reboot_keeping_all(), SimulatedFs::new(at_call));
            let fault = Fault::Fail { at_call, error, lasting: Lasting::Once };
            let (expected, outcome) = backup(&source, &target, &[fault]);
            let outcome = outcome.unwrap_err();
            assert!(matches!(outcome.kind(), ErrorKind::DiskFull | ErrorKind::Io), "call {at_call}: {outcome:?}");
            assert_eq!(target.list().unwrap(), Vec::<String>::new(), "call {at_call}");
            assert_eq!(held(&source).unwrap(), expected);
        }
    });
}

#[test]
fn the_power_may_go_at_any_call_of_the_store() {
    let filled = || {
        let source = SimulatedFs::new(1);
        let db = open(&source).unwrap();
        fill(&db);
        (source, db)
    };
    let (source, db) = filled();
    let before = source.calls();
    db.backup().to_fs(Arc::new(MemoryFs::new())).unwrap();
    let calls = before..source.calls();
    let expected = Held::of(&db).unwrap();
    assert!(calls.end - calls.start > 5, "{calls:?}");
    for at_call in calls {
        let (source, db) = filled();
        source.inject(Fault::PowerCut { at_call });
        let target = MemoryFs::new();
        db.backup().to_fs(Arc::new(target.clone())).unwrap_err();
        assert_eq!(target.list().unwrap(), Vec::<String>::new());
        drop(db);
        for luck in 0..4 {
            let mut found = held(&source.reboot(luck)).unwrap();
            // What an ephemeral collection lost is what it may lose.
            found.world.tables.insert("cache".into(), expected.world.tables["cache"].clone());
            assert_eq!(found, expected, "call {at_call}, luck {luck}");
        }
    }
}

#[test]
fn files_stay_for_the_backup_and_go_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let db = options().open(at("store")).unwrap();
    fill(&db);
    db.flush().unwrap();
    let expected = Held::of(&db).unwrap();
    let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
    let segments = |name: &str| {
        let names = fs::read_dir(at(name)).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("seg-")).count()
    };
    let (files, mut told) = (segments("store"), 0);
    let opened = descriptors();
    let report = db.backup().copy().progress(|_| {
        if told == 0 {
            // Everything goes while the first file is copied.
            for name in ["points", "angles", "codes", "notes", "cache"] {
                db.drop_collection(name).unwrap();
            }
            assert_eq!(segments("store"), files, "what is copied must stay");
        }
        told += 1;
    });
    let report = report.to_dir(at("backup")).unwrap();
    assert!(told > 1 && report.files > 5);
    assert_eq!(segments("store"), 0, "what was dropped goes with the backup");
    // Other tests open files, too, but they end.
    assert!((0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(5));
        descriptors() <= opened + 8
    }));
    assert_eq!(held_at(&at("backup")).unwrap(), expected);
}

#[test]
fn a_cancelled_backup_or_restore_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let db = options().open(at("store")).unwrap();
    fill(&db);
    let names = || {
        let entries = fs::read_dir(dir.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<BTreeSet<_>>()
    };
    let cancelled = |end: u64| {
        let token = CancelToken::new();
        let cancel = token.clone();
        let mut told = 0;
        (token, move |_| {
            told += 1;
            if told > end {
                cancel.cancel();
            }
        })
    };
    for end in [0, 3] {
        let (token, tell) = cancelled(end);
        let error = db.backup().cancel(&token).progress(tell).to_dir(at("one")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        let (token, tell) = cancelled(end);
        let error = db.backup().cancel(&token).progress(tell).to_archive(at("one.tar")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert_eq!(names(), ["store".to_owned()].into());
    }
    db.backup().to_archive(at("whole.tar")).unwrap();
    for end in [0, 3] {
        let (token, tell) = cancelled(end);
        let options = RestoreOptions::new().cancel(&token).progress(tell);
        assert_eq!(restore(at("whole.tar"), at("one"), options).unwrap_err().kind(), ErrorKind::Cancelled);
        assert_eq!(names(), ["store".to_owned(), "whole.tar".to_owned()].into());
    }
    db.backup().to_dir(at("one")).unwrap();
}

#[test]
fn nothing_is_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let db = Database::in_memory().unwrap();
    fill_one(&db);
    db.backup().to_dir(at("full")).unwrap();
    db.backup().to_archive(at("full.tar")).unwrap();
    let taken = |error: driftline::Error| assert_eq!(error.kind(), ErrorKind::Exists, "{error}");
    taken(db.backup().to_dir(at("full")).unwrap_err());
    taken(db.backup().to_dir(dir.path()).unwrap_err());
    taken(db.backup().to_archive(at("full.tar")).unwrap_err());
    taken(restore(at("full.tar"), at("full"), RestoreOptions::new()).unwrap_err());
    taken(restore(at("full"), dir.path(), RestoreOptions::new()).unwrap_err());
    fs::write(at("other.tar.part"), "of another backup").unwrap();
    taken(db.backup().to_archive(at("other.tar")).unwrap_err());
    held_at(&at("full")).unwrap();
}

#[test]
fn a_damaged_collection_is_refused_by_name_and_a_damaged_index_left_out() {
    let fs = SimulatedFs::new(1);
    let expected = closed(&fs);
    let name = |prefix: &str| fs.list().unwrap().into_iter().find(|name| name.starts_with(prefix)).unwrap();
    let damaged = fs.reboot_keeping_all();
    damaged.flip_bits(&name("idx-"), 0, 1).unwrap();
    let db = open(&damaged).unwrap();
    let target = MemoryFs::new();
    db.backup().verify().to_fs(Arc::new(target.clone())).unwrap();
    assert_eq!(held(&target).unwrap(), expected);

    let damaged = fs.reboot_keeping_all();
    damaged.flip_bits(&name("seg-"), 0, 1).unwrap();
    let db = open(&damaged).unwrap();
    let collection = &db.recovery_report().damaged[0].0;
    let error = db.backup().to_fs(Arc::new(MemoryFs::new())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains(collection) && error.remedy().unwrap().contains("salvage"), "{error}");
}

#[test]
fn verifying_finds_what_was_damaged_in_the_store() {
    let fs = SimulatedFs::new(1);
    closed(&fs);
    let blob = fs.list().unwrap().into_iter().find(|name| name.starts_with("blob-")).unwrap();
    fs.flip_bits(&blob, 5_000, 1).unwrap();
    let db = open(&fs).unwrap();
    let target = MemoryFs::new();
    let error = db.backup().verify().to_fs(Arc::new(target.clone())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert_eq!(target.list().unwrap(), Vec::<String>::new());
    let dir = tempfile::tempdir().unwrap();
    let error = db.backup().verify().to_archive(dir.path().join("a.tar")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

/// Also where nobody verifies: a link to such a file would make a backup that does not open.
#[test]
fn a_file_of_another_length_than_the_manifest_says_is_refused() {
    let fs = SimulatedFs::new(1);
    closed(&fs);
    let db = open(&fs).unwrap();
    let blob = fs.list().unwrap().into_iter().find(|name| name.starts_with("blob-")).unwrap();
    for more in [1, -1] {
        let length = fs.open(&blob).unwrap().length().unwrap();
        fs.tamper(&blob, |bytes| bytes.resize((length as i64 + more) as usize, 0)).unwrap();
        let target = MemoryFs::new();
        for outcome in [db.backup().to_fs(Arc::new(target.clone())), db.backup().to_writer(Vec::new())] {
            let error = outcome.unwrap_err();
            assert!(error.kind() == ErrorKind::Corrupt && error.to_string().contains(&blob), "{more}: {error}");
        }
        assert_eq!(target.list().unwrap(), Vec::<String>::new());
        fs.tamper(&blob, |bytes| bytes.resize(length as usize, 0)).unwrap();
    }
}

#[test]
fn an_unfinished_import_is_left_out_and_can_be_run_again() {
    let db = open(&MemoryFs::new()).unwrap();
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    let mut import = notes.resume_import("all", "v1").unwrap();
    import.put(Record::new("a")).unwrap();
    import.checkpoint().unwrap();
    let target = MemoryFs::new();
    db.backup().verify().to_fs(Arc::new(target.clone())).unwrap();
    drop(import);
    let again = open(&target).unwrap();
    let notes = again.collection("notes").unwrap();
    let mut import = notes.resume_import("all", "v1").unwrap();
    assert_eq!(import.rows(), 0);
    import.put(Record::new("a")).unwrap();
    import.finish().unwrap();
    assert_eq!(notes.count().unwrap(), 1);
}

#[test]
fn a_reader_backs_up_a_closed_store_and_no_other() {
    let fs = SimulatedFs::new(1);
    let expected = closed(&fs);
    let db = options().open_read_only_on(Arc::new(fs.clone())).unwrap();
    let target = MemoryFs::new();
    db.backup().to_fs(Arc::new(target.clone())).unwrap();
    assert_eq!(held(&target).unwrap(), expected);
    drop(db);

    let db = open(&fs).unwrap();
    db.collection("notes").unwrap().put(Record::new("in the log")).unwrap();
    let killed = fs.reboot_keeping_all();
    let db = options().open_read_only_on(Arc::new(killed)).unwrap();
    assert_eq!(db.backup().to_fs(Arc::new(MemoryFs::new())).unwrap_err().kind(), ErrorKind::ReadOnly);
}

#[test]
fn closing_the_store_ends_a_backup() {
    let fs = MemoryFs::new();
    let db = open(&fs).unwrap();
    fill(&db);
    let target = MemoryFs::new();
    let mut closed = false;
    let handle = db.clone();
    let error = db.backup().progress(|_| {
        if !closed {
            closed = true;
            handle.close_within(std::time::Duration::from_secs(10)).unwrap();
        }
    });
    assert_eq!(error.to_fs(Arc::new(target.clone())).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(target.list().unwrap(), Vec::<String>::new());
}

#[test]
fn a_directory_that_is_no_whole_backup_is_not_restored() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let db = options().open(at("store")).unwrap();
    fill(&db);
    db.backup().to_dir(at("backup")).unwrap();
    let refused = |from: &str| {
        let error = restore(at(from), at("again"), RestoreOptions::new()).unwrap_err();
        assert!(!at("again").exists(), "{from}");
        error.kind()
    };
    fs::create_dir(at("empty")).unwrap();
    assert_eq!(refused("empty"), ErrorKind::Corrupt);
    assert_eq!(refused("store"), ErrorKind::Locked);
    assert_eq!(refused("nothing"), ErrorKind::NotFound);
    let manifest = fs::read_dir(at("backup")).unwrap().map(|entry| entry.unwrap().path());
    let manifest = manifest.into_iter().find(|path| path.to_str().unwrap().contains("MANIFEST-")).unwrap();
    fs::remove_file(manifest).unwrap();
    assert_eq!(refused("backup"), ErrorKind::Corrupt);
    let _ = VerifyLevel::Quick;
}
