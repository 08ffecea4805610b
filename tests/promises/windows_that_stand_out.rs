//! Windows of drift that stand out from those before them raise a warning of their own: two in a row, not one.

use std::time::Duration;

use driftline::mlops::drift::{MonitorOptions, Reference, VECTOR};
use driftline::mlops::{AlertKind, TimeRange};
use driftline::{Database, Metric, Random, Record, Schema, Timestamp};

const HOUR: i64 = 3_600_000_000;

/// 60 records for every hour, whose vectors are turned a little in odd hours.
fn store(hours: i64, odd: impl Fn(i64) -> bool) -> Database {
    let db = Database::in_memory().unwrap();
    let docs = db.create_collection("docs", Schema::vector(4, Metric::L2)).unwrap();
    for hour in 0..hours {
        let turned = if odd(hour) { 0.35 } else { 0.0 };
        docs.put_all((0..60).map(|number| {
            let mut random = Random::seeded((hour * 1_000 + number) as u64, 9);
            let mut draw = |mean: f64| (mean + 0.3 * driftline::stats::normal::draw(&mut random)) as f32;
            let vector = vec![draw(1.0), draw(turned), draw(0.0), draw(0.0)];
            Record::new(format!("{hour}-{number}")).vector(vector).created_at(Timestamp(hour * HOUR + number))
        }))
        .unwrap();
    }
    db
}

/// The hours whose ends `anomaly` was told at, with what became of it.
fn told(hours: i64, odd: impl Fn(i64) -> bool) -> Vec<(i64, AlertKind)> {
    let db = store(hours, odd);
    let options = MonitorOptions::default()
        .interval(Duration::from_secs(3_600))
        .reference(Reference::Range(TimeRange::new(Timestamp(0), Timestamp(6 * HOUR)).unwrap()))
        .fields([VECTOR])
        .begin(Timestamp(6 * HOUR))
        .most_windows(100);
    db.drift_monitor("docs", options).unwrap().tick(Timestamp(hours * HOUR)).unwrap();
    let alerts = db.alerts().history(TimeRange::ALL, 1_000).unwrap();
    let mut told: Vec<_> =
        alerts.iter().filter(|it| it.alert_type == "anomaly").map(|it| (it.at.0 / HOUR, it.kind)).collect();
    told.reverse();
    told
}

#[test]
fn two_windows_in_a_row_that_stand_out_are_a_warning_and_one_is_none() {
    let alone = |hour: i64| hour == 96;
    assert_eq!(told(100, alone), []);
    let two = |hour: i64| hour == 96 || hour == 97;
    assert_eq!(told(100, two), [(98, AlertKind::Fired), (99, AlertKind::Resolved)]);
    let apart = |hour: i64| hour == 95 || hour == 97;
    assert_eq!(told(100, apart), []);
    let early = |hour: i64| hour == 70 || hour == 71;
    assert_eq!(told(74, early), [], "66 windows say nothing yet, of which a day has 24");
}

#[test]
fn the_end_of_drift_is_no_warning() {
    assert_eq!(told(95, |hour| (20..90).contains(&hour)), []);
}
