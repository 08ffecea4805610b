//! How fast vectors are logged, beside plain puts of the same records: `cargo bench --bench embedding_log`.
//!
//! Batches of 1,000 vectors of 384 numbers with a payload, into stores on a disk, at `Durability::None`. The two take turns, batch by
//! batch, so that what else the machine does falls on both. The log keeps its sketches meanwhile; that is the difference.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a bench stops where it is surprised")]

use std::time::{Duration, Instant};

use driftline::mlops::{Entry, ModelId, SpaceOptions, TimeRange};
use driftline::{Database, Durability, Metric, Options, Random, Record, Schema, Timestamp, json};

const DIMENSION: usize = 384;
const BATCH: u64 = 1_000;
const BATCHES: u64 = 200;
/// A vector a second.
const STEP_US: i64 = 1_000_000;

fn open() -> (tempfile::TempDir, Database) {
    let dir = tempfile::tempdir().expect("a directory");
    let db = Options::new().durability(Durability::None).open(dir.path().join("store")).expect("a store");
    (dir, db)
}

fn main() {
    let model: ModelId = "bench@1".parse().expect("a model");
    let (_plain_dir, plain) = open();
    let (_log_dir, logged) = open();
    let records = plain.create_collection("records", Schema::vector(DIMENSION, Metric::Cosine)).expect("a collection");
    let log = logged.embedding_log();
    log.register(&model, &SpaceOptions::new(DIMENSION)).expect("a space");
    let mut random = Random::seeded(1, 0);
    let (mut putting, mut logging) = (Vec::new(), Vec::new());
    for batch in 0..BATCHES {
        let mut vector = || (0..DIMENSION).map(|_| random.unit() as f32 - 0.5).collect::<Vec<f32>>();
        let vectors: Vec<Vec<f32>> = (0..BATCH).map(|_| vector()).collect();
        let rows = |vectors: Vec<Vec<f32>>| {
            let time = move |n: u64| Timestamp((batch * BATCH + n) as i64 * STEP_US);
            vectors.into_iter().zip(0..).map(move |(vector, n)| (vector, time(n), json!({"lang": "en", "n": n})))
        };
        let put = rows(vectors.clone()).zip(batch * BATCH..);
        let put =
            put.map(|((vector, time, payload), key)| Record::new(key).vector(vector).payload(payload).created_at(time));
        let entries = rows(vectors).map(|(vector, time, payload)| Entry::new(vector).payload(payload).at(time));
        let (put, entries): (Vec<Record>, Vec<Entry>) = (put.collect(), entries.collect());
        putting.push(timed(|| drop(records.put_all(put))));
        logging.push(timed(|| drop(log.log_all(&model, entries))));
    }
    assert_eq!(records.count().expect("a count"), BATCH * BATCHES);
    assert_eq!(log.profile(&model, TimeRange::ALL).expect("a profile").count(), BATCH * BATCHES);
    let (put, log) = (rate(&mut putting), rate(&mut logging));
    println!(
        "plain puts {put:.0}/s, log {log:.0}/s (medians of {BATCHES} batches of {BATCH} x {DIMENSION}), ratio {:.3}",
        log / put
    );
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// Vectors a second, by the median batch.
fn rate(times: &mut [Duration]) -> f64 {
    times.sort();
    BATCH as f64 / times[times.len() / 2].as_secs_f64()
}
