//! What the figures of an experiment say is to be done.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::mlops::experiments::comparison::{MetricResult, Role};
use crate::mlops::experiments::config::{ExperimentConfig, Goal};

/// A whole week, below which the days of a week are not all in the data.
const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// What to do with an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recommendation {
    /// Let it run on: there are too few users, or no difference that is sure yet.
    Continue,
    /// Have B serve.
    AdoptB,
    /// Keep A: it is better, or B makes a guardrail worse.
    KeepA,
    /// Its time is over without a sure difference.
    NoDifference,
    /// Users were not divided as planned: find out why before trusting any figure.
    CheckAssignment,
}

/// The better variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Winner {
    /// The control.
    A,
    /// What was tried.
    B,
}

/// What a decision rests on.
pub(super) struct Facts<'a> {
    pub(super) config: &'a ExperimentConfig,
    /// The primary metric first.
    pub(super) metrics: &'a [MetricResult],
    pub(super) mismatch: bool,
    pub(super) p_always_valid: Option<f64>,
    pub(super) at_end: bool,
    pub(super) ran_for: Duration,
}

pub(super) struct Decision {
    pub(super) significant: bool,
    pub(super) winner: Option<Winner>,
    pub(super) recommendation: Recommendation,
    pub(super) reasons: Vec<String>,
}

/// Decides: a split that went wrong comes first, then the least number of users, then guardrails, then the primary metric.
pub(super) fn decide(facts: &Facts<'_>) -> Decision {
    let (config, primary) = (facts.config, &facts.metrics[0]);
    let mut reasons = Vec::new();
    if facts.ran_for < WEEK {
        reasons.push("it has run for less than a week, so not all days of a week are in the data".to_owned());
    }
    let open = |recommendation, reasons| Decision { significant: false, winner: None, recommendation, reasons };
    if facts.mismatch {
        reasons.insert(
            0,
            "users were not divided as planned (always-valid p < 0.001), so no figure can be trusted".into(),
        );
        return open(Recommendation::CheckAssignment, reasons);
    }
    let (least, wanted) = (primary.a.samples.min(primary.b.samples), config.min_samples_per_variant);
    if least < wanted {
        reasons.insert(
            0,
            format!("not enough samples: the smaller variant has {least} of {wanted} users with an outcome"),
        );
        return open(Recommendation::Continue, reasons);
    }
    let level = config.significance_level;
    let (p, test) = match (facts.at_end, primary.p) {
        (true, Some(p)) => (Some(p), "for a fixed end"),
        _ => (facts.p_always_valid, "always-valid"),
    };
    let significant = p.is_some_and(|p| p < level);
    let better = primary.difference.is_some_and(|difference| match primary.metric.goal {
        Goal::Higher => difference > 0.0,
        Goal::Lower => difference < 0.0,
    });
    reasons.insert(0, told(primary, p, test, level));
    let harmed = facts.metrics.iter().filter(|it| it.role == Role::Guardrail && it.p_worse.is_some_and(|p| p < level));
    let harmed: Vec<&str> = harmed.map(|it| &*it.metric.name).collect();
    if !harmed.is_empty() {
        reasons.insert(0, format!("B makes guardrails worse: {}", harmed.join(", ")));
        let winner = (significant && !better).then_some(Winner::A);
        return Decision { significant, winner, recommendation: Recommendation::KeepA, reasons };
    }
    let (winner, recommendation) = match (significant, better, facts.at_end) {
        (true, true, _) => (Some(Winner::B), Recommendation::AdoptB),
        (true, false, _) => (Some(Winner::A), Recommendation::KeepA),
        (false, _, true) => (None, Recommendation::NoDifference),
        (false, _, false) => (None, Recommendation::Continue),
    };
    Decision { significant, winner, recommendation, reasons }
}

fn told(primary: &MetricResult, p: Option<f64>, test: &str, level: f64) -> String {
    let (name, difference) = (&primary.metric.name, primary.difference.unwrap_or(0.0));
    let Some(p) = p else { return format!("`{name}` cannot be compared yet") };
    let sure = if p < level { "" } else { ", which is not sure" };
    let p = if p < 1e-4 { "below 0.0001".to_owned() } else { format!("{p:.4}") };
    format!("`{name}` differs by {difference:+.4}{sure} (p {p}, {test})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mlops::experiments::arms::Collected;
    use crate::mlops::experiments::comparison;

    #[test]
    fn a_p_at_the_level_decides_nothing() {
        let config = ExperimentConfig::new("a-b", "m", "1", "2").min_samples_per_variant(2);
        let mut collected = Collected::new(&config);
        collected.values[0] = [vec![0.0, 0.0], vec![1.0, 1.0]];
        let mut metrics = comparison::compare(&config, &collected).unwrap();
        let level = config.significance_level;
        for at_end in [false, true] {
            for (p, wanted) in [(level, None), (level.next_down(), Some(Winner::B))] {
                metrics[0].p = Some(p);
                let (metrics, p_always_valid) = (&metrics[..], Some(p));
                let ran_for = config.duration;
                let facts = Facts { config: &config, metrics, mismatch: false, p_always_valid, at_end, ran_for };
                let decided = decide(&facts);
                assert_eq!((decided.winner, decided.significant), (wanted, wanted.is_some()), "{p} {at_end}");
            }
        }
    }
}
