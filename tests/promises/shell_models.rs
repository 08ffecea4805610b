//! The shell watches models: predictions, figures, alerts, in every format.

use serde_json::Value as Json;

use super::support::shell::Shell;

fn json(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn with_predictions() -> Shell {
    let shell = Shell::with_points();
    let script = r#"
        monitor record spam@3 {"output": "spam", "confidence": 0.9, "latency_ms": 10, "id": "r1"};
        monitor record spam@3 {"output": {"spam": 0.2, "ham": 0.8}, "truth": "ham", "latency_ms": 30, "features": {"age": 3}};
        monitor record spam@3 {"error": "no answer after 30 s", "latency_ms": 30};
        monitor label spam@3 r1 ham;
    "#;
    shell.run(&["S", script]).done();
    shell
}

#[test]
fn a_model_is_watched_from_a_script() {
    let shell = with_predictions();
    let shown = json(&shell.run(&["S", "monitor spam@3", "--format", "json"]).done());
    assert_eq!((shown["total_predictions"].as_u64(), shown["avg_accuracy"].as_f64()), (Some(3), Some(0.5)));
    assert_eq!(shown["figures"]["error_patterns"][0]["kind"], "no answer after # s");
    let table = shell.run(&["S", "monitor spam@3 last '24h'"]).done();
    for line in ["model", "spam@3", "33.33 %", "50 % of 2 truths", "p50 30", "█", "no answer after # s"] {
        assert!(table.contains(line), "{line}: {table}");
    }
    let trend =
        json(&shell.run(&["S", "monitor spam@3 trend predictions last '2d' step '1d'", "--format", "json"]).done());
    assert_eq!(trend.as_array().unwrap().iter().map(|point| point["predictions"].as_u64().unwrap()).sum::<u64>(), 3);
    let csv = shell.run(&["S", "monitor", "--format", "csv"]).done();
    assert!(csv.starts_with("model,status,predictions of a day,") && csv.contains("spam@3,healthy,3,50 %"), "{csv}");
    let baseline = shell.run(&["S", "monitor baseline spam@3 because 'a test'"]).done();
    assert_eq!(baseline, "baseline 1 from 3 predictions\n");
    assert_eq!(json(&shell.run(&["S", "monitor tick", "--format", "json"]).done())[0]["report"]["closed"], 0);
}

#[test]
fn what_makes_no_sense_is_refused_with_what_to_say_instead() {
    let shell = with_predictions();
    shell.run(&["S", "monitor spam@4"]).refused(1, &["spam@3"]);
    shell.run(&["S", "monitor spam@3 trend acuracy"]).refused(1, &["did you mean `accuracy`?"]);
    shell.run(&["S", "monitor spam@3 limit 3"]).refused(2, &["expected last"]);
    shell.run(&["S", "monitor label spam@3 r9 ham"]).refused(1, &["r9", "[not_found]"]);
    shell.run(&["S", r#"monitor record spam@3 {"outptu": 1}"#]).refused(1, &["outptu"]);
    shell.run(&["S", r#"monitor record spam {"output": 1}"#]).refused(1, &["name@version"]);
    let new = shell.path("new.drift");
    let path = new.to_str().unwrap();
    shell.run(&[path, r#"monitor record spam {"output": 1}"#]).refused(1, &["name@version"]);
    shell.run(&[path, r#"monitor record spam@3 {"outptu": 1}"#]).refused(1, &["outptu"]);
    assert!(!new.exists(), "nothing is made for what is refused");
    shell.run(&["S", r#"monitor record spam@3 {"output": 1} at 'noon'"#]).refused(2, &["is no time", "^^^^^^"]);
    shell.run(&["S", "alerts raise critcal 'x'"]).refused(1, &["did you mean `critical`?"]);
    shell.run(&["S", "alerts show 9"]).refused(1, &["[not_found]"]);
    shell.run(&["S", "alerts silence 'x'"]).refused(2, &["for TIME"]);
    shell.run(&["S", "alerts set {\"name\": 1}"]).refused(1, &["alerts rules"]);
}

#[test]
fn alerts_are_raised_listed_and_silenced() {
    let shell = with_predictions();
    assert_eq!(shell.run(&["S", "alerts"]).done(), "no incident was ever opened\n");
    let raised = shell.run(&["S", "alerts raise warning 'the disk is slow'"]).done();
    assert!(raised.contains("the disk is slow") && raised.contains("manual"), "{raised}");
    let history = json(&shell.run(&["S", "alerts history last '1h' limit 5", "--format", "json"]).done());
    assert_eq!((history[0]["severity"].as_str(), history[0]["kind"].as_str()), (Some("warning"), Some("raised")));
    assert_eq!(json(&shell.run(&["S", "alerts show 1", "--format", "json"]).done())["message"], "the disk is slow");
    let silenced = "alerts silence 'high_*' on 'spam@*' for '2h' by ann because 'moving'";
    shell.run(&["S", silenced]).done();
    let silences = shell.run(&["S", "alerts silences", "--format", "csv"]).done();
    assert!(silences.contains("1,high_*,spam@*,") && silences.contains(",ann,moving"), "{silences}");
    assert_eq!(shell.run(&["S", "alerts unsilence 1"]).done(), "silence 1 is over\n");
    assert_eq!(shell.run(&["S", "alerts silences"]).done(), "nothing is silenced\n");
    shell.run(&["S", "alerts ack 1"]).refused(1, &["no incident 1 lasts"]);

    let rules = json(&shell.run(&["S", "alerts rules", "--format", "json"]).done());
    let mut slow = rules.as_array().unwrap().iter().find(|rule| rule["name"] == "high_latency").unwrap().clone();
    slow["bands"][0]["edge"]["above"] = 50.0.into();
    let table = shell.run(&["S", &format!("alerts set {slow}")]).done();
    assert!(table.contains("above 50") && table.contains("at least 200"), "{table}");
    slow["model"] = "spam".into();
    slow["bands"][0]["edge"]["above"] = 70.0.into();
    let table = shell.run(&["S", &format!("alerts set {slow}")]).done();
    assert!(table.contains("spam@*") && table.contains("above 70"), "{table}");
    assert_eq!(
        shell.run(&["S", "alerts unset high_latency on spam"]).done(),
        "spam has no high_latency of its own any more\n"
    );
    shell.run(&["S", "alerts unset high_latency on spam"]).refused(1, &["no rule `high_latency` of model `spam`"]);
    assert!(shell.run(&["S", "alerts rules"]).done().contains("above 50"), "that of the store stays");
    shell.run(&["S", "alerts unset high_latency"]).done();
    assert!(shell.run(&["S", "alerts rules"]).done().contains("above 500"));
}

#[test]
fn a_first_prediction_makes_the_store_and_may_be_of_an_earlier_time() {
    let shell = Shell::empty();
    let script = r#"
        monitor record spam@3 {"output": "spam", "id": "r1"} at '2026-01-31T12:00:00Z';
        monitor label spam@3 r1 ham at '2026-02-02';
        monitor label spam@3 r1 spam at '2026-02-01';
    "#;
    let told = shell.run(&["S", script]).done();
    assert!(told.contains("recorded r1") && told.contains("a later truth is known already"), "{told}");
    let rows = shell.jsonl("scan _predictions");
    assert_eq!((&rows[0]["payload"]["truth"]["label"], rows.len()), (&serde_json::json!("ham"), 1), "{rows:?}");
    assert_eq!(rows[0]["payload"]["at"], serde_json::json!(1_769_860_800_000_000_i64), "{rows:?}");
}
