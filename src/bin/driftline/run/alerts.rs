//! `alerts`: what went wrong, what is known of it, and who is told.

use std::time::Duration;

use driftline::Database;
use driftline::mlops::{Alert, AlertRule, Incident, Severity, Silence, TimeRange};
use driftline::statement::Alerts;
use serde_json::json;

use crate::failure::{Failure, Outcome};
use crate::render::{self, Output, Plain};
use crate::session::Session;

/// So many alerts are listed unless more are asked for.
const LIMIT: u64 = 50;
/// Columns from which on a table of rules or incidents has room for all of it.
const ROOMY: usize = 118;
/// Who changes something unless it is told.
const SOMEBODY: &str = "the shell";

pub(super) fn alerts(session: &mut Session, asked: &Alerts) -> Outcome {
    let changes =
        !matches!(asked, Alerts::List | Alerts::History { .. } | Alerts::Show(_) | Alerts::Silences | Alerts::Rules);
    let db = if changes { session.store.writing()? } else { session.store.reading()? };
    let (db, output) = (db.clone(), &mut session.output);
    let alerts = db.alerts();
    let by = |by: &Option<String>| by.clone().unwrap_or_else(|| SOMEBODY.into());
    match asked {
        Alerts::List => incidents(output, &alerts.incidents()?),
        Alerts::History { last, limit } => {
            let range = last.map_or(Ok(TimeRange::ALL), |last| TimeRange::last(last, after_now(&db)))?;
            let limit = usize::try_from(limit.unwrap_or(LIMIT)).unwrap_or(usize::MAX);
            history(output, &alerts.history(range, limit)?)
        }
        Alerts::Show(id) => show(output, &alerts.get(*id)?),
        Alerts::Acknowledge { incident, by: who } => incidents(output, &[alerts.acknowledge(*incident, &by(who))?]),
        Alerts::Resolve { incident, by: who } => incidents(output, &[alerts.resolve(*incident, &by(who))?]),
        Alerts::Silence { alert_type, subject, time, by: who, reason } => {
            let subject = subject.as_deref().unwrap_or("*");
            let silence = Silence::new(alert_type, subject, db.now().after(*time)).by(by(who));
            let silence = silence.reason(reason.as_deref().unwrap_or_default());
            silences(output, &[alerts.silence(silence)?])
        }
        Alerts::Silences => silences(output, &alerts.silences()?),
        Alerts::Unsilence(id) => {
            alerts.unsilence(*id)?;
            output.one(&json!({ "unsilenced": id }), || format!("silence {id} is over"))
        }
        Alerts::Rules => rules(output, &alerts.rules()?),
        Alerts::SetRule(rule) => {
            let rule: AlertRule = serde_json::from_value(rule.to_json()).map_err(|error| {
                Failure::failed(format!("this is no rule: {error}; `alerts rules --format json` shows some"))
            })?;
            alerts.set_rule(&rule)?;
            rules(output, &[rule])
        }
        Alerts::RemoveRule { name, model: None } => {
            alerts.remove_rule(name)?;
            output.one(&json!({ "removed": name }), || format!("{name} is as it was"))
        }
        Alerts::RemoveRule { name, model: Some(model) } => {
            alerts.remove_rule_of(model, name)?;
            let told = || format!("{} has no {name} of its own any more", render::plain(model));
            output.one(&json!({ "removed": name, "model": model }), told)
        }
        Alerts::Raise { severity, message } => {
            let severity: Severity = severity.parse()?;
            show(output, &alerts.alert(severity, message, driftline::Value::Null)?)
        }
        // The library may learn to ask before this program does.
        _ => Err(Failure::failed("this program cannot do that yet")),
    }
}

/// The end of a time that lasts until now, which is not part of it itself.
pub(super) fn after_now(db: &Database) -> driftline::Timestamp {
    db.now().after(Duration::from_micros(1))
}

fn incidents(output: &mut Output, incidents: &[Incident]) -> Outcome {
    if output.is_table() && incidents.is_empty() {
        return output.line("no incident was ever opened");
    }
    let narrow = output.is_narrow(ROOMY);
    let row = |it: &Incident| {
        let state = match (&it.resolved, &it.acknowledged) {
            // A time would be cut there.
            (Some(_), _) if narrow => "resolved".into(),
            (Some(at), _) => format!("resolved {}", render::time(*at)),
            (None, Some(who)) => format!("acknowledged by {}", render::plain(&who.by)),
            (None, None) => "firing".into(),
        };
        let what = [it.id.to_string(), it.severity.to_string(), it.alert_type.clone(), render::plain(&it.subject)];
        let value = (!narrow).then(|| render::number(it.value));
        let cells = what.into_iter().chain(value).chain([render::time(it.opened), state]).collect();
        Ok(Plain { thing: it.clone(), cells })
    };
    let headings: &[&str] = match narrow {
        true => &["id", "severity", "type", "subject", "opened", "state"],
        false => &["incident", "severity", "type", "subject", "value", "opened", "state"],
    };
    output.many(headings, incidents.iter().map(row))
}

fn history(output: &mut Output, alerts: &[Alert]) -> Outcome {
    if output.is_table() && alerts.is_empty() {
        return output.line("no alerts");
    }
    let row = |it: &Alert| {
        let cells = vec![
            it.id.to_string(),
            render::time(it.at),
            it.kind.to_string(),
            it.severity.to_string(),
            it.alert_type.clone(),
            render::plain(&it.message),
        ];
        Ok(Plain { thing: it.clone(), cells })
    };
    output.many(&["alert", "time", "what", "severity", "type", "message"], alerts.iter().map(row))
}

fn show(output: &mut Output, alert: &Alert) -> Outcome {
    output.one(alert, || {
        let optional = |name, value: Option<String>| value.map(|value| (name, render::plain(&value)));
        let actions: Vec<&str> = alert.actions.iter().map(|action| action.name()).collect();
        let lines = [
            Some(("alert", alert.id.to_string())),
            Some(("time", render::time(alert.at))),
            Some(("what", alert.kind.to_string())),
            Some(("severity", alert.severity.to_string())),
            Some(("type", alert.alert_type.clone())),
            optional("subject", alert.subject.clone()),
            Some(("message", render::plain(&alert.message))),
            optional("incident", alert.incident.map(|id| id.to_string())),
            optional("cause", alert.correlation.clone()),
            optional("asks for", (!actions.is_empty()).then(|| actions.join(", "))),
            optional("details", (!alert.metadata.is_null()).then(|| alert.metadata.to_string())),
            (!alert.told).then(|| ("told", "nobody".into())),
        ];
        render::pairs(lines.into_iter().flatten())
    })
}

fn silences(output: &mut Output, silences: &[Silence]) -> Outcome {
    if output.is_table() && silences.is_empty() {
        return output.line("nothing is silenced");
    }
    let row = |it: &Silence| {
        let texts = [&it.alert_type, &it.subject, &it.by, &it.reason].map(|text| render::plain(text));
        let [alert_type, subject, by, reason] = texts;
        let cells = vec![it.id.to_string(), alert_type, subject, render::time(it.until), by, reason];
        Ok(Plain { thing: it.clone(), cells })
    };
    output.many(&["silence", "type", "subject", "until", "by", "because"], silences.iter().map(row))
}

fn rules(output: &mut Output, rules: &[AlertRule]) -> Outcome {
    let narrow = output.is_narrow(ROOMY);
    let row = |it: &AlertRule| {
        let of = |severity| {
            let edges = it.bands.iter().filter(|band| band.severity == severity).map(|band| band.edge.to_string());
            let edges = edges.collect::<Vec<_>>().join(" or ");
            if narrow { signs(&edges) } else { edges }
        };
        let actions: Vec<&str> = it.actions.iter().map(|route| route.action.name()).collect();
        let name = if it.enabled { it.name.clone() } else { format!("{} (off)", it.name) };
        let bands = [Severity::Critical, Severity::Warning, Severity::Info].map(of);
        let subjects = match (&it.model, it.subjects.as_str()) {
            (None, subjects) => subjects.to_owned(),
            (Some(model), "*") => format!("{model}@*"),
            (Some(model), subjects) => format!("{model}@*, if {subjects}"),
        };
        // Where there is no room for the subjects, at least the model is told.
        let name = match &it.model {
            Some(model) if narrow => format!("{name} of {}", render::plain(model)),
            _ => name,
        };
        let of_what = [it.metric.clone(), render::plain(&subjects)].into_iter().filter(|_| !narrow);
        let cells = std::iter::once(name).chain(of_what).chain(bands);
        Ok(Plain { thing: it.clone(), cells: cells.chain([actions.join(", ")]).collect() })
    };
    let mut headings = vec!["rule", "metric", "subjects", "critical", "warning", "info", "asks for"];
    if narrow {
        headings.drain(1..3);
    }
    output.many(&headings, rules.iter().map(row))
}

/// Edges in few characters.
fn signs(edges: &str) -> String {
    let words = [("above", ">"), ("at least", "≥"), ("below", "<"), ("at most", "≤")];
    words.iter().fold(edges.to_owned(), |edges, (word, sign)| edges.replace(word, sign))
}
