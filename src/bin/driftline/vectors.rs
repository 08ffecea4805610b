//! Vectors as text: lists of numbers, or hexadecimal digits for bits.

use std::fmt;

use driftline::Vector;
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

/// A vector in JSON: numbers as a list, bits as a text of hexadecimal digits.
#[derive(Debug)]
pub(crate) struct VectorText(pub(crate) Vector);

impl<'de> Deserialize<'de> for VectorText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<VectorText, D::Error> {
        struct ListOrText;
        impl<'de> Visitor<'de> for ListOrText {
            type Value = Vector;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of numbers, or a text of hexadecimal digits")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Vector, A::Error> {
                let mut numbers = Vec::new();
                while let Some(number) = list.next_element()? {
                    numbers.push(number);
                }
                Ok(Vector::F32(numbers))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> std::result::Result<Vector, E> {
                hex(text).map(Vector::Bits).ok_or_else(|| E::custom(format!("{text:?} is not hexadecimal")))
            }
        }
        deserializer.deserialize_any(ListOrText).map(VectorText)
    }
}

/// Reads hexadecimal digits, two to a byte.
pub(crate) fn hex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |[high, low]: &[u8; 2]| Some((digit(*high)? * 16 + digit(*low)?) as u8);
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_in_pairs() {
        assert_eq!(hex("00Ff"), Some(vec![0, 255]));
        assert_eq!(hex(""), Some(Vec::new()));
        assert_eq!([hex("abc"), hex("xy"), hex("é0"), hex("+f")], [None, None, None, None]);
    }
}
