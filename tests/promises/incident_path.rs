//! The way of an incident: accuracy drops, the version goes back, training begins, experiments pause, all is well again.
//! It is one story in the audit log, and the same story wherever the power goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use driftline::fs::{Fault, SimulatedFs};
use driftline::mlops::{
    Action, ActionOutcome, AlertKind, Change, Config, ExperimentState, Mode, ModelId, NewVersion, PRODUCTION, Pipeline,
    PredictionRecord, RetrainState, TimeRange,
};
use driftline::{Database, Error, ErrorKind, Maintenance, ManualClock, Options, Result, Timestamp};

const MODEL: &str = "ranker";
/// What all of it belongs to: the window whose truths gave it away.
const STORY: &str = "window ranker@1.1.0 from 1970-01-01T00:05:00Z";
/// The steps of the story, and the second at which each takes place.
const STEPS: [(Step, i64); 10] = [
    (promote, 0),
    (serve_well, 400),
    (look, 600),
    (learn_the_truth, 700),
    (look, 900),
    (fail, 1_000),
    (look, 1_200),
    (serve_the_old_one, 1_300),
    (look, 1_500),
    (look, 1_800),
];

type Step = fn(&Database, &ManualClock) -> Result<()>;

fn at(seconds: i64) -> Timestamp {
    Timestamp(seconds * 1_000_000)
}

fn by_kim() -> Change {
    Change::by("kim")
}

fn version(version: &str) -> ModelId {
    ModelId::new(MODEL, version).unwrap()
}

/// Three versions, of which the second serves and is tried against the third.
fn promote(db: &Database, _: &ManualClock) -> Result<()> {
    let model = db.model(MODEL)?;
    let _training = db.modes().enter(Mode::Training, by_kim())?;
    for (place, version) in ["1.0.0", "1.1.0", "1.2.0"].into_iter().enumerate() {
        let new = NewVersion::new(version).metric("accuracy", 0.9);
        model.register(if place == 0 { new.tag("stable") } else { new }, version.as_bytes())?;
        if place < 2 && model.history(PRODUCTION)?.len() <= place {
            model.promote_to_production(version, by_kim())?;
        }
    }
    let experiments = db.experiments();
    let pipeline = db.pipeline(MODEL)?;
    if experiments.list()?.is_empty() {
        experiments.create(pipeline.experiment("newer", "1.1.0", "1.2.0")?, by_kim())?;
    }
    match experiments.get("newer")?.state {
        ExperimentState::Created => experiments.start("newer", by_kim()).map(drop),
        _ => Ok(()),
    }
}

/// Ten predictions, of which so many fail. Recording them again changes nothing.
fn record(db: &Database, model: &str, name: &str, failed: usize) -> Result<()> {
    let monitor = db.monitor(&version(model));
    let prediction = |place: usize| {
        let said = if place < failed { PredictionRecord::failed("no answer") } else { PredictionRecord::new("yes") };
        said.latency_ms(10.0).id(format!("{name}-{place}"))
    };
    match monitor.record_in(db.batch(), (0..10).map(prediction).collect())?.0.commit() {
        Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
        other => other.map(drop),
    }
}

fn serve_well(db: &Database, _: &ManualClock) -> Result<()> {
    record(db, "1.1.0", "first", 0)
}

/// Six of ten were wrong.
fn learn_the_truth(db: &Database, clock: &ManualClock) -> Result<()> {
    let monitor = db.monitor(&version("1.1.0"));
    for place in 0..10 {
        let truth = if place < 6 { "no" } else { "yes" };
        monitor.record_label(&format!("first-{place}"), truth, Some(driftline::Clock::now(clock)))?;
    }
    Ok(())
}

fn fail(db: &Database, _: &ManualClock) -> Result<()> {
    record(db, "1.1.0", "second", 5)
}

fn serve_the_old_one(db: &Database, _: &ManualClock) -> Result<()> {
    record(db, "1.0.0", "third", 0)
}

fn look(db: &Database, clock: &ManualClock) -> Result<()> {
    let tick = db.pipeline(MODEL)?.tick(driftline::Clock::now(clock))?;
    match tick.findings.first() {
        Some(finding) => Err(Error::new(ErrorKind::Io, finding.to_string())),
        None => Ok(()),
    }
}

fn open(fs: &SimulatedFs, clock: &Arc<ManualClock>) -> Result<Database> {
    Options::new().maintenance(Maintenance::Manual).seed(7).clock(clock.clone()).open_on(Arc::new(fs.clone()))
}

fn config() -> Config {
    let mut config = Config::default();
    (config.monitoring.window, config.monitoring.min_samples) = (10, 5);
    config
}

/// Opens the store and goes on from a step; gives the step that failed.
fn go_on(fs: &SimulatedFs, from: usize, trained: &Arc<AtomicU64>) -> std::result::Result<Database, usize> {
    let clock = Arc::new(ManualClock::new(at(STEPS[from].1)));
    let db = open(fs, &clock).map_err(|_| from)?;
    let count = Arc::clone(trained);
    let train = move |_: &driftline::mlops::RetrainEvent| Ok(format!("{}", count.fetch_add(1, Ordering::SeqCst)));
    Pipeline::builder(&db, MODEL).config(&config()).on_retrain(train).open().map_err(|_| from)?;
    for (place, (step, second)) in STEPS.into_iter().enumerate().skip(from) {
        clock.set(at(second));
        step(&db, &clock).map_err(|_| place)?;
    }
    Ok(db)
}

/// What must have become of it, whatever happened on the way.
fn check(db: &Database, case: &str) {
    let alerts = db.alerts().history(TimeRange::ALL, 99).unwrap();
    let told: Vec<_> = alerts.iter().rev().map(|it| (it.kind, it.metric.as_deref().unwrap_or_default())).collect();
    let wanted = [
        (AlertKind::Fired, "accuracy_drop"),
        (AlertKind::Fired, "error_rate"),
        (AlertKind::Resolved, "accuracy_drop"),
        (AlertKind::Resolved, "error_rate"),
    ];
    let mut sorted = told.clone();
    sorted.sort();
    assert_eq!(sorted, wanted, "{case}");
    assert!(alerts.iter().all(|it| it.correlation.as_deref() == Some(STORY)), "{case}: {alerts:?}");

    let moves = db.model(MODEL).unwrap().history(PRODUCTION).unwrap();
    let served: Vec<_> = moves.iter().filter_map(|it| it.to.as_deref()).collect();
    assert_eq!(served, ["1.0.0", "1.1.0", "1.0.0"], "{case}");
    let runs = db.retraining().history(MODEL, 9).unwrap();
    assert_eq!((runs.len(), runs[0].forced, runs[0].correlation.as_deref()), (1, true, Some(STORY)), "{case}");
    let cut_off = runs[0].outcome.as_deref().is_some_and(|told| told.starts_with("cut off"));
    assert_eq!(runs[0].state == RetrainState::Failed, cut_off, "{case}: {runs:?}");
    assert!(!runs[0].state.is_open(), "{case}: {runs:?}");
    assert_eq!(db.experiments().get("newer").unwrap().state, ExperimentState::Paused, "{case}");

    let mut done = db.alerts().action_runs(99).unwrap();
    done.sort_by_key(|run| run.action);
    assert!(done.iter().all(|run| matches!(run.outcome, ActionOutcome::Done(_))), "{case}: {done:?}");
    let done: Vec<_> = done.iter().map(|run| run.action).collect();
    assert_eq!(done, [Action::RollBack, Action::ForceRetrain, Action::PauseExperiments], "{case}");
    assert!(db.audit().verify().unwrap().is_whole(), "{case}");
    let story = db.audit().correlated(STORY).unwrap();
    let story: Vec<_> = story.iter().map(|it| it.action.as_str()).collect();
    let trained = if cut_off { "retrain.fail" } else { "retrain.finish" };
    let before = ["alert.fired", "alias.rollback", "retrain.force", "retrain.begin", trained];
    let after = ["alert.fired", "experiment.pause", "alert.resolved", "alert.resolved"];
    assert_eq!(story, [&before[..], &after[..]].concat(), "{case}");
}

#[test]
fn an_incident_goes_its_way_and_is_one_story() {
    let trained = Arc::default();
    let db = go_on(&SimulatedFs::new(1), 0, &trained).unwrap();
    check(&db, "whole");
    assert_eq!(trained.load(Ordering::SeqCst), 1);
    assert_eq!(db.retraining().history(MODEL, 9).unwrap()[0].state, RetrainState::Done);
    let status = db.pipeline(MODEL).unwrap().status().unwrap();
    assert_eq!((status.production.as_deref(), status.incidents.len()), (Some("1.0.0"), 0));
    assert_eq!((status.experiments.len(), status.actions.len()), (0, 3));

    // It is well, and stays so: nothing more is done, and nothing is written twice.
    let head = db.audit().head().unwrap();
    let clock = ManualClock::new(at(2_100));
    look(&db, &clock).unwrap();
    assert_eq!(db.audit().head().unwrap(), head);
}

#[test]
fn the_story_is_the_same_wherever_the_power_goes() {
    let whole = SimulatedFs::new(1);
    drop(go_on(&whole, 0, &Arc::default()).unwrap());
    let (mut cuts, mut cut_off) = (0, 0);
    for at_call in 0..whole.calls() {
        let fs = SimulatedFs::new(1);
        fs.inject(Fault::PowerCut { at_call });
        let trained = Arc::default();
        // What is cut after the last step is the closing of the store.
        let step = match go_on(&fs, 0, &trained) {
            Ok(db) => {
                drop(db);
                STEPS.len() - 1
            }
            Err(step) => step,
        };
        let disk = if at_call % 2 == 0 { fs.reboot_losing_all() } else { fs.reboot(at_call) };
        let db = go_on(&disk, step, &trained).unwrap_or_else(|step| panic!("call {at_call}: step {step} failed"));
        check(&db, &format!("call {at_call}"));
        let run = &db.retraining().history(MODEL, 9).unwrap()[0];
        assert!(trained.load(Ordering::SeqCst) <= 1, "call {at_call}");
        cuts += 1;
        cut_off += u64::from(run.state == RetrainState::Failed);
    }
    assert!(cuts > 100 && cut_off > 0, "{cuts} cuts, {cut_off} while it trained");
}

#[test]
fn late_truths_about_a_version_that_went_raise_nothing_new() {
    let db = go_on(&SimulatedFs::new(1), 0, &Arc::default()).unwrap();
    let monitor = db.monitor(&version("1.1.0"));
    db.experiments().stop("newer", by_kim()).unwrap();
    for place in 5..10 {
        monitor.record_label(&format!("second-{place}"), "no", Some(at(1_800))).unwrap();
    }
    let clock = ManualClock::new(at(1_800 + 2 * 3_600));
    look(&db, &clock).unwrap();
    assert_eq!(db.alerts().history(TimeRange::ALL, 99).unwrap().len(), 4);
    let figures = monitor.figures(TimeRange::new(at(900), at(1_200)).unwrap()).unwrap();
    assert_eq!(figures.classification.unwrap().accuracy, 0.0, "they are counted");
}
