//! The sigma rule: has the mean moved by more than so many standard deviations of the baseline?

use super::moments::Moments;
use super::{check, special};
use crate::error::Result;

/// The outcome of the rule.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Sigma {
    /// Mean of the baseline.
    pub baseline_mean: f64,
    /// Mean of the current values.
    pub current_mean: f64,
    /// Population standard deviation of the baseline.
    pub baseline_deviation: f64,
    /// Population standard deviation of the current values.
    pub current_deviation: f64,
    /// What the score is held against.
    pub threshold: f64,
    /// |current mean - baseline mean| / baseline deviation; infinite where a constant baseline was left, 0 where not.
    pub score: f64,
    /// Whether the score is greater than the threshold.
    pub drift: bool,
    /// Current values.
    pub sample_count: u64,
    /// Welch's two-sided p for the two means, which the rule itself does not look at; none where it has no answer.
    pub welch_p: Option<f64>,
}

/// Applies the rule with `threshold`, in standard deviations of the baseline: drift is above it, not at it.
pub fn rule(baseline: &[f64], current: &[f64], threshold: f64) -> Result<Sigma> {
    rule_of(&Moments::of(baseline)?, &Moments::of(current)?, threshold)
}

/// The same of what is known of values that were counted; of none, all is 0.
pub fn rule_of(before: &Moments, now: &Moments, threshold: f64) -> Result<Sigma> {
    check::positive("the threshold", threshold)?;
    let (step, deviation) = ((now.mean() - before.mean()).abs(), before.population_deviation());
    let score = if step == 0.0 { 0.0 } else { step / deviation };
    Ok(Sigma {
        baseline_mean: before.mean(),
        current_mean: now.mean(),
        baseline_deviation: deviation,
        current_deviation: now.population_deviation(),
        threshold,
        score,
        drift: score > threshold,
        sample_count: now.count(),
        welch_p: welch_p(before, now),
    })
}

/// Welch's two-sided p of two means; none below two values a side, or where both are constant.
pub(crate) fn welch_p(a: &Moments, b: &Moments) -> Option<f64> {
    let (va, vb) = (a.sample_variance()? / a.count() as f64, b.sample_variance()? / b.count() as f64);
    let dof = (va + vb).powi(2) / (va * va / (a.count() - 1) as f64 + vb * vb / (b.count() - 1) as f64);
    (va + vb > 0.0).then(|| special::student_two_sided((b.mean() - a.mean()) / (va + vb).sqrt(), dof))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_baseline_has_an_answer() {
        let same = rule(&[1.0, 1.0], &[1.0, 1.0], 2.0).unwrap();
        assert_eq!((same.score, same.drift, same.welch_p), (0.0, false, None));
        assert!(rule(&[1.0, 1.0], &[2.0], 2.0).unwrap().drift);
        assert!(rule(&[], &[2.0], 2.0).is_err());
    }

    #[test]
    fn the_threshold_itself_is_no_drift() {
        let score = |current: f64| rule(&[-1.0, 1.0], &[current], 2.0).unwrap();
        assert_eq!((score(2.0).score, score(2.0).drift), (2.0, false));
        assert!(score(2.0f64.next_up()).drift);
    }
}
