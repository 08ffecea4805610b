//! `log`, `logs`, and `find` in what was logged.

use driftline::mlops::{EmbeddingLog, Entry, LogHit, LogQuery, ModelId, Profile, SpaceInfo, TimeRange};
use driftline::statement::{Columns, Find, Log, Name, VectorSource, VectorText};
use driftline::{Error, ErrorKind, Timestamp, Value, Vector, json};
use serde::Serialize;

use super::inputs;
use crate::failure::{Failure, Outcome};
use crate::render::{self, Plain};
use crate::session::Session;

/// Columns from which on a table of models or windows has room for all of it.
const ROOMY: usize = 104;

pub(super) fn log(session: &mut Session, asked: &Log) -> Outcome {
    let model = model(&asked.model)?;
    let log = session.store.making()?.embedding_log();
    let mut entry = Entry::new(numbers(session, &log, &model, &asked.vector)?);
    if let Some(payload) = &asked.payload {
        entry = entry.payload(inputs::payload(session, payload)?);
    }
    entry = asked.at.into_iter().fold(entry, Entry::at);
    entry = asked.input.iter().fold(entry, |entry, input| entry.input(input));
    let key = log.log(&model, entry).map_err(|error| about(error, &asked.vector))?;
    let answer = json!({"logged": key, "model": model});
    session.output.one(&answer, || format!("logged vector {key} of {}", render::plain(&model.to_string())))
}

pub(super) fn models(session: &mut Session) -> Outcome {
    let spaces = session.store.reading()?.embedding_log().spaces()?;
    // People see when, programs see exactly when.
    let moment: fn(Timestamp) -> String = if session.output.is_table() { render::minute } else { render::time };
    let narrow = session.output.is_narrow(ROOMY);
    let row = |it: SpaceInfo| {
        let [first, last] = [it.first, it.last].map(|time| time.map_or(String::new(), moment));
        let mut cells = vec![render::plain(&it.model.to_string()), format!("f32[{}] {}", it.dimension, it.metric)];
        cells.push(render::count(it.rows));
        cells.extend((!narrow).then(|| render::count(it.logged)));
        cells.extend([first, last]);
        cells.extend((!narrow).then(|| render::size(it.bytes)));
        cells.push(it.retention.to_string());
        Ok(Plain { thing: it, cells })
    };
    let mut headings = vec!["model", "vectors", "rows", "logged", "first", "last", "size", "kept"];
    headings.retain(|heading| !narrow || !["logged", "size"].contains(heading));
    session.output.many(&headings, spaces.into_iter().map(row))
}

/// A window in JSON.
#[derive(Serialize)]
struct Window {
    from_us: Timestamp,
    to_us: Timestamp,
    rows: u64,
    shortest: Option<f64>,
    median: Option<f64>,
    longest: Option<f64>,
    /// The length of the mean vector.
    mean: f64,
    /// The root of the variances' sum.
    spread: f64,
    zero_vectors: u64,
    with_input: u64,
    repeated_inputs: f64,
}

pub(super) fn windows(session: &mut Session, name: &Name, from: Option<Timestamp>, to: Option<Timestamp>) -> Outcome {
    let log = session.store.reading()?.embedding_log();
    let range = TimeRange::new(from.unwrap_or(TimeRange::ALL.from), to.unwrap_or(TimeRange::ALL.to))?;
    let windows = log.windows(&model(name)?, range).map_err(|error| Failure::from(error).about(name.span.clone()))?;
    let narrow = session.output.is_narrow(ROOMY);
    let row = |profile: Profile| {
        let window = summed(&profile)?;
        let figure = |number: f64| render::figure(number as f32);
        let mut cells = vec![render::time(window.from_us), render::count(window.rows)];
        let norms = [window.shortest, window.median, window.longest];
        cells.extend(norms.map(|norm| norm.map_or(String::new(), figure)));
        cells.push(figure(window.mean));
        cells.extend((!narrow).then(|| figure(window.spread)));
        cells.push(format!("{:.1} %", window.repeated_inputs * 100.0));
        Ok(Plain { thing: window, cells })
    };
    let mut headings = vec!["from", "rows", "shortest", "median", "longest", "mean", "spread", "repeated"];
    headings.retain(|heading| !narrow || *heading != "spread");
    session.output.many(&headings, windows.into_iter().map(row))
}

fn summed(profile: &Profile) -> driftline::Result<Window> {
    let norms = profile.norms();
    let (shortest, longest) = norms.range().unzip();
    Ok(Window {
        from_us: profile.range().from,
        to_us: profile.range().to,
        rows: profile.count(),
        shortest,
        median: norms.quantile(0.5)?,
        longest,
        mean: profile.mean().iter().map(|mean| mean * mean).sum::<f64>().sqrt(),
        spread: profile.variance().iter().sum::<f64>().sqrt(),
        zero_vectors: profile.zero_vectors(),
        with_input: profile.with_input(),
        repeated_inputs: profile.repeated_inputs(),
    })
}

/// A hit in JSON.
#[derive(Serialize)]
struct Found {
    key: u64,
    time_us: Timestamp,
    distance: f32,
    similarity: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    vector: Option<Vec<f32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Value>,
}

pub(super) fn find(session: &mut Session, find: &Find) -> Outcome {
    let log = session.store.reading()?.embedding_log();
    let model = model(&find.collection)?;
    let hits = query(session, find, &log, &model)?.run().map_err(|error| about(error, &find.near))?;
    let whole = find.columns == Columns::All;
    let row = |LogHit { logged, distance, similarity, .. }: LogHit| {
        let payload = shown(logged.payload, &find.columns);
        let mut cells = vec![logged.key.to_string(), render::time(logged.time)];
        cells.extend([distance, similarity].map(render::figure));
        let vector = Vector::F32(logged.vector);
        cells.extend(whole.then(|| render::vector(Some(&vector))));
        cells.extend(payload.as_ref().map(|payload| render::plain(&payload.to_string())));
        let vector = vector.as_f32().filter(|_| whole).map(<[f32]>::to_vec);
        let found = Found { key: logged.key, time_us: logged.time, distance, similarity, vector, payload };
        Ok(Plain { thing: found, cells })
    };
    let mut headings = vec!["key", "time", "distance", "similarity"];
    headings.extend(whole.then_some("vector"));
    headings.extend((find.columns != Columns::Key).then_some("payload"));
    session.output.many(&headings, hits.hits.into_iter().map(row))
}

/// Of the payload what was asked for.
fn shown(payload: Value, columns: &Columns) -> Option<Value> {
    match columns {
        Columns::Key => None,
        Columns::Fields(fields) => Some(render::projected(&payload, fields)),
        _ => Some(payload),
    }
}

fn query(session: &mut Session, find: &Find, log: &EmbeddingLog, model: &ModelId) -> Outcome<LogQuery> {
    if find.after.is_some() {
        let error = Error::new(ErrorKind::Invalid, "an answer of the embedding log has no pages");
        return Err(error.mend("raise the limit").into());
    }
    if let Some(other) = &find.model {
        log.check_comparable(model, &other.parse()?)?;
    }
    let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let vector = numbers(session, log, model, &find.near)?;
    let mut query = log.query(model).nearest(vector).cancel(session.token());
    if let Some(filter) = &find.filter {
        query = query.filter(filter)?;
    }
    query = find.limit.into_iter().fold(query, |query, limit| query.k(count(limit)));
    query = find.within.into_iter().fold(query, LogQuery::within);
    query = find.recall.into_iter().fold(query, LogQuery::recall);
    query = find.ef.into_iter().fold(query, |query, ef| query.ef(count(ef)));
    query = if find.exact { query.exact() } else { query };
    Ok(session.settings.timeout.into_iter().fold(query, LogQuery::deadline))
}

fn model(name: &Name) -> Outcome<ModelId> {
    name.text.parse().map_err(|error: Error| Failure::from(error).about(name.span.clone()))
}

/// The numbers of a vector: written out, of a file, or those that were logged under a key.
fn numbers(session: &mut Session, log: &EmbeddingLog, model: &ModelId, text: &VectorText) -> Outcome<Vec<f32>> {
    let vector = match &text.source {
        VectorSource::Given(vector) => vector.clone(),
        VectorSource::File(file, row) => {
            inputs::file_vector(session, file, *row, false).map_err(|failure| failure.about(text.span.clone()))?
        }
        VectorSource::Stored(key) => {
            let logged = key.as_number().map_or(Ok(None), |key| log.get(model, key))?;
            let none =
                || Failure::from(Error::new(ErrorKind::NotFound, format!("nothing was logged as {key} of {model}")));
            Vector::F32(logged.ok_or_else(|| none().about(text.span.clone()))?.vector)
        }
    };
    match vector {
        Vector::F32(numbers) => Ok(numbers),
        Vector::Bits(_) => {
            let error = Error::new(ErrorKind::Invalid, "the embedding log holds vectors of numbers, not of bits");
            Err(Failure::from(error).about(text.span.clone()))
        }
    }
}

/// An error that is about the vector points at it.
fn about(error: Error, vector: &VectorText) -> Failure {
    match error.kind() {
        ErrorKind::Dimension => Failure::from(error).about(vector.span.clone()),
        _ => error.into(),
    }
}
