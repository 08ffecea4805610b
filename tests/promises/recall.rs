//! `recall` tells how many of the nearest are found, and what it tells is what asking and comparing tells.

use std::collections::BTreeSet;
use std::time::Duration;

use driftline::{
    CancelToken, Collection, Database, ErrorKind, Key, Maintenance, Metric, Options, Query, QuerySource, Random,
    RecallFigures, RecallReport, Record, Schema, json,
};

const DIMENSION: usize = 16;
const LONG: Duration = Duration::from_secs(120);

fn open(threads: usize) -> Database {
    let options = Options::new().index_min_rows(1).seed(9);
    let options = if threads == 1 { options.maintenance(Maintenance::Manual) } else { options.threads(threads) };
    options.in_memory().unwrap()
}

fn vector(number: u64) -> Vec<f32> {
    let mut random = Random::seeded(number, 81);
    (0..DIMENSION).map(|_| random.unit() as f32).collect()
}

fn record(number: u64) -> Record {
    Record::new(number).vector(vector(number)).payload(json!({"tenth": number % 10}))
}

/// 1,200 records in files and 300 in memory.
fn docs(db: &Database, index: &str) -> Collection {
    let schema = Schema::vector(DIMENSION, Metric::L2).index(index.parse().unwrap());
    let docs = db.create_collection("docs", schema).unwrap();
    docs.put_all((0..1_200).map(record)).unwrap();
    db.flush().unwrap();
    docs.put_all((1_200..1_500).map(record)).unwrap();
    assert!(docs.wait_indexed(LONG).unwrap());
    docs
}

/// An index that misses much: few links, found in haste.
const POOR: &str = "hnsw(m=4, ef_construction=16)";

fn figures(report: &RecallReport) -> RecallFigures {
    report.recall.expect("something was measured")
}

fn keys(query: Query) -> Vec<Key> {
    query.run().unwrap().keys().cloned().collect()
}

/// The share of its exact answer that each query finds, asked and compared by hand.
fn by_hand(docs: &Collection, queries: impl Iterator<Item = (Vec<f32>, Option<u64>)>, k: usize, ef: usize) -> Vec<f64> {
    let shares = queries.map(|(vector, own)| {
        let query = || docs.query().nearest(vector.clone()).k(k + usize::from(own.is_some()));
        let without = |mut keys: Vec<Key>| {
            keys.retain(|key| key.as_number() != own);
            keys.truncate(k);
            keys
        };
        let exact: BTreeSet<Key> = without(keys(query().exact())).into_iter().collect();
        let found = without(keys(query().ef(ef)));
        found.iter().filter(|key| exact.contains(key)).count() as f64 / exact.len() as f64
    });
    shares.collect()
}

fn mean(shares: &[f64]) -> f64 {
    shares.iter().sum::<f64>() / shares.len() as f64
}

fn assert_are_of(figures: RecallFigures, mut shares: Vec<f64>) {
    shares.sort_by(f64::total_cmp);
    let count = shares.len() as f64;
    let mean = mean(&shares);
    let variance = shares.iter().map(|share| (share - mean) * (share - mean)).sum::<f64>() / (count - 1.0);
    let half = 1.96 * (variance / count).sqrt();
    let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
    assert!(near(figures.mean, mean), "{figures:?}, by hand {mean}");
    assert!(near(figures.low, (mean - half).max(0.0)) && near(figures.high, (mean + half).min(1.0)), "{figures:?}");
    assert!(figures.low < figures.mean && figures.mean < figures.high);
    assert_eq!((figures.queries, figures.minimum), (shares.len() as u64, shares[0]));
    assert_eq!(figures.at_minimum, shares.iter().filter(|share| **share == shares[0]).count() as u64);
    assert_eq!(figures.p5, shares[shares.len().div_ceil(20) - 1]);
}

#[test]
fn a_collection_without_an_index_finds_everything() {
    let db = open(1);
    let docs = docs(&db, "flat");
    let report = docs.recall().sample(200).k(10).run().unwrap();
    assert_eq!(report.by_selectivity.len(), 4);
    for figures in report.by_selectivity.iter().chain(&report.recall) {
        assert_eq!((figures.mean, figures.low, figures.high, figures.minimum, figures.p5), (1.0, 1.0, 1.0, 1.0, 1.0));
        assert_eq!(figures.cost, figures.exact_cost);
    }
    assert_eq!((figures(&report).queries, figures(&report).candidates), (200, 1_500));
    assert_eq!((report.complete, report.coverage.rows, report.coverage.indexed_rows), (true, 1_500, 0));
    assert!(report.to_string().contains("none: all of 1500 rows are compared"), "{report}");
}

#[test]
fn what_is_told_of_a_poor_index_is_what_asking_and_comparing_tells() {
    let db = open(1);
    let docs = docs(&db, POOR);
    let queries = || (0..150).map(|number| vector(1_000_000 + number));
    let report = docs.recall().queries(queries()).k(10).ef(10).run().unwrap();
    assert!(figures(&report).mean < 0.99 && figures(&report).minimum < 0.9, "{report}");
    assert_are_of(figures(&report), by_hand(&docs, queries().map(|vector| (vector, None)), 10, 10));
    assert_eq!(
        (report.source, &*report.effort, &report.coverage.kinds[..]),
        (QuerySource::Supplied, "ef 10", &[POOR.to_owned()][..])
    );
    assert_eq!((report.coverage.indexed_rows, report.coverage.rows), (1_200, 1_500));
    assert!(figures(&report).cost.bytes < figures(&report).exact_cost.bytes);
    let told = serde_json::to_value(&report).unwrap();
    assert_eq!((&told["source"], &told["recall"]["queries"]), (&json!("supplied"), &json!(150)));
}

#[test]
fn a_stored_query_is_left_out_of_its_own_answer() {
    let db = open(1);
    let docs = docs(&db, "lsh(tables=1)");
    docs.delete_where("@key >= 600").unwrap();
    // As many as there are, so all of them are drawn, and none that was deleted.
    let report = docs.recall().sample(5_000).k(5).ef(6).run().unwrap();
    let all = || (0..600).map(|number| (vector(number), Some(number)));
    assert_are_of(figures(&report), by_hand(&docs, all(), 5, 6));
    let with_itself = by_hand(&docs, all().map(|(vector, _)| (vector, None)), 5, 6);
    assert!(figures(&report).mean < mean(&with_itself), "finding itself is easy");

    let few = db.create_collection("few", Schema::vector(1, Metric::L2)).unwrap();
    few.put(Record::new(1u64).vector([1.0])).unwrap();
    assert_eq!(few.recall().run().unwrap().recall, None, "it has no neighbour but itself");
    few.put_all([2u64, 3].map(|key| Record::new(key).vector([1.0]))).unwrap();
    assert_eq!((figures(&few.recall().run().unwrap()).queries, figures(&few.recall().run().unwrap()).mean), (3, 1.0));
}

#[test]
fn a_stored_query_does_not_go_by_its_own_links() {
    let db = open(1);
    let docs = docs(&db, POOR);
    docs.delete_where("@key >= 1200").unwrap();
    let report = docs.recall().sample(1_200).k(10).ef(10).run().unwrap();
    let through_itself = by_hand(&docs, (0..1_200).map(|number| (vector(number), Some(number))), 10, 10);
    assert!(figures(&report).mean < mean(&through_itself) - 0.01, "{report} with its links {}", mean(&through_itself));
    let others = || (0..400).map(|number| vector(2_000_000 + number));
    let supplied = figures(&docs.recall().queries(others()).k(10).ef(10).run().unwrap());
    assert!(figures(&report).mean < supplied.high, "stored queries promise no more than others: {supplied:?}");
}

#[test]
fn a_filter_and_its_selectivity_are_told() {
    let db = open(1);
    let docs = docs(&db, POOR);
    let report = docs.recall().sample(60).filter("tenth < 4").unwrap().ef(20).run().unwrap();
    let seen = figures(&report);
    assert_eq!((seen.candidates, seen.selectivity), (600, 0.4));
    assert_eq!((report.filter.as_deref(), report.by_selectivity.len()), (Some("tenth < 4"), 0));

    let report = docs.recall().sample(60).selectivities([0.3, 0.02]).ef(20).run().unwrap();
    let shares: Vec<f64> = report.by_selectivity.iter().map(|figures| figures.selectivity).collect();
    assert!((0.25..0.35).contains(&shares[0]) && (0.01..0.03).contains(&shares[1]), "{shares:?}");
    // So few rows are compared one by one.
    assert!(report.by_selectivity[1].mean == 1.0 && figures(&report).mean < 1.0, "{report}");
    let text = report.to_string();
    for words in ["60 stored queries", "95 % interval", "least", "records by chance", "out of reach"] {
        assert!(text.contains(words), "'{words}' is not in:\n{text}");
    }
}

#[test]
fn one_seed_measures_the_same_with_any_number_of_threads() {
    let measured = |threads, seed| {
        let db = open(threads);
        docs(&db, POOR).recall().sample(100).ef(10).seed(seed).run().unwrap()
    };
    assert_eq!(measured(1, 3), measured(3, 3));
    assert_ne!(measured(1, 3), measured(1, 4));
}

#[test]
fn a_measurement_ends_when_it_is_told_to() {
    let db = open(1);
    let docs = docs(&db, POOR);
    let report = docs.recall().deadline(Duration::ZERO).run().unwrap();
    assert_eq!((report.complete, report.recall, report.by_selectivity.len()), (false, None, 0));
    assert!(report.to_string().contains("the time was up"), "{report}");
    let token = CancelToken::new();
    token.cancel();
    assert_eq!(docs.recall().cancel(&token).run().unwrap_err().kind(), ErrorKind::Cancelled);
}

#[test]
fn a_measurement_without_sense_is_refused() {
    let db = open(1);
    let docs = docs(&db, "flat");
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    let wide = db.create_collection("wide", Schema::vector(16_384, Metric::L2)).unwrap();
    for (measurement, word) in [
        (docs.recall().k(0), "k is 0"),
        (docs.recall().sample(0), "0 queries"),
        (docs.recall().sample(100_001), "100001 queries"),
        (docs.recall().queries([[0.0f32; DIMENSION]; 0]), "0 queries"),
        (wide.recall().sample(16_385), "more than 1 GiB"),
        (docs.recall().queries([[0.0f32; 3]]), "dimension 3"),
        (docs.recall().ef(0), "ef is 0"),
        (docs.recall().recall(1.5), "recall is 1.5"),
        (docs.recall().selectivities([0.0]), "selectivity is 0"),
        (notes.recall(), "no vectors"),
    ] {
        let error = measurement.run().unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
        assert!(matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Dimension));
    }
}
