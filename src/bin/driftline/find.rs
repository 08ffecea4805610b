//! The search.

use driftline::{Collection, Hits, MAX_K, Select, Vector};
use serde::{Serialize, Serializer};

use crate::args;
use crate::collections::no_record;
use crate::failure::{Failure, Outcome};
use crate::render::{self, HitJson, Output};
use crate::{store, values};

pub(crate) fn find(args: &args::Find, output: &mut Output) -> Outcome {
    let db = store::read(&args.place.store)?;
    let collection = db.collection(&args.place.collection)?;
    let hits = match (&args.vector, &args.like) {
        (Some(vector), _) => run(args, &collection, values::vector(vector, &collection.schema()?)?, args.k)?,
        (None, Some(key)) => like(args, &collection, key)?,
        (None, None) => return Err(Failure::usage("give --vector or --like")),
    };
    if output.format == args::Format::Json {
        return output.one(&Answer(&hits), String::new);
    }
    let mut headings = vec!["key", "distance", "similarity"];
    headings.extend(args.payload.then_some("payload"));
    output.many(&headings, hits.iter().map(|hit| Ok(HitJson::new(hit))), HitJson::cells)?;
    if !output.is_table() {
        return Ok(());
    }
    output.finish()?;
    let stats = &hits.stats;
    render::note(&format!(
        "{}; {} computed in {}",
        render::counted(hits.len() as u64, "hit"),
        render::counted(stats.distances, "distance"),
        render::elapsed(stats.elapsed)
    ));
    Ok(())
}

/// The neighbours of a record, without itself.
fn like(args: &args::Find, collection: &Collection, key: &str) -> Outcome<Hits> {
    let key = values::key(key, args.text_key)?;
    let record = collection.get(&key)?.ok_or_else(|| no_record(&key, &args.place))?;
    let vector = record.vector.ok_or_else(|| Failure::failed("the records of this collection have no vectors"))?;
    // One more, since the record finds itself; a k that is refused is refused as it was given.
    let k = if (1..MAX_K).contains(&args.k) { args.k + 1 } else { args.k };
    let mut hits = run(args, collection, vector, k)?;
    hits.hits.retain(|hit| hit.key != key);
    hits.hits.truncate(args.k);
    Ok(hits)
}

fn run(args: &args::Find, collection: &Collection, vector: Vector, k: usize) -> Outcome<Hits> {
    let select = if args.payload { Select::Record } else { Select::Key };
    let mut query = collection.query().nearest(vector).k(k).select(select);
    if let Some(model) = &args.model {
        query = query.model(model);
    }
    Ok(query.run()?)
}

/// The whole answer in JSON.
struct Answer<'a>(&'a Hits);

impl Serialize for Answer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let hits: Vec<_> = self.0.iter().map(HitJson::new).collect();
        let mut answer = serializer.serialize_struct("Hits", 3)?;
        answer.serialize_field("hits", &hits)?;
        answer.serialize_field("completeness", &self.0.completeness)?;
        answer.serialize_field("stats", &self.0.stats)?;
        answer.end()
    }
}
