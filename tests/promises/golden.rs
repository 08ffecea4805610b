//! A store that was written once can be read ever after: each major version of the format has stores in
//! `tests/fixtures/golden-<version>`, one that was closed and one that was killed, and what they hold is read as it was.
//!
//! `DRIFTLINE_WRITE_GOLDEN=1 cargo test --test promises golden` writes those of [`VERSION`] anew: once, when there is a
//! new version. Those of older ones stay as they are.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use driftline::{
    BlobId, Database, Import, Maintenance, ManualClock, Metric, MigrateOptions, Options, Record, SalvageOptions,
    Schema, Timestamp, Value, Vector, VerifyLevel, json, migrate, salvage,
};
use serde_json::Value as Json;

use super::support::reading::{blob, read};

/// The version of the format that is written now.
const VERSION: u32 = 1;
const KINDS: [&str; 2] = ["closed", "killed"];
const NOW: Timestamp = Timestamp(1_000_000);

fn options() -> Options {
    let clock = Arc::new(ManualClock::new(NOW));
    Options::new().maintenance(Maintenance::Manual).index_min_rows(1).clock(clock).seed(41).free_disk_reserve_bytes(0)
}

fn folder(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/golden-{version}"))
}

/// Every collection, record, index, unfinished import and blob.
fn describe(db: &Database, blobs: &[BlobId]) -> Json {
    // All ways of reading agree.
    read(db).unwrap();
    let mut collections = BTreeMap::new();
    for stats in db.stats().unwrap().collections {
        let collection = db.collection(&stats.name).unwrap();
        let records: Vec<Record> = collection.scan().map(|record| record.unwrap()).collect();
        let indexes = stats.indexes.iter().map(|it| json!({"kind": it.kind, "layout": it.layout, "rows": it.rows}));
        let told = json!({
            "schema": stats.schema,
            "records": records,
            "indexes": indexes.collect::<Vec<_>>(),
            "imports": collection.pending_imports().unwrap(),
        });
        collections.insert(stats.name, told);
    }
    let content = |id: &BlobId| (id.to_string(), blob(db, *id).unwrap());
    json!({"collections": collections, "blobs": blobs.iter().map(content).collect::<BTreeMap<_, _>>()})
}

/// The blobs that a description speaks of.
fn blobs_of(described: &Json) -> Vec<BlobId> {
    described["blobs"].as_object().unwrap().keys().map(|id| id.parse().unwrap()).collect()
}

fn expected(version: u32, kind: &str) -> Json {
    serde_json::from_slice(&fs::read(folder(version).join(format!("{kind}.json"))).unwrap()).unwrap()
}

fn files(store: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(store).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap())).collect()
}

/// Writes files into a new directory.
fn lay_out(files: &BTreeMap<String, Vec<u8>>, store: &Path) {
    fs::create_dir_all(store).unwrap();
    files.iter().for_each(|(name, bytes)| fs::write(store.join(name), bytes).unwrap());
}

#[test]
fn stores_of_every_version_are_read_as_they_were_written() {
    if std::env::var_os("DRIFTLINE_WRITE_GOLDEN").is_some() {
        write_golden();
    }
    let directory = tempfile::tempdir().unwrap();
    for version in 1..=VERSION {
        for kind in KINDS {
            let golden = files(&folder(version).join(kind));
            let wanted = expected(version, kind);
            let path = directory.path().join(format!("{kind}-{version}"));
            lay_out(&golden, &path);

            let reader = options().open_read_only(&path).unwrap();
            assert_eq!(describe(&reader, &blobs_of(&wanted)), wanted, "{kind}, format {version}, read only");
            drop(reader);
            assert!(files(&path) == golden, "{kind}, format {version}: opening for reading only has changed something");

            // Once as it was, and once as this version has brought it into files.
            for opening in ["first", "second"] {
                let db = options().open(&path).unwrap();
                assert_eq!(describe(&db, &blobs_of(&wanted)), wanted, "{kind}, format {version}, {opening} opening");
                let report = db.verify(VerifyLevel::Full).unwrap();
                assert!(report.is_clean(), "{kind}, format {version}: {:?}", report.problems);
                db.close().unwrap();
            }
        }
    }
}

/// What a description says of records and blobs. Indexes are built anew, and unfinished imports are left out.
fn content(mut described: Json) -> Json {
    for collection in described["collections"].as_object_mut().unwrap().values_mut() {
        ["indexes", "imports"].iter().for_each(|part| collection[*part] = Json::Null);
    }
    described
}

#[test]
fn stores_of_every_version_can_be_migrated_and_salvaged() {
    let directory = tempfile::tempdir().unwrap();
    for version in 1..=VERSION {
        for kind in KINDS {
            let wanted = content(expected(version, kind));
            let at = |what: &str| directory.path().join(format!("{kind}-{version}-{what}"));
            lay_out(&files(&folder(version).join(kind)), &at("old"));
            migrate(at("old"), at("migrated"), MigrateOptions::new()).unwrap();
            let report = salvage(at("old"), at("salvaged"), SalvageOptions::new()).unwrap();
            assert!(report.is_complete(), "{kind}, format {version}: {report}");
            for what in ["migrated", "salvaged"] {
                let db = options().open(at(what)).unwrap();
                assert_eq!(content(describe(&db, &blobs_of(&wanted))), wanted, "{kind}, format {version}, {what}");
            }
        }
    }
}

/// The first bytes of each kind of file name the format; another format has golden stores of its own.
#[test]
fn the_format_that_is_written_now_has_golden_stores() {
    let directory = tempfile::tempdir().unwrap();
    for kind in KINDS {
        let store = directory.path().join(kind);
        write(kind, &store);
        let (golden, written) = (files(&folder(VERSION).join(kind)), files(&store));
        let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&golden), names(&written), "{kind}");
        for (name, bytes) in golden {
            let first = |bytes: &[u8]| bytes.iter().take(16).copied().collect::<Vec<_>>();
            assert_eq!(first(&bytes), first(&written[&name]), "{name} begins in another way than that of {kind}");
        }
    }
}

fn write_golden() {
    for kind in KINDS {
        let store = folder(VERSION).join(kind);
        _ = fs::remove_dir_all(&store);
        let described = write(kind, &store);
        let text = serde_json::to_string_pretty(&described).unwrap() + "\n";
        fs::write(folder(VERSION).join(format!("{kind}.json")), text).unwrap();
    }
}

/// Writes a store and says what it holds. One that was killed is a copy of what an open store has on the disk.
fn write(kind: &str, to: &Path) -> Json {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let db = options().open(&path).unwrap();
    let blobs = fill(&db);
    if kind == "killed" {
        change_without_flushing(&db);
    }
    let described = describe(&db, &blobs);
    if kind == "closed" {
        db.close().unwrap();
    }
    let mut files = files(&path);
    // The number of the process that holds the store.
    files.get_mut("LOCK").expect("a store has a lock").clear();
    lay_out(&files, to);
    described
}

/// Collections of every kind, each kind of index, deletions, blobs and an import that is not finished, in files.
fn fill(db: &Database) -> Vec<BlobId> {
    let blobs = vec![db.put_blob(&b"a blob"[..]).unwrap(), db.put_blob(&[7; 300][..]).unwrap()];
    let indexed = |schema: Schema, index: &str| schema.index(index.parse().unwrap());
    let schemas = [
        ("hashed", indexed(Schema::vector(4, Metric::L2), "lsh(tables=1)")),
        ("fused", indexed(Schema::vector(3, Metric::Cosine).model("m@1"), "hnsw(layout=fused)")),
        ("compact", indexed(Schema::vector(3, Metric::Dot), "hnsw(m=4, layout=compact)")),
        ("flat", indexed(Schema::vector(40, Metric::L1), "flat")),
        ("bits", indexed(Schema::bits(16), "hnsw(m=4)")),
        ("short-lived", Schema::vector(2, Metric::L2).ttl(Duration::from_secs(3600))),
        ("ephemeral", Schema::payload_only().ephemeral()),
        ("notes", Schema::payload_only()),
    ];
    for (name, schema) in schemas {
        let (dimension, is_bits) = (schema.dimension().unwrap_or(0), schema.metric() == Some(Metric::Hamming));
        let collection = db.create_collection(name, schema).unwrap();
        for number in 0..7u64 {
            let mut record = record(number, blobs[number as usize % 2]);
            record.vector = (dimension > 0).then(|| vector(number, dimension, is_bits));
            collection.put(record).unwrap();
        }
        db.flush().unwrap();
        assert!(collection.wait_indexed(Duration::MAX).unwrap());
        collection.delete("key 1").unwrap();
        collection.delete(2u64).unwrap();
    }
    db.flush().unwrap();
    leave_an_import(db.collection("notes").unwrap().resume_import("unfinished", "seven rows").unwrap());
    blobs
}

/// Keys, payloads and times of every kind.
fn record(number: u64, blob: BlobId) -> Record {
    let (key, payload) = match number % 3 {
        0 => (number.into(), json!({"n": number, "text": "some wörds", "list": [null, true, -1.5, i64::MIN]}).into()),
        1 => (format!("key {number}").into(), Value::object([("blob", Value::Blob(blob)), ("n", number.into())])),
        _ => (driftline::Key::from(vec![0xFF, number as u8]), Value::Bytes(vec![number as u8; 40])),
    };
    let record = Record::new(key).payload(payload);
    match number {
        4 => record.expires_at(Timestamp(NOW.0 * 1_000)),
        5 => record.created_at(Timestamp(5)),
        _ => record,
    }
}

fn vector(number: u64, dimension: usize, is_bits: bool) -> Vector {
    match is_bits {
        true => Vector::Bits(vec![number as u8, 0xF0]),
        false => Vector::F32((0..dimension).map(|at| (number as f32 - at as f32) / 4.0 + 0.1).collect()),
    }
}

fn leave_an_import(mut import: Import) {
    (100..107u64).for_each(|number| import.put(Record::new(number).payload("imported")).unwrap());
    import.checkpoint().unwrap();
}

/// What is in the log alone: a new collection, a batch over two, a deletion.
fn change_without_flushing(db: &Database) {
    let (notes, hashed) = (db.collection("notes").unwrap(), db.collection("hashed").unwrap());
    notes.put(Record::new("logged").payload("in the log")).unwrap();
    db.batch().put(&hashed, Record::new(50u64).vector([1.0, 2.0, 3.0, 4.0])).delete(&notes, 0u64).commit().unwrap();
}
