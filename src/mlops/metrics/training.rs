//! What serves, and what came of training.

use super::text::Exposition;
use super::{MOST_NAMES, OTHERS};
use crate::database::handle::Database;
use crate::error::Result;
use crate::mlops::registry::PRODUCTION;
use crate::mlops::retraining::{RetrainEvent, RetrainState};

/// How a run of training may have ended.
const ENDS: [(&str, RetrainState); 3] =
    [("done", RetrainState::Done), ("failed", RetrainState::Failed), ("rejected", RetrainState::Rejected)];

/// The version of each model that is in production, and how often a model was trained.
pub(super) fn tell(db: &Database, text: &mut Exposition) -> Result<()> {
    let mut production = text.gauge("driftline_model_in_production", "1 for the version of a model that serves.");
    for name in db.models()?.into_iter().take(MOST_NAMES) {
        if let Some(version) = db.model(&name)?.alias(PRODUCTION)?.and_then(|alias| alias.version) {
            production.sample(&[("model", &name), ("version", &version)], 1.0);
        }
    }
    let retraining = db.retraining();
    let mut runs: Vec<(Vec<RetrainEvent>, String)> = Vec::new();
    for (place, model) in retraining.models()?.into_iter().enumerate() {
        let history = retraining.history(&model, u32::MAX)?;
        match runs.last_mut().filter(|_| place > MOST_NAMES) {
            Some((others, _)) => others.extend(history),
            None => runs.push((history, if place < MOST_NAMES { model } else { OTHERS.to_owned() })),
        }
    }
    let mut ended =
        text.counter("driftline_retraining_runs_total", "Runs of training that ended, by what came of them.");
    for (runs, model) in &runs {
        for (outcome, state) in ENDS {
            let count = runs.iter().filter(|run| run.state == state).count();
            ended.sample(&[("model", model), ("outcome", outcome)], count as f64);
        }
    }
    let help = "When the last run of training ended that succeeded, in seconds since 1970.";
    let mut last = text.gauge("driftline_retraining_last_success_timestamp_seconds", help);
    for (runs, model) in &runs {
        let done = runs.iter().filter(|run| run.state == RetrainState::Done);
        if let Some(at) = done.filter_map(|run: &RetrainEvent| run.finished_at).max() {
            last.sample(&[("model", model)], at.0 as f64 / 1e6);
        }
    }
    Ok(())
}
