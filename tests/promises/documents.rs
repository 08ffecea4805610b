//! The documents tell the truth about the tree: whatever file they name is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_path_the_architecture_page_names_exists() {
    let page = read(&root().join("docs/ARCHITECTURE.md"));
    let named = named_paths(&page);
    assert!(named.len() >= 10, "the page names only {} paths; is it still a map of the house?", named.len());
    let missing: Vec<_> = named.into_iter().filter(|path| !root().join(path).exists()).collect();
    assert!(missing.is_empty(), "docs/ARCHITECTURE.md names what is not there: {missing:?}");
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut pages = markdown_files(&root().join("docs"));
    pages.extend(["CHANGELOG.md", "README.md"].map(|name| root().join(name)).into_iter().filter(|page| page.exists()));
    let mut broken = Vec::new();
    for page in pages {
        let folder = page.parent().expect("a page lies in a folder");
        for target in relative_links(&read(&page)) {
            if !folder.join(&target).exists() {
                broken.push(format!("{} -> {target}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere: {broken:#?}");
}

#[test]
fn the_readme_shows_the_example_of_the_front_door() {
    let front_door = read(&root().join("src/lib.rs"));
    let docs: Vec<&str> = front_door.lines().map_while(|line| line.strip_prefix("//!")).collect();
    let docs: Vec<&str> = docs.iter().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    let shown: Vec<&str> = first_code_block(&docs, "```").into_iter().filter(|line| !line.starts_with("# ")).collect();
    let readme = read(&root().join("README.md"));
    let readme: Vec<&str> = readme.lines().collect();
    assert!(shown.len() > 10, "{shown:?}");
    assert_eq!(first_code_block(&readme, "```rust,no_run"), shown);
}

#[test]
fn the_readme_states_the_limits_of_the_code() {
    use driftline::{MAX_BITS, MAX_DEPTH, MAX_DIMENSION, MAX_K, MAX_KEY_BYTES, MAX_PAYLOAD_BYTES};
    let readme = read(&root().join("README.md"));
    let limits = [
        format!("up to {MAX_KEY_BYTES} bytes"),
        format!("1 to {} finite", in_thousands(MAX_DIMENSION)),
        format!("8 to {}, a multiple of 8", in_thousands(MAX_BITS)),
        format!("{} MiB as stored, {MAX_DEPTH} levels deep", MAX_PAYLOAD_BYTES >> 20),
        format!("1 to {} |", in_thousands(MAX_K)),
    ];
    for limit in limits {
        assert!(readme.contains(&limit), "README.md does not say: {limit}");
    }
}

#[test]
fn the_format_names_every_system_collection() {
    let page = read(&root().join("docs/FORMAT.md"));
    let mut named = BTreeSet::new();
    // The endings of metrics' names look the same.
    let metrics = root().join("src/mlops/metrics");
    let files = ["src/mlops", "src/database"].iter().flat_map(|folder| files_with(&root().join(folder), "rs"));
    for file in files.filter(|file| !file.starts_with(&metrics)) {
        let text = read(&file);
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let texts = code.split("\"_").skip(1).filter_map(|rest| rest.split('"').next());
        named.extend(texts.filter(|text| is_word(text)).map(|text| format!("_{text}")));
    }
    assert!(named.len() > 20, "{named:?}");
    let missing: Vec<_> = named.iter().filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/FORMAT.md does not name the collections {missing:?}");
}

fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.chars().all(|it| it.is_ascii_lowercase() || it == '_')
}

#[test]
fn every_decision_is_listed() {
    let folder = root().join("docs/decisions");
    let list = read(&folder.join("README.md"));
    for page in markdown_files(&folder) {
        let name = page.file_name().expect("a page has a name").to_string_lossy();
        assert!(name == "README.md" || list.contains(&format!("]({name})")), "docs/decisions/README.md lacks {name}");
    }
}

#[test]
fn a_path_is_recognised_by_its_first_folder() {
    let page = "`src/key.rs` and `tests/promises/`, not `key.rs`, `src/<any>.rs`, `seg-<n>` or `a src/key.rs`";
    assert_eq!(named_paths(page), ["src/key.rs", "tests/promises/"]);
}

#[test]
fn a_link_is_checked_without_its_anchor_and_not_on_the_web() {
    let page = "[a](FORMAT.md#wal), [b](../src/lib.rs), [c](https://example.org/x), [d](#below)";
    assert_eq!(relative_links(page), ["FORMAT.md", "../src/lib.rs"]);
}

/// Every path in backticks that starts in one of the package's folders and is not a pattern.
fn named_paths(page: &str) -> Vec<&str> {
    let folders = ["src/", "tests/", "benches/", "fuzz/", "docs/", "examples/", ".ci/"];
    let quoted = page.split('`').skip(1).step_by(2);
    quoted
        .filter(|text| folders.iter().any(|folder| text.starts_with(folder)))
        .filter(|text| !text.contains(|c: char| c.is_whitespace() || "<>*{}".contains(c)))
        .collect()
}

/// Targets of `[text](target)` that are files next to the page, without their `#anchor`.
fn relative_links(page: &str) -> Vec<String> {
    let targets = page.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets
        .filter(|target| !target.contains("://") && !target.contains(char::is_whitespace))
        .map(|target| target.split('#').next().unwrap_or_default().to_owned())
        .filter(|target| !target.is_empty())
        .collect()
}

/// The lines of the first code block that begins with `fence`.
fn first_code_block<'a>(lines: &[&'a str], fence: &str) -> Vec<&'a str> {
    let block = lines.iter().skip_while(|line| **line != fence).skip(1);
    block.take_while(|line| **line != "```").copied().collect()
}

/// `131072` as `131,072`.
fn in_thousands(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|it| std::str::from_utf8(it).ok()).collect();
    groups.join(",")
}

fn markdown_files(folder: &Path) -> Vec<PathBuf> {
    files_with(folder, "md")
}

fn files_with(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of the project") {
        let path = entry.expect("an entry of it").path();
        if path.is_dir() {
            found.extend(files_with(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
