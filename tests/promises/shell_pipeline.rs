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
