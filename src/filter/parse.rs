//! Filters read from text.
//!
//! ```text
//! filter  = and { OR and }          and = unary { AND unary }
//! unary   = NOT unary | ( filter ) | TRUE | FALSE | test
//! test    = path ( = | != | <> | < | <= | > | >= ) value
//!         | path [NOT] BETWEEN value AND value    | path [NOT] IN list    | path [NOT] LIKE pattern
//!         | path CONTAINS [ANY | ALL | NONE] list | path CONTAINS value   | path IS [NOT] (NULL | MISSING)
//! path    = @key | @time | name { . name }        name = word | `any characters`
//! list    = [ value, .. ] | ( value, .. ) | $param
//! value   = 'text' | "text" | number | true | false | x'0aff' | $param | now() [- | + '7d']
//! ```

use super::cursor::Cursor;
use super::lex::TokenKind;
use super::suggest::nearest;
use super::time;
use super::tree::{Check, Comparison, Filter, Literal, Quantifier, Subject, Test};
use super::{MAX_FILTER_BYTES, Params, refuse};
use crate::error::{Error, Result};
use crate::payload::Value;

/// Words that name a field only in back quotes.
pub(super) const RESERVED: [&str; 14] =
    ["and", "between", "contains", "false", "in", "is", "like", "match", "missing", "not", "now", "null", "or", "true"];

/// Words that may follow a path, as they are suggested.
const OPERATORS: [&str; 5] = ["BETWEEN", "CONTAINS", "IN", "IS", "LIKE"];

impl Filter {
    /// Reads a filter's text, at most [`MAX_FILTER_BYTES`] long.
    ///
    /// An error is of kind [`ErrorKind::Filter`](crate::ErrorKind::Filter), lies at [`Error::span`], and suggests what
    /// to write instead where that can be guessed.
    pub fn parse(text: &str) -> Result<Filter> {
        Filter::parse_with(text, &Params::new())
    }

    /// Reads a filter's text in which `$name` stands for a value of `params`, so that no text has to be pasted
    /// together. An array may stand for the list of `IN` and `CONTAINS`.
    ///
    /// ```
    /// use driftline::{Filter, Params};
    ///
    /// let params = Params::from([("lang".into(), "it's".into())]);
    /// assert_eq!(Filter::parse_with("lang = $lang", &params)?.to_string(), "lang = 'it''s'");
    /// # Ok::<(), driftline::Error>(())
    /// ```
    pub fn parse_with(text: &str, params: &Params) -> Result<Filter> {
        whole(open(text)?, params)
    }
}

/// Reads text that stands inside JSON, which is in memory already: it may be of any length. An error has no span.
pub(super) fn embedded(text: &str) -> Result<Filter> {
    let read = Cursor::new(text).and_then(|cursor| whole(cursor, &Params::new()));
    read.map_err(|error| refuse(format!("the text of a filter cannot be read: {error}")))
}

fn whole(mut cursor: Cursor<'_>, params: &Params) -> Result<Filter> {
    let filter = disjunction(&mut cursor, params)?;
    match cursor.peek() {
        None => Ok(filter),
        Some(TokenKind::Symbol(")")) => {
            Err(refuse("this parenthesis was never opened").mend("leave it out").with_span(cursor.span()))
        }
        Some(_) => Err(cursor.expected("AND, OR or the end", &["AND", "OR"])),
    }
}

/// Reads the filter that `text` begins with, and where it ends: before the first token that cannot go on with it.
pub(crate) fn parse_prefix(text: &str, params: &Params) -> Result<(Filter, usize)> {
    let mut cursor = Cursor::new(text)?;
    let filter = disjunction(&mut cursor, params)?;
    match cursor.end() {
        end if end > MAX_FILTER_BYTES => Err(too_long(end)),
        end => Ok((filter, end)),
    }
}

/// Reads the name of a part of a record; an error speaks of `text` and has no span.
pub(super) fn subject(text: &str) -> Result<Subject> {
    let read = || {
        let mut cursor = open(text)?;
        let subject = path(&mut cursor)?;
        if cursor.peek().is_some() { Err(cursor.expected("the end of the name", &[])) } else { Ok(subject) }
    };
    read().map_err(|error: Error| {
        refuse(format!("{text:?} names no field: {error}"))
            .mend("put unusual names into back quotes, such as `my-field`.inner")
    })
}

fn open(text: &str) -> Result<Cursor<'_>> {
    if text.len() > MAX_FILTER_BYTES { Err(too_long(text.len())) } else { Cursor::new(text) }
}

fn too_long(bytes: usize) -> Error {
    refuse(format!("a filter of {bytes} bytes is over the limit of {MAX_FILTER_BYTES}"))
        .mend("give long lists as parameters")
}

fn disjunction(cursor: &mut Cursor<'_>, params: &Params) -> Result<Filter> {
    let mut parts = vec![conjunction(cursor, params)?];
    while cursor.eat_word("or")? {
        parts.push(conjunction(cursor, params)?);
    }
    made(Filter::any_of(parts), cursor)
}

fn conjunction(cursor: &mut Cursor<'_>, params: &Params) -> Result<Filter> {
    let mut parts = vec![unary(cursor, params)?];
    while cursor.eat_word("and")? {
        parts.push(unary(cursor, params)?);
    }
    made(Filter::all_of(parts), cursor)
}

/// The filter, unless it went over a limit; then the error points to where that was noticed.
fn made(filter: Filter, cursor: &Cursor<'_>) -> Result<Filter> {
    let end = cursor.end();
    filter.check_made().map_err(|error| error.with_span(end..end))?;
    Ok(filter)
}

fn unary(cursor: &mut Cursor<'_>, params: &Params) -> Result<Filter> {
    if cursor.eat_word("not")? {
        let negated = cursor.nested(|cursor| unary(cursor, params))?;
        return made(!negated, cursor);
    }
    let opening = cursor.span();
    if cursor.eat_symbol("(")? {
        let inner = cursor.nested(|cursor| disjunction(cursor, params))?;
        if cursor.peek().is_none() {
            return Err(refuse("the parenthesis that opens here is never closed").mend("add )").with_span(opening));
        }
        if !cursor.eat_symbol(")")? {
            return Err(cursor.expected("AND, OR or )", &["AND", "OR"]));
        }
        return Ok(inner);
    }
    if cursor.eat_word("true")? {
        return Ok(Filter::all());
    }
    if cursor.eat_word("false")? {
        return Ok(Filter::none());
    }
    let start = cursor.span().start;
    let subject = path(cursor)?;
    let check = check(cursor, params, &subject)?;
    let test = Test::new(subject, check).map_err(|error| error.with_span(start..cursor.end()))?;
    Ok(Filter::test(Ok(test)))
}

fn path(cursor: &mut Cursor<'_>) -> Result<Subject> {
    let span = cursor.span();
    let wanted = "the name of a field";
    match cursor.peek() {
        Some(TokenKind::At) => {
            cursor.advance()?;
            record_part(cursor)
        }
        Some(TokenKind::Ident(word)) if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(word)) => {
            let mend = format!("a field of that name stands in back quotes: `{word}`");
            Err(cursor.expected(wanted, &[]).mend(mend))
        }
        Some(TokenKind::Ident(_) | TokenKind::Quoted(_)) => {
            let mut names = vec![name(cursor)?];
            while cursor.eat_symbol(".")? {
                names.push(name(cursor)?);
            }
            Ok(Subject::Field(names))
        }
        Some(TokenKind::Str(text)) => {
            let mend = format!("a field stands first, without quotes or in back quotes: `{text}`");
            Err(cursor.expected(wanted, &[]).mend(mend))
        }
        None if span.start == 0 || cursor.end() == 0 => {
            Err(refuse("the filter is empty").mend("TRUE lets everything pass").with_span(span))
        }
        _ => Err(cursor.expected(wanted, &[]).mend("a comparison begins with a field, such as price < 20")),
    }
}

/// What stands behind `@`.
fn record_part(cursor: &mut Cursor<'_>) -> Result<Subject> {
    let subject = if cursor.is_at_word("key") {
        Subject::Key
    } else if cursor.is_at_word("time") {
        Subject::Time
    } else if cursor.is_at_word("model") {
        return Err(refuse("@model cannot be filtered by yet")
            .mend("keep the model's name in a field")
            .with_span(cursor.span()));
    } else if cursor.is_at_word("id") {
        return Err(cursor.expected("@key or @time", &[]).mend("did you mean @key?"));
    } else {
        return Err(cursor.expected("key or time behind @", &["key", "time"]));
    };
    cursor.advance()?;
    Ok(subject)
}

fn name(cursor: &mut Cursor<'_>) -> Result<String> {
    let name = match cursor.peek() {
        Some(TokenKind::Ident(name) | TokenKind::Quoted(name)) => name.clone(),
        _ => return Err(cursor.expected("the name of an inner field", &[]).mend("put unusual names into back quotes")),
    };
    cursor.advance()?;
    Ok(name)
}

/// What is said of `subject`.
fn check(cursor: &mut Cursor<'_>, params: &Params, subject: &Subject) -> Result<Check> {
    if let Some(comparison) = comparison(cursor)? {
        if let Some(error) = null_compared(cursor, subject, comparison) {
            return Err(error);
        }
        return Ok(Check::Compare(comparison, value(cursor, params, subject)?));
    }
    let not_at = cursor.span();
    let negated = cursor.eat_word("not")?;
    if cursor.eat_word("in")? {
        let values = list(cursor, params, subject)?;
        return Ok(if negated { Check::NotIn(values) } else { Check::In(values) });
    }
    if cursor.eat_word("like")? {
        let pattern = pattern(cursor, params)?;
        return Ok(if negated { Check::NotLike(pattern) } else { Check::Like(pattern) });
    }
    if negated {
        let mend = format!("write NOT {subject} ...");
        return Err(cursor.expected("IN or LIKE behind NOT", &["IN", "LIKE"]).mend(mend).with_span(not_at));
    }
    if cursor.eat_word("between")? {
        let low = value(cursor, params, subject)?;
        if !cursor.eat_word("and")? {
            return Err(cursor.expected("AND and the upper end", &["AND"]));
        }
        return Ok(Check::Between(low, value(cursor, params, subject)?));
    }
    if cursor.eat_word("contains")? {
        return contains(cursor, params, subject);
    }
    if cursor.eat_word("is")? {
        return presence(cursor);
    }
    Err(no_operator(cursor, subject))
}

/// The error of what is no operator behind a path.
fn no_operator(cursor: &Cursor<'_>, subject: &Subject) -> Error {
    if cursor.is_at_word("match") {
        return refuse("MATCH is not supported yet")
            .mend(format!("write {subject} LIKE '%word%'"))
            .with_span(cursor.span());
    }
    if cursor.is_at_word("ilike") {
        return refuse("there is no ILIKE: LIKE tells cases apart")
            .mend("keep the text in lower case in a field of its own")
            .with_span(cursor.span());
    }
    let error = cursor.expected(&format!("a comparison behind {subject}"), &OPERATORS);
    match error.remedy() {
        _ if cursor.peek() == Some(&TokenKind::Symbol("-")) => {
            error.mend(format!("a name with a hyphen stands in back quotes: `{subject}-...`"))
        }
        Some(_) => error,
        None => error
            .mend(format!("such as {subject} = 'text', {subject} IN [1, 2] or, for a truth value, {subject} = true")),
    }
}

fn comparison(cursor: &mut Cursor<'_>) -> Result<Option<Comparison>> {
    let found = match cursor.peek() {
        Some(TokenKind::Symbol("<>")) => Some(Comparison::Unequal),
        Some(TokenKind::Symbol(sign)) => {
            Comparison::ALL.iter().find(|(_, known, _)| known == sign).map(|(comparison, ..)| *comparison)
        }
        _ => None,
    };
    if found.is_some() {
        cursor.advance()?;
    }
    Ok(found)
}

/// The error of comparing with the word `null`.
fn null_compared(cursor: &Cursor<'_>, subject: &Subject, comparison: Comparison) -> Option<Error> {
    if !cursor.is_at_word("null") {
        return None;
    }
    let not = if comparison == Comparison::Unequal { "NOT " } else { "" };
    let error = refuse("nothing compares with null").mend(format!("did you mean {subject} IS {not}NULL?"));
    Some(error.with_span(cursor.span()))
}

fn contains(cursor: &mut Cursor<'_>, params: &Params, subject: &Subject) -> Result<Check> {
    for (word, quantifier) in [("any", Quantifier::Any), ("all", Quantifier::All), ("none", Quantifier::None)] {
        if cursor.eat_word(word)? {
            return Ok(Check::Contains(quantifier, list(cursor, params, subject)?));
        }
    }
    if matches!(cursor.peek(), Some(TokenKind::Symbol("[" | "("))) {
        return Err(cursor.expected("ANY, ALL or NONE before a list", &[]));
    }
    Ok(Check::Contains(Quantifier::Any, vec![value(cursor, params, subject)?]))
}

fn presence(cursor: &mut Cursor<'_>) -> Result<Check> {
    let negated = cursor.eat_word("not")?;
    if cursor.eat_word("null")? {
        return Ok(if negated { Check::IsNotNull } else { Check::IsNull });
    }
    if cursor.eat_word("missing")? {
        return Ok(if negated { Check::IsPresent } else { Check::IsMissing });
    }
    Err(cursor.expected("NULL or MISSING", &["NULL", "MISSING"]))
}

fn pattern(cursor: &mut Cursor<'_>, params: &Params) -> Result<String> {
    let span = cursor.span();
    match given(cursor, params)? {
        Given::Value(Value::Text(text)) => Ok(text),
        _ => Err(refuse("LIKE needs a text").mend("such as 'solar%'").with_span(span)),
    }
}

fn list(cursor: &mut Cursor<'_>, params: &Params, subject: &Subject) -> Result<Vec<Literal>> {
    let span = cursor.span();
    if matches!(cursor.peek(), Some(TokenKind::Param(_))) {
        let literals = match given(cursor, params)? {
            Given::Value(Value::Array(values)) => values.into_iter().map(|value| subject.literal(value)).collect(),
            _ => Err(refuse("this parameter is no array, and a list is needed").mend("put it into brackets")),
        };
        return literals.map_err(|error: Error| error.with_span(span));
    }
    let closing = if cursor.eat_symbol("[")? {
        "]"
    } else if cursor.eat_symbol("(")? {
        ")"
    } else {
        return Err(cursor.expected("a list", &[]).mend("write its values in brackets: [1, 2]"));
    };
    let mut values = Vec::new();
    if cursor.eat_symbol(closing)? {
        return Ok(values);
    }
    loop {
        values.push(value(cursor, params, subject)?);
        if cursor.eat_symbol(closing)? {
            return Ok(values);
        }
        if !cursor.eat_symbol(",")? {
            return Err(cursor.expected(&format!(", or {closing}"), &[]));
        }
    }
}

/// A value to compare `subject` with.
fn value(cursor: &mut Cursor<'_>, params: &Params, subject: &Subject) -> Result<Literal> {
    let start = cursor.span().start;
    let literal = match given(cursor, params)? {
        Given::Value(value) => subject.literal(value),
        Given::Now(micros) => subject.now(micros),
    };
    literal.map_err(|error| error.with_span(start..cursor.end()))
}

/// A value as it was written.
enum Given {
    Value(Value),
    /// The time of use, moved by so many microseconds.
    Now(i64),
}

fn given(cursor: &mut Cursor<'_>, params: &Params) -> Result<Given> {
    let value = match cursor.peek() {
        Some(TokenKind::Str(text)) => Value::Text(text.clone()),
        Some(TokenKind::Bytes(bytes)) => Value::Bytes(bytes.clone()),
        Some(TokenKind::Int(number)) => Value::Int(*number),
        Some(TokenKind::UInt(number)) => Value::UInt(*number),
        Some(TokenKind::Float(number)) => Value::Float(*number),
        Some(TokenKind::Param(name)) => match params.get(name) {
            Some(value) => value.clone(),
            None => return Err(unknown_param(name, params).with_span(cursor.span())),
        },
        Some(TokenKind::Ident(word)) => match word.to_ascii_lowercase().as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "null" => Value::Null,
            "now" => return now(cursor),
            _ => return Err(cursor.expected("a value", &[]).mend(format!("a text stands in quotes: '{word}'"))),
        },
        Some(TokenKind::Quoted(name)) => {
            let mend = format!("back quotes are for names of fields; a text stands in quotes: '{name}'");
            return Err(cursor.expected("a value", &[]).mend(mend));
        }
        Some(TokenKind::At) => {
            return Err(cursor.expected("a value", &[]).mend("fields are compared with values, not with one another"));
        }
        _ => return Err(cursor.expected("a value", &[])),
    };
    cursor.advance()?;
    Ok(Given::Value(value))
}

fn unknown_param(name: &str, params: &Params) -> Error {
    let error = refuse(format!("the parameter ${name} was not given"));
    match nearest(name, params.keys().map(String::as_str)) {
        Some(known) => error.mend(format!("did you mean ${known}?")),
        None => error.mend("give it a value"),
    }
}

/// `now()`, perhaps moved.
fn now(cursor: &mut Cursor<'_>) -> Result<Given> {
    cursor.advance()?;
    cursor.expect_symbol("(")?;
    cursor.expect_symbol(")")?;
    let sign = if cursor.eat_symbol("-")? {
        -1
    } else if cursor.eat_symbol("+")? {
        1
    } else {
        return Ok(Given::Now(0));
    };
    let span = cursor.span();
    let Some(TokenKind::Str(text)) = cursor.peek() else {
        return Err(cursor.expected("a duration", &[]).mend("write it in quotes: '7d'"));
    };
    let moved = time::duration(text).map_err(|error| error.with_span(span))?;
    cursor.advance()?;
    // No duration is longer than half of the range.
    Ok(Given::Now(sign * moved.as_micros() as i64))
}
