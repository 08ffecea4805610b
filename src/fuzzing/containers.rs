//! Containers: what verifies can be read, wherever it is read, and says the same after being written again.

use std::sync::Arc;

use super::{Seed, store};
use crate::error::Result;
use crate::ids::{FileId, StoreId};
use crate::pool::Pool;
use crate::storage::checksum::crc32;
use crate::storage::fs::{FileSystem, MemoryFs, ReadMode};
use crate::storage::sections::{Container, FileKind, FileRef, SectionId, Writer};

/// Files of ours number their sections from 0 and have fewer than this.
const SECTIONS: u16 = 64;

const PAGE_BYTES: usize = 4096;
const FOOTER_BYTES: usize = 64;

/// Reads `data` as a container file of the kind it says it is, as it is and with the checksums mended that stand
/// between a reader and the table of contents.
pub fn segment(data: &[u8]) {
    check(data);
    if let Some(mended) = mend(data) {
        check(&mended);
    }
}

/// What the manifest would know about the file, had it been written like this.
struct Known {
    kind: FileKind,
    store: StoreId,
    file: FileRef,
}

impl Known {
    fn of(data: &[u8]) -> Option<Known> {
        let kind = match data.get(3)? {
            b'D' => FileKind::Deletions,
            b'B' => FileKind::Blob,
            _ => FileKind::Segment,
        };
        let store = StoreId(*data.get(24..)?.first_chunk()?);
        let id = FileId(u64::from_le_bytes(*data.get(40..)?.first_chunk()?));
        let footer_crc = u32::from_le_bytes(*data.last_chunk()?);
        Some(Known { kind, store, file: FileRef { id, length: data.len() as u64, footer_crc } })
    }

    fn open(&self, fs: &Arc<dyn FileSystem>) -> Result<Arc<Container>> {
        Container::open(fs, "container", self.kind, self.store, &self.file, ReadMode::Heap)
    }
}

fn check(data: &[u8]) {
    let Some(known) = Known::of(data) else { return };
    let fs = directory_with(data);
    let Ok(container) = known.open(&fs) else { return };

    let mut contents = Vec::new();
    for id in (0..SECTIONS).map(SectionId) {
        let Some(section) = container.find(id) else { continue };
        let length = section.len();
        assert!(length <= data.len(), "a section lies inside its file");
        assert!(section.bytes(0..length + 1).is_err(), "nothing is read past the end of a section");
        let _ = section.values::<u64>();
        let _ = section.value::<u32>(length / 4);
        let parts = [section.bytes(0..length / 2), section.bytes(length / 2..length)];
        let parts: Result<Vec<&[u8]>> = parts.into_iter().collect();
        let whole = section.all();
        assert_eq!(whole.as_deref().ok(), parts.map(|parts| parts.concat()).ok().as_deref(), "a section is its parts");
        contents.push((id, whole.map(<[u8]>::to_vec)));
    }
    if container.verify(&Pool::inline()).is_ok() {
        let contents: Result<Vec<_>> = contents.into_iter().map(|(id, bytes)| Ok((id, bytes?))).collect();
        let Ok(contents) = contents else { panic!("what verifies can be read") };
        write_again(&known, container.meta(), &contents);
    }
}

fn write_again(known: &Known, meta: &[u8], contents: &[(SectionId, Vec<u8>)]) {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFs::new());
    let Ok(file) = write(&fs, known, meta, contents) else { panic!("what was read can be written") };
    let Ok(again) = (Known { file, ..*known }).open(&fs) else { panic!("what was written can be opened") };
    assert_eq!(again.meta(), meta);
    for (id, bytes) in contents {
        let read = again.section(*id).and_then(|section| section.all().map(<[u8]>::to_vec));
        assert_eq!(read.as_ref().ok(), Some(bytes), "section {} is read as it was written", id.0);
    }
}

fn write(fs: &Arc<dyn FileSystem>, known: &Known, meta: &[u8], contents: &[(SectionId, Vec<u8>)]) -> Result<FileRef> {
    let mut writer = Writer::create(fs, "container", known.kind, known.store, known.file.id)?;
    for (id, bytes) in contents {
        writer.section(*id)?;
        writer.write(bytes)?;
    }
    writer.finish(meta)
}

fn directory_with(data: &[u8]) -> Arc<dyn FileSystem> {
    let fs = MemoryFs::new();
    let written = fs.create_new("container").and_then(|file| file.write_at(data, 0));
    assert!(written.is_ok(), "memory takes what fits");
    Arc::new(fs)
}

/// `data` with the checksums of header, index and footer made right, or else nobody would ever see what is behind
/// them. Those of the sections stay as they are.
fn mend(data: &[u8]) -> Option<Vec<u8>> {
    let footer_at = data.len().checked_sub(FOOTER_BYTES).filter(|at| *at >= PAGE_BYTES)?;
    let mut mended = data.to_vec();
    let header_crc = seal(&mut mended[..PAGE_BYTES]);
    let footer = mended.get(footer_at..)?;
    let index_at = usize::try_from(u64::from_le_bytes(*footer.first_chunk()?)).ok()?;
    let index_crc = crc32(&[mended.get(index_at..footer_at)?]);
    let footer = &mut mended[footer_at..];
    footer[20..24].copy_from_slice(&index_crc.to_le_bytes());
    footer[24..28].copy_from_slice(&header_crc.to_le_bytes());
    footer[32..40].copy_from_slice(&(data.len() as u64).to_le_bytes());
    seal(footer);
    Some(mended)
}

/// Makes the last four bytes the checksum of those before.
fn seal(bytes: &mut [u8]) -> u32 {
    let crc_at = bytes.len() - 4;
    let crc = crc32(&[&bytes[..crc_at]]);
    bytes[crc_at..].copy_from_slice(&crc.to_le_bytes());
    crc
}

pub(super) fn seeds() -> Vec<Seed> {
    let section = |id, bytes: &[u8]| (SectionId(id), bytes.to_vec());
    let rows = [section(1, &[3; 400]), section(2, b"odd"), section(7, &[]), section(3, &[0; 64])];
    let nothing = seed("nothing", FileKind::Blob, b"", &[]);
    let one = seed("one-section", FileKind::Deletions, b"meta", &rows[..1]);
    let several = seed("sections", FileKind::Segment, &[5; 100], &rows);
    [nothing, one, several].into_iter().flatten().collect()
}

fn seed(name: &'static str, kind: FileKind, meta: &[u8], contents: &[(SectionId, Vec<u8>)]) -> Option<Seed> {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFs::new());
    let file = FileRef { id: FileId(3), length: 0, footer_crc: 0 };
    let file = write(&fs, &Known { kind, store: store(), file }, meta, contents).ok()?;
    let bytes = fs.map("container", file.length, ReadMode::Heap).ok()?.to_vec();
    Some(Seed { name, bytes })
}
