//! What may be typed: the commands, their arguments and the help they print.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Parser, Subcommand, ValueEnum};
use driftline::{Durability, IndexSpec, Metric, VerifyLevel};

use crate::values::{self, DurabilityText};

const KEYS: &str = "A KEY written as a decimal number is a number, one written as 0x and hexadecimal digits is bytes, \
    anything else is text; --text-key makes it text whatever it looks like.";

const EXIT_CODES: &str = "Exit codes: 0 done, 1 the statement failed, 2 usage, 3 the store cannot be opened or is \
    locked, 4 damage was found, 130 cancelled.\nDRIFTLINE_LOG=off|error|warn|info|debug chooses what is logged to stderr.";

/// A vector database in a directory: make collections, fill them, search them, check them.
#[derive(Debug, Parser)]
#[command(name = "driftline", version, after_help = EXIT_CODES, disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command understands.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// How the answer is printed: for people, or whole as one JSON document, or one a line
    #[arg(long, global = true, value_enum, default_value_t = Format::Table, display_order = 100)]
    pub(crate) format: Format,
    /// When writes are made to survive a power cut: commit (at once), a time such as 50ms, or none (when the command
    /// ends, as all have then)
    #[arg(long, global = true, value_name = "WHEN", default_value = "commit", display_order = 101)]
    pub(crate) durability: DurabilityText,
}

/// Tables shorten long vectors and payloads; JSON is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Table,
    Json,
    Jsonl,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create a collection, and the store if there is none
    Create(Create),
    /// List the collections of a store
    Collections(StoreArg),
    /// Drop a collection with all its records
    Drop(Drop),
    /// Put a record, or many from stdin
    Put(Put),
    /// Print a record
    Get(Get),
    /// Delete records
    Delete(Delete),
    /// Print records in key order
    Scan(Scan),
    /// Find the records nearest to a vector
    Find(Find),
    /// Count the records of a collection
    Count(Place),
    /// Import vectors from a .npy file, or records from a .jsonl file
    Import(Import),
    /// Check a store; exit code 4 when something is wrong
    Verify(Verify),
    /// Print sizes, counts and positions of a store
    Stats(StoreArg),
    /// See it work: search real data, survive being killed, find everything again
    Demo(Demo),
    /// Measure the engine
    #[command(subcommand)]
    Bench(Bench),
    /// What `demo` kills
    #[command(hide = true)]
    DemoWriter(StoreArg),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Build and search as lines of JSON on stdin ask for, for harnesses in other languages; docs/BENCHMARKS.md says how
    Drive,
}

#[derive(Debug, clap::Args)]
pub(crate) struct StoreArg {
    /// The directory of the store
    pub(crate) store: PathBuf,
}

/// A collection of a store.
#[derive(Debug, clap::Args)]
pub(crate) struct Place {
    /// The directory of the store
    pub(crate) store: PathBuf,
    /// The name of the collection
    pub(crate) collection: String,
}

#[derive(Debug, clap::Args)]
#[command(group(ArgGroup::new("vectors").required(true).args(["dimension", "bits", "payload_only"])))]
pub(crate) struct Create {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Each record has a vector of this many numbers
    #[arg(long, value_name = "N", requires = "metric")]
    pub(crate) dimension: Option<usize>,
    /// How vectors of numbers are compared: l2, cosine, dot or l1
    #[arg(long, conflicts_with_all = ["bits", "payload_only"])]
    pub(crate) metric: Option<Metric>,
    /// Each record has a vector of this many bits, compared by the Hamming distance
    #[arg(long, value_name = "N")]
    pub(crate) bits: Option<usize>,
    /// Records have no vector
    #[arg(long)]
    pub(crate) payload_only: bool,
    /// How near vectors are found
    #[arg(long, value_name = "SPEC")]
    pub(crate) index: Option<IndexSpec>,
    /// The model that the vectors come from, such as minilm-l6@1
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// How long a record lives, such as 90d
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    pub(crate) ttl: Option<Duration>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Drop {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Yes, all its records
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = KEYS)]
pub(crate) struct Put {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The key, or - to read records as lines of JSON from stdin and put all or none of them
    pub(crate) key: String,
    /// [0.1, -2, ...], hexadecimal digits for bits, @file.json, @file.npy[ROW], or - for stdin
    #[arg(long)]
    pub(crate) vector: Option<String>,
    /// JSON, or @file.json
    #[arg(long, value_name = "JSON")]
    pub(crate) payload: Option<String>,
    /// How long from now the record lives, such as 1h
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    pub(crate) expires_in: Option<Duration>,
    /// Fail if there is a record of that key
    #[arg(long)]
    pub(crate) if_absent: bool,
    /// The key is text, whatever it looks like
    #[arg(long)]
    pub(crate) text_key: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = KEYS)]
pub(crate) struct Get {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The key
    pub(crate) key: String,
    /// The key is text, whatever it looks like
    #[arg(long)]
    pub(crate) text_key: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = KEYS)]
pub(crate) struct Delete {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The keys; all go, or none
    #[arg(required = true, value_name = "KEY")]
    pub(crate) keys: Vec<String>,
    /// The keys are text, whatever they look like
    #[arg(long)]
    pub(crate) text_key: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = KEYS)]
pub(crate) struct Scan {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Only keys that begin so
    #[arg(long, value_name = "KEY", conflicts_with_all = ["from", "to"])]
    pub(crate) prefix: Option<String>,
    /// From this key on
    #[arg(long, value_name = "KEY")]
    pub(crate) from: Option<String>,
    /// Up to this key, without it
    #[arg(long, value_name = "KEY")]
    pub(crate) to: Option<String>,
    /// From the highest key to the lowest
    #[arg(long)]
    pub(crate) reverse: bool,
    /// At most so many records; a table shows 100 unless told, the other formats all
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// Only what comes after this key: how to go on where an earlier scan ended
    #[arg(long, value_name = "KEY")]
    pub(crate) after: Option<String>,
    /// The keys are text, whatever they look like
    #[arg(long)]
    pub(crate) text_key: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = KEYS)]
#[command(group(ArgGroup::new("query").required(true).args(["vector", "like"])))]
pub(crate) struct Find {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Near this: [0.1, -2, ...], hexadecimal digits for bits, @file.json, @file.npy[ROW], or - for stdin
    #[arg(long)]
    pub(crate) vector: Option<String>,
    /// Near the vector of this record, which is left out itself
    #[arg(long, value_name = "KEY")]
    pub(crate) like: Option<String>,
    /// How many
    #[arg(short, long, value_name = "N", default_value_t = 10)]
    pub(crate) k: usize,
    /// Print payloads too
    #[arg(long)]
    pub(crate) payload: bool,
    /// The model that the vector comes from; refused unless it is the collection's
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// The key is text, whatever it looks like
    #[arg(long, requires = "like")]
    pub(crate) text_key: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "All records appear at once, when the import ends; one that fails leaves nothing.\n\n\
    A line of a .jsonl file is {\"key\": ..., \"vector\": [...], \"payload\": {...}}, as scan prints it. With --key-field \
    it is any object: that field is the key, --vector-field the vector, and all others are the payload.")]
pub(crate) struct Import {
    #[command(flatten)]
    pub(crate) place: Place,
    /// FILE.npy (two dimensions), FILE.jsonl, or - for lines of JSON from stdin
    pub(crate) file: String,
    /// Create the collection first, and the store if there is none; its dimension is the file's
    #[arg(long)]
    pub(crate) create: bool,
    /// With --create, how vectors are compared: l2, cosine, dot, l1, or hamming for packed bits
    #[arg(long, requires = "create")]
    pub(crate) metric: Option<Metric>,
    /// npy: the key of the first row; the others count on from it
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) first_key: u64,
    /// npy: a file of one label for each row, which become the payloads
    #[arg(long, value_name = "FILE.npy")]
    pub(crate) labels: Option<PathBuf>,
    /// npy: the name of the labels in the payloads
    #[arg(long, value_name = "NAME", default_value = "label", requires = "labels")]
    pub(crate) label_field: String,
    /// jsonl: the field that holds the key
    #[arg(long, value_name = "NAME")]
    pub(crate) key_field: Option<String>,
    /// jsonl: the field that holds the vector
    #[arg(long, value_name = "NAME", default_value = "vector", requires = "key_field")]
    pub(crate) vector_field: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    /// The directory of the store
    pub(crate) store: PathBuf,
    /// How much to check: structure, or every byte and every record by its key
    #[arg(value_enum, default_value_t = Level::Full)]
    pub(crate) level: Level,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Level {
    Quick,
    Full,
}

impl From<Level> for VerifyLevel {
    fn from(level: Level) -> VerifyLevel {
        match level {
            Level::Quick => VerifyLevel::Quick,
            Level::Full => VerifyLevel::Full,
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// Where to build the store: a directory that does not exist yet. Default: a fresh one among the system's temporary
    /// files
    pub(crate) directory: Option<PathBuf>,
}

/// The durability that was asked for.
impl Global {
    pub(crate) fn durability(&self) -> Durability {
        self.durability.0
    }
}
