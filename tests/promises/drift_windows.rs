//! Windows of a drift monitor go on whatever comes between them: values of another type, and another interval.

use std::time::Duration;

use driftline::mlops::TimeRange;
use driftline::mlops::drift::{
    Column, DriftDetector, DriftMonitor, DriftReport, Method, MonitorOptions, Note, Reference, Verdict,
};
use driftline::{Database, Record, Schema, Timestamp, Value, json};

const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;

/// A record for every minute.
fn store(minutes: i64, price: impl Fn(i64) -> Value) -> Database {
    let db = Database::in_memory().unwrap();
    let docs = db.create_collection("docs", Schema::payload_only()).unwrap();
    docs.put_all((0..minutes).map(|minute| {
        let payload = json!({"price": price(minute), "number": minute % 41});
        Record::new(minute as u64).payload(payload).created_at(Timestamp(minute * MINUTE))
    }))
    .unwrap();
    db
}

fn number(minute: i64) -> Value {
    (minute * 37 % 60).into()
}

fn monitor(db: &Database, interval: i64, fields: &[&str]) -> DriftMonitor {
    let reference = Reference::Range(TimeRange::new(Timestamp(0), Timestamp(2 * HOUR)).unwrap());
    let options = MonitorOptions::default().interval(Duration::from_secs(60 * interval as u64));
    let options = options.reference(reference).begin(Timestamp(2 * HOUR));
    db.drift_monitor("docs", options.fields(fields.iter().copied())).unwrap()
}

/// The verdicts of windows of an hour, asked for twice.
fn verdicts(db: &Database, fields: &[&str]) -> Vec<Verdict> {
    let monitor = monitor(db, 60, fields);
    monitor.tick(Timestamp(4 * HOUR)).unwrap();
    monitor.tick(Timestamp(6 * HOUR)).unwrap();
    monitor.reports(TimeRange::ALL).unwrap().iter().map(|report| report.verdict).collect()
}

#[test]
fn one_value_of_another_type_is_missing_and_stops_no_monitor() {
    let odd = |minute: i64| if minute == 190 { "n/a".into() } else { number(minute) };
    let db = store(360, odd);
    assert_eq!(verdicts(&db, &["price"]), [Verdict::Stable; 4]);
    let report = &monitor(&db, 60, &[]).reports(TimeRange::ALL).unwrap()[1];
    let counts = report.results[0].current;
    assert_eq!((counts.rows, counts.missing), (59, 1), "it counts as missing");
    assert_eq!(verdicts(&store(360, odd), &[]), [Verdict::Stable; 4]);
}

#[test]
fn a_column_whose_type_has_changed_is_an_alarm_and_stops_no_monitor() {
    let texts = |minute: i64| if minute < 240 { number(minute) } else { format!("{} EUR", minute % 40).into() };
    for fields in [&["price"][..], &[]] {
        let db = store(360, texts);
        let said = verdicts(&db, fields);
        assert_eq!(said, [Verdict::Stable, Verdict::Stable, Verdict::Alarm, Verdict::Alarm]);
        let monitor = monitor(&db, 60, fields);
        assert!(monitor.incidents().unwrap()[0].is_open());
        let report = monitor.reports(TimeRange::ALL).unwrap().pop().unwrap();
        let price = report.results.iter().find(|result| result.feature == "price").unwrap();
        assert!(price.alarm && price.notes == [Note::TypeChanged], "{price:?}");
    }
}

#[test]
fn a_field_that_was_judged_is_judged_whatever_it_holds_now() {
    let lang = |minute: i64| Value::from(["en", "de"][minute as usize % 2]);
    let exploded = |minute: i64| if minute < 240 { lang(minute) } else { format!("{minute} x").into() };
    let said = verdicts(&store(360, exploded), &[]);
    assert_eq!(said, [Verdict::Stable, Verdict::Stable, Verdict::Alarm, Verdict::Alarm]);
    // One list among texts hides the rest neither in the reference nor in a window.
    for odd in [30, 190] {
        let db = store(360, |minute| if minute == odd { json!(["en"]).into() } else { lang(minute) });
        assert_eq!(verdicts(&db, &[]), [Verdict::Stable; 4]);
        let reports = monitor(&db, 60, &[]).reports(TimeRange::ALL).unwrap();
        let rows = |report: &DriftReport| report.results.iter().map(|it| it.current.rows).collect::<Vec<_>>();
        assert!(reports.iter().all(|report| rows(report) == [60, 60]), "odd {odd}: {reports:?}");
    }
}

#[test]
fn a_field_that_holds_two_types_by_halves_keeps_that_of_the_reference() {
    // 29, 30 and 31 of 60 in turn.
    let is_first = |minute: i64| minute * 37 % 60 < 29 + minute / 60 % 3;
    for first in [true, false] {
        let mixed = |minute: i64| if is_first(minute) == first { (minute % 3).into() } else { "n/a".into() };
        let db = store(1_440, mixed);
        let reports = monitor(&db, 120, &["price"]).tick(Timestamp(24 * HOUR)).unwrap().reports;
        let said: Vec<Verdict> = reports.iter().map(|report| report.verdict).collect();
        assert_eq!(said, [Verdict::Stable; 11], "{reports:?}");
    }
}

#[test]
fn every_method_takes_another_type_for_drift_and_few_rows_for_none() {
    let number = |rows: usize| Column::numbers((0..rows).map(|row| row as f64));
    let text = |rows: usize| Column::categories((0..rows).map(|row| row.to_string()));
    let vector = |rows: usize| Column::vectors(vec![1.0; 3 * rows], 3).unwrap();
    let (auto, ks, psi, sigma) = (Method::Auto, Method::Ks, Method::Psi, Method::Sigma);
    for (method, before, now) in [
        (auto, number(100), text(50)),
        (auto, text(50), number(100)),
        (auto, vector(50), number(50)),
        (ks, number(50), text(50)),
        (psi, text(60), number(60)),
        (sigma, number(60), text(60)),
        (Method::JensenShannon, number(60), text(60)),
    ] {
        let judge = |before: &Column, now: Column| {
            let mut detector = DriftDetector::new(method);
            detector.set_reference([("x", before.clone())]).unwrap();
            detector.detect([("x", now)]).unwrap().remove(0)
        };
        let result = judge(&before, now);
        assert!(result.alarm && result.notes.contains(&Note::TypeChanged), "{method}: {result:?}");
        let few = judge(&before, if matches!(before, Column::Numbers(_)) { text(49) } else { number(49) });
        assert_eq!((few.verdict, few.notes), (Verdict::Insufficient, vec![Note::FewRows]));
    }
}

#[test]
fn a_longer_interval_begins_behind_what_was_judged_and_a_shorter_one_too() {
    let db = store(8 * 60, number);
    let tick = |interval, to| monitor(&db, interval, &["price"]).tick(Timestamp(to)).unwrap();
    let judged = |from, to| {
        let range = TimeRange::new(Timestamp(from), Timestamp(to)).unwrap();
        let reports = monitor(&db, 60, &["price"]).reports(range).unwrap();
        reports.iter().map(|it| (it.current.from.0 / MINUTE, it.current.to.0 / MINUTE)).collect::<Vec<_>>()
    };
    assert_eq!(tick(20, 3 * HOUR + 20 * MINUTE).reports.len(), 4);
    let before = judged(0, 4 * HOUR);
    assert_eq!(before, [(120, 140), (140, 160), (160, 180), (180, 200)]);
    assert_eq!(tick(60, 4 * HOUR).reports.len(), 0, "the hour was judged in part");
    assert_eq!(tick(60, 6 * HOUR).reports.len(), 2);
    assert_eq!(judged(0, 4 * HOUR), before, "their reports are there as they were");
    assert_eq!(judged(4 * HOUR, 6 * HOUR), [(240, 300), (300, 360)]);
    assert_eq!(tick(20, 7 * HOUR).reports.len(), 3);
    assert_eq!(judged(6 * HOUR, 8 * HOUR), [(360, 380), (380, 400), (400, 420)]);
}
