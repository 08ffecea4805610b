//! A child process that writes to the real disk, tells what is done, and is killed at any moment.
//!
//! Three threads write to keys of their own, so that commits come in groups, while rows are flushed and merged beside
//! them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use driftline::{Collection, Database, Durability, Key, Options, Random, Record, Schema, Value};

use super::child::{Offspring, directory, say, spawn};
use super::reading;

const WRITERS: u64 = 3;
const KEYS: u64 = 25;
/// Where the child finds the store, and from where on each writer goes on.
const TASK: &str = "DRIFTLINE_KILL_TASK";

/// The rows of one writer after some of its steps: the number of the step that wrote each.
type Rows = BTreeMap<u64, u64>;

/// Step `number` changes two collections at once: it deletes a row now and then, puts a row, and says which step it was.
fn apply(rows: &mut Rows, number: u64) {
    if number.is_multiple_of(4) {
        rows.remove(&(number * 7 % KEYS));
    }
    rows.insert(number % KEYS, number);
}

fn key(writer: u64, row: u64) -> u64 {
    writer * 1000 + row
}

fn payload(number: u64) -> Value {
    let mut bytes = vec![0; 1 + (number * 997 % 6000) as usize];
    Random::seeded(number, 40).fill(&mut bytes);
    Value::object([("n", number.into()), ("bytes", bytes.into())])
}

fn options() -> Options {
    Options::new().memory_budget_bytes(1 << 20).log_file_bytes(128 << 10).log_budget_bytes(512 << 10)
}

/// The child's part, for a program that was started as one. Tells whether it was.
pub(crate) fn write_until_killed() -> bool {
    let Ok(task) = std::env::var(TASK) else { return false };
    let (path, done) = task.split_once('|').expect("a path and what was done");
    let done: Vec<u64> = done.split(',').map(|number| number.parse().expect("a number")).collect();
    say("opening");
    let db = options().open(path).expect("the store opens");
    let rows = db.ensure_collection("rows", Schema::payload_only()).expect("a collection");
    let last = db.ensure_collection("last", Schema::payload_only()).expect("a collection");
    std::thread::scope(|scope| {
        for (writer, done) in (0..).zip(done) {
            let (db, rows, last) = (&db, &rows, &last);
            scope.spawn(move || {
                for number in done + 1.. {
                    step(db, rows, last, writer, number);
                    say(format_args!("{writer} {number}"));
                }
            });
        }
    });
    true
}

fn step(db: &Database, rows: &Collection, last: &Collection, writer: u64, number: u64) {
    let durability = match number % 5 {
        0 => Durability::Commit,
        1 => Durability::Interval(Duration::from_millis(5)),
        _ => Durability::None,
    };
    let mut batch = db.batch().durability(durability);
    if number.is_multiple_of(4) {
        batch = batch.delete(rows, key(writer, number * 7 % KEYS));
    }
    batch = batch.put(rows, Record::new(key(writer, number % KEYS)).payload(payload(number)));
    batch.put(last, Record::new(writer).payload(Value::from(number))).commit().expect("a batch commits");
}

/// What many kills came to.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Killed {
    pub(crate) kills: u64,
    pub(crate) batches: u64,
    /// Recoveries that found something in the log.
    pub(crate) replayed: u64,
}

/// Kills the child `child`, a test that calls [`write_until_killed`], so many times, and checks the store each time.
pub(crate) fn kill_many(child: &str, kills: u64, seed: u64, mut after_each: impl FnMut()) -> Killed {
    let mut random = Random::seeded(seed, 41);
    let directory = directory();
    let path = directory.path().join("store");
    let mut model = vec![(0, Rows::new()); WRITERS as usize];
    let mut killed = Killed { kills, ..Killed::default() };
    for kill in 0..kills {
        let acknowledged = run_and_kill(child, &path, &model, &mut random);
        killed.replayed += check(&path, &mut model, &acknowledged, &format!("DRIFTLINE_SEED={seed}, kill {kill}"));
        killed.batches = model.iter().map(|(number, _)| number).sum();
        after_each();
    }
    killed
}

/// Lets the child write until it has told of some steps, kills it, and returns how far each writer had told.
fn run_and_kill(child: &str, path: &Path, model: &[(u64, Rows)], random: &mut Random) -> Vec<u64> {
    let mut acknowledged: Vec<u64> = model.iter().map(|(number, _)| *number).collect();
    let done: Vec<String> = acknowledged.iter().map(u64::to_string).collect();
    let task = format!("{}|{}", path.display(), done.join(","));
    let mut child = spawn(child, TASK, &task);
    // Some are killed while they open the store, most while they write.
    let steps = if random.one_in(8) { random.below(3) } else { random.below(250) };
    let hear = |child: &mut Offspring, acknowledged: &mut Vec<u64>| {
        let line = child.hear()?;
        if let Some((writer, number)) = line.split_once(' ') {
            acknowledged[writer.parse::<usize>().unwrap()] = number.parse().unwrap();
        }
        Some(())
    };
    for _ in 0..=steps {
        hear(&mut child, &mut acknowledged).expect("the child writes until it is killed");
    }
    child.kill();
    // What it told before it died counts.
    while hear(&mut child, &mut acknowledged).is_some() {}
    acknowledged
}

/// Opens the store, and finds of each writer what it told, and at most the one step more that it was about to tell.
fn check(path: &Path, model: &mut [(u64, Rows)], acknowledged: &[u64], case: &str) -> u64 {
    let db = options().open(path).unwrap_or_else(|error| panic!("{case}: the store does not open: {error:?}"));
    reading::check_verifies(&db);
    let report = db.recovery_report().clone();
    assert!(report.damaged.is_empty(), "{case}: {report:?}");
    let rows = db.ensure_collection("rows", Schema::payload_only()).unwrap();
    let last = db.ensure_collection("last", Schema::payload_only()).unwrap();
    reading::read(&db).unwrap();
    for (writer, (done, expected)) in (0..).zip(model.iter_mut()) {
        let told = acknowledged[writer as usize];
        let found = last.get(writer).unwrap().map_or(0, |record| record.payload.as_u64().unwrap());
        assert!(found == told || found == told + 1, "{case}: writer {writer} told {told} steps, found are {found}");
        while *done < found {
            *done += 1;
            apply(expected, *done);
        }
        let range = Key::from(key(writer, 0))..Key::from(key(writer + 1, 0));
        let there = rows.scan().range(range).map(|record| record.unwrap());
        let there: BTreeMap<_, _> = there.map(|record| (record.key.clone(), record.payload)).collect();
        let wanted = expected.iter().map(|(row, number)| (key(writer, *row).into(), payload(*number)));
        assert_eq!(there, wanted.collect(), "{case}: the rows of writer {writer} after {found} steps");
    }
    db.close().unwrap();
    u64::from(report.batches > 0)
}
