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
    // They were registered from absolute paths, which a document of somebody else must not lead to.
    let exported = std::fs::read_to_string(&document).unwrap();
    let directory = format!("{}/", shell.dir.path().display());
    for elsewhere in [directory.as_str(), "./../", "x/../"] {
        std::fs::write(&document, exported.replace(&directory, elsewhere)).unwrap();
        shell.run(&[other, &import]).refused(1, &["artifact of 1.0.0", "not beside the document", "file_path"]);
    }
    std::fs::write(&document, exported.replace(&directory, "./")).unwrap();
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
    assert_eq!(actions, ["mode.set", "alias.set", "register", "register"]);
    assert_eq!(shell.json("audit action register by kim").as_array().unwrap().len(), 2);
    assert!(shell.run(&["S", "audit verify"]).done().starts_with("4 entries, each as it was written"));
    shell.run(&["S", "delete '_audit' where @key = 1"]).refused(1, &["system collection"]);
}

#[test]
fn an_experiment_runs_from_the_shell() {
    let shell = with_models();
    let create =
        "experiment create 'ranker-2' on ranker '1.0.0' '1.1.0' split 0.5 for 7d guardrail latency_ms mean lower";
    assert_eq!(shell.run(&["S", create]).done(), "ranker-2 is created\n");
    shell.run(&["S", create]).refused(1, &["already"]);
    let misspelt = "experiment create 'x' on ranker '1.0.0' '1.1.O'";
    shell.run(&["S", misspelt]).refused(1, &["no version \"1.1.O\"", "did you mean `1.1.0`?"]);
    let free = "experiment create 'x' on other 'a' 'b' guardrail errors lower guardrail latency_ms mean lower \
        secondary clicks ramp '1d' 0.4 ramp '2d' 0.5 effect 0.02";
    assert_eq!(shell.run(&["S", free]).done(), "x is created\n");
    let all = shell.json("experiment");
    let config = &all.as_array().unwrap().iter().find(|it| it["config"]["name"] == "x").unwrap()["config"];
    let names = |role: &str| config[role].as_array().unwrap().iter().map(|it| it["name"].clone()).collect::<Vec<_>>();
    assert_eq!((names("guardrails").len(), names("secondary")), (2, vec!["clicks".into()]));
    assert_eq!(
        (&config["ramp"][1]["after_seconds"], &config["ramp"][1]["traffic_split"]),
        (&172_800.0.into(), &0.5.into())
    );
    assert_eq!((&config["minimal_effect"], &config["duration_seconds"]), (&0.02.into(), &1_209_600.0.into()));
    shell
        .run(&["S", "experiment create 'y' on other 'a' 'b' split 0.1 split 0.2"])
        .refused(2, &["`split` is said twice"]);
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
    assert_eq!(shell.run(&["S", "retrain reject ranker 1"]).done(), "run 1 of ranker is rejected\n");
    shell.run(&["S", "retrain reject ranker 1"]).refused(1, &["it is rejected", "requested or approved"]);
}
