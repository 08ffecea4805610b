//! `driftline bench load`: everything at once, for long, on a store of a steady size, to see whether anything grows.
//!
//! `work` keeps the threads busy and checks their answers, `gauge` looks at the process, the files and the store now and
//! then, `verdict` compares late looks with early ones, `show` prints.

mod gauge;
mod show;
mod verdict;
mod work;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use driftline::{
    CancelToken, Create, Database, Error, ErrorKind, IndexSpec, Metric, Options, Result, Schema, VerifyLevel,
};

pub(super) use self::gauge::{Calls, Interval};
pub(super) use self::show::show;
pub(super) use self::verdict::{Judged, judge};
use self::work::Load;
use super::args;
use super::folder::Folder;
use super::generate::{Kind, Model};

/// The name of the collection.
const COLLECTION: &str = "docs";
/// How often it is looked whether the time is over.
const LOOK: Duration = Duration::from_millis(100);

/// Runs the load; tells `listener` of every interval. Ends with an error when an answer was wrong or a call failed.
pub(super) fn load(
    asked: &args::Load,
    cancel: &CancelToken,
    listener: &mut dyn FnMut(&Interval) -> Result<()>,
) -> Result<()> {
    check(asked)?;
    let folder = Folder::make(asked.work.as_deref())?;
    let store = folder.path().join("store");
    let model = Model::new(Kind::Clustered, asked.dim, asked.rows, Metric::Cosine, asked.seed, false);
    let db = begin(&store, asked, &model)?;
    let load = Arc::new(Load::new(db, model, folder.path().join("backup"), asked)?);
    let threads = work::start(&load)?;
    let told = watch(&load, &store, asked, cancel, listener);
    load.end();
    threads.into_iter().for_each(|thread| _ = thread.join());
    told?;
    load.outcome()?;
    let live = load.live();
    compare(load.db(), live)?;
    load.db().close_within(Duration::from_secs(600))?;
    look_again(&store, live)
}

fn check(asked: &args::Load) -> Result<()> {
    let refuse = |message: String| Err(Error::new(ErrorKind::Invalid, message));
    if !(asked.minutes > 0.0 && asked.minutes <= 100_000.0) {
        return refuse(format!("--minutes is {}; it must be above 0 and at most 100000", asked.minutes));
    }
    if asked.rows < work::CHUNK * 4 || asked.every == 0 || asked.memory == 0 {
        return refuse(format!("--rows must be at least {}, --every and --memory at least 1", work::CHUNK * 4));
    }
    Ok(())
}

/// A store that holds as many records as it is to have all the time.
fn begin(store: &Path, asked: &args::Load, model: &Model) -> Result<Database> {
    let options = Options::new().create(Create::IfMissing).memory_budget_bytes(asked.memory << 20);
    let db = options.open(store)?;
    let schema = Schema::vector(asked.dim, Metric::Cosine).index(IndexSpec::Auto);
    let docs = db.create_collection(COLLECTION, schema)?;
    let mut import = docs.import()?;
    for key in 0..asked.rows {
        import.put(work::record(model, key))?;
    }
    import.finish()?;
    Ok(db)
}

/// Looks at everything once an interval until the time is over.
fn watch(
    load: &Load,
    store: &Path,
    asked: &args::Load,
    cancel: &CancelToken,
    listener: &mut dyn FnMut(&Interval) -> Result<()>,
) -> Result<()> {
    let start = Instant::now();
    let whole = Duration::from_secs_f64(asked.minutes * 60.0);
    let every = Duration::from_secs(asked.every);
    let (mut next, mut last) = (every.min(whole), Duration::ZERO);
    while !cancel.is_cancelled() && !load.failed() {
        std::thread::sleep(LOOK);
        let now = start.elapsed();
        if now >= next {
            listener(&gauge::look(now, now - last, load, store)?)?;
            last = now;
            if next >= whole {
                break;
            }
            next = (next + every).min(whole);
        }
    }
    Ok(())
}

/// The store, opened anew, holds what it has to, and all of it is sound.
fn look_again(store: &Path, live: u64) -> Result<()> {
    let db = Database::open(store)?;
    compare(&db, live)?;
    match db.verify(VerifyLevel::Full)?.problems.first() {
        Some(problem) => Err(Error::new(ErrorKind::Corrupt, format!("after the load, {problem}"))),
        None => db.close(),
    }
}

fn compare(db: &Database, live: u64) -> Result<()> {
    let found = db.collection(COLLECTION)?.count()?;
    if found == live {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Internal, format!("after the load there are {found} records and not {live}")))
}
