//! Reading a whole value, with every check.

use super::encode::is_reserved;
use super::{Malformed, tag};
use crate::bytes::Reader;
use crate::payload::{BlobId, MAX_DEPTH, Value};

/// The fewest bytes an element takes: its offset and a tag.
pub(super) const MIN_ELEMENT_BYTES: usize = 5;
/// The fewest bytes a field takes: its offset, the length of its name and a tag.
pub(super) const MIN_FIELD_BYTES: usize = 9;

/// Every blob named inside the stored payload `bytes`, in the order they stand there.
pub(crate) fn blobs(bytes: &[u8]) -> Result<Vec<BlobId>, Malformed> {
    let mut reader = Reader::new(bytes);
    let mut found = Vec::new();
    collect_blobs(&mut reader, 0, &mut found)?;
    expect_end(&reader)?;
    Ok(found)
}

/// The offsets of an array or object.
pub(super) struct Table<'a> {
    /// Where the tag of the array or object is.
    pub(super) start: usize,
    pub(super) offsets: &'a [[u8; 4]],
}

impl<'a> Table<'a> {
    /// Reads count and offsets behind the tag at `start`; each item takes at least `item_bytes`.
    pub(super) fn read(reader: &mut Reader<'a>, start: usize, item_bytes: usize) -> Result<Table<'a>, Malformed> {
        let count = reader.count(item_bytes)?;
        let offsets = reader.take(4 * count)?.as_chunks().0;
        Ok(Table { start, offsets })
    }

    /// Refuses an item that does not begin where the reader stands.
    pub(super) fn expect(&self, index: usize, reader: &Reader<'a>) -> Result<(), Malformed> {
        match self.start.checked_add(u32::from_le_bytes(self.offsets[index]) as usize) {
            Some(place) if place == reader.offset() => Ok(()),
            _ => Err(Malformed { offset: reader.offset(), what: "an offset does not point to its value" }),
        }
    }

    /// Where item `index` lies, for a container that begins at 0, whose items begin at `first` and that ends at `end`.
    pub(super) fn place(&self, index: usize, first: usize, end: usize) -> Result<std::ops::Range<usize>, Malformed> {
        let from = u32::from_le_bytes(self.offsets[index]) as usize;
        let to = self.offsets.get(index + 1).map_or(end, |next| u32::from_le_bytes(*next) as usize);
        if first <= from && from <= to && to <= end {
            Ok(from..to)
        } else {
            Err(Malformed { offset: 5 + 4 * index, what: "an offset points outside its object" })
        }
    }
}

pub(super) fn read_value(reader: &mut Reader<'_>, depth: usize) -> Result<Value, Malformed> {
    let start = reader.offset();
    let malformed = |what| Err(Malformed { offset: start, what });
    match reader.u8()? {
        tag::NULL => Ok(Value::Null),
        tag::FALSE => Ok(Value::Bool(false)),
        tag::TRUE => Ok(Value::Bool(true)),
        tag::INT => Ok(Value::Int(reader.i64()?)),
        tag::UINT => match reader.u64()? {
            number if i64::try_from(number).is_err() => Ok(Value::UInt(number)),
            _ => malformed("an unsigned integer that should be a signed one"),
        },
        tag::FLOAT => match reader.f64()? {
            number if number.is_finite() => Ok(Value::Float(number)),
            _ => malformed("a number that is not finite"),
        },
        tag::TEXT => Ok(Value::Text(read_text(reader)?.into())),
        tag::BYTES => Ok(Value::Bytes(reader.block()?.into())),
        tag::ARRAY | tag::OBJECT if depth == MAX_DEPTH => malformed("it nests too deeply"),
        tag::ARRAY => {
            let table = Table::read(reader, start, MIN_ELEMENT_BYTES)?;
            let element = |index| {
                table.expect(index, reader)?;
                read_value(reader, depth + 1)
            };
            Ok(Value::Array((0..table.offsets.len()).map(element).collect::<Result<_, _>>()?))
        }
        tag::OBJECT => {
            let table = Table::read(reader, start, MIN_FIELD_BYTES)?;
            let mut fields = Vec::with_capacity(table.offsets.len());
            let mut last = None;
            for index in 0..table.offsets.len() {
                let name = read_name(reader, &table, index, &mut last)?;
                fields.push((name.to_owned(), read_value(reader, depth + 1)?));
            }
            match fields.as_slice() {
                [(name, _)] if is_reserved(name) => malformed("an object with a reserved name"),
                _ => Ok(Value::Object(fields.into_iter().collect())),
            }
        }
        tag::BLOB => Ok(Value::Blob(BlobId(reader.array()?))),
        _ => malformed("a tag that does not exist"),
    }
}

/// The name of field `index`, which must ascend from `last`.
fn read_name<'a>(
    reader: &mut Reader<'a>,
    table: &Table<'a>,
    index: usize,
    last: &mut Option<&'a str>,
) -> Result<&'a str, Malformed> {
    table.expect(index, reader)?;
    let offset = reader.offset();
    let name = read_text(reader)?;
    if last.is_some_and(|last| last >= name) {
        return Err(Malformed { offset, what: "the names of an object are not in order" });
    }
    *last = Some(name);
    Ok(name)
}

pub(super) fn read_text<'a>(reader: &mut Reader<'a>) -> Result<&'a str, Malformed> {
    let offset = reader.offset();
    std::str::from_utf8(reader.block()?).map_err(|_| Malformed { offset, what: "a text that is not UTF-8" })
}

/// Walks over one value, noting the blobs it names. Checks no more than it needs to find its way.
fn collect_blobs(reader: &mut Reader<'_>, depth: usize, found: &mut Vec<BlobId>) -> Result<(), Malformed> {
    let start = reader.offset();
    match reader.u8()? {
        tag::NULL | tag::FALSE | tag::TRUE => {}
        tag::INT | tag::UINT | tag::FLOAT => drop(reader.take(8)?),
        tag::TEXT | tag::BYTES => drop(reader.block()?),
        tag::ARRAY if depth < MAX_DEPTH => {
            for _ in 0..Table::read(reader, start, MIN_ELEMENT_BYTES)?.offsets.len() {
                collect_blobs(reader, depth + 1, found)?;
            }
        }
        tag::OBJECT if depth < MAX_DEPTH => {
            for _ in 0..Table::read(reader, start, MIN_FIELD_BYTES)?.offsets.len() {
                reader.block()?;
                collect_blobs(reader, depth + 1, found)?;
            }
        }
        tag::BLOB => found.push(BlobId(reader.array()?)),
        _ => return Err(Malformed { offset: start, what: "a tag that does not exist, or it nests too deeply" }),
    }
    Ok(())
}

pub(super) fn expect_end(reader: &Reader<'_>) -> Result<(), Malformed> {
    if reader.is_empty() { Ok(()) } else { Err(Malformed { offset: reader.offset(), what: "bytes behind its end" }) }
}
