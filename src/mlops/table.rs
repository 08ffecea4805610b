//! Records of one type in a system collection.

use std::marker::PhantomData;
use std::ops::RangeBounds;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::Timestamp;
use crate::collection::record::Record;
use crate::database::batch::Batch;
use crate::database::collection::Collection;
use crate::database::handle::Database;
use crate::database::scan::Scan;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::Lsn;
use crate::key::Key;
use crate::payload::Value;
use crate::schema::Schema;

/// A system collection whose payloads are values of one type, as the type's own serde form.
///
/// The collection is made by the first write; until then it reads as empty, so that looking changes nothing.
#[derive(Debug)]
pub(crate) struct Table<T> {
    db: Database,
    name: &'static str,
    schema: fn() -> Schema,
    of: PhantomData<fn() -> T>,
}

impl<T> Clone for Table<T> {
    fn clone(&self) -> Table<T> {
        Table { db: self.db.clone(), ..*self }
    }
}

/// A record of a table.
#[derive(Debug, Clone)]
pub(crate) struct Row<T> {
    pub(crate) key: Key,
    pub(crate) value: T,
    /// The batch that wrote it, for a compare-and-set by [`Precondition::AtLsn`](crate::Precondition::AtLsn).
    pub(crate) lsn: Lsn,
    pub(crate) expires: Option<Timestamp>,
}

impl<T: Serialize + DeserializeOwned> Table<T> {
    /// The table of this name, which begins with `_`.
    pub(crate) fn new(db: &Database, name: &'static str) -> Table<T> {
        Table::with_schema(db, name, Schema::payload_only)
    }

    /// The same with a schema of its own, for records that live a while or are kept out of the log.
    pub(crate) fn with_schema(db: &Database, name: &'static str, schema: fn() -> Schema) -> Table<T> {
        Table { db: db.clone(), name, schema, of: PhantomData }
    }

    /// The collection, made if there is none.
    pub(crate) fn collection(&self) -> Result<Collection> {
        self.db.system_collection(self.name, self.schema)
    }

    /// The collection, if anything was ever written.
    pub(crate) fn existing(&self) -> Result<Option<Collection>> {
        match self.db.collection(self.name) {
            Ok(collection) => Ok(Some(collection.for_system())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn get(&self, key: impl Into<Key>) -> Result<Option<Row<T>>> {
        let Some(collection) = self.existing()? else { return Ok(None) };
        collection.get(key)?.map(|record| self.read(record)).transpose()
    }

    pub(crate) fn put(&self, key: impl Into<Key>, value: &T) -> Result<()> {
        self.put_in(self.db.batch(), key, value)?.commit().map(drop)
    }

    /// Adds the record to a batch.
    pub(crate) fn put_in(&self, batch: Batch, key: impl Into<Key>, value: &T) -> Result<Batch> {
        Ok(batch.put(&self.collection()?, self.record(key, value)?))
    }

    /// The record, to be given a time or an end of its life before it is put.
    pub(crate) fn record(&self, key: impl Into<Key>, value: &T) -> Result<Record> {
        Ok(Record::new(key).payload(self.payload(value)?))
    }

    /// The records in this range of keys, in their order.
    pub(crate) fn range(&self, range: impl RangeBounds<Key>) -> Result<Vec<Row<T>>> {
        self.walk(|scan| scan.range(range))
    }

    /// The records whose keys begin with `prefix`, in the order of keys.
    pub(crate) fn prefix(&self, prefix: impl Into<Key>) -> Result<Vec<Row<T>>> {
        self.walk(|scan| scan.prefix(prefix))
    }

    /// The records that a scan comes by, such as `|scan| scan.reverse().limit(10)`.
    pub(crate) fn walk(&self, narrow: impl FnOnce(Scan) -> Scan) -> Result<Vec<Row<T>>> {
        self.iter(narrow)?.collect()
    }

    /// The same, read one by one as they are asked for.
    pub(crate) fn iter(&self, narrow: impl FnOnce(Scan) -> Scan) -> Result<impl Iterator<Item = Result<Row<T>>>> {
        let scan = self.existing()?.map(|collection| narrow(collection.scan()));
        Ok(scan.into_iter().flatten().map(|record| self.read(record?)))
    }

    /// Where the records are, for messages.
    pub(crate) fn place(&self) -> String {
        format!("collection {}", self.name)
    }

    fn payload(&self, value: &T) -> Result<Value> {
        let json = serde_json::to_value(value)
            .map_err(|error| Error::internal(format!("a record of {} cannot be stored: {error}", self.name)))?;
        Ok(Value::from(json))
    }

    fn read(&self, record: Record) -> Result<Row<T>> {
        read(self.name, record)
    }
}

/// A record of the collection of this name as a row.
pub(crate) fn read<T: DeserializeOwned>(name: &str, record: Record) -> Result<Row<T>> {
    let Record { key, payload, lsn, expires, .. } = record;
    let value = serde_json::from_value(payload.to_json()).map_err(|error| {
        Error::new(ErrorKind::Corrupt, format!("the record {key} cannot be read: {error}"))
            .at(format!("collection {name}"))
    })?;
    Ok(Row { key, value, lsn, expires })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Note {
        text: String,
        weight: Option<f64>,
    }

    fn note(text: &str) -> Note {
        Note { text: text.into(), weight: Some(0.1) }
    }

    #[test]
    fn records_come_back_as_they_were_put() {
        let db = Database::in_memory().unwrap();
        let table = Table::<Note>::new(&db, "_notes");
        assert!(table.get("a/1").unwrap().is_none() && db.collections().unwrap().is_empty());
        for key in ["a/1", "a/2", "b/1"] {
            table.put(key, &note(key)).unwrap();
        }
        assert_eq!(table.get("a/1").unwrap().unwrap().value, note("a/1"));
        let found = table.prefix("a/").unwrap();
        assert_eq!(found.iter().map(|row| row.value.text.as_str()).collect::<Vec<_>>(), ["a/1", "a/2"]);
        assert_eq!(table.walk(|scan| scan.reverse().limit(1)).unwrap()[0].key, "b/1".into());
    }

    #[test]
    fn only_its_owner_writes_a_system_collection() {
        let db = Database::in_memory().unwrap();
        Table::new(&db, "_notes").put("a", &note("a")).unwrap();
        let notes = db.collection("_notes").unwrap();
        assert_eq!(notes.count().unwrap(), 1);
        let refused = [
            notes.put(Record::new("b")).map(drop),
            notes.delete("a").map(drop),
            notes.delete_where("@key = 'a'").map(drop),
            db.batch().put(&notes, Record::new("b")).commit().map(drop),
            notes.import().map(drop),
            notes.resume_import("x", "y").map(drop),
            db.drop_collection("_notes"),
        ];
        for refused in refused {
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);
        }
        assert_eq!(notes.count().unwrap(), 1);
    }

    #[test]
    fn a_record_of_another_type_is_damage_and_named() {
        let db = Database::in_memory().unwrap();
        Table::<u32>::new(&db, "_notes").put("a", &7).unwrap();
        let error = Table::<Note>::new(&db, "_notes").get("a").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("_notes"), "{error}");
    }
}
