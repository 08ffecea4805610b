//! What keeps a store in shape, and what must not disturb those who read it: time, syncs, flushes, merges, snapshots.

use std::time::Duration;

use driftline::{Result, Timestamp, Work};

use super::super::reading::read_snapshot;
use super::{Held, Run};

/// What is done in any order: writing, deleting, and what a store does beside it.
const STEPS: [fn(&mut Run); 17] = [
    Run::put_many,
    Run::put_many,
    Run::put_many,
    Run::delete,
    Run::delete,
    Run::change_where,
    Run::flush,
    Run::flush,
    Run::flush,
    Run::tick,
    Run::tick,
    Run::compact,
    Run::reindex,
    Run::hold_snapshot,
    Run::hold_snapshot,
    Run::check_snapshot,
    Run::advance,
];

impl Run {
    /// A collection or two, and all of [`STEPS`] in an order that follows from the seed. In the end the store and every
    /// snapshot show what they should.
    pub(crate) fn interleave(&mut self) {
        self.create();
        self.create();
        let mut steps = STEPS;
        for place in (1..steps.len()).rev() {
            steps.swap(place, self.random.below(place as u64 + 1) as usize);
        }
        for step in steps {
            step(self);
        }
        self.check_all();
        while !self.snapshots.is_empty() {
            self.check_snapshot();
        }
    }

    /// Time goes on, a little or far, or the clock is set back.
    pub(super) fn advance(&mut self) {
        let micros = self.random.below(700);
        match self.random.below(12) {
            0 => self.set_back(Duration::from_micros(micros)),
            1 => self.wait(Duration::from_secs(micros)),
            _ => self.wait(Duration::from_micros(micros)),
        }
    }

    fn wait(&mut self, wait: Duration) {
        self.note(|| format!("advance {wait:?}"));
        self.clock.advance(wait);
    }

    /// Sets the clock back, right after a write, so that it is known which time the store holds to. Not behind the
    /// opening: a time that was only read by is not kept, and a crash may let what expired before be live again.
    fn set_back(&mut self, by: Duration) {
        let now = self.now();
        let Some((_, collection)) = self.any_table() else { return };
        let written = collection.delete("no such key");
        self.note(|| format!("set the clock back by {by:?} after {written:?}"));
        match written {
            Ok(_) => {
                self.noted = now;
                self.clock.set(Timestamp(now.0 - by.as_micros() as i64).max(self.opened));
            }
            Err(error) => self.tolerate(&error),
        }
    }

    pub(super) fn sync(&mut self) {
        self.note(|| "sync".into());
        match self.db().sync() {
            Ok(()) => self.history.promise(),
            Err(error) => self.tolerate(&error),
        }
    }

    pub(super) fn flush(&mut self) {
        self.note(|| "flush".into());
        let outcome = self.db().flush();
        self.flushed_if(outcome);
    }

    pub(super) fn flushed_if(&mut self, outcome: Result<()>) {
        match outcome {
            Ok(()) => self.history.promise_flushed(),
            Err(error) => self.tolerate(&error),
        }
    }

    pub(super) fn tick(&mut self) {
        for _ in 0..1 + self.random.below(3) {
            self.note(|| "tick".into());
            match self.db().tick() {
                Ok(None) => return,
                Ok(Some(Work::SyncedLog)) => self.history.promise(),
                Ok(Some(work)) => self.note(|| format!("  {work:?}")),
                Err(error) => return self.tolerate(&error),
            }
        }
    }

    pub(super) fn compact(&mut self) {
        let Some((name, collection)) = self.any_table() else { return };
        self.note(|| format!("compact {name}"));
        if let Err(error) = collection.compact() {
            self.tolerate(&error);
        }
    }

    pub(super) fn hold_snapshot(&mut self) {
        if self.snapshots.len() < 3 {
            self.note(|| "hold a snapshot".into());
            let snapshot = self.db().snapshot().expect("a snapshot of an open store");
            self.snapshots.push(Held { snapshot, world: self.live.clone(), now: self.now() });
        }
    }

    pub(super) fn check_snapshot(&mut self) {
        if self.snapshots.is_empty() {
            return;
        }
        let number = self.random.below(self.snapshots.len() as u64) as usize;
        self.note(|| format!("check snapshot {number}"));
        let held = self.snapshots.swap_remove(number);
        let found = read_snapshot(&held.snapshot, &held.world).expect("a snapshot can be read");
        let difference = held.world.difference(&found, held.now);
        assert_eq!(difference, None, "a snapshot has changed");
        if self.random.one_in(2) {
            self.snapshots.push(held);
        }
    }
}
