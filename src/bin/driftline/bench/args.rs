//! What may be typed behind `driftline bench`.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Subcommand;
use driftline::{IndexSpec, Metric};

use super::generate::{Form, Kind};

#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Measure indexes on a set of vectors: recall, speed, time to build, memory, disk
    Run(Box<Run>),
    /// Make a set of vectors to measure on
    Generate(Generate),
    /// Load a store with everything at once for long, and see whether anything grows
    Load(Load),
    /// Measure how often detectors of drift err, and what they find, beside fixed thresholds
    Drift(Drift),
    /// Draw the report of results that were written before
    Report(Report),
    /// Compare two files of results at equal recall
    Compare(Compare),
    /// Build and search as lines of JSON on stdin ask for, for harnesses in other languages; docs/BENCHMARKS.md says how
    Drive,
}

const RUN_EXAMPLES: &str = "\
Examples:
  driftline bench run glove-100-angular.hdf5
  driftline bench run sift/ --index hnsw --index 'hnsw(m=32)' --recall 0.9,0.95,0.99 --out sift.jsonl
  driftline bench run base.npy --queries-from query.npy --metric cosine --report report.html
  driftline bench run set/ --limit 20000 --index flat --filters none

DATA is an HDF5 file of ann-benchmarks, a folder with base, query and gt (.npy, .fvecs, .bvecs, .fbin, gzip'd or not), or
a file of vectors, of which 1000 are then taken out as queries.";

#[derive(Debug, clap::Args)]
#[command(after_help = RUN_EXAMPLES)]
pub(crate) struct Run {
    /// The set: an HDF5 file, a folder, or a file of vectors
    pub(crate) data: PathBuf,
    /// An index to measure, such as 'hnsw(m=16)'; repeat for more. Default: each kind
    #[arg(long, value_name = "SPEC", value_parser = spec)]
    pub(crate) index: Vec<IndexSpec>,
    /// Recalls to ask for, where the index is not exact
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_values_t = [0.8, 0.9, 0.95, 0.98, 0.99, 0.995])]
    pub(crate) recall: Vec<f32>,
    /// Candidate lists to search with; indexes without such lists pass it over
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    #[arg(default_values_t = [10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 640])]
    pub(crate) ef: Vec<usize>,
    /// Neighbours to ask for
    #[arg(short, long, default_value_t = 10)]
    pub(crate) k: usize,
    /// Threads of batches, each measured; single queries have one. Default: 1 and all cores
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) threads: Vec<usize>,
    /// The metric: l2, cosine, dot or l1. Default: what the set says
    #[arg(long, value_parser = driftline::bench::metric::named)]
    pub(crate) metric: Option<Metric>,
    /// A file of queries, in place of the set's own
    #[arg(long, value_name = "FILE")]
    pub(crate) queries_from: Option<PathBuf>,
    /// At most so many queries
    #[arg(long, value_name = "N")]
    pub(crate) queries: Option<usize>,
    /// Only so many rows, the first ones; their neighbours are worked out anew
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Work the neighbours out even where the set has them
    #[arg(long)]
    pub(crate) recompute_truth: bool,
    /// Passes over the queries, of which the best counts
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) rounds: usize,
    /// Shares of the rows that filters let through, in percent, or none
    #[arg(long, value_name = "LIST", default_value = "50,10,1,0.1", value_parser = shares)]
    pub(crate) filters: Shares,
    /// Draws which rows a filter lets through, and which become queries
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Append a line of JSON for each setting to this file
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Write a report with plots, one page of HTML
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Where to build the stores, which are removed afterwards. Default: among the system's temporary files
    #[arg(long, value_name = "DIR")]
    pub(crate) work: Option<PathBuf>,
}

const GENERATE_EXAMPLES: &str = "\
Examples:
  driftline bench generate set --rows 1000000 --dim 128
  driftline bench generate text --rows 200000 --dim 768 --metric cosine --kind anisotropic --out-of-distribution
  driftline bench generate big --rows 10000000 --dim 96 --truth 0 --as fvecs

The same options give the same bytes on every machine. The folder gets base, query, gt and gt_dist, and info.json.";

#[derive(Debug, clap::Args)]
#[command(after_help = GENERATE_EXAMPLES)]
pub(crate) struct Generate {
    /// The folder to write into
    pub(crate) out: PathBuf,
    /// How many rows
    #[arg(long)]
    pub(crate) rows: u64,
    /// Numbers in a row
    #[arg(long, value_name = "D")]
    pub(crate) dim: usize,
    /// What the rows look like
    #[arg(long, value_enum, default_value_t = Kind::Clustered)]
    pub(crate) kind: Kind,
    /// How many queries
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) queries: u64,
    /// Draw queries from elsewhere than the rows, as texts that ask for images
    #[arg(long)]
    pub(crate) out_of_distribution: bool,
    /// Draws everything
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// The metric: under cosine rows have length 1, under dot they differ
    #[arg(long, default_value = "l2", value_parser = driftline::bench::metric::named)]
    pub(crate) metric: Metric,
    /// Neighbours to find of each query; 0 for none, which saves most of the time
    #[arg(long, value_name = "K", default_value_t = 100)]
    pub(crate) truth: usize,
    /// The format of the files
    #[arg(long = "as", value_enum, default_value_t = Form::Npy, value_name = "FORMAT")]
    pub(crate) form: Form,
    /// Write into a folder that is not empty
    #[arg(long)]
    pub(crate) force: bool,
}

const LOAD_EXAMPLES: &str = "\
Examples:
  driftline bench load --minutes 60 --report load.html
  driftline bench load --minutes 5 --rows 20000 --dim 64 --rate 200

Threads append, rewrite, delete, get, search, search with a filter, scan, count, hold snapshots and make backups, each one
call after the other. Every answer is checked. At the end the store is opened anew and verified.";

#[derive(Debug, clap::Args)]
#[command(after_help = LOAD_EXAMPLES)]
pub(crate) struct Load {
    /// How long, in minutes
    #[arg(long, default_value_t = 60.0)]
    pub(crate) minutes: f64,
    /// Records that the store holds all the time
    #[arg(long, default_value_t = 100_000)]
    pub(crate) rows: u64,
    /// Numbers in a vector
    #[arg(long, value_name = "D", default_value_t = 128)]
    pub(crate) dim: usize,
    /// Calls a second of each thread at most. Default: as many as it can
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<NonZeroU32>,
    /// Mebibytes of rows that the store may keep in memory
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    pub(crate) memory: u64,
    /// Seconds between two looks at what is taken
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub(crate) every: u64,
    /// Draws vectors, keys and filters
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Append a line of JSON for each look to this file
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Write a report with plots, one page of HTML
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Where to build the store, which is removed afterwards. Default: among the system's temporary files
    #[arg(long, value_name = "DIR")]
    pub(crate) work: Option<PathBuf>,
}

const DRIFT_EXAMPLES: &str = "\
Examples:
  driftline bench drift --draws 500 --report drift.md
  driftline bench drift --draws 40 --dims 32 --rows 80

Embeddings and columns are drawn anew for each draw, with nothing changed and with each of several shifts; every detector
is asked at level 0.05. The same options give the same table on any number of threads. docs/DRIFT.md has one.";

#[derive(Debug, clap::Args)]
#[command(after_help = DRIFT_EXAMPLES)]
pub(crate) struct Drift {
    /// Draws of each cell of the table
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub(crate) draws: u64,
    /// Dimensions of the embeddings, each a table
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_values_t = [32, 384])]
    pub(crate) dims: Vec<usize>,
    /// Rows of either sample
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub(crate) rows: usize,
    /// Permutations of each test, at most
    #[arg(long, value_name = "N", default_value_t = 999)]
    pub(crate) permutations: u32,
    /// Draws everything
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Threads; 0 for as many as there are cores
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) threads: usize,
    /// Append a line of JSON for each table to this file, as soon as it is counted
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Write the tables as a page of Markdown
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Report {
    /// Files that `bench run --out` wrote
    #[arg(required = true)]
    pub(crate) results: Vec<PathBuf>,
    /// Where to write the page
    #[arg(short, long, value_name = "FILE", default_value = "report.html")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Compare {
    /// The results to compare with
    pub(crate) before: PathBuf,
    /// The results to judge
    pub(crate) after: PathBuf,
    /// Recalls at which to compare
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_values_t = [0.95, 0.99])]
    pub(crate) recall: Vec<f64>,
}

/// Shares of the rows, 0 to 1.
#[derive(Debug, Clone)]
pub(crate) struct Shares(pub(crate) Vec<f64>);

fn shares(text: &str) -> Result<Shares, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(Shares(Vec::new()));
    }
    let share = |word: &str| match word.trim().parse::<f64>() {
        Ok(percent) if (0.01..=100.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err(format!("{word:?} is no share of the rows; write percents of 0.01 to 100, such as 50,10,1, or none")),
    };
    text.split(',').map(share).collect::<Result<_, _>>().map(Shares)
}

fn spec(text: &str) -> Result<IndexSpec, String> {
    text.parse().map_err(|error: driftline::Error| error.to_string())
}
