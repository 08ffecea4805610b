//! Rows that are not in files yet are indexed in waves, and what is searched through these is what is there.

use std::collections::{BTreeMap, BTreeSet};

use driftline::{Collection, Database, Hits, Maintenance, Metric, Options, Random, Record, Schema, Work, json};

const DIMENSION: usize = 32;
/// Rows of a block at this dimension; only full blocks are indexed.
const BLOCK: u64 = 1024;

/// A store in memory of which a wave takes one block at least.
fn open() -> Database {
    Options::new().maintenance(Maintenance::Manual).index_min_rows(256).seed(3).in_memory().unwrap()
}

fn vector(number: u64, version: u64) -> Vec<f32> {
    let (mut centre, mut random) = (Random::seeded(number % 7, 61), Random::seeded(number, 62 + version));
    (0..DIMENSION).map(|_| (centre.unit() * 4.0 + random.unit()) as f32 - 2.0).collect()
}

fn record(number: u64, version: u64) -> Record {
    Record::new(number).vector(vector(number, version)).payload(json!({"version": version}))
}

fn put(collection: &Collection, numbers: std::ops::Range<u64>) {
    collection.put_all(numbers.map(|number| record(number, 0))).unwrap();
}

fn ticks(db: &Database) -> Vec<Work> {
    std::iter::from_fn(|| db.tick().unwrap()).collect()
}

fn keys(hits: &Hits) -> Vec<u64> {
    hits.keys().map(|key| key.as_number().unwrap()).collect()
}

fn recall(collection: &Collection) -> f64 {
    let mut found = 0;
    for number in 0..40 {
        let query = || collection.query().nearest(vector(1_000_000 + number, 0)).k(10);
        let exact: BTreeSet<u64> = keys(&query().exact().run().unwrap()).into_iter().collect();
        found += keys(&query().run().unwrap()).into_iter().filter(|key| exact.contains(key)).count();
    }
    found as f64 / 400.0
}

#[test]
fn rows_in_memory_are_searched_through_indexes_of_every_kind_and_metric() {
    for (kind, metric) in [
        ("hnsw", Metric::L2),
        ("hnsw", Metric::Cosine),
        ("hnsw", Metric::Dot),
        ("hnsw(m=8)", Metric::L1),
        ("lsh", Metric::Cosine),
    ] {
        let db = open();
        let docs =
            db.create_collection("docs", Schema::vector(DIMENSION, metric).index(kind.parse().unwrap())).unwrap();
        put(&docs, 0..4 * BLOCK + 100);
        let before = docs.query().nearest(vector(5, 0)).k(10).explain().unwrap();
        assert_eq!(before.segments[0].index, None, "{kind} {metric}");
        assert_eq!(ticks(&db), [Work::IndexedMemory], "{kind} {metric}");
        let explain = docs.query().nearest(vector(5, 0)).k(10).explain().unwrap();
        assert!(explain.segments[0].index.as_ref().unwrap().starts_with(&kind[..3]), "{kind} {metric}: {explain}");
        assert_eq!(explain.segments[0].candidates, 4 * BLOCK + 100);
        assert!(explain.stats.distances < 2 * BLOCK, "{kind} {metric}: {explain}");
        assert!(recall(&docs) > 0.9, "{kind} {metric}");
    }
}

#[test]
fn waves_are_few_and_a_row_is_indexed_a_few_times() {
    let db = open();
    let docs = db.create_collection("docs", Schema::vector(DIMENSION, Metric::L2).index("hnsw".parse().unwrap()));
    let docs = docs.unwrap();
    for block in 0..16 {
        put(&docs, block * BLOCK..(block + 1) * BLOCK + u64::from(block == 15));
        // The newest block is open until a row follows it.
        let work: Vec<Work> = if block == 0 { vec![] } else { vec![Work::IndexedMemory] };
        assert_eq!(ticks(&db), work, "block {block}");
    }
    assert_eq!(ticks(&db), []);
    assert!(recall(&docs) > 0.9);
    let explain = docs.query().nearest(vector(5, 0)).k(10).explain().unwrap();
    // Four waves at most, and the rows that are in none.
    assert!(explain.stats.visited < 4 * 400 + BLOCK, "{explain}");
    db.flush().unwrap();
    assert!(docs.query().nearest(vector(5, 0)).k(10).explain().unwrap().segments.iter().all(|it| it.name != "memory"));
}

#[test]
fn what_is_deleted_replaced_or_not_yet_written_is_not_found_through_a_wave() {
    let db = open();
    let docs = db.create_collection("docs", Schema::vector(DIMENSION, Metric::L2).index("hnsw".parse().unwrap()));
    let docs = docs.unwrap();
    let mut model: BTreeMap<u64, u64> = BTreeMap::new();
    put(&docs, 0..2 * BLOCK);
    model.extend((0..2 * BLOCK).map(|number| (number, 0)));
    let mut random = Random::seeded(11, 1);
    let early = db.snapshot().unwrap();
    for version in 1..400 {
        let number = random.below(3 * BLOCK);
        if version % 3 == 0 {
            docs.delete(number).unwrap();
            model.remove(&number);
        } else {
            docs.put(record(number, version)).unwrap();
            model.insert(number, version);
        }
    }
    put(&docs, 4 * BLOCK..5 * BLOCK);
    model.extend((4 * BLOCK..5 * BLOCK).map(|number| (number, 0)));
    assert_eq!(ticks(&db), [Work::IndexedMemory]);
    for number in (0..5 * BLOCK).step_by(7) {
        let version = model.get(&number);
        let hits = docs.query().nearest(vector(number, version.copied().unwrap_or(0))).k(5).run().unwrap();
        assert_eq!(hits.len(), 5);
        assert_eq!(keys(&hits)[0] == number, version.is_some(), "{number} {version:?}");
        assert!(keys(&hits).iter().all(|key| model.contains_key(key)), "{number}");
    }
    let then = early.collection("docs").unwrap();
    for number in (0..2 * BLOCK).step_by(31) {
        let hits = then.query().nearest(vector(number, 0)).k(5).run().unwrap();
        assert_eq!(keys(&hits)[0], number, "an earlier reader finds what was there");
        assert!(keys(&hits).iter().all(|key| *key < 2 * BLOCK));
    }
}

#[test]
fn a_collection_that_asks_for_another_index_is_not_searched_through_the_old_one() {
    let db = open();
    let schema = Schema::vector(DIMENSION, Metric::L2).index("hnsw(m=8)".parse().unwrap());
    let docs = db.create_collection("docs", schema).unwrap();
    put(&docs, 0..3 * BLOCK + 1);
    assert_eq!(ticks(&db), [Work::IndexedMemory]);
    let used = || docs.query().nearest(vector(5, 0)).k(10).explain().unwrap().segments[0].index.clone();
    assert!(used().unwrap().starts_with("hnsw"));
    docs.reindex("flat".parse().unwrap()).unwrap();
    assert_eq!((used(), recall(&docs)), (None, 1.0));
    docs.reindex("lsh".parse().unwrap()).unwrap();
    assert_eq!(used(), None);
    assert_eq!(ticks(&db), [Work::IndexedMemory]);
    assert!(used().unwrap().starts_with("lsh"));
}

#[test]
fn flat_collections_and_few_rows_get_no_wave() {
    let db = open();
    let flat = db.create_collection("flat", Schema::vector(DIMENSION, Metric::L2).index("flat".parse().unwrap()));
    let auto = db.create_collection("auto", Schema::vector(DIMENSION, Metric::L2)).unwrap();
    put(&flat.unwrap(), 0..2 * BLOCK + 1);
    put(&auto, 0..2 * BLOCK + 1);
    assert_eq!(ticks(&db), []);
}
