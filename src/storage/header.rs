//! What every file but the lock begins with: who wrote it, in which version, for which store.
//!
//! Frozen for all versions: a program of any age can tell a file it must not touch from a damaged one.

use crate::bytes::{Reader, Truncated, Write};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{FileId, StoreId};
use crate::storage::checksum::crc32;

/// The version of all formats this program writes; it reads this one and, from the second on, the one before.
pub(crate) const MAJOR: u16 = 1;
const MINOR: u16 = 0;

/// Bytes of the [`Preamble`].
pub(crate) const PREAMBLE_BYTES: usize = 24;

/// Bytes of the page that logs and containers begin with.
pub(crate) const PAGE_BYTES: usize = 4096;

/// Where in the page the fields of each kind begin, and where its checksum stands.
pub(crate) const FIELDS_AT: usize = 48;
const CRC_AT: usize = PAGE_BYTES - 4;

/// The most bytes a kind may keep in its page.
pub(crate) const MAX_FIELDS_BYTES: usize = CRC_AT - FIELDS_AT;

/// The first eight bytes of a file, after the pattern of PNG: a byte above 127, a name, and line ends, so that a copy
/// that was taken for text and converted on the way is noticed at once.
pub(crate) fn magic(letter: u8) -> [u8; 8] {
    [0x89, b'D', b'L', letter, 0x0D, 0x0A, 0x1A, 0x0A]
}

/// Appends magic, version and flags; this version sets no flags.
pub(crate) fn put_preamble(out: &mut Vec<u8>, letter: u8) {
    out.extend_from_slice(&magic(letter));
    out.put_u16(MAJOR);
    out.put_u16(MINOR);
    // Flags of three kinds. Compatible: who does not know one may ignore it. Read-compatible: who does not know one
    // may read, not write. Incompatible: who does not know one must not read.
    out.put_u32(0);
    out.put_u32(0);
    out.put_u32(0);
}

/// Magic, version and flags of a file, not judged yet: whoever reads them verifies their checksum first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Preamble {
    magic: [u8; 8],
    major: u16,
    minor: u16,
    read_compatible: u32,
    incompatible: u32,
}

impl Preamble {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Preamble, Truncated> {
        let magic = reader.array()?;
        let (major, minor) = (reader.u16()?, reader.u16()?);
        let _compatible = reader.u32()?;
        Ok(Preamble { magic, major, minor, read_compatible: reader.u32()?, incompatible: reader.u32()? })
    }

    pub(crate) fn has_magic(&self, letter: u8) -> bool {
        self.magic == magic(letter)
    }

    /// Whether this program may read the file.
    pub(crate) fn check_readable(&self, place: &str) -> Result<()> {
        if self.major != MAJOR {
            let Preamble { major, minor, .. } = self;
            return Err(version_error(format!(
                "the file has format {major}.{minor}; this program reads format {MAJOR}"
            ))
            .at(place));
        }
        if self.incompatible != 0 {
            return Err(
                version_error(format!("the file uses features unknown here ({:#x})", self.incompatible)).at(place)
            );
        }
        Ok(())
    }

    /// Whether this program may write to a store with this manifest.
    pub(crate) fn check_writable(&self, place: &str) -> Result<()> {
        if self.read_compatible != 0 {
            let flags = self.read_compatible;
            return Err(
                version_error(format!("the store uses features this program must not write ({flags:#x})")).at(place)
            );
        }
        Ok(())
    }
}

fn version_error(message: String) -> Error {
    Error::new(ErrorKind::Version, message).mend("open the store with the program that wrote it, or with a newer one")
}

/// The store and the number that a whole page of that kind carries, for whoever has no manifest to ask.
pub(crate) fn identity(page: &[u8], letter: u8) -> Option<(StoreId, FileId)> {
    let mut reader = Reader::new(page);
    let preamble = Preamble::read(&mut reader).ok().filter(|preamble| preamble.has_magic(letter))?;
    preamble.check_readable("").ok()?;
    let found = (StoreId(reader.array().ok()?), FileId(reader.u64().ok()?));
    is_whole(page).then_some(found)
}

/// The page that a log or container begins with; `fields` are those of its kind.
pub(crate) fn encode_page(letter: u8, store: StoreId, file: FileId, fields: &[u8]) -> Vec<u8> {
    assert!(fields.len() <= MAX_FIELDS_BYTES, "{} bytes of header fields", fields.len());
    let mut page = Vec::with_capacity(PAGE_BYTES);
    put_preamble(&mut page, letter);
    page.extend_from_slice(&store.0);
    page.put_u64(file.0);
    page.extend_from_slice(fields);
    page.resize(CRC_AT, 0);
    page.put_u32(crc32(&[&page]));
    page
}

/// The fields of the file's kind, once everything before them is as expected; `page` is the start of the file `name`.
pub(crate) fn decode_page<'a>(
    page: &'a [u8],
    letter: u8,
    store: StoreId,
    file: FileId,
    name: &str,
) -> Result<&'a [u8]> {
    let damaged = |what: &str| Error::corrupt(what, format!("{name} at 0"));
    let mut reader = Reader::new(page);
    let read = |reader: &mut Reader<'a>| {
        let preamble = Preamble::read(reader)?;
        let (found_store, found_file) = (StoreId(reader.array()?), FileId(reader.u64()?));
        let fields = reader.take(MAX_FIELDS_BYTES)?;
        Ok((preamble, found_store, found_file, fields, reader.u32()?))
    };
    let (preamble, found_store, found_file, fields, crc) =
        read(&mut reader).map_err(|_: Truncated| damaged("the file is shorter than its header"))?;
    if !preamble.has_magic(letter) {
        return Err(damaged("the file does not begin as a file of its kind"));
    }
    if crc32(&[&page[..CRC_AT]]) != crc {
        return Err(damaged("the header's checksum does not match"));
    }
    preamble.check_readable(name)?;
    if found_store != store {
        return Err(damaged("the file belongs to another store"));
    }
    if found_file != file {
        return Err(damaged(&format!("the file carries the number {} of another file", found_file.0)));
    }
    Ok(fields)
}

/// Whether a page is what was written, whoever wrote it.
pub(crate) fn is_whole(page: &[u8]) -> bool {
    page.len() == PAGE_BYTES && page_crc(page) == Some(crc32(&[&page[..CRC_AT]]))
}

/// The checksum that ends an encoded page.
pub(crate) fn page_crc(page: &[u8]) -> Option<u32> {
    Reader::new(page.get(CRC_AT..)?).u32().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STORE: StoreId = StoreId([7; 16]);

    fn decode(page: &[u8]) -> Result<&[u8]> {
        decode_page(page, b'S', STORE, FileId(3), "seg-3")
    }

    #[test]
    fn the_layout_never_changes() {
        let page = encode_page(b'S', STORE, FileId(0x0102), b"fields");
        assert_eq!(page.len(), PAGE_BYTES);
        let mut expected = vec![0x89, b'D', b'L', b'S', 0x0D, 0x0A, 0x1A, 0x0A, 1, 0, 0, 0];
        expected.extend([0; 12]);
        expected.extend([7; 16]);
        expected.extend([2, 1, 0, 0, 0, 0, 0, 0]);
        expected.extend(b"fields");
        assert_eq!(&page[..expected.len()], expected);
        assert_eq!(page_crc(&page), Some(0x7FCA_0171));
    }

    #[test]
    fn every_flip_is_found() {
        let page = encode_page(b'S', STORE, FileId(3), b"fields");
        assert_eq!(&decode(&page).unwrap()[..6], b"fields");
        for at in 0..page.len() {
            for flip in [1, 0xFF] {
                let mut damaged = page.clone();
                damaged[at] ^= flip;
                assert_eq!(decode(&damaged).unwrap_err().kind(), ErrorKind::Corrupt, "byte {at}");
            }
        }
    }

    #[test]
    fn files_of_others_are_refused_and_said_so() {
        let said = |page: &[u8]| decode(page).unwrap_err().to_string();
        assert!(said(&encode_page(b'B', STORE, FileId(3), b"")).contains("kind"));
        assert!(said(&encode_page(b'S', StoreId([8; 16]), FileId(3), b"")).contains("another store"));
        assert!(said(&encode_page(b'S', STORE, FileId(4), b"")).contains("number 4"));
        assert!(said(b"").contains("shorter"));
    }

    /// A page as another version would write it.
    fn page_with(at: usize, value: u8) -> Vec<u8> {
        let mut page = encode_page(b'S', STORE, FileId(3), b"");
        page[at] = value;
        let crc = crc32(&[&page[..CRC_AT]]);
        page[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        page
    }

    #[test]
    fn versions_and_flags_decide_who_may_read() {
        assert_eq!(decode(&page_with(8, 2)).unwrap_err().kind(), ErrorKind::Version, "major");
        assert_eq!(decode(&page_with(20, 1)).unwrap_err().kind(), ErrorKind::Version, "incompatible");
        for harmless in [10, 12, 16] {
            assert!(decode(&page_with(harmless, 1)).is_ok(), "byte {harmless}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_page_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..5000)) {
            prop_assert!(decode(&bytes).is_err());
        }
    }
}
