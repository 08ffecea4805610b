//! What may be typed on the command line. Statements have a table of their own, in the library.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use driftline::Durability;

use crate::bench::args::Bench;
use crate::render::Format;
use crate::style::When;

const AFTER_HELP: &str = "\
Without a statement, a terminal gets a shell and a pipe is read as a script. Without a path the store is in memory.
  driftline shop.drift create items 'f32[3]' cosine
  driftline shop.drift find items near @'sku-1' limit 5 --format json
  driftline shop.drift < script.dl

`driftline help` lists the statements, `driftline help find` explains one.
Exit codes: 0 done, 1 a statement failed, 2 usage, 3 the store cannot be opened or is locked, 4 damage was found, \
5 a check failed, 130 cancelled.
DRIFTLINE_LOG=off|error|warn|info|debug chooses what is logged to stderr.";

/// A vector database in a directory, and a shell for it.
#[derive(Debug, Parser)]
#[command(
    name = "driftline",
    version,
    after_help = AFTER_HELP,
    override_usage = "driftline [OPTIONS] [PATH [STATEMENT...]]\n       driftline demo|bench|restore|salvage|migrate|help ...",
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    subcommand_value_name = "WORD",
    subcommand_help_heading = "Reserved words (a store of that name needs ./demo)"
)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(flatten)]
    pub(crate) shell: Shell,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// A store and the directory of a new one.
#[derive(Debug, clap::Args)]
pub(crate) struct StoreAndNew {
    /// The directory of the store
    pub(crate) store: PathBuf,
    /// The directory of the new store, which must be empty or not there
    pub(crate) directory: PathBuf,
}

/// What every command understands.
#[derive(Debug, clap::Args)]
pub(crate) struct Global {
    /// How answers are printed: table, box, json, jsonl, csv or line
    #[arg(long, global = true, value_enum, default_value_t = Format::Table, value_name = "FORMAT")]
    #[arg(hide_possible_values = true)]
    pub(crate) format: Format,
    /// Colours: auto, always or never
    #[arg(long, global = true, value_enum, default_value_t = When::Auto, value_name = "WHEN")]
    #[arg(hide_possible_values = true)]
    pub(crate) color: When,
    /// Print answers and errors only, no remarks and no progress
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Shell {
    /// The directory of the store; `create` makes it
    pub(crate) path: Option<PathBuf>,
    /// A statement, as one word or as many
    pub(crate) statement: Vec<String>,
    /// Run these statements, then end
    #[arg(short, long, value_name = "STATEMENTS", conflicts_with = "statement")]
    pub(crate) command: Vec<String>,
    /// Run the statements of this file, then end
    #[arg(short, long, value_name = "FILE", conflicts_with = "statement")]
    pub(crate) file: Vec<PathBuf>,
    /// Run this file first, in any case
    #[arg(long, value_name = "FILE")]
    pub(crate) init: Option<PathBuf>,
    /// Open the store for reading only, beside other readers
    #[arg(long)]
    pub(crate) read_only: bool,
    /// Whether a script ends at its first error
    #[arg(long, value_name = "on|off", default_value = "on", value_parser = on_or_off)]
    #[arg(action = clap::ArgAction::Set)]
    pub(crate) bail: bool,
    /// Leave out the headings of tables and csv
    #[arg(long)]
    pub(crate) no_header: bool,
    /// How long a statement may take, such as 5s; a search returns what it has by then
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Option<Duration>,
    /// Do not ask before dropping a collection or deleting all of it
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// When writes are made to survive a power cut: commit (at once), a time such as 50ms, or none (when the program
    /// ends)
    #[arg(long, value_name = "WHEN", default_value = "commit", value_parser = durability)]
    pub(crate) durability: Durability,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// See it work: search real data, survive being killed, find everything again
    Demo(Demo),
    /// Measure the engine
    #[command(subcommand)]
    Bench(Bench),
    /// Make a store of a backup, an archive or a directory, in a new directory
    Restore(Restore),
    /// Copy a whole store into a new directory, in the newest format
    Migrate(StoreAndNew),
    /// Take whatever can be read of a damaged store into a new directory
    Salvage(StoreAndNew),
    /// List the statements, or explain one
    Help(Help),
    /// What `demo` kills
    #[command(hide = true)]
    DemoWriter(Writer),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// Where to build the store: a directory that does not exist yet. Default: a fresh one among the system's temporary
    /// files
    pub(crate) directory: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Restore {
    /// The backup: an archive, or a directory
    pub(crate) backup: PathBuf,
    /// The directory of the new store, which must be empty or not there
    pub(crate) directory: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Help {
    /// The first word of a statement
    pub(crate) verb: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Writer {
    /// The directory of the store
    pub(crate) store: PathBuf,
}

impl Args {
    /// Reads the command line.
    pub(crate) fn read() -> Args {
        Args::parse_from(joined(std::env::args_os()))
    }
}

/// The words, with those that begin as negative numbers joined to the word before: they are no options but parts of a
/// statement, such as the vector in `near [0.1, -2]`.
fn joined(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::new();
    for word in words {
        let bytes = word.as_encoded_bytes();
        let negative =
            bytes.first() == Some(&b'-') && bytes.get(1).is_some_and(|it| it.is_ascii_digit() || *it == b'.');
        match joined.last_mut().filter(|_| negative) {
            Some(before) => {
                before.push(" ");
                before.push(word);
            }
            None => joined.push(word),
        }
    }
    joined
}

fn on_or_off(text: &str) -> Result<bool, String> {
    switch(text).ok_or_else(|| "write on or off".into())
}

fn durability(text: &str) -> Result<Durability, String> {
    match text {
        "commit" => Ok(Durability::Commit),
        "none" => Ok(Durability::None),
        interval => match humantime::parse_duration(interval) {
            Ok(interval) if !interval.is_zero() => Ok(Durability::Interval(interval)),
            _ => Err("write commit, none, or a time such as 50ms".into()),
        },
    }
}

/// Reads `on` or `off`.
pub(crate) fn switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "yes" | "true" | "1" => Some(true),
        "off" | "no" | "false" | "0" => Some(false),
        _ => None,
    }
}
