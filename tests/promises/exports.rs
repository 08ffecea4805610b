//! What is exported comes back the same, vectors bit for bit, or no file appears.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use driftline::exchange::{self, ExportOptions, ExportReport, Format, ImportOptions, Progress, Source};
use driftline::{
    Collection, Database, ErrorKind, Key, ManualClock, Metric, Options, Patch, Random, Record, Result, Schema,
    Timestamp, Value, Vector, json,
};

fn go_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn export(collection: &Collection, path: &Path) -> Result<ExportReport> {
    exchange::export(collection, path, &ExportOptions::new(), &mut go_on)
}

/// A store whose clock stands still.
fn store() -> Database {
    Options::new().clock(Arc::new(ManualClock::new(Timestamp(1_000_000)))).in_memory().unwrap()
}

/// A record but for its position, with the bits of its vector.
type Whole = (Key, Vec<u8>, Value, Option<Timestamp>, Option<Timestamp>);

fn all(db: &Database, name: &str) -> Vec<Whole> {
    let bits = |vector: Option<Vector>| match vector {
        Some(Vector::F32(values)) => values.iter().flat_map(|value| value.to_bits().to_le_bytes()).collect(),
        Some(Vector::Bits(bytes)) => bytes,
        None => Vec::new(),
    };
    let records = db.collection(name).unwrap().scan().map(|record| record.unwrap());
    records.map(|it| (it.key, bits(it.vector), it.payload, it.created, it.expires)).collect()
}

fn any_text(random: &mut Random) -> String {
    const TEXTS: [&str; 16] = [
        "",
        "12",
        "-1",
        "true",
        "null",
        "a,b",
        "\"q\"",
        "line\nend",
        "[1]",
        "{\"a\":1}",
        " pad ",
        "caf\u{e9}",
        "1e5",
        "@key",
        "007",
        "\r\n",
    ];
    TEXTS[random.below(16) as usize].to_owned()
}

fn any_value(random: &mut Random, depth: u64) -> Value {
    match random.below(12 - 3 * depth.min(1)) {
        0 => Value::Null,
        1 => random.one_in(2).into(),
        2 => Value::from(random.draw() as i64),
        3 => Value::from(random.draw()),
        4 => Value::Float(f64::from_bits(random.draw())),
        5..8 => any_text(random).into(),
        8 => vec![random.draw() as u8; random.below(4) as usize].into(),
        9 => (0..random.below(3)).map(|_| any_value(random, depth + 1)).collect::<Vec<_>>().into(),
        _ => {
            let fields = (0..random.below(5)).map(|_| (any_text(random), any_value(random, depth + 1)));
            Value::Object(fields.collect::<BTreeMap<_, _>>())
        }
    }
}

fn any_record(schema: &Schema, random: &mut Random) -> Record {
    let key: Key = match random.below(3) {
        0 => random.draw().into(),
        1 => format!("{}{}", any_text(random), random.below(3)).into(),
        _ => random.draw().to_le_bytes()[..random.below(9) as usize].to_vec().into(),
    };
    let mut record = Record::new(key).payload(any_value(random, 0));
    record.vector = schema.dimension().map(|dimension| match schema.metric() {
        Some(Metric::Hamming) => Vector::Bits((0..dimension / 8).map(|_| random.draw() as u8).collect()),
        _ => Vector::F32((0..dimension).map(|_| any_number(random)).collect()),
    });
    match random.below(3) {
        0 => record = record.expires_at(Timestamp(1_000_001 + random.below(1_000) as i64)),
        1 => record = record.created_at(Timestamp(random.draw() as i64 >> 12)),
        _ => {}
    }
    record
}

fn any_number(random: &mut Random) -> f32 {
    let number = f32::from_bits(random.draw() as u32);
    if number.is_finite() && number.abs() < 1e15 { number } else { -0.0 }
}

/// A store of some collections with anything in them.
fn any_store(random: &mut Random) -> Database {
    let db = store();
    let schemas = [
        Schema::vector(3, Metric::L2).model("m@1"),
        Schema::vector(5, Metric::L1).ttl(Duration::from_secs(9)),
        Schema::bits(24),
        Schema::payload_only().ttl(Duration::from_secs(1)),
    ];
    for (number, schema) in schemas.into_iter().enumerate() {
        let collection = db.create_collection(&format!("c{number}"), schema.clone()).unwrap();
        for _ in 0..random.below(30) {
            let record = any_record(&schema, random);
            let key = record.key.clone();
            // A few values cannot be stored: numbers that are not finite, objects that look like bytes and are none.
            let put = collection.put(record).is_ok();
            if put && random.one_in(4) && collection.get(&key).unwrap().is_some() {
                collection.patch(key, Patch::new().expires(None)).unwrap();
            }
        }
    }
    let blob = db.put_blob(&b"weights"[..]).unwrap();
    db.collection("c3").unwrap().put(Record::new("blob").payload(json!({"in": [1]}))).unwrap();
    db.collection("c3").unwrap().put(Record::new("named").payload(Value::from(vec![Value::Blob(blob)]))).unwrap();
    db
}

#[test]
fn an_exported_store_comes_back_equal() {
    let directory = tempfile::tempdir().unwrap();
    for seed in 0..20 {
        let db = any_store(&mut Random::seeded(seed, 1));
        let path = directory.path().join(format!("export-{seed}"));
        let report = exchange::export_store(&db, &path, &mut go_on).unwrap();
        assert!(report.files.iter().all(|file| file.exists()));
        let copy = store();
        let rows = exchange::import_store(&copy, &path, &mut go_on).unwrap();
        assert_eq!(rows, report.rows);
        assert_eq!(copy.collections().unwrap(), db.collections().unwrap());
        for info in db.collections().unwrap() {
            assert_eq!(all(&copy, &info.name), all(&db, &info.name), "seed {seed}, {}", info.name);
        }
        assert_eq!(copy.stats().unwrap().blobs, 1);
        let again = exchange::export_store(&db, &path, &mut go_on).unwrap_err();
        assert_eq!(again.kind(), ErrorKind::Exists);
        assert_eq!(exchange::import_store(&copy, &path, &mut go_on).unwrap_err().kind(), ErrorKind::Exists);
    }
}

#[test]
fn every_format_brings_a_collection_back_equal() {
    let directory = tempfile::tempdir().unwrap();
    for seed in 0..20 {
        let db = any_store(&mut Random::seeded(seed, 2));
        for info in db.collections().unwrap() {
            let collection = db.collection(&info.name).unwrap();
            for name in ["x.jsonl", "x.csv", "x.csv.gz", "x.npy", "x.npy.gz", "x.fvecs", "x.fbin", "x.bvecs"] {
                let path = directory.path().join(format!("{seed}-{}-{name}", info.name));
                let format = Format::of_name(name).unwrap();
                let bits = info.schema.metric() == Some(Metric::Hamming);
                let fits = match format {
                    Format::Jsonl | Format::Csv => true,
                    Format::Npy => info.schema.dimension().is_some(),
                    Format::Bvecs => bits,
                    _ => !bits && info.schema.dimension().is_some(),
                };
                let exported = export(&collection, &path);
                if !fits {
                    assert_eq!(exported.unwrap_err().kind(), ErrorKind::Invalid, "{name}");
                    continue;
                }
                let report = exported.unwrap();
                assert_eq!(report.rows, collection.count().unwrap());
                let mut options = ImportOptions::new();
                if let Some(beside) = report.files.get(1) {
                    options = options.payload(beside);
                }
                let copy = store();
                copy.put_blob(&b"weights"[..]).unwrap();
                let target = copy.create_collection(&info.name, info.schema.clone()).unwrap();
                exchange::import(&target, Source::file(&path), &options, &mut go_on).unwrap();
                assert_eq!(all(&copy, &info.name), all(&db, &info.name), "seed {seed}, {} as {name}", info.name);
            }
        }
    }
}

#[test]
fn a_failed_export_leaves_no_file_and_replaces_none() {
    let directory = tempfile::tempdir().unwrap();
    let db = store();
    let points = db.create_collection("points", Schema::vector(2, Metric::L2)).unwrap();
    points.put_all((0..600u64).map(|key| Record::new(key).vector([key as f32, 1.0]))).unwrap();
    let path = directory.path().join("x.npy");
    let stop = &mut |_: Progress| ControlFlow::Break(());
    let stopped = exchange::export(&points, &path, &ExportOptions::new(), stop).unwrap_err();
    assert_eq!(stopped.kind(), ErrorKind::Cancelled);
    let whole = directory.path().join("whole");
    assert_eq!(exchange::export_store(&db, &whole, stop).unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    std::fs::write(&path, "mine").unwrap();
    assert_eq!(export(&points, &path).unwrap_err().kind(), ErrorKind::Exists);
    assert!(exchange::export(&points, &path, &ExportOptions::new().replace(true), stop).is_err());
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    exchange::export(&points, &path, &ExportOptions::new().replace(true), &mut go_on).unwrap();
    assert_eq!(std::fs::read(&path).unwrap().len(), 128 + 600 * 8);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2);
}

#[test]
fn a_failed_export_removes_nothing_that_it_did_not_make() {
    let directory = tempfile::tempdir().unwrap();
    let db = store();
    let points = db.create_collection("points", Schema::vector(2, Metric::L2)).unwrap();
    points.put_all((0..600u64).map(|key| Record::new(key).vector([key as f32, 1.0]))).unwrap();
    let (path, part) = (directory.path().join("out"), directory.path().join("out.part"));
    let mine = part.join("blobs");
    std::fs::create_dir(&part).unwrap();
    std::fs::write(&mine, "mine").unwrap();
    let stop = &mut |_: Progress| ControlFlow::Break(());
    for progress in [&mut go_on as &mut dyn FnMut(Progress) -> ControlFlow<()>, stop] {
        let refused = exchange::export_store(&db, &path, progress).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Exists);
        assert!(refused.to_string().contains("out.part"), "{refused}");
        assert_eq!(std::fs::read(&mine).unwrap(), b"mine");
    }
    std::fs::remove_dir_all(&part).unwrap();
    exchange::export_store(&db, &directory.path().join("new/folder/out"), &mut go_on).unwrap();
}

#[test]
fn a_damaged_export_is_refused_and_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let db = any_store(&mut Random::seeded(1, 3));
    let path = directory.path().join("export");
    exchange::export_store(&db, &path, &mut go_on).unwrap();
    let manifest = std::fs::read_to_string(path.join("manifest.json")).unwrap();
    let write = |text: &str| std::fs::write(path.join("manifest.json"), text).unwrap();
    let refused = |said: &str| {
        let copy = store();
        let error = exchange::import_store(&copy, &path, &mut go_on).unwrap_err();
        assert!(error.to_string().contains(said), "{error} does not say {said:?}");
        assert_eq!(copy.collections().unwrap(), []);
    };
    write(&manifest.replace("0003-c3.jsonl", "../0003-c3.jsonl"));
    refused("names no file of the export");
    write(&manifest.replace("\"driftline_export\": 1", "\"driftline_export\": 2"));
    refused("form 2");
    write("{}");
    refused("no manifest");
    write(&manifest);
    let lines = path.join("0003-c3.jsonl");
    let text = std::fs::read_to_string(&lines).unwrap();
    std::fs::write(&lines, text.split_once('\n').unwrap().1).unwrap();
    refused("the manifest promises");
    std::fs::write(&lines, format!("{text}\n{{\"key\":")).unwrap();
    refused("0003-c3.jsonl, line");
}
