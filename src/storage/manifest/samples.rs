//! Manifests to test with.

use super::{
    BlobEntry, CollectionEntry, DeletionsEntry, ImportEntry, ImportedFile, IndexEntry, Manifest, SegmentEntry,
};
use crate::ids::{CollectionId, FileId, Lsn, MAX_NUMBER, StoreId};
use crate::storage::sections::FileRef;
use crate::storage::wal::WalRef;
use proptest::prelude::*;

/// One of everything.
pub(super) fn manifest() -> Manifest {
    let file = |id, length, footer_crc| FileRef { id: FileId(id), length, footer_crc };
    let index = Some(IndexEntry { file: file(16, 0x1100, 5), spec: "hnsw".into() });
    let deletions = DeletionsEntry { generation: 7, file: file(11, 0x1080, 2), count: 49 };
    Manifest {
        number: 5,
        store: StoreId([0xAB; 16]),
        next_file: 20,
        next_collection: 3,
        last_lsn: Lsn(12345),
        newest_time: -2,
        logs: vec![WalRef { file: FileId(9), salt: 0x0102_0304_0506_0708, first_lsn: Lsn(0x41) }],
        collections: vec![CollectionEntry {
            id: CollectionId(2),
            name: "docs".into(),
            schema: vec![1, 2, 3],
            flushed: Lsn(0x40),
            segments: vec![
                SegmentEntry { file: file(10, 0x1000, 0x1234_5678), rows: 100, deletions: None, index: None },
                SegmentEntry { file: file(11, 0x2000, 1), rows: 50, deletions: Some(deletions), index },
            ],
        }],
        blobs: vec![BlobEntry { file: file(12, 0x3000, 3), digest: [0xCD; 32], bytes: 0x1234 }],
        imports: vec![ImportEntry {
            collection: CollectionId(2),
            name: "x".into(),
            identity: "id".into(),
            lsn: Lsn(0x42),
            began: 7,
            rows: 60,
            files: vec![ImportedFile { file: file(15, 0x4000, 4), rows: 59 }],
        }],
    }
}

/// Any manifest that holds to the rules: file numbers are given in turn.
pub(super) fn any_manifest() -> impl Strategy<Value = Manifest> {
    let spec = prop::option::of("[a-z(=)]{0,20}");
    let segments = prop::collection::vec((any::<u64>(), any::<u32>(), any::<Option<u32>>(), spec), 0..4);
    let collections = prop::collection::vec(("[a-z]{1,40}", any::<Vec<u8>>(), any::<u64>(), segments), 0..5);
    let blobs = prop::collection::vec((any::<[u8; 32]>(), any::<u64>()), 0..4);
    let imports = prop::collection::vec((".{0,20}", any::<(u64, i64, u64)>(), 1..4u32), 0..4);
    (any::<(u64, [u8; 16], u64, i64)>(), 0..4u64, collections, blobs, imports).prop_map(
        |((number, store, last_lsn, newest_time), logs, collections, blobs, imports)| {
            let mut next_file = 0;
            let mut file = |length| {
                next_file += 1;
                FileRef { id: FileId(next_file - 1), length, footer_crc: length as u32 }
            };
            let logs = (0..logs).map(|n| WalRef { file: file(0).id, salt: n * 77, first_lsn: Lsn(n) }).collect();
            let mut entries = Vec::new();
            for (n, (name, schema, flushed, segments)) in collections.into_iter().enumerate() {
                let segment = |(length, rows, deleted, spec): (u64, u32, Option<u32>, Option<String>)| {
                    let index = spec.map(|spec| IndexEntry { file: file(length), spec });
                    let file = file(length);
                    let deletions = deleted.map(|deleted| DeletionsEntry {
                        generation: length,
                        file,
                        count: deleted.checked_rem(rows).unwrap_or(0),
                    });
                    SegmentEntry { file, rows, deletions, index }
                };
                let (id, name) = (CollectionId(n as u32), format!("{name}{n}"));
                let segments = segments.into_iter().map(segment).collect();
                let flushed = Lsn(flushed % MAX_NUMBER);
                entries.push(CollectionEntry { id, name, schema, flushed, segments });
            }
            let blobs =
                blobs.into_iter().map(|(digest, bytes)| BlobEntry { file: file(bytes), digest, bytes }).collect();
            let mut listed = Vec::new();
            for (n, (identity, (lsn, began, rows), files)) in imports.into_iter().enumerate() {
                let Some(last) = entries.len().checked_sub(1) else { break };
                let collection = CollectionId((n % (last + 1)) as u32);
                let files = (0..files).map(|rows| ImportedFile { file: file(lsn), rows }).collect();
                let (lsn, rows) = (Lsn(lsn % MAX_NUMBER), rows % MAX_NUMBER);
                listed.push(ImportEntry { collection, name: format!("{n}"), identity, lsn, began, rows, files });
            }
            Manifest {
                number: number % MAX_NUMBER,
                store: StoreId(store),
                next_file,
                next_collection: entries.len() as u32,
                last_lsn: Lsn(last_lsn % MAX_NUMBER),
                newest_time,
                logs,
                collections: entries,
                blobs,
                imports: listed,
            }
        },
    )
}
