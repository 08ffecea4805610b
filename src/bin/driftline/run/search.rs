//! `find`, `explain` and `scan`.

use std::ops::Bound;

use driftline::statement::{Columns, Find, Scan, Statement, VectorSource};
use driftline::{Collection, Completeness, Hits, MAX_K, Query, Select, Vector};
use serde::{Serialize, Serializer};

use super::inputs;
use crate::failure::{Failure, Outcome};
use crate::render::{self, Format, HitRow, RecordRow};
use crate::session::{Explain, Session};

/// A table of more records is not read; the other formats may go to a file.
const TABLE_LIMIT: u64 = 100;
/// What `find` returns unless told otherwise.
const DEFAULT_K: u64 = 10;

pub(super) fn find(session: &mut Session, find: &Find) -> Outcome {
    let collection = session.store.collection(&find.collection)?;
    let vector = inputs::vector(session, &collection, &find.near)?;
    let k = usize::try_from(find.limit.unwrap_or(DEFAULT_K)).unwrap_or(usize::MAX);
    let hits = nearest(session, find, &collection, &vector, k)?;
    if session.settings.explain == Explain::On {
        let explain = query(session, find, &collection, &vector, k)?.explain()?;
        session.note(&explain.to_string());
    }
    if session.output.format == Format::Json {
        return session.output.one(&Answer { hits: &hits, columns: &find.columns }, String::new);
    }
    let rows = hits.iter().map(|hit| Ok(HitRow { hit, columns: &find.columns }));
    session.output.many(&HitRow::headings(&find.columns), rows)?;
    if session.output.is_table() {
        session.output.finish()?;
        session.note(&summary(&hits));
        if let Some(next) = hits.next.as_ref().filter(|_| hits.len() == k) {
            go_on(session, find, next.to_string());
        }
    }
    Ok(())
}

fn summary(hits: &Hits) -> String {
    let stats = &hits.stats;
    let short = match hits.completeness {
        Completeness::Complete => "",
        Completeness::FilterExhausted => "; no more match",
        _ => "; not complete: the time was up",
    };
    format!(
        "{}{short}; {} computed in {}",
        render::counted(hits.len() as u64, "hit"),
        render::counted(stats.distances, "distance"),
        render::elapsed(stats.elapsed)
    )
}

/// Remembers how the answer goes on, for `it`.
fn go_on(session: &mut Session, find: &Find, next: String) {
    if session.interactive {
        session.note("`it` shows the next");
        session.more = Some(Statement::Find(Find { after: Some(next), ..find.clone() }));
    }
}

/// The k nearest; the record that was named as the vector is not among them.
fn nearest(session: &Session, find: &Find, of: &Collection, vector: &Vector, k: usize) -> Outcome<Hits> {
    let VectorSource::Stored(key) = &find.near.source else {
        return run(query(session, find, of, vector, k)?, find);
    };
    // One more, since the record finds itself; a k that is refused is refused as it was given. On later pages it has
    // been seen.
    let one_more = find.after.is_none() && (1..MAX_K).contains(&k);
    let mut hits = run(query(session, find, of, vector, k + usize::from(one_more))?, find)?;
    let found = hits.len();
    hits.hits.retain(|hit| hit.key != *key);
    if one_more && hits.len() > k && hits.len() == found {
        // It was not among them, as can happen with the inner product: then the cursor must stand at the k-th.
        return run(query(session, find, of, vector, k)?, find);
    }
    Ok(hits)
}

fn run(query: Query, find: &Find) -> Outcome<Hits> {
    query.run().map_err(|error| match error.kind() {
        driftline::ErrorKind::Dimension => Failure::from(error).about(find.near.span.clone()),
        _ => error.into(),
    })
}

fn query(session: &Session, find: &Find, of: &Collection, vector: &Vector, k: usize) -> Outcome<Query> {
    let select = match &find.columns {
        Columns::Key => Select::Key,
        Columns::Fields(fields) => Select::Fields(fields.clone()),
        _ => Select::Record,
    };
    let mut query = of.query().nearest(vector.clone()).k(k).select(select).cancel(session.token());
    if let Some(filter) = &find.filter {
        query = query.filter(filter)?;
    }
    if let Some(distance) = find.within {
        query = query.within(distance);
    }
    if let Some(recall) = find.recall {
        query = query.recall(recall);
    }
    if let Some(ef) = find.ef {
        query = query.ef(usize::try_from(ef).unwrap_or(usize::MAX));
    }
    if find.exact {
        query = query.exact();
    }
    if let Some(model) = &find.model {
        query = query.model(model);
    }
    if let Some(after) = &find.after {
        query = query.after(after.parse()?);
    }
    if let Some(timeout) = session.settings.timeout {
        query = query.deadline(timeout);
    }
    Ok(query)
}

pub(super) fn explain(session: &mut Session, find: &Find) -> Outcome {
    let collection = session.store.collection(&find.collection)?;
    let vector = inputs::vector(session, &collection, &find.near)?;
    let k = usize::try_from(find.limit.unwrap_or(DEFAULT_K)).unwrap_or(usize::MAX);
    let explain = query(session, find, &collection, &vector, k)?.explain()?;
    session.output.one(&explain, || explain.to_string())
}

pub(super) fn scan(session: &mut Session, asked: &Scan) -> Outcome {
    let collection = session.store.collection(&asked.collection)?;
    let vectors = collection.schema()?.dimension().is_some();
    let scan = walk(session, asked, &collection)?;
    let headings = RecordRow::headings(&asked.columns, vectors);
    let row = |record| RecordRow { record, columns: &asked.columns, vectors };
    if !session.output.is_table() {
        let scan = asked.limit.into_iter().fold(scan, |scan, limit| scan.limit(limit));
        return session.output.many(&headings, scan.map(|record| record.map(row)));
    }
    let size = page_size(session).min(asked.limit.unwrap_or(u64::MAX));
    let size = if session.interactive { size } else { asked.limit.unwrap_or(TABLE_LIMIT) };
    let page = scan.page(usize::try_from(size).unwrap_or(usize::MAX))?;
    session.output.many(&headings, page.records.into_iter().map(|record| Ok(row(record))))?;
    let left = asked.limit.map(|limit| limit - size);
    if let Some(next) = page.next.filter(|_| left != Some(0) || !session.interactive) {
        session.output.finish()?;
        if session.interactive {
            session.note("there are more: `it` shows the next");
            session.more = Some(Statement::Scan(Scan { after: Some(next), limit: left, ..asked.clone() }));
        } else {
            session.note(&format!("there are more: go on with `after {}`, or raise the limit", render::key(&next)));
        }
    }
    Ok(())
}

/// Rows that fit the screen together with headings, a remark and the prompt.
fn page_size(session: &Session) -> u64 {
    let rows = crate::screen::size(&std::io::stdout()).filter(|_| session.output.is_terminal());
    rows.map_or(TABLE_LIMIT, |(_, rows)| rows.saturating_sub(6).max(5) as u64)
}

fn walk(session: &Session, asked: &Scan, collection: &Collection) -> Outcome<driftline::Scan> {
    let mut scan = collection.scan().cancel(session.token());
    if let Some(filter) = &asked.filter {
        scan = scan.filter(filter)?;
    }
    if let Some(prefix) = &asked.prefix {
        scan = scan.prefix(prefix);
    }
    if asked.from.is_some() || asked.to.is_some() {
        let from = asked.from.clone().map_or(Bound::Unbounded, Bound::Included);
        scan = scan.range((from, asked.to.clone().map_or(Bound::Unbounded, Bound::Excluded)));
    }
    if asked.reverse {
        scan = scan.reverse();
    }
    Ok(match &asked.after {
        Some(after) => scan.after(after),
        None => scan,
    })
}

/// The whole answer in JSON.
struct Answer<'a> {
    hits: &'a Hits,
    columns: &'a Columns,
}

impl Serialize for Answer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let hits: Vec<_> = self.hits.iter().map(|hit| HitRow { hit, columns: self.columns }).collect();
        let mut answer = serializer.serialize_struct("Hits", 4)?;
        answer.serialize_field("hits", &hits)?;
        answer.serialize_field("completeness", &self.hits.completeness)?;
        answer.serialize_field("stats", &self.hits.stats)?;
        answer.serialize_field("next", &self.hits.next.as_ref().map(ToString::to_string))?;
        answer.end()
    }
}
