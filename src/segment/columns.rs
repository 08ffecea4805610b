//! The sections of a segment file and the numbers in its header.

use crate::bytes::{Reader, Write};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{Lsn, MAX_NUMBER, RowId};
use crate::storage::sections::SectionId;

/// Sections of a segment file (frozen).
pub(crate) mod section {
    use super::SectionId;

    /// u64 × (rows + 1): where each key begins in `KEY_BYTES`.
    pub(crate) const KEY_OFFSETS: SectionId = SectionId(1);
    /// Stored forms of the keys, in row order.
    pub(crate) const KEY_BYTES: SectionId = SectionId(2);
    /// u32 × rows: the rows in key order.
    pub(crate) const KEY_ORDER: SectionId = SectionId(3);
    /// u32 × n: the Bloom filter of the keys.
    pub(crate) const BLOOM: SectionId = SectionId(4);
    /// u64 × rows: the LSN that wrote each row.
    pub(crate) const LSNS: SectionId = SectionId(5);
    /// i64 × rows: when each row was created.
    pub(crate) const CREATED: SectionId = SectionId(6);
    /// i64 × rows: when each row expires; absent when none does.
    pub(crate) const EXPIRES: SectionId = SectionId(7);
    /// f32 × dimension × rows, or packed bits; absent without vectors.
    pub(crate) const VECTORS: SectionId = SectionId(8);
    /// f32 × rows: 1 over the magnitude of each vector; under cosine only.
    pub(crate) const INVERSE_NORMS: SectionId = SectionId(9);
    /// u64 × (rows + 1): where each payload begins in `PAYLOAD_BYTES`.
    pub(crate) const PAYLOAD_OFFSETS: SectionId = SectionId(10);
    /// Stored forms of the payloads, in row order.
    pub(crate) const PAYLOAD_BYTES: SectionId = SectionId(11);
    /// 36 bytes each: u32 row, 32 bytes SHA-256; the blobs that rows name. Absent when none does.
    pub(crate) const BLOBS: SectionId = SectionId(12);
    /// i8 × stride × rows: the vectors in fewer bits; absent where they get none.
    pub(crate) const CODES: SectionId = SectionId(13);
    /// f32 × rows, three times: scales, lengths and errors of the codes.
    pub(crate) const CODE_FACTORS: SectionId = SectionId(14);
    /// Which fields have an index, and where; absent when none has.
    pub(crate) const FIELD_DIRECTORY: SectionId = SectionId(20);
    /// The field indexes, one behind the other; absent when there are none.
    pub(crate) const FIELD_INDEXES: SectionId = SectionId(21);
    /// In a deletions file: one bit a row.
    pub(crate) const DELETED: SectionId = SectionId(1);
    /// In a blob file: the content.
    pub(crate) const CONTENT: SectionId = SectionId(1);
}

/// What the header of a segment file says of its rows (frozen layout, 48 bytes).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentMeta {
    pub(crate) rows: u32,
    /// Bytes of one stored vector; 0 without vectors.
    pub(crate) vector_bytes: u32,
    pub(crate) first_lsn: Lsn,
    pub(crate) last_lsn: Lsn,
    pub(crate) first_created: Timestamp,
    pub(crate) last_created: Timestamp,
    /// The latest expiry of any row; [`Timestamp::NEVER`] when one row never expires.
    pub(crate) last_expires: Timestamp,
}

impl SegmentMeta {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(48);
        out.put_u32(self.rows);
        out.put_u32(self.vector_bytes);
        out.put_u64(self.first_lsn.0);
        out.put_u64(self.last_lsn.0);
        out.put_i64(self.first_created.0);
        out.put_i64(self.last_created.0);
        out.put_i64(self.last_expires.0);
        out
    }

    pub(crate) fn decode(bytes: &[u8], place: &str) -> Result<SegmentMeta> {
        let mut reader = Reader::new(bytes);
        let meta = (|| {
            Ok(SegmentMeta {
                rows: reader.u32()?,
                vector_bytes: reader.u32()?,
                first_lsn: Lsn(reader.u64()?),
                last_lsn: Lsn(reader.u64()?),
                first_created: Timestamp(reader.i64()?),
                last_created: Timestamp(reader.i64()?),
                last_expires: Timestamp(reader.i64()?),
            })
        })();
        let meta =
            meta.map_err(|_: crate::bytes::Truncated| Error::corrupt("the segment header is too short", place))?;
        if !reader.is_empty() {
            return Err(Error::corrupt("the segment header is too long", place));
        }
        if meta.first_lsn.max(meta.last_lsn).0 >= MAX_NUMBER {
            return Err(Error::corrupt("the segment header speaks of a position no store gets to", place));
        }
        Ok(meta)
    }
}

/// One entry of the `BLOBS` section.
pub(crate) const BLOB_ENTRY_BYTES: usize = 36;

/// Reads the `BLOBS` section: which row names which blob.
pub(crate) fn blob_entries(bytes: &[u8]) -> impl Iterator<Item = (RowId, [u8; 32])> + '_ {
    bytes.as_chunks::<BLOB_ENTRY_BYTES>().0.iter().map(|entry| {
        let mut digest = [0; 32];
        digest.copy_from_slice(&entry[4..]);
        (RowId(u32::from_le_bytes([entry[0], entry[1], entry[2], entry[3]])), digest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_returns_and_refuses_other_lengths() {
        let meta = SegmentMeta {
            rows: 7,
            vector_bytes: 16,
            first_lsn: Lsn(1),
            last_lsn: Lsn(9),
            first_created: Timestamp(-5),
            last_created: Timestamp(5),
            last_expires: Timestamp::NEVER,
        };
        let bytes = meta.encode();
        assert_eq!(bytes.len(), 48);
        assert_eq!(SegmentMeta::decode(&bytes, "seg-1").unwrap(), meta);
        assert!(SegmentMeta::decode(&bytes[1..], "seg-1").is_err());
        assert!(SegmentMeta::decode(&[&bytes[..], &[0]].concat(), "seg-1").is_err());
        for lsn in [Lsn(MAX_NUMBER), Lsn(u64::MAX)] {
            assert!(SegmentMeta::decode(&SegmentMeta { last_lsn: lsn, ..meta }.encode(), "seg-1").is_err());
            assert!(SegmentMeta::decode(&SegmentMeta { first_lsn: lsn, ..meta }.encode(), "seg-1").is_err());
        }
    }
}
