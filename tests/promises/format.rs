//! The files of a store are what docs/FORMAT.md says: this reads them by that page alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use driftline::{Database, Durability, Maintenance, ManualClock, Metric, Options, Record, Schema, Timestamp, json};
use xxhash_rust::xxh3::xxh3_64;

const PAGE: usize = 4096;
const NEVER: i64 = i64::MAX;
const NOW: i64 = 1_000_000;

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn u64s(bytes: &[u8]) -> Vec<u64> {
    (0..bytes.len() / 8).map(|index| u64_at(bytes, index * 8)).collect()
}

fn i64s(bytes: &[u8]) -> Vec<i64> {
    u64s(bytes).into_iter().map(|value| value as i64).collect()
}

fn f32s(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks(4).map(|value| f32::from_le_bytes(value.try_into().unwrap())).collect()
}

/// The one file of the store whose name begins with `prefix`.
fn only(store: &Path, prefix: &str) -> (String, Vec<u8>) {
    let names = fs::read_dir(store).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: Vec<_> = names.filter(|name| name.starts_with(prefix)).collect();
    assert_eq!(names.len(), 1, "{prefix}: {names:?}");
    (names[0].clone(), fs::read(store.join(&names[0])).unwrap())
}

/// Meta bytes and sections of a container, every checksum verified.
fn container(file: &[u8], letter: u8, kind: u8) -> (Vec<u8>, BTreeMap<u16, Vec<u8>>) {
    let magic = [0x89, b'D', b'L', letter, 0x0D, 0x0A, 0x1A, 0x0A];
    assert_eq!(file[..8], magic);
    assert_eq!(file[8..24], [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(u32_at(file, PAGE - 4), crc32fast::hash(&file[..PAGE - 4]));
    assert_eq!((file[48], file[49]), (kind, 0));
    let meta = file[64..][..usize::from(u16::from_le_bytes([file[50], file[51]]))].to_vec();

    let footer_at = file.len() - 64;
    let footer = &file[footer_at..];
    assert_eq!(u32_at(footer, 60), crc32fast::hash(&footer[..60]));
    assert_eq!((u64_at(footer, 32), u64_at(footer, 40)), (file.len() as u64, u64_at(file, 40)));
    assert_eq!((footer[48..56].to_vec(), u32_at(footer, 24)), (magic.to_vec(), u32_at(file, PAGE - 4)));
    let (index_at, contents_at) = (u64_at(footer, 0) as usize, u64_at(footer, 8) as usize);
    assert_eq!(u32_at(footer, 20), crc32fast::hash(&file[index_at..footer_at]));

    let mut sections = BTreeMap::new();
    for entry in file[contents_at..][..u32_at(footer, 16) as usize].chunks(32) {
        let (at, length, checksums_at) = (u64_at(entry, 8) as usize, u64_at(entry, 16) as usize, u64_at(entry, 24));
        let section = &file[at..at + length];
        for (number, chunk) in section.chunks(65536).enumerate() {
            assert_eq!(u32_at(file, checksums_at as usize + 4 * number), crc32fast::hash(chunk));
        }
        sections.insert(u16::from_le_bytes([entry[0], entry[1]]), section.to_vec());
    }
    (meta, sections)
}

fn open(path: &Path) -> Database {
    let clock = std::sync::Arc::new(ManualClock::new(Timestamp(NOW)));
    Options::new().maintenance(Maintenance::Manual).clock(clock).open(path).unwrap()
}

/// A store of three rows, of which one was deleted later; one expires and one names a blob.
fn store(path: &Path) -> Database {
    let db = open(path);
    let items = db.create_collection("items", Schema::vector(2, Metric::Cosine)).unwrap();
    let blob = db.put_blob(&b"content"[..]).unwrap();
    items.put(Record::new("b").vector([3.0, 4.0]).payload(json!({"file": {"$blob": blob.to_string()}}))).unwrap();
    items.put(Record::new(7u64).vector([0.0, 2.0]).expires_in(Duration::from_secs(1))).unwrap();
    items.put(Record::new(vec![0xFFu8]).vector([1.0, 0.0]).payload("x")).unwrap();
    db.flush().unwrap();
    items.delete("b").unwrap();
    db.flush().unwrap();
    db
}

#[test]
fn a_segment_is_what_the_page_says() {
    let dir = tempfile::tempdir().unwrap();
    drop(store(dir.path()));
    let (name, file) = only(dir.path(), "seg-");
    assert_eq!(name, format!("seg-{}", u64_at(&file, 40)));
    let (meta, sections) = container(&file, b'S', 1);

    assert_eq!((meta.len(), u32_at(&meta, 0), u32_at(&meta, 4)), (48, 3, 8));
    assert_eq!(i64s(&meta[8..]), [1, 3, NOW, NOW, NEVER]);
    assert_eq!(sections.keys().copied().collect::<Vec<_>>(), (1..=12).collect::<Vec<u16>>());
    assert_eq!(u64s(&sections[&1]), [0, 2, 11, 13]);
    assert_eq!(sections[&2], [2, b'b', 1, 0, 0, 0, 0, 0, 0, 0, 7, 3, 0xFF]);
    assert_eq!(sections[&3], [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0]);
    assert_eq!(sections[&4], bloom(&[&[2, b'b'], &[1, 0, 0, 0, 0, 0, 0, 0, 7], &[3, 0xFF]]));
    assert_eq!(u64s(&sections[&5]), [1, 2, 3]);
    assert_eq!(i64s(&sections[&6]), [NOW; 3]);
    assert_eq!(i64s(&sections[&7]), [NEVER, NOW + 1_000_000, NEVER]);
    assert_eq!(f32s(&sections[&8]), [3.0, 4.0, 0.0, 2.0, 1.0, 0.0]);
    assert_eq!(f32s(&sections[&9]), [0.2, 0.5, 1.0]);
    let payloads = [&sections[&11][..u64_at(&sections[&10], 8) as usize], &[0], &[6, 1, 0, 0, 0, b'x']];
    assert_eq!(sections[&11], payloads.concat());
    assert_eq!(u64s(&sections[&10])[2..], [payloads[0].len() as u64 + 1, payloads[0].len() as u64 + 7]);
    // The digest is the last thing in the payload that names it.
    let digest = &payloads[0][payloads[0].len() - 32..];
    assert_eq!(sections[&12], [&[0, 0, 0, 0], digest].concat());
}

#[test]
fn field_indexes_are_what_the_page_says() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let items = db.create_collection("items", Schema::payload_only()).unwrap();
    let payload =
        |row: u64| json!({"in": {"lang": if row.is_multiple_of(2) { "en" } else { "de" }}, "price": row as f64 / 2.0});
    items.put_all((0..40u64).map(|row| Record::new(row).payload(payload(row)))).unwrap();
    db.flush().unwrap();
    drop(db);
    let (_, sections) = container(&only(dir.path(), "seg-").1, b'S', 1);
    let (directory, indexes) = (&sections[&20], &sections[&21]);

    // Two fields, seen equally often, in the order of their names: `in.lang`, then `price`.
    let lang_bytes = u64_at(directory, 30);
    let names = [&[2, 0, 0, 0][..], &[2, 0, 0, 0, 2, 0, 0, 0], b"in", &[4, 0, 0, 0], b"lang"].concat();
    assert_eq!(directory[..22], names);
    assert_eq!(u64_at(directory, 22), 0);
    assert_eq!(directory[38..51], [&[1, 0, 0, 0, 5, 0, 0, 0][..], b"price"].concat());
    assert_eq!((u64_at(directory, 51), u64_at(directory, 59)), (lang_bytes, indexes.len() as u64));
    assert_eq!(directory.len(), 67);

    for (index, form, values, value_bytes) in
        [(&indexes[..lang_bytes as usize], 1, 2, 14), (&indexes[lang_bytes as usize..], 2, 40, 40 * 9)]
    {
        let head: Vec<usize> = (0..7).map(|number| u32_at(index, 4 * number) as usize).collect();
        assert_eq!((head[0], head[1], head[5]), (form, values, value_bytes));
        let bitmaps = head[2] + head[3] + head[4];
        assert_eq!(index.len(), 28 + bitmaps + 8 * values + head[5] + head[6]);
        let ends = 28 + bitmaps;
        let lists = ends + 8 * values + value_bytes;
        assert_eq!(u32_at(index, ends + 4 * (values - 1)) as usize, value_bytes);
        assert_eq!(u32_at(index, ends + 8 * values - 4) as usize, head[6]);
        if form == 2 {
            // Prices ascend with the rows.
            assert_eq!(index[lists..], (0..40u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>());
        } else {
            // A Roaring bitmap of 20 rows: cookie, one container, its key and size, its offset, the odd rows.
            let odd: Vec<u8> = (0..20u16).flat_map(|row| (2 * row + 1).to_le_bytes()).collect();
            let expected = [&[0x3A, 0x30, 0, 0, 1, 0, 0, 0, 0, 0, 19, 0, 16, 0, 0, 0][..], &odd].concat();
            assert_eq!(index[lists..lists + expected.len()], expected);
        }
    }
}

#[test]
fn codes_are_what_the_page_says() {
    for metric in [Metric::L2, Metric::Dot, Metric::L1, Metric::Cosine] {
        let dir = tempfile::tempdir().unwrap();
        let db = open(dir.path());
        let items = db.create_collection("items", Schema::vector(33, metric)).unwrap();
        let rows: Vec<Vec<f32>> = (1..4).map(|row| (0..33).map(|at| (at * row % 17) as f32 - 5.5).collect()).collect();
        items.put_all(rows.iter().enumerate().map(|(key, row)| Record::new(key as u64).vector(&row[..]))).unwrap();
        db.flush().unwrap();
        drop(db);
        let (_, sections) = container(&only(dir.path(), "seg-").1, b'S', 1);
        let factors = f32s(&sections[&14]);
        assert_eq!((sections[&13].len(), factors.len()), (3 * 48, 9));
        for (number, row) in rows.iter().enumerate() {
            let codes: Vec<f64> =
                sections[&13][number * 48..][..48].iter().map(|code| f64::from(*code as i8)).collect();
            let [scale, length, error] = [0, 3, 6].map(|column| f64::from(factors[column + number]));
            let inverse_norm = if metric == Metric::Cosine { f32s(&sections[&9])[number].into() } else { 1.0 };
            let norm = |values: &mut dyn Iterator<Item = f64>| match metric {
                Metric::L1 => values.map(f64::abs).sum::<f64>(),
                _ => values.map(|value| value * value).sum::<f64>().sqrt(),
            };
            assert_eq!(codes[33..], [0.0; 15]);
            assert!((length / norm(&mut codes.iter().map(|code| code * scale)) - 1.0).abs() < 1e-6);
            let mut missed = row.iter().zip(&codes).map(|(x, code)| f64::from(*x) * inverse_norm - code * scale);
            let truth = norm(&mut missed) * (1.0 + 2f64.powi(-19));
            assert!(error >= truth && error <= truth * 1.00001 && error < length * 0.01, "{metric} {error} {truth}");
        }
    }
}

/// The filter of fewer than 52 keys: one block.
fn bloom(keys: &[&[u8]]) -> Vec<u8> {
    let mut words = [0u32; 16];
    for key in keys {
        let spread = (xxh3_64(key) & 0xFFFF_FFFF).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        for probe in 0..7 {
            let bits = (spread >> (9 * probe)) % 512;
            words[(bits / 32) as usize] |= 1 << (bits % 32);
        }
    }
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

#[test]
fn deletions_and_blobs_are_what_the_page_says() {
    let dir = tempfile::tempdir().unwrap();
    drop(store(dir.path()));
    let (name, file) = only(dir.path(), "del-");
    let (meta, sections) = container(&file, b'D', 2);
    assert_eq!(name, format!("del-{}-{}", u64_at(&file, 40), u64_at(&meta, 8)));
    assert_eq!((meta.len(), u32_at(&meta, 0), u32_at(&meta, 4)), (16, 3, 1));
    assert_eq!(sections, BTreeMap::from([(1, vec![1, 0, 0, 0, 0, 0, 0, 0])]));

    let (name, file) = only(dir.path(), "blob-");
    let (meta, sections) = container(&file, b'B', 3);
    assert_eq!(name, format!("blob-{}", u64_at(&file, 40)));
    // SHA-256 of "content", computed by another program.
    let digest = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73";
    assert_eq!(meta[..32].iter().map(|byte| format!("{byte:02x}")).collect::<String>(), digest);
    assert_eq!(meta[32..], [7, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(sections, BTreeMap::from([(1, b"content".to_vec())]));
}

#[test]
fn an_index_is_what_the_page_says() {
    for (index, kind) in [("hnsw", 1), ("lsh(tables=2)", 2)] {
        let dir = tempfile::tempdir().unwrap();
        let db = Options::new().maintenance(Maintenance::Manual).index_min_rows(1).open(dir.path()).unwrap();
        let schema = Schema::vector(4, Metric::L2).index(index.parse().unwrap());
        let items = db.create_collection("items", schema).unwrap();
        items.put_all((0..50u64).map(|row| Record::new(row).vector([row as f32, 1.0, 2.0, 3.0]))).unwrap();
        db.flush().unwrap();
        assert!(items.wait_indexed(Duration::MAX).unwrap());
        drop(db);
        let (name, file) = only(dir.path(), "idx-");
        let (meta, sections) = container(&file, b'I', 4);
        assert_eq!(name, format!("idx-{}", u64_at(&file, 40)));
        assert_eq!((meta.len(), u32_at(&meta, 8)), (12, 50));
        assert_eq!(only(dir.path(), "seg-").0, format!("seg-{}", u64_at(&meta, 0)));
        assert_eq!(sections[&1][0], kind, "{index}");
    }
}

#[test]
fn a_logged_batch_is_what_the_page_says() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let items = db.create_collection("items", Schema::vector(1, Metric::L2)).unwrap();
    let batch = db.batch().put(&items, Record::new("k").vector([1.0])).delete(&items, 9u64);
    batch.durability(Durability::Commit).commit().unwrap();
    let (_, log) = only(dir.path(), "wal-");
    let group = &log[PAGE..];
    let effects: &[&[u8]] = &[
        &[1, 1, 0, 0, 0, 2, 0, 0, 0, 2, b'k'],
        &NOW.to_le_bytes(),
        &NEVER.to_le_bytes(),
        &[4, 0, 0, 0, 0, 0, 0x80, 0x3F, 1, 0, 0, 0, 0],
        &[2, 1, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9],
    ];
    let effects = effects.concat();
    assert_eq!(&group[..4], b"DLgr");
    assert_eq!((u64_at(group, 16), u32_at(group, 40), u32_at(group, 48)), (1, 1, effects.len() as u32 + 12));
    assert_eq!((u64_at(group, 64), u32_at(group, 72)), (1, effects.len() as u32));
    assert_eq!(group[76..][..effects.len()], effects);
}
