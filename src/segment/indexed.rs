//! The index of a sealed segment: a file of its own beside the segment's.
//!
//! It follows from the rows, so nothing is lost with it. Where the file is missing or damaged the segment is searched
//! without, row by row, until a new one takes its place.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use crate::bytes::Write;
use crate::error::{Error, Result};
use crate::ids::FileId;
use crate::index::stored::{Bytes, Sink, Source};
use crate::index::{self, Building, Built, IndexSpec, Stop, VectorIndex, Vectors};
use crate::pool::Pool;
use crate::schema::Schema;
use crate::segment::file::{Opener, SealedFile};
use crate::storage::manifest::IndexEntry;
use crate::storage::names;
use crate::storage::sections::{Container, FileKind, Section, SectionId, Watch, Writer};
use crate::storage::stored_file::StoredFile;

/// An index as the manifest lists it, whether it can be used or not.
#[derive(Debug)]
pub(crate) struct SegmentIndex {
    entry: IndexEntry,
    stored: StoredFile,
    opened: Option<Opened>,
    /// Why it is not used any more.
    damage: OnceLock<Error>,
}

#[derive(Debug)]
struct Opened {
    container: Arc<Container>,
    index: Box<dyn VectorIndex>,
    /// It was copied into memory, or found to be damaged while it was.
    resident: OnceLock<()>,
}

impl SegmentIndex {
    /// Writes `built` as `idx-<id>`, which is synced, and opens it. The directory is left to the caller. On an error
    /// nothing stays.
    pub(crate) fn write(
        opener: &Opener,
        schema: &Schema,
        segment: &SealedFile,
        id: FileId,
        spec: &IndexSpec,
        built: &dyn Built,
    ) -> Result<SegmentIndex> {
        let writer = Writer::create(&opener.fs, &names::index(id), FileKind::Index, opener.store, id)?;
        let mut sink = FileSink(writer);
        built.write(&mut sink)?;
        let file = sink.0.finish(&meta(segment))?;
        let entry = IndexEntry { file, spec: spec.to_string() };
        match open(opener, schema, segment, &entry) {
            Ok(opened) => Ok(SegmentIndex::new(opener, entry, Ok(opened))),
            Err(error) => {
                SegmentIndex::new(opener, entry, Err(error.clone())).stored.condemn();
                Err(error)
            }
        }
    }

    /// Opens the index that the manifest lists for `segment`. One that is missing, damaged or cannot be read is no error.
    pub(crate) fn open(
        opener: &Opener,
        schema: &Schema,
        segment: &SealedFile,
        entry: &IndexEntry,
    ) -> Result<SegmentIndex> {
        match open(opener, schema, segment, entry) {
            Err(error) if !is_lost(&error) => Err(error),
            opened => Ok(SegmentIndex::new(opener, entry.clone(), opened)),
        }
    }

    fn new(opener: &Opener, entry: IndexEntry, opened: Result<Opened>) -> SegmentIndex {
        let stored = StoredFile::new(&opener.fs, &opener.condemned, names::index(entry.file.id));
        let damage = opened.as_ref().err().cloned().map_or_else(OnceLock::new, OnceLock::from);
        SegmentIndex { entry, stored, opened: opened.ok(), damage }
    }

    /// What the manifest lists.
    pub(crate) fn entry(&self) -> &IndexEntry {
        &self.entry
    }

    pub(crate) fn stored(&self) -> &StoredFile {
        &self.stored
    }

    /// The index, unless it is damaged.
    pub(crate) fn usable(&self) -> Option<&dyn VectorIndex> {
        match self.damage.get() {
            Some(_) => None,
            None => self.opened.as_ref().map(|opened| &*opened.index),
        }
    }

    /// Why it is not used, where it is not.
    pub(crate) fn damage(&self) -> Option<&Error> {
        self.damage.get()
    }

    /// Has nobody use it any more.
    pub(crate) fn quarantine(&self, error: Error) {
        tracing::warn!(index = self.stored.name(), %error, "an index is damaged and will be built anew");
        // Whoever found damage first has told of it.
        let _ = self.damage.set(error);
    }

    /// Bytes of memory that it takes once it is kept there; none when it is, or is not used.
    pub(crate) fn to_be_kept(&self) -> Option<u64> {
        let opened =
            self.opened.as_ref().filter(|opened| opened.resident.get().is_none() && self.damage.get().is_none());
        opened.map(|opened| opened.index.facts().bytes)
    }

    /// Bytes of memory that it takes because it is kept there.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let kept = self.opened.as_ref().filter(|opened| opened.resident.get().is_some());
        kept.map_or(0, |opened| opened.index.facts().bytes)
    }

    /// Copies what every search reads here and there into memory; quarantines the index when it is damaged.
    pub(crate) fn keep_resident(&self, pool: &Pool) -> Result<()> {
        let Some(opened) = &self.opened else { return Ok(()) };
        match opened.index.keep_resident(pool) {
            Err(error) if !is_lost(&error) => return Err(error),
            Err(error) => self.quarantine(error),
            Ok(()) => _ = opened.resident.set(()),
        }
        Ok(())
    }

    /// Opens its file anew, as the next opening of the store would.
    pub(crate) fn reopen(&self, opener: &Opener, schema: &Schema, segment: &SealedFile) -> Result<Reopened> {
        open(opener, schema, segment, &self.entry).map(Reopened)
    }
}

/// An index that was opened beside the one in use, to be checked.
#[derive(Debug)]
pub(crate) struct Reopened(Opened);

impl Reopened {
    /// Reads and checks every byte of the file, telling `watch` how far it is.
    pub(crate) fn verify(&self, pool: &Pool, watch: &Watch<'_>) -> Result<()> {
        self.0.container.verify_watched(pool, watch)
    }

    /// The index.
    pub(crate) fn index(&self) -> &dyn VectorIndex {
        &*self.0.index
    }
}

/// An index to be built, and under what.
pub(crate) struct IndexJob<'a> {
    pub(crate) spec: &'a IndexSpec,
    pub(crate) pool: &'a Pool,
    pub(crate) stop: &'a Stop<'a>,
    /// Bytes of memory it may take.
    pub(crate) budget: u64,
}

impl IndexJob<'_> {
    /// Builds the index of `segment` and writes it; none where its kind keeps none of such rows.
    pub(crate) fn run(
        &self,
        opener: &Opener,
        schema: &Schema,
        segment: &SealedFile,
        next_file: impl FnOnce() -> FileId,
    ) -> Result<Option<SegmentIndex>> {
        let Some((vectors, metric)) = segment.vectors().zip(schema.metric()) else { return Ok(None) };
        let IndexJob { spec, pool, stop, budget } = *self;
        let building = Building { vectors: &vectors, metric, pool, stop, budget };
        let Some(built) = index::build(spec, &building)? else { return Ok(None) };
        SegmentIndex::write(opener, schema, segment, next_file(), spec, &*built).map(Some)
    }
}

/// Whether an index is to be built anew. One that cannot be read may be whole, but nothing is lost with it.
fn is_lost(error: &Error) -> bool {
    error.is_damage() || error.is_unreadable()
}

fn open(opener: &Opener, schema: &Schema, segment: &SealedFile, entry: &IndexEntry) -> Result<Opened> {
    let name = names::index(entry.file.id);
    let container = Container::open(&opener.fs, &name, FileKind::Index, opener.store, &entry.file, opener.mode)?;
    let vectors = segment.vectors().zip(schema.metric());
    let Some((vectors, metric)) = vectors.filter(|_| container.meta() == meta(segment)) else {
        return Err(Error::corrupt("the index does not belong to its segment", name));
    };
    let source = FileSource { container: &container, name: &name };
    let index = index::open(&source, segment.rows(), vectors.shape(), metric).map_err(|error| match error.place() {
        Some(place) => {
            let place = format!("{name}, {place}");
            error.at(place)
        }
        None => error.at(&*name),
    })?;
    Ok(Opened { container, index, resident: OnceLock::new() })
}

/// The header's fields (frozen): the segment's file number and its rows.
fn meta(segment: &SealedFile) -> Vec<u8> {
    let mut meta = Vec::with_capacity(12);
    meta.put_u64(segment.id().0);
    meta.put_u32(segment.rows());
    meta
}

struct FileSink(Writer);

impl Sink for FileSink {
    fn section(&mut self, number: u16) -> Result<()> {
        self.0.section(SectionId(number))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.write(bytes)
    }
}

struct FileSource<'a> {
    container: &'a Arc<Container>,
    name: &'a str,
}

impl Source for FileSource<'_> {
    fn section(&self, number: u16) -> Result<Box<dyn Bytes>> {
        let section = self.container.section(SectionId(number)).map_err(|error| error.at(self.name))?;
        Ok(Box::new(SectionBytes(section)))
    }
}

struct SectionBytes(Section);

impl fmt::Debug for SectionBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Bytes for SectionBytes {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn get(&self, range: Range<usize>) -> Result<&[u8]> {
        self.0.bytes(range)
    }

    fn known(&self) -> Option<&[u8]> {
        self.0.known()
    }

    fn keep_resident(&self, pool: &Pool) -> Result<()> {
        self.0.keep_resident(pool)
    }
}
