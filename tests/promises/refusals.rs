//! What cannot be done is refused with a clear error, and nothing that was there is lost.

use std::sync::Arc;

use driftline::fs::{Fault, FileSystem, SimulatedFs};
use driftline::{
    Create, Database, Durability, Error, ErrorKind, MAX_KEY_BYTES, MAX_PAYLOAD_BYTES, Maintenance, Metric, Options,
    Patch, Precondition, Random, Record, Result, Schema, Value, Vector,
};

use serde_json::{Value as Json, json};

use super::support::child::directory;
use super::support::reading::{check_verifies, read};

/// Asserts the error's kind and that its message speaks of `words`: what, where and how to mend it.
#[track_caller]
fn assert_refused<T: std::fmt::Debug>(outcome: Result<T>, kind: ErrorKind, words: &[&str]) {
    let error = outcome.expect_err("it has to be refused");
    assert_eq!((error.kind(), error.code()), (kind, kind.code()), "{error}");
    let message = error.to_string();
    for word in words {
        assert!(message.contains(word), "'{word}' is not in: {message}");
    }
    assert!(error.remedy().is_some() || error.place().is_some(), "neither a place nor a remedy: {message}");
}

/// A store with a collection of each kind, and what must still be there after every refusal.
struct Shop {
    db: Database,
    before: super::support::world::World,
}

impl Shop {
    fn new() -> Shop {
        let db = Database::in_memory().unwrap();
        let points = db.create_collection("points", Schema::vector(3, Metric::L2)).unwrap();
        let angles = db.create_collection("angles", Schema::vector(3, Metric::Cosine).model("m@1")).unwrap();
        let codes = db.create_collection("codes", Schema::bits(16)).unwrap();
        let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
        points.put(Record::new("kept").vector([1.0, 2.0, 3.0])).unwrap();
        angles.put(Record::new("kept").vector([1.0, 2.0, 3.0])).unwrap();
        codes.put(Record::new("kept").vector(Vector::Bits(vec![1, 2]))).unwrap();
        notes.put(Record::new("kept").payload("a note")).unwrap();
        let before = read(&db).unwrap();
        Shop { db, before }
    }

    /// Puts a record in every way there is; each must refuse it.
    #[track_caller]
    fn refuses(&self, collection: &str, record: Record, kind: ErrorKind, words: &[&str]) {
        let collection = self.db.collection(collection).unwrap();
        let mut good = collection.get("kept").unwrap().unwrap();
        good.key = "good".into();
        assert_refused(collection.put(record.clone()), kind, words);
        assert_refused(collection.put_all([good.clone(), record.clone()]), kind, words);
        let mut import = collection.import().unwrap();
        import.put(good).unwrap();
        assert_refused(import.put(record), kind, words);
        drop(import);
        self.is_unharmed();
    }

    #[track_caller]
    fn is_unharmed(&self) {
        assert_eq!(read(&self.db).unwrap(), self.before, "a refusal has changed something");
        check_verifies(&self.db);
    }
}

#[test]
fn a_vector_with_nan_or_infinity_is_refused() {
    let shop = Shop::new();
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for collection in ["points", "angles"] {
            let record = Record::new("bad").vector([1.0, bad, 2.0]);
            shop.refuses(collection, record, ErrorKind::Invalid, &[collection, "bad"]);
            let found = shop.db.collection(collection).unwrap().query().nearest([1.0, bad, 2.0]).run();
            assert_refused(found, ErrorKind::Invalid, &[collection]);
            let patch = Patch::new().vector([1.0, bad, 2.0]);
            assert_refused(shop.db.collection(collection).unwrap().patch("kept", patch), ErrorKind::Invalid, &[]);
        }
    }
    shop.is_unharmed();
}

#[test]
fn a_vector_of_another_dimension_or_kind_is_refused() {
    let shop = Shop::new();
    let numbers = |values: &[f32]| Record::new("bad").vector(values);
    shop.refuses("points", numbers(&[1.0, 2.0]), ErrorKind::Dimension, &["points", "3", "2"]);
    shop.refuses("points", numbers(&[1.0; 4]), ErrorKind::Dimension, &["points", "3", "4"]);
    shop.refuses("points", Record::new("bad").vector(Vector::Bits(vec![1])), ErrorKind::Invalid, &["points"]);
    shop.refuses("codes", Record::new("bad").vector(Vector::Bits(vec![1; 3])), ErrorKind::Dimension, &["codes", "16"]);
    shop.refuses("codes", numbers(&[1.0; 16]), ErrorKind::Invalid, &["codes"]);
    shop.refuses("notes", numbers(&[1.0]), ErrorKind::Invalid, &["notes"]);
    shop.refuses("points", Record::new("bad"), ErrorKind::Invalid, &["points"]);
    let points = shop.db.collection("points").unwrap();
    assert_refused(points.query().nearest([1.0]).run(), ErrorKind::Dimension, &["points", "3"]);
    assert_refused(points.query().run(), ErrorKind::Invalid, &["points", "vector"]);
    assert_refused(points.query().nearest([1.0, 2.0, 3.0]).k(0).run(), ErrorKind::Invalid, &["k is 0", "points"]);
    for recall in [0.0, -0.5, 1.01, f32::NAN] {
        let query = points.query().nearest([1.0, 2.0, 3.0]).recall(recall);
        assert_refused(query.run(), ErrorKind::Invalid, &["recall is", "points"]);
    }
    for ef in [0, 100_001] {
        let query = points.query().nearest([1.0, 2.0, 3.0]).ef(ef);
        assert_refused(query.run(), ErrorKind::Invalid, &["ef is", "points"]);
    }
    shop.is_unharmed();
}

#[test]
fn a_zero_vector_under_cosine_is_refused() {
    let shop = Shop::new();
    shop.refuses("angles", Record::new("bad").vector([0.0; 3]), ErrorKind::Invalid, &["angles", "zero"]);
    let angles = shop.db.collection("angles").unwrap();
    assert_refused(angles.query().nearest([0.0; 3]).run(), ErrorKind::Invalid, &["zero"]);
    // Elsewhere it is a vector like others.
    shop.db.collection("points").unwrap().put(Record::new("zero").vector([0.0; 3])).unwrap();
}

#[test]
fn vectors_of_another_model_are_refused() {
    let shop = Shop::new();
    let angles = shop.db.collection("angles").unwrap();
    assert_refused(angles.for_model("m@2"), ErrorKind::ModelMismatch, &["m@1", "m@2", "angles"]);
    assert_refused(angles.query().nearest([1.0; 3]).model("m@2").run(), ErrorKind::ModelMismatch, &["m@1", "m@2"]);
    assert_eq!(angles.query().nearest([1.0; 3]).model("m@1").run().unwrap().len(), 1);
    let other = Schema::vector(3, Metric::Cosine).model("m@2");
    assert_refused(shop.db.ensure_collection("angles", other), ErrorKind::ModelMismatch, &["m@1", "m@2"]);
    shop.is_unharmed();
}

#[test]
fn an_unknown_or_misnamed_collection_is_refused() {
    let shop = Shop::new();
    assert_refused(shop.db.collection("pionts"), ErrorKind::NotFound, &["pionts", "points"]);
    assert_refused(shop.db.drop_collection("pionts"), ErrorKind::NotFound, &["pionts"]);
    assert_refused(shop.db.snapshot().unwrap().collection("pionts"), ErrorKind::NotFound, &["pionts"]);
    for name in ["", "a/b", "../x", "_models", "with space", &"x".repeat(65)] {
        assert_refused(shop.db.create_collection(name, Schema::payload_only()), ErrorKind::Invalid, &[]);
    }
    assert_refused(shop.db.create_collection("points", Schema::payload_only()), ErrorKind::Exists, &["points"]);
    assert_refused(
        shop.db.ensure_collection("points", Schema::vector(4, Metric::L2)),
        ErrorKind::Dimension,
        &["points"],
    );
    let gone = shop.db.create_collection("gone", Schema::payload_only()).unwrap();
    shop.db.drop_collection("gone").unwrap();
    assert_refused(gone.put(Record::new("a")), ErrorKind::NotFound, &["dropped", "gone"]);
    assert_refused(gone.get("a"), ErrorKind::NotFound, &["gone"]);
    let other = Database::in_memory().unwrap();
    let notes = shop.db.collection("notes").unwrap();
    assert_refused(other.batch().put(&notes, Record::new("a")).commit(), ErrorKind::Invalid, &["another store"]);
    shop.is_unharmed();
}

#[test]
fn a_schema_that_cannot_be_is_refused() {
    let shop = Shop::new();
    for schema in [Schema::vector(0, Metric::L2), Schema::vector(16_385, Metric::L2), Schema::bits(7), Schema::bits(0)]
    {
        assert_refused(shop.db.create_collection("new", schema), ErrorKind::Invalid, &[]);
    }
    shop.is_unharmed();
}

#[test]
fn a_key_over_its_limit_is_refused() {
    let shop = Shop::new();
    let limit = MAX_KEY_BYTES.to_string();
    let notes = shop.db.collection("notes").unwrap();
    for key in ["x".repeat(MAX_KEY_BYTES + 1), "x".repeat(1 << 20)] {
        let length = key.len().to_string();
        shop.refuses("notes", Record::new(key.as_str()), ErrorKind::Invalid, &[&limit, &length, "notes"]);
        shop.refuses("notes", Record::new(key.as_bytes()), ErrorKind::Invalid, &[&limit, &length, "notes"]);
        assert_refused(notes.get(key.as_str()), ErrorKind::Invalid, &[&limit]);
        assert_refused(notes.delete(key.as_str()), ErrorKind::Invalid, &[&limit]);
    }
    shop.is_unharmed();
    notes.put(Record::new("x".repeat(MAX_KEY_BYTES))).unwrap();
    assert!(notes.get("x".repeat(MAX_KEY_BYTES)).unwrap().is_some());
}

#[test]
fn a_payload_over_its_limit_is_refused() {
    let shop = Shop::new();
    let limit = format!("{} MiB", MAX_PAYLOAD_BYTES >> 20);
    let large = Value::Bytes(vec![7; MAX_PAYLOAD_BYTES + 1]);
    shop.refuses("notes", Record::new("bad").payload(large), ErrorKind::Invalid, &[&limit, "notes", "bad"]);
    let grown = Patch::new().merge(Value::object([("large", Value::Bytes(vec![7; MAX_PAYLOAD_BYTES]))]));
    assert_refused(shop.db.collection("notes").unwrap().patch("kept", grown), ErrorKind::Invalid, &[&limit]);
    shop.refuses("notes", Record::new("bad").payload(f64::NAN), ErrorKind::Invalid, &["notes", "bad"]);
    shop.refuses("notes", Record::new("bad").payload(f64::INFINITY), ErrorKind::Invalid, &["notes", "bad"]);
}

#[test]
fn a_payload_nested_ten_thousand_deep_is_refused() {
    let shop = Shop::new();
    let text = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    assert_refused(Value::from_json(&text), ErrorKind::Invalid, &[]);
    // The macro would copy the tree at each level.
    let json = (0..10_000).fold(Json::Null, |inner, level| match level % 2 {
        0 => Json::Array(vec![inner]),
        _ => Json::Object([("inside".to_owned(), inner)].into_iter().collect()),
    });
    shop.refuses("notes", Record::new("bad").payload(json), ErrorKind::Invalid, &["notes", "bad", "64"]);
    let value = (0..10_000).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
    let notes = shop.db.collection("notes").unwrap();
    assert_refused(notes.put(Record::new("bad").payload(value)), ErrorKind::Invalid, &["notes", "bad", "64"]);
    shop.is_unharmed();
}

#[test]
fn a_payload_that_names_an_unknown_blob_is_refused() {
    let shop = Shop::new();
    let notes = shop.db.collection("notes").unwrap();
    let unknown = driftline::BlobId([7; 32]);
    let record = Record::new("bad").payload(Value::object([("blob", Value::Blob(unknown))]));
    assert_refused(notes.put(record), ErrorKind::NotFound, &["0707", "put_blob"]);
    assert_refused(shop.db.get_blob(unknown), ErrorKind::NotFound, &["0707"]);
    shop.is_unharmed();
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let refused = [
        (Options::new().memory_budget_bytes(1000), "memory_budget_bytes"),
        (Options::new().threads(5000), "threads"),
        (Options::new().log_file_bytes(0), "log_file_bytes"),
        (Options::new().log_file_bytes(2 << 20).log_budget_bytes(1 << 20), "log_budget_bytes"),
        (Options::new().durability(Durability::Interval(std::time::Duration::ZERO)), "Interval"),
    ];
    for (options, word) in refused {
        let error = options.in_memory().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn every_call_after_close_says_so() {
    let Shop { db, .. } = Shop::new();
    let notes = db.collection("notes").unwrap();
    let snapshot = db.snapshot().unwrap();
    let held = snapshot.collection("notes").unwrap();
    let batch = db.batch().put(&notes, Record::new("late"));
    let mut import = notes.import().unwrap();
    let (scan, query) = (notes.scan(), db.collection("points").unwrap().query().nearest([1.0; 3]));
    db.clone().close().unwrap();
    let closed = |outcome: Option<Error>| {
        let error = outcome.expect("the store is closed");
        assert_eq!(error.kind(), ErrorKind::Closed);
        assert!(error.to_string().contains("closed"), "{error}");
    };
    closed(db.collection("notes").err());
    closed(db.collections().err());
    closed(db.create_collection("new", Schema::payload_only()).err());
    closed(db.drop_collection("notes").err());
    closed(db.put_blob(&b"x"[..]).err());
    closed(db.get_blob(driftline::BlobId([0; 32])).err());
    closed(db.snapshot().err());
    closed(db.flush().err());
    closed(db.sync().err());
    closed(db.tick().err());
    closed(db.stats().err());
    closed(db.verify(driftline::VerifyLevel::Full).err());
    closed(notes.get("kept").err());
    closed(notes.put(Record::new("late")).err());
    closed(notes.delete("kept").err());
    closed(notes.patch("kept", Patch::new()).err());
    closed(notes.count().err());
    closed(notes.schema().err());
    closed(notes.compact().err());
    closed(notes.import().err());
    closed(import.put(Record::new("late")).err());
    closed(import.finish().err());
    closed(batch.commit().err());
    closed(held.get("kept").err());
    closed(held.count().err());
    closed(scan.collect::<Result<Vec<_>>>().err());
    closed(query.run().err());
    db.close().unwrap();
}

#[test]
fn a_place_without_a_store_is_refused_where_none_may_be_made() {
    let directory = directory();
    let path = directory.path().join("nothing");
    assert_refused(Options::new().create(Create::Never).open(&path), ErrorKind::NotFound, &["nothing"]);
    assert_refused(Options::new().open_read_only(&path), ErrorKind::NotFound, &["nothing"]);
    assert!(!path.exists(), "a refusal made a directory");
    std::fs::create_dir(&path).unwrap();
    assert_refused(Options::new().create(Create::Never).open(&path), ErrorKind::NotFound, &["nothing"]);
    assert_refused(Options::new().open_read_only(&path), ErrorKind::NotFound, &["nothing"]);
    std::fs::write(directory.path().join("file"), "not a directory").unwrap();
    assert!(Database::open(directory.path().join("file")).is_err());
}

#[cfg(unix)]
#[test]
fn a_directory_without_permission_is_refused_and_unharmed() {
    use std::os::unix::fs::PermissionsExt;
    let directory = directory();
    let path = directory.path().join("store");
    let db = Database::open(&path).unwrap();
    db.create_collection("notes", Schema::payload_only()).unwrap().put(Record::new("kept")).unwrap();
    db.close().unwrap();
    let allow = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    allow(0o000);
    if std::fs::read_dir(&path).is_err() {
        assert_refused(Database::open(&path), ErrorKind::Io, &["store", "may read and write"]);
        assert_refused(Options::new().open_read_only(&path), ErrorKind::Io, &["store"]);
    } else {
        // The superuser is refused nothing; the simulated directory stands in below.
        println!("permissions do not bind this user");
    }
    allow(0o700);
    let db = Database::open(&path).unwrap();
    assert!(db.collection("notes").unwrap().get("kept").unwrap().is_some());
}

#[test]
fn a_directory_that_refuses_to_be_written_says_so_at_any_call() {
    let store = || {
        let fs = SimulatedFs::new(1);
        let db = open(&fs).unwrap();
        let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
        notes.put(Record::new("kept")).unwrap();
        (fs, db, notes)
    };
    let error = std::io::ErrorKind::PermissionDenied;
    for lasting in [driftline::fs::Lasting::Once, driftline::fs::Lasting::Always] {
        for more in 0..12 {
            let (fs, db, notes) = store();
            fs.inject(Fault::Fail { at_call: fs.calls() + more, error, lasting });
            for outcome in [db.flush(), notes.put(Record::new("new")).map(drop), notes.compact(), db.flush()] {
                if let Err(error) = outcome {
                    let kind = error.kind();
                    assert!(
                        matches!(kind, ErrorKind::Io | ErrorKind::OutcomeUnknown | ErrorKind::Poisoned),
                        "{error:?}"
                    );
                }
            }
            assert!(notes.get("kept").unwrap().is_some());
            fs.heal();
            drop((db, notes));
            let db = open(&fs.reboot_losing_all()).unwrap();
            assert!(db.collection("notes").unwrap().get("kept").unwrap().is_some());
        }
    }
    let fs = SimulatedFs::new(1);
    fs.inject(Fault::Fail { at_call: 0, error, lasting: driftline::fs::Lasting::Always });
    assert_refused(open(&fs), ErrorKind::Io, &["LOCK", "may read and write"]);
}

fn open(fs: &SimulatedFs) -> Result<Database> {
    options().open_on(Arc::new(fs.clone()))
}

/// Writing goes on until the disk itself refuses.
fn options() -> Options {
    Options::new().maintenance(Maintenance::Manual).seed(1).free_disk_reserve_bytes(0)
}

/// The disk fills at every size from none to enough, through opening, writing, flushing, merging and closing. What was
/// acknowledged stays readable, deleting goes on, and with room everything works.
#[test]
fn a_full_disk_is_reported_deletes_go_on_and_room_mends_it() {
    let (mut refused, mut deleted) = (0, 0);
    let mut sizes: Vec<u64> = (0..400).map(|step| step * 97).collect();
    sizes.extend((0..160).map(|step| 40_000 + step * 31_013));
    for after_bytes in sizes {
        let fs = SimulatedFs::new(1);
        fs.inject(Fault::DiskFull { after_bytes });
        let mut kept = Vec::new();
        let full = std::cell::Cell::new(false);
        let note = |outcome: Result<()>| match outcome {
            Ok(()) => true,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::DiskFull, "{error:?}");
                assert!(error.to_string().contains("free some"), "{error}");
                full.set(true);
                false
            }
        };
        let db = match open(&fs) {
            Ok(db) => db,
            Err(error) => {
                note(Err(error));
                fs.heal();
                open(&fs).unwrap();
                continue;
            }
        };
        if !note(db.create_collection("notes", Schema::payload_only()).map(drop)) {
            fs.heal();
            db.create_collection("notes", Schema::payload_only()).unwrap();
            continue;
        }
        let notes = db.collection("notes").unwrap();
        let mut random = Random::seeded(after_bytes, 60);
        for number in 0..60u64 {
            let payload = Value::Bytes(vec![number as u8; random.below(80_000) as usize]);
            if note(notes.put(Record::new(number).payload(payload)).map(drop)) {
                kept.push(number);
            }
            if number % 7 == 6 {
                note(db.flush());
            }
        }
        note(notes.compact());
        if full.get() {
            refused += 1;
            // The log keeps room for deletes, once there is a log.
            if let Some(number) = kept.first().copied() {
                notes.delete(number).unwrap_or_else(|error| panic!("with {after_bytes} bytes: {error:?}"));
                kept.remove(0);
                deleted += 1;
            }
        }
        let found = |db: &Database| {
            db.collection("notes")
                .unwrap()
                .scan()
                .map(|record| record.unwrap().key.as_number().unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(found(&db), kept, "with {after_bytes} bytes");
        fs.heal();
        notes.put(Record::new(1000u64)).unwrap();
        kept.push(1000);
        db.flush().unwrap();
        notes.compact().unwrap();
        drop((db, notes));
        let db = open(&fs.reboot_losing_all()).unwrap();
        assert_eq!(found(&db), kept, "with {after_bytes} bytes, after a power cut");
        check_verifies(&db);
    }
    println!("{refused} disks were full, and a record was deleted on {deleted} of them");
    assert!(refused > 100 && deleted > 100, "{refused} disks were full, {deleted} deleted");
}

#[test]
fn a_failed_sync_stops_writing_and_not_reading() {
    let fs = SimulatedFs::new(1);
    let db = open(&fs).unwrap();
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    notes.put(Record::new("kept")).unwrap();
    fs.inject(Fault::SyncFails { at_call: fs.calls() + 1 });
    assert_refused(notes.put(Record::new("perhaps")), ErrorKind::OutcomeUnknown, &["open it again"]);
    assert_refused(notes.put(Record::new("later")), ErrorKind::Poisoned, &["open it again"]);
    assert_refused(db.flush(), ErrorKind::Poisoned, &["reading goes on"]);
    assert_refused(db.create_collection("new", Schema::payload_only()), ErrorKind::Poisoned, &[]);
    assert!(notes.get("kept").unwrap().is_some());
    assert_eq!(notes.get("perhaps").unwrap(), None, "shown before it was durable");
    drop((db, notes));
    for after in [fs.reboot_losing_all(), fs.reboot_keeping_all()] {
        let db = open(&after).unwrap();
        let notes = db.collection("notes").unwrap();
        assert!(notes.get("kept").unwrap().is_some() && notes.get("later").unwrap().is_none());
        let shown = notes.get("perhaps").unwrap();
        let db = open(&after.reboot_losing_all()).unwrap();
        assert_eq!(db.collection("notes").unwrap().get("perhaps").unwrap(), shown, "what a reopening shows is durable");
    }
}

/// Rows are refused while there is room left, so that what frees room still works.
#[test]
fn a_nearly_full_disk_refuses_rows_and_lets_deleting_merging_and_dropping_go_on() {
    const FREE: u64 = 8 << 20;
    let fs = SimulatedFs::new(1);
    let db = options().free_disk_reserve_bytes(FREE).open_on(Arc::new(fs.clone())).unwrap();
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    let other = db.create_collection("other", Schema::payload_only()).unwrap();
    let text = |bytes: usize| Value::Bytes(vec![7; bytes]);
    for key in 0..32u64 {
        notes.put(Record::new(key).payload(text(60 << 10))).unwrap();
    }
    other.put(Record::new(1u64)).unwrap();
    db.flush().unwrap();

    // Of what is kept free, this is taken by a file.
    let aside = fs.open("RESERVE").unwrap().length().unwrap();
    fs.inject(Fault::DiskFull { after_bytes: FREE - aside + (2 << 20) });
    // The free space is looked up once a MiB.
    let refused = (0..40u64).find_map(|key| notes.put(Record::new(key).payload(text(100 << 10))).err()).unwrap();
    assert_refused::<()>(Err(refused), ErrorKind::DiskFull, &["8388608 are kept", "free some space"]);
    assert!(fs.free_bytes().unwrap().unwrap() > FREE - aside - (1 << 20), "the reserve was used up by rows");
    let large = text(2 << 20);
    let patch = || notes.patch(0u64, Patch::new().merge(json!({"n": 1}))).err();
    let patch = Err((0..300).find_map(|_| patch()).unwrap());
    let mut import = notes.import().unwrap();
    let imported = import.put(Record::new(99u64).payload(large));
    for refused in [patch, imported, db.put_blob(&vec![1; 2 << 20][..]).map(drop)] {
        assert_refused(refused, ErrorKind::DiskFull, &["free some space"]);
    }
    drop(import);

    let lsn = notes.get(0u64).unwrap().unwrap().lsn;
    db.batch().require(&notes, 0u64, Precondition::AtLsn(lsn)).delete(&notes, 0u64).commit().unwrap();
    assert_eq!(notes.delete_all(1..32u64).unwrap(), 31);
    db.flush().unwrap();
    notes.compact().unwrap();
    db.drop_collection("other").unwrap();
    notes.put(Record::new(1u64)).unwrap();
    db.close().unwrap();
    assert_eq!(open(&fs).unwrap().collection("notes").unwrap().get(1u64).unwrap().unwrap().payload, Value::Null);
}

/// What a merge writes is what it keeps: most of a collection that was emptied comes back on a full disk.
#[test]
fn a_compaction_needs_room_for_what_it_keeps_alone() {
    for left in [0, 2u64] {
        let fs = SimulatedFs::new(1);
        let db = open(&fs).unwrap();
        let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
        let text = Value::Bytes(vec![7; 1 << 20]);
        (0..20u64).for_each(|key| _ = notes.put(Record::new(key).payload(text.clone())).unwrap());
        db.flush().unwrap();
        // Half of what the file takes, and with nothing left to keep a few pages.
        let free = if left == 0 { 64 << 10 } else { 10 << 20 };
        fs.inject(Fault::DiskFull { after_bytes: free });
        notes.delete_all(left..20).unwrap();
        notes.compact().unwrap();
        assert!(fs.free_bytes().unwrap().unwrap() > 16 << 20, "{left} rows are left");
        assert_eq!(notes.count().unwrap(), left);
        db.drop_collection("notes").unwrap();
        db.close().unwrap();
    }
}

/// A patch writes its record whole, however small it is itself.
#[test]
fn patches_of_large_records_do_not_use_up_what_is_kept_free() {
    const FREE: u64 = 8 << 20;
    let fs = SimulatedFs::new(1);
    let db = options().free_disk_reserve_bytes(FREE).open_on(Arc::new(fs.clone())).unwrap();
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    for key in 0..12u64 {
        notes.put(Record::new(key).payload(json!({"text": "x".repeat(1 << 20)}))).unwrap();
    }
    db.flush().unwrap();
    fs.inject(Fault::DiskFull { after_bytes: FREE + (3 << 20) });
    let refused = notes.patch_where(driftline::Filter::all(), Patch::new().merge(json!({"n": 1})));
    assert_refused(refused, ErrorKind::DiskFull, &["free some space"]);
    assert!(fs.free_bytes().unwrap().unwrap() >= FREE);
    db.flush().unwrap();
}
