//! What happens while a statement is typed: completion, hints, colours, and whether a line is complete.

use std::borrow::Cow;
use std::collections::BTreeSet;

use driftline::statement::{Piece, VERBS, Verb, pieces};
use driftline::{Database, Value};
use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hint, Hinter};
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper};

use super::script::Word;
use super::table::COMMANDS;
use crate::render::Format;
use crate::screen;
use crate::style::Style;

/// Records looked at for the names of fields.
const SAMPLE: u64 = 50;
/// Words that filters are made of.
const FILTER_WORDS: &[&str] =
    &["and", "between", "contains", "false", "in", "is", "like", "missing", "not", "now()", "null", "or", "true"];

/// The most columns that the prompt takes.
const PROMPT: usize = 20;
/// Words after which the name of a field stands.
const BEFORE_FIELDS: &[&str] = &["and", "not", "or", "select", "set", "where"];

pub(crate) struct ShellHelper {
    style: Style,
    files: FilenameCompleter,
    db: Option<Database>,
}

impl ShellHelper {
    pub(crate) fn new(style: Style) -> ShellHelper {
        ShellHelper { style, files: FilenameCompleter::new(), db: None }
    }

    /// Completes from this store from now on.
    pub(crate) fn look(&mut self, db: Option<Database>) {
        self.db = db;
    }

    fn collections(&self) -> Vec<String> {
        let collections = self.db.as_ref().and_then(|db| db.collections().ok()).unwrap_or_default();
        collections.into_iter().map(|info| info.name).collect()
    }

    /// The names of the fields that the first records of a collection have.
    fn fields(&self, collection: &str) -> BTreeSet<String> {
        let mut fields = BTreeSet::new();
        let collection = self.db.as_ref().and_then(|db| db.collection(collection).ok());
        for record in collection.into_iter().flat_map(|it| it.scan().limit(SAMPLE)).flatten() {
            gather(&record.payload, "", &mut fields);
        }
        fields
    }

    /// What could stand where a word of the statement `typed` is begun.
    fn candidates(&self, typed: &str) -> Vec<String> {
        let words = words(typed);
        let complete = words.len() - usize::from(is_in_word(typed));
        let Some(verb) = words.first().filter(|_| complete > 0) else {
            let others = ["exit", "help", "it"].iter().copied();
            return VERBS.iter().map(|verb| verb.name).chain(others).map(str::to_owned).collect();
        };
        if verb.eq_ignore_ascii_case("help") {
            return VERBS.iter().map(|verb| verb.name.to_owned()).collect();
        }
        let Some(verb) = Verb::named(verb) else { return Vec::new() };
        let head: Vec<&str> = verb.head.split_whitespace().collect();
        match head.get(complete).copied().unwrap_or_default().trim_matches(['[', ']']) {
            "COLLECTION" => return self.collections(),
            wanted if !wanted.is_empty() && wanted.chars().all(|c| c.is_ascii_lowercase()) => {
                return vec![wanted.into()];
            }
            _ => {}
        }
        let place = head.iter().position(|word| word.contains("COLLECTION"));
        let collection = place.and_then(|place| words.get(place)).copied().unwrap_or_default();
        let before = words[..complete].last().copied().unwrap_or_default().to_ascii_lowercase();
        if BEFORE_FIELDS.contains(&before.as_str()) {
            return self.fields(collection).into_iter().chain(["@key".into(), "@time".into(), "not".into()]).collect();
        }
        let unused = verb.clauses.iter().map(|clause| clause.keyword).filter(|it| !words.contains(it));
        let mut found: Vec<String> = unused.map(str::to_owned).collect();
        if words.iter().any(|word| ["where", "select", "set"].contains(&word.to_ascii_lowercase().as_str())) {
            found.extend(FILTER_WORDS.iter().map(|word| (*word).to_owned()));
            found.extend(["@key".into(), "@time".into()]);
            found.extend(self.fields(collection));
        }
        found
    }
}

/// Fields of a payload, with dots into its objects.
fn gather(payload: &Value, within: &str, fields: &mut BTreeSet<String>) {
    for (name, value) in payload.as_object().into_iter().flatten() {
        let path = format!("{within}{name}");
        if within.matches('.').count() < 2 {
            gather(value, &format!("{path}."), fields);
        }
        fields.insert(path);
    }
}

impl Helper for ShellHelper {}

impl Completer for ShellHelper {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let typed = current(&line[..pos]);
        if typed.starts_with('.') {
            return self.complete_command(line, pos, typed);
        }
        if let Some(Piece::Open { open: Some('\''), .. }) = pieces(&line[..pos]).last() {
            return self.files.complete(line, pos, &Context::new(&rustyline::history::MemHistory::new()));
        }
        let begin = pos - partial(typed).len();
        Ok((begin, matching(self.candidates(typed), &line[begin..pos], " ")))
    }
}

impl ShellHelper {
    fn complete_command(&self, line: &str, pos: usize, typed: &str) -> rustyline::Result<(usize, Vec<Pair>)> {
        let begin = pos - partial(typed).len();
        let Some((name, _)) = typed.split_once(char::is_whitespace) else {
            let names = COMMANDS.iter().map(|command| command.name.to_owned()).collect();
            return Ok((begin, matching(names, &line[begin..pos], " ")));
        };
        let choices: Vec<String> = match name {
            ".open" | ".read" | ".output" => {
                return self.files.complete(line, pos, &Context::new(&rustyline::history::MemHistory::new()));
            }
            ".mode" => {
                use clap::ValueEnum;
                let names = Format::value_variants().iter().filter_map(ValueEnum::to_possible_value);
                names.map(|value| value.get_name().to_owned()).collect()
            }
            ".help" => VERBS.iter().map(|verb| verb.name.to_owned()).collect(),
            ".schema" => self.collections(),
            ".param" => vec!["set".into(), "unset".into()],
            ".bail" | ".explain" | ".progress" | ".timer" => vec!["off".into(), "on".into()],
            _ => Vec::new(),
        };
        Ok((begin, matching(choices, &line[begin..pos], "")))
    }
}

fn matching(candidates: Vec<String>, begun: &str, end: &str) -> Vec<Pair> {
    let begins = |it: &String| {
        it.len() >= begun.len() && it.is_char_boundary(begun.len()) && it[..begun.len()].eq_ignore_ascii_case(begun)
    };
    let mut found: Vec<_> = candidates.into_iter().filter(begins).collect();
    found.sort();
    found.dedup();
    found.into_iter().map(|it| Pair { replacement: format!("{it}{end}"), display: it }).collect()
}

/// A hint that is shown and not taken over.
pub(crate) struct Shown(String);

impl Hint for Shown {
    fn display(&self) -> &str {
        &self.0
    }

    fn completion(&self) -> Option<&str> {
        None
    }
}

impl Hinter for ShellHelper {
    type Hint = Shown;

    /// What may follow, in its order, as far as there is room for it.
    fn hint(&self, line: &str, pos: usize, _: &Context<'_>) -> Option<Shown> {
        if pos < line.len() || !line.ends_with(' ') {
            return None;
        }
        let typed = current(line);
        let words = words(typed);
        let verb = Verb::named(words.first()?)?;
        let head: Vec<&str> = verb.head.split_whitespace().collect();
        let last = words.last().and_then(|word| verb.clauses.iter().find(|it| it.keyword.eq_ignore_ascii_case(word)));
        let wanted = last.filter(|_| words.len() > head.len()).map(|clause| clause.argument.to_owned());
        let used = |keyword: &str| words.iter().any(|word| word.eq_ignore_ascii_case(keyword));
        let clauses = verb.clauses.iter().filter(|clause| !used(clause.keyword));
        let clauses = clauses.map(|it| format!("[{}]", format!("{} {}", it.keyword, it.argument).trim_end()));
        let rest = head.iter().skip(words.len()).map(|word| (*word).to_owned());
        let last_line = line.rsplit('\n').next().unwrap_or_default().chars().count();
        let room = screen::width(&std::io::stdout()).saturating_sub(last_line + PROMPT);
        let hint = joined(wanted.into_iter().chain(rest).chain(clauses), room);
        if hint.is_empty() { None } else { Some(Shown(hint)) }
    }
}

/// As many of the words as there is room for, the first first.
fn joined(words: impl Iterator<Item = String>, room: usize) -> String {
    let mut text = String::new();
    for word in words.filter(|word| !word.is_empty()) {
        if text.chars().count() + 1 + word.chars().count() > room {
            break;
        }
        text = if text.is_empty() { word } else { format!("{text} {word}") };
    }
    text
}

impl Highlighter for ShellHelper {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        if self.style.is_on() { Cow::Owned(painted(line, self.style)) } else { Cow::Borrowed(line) }
    }

    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        Cow::Borrowed(prompt)
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(self.style.dim(hint))
    }

    fn highlight_char(&self, _: &str, _: usize, kind: CmdKind) -> bool {
        kind != CmdKind::MoveCursor
    }
}

/// The line with its verbs and quoted texts in colours.
fn painted(line: &str, style: Style) -> String {
    let mut out = String::new();
    let mut at = 0;
    for piece in pieces(line) {
        let span = piece.span();
        let text = &line[span.clone()];
        let verb = text.find(|c: char| !c.is_alphanumeric() && c != '.').unwrap_or(text.len());
        out.push_str(&line[at..span.start]);
        let known = Verb::named(&text[..verb]).is_some() || text.starts_with('.');
        out.push_str(&if known { style.cyan(&text[..verb]) } else { text[..verb].to_owned() });
        out.push_str(&quoted_green(&text[verb..], style));
        at = span.end;
    }
    out + &line[at..]
}

fn quoted_green(text: &str, style: Style) -> String {
    let parts: Vec<&str> = text.split('\'').collect();
    let last = parts.len() - 1;
    let mut out = String::new();
    for (number, part) in parts.into_iter().enumerate() {
        if number % 2 == 0 {
            out.push_str(part);
        } else {
            let close = if number == last { "" } else { "'" };
            out.push_str(&style.green(&format!("'{part}{close}")));
        }
    }
    out
}

impl Validator for ShellHelper {
    /// A statement goes on until its semicolon.
    fn validate(&self, ctx: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let input = ctx.input();
        let complete = match pieces(input).last() {
            Some(Piece::Open { span, .. }) => Word::of(&input[span]).is_some(),
            _ => true,
        };
        Ok(if complete { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

/// The statement or command that is being typed at the end of a text.
fn current(text: &str) -> &str {
    match pieces(text).last() {
        Some(Piece::Open { span, .. }) => &text[span.start..],
        Some(Piece::Command(span)) if !text[span.start..].contains('\n') => &text[span.start..],
        _ => "",
    }
}

/// The words of a statement; what stands in quotes or brackets is one.
fn words(statement: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut begin = None;
    let mut depth = 0usize;
    let mut quote = None;
    for (at, c) in statement.char_indices() {
        let outside = depth == 0 && quote.is_none();
        if outside && (c.is_whitespace() || c == ',') {
            found.extend(begin.take().map(|begin| &statement[begin..at]));
            continue;
        }
        begin = begin.or(Some(at));
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"' | '`') => quote = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    found.extend(begin.map(|begin| &statement[begin..]));
    found
}

/// Whether the statement ends inside a word.
fn is_in_word(statement: &str) -> bool {
    !partial(statement).is_empty()
}

/// The word that is begun at the end.
fn partial(statement: &str) -> &str {
    statement.rsplit(|c: char| c.is_whitespace() || ",()[]{}='".contains(c)).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_brackets_make_one_word() {
        assert_eq!(
            words("find docs near [0.1, 2] where a = 'b c'"),
            ["find", "docs", "near", "[0.1, 2]", "where", "a", "=", "'b c'"]
        );
    }

    #[test]
    fn a_verb_then_a_collection_then_its_words() {
        let db = Database::in_memory().unwrap();
        let docs = db.create_collection("docs", driftline::Schema::payload_only()).unwrap();
        docs.put(driftline::Record::new(1u64).payload(driftline::json!({"lang": "en", "size": {"net": 1}}))).unwrap();
        let mut helper = ShellHelper::new(Style::PLAIN);
        helper.look(Some(db));
        let complete = |typed: &str| -> Vec<String> {
            let history = rustyline::history::MemHistory::new();
            let (_, found) = helper.complete(typed, typed.len(), &Context::new(&history)).unwrap();
            found.into_iter().map(|pair| pair.display).collect()
        };
        assert_eq!(complete("fi"), ["find"]);
        assert_eq!(complete("count 1; SC"), ["scan", "scrub"]);
        assert_eq!(complete("find d"), ["docs"]);
        assert_eq!(complete("find docs n"), ["near"]);
        assert_eq!(complete("scan docs where l"), ["lang"]);
        assert_eq!(complete("scan docs where lang l"), ["lang", "like", "limit"]);
        assert_eq!(complete("scan docs where size."), ["size.net"]);
        assert_eq!(complete(".mo"), [".mode"]);
        assert_eq!(complete(".mode js"), ["json", "jsonl"]);
    }
}
