//! Commands about single records.

use std::io;
use std::ops::Bound;

use driftline::exchange::{Format, ImportOptions, Input, Source};
use driftline::{Batch, Collection, Database, Precondition, Record, json};

use crate::args::{self, Global};
use crate::collections::no_record;
use crate::failure::{Failure, Outcome};
use crate::render::{self, Output, Owned, RecordJson};
use crate::{store, values};

/// A table of more records is not read; the other formats may go to a file.
const TABLE_LIMIT: u64 = 100;

pub(crate) fn put(args: &args::Put, global: &Global, output: &mut Output) -> Outcome {
    let many = args.key == "-" && !args.text_key;
    if many && (args.vector.is_some() || args.payload.is_some() || args.expires_in.is_some()) {
        return Err(Failure::usage("records from stdin bring their own vectors, payloads and times"));
    }
    let db = store::write(&args.place.store, global)?;
    let collection = db.collection(&args.place.collection)?;
    let (batch, count) = if many { from_stdin(args, &db, &collection)? } else { (one(args, &db, &collection)?, 1) };
    let commit = batch.commit()?;
    db.close()?;
    let answer = json!({"put": count, "replaced": commit.existed, "lsn": commit.lsn.0});
    output.one(&answer, || {
        let replaced =
            if commit.existed > 0 { format!(", {} replaced", render::count(commit.existed)) } else { "".into() };
        format!("put {}{replaced} (LSN {})", render::counted(count, "record"), commit.lsn)
    })
}

fn one(args: &args::Put, db: &Database, collection: &Collection) -> Outcome<Batch> {
    let mut record = Record::new(values::key(&args.key, args.text_key)?);
    if let Some(vector) = &args.vector {
        record = record.vector(values::vector(vector, &collection.schema()?)?);
    }
    if let Some(payload) = &args.payload {
        record = record.payload(values::payload(payload)?);
    }
    if let Some(wait) = args.expires_in {
        record = record.expires_in(wait);
    }
    Ok(add(db.batch(), collection, record, args.if_absent))
}

fn from_stdin(args: &args::Put, db: &Database, collection: &Collection) -> Outcome<(Batch, u64)> {
    let mut batch = db.batch();
    let mut count = 0;
    for record in Input::open(Source::stream("stdin", io::stdin()), &ImportOptions::new().format(Format::Jsonl))? {
        batch = add(batch, collection, record?, args.if_absent);
        count += 1;
    }
    Ok((batch, count))
}

fn add(batch: Batch, collection: &Collection, record: Record, if_absent: bool) -> Batch {
    if if_absent {
        let key = record.key.clone();
        batch.require(collection, key, Precondition::Absent).put(collection, record)
    } else {
        batch.put(collection, record)
    }
}

pub(crate) fn get(args: &args::Get, output: &mut Output) -> Outcome {
    let key = values::key(&args.key, args.text_key)?;
    let db = store::read(&args.place.store)?;
    let found = db.collection(&args.place.collection)?.get(&key)?;
    let record = found.ok_or_else(|| no_record(&key, &args.place))?;
    output.one(&RecordJson::new(&record), || {
        let mut pairs = vec![("key", render::key(&record.key))];
        if let Some(vector) = &record.vector {
            pairs.push(("vector", render::vector(Some(vector))));
        }
        pairs.push(("payload", render::plain(&record.payload.to_string())));
        pairs.push(("lsn", record.lsn.to_string()));
        pairs.extend(record.created.map(|at| ("created", render::time(at))));
        pairs.extend(record.expires.map(|at| ("expires", render::time(at))));
        render::pairs(pairs)
    })
}

pub(crate) fn delete(args: &args::Delete, global: &Global, output: &mut Output) -> Outcome {
    let keys = args.keys.iter().map(|key| values::key(key, args.text_key)).collect::<Outcome<Vec<_>>>()?;
    let asked = keys.len() as u64;
    let db = store::write(&args.place.store, global)?;
    let deleted = db.collection(&args.place.collection)?.delete_all(keys)?;
    db.close()?;
    output.one(&json!({"deleted": deleted, "asked": asked}), || match asked - deleted.min(asked) {
        0 => format!("deleted {}", render::counted(deleted, "record")),
        absent => format!("deleted {}; {} not there", render::counted(deleted, "record"), render::count(absent)),
    })
}

pub(crate) fn scan(args: &args::Scan, output: &mut Output) -> Outcome {
    let key = |text: &Option<String>| text.as_deref().map(|text| values::key(text, args.text_key)).transpose();
    let (from, to, after) = (key(&args.from)?, key(&args.to)?, key(&args.after)?);
    let db = store::read(&args.place.store)?;
    let collection = db.collection(&args.place.collection)?;
    let has_vectors = collection.schema()?.dimension().is_some();
    let mut scan = collection.scan();
    if let Some(prefix) = &args.prefix {
        scan = scan.prefix(values::prefix(prefix, args.text_key)?);
    }
    if from.is_some() || to.is_some() {
        let from = from.map_or(Bound::Unbounded, Bound::Included);
        scan = scan.range((from, to.map_or(Bound::Unbounded, Bound::Excluded)));
    }
    if args.reverse {
        scan = scan.reverse();
    }
    if let Some(after) = after {
        scan = scan.after(after);
    }
    let headings = if has_vectors { &["key", "vector", "payload"][..] } else { &["key", "payload"] };
    let cells = |Owned(record): &Owned| {
        let mut cells = vec![render::key(&record.key)];
        cells.extend(has_vectors.then(|| render::vector(record.vector.as_ref())));
        cells.push(render::payload(&record.payload));
        cells
    };
    if output.is_table() {
        let page = scan.page(usize::try_from(args.limit.unwrap_or(TABLE_LIMIT)).unwrap_or(usize::MAX))?;
        output.many(headings, page.records.into_iter().map(|record| Ok(Owned(record))), cells)?;
        if let Some(next) = page.next {
            output.finish()?;
            render::note(&format!("there are more: go on with --after {}, or raise --limit", render::key(&next)));
        }
        return Ok(());
    }
    let scan = args.limit.into_iter().fold(scan, |scan, limit| scan.limit(limit));
    output.many(headings, scan.map(|record| record.map(Owned)), cells)
}
