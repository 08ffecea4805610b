//! Monitors: every prediction counts once, the truth may come late, and what was counted is the same after any end.

use std::sync::Arc;
use std::time::Duration;

use driftline::fs::{Fault, SimulatedFs};
use driftline::mlops::drift::{DriftKind, Note, Test, Verdict};
use driftline::mlops::{
    AlertKind, Figures, Measure, Mode, ModelId, Monitor, MonitorStatus, Output, PredictionRecord, Severity, Signal,
    TimeRange,
};
use driftline::{
    Database, ErrorKind, Maintenance, ManualClock, Options, Record, Result, Schema, Timestamp, Value, json,
};

/// The clock begins at a boundary of windows.
const START: i64 = 1_700_000_100_000_000;
const STEP: Duration = Duration::from_secs(300);
const SECOND: i64 = 1_000_000;

fn manual() -> Options {
    Options::new().maintenance(Maintenance::Manual).seed(3)
}

fn model() -> ModelId {
    "spam@3".parse().unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp(START + seconds * SECOND)
}

fn range(from: i64, to: i64) -> TimeRange {
    TimeRange::new(at(from), at(to)).unwrap()
}

fn clocked() -> (Arc<ManualClock>, Database, Monitor) {
    let clock = Arc::new(ManualClock::new(Timestamp(START)));
    let db = manual().clock(clock.clone()).in_memory().unwrap();
    let monitor = db.monitor(&model());
    (clock, db, monitor)
}

/// The prediction of a second: every fifth is wrong, every tenth failed.
fn served(second: i64) -> PredictionRecord {
    let record = match second % 10 {
        9 => PredictionRecord::failed(format!("no answer after {second} ms")),
        _ => PredictionRecord::new(if second % 5 == 0 { "ham" } else { "spam" }).truth("spam").confidence(0.75),
    };
    record.latency_ms((second % 100) as f64).at(at(second)).id(format!("r{second}"))
}

fn fill(monitor: &Monitor, seconds: std::ops::Range<i64>) {
    for second in seconds {
        monitor.record_prediction(served(second)).unwrap();
    }
}

/// What must be the same, whichever way figures were come by; percentiles of sketches have an error.
fn counted(figures: &Figures) -> (u64, u64, Option<u64>, Option<String>, usize) {
    let accuracy = figures.classification.as_ref().map(|it| format!("{:.12} {:.12}", it.accuracy, it.macro_average.f1));
    let labelled = figures.classification.as_ref().map(|it| it.labelled);
    (figures.predictions, figures.errors, labelled, accuracy, figures.error_patterns.len())
}

#[test]
fn figures_are_those_of_the_predictions() {
    let (_, _, monitor) = clocked();
    assert_eq!(monitor.metrics().unwrap().predictions, 0);
    fill(&monitor, 0..100);
    let figures = monitor.metrics().unwrap();
    assert_eq!((figures.predictions, figures.errors, figures.error_rate), (100, 10, Some(0.1)));
    let latency = figures.latency.unwrap();
    assert_eq!((latency.p50, latency.p95, latency.relative_error), (49.5, 94.05, 0.0));
    assert!((latency.p99 - 98.01).abs() < 1e-9);
    let classes = figures.classification.unwrap();
    assert_eq!((classes.labelled, classes.accuracy), (90, 70.0 / 90.0));
    // One class only is true: of the other there is nothing to recall, which is 0 and flagged.
    let ham = classes.binary("ham").unwrap();
    assert_eq!((ham.recall, ham.precision, ham.undefined), (0.0, 0.0, true));
    assert_eq!((classes.binary("spam").unwrap().precision, classes.micro_average.f1), (1.0, 70.0 / 90.0));
    assert!((classes.calibration_error.unwrap() - (70.0 / 90.0 - 0.75)).abs() < 1e-12);
    assert_eq!((figures.error_patterns.len(), figures.error_patterns[0].kind.as_str()), (1, "no answer after # ms"));

    let statistics = monitor.statistics().unwrap();
    assert_eq!((statistics.total_predictions, statistics.error_count, statistics.error_rate), (100, 10, 0.1));
    assert_eq!(statistics.window_size, 100);
    let json = serde_json::to_value(&statistics).unwrap();
    let fields = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(fields(&json["prediction_time"]), ["max", "mean", "min", "p95", "std"]);
    assert_eq!(fields(&json["confidence"]), ["max", "mean", "min", "std"]);
}

#[test]
fn the_window_holds_the_newest_predictions_and_survives_reopening() {
    let fs = SimulatedFs::new(1);
    let clock = Arc::new(ManualClock::new(at(1_000)));
    let open = || manual().clock(clock.clone()).open_on(Arc::new(fs.clone())).unwrap();
    let db = open();
    let monitor = Monitor::builder(&db, &model()).unwrap().window(50).open().unwrap();
    fill(&monitor, 0..100);
    let before = (monitor.metrics().unwrap(), monitor.statistics().unwrap());
    assert_eq!((before.0.predictions, before.1.total_predictions), (50, 100));
    assert_eq!(before.0.latency.unwrap().distribution.min, 50.0);
    db.close().unwrap();
    let monitor = open().monitor(&model());
    assert_eq!((monitor.metrics().unwrap(), monitor.statistics().unwrap()), before);
    assert_eq!(monitor.settings().unwrap().window, 50);
}

#[test]
fn regression_is_measured_and_kinds_are_not_mixed() {
    let (_, _, monitor) = clocked();
    for (said, is) in [(1.0, 2.0), (2.0, 2.0), (5.0, 3.0)] {
        monitor.record_prediction(PredictionRecord::new(said).truth(is)).unwrap();
    }
    let numbers = monitor.metrics().unwrap().regression.unwrap();
    assert_eq!((numbers.labelled, numbers.mse, numbers.mae), (3, 5.0 / 3.0, 1.0));
    let id = monitor.record_prediction(PredictionRecord::new(1.0)).unwrap();
    assert_eq!(monitor.record_label(&id, "spam", None).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(monitor.record_label(&id, f64::NAN, None).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(monitor.record_prediction(PredictionRecord::new(f64::NAN)).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(monitor.metrics().unwrap().predictions, 4);
}

#[test]
fn the_truth_comes_late_twice_and_for_what_is_unknown() {
    let (clock, db, monitor) = clocked();
    monitor.record_prediction(PredictionRecord::new("spam").id("a")).unwrap();
    let given = monitor.record_prediction(PredictionRecord::new("spam")).unwrap();
    clock.set(at(1_000));
    assert!(monitor.record_label("a", "ham", Some(at(10))).unwrap());
    assert!(monitor.record_label("a", "spam", Some(at(20))).unwrap(), "the later counts");
    assert!(!monitor.record_label("a", "ham", Some(at(15))).unwrap(), "the earlier does not");
    assert!(monitor.record_label(&given, "ham", None).unwrap());
    assert_eq!(monitor.metrics().unwrap().classification.unwrap().accuracy, 0.5);
    assert_eq!(monitor.prediction("a").unwrap().truth, Some("spam".into()));
    for unknown in ["b", "8005f5e100000000-1-00000000"] {
        let error = monitor.record_label(unknown, "ham", None).unwrap_err();
        assert!(error.kind() == ErrorKind::NotFound && error.to_string().contains(unknown), "{error}");
    }
    assert_eq!(monitor.record_label("", "ham", None).unwrap_err().kind(), ErrorKind::Invalid);
    let twice = monitor.record_prediction(PredictionRecord::new("ham").id("a")).unwrap_err();
    assert!(twice.kind() == ErrorKind::Exists && twice.to_string().contains("prediction a already"), "{twice}");

    // Truths may wait, where that was asked for.
    let monitor = Monitor::builder(&db, &model()).unwrap().keep_orphans().open().unwrap();
    assert!(monitor.record_label("early", "ham", Some(at(5))).unwrap());
    assert!(!monitor.record_label("early", "spam", Some(at(4))).unwrap());
    assert!(monitor.record_label("wrong", 1.0, None).unwrap());
    assert_eq!(monitor.tick(at(1_000)).unwrap().joined, 0);
    monitor.record_prediction(PredictionRecord::new("spam").id("early")).unwrap();
    monitor.record_prediction(PredictionRecord::new("spam").id("wrong")).unwrap();
    assert_eq!(monitor.tick(at(1_000)).unwrap().joined, 1);
    assert_eq!(monitor.prediction("early").unwrap().truth, Some("ham".into()));
    assert_eq!(monitor.prediction("wrong").unwrap().truth, None);
    assert_eq!(db.collection("_orphan_labels").unwrap().count().unwrap(), 0);
}

#[test]
fn a_summary_is_cut_where_it_is_asked_to_be_and_windows_add_up_to_it() {
    let (clock, _, monitor) = clocked();
    fill(&monitor, 0..1_000);
    clock.set(at(1_000));
    let open: Vec<_> = [(0, 1_000), (150, 700), (299, 301), (301, 302)].map(|(from, to)| range(from, to)).into();
    let before: Vec<_> = open.iter().map(|range| counted(&monitor.figures(*range).unwrap())).collect();
    assert_eq!(before.iter().map(|figures| figures.0).collect::<Vec<_>>(), [1_000, 550, 2, 1]);
    let report = monitor.tick(at(1_000)).unwrap();
    assert_eq!((report.closed, report.recounted), (3, 0), "the fourth is not over");
    let after: Vec<_> = open.iter().map(|range| counted(&monitor.figures(*range).unwrap())).collect();
    assert_eq!(after, before);
    let whole = monitor.figures(range(0, 900)).unwrap();
    let latency = whole.latency.unwrap();
    assert!(latency.relative_error > 0.0 && (latency.p95 / 94.05 - 1.0).abs() < 0.02, "{latency:?}");
    assert_eq!((latency.distribution.min, latency.distribution.max, whole.throughput), (0.0, 99.0, Some(1.0)));
    assert_eq!(monitor.tick(at(1_000)).unwrap().closed, 0);

    let summary = monitor.summary(TimeRange::last(Duration::from_secs(100), at(1_000)).unwrap()).unwrap();
    assert_eq!(
        (summary.total_predictions, summary.avg_error_rate, summary.avg_latency_ms),
        (100, Some(0.1), Some(49.5))
    );
    let fields: Vec<_> = serde_json::to_value(&summary).unwrap().as_object().unwrap().keys().cloned().collect();
    for field in [
        "status",
        "total_predictions",
        "avg_accuracy",
        "avg_latency_ms",
        "avg_error_rate",
        "drift_incidents",
        "avg_data_quality",
        "alerts",
    ] {
        assert!(fields.iter().any(|it| it == field), "{field}");
    }
    let trend = monitor.trend(Measure::Predictions, range(0, 1_000), Duration::from_secs(400)).unwrap();
    assert_eq!(trend.iter().map(|point| point.predictions).collect::<Vec<_>>(), [400, 400, 200]);
    let quiet = monitor.trend(Measure::Accuracy, range(-100, 100), Duration::from_secs(100)).unwrap();
    assert_eq!((quiet[0].value, quiet[1].value), (None, Some(70.0 / 90.0)));
    let many = monitor.trend(Measure::F1, range(0, 1_000), Duration::from_millis(1)).unwrap_err();
    assert_eq!(many.kind(), ErrorKind::Invalid);
    assert!("acuracy".parse::<Measure>().unwrap_err().to_string().contains("did you mean `accuracy`?"));
}

#[test]
fn what_comes_after_a_window_was_closed_counts_too() {
    let (clock, _, monitor) = clocked();
    fill(&monitor, 0..100);
    monitor.record_prediction(PredictionRecord::new("spam").id("late").at(at(50))).unwrap();
    clock.set(at(400));
    monitor.tick(at(400)).unwrap();
    monitor.record_prediction(PredictionRecord::new("ham").truth("ham").at(at(60))).unwrap();
    monitor.record_label("late", "spam", None).unwrap();
    let all = |monitor: &Monitor| counted(&monitor.figures(range(0, 300)).unwrap());
    let before = all(&monitor);
    assert_eq!((before.0, before.2), (102, Some(92)), "at once");
    let report = monitor.tick(at(400)).unwrap();
    assert_eq!((report.closed, report.recounted), (0, 1));
    assert_eq!((all(&monitor), monitor.tick(at(400)).unwrap().recounted), (before, 0));
}

#[test]
fn figures_of_windows_outlive_their_predictions() {
    let (clock, db, _) = clocked();
    let monitor = Monitor::builder(&db, &model()).unwrap().retention(Duration::from_secs(3_600)).open().unwrap();
    fill(&monitor, 0..300);
    clock.set(at(600));
    monitor.tick(at(600)).unwrap();
    let before = counted(&monitor.figures(range(0, 300)).unwrap());
    clock.set(at(5_000));
    assert_eq!(monitor.metrics().unwrap().predictions, 0, "they have gone");
    assert_eq!(monitor.prediction("r1").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(monitor.record_label("r1", "ham", None).unwrap_err().kind(), ErrorKind::NotFound);
    monitor.tick(at(5_000)).unwrap();
    assert_eq!(counted(&monitor.figures(range(0, 300)).unwrap()), before);
    assert_eq!(monitor.figures(range(0, 10)).unwrap().predictions, 300, "all counts where it begins");
    assert_eq!(monitor.figures(range(10, 300)).unwrap().predictions, 0);
    let error = Monitor::builder(&db, &model()).unwrap().step(Duration::from_secs(60)).open().unwrap_err();
    assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("closed already"), "{error}");
}

#[test]
fn the_sigma_rule_has_its_eight_fields_and_baselines_have_a_history() {
    let (_, db, monitor) = clocked();
    assert_eq!(monitor.detect_drift(Signal::Confidence).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(monitor.set_baseline("first").unwrap_err().kind(), ErrorKind::NotFound);
    let monitor = Monitor::builder(&db, &model()).unwrap().window(4).open().unwrap();
    let record =
        |confidence: f64| monitor.record_prediction(PredictionRecord::new("a").truth("a").confidence(confidence));
    for confidence in [0.85, 0.95, 0.85, 0.95] {
        record(confidence).unwrap();
    }
    monitor.set_baseline("first").unwrap();
    for confidence in [0.75, 0.75, 0.75, 0.75] {
        record(confidence).unwrap();
    }
    let report = monitor.detect_drift(Signal::Confidence).unwrap();
    let json = serde_json::to_value(report).unwrap();
    let fields: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        fields,
        [
            "baseline_mean",
            "baseline_std",
            "current_mean",
            "current_std",
            "drift_detected",
            "drift_score",
            "sample_count",
            "threshold"
        ]
    );
    // |0.75 - 0.90| / 0.05.
    assert!((report.drift_score - 3.0).abs() < 1e-9 && report.drift_detected, "{report:?}");
    assert_eq!((report.threshold, report.sample_count), (2.0, 4));
    assert_eq!(monitor.detect_drift(Signal::Number).unwrap_err().kind(), ErrorKind::NotFound);

    let second = monitor.set_baseline("the mail has changed").unwrap();
    assert_eq!((second.version, second.accuracy), (2, Some(1.0)));
    assert!(!monitor.detect_drift(Signal::Confidence).unwrap().drift_detected);
    let reasons: Vec<_> = monitor.baselines().unwrap().into_iter().map(|it| it.reason).collect();
    assert_eq!(reasons, ["the mail has changed", "first"]);
    db.modes().set(Mode::Inference, driftline::mlops::Change::by("test")).unwrap();
    monitor.set_baseline("while it serves").unwrap_err();
    monitor.record_prediction(PredictionRecord::new("a")).unwrap();
}

#[test]
fn rules_judge_windows_and_accuracy_whenever_the_truth_comes() {
    let (clock, db, _) = clocked();
    let truths = ["a", "a", "a", "a", "a", "a", "a", "a", "a", "a"].map(Output::from);
    let monitor = Monitor::builder(&db, &model())
        .unwrap()
        .baseline_labels(truths.clone())
        .baseline_predictions(truths)
        .min_samples(10)
        .open()
        .unwrap();
    for second in 0..20 {
        let record = PredictionRecord::new("a").id(format!("r{second}")).latency_ms(600.0).at(at(second));
        monitor.record_prediction(record).unwrap();
    }
    clock.set(at(400));
    let report = monitor.tick(at(400)).unwrap();
    let types: Vec<_> = report.alerts.iter().map(|alert| (alert.alert_type.as_str(), alert.severity)).collect();
    assert_eq!(types, [("high_latency", Severity::Critical)], "nothing is known of accuracy");
    assert_eq!(report.alerts[0].at, at(300));
    assert!(report.alerts[0].correlation.as_ref().unwrap().starts_with("window spam@3 from 2023-11-14T22:15:00Z"));
    for second in 0..20 {
        monitor.record_label(&format!("r{second}"), if second < 2 { "b" } else { "a" }, None).unwrap();
    }
    let report = monitor.tick(at(400)).unwrap();
    assert_eq!((report.recounted, report.alerts.len()), (1, 1));
    let dropped = &report.alerts[0];
    assert_eq!(
        (dropped.alert_type.as_str(), dropped.kind, dropped.severity),
        ("accuracy_drop", AlertKind::Fired, Severity::Critical)
    );
    assert!((dropped.value.unwrap() - 0.1).abs() < 1e-12);
    let summary = monitor.summary(range(0, 400)).unwrap();
    assert_eq!((summary.status, summary.alerts.critical, summary.drift_incidents), (MonitorStatus::Critical, 2, 0));
    assert_eq!(db.monitor(&"other@1".parse().unwrap()).summary(range(0, 400)).unwrap().status, MonitorStatus::NoData);
    db.alerts().observe(&driftline::mlops::Observation::new("spam@3/age", "feature_drift", 1.0).at(at(350))).unwrap();
    assert_eq!(monitor.summary(range(0, 400)).unwrap().drift_incidents, 1);

    // A window of too few predictions is not judged.
    monitor.record_prediction(PredictionRecord::failed("x").at(at(450))).unwrap();
    clock.set(at(700));
    let report = monitor.tick(at(700)).unwrap();
    assert!(
        report.closed == 1 && report.alerts.iter().all(|alert| alert.alert_type != "high_error_rate"),
        "{report:?}"
    );
}

/// A monitor whose baseline errs in one of ten.
fn with_baseline(db: &Database) -> Monitor {
    let truths = vec![Output::from("a"); 400];
    let said: Vec<Output> = (0..400).map(|n| if n % 10 == 0 { "b" } else { "a" }.into()).collect();
    let builder = Monitor::builder(db, &model()).unwrap().window(200);
    builder.baseline_labels(truths).baseline_predictions(said).open().unwrap()
}

/// A prediction every second; one of `every` is wrong.
fn wrong_one_of(monitor: &Monitor, seconds: std::ops::Range<i64>, every: i64) {
    for second in seconds {
        let said = if second % every == 0 { "b" } else { "a" };
        let record = PredictionRecord::new(said).truth("a").at(at(second));
        monitor.record_prediction(record).unwrap();
    }
}

#[test]
fn a_model_that_errs_more_has_drifted_in_concept_and_one_that_errs_less_alarms_nobody() {
    let (clock, db, monitor) = clocked();
    assert_eq!(monitor.concept_drift().unwrap(), None, "there is no baseline");
    let monitor_of = with_baseline(&db);
    wrong_one_of(&monitor, 0..300, 10);
    clock.set(at(300));
    assert!(monitor.tick(at(300)).unwrap().alerts.is_empty());
    let quiet = monitor_of.concept_drift().unwrap().unwrap();
    assert_eq!((quiet.verdict, quiet.results[0].kind, quiet.results.len()), (Verdict::Stable, DriftKind::Concept, 1));
    assert_eq!(quiet.current, range(0, 300));

    // From the 400th second on three times as many are wrong.
    wrong_one_of(&monitor, 300..400, 10);
    wrong_one_of(&monitor, 400..600, 3);
    clock.set(at(600));
    let alerts = monitor.tick(at(600)).unwrap().alerts;
    let concept = alerts.iter().find(|alert| alert.alert_type == "concept_drift").expect("an alert");
    assert_eq!((concept.kind, concept.severity), (AlertKind::Fired, Severity::Critical));
    assert_eq!(concept.metadata.get("baseline").and_then(Value::as_f64), Some(1.0));
    let found = monitor.concept_drift().unwrap().unwrap();
    let result = &found.results[0];
    assert!(found.alarm && result.effect.value.unwrap() > 0.1 && result.p.unwrap() <= result.level, "{result:?}");
    assert_eq!((found.current, result.current.rows), (range(300, 600), 300));
    assert!((result.level - 300.0 / 2_592_000.0).abs() < 1e-15, "windows of 300 s over 30 days: {}", result.level);
    assert_eq!(result.baseline.as_ref().map(|it| (it.name.as_str(), it.version)), Some(("performance of spam@3", 1)));
    let row = result.notes.iter().find_map(|note| if let Note::ChangedAt(row) = note { Some(*row) } else { None });
    assert!(row.is_some_and(|row| (100..160).contains(&row)), "{:?}", result.notes);
    assert_eq!(monitor.summary(range(0, 601)).unwrap().drift_incidents, 2, "it says something else, too");

    // It errs less than ever: there is drift, and no alarm.
    wrong_one_of(&monitor, 600..1_200, 1_000);
    clock.set(at(1_200));
    let alerts = monitor.tick(at(1_200)).unwrap().alerts;
    let over = alerts.iter().find(|alert| alert.alert_type == "concept_drift").expect("it is over");
    assert_eq!(over.kind, AlertKind::Resolved);
    let found = monitor.concept_drift().unwrap().unwrap();
    assert!(found.drift && !found.alarm && found.results[0].effect.value.unwrap() < 0.0);
    let history = monitor.concept_history(TimeRange::ALL).unwrap();
    assert_eq!(history.iter().map(|it| it.current.to).collect::<Vec<_>>(), [300, 600, 900, 1_200].map(at));
    let mut among = db.drift_history(model(), TimeRange::ALL).unwrap();
    among.retain(|report| report.results[0].kind == DriftKind::Concept);
    assert_eq!(among, history, "it stands among the reports of the model");
}

#[test]
fn late_truths_change_what_was_found_of_concept_drift_and_numbers_have_it_by_their_errors() {
    let (clock, db, monitor) = clocked();
    let truths: Vec<Output> = (0..200).map(|n| Output::from(f64::from(n))).collect();
    let said: Vec<Output> = (0..200).map(|n| Output::from(f64::from(n) + f64::from(n % 5) / 10.0)).collect();
    let builder = Monitor::builder(&db, &model()).unwrap().baseline_labels(truths).baseline_predictions(said);
    let baseline = builder.open().unwrap().baseline().unwrap().unwrap();
    assert_eq!((baseline.accuracy, baseline.samples, baseline.signals[&Signal::Error].len()), (None, 200, 200));
    for second in 0..100 {
        let said = second as f64 + (second % 5) as f64;
        monitor.record_prediction(PredictionRecord::new(said).at(at(second)).id(format!("r{second}"))).unwrap();
    }
    clock.set(at(300));
    monitor.tick(at(300)).unwrap();
    assert_eq!(monitor.concept_drift().unwrap(), None, "no truth is known");
    for second in 0..100 {
        if second == 49 {
            monitor.tick(at(300)).unwrap();
            assert_eq!(monitor.concept_drift().unwrap(), None, "49 truths are too few");
        }
        monitor.record_label(&format!("r{second}"), second as f64, None).unwrap();
    }
    let alerts = monitor.tick(at(300)).unwrap().alerts;
    assert!(alerts.iter().any(|alert| alert.alert_type == "concept_drift"), "{alerts:?}");
    let found = monitor.concept_drift().unwrap().unwrap();
    assert_eq!((found.results[0].test, found.alarm, found.results[0].current.rows), (Test::Welch, true, 100));
    assert_eq!(monitor.concept_history(TimeRange::ALL).unwrap().len(), 1, "one finding for each end of windows");
}

#[test]
fn a_batch_of_predictions_is_there_whole_or_not_at_all() {
    let (_, db, monitor) = clocked();
    let features: Vec<Value> = (0..4).map(|n| json!({ "age": n }).into()).collect();
    let said = ["a", "b", "a", "a"].map(Output::from);
    let truths = ["a", "a", "a", "b"].map(Output::from);
    let report = monitor.log_prediction_batch(&features, &said, Some(&truths), Some(12.0)).unwrap();
    assert_eq!((report.prediction_count, report.accuracy, report.drift_score), (4, Some(0.5), None));
    monitor.score_drift_with(|features| Ok(Some(features.len() as f64)));
    let report = db.monitor(&model()).log_prediction_batch(&features, &said, None, None).unwrap();
    assert_eq!((report.accuracy, report.drift_score), (None, Some(4.0)));
    monitor.log_prediction_batch(&features[..3], &said, None, None).unwrap_err();
    monitor.log_prediction_batch(&[], &said, Some(&truths[..1]), None).unwrap_err();
    let bad = ["a".into(), Output::Number(f64::NAN)];
    monitor.log_prediction_batch(&[], &bad, None, None).unwrap_err();
    let all = monitor.metrics().unwrap();
    assert_eq!((all.predictions, all.quality.unwrap().rows), (8, 8));
    assert_eq!(monitor.log_prediction_batch(&[], &[], None, None).unwrap().prediction_count, 0);

    // Beside a record of the caller's.
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    let batch = db.batch().put(&notes, Record::new("a"));
    let (batch, ids) = monitor.record_in(batch, vec![PredictionRecord::new("a").id("mine")]).unwrap();
    assert!(monitor.prediction("mine").is_err() && ids == ["mine"]);
    let lsn = batch.commit().unwrap().lsn;
    assert_eq!(notes.get("a").unwrap().unwrap().lsn, lsn);
    monitor.prediction("mine").unwrap();
    let again = db.batch().put(&notes, Record::new("b"));
    let (again, _) = monitor.record_in(again, vec![PredictionRecord::new("a").id("mine")]).unwrap();
    assert_eq!(again.commit().unwrap_err().kind(), ErrorKind::Conflict);
    assert!(notes.get("b").unwrap().is_none());
    let twice = vec![PredictionRecord::new("a").id("x"), PredictionRecord::new("a").id("x")];
    assert_eq!(monitor.record_in(db.batch(), twice).unwrap_err().kind(), ErrorKind::Exists);
}

#[test]
fn bad_features_show_in_the_quality_and_bring_an_alert() {
    let (clock, db, _) = clocked();
    let good: Vec<Value> =
        (0..50).map(|n| json!({"age": n, "lang": if n % 2 == 0 { "en" } else { "de" }}).into()).collect();
    let monitor = Monitor::builder(&db, &model()).unwrap().baseline_data(&good).open().unwrap();
    let log = |features: Vec<Value>| {
        let said: Vec<Output> = features.iter().map(|_| "a".into()).collect();
        monitor.log_prediction_batch(&features, &said, None, None).unwrap();
    };
    log(good.clone());
    assert_eq!(monitor.metrics().unwrap().quality.unwrap().score, 1.0);
    clock.set(at(300));
    assert!(monitor.tick(at(300)).unwrap().alerts.is_empty());
    let bad = |n: i64| match n % 5 {
        0 => Value::object([("age", Value::Float(f64::NAN)), ("lang", "en".into())]),
        1 => json!({"age": 1_000 + n, "lang": "en"}).into(),
        2 => json!({"age": n, "lang": "xx"}).into(),
        3 => json!({"age": "old", "lang": "de"}).into(),
        _ => json!({ "lang": "de", "n": n }).into(),
    };
    log((0..50).map(bad).collect());
    let quality = monitor.figures(range(300, 600)).unwrap().quality.unwrap();
    let parts =
        [quality.not_finite, quality.out_of_range, quality.unseen_category, quality.wrong_type, quality.missing];
    // Fifty rows of two features, and one more in every fifth row.
    assert_eq!(parts.map(|share| (share * 110.0).round()), [10.0; 5], "{quality:?}");
    clock.set(at(600));
    let report = monitor.tick(at(600)).unwrap();
    assert_eq!(report.alerts.iter().map(|alert| alert.alert_type.as_str()).collect::<Vec<_>>(), ["low_data_quality"]);
}

#[test]
fn a_clock_set_back_and_times_far_off_harm_nothing() {
    let (clock, _, monitor) = clocked();
    fill(&monitor, 0..40);
    clock.set(at(400));
    monitor.tick(at(400)).unwrap();
    clock.set(Timestamp(5));
    monitor.record_prediction(PredictionRecord::new("spam")).unwrap();
    assert_eq!(monitor.tick(Timestamp(5)).unwrap().closed, 0);
    for time in [i64::MIN, -1, 0, i64::MAX] {
        monitor.record_prediction(PredictionRecord::new("spam").at(Timestamp(time))).unwrap();
    }
    monitor.tick(Timestamp(i64::MIN)).unwrap();
    monitor.tick(at(10_000)).unwrap();
    assert_eq!(monitor.figures(range(0, 1_000)).unwrap().predictions, 41);
    assert!(monitor.statistics().unwrap().total_predictions >= 44);
}

#[test]
fn models_are_kept_apart() {
    let (_, db, monitor) = clocked();
    fill(&monitor, 0..20);
    let other = db.monitor(&"spam@30".parse().unwrap());
    assert_eq!((other.metrics().unwrap().predictions, other.statistics().unwrap().total_predictions), (0, 0));
    other.record_prediction(served(3)).unwrap();
    assert_eq!((other.metrics().unwrap().predictions, monitor.metrics().unwrap().predictions), (1, 20));
    assert_eq!(db.monitored_models().unwrap(), ["spam@3", "spam@30"]);
}

/// Predictions come, windows are closed and judged, until the power goes.
fn monitored(fs: &SimulatedFs) -> Result<()> {
    let clock = Arc::new(ManualClock::new(Timestamp(START)));
    let db = manual().clock(clock.clone()).open_on(Arc::new(fs.clone()))?;
    let monitor = Monitor::builder(&db, &model())?.min_samples(1).open()?;
    for window in 0..3i64 {
        let said: Vec<Output> = (0..4).map(|_| "a".into()).collect();
        clock.set(at(window * 300 + 1));
        if monitor.figures(range(window * 300, window * 300 + 300))?.predictions == 0 {
            // The second window is slow.
            monitor.log_prediction_batch(&[], &said, Some(&said), Some(if window == 1 { 900.0 } else { 10.0 }))?;
        }
        clock.set(at(window * 300 + 300));
        monitor.tick(at(window * 300 + 300))?;
    }
    Ok(())
}

#[test]
fn after_a_kill_at_any_step_windows_and_incidents_agree_and_nothing_counts_twice() {
    let open = |fs: &SimulatedFs| {
        let clock = Arc::new(ManualClock::new(at(900)));
        manual().clock(clock).open_on(Arc::new(fs.clone())).unwrap()
    };
    let whole = SimulatedFs::new(1);
    monitored(&whole).unwrap();
    let calls = whole.calls();
    for at_call in 0..calls {
        let fs = SimulatedFs::new(1);
        fs.inject(Fault::PowerCut { at_call });
        let _ = monitored(&fs);
        let after = if at_call % 2 == 0 { fs.reboot_losing_all() } else { fs.reboot(at_call) };
        let db = open(&after.reboot_keeping_all());
        let closed = db.collection("_performance").map_or(0, |windows| windows.count().unwrap());
        let recorded: Vec<_> = db.alerts().history(TimeRange::ALL, 9).unwrap().iter().rev().map(|it| it.kind).collect();
        let wanted = [AlertKind::Fired, AlertKind::Resolved];
        assert_eq!(recorded, wanted[..closed.saturating_sub(1) as usize], "call {at_call}: {closed} windows");
        drop(db);
        monitored(&after).unwrap();
        let db = open(&after);
        let all = db.monitor(&model()).figures(range(0, 900)).unwrap();
        assert_eq!((all.predictions, db.alerts().history(TimeRange::ALL, 9).unwrap().len()), (12, 2), "call {at_call}");
    }
}

#[test]
fn threads_may_record_label_and_tick_at_once() {
    let db = Options::new().clock(Arc::new(ManualClock::new(at(10_000)))).in_memory().unwrap();
    let monitor = db.monitor(&model());
    std::thread::scope(|scope| {
        for thread in 0..3i64 {
            let monitor = monitor.clone();
            scope.spawn(move || {
                for second in (thread..60).step_by(3) {
                    monitor.record_prediction(served(second * 20)).unwrap();
                    monitor.record_label(&format!("r{}", second * 20), "ham", None).unwrap();
                    monitor.tick(at(5_000)).unwrap();
                }
            });
        }
    });
    monitor.tick(at(20_000)).unwrap();
    let figures = monitor.figures(range(0, 1_200)).unwrap();
    assert_eq!((figures.predictions, figures.classification.unwrap().accuracy), (60, 1.0));
    assert_eq!(
        monitor
            .trend(Measure::Predictions, range(0, 1_200), STEP)
            .unwrap()
            .iter()
            .map(|it| it.predictions)
            .sum::<u64>(),
        60
    );
}
