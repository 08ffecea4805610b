//! Versions of models never change, aliases move whole or not at all, and what serves is what was registered.

use std::io::{Read, repeat};
use std::time::Duration;

use driftline::fs::{Fault, SimulatedFs};
use driftline::mlops::{Bound, Change, Mode, Model, ModelVersion, MoveKind, NewVersion, PRODUCTION, PromotionGate};
use driftline::{Database, Error, ErrorKind, Maintenance, ManualClock, Options, Result, Timestamp, json};
use std::sync::Arc;

fn store() -> (Database, Arc<ManualClock>) {
    // 2024-12-21 14:30:22 UTC.
    let clock = Arc::new(ManualClock::new(Timestamp(1_734_791_422_000_000)));
    (Options::new().clock(clock.clone()).in_memory().unwrap(), clock)
}

fn register(model: &Model, version: &str, accuracy: f64) -> ModelVersion {
    let new = NewVersion::new(version).metric("accuracy", accuracy);
    model.register(new, version.as_bytes()).unwrap()
}

fn by_kim() -> Change {
    Change::by("kim")
}

/// Promotes as often as is wanted: the first promotion brings inference mode.
fn promote(db: &Database, model: &Model, versions: &[&str]) {
    let _training = db.modes().enter(Mode::Training, by_kim()).unwrap();
    versions.iter().for_each(|version| drop(model.promote_to_production(version, by_kim()).unwrap()));
}

fn serving(model: &Model) -> Option<String> {
    model.production().unwrap().map(|it| it.version().to_owned())
}

#[test]
fn a_version_is_registered_once_and_comes_back_as_it_was() {
    let (db, _) = store();
    let model = db.model("ranker").unwrap();
    let new = || {
        NewVersion::new("1.0.0")
            .metric("loss", 0.5)
            .config(json!({"hidden_size": 256}))
            .training_info(json!({"epochs": 50}))
            .file_path("./models/model_v1.0.0.pth")
            .format("pytorch")
            .description("the first")
            .tag("stable")
            .actor("kim")
    };
    let registered = model.register(new(), &b"weights"[..]).unwrap();
    assert_eq!(model.version("1.0.0").unwrap(), registered);
    assert_eq!((registered.file_size, registered.created_at), (7, Timestamp(1_734_791_422_000_000)));
    assert_eq!(model.register(new(), &b"weights"[..]).unwrap(), registered, "the same artifact is no second version");
    assert_eq!(model.register(new(), &b"others"[..]).unwrap_err().kind(), ErrorKind::Exists);
    assert_eq!(model.list().unwrap().len(), 1);
    assert_eq!(model.load("1.0.0").unwrap().read_all(100).unwrap(), b"weights");
    assert_eq!(model.load("1.0.0").unwrap().read_all(6).unwrap_err().kind(), ErrorKind::Invalid);

    let missing = model.version("1.0.1").unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert!(missing.to_string().contains("1.0.0"), "{missing}");
    for bad in [NewVersion::new(""), NewVersion::new("2").metric("x", f64::NAN), NewVersion::new("2").tag(" ")] {
        assert_eq!(model.register(bad, &b""[..]).unwrap_err().kind(), ErrorKind::Invalid);
    }
    assert_eq!(db.model("a@b").unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(db.models().unwrap(), ["ranker"]);
}

#[test]
fn equal_artifacts_are_stored_once_and_kept_while_a_version_names_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.drift");
    let db = Database::open(&path).unwrap();
    let bytes = || repeat(7).take(1 << 20);
    for name in ["a", "b"] {
        let model = db.model(name).unwrap();
        for version in ["1", "2"] {
            model.register(NewVersion::new(version), bytes()).unwrap();
        }
    }
    db.close().unwrap();
    let db = Database::open(&path).unwrap();
    db.collections().unwrap().iter().for_each(|it| db.collection(&it.name).unwrap().compact().unwrap());
    let blobs = std::fs::read_dir(&path)
        .unwrap()
        .filter(|it| it.as_ref().unwrap().file_name().to_string_lossy().starts_with("blob-"));
    assert_eq!(blobs.count(), 1);
    assert_eq!(db.model("b").unwrap().load("2").unwrap().length(), 1 << 20);
}

#[test]
fn one_flipped_byte_of_an_artifact_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.drift");
    let db = Database::open(&path).unwrap();
    let model = db.model("ranker").unwrap();
    model.register(NewVersion::new("1.0.0"), repeat(7).take(10 << 20)).unwrap();
    let mut whole = model.load("1.0.0").unwrap();
    assert_eq!(std::io::copy(&mut whole, &mut std::io::sink()).unwrap(), 10 << 20);
    drop((whole, model));
    db.close().unwrap();

    let blob = std::fs::read_dir(&path).unwrap().map(|it| it.unwrap().path());
    let blob = blob.into_iter().find(|it| it.file_name().unwrap().to_string_lossy().starts_with("blob-")).unwrap();
    let mut bytes = std::fs::read(&blob).unwrap();
    bytes[9 << 20] ^= 1;
    std::fs::write(&blob, bytes).unwrap();
    let db = Database::open(&path).unwrap();
    let error = db.model("ranker").unwrap().load("1.0.0").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let told = error.to_string();
    assert!(told.contains("ranker@1.0.0") && told.contains("integrity check failed"), "{told}");
}

#[test]
fn versions_are_found_by_time_by_order_and_by_tag() {
    let (db, clock) = store();
    let model = db.model("ranker").unwrap();
    for version in ["2.1.3", "10.0.0-beta", "2.1.3-beta", "9.9.9", "train-20241221-143022"] {
        clock.advance(Duration::from_secs(1));
        register(&model, version, 0.9);
    }
    assert_eq!(model.latest().unwrap().unwrap().version(), "train-20241221-143022");
    assert_eq!(model.latest_semantic().unwrap().unwrap().version(), "10.0.0-beta");
    clock.set(Timestamp(0));
    register(&model, "10.0.0", 0.9);
    assert_eq!(model.latest().unwrap().unwrap().version(), "10.0.0", "a clock set back changes no order");
    assert_eq!(model.latest_semantic().unwrap().unwrap().version(), "10.0.0");

    model.set_tags("9.9.9", &["stable", "a", "stable"], &by_kim()).unwrap();
    assert_eq!(model.tagged("stable").unwrap().iter().map(|it| it.version()).collect::<Vec<_>>(), ["9.9.9"]);
    assert_eq!(model.version("9.9.9").unwrap().tags, ["a", "stable"]);
    model.describe_version("9.9.9", "nearly ten", &by_kim()).unwrap();
    assert_eq!(model.version("9.9.9").unwrap().description, "nearly ten");
}

#[test]
fn generated_versions_differ_within_a_second() {
    let (db, clock) = store();
    let model = db.model("ranker").unwrap();
    let first = model.generate_version(None).unwrap();
    assert_eq!(first, "20241221-143022");
    register(&model, &first, 0.9);
    assert_eq!(model.generate_version(None).unwrap(), "20241221-143022-2");
    assert_eq!(model.generate_version(Some("train")).unwrap(), "train-20241221-143022");
    // Whether or not they were registered meanwhile; another model has names of its own.
    assert_eq!(model.generate_version(None).unwrap(), "20241221-143022-3");
    assert_eq!(db.model("other").unwrap().generate_version(None).unwrap(), first);
    clock.advance(Duration::from_secs(1));
    assert_eq!(model.generate_version(None).unwrap(), "20241221-143023");
}

#[test]
fn metrics_are_compared_by_name() {
    let (db, _) = store();
    let model = db.model("ranker").unwrap();
    model.register(NewVersion::new("1").metric("accuracy", 0.5).metric("loss", 1.0), &b"1"[..]).unwrap();
    model.register(NewVersion::new("2").metric("accuracy", 0.75).metric("f1", 0.5), &b"2"[..]).unwrap();
    let changes = model.compare("1", "2").unwrap();
    let told: Vec<_> = changes.iter().map(|it| (it.metric.as_str(), it.from, it.to, it.difference)).collect();
    let expected = [
        ("accuracy", Some(0.5), Some(0.75), Some(0.25)),
        ("f1", None, Some(0.5), None),
        ("loss", Some(1.0), None, None),
    ];
    assert_eq!(told, expected);
}

#[test]
fn history_tells_where_an_alias_pointed_and_rolling_back_walks_it() {
    let (db, clock) = store();
    let model = db.model("ranker").unwrap();
    for version in ["1", "2", "3"] {
        register(&model, version, 0.9);
    }
    let mut moments = Vec::new();
    {
        let _training = db.modes().enter(Mode::Training, by_kim()).unwrap();
        for version in ["1", "2", "3", "3"] {
            clock.advance(Duration::from_secs(60));
            model.promote_to_production(version, by_kim().because("better").correlation("inc-1")).unwrap();
            moments.push(db_now(&clock));
        }
    }
    assert_eq!(model.history(PRODUCTION).unwrap().len(), 3, "moving to where it points is no move");
    let at = |time| model.alias_at(PRODUCTION, time).unwrap();
    assert_eq!(at(Timestamp(0)), None);
    assert_eq!(at(moments[1]).as_deref(), Some("2"));
    model.rollback(PRODUCTION, by_kim().because("worse")).unwrap();
    model.rollback(PRODUCTION, by_kim()).unwrap();
    assert_eq!(serving(&model).as_deref(), Some("1"), "twice back, not back and forth");
    assert_eq!(model.rollback(PRODUCTION, by_kim()).unwrap_err().kind(), ErrorKind::NotFound);
    let history = model.history(PRODUCTION).unwrap();
    let kinds: Vec<_> = history.iter().map(|it| (it.kind, it.to.as_deref())).collect();
    let (set, back) = (MoveKind::Set, MoveKind::Rollback);
    assert_eq!(kinds, [(set, Some("1")), (set, Some("2")), (set, Some("3")), (back, Some("2")), (back, Some("1"))]);
    assert!(history.windows(2).all(|pair| pair[0].to == pair[1].from && pair[0].time <= pair[1].time));
    let actions: Vec<_> = db.audit().correlated("inc-1").unwrap().into_iter().map(|it| it.action).collect();
    assert_eq!(actions, ["alias.set", "mode.set", "alias.set", "alias.set"]);
    assert!(db.audit().verify().unwrap().is_whole());
}

fn db_now(clock: &ManualClock) -> Timestamp {
    driftline::Clock::now(clock)
}

#[test]
fn rolling_back_to_a_tag_passes_over_what_lacks_it() {
    let (db, _) = store();
    let model = db.model("ranker").unwrap();
    for version in ["1", "2", "3"] {
        register(&model, version, 0.9);
    }
    model.set_tags("1", &["stable"], &by_kim()).unwrap();
    promote(&db, &model, &["1", "2", "3"]);
    model.rollback_to_tagged(PRODUCTION, "stable", by_kim()).unwrap();
    assert_eq!(serving(&model).as_deref(), Some("1"));
    let error = model.rollback_to_tagged(PRODUCTION, "stable", by_kim()).unwrap_err();
    assert_eq!((error.kind(), serving(&model).as_deref()), (ErrorKind::NotFound, Some("1")));
}

#[test]
fn of_two_promotions_that_expect_the_same_one_wins() {
    let (db, _) = store();
    let model = db.model("ranker").unwrap();
    (0..9).for_each(|number| drop(register(&model, &number.to_string(), 0.9)));
    promote(&db, &model, &["0"]);
    let _training = db.modes().enter(Mode::Training, by_kim()).unwrap();
    let outcomes: Vec<Result<_, Error>> = std::thread::scope(|scope| {
        let (model, change) = (&model, || by_kim().expecting(Some("0")));
        let threads: Vec<_> = (1..9)
            .map(|number| scope.spawn(move || model.promote_to_production(&number.to_string(), change())))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let lost = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
    assert!(lost.into_iter().all(|error| error.kind() == ErrorKind::Conflict));
    let history = model.history(PRODUCTION).unwrap();
    assert_eq!(history.iter().map(|it| it.number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(history[1].to, serving(&model));
}

#[test]
fn a_gate_tells_all_that_is_missing_and_rolling_back_asks_none() {
    let (db, _) = store();
    let model = db.model("ranker").unwrap();
    for version in ["0.90", "0.89", "0.95"] {
        register(&model, version, version.parse().unwrap());
    }
    let gate = PromotionGate::new()
        .require("accuracy", Bound::AtLeast(0.9))
        .require("accuracy", Bound::NotBelowCurrentBy(0.0))
        .approvals(1);
    model.set_gate(PRODUCTION, &gate, &by_kim()).unwrap();
    let refused = model.promote_to_production("0.89", by_kim()).unwrap_err().to_string();
    assert!(refused.contains("`accuracy` is 0.89") && refused.contains("0 of 1 have approved"), "{refused}");
    for version in ["0.90", "0.89", "0.95", "0.90", "0.89", "0.95"] {
        model.approve(PRODUCTION, version, &Change::by("lee")).unwrap();
    }
    assert_eq!(model.approvals(PRODUCTION, "0.90").unwrap().len(), 1, "each counts once");
    model.promote_to_production("0.90", by_kim()).unwrap();
    let _training = db.modes().enter(Mode::Training, by_kim()).unwrap();
    assert!(model.promote_to_production("0.89", by_kim()).is_err(), "its edge is 0.9, included");
    model.promote_to_production("0.95", by_kim()).unwrap();
    assert!(model.promote_to_production("0.90", by_kim()).is_err(), "it is below the current one");
    model.rollback(PRODUCTION, by_kim()).unwrap();
    assert_eq!(serving(&model).as_deref(), Some("0.90"));
    model.set_gate(PRODUCTION, &PromotionGate::new(), &by_kim()).unwrap();
    model.promote_to_production("0.89", by_kim()).unwrap();
}

const DOCUMENT: &str = r#"{
  "1.0.0": {
    "version": "1.0.0",
    "created_at": "2024-12-21T14:30:00",
    "model_hash": "abc123...",
    "metrics": {"loss": 0.5, "accuracy": 0.92},
    "config": {"hidden_size": 256},
    "training_info": {"epochs": 50},
    "file_path": "./models/model_v1.0.0.pth",
    "file_size": 10485760,
    "description": "Production model v1.0",
    "tags": ["production", "stable"]
  }
}"#;

fn nothing(_: &str, _: Option<&str>) -> Result<Option<&'static [u8]>> {
    Ok(None)
}

#[test]
fn the_registry_is_a_document_and_back() {
    let (db, _) = store();
    let model = db.model("ranker").unwrap();
    assert_eq!(model.import_json(DOCUMENT, nothing, &by_kim()).unwrap(), 1);
    assert_eq!(model.import_json(DOCUMENT, nothing, &by_kim()).unwrap(), 0, "it is there already");
    let told: serde_json::Value = serde_json::from_str(&model.export_json().unwrap()).unwrap();
    assert_eq!(told, serde_json::from_str::<serde_json::Value>(DOCUMENT).unwrap());
    assert_eq!(model.load("1.0.0").unwrap_err().kind(), ErrorKind::NotFound);

    let unknown = DOCUMENT.replace("\"tags\"", "\"labels\"");
    let error = db.model("other").unwrap().import_json(&unknown, nothing, &by_kim()).unwrap_err().to_string();
    assert!(error.contains("labels") && error.contains("line 12"), "{error}");
    let other_hash = DOCUMENT.replace("abc123", "def456");
    assert_eq!(model.import_json(&other_hash, nothing, &by_kim()).unwrap_err().kind(), ErrorKind::Exists);
}

#[test]
fn versions_of_a_document_come_in_the_order_of_their_times_under_their_own_names() {
    let (db, _) = store();
    let model = db.model("ranker").unwrap();
    let entry = |version: &str, day: u32| json!({"version": version, "created_at": format!("2024-12-{day}T14:30:00"), "model_hash": "abc123..."});
    let document = json!({"1": entry("1", 23), "2": entry("2", 21), "3": entry("3", 22)}).to_string();
    let mut asked = Vec::new();
    let asking = |version: &str, path: Option<&str>| {
        asked.push(version.to_owned());
        nothing(version, path)
    };
    register(&model, "here", 0.9);
    assert_eq!(model.import_json(&document, asking, &by_kim()).unwrap(), 3);
    assert_eq!(asked, ["2", "3", "1"]);
    let latest = model.latest().unwrap().unwrap();
    assert_eq!(latest.version(), "1", "the newest of them is newer than what was registered here");
    let older = json!({"0": entry("0", 20)}).to_string();
    assert_eq!(model.import_json(&older, nothing, &by_kim()).unwrap(), 1);
    assert_eq!(model.latest().unwrap().unwrap(), latest, "what comes later and is older is not the latest");

    let misnamed = json!({"2": entry("2", 21), "4": entry("5", 22)}).to_string();
    let error = model.import_json(&misnamed, nothing, &by_kim()).unwrap_err();
    assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("calls itself \"5\""), "{error}");
    assert_eq!(model.list().unwrap().len(), 5);
}

#[test]
fn imported_bytes_must_be_those_of_the_hash() {
    let (db, _) = store();
    let hash = db.put_blob(&b"weights"[..]).unwrap().to_string();
    let document = DOCUMENT.replace("abc123...", &hash);
    let bytes = |of: &'static [u8]| move |_: &str, _: Option<&str>| Ok(Some(of));
    let model = db.model("ranker").unwrap();
    assert_eq!(model.import_json(&document, bytes(b"others"), &by_kim()).unwrap_err().kind(), ErrorKind::Corrupt);
    assert!(model.list().unwrap().is_empty());
    model.import_json(&document, bytes(b"weights"), &by_kim()).unwrap();
    assert_eq!(model.load("1.0.0").unwrap().read_all(100).unwrap(), b"weights");
}

#[test]
fn an_artifact_that_was_not_at_hand_is_imported_later() {
    let (db, _) = store();
    let hash = db.put_blob(&b"weights"[..]).unwrap().to_string();
    let document = DOCUMENT.replace("abc123...", &hash);
    let bytes = |of: &'static [u8]| move |_: &str, _: Option<&str>| Ok(Some(of));
    let model = db.model("ranker").unwrap();
    assert_eq!(model.import_json(&document, nothing, &by_kim()).unwrap(), 1);
    model.set_tags("1.0.0", &["kept"], &by_kim()).unwrap();
    let told = model.load("1.0.0").unwrap_err().to_string();
    assert!(told.contains("import its document again"), "{told}");
    assert_eq!(model.import_json(&document, bytes(b"others"), &by_kim()).unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(model.import_json(&document, bytes(b"weights"), &by_kim()).unwrap(), 1);
    assert_eq!(model.load("1.0.0").unwrap().read_all(100).unwrap(), b"weights");
    let version = model.version("1.0.0").unwrap();
    assert_eq!((version.file_size, &*version.tags), (7, &["kept".to_owned()][..]), "the rest stays as it is");
    assert_eq!(db.audit().newest(1, |_| true).unwrap()[0].action, "import");
    let unasked = |_: &str, _: Option<&str>| -> Result<Option<&[u8]>> { panic!("it is there") };
    assert_eq!(model.import_json(&document, unasked, &by_kim()).unwrap(), 0);
}

#[test]
fn inference_mode_keeps_models_and_indexes_as_they_are() {
    let (db, _) = store();
    let docs = db.create_collection("docs", driftline::Schema::vector(2, driftline::Metric::L2)).unwrap();
    let model = db.model("ranker").unwrap();
    for version in ["1", "2"] {
        register(&model, version, 0.9);
    }
    assert_eq!(db.modes().current().unwrap(), Mode::Training);
    model.promote_to_production("1", by_kim()).unwrap();
    assert!(db.modes().is_inference().unwrap(), "a version serves");
    let refused = [
        model.register(NewVersion::new("3"), &b"3"[..]).map(drop),
        model.promote_to_production("2", by_kim()).map(drop),
        model.remove_alias(PRODUCTION, by_kim()).map(drop),
        model.set_tags("1", &["a"], &by_kim()).map(drop),
        model.set_gate(PRODUCTION, &PromotionGate::new(), &by_kim()),
        docs.reindex("hnsw".parse().unwrap()),
    ];
    refused.into_iter().for_each(|outcome| assert_eq!(outcome.unwrap_err().kind(), ErrorKind::ReadOnly));
    docs.put(driftline::Record::new(1u64).vector([0.0, 1.0])).unwrap();
    {
        let _training = db.modes().enter(Mode::Training, by_kim()).unwrap();
        docs.reindex("hnsw".parse().unwrap()).unwrap();
        model.promote_to_production("2", by_kim()).unwrap();
        assert_eq!(db.modes().enter(Mode::Maintenance, by_kim()).unwrap_err().kind(), ErrorKind::Busy);
        assert_eq!(db.modes().set(Mode::Inference, by_kim()).unwrap_err().kind(), ErrorKind::Busy);
        let _again = db.modes().require(Mode::Training).unwrap();
    }
    assert!(db.modes().is_inference().unwrap());
    model.rollback(PRODUCTION, by_kim()).unwrap();
    assert_eq!(serving(&model).as_deref(), Some("1"));
}

#[test]
fn a_mode_is_entered_for_a_while_set_for_good_and_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.drift");
    let db = Database::open(&path).unwrap();
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    db.modes().on_change(|_, _| panic!("this callback is broken"));
    let heard = Arc::clone(&told);
    db.modes().on_change(move |from, to| heard.lock().unwrap().push((from, to)));
    db.modes().set(Mode::Inference, by_kim()).unwrap();
    let outer = db.modes().enter(Mode::Training, by_kim()).unwrap();
    drop(db.modes().enter(Mode::Training, by_kim()).unwrap());
    assert_eq!(db.modes().current().unwrap(), Mode::Training, "one still holds it");
    drop(outer);
    let (inference, training) = (Mode::Inference, Mode::Training);
    assert_eq!(*told.lock().unwrap(), [(training, inference), (inference, training), (training, inference)]);
    let actions: Vec<_> = db.audit().range(1..=9).unwrap().into_iter().map(|it| it.action).collect();
    assert_eq!(actions, ["mode.set", "mode.enter", "mode.leave"]);
    // A guard that never goes is what a kill leaves behind.
    std::mem::forget(db.modes().enter(Mode::Maintenance, by_kim()).unwrap());
    db.close().unwrap();
    let db = Database::open(&path).unwrap();
    assert!(db.modes().is_inference().unwrap());
}

#[test]
fn the_mode_that_a_first_promotion_brings_is_written_down_and_told() {
    for held in [false, true] {
        let (db, _) = store();
        let model = db.model("ranker").unwrap();
        ["1", "2"].into_iter().for_each(|version| drop(register(&model, version, 0.9)));
        let told = Arc::new(std::sync::Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        db.modes().on_change(move |from, to| heard.lock().unwrap().push((from, to)));
        let guard = held.then(|| db.modes().enter(Mode::Training, by_kim()).unwrap());
        model.promote_to_production("1", by_kim().because("the first")).unwrap();
        let newest = db.audit().newest(2, |_| true).unwrap();
        assert_eq!((newest[0].action.as_str(), newest[1].action.as_str()), ("mode.set", "alias.set"));
        assert_eq!((newest[0].actor.as_str(), newest[0].subject.as_str()), ("kim", "store"));
        let details = json!({"from": "training", "to": "inference", "reason": "the first"});
        assert_eq!(newest[0].details, details);
        assert_eq!(told.lock().unwrap().is_empty(), held, "what a guard holds has not changed yet");
        drop(guard);
        assert_eq!(*told.lock().unwrap(), [(Mode::Training, Mode::Inference)]);
        let _training = db.modes().enter(Mode::Training, by_kim()).unwrap();
        model.promote_to_production("2", by_kim()).unwrap();
        assert_eq!(db.audit().newest(9, |it| it.action == "mode.set").unwrap().len(), 1, "it is set once");
    }
}

/// Registers and promotes versions until the power goes; what was acknowledged comes back.
fn promotions(db: &Database) -> (Vec<String>, Result<()>) {
    let mut served = Vec::new();
    let done = (|| {
        let model = db.model("ranker")?;
        let _training = db.modes().enter(Mode::Training, by_kim())?;
        for version in ["1", "2", "3"] {
            model.register(NewVersion::new(version), version.as_bytes())?;
            model.promote_to_production(version, by_kim())?;
            served.push(version.to_owned());
        }
        model.rollback(PRODUCTION, by_kim())?;
        served.push("2".to_owned());
        Ok(())
    })();
    (served, done)
}

#[test]
fn a_power_cut_at_any_call_leaves_the_old_alias_or_the_new_one() {
    let open = |fs: &SimulatedFs| Options::new().maintenance(Maintenance::Manual).seed(1).open_on(Arc::new(fs.clone()));
    let whole = SimulatedFs::new(1);
    assert!(promotions(&open(&whole).unwrap()).1.is_ok());
    let mut cuts = 0;
    for at_call in 0..whole.calls() {
        let fs = SimulatedFs::new(1);
        fs.inject(Fault::PowerCut { at_call });
        let served = open(&fs).map_or_else(|_| Vec::new(), |db| promotions(&db).0);
        assert!(fs.is_off(), "call {at_call} was never made");
        for disk in [fs.reboot_losing_all(), fs.reboot_keeping_all(), fs.reboot(at_call)] {
            cuts += 1;
            let db = open(&disk).unwrap();
            let model = db.model("ranker").unwrap();
            let history = model.history(PRODUCTION).unwrap();
            let moved: Vec<_> = history.iter().filter_map(|it| it.to.clone()).collect();
            assert_eq!(moved.last().cloned(), serving(&model), "the alias and its history are one");
            assert!(moved.len() >= served.len() && moved[..served.len()] == served, "{served:?} {moved:?} {at_call}");
            assert!(moved.len() <= served.len() + 1);
            assert!(db.audit().verify().unwrap().is_whole());
            let entries = db.audit().newest(100, |it| it.action.starts_with("alias.")).unwrap();
            assert_eq!(entries.len(), moved.len(), "each move has its entry");
            model.list().unwrap().iter().for_each(|it| drop(model.load(it.version()).unwrap()));
        }
    }
    assert!(cuts > 100, "{cuts}");
}
