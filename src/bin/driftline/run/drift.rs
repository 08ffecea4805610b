//! `drift`.

use std::time::Duration;

use driftline::mlops::drift::{
    DriftDetector, DriftIncident, DriftReport, DriftResult, DriftSummary, Method, Reference, ReferenceOf, Subject,
    Verdict,
};
use driftline::mlops::{ModelId, TimeRange};
use driftline::statement::{Against, Drift, DriftCheck, DriftSubject};
use driftline::{Clock, Database, SystemClock};

use super::drift_page;
use crate::failure::{Failure, Outcome};
use crate::render::{self, Format, Plain};
use crate::session::Session;
use crate::style::Style;

const DAY: Duration = Duration::from_secs(86_400);
/// How far back the record is looked at unless told.
const RECORDED: Duration = Duration::from_secs(30 * 86_400);

pub(super) fn drift(session: &mut Session, asked: &Drift) -> Outcome {
    match asked {
        Drift::Check(check) => judge(session, check),
        Drift::Show { subject, last } => show(session, subject, *last),
        Drift::History { subject, last } => history(session, subject, *last),
        Drift::Incidents { subject, last } => incidents(session, subject, *last),
        // The library may learn more before this program does.
        _ => Err(Failure::failed("this program cannot do that yet")),
    }
}

/// What is looked at, if it is there.
pub(super) fn subject(db: &Database, asked: &DriftSubject) -> Outcome<Subject> {
    match asked {
        DriftSubject::Collection(name) => {
            db.collection(&name.text).map_err(|error| Failure::from(error).about(name.span.clone()))?;
            Ok(Subject::Collection(name.text.clone()))
        }
        DriftSubject::Model(text, span) => {
            let model: ModelId = text.parse().map_err(|error| Failure::from(error).about(span.clone()))?;
            Ok(Subject::Model(model))
        }
    }
}

fn judge(session: &mut Session, asked: &DriftCheck) -> Outcome {
    let db = if asked.record { session.store.writing()? } else { session.store.reading()? };
    let subject = subject(&db, &asked.subject)?;
    let mut detector = DriftDetector::new(match &asked.method {
        Some(method) => method.parse::<Method>()?,
        None => Method::Auto,
    });
    if let Some(threshold) = asked.threshold {
        detector = detector.threshold(threshold);
    }
    let mut check = db.drift(subject).last(asked.last.unwrap_or(DAY)).detector(detector).fields(asked.fields.clone());
    check = match &asked.against {
        Some(Against::Before(length)) => check.against(Reference::Before(*length)),
        Some(Against::Baseline(name, version)) => check.against(Reference::Baseline(name.clone(), *version)),
        None => check,
    };
    if let Some(by) = &asked.by {
        check = check.by(by);
    }
    if let Some(filter) = &asked.filter {
        check = check.filter(filter.clone())?;
    }
    if let Some(rows) = asked.rows {
        check = check.rows(usize::try_from(rows).unwrap_or(usize::MAX));
    }
    let report = if asked.record { check.record()? } else { check.run()? };
    if let Some(file) = &asked.report {
        drift_page::write(file, &db, &check, &report)?;
        session.note(&format!("wrote {}", render::plain(file)));
    }
    print(session, &report)?;
    match report.alarm {
        true => session.output.finish().and(Err(Failure::check_failed())),
        false => Ok(()),
    }
}

const HEADINGS: [&str; 11] =
    ["feature", "verdict", "test", "statistic", "p", "adjusted p", "level", "effect", "floor", "rows", "notes"];

fn print(session: &mut Session, report: &DriftReport) -> Outcome {
    if matches!(session.output.format, Format::Json | Format::Jsonl) {
        return session.output.one(report, String::new);
    }
    let people = session.output.is_table();
    if people {
        let style = session.output.style;
        session.output.line(&format!(
            "{}: {}",
            render::plain(&report.subject.to_string()),
            word(report.verdict, style)
        ))?;
        session.output.line(&times(report))?;
        session.output.line("")?;
    }
    let row = |result: &DriftResult| Ok(Plain { cells: cells(result, people), thing: result.clone() });
    session.output.many(&HEADINGS, report.results.iter().map(row))?;
    if people {
        for result in &report.results {
            tests(session, result)?;
        }
        shown(session, report)?;
    }
    Ok(())
}

/// The verdict comes first, in a colour of its own.
fn word(verdict: Verdict, style: Style) -> String {
    match verdict {
        Verdict::Alarm => style.red("alarm"),
        Verdict::Stable => style.green("stable"),
        other => style.bold(&other.to_string()),
    }
}

fn times(report: &DriftReport) -> String {
    let range = |range: &TimeRange| format!("{} to {}", render::time(range.from), render::time(range.to));
    let reference = match &report.reference {
        ReferenceOf::Times(times) => range(times),
        ReferenceOf::Baseline(baseline) => format!("baseline {}", render::plain(&baseline.to_string())),
        _ => String::new(),
    };
    format!("{} against {reference}", range(&report.current))
}

fn cells(result: &DriftResult, people: bool) -> Vec<String> {
    let number = |value: Option<f64>| match value {
        None => String::new(),
        Some(value) if people => render::figure(value as f32),
        Some(value) => value.to_string(),
    };
    let effect = match (people, result.effect.value) {
        (true, Some(value)) => format!("{} {}", render::figure(value as f32), result.effect.name),
        (true, None) => String::new(),
        (false, value) => number(value),
    };
    let notes: Vec<String> = result.notes.iter().map(ToString::to_string).collect();
    vec![
        render::plain(&result.feature),
        result.verdict.to_string(),
        result.test.to_string(),
        number(result.statistic),
        number(result.p),
        number(result.adjusted_p),
        number(Some(result.level)),
        effect,
        number(Some(result.effect.floor)),
        format!("{}/{}", result.reference.rows, result.current.rows),
        notes.join("; "),
    ]
}

/// The tests, effects and dimensions behind the verdict of vectors.
fn tests(session: &mut Session, result: &DriftResult) -> Outcome {
    let Some(embedding) = &result.embedding else { return Ok(()) };
    let Some(effects) = &embedding.effects else { return Ok(()) };
    let figure = |value: f64| render::figure(value as f32);
    session.output.line(&format!("\n{}", render::plain(&result.feature)))?;
    let each = embedding.tests.iter().chain(&embedding.extra).map(|test| {
        let p = match (test.p, test.adjusted_p) {
            (Some(p), Some(adjusted)) => format!(", p {}, adjusted {}", figure(p), figure(adjusted)),
            (p, adjusted) => p.or(adjusted).map_or(String::new(), |p| format!(", p {}", figure(p))),
        };
        (test.test.to_string(), format!("{}{p}", figure(test.statistic)))
    });
    let centroids = effects.centroid_cosine.zip(effects.centroid_p);
    let centroids =
        centroids.map(|(cosine, p)| ("centroids".to_owned(), format!("{}, p {}", figure(cosine), figure(p))));
    let novelty = format!("{} of the rows, p {}", figure(effects.novelty_share), figure(effects.novelty_p));
    let worst = embedding.dimensions.iter().filter(|it| it.adjusted_p <= 0.05);
    let worst: Vec<String> = worst.map(|it| it.dimension.to_string()).collect();
    let drifted = match worst.is_empty() {
        true => figure(effects.drifted_dimensions),
        false => format!("{}, most of all {}", figure(effects.drifted_dimensions), worst.join(", ")),
    };
    let more = [("novel rows".to_owned(), novelty), ("share of dimensions".to_owned(), drifted)];
    let lines: Vec<(String, String)> = each.chain(centroids).chain(more).collect();
    let text = render::pairs(lines.iter().map(|(name, value)| (name.as_str(), value.clone())));
    session.output.line(&text)
}

/// The rows that show it.
fn shown(session: &mut Session, report: &DriftReport) -> Outcome {
    if report.evidence.is_empty() {
        return Ok(());
    }
    session.output.line("\nfarthest from the reference")?;
    for row in &report.evidence {
        let near: Vec<String> =
            row.nearest.iter().filter(|(key, _)| !key.is_empty()).map(|(key, _)| render::plain(key)).collect();
        let near = if near.is_empty() { String::new() } else { format!(", near {}", near.join(", ")) };
        session.output.line(&format!(
            "  {} at {}{near}",
            render::plain(&row.key),
            render::figure(row.distance as f32)
        ))?;
    }
    Ok(())
}

/// The last so long, up to now.
fn since(last: Option<Duration>) -> Outcome<TimeRange> {
    let now = SystemClock.now().after(Duration::from_micros(1));
    Ok(TimeRange::last(last.unwrap_or(RECORDED), now)?)
}

fn show(session: &mut Session, asked: &DriftSubject, last: Option<Duration>) -> Outcome {
    let db = session.store.reading()?;
    let summary = db.drift_report(subject(&db, asked)?, since(last)?)?;
    session.output.one(&summary, || summed_up(&summary))
}

/// A summary for people.
fn summed_up(summary: &DriftSummary) -> String {
    let newest = summary.newest.as_ref().map_or("nothing was recorded".into(), |report| report.verdict.to_string());
    let open = match &summary.open {
        Some(incident) => format!("open since {}", render::time(incident.opened.from)),
        None => "none open".into(),
    };
    let trend = match &summary.series.trend {
        Some(trend) if trend.p <= 0.05 && trend.slope > 0.0 => format!("rises, p {}", render::figure(trend.p as f32)),
        Some(trend) if trend.p <= 0.05 => format!("falls, p {}", render::figure(trend.p as f32)),
        Some(_) => "none".into(),
        None => "too few windows".into(),
    };
    let pairs = [
        ("subject", render::plain(&summary.subject.to_string())),
        ("newest", newest),
        ("recorded", format!("{}, {} drifted, {} in alarm", summary.judged, summary.drifted, summary.alarms)),
        ("incidents", format!("{}, {open}", summary.drift_incidents)),
        ("trend", trend),
        ("stand out", format!("{} windows, {} changes", summary.series.anomalies.len(), summary.series.changes.len())),
        ("series", render::spark(&summary.series.values)),
    ];
    let named = summary.monitors.iter().map(|it| {
        let open = if it.open.is_some() { ", an incident is open" } else { "" };
        let counts = format!("{}, {} drifted, {} in alarm{open}", it.judged, it.drifted, it.alarms);
        ("monitor", format!("{}: {counts}", render::plain(&it.name)))
    });
    render::pairs(pairs.into_iter().chain(named))
}

fn history(session: &mut Session, asked: &DriftSubject, last: Option<Duration>) -> Outcome {
    let db = session.store.reading()?;
    let reports = db.drift_history(subject(&db, asked)?, since(last)?)?;
    let figure = |value: Option<f64>| value.map_or(String::new(), |value| render::figure(value as f32));
    let row = |it: &DriftReport| {
        let from = render::time(it.current.from);
        let cells = vec![
            from,
            kinds(it),
            it.verdict.to_string(),
            figure(it.p),
            figure(Some(it.score)),
            figure(it.centroid_cosine),
        ];
        Ok(Plain { cells, thing: it.clone() })
    };
    session.output.many(&["window", "kind", "verdict", "p", "score", "centroids"], reports.iter().map(row))
}

/// What kinds of things a report is about.
fn kinds(report: &DriftReport) -> String {
    let mut kinds: Vec<_> = report.results.iter().map(|result| result.kind).collect();
    kinds.sort();
    kinds.dedup();
    kinds.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn incidents(session: &mut Session, asked: &DriftSubject, last: Option<Duration>) -> Outcome {
    let db = session.store.reading()?;
    let found = db.drift_incidents(subject(&db, asked)?, since(last)?)?;
    let row = |it: &DriftIncident| {
        let closed = it.closed.map_or("open".into(), |range| render::time(range.to));
        let cause = match it.cause {
            driftline::mlops::drift::IncidentCause::AlarmsInARow => "alarms in a row",
            _ => "evidence",
        };
        let features = render::plain(&it.features.join(", "));
        let cells = vec![
            it.number.to_string(),
            render::time(it.opened.from),
            closed,
            cause.into(),
            it.alarms.to_string(),
            features,
            render::plain(&it.monitor),
        ];
        Ok(Plain { cells, thing: it.clone() })
    };
    let headings = ["incident", "opened", "closed", "cause", "alarms", "features", "monitor"];
    session.output.many(&headings, found.iter().map(row))
}
