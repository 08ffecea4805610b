//! Permutations are as many as a verdict needs, and where these would be too many the law goes on where they end.

use driftline::mlops::TimeRange;
use driftline::mlops::drift::{Column, DriftDetector, DriftResult, Method, Test};
use driftline::{Database, Random, Record, Schema, Timestamp, json};

/// Classes of which each comes too seldom for chi-square.
fn classes(from: usize) -> Column {
    Column::categories((0..120).map(|row| (from + row % 60).to_string()))
}

#[test]
fn classes_that_are_all_new_are_found_at_a_level_that_no_permutations_reach() {
    let mut detector = DriftDetector::new(Method::Auto).threshold(1e-7);
    detector.set_reference([("x", classes(0))]).unwrap();
    let judge = |from| detector.detect([("x", classes(from))]).unwrap().remove(0);
    let new = judge(60);
    assert_eq!(new.test, Test::ChiSquarePermuted);
    assert!(new.alarm && new.p.unwrap() <= new.level, "{new:?}");
    let some = judge(2);
    assert!(!some.drift && some.p.unwrap() > 1e-3, "permutations tell what they can: {some:?}");
}

/// Of 50 languages the prices of one are others.
#[test]
fn one_of_many_values_is_found_by_permutations() {
    let db = Database::in_memory().unwrap();
    let docs = db.create_collection("docs", Schema::payload_only()).unwrap();
    docs.put_all((0..5_000i64).map(|number| {
        let (lang, now) = (number % 50, number >= 2_500);
        let price = number / 50 % 50 + if now && lang == 7 { 100 } else { 0 };
        Record::new(number as u64).payload(json!({"lang": lang, "price": price})).created_at(Timestamp(number))
    }))
    .unwrap();
    let times = |from, to| TimeRange::new(Timestamp(from), Timestamp(to)).unwrap();
    for fields in [vec!["price"], vec![]] {
        let check = db.drift("docs").current(times(2_500, 5_000)).fields(fields).by("lang").rows(5_000);
        let report = check.detector(DriftDetector::new(Method::JensenShannon)).run().unwrap();
        let drifted: Vec<_> = report.results.iter().filter(|it| it.drift).map(|it| it.feature.as_str()).collect();
        assert_eq!(drifted, ["lang=7 price"], "{:?}", report.results);
    }
}

/// Vectors on a line through a square that they filled before: two of the four tests see it.
#[test]
fn vectors_beside_quiet_fields_are_found_as_well() {
    let mut random = Random::seeded(3, 0);
    let mut square = || [random.unit() as f32, random.unit() as f32];
    let before: Vec<[f32; 2]> = (0..80).map(|_| square()).collect();
    let now = (0..80).map(|_| square()).map(|[x, y]| [x, (x + 0.05 * y).fract()]);
    let quiet = |from: u32| {
        (0..12).map(move |field| (format!("field {field}"), (from..from + 80).map(|n| f64::from(n * 37 % 80))))
    };
    let columns = |vectors: Vec<[f32; 2]>, from| {
        let fields = quiet(from).map(|(name, values)| (name, Column::numbers(values)));
        fields.chain([("vector".to_owned(), Column::vectors(vectors.into_flattened(), 2).unwrap())])
    };
    let now: Vec<[f32; 2]> = now.collect();
    let judge = |features: Option<&str>| {
        let mut detector = DriftDetector::new(Method::Auto);
        if let Some(feature) = features {
            detector = detector.features([feature]);
        }
        detector.set_reference(columns(before.clone(), 0)).unwrap();
        detector.detect(columns(now.clone(), 80)).unwrap().pop().unwrap()
    };
    let (alone, among) = (judge(Some("vector")), judge(None));
    let permutations = |result: &DriftResult| result.embedding.as_ref().unwrap().tests[1].permutations;
    assert_eq!((alone.drift, permutations(&alone)), (true, Some(999)));
    assert!(among.drift && permutations(&among) > Some(999), "{among:?}");
}
