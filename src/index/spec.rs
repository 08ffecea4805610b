//! Which index a collection wants, as a type and as text such as `hnsw(m=16)`.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::error::{Error, Result};

/// From so many rows on [`IndexSpec::Auto`] is a graph.
const AUTO_ROWS: u32 = 10_000;

const M: RangeInclusive<u16> = 4..=64;
const EF_CONSTRUCTION: RangeInclusive<u16> = 16..=1024;
const TABLES: RangeInclusive<u16> = 0..=512;
const RECALL_PERCENT: RangeInclusive<u8> = 50..=99;

/// How the nearest vectors of a collection are found.
///
/// As text it is a kind and, in parentheses, what the kind is told beside its defaults: `flat`, `hnsw`,
/// `hnsw(m=24, layout=compact)`, `lsh(recall=0.9)`, `auto`. It changes the speed and, for the kinds that are not exact,
/// which neighbours are found, never what is stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum IndexSpec {
    /// Every vector is compared: always exact, no time to build and no memory of its own; a query costs as much as
    /// there are vectors.
    #[default]
    Flat,
    /// A graph of near neighbours: the fastest to search, and the one that takes longest to build.
    Hnsw(HnswSpec),
    /// Tables of hashes that near vectors share: quick to build.
    Lsh(LshSpec),
    /// Decided for each segment: flat below 10,000 rows, from there on `hnsw` with its defaults.
    Auto,
}

/// What a graph is built with.
///
/// ```
/// use driftline::{HnswSpec, IndexSpec};
///
/// let spec = IndexSpec::Hnsw(HnswSpec::default().m(24));
/// assert_eq!(spec.to_string(), "hnsw(m=24)");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct HnswSpec {
    /// Links of a row, 4 to 64, default 16; twice as many where all rows are linked. More find better and take more
    /// memory and time to build.
    pub m: u16,
    /// How many rows are looked at to link one, 16 to 1024, default 128. More give a better graph in more time.
    pub ef_construction: u16,
    /// How the graph lies in its file. Default [`Layout::Auto`].
    pub layout: Layout,
    /// Where its randomness begins, default 0. One seed and one set of rows give one graph.
    pub seed: u64,
}

/// How a graph lies in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Layout {
    /// Fused where that is possible, the graph fits the memory that building may take, and vectors have 96 numbers or
    /// more. With 16 to 95 both are tried, on rows held back for it, and the one that is expected to cost less is kept.
    /// Compact otherwise.
    #[default]
    Auto,
    /// Links alone; distances come from the codes beside the vectors. The least memory.
    Compact,
    /// With each row's links codes of its neighbours: the fewest places of memory to read for a step. For
    /// numbers under L2, cosine and dot with `m` = 16; other graphs are compact whatever is asked for.
    Fused,
}

/// What tables of hashes are built with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct LshSpec {
    /// How many tables, up to 512; default 0, which lets the rows decide.
    pub tables: u16,
    /// The recall they are tuned for in percent, 50 to 99, default 95. In text it is a share: `recall=0.95`.
    pub recall_percent: u8,
    /// Where their randomness begins, default 0. One seed and one set of rows give the same tables.
    pub seed: u64,
}

impl Default for HnswSpec {
    fn default() -> HnswSpec {
        HnswSpec { m: 16, ef_construction: 128, layout: Layout::Auto, seed: 0 }
    }
}

impl HnswSpec {
    /// Links of a row of the layer that has all rows.
    pub(super) fn degree(&self) -> usize {
        2 * usize::from(self.m)
    }

    /// Links of a row: [`HnswSpec::m`].
    #[must_use]
    pub fn m(self, m: u16) -> HnswSpec {
        HnswSpec { m, ..self }
    }

    /// How many rows are looked at to link one: [`HnswSpec::ef_construction`].
    #[must_use]
    pub fn ef_construction(self, ef_construction: u16) -> HnswSpec {
        HnswSpec { ef_construction, ..self }
    }

    /// How the graph lies in its file.
    #[must_use]
    pub fn layout(self, layout: Layout) -> HnswSpec {
        HnswSpec { layout, ..self }
    }

    /// Where its randomness begins.
    #[must_use]
    pub fn seed(self, seed: u64) -> HnswSpec {
        HnswSpec { seed, ..self }
    }
}

impl Default for LshSpec {
    fn default() -> LshSpec {
        LshSpec { tables: 0, recall_percent: 95, seed: 0 }
    }
}

impl LshSpec {
    /// How many tables: [`LshSpec::tables`].
    #[must_use]
    pub fn tables(self, tables: u16) -> LshSpec {
        LshSpec { tables, ..self }
    }

    /// The recall they are tuned for, in percent.
    #[must_use]
    pub fn recall_percent(self, recall_percent: u8) -> LshSpec {
        LshSpec { recall_percent, ..self }
    }

    /// Where their randomness begins.
    #[must_use]
    pub fn seed(self, seed: u64) -> LshSpec {
        LshSpec { seed, ..self }
    }
}

impl Layout {
    const ALL: [Layout; 3] = [Layout::Auto, Layout::Compact, Layout::Fused];

    fn name(self) -> &'static str {
        match self {
            Layout::Auto => "auto",
            Layout::Compact => "compact",
            Layout::Fused => "fused",
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

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

    /// Refuses what is outside its range.
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            IndexSpec::Flat | IndexSpec::Auto => Ok(()),
            IndexSpec::Hnsw(spec) => {
                within("hnsw", "m", spec.m, M)?;
                within("hnsw", "ef_construction", spec.ef_construction, EF_CONSTRUCTION)
            }
            IndexSpec::Lsh(spec) => {
                within("lsh", "tables", spec.tables, TABLES)?;
                within("lsh", "recall in percent", spec.recall_percent, RECALL_PERCENT)
            }
        }
    }

    /// What this asks for in a segment of `rows` rows: never [`IndexSpec::Auto`].
    pub(crate) fn for_rows(&self, rows: u32) -> IndexSpec {
        match self {
            IndexSpec::Auto if rows < AUTO_ROWS => IndexSpec::Flat,
            IndexSpec::Auto => IndexSpec::Hnsw(HnswSpec::default()),
            spec => spec.clone(),
        }
    }
}

fn within<T: PartialOrd + fmt::Display>(kind: &str, name: &str, value: T, range: RangeInclusive<T>) -> Result<()> {
    if range.contains(&value) {
        return Ok(());
    }
    let (least, most) = range.into_inner();
    Err(Error::invalid(format!("{name} of the index {kind} is {value}; it must be {least} to {most}")))
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
        for spec in [
            IndexSpec::Hnsw(HnswSpec::default().m(3)),
            IndexSpec::Hnsw(HnswSpec::default().ef_construction(1025)),
            IndexSpec::Lsh(LshSpec::default().tables(513)),
            IndexSpec::Lsh(LshSpec::default().recall_percent(100)),
        ] {
            assert!(spec.check().is_err(), "{spec}");
        }
    }

    #[test]
    fn a_segment_gets_what_its_rows_are_worth() {
        let graph = IndexSpec::Hnsw(HnswSpec::default().m(8));
        assert_eq!(graph.for_rows(1), graph);
        assert_eq!(IndexSpec::Auto.for_rows(AUTO_ROWS - 1), IndexSpec::Flat);
        assert_eq!(IndexSpec::Auto.for_rows(AUTO_ROWS), IndexSpec::Hnsw(HnswSpec::default()));
        assert_eq!(IndexSpec::Flat.for_rows(u32::MAX), IndexSpec::Flat);
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
