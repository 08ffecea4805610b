//! Every default and every edge of models, caches, modes, experiments, training and monitors of drift has one value and one side: this reads
//! like the table of them.

use std::sync::Arc;
use std::time::Duration;

use driftline::mlops::drift::{MonitorOptions, Reference};
use driftline::mlops::{
    Cache, CacheLimits, Change, ExperimentConfig, ExperimentMetric, Goal, LruCache, MetricKind, Mode, NewVersion,
    PRODUCTION, PowerCalculator, PromotionGate, Recommendation, RetrainConfig, RetrainState, Severity, Signals,
    TimeRange, Trigger, Variant, user_position,
};
use driftline::{Database, HealthStatus, ManualClock, Metric, Options, Record, Schema, Timestamp, json};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// The shortest time there is.
const INSTANT: Duration = Duration::from_micros(1);

/// A store whose clock stands at 2024-12-21 14:30:22 UTC.
fn store() -> (Database, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(Timestamp(1_734_791_422_000_000)));
    (Options::new().clock(clock.clone()).in_memory().unwrap(), clock)
}

fn by_kim() -> Change {
    Change::by("kim")
}

/// What asks for training with the default rules.
fn asked_by(signals: Signals) -> Option<Trigger> {
    let (db, _) = store();
    let retraining = db.retraining();
    retraining.configure("ranker", RetrainConfig::new(), by_kim()).unwrap();
    let run = retraining.tick_with("ranker", &signals).unwrap()?;
    Some(run.reasons[0].trigger)
}

#[test]
fn models() {
    let (db, clock) = store();
    let model = db.model("ranker").unwrap();
    // A version without a name is called after the time in UTC; two within a second differ.
    assert_eq!(model.generate_version(None).unwrap(), "20241221-143022");
    assert_eq!(model.generate_version(Some("train")).unwrap(), "train-20241221-143022");
    let first = model.register(NewVersion::new("20241221-143022"), &b"1"[..]).unwrap();
    assert_ne!(model.generate_version(None).unwrap(), "20241221-143022");
    // What a version has that was not told.
    assert_eq!((first.format.as_str(), first.description.as_str()), ("bytes", ""));
    assert!(first.tags.is_empty() && first.metrics.is_empty() && first.file_path.is_none());
    assert_eq!((&first.config, &first.training_info), (&json!({}), &json!({})));
    assert_eq!(db.audit().newest(1, |_| true).unwrap()[0].actor, "system");
    // The latest is the newest, and of equal times the one registered last; the highest semantic version is another question.
    model.register(NewVersion::new("2.1.3"), &b"2"[..]).unwrap();
    model.register(NewVersion::new("2.1.3-beta"), &b"3"[..]).unwrap();
    assert_eq!(model.latest().unwrap().unwrap().version(), "2.1.3-beta");
    assert_eq!(model.latest_semantic().unwrap().unwrap().version(), "2.1.3");
    // The alias that serves, no gate before it, and what names have room for.
    assert_eq!((PRODUCTION, model.gate(PRODUCTION).unwrap()), ("production", PromotionGate::new()));
    assert!(model.set_alias(&"x".repeat(64), "2.1.3", by_kim()).is_ok());
    assert!(model.set_alias(&"x".repeat(65), "2.1.3", by_kim()).is_err());
    // An alias points somewhere from its move on, to the microsecond.
    let moved = db.now();
    clock.advance(DAY);
    let before = Timestamp(moved.0 - 1);
    assert_eq!(model.alias_at(&"x".repeat(64), moved).unwrap().as_deref(), Some("2.1.3"));
    assert_eq!(model.alias_at(&"x".repeat(64), before).unwrap(), None);
}

#[test]
fn caches() {
    let limits = CacheLimits::new();
    assert_eq!((limits.max_entries, limits.max_bytes, limits.ttl), (1_000, None, None));
    // The 1,000th entry has room, the 1,001st takes that of the oldest.
    let lru = LruCache::new(limits);
    (0..1_000).for_each(|number| lru.set(number, number));
    assert_eq!((lru.stats().entries, lru.stats().evictions), (1_000, 0));
    lru.set(1_000, 1_000);
    assert_eq!((lru.stats().entries, lru.stats().evictions, lru.exists(&0)), (1_000, 1, false));
    assert_eq!(LruCache::<u8, u8>::new(limits).stats().hit_ratio(), None, "nobody has asked");
    // What fits exactly is kept; an entry that is larger than the cache is not, and drives nobody out.
    let (db, clock) = store();
    let small = db.memory_cache(CacheLimits::new());
    small.set("a", "12345678".into(), None).unwrap();
    let weight = small.stats().unwrap().bytes;
    let exact = db.memory_cache(CacheLimits::new().max_bytes(weight));
    exact.set("a", "12345678".into(), None).unwrap();
    exact.set("b", "123456789".into(), None).unwrap();
    assert_eq!(exact.get("a").unwrap(), Some("12345678".into()));
    // In the store: 100,000 entries, one hour, names with `cache:` before them.
    let cache = db.cache().unwrap();
    cache.set("a", 1.into(), None).unwrap();
    assert!(db.collection("_cache").unwrap().get("cache:a").unwrap().is_some());
    let overview = &db.caches().unwrap()[0];
    assert_eq!((overview.max_entries, overview.ttl_ms), (Some(100_000), Some(3_600_000)));
    // It is there up to the end of its hour, and not at it.
    clock.advance(HOUR - INSTANT);
    assert!(cache.exists("a").unwrap());
    clock.advance(INSTANT);
    assert!(!cache.exists("a").unwrap());
    let stats = cache.stats().unwrap();
    assert_eq!((stats.hits, stats.misses), (0, 0), "asking whether it exists is no use");
}

#[test]
fn modes() {
    let (db, _) = store();
    let model = db.model("ranker").unwrap();
    // Training until a first version is in production, inference from then on.
    assert_eq!(db.modes().current().unwrap(), Mode::Training);
    model.register(NewVersion::new("1"), &b"1"[..]).unwrap();
    model.set_alias("candidate", "1", by_kim()).unwrap();
    assert_eq!(db.modes().current().unwrap(), Mode::Training, "only production serves");
    model.promote_to_production("1", by_kim()).unwrap();
    assert_eq!(db.modes().current().unwrap(), Mode::Inference);
    let names = [Mode::Inference, Mode::Training, Mode::Maintenance].map(|mode| mode.to_string());
    assert_eq!(names, ["inference", "training", "maintenance"]);
    // A guard that goes brings inference back.
    drop(db.modes().enter(Mode::Maintenance, by_kim()).unwrap());
    assert!(db.modes().is_inference().unwrap());
}

#[test]
fn experiments() {
    let config = ExperimentConfig::new("x", "ranker", "1", "2");
    assert_eq!((config.traffic_split, config.significance_level), (0.3, 0.05));
    assert_eq!((config.duration, config.min_samples_per_variant), (14 * DAY, 1_000));
    let primary = &config.primary;
    assert_eq!((primary.name.as_str(), primary.kind, primary.goal), ("accuracy", MetricKind::Rate, Goal::Higher));
    assert!(config.secondary.is_empty() && config.guardrails.is_empty() && config.ramp.is_empty());
    assert_eq!((&config.segment, config.salt.as_str(), config.minimal_effect), (&None, "", None));
    // Another set of defaults is as good: 0.1, 500, 0.05.
    let other = config.clone().traffic_split(0.1).min_samples_per_variant(500).significance_level(0.05);
    assert!(store().0.experiments().create(other, by_kim()).is_ok());
    // A whole week is long enough, an instant less is not.
    assert!(config.clone().duration(7 * DAY).warnings().is_empty());
    assert_eq!(config.clone().duration(7 * DAY - INSTANT).warnings().len(), 1);
    // B is below the share, A is at it: whoever stands there gets A.
    let (db, clock) = store();
    let experiments = db.experiments();
    let position = user_position("edge", "", "user-1");
    let at = ExperimentConfig::new("edge", "ranker", "1", "2").traffic_split(position);
    let above = ExperimentConfig::new("above", "ranker", "1", "2")
        .traffic_split(user_position("above", "", "user-1") + f64::EPSILON);
    for (config, wanted) in [(at, Variant::A), (above, Variant::B)] {
        let name = config.name.clone();
        experiments.create(config, by_kim()).unwrap();
        experiments.start(&name, by_kim()).unwrap();
        assert_eq!(experiments.assign(&name, "user-1", ()).unwrap().variant, wanted);
    }
    // Its time is over at its end, and names have 1 to 100 characters.
    clock.advance(14 * DAY - INSTANT);
    assert!(experiments.tick().unwrap().is_empty());
    clock.advance(INSTANT);
    assert_eq!(experiments.tick().unwrap(), ["above", "edge"]);
    for (name, taken) in [("", false), ("ü", true), (&*"ü".repeat(100), true), (&*"ü".repeat(101), false)] {
        let config = ExperimentConfig::new(name, "ranker", "1", "2");
        assert_eq!(experiments.create(config, by_kim()).is_ok(), taken, "{name}");
    }
    // 80 % of the differences that are there are found, unless told.
    let size = PowerCalculator::of_rate(0.85, 0.03);
    assert_eq!(size.size().unwrap(), size.split(0.3).level(0.05).power(0.8).size().unwrap());
}

#[test]
fn what_experiments_decide_on() {
    let (db, _) = store();
    let experiments = db.experiments();
    let config = ExperimentConfig::new("x", "ranker", "1", "2").traffic_split(0.5).min_samples_per_variant(100);
    experiments.create(config.secondary(ExperimentMetric::rate("clicks", Goal::Higher)), by_kim()).unwrap();
    experiments.start("x", by_kim()).unwrap();
    let recommended = || experiments.analyze("x").unwrap().recommendation;
    let mut counts = [0, 0];
    for user in (0..).map(|number| format!("user-{number}")) {
        let is_b = user_position("x", "", &user) < 0.5;
        if counts[usize::from(is_b)] == 100 {
            continue;
        }
        if counts.iter().sum::<u32>() == 199 {
            assert_eq!(recommended(), Recommendation::Continue, "99 of 100 are too few, whatever p says");
        }
        experiments.assign("x", &user, ()).unwrap();
        experiments.record_outcome("x", &user, "accuracy", f64::from(u8::from(is_b))).unwrap();
        experiments.record_outcome("x", &user, "clicks", 1.0).unwrap();
        counts[usize::from(is_b)] += 1;
        if counts == [100, 100] {
            break;
        }
    }
    assert_eq!(recommended(), Recommendation::AdoptB, "100 of 100 are enough");
    let analysis = experiments.analyze("x").unwrap();
    let ratio = analysis.sample_ratio.unwrap();
    assert_eq!((ratio.expected_a, ratio.expected_b, ratio.p, ratio.mismatch), (100.0, 100.0, 1.0, false));
    assert_eq!(ratio.p_always_valid, 1.0);
    // From a flat prior: certainty never, and an even chance where nothing differs.
    let sure = analysis.metrics[0].chance_b_larger.unwrap();
    assert!(sure > 0.999_999, "{sure}");
    let even = analysis.metrics[1].chance_b_larger.unwrap();
    assert!((even - 0.5).abs() < 1e-5, "{even}");
}

#[test]
fn training_anew() {
    let config = RetrainConfig::new();
    assert_eq!((config.min_new_samples, config.max_time_without_retrain), (Some(1_000), Some(7 * DAY)));
    assert_eq!((config.accuracy_degradation_threshold, config.drift_score_threshold), (Some(0.05), Some(0.1)));
    assert_eq!(config.error_rate_threshold, Some(0.02));
    assert_eq!((config.min_time_between_retrains, config.max_retrains_per_day), (6 * HOUR, 4));
    assert!(!config.approval && config.samples_in.is_none() && config.data_directories.is_empty());
    assert_eq!(config.watch_file_patterns, [".csv", ".parquet"]);
    // Samples ask from their threshold on, the others above theirs.
    let cases = [
        (Signals::new(), None),
        (Signals::new().new_samples(999), None),
        (Signals::new().new_samples(1_000), Some(Trigger::NewData)),
        (Signals::new().accuracy_drop(0.05), None),
        (Signals::new().accuracy_drop(0.050_000_1), Some(Trigger::AccuracyDrop)),
        (Signals::new().drift_score(0.1), None),
        (Signals::new().drift_score(0.100_000_1), Some(Trigger::Drift)),
        (Signals::new().error_rate(0.02), None),
        (Signals::new().error_rate(0.020_000_1), Some(Trigger::ErrorRate)),
        (Signals::new().drift_score(f64::NAN), None),
    ];
    for (signals, trigger) in cases {
        assert_eq!(asked_by(signals), trigger, "{signals:?}");
    }
}

#[test]
fn limits_of_training_anew() {
    let (db, clock) = store();
    let retraining = db.retraining();
    retraining.configure("ranker", RetrainConfig::new(), by_kim()).unwrap();
    retraining.on_retrain("ranker", |_| Ok("done".into()));
    let runs = || usize::from(retraining.tick_with("ranker", &Signals::new().drift_score(1.0)).unwrap().is_some());
    // From six hours on, at most four within 24 hours: the first of them no longer counts when 24 hours are over.
    let mut begun = Vec::new();
    for quarter in 0..100u32 {
        if runs() == 1 {
            begun.push(quarter);
        }
        clock.advance(HOUR / 4);
    }
    assert_eq!(begun, [0, 24, 48, 72, 96]);
    // A forced run obeys no limit, and says so.
    let forced = retraining.force_retrain("ranker", by_kim()).unwrap();
    assert!(forced.forced && forced.over_limit && forced.state == RetrainState::Done);
    // Seven days, to the instant, after the last run that succeeded.
    let (db, clock) = store();
    db.retraining().configure("ranker", RetrainConfig::new(), by_kim()).unwrap();
    clock.advance(7 * DAY - INSTANT);
    assert!(db.retraining().tick().unwrap().is_empty());
    clock.advance(INSTANT);
    assert_eq!(db.retraining().tick().unwrap()[0].reasons[0].trigger, Trigger::Age);
}

/// The severity of what alert rules say of an incident whose mean vectors are so far apart.
fn severity_of_an_incident(cosine_distance: f64) -> Severity {
    let (db, _) = store();
    let docs = db.create_collection("docs", Schema::vector(2, Metric::Cosine)).unwrap();
    let minutes = |count: i64| Timestamp(count * 60_000_000);
    docs.put_all((0..360i64).map(|minute| {
        let moved = if minute < 180 { 0.0 } else { (1.0 - cosine_distance).acos() };
        let angle = moved + (minute * 37 % 60) as f64 / 100.0;
        let vector = [angle.cos() as f32, angle.sin() as f32];
        Record::new(minute as u64).vector(vector).created_at(minutes(minute))
    }))
    .unwrap();
    let options = MonitorOptions::default().interval(HOUR).begin(minutes(120));
    let options = options.reference(Reference::Range(TimeRange::new(minutes(0), minutes(120)).unwrap()));
    db.drift_monitor("docs", options).unwrap().tick(minutes(360)).unwrap();
    let incidents = db.alerts().incidents().unwrap();
    let of_features = incidents.iter().find(|it| it.alert_type == "feature_drift").unwrap();
    assert!(incidents.iter().all(|it| it.is_open() && (it == of_features || it.severity == Severity::Warning)));
    assert_eq!(
        db.drift_incidents("docs", TimeRange::ALL).unwrap()[0].severe,
        of_features.severity == Severity::Critical
    );
    of_features.severity
}

#[test]
fn drift() {
    let options = MonitorOptions::default();
    assert_eq!((options.interval, options.expected_run_time), (HOUR / 12, 30 * DAY));
    assert_eq!((options.drift_threshold, options.alert_threshold), (0.15, 0.20));
    assert_eq!((options.lateness, options.most_windows, options.alerts), (Duration::ZERO, 32, true));
    // From a distance of 0.20 on an incident is severe and its alert critical; below it is a warning.
    assert_eq!(severity_of_an_incident(0.199), Severity::Warning);
    assert_eq!(severity_of_an_incident(0.201), Severity::Critical);
}

#[test]
fn uptime_calls_and_errors() {
    let (db, clock) = store();
    let fresh = db.health();
    assert_eq!((fresh.status, fresh.uptime_ms, fresh.calls, fresh.errors), (HealthStatus::Healthy, 0, 0, 0));
    let points = db.create_collection("points", Schema::vector(1, Metric::L2)).unwrap();
    let before = db.health();
    clock.advance(90 * DAY);
    points.query().nearest([1.0]).run().unwrap();
    points.query().nearest([1.0, 2.0]).run().unwrap_err();
    let after = db.health();
    assert_eq!(after.uptime_ms, 90 * 86_400_000);
    assert_eq!((after.calls - before.calls, after.errors - before.errors), (2, 1));
    let text = db.metrics_text();
    let told = [
        format!("driftline_uptime_seconds {}", 90 * 86_400),
        format!("driftline_calls_total {}", after.calls),
        format!("driftline_call_errors_total {}", after.errors),
    ];
    for line in told {
        assert!(text.lines().any(|it| it == line), "{line} is missing");
    }
}
