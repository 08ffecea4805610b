//! From memory to file: the frozen segments of a collection become one sealed segment, and deletions a file each.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::collection::view::CollectionView;
use crate::error::Result;
use crate::ids::{FileId, Lsn, RowId};
use crate::rows::RowSet;
use crate::segment::RowSource;
use crate::segment::blocks::Blocks;
use crate::segment::deletions::Deletions;
use crate::segment::file::{Opener, SealedFile};
use crate::segment::mutable::Mutable;
use crate::segment::seal::{Part, write_and_open, write_deletions};
use crate::segment::sealed::{DeletionsFile, Sealed};
use crate::storage::manifest::{DeletionsEntry, SegmentEntry};
use crate::storage::names;
use crate::storage::stored_file::StoredFile;

/// The frozen segments of one collection, written but not yet part of any manifest.
#[derive(Debug)]
pub(crate) struct Sealing {
    /// Everything of the collection up to here is in what was written.
    pub(crate) at: Lsn,
    frozen: Vec<(Arc<Mutable>, Blocks, Vec<RowId>)>,
    /// The new segment; none when no row was left.
    new: Option<Arc<SealedFile>>,
    /// Segments whose deletions went to a new file: the segment's file, its deletions up to `at`, their file.
    renewed: Vec<Renewed>,
}

#[derive(Debug)]
struct Renewed {
    segment: FileId,
    base: RowSet,
    file: Arc<DeletionsFile>,
}

/// Writes what `view` froze at `at`. Rows that are gone or expired by then are left out. On an error nothing stays.
pub(crate) fn seal(
    opener: &Opener,
    view: &CollectionView,
    at: Lsn,
    now: Timestamp,
    next_file: impl Fn() -> FileId,
) -> Result<Sealing> {
    let mut sealing = Sealing { at, frozen: Vec::new(), new: None, renewed: Vec::new() };
    match sealing.write(opener, view, now, next_file) {
        Ok(()) => Ok(sealing),
        Err(error) => {
            sealing.discard();
            Err(error)
        }
    }
}

/// Writes a new deletions file for a segment that lost rows since its last one, up to `at`.
fn renew(opener: &Opener, segment: &Sealed, at: Lsn, next_file: &dyn Fn() -> FileId) -> Result<Option<Renewed>> {
    let deletions = segment.deletions();
    let base = deletions.at(at);
    if base.count() == deletions.base().count() {
        return Ok(None);
    }
    let id = segment.file().id();
    let file = write_deletions_file(opener, id, next_file(), &base)?;
    Ok(Some(Renewed { segment: id, base: (*base).clone(), file }))
}

/// Writes `deleted` as the deletions of a segment. The generation is a number of its own, as files have, so that no
/// name is ever written twice.
pub(crate) fn write_deletions_file(
    opener: &Opener,
    segment: FileId,
    FileId(generation): FileId,
    deleted: &RowSet,
) -> Result<Arc<DeletionsFile>> {
    let file = write_deletions(&opener.fs, opener.store, segment, generation, deleted)?;
    let entry = DeletionsEntry { generation, file, count: deleted.count() };
    let stored = StoredFile::new(&opener.fs, &opener.condemned, names::deletions(segment, generation));
    Ok(Arc::new(DeletionsFile { entry, stored }))
}

impl Sealing {
    fn write(
        &mut self,
        opener: &Opener,
        view: &CollectionView,
        now: Timestamp,
        next_file: impl Fn() -> FileId,
    ) -> Result<()> {
        for segment in &view.frozen {
            let rows = segment.freeze();
            let mut kept = Vec::new();
            for row in rows.live_rows(self.at) {
                if rows.meta(row)?.expires > now {
                    kept.push(row);
                }
            }
            self.frozen.push((Arc::clone(segment), rows, kept));
        }
        let parts: Vec<Part<'_>> = self.frozen.iter().map(|(_, source, rows)| Part { source, rows }).collect();
        if parts.iter().any(|part| !part.rows.is_empty()) {
            self.new = Some(write_and_open(opener, next_file(), &view.schema, &parts)?);
        }
        for segment in &view.sealed {
            self.renewed.extend(renew(opener, segment, self.at, &next_file)?);
        }
        Ok(())
    }

    /// Removes what was written, when it cannot be published.
    pub(crate) fn discard(&self) {
        self.new.iter().for_each(|file| file.stored().condemn());
        self.renewed.iter().for_each(|renewed| renewed.file.stored.condemn());
    }

    /// What the manifest lists for the collection once this is published, given what it lists now.
    pub(crate) fn entries(&self, listed: &[SegmentEntry]) -> Vec<SegmentEntry> {
        let mut entries = listed.to_vec();
        for renewed in &self.renewed {
            if let Some(entry) = entries.iter_mut().find(|entry| entry.file.id == renewed.segment) {
                entry.deletions = Some(renewed.file.entry);
            }
        }
        entries.extend(self.new.as_ref().map(|file| SegmentEntry {
            file: file.reference(),
            rows: file.rows(),
            deletions: None,
            index: None,
        }));
        entries
    }

    /// The view after publishing: the frozen segments are gone, the new one carries the deletions that came since.
    /// To be called under the commit lock, so that none is missed.
    pub(crate) fn install(self, view: &CollectionView) -> CollectionView {
        let mut next = view.clone();
        next.frozen.retain(|segment| !self.frozen.iter().any(|(sealed, ..)| Arc::ptr_eq(sealed, segment)));
        for renewed in &self.renewed {
            for segment in &mut next.sealed {
                if segment.file().id() == renewed.segment {
                    *segment = Arc::new(with_base(segment, &renewed.base, &renewed.file));
                }
            }
        }
        if let Some(file) = &self.new {
            let deletions = Deletions::new(RowSet::empty(file.rows()), self.late_deletions());
            next.sealed.push(Arc::new(Sealed::new(Arc::clone(file), deletions, None)));
        }
        next.flushed = self.at;
        next
    }

    /// Rows of the new segment that went while it was written.
    fn late_deletions(&self) -> BTreeMap<RowId, Lsn> {
        let mut late = BTreeMap::new();
        let mut first = 0;
        for (_, source, rows) in &self.frozen {
            for (row, lsn) in source.deleted_after(self.at) {
                if let Ok(place) = rows.binary_search(&row) {
                    late.insert(RowId((first + place) as u32), lsn);
                }
            }
            first += rows.len();
        }
        late
    }
}

/// The segment with a larger base of deletions; entries the base covers are dropped, the old file is condemned.
pub(crate) fn with_base(segment: &Sealed, base: &RowSet, file: &Arc<DeletionsFile>) -> Sealed {
    if let Some(old) = segment.deletions_file() {
        old.stored.condemn();
    }
    let mut recent = segment.deletions().recent();
    recent.retain(|row, _| !base.contains(*row));
    let deletions = Deletions::new(base.clone(), recent);
    let renewed = Sealed::new(Arc::clone(segment.file()), deletions, Some(Arc::clone(file)));
    renewed.with_index(segment.index().cloned())
}
