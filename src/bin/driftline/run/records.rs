//! `put`, `get`, `patch`, `delete`.

use driftline::statement::{Change, Name, Put, Which};
use driftline::{Batch, Collection, Commit, Database, ErrorKind, Key, Patch, Precondition, Record, json};

use super::inputs;
use crate::failure::{Failure, Outcome};
use crate::render::{self, RecordJson};
use crate::session::Session;

pub(super) fn put(session: &mut Session, put: &Put) -> Outcome {
    let db = session.store.writing()?;
    let collection = session.store.writable(&put.collection)?;
    let mut record = Record::new(put.key.clone());
    if let Some(vector) = &put.vector {
        record = record.vector(inputs::vector(session, &collection, vector)?);
    }
    if let Some(payload) = &put.payload {
        record = record.payload(inputs::payload(session, payload)?);
    }
    if let Some(wait) = put.ttl {
        record = record.expires_in(wait);
    }
    let commit = add(db.batch(), &collection, record, put.if_absent).commit();
    let span = put.vector.as_ref().map(|vector| vector.span.clone());
    let commit = commit.map_err(|error| match (error.kind(), span) {
        (ErrorKind::Dimension, Some(span)) => Failure::from(error).about(span),
        _ => error.into(),
    })?;
    told(session, 1, &commit)
}

pub(super) fn put_lines(session: &mut Session, name: &Name, if_absent: bool) -> Outcome {
    inputs::claim_stdin(session)?;
    let db = session.store.writing()?;
    let collection = session.store.writable(name)?;
    let (batch, count) = from_stdin(session, &db, &collection, if_absent)?;
    let commit = batch.commit()?;
    told(session, count, &commit)
}

fn from_stdin(session: &Session, db: &Database, collection: &Collection, if_absent: bool) -> Outcome<(Batch, u64)> {
    let mut batch = db.batch();
    let mut count = 0;
    for record in inputs::lines()? {
        session.check()?;
        batch = add(batch, collection, record?, if_absent);
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

fn told(session: &mut Session, count: u64, commit: &Commit) -> Outcome {
    let answer = json!({"put": count, "replaced": commit.existed, "lsn": commit.lsn.0});
    session.output.one(&answer, || {
        let replaced =
            if commit.existed > 0 { format!(", {} replaced", render::count(commit.existed)) } else { "".into() };
        format!("put {}{replaced} (LSN {})", render::counted(count, "record"), commit.lsn)
    })
}

pub(super) fn get(session: &mut Session, name: &Name, key: &Key) -> Outcome {
    let found = session.store.collection(name)?.get(key)?;
    let record = found.ok_or_else(|| inputs::no_record(key, &name.text))?;
    session.output.one(&RecordJson::new(&record), || {
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

pub(super) fn delete(session: &mut Session, name: &Name, which: &Which) -> Outcome {
    if let Which::Keys(keys) = which {
        let asked = keys.len() as u64;
        let deleted = session.store.writable(name)?.delete_all(keys.clone())?;
        return session.output.one(&json!({"deleted": deleted, "asked": asked}), || match asked - deleted.min(asked) {
            0 => format!("deleted {}", render::counted(deleted, "record")),
            absent => format!("deleted {}; {} not there", render::counted(deleted, "record"), render::count(absent)),
        });
    }
    if *which == Which::All {
        session.confirm(&format!("delete all records of {}", name.text))?;
    }
    let collection = session.store.writable(name)?;
    let deleted = match which {
        Which::Where(filter) => collection.delete_where(filter)?,
        _ => collection.delete_where(driftline::Filter::all())?,
    };
    session.output.one(&json!({"deleted": deleted}), || format!("deleted {}", render::counted(deleted, "record")))
}

pub(super) fn patch(session: &mut Session, name: &Name, which: &Which, change: &Change) -> Outcome {
    if *which == Which::All {
        session.confirm(&format!("change all records of {}", name.text))?;
    }
    let collection = session.store.writable(name)?;
    let mut patch = Patch::new();
    if let Some(merge) = &change.merge {
        patch = patch.merge(merge.clone());
    }
    if let Some(vector) = &change.vector {
        patch = patch.vector(inputs::vector(session, &collection, vector)?);
    }
    let patched = match which {
        Which::Keys(keys) => {
            for key in keys {
                collection.patch(key, patch.clone())?;
            }
            keys.len() as u64
        }
        Which::Where(filter) => collection.patch_where(filter, patch)?,
        Which::All => collection.patch_where(driftline::Filter::all(), patch)?,
    };
    session.output.one(&json!({"patched": patched}), || format!("patched {}", render::counted(patched, "record")))
}
