//! Statements that show what a store does: `dashboard` and `metrics`.

use super::reader::Reader;
use super::tree::Statement;
use super::values;
use crate::error::Result;

pub(super) fn dashboard(reader: &mut Reader<'_>) -> Result<Statement> {
    let is_clause = reader.is_at_end() || reader.peek_word().eq_ignore_ascii_case("last");
    let model = if is_clause { None } else { Some(reader.text("a model, such as ranker or ranker@2")?) };
    let mut last = None;
    while reader.clause()?.is_some() {
        last = Some(values::duration(reader)?);
    }
    Ok(Statement::Dashboard { model, last })
}

pub(super) fn metrics(reader: &mut Reader<'_>) -> Result<Statement> {
    let mut file = None;
    while reader.clause()?.is_some() {
        file = Some(reader.text("the name of a file")?);
    }
    Ok(Statement::Metrics { file })
}
