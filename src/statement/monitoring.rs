//! Statements about models in use: `alerts` and `monitor`.

use std::time::Duration;

use super::monitoring_tree::{Alerts, Monitor};
use super::reader::Reader;
use super::tree::Statement;
use super::values;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::payload::Value;

/// What may follow, in any order.
#[derive(Default)]
struct Clauses {
    last: Option<Duration>,
    limit: Option<u64>,
    step: Option<Duration>,
    time: Option<Duration>,
    by: Option<String>,
    on: Option<String>,
    reason: Option<String>,
    at: Option<Timestamp>,
}

/// Takes the clauses, of which only these may be said here.
fn clauses(reader: &mut Reader<'_>, allowed: &[&str]) -> Result<Clauses> {
    let mut taken = Clauses::default();
    while !reader.is_at_end() {
        let word = reader.peek_word().to_ascii_lowercase();
        if !allowed.contains(&word.as_str()) {
            return Err(match allowed {
                [] => reader.expected("the end of the statement"),
                _ => reader.expected(&allowed.join(" or ")),
            });
        }
        match reader.clause()?.unwrap_or_default() {
            "last" => taken.last = Some(values::duration(reader)?),
            "step" => taken.step = Some(values::duration(reader)?),
            "for" => taken.time = Some(values::duration(reader)?),
            "at" => taken.at = Some(values::moment(reader)?),
            "limit" => taken.limit = Some(reader.number("how many")?),
            "by" => taken.by = Some(reader.text("who it is")?),
            "on" => taken.on = Some(reader.text("a subject, such as 'minilm@*'")?),
            _ => taken.reason = Some(reader.text("a reason, in quotes")?),
        }
    }
    Ok(taken)
}

pub(super) fn alerts(reader: &mut Reader<'_>) -> Result<Statement> {
    let asked = if reader.is_at_end() { Alerts::List } else { alerts_part(reader)? };
    Ok(Statement::Alerts(asked))
}

fn alerts_part(reader: &mut Reader<'_>) -> Result<Alerts> {
    let number = |reader: &mut Reader<'_>| reader.number("a number, as `alerts` lists them");
    let simple = |reader: &mut Reader<'_>, asked| clauses(reader, &[]).map(|_| asked);
    if reader.keyword("list") {
        return simple(reader, Alerts::List);
    }
    if reader.keyword("history") {
        let Clauses { last, limit, .. } = clauses(reader, &["last", "limit"])?;
        return Ok(Alerts::History { last, limit });
    }
    if reader.keyword("show") {
        let asked = Alerts::Show(number(reader)?);
        return simple(reader, asked);
    }
    if reader.keyword("ack") {
        let incident = number(reader)?;
        return Ok(Alerts::Acknowledge { incident, by: clauses(reader, &["by"])?.by });
    }
    if reader.keyword("resolve") {
        let incident = number(reader)?;
        return Ok(Alerts::Resolve { incident, by: clauses(reader, &["by"])?.by });
    }
    if reader.keyword("silences") {
        return simple(reader, Alerts::Silences);
    }
    if reader.keyword("silence") {
        return silence(reader);
    }
    if reader.keyword("unsilence") {
        let asked = Alerts::Unsilence(reader.number("the number of a silence")?);
        return simple(reader, asked);
    }
    if reader.keyword("rules") {
        return simple(reader, Alerts::Rules);
    }
    if reader.keyword("set") {
        let asked = Alerts::SetRule(values::literal(reader)?);
        return simple(reader, asked);
    }
    if reader.keyword("unset") {
        let name = reader.text("the name of a rule")?;
        return Ok(Alerts::RemoveRule { name, model: clauses(reader, &["on"])?.on });
    }
    if reader.keyword("raise") {
        let severity = reader.word("info, warning or critical")?.to_owned();
        let message = reader.text("what happened, in quotes")?;
        return simple(reader, Alerts::Raise { severity, message });
    }
    Err(reader.expected("list, history, show, ack, resolve, silence, silences, unsilence, rules, set, unset or raise"))
}

fn silence(reader: &mut Reader<'_>) -> Result<Alerts> {
    let alert_type = reader.text("a type of alerts, such as 'accuracy_*'")?;
    let taken = clauses(reader, &["for", "on", "by", "because"])?;
    let Some(time) = taken.time else { return Err(reader.expected("for TIME")) };
    Ok(Alerts::Silence { alert_type, subject: taken.on, time, by: taken.by, reason: taken.reason })
}

pub(super) fn monitor(reader: &mut Reader<'_>) -> Result<Statement> {
    let asked = if reader.is_at_end() { Monitor::List } else { monitor_part(reader)? };
    Ok(Statement::Monitor(asked))
}

fn monitor_part(reader: &mut Reader<'_>) -> Result<Monitor> {
    let model = |reader: &mut Reader<'_>| reader.text("a model, such as spam@3");
    if reader.keyword("record") {
        let (model, prediction) = (model(reader)?, values::literal(reader)?);
        return Ok(Monitor::Record { model, prediction, at: clauses(reader, &["at"])?.at });
    }
    if reader.keyword("label") {
        let (model, id) = (model(reader)?, reader.text("the id of a prediction")?);
        let truth = match reader.peek() {
            Some('\'' | '"' | '$') => values::literal(reader)?,
            _ => truth(reader.word("what was true")?),
        };
        return Ok(Monitor::Label { model, id, truth, at: clauses(reader, &["at"])?.at });
    }
    if reader.keyword("tick") {
        let model = if reader.is_at_end() { None } else { Some(model(reader)?) };
        clauses(reader, &[])?;
        return Ok(Monitor::Tick { model });
    }
    if reader.keyword("baseline") {
        let model = model(reader)?;
        return Ok(Monitor::Baseline { model, reason: clauses(reader, &["because"])?.reason });
    }
    let model = model(reader)?;
    if reader.keyword("trend") {
        let measure = reader.word("a figure, such as accuracy")?.to_owned();
        let Clauses { last, step, .. } = clauses(reader, &["last", "step"])?;
        return Ok(Monitor::Trend { model, measure, last, step });
    }
    Ok(Monitor::Show { model, last: clauses(reader, &["last"])?.last })
}

/// What a word stands for: a number, if it is one.
fn truth(word: &str) -> Value {
    word.parse().ok().filter(|number: &f64| number.is_finite()).map_or_else(|| word.into(), Value::Float)
}
