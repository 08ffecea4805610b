//! The state of a space: a fold over its rows in the order of keys, of which a checkpoint says how far it has come.
//!
//! Windows that have changed since the last checkpoint are in memory, the others in `_log_windows`. Whoever folds the same
//! rows in the same order gets the same state, bit for bit, wherever checkpoints and reopenings fell.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::entry::Row;
use super::options::Plan;
use super::sketch::Sketch;
use crate::clock::Timestamp;
use crate::database::handle::Database;
use crate::database::options::Durability;
use crate::database::scan::Scan;
use crate::error::{Error, Result};
use crate::key::Key;
use crate::mlops::model::ModelId;
use crate::mlops::table::Table;
use crate::mlops::times::TimeRange;
use crate::payload::Value;

/// The collection of windows and checkpoints.
const WINDOWS: &str = "_log_windows";
/// A checkpoint is written after so many rows at the latest: so many are read again after a crash.
const MAX_UNSAVED_ROWS: u64 = 100_000;
/// Windows below the floor that are removed at once, at most.
const MOST_REMOVED: u64 = 1_000;
/// Windows in memory take about so much before they are written.
const CACHE_BYTES: usize = 24 << 20;

/// How far the stored windows of a space have come.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    /// Rows below this key are in the windows.
    pub(super) through: u64,
    /// How many they are, those included that are not kept any more.
    pub(super) rows: u64,
    /// Earlier rows are not kept.
    pub(super) floor: Timestamp,
}

/// A window as it is stored.
#[derive(Debug, Serialize, Deserialize)]
struct StoredWindow {
    from: Timestamp,
    to: Timestamp,
    rows: u64,
    sketch: Value,
}

#[derive(Debug)]
struct Window {
    sketch: Sketch,
    unsaved: bool,
}

/// The state of a space. It holds no handle of the store, which would keep that open.
#[derive(Debug)]
pub(super) struct Fold {
    space: u32,
    plan: Arc<Plan>,
    /// Follows from the name of the model.
    seed: u64,
    at: Checkpoint,
    saved: Checkpoint,
    /// The newest window when the last checkpoint was written.
    saved_newest: Option<Timestamp>,
    /// Those in memory, by where they begin.
    windows: BTreeMap<Timestamp, Window>,
}

impl Fold {
    /// The state as the last checkpoint has it.
    pub(super) fn load(db: &Database, space: u32, model: &ModelId, plan: &Arc<Plan>) -> Result<Fold> {
        let saved = checkpoints(db).get(checkpoint_key(space))?.map(|row| row.value);
        let saved = saved.unwrap_or(Checkpoint { through: 0, rows: 0, floor: TimeRange::ALL.from });
        let newest = stored(db).walk(|scan| scan.prefix(window_prefix(space)).reverse().limit(1))?;
        Ok(Fold {
            space,
            plan: Arc::clone(plan),
            seed: xxh3_64(model.to_string().as_bytes()),
            at: saved,
            saved,
            saved_newest: newest.first().map(|row| row.value.from),
            windows: BTreeMap::new(),
        })
    }

    /// How far it has come.
    pub(super) fn at(&self) -> Checkpoint {
        self.at
    }

    /// Nothing is settled below `key` any more.
    pub(super) fn reached(&mut self, key: u64) {
        self.at.through = key;
    }

    /// Earlier rows are not kept any more, nor are their windows.
    pub(super) fn raise_floor(&mut self, floor: Timestamp) {
        self.at.floor = self.at.floor.max(floor);
        self.windows = self.windows.split_off(&self.at.floor);
    }

    /// Removes stored windows below the floor, which nobody reads any more: the oldest, and no more than a small batch has.
    pub(super) fn remove_below_floor(&self, db: &Database) -> Result<()> {
        let below = TimeRange { from: TimeRange::ALL.from, to: self.at.floor };
        let Some(collection) = stored(db).existing()?.filter(|_| below.from < below.to) else { return Ok(()) };
        let old = collection.scan().range(self.stored_in(below)).limit(MOST_REMOVED);
        let mut batch = db.batch().durability(Durability::None);
        for record in old {
            batch = batch.delete(&collection, record?.key);
        }
        if batch.is_empty() { Ok(()) } else { batch.commit().map(drop) }
    }

    /// Adds the next row.
    pub(super) fn add(&mut self, db: &Database, row: &Row) -> Result<()> {
        let from = self.plan.window(row.time).from;
        if !self.windows.contains_key(&from) {
            if self.windows.len() >= self.room() && db.is_writable() {
                self.save(db)?;
            }
            let sketch = match stored(db).get(window_key(self.space, from))? {
                Some(row) => self.decode(&row.value)?,
                None => self.empty(from)?,
            };
            self.windows.insert(from, Window { sketch, unsaved: false });
        }
        let Some(window) = self.windows.get_mut(&from) else { return Err(Error::internal("a window was just made")) };
        window.unsaved = true;
        window.sketch.add(row)?;
        self.at.rows += 1;
        self.at.through = row.key.saturating_add(1);
        Ok(())
    }

    /// Writes a checkpoint if one is due: a window has closed, or many rows have come.
    pub(super) fn save_if_due(&mut self, db: &Database) -> Result<()> {
        let newest = self.windows.last_key_value().map(|(from, _)| *from);
        let closed = self.saved_newest.is_some() && newest > self.saved_newest;
        let many = self.at.rows - self.saved.rows >= MAX_UNSAVED_ROWS;
        // The first window closes nothing.
        self.saved_newest = self.saved_newest.or(newest);
        if (closed || many) && db.is_writable() { self.save(db).map(drop) } else { Ok(()) }
    }

    /// Writes a checkpoint, unless nothing has changed; tells whether it did.
    ///
    /// It needs no sync of its own: the log is one, so where it is found after a crash, the rows before it are, too.
    pub(super) fn save(&mut self, db: &Database) -> Result<bool> {
        if self.at == self.saved {
            return Ok(false);
        }
        let mut batch = db.batch().durability(Durability::None);
        for (from, window) in self.windows.iter().filter(|(_, window)| window.unsaved) {
            let TimeRange { from, to } = self.plan.window(*from);
            let window = StoredWindow { from, to, rows: window.sketch.count(), sketch: window.sketch.encode()? };
            batch = stored(db).put_in(batch, window_key(self.space, from), &window)?;
        }
        checkpoints(db).put_in(batch, checkpoint_key(self.space), &self.at)?.commit()?;
        self.saved = self.at;
        // The newest goes on; the others have come to their end, as a rule.
        let newest = self.windows.pop_last();
        self.windows.clear();
        self.saved_newest = self.saved_newest.max(newest.as_ref().map(|(from, _)| *from));
        self.windows.extend(newest.map(|(from, window)| (from, Window { unsaved: false, ..window })));
        Ok(true)
    }

    /// The windows that meet a range and are not below the floor, the earliest first.
    pub(super) fn windows(&self, db: &Database, range: TimeRange) -> Result<Vec<(TimeRange, Sketch)>> {
        // They follow each other without gaps, so the one that holds the beginning of the range is the first to meet it.
        let from = range.from.max(self.at.floor);
        let begins = TimeRange { from: self.plan.window(from).from, to: range.to };
        if begins.from >= begins.to {
            return Ok(Vec::new());
        }
        let mut found = BTreeMap::new();
        for row in stored(db).iter(|scan| scan.range(self.stored_in(begins)))? {
            let row = row?.value;
            if !self.windows.contains_key(&row.from) {
                found.insert(row.from, self.decode(&row)?);
            }
        }
        let held = self.windows.range(begins.from..begins.to);
        found.extend(held.map(|(from, window)| (*from, window.sketch.clone())));
        Ok(found.into_iter().map(|(from, sketch)| (self.plan.window(from), sketch)).collect())
    }

    /// The times of the oldest and of the newest row that are kept. Reads two windows at most.
    pub(super) fn times(&self, db: &Database) -> Result<Option<(Timestamp, Timestamp)>> {
        let kept = TimeRange { from: self.at.floor, ..TimeRange::ALL };
        let end = |narrow: fn(Scan) -> Scan| -> Result<Option<StoredWindow>> {
            let mut rows = stored(db).walk(|scan| narrow(scan.range(self.stored_in(kept)).limit(1)))?;
            Ok(rows.pop().map(|row| row.value))
        };
        let mut times = Vec::new();
        for window in [end(|scan| scan)?, end(Scan::reverse)?].into_iter().flatten() {
            // What is in memory is newer than what is stored of it.
            times.extend(match self.windows.contains_key(&window.from) {
                true => None,
                false => self.decode(&window)?.times,
            });
        }
        times.extend(self.windows.range(self.at.floor..).filter_map(|(_, window)| window.sketch.times));
        let first = times.iter().map(|times| times.0).min();
        Ok(first.zip(times.iter().map(|times| times.1).max()))
    }

    /// The state of no rows, in the window that begins `from` there.
    pub(super) fn empty(&self, from: Timestamp) -> Result<Sketch> {
        Sketch::new(self.plan.dimension, self.plan.sample, self.seed, from)
    }

    fn decode(&self, stored: &StoredWindow) -> Result<Sketch> {
        let what = format!("collection {WINDOWS}, space {}, the window from {}", self.space, stored.from.0);
        let bytes = stored.sketch.as_bytes().ok_or_else(|| Error::corrupt("a window has no sketch", &what))?;
        Sketch::decode(bytes, self.empty(stored.from)?, &what)
    }

    /// The keys of the stored windows that begin in a time.
    fn stored_in(&self, begins: TimeRange) -> std::ops::Range<Key> {
        window_key(self.space, begins.from).into()..window_key(self.space, begins.to).into()
    }

    /// Windows that may be in memory.
    fn room(&self) -> usize {
        (CACHE_BYTES / self.plan.window_bytes()).max(8)
    }
}

fn checkpoints(db: &Database) -> Table<Checkpoint> {
    Table::new(db, WINDOWS)
}

fn stored(db: &Database) -> Table<StoredWindow> {
    Table::new(db, WINDOWS)
}

fn checkpoint_key(space: u32) -> String {
    format!("checkpoint/{space}")
}

/// Sorts by time within a space.
fn window_key(space: u32, from: Timestamp) -> String {
    format!("{}{:016x}", window_prefix(space), (from.0 as u64) ^ (1 << 63))
}

fn window_prefix(space: u32) -> String {
    format!("window/{space}/")
}
