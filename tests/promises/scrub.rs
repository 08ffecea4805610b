//! Scrubbing finds damage to any file, at the rate that was asked for, and takes nothing good for bad.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use driftline::fs::{Fault, SimulatedFs};
use driftline::{
    CancelToken, Clock, Database, ErrorKind, Maintenance, ManualClock, Metric, Options, Record, Schema, ScrubOptions,
    ScrubStats, Timestamp, Value, Work, json,
};

const RATE: u64 = 64 << 10;

fn manual(clock: &Arc<ManualClock>) -> Options {
    Options::new()
        .maintenance(Maintenance::Manual)
        .index_min_rows(1)
        .resident_index_bytes(0)
        .seed(8)
        .clock(clock.clone())
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp(1_000_000)))
}

/// A closed store with a file of each kind but a log.
fn store(dir: &Path) {
    let db = manual(&clock()).open(dir).unwrap();
    let schema = Schema::vector(16, Metric::L2).index("lsh(tables=4)".parse().unwrap());
    let docs = db.create_collection("docs", schema).unwrap();
    let row = |key: u64| Record::new(key).vector(vec![key as f32; 16]).payload(json!({"text": "x".repeat(300)}));
    docs.put_all((0..2_000u64).map(row)).unwrap();
    db.flush().unwrap();
    assert!(docs.wait_indexed(Duration::from_secs(60)).unwrap());
    docs.delete(7u64).unwrap();
    let weights = db.put_blob(&[3u8; 200_000][..]).unwrap();
    let models = db.create_collection("models", Schema::payload_only()).unwrap();
    models.put(Record::new(1u64).payload(Value::Blob(weights))).unwrap();
    db.close().unwrap();
}

fn path(dir: &Path, kind: &str) -> PathBuf {
    let mut paths = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths.find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(kind)).unwrap()
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

fn stats(db: &Database) -> ScrubStats {
    db.stats().unwrap().scrub.expect("scrubbing is on")
}

/// Bytes of the files that a round reads.
fn bytes(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    entries
        .filter(|it| it.file_name() != "LOCK" && it.file_name() != "RESERVE")
        .map(|it| it.metadata().unwrap().len())
        .sum()
}

#[test]
fn a_round_keeps_to_its_rate_and_begins_anew_when_it_is_time() {
    let dir = tempfile::tempdir().unwrap();
    store(dir.path());
    let clock = clock();
    let scrub = ScrubOptions::new().every(Duration::from_secs(3600)).bytes_per_second(RATE);
    let db = manual(&clock).scrub(scrub).open(dir.path()).unwrap();
    let (mut steps, mut begun) = (0, clock.now());
    while stats(&db).rounds == 0 {
        let before = stats(&db).bytes;
        let work = db.tick().unwrap();
        let read = stats(&db).bytes - before;
        match work {
            None => clock.advance(Duration::from_millis(50)),
            Some(work) => {
                assert!(work == Work::Scrubbed && read <= 1 << 20, "{work:?} {read}");
                steps += 1;
            }
        }
    }
    let of = bytes(dir.path());
    assert_eq!(stats(&db).bytes, of, "every byte is read once");
    assert!(of > 3 * RATE && steps > 8);
    let took = clock.now().since(begun);
    assert!(took >= Duration::from_secs(of / RATE - 1), "{took:?} for {of} bytes");
    assert_eq!((stats(&db).problems, stats(&db).last_round), (vec![], Some(clock.now())));

    // Nothing is due until the hour is over.
    clock.advance(Duration::from_secs(3500));
    assert_eq!((db.tick().unwrap(), stats(&db).bytes), (None, of));
    begun = clock.now();
    clock.advance(Duration::from_secs(101));
    while stats(&db).rounds == 1 {
        if db.tick().unwrap().is_none() {
            clock.advance(Duration::from_secs(1));
        }
    }
    assert!(stats(&db).bytes == 2 * of && clock.now() > begun);
}

#[test]
fn damage_to_any_file_is_found_named_and_forgotten_when_it_is_mended() {
    let dir = tempfile::tempdir().unwrap();
    store(dir.path());
    for (kind, part) in
        [("seg-", "collection"), ("del-", "collection docs"), ("blob-", "blobs"), ("MANIFEST-", "manifest")]
    {
        let clock = clock();
        let db = manual(&clock).scrub(ScrubOptions::new().bytes_per_second(1 << 40)).open(dir.path()).unwrap();
        let file = path(dir.path(), kind);
        let round = |rounds: u64| {
            clock.advance(Duration::from_secs(8 * 86_400));
            while stats(&db).rounds < rounds {
                if db.tick().unwrap().is_none() {
                    clock.advance(Duration::from_secs(1));
                }
            }
            stats(&db).problems
        };
        assert_eq!(round(1), []);
        let at = file.metadata().unwrap().len() as usize - 1;
        flip(&file, at);
        let problems = round(2);
        assert_eq!(problems.len(), 1, "{kind}: {problems:?}");
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(problems[0].part.starts_with(part) && problems[0].message.contains(name), "{problems:?}");
        let health = db.health();
        assert!(!health.check("checksums").unwrap().passed() && db.scrub().run().unwrap().problems == problems);
        // Nothing was done to it: the file is as good as before once the byte is.
        flip(&file, at);
        assert_eq!(round(4), [], "{kind}");
        assert_eq!(db.collection("docs").unwrap().count().unwrap(), 1_999);
    }
}

#[test]
fn a_damaged_index_is_found_and_built_anew() {
    let dir = tempfile::tempdir().unwrap();
    store(dir.path());
    let db = manual(&clock()).open(dir.path()).unwrap();
    let index = path(dir.path(), "idx-");
    flip(&index, index.metadata().unwrap().len() as usize / 2);
    let report = db.scrub().run().unwrap();
    assert_eq!(report.problems.len(), 1, "{report:?}");
    assert_eq!(db.tick().unwrap(), Some(Work::Indexed));
    assert!(!index.exists() && db.scrub().run().unwrap().problems.is_empty());
}

#[test]
fn damage_of_a_file_that_has_gone_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    store(dir.path());
    let db = manual(&clock()).scrub(ScrubOptions::new()).open(dir.path()).unwrap();
    let blob = path(dir.path(), "blob-");
    flip(&blob, blob.metadata().unwrap().len() as usize / 2);
    assert_eq!((db.scrub().run().unwrap().problems.len(), stats(&db).problems.len()), (1, 1));
    assert!(db.collection("models").unwrap().delete(1u64).unwrap());
    db.collection("models").unwrap().compact().unwrap();
    while db.tick().unwrap().is_some_and(|work| work != Work::Scrubbed) {}
    assert!(!blob.exists(), "nobody names it any more");
    assert_eq!((db.scrub().run().unwrap().problems, stats(&db).problems), (vec![], vec![]));
}

/// Otherwise the last files would never be read where a process does not live through a round.
#[test]
fn rounds_begin_at_one_file_or_another() {
    let dir = tempfile::tempdir().unwrap();
    store(dir.path());
    // What the files hold, not what frames them: then a store opens with all of them.
    for kind in ["seg-", "blob-"] {
        flip(&path(dir.path(), kind), 4096);
    }
    let first = |seed: u64| {
        let db = manual(&clock()).seed(seed).open_read_only(dir.path()).unwrap();
        db.scrub().run().unwrap().problems.swap_remove(0).message
    };
    let firsts: BTreeSet<String> = (0..12).map(first).collect();
    assert!(firsts.len() > 1, "{firsts:?}");
}

#[test]
fn what_the_disk_reads_wrongly_once_is_no_damage() {
    let fs = SimulatedFs::new(1);
    let db = manual(&clock()).open_on(Arc::new(fs.clone())).unwrap();
    let schema = Schema::vector(4, Metric::L2).index("lsh(tables=1)".parse().unwrap());
    let docs = db.create_collection("docs", schema).unwrap();
    docs.put_all((0..300u64).map(|key| Record::new(key).vector(vec![key as f32; 4]))).unwrap();
    db.put_blob(&[7u8; 9_000][..]).unwrap();
    db.flush().unwrap();
    assert!(docs.wait_indexed(Duration::from_secs(60)).unwrap());
    docs.delete(7u64).unwrap();
    db.flush().unwrap();
    docs.put(Record::new(8u64).vector([1.0; 4])).unwrap();
    let before = fs.reads();
    assert_eq!(db.scrub().run().unwrap().problems, []);
    let reads = fs.reads() - before;
    assert!(reads > 5, "{reads} reads");
    for read in 0..reads {
        for seed in 0..8 {
            let at_read = fs.reads() + read;
            fs.inject(if seed == 0 { Fault::ReadFails { at_read } } else { Fault::ReadMisdirected { at_read, seed } });
            assert_eq!(db.scrub().run().unwrap().problems, [], "read {read} of {reads} as {seed} has it");
            fs.heal();
        }
    }
}

#[test]
fn the_log_of_an_open_store_is_read_and_a_round_can_be_cancelled() {
    let dir = tempfile::tempdir().unwrap();
    let db = manual(&clock()).open(dir.path()).unwrap();
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    (0..10u64).for_each(|key| _ = notes.put(Record::new(key)).unwrap());
    assert_eq!(db.scrub().run().unwrap().problems, []);
    let log = path(dir.path(), "wal-");
    flip(&log, 4096 + 70);
    let problems = db.scrub().run().unwrap().problems;
    assert!(problems.len() == 1 && problems[0].part == "log", "{problems:?}");
    let cancel = CancelToken::new();
    cancel.cancel();
    assert_eq!(db.scrub().cancel(&cancel).run().unwrap_err().kind(), ErrorKind::Cancelled);
    let refused = manual(&clock()).scrub(ScrubOptions::new().bytes_per_second(0)).in_memory().unwrap_err();
    assert!(refused.to_string().contains("bytes_per_second"), "{refused}");
}

#[test]
fn the_files_of_an_unfinished_import_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let db = manual(&clock()).open(dir.path()).unwrap();
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    let mut import = notes.resume_import("nightly", "1").unwrap();
    import.put(Record::new(1u64)).unwrap();
    import.checkpoint().unwrap();
    drop(import);
    let report = db.scrub().run().unwrap();
    assert_eq!((report.files, report.bytes, report.problems), (2, bytes(dir.path()), vec![]));
    let segment = path(dir.path(), "seg-");
    flip(&segment, segment.metadata().unwrap().len() as usize - 1);
    let problems = db.scrub().run().unwrap().problems;
    assert!(problems.len() == 1 && problems[0].part == "collection notes", "{problems:?}");
    db.collection("notes").unwrap().resume_import("nightly", "2").unwrap().discard().unwrap();
    assert_eq!(db.scrub().run().unwrap().problems, []);
}
