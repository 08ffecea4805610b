//! Prediction drift of a model in use: whether what it says has moved from its baseline, by the sigma rule.

use serde_json::json;

use super::baseline::{SigmaReport, Signal};
use super::monitor::Monitor;
use super::records::Records;
use super::settings::MonitorSettings;
use super::tail::{Part, Tail};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::mlops::alerts::{Observation, metric};
use crate::stats::moments::Moments;

/// What was counted of a signal.
type Counted = fn(&Part) -> &Moments;

/// What counts of the signals that the sigma rule may watch: what is said, and not how well or how fast, which other rules
/// look at.
const OUTPUTS: [(Signal, Counted); 2] =
    [(Signal::Confidence, |part| &part.confidence), (Signal::Number, |part| &part.numbers)];

impl Monitor {
    /// How many outputs of the newest predictions have moved, where the baseline has such outputs and there are enough.
    pub(super) fn outputs(
        &self,
        records: &Records,
        tail: &Tail,
        at: Timestamp,
        settings: &MonitorSettings,
    ) -> Result<Option<Observation>> {
        let Some(baseline) = records.baseline()? else { return Ok(None) };
        let least = settings.min_samples.max(1);
        let (mut from, mut drifted, mut signals) = (at, 0.0, Vec::new());
        for (signal, of) in OUTPUTS {
            let before = baseline.signals.get(&signal).filter(|values| values.len() as u64 >= least);
            let newest = tail.newest(least, |part| of(part).count()).filter(|part| of(part).count() >= least);
            let (Some(before), Some(part)) = (before, newest) else { continue };
            let report = SigmaReport::of_moments(&Moments::of(before)?, of(&part), settings.drift_threshold)?;
            from = from.min(part.from);
            drifted += f64::from(u8::from(report.drift_detected));
            signals.push(json!({"signal": signal, "report": report}));
        }
        let detail = json!({"baseline": baseline.version, "signals": signals});
        let observation = || self.observation(metric::PREDICTION_DRIFT, drifted, from, at).detail(detail);
        Ok((!signals.is_empty()).then(observation))
    }
}
