//! Statements about the embedding log: `log`, `logs`.

use super::reader::Reader;
use super::tree::{Log, Statement};
use super::{records, values};
use crate::error::Result;

pub(super) fn log(reader: &mut Reader<'_>) -> Result<Statement> {
    let model = values::name(reader)?;
    let vector = values::vector(reader)?;
    let payload = if records::is_payload(reader) { Some(values::payload(reader)?) } else { None };
    let (mut at, mut input) = (None, None);
    while let Some(clause) = reader.clause()? {
        match clause {
            "at" => at = Some(values::moment(reader)?),
            _ => input = Some(reader.text("what was embedded")?),
        }
    }
    Ok(Statement::Log(Log { model, vector, payload, at, input }))
}

pub(super) fn logs(reader: &mut Reader<'_>) -> Result<Statement> {
    let is_clause = ["from", "to"].iter().any(|clause| reader.peek_word().eq_ignore_ascii_case(clause));
    if is_clause {
        return Err(reader.expected("a model before the times"));
    }
    let model = if reader.is_at_end() { None } else { Some(values::name(reader)?) };
    let (mut from, mut to) = (None, None);
    while let Some(clause) = reader.clause()? {
        match clause {
            "from" => from = Some(values::moment(reader)?),
            _ => to = Some(values::moment(reader)?),
        }
    }
    Ok(Statement::Logs { model, from, to })
}
