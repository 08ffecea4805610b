//! The rows of features that a baseline keeps, and how far those of a batch are from them.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

use super::prediction::cells;
use crate::error::Result;
use crate::mlops::drift::embedding::MIN_ROWS;
use crate::mlops::drift::{Column, Columns, DriftDetector, Method, Note, Verdict, pieces};
use crate::payload::Value;

/// Rows a side, at most.
const MOST_ROWS: usize = 1_000;
/// Features beyond so many are not judged.
const MOST_FEATURES: usize = 100;
/// Longer texts are told apart by their hash, in bytes.
const MOST_TEXT: usize = 64;

/// Rows of features: columns of numbers or of categories.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rows(Columns);

impl Rows {
    /// The features of rows that are mostly numbers, truth values or texts. None where there are none, or too few rows to say
    /// anything.
    pub(super) fn of(rows: &[Value]) -> Option<Rows> {
        let sample = sample(rows);
        let mut types: BTreeMap<String, Types> = BTreeMap::new();
        for row in &sample {
            for (name, value) in cells(row).take(MOST_FEATURES) {
                types.entry(name).or_default().note(value);
            }
        }
        let typed = types.into_iter().filter_map(|(name, types)| Some((name, types.of_most()?))).take(MOST_FEATURES);
        let columns = filled(typed.collect(), &sample);
        (sample.len() >= MIN_ROWS && !columns.is_empty()).then_some(Rows(columns))
    }

    /// Those that were stored.
    pub(super) fn stored(columns: Columns) -> Rows {
        Rows(columns)
    }

    /// The form they are stored in.
    pub(super) fn encoded(&self) -> Result<pieces::Stored> {
        pieces::encode(&self.0)
    }

    /// The share of the features that have drifted in a batch: their values, or how many of them there are that could be
    /// compared. None where there are too few rows for a verdict.
    pub(super) fn score(&self, batch: &[Value]) -> Result<Option<f64>> {
        if batch.len() < MIN_ROWS {
            return Ok(None);
        }
        let empty = |column: &Column| match column {
            Column::Numbers(_) => Column::Numbers(Vec::new()),
            _ => Column::Categories(Vec::new()),
        };
        let typed = self.0.iter().map(|(name, column)| (name.clone(), empty(column))).collect();
        let mut detector = DriftDetector::new(Method::Auto);
        detector.set_reference(self.0.clone())?;
        let mut results = detector.detect(filled(typed, &sample(batch)))?;
        let lacks = |notes: &[Note]| notes.contains(&Note::MissingShareChanged);
        results.retain(|result| result.verdict != Verdict::Insufficient || lacks(&result.notes));
        let drifted = results.iter().filter(|result| result.drift || lacks(&result.notes)).count();
        Ok((!results.is_empty()).then(|| drifted as f64 / results.len() as f64))
    }
}

/// How many values of a feature are of which type.
#[derive(Default)]
struct Types {
    numbers: usize,
    names: usize,
    others: usize,
}

impl Types {
    fn note(&mut self, value: &Value) {
        match value {
            Value::Null => {}
            Value::Array(_) | Value::Object(_) | Value::Bytes(_) | Value::Blob(_) => self.others += 1,
            value if value.as_f64().is_some() => self.numbers += 1,
            _ => self.names += 1,
        }
    }

    /// An empty column of the type that most are of; of others there is no column.
    fn of_most(&self) -> Option<Column> {
        let most = self.numbers.max(self.names).max(self.others);
        match most {
            0 => None,
            _ if self.numbers == most => Some(Column::Numbers(Vec::new())),
            _ if self.names == most => Some(Column::Categories(Vec::new())),
            _ => None,
        }
    }
}

/// Rows as many as are judged, drawn by the hash of their places: the newest alone may be sorted by something.
fn sample(rows: &[Value]) -> Vec<&Value> {
    let mut places: Vec<usize> = (0..rows.len()).collect();
    if rows.len() > MOST_ROWS {
        places.sort_unstable_by_key(|place| (xxh3_64(&(*place as u64).to_le_bytes()), *place));
        places.truncate(MOST_ROWS);
        places.sort_unstable();
    }
    places.into_iter().map(|place| &rows[place]).collect()
}

/// Fills columns with what rows have for them. A value of another type is missing.
fn filled(mut columns: Columns, rows: &[&Value]) -> Columns {
    for (place, row) in rows.iter().enumerate() {
        for (name, value) in cells(row) {
            match columns.get_mut(&name) {
                Some(Column::Numbers(values)) => {
                    values.resize(place, None);
                    values.push(value.as_f64());
                }
                Some(Column::Categories(values)) => {
                    values.resize(place, None);
                    values.push(text(value));
                }
                _ => {}
            }
        }
    }
    for column in columns.values_mut() {
        match column {
            Column::Numbers(values) => values.resize(rows.len(), None),
            Column::Categories(values) => values.resize(rows.len(), None),
            Column::Vectors { .. } => {}
        }
    }
    columns
}

/// A value as the name of a category.
fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::Null | Value::Array(_) | Value::Object(_) | Value::Bytes(_) | Value::Blob(_) => return None,
        Value::Text(text) => text.clone(),
        other => other.to_string(),
    };
    Some(if text.len() <= MOST_TEXT { text } else { format!("#{:016x}", xxh3_64(text.as_bytes())) })
}
