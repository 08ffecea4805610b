//! Does what a statement says, and prints the answer.

mod alerts;
mod audit;
mod backup;
mod baseline;
mod caches;
mod care;
mod collections;
mod configuration;
mod dashboard;
mod disk;
mod drift;
mod drift_page;
mod health;
mod inputs;
mod logs;
mod models;
mod monitor;
mod pipelines;
mod recall;
mod records;
mod search;
mod timer;
mod transfer;
mod trials;
mod watching;

use std::time::Instant;

use driftline::statement::Statement;

use crate::failure::{Failure, Outcome};
use crate::render;
use crate::session::Session;

pub(crate) use inputs::parameter;
use timer::Timer;

/// Runs a statement and prints its answer.
pub(crate) fn run(session: &mut Session, statement: &Statement) -> Outcome {
    let start = Instant::now();
    let running = session.interrupt.begin();
    session.begin(running.token.clone());
    let searches = matches!(statement, Statement::Find(_) | Statement::Explain(_) | Statement::Recall(_));
    // A search has its own deadline and keeps what it found.
    let timer = session.settings.timeout.filter(|_| !searches).map(|time| Timer::start(time, &running.token));
    let ended = answer(session, statement).and_then(|()| session.output.finish());
    let late = timer.is_some_and(Timer::stop);
    drop(running);
    session.last = Some(statement.clone());
    if session.settings.timer {
        session.note(&format!("took {}", render::elapsed(start.elapsed())));
    }
    ended.map_err(|failure| if late { Failure::failed("the time for the statement was up") } else { failure })
}

fn answer(session: &mut Session, statement: &Statement) -> Outcome {
    match statement {
        Statement::Alerts(asked) => alerts::alerts(session, asked),
        Statement::Alias(asked) => models::alias(session, asked),
        Statement::Audit(asked) => audit::audit(session, asked),
        Statement::Cache(asked) => caches::cache(session, asked),
        Statement::Experiment(asked) => trials::experiment(session, asked),
        Statement::Mode { set } => models::mode(session, set.as_ref()),
        Statement::Model(asked) => models::model(session, asked),
        Statement::Retrain(asked) => trials::retrain(session, asked),
        Statement::Backup(asked) => backup::backup(session, asked),
        Statement::Baseline(asked) => baseline::baseline(session, asked),
        Statement::Collections => collections::list(session),
        Statement::Compact { collection } => care::compact(session, collection.as_ref()),
        Statement::RebuildIndex { collection } => care::rebuild(session, collection),
        Statement::Reindex { collection, index } => care::reindex(session, collection, index),
        Statement::Config(asked) => configuration::config(session, asked),
        Statement::Count { collection, filter } => collections::count(session, collection, filter.as_ref()),
        Statement::Create { collection, schema } => collections::create(session, collection, schema),
        Statement::Dashboard { model, last } => dashboard::dashboard(session, model.as_deref(), *last),
        Statement::Delete { collection, which } => records::delete(session, collection, which),
        Statement::Disk => disk::disk(session),
        Statement::Drift(asked) => drift::drift(session, asked),
        Statement::Drop { collection } => collections::drop(session, collection),
        Statement::Explain(find) => search::explain(session, find),
        Statement::Export(export) => transfer::export(session, export),
        Statement::Find(find) if find.collection.text.contains('@') => logs::find(session, find),
        Statement::Find(find) => search::find(session, find),
        Statement::Flush => care::flush(session),
        Statement::Get { collection, key } => records::get(session, collection, key),
        Statement::Health => health::health(session),
        Statement::Import(import) => transfer::import(session, import),
        Statement::Log(asked) => logs::log(session, asked),
        Statement::Logs { model: None, .. } => logs::models(session),
        Statement::Logs { model: Some(model), from, to } => logs::windows(session, model, *from, *to),
        Statement::Metrics { file } => watching::metrics(session, file.as_deref()),
        Statement::Monitor(asked) => monitor::monitor(session, asked),
        Statement::Pipeline(asked) => pipelines::pipeline(session, asked),
        Statement::Patch { collection, which, change } => records::patch(session, collection, which, change),
        Statement::Put(put) => records::put(session, put),
        Statement::PutLines { collection, if_absent } => records::put_lines(session, collection, *if_absent),
        Statement::Recall(asked) => recall::recall(session, asked),
        Statement::Scan(scan) => search::scan(session, scan),
        Statement::Scrub { rate_mib } => health::scrub(session, *rate_mib),
        Statement::Stats { collection } => care::stats(session, collection.as_ref()),
        Statement::Verify { quick } => care::verify(session, *quick),
        // The library may learn a statement before this program does.
        _ => Err(Failure::failed("this program cannot do that yet")),
    }
}
