//! What a model says is watched, also while no truth is known; drift of predictions stands apart from that of errors and data.

use std::sync::Arc;
use std::time::Duration;

use driftline::mlops::drift::{DriftKind, Test, Verdict};
use driftline::mlops::{AlertKind, ModelId, Monitor, Output, PredictionRecord, Severity, TimeRange};
use driftline::{Database, Maintenance, ManualClock, Options, Timestamp, Value, json};

/// The clock begins at a boundary of windows.
const START: i64 = 1_700_000_100_000_000;

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp(START + seconds * 1_000_000)
}

pub(super) fn range(from: i64, to: i64) -> TimeRange {
    TimeRange::new(at(from), at(to)).unwrap()
}

pub(super) fn model() -> ModelId {
    "spam@3".parse().unwrap()
}

pub(super) fn options(clock: &Arc<ManualClock>) -> Options {
    Options::new().maintenance(Maintenance::Manual).seed(3).clock(clock.clone())
}

pub(super) fn clocked() -> (Arc<ManualClock>, Database) {
    let clock = Arc::new(ManualClock::new(at(0)));
    let db = options(&clock).in_memory().unwrap();
    (clock, db)
}

/// A monitor whose model said this when all was well; no truth was known.
fn monitor(db: &Database, said: impl Iterator<Item = Output>) -> Monitor {
    Monitor::builder(db, &model()).unwrap().window(200).baseline_predictions(said).open().unwrap()
}

fn label(number: i64, every: i64) -> Output {
    if number % every == 0 { "spam".into() } else { "ham".into() }
}

/// A prediction every second.
fn say(monitor: &Monitor, seconds: std::ops::Range<i64>, output: impl Fn(i64) -> Output) {
    for second in seconds {
        monitor.record_prediction(PredictionRecord::new(output(second)).at(at(second))).unwrap();
    }
}

#[test]
fn a_model_that_says_something_else_is_told_before_any_truth_is_known() {
    let (clock, db) = clocked();
    let monitor = monitor(&db, (0..400).map(|n| label(n, 10)));
    say(&monitor, 0..300, |second| label(second, 10));
    clock.set(at(300));
    assert!(monitor.tick(at(300)).unwrap().alerts.is_empty());
    let quiet = monitor.prediction_drift().unwrap().unwrap();
    assert_eq!((quiet.verdict, quiet.results[0].kind), (Verdict::Stable, DriftKind::Prediction));

    // From the 400th second on twice as many are spam, then three times: the newest 200 are looked at, and no failed one.
    say(&monitor, 300..400, |second| label(second, 10));
    say(&monitor, 400..500, |second| label(second, 5));
    say(&monitor, 500..598, |second| label(second, 3));
    monitor.record_prediction(PredictionRecord::failed("no answer").at(at(598))).unwrap();
    monitor.record_prediction(PredictionRecord::failed("no answer").at(at(599))).unwrap();
    clock.set(at(600));
    let alerts = monitor.tick(at(600)).unwrap().alerts;
    let told = alerts.iter().find(|alert| alert.alert_type == "prediction_drift").expect("an alert");
    assert_eq!((told.kind, told.severity, told.at), (AlertKind::Fired, Severity::Warning, at(600)));
    let found = monitor.prediction_drift().unwrap().unwrap();
    let result = &found.results[0];
    assert_eq!((found.current, result.current.rows, result.reference.rows), (range(398, 600), 200, 400));
    assert_eq!((result.test, result.effect.name.as_str()), (Test::TwoProportions, "cramers_v"));
    assert!(result.alarm && result.effect.value.unwrap() > 0.15, "{result:?}");
    // Windows of 300 s over 30 days, and either side alarms.
    assert!((result.level - 300.0 / 2_592_000.0 / 2.0).abs() < 1e-15, "{}", result.level);
    assert_eq!(result.baseline.as_ref().map(|it| (it.name.as_str(), it.version)), Some(("performance of spam@3", 1)));
    assert!(monitor.concept_drift().unwrap().is_none(), "no truth is known");
    assert_eq!(monitor.summary(range(0, 601)).unwrap().drift_incidents, 1);
    let board = db.dashboard(Some("spam@3"), range(0, 601)).unwrap();
    assert!(board.models[0].prediction_drift.as_ref().is_some_and(|result| result.alarm));

    say(&monitor, 600..900, |second| label(second, 10));
    clock.set(at(900));
    let alerts = monitor.tick(at(900)).unwrap().alerts;
    assert!(alerts.iter().any(|it| it.alert_type == "prediction_drift" && it.kind == AlertKind::Resolved));
    let history = monitor.prediction_history(TimeRange::ALL).unwrap();
    let verdicts: Vec<_> = history.iter().map(|report| (report.current.to, report.verdict)).collect();
    assert_eq!(verdicts, [(at(300), Verdict::Stable), (at(600), Verdict::Alarm), (at(900), Verdict::Stable)]);
    assert_eq!(db.drift_history(model(), TimeRange::ALL).unwrap(), history, "it stands among the reports of the model");
}

#[test]
fn numbers_have_prediction_drift_by_their_distribution_and_few_have_none() {
    let (clock, db) = clocked();
    let price = |number: i64| Output::from((number * 37 % 101) as f64);
    let monitor = monitor(&db, (0..300).map(price));
    say(&monitor, 0..49, price);
    clock.set(at(900));
    monitor.tick(at(300)).unwrap();
    assert!(monitor.prediction_drift().unwrap().is_none(), "49 predictions are too few");
    say(&monitor, 300..301, price);
    monitor.tick(at(600)).unwrap();
    assert_eq!(monitor.prediction_drift().unwrap().unwrap().verdict, Verdict::Stable, "50 are enough");
    say(&monitor, 600..800, |number| Output::from((number * 37 % 101) as f64 + 40.0));
    let alerts = monitor.tick(at(900)).unwrap().alerts;
    assert!(alerts.iter().any(|alert| alert.alert_type == "prediction_drift"), "{alerts:?}");
    let found = monitor.prediction_drift().unwrap().unwrap();
    assert_eq!((found.results[0].test, found.alarm), (Test::KsExact, true));
}

#[test]
fn rare_classes_are_permuted_often_enough_to_be_found() {
    let (clock, db) = clocked();
    let class = |number: i64| Output::from(format!("c{}", number % 80));
    let monitor = monitor(&db, (0..160).map(class));
    say(&monitor, 0..160, |number| Output::from(format!("c{}", number % 40 + 80)));
    clock.set(at(300));
    monitor.tick(at(300)).unwrap();
    let found = monitor.prediction_drift().unwrap().unwrap();
    let result = &found.results[0];
    assert_eq!(result.test, Test::ChiSquarePermuted);
    assert!(result.alarm && result.p.unwrap() <= result.level, "{result:?}");
}

/// 365 days of windows, of which one has a level below what permutations can tell.
#[test]
fn rare_classes_are_found_at_whatever_level() {
    let (clock, db) = clocked();
    let class = |number: i64| Output::from(format!("c{}", number % 80));
    let mut settings = monitor(&db, (0..160).map(class)).settings().unwrap();
    settings.expected_run_time = Duration::from_secs(365 * 86_400);
    let monitor = Monitor::builder(&db, &model()).unwrap().settings(settings).open().unwrap();
    say(&monitor, 0..160, |number| Output::from(format!("c{}", number % 40 + 80)));
    clock.set(at(300));
    monitor.tick(at(300)).unwrap();
    let found = monitor.prediction_drift().unwrap().unwrap();
    let result = &found.results[0];
    assert!(result.level < 1e-5 && result.test == Test::ChiSquarePermuted);
    assert!(result.alarm && result.p.unwrap() <= result.level, "{result:?}");
}

#[test]
fn one_incident_of_data_is_one_although_two_rules_tell_of_it() {
    use driftline::mlops::Observation;
    let (_, db) = clocked();
    let observe = |metric: &str| db.alerts().observe(&Observation::new("spam@3", metric, 1.0).at(at(10))).unwrap();
    observe("feature_drift");
    observe("drift_score");
    let incidents = || db.monitor(&model()).summary(range(0, 100)).unwrap().drift_incidents;
    assert_eq!(incidents(), 1);
    observe("concept_drift");
    observe("prediction_drift");
    assert_eq!(incidents(), 3);
}

#[test]
fn batches_have_a_drift_score_against_the_rows_of_the_baseline() {
    let (_, db) = clocked();
    let rows = |count: i64, age: i64, lang: &str| -> Vec<Value> {
        let row = |n: i64| json!({"age": n * 37 % 60 + age, "lang": if n % 3 == 0 { lang } else { "en" }, "tags": [n]});
        (0..count).map(|n| row(n).into()).collect()
    };
    let log = |monitor: &Monitor, features: &[Value]| {
        let said = vec![Output::from("ham"); features.len()];
        monitor.log_prediction_batch(features, &said, None, None).unwrap().drift_score
    };
    let monitor = Monitor::builder(&db, &model()).unwrap().baseline_data(&rows(200, 20, "de")).open().unwrap();
    assert_eq!(log(&monitor, &rows(100, 20, "de")), Some(0.0));
    assert_eq!(log(&monitor, &rows(100, 60, "de")), Some(0.5), "one of two");
    assert_eq!(log(&monitor, &rows(100, 60, "fr")), Some(1.0));
    assert_eq!(log(&monitor, &rows(49, 60, "fr")), None, "too few for a verdict");
    let retyped: Vec<Value> = (0..100).map(|n| json!({"age": format!("{n} years"), "lang": "en"}).into()).collect();
    assert_eq!(log(&monitor, &retyped), Some(1.0), "a type that has changed drifts");
    assert_eq!(log(&db.monitor(&"other@1".parse().unwrap()), &rows(100, 20, "de")), None, "nothing to hold it against");

    monitor.set_baseline("the world has changed").unwrap();
    assert!(log(&monitor, &rows(100, 20, "de")).is_some_and(|score| score > 0.0), "held against the newest baseline");
    monitor.score_drift_with(|_| Ok(Some(0.7)));
    assert_eq!(log(&monitor, &rows(100, 20, "de")), Some(0.7));
}
