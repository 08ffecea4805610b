//! What is said of one feature: the numbers, and what follows from them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::embedding::EmbeddingVerdict;
use super::method::{Method, Scale, Test};
use super::verdict::{Counts, Note, Verdict};

/// What changed, where something did. The kinds are never mixed: each calls for another answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DriftKind {
    /// What goes into a model, or any field of a record.
    #[default]
    Feature,
    /// What comes out of a model.
    Prediction,
    /// How often or how far a model errs at what comes in: needs labels.
    Concept,
    /// Whole vectors.
    Embedding,
}

/// Which baseline a result was held against.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BaselineRef {
    /// Its name.
    pub name: String,
    /// Its version, counted from 1.
    pub version: u64,
}

/// How far apart two samples are, in a measure of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// What is measured, such as `wasserstein/std`.
    pub name: String,
    /// How much of it; none where it has no value, such as a shift over a deviation of 0.
    pub value: Option<f64>,
    /// How much is needed for an alarm.
    pub floor: f64,
}

impl Effect {
    /// Whether it is large enough to matter. What cannot be measured is taken to matter.
    pub fn matters(&self) -> bool {
        self.value.is_none_or(|value| value >= self.floor)
    }
}

/// What a detector says of one feature.
///
/// `drift` says that chance does not explain the difference; `alarm` says beside that that it is large enough to matter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DriftResult {
    /// The feature.
    pub feature: String,
    /// What kind of thing it is.
    pub kind: DriftKind,
    /// The method that was asked for.
    pub method: Method,
    /// The test that was made.
    pub test: Test,
    /// What the threshold is measured on.
    pub scale: Scale,
    /// What p, or the statistic where there is no p, is held against, on that scale.
    pub threshold: f64,
    /// The level that the adjusted p is held against.
    pub level: f64,
    /// The statistic; none where nothing was judged or it has no finite value.
    pub statistic: Option<f64>,
    /// The p-value; none where the method has none.
    pub p: Option<f64>,
    /// The p-value adjusted over all features that were judged together.
    pub adjusted_p: Option<f64>,
    /// How large the difference is.
    pub effect: Effect,
    /// Rows of the reference.
    pub reference: Counts,
    /// Rows of the current sample.
    pub current: Counts,
    /// Whether there is drift: adjusted p at most the level, or, without a p, the statistic at least the threshold.
    pub drift: bool,
    /// Whether there is drift and its effect reaches its floor.
    pub alarm: bool,
    /// Both in one word.
    pub verdict: Verdict,
    /// What else is to be known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// The baseline that was the reference, where one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<BaselineRef>,
    /// For vectors judged by [`Method::Auto`]: all tests, effects and evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding: Option<Box<EmbeddingVerdict>>,
}

impl fmt::Display for DriftKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DriftKind::Feature => "feature",
            DriftKind::Prediction => "prediction",
            DriftKind::Concept => "concept",
            DriftKind::Embedding => "embedding",
        })
    }
}

impl fmt::Display for BaselineRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} version {}", self.name, self.version)
    }
}
