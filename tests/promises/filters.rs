//! Filters mean what their guide says.

use std::sync::Arc;

use driftline::{Collection, Database, ErrorKind, Filter, Key, ManualClock, Options, Record, Schema, Timestamp, Value};

const GUIDE: &str = include_str!("../../docs/guide/filters.md");

/// 2026-01-10 00:00 UTC, as the guide says.
const NOW: Timestamp = Timestamp(1_768_003_200_000_000);

/// The lines of every code block of the guide that is marked `kind`.
fn blocks(kind: &str) -> Vec<&'static str> {
    let mut inside = false;
    let mut lines = Vec::new();
    for line in GUIDE.lines() {
        match line.strip_prefix("```") {
            Some(mark) => inside = !inside && mark == kind,
            None if inside => lines.push(line),
            None => {}
        }
    }
    lines
}

/// The example, and what stands behind `--`.
fn split(line: &'static str) -> (&'static str, &'static str) {
    let (text, told) = line.split_once("--").expect("each example says what comes of it");
    (text, told.trim())
}

fn library() -> (Database, Collection) {
    let db = Options::new().clock(Arc::new(ManualClock::new(NOW))).in_memory().unwrap();
    let books = db.create_collection("books", Schema::payload_only()).unwrap();
    for line in blocks("json") {
        let record = Value::from_json(line).unwrap();
        let key = record.get("key").unwrap();
        let key = key.as_u64().map_or_else(|| Key::from(key.as_text().unwrap()), Key::from);
        let created: &str = record.get("created").unwrap().as_text().unwrap();
        let created = Timestamp(created.parse::<jiff::Timestamp>().unwrap().as_microsecond());
        books.put(Record::new(key).created_at(created).payload(record.get("payload").unwrap().clone())).unwrap();
    }
    (db, books)
}

fn passing(books: &Collection, filter: &str) -> String {
    let scan = books.scan().filter(filter).unwrap();
    scan.map(|record| record.unwrap().key.to_string()).collect::<Vec<_>>().join(", ")
}

#[test]
fn every_example_of_the_guide_finds_what_it_says_in_memory_and_in_files() {
    let (db, books) = library();
    let examples = blocks("filter");
    assert!(examples.len() >= 40, "{}", examples.len());
    for in_files in [false, true] {
        for (filter, keys) in examples.iter().map(|line| split(line)) {
            assert_eq!(passing(&books, filter), keys, "{filter} (in files: {in_files})");
        }
        db.flush().unwrap();
    }
}

#[test]
fn every_mistake_of_the_guide_is_told_as_it_says() {
    let mistakes = blocks("filter-error");
    assert!(mistakes.len() > 5);
    for (filter, told) in mistakes.into_iter().map(split) {
        let error = Filter::parse(filter.trim_end()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Filter, "{filter}");
        assert!(error.span().is_some() && error.to_string().contains(told), "{filter}: {error}");
    }
}
