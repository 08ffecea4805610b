//! The vectors of a segment, one row behind the other.

use super::VectorRef;
use crate::ids::RowId;

/// What kind of rows there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// That many numbers a row.
    F32(usize),
    /// That many bytes a row.
    Bits(usize),
}

impl Shape {
    /// Bytes a row takes.
    pub(crate) fn row_bytes(self) -> usize {
        match self {
            Shape::F32(dimension) => dimension * size_of::<f32>(),
            Shape::Bits(stride) => stride,
        }
    }
}

/// Borrowed rows of one segment. Row `i` of a segment is row `i` here.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rows<'a> {
    F32 {
        /// `dimension` values a row.
        values: &'a [f32],
        dimension: usize,
        /// One over the length of each row, where the metric is cosine; computed on the way when it is missing.
        inverse_norms: Option<&'a [f32]>,
    },
    Bits {
        bytes: &'a [u8],
        /// Bytes a row.
        stride: usize,
    },
}

impl<'a> Rows<'a> {
    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        match *self {
            Rows::F32 { values, dimension, .. } => values.len().checked_div(dimension).unwrap_or(0),
            Rows::Bits { bytes, stride } => bytes.len().checked_div(stride).unwrap_or(0),
        }
    }

    /// What kind of rows they are.
    pub(crate) fn shape(&self) -> Shape {
        match *self {
            Rows::F32 { dimension, .. } => Shape::F32(dimension),
            Rows::Bits { stride, .. } => Shape::Bits(stride),
        }
    }

    /// The vector of a row, which must be one of these.
    #[inline(always)]
    pub(crate) fn row(&self, row: RowId) -> VectorRef<'a> {
        match *self {
            Rows::F32 { values, dimension, .. } => VectorRef::F32(&values[row.index() * dimension..][..dimension]),
            Rows::Bits { bytes, stride } => VectorRef::Bits(&bytes[row.index() * stride..][..stride]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_lie_one_behind_the_other() {
        let rows = Rows::F32 { values: &[1.0, 2.0, 3.0, 4.0], dimension: 2, inverse_norms: None };
        assert_eq!((rows.len(), rows.shape().row_bytes()), (2, 8));
        let rows = Rows::Bits { bytes: &[1, 2, 3], stride: 1 };
        assert_eq!((rows.len(), rows.shape().row_bytes()), (3, 1));
        assert_eq!(Rows::F32 { values: &[], dimension: 0, inverse_norms: None }.len(), 0);
    }
}
