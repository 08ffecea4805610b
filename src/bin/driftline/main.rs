//! The `driftline` program: each command is a thin use of the library's public face.
//!
//! `args` says what may be typed, one file per group of commands does it, `render` prints what they answer. Data goes
//! to stdout, everything else to stderr.

mod args;
mod bench;
mod collections;
mod demo;
mod failure;
mod files;
mod find;
mod import;
mod records;
mod render;
mod stats;
mod store;
mod values;
mod verify;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Bench, Command};
use failure::Outcome;
use render::Output;

fn main() -> ExitCode {
    let args = Args::parse();
    listen();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(args: &Args) -> Outcome {
    let mut output = Output::new(args.global.format);
    match &args.command {
        Command::Create(create) => collections::create(create, &args.global, &mut output),
        Command::Drop(drop) => collections::drop(drop, &args.global, &mut output),
        Command::Collections(it) => collections::list(&it.store, &mut output),
        Command::Count(place) => collections::count(place, &mut output),
        Command::Put(put) => records::put(put, &args.global, &mut output),
        Command::Get(get) => records::get(get, &mut output),
        Command::Delete(delete) => records::delete(delete, &args.global, &mut output),
        Command::Scan(scan) => records::scan(scan, &mut output),
        Command::Find(find) => find::find(find, &mut output),
        Command::Import(import) => import::import(import, &args.global, &mut output),
        Command::Verify(verify) => verify::verify(verify, &mut output),
        Command::Stats(it) => stats::stats(&it.store, &mut output),
        Command::Demo(demo) => demo::demo(demo, &mut output),
        Command::Bench(Bench::Drive) => bench::drive(),
        Command::DemoWriter(it) => demo::write_until_killed(&it.store),
    }?;
    output.finish()
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
