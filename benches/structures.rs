//! One loop each of the store's structures, to see where a change makes one slower: `cargo bench --bench structures`.
//!
//! Everything runs in memory, so that the disk's moods are left out; `figures` measures the disk.

#![expect(clippy::expect_used, reason = "a bench that cannot go on stops")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use driftline::{Collection, Database, Durability, Maintenance, Metric, Options, Random, Record, Schema, json};

const DIMENSION: usize = 128;
const ROWS: u64 = 100_000;

fn vector(random: &mut Random) -> Vec<f32> {
    (0..DIMENSION).map(|_| random.unit() as f32 - 0.5).collect()
}

fn empty() -> (Database, Collection) {
    let options = Options::new().maintenance(Maintenance::Manual);
    let db = options.in_memory().expect("a store in memory");
    let items = db.create_collection("items", Schema::vector(DIMENSION, Metric::L2)).expect("a new collection");
    (db, items)
}

/// A sealed collection of `ROWS` rows.
fn filled() -> (Database, Collection) {
    let (db, items) = empty();
    let mut random = Random::seeded(1, 0);
    let mut import = items.import().expect("an import");
    for key in 0..ROWS {
        let record = Record::new(key).vector(vector(&mut random)).payload(json!({
            "number": key,
            "lang": "en",
            "hundredth": key * 7919 % 100,
        }));
        import.put(record).expect("a good record");
    }
    import.finish().expect("an import that ends");
    (db, items)
}

/// Appending to the log, in batches of 1 and of 100 records.
fn log_append(c: &mut Criterion) {
    let mut group = c.benchmark_group("log_append");
    for size in [1u64, 100] {
        let mut random = Random::seeded(2, size);
        let vectors: Vec<Vec<f32>> = (0..size).map(|_| vector(&mut random)).collect();
        group.throughput(Throughput::Elements(size));
        group.bench_function(format!("batch_of_{size}"), |bencher| {
            let (db, items) = empty();
            let mut key = 0u64;
            bencher.iter_batched(
                || {
                    // Sealing and merging are not what is measured.
                    while db.tick().expect("room in memory").is_some() {}
                    vectors.clone()
                },
                |vectors| {
                    let batch = vectors.into_iter().fold(db.batch().durability(Durability::None), |batch, vector| {
                        key += 1;
                        batch.put(&items, Record::new(key % ROWS).vector(vector))
                    });
                    batch.commit().expect("room in memory")
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn get(c: &mut Criterion) {
    let (_db, items) = filled();
    let mut random = Random::seeded(3, 0);
    let mut group = c.benchmark_group("get");
    group.bench_function("present", |bencher| {
        bencher.iter(|| items.get(black_box(random.below(ROWS))).expect("a sound store").expect("a record"));
    });
    group.bench_function("absent", |bencher| {
        bencher.iter(|| items.get(black_box(ROWS + random.below(ROWS))).expect("a sound store"));
    });
    group.finish();
}

fn scan(c: &mut Criterion) {
    let (_db, items) = filled();
    let mut group = c.benchmark_group("scan");
    group.throughput(Throughput::Elements(10_000));
    group.bench_function("10_000_records", |bencher| {
        bencher.iter(|| items.scan().limit(10_000).map(|record| record.expect("a sound store").lsn.0).max());
    });
    group.finish();
}

fn exact_search(c: &mut Criterion) {
    let mut random = Random::seeded(4, 0);
    let (_db, items) = filled();
    let mut group = c.benchmark_group("exact_search");
    group.throughput(Throughput::Elements(ROWS));
    group.bench_function(format!("l2_{ROWS}x{DIMENSION}"), |bencher| {
        bencher.iter_batched(
            || vector(&mut random),
            |query| {
                let hits = items.query().nearest(query).k(10).run().expect("a good query");
                // A speed is worth nothing without its answer.
                assert_eq!((hits.len(), hits.stats.code_distances), (10, ROWS));
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

/// A hundredth of the rows, scattered, by the index of the field: to be compared with a hundred times as many above.
fn filtered_search(c: &mut Criterion) {
    let mut random = Random::seeded(4, 0);
    let (_db, items) = filled();
    let mut group = c.benchmark_group("filtered_search");
    group.throughput(Throughput::Elements(ROWS / 100));
    group.bench_function("of_a_hundredth", |bencher| {
        bencher.iter_batched(
            || vector(&mut random),
            |query| {
                let query = items.query().nearest(query).k(10).filter("hundredth = 7").expect("a good filter");
                let hits = query.run().expect("a good query");
                assert_eq!((hits.len(), hits.stats.code_distances), (10, ROWS / 100));
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

/// Through a graph, and through tables of hashes: rows around a thousand places, and queries beside rows.
fn indexed_search(c: &mut Criterion) {
    const ROWS: u64 = 20_000;
    let mut group = c.benchmark_group("indexed_search");
    for spec in ["hnsw", "lsh"] {
        let mut random = Random::seeded(6, 0);
        let places: Vec<Vec<f32>> = (0..1000).map(|_| vector(&mut random)).collect();
        let near = |place: &[f32], random: &mut Random| -> Vec<f32> {
            vector(random).iter().zip(place).map(|(off, place)| place + 0.4 * off).collect()
        };
        let (_db, items) = empty();
        let mut import = items.import().expect("an import");
        for key in 0..ROWS {
            let place = &places[random.below(1000) as usize];
            import.put(Record::new(key).vector(near(place, &mut random))).expect("a good record");
        }
        import.finish().expect("an import that ends");
        items.compact().expect("room in memory");
        items.reindex(spec.parse().expect("a kind of index")).expect("a good index");
        assert!(items.wait_indexed(Duration::from_secs(600)).expect("room in memory"), "{spec}");
        let queries: Vec<Vec<f32>> = (0..100).map(|at| near(&places[at * 7], &mut random)).collect();
        // A speed is worth nothing without its recall.
        let found: usize = queries
            .iter()
            .map(|query| {
                let run = |it: driftline::Query| it.nearest(query).k(10).run().expect("a good query");
                let (exact, found) = (run(items.query().exact()), run(items.query()));
                found.keys().filter(|key| exact.keys().any(|it| it == *key)).count()
            })
            .sum();
        assert!(found >= 900, "{spec} finds {found} of 1000");
        let mut next = queries.iter().cycle();
        group.bench_function(format!("{spec}_l2_{ROWS}x{DIMENSION}"), |bencher| {
            bencher.iter(|| {
                let query = next.next().expect("there is always one more");
                items.query().nearest(black_box(query)).k(10).run().expect("a good query").len()
            });
        });
    }
    group.finish();
}

/// A hundred queries in one call.
fn batch_search(c: &mut Criterion) {
    let mut random = Random::seeded(5, 0);
    let (_db, items) = filled();
    let mut group = c.benchmark_group("batch_search");
    group.throughput(Throughput::Elements(100 * ROWS));
    group.bench_function("of_100", |bencher| {
        let queries: Vec<Vec<f32>> = (0..100).map(|_| vector(&mut random)).collect();
        bencher.iter(|| items.query().k(10).run_many(&queries).expect("good queries").len());
    });
    group.finish();
}

criterion_group! {
    name = structures;
    config = Criterion::default().measurement_time(Duration::from_secs(3)).sample_size(20);
    targets = log_append, get, scan, exact_search, filtered_search, indexed_search, batch_search
}
criterion_main!(structures);
