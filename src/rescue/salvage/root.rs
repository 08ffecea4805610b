//! Which files a damaged store had: what its manifest says or, without one, what the files say of themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::report::SalvageReport;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{CollectionId, FileId, Lsn, StoreId};
use crate::schema::Schema;
use crate::segment::columns::section;
use crate::storage::fs::FileSystem;
use crate::storage::header::{self, PAGE_BYTES};
use crate::storage::holes;
use crate::storage::manifest::{BlobEntry, CollectionEntry, DeletionsEntry, Manifest, SegmentEntry};
use crate::storage::names::{self, Name};
use crate::storage::sections::{FileKind, Wreck};
use crate::storage::wal;
use crate::vector::metric::Metric;

/// Numbers of collections that are made of what was found, above those that stores give.
const FIRST_FOUND: u32 = 1 << 30;

/// What is known of the files of a store.
pub(super) struct Root {
    pub(super) manifest: Manifest,
    /// Whether it is the newest manifest. If not, keys may be in several places, and collections be unknown.
    pub(super) is_newest: bool,
}

/// Finds out which files a store had. Fails with `NotFound` where there is none, and with `Version` when a newer program
/// wrote it.
pub(super) fn find(fs: &Arc<dyn FileSystem>, report: &mut SalvageReport) -> Result<Root> {
    let mut numbers = Manifest::numbers(&**fs)?;
    let newest = numbers.last().copied();
    while let Some(number) = numbers.pop() {
        match read_manifest(fs, number) {
            Ok(manifest) if Some(number) == newest => return Ok(Root { manifest, is_newest: true }),
            Ok(manifest) => {
                report.losses.push(format!(
                    "the newest manifest; {} is older: records may be deleted, replaced or missing",
                    names::manifest(number)
                ));
                return Ok(with_unlisted(fs, manifest, report));
            }
            Err(error) if error.kind() == ErrorKind::Version => return Err(error),
            Err(error) => report.notes.push(error.to_string()),
        }
    }
    let store = identity(fs)?;
    report.losses.push(
        "every manifest: the names and schemas of collections are not known, nor which segments belong together. Each \
         segment is a collection of its own"
            .into(),
    );
    Ok(with_unlisted(fs, Manifest::new(store), report))
}

/// One whole copy is enough, wherever else the disk does not give the file.
fn read_manifest(fs: &Arc<dyn FileSystem>, number: u64) -> Result<Manifest> {
    let name = names::manifest(number);
    Manifest::decode_numbered(&holes::read(&**fs, &name)?, number).map_err(|error| error.at(name))
}

fn listed(fs: &Arc<dyn FileSystem>) -> Result<Vec<String>> {
    fs.list().map_err(|error| Error::io("list the directory", fs.location(), error))
}

/// The store that most of the files say they belong to.
fn identity(fs: &Arc<dyn FileSystem>) -> Result<StoreId> {
    let mut votes: BTreeMap<[u8; 16], usize> = BTreeMap::new();
    for name in listed(fs)? {
        let letter = match names::parse(&name) {
            Some(Name::Segment(_)) => b'S',
            Some(Name::Blob(_)) => b'B',
            Some(Name::Index(_)) => b'I',
            Some(Name::Deletions(..)) => b'D',
            Some(Name::Wal(_)) => b'W',
            _ => continue,
        };
        let mut page = vec![0; PAGE_BYTES];
        let read = fs.open(&name).and_then(|file| file.read_exact_at(&mut page, 0));
        if let Some((StoreId(store), _)) = read.ok().and_then(|()| header::identity(&page, letter)) {
            *votes.entry(store).or_default() += 1;
        }
    }
    let most = votes.into_iter().max_by_key(|(_, count)| *count);
    most.map(|(store, _)| StoreId(store)).ok_or_else(|| {
        Error::new(ErrorKind::NotFound, "there is nothing of a store here that could be salvaged")
            .at(fs.location())
            .mend("check the path")
    })
}

/// Adds what is there and the manifest does not list: each segment as a collection of its own.
fn with_unlisted(fs: &Arc<dyn FileSystem>, mut manifest: Manifest, report: &mut SalvageReport) -> Root {
    let known: BTreeSet<String> = manifest.files().into_iter().map(|listed| listed.name).collect();
    let names = listed(fs).unwrap_or_default();
    for name in names.iter().filter(|name| !known.contains(*name)) {
        let added = match names::parse(name) {
            Some(Name::Segment(file)) => add_segment(fs, &mut manifest, file, &names, report),
            Some(Name::Blob(file)) => add_blob(fs, &mut manifest, file),
            Some(Name::Wal(file)) if manifest.logs.iter().all(|log| log.file != file) => {
                match wal::identify(fs, manifest.store, file) {
                    Some(log) => {
                        manifest.logs.push(log);
                        Ok(())
                    }
                    None => Err(Error::corrupt("the header of the log is damaged", name)),
                }
            }
            _ => Ok(()),
        };
        if let Err(error) = added {
            report.losses.push(format!("all of {name}: {error}"));
        }
    }
    manifest.logs.sort_by_key(|log| log.first_lsn);
    Root { manifest, is_newest: false }
}

fn add_segment(
    fs: &Arc<dyn FileSystem>,
    manifest: &mut Manifest,
    file: FileId,
    names: &[String],
    report: &mut SalvageReport,
) -> Result<()> {
    let name = names::segment(file);
    let wreck = Wreck::open(fs, &name, FileKind::Segment, manifest.store, file, None)?;
    let length = |id| wreck.find(id).map(|section| section.len());
    let rows = length(section::KEY_OFFSETS).map_or(0, |bytes| (bytes / 8).saturating_sub(1));
    let vector_bytes = length(section::VECTORS).map_or(0, |bytes| bytes / rows.max(1));
    let is_cosine = wreck.find(section::INVERSE_NORMS).is_some();
    let is_coded = wreck.find(section::CODES).is_some();
    let sample = wreck.find(section::VECTORS).and_then(|vectors| Some(vectors.bytes(0..vector_bytes)?.to_vec()));
    let schema = guess(vector_bytes, is_cosine, is_coded, sample.as_deref());
    let taken = |name: &str| manifest.collections.iter().any(|entry| entry.name == name);
    let collection = free_name(&format!("segment-{}", file.0), taken);
    report.notes.push(format!("{collection} is taken to be {schema}; which metric and index it had is not known"));
    let rows = u32::try_from(rows).map_err(|_| Error::corrupt("the segment has impossibly many rows", &*name))?;
    let entry = SegmentEntry {
        file: wreck.reference(file),
        rows,
        deletions: newest_deletions(fs, manifest.store, file, names),
        index: None,
    };
    manifest.collections.push(CollectionEntry {
        id: CollectionId(FIRST_FOUND + manifest.collections.len() as u32),
        name: collection,
        schema: schema.encode()?,
        flushed: Lsn(0),
        segments: vec![entry],
    });
    Ok(())
}

/// The newest deletions of a segment that are there.
fn newest_deletions(
    fs: &Arc<dyn FileSystem>,
    store: StoreId,
    file: FileId,
    names: &[String],
) -> Option<DeletionsEntry> {
    let generation = |name: &String| match names::parse(name) {
        Some(Name::Deletions(of, generation)) if of == file => Some(generation),
        _ => None,
    };
    let generation = names.iter().filter_map(generation).max()?;
    let name = names::deletions(file, generation);
    let wreck = Wreck::open(fs, &name, FileKind::Deletions, store, file, None).ok()?;
    // Without its header nobody knows how many rows it names; what can be read of it counts.
    let count = wreck.meta().and_then(|meta| Some(u32::from_le_bytes(meta.get(4..8)?.try_into().ok()?)));
    Some(DeletionsEntry { generation, file: wreck.reference(file), count: count.unwrap_or(0) })
}

fn add_blob(fs: &Arc<dyn FileSystem>, manifest: &mut Manifest, file: FileId) -> Result<()> {
    let name = names::blob(file);
    let wreck = Wreck::open(fs, &name, FileKind::Blob, manifest.store, file, None)?;
    let content = wreck.find(section::CONTENT).ok_or_else(|| Error::corrupt("the blob has no content", &*name))?;
    let digest = super::blobs::digest(&content).ok_or_else(|| Error::corrupt("the blob is damaged", &*name))?;
    manifest.blobs.push(BlobEntry { file: wreck.reference(file), digest, bytes: content.len() as u64 });
    Ok(())
}

/// The name, with as much behind it as it takes for no other to have it.
pub(super) fn free_name(wanted: &str, taken: impl Fn(&str) -> bool) -> String {
    let mut name = wanted.to_owned();
    let mut number = 2;
    while taken(&name) {
        name = format!("{wanted}-{number}");
        number += 1;
    }
    name
}

/// The schema that rows of this shape most likely have.
pub(super) fn guess(vector_bytes: usize, is_cosine: bool, is_coded: bool, sample: Option<&[u8]>) -> Schema {
    let usual = |value: f32| value == 0.0 || (1e-9..1e9).contains(&value.abs());
    let numbers = |bytes: &[u8]| bytes.as_chunks::<4>().0.iter().all(|value| usual(f32::from_le_bytes(*value)));
    match vector_bytes {
        0 => Schema::payload_only(),
        bytes if is_cosine => Schema::vector(bytes / 4, Metric::Cosine),
        bytes if bytes % 4 == 0 && (is_coded || sample.is_some_and(numbers)) => Schema::vector(bytes / 4, Metric::L2),
        bytes => Schema::bits(bytes * 8),
    }
}
