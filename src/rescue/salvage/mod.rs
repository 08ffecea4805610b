//! Salvage: whatever can be read of a damaged store becomes a new one.
//!
//! `root` finds out which files there were, `blobs`, `log` and `segment` read them as far as they can be read, `report`
//! tells what was saved and lost.

mod blobs;
mod log;
pub(crate) mod report;
mod root;
mod segment;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::new_store::NewStore;
use super::progress::{RescuePhase, RescueProgress, Steps, Watch};
use super::rewrite::Rewrite;
use crate::database::cancel::CancelToken;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{CollectionId, Lsn, RowId};
use crate::rows::RowSet;
use crate::schema::Schema;
use crate::segment::seal::Part;
use crate::storage::fs::{DiskFs, FileSystem, LockMode};
use crate::storage::manifest::{CollectionEntry, SegmentEntry};
use crate::storage::names;
use blobs::Saved;
use log::{Logged, LoggedRows};
use report::{SalvageReport, SalvagedCollection};
use root::Root;
use segment::{WreckedSegment, ranges, read_deletions};

/// How a store is salvaged.
#[derive(Debug, Default)]
#[must_use]
pub struct SalvageOptions<'a> {
    watch: Watch<'a>,
}

impl<'a> SalvageOptions<'a> {
    /// The defaults.
    pub fn new() -> SalvageOptions<'a> {
        SalvageOptions::default()
    }

    /// Ends it with `Cancelled` when the token says so; what was written is removed.
    pub fn cancel(mut self, token: &CancelToken) -> SalvageOptions<'a> {
        self.watch.cancel = token.clone();
        self
    }

    /// Tells `tell` how far it is, after each file.
    pub fn progress(mut self, tell: impl FnMut(RescueProgress) + 'a) -> SalvageOptions<'a> {
        self.watch.tell = Some(Box::new(tell));
        self
    }
}

/// Takes whatever can be read of the damaged store in directory `from` into a new store in directory `into`, which must be
/// empty or not there.
///
/// Every record of the new store is one that was written: what has no good checksum is left out. Segments are read chunk
/// by chunk (64 KiB) and row by row, logs group by group, before and after the damage; blobs are whole or lost. Indexes
/// are built anew. The report says by collection how many records were saved and lost and where the damage is, and when
/// deleted records may be back, because what said that they were deleted is lost. Records keep their positions and times.
///
/// Without any manifest the names and schemas of collections are not known, nor which segments belong together: each
/// segment becomes a collection `segment-<n>`, and what the logs hold `collection-<n>`, with a schema that was guessed.
///
/// The damaged store is only read, and must not be open for writing. The new one is verified in full. Costs memory for what
/// the logs hold and, where deletions or the manifest are lost, for the keys of a collection. Fails with `NotFound` where
/// there is nothing of a store, and with `Version` when a newer program wrote it.
pub fn salvage(from: impl AsRef<Path>, into: impl AsRef<Path>, options: SalvageOptions<'_>) -> Result<SalvageReport> {
    let from = from.as_ref();
    let fs =
        DiskFs::open_read_only(from).map_err(|error| Error::io("open the store", from.display().to_string(), error))?;
    run(Arc::new(fs), || NewStore::in_directory(into.as_ref()), options)
}

/// Salvages a store on file systems of any kind; the one of the new store must be empty. Otherwise like [`salvage`].
pub fn salvage_on(
    from: Arc<dyn FileSystem>,
    into: Arc<dyn FileSystem>,
    options: SalvageOptions<'_>,
) -> Result<SalvageReport> {
    run(from, || NewStore::on(into), options)
}

fn run(
    fs: Arc<dyn FileSystem>,
    into: impl FnOnce() -> Result<NewStore>,
    mut options: SalvageOptions<'_>,
) -> Result<SalvageReport> {
    let start = Instant::now();
    let _lock = match fs.lock(names::LOCK, LockMode::Shared) {
        Ok(lock) => Some(lock),
        // A store may have lost its lock file, too.
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            return Err(Error::new(ErrorKind::Locked, "the store is open for writing")
                .at(fs.location())
                .mend("close it there first"));
        }
        Err(error) => return Err(Error::io("take the lock", fs.location(), error)),
    };
    let mut report = SalvageReport::default();
    let root = root::find(&fs, &mut report)?;
    let cancel = options.watch.cancel.clone();
    let target = Rewrite::begin(into()?, root.manifest.newest_time, &cancel)?;
    let bytes = root.manifest.files().iter().map(|listed| listed.file.length).sum();
    let steps = options.watch.begin(RescuePhase::Copying, Some(bytes));
    let mut salvage = Salvage { fs, root, target, report, steps };
    let lsn = salvage.save_all()?;
    let Salvage { target, mut report, .. } = salvage;
    options.watch.begin(RescuePhase::Verifying, None).advance(0)?;
    target.finish(lsn)?;
    report.lsn = lsn;
    report.elapsed = start.elapsed();
    Ok(report)
}

/// A salvage that goes on.
struct Salvage<'a> {
    fs: Arc<dyn FileSystem>,
    root: Root,
    target: Rewrite,
    report: SalvageReport,
    steps: Steps<'a>,
}

/// A segment and those of its rows that are saved.
struct Survey {
    segment: WreckedSegment,
    kept: Vec<RowId>,
}

impl Salvage<'_> {
    /// Saves everything; returns the newest position that was seen.
    fn save_all(&mut self) -> Result<Lsn> {
        let Salvage { fs, root, target, report, steps } = self;
        let saved = blobs::save(fs, root.manifest.store, &root.manifest.blobs, target, report, steps)?;
        let schemas = schemas(root, report);
        let mut logged = log::read(fs, root, &schemas, &saved, report)?;
        let mut newest = root.manifest.last_lsn.max(logged.last);
        for entry in root.manifest.collections.clone() {
            if let Some((schema, _)) = schemas.get(&entry.id) {
                newest = newest.max(entry.flushed);
                let rows = logged.collections.remove(&entry.id);
                self.save_collection(&entry, schema, rows, &saved)?;
            }
        }
        self.save_unknown(logged)?;
        for import in &self.root.manifest.imports {
            let name = &import.name;
            self.report.notes.push(format!("the import {name} was not finished and is left out: run it again"));
        }
        Ok(newest.max(self.target.newest()))
    }

    fn save_collection(
        &mut self,
        entry: &CollectionEntry,
        schema: &Schema,
        logged: Option<LoggedRows>,
        saved: &Saved,
    ) -> Result<()> {
        let mut told = SalvagedCollection { name: entry.name.clone(), ..SalvagedCollection::default() };
        let id = self.target.collection(&entry.name, schema)?;
        let touched = logged.as_ref().map(|logged| &logged.touched);
        let mut surveys = self.survey_all(entry, schema, touched, saved, &mut told);
        if told.may_be_back > 0 || !self.root.is_newest {
            keep_newest(&mut surveys);
        }
        for Survey { segment, kept } in &surveys {
            told.times_lost += kept.iter().filter(|row| !segment.times(**row).1).count() as u64;
            told.blobs_cut += kept.iter().filter(|row| segment.cut.contains_key(row)).count() as u64;
            told.saved += kept.len() as u64;
            self.target.rows(id, schema, &[Part { source: segment, rows: kept }])?;
        }
        if let Some(logged) = logged {
            self.save_logged(id, schema, &logged, &mut told)?;
        }
        for segment in &entry.segments {
            self.steps.advance(segment.file.length)?;
        }
        self.report.collections.push(told);
        Ok(())
    }

    /// Opens the segments of a collection, as far as they can be.
    fn survey_all(
        &self,
        entry: &CollectionEntry,
        schema: &Schema,
        touched: Option<&BTreeSet<Vec<u8>>>,
        saved: &Saved,
        told: &mut SalvagedCollection,
    ) -> Vec<Survey> {
        let mut surveys = Vec::new();
        for segment in &entry.segments {
            match WreckedSegment::open(&self.fs, self.root.manifest.store, segment, schema, entry.flushed) {
                Ok(opened) => surveys.push(self.survey(opened, segment, touched, saved, told)),
                Err(error) => {
                    let deleted = segment.deletions.map_or(0, |deletions| deletions.count);
                    told.lost += u64::from(segment.rows.saturating_sub(deleted));
                    told.tell(error.to_string());
                }
            }
        }
        surveys
    }

    /// Finds out which rows of a segment can be read and are neither deleted nor replaced.
    fn survey(
        &self,
        mut segment: WreckedSegment,
        entry: &SegmentEntry,
        touched: Option<&BTreeSet<Vec<u8>>>,
        saved: &Saved,
        told: &mut SalvagedCollection,
    ) -> Survey {
        let gone = self.gone_rows(entry, &segment.name, told);
        let (mut kept, mut lost) = (Vec::new(), BTreeSet::new());
        for row in segment.rows().filter(|row| !gone.contains(*row)) {
            match segment.readable(row) {
                Some(key) if touched.is_some_and(|touched| touched.contains(key)) => {}
                Some(_) => kept.push(row),
                // What the log holds under its key is newer.
                None if segment.key_is_in(row, touched) => {}
                None => drop(lost.insert(row)),
            }
        }
        if !lost.is_empty() {
            told.lost += lost.len() as u64;
            told.tell(format!("rows {} of {} cannot be read", ranges(&lost), segment.name));
        }
        for row in &kept {
            if let Some(cut) = segment.stored_payload(*row).and_then(|stored| saved.cut(stored)) {
                segment.cut.insert(*row, cut);
            }
        }
        Survey { segment, kept }
    }

    /// The rows of a segment of which a file says that they are gone.
    fn gone_rows(&self, entry: &SegmentEntry, name: &str, told: &mut SalvagedCollection) -> RowSet {
        let Some(deletions) = &entry.deletions else { return RowSet::empty(entry.rows) };
        let (gone, unknown) = read_deletions(&self.fs, self.root.manifest.store, entry.rows, deletions);
        match unknown {
            Ok(0) => {}
            Ok(unknown) => {
                told.may_be_back += u64::from(unknown);
                told.tell(format!("{unknown} deletions of {name} cannot be read"));
            }
            Err(error) => {
                told.may_be_back += u64::from(deletions.count.max(1));
                told.tell(error.to_string());
            }
        }
        gone
    }

    fn save_logged(
        &mut self,
        id: CollectionId,
        schema: &Schema,
        logged: &LoggedRows,
        told: &mut SalvagedCollection,
    ) -> Result<()> {
        let rows = logged.rows.freeze();
        let live = rows.live_rows(Lsn(u64::MAX));
        told.saved += live.len() as u64;
        if logged.lost > 0 {
            told.lost += logged.lost;
            told.tell(format!("{} records of the log do not fit {schema}", logged.lost));
        }
        told.blobs_cut += logged.blobs_cut;
        self.target.rows(id, schema, &[Part { source: &rows, rows: &live }])
    }

    /// Saves what the logs hold of collections that no manifest tells of.
    fn save_unknown(&mut self, logged: Logged) -> Result<()> {
        for (CollectionId(number), rows) in logged.collections {
            let taken = |name: &str| self.report.collections.iter().any(|told| told.name == name);
            let name = root::free_name(&format!("collection-{number}"), taken);
            let schema = &rows.schema;
            let mut told = SalvagedCollection { name: name.clone(), ..SalvagedCollection::default() };
            self.report.notes.push(format!("{name} holds what was found in the log, and is taken to be {schema}"));
            let id = self.target.collection(&name, schema)?;
            self.save_logged(id, schema, &rows, &mut told)?;
            self.report.collections.push(told);
        }
        Ok(())
    }
}

/// The schemas of the collections, and up to where their files hold everything.
fn schemas(root: &Root, report: &mut SalvageReport) -> BTreeMap<CollectionId, (Arc<Schema>, Lsn)> {
    let mut schemas = BTreeMap::new();
    for entry in &root.manifest.collections {
        match Schema::decode(&entry.schema, &format!("the schema of collection {}", entry.name)) {
            Ok(schema) => drop(schemas.insert(entry.id, (Arc::new(schema), entry.flushed))),
            Err(error) => report.losses.push(format!("collection {}: {error}", entry.name)),
        }
    }
    schemas
}

/// Of rows with one key, keeps the newest: without some deletions, older ones are back.
fn keep_newest(surveys: &mut [Survey]) {
    let mut newest: BTreeMap<Vec<u8>, (Lsn, usize)> = BTreeMap::new();
    for (number, Survey { segment, kept }) in surveys.iter().enumerate() {
        for row in kept {
            let (Some(key), (meta, _)) = (segment.readable(*row), segment.times(*row)) else { continue };
            let found = newest.entry(key.to_vec()).or_insert((meta.lsn, number));
            *found = (*found).max((meta.lsn, number));
        }
    }
    for (number, Survey { segment, kept }) in surveys.iter_mut().enumerate() {
        kept.retain(|row| segment.readable(*row).and_then(|key| newest.get(key)).is_some_and(|it| it.1 == number));
    }
}
