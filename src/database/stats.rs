//! Sizes, counts and positions of an open store.

use std::sync::Arc;

use serde::Serialize;

use crate::collection::view::CollectionView;
use crate::database::collection::Collection;
use crate::database::engine::Engine;
use crate::database::meters::Measured;
use crate::database::pending::PendingImport;
use crate::database::scrub::ScrubStats;
use crate::error::{Error, Result};
use crate::ids::Lsn;
use crate::segment::Moment;
use crate::segment::sealed::Sealed;
use crate::storage::manifest::SegmentEntry;
use crate::storage::names;
use crate::sync::{AtomicU64, Ordering};

/// Sizes, counts and positions of a store at one moment. Bytes, unless a name says otherwise.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// Where the store is.
    pub location: String,
    /// The newest batch that readers see.
    pub lsn: Lsn,
    /// The newest batch that a power cut cannot take away.
    pub durable_lsn: Lsn,
    /// Log files in use.
    pub log_files: u64,
    /// What the log file being written holds.
    pub log_bytes: u64,
    /// Rows in memory that are not in files yet.
    pub unsealed_bytes: u64,
    /// Files of segments, deletions, indexes and blobs.
    pub file_bytes: u64,
    /// Blobs, and the bytes of their contents.
    pub blobs: u64,
    /// Bytes of the contents of blobs.
    pub blob_bytes: u64,
    /// Free space on the disk, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_bytes: Option<u64>,
    /// Why the last maintenance failed, if it did and has not succeeded since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maintenance_failure: Option<String>,
    /// What scrubbing has done and found, where there was any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scrub: Option<ScrubStats>,
    /// The collections, by name.
    pub collections: Vec<CollectionStats>,
}

/// Sizes and counts of one collection.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CollectionStats {
    /// Its name.
    pub name: String,
    /// Its schema, as the shell writes it.
    pub schema: String,
    /// Live records. Of a file that is damaged where the times of its records stand, all count that were not deleted
    /// durably.
    pub records: u64,
    /// Sealed segments.
    pub segments: u64,
    /// Rows in sealed segments, live or not.
    pub sealed_rows: u64,
    /// Rows in sealed segments that were deleted or replaced.
    pub deleted_rows: u64,
    /// Rows in memory, in every version.
    pub unsealed_rows: u64,
    /// Memory of those rows.
    pub unsealed_bytes: u64,
    /// Files of its segments, their deletions and indexes, and unfinished imports.
    pub file_bytes: u64,
    /// Rows in files that have an index.
    pub indexed_rows: u64,
    /// Rows in files that are to have an index and have not yet, or have another than they are to have.
    pub unindexed_rows: u64,
    /// The indexes of its files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<IndexStats>,
    /// Imports that were begun under a name and neither finished nor discarded, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub imports: Vec<PendingImport>,
    /// Why it cannot be used, when its files are damaged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
}

/// The index of one file.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct IndexStats {
    /// The file of the rows.
    pub segment: String,
    /// What it was built as.
    pub kind: String,
    /// How it lies in its file, where its kind has a choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<&'static str>,
    /// Rows it is over.
    pub rows: u64,
    /// Its file.
    pub bytes: u64,
    /// Rows that no search through it gets to.
    pub unreachable: u64,
    /// Why it is not used, when it is damaged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
}

fn index_of(segment: &Sealed) -> Option<IndexStats> {
    let index = segment.index()?;
    let facts = index.usable().map(|index| index.facts());
    Some(IndexStats {
        segment: names::segment(segment.file().id()),
        kind: index.entry().spec.clone(),
        layout: facts.as_ref().and_then(|facts| facts.layout),
        rows: segment.file().rows().into(),
        bytes: index.entry().file.length,
        unreachable: facts.map_or(0, |facts| facts.unreachable.into()),
        damage: index.damage().map(Error::to_string),
    })
}

/// Bytes of the files of a collection's segments, their deletions and indexes.
fn file_bytes(collection: &CollectionView) -> u64 {
    let length = |entry: SegmentEntry| {
        let index = entry.index.as_ref().map_or(0, |index| index.file.length);
        entry.file.length + index + entry.deletions.map_or(0, |deletions| deletions.file.length)
    };
    collection.sealed.iter().map(|segment| length(segment.entry())).sum()
}

/// Bytes of a collection's rows in memory.
pub(crate) fn unsealed_bytes(collection: &CollectionView) -> u64 {
    collection.in_memory().map(|segment| segment.bytes()).sum()
}

impl Collection {
    /// Bytes it takes, in files and in memory.
    pub(crate) fn bytes(&self) -> Result<u64> {
        let view = self.view()?;
        Ok(file_bytes(&view) + unsealed_bytes(&view))
    }
}

impl Engine {
    pub(crate) fn stats(&self) -> Result<Stats> {
        self.check_open()?;
        let current = self.current();
        let moment = self.moment(&current);
        let view = &current.view;
        let collections = view.names.values().filter_map(|id| view.collections.get(id));
        let collections =
            collections.map(|collection| self.stats_of(collection, moment)).collect::<Result<Vec<_>>>()?;
        let blob_files: u64 = view.blobs.values().map(|blob| blob.entry.file.length).sum();
        let free = self.opener.fs.free_bytes();
        // Each lock is given back before the next is taken: in one expression they would be held together.
        let log_files = self.manifest.lock().logs.len() as u64;
        let log_bytes = self.log.lock().writer.as_ref().map_or(0, |writer| writer.bytes());
        Ok(Stats {
            location: self.location(),
            lsn: current.visible,
            durable_lsn: self.durable(),
            log_files,
            log_bytes,
            unsealed_bytes: collections.iter().map(|collection| collection.unsealed_bytes).sum(),
            file_bytes: collections.iter().map(|collection| collection.file_bytes).sum::<u64>() + blob_files,
            blobs: view.blobs.len() as u64,
            blob_bytes: view.blobs.values().map(|blob| blob.entry.bytes).sum(),
            free_bytes: free.map_err(|error| Error::io("ask for room", self.location(), error))?,
            maintenance_failure: self.last_failure().map(|error| error.to_string()),
            scrub: self.scrub.stats(),
            collections,
        })
    }
}

impl Engine {
    /// What was counted since the store was opened.
    pub(crate) fn measured(&self) -> Measured {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (calls, failed_calls) = self.calls.counts();
        let view = self.current().view;
        let collections = view.names.values().filter_map(|id| view.collections.get(id));
        let searches = collections.flat_map(|collection| {
            let of = |(way, durations)| (Arc::clone(&collection.name), way, durations);
            collection.searches.read().into_iter().map(of).collect::<Vec<_>>()
        });
        Measured {
            calls,
            failed_calls,
            batches: read(&self.meters.batches),
            puts: read(&self.meters.puts),
            deletes: read(&self.meters.deletes),
            commit: self.meters.commit.read(),
            log_sync: self.meters.log_sync.read(),
            searches: searches.collect(),
        }
    }
}

impl Engine {
    /// Why the last maintenance failed, if it did and has not succeeded since.
    pub(crate) fn last_failure(&self) -> Option<Error> {
        let failure = self.pressure.flush_failure.lock().clone();
        let failure = failure.or_else(|| self.pressure.merge_failure.lock().clone());
        let failure = failure.or_else(|| self.pressure.index_failure.lock().clone());
        failure.or_else(|| self.pressure.scrub_failure.lock().clone())
    }

    fn stats_of(&self, collection: &CollectionView, moment: Moment) -> Result<CollectionStats> {
        let imports = self.pending_imports(collection.id);
        let indexes: Vec<IndexStats> = collection.sealed.iter().filter_map(|segment| index_of(segment)).collect();
        Ok(CollectionStats {
            name: collection.name.to_string(),
            schema: collection.schema.to_string(),
            records: if collection.damage.is_some() { 0 } else { collection.count_or_all(moment)? },
            segments: collection.sealed.len() as u64,
            sealed_rows: collection.sealed.iter().map(|segment| u64::from(segment.file().rows())).sum(),
            deleted_rows: collection.sealed.iter().map(|segment| u64::from(segment.deletions().count())).sum(),
            unsealed_rows: collection.in_memory().map(|segment| u64::from(segment.rows())).sum(),
            unsealed_bytes: unsealed_bytes(collection),
            file_bytes: file_bytes(collection) + imports.iter().map(|import| import.bytes).sum::<u64>(),
            indexed_rows: indexes.iter().filter(|index| index.damage.is_none()).map(|index| index.rows).sum(),
            unindexed_rows: self.index_lag(collection),
            indexes,
            imports,
            damage: collection.damage.as_ref().map(Error::to_string),
        })
    }
}
