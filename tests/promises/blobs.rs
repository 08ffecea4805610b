//! Blobs are stored once, read back as they were, kept while a record names them, and gone afterwards.

use std::io::{self, Read};
use std::sync::Arc;

use driftline::fs::{FileSystem, SimulatedFs};
use driftline::{BlobId, Collection, Database, ErrorKind, Maintenance, Options, Random, Record, Schema, Value, json};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::support::reading::blob;

fn open(fs: &SimulatedFs) -> Database {
    Options::new().maintenance(Maintenance::Manual).seed(1).open_on(Arc::new(fs.clone())).unwrap()
}

fn store() -> (SimulatedFs, Database, Collection) {
    let fs = SimulatedFs::new(1);
    let db = open(&fs);
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    (fs, db, notes)
}

fn files(fs: &SimulatedFs) -> usize {
    fs.list().unwrap().iter().filter(|name| name.starts_with("blob-")).count()
}

fn naming(blob: BlobId) -> Value {
    Value::object([("deep", Value::Array(vec![Value::Null, Value::object([("blob", Value::Blob(blob))])]))])
}

#[test]
fn the_name_of_a_blob_is_its_sha256_and_what_is_read_is_what_was_stored() {
    let (_, db, _) = store();
    let mut random = Random::seeded(1, 70);
    for length in [0, 1, 63, 64 << 10, (64 << 10) + 1, 3 << 20] {
        let mut content = vec![0; length];
        random.fill(&mut content);
        let id = db.put_blob(&content[..]).unwrap();
        let digest: [u8; 32] = Sha256::digest(&content).into();
        assert_eq!(id, BlobId(digest));
        assert_eq!(db.get_blob(id).unwrap().length(), length as u64);
        assert_eq!(blob(&db, id).unwrap(), content);
    }
}

#[test]
fn equal_contents_are_stored_once() {
    let (fs, db, _) = store();
    let first = db.put_blob(&b"the same"[..]).unwrap();
    assert_eq!(db.put_blob(&b"the same"[..]).unwrap(), first);
    assert_eq!((files(&fs), db.stats().unwrap().blobs), (1, 1));
}

#[test]
fn a_blob_is_kept_while_a_record_names_it_and_goes_after_the_last() {
    let (fs, db, notes) = store();
    let named = db.put_blob(&b"named"[..]).unwrap();
    let unnamed = db.put_blob(&b"unnamed"[..]).unwrap();
    notes.put(Record::new("a").payload(naming(named))).unwrap();
    db.flush().unwrap();
    while db.tick().unwrap().is_some() {}
    assert_eq!(blob(&db, unnamed).unwrap(), b"unnamed", "a fresh blob went before it could be named");
    db.close().unwrap();

    let db = open(&fs);
    while db.tick().unwrap().is_some() {}
    assert_eq!(db.get_blob(unnamed).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!((blob(&db, named).unwrap(), files(&fs)), (b"named".to_vec(), 1));
    let notes = db.collection("notes").unwrap();
    let mut reader = db.get_blob(named).unwrap();
    notes.delete("a").unwrap();
    notes.compact().unwrap();
    while db.tick().unwrap().is_some() {}
    assert_eq!(db.get_blob(named).unwrap_err().kind(), ErrorKind::NotFound);
    let mut content = String::new();
    reader.read_to_string(&mut content).unwrap();
    assert_eq!(content, "named", "a reader that was there before");
    drop(reader);
    assert_eq!(files(&fs), 0);
}

#[test]
fn a_record_in_memory_keeps_its_blob_too() {
    let (fs, db, notes) = store();
    let named = db.put_blob(&b"named"[..]).unwrap();
    notes.put(Record::new("a").payload(naming(named))).unwrap();
    drop((db, notes));
    let db = open(&fs.reboot_losing_all());
    while db.tick().unwrap().is_some() {}
    assert_eq!(blob(&db, named).unwrap(), b"named");
    let notes = db.collection("notes").unwrap();
    notes.put(Record::new("b").payload(naming(named))).unwrap();
    notes.delete("a").unwrap();
    while db.tick().unwrap().is_some() {}
    assert_eq!(blob(&db, named).unwrap(), b"named");
}

#[test]
fn a_record_that_names_an_unknown_blob_is_refused() {
    let (_, _, notes) = store();
    let error = notes.put(Record::new("a").payload(naming(BlobId([1; 32])))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let text = format!("{}", BlobId([1; 32]));
    assert!(notes.put(Record::new("a").payload(json!({ "$blob": text }))).is_err());
    assert_eq!(notes.count().unwrap(), 0);
}

/// A reader that fails after some bytes.
struct Failing(usize);

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.checked_sub(buffer.len()) {
            Some(left) => {
                self.0 = left;
                Ok(buffer.len())
            }
            None => Err(io::Error::other("the source broke off")),
        }
    }
}

#[test]
fn a_source_that_breaks_off_leaves_nothing() {
    let (fs, db, _) = store();
    let error = db.put_blob(Failing(1 << 20)).unwrap_err();
    assert!(error.to_string().contains("the source broke off"), "{error}");
    assert_eq!((files(&fs), db.stats().unwrap().blobs), (0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Read in pieces of any size, a blob is the same.
    #[test]
    fn a_blob_read_in_pieces_is_whole(content in prop::collection::vec(any::<u8>(), 0..5000), piece in 1..700usize) {
        let (_, db, _) = store();
        let id = db.put_blob(&content[..]).unwrap();
        let mut reader = db.get_blob(id).unwrap();
        let mut found = Vec::new();
        let mut buffer = vec![0; piece];
        loop {
            let count = reader.read(&mut buffer).unwrap();
            if count == 0 {
                break;
            }
            found.extend_from_slice(&buffer[..count]);
        }
        prop_assert_eq!(found, content);
    }
}
