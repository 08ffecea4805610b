//! How a statement, or the whole program, ends when it could not do what it was asked.

use std::io;
use std::ops::Range;
use std::process::ExitCode;

use driftline::{Error, ErrorKind};

use crate::screen;
use crate::style::Style;

/// What a command returns.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// The statement failed.
const FAILED: u8 = 1;
/// The command line makes no sense. clap uses the same.
const USAGE: u8 = 2;
/// The store cannot be opened, or is locked.
const CANNOT_OPEN: u8 = 3;
/// Damage was found.
const DAMAGED: u8 = 4;
/// A check that was asked for failed.
const CHECK_FAILED: u8 = 5;
/// Cancelled, as a shell says it.
pub(crate) const CANCELLED: u8 = 130;

/// An exit code, and what to say on stderr.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: u8,
    /// Whether the program ends, even where it would go on after a statement that failed.
    ends: bool,
    message: Option<String>,
    /// How to mend it.
    remedy: Option<Box<str>>,
    code: Option<&'static str>,
    /// The bytes of the statement's text that it is about.
    span: Option<Range<usize>>,
    /// The script and the line.
    place: Option<Box<str>>,
    /// The line of the statement with a caret under the span.
    excerpt: Option<Box<str>>,
}

impl Failure {
    fn new(exit: u8, message: Option<String>) -> Failure {
        Failure { exit, ends: false, message, remedy: None, code: None, span: None, place: None, excerpt: None }
    }

    /// The command line makes no sense.
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure::new(USAGE, Some(message.into()))
    }

    /// The store could not be opened.
    pub(crate) fn opening(error: &Error) -> Failure {
        let exit = match error.kind() {
            ErrorKind::Corrupt => DAMAGED,
            ErrorKind::Cancelled => CANCELLED,
            _ => CANNOT_OPEN,
        };
        Failure { exit, ..Failure::from(error.clone()) }
    }

    /// Damage was found and has been reported.
    pub(crate) fn damaged() -> Failure {
        Failure::new(DAMAGED, None)
    }

    /// A check failed and has been reported.
    pub(crate) fn check_failed() -> Failure {
        Failure::new(CHECK_FAILED, None)
    }

    /// Something else went wrong.
    pub(crate) fn failed(message: impl Into<String>) -> Failure {
        Failure::new(FAILED, Some(message.into()))
    }

    /// The program ends with this code; all has been said.
    pub(crate) fn end(exit: u8) -> Failure {
        Failure { ends: true, ..Failure::new(exit, None) }
    }

    /// The same, as a mistake of whoever typed the command.
    pub(crate) fn into_usage(self) -> Failure {
        Failure { exit: USAGE, ..self }
    }

    /// Whether the program ends.
    pub(crate) fn ends(&self) -> bool {
        self.ends
    }

    /// The same, about these bytes, unless it is about others.
    pub(crate) fn about(mut self, span: Range<usize>) -> Failure {
        self.span = self.span.or(Some(span));
        self
    }

    /// The same, shown in the text it is about, which begins in line `first_line` of the script `name`.
    pub(crate) fn shown_in(mut self, text: &str, name: Option<(&str, usize)>, begin: usize) -> Failure {
        let place = self.span.as_ref().map_or(begin, |span| span.start.min(text.len()));
        if let Some((name, first_line)) = name.filter(|_| self.place.is_none()) {
            let line = first_line + text.as_bytes()[..place].iter().filter(|byte| **byte == b'\n').count();
            self.place = Some(format!("{name}, line {line}").into());
        }
        if let Some(span) = self.span.take() {
            self.excerpt = Some(excerpt(text, &span, screen::width(&io::stderr())).into());
        }
        self
    }

    /// The same, now that it has been said.
    pub(crate) fn told(self) -> Failure {
        Failure { message: None, ..self }
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> ExitCode {
        ExitCode::from(self.exit)
    }

    /// Says it on stderr.
    pub(crate) fn tell(&self, style: Style) {
        let Some(message) = &self.message else { return };
        let place = self.place.as_ref().map_or(String::new(), |place| format!("{place}: "));
        let code = self.code.map_or(String::new(), |code| format!(" [{code}]"));
        let remedy = self.remedy.as_deref().filter(|_| self.excerpt.is_none());
        let remedy = remedy.map_or(String::new(), |remedy| format!("; {remedy}"));
        let told = screen::fitted(&format!("error: {place}{message}{remedy}{code}"), &io::stderr());
        eprintln!("{}", told.replacen("error:", &style.red("error:"), 1));
        if let Some(excerpt) = &self.excerpt {
            eprintln!("{excerpt}");
            if let Some(remedy) = &self.remedy {
                eprintln!("{}", screen::fitted(remedy, &io::stderr()));
            }
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let exit = match error.kind() {
            ErrorKind::Corrupt => DAMAGED,
            ErrorKind::Cancelled => CANCELLED,
            _ => FAILED,
        };
        let whole = error.to_string();
        let remedy: Option<Box<str>> = error.remedy().map(Into::into);
        let end = remedy.as_ref().map_or(String::new(), |remedy| format!("; {remedy}"));
        let message = whole.strip_suffix(&end).unwrap_or(&whole).to_owned();
        Failure { remedy, code: Some(error.code()), span: error.span(), ..Failure::new(exit, Some(message)) }
    }
}

/// Stdout could not be written. When its reader has gone, there is nobody to tell.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::end(0),
            _ => Failure { code: Some("io"), ..Failure::failed(format!("could not write the answer: {error}")) },
        }
    }
}

/// The line of `text` in which `span` begins, and a line with carets under it, both within `width` columns.
fn excerpt(text: &str, span: &Range<usize>, width: usize) -> String {
    let start = (0..=span.start.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let begin = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let end = (span.end.clamp(start, line_end)..=line_end).find(|at| text.is_char_boundary(*at)).unwrap_or(line_end);
    let line: Vec<char> = text[begin..line_end].chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let (from, length) = (text[begin..start].chars().count(), text[start..end].chars().count().max(1));
    let room = width.saturating_sub(4).max(12);
    // A long line is shown from a third of the width before the span on.
    let cut = if line.len() <= room { 0 } else { from.saturating_sub(room / 3).min(line.len().saturating_sub(room)) };
    let shown: String = line.iter().skip(cut).take(room).collect();
    let carets = length.min(room.saturating_sub(from - cut)).max(1);
    format!("  {shown}\n  {}{}", " ".repeat(from - cut), "^".repeat(carets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_the_span() {
        assert_eq!(excerpt("get docs\nfind é neer", &(17..21), 80), "  find é neer\n         ^^^^");
        assert_eq!(excerpt("count", &(5..5), 80), "  count\n       ^");
        assert_eq!(excerpt("", &(9..20), 80), "  \n  ^");
        let long = format!("find docs near [{}] limt 3", "0.5, ".repeat(400));
        let at = long.find("limt").unwrap();
        let shown = excerpt(&long, &(at..at + 4), 20);
        assert!(shown.lines().all(|line| line.chars().count() <= 20), "{shown}");
        let (line, carets) = shown.split_once('\n').unwrap();
        assert_eq!(line[carets.find('^').unwrap()..].get(..4), Some("limt"));
    }

    #[test]
    fn codes_are_those_that_help_lists() {
        let codes = [FAILED, USAGE, CANNOT_OPEN, DAMAGED, CHECK_FAILED, CANCELLED];
        assert_eq!(codes, [1, 2, 3, 4, 5, 130]);
    }
}
