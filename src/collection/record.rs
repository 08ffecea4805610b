//! Records: what a collection holds.

use std::time::Duration;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::error::Result;
use crate::ids::Lsn;
use crate::key::Key;
use crate::payload::{self, Value};
use crate::vector::Vector;

/// One record of a collection: a key, a vector where the collection has them, a payload, and when it was written.
///
/// A record that was read carries the position and time of its writing; a record to be put may leave them out.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Record {
    /// The name, unique inside the collection.
    pub key: Key,
    /// The vector, as it was put, bit for bit; `None` in a payload-only collection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vector: Option<Vector>,
    /// Anything JSON can say, and bytes; [`Value::Null`] when nothing was given.
    pub payload: Value,
    /// The batch that wrote it. Ignored by put.
    pub lsn: Lsn,
    /// When it was created: at put the given time, or now.
    pub created: Option<Timestamp>,
    /// From this time on it is as if it had been deleted; `None` is never. At put, the schema's time to live fills in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    #[serde(skip)]
    pub(crate) time_to_live: Option<Duration>,
}

impl Record {
    /// A record without vector and payload.
    pub fn new(key: impl Into<Key>) -> Record {
        Record {
            key: key.into(),
            vector: None,
            payload: Value::Null,
            lsn: Lsn(0),
            created: None,
            expires: None,
            time_to_live: None,
        }
    }

    /// Sets the vector: a slice, array or `Vec` of f32, or [`Vector::Bits`].
    #[must_use]
    pub fn vector(mut self, vector: impl Into<Vector>) -> Record {
        self.vector = Some(vector.into());
        self
    }

    /// Sets the payload, for example from [`json!`](crate::json).
    #[must_use]
    pub fn payload(mut self, payload: impl Into<Value>) -> Record {
        self.payload = payload.into();
        self
    }

    /// Sets when the record was created; without it, the time of the put.
    #[must_use]
    pub fn created_at(mut self, time: Timestamp) -> Record {
        self.created = Some(time);
        self
    }

    /// Sets when the record expires, overruling the schema's time to live.
    #[must_use]
    pub fn expires_at(mut self, time: Timestamp) -> Record {
        self.expires = Some(time);
        self
    }

    /// Sets how long after its creation the record expires, overruling the schema's time to live.
    #[must_use]
    pub fn expires_in(mut self, wait: Duration) -> Record {
        self.time_to_live = Some(wait);
        self
    }
}

/// Changes to one record: what it names is replaced, the rest stays.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Patch {
    pub(crate) payload: Option<Value>,
    pub(crate) vector: Option<Vector>,
    pub(crate) expires: Option<Option<Timestamp>>,
}

impl Patch {
    /// The most it adds to a stored record.
    pub(crate) fn bytes(&self) -> Result<usize> {
        let payload = self.payload.as_ref().map(payload::encode).transpose()?;
        let vector = self.vector.as_ref().map_or(0, |vector| vector.view().as_bytes().len());
        Ok(payload.map_or(0, |payload| payload.len()) + vector)
    }

    /// A patch that changes nothing yet.
    pub fn new() -> Patch {
        Patch::default()
    }

    /// Merges `payload` into the record's as a JSON merge patch (RFC 7396): fields given replace, null removes,
    /// objects are merged field by field.
    #[must_use]
    pub fn merge(mut self, payload: impl Into<Value>) -> Patch {
        self.payload = Some(payload.into());
        self
    }

    /// Replaces the vector.
    #[must_use]
    pub fn vector(mut self, vector: impl Into<Vector>) -> Patch {
        self.vector = Some(vector.into());
        self
    }

    /// Sets when the record expires; `None` is never.
    #[must_use]
    pub fn expires(mut self, time: Option<Timestamp>) -> Patch {
        self.expires = Some(time);
        self
    }
}
