//! What a pipeline judges at each tick: drift of what was logged and of what was said, each model by its own rules.

use std::sync::Arc;
use std::time::Duration;

use driftline::mlops::{
    AlertConfig, AlertKind, AlertRule, Change, Config, Edge, Entry, ModelId, Monitor, MonitoringSummary, NewVersion,
    Observation, Pipeline, PredictionRecord, RetrainState, Severity, TimeRange, Trigger, metric,
};
use driftline::{Database, Maintenance, ManualClock, Options, Random, Timestamp};

const MODEL: &str = "ranker";
const WINDOW: u64 = 300;
const DIMENSION: usize = 4;

fn store() -> (Database, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(Timestamp(0)));
    (Options::new().maintenance(Maintenance::Manual).clock(clock.clone()).in_memory().unwrap(), clock)
}

fn id(version: &str) -> ModelId {
    ModelId::new(MODEL, version).unwrap()
}

/// A model of which version 1 is in production.
fn promoted(db: &Database) {
    let model = db.model(MODEL).unwrap();
    model.register(NewVersion::new("1").metric("accuracy", 0.9), &b"1"[..]).unwrap();
    model.promote_to_production("1", Change::by("kim")).unwrap();
}

/// The moment at which a window begins, counted from 0.
fn begin(window: u64) -> Timestamp {
    Timestamp(0).after(Duration::from_secs(window * WINDOW))
}

/// Vectors of a window; they are moved by so much.
fn embed(db: &Database, version: &str, window: u64, shift: f64) {
    let mut random = Random::seeded(window, 11);
    let mut number = || (driftline::stats::normal::draw(&mut random) + shift) as f32;
    let entries = (0..60).map(|place| {
        let vector: Vec<f32> = (0..DIMENSION).map(|_| number()).collect();
        Entry::new(vector).at(begin(window).after(Duration::from_secs(place)))
    });
    db.embedding_log().log_all(&id(version), entries.collect::<Vec<_>>()).unwrap();
}

#[test]
fn windows_of_drift_are_judged_with_the_tick_and_ask_for_training() {
    let (db, clock) = store();
    promoted(&db);
    let pipeline = Pipeline::builder(&db, MODEL).on_retrain(|_| Ok("trained".into())).open().unwrap();
    // From the first tick on that finds vectors, windows are judged. What does not serve is not looked at.
    for window in 0..6 {
        if window == 1 {
            assert_eq!(pipeline.tick(begin(1)).unwrap().drift_windows, 0);
        }
        clock.set(begin(window));
        embed(&db, "1", window, if window < 4 { 0.0 } else { 3.0 });
        embed(&db, "0", window, if window < 4 { 0.0 } else { 3.0 });
    }
    clock.set(begin(4));
    let quiet = pipeline.tick(begin(4)).unwrap();
    assert_eq!((quiet.drift_windows, quiet.findings.len(), quiet.run), (3, 0, None));
    assert!(db.alerts().incidents().unwrap().is_empty());

    clock.set(begin(6));
    let moved = pipeline.tick(begin(6)).unwrap();
    assert_eq!((moved.drift_windows, moved.findings.len()), (2, 0), "{moved:?}");
    let incidents = db.alerts().incidents().unwrap();
    let told: Vec<_> = incidents.iter().map(|it| (it.subject.as_str(), it.metric.as_str(), it.is_open())).collect();
    assert!(told.contains(&("ranker@1", metric::FEATURE_DRIFT, true)), "{told:?}");
    assert!(told.contains(&("ranker@1", metric::DRIFT_SCORE, true)), "{told:?}");
    assert!(told.iter().all(|(subject, ..)| *subject == "ranker@1"), "{told:?}");
    let run = moved.run.unwrap();
    assert_eq!((run.state, run.reasons[0].trigger), (RetrainState::Done, Trigger::Drift));
    let again = pipeline.tick(begin(6)).unwrap();
    assert_eq!((again.drift_windows, again.run), (0, None), "a window is judged once");
    let fired = db.audit().newest(9, |it| it.action == "alert.fired").unwrap();
    assert!(!fired.is_empty() && fired.iter().all(|it| it.subject == "ranker@1"), "{fired:?}");
}

/// Forty predictions of a window, as sure as told, or numbers.
fn say(db: &Database, window: u64, said: impl Fn(u64) -> PredictionRecord) {
    let records = (0..40u64).map(|place| said(place).at(begin(window).after(Duration::from_secs(place)))).collect();
    db.monitor(&id("1")).record_in(db.batch(), records).unwrap().0.commit().unwrap();
}

/// Whether an incident about what is said lasts after these windows.
fn drifts(db: &Database, clock: &ManualClock, until: u64) -> bool {
    clock.set(begin(until));
    let tick = db.pipeline(MODEL).unwrap().tick(begin(until)).unwrap();
    assert!(tick.findings.is_empty(), "{tick:?}");
    let incidents = db.alerts().incidents().unwrap();
    incidents.iter().any(|it| it.metric == metric::PREDICTION_DRIFT && it.subject == "ranker@1" && it.is_open())
}

#[test]
fn what_a_model_says_is_held_against_its_baseline_by_the_sigma_rule() {
    // A baseline of mean 0.8 and deviation 0.05. The edge of 2 deviations is 0.7, and not beyond it.
    let wave = |place: u64| if place.is_multiple_of(2) { 0.05 } else { -0.05 };
    let cases: [(&str, f64, f64, bool); 3] =
        [("a little", 2.0, 0.71, false), ("beyond", 2.0, 0.69, true), ("another threshold", 3.0, 0.69, false)];
    for (case, threshold, mean, wanted) in cases {
        let (db, clock) = store();
        let mut config = Config::default();
        (config.monitoring.window, config.monitoring.sigma_threshold) = (40, threshold);
        Pipeline::from_config(&db, &config, MODEL).unwrap();
        say(&db, 0, |place| PredictionRecord::new("a").confidence(0.8 + wave(place)));
        assert!(!drifts(&db, &clock, 1), "{case}: there is no baseline");
        db.monitor(&id("1")).set_baseline("it is well").unwrap();
        promoted(&db);
        say(&db, 1, |place| PredictionRecord::new("a").confidence(0.8 - wave(place)));
        assert!(!drifts(&db, &clock, 2), "{case}: nothing has changed");
        say(&db, 2, |place| PredictionRecord::new("a").confidence(mean + wave(place)));
        assert_eq!(drifts(&db, &clock, 3), wanted, "{case}");
        if wanted {
            let fired = db.alerts().history(TimeRange::ALL, 9).unwrap().remove(0);
            assert_eq!((fired.severity, fired.kind), (Severity::Warning, AlertKind::Fired));
            let told = fired.metadata.to_json();
            assert_eq!((&told["baseline"], &told["signals"][0]["signal"]), (&1.into(), &"confidence".into()));
            let report = &told["signals"][0]["report"];
            assert!((report["drift_score"].as_f64().unwrap() - 2.2).abs() < 1e-9, "{report}");
            assert_eq!(report["sample_count"], 40);
            say(&db, 3, |place| PredictionRecord::new("a").confidence(0.8 + wave(place)));
            assert!(!drifts(&db, &clock, 4), "it is well again");
            let summary: MonitoringSummary = db.monitor(&id("1")).summary(TimeRange::ALL).unwrap();
            assert_eq!(summary.drift_incidents, 1);
        }
    }
}

#[test]
fn numbers_that_are_predicted_drift_as_well_and_few_of_them_are_not_judged() {
    let (db, clock) = store();
    let mut config = Config::default();
    config.monitoring.window = 40;
    Pipeline::from_config(&db, &config, MODEL).unwrap();
    let number = |place: u64| PredictionRecord::new(10.0 + (place % 3) as f64);
    say(&db, 0, number);
    drifts(&db, &clock, 1);
    db.monitor(&id("1")).set_baseline("it is well").unwrap();
    let far = (0..30u64).map(|_| PredictionRecord::new(100.0).at(begin(1))).collect();
    db.monitor(&id("1")).record_in(db.batch(), far).unwrap().0.commit().unwrap();
    // Thirty are enough, and their mean has moved by more than 2 deviations.
    assert!(drifts(&db, &clock, 2));

    let (db, clock) = store();
    config.monitoring.window = 10;
    Pipeline::from_config(&db, &config, MODEL).unwrap();
    let few = |value: f64| (0..29u64).map(|_| PredictionRecord::new(value).at(begin(0))).collect();
    db.monitor(&id("1")).record_in(db.batch(), few(1.0)).unwrap().0.commit().unwrap();
    db.monitor(&id("1")).set_baseline("too little to know").unwrap();
    say(&db, 1, |_| PredictionRecord::new(100.0));
    assert!(!drifts(&db, &clock, 2), "a baseline of 10 numbers says nothing");
}

#[test]
fn the_largest_numbers_that_are_taken_can_be_counted() {
    let (db, clock) = store();
    let monitor = db.monitor(&id("1"));
    say(&db, 0, |place| {
        let sign = if place.is_multiple_of(2) { 1e100 } else { -1e100 };
        PredictionRecord::new(sign).truth(-sign).latency_ms(1e100)
    });
    clock.set(begin(2));
    assert_eq!(monitor.tick(begin(2)).unwrap().closed, 1);
    // Once more from what was stored of the window.
    let figures = monitor.figures(TimeRange::ALL).unwrap().regression.unwrap();
    assert!((figures.mae / 2e100 - 1.0).abs() < 1e-9 && (figures.mse / 4e200 - 1.0).abs() < 1e-9, "{figures:?}");
    assert_eq!(monitor.tick(begin(9)).unwrap().recounted, 0, "what was counted again is what was stored");
}

#[test]
fn each_model_is_judged_by_the_rules_of_its_own_pipeline() {
    let (db, _) = store();
    let config = |critical: f64, warning: f64| {
        let mut config = Config::default();
        (config.alerts.critical_latency_ms, config.alerts.warning_latency_ms) = (critical, warning);
        config
    };
    Pipeline::from_config(&db, &config(50.0, 20.0), "fast").unwrap();
    Pipeline::from_config(&db, &config(5_000.0, 2_000.0), "slow").unwrap();
    Pipeline::from_config(&db, &Config::default(), "plain").unwrap();
    let severity = |subject: &str, latency: f64| {
        let told = db.alerts().observe(&Observation::new(subject, metric::LATENCY_MS, latency)).unwrap();
        told.first().map(|alert| alert.severity)
    };
    assert_eq!(severity("fast@1", 60.0), Some(Severity::Critical));
    assert_eq!((severity("slow@1", 60.0), severity("slow@1", 1_999.0)), (None, None));
    assert_eq!(severity("slow@2", 2_000.0), Some(Severity::Warning));
    assert_eq!(
        (severity("plain@1", 300.0), severity("docs", 600.0)),
        (Some(Severity::Warning), Some(Severity::Critical))
    );
    for model in ["fast", "slow", "plain"] {
        let told = db.pipeline(model).unwrap().status().unwrap().findings;
        assert!(told.iter().all(|it| !it.message.contains("rules are others")), "{model}: {told:?}");
    }

    // The same values as the store's need no rule of their own; what somebody changes by hand is told.
    Pipeline::from_config(&db, &Config::default(), "fast").unwrap();
    assert!(db.alerts().rules().unwrap().iter().all(|rule| rule.model.as_deref() != Some("fast")));
    assert_eq!(severity("fast@3", 60.0), None);
    db.alerts().set_rule(&latency(1.0).of_model("slow")).unwrap();
    let told = db.pipeline("slow").unwrap().status().unwrap().findings;
    assert!(told.iter().any(|it| it.message.contains("rules are others") && it.message.contains("high_latency")));
    db.alerts().remove_rule_of("slow", "high_latency").unwrap();
    assert_eq!(severity("slow@3", 300.0), Some(Severity::Warning), "the store's rule holds again");
}

fn latency(above: f64) -> AlertRule {
    AlertRule::new("high_latency", metric::LATENCY_MS).band(Severity::Info, Edge::Above(above))
}

#[test]
fn a_rule_of_a_model_stands_beside_that_of_the_store() {
    let (db, _) = store();
    let alerts = db.alerts();
    alerts.set_rule(&latency(10.0)).unwrap();
    alerts.set_rule(&latency(100.0).of_model("a")).unwrap();
    let names = |rules: Vec<AlertRule>| {
        let latency = rules.into_iter().filter(|rule| rule.name == "high_latency");
        latency.map(|rule| (rule.model, rule.bands[0].edge.value())).collect::<Vec<_>>()
    };
    assert_eq!(names(alerts.rules().unwrap()), [(None, 10.0), (Some("a".into()), 100.0)]);
    assert_eq!(names(alerts.rules_of("a").unwrap()), [(Some("a".into()), 100.0)]);
    assert_eq!(names(alerts.rules_of("b").unwrap()), [(None, 10.0)]);
    let told = |subject: &str| alerts.observe(&Observation::new(subject, metric::LATENCY_MS, 50.0)).unwrap().len();
    assert_eq!((told("a@1"), told("a@1/price"), told("ab@1"), told("a")), (0, 0, 1, 1));
    // One that is switched off for a model is off for it alone.
    alerts.set_rule(&latency(1.0).of_model("b").disabled()).unwrap();
    assert_eq!((told("b@1"), told("c@1")), (0, 1));
    // An action that a type asks for is asked for wherever the type is.
    alerts.on("high_latency", Severity::Info, driftline::mlops::Action::Notify).unwrap();
    assert!(alerts.rules_of("a").unwrap().iter().any(|rule| rule.name == "high_latency" && rule.actions.len() == 1));

    alerts.remove_rule("high_latency").unwrap();
    assert_eq!(names(alerts.rules_of("a").unwrap()), [(Some("a".into()), 100.0)], "the other stays");
    let error = alerts.remove_rule_of("a", "high_latencies").unwrap_err();
    assert!(error.to_string().contains("did you mean `high_latency`?"), "{error}");
    alerts.remove_rule_of("a", "high_latency").unwrap();
    alerts.remove_rule_of("a", "high_latency").unwrap_err();
    for model in ["", "a@1", "a\n"] {
        alerts.set_rule(&latency(1.0).of_model(model)).unwrap_err();
    }
}

#[test]
fn the_rules_that_a_monitor_is_built_with_are_those_of_its_model() {
    let (db, _) = store();
    let config = AlertConfig { critical_latency_ms: 50.0, warning_latency_ms: 20.0, ..AlertConfig::default() };
    Monitor::builder(&db, &ModelId::new("a", "1").unwrap()).unwrap().alert_config(config).open().unwrap();
    let told = |subject: &str| db.alerts().observe(&Observation::new(subject, metric::LATENCY_MS, 60.0)).unwrap().len();
    assert_eq!((told("a@2"), told("b@1")), (1, 0));
}

#[test]
fn what_was_set_up_is_written_down_by_the_keys_of_files() {
    let (db, _) = store();
    let mut config = Config::default();
    config.alerts.cool_down = Duration::from_secs(90);
    config.cache.ttl = Some(Duration::from_secs(5));
    Pipeline::from_config(&db, &config, MODEL).unwrap();
    let entry = db.audit().newest(1, |it| it.action == "pipeline.configure").unwrap().remove(0);
    let told = &entry.details["config"];
    assert_eq!(told["monitoring.alert_config.cool_down_seconds"], 90);
    assert_eq!((&told["retraining.max_days_without_retrain"], &told["cache.ttl_seconds"]), (&7.into(), &5.into()));
    let json = serde_json::to_value(&config).unwrap();
    assert_eq!((&json["alerts"]["cool_down_seconds"], &json["cache"]["ttl_seconds"]), (&90.0.into(), &5.0.into()));
    assert_eq!(serde_json::from_value::<Config>(json).unwrap(), config);
    // As it was stored before.
    let mut earlier = serde_json::to_value(&config).unwrap();
    let alerts = earlier["alerts"].as_object_mut().unwrap();
    alerts.remove("cool_down_seconds");
    alerts.insert("cool_down".into(), serde_json::json!({"secs": 90, "nanos": 0}));
    assert_eq!(serde_json::from_value::<Config>(earlier).unwrap(), config);
}
