//! Vectors and labels from NumPy's array files.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use driftline::{Error, ErrorKind, MAX_BITS, Result, Value, Vector};
use npyz::{DType, Deserialize, NpyFile, Order, TypeChar};

use crate::files;

type Source = NpyFile<BufReader<File>>;
/// Appends as many numbers as it is told.
type Numbers = Box<dyn FnMut(usize, &mut Vec<f32>) -> io::Result<()>>;

/// The rows of a two-dimensional array, as vectors. Rows are counted from 0, as NumPy does.
pub(crate) struct Rows {
    name: String,
    count: u64,
    next: u64,
    width: usize,
    /// Whether the array is of bytes, and whether these are packed bits.
    bytes: bool,
    bits: bool,
    rounded: bool,
    numbers: Numbers,
}

impl Rows {
    /// Opens a file at row `start`. Where `bits` is set, the array holds packed bits.
    pub(crate) fn open(path: &Path, start: u64, bits: bool) -> Result<Rows> {
        let name = path.display().to_string();
        let file = open(path, &name)?;
        let [count, width] = *file.shape() else {
            let message = format!("the array has {} dimensions", file.shape().len());
            return Err(refuse(message, &name, "one row for each vector is needed: reshape it to two dimensions"));
        };
        // More would not be a vector, so that a row of any size can be held.
        let width = usize::try_from(width)
            .ok()
            .filter(|width| (1..=MAX_BITS).contains(width))
            .ok_or_else(|| refuse(format!("the array has rows of {width}"), &name, "a row must be a vector"))?;
        let (letter, size) = type_of(&file, &name)?;
        if count.checked_mul(width as u64) != Some(file.len()) {
            return Err(refuse("the array's shape is impossible".into(), &name, "check the file"));
        }
        let first = start.min(count) * width as u64;
        let rounded = matches!((letter, size), (TypeChar::Float | TypeChar::Int | TypeChar::Uint, 8))
            || matches!((letter, size), (TypeChar::Int | TypeChar::Uint, 4));
        let numbers = numbers(file, letter, size, first).map_err(|error| damaged(&error, &name))?;
        let numbers = numbers.ok_or_else(|| {
            let message = format!("the array's numbers are of a type that is not read ({}{size})", letter.to_str());
            refuse(message, &name, "convert it: array.astype('float32')")
        })?;
        let bytes = (letter, size) == (TypeChar::Uint, 1);
        let mut rows = Rows { name, count, next: start, width, bytes, bits: false, rounded, numbers };
        rows.set_bits(bits)?;
        Ok(rows)
    }

    /// How many rows the array has.
    pub(crate) fn total(&self) -> u64 {
        self.count
    }

    /// The number of the next row.
    pub(crate) fn upcoming(&self) -> u64 {
        self.next
    }

    /// Numbers, or bytes of bits, in a row.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Whether the array's numbers may not all fit f32, so that they are rounded.
    pub(crate) fn rounded(&self) -> bool {
        self.rounded
    }

    /// Takes the rows as packed bits from here on, or as numbers.
    pub(crate) fn set_bits(&mut self, bits: bool) -> Result<()> {
        if bits && !self.bytes {
            let message = "the collection holds bits, and the array is not of packed bits".to_owned();
            return Err(refuse(message, &self.name, "pack it with numpy.packbits(array, axis=1)"));
        }
        self.bits = bits;
        Ok(())
    }

    fn row(&mut self) -> Result<Vector> {
        let mut row = Vec::with_capacity(self.width);
        (self.numbers)(self.width, &mut row).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                let message = format!("the file ends in row {}; its header promises {}", self.next, self.count);
                refuse(message, &self.name, "copy or save it again")
            }
            _ => damaged(&error, &self.name),
        })?;
        self.next += 1;
        // Bytes are whole numbers up to 255, which an f32 holds exactly.
        Ok(if self.bits { Vector::Bits(row.iter().map(|byte| *byte as u8).collect()) } else { Vector::F32(row) })
    }
}

impl Iterator for Rows {
    type Item = Result<Vector>;

    fn next(&mut self) -> Option<Result<Vector>> {
        (self.next < self.count).then(|| self.row())
    }
}

/// The values of a one-dimensional array of numbers or texts.
pub(crate) fn labels(path: &Path) -> Result<Vec<Value>> {
    let name = path.display().to_string();
    let file = open(path, &name)?;
    if file.shape().len() != 1 {
        let message = format!("the array of labels has {} dimensions", file.shape().len());
        return Err(refuse(message, &name, "one label for each row is needed"));
    }
    let read = match type_of(&file, &name)? {
        (TypeChar::Int, _) => integers(file),
        (TypeChar::Uint, _) => unsigned(file),
        (TypeChar::Float, 4) => values(file, |label: f32| label.into()),
        (TypeChar::Float, 8) => values(file, |label: f64| label.into()),
        (TypeChar::UnicodeStr, _) => values(file, |label: String| label.into()),
        (letter, size) => {
            let message = format!("the labels are of a type that is not read ({}{size})", letter.to_str());
            return Err(refuse(message, &name, "use whole numbers, floats or texts"));
        }
    };
    read.map_err(|error| damaged(&error, &name))
}

fn open(path: &Path, name: &str) -> Result<Source> {
    let file = NpyFile::new(files::open(path)?).map_err(|error| damaged(&error, name))?;
    // In two dimensions the other order holds columns, and a row would be scattered over the file.
    if file.order() == Order::Fortran && file.shape().len() > 1 {
        let mend = "save it as numpy.ascontiguousarray(array)";
        return Err(refuse("the array is stored column by column (Fortran order)".into(), name, mend));
    }
    Ok(file)
}

fn type_of(file: &Source, name: &str) -> Result<(TypeChar, u64)> {
    match file.dtype() {
        DType::Plain(plain) => Ok((plain.type_char(), plain.size_field())),
        _ => Err(refuse("the array is one of records".into(), name, "save its columns as arrays of their own")),
    }
}

/// Reads numbers of any type as f32, from the `first` on; `None` when they are of a type that is not read.
fn numbers(file: Source, letter: TypeChar, size: u64, first: u64) -> io::Result<Option<Numbers>> {
    Ok(Some(match (letter, size) {
        (TypeChar::Float, 4) => typed(file, first, |number: f32| number)?,
        (TypeChar::Float, 8) => typed(file, first, |number: f64| number as f32)?,
        (TypeChar::Int, 1) => typed(file, first, |number: i8| number.into())?,
        (TypeChar::Int, 2) => typed(file, first, |number: i16| number.into())?,
        (TypeChar::Int, 4) => typed(file, first, |number: i32| number as f32)?,
        (TypeChar::Int, 8) => typed(file, first, |number: i64| number as f32)?,
        (TypeChar::Uint, 1) => typed(file, first, |number: u8| number.into())?,
        (TypeChar::Uint, 2) => typed(file, first, |number: u16| number.into())?,
        (TypeChar::Uint, 4) => typed(file, first, |number: u32| number as f32)?,
        (TypeChar::Uint, 8) => typed(file, first, |number: u64| number as f32)?,
        _ => return Ok(None),
    }))
}

fn typed<T: Deserialize + 'static>(file: Source, first: u64, convert: fn(T) -> f32) -> io::Result<Numbers>
where
    T::TypeReader: 'static,
{
    let mut values = file.data::<T>().map_err(io::Error::other)?;
    values.seek_to(first)?;
    Ok(Box::new(move |count, row| {
        for _ in 0..count {
            let value = values.next().ok_or(io::ErrorKind::UnexpectedEof)??;
            row.push(convert(value));
        }
        Ok(())
    }))
}

fn values<T: Deserialize>(file: Source, convert: fn(T) -> Value) -> io::Result<Vec<Value>> {
    let values = file.data::<T>().map_err(io::Error::other)?;
    values.map(|value| value.map(convert)).collect()
}

fn integers(file: Source) -> io::Result<Vec<Value>> {
    match width(&file) {
        1 => values(file, |label: i8| i64::from(label).into()),
        2 => values(file, |label: i16| i64::from(label).into()),
        4 => values(file, |label: i32| label.into()),
        _ => values(file, |label: i64| label.into()),
    }
}

fn unsigned(file: Source) -> io::Result<Vec<Value>> {
    match width(&file) {
        1 => values(file, |label: u8| u64::from(label).into()),
        2 => values(file, |label: u16| u64::from(label).into()),
        4 => values(file, |label: u32| label.into()),
        _ => values(file, |label: u64| label.into()),
    }
}

fn width(file: &Source) -> usize {
    file.dtype().num_bytes().unwrap_or_default()
}

fn refuse(message: String, name: &str, mend: &str) -> Error {
    Error::new(ErrorKind::Invalid, message).at(name).mend(mend)
}

fn damaged(error: &io::Error, name: &str) -> Error {
    refuse(format!("this is no readable npy file: {error}"), name, "check the file")
}
