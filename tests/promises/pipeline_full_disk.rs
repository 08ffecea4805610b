//! On a full disk a pipeline does nothing in part, says so, and does it once when there is room again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use driftline::fs::{Fault, SimulatedFs};
use driftline::mlops::{
    Action, ActionOutcome, Change, Config, ExperimentState, Mode, NewVersion, Observation, PRODUCTION, Pipeline,
    RetrainEvent, RetrainState, metric,
};
use driftline::{Database, ErrorKind, Maintenance, ManualClock, Options, Record, Schema, Timestamp};

const MODEL: &str = "ranker";

fn by_kim() -> Change {
    Change::by("kim")
}

fn open(fs: &SimulatedFs, trained: &Arc<AtomicU64>) -> (Database, Pipeline) {
    let clock = Arc::new(ManualClock::new(Timestamp(1_734_791_422_000_000)));
    let options = Options::new().maintenance(Maintenance::Manual).seed(1).clock(clock);
    let db = options.open_on(Arc::new(fs.clone())).unwrap();
    let count = Arc::clone(trained);
    let train = move |_: &RetrainEvent| Ok(format!("{}", count.fetch_add(1, Ordering::SeqCst)));
    let pipeline = Pipeline::builder(&db, MODEL).config(&Config::default()).on_retrain(train).open().unwrap();
    (db, pipeline)
}

/// Version 2 serves, and is tried against version 3; then it fails, which is recorded, and the disk is full.
fn failing(fs: &SimulatedFs, trained: &Arc<AtomicU64>) -> (Database, Pipeline) {
    let (db, pipeline) = open(fs, trained);
    let model = db.model(MODEL).unwrap();
    let training = db.modes().enter(Mode::Training, by_kim()).unwrap();
    for version in ["1", "2", "3"] {
        model.register(NewVersion::new(version).metric("accuracy", 0.9), version.as_bytes()).unwrap();
    }
    for version in ["1", "2"] {
        model.promote_to_production(version, by_kim()).unwrap();
    }
    drop(training);
    db.experiments().create(pipeline.experiment("newer", "2", "3").unwrap(), by_kim()).unwrap();
    db.experiments().start("newer", by_kim()).unwrap();
    let bad = [(metric::ACCURACY_DROP, 0.3), (metric::ERROR_RATE, 0.5)];
    let bad = bad.map(|(metric, value)| Observation::new("ranker@2", metric, value).correlation("window 7"));
    db.alerts().observe_all(&bad).unwrap();
    let others = db.create_collection("others", Schema::payload_only()).unwrap();
    fs.inject(Fault::DiskFull { after_bytes: 0 });
    // The log keeps zeros ahead of its end; others write until those are used up.
    assert!((0..100_000u64).any(|key| others.put(Record::new(key)).is_err()), "the disk is never full");
    (db, pipeline)
}

/// Nothing was done, in whole or in part, and everything can be read.
fn check_nothing_done(db: &Database, trained: &AtomicU64) {
    let alias = db.model(MODEL).unwrap().alias(PRODUCTION).unwrap().unwrap();
    assert_eq!(alias.version.as_deref(), Some("2"));
    assert_eq!(db.experiments().get("newer").unwrap().state, ExperimentState::Running);
    assert!(db.retraining().history(MODEL, 9).unwrap().is_empty());
    assert!(db.alerts().action_runs(9).unwrap().is_empty());
    assert!(db.audit().correlated("window 7").unwrap().is_empty() && db.audit().verify().unwrap().is_whole());
    assert_eq!(db.alerts().incidents().unwrap().iter().filter(|it| it.is_open()).count(), 2);
    assert_eq!(trained.load(Ordering::SeqCst), 0);
}

fn check_all_done(db: &Database, trained: &AtomicU64) {
    let moves = db.model(MODEL).unwrap().history(PRODUCTION).unwrap();
    let served: Vec<_> = moves.iter().filter_map(|it| it.to.as_deref()).collect();
    assert_eq!(served, ["1", "2", "1"]);
    assert_eq!(db.experiments().get("newer").unwrap().state, ExperimentState::Paused);
    let runs = db.retraining().history(MODEL, 9).unwrap();
    assert_eq!((runs.len(), runs[0].state, trained.load(Ordering::SeqCst)), (1, RetrainState::Done, 1));
    let done = db.alerts().action_runs(9).unwrap();
    assert!(done.len() == 3 && done.iter().all(|run| matches!(run.outcome, ActionOutcome::Done(_))), "{done:?}");
    let story = db.audit().correlated("window 7").unwrap();
    let mut story: Vec<_> = story.iter().map(|it| it.action.as_str()).collect();
    story.sort_unstable();
    let wanted = ["alert.fired", "alert.fired", "alias.rollback", "experiment.pause"];
    assert_eq!(story, [&wanted[..], &["retrain.begin", "retrain.finish", "retrain.force"]].concat());
    assert!(db.audit().verify().unwrap().is_whole());
}

#[test]
fn what_alerts_ask_for_waits_for_room_and_is_done_once() {
    for killed in [false, true] {
        let (fs, trained) = (SimulatedFs::new(1), Arc::default());
        let (db, pipeline) = failing(&fs, &trained);
        for _ in 0..5 {
            let error = pipeline.tick(db.now()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::DiskFull, "{error}");
            assert!(error.to_string().contains("free some"), "{error}");
            check_nothing_done(&db, &trained);
        }
        // Who has actions done by hand is told why they wait.
        db.alerts().deliver().unwrap();
        let handlers = db.alerts().handlers();
        let actions = handlers.iter().find(|it| it.name == "actions").unwrap();
        assert_eq!((actions.failed, actions.missed), (0, 0), "they are not given up");
        assert!(actions.last_error.as_ref().unwrap().contains("free some"), "{actions:?}");
        check_nothing_done(&db, &trained);
        let status = pipeline.status().unwrap();
        assert_eq!((status.production.as_deref(), status.incidents.len(), status.actions.len()), (Some("2"), 2, 0));

        let (db, pipeline) = if killed {
            let after = fs.reboot_keeping_all();
            drop((db, pipeline));
            open(&after, &trained)
        } else {
            fs.heal();
            (db, pipeline)
        };
        let tick = pipeline.tick(db.now()).unwrap();
        assert!(tick.findings.is_empty() && tick.run.is_some(), "{tick:?}");
        check_all_done(&db, &trained);
        let head = db.audit().head().unwrap();
        pipeline.tick(db.now()).unwrap();
        assert_eq!(db.audit().head().unwrap(), head, "nothing is done twice");
    }
}

/// The room ends with each byte between the first write of the tick and its last.
#[test]
fn wherever_the_room_ends_each_action_is_done_whole_or_later() {
    let mut done = Vec::new();
    for after_bytes in (0..40).map(|step| step * 512) {
        let (fs, trained) = (SimulatedFs::new(1), Arc::default());
        let (db, pipeline) = failing(&fs, &trained);
        fs.heal();
        fs.inject(Fault::DiskFull { after_bytes });
        let told = pipeline.tick(db.now());
        if let Err(error) = &told {
            assert_eq!(error.kind(), ErrorKind::DiskFull, "{after_bytes}: {error}");
        }
        let runs = db.alerts().action_runs(9).unwrap();
        let rolled_back = runs.iter().any(|run| run.action == Action::RollBack);
        let alias = db.model(MODEL).unwrap().alias(PRODUCTION).unwrap().unwrap();
        assert_eq!(alias.version.as_deref() == Some("1"), rolled_back, "{after_bytes}: known and done, or neither");
        done.push(runs.len());
        fs.heal();
        pipeline.tick(db.now()).unwrap();
        check_all_done(&db, &trained);
    }
    println!("{done:?}");
}
