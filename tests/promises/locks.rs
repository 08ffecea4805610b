//! One process writes a store, or many read it; who comes second is told about the lock.

use std::path::Path;

use driftline::{Database, Error, ErrorKind, Options, Record, Schema};

use super::support::child::{Offspring, directory, say, spawn};

/// What the child opens: `write|<path>` or `read|<path>`.
const TASK: &str = "DRIFTLINE_LOCK_TASK";

/// The child's part: opens the store, tells how that went, and holds it until it is killed.
#[test]
fn holds_a_store_until_it_is_killed() {
    let Ok(task) = std::env::var(TASK) else { return };
    let (how, path) = task.split_once('|').expect("how, and a path");
    let opened = if how == "write" { Database::open(path) } else { Options::new().open_read_only(path) };
    match &opened {
        Ok(_) => say("open"),
        Err(error) => return say(format_args!("{}: {error}", error.code())),
    }
    loop {
        std::thread::park();
    }
}

fn holding(how: &str, path: &Path) -> (Offspring, String) {
    let task = format!("{how}|{}", path.display());
    let mut child = spawn("locks::holds_a_store_until_it_is_killed", TASK, &task);
    let answer = child.hear().expect("the child tells how it went");
    (child, answer)
}

/// A store with one record, closed.
fn store(path: &Path) {
    let db = Database::open(path).unwrap();
    db.create_collection("notes", Schema::payload_only()).unwrap().put(Record::new("kept")).unwrap();
    db.close().unwrap();
}

#[track_caller]
fn assert_locked(error: &Error, path: &Path) {
    assert_eq!((error.kind(), error.code()), (ErrorKind::Locked, "locked"));
    let message = error.to_string();
    assert!(message.contains("LOCK") && message.contains(&*path.to_string_lossy()), "{message}");
}

fn read_only(path: &Path) -> driftline::Result<Database> {
    Options::new().open_read_only(path)
}

#[test]
fn a_second_writer_of_this_process_is_refused() {
    let directory = directory();
    let path = directory.path().join("store");
    store(&path);
    let first = Database::open(&path).unwrap();
    assert_locked(&Database::open(&path).unwrap_err(), &path);
    // By another name of the same directory as well.
    assert_locked(&Database::open(directory.path().join("store/../store")).unwrap_err(), directory.path());
    // A refusal takes nothing from who holds it.
    first.collection("notes").unwrap().put(Record::new("more")).unwrap();
    first.close().unwrap();
    assert_eq!(Database::open(&path).unwrap().collection("notes").unwrap().count().unwrap(), 2);
}

#[test]
fn a_second_writer_in_another_process_is_refused_until_the_first_is_killed() {
    let directory = directory();
    let path = directory.path().join("store");
    store(&path);
    let (mut child, answer) = holding("write", &path);
    assert_eq!(answer, "open");
    assert_locked(&Database::open(&path).unwrap_err(), &path);
    assert_locked(&read_only(&path).unwrap_err(), &path);
    child.kill();
    let db = Database::open(&path).unwrap();
    let (_, answer) = holding("write", &path);
    assert!(answer.starts_with("locked: ") && answer.contains("LOCK"), "{answer}");
    drop(db);
}

#[test]
fn readers_of_all_processes_work_beside_each_other_and_keep_writers_out() {
    let directory = directory();
    let path = directory.path().join("store");
    store(&path);
    let (first, second) = (read_only(&path).unwrap(), read_only(&path).unwrap());
    let (child, answer) = holding("read", &path);
    assert_eq!(answer, "open");
    for reader in [&first, &second] {
        let notes = reader.collection("notes").unwrap();
        assert!(notes.get("kept").unwrap().is_some());
        let refused = notes.put(Record::new("more")).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ReadOnly);
    }
    assert_locked(&Database::open(&path).unwrap_err(), &path);
    let (_, answer) = holding("write", &path);
    assert!(answer.starts_with("locked: "), "{answer}");
    first.close().unwrap();
    second.close().unwrap();
    // The child still reads.
    assert_locked(&Database::open(&path).unwrap_err(), &path);
    drop(child);
    Database::open(&path).unwrap();
}

#[test]
fn readers_are_refused_beside_a_writer_and_let_in_when_it_closes() {
    let directory = directory();
    let path = directory.path().join("store");
    store(&path);
    let writer = Database::open(&path).unwrap();
    assert_locked(&read_only(&path).unwrap_err(), &path);
    let (_, answer) = holding("read", &path);
    assert!(answer.starts_with("locked: ") && answer.contains("LOCK"), "{answer}");
    let another_handle = writer.clone();
    writer.close().unwrap();
    read_only(&path).unwrap();
    assert_eq!(another_handle.collections().unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn dropping_the_last_handle_gives_the_lock_back() {
    let directory = directory();
    let path = directory.path().join("store");
    store(&path);
    let db = Database::open(&path).unwrap();
    let notes = db.collection("notes").unwrap();
    drop(db);
    assert_locked(&Database::open(&path).unwrap_err(), &path);
    drop(notes);
    Database::open(&path).unwrap();
}

/// Content for a blob; closes the store, and has somebody else open it, before it gives a byte.
struct Closing<'a> {
    open: Option<Database>,
    path: &'a Path,
}

impl std::io::Read for Closing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let Some(db) = self.open.take() else { return Ok(0) };
        db.close().unwrap();
        store(self.path);
        buffer[0] = b'x';
        Ok(1)
    }
}

#[test]
fn what_was_begun_before_closing_changes_nothing_after_the_lock_was_given_back() {
    let directory = directory();
    let path = directory.path().join("store");
    let db = Database::open(&path).unwrap();
    let late = db.put_blob(Closing { open: Some(db.clone()), path: &path });
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Closed);
    drop(db);
    let db = Database::open(&path).unwrap();
    assert_eq!(db.collection("notes").unwrap().count().unwrap(), 1);
    assert_eq!(db.stats().unwrap().blobs, 0);
}
