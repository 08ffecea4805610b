//! How many look-ups caches answer in a second: `cargo bench --bench caches`.
//!
//! All look-ups hit, unless a name says otherwise. Stored caches lie in a directory of the system's for temporary files; their
//! gets are measured on a store that was closed and opened, and on rows that are still in memory.

#![expect(clippy::expect_used, reason = "a bench that cannot go on stops")]

use std::hint::black_box;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use driftline::mlops::{Cache, CacheLimits, LruCache, ModelId, PersistentCache};
use driftline::{Database, json};

const ENTRIES: u64 = 10_000;
const DIMENSION: usize = 384;

fn limits() -> CacheLimits {
    CacheLimits::new().max_entries(ENTRIES as usize)
}

/// In memory: one thread, and two that share the cache, of which each is counted.
fn in_memory(c: &mut Criterion) {
    let mut group = c.benchmark_group("in_memory");
    group.throughput(Throughput::Elements(1));
    let lru = LruCache::new(limits());
    (0..ENTRIES).for_each(|key| lru.set(key, key));
    let mut key = 0;
    let mut next = || {
        key = (key + 7_919) % ENTRIES;
        key
    };
    group.bench_function("lru_hit", |bencher| bencher.iter(|| lru.get(&next()).expect("a hit")));
    group.bench_function("lru_put_that_evicts", |bencher| {
        let mut key = ENTRIES;
        bencher.iter(|| {
            key += 1;
            lru.set(key, key);
        });
    });
    let shared = LruCache::new(limits());
    (0..ENTRIES).for_each(|key| shared.set(key, key));
    group.bench_function("lru_hit_of_each_of_two_threads", |bencher| {
        bencher.iter_custom(|count| {
            let start = Instant::now();
            std::thread::scope(|scope| {
                for thread in 0..2 {
                    let shared = &shared;
                    scope.spawn(move || {
                        for number in 0..count {
                            black_box(shared.get(&((number * 7_919 + thread) % ENTRIES)));
                        }
                    });
                }
            });
            start.elapsed()
        });
    });
    let db = Database::in_memory().expect("a store in memory");
    let values = db.memory_cache(limits());
    let names = names();
    names.iter().for_each(|name| values.set(name, name.as_str().into(), None).expect("room"));
    let mut places = names.iter().cycle();
    group.bench_function("values_hit", |bencher| {
        bencher.iter(|| values.get(places.next().expect("a name")).expect("a cache").expect("a hit"));
    });
    group.finish();
}

fn names() -> Vec<String> {
    (0..ENTRIES).map(|number| format!("name-{}", number * 7_919 % ENTRIES)).collect()
}

fn filled(cache: &PersistentCache) {
    for name in names() {
        cache.set(&name, json!({"answer": name}).into(), None).expect("room");
    }
}

/// In the store: values by name.
fn stored_values(c: &mut Criterion) {
    let mut group = c.benchmark_group("stored");
    group.throughput(Throughput::Elements(1));
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("s.drift");
    let names = names();
    let mut places = names.iter().cycle();
    let mut hit = |cache: &PersistentCache| cache.get(places.next().expect("a name")).expect("a cache").expect("a hit");
    {
        let db = Database::open(&path).expect("a store");
        let cache = db.cache_with("cache:", limits()).expect("a cache");
        filled(&cache);
        group.bench_function("values_hit_in_memory", |bencher| bencher.iter(|| hit(&cache)));
        db.close().expect("it closes");
    }
    let db = Database::open(&path).expect("a store");
    let cache = db.cache_with("cache:", limits()).expect("a cache");
    group.bench_function("values_hit_after_reopening", |bencher| bencher.iter(|| hit(&cache)));
    group.bench_function("values_miss", |bencher| bencher.iter(|| cache.get("nobody").expect("a cache").is_none()));
    let mut number = ENTRIES;
    group.bench_function("values_put_that_evicts", |bencher| {
        bencher.iter(|| {
            number += 1;
            cache.set(&format!("name-{number}"), number.into(), None).expect("room");
        });
    });
    group.finish();
}

/// In the store: embeddings by text, and predictions by features.
fn stored_answers(c: &mut Criterion) {
    let mut group = c.benchmark_group("stored");
    group.throughput(Throughput::Elements(1));
    let db = Database::in_memory().expect("a store in memory");
    let minilm: ModelId = "minilm@1".parse().expect("a model");
    let embeddings = db.embedding_cache(&minilm, DIMENSION, limits()).expect("a cache");
    let names = names();
    for name in &names {
        embeddings.set(name, vec![0.5; DIMENSION], None).expect("room");
    }
    db.flush().expect("it flushes");
    let mut places = names.iter().cycle();
    group.bench_function(format!("embeddings_of_{DIMENSION}_hit"), |bencher| {
        bencher.iter(|| embeddings.get(places.next().expect("a name")).expect("a cache").expect("a hit"));
    });
    let predictions = db.prediction_cache_of(&minilm, limits()).expect("a cache");
    let inputs: Vec<_> = (0..ENTRIES).map(|age| json!({"age": age, "country": "de"})).collect();
    predictions.get_or_compute(&inputs, |_, misses| Ok(vec![json!("yes"); misses.len()])).expect("room");
    db.flush().expect("it flushes");
    let mut places = inputs.iter().cycle();
    group.bench_function("predictions_hit", |bencher| {
        bencher.iter(|| predictions.get(places.next().expect("an input")).expect("a cache").expect("a hit"));
    });
    group.finish();
}

criterion_group!(benches, in_memory, stored_values, stored_answers);
criterion_main!(benches);
