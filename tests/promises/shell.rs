//! The program does what it says: each command answers in every format, and the exit code tells how it went.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use assert_cmd::cargo::cargo_bin_cmd;
use driftline::{Database, Metric, Options, Record, Schema, json};
use tempfile::TempDir;

/// A directory with a store to be, and the program.
struct Shell {
    dir: TempDir,
}

/// How a command ended and what it printed.
#[derive(Debug)]
struct Ended {
    code: i32,
    out: String,
    err: String,
}

impl Ended {
    #[track_caller]
    fn done(self) -> String {
        assert_eq!((self.code, self.err.contains("error")), (0, false), "{self:?}");
        self.out
    }

    /// Failed with this code, printing no data, and saying all of `words` on stderr.
    #[track_caller]
    fn refused(self, code: i32, words: &[&str]) {
        assert_eq!((self.code, self.out.as_str()), (code, ""), "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "{word:?} is missing: {self:?}");
        }
    }
}

impl Shell {
    /// With a collection `points` of two dimensions, holding `a` at (0, 0), `b` at (3, 4) and 7 at (1, 0).
    fn with_points() -> Shell {
        let shell = Shell::empty();
        shell.run(&["create", "S", "points", "--dimension", "2", "--metric", "l2"]).done();
        let lines = [
            r#"{"key":"a","vector":[0,0],"payload":{"lang":"en"}}"#,
            r#"{"key":"b","vector":[3,4],"payload":{"lang":"de"}}"#,
            r#"{"key":7,"vector":[1,0]}"#,
        ];
        assert_eq!(shell.feed(&["put", "S", "points", "-"], &lines.join("\n")).done(), "put 3 records (LSN 1)\n");
        shell
    }

    fn empty() -> Shell {
        Shell { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn store(&self) -> PathBuf {
        self.path("s.drift")
    }

    /// Writes a file beside the store and returns its path.
    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), content).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Runs a command; `S` stands for the store.
    fn run(&self, words: &[&str]) -> Ended {
        self.feed(words, "")
    }

    fn feed(&self, words: &[&str], stdin: &str) -> Ended {
        let mut command: Command = cargo_bin_cmd!("driftline");
        for word in words {
            if *word == "S" {
                command.arg(self.store())
            } else {
                command.arg(word)
            };
        }
        let output = command.env("TMPDIR", self.dir.path()).write_stdin(stdin).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ended { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// What a command prints as one JSON document.
    #[track_caller]
    fn json(&self, words: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.run(&[words, &["--format", "json"]].concat()).done()).unwrap()
    }

    /// What a command prints as JSON documents, one a line.
    #[track_caller]
    fn jsonl(&self, words: &[&str]) -> Vec<serde_json::Value> {
        let out = self.run(&[words, &["--format", "jsonl"]].concat()).done();
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// An array file of these bytes, as numpy writes it.
fn npy(descr: &str, shape: &str, fortran: bool, data: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
    header.push_str(&" ".repeat(117 - header.len()));
    header.push('\n');
    [b"\x93NUMPY\x01\x00\x76\x00", header.as_bytes(), data].concat()
}

fn f32s(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn fixture(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("tests/fixtures/digits").join(name).to_str().unwrap().to_owned()
}

#[test]
fn create_makes_every_kind_of_collection_once() {
    let shell = Shell::empty();
    let words = ["create", "S", "items", "--dimension", "3", "--metric", "cosine", "--ttl", "90d", "--model", "m@1"];
    let out = shell.run(&words).done();
    assert_eq!(out, "created items: f32[3] cosine index flat model 'm@1' ttl 90d\n");
    shell.run(&words).refused(1, &["[exists]"]);
    assert_eq!(shell.json(&["create", "S", "hashes", "--bits", "64"])["schema"], "bits[64] hamming index flat");
    assert_eq!(shell.jsonl(&["create", "S", "notes", "--payload-only"])[0]["created"], "notes");
    let names: Vec<_> = shell.jsonl(&["collections", "S"]).iter().map(|it| it["name"].clone()).collect();
    assert_eq!(names, ["hashes", "items", "notes"]);
    assert!(shell.run(&["collections", "S"]).done().contains("payload only"));
}

#[test]
fn a_command_line_without_sense_is_a_usage_error() {
    let shell = Shell::with_points();
    for words in [
        &["create", "S", "x"][..],
        &["create", "S", "x", "--dimension", "3"],
        &["create", "S", "x", "--bits", "8", "--metric", "l2"],
        &["create", "S", "x", "--dimension", "3", "--metric", "euclid"],
        &["create", "S", "x", "--dimension", "3", "--metric", "l2", "--index", "hnsw(m=16)"],
        &["create", "S", "x", "--payload-only", "--ttl", "soon"],
        &["put", "S", "points", "c", "--vector", "[1,"],
        &["put", "S", "points", "c", "--vector", "[1,2]", "--payload", "{"],
        &["put", "S", "points", "-", "--vector", "[1,2]"],
        &["get", "S", "points", "0xabc"],
        &["find", "S", "points"],
        &["find", "S", "points", "--like", "a", "--vector", "[1,2]"],
        &["drop", "S", "points"],
        &["import", "S", "points", "x.parquet"],
        &["nonsense"],
        &[],
    ] {
        shell.run(words).refused(2, &[]);
    }
    assert_eq!(shell.run(&["count", "S", "points"]).done(), "3\n");
}

#[test]
fn put_and_get_return_what_was_put() {
    let shell = Shell::with_points();
    let put = ["put", "S", "points", "c", "--vector", "[0.1, -2.5]", "--payload", r#"{"n": 1}"#, "--expires-in", "1h"];
    assert_eq!(shell.run(&put).done(), "put 1 record (LSN 2)\n");
    assert_eq!(shell.json(&put)["replaced"], 1);
    shell.run(&[&put[..], &["--if-absent"]].concat()).refused(1, &["[conflict]"]);
    let table = shell.run(&["get", "S", "points", "c"]).done();
    assert!(table.contains("[0.1, -2.5]") && table.contains(r#"{"n":1}"#) && table.contains("expires"), "{table}");
    let json = shell.json(&["get", "S", "points", "c"]);
    assert_eq!((&json["key"], &json["vector"], &json["payload"]), (&"c".into(), &json!([0.1, -2.5]), &json!({"n": 1})));
    assert_eq!(shell.jsonl(&["get", "S", "points", "c"]), [json]);

    let vector = shell.file("v.json", "[5, 6]");
    shell.run(&["put", "S", "points", "d", "--vector", &format!("@{vector}")]).done();
    shell.feed(&["put", "S", "points", "e", "--vector", "-"], "[5, 6]").done();
    let rows = shell.file("v.npy", npy("<f4", "(2, 2)", false, &f32s(&[1.0, 2.0, 5.0, 6.0])));
    shell.run(&["put", "S", "points", "f", "--vector", &format!("@{rows}[1]")]).done();
    for key in ["d", "e", "f"] {
        assert_eq!(shell.json(&["get", "S", "points", key])["vector"], json!([5.0, 6.0]), "{key}");
    }
    let beyond = format!("@{rows}[2]");
    shell.run(&["put", "S", "points", "g", "--vector", &beyond]).refused(1, &["[not_found]", "v.npy"]);
}

#[test]
fn keys_are_numbers_texts_or_bytes_as_they_are_written() {
    let shell = Shell::empty();
    shell.run(&["create", "S", "notes", "--payload-only"]).done();
    for key in ["7", "007", "0x00ff", "x"] {
        shell.run(&["put", "S", "notes", key]).done();
    }
    shell.run(&["put", "S", "notes", "7", "--text-key", "--payload", "1"]).done();
    let keys: Vec<_> = shell.jsonl(&["scan", "S", "notes"]).iter().map(|record| record["key"].clone()).collect();
    assert_eq!(keys, [json!(7), json!("007"), json!("7"), json!("x"), json!({"$bytes": "AP8="})]);
    assert_eq!(shell.json(&["get", "S", "notes", "7", "--text-key"])["payload"], 1);
}

#[test]
fn a_missing_key_fails_with_a_message() {
    let shell = Shell::with_points();
    for format in ["table", "json", "jsonl"] {
        shell.run(&["get", "S", "points", "zz", "--format", format]).refused(1, &["error: ", "\"zz\"", "[not_found]"]);
    }
    shell.run(&["find", "S", "points", "--like", "zz"]).refused(1, &["[not_found]"]);
    shell.run(&["get", "S", "nowhere", "a"]).refused(1, &["[not_found]", "nowhere"]);
}

#[test]
fn delete_says_how_many_were_there() {
    let shell = Shell::with_points();
    assert_eq!(shell.run(&["delete", "S", "points", "a", "zz"]).done(), "deleted 1 record; 1 not there\n");
    assert_eq!(shell.json(&["delete", "S", "points", "b"]), json!({"deleted": 1, "asked": 1}));
    assert_eq!(shell.jsonl(&["delete", "S", "points", "b"])[0]["deleted"], 0);
    assert_eq!(shell.json(&["count", "S", "points"])["count"], 1);
}

#[test]
fn scan_walks_a_range_in_either_direction() {
    let shell = Shell::with_points();
    let keys = |words: &[&str]| -> Vec<serde_json::Value> {
        let words = [&["scan", "S", "points"], words].concat();
        let listed = shell.jsonl(&words);
        assert_eq!(serde_json::Value::from(listed.clone()), shell.json(&words));
        listed.iter().map(|record| record["key"].clone()).collect()
    };
    assert_eq!(keys(&[]), [json!(7), json!("a"), json!("b")]);
    assert_eq!(keys(&["--reverse", "--limit", "2"]), ["b", "a"]);
    assert_eq!(keys(&["--from", "a", "--to", "b"]), ["a"]);
    assert_eq!(keys(&["--prefix", "b"]), ["b"]);
    assert_eq!(keys(&["--after", "7"]), ["a", "b"]);
    let table = shell.run(&["scan", "S", "points", "--limit", "2"]);
    assert!(table.err.contains("there are more: go on with --after a"), "{table:?}");
    assert!(table.out.contains("[1, 0]") && !table.out.contains("[3, 4]"), "{table:?}");
}

#[test]
fn find_returns_the_nearest_first() {
    let shell = Shell::with_points();
    let find = ["find", "S", "points", "--vector", "[0.9, 0]", "-k", "2"];
    let hits = shell.jsonl(&find);
    assert_eq!(hits.iter().map(|hit| hit["key"].clone()).collect::<Vec<_>>(), [json!(7), json!("a")]);
    let answer = shell.json(&[&find[..], &["--payload"]].concat());
    assert_eq!((&answer["completeness"], &answer["stats"]["distances"]), (&"complete".into(), &3.into()));
    assert_eq!(answer["hits"][1]["payload"], json!({"lang": "en"}));
    let table = shell.run(&["find", "S", "points", "--like", "a", "--payload"]);
    assert!(table.out.contains("25") && table.out.contains("de") && !table.out.contains("en"), "{table:?}");
    assert!(table.err.starts_with("2 hits; 3 distances"), "{table:?}");
    shell.run(&["find", "S", "points", "--vector", "[1]"]).refused(1, &["[dimension]"]);
    shell.run(&["find", "S", "points", "--vector", "[1,2]", "-k", "0"]).refused(1, &["[invalid]"]);
}

#[test]
fn bits_are_found_by_their_hamming_distance() {
    let shell = Shell::empty();
    let file = shell.file("bits.npy", npy("|u1", "(3, 2)", false, &[0, 0, 255, 0, 255, 255]));
    shell.run(&["import", "S", "hashes", &file, "--create", "--metric", "hamming"]).done();
    let hits = shell.jsonl(&["find", "S", "hashes", "--vector", "ff01"]);
    let found: Vec<_> = hits.iter().map(|hit| (hit["key"].clone(), hit["distance"].clone())).collect();
    assert_eq!(found, [(json!(1), json!(1.0)), (json!(2), json!(7.0)), (json!(0), json!(9.0))]);
    assert_eq!(shell.json(&["get", "S", "hashes", "1"])["vector"], "ff00");
}

#[test]
fn an_array_is_imported_with_its_labels() {
    let shell = Shell::empty();
    let (digits, labels) = (fixture("digits.npy"), fixture("labels.npy"));
    let words = ["import", "S", "digits", &digits, "--create", "--metric", "l2", "--labels", &labels];
    let out = shell.run(&words).done();
    assert!(out.starts_with("imported 899 records into digits in ") && out.contains("rows/s"), "{out}");
    assert_eq!(shell.json(&["get", "S", "digits", "2"])["payload"], json!({"label": 6}));
    shell.run(&words).refused(1, &["[exists]"]);
    let again = shell.json(&["import", "S", "digits", &digits, "--first-key", "898"]);
    assert_eq!((&again["imported"], &again["replaced"]), (&json!(899), &json!(1)));
    assert_eq!(shell.run(&["count", "S", "digits"]).done(), "1797\n");
}

#[test]
fn numbers_of_other_types_are_read_and_rounding_is_told() {
    let shell = Shell::empty();
    let double: Vec<u8> = [1.5f64, -2.0].iter().flat_map(|number| number.to_le_bytes()).collect();
    let cases = [("<f8", double), (">i2", vec![0, 1, 255, 254]), ("|i1", vec![1, 254])];
    for (type_name, bytes) in cases {
        let file = shell.file("a.npy", npy(type_name, "(1, 2)", false, &bytes));
        let name = type_name.trim_matches(['<', '>', '|']);
        let ended = shell.run(&["import", "S", name, &file, "--create", "--metric", "l2"]);
        assert_eq!((ended.code, ended.err.contains("rounded")), (0, name == "f8"), "{ended:?}");
        let vector = &shell.json(&["get", "S", name, "0"])["vector"];
        assert_eq!((vector[1].as_f64(), vector[0].as_f64().unwrap() >= 1.0), (Some(-2.0), true), "{type_name}");
    }
}

#[test]
fn lines_are_imported_as_scan_prints_them() {
    let shell = Shell::with_points();
    let printed = shell.run(&["scan", "S", "points", "--format", "jsonl"]).done();
    let file = shell.file("copy.jsonl", &printed);
    shell.run(&["import", "S", "copy", &file, "--create", "--metric", "l2"]).done();
    shell.feed(&["import", "S", "piped", "-", "--create", "--metric", "l2"], &printed).done();
    let original = shell.jsonl(&["scan", "S", "points"]);
    for collection in ["copy", "piped"] {
        let copied = shell.jsonl(&["scan", "S", collection]);
        assert_eq!(copied.len(), original.len());
        for (copy, original) in copied.iter().zip(&original) {
            for field in ["key", "vector", "payload", "created"] {
                assert_eq!(copy[field], original[field]);
            }
        }
    }
}

#[test]
fn lines_of_another_shape_are_imported_by_the_names_of_their_fields() {
    let shell = Shell::empty();
    let file = shell.file("flat.jsonl", r#"{"id":"x","embedding":[1,2],"title":"t"}"#);
    let fields = ["--key-field", "id", "--vector-field", "embedding"];
    shell.run(&[&["import", "S", "docs", &file, "--create", "--metric", "l2"], &fields[..]].concat()).done();
    let record = shell.json(&["get", "S", "docs", "x"]);
    assert_eq!((&record["vector"], &record["payload"]), (&json!([1.0, 2.0]), &json!({"title": "t"})));
}

#[test]
fn a_bad_file_is_named_with_its_line_and_changes_nothing() {
    let shell = Shell::with_points();
    let good = r#"{"key":"new","vector":[1,2]}"#;
    for (line, why) in [
        (r#"{"key":"c","vector":[1]}"#, "dimension 1"),
        (r#"{"key":"c"}"#, "missing"),
        (r#"{"key":"c","vector":[1,null]}"#, "null"),
        (r#"{"key":"c","vector":[1,1e39]}"#, "line 3"),
        (r#"{"key":"c","vektor":[1,2]}"#, "vektor"),
        (r#"{"key":[],"vector":[1,2]}"#, "key"),
        ("{", "EOF"),
    ] {
        let file = shell.file("bad.jsonl", format!("{good}\n\n{line}\n"));
        shell.run(&["import", "S", "points", &file]).refused(1, &["bad.jsonl, line 3", why]);
        shell.run(&["import", "S", "fresh", &file, "--create", "--metric", "l2"]).refused(1, &["bad.jsonl, line 3"]);
        shell.feed(&["put", "S", "points", "-"], &format!("{good}\n{line}")).refused(1, &[]);
    }
    assert_eq!(shell.run(&["count", "S", "points"]).done(), "3\n");
    assert_eq!(shell.jsonl(&["collections", "S"]).len(), 1);
}

#[test]
fn a_bad_array_is_named_with_its_row_and_changes_nothing() {
    let shell = Shell::with_points();
    for (bytes, why) in [
        (npy("<f4", "(2, 2)", false, &f32s(&[1.0, 2.0, 3.0, f32::NAN])), "bad.npy, row 1"),
        (npy("<f4", "(2, 2)", false, &f32s(&[1.0, 2.0, 3.0])), "ends in row 1"),
        (npy("<f4", "(2, 2)", true, &f32s(&[0.0; 4])), "Fortran"),
        (npy("<f4", "(2, 3)", false, &f32s(&[0.0; 6])), "dimension 3"),
        (npy("<f4", "(4,)", false, &f32s(&[0.0; 4])), "1 dimensions"),
        (npy("<c8", "(1, 2)", false, &[0; 16]), "type"),
        (npy("<f4", "(99999999999, 2)", false, &[]), "ends in row 0"),
        (b"hello".to_vec(), "npy"),
        (Vec::new(), "npy"),
    ] {
        let file = shell.file("bad.npy", bytes);
        shell.run(&["import", "S", "points", &file]).refused(1, &["bad.npy", why]);
    }
    shell.run(&["import", "S", "points", "/nowhere/x.npy"]).refused(1, &["/nowhere/x.npy", "check the path"]);
    let labels = fixture("labels.npy");
    let two = shell.file("two.npy", npy("<f4", "(2, 2)", false, &f32s(&[0.0; 4])));
    shell.run(&["import", "S", "points", &two, "--labels", &labels]).refused(1, &["899 labels for 2 rows"]);
    assert_eq!(shell.run(&["count", "S", "points"]).done(), "3\n");
}

#[cfg(unix)]
#[test]
fn an_import_that_is_cancelled_leaves_nothing() {
    let shell = Shell::empty();
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("driftline"));
    command.arg("import").arg(shell.store()).args(["points", "-", "--create", "--metric", "l2"]);
    let piped = std::process::Stdio::piped;
    let mut child = command.stdin(piped()).stdout(piped()).stderr(piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut key = 0u64;
    let mut feed = || {
        key += 1;
        writeln!(stdin, r#"{{"key":{key},"vector":[1,2]}}"#).is_ok()
    };
    // A pipe's worth: when all of this has been taken, the import has begun.
    assert!((0..10_000).all(|_| feed()));
    assert!(std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    while feed() {}
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("nothing was imported") && said.contains("[cancelled]"), "{said}");
    assert_eq!(shell.jsonl(&["collections", "S"]).len(), 0);
}

#[test]
fn verify_and_stats_describe_a_sound_store() {
    let shell = Shell::with_points();
    assert!(shell.run(&["verify", "S"]).done().contains("3 records: all is well"));
    assert!(shell.run(&["verify", "S", "quick"]).done().contains("all is well"));
    assert_eq!(shell.json(&["verify", "S"])["problems"], json!([]));
    let table = shell.run(&["stats", "S"]).done();
    assert!(table.contains("points") && table.contains("f32[2] l2"), "{table}");
    assert_eq!(shell.json(&["stats", "S"])["collections"][0]["records"], 3);
    assert_eq!(shell.jsonl(&["stats", "S"])[0]["lsn"], 1);
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
    let verified = shell.run(&["verify", "S"]);
    assert_eq!(verified.code, 4, "{verified:?}");
    assert!(verified.out.contains("problem") && verified.out.contains("seg-"), "{verified:?}");
    let json = shell.run(&["verify", "S", "--format", "json"]);
    assert_eq!(json.code, 4, "{json:?}");
    assert!(json.out.contains(r#""part":"collection points""#), "{json:?}");
    fs::write(segment, b"").unwrap();
    shell.run(&["count", "S", "points"]).refused(4, &["[corrupt]", "seg-"]);
}

#[test]
fn a_store_that_cannot_be_opened_has_its_own_exit_code() {
    let shell = Shell::empty();
    shell.run(&["count", "S", "points"]).refused(3, &["[not_found]"]);
    shell.run(&["put", "S", "points", "a"]).refused(3, &["[not_found]"]);
    fs::create_dir(shell.store()).unwrap();
    shell.run(&["count", "S", "points"]).refused(3, &["[not_found]"]);
    shell.run(&["put", "S", "points", "a"]).refused(3, &["[not_found]"]);
}

#[test]
fn a_locked_store_is_refused_and_readers_share_one() {
    let shell = Shell::with_points();
    let writer = Database::open(shell.store()).unwrap();
    shell.run(&["count", "S", "points"]).refused(3, &["[locked]"]);
    shell.run(&["delete", "S", "points", "a"]).refused(3, &["[locked]"]);
    writer.close().unwrap();
    let reader = Options::new().open_read_only(shell.store()).unwrap();
    assert_eq!(shell.run(&["count", "S", "points"]).done(), "3\n");
    shell.run(&["delete", "S", "points", "a"]).refused(3, &["[locked]"]);
    reader.close().unwrap();
}

#[test]
fn a_collection_is_dropped_only_when_that_is_meant() {
    let shell = Shell::with_points();
    shell.run(&["drop", "S", "points"]).refused(2, &["--yes"]);
    assert_eq!(shell.run(&["drop", "S", "points", "--yes"]).done(), "dropped points\n");
    shell.run(&["drop", "S", "points", "--yes"]).refused(1, &["[not_found]"]);
}

#[test]
fn a_reader_that_stops_listening_is_no_error() {
    let shell = Shell::empty();
    let db = Database::open(shell.store()).unwrap();
    let points = db.create_collection("points", Schema::vector(64, Metric::L2)).unwrap();
    points.put_all((0..2000u64).map(|key| Record::new(key).vector(vec![0.5; 64]))).unwrap();
    db.close().unwrap();
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("driftline"))
        .args(["scan", "--format", "jsonl"])
        .arg(shell.store())
        .arg("points")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}

#[test]
fn the_demonstration_finds_everything_that_was_acknowledged() {
    let shell = Shell::empty();
    let report = shell.json(&["demo", "S"]);
    let count = |name: &str| report[name].as_u64().unwrap();
    assert_eq!((count("imported"), count("missing"), count("altered"), count("half_written")), (899, 0, 0, 0));
    assert_eq!((count("found"), count("problems")), (count("acknowledged"), 0));
    assert!(count("acknowledged") > 0 && count("same_label") > 850, "{report}");
    shell.run(&["demo", "S"]).refused(1, &["[exists]"]);
    assert!(shell.run(&["find", "S", "digits", "--like", "42"]).done().contains("418"));
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
    assert!(script.lines().count() > 5, "{told}");
    let mut sh = Command::new("sh");
    sh.args(["-e", "-c", &script]).assert().success();
}
