//! Checking a store: that its files are what the manifest says, and that every live record is found by its key.

use std::fmt;
use std::io::Read;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::collection::view::CollectionView;
use crate::database::engine::{DatabaseView, Engine};
use crate::database::pending;
use crate::error::{Error, Result};
use crate::ids::RowId;
use crate::key::Key;
use crate::segment::file::SealedFile;
use crate::segment::sealed::Sealed;
use crate::segment::{Moment, RowSource};
use crate::storage::manifest::Manifest;
use crate::storage::names;

/// How much of a store to check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VerifyLevel {
    /// The manifest, and of each file its header, footer, table of contents and length. Costs little.
    Quick,
    /// Every byte of segments, deletions, indexes and blobs, every row, and every live record by its key. Costs reading the
    /// store once. The log is read at opening only.
    #[default]
    Full,
}

/// What checking a store found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Files checked.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Live records found by their keys; 0 at level Quick.
    pub records: u64,
    /// What is wrong. Empty when all is well.
    pub problems: Vec<Problem>,
}

/// Something wrong in a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Problem {
    /// The collection, or what else of the store.
    pub part: String,
    /// What is wrong and where.
    pub message: String,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    fn note<T>(&mut self, part: &str, checked: Result<T>) {
        if let Err(error) = checked {
            self.problems.push(Problem { part: part.to_owned(), message: error.to_string() });
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.part, self.message)
    }
}

impl Engine {
    pub(crate) fn verify(&self, level: VerifyLevel) -> Result<VerifyReport> {
        self.check_open()?;
        let mut report = VerifyReport::default();
        report.note("manifest", self.verify_manifest());
        let current = self.current();
        let moment = self.moment(&current);
        for collection in current.view.collections.values() {
            let part = format!("collection {}", collection.name);
            report.note(&part, collection.check_usable());
            for segment in &collection.sealed {
                report.files += 1 + u64::from(segment.deletions_file().is_some());
                report.bytes += segment.file().reference().length;
                report.note(&part, self.verify_segment(collection, segment, level));
                if let Some(index) = segment.index() {
                    report.files += 1;
                    report.bytes += index.entry().file.length;
                    let whole = (level == VerifyLevel::Full).then_some(&self.pool);
                    report.note(&part, index.verify(&self.opener, &collection.schema, segment.file(), whole));
                }
            }
            if level == VerifyLevel::Full && collection.damage.is_none() {
                let found = self.verify_records(collection, moment, &current.view);
                report.records += *found.as_ref().unwrap_or(&0);
                report.note(&part, found);
            }
        }
        self.verify_imports(&mut report, &current.view, level);
        for blob in current.view.blobs.values() {
            report.files += 1;
            report.bytes += blob.entry.file.length;
            report.note("blobs", self.verify_blob(&current.view, &blob.entry.digest, level));
        }
        Ok(report)
    }

    /// What unfinished imports have sealed can be read.
    fn verify_imports(&self, report: &mut VerifyReport, view: &DatabaseView, level: VerifyLevel) {
        let imports = self.manifest.lock().imports.clone();
        for import in imports {
            let Some(collection) = view.collections.get(&import.collection).filter(|it| it.damage.is_none()) else {
                continue;
            };
            for file in &import.files {
                report.files += 1;
                report.bytes += file.file.length;
                let checked = pending::open(&self.opener, &collection.schema, file).and_then(|opened| match level {
                    VerifyLevel::Quick => Ok(()),
                    VerifyLevel::Full => opened.verify(&self.pool).and_then(|()| verify_key_order(&opened)),
                });
                // It may have been discarded meanwhile, and its files with it.
                if self.pending_import(import.collection, &import.name).is_some_and(|now| now.files.contains(file)) {
                    report.note(&format!("import {} into collection {}", import.name, collection.name), checked);
                }
            }
        }
    }

    /// The manifest on disk must be the one in use.
    fn verify_manifest(&self) -> Result<()> {
        let known = self.manifest.lock();
        match Manifest::load(&*self.opener.fs)? {
            Some(found) if found == *known => Ok(()),
            _ => Err(Error::corrupt("the manifest on disk is not the one in use", names::manifest(known.number))),
        }
    }

    /// Opens the files anew, as the next opening of the store would.
    fn verify_segment(&self, collection: &CollectionView, segment: &Sealed, level: VerifyLevel) -> Result<()> {
        let again = Sealed::open(&self.opener, &collection.schema, &segment.entry())?;
        if level == VerifyLevel::Full {
            again.verify(&self.opener, &self.pool)?;
            verify_key_order(again.file())?;
        }
        Ok(())
    }

    /// Every row can be read, every live one is found by its key, and its blobs are there.
    fn verify_records(&self, collection: &CollectionView, moment: Moment, view: &DatabaseView) -> Result<u64> {
        let mut found = 0;
        for segment in &collection.sealed {
            let file = segment.file();
            for row in (0..file.rows()).map(RowId) {
                let record = collection.record(&**file, row)?;
                if segment.is_live(row, moment)? {
                    found += 1;
                    verify_found(collection, moment, &record.key, record.lsn)?;
                }
            }
            for (_, digest) in file.blobs()? {
                if !view.blobs.contains_key(&digest) {
                    return Err(Error::corrupt("a row names a blob that is not stored", names::segment(file.id())));
                }
            }
        }
        let counted = collection.count(moment)?;
        for segment in collection.in_memory() {
            for key in segment.keys(std::ops::Bound::Unbounded, std::ops::Bound::Unbounded, false, usize::MAX) {
                found += u64::from(segment.find(&key, moment, |_, _| Ok(()))?.is_some());
            }
        }
        if counted != found {
            let message = format!("{found} records are found by their keys and {counted} are counted");
            return Err(Error::corrupt(message, format!("collection {}", collection.name)));
        }
        Ok(found)
    }

    fn verify_blob(&self, view: &DatabaseView, digest: &[u8; 32], level: VerifyLevel) -> Result<()> {
        let Some(blob) = view.blobs.get(digest) else { return Ok(()) };
        blob.open(&self.opener)?;
        if level == VerifyLevel::Quick {
            return Ok(());
        }
        blob.verify(&self.opener, &self.pool)?;
        let name = names::blob(blob.entry.file.id);
        let mut reader = self.open_blob(crate::payload::BlobId(*digest))?;
        let mut hash = Sha256::new();
        let mut chunk = vec![0; 64 << 10];
        loop {
            let count = reader.read(&mut chunk).map_err(|error| Error::corrupt(error.to_string(), &*name))?;
            if count == 0 {
                break;
            }
            hash.update(&chunk[..count]);
        }
        let found: [u8; 32] = hash.finalize().into();
        if found == *digest { Ok(()) } else { Err(Error::corrupt("the content is not what its name says", name)) }
    }
}

/// The key order must name every row once, in ascending order of keys.
fn verify_key_order(file: &SealedFile) -> Result<()> {
    let mut previous: Option<&[u8]> = None;
    for place in 0..file.rows() {
        let key = file.key(file.row_at(place)?)?;
        if previous.is_some_and(|previous| previous >= key) {
            return Err(Error::corrupt("the keys are out of order", names::segment(file.id())));
        }
        previous = Some(key);
    }
    Ok(())
}

fn verify_found(collection: &CollectionView, moment: Moment, key: &Key, lsn: crate::ids::Lsn) -> Result<()> {
    match collection.lsn_of(&key.encode(), moment)? {
        Some(found) if found == lsn => Ok(()),
        _ => Err(Error::corrupt(
            format!("key {key:?} does not find its record"),
            format!("collection {}", collection.name),
        )),
    }
}
