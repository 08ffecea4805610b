//! Alerts: rules judge what is observed, incidents are told once, handlers hold nobody up, and no kill loses anything.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use driftline::fs::{Fault, SimulatedFs};
use driftline::mlops::{
    Action, ActionOutcome, Alert, AlertConfig, AlertKind, AlertRule, Alerts, Delivery, Edge, FileHandler, Observation,
    Severity, Silence, TimeRange, metric,
};
use driftline::{Database, ErrorKind, Maintenance, ManualClock, Options, Record, Result, Schema, Timestamp, json};

const MINUTE: Duration = Duration::from_secs(60);
const MODEL: &str = "minilm@2";

fn manual() -> Options {
    Options::new().maintenance(Maintenance::Manual).seed(3)
}

fn clocked() -> (Arc<ManualClock>, Database) {
    let clock = Arc::new(ManualClock::new(Timestamp(1_000_000_000)));
    let db = manual().clock(clock.clone()).in_memory().unwrap();
    (clock, db)
}

fn drop_of(value: f64) -> Observation {
    Observation::new(MODEL, metric::ACCURACY_DROP, value)
}

fn kinds(alerts: &[Alert]) -> Vec<(AlertKind, Severity)> {
    alerts.iter().map(|alert| (alert.kind, alert.severity)).collect()
}

/// What a handler has heard.
type Heard = Arc<Mutex<Vec<Delivery>>>;

/// A handler that keeps what it hears.
fn ear() -> (Heard, impl FnMut(&Delivery) -> Result<(), String> + Send + 'static) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&heard);
    let handler = move |delivery: &Delivery| {
        keep.lock().unwrap().push(delivery.clone());
        Ok(())
    };
    (heard, handler)
}

fn ids(heard: &Mutex<Vec<Delivery>>) -> Vec<u64> {
    heard.lock().unwrap().iter().map(|delivery| delivery.alert.id).collect()
}

#[test]
fn the_default_rules_have_the_edges_that_are_written_down() {
    use Severity::{Critical, Info, Warning};
    let table = [
        (metric::ACCURACY_DROP, -0.01, None),
        (metric::ACCURACY_DROP, 0.0, None),
        (metric::ACCURACY_DROP, 0.019, Some(Info)),
        (metric::ACCURACY_DROP, 0.92 - 0.90, Some(Warning)),
        (metric::ACCURACY_DROP, 0.90 - 0.85, Some(Warning)),
        (metric::ACCURACY_DROP, 0.0501, Some(Critical)),
        (metric::ERROR_RATE, 0.0, None),
        (metric::ERROR_RATE, 0.009, Some(Info)),
        (metric::ERROR_RATE, 0.01, Some(Warning)),
        (metric::ERROR_RATE, 0.02, Some(Warning)),
        (metric::ERROR_RATE, 0.0201, Some(Critical)),
        (metric::LATENCY_MS, 199.9, None),
        (metric::LATENCY_MS, 200.0, Some(Warning)),
        (metric::LATENCY_MS, 500.0, Some(Warning)),
        (metric::LATENCY_MS, 500.1, Some(Critical)),
        (metric::CONCEPT_DRIFT, 0.0, None),
        (metric::CONCEPT_DRIFT, 1.0, Some(Critical)),
        (metric::FEATURE_DRIFT, 1.0, Some(Warning)),
        (metric::PREDICTION_DRIFT, 1.0, Some(Warning)),
        (metric::DRIFT_SCORE, 0.1, None),
        (metric::DRIFT_SCORE, 0.11, Some(Warning)),
        (metric::ANOMALY, 3.5, None),
        (metric::ANOMALY, 3.6, Some(Warning)),
        (metric::DATA_QUALITY, 0.95, None),
        (metric::DATA_QUALITY, 0.94, Some(Info)),
        (metric::NEW_DATA, 1.0, Some(Info)),
    ];
    let db = Database::in_memory().unwrap();
    for (place, (metric, value, severity)) in table.into_iter().enumerate() {
        let seen = db.alerts().observe(&Observation::new(format!("m@{place}"), metric, value)).unwrap();
        let wanted: Vec<_> = severity.map(|severity| (AlertKind::Fired, severity)).into_iter().collect();
        assert_eq!(kinds(&seen), wanted, "{metric} {value}");
    }
    let config = AlertConfig::default();
    assert_eq!(
        [
            config.critical_accuracy_drop,
            config.warning_accuracy_drop,
            config.critical_error_rate,
            config.critical_latency_ms,
            config.drift_threshold
        ],
        [0.05, 0.02, 0.02, 500.0, 0.1]
    );
}

#[test]
fn rules_are_data_that_can_be_changed_and_taken_back() {
    let db = Database::in_memory().unwrap();
    let alerts = db.alerts();
    alerts
        .configure(&AlertConfig { critical_latency_ms: 50.0, warning_latency_ms: 20.0, ..AlertConfig::default() })
        .unwrap();
    let latency = |value| Observation::new(MODEL, metric::LATENCY_MS, value);
    assert_eq!(kinds(&alerts.observe(&latency(51.0)).unwrap()), [(AlertKind::Fired, Severity::Critical)]);
    alerts.remove_rule("high_latency").unwrap();
    assert_eq!(kinds(&alerts.observe(&latency(51.0)).unwrap()), [(AlertKind::Resolved, Severity::Critical)]);
    let mine =
        AlertRule::new("slow_minilm", metric::LATENCY_MS).subjects("minilm@*").band(Severity::Info, Edge::Above(1.0));
    alerts.set_rule(&mine).unwrap();
    assert_eq!(alerts.rules().unwrap().iter().find(|rule| rule.name == "slow_minilm"), Some(&mine));
    assert!(alerts.observe(&Observation::new("other@1", metric::LATENCY_MS, 2.0)).unwrap().is_empty());
    assert_eq!(alerts.observe(&latency(2.0)).unwrap()[0].alert_type, "slow_minilm");
    alerts.set_rule(&mine.clone().disabled()).unwrap();
    assert!(alerts.observe(&latency(0.0)).unwrap().is_empty(), "it is not looked at");

    let error = alerts.remove_rule("slow_miniln").unwrap_err();
    assert!(
        error.kind() == ErrorKind::NotFound && error.to_string().contains("did you mean `slow_minilm`?"),
        "{error}"
    );
    assert!(
        alerts.on("acuracy_drop", Severity::Info, Action::Notify).unwrap_err().to_string().contains("`accuracy_drop`")
    );
    assert_eq!(alerts.set_rules(&[mine.clone(), AlertRule::new("none", "x")]).unwrap_err().kind(), ErrorKind::Invalid);
    assert!(!alerts.rules().unwrap().iter().find(|rule| rule.name == "slow_minilm").unwrap().enabled, "all or none");
}

#[test]
fn what_cannot_be_judged_is_refused_and_leaves_nothing() {
    let db = Database::in_memory().unwrap();
    let refused = [
        drop_of(f64::NAN),
        drop_of(f64::INFINITY),
        Observation::new("", "x", 1.0),
        Observation::new("a\u{1f}b", "x", 1.0),
        Observation::new("a".repeat(257), "x", 1.0),
        Observation::new(MODEL, "two words", 1.0),
    ];
    for observation in refused {
        assert_eq!(db.alerts().observe(&observation).unwrap_err().kind(), ErrorKind::Invalid, "{observation:?}");
        let both = [drop_of(0.5), observation];
        db.alerts().observe_all(&both).unwrap_err();
    }
    assert!(db.collections().unwrap().is_empty(), "looking changes nothing");
    assert!(db.alerts().observe(&drop_of(0.0)).unwrap().is_empty());
    assert!(db.collections().unwrap().is_empty(), "nor does what is well");
}

#[test]
fn an_incident_is_listed_acknowledged_and_survives_reopening() {
    let fs = SimulatedFs::new(1);
    let clock = Arc::new(ManualClock::new(Timestamp(1_000_000_000)));
    let open = || manual().clock(clock.clone()).open_on(Arc::new(fs.clone())).unwrap();
    let db = open();
    let fired = db.alerts().observe(&drop_of(0.03).correlation("window 7").detail(json!({"window": 7}))).unwrap();
    db.alerts().observe(&Observation::new(MODEL, metric::LATENCY_MS, 900.0)).unwrap();
    db.alerts().acknowledge(fired[0].id, "ann").unwrap();
    let listed = db.alerts().incidents().unwrap();
    assert_eq!(listed.iter().map(|it| it.severity).collect::<Vec<_>>(), [Severity::Critical, Severity::Warning]);
    db.close().unwrap();

    let db = open();
    clock.advance(MINUTE);
    let incidents = db.alerts().incidents().unwrap();
    assert_eq!(incidents, listed);
    let drop = &incidents[1];
    assert_eq!(
        (drop.acknowledged.as_ref().unwrap().by.as_str(), drop.correlation.as_deref()),
        ("ann", Some("window 7"))
    );
    assert!(db.alerts().observe(&drop_of(0.03)).unwrap().is_empty(), "it is known");
    assert_eq!(kinds(&db.alerts().observe(&drop_of(0.0)).unwrap()), [(AlertKind::Resolved, Severity::Warning)]);
    assert_eq!(db.alerts().acknowledge(fired[0].id, "ann").unwrap_err().kind(), ErrorKind::NotFound);

    let ended = db.alerts().resolve(2, "bob").unwrap();
    assert_eq!((ended.is_open(), ended.resolved), (false, Some(clock_now(&clock))));
    let again = db.alerts().observe(&Observation::new(MODEL, metric::LATENCY_MS, 900.0)).unwrap();
    assert_eq!((again[0].kind, again[0].incident), (AlertKind::Fired, Some(5)));
    let history = db.alerts().history(TimeRange::ALL, 100).unwrap();
    assert_eq!(history.iter().map(|alert| alert.id).collect::<Vec<_>>(), [5, 4, 3, 2, 1]);
    assert_eq!(db.alerts().get(1).unwrap(), fired[0]);
    assert_eq!(db.alerts().get(9).unwrap_err().kind(), ErrorKind::NotFound);
    let first_minute = TimeRange::new(Timestamp(1_000_000_000), Timestamp(1_000_000_001)).unwrap();
    assert_eq!(db.alerts().history(first_minute, 100).unwrap().len(), 2);
}

#[test]
fn all_that_happens_to_a_subject_until_it_is_well_belongs_together() {
    let db = Database::in_memory().unwrap();
    let story = |observation: Observation| {
        let told = db.alerts().observe(&observation).unwrap();
        told.into_iter().map(|alert| alert.correlation.unwrap()).collect::<Vec<_>>()
    };
    let slow = |value: f64| Observation::new(MODEL, metric::LATENCY_MS, value);
    assert_eq!(story(drop_of(0.03).correlation("window 7")), ["window 7"]);
    assert_eq!(story(drop_of(0.5).correlation("window 8")), ["window 7"], "it got worse");
    assert_eq!(story(slow(900.0).correlation("window 9")), ["window 7"], "another incident of the same");
    assert_eq!(story(Observation::new("other@1", metric::LATENCY_MS, 900.0)), ["incident 4"]);
    assert_eq!(story(drop_of(0.0)), ["window 7"]);
    assert_eq!(story(Observation::new(MODEL, metric::ERROR_RATE, 0.5)), ["window 7"], "what lasts holds it together");
    assert_eq!(story(slow(1.0)), ["window 7"]);
    assert_eq!(story(Observation::new(MODEL, metric::ERROR_RATE, 0.0)), ["window 7"]);
    assert_eq!(story(drop_of(0.03).correlation("window 12")), ["window 7"], "it came back too soon to be another");
    assert_eq!(story(Observation::new(MODEL, "queue", 1.0)), [""; 0]);
    let refused = db.alerts().observe(&slow(900.0).correlation("x".repeat(513))).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
}

fn clock_now(clock: &ManualClock) -> Timestamp {
    driftline::Clock::now(clock)
}

#[test]
fn a_silence_is_kept_to_and_ends() {
    let (clock, db) = clocked();
    let alerts = db.alerts();
    let (heard, handler) = ear();
    alerts.add_handler("ear", handler).unwrap();
    let until = clock_now(&clock).after(MINUTE);
    let silence = alerts.silence(Silence::new("accuracy_*", "minilm@*", until).by("ann").reason("deploying")).unwrap();
    assert!(!alerts.observe(&drop_of(0.5)).unwrap()[0].told);
    alerts.observe(&Observation::new("other@1", metric::ACCURACY_DROP, 0.5)).unwrap();
    alerts.deliver().unwrap();
    assert_eq!((ids(&heard), alerts.silences().unwrap().len()), (vec![2], 1));
    clock.advance(MINUTE);
    assert!(alerts.silences().unwrap().is_empty());
    let lasting = alerts.observe(&drop_of(0.5)).unwrap();
    assert_eq!(kinds(&lasting), [(AlertKind::Lasting, Severity::Critical)]);
    assert_eq!(
        lasting[0].actions,
        [Action::RollBack, Action::ForceRetrain],
        "they were not asked for while it was silenced"
    );
    alerts.deliver().unwrap();
    assert_eq!(ids(&heard), [2, 3]);

    assert_eq!(alerts.unsilence(silence.id).unwrap_err().kind(), ErrorKind::NotFound);
    let second = alerts.silence(Silence::new("*", "*", clock_now(&clock).after(MINUTE))).unwrap();
    assert_eq!(second.id, silence.id + 1);
    assert!(!alerts.alert(Severity::Info, "by hand", json!({})).unwrap().told);
    alerts.unsilence(second.id).unwrap();
    assert!(alerts.alert(Severity::Info, "by hand", json!({})).unwrap().told);
    assert_eq!(alerts.silence(Silence::new("*", "*", clock_now(&clock))).unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn a_clock_set_back_ends_no_incident() {
    let (clock, db) = clocked();
    db.alerts().observe(&drop_of(0.5)).unwrap();
    clock.set(Timestamp(0));
    db.alerts().observe(&drop_of(0.6)).unwrap();
    assert!(db.alerts().observe(&drop_of(0.0).at(Timestamp(5))).unwrap().is_empty(), "a value from the past");
    assert_eq!(kinds(&db.alerts().observe(&drop_of(0.0)).unwrap()), [(AlertKind::Resolved, Severity::Critical)]);
}

#[test]
fn handlers_hear_each_alert_and_go_on_where_they_were_after_reopening() {
    let fs = SimulatedFs::new(1);
    let open = || manual().open_on(Arc::new(fs.clone())).unwrap();
    let db = open();
    db.alerts().alert(Severity::Info, "before anybody listened", json!({})).unwrap();
    let (heard, handler) = ear();
    db.alerts().add_handler("ear", handler).unwrap();
    assert_eq!(db.alerts().add_handler("ear", ear().1).unwrap_err().kind(), ErrorKind::Exists);
    assert_eq!(db.alerts().add_handler("actions", ear().1).unwrap_err().kind(), ErrorKind::Invalid);
    for text in ["one", "two"] {
        db.alerts().alert(Severity::Warning, text, json!({"from": "test"})).unwrap();
    }
    assert_eq!(db.alerts().deliver().unwrap(), 2);
    assert_eq!((ids(&heard), db.alerts().deliver().unwrap()), (vec![2, 3], 0));
    assert_eq!(heard.lock().unwrap()[0].id, "ear/2");
    db.alerts().alert(Severity::Critical, "while nobody listens", json!({})).unwrap();
    db.close().unwrap();

    let db = open();
    let (heard, handler) = ear();
    db.alerts().add_handler("ear", handler).unwrap();
    db.alerts().add_handler("new", ear().1).unwrap();
    assert_eq!(db.alerts().deliver().unwrap(), 1);
    assert_eq!(ids(&heard), [4]);
    assert!(db.alerts().remove_handler("ear") && !db.alerts().remove_handler("ear"));
    let names: Vec<_> = db.alerts().handlers().into_iter().map(|handler| handler.name).collect();
    assert_eq!(names, ["new"]);
}

#[test]
fn a_handler_that_fails_or_panics_is_tried_three_times_and_bothers_nobody() {
    let db = manual().in_memory().unwrap();
    let alerts = db.alerts();
    let attempts = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&attempts);
    let bad = move |delivery: &Delivery| {
        keep.lock().unwrap().push((delivery.alert.id, delivery.attempt));
        match (delivery.alert.id, delivery.attempt) {
            (1, 1) => panic!("a handler's own fault"),
            (1, _) => Err("no network".to_owned()),
            (_, 1) => Err("once".to_owned()),
            _ => Ok(()),
        }
    };
    alerts.add_handler("bad", bad).unwrap();
    let (heard, good) = ear();
    alerts.add_handler("good", good).unwrap();
    alerts.alert(Severity::Info, "one", json!({})).unwrap();
    alerts.alert(Severity::Info, "two", json!({})).unwrap();
    for _ in 0..6 {
        alerts.deliver().unwrap();
    }
    assert_eq!(ids(&heard), [1, 2]);
    assert_eq!(*attempts.lock().unwrap(), [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2)]);
    let status = alerts.handlers().into_iter().find(|it| it.name == "bad").unwrap();
    assert_eq!((status.delivered, status.failed, status.last), (1, 1, 2));
    assert_eq!(status.last_error.as_deref(), Some("once"));
    alerts.alert(Severity::Info, "the store is well", json!({})).unwrap();
}

#[test]
fn a_handler_that_blocks_holds_up_no_write_no_other_handler_and_no_closing() {
    let dir = tempfile::tempdir().unwrap();
    let db = Database::open(dir.path().join("it.drift")).unwrap();
    let (release, blocked) = mpsc::channel::<()>();
    let (begun, has_begun) = mpsc::channel();
    let blocked = Mutex::new(blocked);
    let stuck = move |_: &Delivery| {
        let _ = begun.send(());
        let _ = blocked.lock().unwrap().recv();
        Ok(())
    };
    db.alerts().add_handler("stuck", stuck).unwrap();
    let (tell, told) = mpsc::channel();
    let good = move |delivery: &Delivery| tell.send(delivery.alert.id).map_err(|error| error.to_string());
    db.alerts().add_handler("good", good).unwrap();
    for text in ["one", "two", "three"] {
        db.alerts().alert(Severity::Info, text, json!({})).unwrap();
    }
    has_begun.recv().unwrap();
    assert_eq!((0..3).map(|_| told.recv().unwrap()).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(db.alerts().deliver().unwrap(), 0, "the threads do it");
    db.close().unwrap();
    let db = Database::open(dir.path().join("it.drift")).unwrap();
    drop(release);
    drop(db);
    Database::open(dir.path().join("it.drift")).unwrap();
}

#[test]
fn the_store_closes_with_its_last_handle_although_handlers_listen() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..20 {
        let db = Database::open(dir.path().join("it.drift")).unwrap();
        let (tell, told) = mpsc::channel();
        let good = move |delivery: &Delivery| tell.send(delivery.alert.id).map_err(|error| error.to_string());
        db.alerts().add_handler("good", good).unwrap();
        db.alerts().alert(Severity::Info, "one", json!({})).unwrap();
        told.recv().unwrap();
    }
}

#[test]
fn who_is_too_far_behind_passes_over_the_oldest_and_is_told_so() {
    let db = manual().in_memory().unwrap();
    let (heard, handler) = ear();
    db.alerts().add_handler("slow", handler).unwrap();
    let observations = |value: f64| -> Vec<Observation> {
        (0..1_010).map(|model| Observation::new(format!("m@{model}"), metric::ACCURACY_DROP, value)).collect()
    };
    db.alerts().observe_all(&observations(0.5)).unwrap();
    assert_eq!(db.alerts().deliver().unwrap(), 1_000);
    let first = heard.lock().unwrap()[0].clone();
    assert_eq!((first.alert.id, first.missed), (11, 10));
    assert_eq!(heard.lock().unwrap()[1].missed, 0);
    assert_eq!(db.alerts().handlers()[0].missed, 10);
}

#[test]
fn the_newest_ten_thousand_alerts_are_kept_and_numbers_go_on() {
    let db = manual().in_memory().unwrap();
    let round = |value: f64| -> Vec<Observation> {
        (0..3_500).map(|model| Observation::new(format!("m@{model}"), metric::ACCURACY_DROP, value)).collect()
    };
    for value in [0.5, 0.0, 0.6] {
        db.alerts().observe_all(&round(value)).unwrap();
    }
    assert_eq!(db.collection("_alerts").unwrap().count().unwrap(), 10_000);
    assert_eq!(db.alerts().get(500).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(
        (db.alerts().get(501).unwrap().id, db.alerts().alert(Severity::Info, "x", json!({})).unwrap().id),
        (501, 10_501)
    );
}

#[test]
fn what_an_alert_asks_for_is_done_once_and_recorded_with_its_cause() {
    let db = manual().in_memory().unwrap();
    let alerts = db.alerts();
    let rolled = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&rolled);
    alerts
        .perform(Action::RollBack, move |alert| {
            count.fetch_add(1, Ordering::SeqCst);
            Ok(format!("{} is back", alert.subject.as_deref().unwrap_or_default()))
        })
        .unwrap();
    alerts.perform(Action::PauseExperiments, |_| panic!("no experiments")).unwrap();
    alerts.on("feature_drift", Severity::Warning, Action::Notify).unwrap();
    alerts.on("feature_drift", Severity::Warning, Action::Notify).unwrap();
    alerts.observe(&drop_of(0.03).correlation("window 9")).unwrap();
    alerts.observe(&drop_of(0.5).correlation("window 10")).unwrap();
    alerts.observe(&drop_of(0.6)).unwrap();
    alerts.observe(&Observation::new(MODEL, metric::ERROR_RATE, 0.5)).unwrap();
    alerts.observe(&Observation::new(MODEL, metric::FEATURE_DRIFT, 1.0)).unwrap();
    alerts.deliver().unwrap();
    alerts.deliver().unwrap();
    let runs = alerts.action_runs(10).unwrap();
    let outcome: BTreeMap<_, _> = runs.iter().map(|run| (run.action, run.outcome.clone())).collect();
    assert_eq!(runs.len(), 4);
    assert_eq!(outcome[&Action::RollBack], ActionOutcome::Done("minilm@2 is back".into()));
    assert_eq!(outcome[&Action::ForceRetrain], ActionOutcome::Unclaimed);
    assert_eq!(outcome[&Action::PauseExperiments], ActionOutcome::Failed("it panicked: no experiments".into()));
    assert_eq!(outcome[&Action::Notify], ActionOutcome::Unclaimed);
    let back = runs.iter().find(|run| run.action == Action::RollBack).unwrap();
    assert_eq!((back.alert, back.correlation.as_deref(), rolled.load(Ordering::SeqCst)), (2, Some("window 9"), 1));
}

#[test]
fn a_batch_carries_what_it_causes_or_nothing_of_it() {
    let db = manual().in_memory().unwrap();
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    let alerts = db.alerts();
    let (batch, made) = alerts.observe_in(db.batch().put(&notes, Record::new("a")), &[drop_of(0.5)]).unwrap();
    assert!(alerts.incidents().unwrap().is_empty() && notes.count().unwrap() == 0, "it is not committed");
    let lsn = batch.commit().unwrap().lsn;
    assert_eq!(notes.get("a").unwrap().unwrap().lsn, lsn);
    assert_eq!(db.collection("_alerts").unwrap().get(made[0].id).unwrap().unwrap().lsn, lsn);

    // Somebody else's observation comes first: the batch is to be made again, whole.
    let (late, _) = alerts.observe_in(db.batch().put(&notes, Record::new("b")), &[drop_of(0.0)]).unwrap();
    alerts.observe(&drop_of(0.01)).unwrap();
    assert_eq!(late.commit().unwrap_err().kind(), ErrorKind::Conflict);
    assert!(notes.get("b").unwrap().is_none());

    let (batch, _) = alerts.observe_in(db.batch(), &[drop_of(0.5)]).unwrap();
    assert_eq!(alerts.observe_in(batch, &[drop_of(0.0)]).unwrap_err().kind(), ErrorKind::Invalid);
    // The second sees what the first has changed.
    let two = alerts.observe_all(&[drop_of(0.9), drop_of(0.0)]).unwrap();
    assert_eq!(kinds(&two), [(AlertKind::Rose, Severity::Critical), (AlertKind::Resolved, Severity::Critical)]);
}

#[test]
fn threads_that_observe_at_once_lose_nothing() {
    let db = Options::new().in_memory().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let alerts = db.alerts();
            scope.spawn(move || {
                for round in 0..10 {
                    let subject = format!("m@{thread}-{round}");
                    alerts.observe(&Observation::new(subject, metric::ACCURACY_DROP, 0.5)).unwrap();
                }
            });
        }
    });
    let mut ids: Vec<u64> = db.alerts().history(TimeRange::ALL, 100).unwrap().iter().map(|alert| alert.id).collect();
    ids.reverse();
    assert_eq!(ids, (1..=40).collect::<Vec<_>>());
    assert_eq!(db.alerts().incidents().unwrap().len(), 40);
}

/// Windows are recorded with what they cause, until the power goes; returns how many were acknowledged.
fn observed_windows(fs: &SimulatedFs) -> Result<u64> {
    let clock = Arc::new(ManualClock::new(Timestamp(1_000_000_000)));
    let db = manual().clock(clock.clone()).open_on(Arc::new(fs.clone()))?;
    let windows = db.ensure_collection("windows", Schema::payload_only())?;
    let mut done = windows.count()?;
    for value in [0.03, 0.5, 0.0, 0.5, 0.0].into_iter().skip(done as usize) {
        let batch = db.batch().put(&windows, Record::new(done + 1).payload(json!({ "drop": value })));
        db.alerts().observe_in(batch, &[drop_of(value).at(Timestamp(1_000_000_000 + done as i64))])?.0.commit()?;
        done += 1;
        db.alerts().deliver()?;
    }
    Ok(done)
}

#[test]
fn after_a_kill_at_any_step_incidents_are_what_the_windows_say() {
    let whole = SimulatedFs::new(1);
    observed_windows(&whole).unwrap();
    // What is recorded after each window, as a run without kills has it.
    let kinds = [AlertKind::Fired, AlertKind::Rose, AlertKind::Resolved, AlertKind::Reopened, AlertKind::Resolved];
    for at_call in 0..whole.calls() {
        let fs = SimulatedFs::new(1);
        fs.inject(Fault::PowerCut { at_call });
        let _ = observed_windows(&fs);
        for after in [fs.reboot_losing_all(), fs.reboot_keeping_all(), fs.reboot(at_call)] {
            let db = manual().open_on(Arc::new(after.clone())).unwrap();
            let windows = db.collection("windows").map_or(0, |windows| windows.count().unwrap() as usize);
            let mut history = db.alerts().history(TimeRange::ALL, 100).unwrap();
            history.reverse();
            assert_eq!(history.iter().map(|alert| alert.kind).collect::<Vec<_>>(), kinds[..windows], "call {at_call}");
            let open = db.alerts().incidents().unwrap().iter().any(|it| it.is_open());
            assert_eq!(open, matches!(windows, 1 | 2 | 4), "call {at_call}");
            drop(db);
            assert_eq!(observed_windows(&after).unwrap(), 5, "it goes on");
        }
    }
}

/// Alerts are raised and delivered; what was heard before the power went is returned.
fn deliveries(fs: &SimulatedFs, heard: &Heard, raise: u64) -> Result<()> {
    let db = manual().open_on(Arc::new(fs.clone()))?;
    let keep = Arc::clone(heard);
    let listen = move |delivery: &Delivery| {
        keep.lock().unwrap().push(delivery.clone());
        Ok(())
    };
    db.alerts().add_handler("ear", listen)?;
    for _ in 0..raise {
        db.alerts().alert(Severity::Info, "something", json!({}))?;
        db.alerts().deliver()?;
    }
    db.alerts().deliver().map(drop)
}

#[test]
fn a_kill_repeats_at_most_the_delivery_that_was_under_way_and_loses_none() {
    let whole = SimulatedFs::new(1);
    deliveries(&whole, &Arc::default(), 3).unwrap();
    for at_call in 0..whole.calls() {
        let fs = SimulatedFs::new(1);
        fs.inject(Fault::PowerCut { at_call });
        let (before, after) = (Arc::default(), Arc::default());
        let _ = deliveries(&fs, &before, 3);
        let disk = fs.reboot_losing_all();
        let listened = {
            let db = manual().open_on(Arc::new(disk.clone())).unwrap();
            let listened = db.collection("_alert_handlers").is_ok_and(|it| it.get("ear").unwrap().is_some());
            listened.then(|| db.alerts().history(TimeRange::ALL, 9).unwrap().iter().map(|alert| alert.id).max())
        };
        deliveries(&disk, &after, 0).unwrap();
        let Some(newest) = listened else { continue };
        let (before, after) = (ids(&before), ids(&after));
        let mut all = [before.clone(), after.clone()].concat();
        all.dedup();
        assert_eq!(all, (1..=newest.unwrap_or(0)).collect::<Vec<_>>(), "call {at_call}: {before:?} {after:?}");
    }
}

#[test]
fn an_action_is_not_done_again_after_a_kill() {
    let fs = SimulatedFs::new(1);
    let count = Arc::new(AtomicU64::new(0));
    let work = |fs: &SimulatedFs| -> Result<()> {
        let db = manual().open_on(Arc::new(fs.clone()))?;
        let counted = Arc::clone(&count);
        db.alerts().perform(Action::RollBack, move |_| Ok(counted.fetch_add(1, Ordering::SeqCst).to_string()))?;
        db.alerts().observe(&drop_of(0.5))?;
        db.alerts().deliver().map(drop)
    };
    work(&fs).unwrap();
    let calls = fs.calls();
    let mut repeated = 0;
    for at_call in 0..calls {
        let fs = SimulatedFs::new(1);
        fs.inject(Fault::PowerCut { at_call });
        count.store(0, Ordering::SeqCst);
        let _ = work(&fs);
        let recorded = {
            let db = manual().open_on(Arc::new(fs.reboot_losing_all())).unwrap();
            db.alerts().action_runs(9).unwrap().iter().filter(|run| run.action == Action::RollBack).count()
        };
        let before = count.load(Ordering::SeqCst);
        work(&fs.reboot_losing_all()).unwrap();
        let done = count.load(Ordering::SeqCst) - before;
        assert!(done == u64::from(recorded == 0), "call {at_call}: {recorded} recorded, {done} done");
        repeated += u64::from(before == 1 && done == 1);
    }
    assert!(repeated > 0, "only what was done and not yet recorded is done again");
}

#[test]
fn closures_hear_types_and_numbers() {
    let db = manual().in_memory().unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&heard);
    let alerts: Alerts = db.alerts();
    alerts
        .register_alert_handler("mine", move |alert_type, metrics| {
            keep.lock().unwrap().push((alert_type.to_owned(), metrics.clone()));
        })
        .unwrap();
    alerts.observe(&drop_of(0.5).detail(json!({"baseline": 0.9}))).unwrap();
    alerts.observe(&Observation::new(MODEL, metric::ERROR_RATE, 0.5)).unwrap();
    alerts.observe(&Observation::new(MODEL, metric::CONCEPT_DRIFT, 1.0)).unwrap();
    alerts.observe(&drop_of(0.0)).unwrap();
    alerts.deliver().unwrap();
    let heard = heard.lock().unwrap();
    let types: Vec<_> = heard.iter().map(|(alert_type, _)| alert_type.as_str()).collect();
    assert_eq!(types, ["accuracy_drop", "high_error_rate", "concept_drift"]);
    assert_eq!(heard[0].1, json!({"accuracy_drop": 0.5, "baseline": 0.9}).into());
}

#[test]
fn a_file_gets_each_alert_as_a_line_of_json_and_stays_small() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("alerts.jsonl");
    let (_, db) = clocked();
    db.alerts().add_handler("file", FileHandler::new(&path).unwrap().max_bytes(2_000)).unwrap();
    db.alerts().observe(&drop_of(0.06).correlation("window 7").detail(json!({"window": 7}))).unwrap();
    db.alerts().deliver().unwrap();
    let line: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let body = json!({
        "version": 1, "id": 1, "dedup_key": "driftline-1", "status": "firing", "kind": "fired", "alert_type": "accuracy_drop",
        "severity": "critical", "subject": MODEL, "metric": "accuracy_drop", "value": 0.06, "threshold": "above 0.05",
        "message": "accuracy_drop of minilm@2 is 0.06, above 0.05",
        "text": "[CRITICAL] accuracy_drop: accuracy_drop of minilm@2 is 0.06, above 0.05",
        "at": "1970-01-01T00:16:40Z", "incident": 1, "correlation": "window 7",
        "actions": ["roll_back", "force_retrain"], "metadata": {"window": 7},
    });
    assert_eq!(line, body);
    for _ in 0..20 {
        db.alerts().alert(Severity::Info, "something", json!({})).unwrap();
    }
    db.alerts().deliver().unwrap();
    let old = std::fs::read_to_string(dir.path().join("alerts.jsonl.1")).unwrap();
    let new = std::fs::read_to_string(&path).unwrap();
    assert!(old.len() <= 2_000 && new.len() <= 2_000);
    assert!(old.lines().chain(new.lines()).all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    assert!(new.lines().next_back().unwrap().contains("\"id\":21"));
    assert_eq!(FileHandler::new(dir.path().join("no/such.jsonl")).unwrap_err().kind(), ErrorKind::NotFound);
}
