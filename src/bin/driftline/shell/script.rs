//! Runs the statements and commands of a text in order.

use std::io::{self, BufRead};
use std::path::Path;

use driftline::Error;
use driftline::statement::{Piece, Statement, parse_at, pieces};

use super::{commands, help};
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::run::run as run_statement;
use crate::session::Session;

/// How many scripts may read one another.
const MAX_SCRIPTS: usize = 16;

/// Runs what was given on the command line. What cannot be read is a mistake in how the program was called.
pub(crate) fn one_shot(session: &mut Session, text: &str) -> Outcome {
    let read = pieces(text).try_for_each(|piece| match piece {
        Piece::Command(_) => Ok(()),
        piece if Word::of(&text[piece.span()]).is_some() => Ok(()),
        piece => statement(session, text, &piece).map(|_| ()),
    });
    read.map_err(|error| Failure::from(error).shown_in(text, None, 0).into_usage())?;
    run(session, text, None)
}

/// Runs a file of statements.
pub(crate) fn file(session: &mut Session, path: &Path) -> Outcome {
    let name = path.display().to_string();
    if name == "-" {
        session.stdin_is_free = false;
    }
    if session.scripts == MAX_SCRIPTS {
        return Err(Failure::failed(format!(
            "{name} is the {MAX_SCRIPTS}th script inside others; do they read each other?"
        )));
    }
    let text = files::text(&name)?;
    session.scripts += 1;
    let ended = run(session, &text, Some((&name, 1)));
    session.scripts -= 1;
    ended
}

/// Runs the statements of stdin, each as soon as it is complete.
pub(crate) fn piped(session: &mut Session) -> Outcome {
    session.stdin_is_free = false;
    let mut pending = String::new();
    let mut first_line = 1;
    let mut failed = Ok(());
    loop {
        let before = pending.len();
        let read = io::stdin().lock().read_line(&mut pending).map_err(|error| files::unreadable("-", &error))?;
        let last = read == 0;
        let line = &pending[before..];
        // Only these can complete a statement, so that a long one is not looked at again for each of its lines.
        if !last && !line.contains(';') && !line.trim_start().starts_with('.') {
            continue;
        }
        let complete = match pieces(&pending).last() {
            Some(Piece::Open { span, .. }) if !last => span.start,
            _ => pending.len(),
        };
        let text = &pending[..complete];
        let ended = run(session, text, Some(("stdin", first_line)));
        first_line += text.matches('\n').count();
        pending.drain(..complete);
        failed = keep(session, failed, ended)?;
        if last {
            return failed;
        }
    }
}

/// Runs the pieces of a text in order. `place` is the name of the script and the number of its first line.
pub(crate) fn run(session: &mut Session, text: &str, place: Option<(&str, usize)>) -> Outcome {
    let mut failed = Ok(());
    for piece in pieces(text) {
        let span = piece.span();
        let ended = match (&piece, Word::of(&text[span.clone()])) {
            (Piece::Command(_), _) => command(session, &text[span.clone()]),
            (_, Some(word)) => word.run(session),
            _ => statement(session, text, &piece).map_err(Failure::from).and_then(|it| run_statement(session, &it)),
        };
        let ended = ended.map_err(|failure| failure.shown_in(text, place, span.start));
        failed = keep(session, failed, ended)?;
    }
    failed
}

fn command(session: &mut Session, line: &str) -> Outcome {
    commands::run(session, line)?;
    match session.to_read.take() {
        Some(script) => file(session, &script),
        None => Ok(()),
    }
}

/// The first failure so far; it ends the script unless that is to go on after errors.
fn keep(session: &Session, failed: Outcome, ended: Outcome) -> Outcome<Outcome> {
    match ended {
        Ok(()) => Ok(failed),
        Err(failure) if failure.ends() || session.settings.bail || session.interactive => Err(failure),
        Err(failure) => {
            failure.tell(session.settings.style);
            Ok(failed.and(Err(failure.told())))
        }
    }
}

fn statement(session: &Session, text: &str, piece: &Piece) -> Result<Statement, Error> {
    parse_at(text, piece.span(), &session.params)
}

/// What may be typed beside statements, without a dot and without a semicolon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Word {
    Help(Option<String>),
    Exit,
    More,
}

impl Word {
    pub(crate) fn of(text: &str) -> Option<Word> {
        let mut words = text.split_whitespace().map(str::to_ascii_lowercase);
        match (words.next()?.as_str(), words.next(), words.next()) {
            ("help", topic, None) => Some(Word::Help(topic)),
            ("exit" | "quit", None, None) => Some(Word::Exit),
            ("it", None, None) => Some(Word::More),
            _ => None,
        }
    }

    fn run(self, session: &mut Session) -> Outcome {
        match self {
            Word::Help(topic) => {
                help::print(topic.as_deref(), &mut session.output).and_then(|()| session.output.finish())
            }
            Word::Exit => Err(Failure::end(0)),
            Word::More => match session.more.take() {
                Some(statement) => run_statement(session, &statement),
                None => Err(Failure::failed("there is no more to show; `it` goes on after a find or a scan")),
            },
        }
    }
}
