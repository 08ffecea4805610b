//! Statements about configurations: `config`.

use super::configuration_tree::Configuration;
use super::reader::Reader;
use super::tree::Statement;
use crate::error::Result;

pub(super) fn config(reader: &mut Reader<'_>) -> Result<Statement> {
    let asked = if reader.is_at_end() || reader.keyword("show") {
        Configuration::Show
    } else if reader.keyword("keys") {
        Configuration::Keys
    } else if reader.keyword("check") {
        check(reader)?
    } else {
        return Err(reader.expected("show, keys, or check FILE"));
    };
    if reader.is_at_end() { Ok(Statement::Config(asked)) } else { Err(reader.expected("the end of the statement")) }
}

fn check(reader: &mut Reader<'_>) -> Result<Configuration> {
    let file = reader.text("the name of a file, in quotes")?;
    let mut profile = None;
    while let Some("profile") = reader.clause()? {
        profile = Some(reader.text("the name of a profile")?);
    }
    Ok(Configuration::Check { file, profile })
}
