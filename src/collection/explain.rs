//! What a query did and why, for people and as JSON.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::collection::hits::{Completeness, Hits, QueryStats};

/// A page of memory, in which the operating system reads files.
const PAGE_BYTES: u64 = 4096;

/// What a query did: its plan, each segment it looked into, what it cost, and what would make it cheaper.
///
/// `Display` prints it for people, serde as JSON. The query was run: the figures are counts, not estimates.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Explain {
    /// The collection.
    pub collection: String,
    /// How the neighbours were found: `exact`, or `approximate` where a segment was searched through its index.
    pub plan: &'static str,
    /// How many neighbours were wanted.
    pub k: usize,
    /// The radius, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<f32>,
    /// The filter, in its canonical form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Rows of all segments, deleted ones included.
    pub rows: u64,
    /// Rows that the search was left to choose from: live and, with a filter, let through.
    pub candidates: u64,
    /// `candidates` of `rows`, 0 to 1.
    pub selectivity: f64,
    /// How many hits there were.
    pub hits: usize,
    /// Whether they are all there is.
    pub completeness: Completeness,
    /// What it cost in all.
    pub stats: QueryStats,
    /// Pages of 4 KiB that the vectors and codes read fill.
    pub pages: u64,
    /// Segment by segment, in the order they were searched.
    pub segments: Vec<SegmentExplain>,
    /// What would make the query cheaper, if anything.
    pub advice: Vec<String>,
}

/// What a query did in one segment.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[non_exhaustive]
pub struct SegmentExplain {
    /// Its file, or `memory`.
    pub name: String,
    /// Its rows, deleted ones included.
    pub rows: u64,
    /// Rows that were live and, with a filter, let through.
    pub candidates: u64,
    /// The index it was searched through; none where each row was compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
    /// Fields of the filter that an index answered.
    pub by_index: Vec<String>,
    /// Fields of the filter that were read from payloads.
    pub by_payload: Vec<String>,
    /// Rows whose payloads the filter read.
    pub evaluated: u64,
    /// Rows looked at.
    pub visited: u64,
    /// Distances computed from whole vectors.
    pub distances: u64,
    /// Distances estimated from codes.
    pub code_distances: u64,
    /// Bytes of vectors and codes read.
    pub bytes: u64,
    /// Time spent in it.
    #[serde(rename = "elapsed_us", serialize_with = "crate::collection::hits::as_micros")]
    pub elapsed: Duration,
}

/// What a query asked for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) collection: String,
    pub(crate) k: usize,
    pub(crate) within: Option<f32>,
    pub(crate) filter: Option<String>,
}

impl Explain {
    pub(crate) fn new(asked: Asked, answer: &Hits, segments: Vec<SegmentExplain>) -> Explain {
        let Asked { collection, k, within, filter } = asked;
        let rows: u64 = segments.iter().map(|segment| segment.rows).sum();
        let candidates: u64 = segments.iter().map(|segment| segment.candidates).sum();
        let mut explain = Explain {
            collection,
            plan: if segments.iter().any(|segment| segment.index.is_some()) { "approximate" } else { "exact" },
            k,
            within,
            filter,
            rows,
            candidates,
            selectivity: if rows == 0 { 1.0 } else { candidates as f64 / rows as f64 },
            hits: answer.len(),
            completeness: answer.completeness,
            stats: answer.stats,
            pages: answer.stats.bytes.div_ceil(PAGE_BYTES),
            segments,
            advice: Vec::new(),
        };
        explain.advice = explain.advise();
        explain
    }

    fn advise(&self) -> Vec<String> {
        let mut advice = Vec::new();
        let sealed = || self.segments.iter().filter(|segment| segment.name != MEMORY);
        let mut unindexed: Vec<&str> = sealed().flat_map(|segment| &segment.by_payload).map(String::as_str).collect();
        unindexed.sort_unstable();
        unindexed.dedup();
        if !unindexed.is_empty() && self.stats.evaluated > 0 {
            advice.push(format!(
                "the payloads of {} rows were read for {}: no index of every segment answers that part of the filter; \
                 declare the field in the schema of a new collection, or compare it in a way an index can answer",
                self.stats.evaluated,
                unindexed.join(", ")
            ));
        }
        let in_memory: u64 = self.segments.iter().filter(|segment| segment.name == MEMORY).map(|it| it.rows).sum();
        if self.filter.is_some() && in_memory > self.rows / 4 && in_memory > 1000 {
            advice.push(format!("{in_memory} rows are not in files yet and have no field indexes: flush the store"));
        }
        if self.segments.len() > 8 {
            advice.push(format!("{} segments were searched: compact the collection", self.segments.len()));
        }
        if self.candidates * 2 < self.rows && self.filter.is_none() && self.rows > 1000 {
            advice.push("more than half of the rows are deleted or expired: compact the collection".into());
        }
        if self.completeness == Completeness::BudgetHit {
            advice.push("the deadline ended the search: allow more time, or narrow it with a filter".into());
        }
        advice
    }
}

/// The name of a segment that is in no file.
pub(crate) const MEMORY: &str = "memory";

impl fmt::Display for Explain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "find in {}: {} nearest, {}", self.collection, self.k, self.plan)?;
        if let Some(within) = self.within {
            write!(f, ", within {within}")?;
        }
        writeln!(f)?;
        if let Some(filter) = &self.filter {
            writeln!(f, "  filter      {filter}")?;
        }
        let share = self.selectivity * 100.0;
        writeln!(f, "  candidates  {} of {} rows ({share:.3} %)", self.candidates, self.rows)?;
        let QueryStats { visited, distances, code_distances, evaluated, bytes, elapsed, .. } = self.stats;
        writeln!(f, "  visited     {visited} rows, {code_distances} distances from codes, {distances} from vectors")?;
        writeln!(f, "  read        {bytes} bytes of vectors ({} pages), {evaluated} payloads", self.pages)?;
        writeln!(f, "  answer      {} hits, {} in {:.3} ms", self.hits, self.completeness, millis(elapsed))?;
        for segment in &self.segments {
            writeln!(f, "  {segment}")?;
        }
        self.advice.iter().try_for_each(|advice| writeln!(f, "  advice      {advice}"))
    }
}

impl fmt::Display for SegmentExplain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<11} {} of {} rows", self.name, self.candidates, self.rows)?;
        if let Some(index) = &self.index {
            write!(f, ", through {index}")?;
        }
        if !self.by_index.is_empty() {
            write!(f, ", by index: {}", self.by_index.join(", "))?;
        }
        if !self.by_payload.is_empty() {
            write!(f, ", by payload: {} ({} read)", self.by_payload.join(", "), self.evaluated)?;
        }
        let (codes, vectors) = (self.code_distances, self.distances);
        write!(f, "; {codes} code and {vectors} vector distances; {:.3} ms", millis(self.elapsed))
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
