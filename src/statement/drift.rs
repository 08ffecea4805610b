//! Statements about drift: `drift` and `baseline`.

use super::drift_tree::{Against, Baseline, Drift, DriftCheck, DriftSubject};
use super::reader::Reader;
use super::tree::{Columns, Statement};
use super::values;
use crate::error::Result;

pub(super) fn drift(reader: &mut Reader<'_>) -> Result<Statement> {
    let word = reader.peek_word().to_ascii_lowercase();
    let asked = match word.as_str() {
        "show" | "history" | "incidents" => {
            reader.expect_keyword(&word)?;
            let subject = subject(reader)?;
            let mut last = None;
            let begin = reader.at();
            while let Some(clause) = reader.clause()? {
                if clause != "last" {
                    let message = format!("`{clause}` belongs to a check, and this looks at what was recorded");
                    return Err(reader.refuse(reader.span_from(begin), &message));
                }
                last = Some(values::duration(reader)?);
            }
            match word.as_str() {
                "show" => Drift::Show { subject, last },
                "history" => Drift::History { subject, last },
                _ => Drift::Incidents { subject, last },
            }
        }
        _ => Drift::Check(Box::new(check(reader)?)),
    };
    Ok(Statement::Drift(asked))
}

fn check(reader: &mut Reader<'_>) -> Result<DriftCheck> {
    let subject = subject(reader)?;
    let (last, against, by, filter) = (None, None, None, None);
    let (method, threshold, rows, record, report) = (None, None, None, false, None);
    let fields = Vec::new();
    let mut check = DriftCheck { subject, last, against, by, fields, filter, method, threshold, rows, record, report };
    while let Some(clause) = reader.clause()? {
        match clause {
            "last" => check.last = Some(values::duration(reader)?),
            "against" => check.against = Some(against_what(reader)?),
            "by" => check.by = Some(reader.path()?.to_owned()),
            "fields" => check.fields = self::fields(reader)?,
            "where" => check.filter = Some(reader.filter()?),
            "method" => check.method = Some(reader.word("a method such as ks")?.to_owned()),
            "threshold" => check.threshold = Some(reader.number("a number such as 0.05")?),
            "rows" => check.rows = Some(reader.number("how many rows")?),
            "report" => check.report = Some(reader.text("the name of a file")?),
            _ => check.record = true,
        }
    }
    Ok(check)
}

/// A collection, or `model` and the name of one.
fn subject(reader: &mut Reader<'_>) -> Result<DriftSubject> {
    if !reader.keyword("model") {
        return values::name(reader).map(DriftSubject::Collection);
    }
    let begin = reader.at();
    let model = reader.text("a model such as 'minilm@1'")?;
    Ok(DriftSubject::Model(model, reader.span_from(begin)))
}

fn against_what(reader: &mut Reader<'_>) -> Result<Against> {
    if !reader.keyword("baseline") {
        return values::duration(reader).map(Against::Before);
    }
    let name = reader.text("the name of a baseline")?;
    Ok(Against::Baseline(name, version(reader)?))
}

fn version(reader: &mut Reader<'_>) -> Result<Option<u64>> {
    match reader.keyword("version") {
        true => reader.number("the number of a version").map(Some),
        false => Ok(None),
    }
}

fn fields(reader: &mut Reader<'_>) -> Result<Vec<String>> {
    match values::columns(reader)? {
        Columns::Fields(fields) => Ok(fields),
        _ => Err(reader.expected("fields such as lang, size.net")),
    }
}

pub(super) fn baseline(reader: &mut Reader<'_>) -> Result<Statement> {
    let asked = if reader.keyword("list") {
        Baseline::List
    } else if reader.keyword("show") {
        let name = reader.text("the name of a baseline")?;
        Baseline::Show { name, version: version(reader)? }
    } else if reader.keyword("create") {
        created(reader)?
    } else {
        return Err(reader.expected("create, list or show"));
    };
    Ok(Statement::Baseline(asked))
}

fn created(reader: &mut Reader<'_>) -> Result<Baseline> {
    let name = reader.text("a name for the baseline")?;
    reader.expect_keyword("from")?;
    let subject = subject(reader)?;
    let (mut last, mut named) = (None, Vec::new());
    while let Some(clause) = reader.clause()? {
        match clause {
            "last" => last = Some(values::duration(reader)?),
            _ => named = fields(reader)?,
        }
    }
    Ok(Baseline::Create { name, subject, last, fields: named })
}
