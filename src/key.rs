//! Keys: what the caller calls a record.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::bytes::from_hex;
use crate::error::{Error, Result};
use crate::payload::Value;

/// The most bytes a text or byte key may have.
pub const MAX_KEY_BYTES: usize = 512;

const TAG_NUMBER: u8 = 1;
const TAG_TEXT: u8 = 2;
const TAG_BYTES: u8 = 3;

/// The name of a record inside its collection: a number, a text or bytes, at most [`MAX_KEY_BYTES`] long.
///
/// Keys are ordered: numbers first, by value, then texts, then bytes, both byte by byte. Two keys of different kinds
/// are never equal: `Key::from(7)` is not `Key::from("7")`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key(Kind);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Kind {
    Number(u64),
    Text(Box<str>),
    Bytes(Box<[u8]>),
}

impl Key {
    /// The number, when the key is one.
    pub fn as_number(&self) -> Option<u64> {
        match self.0 {
            Kind::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The text, when the key is one.
    pub fn as_text(&self) -> Option<&str> {
        match &self.0 {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The bytes, when the key is made of bytes.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match &self.0 {
            Kind::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Refuses a key that is over its limit.
    pub(crate) fn check(&self) -> Result<()> {
        let length = self.content_bytes();
        if length > MAX_KEY_BYTES {
            return Err(Error::invalid(format!("a key of {length} bytes is over the limit of {MAX_KEY_BYTES}"))
                .mend("shorten it, or use a hash of it and keep the whole in the payload"));
        }
        Ok(())
    }

    fn content_bytes(&self) -> usize {
        match &self.0 {
            Kind::Number(_) => 8,
            Kind::Text(text) => text.len(),
            Kind::Bytes(bytes) => bytes.len(),
        }
    }

    /// Appends the stored form (frozen): a tag, then the number big-endian, the UTF-8 or the bytes.
    /// Comparing stored forms byte by byte gives the order of keys.
    pub(crate) fn encode_into(&self, out: &mut Vec<u8>) {
        match &self.0 {
            Kind::Number(number) => {
                out.push(TAG_NUMBER);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Kind::Text(text) => {
                out.push(TAG_TEXT);
                out.extend_from_slice(text.as_bytes());
            }
            Kind::Bytes(bytes) => {
                out.push(TAG_BYTES);
                out.extend_from_slice(bytes);
            }
        }
    }

    /// The stored form; see [`Key::encode_into`].
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1 + self.content_bytes());
        self.encode_into(&mut out);
        out
    }

    /// Reads a stored form; `None` when it is none.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Key> {
        Some(Key(match KeyView::decode(bytes)? {
            KeyView::Number(number) => Kind::Number(number),
            KeyView::Text(text) => Kind::Text(text.into()),
            KeyView::Bytes(bytes) => Kind::Bytes(bytes.into()),
        }))
    }
}

/// A key in its stored form, read where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyView<'a> {
    Number(u64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

impl<'a> KeyView<'a> {
    /// Reads a stored form; `None` when it is none.
    #[expect(clippy::big_endian_bytes, reason = "byte order is key order only in big-endian")]
    pub(crate) fn decode(bytes: &'a [u8]) -> Option<KeyView<'a>> {
        let (tag, content) = bytes.split_first()?;
        if content.len() > MAX_KEY_BYTES {
            return None;
        }
        match *tag {
            TAG_NUMBER => Some(KeyView::Number(u64::from_be_bytes(content.try_into().ok()?))),
            TAG_TEXT => Some(KeyView::Text(std::str::from_utf8(content).ok()?)),
            TAG_BYTES => Some(KeyView::Bytes(content)),
            _ => None,
        }
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Key) -> Ordering {
        use Kind::{Bytes, Number, Text};
        match (&self.0, &other.0) {
            (Number(a), Number(b)) => a.cmp(b),
            (Text(a), Text(b)) => a.cmp(b),
            (Bytes(a), Bytes(b)) => a.cmp(b),
            (Number(_), _) | (Text(_), Bytes(_)) => Ordering::Less,
            (_, Number(_)) | (Bytes(_), Text(_)) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Key) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<u64> for Key {
    fn from(number: u64) -> Key {
        Key(Kind::Number(number))
    }
}

impl From<u32> for Key {
    fn from(number: u32) -> Key {
        Key(Kind::Number(number.into()))
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Key {
        Key(Kind::Text(text.into()))
    }
}

impl From<String> for Key {
    fn from(text: String) -> Key {
        Key(Kind::Text(text.into()))
    }
}

impl From<&[u8]> for Key {
    fn from(bytes: &[u8]) -> Key {
        Key(Kind::Bytes(bytes.into()))
    }
}

impl From<Vec<u8>> for Key {
    fn from(bytes: Vec<u8>) -> Key {
        Key(Kind::Bytes(bytes.into()))
    }
}

impl From<&Key> for Key {
    fn from(key: &Key) -> Key {
        key.clone()
    }
}

/// Numbers as they are, texts as they are, bytes as `0x` and hexadecimal digits.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Number(number) => number.fmt(f),
            Kind::Text(text) => f.pad(text),
            Kind::Bytes(bytes) => {
                f.write_str("0x")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Text(text) => fmt::Debug::fmt(text, f),
            _ => fmt::Display::fmt(self, f),
        }
    }
}

impl FromStr for Key {
    type Err = Error;

    /// Reads a key as people type it: a decimal number without leading zeros is a number, `0x` and pairs of hexadecimal
    /// digits are bytes, anything else is text.
    fn from_str(text: &str) -> Result<Key> {
        if let Some(number) = text.parse().ok().filter(|number: &u64| number.to_string() == text) {
            return Ok(number.into());
        }
        let Some(digits) = text.strip_prefix("0x") else { return Ok(text.into()) };
        from_hex(digits).map(Key::from).ok_or_else(|| {
            Error::invalid(format!("the key {text:?} is not a whole number of hexadecimal bytes"))
                .mend("write two digits for each byte")
        })
    }
}

/// A whole number that is not negative, a text, or bytes; other values name nothing.
impl TryFrom<Value> for Key {
    type Error = Error;

    fn try_from(value: Value) -> Result<Key> {
        match value {
            Value::Text(text) => Ok(text.into()),
            Value::Bytes(bytes) => Ok(bytes.into()),
            Value::UInt(number) => Ok(number.into()),
            Value::Int(number) if number >= 0 => Ok((number as u64).into()),
            other => Err(Error::invalid(format!("{other} cannot be a key"))
                .mend("a key is a whole number, a text, or {\"$bytes\": \"<base64>\"}")),
        }
    }
}

/// A number, a text, or, for bytes, `{"$bytes": "<base64>"}` as in payloads, so that the three are told apart.
impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Kind::Number(number) => serializer.serialize_u64(*number),
            Kind::Text(text) => serializer.serialize_str(text),
            Kind::Bytes(bytes) => Value::from(&**bytes).serialize(serializer),
        }
    }
}

/// Reads what `Serialize` writes.
impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Key, D::Error> {
        Key::try_from(Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_key() -> impl Strategy<Value = Key> {
        prop_oneof![
            any::<u64>().prop_map(Key::from),
            ".{0,12}".prop_map(Key::from),
            prop::collection::vec(any::<u8>(), 0..12).prop_map(Key::from),
        ]
    }

    proptest! {
        #[test]
        fn stored_form_returns(key in any_key()) {
            prop_assert_eq!(Key::decode(&key.encode()), Some(key));
        }

        #[test]
        fn stored_forms_sort_like_keys(a in any_key(), b in any_key()) {
            prop_assert_eq!(a.encode().cmp(&b.encode()), a.cmp(&b));
        }
    }

    proptest! {
        #[test]
        fn json_carries_every_key(key in any_key()) {
            let json = serde_json::to_string(&key).unwrap();
            prop_assert_eq!(serde_json::from_str::<Key>(&json).unwrap(), key);
        }
    }

    #[test]
    fn keys_are_told_apart_by_how_they_are_written() {
        let read = |text: &str| text.parse::<Key>().unwrap();
        assert_eq!(read("42"), Key::from(42u64));
        assert_eq!(read("007"), Key::from("007"));
        assert_eq!(read("+7"), Key::from("+7"));
        assert_eq!(read("18446744073709551616"), Key::from("18446744073709551616"));
        assert_eq!(read("0x00fF"), Key::from(vec![0u8, 255]));
        assert!(["0xabc", "0xzz", "0x\u{e9}0"].iter().all(|text| text.parse::<Key>().is_err()));
        assert!(["1.5", "-1", "null", "[1]", "{}"].iter().all(|json| serde_json::from_str::<Key>(json).is_err()));
    }

    #[test]
    fn nonsense_is_no_key() {
        for bytes in [&[][..], &[0, 1], &[TAG_NUMBER, 1, 2], &[TAG_TEXT, 0xFF], &[9]] {
            assert_eq!(Key::decode(bytes), None);
        }
        assert_eq!(Key::decode(&[&[TAG_BYTES][..], &[0; MAX_KEY_BYTES + 1]].concat()), None);
    }

    #[test]
    fn a_long_key_is_refused() {
        assert!(Key::from("x".repeat(MAX_KEY_BYTES)).check().is_ok());
        assert!(Key::from("x".repeat(MAX_KEY_BYTES + 1)).check().is_err());
    }
}
