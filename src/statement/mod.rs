//! Statements: what people type into the shell, and what scripts are made of.
//!
//! `script` cuts a text into statements, `reader` reads one from left to right, and a file for each group of verbs
//! (`collections`, `records`, `reads`, `files`, `logs`, `drift`, `monitoring`, `models`, `trials`, `configuration`, `pipelines`,
//! `watching`) makes a `tree` of it. `verbs` is the table of all of them, from which come parsing, help and completion.
//! Nothing here opens a store or a file: a program does, once it has the tree.
//!
//! ```
//! use driftline::statement::{Params, Statement, parse};
//!
//! let script = "find docs near @7 where year >= 2020 limit 10; count docs";
//! let statements = parse(script, &Params::new())?;
//! assert!(matches!(statements[1].0, Statement::Count { .. }));
//!
//! let error = parse("find docs neer @7", &Params::new()).unwrap_err();
//! assert_eq!(error.span(), Some(10..14));
//! # Ok::<(), driftline::Error>(())
//! ```

mod collections;
mod configuration;
mod configuration_tree;
mod drift;
mod drift_tree;
mod files;
mod logs;
mod models;
mod monitoring;
mod monitoring_tree;
mod name;
mod pipelines;
mod pipelines_tree;
mod reader;
mod reads;
mod records;
mod script;
mod serving;
mod tree;
mod trials;
mod values;
mod verbs;
mod watching;

use std::ops::Range;

pub use crate::filter::Params;
pub use configuration_tree::Configuration;
pub use drift_tree::{Against, Baseline, Drift, DriftCheck, DriftSubject};
pub use monitoring_tree::{Alerts, Monitor};
pub use pipelines_tree::Pipelines;
pub use reader::Clause;
pub use script::{Piece, pieces};
pub use serving::{
    AliasStatement, AuditStatement, Author, CacheStatement, ExperimentClauses, ExperimentStatement, ModelStatement,
    NewModel, PowerQuestion, RetrainStatement,
};
pub use tree::{
    Backup, Change, Columns, Create, Export, Find, Import, KeysFrom, Log, Name, PayloadSource, Put, Recall, Scan,
    Statement, VectorSource, VectorText, Which,
};
pub use verbs::{NOTATION, VERBS, Verb};

use crate::error::{Error, Result};
use crate::filter;
use crate::payload::Value;
use reader::Reader;

/// Reads every statement of a text, each with the bytes it takes. The last needs no semicolon.
///
/// Fails at the first that cannot be read, with an error of kind `Invalid` or `Filter` whose
/// [`span`](crate::Error::span) counts from the beginning of `text`. A command, a line that begins with a dot, is an
/// error here: programs that have commands take [`pieces`] one by one.
pub fn parse(text: &str, params: &Params) -> Result<Vec<(Statement, Range<usize>)>> {
    let one = |piece: Piece| {
        let span = piece.span();
        match piece {
            Piece::Command(_) => Err(Error::invalid("a command is no statement").with_span(span)),
            Piece::Statement(_) | Piece::Open { .. } => Ok((parse_at(text, span.clone(), params)?, span)),
        }
    };
    pieces(text).map(one).collect()
}

/// Reads the one statement that takes `span` of `text`; spans count from the beginning of `text`.
pub fn parse_at(text: &str, span: Range<usize>, params: &Params) -> Result<Statement> {
    let plain = script::without_comments(&text[span.clone()]);
    one(&mut Reader::new(&plain, span.start, params))
}

/// Reads a value as a parameter may have: JSON, a text in single quotes, or a list of numbers.
pub fn parse_value(text: &str) -> Result<Value> {
    let none = Params::new();
    let mut reader = Reader::new(text, 0, &none);
    let value = values::literal(&mut reader)?;
    if reader.is_at_end() { Ok(value) } else { Err(reader.expected("the end of the value")) }
}

fn one(reader: &mut Reader<'_>) -> Result<Statement> {
    let begin = reader.at();
    let word = reader.word("a statement")?;
    let span = reader.span_from(begin);
    let Some(verb) = Verb::named(word) else { return Err(unknown(word).with_span(span)) };
    reader.set_verb(verb.head, verb.clauses);
    let statement = (verb.read)(reader)?;
    if reader.is_at_end() { Ok(statement) } else { Err(reader.expected("the end of the statement")) }
}

fn unknown(word: &str) -> Error {
    let word = word.to_ascii_lowercase();
    if verbs::PLANNED.contains(&word.as_str()) {
        return Error::invalid(format!("`{word}` is not available in this version"));
    }
    let error = Error::invalid(format!("there is no statement `{word}`"));
    if let Some((_, usage)) = verbs::COMMANDS.iter().find(|(command, _)| *command == word) {
        return Error::invalid(format!("`{word}` is no statement")).mend(format!("run `{usage}` in a terminal"));
    }
    match filter::suggest(&word, VERBS.iter().map(|verb| verb.name)) {
        Some(verb) => error.mend(format!("did you mean `{verb}`?")),
        None => error.mend("`help` lists the statements"),
    }
}

#[cfg(test)]
mod tests;
