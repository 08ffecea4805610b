//! The house stands: imports go down only, never in a circle, never through a wall.
//!
//! The rules are in `rules.rs`, as data. What a file imports is read with a parser, in `imports.rs`: `use` items,
//! paths written out in expressions and types, and paths inside macro calls. Code under `#[cfg(test)]` may look
//! anywhere and is left out.

mod imports;
mod rules;

use std::fs;
use std::path::Path;

use imports::Source;
use rules::violations;

#[test]
fn imports_in_src_go_down_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    collect(&root, &root, &mut sources);
    assert!(sources.len() > 10, "only {} files found under src", sources.len());
    let found = violations(&sources);
    assert!(found.is_empty(), "the house does not stand:\n  {}", found.join("\n  "));
}

fn collect(root: &Path, folder: &Path, sources: &mut Vec<Source>) {
    let entries = fs::read_dir(folder).expect("a folder of sources");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry of src").path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(root, &path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).expect("below src").to_string_lossy().replace('\\', "/");
            sources.push(Source::new(&name, &fs::read_to_string(&path).expect("UTF-8 source")));
        }
    }
}

/// What is wrong with a made-up house. Every room it uses must be among its files.
fn check(files: &[(&str, &str)]) -> Vec<String> {
    let sources: Vec<_> = files.iter().map(|(name, text)| Source::new(name, text)).collect();
    violations(&sources)
}

/// Asserts that the made-up house has exactly one fault, and that the report names every one of `words`.
#[track_caller]
fn assert_reported(files: &[(&str, &str)], words: &[&str]) {
    let found = check(files);
    assert_eq!(found.len(), 1, "one fault expected, found {found:#?}");
    for word in words {
        assert!(found[0].contains(word), "'{word}' is missing in: {}", found[0]);
    }
}

#[test]
fn a_house_in_order_passes() {
    let found = check(&[
        ("lib.rs", "mod error; mod key; mod schema; mod vector; pub use schema::Schema; pub use key::Key;"),
        ("error.rs", "pub struct Error;"),
        ("key.rs", "use crate::error::Error; pub struct Key;"),
        ("vector/mod.rs", "mod scalar; pub trait Kernel {} pub use scalar::Scalar;"),
        ("vector/scalar.rs", "use super::Kernel; pub struct Scalar; impl Kernel for Scalar {}"),
        ("schema.rs", "use crate::{error::Error, vector::{Kernel, Scalar}}; use std::fmt; pub struct Schema;"),
        // What a program calls its files says nothing about floors.
        ("bin/tool/main.rs", "mod key; mod vector; use driftline::Schema; fn main() { key::line() }"),
        ("bin/tool/key.rs", "use crate::vector::Thing; pub fn line() {}"),
        ("bin/tool/vector.rs", "pub struct Thing;"),
    ]);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn an_upward_import_is_reported() {
    let vector = ("vector/mod.rs", "use crate::schema::Schema;");
    assert_reported(
        &[vector, ("schema.rs", "pub struct Schema;")],
        &["vector/mod.rs", "crate::schema::Schema", "upward"],
    );
}

#[test]
fn an_upward_import_inside_a_group_is_reported() {
    let key = ("key.rs", "use crate::{error::{Error, ErrorKind}, segment::{self, Row}};");
    let house = [key, ("error.rs", ""), ("segment/mod.rs", "pub struct Row;")];
    let found = check(&house);
    assert!(!found.is_empty() && found.iter().all(|fault| fault.contains("key.rs") && fault.contains("segment")));
}

#[test]
fn an_upward_import_through_super_is_reported() {
    let flat = ("index/flat.rs", "use super::super::segment::Segment;");
    let house = [flat, ("index/mod.rs", "mod flat;"), ("segment/mod.rs", "pub struct Segment;")];
    assert_reported(&house, &["index/flat.rs", "crate::segment::Segment", "upward"]);
}

#[test]
fn an_upward_path_in_a_body_or_a_type_is_reported() {
    let rows = ("rows.rs", "fn count(view: &crate::segment::View) -> usize { 0 }");
    assert_reported(&[rows, ("segment/mod.rs", "pub struct View;")], &["rows.rs", "crate::segment::View"]);
    let rows = ("rows.rs", "fn count() -> usize { crate::segment::count() }");
    assert_reported(&[rows, ("segment/mod.rs", "")], &["rows.rs", "crate::segment::count"]);
}

#[test]
fn an_upward_path_inside_a_macro_call_is_reported() {
    let rows = ("rows.rs", "fn count() { assert!(Some(1) == vec![crate::segment::count()].pop()) }");
    assert_reported(&[rows, ("segment/mod.rs", "")], &["rows.rs", "crate::segment::count"]);
}

#[test]
fn an_upward_import_inside_an_inline_module_is_reported() {
    let rows = ("rows.rs", "mod inner { use super::super::segment::View; }");
    assert_reported(&[rows, ("segment/mod.rs", "pub struct View;")], &["rows.rs", "crate::segment::View"]);
}

#[test]
fn an_import_on_the_same_floor_is_reported() {
    let vector = ("vector/mod.rs", "use crate::filter::Tree;");
    assert_reported(&[vector, ("filter/mod.rs", "pub struct Tree;")], &["vector/mod.rs", "same floor"]);
}

#[test]
fn an_import_through_lib_is_reported() {
    let house =
        [("lib.rs", "mod key; mod schema; pub use key::Key;"), ("key.rs", ""), ("schema.rs", "use crate::Key;")];
    assert_reported(&house, &["schema.rs", "crate::Key", "lib.rs"]);
    let lib = ("lib.rs", "mod schema; mod storage; pub mod fs { pub use crate::storage::Disk; }");
    let house = [lib, ("storage/mod.rs", "pub struct Disk;"), ("schema.rs", "use crate::fs::Disk;")];
    assert_reported(&house, &["schema.rs", "crate::fs::Disk", "lib.rs"]);
}

#[test]
fn storage_may_not_know_vectors() {
    for room in ["vector", "filter", "quantization"] {
        let import = format!("use crate::{room}::Thing;");
        let there = format!("{room}/mod.rs");
        assert_reported(&[("storage/mod.rs", &import), (&there, "")], &["storage/mod.rs", "wall"]);
    }
    assert_reported(
        &[("storage/mod.rs", "use crate::index::Spec;"), ("index/mod.rs", "")],
        &["storage/mod.rs", "index"],
    );
}

#[test]
fn what_computes_may_not_know_files() {
    for room in ["vector", "filter", "quantization", "index"] {
        let here = format!("{room}/mod.rs");
        assert_reported(&[(&here, "use crate::storage::fs;"), ("storage/mod.rs", "")], &[room, "storage"]);
    }
}

#[test]
fn a_collection_may_not_know_the_log() {
    let collection = ("collection/mod.rs", "use crate::storage::wal::WalWriter;");
    let house = [collection, ("storage/mod.rs", "mod wal;"), ("storage/wal/mod.rs", "pub struct WalWriter;")];
    assert_reported(&house, &["collection/mod.rs", "storage::wal", "wall"]);
}

#[test]
fn a_circle_of_ground_files_is_reported() {
    let house = [
        ("key.rs", "use crate::rows::Rows;"),
        ("rows.rs", "use crate::bytes::Reader;"),
        ("bytes.rs", "fn f() { crate::key::g() }"),
    ];
    assert_reported(&house, &["circle", "bytes.rs", "key.rs", "rows.rs"]);
}

#[test]
fn a_circle_of_files_inside_a_room_is_reported() {
    let house = [
        ("segment/mod.rs", "mod columns; mod seal;"),
        ("segment/columns.rs", "use super::seal::Seal;"),
        ("segment/seal.rs", "use crate::segment::columns; fn f() { columns::g() }"),
    ];
    assert_reported(&house, &["circle", "segment/columns.rs", "segment/seal.rs"]);
}

#[test]
fn a_circle_hidden_behind_a_re_export_is_reported() {
    let house = [
        ("segment/mod.rs", "mod columns; mod seal; pub use seal::Seal; pub use self::columns::Columns as Table;"),
        ("segment/columns.rs", "use super::Seal;"),
        ("segment/seal.rs", "use super::Table;"),
    ];
    assert_reported(&house, &["circle", "segment/columns.rs", "segment/seal.rs"]);
}

#[test]
fn a_dependency_outside_its_file_is_reported() {
    for (name, place) in [("bincode", "codec"), ("memmap2", "fs/mmap"), ("simsimd", "simsimd")] {
        let text = format!("use {name}::Thing;");
        assert_reported(&[("storage/manifest.rs", &text)], &["storage/manifest.rs", name, place]);
        let text = format!("fn f() {{ println!(\"{{}}\", ::{name}::thing()) }}");
        assert_reported(&[("segment/mod.rs", &text)], &["segment/mod.rs", name, place]);
    }
    assert_eq!(check(&[("storage/codec.rs", "use bincode::Options;")]), [""; 0]);
}

#[test]
fn unsafe_outside_its_files_is_reported() {
    assert_reported(&[("bytes.rs", "fn f() { unsafe { g() } }")], &["bytes.rs", "unsafe"]);
    assert_reported(&[("bytes.rs", "unsafe impl Send for X {}")], &["bytes.rs", "unsafe"]);
    assert_eq!(check(&[("vector/kernel/simsimd.rs", "unsafe fn f() {}"), ("vector/mod.rs", "// unsafe\n")]), [""; 0]);
}

#[test]
fn a_program_that_reaches_into_the_library_is_reported() {
    let main = ("bin/tool/main.rs", "#[path = \"../../key.rs\"] mod key; fn main() {}");
    assert_reported(&[main, ("key.rs", "")], &["bin/tool/main.rs", "path"]);
    let main = ("bin/tool/main.rs", "include!(\"../../key.rs\"); fn main() {}");
    assert_reported(&[main, ("key.rs", "")], &["bin/tool/main.rs", "include"]);
}

#[test]
fn a_room_without_a_floor_is_reported() {
    assert_reported(&[("cellar/mod.rs", "")], &["cellar", "floor"]);
}

#[test]
fn tests_may_look_anywhere() {
    let inline =
        "#[cfg(test)] mod tests { use crate::segment::Row; } #[cfg(all(test, unix))] fn f() { crate::segment::g() }";
    let house = [
        ("key.rs", inline),
        ("rows/mod.rs", "#[cfg(test)] mod tests;"),
        ("rows/tests.rs", "use crate::segment::Row;"),
        ("segment/mod.rs", ""),
    ];
    let found: Vec<_> = check(&house);
    assert!(found.is_empty(), "{found:#?}");
    let house = [("key.rs", "#[cfg(not(test))] use crate::segment::Row;"), ("segment/mod.rs", "")];
    assert_reported(&house, &["key.rs", "upward"]);
}
