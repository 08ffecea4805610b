//! Statements that read and write files: `import`, `export`, `backup`.

use super::reader::Reader;
use super::tree::{Backup, Create, Export, Import, KeysFrom, Statement};
use super::values;
use crate::error::Result;
use crate::vector::metric::Metric;

pub(super) fn import(reader: &mut Reader<'_>) -> Result<Statement> {
    let file = reader.text("the name of a file")?;
    reader.expect_keyword("into")?;
    let collection = values::name(reader)?;
    let (create, format, keys) = (Create::No, None, KeysFrom::Format);
    let (labels, payload, skip, limit) = (None, None, None, None);
    let mut import = Import { file, collection, create, format, keys, vector: None, labels, payload, skip, limit };
    while let Some(clause) = reader.clause()? {
        match clause {
            "create" => import.create = Create::With(metric(reader)),
            "format" => import.format = Some(reader.text("a format")?),
            "keys" => import.keys = keys_from(reader)?,
            "vector" => import.vector = Some(reader.text("a field, or columns as first..last")?),
            "labels" => import.labels = Some(labels_from(reader)?),
            "payload" => import.payload = Some(reader.text("the name of a file")?),
            "skip" => import.skip = Some(reader.number("how many rows")?),
            _ => import.limit = Some(reader.number("how many rows")?),
        }
    }
    Ok(Statement::Import(import))
}

/// The metric that follows `create`, if one does.
fn metric(reader: &mut Reader<'_>) -> Option<Metric> {
    let metric = reader.peek_word().parse().ok()?;
    reader.word("a metric").ok()?;
    Some(metric)
}

fn keys_from(reader: &mut Reader<'_>) -> Result<KeysFrom> {
    if reader.keyword("from") {
        return reader.number("the key of the first row").map(KeysFrom::Rows);
    }
    if reader.keyword("file") {
        return reader.text("the name of a file").map(KeysFrom::File);
    }
    reader.text("`from N`, `file 'NAME'` or a field").map(KeysFrom::Field)
}

fn labels_from(reader: &mut Reader<'_>) -> Result<(String, Option<String>)> {
    let file = reader.text("the name of a file")?;
    let field = if reader.keyword("as") { Some(reader.text("the name of a field")?) } else { None };
    Ok((file, field))
}

pub(super) fn backup(reader: &mut Reader<'_>) -> Result<Statement> {
    reader.expect_keyword("to")?;
    let mut backup =
        Backup { path: reader.text("a directory, or a file that ends in .tar")?, copy: false, verify: false };
    while let Some(clause) = reader.clause()? {
        match clause {
            "copy" => backup.copy = true,
            _ => backup.verify = true,
        }
    }
    Ok(Statement::Backup(backup))
}

pub(super) fn export(reader: &mut Reader<'_>) -> Result<Statement> {
    let collection = values::name(reader)?;
    reader.expect_keyword("to")?;
    let file = reader.text("the name of a file")?;
    let mut export = Export { collection, file, format: None, filter: None, replace: false };
    while let Some(clause) = reader.clause()? {
        match clause {
            "where" => export.filter = Some(reader.filter()?),
            "format" => export.format = Some(reader.text("a format")?),
            _ => export.replace = true,
        }
    }
    Ok(Statement::Export(export))
}
