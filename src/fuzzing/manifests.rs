//! Manifests: one that is accepted is written the same and read the same, from either copy.

use super::{Seed, store};
use crate::ids::{CollectionId, FileId, Lsn};
use crate::storage::checksum::crc32;
use crate::storage::manifest::{
    BlobEntry, CollectionEntry, DeletionsEntry, ImportEntry, ImportedFile, IndexEntry, Manifest, SegmentEntry,
};
use crate::storage::sections::FileRef;
use crate::storage::wal::WalRef;

/// Where a copy says how long its body is; its checksum and the body follow.
const LENGTH_AT: usize = 24;
const CRC_AT: usize = LENGTH_AT + 4;
const BODY_AT: usize = CRC_AT + 4;

/// Reads `data` as the bytes of a manifest file, as they are and with the checksum of the first copy mended.
pub fn manifest(data: &[u8]) {
    check(data);
    if let Some(mended) = mend(data) {
        check(&mended);
    }
}

fn check(file: &[u8]) {
    let Ok(manifest) = Manifest::decode(file) else { return };
    let Ok(written) = manifest.encode() else { panic!("what was read can be written: {manifest:?}") };
    let read = |bytes: &[u8]| Manifest::decode(bytes).ok();
    assert_eq!(read(&written).as_ref(), Some(&manifest), "a manifest is read as it was written");

    let mut first_lost = written.clone();
    first_lost[CRC_AT] ^= 1;
    assert_eq!(read(&first_lost).as_ref(), Some(&manifest), "the second copy stands in for the first");
    let mut second_lost = written;
    if let Some(last) = second_lost.last_mut() {
        *last ^= 1;
    }
    assert_eq!(read(&second_lost).as_ref(), Some(&manifest), "the first copy stands in for the second");
}

/// `data` with the checksum of its first copy made right, or else nobody would ever see what is behind it.
fn mend(data: &[u8]) -> Option<Vec<u8>> {
    let length = data.get(LENGTH_AT..)?.first_chunk().map(|length| u32::from_le_bytes(*length))? as usize;
    let body = data.get(BODY_AT..)?.get(..length)?;
    let crc = crc32(&[&data[..CRC_AT], body]);
    let mut mended = data.to_vec();
    mended[CRC_AT..BODY_AT].copy_from_slice(&crc.to_le_bytes());
    Some(mended)
}

pub(super) fn seeds() -> Vec<Seed> {
    let empty = Manifest {
        number: 1,
        store: store(),
        next_file: 1,
        next_collection: 1,
        last_lsn: Lsn(0),
        newest_time: 0,
        logs: Vec::new(),
        collections: Vec::new(),
        blobs: Vec::new(),
        imports: Vec::new(),
    };
    let file = |id| FileRef { id: FileId(id), length: 8192 + id, footer_crc: 0xC0FF_EE00 };
    let index = Some(IndexEntry { file: file(4), spec: "hnsw(m=24)".into() });
    let deletions = DeletionsEntry { generation: 3, file: file(2), count: 5 };
    let segments = vec![
        SegmentEntry { file: file(2), rows: 1000, deletions: Some(deletions), index },
        SegmentEntry { file: file(3), rows: 1, deletions: None, index: None },
    ];
    let collection = |id, name: &str, segments| CollectionEntry {
        id: CollectionId(id),
        name: name.to_owned(),
        schema: vec![1, 2, 3],
        flushed: Lsn(40),
        segments,
    };
    let full = Manifest {
        number: 17,
        next_file: 9,
        next_collection: 4,
        last_lsn: Lsn(44),
        newest_time: 1_700_000_000_000,
        logs: vec![
            WalRef { file: FileId(6), salt: 11, first_lsn: Lsn(41) },
            WalRef { file: FileId(7), salt: 12, first_lsn: Lsn(43) },
        ],
        collections: vec![collection(1, "items", segments), collection(3, "_models", Vec::new())],
        blobs: vec![BlobEntry { file: file(5), digest: [9; 32], bytes: 77 }],
        ..empty.clone()
    };
    let import = ImportEntry {
        collection: CollectionId(1),
        name: "train.npy".into(),
        identity: "4096 bytes".into(),
        lsn: Lsn(43),
        began: 1_700_000_000_000,
        rows: 12,
        files: vec![ImportedFile { file: file(8), rows: 11 }],
    };
    let importing = Manifest { imports: vec![import], ..full.clone() };
    let seed = |(name, manifest): (_, Manifest)| manifest.encode().ok().map(|bytes| Seed { name, bytes });
    [("empty", empty), ("full", full), ("importing", importing)].into_iter().filter_map(seed).collect()
}
