//! Every use of `unsafe` says why it is sound. The list is printed, so that whoever reviews a change sees how long it is:
//! `cargo test --test promises -- unsafe_code --nocapture`.

use std::fs;
use std::path::Path;

/// How many lines above a use its reason may begin: a statement may be broken over some.
const ABOVE: usize = 3;

/// A place where the compiler takes our word.
#[derive(Debug, PartialEq)]
struct Use {
    line: usize,
    reason: Option<String>,
}

/// The uses in a source, but for attributes and comments that only speak of them.
fn uses(text: &str) -> Vec<Use> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_use = |line: &str| {
        let code = line.split("//").next().unwrap_or_default();
        ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "unsafe trait"].iter().any(|word| code.contains(word))
    };
    let places = lines.iter().enumerate().filter(|(_, line)| is_use(line));
    places.map(|(place, _)| Use { line: place + 1, reason: reason(&lines[..place]) }).collect()
}

/// The comment above, from the word SAFETY on.
fn reason(above: &[&str]) -> Option<String> {
    let said = above.iter().rposition(|line| line.contains("SAFETY:"))?;
    let code = above[said..].iter().filter(|line| !line.starts_with("//")).count();
    let words = above[said..].iter().take_while(|line| line.starts_with("//"));
    let text = words.map(|line| line.trim_start_matches('/').trim()).collect::<Vec<_>>().join(" ");
    (code <= ABOVE).then(|| text.trim_start_matches("SAFETY:").trim().to_owned())
}

fn sources(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    let mut paths: Vec<_> = fs::read_dir(folder).expect("a folder of sources").map(|it| it.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_use_says_why_it_is_sound() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut count = 0;
    for path in files {
        let name = path.strip_prefix(&root).unwrap().display().to_string();
        for it in uses(&fs::read_to_string(&path).unwrap()) {
            let reason = it.reason.unwrap_or_else(|| panic!("src/{name}:{} does not say why it is sound", it.line));
            println!("src/{name}:{}: {reason}", it.line);
            count += 1;
        }
    }
    println!("{count} uses of unsafe");
    assert!(count > 10, "kernels and mappings have uses, and {count} were found");
}

#[test]
fn a_use_without_a_reason_is_seen() {
    let text = "fn a() {\n    // SAFETY: the pointer\n    // is ours.\n    let b = unsafe { c() };\n\n    let d = 1;\n    let e = 2;\n    \
                let f = 3;\n    unsafe { g() };\n    // an unsafe { that is none\n}\n";
    let found = uses(text);
    let reason = |it: &Use| it.reason.clone();
    assert_eq!(found.iter().map(|it| it.line).collect::<Vec<_>>(), [4, 9]);
    assert_eq!(found.iter().map(reason).collect::<Vec<_>>(), [Some("the pointer is ours.".to_owned()), None]);
}
