//! Metrics are read by who is strict, names are bounded, and what is shipped with them names only what there is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use driftline::mlops::drift::{MonitorOptions, Reference};
use driftline::{Clock, Database, ManualClock, Metric, Options, Record, Schema, Severity, Timestamp, json, mlops};

/// A sample: its labels and its value.
type Sample = (BTreeMap<String, String>, f64);

/// A metric as it was declared, with its samples by the name they have.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    samples: Vec<(String, Sample)>,
}

/// Reads the text format and refuses whatever its description does not allow.
fn parse(text: &str) -> BTreeMap<String, Family> {
    assert!(text.ends_with('\n') && !text.contains('\r'), "lines end in line feeds, the last one too");
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut open: Option<(String, String)> = None;
    let mut seen = BTreeSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a help text");
            assert!(is_name(name) && !help.is_empty() && !families.contains_key(name), "{line}");
            open = Some((name.to_owned(), String::new()));
            continue;
        }
        let (name, kind) = open.as_mut().expect("every metric begins with its help");
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            assert!(kind.is_empty() && rest.strip_prefix(&format!("{name} ")).is_some(), "{line}");
            *kind = rest.rsplit(' ').next().unwrap().to_owned();
            assert!(["counter", "gauge", "histogram"].contains(&kind.as_str()), "{line}");
            families.insert(name.clone(), Family { kind: kind.clone(), samples: Vec::new() });
            continue;
        }
        assert!(!line.starts_with('#') && !kind.is_empty(), "{line}");
        let (metric, labels, value) = sample(line);
        let suffix = metric.strip_prefix(name.as_str()).unwrap_or_else(|| panic!("{line} belongs to {name}"));
        let suffixes: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        assert!(suffixes.contains(&suffix), "{line}");
        assert!(seen.insert((metric.clone(), labels.clone())), "{line} stands there twice");
        families.get_mut(name).unwrap().samples.push((metric, (labels, value)));
    }
    families.iter().for_each(|(name, family)| check(name, family));
    families
}

fn is_name(name: &str) -> bool {
    let first = name.chars().next().is_some_and(|it| it.is_ascii_alphabetic() || it == '_');
    first && name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_')
}

fn sample(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let end = line.find(['{', ' ']).expect("a name");
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name), "{line}");
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"").expect("a label and its value");
            assert!(is_name(label) && !label.starts_with("__"), "{line}");
            let (value, after) = quoted(after);
            assert!(labels.insert(label.to_owned(), value).is_none(), "{line}");
            match after.strip_prefix(',') {
                Some(more) => rest = more,
                None => {
                    rest = after.strip_prefix('}').expect("the end of the labels");
                    break;
                }
            }
        }
    }
    let value = rest.strip_prefix(' ').expect("one space before the value");
    let value = match value {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        number => number.parse().expect("a number"),
    };
    (name.to_owned(), labels, value)
}

/// The value of a label up to its closing quote, and what comes after that.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &text[at + 1..]),
            '\\' => match characters.next().expect("what is escaped").1 {
                'n' => value.push('\n'),
                other @ ('\\' | '"') => value.push(other),
                other => panic!("\\{other} is no escape"),
            },
            other => value.push(other),
        }
    }
    panic!("the value of a label has no end: {text}");
}

/// What the names promise: units, counters that end in `_total`, buckets that only grow up to `+Inf`.
fn check(name: &str, family: &Family) {
    assert!(name.starts_with("driftline_"), "{name}");
    assert_eq!(name.ends_with("_total"), family.kind == "counter", "{name}");
    for unit in ["_ms", "_us", "_micros", "_millis", "_mib", "_kb", "_minutes"] {
        assert!(!name.contains(unit), "{name} is not in a base unit");
    }
    assert!(!family.samples.is_empty(), "{name} has no sample");
    if family.kind != "histogram" {
        return;
    }
    let of = |suffix: &str| -> Vec<&Sample> {
        family.samples.iter().filter(|it| it.0 == format!("{name}{suffix}")).map(|it| &it.1).collect()
    };
    let mut ends: BTreeMap<BTreeMap<String, String>, Vec<(f64, f64)>> = BTreeMap::new();
    for (labels, value) in of("_bucket") {
        let mut labels = labels.clone();
        let end = labels.remove("le").expect("a bucket ends somewhere");
        let end = if end == "+Inf" { f64::INFINITY } else { end.parse().unwrap() };
        ends.entry(labels).or_default().push((end, *value));
    }
    for (labels, buckets) in &ends {
        assert!(buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{name} {labels:?} {buckets:?}");
        let last = buckets.last().unwrap();
        let count = of("_count").iter().find(|it| it.0 == *labels).unwrap().1;
        assert!(last.0 == f64::INFINITY && last.1 == count, "{name}: the last bucket holds all");
        assert!(of("_sum").iter().any(|it| it.0 == *labels), "{name} has no sum");
    }
}

fn value(families: &BTreeMap<String, Family>, name: &str, labels: &[(&str, &str)]) -> f64 {
    let labels: BTreeMap<String, String> = labels.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect();
    let family = families.iter().find(|(family, _)| name.starts_with(family.as_str()));
    let mut all = families.values().flat_map(|family| &family.samples);
    let found = all.find(|it| it.0 == name && it.1.0 == labels);
    found.unwrap_or_else(|| panic!("there is no {name} {labels:?} in {family:?}")).1.1
}

#[test]
fn what_was_done_is_counted_exactly() {
    let clock = std::sync::Arc::new(ManualClock::new(Timestamp(1_000_000)));
    let db = Options::new().clock(clock.clone()).in_memory().unwrap();
    clock.advance(Duration::from_millis(2500));
    assert_eq!(clock.now(), Timestamp(3_500_000));
    let docs = db.create_collection("docs", Schema::vector(2, Metric::L2).index("hnsw".parse().unwrap())).unwrap();
    docs.put_all((0..10u64).map(|key| Record::new(key).vector([key as f32, 0.0]))).unwrap();
    docs.delete(3u64).unwrap();
    docs.put(Record::new(4u64).vector([0.0, 9.0])).unwrap();
    for _ in 0..3 {
        docs.query().nearest([1.0, 0.0]).run().unwrap();
    }
    docs.query().nearest([1.0, 0.0]).exact().run().unwrap();
    docs.query().run_many([[1.0, 0.0], [2.0, 0.0]]).unwrap();
    docs.query().run_many(Vec::<[f32; 2]>::new()).unwrap();
    docs.query().nearest([1.0]).run().unwrap_err();
    let read = parse(&db.metrics_text());
    let get = |name: &str, labels: &[(&str, &str)]| value(&read, name, labels);
    assert_eq!(get("driftline_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), 1.0);
    assert_eq!(get("driftline_uptime_seconds", &[]), 2.5);
    assert_eq!(get("driftline_batches_total", &[]), 3.0);
    assert_eq!(get("driftline_rows_written_total", &[("kind", "put")]), 11.0);
    assert_eq!(get("driftline_rows_written_total", &[("kind", "delete")]), 1.0);
    assert_eq!(get("driftline_call_errors_total", &[]), 1.0);
    assert_eq!(get("driftline_commit_duration_seconds_count", &[]), 3.0);
    assert_eq!(get("driftline_wal_fsync_duration_seconds_count", &[]), 3.0);
    let searches = |index| get("driftline_search_duration_seconds_count", &[("collection", "docs"), ("index", index)]);
    assert_eq!((searches("hnsw"), searches("flat")), (5.0, 1.0));
    assert_eq!(get("driftline_collection_records", &[("collection", "docs")]), 9.0);
    assert_eq!(get("driftline_health", &[("status", "healthy")]), 1.0);
    assert_eq!(get("driftline_health", &[("status", "unhealthy")]), 0.0);
    assert_eq!(get("driftline_check_passed", &[("check", "writable"), ("severity", "critical")]), 1.0);
    assert_eq!(get("driftline_metrics_unreadable", &[("part", "stats")]), 0.0);
    assert!(get("driftline_store_bytes", &[("kind", "wal")]) > 0.0);
}

#[test]
fn labels_are_bounded_and_hostile_ones_are_escaped() {
    let db = Database::in_memory().unwrap();
    for number in 0..120 {
        let name = format!("c{number:03}");
        let one = db.create_collection(&name, Schema::vector(1, Metric::L2)).unwrap();
        one.put(Record::new(1u64).vector([1.0])).unwrap();
        one.query().nearest([0.0]).run().unwrap();
    }
    let hostile = "is it \"there\"?\\ {le=\"1\"}, é";
    db.add_check(hostile, Severity::Minor, || Err("no\nno".into())).unwrap();
    let read = parse(&db.metrics_text());
    let records = &read["driftline_collection_records"].samples;
    assert_eq!((records.len(), records[0].1.0["collection"].as_str(), records[0].1.1), (101, "(others)", 20.0));
    let labels = [("collection", "(others)"), ("index", "flat")];
    assert_eq!(value(&read, "driftline_search_duration_seconds_count", &labels), 20.0);
    assert_eq!(value(&read, "driftline_check_passed", &[("check", hostile), ("severity", "minor")]), 0.0);
    assert_eq!(value(&read, "driftline_health", &[("status", "degraded")]), 1.0);
}

#[test]
fn a_closed_store_says_so() {
    let db = Database::in_memory().unwrap();
    let handle = db.clone();
    db.close().unwrap();
    let read = parse(&handle.metrics_text());
    assert_eq!(value(&read, "driftline_metrics_unreadable", &[("part", "stats")]), 1.0);
    assert_eq!(value(&read, "driftline_metrics_unreadable", &[("part", "engine")]), 0.0);
    assert_eq!(value(&read, "driftline_health", &[("status", "unhealthy")]), 1.0);
}

#[test]
fn a_file_of_metrics_is_replaced_whole() {
    let db = Database::in_memory().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("driftline.prom");
    db.write_metrics(&path).unwrap();
    db.create_collection("docs", Schema::payload_only()).unwrap().put(Record::new(1u64).payload(json!({}))).unwrap();
    db.write_metrics(&path).unwrap();
    let read = parse(&std::fs::read_to_string(&path).unwrap());
    assert_eq!(value(&read, "driftline_batches_total", &[]), 1.0);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    let error = db.write_metrics(folder.path().join("not/there.prom")).unwrap_err();
    assert!(error.to_string().contains("there.prom"), "{error}");
}

/// A store with a bit of everything that is measured.
fn watched() -> (tempfile::TempDir, Database) {
    let clock = std::sync::Arc::new(ManualClock::new(Timestamp(100 * 86_400_000_000)));
    let folder = tempfile::tempdir().unwrap();
    let db = Options::new().clock(clock).open(folder.path().join("store")).unwrap();
    let docs = db.create_collection("docs", Schema::payload_only()).unwrap();
    let now = 100 * 86_400_000_000_i64;
    let record = |n: i64| {
        let moved = if n < 100 { 40 } else { 0 };
        let created = Timestamp(now - n * 600_000_000 - 1);
        Record::new(n as u64).payload(json!({"words": n % 50 + moved})).created_at(created)
    };
    docs.put_all((0..400).map(record)).unwrap();
    let hours = |hours: u64| Duration::from_secs(hours * 3_600);
    db.drift("docs").last(hours(16)).against(Reference::Before(hours(48))).record().unwrap();
    for severity in [mlops::Severity::Warning, mlops::Severity::Critical, mlops::Severity::Critical] {
        db.alerts().alert(severity, "look", json!({})).unwrap();
    }
    let monitor = db.monitor(&mlops::ModelId::new("m", "1").unwrap());
    for (output, truth) in [("a", "a"), ("b", "a"), ("a", "a"), ("a", "a")] {
        monitor.record_prediction(mlops::PredictionRecord::new(output).truth(truth).latency_ms(20.0)).unwrap();
    }
    monitor.record_prediction(mlops::PredictionRecord::failed("out of memory")).unwrap();
    db.create_collection("points", Schema::vector(1, Metric::L2)).unwrap().query().nearest([1.0]).run().unwrap();
    let cache = db.cache().unwrap();
    mlops::Cache::set(&cache, "a", 1.into(), None).unwrap();
    for name in ["a", "a", "b"] {
        mlops::Cache::get(&cache, name).unwrap();
    }
    let model = db.model("m").unwrap();
    for version in ["1", "2"] {
        model.register(mlops::NewVersion::new(version), version.as_bytes()).unwrap();
    }
    model.promote_to_production("1", mlops::Change::by("kim")).unwrap();
    let retraining = db.retraining();
    retraining.configure("m", mlops::RetrainConfig::new(), mlops::Change::by("kim")).unwrap();
    let outcome = |run: &mlops::RetrainEvent| match run.number {
        2 => Err(driftline::Error::new(driftline::ErrorKind::Invalid, "no data")),
        number => Ok(number.to_string()),
    };
    retraining.on_retrain("m", outcome);
    for _ in 0..3 {
        retraining.force_retrain("m", mlops::Change::by("kim")).unwrap();
    }
    (folder, db)
}

#[test]
fn what_serves_and_what_came_of_training_is_told() {
    let (_folder, db) = watched();
    let read = parse(&db.metrics_text());
    let ended = |outcome| value(&read, "driftline_retraining_runs_total", &[("model", "m"), ("outcome", outcome)]);
    assert_eq!((ended("done"), ended("failed"), ended("rejected")), (2.0, 1.0, 0.0));
    let last = value(&read, "driftline_retraining_last_success_timestamp_seconds", &[("model", "m")]);
    assert_eq!(last, 100.0 * 86_400.0);
    let serving = &read["driftline_model_in_production"].samples;
    assert_eq!((serving.len(), serving[0].1.0["version"].as_str(), serving[0].1.1), (1, "1", 1.0));
    assert_eq!(value(&read, "driftline_metrics_unreadable", &[("part", "training")]), 0.0);
}

#[test]
fn caches_tell_of_hits_and_misses_by_name_and_names_are_bounded() {
    let (_folder, db) = watched();
    let limits = mlops::CacheLimits::new().max_entries(1);
    for number in 0..101 {
        let model = mlops::ModelId::new("m", format!("{number:03}")).unwrap();
        let cache = db.embedding_cache(&model, 1, limits).unwrap();
        ["a", "b"].into_iter().for_each(|text| cache.set(text, vec![1.0], None).unwrap());
    }
    let read = parse(&db.metrics_text());
    let of = |metric: &str, cache: &str| value(&read, &format!("driftline_cache_{metric}"), &[("cache", cache)]);
    // `values` comes after all models, so it is among the others.
    assert_eq!((of("evictions_total", "m@007"), of("entries", "m@007")), (1.0, 1.0));
    assert_eq!((of("hits_total", "(others)"), of("misses_total", "(others)")), (2.0, 1.0));
    assert_eq!((of("entries", "(others)"), of("expired_total", "(others)")), (2.0, 0.0));
    assert_eq!(read["driftline_cache_bytes"].samples.len(), 101);
    assert_eq!(value(&read, "driftline_metrics_unreadable", &[("part", "caches")]), 0.0);
}

#[test]
fn alerts_and_drift_are_told_and_alerts_are_counted_once() {
    let (_folder, db) = watched();
    for round in 1..=2 {
        let read = parse(&db.metrics_text());
        let alerts = |severity| value(&read, "driftline_alerts_total", &[("severity", severity)]);
        assert_eq!((alerts("info"), alerts("warning"), alerts("critical")), (0.0, 1.0, 2.0), "round {round}");
        assert!(
            value(&read, "driftline_drift_p_value", &[("subject", "docs"), ("kind", "feature"), ("test", "ks, exact")])
                < 1e-6
        );
        assert!(
            value(
                &read,
                "driftline_drift_statistic",
                &[("subject", "docs"), ("kind", "feature"), ("test", "ks, exact")]
            ) > 0.5
        );
        assert_eq!(value(&read, "driftline_drift_incident_open", &[("subject", "docs")]), 0.0);
        let of = |outcome| [("model", "m"), ("version", "1"), ("outcome", outcome)];
        assert_eq!(value(&read, "driftline_predictions_total", &of("success")), 4.0);
        assert_eq!(value(&read, "driftline_predictions_total", &of("error")), 1.0);
        assert_eq!(value(&read, "driftline_prediction_accuracy", &of("")[..2]), 0.75);
        assert_eq!(value(&read, "driftline_prediction_latency_p95_seconds", &of("")[..2]), 0.02);
        for part in ["alerts", "drift", "predictions"] {
            assert_eq!(value(&read, "driftline_metrics_unreadable", &[("part", part)]), 0.0, "{part}");
        }
    }
    db.alerts().alert(mlops::Severity::Info, "more", json!({})).unwrap();
    let read = parse(&db.metrics_text());
    assert_eq!(value(&read, "driftline_alerts_total", &[("severity", "info")]), 1.0);
}

/// Every metric that a dashboard, a rule or the guide names is there, and the guide names every metric there is.
#[test]
fn what_is_shipped_names_only_metrics_there_are() {
    let rendered: BTreeSet<String> = parse(&watched().1.metrics_text()).into_keys().collect();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in ["docs/monitoring/dashboard.json", "docs/monitoring/alerts.yml"] {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        let named = names(&text);
        assert!(named.len() > 8, "{file} names only {named:?}");
        for name in named {
            let base = ["_bucket", "_count", "_sum"].iter().find_map(|suffix| name.strip_suffix(suffix));
            let there = rendered.contains(&name) || base.is_some_and(|base| rendered.contains(base));
            assert!(there, "{file} names {name}, which is not rendered");
        }
    }
    let guide = std::fs::read_to_string(root.join("docs/guide/metrics.md")).unwrap();
    let missing: Vec<&String> = rendered.iter().filter(|name| !guide.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "docs/guide/metrics.md does not name {missing:?}");
    serde_json::from_str::<serde_json::Value>(
        &std::fs::read_to_string(root.join("docs/monitoring/dashboard.json")).unwrap(),
    )
    .unwrap();
}

fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|it: char| !(it.is_ascii_alphanumeric() || it == '_'));
    words.filter(|word| word.starts_with("driftline_")).map(str::to_owned).collect()
}

#[test]
fn beyond_a_hundred_names_counts_are_added_up_and_incidents_still_show() {
    let db = Database::in_memory().unwrap();
    for number in 0..102 {
        let model: mlops::ModelId = format!("m@{number:03}").parse().unwrap();
        let outcomes = [mlops::PredictionRecord::new("a"), mlops::PredictionRecord::failed("no answer")];
        outcomes.into_iter().for_each(|it| drop(db.monitor(&model).record_prediction(it).unwrap()));
        drifting(&db, &format!("c{number:03}"), number == 101);
    }
    let read = parse(&db.metrics_text());
    let of = |outcome: &str, model: &str, version: &str| {
        let labels = [("model", model), ("version", version), ("outcome", outcome)];
        value(&read, "driftline_predictions_total", &labels)
    };
    assert_eq!((of("error", "m", "099"), of("error", "(others)", ""), of("success", "(others)", "")), (1.0, 2.0, 2.0));
    let open = |subject: &str| value(&read, "driftline_drift_incident_open", &[("subject", subject)]);
    assert_eq!((open("c000"), open("c099"), open("(others)")), (0.0, 0.0, 1.0));
    assert_eq!(read["driftline_drift_incident_open"].samples.len(), 101);
    assert_eq!(read["driftline_drift_p_value"].samples.len(), 100, "p-values are not added up");
}

/// A collection that a monitor has judged for two windows, whose values have moved or have not.
fn drifting(db: &Database, name: &str, moved: bool) {
    let hour = 3_600_000_000;
    let docs = db.create_collection(name, Schema::payload_only()).unwrap();
    let record = |n: i64| {
        let value = n * 37 % 60 + if moved && n >= 60 { 100 } else { 0 };
        Record::new(n as u64).payload(json!({"words": value})).created_at(Timestamp(n * hour / 60))
    };
    docs.put_all((0..180).map(record)).unwrap();
    let before = mlops::TimeRange::new(Timestamp(0), Timestamp(hour)).unwrap();
    let options = MonitorOptions::default().interval(Duration::from_secs(3_600)).begin(Timestamp(hour));
    let monitor = db.drift_monitor(name, options.reference(Reference::Range(before))).unwrap();
    monitor.tick(Timestamp(3 * hour)).unwrap();
}
