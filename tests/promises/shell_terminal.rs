//! The shell at a terminal: editing, completion, history, paging and Ctrl-C, on a real pseudo-terminal.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use expectrl::process::unix::WaitStatus;
use expectrl::session::OsSession;
use expectrl::{Eof, Expect};

use crate::support::shell::Shell;

/// What the terminal is told when a line is about to be typed, and when it has been: that text may be pasted.
const PROMPT: &str = "\u{1b}[?2004h";
const ENTERED: &str = "\u{1b}[?2004l";

/// Opens the shell on a terminal of so many columns and twelve rows.
fn open(shell: &Shell, columns: u16) -> OsSession {
    open_at(shell, shell.store().to_str().unwrap(), columns)
}

fn open_at(shell: &Shell, store: &str, columns: u16) -> OsSession {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("driftline"));
    command.arg(store).args(["--color", "never"]).current_dir(shell.dir.path());
    command.env("XDG_STATE_HOME", shell.path("state")).env("TERM", "xterm").env_remove("NO_COLOR");
    let mut session = OsSession::spawn(command).unwrap();
    session.get_process_mut().set_window_size(columns, 12).unwrap();
    session.set_expect_timeout(Some(Duration::from_secs(60)));
    session
}

/// Waits for `text`, and returns what came before it, without what the terminal obeys.
#[track_caller]
fn wait(session: &mut OsSession, text: &str) -> String {
    let found = session.expect(text).unwrap_or_else(|error| panic!("{text:?} did not come: {error}"));
    plain(&String::from_utf8_lossy(found.before()))
}

fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\u{1b}' if characters.next_if_eq(&'[').is_some() => {
                while characters.next().is_some_and(|c| !c.is_ascii_alphabetic()) {}
            }
            '\r' => {}
            c => out.push(c),
        }
    }
    out
}

/// Types a line and returns what was shown up to the next prompt.
#[track_caller]
fn say(session: &mut OsSession, line: &str) -> String {
    enter(session, line);
    wait(session, ENTERED);
    wait(session, PROMPT)
}

fn enter(session: &mut OsSession, line: &str) {
    session.send(format!("{line}\r")).unwrap();
}

#[track_caller]
fn leave(mut session: OsSession, code: i32) {
    session.expect(Eof).unwrap();
    match session.get_process().wait().unwrap() {
        WaitStatus::Exited(_, found) => assert_eq!(found, code),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_conversation() {
    let shell = Shell::empty();
    let mut session = open(&shell, 80);
    assert!(wait(&mut session, PROMPT).contains("no store at"));
    assert!(say(&mut session, "create points f32[2] l2;").contains("created points: f32[2] l2 index flat"));
    assert!(say(&mut session, r#"put points a [0, 1] {"lang": "en"};"#).contains("put 1 record"));
    // A statement goes on over lines until its semicolon.
    enter(&mut session, "count points");
    let counted = say(&mut session, "where lang = 'en';");
    assert!(counted.contains('1'), "{counted}");
    let error = say(&mut session, "find points neer @a;");
    assert!(error.contains("error: expected near") && error.contains("^^^^"), "{error}");
    assert!(say(&mut session, "  count points;").contains('1'));
    // The whole word is completed, then a name, then the statement runs.
    session.send("cou\tpo\t").unwrap();
    assert!(say(&mut session, ";").contains('1'));
    let history = say(&mut session, ".history");
    assert!(history.contains("create points f32[2] l2;") && !history.contains("  count points;"), "{history}");
    assert!(say(&mut session, "help find").contains("find COLLECTION near VECTOR"));
    session.send("\u{4}").unwrap();
    leave(session, 0);

    let kept = shell.path("state/driftline/history");
    assert_eq!(fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
    let kept = fs::read_to_string(kept).unwrap();
    assert!(kept.contains("create points") && !kept.contains("  count points;"), "{kept}");
    assert_eq!(shell.run(&["S", "count points"]).done(), "1\n");
}

#[test]
fn a_long_answer_comes_in_pages() {
    let shell = Shell::empty();
    let lines: String = (0..15).map(|key| format!("put notes {key};")).collect();
    shell.feed(&["S", "--quiet"], &format!("create notes payload only; {lines}")).done();
    let mut session = open(&shell, 80);
    wait(&mut session, PROMPT);
    let first = say(&mut session, "scan notes;");
    assert!(first.contains("`it` shows the next") && first.contains('5') && !first.contains("14"), "{first}");
    assert!(say(&mut session, "it").contains("\n 6"));
    let last = say(&mut session, "it");
    assert!(last.contains("14") && !last.contains("`it`"), "{last}");
    assert!(say(&mut session, "it").contains("no more to show"));
    enter(&mut session, ".exit 3");
    leave(session, 3);
}

#[test]
fn what_cannot_be_taken_back_is_asked_about() {
    let shell = Shell::with_points();
    let mut session = open(&shell, 80);
    wait(&mut session, PROMPT);
    enter(&mut session, "drop points;");
    wait(&mut session, "[y/N] ");
    enter(&mut session, "n");
    assert!(wait(&mut session, PROMPT).contains("nothing was changed"));
    enter(&mut session, "delete points;");
    wait(&mut session, "[y/N] ");
    enter(&mut session, "y");
    assert!(wait(&mut session, PROMPT).contains("deleted 3 records"));
    // The first Ctrl-C gives up the line, the second leaves.
    session.send("count poi\u{3}").unwrap();
    wait(&mut session, PROMPT);
    session.send("\u{3}").unwrap();
    leave(session, 130);
    assert_eq!(shell.run(&["S", "count points"]).done(), "0\n");
}

#[test]
fn every_width_can_be_read() {
    let shell = Shell::with_points();
    for columns in [20, 80, 200] {
        let mut session = open(&shell, columns);
        wait(&mut session, PROMPT);
        for statement in ["scan points;", "find points near @a;", "stats;", "help find", "find points near @a limt 3;"]
        {
            let shown = say(&mut session, statement);
            // Examples are shown as they can be typed, and the terminal wraps them.
            let lines = shown.lines().filter(|line| !line.starts_with("  find"));
            let wide: Vec<_> = lines.filter(|line| line.chars().count() > columns.into()).collect();
            assert!(wide.is_empty(), "{columns} columns, {statement}: {wide:#?}");
        }
        session.send("\u{4}").unwrap();
        leave(session, 0);
    }
}

#[test]
fn ctrl_c_cancels_what_runs() {
    let shell = Shell::with_points();
    let mut session = open(&shell, 80);
    wait(&mut session, PROMPT);
    say(&mut session, "count points;");
    enter(&mut session, ".watch 0.01");
    for _ in 0..3 {
        wait(&mut session, "3\r\n");
    }
    session.send("\u{3}").unwrap();
    wait(&mut session, PROMPT);
    assert!(say(&mut session, "count points;").contains('3'));
    session.send("\u{4}").unwrap();
    leave(session, 0);
}

#[test]
fn the_guide_shows_a_true_conversation() {
    let guide = include_str!("../../docs/guide/shell.md");
    let (_, rest) = guide.split_once("```text\n$ driftline shop.drift\n").expect("a conversation");
    let (shown, _) = rest.split_once("```").unwrap();
    let mut turns = shown.split("shop> ");
    let shell = Shell::empty();
    let mut session = open_at(&shell, "shop.drift", 120);
    let alike = |found: &str, expected: &str| {
        let untimed = |text: &str| -> String {
            let cut = |line: &str| line.split(" computed in ").next().unwrap_or_default().trim_end().to_owned();
            text.trim().lines().map(cut).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(untimed(found), untimed(expected));
    };
    alike(&wait(&mut session, PROMPT), turns.next().unwrap());
    for turn in turns {
        let (statement, answer) = turn.split_once('\n').unwrap();
        alike(&say(&mut session, statement), answer);
    }
    session.send("\u{4}").unwrap();
    leave(session, 0);
}
