//! The Rust code of the guide compiles, and does what the guide says where it can be run here.
//!
//! A page shows a piece of a program. Each piece stands below in a function that gives it what it needs; that they are the
//! same is a test.
#![allow(
    dead_code,
    unused_variables,
    clippy::needless_borrow,
    clippy::needless_pass_by_value,
    reason = "pages show what there is, and end there"
)]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use driftline::mlops::drift::{MonitorOptions, Reference};
use driftline::mlops::{Alerts, CanaryPolicy, Change, Delivery, Embedder, FileHandler, ModelId, NewVersion, Output};
use driftline::{
    CancelToken, Database, Filter, Metric, MigrateOptions, Options, Params, Record, RestoreOptions, Result,
    SalvageOptions, Schema, ScrubOptions, Severity, Timestamp, Value, field, json,
};

const WEEK: Duration = Duration::from_secs(7 * 86_400);
const MONTH: Duration = Duration::from_secs(30 * 86_400);

/// `caches.md`
#[rustfmt::skip]
fn caches(db: &Database, texts: &[&str], model: Lengths, inputs: &[serde_json::Value], ranker: Ranker) -> Result<()> {
    use driftline::mlops::{Cache, CacheLimits};
    use std::time::Duration;

    let cache = db.cache()?;                                          // values by name
    cache.set("exchange-rate", 1.08.into(), Some(Duration::from_secs(600)))?;
    let rate = cache.get("exchange-rate")?;

    let embeddings = db.embedding_cache(&"minilm@1".parse()?, 384, CacheLimits::new().max_entries(100_000))?;
    let vectors = embeddings.get_or_compute(&texts, |missing| model.embed(missing))?;

    let predictions = db.prediction_cache("ranker", CacheLimits::new())?;
    let answers = predictions.get_or_compute(&inputs, |version, missing| ranker.predict(version, missing))?;
    assert_eq!((vectors.len(), answers.len()), (texts.len(), inputs.len()));
    assert_eq!(rate, Some(1.08.into()));
    Ok(())
}

/// `care.md`
#[rustfmt::skip]
fn backup(db: &Database, mut pipe: impl Write) -> Result<()> {
    let report = db.backup().copy().verify().to_dir("/mnt/other/monday")?;
    db.backup().verify().to_archive("monday.tar")?;
    db.backup().to_writer(&mut pipe)?;
    Ok(())
}

/// `care.md`
#[rustfmt::skip]
fn restoring() -> Result<()> {
    driftline::restore("monday.tar", "shop.drift", RestoreOptions::new())?;
    Ok(())
}

/// `care.md`
#[rustfmt::skip]
fn salvaging() -> Result<()> {
    let report = driftline::salvage("broken.drift", "saved.drift", SalvageOptions::new())?;
    println!("{report}");
    Ok(())
}

/// `care.md`
#[rustfmt::skip]
fn migrating() -> Result<()> {
    driftline::migrate("shop.drift", "new.drift", MigrateOptions::new())?;
    Ok(())
}

/// `care.md`
#[rustfmt::skip]
fn verifying(db: &Database, token: CancelToken) -> Result<()> {
    let report = db.verification().cancel(&token).on_progress(|it| println!("{} of {}", it.bytes, it.of_bytes)).run()?;
    Ok(())
}

/// `care.md`
#[rustfmt::skip]
fn scrubbing() -> Result<()> {
    let scrub = ScrubOptions::new().every(Duration::from_secs(86_400)).bytes_per_second(8 << 20);
    let db = Options::new().scrub(scrub).open("shop.drift")?;
    Ok(())
}

/// `care.md`
#[rustfmt::skip]
fn checks(db: &Database) -> Result<()> {
    db.add_check("model.onnx", Severity::Critical, || match Path::new("model.onnx").exists() {
        true => Ok("it is there".into()),
        false => Err("there is no such file".into()),
    })?;
    Ok(())
}

/// `configuration.md`
#[rustfmt::skip]
fn configuration() -> Result<()> {
    use driftline::mlops::Config;

    let config = Config::loader()
        .file("ranker.yaml")
        .profile("production")
        .environment(std::env::vars_os())?
        .load()?;
    assert_eq!(config.monitoring.window, 2000);
    Ok(())
}

/// `drift.md`
#[rustfmt::skip]
fn drift(db: &Database) -> Result<()> {
    let report = db.drift("docs").last(WEEK).against(Reference::Before(MONTH)).by("lang").run()?;
    Ok(())
}

/// `drift.md`
#[rustfmt::skip]
fn drift_over_time(db: &Database, now: Timestamp) -> Result<()> {
    let options = MonitorOptions::default().reference(Reference::Baseline("spring".into(), None));
    let monitor = db.drift_monitor("docs", options)?;
    monitor.tick(now)?;                 // from a loop of yours
    let thread = monitor.watch()?;      // or on a thread that stops when this is dropped
    Ok(())
}

/// `files.md`
#[rustfmt::skip]
fn files(db: &Database) -> Result<()> {
    use driftline::exchange::{self, ImportOptions, Source};
    use std::ops::ControlFlow;

    let options = ImportOptions::new().labels("train-labels-idx1-ubyte.gz");
    let report = exchange::import_new(
        &db,
        "mnist",
        Some(Metric::L2),
        Source::file("train-images-idx3-ubyte.gz"),
        &options,
        &mut |progress| {
            eprintln!("{} rows", progress.rows);
            ControlFlow::Continue(())
        },
    )?;
    Ok(())
}

/// `filters.md`
#[rustfmt::skip]
fn parameters() -> Result<()> {
    let params = Params::from([("langs".into(), json!(["en", "fr"]).into())]);
    let filter = Filter::parse_with("lang IN $langs", &params)?;
    Ok(())
}

/// `filters.md`
#[rustfmt::skip]
fn built_filters() -> Result<()> {
    let built = field("lang").eq("en").and(field("year").ge(2020));
    let json = json!({"and": [{"field": "lang", "eq": "en"}, {"field": "year", "ge": 2020}]});
    assert_eq!(built, Filter::from_json(&json)?);
    assert_eq!(built, Filter::parse("lang = 'en' AND year >= 2020")?);
    Ok(())
}

/// `log.md`
#[rustfmt::skip]
fn embedding_log(path: &Path) -> Result<()> {
    use driftline::mlops::{Entry, ModelId, Retention, SpaceOptions, TimeRange};
    use driftline::{Database, json};
    use std::time::Duration;

    let db = Database::open(path)?;
    let log = db.embedding_log();
    let model = ModelId::new("minilm", "1.2.0")?;

    // Optional: without it the first vector makes the space, with the defaults.
    let days = |days: u64| Duration::from_secs(days * 86_400);
    log.register(&model, &SpaceOptions::new(3).retention(Retention::Age(days(90))))?;

    log.log(&model, Entry::new([0.1, 0.9, 0.0]).payload(json!({"lang": "en"})).input("A red bicycle"))?;

    let last_week = TimeRange::last(days(7), db.now())?;
    let hits = log.query(&model).nearest([0.0, 1.0, 0.0]).k(5).within_times(last_week).filter("lang = 'en'")?.run()?;
    assert_eq!(*hits.hits[0].logged.model, model);
    Ok(())
}

/// `log.md`
#[rustfmt::skip]
fn embedder(db: &Database, embedder: Lengths) -> Result<()> {
    let attached = db.embedding_log().attach(&embedder, CanaryPolicy::ReadOnly)?;
    let log = attached.log; // Reads only, if the embedder was replaced.
    assert!(attached.replaced.is_none());
    Ok(())
}

/// `metrics.md`
#[rustfmt::skip]
fn metrics(db: &Database) -> Result<()> {
    // For the textfile collector of the node exporter, every few seconds.
    db.write_metrics("/var/lib/node_exporter/driftline.prom")?;
    Ok(())
}

/// `monitoring.md`
#[rustfmt::skip]
fn monitoring(db: &Database, rows: Vec<Value>, truths: Vec<Output>, predictions: Vec<Output>) -> Result<()> {
    use driftline::mlops::{AlertConfig, ModelId, Monitor, PredictionRecord};

    let monitor = Monitor::builder(&db, &ModelId::new("spam", "3")?)?
        .baseline_data(&rows)                    // what good features look like
        .baseline_labels(truths)                 // what is true of them
        .baseline_predictions(predictions)       // what the model says: both give the accuracy
        .alert_config(AlertConfig::default())
        .open()?;

    monitor.record_prediction(PredictionRecord::new("spam").confidence(0.93).latency_ms(12.0).id("request-7"))?;
    monitor.record_prediction(PredictionRecord::failed("no answer after 30 s"))?;
    monitor.record_label("request-7", "ham", None)?;       // days later
    monitor.tick(db.now())?;                               // every few minutes
    Ok(())
}

/// `monitoring.md`
#[rustfmt::skip]
fn handlers(alerts: Alerts) -> Result<()> {
    alerts.add_handler("file", FileHandler::new("alerts.jsonl")?)?;
    alerts.add_handler("pager", |delivery: &Delivery| post(delivery.alert.webhook_body()))?;
    alerts.register_alert_handler("log", |alert_type, metrics| println!("{alert_type} {metrics}"))?;
    Ok(())
}

/// `pipeline.md`
#[rustfmt::skip]
fn pipeline(db: &Database) -> Result<()> {
    use driftline::mlops::{Change, Config, Pipeline, RetrainCommand};

    let mut config = Config::default();
    config.monitoring.window = 500;

    let pipeline = Pipeline::builder(&db, "ranker")
        .config(&config)
        .retrain_command(RetrainCommand::new("./train.sh", ["ranker"]))
        .by(Change::by("kim").because("the ranker goes live"))
        .open()?;

    let _watching = pipeline.start()?;        // a thread, until this is dropped; or call pipeline.tick(db.now()) yourself
    Ok(())
}

/// Embeds texts by their lengths.
struct Lengths(ModelId);

impl Embedder for Lengths {
    fn model(&self) -> &ModelId {
        &self.0
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        let vector = |text: &&str| (0..384u16).map(|place| text.len() as f32 + f32::from(place)).collect();
        Ok(texts.iter().map(vector).collect())
    }
}

struct Ranker;

impl Ranker {
    fn predict(&self, version: &ModelId, inputs: &[&serde_json::Value]) -> Result<Vec<serde_json::Value>> {
        Ok(inputs.iter().map(|_| json!(version.version())).collect())
    }
}

/// What an application does to tell others.
fn post(body: serde_json::Value) -> std::result::Result<(), String> {
    if body.is_object() { Ok(()) } else { Err("this is no alert".into()) }
}

#[test]
fn the_code_of_the_guide_does_what_the_pages_say() {
    let dir = tempfile::tempdir().unwrap();
    embedding_log(&dir.path().join("shop.drift")).unwrap();
    let db = Database::in_memory().unwrap();
    let lengths = || Lengths(ModelId::new("lengths", "1").unwrap());
    embedder(&db, lengths()).unwrap();
    let ranker = db.model("ranker").unwrap();
    ranker.register(NewVersion::new("1").metric("accuracy", 0.9), &b"weights"[..]).unwrap();
    ranker.promote_to_production("1", Change::by("kim")).unwrap();
    caches(&db, &["a", "bc", "a"], lengths(), &[json!({"age": 30}), json!({"age": 31})], Ranker).unwrap();
    parameters().unwrap();
    built_filters().unwrap();
    checks(&db).unwrap();
    verifying(&db, CancelToken::new()).unwrap();

    let training = db.modes().enter(driftline::mlops::Mode::Training, Change::by("kim")).unwrap();
    let outputs = || vec![Output::from("spam"), Output::from("ham")];
    monitoring(&db, vec![json!({"words": 3}).into()], outputs(), outputs()).unwrap();
    pipeline(&db).unwrap();
    drop(training);
    let docs = db.create_collection("docs", Schema::vector(1, Metric::L2)).unwrap();
    docs.put(Record::new(1u64).vector([1.0]).payload(json!({"lang": "en"}))).unwrap();
    assert!(drift(&db).unwrap_err().to_string().contains("the reference of docs has no rows"));
}

#[test]
fn what_is_compiled_is_what_the_guide_shows() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lines = |text: &str| text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>();
    let compiled = lines(include_str!("guide_code.rs"));
    let (mut seen, mut missing) = (0, Vec::new());
    for entry in fs::read_dir(root.join("docs/guide")).unwrap() {
        let path = entry.unwrap().path();
        let page = lines(&fs::read_to_string(&path).unwrap());
        for (number, _) in page.iter().enumerate().filter(|(_, line)| line.starts_with("```rust")) {
            let code: Vec<String> = page[number + 1..].iter().take_while(|line| *line != "```").cloned().collect();
            seen += 1;
            if !compiled.windows(code.len()).any(|lines| lines == code) {
                missing.push(format!("{}, line {}", path.display(), number + 1));
            }
        }
    }
    assert!(seen > 15, "the guide has {seen} pieces of code");
    assert!(missing.is_empty(), "code of the guide that is not compiled here: {missing:#?}");
}
