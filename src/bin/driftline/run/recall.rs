//! `recall`.

use driftline::statement::Recall;
use driftline::{Collection, Metric};

use super::inputs;
use crate::failure::Outcome;
use crate::session::Session;

/// The most queries one measurement takes.
const MAX_QUERIES: u64 = 100_000;

pub(super) fn recall(session: &mut Session, asked: &Recall) -> Outcome {
    let collection = session.store.collection(&asked.collection)?;
    let report = measurement(session, asked, &collection)?.run()?;
    session.output.one(&report, || report.to_string())
}

fn measurement(session: &Session, asked: &Recall, of: &Collection) -> Outcome<driftline::Recall> {
    let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let mut measurement = of.recall().cancel(session.token());
    if let Some(sample) = asked.sample {
        measurement = measurement.sample(count(sample));
    }
    if let Some(file) = &asked.queries {
        let bits = of.schema()?.metric() == Some(Metric::Hamming);
        measurement = measurement.queries(inputs::vectors(file, asked.sample.unwrap_or(MAX_QUERIES), bits)?);
    }
    if let Some(k) = asked.k {
        measurement = measurement.k(count(k));
    }
    if let Some(recall) = asked.recall {
        measurement = measurement.recall(recall);
    }
    if let Some(ef) = asked.ef {
        measurement = measurement.ef(count(ef));
    }
    if let Some(filter) = &asked.filter {
        measurement = measurement.filter(filter)?;
    }
    if let Some(seed) = asked.seed {
        measurement = measurement.seed(seed);
    }
    if let Some(timeout) = session.settings.timeout {
        measurement = measurement.deadline(timeout);
    }
    Ok(measurement)
}
