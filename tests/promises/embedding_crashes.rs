//! Wherever the power goes, the embedding log has what it acknowledged, its state is that of its rows, and jobs go on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use driftline::fs::{Fault, SimulatedFs};
use driftline::mlops::{Embedder, EmbeddingLog, Entry, ModelId, Profile, Retention, SpaceOptions, TimeRange};
use driftline::{
    Clock, Database, ErrorKind, Maintenance, ManualClock, Options, Record, Result, Schema, Timestamp, VerifyLevel, json,
};

use super::support::reading::check_files;
use super::support::threads::for_each_case;

const DAY: i64 = 86_400_000_000;

/// Makes vectors of the length of texts.
struct Lengths(ModelId);

impl Embedder for Lengths {
    fn model(&self) -> &ModelId {
        &self.0
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        Ok(texts.iter().map(|text| vec![1.0, text.len() as f32, 0.5]).collect())
    }
}

fn old() -> ModelId {
    "old@1".parse().unwrap()
}

fn new() -> Lengths {
    Lengths("lengths@1".parse().unwrap())
}

fn options() -> SpaceOptions {
    let (day, age) = (Duration::from_micros(DAY as u64), Duration::from_micros(3 * DAY as u64));
    SpaceOptions::new(2).retention(Retention::Age(age)).slice(day).sample(3)
}

/// A store under `Maintenance::Manual` on a simulated disk, at a day.
fn open(fs: &SimulatedFs, day: i64) -> Result<Database> {
    let clock = Arc::new(ManualClock::new(Timestamp(day * DAY)));
    let options = Options::new().maintenance(Maintenance::Manual).seed(1).clock(clock as Arc<dyn Clock>);
    options.open_on(Arc::new(fs.clone()))
}

fn entry(day: i64, n: i64) -> Entry {
    let text = "x".repeat(1 + n as usize);
    let entry = Entry::new([n as f32 + 1.0, day as f32]).at(Timestamp(day * DAY + n * 1_800_000_000));
    if n % 4 == 3 { entry.payload(json!({"n": n})) } else { entry.payload(json!({"n": n, "text": text})).input(&text) }
}

/// What was acknowledged.
#[derive(Default)]
struct Known {
    /// By number: the day and the place in it.
    entries: BTreeMap<u64, (i64, i64)>,
    note: bool,
}

impl Known {
    fn log(&mut self, log: &EmbeddingLog, day: i64, places: std::ops::Range<i64>) -> Result<()> {
        let keys = log.log_all(&old(), places.clone().map(|n| entry(day, n)))?;
        self.entries.extend(keys.zip(places.map(|n| (day, n))));
        Ok(())
    }
}

/// Uses all that the log has, until the power goes.
fn history(fs: &SimulatedFs, known: &mut Known) -> Result<()> {
    let db = open(fs, 100)?;
    let log = db.embedding_log();
    let notes = db.create_collection("notes", Schema::payload_only())?;
    log.register(&old(), &options())?;
    known.log(&log, 98, 0..5)?;
    log.tick(Timestamp(100 * DAY))?;
    known.log(&log, 99, 0..4)?;
    let batch = log.log_in(db.batch(), &old(), [entry(99, 40), entry(100, 41)]);
    batch.put(&notes, Record::new("both")).commit()?;
    known.note = true;
    db.flush()?;
    known.log(&log, 100, 0..6)?;
    db.close()?;

    let db = open(fs, 102)?;
    let log = db.embedding_log();
    log.reembed(&old(), &new()).batch(4).run()?;
    known.log(&log, 102, 0..3)?;
    log.tick(Timestamp(102 * DAY))?;
    log.reembed(&old(), &new()).batch(4).run()?;
    db.close()
}

/// All that is told of a window, but for the numbers of its sample.
fn told(window: &Profile) -> impl PartialEq + std::fmt::Debug + use<> {
    let times = (window.range(), window.first(), window.last());
    let figures = (window.count(), window.mean().to_vec(), window.variance(), window.norms().clone());
    (times, figures, window.with_input(), window.repeated_inputs(), window.sample_keys().len())
}

/// Holds the windows against those of a store in which the same rows were just logged.
fn check_windows(log: &EmbeddingLog, model: &ModelId, case: &str) {
    let fresh = Database::in_memory().unwrap().embedding_log();
    let rows: Vec<_> = log.scan(model, TimeRange::ALL).unwrap().collect::<Result<_>>().unwrap();
    let options = if *model == old() { options() } else { SpaceOptions::new(3) };
    fresh.register(model, &options.retention(Retention::Forever)).unwrap();
    fresh
        .log_all(model, rows.iter().map(|row| Entry::new(row.vector.clone()).at(row.time).payload(row.payload.clone())))
        .unwrap();
    let windows =
        |log: &EmbeddingLog| -> Vec<_> { log.windows(model, TimeRange::ALL).unwrap().iter().map(told).collect() };
    assert_eq!(windows(log), windows(&fresh), "{case}");
}

/// What must hold of a store that was opened again.
fn check(db: &Database, known: &Known, case: &str) {
    assert!(db.verify(VerifyLevel::Quick).unwrap().is_clean(), "{case}");
    let log = db.embedding_log();
    let rows = match log.scan(&old(), TimeRange::ALL) {
        Err(error) if error.kind() == ErrorKind::NotFound && known.entries.is_empty() => return,
        rows => rows.unwrap().collect::<Result<Vec<_>>>().unwrap_or_else(|error| panic!("{case}: {error}")),
    };
    for (key, (day, n)) in &known.entries {
        // The slice of day 98 goes in one piece, between the day 102 and its tick.
        let there = rows.iter().find(|row| row.key == *key);
        assert!(there.is_some() || *day == 98, "{case}: entry {key} of day {day} was acknowledged");
        assert!(there.is_none_or(|row| row.vector == [*n as f32 + 1.0, *day as f32]), "{case}");
    }
    let oldest = rows.iter().filter(|row| row.time < Timestamp(99 * DAY)).count();
    assert!(oldest == 0 || oldest == 5, "{case}: {oldest} rows of a slice");
    let note = db.collection("notes").unwrap().get("both").unwrap().is_some();
    let both = rows.iter().filter(|row| row.payload.get("n").and_then(driftline::Value::as_i64) >= Some(40)).count();
    assert_eq!(both, if note { 2 } else { 0 }, "{case}: the entries and the note are one batch");
    assert!(note || !known.note, "{case}: the batch was acknowledged");
    check_windows(&log, &old(), case);
}

/// Lets the job go on to its end: each row with a text was embedded once.
fn finish(db: &Database, case: &str) {
    let log = db.embedding_log();
    if log.spaces().unwrap().is_empty() {
        return;
    }
    let source: Vec<_> = log.scan(&old(), TimeRange::ALL).unwrap().collect::<Result<_>>().unwrap();
    let report = log.reembed(&old(), &new()).batch(3).run().unwrap_or_else(|error| panic!("{case}: {error}"));
    assert_eq!(report.read, report.written + report.without_text, "{case}: {report:?}");
    let made = match log.scan(new().model(), TimeRange::ALL) {
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        made => made.unwrap().collect::<Result<Vec<_>>>().unwrap(),
    };
    let with_text = source.iter().filter(|row| row.payload.get("text").is_some());
    let want: Vec<_> = with_text.map(|row| (row.time, row.payload.clone())).collect();
    // Those of day 98 may have been embedded before they went.
    let kept = |time: Timestamp| time >= source.first().map_or(Timestamp(0), |row| row.time.min(Timestamp(99 * DAY)));
    let got: Vec<_> = made.iter().filter(|row| kept(row.time)).map(|row| (row.time, row.payload.clone())).collect();
    assert_eq!(got, want, "{case}");
    if !made.is_empty() {
        check_windows(&log, new().model(), case);
    }
    log.tick(Timestamp(102 * DAY)).unwrap();
    let key = log.log(&old(), entry(102, 70)).unwrap();
    assert!(source.iter().all(|row| row.key < key), "{case}: {key} was given before");
}

/// The history with the power cut at a call, and what was acknowledged by then.
fn cut(call: u64) -> (SimulatedFs, Known) {
    let fs = SimulatedFs::new(3);
    fs.inject(Fault::PowerCut { at_call: call });
    let mut known = Known::default();
    let ended = history(&fs, &mut known);
    assert!(fs.is_off() || call == u64::MAX, "call {call} was never made");
    assert!(fs.is_off() || ended.is_ok(), "{ended:?}");
    (fs, known)
}

#[test]
fn whatever_call_is_the_last_what_was_acknowledged_is_there_and_the_state_is_that_of_the_rows() {
    let calls = cut(u64::MAX).0.calls();
    assert!(calls > 60, "the history is {calls} calls");
    for_each_case(calls, |call| {
        let (fs, known) = cut(call);
        for (disk, after) in [fs.reboot_losing_all(), fs.reboot_keeping_all(), fs.reboot(call)].into_iter().enumerate()
        {
            let case = format!("call {call}, disk {disk}");
            let db = open(&after, 102).unwrap_or_else(|error| panic!("{case}: {error}"));
            check(&db, &known, &case);
            finish(&db, &case);
            check_files(&db, &after);
            db.close().unwrap();
            check_all_windows(&open(&after, 102).unwrap(), &case);
        }
    });
    println!("{calls} calls");
}

fn check_all_windows(db: &Database, case: &str) {
    let log = db.embedding_log();
    for space in log.spaces().unwrap() {
        check_windows(&log, &space.model, case);
    }
}
