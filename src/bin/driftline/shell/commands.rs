//! Commands to the program itself: lines that begin with a dot.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use driftline::statement::Statement;

use super::{help, no_switch};
use crate::args::switch;
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::render::{self, Format};
use crate::run::{parameter, run as run_statement};
use crate::session::{Explain, Session};
use crate::store::Place;

pub(crate) fn run(session: &mut Session, line: &str) -> Outcome {
    let line = line.trim().trim_end_matches(';').trim_end();
    let (name, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    match action(name) {
        Some(action) => action(session, argument.trim()),
        None => Err(Failure::failed(format!("there is no command {name}; .help lists them"))),
    }
}

/// What a command does.
fn action(name: &str) -> Option<fn(&mut Session, &str) -> Outcome> {
    Some(match name.to_ascii_lowercase().as_str() {
        ".bail" => bail,
        ".collections" => |session, _| run_statement(session, &Statement::Collections),
        ".exit" | ".quit" => exit,
        ".explain" => explain,
        ".help" => print_help,
        ".history" => history,
        ".mode" => mode,
        ".open" => open,
        ".output" => output,
        ".param" => param,
        ".progress" => progress,
        ".read" => read,
        ".schema" => schema,
        ".stats" => |session, _| run_statement(session, &Statement::Stats { collection: None }),
        ".timer" => timer,
        ".version" => version,
        ".watch" => watch,
        ".width" => width,
        _ => return None,
    })
}

/// The argument, which must be there.
fn needed<'a>(argument: &'a str, usage: &str) -> Outcome<&'a str> {
    // Quotes keep spaces in names of files, as in statements.
    let bare = argument.strip_prefix('\'').and_then(|it| it.strip_suffix('\'')).unwrap_or(argument);
    if bare.is_empty() { Err(Failure::failed(format!("write {usage}"))) } else { Ok(bare) }
}

fn bail(session: &mut Session, argument: &str) -> Outcome {
    session.settings.bail = switch(argument).ok_or_else(|| no_switch(".bail"))?;
    Ok(())
}

fn exit(_: &mut Session, argument: &str) -> Outcome {
    match if argument.is_empty() { Ok(0) } else { argument.parse() } {
        Ok(code) => Err(Failure::end(code)),
        Err(_) => Err(Failure::failed("write .exit or .exit CODE, a number up to 255")),
    }
}

fn explain(session: &mut Session, argument: &str) -> Outcome {
    session.settings.explain = match (argument, switch(argument)) {
        ("auto", _) | (_, Some(true)) => Explain::On,
        (_, Some(false)) => Explain::Off,
        _ => return Err(no_switch(".explain")),
    };
    Ok(())
}

fn print_help(session: &mut Session, argument: &str) -> Outcome {
    help::print(Some(argument).filter(|it| !it.is_empty()), &mut session.output)?;
    session.output.finish()
}

fn history(session: &mut Session, argument: &str) -> Outcome {
    let count = if argument.is_empty() { Ok(20) } else { argument.parse() };
    let count: usize = count.map_err(|_| Failure::failed("write .history or .history N"))?;
    let begin = session.history.len().saturating_sub(count);
    for (number, entry) in session.history.iter().enumerate().skip(begin) {
        session.output.line(&format!("{:>5}  {}", number + 1, entry.replace('\n', "\n       ")))?;
    }
    session.output.finish()
}

fn mode(session: &mut Session, argument: &str) -> Outcome {
    session.output.format = Format::from_str(needed(argument, ".mode table")?, true)
        .map_err(|_| Failure::failed("the modes are table, box, json, jsonl, csv and line"))?;
    Ok(())
}

fn open(session: &mut Session, argument: &str) -> Outcome {
    session.more = None;
    session.store.close()?;
    let place =
        if argument.is_empty() { Place::Memory } else { Place::Directory(PathBuf::from(needed(argument, "")?)) };
    session.store.move_to(place);
    session.greet_store()
}

fn output(session: &mut Session, argument: &str) -> Outcome {
    let file = if argument.is_empty() { None } else { Some(files::create(needed(argument, "")?)?) };
    session.output.redirect(file)
}

fn param(session: &mut Session, argument: &str) -> Outcome {
    let mut words = argument.splitn(3, char::is_whitespace);
    match (words.next().unwrap_or_default(), words.next(), words.next()) {
        ("", None, None) => {
            for (name, value) in &session.params {
                let shown: String = value.to_string().chars().take(60).collect();
                session.output.line(&format!("${name} = {}", render::plain(&shown)))?;
            }
            session.output.finish()
        }
        ("set", Some(name), Some(value)) => {
            let name = name.trim_start_matches('$').to_owned();
            session.params.insert(name, parameter(value)?);
            Ok(())
        }
        ("unset" | "clear", Some(name), None) => {
            session.params.remove(name.trim_start_matches('$'));
            Ok(())
        }
        _ => Err(Failure::failed("write .param set NAME VALUE, .param unset NAME, or .param to see them")),
    }
}

fn progress(session: &mut Session, argument: &str) -> Outcome {
    session.settings.progress = switch(argument).ok_or_else(|| no_switch(".progress"))?;
    Ok(())
}

fn read(session: &mut Session, argument: &str) -> Outcome {
    session.to_read = Some(PathBuf::from(needed(argument, ".read FILE")?));
    Ok(())
}

fn schema(session: &mut Session, argument: &str) -> Outcome {
    let mut collections = session.store.reading()?.collections()?;
    collections.retain(|it| argument.is_empty() || it.name == argument);
    if collections.is_empty() && !argument.is_empty() {
        return Err(Failure::failed(format!("there is no collection {argument}; .collections lists them")));
    }
    for info in collections {
        session.output.line(&format!("create {} {};", info.name, info.schema))?;
    }
    session.output.finish()
}

fn timer(session: &mut Session, argument: &str) -> Outcome {
    session.settings.timer = switch(argument).ok_or_else(|| no_switch(".timer"))?;
    Ok(())
}

fn version(session: &mut Session, _: &str) -> Outcome {
    session.output.line(concat!("driftline ", env!("CARGO_PKG_VERSION")))?;
    session.output.finish()
}

fn watch(session: &mut Session, argument: &str) -> Outcome {
    let seconds: f64 = argument.parse().unwrap_or(-1.0);
    let wait = Duration::try_from_secs_f64(seconds).map_err(|_| Failure::failed("write .watch SECONDS"))?;
    let Some(statement) = session.last.clone() else {
        return Err(Failure::failed("there is no statement to repeat yet"));
    };
    let watching = session.interrupt.begin();
    while !watching.token.is_cancelled() {
        let ended = run_statement(session, &statement);
        if watching.token.is_cancelled() {
            return Ok(());
        }
        ended?;
        let end = Instant::now() + wait;
        while !watching.token.is_cancelled() && Instant::now() < end {
            std::thread::sleep(wait.min(Duration::from_millis(50)));
        }
    }
    Ok(())
}

fn width(session: &mut Session, argument: &str) -> Outcome {
    session.output.width = match argument {
        "" | "auto" => None,
        number => Some(number.parse().map_err(|_| Failure::failed("write .width N, or .width for the terminal's"))?),
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::table::COMMANDS;
    use super::action;

    #[test]
    fn every_command_of_the_table_is_done() {
        assert!(COMMANDS.iter().all(|command| action(command.name).is_some()));
        assert!(COMMANDS.is_sorted_by_key(|command| command.name));
    }
}
