//! Whether a store can do its work is told by name, with what to do about it, and no check can hold up the answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use driftline::fs::{Fault, FileSystem, Lasting, MemoryFs, SimulatedFs};
use driftline::{
    CheckStatus, Database, ErrorKind, HealthStatus, Maintenance, ManualClock, Metric, Options, Record, Schema,
    Severity, Timestamp, VerifyLevel,
};

fn manual() -> Options {
    Options::new().maintenance(Maintenance::Manual).seed(6)
}

#[track_caller]
fn assert_fails(db: &Database, name: &str, severity: Severity, words: &[&str]) {
    let report = db.health();
    let check = report.check(name).unwrap_or_else(|| panic!("no check {name}"));
    assert_eq!((check.status, check.severity), (CheckStatus::Failed, severity), "{check:?}");
    let told = format!("{} {}", check.message, check.remedy.as_deref().unwrap_or_default());
    assert!(words.iter().all(|word| told.contains(word)), "{told}");
    let status = if severity == Severity::Critical { HealthStatus::Unhealthy } else { HealthStatus::Degraded };
    assert_eq!((report.status, report.is_ready()), (status, severity == Severity::Minor), "{report:?}");
}

#[test]
fn a_sound_store_is_healthy_and_its_checks_have_names() {
    let clock = Arc::new(ManualClock::new(Timestamp(7)));
    let db = manual().clock(clock.clone()).in_memory().unwrap();
    clock.advance(Duration::from_secs(90));
    let report = db.health();
    assert_eq!((report.status, report.uptime_ms), (HealthStatus::Healthy, 90_000), "{report:?}");
    let names: Vec<&str> = report.checks.iter().map(|check| &*check.name).collect();
    let expected = [
        "responding",
        "directory",
        "writable",
        "collections",
        "disk_space",
        "log",
        "indexes",
        "index_lag",
        "maintenance",
        "segments",
        "checksums",
    ];
    assert_eq!(names, expected);
    assert!(db.liveness().passed() && db.readiness().checks.len() == 4 && db.dependencies().checks.is_empty());
    db.clone().close().unwrap();
    assert_fails(&db, "writable", Severity::Critical, &["closed"]);
}

#[test]
fn a_report_tells_what_waits_in_the_log_and_how_much_was_checked() {
    let db = manual().in_memory().unwrap();
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    for key in 0..3u64 {
        notes.put(Record::new(key)).unwrap();
        db.flush().unwrap();
    }
    let before = db.health();
    assert!(before.check("segments").unwrap().message.starts_with("at most 3 segments"), "{before:?}");
    assert_eq!((before.segments, before.log_bytes), (3, 0), "{before:?}");
    db.verify(VerifyLevel::Full).unwrap();
    let after = db.health();
    assert!(after.segments == 3 && after.verified_bytes > before.verified_bytes, "{after:?}");
}

#[test]
fn a_failed_sync_makes_a_store_unhealthy() {
    let fs = SimulatedFs::new(1);
    let db = manual().open_on(Arc::new(fs.clone())).unwrap();
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    notes.put(Record::new(1u64)).unwrap();
    let error = std::io::ErrorKind::Other;
    fs.inject(Fault::Fail { at_call: fs.calls() + 1, error, lasting: Lasting::Once });
    assert_eq!(notes.put(Record::new(2u64)).unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    assert_fails(&db, "writable", Severity::Critical, &["writing stopped", "open it again"]);
    assert!(db.liveness().passed(), "it still answers");
}

#[test]
fn a_disk_that_is_nearly_full_degrades_a_store() {
    let fs = Arc::new(MemoryFs::with_capacity_bytes(40 << 20));
    let db = manual().free_disk_reserve_bytes(64 << 20).open_on(fs).unwrap();
    assert_fails(&db, "disk_space", Severity::Minor, &["MiB are free", "64", "compact"]);
    assert_eq!(db.health().free_bytes.map(|free| free >> 20), Some(39));
}

#[test]
fn a_damaged_collection_and_a_lost_directory_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let db = manual().open(dir.path()).unwrap();
    let docs = db.create_collection("docs", Schema::payload_only()).unwrap();
    docs.put(Record::new(1u64)).unwrap();
    db.close().unwrap();
    let entries = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let segment = entries.into_iter().find(|path| path.to_str().unwrap().contains("seg-")).unwrap();
    let whole = std::fs::read(&segment).unwrap();
    std::fs::write(&segment, b"").unwrap();
    let db = manual().open(dir.path()).unwrap();
    assert_fails(&db, "collections", Severity::Critical, &["docs", "seg-", "restore"]);
    drop(db);
    std::fs::write(&segment, whole).unwrap();
    let db = manual().open(dir.path()).unwrap();
    assert_eq!(db.health().status, HealthStatus::Healthy);
    std::fs::remove_dir_all(dir.path()).unwrap();
    assert_fails(&db, "directory", Severity::Critical, &[]);
}

#[test]
fn a_manifest_of_which_one_copy_is_damaged_is_told_of() {
    let fs = SimulatedFs::new(1);
    let db = manual().open_on(Arc::new(fs.clone())).unwrap();
    db.create_collection("notes", Schema::payload_only()).unwrap();
    let manifest = fs.list().unwrap().into_iter().find(|name| name.starts_with("MANIFEST-")).unwrap();
    fs.flip_bits(&manifest, 100, 1).unwrap();
    assert_fails(&db, "directory", Severity::Critical, &["first copy", "MANIFEST-"]);
    db.create_collection("others", Schema::payload_only()).unwrap();
    assert_eq!(db.health().status, HealthStatus::Healthy, "the next change writes both anew");
}

#[test]
fn a_log_and_segments_that_pile_up_are_told_of() {
    let db = manual().log_file_bytes(4 << 10).log_budget_bytes(64 << 10).in_memory().unwrap();
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    while db.health().check("log").unwrap().passed() {
        notes.put(Record::new(1u64).payload("x".repeat(4_000))).unwrap();
    }
    assert_fails(&db, "log", Severity::Minor, &["65536", "does not keep up", "tick"]);
    for key in 0..64u64 {
        notes.put(Record::new(key)).unwrap();
        db.flush().unwrap();
    }
    assert_fails(&db, "segments", Severity::Minor, &["64 segments", "wait to be merged", "tick"]);
    assert_eq!(notes.put(Record::new(1u64)).unwrap_err().kind(), ErrorKind::Busy);
    while db.tick().unwrap().is_some() {}
    assert_eq!(db.health().status, HealthStatus::Healthy);
}

#[test]
fn an_index_that_is_damaged_or_cannot_be_built_is_told_of() {
    let fs = SimulatedFs::new(1);
    let open = |options: Options| options.index_min_rows(1).free_disk_reserve_bytes(0);
    let db = open(manual()).open_on(Arc::new(fs.clone())).unwrap();
    let schema = Schema::vector(2, Metric::L2).index("lsh(tables=1)".parse().unwrap());
    let docs = db.create_collection("docs", schema).unwrap();
    docs.put_all((0..60u64).map(|key| Record::new(key).vector([key as f32, 1.0]))).unwrap();
    db.flush().unwrap();
    fs.inject(Fault::DiskFull { after_bytes: 1 << 20 });
    assert_eq!(db.tick().unwrap_err().kind(), ErrorKind::DiskFull);
    assert_fails(&db, "index_lag", Severity::Minor, &["60 rows", "could not be built", "free some space"]);
    assert_fails(&db, "maintenance", Severity::Minor, &["an index may need"]);
    fs.heal();
    while db.tick().unwrap().is_some() {}
    assert_eq!(db.health().status, HealthStatus::Healthy);
    db.close().unwrap();

    let index = fs.list().unwrap().into_iter().find(|name| name.starts_with("idx-")).unwrap();
    fs.flip_bits(&index, 100, 1).unwrap();
    let reader = open(manual()).open_read_only_on(Arc::new(fs.clone())).unwrap();
    assert_fails(&reader, "indexes", Severity::Minor, &["1 indexes", "docs", &index, "built anew"]);
}

#[test]
fn a_check_of_the_applications_counts_as_it_was_said() {
    let db = manual().in_memory().unwrap();
    let there = Arc::new(AtomicBool::new(true));
    let looked = Arc::clone(&there);
    let look = move || if looked.load(Ordering::SeqCst) { Ok("it is there".into()) } else { Err("it is gone".into()) };
    db.add_check("model", Severity::Critical, look.clone()).unwrap();
    db.add_check("cache", Severity::Minor, look.clone()).unwrap();
    for taken in ["model", "writable"] {
        assert_eq!(db.add_check(taken, Severity::Minor, look.clone()).unwrap_err().kind(), ErrorKind::Exists);
    }
    assert_eq!(db.add_check("", Severity::Minor, look).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(db.health().status, HealthStatus::Healthy);
    assert_eq!((db.dependencies().checks.len(), db.readiness().checks.len()), (2, 5));
    there.store(false, Ordering::SeqCst);
    assert_fails(&db, "model", Severity::Critical, &["it is gone"]);
    assert!(db.remove_check("model") && !db.remove_check("model"));
    assert_fails(&db, "cache", Severity::Minor, &["it is gone"]);
}

#[test]
fn a_check_that_panics_or_hangs_has_failed_and_holds_nobody_up() {
    let db = manual().in_memory().unwrap();
    db.add_check("panics", Severity::Minor, || panic!("no such table")).unwrap();
    let message = db.health().check("panics").unwrap().message.clone();
    assert!(message.contains("panicked: no such table"), "{message}");
    let (go, wait) = channel::<()>();
    let (wait, runs) = (Mutex::new(wait), Arc::new(Mutex::new(0)));
    let counted = Arc::clone(&runs);
    let hang = move || {
        *counted.lock().unwrap() += 1;
        wait.lock().unwrap().recv().unwrap();
        Ok("at last".into())
    };
    db.add_check("hangs", Severity::Critical, hang).unwrap();
    let start = Instant::now();
    let report = db.health_within(Duration::from_millis(100));
    assert!(start.elapsed() < Duration::from_secs(60), "the deadline is for all of them");
    assert!(report.check("hangs").unwrap().message.contains("did not answer within"), "{report:?}");
    assert_eq!(report.status, HealthStatus::Unhealthy);
    // It is not begun again while it hangs, so that threads do not pile up.
    let again = db.health_within(Duration::from_millis(100));
    assert!(again.check("hangs").unwrap().message.contains("has not ended yet"), "{again:?}");
    assert_eq!(*runs.lock().unwrap(), 1);
    go.send(()).unwrap();
    go.send(()).unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    while !db.health().check("hangs").unwrap().passed() {
        assert!(Instant::now() < end, "it answers again once it has ended");
    }
}
