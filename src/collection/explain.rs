//! What a query did and what the exact answer would have taken, for people and as JSON.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::collection::hits::{Completeness, Hits, QueryStats};
use crate::index::{Effort, Found};

/// A page of memory, in which the operating system reads files.
const PAGE_BYTES: u64 = 4096;

/// What a query did: its plan, each segment it looked into, what it cost, and what would make it cheaper.
///
/// `Display` prints it for people, serde as JSON. The query was run: the figures are counts, not estimates, but for
/// those of [`Explain::exact`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Explain {
    /// The collection.
    pub collection: String,
    /// How the neighbours were found: `exact`, or `approximate` where a segment was searched through its index.
    pub plan: &'static str,
    /// How many neighbours were wanted.
    pub k: usize,
    /// How hard an index was to try: `recall 0.95`, `ef 200` or `exact`.
    pub effort: String,
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
    /// What comparing with every candidate would have cost.
    pub exact: ExactCost,
    /// Segment by segment, in the order they were searched.
    pub segments: Vec<SegmentExplain>,
    /// What would make the query cheaper, or its answer better, if anything.
    pub advice: Vec<String>,
}

/// What comparing with every row costs that is live and passes the filter. An estimate: where codes come first, it counts
/// as many whole vectors as neighbours are wanted, and a search may read some more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct ExactCost {
    /// Distances from whole vectors.
    pub distances: u64,
    /// Distances estimated from codes.
    pub code_distances: u64,
    /// Bytes of vectors and codes to be read.
    pub bytes: u64,
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
    /// How it was searched: `exact`, or what of its index was gone through.
    pub plan: String,
    /// The index it has, if that can be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
    /// The index it is to have and has not yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub awaits: Option<String>,
    /// Why its index is not used, when that is damaged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
    /// The highest recall that was measured when its index was built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reaches: Option<f32>,
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
    /// What comparing with every candidate would have cost.
    pub exact: ExactCost,
    /// Time spent in it.
    #[serde(rename = "elapsed_us", serialize_with = "crate::collection::hits::as_micros")]
    pub elapsed: Duration,
    /// Near rows may have been missed.
    #[serde(skip)]
    pub(crate) approximate: bool,
}

/// What a query asked for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) collection: String,
    pub(crate) k: usize,
    pub(crate) effort: Effort,
    pub(crate) within: Option<f32>,
    pub(crate) filter: Option<String>,
}

impl Explain {
    pub(crate) fn new(asked: Asked, answer: &Hits, segments: Vec<SegmentExplain>) -> Explain {
        let Asked { collection, k, effort, within, filter } = asked;
        let rows: u64 = segments.iter().map(|segment| segment.rows).sum();
        let candidates: u64 = segments.iter().map(|segment| segment.candidates).sum();
        let approximate = segments.iter().any(|segment| segment.approximate);
        Explain {
            collection,
            plan: if approximate { "approximate" } else { "exact" },
            k,
            effort: effort.to_string(),
            within,
            filter,
            rows,
            candidates,
            selectivity: if rows == 0 { 1.0 } else { candidates as f64 / rows as f64 },
            hits: answer.len(),
            completeness: answer.completeness,
            stats: answer.stats,
            pages: answer.stats.bytes.div_ceil(PAGE_BYTES),
            exact: segments.iter().map(|segment| segment.exact).fold(ExactCost::default(), ExactCost::and),
            segments,
            advice: Vec::new(),
        }
    }

    /// Segments that lie in files.
    pub(crate) fn sealed(&self) -> impl Iterator<Item = &SegmentExplain> {
        self.segments.iter().filter(|segment| segment.name != MEMORY)
    }

    /// Rows that are in no file yet.
    pub(crate) fn rows_in_memory(&self) -> u64 {
        self.rows - self.sealed().map(|segment| segment.rows).sum::<u64>()
    }

    /// Whether a segment was searched through its index.
    pub(crate) fn is_approximate(&self) -> bool {
        self.segments.iter().any(|segment| segment.approximate)
    }
}

impl ExactCost {
    /// What an index counted as its cost.
    pub(crate) fn of(found: &Found) -> ExactCost {
        ExactCost { distances: found.distances, code_distances: found.code_distances, bytes: found.bytes }
    }

    pub(crate) fn and(self, other: ExactCost) -> ExactCost {
        ExactCost {
            distances: self.distances + other.distances,
            code_distances: self.code_distances + other.code_distances,
            bytes: self.bytes + other.bytes,
        }
    }
}

/// The name of a segment that is in no file.
pub(crate) const MEMORY: &str = "memory";

impl fmt::Display for Explain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "find in {}: {} nearest, {}", self.collection, self.k, self.plan)?;
        if self.is_approximate() {
            write!(f, " ({})", self.effort)?;
        }
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
        if self.is_approximate() {
            writeln!(f, "  exact       {} (this read {})", self.exact, size(bytes))?;
        }
        writeln!(f, "  answer      {} hits, {} in {:.3} ms", self.hits, self.completeness, millis(elapsed))?;
        for segment in &self.segments {
            writeln!(f, "  {segment}")?;
        }
        self.advice.iter().try_for_each(|advice| writeln!(f, "  advice      {advice}"))
    }
}

impl fmt::Display for ExactCost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("would compare ")?;
        match (self.code_distances, self.distances) {
            (0, vectors) => write!(f, "{vectors} vectors")?,
            (codes, vectors) => write!(f, "{codes} codes and {vectors} vectors or some more")?,
        }
        write!(f, ", and read {}", size(self.bytes))
    }
}

impl fmt::Display for SegmentExplain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<11} {} of {} rows, {}", self.name, self.candidates, self.rows, self.plan)?;
        if let Some(index) = &self.index {
            write!(f, ", index {index}")?;
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

/// Bytes as people read them, in thousands.
pub(crate) fn size(bytes: u64) -> String {
    match bytes as f64 {
        large if large >= 1e9 => format!("{:.1} GB", large / 1e9),
        large if large >= 1e6 => format!("{:.1} MB", large / 1e6),
        large if large >= 1e3 => format!("{:.1} kB", large / 1e3),
        _ => format!("{bytes} bytes"),
    }
}
