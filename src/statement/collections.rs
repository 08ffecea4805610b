//! Statements about whole collections and the whole store: `create`, `drop`, `compact`, `stats`, `verify` and others.

use super::reader::Reader;
use super::tree::{Name, Statement};
use super::values;
use crate::error::{Error, Result};
use crate::index::IndexSpec;
use crate::schema::{FieldIndexing, Schema};

pub(super) fn create(reader: &mut Reader<'_>) -> Result<Statement> {
    let collection = values::name(reader)?;
    let mut schema = if reader.symbol('(') { listed(reader)? } else { vectors(reader)? };
    while let Some(clause) = reader.clause()? {
        schema = match clause {
            "ttl" => schema.ttl(values::duration(reader)?),
            "ephemeral" => schema.ephemeral(),
            "field" => schema.field_indexing(field_indexing(reader)?),
            "fields" => fields(reader, schema)?,
            "model" => schema.model(reader.text("the name of a model")?),
            _ => schema.index(index(reader)?),
        };
    }
    Ok(Statement::Create { collection, schema })
}

/// What stands in parentheses: the vectors first, then fields and a time to live, with commas between.
fn listed(reader: &mut Reader<'_>) -> Result<Schema> {
    let mut schema = vectors(reader)?;
    while reader.symbol(',') {
        schema = if reader.keyword("ttl") { schema.ttl(values::duration(reader)?) } else { field(reader, schema)? };
    }
    reader.expect_symbol(')')?;
    Ok(schema)
}

/// Fields with commas between.
fn fields(reader: &mut Reader<'_>, mut schema: Schema) -> Result<Schema> {
    loop {
        schema = field(reader, schema)?;
        if !reader.symbol(',') {
            return Ok(schema);
        }
    }
}

/// The name of a field and its type.
fn field(reader: &mut Reader<'_>, schema: Schema) -> Result<Schema> {
    let path = reader.path()?;
    let begin = reader.at();
    let kind = reader.word("a type: bool, int, float or text")?;
    let kind = kind.parse().map_err(|error: Error| error.with_span(reader.span_from(begin)))?;
    Ok(schema.field(path, kind))
}

/// What follows `field`: `indexing auto` or `indexing none`.
fn field_indexing(reader: &mut Reader<'_>) -> Result<FieldIndexing> {
    reader.expect_keyword("indexing")?;
    if reader.keyword("none") {
        return Ok(FieldIndexing::None);
    }
    reader.expect_keyword("auto")?;
    Ok(FieldIndexing::Auto)
}

/// `f32[384] cosine`, `bits[64]` or `payload only`.
fn vectors(reader: &mut Reader<'_>) -> Result<Schema> {
    if reader.keyword("payload") {
        reader.expect_keyword("only")?;
        return Ok(Schema::payload_only());
    }
    if reader.keyword("bits") {
        let bits = size(reader)?;
        reader.keyword("hamming");
        return Ok(Schema::bits(bits));
    }
    if !reader.keyword("f32") {
        return Err(reader.expected("f32[DIMENSION] METRIC, bits[N] or `payload only`"));
    }
    let dimension = size(reader)?;
    let begin = reader.at();
    let metric = reader.word("a metric: l2, cosine, dot or l1")?;
    let metric = metric.parse().map_err(|error: Error| error.with_span(reader.span_from(begin)))?;
    Ok(Schema::vector(dimension, metric))
}

/// A number in brackets.
fn size(reader: &mut Reader<'_>) -> Result<usize> {
    reader.expect_symbol('[')?;
    let size = reader.number("a dimension")?;
    reader.expect_symbol(']')?;
    Ok(size)
}

/// An index, such as `flat`.
fn index(reader: &mut Reader<'_>) -> Result<IndexSpec> {
    let begin = reader.at();
    let text = reader.parenthesized("an index")?;
    IndexSpec::parse(text).map_err(|error| error.with_span(reader.span_from(begin)))
}

pub(super) fn reindex(reader: &mut Reader<'_>) -> Result<Statement> {
    let collection = values::name(reader)?;
    Ok(Statement::Reindex { collection, index: index(reader)? })
}

pub(super) fn rebuild(reader: &mut Reader<'_>) -> Result<Statement> {
    reader.expect_keyword("index")?;
    Ok(Statement::RebuildIndex { collection: values::name(reader)? })
}

pub(super) fn disk(_: &mut Reader<'_>) -> Result<Statement> {
    Ok(Statement::Disk)
}

pub(super) fn health(_: &mut Reader<'_>) -> Result<Statement> {
    Ok(Statement::Health)
}

pub(super) fn scrub(reader: &mut Reader<'_>) -> Result<Statement> {
    let mut rate_mib = None;
    while let Some(clause) = reader.clause()? {
        match clause {
            "rate" => rate_mib = Some(reader.number("how many MiB a second")?),
            _ => return Err(reader.expected("a clause of scrub")),
        }
    }
    Ok(Statement::Scrub { rate_mib })
}

pub(super) fn drop(reader: &mut Reader<'_>) -> Result<Statement> {
    Ok(Statement::Drop { collection: values::name(reader)? })
}

pub(super) fn collections(_: &mut Reader<'_>) -> Result<Statement> {
    Ok(Statement::Collections)
}

pub(super) fn compact(reader: &mut Reader<'_>) -> Result<Statement> {
    Ok(Statement::Compact { collection: optional_name(reader)? })
}

pub(super) fn stats(reader: &mut Reader<'_>) -> Result<Statement> {
    Ok(Statement::Stats { collection: optional_name(reader)? })
}

pub(super) fn flush(_: &mut Reader<'_>) -> Result<Statement> {
    Ok(Statement::Flush)
}

pub(super) fn verify(reader: &mut Reader<'_>) -> Result<Statement> {
    let quick = reader.keyword("quick");
    if !quick {
        reader.keyword("full");
    }
    Ok(Statement::Verify { quick })
}

fn optional_name(reader: &mut Reader<'_>) -> Result<Option<Name>> {
    if reader.is_at_end() { Ok(None) } else { values::name(reader).map(Some) }
}
