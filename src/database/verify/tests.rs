//! What no checksum shows: files that are whole, and hold what the engine never writes.

use std::sync::Arc;
use std::time::Duration;

use crate::collection::record::Record;
use crate::database::handle::Database;
use crate::database::options::{Maintenance, Options};
use crate::database::verify::VerifyLevel;
use crate::payload::Value;
use crate::schema::Schema;
use crate::segment::columns::section;
use crate::storage::fs::MemoryFs;
use crate::storage::manifest::{Manifest, SegmentEntry};
use crate::storage::names;
use crate::storage::sections::{Container, FileKind, FileRef, SectionId, Writer};
use crate::vector::metric::Metric;

/// The links of a stored graph.
const LINKS: SectionId = SectionId(4);

fn open(fs: &MemoryFs) -> Database {
    let options = Options::new().maintenance(Maintenance::Manual).index_min_rows(1).seed(1);
    options.open_on(Arc::new(fs.clone())).unwrap()
}

/// A store with forty rows in a file, an index over them, and a blob that one of them names.
fn store() -> (MemoryFs, Database) {
    let fs = MemoryFs::new();
    let db = open(&fs);
    let schema = Schema::vector(2, Metric::L2).index("hnsw(m=4, layout=compact)".parse().unwrap());
    let docs = db.create_collection("docs", schema).unwrap();
    let blob = db.put_blob(&b"a content"[..]).unwrap();
    docs.put_all((0..40u64).map(|number| Record::new(number).vector([number as f32, 1.0]))).unwrap();
    docs.put(Record::new(7u64).vector([7.0, 1.0]).payload(Value::Blob(blob))).unwrap();
    db.flush().unwrap();
    assert!(docs.wait_indexed(Duration::MAX).unwrap());
    (fs, db)
}

fn segment(db: &Database) -> SegmentEntry {
    db.engine().manifest.lock().collections[0].segments[0].clone()
}

/// Writes a file anew with one of its sections changed, under checksums that are right.
fn forge(db: &Database, kind: FileKind, file: FileRef, changed: SectionId, change: impl Fn(&mut Vec<u8>)) -> FileRef {
    let (engine, id) = (db.engine(), db.engine().next_file());
    let opener = &engine.opener;
    let name = |id| match kind {
        FileKind::Segment => names::segment(id),
        FileKind::Index => names::index(id),
        FileKind::Blob => names::blob(id),
        FileKind::Deletions => unreachable!("none are forged"),
    };
    let whole = Container::open(&opener.fs, &name(file.id), kind, opener.store, &file, opener.mode).unwrap();
    let mut writer = Writer::create(&opener.fs, &name(id), kind, opener.store, id).unwrap();
    for number in (1..=21).map(SectionId) {
        let Some(found) = whole.find(number) else { continue };
        let mut bytes = found.all().unwrap().to_vec();
        if number == changed {
            change(&mut bytes);
        }
        writer.section(number).unwrap();
        writer.write(&bytes).unwrap();
    }
    writer.finish(whole.meta()).unwrap()
}

/// Has the manifest list something else, opens the store again, and checks that this is found.
#[track_caller]
fn assert_found(fs: &MemoryFs, db: Database, edit: impl FnOnce(&mut Manifest), words: &str) {
    assert!(db.verify(VerifyLevel::Full).unwrap().is_clean());
    db.engine().publish(edit).unwrap();
    drop(db);
    let report = open(fs).verify(VerifyLevel::Full).unwrap();
    assert!(report.problems.iter().any(|problem| problem.message.contains(words)), "{words}: {:?}", report.problems);
}

/// Checks that a segment of which a section was changed is told of.
#[track_caller]
fn assert_section_found(changed: SectionId, change: impl Fn(&mut Vec<u8>), words: &str) {
    let (fs, db) = store();
    let entry = segment(&db);
    let file = forge(&db, FileKind::Segment, entry.file, changed, change);
    let forged = SegmentEntry { file, rows: entry.rows, deletions: None, index: None };
    assert_found(&fs, db, |manifest| manifest.collections[0].segments[0] = forged, words);
}

#[test]
fn keys_that_are_out_of_order_are_found() {
    assert_section_found(section::KEY_ORDER, |bytes| bytes.rotate_left(4), "out of order");
}

#[test]
fn a_record_that_its_key_does_not_find_is_told_of() {
    assert_section_found(section::BLOOM, |bytes| bytes.fill(0), "does not find its record");
}

#[test]
fn a_row_that_names_a_blob_that_is_not_there_is_told_of() {
    let (fs, db) = store();
    assert_found(&fs, db, |manifest| manifest.blobs.clear(), "a blob that is not stored");
}

#[test]
fn a_blob_with_another_content_than_its_name_says_is_told_of() {
    let (fs, db) = store();
    let mut entry = db.engine().manifest.lock().blobs[0];
    entry.file = forge(&db, FileKind::Blob, entry.file, section::CONTENT, |bytes| bytes[0] ^= 1);
    assert_found(&fs, db, |manifest| manifest.blobs[0] = entry, "not what its name says");
}

#[test]
fn an_index_that_does_not_lead_to_every_row_is_told_of() {
    let (fs, db) = store();
    let mut entry = segment(&db);
    let index = entry.index.as_mut().expect("it was built");
    index.file = forge(&db, FileKind::Index, index.file, LINKS, |bytes| bytes.fill(0));
    assert_found(&fs, db, |manifest| manifest.collections[0].segments[0] = entry, "no walk gets to");
}
