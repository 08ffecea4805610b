//! What is said of two samples of vectors: tests, effects, and the rows and dimensions that show it.

use serde::{Deserialize, Serialize};

use crate::mlops::drift::method::Test;
use crate::mlops::drift::verdict::{Note, Verdict};

/// What two samples of vectors look like beside each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EmbeddingVerdict {
    /// Both in one word.
    pub verdict: Verdict,
    /// Whether the combined p is at most the level.
    pub drift: bool,
    /// Whether there is drift, and an effect reaches its floor.
    pub alarm: bool,
    /// The four p-values as one, by their [harmonic mean](crate::stats::harmonic); none where there were too few rows.
    pub p: Option<f64>,
    /// What p is held against.
    pub level: f64,
    /// Energy, neighbours, dimensions and novelty, in this order.
    pub tests: Vec<TestOutcome>,
    /// How large the difference is; none where there were too few rows.
    pub effects: Option<Effects>,
    /// Tests made on request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra: Vec<TestOutcome>,
    /// The dimensions that differ most, the surest first.
    pub dimensions: Vec<DriftedDimension>,
    /// The current rows that lie farthest from the reference, among those that are novel.
    pub novel: Vec<NovelRow>,
    /// Rows of the reference.
    pub reference_rows: u64,
    /// Current rows.
    pub current_rows: u64,
    /// Numbers of a row.
    pub dimension: u64,
    /// What else is to be known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

/// A test that was made.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TestOutcome {
    /// Which.
    pub test: Test,
    /// What it measured.
    pub statistic: f64,
    /// Its own p; none for a distance without one.
    pub p: Option<f64>,
    /// Its p adjusted over the four tests of the verdict by Holm, which tells who of them has something to report.
    pub adjusted_p: Option<f64>,
    /// Permutations that were drawn, where it permutes.
    pub permutations: Option<u32>,
}

/// How far apart two samples of vectors are, in measures that do not grow with the number of rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Effects {
    /// The unbiased energy over twice the mean distance between the samples: about 0 without drift, 1 for samples apart.
    pub energy_coefficient: f64,
    /// The floor it is held against.
    pub energy_floor: f64,
    /// How much more often a neighbour carries its own label than chance explains.
    pub neighbor_excess: f64,
    /// The share of dimensions with an adjusted p of at most 0.05.
    pub drifted_dimensions: f64,
    /// 1 - cosine of the mean vectors; none where one is 0.
    pub centroid_cosine: Option<f64>,
    /// Its p by permutation.
    pub centroid_p: Option<f64>,
    /// The share of current rows farther from the reference than 99 % of the reference: 0.01 without drift.
    pub novelty_share: f64,
    /// The floor it is held against.
    pub novelty_floor: f64,
    /// The chance of so many novel rows without drift.
    pub novelty_p: f64,
}

/// A dimension, and how its numbers differ.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DriftedDimension {
    /// Which, counted from 0.
    pub dimension: u64,
    /// The largest gap between the distribution functions.
    pub statistic: f64,
    /// Its p.
    pub p: f64,
    /// The same, adjusted over all dimensions.
    pub adjusted_p: f64,
    /// Mean over the reference.
    pub reference_mean: f64,
    /// Mean over the current rows.
    pub current_mean: f64,
}

/// A current row that lies where the reference has none, and the reference rows nearest to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NovelRow {
    /// Which of the current rows, counted from 0.
    pub row: u64,
    /// Its distance from its k-th nearest reference row.
    pub distance: f64,
    /// The nearest reference rows, counted from 0, each with its distance.
    pub nearest: Vec<(u64, f64)>,
}
