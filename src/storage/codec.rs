//! The one place that uses bincode, for small records of metadata inside files whose framing we write ourselves.
//!
//! Numbers have their full width and are little-endian (frozen), the input may claim no more than its own length, and
//! nothing may follow the value. Types must not hold vectors of elements that take no bytes, such as `Vec<()>`: their
//! length costs the input nothing, so no limit bounds it.

use bincode::Options;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind, Result};

/// The most bytes one record may take.
pub(crate) const MAX_RECORD_BYTES: usize = 1 << 20;

/// The stored form of `value`, at most [`MAX_RECORD_BYTES`] long.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    options(MAX_RECORD_BYTES).serialize(value).map_err(|error| match *error {
        bincode::ErrorKind::SizeLimit => {
            Error::invalid(format!("a record of metadata would take more than {MAX_RECORD_BYTES} bytes"))
        }
        other => Error::internal(format!("a record of metadata cannot be stored: {other}")),
    })
}

/// The value whose stored form is `bytes`; `what` names it in the error, such as "the schema of collection docs".
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T> {
    if bytes.len() > MAX_RECORD_BYTES {
        return Err(Error::corrupt(format!("{what} takes {} bytes; at most 1 MiB is allowed", bytes.len()), what));
    }
    options(bytes.len())
        .deserialize(bytes)
        .map_err(|error| Error::new(ErrorKind::Corrupt, format!("{what} cannot be read: {error}")).at(what))
}

fn options(limit: usize) -> impl Options {
    bincode::DefaultOptions::new()
        .with_little_endian()
        .with_fixint_encoding()
        .reject_trailing_bytes()
        .with_limit(limit as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Record {
        dimension: u32,
        name: String,
        metric: Metric,
        ttl: Option<u64>,
        parts: Vec<(i16, f32)>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Metric {
        L2,
        Named { code: u8 },
    }

    fn record() -> Record {
        Record {
            dimension: 384,
            name: "docs".into(),
            metric: Metric::Named { code: 9 },
            ttl: Some(60),
            parts: vec![(-2, 1.5)],
        }
    }

    #[rustfmt::skip]
    const STORED: &[u8] = &[
        0x80, 0x01, 0, 0,
        4, 0, 0, 0, 0, 0, 0, 0, b'd', b'o', b'c', b's',
        1, 0, 0, 0, 9,
        1, 60, 0, 0, 0, 0, 0, 0, 0,
        1, 0, 0, 0, 0, 0, 0, 0, 0xFE, 0xFF, 0, 0, 0xC0, 0x3F,
    ];

    #[test]
    fn the_stored_form_never_changes() {
        assert_eq!(encode(&record()).unwrap(), STORED);
        assert_eq!(decode::<Record>(STORED, "a record").unwrap(), record());
    }

    #[test]
    fn nothing_may_be_missing_or_follow() {
        for length in 0..STORED.len() {
            assert_eq!(decode::<Record>(&STORED[..length], "a record").unwrap_err().kind(), ErrorKind::Corrupt);
        }
        let longer = [STORED, &[0]].concat();
        assert_eq!(decode::<Record>(&longer, "a record").unwrap_err().kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn a_claimed_length_allocates_nothing() {
        let mut bytes = u64::MAX.to_le_bytes().to_vec();
        bytes.extend([0; 9]);
        assert!(decode::<String>(&bytes, "a text").is_err());
        assert!(decode::<Vec<u64>>(&bytes, "numbers").is_err());
        assert!(decode::<Vec<String>>(&bytes, "texts").is_err());
    }

    #[test]
    fn a_record_too_large_is_refused_both_ways() {
        let value = vec![0u8; MAX_RECORD_BYTES];
        assert_eq!(encode(&value).unwrap_err().kind(), ErrorKind::Invalid);
        assert!(decode::<Vec<u8>>(&vec![0; MAX_RECORD_BYTES + 1], "bytes").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_value_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(record) = decode::<Record>(&bytes, "a record") {
                prop_assert_eq!(encode(&record).unwrap(), bytes);
            }
        }
    }
}
