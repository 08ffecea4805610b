//! Scans: the records of a collection in key order.

use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use crate::collection::record::Record;
use crate::collection::scan::{KeyRange, Walk};
use crate::database::cancel::CancelToken;
use crate::database::reader::Reader;
use crate::database::store::Store;
use crate::error::Result;
use crate::filter::{Filter, IntoFilter};
use crate::key::Key;

/// A walk over records in key order, built step by step, then iterated.
///
/// It sees the collection as it was when the scan was begun, however long it takes, and holds no lock.
///
/// ```
/// # fn main() -> driftline::Result<()> {
/// use driftline::{Database, Record, Schema};
/// let db = Database::in_memory()?;
/// let notes = db.create_collection("notes", Schema::payload_only())?;
/// notes.put_all(["a/1", "a/2", "b/1", "b/2"].map(Record::new))?;
///
/// let b: Vec<_> = notes.scan().prefix("b/").reverse().collect::<driftline::Result<_>>()?;
/// assert_eq!(b.iter().map(|record| record.key.clone()).collect::<Vec<_>>(), ["b/2".into(), "b/1".into()]);
///
/// let late: Vec<_> = notes.scan().filter("@key >= 'b/'")?.collect::<driftline::Result<_>>()?;
/// assert_eq!(late.len(), 2);
///
/// let page = notes.scan().page(3)?;
/// assert_eq!(page.records.len(), 3);
/// let rest = notes.scan().after(page.next.expect("there is more")).page(3)?;
/// assert_eq!((rest.records.len(), rest.next), (1, None));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a scan does nothing until it is iterated"]
pub struct Scan {
    reader: Option<Result<Reader>>,
    range: KeyRange,
    after: Option<Key>,
    left: Option<u64>,
    filter: Option<Filter>,
    cancel: CancelToken,
    walk: Option<Walk>,
    /// None where there is nothing to be walked over.
    store: Option<Arc<Store>>,
}

/// Some records of a scan, and where to go on.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Page {
    /// The records.
    pub records: Vec<Record>,
    /// The last key of this page, to be given to [`Scan::after`] for the next; `None` when there are no more.
    pub next: Option<Key>,
}

impl Scan {
    pub(crate) fn new(reader: Result<Reader>) -> Scan {
        let range = KeyRange { from: Bound::Unbounded, to: Bound::Unbounded, reverse: false };
        Scan {
            store: reader.as_ref().ok().map(|reader| Arc::clone(&reader.store)),
            reader: Some(reader),
            range,
            after: None,
            left: None,
            filter: None,
            cancel: CancelToken::new(),
            walk: None,
        }
    }

    /// Only keys within `range`, such as `10u64.into()..20u64.into()`.
    pub fn range(mut self, range: impl RangeBounds<Key>) -> Scan {
        self.range.from = range.start_bound().map(Key::encode);
        self.range.to = range.end_bound().map(Key::encode);
        self
    }

    /// Only text keys that begin with `prefix`, or byte keys when it is bytes. A number is a prefix of itself alone.
    pub fn prefix(mut self, prefix: impl Into<Key>) -> Scan {
        let key: Key = prefix.into();
        let prefix = key.encode();
        self.range.to = if key.as_number().is_some() {
            Bound::Included(prefix.clone())
        } else {
            after_prefix(&prefix).map_or(Bound::Unbounded, Bound::Excluded)
        };
        self.range.from = Bound::Included(prefix);
        self
    }

    /// From the highest key to the lowest.
    pub fn reverse(mut self) -> Scan {
        self.range.reverse = true;
        self
    }

    /// Only keys that come after `key` in the direction of the scan: how a page goes on where the last one ended.
    pub fn after(mut self, key: impl Into<Key>) -> Scan {
        self.after = Some(key.into());
        self
    }

    /// Only records that pass: text such as `lang = 'en' AND price < 20`, or a [`Filter`]. A second filter is asked
    /// beside the first. Fails with `Filter` when it cannot be read. Each key of the range is looked at, and of its
    /// record only what no field index knows.
    pub fn filter(mut self, filter: impl IntoFilter) -> Result<Scan> {
        let filter = filter.into_filter()?;
        self.filter = Some(match self.filter.take() {
            Some(earlier) => earlier.and(filter),
            None => filter,
        });
        Ok(self)
    }

    /// Lets `token` stop the scan, which then ends with an error of kind `Cancelled`.
    pub fn cancel(mut self, token: &CancelToken) -> Scan {
        self.cancel = token.clone();
        self
    }

    /// At most `count` records.
    pub fn limit(mut self, count: u64) -> Scan {
        self.left = Some(count);
        self
    }

    /// Up to `size` records, and where to go on. A later page sees what was written in between, unless both come from
    /// one [`Snapshot`](crate::Snapshot).
    pub fn page(mut self, size: usize) -> Result<Page> {
        let mut records = Vec::new();
        while records.len() < size {
            match self.next() {
                Some(record) => records.push(record?),
                None => return Ok(Page { records, next: None }),
            }
        }
        let more = self.next().transpose()?.is_some();
        let next = records.last().filter(|_| more).map(|record| record.key.clone());
        Ok(Page { records, next })
    }

    fn begin(&mut self, reader: Reader) -> Result<Walk> {
        reader.engine().check_open()?;
        let mut range = self.range.clone();
        if let Some(key) = &self.after {
            let key = key.encode();
            if range.reverse {
                range.to = tighter(range.to, key, |bound, key| bound < key);
            } else {
                range.from = tighter(range.from, key, |bound, key| bound > key);
            }
        }
        let filter = self.filter.as_ref().map(|filter| reader.bind(filter)).transpose()?;
        Walk::new(reader.view, reader.moment, &range, filter)
    }

    fn advance(&mut self) -> Result<Option<Record>> {
        if self.left == Some(0) {
            return Ok(None);
        }
        if let Some(reader) = self.reader.take() {
            self.walk = Some(self.begin(reader?)?);
        }
        let record = match &mut self.walk {
            Some(walk) => walk.next(|| self.cancel.check())?,
            None => None,
        };
        if let Some(left) = &mut self.left {
            *left -= 1;
        }
        Ok(record)
    }
}

impl Iterator for Scan {
    type Item = Result<Record>;

    /// The next record. After an error the scan is over.
    fn next(&mut self) -> Option<Result<Record>> {
        let next = match &self.store {
            Some(store) => {
                let store = Arc::clone(store);
                // Its beginning counts as a call, each step after it does not.
                match self.reader {
                    Some(_) => store.engine().call(|| self.advance()),
                    None => store.engine().go_on(|| self.advance()),
                }
            }
            None => self.advance(),
        };
        if !matches!(next, Ok(Some(_))) {
            self.left = Some(0);
        }
        next.transpose()
    }
}

/// The bound itself where it already excludes `key`; else everything beyond `key`.
fn tighter(bound: Bound<Vec<u8>>, key: Vec<u8>, beyond: impl Fn(&[u8], &[u8]) -> bool) -> Bound<Vec<u8>> {
    match &bound {
        Bound::Included(own) | Bound::Excluded(own) if beyond(own, &key) => bound,
        _ => Bound::Excluded(key),
    }
}

/// The first stored key after all that begin with `prefix`, if there can be any. The tag keeps kinds apart.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut after = prefix[..=last].to_vec();
    after[last] += 1;
    Some(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix() {
        assert_eq!(after_prefix(&[2, b'a']), Some(vec![2, b'b']));
        assert_eq!(after_prefix(&[2, 255]), Some(vec![3]));
        assert_eq!(after_prefix(&[255]), None);
    }
}
