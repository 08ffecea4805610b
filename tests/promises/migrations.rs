//! Migrating copies all of a store, or nothing.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use driftline::fs::MemoryFs;
use driftline::{
    CancelToken, Create, Database, ErrorKind, ManualClock, MigrateOptions, Record, RescuePhase, Schema, Timestamp,
    VerifyLevel, migrate, migrate_on,
};

use super::support::reading::check_verifies;
use super::support::sample::{Held, fill, options};

fn held(path: &Path) -> Held {
    let db = options().create(Create::Never).open(path).unwrap();
    check_verifies(&db);
    Held::of(&db).unwrap()
}

/// The store at `path` as a killed process leaves it, with some of it in its log; copied file by file.
fn kill(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn a_store_is_the_same_after_migrating() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let db = options().open(at("store")).unwrap();
    fill(&db);
    let (expected, lsn) = (Held::of(&db).unwrap(), db.lsn());
    kill(&at("store"), &at("killed"));
    db.close().unwrap();
    let mut phases = Vec::new();
    let report = migrate(at("store"), at("new"), MigrateOptions::new().progress(|it| phases.push(it.phase))).unwrap();
    assert_eq!((report.lsn, report.blobs, report.collections), (lsn, 2, 5));
    assert_eq!(phases.last(), Some(&RescuePhase::Verifying));
    assert_eq!(held(&at("new")), expected);

    // What is in the log only comes along; what an ephemeral collection had in memory was never there.
    migrate(at("killed"), at("new from killed"), MigrateOptions::new()).unwrap();
    let mut found = held(&at("new from killed"));
    found.world.tables.insert("cache".into(), expected.world.tables["cache"].clone());
    assert_eq!(found, expected);
}

#[test]
fn a_migrated_store_is_another_one_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let db = options().open(at("store")).unwrap();
    fill(&db);
    // The last position is that of a batch of which no row is left.
    let angles = db.collection("angles").unwrap();
    angles.put(Record::new("gone").vector([1.0, 2.0, 3.0])).unwrap();
    assert!(angles.delete("gone").unwrap());
    drop(angles);
    let lsn = db.lsn();
    db.close().unwrap();
    migrate(at("store"), at("new"), MigrateOptions::new()).unwrap();
    let manifest = |name: &str| {
        let paths = fs::read_dir(at(name)).unwrap().map(|entry| entry.unwrap().path());
        fs::read(paths.into_iter().find(|path| path.to_str().unwrap().contains("MANIFEST")).unwrap()).unwrap()
    };
    let identity = 40..56;
    assert_ne!(manifest("store")[identity.clone()], manifest("new")[identity]);
    let db = options().open(at("new")).unwrap();
    assert_eq!(db.lsn(), lsn);
    let angles = db.collection("angles").unwrap();
    assert!(angles.wait_indexed(Duration::MAX).unwrap());
    assert!(db.stats().unwrap().collections.iter().any(|it| it.name == "angles" && it.indexed_rows > 0));
    let commit = angles.put(Record::new("more").vector([1.0, 2.0, 3.0])).unwrap();
    assert!(commit.lsn > lsn);
    db.close().unwrap();
    held(&at("new"));
}

#[test]
fn a_clock_set_back_revives_nothing_in_a_migrated_store() {
    let (from, into) = (MemoryFs::new(), MemoryFs::new());
    let clock = Arc::new(ManualClock::new(Timestamp(1_000_000)));
    let open = |fs: &MemoryFs| options().clock(clock.clone()).open_on(Arc::new(fs.clone())).unwrap();
    let db = open(&from);
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    notes.put(Record::new("expired").expires_in(Duration::from_secs(1))).unwrap();
    notes.put(Record::new("there")).unwrap();
    clock.advance(Duration::from_secs(2));
    // Of the time that it is no row tells.
    notes.put(Record::new("late")).unwrap();
    assert!(notes.delete("late").unwrap());
    drop(notes);
    db.close().unwrap();
    migrate_on(Arc::new(from), Arc::new(into.clone()), MigrateOptions::new()).unwrap();
    clock.set(Timestamp(1_000_000));
    let notes = open(&into).collection("notes").unwrap();
    assert!(notes.get("expired").unwrap().is_none() && notes.get("there").unwrap().is_some());
}

#[test]
fn any_damage_is_refused_and_nothing_stays() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let db = options().open(at("store")).unwrap();
    fill(&db);
    kill(&at("store"), &at("killed"));
    db.close().unwrap();
    for store in ["store", "killed"] {
        for entry in fs::read_dir(at(store)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let whole = fs::read(&path).unwrap();
            let places: Vec<usize> = match &*name {
                "LOCK" | "RESERVE" => continue,
                // An index follows from the rows, and one copy of the manifest from the other.
                name if name.starts_with("idx-") || name.starts_with("MANIFEST-") => continue,
                name if name.starts_with("wal-") => vec![4_100],
                // Also what no row is copied from, such as filters of keys.
                _ => (4_096..whole.len()).step_by(1_021).collect(),
            };
            for place in places {
                let mut damaged = whole.clone();
                damaged[place] ^= 0xFF;
                fs::write(&path, damaged).unwrap();
                let error = migrate(at(store), at("new"), MigrateOptions::new()).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{name} at {place}: {error}");
                assert!(!at("new").exists(), "{name} at {place}");
            }
            fs::write(&path, whole).unwrap();
        }
    }
    migrate(at("killed"), at("new"), MigrateOptions::new()).unwrap();
}

#[test]
fn another_format_is_refused_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let db = Database::open(at("store")).unwrap();
    db.create_collection("notes", Schema::payload_only()).unwrap();
    db.close().unwrap();
    let paths = fs::read_dir(at("store")).unwrap().map(|entry| entry.unwrap().path());
    let manifest = paths.into_iter().find(|path| path.to_str().unwrap().contains("MANIFEST-")).unwrap();
    let mut bytes = fs::read(&manifest).unwrap();
    // Both copies, as the next major version would write them: its number, and the checksum that covers it.
    let length = u32::from_le_bytes(bytes[24..28].try_into().unwrap()) as usize;
    for at in [0, (32 + length).next_multiple_of(4096)] {
        bytes[at + 8] = 2;
        let crc = crc32(&[&bytes[at..at + 28], &bytes[at + 32..at + 32 + length]].concat());
        bytes[at + 28..at + 32].copy_from_slice(&crc.to_le_bytes());
    }
    fs::write(&manifest, bytes).unwrap();
    let error = migrate(at("store"), at("new"), MigrateOptions::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Version, "{error}");
    assert!(error.remedy().is_some() && !at("new").exists());
}

/// The checksum of FORMAT.md, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[test]
fn a_cancelled_migration_leaves_nothing_and_a_taken_place_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let db = options().open(at("store")).unwrap();
    fill(&db);
    assert_eq!(migrate(at("store"), at("new"), MigrateOptions::new()).unwrap_err().kind(), ErrorKind::Locked);
    db.close().unwrap();
    for end in 0..4 {
        let token = CancelToken::new();
        let mut told = 0;
        let options = MigrateOptions::new().cancel(&token).progress(|_| {
            told += 1;
            if told > end {
                token.cancel();
            }
        });
        assert_eq!(migrate(at("store"), at("new"), options).unwrap_err().kind(), ErrorKind::Cancelled);
        assert!(!at("new").exists());
    }
    let taken = migrate(at("store"), dir.path(), MigrateOptions::new()).unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::Exists);
    assert_eq!(migrate(at("none"), at("new"), MigrateOptions::new()).unwrap_err().kind(), ErrorKind::NotFound);
    let db = options().open(at("store")).unwrap();
    assert!(db.verify(VerifyLevel::Full).unwrap().is_clean());
}
