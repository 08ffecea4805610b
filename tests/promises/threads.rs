//! Threads: the library starts those it says it starts, ends them at close, and any number of callers may share a store.

use std::sync::atomic::{AtomicBool, Ordering};

use driftline::{Database, Maintenance, Metric, Options, Precondition, Random, Record, Schema, Value};

use super::support::child::{directory, say, spawn};
use super::support::reading::{check_verifies, read};

/// Set in the process that counts its threads, which no other test may share.
const ALONE: &str = "DRIFTLINE_THREADS_ALONE";

/// Names of the threads of this process that are the library's.
#[cfg(target_os = "linux")]
fn our_threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux tells the threads of a process");
    // A thread may end between the listing and the reading.
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    let mut names: Vec<_> =
        names.map(|name| name.trim().to_owned()).filter(|name| name.starts_with("driftline")).collect();
    names.sort();
    names
}

/// Does some of everything.
fn exercise(db: &Database) {
    let points = db.create_collection("points", Schema::vector(4, Metric::L2)).unwrap();
    for round in 0..4u64 {
        let rows = (0..500u64).map(|number| Record::new(number).vector([number as f32, round as f32, 0.0, 0.0]));
        points.put_all(rows).unwrap();
        db.flush().unwrap();
    }
    points.query().nearest([1.0, 2.0, 3.0, 4.0]).run().unwrap();
    while db.tick().unwrap().is_some() {}
    check_verifies(db);
}

#[test]
#[cfg(target_os = "linux")]
fn counts_its_threads_in_a_process_of_its_own() {
    if std::env::var_os(ALONE).is_none() {
        return;
    }
    let manual = || Options::new().maintenance(Maintenance::Manual).threads(4);
    let db = manual().in_memory().unwrap();
    exercise(&db);
    assert_eq!(our_threads(), [""; 0], "under Maintenance::Manual the library starts no thread");
    db.close().unwrap();

    let db = Options::new().threads(4).in_memory().unwrap();
    exercise(&db);
    // A thread takes its name when it first runs, and rayon does not wait for its threads to end.
    let maintenance = ["driftline-sync", "driftline-flush", "driftline-merge"];
    eventually(|names| maintenance.iter().all(|thread| names.iter().any(|name| name == thread)));
    let another_handle = db.clone();
    db.close().unwrap();
    let left = our_threads();
    assert!(!left.iter().any(|name| maintenance.contains(&&**name)), "after close there are {left:?}");
    drop(another_handle);
    eventually(<[String]>::is_empty);
    say("done");
}

/// Waits until the names of our threads are as they should be.
#[cfg(target_os = "linux")]
fn eventually(holds: impl Fn(&[String]) -> bool) {
    for _ in 0..10_000 {
        if holds(&our_threads()) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    panic!("the threads are {:?}", our_threads());
}

#[test]
#[cfg(target_os = "linux")]
fn threads_are_those_that_are_promised_and_end_at_close() {
    let mut child = spawn("threads::counts_its_threads_in_a_process_of_its_own", ALONE, "1");
    assert_eq!(child.hear().as_deref(), Some("done"));
    assert!(child.wait().success());
}

/// Whoever brings rows into files, merging follows: also when no flush is ever due by itself.
#[test]
fn what_callers_flush_and_import_is_merged_in_the_background() {
    for imports in [false, true] {
        let db = Options::new().in_memory().unwrap();
        let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
        for key in 0..12u64 {
            if imports {
                let mut import = notes.import().unwrap();
                import.put(Record::new(key)).unwrap();
                import.finish().unwrap();
            } else {
                notes.put(Record::new(key)).unwrap();
                db.flush().unwrap();
            }
        }
        let segments = || db.stats().unwrap().collections[0].segments;
        let few = (0..10_000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            segments() < 4
        });
        assert!(few, "there are {} segments, imports: {imports}", segments());
        assert_eq!(notes.count().unwrap(), 12);
    }
}

const WRITERS: u64 = 4;
const READERS: u64 = 4;
const TRANSFERS: u64 = 400;
const ACCOUNTS: u64 = 16;
const TOTAL: i64 = 1600;

/// Writers move amounts between accounts of two collections; every reader must find the same sum, at any moment.
#[test]
fn readers_see_each_batch_whole_while_writers_write() {
    let directory = directory();
    let options = || Options::new().memory_budget_bytes(1 << 20).log_file_bytes(256 << 10).log_budget_bytes(1 << 20);
    let db = options().open(directory.path().join("store")).unwrap();
    let left = db.create_collection("left", Schema::vector(2, Metric::L2)).unwrap();
    let right = db.create_collection("right", Schema::payload_only()).unwrap();
    let start = (0..ACCOUNTS).fold(db.batch(), |batch, account| {
        let amount = TOTAL / (2 * ACCOUNTS as i64);
        batch.put(&left, on_the_left(account, amount)).put(&right, on_the_right(account, amount))
    });
    start.commit().unwrap();
    let writing = AtomicBool::new(true);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                scope.spawn({
                    let db = &db;
                    move || (0..TRANSFERS).map(|number| transfer(db, writer * TRANSFERS + number)).sum::<u64>()
                })
            })
            .collect();
        let readers: Vec<_> = (0..READERS)
            .map(|_| {
                scope.spawn(|| {
                    let mut looks = 0u64;
                    while writing.load(Ordering::Relaxed) {
                        look(&db);
                        looks += 1;
                    }
                    looks
                })
            })
            .collect();
        let conflicts: u64 = writers.into_iter().map(|writer| writer.join().unwrap()).sum();
        writing.store(false, Ordering::Relaxed);
        let looks: u64 = readers.into_iter().map(|reader| reader.join().unwrap()).sum();
        println!("{} transfers, {conflicts} conflicts, {looks} looks", WRITERS * TRANSFERS);
    });
    look(&db);
    check_verifies(&db);
    let before = read(&db).unwrap();
    db.close().unwrap();
    let db = options().open(directory.path().join("store")).unwrap();
    assert_eq!(read(&db).unwrap(), before);
}

fn on_the_left(account: u64, amount: i64) -> Record {
    Record::new(account).vector([account as f32, 1.0]).payload(Value::object([
        ("amount", amount.into()),
        // Weight, so that rows have to be flushed meanwhile.
        ("ballast", vec![account as u8; 1500].into()),
    ]))
}

fn on_the_right(account: u64, amount: i64) -> Record {
    Record::new(account).payload(Value::object([("amount", amount.into())]))
}

/// Moves an amount from an account on the left to one on the right, as often as it takes; tells how many conflicts
/// there were.
fn transfer(db: &Database, seed: u64) -> u64 {
    let mut random = Random::seeded(seed, 50);
    let (left, right) = (db.collection("left").unwrap(), db.collection("right").unwrap());
    let (from, to) = (random.below(ACCOUNTS), random.below(ACCOUNTS));
    let moved = random.below(20) as i64 - 10;
    let mut conflicts = 0;
    loop {
        let (source, target) = (left.get(from).unwrap().unwrap(), right.get(to).unwrap().unwrap());
        let batch = db
            .batch()
            .require(&left, from, Precondition::AtLsn(source.lsn))
            .require(&right, to, Precondition::AtLsn(target.lsn))
            .put(&left, on_the_left(from, amount(&source) - moved))
            .put(&right, on_the_right(to, amount(&target) + moved));
        match batch.commit() {
            Ok(commit) => {
                assert_eq!(commit.existed, 2);
                return conflicts;
            }
            Err(error) => {
                assert_eq!(error.kind(), driftline::ErrorKind::Conflict, "{error}");
                conflicts += 1;
            }
        }
    }
}

fn amount(record: &Record) -> i64 {
    record.payload.get("amount").and_then(Value::as_i64).expect("an amount")
}

/// One snapshot shows every transfer whole, and shows the same when it is read again.
fn look(db: &Database) {
    let snapshot = db.snapshot().unwrap();
    let sums = || {
        ["left", "right"].map(|name| {
            let collection = snapshot.collection(name).unwrap();
            let records = collection.scan().collect::<driftline::Result<Vec<_>>>().unwrap();
            assert_eq!(records.len() as u64, ACCOUNTS);
            assert_eq!(collection.count().unwrap(), ACCOUNTS);
            records.iter().map(amount).sum::<i64>()
        })
    };
    let first = sums();
    assert_eq!(first[0] + first[1], TOTAL, "a batch was seen in part, up to {}", snapshot.lsn());
    assert_eq!(sums(), first, "a snapshot changed");
    let hits = snapshot.collection("left").unwrap().query().nearest([0.0, 1.0]).k(ACCOUNTS as usize).run().unwrap();
    assert_eq!(hits.len() as u64, ACCOUNTS);
}
