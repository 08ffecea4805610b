//! Reading a value where it lies, one field at a time.

use super::read::{MIN_ELEMENT_BYTES, MIN_FIELD_BYTES, Table, expect_end, read_text, read_value};
use super::{Malformed, tag};
use crate::bytes::{Reader, Write};
use crate::payload::Value;

/// The payload whose stored form is `bytes`.
pub(crate) fn decode(bytes: &[u8]) -> Result<Value, Malformed> {
    View::new(bytes).value()
}

/// A stored value, read where it lies. Nothing is checked before it is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    bytes: &'a [u8],
    /// Where `bytes` begins in the payload, for messages.
    base: usize,
}

/// A stored value that holds no other, or which kind of one that does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scalar<'a> {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Float(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    Blob,
    Array,
    Object,
}

impl Scalar<'_> {
    /// Appends the stored form; nothing for what is only named here.
    pub(crate) fn encode_into(&self, out: &mut Vec<u8>) {
        match self {
            Scalar::Null => out.put_u8(tag::NULL),
            Scalar::Bool(false) => out.put_u8(tag::FALSE),
            Scalar::Bool(true) => out.put_u8(tag::TRUE),
            Scalar::Int(number) => {
                out.put_u8(tag::INT);
                out.put_i64(*number);
            }
            Scalar::UInt(number) => {
                out.put_u8(tag::UINT);
                out.put_u64(*number);
            }
            Scalar::Float(number) => {
                out.put_u8(tag::FLOAT);
                out.put_u64(number.to_bits());
            }
            Scalar::Text(text) => {
                out.put_u8(tag::TEXT);
                out.put_block(text.as_bytes());
            }
            Scalar::Bytes(bytes) => {
                out.put_u8(tag::BYTES);
                out.put_block(bytes);
            }
            Scalar::Blob | Scalar::Array | Scalar::Object => {}
        }
    }
}

impl<'a> View<'a> {
    /// The payload whose stored form is `bytes`.
    pub(crate) fn new(bytes: &'a [u8]) -> View<'a> {
        View { bytes, base: 0 }
    }

    /// The field `name`, when this is an object that has it. Takes a binary search over the names.
    pub(crate) fn field(&self, name: &str) -> Result<Option<View<'a>>, Malformed> {
        self.find(name).map_err(|malformed| self.rebase(malformed))
    }

    /// The value, if it is a scalar, and what it is otherwise. Reads nothing behind it.
    pub(crate) fn scalar(&self) -> Result<Scalar<'a>, Malformed> {
        let mut reader = Reader::new(self.bytes);
        let read = (|| {
            Ok(match reader.u8()? {
                tag::NULL => Scalar::Null,
                tag::FALSE => Scalar::Bool(false),
                tag::TRUE => Scalar::Bool(true),
                tag::INT => Scalar::Int(reader.i64()?),
                tag::UINT => Scalar::UInt(reader.u64()?),
                tag::FLOAT => Scalar::Float(reader.f64()?),
                tag::TEXT => Scalar::Text(read_text(&mut reader)?),
                tag::BYTES => Scalar::Bytes(reader.block()?),
                tag::ARRAY => Scalar::Array,
                tag::OBJECT => Scalar::Object,
                tag::BLOB => Scalar::Blob,
                _ => return Err(Malformed { offset: 0, what: "a tag that does not exist" }),
            })
        })();
        read.map_err(|malformed| self.rebase(malformed))
    }

    /// The elements, when this is an array; none otherwise.
    pub(crate) fn elements(&self) -> Result<impl Iterator<Item = Result<View<'a>, Malformed>>, Malformed> {
        self.items(tag::ARRAY, MIN_ELEMENT_BYTES)
    }

    /// The names and values of the fields, when this is an object; none otherwise.
    pub(crate) fn fields(&self) -> Result<impl Iterator<Item = Result<(&'a str, View<'a>), Malformed>>, Malformed> {
        let field = |item: Result<View<'a>, Malformed>| {
            let item = item?;
            let mut reader = Reader::new(item.bytes);
            let name = read_text(&mut reader).map_err(|malformed| item.rebase(malformed))?;
            let start = reader.offset();
            Ok((name, View { bytes: &item.bytes[start..], base: item.base + start }))
        };
        Ok(self.items(tag::OBJECT, MIN_FIELD_BYTES)?.map(field))
    }

    /// What stands at each offset of a container with the tag `kind`; nothing when this has another tag.
    fn items(
        &self,
        kind: u8,
        item_bytes: usize,
    ) -> Result<impl Iterator<Item = Result<View<'a>, Malformed>> + use<'a>, Malformed> {
        let View { bytes, base } = *self;
        let mut reader = Reader::new(bytes);
        let table = match reader.u8() {
            Ok(found) if found == kind => Table::read(&mut reader, 0, item_bytes),
            Ok(_) => Ok(Table { start: 0, offsets: &[] }),
            Err(truncated) => Err(truncated.into()),
        };
        let (table, first) = (table.map_err(|malformed| self.rebase(malformed))?, reader.offset());
        Ok((0..table.offsets.len()).map(move |index| {
            let place = table.place(index, first, bytes.len()).map_err(|malformed| malformed.shifted(base))?;
            Ok(View { bytes: &bytes[place.clone()], base: base + place.start })
        }))
    }

    /// The whole value.
    pub(crate) fn value(&self) -> Result<Value, Malformed> {
        let mut reader = Reader::new(self.bytes);
        let value = read_value(&mut reader, 0).and_then(|value| expect_end(&reader).map(|()| value));
        value.map_err(|malformed| self.rebase(malformed))
    }

    fn find(&self, name: &str) -> Result<Option<View<'a>>, Malformed> {
        let mut reader = Reader::new(self.bytes);
        if reader.u8()? != tag::OBJECT {
            return Ok(None);
        }
        let table = Table::read(&mut reader, 0, MIN_FIELD_BYTES)?;
        let (mut low, mut high) = (0, table.offsets.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let field = table.place(middle, reader.offset(), self.bytes.len())?;
            let mut inner = Reader::new(&self.bytes[field.clone()]);
            let found = inner.block().map_err(|truncated| Malformed::from(truncated).shifted(field.start))?;
            match found.cmp(name.as_bytes()) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => {
                    let start = field.start + inner.offset();
                    return Ok(Some(View { bytes: &self.bytes[start..field.end], base: self.base + start }));
                }
            }
        }
        Ok(None)
    }

    fn rebase(&self, malformed: Malformed) -> Malformed {
        malformed.shifted(self.base)
    }
}
