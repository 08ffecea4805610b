//! A small store with files of every kind, for whatever copies, cuts or damages stores.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use driftline::fs::FileSystem;
use driftline::{
    BlobId, Database, Maintenance, ManualClock, Metric, Options, Record, Result, Schema, Timestamp, Value, Vector, json,
};

use super::reading::{blob, read};
use super::world::World;

/// Everything that a store holds, blobs too.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Held {
    pub(crate) world: World,
    pub(crate) blobs: BTreeMap<BlobId, Vec<u8>>,
}

impl Held {
    pub(crate) fn of(db: &Database) -> Result<Held> {
        let blobs = contents().into_iter().map(|content| id_of(&content));
        Ok(Held { world: read(db)?, blobs: blobs.filter_map(|id| Some((id, blob(db, id).ok()?))).collect() })
    }
}

pub(crate) fn options() -> Options {
    let clock = Arc::new(ManualClock::new(Timestamp(1_000)));
    Options::new().maintenance(Maintenance::Manual).memory_budget_bytes(1 << 20).index_min_rows(1).clock(clock).seed(7)
}

pub(crate) fn open(fs: &(impl FileSystem + Clone + 'static)) -> Result<Database> {
    options().open_on(Arc::new(fs.clone()))
}

pub(crate) fn contents() -> Vec<Vec<u8>> {
    vec![vec![7; 200_000], b"a blob".to_vec()]
}

fn id_of(content: &[u8]) -> BlobId {
    use std::sync::OnceLock;
    static IDS: OnceLock<BTreeMap<Vec<u8>, BlobId>> = OnceLock::new();
    let ids = IDS.get_or_init(|| {
        let db = Database::in_memory().unwrap();
        contents().into_iter().map(|content| (content.clone(), db.put_blob(&content[..]).unwrap())).collect()
    });
    ids[content]
}

/// Collections of every kind in several segments, with deletions, replaced records, an index, blobs, times; the last
/// changes are in the log.
pub(crate) fn fill(db: &Database) {
    let blobs: Vec<BlobId> = contents().into_iter().map(|content| db.put_blob(&content[..]).unwrap()).collect();
    let points = db.create_collection("points", Schema::vector(4, Metric::L2)).unwrap();
    let angles = Schema::vector(3, Metric::Cosine).model("m@1").index("hnsw(m=4)".parse().unwrap());
    let angles = db.create_collection("angles", angles).unwrap();
    let codes = db.create_collection("codes", Schema::bits(16)).unwrap();
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    let cache = db.create_collection("cache", Schema::payload_only().ephemeral()).unwrap();
    for round in 0..3u64 {
        for number in round * 4..round * 4 + 8 {
            let value = number as f32;
            let record = Record::new(number).payload(json!({"n": number, "round": round, "text": "some words"}));
            let expires = Timestamp(10_000_000 + number as i64);
            points.put(record.vector([value, 1.0, -value, 2.0]).expires_at(expires)).unwrap();
            angles.put(Record::new(format!("angle {number}")).vector([1.0, value, 3.0])).unwrap();
            codes.put(Record::new(number).vector(Vector::Bits(vec![number as u8, 0xF0]))).unwrap();
            let blob = Value::object([("blob", Value::Blob(blobs[(number % 2) as usize])), ("round", round.into())]);
            notes.put(Record::new(vec![number as u8]).payload(blob)).unwrap();
        }
        cache.put(Record::new(round).payload(json!({"cached": round}))).unwrap();
        db.flush().unwrap();
    }
    assert!(angles.wait_indexed(Duration::MAX).unwrap());
    points.delete(2u64).unwrap();
    notes.delete(vec![3u8]).unwrap();
    codes.delete(4u64).unwrap();
    db.flush().unwrap();
    points.put(Record::new(1u64).vector([9.0, 9.0, 9.0, 9.0]).payload("replaced")).unwrap();
    notes.delete(vec![5u8]).unwrap();
    cache.put(Record::new(9u64).payload("last")).unwrap();
}

/// A sample that was closed, and what it holds.
pub(crate) fn closed(fs: &(impl FileSystem + Clone + 'static)) -> Held {
    let db = open(fs).unwrap();
    fill(&db);
    let held = Held::of(&db).unwrap();
    db.close().unwrap();
    held
}
