//! Scripts: statements from files, pipes and the command line run in order, stop at the first error and say its line;
//! every format holds the same answer.

use std::process::Stdio;

use driftline::{Database, Metric, Record, Schema, json};

use crate::support::shell::Shell;

#[test]
fn an_error_names_the_line_and_ends_the_script() {
    let shell = Shell::with_points();
    let script = "count points;\n-- a comment; that is none\nfind points neer @a;\ncount points;\n";
    let file = shell.file("load.dl", script);
    for (words, stdin, name) in
        [(vec!["S"], script, "stdin"), (vec!["S", "-f", &file], "", "load.dl"), (vec!["S", "-c", script], "", "-c")]
    {
        let ended = shell.feed(&words, stdin);
        assert_eq!((ended.code, ended.out.as_str()), (1, "3\n"), "{ended:?}");
        for word in [name, ", line 3: ", "  find points neer @a", "\n              ^^^^", "[invalid]"] {
            assert!(ended.err.contains(word), "{word:?} is missing: {ended:?}");
        }
        let words = [&words[..], &["--bail", "off"]].concat();
        let ended = shell.feed(&words, stdin);
        assert_eq!((ended.code, ended.out.as_str()), (1, "3\n3\n"), "{ended:?}");
    }
    let failing = shell.feed(&["S"], "count points;\n\nget points zz;");
    assert!(failing.err.contains("stdin, line 3: there is no record \"zz\""), "{failing:?}");
}

#[test]
fn statements_span_lines_and_lines_hold_many() {
    let shell = Shell::with_points();
    let script = ".mode json\ncount points; count points where lang\n  = 'en'\n;\n.mode csv\ncount points";
    assert_eq!(shell.feed(&["S"], script).done(), "{\"count\":3}\n{\"count\":1}\ncount\n3\n");
    assert_eq!(shell.run(&["S", "-c", "count points", "-c", "count points;"]).done(), "3\n3\n");
    assert_eq!(shell.run(&["S", "count points; count points"]).done(), "3\n3\n");
}

#[test]
fn without_a_path_the_store_is_in_memory() {
    let shell = Shell::empty();
    let script = "create notes payload only; put notes a {\"n\": 1}; get notes a;";
    let out = shell.feed(&["--format", "jsonl"], script).done();
    assert!(out.lines().last().unwrap().contains(r#""payload":{"n":1}"#), "{out}");
    assert_eq!(std::fs::read_dir(shell.dir.path()).unwrap().count(), 0);
    assert_eq!(shell.feed(&[], "").done(), "");
}

#[test]
fn every_format_holds_the_same_answer() {
    let shell = Shell::with_points();
    let print = |format: &str, more: &[&str]| {
        shell.run(&[&["S", "scan points select lang", "--format", format], more].concat()).done()
    };
    assert_eq!(print("table", &[]), " key   lang\n────────────\n 7\n a     en\n b     de\n");
    let boxed = "┌─────┬──────┐\n│ key ┆ lang │\n╞═════╪══════╡\n│ 7   ┆      │\n│ a   ┆ en   │\n│ b   ┆ de   │\n└─────┴──────┘\n";
    assert_eq!(print("box", &[]), boxed);
    assert_eq!(print("csv", &[]), "key,lang\n7,\na,en\nb,de\n");
    assert_eq!(print("csv", &["--no-header"]), "7,\na,en\nb,de\n");
    assert_eq!(print("line", &[]), " key = 7\nlang = \n\n key = a\nlang = en\n\n key = b\nlang = de\n");
    let lines = print("jsonl", &[]);
    assert_eq!(lines.lines().nth(1), Some(r#"{"key":"a","payload":{"lang":"en"}}"#));
    let all: serde_json::Value = serde_json::from_str(&print("json", &[])).unwrap();
    assert_eq!(all[2], json!({"key": "b", "payload": {"lang": "de"}}));
}

#[test]
fn a_long_vector_is_short_in_tables_and_whole_elsewhere() {
    let shell = Shell::empty();
    let vector: Vec<String> = (0..100).map(|n| format!("{n}.5")).collect();
    let script = format!("create v f32[100] l2; put v 1 [{}];", vector.join(","));
    shell.feed(&["S"], &script).done();
    let table = shell.run(&["S", "scan v"]).done();
    assert!(table.contains("[0.5, 1.5, … 100]"), "{table}");
    for format in ["json", "jsonl", "csv"] {
        assert!(shell.run(&["S", "scan v", "--format", format]).done().contains("98.5,99.5"), "{format}");
    }
}

#[test]
fn parameters_files_and_outputs_are_named_in_commands() {
    let shell = Shell::with_points();
    let part = shell.file("part.dl", "count points where lang = $lang;");
    let out = shell.path("out.txt").display().to_string();
    let script = format!(
        ".param set lang 'en'\n.param set q [3, 4]\n.read {part}\n.output '{out}'\nfind points near $q limit 1 select @key;\n\
         .output\n.param unset lang\ncount points where lang = $lang;"
    );
    let ended = shell.feed(&["S", "--format", "jsonl"], &script);
    assert_eq!((ended.code, ended.out.as_str()), (1, "{\"count\":1}\n"), "{ended:?}");
    assert!(ended.err.contains("line 8") && ended.err.contains("$lang"), "{ended:?}");
    assert!(std::fs::read_to_string(out).unwrap().starts_with(r#"{"key":"b","distance":0.0"#));
}

#[test]
fn a_script_ends_where_and_as_it_says() {
    let shell = Shell::with_points();
    let ended = shell.feed(&["S"], "count points;\n.exit 7\ncount points;");
    assert_eq!((ended.code, ended.out.as_str()), (7, "3\n"), "{ended:?}");
    assert_eq!(shell.feed(&["S"], "exit; nonsense").done(), "");
    let again = shell.file("again.dl", format!(".read '{}'", shell.path("again.dl").display()));
    shell.run(&["S", "-f", &again]).refused(1, &["again.dl, line 1", "read each other"]);
    shell.feed(&["S"], ".nonsense").refused(1, &[".nonsense", "line 1"]);
    let init = shell.file("init.dl", ".mode jsonl");
    assert_eq!(shell.run(&["S", "--init", &init, "count points"]).done(), "{\"count\":3}\n");
    assert_eq!(shell.run(&["S", "find points near @a", "--quiet"]).err, "");
}

#[test]
fn a_reader_that_stops_listening_is_no_error() {
    let shell = Shell::empty();
    let db = Database::open(shell.store()).unwrap();
    let points = db.create_collection("points", Schema::vector(64, Metric::L2)).unwrap();
    points.put_all((0..2000u64).map(|key| Record::new(key).vector(vec![0.5; 64]))).unwrap();
    db.close().unwrap();
    for words in [&["scan", "points", "--format", "jsonl"][..], &["-c", "scan points; scan points; nonsense"]] {
        let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("driftline"))
            .arg(shell.store())
            .args(words)
            .args(["--format", "jsonl"].iter().filter(|_| words[0] == "-c"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
    }
}

/// What was said on the pipe is done; then the store is closed, so that nothing is left to be replayed.
#[test]
#[cfg(unix)]
fn a_program_that_is_asked_to_end_closes_its_store() {
    use std::io::{BufRead, BufReader, Write};

    let shell = Shell::with_points();
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_driftline"))
        .args([shell.store().to_str().unwrap(), "--format", "jsonl"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let mut statements = program.stdin.take().unwrap();
    statements.write_all(b"put points 8 [1, 1];\n").unwrap();
    assert!(lines.next().unwrap().unwrap().contains("lsn"));
    let asked = std::process::Command::new("kill").args(["-TERM", &program.id().to_string()]).status().unwrap();
    assert!(asked.success());
    assert_eq!(program.wait().unwrap().code(), Some(143));
    let names =
        std::fs::read_dir(shell.store()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.filter(|name| name.starts_with("wal-")).count(), 0, "closing brings everything into files");
    assert_eq!(shell.json("count points")["count"], 4);
}
