//! Statements about configurations: `config`.

use super::configuration_tree::Configuration;
use super::models::model_name;
use super::reader::Reader;
use super::serving::Author;
use super::tree::Statement;
use crate::error::Result;

pub(super) fn config(reader: &mut Reader<'_>) -> Result<Statement> {
    let asked = if reader.is_at_end() || reader.keyword("show") {
        Configuration::Show(watched(reader)?)
    } else if reader.keyword("keys") {
        Configuration::Keys
    } else if reader.keyword("check") {
        check(reader)?
    } else if reader.keyword("apply") {
        apply(reader)?
    } else {
        return Err(reader.expected("show, keys, check FILE, or apply FILE for MODEL"));
    };
    if reader.is_at_end() { Ok(Statement::Config(asked)) } else { Err(reader.expected("the end of the statement")) }
}

/// `for MODEL`, where somebody asks what a pipeline was set up with.
fn watched(reader: &mut Reader<'_>) -> Result<Option<String>> {
    match reader.clause()? {
        None => Ok(None),
        Some("for") => model_name(reader).map(Some),
        Some(_) => Err(reader.expected("for MODEL, or the end of the statement")),
    }
}

fn check(reader: &mut Reader<'_>) -> Result<Configuration> {
    let file = reader.text("the name of a file, in quotes")?;
    let mut profile = None;
    let mut begin = reader.at();
    while let Some(clause) = reader.clause()? {
        match clause {
            "profile" => profile = Some(reader.text("the name of a profile")?),
            other => {
                let message = format!("`{other}` belongs to apply; a check changes nothing, and is about no model");
                return Err(reader.refuse(reader.span_from(begin), &message));
            }
        }
        begin = reader.at();
    }
    Ok(Configuration::Check { file, profile })
}

fn apply(reader: &mut Reader<'_>) -> Result<Configuration> {
    let file = reader.text("the name of a file, in quotes")?;
    let (mut profile, mut model, mut author) = (None, None, Author::default());
    while let Some(clause) = reader.clause()? {
        match clause {
            "profile" => profile = Some(reader.text("the name of a profile")?),
            "for" => model = Some(model_name(reader)?),
            other => drop(author.clause(other, reader)?),
        }
    }
    match model {
        Some(model) => Ok(Configuration::Apply { file, profile, model, author }),
        None => Err(reader.expected("for MODEL")),
    }
}
