//! The part of the story that is about models: two versions, users between them, what serves, and who changed that.

use std::path::Path;
use std::time::Duration;

use driftline::mlops::{
    Analysis, CacheLimits, Change, ExperimentConfig, Mode, Model, NewVersion, Recommendation, RetrainConfig, Signals,
};
use driftline::{Collection, Database, Durability, Error, ErrorKind, Options, json};
use serde::Serialize;

use super::digits::Digits;
use super::{DIGITS, neighbours};
use crate::failure::{Failure, Outcome};

const MODEL: &str = "reader";
const EXPERIMENT: &str = "reader-2";
/// The version that is there, and the one that is tried.
const OLD: &str = "1.0.0";
const NEW: &str = "2.0.0";
/// The old version knows so many digits.
const KNOWN: u64 = 100;
/// Digits on which versions are measured, and digits that users bring.
const MEASURED: std::ops::Range<u64> = 100..300;
const BROUGHT: std::ops::Range<u64> = 300..899;
/// Questions that the cache is asked.
const QUESTIONS: std::ops::Range<u64> = 0..50;
/// How far what the model sees has drifted, as a check might find.
const DRIFT_SCORE: f64 = 0.31;

/// What came of it.
#[derive(Debug, Serialize)]
pub(crate) struct Models {
    pub(crate) users: [u64; 2],
    pub(crate) right: [f64; 2],
    pub(crate) p_always_valid: f64,
    pub(crate) adopted: bool,
    /// Answers that were computed: by the old version, by the old one asked again, and by the new one.
    pub(crate) computed: [u64; 3],
    pub(crate) training_asked_for: String,
    pub(crate) audit_entries: u64,
    pub(crate) audit_whole: bool,
}

/// Goes through it on the store at this path.
pub(crate) fn live_through(path: &Path, digits: &Digits) -> Outcome<Models> {
    // Each user is a batch or two: one sync for many of them is enough here.
    let options = Options::new().durability(Durability::Interval(Duration::from_millis(50)));
    let db = options.open(path).map_err(|error| Failure::opening(&error))?;
    let reader = Reader { collection: db.collection(DIGITS)?, digits };
    let model = reader.register(&db)?;
    model.promote_to_production(OLD, by_demo("the first"))?;
    let first = reader.ask_cache(&db)?;
    let again = reader.ask_cache(&db)?;
    let analysis = reader.compare(&db)?;
    let adopted = analysis.recommendation == Recommendation::AdoptB;
    if adopted {
        // A version in production keeps models as they are, until somebody says otherwise.
        let _training = db.modes().enter(Mode::Training, by_demo("the experiment is over"))?;
        model.promote_to_production(NEW, by_demo("right more often"))?;
    }
    let anew = reader.ask_cache(&db)?;
    let training_asked_for = ask_for_training(&db)?;
    let audit = db.audit().verify()?;
    db.close()?;
    let primary = &analysis.metrics[0];
    Ok(Models {
        users: [analysis.users_a, analysis.users_b],
        right: [primary.a.value, primary.b.value],
        p_always_valid: analysis.p_always_valid.unwrap_or(1.0),
        adopted,
        computed: [first, again, anew],
        training_asked_for,
        audit_entries: audit.records,
        audit_whole: audit.is_whole(),
    })
}

fn by_demo(reason: &str) -> Change {
    Change::by("demo").because(reason)
}

/// A model that names a digit after the nearest one it knows.
struct Reader<'a> {
    collection: Collection,
    digits: &'a Digits,
}

impl Reader<'_> {
    /// What a version says of a digit.
    fn read(&self, version: &str, row: u64) -> driftline::Result<u8> {
        let nearest = if version == NEW {
            neighbours(&self.collection, self.digits, row, 1)?
        } else {
            let query = self.collection.query().nearest(self.digits.vector(row)).k(2);
            let hits = query.filter(format!("@key < {KNOWN}").as_str())?.run()?;
            hits.keys().filter_map(|key| key.as_number()).filter(|other| *other != row).collect()
        };
        let none = || Error::new(ErrorKind::NotFound, "no digit was found");
        Ok(self.digits.label(*nearest.first().ok_or_else(none)?))
    }

    fn is_right(&self, version: &str, row: u64) -> driftline::Result<bool> {
        Ok(self.read(version, row)? == self.digits.label(row))
    }

    fn register(&self, db: &Database) -> Outcome<Model> {
        let model = db.model(MODEL)?;
        for (version, knows) in [(OLD, KNOWN), (NEW, self.digits.len())] {
            let right = MEASURED.map(|row| self.is_right(version, row)).collect::<driftline::Result<Vec<_>>>()?;
            let accuracy = right.iter().filter(|right| **right).count() as f64 / right.len() as f64;
            let artifact = json!({"names": "the nearest", "knows": knows}).to_string();
            let new = NewVersion::new(version).metric("accuracy", accuracy).format("json").tag("demo").actor("demo");
            model.register(new, artifact.as_bytes())?;
        }
        Ok(model)
    }

    /// Asks for answers through the cache; tells how many had to be computed.
    fn ask_cache(&self, db: &Database) -> Outcome<u64> {
        let cache = db.prediction_cache(MODEL, CacheLimits::new())?;
        let inputs: Vec<_> = QUESTIONS.map(|row| json!({ "digit": row })).collect();
        let mut computed = 0;
        cache.get_or_compute(&inputs, |version, missing| {
            computed += missing.len() as u64;
            let rows = missing.iter().map(|input| input["digit"].as_u64().unwrap_or_default());
            rows.map(|row| Ok(json!(self.read(version.version(), row)?))).collect()
        })?;
        Ok(computed)
    }

    /// Has users bring digits, each to one of the versions, and tells how it stands when all have come.
    fn compare(&self, db: &Database) -> Outcome<Analysis> {
        let experiments = db.experiments();
        let config = ExperimentConfig::new(EXPERIMENT, MODEL, OLD, NEW);
        experiments.create(config.traffic_split(0.5).min_samples_per_variant(200), by_demo("is it better?"))?;
        experiments.start(EXPERIMENT, by_demo("users have come"))?;
        for row in BROUGHT {
            let user = format!("user-{row}");
            let version = experiments.assign(EXPERIMENT, &user, ())?.version;
            let right = f64::from(u8::from(self.is_right(&version, row)?));
            experiments.record_outcome(EXPERIMENT, &user, "accuracy", right)?;
        }
        experiments.stop(EXPERIMENT, by_demo("it is decided"))?;
        Ok(experiments.analyze(EXPERIMENT)?)
    }
}

/// Tells why training is asked for.
fn ask_for_training(db: &Database) -> Outcome<String> {
    let retraining = db.retraining();
    retraining.configure(MODEL, RetrainConfig::new().needs_approval(), by_demo("somebody looks at it first"))?;
    let run = retraining.tick_with(MODEL, &Signals::new().drift_score(DRIFT_SCORE))?;
    let reason = run.and_then(|run| run.reasons.into_iter().next());
    Ok(reason.map_or_else(String::new, |reason| reason.text))
}
