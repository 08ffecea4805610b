//! Columns drawn from a subject and a time.

use std::collections::{BTreeMap, BTreeSet};

use super::column::{Column, Columns};
use super::subject::Subject;
use crate::collection::record::Record;
use crate::database::collection::Collection;
use crate::database::handle::Database;
use crate::error::{Error, Result};
use crate::filter::{self, Filter};
use crate::mlops::times::TimeRange;
use crate::payload::Value;
use crate::vector::Vector;

/// The name under which vectors are judged.
pub const VECTOR: &str = "vector";
/// Fields that are judged where none are named, at most.
const MOST_FIELDS: usize = 100;
/// A field of texts is judged unasked where it has so many different ones at most: others are names, not categories.
const MOST_TEXTS: usize = 50;

/// Rows that were drawn.
#[derive(Debug, Default)]
pub(super) struct Drawn {
    pub(super) columns: Columns,
    /// The keys of the rows of [`VECTOR`], as text.
    pub(super) keys: Vec<String>,
}

/// What is to be drawn.
#[derive(Debug, Clone)]
pub(super) struct Asked<'a> {
    pub(super) range: TimeRange,
    /// The fields, `vector` among them; empty for those that can be judged.
    pub(super) fields: &'a [String],
    pub(super) filter: Option<Filter>,
    pub(super) count: usize,
    /// What it is held against, where that was drawn before: its fields are drawn, too, and have its types.
    pub(super) beside: Option<&'a Columns>,
}

/// Draws rows of a subject. Which they are follows from the subject, the time and the keys of the rows.
pub(super) fn draw(db: &Database, subject: &Subject, asked: &Asked<'_>) -> Result<Drawn> {
    match subject {
        Subject::Collection(name) => {
            let collection = db.collection(name)?;
            let records = records(&collection, asked, subject.seed(asked.range))?;
            columns(&collection, records, asked)
        }
        Subject::Model(model) => {
            if let Some(field) = asked.fields.iter().find(|field| *field != VECTOR) {
                return Err(Error::invalid(format!("the log of {model} is judged by its vectors, not by {field}"))
                    .mend("leave the fields out"));
            }
            if asked.filter.is_some() {
                return Err(Error::invalid(format!(
                    "the log of {model} is judged by samples of all it holds, not by a filter"
                ))
                .mend("leave `where` out"));
            }
            let sample = db.embedding_log().sample(model, asked.range, asked.count, subject.seed(asked.range))?;
            let keys = sample.keys.iter().map(u64::to_string).collect();
            let columns = match sample.is_empty() {
                true => Columns::new(),
                false => Columns::from([(VECTOR.into(), Column::vectors(sample.vectors, sample.dimension)?)]),
            };
            Ok(Drawn { columns, keys })
        }
    }
}

/// Draws records of a collection that were created in a time.
pub(super) fn records(collection: &Collection, asked: &Asked<'_>, seed: u64) -> Result<Vec<Record>> {
    let times = filter::time().ge(asked.range.from.0).and(filter::time().lt(asked.range.to.0));
    let filter = match &asked.filter {
        Some(filter) => times.and(filter.clone()),
        None => times,
    };
    collection.draw(&filter, asked.count, seed)
}

fn columns(collection: &Collection, records: Vec<Record>, asked: &Asked<'_>) -> Result<Drawn> {
    let (fields, beside) = (asked.fields, asked.beside);
    let wants = |field: &str| fields.is_empty() || fields.iter().any(|name| name == field);
    let mut drawn = Drawn::default();
    if wants(VECTOR) {
        vectors(collection, &records, !fields.is_empty(), &mut drawn)?;
    }
    let named: Vec<&String> = fields.iter().filter(|field| *field != VECTOR).collect();
    if !fields.is_empty() {
        for field in named {
            let path = filter::path(field)?;
            let values = records.iter().map(|record| at(&record.payload, &path).cloned()).collect();
            let reference = beside.and_then(|columns| columns.get(field));
            drawn.columns.insert(field.clone(), Column::of_values_beside(values, reference));
        }
        return Ok(drawn);
    }
    drawn.columns.extend(judged_unasked(&records));
    beside.into_iter().for_each(|reference| drawn.columns.extend(judged_beside(&records, reference)));
    Ok(drawn)
}

fn vectors(collection: &Collection, records: &[Record], asked: bool, drawn: &mut Drawn) -> Result<()> {
    let schema = collection.schema()?;
    let Some(dimension) =
        schema.dimension().filter(|_| schema.metric() != Some(crate::vector::metric::Metric::Hamming))
    else {
        if asked {
            return Err(Error::invalid("the collection has no vectors of numbers")
                .at(format!("collection {}", collection.name()))
                .mend("name fields of the payload"));
        }
        return Ok(());
    };
    let mut values = Vec::with_capacity(records.len() * dimension);
    for record in records {
        if let Some(vector) = record.vector.as_ref().and_then(Vector::as_f32) {
            values.extend_from_slice(vector);
            drawn.keys.push(record.key.to_string());
        }
    }
    if !values.is_empty() {
        drawn.columns.insert(VECTOR.into(), Column::vectors(values, dimension)?);
    }
    Ok(())
}

/// The fields that a reference has, whatever they hold now: what was judged is not left out because its values have changed.
/// One that no record has is missing.
fn judged_beside(records: &[Record], reference: &Columns) -> Columns {
    let column = |(field, reference): (&String, &Column)| {
        // Fields at the top come first, and may be named as no path is.
        let path = filter::path(field).unwrap_or_default();
        let value = |record: &Record| {
            let nested = || at(&record.payload, &path).filter(|_| path.len() > 1);
            record.payload.get(field).or_else(nested).cloned()
        };
        let values: Vec<Option<Value>> = records.iter().map(value).collect();
        let is_there = values.iter().any(Option::is_some);
        is_there.then(|| (field.clone(), Column::of_values_beside(values, Some(reference))))
    };
    let plain = |(_, column): &(&String, &Column)| !matches!(column, Column::Vectors { .. });
    reference.iter().filter(plain).filter_map(column).collect()
}

/// The fields at the top of payloads that hold numbers, truth values, or few different texts. Objects and the like among
/// them are texts, where they are no more than half.
fn judged_unasked(records: &[Record]) -> Columns {
    let fields: BTreeSet<&String> =
        records.iter().filter_map(|record| record.payload.as_object()).flat_map(BTreeMap::keys).collect();
    let plain = |value: &Value| !matches!(value, Value::Array(_) | Value::Object(_) | Value::Bytes(_) | Value::Blob(_));
    let column = |field: &String| {
        let values: Vec<Option<Value>> = records.iter().map(|record| record.payload.get(field).cloned()).collect();
        let there = || values.iter().flatten().filter(|value| !value.is_null());
        let judged = 2 * there().filter(|value| plain(value)).count() >= there().count() && *field != VECTOR;
        let column = judged.then(|| Column::of_values(values))?;
        let few = match &column {
            Column::Categories(texts) => texts.iter().flatten().collect::<BTreeSet<_>>().len() <= MOST_TEXTS,
            _ => true,
        };
        few.then(|| (field.clone(), column))
    };
    fields.into_iter().filter_map(column).take(MOST_FIELDS).collect()
}

/// The part of a payload at a path.
pub(super) fn at<'a>(payload: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(payload, |value, name| value.get(name))
}
