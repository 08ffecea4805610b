//! A sealed segment: one immutable, mapped file, and the deletions that came after it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::bytes::Reader;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{FileId, Lsn, RowId, StoreId};
use crate::index::{Live, Vectors};
use crate::pool::Pool;
use crate::quantization::int8::{self, Codes, FACTOR_BYTES};
use crate::rows::RowSet;
use crate::schema::{Schema, VectorKind};
use crate::segment::columns::{self, SegmentMeta, section};
use crate::segment::deletions::Deletions;
use crate::segment::fields::{self, FieldIndex};
use crate::segment::{Moment, RowMeta, RowSource, bloom};
use crate::storage::fs::{FileSystem, ReadMode};
use crate::storage::manifest::{DeletionsEntry, SegmentEntry};
use crate::storage::names;
use crate::storage::sections::{Container, FileKind, FileRef, Section};
use crate::storage::stored_file::StoredFile;
use crate::vector::VectorRef;
use crate::vector::matrix::{Rows, Shape};
use crate::vector::metric::Metric;

/// How files are opened: the same for every file of a store.
#[derive(Debug, Clone)]
pub(crate) struct Opener {
    pub(crate) fs: Arc<dyn FileSystem>,
    pub(crate) store: StoreId,
    pub(crate) mode: ReadMode,
}

/// The file of a sealed segment. Never changes.
#[derive(Debug)]
pub(crate) struct SealedFile {
    reference: FileRef,
    meta: SegmentMeta,
    kind: VectorKind,
    container: Arc<Container>,
    key_offsets: Section,
    key_bytes: Section,
    key_order: Section,
    bloom: Section,
    lsns: Section,
    created: Section,
    expires: Option<Section>,
    vectors: Option<Section>,
    inverse_norms: Option<Section>,
    /// Codes of the vectors and what stands beside them.
    codes: Option<(Section, Section)>,
    payload_offsets: Section,
    payload_bytes: Section,
    /// The directory of field indexes, and these.
    fields: Option<(Section, Section)>,
    stored: StoredFile,
}

/// A sealed segment as one view shows it.
#[derive(Debug)]
pub(crate) struct Sealed {
    file: Arc<SealedFile>,
    deletions: Deletions,
    deletions_file: Option<Arc<DeletionsFile>>,
}

/// The file that holds the base of a segment's deletions.
#[derive(Debug)]
pub(crate) struct DeletionsFile {
    pub(crate) entry: DeletionsEntry,
    pub(crate) stored: StoredFile,
}

impl SealedFile {
    /// Opens `seg-<id>`; reads header, table of contents and footer, no rows.
    pub(crate) fn open(opener: &Opener, schema: &Schema, reference: FileRef, rows: u32) -> Result<SealedFile> {
        let name = names::segment(reference.id);
        let container = Container::open(&opener.fs, &name, FileKind::Segment, opener.store, &reference, opener.mode)?;
        let meta = SegmentMeta::decode(container.meta(), &name)?;
        let kind = schema.vector_kind();
        if meta.rows != rows || meta.vector_bytes as usize != kind.bytes() {
            return Err(Error::corrupt("the segment does not fit its manifest entry and schema", name));
        }
        let rows = rows as usize;
        let fixed = |id, width: usize| {
            let section = container.section(id)?;
            check_length(&section, rows, width, &name).map(|()| section)
        };
        let optional = |id, width| container.find(id).map(|_| fixed(id, width)).transpose();
        let offsets = |id| {
            let section = container.section(id)?;
            check_length(&section, rows + 1, 8, &name).map(|()| section)
        };
        let stride = schema.metric().and_then(|metric| int8::stride(metric, schema.dimension()?));
        let codes = stride.map(|stride| optional(section::CODES, stride)).transpose()?.flatten();
        let factors = stride.map(|_| optional(section::CODE_FACTORS, FACTOR_BYTES)).transpose()?.flatten();
        let cosine = schema.metric() == Some(Metric::Cosine);
        Ok(SealedFile {
            reference,
            meta,
            kind,
            key_offsets: offsets(section::KEY_OFFSETS)?,
            key_bytes: container.section(section::KEY_BYTES)?,
            key_order: fixed(section::KEY_ORDER, 4)?,
            bloom: container.section(section::BLOOM)?,
            lsns: fixed(section::LSNS, 8)?,
            created: fixed(section::CREATED, 8)?,
            expires: optional(section::EXPIRES, 8)?,
            vectors: (kind.bytes() > 0).then(|| fixed(section::VECTORS, kind.bytes())).transpose()?,
            inverse_norms: cosine.then(|| fixed(section::INVERSE_NORMS, 4)).transpose()?,
            codes: codes.zip(factors),
            payload_offsets: offsets(section::PAYLOAD_OFFSETS)?,
            payload_bytes: container.section(section::PAYLOAD_BYTES)?,
            fields: container.find(section::FIELD_DIRECTORY).zip(container.find(section::FIELD_INDEXES)),
            stored: StoredFile::new(&opener.fs, name),
            container,
        })
    }

    pub(crate) fn id(&self) -> FileId {
        self.reference.id
    }

    pub(crate) fn reference(&self) -> FileRef {
        self.reference
    }

    pub(crate) fn header(&self) -> &SegmentMeta {
        &self.meta
    }

    pub(crate) fn rows(&self) -> u32 {
        self.meta.rows
    }

    pub(crate) fn stored(&self) -> &StoredFile {
        &self.stored
    }

    /// The row that holds `key`, deleted or not.
    pub(crate) fn row_of(&self, key: &[u8]) -> Result<Option<RowId>> {
        let blocks = self.bloom.values::<u32>()?;
        if !bloom::may_contain(blocks, key) {
            return Ok(None);
        }
        let place = self.first_at_or_after(key)?;
        if place == self.meta.rows {
            return Ok(None);
        }
        let row = self.row_at(place)?;
        Ok((self.key(row)? == key).then_some(row))
    }

    /// The first place in key order whose key is not below `key`.
    pub(crate) fn first_at_or_after(&self, key: &[u8]) -> Result<u32> {
        let (mut low, mut high) = (0, self.meta.rows);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.key(self.row_at(middle)?)? < key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// The row at a place in key order.
    pub(crate) fn row_at(&self, place: u32) -> Result<RowId> {
        let row = self.key_order.value::<u32>(place as usize)?;
        if row >= self.meta.rows {
            return Err(self.damaged("the key order names a row past the end"));
        }
        Ok(RowId(row))
    }

    fn expires(&self, row: RowId) -> Result<Timestamp> {
        match &self.expires {
            Some(section) => section.value::<i64>(row.index()).map(Timestamp),
            None => Ok(Timestamp::NEVER),
        }
    }

    /// When a row was created.
    pub(crate) fn created(&self, row: RowId) -> Result<Timestamp> {
        self.created.value(row.index()).map(Timestamp)
    }

    /// When each row was created.
    pub(crate) fn creation_times(&self) -> Result<&[i64]> {
        self.created.values()
    }

    /// The index of the payload field at `path`, if it has one.
    pub(crate) fn field_index(&self, path: &[String]) -> Result<Option<FieldIndex<'_>>> {
        let Some((directory, indexes)) = &self.fields else { return Ok(None) };
        let found = fields::find(directory.all()?, path);
        let found = found.map_err(|_| self.damaged("the directory of field indexes ends too early"))?;
        found.map(|range| FieldIndex::open(indexes, range, self.meta.rows)).transpose()
    }

    /// The expiry of every row; `None` when no row expires.
    pub(crate) fn expiries(&self) -> Result<Option<&[i64]>> {
        self.expires.as_ref().map(|section| section.values()).transpose()
    }

    /// The vectors, as an index searches them; `None` without vectors.
    pub(crate) fn vectors(&self) -> Option<SealedVectors<'_>> {
        let shape = match self.kind {
            VectorKind::None => return None,
            VectorKind::Bits { bytes } => Shape::Bits(bytes),
            VectorKind::F32 { dimension } => Shape::F32(dimension),
        };
        Some(SealedVectors { file: self, section: self.vectors.as_ref()?, shape })
    }

    /// The blobs that rows name.
    pub(crate) fn blobs(&self) -> Result<Vec<(RowId, [u8; 32])>> {
        match self.container.find(section::BLOBS) {
            Some(section) => Ok(columns::blob_entries(section.all()?).collect()),
            None => Ok(Vec::new()),
        }
    }

    /// Reads and checks every byte of the file.
    pub(crate) fn verify(&self, pool: &Pool) -> Result<()> {
        self.container.verify(pool)
    }

    /// One block of a pair of sections written by `write_blocks`.
    fn block<'a>(&self, offsets: &Section, bytes: &'a Section, row: RowId) -> Result<&'a [u8]> {
        let start = offsets.value::<u64>(row.index())?;
        let end = offsets.value::<u64>(row.index() + 1)?;
        let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
        match range {
            Some((start, end)) if start <= end && end <= bytes.len() => bytes.bytes(start..end),
            _ => Err(self.damaged("an offset is out of order")),
        }
    }

    pub(crate) fn damaged(&self, what: &str) -> Error {
        Error::corrupt(what, self.stored.name())
    }
}

fn check_length(section: &Section, rows: usize, width: usize, name: &str) -> Result<()> {
    if rows.checked_mul(width) == Some(section.len()) {
        return Ok(());
    }
    Err(Error::corrupt(format!("a section of {} bytes does not hold {rows} rows", section.len()), name))
}

/// The vectors of a sealed segment. What is read is checked: all of it, or the chunks that are touched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SealedVectors<'a> {
    file: &'a SealedFile,
    section: &'a Section,
    shape: Shape,
}

impl Vectors for SealedVectors<'_> {
    fn len(&self) -> usize {
        self.file.meta.rows as usize
    }

    fn shape(&self) -> Shape {
        self.shape
    }

    fn all(&self, pool: &Pool) -> Result<Rows<'_>> {
        self.section.verify(pool)?;
        Ok(match self.shape {
            Shape::Bits(stride) => Rows::Bits { bytes: self.section.all()?, stride },
            Shape::F32(dimension) => {
                let inverse_norms = self.file.inverse_norms.as_ref().map(|section| section.values()).transpose()?;
                Rows::F32 { values: self.section.values()?, dimension, inverse_norms }
            }
        })
    }

    fn row(&self, row: RowId) -> Result<VectorRef<'_>> {
        let bytes = self.file.vector_bytes(row)?;
        match self.shape {
            Shape::Bits(_) => Ok(VectorRef::Bits(bytes)),
            Shape::F32(_) => bytemuck::try_cast_slice(bytes)
                .map(VectorRef::F32)
                .map_err(|error| Error::internal(format!("a row is not where numbers can be: {error}"))),
        }
    }

    fn inverse_norm(&self, row: RowId) -> Result<f32> {
        RowSource::inverse_norm(self.file, row)
    }

    fn codes(&self, pool: &Pool) -> Result<Option<Codes<'_>>> {
        let Some((codes, factors)) = &self.file.codes else { return Ok(None) };
        codes.verify(pool)?;
        let stride = codes.len() / self.len().max(1);
        let codes = Codes::new(codes.values()?, stride, factors.values()?);
        codes.map(Some).ok_or_else(|| self.file.damaged("the codes do not fit their factors"))
    }
}

impl RowSource for SealedFile {
    fn key(&self, row: RowId) -> Result<&[u8]> {
        self.block(&self.key_offsets, &self.key_bytes, row)
    }

    fn meta(&self, row: RowId) -> Result<RowMeta> {
        Ok(RowMeta {
            lsn: Lsn(self.lsns.value(row.index())?),
            created: self.created(row)?,
            expires: self.expires(row)?,
        })
    }

    fn vector_bytes(&self, row: RowId) -> Result<&[u8]> {
        let width = self.kind.bytes();
        match &self.vectors {
            Some(section) => section.bytes(row.index() * width..(row.index() + 1) * width),
            None => Ok(&[]),
        }
    }

    fn inverse_norm(&self, row: RowId) -> Result<f32> {
        match &self.inverse_norms {
            Some(section) => section.value(row.index()),
            None => Err(Error::internal("norms are kept under cosine only")),
        }
    }

    fn payload(&self, row: RowId) -> Result<&[u8]> {
        self.block(&self.payload_offsets, &self.payload_bytes, row)
    }
}

impl Sealed {
    pub(crate) fn new(
        file: Arc<SealedFile>,
        deletions: Deletions,
        deletions_file: Option<Arc<DeletionsFile>>,
    ) -> Sealed {
        Sealed { file, deletions, deletions_file }
    }

    /// Opens a segment and its deletions as the manifest lists them.
    pub(crate) fn open(opener: &Opener, schema: &Schema, entry: &SegmentEntry) -> Result<Sealed> {
        let file = Arc::new(SealedFile::open(opener, schema, entry.file, entry.rows)?);
        let Some(deletions) = &entry.deletions else {
            return Ok(Sealed::new(file, Deletions::none(entry.rows), None));
        };
        let name = names::deletions(deletions.file.id, deletions.generation);
        let base = read_deletions(opener, &name, entry.rows, deletions)?;
        let stored = StoredFile::new(&opener.fs, name);
        let deletions_file = DeletionsFile { entry: *deletions, stored };
        let deletions = Deletions::new(base, BTreeMap::new());
        Ok(Sealed::new(file, deletions, Some(Arc::new(deletions_file))))
    }

    pub(crate) fn file(&self) -> &Arc<SealedFile> {
        &self.file
    }

    /// Reads and checks every byte of its files.
    pub(crate) fn verify(&self, opener: &Opener, pool: &Pool) -> Result<()> {
        self.file.verify(pool)?;
        match &self.deletions_file {
            Some(file) => open_deletions(opener, file.stored.name(), &file.entry)?.verify(pool),
            None => Ok(()),
        }
    }

    pub(crate) fn deletions(&self) -> &Deletions {
        &self.deletions
    }

    pub(crate) fn deletions_file(&self) -> Option<&Arc<DeletionsFile>> {
        self.deletions_file.as_ref()
    }

    /// What the manifest lists for this segment.
    pub(crate) fn entry(&self) -> SegmentEntry {
        SegmentEntry {
            file: self.file.reference,
            rows: self.file.rows(),
            deletions: self.deletions_file.as_ref().map(|file| file.entry),
        }
    }

    /// The row that holds `key` and is live at `moment`.
    pub(crate) fn find(&self, key: &[u8], moment: Moment) -> Result<Option<RowId>> {
        match self.file.row_of(key)? {
            Some(row) if self.is_live(row, moment)? => Ok(Some(row)),
            _ => Ok(None),
        }
    }

    pub(crate) fn is_live(&self, row: RowId, moment: Moment) -> Result<bool> {
        Ok(!self.deletions.contains(row, moment.lsn) && self.file.expires(row)? > moment.now)
    }

    /// The rows that a search at `moment` may return.
    pub(crate) fn live_at(&self, moment: Moment) -> Result<LiveInSealed<'_>> {
        let deleted = self.deletions.at(moment.lsn);
        Ok(LiveInSealed { deleted, expiries: self.file.expiries()?, now: moment.now.0 })
    }

    /// The rows that are live at `moment`, as a set.
    pub(crate) fn live_rows(&self, moment: Moment) -> Result<RowSet> {
        let live = self.live_at(moment)?;
        Ok(RowSet::from_words(self.file.rows(), |number| live.word(number)))
    }

    /// Whether merging it would leave rows out: deleted ones that a file says so of, or expired ones.
    pub(crate) fn has_gone_rows(&self, now: Timestamp) -> Result<bool> {
        let expired = |expiries: &[i64]| expiries.iter().any(|expires| *expires <= now.0);
        Ok(self.deletions.base().count() > 0 || self.file.expiries()?.is_some_and(expired))
    }

    /// How many rows are live at `moment`.
    pub(crate) fn count(&self, moment: Moment) -> Result<u64> {
        let live = self.live_at(moment)?;
        let rows = self.file.rows();
        match live.expiries {
            None => Ok(u64::from(rows - live.deleted.count())),
            Some(_) => Ok((0..rows).filter(|row| live.is_live(RowId(*row))).count() as u64),
        }
    }
}

fn open_deletions(opener: &Opener, name: &str, entry: &DeletionsEntry) -> Result<Arc<Container>> {
    Container::open(&opener.fs, name, FileKind::Deletions, opener.store, &entry.file, opener.mode)
}

fn read_deletions(opener: &Opener, name: &str, rows: u32, entry: &DeletionsEntry) -> Result<RowSet> {
    let container = open_deletions(opener, name, entry)?;
    let mut meta = Reader::new(container.meta());
    let fields = (meta.u32(), meta.u32(), meta.u64(), meta.is_empty());
    let bits = container.section(section::DELETED)?;
    match RowSet::from_bytes(rows, bits.all()?) {
        Some(set)
            if fields == (Ok(rows), Ok(entry.count), Ok(entry.generation), true) && set.count() == entry.count =>
        {
            Ok(set)
        }
        _ => Err(Error::corrupt("the deletions do not fit their segment", name)),
    }
}

/// Rows of a sealed segment that a search may return.
#[derive(Debug)]
pub(crate) struct LiveInSealed<'a> {
    pub(crate) deleted: Arc<RowSet>,
    expiries: Option<&'a [i64]>,
    now: i64,
}

impl LiveInSealed<'_> {
    pub(crate) fn is_live(&self, row: RowId) -> bool {
        !self.deleted.contains(row) && self.expiries.is_none_or(|expiries| expiries[row.index()] > self.now)
    }
}

impl Live for LiveInSealed<'_> {
    fn word(&self, number: usize) -> u64 {
        let present = !self.deleted.word(number);
        let expiries = self.expiries.and_then(|expiries| expiries.get(number * 64..));
        let expired = expiries.into_iter().flat_map(|rows| rows.iter().take(64).enumerate());
        expired.filter(|row| *row.1 <= self.now).fold(present, |word, (bit, _)| word & !(1 << bit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::payload::{self, BlobId, Value};
    use crate::segment::mutable::{Mutable, NewRow};
    use crate::segment::seal::{Part, write_deletions, write_segment};
    use crate::storage::fs::MemoryFs;
    use crate::storage::sections::FileRef;

    const STORE: StoreId = StoreId([9; 16]);

    fn opener() -> Opener {
        Opener { fs: Arc::new(MemoryFs::new()), store: STORE, mode: ReadMode::Heap }
    }

    fn key(number: u32) -> Vec<u8> {
        // Not in the order of arrival.
        format!("{:05}", number.wrapping_mul(7919) % 1000).into_bytes()
    }

    /// A segment of `rows` rows under cosine, every tenth of which expires at time 100 and names a blob.
    fn sealed(opener: &Opener, schema: &Schema, rows: u32) -> Sealed {
        let segment = Mutable::new(schema);
        for number in 0..rows {
            let vector = [number as f32 + 1.0, 2.0];
            let tenth = number % 10 == 0;
            let payload = if tenth { Value::Blob(BlobId([number as u8; 32])) } else { Value::Int(number.into()) };
            let row = NewRow {
                key: &key(number),
                created: Timestamp(i64::from(number)),
                expires: if tenth { Timestamp(100) } else { Timestamp::NEVER },
                vector: VectorRef::F32(&vector).as_bytes(),
                payload: &payload::encode(&payload).unwrap(),
            };
            segment.put(Lsn(u64::from(number) + 1), row);
        }
        let frozen = segment.freeze();
        let live = frozen.live_rows(Lsn(u64::MAX));
        let parts = [Part { source: &frozen, rows: &live }];
        let written = write_segment(&opener.fs, STORE, FileId(4), schema, &parts).unwrap();
        let file = SealedFile::open(opener, schema, written.file, written.rows).unwrap();
        Sealed::new(Arc::new(file), Deletions::none(rows), None)
    }

    fn schema() -> Schema {
        Schema::vector(2, Metric::Cosine)
    }

    fn at(lsn: u64, now: i64) -> Moment {
        Moment { lsn: Lsn(lsn), now: Timestamp(now) }
    }

    #[test]
    fn every_row_is_found_and_is_what_was_put() {
        let segment = sealed(&opener(), &schema(), 500);
        let file = segment.file();
        for number in 0..500u32 {
            let row = segment.find(&key(number), at(9999, 0)).unwrap().unwrap();
            assert_eq!(row, RowId(number));
            assert_eq!(file.key(row).unwrap(), key(number));
            let vector = [number as f32 + 1.0, 2.0];
            assert_eq!(file.vector_bytes(row).unwrap(), VectorRef::F32(&vector).as_bytes());
            assert_eq!(file.meta(row).unwrap().lsn, Lsn(u64::from(number) + 1));
        }
        assert_eq!(segment.find(b"00500x", at(9999, 0)).unwrap(), None);
        let header = file.header();
        assert_eq!((header.first_lsn, header.last_lsn), (Lsn(1), Lsn(500)));
        assert_eq!((header.first_created, header.last_created), (Timestamp(0), Timestamp(499)));
        assert_eq!(header.last_expires, Timestamp::NEVER);
        let named: Vec<u32> = file.blobs().unwrap().iter().map(|(row, _)| row.0).collect();
        assert_eq!(named, (0..500).step_by(10).collect::<Vec<u32>>());
        file.verify(&Pool::inline()).unwrap();
    }

    #[test]
    fn deleted_and_expired_rows_are_not_found() {
        let segment = sealed(&opener(), &schema(), 100);
        segment.deletions().delete(RowId(5), Lsn(200));
        let found = |number, moment| segment.find(&key(number), moment).unwrap().is_some();
        assert_eq!((found(5, at(199, 0)), found(5, at(200, 0))), (true, false));
        assert_eq!((found(10, at(200, 99)), found(10, at(200, 100))), (true, false));
        assert_eq!(segment.count(at(199, 0)).unwrap(), 100);
        assert_eq!(segment.count(at(200, 100)).unwrap(), 89);
        let live = segment.live_at(at(200, 100)).unwrap();
        assert_eq!((live.is_live(RowId(5)), live.is_live(RowId(10)), live.is_live(RowId(11))), (false, false, true));
    }

    #[test]
    fn deletions_come_back_from_their_file_and_no_other() {
        let opener = opener();
        let segment = sealed(&opener, &schema(), 70);
        let mut deleted = RowSet::empty(70);
        deleted.insert(RowId(69));
        let file = write_deletions(&opener.fs, STORE, FileId(4), 6, &deleted).unwrap();
        let entry = |generation, count, file: FileRef| SegmentEntry {
            deletions: Some(DeletionsEntry { generation, file, count }),
            ..segment.entry()
        };
        let again = Sealed::open(&opener, &schema(), &entry(6, 1, file)).unwrap();
        assert_eq!(again.deletions().base(), &deleted);
        assert_eq!(again.entry(), entry(6, 1, file));
        assert!(Sealed::open(&opener, &schema(), &entry(6, 2, file)).is_err());
        assert!(Sealed::open(&opener, &schema(), &entry(7, 1, file)).is_err());
    }

    #[test]
    fn a_segment_of_another_shape_is_refused() {
        let opener = opener();
        let entry = sealed(&opener, &schema(), 20).entry();
        assert!(Sealed::open(&opener, &schema(), &entry).is_ok());
        assert!(Sealed::open(&opener, &Schema::vector(3, Metric::Cosine), &entry).is_err());
        assert!(Sealed::open(&opener, &schema(), &SegmentEntry { rows: 21, ..entry }).is_err());
    }
}
