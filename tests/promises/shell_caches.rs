//! `cache` and `experiment power` from the shell, as people and as programs see them.

use driftline::mlops::{Cache, CacheLimits, ModelId, NewVersion};
use driftline::{Database, json};

use super::support::shell::Shell;

/// A shell on a store with a cache of each kind.
fn with_caches() -> Shell {
    let shell = Shell::empty();
    let db = Database::open(shell.store()).unwrap();
    let cache = db.cache().unwrap();
    cache.set("rate", json!({"eur": 1.08}).into(), None).unwrap();
    cache.set("name", "a\u{1b}b".into(), None).unwrap();
    let minilm = ModelId::new("minilm", "1").unwrap();
    db.embedding_cache(&minilm, 1, CacheLimits::new()).unwrap().set("text", vec![1.0], None).unwrap();
    db.model("ranker").unwrap().register(NewVersion::new("1"), &b"weights"[..]).unwrap();
    let ranker = ModelId::new("ranker", "1").unwrap();
    let predictions = db.prediction_cache_of(&ranker, CacheLimits::new()).unwrap();
    predictions.set(&ranker, &json!({"age": 30}), &json!("yes"), None).unwrap();
    db.close().unwrap();
    shell
}

#[test]
fn caches_are_listed_shown_read_and_emptied() {
    let shell = with_caches();
    let caches = shell.json("cache");
    let names: Vec<_> = caches.as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["minilm@1", "predictions", "values"]);
    assert_eq!((caches[2]["entries"].as_u64(), caches[2]["hits"].as_u64()), (Some(2), Some(0)));
    assert!(caches[2]["hit_ratio"].is_null() && caches[2]["max_entries"].is_null());
    let table = shell.run(&["S", "cache"]).done();
    assert!(table.contains("hit ratio") && table.contains("minilm@1"), "{table}");
    let csv = shell.run(&["S", "cache", "--format", "csv"]).done();
    assert!(csv.starts_with("cache,entries,size,hits,") && csv.contains("\npredictions,1,"), "{csv}");

    assert_eq!(shell.run(&["S", "cache get rate"]).done(), "{\"eur\":1.08}\n");
    assert_eq!(shell.json("cache get rate")["eur"], 1.08);
    let name = shell.run(&["S", "cache get name"]).done();
    assert!(!name.contains('\u{1b}'), "no control character reaches a terminal: {name:?}");
    shell.run(&["S", "cache get other"]).refused(1, &["nothing is kept under \"other\""]);
    // One conversation counts what it looks up, and knows the limits of what it has opened.
    let told = shell.feed(&["S"], "cache get rate; cache show values;").done();
    assert!(told.contains("100.0 %") && told.contains("100,000 entries") && told.contains("1h"), "{told}");

    assert_eq!(shell.run(&["S", "cache clear minilm@1"]).done(), "forgot 1 entry of minilm@1\n");
    assert_eq!(shell.json("cache clear values")["cleared"], 2);
    shell.run(&["S", "cache get rate"]).refused(1, &["nothing is kept"]);
    assert_eq!(shell.json("cache show predictions")["entries"], 1);
    shell.run(&["S", "cache show prediction"]).refused(1, &["no cache `prediction`", "minilm@1, predictions, values"]);
    shell.run(&["S", "cache clear x"]).refused(1, &["no cache `x`", "values"]);
    shell.run(&["S", "cache empty x"]).refused(2, &["expected clear"]);
}

#[test]
fn a_store_without_caches_stays_without() {
    let shell = Shell::with_points();
    assert_eq!(shell.json("cache").as_array().unwrap().len(), 0);
    shell.run(&["S", "cache get x"]).refused(1, &["nothing is kept"]);
    shell.run(&["S", "cache show values"]).refused(1, &["there is none yet"]);
    assert_eq!(shell.json("collections").as_array().unwrap().len(), 1);
}

#[test]
fn the_users_of_an_experiment_are_worked_out() {
    let shell = Shell::with_points();
    let size = shell.json("experiment power 0.85 0.03 split 0.5 daily 1000");
    assert_eq!(
        (size["users_a"].as_u64(), size["users_b"].as_u64(), size["days"].as_u64()),
        (Some(2031), Some(2031), Some(5))
    );
    assert!(size["warnings"][0].as_str().unwrap().contains("less than a week"), "{size}");
    let told = shell.run(&["S", "experiment power 0 2 deviation 10 split 0.5 chance 0.9"]).done();
    assert!(told.contains("users of A") && !told.contains("week"), "{told}");
    shell.run(&["S", "experiment power 0.85 0.2"]).refused(1, &["a rate is 1.05"]);
    shell.run(&["S", "experiment power 0.85 0.03 samples 5"]).refused(2, &["`samples` belongs to create"]);
    shell.run(&["S", "experiment create 'x' on m '1' '2' daily 5"]).refused(2, &["`daily` belongs to power"]);
    let created = shell.run(&["S", "experiment create 'x' on m '1' '2' for 3d"]);
    assert!(created.err.contains("less than a week"), "{created:?}");
    assert_eq!(created.code, 0);
}

#[test]
fn verify_tells_of_the_audit_log() {
    let shell = with_caches();
    let told = shell.run(&["S", "verify"]).done();
    assert!(told.contains("the audit log whole up to entry 1: all is well"), "{told}");
    assert_eq!(shell.json("verify")["audit"]["records"], 1);
    assert!(shell.json("verify quick")["audit"].is_null());
}
