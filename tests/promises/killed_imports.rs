//! An import that is killed goes on where it had come to, and costs nobody else anything.
//!
//! A child process imports a file while another of its threads puts notes; it is killed again and again.

use std::ops::ControlFlow;
use std::path::Path;

use driftline::exchange::{self, ImportOptions, ImportReport, Progress, Source};
use driftline::{Collection, Database, Metric, Options, Random, Record, Result, Schema};

use super::support::child::{directory, say, spawn};
use super::support::{reading, wanted};

const TASK: &str = "DRIFTLINE_KILLED_IMPORT";
const ROWS: u64 = 3_000;
const DIMENSION: usize = 256;
const KILLS: u64 = 12;

/// A segment is sealed each half of this: some 250 rows.
fn open(path: &Path) -> Database {
    Options::new().memory_budget_bytes(1 << 20).open(path).expect("the store opens")
}

fn import(collection: &Collection, file: &Path, tell: &mut dyn FnMut(Progress)) -> Result<ImportReport> {
    exchange::import(collection, Source::file(file), &ImportOptions::new(), &mut |progress| {
        tell(progress);
        ControlFlow::Continue(())
    })
}

/// The child's part; in an ordinary run of the tests there is nothing to do.
#[test]
fn imports_until_it_is_killed() {
    let Ok(task) = std::env::var(TASK) else { return };
    let path = Path::new(&task);
    let db = open(&path.join("store"));
    let (data, notes) = (db.collection("data").unwrap(), db.collection("notes").unwrap());
    let first = notes.count().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in first.. {
                notes.put(Record::new(number)).expect("a note is put");
                say(format_args!("note {number}"));
            }
        });
        import(&data, &path.join("data.fbin"), &mut |progress| say(format_args!("rows {}", progress.rows))).unwrap();
        say("done");
    });
}

#[test]
fn killed_imports_lose_nothing_show_nothing_and_end_the_same() {
    let seed = wanted("DRIFTLINE_SEED").unwrap_or_else(Random::system_seed);
    println!("DRIFTLINE_SEED={seed}");
    let mut random = Random::seeded(seed, 50);
    let directory = directory();
    let path = directory.path();
    write_vectors(&path.join("data.fbin"), &mut random);
    let db = open(&path.join("store"));
    let schema = || Schema::vector(DIMENSION, Metric::L2);
    db.create_collection("data", schema()).unwrap();
    db.create_collection("notes", Schema::payload_only()).unwrap();
    db.close().unwrap();

    let mut sealed = 0;
    for kill in 0..KILLS {
        let notes = run_and_kill(path, &mut random);
        let db = open(&path.join("store"));
        reading::check_verifies(&db);
        let data = db.collection("data").unwrap();
        let found = db.collection("notes").unwrap().count().unwrap();
        assert!(found >= notes, "kill {kill}: {notes} notes were acknowledged, {found} are there");
        let pending = data.pending_imports().unwrap();
        let rows = pending.first().map_or(0, |pending| pending.rows);
        assert!(rows >= sealed || data.count().unwrap() == ROWS, "kill {kill}: {sealed} rows were sealed, now {rows}");
        assert!([0, ROWS].contains(&data.count().unwrap()), "kill {kill}: a part of an import shows");
        sealed = rows;
        db.close().unwrap();
    }

    let db = open(&path.join("store"));
    let data = db.collection("data").unwrap();
    let report = import(&data, &path.join("data.fbin"), &mut drop).unwrap();
    assert_eq!((report.rows, report.resumed_at), (ROWS, (sealed > 0).then_some(sealed)));
    let whole = db.create_collection("whole", schema()).unwrap();
    import(&whole, &path.join("data.fbin"), &mut drop).unwrap();
    for (a, b) in data.scan().zip(whole.scan()) {
        let (a, b) = (a.unwrap(), b.unwrap());
        assert_eq!((&a.key, &a.vector, &a.payload), (&b.key, &b.vector, &b.payload));
    }
    assert_eq!((data.count().unwrap(), whole.count().unwrap()), (ROWS, ROWS));
    assert_eq!(data.pending_imports().unwrap(), []);
    reading::check_verifies(&db);
}

fn write_vectors(path: &Path, random: &mut Random) {
    let mut bytes = [(ROWS as u32).to_le_bytes(), (DIMENSION as u32).to_le_bytes()].concat();
    let numbers = (0..ROWS * DIMENSION as u64).flat_map(|_| (random.below(1_000) as f32 / 7.0).to_le_bytes());
    bytes.extend(numbers);
    std::fs::write(path, bytes).unwrap();
}

/// Lets the child work until it has said some things, kills it, and returns how many notes it had told of.
fn run_and_kill(path: &Path, random: &mut Random) -> u64 {
    let mut child = spawn("killed_imports::imports_until_it_is_killed", TASK, &path.display().to_string());
    let mut left = 1 + random.below(12);
    let mut notes = 0;
    let mut hear = |line: &str| {
        let rows = line.starts_with("rows");
        if let Some(number) = line.strip_prefix("note ") {
            notes = number.parse::<u64>().unwrap() + 1;
        }
        rows
    };
    while left > 0 {
        let line = child.hear().expect("the child works until it is killed");
        left -= u64::from(hear(&line));
        if line == "done" {
            break;
        }
    }
    child.kill();
    while let Some(line) = child.hear() {
        hear(&line);
    }
    notes
}
