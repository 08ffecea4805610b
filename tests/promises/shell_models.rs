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
//! Models, modes, experiments and training from the shell, as people and as programs see them.

use super::support::shell::Shell;

/// A shell with two versions of a model, the first in production.
fn with_models() -> Shell {
    let shell = Shell::with_points();
    for version in ["1.0.0", "1.1.0"] {
        let file = shell.file(&format!("{version}.onnx"), version);
        let told = shell.run(&[
            "S",
            &format!(
                "model register ranker '{version}' from '{file}' metrics {{\"accuracy\": 0.{}}} by kim",
                version.len() + 85
            ),
        ]);
        assert!(told.done().starts_with(&format!("registered ranker@{version} (5 B)")));
    }
    shell.run(&["S", "alias set ranker production '1.0.0' by kim because 'the first'"]).done();
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
    shell.run(&["S", "alerts unset high_latency"]).done();
    assert!(shell.run(&["S", "alerts rules"]).done().contains("above 500"));
fn a_model_is_registered_promoted_and_rolled_back() {
    let shell = with_models();
    shell.run(&["S", "alias set ranker production '1.1.0'"]).refused(1, &["inference mode", "training"]);
    assert_eq!(shell.run(&["S", "mode set training by kim"]).done(), "training\n");
    shell.run(&["S", "alias set ranker production '1.1.0' by kim"]).done();
    let models = shell.run(&["S", "model"]).done();
    assert!(models.contains("ranker") && models.contains("1.1.0"), "{models}");
    shell.run(&["S", "alias rollback ranker production by lee because 'worse'"]).done();
    let history = shell.json("alias history ranker production");
    assert_eq!((history[2]["kind"].as_str(), history[2]["to"].as_str()), (Some("rollback"), Some("1.0.0")));
    assert_eq!(history[2]["reason"], "worse");
    assert_eq!(shell.run(&["S", "alias at '2000-01-01' ranker production"]).done(), "nowhere\n");
    shell.run(&["S", "alias rollback ranker production"]).refused(1, &["no earlier version"]);
    shell.run(&["S", "model show ranker '9'"]).refused(1, &["no version \"9\"", "1.1.0"]);
}

#[test]
fn an_artifact_comes_back_and_the_registry_is_a_document() {
    let shell = with_models();
    let (out, document) = (shell.path("out.onnx"), shell.path("registry.json"));
    shell.run(&["S", &format!("model load ranker '1.1.0' to '{}'", out.display())]).done();
    assert_eq!(std::fs::read_to_string(out).unwrap(), "1.1.0");
    shell.run(&["S", &format!("model export ranker to '{}'", document.display())]).done();
    let other = shell.path("other.drift");
    let other = other.to_str().unwrap();
    let import = format!("model import ranker from '{}'", document.display());
    assert_eq!(shell.run(&[other, &import]).done(), "registered 2 versions\n");
    let again = shell.path("again.onnx");
    shell.run(&[other, &format!("model load ranker '1.1.0' to '{}'", again.display())]).done();
    assert_eq!(std::fs::read_to_string(again).unwrap(), "1.1.0", "the artifact was taken along from where it came");
    let compared = shell.run(&["S", "model compare ranker '1.0.0' '1.1.0'"]).done();
    assert!(compared.contains("accuracy"), "{compared}");
}

#[test]
fn the_audit_log_tells_all_of_it_and_is_whole() {
    let shell = with_models();
    let entries = shell.json("audit limit 10");
    let actions: Vec<_> = entries.as_array().unwrap().iter().map(|it| it["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["alias.set", "register", "register"]);
    assert_eq!(shell.json("audit action register by kim").as_array().unwrap().len(), 2);
    assert!(shell.run(&["S", "audit verify"]).done().starts_with("3 entries, each as it was written"));
    shell.run(&["S", "delete '_audit' where @key = 1"]).refused(1, &["system collection"]);
}

#[test]
fn an_experiment_runs_from_the_shell() {
    let shell = with_models();
    let create =
        "experiment create 'ranker-2' on ranker '1.0.0' '1.1.0' split 0.5 for 7d guardrail latency_ms mean lower";
    assert_eq!(shell.run(&["S", create]).done(), "ranker-2 is created\n");
    shell.run(&["S", create]).refused(1, &["already"]);
    shell.run(&["S", "experiment pause 'ranker-2'"]).refused(1, &["it is created", "running"]);
    shell.run(&["S", "experiment start 'ranker-2' by kim"]).done();
    let assigned = shell.json("experiment assign 'ranker-2' 'user-1'");
    assert_eq!((assigned["variant"].as_str(), assigned["counted"].as_bool()), (Some("B"), Some(true)));
    shell.run(&["S", "experiment outcome 'ranker-2' 'user-1' accuracy 1"]).done();
    shell.run(&["S", "experiment outcome 'ranker-2' 'user-1' clicks 1"]).refused(1, &["clicks", "accuracy"]);
    let analysis = shell.json("experiment 'ranker-2'");
    assert_eq!((analysis["recommendation"].as_str(), analysis["samples_b"].as_u64()), (Some("continue"), Some(1)));
    let told = shell.run(&["S", "experiment 'ranker-2'"]).done();
    assert!(told.contains("not enough samples") && told.contains("guardrail"), "{told}");
    assert!(shell.run(&["S", "experiment"]).done().contains("running"));
}

#[test]
fn training_is_asked_for_and_approved() {
    let shell = with_models();
    shell.run(&["S", "retrain configure ranker {\"min_samples\": 1}"]).refused(1, &["min_samples", "min_new_samples"]);
    let configure = "retrain configure ranker {\"samples_in\": \"points\", \"min_new_samples\": 1, \"approval\": true, \"max_days_without_retrain\": 0}";
    shell.run(&["S", configure]).done();
    assert!(shell.run(&["S", "retrain tick"]).done().contains("run 1 of ranker is requested"));
    assert_eq!(shell.run(&["S", "retrain approve ranker 1 by kim"]).done(), "run 1 of ranker is approved\n");
    let runs = shell.json("retrain ranker days 1");
    assert_eq!((runs[0]["state"].as_str(), runs[0]["actor"].as_str()), (Some("approved"), Some("kim")));
    shell.run(&["S", "retrain reject ranker 1"]).refused(1, &["it is approved"]);
}
