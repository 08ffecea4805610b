//! The dashboard: a store and its models at one look, in every format and width.

use serde_json::json;

use super::support::shell::Shell;

/// A model in production with predictions, an open alert, an experiment and a training, and one that is only registered.
fn watched() -> Shell {
    let shell = Shell::with_points();
    let model = shell.file("m.bin", b"weights");
    let script = format!(
        r#"
        model register ranker '1' from '{model}'; model register ranker '2' from '{model}';
        model register idle '7' from '{model}';
        alias set ranker production '1' by kim;
        monitor record ranker@1 {{"output": "a", "truth": "a", "latency_ms": 10}};
        monitor record ranker@1 {{"output": "a", "truth": "b", "latency_ms": 30}};
        monitor record ranker@2 {{"error": "no answer", "latency_ms": 900}};
        log ranker@1 [1, 2];
        experiment create 'second' on ranker '1' '2'; experiment start 'second';
        retrain configure ranker {{}}; retrain force ranker;
        "#
    );
    shell.run(&["S", &script]).done();
    shell
}

#[test]
fn all_that_is_known_of_a_store_and_its_models_is_told() {
    let shell = watched();
    let board = shell.json("dashboard");
    assert_eq!((&board["store"]["health"], &board["store"]["records"]), (&json!("healthy"), &json!(3)));
    assert_eq!(board["store"]["experiments"], json!(["second"]));
    let models: Vec<_> = board["models"].as_array().unwrap().iter().map(|it| it["model"].as_str().unwrap()).collect();
    assert_eq!(models, ["idle@7", "ranker@1", "ranker@2"]);
    let ranker = &board["models"][1];
    assert_eq!((&ranker["avg_accuracy"], &ranker["labelled"], &ranker["logged"]), (&json!(0.5), &json!(2), &json!(1)));
    assert_eq!((&ranker["aliases"], &ranker["production"]), (&json!(["production"]), &json!("1")));
    assert_eq!(
        (&ranker["experiments"][0]["name"], &ranker["experiments"][0]["version_b"]),
        (&json!("second"), &json!("2"))
    );
    assert_eq!(ranker["last_retrain"]["number"], json!(1));
    let course = ranker["course"]["predictions"].as_array().unwrap();
    assert_eq!((course.len(), course.iter().filter_map(|it| it.as_f64()).sum::<f64>()), (24, 2.0));
    assert_eq!(board["models"][2]["avg_error_rate"], json!(1.0));

    assert_eq!(shell.json("dashboard ranker")["models"].as_array().unwrap().len(), 2);
    assert_eq!(shell.json("dashboard ranker@2")["models"].as_array().unwrap().len(), 1);
    shell.run(&["S", "dashboard rankr"]).refused(1, &["nothing is known of the model rankr", "did you mean ranker"]);
    shell.run(&["S", "dashboard ranker limit 3"]).refused(2, &["last"]);
}

#[test]
fn the_dashboard_fits_people_and_programs() {
    let shell = watched();
    let table = shell.run(&["S", "dashboard"]).done();
    for part in
        ["is healthy", "no open alerts", "1 experiment running", "ranker@1 *", "50 %", "29 ms", "* in production"]
    {
        assert!(table.contains(part), "{part}: {table}");
    }
    let block = shell.run(&["S", "dashboard ranker@1 last '2d'"]).done();
    for part in
        ["ranker@1 (production) is healthy", "50 % of 2 truths", "p95 29 ms", "none open", "second: 2 against 1"]
    {
        assert!(block.contains(part), "{part}: {block}");
    }
    let csv = shell.run(&["S", "dashboard", "--format", "csv"]).done();
    let rows: Vec<&str> = csv.lines().collect();
    assert_eq!(rows[0], "model,status,predictions,accuracy,latency p95,errors,quality,drift,alerts");
    assert_eq!(rows[2], "ranker@1,healthy,2,0.5,29,0,,,0");
    assert_eq!(shell.jsonl("dashboard").len(), 1);
    for width in [80, 120] {
        let shown = shell.feed(&["S"], &format!(".width {width}\ndashboard;\n")).done();
        let long = shown.lines().find(|line| line.chars().count() > width && !line.contains(" is healthy"));
        assert_eq!(long, None, "{width}:\n{shown}");
        assert!(shown.contains("ranker@1 *") && shown.contains("29 ms"), "{shown}");
    }
}
