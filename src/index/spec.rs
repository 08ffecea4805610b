//! Which index a collection wants, as a type and as text such as `hnsw(m=16)`.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::error::{Error, Result};

/// How the nearest vectors of a collection are found.
///
/// As text it is a kind and, in parentheses, what the kind can be told: `flat`. It changes the speed and, for the kinds
/// that are not exact, which neighbours are found, never what is stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum IndexSpec {
    /// Every vector is compared: always exact, no time to build and no memory of its own; a query costs as much as
    /// there are vectors.
    #[default]
    Flat,
}

/// The kinds that will come, so that asking for one is answered with more than "unknown".
const PLANNED: [&str; 3] = ["hnsw", "lsh", "auto"];

impl IndexSpec {
    /// Reads the text form, in either case, with spaces where they help.
    pub fn parse(text: &str) -> Result<IndexSpec> {
        let parsed = Parser::new(text).spec().map_err(|problem| problem.in_text(text))?;
        match parsed.kind.as_str() {
            "flat" => match parsed.parameters.first() {
                None => Ok(IndexSpec::Flat),
                Some((name, _)) => {
                    Err(Error::invalid(format!("the index flat has no parameter {name}")).mend("write flat alone"))
                }
            },
            kind if PLANNED.contains(&kind) => {
                Err(Error::invalid(format!("the index {kind} is not available in this version, which has only flat"))
                    .mend("use flat, which is exact"))
            }
            kind => Err(Error::invalid(format!("there is no index {kind:?}"))
                .mend(format!("use flat; {} will come in later versions", PLANNED.join(", ")))),
        }
    }
}

impl FromStr for IndexSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<IndexSpec> {
        IndexSpec::parse(text)
    }
}

/// The text form, as `parse` reads it.
impl fmt::Display for IndexSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IndexSpec::Flat => f.pad("flat"),
        }
    }
}

/// As its text form.
impl Serialize for IndexSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A kind and its parameters, in lower case, not yet understood.
#[derive(Debug, PartialEq)]
struct Parsed {
    kind: String,
    parameters: Vec<(String, String)>,
}

/// What is wrong, and before which character, counted from 1.
struct Problem {
    what: String,
    position: usize,
}

impl Problem {
    fn in_text(self, text: &str) -> Error {
        let Problem { what, position } = self;
        Error::invalid(format!("cannot read the index {text:?}: {what} at character {position}"))
            .mend("write a kind and, where it has any, its parameters: flat, or hnsw(m=16, ef_construction=128)")
    }
}

/// Reads `kind` or `kind(name=value, name=value)`.
struct Parser {
    characters: Vec<char>,
    next: usize,
}

impl Parser {
    fn new(text: &str) -> Parser {
        Parser { characters: text.chars().map(|c| c.to_ascii_lowercase()).collect(), next: 0 }
    }

    fn spec(mut self) -> Result<Parsed, Problem> {
        let kind = self.word("a kind", |c| c.is_alphanumeric() || c == '_' || c == '-')?;
        let parameters = if self.accept('(') { self.parameters()? } else { Vec::new() };
        match self.peek() {
            None => Ok(Parsed { kind, parameters }),
            Some(character) => Err(self.problem(format!("unexpected {character:?}"))),
        }
    }

    /// What stands between the parentheses, the closing one included.
    fn parameters(&mut self) -> Result<Vec<(String, String)>, Problem> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        if self.accept(')') {
            return Ok(parameters);
        }
        loop {
            let name = self.word("the name of a parameter", |c| c.is_alphanumeric() || c == '_')?;
            if parameters.iter().any(|(earlier, _)| *earlier == name) {
                return Err(self.problem(format!("{name} is given twice")));
            }
            if !self.accept('=') {
                return Err(self.problem(format!("'=' and a value for {name} expected")));
            }
            let value = self.word(&format!("a value for {name}"), |c| c.is_alphanumeric() || "_.+-".contains(c))?;
            parameters.push((name, value));
            if self.accept(')') {
                return Ok(parameters);
            }
            if !self.accept(',') {
                return Err(self.problem("',' or ')' expected".into()));
            }
        }
    }

    fn word(&mut self, what: &str, belongs: impl Fn(char) -> bool) -> Result<String, Problem> {
        self.skip_spaces();
        let word: String = self.characters[self.next..].iter().take_while(|c| belongs(**c)).collect();
        if word.is_empty() {
            return Err(self.problem(format!("{what} expected")));
        }
        self.next += word.chars().count();
        Ok(word)
    }

    fn accept(&mut self, character: char) -> bool {
        let found = self.peek() == Some(character);
        self.next += usize::from(found);
        found
    }

    fn peek(&mut self) -> Option<char> {
        self.skip_spaces();
        self.characters.get(self.next).copied()
    }

    fn skip_spaces(&mut self) {
        while self.characters.get(self.next).is_some_and(|c| c.is_whitespace()) {
            self.next += 1;
        }
    }

    fn problem(&self, what: String) -> Problem {
        Problem { what, position: self.next + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refusal(text: &str) -> String {
        IndexSpec::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn flat_is_read_and_written() {
        for text in ["flat", " FLAT ", "flat()", "Flat ( )"] {
            assert_eq!(text.parse::<IndexSpec>().unwrap(), IndexSpec::Flat, "{text}");
        }
        assert_eq!(IndexSpec::default().to_string().parse::<IndexSpec>().unwrap(), IndexSpec::Flat);
    }

    #[test]
    fn kinds_to_come_and_kinds_that_are_none_are_told_apart() {
        for text in ["hnsw", "hnsw(m=16)", "HNSW( m = 16, ef_construction=128 )", "lsh(tables=8, target=0.9)", "auto"] {
            assert!(refusal(text).contains("not available in this version"), "{}", refusal(text));
        }
        let error = refusal("hsnw(m=16)");
        assert!(error.contains("no index \"hsnw\"") && error.contains("hnsw, lsh, auto"), "{error}");
        let error = refusal("flat(m=16)");
        assert!(error.contains("flat has no parameter m"), "{error}");
    }

    #[test]
    fn malformed_text_names_the_place() {
        let cases = [
            ("", "a kind expected at character 1"),
            ("  ", "a kind expected at character 3"),
            ("(m=1)", "a kind expected at character 1"),
            ("hnsw(", "the name of a parameter expected at character 6"),
            ("hnsw(m", "'=' and a value for m expected at character 7"),
            ("hnsw(m 16)", "'=' and a value for m expected at character 8"),
            ("hnsw(m=)", "a value for m expected at character 8"),
            ("hnsw(m=16", "',' or ')' expected at character 10"),
            ("hnsw(m=16;k=2)", "',' or ')' expected at character 10"),
            ("hnsw(m=16,)", "the name of a parameter expected at character 11"),
            ("hnsw(m=16, m=17)", "m is given twice at character 13"),
            ("flat)", "unexpected ')' at character 5"),
            ("flat flat", "unexpected 'f' at character 6"),
            ("flat()x", "unexpected 'x' at character 7"),
        ];
        for (text, expected) in cases {
            assert!(refusal(text).contains(expected), "{}", refusal(text));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a-z(),= é]{0,20}") {
            let _ = IndexSpec::parse(&text);
        }
    }
}
