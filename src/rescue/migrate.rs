//! Migration: a whole store, written anew in the newest format.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::new_store::NewStore;
use super::progress::{RescuePhase, RescueProgress, Steps, Watch};
use super::rewrite::Rewrite;
use crate::collection::view::CollectionView;
use crate::database::cancel::CancelToken;
use crate::database::handle::Database;
use crate::database::options::{Create, Maintenance, Options};
use crate::error::{Error, Result};
use crate::ids::{CollectionId, Lsn};
use crate::payload::BlobId;
use crate::segment::blocks::Blocks;
use crate::segment::seal::Part;
use crate::segment::sealed::Sealed;
use crate::storage::fs::{DiskFs, FileSystem};

/// How a store is migrated.
#[derive(Debug, Default)]
#[must_use]
pub struct MigrateOptions<'a> {
    watch: Watch<'a>,
}

impl<'a> MigrateOptions<'a> {
    /// The defaults.
    pub fn new() -> MigrateOptions<'a> {
        MigrateOptions::default()
    }

    /// Ends it with `Cancelled` when the token says so; what was written is removed.
    pub fn cancel(mut self, token: &CancelToken) -> MigrateOptions<'a> {
        self.watch.cancel = token.clone();
        self
    }

    /// Tells `tell` how far it is, after each file.
    pub fn progress(mut self, tell: impl FnMut(RescueProgress) + 'a) -> MigrateOptions<'a> {
        self.watch.tell = Some(Box::new(tell));
        self
    }
}

/// What a migration did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MigrateReport {
    /// The position up to which the store holds everything.
    pub lsn: Lsn,
    /// Its collections.
    pub collections: u64,
    /// Its records.
    pub records: u64,
    /// Its blobs.
    pub blobs: u64,
    /// Bytes of files that were read.
    pub bytes_read: u64,
    /// Bytes of files that were written.
    pub bytes_written: u64,
    /// Unfinished imports, which were left out: run them again.
    pub imports_left_out: u64,
    /// How long it took.
    #[serde(skip)]
    pub elapsed: Duration,
}

/// Copies the store in directory `from` into the directory `into`, which must be empty or not there, in the newest format.
///
/// Collections keep their names, schemas and numbers of rows; records their keys, vectors bit for bit, payloads, times
/// and positions; blobs their names. Deleted rows are left out. Indexes are built anew when the store is opened for
/// writing. The store is verified in full before this returns.
///
/// It is strict: any damage is an error, and nothing stays. A store with damage is for [`salvage`](crate::salvage). The
/// store is only read; it must not be open for writing. One that a newer program wrote is refused with `Version`.
pub fn migrate(from: impl AsRef<Path>, into: impl AsRef<Path>, options: MigrateOptions<'_>) -> Result<MigrateReport> {
    let from = from.as_ref();
    let fs =
        DiskFs::open_read_only(from).map_err(|error| Error::io("open the store", from.display().to_string(), error))?;
    run(Arc::new(fs), || NewStore::in_directory(into.as_ref()), options)
}

/// Migrates a store on file systems of any kind; the one of the new store must be empty. Otherwise like [`migrate`].
pub fn migrate_on(
    from: Arc<dyn FileSystem>,
    into: Arc<dyn FileSystem>,
    options: MigrateOptions<'_>,
) -> Result<MigrateReport> {
    run(from, || NewStore::on(into), options)
}

fn run(
    fs: Arc<dyn FileSystem>,
    into: impl FnOnce() -> Result<NewStore>,
    mut options: MigrateOptions<'_>,
) -> Result<MigrateReport> {
    let start = Instant::now();
    let db = Options::new().maintenance(Maintenance::Manual).create(Create::Never).open_read_only_on(fs)?;
    refuse_damage(&db)?;
    let engine = db.engine();
    let manifest = engine.manifest.lock().clone();
    let view = engine.current().view;
    let cancel = options.watch.cancel.clone();
    let mut target = Rewrite::begin(into()?, manifest.newest_time, &cancel)?;
    let bytes_read = manifest.files().iter().map(|listed| listed.file.length).sum();
    let mut steps = options.watch.begin(RescuePhase::Copying, Some(bytes_read));
    for collection in view.collections.values() {
        let id = target.collection(&collection.name, &collection.schema)?;
        copy_rows(&db, collection, id, &mut target, &mut steps)?;
    }
    for blob in view.blobs.values() {
        blob.container(&engine.opener)?.verify(&engine.pool)?;
        let digest = target.blob(&mut db.get_blob(BlobId(blob.entry.digest))?)?;
        if digest != blob.entry.digest {
            return Err(damaged(Error::corrupt("a blob's content is not what its name says", blob.stored.name())));
        }
        steps.advance(blob.entry.file.length)?;
    }
    options.watch.begin(RescuePhase::Verifying, None).advance(0)?;
    let bytes_written = target.bytes();
    let verified = target.finish(db.lsn())?;
    Ok(MigrateReport {
        lsn: db.lsn(),
        collections: view.collections.len() as u64,
        records: verified.records,
        blobs: view.blobs.len() as u64,
        bytes_read,
        bytes_written,
        imports_left_out: manifest.imports.len() as u64,
        elapsed: start.elapsed(),
    })
}

fn refuse_damage(db: &Database) -> Result<()> {
    match db.recovery_report().damaged.first() {
        None => Ok(()),
        Some((name, why)) => {
            Err(damaged(Error::corrupt(format!("collection {name} is damaged: {why}"), db.location())))
        }
    }
}

fn damaged(error: Error) -> Error {
    error.mend("salvage the store, or migrate a backup of it; a migration keeps everything or nothing")
}

/// Copies the rows of a collection that are not deleted, segment by segment, each of which is verified first.
fn copy_rows(
    db: &Database,
    collection: &CollectionView,
    id: CollectionId,
    target: &mut Rewrite,
    steps: &mut Steps<'_>,
) -> Result<()> {
    let (engine, lsn) = (db.engine(), db.lsn());
    for segment in &collection.sealed {
        segment.verify(&engine.opener, &engine.pool, &|_| Ok(())).map_err(damaged)?;
        let rows: Vec<_> = segment.deletions().at(lsn).complement().iter().collect();
        target.rows(id, &collection.schema, &[Part { source: &**segment.file(), rows: &rows }])?;
        steps.advance(length(segment))?;
    }
    // What was replayed from the log, oldest first. Nobody adds to it: the store is open for reading only.
    let replayed: Vec<Blocks> = collection.in_memory().rev().map(|segment| segment.freeze()).collect();
    let live: Vec<_> = replayed.iter().map(|blocks| blocks.live_rows(lsn)).collect();
    let parts: Vec<Part<'_>> = replayed.iter().zip(&live).map(|(source, rows)| Part { source, rows }).collect();
    target.rows(id, &collection.schema, &parts)
}

/// Bytes of the files of a segment.
fn length(segment: &Sealed) -> u64 {
    let entry = segment.entry();
    let beside = entry.deletions.map(|it| it.file).into_iter().chain(entry.index.map(|it| it.file));
    entry.file.length + beside.map(|file| file.length).sum::<u64>()
}
