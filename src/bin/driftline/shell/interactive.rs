//! A conversation at a terminal.

use std::path::PathBuf;

use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{ColorMode, CompletionType, Config, Editor};

use super::helper::ShellHelper;
use super::script;
use crate::failure::{CANCELLED, Failure, Outcome};
use crate::session::Session;

type Lines = Editor<ShellHelper, FileHistory>;

/// Entries of the history that are kept.
const HISTORY: usize = 10_000;

/// Reads statements and runs them until the user leaves.
pub(crate) fn converse(session: &mut Session) -> Outcome {
    session.interactive = true;
    session.interrupt.begin_conversation();
    session.note(concat!(
        "Driftline ",
        env!("CARGO_PKG_VERSION"),
        ". Statements end with `;`, `help` lists them, Ctrl-D leaves."
    ));
    session.greet_store()?;
    let mut lines =
        editor(session).map_err(|error| Failure::failed(format!("cannot read from the terminal: {error}")))?;
    let history = history_file();
    if let Some(path) = &history {
        // There is none the first time.
        let _ = lines.load_history(path);
    }
    let ended = talk(session, &mut lines, history.as_ref());
    match ended {
        Err(failure) if failure.ends() => session.store.close().and(Err(failure)),
        ended => ended,
    }
}

fn talk(session: &mut Session, lines: &mut Lines, history: Option<&PathBuf>) -> Outcome {
    let mut interrupted = false;
    loop {
        if let Some(helper) = lines.helper_mut() {
            helper.look(session.store.opened().cloned());
        }
        let prompt = prompt(session);
        let painted = session.settings.style.bold(&prompt);
        match lines.readline(&(prompt, painted)) {
            Ok(text) => {
                interrupted = false;
                remember(session, lines, history, &text);
                if let Err(failure) = script::run(session, &text, None) {
                    if failure.ends() {
                        return Err(failure);
                    }
                    session.output.finish()?;
                    failure.tell(session.settings.style);
                }
            }
            Err(ReadlineError::Interrupted) if interrupted => return Err(Failure::end(CANCELLED)),
            Err(ReadlineError::Interrupted) => {
                interrupted = true;
                session.note("Ctrl-C once more, or Ctrl-D, leaves");
            }
            Err(ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(Failure::failed(format!("cannot read from the terminal: {error}"))),
        }
    }
}

fn editor(session: &Session) -> rustyline::Result<Lines> {
    let style = session.settings.style;
    let config = Config::builder()
        .history_ignore_space(true)
        .history_ignore_dups(true)?
        .max_history_size(HISTORY)?
        .completion_type(CompletionType::List)
        .completion_show_all_if_ambiguous(true)
        .color_mode(if style.is_on() { ColorMode::Enabled } else { ColorMode::Disabled })
        .build();
    let mut lines = Editor::with_config(config)?;
    lines.set_helper(Some(ShellHelper::new(style)));
    Ok(lines)
}

/// The name of the store, if it is short.
fn prompt(session: &Session) -> String {
    let name = session.store.short_name();
    let name = if (1..=16).contains(&name.chars().count()) { name } else { "driftline".into() };
    format!("{name}> ")
}

/// Adds to the history, in memory and on disk; lines that begin with a space are left out.
fn remember(session: &mut Session, lines: &mut Lines, history: Option<&PathBuf>, text: &str) {
    if text.trim().is_empty() || text.starts_with(char::is_whitespace) {
        return;
    }
    session.history.push(text.to_owned());
    // A history that cannot be written is no reason to stop.
    let _ = lines.add_history_entry(text);
    if let Some(path) = history {
        let _ = lines.append_history(path);
    }
}

/// Where the history is kept: in the directory for the state of programs. Nowhere where there is no home.
fn history_file() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")))?;
    let folder = state.join("driftline");
    #[expect(clippy::disallowed_methods, reason = "a directory of the user's, which is no part of a store")]
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history"))
}
