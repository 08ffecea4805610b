//! Writing records as lines of JSON, as they are read.

use serde::Serialize;

use super::target::{Target, unwritable};
use crate::clock::Timestamp;
use crate::collection::record::Record;
use crate::error::Result;
use crate::key::Key;
use crate::payload::Value;
use crate::schema::Schema;
use crate::vector::Vector;

/// Records to export.
pub type Records<'a> = Box<dyn Iterator<Item = Result<Record>> + 'a>;

/// What of a record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    /// The vector stands elsewhere.
    WithoutVector,
}

/// How a record is written that never expires: where the schema gives those a time that have none, it has to be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Never(Option<Timestamp>);

impl Never {
    pub(super) fn of(schema: &Schema) -> Never {
        Never(schema.time_to_live().map(|_| Timestamp::NEVER))
    }

    /// When a record expires, as it is written.
    pub(super) fn expiry(self, record: &Record) -> Option<Timestamp> {
        record.expires.or(self.0)
    }
}

/// A record, but for its position, which is the store's.
#[derive(Serialize)]
struct Line<'a> {
    key: &'a Key,
    #[serde(skip_serializing_if = "Option::is_none")]
    vector: Option<&'a Vector>,
    #[serde(skip_serializing_if = "is_null")]
    payload: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<Timestamp>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference to the field")]
fn is_null(payload: &&Value) -> bool {
    payload.is_null()
}

pub(super) fn write_line(target: &mut Target, record: &Record, part: Part, never: Never) -> Result<()> {
    let line = Line {
        key: &record.key,
        vector: record.vector.as_ref().filter(|_| part == Part::Whole),
        payload: &record.payload,
        created: record.created,
        expires: never.expiry(record),
    };
    serde_json::to_writer(&mut *target, &line).map_err(|error| unwritable(target.path(), error.into()))?;
    target.put(b"\n")
}
