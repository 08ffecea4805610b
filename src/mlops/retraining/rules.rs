//! What asks for training, and what stands against it.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::mlops::retraining::config::RetrainConfig;
use crate::mlops::retraining::event::{RetrainEvent, RetrainReason, RetrainState, Trigger};

const DAY: Duration = Duration::from_secs(86_400);

/// What is known of a model when its rules are asked. What is not known asks for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct Signals {
    /// New samples since the last run that succeeded.
    pub new_samples: Option<u64>,
    /// How far accuracy has dropped below its baseline.
    pub accuracy_drop: Option<f64>,
    /// How far data has drifted.
    pub drift_score: Option<f64>,
    /// The share of predictions that failed.
    pub error_rate: Option<f64>,
}

impl Signals {
    /// Nothing is known.
    pub fn new() -> Signals {
        Signals::default()
    }

    /// So many new samples.
    #[must_use]
    pub fn new_samples(mut self, count: u64) -> Signals {
        self.new_samples = Some(count);
        self
    }

    /// Accuracy has dropped so far.
    #[must_use]
    pub fn accuracy_drop(mut self, drop: f64) -> Signals {
        self.accuracy_drop = Some(drop);
        self
    }

    /// Data has drifted so far.
    #[must_use]
    pub fn drift_score(mut self, score: f64) -> Signals {
        self.drift_score = Some(score);
        self
    }

    /// This share of predictions failed.
    #[must_use]
    pub fn error_rate(mut self, rate: f64) -> Signals {
        self.error_rate = Some(rate);
        self
    }
}

/// Why training is asked for, if it is. Samples and days count from their threshold on, the other signals above it.
pub(super) fn reasons(
    config: &RetrainConfig,
    signals: &Signals,
    since: Timestamp,
    now: Timestamp,
) -> Vec<RetrainReason> {
    let mut found = Vec::new();
    let mut add = |trigger, value: f64, threshold: f64, text: String| {
        found.push(RetrainReason { trigger, value, threshold, text });
    };
    if let (Some(count), Some(least)) = (signals.new_samples, config.min_new_samples)
        && count >= least
    {
        add(Trigger::NewData, count as f64, least as f64, format!("{count} new samples, at least {least}"));
    }
    if let Some(most) = config.max_time_without_retrain
        && now.since(since) >= most
    {
        let days = |time: Duration| time.as_secs_f64() / DAY.as_secs_f64();
        let (passed, most) = (days(now.since(since)), days(most));
        add(Trigger::Age, passed, most, format!("{passed:.1} days without training, at most {most}"));
    }
    let above = [
        (
            Trigger::AccuracyDrop,
            "accuracy has dropped by",
            signals.accuracy_drop,
            config.accuracy_degradation_threshold,
        ),
        (Trigger::Drift, "the drift score is", signals.drift_score, config.drift_score_threshold),
        (Trigger::ErrorRate, "the error rate is", signals.error_rate, config.error_rate_threshold),
    ];
    for (trigger, told, value, threshold) in above {
        if let (Some(value), Some(threshold)) = (value, threshold)
            && value > threshold
        {
            add(trigger, value, threshold, format!("{told} {value:.4}, more than {threshold}"));
        }
    }
    found
}

/// What stands against a run that begins now, if anything: the time since the last one began, then how many began within
/// 24 hours.
pub(super) fn limit(config: &RetrainConfig, events: &[RetrainEvent], now: Timestamp) -> Option<String> {
    let begun = || events.iter().filter_map(|event| event.started_at);
    if let Some(last) = begun().max()
        && now.since(last) < config.min_time_between_retrains
    {
        let hours = |time: Duration| time.as_secs_f64() / 3_600.0;
        let (passed, least) = (hours(now.since(last)), hours(config.min_time_between_retrains));
        return Some(format!("the last run began {passed:.1} hours ago; at least {least} must pass"));
    }
    let within_a_day = begun().filter(|time| now.since(*time) < DAY).count() as u64;
    (within_a_day >= config.max_retrains_per_day)
        .then(|| format!("{within_a_day} runs began within 24 hours; at most {} may", config.max_retrains_per_day))
}

/// Since when a model has not been trained: its last run that succeeded, else when its trigger was configured.
pub(super) fn trained(events: &[RetrainEvent], configured: Timestamp) -> Timestamp {
    let done = events.iter().filter(|event| event.state == RetrainState::Done);
    done.filter_map(|event| event.started_at).max().unwrap_or(configured)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: f64) -> Timestamp {
        Timestamp((hours * 3_600e6) as i64)
    }

    fn triggers(signals: Signals, days: f64) -> Vec<Trigger> {
        let found = reasons(&RetrainConfig::new(), &signals, at(0.0), at(days * 24.0));
        found.into_iter().map(|reason| reason.trigger).collect()
    }

    #[test]
    fn each_edge_has_its_side() {
        let none = Signals::new();
        let cases = [
            (none.new_samples(999), 0.0, vec![]),
            (none.new_samples(1_000), 0.0, vec![Trigger::NewData]),
            (none, 6.999, vec![]),
            (none, 7.0, vec![Trigger::Age]),
            (none.accuracy_drop(0.05), 0.0, vec![]),
            (none.accuracy_drop(0.0501), 0.0, vec![Trigger::AccuracyDrop]),
            (none.drift_score(0.1), 0.0, vec![]),
            (none.drift_score(0.1001), 0.0, vec![Trigger::Drift]),
            (none.error_rate(0.02), 0.0, vec![]),
            (none.error_rate(0.0201), 0.0, vec![Trigger::ErrorRate]),
            (none.error_rate(f64::NAN), 0.0, vec![]),
            (none.new_samples(5_000).drift_score(0.2), 8.0, vec![Trigger::NewData, Trigger::Age, Trigger::Drift]),
        ];
        for (signals, days, wanted) in cases {
            assert_eq!(triggers(signals, days), wanted, "{signals:?} {days}");
        }
    }

    fn begun(hours: f64) -> RetrainEvent {
        RetrainEvent {
            number: 1,
            model: "m".into(),
            reasons: Vec::new(),
            forced: false,
            over_limit: false,
            state: RetrainState::Done,
            requested_at: at(hours),
            started_at: Some(at(hours)),
            finished_at: None,
            actor: "kim".into(),
            outcome: None,
            correlation: None,
        }
    }

    #[test]
    fn limits_count_from_the_beginning_of_runs() {
        let config = RetrainConfig::new();
        let limited = |hours: &[f64], now: f64| {
            limit(&config, &hours.iter().map(|hours| begun(*hours)).collect::<Vec<_>>(), at(now)).is_some()
        };
        assert!(!limited(&[], 0.0));
        assert!(limited(&[0.0], 5.999) && !limited(&[0.0], 6.0));
        assert!(limited(&[0.0, 6.0, 12.0, 17.0], 23.999), "four within a day");
        assert!(!limited(&[0.0, 6.0, 12.0, 17.0], 24.0), "the first is a day ago");
        assert!(limited(&[10.0], 5.0), "a clock set back does not free a run");
    }
}
