//! The state of a space follows from its rows and their order alone.

use std::sync::Arc;
use std::time::Duration;

use super::fold::Fold;
use super::rows::Slices;
use super::sketch::Sketch;
use super::{EmbeddingLog, Entry, SpaceOptions};
use crate::clock::{Clock, ManualClock, Timestamp};
use crate::collection::record::Record;
use crate::database::batch::Batch;
use crate::database::cancel::CancelToken;
use crate::database::handle::Database;
use crate::database::options::{Durability, Maintenance, Options};
use crate::database::request::Precondition;
use crate::mlops::model::ModelId;
use crate::mlops::times::TimeRange;
use crate::payload::Value;
use crate::random::Random;
use crate::schema::Schema;
use crate::storage::fs::SimulatedFs;

type Windows = Vec<(TimeRange, Sketch)>;

fn model() -> ModelId {
    "m@1".parse().unwrap()
}

/// The windows as they are kept.
fn kept(log: &EmbeddingLog) -> Windows {
    let space = log.space(&model()).unwrap();
    let (_, fold) = log.settled(&space, TimeRange::ALL).unwrap();
    fold.windows(&log.db, TimeRange::ALL).unwrap()
}

/// The windows of the rows in the store, folded by a state that remembers nothing.
fn from_scratch(log: &EmbeddingLog) -> Windows {
    let space = log.space(&model()).unwrap();
    let elsewhere = Database::in_memory().unwrap();
    let mut fold = Fold::load(&elsewhere, space.number, &model(), &space.plan).unwrap();
    let slices = Slices::of(&log.db, space.number).unwrap();
    let all = slices.numbers().iter().copied();
    for record in slices.scan(all, 0..u64::MAX, None, &CancelToken::new()).unwrap() {
        fold.add(&elsewhere, &super::entry::Row::of(record.unwrap()).unwrap()).unwrap();
    }
    fold.windows(&elsewhere, TimeRange::ALL).unwrap()
}

#[track_caller]
fn assert_is_fold(log: &EmbeddingLog, case: &str) {
    assert!(kept(log) == from_scratch(log), "{case}: the state is not that of the rows");
}

struct History {
    fs: SimulatedFs,
    clock: Arc<ManualClock>,
    db: Database,
    random: Random,
    open: Vec<Batch>,
}

impl History {
    fn new(seed: u64) -> History {
        let (fs, clock) = (SimulatedFs::new(seed), Arc::new(ManualClock::new(Timestamp(1_000_000_000))));
        let db = open(&fs, &clock);
        db.create_collection("notes", Schema::payload_only()).unwrap().put(Record::new("there")).unwrap();
        let options = SpaceOptions::new(2).window(Duration::from_secs(1)).slice(Duration::from_secs(7)).sample(5);
        db.embedding_log().register(&model(), &options).unwrap();
        History { fs, clock, db, random: Random::seeded(seed, 31), open: Vec::new() }
    }

    fn entries(&mut self) -> Vec<Entry> {
        let now = self.clock.now().0;
        let entry = |random: &mut Random| {
            let time = now - random.below(9_000_000) as i64;
            let entry = Entry::new([random.unit() as f32 + 0.1, 1.0]).at(Timestamp(time));
            if random.one_in(2) { entry.input(&random.below(9).to_string()) } else { entry }
        };
        (0..1 + self.random.below(6)).map(|_| entry(&mut self.random)).collect()
    }

    fn step(&mut self) {
        let log = self.db.embedding_log();
        let entries = self.entries();
        match self.random.below(12) {
            0..4 => _ = log.log_all(&model(), entries).unwrap(),
            4..6 => self.open.push(log.log_in(self.db.batch(), &model(), entries)),
            6 if !self.open.is_empty() => {
                let place = self.random.below(self.open.len() as u64) as usize;
                let batch = self.open.remove(place);
                match self.random.below(3) {
                    0 => drop(batch),
                    1 => _ = batch.commit().unwrap(),
                    _ => {
                        let notes = self.db.collection("notes").unwrap();
                        batch.require(&notes, "there", Precondition::Absent).commit().unwrap_err();
                    }
                }
            }
            7 => _ = log.tick(self.clock.now()).unwrap(),
            8 => self.clock.advance(Duration::from_millis(self.random.below(3_000))),
            9 => self.db.flush().unwrap(),
            10 if self.random.one_in(3) => self.reopen(),
            _ => drop(kept(&log)),
        }
    }

    fn reopen(&mut self) {
        self.open.clear();
        if self.random.one_in(2) {
            self.db.clone().close().unwrap();
        } else {
            self.fs = self.fs.reboot_keeping_all();
        }
        self.db = open(&self.fs, &self.clock);
    }
}

fn open(fs: &SimulatedFs, clock: &Arc<ManualClock>) -> Database {
    let options = Options::new().maintenance(Maintenance::Manual).seed(1).clock(Arc::clone(clock) as Arc<dyn Clock>);
    options.durability(Durability::None).open_on(Arc::new(fs.clone())).unwrap()
}

#[test]
fn the_state_is_a_fold_of_the_rows_whatever_happened() {
    for seed in 0..40 {
        let mut history = History::new(seed);
        for step in 0..60 {
            history.step();
            if history.open.is_empty() {
                assert_is_fold(&history.db.embedding_log(), &format!("seed {seed}, step {step}"));
            }
        }
        history.reopen();
        assert_is_fold(&history.db.embedding_log(), &format!("seed {seed}, reopened"));
    }
}

#[test]
fn threads_leave_the_state_of_the_rows() {
    let db = Database::in_memory().unwrap();
    let log = db.embedding_log();
    log.register(&model(), &SpaceOptions::new(2).window(Duration::from_secs(1)).sample(20)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let log = log.clone();
            scope.spawn(move || {
                for round in 0..40u64 {
                    let entry = |n: u64| {
                        let at = Timestamp((round * 300_000 + n * 1_000) as i64);
                        Entry::new([thread as f32 + 1.0, n as f32]).at(at)
                    };
                    let batch = log.log_in(log.db.batch(), &model(), (0..7).map(entry));
                    if round % 5 == thread {
                        drop(batch);
                    } else {
                        batch.commit().unwrap();
                    }
                    if round % 9 == 0 {
                        log.profile(&model(), TimeRange::ALL).unwrap();
                    }
                }
            });
        }
    });
    assert_eq!(log.profile(&model(), TimeRange::ALL).unwrap().count(), 4 * 32 * 7);
    assert_is_fold(&log, "after all threads");
}

#[test]
fn more_windows_than_there_is_room_for_are_written_and_read_again() {
    let db = Database::in_memory().unwrap();
    let log = db.embedding_log();
    log.register(&model(), &SpaceOptions::new(2).window(Duration::from_secs(1)).sample(9_000)).unwrap();
    // Some 300 windows have room.
    for round in 0..2u64 {
        let entry = |n: u64| Entry::new([1.0, (n + round) as f32]).at(Timestamp(n as i64 * 1_000_000));
        log.log_all(&model(), (0..700).map(entry)).unwrap();
    }
    assert_eq!(kept(&log).len(), 700);
    assert_is_fold(&log, "700 windows");
}

#[test]
fn damaged_windows_are_an_error() {
    let db = Database::in_memory().unwrap();
    let log = db.embedding_log();
    log.log(&model(), Entry::new([1.0, 2.0])).unwrap();
    log.tick(db.now()).unwrap();
    let windows = db.system_collection("_log_windows", Schema::payload_only).unwrap();
    let record = windows.scan().prefix("window/").next().unwrap().unwrap();
    let mut payload = record.payload.clone();
    payload.merge(Value::object([("sketch", Value::Bytes(vec![1, 2, 3]))]));
    windows.put(Record::new(record.key).payload(payload)).unwrap();
    let range = TimeRange::new(Timestamp(0), Timestamp(10)).unwrap();
    assert_eq!(log.profile(&model(), range).unwrap().count(), 0, "it is not needed");
    log.spaces.forget();
    let error = log.profile(&model(), TimeRange::ALL).unwrap_err();
    assert_eq!(error.kind(), crate::error::ErrorKind::Corrupt);
    assert!(error.to_string().contains("_log_windows"), "{error}");
}

#[test]
fn windows_that_are_not_asked_for_are_not_even_read() {
    let db = Database::in_memory().unwrap();
    let (log, hour) = (db.embedding_log(), 3_600_000_000);
    log.log_all(&model(), (0..10).map(|n| Entry::new([1.0, n as f32]).at(Timestamp(n * hour + 7)))).unwrap();
    log.tick(db.now()).unwrap();
    log.spaces.forget();
    let windows = db.system_collection("_log_windows", Schema::payload_only).unwrap();
    let keys: Vec<_> = windows.scan().prefix("window/").map(|record| record.unwrap().key).collect();
    assert_eq!(keys.len(), 10);
    for place in [1, 2, 3, 4, 6, 7, 8] {
        windows.put(Record::new(keys[place].clone())).unwrap();
    }
    let sixth = TimeRange::new(Timestamp(5 * hour + 1), Timestamp(6 * hour)).unwrap();
    assert_eq!(log.profile(&model(), sixth).unwrap().count(), 1);
    assert_eq!(log.sample(&model(), sixth, 9, 0).unwrap().keys, [5]);
    let space = log.spaces().unwrap().remove(0);
    assert_eq!((space.first, space.last, space.rows), (Some(Timestamp(7)), Some(Timestamp(9 * hour + 7)), 10));
    let error = log.profile(&model(), TimeRange::ALL).unwrap_err();
    assert_eq!(error.kind(), crate::error::ErrorKind::Corrupt);
    // Who only asks for the models needs no space.
    windows.put(Record::new(keys[9].clone())).unwrap();
    log.spaces.forget();
    assert_eq!(log.models().unwrap(), [model()]);
}

#[test]
fn a_store_that_was_closed_reads_no_row_again_and_one_that_was_killed_does() {
    let fs = SimulatedFs::new(4);
    let open = || Options::new().maintenance(Maintenance::Manual).open_on(Arc::new(fs.clone())).unwrap();
    let entries = |count: i64| (0..count).map(|n| Entry::new([1.0, n as f32]).at(Timestamp(n)));
    let through = |db: &Database| {
        let space = db.embedding_log().space(&model()).unwrap();
        let fold = space.fold.lock();
        fold.at().through
    };
    let db = open();
    db.embedding_log().log_all(&model(), entries(10)).unwrap();
    assert_eq!(db.embedding_log().profile(&model(), TimeRange::ALL).unwrap().count(), 10);
    drop(db);
    let db = open();
    assert_eq!(through(&db), 0, "a dropped handle leaves the checkpoint out");
    assert_eq!(db.embedding_log().profile(&model(), TimeRange::ALL).unwrap().count(), 10);
    // An open batch holds the fold back; what is before it is saved.
    let held = db.embedding_log().log_in(db.batch(), &model(), entries(3));
    db.embedding_log().log_all(&model(), entries(5)).unwrap();
    db.close().unwrap();
    drop(held);
    let db = open();
    assert_eq!(through(&db), 10);
    assert_is_fold(&db.embedding_log(), "closed");
    assert_eq!(db.embedding_log().profile(&model(), TimeRange::ALL).unwrap().count(), 15);
    db.close_within(Duration::from_secs(5)).unwrap();
    assert_eq!(through(&open()), 18);
}

#[test]
fn handles_print_where_the_store_is_and_not_what_it_holds() {
    let db = Database::in_memory().unwrap();
    let log = db.embedding_log();
    log.log(&model(), Entry::new([1.0, 2.0])).unwrap();
    let printed = [format!("{db:?}"), format!("{log:?}"), format!("{:?}", db.batch()), format!("{:?}", db.alerts())];
    for text in printed {
        assert!(text.contains(&db.location()) && text.len() < 500, "{text}");
    }
}

#[test]
fn the_quality_of_vectors_tells_dead_dimensions_and_moved_lengths() {
    let db = Database::in_memory().unwrap();
    let log = db.embedding_log();
    let hour = 3_600_000_000i64;
    let entry = |n: i64| {
        let (length, second) = if n < 100 { (1.0, (n % 7) as f32) } else { (3.0, 2.0) };
        Entry::new([length * (1 + n % 5) as f32, second, 4.0])
            .at(Timestamp(n * hour / 100))
            .input(&format!("{}", n % 50))
    };
    log.log_all(&model(), (0..200).map(entry)).unwrap();
    let of = |from: i64, to: i64| {
        log.profile(&model(), TimeRange::new(Timestamp(from * hour / 100), Timestamp(to * hour / 100)).unwrap())
            .unwrap()
    };
    let (before, after) = (of(0, 100), of(100, 200));
    let same = before.quality(&before).unwrap();
    assert_eq!((same.vectors, same.dead_dimensions, same.norm_shift, same.repeated_inputs), (100, 0.0, Some(0.0), 0.5));
    let found = after.quality(&before).unwrap();
    assert_eq!((found.dead_dimensions, found.zero_norm), (1.0 / 3.0, 0.0), "the third never varied");
    assert!(found.norm_shift.is_some_and(|shift| shift > 0.3), "{found:?}");
    assert_eq!(of(100, 129).quality(&before).unwrap().dead_dimensions, 0.0, "29 are too few to tell");
    let empty = of(500, 600).quality(&before).unwrap();
    assert_eq!((empty.vectors, empty.dead_dimensions, empty.norm_shift), (0, 0.0, None));
}
