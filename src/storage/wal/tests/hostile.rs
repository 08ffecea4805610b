//! Hostile bytes.

use proptest::prelude::*;

use super::{LOG, NAME, create, positions, read_all, read_file, with_file};
use crate::error::ErrorKind;
use crate::ids::{Lsn, MAX_NUMBER};
use crate::storage::checksum::crc32;
use crate::storage::fs::MemoryFs;
use crate::storage::wal::format::{GROUPS_AT, GroupHeader};
use crate::storage::wal::{Group, Room};

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
