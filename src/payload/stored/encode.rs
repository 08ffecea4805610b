//! Writing the stored form.

use super::tag;
use crate::bytes::Write;
use crate::error::{Error, Result};
use crate::payload::{BLOB_FIELD, BYTES_FIELD, MAX_DEPTH, MAX_PAYLOAD_BYTES, Value, too_deep};

/// The stored form of a payload, or why it cannot be stored.
pub(crate) fn encode(value: &Value) -> Result<Vec<u8>> {
    let mut encoder = Encoder { out: Vec::new() };
    encoder.value(value, 0).map_err(|refusal| match refusal.path.as_str() {
        "" => refusal.error,
        path => refusal.error.at(format!("payload{path}")),
    })?;
    Ok(encoder.out)
}

struct Encoder {
    out: Vec<u8>,
}

/// Why a value cannot be stored, and the way to it from the root.
struct Refusal {
    error: Error,
    path: String,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal { error, path: String::new() }
    }
}

impl Refusal {
    fn inside(self, step: impl std::fmt::Display) -> Refusal {
        Refusal { path: format!("{step}{}", self.path), ..self }
    }
}

impl Encoder {
    /// Appends a value that stands inside `depth` arrays and objects; the limit on depth bounds the recursion.
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Refusal> {
        match value {
            Value::Null => self.push(&[tag::NULL]),
            Value::Bool(false) => self.push(&[tag::FALSE]),
            Value::Bool(true) => self.push(&[tag::TRUE]),
            Value::Int(number) => self.scalar(tag::INT, number.to_le_bytes()),
            Value::UInt(number) => match i64::try_from(*number) {
                Ok(small) => self.scalar(tag::INT, small.to_le_bytes()),
                Err(_) => self.scalar(tag::UINT, number.to_le_bytes()),
            },
            Value::Float(number) if number.is_finite() => self.scalar(tag::FLOAT, number.to_le_bytes()),
            Value::Float(number) => Err(Error::invalid(format!("{number} is not a finite number"))
                .mend("leave the field out, or store null or text")
                .into()),
            Value::Text(text) => self.block(&[tag::TEXT], text.as_bytes()),
            Value::Bytes(bytes) => self.block(&[tag::BYTES], bytes),
            Value::Array(_) | Value::Object(_) if depth == MAX_DEPTH => Err(too_deep().into()),
            Value::Array(values) => {
                let start = self.open(tag::ARRAY, values.len())?;
                for (index, value) in values.iter().enumerate() {
                    self.mark(start, index);
                    self.value(value, depth + 1).map_err(|refusal| refusal.inside(format_args!("[{index}]")))?;
                }
                Ok(())
            }
            Value::Object(fields) => {
                if let Some(name) = fields.keys().next().filter(|name| fields.len() == 1 && is_reserved(name)) {
                    return Err(reserved(name).into());
                }
                let start = self.open(tag::OBJECT, fields.len())?;
                for (index, (name, value)) in fields.iter().enumerate() {
                    self.mark(start, index);
                    self.block(&[], name.as_bytes())?;
                    self.value(value, depth + 1).map_err(|refusal| refusal.inside(format_args!(".{name}")))?;
                }
                Ok(())
            }
            Value::Blob(blob) => {
                self.push(&[tag::BLOB])?;
                self.push(&blob.0)
            }
        }
    }

    fn scalar(&mut self, tag: u8, content: [u8; 8]) -> Result<(), Refusal> {
        self.push(&[tag])?;
        self.push(&content)
    }

    fn block(&mut self, before: &[u8], content: &[u8]) -> Result<(), Refusal> {
        self.require(before.len() + 4 + content.len())?;
        self.out.extend_from_slice(before);
        self.out.put_block(content);
        Ok(())
    }

    /// Appends the head of an array or object with room for its offsets; returns where its tag is.
    fn open(&mut self, tag: u8, count: usize) -> Result<usize, Refusal> {
        let start = self.out.len();
        self.require(count.saturating_mul(4).saturating_add(5))?;
        self.out.put_u8(tag);
        self.out.put_u32(count as u32);
        self.out.resize(start + 5 + 4 * count, 0);
        Ok(start)
    }

    /// Notes that element or field `index` of what was opened at `start` begins here.
    fn mark(&mut self, start: usize, index: usize) {
        let offset = (self.out.len() - start) as u32;
        let place = start + 5 + 4 * index;
        self.out[place..place + 4].copy_from_slice(&offset.to_le_bytes());
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.require(bytes.len())?;
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    /// Refuses before anything is copied, so a payload far over the limit costs no more memory than the limit.
    fn require(&self, more: usize) -> Result<(), Refusal> {
        if self.out.len().saturating_add(more) <= MAX_PAYLOAD_BYTES {
            return Ok(());
        }
        let limit = MAX_PAYLOAD_BYTES / (1024 * 1024);
        Err(Error::invalid(format!("the payload takes more than {limit} MiB when stored"))
            .mend("keep the large part as a blob and name the blob in the payload")
            .into())
    }
}

/// Whether an object with this as its only field would be taken for bytes or a blob on its way through JSON.
pub(super) fn is_reserved(name: &str) -> bool {
    name == BYTES_FIELD || name == BLOB_FIELD
}

fn reserved(name: &str) -> Error {
    let content = if name == BYTES_FIELD { "base64 text" } else { "64 hexadecimal digits" };
    Error::invalid(format!("an object whose only field is {name} must hold {content}")).mend("mend it or rename it")
}
