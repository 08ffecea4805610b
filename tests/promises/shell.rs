//! The program does what it says: each statement answers in every format, and the exit code tells how it went.

use std::fs;

use assert_cmd::Command;
use driftline::{Database, Options, json};

use crate::support::shell::{Shell, f32s, npy};

#[test]
fn create_makes_every_kind_of_collection_once() {
    let shell = Shell::empty();
    let statement = "create items (f32[3] cosine, lang text, ttl 90d) model 'm@1'";
    let out = shell.run(&["S", statement]).done();
    assert_eq!(out, "created items: f32[3] cosine index flat model 'm@1' ttl 90d fields lang text\n");
    shell.run(&["S", statement]).refused(1, &["[exists]", "^^^^^"]);
    assert_eq!(shell.json("create hashes bits[64]")["schema"], "bits[64] hamming index flat");
    assert_eq!(shell.jsonl("create notes payload only")[0]["created"], "notes");
    let names: Vec<_> = shell.jsonl("collections").iter().map(|it| it["name"].clone()).collect();
    assert_eq!(names, ["hashes", "items", "notes"]);
    assert!(shell.run(&["S", "collections"]).done().contains("payload only"));
    let schemas = shell.run(&["S", ".schema"]).done();
    let copy = Shell::empty();
    copy.feed(&["S"], &schemas).done();
    assert_eq!(copy.run(&["S", ".schema"]).done(), schemas);
}

#[test]
fn a_statement_is_one_word_of_the_command_line_or_many() {
    let shell = Shell::empty();
    shell.run(&["S", "create", "points", "f32[2]", "l2"]).done();
    shell.run(&["S", "put", "points", "a", "[-0.5,", "-1]", r#"{"lang": "en"}"#]).done();
    assert_eq!(
        shell.run(&["S", "count", "points", "where", "lang", "=", "'en'", "--format", "json"]).done(),
        "{\"count\":1}\n"
    );
    assert_eq!(shell.json("get points a")["vector"], json!([-0.5, -1.0]));
}

#[test]
fn a_command_line_without_sense_is_a_usage_error() {
    let shell = Shell::with_points();
    for statement in [
        "create x",
        "create x f32[3]",
        "create x bits[8] l2",
        "create x f32[3] euclid",
        "create x f32[3] l2 index hnsw(m=3)",
        "create x payload only ttl soon",
        "put points c [1,",
        "put points c [1,2] {",
        "get points 0xabc",
        "get points",
        "find points",
        "find points near @a near [1,2]",
        "count points where lang =",
        "drop points",
        "delete points",
        "nonsense",
    ] {
        shell.run(&["S", statement]).refused(2, &["error: "]);
    }
    shell.run(&["S", "count points", "--format", "xml"]).refused(2, &["xml"]);
    shell.run(&["--nonsense"]).refused(2, &[]);
    assert_eq!(shell.run(&["S", "count points"]).done(), "3\n");
}

#[test]
fn put_and_get_return_what_was_put() {
    let shell = Shell::with_points();
    let put = r#"put points c [0.1, -2.5] {"n": 1} ttl 1h"#;
    assert_eq!(shell.run(&["S", put]).done(), "put 1 record (LSN 2)\n");
    assert_eq!(shell.json(put)["replaced"], 1);
    shell.run(&["S", &format!("{put} if absent")]).refused(1, &["[conflict]"]);
    let table = shell.run(&["S", "get points c"]).done();
    assert!(table.contains("[0.1, -2.5]") && table.contains(r#"{"n":1}"#) && table.contains("expires"), "{table}");
    let json = shell.json("get points c");
    assert_eq!((&json["key"], &json["vector"], &json["payload"]), (&"c".into(), &json!([0.1, -2.5]), &json!({"n": 1})));
    assert_eq!(shell.jsonl("get points c"), [json]);

    let vector = shell.file("v.json", "[5, 6]");
    shell.run(&["S", &format!("put points d file('{vector}')")]).done();
    shell.feed(&["S", "put points e file('-')"], "[5, 6]").done();
    let rows = shell.file("v.npy", npy("<f4", "(2, 2)", false, &f32s(&[1.0, 2.0, 5.0, 6.0])));
    shell.run(&["S", &format!("put points f file('{rows}')[1]")]).done();
    shell.run(&["S", "put points g @f"]).done();
    for key in ["d", "e", "f", "g"] {
        assert_eq!(shell.json(&format!("get points {key}"))["vector"], json!([5.0, 6.0]), "{key}");
    }
    shell.run(&["S", &format!("put points h file('{rows}')[2]")]).refused(1, &["[not_found]", "v.npy", "^^^^"]);
    shell.run(&["S", &format!("put points h file('{rows}')")]).refused(1, &["holds many vectors"]);
    shell.run(&["S", "put points h [1]"]).refused(1, &["[dimension]", "^^^"]);
    let payload = shell.file("p.json", r#"{"from": "a file"}"#);
    shell.run(&["S", &format!("put points h [1, 2] payload file('{payload}')")]).done();
    assert_eq!(shell.json("get points h")["payload"], json!({"from": "a file"}));
}

#[test]
fn records_are_patched_one_by_one_or_by_a_filter() {
    let shell = Shell::with_points();
    assert_eq!(shell.run(&["S", "patch points 7 set lang = 'fr', size.net = 3"]).done(), "patched 1 record\n");
    assert_eq!(shell.json("get points 7")["payload"], json!({"lang": "fr", "size": {"net": 3}}));
    assert_eq!(shell.json("patch points set old = true where lang in ['en', 'fr']")["patched"], 2);
    assert_eq!(shell.json("count points where old = true")["count"], 2);
    shell.run(&["S", r#"patch points b {"lang": null} vector [9, 9]"#]).done();
    let record = shell.json("get points b");
    assert_eq!((&record["payload"], &record["vector"]), (&json!({}), &json!([9.0, 9.0])));
    shell.run(&["S", "patch points zz set a = 1"]).refused(1, &["[not_found]"]);
    shell.run(&["S", "patch points set a = 1"]).refused(2, &["--yes"]);
}

#[test]
fn keys_are_numbers_texts_or_bytes_as_they_are_written() {
    let shell = Shell::empty();
    shell.run(&["S", "create notes payload only"]).done();
    for key in ["7", "007", "0x00ff", "x", "'7' payload 1"] {
        shell.run(&["S", &format!("put notes {key}")]).done();
    }
    let keys: Vec<_> = shell.jsonl("scan notes").iter().map(|record| record["key"].clone()).collect();
    assert_eq!(keys, [json!(7), json!("007"), json!("7"), json!("x"), json!({"$bytes": "AP8="})]);
    assert_eq!(shell.json("get notes '7'")["payload"], 1);
}

#[test]
fn a_missing_key_fails_with_a_message() {
    let shell = Shell::with_points();
    for format in ["table", "box", "json", "jsonl", "csv", "line"] {
        let ended = shell.run(&["S", "get points zz", "--format", format]);
        ended.refused(1, &["error: ", "\"zz\"", "[not_found]"]);
    }
    shell.run(&["S", "find points near @zz"]).refused(1, &["[not_found]", "^^^"]);
    shell.run(&["S", "get nowhere a"]).refused(1, &["[not_found]", "nowhere", "^^^^^^^"]);
}

#[test]
fn delete_says_how_many_were_there() {
    let shell = Shell::with_points();
    assert_eq!(shell.run(&["S", "delete points a, zz"]).done(), "deleted 1 record; 1 not there\n");
    assert_eq!(shell.json("delete points b"), json!({"deleted": 1, "asked": 1}));
    assert_eq!(shell.jsonl("delete points b")[0]["deleted"], 0);
    assert_eq!(shell.json("count points")["count"], 1);
    let shell = Shell::with_points();
    assert_eq!(shell.run(&["S", "delete points where lang = 'en'"]).done(), "deleted 1 record\n");
    assert_eq!(shell.json("count points where lang is missing")["count"], 1);
    assert_eq!(shell.run(&["S", "delete points", "--yes"]).done(), "deleted 2 records\n");
}

#[test]
fn scan_walks_a_range_in_either_direction() {
    let shell = Shell::with_points();
    let keys = |clauses: &str| -> Vec<serde_json::Value> {
        let statement = format!("scan points {clauses}");
        let listed = shell.jsonl(&statement);
        assert_eq!(serde_json::Value::from(listed.clone()), shell.json(&statement));
        listed.iter().map(|record| record["key"].clone()).collect()
    };
    assert_eq!(keys(""), [json!(7), json!("a"), json!("b")]);
    assert_eq!(keys("reverse limit 2"), ["b", "a"]);
    assert_eq!(keys("from a to b"), ["a"]);
    assert_eq!(keys("prefix b"), ["b"]);
    assert_eq!(keys("after 7"), ["a", "b"]);
    assert_eq!(keys("where lang = 'de' or @key = 7"), [json!(7), json!("b")]);
    let table = shell.run(&["S", "scan points limit 2"]);
    assert!(table.err.contains("there are more: go on with `after a`"), "{table:?}");
    assert!(table.out.contains("[1, 0]") && !table.out.contains("[3, 4]"), "{table:?}");
    let chosen = shell.run(&["S", "scan points select lang"]).done();
    assert!(chosen.contains(" lang") && chosen.contains(" de") && !chosen.contains("[3, 4]"), "{chosen}");
}

#[test]
fn find_returns_the_nearest_first() {
    let shell = Shell::with_points();
    let hits = shell.jsonl("find points near [0.9, 0] limit 2 select @key");
    assert_eq!(hits.iter().map(|hit| hit["key"].clone()).collect::<Vec<_>>(), [json!(7), json!("a")]);
    let answer = shell.json("find points near [0.9, 0] limit 2");
    assert_eq!((&answer["completeness"], &answer["stats"]["distances"]), (&"complete".into(), &3.into()));
    assert_eq!(answer["hits"][1]["payload"], json!({"lang": "en"}));
    let table = shell.run(&["S", "find points near @a"]);
    assert!(table.out.contains("25") && table.out.contains("de") && !table.out.contains("en"), "{table:?}");
    assert!(table.err.starts_with("2 hits; 3 distances"), "{table:?}");
    let chosen = shell.run(&["S", "find points near [3, 4] limit 1 select lang"]).done();
    assert!(chosen.contains("lang") && chosen.contains(" de"), "{chosen}");
    shell.run(&["S", "find points near [1]"]).refused(1, &["[dimension]", "^^^"]);
    shell.run(&["S", "find points near [1,2] limit 0"]).refused(1, &["[invalid]"]);
}

#[test]
fn find_keeps_to_a_filter_and_a_distance_and_goes_on_after_a_cursor() {
    let shell = Shell::with_points();
    let find = |clauses: &str| {
        let answer = shell.json(&format!("find points near [0, 0] {clauses}"));
        let keys = answer["hits"].as_array().unwrap().iter().map(|hit| hit["key"].clone()).collect::<Vec<_>>();
        (keys, answer)
    };
    let (keys, answer) = find("where lang in ['en', 'de'] limit 5");
    assert_eq!((keys, &answer["completeness"]), (vec![json!("a"), json!("b")], &"filter_exhausted".into()));
    assert_eq!(find("within 1").0, [json!("a"), json!(7)]);
    let (keys, answer) = find("limit 2");
    assert_eq!(keys, [json!("a"), json!(7)]);
    assert_eq!(find(&format!("limit 2 after '{}'", answer["next"].as_str().unwrap())).0, ["b"]);
    shell.run(&["S", "find points near [0, 0] after nonsense"]).refused(1, &["cursor"]);
    shell.run(&["S", "find points near [0, 0] where lang = = 3"]).refused(2, &["[filter]", "  find points", "^"]);
}

#[test]
fn explain_tells_what_a_search_did() {
    let shell = Shell::with_points();
    let explain = shell.json("explain find points near @a where lang = 'de' limit 1");
    assert!(explain.is_object(), "{explain}");
    let told = shell.run(&["S", "explain find points near @a where lang = 'de' limit 1"]).done();
    assert!(told.contains("lang = 'de'"), "{told}");
}

#[test]
fn recall_compares_the_index_with_the_exact_answers() {
    let shell = Shell::with_points();
    let told = shell.run(&["S", "recall points k 1"]).done();
    assert!(told.contains("recall of points: 3 stored queries, k 1, recall 0.95"), "{told}");
    assert!(told.contains("1.0000 on average"), "{told}");
    let report = shell.json("recall points sample 3 k 1 ef 7 seed 3 where lang = 'en'");
    // One of the three is the only record that passes, and is left out of its own answer.
    assert_eq!((&report["recall"]["queries"], &report["filter"]), (&json!(2), &json!("lang = 'en'")));
    let file = shell.file("q.npy", npy("<f4", "(2, 2)", false, &f32s(&[0.0, 0.0, 5.0, 5.0])));
    let report = shell.json(&format!("recall points queries '{file}' recall 0.9"));
    assert_eq!((&report["source"], &report["recall"]["queries"]), (&json!("supplied"), &json!(2)));
    assert_eq!(shell.json(&format!("recall points queries '{file}' sample 1"))["recall"]["queries"], 1);
    shell.run(&["S", "recall points queries 'none.npy'"]).refused(1, &["none.npy"]);
    shell.run(&["S", "recall points k 0"]).refused(1, &["k is 0"]);
}

#[test]
fn verify_and_stats_describe_a_sound_store() {
    let shell = Shell::with_points();
    assert!(shell.run(&["S", "verify"]).done().contains("3 records: all is well"));
    assert!(shell.run(&["S", "verify quick"]).done().contains("all is well"));
    assert_eq!(shell.json("verify")["problems"], json!([]));
    let table = shell.run(&["S", "stats"]).done();
    assert!(table.contains("points") && table.contains("f32[2] l2"), "{table}");
    assert_eq!(shell.json("stats")["collections"][0]["records"], 3);
    assert_eq!(shell.jsonl("stats")[0]["lsn"], 1);
    assert_eq!(shell.json("stats points")["records"], 3);
    assert_eq!(shell.json("compact points")["compacted"], json!(["points"]));
    assert_eq!(shell.json("flush")["flushed"], true);
}

#[test]
fn damage_is_found_and_has_its_own_exit_code() {
    let shell = Shell::with_points();
    let entries = fs::read_dir(shell.store()).unwrap().map(|entry| entry.unwrap().path());
    let segment = entries.into_iter().find(|path| path.file_name().unwrap().to_string_lossy().starts_with("seg-"));
    let segment = segment.expect("closing made a segment");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[4096] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let verified = shell.run(&["S", "verify"]);
    assert_eq!(verified.code, 4, "{verified:?}");
    assert!(verified.out.contains("problem") && verified.out.contains("seg-"), "{verified:?}");
    let json = shell.run(&["S", "verify", "--format", "json"]);
    assert_eq!(json.code, 4, "{json:?}");
    assert!(json.out.contains(r#""part":"collection points""#), "{json:?}");
    fs::write(segment, b"").unwrap();
    shell.run(&["S", "count points"]).refused(4, &["[corrupt]", "seg-"]);
}

#[test]
fn a_store_that_cannot_be_opened_has_its_own_exit_code() {
    let shell = Shell::empty();
    for made in [false, true] {
        for statement in ["count points", "put points a", "import '/nowhere.npy' into points"] {
            let code = if statement.starts_with("import") { 1 } else { 3 };
            shell.run(&["S", statement]).refused(code, &["[not_found]"]);
        }
        if !made {
            fs::create_dir(shell.store()).unwrap();
        }
    }
}

#[test]
fn a_locked_store_is_refused_and_readers_share_one() {
    let shell = Shell::with_points();
    let writer = Database::open(shell.store()).unwrap();
    shell.run(&["S", "count points"]).refused(3, &["[locked]"]);
    shell.run(&["S", "delete points a"]).refused(3, &["[locked]"]);
    writer.close().unwrap();
    let reader = Options::new().open_read_only(shell.store()).unwrap();
    assert_eq!(shell.run(&["S", "count points"]).done(), "3\n");
    shell.run(&["S", "delete points a"]).refused(3, &["[locked]"]);
    reader.close().unwrap();
    shell.run(&["S", "delete points a", "--read-only"]).refused(1, &["[read_only]"]);
}

#[test]
fn a_collection_is_dropped_only_when_that_is_meant() {
    let shell = Shell::with_points();
    shell.run(&["S", "drop points"]).refused(2, &["--yes"]);
    assert_eq!(shell.run(&["S", "drop points", "--yes"]).done(), "dropped points\n");
    shell.run(&["S", "drop points", "--yes"]).refused(1, &["[not_found]"]);
}

#[test]
fn help_has_a_page_for_every_statement() {
    let shell = Shell::empty();
    let list = shell.run(&["help"]).done();
    for verb in driftline::statement::VERBS {
        assert!(list.contains(&format!("  {} ", verb.name)), "{} is not listed", verb.name);
        let page = shell.run(&["help", verb.name]).done();
        assert!(page.contains(verb.head) && page.contains(verb.examples[0]), "{page}");
        assert!(verb.clauses.iter().all(|clause| page.contains(clause.keyword)), "{page}");
        let keywords: std::collections::BTreeSet<_> = verb.clauses.iter().map(|clause| clause.keyword).collect();
        assert_eq!(keywords.len(), verb.clauses.len(), "a clause is told of once: {page}");
        assert!(page.lines().all(|line| line.chars().count() <= 100 || line.starts_with("  ")), "{page}");
    }
    assert!(list.contains(".mode FORMAT"), "{list}");
    shell.run(&["help", "nonsense"]).refused(1, &["nonsense"]);
    let usage = shell.run(&["--help"]).done();
    assert!(usage.contains("Exit codes") && usage.contains("--timeout"), "{usage}");
}

#[test]
fn the_demonstration_finds_everything_that_was_acknowledged() {
    let shell = Shell::empty();
    let report = shell.run(&["demo", "S", "--format", "json"]).done();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let count = |name: &str| report[name].as_u64().unwrap();
    assert_eq!((count("imported"), count("missing"), count("altered"), count("half_written")), (899, 0, 0, 0));
    assert_eq!((count("found"), count("problems")), (count("acknowledged"), 0));
    assert!(count("acknowledged") > 0 && count("same_label") > 850, "{report}");
    let models = &report["models"];
    assert_eq!((models["adopted"].as_bool(), models["audit_whole"].as_bool()), (Some(true), Some(true)), "{models}");
    assert_eq!(models["computed"], serde_json::json!([50, 0, 50]), "a promotion never serves an old answer");
    shell.run(&["demo", "S"]).refused(1, &["[exists]"]);
    assert!(shell.run(&["S", "find digits near @42"]).done().contains("418"));
}

#[test]
fn what_the_demonstration_tells_fits_the_screen_and_its_commands_work() {
    let shell = Shell::empty();
    let told = shell.run(&["demo"]).done();
    let program = assert_cmd::cargo::cargo_bin!("driftline").to_str().unwrap();
    let width = |line: &str| line.replace(program, "target/release/driftline").chars().count();
    let wide: Vec<_> = told.lines().filter(|line| width(line) > 80 && !line.contains("driftline-demo-")).collect();
    assert!(wide.is_empty(), "{wide:#?}");
    let (_, commands) = told.split_once("Try next:").unwrap();
    let script: String =
        commands.lines().filter(|line| line.starts_with("   ")).map(|line| format!("{line}\n")).collect();
    assert!(script.lines().count() > 10, "{told}");
    let mut sh = Command::new("sh");
    sh.args(["-e", "-c", &script]).assert().success();
}
