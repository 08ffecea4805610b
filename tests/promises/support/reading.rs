//! Reading a whole store in every way there is, checking that they agree.

use std::collections::BTreeMap;
use std::io::Read;

use driftline::fs::{FileSystem, SimulatedFs};
use driftline::{
    BlobId, Collection, CollectionStats, Database, Hits, Key, Metric, Query, Random, Record, Result, Scan, Schema,
    Select, Snapshot, SnapshotCollection, Value, Vector, VerifyLevel,
};

use super::world::{Row, Table, World};

/// What a collection and a collection in a snapshot have in common.
pub(crate) trait Readable {
    fn get(&self, key: &Key) -> Result<Option<Record>>;
    fn count(&self) -> Result<u64>;
    fn scan(&self) -> Scan;
    fn query(&self) -> Query;
}

impl Readable for Collection {
    fn get(&self, key: &Key) -> Result<Option<Record>> {
        Collection::get(self, key)
    }
    fn count(&self) -> Result<u64> {
        Collection::count(self)
    }
    fn scan(&self) -> Scan {
        Collection::scan(self)
    }
    fn query(&self) -> Query {
        Collection::query(self)
    }
}

impl Readable for SnapshotCollection {
    fn get(&self, key: &Key) -> Result<Option<Record>> {
        SnapshotCollection::get(self, key)
    }
    fn count(&self) -> Result<u64> {
        SnapshotCollection::count(self)
    }
    fn scan(&self) -> Scan {
        SnapshotCollection::scan(self)
    }
    fn query(&self) -> Query {
        SnapshotCollection::query(self)
    }
}

/// Everything that the store holds for its users. Panics when two ways of reading disagree.
pub(crate) fn read(db: &Database) -> Result<World> {
    let mut world = World::default();
    for info in db.collections()?.into_iter().filter(|info| !info.name.starts_with('_')) {
        let table = read_table(&db.collection(&info.name)?, &info.schema)?;
        world.tables.insert(info.name, table);
    }
    Ok(world)
}

/// Everything a snapshot shows; the schemas are those of `expected`.
pub(crate) fn read_snapshot(snapshot: &Snapshot, expected: &World) -> Result<World> {
    let mut world = World::default();
    for name in snapshot.collections().into_iter().filter(|name| !name.starts_with('_')) {
        let schema = expected.tables.get(&name).map_or_else(Schema::payload_only, |table| table.schema.clone());
        let table = read_table(&snapshot.collection(&name)?, &schema)?;
        world.tables.insert(name, table);
    }
    Ok(world)
}

pub(crate) fn read_table(reader: &impl Readable, schema: &Schema) -> Result<Table> {
    let records = reader.scan().collect::<Result<Vec<Record>>>()?;
    assert!(records.is_sorted_by(|a, b| a.key < b.key), "a scan is out of order");
    let mut backward = reader.scan().reverse().collect::<Result<Vec<Record>>>()?;
    backward.reverse();
    assert_eq!(records, backward, "a scan backward shows something else than one forward");
    assert_eq!(reader.count()?, records.len() as u64, "the count differs from what a scan shows");
    for record in &records {
        assert_eq!(reader.get(&record.key)?.as_ref(), Some(record), "get and scan disagree");
    }
    assert_eq!(reader.get(&Key::from("no such key"))?, None);
    let rows = records.iter().map(|record| (record.key.clone(), Row::of(record))).collect();
    let table = Table { schema: schema.clone(), rows };
    check_search(reader, &table)?;
    Ok(table)
}

/// Searches agree with a search by hand. The vectors hold small whole numbers, whose distances are exact.
fn check_search(reader: &impl Readable, table: &Table) -> Result<()> {
    let Some(metric) = table.schema.metric() else { return Ok(()) };
    let mut random = Random::seeded(table.rows.len() as u64, 5);
    let query = any_vector(&table.schema, &mut random).expect("this schema has vectors");
    let mut expected: Vec<(f64, &Key)> =
        table.rows.iter().map(|(key, row)| (distance(metric, &query, row.vector.as_ref()), key)).collect();
    expected.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(b.1)));
    for k in [1, 3, table.rows.len() + 5] {
        let hits = reader.query().nearest(query.clone()).k(k).select(Select::Record).run()?;
        assert_eq!(hits.len(), k.min(expected.len()), "a search for {k} returned another number of hits");
        check_hits(&hits, &expected, metric);
        for hit in &hits {
            let record = hit.record.as_ref().expect("the query asked for records");
            assert_eq!(Row::of(record), table.rows[&hit.key], "a search shows another record than a scan");
        }
    }
    Ok(())
}

fn check_hits(hits: &Hits, expected: &[(f64, &Key)], metric: Metric) {
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-5 * (1.0 + b.abs());
    for (hit, (distance, key)) in hits.iter().zip(expected) {
        assert!(near(f64::from(hit.distance), *distance), "{key:?} is {distance} away, not {}", hit.distance);
        // Under cosine, rounding may order equal distances either way.
        assert!(metric == Metric::Cosine || hit.key == **key, "{:?} came where {key:?} belongs", hit.key);
    }
    let by_key: BTreeMap<&Key, f64> = expected.iter().map(|(distance, key)| (*key, *distance)).collect();
    for hit in hits {
        assert!(near(f64::from(hit.distance), by_key[&hit.key]), "{:?} has the distance of another", hit.key);
    }
}

fn distance(metric: Metric, query: &Vector, row: Option<&Vector>) -> f64 {
    match (query, row) {
        (Vector::F32(a), Some(Vector::F32(b))) => {
            let pairs = || a.iter().zip(b).map(|(a, b)| (f64::from(*a), f64::from(*b)));
            let dot: f64 = pairs().map(|(a, b)| a * b).sum();
            let norm = |values: &[f32]| values.iter().map(|value| f64::from(value * value)).sum::<f64>().sqrt();
            match metric {
                Metric::L2 => pairs().map(|(a, b)| (a - b) * (a - b)).sum(),
                Metric::L1 => pairs().map(|(a, b)| (a - b).abs()).sum(),
                // Never the other zero, which would sort apart.
                Metric::Dot => 0.0 - dot,
                Metric::Cosine => 1.0 - dot / (norm(a) * norm(b)),
                Metric::Hamming => unreachable!("numbers are not compared bit by bit"),
            }
        }
        (Vector::Bits(a), Some(Vector::Bits(b))) => {
            f64::from(a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>())
        }
        _ => panic!("a record of another kind than its collection"),
    }
}

/// A vector that fits the schema, of small whole numbers and never zero.
pub(crate) fn any_vector(schema: &Schema, random: &mut Random) -> Option<Vector> {
    let dimension = schema.dimension()?;
    if schema.metric() == Some(Metric::Hamming) {
        let mut bits = vec![0; dimension / 8];
        random.fill(&mut bits);
        return Some(Vector::Bits(bits));
    }
    let mut values: Vec<f32> = (0..dimension).map(|_| random.below(9) as f32 - 4.0).collect();
    if values.iter().all(|value| *value == 0.0) {
        values[0] = 1.0;
    }
    Some(Vector::F32(values))
}

/// The content of a blob.
pub(crate) fn blob(db: &Database, id: BlobId) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut reader = db.get_blob(id)?;
    reader.read_to_end(&mut bytes).map_err(|error| match error.downcast::<driftline::Error>() {
        Ok(error) => error,
        Err(other) => panic!("reading a blob failed without one of our errors: {other}"),
    })?;
    Ok(bytes)
}

/// The blobs that a payload names.
pub(crate) fn named_blobs(value: &Value, found: &mut Vec<BlobId>) {
    match value {
        Value::Blob(id) => found.push(*id),
        Value::Array(values) => values.iter().for_each(|value| named_blobs(value, found)),
        Value::Object(fields) => fields.values().for_each(|value| named_blobs(value, found)),
        _ => {}
    }
}

/// Every byte on disk is as it was written.
#[track_caller]
pub(crate) fn check_verifies(db: &Database) {
    let report = db.verify(VerifyLevel::Full).expect("verifying runs");
    assert!(report.is_clean(), "verify finds {:?}", report.problems);
}

/// The directory holds the files that the store uses and no others. For a store that was just opened.
#[track_caller]
pub(crate) fn check_files(db: &Database, fs: &SimulatedFs) {
    let stats = db.stats().expect("an open store has stats");
    let names = fs.list().expect("the directory can be listed");
    let of = |prefix: &str| names.iter().filter(|name| name.starts_with(prefix)).count() as u64;
    let imported = |collection: &CollectionStats| collection.imports.iter().map(|import| import.files).sum::<u64>();
    let segments: u64 = stats.collections.iter().map(|collection| collection.segments + imported(collection)).sum();
    let indexes: u64 = stats.collections.iter().map(|collection| collection.indexes.len() as u64).sum();
    let expected = [
        ("LOCK", 1),
        ("RESERVE", of("RESERVE").min(1)),
        ("MANIFEST-", 1),
        ("wal-", stats.log_files),
        ("seg-", segments),
        ("idx-", indexes),
        ("blob-", stats.blobs),
    ];
    for (prefix, count) in expected {
        assert_eq!(of(prefix), count, "files {prefix}* of {names:?}");
    }
    let known: u64 = expected.iter().map(|(_, count)| count).sum();
    assert_eq!(names.len() as u64, known + of("del-"), "a file that is not ours or not in use: {names:?}");
    let sealed =
        names.iter().filter(|name| ["seg-", "del-", "idx-", "blob-"].iter().any(|prefix| name.starts_with(prefix)));
    let bytes: u64 = sealed.map(|name| fs.open(name).and_then(|file| file.length()).expect("a listed file")).sum();
    assert_eq!(bytes, stats.file_bytes, "the bytes of the files {names:?}");
}
