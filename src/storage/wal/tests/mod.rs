//! What is appended is replayed, and what never landed is told.

mod faults;
mod hostile;

use crate::error::{Error, ErrorKind, Result};
use crate::ids::{FileId, Lsn, StoreId};
use crate::storage::fs::{FileSystem, MemoryFs, ReadMode};
use crate::storage::wal::format::{BATCH_HEADER_BYTES, BLOCK_BYTES, GROUP_HEADER_BYTES};
use crate::storage::wal::writer::LARGE_STEP_BYTES;
use crate::storage::wal::{
    AppendError, Group, MAX_GROUP_BYTES, Replay, Room, STEP_BYTES, Tail, WalRef, WalWriter, replay,
};

const STORE: StoreId = StoreId([9; 16]);
const LOG: WalRef = WalRef { file: FileId(4), salt: 0x1122_3344_5566_7788, first_lsn: Lsn(11) };
const NAME: &str = "wal-4";

type Batches = Vec<(u64, Vec<u8>)>;

fn group(batches: &[(u64, &[u8])]) -> Group {
    let mut group = Group::new();
    batches.iter().for_each(|(lsn, batch)| group.push(Lsn(*lsn), batch));
    group
}

fn one(lsn: u64) -> Group {
    group(&[(lsn, format!("batch {lsn}").as_bytes())])
}

fn create(fs: &dyn FileSystem) -> WalWriter {
    WalWriter::create(fs, LOG, STORE, None).unwrap()
}

fn append(log: &mut WalWriter, lsn: u64) {
    log.append(&one(lsn), Room::Ordinary).unwrap();
}

fn append_synced(log: &mut WalWriter, lsn: u64) {
    append(log, lsn);
    log.sync().unwrap();
}

fn read_all(fs: &dyn FileSystem, logs: &[WalRef]) -> Result<(Replay, Batches)> {
    let mut batches = Vec::new();
    let replay = replay(fs, STORE, logs, &mut |lsn, batch| {
        batches.push((lsn.0, batch.to_vec()));
        Ok(())
    })?;
    Ok((replay, batches))
}

fn positions(fs: &dyn FileSystem, logs: &[WalRef]) -> Result<(Vec<u64>, Replay)> {
    let (replay, batches) = read_all(fs, logs)?;
    Ok((batches.into_iter().map(|(lsn, _)| lsn).collect(), replay))
}

fn read_file(fs: &dyn FileSystem, name: &str) -> Vec<u8> {
    let length = fs.open(name).unwrap().length().unwrap();
    fs.map(name, length, ReadMode::Heap).unwrap().to_vec()
}

fn with_file(bytes: &[u8]) -> MemoryFs {
    let fs = MemoryFs::new();
    fs.create_new(NAME).unwrap().write_at(bytes, 0).unwrap();
    fs
}

/// Where the groups of a log are, found by their magic.
fn places(bytes: &[u8]) -> Vec<usize> {
    (0..bytes.len()).step_by(8).filter(|at| bytes[*at..].starts_with(b"DLgr")).collect()
}

/// What a log looks like when the groups numbered `lost` never reached the disk.
fn without(bytes: &[u8], lost: &[usize]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for at in lost.iter().map(|index| places(&bytes)[*index]).collect::<Vec<_>>() {
        bytes[at..at + GROUP_HEADER_BYTES].fill(0);
    }
    bytes
}

fn corrupt<T: std::fmt::Debug>(result: Result<T>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    error.to_string()
}

#[test]
fn the_layout_never_changes() {
    let fs = MemoryFs::new();
    let previous = Tail { lsn: Lsn(10), crc: 0xA1B2_C3D4 };
    let mut log = WalWriter::create(&fs, LOG, STORE, Some(previous)).unwrap();
    log.append(&group(&[(11, b"ab"), (13, b"")]), Room::Ordinary).unwrap();
    log.append(&group(&[(14, b"c")]), Room::Ordinary).unwrap();
    log.seal().unwrap();
    let bytes = read_file(&fs, NAME);
    assert_eq!(bytes.len(), 1 << 20);
    #[rustfmt::skip]
    let fields: &[&[u8]] = &[
        &[0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11], &[11, 0, 0, 0, 0, 0, 0, 0],
        &[1, 0, 0, 0], &[0xD4, 0xC3, 0xB2, 0xA1], &[10, 0, 0, 0, 0, 0, 0, 0], &[0; 4012],
    ];
    assert_eq!(&bytes[48..4092], fields.concat());
    assert_eq!(bytes[4092..4096], PAGE_CRC.to_le_bytes());
    let salt = [0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11];
    #[rustfmt::skip]
    let groups: &[&[u8]] = &[
        b"DLgr", &[1, 0, 0, 0], &salt, &[11, 0, 0, 0, 0, 0, 0, 0], &[13, 0, 0, 0, 0, 0, 0, 0], &[10, 0, 0, 0, 0, 0, 0, 0],
        &[2, 0, 0, 0], &[0; 4], &[26, 0, 0, 0], &PAGE_CRC.to_le_bytes(), &PAYLOAD_1_CRC.to_le_bytes(), &GROUP_1_CRC.to_le_bytes(),
        &[11, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0], b"ab", &[13, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[0; 6],
        b"DLgr", &[2, 0, 0, 0], &salt, &[14, 0, 0, 0, 0, 0, 0, 0], &[14, 0, 0, 0, 0, 0, 0, 0], &[10, 0, 0, 0, 0, 0, 0, 0],
        &[1, 0, 0, 0], &[0; 4], &[13, 0, 0, 0], &GROUP_1_CRC.to_le_bytes(), &PAYLOAD_2_CRC.to_le_bytes(), &GROUP_2_CRC.to_le_bytes(),
        &[14, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0], b"c", &[0; 3],
    ];
    let groups = groups.concat();
    assert_eq!(&bytes[4096..][..groups.len()], groups);
    assert!(bytes[4096 + groups.len()..8192].iter().all(|byte| *byte == 0));
    #[rustfmt::skip]
    let seal: &[&[u8]] = &[
        b"DLgr", &[3, 0, 0, 0], &salt, &[14, 0, 0, 0, 0, 0, 0, 0], &[14, 0, 0, 0, 0, 0, 0, 0], &[14, 0, 0, 0, 0, 0, 0, 0],
        &[0; 4], &[1, 0, 0, 0], &[0; 4], &GROUP_2_CRC.to_le_bytes(), &[0; 4], &SEAL_CRC.to_le_bytes(),
    ];
    assert_eq!(&bytes[8192..8256], seal.concat());
    assert!(bytes[8256..].iter().all(|byte| *byte == 0));
    assert_eq!(log.last(), Tail { lsn: Lsn(14), crc: SEAL_CRC });
}

const PAGE_CRC: u32 = 0xEA81_06C4;
const PAYLOAD_1_CRC: u32 = 0xEC94_1551;
const GROUP_1_CRC: u32 = 0x5104_21A8;
const PAYLOAD_2_CRC: u32 = 0x1C49_5360;
const GROUP_2_CRC: u32 = 0x5765_D70C;
const SEAL_CRC: u32 = 0x1CA0_9BB5;

#[test]
fn what_is_appended_is_replayed_in_order_with_gaps() {
    let fs = MemoryFs::new();
    let mut log = create(&fs);
    assert_eq!((log.durable(), log.last().lsn), (Lsn(10), Lsn(10)));
    log.append(&group(&[(11, b"a"), (12, b"")]), Room::Ordinary).unwrap();
    log.append(&group(&[(20, &[7; 5000])]), Room::Ordinary).unwrap();
    assert_eq!((log.durable(), log.last().lsn), (Lsn(10), Lsn(20)));
    log.sync().unwrap();
    assert_eq!((log.durable(), log.bytes() % BLOCK_BYTES), (Lsn(20), 0));
    append(&mut log, 21);
    let (replay, batches) = read_all(&fs, &[LOG]).unwrap();
    assert_eq!(batches, [(11, b"a".to_vec()), (12, vec![]), (20, vec![7; 5000]), (21, b"batch 21".to_vec())]);
    let expected = Replay { last: Lsn(21), tail: Some(log.last()), groups: 3, batches: 4, ..Replay::default() };
    assert_eq!(replay, expected);
}

#[test]
fn no_log_and_an_empty_log_end_before_they_begin() {
    let fs = MemoryFs::new();
    assert_eq!(read_all(&fs, &[]).unwrap().0, Replay::default());
    let log = create(&fs);
    let (replay, batches) = read_all(&fs, &[LOG]).unwrap();
    assert!(batches.is_empty());
    assert_eq!((replay.last, replay.tail), (Lsn(10), Some(log.last())));
}

#[test]
fn what_visit_refuses_ends_the_replay() {
    let fs = MemoryFs::new();
    let mut log = create(&fs);
    (11..14).for_each(|lsn| append(&mut log, lsn));
    let mut seen = 0;
    let error = replay(&fs, STORE, &[LOG], &mut |lsn, _| {
        seen += 1;
        if lsn == Lsn(12) { Err(Error::invalid("no")) } else { Ok(()) }
    });
    assert_eq!((error.unwrap_err().to_string().as_str(), seen), ("no", 2));
}

#[test]
fn a_sealed_log_takes_nothing_more() {
    let fs = MemoryFs::new();
    let mut log = create(&fs);
    append(&mut log, 11);
    log.seal().unwrap();
    log.seal().unwrap();
    assert!(matches!(log.append(&one(12), Room::Ordinary), Err(AppendError::Refused(_))));
    let (positions, replay) = positions(&fs, &[LOG]).unwrap();
    assert_eq!((positions, replay.sealed, replay.discarded_bytes), (vec![11], true, 0));
}

#[test]
fn groups_out_of_order_or_too_large_are_refused() {
    let fs = MemoryFs::new();
    let mut log = create(&fs);
    append(&mut log, 12);
    let too_large = group(&[(13, &vec![0; MAX_GROUP_BYTES - BATCH_HEADER_BYTES + 1])]);
    for wrong in [Group::new(), one(12), group(&[(14, b""), (14, b"")]), group(&[(15, b""), (14, b"")]), too_large] {
        assert!(matches!(log.append(&wrong, Room::Ordinary), Err(AppendError::Refused(_))));
    }
    let full = group(&[(13, &vec![5; MAX_GROUP_BYTES - BATCH_HEADER_BYTES])]);
    log.append(&full, Room::Ordinary).unwrap();
    assert_eq!(positions(&fs, &[LOG]).unwrap().0, [12, 13]);
}

#[test]
fn a_log_starts_after_the_one_before_and_under_a_new_name() {
    let fs = MemoryFs::new();
    let overlapping = Tail { lsn: Lsn(11), crc: 0 };
    assert!(WalWriter::create(&fs, LOG, STORE, Some(overlapping)).is_err());
    assert!(fs.list().unwrap().is_empty());
    let mut log = create(&fs);
    append(&mut log, 11);
    assert!(WalWriter::create(&fs, LOG, STORE, None).is_err());
    assert_eq!(positions(&fs, &[LOG]).unwrap().0, [11]);
}

// What an unreadable place means.

#[test]
fn a_group_that_never_landed_is_dropped_and_told() {
    let fs = MemoryFs::new();
    let mut log = create(&fs);
    append_synced(&mut log, 11);
    append(&mut log, 12);
    let mut bytes = read_file(&fs, NAME);
    let last = places(&bytes)[1];
    bytes[last + GROUP_HEADER_BYTES + 15] ^= 1;
    let (found, replay) = positions(&with_file(&bytes), &[LOG]).unwrap();
    assert_eq!(found, [11]);
    assert_eq!(replay.discarded_bytes as usize, last + GROUP_HEADER_BYTES + 20 - (4096 + GROUP_HEADER_BYTES + 24));
    assert!(replay.discarded_why.unwrap().contains("not completely written"));
}

#[test]
fn later_groups_that_landed_first_do_not_make_a_torn_tail_damage() {
    // At `Interval` nothing after 11 was promised; the disk wrote 13 and 14 and lost 12.
    let fs = MemoryFs::new();
    let mut log = create(&fs);
    append_synced(&mut log, 11);
    (12..15).for_each(|lsn| append(&mut log, lsn));
    let bytes = read_file(&fs, NAME);
    let (found, replay) = positions(&with_file(&without(&bytes, &[1])), &[LOG]).unwrap();
    assert_eq!((found, replay.last), (vec![11], Lsn(11)));
    assert!(replay.discarded_bytes > 200 && replay.discarded_why.is_some());
    let (found, _) = positions(&with_file(&without(&bytes, &[1, 3])), &[LOG]).unwrap();
    assert_eq!(found, [11]);
}

#[test]
fn a_later_group_that_vouches_makes_it_damage() {
    let fs = MemoryFs::new();
    let mut log = create(&fs);
    append_synced(&mut log, 11);
    append(&mut log, 12);
    append_synced(&mut log, 13);
    append(&mut log, 14);
    let bytes = read_file(&fs, NAME);
    for lost in [&[0][..], &[1], &[2], &[0, 1], &[1, 2]] {
        let message = corrupt(positions(&with_file(&without(&bytes, lost)), &[LOG]));
        let x = 11 + lost[0];
        assert!(message.contains("acknowledged data is damaged"), "{message}");
        assert!(message.contains(&format!("batch {x} ")) && message.contains("wal-4 at "), "{message}");
    }
    assert_eq!(positions(&with_file(&without(&bytes, &[3])), &[LOG]).unwrap().0, [11, 12, 13]);
}

#[test]
fn a_witness_is_found_however_far_away() {
    let fs = MemoryFs::new();
    let mut log = create(&fs);
    append_synced(&mut log, 11);
    let far = group(&[(12, &vec![1; 3 << 20]), (13, &vec![2; 700_001])]);
    log.append(&far, Room::Ordinary).unwrap();
    log.sync().unwrap();
    append(&mut log, 14);
    let bytes = read_file(&fs, NAME);
    corrupt(positions(&with_file(&without(&bytes, &[1])), &[LOG]));
}

#[test]
fn a_witness_is_found_between_two_windows() {
    // The search begins at 8224 and reads 1 MiB at once; the witness begins 32 bytes before that ends.
    let fs = MemoryFs::new();
    let mut log = create(&fs);
    log.append(&group(&[(11, &[1; 4052])]), Room::Ordinary).unwrap();
    assert_eq!(log.bytes(), 8224);
    log.sync().unwrap();
    log.append(&group(&[(12, &[2; 1_044_300])]), Room::Ordinary).unwrap();
    log.sync().unwrap();
    append(&mut log, 13);
    let bytes = read_file(&fs, NAME);
    assert_eq!(places(&bytes)[2], 8224 + (1 << 20) - 32);
    corrupt(positions(&with_file(&without(&bytes, &[1])), &[LOG]));
}

#[test]
fn a_group_that_follows_another_group_is_not_taken_for_the_next() {
    let write = |second: &[u8]| {
        let fs = MemoryFs::new();
        let mut log = create(&fs);
        append(&mut log, 11);
        log.append(&group(&[(12, second)]), Room::Ordinary).unwrap();
        append(&mut log, 13);
        read_file(&fs, NAME)
    };
    let (mut bytes, other) = (write(b"one thing"), write(b"another 1"));
    let third = places(&bytes)[2];
    bytes[third..].copy_from_slice(&other[third..]);
    let (found, replay) = positions(&with_file(&bytes), &[LOG]).unwrap();
    assert_eq!((found, replay.discarded_bytes > 0), (vec![11, 12], true));
}

#[test]
fn a_seal_vouches_for_the_last_group() {
    let fs = MemoryFs::new();
    let mut log = create(&fs);
    append(&mut log, 11);
    log.seal().unwrap();
    let bytes = read_file(&fs, NAME);
    corrupt(positions(&with_file(&without(&bytes, &[0])), &[LOG]));
    let (found, replay) = positions(&with_file(&without(&bytes, &[1])), &[LOG]).unwrap();
    assert_eq!((found, replay.sealed), (vec![11], false));
}

#[test]
fn every_flip_is_an_error_harmless_or_costs_the_last_group_and_is_told() {
    let fs = MemoryFs::new();
    let mut log = create(&fs);
    append_synced(&mut log, 11);
    append(&mut log, 12);
    append_synced(&mut log, 13);
    append_synced(&mut log, 14);
    let bytes = read_file(&fs, NAME);
    let whole = read_all(&fs, &[LOG]).unwrap();
    let mut lost = 0;
    let groups = places(&bytes).into_iter().flat_map(|at| at - 8..at + 100);
    for at in (0..4096).step_by(5).chain(groups) {
        for flip in [1, 0xFF] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            match read_all(&with_file(&damaged), &[LOG]) {
                Ok((_, batches)) if batches == whole.1 => {}
                Ok((replay, batches)) => {
                    assert_eq!(batches, whole.1[..3], "byte {at}");
                    assert!(replay.discarded_bytes > 0 && replay.discarded_why.is_some(), "byte {at}");
                    lost += 1;
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "byte {at}: {error}"),
            }
        }
    }
    assert_eq!(lost, 2 * (GROUP_HEADER_BYTES + 20));
}

#[test]
fn a_log_cut_short_is_an_error() {
    let fs = MemoryFs::new();
    let mut log = create(&fs);
    append_synced(&mut log, 11);
    log.append(&group(&[(12, &vec![3; 1_500_000])]), Room::Ordinary).unwrap();
    append_synced(&mut log, 13);
    let bytes = read_file(&fs, NAME);
    assert_eq!(bytes.len() as u64, LARGE_STEP_BYTES);
    let used = log.bytes() as usize;
    let lengths =
        (0..4200).step_by(3).chain((4200..used).step_by(40_009)).chain(used - 30..used).chain([used, 1 << 20]);
    for length in lengths {
        corrupt(positions(&with_file(&bytes[..length]), &[LOG]));
    }
    // Zeros may be missing where no group was: that is how a failed extension looks.
    let mut log = create(&MemoryFs::new());
    append_synced(&mut log, 11);
    let small = [&read_file(&fs, NAME)[..5000], &vec![0; STEP_BYTES as usize - 5000 + 777]].concat();
    assert_eq!(positions(&with_file(&small), &[LOG]).unwrap().0, [11]);
}

// Several logs.

/// Three logs of one store: 11..=12 sealed, 13 synced, 14 open.
fn three_logs(fs: &dyn FileSystem) -> [WalRef; 3] {
    let refs = [LOG, WalRef { file: FileId(5), salt: 5, first_lsn: Lsn(13) }];
    let third = WalRef { file: FileId(8), salt: 8, first_lsn: Lsn(14) };
    let mut first = create(fs);
    (11..13).for_each(|lsn| append(&mut first, lsn));
    first.seal().unwrap();
    let mut second = WalWriter::create(fs, refs[1], STORE, Some(first.last())).unwrap();
    append_synced(&mut second, 13);
    let mut third_log = WalWriter::create(fs, third, STORE, Some(second.last())).unwrap();
    append(&mut third_log, 14);
    [refs[0], refs[1], third]
}

#[test]
fn logs_are_replayed_one_after_the_other() {
    let fs = MemoryFs::new();
    let logs = three_logs(&fs);
    let (found, replay) = positions(&fs, &logs).unwrap();
    assert_eq!((found, replay.last, replay.groups, replay.sealed), (vec![11, 12, 13, 14], Lsn(14), 4, false));
    // Those already flushed need not be listed any more.
    assert_eq!(positions(&fs, &logs[1..]).unwrap().0, [13, 14]);
}

#[test]
fn a_chain_with_a_link_missing_changed_or_damaged_is_an_error() {
    let fs = MemoryFs::new();
    let [first, second, third] = three_logs(&fs);
    let message = corrupt(positions(&fs, &[first, third]));
    assert!(message.contains("wal-8"), "{message}");
    corrupt(positions(&fs, &[second, first]));
    let missing = WalRef { file: FileId(6), ..second };
    assert!(corrupt(positions(&fs, &[first, missing])).contains("wal-6"));
    for changed in [WalRef { salt: 6, ..second }, WalRef { first_lsn: Lsn(12), ..second }] {
        corrupt(positions(&fs, &[first, changed, third]));
    }
    corrupt(replay(&fs, StoreId([0; 16]), &[first], &mut |_, _| Ok(())));
    // Every group of a log that another continues was promised, and so was its seal.
    for (log, index) in [(first, 0), (first, 1), (first, 2), (second, 0)] {
        let name = crate::storage::names::wal(log.file);
        let damaged = without(&read_file(&fs, &name), &[index]);
        let fs = MemoryFs::new();
        let logs = three_logs(&fs);
        fs.remove(&name).unwrap();
        fs.create_new(&name).unwrap().write_at(&damaged, 0).unwrap();
        let message = corrupt(positions(&fs, &logs));
        assert!(message.contains(&name), "{message}");
    }
}
