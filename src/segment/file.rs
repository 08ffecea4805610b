//! The file of a sealed segment: rows that never change, mapped.

use std::ops::Range;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{FileId, Lsn, RowId, StoreId};
use crate::index::Vectors;
use crate::pool::Pool;
use crate::quantization::int8::{self, Codes, FACTOR_BYTES};
use crate::schema::{Schema, VectorKind};
use crate::segment::columns::{self, SegmentMeta, section};
use crate::segment::fields::{self, FieldIndex};
use crate::segment::{RowMeta, RowSource, bloom};
use crate::storage::fs::{FileSystem, ReadMode};
use crate::storage::names;
use crate::storage::sections::{Container, FileKind, FileRef, Section, Watch};
use crate::storage::stored_file::{Condemned, StoredFile};
use crate::vector::matrix::{Rows, Shape};
use crate::vector::metric::Metric;
use crate::vector::{VectorRef, kernel};

/// How files are opened: the same for every file of a store.
#[derive(Debug, Clone)]
pub(crate) struct Opener {
    pub(crate) fs: Arc<dyn FileSystem>,
    pub(crate) store: StoreId,
    pub(crate) mode: ReadMode,
    /// Files that are kept by their readers alone.
    pub(crate) condemned: Arc<Condemned>,
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
            stored: StoredFile::new(&opener.fs, &opener.condemned, name),
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

    /// When a row expires.
    pub(crate) fn expires(&self, row: RowId) -> Result<Timestamp> {
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

    /// Has the operating system bring in the vectors, if they take no more than so many bytes.
    pub(crate) fn bring_in_vectors(&self, most: u64) {
        self.vectors.iter().filter(|section| section.len() as u64 <= most).for_each(Section::bring_in);
    }

    /// Reads and checks every byte of the file.
    pub(crate) fn verify(&self, pool: &Pool) -> Result<()> {
        self.container.verify(pool)
    }

    /// The same, telling `watch` how far it is.
    pub(crate) fn verify_watched(&self, pool: &Pool, watch: &Watch<'_>) -> Result<()> {
        self.container.verify_watched(pool, watch)
    }

    /// Bytes of its sections that were verified so far.
    pub(crate) fn verified_bytes(&self) -> u64 {
        self.container.verified_bytes()
    }

    /// The keys of some rows. Rows found by an index lie anywhere, so memory is asked for all places before any is looked
    /// up, and for all keys before any is read.
    pub(crate) fn keys(&self, rows: &[RowId]) -> Result<Vec<Vec<u8>>> {
        let (offsets, bytes) = (self.key_offsets.known(), self.key_bytes.known());
        let offset = |row: &RowId| offsets?.get(row.index() * size_of::<u64>()..)?.get(..size_of::<u64>());
        kernel::prefetch(rows.iter().filter_map(offset));
        let place = |row: &RowId| self.range(&self.key_offsets, &self.key_bytes, *row);
        let places = rows.iter().map(place).collect::<Result<Vec<_>>>()?;
        kernel::prefetch(places.iter().filter_map(|place| bytes?.get(place.clone())));
        places.into_iter().map(|place| self.key_bytes.bytes(place).map(<[u8]>::to_vec)).collect()
    }

    /// One block of a pair of sections written by `write_blocks`.
    fn block<'a>(&self, offsets: &Section, bytes: &'a Section, row: RowId) -> Result<&'a [u8]> {
        bytes.bytes(self.range(offsets, bytes, row)?)
    }

    /// Where the bytes of a row are.
    fn range(&self, offsets: &Section, bytes: &Section, row: RowId) -> Result<Range<usize>> {
        let start = offsets.value::<u64>(row.index())?;
        let end = offsets.value::<u64>(row.index() + 1)?;
        let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
        match range {
            Some((start, end)) if start <= end && end <= bytes.len() => Ok(start..end),
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

    fn code_row_bytes(&self) -> Option<usize> {
        let (codes, factors) = self.file.codes.as_ref()?;
        (codes.len() + factors.len()).checked_div(self.len())
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
