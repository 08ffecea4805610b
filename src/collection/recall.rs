//! How many of the nearest an index finds, for people and as JSON.

use std::fmt;

use serde::Serialize;

use crate::collection::hits::QueryStats;
use crate::collection::measure::Tally;
use crate::collection::view::CollectionView;

/// How far on both sides of a mean 95 % of a normal distribution lie, in standard deviations.
const NORMAL_95: f64 = 1.96;

/// How the index of a collection compares with the exact answer, as [`Recall::run`](crate::Recall::run) found it.
///
/// `Display` prints it for people, serde as JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RecallReport {
    /// The collection.
    pub collection: String,
    /// How many neighbours were asked for.
    pub k: usize,
    /// How hard the index was to try: `recall 0.95`, `ef 200` or `exact`.
    pub effort: String,
    /// Where the queries came from.
    pub source: QuerySource,
    /// The filter that all were asked with, in its canonical form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// What was found among all records, or all that the filter lets through; `None` where no query has an answer.
    pub recall: Option<RecallFigures>,
    /// What was found among records picked by chance, in place of a filter that lets as many through. A filter whose
    /// records lie far from the query is harder.
    pub by_selectivity: Vec<RecallFigures>,
    /// Which rows have indexes.
    pub coverage: Coverage,
    /// Whether all was measured that was asked for; a deadline may have ended it.
    pub complete: bool,
}

/// Which rows of a collection have indexes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Coverage {
    /// The indexes of its files, each kind once. Empty where all rows are compared.
    pub kinds: Vec<String>,
    /// Rows in files that have an index.
    pub indexed_rows: u64,
    /// Rows of all segments, deleted ones included.
    pub rows: u64,
    /// Rows that no search through an index gets to.
    pub unreachable: u64,
}

/// Where the queries of a measurement come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum QuerySource {
    /// Stored records, each left out of its own answer.
    Stored,
    /// The caller.
    Supplied,
}

/// Recall over some queries.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RecallFigures {
    /// Which share of the live records there was to choose from, 0 to 1.
    pub selectivity: f64,
    /// How many records that are.
    pub candidates: u64,
    /// Queries that were measured; those to which there is no answer do not count.
    pub queries: u64,
    /// The share of the k nearest that was found, on average over the queries. What is as near as the k-th counts as
    /// found.
    pub mean: f64,
    /// Where a 95 % confidence interval of the mean begins: normal, from the spread of the queries, cut off at 0 and 1. It
    /// has no width where all queries found the same share, however few they were.
    pub low: f64,
    /// Where it ends.
    pub high: f64,
    /// The least of any query.
    pub minimum: f64,
    /// How many queries found so little.
    pub at_minimum: u64,
    /// What 5 % of the queries do not exceed.
    pub p5: f64,
    /// What a query took, on average.
    pub cost: QueryCost,
    /// What its exact answer took.
    pub exact_cost: QueryCost,
}

/// What a query takes, on average over several.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[non_exhaustive]
pub struct QueryCost {
    /// Distances from whole vectors.
    pub distances: f64,
    /// Distances estimated from codes.
    pub code_distances: f64,
    /// Bytes of vectors and codes read.
    pub bytes: f64,
}

impl Coverage {
    /// Of a collection as it stands.
    pub(crate) fn of(view: &CollectionView) -> Coverage {
        let mut coverage = Coverage::default();
        for segment in &view.sealed {
            let rows = u64::from(segment.file().rows());
            coverage.rows += rows;
            let Some((kind, index)) = segment.index().and_then(|index| Some((&index.entry().spec, index.usable()?)))
            else {
                continue;
            };
            coverage.indexed_rows += rows;
            coverage.unreachable += u64::from(index.facts().unreachable);
            if !coverage.kinds.contains(kind) {
                coverage.kinds.push(kind.clone());
            }
        }
        coverage.kinds.sort();
        coverage.rows += view.in_memory().map(|segment| u64::from(segment.rows())).sum::<u64>();
        coverage
    }
}

impl RecallFigures {
    /// The figures of a tally; none where no query had an answer.
    pub(crate) fn new(tally: &Tally, candidates: u64, live: u64) -> Option<RecallFigures> {
        let mut recalls = tally.recalls.clone();
        recalls.sort_by(f64::total_cmp);
        let minimum = *recalls.first()?;
        let count = recalls.len() as f64;
        let mean = recalls.iter().sum::<f64>() / count;
        let squares: f64 = recalls.iter().map(|recall| (recall - mean).powi(2)).sum();
        // Of one query alone nothing is known of the spread.
        let deviation = if recalls.len() > 1 { (squares / (count - 1.0)).sqrt() } else { f64::INFINITY };
        let half = NORMAL_95 * deviation / count.sqrt();
        let fifth = (recalls.len().div_ceil(20)).saturating_sub(1);
        Some(RecallFigures {
            selectivity: if live == 0 { 1.0 } else { candidates as f64 / live as f64 },
            candidates,
            queries: recalls.len() as u64,
            mean,
            low: (mean - half).max(0.0),
            high: (mean + half).min(1.0),
            minimum,
            at_minimum: recalls.iter().filter(|recall| **recall == minimum).count() as u64,
            p5: recalls[fifth],
            cost: QueryCost::of(&tally.asked, count),
            exact_cost: QueryCost::of(&tally.exact, count),
        })
    }

    /// Bytes that a query reads for each that its exact answer does. Unlike distances, which are not all of one kind, bytes
    /// can be compared.
    pub fn bytes_ratio(&self) -> f64 {
        self.cost.bytes / self.exact_cost.bytes.max(1.0)
    }
}

impl QueryCost {
    fn of(stats: &QueryStats, queries: f64) -> QueryCost {
        let each = |sum: u64| sum as f64 / queries;
        let QueryStats { distances, code_distances, bytes, .. } = *stats;
        QueryCost { distances: each(distances), code_distances: each(code_distances), bytes: each(bytes) }
    }
}

impl fmt::Display for RecallReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queries = self.recall.map_or(0, |figures| figures.queries);
        let source = if self.source == QuerySource::Stored { "stored" } else { "supplied" };
        let RecallReport { collection, k, effort, .. } = self;
        writeln!(f, "recall of {collection}: {queries} {source} queries, k {k}, {effort}")?;
        if let Some(filter) = &self.filter {
            writeln!(f, "  filter      {filter}")?;
        }
        match &self.recall {
            Some(figures) => write!(f, "{figures}")?,
            None => writeln!(f, "  recall      nothing was measured")?,
        }
        writeln!(f, "  index       {}", self.coverage)?;
        for figures in &self.by_selectivity {
            let RecallFigures { mean, low, high, minimum, candidates, .. } = figures;
            let share = format!("{:.3} %", figures.selectivity * 100.0);
            let cost = figures.bytes_ratio() * 100.0;
            writeln!(
                f,
                "  of {share:<9}{mean:.4} ({low:.4} to {high:.4}), least {minimum:.3}, {cost:.1} % of the bytes; \
                 {candidates} records by chance"
            )?;
        }
        if self.complete { Ok(()) } else { writeln!(f, "  not complete: the time was up") }
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Coverage { kinds, indexed_rows, rows, unreachable } = self;
        if kinds.is_empty() {
            return write!(f, "none: all of {rows} rows are compared");
        }
        write!(f, "{}: {indexed_rows} of {rows} rows have one, {unreachable} out of reach", kinds.join(", "))
    }
}

impl fmt::Display for RecallFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RecallFigures { selectivity, candidates, mean, low, high, minimum, at_minimum, p5, cost, .. } = self;
        writeln!(f, "  candidates  {candidates} records ({:.3} %)", selectivity * 100.0)?;
        writeln!(f, "  recall      {mean:.4} on average, 95 % interval {low:.4} to {high:.4}")?;
        writeln!(f, "  least       {minimum:.3} for {at_minimum} of {}; 5 % have at most {p5:.3}", self.queries)?;
        let QueryCost { code_distances: codes, distances: vectors, .. } = *cost;
        writeln!(f, "  cost        {codes:.0} code and {vectors:.0} vector distances a query")?;
        let QueryCost { code_distances: codes, distances: vectors, .. } = self.exact_cost;
        let share = self.bytes_ratio() * 100.0;
        writeln!(
            f,
            "  exact       {codes:.0} code and {vectors:.0} vector distances; the index reads {share:.1} % of its bytes"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(recalls: &[f64]) -> RecallFigures {
        let tally = Tally { recalls: recalls.to_vec(), ..Tally::default() };
        RecallFigures::new(&tally, 50, 200).unwrap()
    }

    #[test]
    fn the_figures_are_those_of_the_queries() {
        let seen = figures(&[1.0, 0.5, 1.0, 0.9, 0.5]);
        assert!((seen.mean - 0.78).abs() < 1e-12);
        // The standard deviation is 0.2588, that of the mean 0.1158.
        assert!((seen.low - 0.5532).abs() < 1e-3 && seen.high == 1.0, "{seen:?}");
        assert_eq!((seen.minimum, seen.at_minimum, seen.queries), (0.5, 2, 5));
        assert_eq!((seen.selectivity, seen.candidates), (0.25, 50));
        let many: Vec<f64> = (1..=100).map(|n| f64::from(n) / 100.0).collect();
        assert_eq!((figures(&many).p5, figures(&many[..20]).p5, figures(&many[..21]).p5), (0.05, 0.01, 0.02));
    }

    #[test]
    fn an_interval_stays_between_nothing_and_all() {
        let one = figures(&[0.9]);
        assert_eq!((one.low, one.high), (0.0, 1.0), "one query tells nothing of the others");
        let same = figures(&[1.0; 30]);
        assert_eq!((same.low, same.high, same.p5), (1.0, 1.0, 1.0));
        assert!(RecallFigures::new(&Tally::default(), 0, 0).is_none());
    }
}
