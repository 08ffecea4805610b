//! What every file system must do, run over each of them.

use std::io::ErrorKind;
use std::sync::Arc;

use super::{FileSystem, LockMode, PublishError, ReadMode};

/// Checks the file systems that `fresh` makes, each an empty directory.
pub(super) fn check(fresh: &dyn Fn() -> Arc<dyn FileSystem>) {
    files_hold_what_was_written(&*fresh());
    names_are_plain(&*fresh());
    entries_come_and_go(&*fresh());
    publishing_never_replaces(&*fresh());
    removed_files_stay_readable(&*fresh());
    mappings_are_exact_and_aligned(&*fresh());
    locks_exclude(&*fresh());
}

fn files_hold_what_was_written(fs: &dyn FileSystem) {
    let file = fs.create_new("a").unwrap();
    assert_eq!(file.length().unwrap(), 0);
    file.write_at(b"hello", 0).unwrap();
    file.write_at(b"world", 10_000).unwrap();
    file.write_at(b"J", 0).unwrap();
    file.write_at(b"", 50_000).unwrap();
    assert_eq!(file.length().unwrap(), 10_005);
    file.sync_data().unwrap();
    file.sync_all().unwrap();

    let file = fs.open("a").unwrap();
    let mut buffer = [9; 10];
    assert_eq!(file.read_at(&mut buffer, 0).unwrap(), 10);
    assert_eq!(&buffer, b"Jello\0\0\0\0\0");
    assert_eq!(file.read_at(&mut buffer, 10_000).unwrap(), 5);
    assert_eq!(&buffer[..5], b"world");
    assert_eq!(file.read_at(&mut buffer, 10_005).unwrap(), 0);
    assert_eq!(file.read_at(&mut buffer, 99_999).unwrap(), 0);
    assert_eq!(file.read_exact_at(&mut buffer, 10_000).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    file.read_exact_at(&mut buffer[..5], 10_000).unwrap();
    file.write_at(b"x", 0).expect_err("opened for reading only");
    let ones = [1; 10_000];
    let big = fs.create_new("big").unwrap();
    big.write_at(&ones, 5_000).unwrap();
    let mut all = vec![7; 20_000];
    assert_eq!(big.read_at(&mut all, 0).unwrap(), 15_000);
    assert!(all[..5_000].iter().all(|&byte| byte == 0) && all[5_000..15_000] == ones);
    big.write_at(&ones, u64::MAX - 3).expect_err("past the end of every file");
    assert_eq!(big.length().unwrap(), 15_000);
}

fn names_are_plain(fs: &dyn FileSystem) {
    let long = "x".repeat(256);
    for name in ["", ".", "..", "a/b", "/a", "../a", "a\\b", "a\0b", &long] {
        assert_eq!(fs.create_new(name).unwrap_err().kind(), ErrorKind::InvalidInput, "{name:?}");
        assert_eq!(fs.open(name).unwrap_err().kind(), ErrorKind::InvalidInput, "{name:?}");
        assert_eq!(fs.remove(name).unwrap_err().kind(), ErrorKind::InvalidInput, "{name:?}");
        assert_eq!(fs.map(name, 0, ReadMode::Heap).unwrap_err().kind(), ErrorKind::InvalidInput, "{name:?}");
        assert_eq!(fs.lock(name, LockMode::Exclusive).unwrap_err().kind(), ErrorKind::InvalidInput, "{name:?}");
    }
    assert!(fs.list().unwrap().is_empty());
}

fn entries_come_and_go(fs: &dyn FileSystem) {
    for name in ["b", "a", "c.tmp"] {
        fs.create_new(name).unwrap();
    }
    assert_eq!(fs.create_new("a").unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(fs.list().unwrap(), ["a", "b", "c.tmp"]);
    fs.remove("b").unwrap();
    fs.sync_dir().unwrap();
    assert_eq!(fs.remove("b").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(fs.open("b").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(fs.list().unwrap(), ["a", "c.tmp"]);
}

fn publishing_never_replaces(fs: &dyn FileSystem) {
    let publish = |bytes: &[u8]| {
        let file = fs.create_new("m.tmp").unwrap();
        file.write_at(bytes, 0).unwrap();
        file.sync_all().unwrap();
        fs.publish_new("m.tmp", "m")
    };
    publish(b"first").unwrap();
    assert_eq!(fs.list().unwrap(), ["m"]);
    match publish(b"second").unwrap_err() {
        PublishError::NotPublished(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists),
        PublishError::Uncertain(error) => panic!("{error}"),
    }
    assert_eq!(&*fs.map("m", 5, ReadMode::Heap).unwrap(), b"first");
    match fs.publish_new("absent", "n").unwrap_err() {
        PublishError::NotPublished(error) => assert_eq!(error.kind(), ErrorKind::NotFound),
        PublishError::Uncertain(error) => panic!("{error}"),
    }
    assert!(matches!(fs.publish_new("m.tmp", "../m"), Err(PublishError::NotPublished(_))));
}

fn removed_files_stay_readable(fs: &dyn FileSystem) {
    fs.create_new("a").unwrap().write_at(b"still", 0).unwrap();
    let file = fs.open("a").unwrap();
    let mapped = fs.map("a", 5, ReadMode::Mmap).unwrap();
    fs.remove("a").unwrap();
    fs.create_new("a").unwrap().write_at(b"other", 0).unwrap();
    let mut buffer = [0; 5];
    file.read_exact_at(&mut buffer, 0).unwrap();
    assert_eq!(&buffer, b"still");
    assert_eq!(&*mapped, b"still");
}

fn mappings_are_exact_and_aligned(fs: &dyn FileSystem) {
    let bytes: Vec<u8> = (0..10_000).map(|i| (i % 251) as u8).collect();
    fs.create_new("a").unwrap().write_at(&bytes, 0).unwrap();
    for mode in [ReadMode::Mmap, ReadMode::Heap] {
        for length in [0, 1, 4096, 10_000] {
            let mapping = fs.map("a", length, mode).unwrap();
            assert_eq!(&*mapping, &bytes[..length as usize]);
            assert_eq!(mapping.as_ptr() as usize % 64, 0);
        }
        for length in [10_001, u64::MAX] {
            assert_eq!(fs.map("a", length, mode).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        }
        assert_eq!(fs.map("absent", 0, mode).unwrap_err().kind(), ErrorKind::NotFound);
    }
}

fn locks_exclude(fs: &dyn FileSystem) {
    let refused = |mode| fs.lock("LOCK", mode).unwrap_err().kind();
    assert_eq!(refused(LockMode::Shared), ErrorKind::NotFound);
    let writer = fs.lock("LOCK", LockMode::Exclusive).unwrap();
    assert_eq!(refused(LockMode::Exclusive), ErrorKind::WouldBlock);
    assert_eq!(refused(LockMode::Shared), ErrorKind::WouldBlock);
    drop(writer);
    let one = fs.lock("LOCK", LockMode::Shared).unwrap();
    let two = fs.lock("LOCK", LockMode::Shared).unwrap();
    assert_eq!(refused(LockMode::Exclusive), ErrorKind::WouldBlock);
    drop(one);
    assert_eq!(refused(LockMode::Exclusive), ErrorKind::WouldBlock);
    drop(two);
    fs.lock("LOCK", LockMode::Exclusive).unwrap();
    assert_eq!(fs.list().unwrap(), ["LOCK"]);
}
