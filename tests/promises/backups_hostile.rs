//! An archive may come from anywhere. Whatever is in it, restoring writes into its new directory only, no more than is
//! allowed, and either makes the store that was backed up or leaves nothing.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use driftline::fs::{FileSystem, MemoryFs};
use driftline::{Database, ErrorKind, Record, RestoreOptions, Result, Schema, restore, restore_from};
use tar::{EntryType, Header};

use super::support::threads::for_each_case;

/// An entry of an archive.
#[derive(Clone)]
struct Entry {
    name: Vec<u8>,
    kind: EntryType,
    content: Vec<u8>,
}

fn whole() -> Vec<u8> {
    let db = Database::in_memory().unwrap();
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    notes.put_all((0..20u64).map(Record::new)).unwrap();
    db.flush().unwrap();
    notes.delete(3u64).unwrap();
    db.put_blob(&b"content"[..]).unwrap();
    let mut bytes = Vec::new();
    db.backup().to_writer(&mut bytes).unwrap();
    bytes
}

fn entries(bytes: &[u8]) -> Vec<Entry> {
    let mut archive = tar::Archive::new(bytes);
    let read = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
        Entry { name: entry.path_bytes().into_owned(), kind: entry.header().entry_type(), content }
    };
    archive.entries().unwrap().map(read).collect()
}

fn pack(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        let mut header = Header::new_gnu();
        header.as_mut_bytes()[..entry.name.len()].copy_from_slice(&entry.name);
        header.set_entry_type(entry.kind);
        header.set_size(entry.content.len() as u64);
        header.set_mode(0o4777);
        if matches!(entry.kind, EntryType::Symlink | EntryType::Link) {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_cksum();
        bytes.write_all(header.as_bytes()).unwrap();
        bytes.write_all(&entry.content).unwrap();
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

/// Restores into memory; what failed must have left nothing.
fn restored(bytes: &[u8], options: RestoreOptions<'_>) -> Result<MemoryFs> {
    let fs = MemoryFs::new();
    let outcome = restore_from(bytes, Arc::new(fs.clone()), options);
    if outcome.is_err() {
        assert_eq!(fs.list().unwrap(), Vec::<String>::new(), "something was left");
    }
    outcome.map(|_| fs)
}

#[track_caller]
fn refused(entries: &[Entry], kind: ErrorKind, says: &str) {
    let error = restored(&pack(entries), RestoreOptions::new()).unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(says), "{error}");
    assert!(error.place().is_some() && error.remedy().is_some(), "{error}");
}

fn plain(name: &str) -> Entry {
    Entry { name: name.as_bytes().to_vec(), kind: EntryType::Regular, content: b"hello".repeat(1000) }
}

fn with_first(first: Entry) -> Vec<Entry> {
    std::iter::once(first).chain(entries(&whole())).collect()
}

#[test]
fn an_archive_packed_anew_is_restored() {
    let fs = restored(&pack(&entries(&whole())), RestoreOptions::new()).unwrap();
    let db = Database::open_on_memory(fs);
    assert_eq!(db.collection("notes").unwrap().count().unwrap(), 19);
}

trait OpenOnMemory {
    fn open_on_memory(fs: MemoryFs) -> Database;
}

impl OpenOnMemory for Database {
    fn open_on_memory(fs: MemoryFs) -> Database {
        driftline::Options::new().open_on(Arc::new(fs)).unwrap()
    }
}

#[test]
fn names_that_lead_elsewhere_or_are_no_names_of_ours_are_refused() {
    let long = "seg-1".repeat(20);
    for name in [
        "/etc/passwd",
        "../seg-1",
        "a/../../seg-1",
        "./seg-1",
        "seg-1/",
        "seg-1/x",
        "seg-01",
        "seg--1",
        "LOCK",
        "wal-1",
        "seg-1.tmp",
        "MANIFEST-1.tmp",
        "notes.txt",
        "",
        "seg-1\\x",
        "SEG-1",
        &long,
    ] {
        refused(&with_first(plain(name)), ErrorKind::Corrupt, "has a name that no file of a backup has");
    }
    let odd = Entry { name: vec![b's', 0xFF], ..plain("") };
    refused(&with_first(odd), ErrorKind::Corrupt, "name");
}

#[test]
fn links_folders_devices_and_extensions_are_refused() {
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Directory,
        EntryType::Char,
        EntryType::Block,
        EntryType::Fifo,
        EntryType::Continuous,
        EntryType::GNULongName,
        EntryType::GNULongLink,
        EntryType::GNUSparse,
        EntryType::XGlobalHeader,
        EntryType::XHeader,
    ] {
        refused(&with_first(Entry { kind, ..plain("seg-9") }), ErrorKind::Corrupt, "not a plain file");
    }
}

#[test]
fn files_twice_missing_too_many_or_changed_are_refused() {
    let all = entries(&whole());
    let twice: Vec<Entry> = [&all[..1], &all[..]].concat();
    refused(&twice, ErrorKind::Corrupt, "twice");
    refused(&all[1..], ErrorKind::Corrupt, "not there");
    refused(&with_first(plain("seg-999")), ErrorKind::Corrupt, "does not list");
    refused(&all[..all.len() - 1], ErrorKind::Corrupt, "without a manifest");
    let after: Vec<Entry> = all.iter().cloned().chain([plain("seg-999")]).collect();
    refused(&after, ErrorKind::Corrupt, "follows the manifest");
    let manifest = &all[all.len() - 1];
    let two: Vec<Entry> = all.iter().chain([manifest]).cloned().collect();
    refused(&two, ErrorKind::Corrupt, "follows the manifest");
    let mut longer = all.clone();
    longer[0].content.push(0);
    refused(&longer, ErrorKind::Corrupt, "another length");
    let mut renumbered = all.clone();
    renumbered.last_mut().unwrap().name = b"MANIFEST-99".to_vec();
    refused(&renumbered, ErrorKind::Corrupt, "number");
    refused(&[], ErrorKind::Corrupt, "without a manifest");
}

#[test]
fn every_byte_may_flip_and_nothing_wrong_is_restored() {
    let bytes = whole();
    let expected = World::of(&restored(&bytes, RestoreOptions::new()).unwrap());
    for_each_case((bytes.len() / 97) as u64, |case| {
        let mut damaged = bytes.clone();
        let at = case as usize * 97 + (case as usize * 31) % 97;
        damaged[at] ^= 0x41;
        // The checksum of a header does not cover its own padding, nor anything the zeros between files.
        if let Ok(fs) = restored(&damaged, RestoreOptions::new()) {
            assert_eq!(World::of(&fs), expected, "byte {at}");
        }
    });
}

/// What the restored store holds.
#[derive(Debug, PartialEq)]
struct World(Vec<Record>);

impl World {
    fn of(fs: &MemoryFs) -> World {
        let db = Database::open_on_memory(fs.clone());
        World(db.collection("notes").unwrap().scan().collect::<Result<_>>().unwrap())
    }
}

#[test]
fn an_archive_that_was_cut_short_is_refused() {
    let bytes = whole();
    // Of the two blocks of zeros at its end one is enough.
    for length in (0..bytes.len() - 1024).step_by(301).chain((0..=bytes.len() - 1024).step_by(512)) {
        let error = restored(&bytes[..length], RestoreOptions::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{length} of {} bytes: {error}", bytes.len());
        let says_so = error.to_string().contains("the archive is cut short");
        assert!(says_so || length % 512 != 0, "{length} of {} bytes: {error}", bytes.len());
    }
}

#[test]
fn more_than_is_allowed_is_refused_before_it_is_written() {
    let bytes = whole();
    let largest = entries(&bytes).iter().map(|entry| entry.content.len() as u64).max().unwrap();
    let total: u64 = entries(&bytes).iter().map(|entry| entry.content.len() as u64).sum();
    restored(&bytes, RestoreOptions::new().max_bytes(total).max_file_bytes(largest)).unwrap();
    for options in [RestoreOptions::new().max_bytes(total - 1), RestoreOptions::new().max_file_bytes(largest - 1)] {
        let error = restored(&bytes, options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
    // A header that claims a terabyte is refused by what is free, or by the length of the archive.
    let mut header = Header::new_gnu();
    header.set_path("seg-9").unwrap();
    header.set_entry_type(EntryType::Regular);
    header.set_size(1 << 40);
    header.set_cksum();
    let bomb = [&header.as_bytes()[..], &bytes].concat();
    let small = MemoryFs::with_capacity_bytes(1 << 20);
    let error = restore_from(&bomb[..], Arc::new(small.clone()), RestoreOptions::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("bomb.tar"), &bomb).unwrap();
    let error = restore(dir.path().join("bomb.tar"), dir.path().join("new"), RestoreOptions::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert!(!dir.path().join("new").exists());
}

/// A file that an archive holds in 512 bytes costs a disk more than that.
#[test]
fn files_shorter_than_any_of_a_store_are_refused() {
    for length in [0, 1, 4095] {
        let short = Entry { content: vec![7; length], ..plain("seg-9") };
        refused(&with_first(short), ErrorKind::Corrupt, "shorter than any of a store");
    }
    let shortest = entries(&whole()).iter().map(|entry| entry.content.len()).min().unwrap();
    assert!(shortest >= 4096, "{shortest}");
}

#[test]
fn what_is_no_archive_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let refused = |from: &Path| {
        let error = restore(from, at("new"), RestoreOptions::new()).unwrap_err();
        assert!(!at("new").exists());
        error.kind()
    };
    std::fs::write(at("text"), "hello, this is a text of some length\n".repeat(50)).unwrap();
    assert_eq!(refused(&at("text")), ErrorKind::Corrupt);
    std::fs::write(at("empty"), "").unwrap();
    assert_eq!(refused(&at("empty")), ErrorKind::Corrupt);
    // A link to an archive is one: whoever names it means it.
    std::fs::write(at("real.tar"), whole()).unwrap();
    std::os::unix::fs::symlink(at("real.tar"), at("link.tar")).unwrap();
    restore(at("link.tar"), at("new"), RestoreOptions::new()).unwrap();
}
