//! Whatever byte of whatever file is damaged: a typed error, or the same answers as before. Never a wrong answer, a
//! panic or a hang, and what is not damaged stays readable.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use driftline::fs::{Fault, FileSystem, SimulatedFs};
use driftline::{
    BlobId, Database, Durability, Error, ErrorKind, Maintenance, ManualClock, Metric, Options, Record, RecoveryReport,
    Result, Schema, Timestamp, Value, VerifyLevel, json,
};

use super::support::reading::{blob, read, read_table};
use super::support::threads::{Tally, for_each_case};
use super::support::world::{Table, World};

/// A store, what it holds, and its blobs.
struct Sample {
    fs: SimulatedFs,
    world: World,
    blobs: BTreeMap<BlobId, Vec<u8>>,
    /// For a store that was killed: what it holds without its last group.
    before_last: Option<World>,
}

/// Everything that was read of a damaged store; `None` where an error stood.
struct Found {
    tables: BTreeMap<String, Option<Table>>,
    blobs: BTreeMap<BlobId, Option<Vec<u8>>>,
    report: RecoveryReport,
    clean: bool,
}

fn options() -> Options {
    let clock = Arc::new(ManualClock::new(Timestamp(1_000)));
    let options = Options::new().maintenance(Maintenance::Manual).memory_budget_bytes(1 << 20).index_min_rows(1);
    // Few bytes are set aside, because each is damaged.
    options.clock(clock).seed(7).free_disk_reserve_bytes(64)
}

fn open(fs: &SimulatedFs) -> Result<Database> {
    options().open_on(Arc::new(fs.clone()))
}

/// Collections of every kind, deletions in files, blobs.
fn fill(db: &Database) -> BTreeMap<BlobId, Vec<u8>> {
    let contents = [vec![7; 300], b"a blob".to_vec()];
    let blobs: BTreeMap<_, _> =
        contents.into_iter().map(|content| (db.put_blob(&content[..]).unwrap(), content)).collect();
    let named = *blobs.keys().next().expect("a blob");
    let indexed = |schema: Schema, index: &str| schema.index(index.parse().unwrap());
    let points = indexed(Schema::vector(4, Metric::L2), "lsh(tables=1)");
    let points = db.create_collection("points", points).unwrap();
    let angles = indexed(Schema::vector(3, Metric::Cosine).model("m@1"), "hnsw(layout=fused)");
    let angles = db.create_collection("angles", angles).unwrap();
    let codes = indexed(Schema::bits(16), "hnsw(m=4, layout=compact)");
    let codes = db.create_collection("codes", codes).unwrap();
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    for number in 0..6u64 {
        let value = number as f32;
        let record = Record::new(number).payload(json!({"n": number, "text": "some words"}));
        points.put(record.vector([value, 1.0, -value, 2.0]).expires_at(Timestamp(10_000_000 + number as i64))).unwrap();
        angles.put(Record::new(format!("angle {number}")).vector([1.0, value, 3.0])).unwrap();
        codes.put(Record::new(number).vector(driftline::Vector::Bits(vec![number as u8, 0xF0]))).unwrap();
        let blob = Value::object([("blob", Value::Blob(named))]);
        notes.put(Record::new(vec![number as u8]).payload(blob)).unwrap();
    }
    db.flush().unwrap();
    for collection in [&points, &angles, &codes] {
        assert!(collection.wait_indexed(Duration::MAX).unwrap());
    }
    let indexes: Vec<_> = db.stats().unwrap().collections.into_iter().flat_map(|it| it.indexes).collect();
    let laid_out: Vec<_> = indexes.iter().filter_map(|index| index.layout).collect();
    assert_eq!((indexes.len(), &*laid_out), (3, &["fused", "compact"][..]), "an index of each kind: {indexes:?}");
    points.delete(2u64).unwrap();
    notes.delete(vec![3u8]).unwrap();
    blobs
}

fn closed_store() -> Sample {
    let fs = SimulatedFs::new(1);
    let db = open(&fs).unwrap();
    let blobs = fill(&db);
    let world = read(&db).unwrap();
    db.close().unwrap();
    Sample { fs, world, blobs, before_last: None }
}

/// A store whose process was killed: beside its files there is a log, synced but for what is said to be the last group.
fn killed_store() -> Sample {
    killed_store_of(7)
}

fn killed_store_of(seed: u64) -> Sample {
    let fs = SimulatedFs::new(1);
    let db = options().seed(seed).open_on(Arc::new(fs.clone())).unwrap();
    let blobs = fill(&db);
    let points = db.collection("points").unwrap();
    for number in 10..16u64 {
        points.put(Record::new(number).vector([1.0, 1.0, 1.0, number as f32])).unwrap();
    }
    let before_last = Some(read(&db).unwrap());
    let last = Record::new(99u64).vector([9.0, 9.0, 9.0, 9.0]).payload("the last");
    let notes = db.collection("notes").unwrap();
    db.batch().put(&points, last).delete(&notes, vec![0u8]).durability(Durability::Commit).commit().unwrap();
    let world = read(&db).unwrap();
    let fs = fs.reboot_keeping_all();
    drop(db);
    Sample { fs, world, blobs, before_last }
}

impl Sample {
    fn names(&self) -> Vec<String> {
        self.fs.list().unwrap()
    }

    fn length(&self, name: &str) -> u64 {
        self.fs.open(name).unwrap().length().unwrap()
    }

    /// Opens a damaged copy of the store and checks all that can be read. Tells whether it opened.
    fn check(&self, damaged: &SimulatedFs, what: &str) -> Option<Found> {
        let case = Case(what);
        let found = look(damaged);
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                assert_typed(&error);
                return None;
            }
        };
        for (id, content) in &found.blobs {
            assert!(content.as_ref().is_none_or(|content| *content == self.blobs[id]), "blob {id} has another content");
        }
        let lost_the_last = found.report.discarded_bytes > 0 && !matches(&self.world, &found);
        let expected = match &self.before_last {
            Some(before) if lost_the_last => {
                assert!(found.report.discarded_why.is_some(), "a group was lost and nobody says why");
                before
            }
            _ => &self.world,
        };
        assert_eq!(found.tables.keys().collect::<Vec<_>>(), expected.tables.keys().collect::<Vec<_>>());
        for (name, table) in found.tables.iter().filter_map(|(name, table)| Some((name, table.as_ref()?))) {
            let only = |table: &Table| World { tables: BTreeMap::from([(name.clone(), table.clone())]) };
            let difference = only(&expected.tables[name]).difference(&only(table), Timestamp(1_000));
            assert_eq!(difference, None);
        }
        drop(case);
        Some(found)
    }
}

/// Says which damage it was when the check panics.
struct Case<'a>(&'a str);

impl Drop for Case<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the damage: {}", self.0);
        }
    }
}

fn matches(world: &World, found: &Found) -> bool {
    found.tables.iter().all(|(name, table)| match (table, world.tables.get(name)) {
        (Some(table), Some(expected)) => table == expected,
        (table, expected) => table.is_none() && expected.is_some(),
    })
}

#[track_caller]
fn assert_typed(error: &Error) {
    assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Version), "{error:?}");
    let message = error.to_string();
    assert!(error.place().is_some() && error.remedy().is_some(), "an error without place or remedy: {message}");
}

fn noted<T>(error: Error) -> Option<T> {
    assert_typed(&error);
    None
}

/// Opens a store and reads everything in it, noting errors.
fn look(fs: &SimulatedFs) -> Result<Found> {
    let db = open(fs)?;
    let mut tables = BTreeMap::new();
    for info in db.collections()? {
        let table = db.collection(&info.name).and_then(|collection| read_table(&collection, &info.schema));
        tables.insert(info.name, table.map_or_else(noted, Some));
    }
    let blobs = SAMPLE_BLOBS.with(Clone::clone);
    let blobs = blobs.into_iter().map(|id| (id, blob(&db, id).map_or_else(noted, Some))).collect();
    let clean = db.verify(VerifyLevel::Full)?.is_clean();
    Ok(Found { tables, blobs, report: db.recovery_report().clone(), clean })
}

thread_local! {
    /// The blobs of the samples, which are the same in all of them.
    static SAMPLE_BLOBS: Vec<BlobId> = closed_store().blobs.into_keys().collect();
}

fn content(fs: &SimulatedFs, name: &str) -> Vec<u8> {
    let file = fs.open(name).unwrap();
    let mut bytes = vec![0; file.length().unwrap() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

fn is_of(name: &str, kinds: &[&str]) -> bool {
    kinds.iter().any(|kind| name.starts_with(kind))
}

/// Flips a byte of `name` in the three ways, as far as they change it.
fn flips(sample: &Sample, name: &str, at: u64, mut check: impl FnMut(&SimulatedFs, &str)) {
    let mut byte = [0];
    sample.fs.open(name).unwrap().read_exact_at(&mut byte, at).unwrap();
    let [byte] = byte;
    let masks = [1, 0xFF, byte];
    for mask in masks.into_iter().filter(|mask| *mask != 0) {
        let damaged = sample.fs.reboot_keeping_all();
        damaged.flip_bits(name, at, mask).unwrap();
        check(&damaged, &format!("byte {at} of {name}, {byte:#04x} xor {mask:#04x}"));
    }
}

/// How far apart the places are that are tried where only a sample is: next to each other with `DRIFTLINE_EVERY_BYTE=1`.
fn apart(usually: usize) -> usize {
    if std::env::var_os("DRIFTLINE_EVERY_BYTE").is_some() { 1 } else { usually }
}

#[test]
fn every_byte_of_a_closed_store_may_flip() {
    let sample = closed_store();
    let names = sample.names();
    for kind in ["LOCK", "RESERVE", "MANIFEST-", "seg-", "del-", "idx-", "blob-"] {
        assert!(names.iter().any(|name| name.starts_with(kind)), "no {kind} in {names:?}");
    }
    let bytes: Vec<(&str, u64)> =
        names.iter().flat_map(|name| (0..sample.length(name)).map(move |at| (&**name, at))).collect();
    let (flipped, refused, same) = (Tally::default(), Tally::default(), Tally::default());
    for_each_case(bytes.len().div_ceil(64) as u64, |chunk| {
        let from = chunk as usize * 64;
        for (name, at) in &bytes[from..bytes.len().min(from + 64)] {
            flips(&sample, name, *at, |damaged, what| {
                flipped.add(1);
                let found = sample.check(damaged, what);
                match &found {
                    Some(found) if found.tables.values().all(Option::is_some) => same.add(1),
                    _ => refused.add(1),
                }
                // One damaged file makes at most its own collection unusable, and no byte of it escapes verify.
                if is_of(name, &["seg-", "del-", "idx-", "blob-"]) {
                    let found = found.unwrap_or_else(|| panic!("{what}: the store does not open"));
                    let most = usize::from(!name.starts_with("idx-"));
                    let unusable = found.tables.values().filter(|table| table.is_none()).count();
                    assert!(unusable <= most, "{what}: {unusable} collections are unusable");
                    assert!(!found.clean, "{what}: verify finds nothing");
                }
            });
        }
    });
    println!(
        "{} flips of {} bytes: {} refused, {} harmless",
        flipped.total(),
        bytes.len(),
        refused.total(),
        same.total()
    );
}

#[test]
fn every_byte_of_a_killed_store_may_flip() {
    let sample = killed_store();
    let names = sample.names();
    let log = names.iter().find(|name| name.starts_with("wal-")).expect("a killed store has a log").clone();
    assert!(open(&sample.fs.reboot_keeping_all()).unwrap().recovery_report().batches > 5);
    // Of the log all that was written and some around it; of the zeros beyond, and of the other files, which are tried
    // above, a sample.
    let content = content(&sample.fs, &log);
    let near_something =
        |at: usize| content[at.saturating_sub(16)..content.len().min(at + 16)].iter().any(|byte| *byte != 0);
    let places = (0..content.len()).filter(|at| near_something(*at) || at % apart(4099) == 0);
    let mut bytes: Vec<(&str, u64)> = places.map(|at| (&*log, at as u64)).collect();
    for name in names.iter().filter(|name| **name != log) {
        bytes.extend((0..sample.length(name)).step_by(apart(41)).map(|at| (&**name, at)));
    }
    let (flipped, cost) = (Tally::default(), Tally::default());
    for_each_case(bytes.len().div_ceil(64) as u64, |chunk| {
        let from = chunk as usize * 64;
        for (name, at) in &bytes[from..bytes.len().min(from + 64)] {
            flips(&sample, name, *at, |damaged, what| {
                flipped.add(1);
                if let Some(found) = sample.check(damaged, what) {
                    cost.add(u64::from(!matches(&sample.world, &found)));
                }
            });
        }
    });
    println!("{} flips; {} of them cost the last group", flipped.total(), cost.total());
    assert!(cost.total() > 0, "no flip met the last group");
}

/// Every length that a file of the sample may be cut to; of its log, the lengths near something and some of the others.
fn lengths(sample: &Sample, name: &str) -> Vec<usize> {
    let length = sample.length(name) as usize;
    if !name.starts_with("wal-") {
        return (0..length).collect();
    }
    let content = content(&sample.fs, name);
    let near = |at: &usize| content[at.saturating_sub(8)..length.min(at + 8)].iter().any(|byte| *byte != 0);
    (0..length).filter(|at| near(at) || at % apart(4099) == 0).collect()
}

#[test]
fn every_file_may_be_cut_to_any_length() {
    let tally = Tally::default();
    for sample in [closed_store(), killed_store()] {
        let names = sample.names();
        // The files that both have are cut in the closed store; the killed one has a log.
        let names = names.iter().filter(|name| sample.before_last.is_none() || is_of(name, &["wal-", "MANIFEST-"]));
        let cuts: Vec<(&str, usize)> =
            names.flat_map(|name| lengths(&sample, name).into_iter().map(move |length| (&**name, length))).collect();
        for_each_case(cuts.len() as u64, |number| {
            let (name, length) = cuts[number as usize];
            let damaged = sample.fs.reboot_keeping_all();
            damaged.tamper(name, |bytes| bytes.truncate(length)).unwrap();
            let found = sample.check(&damaged, &format!("{name} cut to {length} bytes"));
            let noticed = found.is_none_or(|found| !found.clean);
            assert!(noticed || !is_of(name, &["seg-", "del-", "idx-", "blob-"]), "{name} may be cut to {length} bytes");
            tally.add(1);
        });
    }
    println!("{} files cut short", tally.total());
}

#[test]
fn every_file_may_be_longer_or_gone() {
    for sample in [closed_store(), killed_store()] {
        for name in sample.names() {
            for more in [1, 64, 4096] {
                let damaged = sample.fs.reboot_keeping_all();
                damaged.tamper(&name, |bytes| bytes.resize(bytes.len() + more, 0)).unwrap();
                sample.check(&damaged, &format!("{name} with {more} zeros behind it"));
            }
            let damaged = sample.fs.reboot_keeping_all();
            damaged.remove(&name).unwrap();
            let found = sample.check(&damaged, &format!("{name} gone"));
            assert!(
                found.is_some() || !is_of(&name, &["seg-", "del-", "idx-", "blob-", "LOCK", "RESERVE"]),
                "without {name} nothing opens"
            );
            let index_only = found.filter(|_| name.starts_with("idx-"));
            assert!(index_only.is_none_or(|found| {
                found.tables.values().all(Option::is_some) && !found.report.damaged_indexes.is_empty()
            }));
        }
    }
}

/// What a disk moves when it errs: sectors and pages.
const BLOCKS: [usize; 2] = [512, 4096];

#[test]
fn blocks_that_changed_places_within_a_file_are_told_apart() {
    let tally = Tally::default();
    for sample in [closed_store(), killed_store()] {
        let names = sample.names();
        for_each_case(names.len() as u64, |number| {
            let name = &names[number as usize];
            let content = content(&sample.fs, name);
            for block in BLOCKS {
                for (one, other) in swaps(&content, block) {
                    let damaged = sample.fs.reboot_keeping_all();
                    let swap = |bytes: &mut Vec<u8>| (0..block).for_each(|at| bytes.swap(one + at, other + at));
                    damaged.tamper(name, swap).unwrap();
                    let what = format!("{block} bytes at {one} and at {other} of {name} in each other's place");
                    let found = sample.check(&damaged, &what);
                    let noticed = found.is_none_or(|found| !found.clean);
                    assert!(noticed || !is_of(name, &["seg-", "del-", "idx-", "blob-"]), "{what}: nobody notices");
                    tally.add(1);
                }
            }
        });
    }
    println!("{} pairs of blocks changed places", tally.total());
    assert!(tally.total() > 100, "{} pairs", tally.total());
}

/// Pairs of blocks that hold different things, one of them something: neighbours, and those further apart.
fn swaps(content: &[u8], block: usize) -> Vec<(usize, usize)> {
    let whole = content.len() / block;
    let at = |number: usize| &content[number * block..(number + 1) * block];
    let used: Vec<usize> = (0..whole).filter(|number| at(*number).iter().any(|byte| *byte != 0)).collect();
    let other = |number: usize| [1, 3, 8].into_iter().map(move |apart| (number, (number + apart) % whole));
    let pairs = used.iter().flat_map(|number| other(*number)).filter(|(one, other)| at(*one) != at(*other));
    pairs.map(|(one, other)| (one * block, other * block)).collect()
}

/// A disk that reads from the wrong place, once, at any of the reads of opening, reading and verifying a store.
#[test]
fn reads_from_the_wrong_place_are_told_apart() {
    let (tally, noticed) = (Tally::default(), Tally::default());
    for sample in [closed_store(), killed_store()] {
        let whole = sample.fs.reboot_keeping_all();
        look(&whole).unwrap();
        for_each_case(whole.reads(), |at_read| {
            for seed in 0..4 {
                let fs = sample.fs.reboot_keeping_all();
                fs.inject(Fault::ReadMisdirected { at_read, seed: at_read * 4 + seed });
                let found = sample.check(&fs, &format!("read {at_read} misdirected as {seed} has it"));
                tally.add(1);
                noticed.add(u64::from(found.is_none_or(|found| found.tables.values().any(Option::is_none))));
            }
        });
    }
    println!("{} misdirected reads, {} of them noticed", tally.total(), noticed.total());
    assert!(noticed.total() > 0, "no misdirected read was noticed");
}

#[test]
fn files_that_changed_places_are_told_apart() {
    for sample in [closed_store(), killed_store()] {
        let names = sample.names();
        for one in &names {
            for other in names.iter().filter(|other| *other > one && *other != "LOCK" && one != "LOCK") {
                let damaged = sample.fs.reboot_keeping_all();
                damaged.tamper(one, |bytes| *bytes = content(&sample.fs, other)).unwrap();
                damaged.tamper(other, |bytes| *bytes = content(&sample.fs, one)).unwrap();
                let found = sample.check(&damaged, &format!("{one} and {other} in each other's place"));
                assert!(found.is_none_or(|found| !found.clean), "{one} and {other} changed places unnoticed");
            }
        }
    }
}

/// A file of the same name from another store, or from an earlier time of this one, is not taken for ours.
#[test]
fn files_of_another_store_are_refused() {
    let sample = closed_store();
    let other = SimulatedFs::new(1);
    let db = options().seed(8).open_on(Arc::new(other.clone())).unwrap();
    fill(&db);
    db.close().unwrap();
    for name in sample.names().iter().filter(|name| is_of(name, &["seg-", "del-", "idx-", "blob-"])) {
        // In the place of the file of that name, and of any other of its kind.
        let kind = &name[..4];
        let names = other.list().unwrap().into_iter().filter(|foreign| foreign.starts_with(kind));
        for foreign in names {
            let damaged = sample.fs.reboot_keeping_all();
            damaged.tamper(name, |bytes| *bytes = content(&other, &foreign)).unwrap();
            let what = format!("{foreign} of another store in the place of {name}");
            let found = sample.check(&damaged, &what).expect("the store opens");
            assert!(!found.clean, "{what} was taken for ours");
        }
    }
}

#[test]
fn a_log_or_a_manifest_of_another_store_is_refused() {
    let (sample, other) = (killed_store(), killed_store_of(8));
    for name in sample.names().iter().filter(|name| is_of(name, &["wal-", "MANIFEST-"])) {
        let damaged = sample.fs.reboot_keeping_all();
        damaged.tamper(name, |bytes| *bytes = content(&other.fs, name)).unwrap();
        let what = format!("{name} of another store");
        let found = sample.check(&damaged, &what);
        assert!(found.is_none_or(|found| !found.clean), "{what} was taken for ours");
    }
}

/// A store that opens for reading only changes nothing on the disk, damaged or not.
#[test]
fn reading_only_repairs_and_removes_nothing() {
    for sample in [closed_store(), killed_store()] {
        for name in sample.names() {
            let damaged = sample.fs.reboot_keeping_all();
            let middle = sample.length(&name) / 3;
            if sample.length(&name) > 0 {
                damaged.flip_bits(&name, middle, 0xFF).unwrap();
            }
            let opened = options().open_read_only_on(Arc::new(damaged.clone()));
            let outcome = opened.and_then(|db| read(&db).map(drop));
            outcome.unwrap_or_else(|error| assert_typed(&error));
            assert_eq!((damaged.calls(), damaged.list().unwrap()), (0, sample.names()));
        }
    }
}

/// Which of many records at one distance are the nearest is decided by their keys: one that cannot be read may not
/// simply lose.
#[test]
fn a_tie_that_a_damaged_key_would_decide_is_right_or_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let db = Database::open(&path).unwrap();
    let points = db.create_collection("points", Schema::vector(1, Metric::L2)).unwrap();
    // An odd multiplier walks through all keys, out of order.
    let keys = (0..20_000u64).map(|place| place * 7_919 % 20_000);
    points.put_all(keys.map(|key| Record::new(key).vector([1.0]))).unwrap();
    db.close().unwrap();
    let names = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
    let segment =
        names.into_iter().find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("seg-")).unwrap();
    let whole = std::fs::read(&segment).unwrap();
    let (mut refused, mut right) = (0, 0);
    for at in (4096..whole.len()).step_by(64 << 10).map(|chunk| chunk + 77).filter(|at| *at < whole.len()) {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        std::fs::write(&segment, damaged).unwrap();
        let answer = Database::open(&path).and_then(|db| db.collection("points")?.query().nearest([0.0]).k(3).run());
        match answer {
            Ok(hits) => {
                assert!(hits.keys().eq([&0u64.into(), &1u64.into(), &2u64.into()]), "byte {at}: {:?}", hits.hits);
                right += 1;
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "byte {at}: {error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0 && right > 0, "{refused} refused, {right} right");
}
