//! What registries are asked in other words is the same here.

use std::io::{Read, repeat};

use driftline::mlops::{Change, Mode, NewVersion, PRODUCTION};
use driftline::{Database, ErrorKind};

fn by_kim() -> Change {
    Change::by("kim")
}

#[test]
fn save_and_register_promote_and_activate_are_the_same() {
    let db = Database::in_memory().unwrap();
    let model = db.model("ranker").unwrap();
    let error = model.load_active().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("no version of `ranker` is in production"), "{error}");

    let saved = model.save(NewVersion::new("1.0.0").metric("accuracy", 0.9), &b"the first"[..]).unwrap();
    assert_eq!(model.register(NewVersion::new("1.0.0"), &b"the first"[..]).unwrap(), saved);
    let error = model.save(NewVersion::new("1.0.0"), &b"another"[..]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exists);
    model.register(NewVersion::new("1.1.0"), &b"the second"[..]).unwrap();

    model.promote_to_production("1.0.0", by_kim()).unwrap();
    let training = db.modes().enter(Mode::Training, by_kim()).unwrap();
    let active = model.activate("1.1.0", by_kim()).unwrap();
    drop(training);
    assert_eq!(model.alias(PRODUCTION).unwrap().as_ref(), Some(&active));
    assert_eq!(model.production().unwrap().unwrap().version(), "1.1.0");
    let read = |mut artifact: driftline::mlops::ArtifactReader| artifact.read_all(1 << 10).unwrap();
    assert_eq!(read(model.load_active().unwrap()), b"the second");
    model.rollback(PRODUCTION, by_kim()).unwrap();
    assert_eq!(read(model.load_active().unwrap()), b"the first");
    let kinds: Vec<String> = model.history(PRODUCTION).unwrap().iter().map(|it| format!("{:?}", it.kind)).collect();
    assert_eq!(kinds, ["Set", "Set", "Rollback"]);
}

#[test]
fn an_artifact_that_is_not_checked_first_is_checked_piece_by_piece() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.drift");
    let db = Database::open(&path).unwrap();
    db.model("ranker").unwrap().register(NewVersion::new("1"), repeat(7).take(1 << 20)).unwrap();
    let unverified = |db: &Database| {
        let mut artifact = db.model("ranker").unwrap().load_unverified("1").unwrap();
        let mut bytes = Vec::new();
        let done = artifact.read_to_end(&mut bytes);
        assert!(bytes.iter().all(|byte| *byte == 7), "what is given out was checked");
        done.map(|_| bytes.len()).map_err(|error| error.to_string())
    };
    assert_eq!(unverified(&db), Ok(1 << 20));
    db.close().unwrap();
    let blob = std::fs::read_dir(&path).unwrap().map(|it| it.unwrap().path());
    let blob = blob.into_iter().find(|it| it.file_name().unwrap().to_string_lossy().starts_with("blob-")).unwrap();
    let mut bytes = std::fs::read(&blob).unwrap();
    let place = bytes.len() - (1 << 18);
    bytes[place] ^= 1;
    std::fs::write(&blob, bytes).unwrap();
    let why = unverified(&Database::open(&path).unwrap()).unwrap_err();
    assert!(why.contains("blob-"), "{why}");
}

#[test]
fn a_version_that_is_misspelt_is_told_which_was_meant() {
    let db = Database::in_memory().unwrap();
    let model = db.model("ranker").unwrap();
    for version in ["1.0.0", "train-20241221-143022"] {
        model.register(NewVersion::new(version), version.as_bytes()).unwrap();
    }
    let told = |version: &str| model.version(version).unwrap_err().to_string();
    assert!(told("1.0.O").contains("did you mean `1.0.0`?"), "{}", told("1.0.O"));
    assert!(told("nothing like it").contains("name one of: train-20241221-143022, 1.0.0"));
    assert!(db.model("other").unwrap().version("1").unwrap_err().to_string().contains("the model has no versions"));
}
