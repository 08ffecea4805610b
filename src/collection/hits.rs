//! What a query returns: the hits, whether they are all there is, and what finding them cost.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::collection::cursor::Cursor;
use crate::collection::record::Record;
use crate::key::Key;
use crate::vector::metric::Metric;

/// One record near the query vector.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Hit {
    /// The record's key.
    pub key: Key,
    /// How far it is from the query: lower is closer, in the units of the collection's [`Metric`].
    pub distance: f32,
    /// The record itself, or parts of it, when the query asked for them with [`Select`](crate::Select).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<Record>,
    #[serde(skip)]
    pub(crate) metric: Metric,
}

impl Hit {
    /// How alike the record is, for people: higher is closer. Cosine gives 1 - distance, dot the inner product, the
    /// others 1 / (1 + distance).
    pub fn similarity(&self) -> f32 {
        self.metric.similarity(self.distance)
    }
}

/// Whether an answer could have been longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Completeness {
    /// The k nearest, or all there are when there are fewer than k, within the radius if one was given.
    Complete,
    /// A filter let fewer than k records through, and all of those are here. Not said of pages and within a radius,
    /// where fewer than k have other reasons.
    FilterExhausted,
    /// A deadline ended the search early; nearer records may be missing.
    BudgetHit,
}

impl fmt::Display for Completeness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Completeness::Complete => "complete",
            Completeness::FilterExhausted => "all that the filter lets through",
            Completeness::BudgetHit => "cut off by the deadline",
        })
    }
}

/// What a query did. Counts are exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct QueryStats {
    /// Segments looked at, mutable ones included.
    pub segments: u64,
    /// Rows looked at.
    pub visited: u64,
    /// Distances computed of whole vectors.
    pub distances: u64,
    /// Vectors that were compared by their codes: most of them are ruled out by that alone.
    pub code_distances: u64,
    /// Rows that a filter was asked about one by one, by reading their payloads.
    pub evaluated: u64,
    /// Bytes of vectors and codes read.
    pub bytes: u64,
    /// Time from call to answer.
    #[serde(rename = "elapsed_us", serialize_with = "as_micros")]
    pub elapsed: Duration,
}

pub(crate) fn as_micros<S: serde::Serializer>(elapsed: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(elapsed.as_micros() as u64)
}

/// The answer to a nearest-neighbour query, nearest first, equal distances in key order.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Hits {
    /// The hits.
    pub hits: Vec<Hit>,
    /// Whether they are all there is.
    pub completeness: Completeness,
    /// What finding them cost.
    pub stats: QueryStats,
    /// Where to go on with [`Query::after`](crate::Query::after); `None` when there is nothing more, and
    /// when a deadline cut the answer.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    pub next: Option<Cursor>,
}

fn as_text<S: serde::Serializer>(cursor: &Option<Cursor>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&cursor.as_ref().map(ToString::to_string).unwrap_or_default())
}

impl Hits {
    /// How many hits there are.
    pub fn len(&self) -> usize {
        self.hits.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.hits.is_empty()
    }

    /// The hits, nearest first.
    pub fn iter(&self) -> std::slice::Iter<'_, Hit> {
        self.hits.iter()
    }

    /// The keys, nearest first.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.hits.iter().map(|hit| &hit.key)
    }
}

impl<'a> IntoIterator for &'a Hits {
    type Item = &'a Hit;
    type IntoIter = std::slice::Iter<'a, Hit>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Hits {
    type Item = Hit;
    type IntoIter = std::vec::IntoIter<Hit>;

    fn into_iter(self) -> Self::IntoIter {
        self.hits.into_iter()
    }
}
