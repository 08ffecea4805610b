//! A manifest as bytes: a short header and the body, twice. Frozen.

use super::{
    BlobEntry, CollectionEntry, DeletionsEntry, ImportEntry, ImportedFile, IndexEntry, MAX_FILE_BYTES, Manifest,
    SegmentEntry, damaged,
};
use crate::bytes::{Reader, Truncated, Write};
use crate::error::{Error, Result};
use crate::ids::{CollectionId, FileId, Lsn, StoreId};
use crate::storage::checksum::crc32;
use crate::storage::header::{PREAMBLE_BYTES, Preamble, put_preamble};
use crate::storage::sections::FileRef;
use crate::storage::wal::WalRef;

const LETTER: u8 = b'M';

/// Preamble, length of the body, checksum of all that and the body.
const HEADER_BYTES: usize = PREAMBLE_BYTES + 8;

/// What the second copy is aligned to, so that no sector holds bytes of both.
const COPY_ALIGNMENT: usize = 4096;

impl Manifest {
    /// The bytes of the file: the picture twice. Refuses to store one that [`Manifest::decode`] would not accept.
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        self.check().map_err(|wrong| Error::internal(format!("the new manifest is wrong: {wrong}")))?;
        let mut copy = Vec::new();
        put_preamble(&mut copy, LETTER);
        copy.resize(HEADER_BYTES, 0);
        self.put_body(&mut copy);
        let length = (copy.len() - HEADER_BYTES) as u64;
        if (copy.len() as u64).next_multiple_of(COPY_ALIGNMENT as u64) + copy.len() as u64 > MAX_FILE_BYTES {
            return Err(Error::invalid(format!(
                "the store's list of its files would take {length} bytes, twice; the file has at most {MAX_FILE_BYTES}"
            ))
            .mend("keep fewer blobs, collections and unfinished imports in one store"));
        }
        copy[PREAMBLE_BYTES..][..4].copy_from_slice(&(length as u32).to_le_bytes());
        let crc = crc32(&[&copy[..HEADER_BYTES - 4], &copy[HEADER_BYTES..]]);
        copy[HEADER_BYTES - 4..][..4].copy_from_slice(&crc.to_le_bytes());
        let mut bytes = copy.clone();
        bytes.resize(copy.len().next_multiple_of(COPY_ALIGNMENT), 0);
        bytes.extend_from_slice(&copy);
        Ok(bytes)
    }

    /// Reads the bytes of a file, from whichever copy is good.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Manifest> {
        let first = match decode_copy(bytes) {
            Ok((manifest, length)) => return check_twin(bytes, manifest, length),
            Err(error) => error,
        };
        // The length that says where the second copy is may be what is damaged. But it stands behind as many whole
        // blocks as it needs, up to the very end, and that is so at one place at most: only there is it looked for.
        (COPY_ALIGNMENT..bytes.len())
            .step_by(COPY_ALIGNMENT)
            .filter(|at| (bytes.len() - at).next_multiple_of(COPY_ALIGNMENT) == *at)
            .find_map(|at| {
                let (manifest, length) = decode_copy(&bytes[at..]).ok()?;
                (at + length == bytes.len()).then_some(manifest)
            })
            .ok_or(first)
    }

    fn put_body(&self, out: &mut Vec<u8>) {
        out.put_u64(self.number);
        out.extend_from_slice(&self.store.0);
        out.put_u64(self.next_file);
        out.put_u32(self.next_collection);
        out.put_u64(self.last_lsn.0);
        out.put_i64(self.newest_time);
        out.put_u32(self.logs.len() as u32);
        for log in &self.logs {
            out.put_u64(log.file.0);
            out.put_u64(log.salt);
            out.put_u64(log.first_lsn.0);
        }
        out.put_u32(self.collections.len() as u32);
        self.collections.iter().for_each(|collection| put_collection(out, collection));
        out.put_u32(self.blobs.len() as u32);
        for blob in &self.blobs {
            put_file(out, &blob.file);
            out.extend_from_slice(&blob.digest);
            out.put_u64(blob.bytes);
        }
        if !self.imports.is_empty() {
            out.put_u32(self.imports.len() as u32);
            self.imports.iter().for_each(|import| put_import(out, import));
        }
    }
}

/// What is wrong with one of the two copies in the bytes of a file, where the other is good.
pub(super) fn damaged_copy(bytes: &[u8]) -> Option<Error> {
    match decode_copy(bytes) {
        Err(error) => Some(damaged(format!("the first copy cannot be read: {error}"))),
        Ok((_, length)) => {
            let error = decode_copy(second_copy(bytes, length)).err()?;
            Some(damaged(format!("the second copy cannot be read: {error}")))
        }
    }
}

/// Reads the copy that `bytes` begin with; also says how long it is.
fn decode_copy(bytes: &[u8]) -> Result<(Manifest, usize)> {
    let mut reader = Reader::new(bytes);
    let read = |reader: &mut Reader<'_>| Ok((Preamble::read(reader)?, reader.u32()? as usize, reader.u32()?));
    let (preamble, length, crc) =
        read(&mut reader).map_err(|_: Truncated| damaged("the manifest is shorter than its header"))?;
    if !preamble.has_magic(LETTER) {
        return Err(damaged("the manifest does not begin as a manifest"));
    }
    let body = reader.take(length).map_err(|_| damaged("the manifest is cut short"))?;
    if crc32(&[&bytes[..HEADER_BYTES - 4], body]) != crc {
        return Err(damaged("the manifest's checksum does not match"));
    }
    preamble.check_readable("manifest")?;
    preamble.check_writable("manifest")?;
    let manifest = read_body(body).map_err(|Truncated { offset }| {
        damaged(format!("the manifest cannot be read at byte {} of a copy", HEADER_BYTES + offset))
    })?;
    manifest.check().map_err(|wrong| damaged(format!("the manifest contradicts itself: {wrong}")))?;
    Ok((manifest, HEADER_BYTES + length))
}

/// What should be the second copy, behind a first one of that length.
fn second_copy(bytes: &[u8], length: usize) -> &[u8] {
    bytes.get(length.next_multiple_of(COPY_ALIGNMENT)..).unwrap_or_default()
}

/// The copy at the start is good; if the other is good too, they must agree. It is read only where its bytes are
/// others, so that a large manifest is in memory once.
fn check_twin(bytes: &[u8], manifest: Manifest, length: usize) -> Result<Manifest> {
    let twin = second_copy(bytes, length);
    if twin.get(..length) == bytes.get(..length) {
        return Ok(manifest);
    }
    match decode_copy(twin) {
        Ok((twin, _)) if twin != manifest => Err(damaged("the two copies of the manifest differ, and both are whole")),
        _ => Ok(manifest),
    }
}

fn put_collection(out: &mut Vec<u8>, collection: &CollectionEntry) {
    out.put_u32(collection.id.0);
    out.put_block(collection.name.as_bytes());
    out.put_block(&collection.schema);
    out.put_u64(collection.flushed.0);
    out.put_u32(collection.segments.len() as u32);
    for segment in &collection.segments {
        put_file(out, &segment.file);
        out.put_u32(segment.rows);
        let deletions = u8::from(segment.deletions.is_some()) * HAS_DELETIONS;
        let index = u8::from(segment.index.is_some()) * HAS_INDEX;
        out.put_u8(deletions | index);
        if let Some(deletions) = &segment.deletions {
            out.put_u64(deletions.generation);
            put_file(out, &deletions.file);
            out.put_u32(deletions.count);
        }
        if let Some(index) = &segment.index {
            put_file(out, &index.file);
            out.put_block(index.spec.as_bytes());
        }
    }
}

fn put_import(out: &mut Vec<u8>, import: &ImportEntry) {
    out.put_u32(import.collection.0);
    out.put_block(import.name.as_bytes());
    out.put_block(import.identity.as_bytes());
    out.put_u64(import.lsn.0);
    out.put_i64(import.began);
    out.put_u64(import.rows);
    out.put_u32(import.files.len() as u32);
    for file in &import.files {
        put_file(out, &file.file);
        out.put_u32(file.rows);
    }
}

fn put_file(out: &mut Vec<u8>, file: &FileRef) {
    out.put_u64(file.id.0);
    out.put_u64(file.length);
    out.put_u32(file.footer_crc);
}

/// What a segment has beside its rows: bits of one byte.
const HAS_DELETIONS: u8 = 1;
const HAS_INDEX: u8 = 2;

/// The least bytes each entry takes, so that a count is held against what is left before anything is allocated.
const FILE_BYTES: usize = 20;
const LOG_BYTES: usize = 24;
const SEGMENT_BYTES: usize = FILE_BYTES + 5;
const COLLECTION_BYTES: usize = 24;
const BLOB_BYTES: usize = FILE_BYTES + 40;
const IMPORT_BYTES: usize = 40;
const IMPORTED_FILE_BYTES: usize = FILE_BYTES + 4;

fn read_body(body: &[u8]) -> Result<Manifest, Truncated> {
    let reader = &mut Reader::new(body);
    let manifest = Manifest {
        number: reader.u64()?,
        store: StoreId(reader.array()?),
        next_file: reader.u64()?,
        next_collection: reader.u32()?,
        last_lsn: Lsn(reader.u64()?),
        newest_time: reader.i64()?,
        logs: read_list(reader, LOG_BYTES, read_log)?,
        collections: read_list(reader, COLLECTION_BYTES, read_collection)?,
        blobs: read_list(reader, BLOB_BYTES, read_blob)?,
        imports: read_imports(reader)?,
    };
    match reader.is_empty() {
        true => Ok(manifest),
        false => Err(Truncated { offset: reader.offset() }),
    }
}

type Read<T> = fn(&mut Reader<'_>) -> Result<T, Truncated>;

fn read_list<T>(reader: &mut Reader<'_>, item_bytes: usize, read: Read<T>) -> Result<Vec<T>, Truncated> {
    let count = reader.count(item_bytes)?;
    // Growing step by step would take three times as much.
    let mut list = Vec::with_capacity(count);
    for _ in 0..count {
        list.push(read(reader)?);
    }
    Ok(list)
}

fn read_log(reader: &mut Reader<'_>) -> Result<WalRef, Truncated> {
    Ok(WalRef { file: FileId(reader.u64()?), salt: reader.u64()?, first_lsn: Lsn(reader.u64()?) })
}

fn read_collection(reader: &mut Reader<'_>) -> Result<CollectionEntry, Truncated> {
    Ok(CollectionEntry {
        id: CollectionId(reader.u32()?),
        name: read_text(reader)?,
        schema: reader.block()?.to_vec(),
        flushed: Lsn(reader.u64()?),
        segments: read_list(reader, SEGMENT_BYTES, read_segment)?,
    })
}

fn read_segment(reader: &mut Reader<'_>) -> Result<SegmentEntry, Truncated> {
    let (file, rows) = (read_file_ref(reader)?, reader.u32()?);
    let offset = reader.offset();
    let parts = reader.u8()?;
    if parts & !(HAS_DELETIONS | HAS_INDEX) != 0 {
        return Err(Truncated { offset });
    }
    let has = |part: u8| parts & part != 0;
    let deletions = has(HAS_DELETIONS).then(|| read_deletions(reader)).transpose()?;
    let index = has(HAS_INDEX).then(|| read_index(reader)).transpose()?;
    Ok(SegmentEntry { file, rows, deletions, index })
}

fn read_deletions(reader: &mut Reader<'_>) -> Result<DeletionsEntry, Truncated> {
    Ok(DeletionsEntry { generation: reader.u64()?, file: read_file_ref(reader)?, count: reader.u32()? })
}

fn read_index(reader: &mut Reader<'_>) -> Result<IndexEntry, Truncated> {
    Ok(IndexEntry { file: read_file_ref(reader)?, spec: read_text(reader)? })
}

fn read_blob(reader: &mut Reader<'_>) -> Result<BlobEntry, Truncated> {
    Ok(BlobEntry { file: read_file_ref(reader)?, digest: reader.array()?, bytes: reader.u64()? })
}

/// The list is left out where it is empty.
fn read_imports(reader: &mut Reader<'_>) -> Result<Vec<ImportEntry>, Truncated> {
    if reader.is_empty() {
        return Ok(Vec::new());
    }
    let offset = reader.offset();
    let imports = read_list(reader, IMPORT_BYTES, read_import)?;
    if imports.is_empty() { Err(Truncated { offset }) } else { Ok(imports) }
}

fn read_import(reader: &mut Reader<'_>) -> Result<ImportEntry, Truncated> {
    Ok(ImportEntry {
        collection: CollectionId(reader.u32()?),
        name: read_text(reader)?,
        identity: read_text(reader)?,
        lsn: Lsn(reader.u64()?),
        began: reader.i64()?,
        rows: reader.u64()?,
        files: read_list(reader, IMPORTED_FILE_BYTES, |reader| {
            Ok(ImportedFile { file: read_file_ref(reader)?, rows: reader.u32()? })
        })?,
    })
}

fn read_text(reader: &mut Reader<'_>) -> Result<String, Truncated> {
    let offset = reader.offset();
    std::str::from_utf8(reader.block()?).map(str::to_owned).map_err(|_| Truncated { offset })
}

fn read_file_ref(reader: &mut Reader<'_>) -> Result<FileRef, Truncated> {
    Ok(FileRef { id: FileId(reader.u64()?), length: reader.u64()?, footer_crc: reader.u32()? })
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use crate::error::ErrorKind;
    use proptest::prelude::*;

    #[rustfmt::skip]
    const BODY: &[&[u8]] = &[
        &[5, 0, 0, 0, 0, 0, 0, 0],                              // number
        &[0xAB; 16],                                            // store
        &[20, 0, 0, 0, 0, 0, 0, 0],                             // next file
        &[3, 0, 0, 0],                                          // next collection
        &[0x39, 0x30, 0, 0, 0, 0, 0, 0],                        // last position: 12345
        &[0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],      // newest time: -2
        &[1, 0, 0, 0],                                          // one log:
        &[9, 0, 0, 0, 0, 0, 0, 0],                              //   file
        &[8, 7, 6, 5, 4, 3, 2, 1],                              //   salt
        &[0x41, 0, 0, 0, 0, 0, 0, 0],                           //   first position
        &[1, 0, 0, 0],                                          // one collection:
        &[2, 0, 0, 0],                                          //   number
        &[4, 0, 0, 0, b'd', b'o', b'c', b's'],                  //   name
        &[3, 0, 0, 0, 1, 2, 3],                                 //   schema
        &[0x40, 0, 0, 0, 0, 0, 0, 0],                           //   flushed
        &[2, 0, 0, 0],                                          //   two segments:
        &[10, 0, 0, 0, 0, 0, 0, 0],                             //     file
        &[0, 0x10, 0, 0, 0, 0, 0, 0],                           //     length
        &[0x78, 0x56, 0x34, 0x12],                              //     footer's checksum
        &[100, 0, 0, 0, 0],                                     //     rows, no deletions
        &[11, 0, 0, 0, 0, 0, 0, 0],
        &[0, 0x20, 0, 0, 0, 0, 0, 0],
        &[1, 0, 0, 0],
        &[50, 0, 0, 0, 3],                                      //     rows, deletions and index:
        &[7, 0, 0, 0, 0, 0, 0, 0],                              //       generation
        &[11, 0, 0, 0, 0, 0, 0, 0],                             //       file, length, checksum
        &[0x80, 0x10, 0, 0, 0, 0, 0, 0],
        &[2, 0, 0, 0],
        &[49, 0, 0, 0],                                         //       rows deleted
        &[16, 0, 0, 0, 0, 0, 0, 0],                             //       file, length, checksum
        &[0, 0x11, 0, 0, 0, 0, 0, 0],
        &[5, 0, 0, 0],
        &[4, 0, 0, 0, b'h', b'n', b's', b'w'],                  //       what it was built as
        &[1, 0, 0, 0],                                          // one blob:
        &[12, 0, 0, 0, 0, 0, 0, 0],                             //   file, length, checksum
        &[0, 0x30, 0, 0, 0, 0, 0, 0],
        &[3, 0, 0, 0],
        &[0xCD; 32],                                            //   digest
        &[0x34, 0x12, 0, 0, 0, 0, 0, 0],                        //   bytes of content
        &[1, 0, 0, 0],                                          // one import:
        &[2, 0, 0, 0],                                          //   collection
        &[1, 0, 0, 0, b'x'],                                    //   name
        &[2, 0, 0, 0, b'i', b'd'],                              //   identity
        &[0x42, 0, 0, 0, 0, 0, 0, 0],                           //   position
        &[7, 0, 0, 0, 0, 0, 0, 0],                              //   begun
        &[60, 0, 0, 0, 0, 0, 0, 0],                             //   records put
        &[1, 0, 0, 0],                                          //   one file:
        &[15, 0, 0, 0, 0, 0, 0, 0],                             //     file, length, checksum
        &[0, 0x40, 0, 0, 0, 0, 0, 0],
        &[4, 0, 0, 0],
        &[59, 0, 0, 0],                                         //     rows
    ];

    #[test]
    fn the_layout_never_changes() {
        let body = BODY.concat();
        let mut copy = vec![0x89, b'D', b'L', b'M', 0x0D, 0x0A, 0x1A, 0x0A, 1, 0, 0, 0];
        copy.extend([0; 12]);
        copy.extend([body.len() as u8, (body.len() >> 8) as u8, 0, 0]);
        copy.extend(GOLDEN_CRC.to_le_bytes());
        copy.extend(body);
        let mut file = copy.clone();
        file.resize(4096, 0);
        file.extend(copy);
        let encoded = samples::manifest().encode().unwrap();
        assert!(encoded == file, "{:02x?}", &encoded[..64]);
        assert_eq!(Manifest::decode(&file).unwrap(), samples::manifest());
    }

    const GOLDEN_CRC: u32 = 0x482B_CAF4;

    #[test]
    fn without_imports_there_is_no_list_of_them() {
        let with = samples::manifest();
        let without = Manifest { imports: Vec::new(), ..samples::manifest() };
        let length = |manifest: &Manifest| manifest.encode().unwrap().len() - 4096;
        assert_eq!(length(&with) - length(&without), BODY[BODY.len() - 12..].concat().len());
        assert_eq!(Manifest::decode(&without.encode().unwrap()).unwrap(), without);
    }

    #[test]
    fn any_one_damaged_byte_is_mended_by_the_other_copy() {
        let manifest = samples::manifest();
        let bytes = manifest.encode().unwrap();
        for at in 0..bytes.len() {
            for flip in [1, 0xFF] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                assert_eq!(Manifest::decode(&damaged).unwrap(), manifest, "byte {at}");
            }
        }
    }

    #[test]
    fn both_copies_damaged_is_an_error() {
        let bytes = samples::manifest().encode().unwrap();
        for (first, second) in [(0, 4096), (8, 4096 + 70), (24, 4096 + 28), (100, 4096 + 24)] {
            let mut damaged = bytes.clone();
            damaged[first] ^= 4;
            damaged[second] ^= 4;
            assert_eq!(Manifest::decode(&damaged).unwrap_err().kind(), ErrorKind::Corrupt);
        }
    }

    #[test]
    fn a_file_cut_short_is_whole_in_its_first_copy_or_an_error() {
        let manifest = samples::manifest();
        let bytes = manifest.encode().unwrap();
        let copy_bytes = bytes.len() - 4096;
        for length in 0..bytes.len() {
            match Manifest::decode(&bytes[..length]) {
                Ok(found) => assert!(found == manifest && length >= copy_bytes),
                Err(error) => assert!(error.kind() == ErrorKind::Corrupt && length < copy_bytes, "{length}: {error}"),
            }
        }
    }

    #[test]
    fn a_large_file_that_looks_like_a_copy_everywhere_is_refused_soon() {
        let mut bytes = vec![0; 64 << 20];
        let end = bytes.len();
        for at in (0..end).step_by(COPY_ALIGNMENT) {
            let mut header = Vec::new();
            put_preamble(&mut header, LETTER);
            header.put_u32((end - at - HEADER_BYTES) as u32);
            bytes[at..][..header.len()].copy_from_slice(&header);
        }
        let start = std::time::Instant::now();
        assert_eq!(Manifest::decode(&bytes).unwrap_err().kind(), ErrorKind::Corrupt);
        // Checking a copy at every block takes minutes.
        assert!(start.elapsed().as_secs() < 10);
    }

    #[test]
    fn a_manifest_of_many_blocks_has_its_copy_behind_them() {
        let mut manifest = samples::manifest();
        manifest.collections[0].schema = vec![7; 9000];
        let mut bytes = manifest.encode().unwrap();
        assert!((5 * 4096..6 * 4096).contains(&bytes.len()));
        bytes[24] ^= 1;
        assert_eq!(Manifest::decode(&bytes).unwrap(), manifest);
    }

    #[test]
    fn a_list_takes_no_more_memory_than_its_entries() {
        let mut manifest = samples::manifest();
        let blob = manifest.blobs[0];
        manifest.blobs =
            (0..1000).map(|id| BlobEntry { file: FileRef { id: FileId(100 + id), ..blob.file }, ..blob }).collect();
        manifest.next_file = 2000;
        let read = Manifest::decode(&manifest.encode().unwrap()).unwrap();
        assert_eq!((read.blobs.len(), read.blobs.capacity()), (1000, 1000));
    }

    #[test]
    fn a_whole_copy_inside_a_body_is_not_taken_for_the_second() {
        // Somebody keeps the bytes of another manifest in a schema, at the start of a block.
        let inner = Manifest { number: 4, ..samples::manifest() }.encode().unwrap();
        let mut outer = samples::manifest();
        outer.collections[0].schema = vec![0xEE; 4096 * 2];
        let at = outer.encode().unwrap().windows(64).position(|window| window == [0xEE; 64]).unwrap();
        let inner_copy = &inner[4096..];
        outer.collections[0].schema[4096 - at..][..inner_copy.len()].copy_from_slice(inner_copy);
        let mut bytes = outer.encode().unwrap();
        assert_eq!(&bytes[4096..][..inner_copy.len()], inner_copy);
        bytes[0] ^= 1;
        assert_eq!(Manifest::decode(&bytes).unwrap(), outer);
    }

    #[test]
    fn copies_that_differ_are_an_error() {
        let mut bytes = samples::manifest().encode().unwrap();
        let other = Manifest { number: 6, ..samples::manifest() }.encode().unwrap();
        bytes[4096..].copy_from_slice(&other[4096..]);
        assert!(Manifest::decode(&bytes).unwrap_err().to_string().contains("differ"));
    }

    /// The sample with one byte of both copies changed and the checksums made to fit.
    fn edited(at: usize, value: u8) -> Vec<u8> {
        let mut copy = samples::manifest().encode().unwrap().split_off(4096);
        copy[at] = value;
        let crc = crc32(&[&copy[..HEADER_BYTES - 4], &copy[HEADER_BYTES..]]);
        copy[HEADER_BYTES - 4..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
        let mut bytes = copy.clone();
        bytes.resize(4096, 0);
        bytes.extend(copy);
        bytes
    }

    #[test]
    fn versions_and_flags_unknown_here_are_refused() {
        for at in [8, 16, 20] {
            assert_eq!(Manifest::decode(&edited(at, 9)).unwrap_err().kind(), ErrorKind::Version, "byte {at}");
        }
        for at in [10, 12] {
            assert!(Manifest::decode(&edited(at, 9)).is_ok(), "byte {at}");
        }
    }

    #[test]
    fn every_rule_is_checked_behind_a_good_checksum() {
        // Any one byte of the body may change: what is accepted then can be written again.
        for at in HEADER_BYTES..samples::manifest().encode().unwrap().len() - 4096 {
            for value in [0, 1, 2, 0x7F, 0xFF] {
                match Manifest::decode(&edited(at, value)) {
                    Ok(manifest) => drop(manifest.encode().unwrap()),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "byte {at}"),
                }
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(manifest in samples::any_manifest()) {
            let bytes = manifest.encode().unwrap();
            prop_assert_eq!(Manifest::decode(&bytes).unwrap(), manifest);
        }

        #[test]
        fn any_bytes_are_a_manifest_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            prop_assert!(Manifest::decode(&bytes).is_err());
            // Behind a good header, too.
            let mut copy = Vec::new();
            put_preamble(&mut copy, LETTER);
            copy.put_u32(bytes.len() as u32);
            copy.put_u32(crc32(&[&copy, &bytes]));
            copy.extend(&bytes);
            if let Ok(manifest) = Manifest::decode(&copy) {
                manifest.encode().unwrap();
            }
        }
    }
}
