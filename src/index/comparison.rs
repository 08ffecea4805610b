//! A query made ready to be compared with rows.

use std::borrow::Cow;

use super::Query;
use crate::error::{Error, Result};
use crate::quantization::bounds::CodedQuery;
use crate::vector::kernel::Kernels;
use crate::vector::matrix::Shape;
use crate::vector::metric::{Metric, cosine_distance, dot_distance};
use crate::vector::{VectorRef, normalize};

/// A query that fits its rows.
pub(in crate::index) enum Comparison<'a> {
    F32 {
        /// Scaled to length 1 under cosine, so that neither its length nor that of the rows makes a product overflow.
        query: Cow<'a, [f32]>,
        metric: Metric,
    },
    Bits {
        query: &'a [u8],
    },
}

impl<'a> Comparison<'a> {
    pub(in crate::index) fn new(rows: Shape, query: &Query<'a>) -> Result<Comparison<'a>> {
        match (rows, query.vector, query.metric) {
            (Shape::F32(dimension), VectorRef::F32(vector), metric)
                if vector.len() == dimension && metric != Metric::Hamming =>
            {
                let mut query = Cow::Borrowed(vector);
                if metric == Metric::Cosine {
                    normalize(query.to_mut())?;
                }
                Ok(Comparison::F32 { query, metric })
            }
            (Shape::Bits(stride), VectorRef::Bits(query), Metric::Hamming) if query.len() == stride => {
                Ok(Comparison::Bits { query })
            }
            (rows, vector, metric) => Err(Error::internal(format!(
                "a query of dimension {} under {metric} met rows of {} bytes",
                vector.dimension(),
                rows.row_bytes()
            ))),
        }
    }

    /// The same for codes; `None` where no bound holds.
    pub(in crate::index) fn coded(&self, stride: usize) -> Option<CodedQuery> {
        match self {
            Comparison::F32 { query, metric } => CodedQuery::new(*metric, query, stride),
            Comparison::Bits { .. } => None,
        }
    }

    /// Whether distances are of directions, and need the inverse norms of the rows.
    pub(in crate::index) fn is_cosine(&self) -> bool {
        matches!(self, Comparison::F32 { metric: Metric::Cosine, .. })
    }

    /// The distance of one row that fits, by the sums that a scan over all rows computes.
    #[inline(always)]
    pub(in crate::index) fn distance<K: Kernels>(&self, kernels: K, row: VectorRef<'_>, inverse_norm: f32) -> f32 {
        match (self, row) {
            (Comparison::F32 { query, metric }, VectorRef::F32(row)) => match metric {
                Metric::L2 => kernels.l2(query, row),
                Metric::L1 => kernels.l1(query, row),
                Metric::Cosine => cosine_distance(kernels.dot(query, row), inverse_norm),
                // Hamming does not come with numbers: `Comparison::new` sees to that.
                Metric::Dot | Metric::Hamming => dot_distance(kernels.dot(query, row)),
            },
            (Comparison::Bits { query }, VectorRef::Bits(row)) => kernels.hamming(query, row) as f32,
            _ => f32::NAN,
        }
    }
}
