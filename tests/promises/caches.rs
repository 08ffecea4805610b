//! A cache never serves what another version made, never holds more than it may, and computes each input once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use driftline::mlops::{Cache, CacheLimits, Change, Mode, ModelId, NewVersion};
use driftline::{Database, ErrorKind, ManualClock, Options, Timestamp, Value, json};

fn store() -> (Database, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(Timestamp(1_734_791_422_000_000)));
    (Options::new().clock(clock.clone()).in_memory().unwrap(), clock)
}

fn minilm() -> ModelId {
    ModelId::new("minilm", "1").unwrap()
}

/// What both back ends promise.
fn check_cache(cache: &dyn Cache, clock: &ManualClock) {
    assert_eq!(cache.get("a").unwrap(), None);
    cache.set("a", json!({"x": 1}).into(), None).unwrap();
    cache.set("b", 2.into(), Some(Duration::from_secs(10))).unwrap();
    assert_eq!(cache.get("a").unwrap(), Some(json!({"x": 1}).into()));
    assert!(cache.exists("b").unwrap() && !cache.exists("c").unwrap());
    clock.advance(Duration::from_secs(10));
    assert!(!cache.exists("b").unwrap(), "its time is over at its end, not after it");
    assert_eq!(cache.get("b").unwrap(), None);
    assert!(cache.delete("a").unwrap() && !cache.delete("a").unwrap());
    let stats = cache.stats().unwrap();
    assert_eq!((stats.hits, stats.misses, stats.entries), (1, 2, 0));
    assert_eq!(stats.hit_ratio(), Some(1.0 / 3.0));
}

#[test]
fn both_back_ends_do_the_same() {
    let (db, clock) = store();
    check_cache(&db.memory_cache(CacheLimits::new()), &clock);
    check_cache(&db.cache().unwrap(), &clock);
}

#[test]
fn the_defaults_are_those_of_the_table() {
    let limits = CacheLimits::default();
    assert_eq!((limits.max_entries, limits.ttl, limits.max_bytes), (1_000, None, None));
    let (db, clock) = store();
    let cache = db.cache().unwrap();
    cache.set("a", 1.into(), None).unwrap();
    let stored: Vec<_> = db.collection("_cache").unwrap().scan().collect::<Result<_, _>>().unwrap();
    assert_eq!(stored[0].key, "cache:a".into());
    clock.advance(Duration::from_secs(3_600) - Duration::from_micros(1));
    assert!(cache.exists("a").unwrap());
    clock.advance(Duration::from_micros(1));
    assert!(!cache.exists("a").unwrap());
}

#[test]
fn what_was_used_least_recently_makes_room_and_reading_writes_nothing() {
    let (db, _) = store();
    let cache = db.cache_with("x:", CacheLimits::new().max_entries(3)).unwrap();
    for name in ["a", "b", "c"] {
        cache.set(name, name.into(), None).unwrap();
    }
    let before = db.lsn();
    assert_eq!(cache.get("a").unwrap(), Some("a".into()));
    assert_eq!(db.lsn(), before);
    cache.set("d", "d".into(), None).unwrap();
    let there = ["a", "b", "c", "d"].map(|name| cache.exists(name).unwrap());
    assert_eq!(there, [true, false, true, true]);
    cache.set("d", "again".into(), None).unwrap();
    let stats = cache.stats().unwrap();
    assert_eq!((stats.entries, stats.evictions), (3, 1), "replacing takes no room");
}

#[test]
fn entries_are_there_again_after_closing_and_the_bound_still_holds() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.drift");
    let limits = CacheLimits::new().max_entries(10);
    {
        let db = Database::open(&path).unwrap();
        let cache = db.cache_with("x:", limits).unwrap();
        (0..10).for_each(|number| cache.set(&number.to_string(), number.into(), None).unwrap());
        let embeddings = db.embedding_cache(&minilm(), 2, limits).unwrap();
        embeddings.set("text", vec![1.0, 2.0], None).unwrap();
        db.close().unwrap();
    }
    let db = Database::open(&path).unwrap();
    let cache = db.cache_with("x:", limits).unwrap();
    assert_eq!(cache.get("7").unwrap(), Some(7.into()));
    let embeddings = db.embedding_cache(&minilm(), 2, limits).unwrap();
    assert_eq!(embeddings.get("text").unwrap(), Some(vec![1.0, 2.0]));
    (10..30).for_each(|number| cache.set(&number.to_string(), number.into(), None).unwrap());
    assert_eq!(cache.stats().unwrap().entries, 10);
}

#[test]
fn eight_threads_never_exceed_the_bound_of_a_stored_cache() {
    let (db, _) = store();
    let limits = CacheLimits::new().max_entries(50);
    std::thread::scope(|scope| {
        for thread in 0..8u64 {
            let db = &db;
            scope.spawn(move || {
                let cache = db.cache_with("x:", limits).unwrap();
                for number in 0..250 {
                    cache.set(&(number * 3 + thread).to_string(), Value::Null, None).unwrap();
                    assert!(cache.stats().unwrap().entries <= 50);
                }
            });
        }
    });
    assert_eq!(db.collection("_cache").unwrap().count().unwrap(), 50);
}

#[test]
fn what_is_looked_up_while_it_is_kept_still_counts_for_the_bound() {
    let (db, _) = store();
    let cache = db.cache_with("x:", CacheLimits::new().max_entries(50)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8u64 {
            let cache = &cache;
            scope.spawn(move || {
                for number in 0..1_000 {
                    // All threads want the same names at about the same time.
                    let name = (number + thread % 2).to_string();
                    if cache.get(&name).unwrap().is_none() {
                        cache.set(&name, Value::Null, None).unwrap();
                    }
                    let entries = cache.stats().unwrap().entries;
                    assert!(entries <= 50, "{entries}");
                }
            });
        }
    });
}

/// Embeds texts by their length, and counts the calls and the texts.
#[derive(Default)]
struct Embedder {
    calls: AtomicU64,
    texts: AtomicU64,
}

impl Embedder {
    fn embed(&self, texts: &[&str]) -> driftline::Result<Vec<Vec<f32>>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.texts.fetch_add(texts.len() as u64, Ordering::SeqCst);
        Ok(texts.iter().map(|text| vec![text.len() as f32, 1.0]).collect())
    }

    fn counts(&self) -> (u64, u64) {
        (self.calls.load(Ordering::SeqCst), self.texts.load(Ordering::SeqCst))
    }
}

#[test]
fn only_misses_are_computed_once_each_and_in_order() {
    let (db, _) = store();
    let cache = db.embedding_cache(&minilm(), 2, CacheLimits::new()).unwrap();
    let embedder = Embedder::default();
    let embed = |texts: &[&str]| embedder.embed(texts);
    let lengths = |vectors: Vec<Vec<f32>>| vectors.into_iter().map(|vector| vector[0]).collect::<Vec<_>>();
    assert_eq!(lengths(cache.get_or_compute(&["ccc", "a", "ccc", "bb"], embed).unwrap()), [3.0, 1.0, 3.0, 2.0]);
    assert_eq!(embedder.counts(), (1, 3));
    assert_eq!(lengths(cache.get_or_compute(&["bb", "dddd", "a"], embed).unwrap()), [2.0, 4.0, 1.0]);
    assert_eq!(embedder.counts(), (2, 4));
    assert!(cache.get_or_compute(&[], embed).unwrap().is_empty());
    assert_eq!(embedder.counts(), (2, 4));
    let stats = cache.stats().unwrap();
    assert_eq!((stats.hits, stats.misses, stats.entries), (2, 4, 4));
}

#[test]
fn answers_that_do_not_fit_are_refused_and_nothing_is_kept() {
    let (db, _) = store();
    let cache = db.embedding_cache(&minilm(), 2, CacheLimits::new()).unwrap();
    let few = cache.get_or_compute(&["a", "b"], |_| Ok(vec![vec![1.0, 2.0]])).unwrap_err();
    assert_eq!(few.kind(), ErrorKind::Invalid);
    let short = cache.get_or_compute(&["a"], |_| Ok(vec![vec![1.0]])).unwrap_err();
    assert_eq!(short.kind(), ErrorKind::Dimension);
    cache.get_or_compute(&["a"], |_| Ok(vec![vec![f32::NAN, 1.0]])).unwrap_err();
    assert_eq!(cache.stats().unwrap().entries, 0);
    assert_eq!(
        cache.get_or_compute(&["a"], |_| Ok(vec![vec![1.0, 2.0]])).unwrap(),
        [[1.0, 2.0]],
        "it can be tried again"
    );
    assert_eq!(db.embedding_cache(&minilm(), 3, CacheLimits::new()).unwrap_err().kind(), ErrorKind::Dimension);
}

#[test]
fn threads_compute_an_input_once_and_go_on_where_one_fails() {
    let (db, _) = store();
    let cache = db.embedding_cache(&minilm(), 2, CacheLimits::new()).unwrap();
    let embedder = Embedder::default();
    let failures = AtomicU64::new(0);
    let texts: Vec<String> = (0..39).map(|number| format!("text {number}")).collect();
    std::thread::scope(|scope| {
        for thread in 0..8usize {
            let (cache, embedder, failures, texts) = (&cache, &embedder, &failures, &texts);
            scope.spawn(move || {
                for start in 0..20 {
                    let mine: Vec<&str> = texts[(start + thread) % 20..][..20].iter().map(String::as_str).collect();
                    let vectors = loop {
                        let tried = cache.get_or_compute(&mine, |misses| {
                            if failures.fetch_add(1, Ordering::SeqCst) % 3 == 1 {
                                return Err(driftline::Error::new(ErrorKind::Io, "the embedder is away"));
                            }
                            std::thread::sleep(Duration::from_millis(1));
                            embedder.embed(misses)
                        });
                        if let Ok(vectors) = tried {
                            break vectors;
                        }
                    };
                    assert!(mine.iter().zip(&vectors).all(|(text, vector)| vector[0] == text.len() as f32));
                }
            });
        }
    });
    assert_eq!(embedder.counts().1, 39, "each text was embedded once");
}

#[test]
fn another_version_gets_nothing_that_this_one_computed() {
    let (db, _) = store();
    let old = db.embedding_cache(&minilm(), 2, CacheLimits::new()).unwrap();
    old.set("text", vec![1.0, 0.0], None).unwrap();
    let new = db.embedding_cache(&ModelId::new("minilm", "2").unwrap(), 2, CacheLimits::new()).unwrap();
    assert_eq!(new.get("text").unwrap(), None);
    assert!(new.get_similar(&[1.0, 0.0], 2.0).unwrap().is_none());
}

#[test]
fn a_near_embedding_is_found_within_a_distance() {
    let (db, _) = store();
    let cache = db.embedding_cache(&minilm(), 2, CacheLimits::new()).unwrap();
    cache.set("east", vec![1.0, 0.0], None).unwrap();
    cache.set("north", vec![0.0, 1.0], None).unwrap();
    let before = cache.stats().unwrap();
    let near = cache.get_similar(&[0.9, 0.1], 0.1).unwrap().unwrap();
    assert_eq!((near.text.as_str(), near.vector), ("east", vec![1.0, 0.0]));
    assert!(near.distance > 0.0 && near.distance < 0.01);
    assert!(cache.get_similar(&[0.7, 0.7], 0.1).unwrap().is_none());
    let after = cache.stats().unwrap();
    assert_eq!((after.hits - before.hits, after.misses - before.misses), (1, 1));
    // At the distance itself it is found, a hair below it is not.
    let distance = near.distance;
    assert!(cache.get_similar(&[0.9, 0.1], distance).unwrap().is_some());
    assert!(cache.get_similar(&[0.9, 0.1], distance.next_down()).unwrap().is_none());
}

#[test]
fn a_promotion_never_serves_an_old_answer() {
    let (db, _) = store();
    let model = db.model("ranker").unwrap();
    let cache = db.prediction_cache("ranker", CacheLimits::new()).unwrap();
    let features = json!({"age": 30, "height": 1.5});
    assert_eq!(cache.get(&features).unwrap_err().kind(), ErrorKind::NotFound, "nothing is in production");
    let _training = db.modes().enter(Mode::Training, Change::default()).unwrap();
    for version in ["1", "2"] {
        model.register(NewVersion::new(version), version.as_bytes()).unwrap();
        model.promote_to_production(version, Change::default()).unwrap();
        assert_eq!(cache.get(&features).unwrap(), None);
        cache.set(&cache.version().unwrap(), &features, &json!(version), None).unwrap();
    }
    assert_eq!(cache.get(&json!({"height": 1.5, "age": 30.0})).unwrap(), Some(json!("2")), "it is the same input");
    assert_eq!(cache.get(&json!({"height": 1.5, "age": "30"})).unwrap(), None);
    model.rollback("production", Change::default()).unwrap();
    assert_eq!(cache.get(&features).unwrap(), Some(json!("1")));
    assert!(cache.delete(&features).unwrap());
    let asked = cache.get_or_compute(&[features.clone(), json!(1), features], |_, misses| {
        Ok(misses.iter().map(|miss| json!([miss])).collect())
    });
    assert_eq!(asked.unwrap().len(), 3);
}

#[test]
fn an_answer_that_is_ready_after_a_promotion_is_kept_for_the_version_that_made_it() {
    let (db, _) = store();
    let model = db.model("ranker").unwrap();
    let cache = db.prediction_cache("ranker", CacheLimits::new()).unwrap();
    let _training = db.modes().enter(Mode::Training, Change::default()).unwrap();
    let promote = |version: &str| {
        model.register(NewVersion::new(version), version.as_bytes()).unwrap();
        model.promote_to_production(version, Change::default()).unwrap();
    };
    let told = |version: &ModelId| json!(version.to_string());
    promote("1");
    let asked = cache.get_or_compute(&[json!("slow")], |version, _| {
        promote("2");
        Ok(vec![told(version)])
    });
    assert_eq!(asked.unwrap(), [json!("ranker@1")]);
    let by = cache.version().unwrap();
    promote("3");
    cache.set(&by, &json!("late"), &told(&by), None).unwrap();
    for (input, made_by) in [(json!("slow"), "1"), (json!("late"), "2")] {
        assert_eq!(cache.get(&input).unwrap(), None, "version 3 has not answered");
        let by = ModelId::new("ranker", made_by).unwrap();
        let own = db.prediction_cache_of(&by, CacheLimits::new()).unwrap();
        assert_eq!(own.get(&input).unwrap(), Some(told(&by)));
        assert_eq!(own.set(&cache.version().unwrap(), &input, &json!(1), None).unwrap_err().kind(), ErrorKind::Invalid);
    }
    assert_eq!(cache.set(&minilm(), &json!(1), &json!(1), None).unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn a_stored_cache_refuses_limits_that_it_would_not_keep() {
    let (db, _) = store();
    for limits in [CacheLimits::new().max_entries(0), CacheLimits::new().max_bytes(1 << 20)] {
        let refused = [
            db.cache_with("x:", limits).unwrap_err(),
            db.embedding_cache(&minilm(), 2, limits).unwrap_err(),
            db.prediction_cache("ranker", limits).unwrap_err(),
            db.prediction_cache_of(&minilm(), limits).unwrap_err(),
        ];
        assert!(refused.iter().all(|error| error.kind() == ErrorKind::Invalid), "{refused:?}");
    }
    let cache = db.cache_with("x:", CacheLimits::new().max_entries(1)).unwrap();
    ["a", "b"].into_iter().for_each(|name| cache.set(name, 1.into(), None).unwrap());
    assert_eq!(cache.stats().unwrap().entries, 1);
}

#[test]
fn a_model_is_loaded_once_and_as_one_type() {
    let (db, _) = store();
    db.model("ranker").unwrap().register(NewVersion::new("1"), &b"weights"[..]).unwrap();
    let (id, loads) = (ModelId::new("ranker", "1").unwrap(), AtomicU64::new(0));
    let models = db.loaded_models();
    let failed = models.get_or_load::<Vec<u8>>(&id, |_| Err(driftline::Error::new(ErrorKind::Io, "no memory")));
    assert!(failed.is_err() && models.list().is_empty());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let load = |artifact: &mut driftline::mlops::ArtifactReader| {
                    loads.fetch_add(1, Ordering::SeqCst);
                    artifact.read_all(100)
                };
                assert_eq!(*db.loaded_models().get_or_load(&id, load).unwrap(), b"weights");
            });
        }
    });
    assert_eq!((loads.load(Ordering::SeqCst), models.list()), (1, vec![id.clone()]));
    assert_eq!(models.get::<String>(&id).unwrap_err().kind(), ErrorKind::Invalid);
    assert!(models.get::<Vec<u8>>(&id).unwrap().is_some() && models.unload(&id));
    assert!(models.get::<Vec<u8>>(&id).unwrap().is_none() && !models.unload(&id));
}

#[test]
fn nobody_who_only_asks_waits_for_a_model_that_is_loading() {
    let (db, _) = store();
    db.model("ranker").unwrap().register(NewVersion::new("1"), &b"weights"[..]).unwrap();
    let (id, models) = (ModelId::new("ranker", "1").unwrap(), db.loaded_models());
    let weights = models.get_or_load(&id, |artifact| {
        // While it is loading: whoever waited for it would wait for ever here.
        assert!(db.loaded_models().list().is_empty());
        assert!(db.loaded_models().get::<Vec<u8>>(&id)?.is_none());
        assert!(!db.loaded_models().unload(&id));
        artifact.read_all(100)
    });
    assert_eq!(*weights.unwrap(), b"weights");
    assert!(models.list().is_empty(), "it was forgotten meanwhile");
}
