//! How long drift is looked for in a month of logged vectors: `cargo bench --bench drift_month -- [ROWS] [DIRECTORY]`.
//!
//! ROWS vectors of 384 numbers (100,000 unless told) are logged over thirty days into a store on a disk, and on one day another
//! class comes in. The store is closed and opened again; then one day is held against the first week, and after that every day.
//! Vectors follow from a seed. A million take about 1.6 GiB. The answers are checked: the other class is found on its day.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a bench stops where it is surprised")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use driftline::mlops::drift::Subject;
use driftline::mlops::{Entry, ModelId, SpaceOptions, TimeRange};
use driftline::stats::normal;
use driftline::{Database, Durability, Options, Random, Timestamp, json};

const DIMENSION: usize = 384;
const BATCH: u64 = 1_000;
const DAYS: u64 = 30;
const DAY_US: i64 = 86_400_000_000;
const CLASSES: usize = 10;
/// The day on which a third of the vectors is of a class of its own.
const ODD_DAY: u64 = 20;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let rows: u64 = arguments.next().map_or(100_000, |rows| rows.parse().expect("a number of rows"));
    let temporary = tempfile::tempdir().expect("a directory");
    let path = arguments.next().map_or_else(|| temporary.path().join("month"), PathBuf::from);
    let model: ModelId = "bench@1".parse().expect("a model");

    let (logged, closing) = fill(&path, &model, rows);
    println!(
        "logged {rows} vectors of {DIMENSION} in {:.1} s, closed in {:.1} s",
        logged.as_secs_f64(),
        closing.as_secs_f64()
    );
    let (db, opening) = timed(|| open(&path));
    let subject = Subject::from(model.clone());
    let (counted, first) = timed(|| db.embedding_log().profile(&model, TimeRange::ALL).expect("a profile").count());
    assert_eq!(counted, rows);
    let ((), baseline) = timed(|| drop(db.baselines().set("week", &subject, days(0, 7), &[]).expect("a baseline")));
    println!("opened in {opening:.1?}, the profile of all in {first:.1?}, the baseline in {baseline:.1?}");

    let (_, one) = timed(|| judge(&db, &subject, DAYS - 1));
    let (alarms, all) = timed(|| (0..DAYS).filter(|day| judge(&db, &subject, *day)).collect::<Vec<_>>());
    println!("one day against the baseline in {one:.2?}, all {DAYS} in {all:.2?}; alarms on days {alarms:?}");
    assert!(alarms.contains(&ODD_DAY), "the other class was not found");
}

fn open(path: &Path) -> Database {
    Options::new().durability(Durability::None).open(path).expect("a store")
}

fn days(from: u64, to: u64) -> TimeRange {
    let at = |day: u64| Timestamp(day as i64 * DAY_US);
    TimeRange::new(at(from), at(to)).expect("a time")
}

/// Whether a day is in alarm against the baseline.
fn judge(db: &Database, subject: &Subject, day: u64) -> bool {
    let check = db.drift(subject.clone()).current(days(day, day + 1)).against_baseline("week");
    check.run().expect("a report").alarm
}

/// Logs the month; tells how long that took, and closing.
fn fill(path: &Path, model: &ModelId, rows: u64) -> (Duration, Duration) {
    let db = open(path);
    let log = db.embedding_log();
    log.register(model, &SpaceOptions::new(DIMENSION)).expect("a space");
    let mut random = Random::seeded(1, 0);
    let mut normals = |count: usize| (0..count).map(|_| normal::draw(&mut random) as f32).collect::<Vec<f32>>();
    // Noise is taken from a long list, at a place of chance: drawing each number anew would take longer than logging it.
    let (centres, noise) = (normals((CLASSES + 1) * DIMENSION), normals(1 << 20));
    let mut logging = Duration::ZERO;
    for batch in 0..rows.div_ceil(BATCH) {
        let entry = |row: u64| {
            let at = (row as i128 * i128::from(DAYS) * i128::from(DAY_US) / i128::from(rows)) as i64;
            let odd = at / DAY_US == ODD_DAY as i64 && random.below(3) == 0;
            let class = if odd { CLASSES } else { random.below(CLASSES as u64) as usize };
            let from = random.below((noise.len() - DIMENSION) as u64) as usize;
            let centre = &centres[class * DIMENSION..][..DIMENSION];
            let vector: Vec<f32> = centre.iter().zip(&noise[from..]).map(|(centre, noise)| centre + noise).collect();
            Entry::new(vector).payload(json!({"lang": "en", "n": row})).at(Timestamp(at))
        };
        let entries: Vec<Entry> = (batch * BATCH..rows.min((batch + 1) * BATCH)).map(entry).collect();
        logging += timed(|| log.log_all(model, entries).expect("logged")).1;
    }
    drop(log);
    (logging, timed(|| db.close().expect("closed")).1)
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let done = work();
    (done, start.elapsed())
}
