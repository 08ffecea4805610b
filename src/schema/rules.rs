//! What a schema may be, and what may be stored and asked under it.

use std::fmt;

use super::text::{Model, Ttl};
use super::{MAX_BITS, Schema, Vectors};
use crate::error::{Error, ErrorKind, Result};
use crate::vector::metric::Metric;
use crate::vector::{MAX_DIMENSION, VectorRef};

/// The most bytes the name of a model with its version may have: two of them with something between are a key.
pub(crate) const MAX_MODEL_BYTES: usize = 250;

impl Schema {
    /// Refuses vectors of another model than the collection's.
    pub(crate) fn check_model_is(&self, model: &str) -> Result<()> {
        if self.model_name() == Some(model) {
            return Ok(());
        }
        let holds = match self.model_name() {
            Some(own) => format!("holds vectors of model '{own}'"),
            None => "does not say which model its vectors come from".into(),
        };
        Err(Error::new(ErrorKind::ModelMismatch, format!("the collection {holds}, not of '{model}'"))
            .mend("use a collection of that model; vectors of different models cannot be compared"))
    }

    /// Refuses a schema that breaks a rule, naming the value and the rule.
    pub(crate) fn check(&self) -> Result<()> {
        self.vectors.check()?;
        self.index.check()?;
        self.fields.check()?;
        if let Some(ttl) = self.ttl
            && !(1..=i64::MAX as u128).contains(&ttl.as_micros())
        {
            return Err(Error::invalid(format!("a time to live of {ttl:?} is outside its range"))
                .mend("use at least a microsecond and less than 290,000 years, or none"));
        }
        match &self.model {
            Some(model) => check_model(model),
            None => Ok(()),
        }
    }

    /// Refuses `wanted` when it differs from this schema, which an existing collection has.
    pub(crate) fn agrees(&self, wanted: &Schema) -> Result<()> {
        let differs = |kind, what: &str, has: &dyn fmt::Display, asked: &dyn fmt::Display| {
            let message = format!("the collection exists with {what} {has}, and {what} {asked} was asked for");
            Err(Error::new(kind, message).mend("use the schema it has, or another collection"))
        };
        let differs_in_kind = std::mem::discriminant(&self.vectors) != std::mem::discriminant(&wanted.vectors);
        if differs_in_kind {
            return differs(ErrorKind::Exists, "vectors", &self.vectors, &wanted.vectors);
        }
        if let (Some(has), Some(asked)) = (self.dimension(), wanted.dimension())
            && has != asked
        {
            return differs(ErrorKind::Dimension, "dimension", &has, &asked);
        }
        if self.vectors != wanted.vectors {
            return differs(ErrorKind::Exists, "vectors", &self.vectors, &wanted.vectors);
        }
        if self.model != wanted.model {
            return differs(ErrorKind::ModelMismatch, "model", &Model(&self.model), &Model(&wanted.model));
        }
        if self.index != wanted.index {
            return differs(ErrorKind::Exists, "index", &self.index, &wanted.index);
        }
        if self.ttl != wanted.ttl {
            return differs(ErrorKind::Exists, "time to live", &Ttl(self.ttl), &Ttl(wanted.ttl));
        }
        if self.ephemeral != wanted.ephemeral {
            let kept = |schema: &Schema| if schema.ephemeral { "ephemeral" } else { "logged" };
            return differs(ErrorKind::Exists, "writes", &kept(self), &kept(wanted));
        }
        if self.fields != wanted.fields {
            return differs(ErrorKind::Exists, "fields", &self.fields, &wanted.fields);
        }
        if self.field_indexing != wanted.field_indexing {
            return differs(ErrorKind::Exists, "field indexing", &self.field_indexing, &wanted.field_indexing);
        }
        Ok(())
    }

    /// Refuses what cannot be the vector of a record, or a query, under this schema.
    pub(crate) fn check_vector(&self, vector: Option<VectorRef<'_>>) -> Result<()> {
        let vector = match (self.vectors, vector) {
            (Vectors::None, None) => return Ok(()),
            (Vectors::None, Some(_)) => {
                return Err(Error::invalid("this collection holds no vectors").mend("leave the vector out"));
            }
            (vectors, None) => {
                return Err(Error::invalid(format!("a vector is missing; this collection holds {vectors}"))
                    .mend("give each record its vector, or use a collection without vectors"));
            }
            (Vectors::F32 { .. }, Some(vector @ VectorRef::F32(_))) => vector,
            (Vectors::Bits { .. }, Some(vector @ VectorRef::Bits(_))) => vector,
            (vectors, Some(vector)) => {
                let given = if vector.as_f32().is_some() { "numbers" } else { "bits" };
                return Err(Error::invalid(format!("the vector is made of {given}; this collection holds {vectors}"))
                    .mend("convert it"));
            }
        };
        let (expected, given) = (self.dimension().unwrap_or(0), vector.dimension());
        if expected != given {
            return Err(Error::new(
                ErrorKind::Dimension,
                format!("the vector has dimension {given}; this collection holds {expected}"),
            )
            .mend("check that it comes from the model of this collection"));
        }
        vector.check_finite()?;
        if self.metric() == Some(Metric::Cosine) { vector.check_direction() } else { Ok(()) }
    }
}

impl Vectors {
    fn check(self) -> Result<()> {
        match self {
            Vectors::None => Ok(()),
            Vectors::F32 { metric: Metric::Hamming, .. } => {
                Err(Error::invalid("the metric hamming compares bits, not numbers")
                    .mend("use Schema::bits, or one of the metrics l2, cosine, dot and l1"))
            }
            Vectors::F32 { dimension, .. } if !(1..=MAX_DIMENSION).contains(&dimension) => {
                Err(Error::invalid(format!("dimension {dimension} is outside 1 to {MAX_DIMENSION}"))
                    .mend("use the number of values that the model gives"))
            }
            Vectors::Bits { bits } if !(8..=MAX_BITS).contains(&bits) || bits % 8 != 0 => {
                Err(Error::invalid(format!("{bits} bits are not a multiple of 8 between 8 and {MAX_BITS}"))
                    .mend("pad the vectors with zero bits"))
            }
            Vectors::F32 { .. } | Vectors::Bits { .. } => Ok(()),
        }
    }
}

fn check_model(model: &str) -> Result<()> {
    let bytes = model.len();
    let why = if bytes == 0 {
        "is empty".to_owned()
    } else if bytes > MAX_MODEL_BYTES {
        format!("has {bytes} bytes, over the limit of {MAX_MODEL_BYTES}")
    } else if let Some(control) = model.chars().find(|character| character.is_control()) {
        format!("holds {control:?}, which cannot be printed")
    } else {
        return Ok(());
    };
    Err(Error::invalid(format!("the name of the model {why}")).mend("use a name and a version, such as minilm-l6@1"))
}
