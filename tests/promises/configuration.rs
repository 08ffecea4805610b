//! A configuration says what holds: files of others load as they are, what is not known is refused where it stands, and
//! every value can be traced to where it was said.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use driftline::mlops::{Config, ConfigKey, Origin};
use driftline::{ErrorKind, Value, json};

const DAY: Duration = Duration::from_secs(86_400);

fn value(config: &Config, name: &str) -> Value {
    config.settings().into_iter().find(|setting| setting.key == name).unwrap_or_else(|| panic!("{name}")).value
}

fn origin(config: &Config, name: &str) -> Origin {
    config.settings().into_iter().find(|setting| setting.key == name).unwrap().origin
}

fn key(name: &str) -> &'static ConfigKey {
    Config::keys().find(|key| key.name() == name).unwrap_or_else(|| panic!("{name}"))
}

fn unapplied(config: &Config) -> Vec<(&str, Option<u32>)> {
    config.not_applied().iter().map(|it| (&*it.key, it.origin.line())).collect()
}

/// `a.b: text` as a file in YAML.
fn yaml(name: &str, text: &str) -> String {
    let parts: Vec<&str> = name.split('.').collect();
    let (last, sections) = parts.split_last().unwrap();
    let mut file = String::new();
    for (level, section) in sections.iter().enumerate() {
        file += &format!("{}{section}:\n", "  ".repeat(level));
    }
    file + &format!("{}{last}: {text}\n", "  ".repeat(sections.len()))
}

/// The same in TOML.
fn toml(name: &str, text: &str) -> String {
    let (section, last) = name.rsplit_once('.').unwrap();
    format!("[{section}]\n{last} = {text}\n")
}

#[test]
fn the_defaults_read_like_the_table() {
    let config = Config::default();
    let table = [
        ("monitoring.check_interval", json!(300)),
        ("monitoring.window", json!(1_000)),
        ("monitoring.sigma_threshold", json!(2.0)),
        ("monitoring.drift_threshold", json!(0.15)),
        ("alerting.alert_threshold", json!(0.20)),
        ("monitoring.alert_config.critical_accuracy_drop", json!(0.05)),
        ("monitoring.alert_config.warning_accuracy_drop", json!(0.02)),
        ("monitoring.alert_config.critical_error_rate", json!(0.02)),
        ("monitoring.alert_config.warning_error_rate", json!(0.01)),
        ("monitoring.alert_config.critical_latency_ms", json!(500.0)),
        ("monitoring.alert_config.warning_latency_ms", json!(200.0)),
        ("monitoring.alert_config.drift_threshold", json!(0.1)),
        ("retraining.min_new_samples", json!(1_000)),
        ("retraining.max_days_without_retrain", json!(7)),
        ("retraining.accuracy_degradation_threshold", json!(0.05)),
        ("retraining.drift_score_threshold", json!(0.1)),
        ("retraining.min_hours_between_retrains", json!(6)),
        ("retraining.max_retrains_per_day", json!(4)),
        ("ab_testing.default_traffic_split", json!(0.3)),
        ("ab_testing.duration_days", json!(14)),
        ("ab_testing.min_samples_per_variant", json!(1_000)),
        ("ab_testing.significance_level", json!(0.05)),
        ("cache.max_entries", json!(1_000)),
        ("cache.ttl_seconds", json!(null)),
    ];
    for (name, wanted) in table {
        assert_eq!(value(&config, name), Value::from(wanted), "{name}");
        assert_eq!(origin(&config, name), Origin::Default);
    }
    assert!(config.not_applied().is_empty());
}

#[test]
fn the_first_file_of_others_loads_as_it_is() {
    let config = Config::read("tests/fixtures/config/config.yaml").unwrap();
    assert_eq!(config.monitoring.check_interval, Duration::from_secs(300));
    assert_eq!(config.monitoring.drift_threshold, 0.15);
    assert_eq!(config.alerting.alert_threshold, 0.20);
    let names = [("database.connection_string", Some(2)), ("database.pool_size", Some(3))];
    assert_eq!(unapplied(&config), [names[0], names[1], ("alerting.slack_webhook", Some(10))]);
    assert_eq!(origin(&config, "alerting.alert_threshold").to_string(), "tests/fixtures/config/config.yaml, line 11");
    assert_eq!(config, Config::default(), "its values are the defaults");
}

#[test]
fn the_second_file_of_others_loads_as_it_is() {
    let path = "tests/fixtures/config/production_config.yaml";
    for config in [Config::read(path), Config::read_profile("tests/fixtures/config", "production")] {
        let config = config.unwrap();
        assert_eq!(config.profile(), Some("production"));
        assert_eq!((config.alerts.critical_accuracy_drop, config.alerts.warning_accuracy_drop), (0.05, 0.02));
        assert_eq!((config.alerts.critical_latency_ms, config.alerts.drift_threshold), (500.0, 0.1));
        let retraining = &config.retraining;
        assert_eq!((retraining.min_new_samples, retraining.max_time_without_retrain), (Some(1_000), Some(7 * DAY)));
        assert_eq!(retraining.accuracy_degradation_threshold, Some(0.05));
        assert_eq!((retraining.min_time_between_retrains, retraining.max_retrains_per_day), (DAY / 4, 4));
        // The file's own central defaults for experiments differ from those without it.
        let experiments = &config.experiments;
        assert_eq!((experiments.traffic_split, experiments.min_samples_per_variant), (0.1, 500));
        assert_eq!((experiments.significance_level, experiments.duration), (0.05, 14 * DAY));
        let serving =
            ["host", "port", "enable_monitoring", "enable_ab_testing"].map(|it| format!("production.serving.{it}"));
        let mut wanted: Vec<(&str, Option<u32>)> = serving.iter().map(|it| &**it).zip((25..).map(Some)).collect();
        if cfg!(feature = "watch") {
            assert_eq!(retraining.data_directories, ["data/raw", "data/processed"]);
        } else {
            wanted.insert(0, ("production.retraining.data_directories", Some(15)));
            assert!(config.not_applied()[0].why.contains("`watch`"));
        }
        assert_eq!(unapplied(&config), wanted);
        let split = origin(&config, "ab_testing.default_traffic_split").to_string();
        assert_eq!(split, format!("{path}, line 20 (profile production)"));
    }
}

#[test]
fn an_experiment_may_differ_from_the_central_defaults() {
    let config = Config::read("tests/fixtures/config/production_config.yaml").unwrap();
    let of = |config: &Config| config.experiments.experiment("e", "ranker", "1", "2");
    assert_eq!((of(&config).traffic_split, of(&config).min_samples_per_variant), (0.1, 500));
    assert_eq!(of(&config).traffic_split(0.3).traffic_split, 0.3);
    assert_eq!((of(&Config::default()).traffic_split, of(&Config::default()).min_samples_per_variant), (0.3, 1_000));
}

/// What each key takes at its edges, and what it refuses next to them.
fn edges() -> Vec<(&'static str, &'static [&'static str], &'static [&'static str])> {
    let share: (&[&str], &[&str]) = (&["0", "1", "0.5"], &["-0.001", "1.001", "'0.5'", "true", ".nan"]);
    let inner: (&[&str], &[&str]) = (&["0.001", "0.999"], &["0", "1", "-0.5", "half"]);
    let positive: (&[&str], &[&str]) = (&["0", "1e6"], &["-0.001", ".inf", "x"]);
    let count: (&[&str], &[&str]) = (&["1", "9223372036854775807"], &["0", "-1", "1.5", "''"]);
    let seconds: (&[&str], &[&str]) = (&["0", "31622400", "'1h 30m'", "366d"], &["-1", "31622401", "367d", "soon"]);
    let off: (&[&str], &[&str]) = (&["off", "~", "0.5"], &["never", "-1"]);
    vec![
        ("monitoring.check_interval", &["1", "1s", "300", "30d"], &["0", "0.999", "31d", "366d", "true"]),
        ("monitoring.window", &["1", "1000000"], &["0", "1000001", "1.5", "[1]"]),
        ("monitoring.min_samples", count.0, count.1),
        ("monitoring.retention_days", &["1", "24h", "0x10", "36500"], &["0.99", "23h", "36501"]),
        ("monitoring.sigma_threshold", &["0.001", "1e9"], &["0", "-1"]),
        ("monitoring.drift_threshold", &["0", "0.2"], &["-0.001", "0.201", "2.001"]),
        ("monitoring.expected_run_days", &["1", "36500"], &["0.5", "36501"]),
        ("monitoring.alert_config.critical_accuracy_drop", share.0, share.1),
        ("monitoring.alert_config.warning_accuracy_drop", share.0, share.1),
        ("monitoring.alert_config.critical_error_rate", share.0, share.1),
        ("monitoring.alert_config.warning_error_rate", share.0, share.1),
        ("monitoring.alert_config.critical_latency_ms", positive.0, positive.1),
        ("monitoring.alert_config.warning_latency_ms", positive.0, positive.1),
        ("monitoring.alert_config.drift_threshold", positive.0, positive.1),
        ("monitoring.alert_config.anomaly_threshold", positive.0, positive.1),
        ("monitoring.alert_config.min_data_quality", share.0, share.1),
        ("monitoring.alert_config.hold_seconds", seconds.0, seconds.1),
        ("monitoring.alert_config.cool_down_seconds", seconds.0, seconds.1),
        ("monitoring.alert_config.hysteresis", &["0", "0.999"], &["1", "-0.001"]),
        ("alerting.alert_threshold", &["0.15", "2"], &["0.149", "2.001", "-0.001"]),
        ("retraining.min_new_samples", &["off", "~", "1"], &["0", "off1", "1.5"]),
        ("retraining.max_days_without_retrain", &["off", "0", "36500", "36h"], &["-1", "36501", "false"]),
        ("retraining.accuracy_degradation_threshold", &["off", "0", "1"], &["-0.1", "1.1"]),
        ("retraining.drift_score_threshold", off.0, off.1),
        ("retraining.error_rate_threshold", &["off", "0", "1"], &["-0.1", "1.1"]),
        ("retraining.min_hours_between_retrains", &["0", "6", "90m"], &["-1", "off", "876001"]),
        ("retraining.max_retrains_per_day", &["1"], &["0", "off"]),
        ("retraining.approval", &["true", "false"], &["yes", "1", "'true'"]),
        ("retraining.samples_in", &["off", "labelled", "'7'"], &["7", "''", "[a]"]),
        ("retraining.data_directories", &["[]", "[data, 'more data']"], &["data", "[1]", "[[a]]", "[{a: b}]"]),
        ("retraining.watch_file_patterns", &["['.csv']"], &["'.csv'", "~"]),
        ("ab_testing.default_traffic_split", inner.0, inner.1),
        ("ab_testing.duration_days", &["1h", "0.5", "36500"], &["0", "59m", "36501"]),
        ("ab_testing.min_samples_per_variant", count.0, count.1),
        ("ab_testing.significance_level", inner.0, inner.1),
        ("cache.max_entries", count.0, count.1),
        ("cache.max_bytes", &["off", "1"], &["0", "-1"]),
        ("cache.ttl_seconds", &["off", "1ms", "3600"], &["0", "36501d"]),
    ]
}

#[test]
fn every_key_has_its_edges() {
    let edges = edges();
    let applied = |name: &str| key(name).not_applied().is_none();
    for (name, taken, refused) in &edges {
        for text in taken.iter() {
            let config = Config::from_yaml(&yaml(name, text)).unwrap_or_else(|error| panic!("{name} {text}: {error}"));
            assert_eq!(config.not_applied().is_empty(), applied(name));
        }
        for text in refused.iter().filter(|_| applied(name)) {
            let error = Config::from_yaml(&yaml(name, text)).expect_err(&format!("{name} {text}"));
            assert_eq!(error.kind(), ErrorKind::Invalid);
            let told = error.to_string();
            assert!(told.contains(name), "{told}");
        }
    }
    let tested: BTreeSet<&str> = edges.iter().map(|(name, ..)| *name).collect();
    let known =
        Config::keys().filter(|key| applied(key.name()) || key.name().starts_with("retraining")).map(ConfigKey::name);
    assert_eq!(tested, known.collect(), "every key has its edges in the table");
}

#[test]
fn both_formats_and_the_environment_say_the_same_and_set_one_key_each() {
    let defaults = Config::default().settings();
    for default in &defaults {
        // The first value that the key takes and that is not its default.
        let set = |text: &&'static str| {
            let config = Config::from_yaml(&yaml(default.key, text)).ok()?;
            (value(&config, default.key) != default.value).then_some((*text, config))
        };
        let texts = ["true", "0.01", "0.03", "2", "'40d'", "'word'", "['a', 'b']"];
        let (text, config) = texts.iter().find_map(set).unwrap_or_else(|| panic!("{}", default.key));
        let others = config.settings().iter().zip(&defaults).filter(|(new, old)| new.value != old.value).count();
        assert_eq!(others, 1, "{} sets one key", default.key);
        assert_eq!(Config::from_toml(&toml(default.key, text)).unwrap(), config, "{}", default.key);
        let variable = (key(default.key).environment(), text.replace(['\'', '[', ']'], ""));
        assert_eq!(Config::environment([variable]).unwrap(), config, "{}", default.key);
    }
}

#[test]
fn what_is_not_known_is_refused_where_it_stands_with_what_was_meant() {
    let cases = [
        (
            "monitoring:\n  window: 5\n  check_intervl: 3\n",
            "[monitoring]\nwindow = 5\ncheck_intervl = 3\n",
            "`monitoring.check_intervl`",
            3,
            "did you mean `check_interval`?",
        ),
        ("monitorng:\n  window: 5\n", "[monitorng]\nwindow = 5\n", "`monitorng`", 1, "did you mean `monitoring`?"),
        (
            "\nprod:\n  retraining:\n    min_new_sample: 5\n",
            "\n[prod.retraining]\n\nmin_new_sample = 5\n",
            "`prod.retraining.min_new_sample`",
            4,
            "did you mean `min_new_samples`?",
        ),
        (
            "prod:\n  monitorng:\n    window: 5\n",
            "\n[prod.monitorng]\nwindow = 5\n",
            "`prod.monitorng`",
            2,
            "did you mean `monitoring`?",
        ),
        (
            "monitoring:\n  alert_config:\n    critical_latency: 3\n",
            "[monitoring.alert_config]\n\ncritical_latency = 3\n",
            "`monitoring.alert_config.critical_latency`",
            3,
            "did you mean `critical_latency_ms`?",
        ),
        (
            "monitoring:\n  pool_size: 3\n",
            "[monitoring]\npool_size = 3\n",
            "`monitoring.pool_size`",
            2,
            "did you mean `database.pool_size`?",
        ),
        ("serving:\n  prot: 3\n", "[serving]\nprot = 3\n", "`serving.prot`", 2, "did you mean `port`?"),
        ("window: 5\n", "window = 5\n", "`window`", 1, "did you mean `monitoring.window`?"),
        (
            "monitoring.window: 5\n",
            "\"monitoring.window\" = 5\n",
            "`monitoring.window` is one name with dots in it",
            1,
            "nest it",
        ),
        (
            "zebra:\n  a: 5\n",
            "[zebra]\na = 5\n",
            "`zebra`",
            1,
            "write one of monitoring, alerting, retraining, ab_testing, cache, serving, database",
        ),
    ];
    for (yaml, toml, what, line, mend) in cases {
        for (error, file) in [(Config::from_yaml(yaml), "yaml"), (Config::from_toml(toml), "toml")] {
            let error = error.unwrap_err();
            let told = error.to_string();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(told.contains(what) && told.contains(mend), "{told}");
            assert!(told.contains(&format!("{file}, line {line}")), "{told}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.toml");
    fs::write(&path, "[alerting]\nalert_treshold = 1\n").unwrap();
    let told = Config::read(&path).unwrap_err().to_string();
    assert!(told.contains(&format!("{}, line 2", path.display())), "{told}");
}

#[test]
fn a_value_of_the_wrong_kind_is_refused_with_what_is_expected() {
    let cases = [
        ("monitoring:\n  window: many\n", "`monitoring.window` is \"many\"", "write a whole number from 1 to 1000000"),
        ("prod:\n  monitoring:\n    window:\n", "`prod.monitoring.window` is empty", "write a whole number"),
        ("retraining:\n  max_retrains_per_day: 0\n", "`retraining.max_retrains_per_day` is 0", "of at least 1"),
        ("retraining:\n  min_new_samples: 0\n", "`retraining.min_new_samples` is 0", "of at least 1, or `off`"),
        ("monitoring:\n  window:\n    a: 1\n", "`monitoring.window` holds keys of its own", "write a whole number"),
        ("monitoring: 5\n", "`monitoring` is a section, and has a value", "write keys under it: check_interval"),
        ("monitoring:\n  alert_config: 5\n", "`monitoring.alert_config` is a section", "critical_accuracy_drop"),
        ("ab_testing:\n  significance_level: 1\n", "is 1", "write a number above 0 and below 1"),
        (
            "monitoring:\n  check_interval: 0\n",
            "is 0",
            "a time from 1s to 366d, as a number of seconds or such as `36h`",
        ),
    ];
    for (text, what, mend) in cases {
        let told = Config::from_yaml(text).unwrap_err().to_string();
        assert!(told.contains(what) && told.contains(mend), "{told}");
    }
    let long = format!("monitoring:\n  window: {}\n", "x".repeat(500_000));
    assert!(Config::from_yaml(&long).unwrap_err().to_string().len() < 400, "values are shown cut");
}

#[test]
fn values_that_do_not_fit_together_are_refused_with_both_keys_and_where_they_came_from() {
    let told = Config::from_yaml("monitoring:\n  drift_threshold: 0.3\n").unwrap_err().to_string();
    assert!(told.contains("`monitoring.drift_threshold` is 0.3 (yaml, line 2)"), "{told}");
    assert!(told.contains("`alerting.alert_threshold` is 0.2 (default)"), "{told}");
    Config::from_yaml("monitoring:\n  drift_threshold: 0.2\n").unwrap();
    let mut config = Config::default();
    config.monitoring.expected_run_time = DAY;
    config.monitoring.check_interval = 2 * DAY;
    let told = config.check().unwrap_err().to_string();
    assert!(told.contains("`monitoring.check_interval` is 172800 (program)"), "{told}");
    config = Config::default();
    config.monitoring.window = 0;
    let told = config.check().unwrap_err().to_string();
    assert!(told.contains("`monitoring.window` is 0"), "{told}");
}

#[test]
fn names_that_stand_twice_are_refused() {
    let twice = "monitoring:\n  window: 1\n  window: 2\n";
    let told = Config::from_yaml(twice).unwrap_err().to_string();
    assert!(told.contains("`window` stands here twice") && told.contains("line 3"), "{told}");
    let told = Config::from_toml("[monitoring]\nwindow = 1\nwindow = 2\n").unwrap_err().to_string();
    assert!(told.contains("duplicate key") && told.contains("line 3"), "{told}");
    assert!(Config::from_yaml("monitoring:\n  window: 1\nmonitoring:\n  window: 1\n").is_err());
    assert!(Config::from_toml("[monitoring]\nwindow = 1\n[monitoring]\n").is_err());
}

#[test]
fn hostile_files_are_refused() {
    let bomb = (1..30).fold("a0: &a0 [x, x]\n".to_owned(), |text, level| {
        text + &format!("a{level}: &a{level} [*a{0}, *a{0}, *a{0}]\n", level - 1)
    });
    let cases = [
        (bomb, "anchors, aliases and tags are not taken"),
        ("monitoring: &m\n  window: 1\n".into(), "anchors, aliases"),
        ("<<: *m\n".into(), ""),
        ("monitoring: !!python/object:os.system\n  window: 1\n".into(), "anchors, aliases and tags"),
        ("monitoring:\n  window: !!int 5\n".into(), "anchors, aliases and tags"),
        ("a: 1\n---\nb: 2\n".into(), "a second document begins"),
        ("- 1\n- 2\n".into(), "the file holds a value"),
        ("? [a, b]\n: 1\n".into(), "a name is no text"),
        ("monitoring: {window: 1\n".into(), "this is no YAML"),
        ("a: ".to_owned() + &"[".repeat(100_000), "this is no YAML"),
        ("a: ".to_owned() + &"{a: ".repeat(100_000), "this is no YAML"),
        ("? ".repeat(100_000), ""),
        ("- ".repeat(100_000), ""),
        ("monitoring:\n\twindow: 1\n".into(), "this is no YAML"),
        ("x".repeat((1 << 20) + 1), "more than 1048576 bytes"),
    ];
    for (text, why) in cases {
        let told = Config::from_yaml(&text).expect_err(&text[..20.min(text.len())]).to_string();
        assert!(told.contains(why), "{told}");
        assert!(told.len() < 1_000, "{told}");
    }
    let cases = [
        ("a = ".to_owned() + &"[".repeat(100_000), "this is no TOML"),
        ("a = ".to_owned() + &"{a = ".repeat(100_000), "this is no TOML"),
        ("a.".repeat(100_000) + "a = 1", "this is no TOML"),
        (format!("[{}a]\nb = 1", "a.".repeat(40)), ""),
        ("[monitoring\nwindow = 1\n".into(), "this is no TOML"),
        ("[[monitoring]]\nwindow = 1\n".into(), "`monitoring` is a section, and has a value"),
        ("[monitoring]\nwindow = 1979-05-27\n".into(), "write a whole number"),
        ("[monitoring]\nwindow = 99999999999999999999\n".into(), ""),
        ("x".repeat((1 << 20) + 1), "more than 1048576 bytes"),
    ];
    for (text, why) in cases {
        let told = Config::from_toml(&text).expect_err(&text[..20.min(text.len())]).to_string();
        assert!(told.contains(why), "{told}");
        assert!(told.len() < 1_000, "{told}");
    }
}

#[test]
fn only_files_of_text_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        fs::write(folder.path().join(name), bytes).unwrap();
        Config::read(folder.path().join(name)).map_err(|error| error.to_string())
    };
    assert_eq!(write("empty.yaml", b"").unwrap(), Config::default());
    assert_eq!(write("empty.toml", b"# nothing\n").unwrap(), Config::default());
    assert_eq!(write("marked.yaml", b"\xef\xbb\xbfmonitoring:\r\n  window: 7\r\n").unwrap().monitoring.window, 7);
    assert_eq!(write("marked.toml", b"\xef\xbb\xbf[monitoring]\r\nwindow = 7\r\n").unwrap().monitoring.window, 7);
    assert!(write("latin.yaml", b"a: \xe4\n").unwrap_err().contains("no text in UTF-8"));
    assert!(write("large.yaml", &vec![0xc3; (1 << 20) + 1]).unwrap_err().contains("more than 1048576 bytes"));
    assert!(write("config.json", b"{}").unwrap_err().contains("have it end in .toml, .yaml or .yml"));
    fs::create_dir(folder.path().join("folder.yaml")).unwrap();
    assert!(Config::read(folder.path().join("folder.yaml")).unwrap_err().to_string().contains("no file"));
    assert_eq!(Config::read(folder.path().join("none.yaml")).unwrap_err().kind(), ErrorKind::NotFound);
}

#[cfg(unix)]
#[test]
fn a_pipe_is_refused_before_it_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe.yaml");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    assert!(Config::read(&path).unwrap_err().to_string().contains("no file"));
}

#[test]
fn secrets_are_never_told() {
    let secrets = "database:\n  connection_string: \"postgresql://u:s3cret@h/db\"\n  pool_size: s3cret\nalerting:\n  \
                   slack_webhook: https://s3cret\nserving:\n  host: s3cret\n";
    let config = Config::from_yaml(secrets).unwrap();
    let told = format!(
        "{config:?} {:?} {:?} {}",
        config.not_applied(),
        config.settings(),
        serde_json::to_string(&config).unwrap()
    );
    assert!(!told.contains("s3cret"), "{told}");
    let vars = [
        ("DRIFTLINE_DB_PASSWORD", "s3cret"),
        ("DRIFTLINE_ALERTING_SLACK_WEBHOOK", "s3cret"),
        ("DRIFTLINE_API_KEY", "s3cret"),
    ];
    let config = Config::environment(vars).unwrap();
    assert_eq!(config.not_applied().len(), 3);
    assert!(!format!("{config:?}").contains("s3cret"));
    let broken = [
        Config::from_yaml("database:\n  connection_string: \"s3cret\n"),
        Config::from_yaml("database:\n  connection_string: 's3cret' s3cret\n"),
        Config::from_yaml("database:\n  connection_string: &s3cret x\n"),
        Config::from_toml("[database]\nconnection_string = \"s3cret\n"),
        Config::from_toml("[database]\nconnection_string = s3cret\n"),
        Config::from_toml("[database]\nconnection_string = \"\\s3cret\"\n"),
        Config::from_yaml("database:\n  connection_string: {s3cret: 1}\n"),
        Config::environment([("DRIFTLINE_DB_PASWORD", "s3cret")]),
    ];
    for refused in broken {
        let told = format!("{:?}", refused.unwrap_err());
        assert!(!told.contains("s3cret"), "{told}");
    }
}

#[test]
fn a_profile_lies_over_the_file_key_by_key() {
    let text = "monitoring:\n  window: 10\n  min_samples: 3\nstaging:\n  monitoring:\n    window: 20\nproduction:\n  \
                monitoring:\n    window: 30\n    alert_config:\n      hysteresis: 0.2\n";
    let of = |profile: Option<&str>| {
        let loader = Config::loader().yaml(text);
        profile.into_iter().fold(loader, |loader, name| loader.profile(name)).load()
    };
    let windows = |config: Config| (config.monitoring.window, config.monitoring.min_samples, config.alerts.hysteresis);
    assert_eq!(windows(of(None).unwrap()), (10, 3, 0.1), "what stands outside profiles");
    assert_eq!(windows(of(Some("staging")).unwrap()), (20, 3, 0.1));
    assert_eq!(windows(of(Some("production")).unwrap()), (30, 3, 0.2));
    let config = of(Some("staging")).unwrap();
    assert_eq!(origin(&config, "monitoring.window").to_string(), "yaml, line 6 (profile staging)");
    assert_eq!(origin(&config, "monitoring.min_samples").to_string(), "yaml, line 3");
    let error = of(Some("stagin")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("did you mean `staging`?"), "{error}");
    let broken = format!("{text}other:\n  monitoring:\n    windo: 3\n");
    assert!(Config::from_yaml(&broken).unwrap_err().to_string().contains("other.monitoring.windo"), "all are checked");
}

#[test]
fn which_profile_is_meant_must_be_clear() {
    let two = "a:\n  monitoring:\n    window: 1\nb:\n  monitoring:\n    window: 2\n";
    let told = Config::from_yaml(two).unwrap_err().to_string();
    assert!(told.contains("several profiles") && told.contains("say which: a, b"), "{told}");
    let named = |vars: &[(&str, &str)]| Config::loader().yaml(two).environment(vars.iter().copied()).unwrap();
    assert_eq!(named(&[("DRIFTLINE_PROFILE", "b")]).load().unwrap().monitoring.window, 2);
    assert_eq!(named(&[("DRIFTLINE_PROFILE", "b")]).profile("a").load().unwrap().monitoring.window, 1);
    assert!(named(&[("DRIFTLINE_PROFILE", "")]).load().is_err());
    assert_eq!(named(&[("DRIFTLINE_PROFILE", "c")]).load().unwrap_err().kind(), ErrorKind::NotFound);
    Config::environment([("DRIFTLINE_PROFILE", "b")]).unwrap();
    let told = Config::loader().yaml("monitoring:\n").profile("a").load().unwrap_err().to_string();
    assert!(told.contains("the file holds none"), "{told}");
}

#[test]
fn an_environment_has_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("development_config.toml", "[monitoring]\nwindow = 5\n");
    write("staging_config.yml", "staging:\n  monitoring:\n    window: 6\nother:\n  monitoring:\n    window: 7\n");
    write("odd_config.yaml", "other:\n  monitoring:\n    window: 7\n");
    let read = |name: &str| Config::read_profile(folder.path(), name);
    assert_eq!(read("development").unwrap().monitoring.window, 5);
    assert_eq!(read("staging").unwrap().monitoring.window, 6);
    assert_eq!(read("odd").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(read("production").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(read("../development").unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn the_environment_lies_over_everything() {
    let loader = Config::loader().yaml("monitoring:\n  window: 10\n  min_samples: 3\n");
    let config = loader.environment([("DRIFTLINE_MONITORING_WINDOW", "20"), ("PATH", "/bin")]).unwrap().load().unwrap();
    assert_eq!((config.monitoring.window, config.monitoring.min_samples), (20, 3));
    assert_eq!(origin(&config, "monitoring.window").to_string(), "DRIFTLINE_MONITORING_WINDOW");
    assert_eq!(origin(&config, "monitoring.min_samples").to_string(), "yaml, line 3");
    // The short names of other tools: one for the sigma rule, and those that do not apply.
    let vars =
        [("DRIFTLINE_DRIFT_THRESHOLD", "2.5"), ("DRIFTLINE_MODELS_DIR", "/m"), ("DRIFTLINE_MAX_REQUESTS", "100")];
    let config = Config::environment(vars).unwrap();
    assert_eq!((config.monitoring.sigma_threshold, config.monitoring.drift_threshold), (2.5, 0.15));
    assert_eq!(unapplied(&config), [("DRIFTLINE_MAX_REQUESTS", None), ("DRIFTLINE_MODELS_DIR", None)]);
    let both = [("DRIFTLINE_MONITORING_SIGMA_THRESHOLD", "3"), ("DRIFTLINE_DRIFT_THRESHOLD", "2.5")];
    assert_eq!(Config::environment(both).unwrap().monitoring.sigma_threshold, 3.0, "the long name counts");
    let told = Config::environment([("DRIFTLINE_MONITORING_WINDOV", "20")]).unwrap_err().to_string();
    assert!(told.contains("did you mean DRIFTLINE_MONITORING_WINDOW?"), "{told}");
    let told = Config::environment([("DRIFTLINE_MONITORING_WINDOW", "many")]).unwrap_err().to_string();
    assert!(told.contains("`monitoring.window` is \"many\" (DRIFTLINE_MONITORING_WINDOW)"), "{told}");
    assert!(Config::environment([("DRIFTLINE_ZEBRA", "1")]).unwrap_err().to_string().contains("`config keys`"));
    let own =
        ["LOG", "KERNELS", "COMMIT", "PROFILE", "MODEL", "RUN", "REASON"].map(|it| (format!("DRIFTLINE_{it}"), "x"));
    assert_eq!(Config::environment(own).unwrap(), Config::default());
}

#[cfg(unix)]
#[test]
fn what_is_no_text_in_the_environment_is_refused_only_where_it_is_ours() {
    use std::os::unix::ffi::OsStrExt;
    let odd = std::ffi::OsStr::from_bytes(b"\xff");
    Config::environment([("HOME", odd)]).unwrap();
    let told = Config::environment([("DRIFTLINE_MONITORING_WINDOW", odd)]).unwrap_err().to_string();
    assert!(told.contains("no Unicode text"), "{told}");
}

/// Whatever the crate itself reads from the environment, or hands to commands, is left alone.
#[test]
fn every_variable_that_the_crate_uses_is_known() {
    fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { files(&path, found) } else { found.push(path) }
        }
    }
    let mut sources = Vec::new();
    files(Path::new("src"), &mut sources);
    sources.retain(|path| !path.starts_with("src/mlops/config"));
    let mut names = BTreeSet::new();
    for source in sources {
        let text = fs::read_to_string(source).unwrap_or_default();
        for (at, _) in text.match_indices("\"DRIFTLINE_") {
            names.insert(text[at + 1..].split('"').next().unwrap().to_owned());
        }
    }
    assert!(names.contains("DRIFTLINE_LOG") && names.len() > 4, "{names:?}");
    Config::environment(names.iter().map(|name| (name, "1"))).unwrap();
}

#[test]
fn names_in_the_environment_are_unlike_each_other() {
    let names: BTreeSet<String> = Config::keys().map(ConfigKey::environment).collect();
    assert_eq!(names.len(), Config::keys().len());
    assert!(names.contains("DRIFTLINE_MONITORING_ALERT_CONFIG_DRIFT_THRESHOLD"));
    assert!(!names.contains("DRIFTLINE_DRIFT_THRESHOLD"), "the short name is no key's own");
}

#[test]
fn what_the_program_sets_is_told_as_such() {
    let mut config = Config::from_yaml("monitoring:\n  window: 10\n").unwrap();
    assert_eq!(origin(&config, "monitoring.window").line(), Some(2));
    config.monitoring.window = 11;
    config.alerts.hysteresis = 0.3;
    assert_eq!(origin(&config, "monitoring.window"), Origin::Program);
    assert_eq!(origin(&config, "monitoring.alert_config.hysteresis"), Origin::Program);
    assert_eq!(origin(&config, "monitoring.min_samples"), Origin::Default);
}

#[test]
fn the_guide_tells_every_key_and_its_default() {
    let guide = fs::read_to_string("docs/guide/configuration.md").unwrap();
    let defaults = Config::default().settings();
    for setting in &defaults {
        let line = format!("| `{}` | {} |", setting.key, setting.shown().trim_end_matches(".0"));
        assert!(guide.contains(&line) || setting.key == "retraining.data_directories", "{line}");
    }
    let sections = ["database", "serving", "alerting.slack_webhook"];
    for key in Config::keys().filter(|key| key.not_applied().is_some()) {
        let named = guide.contains(key.name()) || sections.iter().any(|section| key.name().starts_with(section));
        assert!(named, "{}", key.name());
    }
}
