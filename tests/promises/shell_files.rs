//! What the shell brings in from files and writes to them.

#[cfg(unix)]
use std::io::Write;

use driftline::json;

use crate::support::shell::{Shell, f32s, fixture, npy};

#[test]
fn an_array_is_imported_with_its_labels() {
    let shell = Shell::empty();
    let (digits, labels) = (fixture("digits.npy"), fixture("labels.npy"));
    let statement = format!("import '{digits}' into digits create l2 labels '{labels}'");
    let out = shell.run(&["S", &statement]).done();
    assert!(out.starts_with("imported 899 records into digits in ") && out.contains("rows/s"), "{out}");
    assert_eq!(shell.json("get digits 2")["payload"], json!({"label": 6}));
    shell.run(&["S", &statement]).refused(1, &["[exists]"]);
    let again = shell.json(&format!("import '{digits}' into digits keys from 898"));
    assert_eq!((&again["imported"], &again["replaced"]), (&json!(899), &json!(1)));
    assert_eq!(shell.run(&["S", "count digits"]).done(), "1797\n");
    let found = shell.json(&format!("find digits near file('{digits}')[2] where label = 6 limit 1"));
    assert_eq!(found["hits"][0]["key"], 2);
}

#[test]
fn bits_are_found_by_their_hamming_distance() {
    let shell = Shell::empty();
    let file = shell.file("bits.npy", npy("|u1", "(3, 2)", false, &[0, 0, 255, 0, 255, 255]));
    shell.run(&["S", &format!("import '{file}' into hashes create hamming")]).done();
    let hits = shell.jsonl("find hashes near 0xff01");
    let found: Vec<_> = hits.iter().map(|hit| (hit["key"].clone(), hit["distance"].clone())).collect();
    assert_eq!(found, [(json!(1), json!(1.0)), (json!(2), json!(7.0)), (json!(0), json!(9.0))]);
    assert_eq!(shell.json("get hashes 1")["vector"], "ff00");
}

#[test]
fn numbers_of_other_types_are_read_and_rounding_is_told() {
    let shell = Shell::empty();
    let double: Vec<u8> = [1.5f64, -2.0].iter().flat_map(|number| number.to_le_bytes()).collect();
    let cases = [("<f8", double), (">i2", vec![0, 1, 255, 254]), ("|i1", vec![1, 254])];
    for (type_name, bytes) in cases {
        let file = shell.file("a.npy", npy(type_name, "(1, 2)", false, &bytes));
        let name = type_name.trim_matches(['<', '>', '|']);
        let ended = shell.run(&["S", &format!("import '{file}' into {name} create l2")]);
        assert_eq!((ended.code, ended.err.contains("rounded")), (0, name == "f8"), "{ended:?}");
        let vector = &shell.json(&format!("get {name} 0"))["vector"];
        assert_eq!((vector[1].as_f64(), vector[0].as_f64().unwrap() >= 1.0), (Some(-2.0), true), "{type_name}");
    }
}

#[test]
fn lines_are_imported_as_scan_prints_them() {
    let shell = Shell::with_points();
    let printed = shell.run(&["S", "scan points", "--format", "jsonl"]).done();
    let file = shell.file("copy.jsonl", &printed);
    shell.run(&["S", &format!("import '{file}' into copy create l2")]).done();
    shell.feed(&["S", "import '-' into piped create l2"], &printed).done();
    let original = shell.jsonl("scan points");
    for collection in ["copy", "piped"] {
        let copied = shell.jsonl(&format!("scan {collection}"));
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
    shell.run(&["S", &format!("import '{file}' into docs create l2 keys id vector embedding")]).done();
    let record = shell.json("get docs x");
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
        shell.run(&["S", &format!("import '{file}' into points")]).refused(1, &["bad.jsonl, line 3", why]);
        let fresh = shell.run(&["S", &format!("import '{file}' into fresh create l2")]);
        fresh.refused(1, &["bad.jsonl, line 3"]);
        shell.feed(&["S", "put points -"], &format!("{good}\n{line}")).refused(1, &[]);
    }
    assert_eq!(shell.run(&["S", "count points"]).done(), "3\n");
    assert_eq!(shell.jsonl("collections").len(), 1);
    let short = shell.file("short.csv", "key,v0,v1\n1,0.5,0.5\n2,0.5\n");
    shell.run(&["S", &format!("import '{short}' into points vector v0..v1")]).refused(1, &["short.csv, line 3"]);
}

#[test]
fn a_bad_array_is_named_with_its_row_and_changes_nothing() {
    let shell = Shell::with_points();
    for (bytes, why) in [
        (npy("<f4", "(2, 2)", false, &f32s(&[1.0, 2.0, 3.0, f32::NAN])), "bad.npy, row 1"),
        (npy("<f4", "(2, 2)", false, &f32s(&[1.0, 2.0, 3.0])), "row 1"),
        (npy("<f4", "(2, 2)", true, &f32s(&[0.0; 4])), "Fortran"),
        (npy("<f4", "(2, 3)", false, &f32s(&[0.0; 6])), "dimension 3"),
        (npy("<c8", "(1, 2)", false, &[0; 16]), "type"),
        (b"hello".to_vec(), "npy"),
        (Vec::new(), "npy"),
    ] {
        let file = shell.file("bad.npy", bytes);
        shell.run(&["S", &format!("import '{file}' into points")]).refused(1, &["bad.npy", why]);
    }
    shell.run(&["S", "import '/nowhere/x.npy' into points"]).refused(1, &["/nowhere/x.npy", "check the path"]);
    let labels = fixture("labels.npy");
    let two = shell.file("two.npy", npy("<f4", "(2, 2)", false, &f32s(&[0.0; 4])));
    shell.run(&["S", &format!("import '{two}' into points labels '{labels}'")]).refused(1, &["899"]);
    assert_eq!(shell.run(&["S", "count points"]).done(), "3\n");
}

#[cfg(unix)]
#[test]
fn an_import_that_is_cancelled_leaves_nothing() {
    let shell = Shell::empty();
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("driftline"));
    command.arg(shell.store()).arg("import '-' into points create l2");
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
    assert_eq!(shell.jsonl("collections").len(), 0);
}

#[test]
fn an_export_is_imported_again_as_it_was() {
    let shell = Shell::with_points();
    for name in ["all.jsonl", "all.csv"] {
        let file = shell.path(name).display().to_string();
        let told = shell.run(&["S", &format!("export points to '{file}'")]).done();
        assert!(told.starts_with("exported 3 records to "), "{told}");
        shell.run(&["S", &format!("export points to '{file}'")]).refused(1, &["[exists]", name]);
        shell.run(&["S", &format!("export points to '{file}' replace")]).done();
        let copy = name.replace('.', "-");
        shell.run(&["S", &format!("import '{file}' into {copy} create l2")]).done();
        let records = |collection: &str| -> Vec<_> {
            let records = shell.jsonl(&format!("scan {collection}"));
            records.iter().map(|it| (it["key"].clone(), it["vector"].clone(), it["payload"].clone())).collect()
        };
        assert_eq!(records(&copy), records("points"));
    }
    let file = shell.path("english.jsonl").display().to_string();
    let some = shell.json(&format!("export points to '{file}' where lang = 'en'"));
    assert_eq!((&some["exported"], &some["files"]), (&json!(1), &json!([file])));
}
