//! Logs: what is read of one has an order, is complete, and says the same after being written again.

use super::{Seed, store};
use crate::error::Result;
use crate::ids::{FileId, Lsn, StoreId};
use crate::storage::checksum::crc32;
use crate::storage::fs::{FileSystem, MemoryFs, ReadMode};
use crate::storage::names;
use crate::storage::wal::{AppendError, Group, Replay, Room, WalRef, WalWriter, replay};

/// Logs are as long as a multiple of this.
const STEP_BYTES: usize = 1 << 20;

const PAGE_BYTES: usize = 4096;

/// Where in a group's header things are, and how long it is.
const PAYLOAD_BYTES_AT: usize = 48;
const PREVIOUS_CRC_AT: usize = 52;
const PAYLOAD_CRC_AT: usize = 56;
const GROUP_CRC_AT: usize = 60;
const GROUP_BYTES: usize = 64;

type Batches = Vec<(Lsn, Vec<u8>)>;

/// Reads `data` as a log whose zeros at the end were left out, as it is and with its checksums mended.
pub fn wal(data: &[u8]) {
    check(data);
    if let Some(mended) = mend(data) {
        check(&mended);
    }
}

fn check(data: &[u8]) {
    let Some((log, store)) = known(data) else { return };
    let fs = MemoryFs::new();
    let mut file = data.to_vec();
    file.resize(data.len().max(1).next_multiple_of(STEP_BYTES), 0);
    let written = fs.create_new(&names::wal(log.file)).and_then(|handle| handle.write_at(&file, 0));
    assert!(written.is_ok(), "memory takes what fits");
    let Ok((found, batches)) = read(&fs, log, store) else { return };

    assert_eq!(found.batches, batches.len() as u64, "every batch is shown");
    assert!(batches.is_sorted_by(|(before, _), (after, _)| before < after), "positions ascend");
    assert!(batches.first().is_none_or(|(first, _)| *first >= log.first_lsn), "no batch stands before the log begins");
    assert!(batches.last().is_none_or(|(last, _)| *last == found.last), "the last position is that of the last batch");
    write_again(log, store, &batches);
}

fn write_again(log: WalRef, store: StoreId, batches: &Batches) {
    let fs = MemoryFs::new();
    let written = write(&fs, log, store, batches);
    assert!(written.is_ok(), "what was read can be written: {:?}", written.err());
    let Ok((found, again)) = read(&fs, log, store) else { panic!("what was written can be read") };
    assert_eq!(&again, batches, "a log is read as it was written");
    assert!(found.sealed && found.discarded_bytes == 0, "a log that was sealed is whole: {found:?}");
}

fn write(fs: &dyn FileSystem, log: WalRef, store: StoreId, batches: &Batches) -> Result<u64> {
    let mut writer = WalWriter::create(fs, log, store, None)?;
    for (lsn, batch) in batches {
        append(&mut writer, &[(*lsn, batch)])?;
    }
    writer.seal()?;
    Ok(writer.bytes())
}

fn append(writer: &mut WalWriter, batches: &[(Lsn, &[u8])]) -> Result<()> {
    let mut group = Group::new();
    batches.iter().for_each(|(lsn, batch)| group.push(*lsn, batch));
    writer.append(&group, Room::Ordinary).map_err(|error| match error {
        AppendError::Refused(error) | AppendError::Broken(error) => error,
    })
}

fn read(fs: &dyn FileSystem, log: WalRef, store: StoreId) -> Result<(Replay, Batches)> {
    let mut batches = Vec::new();
    let found = replay(fs, store, &[log], &mut |lsn, batch| {
        batches.push((lsn, batch.to_vec()));
        Ok(())
    })?;
    Ok((found, batches))
}

/// What the manifest would know about the log, had it been written like this.
fn known(data: &[u8]) -> Option<(WalRef, StoreId)> {
    let number = |at: usize| data.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    let store = StoreId(*data.get(24..)?.first_chunk()?);
    Some((WalRef { file: FileId(number(40)?), salt: number(48)?, first_lsn: Lsn(number(56)?) }, store))
}

/// `data` with the checksums of its page and of its groups made right and chained, as far as there are groups, or else
/// nobody would ever see what is behind them.
fn mend(data: &[u8]) -> Option<Vec<u8>> {
    let mut mended = data.to_vec();
    let mut previous = seal(mended.get_mut(..PAGE_BYTES)?);
    let mut at = PAGE_BYTES;
    while let Some(found) = [at, at.next_multiple_of(PAGE_BYTES)].into_iter().find(|at| is_group(&mended, *at)) {
        let length = mended[found + PAYLOAD_BYTES_AT..].first_chunk().map(|length| u32::from_le_bytes(*length))?;
        let end = found.checked_add(GROUP_BYTES)?.checked_add(length as usize)?;
        let payload_crc = mended.get(found + GROUP_BYTES..end).map_or(0, |payload| crc32(&[payload]));
        let header = &mut mended[found..found + GROUP_BYTES];
        header[PREVIOUS_CRC_AT..PAYLOAD_CRC_AT].copy_from_slice(&previous.to_le_bytes());
        header[PAYLOAD_CRC_AT..GROUP_CRC_AT].copy_from_slice(&payload_crc.to_le_bytes());
        previous = seal(header);
        at = end.next_multiple_of(8);
    }
    Some(mended)
}

fn is_group(data: &[u8], at: usize) -> bool {
    data.get(at..).is_some_and(|rest| rest.len() >= GROUP_BYTES && rest.starts_with(b"DLgr"))
}

/// Makes the last four bytes the checksum of those before.
fn seal(bytes: &mut [u8]) -> u32 {
    let crc_at = bytes.len() - 4;
    let crc = crc32(&[&bytes[..crc_at]]);
    bytes[crc_at..].copy_from_slice(&crc.to_le_bytes());
    crc
}

pub(super) fn seeds() -> Vec<Seed> {
    let nothing = seed("nothing", |_| Ok(()));
    let groups = seed("groups", |writer| {
        append(writer, &[(Lsn(5), b"put"), (Lsn(6), b""), (Lsn(9), b"delete")])?;
        append(writer, &[(Lsn(10), &[1; 100])])
    });
    let sealed = seed("synced-and-sealed", |writer| {
        append(writer, &[(Lsn(5), b"first")])?;
        writer.sync()?;
        append(writer, &[(Lsn(6), b"second")])?;
        writer.seal()
    });
    [nothing, groups, sealed].into_iter().flatten().collect()
}

fn seed(name: &'static str, fill: impl FnOnce(&mut WalWriter) -> Result<()>) -> Option<Seed> {
    let fs = MemoryFs::new();
    let log = WalRef { file: FileId(4), salt: 0x5A17, first_lsn: Lsn(5) };
    let mut writer = WalWriter::create(&fs, log, store(), None).ok()?;
    fill(&mut writer).ok()?;
    let bytes = fs.map(&names::wal(log.file), writer.bytes(), ReadMode::Heap).ok()?.to_vec();
    Some(Seed { name, bytes })
}
