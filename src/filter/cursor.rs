//! A place in a text that is read token by token.

use std::ops::Range;

use super::lex::{Lexer, Token, TokenKind};
use super::suggest::nearest;
use super::tree::too_deep;
use super::{MAX_FILTER_DEPTH, refuse};
use crate::error::{Error, Result};

/// Reads tokens, one ahead.
pub(crate) struct Cursor<'a> {
    text: &'a str,
    lexer: Lexer<'a>,
    next: Option<Token>,
    /// Where the last token that was taken ends.
    end: usize,
    depth: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str) -> Result<Cursor<'a>> {
        let mut lexer = Lexer::new(text);
        let next = lexer.next_token()?;
        Ok(Cursor { text, lexer, next, end: 0, depth: 0 })
    }

    /// What the next token is; `None` at the end.
    pub(crate) fn peek(&self) -> Option<&TokenKind> {
        self.next.as_ref().map(|token| &token.kind)
    }

    /// The bytes of the next token; at the end, none behind the text.
    pub(crate) fn span(&self) -> Range<usize> {
        self.next.as_ref().map_or(self.text.len()..self.text.len(), |token| token.span.clone())
    }

    /// Where the last token that was taken ends.
    pub(crate) fn end(&self) -> usize {
        self.end
    }

    /// Takes the next token.
    pub(crate) fn advance(&mut self) -> Result<()> {
        if let Some(token) = &self.next {
            self.end = token.span.end;
            self.next = self.lexer.next_token()?;
        }
        Ok(())
    }

    pub(crate) fn is_at_word(&self, word: &str) -> bool {
        matches!(self.peek(), Some(TokenKind::Ident(found)) if found.eq_ignore_ascii_case(word))
    }

    /// Takes the keyword `word`, if it comes next.
    pub(crate) fn eat_word(&mut self, word: &str) -> Result<bool> {
        let found = self.is_at_word(word);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    /// Takes the sign `symbol`, if it comes next.
    pub(crate) fn eat_symbol(&mut self, symbol: &str) -> Result<bool> {
        let found = matches!(self.peek(), Some(TokenKind::Symbol(found)) if *found == symbol);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    pub(crate) fn expect_symbol(&mut self, symbol: &str) -> Result<()> {
        if self.eat_symbol(symbol)? { Ok(()) } else { Err(self.expected(symbol, &[])) }
    }

    /// Reads something that may hold itself, unless that is nested too deeply.
    pub(crate) fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == MAX_FILTER_DEPTH {
            return Err(too_deep().with_span(self.span()));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    /// The error that something else than `wanted` comes next; one of the words `known` is suggested if it is near.
    pub(crate) fn expected(&self, wanted: &str, known: &[&str]) -> Error {
        let found = match self.span() {
            span if span.is_empty() => "the text ends here".into(),
            span => format!("found {}", shortened(&self.text[span])),
        };
        let error = refuse(format!("expected {wanted}, {found}")).with_span(self.span());
        let meant = match self.peek() {
            Some(TokenKind::Ident(word)) => nearest(word, known.iter().copied()),
            _ => None,
        };
        meant.map_or(error.clone(), |meant| error.mend(format!("did you mean {meant}?")))
    }
}

/// A token as it is written, or its beginning.
fn shortened(written: &str) -> String {
    match written.char_indices().nth(40) {
        Some((cut, _)) => format!("{}...", &written[..cut]),
        None => written.to_owned(),
    }
}
