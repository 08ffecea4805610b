//! A drift report is one page that shows what was found, loads nothing, and trusts no text of the store.

use std::time::Duration;

use driftline::mlops::drift::MonitorOptions;
use driftline::{Clock, Database, Metric, Random, Record, Schema, SystemClock, Timestamp, Value};

use crate::support::shell::Shell;

const HOUR: i64 = 3_600_000_000;
const HOSTILE: &str = "<script>alert('x')</script>&\"";

/// A store whose docs of the last two hours are elsewhere, under keys and fields that are HTML.
fn shell() -> Shell {
    let shell = Shell::empty();
    let db = Database::open(shell.store()).unwrap();
    let docs = db.create_collection("docs", Schema::vector(4, Metric::L2)).unwrap();
    let (mut random, now) = (Random::seeded(1, 0), SystemClock.now());
    docs.put_all((0..900i64).map(|n| {
        let ago = HOUR / 2 + n * HOUR / 90;
        let moved = if ago < 2 * HOUR { 3.0 } else { 0.0 };
        let mut draw = || driftline::stats::normal::draw(&mut random) + moved;
        let vector: Vec<f32> = (0..4).map(|_| draw() as f32).collect();
        let payload = Value::object([("words", draw().into()), (HOSTILE, draw().into())]);
        Record::new(format!("{HOSTILE}{n}")).vector(vector).payload(payload).created_at(Timestamp(now.0 - ago))
    }))
    .unwrap();
    let options = MonitorOptions::default().interval(Duration::from_secs(3_600)).fields(["words"]);
    let monitor = db.drift_monitor("docs", options.begin(Timestamp(now.0 - 6 * HOUR))).unwrap();
    monitor.tick(now).unwrap();
    db.close().unwrap();
    shell
}

#[test]
fn a_page_shows_what_was_found_and_nothing_in_it_runs() {
    let shell = shell();
    let path = shell.path("drift.html").display().to_string();
    let ended = shell.run(&["S", &format!("drift docs last '2h' against '6h' report '{path}'")]);
    assert_eq!(ended.code, 5, "{ended:?}");
    let page = std::fs::read_to_string(&path).unwrap();
    for told in ["Drift of docs", "alarm", "p-values", "Effects", "Rows", "Dimensions", "words", "farthest", "energy"] {
        assert!(page.contains(told), "{told}");
    }
    assert_eq!(page.matches("<svg").count(), 4, "p-values, effects, rows and dimensions");
    assert!(page.matches("<circle").count() > 200, "a dot for each row");
    assert_eq!(page.matches("stroke=\"#101004\" ").count(), 4, "two strokes for each level: of vectors, and of fields");
    assert!(!page.contains("<script") && !page.contains("http") && !page.contains("url("), "nothing runs or is loaded");
    assert!(page.contains("&lt;script&gt;alert('x')&lt;/script&gt;&amp;&quot;"), "keys and fields are text");
    assert!(page.contains("prefers-color-scheme:dark"), "for light and for dark");
}

#[test]
fn a_page_does_without_vectors_and_against_a_baseline() {
    let shell = shell();
    shell.run(&["S", "baseline create spring from docs last '9h' fields words"]).done();
    let path = shell.path("words.html").display().to_string();
    let statement = format!("drift docs last '2h' against baseline spring fields words report '{path}'");
    assert_eq!(shell.run(&["S", &statement, "--format", "json"]).code, 5);
    let page = std::fs::read_to_string(&path).unwrap();
    assert!(page.contains("baseline spring version 1") && page.matches("<svg").count() == 2, "{page}");
    shell.run(&["S", "drift docs report"]).refused(2, &["the name of a file"]);
    shell.run(&["S", &format!("drift docs last '2h' report '{path}/no'")]).refused(1, &["words.html/no"]);
}

#[test]
fn a_first_check_has_bars_and_no_course() {
    let shell = Shell::empty();
    let db = Database::open(shell.store()).unwrap();
    let docs = db.create_collection("docs", Schema::payload_only()).unwrap();
    let now = SystemClock.now();
    docs.put_all((0..400i64).map(|n| {
        let words = if n < 200 { n % 50 + 100 } else { n % 50 };
        let payload = Value::object([("words", words.into()), ("a field of a long name, and longer", (n % 7).into())]);
        Record::new(n as u64).payload(payload).created_at(Timestamp(now.0 - HOUR / 2 - n * HOUR / 100))
    }))
    .unwrap();
    db.close().unwrap();
    let path = shell.path("first.html").display().to_string();
    assert_eq!(shell.run(&["S", &format!("drift docs last '150m' against '2h' report '{path}'")]).code, 5);
    let page = std::fs::read_to_string(&path).unwrap();
    assert!(page.matches("<svg").count() == 1 && page.contains("Effects") && !page.contains("p-values"), "{page}");
    assert!(page.contains("a field of a long name, and longer") && page.contains("words"), "{page}");
}

#[test]
fn the_dots_are_the_rows_that_were_judged() {
    let shell = Shell::empty();
    let db = Database::open(shell.store()).unwrap();
    let docs = db.create_collection("docs", Schema::vector(2, Metric::L2)).unwrap();
    let (mut random, now) = (Random::seeded(2, 0), SystemClock.now());
    docs.put_all((0..4_000u64).map(|n| {
        let side = if random.one_in(2) { 10.0 } else { 0.0 };
        let time = Timestamp(now.0 - HOUR / 2 - n as i64 * HOUR / 2_000);
        Record::new(n).vector([side, random.unit() as f32]).created_at(time)
    }))
    .unwrap();
    db.close().unwrap();
    let path = shell.path("rows.html").display().to_string();
    let report = shell.json(&format!("drift docs last '90m' against '1h' rows 500 report '{path}'"));
    let dimensions = report["results"][0]["embedding"]["dimensions"].as_array().unwrap();
    let side = dimensions.iter().find(|it| it["dimension"] == 0).unwrap();
    let far = (side["current_mean"].as_f64().unwrap() * 50.0).round() as usize;

    let page = std::fs::read_to_string(&path).unwrap();
    let current = page.split("<circle ").skip(1).filter(|dot| dot.contains("#101001\""));
    let number = |dot: &str| dot.split("cx=\"").nth(1)?.split('"').next()?.parse::<i64>().ok();
    let places: Vec<i64> = current.filter_map(number).collect();
    let middle = (places.iter().min().unwrap() + places.iter().max().unwrap()) / 2;
    let right = places.iter().filter(|place| **place > middle).count();
    assert_eq!(places.len(), 500);
    assert!(right == far || right == 500 - far, "{right} dots are right and {far} rows far");
}
