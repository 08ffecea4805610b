//! Commands about whole collections.

use std::path::Path;

use driftline::{CollectionInfo, Error, ErrorKind, Metric, Schema, json};

use crate::args::{self, Global, Place};
use crate::failure::{Failure, Outcome};
use crate::render::{self, Output};
use crate::store;

pub(crate) fn create(args: &args::Create, global: &Global, output: &mut Output) -> Outcome {
    let schema = schema(args)?;
    let db = store::write_or_create(&args.place.store, global)?;
    let name = &args.place.collection;
    db.create_collection(name, schema.clone())?;
    db.close()?;
    output.one(&json!({"created": name, "schema": schema.to_string()}), || format!("created {name}: {schema}"))
}

fn schema(args: &args::Create) -> Outcome<Schema> {
    let schema = match (args.dimension, args.bits) {
        // clap has seen to it that a dimension comes with a metric.
        (Some(dimension), _) => Schema::vector(dimension, args.metric.unwrap_or(Metric::L2)),
        (None, Some(bits)) => Schema::bits(bits),
        (None, None) => Schema::payload_only(),
    };
    let schema = args.index.iter().fold(schema, |schema, index| schema.index(index.clone()));
    let schema = args.model.iter().fold(schema, |schema, model| schema.model(model));
    Ok(args.ttl.iter().fold(schema, |schema, ttl| schema.ttl(*ttl)))
}

pub(crate) fn drop(args: &args::Drop, global: &Global, output: &mut Output) -> Outcome {
    let name = &args.place.collection;
    if !args.yes {
        return Err(Failure::usage(format!("this would drop {name} with all its records; add --yes if that is meant")));
    }
    let db = store::write(&args.place.store, global)?;
    db.drop_collection(name)?;
    db.close()?;
    output.one(&json!({"dropped": name}), || format!("dropped {name}"))
}

pub(crate) fn list(path: &Path, output: &mut Output) -> Outcome {
    let db = store::read(path)?;
    let cells = |info: &CollectionInfo| {
        let damage = info.damage.as_deref().map(render::plain);
        vec![info.name.clone(), info.schema.to_string(), damage.unwrap_or_default()]
    };
    output.many(&["collection", "schema", "damage"], db.collections()?.into_iter().map(Ok), cells)
}

pub(crate) fn count(place: &Place, output: &mut Output) -> Outcome {
    let count = store::read(&place.store)?.collection(&place.collection)?.count()?;
    output.one(&json!({"count": count}), || count.to_string())
}

/// The error for a key that no record has.
pub(crate) fn no_record(key: &driftline::Key, place: &Place) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no record {key:?}"))
        .at(format!("collection {}", place.collection))
        .mend("`driftline scan` prints the keys there are; --text-key makes a number a text")
}
