//! The threads of a load, each doing one kind of thing, and what they measure.
//!
//! Keys are numbers. Those from `oldest` to `newest` are live: one thread appends and rewrites, one deletes the oldest
//! behind it. A record follows from its key, so that whatever is read can be checked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use driftline::{Collection, Database, Error, ErrorKind, Random, Record, Result, json};
use parking_lot::Mutex;

use super::COLLECTION;
use crate::bench::args;
use crate::bench::generate::Model;

/// Records that are written, or deleted, in one call.
pub(super) const CHUNK: u64 = 16;
/// Languages that records have, for filters.
const LANGUAGES: u64 = 10;
/// Queries draw their vectors from rows beyond all keys.
const ASKED: u64 = 1 << 40;
/// How long a snapshot is held.
const HELD: Duration = Duration::from_secs(2);

/// What a thread does over and over, and its name.
type Step = fn(&Load, &mut Random) -> Result<()>;
pub(super) const STEPS: [(&str, Step); 8] = [
    ("put 16", put),
    ("delete 16", delete),
    ("get", get),
    ("search", search),
    ("filtered search", filtered),
    ("scan 100", scan),
    ("count", count),
    ("snapshot, held 2 s", snapshot),
];

/// What the threads share.
pub(super) struct Load {
    db: Database,
    docs: Collection,
    model: Model,
    rows: u64,
    /// The least time from one call of a thread to the next.
    pace: Duration,
    seed: u64,
    /// The first key that is live for sure, and the first that is not yet.
    oldest: AtomicU64,
    newest: AtomicU64,
    /// Microseconds of the calls since the last look, of each kind.
    times: [Mutex<Vec<u64>>; STEPS.len()],
    over: AtomicBool,
    failure: Mutex<Option<Error>>,
}

impl Load {
    pub(super) fn new(db: Database, model: Model, asked: &args::Load) -> Result<Load> {
        Ok(Load {
            docs: db.collection(COLLECTION)?,
            db,
            model,
            rows: asked.rows,
            pace: asked.rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(1.0 / f64::from(rate.get()))),
            seed: asked.seed,
            oldest: AtomicU64::new(0),
            newest: AtomicU64::new(asked.rows),
            times: Default::default(),
            over: AtomicBool::new(false),
            failure: Mutex::new(None),
        })
    }

    pub(super) fn db(&self) -> &Database {
        &self.db
    }

    /// Records that must be there once no thread writes.
    pub(super) fn live(&self) -> u64 {
        self.newest.load(Ordering::Acquire) - self.oldest.load(Ordering::Acquire)
    }

    /// Has the threads end.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Release);
    }

    pub(super) fn failed(&self) -> bool {
        self.failure.lock().is_some()
    }

    /// The first failure of a thread.
    pub(super) fn outcome(&self) -> Result<()> {
        self.failure.lock().take().map_or(Ok(()), Err)
    }

    /// The times of the calls since they were last taken, by kind.
    pub(super) fn take_times(&self) -> [Vec<u64>; STEPS.len()] {
        std::array::from_fn(|kind| std::mem::take(&mut *self.times[kind].lock()))
    }

    fn repeat(&self, kind: usize) {
        let (_, step) = STEPS[kind];
        let mut random = Random::seeded(self.seed, 100 + kind as u64);
        while !self.over.load(Ordering::Acquire) {
            let start = Instant::now();
            let done = step(self, &mut random);
            let took = start.elapsed();
            self.times[kind].lock().push(took.as_micros() as u64);
            if let Err(error) = done {
                self.failure.lock().get_or_insert(error);
                return self.end();
            }
            std::thread::sleep(self.pace.saturating_sub(took));
        }
    }

    /// A key that is live, unless it is deleted while it is looked for.
    fn any_key(&self, random: &mut Random) -> u64 {
        let (oldest, newest) = (self.oldest.load(Ordering::Acquire), self.newest.load(Ordering::Acquire));
        oldest + random.below((newest - oldest).max(1))
    }

    fn any_vector(&self, random: &mut Random) -> Vec<f32> {
        self.model.rows(ASKED + random.below(1 << 20), 1)
    }

    fn is_gone(&self, key: u64) -> bool {
        key < self.oldest.load(Ordering::Acquire) + CHUNK
    }

    /// What was found follows from its key.
    fn check(&self, record: &Record) -> Result<()> {
        let key = record.key.as_number().unwrap_or(u64::MAX);
        if record.payload == payload(key) { Ok(()) } else { Err(wrong(format!("record {key} is not what was put"))) }
    }
}

/// Begins one thread for each kind.
pub(super) fn start(load: &Arc<Load>) -> Result<Vec<JoinHandle<()>>> {
    let begin = |kind: usize| {
        let load = Arc::clone(load);
        let thread = std::thread::Builder::new().name(STEPS[kind].0.into()).spawn(move || load.repeat(kind));
        thread.map_err(|error| Error::new(ErrorKind::Io, format!("could not start a thread: {error}")))
    };
    (0..STEPS.len()).map(begin).collect()
}

/// The record of a key.
pub(super) fn record(model: &Model, key: u64) -> Record {
    Record::new(key).vector(model.rows(key, 1)).payload(payload(key))
}

fn payload(key: u64) -> driftline::Value {
    json!({"n": key, "lang": format!("l{}", key % LANGUAGES), "text": format!("what record {key} says")}).into()
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::Internal, message)
}

/// Appends records, and now and then writes some again.
fn put(load: &Load, random: &mut Random) -> Result<()> {
    let newest = load.newest.load(Ordering::Acquire);
    if random.one_in(5) {
        // Of the newer half, which is not deleted meanwhile.
        let from = newest - load.rows / 2;
        let keys = (0..CHUNK).map(|_| from + random.below(load.rows / 2));
        return load.docs.put_all(keys.map(|key| record(&load.model, key))).map(drop);
    }
    load.docs.put_all((newest..newest + CHUNK).map(|key| record(&load.model, key)))?;
    load.newest.store(newest + CHUNK, Ordering::Release);
    Ok(())
}

/// Deletes the oldest records, as many as there are too many.
fn delete(load: &Load, _: &mut Random) -> Result<()> {
    let oldest = load.oldest.load(Ordering::Acquire);
    if load.live() < load.rows + CHUNK {
        std::thread::sleep(Duration::from_millis(1));
        return Ok(());
    }
    let gone = load.docs.delete_all(oldest..oldest + CHUNK)?;
    load.oldest.store(oldest + CHUNK, Ordering::Release);
    if gone == CHUNK { Ok(()) } else { Err(wrong(format!("{gone} records from {oldest} were there and not {CHUNK}"))) }
}

fn get(load: &Load, random: &mut Random) -> Result<()> {
    let key = load.any_key(random);
    match load.docs.get(key)? {
        Some(record) => load.check(&record),
        None if load.is_gone(key) => Ok(()),
        None => Err(wrong(format!("record {key} is not there"))),
    }
}

fn search(load: &Load, random: &mut Random) -> Result<()> {
    let hits = load.docs.query().nearest(load.any_vector(random)).k(10).run()?;
    if hits.len() == 10 { Ok(()) } else { Err(wrong(format!("a search found {} records and not 10", hits.len()))) }
}

fn filtered(load: &Load, random: &mut Random) -> Result<()> {
    let language = random.below(LANGUAGES);
    let query = load.docs.query().nearest(load.any_vector(random)).k(10);
    let hits = query.filter(format!("lang = 'l{language}'").as_str())?.run()?;
    let right = hits.keys().all(|key| key.as_number().is_some_and(|key| key % LANGUAGES == language));
    if right && hits.len() == 10 {
        Ok(())
    } else {
        Err(wrong(format!("a filtered search found {:?}", hits.keys().collect::<Vec<_>>())))
    }
}

fn scan(load: &Load, random: &mut Random) -> Result<()> {
    let from = load.any_key(random);
    for record in load.docs.scan().range(driftline::Key::from(from)..).limit(100) {
        load.check(&record?)?;
    }
    Ok(())
}

fn count(load: &Load, _: &mut Random) -> Result<()> {
    let found = load.docs.count()?;
    // What is being appended, deleted, or about to be.
    let near = load.rows..=load.rows + 4 * CHUNK + load.rows / 2;
    if near.contains(&found) { Ok(()) } else { Err(wrong(format!("{found} records are live, of about {}", load.rows))) }
}

/// A snapshot shows the same for as long as it is held.
fn snapshot(load: &Load, _: &mut Random) -> Result<()> {
    let snapshot = load.db.snapshot()?;
    let docs = snapshot.collection(COLLECTION)?;
    let before = docs.count()?;
    let end = Instant::now() + HELD;
    while Instant::now() < end && !load.over.load(Ordering::Acquire) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let after = docs.count()?;
    if before == after { Ok(()) } else { Err(wrong(format!("a snapshot held {before} records and then {after}"))) }
}
