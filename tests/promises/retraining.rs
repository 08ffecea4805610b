//! A model is trained when a rule asks for it, no more often than the limits allow, and each run is known to its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use driftline::fs::{Fault, SimulatedFs};
use driftline::mlops::{Change, RetrainCommand, RetrainConfig, RetrainState, Signals, Trigger};
use driftline::{Database, Error, ErrorKind, Maintenance, ManualClock, Options, Record, Schema, Timestamp};

const HOUR: Duration = Duration::from_secs(3_600);

fn store() -> (Database, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(Timestamp(1_734_791_422_000_000)));
    (Options::new().clock(clock.clone()).in_memory().unwrap(), clock)
}

fn by_kim() -> Change {
    Change::by("kim")
}

fn drifted() -> Signals {
    Signals::new().drift_score(0.3)
}

/// A store with a model whose training is counted.
fn trained(config: RetrainConfig) -> (Database, Arc<ManualClock>, Arc<AtomicU64>) {
    let (db, clock) = store();
    let count = Arc::new(AtomicU64::new(0));
    let runs = Arc::clone(&count);
    db.retraining().configure("ranker", config, by_kim()).unwrap();
    db.retraining().on_retrain("ranker", move |_| Ok(format!("run {}", runs.fetch_add(1, Ordering::SeqCst) + 1)));
    (db, clock, count)
}

#[test]
fn the_defaults_are_those_of_the_table() {
    let config = RetrainConfig::default();
    assert_eq!(config.min_new_samples, Some(1_000));
    assert_eq!(config.max_time_without_retrain, Some(7 * 24 * HOUR));
    assert_eq!(config.accuracy_degradation_threshold, Some(0.05));
    assert_eq!(config.drift_score_threshold, Some(0.1));
    assert_eq!(config.min_time_between_retrains, 6 * HOUR);
    assert_eq!(config.max_retrains_per_day, 4);
    assert_eq!(config.watch_file_patterns, [".csv", ".parquet"]);
}

#[test]
fn rows_of_a_collection_ask_for_training() {
    let (db, clock, count) = trained(RetrainConfig::new().rows_of("labelled").min_new_samples(10));
    let labelled = db.create_collection("labelled", Schema::payload_only()).unwrap();
    clock.advance(HOUR);
    labelled.put_all((0..9u64).map(Record::new)).unwrap();
    assert!(db.retraining().tick().unwrap().is_empty());
    labelled.put(Record::new(9u64)).unwrap();
    let runs = db.retraining().tick().unwrap();
    assert_eq!((runs[0].state, runs[0].outcome.as_deref()), (RetrainState::Done, Some("run 1")));
    assert_eq!((runs[0].reasons[0].trigger, runs[0].reasons[0].value), (Trigger::NewData, 10.0));
    clock.advance(24 * HOUR);
    assert!(db.retraining().tick().unwrap().is_empty(), "they have been learned from");
    labelled.put_all((10..30u64).map(Record::new)).unwrap();
    assert_eq!(db.retraining().tick().unwrap().len(), 1);
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[test]
fn a_model_is_trained_after_days_and_a_failure_is_no_training() {
    let (db, clock) = store();
    let retraining = db.retraining();
    retraining.configure("ranker", RetrainConfig::new(), by_kim()).unwrap();
    let tries = AtomicU64::new(0);
    retraining.on_retrain("ranker", move |_| match tries.fetch_add(1, Ordering::SeqCst) {
        0 => Err(Error::new(ErrorKind::Io, "no disk")),
        1 => panic!("a bug"),
        _ => Ok("trained".into()),
    });
    clock.advance(7 * 24 * HOUR - Duration::from_micros(1));
    assert!(retraining.tick().unwrap().is_empty());
    clock.advance(Duration::from_micros(1));
    let mut outcomes = Vec::new();
    for _ in 0..5 {
        outcomes.extend(retraining.tick().unwrap().into_iter().map(|run| (run.state, run.outcome.unwrap())));
        clock.advance(6 * HOUR);
    }
    let told: Vec<_> = outcomes.iter().map(|(state, text)| (*state, text.as_str())).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!((told[0].0, told[1].0), (RetrainState::Failed, RetrainState::Failed));
    assert!(told[0].1.contains("no disk") && told[1].1.contains("a bug"), "{told:?}");
    assert_eq!(told[2], (RetrainState::Done, "trained"));
    let summary = retraining.summary("ranker", 7).unwrap();
    assert_eq!((summary.begun, summary.done, summary.failed), (3, 1, 2));
    assert!(retraining.history("ranker", 0).unwrap().is_empty());
}

#[test]
fn limits_hold_runs_back_and_not_those_that_are_forced() {
    let (db, clock, count) = trained(RetrainConfig::new());
    let retraining = db.retraining();
    let tick = || retraining.tick_with("ranker", &drifted()).unwrap().is_some();
    assert!(tick() && !tick(), "six hours must pass");
    clock.advance(6 * HOUR - Duration::from_micros(1));
    assert!(!tick());
    clock.advance(Duration::from_micros(1));
    assert!(tick());
    let forced = retraining.force_retrain("ranker", by_kim().because("a new label").correlation("inc-7")).unwrap();
    assert!(forced.forced && forced.over_limit);
    assert_eq!((forced.state, forced.reasons[0].text.as_str()), (RetrainState::Done, "a new label"));
    for _ in 0..2 {
        clock.advance(6 * HOUR);
        tick();
    }
    assert_eq!(count.load(Ordering::SeqCst), 4, "two by rule, one by force, one more: then four a day are reached");
    clock.advance(6 * HOUR);
    assert!(tick(), "the first was a day ago");
    let entries = db.audit().correlated("inc-7").unwrap();
    let actions: Vec<_> = entries.iter().map(|it| it.action.as_str()).collect();
    assert_eq!(actions, ["retrain.force", "retrain.begin", "retrain.finish"]);
}

#[test]
fn a_run_waits_for_approval_and_is_open_alone() {
    let (db, clock, count) = trained(RetrainConfig::new().needs_approval());
    let retraining = db.retraining();
    let tick = || retraining.tick_with("ranker", &drifted()).unwrap();
    let first = tick().unwrap();
    assert_eq!((first.state, count.load(Ordering::SeqCst)), (RetrainState::Requested, 0));
    assert!(tick().is_none(), "one is open");
    assert_eq!(retraining.force_retrain("ranker", by_kim()).unwrap_err().kind(), ErrorKind::Conflict);
    let rejected = retraining.reject("ranker", 1, by_kim().because("not on a Friday")).unwrap();
    assert_eq!((rejected.state, rejected.outcome.as_deref()), (RetrainState::Rejected, Some("not on a Friday")));
    assert_eq!(retraining.approve("ranker", 1, by_kim()).unwrap_err().kind(), ErrorKind::Conflict);
    clock.advance(HOUR);
    assert_eq!(tick().unwrap().number, 2, "what is rejected counts for no limit");
    assert_eq!(retraining.approve("ranker", 2, by_kim()).unwrap().actor, "kim");
    assert_eq!(count.load(Ordering::SeqCst), 0, "it begins with the next tick");
    assert_eq!(tick().unwrap().state, RetrainState::Done);
    assert_eq!(retraining.event("ranker", 3).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn without_a_handler_a_run_stays_approved_until_there_is_one() {
    let (db, _) = store();
    let retraining = db.retraining();
    retraining.configure("ranker", RetrainConfig::new(), by_kim()).unwrap();
    assert_eq!(retraining.tick_with("ranker", &drifted()).unwrap().unwrap().state, RetrainState::Approved);
    retraining.on_retrain("ranker", |_| Ok(String::new()));
    assert_eq!(retraining.tick().unwrap()[0].state, RetrainState::Done);
}

#[cfg(unix)]
#[test]
fn a_command_trains_and_its_status_is_kept() {
    let (db, clock) = store();
    let retraining = db.retraining();
    retraining.configure("ranker", RetrainConfig::new(), by_kim()).unwrap();
    let script = |text: &str| RetrainCommand::new("sh", ["-c", text]);
    let cases = [
        (script(r#"test "$DRIFTLINE_MODEL" = ranker && test -n "$DRIFTLINE_REASON""#), RetrainState::Done, "0"),
        (script("exit 3"), RetrainState::Failed, "3"),
        (RetrainCommand::new("/no/such/program", [""]), RetrainState::Failed, "/no/such/program"),
    ];
    for (command, state, told) in cases {
        retraining.on_retrain_command("ranker", command);
        let run = retraining.tick_with("ranker", &drifted()).unwrap().unwrap();
        assert!(run.state == state && run.outcome.as_ref().unwrap().contains(told), "{run:?}");
        clock.advance(7 * HOUR);
    }
}

#[test]
fn one_failing_model_keeps_no_other_from_its_run() {
    let (db, _, count) = trained(RetrainConfig::new());
    let retraining = db.retraining();
    retraining.configure("a", RetrainConfig::new().rows_of("no such collection"), by_kim()).unwrap();
    retraining.signals_from("ranker", |_| Ok(drifted()));
    assert_eq!(retraining.tick().unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[test]
fn a_signal_that_cannot_be_had_silences_no_other_rule() {
    let (db, _, count) = trained(RetrainConfig::new().rows_of("no such collection"));
    let retraining = db.retraining();
    assert_eq!(retraining.tick_with("ranker", &drifted()).unwrap_err().kind(), ErrorKind::NotFound, "it is said");
    let run = retraining.history("ranker", 1).unwrap().remove(0);
    assert_eq!((run.state, run.reasons[0].trigger), (RetrainState::Done, Trigger::Drift));
    assert_eq!(count.load(Ordering::SeqCst), 1);
    // The same where the application cannot tell what it is asked.
    let (db, clock, count) = trained(RetrainConfig::new());
    db.retraining().signals_from("ranker", |_| Err(Error::new(ErrorKind::NotFound, "no figures")));
    clock.advance(7 * 24 * HOUR);
    assert!(db.retraining().tick().unwrap_err().to_string().contains("no figures"));
    assert_eq!(count.load(Ordering::SeqCst), 1, "its time had come");
}

#[test]
fn a_run_is_taken_back_while_it_has_not_begun() {
    let (db, _) = store();
    let retraining = db.retraining();
    retraining.configure("ranker", RetrainConfig::new(), by_kim()).unwrap();
    let forced = retraining.force_retrain("ranker", by_kim()).unwrap();
    assert_eq!(forced.state, RetrainState::Approved, "nobody trains here");
    let open = retraining.force_retrain("ranker", by_kim()).unwrap_err().to_string();
    assert!(open.contains("reject it"), "{open}");
    assert_eq!(retraining.reject("ranker", 1, by_kim()).unwrap().state, RetrainState::Rejected);
    retraining.on_retrain("ranker", |_| Ok(String::new()));
    assert!(retraining.tick().unwrap().is_empty());
    assert_eq!(retraining.force_retrain("ranker", by_kim()).unwrap().state, RetrainState::Done);
    let done = retraining.reject("ranker", 2, by_kim()).unwrap_err();
    assert!(done.kind() == ErrorKind::Conflict && done.to_string().contains("requested or approved"), "{done}");
}

#[test]
fn a_history_reaches_back_to_its_first_instant() {
    let (db, clock, _) = trained(RetrainConfig::new());
    let runs = || db.retraining().history("ranker", 7).unwrap().len();
    db.retraining().force_retrain("ranker", by_kim()).unwrap();
    clock.advance(7 * 24 * HOUR);
    assert_eq!(runs(), 1);
    clock.advance(Duration::from_micros(1));
    assert_eq!(runs(), 0);
}

#[test]
fn what_cannot_be_is_refused() {
    let (db, _) = store();
    let retraining = db.retraining();
    let mut drift = RetrainConfig::new();
    drift.drift_score_threshold = Some(f64::NAN);
    for config in [drift, RetrainConfig::new().min_new_samples(0), RetrainConfig::new().max_retrains_per_day(0)] {
        assert_eq!(retraining.configure("ranker", config, by_kim()).unwrap_err().kind(), ErrorKind::Invalid);
    }
    assert_eq!(retraining.configure("a@b", RetrainConfig::new(), by_kim()).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(retraining.tick_with("ranker", &drifted()).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(retraining.config("ranker").unwrap_err().kind(), ErrorKind::NotFound);
    if !cfg!(feature = "watch") {
        let watching = retraining.configure("ranker", RetrainConfig::new().watch("data"), by_kim()).unwrap_err();
        assert!(watching.to_string().contains("feature `watch`"), "{watching}");
    }
}

#[cfg(feature = "watch")]
#[test]
fn new_files_ask_for_training() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_string_lossy().into_owned();
    let db = Database::in_memory().unwrap();
    let retraining = db.retraining();
    // Beside the rows of a collection a new file is enough, too.
    db.create_collection("labelled", Schema::payload_only()).unwrap();
    let watching = || RetrainConfig::new().watch(&*path);
    for (model, config) in [("beside", watching().rows_of("labelled")), ("ranker", watching())] {
        retraining.configure(model, config, by_kim()).unwrap();
        retraining.on_retrain(model, |_| Ok(String::new()));
    }
    std::fs::write(dir.path().join("notes.txt"), "no data").unwrap();
    assert!(retraining.tick().unwrap().is_empty());
    std::fs::write(dir.path().join("new.csv"), "a,b").unwrap();
    let runs = retraining.tick().unwrap();
    let asked: Vec<_> = runs.iter().map(|run| (run.model.as_str(), run.reasons[0].trigger)).collect();
    assert_eq!(asked, [("beside", Trigger::NewData), ("ranker", Trigger::NewData)]);
    drop(dir);
    let gone = retraining.tick().unwrap_err();
    assert!(gone.to_string().contains(&path), "{gone}");
}

#[test]
fn a_run_that_a_kill_cuts_off_is_known_as_failed() {
    let open = |fs: &SimulatedFs| Options::new().maintenance(Maintenance::Manual).seed(1).open_on(Arc::new(fs.clone()));
    let run = |db: &Database| {
        let retraining = db.retraining();
        retraining.configure("ranker", RetrainConfig::new(), by_kim())?;
        retraining.on_retrain("ranker", |_| Ok("trained".into()));
        retraining.tick_with("ranker", &drifted())
    };
    let whole = SimulatedFs::new(1);
    assert!(run(&open(&whole).unwrap()).unwrap().is_some());
    let mut cut_off = 0;
    for at_call in 0..whole.calls() {
        let fs = SimulatedFs::new(1);
        fs.inject(Fault::PowerCut { at_call });
        let acknowledged = open(&fs).and_then(|db| run(&db)).is_ok_and(|run| run.is_some());
        let db = open(&fs.reboot(at_call)).unwrap();
        let retraining = db.retraining();
        if retraining.models().unwrap().is_empty() {
            assert!(!acknowledged);
            continue;
        }
        retraining.on_retrain("ranker", |_| Ok("trained".into()));
        let before = retraining.history("ranker", 1).unwrap();
        retraining.tick().unwrap();
        let after = retraining.history("ranker", 1).unwrap();
        assert!(after.iter().all(|run| !run.state.is_open()), "{after:?}");
        assert!(!acknowledged || before.iter().any(|run| run.state == RetrainState::Done));
        cut_off += usize::from(before.iter().any(|run| run.state == RetrainState::Running));
        assert!(db.audit().verify().unwrap().is_whole());
    }
    assert!(cut_off > 0, "no cut fell into a run");
}
