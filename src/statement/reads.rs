//! Statements that look for records: `find`, `explain`, `recall`, `scan`, `count`.

use super::reader::Reader;
use super::tree::{Columns, Find, Recall, Scan, Statement};
use super::values;
use crate::error::Result;

pub(super) fn find(reader: &mut Reader<'_>) -> Result<Statement> {
    query(reader).map(Statement::Find)
}

pub(super) fn explain(reader: &mut Reader<'_>) -> Result<Statement> {
    reader.expect_keyword("find")?;
    query(reader).map(Statement::Explain)
}

fn query(reader: &mut Reader<'_>) -> Result<Find> {
    let collection = values::name(reader)?;
    if reader.peek_word().eq_ignore_ascii_case("where") {
        let error = reader.expected("`near VECTOR`");
        return Err(error.mend("`scan` finds by a filter alone"));
    }
    reader.expect_keyword("near")?;
    let near = values::vector(reader)?;
    let columns = Columns::default();
    let (recall, ef, exact) = (None, None, false);
    let (filter, limit, within, after, model) = (None, None, None, None, None);
    let mut find = Find { collection, near, filter, limit, within, recall, ef, exact, columns, after, model };
    while let Some(clause) = reader.clause()? {
        match clause {
            "where" => find.filter = Some(reader.filter()?),
            "limit" => find.limit = Some(reader.number("how many")?),
            "within" => find.within = Some(distance(reader)?),
            "select" => find.columns = values::columns(reader)?,
            "after" => find.after = Some(reader.text("the cursor of an earlier answer")?),
            "model" => find.model = Some(reader.text("the name of a model")?),
            "recall" => find.recall = Some(reader.number("a share such as 0.95")?),
            "ef" => find.ef = Some(reader.number("how many candidates")?),
            _ => find.exact = true,
        }
    }
    let efforts = usize::from(find.recall.is_some()) + usize::from(find.ef.is_some()) + usize::from(find.exact);
    match efforts {
        0 | 1 => Ok(find),
        _ => Err(reader.expected("only one of `recall`, `ef` and `exact`")),
    }
}

pub(super) fn recall(reader: &mut Reader<'_>) -> Result<Statement> {
    let collection = values::name(reader)?;
    let (sample, queries, k, seed) = (None, None, None, None);
    let mut asked = Recall { collection, sample, queries, k, recall: None, ef: None, filter: None, seed };
    while let Some(clause) = reader.clause()? {
        match clause {
            "sample" => asked.sample = Some(reader.number("how many queries")?),
            "queries" => asked.queries = Some(reader.text("the name of a file")?),
            "k" => asked.k = Some(reader.number("how many neighbours")?),
            "recall" => asked.recall = Some(reader.number("a share such as 0.95")?),
            "ef" => asked.ef = Some(reader.number("how many candidates")?),
            "where" => asked.filter = Some(reader.filter()?),
            _ => asked.seed = Some(reader.number("a number")?),
        }
    }
    if asked.recall.is_some() && asked.ef.is_some() {
        return Err(reader.expected("only one of `recall` and `ef`"));
    }
    Ok(Statement::Recall(asked))
}

fn distance(reader: &mut Reader<'_>) -> Result<f32> {
    let begin = reader.at();
    let distance: f32 = reader.number("a distance")?;
    if distance.is_nan() {
        return Err(reader.refuse(reader.span_from(begin), "a distance must be a number"));
    }
    Ok(distance)
}

pub(super) fn scan(reader: &mut Reader<'_>) -> Result<Statement> {
    let collection = values::name(reader)?;
    let columns = Columns::default();
    let (prefix, from, to, after) = (None, None, None, None);
    let mut scan = Scan { collection, filter: None, prefix, from, to, after, reverse: false, limit: None, columns };
    while let Some(clause) = reader.clause()? {
        match clause {
            "where" => scan.filter = Some(reader.filter()?),
            "prefix" => scan.prefix = Some(prefix_key(reader)?),
            "from" => scan.from = Some(values::key(reader)?),
            "to" => scan.to = Some(values::key(reader)?),
            "after" => scan.after = Some(values::key(reader)?),
            "limit" => scan.limit = Some(reader.number("how many")?),
            "select" => scan.columns = values::columns(reader)?,
            _ => scan.reverse = true,
        }
    }
    Ok(Statement::Scan(scan))
}

/// A prefix of keys: a number is no prefix, so digits are text here.
fn prefix_key(reader: &mut Reader<'_>) -> Result<crate::key::Key> {
    let key = values::key(reader)?;
    Ok(key.as_number().map_or(key, |number| number.to_string().into()))
}

pub(super) fn count(reader: &mut Reader<'_>) -> Result<Statement> {
    let collection = values::name(reader)?;
    let filter = match reader.clause()? {
        Some(_) => Some(reader.filter()?),
        None => None,
    };
    Ok(Statement::Count { collection, filter })
}
