//! A schema as text and as JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::{FieldIndexing, Schema, Vectors};
use crate::vector::metric::Metric;

/// As the shell prints it.
impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.vectors.fmt(f)?;
        if self.vectors != Vectors::None {
            write!(f, " index {}", self.index)?;
        }
        if self.model.is_some() {
            write!(f, " model {}", Model(&self.model))?;
        }
        if self.ttl.is_some() {
            write!(f, " ttl {}", Ttl(self.ttl))?;
        }
        if self.ephemeral {
            f.write_str(" ephemeral")?;
        }
        if !self.fields.is_empty() {
            write!(f, " fields {}", self.fields)?;
        }
        if self.field_indexing != FieldIndexing::Auto {
            write!(f, " field indexing {}", self.field_indexing)?;
        }
        Ok(())
    }
}

impl fmt::Display for Vectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Vectors::None => f.write_str("payload only"),
            Vectors::F32 { dimension, metric } => write!(f, "f32[{dimension}] {metric}"),
            Vectors::Bits { bits } => write!(f, "bits[{bits}] {}", Metric::Hamming),
        }
    }
}

/// A model in quotes, or `none`; a quote inside is doubled.
pub(super) struct Model<'a>(pub(super) &'a Option<String>);

impl fmt::Display for Model<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(model) => write!(f, "'{}'", model.replace('\'', "''")),
            None => f.write_str("none"),
        }
    }
}

/// A time to live in the largest unit that divides it, or `none`.
pub(super) struct Ttl(pub(super) Option<Duration>);

impl fmt::Display for Ttl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u128, &str); 5] =
            [(86_400_000_000, "d"), (3_600_000_000, "h"), (60_000_000, "m"), (1_000_000, "s"), (1_000, "ms")];
        let Some(ttl) = self.0 else { return f.write_str("none") };
        let micros = ttl.as_micros();
        let (size, unit) = UNITS.into_iter().find(|(size, _)| micros % size == 0).unwrap_or((1, "us"));
        write!(f, "{}{unit}", micros / size)
    }
}

/// `vectors` (`f32`, `bits` or `none`), `dimension`, `metric`, `index`, `ttl_us`, `model`, `ephemeral`, `fields` (types by
/// name) and `field_indexing`; what there is not is null.
impl Serialize for Schema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let vectors = match self.vectors {
            Vectors::None => "none",
            Vectors::F32 { .. } => "f32",
            Vectors::Bits { .. } => "bits",
        };
        let mut fields = serializer.serialize_struct("Schema", 9)?;
        fields.serialize_field("vectors", vectors)?;
        fields.serialize_field("dimension", &self.dimension())?;
        fields.serialize_field("metric", &self.metric())?;
        fields.serialize_field("index", &self.metric().map(|_| &self.index))?;
        fields.serialize_field("ttl_us", &self.ttl.map(|ttl| ttl.as_micros() as u64))?;
        fields.serialize_field("model", &self.model)?;
        fields.serialize_field("ephemeral", &self.ephemeral)?;
        let types: BTreeMap<&str, &str> = self.fields.iter().map(|(name, kind)| (name, kind.name())).collect();
        fields.serialize_field("fields", &types)?;
        fields.serialize_field("field_indexing", &self.field_indexing.to_string())?;
        fields.end()
    }
}
