//! Where statements come from: the command line, scripts, or a person at a terminal.
//!
//! `script` runs the pieces of a text in order, `commands` does what lines that begin with a dot say, `help` prints
//! the tables of both (`table` is that of the commands). `interactive` reads from a terminal, with `helper` behind every key.

mod commands;
pub(crate) mod help;
mod helper;
mod interactive;
mod script;
mod table;

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use crate::args::{Global, Shell};
use crate::failure::{Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::render::Output;
use crate::session::{Explain, Session, Settings};
use crate::store::{Place, Store};
use crate::style::Style;

/// Runs the program as a shell: one statement, scripts, or a conversation.
pub(crate) fn start(global: Global, args: Shell, mut output: Output) -> Outcome<ExitCode> {
    output.header = !args.no_header;
    let settings = Settings {
        timer: false,
        explain: Explain::Off,
        bail: args.bail,
        progress: true,
        quiet: global.quiet,
        yes: args.yes,
        timeout: args.timeout,
        style: Style::of(global.color, &io::stderr()),
    };
    let place = args.path.clone().map_or(Place::Memory, Place::Directory);
    let interrupt = Interrupt::listen()?;
    let store = Store::new(place, args.read_only, args.durability, interrupt.clone());
    let mut session = Session::new(store, settings, output, interrupt);
    let ended = converse(&mut session, &args).and_then(|()| session.output.finish());
    let closed = session.store.close();
    match ended.and(closed) {
        Err(failure) if failure.ends() => Ok(failure.exit()),
        ended => ended.map(|()| ExitCode::SUCCESS),
    }
}

fn converse(session: &mut Session, args: &Shell) -> Outcome {
    if let Some(init) = &args.init {
        script::file(session, init)?;
    }
    if !args.statement.is_empty() {
        return script::one_shot(session, &args.statement.join(" "));
    }
    if args.command.is_empty() && args.file.is_empty() {
        if io::stdin().is_terminal() {
            return interactive::converse(session);
        }
        return script::piped(session);
    }
    args.file.iter().try_for_each(|file| script::file(session, file))?;
    args.command.iter().try_for_each(|text| script::run(session, text, Some(("-c", 1))))
}

/// The error for a switch that is neither on nor off.
fn no_switch(command: &str) -> Failure {
    Failure::failed(format!("{command} is on or off"))
}
