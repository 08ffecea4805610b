//! `dashboard`: the store and its models at one look.

use std::time::Duration;

use driftline::HealthStatus;
use driftline::mlops::drift::{DriftResult, Verdict};
use driftline::mlops::{Dashboard, ModelBoard, MonitorStatus, RetrainEvent, Severity, StoreBoard, TimeRange};

use super::alerts::after_now;
use crate::failure::Outcome;
use crate::render::{self, Format, Output, Plain};
use crate::session::Session;
use crate::style::Style;

const DAY: Duration = Duration::from_secs(86_400);
/// From so many columns on a table has room for a sign for every step of a course, and for one for three.
const WIDE: usize = 150;
const MIDDLING: usize = 118;
/// Where there is less, these columns are shown, without courses.
const NARROW: [usize; 6] = [0, 1, 3, 4, 7, 8];

pub(super) fn dashboard(session: &mut Session, model: Option<&str>, last: Option<Duration>) -> Outcome {
    let db = session.store.reading()?;
    let range = TimeRange::last(last.unwrap_or(DAY), after_now(&db))?;
    let board = db.dashboard(model, range)?;
    let output = &mut session.output;
    if matches!(output.format, Format::Json | Format::Jsonl) {
        return output.one(&board, String::new);
    }
    if output.is_table() {
        head(output, &board)?;
    }
    match model {
        Some(_) if output.is_table() => board.models.iter().try_for_each(|model| block(output, model)),
        _ => table(output, &board),
    }
}

fn head(output: &mut Output, board: &Dashboard) -> Outcome {
    let store = &board.store;
    let style = output.style;
    let health = match store.health {
        HealthStatus::Healthy => style.green("healthy"),
        HealthStatus::Degraded => style.bold("degraded"),
        HealthStatus::Unhealthy => style.red("unhealthy"),
    };
    output.line(&format!("{} is {health}: {}", render::plain(&store.location), contents(store)))?;
    output.line(&format!("{} to {}", render::minute(board.range.from), render::minute(board.range.to)))?;
    if board.left_out > 0 {
        output.line(&format!("{} more than are shown; name one", render::counted(board.left_out, "model")))?;
    }
    Ok(())
}

fn contents(store: &StoreBoard) -> String {
    let mut parts = vec![
        render::counted(store.records, "record"),
        format!("{} in files", render::size(store.file_bytes)),
        severities([store.incidents.critical, store.incidents.warning, store.incidents.info]),
    ];
    if !store.experiments.is_empty() {
        parts.push(format!("{} running", render::counted(store.experiments.len() as u64, "experiment")));
    }
    let ratio = |it: &driftline::mlops::CacheOverview| {
        it.hit_ratio.map(|ratio| format!("cache {} hits {} %", render::plain(&it.name), render::number(ratio * 100.0)))
    };
    parts.extend(store.caches.iter().filter_map(ratio));
    parts.join(", ")
}

/// How many there are of critical, warning and info.
fn severities(counts: [u64; 3]) -> String {
    let named = counts.iter().zip(["critical", "warning", "info"]).filter(|(count, _)| **count > 0);
    let told: Vec<String> = named.map(|(count, name)| format!("{} {name}", render::count(*count))).collect();
    if told.is_empty() { "no open alerts".into() } else { format!("open alerts: {}", told.join(" and ")) }
}

const HEADINGS: [&str; 9] =
    ["model", "status", "predictions", "accuracy", "latency p95", "errors", "quality", "drift", "alerts"];

/// A row for each version.
fn table(output: &mut Output, board: &Dashboard) -> Outcome {
    let people = output.is_table();
    if people {
        output.line("")?;
        if board.models.is_empty() {
            return output.line("no model has predictions, logged vectors or versions yet");
        }
    }
    let width = output.columns().unwrap_or(usize::MAX);
    let look = match width {
        _ if !people => Look::Program,
        WIDE.. => Look::Steps(1),
        MIDDLING.. => Look::Steps(3),
        _ => Look::Bare,
    };
    let shown: Vec<usize> = if look == Look::Bare { NARROW.into() } else { (0..HEADINGS.len()).collect() };
    let row = |it: &ModelBoard| {
        let cells = cells(it, look);
        Ok(Plain { cells: shown.iter().map(|place| cells[*place].clone()).collect(), thing: it.clone() })
    };
    let headings: Vec<&str> = shown.iter().map(|place| HEADINGS[*place]).collect();
    output.many(&headings, board.models.iter().map(row))?;
    if people && board.models.iter().any(is_production) {
        output.line("* in production")?;
    }
    Ok(())
}

fn is_production(model: &ModelBoard) -> bool {
    model.production.is_some()
        && model.summary.model.ends_with(&format!("@{}", model.production.as_deref().unwrap_or("")))
}

/// How the cells of a row are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Bare numbers, whole.
    Program,
    /// For people.
    Bare,
    /// For people, with a line of the course: a sign for so many steps.
    Steps(usize),
}

fn cells(it: &ModelBoard, look: Look) -> Vec<String> {
    let people = look != Look::Program;
    let star = if people && is_production(it) { " *" } else { "" };
    let number = |value: Option<f64>, unit: &str, course: &[Option<f64>]| match (value, look) {
        (None, _) => String::new(),
        (Some(value), Look::Program) => value.to_string(),
        (Some(value), Look::Bare) => format!("{}{unit}", render::number(value)),
        (Some(value), Look::Steps(every)) => {
            let line = render::spark(&thinned(course, every));
            format!("{}{unit} {line}", render::number(value)).trim_end().to_owned()
        }
    };
    let share = |value: Option<f64>| if people { value.map(|it| it * 100.0) } else { value };
    let count = |count: u64| if people { render::count(count) } else { count.to_string() };
    let (summary, course) = (&it.summary, &it.course);
    vec![
        render::plain(&summary.model) + star,
        summary.status.to_string(),
        count(summary.total_predictions),
        number(share(summary.avg_accuracy), " %", &course.accuracy),
        number(it.latency.map(|it| it.p95), " ms", &course.latency_p95),
        number(share(summary.avg_error_rate), " %", &[]),
        number(it.quality.map(|it| it.score), "", &[]),
        drift_word(it),
        it.open_incidents.len().to_string(),
    ]
}

/// The mean of so many steps each.
fn thinned(course: &[Option<f64>], every: usize) -> Vec<Option<f64>> {
    let mean = |part: &[Option<f64>]| {
        let there: Vec<f64> = part.iter().flatten().copied().collect();
        (!there.is_empty()).then(|| there.iter().sum::<f64>() / there.len() as f64)
    };
    course.chunks(every).map(mean).collect()
}

/// What is known of drift, in a word or two.
fn drift_word(it: &ModelBoard) -> String {
    let alarm = |result: &Option<DriftResult>| result.as_ref().is_some_and(|it| it.verdict == Verdict::Alarm);
    let (predictions, concept) = (&it.prediction_drift, &it.concept_drift);
    let kinds =
        [(it.drift_incident.is_some(), "data"), (alarm(predictions), "predictions"), (alarm(concept), "concept")];
    let kinds: Vec<&str> = kinds.into_iter().filter(|(is, _)| *is).map(|(_, kind)| kind).collect();
    let known = it.drift_score.is_some() || predictions.is_some() || concept.is_some();
    if kinds.is_empty() && known { "none".into() } else { kinds.join(", ") }
}

/// All that is known of one version.
fn block(output: &mut Output, it: &ModelBoard) -> Outcome {
    let style = output.style;
    let aliases = if it.aliases.is_empty() { String::new() } else { format!(" ({})", it.aliases.join(", ")) };
    output.line("")?;
    output.line(&format!(
        "{}{} is {}",
        style.bold(&render::plain(&it.summary.model)),
        render::plain(&aliases),
        status(it.summary.status, style)
    ))?;
    output.line(&render::pairs(figures(it).into_iter().chain(standing(it))))
}

fn status(status: MonitorStatus, style: Style) -> String {
    match status {
        MonitorStatus::Critical => style.red("critical"),
        MonitorStatus::Healthy => style.green("healthy"),
        other => style.bold(&other.to_string()),
    }
}

/// Figures of predictions, each with its course.
fn figures(it: &ModelBoard) -> Vec<(&'static str, String)> {
    let number = render::number;
    let percent = |share: f64| format!("{} %", number(share * 100.0));
    let with = |text: String, course: &[Option<f64>]| format!("{}  {text}", render::spark(course));
    let mut lines = Vec::new();
    let summary = &it.summary;
    if summary.total_predictions > 0 {
        lines.push(("predictions", with(render::count(summary.total_predictions), &it.course.predictions)));
    }
    lines.extend(summary.avg_accuracy.map(|share| {
        let before =
            it.baseline_accuracy.map_or(String::new(), |share| format!(", {} in the baseline", percent(share)));
        let told = format!("{} of {}{before}", percent(share), render::counted(it.labelled, "truth"));
        ("accuracy", with(told, &it.course.accuracy))
    }));
    lines.extend(it.latency.map(|time| {
        let told = format!("p95 {} ms, p50 {}, p99 {}", number(time.p95), number(time.p50), number(time.p99));
        ("latency", with(told, &it.course.latency_p95))
    }));
    lines.extend(summary.avg_error_rate.map(|share| ("errors", with(percent(share), &it.course.error_rate))));
    lines.extend(it.quality.map(|quality| ("data quality", with(number(quality.score), &it.course.data_quality))));
    lines
}

/// Drift, alerts, versions, experiments and training.
fn standing(it: &ModelBoard) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if it.logged > 0 || it.drift_score.is_some() {
        lines.push(("logged", render::counted(it.logged, "vector")));
        lines.push(("drift", data_drift(it)));
    }
    lines.extend(it.prediction_drift.as_ref().map(|result| {
        let effect = result.effect.value.map_or(String::new(), |value| {
            let name = match result.effect.name.as_str() {
                "cramers_v" => "Cramér's V",
                name => name,
            };
            format!("; {name} {} to the baseline", render::number(value))
        });
        ("prediction drift", format!("{}{effect}", result.verdict))
    }));
    lines.extend(it.concept_drift.as_ref().map(|result| {
        let moved = result.effect.value.map_or(String::new(), |value| {
            let (value, unit) = match result.effect.name.as_str() {
                "sigmas" => (value, "deviations"),
                _ => (value * 100.0, "points"),
            };
            format!("; errors moved by {} {unit}", render::number(value))
        });
        ("concept drift", format!("{}{moved}", result.verdict))
    }));
    lines.push(("alerts", open_alerts(it)));
    lines.extend(it.production.iter().map(|version| ("production", render::plain(version))));
    lines.extend(it.experiments.iter().map(|trial| {
        let split = render::number(trial.split * 100.0);
        let told = format!("{}: {} against {}, {split} %", trial.name, trial.version_b, trial.version_a);
        ("experiment", render::plain(&told))
    }));
    lines.extend(it.last_retrain.as_ref().map(|run| ("last training", render::plain(&training(run)))));
    lines
}

fn data_drift(it: &ModelBoard) -> String {
    if let Some(incident) = &it.drift_incident {
        return format!(
            "open since {}: {}",
            render::minute(incident.opened.from),
            render::counted(incident.alarms, "window") + " in alarm"
        );
    }
    match it.drift_score {
        Some(score) => format!("no open incident; score {}", render::number(score)),
        None => "not looked for in this time".into(),
    }
}

fn open_alerts(it: &ModelBoard) -> String {
    if it.open_incidents.is_empty() {
        return "none open".into();
    }
    let mut sorted: Vec<_> = it.open_incidents.iter().collect();
    sorted.sort_by_key(|incident| (std::cmp::Reverse(incident.severity), incident.id));
    let told = |incident: &&driftline::mlops::Incident| {
        let since = render::minute(incident.opened);
        let mark = if incident.severity == Severity::Critical { "!" } else { "" };
        render::plain(&format!("{mark}{} {} since {since}", incident.alert_type, incident.severity))
    };
    sorted.iter().map(told).collect::<Vec<_>>().join("\n")
}

fn training(run: &RetrainEvent) -> String {
    let why = run.reasons.first().map_or(String::new(), |reason| format!(": {}", reason.text));
    let state = format!("{:?}", run.state).to_lowercase();
    format!("{state} {}{why}", render::minute(run.finished_at.or(run.started_at).unwrap_or(run.requested_at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn courses_are_thinned_by_means_of_what_is_there() {
        let course = [Some(1.0), Some(3.0), None, Some(5.0), None, None, Some(2.0)];
        assert_eq!(thinned(&course, 2), [Some(2.0), Some(5.0), None, Some(2.0)]);
        assert_eq!(thinned(&course, 1), course);
        assert_eq!(severities([0, 0, 0]), "no open alerts");
        assert_eq!(severities([1, 0, 2]), "open alerts: 1 critical and 2 info");
    }
}
