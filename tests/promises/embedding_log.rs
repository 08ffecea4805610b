//! The embedding log keeps models apart, keeps what it was told to keep, and finds it again by model, time and vector.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use driftline::fs::MemoryFs;
use driftline::mlops::{CanaryPolicy, Embedder, EmbeddingLog, Entry, ModelId, Retention, SpaceOptions, TimeRange};
use driftline::{
    CancelToken, Clock, Database, Error, ErrorKind, ManualClock, Metric, Options, Precondition, Random, Record, Result,
    Schema, Timestamp, json,
};

#[cfg(feature = "cli")]
use super::support::shell::Shell;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: i64 = 86_400_000_000;

fn model() -> ModelId {
    "minilm@1".parse().unwrap()
}

fn log() -> EmbeddingLog {
    Database::in_memory().unwrap().embedding_log()
}

fn times(from: i64, to: i64) -> TimeRange {
    TimeRange::new(Timestamp(from), Timestamp(to)).unwrap()
}

/// A store in memory whose clock is wound by hand, beginning at day 100.
fn wound() -> (Arc<ManualClock>, Database) {
    let clock = Arc::new(ManualClock::new(Timestamp(100 * DAY)));
    let db = Options::new().clock(Arc::clone(&clock) as Arc<dyn Clock>).in_memory().unwrap();
    (clock, db)
}

#[test]
fn models_are_kept_apart_and_mixing_them_is_refused_by_name() {
    let log = log();
    let other: ModelId = "minilm@2".parse().unwrap();
    log.log(&model(), Entry::new([1.0, 2.0, 3.0])).unwrap();
    log.log(&other, Entry::new([1.0, 2.0])).unwrap();
    let refused = [
        log.log(&model(), Entry::new([1.0, 2.0])).map(drop),
        log.log_all(&other, [Entry::new([1.0, 2.0]), Entry::new([1.0, 2.0, 3.0])]).map(drop),
        log.query(&model()).nearest([1.0, 2.0]).run().map(drop),
        log.register(&model(), &SpaceOptions::new(2)),
    ];
    for (refused, named) in refused.into_iter().zip([model(), other.clone(), model(), model()]) {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Dimension);
        assert!(error.to_string().contains(&named.to_string()), "{error}");
    }
    let error = log.check_comparable(&model(), &other).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ModelMismatch);
    assert!(error.to_string().contains("minilm@1") && error.to_string().contains("minilm@2"), "{error}");
    let error = log.scan(&"minilm@3".parse().unwrap(), TimeRange::ALL).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("did you mean minilm@"), "{error}");
    let spaces = log.spaces().unwrap();
    assert_eq!(spaces.iter().map(|space| (space.dimension, space.rows)).collect::<Vec<_>>(), [(3, 1), (2, 1)]);
}

#[test]
fn bad_entries_are_refused_whole_and_say_which() {
    let log = log();
    log.log(&model(), Entry::new([1.0, 2.0])).unwrap();
    let bad = [
        Entry::new([f32::NAN, 1.0]),
        Entry::new([0.0, 0.0]),
        Entry::new([1.0, 1.0]).payload("text"),
        Entry::new([1.0, 1.0]).at(Timestamp::NEVER),
        Entry::new([1.0, 1.0]).payload(json!({"input_sha256": "of something else"})).input("text"),
    ];
    for bad in bad {
        let error = log.log_all(&model(), [Entry::new([1.0, 2.0]), bad]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("log of minilm@1, entry 1"), "{error}");
    }
    assert!(log.log_all(&model(), []).unwrap().is_empty());
    assert_eq!(log.profile(&model(), TimeRange::ALL).unwrap().count(), 1);
    let many = (0..1_001).map(|slice| Entry::new([1.0, 2.0]).at(Timestamp(slice * 30 * DAY)));
    assert!(log.log_all(&model(), many).unwrap_err().to_string().contains("1000 slices"));
}

#[test]
fn what_was_logged_is_read_again_by_key_and_time() {
    let log = log();
    let at =
        |day: i64| Entry::new([day as f32, 1.0]).at(Timestamp(day * DAY)).payload(json!({"day": day})).input("text");
    let keys = log.log_all(&model(), [at(80), at(10), at(45)]).unwrap();
    let logged = log.get(&model(), keys.start + 1).unwrap().unwrap();
    assert_eq!((&*logged.model, logged.time, &logged.vector[..]), (&model(), Timestamp(10 * DAY), &[10.0, 1.0][..]));
    assert_eq!(logged.payload.get("day").and_then(driftline::Value::as_i64), Some(10));
    let hash = "982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1";
    assert_eq!(logged.input_sha256(), Some(hash));
    assert!(log.get(&model(), keys.end).unwrap().is_none());
    let days = |range| -> Vec<i64> { log.scan(&model(), range).unwrap().map(|it| it.unwrap().time.0 / DAY).collect() };
    assert_eq!(days(TimeRange::ALL), [80, 10, 45], "in the order in which they were logged");
    assert_eq!(days(times(10 * DAY, 80 * DAY)), [10, 45]);
    assert!(days(times(11 * DAY, 12 * DAY)).is_empty());
}

#[test]
fn a_search_over_slices_is_the_exact_answer() {
    let mut random = Random::seeded(5, 0);
    let log = log();
    let mut all = Vec::new();
    log.register(&model(), &SpaceOptions::new(4).metric(Metric::L2).slice(24 * HOUR)).unwrap();
    for _ in 0..10 {
        let entry = |random: &mut Random| {
            let vector: Vec<f32> = (0..4).map(|_| random.below(7) as f32).collect();
            (vector, random.below(9 * DAY as u64) as i64, random.below(3))
        };
        let batch: Vec<_> = (0..30).map(|_| entry(&mut random)).collect();
        let entries = batch.iter().map(|(vector, time, kind)| {
            Entry::new(vector.clone()).at(Timestamp(*time)).payload(json!({ "kind": kind }))
        });
        log.log_all(&model(), entries).unwrap();
        all.extend(batch);
    }
    for case in 0..60 {
        let query: Vec<f32> = (0..4).map(|_| random.below(7) as f32).collect();
        let (from, kind) = (random.below(8 * DAY as u64) as i64, random.below(3));
        let range = times(from, from + 1 + random.below(3 * DAY as u64) as i64);
        let distance = |vector: &[f32]| vector.iter().zip(&query).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
        let passes =
            |(_, (_, time, its)): &(usize, &(Vec<f32>, i64, u64))| range.contains(Timestamp(*time)) && *its == kind;
        let mut want: Vec<(f32, u64)> =
            all.iter().enumerate().filter(passes).map(|(key, row)| (distance(&row.0), key as u64)).collect();
        want.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        want.truncate(12);
        let query = log.query(&model()).nearest(query).k(12).within_times(range);
        let hits = query.filter(format!("kind = {kind}")).unwrap().run().unwrap();
        let got: Vec<(f32, u64)> = hits.hits.iter().map(|hit| (hit.distance, hit.logged.key)).collect();
        assert_eq!(got, want, "case {case}");
        assert!(hits.hits.iter().all(|hit| *hit.logged.model == model() && range.contains(hit.logged.time)));
    }
}

#[test]
fn an_age_drops_whole_slices_and_refuses_what_is_older() {
    let (clock, db) = wound();
    let log = db.embedding_log();
    let options = SpaceOptions::new(1).metric(Metric::L2).retention(Retention::Age(10 * 24 * HOUR)).slice(24 * HOUR);
    log.register(&model(), &options).unwrap();
    let entry = |day: i64| Entry::new([day as f32]).at(Timestamp(day * DAY + 5));
    log.log_all(&model(), (90..100).map(entry)).unwrap();
    let error = log.log(&model(), entry(89)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("keeps none from before"), "{error}");
    assert_eq!(log.tick(clock.now()).unwrap().dropped, 0, "all slices reach into the age");
    clock.advance(Duration::from_micros(3 * DAY as u64));
    assert_eq!(log.tick(clock.now()).unwrap().dropped, 3);
    let kept = |log: &EmbeddingLog| -> Vec<f32> {
        log.scan(&model(), TimeRange::ALL).unwrap().map(|it| it.unwrap().vector[0]).collect()
    };
    assert_eq!(kept(&log), (93..100).map(|day| day as f32).collect::<Vec<_>>());
    let space = &log.spaces().unwrap()[0];
    assert_eq!((space.rows, space.logged, space.slices), (7, 10, 7));
    let windows = db.collection("_log_windows").unwrap().scan().prefix("window/").count();
    assert_eq!(windows, 7, "a window goes with its rows");
    assert_eq!(space.first, Some(Timestamp(93 * DAY + 5)));
    let profile = log.profile(&model(), TimeRange::ALL).unwrap();
    assert_eq!((profile.count(), profile.range().from), (7, Timestamp(93 * DAY)));
    assert_eq!(log.sample(&model(), TimeRange::ALL, 100, 0).unwrap().len(), 7);
    // Numbers are not given twice, even where the newest went.
    assert!(log.log(&model(), entry(102)).unwrap() >= 10);
    assert_eq!(db.collections().unwrap().iter().filter(|it| it.name.starts_with("_log-")).count(), 8);
    log.set_retention(&model(), Retention::Forever).unwrap();
    clock.advance(Duration::from_micros(100 * DAY as u64));
    assert_eq!(log.tick(clock.now()).unwrap().dropped, 0);
    assert!(log.log(&model(), entry(92)).is_err(), "its slice has gone");
}

#[test]
fn a_slice_stays_while_a_batch_before_it_is_open() {
    let (clock, db) = wound();
    let log = db.embedding_log();
    let options = SpaceOptions::new(1).retention(Retention::Age(10 * 24 * HOUR)).slice(24 * HOUR);
    log.register(&model(), &options).unwrap();
    let entry = |day: i64| Entry::new([day as f32]).at(Timestamp(day * DAY));
    let open = log.log_in(db.batch(), &model(), [entry(98)]);
    log.log_all(&model(), (95..99).map(entry)).unwrap();
    clock.advance(100 * 24 * HOUR);
    assert_eq!(log.tick(clock.now()).unwrap().dropped, 0);
    drop(open);
    assert_eq!(log.tick(clock.now()).unwrap().dropped, 4);
}

#[test]
fn a_size_drops_the_oldest_slices_and_never_the_newest() {
    let (clock, db) = wound();
    let log = db.embedding_log();
    let options = SpaceOptions::new(256).retention(Retention::Bytes(60_000)).slice(24 * HOUR);
    log.register(&model(), &options).unwrap();
    // About 20 kB a day.
    let day = |day: i64| (0..20).map(move |n| Entry::new(vec![1.0 + n as f32; 256]).at(Timestamp(day * DAY + n)));
    for number in 90..100 {
        log.log_all(&model(), day(number)).unwrap();
    }
    log.tick(clock.now()).unwrap();
    let space = log.spaces().unwrap().remove(0);
    assert!(space.bytes <= 60_000 && (1..=3).contains(&space.slices), "{space:?}");
    assert_eq!(space.last, Some(Timestamp(99 * DAY + 19)));
    log.set_retention(&model(), Retention::Bytes(1)).unwrap();
    log.tick(clock.now()).unwrap();
    assert_eq!(log.spaces().unwrap()[0].rows, 20);
}

#[test]
fn an_entry_from_the_future_does_not_make_the_slice_of_now_old() {
    let (clock, db) = wound();
    let log = db.embedding_log();
    log.register(&model(), &SpaceOptions::new(1).retention(Retention::Bytes(1)).slice(24 * HOUR)).unwrap();
    for day in [98, 99, 100, 107] {
        log.log(&model(), Entry::new([1.0]).at(Timestamp(day * DAY))).unwrap();
    }
    assert_eq!(log.tick(clock.now()).unwrap().dropped, 2);
    log.log(&model(), Entry::new([1.0])).unwrap();
    assert_eq!(log.spaces().unwrap()[0].rows, 3);
    clock.advance(24 * HOUR);
    assert_eq!(log.tick(clock.now()).unwrap().dropped, 1, "its time is over");
}

#[test]
fn entries_are_part_of_the_callers_batch() {
    let (_, db) = wound();
    let log = db.embedding_log();
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    let batch = |key: &str| {
        log.log_in(db.batch(), &model(), [Entry::new([1.0]), Entry::new([2.0])]).put(&notes, Record::new(key))
    };
    batch("a").commit().unwrap();
    batch("b").require(&notes, "a", Precondition::Absent).commit().unwrap_err();
    drop(batch("c"));
    let refused = log.log_in(db.batch().put(&notes, Record::new("d")), &model(), [Entry::new([1.0, 2.0])]).commit();
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Dimension);
    assert_eq!((notes.count().unwrap(), log.scan(&model(), TimeRange::ALL).unwrap().count()), (1, 2));
    let profile = log.profile(&model(), TimeRange::ALL).unwrap();
    assert_eq!((profile.count(), profile.mean()), (2, &[1.5][..]));
    let elsewhere = Database::in_memory().unwrap();
    assert!(log.log_in(elsewhere.batch(), &model(), [Entry::new([1.0])]).commit().is_err());
}

#[test]
fn profiles_and_samples_are_of_the_range_to_the_microsecond() {
    let log = log();
    let vector = |n: i64| [n as f32 + 1.0, (n % 3) as f32];
    let entry = |n: i64| Entry::new(vector(n)).at(Timestamp(n * 900_000_000)).input(["a", "b"][n as usize % 2]);
    log.log_all(&model(), (0..400).map(entry)).unwrap();
    for (from, to) in [(0, 400), (3, 4), (1, 399), (17, 260), (400, 500)] {
        let range = times(from * 900_000_000, to * 900_000_000);
        let profile = log.profile(&model(), range).unwrap();
        let inside: Vec<i64> = (from..to.min(400)).collect();
        assert_eq!(profile.count(), inside.len() as u64);
        if let (Some(first), Some(last)) = (inside.first(), inside.last()) {
            let mean = inside.iter().map(|n| f64::from(vector(*n)[0])).sum::<f64>() / inside.len() as f64;
            assert!((profile.mean()[0] - mean).abs() < 1e-9);
            assert_eq!(
                profile.first().zip(profile.last()),
                Some((Timestamp(first * 900_000_000), Timestamp(last * 900_000_000)))
            );
            let (low, high) = profile.norms().range().unwrap();
            assert!(low >= 1.0 && high <= 401.0 && low <= high);
            assert_eq!((profile.with_input(), profile.zero_vectors()), (inside.len() as u64, 0));
            let repeated = inside.len().saturating_sub(2) as f64 / inside.len() as f64;
            assert!((profile.repeated_inputs() - repeated).abs() < 1e-9);
        }
        let sample = log.sample(&model(), range, 50, 1).unwrap();
        assert_eq!(sample.len(), inside.len().min(50));
        assert!(sample.times.iter().all(|time| range.contains(*time)));
        assert!(sample.keys.windows(2).all(|pair| pair[0] < pair[1]));
        for (place, key) in sample.keys.iter().enumerate() {
            assert_eq!(sample.vectors[place * 2..][..2], vector(*key as i64));
        }
    }
    let range = times(0, i64::MAX);
    assert_eq!(log.sample(&model(), range, 50, 1).unwrap(), log.sample(&model(), range, 50, 1).unwrap());
    assert_ne!(log.sample(&model(), range, 50, 1).unwrap(), log.sample(&model(), range, 50, 2).unwrap());
    for hours in 1..=100 {
        let windows = log.windows(&model(), times(0, hours * 3_600_000_000)).unwrap();
        assert_eq!(windows.len() as i64, hours, "one that begins where the range ends is not part of it");
    }
}

#[test]
fn every_row_is_as_likely_in_a_sample_whatever_its_window() {
    let mut hits = [0u32; 60];
    for store in 0..60u64 {
        let log = log();
        let model = ModelId::new(format!("m{store}"), "1").unwrap();
        log.register(&model, &SpaceOptions::new(1).metric(Metric::L2).sample(12)).unwrap();
        // Ten rows in the first hour, fifty in the second.
        let time = |n: i64| if n < 10 { n } else { 3_600_000_000 + n };
        log.log_all(&model, (0..60).map(|n| Entry::new([n as f32]).at(Timestamp(time(n))))).unwrap();
        for seed in 0..5 {
            let sample = log.sample(&model, TimeRange::ALL, 6, store * 5 + seed).unwrap();
            assert_eq!(sample.len(), 6);
            sample.keys.iter().for_each(|key| hits[*key as usize] += 1);
        }
    }
    // 30 each on average; those of the first hour together 300, with a deviation of about 27.
    let first: u32 = hits[..10].iter().sum();
    assert!((200..400).contains(&first), "{first} of 1800");
    assert!(hits.iter().all(|hits| (5..75).contains(hits)), "{hits:?}");
}

#[test]
fn a_store_that_is_only_read_tells_the_same() {
    let fs = MemoryFs::new();
    let db = Options::new().open_on(Arc::new(fs.clone())).unwrap();
    let log = db.embedding_log();
    let entry = |n: i64| Entry::new([1.0, n as f32]).at(Timestamp(n * 1_000_000_000));
    log.log_all(&model(), (0..50).map(entry)).unwrap();
    log.tick(Timestamp(0)).unwrap();
    log.log_all(&model(), (50..90).map(entry)).unwrap();
    let told = |db: &Database| {
        let log = db.embedding_log();
        (log.windows(&model(), TimeRange::ALL).unwrap(), log.sample(&model(), TimeRange::ALL, 9, 3).unwrap())
    };
    let before = told(&db);
    db.close().unwrap();
    let db = Options::new().open_read_only_on(Arc::new(fs)).unwrap();
    assert!(told(&db) == before);
    let log = db.embedding_log();
    let refused = [
        log.log(&model(), entry(1)).map(drop),
        log.log(&"other@1".parse().unwrap(), entry(1)).map(drop),
        log.set_retention(&model(), Retention::Bytes(9)),
    ];
    assert!(refused.into_iter().all(|refused| refused.unwrap_err().kind() == ErrorKind::ReadOnly));
}

/// Makes vectors by counting letters; another embedder where it counts others.
struct Letters {
    model: ModelId,
    first: u8,
    dimension: u8,
    /// How often it may be asked before it fails.
    patience: Cell<u32>,
}

impl Letters {
    fn new(model: &str, first: u8, dimension: u8) -> Letters {
        Letters { model: model.parse().unwrap(), first, dimension, patience: Cell::new(u32::MAX) }
    }
}

impl Embedder for Letters {
    fn model(&self) -> &ModelId {
        &self.model
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        let left = self.patience.get().checked_sub(1).ok_or_else(|| Error::new(ErrorKind::Busy, "out of patience"))?;
        self.patience.set(left);
        let count = |text: &str, letter: u8| 0.5 + text.bytes().filter(|byte| *byte == letter).count() as f32;
        let vector = |text: &&str| (0..self.dimension).map(|n| count(text, self.first + n)).collect();
        Ok(texts.iter().map(vector).collect())
    }
}

#[test]
fn an_embedder_that_was_replaced_is_noticed() {
    let fs = MemoryFs::new();
    let open = || Options::new().open_on(Arc::new(fs.clone())).unwrap();
    let letters = Letters::new("letters@1", b'a', 12);
    let db = open();
    let attached = db.embedding_log().attach(&letters, CanaryPolicy::Refuse).unwrap();
    assert!(attached.replaced.is_none() && attached.canaries.len() == 5);
    attached.log.log(&letters.model, Entry::new(vec![1.0; 12])).unwrap();
    db.close().unwrap();

    let db = open();
    let log = db.embedding_log();
    let same = log.attach(&letters, CanaryPolicy::Refuse).unwrap();
    assert!(same.canaries.iter().all(|canary| canary.cosine > 0.999));
    for other in [Letters::new("letters@1", b'm', 12), Letters::new("letters@1", b'a', 11)] {
        let error = log.attach(&other, CanaryPolicy::Refuse).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ModelMismatch);
        assert!(
            error.to_string().contains("letters@1 was replaced") && error.to_string().contains("cosine of"),
            "{error}"
        );
        let read_only = log.attach(&other, CanaryPolicy::ReadOnly).unwrap().log;
        assert!(read_only.scan(&letters.model, TimeRange::ALL).unwrap().count() > 0);
        let refused = read_only.log(&letters.model, Entry::new(vec![1.0; 12])).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ReadOnly);
        assert_eq!(read_only.tick(Timestamp(0)).unwrap_err().kind(), ErrorKind::ReadOnly);
        let warned = log.attach(&other, CanaryPolicy::Warn).unwrap();
        assert!(warned.replaced.is_some() && warned.canaries.iter().any(|canary| canary.cosine < 0.99));
        warned.log.log(&letters.model, Entry::new(vec![1.0; 12])).unwrap();
    }
    // Texts of the caller's tell apart what the fixed ones do not; each model has its own.
    let other = Letters::new("letters@2", b'A', 2);
    assert!(log.attach_with(&other, CanaryPolicy::Refuse, &[]).is_err());
    log.attach_with(&other, CanaryPolicy::Refuse, &["AAAB"]).unwrap();
    let replaced = Letters::new("letters@2", b'C', 2);
    assert_eq!(log.attach(&replaced, CanaryPolicy::Warn).unwrap().canaries[0].text, "AAAB");
    log.attach(&replaced, CanaryPolicy::Refuse).unwrap_err();
    log.log(&model(), Entry::new([1.0, 2.0])).unwrap();
    let wrong = log.attach(&Letters::new("minilm@1", b'a', 3), CanaryPolicy::Warn).unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Dimension);
}

#[test]
fn embedding_again_goes_on_where_it_was_stopped_and_tells_what_it_left_out() {
    let db = Database::in_memory().unwrap();
    let log = db.embedding_log();
    let entry = |n: i64| {
        let payload = if n % 5 == 0 { json!({"n": n}) } else { json!({"n": n, "doc": {"text": format!("text {n}")}}) };
        Entry::new([1.0, n as f32]).at(Timestamp(n * DAY)).payload(payload)
    };
    log.log_all(&model(), (0..40).map(entry)).unwrap();
    let letters = Letters::new("letters@1", b'0', 10);
    let job = || log.reembed(&model(), &letters).field("doc.text").batch(3);
    for batch in 0..5 {
        letters.patience.set(batch);
        assert_eq!(job().run().unwrap_err().kind(), ErrorKind::Busy);
    }
    let cancel = CancelToken::new();
    cancel.cancel();
    assert_eq!(job().cancel(&cancel).run().unwrap_err().kind(), ErrorKind::Cancelled);
    letters.patience.set(u32::MAX);
    let open = log.log_in(db.batch(), &model(), [entry(40)]);
    log.log(&model(), entry(41)).unwrap();
    let report = job().run().unwrap();
    assert_eq!((report.read, report.written, report.without_text, report.too_old), (40, 32, 8, 0));
    open.commit().unwrap();
    let report = job().run().unwrap();
    assert_eq!((report.read, report.written, report.without_text), (42, 33, 9));
    assert_eq!(job().run().unwrap(), report, "all is done");
    let made: Vec<_> = log.scan(&letters.model, TimeRange::ALL).unwrap().map(|row| row.unwrap()).collect();
    let want: Vec<i64> = (0..42).filter(|n| n % 5 != 0).collect();
    assert_eq!(made.iter().map(|row| row.time.0 / DAY).collect::<Vec<_>>(), want);
    assert!(made.iter().all(|row| row.input_sha256().is_some() && row.vector.len() == 10));
    let itself = Letters::new("minilm@1", b'a', 2);
    assert_eq!(log.reembed(&model(), &itself).run().unwrap_err().kind(), ErrorKind::Invalid);
    let kept = Letters::new("kept@1", b'0', 4);
    let options = SpaceOptions::new(4).retention(Retention::Age(HOUR));
    log.register(&kept.model, &options).unwrap();
    assert_eq!(log.reembed(&model(), &kept).field("doc.text").run().unwrap().too_old, 42);
}

#[cfg(feature = "cli")]
#[test]
fn the_shell_logs_lists_and_finds() {
    let shell = Shell::empty();
    let run = |statement: &str| shell.run(&["S", statement]).done();
    let json = |statement: &str| -> serde_json::Value {
        serde_json::from_str(&shell.run(&["S", statement, "--format", "json"]).done()).unwrap()
    };
    let logged = run("log minilm@1 [0.1, 0.9, 0] {\"lang\": \"en\"} at 2026-01-31 input 'A red bicycle'");
    assert_eq!(logged, "logged vector 0 of minilm@1\n");
    assert_eq!(json("log minilm@1 [0.9, 0.1, 0] at '2026-01-31 01:30'")["logged"], 1);
    run("log minilm@2 [1, 2]");
    let hits = json("find minilm@1 near [0, 1, 0] where lang = 'en' select *");
    assert_eq!((hits[0]["key"].as_u64(), hits.as_array().map(Vec::len)), (Some(0), Some(1)));
    assert_eq!(hits[0]["time_us"].as_i64(), Some(1_769_817_600_000_000));
    assert!(hits[0]["payload"]["input_sha256"].is_string() && hits[0]["vector"].is_array(), "{hits}");
    let table = run("find minilm@1 near @1 select lang limit 2");
    assert!(table.contains("2026-01-31") && table.contains("similarity"), "{table}");
    let spaces = json("logs");
    assert_eq!(
        (&spaces[0]["model"], &spaces[0]["rows"], &spaces[1]["dimension"]),
        (&json!("minilm@1"), &json!(2), &json!(2))
    );
    let windows = json("logs minilm@1 from 2026-01-31 to 2026-02-01");
    assert_eq!((windows[0]["rows"].as_u64(), windows.as_array().map(Vec::len)), (Some(1), Some(2)));
    let csv = shell.run(&["S", "logs minilm@1 to '2026-01-31 01:00'", "--format", "csv"]).done();
    assert!(csv.starts_with("from,rows,shortest,") && csv.lines().count() == 2, "{csv}");
    shell.run(&["S", "log minilm@1 [1, 2]"]).refused(1, &["[dimension]", "minilm@1"]);
    shell.run(&["S", "log minilm [1, 2]"]).refused(1, &["name@version"]);
    shell.run(&["S", "find minilm@3 near [1, 2]"]).refused(1, &["did you mean minilm@"]);
    shell.run(&["S", "find minilm@1 near @9"]).refused(1, &["[not_found]"]);
    shell.run(&["S", "find minilm@1 near [0, 1, 0] model minilm@2"]).refused(1, &["[model_mismatch]"]);
    shell.run(&["S", "logs from 2026-01-31"]).refused(2, &["a model before the times"]);
}
