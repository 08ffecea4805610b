//! Writing a store anew, row by row, in a new directory.

use std::io::Read;
use std::sync::Arc;

use super::new_store::NewStore;
use crate::database::blob_file;
use crate::database::cancel::CancelToken;
use crate::database::options::Options;
use crate::database::verify::{VerifyLevel, VerifyReport};
use crate::error::{Error, Result};
use crate::ids::{CollectionId, FileId, Lsn, RowId, StoreId};
use crate::random::Random;
use crate::schema::Schema;
use crate::segment::file::Opener;
use crate::segment::seal::{Part, write_segment};
use crate::segment::{RowMeta, RowSource};
use crate::storage::fs::ReadMode;
use crate::storage::manifest::{CollectionEntry, Manifest, SegmentEntry};

/// A store that is written anew. It has an identity of its own, so that its files are never mixed with those of the store
/// it comes from; records keep their positions and times.
pub(super) struct Rewrite {
    target: NewStore,
    opener: Opener,
    manifest: Manifest,
    cancel: CancelToken,
}

impl Rewrite {
    pub(super) fn begin(target: NewStore, newest_time: i64, cancel: &CancelToken) -> Result<Rewrite> {
        let mut store = [0; 16];
        Random::seeded(Random::system_seed(), 0).fill(&mut store);
        let store = StoreId(store);
        let opener = Opener { fs: target.fs().clone(), store, mode: ReadMode::Heap, condemned: Arc::default() };
        let manifest = Manifest { newest_time, ..Manifest::new(store) };
        Ok(Rewrite { target, opener, manifest, cancel: cancel.clone() })
    }

    /// Adds a collection.
    pub(super) fn collection(&mut self, name: &str, schema: &Schema) -> Result<CollectionId> {
        let id = CollectionId(self.manifest.next_collection);
        self.manifest.next_collection += 1;
        let schema = schema.encode()?;
        let entry = CollectionEntry { id, name: name.to_owned(), schema, flushed: Lsn(0), segments: Vec::new() };
        self.manifest.collections.push(entry);
        Ok(id)
    }

    /// Adds rows to a collection, as one segment. No key may be in two.
    pub(super) fn rows(&mut self, id: CollectionId, schema: &Schema, parts: &[Part<'_>]) -> Result<()> {
        if parts.iter().all(|part| part.rows.is_empty()) {
            return Ok(());
        }
        let file = self.next_file();
        let watched: Vec<Watched<'_>> =
            parts.iter().map(|part| Watched { rows: part.source, cancel: &self.cancel }).collect();
        let parts: Vec<Part<'_>> =
            watched.iter().zip(parts).map(|(source, part)| Part { source, rows: part.rows }).collect();
        let written = write_segment(&self.opener.fs, self.opener.store, file, schema, &parts)?;
        self.manifest.last_lsn = self.manifest.last_lsn.max(newest_position(&parts)?);
        let segment = SegmentEntry { file: written.file, rows: written.rows, deletions: None, index: None };
        match self.manifest.collections.iter_mut().find(|entry| entry.id == id) {
            Some(entry) => entry.segments.push(segment),
            None => return Err(Error::internal("rows of a collection that was not added")),
        }
        Ok(())
    }

    /// Adds a blob; returns its name.
    pub(super) fn blob(&mut self, content: &mut dyn Read) -> Result<[u8; 32]> {
        let file = self.next_file();
        let failed = |error| super::stream::failed("read a blob", error);
        let entry = blob_file::write(&self.opener, file, content, failed, |_| self.cancel.check())?;
        self.manifest.blobs.push(entry);
        Ok(entry.digest)
    }

    /// The newest position of a row that was written so far.
    pub(super) fn newest(&self) -> Lsn {
        self.manifest.last_lsn
    }

    /// Bytes written so far.
    pub(super) fn bytes(&self) -> u64 {
        self.manifest.files().iter().map(|listed| listed.file.length).sum()
    }

    /// Makes it a store that has seen everything up to `lsn`, and verifies it in full.
    pub(super) fn finish(mut self, lsn: Lsn) -> Result<VerifyReport> {
        self.manifest.last_lsn = self.manifest.last_lsn.max(lsn);
        for collection in &mut self.manifest.collections {
            collection.flushed = self.manifest.last_lsn;
        }
        self.target.publish(&self.manifest)?;
        let report = self.target.check(&Options::new(), VerifyLevel::Full, &self.cancel)?;
        self.target.finish();
        Ok(report)
    }

    fn next_file(&mut self) -> FileId {
        let id = self.manifest.next_file;
        self.manifest.next_file += 1;
        FileId(id)
    }
}

fn newest_position(parts: &[Part<'_>]) -> Result<Lsn> {
    let mut newest = Lsn(0);
    for part in parts {
        for row in part.rows {
            newest = newest.max(part.source.meta(*row)?.lsn);
        }
    }
    Ok(newest)
}

/// Rows that can be cancelled while they are written, which takes a while where they are many.
struct Watched<'a> {
    rows: &'a dyn RowSource,
    cancel: &'a CancelToken,
}

impl RowSource for Watched<'_> {
    fn key(&self, row: RowId) -> Result<&[u8]> {
        self.cancel.check()?;
        self.rows.key(row)
    }

    fn meta(&self, row: RowId) -> Result<RowMeta> {
        self.rows.meta(row)
    }

    fn vector_bytes(&self, row: RowId) -> Result<&[u8]> {
        self.cancel.check()?;
        self.rows.vector_bytes(row)
    }

    fn inverse_norm(&self, row: RowId) -> Result<f32> {
        self.rows.inverse_norm(row)
    }

    fn payload(&self, row: RowId) -> Result<&[u8]> {
        self.cancel.check()?;
        self.rows.payload(row)
    }
}
