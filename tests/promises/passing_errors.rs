//! An error that passes, as too many open files, is no damage: nothing is lost by it, and nothing stays of what it cut short.

use std::io;
use std::sync::Arc;

use driftline::fs::{Fault, FileSystem, Lasting, SimulatedFs};
use driftline::{BlobId, Collection, Database, ErrorKind, Maintenance, Options, Record, Schema, ScrubOptions, Value};

use super::support::gated::GatedFs;

fn open(fs: &Arc<GatedFs>) -> Database {
    Options::new().maintenance(Maintenance::Manual).open_on(fs.clone()).unwrap()
}

/// No segment can be opened.
fn fail(fs: &GatedFs) {
    fs.at_open(|name| if name.starts_with("seg-") { Err(io::Error::other("too many open files")) } else { Ok(()) });
}

fn heal(fs: &GatedFs) {
    fs.at_open(|_| Ok(()));
}

fn segments(fs: &GatedFs) -> usize {
    fs.list().unwrap().iter().filter(|name| name.starts_with("seg-")).count()
}

fn naming(blob: BlobId) -> Record {
    Record::new(1u64).payload(Value::Blob(blob))
}

#[test]
fn the_blobs_of_an_unfinished_import_stay() {
    let fs = GatedFs::new();
    let db = open(&fs);
    let models = db.create_collection("models", Schema::payload_only()).unwrap();
    let blob = db.put_blob(&b"weights"[..]).unwrap();
    let mut import = models.resume_import("nightly", "1").unwrap();
    import.put(naming(blob)).unwrap();
    import.checkpoint().unwrap();
    drop(import);
    db.close().unwrap();
    // No blob is fresh any more.
    let db = open(&fs);
    fail(&fs);
    assert_eq!(db.tick().unwrap_err().kind(), ErrorKind::Io);
    heal(&fs);
    while db.tick().unwrap().is_some() {}
    let import = db.collection("models").unwrap().resume_import("nightly", "1").unwrap();
    assert_eq!(import.rows(), 1);
    import.finish().unwrap();
    assert!(db.get_blob(blob).is_ok());
}

#[test]
fn an_import_that_cannot_be_taken_up_now_can_be_later() {
    let fs = GatedFs::new();
    let db = open(&fs);
    let models = db.create_collection("models", Schema::payload_only()).unwrap();
    let mut import = models.resume_import("nightly", "1").unwrap();
    for key in 0..2u64 {
        import.put(Record::new(key)).unwrap();
        import.checkpoint().unwrap();
    }
    drop(import);
    fail(&fs);
    assert_eq!(models.resume_import("nightly", "1").unwrap_err().kind(), ErrorKind::Io);
    heal(&fs);
    let import = models.resume_import("nightly", "1").unwrap();
    assert_eq!(import.rows(), 2);
    import.finish().unwrap();
    assert_eq!(models.count().unwrap(), 2);
}

fn filled(db: &Database) -> Collection {
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    for key in 0..4u64 {
        notes.put(Record::new(key)).unwrap();
        db.flush().unwrap();
    }
    notes
}

#[test]
fn what_was_written_and_cannot_be_opened_is_removed() {
    let fs = GatedFs::new();
    let db = open(&fs);
    let notes = filled(&db);
    fail(&fs);
    assert_eq!(notes.compact().unwrap_err().kind(), ErrorKind::Io);
    assert_eq!((db.tick().unwrap_err().kind(), segments(&fs)), (ErrorKind::Io, 4), "merging");
    notes.put(Record::new(4u64)).unwrap();
    assert_eq!((db.flush().unwrap_err().kind(), segments(&fs)), (ErrorKind::Io, 4), "flushing");
    let mut import = notes.import().unwrap();
    import.put(Record::new(5u64)).unwrap();
    assert_eq!((import.checkpoint().unwrap_err().kind(), segments(&fs)), (ErrorKind::Io, 4), "importing");
    drop(import);
    heal(&fs);
    notes.compact().unwrap();
    assert_eq!((notes.count().unwrap(), segments(&fs)), (5, 1));
}

#[test]
fn scrubbing_takes_what_it_cannot_open_for_no_damage_and_tries_it_again() {
    let fs = GatedFs::new();
    let scrub = ScrubOptions::new().bytes_per_second(1 << 40);
    let db = Options::new().maintenance(Maintenance::Manual).scrub(scrub).open_on(fs.clone()).unwrap();
    filled(&db).compact().unwrap();
    fail(&fs);
    assert_eq!(db.scrub().run().unwrap_err().kind(), ErrorKind::Io);
    let stats = || db.stats().unwrap().scrub.unwrap();
    let failed = (0..20).filter(|_| db.tick().is_err()).count();
    assert!(failed > 1 && stats().rounds == 0, "{failed}");
    assert_eq!(stats().problems, []);
    let health = db.health();
    assert!(health.check("checksums").unwrap().passed() && !health.check("maintenance").unwrap().passed());
    heal(&fs);
    while stats().rounds == 0 {
        db.tick().unwrap();
    }
    assert_eq!(stats().problems, []);
    assert!(db.health().check("maintenance").unwrap().passed());
    let report = db.scrub().run().unwrap();
    let files = fs.list().unwrap().into_iter().filter(|name| name != "LOCK" && name != "RESERVE").count();
    assert_eq!((report.files, report.problems), (files as u64, vec![]));
}

/// Whatever a step fails at: where nothing can be written any more, the call that ran it says so.
#[test]
fn a_step_after_which_nothing_can_be_written_is_told_at_once() {
    let mut poisoned = 0;
    for later in 0.. {
        let fs = SimulatedFs::new(1);
        let options = Options::new().maintenance(Maintenance::Manual).scrub(ScrubOptions::new());
        let db = options.open_on(Arc::new(fs.clone())).unwrap();
        let notes = filled(&db);
        let at_call = fs.calls() + later;
        fs.inject(Fault::Fail { at_call, error: io::ErrorKind::Other, lasting: Lasting::Once });
        let told = db.tick().map_err(|error| error.kind());
        if fs.calls() <= at_call {
            break;
        }
        if notes.put(Record::new(9u64)).is_err_and(|error| error.kind() == ErrorKind::Poisoned) {
            poisoned += 1;
            assert_eq!(told, Err(ErrorKind::OutcomeUnknown), "call {later}");
        }
    }
    assert!(poisoned > 0, "no call was a sync of what was promised");
}
