//! How an experiment stands.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::error::Result;
use crate::mlops::experiments::arms::{ArmSummary, Collected};
use crate::mlops::experiments::comparison::{self, MetricResult};
use crate::mlops::experiments::config::{ExperimentConfig, MetricKind};
use crate::mlops::experiments::decision::{self, Recommendation, Winner};
use crate::mlops::experiments::sample_ratio::{self, SampleRatioCheck};
use crate::mlops::experiments::{Experiment, ExperimentState};
use crate::stats::sequential::Msprt;

/// How an experiment stands: figures of each metric, whether users were divided as planned, and what to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Analysis {
    /// The experiment.
    pub experiment: String,
    /// When it was analyzed.
    pub time: Timestamp,
    /// Users who were exposed to A.
    pub users_a: u64,
    /// Users who were exposed to B.
    pub users_b: u64,
    /// Users of A with an outcome of the primary metric.
    pub samples_a: u64,
    /// Users of B with an outcome of the primary metric.
    pub samples_b: u64,
    /// The metrics, the primary one first, then the secondary ones and the guardrails.
    pub metrics: Vec<MetricResult>,
    /// Whether users were divided as planned; none without users.
    pub sample_ratio: Option<SampleRatioCheck>,
    /// The always-valid p of the primary metric, the smallest so far: what decides while the experiment runs. None while a
    /// variant has fewer users with an outcome than it must have: what so few say is not kept.
    pub p_always_valid: Option<f64>,
    /// The p for a fixed end, which decides at the planned end and is only shown before.
    pub p_fixed: Option<f64>,
    /// Whether the difference is significant by the test that decides.
    pub statistical_significance: bool,
    /// The better variant, once that is known.
    pub winner: Option<Winner>,
    /// What to do.
    pub recommendation: Recommendation,
    /// Why, and what else is to be minded.
    pub reasons: Vec<String>,
}

pub(super) fn analyze(experiment: &Experiment, collected: &Collected, now: Timestamp) -> Result<Analysis> {
    let config = &experiment.config;
    let metrics = comparison::compare(config, collected)?;
    let sample_ratio = sample_ratio::check(&collected.divided, experiment.smallest_ratio_p)?;
    let primary = &metrics[0];
    let (samples_a, samples_b) = (primary.a.samples, primary.b.samples);
    let p_now = always_valid(config, primary)?;
    let p_always_valid = p_now.map(|p| p.min(experiment.smallest_p));
    let facts = decision::Facts {
        config,
        metrics: &metrics,
        mismatch: sample_ratio.is_some_and(|check| check.mismatch),
        p_always_valid,
        at_end: experiment.is_over(now) || experiment.state == ExperimentState::Stopped,
        ran_for: experiment.started.map_or(Duration::ZERO, |started| now.since(started)),
    };
    let decided = decision::decide(&facts);
    Ok(Analysis {
        experiment: config.name.clone(),
        time: now,
        users_a: collected.divided.values().map(|counts| counts[0]).sum(),
        users_b: collected.divided.values().map(|counts| counts[1]).sum(),
        samples_a,
        samples_b,
        p_fixed: metrics[0].p,
        sample_ratio,
        p_always_valid,
        statistical_significance: decided.significant,
        winner: decided.winner,
        recommendation: decided.recommendation,
        reasons: decided.reasons,
        metrics,
    })
}

/// The always-valid p of the primary metric now; none while it cannot be compared. As the smallest one stands for good, there
/// is none before both arms have as many users as they must have: what a few values say of their variance may be far off.
fn always_valid(config: &ExperimentConfig, primary: &MetricResult) -> Result<Option<f64>> {
    let (a, b) = (&primary.a, &primary.b);
    let Some(difference) = primary.difference else { return Ok(None) };
    if a.samples.min(b.samples) < config.min_samples_per_variant {
        return Ok(None);
    }
    let spread = spread_of_a_user(primary);
    if spread <= 0.0 {
        return Ok(None);
    }
    let level = config.significance_level;
    let tau = match config.minimal_effect {
        Some(effect) => effect,
        // The variance of the difference once both arms have twice the least number of users.
        None => Msprt::tightest_tau(spread / config.min_samples_per_variant as f64, level)?,
    };
    let mut test = Msprt::new(tau, level)?;
    let look = match primary.metric.kind {
        MetricKind::Rate => test.look(counts(a), counts(b))?,
        MetricKind::Mean => test.look_at(difference, variance_of_difference(a, b, spread))?,
    };
    Ok(Some(look.p))
}

/// The variance of one user's value, over both arms.
fn spread_of_a_user(primary: &MetricResult) -> f64 {
    let (a, b) = (&primary.a, &primary.b);
    let (n, m) = (a.samples as f64, b.samples as f64);
    let over_both = |a: f64, b: f64| (a * n + b * m) / (n + m);
    match primary.metric.kind {
        MetricKind::Rate => {
            let rate = over_both(a.value, b.value);
            // Never 0, however alike the users are.
            (rate * (1.0 - rate)).max(1.0 / (n + m + 2.0))
        }
        MetricKind::Mean => over_both(a.variance, b.variance),
    }
}

/// The variance of a difference of means: as each arm tells of itself or as both tell together, whichever is larger. Where
/// large values are rare, a small arm that has met few of them shows a mean that is too low and with it a variance that is
/// too small.
fn variance_of_difference(a: &ArmSummary, b: &ArmSummary, spread: f64) -> f64 {
    let (n, m) = (a.samples as f64, b.samples as f64);
    (a.variance / n + b.variance / m).max(spread / n + spread / m)
}

fn counts(arm: &ArmSummary) -> (u64, u64) {
    ((arm.value * arm.samples as f64).round() as u64, arm.samples)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mlops::experiments::assignment::Variant;
    use crate::mlops::experiments::config::{ExperimentMetric, Goal};
    use crate::mlops::experiments::users::Exposure;
    use crate::random::Random;

    /// 300 experiments without a difference, looked at every 100 of 2,000 users: at most 5 % may declare a winner.
    #[test]
    fn looking_often_makes_no_winners() {
        let config = || config().traffic_split(0.5).min_samples_per_variant(250);
        let right = |random: &mut Random| f64::from(u8::from(random.unit() < 0.85));
        let (winners, naive) = looked_at_often(config, right, 2_000);
        assert!(winners * 20 <= EXPERIMENTS, "{winners} of {EXPERIMENTS}");
        assert!(naive * 20 > EXPERIMENTS * 3, "a test for a fixed end is no match: {naive}");
    }

    /// The same of a mean that rests on few: one user in twenty pays 20, the others nothing, and one in ten gets B.
    #[test]
    fn looking_often_at_what_few_users_pay_makes_no_winners() {
        let revenue = ExperimentMetric::mean("accuracy", Goal::Higher);
        let config = || config().traffic_split(0.1).min_samples_per_variant(100).primary(revenue.clone());
        let paid = |random: &mut Random| if random.unit() < 0.05 { 20.0 } else { 0.0 };
        let (winners, naive) = looked_at_often(config, paid, 4_000);
        assert!(winners * 20 <= EXPERIMENTS, "{winners} of {EXPERIMENTS}");
        assert!(naive * 20 > EXPERIMENTS * 3, "a test for a fixed end is no match: {naive}");
    }

    const EXPERIMENTS: u64 = 300;

    fn config() -> ExperimentConfig {
        ExperimentConfig::new("a-a", "m", "1", "2")
    }

    /// In how many experiments a winner was declared at any look, and the p for a fixed end was ever small.
    fn looked_at_often(
        config: impl Fn() -> ExperimentConfig,
        outcome: impl Fn(&mut Random) -> f64,
        users: u64,
    ) -> (u64, u64) {
        let looks = (0..EXPERIMENTS).map(|seed| looked_at(config(), &outcome, users, seed));
        looks.fold((0, 0), |(winners, naive), (declared, fooled)| {
            (winners + u64::from(declared), naive + u64::from(fooled))
        })
    }

    /// Whether a winner was declared at any look, and whether the p for a fixed end was ever small.
    fn looked_at(
        config: ExperimentConfig,
        outcome: impl Fn(&mut Random) -> f64,
        users: u64,
        seed: u64,
    ) -> (bool, bool) {
        let split = config.traffic_split;
        let mut collected = Collected::new(&config);
        let mut experiment = Experiment::created(config, 1, Timestamp(0));
        (experiment.state, experiment.started) = (ExperimentState::Running, Some(Timestamp(0)));
        let mut random = Random::seeded(seed, 7);
        let (mut declared, mut fooled) = (false, false);
        for user in 1..=users {
            let variant = if random.unit() < split { Variant::B } else { Variant::A };
            let outcome = outcome(&mut random);
            let exposure = Exposure {
                user: String::new(),
                variant,
                version: String::new(),
                exposed_at: Timestamp(0),
                split,
                prediction: None,
                outcomes: [("accuracy".to_owned(), outcome)].into(),
            };
            collected.add(&exposure).unwrap();
            if user % 100 == 0 {
                let analysis = analyze(&experiment, &collected, Timestamp(0)).unwrap();
                experiment.smallest_p = experiment.smallest_p.min(analysis.p_always_valid.unwrap_or(1.0));
                declared |= analysis.winner.is_some();
                fooled |= analysis.p_fixed.is_some_and(|p| p < 0.05);
            }
        }
        (declared, fooled)
    }
}
