//! A drift score above its threshold asks for training, whether or not a rule finds it bad, and once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use driftline::mlops::{
    Change, Config, Entry, Mode, ModelId, NewVersion, Observation, Pipeline, RetrainEvent, RetrainState, Trigger,
    metric,
};
use driftline::{Database, Maintenance, ManualClock, Options, Timestamp};

const MODEL: &str = "ranker";
const WINDOW: Duration = Duration::from_secs(300);
/// Longer than runs must be apart.
const LATER: Duration = Duration::from_secs(7 * 3_600);

fn store() -> (Database, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(Timestamp(1_734_791_400_000_000)));
    (Options::new().maintenance(Maintenance::Manual).clock(clock.clone()).in_memory().unwrap(), clock)
}

/// Promotes a version of the model.
fn promote(db: &Database, version: &str) {
    let model = db.model(MODEL).unwrap();
    let _training = db.modes().enter(Mode::Training, Change::by("kim")).unwrap();
    model.register(NewVersion::new(version), version.as_bytes()).unwrap();
    model.promote_to_production(version, Change::by("kim")).unwrap();
}

/// A pipeline that trains above one score and warns above another; training fails while it is told to.
fn pipeline(db: &Database, trains: f64, warns: f64) -> (Pipeline, Arc<AtomicBool>) {
    let mut config = Config::default();
    (config.retraining.drift_score_threshold, config.alerts.drift_threshold) = (Some(trains), warns);
    let fails = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&fails);
    let train = move |_: &RetrainEvent| match told.load(Ordering::SeqCst) {
        true => Err(driftline::Error::new(driftline::ErrorKind::Io, "no data")),
        false => Ok("trained".to_owned()),
    };
    (Pipeline::builder(db, MODEL).config(&config).on_retrain(train).open().unwrap(), fails)
}

fn score(db: &Database, subject: &str, value: f64) -> usize {
    db.alerts().observe(&Observation::new(subject, metric::DRIFT_SCORE, value)).unwrap().len()
}

fn run(db: &Database, pipeline: &Pipeline) -> Option<RetrainEvent> {
    let tick = pipeline.tick(db.now()).unwrap();
    assert!(tick.findings.is_empty(), "{tick:?}");
    tick.run
}

#[test]
fn a_score_below_the_one_that_warns_asks_for_training_once() {
    let (db, clock) = store();
    promote(&db, "1");
    let (pipeline, _) = pipeline(&db, 0.05, 0.1);
    assert_eq!(score(&db, "ranker@1", 0.05), 0);
    assert_eq!(run(&db, &pipeline), None, "not above it");
    assert_eq!(score(&db, "ranker@1", 0.07), 0, "nobody is warned");
    let first = run(&db, &pipeline).expect("a run");
    assert_eq!((first.state, first.reasons.len()), (RetrainState::Done, 1));
    assert_eq!((first.reasons[0].trigger, first.reasons[0].value), (Trigger::Drift, 0.07));
    clock.advance(LATER);
    assert_eq!(run(&db, &pipeline), None, "the same score does not ask twice");
    assert_eq!(score(&db, "ranker@1", 0.07), 0);
    assert_eq!(run(&db, &pipeline).expect("another window").number, 2);
    clock.advance(LATER);
    score(&db, "ranker@1", 0.3);
    score(&db, "ranker@1", 0.0);
    assert_eq!(run(&db, &pipeline), None, "it is over");
}

#[test]
fn a_score_that_warns_asks_for_nothing_below_the_one_that_trains() {
    let (db, _) = store();
    promote(&db, "1");
    let (pipeline, _) = pipeline(&db, 0.5, 0.1);
    assert_eq!(score(&db, "ranker@1", 0.3), 1);
    assert_eq!(run(&db, &pipeline), None);
    score(&db, "ranker@1", 0.6);
    assert!(run(&db, &pipeline).is_some());
}

#[test]
fn a_run_that_failed_answers_for_no_score_and_one_that_was_rejected_does() {
    let (db, clock) = store();
    promote(&db, "1");
    let (pipeline, fails) = pipeline(&db, 0.05, 0.1);
    fails.store(true, Ordering::SeqCst);
    score(&db, "ranker@1", 0.07);
    assert_eq!(run(&db, &pipeline).unwrap().state, RetrainState::Failed);
    fails.store(false, Ordering::SeqCst);
    assert_eq!(run(&db, &pipeline), None, "not within six hours");
    clock.advance(LATER);
    assert_eq!(run(&db, &pipeline).unwrap().state, RetrainState::Done);

    let mut config = pipeline.config().unwrap();
    config.retraining.approval = true;
    let pipeline = Pipeline::from_config(&db, &config, MODEL).unwrap();
    clock.advance(LATER);
    score(&db, "ranker@1", 0.07);
    let waiting = run(&db, &pipeline).unwrap();
    assert_eq!(waiting.state, RetrainState::Requested);
    db.retraining().reject(MODEL, waiting.number, Change::by("kim")).unwrap();
    assert_eq!(run(&db, &pipeline), None, "somebody has said no to it");
    clock.advance(WINDOW);
    score(&db, "ranker@1", 0.08);
    assert_eq!(run(&db, &pipeline).unwrap().reasons[0].value, 0.08);
}

#[test]
fn the_scores_of_the_version_in_production_and_of_its_parts_count() {
    let (db, clock) = store();
    promote(&db, "1");
    promote(&db, "2");
    let (pipeline, _) = pipeline(&db, 0.05, 0.1);
    for other in ["ranker@1", "ranker2@2", "docs"] {
        score(&db, other, 0.9);
    }
    assert_eq!(run(&db, &pipeline), None);
    score(&db, "ranker@2/price", 0.07);
    assert!(run(&db, &pipeline).is_some());
    clock.advance(LATER);
    let now = db.now();
    let told = |value: f64, at: Timestamp| Observation::new("ranker@2", metric::DRIFT_SCORE, value).at(at);
    db.alerts().observe_all(&[told(0.01, now), told(0.9, Timestamp(now.0 - 1))]).unwrap();
    db.alerts().observe(&told(0.8, Timestamp(now.0 - 2))).unwrap();
    assert_eq!(run(&db, &pipeline), None, "older scores change nothing");
}

#[test]
fn windows_that_drift_ask_for_training_where_no_rule_warns() {
    let (db, clock) = store();
    promote(&db, "1");
    let model = ModelId::new(MODEL, "1").unwrap();
    // A window whose vectors have all moved scores 1, which is not above 1.
    let (pipeline, _) = pipeline(&db, 0.5, 1.0);
    let mut runs = Vec::new();
    for window in 0..8u64 {
        let moved = if window < 4 { 0.0 } else { 40.0 };
        let entry = |number: u64| Entry::new(vec![1.0 + (number * 37 % 60) as f32 + moved, (number * 11 % 60) as f32]);
        db.embedding_log().log_all(&model, (0..60).map(entry)).unwrap();
        clock.advance(WINDOW);
        runs.extend(run(&db, &pipeline).map(|run| (window, run.reasons[0].value)));
    }
    assert_eq!(runs, [(5, 1.0)], "two windows in alarm are an incident");
    assert!(db.alerts().incidents().unwrap().iter().all(|it| it.metric != metric::DRIFT_SCORE));
}
