//! The numbers of a space's rows: given once, in ascending order, and settled when their batch has ended.
//!
//! The state of a space is a fold over its rows in the order of their numbers. A number whose batch is still open may yet
//! become a row, so the fold waits before it; what was committed behind it is kept here meanwhile, as far as there is room,
//! and read from the store otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use super::entry::Row;
use crate::database::draft::Follower;
use crate::database::request::Commit;
use crate::error::{Error, ErrorKind, Result};
use crate::sync::Mutex;

/// Numbers of vectors that wait in memory to be folded: 16 MiB of them.
const MAX_WAITING_NUMBERS: usize = 4 << 20;
const MAX_WAITING_RUNS: usize = 1 << 16;

/// The numbers of one space.
#[derive(Debug, Default)]
pub(super) struct Keys(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    next: u64,
    /// The first numbers of batches that have not ended.
    open: BTreeSet<u64>,
    /// Of batches that have ended, by their first number.
    ended: BTreeMap<u64, Run>,
    waiting_numbers: usize,
}

/// The numbers of a batch that has ended, and its rows: none where it failed.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) to: u64,
    pub(super) rows: Vec<Row>,
}

impl Run {
    fn numbers(&self) -> usize {
        self.rows.iter().map(|row| row.vector.len()).sum()
    }
}

/// What comes next in a fold.
#[derive(Debug)]
pub(super) enum Step {
    /// These rows.
    Rows(Run),
    /// What the store holds up to this number, without it.
    Read { to: u64 },
}

impl Keys {
    /// Numbers are given from `next` on.
    pub(super) fn new(next: u64) -> Keys {
        Keys(Mutex::new(State { next, ..State::default() }))
    }

    /// Gives the next `count` numbers to a batch.
    pub(super) fn reserve(self: &Arc<Keys>, count: usize) -> Result<Reservation> {
        let mut state = self.0.lock();
        let next = state.next.checked_add(count as u64);
        let next = next.ok_or_else(|| Error::corrupt("a row has the last number there is", "the embedding log"))?;
        let range = std::mem::replace(&mut state.next, next)..next;
        state.open.insert(range.start);
        drop(state);
        Ok(Reservation { keys: Arc::clone(self), range, rows: Vec::new(), open: true })
    }

    /// The first number that may yet become a row.
    pub(super) fn settled(&self) -> u64 {
        self.0.lock().settled()
    }

    /// What a fold that has come to `through` does next; none when it has come to the first open number.
    pub(super) fn step(&self, through: u64) -> Option<Step> {
        let mut state = self.0.lock();
        if let Some(run) = state.ended.remove(&through) {
            state.waiting_numbers -= run.numbers();
            return Some(Step::Rows(run));
        }
        // A fold that failed on the way stands inside a run that it has taken, never inside one that waits.
        let settled = state.settled();
        let to = state.ended.range(through..).next().map_or(settled, |(first, _)| (*first).min(settled));
        (through < to).then_some(Step::Read { to })
    }
}

impl State {
    fn settled(&self) -> u64 {
        self.open.first().copied().unwrap_or(self.next)
    }
}

/// Numbers that a batch holds. They are settled when it ends, or is dropped; a crash drops it, too.
#[derive(Debug)]
pub(super) struct Reservation {
    keys: Arc<Keys>,
    pub(super) range: Range<u64>,
    /// The rows that the batch puts.
    pub(super) rows: Vec<Row>,
    open: bool,
}

impl Reservation {
    /// Settles the numbers: with the rows they became, or, where that is not known, without, so that the store is asked.
    fn settle(&mut self, rows: Option<Vec<Row>>) {
        self.open = false;
        let mut state = self.keys.0.lock();
        state.open.remove(&self.range.start);
        let Some(rows) = rows else { return };
        let run = Run { to: self.range.end, rows };
        let numbers = state.waiting_numbers + run.numbers();
        if numbers <= MAX_WAITING_NUMBERS && state.ended.len() < MAX_WAITING_RUNS {
            state.waiting_numbers = numbers;
            state.ended.insert(self.range.start, run);
        }
    }
}

impl Follower for Reservation {
    fn ended(mut self: Box<Self>, outcome: &Result<Commit>) {
        let rows = std::mem::take(&mut self.rows);
        self.settle(match outcome {
            Ok(_) => Some(rows),
            Err(error) if error.kind() == ErrorKind::OutcomeUnknown => None,
            Err(_) => Some(Vec::new()),
        });
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.open {
            self.settle(Some(Vec::new()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::ids::Lsn;

    fn committed(mut batch: Reservation) {
        batch.rows =
            batch.range.clone().map(|key| Row { key, time: Timestamp(0), vector: vec![1.0], input: None }).collect();
        Box::new(batch).ended(&Ok(Commit { lsn: Lsn(1), existed: 0 }));
    }

    /// The rows that a fold takes from `through` on, where it comes to, and what it reads from the store.
    fn fold(keys: &Keys, mut through: u64) -> (Vec<u64>, u64, Vec<Range<u64>>) {
        let (mut rows, mut read) = (Vec::new(), Vec::new());
        while let Some(step) = keys.step(through) {
            match step {
                Step::Rows(run) => {
                    rows.extend(run.rows.iter().map(|row| row.key));
                    through = run.to;
                }
                Step::Read { to } => {
                    read.push(through..to);
                    through = to;
                }
            }
        }
        (rows, through, read)
    }

    #[test]
    fn an_open_batch_holds_back_what_was_committed_behind_it() {
        let keys = Arc::new(Keys::new(5));
        let reserve = |count| keys.reserve(count).unwrap();
        let (first, second, third) = (reserve(2), reserve(1), reserve(3));
        committed(second);
        assert_eq!((fold(&keys, 5), keys.settled()), ((vec![], 5, vec![]), 5));
        committed(first);
        assert_eq!(fold(&keys, 5), (vec![5, 6, 7], 8, vec![]));
        drop(third);
        assert_eq!((fold(&keys, 8), keys.settled()), ((vec![], 11, vec![]), 11));
    }

    #[test]
    fn what_is_not_known_or_has_no_room_is_read_from_the_store() {
        let keys = Arc::new(Keys::new(0));
        let reserve = |count| keys.reserve(count).unwrap();
        let (unknown, failed, large) = (reserve(2), reserve(1), reserve(1));
        Box::new(unknown).ended(&Err(Error::new(ErrorKind::OutcomeUnknown, "the sync failed")));
        Box::new(failed).ended(&Err(Error::new(ErrorKind::Conflict, "it was not so")));
        let mut large = large;
        large.rows = vec![Row { key: 3, time: Timestamp(0), vector: vec![0.0; MAX_WAITING_NUMBERS + 1], input: None }];
        Box::new(large).ended(&Ok(Commit { lsn: Lsn(1), existed: 0 }));
        assert_eq!(fold(&keys, 0), (vec![], 4, vec![0..2, 3..4]));
    }

    #[test]
    fn numbers_that_run_out_are_an_error() {
        let keys = Arc::new(Keys::new(u64::MAX - 1));
        assert_eq!(keys.reserve(2).unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(keys.reserve(1).unwrap().range, u64::MAX - 1..u64::MAX);
    }
}
