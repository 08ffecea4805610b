//! Neighbours tell what a vector is: their labels, counted as it is written down.

use driftline::mlops::{KnnClassifier, KnnRegressor, Weights};
use driftline::{Collection, Database, ErrorKind, Metric, Random, Record, Schema, Value, json};

fn line(metric: Metric, labels: &[(f32, Value)]) -> (Database, Collection) {
    let db = Database::in_memory().unwrap();
    let rows = db.create_collection("rows", Schema::vector(2, metric)).unwrap();
    let record = |(key, (x, label)): (usize, &(f32, Value))| {
        Record::new(key as u64).vector([*x, 0.0]).payload(Value::object([("kind", label.clone())]))
    };
    rows.put_all(labels.iter().enumerate().map(record)).unwrap();
    (db, rows)
}

fn texts(labels: &[(f32, &str)]) -> Vec<(f32, Value)> {
    labels.iter().map(|(x, label)| (*x, Value::from(*label))).collect()
}

#[test]
fn the_most_votes_win_and_of_equal_ones_the_nearest() {
    let (_db, rows) = line(Metric::L2, &texts(&[(1.0, "a"), (2.0, "b"), (3.0, "b"), (4.0, "a"), (9.0, "c")]));
    let all = KnnClassifier::new(&rows, "kind").predict([0.0, 0.0]).unwrap();
    let shares: Vec<_> = all.shares.iter().map(|it| (it.label.as_text().unwrap(), it.share)).collect();
    assert_eq!(shares, [("a", 0.4), ("b", 0.4), ("c", 0.2)]);
    assert_eq!((all.label.as_text(), all.neighbours.len(), all.unlabelled), (Some("a"), 5, 0));
    let three = KnnClassifier::new(&rows, "kind").k(3).predict([0.0, 0.0]).unwrap();
    assert_eq!(three.label, "b".into());
    // The same from the other end, where b is nearer than a.
    let four = KnnClassifier::new(&rows, "kind").k(4).filter("kind != 'c'").unwrap().predict([2.4, 0.0]).unwrap();
    assert_eq!(four.label, "b".into());
}

#[test]
fn nearer_votes_weigh_more_and_those_that_touch_are_alone() {
    let (_db, rows) = line(Metric::L2, &texts(&[(1.0, "a"), (3.0, "b"), (4.0, "b")]));
    let weighed = KnnClassifier::new(&rows, "kind").k(3).weights(Weights::Distance);
    let there = weighed.predict([0.0, 0.0]).unwrap();
    // 1 against 1/3 + 1/4: lengths, not their squares.
    assert_eq!(there.label, "a".into());
    assert!((there.shares[0].share - 12.0 / 19.0).abs() < 1e-9, "{there:?}");
    assert_eq!(KnnClassifier::new(&rows, "kind").k(3).predict([0.0, 0.0]).unwrap().label, "b".into());
    let touching = weighed.predict([3.0, 0.0]).unwrap();
    assert_eq!((touching.shares[0].share, touching.label), (1.0, "b".into()));

    let (_db, dot) = line(Metric::Dot, &texts(&[(1.0, "a")]));
    let error = KnnClassifier::new(&dot, "kind").weights(Weights::Distance).predict([1.0, 0.0]).unwrap_err();
    assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("Weights::Uniform"), "{error}");
    assert_eq!(KnnClassifier::new(&dot, "kind").predict([1.0, 0.0]).unwrap().label, "a".into());
}

#[test]
fn records_without_a_label_are_passed_over_and_counted() {
    let mut labels = texts(&[(1.0, "a"), (3.0, "b"), (5.0, "b"), (7.0, "b")]);
    labels.extend([(2.0, Value::Null), (2.5, json!(["a"]).into())]);
    let (_db, rows) = line(Metric::L2, &labels);
    rows.put(Record::new("bare").vector([0.5, 0.0])).unwrap();
    let found = KnnClassifier::new(&rows, "kind").k(3).predict([0.0, 0.0]).unwrap();
    assert_eq!((found.label.as_text(), found.neighbours.len(), found.unlabelled), (Some("b"), 3, 2));

    let error = KnnClassifier::new(&rows, "knid").predict([1.0, 0.0]).unwrap_err();
    assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("did you mean `kind`?"), "{error}");
    assert_eq!(KnnClassifier::new(&rows, "kind").k(0).predict([1.0, 0.0]).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(KnnClassifier::new(&rows, "kind").predict([1.0]).unwrap_err().kind(), ErrorKind::Dimension);
    KnnClassifier::new(&rows, "kind").predict([f32::NAN, 0.0]).unwrap_err();
    KnnClassifier::new(&rows, "").predict([1.0, 0.0]).unwrap_err();
    let db = Database::in_memory().unwrap();
    let bare = db.create_collection("bare", Schema::payload_only()).unwrap();
    assert_eq!(KnnClassifier::new(&bare, "kind").predict([1.0]).unwrap_err().kind(), ErrorKind::Invalid);
    let empty = db.create_collection("empty", Schema::vector(1, Metric::L2)).unwrap();
    assert_eq!(KnnClassifier::new(&empty, "kind").predict([1.0]).unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn numbers_are_labels_by_value_and_estimated_by_their_mean() {
    let labels: Vec<(f32, Value)> =
        [(1.0, json!(1)), (2.0, json!(1.0)), (3.0, json!(7)), (4.0, json!("7"))].map(|(x, it)| (x, it.into())).into();
    let (_db, rows) = line(Metric::L2, &labels);
    let class = KnnClassifier::new(&rows, "kind").k(3).predict([0.0, 0.0]).unwrap();
    assert_eq!((class.shares.len(), class.shares[0].share), (2, 2.0 / 3.0));
    let mean = KnnRegressor::new(&rows, "kind").k(4).predict([4.0, 0.0]).unwrap();
    assert_eq!((mean.value, mean.neighbours.len(), mean.unlabelled), (3.0, 3, 1));
    let weighed = KnnRegressor::new(&rows, "kind").k(2).weights(Weights::Distance).predict([3.5, 0.0]).unwrap();
    // 7 at a half and 1 at one and a half.
    assert!((weighed.value - 5.5).abs() < 1e-6, "{weighed:?}");
    let held = KnnRegressor::new(&rows, "kind").k(1).evaluate([([1.1, 0.0], 1.0), ([2.9, 0.0], 8.0)]).unwrap();
    assert_eq!(held.mae, 0.5);
}

/// Three clouds in eight dimensions, found through a graph; a class that is told apart without effort.
#[test]
fn held_out_rows_get_their_labels_through_an_index() {
    let db = Database::in_memory().unwrap();
    let schema = Schema::vector(8, Metric::Cosine).index("hnsw".parse().unwrap());
    let rows = db.create_collection("rows", schema).unwrap();
    let mut random = Random::seeded(7, 0);
    let mut draw = |class: usize| -> [f32; 8] {
        std::array::from_fn(|place| random.unit() as f32 * 0.6 + if place % 3 == class { 1.0 } else { 0.0 })
    };
    let drawn: Vec<([f32; 8], usize)> = (0..1800).map(|row| (draw(row % 3), row % 3)).collect();
    let (train, held) = drawn.split_at(1500);
    let record = |(key, (vector, class)): (usize, &([f32; 8], usize))| {
        Record::new(key as u64).vector(*vector).payload(json!({"class": format!("c{class}")}))
    };
    rows.put_all(train.iter().enumerate().map(record)).unwrap();
    db.flush().unwrap();
    assert!(rows.wait_indexed(std::time::Duration::from_secs(60)).unwrap());
    let held = held.iter().map(|(vector, class)| (*vector, Value::from(format!("c{class}"))));
    let confusion = KnnClassifier::new(&rows, "class").evaluate(held).unwrap();
    assert_eq!(confusion.total(), 300);
    assert!(confusion.accuracy().unwrap() > 0.99, "{:?}", confusion.matrix());
}
