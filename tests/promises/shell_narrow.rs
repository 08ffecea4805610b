//! In a terminal of 80 columns tables stay within them, and times are whole.

use driftline::mlops::drift::MonitorOptions;
use driftline::mlops::{Change, Entry, Mode, ModelId, NewVersion, Observation, PredictionRecord, metric};
use driftline::{Clock, Database, Record, Schema, SystemClock, Timestamp, json};

use super::support::shell::Shell;

const SECOND: i64 = 1_000_000;

/// A store in which much has happened to a model whose name is not short.
fn shell() -> Shell {
    let shell = Shell::empty();
    let db = Database::open(shell.store()).unwrap();
    let kim = || Change::by("kim").because("better on every slice that anybody has thought of so far");
    let model = ModelId::new("sentence-ranker", "2024.12.1").unwrap();
    let _training = db.modes().enter(Mode::Training, kim()).unwrap();
    let registry = db.model(model.name()).unwrap();
    registry.register(NewVersion::new(model.version()).metric("accuracy", 0.9), &b"it"[..]).unwrap();
    registry.promote_to_production(model.version(), kim()).unwrap();
    for (metric, value) in [(metric::LATENCY_MS, 900.0), (metric::ACCURACY_DROP, 0.123_456), (metric::DRIFT_SCORE, 0.5)]
    {
        db.alerts().observe(&Observation::new(model.to_string(), metric, value)).unwrap();
    }
    db.alerts().observe(&Observation::new(model.to_string(), metric::LATENCY_MS, 1.0)).unwrap();
    let now = SystemClock.now();
    let earlier = |seconds: i64| Timestamp(now.0 - seconds * SECOND);
    let entry = |n: i64| Entry::new(vec![n as f32 * 1_234.5, 1.0, 2.0]).input(&format!("text {n}")).at(earlier(n * 60));
    db.embedding_log().log_all(&model, (0..60).map(entry)).unwrap();
    let monitor = db.monitor(&model);
    for n in 0..20 {
        let record = PredictionRecord::new("spam").latency_ms(12.0).at(earlier(900 + n));
        monitor.record_prediction(record).unwrap();
    }
    monitor.tick(now).unwrap();
    let docs = db.create_collection("docs", Schema::payload_only()).unwrap();
    docs.put_all((0..600i64).map(|n| {
        let words = if n < 200 { n % 50 + 100 } else { n % 50 };
        let payload = json!({"words": words, "a_feature_with_a_long_name": words * 2});
        Record::new(n as u64).payload(payload).created_at(earlier(n * 10))
    }))
    .unwrap();
    let watched = db.drift_monitor("docs", MonitorOptions::default().begin(earlier(4_000))).unwrap();
    watched.tick(now).unwrap();
    shell
}

/// How many times begin in a text, and how many of them are told at least to the minute.
fn times(text: &str) -> (usize, usize) {
    let is_like = |text: &str, pattern: &str| {
        let same = |(c, p): (u8, u8)| if p == b'0' { c.is_ascii_digit() } else { p == b'?' || c == p };
        text.len() >= pattern.len() && text.bytes().zip(pattern.bytes()).all(same)
    };
    let places = || text.char_indices().map(|(at, _)| &text[at..]);
    let begun = places().filter(|rest| is_like(rest, "2000-") || is_like(rest, "2000…")).count();
    (begun, places().filter(|rest| is_like(rest, "2000-00-00?00:00")).count())
}

#[test]
fn tables_of_eighty_columns_have_whole_times() {
    let shell = shell();
    let statements = [
        "logs",
        "logs sentence-ranker@2024.12.1",
        "find sentence-ranker@2024.12.1 near [1, 2, 3] limit 3",
        "alerts",
        "alerts history",
        "audit",
        "drift history docs",
        "alias history sentence-ranker production",
        "model sentence-ranker",
        "monitor sentence-ranker@2024.12.1 trend predictions last '2h' step '1h'",
    ];
    for statement in statements {
        for mode in ["table", "box"] {
            let shown = shell.feed(&["S"], &format!(".mode {mode}\n.width 80\n{statement};\n")).done();
            let (begun, whole) = times(&shown);
            assert!(begun > 0 && begun == whole, "{statement}, {mode}: {whole} of {begun} times\n{shown}");
            let long = shown.lines().find(|line| line.chars().count() > 80);
            assert_eq!(long, None, "{statement}, {mode}:\n{shown}");
            let is_table = shown.lines().any(|line| line.contains("──"));
            assert!(is_table, "{statement}, {mode} has room for a table:\n{shown}");
        }
    }
    let history = shell.feed(&["S"], ".width 80\nalerts history;\n").done();
    assert!(history.contains("accuracy_drop") && history.contains("fired"), "{history}");
}
