//! What one run of the program holds between statements: the store, the parameters, the settings.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use driftline::statement::{Params, Statement};
use driftline::{CancelToken, Error, ErrorKind};

use crate::failure::{Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::render::{self, Output};
use crate::screen;
use crate::store::Store;
use crate::style::Style;

/// When a search is explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Explain {
    /// When that is asked for.
    Off,
    /// After every search.
    On,
}

/// What the user has chosen.
pub(crate) struct Settings {
    pub(crate) timer: bool,
    pub(crate) explain: Explain,
    /// Whether a script ends at its first error.
    pub(crate) bail: bool,
    pub(crate) progress: bool,
    pub(crate) quiet: bool,
    /// Whether what cannot be taken back is done without asking.
    pub(crate) yes: bool,
    pub(crate) timeout: Option<Duration>,
    /// How remarks and errors are coloured, on stderr.
    pub(crate) style: Style,
}

/// One run of the program.
pub(crate) struct Session {
    pub(crate) store: Store,
    pub(crate) params: Params,
    pub(crate) settings: Settings,
    pub(crate) output: Output,
    pub(crate) interrupt: Interrupt,
    /// Whether statements come from a person at a terminal.
    pub(crate) interactive: bool,
    /// Whether the standard input is free for statements to read from.
    pub(crate) stdin_is_free: bool,
    /// What shows more of the last answer.
    pub(crate) more: Option<Statement>,
    /// The statement before this one.
    pub(crate) last: Option<Statement>,
    /// A script that a command wants to be run now.
    pub(crate) to_read: Option<PathBuf>,
    /// Scripts that run inside one another.
    pub(crate) scripts: usize,
    /// What was typed so far.
    pub(crate) history: Vec<String>,
    token: CancelToken,
}

impl Session {
    pub(crate) fn new(store: Store, settings: Settings, output: Output, interrupt: Interrupt) -> Session {
        Session {
            store,
            params: Params::new(),
            settings,
            output,
            interrupt,
            interactive: false,
            stdin_is_free: true,
            more: None,
            last: None,
            to_read: None,
            scripts: 0,
            history: Vec::new(),
            token: CancelToken::new(),
        }
    }

    /// A statement begins, which this token cancels.
    pub(crate) fn begin(&mut self, token: CancelToken) {
        self.token = token;
        self.more = None;
    }

    /// Opens the store for a conversation and says which it is; what is not there yet is opened when it is made.
    pub(crate) fn greet_store(&mut self) -> Outcome {
        let name = self.store.name();
        if !self.store.exists() {
            self.note(&format!("There is no store at {name} yet; `create` makes one."));
            return Ok(());
        }
        let db = if self.store.is_read_only() { self.store.reading()? } else { self.store.writing()? };
        if self.interactive {
            let count = render::counted(db.collections()?.len() as u64, "collection");
            self.note(&format!("{name}: {count}"));
        }
        Ok(())
    }

    /// Cancelled when the user asks for it.
    pub(crate) fn token(&self) -> &CancelToken {
        &self.token
    }

    /// Fails when the user has cancelled.
    pub(crate) fn check(&self) -> driftline::Result<()> {
        if self.token.is_cancelled() {
            Err(Error::new(ErrorKind::Cancelled, "the statement was cancelled"))
        } else {
            Ok(())
        }
    }

    /// A remark for people, beside the answer.
    pub(crate) fn note(&self, text: &str) {
        if !self.settings.quiet {
            eprintln!("{}", self.settings.style.dim(&screen::fitted(text, &io::stderr())));
        }
    }

    /// Whether people watch stderr and want to see how far something is.
    pub(crate) fn shows_progress(&self) -> bool {
        self.settings.progress && !self.settings.quiet && io::stderr().is_terminal()
    }

    /// Makes sure that what cannot be taken back is meant: asks where there is somebody to ask.
    pub(crate) fn confirm(&self, what: &str) -> Outcome {
        if self.settings.yes {
            return Ok(());
        }
        if !(io::stdin().is_terminal() && io::stderr().is_terminal() && self.stdin_is_free) {
            return Err(Failure::usage(format!("this would {what}; add --yes if that is meant")));
        }
        eprint!("This would {what}. Go on? [y/N] ");
        io::stderr().flush()?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        self.check()?;
        match answer.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(Error::new(ErrorKind::Cancelled, "nothing was changed").into()),
        }
    }
}
