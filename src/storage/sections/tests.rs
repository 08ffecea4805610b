use std::sync::Arc;

use proptest::prelude::*;

use super::format::{CHUNK_BYTES, MAX_SECTIONS};
use super::{Container, FileKind, FileRef, MAX_META_BYTES, SectionId, Writer};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{FileId, StoreId};
use crate::pool::Pool;
use crate::storage::fs::{Fault, FileSystem, Lasting, MemoryFs, ReadMode, SimulatedFs};

const STORE: StoreId = StoreId([3; 16]);
const NAME: &str = "seg-7";
const KIND: FileKind = FileKind::Segment;

fn memory() -> Arc<dyn FileSystem> {
    Arc::new(MemoryFs::new())
}

fn write(fs: &Arc<dyn FileSystem>, sections: &[(u16, &[u8])], meta: &[u8]) -> FileRef {
    let mut writer = Writer::create(fs, NAME, KIND, STORE, FileId(7)).unwrap();
    for (id, bytes) in sections {
        writer.section(SectionId(*id)).unwrap();
        bytes.chunks(50_000).for_each(|piece| writer.write(piece).unwrap());
    }
    writer.finish(meta).unwrap()
}

fn open(fs: &Arc<dyn FileSystem>, expected: &FileRef) -> Result<Arc<Container>> {
    Container::open(fs, NAME, KIND, STORE, expected, ReadMode::Heap)
}

fn read(fs: &Arc<dyn FileSystem>) -> Vec<u8> {
    let length = fs.open(NAME).unwrap().length().unwrap();
    fs.map(NAME, length, ReadMode::Heap).unwrap().to_vec()
}

fn with_file(bytes: &[u8]) -> Arc<dyn FileSystem> {
    let fs = memory();
    fs.create_new(NAME).unwrap().write_at(bytes, 0).unwrap();
    fs
}

/// Everything a reader can see of the file `bytes`.
fn see(bytes: &[u8], expected: &FileRef) -> Result<(Vec<u8>, Vec<Vec<u8>>)> {
    let container = open(&with_file(bytes), expected)?;
    let sections = (0..4).filter_map(|id| container.find(SectionId(id)));
    let sections = sections.map(|section| Ok(section.all()?.to_vec())).collect::<Result<_>>()?;
    Ok((container.meta().to_vec(), sections))
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| ((i * 31) >> 3) as u8).collect()
}

#[test]
fn the_layout_never_changes() {
    let fs = memory();
    let file = write(&fs, &[(2, b"abc"), (1, b""), (9, &[5; 65])], b"meta");
    let bytes = read(&fs);
    assert_eq!(&bytes[48..68], b"\x01\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0meta");
    assert_eq!(&bytes[4096..4100], b"abc\0");
    assert_eq!(&bytes[4160..4226], [[5; 65].as_slice(), &[0]].concat());
    #[rustfmt::skip]
    let index: &[&[u8]] = &[
        &0x3524_41C2_u32.to_le_bytes(), &SECTION_9_CRC.to_le_bytes(),
        &[2, 0, 0, 0, 0, 0, 0, 0, 0x00, 0x10, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0xC0, 0x10, 0, 0, 0, 0, 0, 0],
        &[1, 0, 0, 0, 0, 0, 0, 0, 0x40, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xC4, 0x10, 0, 0, 0, 0, 0, 0],
        &[9, 0, 0, 0, 0, 0, 0, 0, 0x40, 0x10, 0, 0, 0, 0, 0, 0, 65, 0, 0, 0, 0, 0, 0, 0, 0xC4, 0x10, 0, 0, 0, 0, 0, 0],
        &[0; 24],
    ];
    assert_eq!(&bytes[0x10C0..0x1140], index.concat());
    #[rustfmt::skip]
    let footer: &[&[u8]] = &[
        &[0xC0, 0x10, 0, 0, 0, 0, 0, 0], &[0xC8, 0x10, 0, 0, 0, 0, 0, 0], &[96, 0, 0, 0],
        &INDEX_CRC.to_le_bytes(), &HEADER_CRC.to_le_bytes(), &[0; 4],
        &[0x80, 0x11, 0, 0, 0, 0, 0, 0], &[7, 0, 0, 0, 0, 0, 0, 0],
        &[0x89, b'D', b'L', b'S', 0x0D, 0x0A, 0x1A, 0x0A], &[0; 4], &FOOTER_CRC.to_le_bytes(),
    ];
    assert_eq!(&bytes[0x1140..], footer.concat());
    assert_eq!(&bytes[4092..4096], HEADER_CRC.to_le_bytes());
    assert_eq!(file, FileRef { id: FileId(7), length: 0x1180, footer_crc: FOOTER_CRC });
}

const SECTION_9_CRC: u32 = 0xAF2C_CD76;
const INDEX_CRC: u32 = 0x4B5C_F17E;
const HEADER_CRC: u32 = 0x23F3_BB23;
const FOOTER_CRC: u32 = 0x9F34_058E;

#[test]
fn sections_are_read_back_as_bytes_arrays_and_values() {
    let fs = memory();
    let large = pattern(3 * CHUNK_BYTES + 4);
    let file = write(&fs, &[(0, &large), (1, b""), (2, b"12345")], b"");
    let container = open(&fs, &file).unwrap();
    let section = container.section(SectionId(0)).unwrap();
    assert_eq!(section.len(), large.len());
    assert_eq!(section.bytes(CHUNK_BYTES - 1..CHUNK_BYTES + 1).unwrap(), &large[CHUNK_BYTES - 1..CHUNK_BYTES + 1]);
    let numbers = section.values::<u32>().unwrap();
    assert_eq!(numbers[40_000], section.value::<u32>(40_000).unwrap());
    assert_eq!(section.values::<u64>().unwrap_err().kind(), ErrorKind::Corrupt, "the length does not divide");
    for index in [numbers.len(), usize::MAX / 4, usize::MAX] {
        assert_eq!(section.value::<u32>(index).unwrap_err().kind(), ErrorKind::Corrupt);
    }
    #[expect(clippy::reversed_empty_ranges, reason = "it is what must be refused")]
    for range in [0..large.len() + 1, 5..4, usize::MAX..usize::MAX] {
        assert_eq!(section.bytes(range).unwrap_err().kind(), ErrorKind::Corrupt);
    }
    let empty = container.section(SectionId(1)).unwrap();
    assert!(empty.all().unwrap().is_empty() && empty.values::<f32>().unwrap().is_empty());
    assert_eq!(container.section(SectionId(3)).unwrap_err().kind(), ErrorKind::Corrupt);
    for pool in [Pool::inline(), Pool::new(2).unwrap()] {
        section.verify(&pool).unwrap();
        container.verify(&pool).unwrap();
    }
}

#[test]
fn damage_costs_only_its_own_chunk_and_is_named() {
    let fs = memory();
    let file = write(&fs, &[(0, &pattern(40 * CHUNK_BYTES))], b"");
    let mut bytes = read(&fs);
    bytes[4096 + 33 * CHUNK_BYTES + 5] ^= 0x10;
    let container = open(&with_file(&bytes), &file).unwrap();
    let section = container.section(SectionId(0)).unwrap();
    section.bytes(0..33 * CHUNK_BYTES).unwrap();
    section.bytes(34 * CHUNK_BYTES..40 * CHUNK_BYTES).unwrap();
    let place = format!("seg-7 at {}..{}", 4096 + 33 * CHUNK_BYTES, 4096 + 34 * CHUNK_BYTES);
    let place_of = |error: Error| error.place().unwrap().to_owned();
    let first = 33 * CHUNK_BYTES;
    assert_eq!(place_of(section.bytes(first..first + 1).unwrap_err()), place);
    assert_eq!(place_of(section.bytes(first..first + 1).unwrap_err()), place, "and again");
    for pool in [Pool::inline(), Pool::new(2).unwrap()] {
        assert_eq!(place_of(section.verify(&pool).unwrap_err()), place);
        assert_eq!(place_of(container.verify(&pool).unwrap_err()), place);
    }
}

#[test]
fn every_flip_is_an_error_or_harmless_and_verify_finds_them_all() {
    let fs = memory();
    let file = write(&fs, &[(0, b"some"), (3, &pattern(200)), (1, b"")], b"meta");
    let bytes = read(&fs);
    let whole = see(&bytes, &file).unwrap();
    for at in 0..bytes.len() {
        for flip in [1, 0xFF, bytes[at]].into_iter().filter(|flip| *flip != 0) {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            match see(&damaged, &file) {
                Ok(seen) => assert!(seen == whole, "byte {at}"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "byte {at}"),
            }
            let verified = open(&with_file(&damaged), &file).and_then(|open| open.verify(&Pool::inline()));
            assert_eq!(verified.unwrap_err().kind(), ErrorKind::Corrupt, "byte {at}");
        }
    }
}

#[test]
fn every_other_length_is_an_error() {
    let fs = memory();
    let file = write(&fs, &[(0, b"some")], b"");
    let mut bytes = read(&fs);
    for length in 0..bytes.len() {
        assert_eq!(see(&bytes[..length], &file).unwrap_err().kind(), ErrorKind::Corrupt);
        // Nor does a manifest that believes the length help.
        let believed = FileRef { length: length as u64, ..file };
        assert_eq!(see(&bytes[..length], &believed).unwrap_err().kind(), ErrorKind::Corrupt);
    }
    bytes.push(0);
    assert_eq!(see(&bytes, &file).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn only_the_file_the_manifest_means_opens() {
    let fs = memory();
    let file = write(&fs, &[(0, b"some")], b"");
    let other = write(&memory(), &[(0, b"same")], b"");
    assert_eq!(other.length, file.length);
    let corrupt = |result: Result<Arc<Container>>| assert_eq!(result.unwrap_err().kind(), ErrorKind::Corrupt);
    corrupt(open(&fs, &other));
    corrupt(open(&fs, &FileRef { id: FileId(8), ..file }));
    corrupt(Container::open(&fs, NAME, FileKind::Blob, STORE, &file, ReadMode::Heap));
    corrupt(Container::open(&fs, NAME, KIND, StoreId([4; 16]), &file, ReadMode::Heap));
    corrupt(open(&memory(), &file));
}

#[test]
fn a_header_of_another_edition_is_found() {
    let fs = memory();
    let file = write(&fs, &[(0, b"some")], b"first");
    let other = memory();
    write(&other, &[(0, b"some")], b"second");
    let mixed = [&read(&other)[..4096], &read(&fs)[4096..]].concat();
    assert_eq!(see(&mixed, &file).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn a_footer_that_lies_is_refused() {
    let fs = memory();
    write(&fs, &[(0, b"some")], b"");
    let bytes = read(&fs);
    assert!(see(&bytes, &vouched(bytes.clone()).1).is_ok());
    // Where the index and the table are, its length, the header's checksum, the file's length, its number, its magic.
    for field in [0, 8, 16, 24, 32, 40, 48] {
        let mut lying = bytes.clone();
        let at = lying.len() - 64 + field;
        lying[at] ^= 0x40;
        let (lying, file) = vouched(lying);
        assert_eq!(see(&lying, &file).unwrap_err().kind(), ErrorKind::Corrupt, "byte {field}");
    }
}

#[test]
fn a_writer_given_up_leaves_nothing() {
    let fs = memory();
    let mut writer = Writer::create(&fs, NAME, KIND, STORE, FileId(7)).unwrap();
    writer.section(SectionId(0)).unwrap();
    writer.write(&pattern(3 << 20)).unwrap();
    drop(writer);
    assert!(fs.list().unwrap().is_empty());
}

#[test]
fn a_full_disk_leaves_nothing() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFs::with_capacity_bytes(1 << 20));
    let mut writer = Writer::create(&fs, NAME, KIND, STORE, FileId(7)).unwrap();
    writer.section(SectionId(0)).unwrap();
    assert_eq!(writer.write(&pattern(2 << 20)).unwrap_err().kind(), ErrorKind::DiskFull);
    assert!(fs.list().unwrap().is_empty());
    assert_eq!(writer.finish(b"").unwrap_err().kind(), ErrorKind::Internal);
}

/// Writes a file of several buffers while `plan` strikes.
fn write_under(plan: impl FnOnce(&SimulatedFs)) -> (SimulatedFs, Result<FileRef>) {
    let simulated = SimulatedFs::new(1);
    plan(&simulated);
    let fs: Arc<dyn FileSystem> = Arc::new(simulated.clone());
    let written = Writer::create(&fs, NAME, KIND, STORE, FileId(7)).and_then(|mut writer| {
        writer.section(SectionId(0))?;
        writer.write(&pattern(2_500_000))?;
        writer.finish(b"meta")
    });
    (simulated, written)
}

#[test]
fn a_finished_file_survives_losing_all_that_was_not_synced() {
    let (simulated, file) = write_under(|_| {});
    simulated.sync_dir().unwrap();
    let fs: Arc<dyn FileSystem> = Arc::new(simulated.reboot_losing_all());
    open(&fs, &file.unwrap()).unwrap().verify(&Pool::inline()).unwrap();
}

#[test]
fn any_failing_call_is_an_error_and_leaves_nothing() {
    let calls = write_under(|_| {}).0.calls();
    assert!(calls >= 6, "{calls}");
    for at_call in 0..calls {
        let error = std::io::ErrorKind::Other;
        let fail = Fault::Fail { at_call, error, lasting: Lasting::Once };
        for fault in [fail, Fault::ShortWrite { at_call }, Fault::SyncFails { at_call }] {
            let (fs, written) = write_under(|fs| fs.inject(fault));
            match written {
                Ok(_) => assert_ne!(fault, fail, "{at_call}"),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Io);
                    assert!(fs.list().unwrap().is_empty(), "{at_call}");
                }
            }
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_is_not_called_damaged() {
    let (simulated, file) = write_under(|_| {});
    simulated.inject(Fault::ReadFails { at_read: simulated.reads() });
    let fs: Arc<dyn FileSystem> = Arc::new(simulated);
    assert_eq!(open(&fs, &file.unwrap()).unwrap_err().kind(), ErrorKind::Io);
}

#[test]
fn a_file_that_exists_is_not_touched() {
    let fs = memory();
    write(&fs, &[(0, b"kept")], b"");
    let before = read(&fs);
    assert!(Writer::create(&fs, NAME, KIND, STORE, FileId(7)).is_err());
    assert_eq!(read(&fs), before);
}

#[test]
fn misuse_is_refused() {
    let fs = memory();
    let mut writer = Writer::create(&fs, NAME, KIND, STORE, FileId(7)).unwrap();
    assert_eq!(writer.write(b"homeless").unwrap_err().kind(), ErrorKind::Internal);
    for id in 0..MAX_SECTIONS as u16 {
        writer.section(SectionId(id)).unwrap();
    }
    assert_eq!(writer.section(SectionId(5)).unwrap_err().kind(), ErrorKind::Internal);
    assert_eq!(writer.section(SectionId(9999)).unwrap_err().kind(), ErrorKind::Internal);
    assert_eq!(writer.finish(&[0; MAX_META_BYTES + 1]).unwrap_err().kind(), ErrorKind::Internal);
    assert!(fs.list().unwrap().is_empty());
}

#[test]
fn a_container_may_be_empty() {
    let fs = memory();
    let file = write(&fs, &[], &[1; MAX_META_BYTES]);
    let container = open(&fs, &file).unwrap();
    assert_eq!(container.meta(), [1; MAX_META_BYTES]);
    container.verify(&Pool::inline()).unwrap();
}

#[test]
fn many_readers_may_touch_one_chunk_at_once() {
    let fs = memory();
    let data = pattern(5 * CHUNK_BYTES);
    let file = write(&fs, &[(0, &data)], b"");
    let section = open(&fs, &file).unwrap().section(SectionId(0)).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for at in (0..data.len()).step_by(1000) {
                    assert_eq!(section.bytes(at..at + 1).unwrap(), &data[at..at + 1]);
                }
            });
        }
    });
    assert_eq!(section.all().unwrap(), data);
}

/// `bytes` with the checksums of footer and index made to fit, and the reference that vouches for them.
fn vouched(mut bytes: Vec<u8>) -> (Vec<u8>, FileRef) {
    let crc = |bytes: &[u8]| crate::storage::checksum::crc32(&[bytes]).to_le_bytes();
    let end = bytes.len();
    let at = |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let index_at = at(&bytes, end - 64) as usize;
    if index_at <= end - 64 {
        let index = crc(&bytes[index_at..end - 64]);
        bytes[end - 44..end - 40].copy_from_slice(&index);
    }
    let footer = crc(&bytes[end - 64..end - 4]);
    bytes[end - 4..].copy_from_slice(&footer);
    (bytes, FileRef { id: FileId(7), length: end as u64, footer_crc: u32::from_le_bytes(footer) })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(lengths in prop::collection::vec(0usize..200_000, 0..4), meta in any::<Vec<u8>>()) {
        let data: Vec<Vec<u8>> = lengths.iter().map(|length| pattern(*length)).collect();
        let sections: Vec<(u16, &[u8])> = data.iter().enumerate().map(|(id, bytes)| (id as u16, &bytes[..])).collect();
        let fs = memory();
        let file = write(&fs, &sections, &meta);
        prop_assert_eq!(see(&read(&fs), &file).unwrap(), (meta, data));
        open(&fs, &file).unwrap().verify(&Pool::inline()).unwrap();
    }

    /// Even when every checksum fits, a table that lies leads to an error, never to a panic.
    #[test]
    fn a_table_that_lies_is_refused(edits in prop::collection::vec((0usize..256, any::<u8>()), 1..6)) {
        let fs = memory();
        write(&fs, &[(0, b"some"), (3, &pattern(200)), (1, b"")], b"meta");
        let original = read(&fs);
        let mut bytes = original.clone();
        let tail = bytes.len() - 256;
        for (at, value) in edits {
            bytes[tail + at] = value;
        }
        let (bytes, file) = vouched(bytes);
        if let Ok((meta, _)) = see(&bytes, &file) {
            prop_assert_eq!(meta, b"meta");
        }
    }

    #[test]
    fn any_bytes_are_an_error(bytes in prop::collection::vec(any::<u8>(), 0..5000)) {
        let file = FileRef { id: FileId(7), length: bytes.len() as u64, footer_crc: 0 };
        prop_assert!(see(&bytes, &file).is_err());
    }
}
