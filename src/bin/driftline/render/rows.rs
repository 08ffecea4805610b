//! Records and hits: as documents for programs, and as rows of cells.

use driftline::statement::Columns;
use driftline::{Hit, Key, Lsn, Record, Timestamp, Value, Vector};
use serde::{Serialize, Serializer};

use super::cells::{self, Look};

/// One of many things that are printed under headings.
pub(crate) trait Row: Serialize {
    fn cells(&self, look: Look) -> Vec<String>;
}

/// The fields of a document, and their values as cells.
pub(super) fn fields(thing: &impl Serialize) -> Vec<(String, String)> {
    let cell = |value: serde_json::Value| match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    match serde_json::to_value(thing) {
        Ok(serde_json::Value::Object(fields)) => fields.into_iter().map(|(name, it)| (name, cell(it))).collect(),
        Ok(other) => vec![("value".into(), cell(other))],
        Err(_) => Vec::new(),
    }
}

/// A record in JSON, as `import` and `put COLLECTION -` read it.
#[derive(Serialize)]
pub(crate) struct RecordJson<'a> {
    key: &'a Key,
    #[serde(skip_serializing_if = "Option::is_none")]
    vector: Option<&'a Vector>,
    payload: &'a Value,
    lsn: Lsn,
    created: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<Timestamp>,
}

impl<'a> RecordJson<'a> {
    pub(crate) fn new(record: &'a Record) -> RecordJson<'a> {
        RecordJson {
            key: &record.key,
            vector: record.vector.as_ref(),
            payload: &record.payload,
            lsn: record.lsn,
            created: record.created,
            expires: record.expires,
        }
    }
}

/// A record as a scan shows it.
pub(crate) struct RecordRow<'a> {
    pub(crate) record: Record,
    pub(crate) columns: &'a Columns,
    /// Whether the collection has vectors.
    pub(crate) vectors: bool,
}

impl RecordRow<'_> {
    pub(crate) fn headings(columns: &Columns, vectors: bool) -> Vec<&str> {
        let mut headings = vec!["key"];
        match columns {
            Columns::Key => {}
            Columns::Fields(fields) => headings.extend(fields.iter().map(String::as_str)),
            _ => {
                headings.extend(vectors.then_some("vector"));
                headings.push("payload");
            }
        }
        headings
    }
}

impl Row for RecordRow<'_> {
    fn cells(&self, look: Look) -> Vec<String> {
        let mut cells = vec![cells::key_as(&self.record.key, look)];
        match self.columns {
            Columns::Key => {}
            Columns::Fields(fields) => cells.extend(chosen(&self.record.payload, fields, look)),
            _ => {
                cells.extend(self.vectors.then(|| cells::vector_as(self.record.vector.as_ref(), look)));
                cells.push(cells::payload_as(&self.record.payload, look));
            }
        }
        cells
    }
}

impl Serialize for RecordRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Part<'a> {
            key: &'a Key,
            #[serde(skip_serializing_if = "Option::is_none")]
            payload: Option<Value>,
        }
        let key = &self.record.key;
        match self.columns {
            Columns::Key => Part { key, payload: None }.serialize(serializer),
            Columns::Fields(fields) => {
                Part { key, payload: Some(projected(&self.record.payload, fields)) }.serialize(serializer)
            }
            _ => RecordJson::new(&self.record).serialize(serializer),
        }
    }
}

/// A hit as a search shows it.
pub(crate) struct HitRow<'a> {
    pub(crate) hit: &'a Hit,
    pub(crate) columns: &'a Columns,
}

/// A hit in JSON.
#[derive(Serialize)]
pub(crate) struct HitJson<'a> {
    key: &'a Key,
    distance: f32,
    similarity: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    vector: Option<&'a Vector>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a Value>,
}

impl<'a> HitRow<'a> {
    pub(crate) fn headings(columns: &Columns) -> Vec<&str> {
        let mut headings = vec!["key", "distance", "similarity"];
        match columns {
            Columns::Key => {}
            Columns::Fields(fields) => headings.extend(fields.iter().map(String::as_str)),
            Columns::All => headings.extend(["vector", "payload"]),
            _ => headings.push("payload"),
        }
        headings
    }

    pub(crate) fn json(&self) -> HitJson<'a> {
        let record = self.hit.record.as_ref();
        let whole = *self.columns == Columns::All;
        HitJson {
            key: &self.hit.key,
            distance: self.hit.distance,
            similarity: self.hit.similarity(),
            vector: record.filter(|_| whole).and_then(|record| record.vector.as_ref()),
            payload: record.map(|record| &record.payload),
        }
    }
}

impl Row for HitRow<'_> {
    fn cells(&self, look: Look) -> Vec<String> {
        let number = |number: f32| if look == Look::Short { cells::figure(number) } else { number.to_string() };
        let hit = self.hit;
        let mut cells = vec![cells::key_as(&hit.key, look), number(hit.distance), number(hit.similarity())];
        let record = hit.record.as_ref();
        let payload = record.map_or(&Value::Null, |record| &record.payload);
        match self.columns {
            Columns::Key => {}
            Columns::Fields(fields) => cells.extend(chosen(payload, fields, look)),
            columns => {
                let vector = record.and_then(|record| record.vector.as_ref());
                cells.extend((*columns == Columns::All).then(|| cells::vector_as(vector, look)));
                cells.push(cells::payload_as(payload, look));
            }
        }
        cells
    }
}

impl Serialize for HitRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json().serialize(serializer)
    }
}

/// The cells of these fields.
fn chosen(payload: &Value, fields: &[String], look: Look) -> Vec<String> {
    fields.iter().map(|field| cells::field_as(at(payload, field).unwrap_or(&Value::Null), look)).collect()
}

/// The part of a payload at a path with dots; names in back quotes are taken as they are.
fn at<'a>(payload: &'a Value, path: &str) -> Option<&'a Value> {
    // An answer to a search has the fields under the paths they were asked by.
    payload.get(path).or_else(|| names(path).iter().try_fold(payload, |value, name| value.get(name)))
}

fn names(path: &str) -> Vec<String> {
    let mut names = vec![String::new()];
    for (number, part) in path.split('`').enumerate() {
        // What stands between two back quotes has dots of its own.
        let mut pieces = if number % 2 == 0 { part.split('.').collect() } else { vec![part] }.into_iter();
        if let (Some(last), Some(first)) = (names.last_mut(), pieces.next()) {
            last.push_str(first);
        }
        names.extend(pieces.map(str::to_owned));
    }
    names
}

/// The payload with these fields alone, under the paths they were asked by.
pub(crate) fn projected(payload: &Value, fields: &[String]) -> Value {
    Value::object(fields.iter().filter_map(|field| Some((field.clone(), at(payload, field)?.clone()))))
}

/// A row that is its cells already, beside the document it stands for.
pub(crate) struct Plain<T> {
    pub(crate) thing: T,
    pub(crate) cells: Vec<String>,
}

impl<T: Serialize> Row for Plain<T> {
    fn cells(&self, _: Look) -> Vec<String> {
        self.cells.clone()
    }
}

impl<T: Serialize> Serialize for Plain<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.thing.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_dots_but_not_in_quotes() {
        assert_eq!(names("a.b"), ["a", "b"]);
        assert_eq!(names("`a.b`.c"), ["a.b", "c"]);
        assert_eq!(names("a.`b c`"), ["a", "b c"]);
    }
}
