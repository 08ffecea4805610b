//! Statements about models and who changed them: `model`, `alias`, `mode`, `cache`, `audit`.

use super::reader::Reader;
use super::serving::{AliasStatement, AuditStatement, Author, CacheStatement, ModelStatement, NewModel};
use super::tree::Statement;
use super::values;
use crate::database::gate::Mode;
use crate::error::{Error, Result};

/// Entries of the audit log that are shown unless told.
const AUDIT_LIMIT: usize = 20;

impl Author {
    /// Takes a clause that tells of the author; false where it tells of something else.
    pub(super) fn clause(&mut self, clause: &str, reader: &mut Reader<'_>) -> Result<bool> {
        match clause {
            "by" => self.by = Some(reader.text("who does it")?),
            "because" => self.because = Some(reader.text("why")?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Takes the clauses of a statement that has no others.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Author> {
        let mut author = Author::default();
        let mut begin = reader.at();
        while let Some(clause) = reader.clause()? {
            if !author.clause(clause, reader)? {
                return Err(reader.refuse(reader.span_from(begin), &format!("`{clause}` does not belong here")));
            }
            begin = reader.at();
        }
        Ok(author)
    }
}

pub(super) fn model_name(reader: &mut Reader<'_>) -> Result<String> {
    reader.text("the name of a model")
}

fn version(reader: &mut Reader<'_>) -> Result<String> {
    reader.text("a version")
}

fn file(reader: &mut Reader<'_>) -> Result<String> {
    reader.text("the name of a file")
}

pub(super) fn model(reader: &mut Reader<'_>) -> Result<Statement> {
    Ok(Statement::Model(read_model(reader)?))
}

fn read_model(reader: &mut Reader<'_>) -> Result<ModelStatement> {
    if reader.is_at_end() {
        return Ok(ModelStatement::Models);
    }
    if reader.keyword("register") {
        return register(reader);
    }
    if reader.keyword("show") {
        return Ok(ModelStatement::Show(model_name(reader)?, version(reader)?));
    }
    if reader.keyword("load") {
        let (model, version) = (model_name(reader)?, version(reader)?);
        reader.expect_keyword("to")?;
        return Ok(ModelStatement::Load(model, version, file(reader)?));
    }
    if reader.keyword("compare") {
        return Ok(ModelStatement::Compare(model_name(reader)?, version(reader)?, version(reader)?));
    }
    if reader.keyword("tag") {
        let (model, version) = (model_name(reader)?, version(reader)?);
        return Ok(ModelStatement::Tag(model, version, texts(reader, "a tag")?, Author::read(reader)?));
    }
    if reader.keyword("approve") {
        let (model, version) = (model_name(reader)?, version(reader)?);
        reader.expect_keyword("for")?;
        return Ok(ModelStatement::Approve(model, reader.text("an alias")?, version, Author::read(reader)?));
    }
    if reader.keyword("gate") {
        let (model, alias) = (model_name(reader)?, reader.text("an alias")?);
        return Ok(ModelStatement::Gate(model, alias, reader.json("a gate")?, Author::read(reader)?));
    }
    if reader.keyword("export") {
        let model = model_name(reader)?;
        reader.expect_keyword("to")?;
        return Ok(ModelStatement::Export(model, file(reader)?));
    }
    if reader.keyword("import") {
        let model = model_name(reader)?;
        reader.expect_keyword("from")?;
        return Ok(ModelStatement::Import(model, file(reader)?, Author::read(reader)?));
    }
    Ok(ModelStatement::Versions(model_name(reader)?))
}

fn register(reader: &mut Reader<'_>) -> Result<ModelStatement> {
    let model = model_name(reader)?;
    let version = if reader.keyword("from") {
        None
    } else {
        let version = version(reader)?;
        reader.expect_keyword("from")?;
        Some(version)
    };
    let mut new = NewModel {
        model,
        version,
        file: file(reader)?,
        metrics: None,
        config: None,
        training: None,
        format: None,
        description: None,
        tags: Vec::new(),
        author: Author::default(),
    };
    while let Some(clause) = reader.clause()? {
        match clause {
            "metrics" => new.metrics = Some(reader.json("an object of numbers")?),
            "config" => new.config = Some(reader.json("a JSON value")?),
            "training" => new.training = Some(reader.json("a JSON value")?),
            "format" => new.format = Some(reader.text("what the artifact is")?),
            "description" => new.description = Some(reader.text("a description")?),
            "tags" => new.tags = texts(reader, "a tag")?,
            other => drop(new.author.clause(other, reader)?),
        }
    }
    Ok(ModelStatement::Register(Box::new(new)))
}

/// Texts with commas between.
fn texts(reader: &mut Reader<'_>, wanted: &str) -> Result<Vec<String>> {
    let mut texts = vec![reader.text(wanted)?];
    while reader.symbol(',') {
        texts.push(reader.text(wanted)?);
    }
    Ok(texts)
}

pub(super) fn alias(reader: &mut Reader<'_>) -> Result<Statement> {
    Ok(Statement::Alias(read_alias(reader)?))
}

fn read_alias(reader: &mut Reader<'_>) -> Result<AliasStatement> {
    let both = |reader: &mut Reader<'_>| Ok::<_, Error>((model_name(reader)?, reader.text("an alias")?));
    if reader.keyword("set") {
        let (model, alias) = both(reader)?;
        return Ok(AliasStatement::Set(model, alias, version(reader)?, Author::read(reader)?));
    }
    if reader.keyword("rollback") {
        let (model, alias) = both(reader)?;
        let (mut tagged, mut author) = (None, Author::default());
        while let Some(clause) = reader.clause()? {
            if !author.clause(clause, reader)? {
                tagged = Some(reader.text("a tag")?);
            }
        }
        return Ok(AliasStatement::Rollback(model, alias, tagged, author));
    }
    if reader.keyword("remove") {
        let (model, alias) = both(reader)?;
        return Ok(AliasStatement::Remove(model, alias, Author::read(reader)?));
    }
    if reader.keyword("history") {
        let (model, alias) = both(reader)?;
        return Ok(AliasStatement::History(model, alias));
    }
    if reader.keyword("at") {
        let time = values::moment(reader)?;
        let (model, alias) = both(reader)?;
        return Ok(AliasStatement::At(model, alias, time));
    }
    Ok(AliasStatement::List(model_name(reader)?))
}

pub(super) fn mode(reader: &mut Reader<'_>) -> Result<Statement> {
    if !reader.keyword("set") {
        return Ok(Statement::Mode { set: None });
    }
    let begin = reader.at();
    let word = reader.word("inference, training or maintenance")?;
    let mode: Mode = word.parse().map_err(|error: Error| error.with_span(reader.span_from(begin)))?;
    Ok(Statement::Mode { set: Some((mode, Author::read(reader)?)) })
}

pub(super) fn cache(reader: &mut Reader<'_>) -> Result<Statement> {
    let name = |reader: &mut Reader<'_>| reader.text("the name of a cache, such as values");
    Ok(Statement::Cache(if reader.is_at_end() {
        CacheStatement::List
    } else if reader.keyword("show") {
        CacheStatement::Show(name(reader)?)
    } else if reader.keyword("get") {
        CacheStatement::Get(reader.text("the name of a value")?)
    } else {
        reader.expect_keyword("clear")?;
        CacheStatement::Clear(name(reader)?)
    }))
}

pub(super) fn audit(reader: &mut Reader<'_>) -> Result<Statement> {
    if reader.keyword("verify") {
        return Ok(Statement::Audit(AuditStatement::Verify));
    }
    if reader.keyword("of") {
        return Ok(Statement::Audit(AuditStatement::Correlated(reader.text("what entries belong to")?)));
    }
    let (mut limit, mut action, mut by) = (AUDIT_LIMIT, None, None);
    while let Some(clause) = reader.clause()? {
        match clause {
            "limit" => limit = reader.number("a count")?,
            "action" => action = Some(reader.text("an action such as alias.set")?),
            _ => by = Some(reader.text("who did it")?),
        }
    }
    Ok(Statement::Audit(AuditStatement::Newest { limit, action, by }))
}
