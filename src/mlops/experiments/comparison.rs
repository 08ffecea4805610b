//! A metric of both arms beside each other.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::mlops::experiments::arms::{self, ArmSummary, Collected};
use crate::mlops::experiments::config::{ExperimentConfig, ExperimentMetric, Goal, MetricKind};
use crate::stats::ab::{self, Beta};
use crate::stats::chi_square;
use crate::stats::multiple::{self, Correction};

/// Below this expected count in a cell Fisher's test takes the place of chi-square.
const FEW: f64 = 5.0;

/// A metric of both arms beside each other; differences are B less A.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MetricResult {
    /// The metric.
    pub metric: ExperimentMetric,
    /// What it is for: `primary`, `secondary` or `guardrail`.
    pub role: Role,
    /// Arm A.
    pub a: ArmSummary,
    /// Arm B.
    pub b: ArmSummary,
    /// B less A; none while an arm has no outcome.
    pub difference: Option<f64>,
    /// The difference over A; none where that is 0.
    pub relative_lift: Option<f64>,
    /// Where the difference lies with 95 % confidence: Newcombe's interval of rates, Welch's of means.
    pub interval: Option<(f64, f64)>,
    /// Cohen's h of rates, Cohen's d of means.
    pub effect: Option<f64>,
    /// The two-sided p for a fixed end: Fisher's where a count is expected below 5, else, at 5 too, the pooled z's, of means
    /// Welch's.
    pub p: Option<f64>,
    /// Which test gave it.
    pub test: Option<String>,
    /// Pearson's chi-square of the 2x2 table of rates, without correction.
    pub chi_square: Option<f64>,
    /// Adjusted over the secondary metrics; of others the same as `p`.
    pub p_adjusted: Option<f64>,
    /// The chance that B is the larger one, from a flat prior; of rates only.
    pub chance_b_larger: Option<f64>,
    /// Of a guardrail: the one-sided p that B is worse.
    pub p_worse: Option<f64>,
}

/// What a metric is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It decides.
    Primary,
    /// It is looked at.
    Secondary,
    /// It must not become worse.
    Guardrail,
}

/// Compares the arms metric by metric, the primary one first.
pub(super) fn compare(config: &ExperimentConfig, collected: &Collected) -> Result<Vec<MetricResult>> {
    let roles = std::iter::once(Role::Primary)
        .chain(config.secondary.iter().map(|_| Role::Secondary))
        .chain(config.guardrails.iter().map(|_| Role::Guardrail));
    let each = config.metrics().zip(roles).zip(&collected.values);
    let mut results = each.map(|((metric, role), [a, b])| result(metric, role, a, b)).collect::<Result<Vec<_>>>()?;
    adjust(&mut results)?;
    Ok(results)
}

fn result(metric: &ExperimentMetric, role: Role, a: &[f64], b: &[f64]) -> Result<MetricResult> {
    let (summary_a, summary_b) = (arms::summary(a, metric.kind)?, arms::summary(b, metric.kind)?);
    let mut result = MetricResult {
        metric: metric.clone(),
        role,
        a: summary_a,
        b: summary_b,
        difference: None,
        relative_lift: None,
        interval: None,
        effect: None,
        p: None,
        test: None,
        chi_square: None,
        p_adjusted: None,
        chance_b_larger: None,
        p_worse: None,
    };
    if a.is_empty() || b.is_empty() {
        return Ok(result);
    }
    let difference = summary_b.value - summary_a.value;
    result.difference = Some(difference);
    result.relative_lift = (summary_a.value != 0.0).then(|| difference / summary_a.value);
    let p_larger = match metric.kind {
        MetricKind::Rate => compare_rates(&mut result, a, b)?,
        MetricKind::Mean => compare_means(&mut result, a, b)?,
    };
    if role == Role::Guardrail {
        result.p_worse = p_larger.map(|p| if metric.goal == Goal::Lower { p } else { 1.0 - p });
    }
    result.p_adjusted = result.p;
    Ok(result)
}

/// Fills in what two rates give; returns the one-sided p that B's is larger.
fn compare_rates(result: &mut MetricResult, a: &[f64], b: &[f64]) -> Result<Option<f64>> {
    let (a, b) = (arms::rate_arm(a), arms::rate_arm(b));
    let compared = ab::proportions(a, b)?;
    let successes = (a.successes + b.successes) as f64;
    let users = (a.trials + b.trials) as f64;
    let rarer = successes.min(users - successes) * a.trials.min(b.trials) as f64 / users;
    result.interval = Some(ab::newcombe(a, b, 0.95)?);
    result.effect = Some(ab::cohens_h(compared.rate_a, compared.rate_b)?);
    result.chi_square = Some(compared.z * compared.z);
    let prior = Beta::new(1.0, 1.0)?;
    result.chance_b_larger = Some(ab::chance_of_larger(prior.after(a)?, prior.after(b)?)?);
    let table = [[a.successes, a.trials - a.successes], [b.successes, b.trials - b.successes]];
    let (p, test) = if rarer < FEW { (chi_square::fisher(table)?.p, "fisher") } else { (compared.p, "z") };
    result.p = Some(p);
    result.test = Some(test.into());
    Ok(Some(compared.p_b_larger))
}

/// Fills in what two means give, where they can be compared; returns the one-sided p that B's is larger.
fn compare_means(result: &mut MetricResult, a: &[f64], b: &[f64]) -> Result<Option<f64>> {
    // Welch's test wants two values an arm, and some spread.
    if a.len() < 2 || b.len() < 2 || result.a.variance + result.b.variance == 0.0 {
        return Ok(None);
    }
    let compared = ab::means(a, b)?;
    result.interval = Some(compared.welch_ci95);
    result.effect = Some(compared.cohens_d);
    result.p = Some(compared.welch_p);
    result.test = Some("welch".into());
    let half = compared.welch_p / 2.0;
    Ok(Some(if compared.welch_t > 0.0 { half } else { 1.0 - half }))
}

/// Adjusts the p of the secondary metrics together.
fn adjust(metrics: &mut [MetricResult]) -> Result<()> {
    let family: Vec<&mut MetricResult> =
        metrics.iter_mut().filter(|it| it.role == Role::Secondary && it.p.is_some()).collect();
    if family.is_empty() {
        return Ok(());
    }
    let p: Vec<f64> = family.iter().filter_map(|it| it.p).collect();
    let adjusted = multiple::adjust(&p, Correction::BenjaminiHochberg)?;
    family.into_iter().zip(adjusted).for_each(|(it, p)| it.p_adjusted = Some(p));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expected_count_of_five_is_enough_for_z() {
        let metric = ExperimentMetric::rate("accuracy", Goal::Higher);
        let test = |right: usize| {
            let values: Vec<f64> = (0..20).map(|user| f64::from(u8::from(user < right))).collect();
            result(&metric, Role::Primary, &values, &[0.0; 20]).unwrap().test
        };
        assert_eq!((test(10).as_deref(), test(9).as_deref()), (Some("z"), Some("fisher")));
    }
}
