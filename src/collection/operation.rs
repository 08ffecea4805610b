//! What a batch does to collections, as it stands in the log: effects, never conditions.
//!
//! The same bytes are logged, applied at commit and applied again at recovery, so the three cannot differ.

use crate::bytes::{Reader, Truncated, Write};
use crate::clock::Timestamp;
use crate::ids::CollectionId;
use crate::segment::block::NewRow;

const PUT: u8 = 1;
const DELETE: u8 = 2;

/// One change of one record.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Effect<'a> {
    /// The record is now this one.
    Put(CollectionId, NewRow<'a>),
    /// The record is gone; its key in stored form.
    Delete(CollectionId, &'a [u8]),
}

impl<'a> Effect<'a> {
    pub(crate) fn collection(&self) -> CollectionId {
        match self {
            Effect::Put(collection, _) | Effect::Delete(collection, _) => *collection,
        }
    }

    pub(crate) fn key(&self) -> &'a [u8] {
        match self {
            Effect::Put(_, row) => row.key,
            Effect::Delete(_, key) => key,
        }
    }

    /// Appends the logged form (frozen): a tag byte, the collection, the key; for a put also when it was created and
    /// when it expires, the vector and the payload.
    pub(crate) fn encode_into(&self, out: &mut Vec<u8>) {
        match self {
            Effect::Put(collection, row) => {
                out.put_u8(PUT);
                out.put_u32(collection.0);
                out.put_block(row.key);
                out.put_i64(row.created.0);
                out.put_i64(row.expires.0);
                out.put_block(row.vector);
                out.put_block(row.payload);
            }
            Effect::Delete(collection, key) => {
                out.put_u8(DELETE);
                out.put_u32(collection.0);
                out.put_block(key);
            }
        }
    }

    fn decode(reader: &mut Reader<'a>) -> Result<Effect<'a>, Truncated> {
        let start = reader.offset();
        let tag = reader.u8()?;
        let collection = CollectionId(reader.u32()?);
        let key = reader.block()?;
        match tag {
            PUT => Ok(Effect::Put(
                collection,
                NewRow {
                    key,
                    created: Timestamp(reader.i64()?),
                    expires: Timestamp(reader.i64()?),
                    vector: reader.block()?,
                    payload: reader.block()?,
                },
            )),
            DELETE => Ok(Effect::Delete(collection, key)),
            _ => Err(Truncated { offset: start }),
        }
    }
}

/// Reads the effects of a batch in order; ends after the first that cannot be read.
pub(crate) fn effects(batch: &[u8]) -> impl Iterator<Item = Result<Effect<'_>, Truncated>> {
    let mut reader = Reader::new(batch);
    let mut failed = false;
    std::iter::from_fn(move || {
        if failed || reader.is_empty() {
            return None;
        }
        let effect = Effect::decode(&mut reader);
        failed = effect.is_err();
        Some(effect)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn golden() -> Vec<u8> {
        let mut out = Vec::new();
        let row = NewRow {
            key: &[2, b'k'],
            created: Timestamp(1),
            expires: Timestamp::NEVER,
            vector: &[0, 0, 128, 63],
            payload: &[0],
        };
        Effect::Put(CollectionId(3), row).encode_into(&mut out);
        Effect::Delete(CollectionId(4), &[2, b'g']).encode_into(&mut out);
        out
    }

    #[test]
    fn the_logged_form_is_frozen() {
        let expected = [
            &[1, 3, 0, 0, 0, 2, 0, 0, 0, 2, b'k', 1, 0, 0, 0, 0, 0, 0, 0][..],
            &[255, 255, 255, 255, 255, 255, 255, 127, 4, 0, 0, 0, 0, 0, 128, 63, 1, 0, 0, 0, 0],
            &[2, 4, 0, 0, 0, 2, 0, 0, 0, 2, b'g'],
        ]
        .concat();
        assert_eq!(golden(), expected);
    }

    #[test]
    fn effects_return_in_order() {
        let bytes = golden();
        let read: Vec<_> = effects(&bytes).collect::<Result<_, _>>().unwrap();
        assert_eq!(read.iter().map(Effect::collection).collect::<Vec<_>>(), [CollectionId(3), CollectionId(4)]);
        assert_eq!(read[1].key(), [2, b'g']);
        assert!(effects(&bytes[..bytes.len() - 1]).any(|effect| effect.is_err()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = effects(&bytes).count();
        }
    }
}
