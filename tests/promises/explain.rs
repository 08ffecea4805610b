//! `explain` tells what a query did, what the exact answer would have cost, and what would serve better.

use std::time::Duration;

use driftline::{Collection, Database, Explain, Maintenance, Metric, Options, Random, Record, Schema, json};

const LONG: Duration = Duration::from_secs(120);

fn open() -> Database {
    Options::new().maintenance(Maintenance::Manual).seed(5).in_memory().unwrap()
}

fn vector(dimension: usize, number: u64) -> Vec<f32> {
    let mut random = Random::seeded(number, 71);
    (0..dimension).map(|_| random.unit() as f32).collect()
}

/// A collection of 3,000 rows in one file and `unsealed` in memory.
fn docs(db: &Database, dimension: usize, index: &str, unsealed: u64) -> Collection {
    let schema = Schema::vector(dimension, Metric::L2).index(index.parse().unwrap());
    let docs = db.create_collection("docs", schema).unwrap();
    let record = |n: u64| Record::new(n).vector(vector(dimension, n)).payload(json!({"tenth": n % 10}));
    docs.put_all((0..3_000).map(record)).unwrap();
    db.flush().unwrap();
    docs.put_all((3_000..3_000 + unsealed).map(record)).unwrap();
    docs
}

fn explain(docs: &Collection, dimension: usize, ask: impl FnOnce(driftline::Query) -> driftline::Query) -> Explain {
    ask(docs.query().nearest(vector(dimension, 999_999)).k(10)).explain().unwrap()
}

#[test]
fn the_estimate_of_an_exact_answer_is_what_an_exact_answer_does() {
    // Vectors of 8 numbers have no codes, those of 64 have.
    for dimension in [8, 64] {
        for filter in ["tenth < 10", "tenth = 3"] {
            let db = open();
            let docs = docs(&db, dimension, "flat", 500);
            let seen = explain(&docs, dimension, |query| query.filter(filter).unwrap());
            let (estimate, did) = (seen.exact, seen.stats);
            assert_eq!(estimate.code_distances, did.code_distances, "{dimension} {filter}");
            assert!(estimate.code_distances == if dimension == 64 { seen.segments[0].candidates } else { 0 });
            let more = did.distances - estimate.distances;
            assert_eq!(estimate.bytes + more * dimension as u64 * 4, did.bytes, "{dimension} {filter}");
            assert!(if dimension == 64 { more < 200 } else { more == 0 }, "{more} rows more than the estimate");
            assert!(!seen.to_string().contains("would compare"), "it did compare");
        }
    }
}

#[test]
fn a_search_through_an_index_tells_what_the_exact_answer_would_have_cost() {
    let db = open();
    let docs = docs(&db, 64, "hnsw", 0);
    assert!(docs.wait_indexed(LONG).unwrap());
    let seen = explain(&docs, 64, |query| query);
    let exact = explain(&docs, 64, driftline::Query::exact);
    assert_eq!((seen.plan, exact.plan), ("approximate", "exact"));
    assert_eq!(seen.exact, exact.exact);
    assert_eq!((seen.exact.code_distances, exact.stats.code_distances), (3_000, 3_000));
    assert!(seen.stats.visited < 3_000 && seen.stats.bytes < seen.exact.bytes, "{seen}");
    let text = seen.to_string();
    for words in ["approximate (recall 0.95)", "would compare 3000 codes and 10 vectors", "(this read ", "in graph"] {
        assert!(text.contains(words), "'{words}' is not in:\n{text}");
    }
    let told = serde_json::to_value(&seen).unwrap();
    assert_eq!(told["exact"]["code_distances"], 3_000);
    assert_eq!((&told["segments"][0]["index"], &told["segments"][0]["plan"]), (&json!("hnsw"), &json!("in graph")));
    assert_eq!(told["effort"], "recall 0.95");
}

#[test]
fn advice_follows_the_index_from_its_absence_to_its_limits() {
    let db = open();
    let docs = docs(&db, 64, "hnsw(m=4, ef_construction=16)", 1_500);
    let advice = |seen: Explain| seen.advice.join("; ");
    let advised = |words: &str, seen: Explain| {
        assert!(advice(seen.clone()).contains(words), "'{words}' is not in {:?}", seen.advice);
    };
    advised("has no index yet", explain(&docs, 64, |query| query));
    advised("1500 rows are not in files yet", explain(&docs, 64, |query| query));
    docs.delete_where("@key >= 3000").unwrap();
    db.flush().unwrap();
    assert!(docs.wait_indexed(LONG).unwrap());
    assert_eq!(advice(explain(&docs, 64, |query| query.recall(0.3))), "");
    advised("ef 10 has an index look", explain(&docs, 64, |query| query.ef(10)));
    advised("the filter lets so few rows", explain(&docs, 64, |query| query.filter("tenth = 3").unwrap()));
    docs.reindex("lsh".parse().unwrap()).unwrap();
    advised("still another index", explain(&docs, 64, |query| query.recall(0.3)));
    docs.reindex("flat".parse().unwrap()).unwrap();
    assert!(docs.wait_indexed(LONG).unwrap());
    assert_eq!(advice(explain(&docs, 64, |query| query)), "", "3,000 rows are compared in no time");
}
