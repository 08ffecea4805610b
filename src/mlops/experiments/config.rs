//! What an experiment compares, on whom, and what it takes to decide.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::filter::IntoFilter;
use crate::mlops::model::ModelId;
use crate::mlops::times::seconds;

/// The most characters an experiment's name may have.
const MAX_NAME_CHARS: usize = 100;
/// The most metrics beside the primary one.
const MAX_METRICS: usize = 50;
/// Steps of a ramp, at most.
const MAX_STEPS: usize = 100;

/// The share of users who get B, and the significance level, unless told.
pub(super) const DEFAULT_SPLIT: f64 = 0.3;
pub(super) const DEFAULT_LEVEL: f64 = 0.05;
/// The shortest time in which every day of a week is met.
const WEEK: Duration = Duration::from_secs(7 * 86_400);
/// What is said of a plan that is shorter.
pub(super) const LESS_THAN_A_WEEK: &str =
    "it is over in less than a week: let it run for whole weeks, so that every day of a week is in the data";

/// Two versions of a model, and how users are divided between them. Built step by step; the defaults are those of the
/// fields.
///
/// ```
/// use driftline::mlops::{ExperimentConfig, ExperimentMetric, Goal};
///
/// let config = ExperimentConfig::new("ranker-2", "ranker", "1.0.0", "2.0.0")
///     .traffic_split(0.5)
///     .segment("country in ['de', 'fr'] and age >= 18")?
///     .guardrail(ExperimentMetric::mean("latency_ms", Goal::Lower));
/// # Ok::<(), driftline::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ExperimentConfig {
    /// Its name, 1 to 100 characters. Users are assigned by it, so two experiments divide them independently.
    pub name: String,
    /// The model.
    pub model: String,
    /// The control: what users get who are not part of the experiment.
    pub version_a: String,
    /// What is tried.
    pub version_b: String,
    /// The share of users who get B, above 0 and below 1; 0.3.
    pub traffic_split: f64,
    /// Shares of B from later times on, for a gradual rollout; none.
    pub ramp: Vec<RampStep>,
    /// How long it runs; 14 days. At its end nobody new takes part, the next tick stops it, and the test for a fixed end
    /// decides.
    #[serde(with = "seconds", rename = "duration_seconds", alias = "duration")]
    pub duration: Duration,
    /// Users with an outcome that each variant must have before anything is decided; 1,000.
    pub min_samples_per_variant: u64,
    /// How often a winner is declared where there is no difference, at most; 0.05. A p below it decides, one at it does not.
    pub significance_level: f64,
    /// The metric that decides; `accuracy`, a rate.
    pub primary: ExperimentMetric,
    /// Metrics that are looked at too; their p are adjusted together, by Benjamini and Hochberg.
    pub secondary: Vec<ExperimentMetric>,
    /// Metrics that must not become worse: one that does, one-sided at the level, stops B from winning.
    pub guardrails: Vec<ExperimentMetric>,
    /// The smallest difference of interest in the primary metric; without it the test is tuned to decide soonest at twice
    /// the least number of users.
    pub minimal_effect: Option<f64>,
    /// Which users take part, as a filter over their attributes; all. Others get the control and are not counted.
    pub segment: Option<String>,
    /// Changes who gets what, where the same users shall be divided anew; empty.
    pub salt: String,
}

/// A share of users from some time on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RampStep {
    /// How long after the start.
    #[serde(with = "seconds", rename = "after_seconds", alias = "after")]
    pub after: Duration,
    /// The share of users who get B from then on.
    pub traffic_split: f64,
}

/// A figure that each user's outcomes give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ExperimentMetric {
    /// Its name.
    pub name: String,
    /// What its values are.
    pub kind: MetricKind,
    /// Which direction is better.
    pub goal: Goal,
}

/// What the values of a metric are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricKind {
    /// 0 or 1 for each user; arms are compared by their rates.
    Rate,
    /// A number for each user; arms are compared by their means.
    Mean,
}

/// Which direction is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Higher is better.
    Higher,
    /// Lower is better.
    Lower,
}

impl ExperimentMetric {
    /// A metric of zeros and ones.
    pub fn rate(name: impl Into<String>, goal: Goal) -> ExperimentMetric {
        ExperimentMetric { name: name.into(), kind: MetricKind::Rate, goal }
    }

    /// A metric of any numbers.
    pub fn mean(name: impl Into<String>, goal: Goal) -> ExperimentMetric {
        ExperimentMetric { name: name.into(), kind: MetricKind::Mean, goal }
    }
}

impl ExperimentConfig {
    /// Compares version `b` of a model with version `a`, the control.
    pub fn new(
        name: impl Into<String>,
        model: impl Into<String>,
        a: impl Into<String>,
        b: impl Into<String>,
    ) -> ExperimentConfig {
        ExperimentConfig {
            name: name.into(),
            model: model.into(),
            version_a: a.into(),
            version_b: b.into(),
            traffic_split: DEFAULT_SPLIT,
            ramp: Vec::new(),
            duration: Duration::from_secs(14 * 86_400),
            min_samples_per_variant: 1_000,
            significance_level: DEFAULT_LEVEL,
            primary: ExperimentMetric::rate("accuracy", Goal::Higher),
            secondary: Vec::new(),
            guardrails: Vec::new(),
            minimal_effect: None,
            segment: None,
            salt: String::new(),
        }
    }

    /// The share of users who get B.
    #[must_use]
    pub fn traffic_split(mut self, share: f64) -> ExperimentConfig {
        self.traffic_split = share;
        self
    }

    /// Another share from some time after the start on.
    #[must_use]
    pub fn ramp(mut self, after: Duration, share: f64) -> ExperimentConfig {
        self.ramp.push(RampStep { after, traffic_split: share });
        self.ramp.sort_by_key(|step| step.after);
        self
    }

    /// How long it runs.
    #[must_use]
    pub fn duration(mut self, duration: Duration) -> ExperimentConfig {
        self.duration = duration;
        self
    }

    /// Users with an outcome that each variant must have.
    #[must_use]
    pub fn min_samples_per_variant(mut self, users: u64) -> ExperimentConfig {
        self.min_samples_per_variant = users;
        self
    }

    /// How often a winner is declared where there is no difference, at most.
    #[must_use]
    pub fn significance_level(mut self, level: f64) -> ExperimentConfig {
        self.significance_level = level;
        self
    }

    /// The metric that decides.
    #[must_use]
    pub fn primary(mut self, metric: ExperimentMetric) -> ExperimentConfig {
        self.primary = metric;
        self
    }

    /// Adds a metric that is looked at too.
    #[must_use]
    pub fn secondary(mut self, metric: ExperimentMetric) -> ExperimentConfig {
        self.secondary.push(metric);
        self
    }

    /// Adds a metric that must not become worse.
    #[must_use]
    pub fn guardrail(mut self, metric: ExperimentMetric) -> ExperimentConfig {
        self.guardrails.push(metric);
        self
    }

    /// The smallest difference of interest in the primary metric.
    #[must_use]
    pub fn minimal_effect(mut self, difference: f64) -> ExperimentConfig {
        self.minimal_effect = Some(difference);
        self
    }

    /// Which users take part, by their attributes. Fails with `Filter` when the text is no filter.
    pub fn segment(mut self, filter: &str) -> Result<ExperimentConfig> {
        filter.into_filter()?;
        self.segment = Some(filter.to_owned());
        Ok(self)
    }

    /// Divides users anew.
    #[must_use]
    pub fn salt(mut self, salt: impl Into<String>) -> ExperimentConfig {
        self.salt = salt.into();
        self
    }

    /// The share of users who get B so long after the start, as planned.
    pub fn split_after(&self, since_start: Duration) -> f64 {
        let steps = self.ramp.iter().take_while(|step| step.after <= since_start);
        steps.last().map_or(self.traffic_split, |step| step.traffic_split)
    }

    /// The metrics, the primary one first.
    pub fn metrics(&self) -> impl Iterator<Item = &ExperimentMetric> {
        std::iter::once(&self.primary).chain(&self.secondary).chain(&self.guardrails)
    }

    /// Whether a version is one of the two.
    pub(crate) fn compares(&self, version: &ModelId) -> bool {
        self.model == version.name() && [&self.version_a, &self.version_b].iter().any(|it| *it == version.version())
    }

    /// What is to be minded of this plan, though it can be run.
    pub fn warnings(&self) -> Vec<String> {
        if self.duration < WEEK { vec![LESS_THAN_A_WEEK.to_owned()] } else { Vec::new() }
    }

    pub(super) fn check(&self) -> Result<()> {
        check_name(&self.name)?;
        ModelId::new(&*self.model, &*self.version_a)?;
        ModelId::new(&*self.model, &*self.version_b)?;
        if self.version_a == self.version_b {
            return Err(
                Error::invalid(format!("both variants are version {}", self.version_a)).mend("name two versions")
            );
        }
        let splits = std::iter::once(self.traffic_split).chain(self.ramp.iter().map(|step| step.traffic_split));
        for share in splits {
            check_share("traffic_split", share)?;
        }
        check_share("significance_level", self.significance_level)?;
        if self.minimal_effect.is_some_and(|effect| !(effect.is_finite() && effect > 0.0)) {
            return Err(
                Error::invalid("minimal_effect is not above 0").mend("give the smallest difference of interest")
            );
        }
        if self.duration.is_zero() || self.min_samples_per_variant == 0 {
            return Err(Error::invalid("duration and min_samples_per_variant must be above 0"));
        }
        if self.ramp.len() > MAX_STEPS || self.secondary.len() + self.guardrails.len() > MAX_METRICS {
            return Err(Error::invalid(format!(
                "at most {MAX_STEPS} steps and {MAX_METRICS} further metrics are taken"
            )));
        }
        let mut names: Vec<&str> = self.metrics().map(|metric| &*metric.name).collect();
        names.iter().try_for_each(|name| check_name(name))?;
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::invalid(format!("the metric `{}` is named twice", twice[0])));
        }
        self.segment.as_deref().map_or(Ok(()), |text| text.into_filter().map(drop))
    }
}

fn check_name(name: &str) -> Result<()> {
    let chars = name.chars().count();
    if !(1..=MAX_NAME_CHARS).contains(&chars) || name.chars().any(char::is_control) {
        return Err(Error::invalid(format!("{name:?}, of {chars} characters, cannot name an experiment or a metric"))
            .mend(format!("use 1 to {MAX_NAME_CHARS} characters, none of them a control character")));
    }
    Ok(())
}

/// Refuses a share that is not above 0 and below 1.
pub(in crate::mlops) fn check_share(what: &str, share: f64) -> Result<()> {
    if share > 0.0 && share < 1.0 {
        return Ok(());
    }
    Err(Error::invalid(format!("{what} is {share}")).mend("use a share above 0 and below 1"))
}
