//! Sound data has a quality near 1, whatever its features are like, and each fault lowers it.

use driftline::mlops::{DataQuality, ModelId, Monitor, Output};
use driftline::{Database, Maintenance, Options, Value, json};

/// Numbers that follow from a seed, for rows that nothing but chance makes.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

type Row = fn(&mut Chance) -> Value;

/// Constant and seldom flags, categories, small numbers; and what hardly repeats.
const SOUND: [(&str, Row); 7] = [
    ("a flag that is never set", |_| json!({"beta": false}).into()),
    ("a flag that is seldom set", |it| json!({"vip": it.below(200) == 0, "stars": it.below(5)}).into()),
    ("few kinds", |it| {
        let (lang, device) = (["en", "de", "fr"][it.below(3) as usize], ["phone", "desk"][it.below(2) as usize]);
        json!({"lang": lang, "device": device, "stars": it.below(5), "new": it.below(2) == 0, "version": 3}).into()
    }),
    ("kinds that belong together", |it| {
        let device = it.below(20);
        json!({"model": format!("m{device}"), "screen": device / 4, "cpu": (device % 3) as f64 + 0.5}).into()
    }),
    ("one hot", |it| {
        let hot = it.below(12);
        json!({"x": (0..12).map(|place| u64::from(place == hot)).collect::<Vec<_>>()}).into()
    }),
    ("ages and ids", |it| json!({"age": it.below(60), "id": format!("u{}", it.below(1 << 40))}).into()),
    ("measurements", |it| json!({"x": it.below(1 << 40) as f64 / 1e6, "age": it.below(60)}).into()),
];

fn rows(count: usize, row: Row, seed: u64) -> Vec<Value> {
    let mut chance = Chance(seed);
    (0..count).map(|_| row(&mut chance)).collect()
}

fn monitor(baseline: &[Value]) -> Monitor {
    let db: Database = Options::new().maintenance(Maintenance::Manual).in_memory().unwrap();
    let model: ModelId = "ranker@1".parse().unwrap();
    if baseline.is_empty() {
        return db.monitor(&model);
    }
    Monitor::builder(&db, &model).unwrap().baseline_data(baseline).open().unwrap()
}

fn quality(baseline: &[Value], served: &[Value]) -> DataQuality {
    let monitor = monitor(baseline);
    let said: Vec<Output> = served.iter().map(|_| "yes".into()).collect();
    monitor.log_prediction_batch(served, &said, None, None).unwrap();
    monitor.metrics().unwrap().quality.unwrap()
}

#[test]
fn sound_data_scores_near_one_whatever_its_features_are_like() {
    for (kind, row) in SOUND {
        for served in [40, 300, 1_000] {
            let quality = quality(&rows(1_000, row, 1), &rows(served, row, 2));
            assert!(quality.score >= 0.97, "{kind}, {served} rows: {quality:?}");
        }
        let quality = quality(&[], &rows(1_000, row, 3));
        assert!(quality.score >= 0.97, "{kind}, without a baseline: {quality:?}");
    }
}

#[test]
fn a_baseline_that_holds_each_row_once_makes_no_fault_of_repeats() {
    let each: Vec<Value> = (0..50).map(|n| json!({"age": n, "even": n % 2 == 0}).into()).collect();
    let served: Vec<Value> = (0..1_000).map(|n| each[n * 7 % 50].clone()).collect();
    let found = quality(&each, &served);
    assert!(found.score >= 0.97, "{found:?}");
}

#[test]
fn each_fault_lowers_the_score_of_the_same_data() {
    let row: Row = |it| {
        let lang = ["en", "de"][it.below(2) as usize];
        json!({"lang": lang, "stars": it.below(5), "price": it.below(1 << 40) as f64 / 1e6,
            "x": [it.below(1 << 40) as f64 / 1e9, it.below(1 << 40) as f64 / 1e9]})
        .into()
    };
    let (baseline, sound) = (rows(1_000, row, 1), rows(1_000, row, 2));
    assert!(quality(&baseline, &sound).score >= 0.97);
    // Every second row, with one cell of four or one row of two spoiled.
    let set = |name: &'static str, value: Value| {
        move |row: &Value| {
            let cells = row
                .as_object()
                .unwrap()
                .iter()
                .map(|(key, old)| (key.clone(), if key == name { value.clone() } else { old.clone() }));
            Value::object(cells)
        }
    };
    let spoiled = |spoil: &dyn Fn(&Value) -> Value| -> Vec<Value> {
        let each = |(place, row): (usize, &Value)| if place % 2 == 0 { spoil(row) } else { row.clone() };
        sound.iter().enumerate().map(each).collect()
    };
    type Part = fn(&DataQuality) -> f64;
    let cells: [(&str, Value, Part); 5] = [
        ("price", Value::Null, |it| it.missing),
        ("price", Value::Float(f64::NAN), |it| it.not_finite),
        ("price", Value::Float(-1.0), |it| it.out_of_range),
        ("lang", "xx".into(), |it| it.unseen_category),
        ("stars", "five".into(), |it| it.wrong_type),
    ];
    for (name, value, part) in cells {
        let found = quality(&baseline, &spoiled(&set(name, value.clone())));
        assert!((part(&found) - 0.125).abs() < 0.01 && found.score < 0.9, "{name} {value}: {found:?}");
    }
    let stuck = sound[0].clone();
    let found = quality(&baseline, &spoiled(&|_| stuck.clone()));
    assert!((found.duplicate_rows - 0.5).abs() < 0.02 && found.score < 0.55, "{found:?}");
    let twice: Vec<Value> = sound[..500].iter().chain(&sound[..500]).cloned().collect();
    for baseline in [&baseline[..], &[]] {
        let found = quality(baseline, &twice);
        assert!((found.duplicate_rows - 0.5).abs() < 0.02 && found.score < 0.55, "{found:?}");
    }
    let dead: Vec<Value> = sound.iter().map(set("x", json!([0.25, 1.5]).into())).collect();
    for (place, baseline) in [&baseline[..], &[]].into_iter().enumerate() {
        let found = quality(baseline, &dead);
        assert!(found.dead_dimensions == 1.0 && found.score < 0.01, "{place}: {found:?}");
    }
    let constant: Vec<Value> = sound.iter().map(set("stars", 3.into())).collect();
    let found = quality(&baseline, &constant);
    assert!(found.constant_features == 0.25 && found.score < 0.8, "{found:?}");
}
