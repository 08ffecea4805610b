//! Live queries are asked again in the background, and what they find is written to `_recall`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use driftline::fs::SimulatedFs;
use driftline::{
    Collection, Database, ErrorKind, Key, Maintenance, ManualClock, Metric, Options, Query, Random, Record, Schema,
    Timestamp, Value, Work, json,
};

const DIMENSION: usize = 16;
const LONG: Duration = Duration::from_secs(120);
const MINUTE: Duration = Duration::from_secs(60);
/// An index that misses much: few links, found in haste.
const POOR: &str = "hnsw(m=4, ef_construction=16)";

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp(1_769_860_800_000_000)))
}

fn options(share: f64, clock: &Arc<ManualClock>) -> Options {
    let options = Options::new().maintenance(Maintenance::Manual).index_min_rows(1).resident_index_bytes(0).seed(4);
    options.audit_queries(share).clock(Arc::clone(clock) as Arc<dyn driftline::Clock>)
}

fn vector(number: u64) -> Vec<f32> {
    let mut random = Random::seeded(number, 91);
    (0..DIMENSION).map(|_| random.unit() as f32).collect()
}

fn docs(db: &Database, index: &str) -> Collection {
    let schema = Schema::vector(DIMENSION, Metric::L2).index(index.parse().unwrap());
    let docs = db.create_collection("docs", schema).unwrap();
    let record = |n: u64| Record::new(n).vector(vector(n)).payload(json!({"tenth": n % 10}));
    docs.put_all((0..1_500).map(record)).unwrap();
    db.flush().unwrap();
    assert!(docs.wait_indexed(LONG).unwrap());
    docs
}

fn queries(docs: &Collection, numbers: std::ops::Range<u64>, ask: impl Fn(Query) -> Query) -> Vec<Vec<Key>> {
    let answer = |n| ask(docs.query().nearest(vector(1_000_000 + n))).run().unwrap().keys().cloned().collect();
    numbers.map(answer).collect()
}

fn ticks(db: &Database) -> Vec<Work> {
    std::iter::from_fn(|| db.tick().unwrap()).collect()
}

/// The payloads of `_recall`, oldest first.
fn recorded(db: &Database) -> Vec<Value> {
    let Ok(records) = db.collection("_recall") else { return Vec::new() };
    records.scan().map(|record| record.unwrap().payload).collect()
}

fn number(payload: &Value, field: &str) -> f64 {
    payload.get(field).and_then(Value::as_f64).unwrap_or_else(|| panic!("{field} is not in {payload}"))
}

#[test]
fn what_is_recorded_is_what_the_queries_got() {
    let clock = clock();
    let db = options(1.0, &clock).in_memory().unwrap();
    let docs = docs(&db, POOR);
    let found = queries(&docs, 0..30, |query| query.ef(10));
    let exact = queries(&docs, 0..30, Query::exact);
    let filtered = |query: Query| query.filter("tenth < 5").unwrap().k(7);
    queries(&docs, 0..5, filtered);
    assert_eq!((ticks(&db), recorded(&db)), (vec![], vec![]), "they wait for others");
    clock.advance(MINUTE);
    assert_eq!(ticks(&db), [Work::Audited]);

    let recorded = recorded(&db);
    assert_eq!(recorded.len(), 2, "{recorded:?}");
    let told = |payload: &Value, field: &str| payload.get(field).cloned().unwrap();
    let of = |k: f64| recorded.iter().find(|payload| number(payload, "k") == k).unwrap();
    let shares = found.iter().zip(&exact).map(|(found, exact)| {
        let exact: BTreeSet<&Key> = exact.iter().collect();
        found.iter().filter(|key| exact.contains(key)).count() as f64 / 10.0
    });
    let shares: Vec<f64> = shares.collect();
    let mean = shares.iter().sum::<f64>() / 30.0;
    assert!(mean < 0.99 && (number(of(10.0), "recall") - mean).abs() < 1e-9, "{mean}, recorded {}", of(10.0));
    assert_eq!(number(of(10.0), "minimum"), shares.iter().copied().fold(1.0, f64::min));
    assert_eq!((number(of(10.0), "queries"), number(of(10.0), "selectivity")), (30.0, 1.0));
    assert_eq!((told(of(10.0), "collection"), told(of(10.0), "effort")), ("docs".into(), "ef 10".into()));
    assert_eq!((told(of(10.0), "index"), told(of(10.0), "filtered")), (POOR.into(), false.into()));
    assert_eq!((number(of(7.0), "queries"), number(of(7.0), "selectivity")), (5.0, 0.5));
    assert_eq!((told(of(7.0), "effort"), told(of(7.0), "filtered")), ("recall 0.95".into(), true.into()));
    let newest = db.collection("_recall").unwrap().count_where("@time > now() - '1m' and recall < 1").unwrap();
    assert!(newest >= 1, "they carry the time and can be asked for");
}

#[test]
fn no_more_than_sixty_four_queries_are_audited_a_minute() {
    let clock = clock();
    let db = options(1.0, &clock).in_memory().unwrap();
    let docs = docs(&db, POOR);
    for _ in 0..2 {
        docs.query().run_many((0..200).map(vector)).unwrap();
        clock.advance(MINUTE - Duration::from_micros(1));
        assert_eq!(ticks(&db), []);
        clock.advance(Duration::from_micros(1));
        assert_eq!(ticks(&db), [Work::Audited]);
    }
    let counts: Vec<f64> = recorded(&db).iter().map(|payload| number(payload, "queries")).collect();
    assert_eq!(counts, [64.0, 64.0]);
}

#[test]
fn nothing_is_audited_that_was_exact_or_not_asked_for() {
    let clock = clock();
    let db = options(1.0, &clock).in_memory().unwrap();
    let docs = docs(&db, POOR);
    queries(&docs, 0..100, Query::exact);
    queries(&docs, 0..100, |query| query.recall(1.0));
    docs.query().nearest(vector(1)).explain().unwrap();
    let flat = db.create_collection("flat", Schema::vector(DIMENSION, Metric::L2)).unwrap();
    flat.put(Record::new(1u64).vector(vector(1))).unwrap();
    queries(&flat, 0..100, |query| query);
    clock.advance(MINUTE);
    assert_eq!((ticks(&db), recorded(&db)), (vec![], vec![]));

    let db = options(0.0, &clock).in_memory().unwrap();
    queries(&self::docs(&db, POOR), 0..100, |query| query);
    clock.advance(MINUTE);
    assert_eq!((ticks(&db), recorded(&db)), (vec![], vec![]));
    for share in [-0.1, 1.1, f64::NAN] {
        assert_eq!(options(share, &clock).in_memory().unwrap_err().kind(), ErrorKind::Invalid);
    }
}

#[test]
fn one_seed_audits_the_same_queries() {
    let audited = || {
        let clock = clock();
        let db = options(0.3, &clock).in_memory().unwrap();
        queries(&docs(&db, POOR), 0..60, |query| query.ef(10));
        clock.advance(MINUTE);
        ticks(&db);
        recorded(&db)
    };
    let first = audited();
    assert_eq!(first, audited());
    assert!((8.0..30.0).contains(&number(&first[0], "queries")), "{first:?}");
}

#[test]
fn asking_touches_no_file_and_waits_for_no_audit() {
    let calls = |share| {
        let fs = SimulatedFs::new(1);
        let db = options(share, &clock()).open_on(Arc::new(fs.clone())).unwrap();
        let docs = docs(&db, POOR);
        queries(&docs, 0..1, |query| query);
        let before = fs.calls();
        queries(&docs, 0..500, |query| query);
        fs.calls() - before
    };
    assert_eq!((calls(0.0), calls(1.0)), (0, 0));
}

#[test]
fn what_was_recorded_is_there_after_a_restart_and_goes_when_it_is_old() {
    let (fs, clock) = (SimulatedFs::new(1), clock());
    let db = options(1.0, &clock).open_on(Arc::new(fs.clone())).unwrap();
    docs(&db, POOR);
    let audit = |db: &Database| {
        queries(&db.collection("docs").unwrap(), 0..3, |query| query.ef(10));
        clock.advance(MINUTE);
        assert!(ticks(db).contains(&Work::Audited));
    };
    audit(&db);
    let before = recorded(&db);
    db.close().unwrap();
    let db = options(1.0, &clock).open_on(Arc::new(fs.clone())).unwrap();
    assert_eq!((recorded(&db), before.len()), (before, 1));
    audit(&db);
    assert_eq!(recorded(&db).len(), 2);
    // A clock set back moves no record to the place of another.
    clock.set(Timestamp(1_769_860_800_000_000));
    audit(&db);
    assert_eq!(recorded(&db).len(), 3);
    clock.advance(31 * 24 * 60 * MINUTE);
    assert_eq!(recorded(&db).len(), 0);
}

#[test]
fn a_thread_audits_by_itself_and_lets_the_store_close() {
    let clock = clock();
    let db = options(1.0, &clock).maintenance(Maintenance::Automatic).in_memory().unwrap();
    let docs = docs(&db, POOR);
    queries(&docs, 0..5, |query| query.ef(10));
    clock.advance(MINUTE);
    queries(&docs, 5..6, |query| query.ef(10));
    let deadline = Instant::now() + LONG;
    while recorded(&db).is_empty() {
        assert!(Instant::now() < deadline, "nothing is recorded");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!((1.0..=6.0).contains(&number(&recorded(&db)[0], "queries")));
    queries(&docs, 0..5, |query| query.ef(10));
    clock.advance(MINUTE);
    queries(&docs, 5..6, |query| query.ef(10));
    db.close().unwrap();
}
