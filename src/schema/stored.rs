//! The form in which the manifest keeps a schema.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{FieldIndexing, Schema, Vectors};
use crate::bytes::Reader;
use crate::error::{Error, ErrorKind, Result};
use crate::filter::Fields;
use crate::index::IndexSpec;
use crate::payload::FieldType;
use crate::storage::codec;
use crate::vector::metric::Metric;

/// The version of the stored form that this program writes, and the newest it reads.
const VERSION: u16 = 1;

impl Schema {
    /// The stored form of a schema that was checked.
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        let (vectors, dimension) = match self.vectors {
            Vectors::None => (0, 0),
            Vectors::F32 { dimension, .. } => (1, dimension),
            Vectors::Bits { bits } => (2, bits),
        };
        codec::encode(&Stored {
            version: VERSION,
            vectors,
            dimension: dimension as u32,
            metric: self.metric().map_or(0, Metric::code),
            index: self.index.to_string(),
            ttl_micros: self.ttl.map(|ttl| ttl.as_micros() as u64),
            model: self.model.clone(),
            ephemeral: self.ephemeral,
            fields: self.fields.iter().map(|(name, kind)| (name.to_owned(), field_code(kind))).collect(),
            field_indexing: matches!(self.field_indexing, FieldIndexing::Auto).into(),
        })
    }

    /// Reads a stored form; `what` names it in errors, such as "the schema of collection docs".
    pub(crate) fn decode(bytes: &[u8], what: &str) -> Result<Schema> {
        let version = Reader::new(bytes).u16().map_err(|_| Error::corrupt(format!("{what} is cut short"), what))?;
        if version > VERSION {
            return Err(Error::new(
                ErrorKind::Version,
                format!("{what} has format {version}; this program reads {VERSION}"),
            )
            .mend("use a newer version of the program"));
        }
        let corrupt = |why: &dyn fmt::Display| Error::corrupt(format!("{what} is damaged: {why}"), what);
        let schema = codec::decode::<Stored>(bytes, what)?.into_schema().map_err(|error| corrupt(&error))?;
        schema.check().map_err(|error| corrupt(&error))?;
        Ok(schema)
    }
}

/// The stored form (frozen): the fields in this order, each at full width. `vectors` is 0 for none, 1 for `f32`, 2 for
/// bits; `metric` is [`Metric::code`], 0 where there are no vectors. Another form takes another version.
#[derive(Serialize, Deserialize)]
struct Stored {
    version: u16,
    vectors: u8,
    dimension: u32,
    metric: u8,
    index: String,
    ttl_micros: Option<u64>,
    model: Option<String>,
    ephemeral: bool,
    fields: Vec<(String, u8)>,
    field_indexing: u8,
}

/// The code of a field's type (frozen).
fn field_code(kind: FieldType) -> u8 {
    match kind {
        FieldType::Bool => 1,
        FieldType::Int => 2,
        FieldType::Float => 3,
        FieldType::Text => 4,
    }
}

/// Declared fields as they are stored; each name in its one form, and in the order of names.
fn read_fields(stored: &[(String, u8)]) -> Result<Fields> {
    let mut fields = Fields::default();
    for (name, code) in stored {
        let kind = FieldType::ALL.into_iter().find(|kind| field_code(*kind) == *code);
        let kind = kind.ok_or_else(|| Error::invalid(format!("there is no type {code} of fields")))?;
        fields.declare(name.clone(), kind);
    }
    if fields.iter().map(|(name, _)| name).eq(stored.iter().map(|(name, _)| name)) {
        return Ok(fields);
    }
    Err(Error::invalid("the declared fields are not in order"))
}

impl Stored {
    fn into_schema(self) -> Result<Schema> {
        let size = self.dimension as usize;
        let vectors = match (self.vectors, Metric::from_code(self.metric)) {
            (0, None) if self.metric == 0 && size == 0 => Vectors::None,
            (1, Some(metric)) => Vectors::F32 { dimension: size, metric },
            (2, Some(Metric::Hamming)) => Vectors::Bits { bits: size },
            (kind, _) => {
                return Err(Error::invalid(format!("there are no vectors of kind {kind} with metric {}", self.metric)));
            }
        };
        if self.version != VERSION {
            return Err(Error::invalid(format!("there is no format {}", self.version)));
        }
        let index = IndexSpec::parse(&self.index)?;
        let ttl = self.ttl_micros.map(Duration::from_micros);
        let fields = read_fields(&self.fields)?;
        let field_indexing = match self.field_indexing {
            0 => FieldIndexing::None,
            1 => FieldIndexing::Auto,
            other => return Err(Error::invalid(format!("there is no field indexing {other}"))),
        };
        Ok(Schema { vectors, index, ttl, model: self.model, ephemeral: self.ephemeral, fields, field_indexing })
    }
}
