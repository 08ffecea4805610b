//! Statements that show what a store does: `metrics`.

use super::reader::Reader;
use super::tree::Statement;
use crate::error::Result;

pub(super) fn metrics(reader: &mut Reader<'_>) -> Result<Statement> {
    let mut file = None;
    while reader.clause()?.is_some() {
        file = Some(reader.text("the name of a file")?);
    }
    Ok(Statement::Metrics { file })
}
