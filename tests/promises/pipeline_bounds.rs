//! Pipelines where names are unusual, where much waits, and where nothing is to be watched any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use driftline::mlops::{
    Action, ActionOutcome, Change, Config, Entry, ExperimentConfig, ExperimentState, Incident, Mode, ModelId,
    NewVersion, Observation, PRODUCTION, Pipeline, metric,
};
use driftline::{Database, Maintenance, ManualClock, Options, Timestamp};

const WINDOW: Duration = Duration::from_secs(300);

fn store() -> (Database, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(Timestamp(1_734_791_400_000_000)));
    (Options::new().maintenance(Maintenance::Manual).clock(clock.clone()).in_memory().unwrap(), clock)
}

fn by_kim() -> Change {
    Change::by("kim")
}

/// Registers versions, and promotes them one after the other.
fn promote(db: &Database, model: &str, versions: &[&str]) {
    let model = db.model(model).unwrap();
    let _training = db.modes().enter(Mode::Training, by_kim()).unwrap();
    for version in versions {
        model.register(NewVersion::new(*version).metric("accuracy", 0.9), version.as_bytes()).unwrap();
        model.promote_to_production(version, by_kim()).unwrap();
    }
}

/// Has two versions of a model tried.
fn try_out(db: &Database, model: &str, a: &str, b: &str) {
    db.experiments().create(ExperimentConfig::new("newer", model, a, b), by_kim()).unwrap();
    db.experiments().start("newer", by_kim()).unwrap();
}

fn observe(db: &Database, subject: &str, metric: &str, value: f64) {
    db.alerts().observe(&Observation::new(subject, metric, value)).unwrap();
}

fn lasting(db: &Database) -> Vec<String> {
    let lasting = db.alerts().incidents().unwrap().into_iter().filter(Incident::is_open);
    lasting.map(|incident| incident.subject).collect()
}

#[test]
fn a_pipeline_that_was_removed_is_no_business_of_health() {
    let (db, _) = store();
    let checks = || db.dependencies().checks.into_iter().map(|check| check.name).collect::<Vec<_>>();
    let set_up = |model: &str| Pipeline::from_config(&db, &Config::default(), model).unwrap();
    let (ranker, other) = (set_up("ranker"), set_up("other"));
    let again = ranker.clone();
    ranker.remove(by_kim()).unwrap();
    assert_eq!(checks(), ["pipeline other"]);
    again.tick(db.now()).unwrap_err();
    assert_eq!(checks(), ["pipeline other"], "there is nothing to be asked about");
    other.remove(by_kim()).unwrap();
    assert!(checks().is_empty());
    promote(&db, "ranker", &["1", "2"]);
    set_up("ranker");
    assert_eq!(checks(), ["pipeline ranker"]);
    observe(&db, "ranker@2", metric::ACCURACY_DROP, 0.3);
    db.alerts().deliver().unwrap();
    assert_eq!(db.model("ranker").unwrap().alias(PRODUCTION).unwrap().unwrap().version.as_deref(), Some("1"));
}

#[test]
fn versions_with_a_slash_are_watched_and_rolled_back_like_others() {
    let (db, clock) = store();
    promote(&db, "org/ranker", &["release/1", "release/2"]);
    let pipeline = Pipeline::builder(&db, "org/ranker").on_retrain(|_| Ok("trained".into())).open().unwrap();
    observe(&db, "org/ranker@release/2", metric::DRIFT_SCORE, 0.3);
    let tick = pipeline.tick(db.now()).unwrap();
    assert!(tick.ended.is_empty() && tick.run.is_some(), "{tick:?}");
    assert_eq!(pipeline.status().unwrap().watched, ["release/2"]);

    observe(&db, "org/ranker@release/2/price", metric::ACCURACY_DROP, 0.3);
    pipeline.tick(db.now()).unwrap();
    let runs = db.alerts().action_runs(9).unwrap();
    let rolled_back = runs.iter().find(|run| run.action == Action::RollBack).unwrap();
    assert_eq!(rolled_back.outcome, ActionOutcome::Done("org/ranker@release/2 went back to release/1".into()));
    assert_eq!(lasting(&db).len(), 2);
    clock.advance(2 * WINDOW);
    assert_eq!(pipeline.tick(db.now()).unwrap().ended.len(), 2);
    clock.advance(2 * WINDOW);
    assert!(pipeline.tick(db.now()).unwrap().ended.is_empty());
}

/// Has two versions of a model log vectors, window after window; gives what the tick did that first had an earlier window to
/// hold one against.
fn log_a_window(model: &str, versions: [&str; 2]) -> driftline::mlops::PipelineTick {
    let (db, clock) = store();
    try_out(&db, model, versions[0], versions[1]);
    let pipeline = Pipeline::from_config(&db, &Config::default(), model).unwrap();
    let look = || {
        for version in versions {
            let vectors = (0..60u64).map(|number| Entry::new(vec![number as f32, 1.0]));
            db.embedding_log().log_all(&ModelId::new(model, version).unwrap(), vectors).unwrap();
        }
        let tick = pipeline.tick(db.now()).unwrap();
        clock.advance(WINDOW);
        tick
    };
    look();
    look();
    look()
}

#[test]
fn models_of_any_name_are_judged_for_drift_and_each_by_itself() {
    let long = "\u{6a21}".repeat(82);
    for (model, versions) in [("org/ranker", ["1", "release/2"]), (&*long, ["1", "2"])] {
        let tick = log_a_window(model, versions);
        assert!(tick.drift_windows == 2 && tick.findings.is_empty(), "{tick:?}");
    }
}

#[test]
fn alerts_may_be_about_models_with_long_names() {
    let (db, _) = store();
    let subject = format!("{}@1", "\u{6a21}".repeat(146));
    observe(&db, &subject, metric::ACCURACY_DROP, 0.3);
    assert_eq!(lasting(&db), [subject]);
}

#[test]
fn incidents_of_versions_that_are_tried_last_and_a_paused_trial_stops_at_its_end() {
    let (db, clock) = store();
    promote(&db, "ranker", &["2", "1"]);
    try_out(&db, "ranker", "1", "2");
    let pipeline = Pipeline::from_config(&db, &Config::default(), "ranker").unwrap();
    observe(&db, "ranker@2", metric::DRIFT_SCORE, 0.3);
    clock.advance(2 * WINDOW);
    assert!(pipeline.tick(db.now()).unwrap().ended.is_empty(), "it serves, and only logs vectors");
    db.experiments().pause("newer", by_kim()).unwrap();
    assert_eq!(pipeline.tick(db.now()).unwrap().ended.len(), 1, "it serves nobody");
    clock.advance(Duration::from_secs(14 * 86_400));
    assert_eq!(pipeline.tick(db.now()).unwrap().stopped, ["newer"]);
    assert_eq!(db.experiments().get("newer").unwrap().state, ExperimentState::Stopped);
}

#[test]
fn actions_wait_for_as_long_as_their_alerts_are_kept() {
    let (db, _) = store();
    let (alerts, done) = (db.alerts(), Arc::new(AtomicU64::new(0)));
    let counted = Arc::clone(&done);
    let roll_back = move |_: &driftline::mlops::Alert| Ok(counted.fetch_add(1, Ordering::SeqCst).to_string());
    alerts.perform(Action::RollBack, roll_back).unwrap();
    observe(&db, "ranker@1", metric::ACCURACY_DROP, 0.3);
    let behind = (0..1_010).map(|other| Observation::new(format!("other@{other}"), metric::LATENCY_MS, 900.0));
    alerts.observe_all(&behind.collect::<Vec<_>>()).unwrap();
    alerts.deliver().unwrap();
    assert_eq!(done.load(Ordering::SeqCst), 1);
    assert_eq!(alerts.handlers()[0].missed, 0);
}

#[test]
fn the_last_run_of_training_is_that_of_the_model() {
    let (db, _) = store();
    for model in ["ranker", "ranker2"] {
        let pipeline = Pipeline::builder(&db, model).on_retrain(|_| Ok("trained".into())).open().unwrap();
        assert_eq!(pipeline.status().unwrap().run, None);
        for _ in 0..2 {
            db.retraining().force_retrain(model, by_kim()).unwrap();
        }
    }
    let run = db.pipeline("ranker").unwrap().status().unwrap().run.unwrap();
    assert_eq!((run.number, &*run.model), (2, "ranker"));
}
