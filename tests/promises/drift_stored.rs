//! Drift of what is stored: the same verdict on any number of threads, after reopening and after a kill, against baselines
//! that never change; windows are judged once, and incidents are counted, not windows.

use std::sync::Arc;
use std::time::Duration;

use driftline::fs::{Fault, SimulatedFs};
use driftline::mlops::drift::{
    Column, DriftDetector, DriftKind, DriftReport, IncidentCause, Method, MonitorOptions, Note, Reference, ReferenceOf,
    Subject, VECTOR, Verdict, concept,
};
use driftline::mlops::{Entry, ModelId, TimeRange};
use driftline::{
    Collection, Database, ErrorKind, Maintenance, ManualClock, Metric, Options, Random, Record, Schema, Timestamp, json,
};

const HOUR: i64 = 3_600_000_000;
const DIMENSION: usize = 8;

fn hours(count: u64) -> Duration {
    Duration::from_secs(3_600 * count)
}

fn times(from: i64, to: i64) -> TimeRange {
    TimeRange::new(Timestamp(from * HOUR), Timestamp(to * HOUR)).unwrap()
}

fn model() -> ModelId {
    "m@1".parse().unwrap()
}

fn schema() -> Schema {
    Schema::vector(DIMENSION, Metric::L2)
}

/// A record of an hour, whose vector and words are moved by so much.
fn record(hour: i64, number: u64, shift: f64) -> Record {
    let mut random = Random::seeded(hour as u64 * 1_000 + number, 5);
    let mut draw = || driftline::stats::normal::draw(&mut random);
    let vector: Vec<f32> = (0..DIMENSION).map(|_| (draw() + shift) as f32).collect();
    let lang = if number.is_multiple_of(3) { "de" } else { "en" };
    let payload = json!({"words": 100.0 + 10.0 * (draw() + shift), "lang": lang, "title": format!("{hour}/{number}")});
    let time = Timestamp(hour * HOUR + number as i64 * HOUR / 200);
    Record::new(format!("{hour:04}-{number:04}")).vector(vector).payload(payload).created_at(time)
}

/// The vectors of an hour as a model logs them.
fn entries(hour: i64, shift: f64) -> impl Iterator<Item = Entry> {
    (0..120).map(move |number| {
        let Record { vector, created, .. } = record(hour, number, shift);
        Entry::new(vector.unwrap().as_f32().unwrap()).at(created.unwrap())
    })
}

/// What a model logs in every hour; the vectors of `moved` hours are moved.
fn fill_log(db: &Database, model: &ModelId, to: i64, moved: impl Fn(i64) -> bool) {
    for hour in 0..to {
        db.embedding_log().log_all(model, entries(hour, if moved(hour) { 1.0 } else { 0.0 })).unwrap();
    }
}

/// 120 records for every hour; those of `moved` hours are moved.
fn fill(docs: &Collection, to: i64, moved: impl Fn(i64) -> bool) {
    for hour in 0..to {
        let shift = if moved(hour) { 1.0 } else { 0.0 };
        docs.put_all((0..120).map(|number| record(hour, number, shift))).unwrap();
    }
}

fn store(to: i64, moved: impl Fn(i64) -> bool) -> Database {
    let db = Database::in_memory().unwrap();
    fill(&db.create_collection("docs", schema()).unwrap(), to, moved);
    db
}

fn names(report: &DriftReport) -> Vec<&str> {
    report.results.iter().map(|result| result.feature.as_str()).collect()
}

/// Without the moment at which it was judged.
fn timeless(report: DriftReport) -> serde_json::Value {
    let mut json = serde_json::to_value(report).unwrap();
    json.as_object_mut().unwrap().remove("judged");
    json
}

#[test]
fn a_collection_is_judged_by_its_vectors_and_fields() {
    let db = store(8, |hour| hour >= 6);
    let report = db.drift("docs").current(times(6, 8)).run().unwrap();
    assert_eq!((names(&report), report.verdict), (vec!["lang", "vector", "words"], Verdict::Alarm));
    assert_eq!(report.results.iter().map(|it| it.alarm).collect::<Vec<_>>(), [false, true, true]);
    assert_eq!(report.reference, ReferenceOf::Times(times(4, 6)));
    assert!((report.score - 2.0 / 3.0).abs() < 1e-12 && report.centroid_cosine.is_some());
    assert!(report.evidence.iter().all(|it| it.key.starts_with("0006-") || it.key.starts_with("0007-")));
    assert!(!report.evidence.is_empty() && report.evidence[0].nearest[0].0.starts_with("000"));

    let quiet = db.drift("docs").current(times(4, 6)).against(Reference::Before(hours(3))).run().unwrap();
    assert_eq!((quiet.verdict, quiet.alarm, quiet.score), (Verdict::Stable, false, 0.0));
    let some = db.drift("docs").current(times(6, 8)).fields(["words"]).filter("lang = 'de'").unwrap().run().unwrap();
    assert_eq!((names(&some), some.results[0].current.rows), (vec!["words"], 80));
    let ks = DriftDetector::new(Method::Ks).threshold(0.001);
    let strict = db.drift("docs").current(times(6, 8)).fields(["words"]).detector(ks).run().unwrap();
    assert_eq!((strict.results[0].method, strict.results[0].level), (Method::Ks, 0.001));
}

#[test]
fn by_a_field_every_value_is_judged_for_itself() {
    let db = Database::in_memory().unwrap();
    let docs = db.create_collection("docs", schema()).unwrap();
    for hour in 0..8 {
        // German moves, English does not.
        let moved = |number: u64| if hour >= 6 && number.is_multiple_of(3) { 1.5 } else { 0.0 };
        docs.put_all((0..120).map(|number| record(hour, number, moved(number)))).unwrap();
    }
    let report = db.drift("docs").current(times(6, 8)).fields(["words"]).by("lang").run().unwrap();
    assert_eq!(names(&report), ["lang", "lang=en words", "lang=de words"]);
    assert_eq!(report.results.iter().map(|it| it.alarm).collect::<Vec<_>>(), [false, false, true]);
}

#[test]
fn rows_are_drawn_and_judged_alike_on_any_number_of_threads_and_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let mut said = Vec::new();
    for (place, threads) in [1, 2, 8].into_iter().enumerate() {
        let path = dir.path().join(format!("s{place}"));
        let db = Options::new().threads(threads).open(&path).unwrap();
        let docs = db.create_collection("docs", schema()).unwrap();
        fill(&docs, 8, |hour| hour >= 6);
        if threads == 2 {
            db.flush().unwrap();
        }
        fill_log(&db, &model(), 8, |hour| hour >= 6);
        let check = |db: &Database| {
            ["docs".into(), Subject::from(model())]
                .map(|subject| timeless(db.drift(subject).current(times(6, 8)).rows(150).run().unwrap()))
        };
        said.push(check(&db));
        db.close().unwrap();
        said.push(check(&Options::new().threads(threads).open(&path).unwrap()));
    }
    assert!(said.iter().all(|other| *other == said[0]));
    let [docs, logged] = &said[0];
    assert!(docs["results"][1]["current"]["rows"] == 150, "{}", docs["results"][1]["current"]);
    assert!(logged["results"][0]["current"]["rows"] == 150, "{}", logged["results"][0]["current"]);
}

#[test]
fn baselines_keep_every_version_and_results_name_theirs() {
    let db = store(6, |hour| hour >= 4);
    let (baselines, docs) = (db.baselines(), Subject::from("docs"));
    let first = baselines.set("normal", &docs, times(0, 4), &[]).unwrap();
    let fields: Vec<_> = first.columns.iter().map(|column| (column.name.as_str(), column.rows)).collect();
    assert_eq!(fields, [("lang", 480), ("vector", 480), ("words", 480)]);
    assert_eq!(first.columns[2].quantiles.len(), 9);
    let second = baselines.set("normal", &docs, times(4, 6), &["words".into()]).unwrap();
    assert_eq!((first.version, second.version), (1, 2));
    assert_eq!(baselines.get("normal").unwrap(), second);
    assert_eq!(baselines.history("normal").unwrap(), [first.clone(), second.clone()]);
    assert_eq!(baselines.list().unwrap(), std::slice::from_ref(&second));

    let against = |version: Option<u64>| {
        let reference = Reference::Baseline("normal".into(), version);
        db.drift("docs").current(times(4, 6)).against(reference).run().unwrap()
    };
    let (old, new) = (against(Some(1)), against(None));
    assert!(old.alarm && !new.alarm);
    assert!(old.results.iter().all(|result| result.baseline == Some(first.reference())));
    assert_eq!(new.reference, ReferenceOf::Baseline(second.reference()));
    assert_eq!(new.results[1].baseline, Some(second.reference()));

    assert_eq!(baselines.get("norml").unwrap_err().kind(), ErrorKind::NotFound);
    assert!(baselines.get("norml").unwrap_err().to_string().contains("did you mean `normal`"));
    assert_eq!(baselines.version("normal", 9).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(baselines.set("a/b", &docs, times(0, 4), &[]).is_err());
    assert!(baselines.set("empty", &docs, times(70, 71), &[]).is_err());
    let ragged = Column::Vectors { values: vec![1.0; 3], dimension: 0 };
    assert_eq!(baselines.set_columns("ragged", [("x", ragged)]).unwrap_err().kind(), ErrorKind::Invalid);
    let big = baselines.set_columns("big", [("x", Column::numbers((0..5_000).map(f64::from)))]).unwrap();
    assert_eq!((big.columns[0].rows, big.subject.is_none()), (1_000, true));
    assert_eq!(baselines.columns(&big).unwrap()["x"].len(), 1_000);
}

#[test]
fn a_baseline_whose_rows_were_changed_is_damage() {
    let db = store(2, |_| false);
    let baselines = db.baselines();
    let mut baseline = baselines.set("normal", &"docs".into(), times(0, 2), &[]).unwrap();
    assert!(baselines.columns(&baseline).is_ok());
    baseline.sha256 = "00".repeat(32);
    assert_eq!(baselines.columns(&baseline).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let db = store(2, |_| false);
    let kind = |check: driftline::mlops::drift::DriftCheck| check.run().unwrap_err().kind();
    assert_eq!(kind(db.drift("dogs").current(times(0, 1))), ErrorKind::NotFound);
    assert_eq!(kind(db.drift("docs").current(times(0, 1))), ErrorKind::Invalid, "nothing came before");
    assert_eq!(kind(db.drift("docs").current(times(1, 2)).against_baseline("none")), ErrorKind::NotFound);
    assert_eq!(kind(db.drift("docs").current(times(1, 2)).rows(1)), ErrorKind::Invalid);
    let empty = db.drift("docs").current(times(50, 51)).against(Reference::Range(times(0, 2))).run().unwrap();
    assert_eq!((empty.verdict, empty.drift), (Verdict::Insufficient, false));
    let bad = [
        MonitorOptions::default().interval(Duration::ZERO),
        MonitorOptions::default().expected_run_time(Duration::from_secs(1)),
        MonitorOptions::default().most_windows(0),
        MonitorOptions::default().name("a/b"),
    ];
    for options in bad {
        assert_eq!(db.drift_monitor("docs", options).unwrap_err().kind(), ErrorKind::Invalid);
    }
}

fn options() -> MonitorOptions {
    let options = MonitorOptions::default().interval(hours(1)).reference(Reference::Range(times(0, 4)));
    options.fields(["words"]).begin(Timestamp(4 * HOUR))
}

#[test]
fn windows_are_judged_once_and_incidents_counted() {
    // Two bad times with three hours of peace between them.
    let db = store(20, |hour| (8..11).contains(&hour) || (14..17).contains(&hour));
    let monitor = db.drift_monitor("docs", options()).unwrap();
    let first = monitor.tick(Timestamp(10 * HOUR + 5)).unwrap();
    assert_eq!((first.reports.len(), first.left, first.incidents.len()), (6, 0, 1));
    assert_eq!(first.incidents[0].cause, IncidentCause::AlarmsInARow);
    assert_eq!(
        (first.incidents[0].opened, first.incidents[0].features.as_slice()),
        (times(9, 10), &["words".into()][..])
    );
    assert!(monitor.tick(Timestamp(10 * HOUR + 9)).unwrap().reports.is_empty());

    let back = monitor.tick(Timestamp(9 * HOUR)).unwrap();
    assert!(back.reports.is_empty() && back.clock_went_back == Some(Duration::from_micros(HOUR as u64 + 9)));
    let rest = monitor.tick(Timestamp(20 * HOUR)).unwrap();
    assert_eq!(rest.reports.len(), 10);
    let incidents = monitor.incidents().unwrap();
    assert_eq!(incidents.len(), 2);
    assert_eq!((incidents[0].closed, incidents[0].alarms), (Some(times(12, 13)), 2));
    assert!(!incidents[1].is_open() && incidents[1].number == 2);
    assert_eq!(monitor.reports(times(0, 30)).unwrap().len(), 16);
    let newest = db.newest_drift("docs", Timestamp(19 * HOUR), 3).unwrap();
    assert_eq!(newest.iter().map(|it| it.current).collect::<Vec<_>>(), [times(16, 17), times(17, 18), times(18, 19)]);

    let fired = db.alerts().history(TimeRange::ALL, 100).unwrap();
    let fired: Vec<_> = fired.iter().filter(|it| it.alert_type == "feature_drift").map(|it| it.status()).collect();
    assert!(!fired.is_empty() && fired[0] == "resolved", "{fired:?}");

    let summary = db.drift_report("docs", times(0, 30)).unwrap();
    assert_eq!((summary.judged, summary.alarms, summary.drift_incidents), (16, 6, 2));
    assert!(summary.open.is_none() && summary.drift_score == Some(0.0) && summary.series.values.len() == 16);
    assert_eq!(db.drift_report("docs", times(0, 9)).unwrap().drift_incidents, 0);
}

#[test]
fn a_call_judges_no_more_windows_than_it_may_and_gaps_count_for_nothing() {
    let db = Database::in_memory().unwrap();
    let docs = db.create_collection("docs", schema()).unwrap();
    for hour in (0..8).chain(40..44) {
        docs.put_all((0..120).map(|number| record(hour, number, 0.0))).unwrap();
    }
    let monitor = db.drift_monitor("docs", options().most_windows(3)).unwrap();
    let first = monitor.tick(Timestamp(44 * HOUR)).unwrap();
    assert_eq!((first.reports.len(), first.gaps, first.left), (3, 0, 37));
    let second = monitor.tick(Timestamp(44 * HOUR)).unwrap();
    assert_eq!((second.reports.len(), second.gaps, second.left), (3, 32, 2));
    let third = monitor.tick(Timestamp(44 * HOUR)).unwrap();
    assert_eq!((third.reports.len(), third.gaps, third.left), (2, 0, 0));
    let summary = db.drift_report("docs", times(0, 44)).unwrap();
    assert_eq!((summary.series.values.len(), summary.series.gaps), (40, 32));
}

#[test]
fn a_monitor_that_was_killed_goes_on_and_says_what_it_would_have_said() {
    killed(&"docs".into(), &["words", VECTOR]);
    killed(&model().into(), &[]);
}

/// Kills a monitor again and again, and holds what it says against one that was left alone.
fn killed(subject: &Subject, fields: &[&str]) {
    let hours = 12;
    let monitor = |db: &Database| {
        let options = options().fields(fields.iter().copied()).reference(Reference::Range(times(0, 2)));
        db.drift_monitor(subject.clone(), options.most_windows(2)).unwrap()
    };
    let fill = |db: &Database| {
        let moved = |hour: i64| (6..9).contains(&hour);
        match subject {
            Subject::Model(model) => fill_log(db, model, hours, moved),
            _ => fill(&db.create_collection("docs", schema()).unwrap(), hours, moved),
        }
    };
    let said = |db: &Database| {
        let reports = monitor(db).reports(times(0, hours)).unwrap();
        (reports.into_iter().map(timeless).collect::<Vec<_>>(), monitor(db).incidents().unwrap())
    };
    let whole = Database::in_memory().unwrap();
    fill(&whole);
    while monitor(&whole).tick(Timestamp(hours * HOUR)).unwrap().left > 0 {}
    let expected = said(&whole);
    assert_eq!((expected.0.len(), expected.1.len()), (hours as usize - 4, 1));

    let mut fs = SimulatedFs::new(3);
    let open = |fs: &SimulatedFs| {
        let clock = ManualClock::new(Timestamp(hours * HOUR));
        let options = Options::new().maintenance(Maintenance::Manual).clock(Arc::new(clock)).seed(1);
        options.open_on(Arc::new(fs.clone())).unwrap()
    };
    let db = open(&fs);
    fill(&db);
    db.close().unwrap();
    let (mut cut, mut kills) = (1, 0);
    loop {
        let db = open(&fs);
        fs.inject(Fault::PowerCut { at_call: fs.calls() + cut });
        let done = monitor(&db).tick(Timestamp(hours * HOUR));
        drop(db);
        kills += u64::from(fs.is_off());
        fs = fs.reboot(cut);
        if done.is_ok_and(|tick| tick.left == 0) {
            break;
        }
        cut += 2;
    }
    assert!(kills >= 4, "{subject}: {kills}");
    assert_eq!(said(&open(&fs)), expected, "{subject}");
}

#[test]
fn a_thread_judges_windows_only_where_it_is_asked_for_and_ends_when_dropped() {
    let db = store(6, |_| false);
    let monitor = db.drift_monitor("docs", options()).unwrap();
    let thread = monitor.clone().watch().unwrap();
    drop(thread);
    assert!(monitor.reports(TimeRange::ALL).unwrap().is_empty());
}

#[test]
fn a_recorded_check_is_found_again() {
    let db = store(4, |hour| hour >= 2);
    assert!(db.collections().unwrap().iter().all(|it| it.name != "_drift"));
    let said = db.drift("docs").current(times(2, 4)).record().unwrap();
    let summary = db.drift_report("docs", times(0, 4)).unwrap();
    assert_eq!((summary.judged, summary.newest), (1, Some(said)));
}

#[test]
fn a_model_whose_name_has_a_slash_has_its_own_reports_and_incidents() {
    let db = Database::in_memory().unwrap();
    let model: ModelId = "org/ranker@release/1".parse().unwrap();
    fill_log(&db, &model, 12, |hour| hour >= 6);
    let options = || MonitorOptions::default().interval(hours(1)).reference(Reference::Range(times(0, 4)));
    let monitor = db.drift_monitor(model.clone(), options().begin(Timestamp(4 * HOUR))).unwrap();
    monitor.tick(Timestamp(12 * HOUR)).unwrap();
    assert_eq!((monitor.reports(times(0, 12)).unwrap().len(), monitor.incidents().unwrap().len()), (8, 1));
    assert_eq!(db.drift_incidents(model.clone(), times(0, 12)).unwrap().len(), 1);
    assert_eq!(db.drift_report(model, times(0, 12)).unwrap().drift_incidents, 1);
    let other = db.drift_monitor("docs", options().name("model org")).unwrap();
    assert!(other.incidents().unwrap().is_empty(), "these are another's");
    assert_eq!(db.drift_monitor("docs", options().name("a/b")).unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn a_model_is_judged_by_what_it_logged_and_never_against_another_model() {
    let db = Database::in_memory().unwrap();
    let (old, new): (ModelId, ModelId) = ("m@1".parse().unwrap(), "m@2".parse().unwrap());
    for model in [&old, &new] {
        fill_log(&db, model, 8, |hour| hour >= 6);
    }
    let quiet = db.drift(old.clone()).current(times(4, 6)).against(Reference::Range(times(0, 4))).run().unwrap();
    assert_eq!((names(&quiet), quiet.verdict), (vec![VECTOR], Verdict::Stable));
    let loud = db.drift(old.clone()).current(times(6, 8)).against(Reference::Range(times(0, 4))).run().unwrap();
    assert!(loud.alarm && loud.results[0].kind == DriftKind::Embedding);
    assert!(!loud.evidence.is_empty() && loud.evidence.iter().all(|row| row.key.parse::<u64>().unwrap() >= 720));

    db.baselines().set("first", &old.clone().into(), times(0, 4), &[]).unwrap();
    assert!(db.drift(old.clone()).current(times(6, 8)).against_baseline("first").run().unwrap().alarm);
    let mixed = db.drift(new).current(times(6, 8)).against_baseline("first").run().unwrap_err();
    assert_eq!(mixed.kind(), ErrorKind::ModelMismatch);
    assert!(mixed.to_string().contains("m@1") && mixed.to_string().contains("m@2"), "{mixed}");
    let unknown: ModelId = "nobody@1".parse().unwrap();
    assert_eq!(db.drift(unknown).current(times(6, 8)).run().unwrap_err().kind(), ErrorKind::NotFound);
    // The log has neither fields nor a filter; none is passed over in silence.
    let check = || db.drift(old.clone()).current(times(6, 8));
    for refused in [check().fields(["lang"]), check().by("lang"), check().filter("lang = 'de'").unwrap()] {
        assert_eq!(refused.run().unwrap_err().kind(), ErrorKind::Invalid, "{refused:?}");
    }
}

#[test]
fn vectors_of_two_models_are_not_compared_through_a_baseline_of_a_collection() {
    let db = Database::in_memory().unwrap();
    for (name, model) in [("first", Some("m@1")), ("second", Some("m@2")), ("again", Some("m@1")), ("silent", None)] {
        let schema = model.map_or_else(schema, |model| schema().model(model));
        fill(&db.create_collection(name, schema).unwrap(), 4, |_| false);
    }
    let log = db.embedding_log();
    for model in ["m@1", "m@2"] {
        log.log_all(&model.parse().unwrap(), entries(0, 0.0).chain(entries(2, 0.0))).unwrap();
    }
    let model = |name: &str| Subject::from(name.parse::<ModelId>().unwrap());
    let against = |of: &Subject, subject: Subject, fields: &[&str]| {
        db.baselines().set("normal", of, times(0, 2), &[]).unwrap();
        let check = db.drift(subject).current(times(2, 4)).against_baseline("normal");
        check.fields(fields.iter().copied()).run()
    };
    for (of, other) in [
        ("first".into(), "second".into()),
        ("first".into(), model("m@2")),
        (model("m@1"), "second".into()),
        (model("m@1"), model("m@2")),
    ] {
        let refused = against(&of, other, &[]).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ModelMismatch, "{of}");
        assert!(refused.to_string().contains("m@1") && refused.to_string().contains("m@2"), "{refused}");
    }
    against(&"first".into(), "second".into(), &["words"]).unwrap();
    for other in ["again".into(), "silent".into(), model("m@1")] {
        against(&"first".into(), other, &[VECTOR]).unwrap();
    }
    // What the schema said then counts, whatever stands under the name now.
    db.baselines().set("old", &"first".into(), times(0, 2), &[]).unwrap();
    db.drop_collection("first").unwrap();
    let kept = db.drift("second").current(times(2, 4)).against_baseline("old").run();
    assert_eq!(kept.unwrap_err().kind(), ErrorKind::ModelMismatch);
}

#[test]
fn monitors_of_one_subject_have_alerts_of_their_own_and_are_told_by_name() {
    let db = store(12, |hour| hour >= 7);
    let quiet = db.drift_monitor("docs", options().fields(["lang"])).unwrap();
    let named = db.drift_monitor("docs", options().name("long")).unwrap();
    for hour in 5..=12 {
        named.tick(Timestamp(hour * HOUR)).unwrap();
        quiet.tick(Timestamp(hour * HOUR)).unwrap();
    }
    let open: Vec<_> =
        db.alerts().incidents().unwrap().into_iter().filter(|it| it.alert_type == "feature_drift").collect();
    assert_eq!((open.len(), open[0].subject.as_str(), open[0].is_open()), (1, "docs/long", true));
    assert!(quiet.incidents().unwrap().is_empty());
    let incidents = db.drift_incidents("docs", times(0, 12)).unwrap();
    assert_eq!(incidents.iter().map(|it| (it.monitor.as_str(), it.number)).collect::<Vec<_>>(), [("long", 1)]);
    let summary = db.drift_report("docs", times(0, 12)).unwrap();
    assert_eq!((summary.judged, summary.alarms, summary.drift_incidents), (8, 0, 1));
    let long = &summary.monitors[..];
    assert_eq!((long.len(), long[0].name.as_str(), long[0].judged, long[0].alarms), (1, "long", 8, 5));
    assert_eq!((&long[0].open, &summary.open), (&Some(incidents[0].clone()), &Some(incidents[0].clone())));
    assert!(db.drift_incidents("other", times(0, 12)).unwrap().is_empty());
}

#[test]
fn concept_drift_asks_for_labels_and_is_a_kind_of_its_own() {
    let mistakes = |share: u64, count: u64, seed: u64| {
        let mut random = Random::seeded(seed, 6);
        (0..count).map(|_| random.below(100) < share).collect::<Vec<bool>>()
    };
    let quiet = concept::mistakes(&mistakes(10, 400, 1), &mistakes(10, 400, 2)).unwrap();
    assert_eq!((quiet.kind, quiet.verdict), (DriftKind::Concept, Verdict::Stable));
    let mut worse = mistakes(10, 200, 3);
    worse.extend(mistakes(40, 200, 4));
    let loud = concept::mistakes(&mistakes(10, 400, 1), &worse).unwrap();
    assert!(loud.alarm, "{loud:?}");
    let at = loud.notes.iter().find_map(|note| if let Note::ChangedAt(row) = note { Some(*row) } else { None });
    assert!(at.is_some_and(|row| (190..260).contains(&row)), "{:?}", loud.notes);
    let errors = |shift: f64, seed: u64| {
        let mut random = Random::seeded(seed, 7);
        (0..200).map(|_| driftline::stats::normal::draw(&mut random) + shift).collect::<Vec<f64>>()
    };
    assert!(concept::errors(&errors(1.0, 1), &errors(1.6, 2)).unwrap().alarm);
    assert!(!concept::errors(&errors(1.0, 1), &errors(1.0, 2)).unwrap().drift);
    let halved: Vec<f64> = (0..100).map(|row| f64::from(row % 2)).collect();
    let better = concept::errors(&[1.0; 100], &halved).unwrap();
    assert!(better.drift && !better.alarm, "a model that errs less alarms nobody: {better:?}");
    assert!(concept::errors(&[0.0; 100], &halved).unwrap().alarm);
    assert!(concept::errors(&[0.0; 100], &[32.0; 100]).unwrap().alarm, "constants that differ differ");
    assert!(!concept::errors(&[32.0; 100], &[32.0; 100]).unwrap().drift);
    assert_eq!(concept::mistakes(&[true; 20], &[false; 20]).unwrap().verdict, Verdict::Insufficient);
    let all_wrong = concept::mistakes(&[true; 60], &[true; 60]).unwrap();
    assert_eq!((all_wrong.verdict, all_wrong.p), (Verdict::Stable, Some(1.0)));
    for refused in [concept::mistakes(&[], &[true]), concept::errors(&[1.0], &[]), concept::errors(&[f64::NAN], &[1.0])]
    {
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);
    }
}
