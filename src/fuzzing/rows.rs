//! Rows of a sealed segment: whatever stands in the sections, behind checksums that are right, reading answers or
//! refuses.

use std::sync::Arc;

use super::{Seed, store};
use crate::bytes::{Reader, Truncated, Write};
use crate::clock::Timestamp;
use crate::collection::view::CollectionView;
use crate::error::Result;
use crate::filter::Filter;
use crate::ids::{CollectionId, FileId, Lsn, RowId};
use crate::index::{self, Effort, Query, Scope, Vectors};
use crate::key::Key;
use crate::payload::{self, BlobId, Value};
use crate::pool::Pool;
use crate::schema::Schema;
use crate::segment::block::NewRow;
use crate::segment::columns::SegmentMeta;
use crate::segment::file::{Opener, SealedFile, SealedVectors};
use crate::segment::matching::matching;
use crate::segment::mutable::Mutable;
use crate::segment::seal::{Part, write_segment};
use crate::segment::sealed::Sealed;
use crate::segment::{Moment, RowSource};
use crate::storage::fs::{FileSystem, MemoryFs, ReadMode};
use crate::storage::manifest::SegmentEntry;
use crate::storage::names;
use crate::storage::sections::{Container, FileKind, FileRef, SectionId, Writer};
use crate::vector::VectorRef;
use crate::vector::metric::Metric;

/// Rows beyond this are not looked at one by one.
const MAX_ROWS: u32 = 200;
/// Segments of more rows are not filtered.
const MAX_FILTERED_ROWS: u32 = 100_000;
/// Sections of a segment have lower numbers.
const SECTIONS: u16 = 64;
/// The fewest numbers that get codes.
const DIMENSION: usize = 32;
const FILE: FileId = FileId(4);

/// Reads `data` as the sections of a segment: a block that is the header's fields, then pairs of a u16 and a block,
/// each a section's number and content.
pub fn rows(data: &[u8]) {
    let Ok((meta, contents)) = decode(data) else { return };
    let opener = opener();
    let Ok(file) = write(&opener, meta, &contents) else { return };
    let Ok(header) = SegmentMeta::decode(meta, "fuzzed") else { return };
    let entry = SegmentEntry { file, rows: header.rows, deletions: None, index: None };
    let Ok(segment) = Sealed::open(&opener, &schema(), &entry) else { return };
    read_everything(&segment);
}

fn read_everything(segment: &Sealed) {
    let view = CollectionView::new(CollectionId(1), "fuzzed", schema());
    let file = segment.file();
    let moment = Moment { lsn: Lsn(u64::MAX), now: Timestamp(0) };
    for row in (0..file.rows().min(MAX_ROWS)).map(RowId) {
        let _ = view.record(&**file, row);
        let _ = file.row_at(row.0);
        if let Ok(key) = file.key(row) {
            let _ = segment.find(key, moment);
            let _ = file.first_at_or_after(key);
        }
    }
    let _ = segment.find(&Key::from("nobody").encode(), moment);
    let _ = segment.count(moment);
    let _ = file.blobs();
    match_filters(file);
    if let Some(vectors) = file.vectors() {
        search(segment, &vectors, moment);
    }
    assert!(file.verify(&Pool::inline()).is_ok(), "the checksums are right");
}

/// Searches rows that may hold anything, by codes that may belong to others: whatever is found, nothing breaks.
fn search(segment: &Sealed, vectors: &SealedVectors<'_>, moment: Moment) {
    if let Ok(rows) = vectors.all(&Pool::inline()) {
        assert_eq!(rows.len(), segment.file().rows() as usize, "there is a vector for each row");
    }
    let Ok(live) = segment.live_at(moment) else { return };
    let scope = Scope { live: &live, count: None, order: &|a: RowId, b: RowId| a < b, stop: &|| false };
    let vector = [1.0; DIMENSION];
    let (vector, effort) = (VectorRef::F32(&vector), Effort::default());
    let query =
        Query { vector, metric: Metric::Cosine, k: 1, bound: f32::INFINITY, floor: None, without: None, effort };
    for queries in [&[query][..], &[query; 7]] {
        let _ = index::flat().search_many(vectors, queries, &scope, &Pool::inline());
    }
}

/// Whatever stands in the field indexes, filters find rows or refuse.
fn match_filters(file: &SealedFile) {
    // A segment of many rows that takes few bytes has no payloads to look at, and matching costs a bit for each row.
    if file.rows() > MAX_FILTERED_ROWS {
        return;
    }
    for text in
        ["number = 7", "number != 2 and lang like '%e%'", "lang in ['en', 'de'] or lang is missing", "@time < 5"]
    {
        let Ok(filter) = Filter::parse(text).and_then(|filter| filter.bind(Timestamp(0))) else { continue };
        let Ok(found) = matching(file, &filter, None, &|| false, &Pool::inline()) else { continue };
        assert!(found.rows.rows() == file.rows() && found.evaluated <= u64::from(file.rows()), "rows of the segment");
        let twice = found.by_index.iter().any(|name| found.by_payload.contains(name));
        assert!(!twice, "what an index answered was not read row by row");
    }
}

/// Sections, by their numbers.
type Contents<'a> = Vec<(SectionId, &'a [u8])>;

fn decode(data: &[u8]) -> Result<(&[u8], Contents<'_>), Truncated> {
    let mut reader = Reader::new(data);
    let meta = reader.block()?;
    let mut contents = Vec::new();
    while !reader.is_empty() {
        contents.push((SectionId(reader.u16()?), reader.block()?));
    }
    Ok((meta, contents))
}

fn write(opener: &Opener, meta: &[u8], contents: &[(SectionId, &[u8])]) -> Result<FileRef> {
    let mut writer = Writer::create(&opener.fs, &names::segment(FILE), FileKind::Segment, opener.store, FILE)?;
    for (id, bytes) in contents {
        writer.section(*id)?;
        writer.write(bytes)?;
    }
    writer.finish(meta)
}

fn opener() -> Opener {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFs::new());
    Opener { fs, store: store(), mode: ReadMode::Heap, condemned: Arc::default() }
}

fn schema() -> Schema {
    Schema::vector(DIMENSION, Metric::Cosine)
}

pub(super) fn seeds() -> Vec<Seed> {
    [seed("one", 1), seed("several", 20)].into_iter().flatten().collect()
}

/// The sections of a segment that was written in earnest.
fn seed(name: &'static str, rows: u32) -> Option<Seed> {
    let segment = Mutable::new(&schema());
    for number in 0..rows {
        let payload = match number % 3 {
            0 => Value::Blob(BlobId([number as u8; 32])),
            _ => Value::object([("number", Value::from(number)), ("lang", ["en", "de"][number as usize % 2].into())]),
        };
        let mut vector = [1.0; DIMENSION];
        vector[1] = number as f32;
        let row = NewRow {
            key: &Key::from(u64::from(number * 7919 % 101)).encode(),
            created: Timestamp(1),
            expires: if number % 5 == 4 { Timestamp(9) } else { Timestamp::NEVER },
            vector: VectorRef::F32(&vector).as_bytes(),
            payload: &payload::encode(&payload).ok()?,
        };
        segment.put(Lsn(u64::from(number) + 1), row);
    }
    let frozen = segment.freeze();
    let live = frozen.live_rows(Lsn(u64::MAX));
    let opener = opener();
    let parts = [Part { source: &frozen, rows: &live }];
    let written = write_segment(&opener.fs, opener.store, FILE, &schema(), &parts).ok()?;
    let (name_of_file, mode) = (names::segment(FILE), opener.mode);
    let container = Container::open(&opener.fs, &name_of_file, FileKind::Segment, opener.store, &written.file, mode);
    let container = container.ok()?;
    let mut bytes = Vec::new();
    bytes.put_block(container.meta());
    for id in (0..SECTIONS).map(SectionId) {
        if let Some(section) = container.find(id) {
            bytes.put_u16(id.0);
            bytes.put_block(section.all().ok()?);
        }
    }
    Some(Seed { name, bytes })
}
