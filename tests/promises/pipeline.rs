//! A pipeline stands as it was set up, does what alerts ask for once, and says what it could not do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use driftline::fs::SimulatedFs;
use driftline::mlops::{
    Action, ActionOutcome, ActionRun, AlertRule, Change, Concern, Config, Edge, Mode, NewVersion, Observation,
    PRODUCTION, Pipeline, RetrainCommand, RetrainState, Severity, Trigger, metric,
};
use driftline::{Database, ErrorKind, Maintenance, ManualClock, Options, Timestamp};

const MODEL: &str = "ranker";
const START: Timestamp = Timestamp(1_734_791_422_000_000);
/// Longer than any of these tests may take, so a test that waits fails and does not hang.
const PATIENCE: Duration = Duration::from_secs(120);

fn store() -> (Database, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(START));
    (Options::new().maintenance(Maintenance::Manual).clock(clock.clone()).in_memory().unwrap(), clock)
}

fn by_kim() -> Change {
    Change::by("kim")
}

/// Registers versions with their tags and promotes them, one after the other.
fn promote(db: &Database, versions: &[(&str, &[&str])]) {
    let model = db.model(MODEL).unwrap();
    let _training = db.modes().enter(Mode::Training, by_kim()).unwrap();
    for (version, tags) in versions {
        let new = tags.iter().fold(NewVersion::new(*version).metric("accuracy", 0.9), |new, tag| new.tag(*tag));
        model.register(new, version.as_bytes()).unwrap();
        model.promote_to_production(version, by_kim()).unwrap();
    }
}

fn production(db: &Database) -> Option<String> {
    db.model(MODEL).unwrap().alias(PRODUCTION).unwrap().and_then(|alias| alias.version)
}

/// A version fails, and what is asked for is done.
fn fail(db: &Database, version: &str, metric: &str, value: f64) {
    let subject = format!("{MODEL}@{version}");
    db.alerts().observe(&Observation::new(subject, metric, value).correlation("window 7")).unwrap();
    db.alerts().deliver().unwrap();
}

fn outcome(db: &Database, action: Action) -> ActionOutcome {
    let runs = db.alerts().action_runs(99).unwrap();
    let of_action: Vec<&ActionRun> = runs.iter().filter(|run| run.action == action).collect();
    of_action[0].outcome.clone()
}

fn actions(db: &Database) -> Vec<String> {
    let story = db.audit().correlated("window 7").unwrap();
    story.into_iter().map(|entry| entry.action).collect()
}

#[test]
fn what_was_set_up_stays_and_is_written_down_when_it_changes() {
    let fs = SimulatedFs::new(1);
    let open = || Options::new().maintenance(Maintenance::Manual).open_on(Arc::new(fs.clone())).unwrap();
    let db = open();
    let mut config = Config::default();
    config.monitoring.window = 500;
    Pipeline::from_config(&db, &config, MODEL).unwrap();
    assert_eq!(db.retraining().config(MODEL).unwrap(), config.retraining);
    let head = db.audit().head().unwrap();
    Pipeline::from_config(&db, &config, MODEL).unwrap();
    assert_eq!(db.audit().head().unwrap(), head, "the same again is nothing new");
    drop(db);

    let db = open();
    assert_eq!(db.pipelines().unwrap(), [MODEL]);
    assert_eq!(db.pipeline(MODEL).unwrap().config().unwrap(), config);
    let error = db.pipeline("rankr").unwrap_err();
    assert!(error.kind() == ErrorKind::NotFound && error.to_string().contains("did you mean `ranker`?"), "{error}");
    config.monitoring.window = 800;
    config.retraining.max_retrains_per_day = 2;
    let pipeline = Pipeline::builder(&db, MODEL).config(&config).by(by_kim().because("more data")).open().unwrap();
    let changed = db.audit().newest(1, |it| it.action == "pipeline.configure").unwrap().remove(0);
    assert_eq!(changed.actor, "kim");
    assert_eq!(changed.details["reason"], "more data");
    let changes = &changed.details["changes"];
    assert_eq!(changes["monitoring.window"], serde_json::json!({"from": 500, "to": 800}));
    assert_eq!(changes.as_object().unwrap().len(), 2, "{changes}");
    assert_eq!(db.retraining().config(MODEL).unwrap().max_retrains_per_day, 2);

    pipeline.remove(by_kim()).unwrap();
    assert!(db.pipelines().unwrap().is_empty() && db.audit().verify().unwrap().is_whole());
}

#[test]
fn what_cannot_be_is_refused_and_leaves_nothing() {
    let (db, _) = store();
    let mut config = Config::default();
    config.monitoring.window = 0;
    for (model, config) in [(MODEL, &config), ("", &Config::default()), ("a@b", &Config::default())] {
        assert_eq!(Pipeline::from_config(&db, config, model).unwrap_err().kind(), ErrorKind::Invalid, "{model:?}");
    }
    assert!(db.collections().unwrap().is_empty());
}

#[test]
fn rules_that_a_configuration_does_not_change_stay_as_somebody_set_them() {
    let (db, _) = store();
    let mine = AlertRule::new("high_latency", metric::LATENCY_MS).band(Severity::Info, Edge::Above(1.0));
    db.alerts().set_rule(&mine).unwrap();
    let mut config = Config::default();
    config.alerts.critical_error_rate = 0.5;
    let pipeline = Pipeline::from_config(&db, &config, MODEL).unwrap();
    let rules = db.alerts().rules().unwrap();
    assert!(rules.contains(&mine));
    assert!(rules.iter().any(|rule| rule.name == "high_error_rate" && rule.severity(0.4) == Some(Severity::Warning)));
    let told = pipeline.status().unwrap().findings;
    assert!(told.iter().any(|it| it.concern == Concern::Alerts && it.message.contains("high_latency")), "{told:?}");
}

#[test]
fn production_goes_back_to_the_last_stable_version_or_else_to_the_one_before() {
    let tags = |stable: bool| if stable { &["stable"][..] } else { &[] };
    // Which of the versions 1, 2, .. have the tag, the last of which fails; and what serves then.
    let cases = [([false, true, false, true], "2"), ([false, false, false, true], "3")];
    for (stable, wanted) in cases {
        let (db, _) = store();
        for (version, stable) in ["1", "2", "3", "4"].into_iter().zip(stable) {
            promote(&db, &[(version, tags(stable))]);
        }
        Pipeline::from_config(&db, &Config::default(), MODEL).unwrap();
        fail(&db, "4", metric::ACCURACY_DROP, 0.3);
        assert_eq!(production(&db).as_deref(), Some(wanted));
        assert_eq!(outcome(&db, Action::RollBack), ActionOutcome::Done(format!("ranker@4 went back to {wanted}")));
        assert_eq!(actions(&db), ["alert.fired", "alias.rollback", "retrain.force"]);
    }
}

#[test]
fn what_cannot_be_done_is_said_and_not_tried_for_ever() {
    let (db, clock) = store();
    promote(&db, &[("1", &["stable"])]);
    let pipeline = Pipeline::from_config(&db, &Config::default(), MODEL).unwrap();
    fail(&db, "1", metric::ACCURACY_DROP, 0.3);
    let ActionOutcome::Failed(why) = outcome(&db, Action::RollBack) else { panic!("nothing to go back to") };
    assert!(why.contains("no earlier version"), "{why}");
    fail(&db, "1", metric::ERROR_RATE, 0.3);
    let nothing = ActionOutcome::Nothing("no experiment with ranker@1 runs".into());
    assert_eq!(outcome(&db, Action::PauseExperiments), nothing);
    let wanted = ["alert.fired", "action.failed", "retrain.force", "alert.fired", "action.nothing"];
    assert_eq!(actions(&db), wanted);
    let findings = pipeline.status().unwrap().findings;
    assert!(
        findings.iter().any(|it| it.concern == Concern::Alerts && it.message.contains("roll_back")),
        "{findings:?}"
    );

    let head = db.audit().head().unwrap();
    for _ in 0..3 {
        clock.advance(Duration::from_secs(300));
        pipeline.tick(db.now()).unwrap();
    }
    assert_eq!(db.audit().head().unwrap(), head);
    assert_eq!(production(&db).as_deref(), Some("1"));
}

#[test]
fn nothing_is_done_for_what_does_not_serve_belongs_to_nobody_or_is_over() {
    let (db, _) = store();
    promote(&db, &[("1", &[]), ("2", &[])]);
    let pipeline = Pipeline::from_config(&db, &Config::default(), MODEL).unwrap();
    fail(&db, "1", metric::ACCURACY_DROP, 0.3);
    let not_in_production = ActionOutcome::Nothing("ranker@1 is not in production".into());
    assert_eq!(outcome(&db, Action::RollBack), not_in_production);
    assert_eq!(outcome(&db, Action::ForceRetrain), not_in_production);

    db.alerts().observe(&Observation::new("other@2", metric::ACCURACY_DROP, 0.3)).unwrap();
    db.alerts().deliver().unwrap();
    assert_eq!(outcome(&db, Action::RollBack), ActionOutcome::Nothing("other@2 belongs to no pipeline".into()));

    let (bad, good) = (("2", 0.3), ("2", 0.0));
    for (version, drop) in [bad, good] {
        let subject = format!("{MODEL}@{version}");
        db.alerts().observe(&Observation::new(subject, metric::ACCURACY_DROP, drop)).unwrap();
    }
    pipeline.tick(db.now()).unwrap();
    assert_eq!(outcome(&db, Action::RollBack), ActionOutcome::Nothing("the incident is over".into()));
    assert_eq!(production(&db).as_deref(), Some("2"));
    assert!(db.retraining().history(MODEL, 9).unwrap().is_empty());
}

#[test]
fn an_action_of_the_application_is_its_own() {
    for first in [true, false] {
        let (db, _) = store();
        promote(&db, &[("1", &[]), ("2", &[])]);
        let claim = || db.alerts().perform(Action::RollBack, |_| Ok("mine".into())).unwrap();
        if first {
            claim();
        }
        Pipeline::from_config(&db, &Config::default(), MODEL).unwrap();
        if !first {
            claim();
        }
        fail(&db, "2", metric::ACCURACY_DROP, 0.3);
        assert_eq!(outcome(&db, Action::RollBack), ActionOutcome::Done("mine".into()));
        assert_eq!(production(&db).as_deref(), Some("2"));
        assert!(matches!(outcome(&db, Action::ForceRetrain), ActionOutcome::Done(_)));
    }
}

#[test]
fn a_model_that_is_not_registered_is_watched_and_what_it_lacks_is_said() {
    let (db, _) = store();
    let pipeline = Pipeline::from_config(&db, &Config::default(), MODEL).unwrap();
    let tick = pipeline.tick(db.now()).unwrap();
    assert!(tick.findings.is_empty() && tick.run.is_none(), "{tick:?}");
    let findings = pipeline.status().unwrap().findings;
    assert!(
        findings[0].concern == Concern::Registry && findings[0].message.contains("has no versions"),
        "{findings:?}"
    );
    let health = db.dependencies();
    let check = health.checks.iter().find(|check| check.name == "pipeline ranker").unwrap();
    assert!(check.message.contains("has no versions"), "{}", check.message);

    fail(&db, "1", metric::ACCURACY_DROP, 0.3);
    assert_eq!(outcome(&db, Action::RollBack), ActionOutcome::Nothing("ranker@1 is not in production".into()));
    assert_eq!(db.retraining().history(MODEL, 9).unwrap().len(), 1, "training needs no registry");
}

#[test]
fn a_trainer_that_panics_or_is_killed_is_a_run_that_failed() {
    let (db, _) = store();
    promote(&db, &[("1", &[]), ("2", &[])]);
    let pipeline = Pipeline::builder(&db, MODEL).on_retrain(|_| panic!("out of memory")).open().unwrap();
    fail(&db, "2", metric::ACCURACY_DROP, 0.3);
    let run = pipeline.tick(db.now()).unwrap().run.unwrap();
    assert_eq!((run.state, run.correlation.as_deref()), (RetrainState::Failed, Some("window 7")));
    assert!(run.outcome.as_ref().unwrap().contains("it panicked: out of memory"), "{run:?}");
    let findings = pipeline.status().unwrap().findings;
    assert!(findings.iter().any(|it| it.concern == Concern::Retraining && it.message.contains("run 1 failed")));

    if cfg!(unix) {
        let killed = RetrainCommand::new("sh", ["-c", "kill -9 $$"]);
        Pipeline::builder(&db, MODEL).retrain_command(killed).open().unwrap();
        let run = db.retraining().force_retrain(MODEL, by_kim()).unwrap();
        assert!(run.state == RetrainState::Failed && run.outcome.as_ref().unwrap().contains("signal: 9"), "{run:?}");
    }
    assert!(db.audit().verify().unwrap().is_whole());
}

#[test]
fn incidents_of_what_serves_are_the_signals_of_the_trigger() {
    let (db, clock) = store();
    promote(&db, &[("1", &[]), ("2", &[])]);
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    let train = move |_: &driftline::mlops::RetrainEvent| Ok(counted.fetch_add(1, Ordering::SeqCst).to_string());
    let pipeline = Pipeline::builder(&db, MODEL).on_retrain(train).open().unwrap();
    let drift = |version: &str, score: f64| {
        db.alerts().observe(&Observation::new(format!("{MODEL}@{version}"), metric::DRIFT_SCORE, score)).unwrap();
        pipeline.tick(db.now()).unwrap().run
    };
    assert_eq!(drift("1", 0.3), None, "it does not serve");
    let run = drift("2", 0.3).unwrap();
    assert_eq!((run.state, run.reasons[0].trigger, run.reasons[0].value), (RetrainState::Done, Trigger::Drift, 0.3));
    assert_eq!(drift("2", 0.4), None, "six hours must pass");
    clock.advance(Duration::from_secs(6 * 3_600));
    assert_eq!(drift("2", 0.4).unwrap().number, 2);
    clock.advance(Duration::from_secs(6 * 3_600));
    assert_eq!(drift("2", 0.0), None, "it is well again");
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[test]
fn a_run_that_a_rule_asked_for_answers_for_the_alert_too() {
    let (db, _) = store();
    promote(&db, &[("1", &[]), ("2", &[])]);
    let pipeline = Pipeline::builder(&db, MODEL).on_retrain(|_| Ok("trained".into())).open().unwrap();
    db.alerts().observe(&Observation::new("ranker@2", metric::ACCURACY_DROP, 0.3)).unwrap();
    db.retraining().tick_with(MODEL, &driftline::mlops::Signals::new().accuracy_drop(0.3)).unwrap().unwrap();
    pipeline.tick(db.now()).unwrap();
    assert_eq!(outcome(&db, Action::ForceRetrain), ActionOutcome::Nothing("run 1 of ranker answers for it".into()));
    assert_eq!(db.retraining().history(MODEL, 9).unwrap().len(), 1);
}

#[test]
fn a_trigger_that_needs_approval_keeps_needing_it() {
    let (db, _) = store();
    promote(&db, &[("1", &[]), ("2", &[])]);
    let mut config = Config::default();
    config.retraining.approval = true;
    let pipeline = Pipeline::builder(&db, MODEL).config(&config).on_retrain(|_| Ok("trained".into())).open().unwrap();
    fail(&db, "2", metric::ACCURACY_DROP, 0.3);
    assert_eq!(pipeline.tick(db.now()).unwrap().run, None);
    assert_eq!(db.retraining().history(MODEL, 9).unwrap()[0].state, RetrainState::Requested);
    let told = pipeline.status().unwrap().findings;
    assert!(told.iter().any(|it| it.message == "run 1 waits to be approved"), "{told:?}");
    db.retraining().approve(MODEL, 1, by_kim()).unwrap();
    assert_eq!(pipeline.tick(db.now()).unwrap().run.unwrap().state, RetrainState::Done);
}

#[test]
fn each_pipeline_tells_the_story_of_its_own_model() {
    let (db, _) = store();
    let slow =
        |model: &str| db.alerts().observe(&Observation::new(model, metric::LATENCY_MS, 900.0)).map(drop).unwrap();
    slow("a@0");
    for model in ["a", "b"] {
        Pipeline::from_config(&db, &Config::default(), model).unwrap();
    }
    for model in ["a@1", "b@1", "c@1"] {
        slow(model);
    }
    for model in ["b", "a", "b"] {
        db.pipeline(model).unwrap().tick(db.now()).unwrap();
    }
    let told = db.audit().newest(9, |it| it.action == "alert.fired").unwrap();
    let told: Vec<_> = told.iter().map(|it| (it.subject.as_str(), it.correlation.as_deref())).collect();
    let wanted = [("a@1", Some("incident 2")), ("b@1", Some("incident 3"))];
    assert_eq!(told, wanted, "nothing of others, and nothing from before there was a pipeline");
}

#[test]
fn training_that_hangs_keeps_nothing_else_from_going_on_and_no_store_open() {
    let fs = SimulatedFs::new(1);
    let clock = Arc::new(ManualClock::new(START));
    let open = || Options::new().clock(clock.clone()).open_on(Arc::new(fs.clone())).unwrap();
    let db = open();
    promote(&db, &[("1", &[]), ("2", &[])]);
    let (begun, wait_for_it) = mpsc::channel();
    let (release, held) = mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let mut config = Config::default();
    config.monitoring.check_interval = Duration::from_secs(1);
    let hang = move |_: &driftline::mlops::RetrainEvent| {
        begun.send(()).unwrap();
        let _ = held.lock().unwrap().recv();
        Ok("at last".into())
    };
    let pipeline = Pipeline::builder(&db, MODEL).config(&config).on_retrain(hang).open().unwrap();
    let thread = pipeline.start().unwrap();
    db.alerts().observe(&Observation::new("ranker@2", metric::ACCURACY_DROP, 0.3)).unwrap();
    wait_for_it.recv_timeout(PATIENCE).unwrap();

    // It trains, and production has gone back or will; the pipeline still looks.
    clock.advance(Duration::from_secs(7 * 3_600));
    assert_eq!(pipeline.tick(db.now()).unwrap().run, None);
    let findings = pipeline.status().unwrap().findings;
    assert!(findings.iter().any(|it| it.message == "run 1 has not ended for 7.0 hours"), "{findings:?}");
    drop((thread, pipeline));
    db.close().unwrap();

    let db = open();
    let run = db.pipeline(MODEL).unwrap().tick(db.now()).unwrap().run.unwrap();
    assert_eq!((run.number, run.state), (1, RetrainState::Failed));
    assert!(run.outcome.unwrap().starts_with("cut off"));
    drop(release);
}
