//! A name that is taken where it enters can be stored wherever it is used; one that is longer is refused there, and told why.

use std::sync::Arc;
use std::time::Duration;

use driftline::mlops::drift::MonitorOptions;
use driftline::mlops::{
    Action, AlertRule, Cache, CacheLimits, CanaryPolicy, Change, Config, Edge, Embedder, Entry, ExperimentConfig,
    ExperimentMetric, Goal, Mode, ModelId, Monitor, NewVersion, Observation, Pipeline, PredictionRecord, PromotionGate,
    Severity, Silence, TimeRange, metric,
};
use driftline::{
    Database, ErrorKind, Maintenance, ManualClock, Options, Record, Result, Schema, Timestamp, Value, json,
};

const WINDOW: Duration = Duration::from_secs(300);

/// So many bytes of letters of three each, and what is missing of letters of one.
fn wide(bytes: usize) -> String {
    format!("{}{}", "\u{6a21}".repeat(bytes / 3), "x".repeat(bytes % 3))
}

/// So many bytes of letters of four each, the longest that letters may have.
fn widest(letters: usize) -> String {
    "\u{20000}".repeat(letters)
}

fn store() -> (Database, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(Timestamp(1_734_791_400_000_000)));
    (Options::new().maintenance(Maintenance::Manual).clock(clock.clone()).in_memory().unwrap(), clock)
}

/// The longest model: two versions whose names with its own have 250 bytes.
fn versions() -> [ModelId; 2] {
    ["1", "2"].map(|last| ModelId::new(wide(202), wide(46) + last).unwrap())
}

/// The longest name of somebody.
fn somebody() -> Change {
    Change::by(widest(32)).because(wide(2_000))
}

/// Whether it is refused, saying how long it is and how long it may be.
fn refused<T>(done: Result<T>, has: usize, most: usize) {
    let Err(error) = done else { panic!("{has} are too many") };
    let told = error.to_string();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{told}");
    assert!(told.contains(&format!("{has} ")) && told.contains(&most.to_string()), "{has} {most}: {told}");
}

struct Letters(ModelId);

impl Embedder for Letters {
    fn model(&self) -> &ModelId {
        &self.0
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        Ok(texts.iter().map(|text| vec![1.0, text.len() as f32]).collect())
    }
}

#[test]
fn the_longest_models_are_registered_promoted_and_approved() {
    let (db, _) = store();
    let [first, second] = versions();
    assert_eq!(first.to_string().len(), 250);
    let (model, alias) = (db.model(first.name()).unwrap(), "a".repeat(64));
    let _training = db.modes().enter(Mode::Training, somebody()).unwrap();
    for version in [&first, &second] {
        let new = NewVersion::new(version.version()).metric(wide(300), 0.9).actor(widest(32));
        model.register(new, &b"it"[..]).unwrap();
    }
    model.set_gate(&alias, &PromotionGate::new().approvals(1), &somebody()).unwrap();
    model.approve(&alias, first.version(), &somebody()).unwrap();
    refused(model.approve(&alias, first.version(), &Change::by(wide(129))), 129, 128);
    model.set_alias(&alias, first.version(), somebody()).unwrap();
    for version in [&first, &second] {
        model.promote_to_production(version.version(), somebody()).unwrap();
    }
    model.rollback("production", somebody()).unwrap();
    assert_eq!(model.history("production").unwrap().len(), 3);
    assert_eq!(model.approvals(&alias, first.version()).unwrap().len(), 1);
    assert!(db.audit().verify().unwrap().is_whole());
    refused(ModelId::new(wide(202), wide(48)), 251, 250);
    refused(model.register(NewVersion::new(wide(48)), &b"it"[..]), 251, 250);
    refused(db.model(&wide(249)), 251, 250);
    refused(db.create_collection("vectors", Schema::vector(2, driftline::Metric::L2).model(wide(251))), 251, 250);
    db.create_collection("vectors", Schema::vector(2, driftline::Metric::L2).model(wide(250))).unwrap();
}

/// Predictions of a window, every second of another class than it says, with ids and labels of the longest.
fn predict(monitor: &Monitor, clock: &ManualClock, round: u64) {
    let label = |which: &str| wide(127) + which;
    for number in 0..60u64 {
        let id = wide(190) + &format!("{round:04}-{number:05}");
        assert_eq!(id.len(), 200);
        let said = label(if number % (2 + round) == 0 { "a" } else { "b" });
        let features = Value::object([(wide(400), Value::from(number)), (widest(100), wide(500).into())]);
        let record = PredictionRecord::new(said).id(id.clone()).features(features).confidence(0.7).latency_ms(5.0);
        monitor.record_prediction(record).unwrap();
        monitor.record_label(&id, label("a"), None).unwrap();
    }
    monitor.record_prediction(PredictionRecord::failed(wide(900)).error_kind(wide(300))).unwrap();
    let early = wide(190) + &format!("{round:04}-early");
    monitor.record_label(&early, label("a"), None).unwrap();
    monitor.record_prediction(PredictionRecord::new(label("b")).id(early)).unwrap();
    clock.advance(WINDOW);
}

#[test]
fn the_longest_models_are_watched_by_a_pipeline() {
    let (db, clock) = store();
    let [first, second] = versions();
    let model = db.model(first.name()).unwrap();
    for version in [&first, &second] {
        model.register(NewVersion::new(version.version()).tag("stable"), &b"it"[..]).unwrap();
    }
    model.promote_to_production(first.version(), somebody()).unwrap();
    let mut config = Config::default();
    (config.alerts.critical_latency_ms, config.alerts.warning_latency_ms) = (3.0, 2.0);
    config.retraining.drift_score_threshold = Some(0.05);
    (config.retraining.min_time_between_retrains, config.retraining.max_retrains_per_day) = (Duration::ZERO, 99);
    let train = |_: &_| Ok(wide(3_000));
    let pipeline =
        Pipeline::builder(&db, first.name()).config(&config).on_retrain(train).by(somebody()).open().unwrap();
    let monitor = db.monitor(&first);
    Monitor::builder(&db, &first).unwrap().keep_orphans().open().unwrap();

    let mut reports = 0;
    for round in 0..4u64 {
        predict(&monitor, &clock, round);
        let entries = (0..60).map(|n| Entry::new(vec![(n * 37 % 60 + 90 * round) as f32, 1.0]).input(&wide(300)));
        db.embedding_log().log_all(&first, entries).unwrap();
        clock.advance(WINDOW);
        let tick = pipeline.tick(db.now()).unwrap();
        assert!(tick.findings.is_empty(), "{tick:?}");
        reports += tick.drift_windows;
        if round == 0 {
            let _training = db.modes().enter(Mode::Training, somebody()).unwrap();
            monitor.set_baseline(&wide(1_000)).unwrap();
        }
    }
    assert!(reports > 0 && monitor.prediction_drift().unwrap().is_some() && monitor.concept_drift().unwrap().is_some());
    assert!(db.alerts().incidents().unwrap().iter().any(|it| it.alert_type == "high_latency" && it.is_open()));
    db.drift(first.clone()).last(2 * WINDOW).record().unwrap();
    db.alerts().observe(&Observation::new(first.to_string(), metric::DRIFT_SCORE, 0.07)).unwrap();
    assert!(pipeline.tick(db.now()).unwrap().run.is_some());
    let trained = db.retraining().force_retrain(first.name(), somebody()).unwrap();
    assert!(trained.number > 1);
    assert!(pipeline.status().unwrap().watched.contains(&first.version().to_owned()));
    assert!(db.dependencies().checks.iter().any(|check| check.name.contains(first.name())));
    assert_eq!(db.dashboard(Some(&first.to_string()), TimeRange::ALL).unwrap().models.len(), 1);
    let id = wide(201);
    refused(monitor.record_prediction(PredictionRecord::new("a").id(id.clone())), 201, 200);
    refused(monitor.record_label(&id, "a", None), 201, 200);
}

#[test]
fn a_health_check_holds_the_longest_name_of_a_model() {
    let (db, _) = store();
    let name = "m".repeat(248);
    let pipeline = Pipeline::from_config(&db, &Config::default(), &name).unwrap();
    pipeline.tick(db.now()).unwrap();
    assert!(db.dependencies().checks.iter().any(|check| check.name.contains(&name)));
}

#[test]
fn the_longest_models_are_logged_embedded_again_and_cached() {
    let (db, clock) = store();
    let [first, second] = versions();
    let log = db.embedding_log();
    let texts = |n: u64| Entry::new(vec![n as f32, 1.0]).payload(driftline::json!({"text": wide(n as usize)}));
    log.log_all(&first, (1..20).map(texts)).unwrap();
    log.attach(&Letters(first.clone()), CanaryPolicy::Refuse).unwrap();
    let letters = Letters(second.clone());
    assert_eq!(log.reembed(&first, &letters).run().unwrap().written, 19);
    clock.advance(WINDOW);
    log.tick(db.now()).unwrap();
    assert_eq!(log.spaces().unwrap().len(), 2);

    let embeddings = db.embedding_cache(&first, 2, CacheLimits::new()).unwrap();
    embeddings.set(&wide(9_000), vec![1.0, 2.0], None).unwrap();
    db.prediction_cache_of(&first, CacheLimits::new()).unwrap().set(&first, &json!({"a": 1}), &json!(1), None).unwrap();
    let cache = db.cache_with(&wide(128), CacheLimits::new()).unwrap();
    cache.set(&wide(384), 7.into(), None).unwrap();
    assert_eq!(cache.get(&wide(384)).unwrap(), Some(7.into()));
    refused(cache.set(&wide(385), 7.into(), None), 385, 384);
    refused(cache.get(&wide(385)), 385, 384);
    refused(db.cache_with(&wide(129), CacheLimits::new()), 129, 128);
}

#[test]
fn the_longest_names_of_rules_subjects_baselines_and_monitors_are_kept() {
    let (db, clock) = store();
    let [first, _] = versions();
    let (rule, subject) = ("r".repeat(64), format!("{first}/{}", wide(189)));
    assert_eq!(subject.len(), 440);
    let named = AlertRule::new(rule.clone(), "m".repeat(64)).band(Severity::Critical, Edge::Above(1.0));
    db.alerts().set_rule(&named.clone().of_model(first.name())).unwrap();
    db.alerts().set_rule(&named.action(Severity::Critical, Action::Notify)).unwrap();
    db.alerts().silence(Silence::new(wide(440), wide(440), Timestamp::NEVER).by(wide(900))).unwrap();
    db.alerts().add_handler(&"h".repeat(64), |_: &driftline::mlops::Delivery| Ok(())).unwrap();
    let told = Observation::new(subject.clone(), "m".repeat(64), 2.0).correlation(wide(512));
    assert_eq!(db.alerts().observe(&told).unwrap().len(), 1);
    db.alerts().observe(&Observation::new(subject.clone(), metric::DRIFT_SCORE, 0.5)).unwrap();
    db.alerts().deliver().unwrap();
    let incident = db.alerts().incidents().unwrap().remove(0);
    db.alerts().acknowledge(incident.id, &wide(900)).unwrap();
    db.alerts().resolve(incident.id, &wide(900)).unwrap();
    refused(db.alerts().observe(&Observation::new(wide(441), "m", 2.0)), 441, 440);
    refused(db.alerts().observe(&Observation::new("m@1", "m".repeat(65), 2.0)), 65, 64);
    refused(db.alerts().set_rule(&AlertRule::new("r".repeat(65), "m")), 65, 64);
    refused(db.alerts().silence(Silence::new("*", wide(441), Timestamp::NEVER)), 441, 440);

    let docs = db.create_collection(&"d".repeat(64), Schema::payload_only()).unwrap();
    let field = widest(100);
    for window in 0..3u64 {
        let row = |n: u64| Record::new(window * 100 + n).payload(Value::object([(field.clone(), (n % 30).into())]));
        docs.put_all((0..60).map(row)).unwrap();
        clock.advance(WINDOW);
    }
    let columns = [(wide(600), driftline::mlops::drift::Column::numbers((0..60).map(f64::from)))];
    db.baselines().set_columns(&widest(64), columns.clone()).unwrap();
    assert_eq!(db.baselines().history(&widest(64)).unwrap().len(), 1);
    refused(db.baselines().set_columns(&widest(65), columns), 65, 64);
    let options = |name: String| MonitorOptions::default().name(name).begin(Timestamp(db.now().0 - 900_000_000));
    let monitor = db.drift_monitor(&*"d".repeat(64), options(widest(64))).unwrap();
    assert!(!monitor.tick(db.now()).unwrap().reports.is_empty());
    db.drift(&*"d".repeat(64)).last(WINDOW).record().unwrap();
    refused(db.drift_monitor("docs", options(wide(257))), 257, 256);
    refused(db.drift_monitor(&*wide(257), MonitorOptions::default()), 257, 256);
}

#[test]
fn the_longest_names_of_experiments_and_users_are_kept() {
    let (db, _) = store();
    let [first, second] = versions();
    let (name, user, figure) = (widest(100), widest(100), widest(100));
    let config = |name: &str| {
        ExperimentConfig::new(name, first.name(), first.version(), second.version())
            .primary(ExperimentMetric::rate(figure.clone(), Goal::Higher))
    };
    let experiments = db.experiments();
    experiments.create(config(&name), somebody()).unwrap();
    experiments.start(&name, somebody()).unwrap();
    experiments.assign(&name, &user, ()).unwrap();
    experiments.record_outcome(&name, &user, &figure, 1.0).unwrap();
    assert_eq!(experiments.exposures(&name).unwrap().len(), 1);
    experiments.analyze(&name).unwrap();
    assert_eq!(experiments.pause_all(first.name(), &somebody()).unwrap(), std::slice::from_ref(&name));
    experiments.stop(&name, somebody()).unwrap();
    refused(experiments.create(config(&widest(101)), somebody()), 101, 100);
    experiments.create(config("again"), somebody()).unwrap();
    experiments.start("again", somebody()).unwrap();
    refused(experiments.assign("again", &widest(101), ()), 101, 100);
}
