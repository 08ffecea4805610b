//! Vectors, the distances between them, and keeping the nearest.
//!
//! Everything here computes on slices that the caller has checked; nothing knows where they are stored.

pub(crate) mod kernel;
pub(crate) mod matrix;
pub(crate) mod metric;
pub(crate) mod top_k;

use std::fmt;
use std::str::FromStr;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::bytes::from_hex;
use crate::error::{Error, ErrorKind, Result};

/// The most numbers an `f32` vector may have.
pub const MAX_DIMENSION: usize = 16_384;

/// A vector of its own: numbers, or packed bits to be compared by the Hamming distance.
///
/// Methods that take a vector take slices, arrays and `Vec`s of `f32` as well. What is stored is returned bit for bit.
#[derive(Debug, Clone, PartialEq)]
pub enum Vector {
    /// Numbers, all of them finite.
    F32(Vec<f32>),
    /// Bits, eight to a byte. Which bit of a byte comes first is the caller's affair; distances do not depend on it.
    Bits(Vec<u8>),
}

impl Vector {
    /// The same vector, borrowed.
    pub fn view(&self) -> VectorRef<'_> {
        match self {
            Vector::F32(values) => VectorRef::F32(values),
            Vector::Bits(bytes) => VectorRef::Bits(bytes),
        }
    }

    /// How many numbers or bits it has.
    pub fn dimension(&self) -> usize {
        self.view().dimension()
    }

    /// The numbers, when it has numbers.
    pub fn as_f32(&self) -> Option<&[f32]> {
        self.view().as_f32()
    }
}

/// A borrowed vector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum VectorRef<'a> {
    /// Numbers.
    F32(&'a [f32]),
    /// Bits, eight to a byte.
    Bits(&'a [u8]),
}

impl<'a> VectorRef<'a> {
    /// How many numbers or bits it has.
    pub fn dimension(self) -> usize {
        match self {
            VectorRef::F32(values) => values.len(),
            VectorRef::Bits(bytes) => bytes.len() * 8,
        }
    }

    /// The numbers, when it has numbers.
    pub fn as_f32(self) -> Option<&'a [f32]> {
        match self {
            VectorRef::F32(values) => Some(values),
            VectorRef::Bits(_) => None,
        }
    }

    /// The stored form (frozen): little-endian numbers, or the bits as they are.
    pub(crate) fn as_bytes(self) -> &'a [u8] {
        match self {
            VectorRef::F32(values) => bytemuck::cast_slice(values),
            VectorRef::Bits(bytes) => bytes,
        }
    }

    /// A copy of its own.
    pub fn to_vector(self) -> Vector {
        match self {
            VectorRef::F32(values) => Vector::F32(values.to_vec()),
            VectorRef::Bits(bytes) => Vector::Bits(bytes.to_vec()),
        }
    }

    /// Refuses NaN and infinity, naming the first position that holds one.
    pub(crate) fn check_finite(self) -> Result<()> {
        self.as_f32().map_or(Ok(()), check_finite)
    }

    /// Refuses a vector that has no direction to compare: the zero vector, and one so short or so long that `f32`
    /// cannot hold its length, where the arithmetic of the cosine would break down.
    pub(crate) fn check_direction(self) -> Result<()> {
        let Some(values) = self.as_f32() else { return Ok(()) };
        let length = norm(values);
        let why = if length == 0.0 {
            "a vector of zeros has no direction"
        } else if length < f64::from(f32::MIN_POSITIVE) {
            "the vector is so short that its direction is lost to rounding"
        } else if length > f64::from(f32::MAX) {
            "the vector is longer than an f32 can say"
        } else {
            return Ok(());
        };
        Err(Error::invalid(format!("{why}, so it has no cosine distance"))
            .mend("leave such vectors out, scale them, or use another metric"))
    }
}

/// Numbers as a list of numbers, bits as a text of hexadecimal digits.
impl Serialize for Vector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Vector::F32(values) => serializer.collect_seq(values),
            Vector::Bits(bytes) => {
                let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                serializer.serialize_str(&digits)
            }
        }
    }
}

/// Reads what `Serialize` writes. Each number is read as the nearest `f32`, so what was written comes back bit for bit.
impl<'de> Deserialize<'de> for Vector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Vector, D::Error> {
        deserializer.deserialize_any(ListOrDigits)
    }
}

struct ListOrDigits;

impl<'de> Visitor<'de> for ListOrDigits {
    type Value = Vector;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of numbers, or a text of hexadecimal digits")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vector, A::Error> {
        let mut numbers = Vec::new();
        while let Some(number) = list.next_element()? {
            numbers.push(number);
        }
        Ok(Vector::F32(numbers))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vector, E> {
        from_hex(text).map(Vector::Bits).ok_or_else(|| E::custom(format!("{text:?} is not hexadecimal")))
    }
}

impl FromStr for Vector {
    type Err = Error;

    /// Reads a vector as people type it: `[0.1, -2]`, or hexadecimal digits for bits, which may follow `0x` or stand in
    /// quotes.
    fn from_str(text: &str) -> Result<Vector> {
        let text = text.trim();
        if let Some(bytes) = from_hex(text.strip_prefix("0x").unwrap_or(text)).filter(|bytes| !bytes.is_empty()) {
            return Ok(Vector::Bits(bytes));
        }
        serde_json::from_str(text).map_err(|error| {
            Error::invalid(format!("the vector cannot be read: {error}"))
                .mend("write [0.1, -2, ...], or hexadecimal digits for bits")
        })
    }
}

impl From<Vec<f32>> for Vector {
    fn from(values: Vec<f32>) -> Vector {
        Vector::F32(values)
    }
}

impl From<&Vec<f32>> for Vector {
    fn from(values: &Vec<f32>) -> Vector {
        Vector::F32(values.clone())
    }
}

impl From<&[f32]> for Vector {
    fn from(values: &[f32]) -> Vector {
        Vector::F32(values.to_vec())
    }
}

impl<const N: usize> From<[f32; N]> for Vector {
    fn from(values: [f32; N]) -> Vector {
        Vector::F32(values.to_vec())
    }
}

impl<const N: usize> From<&[f32; N]> for Vector {
    fn from(values: &[f32; N]) -> Vector {
        Vector::F32(values.to_vec())
    }
}

impl From<&Vector> for Vector {
    fn from(vector: &Vector) -> Vector {
        vector.clone()
    }
}

impl From<VectorRef<'_>> for Vector {
    fn from(vector: VectorRef<'_>) -> Vector {
        vector.to_vector()
    }
}

impl<'a> From<&'a Vector> for VectorRef<'a> {
    fn from(vector: &'a Vector) -> VectorRef<'a> {
        vector.view()
    }
}

impl<'a> From<&'a [f32]> for VectorRef<'a> {
    fn from(values: &'a [f32]) -> VectorRef<'a> {
        VectorRef::F32(values)
    }
}

impl<'a> From<&'a Vec<f32>> for VectorRef<'a> {
    fn from(values: &'a Vec<f32>) -> VectorRef<'a> {
        VectorRef::F32(values)
    }
}

impl<'a, const N: usize> From<&'a [f32; N]> for VectorRef<'a> {
    fn from(values: &'a [f32; N]) -> VectorRef<'a> {
        VectorRef::F32(values)
    }
}

/// The Euclidean length of a vector. Summed in `f64`, so it overflows only when the length itself is beyond `f32`.
pub fn magnitude(values: &[f32]) -> f32 {
    norm(values) as f32
}

/// Scales a vector to length 1. Refuses the zero vector and, naming its position, a value that is not finite; a refused
/// vector is left as it was.
///
/// ```
/// let mut vector = [3.0, 4.0];
/// driftline::normalize(&mut vector)?;
/// assert_eq!(vector, [0.6, 0.8]);
/// assert!(driftline::normalize(&mut [0.0, 0.0]).is_err());
/// # Ok::<(), driftline::Error>(())
/// ```
pub fn normalize(values: &mut [f32]) -> Result<()> {
    check_finite(values)?;
    let length = norm(values);
    if length == 0.0 {
        return Err(Error::invalid("a vector of zeros cannot be scaled to length 1").mend("leave it out"));
    }
    for value in values {
        *value = (f64::from(*value) / length) as f32;
    }
    Ok(())
}

/// One over the length of a vector, as kept beside the rows of a cosine collection. The vector has a direction
/// ([`VectorRef::check_direction`]), so this is finite and not 0.
pub(crate) fn inverse_norm(values: &[f32]) -> f32 {
    (1.0 / norm(values)) as f32
}

/// Numbers that are checked together, which is faster than asking after each.
const CHECKED_AT_ONCE: usize = 64;

fn check_finite(values: &[f32]) -> Result<()> {
    let finite = |values: &[f32]| values.iter().fold(true, |finite, value| finite & value.is_finite());
    if values.chunks(CHECKED_AT_ONCE).all(finite) {
        return Ok(());
    }
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(position) => Err(Error::new(
            ErrorKind::Invalid,
            format!("the vector holds {} at position {position}; every value must be finite", values[position]),
        )
        .mend("look at what computed it, and leave the record out")),
    }
}

/// The length, in `f64`, where the square of no `f32` overflows or vanishes.
fn norm(values: &[f32]) -> f64 {
    let mut sums = [0f64; 8];
    let (chunks, rest) = values.as_chunks::<8>();
    for chunk in chunks {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(*value) * f64::from(*value);
        }
    }
    for (sum, value) in sums.iter_mut().zip(rest) {
        *sum += f64::from(*value) * f64::from(*value);
    }
    sums.iter().sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_extreme_vectors_neither_overflow_nor_vanish() {
        assert_eq!(magnitude(&[3.0, -4.0]), 5.0);
        assert_eq!(magnitude(&[]), 0.0);
        assert_eq!(magnitude(&[1e-30; 4]), 2e-30);
        assert_eq!(magnitude(&[1e38; 4]), 2e38);
        assert_eq!(magnitude(&[1.0; 19]), 19f32.sqrt());
    }

    #[test]
    fn json_carries_every_number_bit_for_bit() {
        let mut random = crate::random::Random::seeded(1, 0);
        let numbers: Vec<f32> = (0..20_000).map(|_| f32::from_bits(random.draw() as u32)).collect();
        let numbers: Vec<f32> = numbers.into_iter().filter(|number| number.is_finite()).chain([-0.0, 1e-45]).collect();
        let json = serde_json::to_string(&Vector::F32(numbers.clone())).unwrap();
        let Vector::F32(read) = json.parse().unwrap() else { panic!("numbers became bits") };
        assert!(read.iter().zip(&numbers).all(|(a, b)| a.to_bits() == b.to_bits()) && read.len() == numbers.len());
    }

    #[test]
    fn vectors_are_lists_or_digits() {
        let read = |text: &str| text.parse::<Vector>();
        assert_eq!(read("[1, -0.5]").unwrap(), Vector::F32(vec![1.0, -0.5]));
        assert_eq!(read(" 0xff00\n").unwrap(), Vector::Bits(vec![255, 0]));
        assert_eq!(read("\"a0\"").unwrap(), Vector::Bits(vec![160]));
        for wrong in ["", "[1,", "[null]", "{}", "fff", "[[1]]", "[1e39]"] {
            assert!(read(wrong).map_or(true, |vector| vector.view().check_finite().is_err()), "{wrong}");
        }
    }

    #[test]
    fn normalizing_gives_length_one_or_changes_nothing() {
        for scale in [1e-40, 1e-30, 1.0, 1e38] {
            let mut vector = [scale, 2.0 * scale, -scale];
            normalize(&mut vector).unwrap();
            assert!((magnitude(&vector) - 1.0).abs() < 1e-6, "{scale}");
        }
        for refused in [vec![], vec![0.0, -0.0], vec![1.0, f32::NAN], vec![f32::INFINITY]] {
            let mut vector = refused.clone();
            assert!(normalize(&mut vector).is_err());
            assert_eq!(format!("{vector:?}"), format!("{refused:?}"));
        }
    }

    #[test]
    fn a_value_that_is_not_finite_is_named() {
        let error = VectorRef::from(&[1.0, 2.0, f32::NEG_INFINITY]).check_finite().unwrap_err();
        assert!(error.to_string().contains("-inf at position 2"), "{error}");
        for (length, place) in [(1, 0), (64, 63), (65, 64), (200, 63), (200, 64), (200, 199)] {
            let mut values = vec![1.0; length];
            assert!(VectorRef::from(&values).check_finite().is_ok());
            values[place] = f32::NAN;
            let error = VectorRef::from(&values).check_finite().unwrap_err();
            assert!(error.to_string().contains(&format!("NaN at position {place};")), "{error}");
        }
        assert!(VectorRef::Bits(&[1]).check_finite().is_ok());
    }

    #[test]
    fn a_vector_without_a_usable_direction_is_refused() {
        for refused in [[0.0, 0.0], [1e-45, 0.0], [f32::MAX, f32::MAX]] {
            assert!(VectorRef::from(&refused).check_direction().is_err(), "{refused:?}");
        }
        for accepted in [[1e-37, 0.0], [f32::MAX, 0.0], [1.0, -1.0]] {
            assert!(VectorRef::from(&accepted).check_direction().is_ok(), "{accepted:?}");
            assert!(inverse_norm(&accepted).is_finite() && inverse_norm(&accepted) > 0.0);
        }
    }

    #[test]
    fn whatever_holds_numbers_becomes_a_vector() {
        let numbers = vec![1.0f32, 2.0];
        let vector = Vector::from(&numbers);
        assert_eq!(vector, Vector::from([1.0, 2.0]));
        assert_eq!(vector, Vector::from(&numbers[..]));
        assert_eq!(vector, Vector::from(VectorRef::from(&[1.0, 2.0])));
        assert_eq!((vector.dimension(), Vector::Bits(vec![0; 4]).dimension()), (2, 32));
    }
}
