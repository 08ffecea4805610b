//! Alerts: rules judge what is observed, and incidents are told once. `alerts_handlers` and `alerts_killed` have the rest.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use driftline::fs::SimulatedFs;
use driftline::mlops::{
    Action, ActionOutcome, Alert, AlertConfig, AlertKind, AlertRule, Delivery, Edge, Observation, Severity, Silence,
    TimeRange, metric,
};
use driftline::{Database, ErrorKind, Maintenance, ManualClock, Options, Result, Timestamp, json};

pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const MODEL: &str = "minilm@2";

pub(super) fn manual() -> Options {
    Options::new().maintenance(Maintenance::Manual).seed(3)
}

pub(super) fn clocked() -> (Arc<ManualClock>, Database) {
    let clock = Arc::new(ManualClock::new(Timestamp(1_000_000_000)));
    let db = manual().clock(clock.clone()).in_memory().unwrap();
    (clock, db)
}

pub(super) fn drop_of(value: f64) -> Observation {
    Observation::new(MODEL, metric::ACCURACY_DROP, value)
}

pub(super) fn kinds(alerts: &[Alert]) -> Vec<(AlertKind, Severity)> {
    alerts.iter().map(|alert| (alert.kind, alert.severity)).collect()
}

/// What a handler has heard.
pub(super) type Heard = Arc<Mutex<Vec<Delivery>>>;

/// A handler that keeps what it hears.
pub(super) fn ear() -> (Heard, impl FnMut(&Delivery) -> Result<(), String> + Send + 'static) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&heard);
    let handler = move |delivery: &Delivery| {
        keep.lock().unwrap().push(delivery.clone());
        Ok(())
    };
    (heard, handler)
}

pub(super) fn ids(heard: &Mutex<Vec<Delivery>>) -> Vec<u64> {
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
        Observation::new("a".repeat(441), "x", 1.0),
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
fn a_silence_that_was_ended_is_over_after_a_crash_whatever_the_clock_says() {
    let clock = Arc::new(ManualClock::new(Timestamp(1_000_000_000)));
    let (begin, fs) = (clock_now(&clock), SimulatedFs::new(1));
    let open = |fs: SimulatedFs| manual().clock(clock.clone()).open_on(Arc::new(fs)).unwrap();
    let db = open(fs.clone());
    let silence = db.alerts().silence(Silence::new("*", "*", begin.after(MINUTE))).unwrap();
    clock.advance(MINUTE / 2);
    db.alerts().unsilence(silence.id).unwrap();
    clock.set(begin);
    let db = open(fs.reboot_losing_all());
    assert_eq!(db.alerts().silences().unwrap(), []);
    assert!(db.alerts().alert(Severity::Info, "by hand", json!({})).unwrap().told);
    assert_eq!(db.alerts().silence(Silence::new("*", "*", begin.after(MINUTE))).unwrap().id, silence.id + 1);
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
