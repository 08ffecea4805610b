//! `pipeline`: models that are watched.

use std::fmt::Write as _;

use driftline::mlops::{Pipeline, PipelineStatus, PipelineTick};
use driftline::statement::Pipelines;
use serde_json::{Value as Json, json};

use crate::failure::{Failure, Outcome};
use crate::render::{self, Plain};
use crate::session::Session;

pub(super) fn pipeline(session: &mut Session, asked: &Pipelines) -> Outcome {
    match asked {
        Pipelines::List => list(session),
        Pipelines::Status(model) => {
            let status = session.store.reading()?.pipeline(model)?.status()?;
            session.output.one(&status, || told(&status))
        }
        Pipelines::Tick(model) => tick(session, model.as_deref()),
        // The library may learn to ask before this program does.
        _ => Err(Failure::failed("this program cannot do that yet")),
    }
}

fn list(session: &mut Session) -> Outcome {
    let db = session.store.reading()?;
    let row = |model: String| {
        let status = db.pipeline(&model)?.status()?;
        let run = status.run.as_ref().map_or_else(String::new, |run| format!("{:?}", run.state).to_lowercase());
        let cells = vec![
            render::plain(&model),
            render::plain(status.production.as_deref().unwrap_or_default()),
            status.watched.len().to_string(),
            status.incidents.len().to_string(),
            status.experiments.len().to_string(),
            run,
            status.findings.len().to_string(),
        ];
        Ok(Plain { thing: status, cells })
    };
    let rows: Vec<_> = db.pipelines()?.into_iter().map(row).collect();
    session.output.many(&["model", "production", "watched", "incidents", "experiments", "last run", "findings"], rows)
}

/// How a pipeline stands, for people.
pub(super) fn told(status: &PipelineStatus) -> String {
    let production = status.production.as_deref().unwrap_or("none");
    let mut text = format!("{}, set up {}\nin production: {production}", status.model, render::time(status.since));
    let mut line = |name: &str, value: String| {
        // Writing to a text cannot fail.
        let _ = write!(text, "\n{name}: {value}");
    };
    line("watched", status.watched.join(", "));
    for incident in &status.incidents {
        line("incident", format!("{} of {} is {}", incident.metric, incident.subject, incident.value));
    }
    for experiment in &status.experiments {
        line("experiment", experiment.clone());
    }
    if let Some(run) = &status.run {
        line("last run", format!("{}, {}", run.number, format!("{:?}", run.state).to_lowercase()));
    }
    for run in &status.actions {
        line("action", format!("{} for alert {}: {}", run.action, run.alert, run.outcome));
    }
    for finding in &status.findings {
        line("finding", finding.to_string());
    }
    text.lines().map(render::plain).collect::<Vec<_>>().join("\n")
}

fn tick(session: &mut Session, model: Option<&str>) -> Outcome {
    let db = session.store.writing()?;
    let models = model.map_or_else(|| db.pipelines(), |model| Ok(vec![model.to_owned()]))?;
    let mut ticks = Vec::new();
    for model in models {
        let pipeline: Pipeline = db.pipeline(&model)?;
        let tick = pipeline.tick(db.now())?;
        ticks.push((model, tick));
    }
    session.output.many(
        &["model", "windows", "alerts", "ended", "run", "findings"],
        ticks.into_iter().map(|(model, tick)| Ok(ticked(&model, &tick))),
    )
}

fn ticked(model: &str, tick: &PipelineTick) -> Plain<Json> {
    let run = tick
        .run
        .as_ref()
        .map_or_else(String::new, |run| format!("{} {}", run.number, format!("{:?}", run.state).to_lowercase()));
    let findings: Vec<String> = tick.findings.iter().map(ToString::to_string).collect();
    let cells = vec![
        render::plain(model),
        (tick.windows + tick.drift_windows).to_string(),
        tick.alerts.len().to_string(),
        tick.ended.len().to_string(),
        run,
        render::plain(&findings.join("; ")),
    ];
    Plain { thing: json!({"model": model, "tick": tick}), cells }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_of_predictions_and_of_drift_are_counted_together() {
        let mut tick = PipelineTick::default();
        (tick.windows, tick.drift_windows) = (1, 2);
        assert_eq!(ticked("ranker", &tick).cells, ["ranker", "3", "0", "0", "", ""]);
    }
}
