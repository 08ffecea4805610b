//! Arrays: rows of one width, one after the other, behind a header that says how many. npy, idx and fbin come to this.

use std::io::{self, BufRead, Read};

use super::element::Element;
use super::file::{Reading, refuse, unreadable};
use super::rows::{Row, Rows};
use crate::error::{Error, Result};
use crate::schema::MAX_BITS;
use crate::vector::Vector;

/// What the header of an array says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shape {
    pub(super) rows: u64,
    /// The other dimensions; none where each row is one number.
    pub(super) inner: Vec<u64>,
    pub(super) element: Element,
}

/// An array whose header was read.
pub(super) struct Array {
    pub(super) shape: Shape,
    pub(super) file: Reading,
}

/// The rows of an array, as vectors.
pub(super) struct ArrayRows {
    file: Reading,
    rows: u64,
    width: usize,
    element: Element,
    bits: bool,
    /// The number of the next row.
    next: u64,
    bytes: Vec<u8>,
}

impl Array {
    /// Takes each row as a vector; a row of several dimensions, such as a picture, is taken line by line.
    pub(super) fn into_rows(self) -> Result<ArrayRows> {
        let Shape { rows, inner, element } = self.shape;
        if inner.is_empty() {
            let mend = "one row for each vector is needed: reshape it to two dimensions";
            return Err(refuse("the array has 1 dimensions", &self.file.name, mend));
        }
        let width = inner.iter().try_fold(1u64, |width, more| width.checked_mul(*more));
        let width = width.and_then(|width| usize::try_from(width).ok()).filter(|width| (1..=MAX_BITS).contains(width));
        let Some(width) = width else {
            let message = format!("the array has rows of {}", times(&inner));
            return Err(refuse(message, &self.file.name, "a row must be a vector"));
        };
        Ok(ArrayRows { file: self.file, rows, width, element, bits: false, next: 0, bytes: Vec::new() })
    }
}

fn times(dimensions: &[u64]) -> String {
    dimensions.iter().map(u64::to_string).collect::<Vec<_>>().join(" x ")
}

impl ArrayRows {
    fn row(&mut self) -> Result<Vector> {
        self.bytes.resize(self.width * self.element.bytes, 0);
        read_row(&mut *self.file.reader, &mut self.bytes)
            .map_err(|error| failed(&error, &self.file.name, self.next, self.rows))?;
        Ok(if self.bits {
            Vector::Bits(self.bytes.clone())
        } else {
            let mut numbers = Vec::with_capacity(self.width);
            self.element.extend(&mut numbers, &self.bytes);
            Vector::F32(numbers)
        })
    }
}

fn read_row(reader: &mut dyn BufRead, bytes: &mut [u8]) -> io::Result<()> {
    reader.read_exact(bytes)
}

/// A row cannot be read.
pub(super) fn failed(error: &io::Error, name: &str, row: u64, rows: u64) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            refuse(format!("the file ends in row {row}; its header promises {rows}"), name, "copy or save it again")
        }
        _ => unreadable(&format!("{name}, row {row}"), error),
    }
}

/// The rows were all read; nothing may follow.
pub(super) fn check_end(file: &mut Reading, rows: u64) -> Result<()> {
    match file.reader.fill_buf() {
        Ok([]) => Ok(()),
        Ok(_) => {
            let message = format!("the file goes on after the {rows} rows that its header promises");
            Err(refuse(message, &file.name, "it may hold several arrays: save the one you mean alone"))
        }
        Err(error) => Err(unreadable(&file.name, &error)),
    }
}

impl Rows for ArrayRows {
    fn next(&mut self) -> Result<Option<Row>> {
        if self.next == self.rows {
            return check_end(&mut self.file, self.rows).map(|()| None);
        }
        let vector = self.row()?;
        self.next += 1;
        Ok(Some(Row { vector: Some(vector), ..Row::default() }))
    }

    fn place(&self) -> String {
        format!("{}, row {}", self.file.name, self.next.saturating_sub(1))
    }

    fn total(&self) -> Option<u64> {
        Some(self.rows)
    }

    fn width(&self) -> Option<usize> {
        Some(self.width)
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
        let row_bytes = (self.width * self.element.bytes) as u64;
        let count = count.min(self.rows - self.next);
        let wanted = count.saturating_mul(row_bytes);
        let skipped = io::copy(&mut (&mut *self.file.reader).take(wanted), &mut io::sink());
        match skipped {
            Ok(bytes) if bytes == wanted => {
                self.next += count;
                Ok(count)
            }
            Ok(bytes) => {
                let row = self.next + bytes / row_bytes;
                Err(failed(&io::ErrorKind::UnexpectedEof.into(), &self.file.name, row, self.rows))
            }
            Err(error) => Err(unreadable(&self.file.name, &error)),
        }
    }
}

/// Bits were wanted, and there are no bytes.
pub(super) fn not_packed(name: &str) -> Error {
    let message = "the collection holds bits, and the array is not of packed bits";
    refuse(message, name, "pack it with numpy.packbits(array, axis=1)")
}

/// Reads the header of a file of MNIST: two zeros, a type, how many dimensions, and each as a big-endian `u32`.
pub(super) fn open_idx(mut file: Reading) -> Result<Array> {
    use super::element::Kind;
    let wrong = |name: &str, why: String| refuse(format!("this is no idx file: {why}"), name, "check the file");
    let mut magic = [0; 4];
    file.reader.read_exact(&mut magic).map_err(|error| header_failed(&file.name, "idx", &error))?;
    let [0, 0, letter, dimensions] = magic else {
        return Err(wrong(&file.name, format!("it begins with {magic:02x?}")));
    };
    let (kind, bytes) = match letter {
        0x08 => (Kind::Uint, 1),
        0x09 => (Kind::Int, 1),
        0x0B => (Kind::Int, 2),
        0x0C => (Kind::Int, 4),
        0x0D => (Kind::Float, 4),
        0x0E => (Kind::Float, 8),
        _ => return Err(wrong(&file.name, format!("its type is {letter:#x}"))),
    };
    if dimensions == 0 {
        return Err(wrong(&file.name, "it has no dimensions".into()));
    }
    let mut sizes = Vec::new();
    for _ in 0..dimensions {
        let mut size = [0; 4];
        file.reader.read_exact(&mut size).map_err(|error| header_failed(&file.name, "idx", &error))?;
        size.reverse();
        sizes.push(u64::from(u32::from_le_bytes(size)));
    }
    let element = match bytes {
        1 => Element { kind, bytes, big_endian: false },
        _ => Element { kind, bytes, big_endian: true },
    };
    let inner = sizes.split_off(1);
    Ok(Array { shape: Shape { rows: sizes[0], inner, element }, file })
}

/// Reads the header of a file of `f32` vectors: how many, and their dimension.
pub(super) fn open_fbin(mut file: Reading) -> Result<Array> {
    let mut sizes = [[0; 4]; 2];
    for size in &mut sizes {
        file.reader.read_exact(size).map_err(|error| header_failed(&file.name, "fbin", &error))?;
    }
    let [rows, width] = sizes.map(|size| u64::from(u32::from_le_bytes(size)));
    Ok(Array { shape: Shape { rows, inner: vec![width], element: Element::F32 }, file })
}

pub(super) fn header_failed(name: &str, format: &str, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            refuse(format!("this is no readable {format} file: it ends in its header"), name, "check the file")
        }
        _ => unreadable(name, error),
    }
}
