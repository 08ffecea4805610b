//! `create`, `drop`, `collections`, `count`.

use driftline::statement::Name;
use driftline::{CollectionInfo, Filter, Schema, json};

use crate::failure::{Failure, Outcome};
use crate::render::{self, Plain};
use crate::session::Session;

pub(super) fn create(session: &mut Session, name: &Name, schema: &Schema) -> Outcome {
    let db = session.store.making()?;
    db.create_collection(&name.text, schema.clone()).map_err(|error| Failure::from(error).about(name.span.clone()))?;
    let answer = json!({"created": name.text, "schema": schema.to_string()});
    session.output.one(&answer, || format!("created {}: {schema}", name.text))
}

pub(super) fn drop(session: &mut Session, name: &Name) -> Outcome {
    session.confirm(&format!("drop {} with all its records", name.text))?;
    let db = session.store.writing()?;
    db.drop_collection(&name.text).map_err(|error| Failure::from(error).about(name.span.clone()))?;
    session.output.one(&json!({"dropped": name.text}), || format!("dropped {}", name.text))
}

pub(crate) fn list(session: &mut Session) -> Outcome {
    let collections = session.store.reading()?.collections()?;
    let damaged = collections.iter().any(|info| info.damage.is_some());
    let row = |info: CollectionInfo| {
        let mut cells = vec![info.name.clone(), info.schema.to_string()];
        cells.extend(damaged.then(|| info.damage.as_deref().map(render::plain).unwrap_or_default()));
        Ok(Plain { thing: info, cells })
    };
    let headings = if damaged { &["collection", "schema", "damage"][..] } else { &["collection", "schema"] };
    session.output.many(headings, collections.into_iter().map(row))
}

pub(super) fn count(session: &mut Session, name: &Name, filter: Option<&Filter>) -> Outcome {
    let collection = session.store.collection(name)?;
    let count = match filter {
        Some(filter) => collection.count_where(filter)?,
        None => collection.count()?,
    };
    session.output.one(&json!({"count": count}), || count.to_string())
}
