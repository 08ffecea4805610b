//! `baseline`.

use std::time::Duration;

use driftline::mlops::drift::{BaselineColumn, Subject};
use driftline::statement::Baseline;

use super::drift::subject;
use crate::failure::{Failure, Outcome};
use crate::render::{self, Plain};
use crate::session::Session;

/// How long back the rows of a baseline go unless told.
const LENGTH: Duration = Duration::from_secs(30 * 86_400);

pub(super) fn baseline(session: &mut Session, asked: &Baseline) -> Outcome {
    match asked {
        Baseline::Create { name, subject: of, last, fields } => {
            let db = session.store.writing()?;
            let of = subject(&db, of)?;
            let made = db.baselines().set_last(name, &of, last.unwrap_or(LENGTH), fields)?;
            session.output.one(&made, || {
                let rows = made.columns.iter().map(|column| column.rows).max().unwrap_or(0);
                let columns = render::counted(made.columns.len() as u64, "column");
                format!(
                    "created {} with {} of {columns}",
                    render::plain(&made.reference().to_string()),
                    render::counted(rows, "row")
                )
            })
        }
        Baseline::List => list(session),
        Baseline::Show { name, version } => show(session, name, *version),
        // The library may learn more before this program does.
        _ => Err(Failure::failed("this program cannot do that yet")),
    }
}

fn list(session: &mut Session) -> Outcome {
    let baselines = session.store.reading()?.baselines().list()?;
    let row = |it: &driftline::mlops::drift::Baseline| {
        let of = it.subject.as_ref().map_or("columns".into(), Subject::to_string);
        let names: Vec<&str> = it.columns.iter().map(|column| column.name.as_str()).collect();
        let cells = vec![
            it.name.clone(),
            it.version.to_string(),
            render::plain(&of),
            render::time(it.created),
            render::plain(&names.join(", ")),
        ];
        Ok(Plain { cells, thing: it.clone() })
    };
    session.output.many(&["baseline", "version", "of", "created", "columns"], baselines.iter().map(row))
}

fn show(session: &mut Session, name: &str, version: Option<u64>) -> Outcome {
    let baselines = session.store.reading()?.baselines();
    let found = match version {
        Some(version) => baselines.version(name, version)?,
        None => baselines.get(name)?,
    };
    if !session.output.is_table() {
        return session.output.one(&found, String::new);
    }
    session.output.line(&format!(
        "{}, created {}",
        render::plain(&found.reference().to_string()),
        render::time(found.created)
    ))?;
    let of = found.subject.as_ref().map_or("columns that were given".into(), Subject::to_string);
    let times = found.range.map(|range| format!(", {} to {}", render::time(range.from), render::time(range.to)));
    session.output.line(&format!("of {}{}", render::plain(&of), times.unwrap_or_default()))?;
    session.output.line(&format!("sha256 {}\n", found.sha256))?;
    let row = |column: &BaselineColumn| {
        let figure = |value: Option<f64>| value.map_or(String::new(), |value| render::figure(value as f32));
        let median = column.quantiles.get(4).copied();
        let kind = serde_json::to_value(column.kind).ok().and_then(|kind| Some(kind.as_str()?.to_owned()));
        let cells = vec![
            render::plain(&column.name),
            kind.unwrap_or_default(),
            column.rows.to_string(),
            figure(column.mean),
            figure(column.deviation),
            figure(median),
        ];
        Ok(Plain { cells, thing: column.clone() })
    };
    session.output.many(&["column", "kind", "rows", "mean", "deviation", "median"], found.columns.iter().map(row))
}
