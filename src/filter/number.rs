//! Numbers compared as numbers, exactly: an integer of 64 bits is never rounded to compare it.

use std::cmp::Ordering;

use crate::payload::Scalar;

/// A number of a payload, a key or a filter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    Int(i64),
    /// Above [`i64::MAX`].
    UInt(u64),
    /// Finite.
    Float(f64),
}

impl Number {
    /// The order of the values, whatever they are stored as: `Int(1)` is equal to `Float(1.0)`. Of a `Float` that is
    /// not finite, which nothing stores, NaN counts as above all others.
    pub(crate) fn compare(self, other: Number) -> Ordering {
        match (self, other) {
            (Number::Float(a), Number::Float(b)) => a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan())),
            (Number::Float(float), whole) => compare_whole(whole.whole(), float).reverse(),
            (whole, Number::Float(float)) => compare_whole(whole.whole(), float),
            (a, b) => a.whole().cmp(&b.whole()),
        }
    }

    /// The integer; 0 for a `Float`, for which nobody asks.
    fn whole(self) -> i128 {
        match self {
            Number::Int(number) => number.into(),
            Number::UInt(number) => number.into(),
            Number::Float(_) => 0,
        }
    }
}

impl Number {
    /// The number that is stored, if it is one.
    pub(crate) fn of(found: &Scalar<'_>) -> Option<Number> {
        match found {
            Scalar::Int(number) => Some(Number::Int(*number)),
            Scalar::UInt(number) => Some(Number::UInt(*number)),
            Scalar::Float(number) => Some(Number::Float(*number)),
            _ => None,
        }
    }
}

impl From<u64> for Number {
    fn from(number: u64) -> Number {
        i64::try_from(number).map_or(Number::UInt(number), Number::Int)
    }
}

/// Compares an integer of at most 64 bits and a sign with a float. The float's whole part is exact as `i128` within
/// that range, and beyond it the conversion saturates, which leaves the order right.
fn compare_whole(whole: i128, float: f64) -> Ordering {
    if float.is_nan() {
        return Ordering::Less;
    }
    let fraction = float - float.trunc();
    let by_fraction = if fraction > 0.0 {
        Ordering::Less
    } else if fraction < 0.0 {
        Ordering::Greater
    } else {
        Ordering::Equal
    };
    whole.cmp(&(float.trunc() as i128)).then(by_fraction)
}

#[cfg(test)]
mod tests {
    use super::Number::{Float, Int, UInt};
    use super::*;

    #[test]
    fn large_integers_are_told_apart_from_floats_near_them() {
        let ascending = [
            Float(-1e300),
            Int(i64::MIN),
            Float(-1.5),
            Int(-1),
            Float(-0.5),
            Int(0),
            Float(5e-324),
            Int(1),
            Int((1 << 53) - 1),
            Float(9007199254740992.0),
            Int((1 << 53) + 1),
            Int(i64::MAX),
            Float(9223372036854775808.0),
            UInt((1 << 63) + 1),
            UInt(u64::MAX),
            Float(18446744073709551616.0),
            Float(f64::MAX),
        ];
        for (a, left) in ascending.iter().enumerate() {
            for (b, right) in ascending.iter().enumerate() {
                assert_eq!(left.compare(*right), a.cmp(&b), "{left:?} and {right:?}");
            }
        }
        assert_eq!(Int(3).compare(Float(3.0)), Ordering::Equal);
        assert_eq!(UInt(1 << 63).compare(Float(9223372036854775808.0)), Ordering::Equal);
        assert_eq!(Float(-0.0).compare(Float(0.0)), Ordering::Equal);
    }
}
