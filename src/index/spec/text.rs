//! An index as text: a kind and, in parentheses, what differs from its defaults.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::{EF_CONSTRUCTION, HnswSpec, IndexSpec, Layout, LshSpec, M, RECALL_PERCENT, TABLES};
use crate::error::{Error, Result};

impl IndexSpec {
    /// Reads the text form, in either case, with spaces where they help. Fails with `Invalid`.
    pub fn parse(text: &str) -> Result<IndexSpec> {
        let parsed = Parser::new(text).spec().map_err(|problem| problem.in_text(text))?;
        let spec = match parsed.kind.as_str() {
            "flat" => parsed.only(&[]).map(|()| IndexSpec::Flat),
            "auto" => parsed.only(&[]).map(|()| IndexSpec::Auto),
            "hnsw" => parsed.hnsw().map(IndexSpec::Hnsw),
            "lsh" => parsed.lsh().map(IndexSpec::Lsh),
            kind => Err(Error::invalid(format!("there is no index {kind:?}")).mend("use flat, hnsw, lsh or auto")),
        }?;
        spec.check().map(|()| spec)
    }
}

impl FromStr for IndexSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<IndexSpec> {
        IndexSpec::parse(text)
    }
}

/// The text form, as `parse` reads it: the kind, and what differs from its defaults.
impl fmt::Display for IndexSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told: Vec<String> = Vec::new();
        let mut tell = |name: &str, value: &dyn fmt::Display, differs: bool| {
            told.extend(differs.then(|| format!("{name}={value}")));
        };
        let kind = match self {
            IndexSpec::Flat => "flat",
            IndexSpec::Auto => "auto",
            IndexSpec::Hnsw(spec) => {
                let default = HnswSpec::default();
                tell("m", &spec.m, spec.m != default.m);
                tell("ef_construction", &spec.ef_construction, spec.ef_construction != default.ef_construction);
                tell("layout", &spec.layout, spec.layout != default.layout);
                tell("seed", &spec.seed, spec.seed != default.seed);
                "hnsw"
            }
            IndexSpec::Lsh(spec) => {
                let default = LshSpec::default();
                let share = format!("0.{:02}", spec.recall_percent);
                tell("tables", &spec.tables, spec.tables != default.tables);
                tell("recall", &share, spec.recall_percent != default.recall_percent);
                tell("seed", &spec.seed, spec.seed != default.seed);
                "lsh"
            }
        };
        match told.is_empty() {
            true => f.pad(kind),
            false => f.pad(&format!("{kind}({})", told.join(", "))),
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

impl Parsed {
    fn hnsw(&self) -> Result<HnswSpec> {
        self.only(&["m", "ef_construction", "layout", "seed"])?;
        let default = HnswSpec::default();
        let layout = match self.value("layout") {
            None => default.layout,
            Some(name) => Layout::ALL.into_iter().find(|layout| layout.name() == name).ok_or_else(|| {
                Error::invalid(format!("there is no layout {name:?}")).mend("use auto, compact or fused")
            })?,
        };
        Ok(HnswSpec {
            m: self.number("m", default.m, M)?,
            ef_construction: self.number("ef_construction", default.ef_construction, EF_CONSTRUCTION)?,
            layout,
            seed: self.number("seed", default.seed, 0..=u64::MAX)?,
        })
    }

    fn lsh(&self) -> Result<LshSpec> {
        self.only(&["tables", "recall", "seed"])?;
        let default = LshSpec::default();
        Ok(LshSpec {
            tables: self.number("tables", default.tables, TABLES)?,
            recall_percent: self.value("recall").map_or(Ok(default.recall_percent), percent)?,
            seed: self.number("seed", default.seed, 0..=u64::MAX)?,
        })
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    fn number<T>(&self, name: &str, default: T, range: RangeInclusive<T>) -> Result<T>
    where
        T: FromStr + PartialOrd + fmt::Display,
    {
        let Some(value) = self.value(name) else { return Ok(default) };
        value.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
            let (least, most) = range.into_inner();
            Error::invalid(format!("{name} of the index {} is {value}; it must be {least} to {most}", self.kind))
        })
    }

    /// Refuses parameters that are not among `known`.
    fn only(&self, known: &[&str]) -> Result<()> {
        let unknown = self.parameters.iter().find(|(name, _)| !known.contains(&&**name));
        let Some((name, _)) = unknown else { return Ok(()) };
        let mend = match known {
            [] => format!("write {} alone", self.kind),
            _ => format!("it has {}", known.join(", ")),
        };
        Err(Error::invalid(format!("the index {} has no parameter {name}", self.kind)).mend(mend))
    }
}

/// A share such as 0.95 as whole percents.
fn percent(text: &str) -> Result<u8> {
    let percents = text.parse::<f64>().unwrap_or(f64::NAN) * 100.0;
    let whole = percents.round();
    let fits = (percents - whole).abs() < 1e-6 && RECALL_PERCENT.contains(&(whole as u8));
    if fits {
        return Ok(whole as u8);
    }
    Err(Error::invalid(format!("recall of the index lsh is {text}; it must be 0.50 to 0.99 in whole percents")))
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
    fn every_kind_is_read_and_written() {
        let hnsw = HnswSpec::default();
        let lsh = LshSpec::default();
        for (text, spec, written) in [
            ("flat", IndexSpec::Flat, "flat"),
            (" FLAT ", IndexSpec::Flat, "flat"),
            ("Flat ( )", IndexSpec::Flat, "flat"),
            ("auto", IndexSpec::Auto, "auto"),
            ("hnsw", IndexSpec::Hnsw(hnsw), "hnsw"),
            ("HNSW( m = 16, ef_construction=128 )", IndexSpec::Hnsw(hnsw), "hnsw"),
            ("hnsw(layout=fused, m=4)", IndexSpec::Hnsw(hnsw.m(4).layout(Layout::Fused)), "hnsw(m=4, layout=fused)"),
            (
                "hnsw(seed=18446744073709551615,ef_construction=1024)",
                IndexSpec::Hnsw(hnsw.ef_construction(1024).seed(u64::MAX)),
                "hnsw(ef_construction=1024, seed=18446744073709551615)",
            ),
            ("lsh()", IndexSpec::Lsh(lsh), "lsh"),
            (
                "lsh(tables=8, recall=0.5, seed=7)",
                IndexSpec::Lsh(lsh.tables(8).recall_percent(50).seed(7)),
                "lsh(tables=8, recall=0.50, seed=7)",
            ),
            ("lsh(recall=.95)", IndexSpec::Lsh(lsh), "lsh"),
            ("lsh(recall=0.99)", IndexSpec::Lsh(lsh.recall_percent(99)), "lsh(recall=0.99)"),
        ] {
            assert_eq!(text.parse::<IndexSpec>().unwrap(), spec, "{text}");
            assert_eq!(spec.to_string(), written);
            assert_eq!(written.parse::<IndexSpec>().unwrap(), spec, "{written}");
        }
        assert_eq!(IndexSpec::default(), IndexSpec::Flat);
    }

    #[test]
    fn values_out_of_range_and_names_of_nothing_are_refused() {
        for (text, said) in [
            ("hsnw(m=16)", "no index \"hsnw\""),
            ("flat(m=16)", "flat has no parameter m"),
            ("lsh(target=0.9)", "lsh has no parameter target"),
            ("hnsw(m=3)", "m of the index hnsw is 3; it must be 4 to 64"),
            ("hnsw(m=65)", "is 65; it must be 4 to 64"),
            ("hnsw(m=-4)", "is -4; it must be 4 to 64"),
            ("hnsw(ef_construction=15)", "it must be 16 to 1024"),
            ("hnsw(ef_construction=1e2)", "is 1e2; it must be 16 to 1024"),
            ("hnsw(layout=dense)", "no layout \"dense\""),
            ("hnsw(seed=18446744073709551616)", "seed of the index hnsw"),
            ("lsh(tables=513)", "it must be 0 to 512"),
            ("lsh(recall=1)", "must be 0.50 to 0.99"),
            ("lsh(recall=0.49)", "must be 0.50 to 0.99"),
            ("lsh(recall=0.955)", "whole percents"),
            ("lsh(recall=3.51)", "must be 0.50 to 0.99"),
            ("lsh(recall=nan)", "must be 0.50 to 0.99"),
        ] {
            assert!(refusal(text).contains(said), "{}", refusal(text));
        }
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
