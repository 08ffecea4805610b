//! Reads a container: opens it without touching its data, and checks data the first time it is read.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::checked::Checked;
use super::format::{
    CHUNK_BYTES, DATA_AT, Entry, FOOTER_BYTES, Footer, META_AT, chunk_count, decode_contents, decode_fields,
};
use super::{FileKind, FileRef, SectionId};
use crate::error::{Error, Result};
use crate::ids::StoreId;
use crate::pool::Pool;
use crate::storage::checksum::crc32;
use crate::storage::fs::{File, FileSystem, Mapping, ReadMode};
use crate::storage::header::{PAGE_BYTES, decode_page, page_crc};
use crate::sync::{AtomicU64, Ordering};

/// Chunks that one thread verifies in one go.
const CHUNKS_PER_TASK: usize = 16;

/// Told of bytes that were checked, from any thread; an error ends the checking.
pub(crate) type Watch<'a> = dyn Fn(u64) -> Result<()> + Sync + 'a;

/// Bytes that one thread copies in one go.
const COPIED_BYTES: usize = 1 << 20;

/// A container open for reading, shared by all who read it.
///
/// Its bytes never change. Which chunks were verified is kept in one bit each; two threads that touch a chunk for the
/// first time at once both verify it, which costs time and nothing else.
pub(crate) struct Container {
    fs: Arc<dyn FileSystem>,
    name: String,
    kind: FileKind,
    store: StoreId,
    file: FileRef,
    bytes: Mapping,
    meta: Range<usize>,
    sections: Vec<Place>,
    verified: Vec<AtomicU64>,
}

/// Where a section is, and how much of it was never read.
struct Place {
    id: SectionId,
    start: usize,
    length: usize,
    /// Where the checksums of its chunks are.
    checksums_at: usize,
    /// The bit of its first chunk.
    first_bit: usize,
    unverified: AtomicU64,
    /// A copy in memory, made after all of it was verified.
    resident: OnceLock<Mapping>,
}

impl Container {
    /// Opens the file `name` and checks that it is the one the manifest means: its length, header, footer and table of
    /// contents. Sections are not read. Where the device cannot read it, it is asked once more.
    pub(crate) fn open(
        fs: &Arc<dyn FileSystem>,
        name: &str,
        kind: FileKind,
        store: StoreId,
        expected: &FileRef,
        mode: ReadMode,
    ) -> Result<Arc<Container>> {
        let open = || Container::open_once(fs, name, kind, store, expected, mode);
        open().or_else(|error| if error.is_unreadable() { open() } else { Err(error) })
    }

    fn open_once(
        fs: &Arc<dyn FileSystem>,
        name: &str,
        kind: FileKind,
        store: StoreId,
        expected: &FileRef,
        mode: ReadMode,
    ) -> Result<Arc<Container>> {
        let file = open_whole(fs.as_ref(), name, expected.length)?;
        let bytes =
            fs.map(name, expected.length, mode).map_err(|error| Error::io("read a file into memory", name, error))?;
        let frame = Frame::check(&Checked::new(name, &bytes, || Ok(file))?, kind, store, expected)?;
        let mut chunks = 0;
        let sections = frame.entries.iter().map(|entry| Place::new(entry, &mut chunks)).collect();
        let verified = (0..chunks.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        let meta = frame.meta;
        let (fs, name) = (Arc::clone(fs), name.to_owned());
        Ok(Arc::new(Container { fs, name, kind, store, file: *expected, bytes, meta, sections, verified }))
    }

    /// What the writer said about the file as a whole.
    pub(crate) fn meta(&self) -> &[u8] {
        &self.bytes[self.meta.clone()]
    }

    /// The section `id`, which files of this kind always have.
    pub(crate) fn section(self: &Arc<Self>, id: SectionId) -> Result<Section> {
        self.find(id).ok_or_else(|| Error::corrupt(format!("the file has no section {}", id.0), &self.name))
    }

    /// The section `id`, where the file has it.
    pub(crate) fn find(self: &Arc<Self>, id: SectionId) -> Option<Section> {
        let index = self.sections.iter().position(|place| place.id == id)?;
        Some(Section { container: self.clone(), index })
    }

    /// Checks every byte of the file again, whether it was read before or not. The error names the first damage.
    pub(crate) fn verify(&self, pool: &Pool) -> Result<()> {
        self.verify_watched(pool, &|_| Ok(()))
    }

    /// The same, telling `watch` after each piece how many bytes that had. Ends with the first error of `watch`, which
    /// is also asked, of 0 bytes, before each piece.
    pub(crate) fn verify_watched(&self, pool: &Pool, watch: &Watch<'_>) -> Result<()> {
        pool.map(self.pieces(), |piece| {
            watch(0)?;
            watch(self.verify_piece(piece)?)
        })?;
        Ok(())
    }

    /// In how many pieces of up to 1 MiB it is verified.
    pub(crate) fn pieces(&self) -> usize {
        1 + self.sections.iter().map(Place::tasks).sum::<usize>()
    }

    /// Checks one piece again, whether it was read before or not; tells how many bytes it had. The first is what
    /// surrounds the sections; one that is not there has none.
    pub(crate) fn verify_piece(&self, piece: usize) -> Result<u64> {
        let Some(mut task) = piece.checked_sub(1) else { return self.check_frame() };
        for place in &self.sections {
            if task < place.tasks() {
                return self.check_task(place, task);
            }
            task -= place.tasks();
        }
        Ok(0)
    }

    /// Bytes of its sections that were verified so far.
    pub(crate) fn verified_bytes(&self) -> u64 {
        self.sections.iter().map(Place::verified_bytes).sum()
    }

    /// Checks all that is no section: header, footer, table of contents, and what fills the room between sections.
    fn check_frame(&self) -> Result<u64> {
        let file = self.checked()?;
        Frame::check(&file, self.kind, self.store, &self.file)?;
        let mut end = DATA_AT as usize;
        for place in &self.sections {
            self.check_padding(&file, end..place.start)?;
            end = place.start + place.length;
        }
        let index_at = self.sections.first().map_or(end, |first| first.checksums_at);
        self.check_padding(&file, end..index_at)?;
        let sections: usize = self.sections.iter().map(|place| place.length).sum();
        Ok((self.bytes.len() - sections) as u64)
    }

    fn check_padding(&self, file: &Checked<'_>, range: Range<usize>) -> Result<()> {
        match file.get(range.clone())?.is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0)) {
            true => Ok(()),
            false => Err(self.damaged("bytes between two sections are not zero", &range)),
        }
    }

    /// The bytes of the file, to be checked.
    fn checked(&self) -> Result<Checked<'_>> {
        Checked::new(&self.name, &self.bytes, || open_whole(&*self.fs, &self.name, self.file.length))
    }

    /// Verifies all chunks of a section, verified before or not, for those who wait for an answer: without reading them
    /// twice.
    fn check_section(&self, place: &Place, pool: &Pool) -> Result<()> {
        pool.map(place.tasks(), |task| place.task(task).try_for_each(|chunk| self.check_chunk(place, chunk)))?;
        Ok(())
    }

    /// Verifies the chunks of one go, verified before or not; tells how many bytes they have.
    fn check_task(&self, place: &Place, task: usize) -> Result<u64> {
        let mut chunks = place.task(task);
        let bytes = chunks.start * CHUNK_BYTES..place.length.min(chunks.end * CHUNK_BYTES);
        self.checked()?.get(place.start + bytes.start..place.start + bytes.end)?;
        chunks.try_for_each(|chunk| self.check_chunk(place, chunk))?;
        Ok(bytes.len() as u64)
    }

    /// Verifies those of `chunks` that were not yet.
    fn touch(&self, place: &Place, mut chunks: Range<usize>) -> Result<()> {
        if place.unverified.load(Ordering::Acquire) == 0 {
            return Ok(());
        }
        chunks.try_for_each(|chunk| match self.is_verified(place, chunk) {
            true => Ok(()),
            false => self.check_chunk(place, chunk),
        })
    }

    fn is_verified(&self, place: &Place, chunk: usize) -> bool {
        let bit = place.first_bit + chunk;
        self.verified[bit / 64].load(Ordering::Acquire) >> (bit % 64) & 1 == 1
    }

    fn check_chunk(&self, place: &Place, chunk: usize) -> Result<()> {
        let start = place.start + chunk * CHUNK_BYTES;
        let range = start..(place.start + place.length).min(start + CHUNK_BYTES);
        let stored = &self.bytes[place.checksums_at + 4 * chunk..][..4];
        if crc32(&[&self.bytes[range.clone()]]).to_le_bytes() != stored {
            return Err(self.damaged("a checksum does not match", &range));
        }
        let bit = place.first_bit + chunk;
        let mask = 1 << (bit % 64);
        if self.verified[bit / 64].fetch_or(mask, Ordering::AcqRel) & mask == 0 {
            place.unverified.fetch_sub(1, Ordering::AcqRel);
        }
        Ok(())
    }

    fn damaged(&self, what: &str, range: &Range<usize>) -> Error {
        Error::corrupt(what, format!("{} at {}..{}", self.name, range.start, range.end))
    }
}

impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Container").field("name", &self.name).field("file", &self.file).finish_non_exhaustive()
    }
}

impl Place {
    /// Takes its bits after the `chunks` of the sections before.
    fn new(entry: &Entry, chunks: &mut usize) -> Place {
        let first_bit = *chunks;
        let count = chunk_count(entry.length);
        *chunks += count as usize;
        Place {
            id: entry.id,
            start: entry.offset as usize,
            length: entry.length as usize,
            checksums_at: entry.checksums_at as usize,
            first_bit,
            unverified: AtomicU64::new(count),
            resident: OnceLock::new(),
        }
    }

    fn chunks(&self) -> usize {
        self.length.div_ceil(CHUNK_BYTES)
    }

    /// In how many goes it is verified.
    fn tasks(&self) -> usize {
        self.chunks().div_ceil(CHUNKS_PER_TASK)
    }

    /// The chunks of one go.
    fn task(&self, task: usize) -> Range<usize> {
        let first = task * CHUNKS_PER_TASK;
        first..self.chunks().min(first + CHUNKS_PER_TASK)
    }

    fn verified_bytes(&self) -> u64 {
        let unverified = self.unverified.load(Ordering::Acquire).saturating_mul(CHUNK_BYTES as u64);
        (self.length as u64).saturating_sub(unverified)
    }
}

/// Opens a file that must have so many bytes.
fn open_whole(fs: &dyn FileSystem, name: &str, expected: u64) -> Result<Arc<dyn File>> {
    let opened = fs.open(name).and_then(|file| Ok((file.length()?, file)));
    let (length, file) = match opened {
        Ok(opened) => opened,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::corrupt("a file the manifest lists is missing", name));
        }
        Err(error) => return Err(Error::io("open a file", name, error)),
    };
    if length != expected {
        return Err(Error::corrupt(format!("the file has {length} bytes instead of {expected}"), name));
    }
    Ok(file)
}

/// What surrounds the sections, once it is known to be right.
struct Frame {
    meta: Range<usize>,
    entries: Vec<Entry>,
}

impl Frame {
    fn check(file: &Checked<'_>, kind: FileKind, store: StoreId, expected: &FileRef) -> Result<Frame> {
        let (name, length) = (file.name(), file.len());
        let too_short = || Error::corrupt("the file is too short", name);
        let footer_at = length.checked_sub(FOOTER_BYTES).filter(|at| *at >= PAGE_BYTES).ok_or_else(too_short)?;
        let damaged = |what: &str, at: u64| Error::corrupt(what, format!("{name} at {at}"));
        let header = file.get(0..PAGE_BYTES)?.ok_or_else(too_short)?;
        let meta = decode_fields(decode_page(header, kind.letter(), store, expected.id, name)?, kind)
            .ok_or_else(|| damaged("the header describes another kind of file", META_AT as u64))?;
        let footer = file.get(footer_at..length)?.ok_or_else(too_short)?;
        let footer = Footer::decode(footer, kind, expected.footer_crc)
            .filter(|footer| footer.length == length as u64 && footer.file == expected.id)
            .ok_or_else(|| damaged("the footer is not the one the manifest knows", footer_at as u64))?;
        if page_crc(header) != Some(footer.header_crc) {
            return Err(damaged("the header is not the one the footer knows", 0));
        }
        let index_at = usize::try_from(footer.index_at).unwrap_or(usize::MAX);
        if file.get(index_at..footer_at)?.is_none_or(|index| crc32(&[index]) != footer.index_crc) {
            return Err(damaged("the checksum of the table of contents does not match", footer.index_at));
        }
        let entries = decode_contents(file.all(), &footer)
            .ok_or_else(|| damaged("the table of contents describes an impossible file", footer.contents_at))?;
        Ok(Frame { meta, entries })
    }
}

/// One section of a container. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Section {
    container: Arc<Container>,
    index: usize,
}

impl Section {
    /// The length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.place().length
    }

    /// The bytes of `range`, every chunk of which is verified when it is first touched.
    pub(crate) fn bytes(&self, range: Range<usize>) -> Result<&[u8]> {
        let place = self.place();
        if range.start > range.end || range.end > place.length {
            let (start, end) = (range.start, range.end);
            return Err(self.impossible(format!("bytes {start}..{end} are wanted of a section of {}", place.length)));
        }
        if let Some(resident) = place.resident.get() {
            return Ok(&resident[range]);
        }
        if !range.is_empty() {
            self.container.touch(place, range.start / CHUNK_BYTES..range.end.div_ceil(CHUNK_BYTES))?;
        }
        Ok(&self.container.bytes[place.start + range.start..place.start + range.end])
    }

    /// All bytes.
    pub(crate) fn all(&self) -> Result<&[u8]> {
        self.bytes(0..self.len())
    }

    /// The whole section as an array.
    pub(crate) fn values<T: bytemuck::Pod>(&self) -> Result<&[T]> {
        let bytes = self.all()?;
        bytemuck::try_cast_slice(bytes).map_err(|error| {
            self.impossible(format!("{} bytes are no array of values of {}: {error}", bytes.len(), size_of::<T>()))
        })
    }

    /// The value at `index` of the section as an array; verifies its chunk only.
    pub(crate) fn value<T: bytemuck::Pod>(&self, index: usize) -> Result<T> {
        let start = index.checked_mul(size_of::<T>());
        let range = start.and_then(|start| Some(start..start.checked_add(size_of::<T>())?));
        let range = range.ok_or_else(|| self.impossible(format!("value {index} is wanted")))?;
        Ok(bytemuck::pod_read_unaligned(self.bytes(range)?))
    }

    /// Verifies the whole section, unless that was done before.
    pub(crate) fn verify(&self, pool: &Pool) -> Result<()> {
        let place = self.place();
        match place.unverified.load(Ordering::Acquire) {
            0 => Ok(()),
            _ => self.container.check_section(place, pool),
        }
    }

    /// All bytes, where every one of them was verified.
    pub(crate) fn known(&self) -> Option<&[u8]> {
        let place = self.place();
        if let Some(resident) = place.resident.get() {
            return Some(resident);
        }
        let verified = place.unverified.load(Ordering::Acquire) == 0;
        verified.then(|| &self.container.bytes[place.start..place.start + place.length])
    }

    /// Has the operating system bring in the whole section.
    pub(crate) fn bring_in(&self) {
        let place = self.place();
        self.container.bytes.bring_in(place.start..place.start + place.length);
    }

    /// Verifies the whole section and copies it into memory, for whoever reads it here and there.
    pub(crate) fn keep_resident(&self, pool: &Pool) -> Result<()> {
        let place = self.place();
        if place.resident.get().is_some() {
            return Ok(());
        }
        if place.unverified.load(Ordering::Acquire) > 0 {
            pool.map(place.tasks(), |task| self.container.check_task(place, task))?;
        }
        let from = &self.container.bytes[place.start..place.start + place.length];
        let copy = |memory: &mut [u8]| {
            pool.fill(memory, COPIED_BYTES, |piece, memory| {
                memory.copy_from_slice(&from[piece * COPIED_BYTES..][..memory.len()]);
            });
        };
        let resident = Mapping::resident(place.length, copy)
            .map_err(|error| Error::io("keep a section in memory", &self.container.name, error))?;
        // Whoever was first is as good.
        let _ = place.resident.set(resident);
        Ok(())
    }

    fn place(&self) -> &Place {
        &self.container.sections[self.index]
    }

    /// Somebody wants what the section cannot hold: the file contradicts itself.
    fn impossible(&self, what: String) -> Error {
        let place = self.place();
        Error::corrupt(what, format!("{} at {}, section {}", self.container.name, place.start, place.id.0))
    }
}

impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place();
        f.debug_struct("Section")
            .field("file", &self.container.name)
            .field("id", &place.id.0)
            .field("length", &place.length)
            .finish_non_exhaustive()
    }
}
