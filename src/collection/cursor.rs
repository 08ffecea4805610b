//! Where a page of an answer ended, as text that a caller can keep.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use xxhash_rust::xxh3::xxh3_64;

use crate::bytes::{Reader, Write};
use crate::error::{Error, Result};
use crate::key::{Key, MAX_KEY_BYTES};
use crate::vector::VectorRef;

/// The version of the text form.
const VERSION: u8 = 1;
/// The most bytes a cursor takes before it becomes text: version, query, distance and a key with its tag.
const MAX_BYTES: usize = 1 + 8 + 4 + 1 + MAX_KEY_BYTES;

/// Where a page of hits ended. Give it to [`Query::after`](crate::Query::after), with the same vector, for the next
/// page.
///
/// It holds no resource and never expires; `Display` and `FromStr` give and take text for URLs. The next page is what
/// follows in the store as it is then. For pages that fit together whatever is written in between, run them all on one
/// [`Snapshot`](crate::Snapshot).
#[derive(Debug, Clone, PartialEq)]
pub struct Cursor {
    /// Tells the query vector from others.
    query: u64,
    pub(crate) distance: f32,
    /// In stored form.
    pub(crate) key: Vec<u8>,
}

impl Cursor {
    pub(crate) fn new(vector: VectorRef<'_>, distance: f32, key: &Key) -> Cursor {
        Cursor { query: xxh3_64(vector.as_bytes()), distance, key: key.encode() }
    }

    /// Refuses to go on with another query than the one that was begun.
    pub(crate) fn check(&self, vector: VectorRef<'_>) -> Result<()> {
        if self.query == xxh3_64(vector.as_bytes()) {
            return Ok(());
        }
        Err(Error::invalid("the cursor comes from a query with another vector")
            .mend("give the vector of the first page"))
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![VERSION];
        bytes.put_u64(self.query);
        bytes.put_u32(self.distance.to_bits());
        bytes.extend_from_slice(&self.key);
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Cursor> {
        let refused = || Error::invalid("this is no cursor").mend("give the text of Hits::next as it was printed");
        // Four characters of text for three bytes.
        if text.len() > MAX_BYTES.div_ceil(3) * 4 {
            return Err(refused());
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| refused())?;
        let mut reader = Reader::new(&bytes);
        let head = (|| Ok::<_, crate::bytes::Truncated>((reader.u8()?, reader.u64()?, reader.u32()?)))();
        let (version, query, distance) = head.map_err(|_| refused())?;
        let (distance, key) = (f32::from_bits(distance), bytes[reader.offset()..].to_vec());
        if version != VERSION || distance.is_nan() || Key::decode(&key).is_none() {
            return Err(refused());
        }
        Ok(Cursor { query, distance, key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_text_is_read_back(query: u64, distance in -1e30f32..1e30, key in "[a-z]{0,512}") {
            let cursor = Cursor { query, distance, key: Key::from(key).encode() };
            prop_assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
        }

        #[test]
        fn any_text_is_a_cursor_or_refused(text in "[A-Za-z0-9_=/ -]{0,60}") {
            if let Ok(cursor) = text.parse::<Cursor>() {
                prop_assert_eq!(cursor.to_string(), text);
            }
        }
    }

    #[test]
    fn the_longest_key_fits_and_more_is_refused() {
        let key = Key::from("k".repeat(MAX_KEY_BYTES)).encode();
        let cursor = Cursor { query: 1, distance: 0.5, key };
        let text = cursor.to_string();
        assert_eq!(text.parse::<Cursor>().unwrap(), cursor);
        assert!(format!("{text}AAAAAAAA").parse::<Cursor>().is_err());
        assert!("".parse::<Cursor>().is_err());
    }
}
