//! What the records of a collection look like, fixed when it is created, and how near ones are found.

mod rules;
mod stored;
mod text;

use std::fmt;
use std::time::Duration;

use crate::filter::Fields;
use crate::index::IndexSpec;
use crate::payload::FieldType;
use crate::vector::metric::Metric;

pub(crate) use rules::MAX_MODEL_BYTES;

/// The most bits a vector of bits may have.
pub const MAX_BITS: usize = 131_072;

/// What a collection holds: which vectors, how they are compared and found, how long records live, and which model the
/// vectors come from.
///
/// It is checked when the collection is created, and does not change after that, but for the index, which
/// [`Collection::reindex`](crate::Collection::reindex) changes.
///
/// ```
/// use driftline::{Metric, Schema};
/// use std::time::Duration;
///
/// let schema = Schema::vector(384, Metric::Cosine).model("minilm-l6@1").ttl(Duration::from_secs(90 * 86_400));
/// assert_eq!(schema.to_string(), "f32[384] cosine index flat model 'minilm-l6@1' ttl 90d");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    vectors: Vectors,
    index: IndexSpec,
    ttl: Option<Duration>,
    model: Option<String>,
    ephemeral: bool,
    fields: Fields,
    field_indexing: FieldIndexing,
}

/// Which fields of payloads get an index in each sealed segment, so that a filter need not read every payload.
///
/// An index never changes an answer, only how long it takes, and how large files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[non_exhaustive]
pub enum FieldIndexing {
    /// Fields that the schema declares, and beside them up to 32 of the scalar fields that are found in at least one
    /// row of a hundred when a segment is written. Texts that are long or nearly all different are left out, because
    /// their index would be about as large as the payloads.
    #[default]
    Auto,
    /// No field.
    None,
}

impl fmt::Display for FieldIndexing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FieldIndexing::Auto => "auto",
            FieldIndexing::None => "none",
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Vectors {
    None,
    F32 { dimension: usize, metric: Metric },
    Bits { bits: usize },
}

/// The stored shape of one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VectorKind {
    None,
    F32 { dimension: usize },
    Bits { bytes: usize },
}

impl VectorKind {
    /// Bytes a stored vector takes.
    pub(crate) fn bytes(self) -> usize {
        match self {
            VectorKind::None => 0,
            VectorKind::F32 { dimension } => dimension * size_of::<f32>(),
            VectorKind::Bits { bytes } => bytes,
        }
    }
}

impl Schema {
    /// Every record has a vector of `dimension` numbers, at most [`MAX_DIMENSION`](crate::MAX_DIMENSION).
    pub fn vector(dimension: usize, metric: Metric) -> Schema {
        Schema::of(Vectors::F32 { dimension, metric })
    }

    /// Every record has a vector of `bits` bits, a multiple of 8 and at most [`MAX_BITS`], compared by the Hamming
    /// distance.
    pub fn bits(bits: usize) -> Schema {
        Schema::of(Vectors::Bits { bits })
    }

    /// Records have no vector.
    pub fn payload_only() -> Schema {
        Schema::of(Vectors::None)
    }

    /// How the nearest vectors are found; [`IndexSpec::Flat`] unless said otherwise.
    #[must_use]
    pub fn index(self, index: IndexSpec) -> Schema {
        Schema { index, ..self }
    }

    /// How long a record lives after it was put, unless the record says otherwise; for ever when this is not called.
    /// Whole microseconds count.
    #[must_use]
    pub fn ttl(self, ttl: Duration) -> Schema {
        let micros = u64::try_from(ttl.as_micros()).unwrap_or(u64::MAX);
        Schema { ttl: Some(Duration::from_micros(micros)), ..self }
    }

    /// The model that the vectors come from, with its version: any text of 1 to 250 bytes. Vectors that are said
    /// to come from another are refused.
    #[must_use]
    pub fn model(self, model: impl Into<String>) -> Schema {
        Schema { model: Some(model.into()), ..self }
    }

    /// The collection keeps out of the log, as caches do: its writes cost no sync, and after a crash it stands as its
    /// last flush left it. A store that is closed loses none of it.
    ///
    /// Readers see a batch that also changes other collections whole or not at all; after a crash the part of it that
    /// is here may be gone, the rest never is on that account.
    #[must_use]
    pub fn ephemeral(self) -> Schema {
        Schema { ephemeral: true, ..self }
    }

    /// Declares the type of a payload field, named as in a filter: `lang`, `size.width`. At most 64.
    ///
    /// A record in which the field is there, not null, and of another type is refused when it is put, and so is a
    /// filter that compares the field with another type. Declared fields are always indexed, unless
    /// [`FieldIndexing::None`] is asked for.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>, kind: FieldType) -> Schema {
        self.fields.declare(name.into(), kind);
        self
    }

    /// Which fields get an index; [`FieldIndexing::Auto`] unless said otherwise.
    #[must_use]
    pub fn field_indexing(self, field_indexing: FieldIndexing) -> Schema {
        Schema { field_indexing, ..self }
    }

    /// The fields it declares, by name.
    pub fn declared_fields(&self) -> impl Iterator<Item = (&str, FieldType)> {
        self.fields.iter()
    }

    /// The fields it declares, for filters and for indexing.
    pub(crate) fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Whether fields get indexes.
    pub(crate) fn indexes_fields(&self) -> bool {
        self.field_indexing == FieldIndexing::Auto
    }

    /// Numbers or bits in a vector; `None` when records have no vector.
    pub fn dimension(&self) -> Option<usize> {
        match self.vectors {
            Vectors::None => None,
            Vectors::F32 { dimension, .. } => Some(dimension),
            Vectors::Bits { bits } => Some(bits),
        }
    }

    /// How vectors are compared; `None` when records have no vector.
    pub fn metric(&self) -> Option<Metric> {
        match self.vectors {
            Vectors::None => None,
            Vectors::F32 { metric, .. } => Some(metric),
            Vectors::Bits { .. } => Some(Metric::Hamming),
        }
    }

    /// How the nearest vectors are found.
    pub fn index_spec(&self) -> &IndexSpec {
        &self.index
    }

    /// How long a record lives.
    pub fn time_to_live(&self) -> Option<Duration> {
        self.ttl
    }

    /// The model that the vectors come from.
    pub fn model_name(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// Whether the collection keeps out of the log.
    pub fn is_ephemeral(&self) -> bool {
        self.ephemeral
    }

    /// What kind of vector a row stores.
    pub(crate) fn vector_kind(&self) -> VectorKind {
        match self.vectors {
            Vectors::None => VectorKind::None,
            Vectors::F32 { dimension, .. } => VectorKind::F32 { dimension },
            Vectors::Bits { bits } => VectorKind::Bits { bytes: bits / 8 },
        }
    }

    fn of(vectors: Vectors) -> Schema {
        Schema {
            vectors,
            index: IndexSpec::default(),
            ttl: None,
            model: None,
            ephemeral: false,
            fields: Fields::default(),
            field_indexing: FieldIndexing::Auto,
        }
    }
}

#[cfg(test)]
mod tests;
