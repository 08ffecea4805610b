//! The header of NumPy's array files. The crate reads it; what it is given is bounded first.

use std::io::{self, Read};

use npyz::{DType, NpyHeader, Order, TypeChar};

use super::array::{Array, Shape, header_failed};
use super::element::{Element, Kind};
use super::file::{Reading, refuse};
use crate::error::{Error, Result};

/// The header of an array of numbers takes some 100 bytes; one of records may take more.
const MAX_HEADER_BYTES: usize = 64 << 10;
/// Brackets may stand inside brackets, and the crate's parser recurses.
const MAX_HEADER_BRACKETS: usize = 64;

/// An array's header was read: numbers, or texts of so many bytes.
pub(super) enum Npy {
    Numbers(Array),
    Texts { rows: u64, text: Text, file: Reading },
}

/// How a text is stored: padded with zeros, in UTF-32 or in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) bytes: usize,
    pub(super) wide: bool,
    pub(super) big_endian: bool,
}

/// Reads the header.
pub(super) fn open(mut file: Reading) -> Result<Npy> {
    let header = read_header(&mut file)?;
    let name = &file.name;
    // In two dimensions the other order holds columns, and a row would be scattered over the file.
    if header.order() == Order::Fortran && header.shape().len() > 1 {
        let mend = "save it as numpy.ascontiguousarray(array)";
        return Err(refuse("the array is stored column by column (Fortran order)", name, mend));
    }
    let DType::Plain(plain) = header.dtype() else {
        return Err(refuse("the array is one of records", name, "save its columns as arrays of their own"));
    };
    let Some((rows, inner)) = header.shape().split_first() else {
        return Err(refuse("the array has 0 dimensions", name, "save it with one row for each vector"));
    };
    let (rows, inner) = (*rows, inner.to_vec());
    let big_endian = plain.endianness() == npyz::Endianness::Big;
    let size = usize::try_from(plain.size_field()).unwrap_or(usize::MAX);
    let kind = match (plain.type_char(), size) {
        (TypeChar::Float, 4 | 8) => Kind::Float,
        (TypeChar::Int, 1 | 2 | 4 | 8) => Kind::Int,
        (TypeChar::Uint, 1 | 2 | 4 | 8) => Kind::Uint,
        (TypeChar::Bool, 1) => Kind::Bool,
        (TypeChar::UnicodeStr, 1..=16_384) if inner.is_empty() => {
            return Ok(Npy::Texts { rows, text: Text { bytes: size * 4, wide: true, big_endian }, file });
        }
        (TypeChar::ByteStr, 1..=65_536) if inner.is_empty() => {
            return Ok(Npy::Texts { rows, text: Text { bytes: size, wide: false, big_endian }, file });
        }
        (letter, size) => {
            let message = format!("the array's numbers are of a type that is not read ({}{size})", letter.to_str());
            return Err(refuse(message, name, "convert it: array.astype('float32')"));
        }
    };
    Ok(Npy::Numbers(Array { shape: Shape { rows, inner, element: Element { kind, bytes: size, big_endian } }, file }))
}

/// Gives the crate a header of bounded length and depth.
fn read_header(file: &mut Reading) -> Result<NpyHeader> {
    let failed = |error: io::Error| header_failed(&file.name, "npy", &error);
    let mut bytes = vec![0; 8];
    file.reader.read_exact(&mut bytes).map_err(failed)?;
    if !bytes.starts_with(b"\x93NUMPY") {
        return Err(no_npy(&file.name, "it does not begin as one"));
    }
    let mut length = [0; 4];
    let width = if bytes[6] == 1 { 2 } else { 4 };
    file.reader.read_exact(&mut length[..width]).map_err(failed)?;
    bytes.extend_from_slice(&length[..width]);
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_HEADER_BYTES {
        return Err(no_npy(&file.name, &format!("its header would take {length} bytes")));
    }
    let start = bytes.len();
    bytes.resize(start + length, 0);
    file.reader.read_exact(&mut bytes[start..]).map_err(failed)?;
    check_text(&bytes[start..]).map_err(|why| no_npy(&file.name, why))?;
    NpyHeader::from_reader(&bytes[..]).map_err(|error| no_npy(&file.name, &error.to_string()))
}

/// Refuses what the crate would overflow on: brackets deep inside brackets, and dimensions whose product no file can have.
fn check_text(text: &[u8]) -> Result<(), &'static str> {
    let brackets = text.iter().filter(|byte| matches!(byte, b'(' | b'[' | b'{')).count();
    if brackets > MAX_HEADER_BRACKETS {
        return Err("its header is nested deeply");
    }
    // Texts in quotes are looked at too, for a quote may stand inside another and hide the shape. A type such as `<f4` is
    // no number: it begins with a letter.
    let words = text.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
    let numbers = words.filter(|word| word.first().is_some_and(u8::is_ascii_digit));
    let number = |word: &[u8]| std::str::from_utf8(word).ok()?.parse::<u64>().ok();
    let product = numbers.map(number).try_fold(1u64, |product, number| product.checked_mul(number?.max(1)));
    product.map(drop).ok_or("its shape is impossible")
}

fn no_npy(name: &str, why: &str) -> Error {
    refuse(format!("this is no readable npy file: {why}"), name, "check the file")
}

impl Text {
    /// The text in `bytes`, without the zeros behind it; `None` where it is none.
    pub(super) fn read(self, bytes: &[u8]) -> Option<String> {
        if !self.wide {
            let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            return String::from_utf8(bytes[..end].to_vec()).ok();
        }
        let character = |bytes: &[u8; 4]| {
            let mut bytes = *bytes;
            if self.big_endian {
                bytes.reverse();
            }
            char::from_u32(u32::from_le_bytes(bytes))
        };
        let text: Option<String> = bytes.as_chunks::<4>().0.iter().map(character).collect();
        text.map(|text| text.trim_end_matches('\0').to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open_text(header: &str) -> Result<Npy> {
        let length = (header.len() as u16).to_le_bytes();
        let bytes = [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes()].concat();
        open(Reading::stream("it", Box::new(io::Cursor::new(bytes)))?)
    }

    #[test]
    fn no_quote_hides_an_impossible_shape() {
        let shape = "'shape': (4294967296, 4294967296, 4294967296)";
        for before in ["", "\"a'b\": 1, ", "'a\"b': 1, ", "'a\\'b': 1, ", "\"\"\"a\"b'\"\"\": 1, ", "'\\\\': 1, "] {
            let header = format!("{{{before}'descr': '<f4', 'fortran_order': False, {shape}}}");
            assert!(open_text(&header).is_err(), "{header}");
        }
        for kind in ["<f18446744073709551615", "<U18446744073709551615", "<U4611686018427387904"] {
            let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': (2,)}}");
            assert!(open_text(&header).is_err(), "{header}");
        }
        assert!(open_text("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 8), }").is_ok());
    }
}
