//! Users keep what they were given, looking often does not make winners, and no winner is declared on a broken split.

use std::sync::Arc;
use std::time::Duration;

use driftline::mlops::{
    Analysis, Change, ExperimentConfig, ExperimentMetric, ExperimentState, Goal, Recommendation, Variant, Winner,
};
use driftline::{Database, ErrorKind, ManualClock, Options, Random, Timestamp, json};

const DAY: Duration = Duration::from_secs(86_400);

fn store() -> (Database, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(Timestamp(1_734_791_422_000_000)));
    (Options::new().clock(clock.clone()).in_memory().unwrap(), clock)
}

fn by_kim() -> Change {
    Change::by("kim")
}

fn config() -> ExperimentConfig {
    ExperimentConfig::new("ranker-2", "ranker", "1.0.0", "2.0.0")
}

fn running(db: &Database, config: ExperimentConfig) {
    let name = config.name.clone();
    db.experiments().create(config, by_kim()).unwrap();
    db.experiments().start(&name, by_kim()).unwrap();
}

/// Exposes users and draws their outcomes; rates of A and of B.
fn expose(db: &Database, users: std::ops::Range<u64>, rates: [f64; 2], seed: u64) {
    let experiments = db.experiments();
    let mut random = Random::seeded(seed, 1);
    for user in users {
        let user = format!("user-{seed}-{user}");
        let assigned = experiments.assign("ranker-2", &user, ()).unwrap();
        let rate = if assigned.variant == Variant::B { rates[1] } else { rates[0] };
        let right = f64::from(u8::from(random.unit() < rate));
        experiments.record_outcome("ranker-2", &user, "accuracy", right).unwrap();
    }
}

#[test]
fn the_defaults_are_those_of_the_table() {
    let config = config();
    assert_eq!(config.traffic_split, 0.3);
    assert_eq!(config.duration, 14 * DAY);
    assert_eq!(config.min_samples_per_variant, 1_000);
    assert_eq!(config.significance_level, 0.05);
    assert_eq!(config.primary.name, "accuracy");
}

#[test]
fn what_cannot_be_an_experiment_is_refused() {
    let (db, _) = store();
    let bad = [
        config().traffic_split(0.0),
        config().traffic_split(1.0),
        config().traffic_split(f64::NAN),
        config().significance_level(1.0),
        config().duration(Duration::ZERO),
        config().min_samples_per_variant(0),
        config().minimal_effect(-0.1),
        config().ramp(DAY, 2.0),
        config().secondary(ExperimentMetric::rate("accuracy", Goal::Higher)),
        ExperimentConfig::new("", "ranker", "1", "2"),
        ExperimentConfig::new("x".repeat(101), "ranker", "1", "2"),
        ExperimentConfig::new("x", "ranker", "1", "1"),
        ExperimentConfig::new("x", "", "1", "2"),
    ];
    for config in bad {
        assert_eq!(db.experiments().create(config, by_kim()).unwrap_err().kind(), ErrorKind::Invalid);
    }
    assert_eq!(config().segment("age >").unwrap_err().kind(), ErrorKind::Filter);
    db.experiments().create(ExperimentConfig::new("x".repeat(100), "ranker", "1", "2"), by_kim()).unwrap();
    assert_eq!(db.experiments().get("other").unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn an_experiment_goes_through_its_states_in_order() {
    let (db, clock) = store();
    let experiments = db.experiments();
    experiments.create(config(), by_kim()).unwrap();
    assert_eq!(experiments.create(config(), by_kim()).unwrap_err().kind(), ErrorKind::Exists);
    assert_eq!(experiments.pause("ranker-2", by_kim()).unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(experiments.stop("ranker-2", by_kim()).unwrap_err().kind(), ErrorKind::Conflict);
    assert!(!experiments.assign("ranker-2", "u", ()).unwrap().counted, "it does not run yet");
    let started = experiments.start("ranker-2", by_kim()).unwrap().started;
    assert_eq!(experiments.start("ranker-2", by_kim()).unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(experiments.pause_all("ranker", &by_kim()).unwrap(), ["ranker-2"]);
    assert!(experiments.active().unwrap().is_empty());
    assert!(!experiments.assign("ranker-2", "u", ()).unwrap().counted, "it is paused");
    clock.advance(DAY);
    assert_eq!(experiments.start("ranker-2", by_kim()).unwrap().started, started, "it goes on");
    assert!(experiments.assign("ranker-2", "u", ()).unwrap().counted);
    let stopped = experiments.stop("ranker-2", by_kim()).unwrap();
    assert_eq!(stopped.state, ExperimentState::Stopped);
    assert_eq!(experiments.start("ranker-2", by_kim()).unwrap_err().kind(), ErrorKind::Conflict);
    let late = experiments.record_outcome("ranker-2", "u", "accuracy", 1.0).unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Conflict);
    assert_eq!(experiments.analyze("ranker-2").unwrap(), stopped.result.unwrap(), "the result is kept");
    let actions: Vec<_> = db.audit().range(1..=99).unwrap().into_iter().map(|it| it.action).collect();
    let expected = ["create", "start", "pause", "start", "stop"].map(|action| format!("experiment.{action}"));
    assert_eq!(actions, expected);
}

#[test]
fn it_stops_at_its_end_by_itself() {
    let (db, clock) = store();
    running(&db, config());
    clock.advance(14 * DAY - Duration::from_micros(1));
    assert!(db.experiments().tick().unwrap().is_empty());
    clock.advance(Duration::from_micros(1));
    assert_eq!(db.experiments().tick().unwrap(), ["ranker-2"]);
    assert_eq!(db.experiments().get("ranker-2").unwrap().state, ExperimentState::Stopped);
}

#[test]
fn the_first_exposure_stands_whatever_happens_to_the_split() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.drift");
    let db = Database::open(&path).unwrap();
    running(&db, config().traffic_split(0.1));
    let of = |db: &Database, user: u64| db.experiments().assign("ranker-2", &user.to_string(), ()).unwrap();
    let before: Vec<_> = (0..200).map(|user| of(&db, user)).collect();
    db.experiments().set_split("ranker-2", 0.9, by_kim()).unwrap();
    drop(db);
    let db = Database::open(&path).unwrap();
    assert!((0..200).all(|user| of(&db, user) == before[user as usize]));
    let new = (200..400).filter(|user| of(&db, *user).variant == Variant::B).count();
    assert!(new > 150 && before.iter().filter(|it| it.variant == Variant::B).count() < 50, "{new}");
}

#[test]
fn threads_that_expose_one_user_agree() {
    let (db, _) = store();
    running(&db, config().traffic_split(0.5));
    let experiments = db.experiments();
    for user in 0..50 {
        let user = user.to_string();
        let all: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..4).map(|_| scope.spawn(|| experiments.assign("ranker-2", &user, ()).unwrap())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
    }
    assert_eq!(experiments.exposures("ranker-2").unwrap().len(), 50);
}

#[test]
fn a_ramp_raises_the_share_at_its_times() {
    let (db, clock) = store();
    running(&db, config().traffic_split(0.01).ramp(2 * DAY, 0.5).ramp(DAY, 0.1));
    let split = |db: &Database, clock: &ManualClock| {
        db.experiments().get("ranker-2").unwrap().split_at(driftline::Clock::now(clock))
    };
    let mut splits = Vec::new();
    for _ in 0..4 {
        splits.push(split(&db, &clock));
        clock.advance(DAY);
    }
    assert_eq!(splits, [0.01, 0.1, 0.5, 0.5]);
}

#[test]
fn users_outside_the_segment_get_the_control_and_are_not_counted() {
    let (db, _) = store();
    running(&db, config().traffic_split(0.99).segment("age >= 18 and age < 30 and country in ['de', 'fr']").unwrap());
    let experiments = db.experiments();
    let assign = |user: &str, attributes| experiments.assign("ranker-2", user, attributes).unwrap();
    for (user, attributes) in [("a", json!({"age": 17, "country": "de"})), ("b", json!({"age": 20})), ("c", json!({}))]
    {
        let assigned = assign(user, attributes);
        assert_eq!((assigned.counted, assigned.version.as_str()), (false, "1.0.0"));
    }
    assert!(assign("d", json!({"age": 18, "country": "fr"})).counted);
    assert_eq!(experiments.exposures("ranker-2").unwrap().len(), 1);
}

#[test]
fn outcomes_may_be_late_and_twice_and_the_last_stands() {
    let (db, _) = store();
    running(&db, config().secondary(ExperimentMetric::mean("seconds", Goal::Lower)));
    let experiments = db.experiments();
    let made = experiments.make_prediction("ranker-2", "u", (), |version| Ok(version.len())).unwrap();
    assert_eq!((made.value, made.assignment.counted), (5, true));
    assert!(experiments.record_prediction("ranker-2", "u", "cat").unwrap());
    assert!(!experiments.record_prediction("ranker-2", "nobody", "cat").unwrap());
    experiments.assign("ranker-2", "v", ()).unwrap();
    let labels = [("u", "dog"), ("v", "cat"), ("nobody", "cat"), ("u", "cat")];
    let counts = experiments.update_outcomes("ranker-2", labels).unwrap();
    assert_eq!((counts.recorded, counts.replaced, counts.unknown, counts.without_prediction), (1, 1, 1, 1));
    let user = |name: &str| experiments.exposures("ranker-2").unwrap().into_iter().find(|it| it.user == name).unwrap();
    assert_eq!(user("u").outcomes["accuracy"], 1.0);
    experiments.record_outcome("ranker-2", "u", "seconds", 0.25).unwrap();
    experiments.record_outcome("ranker-2", "u", "seconds", 0.5).unwrap();
    assert_eq!(user("u").outcomes["seconds"], 0.5);
    let refused = [
        experiments.record_outcome("ranker-2", "nobody", "seconds", 1.0).unwrap_err().kind(),
        experiments.record_outcome("ranker-2", "u", "clicks", 1.0).unwrap_err().kind(),
        experiments.record_outcome("ranker-2", "u", "accuracy", 0.5).unwrap_err().kind(),
        experiments.record_outcome("ranker-2", "u", "seconds", f64::NAN).unwrap_err().kind(),
        experiments.assign("ranker-2", "", ()).unwrap_err().kind(),
        experiments.assign("ranker-2", &"x".repeat(101), ()).unwrap_err().kind(),
    ];
    let invalid = ErrorKind::Invalid;
    assert_eq!(refused, [ErrorKind::NotFound, invalid, invalid, invalid, invalid, invalid]);
    experiments.assign("ranker-2", &"x".repeat(100), ()).unwrap();
}

#[test]
fn labels_are_equal_by_value_and_a_mean_takes_none() {
    let (db, _) = store();
    running(&db, config());
    let experiments = db.experiments();
    let cases = [(json!(1), json!(1.0), 1.0), (json!([2.0]), json!([2]), 1.0), (json!(1), json!("1"), 0.0)];
    for (number, (prediction, label, outcome)) in cases.into_iter().enumerate() {
        let user = number.to_string();
        experiments.assign("ranker-2", &user, ()).unwrap();
        experiments.record_prediction("ranker-2", &user, prediction).unwrap();
        experiments.update_outcomes("ranker-2", [(&user, label)]).unwrap();
        let known = experiments.exposures("ranker-2").unwrap().into_iter().find(|it| it.user == user).unwrap();
        assert_eq!(known.outcomes["accuracy"], outcome, "{known:?}");
    }
    let (db, _) = store();
    running(&db, config().primary(ExperimentMetric::mean("revenue", Goal::Higher)));
    db.experiments().assign("ranker-2", "u", ()).unwrap();
    db.experiments().record_prediction("ranker-2", "u", "cat").unwrap();
    let refused = db.experiments().update_outcomes("ranker-2", [("u", "cat")]).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    assert!(db.experiments().exposures("ranker-2").unwrap()[0].outcomes.is_empty());
}

fn analyze(db: &Database) -> Analysis {
    db.experiments().analyze("ranker-2").unwrap()
}

#[test]
fn few_users_mean_continue_whatever_p_says() {
    let (db, _) = store();
    // 500 users, 30 % of whom get B: fewer than 1,000 in either variant.
    running(&db, config());
    expose(&db, 0..500, [0.1, 0.9], 1);
    let analysis = analyze(&db);
    assert!(analysis.p_fixed.unwrap() < 1e-6);
    assert_eq!((analysis.recommendation, analysis.winner), (Recommendation::Continue, None));
    assert!(analysis.reasons[0].starts_with("not enough samples"), "{:?}", analysis.reasons);
}

#[test]
fn a_sure_difference_has_a_winner_in_either_direction_and_for_either_goal() {
    for (rates, goal, winner) in [
        ([0.6, 0.8], Goal::Higher, Winner::B),
        ([0.8, 0.6], Goal::Higher, Winner::A),
        ([0.6, 0.8], Goal::Lower, Winner::A),
        ([0.8, 0.6], Goal::Lower, Winner::B),
    ] {
        let (db, _) = store();
        running(
            &db,
            config().traffic_split(0.5).min_samples_per_variant(400).primary(ExperimentMetric::rate("accuracy", goal)),
        );
        expose(&db, 0..1_000, rates, 2);
        let analysis = analyze(&db);
        let wanted = if winner == Winner::B { Recommendation::AdoptB } else { Recommendation::KeepA };
        assert_eq!((analysis.winner, analysis.recommendation), (Some(winner), wanted));
        assert!(analysis.p_always_valid.unwrap() < 0.05 && analysis.statistical_significance);
        let primary = &analysis.metrics[0];
        let (low, high) = primary.interval.unwrap();
        assert!(low < primary.difference.unwrap() && primary.difference.unwrap() < high && low * high > 0.0);
    }
}

#[test]
fn a_split_that_went_wrong_blocks_the_winner() {
    let (db, _) = store();
    running(&db, config().traffic_split(0.5).min_samples_per_variant(200));
    expose(&db, 0..1_000, [0.5, 0.9], 3);
    assert_eq!(analyze(&db).winner, Some(Winner::B));
    // Users of B whose exposure is lost, as by a crash of theirs.
    let users = db.collection("_experiment_users").unwrap();
    let lost: Vec<_> = users.scan().filter("variant = 'B'").unwrap().take(150).collect::<Result<_, _>>().unwrap();
    assert!(users.delete(lost[0].key.clone()).is_err(), "it is not the application's to change");
    let (db, _) = store();
    running(&db, config().traffic_split(0.5).min_samples_per_variant(200));
    let experiments = db.experiments();
    let mut random = Random::seeded(4, 1);
    for user in 0..2_000 {
        let user = format!("user-{user}");
        // A caller that asks for the assignment and counts only some of B.
        let is_b = driftline::mlops::user_position("ranker-2", "", &user) < 0.5;
        if is_b && random.unit() < 0.3 {
            continue;
        }
        experiments.assign("ranker-2", &user, ()).unwrap();
        let right = f64::from(u8::from(random.unit() < if is_b { 0.9 } else { 0.5 }));
        experiments.record_outcome("ranker-2", &user, "accuracy", right).unwrap();
    }
    let analysis = analyze(&db);
    let ratio = analysis.sample_ratio.unwrap();
    assert!(ratio.mismatch && ratio.p < ratio.p_always_valid && ratio.p_always_valid < 0.001, "{ratio:?}");
    assert_eq!((analysis.winner, analysis.recommendation), (None, Recommendation::CheckAssignment));
}

#[test]
fn a_split_that_was_wrong_once_blocks_the_winner_after_it_has_evened_out() {
    let (db, _) = store();
    running(&db, config().traffic_split(0.5).min_samples_per_variant(200));
    let experiments = db.experiments();
    let expose = |numbers: std::ops::Range<u32>, wanted: Variant| {
        for user in numbers.map(|number| format!("user-{number}")) {
            let is_b = driftline::mlops::user_position("ranker-2", "", &user) < 0.5;
            if is_b == (wanted == Variant::B) {
                experiments.assign("ranker-2", &user, ()).unwrap();
                experiments.record_outcome("ranker-2", &user, "accuracy", f64::from(u8::from(is_b))).unwrap();
            }
        }
    };
    expose(0..600, Variant::A);
    experiments.tick().unwrap();
    expose(600..1_200, Variant::B);
    let ratio = analyze(&db).sample_ratio.unwrap();
    assert!(ratio.p > 0.05 && ratio.p_always_valid < 0.001 && ratio.mismatch, "{ratio:?}");
    assert_eq!(analyze(&db).recommendation, Recommendation::CheckAssignment);
}

#[test]
fn a_guardrail_that_becomes_worse_keeps_b_out() {
    let (db, _) = store();
    let guarded = config()
        .traffic_split(0.5)
        .min_samples_per_variant(200)
        .guardrail(ExperimentMetric::mean("latency_ms", Goal::Lower))
        .secondary(ExperimentMetric::mean("revenue", Goal::Higher));
    running(&db, guarded);
    expose(&db, 0..800, [0.5, 0.9], 5);
    assert_eq!(analyze(&db).recommendation, Recommendation::AdoptB);
    let mut random = Random::seeded(6, 1);
    for exposure in db.experiments().exposures("ranker-2").unwrap() {
        let slower = if exposure.variant == Variant::B { 5.0 } else { 0.0 };
        for (metric, value) in [("latency_ms", 100.0 + slower), ("revenue", 1.0)] {
            let value = value + random.unit();
            db.experiments().record_outcome("ranker-2", &exposure.user, metric, value).unwrap();
        }
    }
    let analysis = analyze(&db);
    assert_eq!((analysis.recommendation, analysis.winner), (Recommendation::KeepA, None));
    assert!(analysis.reasons[0].contains("latency_ms"), "{:?}", analysis.reasons);
    let secondary = &analysis.metrics[1];
    assert_eq!((secondary.test.as_deref(), secondary.p_adjusted), (Some("welch"), secondary.p));
}

#[test]
fn at_its_planned_end_the_test_for_a_fixed_end_decides() {
    let (db, clock) = store();
    running(&db, config().traffic_split(0.5).min_samples_per_variant(500));
    let experiments = db.experiments();
    for number in 0..3_000u32 {
        let user = number.to_string();
        let rate = if experiments.assign("ranker-2", &user, ()).unwrap().variant == Variant::B { 0.835 } else { 0.8 };
        // Evenly spread instead of drawn, so that the rates are as they are meant.
        let spread = (f64::from(number) * 0.618_033_988_749_894_9).fract();
        experiments.record_outcome("ranker-2", &user, "accuracy", f64::from(u8::from(spread < rate))).unwrap();
    }
    let during = analyze(&db);
    let (fixed, valid) = (during.p_fixed.unwrap(), during.p_always_valid.unwrap());
    assert!(fixed < 0.05 && valid > 0.05, "{fixed} {valid}");
    assert_eq!(during.recommendation, Recommendation::Continue);
    clock.advance(14 * DAY);
    db.experiments().tick().unwrap();
    assert_eq!(analyze(&db).recommendation, Recommendation::AdoptB);
}
