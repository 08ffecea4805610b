//! fvecs, bvecs and ivecs: each vector stands behind its dimension, a little-endian `u32`.

use std::io::{BufRead, Read};

use super::array::not_packed;
use super::element::Element;
use super::file::{Reading, refuse, unreadable};
use super::rows::{Row, Rows};
use crate::error::{Error, Result};
use crate::schema::MAX_BITS;
use crate::vector::Vector;

/// The vectors of such a file.
pub(super) struct VecsRows {
    file: Reading,
    element: Element,
    /// What the first row says; all others must say the same.
    width: Option<usize>,
    bits: bool,
    next: u64,
    bytes: Vec<u8>,
}

impl VecsRows {
    /// Looks at the first row, for its dimension. A file of no bytes holds no rows.
    pub(super) fn open(mut file: Reading, element: Element) -> Result<VecsRows> {
        let start = file.peek(4, None)?;
        let width = start.first_chunk().map(|width| u32::from_le_bytes(*width) as usize);
        if let Some(width) = width {
            check_width(width, &format!("{}, row 0", file.name))?;
        }
        Ok(VecsRows { file, element, width, bits: false, next: 0, bytes: Vec::new() })
    }

    pub(super) fn name(&self) -> &str {
        &self.file.name
    }

    /// The number of the next row, where each row is one whole number; `None` at the end.
    pub(super) fn integer(&mut self) -> Result<Option<i32>> {
        if !self.advance()? {
            return Ok(None);
        }
        let one = <[u8; 4]>::try_from(&self.bytes[..]).map_err(|_| {
            refuse("the row holds more than one number", &self.place(), "one value for each row is needed")
        })?;
        Ok(Some(i32::from_le_bytes(one)))
    }

    /// Reads the bytes of the next row; false at the end.
    fn advance(&mut self) -> Result<bool> {
        let place = format!("{}, row {}", self.file.name, self.next);
        if self.file.reader.fill_buf().map_err(|error| unreadable(&place, &error))?.is_empty() {
            return Ok(false);
        }
        let mut width = [0; 4];
        self.file.reader.read_exact(&mut width).map_err(|error| cut_short(&place, &error))?;
        let width = u32::from_le_bytes(width) as usize;
        check_width(width, &place)?;
        let first = *self.width.get_or_insert(width);
        if width != first {
            let message = format!("the row has dimension {width}, and those before it {first}");
            return Err(refuse(message, &place, "all rows must have one dimension; check the file and its format"));
        }
        self.bytes.resize(width * self.element.bytes, 0);
        self.file.reader.read_exact(&mut self.bytes).map_err(|error| cut_short(&place, &error))?;
        self.next += 1;
        Ok(true)
    }
}

fn check_width(width: usize, place: &str) -> Result<()> {
    if (1..=MAX_BITS).contains(&width) {
        return Ok(());
    }
    let message = format!("the row says that its dimension is {width}");
    Err(refuse(message, place, "check that the file is what its name says"))
}

fn cut_short(place: &str, error: &std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => refuse("the file ends in this row", place, "copy or save it again"),
        _ => unreadable(place, error),
    }
}

impl Rows for VecsRows {
    fn next(&mut self) -> Result<Option<Row>> {
        if !self.advance()? {
            return Ok(None);
        }
        let vector = if self.bits {
            Vector::Bits(self.bytes.clone())
        } else {
            let mut numbers = Vec::with_capacity(self.bytes.len() / self.element.bytes);
            self.element.extend(&mut numbers, &self.bytes);
            Vector::F32(numbers)
        };
        Ok(Some(Row { vector: Some(vector), ..Row::default() }))
    }

    fn place(&self) -> String {
        format!("{}, row {}", self.file.name, self.next.saturating_sub(1))
    }

    fn width(&self) -> Option<usize> {
        self.width
    }

    fn rounds(&self) -> bool {
        self.element.rounds()
    }

    fn set_bits(&mut self, bits: bool) -> Result<()> {
        if bits && self.element != Element::U8 {
            return Err(not_packed(&self.file.name));
        }
        self.bits = bits;
        Ok(())
    }

    fn skip(&mut self, count: u64) -> Result<u64> {
        for skipped in 0..count {
            if !self.advance()? {
                return Ok(skipped);
            }
        }
        Ok(count)
    }
}
