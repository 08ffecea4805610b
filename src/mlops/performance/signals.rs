//! Signals of what a model says, held against its baseline by the sigma rule.

use serde_json::{Value, json};

use super::baseline::{Baseline, SigmaReport, Signal};
use super::settings::MonitorSettings;
use super::tail::{Part, Tail};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::stats::moments::Moments;

/// What was counted of a signal.
type Counted = fn(&Part) -> &Moments;

/// What counts of the signals that the sigma rule may watch: what is said, and not how well or how fast, which other rules
/// look at.
const OUTPUTS: [(Signal, Counted); 2] =
    [(Signal::Confidence, |part| &part.confidence), (Signal::Number, |part| &part.numbers)];

/// Signals of the newest predictions.
pub(super) struct Moved {
    /// Where the predictions begin that were looked at; none where there are too few of each.
    pub(super) from: Option<Timestamp>,
    /// How many signals have moved by more than the settings' threshold.
    pub(super) count: u32,
    /// A report of each, by its signal.
    pub(super) reports: Vec<Value>,
}

/// Which signals of the newest predictions have moved, of those that the baseline has and of which there is enough.
pub(super) fn moved(baseline: &Baseline, tail: &Tail, settings: &MonitorSettings) -> Result<Moved> {
    let least = settings.min_samples.max(1);
    let mut moved = Moved { from: None, count: 0, reports: Vec::new() };
    for (signal, of) in OUTPUTS {
        let before = baseline.enough(signal, least);
        let newest = tail.newest(least, |part| of(part).count()).filter(|part| of(part).count() >= least);
        let (Some(before), Some(part)) = (before, newest) else { continue };
        let report = SigmaReport::of_moments(&Moments::of(before)?, of(&part), settings.drift_threshold)?;
        moved.from = Some(moved.from.map_or(part.from, |from| from.min(part.from)));
        moved.count += u32::from(report.drift_detected);
        moved.reports.push(json!({"signal": signal, "report": report}));
    }
    Ok(moved)
}
