//! Statements about single records: `put`, `get`, `patch`, `delete`.

use super::reader::Reader;
use super::tree::{Change, Put, Statement, Which};
use super::values;
use crate::error::Result;
use crate::payload::Value;

pub(super) fn put(reader: &mut Reader<'_>) -> Result<Statement> {
    let collection = values::name(reader)?;
    if reader.keyword("-") {
        let if_absent = reader.clause()? == Some("if") && reader.expect_keyword("absent").map(|()| true)?;
        return Ok(Statement::PutLines { collection, if_absent });
    }
    let key = values::key(reader)?;
    let mut put = Put { collection, key, vector: None, payload: None, ttl: None, if_absent: false };
    if values::is_vector(reader) {
        put.vector = Some(values::vector(reader)?);
    }
    if is_payload(reader) {
        put.payload = Some(values::payload(reader)?);
    }
    while let Some(clause) = reader.clause()? {
        match clause {
            "ttl" => put.ttl = Some(values::duration(reader)?),
            "payload" => put.payload = Some(values::payload(reader)?),
            _ => {
                reader.expect_keyword("absent")?;
                put.if_absent = true;
            }
        }
    }
    Ok(Statement::Put(put))
}

/// Whether a payload comes next that needs no keyword before it: most are objects.
pub(super) fn is_payload(reader: &mut Reader<'_>) -> bool {
    matches!(reader.peek(), Some('{' | '$')) || reader.peek_word().eq_ignore_ascii_case("file")
}

pub(super) fn get(reader: &mut Reader<'_>) -> Result<Statement> {
    Ok(Statement::Get { collection: values::name(reader)?, key: values::key(reader)? })
}

pub(super) fn delete(reader: &mut Reader<'_>) -> Result<Statement> {
    let collection = values::name(reader)?;
    let which = if reader.is_at_end() {
        Which::All
    } else if reader.keyword("where") {
        Which::Where(reader.filter()?)
    } else {
        Which::Keys(values::keys(reader)?)
    };
    Ok(Statement::Delete { collection, which })
}

pub(super) fn patch(reader: &mut Reader<'_>) -> Result<Statement> {
    let collection = values::name(reader)?;
    let one = !reader.peek_word().eq_ignore_ascii_case("set") && reader.peek() != Some('{');
    let mut which = if one { Which::Keys(vec![values::key(reader)?]) } else { Which::All };
    let mut change = Change::default();
    if reader.peek() == Some('{') {
        let json: serde_json::Value = reader.json("changes as JSON")?;
        change.merge = Some(json.into());
    }
    let begin = reader.at();
    while let Some(clause) = reader.clause()? {
        match clause {
            "set" => change.merge = Some(assignments(reader, change.merge.take())?),
            "vector" => change.vector = Some(values::vector(reader)?),
            _ if one => return Err(reader.refuse(reader.span_from(begin), "either a key or `where` can be given")),
            _ => which = Which::Where(reader.filter()?),
        }
    }
    if change == Change::default() {
        return Err(reader.expected("`set FIELD = VALUE`, `vector VECTOR` or changes as JSON"));
    }
    Ok(Statement::Patch { collection, which, change })
}

/// What follows `set`: `field = value` with commas between.
fn assignments(reader: &mut Reader<'_>, merge: Option<Value>) -> Result<Value> {
    let mut merge = merge.unwrap_or_else(|| Value::object([] as [(&str, Value); 0]));
    loop {
        let path = values::path(reader)?;
        reader.expect_symbol('=')?;
        let value = values::literal(reader)?;
        values::set(&mut merge, &path, value)?;
        if !reader.symbol(',') {
            return Ok(merge);
        }
    }
}
