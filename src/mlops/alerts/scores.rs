//! The newest drift score of each subject, whatever rules think of it: training may be asked for by a smaller one.

use serde::{Deserialize, Serialize};

use super::Alerts;
use crate::clock::Timestamp;
use crate::error::Result;

/// A drift score that was observed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(in crate::mlops) struct Score {
    pub(in crate::mlops) value: f64,
    /// The time of the observation.
    pub(super) at: Timestamp,
    /// When it was told, by the clock of the store.
    pub(in crate::mlops) told: Timestamp,
}

impl Score {
    /// Of two that were told one after the other, the one that counts.
    pub(super) fn or_later(self, earlier: Score) -> Score {
        if self.at < earlier.at { earlier } else { self }
    }

    /// Whether it is to be kept after this one. That a subject never had a score but 0 needs no record.
    pub(super) fn is_news_after(self, known: Option<Score>) -> bool {
        known.map_or(self.value > 0.0, |known| self.at >= known.at && (self.value != 0.0 || known.value != 0.0))
    }
}

impl Alerts {
    /// The newest drift scores of the subjects whose names begin so, by subject.
    pub(in crate::mlops) fn scores(&self, prefix: &str) -> Result<Vec<(String, Score)>> {
        let rows = self.records().scores.prefix(prefix)?;
        Ok(rows.into_iter().filter_map(|row| Some((row.key.as_text()?.to_owned(), row.value))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_counts_and_a_quiet_subject_needs_no_record() {
        let score = |value: f64, at: i64| Score { value, at: Timestamp(at), told: Timestamp(at) };
        assert!(!score(0.0, 1).is_news_after(None) && score(0.1, 1).is_news_after(None));
        assert!(score(0.0, 2).is_news_after(Some(score(0.1, 1))), "it is over");
        assert!(!score(0.0, 2).is_news_after(Some(score(0.0, 1))));
        assert!(score(0.1, 2).is_news_after(Some(score(0.1, 1))), "another window");
        assert!(!score(0.3, 1).is_news_after(Some(score(0.1, 2))));
        assert_eq!(
            (score(0.3, 1).or_later(score(0.1, 2)).value, score(0.3, 2).or_later(score(0.1, 2)).value),
            (0.1, 0.3)
        );
    }
}
