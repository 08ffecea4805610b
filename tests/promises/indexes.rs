//! Indexes are built beside everything else, survive what rows survive, and are never needed for an answer to be right.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use driftline::fs::ReadMode;
use driftline::{
    Collection, CollectionStats, Database, Hits, Maintenance, Metric, Options, Random, Record, Schema, VerifyLevel,
    Work, json,
};

use super::support::child::{directory, say, spawn};

const DIMENSION: usize = 24;
/// Kinds that keep a file.
const KINDS: [&str; 2] = ["hnsw(m=8, ef_construction=40)", "lsh(tables=4)"];
const LONG: Duration = Duration::from_secs(120);

fn manual() -> Options {
    // Copies in memory would hide damage to files.
    Options::new().maintenance(Maintenance::Manual).index_min_rows(1).resident_index_bytes(0).seed(3)
}

/// A vector near one of a few centres, as real ones are.
fn vector(number: u64) -> Vec<f32> {
    let (mut centre, mut random) = (Random::seeded(number % 7, 61), Random::seeded(number, 62));
    (0..DIMENSION).map(|_| (centre.unit() * 4.0 + random.unit()) as f32).collect()
}

fn record(number: u64) -> Record {
    Record::new(number).vector(vector(number)).payload(json!({"tenth": number % 10, "n": number}))
}

fn schema(index: &str) -> Schema {
    Schema::vector(DIMENSION, Metric::L2).index(index.parse().unwrap())
}

fn put(collection: &Collection, numbers: std::ops::Range<u64>) {
    collection.put_all(numbers.map(record)).unwrap();
}

fn stats(db: &Database) -> CollectionStats {
    db.stats().unwrap().collections.into_iter().find(|it| it.name == "docs").unwrap()
}

fn keys(hits: &Hits) -> Vec<u64> {
    hits.keys().map(|key| key.as_number().unwrap()).collect()
}

/// The share of the exact answers that searches as they are find.
fn recall(collection: &Collection) -> f64 {
    let mut found = 0;
    for number in 0..40 {
        let query = || collection.query().nearest(vector(1_000_000 + number)).k(10);
        let exact: BTreeSet<u64> = keys(&query().exact().run().unwrap()).into_iter().collect();
        let near = query().run().unwrap();
        assert_eq!(near.len(), 10);
        found += keys(&near).into_iter().filter(|key| exact.contains(key)).count();
    }
    found as f64 / 400.0
}

fn ticks(db: &Database) -> Vec<Work> {
    std::iter::from_fn(|| db.tick().unwrap()).collect()
}

fn files(path: &Path, prefix: &str) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(prefix)).collect()
}

#[test]
fn an_index_is_built_in_the_background_and_is_there_when_the_store_is_opened() {
    for kind in KINDS {
        let dir = tempfile::tempdir().unwrap();
        let db = Database::open(dir.path()).unwrap();
        let docs = db.create_collection("docs", schema(kind)).unwrap();
        put(&docs, 0..3_000);
        db.flush().unwrap();
        assert!(docs.wait_indexed(LONG).unwrap(), "{kind}");
        let seen = stats(&db);
        assert_eq!((seen.indexed_rows, seen.unindexed_rows, seen.indexes.len()), (3_000, 0, 1), "{kind}");
        assert_eq!(seen.indexes[0].kind, kind.parse::<driftline::IndexSpec>().unwrap().to_string());
        assert!(recall(&docs) > 0.8, "{kind}");
        assert!(db.verify(VerifyLevel::Full).unwrap().is_clean());
        db.close().unwrap();

        let on_disk: u64 = ["seg-", "idx-"]
            .iter()
            .flat_map(|kind| files(dir.path(), kind))
            .map(|path| path.metadata().unwrap().len())
            .sum();
        let db = Options::new().open_read_only(dir.path()).unwrap();
        let seen = stats(&db);
        assert_eq!((seen.indexed_rows, seen.unindexed_rows, seen.file_bytes), (3_000, 0, on_disk), "{kind}");
        assert!(recall(&db.collection("docs").unwrap()) > 0.8, "{kind}");
        assert_eq!(db.recovery_report().damaged_indexes, []);
    }
}

#[test]
fn small_files_and_flat_collections_get_no_index() {
    let db = Options::new().maintenance(Maintenance::Manual).in_memory().unwrap();
    let docs = db.create_collection("docs", schema("hnsw")).unwrap();
    let other = db.create_collection("other", schema("flat")).unwrap();
    put(&docs, 0..500);
    put(&other, 0..3_000);
    db.flush().unwrap();
    assert!(docs.wait_indexed(Duration::ZERO).unwrap() && other.wait_indexed(Duration::ZERO).unwrap());
    assert_eq!(ticks(&db), []);
    assert!(db.stats().unwrap().collections.iter().all(|it| it.indexes.is_empty() && it.unindexed_rows == 0));
}

#[test]
fn copies_in_memory_keep_to_their_room_and_change_no_answer() {
    for (room, kept) in [(0, 0), (100_000, 1), (2 << 30, 2)] {
        let db = Options::new().maintenance(Maintenance::Manual).index_min_rows(1).resident_index_bytes(room);
        let db = db.in_memory().unwrap();
        let docs = db.create_collection("docs", schema("hnsw(layout=compact)")).unwrap();
        let mut work = Vec::new();
        for part in 0..2 {
            put(&docs, part * 600..(part + 1) * 600);
            db.flush().unwrap();
            db.tick().unwrap();
        }
        let before = docs.query().nearest(vector(7)).k(20).run().unwrap();
        work.extend(ticks(&db));
        assert_eq!(work.iter().filter(|work| **work == Work::KeptResident).count(), kept, "{room}");
        let after = docs.query().nearest(vector(7)).k(20).run().unwrap();
        assert!(before.keys().eq(after.keys()) && before.len() == 20);
    }
}

#[test]
fn a_merge_shows_its_output_with_its_index() {
    for kind in KINDS {
        let db = manual().in_memory().unwrap();
        let docs = db.create_collection("docs", schema(kind)).unwrap();
        for part in 0..4 {
            put(&docs, part * 600..(part + 1) * 600);
            db.flush().unwrap();
            if part < 3 {
                assert_eq!(ticks(&db), [Work::Indexed], "{kind}");
            }
        }
        (0..2_400).step_by(7).for_each(|number| assert!(docs.delete(number as u64).unwrap()));
        db.flush().unwrap();
        let before = db.snapshot().unwrap();
        assert_eq!(db.tick().unwrap(), Some(Work::Merged), "{kind}");
        let seen = stats(&db);
        assert_eq!((seen.segments, seen.unindexed_rows), (1, 0), "{kind}");
        assert!(seen.indexed_rows == seen.records && seen.records == 2_400 - 343, "{kind}: {seen:?}");
        assert_eq!(ticks(&db), [], "{kind}");
        assert!(recall(&docs) > 0.8, "{kind}");
        assert!(db.verify(VerifyLevel::Full).unwrap().is_clean());
        // What a snapshot reads stays, indexes too.
        let old = before.collection("docs").unwrap();
        assert_eq!(old.query().nearest(vector(5)).k(10).run().unwrap().len(), 10);

        put(&docs, 5_000..5_400);
        docs.compact().unwrap();
        assert_eq!((stats(&db).segments, stats(&db).unindexed_rows), (1, 0), "{kind}");
    }
}

#[test]
fn an_answer_is_never_short_of_what_matches() {
    for kind in KINDS {
        let db = manual().in_memory().unwrap();
        let docs = db.create_collection("docs", schema(kind)).unwrap();
        put(&docs, 0..4_000);
        db.flush().unwrap();
        assert!(docs.wait_indexed(LONG).unwrap());
        put(&docs, 4_000..4_200);
        docs.delete_where("n < 1000 and tenth != 3").unwrap();
        for (filter, matching) in [("n >= 0", 3_300), ("tenth = 3", 420), ("n < 1000", 100), ("n in [3, 13, 4007]", 3)]
        {
            for k in [1, 10, 50, 5_000] {
                let query = || docs.query().nearest(vector(9_999)).k(k);
                let hits = query().filter(filter).unwrap().run().unwrap();
                assert_eq!(hits.len(), k.min(matching), "{kind} {filter} {k}");
                assert!(hits.iter().is_sorted_by(|a, b| a.distance <= b.distance));
                let hits = query().ef(1).run().unwrap();
                assert_eq!(hits.len(), k.min(3_300), "{kind} {k}");
            }
        }
        // By pages, each record is met once.
        let mut met = Vec::new();
        let mut next = None;
        loop {
            let query = docs.query().nearest(vector(7)).k(700);
            let page = next.into_iter().fold(query, driftline::Query::after).run().unwrap();
            met.extend(keys(&page));
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        assert_eq!((met.len(), met.iter().collect::<BTreeSet<_>>().len()), (3_300, 3_300), "{kind}");
    }
}

#[test]
fn a_damaged_or_missing_index_is_searched_around_and_built_anew() {
    for kind in KINDS {
        let dir = tempfile::tempdir().unwrap();
        let db = manual().open(dir.path()).unwrap();
        let docs = db.create_collection("docs", schema(kind)).unwrap();
        put(&docs, 0..1_200);
        db.flush().unwrap();
        assert!(docs.wait_indexed(LONG).unwrap());
        let exact = keys(&docs.query().nearest(vector(77)).k(20).exact().run().unwrap());
        let usual = keys(&docs.query().nearest(vector(77)).k(20).run().unwrap());
        db.close().unwrap();
        let path = files(dir.path(), "idx-").remove(0);
        let whole = std::fs::read(&path).unwrap();

        // One byte after the other, by turns; and none at all.
        let places = (0..whole.len()).step_by(whole.len() / 200 + 1).map(Some).chain([None]);
        for place in places {
            match place {
                Some(place) => {
                    let mut damaged = whole.clone();
                    damaged[place] ^= 0x10;
                    std::fs::write(&path, damaged).unwrap();
                }
                None => std::fs::remove_file(&path).unwrap(),
            }
            for mode in [ReadMode::Heap, ReadMode::Mmap] {
                let db = manual().read_mode(mode).open_read_only(dir.path()).unwrap();
                let docs = db.collection("docs").unwrap();
                let found = keys(&docs.query().nearest(vector(77)).k(20).run().unwrap());
                assert!(found == exact || found == usual, "{kind}, byte {place:?}");
                assert_eq!(docs.count().unwrap(), 1_200);
                assert!(!db.verify(VerifyLevel::Full).unwrap().is_clean(), "{kind}, byte {place:?}");
            }
        }

        let db = manual().open(dir.path()).unwrap();
        let docs = db.collection("docs").unwrap();
        assert_eq!(db.recovery_report().damaged_indexes.len(), 1, "{kind}");
        assert_eq!((stats(&db).unindexed_rows, stats(&db).indexed_rows), (1_200, 0));
        assert!(docs.wait_indexed(LONG).unwrap());
        assert!(db.verify(VerifyLevel::Full).unwrap().is_clean());
        assert_eq!(keys(&docs.query().nearest(vector(77)).k(20).run().unwrap()), usual, "{kind}");
        db.close().unwrap();
        assert_eq!(files(dir.path(), "idx-").len(), 1);
        assert!(!path.exists(), "the damaged file is gone");
    }
}

/// Damage that shows only when a query comes upon it.
#[test]
fn an_index_that_turns_out_to_be_damaged_is_replaced_while_the_store_is_open() {
    for kind in KINDS {
        let dir = tempfile::tempdir().unwrap();
        let db = manual().open(dir.path()).unwrap();
        let docs = db.create_collection("docs", schema(kind)).unwrap();
        put(&docs, 0..1_200);
        db.flush().unwrap();
        assert!(docs.wait_indexed(LONG).unwrap());
        db.close().unwrap();
        let path = files(dir.path(), "idx-").remove(0);
        let mut bytes = std::fs::read(&path).unwrap();
        // Every section, and none of what is read at opening.
        let end = bytes.len() - 1_024;
        bytes[4_608..end].iter_mut().step_by(97).for_each(|byte| *byte ^= 0xFF);
        std::fs::write(&path, bytes).unwrap();
        let db = manual().open(dir.path()).unwrap();
        let docs = db.collection("docs").unwrap();
        assert!(recall(&docs) > 0.8, "{kind}");
        assert_eq!(stats(&db).unindexed_rows, 1_200, "{kind}");
        assert!(stats(&db).indexes[0].damage.is_some());
        assert_eq!(ticks(&db), [Work::Indexed], "{kind}");
        assert_eq!((stats(&db).unindexed_rows, stats(&db).indexed_rows), (0, 1_200), "{kind}");
        assert!(recall(&docs) > 0.8 && db.verify(VerifyLevel::Full).unwrap().is_clean());
    }
}

/// Tells other threads to stop, when a test ends and when it panics.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn an_index_is_changed_while_the_collection_is_read_and_written() {
    let dir = tempfile::tempdir().unwrap();
    let db = Options::new().index_min_rows(1).open(dir.path()).unwrap();
    let docs = db.create_collection("docs", schema("flat")).unwrap();
    put(&docs, 0..2_000);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _guard = StopAtEnd(&stop);
        scope.spawn(|| {
            for number in (2_000..4_000u64).take_while(|_| !stop.load(Ordering::Relaxed)) {
                docs.put(record(number)).unwrap();
                if number % 3 == 0 {
                    docs.delete(number / 2).unwrap();
                }
            }
        });
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let hits = docs.query().nearest(vector(3)).k(10).run().unwrap();
                assert_eq!(hits.len(), 10);
            }
        });
        for index in ["hnsw(m=4)", "lsh(tables=2)", "flat", "lsh", "hnsw"] {
            docs.reindex(index.parse().unwrap()).unwrap();
            db.flush().unwrap();
            let deadline = std::time::Instant::now() + LONG;
            while !docs.wait_indexed(Duration::from_millis(50)).unwrap() {
                assert!(std::time::Instant::now() < deadline, "{index} is never built: {:?}", db.stats());
            }
        }
    });
    db.flush().unwrap();
    assert!(docs.wait_indexed(LONG).unwrap());
    assert!(stats(&db).indexes.iter().all(|index| index.kind == "hnsw"));
    let found = recall(&docs);
    assert!(found > 0.8, "{found} with {:?}", stats(&db));
    let report = db.verify(VerifyLevel::Full).unwrap();
    assert!(report.is_clean(), "{report:?}");
    db.close().unwrap();
    let db = Database::open(dir.path()).unwrap();
    assert_eq!(db.collection("docs").unwrap().schema().unwrap().index_spec().to_string(), "hnsw");
}

#[test]
fn a_store_closes_while_an_index_is_built() {
    let dir = tempfile::tempdir().unwrap();
    let db = Database::open(dir.path()).unwrap();
    let docs = db.create_collection("docs", schema("hnsw(m=64, ef_construction=1024)")).unwrap();
    put(&docs, 0..30_000);
    db.flush().unwrap();
    let start = std::time::Instant::now();
    db.close().unwrap();
    println!("closed in {:?}", start.elapsed());
    let db = Options::new().open_read_only(dir.path()).unwrap();
    assert_eq!(db.collection("docs").unwrap().count().unwrap(), 30_000);
    assert_eq!(files(dir.path(), "idx-").len() as u64, stats(&db).indexes.len() as u64);
}

/// Where the child finds the store.
const TASK: &str = "DRIFTLINE_KILL_INDEXER_TASK";

/// The child's part; in an ordinary run of the tests there is nothing to do.
#[test]
fn indexes_until_it_is_killed() {
    let Ok(path) = std::env::var(TASK) else { return };
    let db = Options::new().index_min_rows(1).memory_budget_bytes(1 << 20).open(path).unwrap();
    let docs = db.ensure_collection("docs", schema("hnsw(m=8)")).unwrap();
    for part in 0.. {
        put(&docs, part * 300..(part + 2) * 300);
        db.flush().unwrap();
        say(part);
    }
}

#[test]
fn a_killed_indexer_loses_nothing() {
    let directory = directory();
    let mut random = Random::seeded(1, 63);
    for kill in 0..12 {
        let path = directory.path().join(format!("store-{kill}"));
        let mut child = spawn("indexes::indexes_until_it_is_killed", TASK, &path.display().to_string());
        let parts = 1 + random.below(8);
        let told = (0..parts).map(|_| child.hear().unwrap().parse::<u64>().unwrap()).last().unwrap();
        std::thread::sleep(Duration::from_micros(random.below(30_000)));
        child.kill();
        let db = Options::new().index_min_rows(1).open(&path).unwrap();
        let docs = db.collection("docs").unwrap();
        assert_eq!(db.recovery_report().damaged_indexes, []);
        assert!(docs.count().unwrap() >= (told + 2) * 300, "kill {kill}");
        assert!(db.verify(VerifyLevel::Full).unwrap().is_clean(), "kill {kill}");
        assert!(docs.wait_indexed(LONG).unwrap(), "kill {kill}: {:?}", stats(&db));
        let recall = recall(&docs);
        assert!(recall > 0.8, "kill {kill}: {recall}");
        db.close().unwrap();
    }
}

#[test]
fn a_rebuilt_index_is_another_file_and_the_old_one_answers_until_then() {
    for kind in KINDS {
        let dir = tempfile::tempdir().unwrap();
        let db = manual().open(dir.path()).unwrap();
        let docs = db.create_collection("docs", schema(kind)).unwrap();
        for part in 0..2 {
            put(&docs, part * 600..(part + 1) * 600);
            db.flush().unwrap();
        }
        assert!(docs.wait_indexed(LONG).unwrap());
        let before = files(dir.path(), "idx-");
        let usual = keys(&docs.query().nearest(vector(77)).k(20).run().unwrap());

        assert_eq!(docs.rebuild_index().unwrap(), 2);
        assert_eq!((stats(&db).indexed_rows, stats(&db).unindexed_rows), (1_200, 1_200), "{kind}");
        assert_eq!(keys(&docs.query().nearest(vector(77)).k(20).run().unwrap()), usual, "the old ones answer");
        assert_eq!(files(dir.path(), "idx-"), before);
        assert_eq!(ticks(&db).iter().filter(|work| **work == Work::Indexed).count(), 2);
        assert_eq!((stats(&db).indexed_rows, stats(&db).unindexed_rows), (1_200, 0), "{kind}");
        let after = files(dir.path(), "idx-");
        assert!(after.len() == 2 && after.iter().all(|path| !before.contains(path)), "{before:?} {after:?}");
        assert_eq!(
            keys(&docs.query().nearest(vector(77)).k(20).run().unwrap()),
            usual,
            "the same rows, the same index"
        );
        assert_eq!(ticks(&db), []);
        assert!(db.verify(VerifyLevel::Full).unwrap().is_clean());
    }
    let db = manual().in_memory().unwrap();
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    assert!(notes.rebuild_index().unwrap_err().to_string().contains("without vectors"));
}
