//! What watches models refuses bad input by name, or states what is wrong with it, and goes on: no panic, no hang, no verdict
//! out of nothing.

use std::sync::Arc;
use std::time::Duration;

use driftline::mlops::drift::{
    Column, DriftDetector, DriftKind, Method, MonitorOptions, Note, Reference, Verdict, concept, embedding,
};
use driftline::mlops::{
    AlertRule, Edge, Entry, KnnClassifier, KnnRegressor, ModelId, Monitor, Observation, Output, PredictionRecord,
    Retention, Severity, Silence, SpaceOptions, TimeRange,
};
use driftline::stats::rows::Rows;
use driftline::{
    Database, ErrorKind, Maintenance, ManualClock, Metric, Options, Record, Result, Schema, Timestamp, json,
};

const DAY: Duration = Duration::from_secs(86_400);
/// Names that mean something to a file system, a key, a shell or a terminal.
const HOSTILE: [&str; 8] = ["", " ", "../../etc/passwd", "a/b", "a\u{1f}b", "a\0b", "\u{1b}[2J", "x; drop docs"];

/// What went otherwise than it should, so that one run tells all of it.
#[derive(Default)]
struct Wrong(Vec<String>);

impl Wrong {
    /// Must fail with one of these kinds, and say what.
    fn refuses<T: std::fmt::Debug>(&mut self, case: &str, result: Result<T>, kinds: &[ErrorKind]) {
        match result {
            Err(error) if kinds.contains(&error.kind()) && error.to_string().len() > 15 => {}
            other => self.0.push(format!("{case}: {}", short(&format!("{other:?}")))),
        }
    }

    fn refuses_invalid<T: std::fmt::Debug>(&mut self, case: &str, result: Result<T>) {
        self.refuses(case, result, &[ErrorKind::Invalid]);
    }

    fn holds(&mut self, case: &str, holds: bool, found: &dyn std::fmt::Debug) {
        if !holds {
            self.0.push(format!("{case}: {}", short(&format!("{found:?}"))));
        }
    }
}

impl Drop for Wrong {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.0.is_empty(), "\n{}", self.0.join("\n"));
        }
    }
}

fn short(text: &str) -> String {
    text.chars().take(400).collect()
}

fn clocked() -> (Arc<ManualClock>, Database) {
    let clock = Arc::new(ManualClock::new(Timestamp(1_000 * 86_400_000_000)));
    let db = Options::new().maintenance(Maintenance::Manual).clock(clock.clone()).in_memory().unwrap();
    (clock, db)
}

fn model() -> ModelId {
    "m@1".parse().unwrap()
}

#[test]
fn names_of_models_are_checked_before_anything_is_made_and_strange_ones_stay_apart() {
    let mut wrong = Wrong::default();
    for name in HOSTILE.into_iter().filter(|name| name.trim().is_empty() || name.chars().any(char::is_control)) {
        wrong.refuses_invalid(&format!("{name:?} as a model"), ModelId::new(name, "1"));
        wrong.refuses_invalid(&format!("{name:?} as a version"), ModelId::new("m", name));
    }
    wrong.refuses_invalid("a model without a version", "m".parse::<ModelId>());
    wrong.refuses_invalid("two @", ModelId::new("m@1", "2"));
    wrong.refuses_invalid("a name of a million letters", ModelId::new("m".repeat(1_000_000), "1"));

    let (_, db) = clocked();
    let strange = ["../../etc/passwd@1", "a/b@1/2", "a/b@1", "x; drop docs@1", "100%@1", "ß@1"];
    for name in strange {
        let model: ModelId = name.parse().unwrap();
        db.embedding_log().log(&model, Entry::new([1.0, 2.0])).unwrap();
        db.monitor(&model).record_prediction(PredictionRecord::new("a").truth("a")).unwrap();
    }
    for name in strange {
        let model: ModelId = name.parse().unwrap();
        let counts = (
            db.embedding_log().profile(&model, TimeRange::ALL).unwrap().count(),
            db.monitor(&model).figures(TimeRange::ALL).unwrap().predictions,
        );
        wrong.holds(&format!("{name} has what is its own"), counts == (1, 1), &counts);
    }
    let listed = db.monitored_models().unwrap();
    wrong.holds("all are listed", listed.len() == strange.len(), &listed);
}

#[test]
fn the_log_refuses_what_it_cannot_keep_and_what_it_does_not_know() {
    use ErrorKind::{Dimension, Filter, Invalid, NotFound};
    let (clock, db) = clocked();
    let (log, mut wrong) = (db.embedding_log(), Wrong::default());
    let other: ModelId = "m@2".parse().unwrap();
    wrong.refuses("a search of an unknown model", log.query(&model()).nearest([1.0, 2.0]).run(), &[NotFound]);
    wrong.refuses("a profile of one", log.profile(&model(), TimeRange::ALL), &[NotFound]);
    wrong.refuses("a sample of one", log.sample(&model(), TimeRange::ALL, 5, 1), &[NotFound]);
    wrong.refuses("a row of one", log.get(&model(), 1), &[NotFound]);
    wrong.refuses("its retention", log.set_retention(&model(), Retention::Forever), &[NotFound]);
    wrong.refuses("an empty vector", log.log(&model(), Entry::new([])), &[Dimension, Invalid]);
    wrong.refuses(
        "a vector of a million numbers",
        log.log(&model(), Entry::new(vec![1.0; 1_000_000])),
        &[Dimension, Invalid],
    );
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        wrong.refuses_invalid(&format!("{bad} in a vector"), log.log(&model(), Entry::new([1.0, bad])));
    }
    wrong.refuses_invalid("zeros under the cosine", log.log(&model(), Entry::new([0.0, 0.0])));
    wrong.holds("nothing of that was kept", log.spaces().unwrap().iter().all(|space| space.rows == 0), &log.spaces());

    log.register(&other, &SpaceOptions::new(2).retention(Retention::Age(DAY))).unwrap();
    log.log(&other, Entry::new([1.0, 2.0])).unwrap();
    wrong.refuses("another dimension", log.log(&other, Entry::new([1.0, 2.0, 3.0])), &[Dimension]);
    let mixed = log.log_all(&other, [Entry::new([1.0, 2.0]), Entry::new([1.0])]);
    wrong.refuses("two dimensions in a batch", mixed, &[Dimension]);
    wrong.holds("a batch is refused whole", log.profile(&other, TimeRange::ALL).unwrap().count() == 1, &"");
    wrong.refuses("a search of another dimension", log.query(&other).nearest([1.0]).run(), &[Dimension]);
    wrong.refuses_invalid("a search for NaN", log.query(&other).nearest([1.0, f32::NAN]).run());
    wrong.refuses_invalid("a search without a vector", log.query(&other).run());
    for k in [0, 100_001, usize::MAX] {
        wrong.refuses_invalid(&format!("a search of {k}"), log.query(&other).nearest([1.0, 2.0]).k(k).run());
    }
    wrong.refuses("a filter that is none", log.query(&other).filter("lang ~~ 3").map(drop), &[Filter]);
    wrong.refuses_invalid("what is too old", log.log(&other, Entry::new([1.0, 2.0]).at(Timestamp(0))));
    wrong.refuses_invalid("a payload that is no object", log.log(&other, Entry::new([1.0, 2.0]).payload(json!([1]))));
    let huge = log.sample(&other, TimeRange::ALL, usize::MAX, 1).unwrap();
    wrong.holds("a huge sample is what there is", huge.len() == 1, &huge);
    for options in [
        SpaceOptions::new(0),
        SpaceOptions::new(usize::MAX),
        SpaceOptions::new(2).window(Duration::ZERO),
        SpaceOptions::new(2).window(Duration::MAX),
        SpaceOptions::new(2).sample(0),
        SpaceOptions::new(2).sample(usize::MAX),
        SpaceOptions::new(2).slice(Duration::from_secs(1)),
        SpaceOptions::new(2).retention(Retention::Age(Duration::ZERO)),
    ] {
        let case = format!("{options:?}");
        wrong.refuses(&case, log.register(&"new@1".parse().unwrap(), &options), &[Invalid, Dimension]);
    }
    // The clock goes back: what was logged stays, and what comes next is taken.
    clock.set(Timestamp(900 * 86_400_000_000));
    let after = log.log(&other, Entry::new([2.0, 1.0]));
    wrong.holds("a clock that goes back loses nothing", after.is_ok(), &after);
    wrong.holds("both are there", log.profile(&other, TimeRange::ALL).unwrap().count() == 2, &"");
}

#[test]
fn detectors_state_what_they_cannot_judge() {
    let mut wrong = Wrong::default();
    let numbers = |from: u32, count: u32| Column::numbers((from..from + count).map(f64::from));
    let judged = |method: Method, reference: Column, current: Column| {
        let mut detector = DriftDetector::new(method);
        detector.set_reference([("c", reference)])?;
        detector.detect([("c", current)])
    };
    wrong.refuses_invalid("no reference", DriftDetector::new(Method::Ks).detect([("c", numbers(0, 60))]));
    wrong.refuses_invalid("an empty reference", judged(Method::Ks, numbers(0, 0), numbers(0, 60)));
    for name in ["", "\u{1b}[2J"] {
        let mut detector = DriftDetector::new(Method::Ks);
        let set = detector.set_reference([(name, numbers(0, 60))]);
        let detected = set.and_then(|()| detector.detect([(name, numbers(0, 60))]));
        wrong.holds(
            &format!("a column named {name:?}"),
            detected.is_err() || detected.as_ref().is_ok_and(|it| it.len() == 1),
            &detected,
        );
    }
    let states = |wrong: &mut Wrong,
                  case: &str,
                  found: Result<Vec<driftline::mlops::drift::DriftResult>>,
                  wanted: Verdict,
                  note: Option<Note>| {
        let fits = found
            .as_ref()
            .is_ok_and(|it| it[0].verdict == wanted && note.as_ref().is_none_or(|note| it[0].notes.contains(note)));
        wrong.holds(case, fits, &found);
    };
    let few = judged(Method::Auto, numbers(0, 49), numbers(500, 60));
    states(&mut wrong, "49 rows", few, Verdict::Insufficient, Some(Note::FewRows));
    let none = judged(Method::Auto, numbers(0, 60), numbers(0, 0));
    states(&mut wrong, "an empty window", none, Verdict::Insufficient, None);
    let nan = judged(Method::Auto, numbers(0, 60), Column::numbers(vec![f64::NAN; 60]));
    states(&mut wrong, "only NaN", nan, Verdict::Insufficient, None);
    let mixed = Column::numbers((0..120).map(|n| if n % 2 == 0 { f64::NAN } else { f64::from(n) / 2.0 }));
    let mixed = judged(Method::Auto, numbers(0, 60), mixed);
    wrong.holds(
        "NaN is counted apart",
        mixed.as_ref().is_ok_and(|it| it[0].current.not_finite == 60 && it[0].current.rows == 60),
        &mixed,
    );
    let constant = judged(Method::Auto, Column::numbers(vec![7.0; 60]), Column::numbers(vec![7.0; 60]));
    states(&mut wrong, "constant on both sides", constant, Verdict::Stable, Some(Note::Constant));
    let one = |name: &str| Column::categories(vec![name.to_owned(); 60]);
    states(&mut wrong, "one class only", judged(Method::Auto, one("a"), one("a")), Verdict::Stable, None);
    let other = judged(Method::Auto, one("a"), one("b"));
    states(&mut wrong, "one class, and another", other, Verdict::Alarm, None);
    let turned = judged(Method::Auto, numbers(0, 60), one("a"));
    states(&mut wrong, "numbers against categories", turned, Verdict::Alarm, Some(Note::TypeChanged));
    wrong.refuses_invalid("categories by cosine", judged(Method::Cosine, one("a"), one("a")));
    for threshold in [f64::NAN, f64::INFINITY, -1.0] {
        let mut detector = DriftDetector::new(Method::Ks).threshold(threshold);
        let set = detector.set_reference([("c", numbers(0, 60))]);
        wrong.refuses_invalid(
            &format!("a threshold of {threshold}"),
            set.and_then(|()| detector.detect([("c", numbers(0, 60))])),
        );
    }
    wrong.refuses_invalid("vectors that are no rows", Column::vectors(vec![1.0; 5], 2));
    wrong.refuses_invalid("vectors of no numbers", Column::vectors(vec![], 0));
    let refused =
        [concept::mistakes(&[], &[true]), concept::mistakes(&[true], &[]), concept::errors(&[1.0], &[f64::NAN])];
    refused.into_iter().for_each(|it| wrong.refuses_invalid("errors out of nothing", it));

    let (flat, wide) = (vec![0.5f32; 240], vec![0.5f32; 360]);
    let rows = |values, dimension| Rows::new(values, dimension).unwrap();
    let options = embedding::EmbeddingOptions::default();
    let mixed = embedding::judge(rows(&flat, 4), rows(&wide, 6), &options);
    wrong.refuses("vectors of two models", mixed, &[ErrorKind::Dimension]);
    let same = embedding::judge(rows(&flat, 4), rows(&flat, 4), &options);
    wrong.holds("vectors that are all alike", same.as_ref().is_ok_and(|it| it.verdict == Verdict::Stable), &same);
    for bad in [
        options.clone().level(f64::NAN),
        options.clone().level(0.0),
        options.clone().permutations(0),
        options.floors(f64::NAN, 0.0),
    ] {
        wrong.refuses_invalid("options out of range", embedding::judge(rows(&flat, 4), rows(&flat, 4), &bad));
    }
}

#[test]
fn checks_and_monitors_of_drift_name_what_is_not_there() {
    use ErrorKind::{Filter, Invalid, NotFound};
    let (clock, db) = clocked();
    let mut wrong = Wrong::default();
    wrong.refuses("an unknown collection", db.drift("docs").run(), &[NotFound]);
    wrong.refuses("an unknown model", db.drift(model()).run(), &[NotFound]);
    let docs = db.create_collection("docs", Schema::payload_only()).unwrap();
    wrong.refuses_invalid("an empty reference", db.drift("docs").run());
    let old = Timestamp(995 * 86_400_000_000);
    docs.put_all((0..100u64).map(|n| Record::new(n).payload(json!({"n": n})).created_at(old))).unwrap();
    let check = || db.drift("docs").against(Reference::Before(DAY * 10));
    let empty = check().last(DAY).run();
    wrong.holds(
        "an empty window is stated",
        empty.as_ref().is_ok_and(|it| it.verdict == Verdict::Insufficient),
        &empty,
    );
    wrong.refuses("an unknown baseline", check().against_baseline("none").run(), &[NotFound]);
    for rows in [0, 1, 5_001, usize::MAX] {
        wrong.refuses_invalid(&format!("{rows} rows"), check().rows(rows).run());
    }
    wrong.refuses("a filter that is none", check().filter("n ~ 3").map(drop), &[Filter]);
    wrong.refuses_invalid("vectors where there are none", check().fields(["vector"]).run());
    let missing = check().fields(["absent"]).run();
    wrong.holds(
        "a field that is nowhere",
        missing.as_ref().is_ok_and(|it| it.verdict == Verdict::Insufficient) || missing.is_err(),
        &missing,
    );
    let whole = TimeRange::new(Timestamp(0), Timestamp(999 * 86_400_000_000)).unwrap();
    for name in HOSTILE.into_iter().chain([" a", "b/"]) {
        wrong.refuses_invalid(&format!("{name:?} as a baseline"), db.baselines().set(name, &"docs".into(), whole, &[]));
    }
    let empty = TimeRange::new(Timestamp(5), Timestamp(6)).unwrap();
    wrong.refuses_invalid("a baseline of no rows", db.baselines().set("b", &"docs".into(), empty, &[]));
    wrong.refuses("an unknown version", db.baselines().version("b", 3), &[NotFound]);
    for options in [
        MonitorOptions::default().interval(Duration::ZERO),
        MonitorOptions::default().interval(Duration::MAX),
        MonitorOptions::default().expected_run_time(Duration::ZERO),
        MonitorOptions::default().most_windows(0),
        MonitorOptions::default().name(""),
        MonitorOptions::default().name("a/b"),
        MonitorOptions::default().name("a\u{1f}b"),
    ] {
        let case = format!("{options:?}");
        wrong.refuses(&case, db.drift_monitor("docs", options), &[Invalid]);
    }
    let monitor = db.drift_monitor("docs", MonitorOptions::default().interval(DAY)).unwrap();
    monitor.tick(clock_now(&clock)).unwrap();
    let back = monitor.tick(Timestamp(990 * 86_400_000_000));
    wrong.holds(
        "a clock that goes back is told",
        back.as_ref().is_ok_and(|it| it.clock_went_back.is_some() && it.reports.is_empty()),
        &back,
    );
}

#[test]
fn monitors_of_predictions_tell_of_a_clock_that_goes_back_and_close_no_window_twice() {
    let (clock, db) = clocked();
    let (monitor, now) = (db.monitor(&model()), clock_now(&clock));
    monitor.record_prediction(PredictionRecord::new("a")).unwrap();
    let closed = monitor.tick(now.after(DAY)).unwrap();
    assert_eq!((closed.closed, closed.clock_went_back), (1, None));
    let back = monitor.tick(now).unwrap();
    assert!(back.closed == 0 && back.clock_went_back.is_some_and(|by| by <= 2 * DAY), "{back:?}");
    let again = monitor.tick(now.after(DAY)).unwrap();
    assert_eq!((again.closed, again.clock_went_back), (0, None));
}

fn clock_now(clock: &ManualClock) -> Timestamp {
    driftline::Clock::now(clock)
}

#[test]
fn monitors_of_predictions_refuse_nonsense_and_work_with_one_class() {
    use ErrorKind::{Exists, Invalid, NotFound};
    let (clock, db) = clocked();
    let (monitor, mut wrong) = (db.monitor(&model()), Wrong::default());
    let record = |record| monitor.record_prediction(record);
    wrong.refuses("the truth about an unknown prediction", monitor.record_label("r9", "a", None), &[NotFound]);
    wrong.refuses("an unknown prediction", monitor.prediction("r9"), &[NotFound]);
    wrong.refuses("a baseline of nothing", monitor.set_baseline("why"), &[NotFound]);
    for bad in [f64::NAN, f64::INFINITY, -1.0] {
        wrong.refuses_invalid(&format!("a latency of {bad}"), record(PredictionRecord::new("a").latency_ms(bad)));
        wrong.refuses_invalid(&format!("a confidence of {bad}"), record(PredictionRecord::new("a").confidence(bad)));
    }
    wrong.refuses_invalid("an output of NaN", record(PredictionRecord::new(f64::NAN)));
    wrong.refuses_invalid("a truth of infinity", record(PredictionRecord::new(1.0).truth(f64::INFINITY)));
    // Their squares could not be added up.
    for large in [1e200, -1e308] {
        wrong.refuses_invalid("a huge output", record(PredictionRecord::new(large).truth(0.0)));
        wrong.refuses_invalid("a huge truth", record(PredictionRecord::new(0.0).truth(large)));
        wrong.refuses_invalid("a huge latency", record(PredictionRecord::new("a").latency_ms(large.abs())));
    }
    wrong.refuses_invalid("a truth of another kind", record(PredictionRecord::new(1.0).truth("a")));
    for id in ["a\u{1f}b", "a\0", &"x".repeat(100_000)] {
        wrong.refuses_invalid(&format!("the id {}", short(id)), record(PredictionRecord::new("a").id(id)));
    }
    record(PredictionRecord::new("a").id("r1")).unwrap();
    wrong.refuses("an id that is taken", record(PredictionRecord::new("a").id("r1")), &[Exists]);
    wrong.refuses_invalid("a truth of NaN", monitor.record_label("r1", f64::NAN, None));
    let one_class = monitor.record_label("r1", "a", None);
    wrong.holds("the truth is taken", one_class.is_ok(), &one_class);
    let figures = monitor.metrics().unwrap();
    let classes = figures.classification.as_ref().map(|it| (it.accuracy, it.classes.len()));
    wrong.holds("one class only", classes == Some((1.0, 1)), &figures);
    let trend = monitor.trend("accuracy".parse().unwrap(), TimeRange::ALL, Duration::from_micros(1));
    wrong.refuses_invalid("a trend of endless steps", trend);
    wrong.refuses_invalid(
        "a batch that does not fit",
        monitor.log_prediction_batch(&[json!({}).into()], &[], None, None),
    );
    let build = || Monitor::builder(&db, &model()).unwrap();
    let (nan, one): (Output, Output) = (f64::NAN.into(), 1.0.into());
    wrong.refuses_invalid(
        "a baseline of NaN",
        build().baseline_labels([one.clone()]).baseline_predictions([nan]).open(),
    );
    wrong.refuses_invalid("baselines that do not fit", build().baseline_labels([]).baseline_predictions([one]).open());
    wrong.refuses_invalid("an accuracy of 2", build().baseline_accuracy(2.0).open());
    for window in [0, u64::MAX] {
        wrong.refuses_invalid(&format!("a window of {window}"), build().window(window).open());
    }
    wrong.refuses_invalid("windows of no length", build().step(Duration::ZERO).open());
    wrong.refuses_invalid("a threshold of NaN", build().drift_threshold(f64::NAN).open());
    wrong.refuses(
        "the drift of what has no baseline",
        monitor.detect_drift("confidence".parse().unwrap()),
        &[NotFound],
    );
    wrong.holds("nor has concept drift", monitor.concept_drift().unwrap().is_none(), &"");
    wrong.refuses("an unknown model at one look", db.dashboard(Some("nobody"), TimeRange::ALL), &[NotFound]);
    wrong.refuses("an empty name at one look", db.dashboard(Some(""), TimeRange::ALL), &[NotFound, Invalid]);
    let all = db.dashboard(None, TimeRange::ALL);
    wrong.holds("all times at one look", all.is_ok(), &all);

    monitor.tick(clock_now(&clock).after(DAY)).unwrap();
    clock.set(Timestamp(5));
    let back = monitor.tick(Timestamp(5));
    wrong.holds("a clock that goes back closes nothing", back.as_ref().is_ok_and(|it| it.closed == 0), &back);
    let kind =
        db.drift_history(model(), TimeRange::ALL).unwrap().iter().all(|it| it.results[0].kind != DriftKind::Concept);
    wrong.holds("nothing was found of concepts", kind, &"");
}

#[test]
fn alerts_take_no_value_that_no_rule_can_judge() {
    use ErrorKind::{Invalid, NotFound};
    let (_, db) = clocked();
    let (alerts, mut wrong) = (db.alerts(), Wrong::default());
    for value in [f64::NAN, f64::INFINITY] {
        wrong.refuses_invalid(&format!("{value}"), alerts.observe(&Observation::new("m@1", "queue", value)));
    }
    for name in ["", "a\0b", "a\u{1f}b", "\u{1b}[2J", &"x".repeat(100_000)] {
        wrong.refuses_invalid(
            &format!("the subject {}", short(name)),
            alerts.observe(&Observation::new(name, "queue", 1.0)),
        );
        wrong.refuses_invalid(
            &format!("the metric {}", short(name)),
            alerts.observe(&Observation::new("m@1", name, 1.0)),
        );
        let rule = AlertRule::new(name, "queue").band(Severity::Info, Edge::Above(1.0));
        wrong.refuses_invalid(&format!("the rule {}", short(name)), alerts.set_rule(&rule));
        wrong.refuses_invalid(&format!("the handler {}", short(name)), alerts.register_alert_handler(name, |_, _| {}));
    }
    for edge in [f64::NAN, f64::INFINITY] {
        let rule = AlertRule::new("r", "queue").band(Severity::Info, Edge::Above(edge));
        wrong.refuses_invalid(&format!("an edge of {edge}"), alerts.set_rule(&rule));
    }
    wrong.refuses_invalid("a rule without bands", alerts.set_rule(&AlertRule::new("r", "queue")));
    let hysteresis = AlertRule::new("r", "queue").band(Severity::Info, Edge::Above(1.0)).hysteresis(f64::NAN);
    wrong.refuses_invalid("a hysteresis of NaN", alerts.set_rule(&hysteresis));
    wrong.refuses("an unknown rule", alerts.remove_rule("none"), &[NotFound]);
    wrong.refuses("an unknown alert", alerts.get(u64::MAX), &[NotFound]);
    wrong.refuses("an unknown incident", alerts.acknowledge(9, "ann"), &[NotFound]);
    wrong.refuses("an unknown silence", alerts.unsilence(9), &[NotFound]);
    wrong.refuses("a silence that is over", alerts.silence(Silence::new("*", "*", Timestamp(0))), &[Invalid]);
    wrong.holds("an empty history", alerts.history(TimeRange::ALL, usize::MAX).unwrap().is_empty(), &"");
    wrong.holds("a handler that is not there", !alerts.remove_handler("none"), &"");
}

#[test]
fn neighbours_are_asked_within_reason() {
    use ErrorKind::{Dimension, Filter, Invalid, NotFound};
    let (_, db) = clocked();
    let mut wrong = Wrong::default();
    let docs = db.create_collection("docs", Schema::vector(2, Metric::L2)).unwrap();
    wrong.refuses("an empty collection", KnnClassifier::new(&docs, "kind").predict([1.0, 2.0]), &[NotFound, Invalid]);
    docs.put_all((0..20u64).map(|n| Record::new(n).vector([n as f32, 1.0]).payload(json!({"kind": "a", "size": n}))))
        .unwrap();
    let one = KnnClassifier::new(&docs, "kind").predict([1.0, 2.0]);
    wrong.holds("one class only", one.as_ref().is_ok_and(|it| it.label == "a".into() && it.shares.len() == 1), &one);
    for k in [0, 100_001, usize::MAX] {
        wrong.refuses_invalid(&format!("{k} neighbours"), KnnClassifier::new(&docs, "kind").k(k).predict([1.0, 2.0]));
        wrong.refuses_invalid(
            &format!("{k} neighbours of a number"),
            KnnRegressor::new(&docs, "size").k(k).predict([1.0, 2.0]),
        );
    }
    let many = KnnRegressor::new(&docs, "size").k(1_000).predict([1.0, 2.0]);
    wrong.holds("more neighbours than there are", many.as_ref().is_ok_and(|it| it.neighbours.len() == 20), &many);
    wrong.refuses("another dimension", KnnClassifier::new(&docs, "kind").predict([1.0]), &[Dimension]);
    wrong.refuses_invalid("NaN", KnnClassifier::new(&docs, "kind").predict([1.0, f32::NAN]));
    for field in ["absent", "", "a..b"] {
        let asked = KnnClassifier::new(&docs, field).predict([1.0, 2.0]);
        wrong.refuses(&format!("labels in {field:?}"), asked, &[NotFound, Invalid, Filter]);
    }
    wrong.refuses("texts as numbers", KnnRegressor::new(&docs, "kind").predict([1.0, 2.0]), &[NotFound, Invalid]);
    let plain = db.create_collection("plain", Schema::payload_only()).unwrap();
    wrong.refuses(
        "a collection without vectors",
        KnnClassifier::new(&plain, "kind").predict([1.0, 2.0]),
        &[Dimension, Invalid],
    );
    wrong.refuses("a filter that is none", KnnClassifier::new(&docs, "kind").filter("n ~ 3").map(drop), &[Filter]);
}
