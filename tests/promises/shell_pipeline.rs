//! A model that is watched from one configuration, from the shell.

use super::support::shell::Shell;

const FILE: &str = "production:\n  monitoring:\n    window: 500\n  serving:\n    port: 5000\n";

fn with_pipeline() -> Shell {
    let shell = Shell::with_points();
    let file = shell.file("production.yaml", FILE);
    let told = shell.run(&["S", &format!("config apply '{file}' profile production for ranker by kim")]);
    assert!(told.done().starts_with("ranker, set up "));
    shell
}

#[test]
fn a_file_sets_a_pipeline_up_and_it_is_told_what_holds() {
    let shell = with_pipeline();
    let settings = shell.json("config show for ranker");
    let window = settings.as_array().unwrap().iter().find(|it| it["key"] == "monitoring.window").unwrap();
    assert_eq!(window["value"], 500);
    let pipelines = shell.json("pipeline");
    assert_eq!((pipelines[0]["model"].as_str(), pipelines.as_array().unwrap().len()), (Some("ranker"), 1));
    let status = shell.run(&["S", "pipeline ranker"]).done();
    assert!(status.contains("in production: none") && status.contains("no versions"), "{status}");
    let ticks = shell.json("pipeline tick");
    assert_eq!((ticks[0]["model"].as_str(), &ticks[0]["tick"]["alerts"]), (Some("ranker"), &serde_json::json!([])));
}

/// The way of an incident as somebody goes it who has the shell alone.
#[test]
fn a_version_that_fails_is_taken_back_and_the_story_is_told() {
    let shell = Shell::with_points();
    let file = shell.file("watch.toml", "[monitoring]\nwindow = 30\nmin_samples = 10\n");
    let artifact = shell.file("model.onnx", "weights");
    let mut script = format!("mode set training by kim; config apply '{file}' for ranker by kim;");
    for version in ["1.0.0", "1.1.0"] {
        script += &format!("model register ranker '{version}' from '{artifact}' metrics {{\"accuracy\": 0.9}} by kim;");
        script += &format!("alias set ranker production '{version}' by kim;");
    }
    script += "experiment create 'next' on ranker '1.0.0' '1.1.0'; experiment start 'next';";
    for place in 0..30 {
        let said = if place < 12 { r#"{"error": "no answer"}"# } else { r#"{"output": "a", "truth": "b"}"# };
        script += &format!("monitor record ranker@1.1.0 {said} at '2026-01-31T12:00:{place:02}Z';");
    }
    shell.run(&["S", &script]).done();
    let tick = &shell.json("pipeline tick ranker")[0]["tick"];
    assert_eq!((&tick["windows"], tick["alerts"].as_array().unwrap().len()), (&1.into(), 2), "{tick}");
    let told = shell.run(&["S", "pipeline ranker"]).done();
    for words in [
        "in production: 1.0.0",
        "incident: accuracy_drop of ranker@1.1.0 is 0.9",
        "incident: error_rate of ranker@1.1.0 is 0.4",
        "action: roll_back for alert 2: ranker@1.1.0 went back to 1.0.0",
        "action: pause_experiments for alert 1: paused: next",
        "last run: 1, approved",
        "nobody trains in this process",
    ] {
        assert!(told.contains(words), "{words} is missing: {told}");
    }
    assert!(!told.contains("is not known"), "1.0.0 was registered with its accuracy: {told}");
    let row = shell.run(&["S", "pipeline", "--format", "csv"]).done();
    assert!(row.contains("\nranker,1.0.0,2,2,0,approved,"), "{row}");
    let story = shell.json("audit of 'window ranker@1.1.0 from 2026-01-31T12:00:00Z'");
    let story: Vec<_> = story.as_array().unwrap().iter().map(|it| it["action"].as_str().unwrap()).collect();
    assert_eq!(story, ["alert.fired", "alert.fired", "experiment.pause", "alias.rollback", "retrain.force"]);
    assert!(shell.run(&["S", "audit verify"]).done().contains("each as it was written"));
    shell.run(&["S", "verify"]).done();
}

#[test]
fn setting_it_up_again_is_told_only_where_something_changed() {
    let shell = with_pipeline();
    let entries = |shell: &Shell| {
        let found = shell.json("audit action 'pipeline.configure'");
        found.as_array().unwrap().iter().map(|it| it["actor"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let path = shell.path("production.yaml").display().to_string();
    shell.run(&["S", &format!("config apply '{path}' for ranker by lee")]).done();
    assert_eq!(entries(&shell), ["kim"]);
    shell.file("production.yaml", FILE.replace("500", "250"));
    shell.run(&["S", &format!("config apply '{path}' for ranker by lee")]).done();
    assert_eq!(entries(&shell), ["lee", "kim"]);
}

#[test]
fn what_cannot_be_set_up_or_is_not_there_is_refused() {
    let shell = with_pipeline();
    let path = shell.path("production.yaml").display().to_string();
    shell.run(&["S", &format!("config apply '{path}'")]).refused(2, &["expected for MODEL"]);
    shell.run(&["S", "config apply 'none.yaml' for ranker"]).refused(1, &["none.yaml"]);
    shell.file("production.yaml", FILE.replace("window", "windw"));
    shell.run(&["S", &format!("config apply '{path}' for ranker")]).refused(1, &["line 3", "windw", "window"]);
    for statement in ["pipeline rankr", "pipeline tick rankr", "config show for rankr"] {
        shell.run(&["S", statement]).refused(1, &["no pipeline", "rankr"]);
    }
}
