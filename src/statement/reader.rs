//! Reads a statement from left to right: words, texts, numbers, JSON, and the errors that show where they went wrong.
//!
//! Filters have a lexer of their own; this one hands the text behind `where` to it and goes on where it stopped.

use std::ops::Range;

use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::filter::{self, Filter, Params};

/// A place in the text of a statement.
pub(super) struct Reader<'a> {
    text: &'a str,
    /// Where `text` begins in the script; spans count from the beginning of that.
    base: usize,
    at: usize,
    params: &'a Params,
    /// How the statement is written, to end its errors with.
    head: &'static str,
    clauses: &'static [Clause],
    /// The clauses taken so far.
    taken: Vec<&'static str>,
}

/// A part of a statement that may be left out: its keyword, what follows that, and what it does.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Clause {
    /// The word it begins with.
    pub keyword: &'static str,
    /// What follows the keyword, as help shows it; empty when nothing does.
    pub argument: &'static str,
    /// What it does.
    pub summary: &'static str,
    /// Whether it may be said several times.
    pub repeats: bool,
}

impl Clause {
    /// The same clause, which may be said several times.
    pub(super) const fn repeated(self) -> Clause {
        Clause { repeats: true, ..self }
    }
}

/// What ends a word that was written without quotes.
const ENDS_WORD: &[char] = &[',', ';', '\'', '"', '`', '(', ')', '[', ']', '{', '}', '='];

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str, base: usize, params: &'a Params) -> Reader<'a> {
        Reader { text, base, at: 0, params, head: "", clauses: &[], taken: Vec::new() }
    }

    /// Has errors end with how the verb is used, and takes its clauses from now on.
    pub(super) fn set_verb(&mut self, head: &'static str, clauses: &'static [Clause]) {
        self.head = head;
        self.clauses = clauses;
    }

    /// Takes the keyword of a clause; `None` at the end of the statement.
    pub(super) fn clause(&mut self) -> Result<Option<&'static str>> {
        if self.is_at_end() {
            return Ok(None);
        }
        let begin = self.at;
        let word = self.peek_word();
        let Some(clause) = self.clauses.iter().find(|clause| clause.keyword.eq_ignore_ascii_case(word)) else {
            let keywords: Vec<_> = self.clauses.iter().map(|clause| clause.keyword).collect();
            let wanted = match keywords.as_slice() {
                [] => "the end of the statement".to_owned(),
                keywords => format!("`;` or one of {}", keywords.join(", ")),
            };
            let error = self.expected(&wanted);
            return Err(match filter::suggest(word, keywords.iter().copied()) {
                Some(keyword) => error.mend(format!("did you mean `{keyword}`?")),
                None => error,
            });
        };
        self.at += word.len();
        if !clause.repeats && self.taken.contains(&clause.keyword) {
            return Err(self.refuse(self.span_from(begin), &format!("`{}` is said twice", clause.keyword)));
        }
        self.taken.push(clause.keyword);
        Ok(Some(clause.keyword))
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Passes over space.
    pub(super) fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    pub(super) fn at(&mut self) -> usize {
        self.skip_space();
        self.at
    }

    pub(super) fn is_at_end(&mut self) -> bool {
        self.at() == self.text.len()
    }

    /// The next character that is not space.
    pub(super) fn peek(&mut self) -> Option<char> {
        self.skip_space();
        self.rest().chars().next()
    }

    /// The next word, as it is written, up to space or punctuation. It may be empty.
    pub(super) fn peek_word(&mut self) -> &'a str {
        self.skip_space();
        let rest = self.rest();
        let end = rest.find(|c: char| c.is_whitespace() || ENDS_WORD.contains(&c)).unwrap_or(rest.len());
        &rest[..end]
    }

    /// Takes the next word.
    pub(super) fn word(&mut self, wanted: &str) -> Result<&'a str> {
        let word = self.peek_word();
        if word.is_empty() {
            return Err(self.expected(wanted));
        }
        self.at += word.len();
        Ok(word)
    }

    /// Takes `keyword` if it comes next, in either case.
    pub(super) fn keyword(&mut self, keyword: &str) -> bool {
        let found = self.peek_word().eq_ignore_ascii_case(keyword);
        self.at += if found { keyword.len() } else { 0 };
        found
    }

    /// Takes `keyword`, which must come next.
    pub(super) fn expect_keyword(&mut self, keyword: &str) -> Result<()> {
        if self.keyword(keyword) { Ok(()) } else { Err(self.expected(keyword)) }
    }

    /// Takes `symbol` if it comes next.
    pub(super) fn symbol(&mut self, symbol: char) -> bool {
        let found = self.peek() == Some(symbol);
        self.at += if found { symbol.len_utf8() } else { 0 };
        found
    }

    pub(super) fn expect_symbol(&mut self, symbol: char) -> Result<()> {
        if self.symbol(symbol) { Ok(()) } else { Err(self.expected(&format!("`{symbol}`"))) }
    }

    /// Takes a quoted text, if one comes next: `'it''s'`, or as JSON writes it, between double quotes.
    pub(super) fn quoted(&mut self) -> Result<Option<String>> {
        match self.peek() {
            Some('"') => self.json("a text").map(Some),
            Some(quote @ ('\'' | '`')) => self.doubled(quote).map(Some),
            _ => Ok(None),
        }
    }

    /// Takes a text in which a doubled quote stands for one.
    fn doubled(&mut self, quote: char) -> Result<String> {
        let begin = self.at;
        let mut text = String::new();
        let mut characters = self.rest().char_indices().skip(1).peekable();
        while let Some((place, character)) = characters.next() {
            if character != quote {
                text.push(character);
            } else if characters.next_if(|(_, next)| *next == quote).is_some() {
                text.push(quote);
            } else {
                self.at += place + 1;
                return Ok(text);
            }
        }
        Err(self
            .refuse(self.span(begin..self.text.len()), "the text has no end")
            .mend(format!("close it with {quote}")))
    }

    /// Takes a text that may stand without quotes.
    pub(super) fn text(&mut self, wanted: &str) -> Result<String> {
        match self.quoted()? {
            Some(text) => Ok(text),
            None => self.word(wanted).map(str::to_owned),
        }
    }

    /// Takes the path of a field as it is written: names with dots between them, unusual ones in back quotes.
    pub(super) fn path(&mut self) -> Result<&'a str> {
        let begin = self.at();
        loop {
            if self.peek() == Some('`') {
                self.doubled('`')?;
            } else {
                self.word("the name of a field")?;
            }
            // Inside a word the dots are part of it; behind a back quote the path may go on.
            let goes_on = self.text[..self.at].ends_with('.') || self.rest().starts_with(['.', '`']);
            if !goes_on {
                return Ok(&self.text[begin..self.at]);
            }
        }
    }

    /// Takes a number of type `T`.
    pub(super) fn number<T: std::str::FromStr>(&mut self, wanted: &str) -> Result<T> {
        let word = self.peek_word();
        match word.parse() {
            Ok(number) => {
                self.at += word.len();
                Ok(number)
            }
            Err(_) => Err(self.expected(wanted)),
        }
    }

    /// Takes a value written as JSON.
    pub(super) fn json<T: DeserializeOwned>(&mut self, wanted: &str) -> Result<T> {
        self.skip_space();
        let mut values = serde_json::Deserializer::from_str(self.rest()).into_iter();
        match values.next() {
            Some(Ok(value)) => {
                self.at += values.byte_offset();
                Ok(value)
            }
            None => Err(self.expected(wanted)),
            Some(Err(error)) => {
                let place = self.at + offset(self.rest(), error.line(), error.column());
                let message = error.to_string();
                let message = message.split(" at line ").next().unwrap_or_default();
                Err(self.refuse(self.span(place..place), &format!("this is not {wanted}: {message}")))
            }
        }
    }

    /// Takes `$name`, if it comes next, and returns its value.
    pub(super) fn parameter(&mut self) -> Result<Option<crate::payload::Value>> {
        if self.peek() != Some('$') {
            return Ok(None);
        }
        let begin = self.at;
        let word = self.peek_word();
        let value = self.params.get(&word[1..]).cloned();
        self.at += word.len();
        value.map(Some).ok_or_else(|| {
            let message = format!("the parameter {word} has no value");
            self.refuse(self.span_from(begin), &message).mend("give it one; in the shell: .param set NAME VALUE")
        })
    }

    /// Takes a word and what stands in parentheses behind it.
    pub(super) fn parenthesized(&mut self, wanted: &str) -> Result<&'a str> {
        let begin = self.at();
        self.word(wanted)?;
        if self.rest().starts_with('(') {
            self.at += self.rest().find(')').map_or(self.rest().len(), |end| end + 1);
        }
        Ok(&self.text[begin..self.at])
    }

    /// Whether a parameter comes next that is an object.
    pub(super) fn is_object_parameter(&mut self) -> bool {
        let word = self.peek_word();
        let value = word.strip_prefix('$').and_then(|name| self.params.get(name));
        value.is_some_and(|value| value.as_object().is_some())
    }

    /// Takes a filter: all that can belong to one.
    pub(super) fn filter(&mut self) -> Result<Filter> {
        let begin = self.at();
        let (filter, length) =
            filter::parse_prefix(self.rest(), self.params).map_err(|error| moved(error, self.base + begin))?;
        self.at += length;
        Ok(filter)
    }

    /// What was taken since `begin`, counted in the script.
    pub(super) fn span_from(&self, begin: usize) -> Range<usize> {
        self.span(begin..self.at)
    }

    fn span(&self, span: Range<usize>) -> Range<usize> {
        self.base + span.start..self.base + span.end
    }

    /// An error that points at the next word.
    pub(super) fn expected(&mut self, wanted: &str) -> Error {
        let begin = self.at();
        let word = self.peek_word();
        let next = if word.is_empty() { self.rest().chars().next().map(String::from) } else { Some(word.to_owned()) };
        let found = next.as_deref().map_or("the statement ends".into(), |next| format!("found `{}`", shortened(next)));
        let length = next.map_or(0, |next| next.len());
        self.refuse(self.span(begin..begin + length), &format!("expected {wanted}, {found}"))
    }

    /// An error that points at `span`.
    pub(super) fn refuse(&self, span: Range<usize>, message: &str) -> Error {
        let error = Error::invalid(message).with_span(span);
        if self.head.is_empty() { error } else { error.mend(format!("write {}", self.head)) }
    }
}

/// The error, with its span counted from `by` on.
fn moved(error: Error, by: usize) -> Error {
    match error.span() {
        Some(span) => error.with_span(span.start + by..span.end + by),
        None => error.with_span(by..by),
    }
}

/// The byte that a JSON reader means, which counts lines and their bytes from 1.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let place = (before + column.saturating_sub(1)).min(text.len());
    (0..=place).rev().find(|place| text.is_char_boundary(*place)).unwrap_or(0)
}

/// A word as a message can hold it.
fn shortened(word: &str) -> String {
    match word.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &word[..end]),
        None => word.to_owned(),
    }
}
