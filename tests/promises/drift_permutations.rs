//! Permutations are as many as a verdict needs, and where these would be too many the law goes on where they end.

use driftline::mlops::TimeRange;
use driftline::mlops::drift::{Column, DriftDetector, Method, Test};
use driftline::{Database, Record, Schema, Timestamp, json};

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
