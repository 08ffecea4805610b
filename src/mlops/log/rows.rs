//! Where the rows of a space lie: a system collection for each slice of time, read together in the order of keys.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use super::options::Plan;
use crate::clock::Timestamp;
use crate::collection::record::Record;
use crate::database::cancel::CancelToken;
use crate::database::handle::Database;
use crate::database::scan::Scan;
use crate::database::snapshot::{Snapshot, SnapshotCollection};
use crate::error::{Error, ErrorKind, Result};
use crate::filter::{Filter, time};
use crate::key::Key;
use crate::mlops::times::TimeRange;

/// The most slices that a space has.
const MAX_SLICES: usize = 1_000;

/// The name of a slice's collection, and what all those of its space begin with.
pub(super) fn slice_name(space: u32, slice: i64) -> String {
    format!("{}{slice}", prefix(space))
}

fn prefix(space: u32) -> String {
    format!("_log-{space}-")
}

/// The slices of a space at one moment.
#[derive(Debug)]
pub(super) struct Slices {
    snapshot: Snapshot,
    space: u32,
    /// Ascending.
    numbers: Vec<i64>,
}

impl Slices {
    pub(super) fn of(db: &Database, space: u32) -> Result<Slices> {
        let (snapshot, prefix) = (db.snapshot()?, prefix(space));
        let names = snapshot.names(&prefix);
        let mut numbers: Vec<i64> = names.iter().filter_map(|name| name[prefix.len()..].parse().ok()).collect();
        numbers.sort_unstable();
        Ok(Slices { snapshot, space, numbers })
    }

    /// All of them, the oldest first.
    pub(super) fn numbers(&self) -> &[i64] {
        &self.numbers
    }

    /// Those that have times of the range.
    pub(super) fn within<'a>(&'a self, plan: &'a Plan, times: TimeRange) -> impl Iterator<Item = i64> + 'a {
        let meets = move |slice: &i64| {
            let own = plan.times_of(*slice);
            own.from < times.to && times.from < own.to
        };
        self.numbers.iter().copied().filter(meets)
    }

    pub(super) fn collection(&self, slice: i64) -> Result<SnapshotCollection> {
        self.snapshot.collection(&slice_name(self.space, slice))
    }

    /// How many rows they have.
    pub(super) fn rows(&self) -> Result<u64> {
        self.numbers.iter().map(|slice| self.collection(*slice)?.count()).sum()
    }

    /// The record of a key in a slice, if there is one.
    pub(super) fn get(&self, slice: i64, key: u64) -> Result<Option<Record>> {
        match self.numbers.binary_search(&slice) {
            Ok(_) => self.collection(slice)?.get(key),
            Err(_) => Ok(None),
        }
    }

    /// The highest key of a slice.
    pub(super) fn last_key(&self, slice: i64) -> Result<Option<u64>> {
        let last = self.collection(slice)?.scan().reverse().limit(1).next().transpose()?;
        Ok(last.and_then(|record| record.key.as_number()))
    }

    /// The records with keys in `keys` of some slices, in the order of keys, as far as they pass.
    pub(super) fn scan(
        &self,
        slices: impl IntoIterator<Item = i64>,
        keys: Range<u64>,
        filter: Option<&Filter>,
        cancel: &CancelToken,
    ) -> Result<ByKey> {
        let range = Key::from(keys.start)..Key::from(keys.end);
        let scan = |slice| {
            let scan = self.collection(slice)?.scan().range(range.clone()).cancel(cancel);
            filter.into_iter().try_fold(scan, Scan::filter)
        };
        ByKey::new(slices.into_iter().map(scan).collect::<Result<_>>()?)
    }

    /// Refuses to make more slices than there may be.
    pub(super) fn check_room_for<'a>(&self, wanted: impl Iterator<Item = &'a i64>) -> Result<()> {
        let new = wanted.filter(|slice| self.numbers.binary_search(slice).is_err()).count();
        if new == 0 || self.numbers.len() + new <= MAX_SLICES {
            return Ok(());
        }
        Err(Error::invalid(format!("the space would have more than {MAX_SLICES} slices of time"))
            .mend("check the times of the entries, or make the space with longer slices"))
    }
}

/// The filter that lets a range of times through.
pub(super) fn in_times(times: TimeRange) -> Filter {
    let from = (times.from > TimeRange::ALL.from).then(|| time().ge(times.from.0));
    let to = time().lt(times.to.0);
    from.map_or(to.clone(), |from| from.and(to))
}

/// Records of several slices, in the order of keys.
#[derive(Debug)]
pub(super) struct ByKey {
    scans: Vec<Scan>,
    /// The next record of each scan, by its place.
    heads: Vec<Option<Record>>,
    next: BinaryHeap<Reverse<(Key, usize)>>,
    failed: Option<Error>,
}

impl ByKey {
    fn new(scans: Vec<Scan>) -> Result<ByKey> {
        let heads = scans.iter().map(|_| None).collect();
        let mut all = ByKey { scans, heads, next: BinaryHeap::new(), failed: None };
        (0..all.scans.len()).try_for_each(|place| all.advance(place)).map(|()| all)
    }

    fn advance(&mut self, place: usize) -> Result<()> {
        if let Some(record) = self.scans[place].next().transpose()? {
            self.next.push(Reverse((record.key.clone(), place)));
            self.heads[place] = Some(record);
        }
        Ok(())
    }
}

impl Iterator for ByKey {
    type Item = Result<Record>;

    /// The next record. After an error there are no more.
    fn next(&mut self) -> Option<Result<Record>> {
        if let Some(error) = self.failed.take() {
            self.next.clear();
            return Some(Err(error));
        }
        let Reverse((_, place)) = self.next.pop()?;
        let record = self.heads[place].take();
        self.failed = self.advance(place).err();
        record.map(Ok)
    }
}

/// Whether a time can be logged: the last one there is means "never".
pub(super) fn check_time(time: Timestamp) -> Result<()> {
    match time < TimeRange::ALL.to {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::Invalid, "an entry is logged at a time that never comes")
            .mend("give microseconds since 1970")),
    }
}
