//! Numbers as arrays store them: eight sizes and two byte orders become `f32`, or a value of a payload.

use crate::payload::Value;

/// The type of an array's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) kind: Kind,
    /// Bytes: 1, 2, 4 or 8; for floats 4 or 8.
    pub(super) bytes: usize,
    pub(super) big_endian: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Float,
    Int,
    Uint,
    Bool,
}

impl Element {
    pub(super) const F32: Element = Element { kind: Kind::Float, bytes: 4, big_endian: false };
    pub(super) const U8: Element = Element { kind: Kind::Uint, bytes: 1, big_endian: false };
    pub(super) const I32: Element = Element { kind: Kind::Int, bytes: 4, big_endian: false };

    /// Whether some numbers of this type are no `f32`.
    pub(super) fn rounds(self) -> bool {
        match self.kind {
            Kind::Float => self.bytes > 4,
            Kind::Int | Kind::Uint => self.bytes > 2,
            Kind::Bool => false,
        }
    }

    /// Appends the numbers of `bytes`, which holds a whole number of them.
    pub(super) fn extend(self, out: &mut Vec<f32>, bytes: &[u8]) {
        match (self.kind, self.bytes, self.big_endian) {
            (Kind::Uint | Kind::Bool, 1, _) => out.extend(bytes.iter().map(|byte| f32::from(*byte))),
            (Kind::Float, 4, false) => {
                out.extend(bytes.as_chunks::<4>().0.iter().map(|number| f32::from_le_bytes(*number)));
            }
            _ => out.extend(bytes.chunks_exact(self.bytes).map(|number| self.number(number))),
        }
    }

    fn number(self, bytes: &[u8]) -> f32 {
        let bits = self.bits(bytes);
        match (self.kind, self.bytes) {
            (Kind::Float, 4) => f32::from_bits(bits as u32),
            (Kind::Float, _) => f64::from_bits(bits) as f32,
            (Kind::Int, _) => self.signed(bits) as f32,
            (Kind::Uint | Kind::Bool, _) => bits as f32,
        }
    }

    /// One number as a payload has it.
    pub(super) fn value(self, bytes: &[u8]) -> Value {
        let bits = self.bits(bytes);
        match (self.kind, self.bytes) {
            (Kind::Float, 4) => Value::from(f32::from_bits(bits as u32)),
            (Kind::Float, _) => Value::from(f64::from_bits(bits)),
            (Kind::Int, _) => Value::from(self.signed(bits)),
            (Kind::Uint, _) => Value::from(bits),
            (Kind::Bool, _) => Value::from(bits != 0),
        }
    }

    /// The bytes of one number, the lowest first, in the low end of a word.
    fn bits(self, bytes: &[u8]) -> u64 {
        let mut word = [0; 8];
        let bytes = &bytes[..self.bytes.min(bytes.len())];
        word[..bytes.len()].copy_from_slice(bytes);
        if self.big_endian {
            word[..bytes.len()].reverse();
        }
        u64::from_le_bytes(word)
    }

    /// Carries the sign into the high end of the word.
    fn signed(self, bits: u64) -> i64 {
        let unused = 64 - 8 * self.bytes as u32;
        ((bits << unused) as i64) >> unused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: Kind, bytes: usize, big_endian: bool) -> Element {
        Element { kind, bytes, big_endian }
    }

    #[test]
    fn numbers_of_every_type_are_read() {
        let cases: [(Element, &[u8], f32, Value); 9] = [
            (Element::U8, &[200], 200.0, 200.into()),
            (of(Kind::Int, 1, false), &[0xFF], -1.0, Value::from(-1)),
            (of(Kind::Int, 2, true), &[0xFF, 0xFE], -2.0, Value::from(-2)),
            (of(Kind::Uint, 2, false), &[0xFE, 0xFF], 65534.0, 65534.into()),
            (Element::I32, &[0xFE, 0xFF, 0xFF, 0xFF], -2.0, Value::from(-2)),
            (of(Kind::Uint, 8, true), &[0xFF; 8], u64::MAX as f32, u64::MAX.into()),
            (Element::F32, &[0, 0, 0xC0, 0xBF], -1.5, Value::from(-1.5)),
            (of(Kind::Float, 8, true), &[0xBF, 0xF8, 0, 0, 0, 0, 0, 0], -1.5, Value::from(-1.5)),
            (of(Kind::Bool, 1, false), &[1], 1.0, true.into()),
        ];
        for (element, bytes, number, value) in cases {
            let mut out = Vec::new();
            element.extend(&mut out, &[bytes, bytes].concat());
            assert_eq!((out, element.value(bytes)), (vec![number; 2], value), "{element:?}");
        }
    }

    #[test]
    fn a_vector_of_f32_keeps_its_bits() {
        let mut out = Vec::new();
        Element::F32.extend(&mut out, &[1, 0, 0x80, 0xFF, 0, 0, 0, 0x80]);
        assert_eq!(out.iter().map(|number| number.to_bits()).collect::<Vec<_>>(), [0xFF80_0001, 0x8000_0000]);
    }
}
