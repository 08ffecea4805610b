//! Failing disks.

use std::io;

use super::{LOG, STORE, append, append_synced, create, group, one, positions};
use crate::error::ErrorKind;
use crate::ids::Lsn;
use crate::random::Random;
use crate::storage::fs::{Fault, FileSystem, Lasting, SimulatedFs};
use crate::storage::wal::writer::{LARGE_GROUP_BYTES, LARGE_STEP_BYTES, RESERVE_BYTES};
use crate::storage::wal::{AppendError, Room, STEP_BYTES, WalWriter};

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
