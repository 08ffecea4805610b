//! `monitor`: how models do.

use std::time::Duration;

use driftline::mlops::{
    Figures, Measure, MonitoringSummary, Output as Said, PredictionRecord, TickReport, TimeRange, TrendPoint,
};
use driftline::statement::Monitor;
use driftline::{Database, Error, Value};
use serde::Serialize;
use serde_json::json;

use super::alerts::after_now;
use crate::failure::{Failure, Outcome};
use crate::render::{self, Output, Plain};
use crate::session::Session;

const DAY: Duration = Duration::from_secs(86_400);
const WEEK: Duration = Duration::from_secs(7 * 86_400);

pub(super) fn monitor(session: &mut Session, asked: &Monitor) -> Outcome {
    if let Monitor::Record { model, prediction, at } = asked {
        let (model, prediction) = (model.parse()?, prediction_of(prediction)?);
        let prediction = at.iter().fold(prediction, |prediction, at| prediction.at(*at));
        // As whatever puts something into a store, a first prediction makes one.
        let id = session.store.making()?.monitor(&model).record_prediction(prediction)?;
        return session.output.one(&json!({ "id": id }), || format!("recorded {id}"));
    }
    let changes = matches!(asked, Monitor::Label { .. } | Monitor::Tick { .. } | Monitor::Baseline { .. });
    let db = if changes { session.store.writing()? } else { session.store.reading()? };
    let (db, output) = (db.clone(), &mut session.output);
    match asked {
        Monitor::List => list(output, &db),
        Monitor::Show { model, last } => show(output, &db, model, last.unwrap_or(DAY)),
        Monitor::Trend { model, measure, last, step } => {
            let measure: Measure = measure.parse()?;
            let range = TimeRange::last(last.unwrap_or(WEEK), after_now(&db))?;
            trend(output, &monitored(&db, model)?.trend(measure, range, step.unwrap_or(DAY))?)
        }
        Monitor::Label { model, id, truth, at } => {
            let changed = db.monitor(&model.parse()?).record_label(id, said(truth)?, *at)?;
            let told = if changed { "recorded" } else { "a later truth is known already" };
            output.one(&json!({ "id": id, "changed": changed }), || told.to_owned())
        }
        Monitor::Tick { model } => tick(output, &db, model.as_deref()),
        Monitor::Baseline { model, reason } => {
            let baseline =
                db.monitor(&model.parse()?).set_baseline(reason.as_deref().unwrap_or("asked for in the shell"))?;
            output.one(&json!({ "version": baseline.version, "samples": baseline.samples }), || {
                format!("baseline {} from {}", baseline.version, render::counted(baseline.samples, "prediction"))
            })
        }
        // The library may learn to ask before this program does.
        _ => Err(Failure::failed("this program cannot do that yet")),
    }
}

/// The monitor of a model that is known.
fn monitored(db: &Database, model: &str) -> Outcome<driftline::mlops::Monitor> {
    let known = db.monitored_models()?;
    if known.iter().any(|name| name == model) {
        return Ok(db.monitor(&model.parse()?));
    }
    let known =
        if known.is_empty() { "none is monitored yet".into() } else { format!("there are {}", known.join(", ")) };
    Err(Failure::failed(format!("the model {model} has no predictions; {known}")))
}

fn list(output: &mut Output, db: &Database) -> Outcome {
    let range = TimeRange::last(DAY, after_now(db))?;
    let models = db.monitored_models()?;
    if output.is_table() && models.is_empty() {
        return output.line("no model is monitored yet");
    }
    let summary = |model: &String| db.monitor(&model.parse()?).summary(range);
    let row = |it: MonitoringSummary| {
        let share = |share: Option<f64>| share.map_or(String::new(), percent);
        let cells = vec![
            render::plain(&it.model),
            it.status.to_string(),
            render::count(it.total_predictions),
            share(it.avg_accuracy),
            share(it.avg_error_rate),
            it.avg_latency_ms.map_or(String::new(), |time| format!("{} ms", render::number(time))),
        ];
        Plain { thing: it, cells }
    };
    let headings = ["model", "status", "predictions of a day", "accuracy", "errors", "latency"];
    output.many(&headings, models.iter().map(|model| summary(model).map(row)))
}

/// What is known of a model, for programs.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    summary: MonitoringSummary,
    figures: Figures,
}

fn show(output: &mut Output, db: &Database, model: &str, last: Duration) -> Outcome {
    let monitor = monitored(db, model)?;
    let range = TimeRange::last(last, after_now(db))?;
    let shown = Shown { summary: monitor.summary(range)?, figures: monitor.figures(range)? };
    let course = |measure, name| -> driftline::Result<Option<(&'static str, String)>> {
        let step = Duration::from_micros((range.length().as_micros() / 24).max(1) as u64);
        let line = sparkline(&monitor.trend(measure, range, step)?);
        Ok((!line.trim().is_empty()).then_some((name, line)))
    };
    if !output.is_table() {
        return output.one(&shown, String::new);
    }
    let mut lines = lines(&shown);
    lines.extend(course(Measure::Predictions, "predictions over time")?);
    lines.extend(course(Measure::LatencyP95, "latency over time")?);
    lines.extend(course(Measure::Accuracy, "accuracy over time")?);
    output.line(&render::pairs(lines))?;
    patterns(output, &shown.figures)
}

fn lines(shown: &Shown) -> Vec<(&'static str, String)> {
    let Shown { summary, figures } = shown;
    let mut lines = vec![
        ("model", render::plain(&summary.model)),
        ("status", summary.status.to_string()),
        ("predictions", render::count(summary.total_predictions)),
    ];
    let number = render::number;
    lines.extend(figures.error_rate.map(|rate| ("errors", percent(rate))));
    lines.extend(
        figures.latency.map(|it| {
            ("latency", format!("p50 {}, p95 {}, p99 {} ms", number(it.p50), number(it.p95), number(it.p99)))
        }),
    );
    lines.extend(figures.confidence.map(|it| ("confidence", format!("{} ± {}", number(it.mean), number(it.std)))));
    lines.extend(figures.classification.as_ref().map(|it| {
        let of = render::counted(it.labelled, "truth");
        ("accuracy", format!("{} of {of}, macro F1 {}", percent(it.accuracy), number(it.macro_average.f1)))
    }));
    lines.extend(figures.regression.map(|it| {
        (
            "error",
            format!("RMSE {}, MAE {} of {}", number(it.rmse), number(it.mae), render::counted(it.labelled, "truth")),
        )
    }));
    lines.extend(figures.quality.map(|it| ("data quality", number(it.score))));
    let alerts = summary.alerts;
    lines.push(("alerts", format!("{} critical, {} warning, {} info", alerts.critical, alerts.warning, alerts.info)));
    lines.push(("drift", render::counted(summary.drift_incidents, "incident")));
    lines
}

fn patterns(output: &mut Output, figures: &Figures) -> Outcome {
    if figures.error_patterns.is_empty() {
        return Ok(());
    }
    output.line("")?;
    let row = |it: &driftline::mlops::ErrorPattern| {
        let cells = vec![render::plain(&it.kind), render::count(it.count), render::plain(&it.example)];
        Ok(Plain { thing: it.clone(), cells })
    };
    output.many(&["kind of error", "how many", "the last"], figures.error_patterns.iter().map(row))
}

fn trend(output: &mut Output, points: &[TrendPoint]) -> Outcome {
    if output.is_table() {
        output.line(&sparkline(points))?;
        output.line("")?;
    }
    let row = |it: &TrendPoint| {
        let value = it.value.map_or(String::new(), render::number);
        let cells = vec![render::time(it.range.from), render::time(it.range.to), render::count(it.predictions), value];
        Ok(Plain { thing: *it, cells })
    };
    output.many(&["from", "to", "predictions", "value"], points.iter().map(row))
}

/// A character for each point, as high as its value; a space where there is none.
fn sparkline(points: &[TrendPoint]) -> String {
    const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let values = || points.iter().filter_map(|point| point.value);
    let (least, most) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    let height = |value: f64| if most > least { ((value - least) / (most - least) * 7.0).round() as usize } else { 3 };
    points.iter().map(|point| point.value.map_or(' ', |value| HEIGHTS[height(value).min(7)])).collect()
}

fn tick(output: &mut Output, db: &Database, model: Option<&str>) -> Outcome {
    let models = model.map_or_else(|| db.monitored_models(), |model| Ok(vec![model.to_owned()]))?;
    let mut ticked = Vec::new();
    for model in models {
        ticked.push((model.clone(), db.monitor(&model.parse()?).tick(db.now())?));
    }
    let row = |(model, it): (String, TickReport)| {
        let counts = [it.closed, it.recounted, it.joined, it.alerts.len() as u64].map(render::count);
        let cells = std::iter::once(render::plain(&model)).chain(counts).collect();
        Ok(Plain { thing: json!({ "model": model, "report": it }), cells })
    };
    output.many(&["model", "closed", "counted again", "joined", "alerts"], ticked.into_iter().map(row))
}

/// A share as people read it.
fn percent(share: f64) -> String {
    format!("{} %", render::number(share * 100.0))
}

/// A prediction as a statement has it: `output`, and whatever else is known.
fn prediction_of(fields: &Value) -> driftline::Result<PredictionRecord> {
    const KNOWN: [&str; 8] = ["output", "truth", "confidence", "latency_ms", "id", "features", "error", "error_kind"];
    let refused = |message: String| Error::new(driftline::ErrorKind::Invalid, message);
    let object =
        fields.as_object().ok_or_else(|| refused("a prediction is an object such as {\"output\": \"spam\"}".into()))?;
    if let Some(unknown) = object.keys().find(|name| !KNOWN.contains(&name.as_str())) {
        return Err(refused(format!("a prediction has no `{unknown}`")).mend(format!("use {}", KNOWN.join(", "))));
    }
    let text = |name: &str| fields.get(name).and_then(Value::as_text);
    let mut record = match (fields.get("output"), text("error")) {
        (Some(output), _) => PredictionRecord::new(said(output)?),
        (None, Some(error)) => PredictionRecord::failed(error),
        (None, None) => return Err(refused("a prediction has an `output` or an `error`".into())),
    };
    if let Some(kind) = text("error_kind") {
        record = record.error_kind(kind);
    }
    if let Some(truth) = fields.get("truth") {
        record = record.truth(said(truth)?);
    }
    if let Some(id) = fields.get("id") {
        record = record.id(id.as_text().map_or_else(|| id.to_string(), str::to_owned));
    }
    for (name, set) in
        [("confidence", PredictionRecord::confidence as fn(_, _) -> _), ("latency_ms", PredictionRecord::latency_ms)]
    {
        if let Some(value) = fields.get(name) {
            record = set(record, value.as_f64().ok_or_else(|| refused(format!("`{name}` is a number")))?);
        }
    }
    Ok(record.features(fields.get("features").cloned().unwrap_or_default()))
}

/// An output as a statement has it: a text or a truth value is a label, a number a number, an object scores.
fn said(value: &Value) -> driftline::Result<Said> {
    let scores = |fields: &std::collections::BTreeMap<String, Value>| -> Option<_> {
        fields.iter().map(|(label, score)| Some((label.clone(), score.as_f64()?))).collect()
    };
    match value {
        Value::Text(label) => Ok(Said::Label(label.clone())),
        Value::Bool(label) => Ok(Said::Label(label.to_string())),
        Value::Object(fields) if let Some(scores) = scores(fields) => Ok(Said::Scores(scores)),
        other => other.as_f64().map(Said::Number).ok_or_else(|| {
            Error::new(driftline::ErrorKind::Invalid, "an output is a label, a number, or an object of scores")
        }),
    }
}
