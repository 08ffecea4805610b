//! Tests that run in a process of their own: this binary again, told by a variable that it is the child.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

/// What the child prints for its parent begins so; the rest is the test harness.
const PREFIX: &str = "child says ";

/// Runs the test `name` of this binary in a child process, with `variable` set to `value`.
pub(crate) fn spawn(name: &str, variable: &str, value: &str) -> Offspring {
    let program = std::env::current_exe().expect("this program has a path");
    let mut command = Command::new(program);
    command.args([name, "--exact", "--nocapture", "--test-threads=1"]).env(variable, value).stdout(Stdio::piped());
    let mut child = command.spawn().expect("a child process");
    let output = child.stdout.take().expect("its output is piped");
    Offspring { child, lines: BufReader::new(output).lines() }
}

/// A child process; killed when it is dropped.
pub(crate) struct Offspring {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Offspring {
    /// The next thing it says; `None` when it has ended.
    pub(crate) fn hear(&mut self) -> Option<String> {
        loop {
            let line = self.lines.next()?.expect("what a child says is text");
            if let Some(at) = line.find(PREFIX) {
                return Some(line[at + PREFIX.len()..].to_owned());
            }
        }
    }

    /// Kills it at once, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a killed child ends");
    }

    /// Waits until it ends.
    pub(crate) fn wait(mut self) -> ExitStatus {
        while self.hear().is_some() {}
        self.child.wait().expect("a child ends")
    }
}

impl Drop for Offspring {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Tells the parent.
pub(crate) fn say(what: impl std::fmt::Display) {
    println!("{PREFIX}{what}");
}

/// A directory on the disk that the build uses, rather than one that may be in memory.
pub(crate) fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory for the test")
}
