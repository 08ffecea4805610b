//! Writing a segment file: chosen rows of one or several sources become one immutable segment.

use std::sync::Arc;

use crate::bytes::Write;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{FileId, Lsn, RowId, StoreId};
use crate::payload;
use crate::quantization::int8::{self, Factors};
use crate::rows::RowSet;
use crate::schema::Schema;
use crate::segment::bloom::BloomBuilder;
use crate::segment::columns::{SegmentMeta, section};
use crate::segment::fields;
use crate::segment::file::{Opener, SealedFile};
use crate::segment::{RowMeta, RowSource};
use crate::storage::fs::FileSystem;
use crate::storage::names;
use crate::storage::sections::{FileKind, FileRef, SectionId, Writer};
use crate::storage::stored_file::StoredFile;
use crate::vector::metric::Metric;

/// Rows of one source, in the order in which they are to be written.
pub(crate) struct Part<'a> {
    pub(crate) source: &'a dyn RowSource,
    pub(crate) rows: &'a [RowId],
}

/// What was written, for the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) file: FileRef,
    pub(crate) rows: u32,
}

/// Writes `seg-<id>` from the rows of `parts`, which must hold each key once and at least one row in all.
///
/// The file is synced, the directory is not. On an error the partial file is removed.
pub(crate) fn write_segment(
    fs: &Arc<dyn FileSystem>,
    store: StoreId,
    id: FileId,
    schema: &Schema,
    parts: &[Part<'_>],
) -> Result<Written> {
    let rows = Rows { parts, count: row_count(parts)? };
    let mut writer = Writer::create(fs, &names::segment(id), FileKind::Segment, store, id)?;
    rows.write_keys(&mut writer)?;
    let meta = rows.write_metas(&mut writer, schema)?;
    rows.write_vectors(&mut writer, schema)?;
    rows.write_codes(&mut writer, schema)?;
    rows.write_payloads(&mut writer, schema)?;
    Ok(Written { file: writer.finish(&meta.encode())?, rows: rows.count })
}

/// The same, and opens it. On an error nothing stays.
pub(crate) fn write_and_open(
    opener: &Opener,
    id: FileId,
    schema: &Schema,
    parts: &[Part<'_>],
) -> Result<Arc<SealedFile>> {
    let Written { file, rows } = write_segment(&opener.fs, opener.store, id, schema, parts)?;
    let opened = SealedFile::open(opener, schema, file, rows);
    let discard = |_: &Error| StoredFile::new(&opener.fs, &opener.condemned, names::segment(id)).condemn();
    opened.inspect_err(discard).map(Arc::new)
}

/// Writes the deletions file `del-<id>-<generation>`; synced like a segment.
pub(crate) fn write_deletions(
    fs: &Arc<dyn FileSystem>,
    store: StoreId,
    id: FileId,
    generation: u64,
    deleted: &RowSet,
) -> Result<FileRef> {
    let name = names::deletions(id, generation);
    let mut writer = Writer::create(fs, &name, FileKind::Deletions, store, id)?;
    writer.section(section::DELETED)?;
    writer.write(&deleted.to_bytes())?;
    let mut meta = Vec::new();
    meta.put_u32(deleted.rows());
    meta.put_u32(deleted.count());
    meta.put_u64(generation);
    writer.finish(&meta)
}

fn row_count(parts: &[Part<'_>]) -> Result<u32> {
    let count: usize = parts.iter().map(|part| part.rows.len()).sum();
    u32::try_from(count).map_err(|_| Error::internal(format!("a segment of {count} rows")))
}

struct Rows<'a> {
    parts: &'a [Part<'a>],
    count: u32,
}

impl<'a> Rows<'a> {
    fn iter(&self) -> impl Iterator<Item = (&'a dyn RowSource, RowId)> {
        self.parts.iter().flat_map(|part| part.rows.iter().map(|row| (part.source, *row)))
    }

    fn write_keys(&self, writer: &mut Writer) -> Result<()> {
        let keys: Vec<&[u8]> = self.iter().map(|(source, row)| source.key(row)).collect::<Result<_>>()?;
        write_blocks(writer, section::KEY_OFFSETS, section::KEY_BYTES, &keys)?;

        let mut order: Vec<u32> = (0..self.count).collect();
        order.sort_unstable_by_key(|row| keys[*row as usize]);
        if order.windows(2).any(|pair| keys[pair[0] as usize] == keys[pair[1] as usize]) {
            return Err(Error::internal("one key twice in a segment"));
        }
        writer.section(section::KEY_ORDER)?;
        writer.write(bytemuck::cast_slice(&order))?;

        let mut bloom = BloomBuilder::new(keys.len());
        keys.iter().for_each(|key| bloom.insert(key));
        writer.section(section::BLOOM)?;
        writer.write(bytemuck::cast_slice(bloom.words()))
    }

    fn write_metas(&self, writer: &mut Writer, schema: &Schema) -> Result<SegmentMeta> {
        let metas: Vec<RowMeta> = self.iter().map(|(source, row)| source.meta(row)).collect::<Result<_>>()?;
        let column = |value: fn(&RowMeta) -> u64| metas.iter().flat_map(|meta| value(meta).to_le_bytes()).collect();
        let mut columns: Vec<(SectionId, Vec<u8>)> =
            vec![(section::LSNS, column(|meta| meta.lsn.0)), (section::CREATED, column(|meta| meta.created.0 as u64))];
        if metas.iter().any(|meta| meta.expires != Timestamp::NEVER) {
            columns.push((section::EXPIRES, column(|meta| meta.expires.0 as u64)));
        }
        for (id, bytes) in &columns {
            writer.section(*id)?;
            writer.write(bytes)?;
        }
        let first = *metas.first().ok_or_else(|| Error::internal("a segment without rows"))?;
        let mut meta = SegmentMeta {
            rows: self.count,
            vector_bytes: schema.vector_kind().bytes() as u32,
            first_lsn: first.lsn,
            last_lsn: Lsn(0),
            first_created: first.created,
            last_created: first.created,
            last_expires: first.expires,
        };
        for row in &metas {
            meta.first_lsn = meta.first_lsn.min(row.lsn);
            meta.last_lsn = meta.last_lsn.max(row.lsn);
            meta.first_created = meta.first_created.min(row.created);
            meta.last_created = meta.last_created.max(row.created);
            meta.last_expires = meta.last_expires.max(row.expires);
        }
        Ok(meta)
    }

    fn write_vectors(&self, writer: &mut Writer, schema: &Schema) -> Result<()> {
        if schema.vector_kind().bytes() == 0 {
            return Ok(());
        }
        writer.section(section::VECTORS)?;
        for (source, row) in self.iter() {
            writer.write(source.vector_bytes(row)?)?;
        }
        if schema.metric() == Some(Metric::Cosine) {
            writer.section(section::INVERSE_NORMS)?;
            for (source, row) in self.iter() {
                writer.write(&source.inverse_norm(row)?.to_le_bytes())?;
            }
        }
        Ok(())
    }

    /// The vectors once more, as codes, for those kinds of vectors that have them.
    fn write_codes(&self, writer: &mut Writer, schema: &Schema) -> Result<()> {
        let kind = schema.metric().zip(schema.dimension());
        let Some((metric, dimension)) = kind else { return Ok(()) };
        let Some(stride) = int8::stride(metric, dimension) else { return Ok(()) };
        let mut values = vec![0f32; dimension];
        let mut codes = vec![0i8; stride];
        let mut factors = Vec::with_capacity(self.count as usize);
        writer.section(section::CODES)?;
        for (source, row) in self.iter() {
            for (value, bytes) in values.iter_mut().zip(source.vector_bytes(row)?.as_chunks::<4>().0) {
                *value = f32::from_le_bytes(*bytes);
            }
            let inverse_norm = if metric == Metric::Cosine { source.inverse_norm(row)? } else { 1.0 };
            factors.push(int8::encode(metric, &values, inverse_norm, &mut codes));
            writer.write(bytemuck::cast_slice(&codes))?;
        }
        writer.section(section::CODE_FACTORS)?;
        let columns: [fn(&Factors) -> f32; 3] = [|row| row.scale, |row| row.length, |row| row.error];
        columns.into_iter().try_for_each(|column| {
            let column: Vec<u8> = factors.iter().flat_map(|row| column(row).to_le_bytes()).collect();
            writer.write(&column)
        })
    }

    fn write_payloads(&self, writer: &mut Writer, schema: &Schema) -> Result<()> {
        let payloads: Vec<&[u8]> = self.iter().map(|(source, row)| source.payload(row)).collect::<Result<_>>()?;
        write_blocks(writer, section::PAYLOAD_OFFSETS, section::PAYLOAD_BYTES, &payloads)?;
        let mut blobs = Vec::new();
        for (row, bytes) in payloads.iter().enumerate() {
            for blob in payload::blobs(bytes).map_err(|_| Error::internal("a stored payload cannot be read"))? {
                blobs.put_u32(row as u32);
                blobs.extend_from_slice(&blob.0);
            }
        }
        if !blobs.is_empty() {
            writer.section(section::BLOBS)?;
            writer.write(&blobs)?;
        }
        fields::write(writer, schema, &payloads)
    }
}

/// Two sections: where each block begins (and the last one ends), and the blocks one after the other.
fn write_blocks(writer: &mut Writer, offsets: SectionId, bytes: SectionId, blocks: &[&[u8]]) -> Result<()> {
    writer.section(offsets)?;
    let mut offset = 0u64;
    for block in blocks {
        writer.write(&offset.to_le_bytes())?;
        offset += block.len() as u64;
    }
    writer.write(&offset.to_le_bytes())?;
    writer.section(bytes)?;
    blocks.iter().try_for_each(|block| writer.write(block))
}
