//! What is normal for a model begins when it is said, replaces what was said before, and outlives the process.

use std::sync::Arc;
use std::time::Duration;

use driftline::fs::SimulatedFs;
use driftline::mlops::drift::Verdict;
use driftline::mlops::{
    AlertKind, Change, Mode, Monitor, MonitorBuilder, MonitorStatus, Output, PredictionRecord, TimeRange,
};
use driftline::{Database, ErrorKind, ManualClock, Value, json};

use super::prediction_drift::{at, clocked, model, options, range};

fn builder(db: &Database) -> MonitorBuilder {
    Monitor::builder(db, &model()).unwrap()
}

/// A baseline of 300 predictions that were all right.
fn all_right(db: &Database) -> Monitor {
    let truths = vec![Output::from("a"); 300];
    builder(db).baseline_labels(truths.clone()).baseline_predictions(truths).open().unwrap()
}

/// A prediction every second, of which the truth is known; one of `every` is wrong.
fn say(monitor: &Monitor, seconds: std::ops::Range<i64>, every: i64) {
    for second in seconds {
        let said = if second % every == 0 { "b" } else { "a" };
        monitor.record_prediction(PredictionRecord::new(said).truth("a").at(at(second))).unwrap();
    }
}

#[test]
fn predictions_from_before_a_baseline_are_not_held_against_it() {
    let (clock, db) = clocked();
    say(&db.monitor(&model()), 0..600, 3);
    clock.set(at(900));
    let monitor = all_right(&db);
    say(&monitor, 900..1_000, 1_000_000);
    clock.set(at(1_200));
    let tick = monitor.tick(at(1_200)).unwrap();
    assert_eq!((tick.closed, tick.alerts.len()), (3, 0), "{:?}", tick.alerts);
    let concept = monitor.concept_drift().unwrap().unwrap();
    // The newest of those from before is the first.
    assert_eq!((concept.current, concept.results[0].current.rows), (range(599, 1_200), 101));
    let said = monitor.prediction_drift().unwrap().unwrap();
    assert_eq!((said.current, said.verdict), (range(599, 1_200), Verdict::Stable));
}

#[test]
fn a_window_in_which_a_baseline_was_set_is_held_against_it_from_there() {
    let (clock, db) = clocked();
    say(&db.monitor(&model()), 0..100, 1);
    say(&db.monitor(&model()), 100..101, 1_000_000);
    clock.set(at(100));
    let monitor = all_right(&db);
    say(&monitor, 101..200, 1_000_000);
    monitor.record_prediction(PredictionRecord::new("a").id("late").at(at(200))).unwrap();
    clock.set(at(300));
    let tick = monitor.tick(at(300)).unwrap();
    assert_eq!((tick.closed, tick.alerts.len()), (1, 0), "{:?}", tick.alerts);
    let judged = || {
        let found = monitor.concept_drift().unwrap().unwrap();
        (found.current, found.results[0].current.rows)
    };
    assert_eq!(judged(), (range(100, 300), 100));
    assert_eq!(monitor.figures(range(0, 300)).unwrap().predictions, 201, "figures are of all");
    // A truth that comes late, and another look at the stored windows.
    monitor.record_label("late", "a", None).unwrap();
    monitor.tick(at(300)).unwrap();
    assert_eq!(judged(), (range(100, 300), 101));
    say(&monitor, 300..350, 1_000_000);
    clock.set(at(600));
    assert!(monitor.tick(at(600)).unwrap().alerts.is_empty());
    assert_eq!(judged(), (range(100, 600), 151));
}

#[test]
fn a_new_baseline_ends_what_lasts_against_the_one_before() {
    let (clock, db) = clocked();
    let monitor = all_right(&db);
    say(&monitor, 0..250, 2);
    clock.set(at(300));
    monitor.tick(at(300)).unwrap();
    let lasting = || {
        let open = monitor.open_incidents().unwrap();
        let mut rules: Vec<_> = open.into_iter().map(|incident| incident.metric).collect();
        rules.sort();
        rules
    };
    assert_eq!(lasting(), ["accuracy_drop", "concept_drift", "prediction_drift"]);
    assert!(monitor.concept_drift().unwrap().is_some_and(|report| report.alarm));
    db.alerts().observe(&driftline::mlops::Observation::new("spam@3", "latency_ms", 900.0).at(at(300))).unwrap();
    db.alerts().observe(&driftline::mlops::Observation::new("spam@30", "accuracy_drop", 0.5).at(at(300))).unwrap();

    // Somebody accepts how it is; no truth of the newest is known yet.
    let monitor = builder(&db).window(50).open().unwrap();
    for second in 300..350 {
        monitor.record_prediction(PredictionRecord::new("b").at(at(second))).unwrap();
    }
    clock.set(at(350));
    assert_eq!(monitor.set_baseline("the world has changed").unwrap().accuracy, None);
    assert_eq!(lasting(), ["latency_ms"], "what is held against no baseline lasts on");
    assert!(db.alerts().incidents().unwrap().iter().any(|it| it.subject == "spam@30" && it.is_open()));
    assert_eq!((monitor.concept_drift().unwrap(), monitor.prediction_drift().unwrap()), (None, None));
    assert!(!monitor.concept_history(TimeRange::ALL).unwrap().is_empty(), "what was found is kept");
    let told: Vec<_> = db
        .alerts()
        .history(TimeRange::ALL, 100)
        .unwrap()
        .into_iter()
        .filter(|it| it.kind == AlertKind::Resolved)
        .collect();
    assert_eq!(told.len(), 3);
    assert!(told.iter().all(|it| it.message.contains("baseline 2") && it.told), "{told:?}");
    let ids: Vec<_> = db.alerts().history(TimeRange::ALL, 100).unwrap().iter().rev().map(|it| it.id).collect();
    assert_eq!(ids, (1..=ids.len() as u64).collect::<Vec<_>>());

    // What is bad by the new one is another incident.
    for second in 350..450 {
        monitor.record_prediction(PredictionRecord::new("a").at(at(second))).unwrap();
    }
    clock.set(at(600));
    let alerts = monitor.tick(at(600)).unwrap().alerts;
    let fired: Vec<_> = alerts.iter().map(|alert| (alert.alert_type.as_str(), alert.kind)).collect();
    assert_eq!(fired, [("prediction_drift", AlertKind::Fired)]);
}

#[test]
fn an_accuracy_of_few_truths_is_nothing_to_fall_from() {
    let (clock, db) = clocked();
    let monitor = db.monitor(&model());
    for second in 0..100 {
        let record = PredictionRecord::new("a").at(at(second));
        monitor.record_prediction(if second == 7 { record.truth("a") } else { record }).unwrap();
    }
    clock.set(at(300));
    assert_eq!(monitor.set_baseline("it is new").unwrap().accuracy, Some(1.0));
    say(&monitor, 300..340, 5);
    clock.set(at(600));
    let accuracy = |alerts: Vec<driftline::mlops::Alert>| alerts.iter().any(|it| it.alert_type == "accuracy_drop");
    assert!(!accuracy(monitor.tick(at(600)).unwrap().alerts), "one truth is no accuracy");
    // One that is given is taken as it is.
    let monitor = builder(&db).baseline_accuracy(1.0).open().unwrap();
    say(&monitor, 600..640, 5);
    clock.set(at(900));
    assert!(accuracy(monitor.tick(at(900)).unwrap().alerts));
}

/// What is replayed lies before the moment at which it is set up.
#[test]
fn what_was_made_long_ago_is_held_against_a_baseline_that_was_set_before_it_was_recorded() {
    let (clock, db) = clocked();
    clock.set(at(1_000_000));
    let monitor = all_right(&db);
    let drop = |seconds: std::ops::Range<i64>, every: i64| {
        let until = seconds.end;
        say(&monitor, seconds, every);
        let alerts = monitor.tick(at(until)).unwrap().alerts;
        alerts.into_iter().find(|alert| alert.alert_type == "accuracy_drop").map(|alert| alert.kind)
    };
    assert_eq!(drop(0..300, 4), Some(AlertKind::Fired));
    assert_eq!(monitor.set_baseline("it is so").unwrap().accuracy, Some(0.75));
    assert_eq!((drop(300..600, 4), monitor.concept_drift().unwrap().unwrap().alarm), (None, false));
    assert_eq!(drop(600..900, 2), Some(AlertKind::Fired));
}

fn rows(count: i64, age: i64) -> Vec<Value> {
    (0..count).map(|n| json!({"age": n * 37 % 60 + age, "lang": if n % 3 == 0 { "de" } else { "en" }}).into()).collect()
}

fn log(monitor: &Monitor, features: &[Value]) -> Option<f64> {
    let said = vec![Output::from("ham"); features.len()];
    monitor.log_prediction_batch(features, &said, None, None).unwrap().drift_score
}

#[test]
fn batches_are_scored_in_production_after_a_restart() {
    let (fs, clock) = (SimulatedFs::new(1), Arc::new(ManualClock::new(at(0))));
    let open = || options(&clock).open_on(Arc::new(fs.clone())).unwrap();
    let set_up = |db: &Database, age: i64| builder(db).baseline_data(&rows(200, age)).window(700).open();
    let db = open();
    assert_eq!(log(&set_up(&db, 20).unwrap(), &rows(100, 60)), Some(0.5));
    db.modes().set(Mode::Inference, Change::by("test")).unwrap();
    db.close().unwrap();

    let db = open();
    assert_eq!(log(&db.monitor(&model()), &rows(100, 60)), Some(0.5), "nobody has set anything up");
    db.close().unwrap();
    let db = open();
    let monitor = set_up(&db, 20).unwrap();
    assert_eq!((log(&monitor, &rows(100, 60)), log(&monitor, &rows(100, 20))), (Some(0.5), Some(0.0)));
    assert_eq!(monitor.baselines().unwrap().len(), 1, "the same is given once");
    // Another one cannot be given in this mode, and then nothing is.
    let error = builder(&db).baseline_data(&rows(200, 21)).window(77).open().unwrap_err();
    assert_eq!((error.kind(), monitor.settings().unwrap().window), (ErrorKind::ReadOnly, 700));

    db.modes().set(Mode::Training, Change::by("test")).unwrap();
    assert_eq!(monitor.set_baseline("as it is now").unwrap().version, 2);
    set_up(&db, 20).unwrap();
    assert_eq!(monitor.baseline().unwrap().unwrap().version, 2, "what was given before does not come back by itself");
    set_up(&db, 60).unwrap();
    assert_eq!(monitor.baselines().unwrap().len(), 3);
    assert_eq!(log(&monitor, &rows(100, 60)), Some(0.0), "the newest holds");
    builder(&db).baseline_accuracy(0.9).open().unwrap();
    assert_eq!(log(&monitor, &rows(100, 60)), None, "the newest has no rows");
}

#[test]
fn the_score_of_a_batch_is_of_what_most_values_are() {
    let (_, db) = clocked();
    // One odd value of a thousand makes no other type.
    let mut known = rows(1_000, 20);
    known[10] = json!({"age": "unknown", "lang": 7}).into();
    known[11] = json!({"age": [1], "lang": null}).into();
    let monitor = builder(&db).baseline_data(&known).open().unwrap();
    assert_eq!(log(&monitor, &rows(300, 20)), Some(0.0));
    let mut batch = rows(300, 20);
    batch[5] = json!({"age": "unknown", "lang": {"a": 1}}).into();
    assert_eq!(log(&monitor, &batch), Some(0.0));
    // Below 50 rows there is no score, whatever they are.
    assert_eq!(log(&monitor, &[json!({"age": null}).into()]), None);
    let texts: Vec<Value> = (0..49).map(|n| json!({"age": format!("{n}"), "lang": 3}).into()).collect();
    assert_eq!(log(&monitor, &texts), None);
    // What the rows do not have any more has drifted; what is new in them was never judged.
    let gone: Vec<Value> =
        rows(100, 20).iter().map(|row| json!({"lang": row.get("lang").unwrap().to_json()}).into()).collect();
    assert_eq!(log(&monitor, &gone), Some(0.5));
    let texts: Vec<Value> = rows(100, 20)
        .iter()
        .map(|row| json!({"age": "old", "size": 1, "lang": row.get("lang").unwrap().to_json()}).into())
        .collect();
    assert_eq!(log(&monitor, &texts), Some(0.5));
    let nothing: Vec<Value> = (0..100).map(|n| json!({ "size": n }).into()).collect();
    assert_eq!(log(&monitor, &nothing), Some(1.0));
}

#[test]
fn long_batches_are_judged_by_a_sample_and_long_texts_by_what_they_are() {
    let (_, db) = clocked();
    let text = |n: i64| "x".repeat(10_000) + &(n % 3).to_string();
    let row = |n: i64| -> Value { json!({"text": text(n), "n": n % 50}).into() };
    let known: Vec<Value> = (0..3_000).map(row).collect();
    let monitor = builder(&db).baseline_data(&known).open().unwrap();
    assert_eq!(log(&monitor, &known), Some(0.0));
    // Only the first third has moved, which the newest would not show.
    let moved: Vec<Value> = (0..3_000)
        .map(|n| if n < 1_000 { json!({"text": text(1), "n": n % 50 + 50}).into() } else { row(n) })
        .collect();
    assert_eq!(log(&monitor, &moved), Some(1.0));
}

#[test]
fn predictions_are_kept_where_nobody_can_score_them() {
    let (_, db) = clocked();
    let monitor = db.monitor(&model());
    monitor.score_drift_with(|_| Err(driftline::Error::new(ErrorKind::NotFound, "the file is gone")));
    assert_eq!(log(&monitor, &rows(60, 20)), None);
    assert_eq!(monitor.metrics().unwrap().predictions, 60);
}

#[test]
fn what_is_said_is_judged_also_where_windows_are_small_and_calls_fail() {
    let (clock, db) = clocked();
    let monitor = builder(&db).window(30).baseline_predictions(vec![Output::from("a"); 100]).open().unwrap();
    for second in 0..240 {
        let failed = second % 4 != 0;
        let record = if failed { PredictionRecord::failed("no answer") } else { PredictionRecord::new("b") };
        monitor.record_prediction(record.at(at(second))).unwrap();
    }
    clock.set(at(300));
    monitor.tick(at(300)).unwrap();
    let found = monitor.prediction_drift().unwrap().unwrap();
    assert_eq!((found.alarm, found.results[0].current.rows), (true, 50), "the newest 50 that were said");
}

#[test]
fn one_stray_class_among_numbers_hides_nothing() {
    let (clock, db) = clocked();
    let mut truths: Vec<Output> = (0..200).map(|n| Output::from(f64::from(n % 20))).collect();
    let mut said = truths.clone();
    truths.push("n/a".into());
    said.push("n/a".into());
    let monitor = builder(&db).baseline_labels(truths).baseline_predictions(said).open().unwrap();
    monitor.record_prediction(PredictionRecord::new("n/a").truth("n/a").at(at(0))).unwrap();
    for second in 1..200 {
        let said = (second % 20) as f64 + (second % 3) as f64 * 30.0;
        monitor.record_prediction(PredictionRecord::new(said).truth((second % 20) as f64).at(at(second))).unwrap();
    }
    clock.set(at(300));
    monitor.tick(at(300)).unwrap();
    assert!(monitor.prediction_drift().unwrap().unwrap().alarm);
    assert!(monitor.concept_drift().unwrap().unwrap().alarm);
}

#[test]
fn predictions_of_a_batch_that_is_committed_late_count() {
    let (clock, db) = clocked();
    let monitor = db.monitor(&model());
    say(&monitor, 0..10, 5);
    clock.set(at(299));
    let held = |seconds: std::ops::Range<i64>| {
        let records = seconds.map(|second| PredictionRecord::new("a").truth("a").at(at(second))).collect();
        monitor.record_in(db.batch(), records).unwrap().0
    };
    let (first, empty) = (held(290..299), held(650..660));
    clock.set(at(1_000));
    say(&monitor, 900..901, 2);
    monitor.tick(at(1_200)).unwrap();
    monitor.tick(at(1_200)).unwrap();
    first.commit().unwrap();
    empty.commit().unwrap();
    clock.set(at(1_300));
    assert_eq!(monitor.tick(at(1_300)).unwrap().recounted, 2);
    assert_eq!(monitor.figures(range(0, 300)).unwrap().predictions, 19);
    let windows = db.collection("_performance").unwrap();
    assert_eq!(windows.count().unwrap(), 3);
}

#[test]
fn a_prediction_and_its_id_expire_together() {
    let (clock, db) = clocked();
    let monitor = builder(&db).retention(Duration::from_secs(1_000)).open().unwrap();
    monitor.record_prediction(PredictionRecord::new("a").id("request-7")).unwrap();
    clock.set(at(900));
    monitor.record_label("request-7", "b", None).unwrap();
    clock.set(at(999));
    monitor.record_label("request-7", "a", None).unwrap();
    clock.set(at(1_001));
    assert_eq!(monitor.prediction("request-7").unwrap_err().kind(), ErrorKind::NotFound);
    monitor.record_prediction(PredictionRecord::new("b").id("request-7")).unwrap();
    assert_eq!(monitor.metrics().unwrap().predictions, 1, "one of an id");
}

#[test]
fn how_many_predictions_there_were_never_falls() {
    let (clock, db) = clocked();
    let (kept, all) = (Duration::from_secs(3_600), Duration::from_secs(7_200));
    let settings = builder(&db).retention(kept).open().unwrap().settings().unwrap();
    let mut shorter = settings;
    shorter.summary_retention = all;
    let monitor = builder(&db).settings(shorter).open().unwrap();
    let totals = |monitor: &Monitor| {
        let statistics = monitor.statistics().unwrap();
        (statistics.total_predictions, statistics.error_count)
    };
    say(&monitor, 0..100, 5);
    monitor.record_prediction(PredictionRecord::failed("no answer").at(at(100))).unwrap();
    assert_eq!(totals(&monitor), (101, 1), "none is closed");
    clock.set(at(400));
    monitor.tick(at(400)).unwrap();
    say(&monitor, 350..360, 5);
    monitor.record_prediction(PredictionRecord::new("a").at(at(50))).unwrap();
    monitor.tick(at(400)).unwrap();
    assert_eq!(totals(&monitor), (112, 1), "one came late, ten are open");
    clock.set(at(700));
    monitor.tick(at(700)).unwrap();
    clock.set(at(20_000));
    assert_eq!(monitor.figures(TimeRange::ALL).unwrap().predictions, 0, "windows and predictions have gone");
    monitor.tick(at(20_000)).unwrap();
    assert_eq!(totals(&monitor), (112, 1));
    say(&monitor, 20_000..20_005, 5);
    assert_eq!(totals(&monitor), (117, 1));
    assert_eq!(monitor.summary(TimeRange::ALL).unwrap().status, MonitorStatus::Healthy);
}
