//! Statements about pipelines: `pipeline`.

use super::models::model_name;
use super::pipelines_tree::Pipelines;
use super::reader::Reader;
use super::tree::Statement;
use crate::error::Result;

pub(super) fn pipeline(reader: &mut Reader<'_>) -> Result<Statement> {
    if reader.is_at_end() {
        return Ok(Statement::Pipeline(Pipelines::List));
    }
    if reader.keyword("tick") {
        let model = if reader.is_at_end() { None } else { Some(model_name(reader)?) };
        return Ok(Statement::Pipeline(Pipelines::Tick(model)));
    }
    Ok(Statement::Pipeline(Pipelines::Status(model_name(reader)?)))
}
