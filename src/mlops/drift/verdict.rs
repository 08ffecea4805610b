//! The words of a verdict: what is to be thought of two samples, of how many rows, and what else to know.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::method::Test;

/// What is to be thought of a feature, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// Too few rows, or no column, to say anything.
    Insufficient,
    /// No drift.
    Stable,
    /// Drift that is too small to matter.
    Drift,
    /// Drift that matters.
    Alarm,
}

/// Rows of one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Counts {
    /// Rows that were judged.
    pub rows: u64,
    /// Rows without a value, or with one that is no number where most are.
    pub missing: u64,
    /// Rows whose value is `NaN` or infinite, or a vector with such a number.
    pub not_finite: u64,
}

/// Something to know about a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Note {
    /// One side has fewer rows than a verdict needs.
    FewRows,
    /// The column is in neither sample, or in one of them only.
    MissingColumn,
    /// One sample has numbers, the other categories or vectors: every row of the one differs from those of the other.
    TypeChanged,
    /// All values of both samples are equal.
    Constant,
    /// All values of the reference are equal, and the current ones are not.
    ConstantReference,
    /// The share of rows without a value has changed.
    MissingShareChanged,
    /// Values repeat, so p is an upper bound.
    Ties,
    /// The reference repeats values so much that it gives fewer bins than were asked for.
    DegenerateBins,
    /// A bin or category is empty on one side, so that the floor decides part of the statistic.
    Floored,
    /// More than a fifth of the expected counts are below 5; p comes from an exact or a permutation test.
    SmallExpectedCounts,
    /// So many rows have categories that the reference does not have.
    UnseenCategories(u64),
    /// There are too many categories; the rarest were put together.
    RareCategoriesJoined,
    /// The samples are too large to be permuted, so there is no p.
    NoPermutations,
    /// A mean vector is 0 and has no direction.
    NoDirection,
    /// There are fewer rows than this test needs; it was left out.
    TestLeftOut(Test),
    /// At which of the current rows it shows that the error changed, counted from 0.
    ChangedAt(u64),
}

impl Verdict {
    /// What follows for a feature of which there is, or is not, enough to say something.
    pub(super) fn of(enough: bool, drift: bool, alarm: bool) -> Verdict {
        match (enough, drift, alarm) {
            (false, ..) => Verdict::Insufficient,
            (true, _, true) => Verdict::Alarm,
            (true, true, false) => Verdict::Drift,
            (true, false, false) => Verdict::Stable,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Insufficient => "insufficient",
            Verdict::Stable => "stable",
            Verdict::Drift => "drift",
            Verdict::Alarm => "alarm",
        })
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::FewRows => f.write_str("too few rows"),
            Note::MissingColumn => f.write_str("the column is missing"),
            Note::TypeChanged => f.write_str("values of another type"),
            Note::Constant => f.write_str("constant"),
            Note::ConstantReference => f.write_str("the reference is constant"),
            Note::MissingShareChanged => f.write_str("the share of missing values has changed"),
            Note::Ties => f.write_str("ties: p is an upper bound"),
            Note::DegenerateBins => f.write_str("the reference repeats values: fewer bins"),
            Note::Floored => f.write_str("an empty bin: the floor decides part of it"),
            Note::SmallExpectedCounts => f.write_str("small expected counts: exact or permuted p"),
            Note::UnseenCategories(rows) => write!(f, "{rows} rows of unseen categories"),
            Note::RareCategoriesJoined => f.write_str("rare categories were put together"),
            Note::NoPermutations => f.write_str("too large to be permuted: no p"),
            Note::NoDirection => f.write_str("a mean vector is 0"),
            Note::TestLeftOut(test) => write!(f, "{test} was left out: too few rows"),
            Note::ChangedAt(row) => write!(f, "the change of the error shows at row {row}"),
        }
    }
}
