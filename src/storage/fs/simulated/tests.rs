use std::io;
use std::sync::Arc;

use super::super::pages::PAGE_BYTES;
use super::super::{Fault, File, FileSystem, Lasting, LockMode, PublishError, ReadMode};
use super::SimulatedFs;

const PAST: u64 = u64::MAX;

fn contents(fs: &SimulatedFs, name: &str) -> Vec<u8> {
    let length = fs.open(name).unwrap().length().unwrap();
    fs.map(name, length, ReadMode::Heap).unwrap().to_vec()
}

fn durable(fs: &SimulatedFs, name: &str, bytes: &[u8]) -> Arc<dyn File> {
    let file = fs.create_new(name).unwrap();
    file.write_at(bytes, 0).unwrap();
    file.sync_all().unwrap();
    fs.sync_dir().unwrap();
    file
}

/// One call of each kind.
fn all_calls(fs: &SimulatedFs) -> io::Result<()> {
    let _held = fs.lock("LOCK", LockMode::Exclusive)?;
    let file = fs.create_new("m.tmp")?;
    file.write_at(b"manifest", 0)?;
    file.sync_data()?;
    file.sync_all()?;
    fs.publish_new("m.tmp", "m").map_err(|error| match error {
        PublishError::NotPublished(error) | PublishError::Uncertain(error) => error,
    })?;
    fs.remove("m")?;
    fs.sync_dir()
}

const ALL_CALLS: u64 = 9;

#[test]
fn behaves_as_every_file_system() {
    super::super::conformance::check(&|| Arc::new(SimulatedFs::new(1)));
}

#[test]
fn every_change_is_counted_and_told() {
    let fs = SimulatedFs::new(1);
    all_calls(&fs).unwrap();
    let told = [
        "create LOCK",
        "create m.tmp",
        "write m.tmp bytes 0..8",
        "sync data of m.tmp",
        "sync all of m.tmp",
        "rename to m",
        "sync directory",
        "remove m",
        "sync directory",
    ];
    assert_eq!(fs.history(), told);
    assert_eq!(fs.calls(), ALL_CALLS);
    fs.list().unwrap();
    fs.open("m").unwrap_err();
    assert_eq!((fs.calls(), fs.reads()), (ALL_CALLS, 0));
}

#[test]
fn after_a_power_cut_nothing_works_until_the_reboot() {
    for at_call in 0..ALL_CALLS {
        let fs = SimulatedFs::new(at_call);
        durable(&fs, "old", b"old");
        let open = fs.open("old").unwrap();
        fs.inject(Fault::PowerCut { at_call: 4 + at_call });
        all_calls(&fs).unwrap_err();
        assert!(fs.is_off());
        assert_eq!(fs.calls(), 4 + at_call + 1);
        let mut buffer = [0; 3];
        open.read_at(&mut buffer, 0).unwrap_err();
        open.length().unwrap_err();
        fs.list().unwrap_err();
        fs.open("old").unwrap_err();
        fs.map("old", 3, ReadMode::Heap).unwrap_err();
        fs.lock("LOCK", LockMode::Exclusive).unwrap_err();
        fs.create_new("new").unwrap_err();
        fs.heal();
        fs.list().unwrap_err();
        let after = fs.reboot(at_call);
        assert_eq!(after.calls(), 0);
        assert_eq!(contents(&after, "old"), b"old");
        after.lock("LOCK", LockMode::Exclusive).unwrap();
    }
}

#[test]
fn a_failing_call_does_nothing_once_or_for_good() {
    for at_call in 0..ALL_CALLS {
        let fs = SimulatedFs::new(1);
        let error = io::ErrorKind::PermissionDenied;
        fs.inject(Fault::Fail { at_call, error, lasting: Lasting::Once });
        assert_eq!(all_calls(&fs).unwrap_err().kind(), error);
        fs.create_new("again").unwrap();

        let fs = SimulatedFs::new(1);
        fs.inject(Fault::Fail { at_call, error, lasting: Lasting::Always });
        assert_eq!(all_calls(&fs).unwrap_err().kind(), error);
        assert_eq!(fs.create_new("again").unwrap_err().kind(), error);
        fs.list().unwrap();
        fs.heal();
        fs.create_new("again").unwrap();
    }
}

#[test]
fn a_failed_rename_publishes_nothing_and_a_failed_directory_sync_leaves_it_open() {
    let publish = |at_call| {
        let fs = SimulatedFs::new(1);
        durable(&fs, "m.tmp", b"new");
        let error = io::ErrorKind::PermissionDenied;
        fs.inject(Fault::Fail { at_call: fs.calls() + at_call, error, lasting: Lasting::Once });
        let published = fs.publish_new("m.tmp", "m");
        (published, fs)
    };
    let (published, fs) = publish(0);
    assert!(matches!(published, Err(PublishError::NotPublished(_))));
    assert_eq!(fs.list().unwrap(), ["m.tmp"]);
    let (published, fs) = publish(1);
    assert!(matches!(published, Err(PublishError::Uncertain(_))));
    let published = |seed| fs.reboot(seed).list().unwrap().contains(&"m".to_owned());
    assert!((0..50).any(published) && !(0..50).all(published));
}

#[test]
fn a_short_write_leaves_its_beginning() {
    for seed in 0..20 {
        let fs = SimulatedFs::new(seed);
        let file = fs.create_new("a").unwrap();
        fs.inject(Fault::ShortWrite { at_call: 1 });
        file.write_at(b"0123456789", 0).unwrap_err();
        let bytes = contents(&fs, "a");
        assert!(bytes.len() < 10 && b"0123456789".starts_with(&bytes));
        file.write_at(b"0123456789", 0).unwrap();
    }
}

#[test]
fn a_lying_sync_reads_back_and_is_lost() {
    let fs = SimulatedFs::new(1);
    let file = durable(&fs, "a", &[1; 8192]);
    fs.inject(Fault::SyncFails { at_call: fs.calls() + 1 });
    file.write_at(&[2; 100], 0).unwrap();
    file.sync_data().unwrap_err();
    file.sync_data().unwrap();
    // Written to the same page and synced: durable, and what was dropped beside it is not.
    file.write_at(&[3; 100], 200).unwrap();
    file.sync_all().unwrap();
    let wanted = |dropped: u8| {
        let mut bytes = vec![1; 8192];
        bytes[..100].fill(dropped);
        bytes[200..300].fill(3);
        bytes
    };
    assert_eq!(contents(&fs, "a"), wanted(2));
    assert_eq!(contents(&fs.reboot_keeping_all(), "a"), wanted(2));
    for seed in 0..20 {
        assert_eq!(contents(&fs.reboot(seed), "a"), wanted(1));
    }
}

#[test]
fn a_lying_directory_sync_shows_names_and_loses_them() {
    let fs = SimulatedFs::new(1);
    durable(&fs, "old", b"old");
    fs.create_new("new").unwrap();
    fs.remove("old").unwrap();
    fs.inject(Fault::DirSyncFails { at_call: fs.calls() });
    fs.sync_dir().unwrap_err();
    fs.create_new("newer").unwrap();
    fs.sync_dir().unwrap();
    assert_eq!(fs.list().unwrap(), ["new", "newer"]);
    assert_eq!(fs.reboot(3).list().unwrap(), ["newer", "old"]);
}

#[test]
fn a_full_disk_takes_what_fits_and_removing_makes_room() {
    let fs = SimulatedFs::new(1);
    let other = durable(&fs, "other", &[1; 50]);
    let file = fs.create_new("a").unwrap();
    fs.inject(Fault::DiskFull { after_bytes: 10 });
    assert_eq!(fs.free_bytes().unwrap(), Some(10));
    file.write_at(&[7; 8], 0).unwrap();
    assert_eq!(file.write_at(&[8; 8], 8).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(contents(&fs, "a"), [7, 7, 7, 7, 7, 7, 7, 7, 8, 8]);
    assert_eq!(fs.free_bytes().unwrap(), Some(0));
    other.write_at(&[2; 50], 0).unwrap();
    assert_eq!(other.write_at(&[2; 1], 99).unwrap_err().kind(), io::ErrorKind::StorageFull);
    fs.remove("other").unwrap();
    assert_eq!(fs.free_bytes().unwrap(), Some(50));
    file.write_at(&[9; 50], 10).unwrap();
    fs.heal();
    file.write_at(&[9; 50], 100).unwrap();
}

#[test]
fn damage_from_outside_is_durable() {
    let fs = SimulatedFs::new(1);
    durable(&fs, "a", &[0; 5000]);
    fs.flip_bits("a", 4999, 0x81).unwrap();
    assert_eq!(fs.flip_bits("a", 5000, 1).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(fs.flip_bits("b", 0, 1).unwrap_err().kind(), io::ErrorKind::NotFound);
    for fs in [&fs, &fs.reboot_losing_all()] {
        assert_eq!(contents(fs, "a")[4999], 0x81);
    }
    fs.tamper("a", |bytes| bytes.truncate(7)).unwrap();
    assert_eq!(contents(&fs.reboot_losing_all(), "a"), [0; 7]);
}

#[test]
fn a_read_fails_by_its_number() {
    let fs = SimulatedFs::new(1);
    let file = durable(&fs, "a", b"abc");
    fs.inject(Fault::ReadFails { at_read: 1 });
    fs.inject(Fault::ReadFails { at_read: 2 });
    let mut buffer = [0; 3];
    assert_eq!(file.read_at(&mut buffer, 0).unwrap(), 3);
    file.read_at(&mut buffer, 0).unwrap_err();
    fs.map("a", 3, ReadMode::Mmap).unwrap_err();
    fs.map("a", 3, ReadMode::Mmap).unwrap();
    assert_eq!(fs.reads(), 4);
}

#[test]
fn a_misdirected_read_gives_one_page_of_something_else() {
    let fs = SimulatedFs::new(1);
    let pages: Vec<u8> = (0..5 * PAGE_BYTES).map(|at| (at / PAGE_BYTES) as u8 + 1).collect();
    let file = durable(&fs, "a", &pages);
    durable(&fs, "b", &[9; 100]);
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let first = fs.reads();
        fs.inject(Fault::ReadMisdirected { at_read: first, seed });
        fs.inject(Fault::ReadMisdirected { at_read: first + 1, seed });
        let mapped = fs.map("a", 5 * PAGE_BYTES as u64, ReadMode::Mmap).unwrap();
        let wrong: Vec<usize> = (0..pages.len()).filter(|at| mapped[*at] != pages[*at]).collect();
        assert!(wrong.iter().all(|at| at / PAGE_BYTES == wrong[0] / PAGE_BYTES), "one page alone");
        seen.extend(wrong.iter().map(|at| (at / PAGE_BYTES, mapped[*at])));
        let mut part = [0; 10];
        assert_eq!(file.read_at(&mut part, 5).unwrap(), 10);
        fs.heal();
    }
    assert!(seen.contains(&(0, 9)) && seen.contains(&(4, 1)) && seen.contains(&(1, 0)), "{seen:?}");
    assert_eq!(contents(&fs, "a"), pages);
}

#[test]
fn a_fault_for_another_kind_of_call_does_nothing() {
    let fs = SimulatedFs::new(1);
    fs.inject(Fault::ShortWrite { at_call: 3 });
    fs.inject(Fault::SyncFails { at_call: 2 });
    fs.inject(Fault::DirSyncFails { at_call: 4 });
    fs.inject(Fault::PowerCut { at_call: PAST });
    all_calls(&fs).unwrap();
}
