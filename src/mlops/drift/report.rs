//! What a check of a subject found.

use serde::{Deserialize, Serialize};

use super::result::{BaselineRef, DriftResult};
use super::subject::Subject;
use super::verdict::Verdict;
use crate::clock::Timestamp;
use crate::mlops::times::TimeRange;

/// What the current rows of a subject were held against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReferenceOf {
    /// Rows of the same subject from another time.
    Times(TimeRange),
    /// A stored baseline.
    Baseline(BaselineRef),
}

/// What a check found: a result for every feature, and what follows for the whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DriftReport {
    /// What was looked at.
    pub subject: Subject,
    /// The time whose rows were judged.
    pub current: TimeRange,
    /// What they were held against.
    pub reference: ReferenceOf,
    /// The worst of the results.
    pub verdict: Verdict,
    /// Whether any feature drifted.
    pub drift: bool,
    /// Whether any drift matters.
    pub alarm: bool,
    /// The share of judged features that drifted, from 0 to 1: the score that alert rules look at.
    pub score: f64,
    /// The smallest adjusted p of all results.
    pub p: Option<f64>,
    /// The cosine distance of the mean vectors, where there are vectors.
    pub centroid_cosine: Option<f64>,
    /// One result for each feature.
    pub results: Vec<DriftResult>,
    /// Current rows that lie where the reference has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
    /// When it was judged.
    pub judged: Timestamp,
}

/// A row that shows drift, by its key, and the reference rows nearest to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Evidence {
    /// The feature that it shows drift of.
    pub feature: String,
    /// The key of the row, as text.
    pub key: String,
    /// Its distance from its k-th nearest row of the reference.
    pub distance: f64,
    /// The nearest rows of the reference, each with its distance; without keys where the reference is a baseline.
    pub nearest: Vec<(String, f64)>,
}

impl DriftReport {
    /// What follows from results.
    pub(super) fn new(
        subject: &Subject,
        current: TimeRange,
        reference: ReferenceOf,
        results: Vec<DriftResult>,
        judged: Timestamp,
    ) -> DriftReport {
        let enough = || results.iter().filter(|result| result.verdict != Verdict::Insufficient);
        let drifted = enough().filter(|result| result.drift).count();
        let effects = results.iter().find_map(|result| result.embedding.as_ref()?.effects);
        DriftReport {
            subject: subject.clone(),
            current,
            reference,
            verdict: results.iter().map(|result| result.verdict).max().unwrap_or(Verdict::Insufficient),
            drift: drifted > 0,
            alarm: results.iter().any(|result| result.alarm),
            score: if drifted == 0 { 0.0 } else { drifted as f64 / enough().count() as f64 },
            p: enough().filter_map(|result| result.adjusted_p).reduce(f64::min),
            centroid_cosine: effects.and_then(|effects| effects.centroid_cosine),
            results,
            evidence: Vec::new(),
            judged,
        }
    }

    /// Whether the mean vectors are this far apart, or further.
    pub(super) fn reaches(&self, cosine_distance: f64) -> bool {
        self.centroid_cosine.is_some_and(|distance| distance >= cosine_distance)
    }

    /// Whether any effect is large enough to matter, whatever its p.
    pub(super) fn matters(&self) -> bool {
        self.results.iter().any(|result| result.verdict != Verdict::Insufficient && result.effect.matters())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mlops::drift::{Column, DriftDetector, Method};

    #[test]
    fn the_score_is_the_share_of_what_could_be_judged() {
        let numbers = |count: u32, from: u32| Column::numbers((from..from + count).map(f64::from));
        let mut detector = DriftDetector::new(Method::Ks);
        detector
            .set_reference([("moved", numbers(100, 0)), ("same", numbers(100, 0)), ("few", numbers(3, 0))])
            .unwrap();
        let current = [("moved", numbers(100, 500)), ("same", numbers(100, 0)), ("few", numbers(3, 500))];
        let results = detector.detect(current).unwrap();
        let (docs, times) = (Subject::Collection("docs".into()), TimeRange::ALL);
        let report = DriftReport::new(&docs, times, ReferenceOf::Times(times), results, Timestamp(0));
        assert_eq!((report.results.len(), report.score), (3, 0.5));
    }

    #[test]
    fn mean_vectors_reach_a_distance_at_that_distance() {
        let (docs, times) = (Subject::Collection("docs".into()), TimeRange::ALL);
        let mut report = DriftReport::new(&docs, times, ReferenceOf::Times(times), Vec::new(), Timestamp(0));
        assert!(!report.reaches(0.0), "there are no vectors");
        report.centroid_cosine = Some(0.15);
        assert!(report.reaches(0.15) && !report.reaches(0.15f64.next_up()));
    }
}
