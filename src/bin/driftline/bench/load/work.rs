//! The threads of a load, each doing one kind of thing, and what they measure.
//!
//! Keys are numbers. Those from `oldest` to `newest` are live: one thread appends and rewrites, one deletes the oldest
//! behind it. A record follows from its key, so that whatever is read can be checked.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use driftline::{Collection, Database, Error, ErrorKind, Key, Options, Random, Record, Result, Value, json};
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
/// From the end of a backup to the beginning of the next.
const BETWEEN_BACKUPS: Duration = Duration::from_secs(20);

/// What a thread does over and over; it says how long to wait at least before it is done again.
type Step = fn(&Load, &mut Random) -> Result<Duration>;
/// What is done, and its name.
pub(super) const STEPS: [(&str, Step); 9] = [
    ("put 16", put),
    ("delete 16", delete),
    ("get", get),
    ("search", search),
    ("filtered search", filtered),
    ("scan 100", scan),
    ("count", count),
    ("snapshot, held 2 s", snapshot),
    ("backup", backup),
];

/// What the threads share.
pub(super) struct Load {
    db: Database,
    docs: Collection,
    model: Model,
    rows: u64,
    /// Where backups go.
    backups: PathBuf,
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
    pub(super) fn new(db: Database, model: Model, backups: PathBuf, asked: &args::Load) -> Result<Load> {
        Ok(Load {
            docs: db.collection(COLLECTION)?,
            db,
            model,
            rows: asked.rows,
            backups,
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
            match done {
                Ok(wait) => self.rest(wait.max(self.pace.saturating_sub(took))),
                Err(error) => {
                    self.failure.lock().get_or_insert(error);
                    return self.end();
                }
            }
        }
    }

    /// Waits, unless the load ends.
    fn rest(&self, time: Duration) {
        let end = Instant::now() + time;
        while !self.over.load(Ordering::Acquire) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(Duration::from_millis(50)));
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
    fn check(&self, record: &Record) -> Result<Duration> {
        let key = record.key.as_number().unwrap_or(u64::MAX);
        expect(record.payload == payload(key), || format!("record {key} is not what was put"))
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

fn payload(key: u64) -> Value {
    json!({"n": key, "lang": format!("l{}", key % LANGUAGES), "text": format!("what record {key} says")}).into()
}

/// Nothing to wait for.
const AT_ONCE: Duration = Duration::ZERO;

/// Appends records, and now and then writes some again.
fn put(load: &Load, random: &mut Random) -> Result<Duration> {
    let newest = load.newest.load(Ordering::Acquire);
    if random.one_in(5) {
        // Of the newer half, which is not deleted meanwhile.
        let from = newest - load.rows / 2;
        let keys = (0..CHUNK).map(|_| from + random.below(load.rows / 2));
        return load.docs.put_all(keys.map(|key| record(&load.model, key))).map(|_| AT_ONCE);
    }
    load.docs.put_all((newest..newest + CHUNK).map(|key| record(&load.model, key)))?;
    load.newest.store(newest + CHUNK, Ordering::Release);
    Ok(AT_ONCE)
}

/// Deletes the oldest records, as many as there are too many.
fn delete(load: &Load, _: &mut Random) -> Result<Duration> {
    let oldest = load.oldest.load(Ordering::Acquire);
    if load.live() < load.rows + CHUNK {
        return Ok(Duration::from_millis(1));
    }
    let gone = load.docs.delete_all(oldest..oldest + CHUNK)?;
    load.oldest.store(oldest + CHUNK, Ordering::Release);
    expect(gone == CHUNK, || format!("{gone} records from {oldest} were there and not {CHUNK}"))
}

fn get(load: &Load, random: &mut Random) -> Result<Duration> {
    let key = load.any_key(random);
    match load.docs.get(key)? {
        Some(record) => load.check(&record),
        None => expect(load.is_gone(key), || format!("record {key} is not there")),
    }
}

fn search(load: &Load, random: &mut Random) -> Result<Duration> {
    let hits = load.docs.query().nearest(load.any_vector(random)).k(10).run()?;
    expect(hits.len() == 10, || format!("a search found {} records and not 10", hits.len()))
}

fn filtered(load: &Load, random: &mut Random) -> Result<Duration> {
    let language = random.below(LANGUAGES);
    let query = load.docs.query().nearest(load.any_vector(random)).k(10);
    let hits = query.filter(format!("lang = 'l{language}'").as_str())?.run()?;
    let right = hits.keys().all(|key| key.as_number().is_some_and(|key| key % LANGUAGES == language));
    expect(right && hits.len() == 10, || format!("a filtered search found {:?}", hits.keys().collect::<Vec<_>>()))
}

fn scan(load: &Load, random: &mut Random) -> Result<Duration> {
    let from = load.any_key(random);
    for record in load.docs.scan().range(Key::from(from)..).limit(100) {
        load.check(&record?)?;
    }
    Ok(AT_ONCE)
}

fn count(load: &Load, _: &mut Random) -> Result<Duration> {
    let found = load.docs.count()?;
    // Deleting lags behind appending, for as long as a call takes.
    expect(found >= load.rows, || format!("{found} records are live, of {} at least", load.rows))
}

/// A snapshot shows the same for as long as it is held.
fn snapshot(load: &Load, _: &mut Random) -> Result<Duration> {
    let snapshot = load.db.snapshot()?;
    let docs = snapshot.collection(COLLECTION)?;
    let before = docs.count()?;
    load.rest(HELD);
    let after = docs.count()?;
    expect(before == after, || format!("a snapshot held {before} records and then {after}"))
}

/// A backup opens, and holds what was live at some moment.
fn backup(load: &Load, _: &mut Random) -> Result<Duration> {
    let _removed = Removed(&load.backups);
    load.db.backup().to_dir(&load.backups)?;
    let db = Options::new().open_read_only(&load.backups)?;
    let found = db.collection(COLLECTION)?.count()?;
    db.close()?;
    expect(found >= load.rows, || format!("a backup holds {found} records, of {} at least", load.rows))?;
    Ok(BETWEEN_BACKUPS)
}

/// Removes a folder when it is dropped.
struct Removed<'a>(&'a Path);

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.0);
    }
}

fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Result<Duration> {
    if holds { Ok(AT_ONCE) } else { Err(Error::new(ErrorKind::Internal, otherwise())) }
}
