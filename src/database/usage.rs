//! What takes how much room on the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::collection::view::CollectionView;
use crate::database::engine::{DatabaseView, Engine};
use crate::error::{Error, Result};
use crate::ids::{CollectionId, Lsn};
use crate::segment::Moment;
use crate::segment::sealed::Sealed;
use crate::storage::manifest::{CollectionEntry, Manifest};
use crate::storage::names::{self, Name};

/// What takes how much room on the disk, in bytes of file length. The parts add up to the whole.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct DiskUsage {
    /// All files of the store. Files of others in its directory do not count.
    pub bytes: u64,
    /// Rows of collections that are live. Live and dead rows lie in the same files; what each takes is estimated by how
    /// many there are of either.
    pub live_bytes: u64,
    /// Rows that were deleted, replaced or have expired and were not merged away yet, estimated in the same way, and the
    /// files that say which rows are deleted. [`Collection::compact`](crate::Collection::compact) gives most of it back.
    pub dead_bytes: u64,
    /// Indexes of vectors.
    pub index_bytes: u64,
    /// Unfinished imports.
    pub import_bytes: u64,
    /// Blobs.
    pub blob_bytes: u64,
    /// The log, with the zeros at its end that later batches are written into.
    pub log_bytes: u64,
    /// The manifest and the lock file.
    pub root_bytes: u64,
    /// Room that is set aside, so that deleting, dropping and compacting still work when others have filled the disk; see
    /// [`Options::free_disk_reserve_bytes`](crate::Options::free_disk_reserve_bytes).
    pub reserve_bytes: u64,
    /// Files that are being written, and what unfinished work left; the next opening removes that.
    pub temporary_bytes: u64,
    /// Files that the store does not need any more, kept because somebody reads them.
    pub pinned_bytes: u64,
    /// The collections, by name.
    pub collections: Vec<CollectionUsage>,
    /// Who keeps the pinned files: the snapshots, oldest first, then the rest. A file that several snapshots keep counts
    /// for each of them.
    pub pins: Vec<Pin>,
}

/// What one collection takes, in bytes; see [`DiskUsage`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct CollectionUsage {
    /// Its name.
    pub name: String,
    /// Live rows; all rows where its files are damaged.
    pub live_bytes: u64,
    /// Dead rows, and the files that say which they are.
    pub dead_bytes: u64,
    /// Its indexes.
    pub index_bytes: u64,
    /// Its unfinished imports.
    pub import_bytes: u64,
}

/// Who keeps files that the store does not need any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Pin {
    /// The position of the snapshot that keeps them; none for scans, queries and blobs that are being read.
    pub snapshot: Option<Lsn>,
    /// When the snapshot was made.
    pub since: Option<Timestamp>,
    /// How many files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What a file is for.
#[derive(Debug, Clone, Copy)]
enum Use {
    /// Rows of a collection, so many of so many of which are live.
    Rows {
        collection: CollectionId,
        live: u64,
        of: u64,
    },
    Deletions(CollectionId),
    Index(CollectionId),
    Import(CollectionId),
    Blob,
    Log,
    Root,
    Reserve,
    Temporary,
    Pinned,
}

impl Engine {
    pub(crate) fn disk_usage(&self) -> Result<DiskUsage> {
        self.check_open()?;
        let failed = |error| Error::io("list the directory", self.location(), error);
        // What is listed first can only go or be listed by a manifest meanwhile, so nothing is taken for a leftover.
        let names = self.opener.fs.list().map_err(failed)?;
        let current = self.current();
        let moment = self.moment(&current);
        let uses = self.uses(&current.view, moment);
        let condemned = self.opener.condemned.names();
        let mut usage = Adding::new(&current.view);
        let mut pinned = BTreeMap::new();
        for name in names {
            let Some(kind) = names::parse(&name) else { continue };
            let Some(bytes) = self.length_of(&name)? else { continue };
            let found = uses.get(&name).copied();
            let use_of = found.unwrap_or_else(|| match kind {
                Name::Lock => Use::Root,
                Name::Reserve => Use::Reserve,
                _ if condemned.contains(&name) => Use::Pinned,
                _ => Use::Temporary,
            });
            usage.add(use_of, bytes);
            if matches!(use_of, Use::Pinned) {
                pinned.insert(name, bytes);
            }
        }
        Ok(DiskUsage { pins: self.pins(pinned), ..usage.finish() })
    }

    /// The length of a file; none where it went meanwhile.
    fn length_of(&self, name: &str) -> Result<Option<u64>> {
        match self.opener.fs.open(name).and_then(|file| file.length()) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("measure a file", name, error)),
        }
    }

    /// What the files that the manifest names are for.
    fn uses(&self, view: &DatabaseView, moment: Moment) -> BTreeMap<String, Use> {
        let manifest: Manifest = self.manifest.lock().clone();
        let mut uses = BTreeMap::from([(names::manifest(manifest.number), Use::Root)]);
        uses.extend(manifest.logs.iter().map(|log| (names::wal(log.file), Use::Log)));
        uses.extend(manifest.blobs.iter().map(|blob| (names::blob(blob.file.id), Use::Blob)));
        for import in &manifest.imports {
            let files = import.files.iter().map(|file| names::segment(file.file.id));
            uses.extend(files.map(|name| (name, Use::Import(import.collection))));
        }
        for collection in &manifest.collections {
            uses_of(collection, view.collections.get(&collection.id).map(|it| &**it), moment, &mut uses);
        }
        uses
    }

    fn pins(&self, mut pinned: BTreeMap<String, u64>) -> Vec<Pin> {
        let held: Vec<_> = self.snapshots.lock().held.values().cloned().collect();
        let all = pinned.clone();
        let mut pins = Vec::new();
        for (current, moment) in held {
            let kept: Vec<String> = files_of(&current.view).into_iter().filter(|name| all.contains_key(name)).collect();
            let bytes = kept.iter().filter_map(|name| all.get(name)).sum();
            pinned.retain(|name, _| !kept.contains(name));
            if !kept.is_empty() {
                let (snapshot, since) = (Some(moment.lsn), Some(moment.now));
                pins.push(Pin { snapshot, since, files: kept.len() as u64, bytes });
            }
        }
        if !pinned.is_empty() {
            let bytes = pinned.values().sum();
            pins.push(Pin { snapshot: None, since: None, files: pinned.len() as u64, bytes });
        }
        pins
    }
}

fn uses_of(entry: &CollectionEntry, view: Option<&CollectionView>, moment: Moment, uses: &mut BTreeMap<String, Use>) {
    let collection = entry.id;
    let opened = view.iter().flat_map(|view| &view.sealed).map(|segment| (segment.file().id(), segment));
    let opened: BTreeMap<_, _> = opened.collect();
    for segment in &entry.segments {
        let live = opened.get(&segment.file.id).map_or(segment.rows.into(), |sealed| sealed.count_or_all(moment));
        let rows = Use::Rows { collection, live, of: segment.rows.into() };
        uses.insert(names::segment(segment.file.id), rows);
        let index = segment.index.as_ref().map(|index| (names::index(index.file.id), Use::Index(collection)));
        let deletions = segment
            .deletions
            .map(|deletions| (names::deletions(segment.file.id, deletions.generation), Use::Deletions(collection)));
        uses.extend(index.into_iter().chain(deletions));
    }
}

/// The names of all files that a view shows.
fn files_of(view: &DatabaseView) -> BTreeSet<String> {
    let mut files: BTreeSet<String> = view.blobs.values().map(|blob| blob.stored.name().to_owned()).collect();
    for segment in view.collections.values().flat_map(|collection| &collection.sealed) {
        let segment: &Sealed = segment;
        files.insert(segment.file().stored().name().to_owned());
        files.extend(segment.deletions_file().map(|file| file.stored.name().to_owned()));
        files.extend(segment.index().map(|index| index.stored().name().to_owned()));
    }
    files
}

/// Adds files up.
struct Adding {
    usage: DiskUsage,
    collections: BTreeMap<CollectionId, CollectionUsage>,
}

impl Adding {
    fn new(view: &DatabaseView) -> Adding {
        let named = |collection: &CollectionView| CollectionUsage {
            name: collection.name.to_string(),
            ..CollectionUsage::default()
        };
        let collections = view.collections.values().map(|collection| (collection.id, named(collection)));
        Adding { usage: DiskUsage::default(), collections: collections.collect() }
    }

    fn add(&mut self, use_of: Use, bytes: u64) {
        self.usage.bytes += bytes;
        match use_of {
            Use::Rows { collection, live, of: rows } => {
                let live = (u128::from(bytes) * u128::from(live) / u128::from(rows.max(1))) as u64;
                let collection = self.of(collection);
                collection.live_bytes += live;
                collection.dead_bytes += bytes - live;
            }
            Use::Deletions(collection) => self.of(collection).dead_bytes += bytes,
            Use::Index(collection) => self.of(collection).index_bytes += bytes,
            Use::Import(collection) => self.of(collection).import_bytes += bytes,
            Use::Blob => self.usage.blob_bytes += bytes,
            Use::Log => self.usage.log_bytes += bytes,
            Use::Root => self.usage.root_bytes += bytes,
            Use::Reserve => self.usage.reserve_bytes += bytes,
            Use::Temporary => self.usage.temporary_bytes += bytes,
            Use::Pinned => self.usage.pinned_bytes += bytes,
        }
    }

    fn of(&mut self, collection: CollectionId) -> &mut CollectionUsage {
        self.collections.entry(collection).or_default()
    }

    fn finish(self) -> DiskUsage {
        let mut usage = self.usage;
        usage.collections = self.collections.into_values().collect();
        usage.collections.sort_by(|a, b| a.name.cmp(&b.name));
        for collection in &usage.collections {
            usage.live_bytes += collection.live_bytes;
            usage.dead_bytes += collection.dead_bytes;
            usage.index_bytes += collection.index_bytes;
            usage.import_bytes += collection.import_bytes;
        }
        usage
    }
}
