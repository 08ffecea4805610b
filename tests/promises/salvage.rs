//! Salvaging takes whatever can be read: nothing is lost but what stood in the damage, nothing is made up, and the
//! damaged store is left as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use driftline::fs::{Fault, FileSystem, MemoryFs, SimulatedFs};
use driftline::{
    BlobId, CancelToken, Create, Database, ErrorKind, Key, Metric, Options, Random, Record, Result, SalvageOptions,
    SalvageReport, Schema, Value, Vector, json, salvage, salvage_on,
};

use super::support::reading::check_verifies;
use super::support::sample::{Held, contents, fill, open, options};
use super::support::threads::{Tally, for_each_case};

/// A closed sample and one that was killed, and what they hold.
fn samples() -> [(SimulatedFs, Held); 2] {
    let fs = SimulatedFs::new(1);
    let db = open(&fs).unwrap();
    fill(&db);
    let mut held = Held::of(&db).unwrap();
    let killed = fs.reboot_keeping_all();
    let closed = held.clone();
    db.close().unwrap();
    // What an ephemeral collection had in memory went with the process.
    let last = held.world.tables.get_mut("cache").unwrap().rows.remove(&Key::from(9u64));
    assert!(last.is_some());
    [(fs, closed), (killed, held)]
}

fn run(fs: &SimulatedFs) -> Result<(MemoryFs, SalvageReport)> {
    let target = MemoryFs::new();
    let report = salvage_on(Arc::new(fs.clone()), Arc::new(target.clone()), SalvageOptions::new())?;
    Ok((target, report))
}

/// Opens what was salvaged, for writing, as its next user will.
fn opened(target: &MemoryFs) -> Database {
    let db = options().create(Create::Never).open_on(Arc::new(target.clone())).unwrap();
    check_verifies(&db);
    db
}

/// The records of a store, by collection.
fn records(db: &Database) -> BTreeMap<String, Vec<Record>> {
    let scan = |name: String| {
        let records = db.collection(&name).unwrap().scan().collect::<Result<Vec<Record>>>().unwrap();
        (name, records)
    };
    db.collections().unwrap().into_iter().map(|info| scan(info.name)).collect()
}

fn bytes(fs: &SimulatedFs) -> BTreeMap<String, Vec<u8>> {
    let read = |name: String| {
        let file = fs.open(&name).unwrap();
        let mut bytes = vec![0; file.length().unwrap() as usize];
        file.read_exact_at(&mut bytes, 0).unwrap();
        (name, bytes)
    };
    fs.list().unwrap().into_iter().map(read).collect()
}

/// Whether the sample ever put this record into some collection; a lost blob may have become null.
fn was_put(record: &Record, blobs: &[BlobId]) -> bool {
    let number = match &record.key {
        key if key.as_number().is_some() => key.as_number().unwrap(),
        key => match (key.as_text(), key.as_bytes()) {
            (Some(text), _) => text.strip_prefix("angle ").unwrap().parse().unwrap(),
            (_, Some(bytes)) => u64::from(bytes[0]),
            _ => return false,
        },
    };
    let (value, field) = (number as f32, |name: &str| record.payload.get(name).cloned());
    match (&record.vector, record.key.as_number().is_some()) {
        (Some(Vector::F32(vector)), true) if record.payload == Value::from("replaced") => *vector == [9.0; 4],
        (Some(Vector::F32(vector)), true) => *vector == [value, 1.0, -value, 2.0] && field("n") == Some(number.into()),
        (Some(Vector::F32(vector)), false) => *vector == [1.0, value, 3.0] && record.payload.is_null(),
        (Some(Vector::Bits(bits)), _) => *bits == [number as u8, 0xF0],
        (None, true) => field("cached") == Some(number.into()) || record.payload == Value::from("last"),
        (None, false) => {
            let blob = field("blob");
            blob == Some(Value::Blob(blobs[(number % 2) as usize])) || blob == Some(Value::Null)
        }
    }
}

fn blob_ids() -> Vec<BlobId> {
    let db = Database::in_memory().unwrap();
    contents().into_iter().map(|content| db.put_blob(&content[..]).unwrap()).collect()
}

/// What must hold whatever was damaged: nothing is made up, and what the report does not say is lost is there, as it was.
fn check(what: &str, held: &Held, target: &MemoryFs, report: &SalvageReport) {
    let db = opened(target);
    let (found, blobs) = (records(&db), blob_ids());
    for record in found.values().flatten() {
        assert!(was_put(record, &blobs), "{what}: {record:?} was made up");
    }
    let saved: usize = found.values().map(Vec::len).sum();
    assert_eq!(saved as u64, report.saved(), "{what}: {report}");
    for (name, table) in &held.world.tables {
        let Some(told) = report.collections.iter().find(|told| told.name == *name) else {
            assert!(!report.losses.is_empty(), "{what}: {name} is gone without a word: {report}");
            continue;
        };
        let there: BTreeMap<_, _> = found[name].iter().map(|record| (record.key.clone(), record)).collect();
        let missing = table.rows.keys().filter(|key| !there.contains_key(*key)).count() as u64;
        assert!(missing <= told.lost || !report.losses.is_empty(), "{what}: {missing} of {name} are missing: {report}");
        let back = there.keys().filter(|key| !table.rows.contains_key(*key)).count() as u64;
        assert!(back <= told.may_be_back || !report.losses.is_empty(), "{what}: {back} of {name} are back: {report}");
        if told.is_complete() && report.losses.is_empty() {
            let rows: BTreeMap<_, _> = there.iter().map(|(key, record)| (key.clone(), row(record))).collect();
            assert_eq!(rows, table.rows, "{what}: {name} is said to be complete");
        }
    }
    let content = Held::of(&db).unwrap().blobs;
    assert!(content.iter().all(|(id, content)| held.blobs[id] == *content), "{what}");
    let known = report.losses.is_empty();
    assert!(!known || content.len() + report.blobs_lost.len() == held.blobs.len(), "{what}: {report}");
}

fn row(record: &Record) -> super::support::world::Row {
    super::support::world::Row::of(record)
}

#[test]
fn a_store_without_damage_is_saved_whole() {
    for (fs, held) in samples() {
        let before = (bytes(&fs), fs.calls());
        let (target, report) = run(&fs).unwrap();
        assert!(report.is_complete() && report.notes.is_empty(), "{report}");
        let db = opened(&target);
        assert_eq!(Held::of(&db).unwrap(), held);
        assert!(report.lsn >= held.world.tables["points"].rows[&Key::from(1u64)].lsn.unwrap());
        assert!((bytes(&fs), fs.calls()) == before, "the damaged store was changed");
    }
}

/// Each file flipped in its middle, cut in half, cut by a byte, emptied, and gone.
#[test]
fn any_one_file_may_be_damaged() {
    let tally = Tally::default();
    for (fs, held) in samples() {
        let names = fs.list().unwrap();
        for_each_case(names.len() as u64, |case| {
            let name = &names[case as usize];
            for damage in 0..6 {
                let damaged = fs.reboot_keeping_all();
                let length = damaged.open(name).unwrap().length().unwrap() as usize;
                let what = format!("{name}, damage {damage}");
                match damage {
                    0 if length > 0 => damaged.flip_bits(name, length as u64 / 2, 0x10).unwrap(),
                    1 => damaged.tamper(name, |bytes| bytes.truncate(length / 2)).unwrap(),
                    2 => damaged.tamper(name, |bytes| bytes.truncate(length.saturating_sub(1))).unwrap(),
                    3 => damaged.tamper(name, Vec::clear).unwrap(),
                    4 if length > 0 => damaged.flip_bits(name, 100.min(length as u64 - 1), 0x10).unwrap(),
                    5 => damaged.remove(name).unwrap(),
                    _ => continue,
                }
                let before = (bytes(&damaged), damaged.calls());
                let (target, report) = run(&damaged).unwrap_or_else(|error| panic!("{what}: {error}"));
                check(&what, &held, &target, &report);
                check_loss(&what, name, damage, &report);
                assert!((bytes(&damaged), damaged.calls()) == before, "{what}: the store was changed");
                tally.add(1);
            }
        });
    }
    assert!(tally.total() > 200, "{}", tally.total());
}

/// A loss is no larger than its damage.
fn check_loss(what: &str, name: &str, damage: i32, report: &SalvageReport) {
    let hurt = report.collections.iter().filter(|told| !told.is_complete()).count();
    match name.split('-').next().unwrap() {
        "LOCK" | "RESERVE" | "idx" => assert!(report.is_complete(), "{what}: {report}"),
        // The header and the footer say what the manifest and the table of contents say, too.
        "seg" if damage == 4 || damage == 2 => assert!(report.is_complete(), "{what}: {report}"),
        "del" if damage == 4 || damage == 2 => assert!(report.is_complete(), "{what}: {report}"),
        "blob" if damage == 4 || damage == 2 => assert!(report.is_complete(), "{what}: {report}"),
        "seg" | "del" => {
            assert!(hurt <= 1 && report.losses.is_empty() && report.blobs_lost.is_empty(), "{what}: {report}");
        }
        // The middle of a small file is its header.
        "blob" => assert!(report.blobs_lost.len() <= 1 && report.lost() == 0 && hurt <= 1, "{what}: {report}"),
        "MANIFEST" if damage == 0 || damage == 2 || damage == 4 => assert!(report.is_complete(), "{what}: {report}"),
        "MANIFEST" => assert!(report.lost() == 0, "{what}: {report}"),
        _ => assert_eq!(report.lost(), 0, "{what}: {report}"),
    }
}

#[test]
fn without_any_manifest_every_row_is_saved() {
    for (fs, held) in samples() {
        let damaged = fs.reboot_keeping_all();
        for name in fs.list().unwrap().iter().filter(|name| name.starts_with("MANIFEST-")) {
            damaged.remove(name).unwrap();
        }
        let (target, report) = run(&damaged).unwrap();
        assert!(report.losses.iter().any(|loss| loss.contains("every manifest")), "{report}");
        let db = opened(&target);
        let found: Vec<Record> = records(&db).into_values().flatten().collect();
        for (name, table) in &held.world.tables {
            for (key, row) in &table.rows {
                let same = |it: &&Record| it.key == *key && it.vector == row.vector && it.payload == row.payload;
                assert!(found.iter().find(same).is_some(), "{name} {key:?}: {report}");
            }
        }
        assert_eq!(report.blobs_saved, 2);
        let newest = held.world.tables.values().flat_map(|table| table.rows.values()).filter_map(|row| row.lsn).max();
        assert!(Some(report.lsn) >= newest && db.lsn() >= report.lsn, "{report}");
    }
}

/// A collection whose rows fill many chunks: of each damaged chunk, only its rows are lost.
#[test]
fn of_a_large_segment_only_the_damaged_part_is_lost() {
    let fs = SimulatedFs::new(1);
    let db = Options::new().seed(1).open_on(Arc::new(fs.clone())).unwrap();
    let points = db.create_collection("points", Schema::vector(64, Metric::Cosine)).unwrap();
    let record = |key: u64| Record::new(key).vector(vec![key as f32 + 1.0; 64]).payload(json!({"n": key}));
    points.put_all((0..4_000).map(record)).unwrap();
    db.close().unwrap();
    let name = fs.list().unwrap().into_iter().find(|name| name.starts_with("seg-")).unwrap();
    let whole = bytes(&fs)[&name].clone();
    // The bytes of one vector, as they stand in the file.
    let vector: Vec<u8> = std::iter::repeat_n(2_001f32.to_le_bytes(), 64).flatten().collect();
    let at = whole.windows(256).step_by(1).position(|window| window == vector).unwrap();
    let damaged = fs.reboot_keeping_all();
    damaged.flip_bits(&name, at as u64, 1).unwrap();
    let (target, report) = run(&damaged).unwrap();
    // A chunk of 64 KiB holds 256 of these vectors.
    assert_eq!((report.lost(), report.saved()), (256, 3_744), "{report}");
    assert!(report.collections[0].damage[0].contains("cannot be read"), "{report}");
    let found = records(&opened(&target)).remove("points").unwrap();
    for found in &found {
        let wanted = record(found.key.as_number().unwrap());
        assert_eq!((&found.vector, &found.payload), (&wanted.vector, &wanted.payload));
    }
    let keys: BTreeSet<u64> = found.iter().map(|record| record.key.as_number().unwrap()).collect();
    assert!(!keys.contains(&2_000) && keys.contains(&0) && keys.contains(&3_999));
}

/// Of a log, what stands before and after a damaged group is saved.
#[test]
fn of_a_log_only_the_damaged_group_is_lost() {
    let fs = SimulatedFs::new(1);
    let db = open(&fs).unwrap();
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    for key in 0..20u64 {
        notes.put(Record::new(key).payload(format!("the note of number {key} is here"))).unwrap();
    }
    notes.delete(19u64).unwrap();
    let killed = fs.reboot_keeping_all();
    drop(db);
    let log = killed.list().unwrap().into_iter().find(|name| name.starts_with("wal-")).unwrap();
    let content = bytes(&killed)[&log].clone();
    let at = content.windows(16).position(|window| window == b"number 7 is here").unwrap();
    killed.flip_bits(&log, at as u64, 1).unwrap();
    assert_eq!(open(&killed.reboot_keeping_all()).unwrap_err().kind(), ErrorKind::Corrupt);
    let (target, report) = run(&killed).unwrap();
    let found = records(&opened(&target)).remove("notes").unwrap();
    let keys: Vec<u64> = found.iter().map(|record| record.key.as_number().unwrap()).collect();
    assert_eq!(keys, (0..19).filter(|key| *key != 7).collect::<Vec<_>>());
    assert!(report.losses[0].contains("between LSN 7 and LSN 9"), "{report}");
}

/// A log also holds what was flushed since; there the files know better, and the positions they came to are kept.
#[test]
fn what_is_in_files_is_not_taken_from_the_log() {
    let fs = SimulatedFs::new(1);
    let db = open(&fs).unwrap();
    let [notes, other] = ["notes", "other"].map(|name| db.create_collection(name, Schema::payload_only()).unwrap());
    other.put(Record::new(1u64).payload("what keeps the log")).unwrap();
    notes.put(Record::new(1u64).payload("the first version")).unwrap();
    notes.put(Record::new(1u64).payload("the second version")).unwrap();
    // It flushes the collection, and comes at a position that no log has.
    let mut import = notes.import().unwrap();
    import.put(Record::new(2u64)).unwrap();
    import.finish().unwrap();
    let (lsn, killed, lost) = (db.lsn(), fs.reboot_keeping_all(), fs.reboot_keeping_all());
    drop((notes, other, db));

    let log = killed.list().unwrap().into_iter().find(|name| name.starts_with("wal-")).unwrap();
    let at = bytes(&killed)[&log].windows(18).position(|window| window == b"the second version").unwrap();
    killed.flip_bits(&log, at as u64, 1).unwrap();
    let (target, _) = run(&killed).unwrap();
    let note = opened(&target).collection("notes").unwrap().get(1u64).unwrap().unwrap();
    assert_eq!(note.payload, Value::from("the second version"));

    for segment in lost.list().unwrap().into_iter().filter(|name| name.starts_with("seg-")) {
        lost.remove(&segment).unwrap();
    }
    let (target, report) = run(&lost).unwrap();
    assert_eq!((report.lsn, opened(&target).lsn()), (lsn, lsn));
}

#[test]
fn deletions_that_are_lost_are_told_and_older_versions_give_way() {
    let fs = SimulatedFs::new(1);
    let db = open(&fs).unwrap();
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    notes.put_all((0..10u64).map(|key| Record::new(key).payload("old"))).unwrap();
    db.flush().unwrap();
    notes.put(Record::new(1u64).payload("new")).unwrap();
    notes.delete(2u64).unwrap();
    db.close().unwrap();
    let deletions = fs.list().unwrap().into_iter().find(|name| name.starts_with("del-")).unwrap();
    fs.remove(&deletions).unwrap();
    let (target, report) = run(&fs).unwrap();
    assert_eq!((report.collections[0].may_be_back, report.lost()), (2, 0), "{report}");
    let notes = opened(&target).collection("notes").unwrap();
    assert_eq!(notes.get(1u64).unwrap().unwrap().payload, Value::from("new"));
    assert_eq!(notes.get(2u64).unwrap().unwrap().payload, Value::from("old"), "nobody knows better");
    assert_eq!(notes.count().unwrap(), 10);
}

/// Damage of any size anywhere, several at once.
#[test]
fn three_hundred_random_damages() {
    let samples = samples();
    let (lost, complete) = (Tally::default(), Tally::default());
    for_each_case(300, |case| {
        let (fs, held) = &samples[case as usize % 2];
        let mut random = Random::seeded(case, 77);
        let damaged = fs.reboot_keeping_all();
        let names = fs.list().unwrap();
        for _ in 0..1 + random.below(4) {
            let name = &names[random.below(names.len() as u64) as usize];
            let Ok(length) = damaged.open(name).and_then(|file| file.length()) else { continue };
            let at = random.below(length.max(1)) as usize;
            match random.below(8) {
                0 => damaged.remove(name).unwrap(),
                1 => damaged.tamper(name, |bytes| bytes.truncate(at)).unwrap(),
                2 => damaged.tamper(name, |bytes| bytes.extend([0; 700])).unwrap(),
                3 => damaged
                    .tamper(name, |bytes| {
                        let end = bytes.len().min(at + 512);
                        bytes[at.min(end)..end].fill(0);
                    })
                    .unwrap(),
                4 => {
                    let other = &names[random.below(names.len() as u64) as usize];
                    let Some(content) = bytes(&damaged).get(other).cloned() else { continue };
                    damaged.tamper(name, |bytes| *bytes = content).unwrap();
                }
                _ if length > 0 => damaged.flip_bits(name, at as u64, 1 << random.below(8)).unwrap(),
                _ => {}
            }
        }
        let what = format!("case {case}");
        let (target, report) = run(&damaged).unwrap_or_else(|error| panic!("{what}: {error}"));
        check(&what, held, &target, &report);
        lost.add(u64::from(!report.is_complete()));
        complete.add(u64::from(report.is_complete()));
    });
    println!("{} of 300 damaged stores lost something", lost.total());
    assert!(lost.total() > 100 && complete.total() > 20, "{} {}", lost.total(), complete.total());
}

#[test]
fn what_cannot_be_salvaged_is_refused_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let refused = |from: &str| {
        let error = salvage(at(from), at("new"), SalvageOptions::new()).unwrap_err();
        assert!(!at("new").exists());
        error.kind()
    };
    assert_eq!(refused("none"), ErrorKind::NotFound);
    std::fs::create_dir(at("empty")).unwrap();
    assert_eq!(refused("empty"), ErrorKind::NotFound);
    let db = options().open(at("store")).unwrap();
    fill(&db);
    assert_eq!(refused("store"), ErrorKind::Locked);
    db.close().unwrap();
    for end in 0..5 {
        let token = CancelToken::new();
        let mut told = 0;
        let options = SalvageOptions::new().cancel(&token).progress(|_| {
            told += 1;
            if told > end {
                token.cancel();
            }
        });
        assert_eq!(salvage(at("store"), at("new"), options).unwrap_err().kind(), ErrorKind::Cancelled);
        assert!(!at("new").exists());
    }
    salvage(at("store"), at("new"), SalvageOptions::new()).unwrap();
    assert_eq!(salvage(at("store"), at("new"), SalvageOptions::new()).unwrap_err().kind(), ErrorKind::Exists);
}

/// A manifest is older than the store when it was damaged before the newest could be read: what came later is there all
/// the same, only not in its place.
#[test]
fn an_older_manifest_and_what_came_after_it_are_saved() {
    let fs = SimulatedFs::new(1);
    let db = open(&fs).unwrap();
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    db.create_collection("segment-4", Schema::payload_only()).unwrap();
    notes.put_all((0..5u64).map(Record::new)).unwrap();
    db.flush().unwrap();
    let (older, content) = (manifest(&fs), bytes(&fs)[&manifest(&fs)].clone());
    notes.put_all((5..9u64).map(Record::new)).unwrap();
    notes.delete(0u64).unwrap();
    db.close().unwrap();
    let newest = manifest(&fs);
    fs.tamper(&newest, Vec::clear).unwrap();
    fs.create_new(&older).unwrap().write_at(&content, 0).unwrap();
    let (target, report) = run(&fs).unwrap();
    assert!(report.losses[0].contains(&older), "{report}");
    let found = records(&opened(&target));
    let keys: Vec<u64> = found.values().flatten().map(|record| record.key.as_number().unwrap()).collect();
    assert!((1..9).all(|key| keys.contains(&key)), "{report}");
}

fn manifest(fs: &SimulatedFs) -> String {
    fs.list().unwrap().into_iter().find(|name| name.starts_with("MANIFEST-")).unwrap()
}

/// The first that the log says of a collection may be that a record of a file is gone, which tells nothing of its schema.
#[test]
fn a_collection_whose_log_begins_with_a_deletion_is_saved_without_its_manifest() {
    let fs = SimulatedFs::new(1);
    let db = open(&fs).unwrap();
    let older = (manifest(&fs), bytes(&fs)[&manifest(&fs)].clone());
    let points = db.create_collection("points", Schema::vector(2, Metric::L2)).unwrap();
    points.put(Record::new(0u64).vector([9.0, 9.0])).unwrap();
    db.close().unwrap();
    let db = open(&fs).unwrap();
    let points = db.collection("points").unwrap();
    points.delete(0u64).unwrap();
    points.put_all((1..8u64).map(|key| Record::new(key).vector([key as f32, 1.0]))).unwrap();
    points.delete(7u64).unwrap();
    for keeps_older in [false, true] {
        let killed = fs.reboot_keeping_all();
        killed.remove(&manifest(&killed)).unwrap();
        if keeps_older {
            // And a newest one that nobody can read.
            killed.create_new(&older.0).unwrap().write_at(&older.1, 0).unwrap();
            killed.create_new("MANIFEST-900").unwrap();
        }
        let (target, report) = run(&killed).unwrap();
        let found: Vec<Record> = records(&opened(&target)).into_values().flatten().collect();
        for key in 1..7u64 {
            let same = |it: &&Record| it.key == Key::from(key) && it.vector == Some(Vector::from([key as f32, 1.0]));
            assert!(found.iter().find(same).is_some(), "{key}: {report}");
        }
        assert!(found.len() <= 7 && report.lost() == 0, "{report}");
    }
}

#[test]
fn the_report_is_for_people_and_for_programs() {
    let [(fs, _), _] = samples();
    let blob = fs.list().unwrap().into_iter().find(|name| name.starts_with("blob-")).unwrap();
    fs.remove(&blob).unwrap();
    let (_, report) = run(&fs).unwrap();
    let told = report.to_string();
    assert!(told.starts_with("64 records saved, 0 lost; 1 blob saved, 1 lost\n"), "{told}");
    assert!(told.contains("notes: 14 saved, 8 without a blob") && told.contains("\nlost: blob "), "{told}");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["collections"][3]["blobs_cut"], 8);
    assert_eq!(json["blobs_lost"].as_array().unwrap().len(), 1);
}

/// A sector that the disk does not give is damage like any other, wherever it is.
#[test]
fn any_read_may_fail() {
    let [_, (fs, held)] = samples();
    let reads = {
        let counted = fs.reboot_keeping_all();
        run(&counted).unwrap();
        counted.reads()
    };
    assert!(reads > 50, "{reads}");
    for_each_case(reads, |at_read| {
        let damaged = fs.reboot_keeping_all();
        // The piece, and the same again where it is tried in smaller ones.
        for at_read in at_read..at_read + 4 {
            damaged.inject(Fault::ReadFails { at_read });
        }
        let what = format!("read {at_read}");
        let (target, report) = run(&damaged).unwrap_or_else(|error| panic!("{what}: {error}"));
        check(&what, &held, &target, &report);
    });
}
