//! Merging: several sealed segments become one, without the rows that are gone.
//!
//! Segments are merged in tiers of similar size, so that a row is rewritten a logarithmic number of times; a segment
//! of which a fifth is gone, or which has expired whole, is rewritten alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::collection::seal::write_deletions_file;
use crate::collection::view::CollectionView;
use crate::error::{Error, Result};
use crate::ids::{FileId, Lsn, RowId};
use crate::index::VectorIndex;
use crate::rows::RowSet;
use crate::schema::Schema;
use crate::segment::deletions::Deletions;
use crate::segment::file::{Opener, SealedFile};
use crate::segment::indexed::{IndexJob, SegmentIndex};
use crate::segment::seal::{Part, write_and_open};
use crate::segment::sealed::{DeletionsFile, Sealed};
use crate::segment::{RowMeta, RowSource};
use crate::storage::manifest::SegmentEntry;

/// Segments of one tier that are merged together; each tier holds segments up to this many times the rows of the
/// tier below.
const FAN_IN: usize = 4;
/// Segments up to this many rows are one tier.
const SMALLEST_TIER_ROWS: u32 = 1024;
/// A segment is rewritten when more than one row in this many is gone.
const REWRITE_ONE_IN: u32 = 5;
const MAX_MERGED_ROWS: u64 = 1 << 31;

/// The segments that should be merged next, if any; those `apart` are left alone.
pub(crate) fn choose(view: &CollectionView, now: Timestamp, apart: &BTreeSet<FileId>) -> Option<Vec<FileId>> {
    let spent = |segment: &&Arc<Sealed>| {
        let file = segment.file();
        let decayed = segment.deletions().base().count() > file.rows() / REWRITE_ONE_IN;
        decayed || file.header().last_expires <= now
    };
    let sound = || view.sealed.iter().filter(|segment| !apart.contains(&segment.file().id()));
    if let Some(segment) = sound().find(spent) {
        return Some(vec![segment.file().id()]);
    }
    let mut tiers: BTreeMap<u32, Vec<&Arc<Sealed>>> = BTreeMap::new();
    for segment in sound() {
        tiers.entry(tier(segment.file().rows())).or_default().push(segment);
    }
    tiers.into_values().find_map(|segments| {
        let rows: u64 = segments.iter().map(|segment| u64::from(segment.file().rows())).sum();
        let full = segments.len() >= FAN_IN && rows <= MAX_MERGED_ROWS;
        full.then(|| segments.iter().map(|segment| segment.file().id()).collect())
    })
}

fn tier(rows: u32) -> u32 {
    (rows / SMALLEST_TIER_ROWS).checked_ilog(FAN_IN as u32).map_or(0, |tier| tier + 1)
}

/// Segments that were merged into a file that is not part of any manifest yet.
#[derive(Debug)]
pub(crate) struct Merging {
    sources: Vec<Source>,
    new: Option<Arc<SealedFile>>,
    /// The index of the new file.
    index: Option<Arc<SegmentIndex>>,
    /// Rows of the new file that went, durably, while it was written.
    deletions: Option<Arc<DeletionsFile>>,
    base: RowSet,
}

#[derive(Debug)]
struct Source {
    file: Arc<SealedFile>,
    index: Option<Arc<SegmentIndex>>,
    /// The rows that were kept, ascending.
    kept: Vec<RowId>,
    /// Where they begin in the new file.
    first: usize,
}

/// Merges the segments `ids` of `view`, every byte of which has been checked, into one file. Rows that are gone from the
/// files, or expired, are left out; rows that went since the last flush are kept, because the log that says so may
/// yet be lost. On an error nothing stays; `going_on` is asked before each row is read and may end it with one.
pub(crate) fn merge(
    opener: &Opener,
    view: &CollectionView,
    ids: &[FileId],
    now: Timestamp,
    next_file: impl FnOnce() -> FileId,
    going_on: &GoingOn<'_>,
) -> Result<Merging> {
    let mut sources = Vec::new();
    let mut first = 0;
    for segment in view.sealed.iter().filter(|segment| ids.contains(&segment.file().id())) {
        let kept = kept_rows(segment, now)?;
        let count = kept.len();
        sources.push(Source { file: Arc::clone(segment.file()), index: segment.index().cloned(), kept, first });
        first += count;
    }
    let files: Vec<_> = sources.iter().map(|source| Interruptible { file: &source.file, going_on }).collect();
    let parts: Vec<Part<'_>> =
        files.iter().zip(&sources).map(|(file, source)| Part { source: file, rows: &source.kept }).collect();
    let new = match first {
        0 => None,
        _ => Some(write_and_open(opener, next_file(), &view.schema, &parts)?),
    };
    Ok(Merging { sources, new, index: None, deletions: None, base: RowSet::empty(first as u32) })
}

/// Fails when a merge is to end.
pub(crate) type GoingOn<'a> = dyn Fn() -> Result<()> + Sync + 'a;

/// Rows of a file, as long as the merge goes on.
struct Interruptible<'a> {
    file: &'a SealedFile,
    going_on: &'a GoingOn<'a>,
}

impl RowSource for Interruptible<'_> {
    fn key(&self, row: RowId) -> Result<&[u8]> {
        (self.going_on)().and_then(|()| self.file.key(row))
    }

    fn meta(&self, row: RowId) -> Result<RowMeta> {
        (self.going_on)().and_then(|()| self.file.meta(row))
    }

    fn vector_bytes(&self, row: RowId) -> Result<&[u8]> {
        (self.going_on)().and_then(|()| self.file.vector_bytes(row))
    }

    fn inverse_norm(&self, row: RowId) -> Result<f32> {
        (self.going_on)().and_then(|()| RowSource::inverse_norm(self.file, row))
    }

    fn payload(&self, row: RowId) -> Result<&[u8]> {
        (self.going_on)().and_then(|()| self.file.payload(row))
    }
}

/// About how many bytes merging the segments `ids` of `view` writes: their lengths by the share of rows that are kept.
/// All are, of one that is too damaged to tell: whoever merges it finds that out.
pub(crate) fn kept_bytes(view: &CollectionView, ids: &[FileId], now: Timestamp) -> u64 {
    let merged = view.sealed.iter().filter(|segment| ids.contains(&segment.file().id()));
    let kept = merged.map(|segment| {
        let (rows, bytes) = (segment.file().rows(), segment.file().reference().length);
        let kept = kept_rows(segment, now).map_or(rows as usize, |kept| kept.len());
        (u128::from(bytes) * kept as u128).div_ceil(u128::from(rows.max(1))) as u64
    });
    kept.sum()
}

fn kept_rows(segment: &Sealed, now: Timestamp) -> Result<Vec<RowId>> {
    let file = segment.file();
    let expiries = file.expiries()?;
    let base = segment.deletions().base();
    let expired = |row: RowId| expiries.is_some_and(|expiries| expiries[row.index()] <= now.0);
    Ok((0..file.rows()).map(RowId).filter(|row| !base.contains(*row) && !expired(*row)).collect())
}

impl Merging {
    /// The rows of the new file; 0 where there is none.
    pub(crate) fn rows(&self) -> u32 {
        self.new.as_ref().map_or(0, |file| file.rows())
    }

    /// Whether one of the segments has an index that can be used.
    pub(crate) fn inherits(&self) -> bool {
        self.sources.iter().any(|source| source.usable().is_some())
    }

    /// Builds the index of the new file, from its rows alone: they are mostly new to each other.
    pub(crate) fn build_index(
        &mut self,
        opener: &Opener,
        schema: &Schema,
        job: &IndexJob<'_>,
        next_file: impl FnOnce() -> FileId,
    ) -> Result<()> {
        let Some(file) = &self.new else { return Ok(()) };
        self.index = job.run(opener, schema, file, next_file)?.map(Arc::new);
        Ok(())
    }

    /// Carries over what was deleted durably while the file was written. `view` is the current one, and no flush runs
    /// between this call and publishing.
    pub(crate) fn settle(
        &mut self,
        opener: &Opener,
        view: &CollectionView,
        next_file: impl FnOnce() -> FileId,
    ) -> Result<()> {
        let mut base = self.base.clone();
        for source in &self.sources {
            let segment = source.find_in(view)?;
            for (place, row) in source.kept.iter().enumerate() {
                if segment.deletions().base().contains(*row) {
                    base.insert(RowId((source.first + place) as u32));
                }
            }
        }
        if let Some(file) = &self.new
            && base.count() > 0
        {
            self.deletions = Some(write_deletions_file(opener, file.id(), next_file(), &base)?);
        }
        self.base = base;
        Ok(())
    }

    /// Removes what was written, when it cannot be published.
    pub(crate) fn discard(&self) {
        self.new.iter().for_each(|file| file.stored().condemn());
        self.deletions.iter().for_each(|file| file.stored.condemn());
        self.index.iter().for_each(|index| index.stored().condemn());
    }

    /// What the manifest lists for the collection once this is published, given what it lists now.
    pub(crate) fn entries(&self, listed: &[SegmentEntry]) -> Vec<SegmentEntry> {
        let merged = |id: FileId| self.sources.iter().any(|source| source.file.id() == id);
        let mut entries: Vec<_> = listed.iter().filter(|entry| !merged(entry.file.id)).cloned().collect();
        entries.extend(self.new.as_ref().map(|file| SegmentEntry {
            file: file.reference(),
            rows: file.rows(),
            deletions: self.deletions.as_ref().map(|file| file.entry),
            index: self.index.as_ref().map(|index| index.entry().clone()),
        }));
        entries
    }

    /// The view after publishing. To be called under the commit lock, so that no deletion is missed.
    pub(crate) fn install(self, view: &CollectionView) -> Result<CollectionView> {
        let mut recent = BTreeMap::new();
        for source in &self.sources {
            recent.extend(source.late_deletions(&*source.find_in(view)?));
        }
        let mut next = view.clone();
        next.sealed.retain(|segment| !self.sources.iter().any(|source| source.file.id() == segment.file().id()));
        for segment in view.sealed.iter().filter(|segment| !next.sealed.iter().any(|kept| Arc::ptr_eq(kept, segment))) {
            segment.condemn();
        }
        if let Some(file) = self.new {
            let deletions = Deletions::new(self.base, recent);
            next.sealed.push(Arc::new(Sealed::new(file, deletions, self.deletions).with_index(self.index)));
        }
        Ok(next)
    }
}

impl Source {
    fn usable(&self) -> Option<&dyn VectorIndex> {
        self.index.as_ref()?.usable()
    }

    fn find_in(&self, view: &CollectionView) -> Result<Arc<Sealed>> {
        let segment = view.sealed.iter().find(|segment| segment.file().id() == self.file.id());
        segment.cloned().ok_or_else(|| Error::internal("a segment went while it was merged"))
    }

    /// Rows of the new file that went since the last flush.
    fn late_deletions(&self, segment: &Sealed) -> Vec<(RowId, Lsn)> {
        let recent = segment.deletions().recent();
        let moved = |(row, lsn): (RowId, Lsn)| {
            let place = self.kept.binary_search(&row).ok()?;
            Some((RowId((self.first + place) as u32), lsn))
        };
        recent.into_iter().filter_map(moved).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_grow_by_the_fan_in() {
        let tiers: Vec<u32> = [1, 1023, 1024, 4095, 4096, 16_384, 65_536].map(tier).to_vec();
        assert_eq!(tiers, [0, 0, 1, 1, 2, 3, 4]);
    }
}
