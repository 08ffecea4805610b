//! Words of the filter language, each with the bytes it stands at.

use std::ops::Range;

use super::refuse;
use crate::error::{Error, Result};

/// One word, number, text or sign.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    /// The bytes of the text it stands at, quotes included.
    pub(crate) span: Range<usize>,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TokenKind {
    /// A name or a keyword: a letter or `_`, then letters, digits and `_`.
    Ident(String),
    /// A name in back quotes; a doubled back quote stands for one.
    Quoted(String),
    /// A text in single quotes, where a doubled one stands for one, or in double quotes as JSON writes it.
    Str(String),
    /// Bytes: `x'0aff'`.
    Bytes(Vec<u8>),
    Int(i64),
    /// Above [`i64::MAX`].
    UInt(u64),
    Float(f64),
    /// `$name`
    Param(String),
    /// `@`
    At,
    /// One of [`SYMBOLS`].
    Symbol(&'static str),
}

/// Every sign, longer ones before those they begin with.
const SYMBOLS: [&str; 20] =
    ["<=", ">=", "<>", "!=", "=", "<", ">", "(", ")", "[", "]", "{", "}", ",", ".", ":", ";", "+", "-", "*"];

/// Signs of other languages, and what to write here.
const STRANGERS: [(&str, &str); 8] = [
    ("==", "write = to compare"),
    ("=>", "write >="),
    ("=<", "write <="),
    ("&&", "write AND"),
    ("||", "write OR"),
    ("!", "write NOT, or != for unequal"),
    ("~", "write LIKE, with % for any text and _ for one character"),
    ("?", "name the parameter, such as $lang"),
];

/// Cuts one token after the other off a text; what stands behind `--` on a line is a remark.
#[derive(Debug, Clone)]
pub(crate) struct Lexer<'a> {
    text: &'a str,
    place: usize,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Lexer<'a> {
        Lexer { text, place: 0 }
    }

    /// The next token; `None` at the end.
    pub(crate) fn next_token(&mut self) -> Result<Option<Token>> {
        self.skip_blanks();
        let start = self.place;
        let Some(first) = self.rest().chars().next() else { return Ok(None) };
        let kind = match first {
            '\'' => TokenKind::Str(self.quoted(first)?),
            '"' => TokenKind::Str(self.json_text()?),
            '`' => TokenKind::Quoted(self.quoted(first)?),
            'x' | 'X' if self.rest()[1..].starts_with('\'') => self.bytes()?,
            '@' => {
                self.place += 1;
                TokenKind::At
            }
            '$' => self.param()?,
            '0'..='9' => self.number()?,
            '-' if self.rest()[1..].starts_with(|next: char| next.is_ascii_digit()) => self.number()?,
            _ if is_name_start(first) => TokenKind::Ident(self.take_while(is_name_part).to_owned()),
            _ => self.symbol(first)?,
        };
        Ok(Some(Token { kind, span: start..self.place }))
    }

    fn rest(&self) -> &'a str {
        &self.text[self.place..]
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let taken = &rest[..rest.find(|next| !accept(next)).unwrap_or(rest.len())];
        self.place += taken.len();
        taken
    }

    fn skip_blanks(&mut self) {
        loop {
            self.take_while(char::is_whitespace);
            if !self.rest().starts_with("--") {
                return;
            }
            self.take_while(|next| next != '\n');
        }
    }

    /// What stands between two of `quote`, a doubled one taken for one.
    fn quoted(&mut self, quote: char) -> Result<String> {
        let start = self.place;
        let mut content = String::new();
        loop {
            self.place += 1;
            content.push_str(self.take_while(|next| next != quote));
            if self.rest().is_empty() {
                return Err(self.endless(start, quote));
            }
            self.place += 1;
            if !self.rest().starts_with(quote) {
                return Ok(content);
            }
            content.push(quote);
        }
    }

    /// A text between double quotes. It ends where the scanner of statements ends it, which looks at the text first.
    fn json_text(&mut self) -> Result<String> {
        let start = self.place;
        let mut characters = self.rest().char_indices().skip(1);
        let end = loop {
            match characters.next() {
                Some((place, '"')) => break place + 1,
                Some((_, '\\')) => drop(characters.next()),
                Some(_) => {}
                None => {
                    self.place = self.text.len();
                    return Err(self.endless(start, '"'));
                }
            }
        };
        self.place += end;
        let span = start..self.place;
        if self.rest().starts_with('"') {
            return Err(refuse("between double quotes a quote is not doubled")
                .mend(r#"write \" as in JSON, or put the text into single quotes"#)
                .with_span(span));
        }
        serde_json::from_str(&self.text[span.clone()]).map_err(|_| {
            refuse("what stands between double quotes is no text of JSON")
                .mend(r"write \\ for a backslash, or put the text into single quotes, where it stands for itself")
                .with_span(span)
        })
    }

    fn endless(&self, start: usize, quote: char) -> Error {
        refuse(format!("the {} that begins here has no end", quoted_name(quote)))
            .mend(format!("add the missing {quote}"))
            .with_span(start..self.place)
    }

    fn bytes(&mut self) -> Result<TokenKind> {
        let start = self.place;
        self.place += 1;
        let digits = self.quoted('\'')?;
        let value = |digit: &u8| char::from(*digit).to_digit(16);
        let byte = |pair: &[u8; 2]| Some((value(&pair[0])? * 16 + value(&pair[1])?) as u8);
        let (pairs, odd) = digits.as_bytes().as_chunks::<2>();
        match pairs.iter().map(byte).collect::<Option<Vec<u8>>>() {
            Some(bytes) if odd.is_empty() => Ok(TokenKind::Bytes(bytes)),
            _ => Err(refuse("bytes are written as pairs of hexadecimal digits, such as x'0aff'")
                .with_span(start..self.place)),
        }
    }

    fn param(&mut self) -> Result<TokenKind> {
        let start = self.place;
        self.place += 1;
        match self.take_while(is_name_part) {
            "" => Err(refuse("a parameter needs a name").mend("such as $lang").with_span(start..self.place)),
            name => Ok(TokenKind::Param(name.to_owned())),
        }
    }

    fn number(&mut self) -> Result<TokenKind> {
        let start = self.place;
        self.place += usize::from(self.rest().starts_with('-'));
        let digit = |next: char| next.is_ascii_digit();
        self.take_while(digit);
        let after =
            |lexer: &Lexer<'_>, skip: usize| lexer.rest().get(skip..).is_some_and(|rest| rest.starts_with(digit));
        if self.rest().starts_with('.') && after(self, 1) {
            self.place += 1;
            self.take_while(digit);
        }
        if self.rest().starts_with(['e', 'E']) {
            let sign = usize::from(self.rest()[1..].starts_with(['+', '-']));
            if after(self, 1 + sign) {
                self.place += 1 + sign;
                self.take_while(digit);
            }
        }
        let written = &self.text[start..self.place];
        let tail = self.take_while(is_name_part);
        let span = start..self.place;
        if !tail.is_empty() {
            return Err(refuse(format!("{written}{tail} is no number"))
                .mend(format!("a text stands in quotes: '{written}{tail}'"))
                .with_span(span));
        }
        number(written).map_err(|error| error.with_span(span))
    }

    fn symbol(&mut self, first: char) -> Result<TokenKind> {
        let rest = self.rest();
        let span = |length: usize| self.place..self.place + length;
        let stranger = STRANGERS.iter().find(|(sign, _)| rest.starts_with(sign) && !rest.starts_with("!="));
        if let Some((sign, mend)) = stranger {
            return Err(refuse(format!("{sign} is no sign of this language")).mend(*mend).with_span(span(sign.len())));
        }
        if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            self.place += symbol.len();
            return Ok(TokenKind::Symbol(symbol));
        }
        let mend = match first {
            '\u{2018}' | '\u{2019}' | '\u{201C}' | '\u{201D}' => "use straight quotes: 'text'",
            _ => "put texts into single quotes and unusual names into back quotes",
        };
        Err(refuse(format!("{first:?} has no meaning here")).mend(mend).with_span(span(first.len_utf8())))
    }
}

/// The number that `written` (digits, perhaps a sign, a fraction and an exponent) stands for; with a fraction or an
/// exponent, the nearest `f64`.
fn number(written: &str) -> Result<TokenKind, Error> {
    if let Ok(number) = written.parse() {
        return Ok(TokenKind::Int(number));
    }
    if let Ok(number) = written.parse() {
        return Ok(TokenKind::UInt(number));
    }
    if !written.contains(['.', 'e', 'E']) {
        return Err(refuse(format!("{written} is beyond the whole numbers from -2^63 to 2^64 - 1"))
            .mend(format!("write {written}.0 for the nearest number of 64 bits with a point")));
    }
    match written.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(TokenKind::Float(number)),
        _ => Err(refuse(format!("{written} is beyond the range of numbers"))),
    }
}

/// What stands in these quotes.
fn quoted_name(quote: char) -> &'static str {
    if quote == '`' { "name" } else { "text" }
}

fn is_name_start(first: char) -> bool {
    first == '_' || first.is_alphabetic()
}

fn is_name_part(next: char) -> bool {
    next == '_' || next.is_alphanumeric()
}

/// Whether `name` is one without quotes.
pub(crate) fn is_name(name: &str) -> bool {
    name.starts_with(is_name_start) && name.chars().all(is_name_part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lex(text: &str) -> Result<Vec<Token>> {
        let mut lexer = Lexer::new(text);
        std::iter::from_fn(|| lexer.next_token().transpose()).collect()
    }

    fn kinds(text: &str) -> Vec<TokenKind> {
        lex(text).unwrap().into_iter().map(|token| token.kind).collect()
    }

    #[test]
    fn every_kind_of_token_is_read() {
        use TokenKind::*;
        let name = |name: &str| Ident(name.into());
        assert_eq!(kinds("lang != 'it''s' -- remark\n x"), [name("lang"), Symbol("!="), Str("it's".into()), name("x")]);
        assert_eq!(
            kinds(r#""a\"b\\ ü\u00fc" `a ``b` $p1 @key"#),
            [Str("a\"b\\ üü".into()), Quoted("a `b".into()), Param("p1".into()), At, name("key")]
        );
        assert_eq!(
            kinds("-7 18446744073709551615 -0.5 1e3 2.5E-1 x'0aFF' größe"),
            [Int(-7), UInt(u64::MAX), Float(-0.5), Float(1000.0), Float(0.25), Bytes(vec![10, 255]), name("größe")]
        );
        assert_eq!(kinds("a.b[1]<=now()-'7d'").len(), 12);
    }

    #[test]
    fn mistakes_say_where_and_what_to_write() {
        for (text, span, named) in [
            ("a = 'open", 4..9, "missing '"),
            ("a == 1", 2..4, "write ="),
            ("a && b", 2..4, "AND"),
            ("a || b", 2..4, "OR"),
            ("!a", 0..1, "NOT"),
            ("a => 1", 2..4, ">="),
            ("a = 12abc", 4..9, "'12abc'"),
            ("a = 1e999", 4..9, "range"),
            ("a = 18446744073709551616", 4..24, "2^64"),
            ("a = -9223372036854775809", 4..24, "2^63"),
            (r#"a = "b""c""#, 4..7, "not doubled"),
            (r#"a = "5\%""#, 4..9, "single quotes"),
            (r#"a = "b\""#, 4..8, "missing \""),
            ("a = $", 4..5, "$lang"),
            ("a = “x”", 4..7, "straight"),
            ("a = x'0'", 4..8, "pairs"),
            ("a # b", 2..3, "no meaning"),
        ] {
            let error = lex(text).unwrap_err();
            assert_eq!(error.span(), Some(span), "{text}: {error}");
            assert!(error.to_string().contains(named), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_cut_at_characters(text in ".{0,40}") {
            match lex(&text) {
                Ok(tokens) => for token in tokens {
                    prop_assert!(text.get(token.span).is_some_and(|written| !written.is_empty()));
                },
                Err(error) => prop_assert!(text.get(error.span().unwrap()).is_some()),
            }
        }
    }
}
