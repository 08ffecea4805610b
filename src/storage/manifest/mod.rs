//! The root of a store: which files are alive and what each must look like.
//!
//! Publishing a manifest under a number no other had is the only commit point. A manifest is a whole picture, not a
//! change to the one before; the file holds it twice, so that one bad sector does not cost the store.

mod encode;
mod files;

use std::collections::BTreeSet;
use std::fmt;
use std::io;

use crate::error::{Error, Result};
use crate::ids::{CollectionId, Lsn, MAX_NUMBER, MAX_SMALL_NUMBER, StoreId};
use crate::storage::fs::{FileSystem, PublishError};
use crate::storage::holes;
use crate::storage::names::{self, Name};
use crate::storage::sections::FileRef;
use crate::storage::wal::WalRef;

pub(crate) use files::ListedFile;

/// A larger file is not read: room for two million blobs. In memory a manifest takes up to five times what one of its
/// copies has.
pub(crate) const MAX_FILE_BYTES: u64 = 256 << 20;

/// The longest name of a collection in bytes.
pub(crate) const MAX_NAME_BYTES: usize = 64;

/// The most bytes of what an index was built as.
const MAX_SPEC_BYTES: usize = 1024;

/// The most bytes of an import's name, and of its identity.
pub(crate) const MAX_IMPORT_NAME_BYTES: usize = 1024;

/// A picture of a whole store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// One more than that of the manifest before; also in the file's name.
    pub(crate) number: u64,
    pub(crate) store: StoreId,
    /// The first number no file ever had.
    pub(crate) next_file: u64,
    /// The first number no collection ever had.
    pub(crate) next_collection: u32,
    /// Every batch up to here is in a segment or in a listed log: recovery that does not reach it has lost something.
    pub(crate) last_lsn: Lsn,
    /// The newest time the store has acted on, in its clock's unit, so that a clock set back revives nothing.
    pub(crate) newest_time: i64,
    /// The logs to replay, oldest first.
    pub(crate) logs: Vec<WalRef>,
    pub(crate) collections: Vec<CollectionEntry>,
    pub(crate) blobs: Vec<BlobEntry>,
    /// Imports that were begun and not finished.
    pub(crate) imports: Vec<ImportEntry>,
}

/// What a named import has sealed so far. Its files are no part of the collection yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ImportEntry {
    pub(crate) collection: CollectionId,
    /// Unique inside the collection.
    pub(crate) name: String,
    /// What is imported: an import of something else does not go on from here.
    pub(crate) identity: String,
    /// The position that its rows carry.
    pub(crate) lsn: Lsn,
    /// When it was begun, in the clock's unit: when records without a time of their own were created.
    pub(crate) began: i64,
    /// Records put, those included that later ones replaced.
    pub(crate) rows: u64,
    pub(crate) files: Vec<ImportedFile>,
}

/// A sealed file of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ImportedFile {
    pub(crate) file: FileRef,
    pub(crate) rows: u32,
}

/// A collection and its segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CollectionEntry {
    pub(crate) id: CollectionId,
    pub(crate) name: String,
    /// Encoded by the schema's own module.
    pub(crate) schema: Vec<u8>,
    /// The segments hold every batch up to here.
    pub(crate) flushed: Lsn,
    pub(crate) segments: Vec<SegmentEntry>,
}

/// A segment's file and how many rows it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentEntry {
    pub(crate) file: FileRef,
    pub(crate) rows: u32,
    /// Which rows are deleted, where any are.
    pub(crate) deletions: Option<DeletionsEntry>,
    /// Its index, where it has one.
    pub(crate) index: Option<IndexEntry>,
}

/// The index of a segment. It follows from the rows: without its file the segment is searched all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    pub(crate) file: FileRef,
    /// What it was built as, written by its own module.
    pub(crate) spec: String,
}

/// The newest edition of a segment's deleted rows; its file carries the segment's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeletionsEntry {
    pub(crate) generation: u64,
    pub(crate) file: FileRef,
    pub(crate) count: u32,
}

/// A blob's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlobEntry {
    pub(crate) file: FileRef,
    /// SHA-256 of the content.
    pub(crate) digest: [u8; 32],
    /// Bytes of content.
    pub(crate) bytes: u64,
}

/// Why [`Manifest::publish`] failed.
#[derive(Debug)]
pub(crate) enum PublishFailure {
    /// The store is as before, now and after a crash.
    NotPublished(Error),
    /// After a crash the store may be as before or as the new manifest says: nothing more may be written to it.
    Uncertain(Error),
}

impl Manifest {
    /// The first manifest of a new store.
    pub(crate) fn new(store: StoreId) -> Manifest {
        Manifest {
            number: 1,
            store,
            next_file: 1,
            next_collection: 1,
            last_lsn: Lsn(0),
            newest_time: i64::MIN,
            logs: Vec::new(),
            collections: Vec::new(),
            blobs: Vec::new(),
            imports: Vec::new(),
        }
    }

    /// Reads the newest manifest; `None` where there is none at all.
    ///
    /// When neither copy of the newest is good, that is an error even if an older manifest exists: stepping back loses
    /// what was committed since, which is for the user to decide.
    pub(crate) fn load(fs: &dyn FileSystem) -> Result<Option<Manifest>> {
        let mut numbers = Manifest::numbers(fs)?;
        let Some(newest) = numbers.pop() else { return Ok(None) };
        Manifest::read(fs, newest).map(Some).map_err(|error| match numbers.last() {
            Some(older) => error.mend(format!(
                "restore {} from a backup; the older {} is still there, but without what came after it",
                names::manifest(newest),
                names::manifest(*older)
            )),
            None => error,
        })
    }

    /// The numbers of the manifests in a directory, ascending.
    pub(crate) fn numbers(fs: &dyn FileSystem) -> Result<Vec<u64>> {
        let names = fs.list().map_err(|error| Error::io("list the store's directory", fs.location(), error))?;
        let mut numbers: Vec<u64> = names.iter().filter_map(|name| manifest_number(name)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Reads the manifest of that number.
    fn read(fs: &dyn FileSystem, number: u64) -> Result<Manifest> {
        let name = names::manifest(number);
        let (bytes, unread) = read_file(fs, &name)?;
        Manifest::decode_numbered(&bytes, number).map_err(|error| unread.unwrap_or_else(|| error.at(name)))
    }

    /// What is wrong with one of the two copies on disk, where the other can still be read.
    pub(crate) fn damaged_copy(&self, fs: &dyn FileSystem) -> Result<Option<Error>> {
        let name = names::manifest(self.number);
        let (bytes, _) = read_file(fs, &name)?;
        Ok(Manifest::decode_numbered(&bytes, self.number).ok().and_then(|_| {
            let damage = encode::damaged_copy(&bytes)?;
            Some(damage.at(name).mend("the next change of the store writes both anew; look after the disk"))
        }))
    }

    /// Makes this the store's newest manifest, durably.
    pub(crate) fn publish(&self, fs: &dyn FileSystem) -> Result<(), PublishFailure> {
        let name = names::manifest(self.number);
        let temporary = names::temporary(&name);
        let bytes = self.encode().map_err(PublishFailure::NotPublished)?;
        if let Err(error) = write_temporary(fs, &temporary, &bytes) {
            _ = fs.remove(&temporary);
            return Err(PublishFailure::NotPublished(Error::io("write the new manifest", temporary, error)));
        }
        fs.publish_new(&temporary, &name).map_err(|error| match error {
            PublishError::NotPublished(error) => {
                _ = fs.remove(&temporary);
                PublishFailure::NotPublished(Error::io("publish the new manifest", name, error))
            }
            PublishError::Uncertain(error) => {
                PublishFailure::Uncertain(Error::io("make the new manifest durable", name, error))
            }
        })
    }

    /// Reads the manifest of that number.
    pub(crate) fn decode_numbered(bytes: &[u8], number: u64) -> Result<Manifest> {
        let manifest = Manifest::decode(bytes)?;
        if manifest.number != number {
            let found = manifest.number;
            return Err(damaged(format!("the manifest says it is number {found}, its name says {number}")));
        }
        Ok(manifest)
    }

    /// What must hold of every manifest, checked before it is written and after it is read.
    fn check(&self) -> Result<(), String> {
        let mut files = BTreeSet::new();
        let logs = self.logs.iter().map(|log| log.file);
        let segments = self.collections.iter().flat_map(|collection| &collection.segments);
        let blobs = self.blobs.iter().map(|blob| blob.file.id);
        let imported = self.imports.iter().flat_map(|import| &import.files).map(|file| file.file.id);
        let indexes = segments.clone().filter_map(|segment| Some(segment.index.as_ref()?.file.id));
        let sealed = segments.clone().map(|segment| segment.file.id).chain(indexes);
        for file in logs.chain(sealed).chain(blobs).chain(imported) {
            if !files.insert(file) {
                return Err(format!("file {} is listed twice", file.0));
            }
            if file.0 >= self.next_file {
                return Err(format!("file {} is not below the next, {}", file.0, self.next_file));
            }
        }
        segments.clone().try_for_each(check_segment)?;
        if !self.logs.is_sorted_by_key(|log| log.first_lsn) {
            return Err("the logs are not in order".into());
        }
        self.check_numbers()?;
        self.check_collections()?;
        self.check_imports()
    }

    fn check_imports(&self) -> Result<(), String> {
        let ids: BTreeSet<_> = self.collections.iter().map(|entry| entry.id).collect();
        let mut names = BTreeSet::new();
        for import in &self.imports {
            let ImportEntry { collection, name, identity, files, .. } = import;
            if !ids.contains(collection) {
                return Err(format!("the import {name} is into collection {}, which is not there", collection.0));
            }
            if !names.insert((collection, name)) {
                return Err(format!("two imports into collection {} are called {name}", collection.0));
            }
            if name.is_empty() || name.len().max(identity.len()) > MAX_IMPORT_NAME_BYTES || files.is_empty() {
                return Err(format!("the import {name} has no name, one that is too long, or no files"));
            }
        }
        Ok(())
    }

    /// Whoever counts on from a number of the manifest must not run over the end of its type.
    fn check_numbers(&self) -> Result<(), String> {
        let logs = self.logs.iter().map(|log| log.first_lsn.0);
        let flushed = self.collections.iter().map(|collection| collection.flushed.0);
        let own = [self.number, self.next_file, self.last_lsn.0];
        let imports = self.imports.iter().flat_map(|import| [import.lsn.0, import.rows]);
        match own.into_iter().chain(logs).chain(flushed).chain(imports).find(|number| *number >= MAX_NUMBER) {
            Some(number) => Err(format!("{number} is a number no store gets to")),
            None if self.next_collection >= MAX_SMALL_NUMBER => {
                Err(format!("{} is a number no collection gets to", self.next_collection))
            }
            None => Ok(()),
        }
    }

    fn check_collections(&self) -> Result<(), String> {
        let (mut ids, mut names) = (BTreeSet::new(), BTreeSet::new());
        for CollectionEntry { id, name, .. } in &self.collections {
            if !ids.insert(id) || id.0 >= self.next_collection {
                return Err(format!("collection number {} is given twice or not given yet", id.0));
            }
            if !(1..=MAX_NAME_BYTES).contains(&name.len()) {
                return Err(format!("collection {} has a name of {} bytes", id.0, name.len()));
            }
            if !names.insert(name) {
                return Err(format!("two collections are called {name}"));
            }
        }
        Ok(())
    }
}

impl PublishFailure {
    /// The error alone, for a caller that treats both alike.
    pub(crate) fn into_error(self) -> Error {
        match self {
            PublishFailure::NotPublished(error) | PublishFailure::Uncertain(error) => error,
        }
    }
}

impl fmt::Display for PublishFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PublishFailure::NotPublished(error) | PublishFailure::Uncertain(error) => error.fmt(f),
        }
    }
}

fn manifest_number(name: &str) -> Option<u64> {
    match names::parse(name) {
        Some(Name::Manifest(number)) => Some(number),
        _ => None,
    }
}

/// The bytes of the file, with zeros where the disk cannot read them, and why it cannot: one of the two copies may be
/// whole.
fn read_file(fs: &dyn FileSystem, name: &str) -> Result<(Vec<u8>, Option<Error>)> {
    let failed = |error| Error::io("read the manifest", name, error);
    let file = fs.open(name).map_err(failed)?;
    let length = file.length().map_err(failed)?;
    if length > MAX_FILE_BYTES {
        return Err(damaged(format!("the manifest has {length} bytes; at most {MAX_FILE_BYTES} are allowed")).at(name));
    }
    let mut bytes = vec![0; length as usize];
    match file.read_exact_at(&mut bytes, 0).map_err(failed) {
        Ok(()) => Ok((bytes, None)),
        Err(error) if error.is_unreadable() => {
            holes::fill_from_start(&*file, &mut bytes);
            Ok((bytes, Some(error)))
        }
        Err(error) => Err(error),
    }
}

fn write_temporary(fs: &dyn FileSystem, temporary: &str, bytes: &[u8]) -> io::Result<()> {
    match fs.remove(temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = fs.create_new(temporary)?;
    file.write_at(bytes, 0)?;
    file.sync_all()
}

fn damaged(what: impl Into<String>) -> Error {
    Error::corrupt(what, "manifest")
}

fn check_segment(segment: &SegmentEntry) -> Result<(), String> {
    let id = segment.file.id;
    if segment.index.as_ref().is_some_and(|index| index.spec.len() > MAX_SPEC_BYTES) {
        return Err(format!("segment {} has an index of too many words", id.0));
    }
    match &segment.deletions {
        Some(deletions) if deletions.file.id != id => Err(format!("segment {} has another's deletions", id.0)),
        Some(deletions) if deletions.count > segment.rows => {
            Err(format!("segment {} has {} rows and {} are deleted", id.0, segment.rows, deletions.count))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod samples;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::ids::FileId;
    use crate::storage::fs::{Fault, Lasting, MemoryFs, SimulatedFs};

    fn put(fs: &MemoryFs, name: &str, bytes: &[u8]) {
        fs.create_new(name).unwrap().write_at(bytes, 0).unwrap();
    }

    #[test]
    fn no_manifest_is_no_store() {
        let fs = MemoryFs::new();
        put(&fs, "MANIFEST-1.tmp", b"half");
        put(&fs, "MANIFEST-x", b"not ours");
        assert_eq!(Manifest::load(&fs).unwrap(), None);
    }

    #[test]
    fn the_highest_number_wins_even_past_nine() {
        let fs = MemoryFs::new();
        for number in [9, 10] {
            Manifest { number, ..samples::manifest() }.publish(&fs).unwrap();
        }
        assert_eq!(Manifest::load(&fs).unwrap().unwrap().number, 10);
        assert_eq!(fs.list().unwrap(), ["MANIFEST-10", "MANIFEST-9"]);
    }

    #[test]
    fn the_newest_damaged_is_an_error_that_names_the_older() {
        let fs = MemoryFs::new();
        put(&fs, "MANIFEST-6", b"damaged");
        let alone = Manifest::load(&fs).unwrap_err();
        assert!(alone.kind() == ErrorKind::Corrupt && alone.place() == Some("MANIFEST-6"), "{alone}");
        samples::manifest().publish(&fs).unwrap();
        let error = Manifest::load(&fs).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.remedy().unwrap().contains("MANIFEST-5 is still there"), "{error}");
    }

    #[test]
    fn a_manifest_under_anothers_name_is_an_error() {
        let fs = MemoryFs::new();
        put(&fs, "MANIFEST-6", &samples::manifest().encode().unwrap());
        let error = Manifest::load(&fs).unwrap_err();
        assert!(error.to_string().contains("number 5, its name says 6"), "{error}");
    }

    #[test]
    fn a_number_is_published_once_and_leftovers_do_not_matter() {
        let fs = MemoryFs::new();
        put(&fs, "MANIFEST-5.tmp", &[0xEE; 20_000]);
        samples::manifest().publish(&fs).unwrap();
        let other = Manifest { newest_time: 1, ..samples::manifest() };
        assert!(matches!(other.publish(&fs), Err(PublishFailure::NotPublished(_))));
        assert_eq!(fs.list().unwrap(), ["MANIFEST-5"]);
        assert_eq!(Manifest::load(&fs).unwrap().unwrap(), samples::manifest());
    }

    #[test]
    fn a_full_disk_publishes_nothing_and_leaves_nothing() {
        let fs = MemoryFs::with_capacity_bytes(1000);
        let failure = samples::manifest().publish(&fs).unwrap_err();
        assert!(matches!(&failure, PublishFailure::NotPublished(error) if error.kind() == ErrorKind::DiskFull));
        assert_eq!(fs.list().unwrap(), [""; 0]);
    }

    /// Publishes 5, then 6 under the fault that strikes at the given call of the second; both as they ended.
    fn publish_twice(seed: u64, fault: impl FnOnce(u64) -> Fault) -> (SimulatedFs, Result<(), PublishFailure>) {
        let fs = SimulatedFs::new(seed);
        samples::manifest().publish(&fs).unwrap();
        fs.inject(fault(fs.calls()));
        let second = Manifest { number: 6, ..samples::manifest() }.publish(&fs);
        (fs, second)
    }

    #[test]
    fn a_power_cut_at_any_call_leaves_the_old_or_the_new() {
        for seed in 0..20 {
            for call in 0..6 {
                let (fs, outcome) = publish_twice(seed, |now| Fault::PowerCut { at_call: now + call });
                for luck in 0..8 {
                    let found = Manifest::load(&fs.reboot(luck)).unwrap().unwrap();
                    assert!(found == Manifest { number: found.number, ..samples::manifest() });
                    match &outcome {
                        Ok(()) => assert_eq!(found.number, 6, "{call}"),
                        Err(PublishFailure::NotPublished(_)) => assert_eq!(found.number, 5, "{call}"),
                        Err(PublishFailure::Uncertain(_)) => assert!((5..=6).contains(&found.number), "{call}"),
                    }
                }
            }
        }
    }

    #[test]
    fn what_was_published_survives_losing_all_that_was_not() {
        let fs = SimulatedFs::new(1);
        samples::manifest().publish(&fs).unwrap();
        assert_eq!(Manifest::load(&fs.reboot_losing_all()).unwrap(), Some(samples::manifest()));
    }

    #[test]
    fn a_failing_call_leaves_no_leftovers_and_a_later_attempt_succeeds() {
        let fail = |at_call| Fault::Fail { at_call, error: io::ErrorKind::Other, lasting: Lasting::Once };
        for call in 0..5 {
            let (fs, outcome) = publish_twice(1, |now| fail(now + call));
            match outcome.unwrap_err() {
                PublishFailure::NotPublished(_) => {
                    assert!(call < 3, "{call}");
                    assert_eq!(fs.list().unwrap(), ["MANIFEST-5"], "{call}");
                    Manifest { number: 6, ..samples::manifest() }.publish(&fs).unwrap();
                }
                PublishFailure::Uncertain(_) => assert!((3..5).contains(&call), "renaming and what follows"),
            }
        }
    }

    #[test]
    fn a_picture_that_contradicts_itself_is_not_written() {
        let wrong = |change: fn(&mut Manifest)| {
            let mut manifest = samples::manifest();
            change(&mut manifest);
            let error = manifest.encode().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Internal, "{error}");
        };
        wrong(|manifest| manifest.number = MAX_NUMBER);
        wrong(|manifest| manifest.next_file = MAX_NUMBER);
        wrong(|manifest| manifest.next_collection = MAX_SMALL_NUMBER);
        wrong(|manifest| manifest.last_lsn = Lsn(u64::MAX));
        wrong(|manifest| manifest.logs[0].first_lsn = Lsn(MAX_NUMBER));
        wrong(|manifest| manifest.collections[0].flushed = Lsn(u64::MAX));
        wrong(|manifest| manifest.next_file = 12);
        wrong(|manifest| manifest.next_collection = 2);
        wrong(|manifest| manifest.logs[0].file = FileId(10));
        wrong(|manifest| manifest.blobs[0].file.id = FileId(11));
        wrong(|manifest| manifest.collections.push(manifest.collections[0].clone()));
        wrong(|manifest| manifest.collections[0].name = String::new());
        wrong(|manifest| manifest.collections[0].name = "n".repeat(65));
        wrong(|manifest| {
            let twin = CollectionEntry { id: CollectionId(1), segments: Vec::new(), ..manifest.collections[0].clone() };
            manifest.collections.push(twin);
        });
        wrong(|manifest| {
            if let Some(deletions) = &mut manifest.collections[0].segments[1].deletions {
                deletions.count = 51;
            }
        });
        wrong(|manifest| {
            if let Some(deletions) = &mut manifest.collections[0].segments[1].deletions {
                deletions.file.id = FileId(10);
            }
        });
        wrong(|manifest| manifest.imports[0].collection = CollectionId(1));
        wrong(|manifest| manifest.imports[0].name = String::new());
        wrong(|manifest| manifest.imports[0].identity = "i".repeat(1025));
        wrong(|manifest| manifest.imports[0].files.clear());
        wrong(|manifest| manifest.imports[0].files[0].file.id = FileId(10));
        wrong(|manifest| manifest.imports[0].lsn = Lsn(MAX_NUMBER));
        wrong(|manifest| {
            let twin = ImportEntry {
                files: vec![ImportedFile { file: FileRef { id: FileId(14), length: 1, footer_crc: 1 }, rows: 1 }],
                ..manifest.imports[0].clone()
            };
            manifest.imports.push(twin);
        });
        wrong(|manifest| manifest.logs.push(WalRef { file: FileId(13), salt: 0, first_lsn: Lsn(1) }));
    }
}
