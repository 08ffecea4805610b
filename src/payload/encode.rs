//! The stored layout of payloads (frozen), written and read by hand so that one field is found without reading others.
//!
//! Numbers are little-endian. A value is a tag byte and what the tag asks for:
//!
//! | tag | value  | after the tag |
//! |----:|--------|---------------|
//! | 0   | null   | nothing |
//! | 1   | false  | nothing |
//! | 2   | true   | nothing |
//! | 3   | int    | i64 |
//! | 4   | uint   | u64, above the largest i64 |
//! | 5   | float  | f64, finite |
//! | 6   | text   | u32 length in bytes, UTF-8 |
//! | 7   | bytes  | u32 length, bytes |
//! | 8   | array  | u32 count, that many u32 offsets, that many values |
//! | 9   | object | u32 count, that many u32 offsets, that many fields: u32 length of the name, name in UTF-8, value |
//! | 10  | blob   | 32 bytes, SHA-256 |
//!
//! An offset says where its value or field begins, counted from the tag of its array or object. Fields ascend by the
//! bytes of their names, no name twice. Values and fields follow the offsets and one another without gaps, and a
//! payload ends where its value ends: one value has one layout. The reader insists on all of this, which also bounds
//! its work by the length of the input, since no byte can be reached twice.

use super::{BLOB_FIELD, BYTES_FIELD, BlobId, MAX_DEPTH, MAX_PAYLOAD_BYTES, Value, too_deep};
use crate::bytes::{Reader, Truncated, Write};
use crate::error::{Error, Result};

/// Frozen: tags on disk.
mod tag {
    pub(super) const NULL: u8 = 0;
    pub(super) const FALSE: u8 = 1;
    pub(super) const TRUE: u8 = 2;
    pub(super) const INT: u8 = 3;
    pub(super) const UINT: u8 = 4;
    pub(super) const FLOAT: u8 = 5;
    pub(super) const TEXT: u8 = 6;
    pub(super) const BYTES: u8 = 7;
    pub(super) const ARRAY: u8 = 8;
    pub(super) const OBJECT: u8 = 9;
    pub(super) const BLOB: u8 = 10;
}

/// The fewest bytes an element takes: its offset and a tag.
const MIN_ELEMENT_BYTES: usize = 5;
/// The fewest bytes a field takes: its offset, the length of its name and a tag.
const MIN_FIELD_BYTES: usize = 9;

/// The stored form of a payload, or why it cannot be stored.
pub(crate) fn encode(value: &Value) -> Result<Vec<u8>> {
    let mut encoder = Encoder { out: Vec::new() };
    encoder.value(value, 0).map_err(|refusal| match refusal.path.as_str() {
        "" => refusal.error,
        path => refusal.error.at(format!("payload{path}")),
    })?;
    Ok(encoder.out)
}

/// The payload whose stored form is `bytes`.
pub(crate) fn decode(bytes: &[u8]) -> Result<Value, Malformed> {
    View::new(bytes).value()
}

/// Every blob named inside the stored payload `bytes`, in the order they stand there.
pub(crate) fn blobs(bytes: &[u8]) -> Result<Vec<BlobId>, Malformed> {
    let mut reader = Reader::new(bytes);
    let mut found = Vec::new();
    collect_blobs(&mut reader, 0, &mut found)?;
    expect_end(&reader)?;
    Ok(found)
}

struct Encoder {
    out: Vec<u8>,
}

/// Why a value cannot be stored, and the way to it from the root.
struct Refusal {
    error: Error,
    path: String,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal { error, path: String::new() }
    }
}

impl Refusal {
    fn inside(self, step: impl std::fmt::Display) -> Refusal {
        Refusal { path: format!("{step}{}", self.path), ..self }
    }
}

impl Encoder {
    /// Appends a value that stands inside `depth` arrays and objects; the limit on depth bounds the recursion.
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Refusal> {
        match value {
            Value::Null => self.push(&[tag::NULL]),
            Value::Bool(false) => self.push(&[tag::FALSE]),
            Value::Bool(true) => self.push(&[tag::TRUE]),
            Value::Int(number) => self.scalar(tag::INT, number.to_le_bytes()),
            Value::UInt(number) => match i64::try_from(*number) {
                Ok(small) => self.scalar(tag::INT, small.to_le_bytes()),
                Err(_) => self.scalar(tag::UINT, number.to_le_bytes()),
            },
            Value::Float(number) if number.is_finite() => self.scalar(tag::FLOAT, number.to_le_bytes()),
            Value::Float(number) => Err(Error::invalid(format!("{number} is not a finite number"))
                .mend("leave the field out, or store null or text")
                .into()),
            Value::Text(text) => self.block(&[tag::TEXT], text.as_bytes()),
            Value::Bytes(bytes) => self.block(&[tag::BYTES], bytes),
            Value::Array(_) | Value::Object(_) if depth == MAX_DEPTH => Err(too_deep().into()),
            Value::Array(values) => {
                let start = self.open(tag::ARRAY, values.len())?;
                for (index, value) in values.iter().enumerate() {
                    self.mark(start, index);
                    self.value(value, depth + 1).map_err(|refusal| refusal.inside(format_args!("[{index}]")))?;
                }
                Ok(())
            }
            Value::Object(fields) => {
                if let Some(name) = fields.keys().next().filter(|name| fields.len() == 1 && is_reserved(name)) {
                    return Err(reserved(name).into());
                }
                let start = self.open(tag::OBJECT, fields.len())?;
                for (index, (name, value)) in fields.iter().enumerate() {
                    self.mark(start, index);
                    self.block(&[], name.as_bytes())?;
                    self.value(value, depth + 1).map_err(|refusal| refusal.inside(format_args!(".{name}")))?;
                }
                Ok(())
            }
            Value::Blob(blob) => {
                self.push(&[tag::BLOB])?;
                self.push(&blob.0)
            }
        }
    }

    fn scalar(&mut self, tag: u8, content: [u8; 8]) -> Result<(), Refusal> {
        self.push(&[tag])?;
        self.push(&content)
    }

    fn block(&mut self, before: &[u8], content: &[u8]) -> Result<(), Refusal> {
        self.require(before.len() + 4 + content.len())?;
        self.out.extend_from_slice(before);
        self.out.put_block(content);
        Ok(())
    }

    /// Appends the head of an array or object with room for its offsets; returns where its tag is.
    fn open(&mut self, tag: u8, count: usize) -> Result<usize, Refusal> {
        let start = self.out.len();
        self.require(count.saturating_mul(4).saturating_add(5))?;
        self.out.put_u8(tag);
        self.out.put_u32(count as u32);
        self.out.resize(start + 5 + 4 * count, 0);
        Ok(start)
    }

    /// Notes that element or field `index` of what was opened at `start` begins here.
    fn mark(&mut self, start: usize, index: usize) {
        let offset = (self.out.len() - start) as u32;
        let place = start + 5 + 4 * index;
        self.out[place..place + 4].copy_from_slice(&offset.to_le_bytes());
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.require(bytes.len())?;
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    /// Refuses before anything is copied, so a payload far over the limit costs no more memory than the limit.
    fn require(&self, more: usize) -> Result<(), Refusal> {
        if self.out.len().saturating_add(more) <= MAX_PAYLOAD_BYTES {
            return Ok(());
        }
        let limit = MAX_PAYLOAD_BYTES / (1024 * 1024);
        Err(Error::invalid(format!("the payload takes more than {limit} MiB when stored"))
            .mend("keep the large part as a blob and name the blob in the payload")
            .into())
    }
}

/// Whether an object with this as its only field would be taken for bytes or a blob on its way through JSON.
fn is_reserved(name: &str) -> bool {
    name == BYTES_FIELD || name == BLOB_FIELD
}

fn reserved(name: &str) -> Error {
    let content = if name == BYTES_FIELD { "base64 text" } else { "64 hexadecimal digits" };
    Error::invalid(format!("an object whose only field is {name} must hold {content}")).mend("mend it or rename it")
}

/// Stored bytes that are no payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// Where, counted from the first byte of the payload.
    pub(crate) offset: usize,
    /// What is wrong there.
    pub(crate) what: &'static str,
}

impl Malformed {
    /// The damage as an error; `place` names the file and the record.
    pub(crate) fn at(self, place: impl std::fmt::Display) -> Error {
        Error::corrupt(format!("a stored payload is damaged: {}", self.what), format!("{place}, byte {}", self.offset))
    }
}

impl From<Truncated> for Malformed {
    fn from(truncated: Truncated) -> Malformed {
        Malformed { offset: truncated.offset, what: "it ends too early, or a length is wrong" }
    }
}

impl From<Malformed> for Error {
    fn from(malformed: Malformed) -> Error {
        malformed.at("payload")
    }
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

impl Malformed {
    fn shifted(self, by: usize) -> Malformed {
        Malformed { offset: self.offset + by, ..self }
    }
}

/// The offsets of an array or object.
struct Table<'a> {
    /// Where the tag of the array or object is.
    start: usize,
    offsets: &'a [[u8; 4]],
}

impl<'a> Table<'a> {
    /// Reads count and offsets behind the tag at `start`; each item takes at least `item_bytes`.
    fn read(reader: &mut Reader<'a>, start: usize, item_bytes: usize) -> Result<Table<'a>, Malformed> {
        let count = reader.count(item_bytes)?;
        let offsets = reader.take(4 * count)?.as_chunks().0;
        Ok(Table { start, offsets })
    }

    /// Refuses an item that does not begin where the reader stands.
    fn expect(&self, index: usize, reader: &Reader<'a>) -> Result<(), Malformed> {
        match self.start.checked_add(u32::from_le_bytes(self.offsets[index]) as usize) {
            Some(place) if place == reader.offset() => Ok(()),
            _ => Err(Malformed { offset: reader.offset(), what: "an offset does not point to its value" }),
        }
    }

    /// Where item `index` lies, for a container that begins at 0, whose items begin at `first` and that ends at `end`.
    fn place(&self, index: usize, first: usize, end: usize) -> Result<std::ops::Range<usize>, Malformed> {
        let from = u32::from_le_bytes(self.offsets[index]) as usize;
        let to = self.offsets.get(index + 1).map_or(end, |next| u32::from_le_bytes(*next) as usize);
        if first <= from && from <= to && to <= end {
            Ok(from..to)
        } else {
            Err(Malformed { offset: 5 + 4 * index, what: "an offset points outside its object" })
        }
    }
}

fn read_value(reader: &mut Reader<'_>, depth: usize) -> Result<Value, Malformed> {
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

fn read_text<'a>(reader: &mut Reader<'a>) -> Result<&'a str, Malformed> {
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

fn expect_end(reader: &Reader<'_>) -> Result<(), Malformed> {
    if reader.is_empty() { Ok(()) } else { Err(Malformed { offset: reader.offset(), what: "bytes behind its end" }) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{dismantle, nested_objects, storable};
    use super::*;
    use crate::error::ErrorKind;
    use proptest::prelude::*;
    use serde_json::json;

    fn sample() -> Value {
        let mut value = Value::from(json!({
            "lang": "en", "price": 12, "tags": ["a", null, true, {"deep": [1.5, -2]}], "": {}, "ü": "ö", "list": [],
        }));
        value.merge(Value::object([("raw", vec![0u8, 255].into()), ("file", BlobId([7; 32]).into())]));
        value.merge(Value::object([("huge", u64::MAX.into())]));
        value
    }

    /// Every blob in a value, in stored order.
    fn blobs_of(value: &Value) -> Vec<BlobId> {
        match value {
            Value::Blob(blob) => vec![*blob],
            Value::Array(values) => values.iter().flat_map(blobs_of).collect(),
            Value::Object(fields) => fields.values().flat_map(blobs_of).collect(),
            _ => Vec::new(),
        }
    }

    /// Reads damaged or invented bytes every way there is: no panic, and what is accepted has this one layout.
    fn read_hostile(bytes: &[u8]) {
        let decoded = decode(bytes);
        let found = blobs(bytes);
        if let Ok(value) = &decoded {
            assert_eq!(encode(value).unwrap(), bytes);
            assert_eq!(found.unwrap(), blobs_of(value));
        }
        for name in ["", "lang", "tags", "zz"] {
            let field = View::new(bytes).field(name);
            if let Ok(value) = &decoded {
                let field = field.unwrap().map(|field| field.value().unwrap());
                assert_eq!(field.as_ref(), value.get(name));
            } else if let Ok(Some(field)) = field {
                let _ = (field.value(), field.field("deep"));
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_stored_is_read_back(value in storable()) {
            prop_assume!(!matches!(&value, Value::Object(fields) if fields.keys().any(|name| is_reserved(name))));
            let bytes = encode(&value).unwrap();
            prop_assert_eq!(&decode(&bytes).unwrap(), &value);
            prop_assert_eq!(blobs(&bytes).unwrap(), blobs_of(&value));
            let view = View::new(&bytes);
            prop_assert!(view.field("a name that is not there").unwrap().is_none());
            for (name, field) in value.as_object().into_iter().flatten() {
                prop_assert_eq!(&view.field(name).unwrap().unwrap().value().unwrap(), field);
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            read_hostile(&bytes);
        }

        #[test]
        fn any_small_bytes_are_read_or_refused(bytes in prop::collection::vec(0u8..12, 0..200)) {
            read_hostile(&bytes);
        }

        #[test]
        fn damage_is_survived(value in storable(), place in any::<prop::sample::Index>(), bit in 0..8u32) {
            let mut bytes = encode(&value).unwrap();
            let place = place.index(bytes.len());
            bytes[place] ^= 1u8 << bit;
            read_hostile(&bytes);
            read_hostile(&bytes[..place]);
        }
    }

    #[test]
    fn every_flip_and_every_cut_of_the_sample_is_survived() {
        let bytes = encode(&sample()).unwrap();
        for place in 0..bytes.len() {
            assert!(decode(&bytes[..place]).is_err());
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[place] ^= 1 << bit;
                read_hostile(&damaged);
            }
        }
    }

    #[test]
    fn golden_bytes() {
        let value = Value::object([
            ("b", Value::Array(vec![Value::Null, true.into(), Value::Int(-2)])),
            ("a", "hé".into()),
            ("c", 0.5.into()),
        ]);
        #[rustfmt::skip]
        let golden: &[u8] = &[
            9, 3, 0, 0, 0, 17, 0, 0, 0, 30, 0, 0, 0, 63, 0, 0, 0,
            1, 0, 0, 0, b'a', 6, 3, 0, 0, 0, b'h', 0xC3, 0xA9,
            1, 0, 0, 0, b'b', 8, 3, 0, 0, 0, 17, 0, 0, 0, 18, 0, 0, 0, 19, 0, 0, 0,
                0, 2, 3, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
            1, 0, 0, 0, b'c', 5, 0, 0, 0, 0, 0, 0, 0xE0, 0x3F,
        ];
        // The offset of "a" is 17, of "b" 17 + 13, of "c" 30 + 33.
        assert_eq!(encode(&value).unwrap(), golden);
        assert_eq!(decode(golden).unwrap(), value);
        let scalars = [
            (Value::Null, vec![0]),
            (Value::Bool(false), vec![1]),
            (Value::UInt(1 << 63), vec![4, 0, 0, 0, 0, 0, 0, 0, 0x80]),
            (Value::Bytes(vec![9]), vec![7, 1, 0, 0, 0, 9]),
            (Value::Blob(BlobId([5; 32])), [vec![10], vec![5; 32]].concat()),
        ];
        for (value, golden) in scalars {
            assert_eq!(encode(&value).unwrap(), golden);
            assert_eq!(decode(&golden).unwrap(), value);
        }
    }

    #[test]
    fn a_small_unsigned_number_is_stored_signed() {
        assert_eq!(decode(&encode(&Value::UInt(5)).unwrap()).unwrap(), Value::Int(5));
        assert!(decode(&[4, 5, 0, 0, 0, 0, 0, 0, 0]).is_err());
    }

    #[test]
    fn what_cannot_be_stored_is_refused_where_it_stands() {
        let value = Value::object([("a", Value::Array(vec![Value::Null, Value::object([("b", f64::NAN.into())])]))]);
        let error = encode(&value).unwrap_err();
        assert_eq!((error.kind(), error.place()), (ErrorKind::Invalid, Some("payload.a[1].b")));
        assert!(encode(&f64::NEG_INFINITY.into()).is_err());
        assert!(encode(&Value::object([("$bytes", Value::Null)])).is_err());
        assert!(encode(&Value::object([("$bytes", Value::Null), ("b", Value::Null)])).is_ok());
    }

    #[test]
    fn depth_is_limited_on_the_way_in_and_out() {
        for levels in [1, MAX_DEPTH] {
            let value = nested_objects(levels);
            assert_eq!(decode(&encode(&value).unwrap()).unwrap(), value);
        }
        for levels in [MAX_DEPTH + 1, 10_000, 1_000_000] {
            let value = nested_objects(levels);
            assert!(encode(&value).unwrap_err().to_string().contains("64 levels"));
            dismantle(value);
        }
        // Arrays of one element: count 1, offset 9.
        let nested = |levels: usize| [[8, 1, 0, 0, 0, 9, 0, 0, 0].repeat(levels), vec![0]].concat();
        assert!(decode(&nested(MAX_DEPTH)).is_ok() && blobs(&nested(MAX_DEPTH)).is_ok());
        assert!(decode(&nested(MAX_DEPTH + 1)).is_err() && blobs(&nested(MAX_DEPTH + 1)).is_err());
        assert!(decode(&nested(1_000_000)).is_err() && blobs(&nested(1_000_000)).is_err());
    }

    #[test]
    fn size_is_limited_exactly() {
        let text = |bytes: usize| Value::Text("x".repeat(bytes));
        assert_eq!(encode(&text(MAX_PAYLOAD_BYTES - 5)).unwrap().len(), MAX_PAYLOAD_BYTES);
        let error = encode(&text(MAX_PAYLOAD_BYTES - 4)).unwrap_err();
        assert!(error.to_string().contains("16 MiB"), "{error}");
        assert!(encode(&Value::Array(vec![Value::Null; MAX_PAYLOAD_BYTES / 5])).is_err());
        assert!(encode(&Value::Array(vec![Value::Null; MAX_PAYLOAD_BYTES / 5 - 1])).is_ok());
    }

    #[test]
    fn shared_and_gapped_values_are_refused() {
        let good = [8, 2, 0, 0, 0, 13, 0, 0, 0, 14, 0, 0, 0, 0, 0];
        assert!(decode(&good).is_ok());
        for (place, byte) in [(9, 13), (5, 14), (1, 1), (1, 3)] {
            let mut bad = good;
            bad[place] = byte;
            assert!(decode(&bad).is_err(), "{place} {byte}");
        }
        assert_eq!(decode(&[&good[..], &[0]].concat()).unwrap_err().offset, good.len());
    }

    #[test]
    fn names_out_of_order_are_refused() {
        let object = |first: u8, second: u8| {
            let mut bytes = vec![9, 2, 0, 0, 0, 13, 0, 0, 0, 19, 0, 0, 0];
            for name in [first, second] {
                bytes.extend([1, 0, 0, 0, name, 0]);
            }
            decode(&bytes)
        };
        assert!(object(b'a', b'b').is_ok());
        assert!(object(b'b', b'a').is_err());
        assert!(object(b'a', b'a').is_err());
    }

    #[test]
    fn damage_names_its_offset() {
        let mut bytes = encode(&json!({"a": {"b": 1}}).into()).unwrap();
        let place = bytes.len() - 9;
        bytes[place] = 99;
        let inner = View::new(&bytes).field("a").unwrap().unwrap().field("b").unwrap().unwrap();
        assert_eq!(inner.value().unwrap_err().offset, place);
        let error = Error::from(decode(&bytes).unwrap_err());
        assert_eq!((error.kind(), error.place()), (ErrorKind::Corrupt, Some(&*format!("payload, byte {place}"))));
    }
}
