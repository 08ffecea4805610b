//! Walking a collection in key order, forward or backward, from any key, without holding a lock between records.

use std::collections::VecDeque;
use std::ops::Bound;
use std::sync::Arc;

use crate::collection::filtered::facts;
use crate::collection::record::Record;
use crate::collection::view::CollectionView;
use crate::error::Result;
use crate::filter::Bound as Filter;
use crate::ids::RowId;
use crate::segment::matching::{Known, known};
use crate::segment::mutable::Mutable;
use crate::segment::sealed::Sealed;
use crate::segment::{Moment, RowSource};

/// Keys fetched from a mutable segment at a time.
const PAGE_KEYS: usize = 128;

/// Bounds of a walk, as stored keys.
#[derive(Debug, Clone)]
pub(crate) struct KeyRange {
    pub(crate) from: Bound<Vec<u8>>,
    pub(crate) to: Bound<Vec<u8>>,
    pub(crate) reverse: bool,
}

/// A walk over the records that are live at one moment.
#[derive(Debug)]
pub(crate) struct Walk {
    view: Arc<CollectionView>,
    moment: Moment,
    sources: Vec<Source>,
    filter: Option<Filter>,
    reverse: bool,
}

impl Walk {
    pub(crate) fn new(
        view: Arc<CollectionView>,
        moment: Moment,
        range: &KeyRange,
        filter: Option<Filter>,
    ) -> Result<Walk> {
        let mut sources = Vec::new();
        for segment in view.in_memory() {
            sources.push(Source::Memory(MemoryKeys::new(Arc::clone(segment), range)));
        }
        for segment in &view.sealed {
            let known = filter.as_ref().map(|filter| known(segment.file(), filter)).transpose()?;
            sources.push(Source::Sealed(SealedKeys::new(Arc::clone(segment), range, known)?));
        }
        Ok(Walk { view, moment, sources, filter, reverse: range.reverse })
    }

    /// The next live record that passes; `go_on` is asked before each record that is looked at.
    pub(crate) fn next(&mut self, go_on: impl Fn() -> Result<()>) -> Result<Option<Record>> {
        while let Some(key) = self.nearest_key()? {
            go_on()?;
            if let Some(record) = self.take(&key)? {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// The live record under `key`, if there is one and it passes; moves on behind it.
    fn take(&mut self, key: &[u8]) -> Result<Option<Record>> {
        let wanted = Wanted { view: &self.view, filter: self.filter.as_ref(), moment: self.moment };
        let mut live = None;
        for source in &mut self.sources {
            if source.peek()?.is_some_and(|next| next == key) {
                if live.is_none() {
                    live = source.read(key, &wanted)?;
                }
                source.advance();
            }
        }
        Ok(live.flatten())
    }

    /// The key that comes next in any source, live or not.
    fn nearest_key(&mut self) -> Result<Option<Vec<u8>>> {
        let mut nearest: Option<Vec<u8>> = None;
        for source in &mut self.sources {
            let Some(key) = source.peek()? else { continue };
            let nearer = nearest.as_deref().is_none_or(|best| if self.reverse { key > best } else { key < best });
            if nearer {
                nearest = Some(key.to_vec());
            }
        }
        Ok(nearest)
    }
}

/// What a walk is after.
struct Wanted<'a> {
    view: &'a CollectionView,
    filter: Option<&'a Filter>,
    moment: Moment,
}

impl Wanted<'_> {
    /// The record of a live row, if it passes.
    fn record(&self, source: &dyn RowSource, row: RowId) -> Result<Option<Record>> {
        let passes = match self.filter {
            Some(filter) => filter.matches(&facts(source, row)?)?,
            None => true,
        };
        passes.then(|| self.view.record(source, row)).transpose()
    }
}

#[derive(Debug)]
enum Source {
    Memory(MemoryKeys),
    Sealed(SealedKeys),
}

impl Source {
    fn peek(&mut self) -> Result<Option<&[u8]>> {
        match self {
            Source::Memory(keys) => Ok(keys.peek()),
            Source::Sealed(keys) => keys.peek(),
        }
    }

    fn advance(&mut self) {
        match self {
            Source::Memory(keys) => drop(keys.buffer.pop_front()),
            Source::Sealed(keys) => keys.advance(),
        }
    }

    /// Of the row under `key`, which [`Source::peek`] returned, if it is live: the record, if it passes.
    fn read(&self, key: &[u8], wanted: &Wanted<'_>) -> Result<Option<Option<Record>>> {
        match self {
            Source::Memory(keys) => keys.segment.find(key, wanted.moment, |block, row| wanted.record(block, row)),
            Source::Sealed(keys) => {
                let row = keys.row()?;
                let live = keys.segment.is_live(row, wanted.moment)?;
                live.then(|| keys.record(row, wanted)).transpose()
            }
        }
    }
}

/// Keys of a mutable segment, fetched page by page; keys that arrive meanwhile may or may not show, and are newer than
/// the walk's moment either way.
#[derive(Debug)]
struct MemoryKeys {
    segment: Arc<Mutable>,
    buffer: VecDeque<Arc<[u8]>>,
    range: KeyRange,
    exhausted: bool,
}

impl MemoryKeys {
    fn new(segment: Arc<Mutable>, range: &KeyRange) -> MemoryKeys {
        MemoryKeys { segment, buffer: VecDeque::new(), range: range.clone(), exhausted: false }
    }

    fn peek(&mut self) -> Option<&[u8]> {
        if self.buffer.is_empty() && !self.exhausted {
            self.fetch();
        }
        self.buffer.front().map(|key| &**key)
    }

    fn fetch(&mut self) {
        let (from, to) = (as_slice(&self.range.from), as_slice(&self.range.to));
        if is_empty(from, to) {
            self.exhausted = true;
            return;
        }
        let keys = self.segment.keys(from, to, self.range.reverse, PAGE_KEYS);
        self.exhausted = keys.len() < PAGE_KEYS;
        if let Some(last) = keys.last() {
            let rest = Bound::Excluded(last.to_vec());
            if self.range.reverse { self.range.to = rest } else { self.range.from = rest }
        }
        self.buffer = keys.into();
    }
}

fn as_slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    match bound {
        Bound::Included(key) => Bound::Included(key),
        Bound::Excluded(key) => Bound::Excluded(key),
        Bound::Unbounded => Bound::Unbounded,
    }
}

/// Whether no key can lie within the bounds; an ordered map panics on some of those.
fn is_empty(from: Bound<&[u8]>, to: Bound<&[u8]>) -> bool {
    match (from, to) {
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => from >= to,
    }
}

/// Keys of a sealed segment, by place in key order.
#[derive(Debug)]
struct SealedKeys {
    segment: Arc<Sealed>,
    /// Places not walked yet.
    start: u32,
    end: u32,
    /// What the indexes say of the filter.
    known: Option<Known>,
    reverse: bool,
}

impl SealedKeys {
    fn new(segment: Arc<Sealed>, range: &KeyRange, known: Option<Known>) -> Result<SealedKeys> {
        let file = segment.file();
        let start = match as_slice(&range.from) {
            Bound::Unbounded => 0,
            Bound::Included(key) => file.first_at_or_after(key)?,
            Bound::Excluded(key) => after(&segment, key)?,
        };
        let end = match as_slice(&range.to) {
            Bound::Unbounded => file.rows(),
            Bound::Excluded(key) => file.first_at_or_after(key)?,
            Bound::Included(key) => after(&segment, key)?,
        };
        Ok(SealedKeys { start, end: end.max(start), known, reverse: range.reverse, segment })
    }

    /// The record of a live row, if it passes; reads its payload only where no index knows.
    fn record(&self, row: RowId, wanted: &Wanted<'_>) -> Result<Option<Record>> {
        let file = &**self.segment.file();
        match &self.known {
            Some(known) if known.surely.contains(row) => wanted.view.record(file, row).map(Some),
            Some(known) if !known.possibly.contains(row) => Ok(None),
            _ => wanted.record(file, row),
        }
    }

    fn row(&self) -> Result<RowId> {
        self.segment.file().row_at(if self.reverse { self.end - 1 } else { self.start })
    }

    fn peek(&mut self) -> Result<Option<&[u8]>> {
        if self.start == self.end {
            return Ok(None);
        }
        let row = self.row()?;
        self.segment.file().key(row).map(Some)
    }

    fn advance(&mut self) {
        if self.reverse { self.end -= 1 } else { self.start += 1 }
    }
}

/// The first place whose key is above `key`.
fn after(segment: &Sealed, key: &[u8]) -> Result<u32> {
    let file = segment.file();
    let place = file.first_at_or_after(key)?;
    let holds_key = place < file.rows() && file.key(file.row_at(place)?)? == key;
    Ok(place + u32::from(holds_key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_that_hold_nothing_are_known() {
        let (a, b) = (&b"a"[..], &b"b"[..]);
        assert!(is_empty(Bound::Included(b), Bound::Included(a)));
        assert!(is_empty(Bound::Excluded(a), Bound::Excluded(a)));
        assert!(is_empty(Bound::Included(a), Bound::Excluded(a)));
        assert!(!is_empty(Bound::Included(a), Bound::Included(a)));
        assert!(!is_empty(Bound::Excluded(a), Bound::Included(b)));
        assert!(!is_empty(Bound::Unbounded, Bound::Excluded(a)));
    }
}
