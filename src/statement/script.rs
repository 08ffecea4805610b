//! Where the statements of a text begin and end.
//!
//! A statement ends with `;`, a line that begins with a dot where a statement could begin is a command to the program.
//! Quotes keep what is inside them: `'it''s'`, `` `a name` `` and `"JSON \" text"`. Two dashes at the beginning of a
//! word begin a comment that runs to the end of the line.

use std::ops::Range;

/// A part of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A statement, without its semicolon.
    Statement(Range<usize>),
    /// A line that begins with a dot, without its end.
    Command(Range<usize>),
    /// The rest of the text: a statement without its semicolon. It ends inside what `open` says.
    Open {
        /// What there is of it.
        span: Range<usize>,
        /// The quote or bracket that is still to be closed; `None` when only the semicolon is missing.
        open: Option<char>,
    },
}

impl Piece {
    /// The bytes of the text that it takes.
    pub fn span(&self) -> Range<usize> {
        match self {
            Piece::Statement(span) | Piece::Command(span) | Piece::Open { span, .. } => span.clone(),
        }
    }
}

/// Cuts a text into its pieces, in order; empty statements and comments between them are passed over.
///
/// ```
/// use driftline::statement::{Piece, pieces};
///
/// let text = "count docs; .timer on\nget docs 'a;b'";
/// let found: Vec<_> = pieces(text).map(|piece| &text[piece.span()]).collect();
/// assert_eq!(found, ["count docs", ".timer on", "get docs 'a;b'"]);
/// ```
pub fn pieces(text: &str) -> impl Iterator<Item = Piece> + '_ {
    Pieces { text, at: 0 }
}

/// The same text with every comment turned into spaces, so that no place in it moves.
pub(super) fn without_comments(text: &str) -> String {
    let mut plain = text.as_bytes().to_vec();
    let mut scanner = Scanner::new(text, 0);
    while let Some(step) = scanner.step() {
        if let Step::Comment(span) = step {
            plain[span].fill(b' ');
        }
    }
    // Whole characters were replaced by spaces, so this is text.
    String::from_utf8(plain).unwrap_or_default()
}

struct Pieces<'a> {
    text: &'a str,
    at: usize,
}

impl Iterator for Pieces<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        let mut scanner = Scanner::new(self.text, self.at);
        let mut begin = None;
        // Past the last step that was more than space or a comment.
        let mut end = self.at;
        while let Some(step) = scanner.step() {
            match step {
                Step::Space | Step::Comment(_) => {}
                Step::Other(at, '.') if begin.is_none() => {
                    let length = self.text[at..].find('\n').unwrap_or(self.text.len() - at);
                    self.at = at + length;
                    let line = self.text[at..self.at].trim_end();
                    return Some(Piece::Command(at..at + line.len()));
                }
                Step::Other(_, ';') => match begin {
                    Some(begin) => {
                        self.at = scanner.at;
                        return Some(Piece::Statement(begin..end));
                    }
                    None => scanner.brackets.clear(),
                },
                Step::Other(at, _) => {
                    begin = begin.or(Some(at));
                    end = scanner.at;
                }
            }
        }
        self.at = self.text.len();
        let open = scanner.quote.or_else(|| scanner.brackets.last().copied());
        begin.map(|begin| Piece::Open { span: begin..end, open })
    }
}

enum Step {
    Space,
    Comment(Range<usize>),
    /// A character that means something, or a whole quoted text; where it begins, and how.
    Other(usize, char),
}

/// Walks over a text, a quoted text or a comment at a time.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// Closing brackets that are awaited.
    brackets: Vec<char>,
    /// The quote that the text ends in.
    quote: Option<char>,
    /// Whether a word could begin here.
    between_words: bool,
}

/// Deeper nesting is not told from this; it only serves to say what is open.
const MAX_BRACKETS: usize = 64;

impl<'a> Scanner<'a> {
    fn new(text: &'a str, at: usize) -> Scanner<'a> {
        Scanner { text, at, brackets: Vec::new(), quote: None, between_words: true }
    }

    fn step(&mut self) -> Option<Step> {
        let rest = &self.text[self.at..];
        let begin = self.at;
        let first = rest.chars().next()?;
        if self.between_words && rest.starts_with("--") {
            self.at += rest.find('\n').unwrap_or(rest.len());
            return Some(Step::Comment(begin..self.at));
        }
        self.between_words = first.is_whitespace() || "()[]{},;".contains(first);
        if first.is_whitespace() {
            self.at += first.len_utf8();
            return Some(Step::Space);
        }
        self.at += match first {
            '\'' | '"' | '`' => self.quoted(first),
            other => other.len_utf8(),
        };
        match first {
            '(' | '[' | '{' if self.brackets.len() < MAX_BRACKETS => self.brackets.push(first),
            ')' | ']' | '}' => drop(self.brackets.pop()),
            _ => {}
        }
        Some(Step::Other(begin, first))
    }

    /// The bytes of the quoted text that begins here. A doubled quote ends one and begins the next, which comes to the
    /// same.
    fn quoted(&mut self, quote: char) -> usize {
        let rest = &self.text[self.at..];
        let mut characters = rest.char_indices().skip(1);
        while let Some((place, character)) = characters.next() {
            if character == quote {
                return place + quote.len_utf8();
            }
            if character == '\\' && quote == '"' {
                characters.next();
            }
        }
        self.quote = Some(quote);
        rest.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<String> {
        let shown = |piece: Piece| match &piece {
            Piece::Statement(span) => text[span.clone()].to_owned(),
            Piece::Command(span) => format!("!{}", &text[span.clone()]),
            Piece::Open { span, open } => format!("?{}{}", open.map_or("".into(), String::from), &text[span.clone()]),
        };
        pieces(text).map(shown).collect()
    }

    #[test]
    fn semicolons_and_lines_end_what_they_should() {
        assert_eq!(cut("a;b ; c"), ["a", "b", "?c"]);
        assert_eq!(cut(" ;; \n; "), [""; 0]);
        assert_eq!(cut(".mode json; x\r\na; .b\n c"), ["!.mode json; x", "a", "!.b", "?c"]);
        assert_eq!(cut("a .5;"), ["a .5"]);
    }

    #[test]
    fn quotes_and_comments_hide_semicolons() {
        assert_eq!(cut("a 'b;''c;' d;"), ["a 'b;''c;' d"]);
        assert_eq!(cut(r#"a "b\";" c; `d;`;"#), [r#"a "b\";" c"#, "`d;`"]);
        assert_eq!(cut("a -- b;\n c; d--e;"), ["a -- b;\n c", "d--e"]);
        assert_eq!(cut("-- only this"), [""; 0]);
        assert_eq!(without_comments("a -- é;\nb '--c'"), "a       \nb '--c'");
    }

    #[test]
    fn what_is_open_is_told() {
        assert_eq!(cut("a 'b"), ["?'a 'b"]);
        assert_eq!(cut("a [1, {"), ["?{a [1, {"]);
        assert_eq!(cut("a [1]"), ["?a [1]"]);
        assert_eq!(cut(r#"a "b\""#), [r#"?"a "b\""#]);
    }
}
