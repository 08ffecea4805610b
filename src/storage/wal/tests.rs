use std::io;

use proptest::prelude::*;

use super::format::{BATCH_HEADER_BYTES, BLOCK_BYTES, GROUP_HEADER_BYTES, GROUPS_AT, GroupHeader};
use super::writer::{LARGE_GROUP_BYTES, LARGE_STEP_BYTES, RESERVE_BYTES};
use super::{AppendError, Group, MAX_GROUP_BYTES, Replay, Room, STEP_BYTES, Tail, WalRef, WalWriter, replay};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{FileId, Lsn, MAX_NUMBER, StoreId};
use crate::random::Random;
use crate::storage::checksum::crc32;
use crate::storage::fs::{Fault, FileSystem, Lasting, MemoryFs, ReadMode, SimulatedFs};

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

// Failing disks.

/// The calls a log makes at its creation.
const CREATING: u64 = 4;

fn failing(fault: impl FnOnce(u64) -> Fault) -> (SimulatedFs, WalWriter) {
    let fs = SimulatedFs::new(1);
    let mut log = create(&fs);
    append(&mut log, 11);
    fs.inject(fault(fs.calls()));
    (fs, log)
}

fn eio(at_call: u64) -> Fault {
    Fault::Fail { at_call, error: io::ErrorKind::Other, lasting: Lasting::Once }
}

#[test]
fn a_failed_creation_leaves_no_file() {
    for at_call in 0..CREATING {
        let fs = SimulatedFs::new(1);
        fs.inject(eio(at_call));
        WalWriter::create(&fs, LOG, STORE, None).unwrap_err();
        assert!(fs.list().unwrap().is_empty(), "call {at_call}");
    }
    let fs = SimulatedFs::new(1);
    create(&fs);
    assert_eq!(fs.calls(), CREATING);
    assert!(positions(&fs.reboot_losing_all(), &[LOG]).unwrap().0.is_empty(), "it is durable at once");
}

#[test]
fn a_refused_group_never_comes_back() {
    let faults: [fn(u64) -> Fault; 2] = [eio, |at_call| Fault::ShortWrite { at_call }];
    for fault in faults {
        let (fs, mut log) = failing(fault);
        assert!(matches!(log.append(&one(12), Room::Ordinary), Err(AppendError::Refused(_))));
        for seed in 0..50 {
            assert_eq!(positions(&fs.reboot(seed), &[LOG]).unwrap().0, [11]);
        }
        // The log goes on, with the same position or another.
        assert_eq!(log.durable(), Lsn(11));
        append_synced(&mut log, 13);
        append(&mut log, 14);
        assert_eq!(positions(&fs, &[LOG]).unwrap().0, [11, 13, 14]);
        assert_eq!(positions(&fs.reboot_losing_all(), &[LOG]).unwrap().0, [11, 13]);
    }
}

#[test]
fn a_failure_that_cannot_be_withdrawn_breaks_the_log() {
    for more in [1, 2] {
        let (fs, mut log) = failing(|at_call| Fault::ShortWrite { at_call });
        fs.inject(eio(fs.calls() + more));
        assert!(matches!(log.append(&one(12), Room::Ordinary), Err(AppendError::Broken(_))));
        let again = log.append(&one(13), Room::Ordinary);
        assert!(matches!(again, Err(AppendError::Broken(error)) if error.kind() == ErrorKind::Poisoned));
        assert_eq!(log.sync().unwrap_err().kind(), ErrorKind::Poisoned);
        assert_eq!(log.seal().unwrap_err().kind(), ErrorKind::Poisoned);
    }
}

#[test]
fn a_failed_sync_breaks_the_log_and_promises_nothing() {
    let (fs, mut log) = failing(|at_call| Fault::SyncFails { at_call });
    log.sync().unwrap_err();
    assert_eq!(log.durable(), Lsn(10));
    assert_eq!(log.sync().unwrap_err().kind(), ErrorKind::Poisoned, "a second sync that succeeds would mean nothing");
    assert!(positions(&fs.reboot_losing_all(), &[LOG]).unwrap().0.is_empty());
}

#[test]
fn a_full_disk_refuses_before_any_byte_and_leaves_room_to_delete() {
    let fs = SimulatedFs::new(1);
    let mut log = create(&fs);
    fs.inject(Fault::DiskFull { after_bytes: 1000 });
    let mut lsn = 11;
    let refusal = loop {
        match log.append(&group(&[(lsn, &[1; 10_000])]), Room::Ordinary) {
            Ok(()) => lsn += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refusal, AppendError::Refused(error) if error.kind() == ErrorKind::DiskFull));
    let left = STEP_BYTES - log.bytes();
    assert!((RESERVE_BYTES..RESERVE_BYTES + 10_100).contains(&left), "{left}");
    // Deleting still works, as far as the reserve goes.
    for _ in 0..5 {
        log.append(&group(&[(lsn, &[2; 10_000])]), Room::Reserve).unwrap();
        log.sync().unwrap();
        lsn += 1;
    }
    let refusal = log.append(&group(&[(lsn, &[2; 30_000])]), Room::Reserve).unwrap_err();
    assert!(matches!(refusal, AppendError::Refused(error) if error.kind() == ErrorKind::DiskFull));
    assert_eq!(positions(&fs.reboot(3), &[LOG]).unwrap().1.last, Lsn(lsn - 1));
    // And once there is room again, so does everything.
    fs.heal();
    log.append(&group(&[(lsn, &[3; 30_000])]), Room::Ordinary).unwrap();
    log.seal().unwrap();
    let (found, replay) = positions(&fs.reboot_losing_all(), &[LOG]).unwrap();
    assert_eq!((found.len() as u64, replay.sealed), (lsn - 10, true));
}

#[test]
fn a_longer_log_that_cannot_be_made_durable_is_broken() {
    for size in [200_000, STEP_BYTES as usize] {
        let fs = SimulatedFs::new(1);
        let mut log = create(&fs);
        append(&mut log, 11);
        while log.bytes() + 200_000 + RESERVE_BYTES < STEP_BYTES {
            let lsn = log.last().lsn.0 + 1;
            log.append(&group(&[(lsn, &[0; 50_000])]), Room::Ordinary).unwrap();
        }
        let writes = if size < LARGE_GROUP_BYTES as usize { 1 } else { LARGE_STEP_BYTES / STEP_BYTES - 1 };
        fs.inject(Fault::SyncFails { at_call: fs.calls() + writes });
        let next = group(&[(log.last().lsn.0 + 1, &vec![0; size])]);
        assert!(matches!(log.append(&next, Room::Ordinary), Err(AppendError::Broken(_))), "{size}");
    }
}

/// Appends groups of random sizes, some synced, until the power goes; says what was promised and what was refused.
fn work_until_dark(fs: &SimulatedFs, seed: u64) -> (Lsn, Lsn) {
    let mut random = Random::seeded(seed, 1);
    let Ok(mut log) = WalWriter::create(fs, LOG, STORE, None) else { return (Lsn(0), Lsn(0)) };
    for lsn in 11..40 {
        let size = if random.one_in(6) { 400_000 } else { random.below(9000) };
        match log.append(&group(&[(lsn, &vec![lsn as u8; size as usize])]), Room::Ordinary) {
            Ok(()) => {}
            Err(AppendError::Refused(_)) => continue,
            Err(AppendError::Broken(_)) => return (log.durable(), Lsn(lsn)),
        }
        if random.one_in(3) && log.sync().is_err() {
            return (log.durable(), Lsn(lsn));
        }
    }
    (log.durable(), log.last().lsn)
}

#[test]
fn a_power_cut_at_any_call_keeps_what_was_promised_and_a_prefix_of_the_rest() {
    for seed in 0..6 {
        let untouched = SimulatedFs::new(seed);
        work_until_dark(&untouched, seed);
        for at_call in CREATING..untouched.calls() {
            let fs = SimulatedFs::new(seed);
            fs.inject(Fault::PowerCut { at_call });
            let (durable, last) = work_until_dark(&fs, seed);
            for luck in 0..3 {
                let (found, replay) = positions(&fs.reboot(luck), &[LOG]).unwrap();
                let count = found.len() as u64;
                assert_eq!(found, (11..11 + count).collect::<Vec<_>>(), "{seed} {at_call} {luck}");
                assert!((durable..=last).contains(&replay.last), "{seed} {at_call} {luck}: {replay:?}");
            }
        }
    }
}

#[test]
fn one_failing_call_anywhere_loses_nothing_and_revives_nothing() {
    for seed in 0..4 {
        let untouched = SimulatedFs::new(seed);
        work_until_dark(&untouched, seed);
        for at_call in CREATING..untouched.calls() {
            let short: fn(u64) -> Fault = |at_call| Fault::ShortWrite { at_call };
            for fault in [eio, short] {
                let fs = SimulatedFs::new(seed);
                fs.inject(fault(at_call));
                let (durable, last) = work_until_dark(&fs, seed);
                let (found, replay) = positions(&fs.reboot(seed), &[LOG]).unwrap();
                assert!((durable..=last).contains(&replay.last), "{seed} {at_call}: {replay:?}");
                // At most one group was refused, and it is the only gap.
                let missing = replay.last.0 - 10 - found.len() as u64;
                assert!(missing <= 1, "{seed} {at_call}: {found:?}");
            }
        }
    }
}

// Hostile bytes.

/// A whole log file whose groups are `bytes`.
fn file_of(bytes: &[u8]) -> Vec<u8> {
    let fs = MemoryFs::new();
    create(&fs);
    let mut file = read_file(&fs, NAME);
    file[GROUPS_AT as usize..][..bytes.len()].copy_from_slice(bytes);
    file
}

/// A header that follows the file's own, with good checksums.
fn forged(header: GroupHeader, payload: &[u8]) -> Vec<u8> {
    let page = file_of(b"");
    let previous_crc = u32::from_le_bytes(page[4092..4096].try_into().unwrap());
    let header = GroupHeader { number: 1, salt: LOG.salt, previous_crc, payload_crc: crc32(&[payload]), ..header };
    [&header.encode().0, payload].concat()
}

fn any_header() -> impl Strategy<Value = GroupHeader> {
    let small = 9u64..20;
    (small.clone(), small.clone(), small, 0u32..4, any::<bool>(), prop_oneof![0u32..100, any::<u32>()]).prop_map(
        |(first, last, durable, batches, sealed, payload_bytes)| GroupHeader {
            number: 1,
            salt: 0,
            first: Lsn(first),
            last: Lsn(last),
            durable: Lsn(durable),
            batches,
            sealed,
            payload_bytes,
            previous_crc: 0,
            payload_crc: 0,
        },
    )
}

#[test]
fn a_group_flag_unknown_here_is_of_another_version() {
    let mut bytes = forged(plain_header(), b"");
    bytes[44] = 2;
    let crc = crc32(&[&bytes[..60]]);
    bytes[60..64].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(positions(&with_file(&file_of(&bytes)), &[LOG]).unwrap_err().kind(), ErrorKind::Version);
}

#[test]
fn positions_that_cannot_be_counted_on_from_are_refused() {
    let replayed = |lsn: u64, durable: u64| {
        let payload = [&lsn.to_le_bytes()[..], &[0; 4]].concat();
        let header = GroupHeader {
            first: Lsn(lsn),
            last: Lsn(lsn),
            durable: Lsn(durable),
            batches: 1,
            payload_bytes: payload.len() as u32,
            ..plain_header()
        };
        positions(&with_file(&file_of(&forged(header, &payload))), &[LOG]).map(|(found, _)| found)
    };
    assert_eq!(replayed(12, 10).unwrap(), [12]);
    for (lsn, durable) in [(u64::MAX, 10), (MAX_NUMBER, 10), (12, MAX_NUMBER)] {
        assert_eq!(replayed(lsn, durable).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}

fn plain_header() -> GroupHeader {
    GroupHeader {
        number: 1,
        salt: LOG.salt,
        first: Lsn(11),
        last: Lsn(11),
        durable: Lsn(10),
        batches: 0,
        sealed: false,
        payload_bytes: 0,
        previous_crc: 0,
        payload_crc: 0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_a_torn_tail_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        let (found, _) = positions(&with_file(&file_of(&bytes)), &[LOG]).unwrap();
        prop_assert!(found.is_empty());
        prop_assert!(positions(&with_file(&bytes), &[LOG]).is_err());
    }

    #[test]
    fn a_header_that_lies_is_never_believed(
        header in any_header(),
        payload in prop::collection::vec(0u8..20, 0..100),
        honest in any::<bool>(),
    ) {
        let payload_bytes = if honest { payload.len() as u32 } else { header.payload_bytes };
        let bytes = forged(GroupHeader { payload_bytes, ..header }, &payload);
        if let Ok((found, replay)) = positions(&with_file(&file_of(&bytes)), &[LOG]) {
            prop_assert!(found.is_sorted() && found.iter().all(|lsn| *lsn >= 11));
            prop_assert_eq!(found.last().copied().unwrap_or(10), replay.last.0);
        }
    }

    #[test]
    fn any_history_is_replayed(groups in prop::collection::vec(
        (prop::collection::vec((1u64..3, 0usize..3000), 1..5), any::<bool>()), 0..12,
    )) {
        let fs = MemoryFs::new();
        let mut log = create(&fs);
        let (mut lsn, mut expected) = (10, Vec::new());
        for (batches, sync) in groups {
            let mut group = Group::new();
            for (step, size) in batches {
                lsn += step;
                let batch = vec![lsn as u8; size];
                group.push(Lsn(lsn), &batch);
                expected.push((lsn, batch));
            }
            log.append(&group, Room::Ordinary).unwrap();
            if sync {
                log.sync().unwrap();
            }
        }
        let (replay, batches) = read_all(&fs, &[LOG]).unwrap();
        prop_assert_eq!(batches, expected);
        prop_assert_eq!((replay.last, replay.tail, replay.discarded_bytes), (Lsn(lsn), Some(log.last()), 0));
    }
}
