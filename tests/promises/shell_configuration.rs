//! The shell tells what holds: by default, with a file, and with the environment; and never a secret.

use assert_cmd::cargo::cargo_bin_cmd;
use serde_json::{Value as Json, json};

use super::support::shell::Shell;

fn row<'a>(rows: &'a [Json], key: &str) -> &'a Json {
    rows.iter().find(|row| row["key"] == key).unwrap_or_else(|| panic!("{key}: {rows:?}"))
}

/// The program with a variable set: its code, and what it printed on either stream.
fn with_variable(shell: &Shell, name: &str, value: &str, statement: &str) -> (i32, String) {
    let mut command = cargo_bin_cmd!("driftline");
    let output = command.arg(shell.store()).arg(statement).env(name, value).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

#[test]
fn a_file_is_checked_without_being_applied() {
    let shell = Shell::with_points();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/config/production_config.yaml");
    let statement = format!("config check '{file}' profile production");
    let table = shell.run(&["S", &statement]).done();
    for words in [
        "profile production",
        "ab_testing.default_traffic_split",
        "line 20",
        "production.serving.port",
        "does not apply",
    ] {
        assert!(table.contains(words), "{words}: {table}");
    }
    let rows = shell.jsonl(&statement);
    let split = row(&rows, "ab_testing.default_traffic_split");
    assert_eq!((&split["value"], &split["not_applied"]), (&json!(0.1), &Json::Null));
    assert_eq!(split["from"], format!("{file}, line 20 (profile production)"));
    assert_eq!(row(&rows, "monitoring.window")["from"], "default");
    let port = row(&rows, "production.serving.port");
    assert!(port["value"].is_null() && port["not_applied"].as_str().unwrap().contains("no requests"), "{port}");
    let csv = shell.run(&["S", &statement, "--format", "csv"]).done();
    assert!(csv.starts_with("key,value,from\nmonitoring.check_interval,300,default\n"), "{csv}");
    assert_eq!(row(&shell.jsonl("config"), "ab_testing.default_traffic_split")["value"], 0.3, "nothing was applied");
}

#[test]
fn secrets_of_a_file_are_not_printed() {
    let shell = Shell::with_points();
    let file = shell.file(
        "c.yaml",
        "database:\n  connection_string: \"postgresql://u:s3cret@h\"\nalerting:\n  slack_webhook: s3cret\n",
    );
    let ended = shell.run(&["S", &format!("config check '{file}'")]);
    assert!(!ended.out.contains("s3cret") && !ended.err.contains("s3cret"), "{ended:?}");
    assert!(ended.err.contains("do not apply") && ended.err.contains("database.connection_string"), "{ended:?}");
    assert_eq!(ended.err.matches("alerting.slack_webhook").count(), 1, "told once: {ended:?}");
    assert!(ended.out.contains("alerting.slack_webhook"), "{ended:?}");
}

#[test]
fn a_mistake_is_told_with_its_place_and_what_was_meant() {
    let shell = Shell::with_points();
    let file = shell.file("c.toml", "[monitoring]\nwindow = 5\ncheck_intervl = 3\n");
    let check = format!("config check '{file}'");
    shell
        .run(&["S", &check])
        .refused(1, &["c.toml, line 3", "`monitoring.check_intervl`", "did you mean `check_interval`?"]);
    shell.run(&["S", "config check 'none.toml'"]).refused(1, &["none.toml", "[not_found]"]);
    shell
        .run(&["S", "config chekc 'c.toml'"])
        .refused(2, &["expected show, keys, check FILE, or apply FILE for MODEL"]);
    shell.run(&["S", "config keys profile x"]).refused(2, &["expected the end of the statement"]);
    shell.run(&["S", "config check"]).refused(2, &["the name of a file"]);
    shell.run(&["S", &format!("{check} for ranker")]).refused(2, &["`for` belongs to apply"]);
    shell.run(&["S", &format!("{check} by kim")]).refused(2, &["`by` belongs to apply"]);
    shell.run(&["S", "config check 'c.toml' profil x"]).refused(2, &["profile"]);
}

#[test]
fn the_environment_counts_and_is_checked() {
    let shell = Shell::with_points();
    let (code, text) = with_variable(&shell, "DRIFTLINE_MONITORING_WINDOW", "77", "config show");
    assert!(code == 0 && text.contains("77") && text.contains("DRIFTLINE_MONITORING_WINDOW"), "{text}");
    let (code, text) = with_variable(&shell, "DRIFTLINE_MONITORNG_WINDOW", "77", "config");
    assert!(code == 1 && text.contains("did you mean DRIFTLINE_MONITORING_WINDOW?"), "{text}");
    let file = shell.file("c.yaml", "a:\n  monitoring:\n    window: 1\nb:\n  monitoring:\n    window: 2222\n");
    let check = format!("config check '{file}'");
    shell.run(&["S", &check]).refused(1, &["several profiles", "say which: a, b"]);
    let (code, text) = with_variable(&shell, "DRIFTLINE_PROFILE", "b", &check);
    assert!(code == 0 && text.contains("profile b") && text.contains("2222"), "{text}");
    let (code, text) = with_variable(&shell, "DRIFTLINE_PROFILE", "a", &format!("{check} profile b"));
    assert!(code == 0 && text.contains("2222"), "what the statement says counts first: {text}");
}

#[test]
fn every_key_is_listed_with_what_it_takes() {
    let shell = Shell::with_points();
    let rows = shell.jsonl("config keys");
    let window = row(&rows, "monitoring.window");
    assert_eq!(window["takes"], "a whole number from 1 to 1000000");
    assert_eq!((&window["default"], &window["environment"]), (&json!(1000), &json!("DRIFTLINE_MONITORING_WINDOW")));
    assert_eq!((&row(&rows, "serving.port")["applies"], &window["applies"]), (&json!(false), &json!(true)));
    assert!(shell.run(&["S", "config keys"]).done().contains("DRIFTLINE_RETRAINING_APPROVAL"));
    let csv = shell.run(&["S", "config keys", "--format", "csv"]).done();
    assert!(csv.starts_with("key,takes,default,environment,meaning\n"), "{csv}");
}
