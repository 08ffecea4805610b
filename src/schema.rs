//! What the records of a collection look like, fixed when it is created, and how near ones are found.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use crate::bytes::Reader;
use crate::error::{Error, ErrorKind, Result};
use crate::filter::Fields;
use crate::index::IndexSpec;
use crate::payload::FieldType;
use crate::storage::codec;
use crate::vector::metric::Metric;
use crate::vector::{MAX_DIMENSION, VectorRef};

/// The most bits a vector of bits may have.
pub const MAX_BITS: usize = 131_072;

/// The most characters the name of a model may have.
const MAX_MODEL_CHARS: usize = 128;

/// The version of the stored form that this program writes, and the newest it reads.
const VERSION: u16 = 1;

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
    /// Every record has a vector of `dimension` numbers, at most [`MAX_DIMENSION`].
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

    /// The model that the vectors come from, with its version: any text of 1 to 128 characters. Vectors that are said
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

    /// What kind of vector a row stores.
    pub(crate) fn vector_kind(&self) -> VectorKind {
        match self.vectors {
            Vectors::None => VectorKind::None,
            Vectors::F32 { dimension, .. } => VectorKind::F32 { dimension },
            Vectors::Bits { bits } => VectorKind::Bits { bytes: bits / 8 },
        }
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
    let characters = model.chars().count();
    let why = if characters == 0 {
        "is empty".to_owned()
    } else if characters > MAX_MODEL_CHARS {
        format!("has {characters} characters, over the limit of {MAX_MODEL_CHARS}")
    } else if let Some(control) = model.chars().find(|character| character.is_control()) {
        format!("holds {control:?}, which cannot be printed")
    } else {
        return Ok(());
    };
    Err(Error::invalid(format!("the name of the model {why}")).mend("use a name and a version, such as minilm-l6@1"))
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
struct Model<'a>(&'a Option<String>);

impl fmt::Display for Model<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(model) => write!(f, "'{}'", model.replace('\'', "''")),
            None => f.write_str("none"),
        }
    }
}

/// A time to live in the largest unit that divides it, or `none`.
struct Ttl(Option<Duration>);

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn full() -> Schema {
        Schema::vector(384, Metric::Cosine).model("x").ttl(90 * DAY)
    }

    fn valid() -> impl Strategy<Value = Schema> {
        let metric = prop::sample::select(vec![Metric::L2, Metric::Cosine, Metric::Dot, Metric::L1]);
        let vectors = prop_oneof![
            Just(Schema::payload_only()),
            (1..=MAX_DIMENSION, metric).prop_map(|(dimension, metric)| Schema::vector(dimension, metric)),
            (1..=MAX_BITS / 8).prop_map(|bytes| Schema::bits(bytes * 8)),
        ];
        let ttl = prop::option::of((1..=i64::MAX as u64).prop_map(Duration::from_micros));
        let model = prop::option::of("[a-zé'@ 0-9]{1,128}");
        let kind = prop::sample::select(FieldType::ALL.to_vec());
        let fields = prop::collection::vec(("[a-c]|`[a-c .é]{1,3}`\\.x", kind), 0..4);
        (vectors, ttl, model, any::<[bool; 2]>(), fields).prop_map(
            |(schema, ttl, model, [ephemeral, indexed], fields)| {
                let schema = fields.into_iter().fold(schema, |schema, (name, kind)| schema.field(name, kind));
                let schema = if indexed { schema } else { schema.field_indexing(FieldIndexing::None) };
                let schema = ttl.into_iter().fold(schema, Schema::ttl);
                let schema = if ephemeral { schema.ephemeral() } else { schema };
                model.into_iter().fold(schema, Schema::model)
            },
        )
    }

    #[test]
    fn display_is_what_the_shell_prints() {
        let cases = [
            (full(), "f32[384] cosine index flat model 'x' ttl 90d"),
            (Schema::bits(256), "bits[256] hamming index flat"),
            (Schema::payload_only().ttl(Duration::from_secs(5400)), "payload only ttl 90m"),
            (Schema::payload_only().ttl(Duration::from_micros(1_500)), "payload only ttl 1500us"),
            (Schema::vector(3, Metric::L2).model("it's"), "f32[3] l2 index flat model 'it''s'"),
            (Schema::payload_only().ephemeral(), "payload only ephemeral"),
            (
                Schema::payload_only().field("year", FieldType::Int).field("`my-field`", FieldType::Text),
                "payload only fields `my-field` text, year int",
            ),
            (Schema::payload_only().field_indexing(FieldIndexing::None), "payload only field indexing none"),
        ];
        for (schema, text) in cases {
            assert_eq!(schema.to_string(), text);
        }
        let json = r#"{"vectors":"bits","dimension":8,"metric":"hamming","index":"flat","ttl_us":null,"model":null,"ephemeral":true,
            "fields":{"lang":"text"},"field_indexing":"auto"}"#;
        let json: String = json.split_whitespace().collect();
        assert_eq!(serde_json::to_string(&Schema::bits(8).ephemeral().field("lang", FieldType::Text)).unwrap(), json);
    }

    #[test]
    fn rules_are_checked_at_their_edges() {
        for schema in [
            full(),
            Schema::vector(1, Metric::L1),
            Schema::vector(MAX_DIMENSION, Metric::Dot),
            Schema::bits(8),
            Schema::bits(MAX_BITS),
            Schema::payload_only().ttl(Duration::from_micros(1)),
            Schema::payload_only().model("é".repeat(128)),
        ] {
            assert!(schema.check().is_ok(), "{schema}");
        }
        for (schema, named) in [
            (Schema::vector(0, Metric::L2), "dimension 0 "),
            (Schema::vector(MAX_DIMENSION + 1, Metric::L2), "dimension 16385 "),
            (Schema::vector(8, Metric::Hamming), "hamming"),
            (Schema::bits(0), "0 bits"),
            (Schema::bits(12), "12 bits"),
            (Schema::bits(MAX_BITS + 8), "131080 bits"),
            (Schema::payload_only().ttl(Duration::ZERO), "0ns"),
            (Schema::payload_only().ttl(Duration::from_nanos(999)), "0ns"),
            (Schema::payload_only().ttl(Duration::MAX), "time to live"),
            (Schema::payload_only().model(""), "empty"),
            (Schema::payload_only().model("é".repeat(129)), "129 characters"),
            (Schema::payload_only().model("a\nb"), "'\\n'"),
            (Schema::payload_only().field("my-field", FieldType::Int), "name of a field"),
        ] {
            let error = schema.check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.to_string().contains(named), "{error}");
        }
    }

    #[test]
    fn schemas_that_differ_do_not_agree_and_say_why() {
        assert!(full().agrees(&full()).is_ok());
        let none = Schema::payload_only();
        assert!(none.agrees(&none).is_ok());
        for (wanted, kind, named) in [
            (Schema { vectors: Vectors::Bits { bits: 384 }, ..full() }, ErrorKind::Exists, "bits[384]"),
            (none, ErrorKind::Exists, "payload only"),
            (Schema::vector(3, Metric::Cosine).model("y"), ErrorKind::Dimension, "384, and dimension 3"),
            (Schema::vector(384, Metric::L2).model("x").ttl(90 * DAY), ErrorKind::Exists, "f32[384] l2"),
            (full().model("y"), ErrorKind::ModelMismatch, "'x', and model 'y'"),
            (Schema { model: None, ..full() }, ErrorKind::ModelMismatch, "model none"),
            (full().ttl(DAY), ErrorKind::Exists, "90d, and time to live 1d"),
            (full().field("lang", FieldType::Text), ErrorKind::Exists, "fields none, and fields lang text"),
            (full().field_indexing(FieldIndexing::None), ErrorKind::Exists, "auto, and field indexing none"),
        ] {
            let error = full().agrees(&wanted).unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(named), "{error}");
        }
    }

    #[test]
    fn vectors_are_checked_at_the_door() {
        let cosine = Schema::vector(3, Metric::Cosine);
        let l2 = Schema::vector(3, Metric::L2);
        let check = |schema: &Schema, values: &[f32]| schema.check_vector(Some(values.into()));
        assert!(check(&cosine, &[1.0, 0.0, 0.0]).is_ok());
        assert!(check(&l2, &[0.0; 3]).is_ok());
        assert!(Schema::bits(16).check_vector(Some(VectorRef::Bits(&[0, 0]))).is_ok());
        assert!(Schema::payload_only().check_vector(None).is_ok());
        let error = check(&l2, &[1.0, 2.0]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Dimension);
        assert!(error.to_string().contains("dimension 2; this collection holds 3"), "{error}");
        for (result, named) in [
            (check(&l2, &[1.0, f32::NAN, 2.0]), "NaN at position 1"),
            (check(&l2, &[1.0, 2.0, f32::INFINITY]), "inf at position 2"),
            (check(&cosine, &[0.0, -0.0, 0.0]), "no direction"),
            (l2.check_vector(None), "a vector is missing"),
            (check(&Schema::payload_only(), &[1.0]), "no vectors"),
            (l2.check_vector(Some(VectorRef::Bits(&[1, 2, 3]))), "made of bits"),
            (check(&Schema::bits(8), &[1.0; 8]), "made of numbers"),
        ] {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
            assert!(error.to_string().contains(named), "{error}");
        }
        let error = Schema::bits(16).check_vector(Some(VectorRef::Bits(&[0]))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Dimension);
    }

    #[test]
    fn golden_bytes() {
        #[rustfmt::skip]
        let golden: &[u8] = &[
            1, 0, 1, 0x80, 1, 0, 0, 2,
            4, 0, 0, 0, 0, 0, 0, 0, b'f', b'l', b'a', b't',
            1, 0x00, 0xE0, 0x34, 0x95, 0x64, 0x00, 0x00, 0x00,
            1, 1, 0, 0, 0, 0, 0, 0, 0, b'x',
            1,
            1, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, b'l', b'a', b'n', b'g', 4,
            0,
        ];
        let schema = Schema::vector(384, Metric::Cosine).model("x").ttl(5 * DAY).ephemeral();
        let schema = schema.field("lang", FieldType::Text).field_indexing(FieldIndexing::None);
        assert_eq!(schema.encode().unwrap(), golden);
        assert_eq!(Schema::decode(golden, "it").unwrap(), schema);
        let none = [&[1, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0][..], b"flat", &[0, 0, 0], &[0; 8], &[1]].concat();
        assert_eq!(Schema::payload_only().encode().unwrap(), none);
    }

    #[test]
    fn a_newer_form_asks_for_a_newer_program() {
        let mut bytes = full().encode().unwrap();
        bytes[0] = 2;
        assert_eq!(Schema::decode(&bytes, "it").unwrap_err().kind(), ErrorKind::Version);
        for bytes in [&[][..], &[1], &[0, 0], &[1, 0]] {
            assert_eq!(Schema::decode(bytes, "it").unwrap_err().kind(), ErrorKind::Corrupt);
        }
    }

    proptest! {
        #[test]
        fn what_is_stored_is_read_back(schema in valid()) {
            schema.check().unwrap();
            prop_assert_eq!(Schema::decode(&schema.encode().unwrap(), "it").unwrap(), schema);
        }

        #[test]
        fn damage_is_refused_or_gives_a_valid_schema(
            schema in valid(),
            place in any::<prop::sample::Index>(),
            bit in 0..8u32,
        ) {
            let mut bytes = schema.encode().unwrap();
            let place = place.index(bytes.len());
            prop_assert!(Schema::decode(&bytes[..place], "it").is_err());
            bytes[place] ^= 1u8 << bit;
            if let Ok(schema) = Schema::decode(&bytes, "it") {
                schema.check().unwrap();
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Schema::decode(&[&[1, 0][..], &bytes].concat(), "it");
        }
    }
}
