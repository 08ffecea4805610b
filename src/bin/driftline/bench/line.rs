//! One line of JSON for each setting that was measured. Reports and comparisons read nothing else, so a line holds all
//! that is needed to say what was measured, on what, and by which program.

use std::path::Path;

use driftline::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use super::effort::Effort;
use crate::files;

/// The number of this form of a line.
pub(crate) const SCHEMA: u32 = 1;

/// A setting and what it gave. Times are in seconds unless a name says otherwise, sizes in bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) schema: u32,
    /// Seconds since 1970.
    pub(crate) when: i64,
    pub(crate) dataset: Set,
    pub(crate) engine: Engine,
    pub(crate) machine: Machine,
    pub(crate) index: Index,
    pub(crate) build: Build,
    pub(crate) memory: Memory,
    pub(crate) query: Asked,
    pub(crate) recall: Recall,
    pub(crate) qps: Rate,
    pub(crate) lat_us: Latency,
    /// Distances of whole vectors, on average.
    pub(crate) dist_per_query: f64,
    /// Distances of codes, on average.
    pub(crate) code_dist_per_query: f64,
    pub(crate) visited_per_query: f64,
    /// Payloads that filters read, on average.
    pub(crate) evaluated_per_query: f64,
    /// Bytes of vectors and codes, on average.
    pub(crate) bytes_read: f64,
    /// Answers with fewer rows than there were to be had.
    pub(crate) short_answers: usize,
    pub(crate) cold: Cold,
    pub(crate) seed: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Set {
    pub(crate) name: String,
    pub(crate) n: usize,
    pub(crate) d: usize,
    pub(crate) metric: String,
    /// Of rows and queries.
    pub(crate) sha256: String,
    /// Whether the neighbours were worked out or came with the set, and a name for them.
    pub(crate) truth: String,
    pub(crate) truth_sha256: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Engine {
    pub(crate) version: String,
    /// What `DRIFTLINE_COMMIT` says, when the program is built or run.
    pub(crate) commit: Option<String>,
    pub(crate) profile: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    /// What the processor can do that matters here.
    pub(crate) simd: Vec<String>,
    pub(crate) cores: usize,
    pub(crate) ram: u64,
    pub(crate) kernel: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Index {
    /// The text form, which holds all parameters that differ from the defaults.
    pub(crate) spec: String,
    /// The first word of it.
    pub(crate) kind: String,
    /// How it lies in its file, where its kind has a choice.
    pub(crate) layout: Option<String>,
    /// Rows it is over: 0 where every row is compared.
    pub(crate) rows: u64,
    /// Its file.
    pub(crate) bytes: u64,
    /// Rows that no search through it gets to.
    pub(crate) unreachable: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Build {
    /// From the first row to the last one indexed.
    pub(crate) s: f64,
    /// Of that, writing the rows and merging them into one file.
    pub(crate) rows_s: f64,
    /// Of that, indexing them.
    pub(crate) index_s: f64,
    pub(crate) threads: usize,
    /// Time of all threads.
    pub(crate) cpu_s: f64,
    /// The most memory that was taken meanwhile, beside the rows that were given.
    pub(crate) peak_rss: u64,
    /// All files of the store.
    pub(crate) disk: u64,
    pub(crate) bytes_per_vector: f64,
    pub(crate) rows_per_s: f64,
}

/// What searching took, once all queries had been run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// Of its own.
    pub(crate) anon: u64,
    /// Of files that are mapped, which the system takes back when it needs them elsewhere.
    pub(crate) mapped: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) k: usize,
    pub(crate) effort: Effort,
    pub(crate) threads: usize,
    pub(crate) queries: usize,
    /// The filter and what it is like: `random`, `near` or `far`.
    pub(crate) filter: Option<String>,
    pub(crate) filter_kind: Option<String>,
    /// The share of the rows that it lets through.
    pub(crate) filter_selectivity: f64,
    pub(crate) rounds: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Recall {
    pub(crate) mean: f64,
    /// What one query in twenty falls below.
    pub(crate) p05: f64,
    pub(crate) min: f64,
    /// Where the mean of all such queries is, 19 times in 20.
    pub(crate) ci95: [f64; 2],
}

/// Queries a second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rate {
    /// One call for each.
    pub(crate) single: f64,
    /// One call for all.
    pub(crate) batch: Option<f64>,
}

/// Of single queries, in microseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
    /// How many took up to so long, and longer than the one before.
    pub(crate) histogram: Vec<(f64, u64)>,
}

/// The first steps with a store that was not open; its files were written a moment ago.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cold {
    pub(crate) open_ms: f64,
    pub(crate) first_query_ms: f64,
}

/// All lines of a file.
pub(crate) fn read(path: &Path) -> Result<Vec<Line>> {
    let name = path.display().to_string();
    let text = files::text(&name)?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let lines = lines.map(|(number, line)| {
        let refuse = |message| {
            let mend = "give a file that `driftline bench run --out` of this version wrote";
            Error::new(ErrorKind::Invalid, message).at(format!("{name}, line {}", number + 1)).mend(mend)
        };
        let line: Line = serde_json::from_str(line).map_err(|error| refuse(format!("it is no result: {error}")))?;
        match line.schema {
            SCHEMA => Ok(line),
            schema => Err(refuse(format!("the result is of form {schema}, and this program reads {SCHEMA}"))),
        }
    });
    lines.collect()
}
