//! What is logged, and what is read from the log.

use std::sync::Arc;

use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::clock::Timestamp;
use crate::collection::record::Record;
use crate::error::{Error, Result};
use crate::mlops::model::ModelId;
use crate::payload::Value;
use crate::vector::Vector;

/// The field of the payload that holds the SHA-256 of the input, as 64 hexadecimal digits.
pub const INPUT_FIELD: &str = "input_sha256";

/// A vector to be logged, with what is known of it.
///
/// ```
/// use driftline::json;
/// use driftline::mlops::Entry;
///
/// let entry = Entry::new([0.1, 0.9, 0.0]).payload(json!({"lang": "en"})).input("A red bicycle");
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use = "an entry is logged by EmbeddingLog::log"]
pub struct Entry {
    pub(super) vector: Vec<f32>,
    pub(super) time: Option<Timestamp>,
    payload: Value,
    input: Option<[u8; 32]>,
}

impl Entry {
    /// An entry of this vector, at the time when it is logged.
    pub fn new(vector: impl Into<Vec<f32>>) -> Entry {
        Entry { vector: vector.into(), time: None, payload: Value::Null, input: None }
    }

    /// Sets the payload, an object: what searches filter by and drift is told of. Default none.
    pub fn payload(self, payload: impl Into<Value>) -> Entry {
        Entry { payload: payload.into(), ..self }
    }

    /// Sets when the vector was made; it may be in the past.
    pub fn at(self, time: Timestamp) -> Entry {
        Entry { time: Some(time), ..self }
    }

    /// Says what was embedded. Its SHA-256 is kept in the field [`INPUT_FIELD`] of the payload; the text itself is not, unless
    /// it stands in the payload.
    pub fn input(self, text: &str) -> Entry {
        self.input_sha256(Sha256::digest(text).into())
    }

    /// The same for what was hashed elsewhere.
    pub fn input_sha256(self, hash: [u8; 32]) -> Entry {
        Entry { input: Some(hash), ..self }
    }

    /// The payload as it is stored.
    pub(super) fn stored_payload(&mut self) -> Result<Value> {
        let payload = std::mem::take(&mut self.payload);
        let Some(hash) = self.input else {
            return match payload {
                Value::Null | Value::Object(_) => Ok(payload),
                other => Err(not_an_object(&other)),
            };
        };
        let mut fields = match payload {
            Value::Null => Default::default(),
            Value::Object(fields) => fields,
            other => return Err(not_an_object(&other)),
        };
        let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let digits = Value::Text(digits);
        if let Some(other) = fields.insert(INPUT_FIELD.into(), digits.clone())
            && other != digits
        {
            let message = format!("the payload has a field {INPUT_FIELD} that is not the SHA-256 of the input");
            return Err(Error::invalid(message).mend("leave the field out: it is filled in"));
        }
        Ok(Value::Object(fields))
    }
}

fn not_an_object(payload: &Value) -> Error {
    let shown: String = payload.to_string().chars().take(40).collect();
    Error::invalid(format!("the payload {shown} is no object")).mend("give fields by name, as in {\"lang\": \"en\"}")
}

/// What tells inputs apart in a sketch: the first 8 bytes of the hash, where a payload has one.
pub(super) fn input_of(payload: &Value) -> Option<u64> {
    let digits = payload.get(INPUT_FIELD)?.as_text()?;
    u64::from_str_radix(digits.get(..16)?, 16).ok()
}

/// A row of the log, as its state is made of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) key: u64,
    pub(super) time: Timestamp,
    pub(super) vector: Vec<f32>,
    /// See [`input_of`].
    pub(super) input: Option<u64>,
}

impl Row {
    pub(super) fn of(record: Record) -> Result<Row> {
        let input = input_of(&record.payload);
        let (key, time, vector, _) = parts(record)?;
        Ok(Row { key, time, vector, input })
    }
}

/// A logged vector, as it is read.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Logged {
    /// The model that made it.
    #[serde(serialize_with = "as_text")]
    pub model: Arc<ModelId>,
    /// Its number in the space of the model: later ones have higher numbers, with gaps.
    pub key: u64,
    /// When it was made, as it was logged.
    #[serde(rename = "time_us")]
    pub time: Timestamp,
    /// The vector, bit for bit.
    pub vector: Vec<f32>,
    /// The payload, with the hash of the input where that was given.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub payload: Value,
}

impl Logged {
    pub(super) fn of(model: &Arc<ModelId>, record: Record) -> Result<Logged> {
        let (key, time, vector, payload) = parts(record)?;
        Ok(Logged { model: Arc::clone(model), key, time, vector, payload })
    }

    /// The SHA-256 of its input, in hexadecimal digits, where that was given.
    pub fn input_sha256(&self) -> Option<&str> {
        self.payload.get(INPUT_FIELD)?.as_text()
    }
}

fn as_text<S: Serializer>(model: &Arc<ModelId>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(model)
}

fn parts(record: Record) -> Result<(u64, Timestamp, Vec<f32>, Value)> {
    let damaged = || Error::corrupt("a record of the embedding log has no number, time or vector", "the embedding log");
    let key = record.key.as_number().ok_or_else(damaged)?;
    match (record.created, record.vector) {
        (Some(time), Some(Vector::F32(vector))) => Ok((key, time, vector, record.payload)),
        _ => Err(damaged()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_hash_of_the_input_goes_into_the_payload() {
        let payload = Entry::new([1.0]).payload(json!({"lang": "en"})).input("abc").stored_payload().unwrap();
        let digits = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(payload, json!({"lang": "en", INPUT_FIELD: digits}).into());
        assert_eq!(input_of(&payload), Some(0xba78_16bf_8f01_cfea));
        let again = Entry::new([1.0]).payload(payload.clone()).input("abc").stored_payload().unwrap();
        assert_eq!(again, payload);
        assert!(Entry::new([1.0]).payload(payload).input("other").stored_payload().is_err());
        assert!(Entry::new([1.0]).payload(7).stored_payload().is_err());
        assert_eq!(Entry::new([1.0]).stored_payload().unwrap(), Value::Null);
        for field in [json!("zz"), json!(7), json!("é".repeat(16))] {
            assert_eq!(input_of(&json!({ INPUT_FIELD: field }).into()), None);
        }
    }
}
