//! Writing records as a table of text, so that reading it gives the same records.
//!
//! The columns are `@key`, then `@vector`, `@payload`, `@created` and `@expires` where some record needs them, then the
//! fields of the payloads. A cell holds JSON where the text alone would be read as something else.

use std::collections::BTreeSet;
use std::path::Path;

use super::cell;
use super::lines::{Never, Records};
use super::target::{Target, unwritable};
use crate::collection::record::Record;
use crate::error::{Error, Result};
use crate::key::Key;
use crate::payload::Value;
use crate::schema::Schema;

/// More columns are not written: such payloads are no table.
const MAX_COLUMNS: usize = 10_000;

/// A table being written.
pub(super) struct TableWriter {
    writer: ::csv::Writer<Target>,
    fields: Vec<String>,
    never: Never,
    path: std::path::PathBuf,
}

impl TableWriter {
    /// Looks through the records for the fields that they have, and writes the headings.
    pub(super) fn create(path: &Path, replace: bool, schema: &Schema, records: Records<'_>) -> Result<TableWriter> {
        let mut fields = BTreeSet::new();
        for record in records {
            for name in columns_of(&record?.payload).into_iter().flatten() {
                if !fields.contains(name) {
                    fields.insert(name.to_owned());
                }
            }
            if fields.len() > MAX_COLUMNS {
                return Err(Error::invalid(format!("the payloads have more than {MAX_COLUMNS} fields"))
                    .at(path.display().to_string())
                    .mend("export as jsonl"));
            }
        }
        let fields: Vec<String> = fields.into_iter().collect();
        let writer = ::csv::Writer::from_writer(Target::create(path, replace)?);
        let mut table = TableWriter { writer, fields, never: Never::of(schema), path: path.to_owned() };
        let headings = PARTS.iter().copied().chain(table.fields.iter().map(String::as_str));
        let headings: Vec<String> = headings.map(str::to_owned).collect();
        table.put(&headings)?;
        Ok(table)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn write(&mut self, record: &Record) -> Result<()> {
        let vector = record.vector.as_ref().map(json).transpose()?.unwrap_or_default();
        let columns = columns_of(&record.payload).is_some();
        let payload = if columns || record.payload.is_null() { String::new() } else { json(&record.payload)? };
        let time = |time: Option<crate::clock::Timestamp>| time.map(|time| time.0.to_string()).unwrap_or_default();
        let (created, expires) = (time(record.created), time(self.never.expiry(record)));
        let mut cells = vec![key_cell(&record.key)?, vector, payload, created, expires];
        for name in &self.fields {
            let value = record.payload.get(name).filter(|_| columns);
            cells.push(value.map(cell_of).transpose()?.unwrap_or_default());
        }
        self.put(&cells)
    }

    fn put(&mut self, cells: &[String]) -> Result<()> {
        self.writer.write_record(cells).map_err(|error| unwritable(&self.path, error.into()))
    }

    pub(super) fn finish(self) -> Result<u64> {
        let path = self.path;
        let target = self.writer.into_inner().map_err(|error| unwritable(&path, error.into_error()))?;
        target.finish()
    }
}

const PARTS: [&str; 5] = ["@key", "@vector", "@payload", "@created", "@expires"];

/// The names of a payload's fields, where each can be a column.
fn columns_of(payload: &Value) -> Option<impl Iterator<Item = &str>> {
    let fields = payload.as_object().filter(|fields| !fields.is_empty())?;
    // A stand-in for bytes or a blob would be one again.
    let plain = |name: &String| !name.is_empty() && !name.starts_with(['@', '$']) && name.trim() == name;
    fields.keys().all(plain).then(|| fields.keys().map(String::as_str))
}

fn key_cell(key: &Key) -> Result<String> {
    match key.as_text().filter(|text| !text.is_empty() && cell::key(text) == *key) {
        Some(text) => Ok(text.to_owned()),
        None => json(key),
    }
}

fn cell_of(value: &Value) -> Result<String> {
    match value.as_text().filter(|text| !text.is_empty() && cell::read(text) == *value) {
        Some(text) => Ok(text.to_owned()),
        None => json(value),
    }
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::internal(format!("what is stored is no JSON: {error}")))
}
