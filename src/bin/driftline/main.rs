//! The `driftline` program: a shell for stores, and statements from the command line, on the library's public face.
//!
//! `args` says what may be typed to start it, `shell` reads statements from people, scripts and the command line,
//! `run` does what they say, `render` prints what they answer. Data goes to stdout, everything else to stderr.

mod args;
mod bench;
mod demo;
mod draw;
mod failure;
mod files;
mod interrupt;
mod render;
mod rescue;
mod run;
mod screen;
mod session;
mod shell;
mod store;
mod style;

use std::io;
use std::process::ExitCode;

use args::{Args, Command};
use failure::Outcome;
use render::Output;
use style::Style;

fn main() -> ExitCode {
    let args = Args::read();
    listen();
    let style = Style::of(args.global.color, &io::stderr());
    match run(args) {
        Ok(code) => code,
        Err(failure) => {
            failure.tell(style);
            failure.exit()
        }
    }
}

fn run(args: Args) -> Outcome<ExitCode> {
    let mut output = Output::new(args.global.format);
    output.style = Style::of(args.global.color, &io::stdout());
    match args.command {
        Some(Command::Bench(asked)) => bench::bench(&asked, args.global.quiet, &mut output)?,
        Some(Command::Demo(demo)) => demo::demo(&demo, &mut output)?,
        Some(Command::DemoWriter(it)) => demo::write_until_killed(&it.store)?,
        Some(Command::Migrate(asked)) => rescue::migrate(&asked, args.global.quiet, &mut output)?,
        Some(Command::Salvage(asked)) => rescue::salvage(&asked, args.global.quiet, &mut output)?,
        Some(Command::Restore(asked)) => rescue::restore(&asked, args.global.quiet, &mut output)?,
        Some(Command::Help(help)) => shell::help::print(help.verb.as_deref(), &mut output)?,
        None => return shell::start(args.global, args.shell, output),
    }
    output.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// Prints what the library has to say beside its answers. `DRIFTLINE_LOG` chooses how much: off, error, warn (the
/// default), info, debug or trace.
fn listen() {
    use tracing_subscriber::filter::LevelFilter;
    let asked = std::env::var("DRIFTLINE_LOG").ok().and_then(|level| level.parse().ok());
    let level = asked.unwrap_or(LevelFilter::WARN);
    let subscriber = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).without_time();
    // It can be installed only once, and this is the only place that does.
    let _ = subscriber.with_target(false).with_ansi(false).try_init();
}
