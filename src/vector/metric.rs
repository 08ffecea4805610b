//! How far apart two vectors are. Lower is closer, always; what people expect the other way round is flipped here.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::error::{Error, Result};

/// A distance between vectors. Lower is closer, whichever it is.
///
/// Distances are computed in `f32`, in one of several orders of summation depending on the processor, so the last digits
/// may differ between machines; on one machine they do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// The squared Euclidean distance.
    L2,
    /// One minus the cosine of the angle: 0 for the same direction, 2 for opposite ones. Lengths do not matter, and
    /// vectors are kept as they came. Rounding never makes it leave 0 to 2; near 0 it is good to about 0.0000002.
    Cosine,
    /// The inner product with its sign changed, so that the largest product is the closest.
    Dot,
    /// The sum of the absolute differences.
    L1,
    /// The number of bits that differ, for vectors of bits.
    Hamming,
}

impl Metric {
    /// Every metric.
    pub const ALL: [Metric; 5] = [Metric::L2, Metric::Cosine, Metric::Dot, Metric::L1, Metric::Hamming];

    /// The distance turned into a figure that is higher for closer vectors, for people: the cosine, the inner product,
    /// and `1 / (1 + distance)` for the others.
    pub fn similarity(self, distance: f32) -> f32 {
        match self {
            Metric::Cosine => 1.0 - distance,
            Metric::Dot => 0.0 - distance,
            Metric::L2 | Metric::L1 | Metric::Hamming => 1.0 / (1.0 + distance),
        }
    }

    /// Its name, as in `Display`.
    pub fn name(self) -> &'static str {
        match self {
            Metric::L2 => "l2",
            Metric::Cosine => "cosine",
            Metric::Dot => "dot",
            Metric::L1 => "l1",
            Metric::Hamming => "hamming",
        }
    }

    /// Its number on disk (frozen).
    pub(crate) fn code(self) -> u8 {
        match self {
            Metric::L2 => 1,
            Metric::Cosine => 2,
            Metric::Dot => 3,
            Metric::L1 => 4,
            Metric::Hamming => 5,
        }
    }

    /// The metric of a number on disk.
    pub(crate) fn from_code(code: u8) -> Option<Metric> {
        Metric::ALL.into_iter().find(|metric| metric.code() == code)
    }
}

/// The cosine distance, from the inner product of the query scaled to length 1 with a row, and one over the length of
/// the row. Rounding may carry the cosine past 1, so the distance is brought back into 0 to 2.
#[inline(always)]
pub(crate) fn cosine_distance(dot: f32, inverse_norm: f32) -> f32 {
    (1.0 - dot * inverse_norm).clamp(0.0, 2.0)
}

/// The distance of an inner product. Zeros of either sign become the same zero, so that they tie; a sum that overflowed
/// both ways is no number and counts as furthest.
#[inline(always)]
pub(crate) fn dot_distance(dot: f32) -> f32 {
    let distance = 0.0 - dot;
    if distance.is_nan() { f32::INFINITY } else { distance }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Metric {
    type Err = Error;

    /// Reads a name, in either case.
    fn from_str(text: &str) -> Result<Metric> {
        let lower = text.trim().to_ascii_lowercase();
        Metric::ALL.into_iter().find(|metric| metric.name() == lower).ok_or_else(|| {
            let names = Metric::ALL.map(Metric::name).join(", ");
            Error::invalid(format!("there is no metric {text:?}")).mend(format!("use one of {names}"))
        })
    }
}

/// As its name.
impl Serialize for Metric {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_lead_back() {
        for metric in Metric::ALL {
            assert_eq!(metric.to_string().to_uppercase().parse::<Metric>().unwrap(), metric);
            assert_eq!(Metric::from_code(metric.code()), Some(metric));
        }
        assert_eq!(Metric::ALL.map(Metric::code), [1, 2, 3, 4, 5]);
        assert_eq!((Metric::from_code(0), Metric::from_code(6)), (None, None));
        let error = "cosin".parse::<Metric>().unwrap_err().to_string();
        assert!(error.contains("cosin") && error.contains("l2, cosine, dot, l1, hamming"), "{error}");
    }

    #[test]
    fn similarity_is_higher_for_closer() {
        for metric in Metric::ALL {
            assert!(metric.similarity(0.25) > metric.similarity(0.75), "{metric}");
        }
        assert_eq!(Metric::Cosine.similarity(0.25), 0.75);
        assert_eq!(Metric::Dot.similarity(-3.0), 3.0);
        assert_eq!(Metric::L2.similarity(3.0), 0.25);
    }

    #[test]
    fn rounding_does_not_carry_distances_out_of_their_range() {
        assert_eq!(cosine_distance(1.0000001, 1.0), 0.0);
        assert_eq!(cosine_distance(-1.0000001, 1.0), 2.0);
        assert_eq!(dot_distance(0.0).to_bits(), dot_distance(-0.0).to_bits());
        assert_eq!(dot_distance(f32::INFINITY - f32::INFINITY), f32::INFINITY);
        assert_eq!(dot_distance(2.5), -2.5);
    }
}
