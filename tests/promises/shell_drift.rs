//! `drift` and `baseline` answer in every format, and an alarm has an exit code of its own.

use std::time::Duration;

use driftline::mlops::drift::MonitorOptions;
use driftline::{Clock, Database, Metric, Random, Record, Schema, SystemClock, Timestamp, json};

use crate::support::shell::{Ended, Shell};

const HOUR: i64 = 3_600_000_000;

/// A store whose docs of the last two hours are longer, and in a monitor's record.
fn shell() -> Shell {
    let shell = Shell::empty();
    let db = Database::open(shell.store()).unwrap();
    let docs = db.create_collection("docs", Schema::vector(4, Metric::L2)).unwrap();
    let (mut random, now) = (Random::seeded(1, 0), SystemClock.now());
    docs.put_all((0..1_200u64).map(|n| {
        let ago = HOUR / 2 + n as i64 * HOUR / 100;
        let moved = if ago < 2 * HOUR { 1.0 } else { 0.0 };
        let mut draw = || driftline::stats::normal::draw(&mut random);
        let vector: Vec<f32> = (0..4).map(|_| (draw() + moved) as f32).collect();
        let lang = if n % 2 == 0 { "en" } else { "de" };
        let payload = json!({"lang": lang, "words": 50.0 + 5.0 * (draw() + moved)});
        Record::new(n).vector(vector).payload(payload).created_at(Timestamp(now.0 - ago))
    }))
    .unwrap();
    let options = MonitorOptions::default().interval(Duration::from_secs(3_600)).fields(["words"]);
    let options = options.begin(Timestamp(now.0 - 6 * HOUR));
    for options in [options.clone().name("hourly"), options] {
        db.drift_monitor("docs", options).unwrap().tick(now).unwrap();
    }
    db.close().unwrap();
    shell
}

/// What was printed before it ended as a check that failed.
#[track_caller]
fn alarmed(ended: Ended) -> String {
    assert_eq!(ended.code, 5, "{ended:?}");
    ended.out
}

#[test]
fn an_alarm_is_told_with_its_tests_and_rows_and_ends_with_five() {
    let shell = shell();
    let quiet = shell.run(&["S", "drift docs last '6h' against '6h' fields lang"]).done();
    assert!(quiet.starts_with("docs: stable\n") && quiet.contains(" z "), "{quiet}");
    let statement = "drift docs last '2h' against '5h' by lang";
    assert!(alarmed(shell.run(&["S", statement])).starts_with("docs: alarm\n"));
    let ended = alarmed(shell.run(&["S", statement, "--format", "json"]));
    let report: serde_json::Value = serde_json::from_str(&ended).unwrap();
    assert_eq!((&report["verdict"], &report["alarm"]), (&json!("alarm"), &json!(true)));
    let features: Vec<_> =
        report["results"].as_array().unwrap().iter().map(|it| it["feature"].as_str().unwrap()).collect();
    assert!(features.contains(&"lang") && features.contains(&"lang=de words") && features.contains(&"lang=en vector"));
    let told = alarmed(shell.run(&["S", "drift docs last '2h' against '5h'"]));
    for word in ["docs: alarm\n", "energy", "neighbours", "dimensions", "novel rows", "farthest from the reference"] {
        assert!(told.contains(word), "{word}: {told}");
    }
    let csv = alarmed(shell.run(&["S", "drift docs last '2h' against '5h' fields words", "--format", "csv"]));
    assert!(csv.starts_with("feature,verdict,test,") && csv.lines().count() == 2, "{csv}");
}

#[test]
fn baselines_are_made_listed_and_shown() {
    let shell = shell();
    let made = shell.run(&["S", "baseline create 'normal' from docs last '12h' fields words, lang"]).done();
    assert_eq!(made, "created normal version 1 with 1,000 rows of 2 columns\n");
    assert_eq!(shell.json("baseline create 'normal' from docs last '1h'")["version"], 2);
    let list = shell.jsonl("baseline list");
    assert_eq!((list.len(), &list[0]["name"], &list[0]["version"]), (1, &json!("normal"), &json!(2)));
    let shown = shell.run(&["S", "baseline show normal version 1"]).done();
    assert!(shown.starts_with("normal version 1, created ") && shown.contains("words") && shown.contains("sha256"));
    assert_eq!(shell.json("baseline show normal version 1")["columns"][1]["name"], "words");
    let against = alarmed(shell.run(&["S", "drift docs last '2h' against baseline normal version 1"]));
    assert!(against.contains("against baseline normal version 1"), "{against}");
    shell.run(&["S", "baseline show nrmal"]).refused(1, &["did you mean `normal`"]);
}

#[test]
fn what_was_recorded_is_summed_up_listed_and_drawn() {
    let shell = shell();
    let history = shell.jsonl("drift history docs last '1d'");
    assert!(history.len() >= 5 && history.iter().any(|it| it["alarm"] == true), "{history:?}");
    shell.run(&["S", "drift docs last '9h' against '2h' fields lang record"]).done();
    assert_eq!(shell.jsonl("drift history docs last '1d'").len(), history.len() + 1);
    let shown = shell.run(&["S", "drift show docs last '1d'"]).done();
    assert!(shown.contains("series") && shown.contains('█') && shown.contains("in alarm"), "{shown}");
    assert_eq!(shell.json("drift show docs last '1d'")["subject"]["collection"], "docs");
    let incidents = shell.jsonl("drift incidents docs last '1d'");
    assert!(incidents.len() <= 2 && incidents.iter().all(|it| it["monitor"] == "docs" || it["monitor"] == "hourly"));
    let csv = shell.run(&["S", "drift incidents docs last '1d'", "--format", "csv"]).done();
    assert!(csv.starts_with("incident,opened") && csv.lines().next().unwrap().ends_with(",monitor"), "{csv}");
    assert!(shown.contains("hourly: "), "a monitor with a name of its own is told of: {shown}");
}

#[test]
fn what_makes_no_sense_is_refused_where_it_stands() {
    let shell = shell();
    shell.run(&["S", "drift dogs"]).refused(1, &["[not_found]", "^^^^"]);
    shell.run(&["S", "drift docs method wassertsein"]).refused(1, &["did you mean `wasserstein`"]);
    shell.run(&["S", "drift docs lst '7d'"]).refused(2, &["did you mean `last`"]);
    shell.run(&["S", "drift model 'm'"]).refused(1, &["name@version", "^^^"]);
    shell.run(&["S", "drift history docs by lang"]).refused(2, &["belongs to a check"]);
    shell.run(&["S", "baseline make x"]).refused(2, &["create, list or show"]);
    shell.run(&["S", "drift docs last '2h' against '90d' where nothing = 'x'"]).refused(1, &["no rows"]);
}
