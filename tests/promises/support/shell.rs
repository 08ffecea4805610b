//! The program on a store of its own, and what it needs to be tested.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use assert_cmd::cargo::cargo_bin_cmd;
use tempfile::TempDir;

/// A directory with a store to be, and the program.
pub(crate) struct Shell {
    pub(crate) dir: TempDir,
}

/// How a command ended and what it printed.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    #[track_caller]
    pub(crate) fn done(self) -> String {
        assert_eq!((self.code, self.err.contains("error")), (0, false), "{self:?}");
        self.out
    }

    /// Failed with this code, printing no data, and saying all of `words` on stderr.
    #[track_caller]
    pub(crate) fn refused(self, code: i32, words: &[&str]) {
        assert_eq!((self.code, self.out.as_str()), (code, ""), "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "{word:?} is missing: {self:?}");
        }
    }
}

impl Shell {
    /// With a collection `points` of two dimensions, holding `a` at (0, 0), `b` at (3, 4) and 7 at (1, 0).
    pub(crate) fn with_points() -> Shell {
        let shell = Shell::empty();
        shell.run(&["S", "create points f32[2] l2"]).done();
        let lines = [
            r#"{"key":"a","vector":[0,0],"payload":{"lang":"en"}}"#,
            r#"{"key":"b","vector":[3,4],"payload":{"lang":"de"}}"#,
            r#"{"key":7,"vector":[1,0]}"#,
        ];
        assert_eq!(shell.feed(&["S", "put points -"], &lines.join("\n")).done(), "put 3 records (LSN 1)\n");
        shell
    }

    pub(crate) fn empty() -> Shell {
        Shell { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path("s.drift")
    }

    /// Writes a file beside the store and returns its path.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), content).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Runs the program with these words; `S` stands for the store. Nothing is on its stdin.
    pub(crate) fn run(&self, words: &[&str]) -> Ended {
        self.feed(words, "")
    }

    pub(crate) fn feed(&self, words: &[&str], stdin: &str) -> Ended {
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

    /// What a statement prints as one JSON document.
    #[track_caller]
    pub(crate) fn json(&self, statement: &str) -> serde_json::Value {
        serde_json::from_str(&self.run(&["S", statement, "--format", "json"]).done()).unwrap()
    }

    /// What a statement prints as JSON documents, one a line.
    #[track_caller]
    pub(crate) fn jsonl(&self, statement: &str) -> Vec<serde_json::Value> {
        let out = self.run(&["S", statement, "--format", "jsonl"]).done();
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// An array file of these bytes, as numpy writes it.
pub(crate) fn npy(descr: &str, shape: &str, fortran: bool, data: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
    header.push_str(&" ".repeat(117 - header.len()));
    header.push('\n');
    [b"\x93NUMPY\x01\x00\x76\x00", header.as_bytes(), data].concat()
}

pub(crate) fn f32s(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

pub(crate) fn fixture(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("tests/fixtures/digits").join(name).to_str().unwrap().to_owned()
}
